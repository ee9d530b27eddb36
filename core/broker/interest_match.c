#include <stdlib.h>
#include <string.h>

#include "core/broker/interest_priv.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"

enum { LISTS_MIN = 16, TRIM_FACTOR = 4 };

/* ---- the scratch place ---- */

enum err
interest_reserve(struct interest *ix, void *p, uint32_t *cap, uint32_t n, size_t len)
{
    if (n <= *cap)
        return OK;
    uint32_t want = *cap + *cap / 2 > n ? *cap + *cap / 2 : n;
    void *old;
    memcpy(&old, p, sizeof old); /* p points to a pointer of some type */
    void *new = fault_realloc(old, want * len);
    if (new == NULL)
        return ERR_NOMEM;
    memcpy(p, &new, sizeof new);
    ix->n_bytes += (want - (uint64_t)*cap) * len;
    *cap = want;
    return OK;
}

/* Room for one pattern more, of so many tokens. */
enum err
scratch_reserve_pattern(struct interest *ix, uint32_t n_tokens)
{
    struct scratch *sc = &ix->scratch;
    /* All that patterns can match, the new one, and a literal. */
    enum err e = interest_reserve(ix, &sc->lists, &sc->cap_lists, ix->n_patterns + 2, sizeof *sc->lists);
    uint32_t cap = sc->cap_depth;
    if (e == OK)
        e = interest_reserve(ix, &sc->stack, &cap, n_tokens + 1, sizeof *sc->stack);
    if (e != OK || cap == sc->cap_depth)
        return e;
    uint32_t cap_tokens = sc->cap_depth;
    e = interest_reserve(ix, &sc->tokens, &cap_tokens, cap, sizeof *sc->tokens);
    if (e != OK) {
        /* The stack is longer than anybody knows: harmless, it is made so again the next time. */
        ix->n_bytes -= (cap - (uint64_t)sc->cap_depth) * sizeof *sc->stack;
        return e;
    }
    ASSERT(cap_tokens == cap);
    sc->cap_depth = cap;
    return OK;
}

static uint64_t
scratch_group_bytes(const struct scratch *sc)
{
    return (uint64_t)sc->cap_groups * (2 * sizeof(void *) + sizeof *sc->groups + sizeof *sc->ids) + (uint64_t)sc->cap_names * sizeof *sc->names;
}

static void
scratch_free_groups(struct interest *ix)
{
    struct scratch *sc = &ix->scratch;
    ix->n_bytes -= scratch_group_bytes(sc);
    free(sc->found);
    free(sc->parts);
    free(sc->groups);
    free(sc->ids);
    free(sc->names);
    sc->found = sc->parts = NULL;
    sc->groups = NULL;
    sc->ids = sc->names = NULL;
    sc->cap_groups = sc->cap_names = 0;
}

/* Make the room for groups so large. It holds nothing between two matches, so it is made anew rather than grown. */
static enum err
scratch_resize_groups(struct interest *ix, uint32_t cap)
{
    struct scratch *sc = &ix->scratch;
    uint32_t cap_names = LISTS_MIN;
    while (cap_names < cap * UINT64_C(2))
        cap_names *= 2;
    struct scratch new = {.cap_groups = cap, .cap_names = cap_names};
    new.found = fault_malloc(cap * sizeof(void *));
    new.parts = fault_malloc(cap * sizeof(void *));
    new.groups = fault_malloc(cap * sizeof *new.groups);
    new.ids = fault_malloc(cap * sizeof *new.ids);
    new.names = fault_malloc(cap_names * sizeof *new.names);
    if (new.found == NULL || new.parts == NULL || new.groups == NULL || new.ids == NULL || new.names == NULL) {
        free(new.found);
        free(new.parts);
        free(new.groups);
        free(new.ids);
        free(new.names);
        return ERR_NOMEM;
    }
    scratch_free_groups(ix);
    sc->found = new.found;
    sc->parts = new.parts;
    sc->groups = new.groups;
    sc->ids = new.ids;
    sc->names = new.names;
    sc->cap_groups = cap;
    sc->cap_names = cap_names;
    ix->n_bytes += scratch_group_bytes(sc);
    return OK;
}

/* Room for results with so many groups. */
enum err
scratch_reserve_groups(struct interest *ix, uint32_t n)
{
    uint32_t cap = ix->scratch.cap_groups;
    return n <= cap ? OK : scratch_resize_groups(ix, (uint32_t)max_u64(n, max_u64(cap + cap / 2, LISTS_MIN)));
}

enum err
scratch_reserve_told(struct interest *ix, uint32_t len)
{
    struct scratch *sc = &ix->scratch;
    enum err e = interest_reserve(ix, &sc->lists, &sc->cap_lists, LISTS_MIN, sizeof *sc->lists);
    return e != OK ? e : interest_reserve(ix, &sc->told, &sc->cap_told, len, 1);
}

/* Room that is many times what is needed now goes back. */
void
scratch_trim(struct interest *ix)
{
    struct scratch *sc = &ix->scratch;
    uint32_t n = (uint32_t)max_u64(ix->n_patterns + UINT64_C(2), LISTS_MIN);
    if (sc->cap_lists / TRIM_FACTOR > n) {
        const struct sublist **lists = fault_realloc(sc->lists, n * sizeof *lists);
        if (lists != NULL) {
            sc->lists = lists;
            ix->n_bytes -= (sc->cap_lists - (uint64_t)n) * sizeof *lists;
            sc->cap_lists = n;
        }
    }
    if (ix->groups.n_used < ix->n_groups_node_max)
        ix->n_groups_node_max = ix->groups.n_used; /* no node has more */
    uint32_t n_groups = ix->n_groups_node_max + ix->n_wild_groups;
    n_groups = (uint32_t)max_u64(n_groups, LISTS_MIN);
    if (sc->cap_groups / TRIM_FACTOR > n_groups)
        (void)scratch_resize_groups(ix, n_groups); /* without memory it stays as it is */
}

void
scratch_fini(struct interest *ix)
{
    struct scratch *sc = &ix->scratch;
    scratch_free_groups(ix);
    free(sc->lists);
    free(sc->stack);
    free(sc->tokens);
    free(sc->told);
    memset(sc, 0, sizeof *sc);
}

/* ---- what a subject matches ---- */

/* Add what hangs at a node. The room for it was taken when it was hung there. */
void
scratch_collect(struct interest *ix, uint32_t node)
{
    struct scratch *sc = &ix->scratch;
    const struct node *n = node_at(ix, node);
    if (n->plain.n != 0) {
        ASSERT(sc->n_lists < sc->cap_lists);
        sc->lists[sc->n_lists++] = &n->plain;
    }
    if ((n->flags & NODE_GROUPS) == 0)
        return;
    sc->n_nodes_with_groups++;
    for (uint32_t g = node_first_group(ix, node); g != 0; g = group_at(ix, g)->next) {
        ASSERT(sc->n_found < sc->cap_groups);
        sc->found[sc->n_found++] = group_at(ix, g);
    }
}

/* The number of the group with this name among those so far, or the next one. */
static uint32_t
scratch_name_id(struct scratch *sc, uint32_t mask, const struct qgroup *g, uint32_t n_groups)
{
    for (uint32_t i = g->name_tag & mask;; i = (i + 1) & mask) {
        if (sc->names[i] == 0) {
            sc->names[i] = n_groups + 1;
            sc->groups[n_groups] = (struct match_group){.name = g->name, .name_len = g->name_len};
            return n_groups;
        }
        const struct match_group *mg = &sc->groups[sc->names[i] - 1];
        if (mg->name_len == g->name_len && memcmp(mg->name, g->name, g->name_len) == 0)
            return sc->names[i] - 1;
    }
}

/* Unite the groups that were found by name, in the order in which each name and each part was found. */
static uint32_t
scratch_unite(struct scratch *sc)
{
    uint32_t n_groups = 0;
    if (sc->n_nodes_with_groups <= 1) { /* names at one node are different */
        for (; n_groups < sc->n_found; n_groups++) {
            const struct qgroup *g = sc->found[n_groups];
            sc->groups[n_groups] = (struct match_group){.name = g->name, .name_len = g->name_len, .n_parts = 1, .parts = &sc->found[n_groups]};
        }
        return n_groups;
    }
    uint32_t n_names = LISTS_MIN;
    while (n_names < sc->n_found * 2)
        n_names *= 2;
    ASSERT(n_names <= sc->cap_names);
    memset(sc->names, 0, n_names * sizeof *sc->names);
    for (uint32_t i = 0; i < sc->n_found; i++) {
        sc->ids[i] = scratch_name_id(sc, n_names - 1, sc->found[i], n_groups);
        n_groups += sc->ids[i] == n_groups;
        sc->groups[sc->ids[i]].n_parts++;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < n_groups; i++) { /* each group's parts begin where those before it end */
        sc->groups[i].parts = &sc->parts[at];
        at += sc->groups[i].n_parts;
        sc->groups[i].n_parts = 0;
    }
    for (uint32_t i = 0; i < sc->n_found; i++) {
        struct match_group *mg = &sc->groups[sc->ids[i]];
        sc->parts[(uint32_t)(mg->parts - sc->parts) + mg->n_parts++] = sc->found[i];
    }
    return n_groups;
}

/* The node that the subject's tag leads to is far away in memory, and so is its sub at its beginning: ask for both now, and do something
 * else meanwhile. More than one slot with the tag is rare, and then the others are waited for. */
static const struct tagtab_slot *
match_literal_ahead(struct interest *ix, uint32_t tag)
{
    const struct tagtab_slot *p = tagtab_find(&ix->exact, tag);
    if (tagtab_is(p, tag)) {
        const struct node *n = node_at(ix, p->val);
        __builtin_prefetch(n);
        __builtin_prefetch(n->subject);
    }
    return p;
}

static void
match_literal(struct interest *ix, const struct tagtab_slot *p, uint32_t tag, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    for (; tagtab_is(p, tag); p++) {
        const struct node *n = node_at(ix, p->val);
        if (n->acc == acc && n->len == len && bytes_equal(n->subject, subject, len)) {
            scratch_collect(ix, p->val);
            return;
        }
    }
}

static void
match_remote(struct interest *ix, uint64_t hash)
{
    uint32_t tag = hash_tag(hash);
    for (const struct tagtab_slot *p = tagtab_find(&ix->remote, tag); tagtab_is(p, tag); p++) {
        if (((p->val ^ hash_remote(hash, 0)) & ~(BIT(SHARD_BITS) - 1)) == 0)
            ix->scratch.shards |= BIT64(p->val & (BIT(SHARD_BITS) - 1));
    }
}

/* What the trie matches. Returns the result's bucket. */
static uint32_t
match_patterns(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    if (ix->n_patterns == 0)
        return BUCKET_NO_TRIE;
    struct scratch *sc = &ix->scratch;
    token_read(ix, subject, len, 0, &sc->tokens[0]);
    sc->n_tokens = 1;
    uint32_t bucket = trie_bucket(ix, acc, &sc->tokens[0]);
    if ((ix->buckets[bucket].n != 0 || ix->acc_buckets[acc % ACC_BUCKETS].n != 0) && !subject_has_empty_token(subject, len))
        trie_walk(ix, acc, subject, len);
    return bucket;
}

/* Put the result together in the scratch. Returns its bucket. */
static uint32_t
match_compute(struct interest *ix, uint64_t hash, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    struct scratch *sc = &ix->scratch;
    sc->n_lists = sc->n_found = sc->n_nodes_with_groups = 0;
    sc->shards = 0;
    const struct tagtab_slot *p = match_literal_ahead(ix, hash_tag(hash));
    uint32_t bucket = match_patterns(ix, acc, subject, len);
    if (ix->remote.n != 0)
        match_remote(ix, hash);
    match_literal(ix, p, hash_tag(hash), acc, subject, len);
    sc->m = (struct match){.shards = sc->shards, .n_lists = sc->n_lists, .lists = sc->lists};
    if (sc->n_found != 0) {
        sc->m.n_groups = scratch_unite(sc);
        sc->m.groups = sc->groups;
    }
    return bucket;
}

/* Apart, so that a hit of the hint saves no registers for it. */
__attribute__((noinline)) static const struct match *
match_slow(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len, uint32_t *hint)
{
    static const struct match nothing;
    if (len == 0 || len > SUBJECT_LEN_MAX)
        return &nothing;
    uint64_t hash = interest_hash(ix, acc, subject, len);
    __builtin_prefetch(tagtab_home(&ix->exact, hash_tag(hash)));
    __builtin_prefetch(tagtab_home(&ix->remote, hash_tag(hash)));
    ix->n_slow_matches++;
    if (ix->no_cache) {
        (void)match_compute(ix, hash, acc, subject, len);
        return &ix->scratch.m;
    }
    bool live;
    struct slot *e = cache_find(ix, hash, acc, subject, len, &live);
    if (e != NULL && live) {
        ix->n_cache_hits++;
    } else {
        uint32_t bucket = match_compute(ix, hash, acc, subject, len);
        if (e != NULL || cache_door(ix, hash))
            e = cache_put(ix, e, hash, acc, subject, len, bucket, &ix->scratch.m);
        if (e == NULL)
            return &ix->scratch.m;
    }
    *hint = (uint32_t)(e - ix->cache.slots) + 1;
    return &e->m;
}

const struct match *
interest_match(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t subject_len, uint32_t *hint)
{
    uint32_t i = *hint - 1;
    if (LIKELY(i < ix->cache.n_slots)) {
        struct slot *e = &ix->cache.slots[i];
        if (slot_is_key(e, acc, subject, subject_len) && slot_is_live(ix, e)) {
            e->used = 1;
            ix->n_hint_hits++;
            return &e->m;
        }
    }
    return match_slow(ix, acc, subject, subject_len, hint);
}
