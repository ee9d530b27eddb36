/* conf_check.h - the properties of the configuration parser, for its tests and its fuzzer: a tree holds together, a tree that is written down
 * is read back, whatever the spelling.
 *
 * A property that does not hold prints what it is about, and aborts.
 *
 * Threads  one. Memory  a world keeps the texts of its files and variables until conf_check_fini.
 */
#ifndef MIDGE_PROTO_CONF_CHECK_H
#define MIDGE_PROTO_CONF_CHECK_H

#include "proto/conf.h"

enum { CONF_CHECK_TEXTS_MAX = 256 };

/* Files and environment variables. */
struct conf_check_world {
    struct {
        char  *name, *bytes;
        size_t len;
        bool   file;
    } texts[CONF_CHECK_TEXTS_MAX];
    uint32_t n;
};

/* Add one; the bytes are copied. False: there is no room for more. */
bool conf_check_add(struct conf_check_world *w, bool file, const char *name, const char *bytes, size_t len);
/* The environment that the world is. view of w */
struct conf_env conf_check_env(struct conf_check_world *w);
void conf_check_fini(struct conf_check_world *w);

/* The tree's bounds hold, its strings end in NUL, and conf_get finds the last key of each name. */
void conf_check_doc(struct conf_doc *d);
/* Same types, keys and values in the same order. */
bool conf_check_same(const struct conf_value *a, const struct conf_value *b);

/* Can the map be written? Some keys cannot: there are no escapes in them. */
bool conf_check_writable(const struct conf_value *top);
/* The entries of a map as the text of a file, own: free(). seed 0: always in the same spelling; else in a random one, and where world is not
 * NULL some values and entries stand in variables and files that are added to it. */
char *conf_check_write(const struct conf_value *top, uint64_t seed, struct conf_check_world *world, size_t *ret_len);
/* Write d and read it back, in spellings of this seed and in the plain one: the tree and the digest are the same. */
void conf_check_again(struct conf_doc *d, uint64_t seed);

#endif
