/* interest.h - who wants what: one shard's replica of every account's interest.
 *
 * This shard's own subscriptions in full; of the other shards only what a publisher must know: whether a shard has any
 * plain subscription for a subject, and how many members of which queue group it has.
 *
 *   literal subject (the common case)
 *     own     a table of node numbers, keyed by keyed hash of (account, subject) -> node {subject, plain subs, groups}
 *     others  a table of 8-byte entries {fingerprint of the hash, shard}: no strings; a shard reports a subject when its
 *             first subscription comes and when the last one goes (interest_change)
 *   wildcard subject
 *     a trie of tokens (children found through one table keyed by (parent, token)); own subs, other shards' mask and groups
 *     hang at the same trie node
 *   results
 *     a cache of matches; a literal subject's change drops that subject's entry alone, a wildcard's change those with the same
 *     first token (those of the account if it begins with a wildcard); adding a further subscriber to a subject that
 *     has one changes no result, because results point at the live lists
 *
 * Two subjects of this shard whose fingerprints (57 bits) collide are one unit towards the others: reported once, taken back
 * when the last subscription of either is gone. So a collision can cause a needless message, never a lost one. All shards
 * must be given the same key.
 *
 * Budget   96 bytes per unique literal subscription all told (subject of 20 bytes, sid map included), 50 per further one on
 *          the same subject, 15 per literal subject and other shard.
 * Threads  the owning shard.
 * Memory   slabs and tables, growing by steps that are spread over operations (no step stops the shard for more than ~100 us).
 * Errors   ERR_LIMIT (n_subs_max), ERR_NOMEM: nothing has changed then.
 * Source   sheet 01, sections 6 and 8; design/performance.md section 4.
 */
#ifndef MIDGE_BROKER_INTEREST_H
#define MIDGE_BROKER_INTEREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/rt/err.h"
#include "core/rt/hash.h"

enum {
    INTEREST_SHARDS_MAX = 64,
    INTEREST_SUBS_MAX = (1 << 27) - 1, /* per shard: what the numbers of nodes can name */
    SUB_SID_INLINE = 8,
    SUBLIST_INLINE = 2
};

/* One subscription of a connection of this shard. Visible: delivery reads and counts in it. */
struct sub {
    uint32_t ep;       /* endpoint (connection) slot of this shard */
    uint32_t at;       /* where it hangs: the group it is a member of (SUB_QUEUE), else the node */
    uint32_t slot;     /* its position in that list */
    uint32_t max;      /* auto-unsubscribe after so many messages in all; 0 = never */
    uint32_t n_lo;     /* messages delivered, lower half ... */
    uint16_t n_hi;     /* ... and upper */
    uint8_t flags;     /* SUB_* */
    uint8_t sid_len;   /* bytes in `in`, or 0xff: far */
    union {
        uint8_t in[SUB_SID_INLINE];
        struct sub_sid *far; /* longer sids */
    } sid;
};
_Static_assert(sizeof(struct sub) == 32, "two subs to a cache line, none across two");
enum {
    SUB_DEAD = 1,  /* unsubscribed or spent; skipped by delivery, removed when the publish in progress is over (the caller's) */
    SUB_QUEUE = 2, /* member of a queue group (interest's) */
};
struct sub_sid {
    uint16_t len;
    uint8_t bytes[];
};

/* Numbers of subs, in no order that means anything. Up to two stand in place; more in an array. */
struct sublist {
    uint32_t n;
    uint32_t in[SUBLIST_INLINE]; /* n <= SUBLIST_INLINE: the numbers; else the address of the array */
};
static inline const uint32_t *
sublist_items(const struct sublist *l)
{
    if (l->n <= SUBLIST_INLINE)
        return l->in;
    const uint32_t *many;
    memcpy(&many, l->in, sizeof many); /* 4-byte aligned, so that a list takes 12 bytes and not 16 */
    return many;
}

/* A queue group at one subject (node): own members, and how many each other shard has. */
struct qgroup {
    struct sublist members;
    uint32_t node;
    uint32_t next, prev;      /* the other groups at this node; 0 = none */
    uint32_t n_here;          /* first group of a node: how many there are */
    uint32_t n_remote;        /* sum of remote[] */
    uint32_t name_tag;        /* keyed hash of the name */
    uint16_t name_len;
    uint32_t *remote;         /* [n_shards] members per shard; NULL while n_remote == 0 */
    uint8_t *name;
};

/* One queue group as a message sees it: same name on different matching subjects is one group. */
struct match_group {
    const uint8_t *name;
    uint32_t name_len;
    uint32_t n_parts;
    struct qgroup *const *parts; /* each with a member somewhere, or emptied since */
};

/* What a subject matches. View until the next interest_match or the next call that changes the interest; the lists, qgroups and names
 * that it points to, only until the latter. */
struct match {
    uint64_t shards; /* other shards with plain interest, a bit each */
    uint32_t n_lists, n_groups;
    const struct sublist *const *lists; /* own plain subscriptions, some lists, each non-empty or emptied since */
    const struct match_group *groups;
};

struct interest;

struct interest_cfg {
    uint32_t shard_id, n_shards;
    uint32_t n_subs_max;    /* of this shard; 0, or more than that: INTEREST_SUBS_MAX */
    uint32_t n_cached_max;  /* results kept; 0 = default (8192); rounded to a power of two, at least 8 */
    bool no_cache;          /* none: every match is worked out anew */
    struct hash_key key;
};

/* What the other shards must hear about a change here. */
enum interest_tell {
    INTEREST_TELL_NOTHING,
    INTEREST_TELL_PLAIN_ON,  /* first plain subscription of this subject */
    INTEREST_TELL_PLAIN_OFF, /* the last one is gone */
    INTEREST_TELL_QUEUE,     /* the group has n_members members here now (0: none left) */
};
struct interest_change {
    enum interest_tell tell;
    uint32_t acc;
    const uint8_t *subject, *queue; /* views until the next call */
    uint32_t subject_len, queue_len;
    uint32_t n_members;
};

/* own: interest_free. NULL without memory. */
struct interest *interest_new(const struct interest_cfg *cfg);
void interest_free(struct interest *ix);

/* Subscribe endpoint ep. subject is valid (subject_valid), queue and sid are at most 65535 bytes; queue_len 0 = plain.
 * ret_change says what to tell.
 *   own   *ret_sub, by interest_remove
 *   fail  ERR_LIMIT, ERR_NOMEM */
enum err interest_add(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t subject_len, const uint8_t *queue, uint32_t queue_len,
                      uint32_t ep, const uint8_t *sid, uint32_t sid_len, uint32_t *ret_sub, struct interest_change *ret_change);
void interest_remove(struct interest *ix, uint32_t sub, struct interest_change *ret_change);

/* What another shard told. Unknown OFFs are nothing (idempotent). fail: ERR_NOMEM */
enum err interest_remote_plain(struct interest *ix, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t subject_len, bool on);
enum err interest_remote_queue(struct interest *ix, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t subject_len,
                               const uint8_t *queue, uint32_t queue_len, uint32_t n_members);

/* What the subject (as published: may hold anything but white space; empty tokens match nothing; a `*` or `>` token is
 * taken as a literal token) matches in account acc. Lists and groups come in an order that depends only on the calls made.
 * *hint is the caller's to keep (per connection; start with 0): a publisher that repeats its subject finds its result
 * without hashing. Never allocates, except that results longer than any before may take slots of the cache. */
const struct match *interest_match(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t subject_len, uint32_t *hint);

/* The subscription with this number. */
struct sub *interest_sub(struct interest *ix, uint32_t sub);
/* The sid's bytes. */
static inline const uint8_t *
sub_sid(const struct sub *s, uint32_t *ret_len)
{
    if (s->sid_len != 0xff) {
        *ret_len = s->sid_len;
        return s->sid.in;
    }
    *ret_len = s->sid.far->len;
    return s->sid.far->bytes;
}
/* The subject, and the queue (NULL and 0 if plain), that a subscription was made for. View until it is removed. */
const uint8_t *interest_subject(struct interest *ix, uint32_t sub, uint32_t *ret_len, uint32_t *ret_acc);
const uint8_t *interest_queue(struct interest *ix, uint32_t sub, uint32_t *ret_len);

struct interest_stats {
    uint64_t n_subs, n_nodes, n_remote, n_inserts, n_removes;
    uint64_t n_matches, n_cache_hits, n_hint_hits, n_cache;
    uint64_t bytes; /* all memory it holds */
    uint32_t fanout_max; /* longest list seen */
};
void interest_stats(const struct interest *ix, struct interest_stats *ret);
/* Give memory back after a burst; bounded work per call. To be called a few times a second, and more often while bytes falls.
 * False: it gave nothing back, and remembers no match; a few dozen such calls after the last change, and there is nothing more to come. */
bool interest_trim(struct interest *ix);
/* Assert the invariants (slow). */
void interest_check(const struct interest *ix);

#endif
