/* interest_priv.h - what the files of the interest index share. Start with interest.h.
 *
 *   interest.c        the calls that change it
 *   interest_node.c   nodes of subjects: their lists of subs and their queue groups
 *   interest_trie.c   the wildcards' trie: to find, grow, prune and walk it
 *   interest_match.c  what a subject matches; the scratch place where a result is put together
 *   interest_cache.c  results that are kept
 *
 * Threads  the owning shard.
 */
#ifndef MIDGE_BROKER_INTEREST_PRIV_H
#define MIDGE_BROKER_INTEREST_PRIV_H

#include "core/broker/interest.h"
#include "core/broker/subject.h"
#include "core/broker/tagtab.h"
#include "core/broker/varpool.h"
#include "core/rt/copy.h"
#include "core/rt/slab.h"
#include "core/rt/util.h"

enum {
    BUCKETS = 512,         /* wildcards that begin with a literal token: by account and that token */
    BUCKET_NO_TRIE = 512,  /* the bucket of results that were put together while there was no wildcard at all */
    ACC_BUCKETS = 64,      /* wildcards that begin with a wildcard: by account */
    CACHE_WAYS = 8,        /* slots a result may stand in */
    CACHE_SLOTS = 8192,
    CACHE_SLOTS_MAX = 1 << 24,
    CACHE_SUBJECT = 40,    /* bytes of subject in the slot itself */
    CACHE_INLINE = 4,      /* words of result in the slot itself */
    CACHE_SIDES = 4,       /* sizes of what does not fit: 256 bytes, 1, 4 and 16 KiB; longer results are not kept */
    DOORS = 4096,          /* subjects that were seen lately, to keep the result of those alone that come again */
    MALLOC_OVERHEAD = 12,  /* what the allocator adds to an allocation, on average */
    NODE_OWN = 1,
    NODE_GROUPS = 2,
    NODE_WILD = 4,
    TWIG_PATTERN = 1       /* a pattern ends here: it is counted */
};

/* A subject that someone subscribed to here, or has queue groups for elsewhere. The first of its subs, plain or member of a group,
 * stands in the node itself, so that a message to a subject with one subscriber touches no third place in memory. */
struct node {
    struct sub own; /* NODE_OWN: taken. Its number is the node's */
    uint32_t acc;
    struct sublist plain;
    uint16_t len, flags;
    uint8_t subject[];
};
_Static_assert(offsetof(struct node, subject) == 52, "part of the budget of a subscription");

/* The number of a sub that stands elsewhere is its number in ix->subs and this, which no node has. */
#define SUB_ELSEWHERE (UINT32_C(31) << VARPOOL_IDX_BITS)

/* A node of the trie: the path of tokens from its account's root to here. The root of an account is a child
 * of 0 whose token is the account's number. */
struct twig {
    uint32_t parent;
    uint32_t star, gt;         /* the children for `*` and `>`; 0 = none */
    uint32_t n_lits;           /* other children, in ix->twigtab */
    uint32_t node;             /* of the pattern that ends here; 0 = nobody of this shard, and no group, wants it */
    uint32_t mask_lo, mask_hi; /* other shards that have plain interest in the pattern */
    uint16_t len, flags;
    uint8_t token[];
};
_Static_assert(sizeof(struct twig) == 32, "");

/* A token as a key: its first and last bytes if it is short, its hash otherwise. */
struct token {
    uint32_t off, len, lo, hi;
};

struct bucket {
    uint64_t gen; /* grows when the set of patterns in it changes */
    uint32_t n;   /* patterns */
};

struct acc_bucket {
    uint64_t gen;
    uint32_t n;
    uint32_t acc, root; /* the root that was looked up last; 0 = none */
};

/* A result that is kept: two cache lines. */
struct slot {
    uint64_t gen;      /* of both its buckets when it was made; UINT64_MAX: nothing in here is valid */
    uint32_t acc;
    uint16_t len, bucket;
    uint8_t used;      /* since the clock's hand passed */
    uint8_t side_size; /* 0: none; else class + 1 */
    uint16_t pad;
    uint32_t side;     /* block for what does not fit */
    union {
        uint8_t in[CACHE_SUBJECT];
        const uint8_t *far; /* in the block */
    } subject;
    struct match m;
    uint64_t in[CACHE_INLINE];
};
_Static_assert(sizeof(struct slot) == 2 * CACHE_LINE, "");
_Static_assert(offsetof(struct slot, m) == CACHE_LINE, "the key is in one line, the result in the other");

struct cache {
    struct slot *slots;   /* n_slots; a mapping, so that untouched slots take no memory */
    uint32_t *tags;       /* [n_slots] fingerprint of the subject in it; 0 = empty */
    uint32_t n_slots, set_mask;
    uint32_t hand, side_hand, trim_hand;
    uint32_t n;
    uint64_t n_matches_trim; /* at the last interest_trim */
    struct slab sides[CACHE_SIDES];
    uint16_t doors[DOORS];
};

/* Where a result is put together. Arrays grow when the interest does, so that matching allocates nothing. */
struct scratch {
    const struct sublist **lists;
    uint32_t cap_lists;
    struct qgroup **found, **parts; /* [cap_groups] as found; in the order of their names */
    struct match_group *groups;
    uint32_t *ids;                  /* [cap_groups] which of groups each found one belongs to */
    uint32_t *names;                /* [cap_groups rounded up, doubled] open addressing by name: group number + 1 */
    uint32_t cap_groups, cap_names;
    struct frame {
        uint32_t twig, depth;
    } *stack;                       /* [cap_depth] */
    struct token *tokens;           /* [cap_depth] */
    uint32_t cap_depth;

    uint32_t n_lists, n_found, n_nodes_with_groups, n_tokens;
    uint64_t shards;
    struct match m;
    uint8_t *told;                  /* where the subject and the queue of an interest_change stand once their node is gone */
    uint32_t cap_told;
};

struct interest {
    struct cache cache; /* first: a repeated subject's result is found through it alone */
    struct bucket buckets[BUCKETS + 1];
    struct acc_bucket acc_buckets[ACC_BUCKETS];

    struct hash_key key;
    bool no_cache;
    uint64_t mul[6]; /* of interest_mix: secret, odd or not */
    uint32_t shard_id, n_shards, n_subs_max;

    struct slab subs; /* those that found no place in their node */
    struct slab groups;
    struct varpool nodes, twigs;
    struct tagtab exact;   /* hash of (account, literal subject) -> node */
    struct tagtab remote;  /* the same -> more of the hash, and a shard that wants it */
    struct tagtab heads;   /* node -> its first group */
    struct tagtab names;   /* (node, name) -> group */
    struct tagtab twigtab; /* (twig, token) -> twig */

    uint32_t n_subs, n_nodes;
    uint32_t n_patterns;         /* in the trie */
    uint32_t n_wild_groups;      /* at nodes of patterns */
    uint32_t n_groups_node_max;  /* most groups a literal's node ever had */
    uint32_t fanout_max;
    uint32_t trim_at;            /* the slab that interest_trim goes on with */
    uint64_t n_bytes;            /* lists, names, sids, scratch */
    uint64_t n_inserts, n_removes, n_slow_matches, n_cache_hits, n_hint_hits;
    struct scratch scratch;
};

/* A subject of an account, and what stands for it here. */
struct place {
    uint32_t acc;
    const uint8_t *subject;
    uint32_t len;
    bool wild;
    uint64_t hash; /* literals */
    uint32_t twig; /* wildcards; 0 = none */
    uint32_t node; /* 0 = none */
};

static inline struct node *
node_at(const struct interest *ix, uint32_t i)
{
    return varpool_at(&ix->nodes, i);
}

static inline struct twig *
twig_at(const struct interest *ix, uint32_t i)
{
    return varpool_at(&ix->twigs, i);
}

static inline struct qgroup *
group_at(const struct interest *ix, uint32_t i)
{
    return slab_at(&ix->groups, i);
}

static inline struct sub *
sub_at(const struct interest *ix, uint32_t i)
{
    if (i >= SUB_ELSEWHERE)
        return slab_at(&ix->subs, i & VARPOOL_IDX_MASK);
    return &node_at(ix, i)->own;
}

/* The hash of a subject in an account. Its upper half is the tag in ix->exact and ix->remote; together with the lowest
 * FINGERPRINT_LOW bits it is the fingerprint that the shards agree on. Two accounts' hashes of one subject differ in a way that
 * is known; it takes the key to find two subjects whose hashes differ just so. */
enum { FINGERPRINT_LOW = 25, SHARD_BITS = 6 };
static inline uint64_t
interest_hash(const struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    uint64_t h = hash_bytes(&ix->key, subject, len) ^ acc * UINT64_C(0x9e3779b97f4a7c15);
#ifdef INTEREST_TEST_HASHES /* test builds: only so many different hashes, so that everything collides */
    h = (h % INTEREST_TEST_HASHES) * UINT64_C(0x9e3779b97f4a7c15);
#endif
    return h;
}

static inline uint32_t
hash_tag(uint64_t h)
{
    return (uint32_t)(h >> 32);
}

/* The value in ix->remote for a shard: never 0. */
static inline uint32_t
hash_remote(uint64_t h, uint32_t shard)
{
    return UINT32_C(1) << 31 | ((uint32_t)h & (BIT(FINGERPRINT_LOW) - 1)) << SHARD_BITS | shard;
}

/* The tag in the cache: never 0. Like the set it is a function of the fingerprint only, so that what another shard reports for
 * one subject drops the results of all with the same fingerprint. */
static inline uint32_t
hash_cache_tag(uint64_t h)
{
    return UINT32_C(1) << 31 | ((uint32_t)h & (BIT(FINGERPRINT_LOW) - 1));
}

/* A keyed hash of up to four numbers. Any two different keys collide with probability 2^-32 over the choice of the multipliers,
 * which nobody outside can see (Dietzfelbinger's multiply-shift: strongly universal), and it costs four multiplications side
 * by side where SipHash costs 20 ns. */
static inline uint32_t
interest_mix(const struct interest *ix, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint64_t *k = ix->mul;
    uint64_t h = k[0] + k[1] * a + k[2] * b + k[3] * c + k[4] * d;
#ifdef INTEREST_TEST_HASHES
    h = (h >> 32) % INTEREST_TEST_HASHES << 32;
#endif
    return (uint32_t)(h >> 32);
}

/* Grow *p to hold at least n objects of len bytes, by half at a time. p is an array of pointers, or a pointer to one object. */
enum err interest_reserve(struct interest *ix, void *p, uint32_t *cap, uint32_t n, size_t len);

/* interest_node.c */
enum err list_push(struct interest *ix, struct sublist *l, uint32_t sub);
void list_cut(struct interest *ix, struct sublist *l, uint32_t slot);
uint32_t sub_take(struct interest *ix, uint32_t node, uint32_t ep, const uint8_t *sid, uint32_t sid_len);
void sub_give(struct interest *ix, uint32_t sub);
uint32_t node_take(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len, bool wild);
void node_give(struct interest *ix, uint32_t node);
bool node_empty(const struct node *n);
uint32_t node_first_group(const struct interest *ix, uint32_t node);
uint32_t group_find(const struct interest *ix, uint32_t node, const uint8_t *name, uint32_t len);
uint32_t group_take(struct interest *ix, uint32_t node, const uint8_t *name, uint32_t len);
void group_give(struct interest *ix, uint32_t group);
enum err group_set_remote(struct interest *ix, struct qgroup *g, uint32_t shard, uint32_t n_members);

/* interest_trie.c */
void token_read(const struct interest *ix, const uint8_t *subject, uint32_t len, uint32_t off, struct token *ret);
/* The twig where the pattern ends; 0: there is none. */
uint32_t trie_find(const struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len);
/* The same, and grow it. 0: no memory. */
uint32_t trie_take(struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len);
/* Cut the twig off, and those above it, as far as they hold nothing. */
void trie_prune(struct interest *ix, uint32_t twig);
bool twig_is_pattern(const struct twig *w);
/* The pattern at the end of which this twig stands is new or gone: count it, and let the results go that it may change. */
void trie_count(struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len, bool on);
void trie_touch(struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len);
/* Add what the trie matches to the scratch. The first token was read. */
void trie_walk(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len);
uint32_t trie_bucket(const struct interest *ix, uint32_t acc, const struct token *first);

/* interest_match.c */
enum err scratch_reserve_pattern(struct interest *ix, uint32_t n_tokens);
enum err scratch_reserve_groups(struct interest *ix, uint32_t n);
enum err scratch_reserve_told(struct interest *ix, uint32_t len);
void scratch_collect(struct interest *ix, uint32_t node);
void scratch_trim(struct interest *ix);
void scratch_fini(struct interest *ix);

/* interest_cache.c */
enum err cache_init(struct interest *ix, uint32_t n_slots);
void cache_fini(struct interest *ix);
void cache_drop(struct interest *ix, uint64_t hash);
/* The slot of this subject, even if it is out of date (*ret_live); NULL: none. */
struct slot *cache_find(struct interest *ix, uint64_t hash, uint32_t acc, const uint8_t *subject, uint32_t len, bool *ret_live);
/* Whether a result is worth keeping: its subject came not long ago. */
bool cache_door(struct interest *ix, uint64_t hash);
/* Keep a result, in `into` if not NULL. NULL: it is too large. */
struct slot *cache_put(struct interest *ix, struct slot *into, uint64_t hash, uint32_t acc, const uint8_t *subject, uint32_t len, uint32_t bucket,
                       const struct match *m);
void cache_trim(struct interest *ix);
uint64_t cache_bytes(const struct interest *ix);
void cache_check(const struct interest *ix);

static inline uint64_t
interest_gen(const struct interest *ix, uint32_t acc, uint32_t bucket)
{
    return ix->acc_buckets[acc % ACC_BUCKETS].gen + ix->buckets[bucket].gen;
}

/* Whether the slot holds what this subject matches now. */
static inline bool
slot_is_key(const struct slot *e, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    return e->len == len && e->acc == acc && bytes_equal(LIKELY(len <= CACHE_SUBJECT) ? e->subject.in : e->subject.far, subject, len);
}

static inline bool
slot_is_live(const struct interest *ix, const struct slot *e)
{
    return e->gen == interest_gen(ix, e->acc, e->bucket);
}

#endif
