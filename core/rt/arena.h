/* arena.h - memory that is given back all at once, and wiped: for what a configuration says, passwords among it.
 *
 * Shape    chunks of 64 KiB and larger, filled from the front.
 * Threads  one at a time.
 * Memory   everything taken lives until arena_free. Nothing is moved: addresses stay.
 */
#ifndef MIDGE_RT_ARENA_H
#define MIDGE_RT_ARENA_H

#include <stddef.h>

enum { ARENA_CHUNK = 64 << 10 };

struct arena;

/* NULL: no memory. */
struct arena *arena_new(void);
/* Everything is overwritten and released. NULL: nothing. */
void arena_free(struct arena *a);
/* So many bytes, zeroed, aligned for anything. NULL: no memory. */
void *arena_take(struct arena *a, size_t len);
/* A copy of bytes with a NUL behind it. NULL: no memory. */
char *arena_copy(struct arena *a, const char *bytes, size_t len);
/* What it holds, chunk heads included. */
size_t arena_bytes(const struct arena *a);

#endif
