/* transform.h - a subject made from another: `orders.*.*` to `o.{{partition(3,1)}}.$2`.
 *
 *     source         destination                         orders.eu.17 becomes
 *     orders.*.*     o.$2.$1                             o.17.eu
 *     orders.*.*     o.{{splitFromLeft(2,1)}}            o.1.7
 *     orders.>       archive.orders.>                    archive.orders.eu.17
 *
 * Placeholders are whole tokens: `$N`, or `{{function(args)}}` with wildcard, partition, random, split, SplitFromLeft, SplitFromRight,
 * SliceFromLeft, SliceFromRight, left, right. N counts the `*` of the source from 1; 0 and below mean the source's first token, as in
 * nats-server. What is no placeholder is text: `$x`, `x{{wildcard(1)}}`.
 *
 * Mappings use it, and streams, republish and imports will.
 *
 * Shape    opaque, immutable once compiled.
 * Threads  any; pure: what is random comes as an argument.
 * Memory   one block; applying allocates nothing and writes into the caller's buffer. Loops, no recursion (sheet 05, C12).
 * Source   sheet 01, section 16; nats-server 2.14.5's answers where it is silent.
 */
#ifndef MIDGE_BROKER_TRANSFORM_H
#define MIDGE_BROKER_TRANSFORM_H

#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

enum {
    TRANSFORM_LEN_MAX = 65535,    /* bytes of a source, of a destination */
    TRANSFORM_WILDCARDS_MAX = 255, /* `*` in one source */
    TRANSFORM_WHY_MAX = 256,      /* the longest error text but for the token that it names */
};

enum transform_flag {
    TRANSFORM_STRICT = 1,      /* of an import: wildcard alone, and every `*` must be used */
    TRANSFORM_NO_LEFT_RIGHT = 2, /* an account's mapping: these two are unknown functions there */
};

struct transform;

/* Compile. An empty source is `>`.
 *   own   *ret_t, by transform_free; NULL with OK: the destination is empty, which is no transform
 *   fail  ERR_INVAL: nats-server's text is in why, cut at why_cap; ERR_NOMEM */
enum err transform_new(const char *src, const char *dest, uint32_t flags, struct transform **ret_t, char *why, size_t why_cap);
void transform_free(struct transform *t); /* NULL is fine */

enum transform_verdict {
    TRANSFORM_OK,
    TRANSFORM_NO_MATCH, /* the subject has not as many tokens as the source */
    TRANSFORM_TOO_LONG, /* the result does not fit */
};

/* The subject that `subject`, which the source covers, becomes. A result may have empty tokens (split of a token that is all
 * delimiter): it matches nothing. random: 64 random bits for {{random()}}.
 *   writes  to, up to cap bytes; *ret_len with TRANSFORM_OK alone */
enum transform_verdict transform_apply(const struct transform *t, const uint8_t *subject, size_t len, uint64_t random, uint8_t *to, size_t cap,
                                       size_t *ret_len);

#endif
