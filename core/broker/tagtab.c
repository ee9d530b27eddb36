#include "core/broker/tagtab.h"

#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

enum {
    SEG_AVG_MAX = 512,  /* entries per segment, on average, at which one more segment begins ... */
    SEG_AVG_MIN = 160,  /* ... and at which one is given up. They are far apart, so that nothing swings */
    SEG_TAIL = 6,       /* free slots behind the last entry after laying a segment out */
    SEGS_CAP_MIN = 8,
    MALLOC_EXTRA = 12   /* what the allocator adds to an allocation, on average */
};

/* What an empty table's segment points at. It is never written: there is no room in it. */
static const struct tagtab_slot tagtab_nothing[1] = {{UINT32_MAX, 0}};

static struct tagtab_slot *
tagtab_no_slots(void)
{
    return (struct tagtab_slot *)(uintptr_t)tagtab_nothing;
}

/* Homes for n entries: 8 tenths full, and never so few that small tables grow at every step. */
static uint32_t
tagtab_cap_for(uint32_t n)
{
    return n + n / 4 + 3;
}

static bool
tagtab_seg_full(const struct tagtab_seg *g)
{
    return (uint64_t)(g->n + 1) * 10 > (uint64_t)g->cap * 9;
}

static uint64_t
tagtab_seg_bytes(const struct tagtab_seg *g)
{
    return g->slots == tagtab_nothing ? 0 : (uint64_t)g->n_slots * sizeof *g->slots + MALLOC_EXTRA;
}

static void
tagtab_seg_fini(struct tagtab *t, struct tagtab_seg *g)
{
    t->n_bytes -= tagtab_seg_bytes(g);
    if (g->slots != tagtab_nothing)
        free(g->slots);
    *g = (struct tagtab_seg){.slots = tagtab_no_slots(), .n_slots = 1};
}

/* The entries of one or two segments in the order of their tags; only those with (tag & bit) == want. */
struct tagtab_iter {
    const struct tagtab_slot *a, *a_end, *b, *b_end;
    uint32_t bit, want;
};

static const struct tagtab_slot *
tagtab_iter_skip(const struct tagtab_iter *it, const struct tagtab_slot *p, const struct tagtab_slot *end)
{
    while (p < end && (p->val == 0 || (p->tag & it->bit) != it->want))
        p++;
    return p;
}

/* NULL at the end. */
static const struct tagtab_slot *
tagtab_iter_next(struct tagtab_iter *it)
{
    it->a = tagtab_iter_skip(it, it->a, it->a_end);
    it->b = tagtab_iter_skip(it, it->b, it->b_end);
    if (it->a == it->a_end)
        return it->b == it->b_end ? NULL : it->b++;
    if (it->b == it->b_end || it->a->tag <= it->b->tag)
        return it->a++;
    return it->b++;
}

/* Lay out what `it` yields (n entries) in a new segment with cap homes. First the length is found, then the slots are written. */
static enum err
tagtab_seg_build(struct tagtab *t, struct tagtab_iter it, uint32_t n, uint32_t cap, struct tagtab_seg *ret)
{
    struct tagtab_iter first = it;
    uint64_t next = 0;
    for (const struct tagtab_slot *p; (p = tagtab_iter_next(&first)) != NULL; next++)
        next = max_u64(next, (uint64_t)p->tag * cap >> 32);
    uint64_t n_slots = max_u64(next, cap) + SEG_TAIL + 1;
    if (n_slots > UINT32_MAX)
        return ERR_NOMEM;
    t->n_sys++;
    struct tagtab_slot *slots = fault_malloc(n_slots * sizeof *slots);
    if (slots == NULL)
        return ERR_NOMEM;

    uint64_t at = 0;
    uint32_t n_done = 0;
    for (const struct tagtab_slot *p; (p = tagtab_iter_next(&it)) != NULL; n_done++) {
        uint64_t home = (uint64_t)p->tag * cap >> 32;
        while (at < home)
            slots[at++] = tagtab_nothing[0];
        slots[at++] = *p;
    }
    while (at < n_slots)
        slots[at++] = tagtab_nothing[0];
    ASSERT(n_done == n);
    *ret = (struct tagtab_seg){.slots = slots, .cap = cap, .n_slots = (uint32_t)n_slots, .n = n};
    t->n_bytes += tagtab_seg_bytes(ret);
    return OK;
}

static struct tagtab_iter
tagtab_iter_of(const struct tagtab_seg *a, const struct tagtab_seg *b, uint32_t bit, uint32_t want)
{
    struct tagtab_iter it = {.a = a->slots, .a_end = a->slots + a->n_slots, .bit = bit, .want = want};
    if (b != NULL) {
        it.b = b->slots;
        it.b_end = b->slots + b->n_slots;
    }
    return it;
}

static enum err
tagtab_seg_resize(struct tagtab *t, struct tagtab_seg *g, uint32_t cap)
{
    struct tagtab_seg new;
    enum err e = tagtab_seg_build(t, tagtab_iter_of(g, NULL, 0, 0), g->n, cap, &new);
    if (e != OK)
        return e;
    tagtab_seg_fini(t, g);
    *g = new;
    return OK;
}

/* False: no free slot behind its place. */
static bool
tagtab_seg_put(struct tagtab_seg *g, uint32_t tag, uint32_t val)
{
    struct tagtab_slot *p = g->slots + ((uint64_t)tag * g->cap >> 32);
    while (p->tag < tag)
        p++;
    struct tagtab_slot *gap = p;
    while (gap->val != 0)
        gap++;
    if (gap == g->slots + g->n_slots - 1)
        return false;
    memmove(p + 1, p, (size_t)(gap - p) * sizeof *p);
    *p = (struct tagtab_slot){tag, val};
    g->n++;
    return true;
}

/* A single segment stands in the struct, several in an array. */
static bool
tagtab_grow_segs(struct tagtab *t)
{
    if (t->n_segs < t->cap_segs)
        return true;
    uint32_t cap = t->cap_segs == 0 ? SEGS_CAP_MIN : t->cap_segs * 2;
    t->n_sys++;
    struct tagtab_seg *segs = fault_realloc(t->cap_segs == 0 ? NULL : t->segs, cap * sizeof *segs);
    if (segs == NULL)
        return false;
    if (t->cap_segs == 0)
        segs[0] = t->one;
    t->segs = segs;
    t->cap_segs = cap;
    t->n_bytes += (uint64_t)(cap - (cap == SEGS_CAP_MIN ? 0 : cap / 2)) * sizeof *segs;
    return true;
}

static void
tagtab_shrink_segs(struct tagtab *t)
{
    if (t->n_segs == 1) {
        t->one = t->segs[0];
        t->n_bytes -= (uint64_t)t->cap_segs * sizeof *t->segs;
        free(t->segs);
        t->segs = &t->one;
        t->cap_segs = 0;
    } else if (t->cap_segs > SEGS_CAP_MIN && t->n_segs <= t->cap_segs / 4) {
        t->n_sys++;
        struct tagtab_seg *segs = fault_realloc(t->segs, t->cap_segs / 2 * sizeof *segs);
        if (segs == NULL)
            return; /* it can stay as it is */
        t->n_bytes -= (uint64_t)t->cap_segs / 2 * sizeof *segs;
        t->segs = segs;
        t->cap_segs /= 2;
    }
}

/* Split the next segment in turn. Where memory is short the table stays as it is; it only gets slower. */
static void
tagtab_split(struct tagtab *t)
{
    uint32_t bit = (t->mask >> 1) + 1;
    if (t->n_segs >= BIT(31) || !tagtab_grow_segs(t))
        return;
    struct tagtab_seg *old = &t->segs[t->n_segs - bit], low, high;
    uint32_t n_high = 0;
    for (uint32_t i = 0; i < old->n_slots; i++)
        n_high += old->slots[i].val != 0 && (old->slots[i].tag & bit) != 0;
    uint32_t n_low = old->n - n_high;
    if (tagtab_seg_build(t, tagtab_iter_of(old, NULL, bit, 0), n_low, tagtab_cap_for(n_low), &low) != OK)
        return;
    if (tagtab_seg_build(t, tagtab_iter_of(old, NULL, bit, bit), n_high, tagtab_cap_for(n_high), &high) != OK) {
        tagtab_seg_fini(t, &low);
        return;
    }
    tagtab_seg_fini(t, old);
    *old = low;
    t->segs[t->n_segs++] = high;
    if (t->n_segs > t->mask)
        t->mask = t->mask * 2 + 1;
}

/* Put the last segment and the one it was split from together again; if memory is short, another time. */
static void
tagtab_merge(struct tagtab *t)
{
    uint32_t last = t->n_segs - 1, mask = last <= t->mask >> 1 ? t->mask >> 1 : t->mask;
    struct tagtab_seg *high = &t->segs[last], *low = &t->segs[last & (mask >> 1)], both;
    uint32_t n = low->n + high->n;
    if (tagtab_seg_build(t, tagtab_iter_of(low, high, 0, 0), n, tagtab_cap_for(n), &both) != OK)
        return;
    tagtab_seg_fini(t, low);
    tagtab_seg_fini(t, high);
    *low = both;
    t->n_segs--;
    t->mask = mask;
    tagtab_shrink_segs(t);
}

void
tagtab_init(struct tagtab *t)
{
    memset(t, 0, sizeof *t);
    t->segs = &t->one;
    t->n_segs = 1;
    t->mask = 1;
    t->one = (struct tagtab_seg){.slots = tagtab_no_slots(), .n_slots = 1};
}

void
tagtab_fini(struct tagtab *t)
{
    if (t->segs == NULL)
        return; /* never initialised: zeroed memory */
    for (uint32_t i = 0; i < t->n_segs; i++)
        tagtab_seg_fini(t, &t->segs[i]);
    if (t->cap_segs != 0)
        free(t->segs);
    tagtab_init(t);
}

enum err
tagtab_add(struct tagtab *t, uint32_t tag, uint32_t val)
{
    ASSERT(val != 0);
    struct tagtab_seg *g = tagtab_seg_of(t, tag);
    if (tagtab_seg_full(g) || !tagtab_seg_put(g, tag, val)) {
        uint32_t cap = tagtab_cap_for(g->n + 1);
        enum err e = tagtab_seg_resize(t, g, cap > g->cap ? cap : g->cap);
        if (e != OK)
            return e;
        ASSERT(tagtab_seg_put(g, tag, val)); /* a segment just laid out has free slots at its end */
    }
    t->n++;
    if (t->n > (uint64_t)t->n_segs * SEG_AVG_MAX)
        tagtab_split(t);
    return OK;
}

/* Take slot p out: what stands above its home behind it moves down. */
static void
tagtab_seg_cut(struct tagtab_seg *g, struct tagtab_slot *p)
{
    struct tagtab_slot *end = p + 1;
    while (end->val != 0 && g->slots + ((uint64_t)end->tag * g->cap >> 32) < end)
        end++;
    memmove(p, p + 1, (size_t)(end - p - 1) * sizeof *p);
    end[-1] = tagtab_nothing[0];
    g->n--;
}

/* NULL: no such pair. */
static struct tagtab_slot *
tagtab_seg_find(struct tagtab_seg *g, uint32_t tag, uint32_t val)
{
    struct tagtab_slot *p = g->slots + ((uint64_t)tag * g->cap >> 32);
    while (p->tag < tag)
        p++;
    while (tagtab_is(p, tag) && p->val != val)
        p++;
    return tagtab_is(p, tag) ? p : NULL;
}

bool
tagtab_del(struct tagtab *t, uint32_t tag, uint32_t val)
{
    struct tagtab_seg *g = tagtab_seg_of(t, tag);
    struct tagtab_slot *p = tagtab_seg_find(g, tag, val);
    if (p == NULL)
        return false;
    tagtab_seg_cut(g, p);
    t->n--;
    if (g->n == 0)
        tagtab_seg_fini(t, g);
    else if (g->n + 8 < g->cap / 2)
        (void)tagtab_seg_resize(t, g, tagtab_cap_for(g->n)); /* if memory is short, another time */
    if (t->n_segs > 1 && t->n < (uint64_t)t->n_segs * SEG_AVG_MIN)
        tagtab_merge(t);
    return true;
}

void
tagtab_set(struct tagtab *t, uint32_t tag, uint32_t val_old, uint32_t val)
{
    ASSERT(val != 0);
    struct tagtab_slot *p = tagtab_seg_find(tagtab_seg_of(t, tag), tag, val_old);
    ASSERT(p != NULL);
    p->val = val;
}

uint32_t
tagtab_any(const struct tagtab *t, uint32_t *cursor, uint32_t *ret_tag)
{
    /* The cursor is a segment's number above a slot's, as far as 12 bits tell it: where segments were merged or resized
     * since, something behind it may be found only in the next round. */
    enum { SLOT_BITS = 12 };
    if (t->n == 0)
        return 0;
    uint32_t k = *cursor >> SLOT_BITS, i = *cursor & (BIT(SLOT_BITS) - 1);
    for (uint64_t n_tries = 0; n_tries <= (uint64_t)t->n_segs * 2; n_tries++) {
        if (k >= t->n_segs)
            k = 0;
        const struct tagtab_seg *g = &t->segs[k];
        while (g->n > 0 && i < g->n_slots && g->slots[i].val == 0)
            i++;
        if (g->n > 0 && i < g->n_slots) {
            *cursor = k << SLOT_BITS | (i < BIT(SLOT_BITS) ? i : BIT(SLOT_BITS) - 1);
            *ret_tag = g->slots[i].tag;
            return g->slots[i].val;
        }
        k += g->n == 0; /* else its entries are before the cursor: once more, from the first slot */
        i = 0;
    }
    ASSERT(false); /* t->n entries are somewhere */
    return 0;
}

static void
tagtab_check_seg(const struct tagtab *t, const struct tagtab_seg *g, uint32_t k)
{
    uint32_t n = 0, tag_before = 0;
    ASSERT(g->n_slots >= 1 && g->slots[g->n_slots - 1].val == 0);
    for (uint32_t i = 0; i < g->n_slots; i++) {
        const struct tagtab_slot *p = &g->slots[i];
        if (p->val == 0) {
            ASSERT(p->tag == UINT32_MAX);
            continue;
        }
        uint64_t home = (uint64_t)p->tag * g->cap >> 32;
        ASSERT(tagtab_seg_of(t, p->tag) == &t->segs[k]);
        ASSERT(home <= i && p->tag >= tag_before);
        for (uint64_t j = home; j < i; j++)
            ASSERT(g->slots[j].val != 0);
        tag_before = p->tag;
        n++;
    }
    ASSERT(n == g->n);
}

void
tagtab_check(const struct tagtab *t)
{
    uint64_t n = 0, n_bytes = (uint64_t)t->cap_segs * sizeof *t->segs;
    ASSERT(t->n_segs >= 1 && t->n_segs <= t->mask && t->n_segs > t->mask >> 1);
    ASSERT((t->cap_segs == 0) == (t->segs == &t->one));
    for (uint32_t k = 0; k < t->n_segs; k++) {
        tagtab_check_seg(t, &t->segs[k], k);
        n += t->segs[k].n;
        n_bytes += tagtab_seg_bytes(&t->segs[k]);
    }
    ASSERT(n == t->n && n_bytes == t->n_bytes);
}
