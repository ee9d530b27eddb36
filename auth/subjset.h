/* subjset.h - a set of subject patterns, compiled once: which of them cover a subject?
 *
 * A trie of tokens. Children are found through one table keyed by (node, token); `*` and `>` stand beside it. A pattern may carry a
 * queue name, itself a pattern ("a.b v1.*"): it speaks of members of those queue groups only.
 *
 *     "a.b", "a.* q", "a.>"        root - a - b      plain
 *                                           - *      queues: q
 *                                           - >      plain
 *
 * A walk needs no stack and no memory: it goes back up over the nodes' parents, and over the dots of the subject. It visits each node at
 * most once, whatever the subject.
 *
 * Threads  built by one; then only read, by any.
 * Memory   own: subjset_new -> subjset_free; everything is copied.
 * Source   sheet 01, section 6; sheet 03, sections 4.2 to 4.4.
 */
#ifndef MIDGE_AUTH_SUBJSET_H
#define MIDGE_AUTH_SUBJSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

struct subjset;

/* What the patterns that cover a subject say. */
struct subjset_hit {
    bool plain;  /* one without a queue is among them */
    bool queues; /* ones with a queue are */
    bool queue;  /* and one of these names the queue that was asked for */
};

/* From n patterns "subject" or "subject queue"; what is no valid subject covers nothing.
 *   own   *ret, by subjset_free
 *   fail  ERR_NOMEM */
enum err subjset_new(const char *const *patterns, uint32_t n, struct subjset **ret);
void subjset_free(struct subjset *s); /* NULL is fine */

/* Patterns that cover the subject as published: `*` and `>` are ordinary tokens in it; with an empty token nothing covers it.
 *   borrow  queue; len 0: none */
struct subjset_hit subjset_match(const struct subjset *s, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len);
/* Patterns of which the subject, which may be a pattern itself, is a subset: `>` is covered by `>` alone. */
struct subjset_hit subjset_cover(const struct subjset *s, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len);
/* Whether some subject is covered by the (valid) pattern and by one of the set, whatever its queue. */
bool subjset_overlap(const struct subjset *s, const uint8_t *pattern, size_t len);

/* A hash for tables whose keys peers do not choose: quick, and no secret. */
uint32_t subjset_hash(const uint8_t *p, size_t len, uint32_t seed);

#endif
