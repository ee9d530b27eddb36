/* file.h - small files written at once, and what the system says when it refuses.
 *
 * For pid files, ports files and the like: start-up, reload, the end. Blocks.
 *
 * Threads  main.
 * Errors   as text in the words of nats-server ("open x: no such file or directory"): operators and their tools know them.
 */
#ifndef MIDGE_RT_FILE_H
#define MIDGE_RT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/rt/err.h"

enum { FILE_WHY_MAX = 4200 }; /* a path, and a few words */

/* The system's word for errnum, in lower case ("permission denied"). */
const char *file_errno_text(int errnum, char *to, size_t cap);
/* Make or overwrite a file with these bytes. mode is what it has from then on, whatever it had. False: ret_why says why. */
bool file_write(const char *path, unsigned mode, const void *bytes, size_t len, char ret_why[FILE_WHY_MAX]);
/* The same for a file of one's own in a folder that others may write to: what has its name goes, and no link is followed. */
bool file_write_new(const char *path, unsigned mode, const void *bytes, size_t len, char ret_why[FILE_WHY_MAX]);
/* All bytes of a file of at most max. What it read into on the way is overwritten: it may be a secret.
 *   own   *ret_bytes, by free
 *   fail  ERR_NOENT, ERR_ACCESS, ...: ret_why (128 bytes) has the system's word; ERR_LIMIT (longer than max), ERR_NOMEM */
enum err file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_len, char ret_why[128]);
/* Its permission bits; 0 when the system does not say. */
unsigned file_mode(const char *path);
/* Give a file another name, in place of whatever has it. */
bool file_rename(const char *from, const char *to, char ret_why[FILE_WHY_MAX]);
bool file_remove(const char *path, char ret_why[FILE_WHY_MAX]);

#endif
