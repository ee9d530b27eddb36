/* subjset.h - a set of subject patterns, compiled once: which of them cover a subject?
 *
 * A trie of tokens. Children are found through one table keyed by (node, token); `*` and `>` stand beside it. A pattern may carry a
 * queue name, itself a pattern ("a.b v1.*"): it speaks of members of those queue groups only.
 *
 *     "a.b", "a.* q", "a.>"        root - a - b      plain
 *                                           - *      queues: q
 *                                           - >      plain
 *
 * A walk needs no memory. Published subjects of up to SUBJSET_TOKENS_MAX tokens are split once, and walked with a stack of as many places; others,
 * and patterns, without: back up over the nodes' parents, and over the dots of the subject. Each node is visited at most once, whatever
 * the subject.
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
#include <string.h>

#include "core/rt/copy.h"
#include "core/rt/err.h"

enum { SUBJSET_TOKENS_MAX = 32 }; /* subjects of more tokens take a slower way */

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

/* A subject's tokens, found once for all sets that are asked about it. */
struct subjset_tokens {
    const uint8_t *subject;
    size_t len;
    uint32_t n; /* 0: an empty token, which nothing covers; SUBJSET_TOKENS_MAX + 1: more than fit */
    struct {
        uint32_t off, len, hash;
    } at[SUBJSET_TOKENS_MAX];
};
void subjset_split(struct subjset_tokens *ret, const uint8_t *subject, size_t len);
/* As subjset_match. borrow  t */
struct subjset_hit subjset_match_tokens(const struct subjset *s, const struct subjset_tokens *t, const uint8_t *queue, size_t queue_len);

/* Patterns that cover the subject as published: `*` and `>` are ordinary tokens in it; with an empty token nothing covers it.
 *   borrow  queue; len 0: none */
struct subjset_hit subjset_match(const struct subjset *s, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len);
/* Patterns of which the subject, which may be a pattern itself, is a subset: `>` is covered by `>` alone. */
struct subjset_hit subjset_cover(const struct subjset *s, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len);
/* Whether some subject is covered by the (valid) pattern and by one of the set, whatever its queue. */
bool subjset_overlap(const struct subjset *s, const uint8_t *pattern, size_t len);

static inline uint64_t
subjset_word(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* Every bit of a and b in all of the result: the two halves of their product. */
static inline uint64_t
subjset_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* A hash for tables whose keys peers do not choose: quick, and no secret. */
static inline uint32_t
subjset_hash(const uint8_t *p, size_t len, uint32_t seed)
{
    const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
    const uint8_t *end = p + len;
    uint64_t h = (seed + len + 1) * k, w = 0;

    for (; end - p > 8; p += 8)
        h = subjset_mix(h ^ subjset_word(p), k);
    if (len >= 8) {
        w = subjset_word(end - 8); /* some of its bytes for the second time */
    } else if (len >= 4) {
        uint32_t a, b;
        memcpy(&a, p, sizeof(a));
        memcpy(&b, end - 4, sizeof(b));
        w = ((uint64_t)a << 32) | b;
    } else if (len > 0) {
        w = ((uint64_t)p[0] << 16) | ((uint64_t)p[len / 2] << 8) | end[-1];
    }
    return (uint32_t)subjset_mix(h ^ w, k);
}

#endif
