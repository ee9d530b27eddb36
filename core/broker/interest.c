#include "core/broker/interest.h"

#include <stdlib.h>
#include <string.h>

#include "core/broker/interest_priv.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"

/* ---- a subject's place ---- */

/* Where the subject stands, without making anything. */
static struct place
place_find(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    ASSERT(len > 0 && len <= SUBJECT_LEN_MAX);
    ASSERT_SLOW(subject_valid(subject, len));
    struct place pl = {.acc = acc, .subject = subject, .len = len, .wild = !subject_literal(subject, len)};
    if (pl.wild) {
        pl.twig = trie_find(ix, acc, subject, len);
        pl.node = pl.twig == 0 ? 0 : twig_at(ix, pl.twig)->node;
        return pl;
    }
    pl.hash = interest_hash(ix, acc, subject, len);
    uint32_t tag = hash_tag(pl.hash);
    for (const struct tagtab_slot *p = tagtab_find(&ix->exact, tag); tagtab_is(p, tag); p++) {
        const struct node *n = node_at(ix, p->val);
        if (n->acc == acc && n->len == len && memcmp(n->subject, subject, len) == 0) {
            pl.node = p->val;
            break;
        }
    }
    return pl;
}

/* Make the wildcard's way through the trie, and the room that one pattern more takes in results: also where a twig stands already,
 * on the way to longer patterns. */
static enum err
place_make_twig(struct interest *ix, struct place *pl)
{
    if (pl->twig != 0 && twig_is_pattern(twig_at(ix, pl->twig)))
        return OK;
    pl->twig = trie_take(ix, pl->acc, pl->subject, pl->len);
    return pl->twig == 0 ? ERR_NOMEM : OK;
}

/* Make its node, and for a wildcard the way there, if there is none yet. On failure place_settle undoes what was made. */
static enum err
place_make(struct interest *ix, struct place *pl)
{
    if (pl->wild && place_make_twig(ix, pl) != OK)
        return ERR_NOMEM;
    if (pl->node != 0)
        return OK;
    uint32_t node = node_take(ix, pl->acc, pl->subject, pl->len, pl->wild);
    if (node == 0)
        return ERR_NOMEM;
    if (pl->wild) {
        twig_at(ix, pl->twig)->node = node;
    } else if (tagtab_add(&ix->exact, hash_tag(pl->hash), node) != OK) {
        node_give(ix, node);
        return ERR_NOMEM;
    }
    pl->node = node;
    return OK;
}

/* The results that hold this subject's lists or groups, or ought to, are out of date. */
static void
place_touch(struct interest *ix, const struct place *pl)
{
    if (pl->wild)
        trie_touch(ix, pl->acc, pl->subject, pl->len);
    else
        cache_drop(ix, pl->hash);
}

/* After any change: let go what holds nothing any more, and count what became a pattern or is none now. */
static void
place_settle(struct interest *ix, struct place *pl)
{
    if (pl->node != 0 && node_empty(node_at(ix, pl->node))) {
        place_touch(ix, pl);
        if (pl->wild)
            twig_at(ix, pl->twig)->node = 0;
        else
            ASSERT(tagtab_del(&ix->exact, hash_tag(pl->hash), pl->node));
        node_give(ix, pl->node);
        pl->node = 0;
    }
    if (pl->twig == 0)
        return;
    struct twig *w = twig_at(ix, pl->twig);
    bool is = twig_is_pattern(w);
    if (is != ((w->flags & TWIG_PATTERN) != 0)) {
        w->flags = is ? TWIG_PATTERN : 0;
        trie_count(ix, pl->acc, pl->subject, pl->len, is);
    }
    if (!is)
        trie_prune(ix, pl->twig);
}

/* Whether another literal that is wanted here has the same fingerprint: then the others know it already, or need it still. */
static bool
place_shares_fingerprint(const struct interest *ix, const struct place *pl)
{
    uint32_t tag = hash_tag(pl->hash);
    for (const struct tagtab_slot *p = tagtab_find(&ix->exact, tag); tagtab_is(p, tag); p++) {
        const struct node *n = node_at(ix, p->val);
        if (p->val != pl->node && n->plain.n != 0 &&
            hash_remote(interest_hash(ix, n->acc, n->subject, n->len), 0) == hash_remote(pl->hash, 0))
            return true;
    }
    return false;
}

static void
change_tell_plain(struct interest *ix, const struct place *pl, enum interest_tell tell, struct interest_change *ret)
{
    if (!pl->wild && place_shares_fingerprint(ix, pl))
        return;
    ret->tell = tell;
    ret->acc = pl->acc;
    ret->subject = pl->subject;
    ret->subject_len = pl->len;
}

static void
change_tell_queue(const struct place *pl, const uint8_t *queue, uint32_t queue_len, uint32_t n_members, struct interest_change *ret)
{
    *ret = (struct interest_change){.tell = INTEREST_TELL_QUEUE, .acc = pl->acc, .subject = pl->subject, .subject_len = pl->len,
                                    .queue = queue, .queue_len = queue_len, .n_members = n_members};
}

/* ---- subscriptions ---- */

static enum err
place_add_plain(struct interest *ix, struct place *pl, uint32_t sub, struct interest_change *ret_change)
{
    struct node *n = node_at(ix, pl->node);
    enum err e = list_push(ix, &n->plain, sub);
    if (e != OK)
        return e;
    sub_at(ix, sub)->at = pl->node;
    if (n->plain.n == 1) {
        place_touch(ix, pl);
        pl->subject = n->subject;
        change_tell_plain(ix, pl, INTEREST_TELL_PLAIN_ON, ret_change);
    }
    return OK;
}

static enum err
place_add_member(struct interest *ix, struct place *pl, const uint8_t *queue, uint32_t queue_len, uint32_t sub, struct interest_change *ret_change)
{
    uint32_t group = group_find(ix, pl->node, queue, queue_len);
    bool new = group == 0;
    if (new)
        group = group_take(ix, pl->node, queue, queue_len);
    if (group == 0)
        return ERR_NOMEM;
    struct qgroup *g = group_at(ix, group);
    enum err e = list_push(ix, &g->members, sub);
    if (e != OK) {
        if (new)
            group_give(ix, group);
        return e;
    }
    struct sub *s = sub_at(ix, sub);
    s->at = group;
    s->flags = SUB_QUEUE;
    if (new)
        place_touch(ix, pl);
    pl->subject = node_at(ix, pl->node)->subject;
    change_tell_queue(pl, g->name, g->name_len, g->members.n, ret_change);
    return OK;
}

enum err
interest_add(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t subject_len, const uint8_t *queue, uint32_t queue_len,
             uint32_t ep, const uint8_t *sid, uint32_t sid_len, uint32_t *ret_sub, struct interest_change *ret_change)
{
    if (ix->n_subs >= ix->n_subs_max)
        return ERR_LIMIT;
    enum err e = scratch_reserve_told(ix, subject_len + queue_len);
    if (e != OK)
        return e;
    struct interest_change change = {.tell = INTEREST_TELL_NOTHING};
    struct place pl = place_find(ix, acc, subject, subject_len);
    uint32_t sub = 0;
    e = place_make(ix, &pl);
    if (e == OK) {
        sub = sub_take(ix, pl.node, ep, sid, sid_len);
        e = sub == 0 ? ERR_NOMEM : OK;
    }
    if (e == OK)
        e = queue_len == 0 ? place_add_plain(ix, &pl, sub, &change) : place_add_member(ix, &pl, queue, queue_len, sub, &change);
    if (e != OK && sub != 0)
        sub_give(ix, sub);
    place_settle(ix, &pl);
    if (e != OK)
        return e;
    ix->n_inserts++;
    *ret_sub = sub;
    *ret_change = change;
    return OK;
}

/* Keep bytes of something that is about to go until the next call. */
static const uint8_t *
told_keep(struct interest *ix, uint32_t at, const uint8_t *p, uint32_t len)
{
    ASSERT(at + len <= ix->scratch.cap_told); /* taken by interest_add */
    return memcpy(ix->scratch.told + at, p, len);
}

static void
place_remove_member(struct interest *ix, const struct place *pl, uint32_t sub, struct interest_change *ret_change)
{
    uint32_t group = sub_at(ix, sub)->at;
    struct qgroup *g = group_at(ix, group);
    list_cut(ix, &g->members, sub_at(ix, sub)->slot);
    const uint8_t *queue = told_keep(ix, pl->len, g->name, g->name_len);
    change_tell_queue(pl, queue, g->name_len, g->members.n, ret_change);
    if (g->members.n == 0 && g->n_remote == 0) {
        place_touch(ix, pl);
        group_give(ix, group);
    }
}

void
interest_remove(struct interest *ix, uint32_t sub, struct interest_change *ret_change)
{
    const struct sub *s = sub_at(ix, sub);
    *ret_change = (struct interest_change){.tell = INTEREST_TELL_NOTHING};
    bool queue = (s->flags & SUB_QUEUE) != 0;
    uint32_t node = queue ? group_at(ix, s->at)->node : s->at;
    struct node *n = node_at(ix, node);
    if (!queue && n->plain.n > 1) { /* nobody else needs to hear of it, and the node stays */
        list_cut(ix, &n->plain, s->slot);
        sub_give(ix, sub);
    } else {
        struct place pl = place_find(ix, n->acc, told_keep(ix, 0, n->subject, n->len), n->len);
        ASSERT(pl.node == node);
        if (queue) {
            place_remove_member(ix, &pl, sub, ret_change);
        } else {
            list_cut(ix, &n->plain, s->slot);
            change_tell_plain(ix, &pl, INTEREST_TELL_PLAIN_OFF, ret_change);
        }
        sub_give(ix, sub);
        place_settle(ix, &pl); /* the node goes, if it is empty, and the sub's place with it */
    }
    ix->n_removes++;
}

struct sub *
interest_sub(struct interest *ix, uint32_t sub)
{
    return sub_at(ix, sub);
}

const uint8_t *
interest_subject(struct interest *ix, uint32_t sub, uint32_t *ret_len, uint32_t *ret_acc)
{
    const struct sub *s = sub_at(ix, sub);
    const struct node *n = node_at(ix, (s->flags & SUB_QUEUE) != 0 ? group_at(ix, s->at)->node : s->at);
    *ret_len = n->len;
    *ret_acc = n->acc;
    return n->subject;
}

const uint8_t *
interest_queue(struct interest *ix, uint32_t sub, uint32_t *ret_len)
{
    const struct sub *s = sub_at(ix, sub);
    *ret_len = 0;
    if ((s->flags & SUB_QUEUE) == 0)
        return NULL;
    *ret_len = group_at(ix, s->at)->name_len;
    return group_at(ix, s->at)->name;
}

/* ---- other shards ---- */

static enum err
remote_wild(struct interest *ix, uint32_t shard, struct place *pl, bool on)
{
    if (on && place_make_twig(ix, pl) != OK)
        return ERR_NOMEM;
    if (pl->twig == 0)
        return OK; /* unknown, and to be off */
    struct twig *w = twig_at(ix, pl->twig);
    uint64_t mask = (uint64_t)w->mask_hi << 32 | w->mask_lo, now = on ? mask | BIT64(shard) : mask & ~BIT64(shard);
    w->mask_lo = (uint32_t)now;
    w->mask_hi = (uint32_t)(now >> 32);
    if (now != mask)
        trie_touch(ix, pl->acc, pl->subject, pl->len);
    place_settle(ix, pl);
    return OK;
}

static enum err
remote_literal(struct interest *ix, uint32_t shard, const struct place *pl, bool on)
{
    uint32_t tag = hash_tag(pl->hash), val = hash_remote(pl->hash, shard);
    const struct tagtab_slot *p = tagtab_find(&ix->remote, tag);
    while (tagtab_is(p, tag) && p->val != val)
        p++;
    if (on == tagtab_is(p, tag))
        return OK;
    if (!on) {
        ASSERT(tagtab_del(&ix->remote, tag, val));
    } else {
        enum err e = tagtab_add(&ix->remote, tag, val);
        if (e != OK)
            return e;
    }
    cache_drop(ix, pl->hash); /* and with it the results of all subjects with this fingerprint */
    return OK;
}

enum err
interest_remote_plain(struct interest *ix, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t subject_len, bool on)
{
    ASSERT(shard < ix->n_shards && shard != ix->shard_id);
    struct place pl = place_find(ix, acc, subject, subject_len);
    return pl.wild ? remote_wild(ix, shard, &pl, on) : remote_literal(ix, shard, &pl, on);
}

enum err
interest_remote_queue(struct interest *ix, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t subject_len,
                      const uint8_t *queue, uint32_t queue_len, uint32_t n_members)
{
    ASSERT(shard < ix->n_shards && shard != ix->shard_id && queue_len > 0);
    struct place pl = place_find(ix, acc, subject, subject_len);
    uint32_t group = pl.node == 0 ? 0 : group_find(ix, pl.node, queue, queue_len);
    bool new = group == 0;
    if (new && n_members == 0)
        return OK; /* unknown, and to be none */
    enum err e = place_make(ix, &pl);
    if (e == OK && new) {
        group = group_take(ix, pl.node, queue, queue_len);
        e = group == 0 ? ERR_NOMEM : OK;
    }
    if (e == OK)
        e = group_set_remote(ix, group_at(ix, group), shard, n_members);
    if (group != 0) {
        const struct qgroup *g = group_at(ix, group);
        bool empty = g->members.n == 0 && g->n_remote == 0;
        if (new || empty)
            place_touch(ix, &pl);
        if (empty)
            group_give(ix, group);
    }
    place_settle(ix, &pl);
    return e;
}

/* ---- the whole ---- */

struct interest *
interest_new(const struct interest_cfg *cfg)
{
    ASSERT(cfg->n_shards >= 1 && cfg->n_shards <= INTEREST_SHARDS_MAX && cfg->shard_id < cfg->n_shards);
    struct interest *ix = fault_calloc(1, sizeof *ix);
    if (ix == NULL)
        return NULL;
    ix->shard_id = cfg->shard_id;
    ix->n_shards = cfg->n_shards;
    ix->n_subs_max = cfg->n_subs_max == 0 ? INTEREST_SUBS_MAX : (uint32_t)min_u64(cfg->n_subs_max, INTEREST_SUBS_MAX);
    ix->key = cfg->key;
    ix->no_cache = cfg->no_cache;
    for (uint64_t i = 0; i < N_ELEMS(ix->mul); i++)
        ix->mul[i] = hash_bytes(&ix->key, &i, sizeof i);
    for (uint32_t i = 0; i < ACC_BUCKETS; i++)
        ix->acc_buckets[i].gen = 1; /* no result is from generation 0, so zeroed slots are out of date */
    _Static_assert((int)INTEREST_SUBS_MAX == (int)VARPOOL_IDX_MASK, "numbers in a slab or class");
    slab_init(&ix->subs, sizeof(struct sub), INTEREST_SUBS_MAX);
    slab_init(&ix->groups, sizeof(struct qgroup), INTEREST_SUBS_MAX);
    varpool_init(&ix->nodes);
    varpool_init(&ix->twigs);
    struct tagtab *tabs[] = {&ix->exact, &ix->remote, &ix->heads, &ix->names, &ix->twigtab};
    for (uint32_t i = 0; i < N_ELEMS(tabs); i++)
        tagtab_init(tabs[i]);
    if (cache_init(ix, cfg->no_cache ? 1 : cfg->n_cached_max == 0 ? CACHE_SLOTS : cfg->n_cached_max) != OK) {
        interest_free(ix);
        ix = NULL;
    }
    return ix;
}

void
interest_free(struct interest *ix)
{
    if (ix == NULL)
        return;
    /* What the slabs' objects point to first. */
    for (uint32_t i = 0; (i = slab_next(&ix->groups, i)) != 0;) {
        struct qgroup *g = group_at(ix, i);
        if (g->members.n > SUBLIST_INLINE)
            free((uint32_t *)(uintptr_t)sublist_items(&g->members) - 1);
        free(g->remote);
        free(g->name);
    }
    for (uint32_t i = 0; (i = slab_next(&ix->subs, i)) != 0;) {
        const struct sub *s = slab_at(&ix->subs, i);
        if (s->sid_len == 0xff)
            free(s->sid.far);
    }
    for (uint32_t i = 0; (i = varpool_next(&ix->nodes, i)) != 0;) {
        struct node *n = node_at(ix, i);
        if ((n->flags & NODE_OWN) != 0 && n->own.sid_len == 0xff)
            free(n->own.sid.far);
        if (n->plain.n > SUBLIST_INLINE)
            free((uint32_t *)(uintptr_t)sublist_items(&n->plain) - 1);
    }
    slab_fini(&ix->groups);
    slab_fini(&ix->subs);
    varpool_fini(&ix->nodes);
    varpool_fini(&ix->twigs);
    struct tagtab *tabs[] = {&ix->exact, &ix->remote, &ix->heads, &ix->names, &ix->twigtab};
    for (uint32_t i = 0; i < N_ELEMS(tabs); i++)
        tagtab_fini(tabs[i]);
    scratch_fini(ix);
    cache_fini(ix);
    free(ix);
}

void
interest_stats(const struct interest *ix, struct interest_stats *ret)
{
    *ret = (struct interest_stats){
        .n_subs = ix->n_subs,
        .n_nodes = ix->n_nodes,
        .n_remote = ix->remote.n,
        .n_inserts = ix->n_inserts,
        .n_removes = ix->n_removes,
        .n_matches = ix->n_slow_matches + ix->n_hint_hits,
        .n_cache_hits = ix->n_cache_hits,
        .n_hint_hits = ix->n_hint_hits,
        .n_cache = ix->cache.n,
        .fanout_max = ix->fanout_max,
    };
    ret->bytes = sizeof *ix + ix->n_bytes + cache_bytes(ix) + slab_bytes(&ix->subs) + slab_bytes(&ix->groups) + varpool_bytes(&ix->nodes) +
                 varpool_bytes(&ix->twigs) + ix->exact.n_bytes + ix->remote.n_bytes + ix->heads.n_bytes + ix->names.n_bytes + ix->twigtab.n_bytes;
}

enum { TRIM_SLABS = 2 + CACHE_SIDES + 2 * VARPOOL_N_CLASSES, TRIM_BYTES = 1 << 20 };

static struct slab *
trim_slab(struct interest *ix, uint32_t i)
{
    if (i < 2)
        return i == 0 ? &ix->subs : &ix->groups;
    if (i < 2 + CACHE_SIDES)
        return &ix->cache.sides[i - 2];
    i -= 2 + CACHE_SIDES;
    return i < VARPOOL_N_CLASSES ? &ix->nodes.classes[i] : &ix->twigs.classes[i - VARPOOL_N_CLASSES];
}

/* Giving pages back costs far more than looking for some: one slab does it in a call, and the next call goes on there. */
bool
interest_trim(struct interest *ix)
{
    uint64_t sum = 0;
    for (uint32_t n = 0; n < TRIM_SLABS; n++) {
        uint64_t len = slab_trim(trim_slab(ix, ix->trim_at));
        sum += len;
        if (len >= TRIM_BYTES)
            break;
        ix->trim_at = (ix->trim_at + 1) % TRIM_SLABS;
    }
    scratch_trim(ix);
    cache_trim(ix); /* the tables give back by themselves, as things are removed */
    return sum > 0 || ix->cache.n > 0;
}
