#include <string.h>
#include <sys/mman.h>

#include "core/broker/interest_priv.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"

enum {
    SIDE_LEN_MIN = 256,  /* blocks of 256 bytes, 1, 4, 16 KiB ... */
    SIDE_SHIFT = 2,
    SIDE_TRIES = 16,     /* slots looked at for a block to take away when all are taken */
    TRIM_SLOTS = 2048    /* slots emptied by one cache_trim, at most */
};

static uint32_t
side_len(uint32_t size)
{
    return (uint32_t)SIDE_LEN_MIN << (size * SIDE_SHIFT);
}

enum err
cache_init(struct interest *ix, uint32_t n_slots)
{
    struct cache *c = &ix->cache;
    c->n_slots = CACHE_WAYS;
    while (c->n_slots < n_slots && c->n_slots < CACHE_SLOTS_MAX)
        c->n_slots *= 2;
    c->set_mask = c->n_slots / CACHE_WAYS - 1;
    /* As many blocks of each size as make as many bytes as of the smallest, of which each slot may have one. */
    for (uint32_t s = 0; s < CACHE_SIDES; s++)
        slab_init(&c->sides[s], side_len(s), (uint32_t)max_u64(c->n_slots >> (s * SIDE_SHIFT), 1));
    c->tags = fault_calloc(c->n_slots, sizeof *c->tags);
    c->slots = fault_map(c->n_slots * sizeof *c->slots);
    return c->tags == NULL || c->slots == NULL ? ERR_NOMEM : OK;
}

void
cache_fini(struct interest *ix)
{
    struct cache *c = &ix->cache;
    for (uint32_t s = 0; s < CACHE_SIDES; s++)
        slab_fini(&c->sides[s]);
    free(c->tags);
    if (c->slots != NULL)
        ASSERT(munmap(c->slots, c->n_slots * sizeof *c->slots) == 0);
}

static uint32_t
cache_set(const struct cache *c, uint64_t hash)
{
    return (hash_tag(hash) & c->set_mask) * CACHE_WAYS;
}

static void
slot_give_side(struct cache *c, struct slot *e)
{
    if (e->side_size != 0)
        slab_give(&c->sides[e->side_size - 1], e->side);
    e->side_size = 0;
}

static void
slot_empty(struct cache *c, uint32_t i)
{
    struct slot *e = &c->slots[i];
    slot_give_side(c, e);
    e->gen = UINT64_MAX; /* no hint leads to it any more */
    e->len = 0;
    c->tags[i] = 0;
    c->n--;
}

void
cache_drop(struct interest *ix, uint64_t hash)
{
    struct cache *c = &ix->cache;
    uint32_t set = cache_set(c, hash), tag = hash_cache_tag(hash);
    for (uint32_t i = set; i < set + CACHE_WAYS; i++) {
        if (c->tags[i] == tag)
            slot_empty(c, i);
    }
}

struct slot *
cache_find(struct interest *ix, uint64_t hash, uint32_t acc, const uint8_t *subject, uint32_t len, bool *ret_live)
{
    struct cache *c = &ix->cache;
    uint32_t set = cache_set(c, hash), tag = hash_cache_tag(hash);
    for (uint32_t i = set; i < set + CACHE_WAYS; i++) {
        struct slot *e = &c->slots[i];
        if (c->tags[i] == tag && slot_is_key(e, acc, subject, len)) {
            e->used = 1;
            *ret_live = slot_is_live(ix, e);
            return e;
        }
    }
    return NULL;
}

bool
cache_door(struct interest *ix, uint64_t hash)
{
    uint16_t *door = &ix->cache.doors[(hash >> 40) % DOORS], name = (uint16_t)(hash | 1);
    if (*door == name)
        return true;
    *door = name;
    return false;
}

/* The way to put a result in: an empty one, one out of date, or the first that was not used since the hand came by. */
static uint32_t
cache_victim(struct interest *ix, uint64_t hash)
{
    struct cache *c = &ix->cache;
    uint32_t set = cache_set(c, hash);
    for (uint32_t i = set; i < set + CACHE_WAYS; i++) {
        if (c->tags[i] == 0)
            return i;
    }
    uint32_t victim = set + c->hand++ % CACHE_WAYS;
    for (uint32_t n = 0; n < CACHE_WAYS; n++) {
        uint32_t i = set + (victim + n) % CACHE_WAYS;
        struct slot *e = &c->slots[i];
        if (!e->used || !slot_is_live(ix, e))
            return i;
        e->used = 0;
    }
    return victim;
}

/* A block of that size; if all are taken, from one of the next slots that has one and was not used lately. 0: none. */
static uint32_t
cache_take_side(struct interest *ix, uint32_t size)
{
    struct cache *c = &ix->cache;
    uint32_t side = slab_take(&c->sides[size]);
    for (uint32_t n = 0; side == 0 && n < SIDE_TRIES; n++) {
        uint32_t i = c->side_hand++ & (c->n_slots - 1);
        struct slot *e = &c->slots[i];
        if (c->tags[i] == 0 || e->side_size != size + 1)
            continue;
        if (e->used && slot_is_live(ix, e)) {
            e->used = 0;
            continue;
        }
        slot_empty(c, i);
        side = slab_take(&c->sides[size]);
    }
    return side;
}

static size_t
match_parts(const struct match *m)
{
    size_t n = 0;
    for (uint32_t i = 0; i < m->n_groups; i++)
        n += m->groups[i].n_parts;
    return n;
}

/* Copy a result to p:  | lists | groups | their parts | */
static uint8_t *
match_copy(struct match *to, const struct match *m, uint8_t *p)
{
    *to = *m;
    if (m->n_lists != 0)
        memcpy(p, m->lists, m->n_lists * sizeof *m->lists);
    to->lists = (const struct sublist *const *)(void *)p;
    p += m->n_lists * sizeof *m->lists;
    struct match_group *groups = (struct match_group *)(void *)p;
    to->groups = groups;
    p += m->n_groups * sizeof *groups;
    for (uint32_t i = 0; i < m->n_groups; i++) {
        groups[i] = m->groups[i];
        memcpy(p, m->groups[i].parts, m->groups[i].n_parts * sizeof *groups[i].parts);
        groups[i].parts = (struct qgroup *const *)(void *)p;
        p += m->groups[i].n_parts * sizeof *groups[i].parts;
    }
    return p;
}

struct slot *
cache_put(struct interest *ix, struct slot *into, uint64_t hash, uint32_t acc, const uint8_t *subject, uint32_t len, uint32_t bucket,
          const struct match *m)
{
    struct cache *c = &ix->cache;
    size_t n_result = m->n_lists * sizeof *m->lists + m->n_groups * sizeof *m->groups + match_parts(m) * sizeof(void *);
    bool near = n_result <= sizeof into->in;
    size_t n_side = (near ? 0 : n_result) + (len <= CACHE_SUBJECT ? 0 : len);
    uint32_t size = 0;
    while (size < CACHE_SIDES && n_side > side_len(size))
        size++;

    uint32_t i = into != NULL ? (uint32_t)(into - c->slots) : cache_victim(ix, hash);
    if (c->tags[i] != 0)
        slot_empty(c, i);
    uint32_t side = n_side == 0 || size == CACHE_SIDES ? 0 : cache_take_side(ix, size);
    if (n_side != 0 && side == 0)
        return NULL; /* too large, or too many large ones in use: it is put together each time */

    struct slot *e = &c->slots[i];
    uint8_t *p = side == 0 ? NULL : slab_at(&c->sides[size], side), *q = near ? (uint8_t *)e->in : p;
    q = match_copy(&e->m, m, q);
    if (len > CACHE_SUBJECT) {
        e->subject.far = memcpy(near ? p : q, subject, len);
    } else {
        memcpy(e->subject.in, subject, len);
    }
    e->gen = interest_gen(ix, acc, bucket);
    e->acc = acc;
    e->len = (uint16_t)len;
    e->bucket = (uint16_t)bucket;
    e->used = 1;
    e->side = side;
    e->side_size = (uint8_t)(side == 0 ? 0 : size + 1);
    c->tags[i] = hash_cache_tag(hash);
    c->n++;
    return e;
}

/* When nothing was matched since the last call, the memory behind the next slots goes back. */
void
cache_trim(struct interest *ix)
{
    struct cache *c = &ix->cache;
    uint64_t n_matches = ix->n_slow_matches + ix->n_hint_hits;
    bool idle = n_matches == c->n_matches_trim;
    c->n_matches_trim = n_matches;
    if (!idle || c->n == 0)
        return;
    uint32_t n = (uint32_t)min_u64(TRIM_SLOTS, c->n_slots), from = c->trim_hand & (c->n_slots - 1) & ~(n - 1);
    for (uint32_t i = from; i < from + n; i++) {
        if (c->tags[i] != 0)
            slot_empty(c, i);
    }
    c->trim_hand = from + n;
    if (n == TRIM_SLOTS)
        ASSERT(madvise(c->slots + from, n * sizeof *c->slots, MADV_DONTNEED) == 0);
}

uint64_t
cache_bytes(const struct interest *ix)
{
    const struct cache *c = &ix->cache;
    uint64_t sum = c->n_slots * (sizeof *c->slots + sizeof *c->tags);
    for (uint32_t s = 0; s < CACHE_SIDES; s++)
        sum += slab_bytes(&c->sides[s]);
    return sum;
}

void
cache_check(const struct interest *ix)
{
    const struct cache *c = &ix->cache;
    uint32_t n = 0, n_sides[CACHE_SIDES] = {0};
    for (uint32_t i = 0; i < c->n_slots; i++) {
        if (c->tags[i] == 0)
            continue;
        const struct slot *e = &c->slots[i];
        const uint8_t *subject = e->len <= CACHE_SUBJECT ? e->subject.in : e->subject.far;
        uint64_t hash = interest_hash(ix, e->acc, subject, e->len);
        ASSERT(e->len > 0 && hash_cache_tag(hash) == c->tags[i] && cache_set(c, hash) == i / CACHE_WAYS * CACHE_WAYS);
        n++;
        if (e->side_size != 0)
            n_sides[e->side_size - 1]++;
    }
    ASSERT(n == c->n);
    for (uint32_t s = 0; s < CACHE_SIDES; s++)
        ASSERT(n_sides[s] == c->sides[s].n_used);
}
