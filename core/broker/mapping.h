/* mapping.h - an account's subject mappings: what a published subject becomes before anything else looks at it.
 *
 *     foo: bar                                         foo is published as bar
 *     "orders.*": "o.{{partition(3,1)}}.$1"            see transform.h
 *     api: [ {dest: api.v1, weight: 90},
 *            {dest: api.v2, weight: 5} ]               the remaining 5 of 100 stay api
 *     lossy: {dest: lossy, weight: 90}                 the source is listed: the remaining 10 are lost
 *
 * The first source of the file that covers the subject counts, and no other; the result is not mapped again. A covering is
 * judged by subset: a published `a.>` is covered by `a.>`, not by `a.*`. Literal sources are found by one hash, those with
 * wildcards by a trie: no publish scans the table.
 *
 * Destinations for a cluster count in that cluster and replace those for any; of its own scope the sum of weights is at most 100.
 *
 * Shape    opaque, immutable once built: all shards share it.
 * Threads  built and freed by main; read by any.
 * Memory   own; applying allocates nothing.
 * Source   sheet 01, section 16; sheet 03, section 12.1.
 */
#ifndef MIDGE_BROKER_MAPPING_H
#define MIDGE_BROKER_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/broker/mapping_conf.h"
#include "core/rt/err.h"

enum {
    MAPPING_TOKENS_MAX = 256,   /* of a source with wildcards */
    MAPPING_WHY_MAX = 1024,     /* what an error text needs, for names of the usual length; longer ones are cut */
    MAPPING_WEIGHT_MAX = 100,
};

struct mapping;

/* Whether one source with its destinations can be a mapping. listed: it was written as a map or a list, which nats-server's texts tell
 * apart from a plain string.
 *   fail  ERR_INVAL: nats-server's text is in why; ERR_NOMEM */
enum err mapping_check(const struct mapping_conf *conf, bool listed, char *why, size_t why_cap);

/* The table of n sources in the order of the file. cluster: this server's cluster, "" for none.
 *   own   *ret_m, by mapping_free; NULL with OK: there are none
 *   fail  ERR_INVAL, where mapping_check fails; ERR_NOMEM */
enum err mapping_new(const struct mapping_conf *conf, uint32_t n, const char *cluster, struct mapping **ret_m, char *why, size_t why_cap);
void mapping_free(struct mapping *m); /* NULL is fine */

enum mapping_verdict {
    MAPPING_NONE,     /* no source covers it */
    MAPPING_SAME,     /* one does, and it stays as it is */
    MAPPING_TO,       /* it becomes another */
    MAPPING_LOST,     /* it goes nowhere, as configured */
    MAPPING_TOO_LONG, /* it would become longer than fits: it goes nowhere */
};

/* What becomes of the subject, as published. random: 64 random bits.
 *   writes  to, up to cap bytes; *ret_len with MAPPING_TO alone */
enum mapping_verdict mapping_apply(const struct mapping *m, const uint8_t *subject, size_t len, uint64_t random, uint8_t *to, size_t cap,
                                   size_t *ret_len);

#endif
