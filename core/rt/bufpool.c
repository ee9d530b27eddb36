#include "core/rt/bufpool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/list.h"
#include "core/rt/poison.h"
#include "core/rt/util.h"

enum {
    BUFPOOL_REGION_LEN = 4 << 20,
    BUFPOOL_UNIT_MIN_LEN = 4096, /* what the system can take back */
    BUFPOOL_UNITS_MAX = BUFPOOL_REGION_LEN / BUFPOOL_UNIT_MIN_LEN,
    BUFPOOL_STEP_LEN = 512 << 10, /* so much is given back to the system by one call, about: 50 us and more on a virtual machine */
    BUFPOOL_RECLAIM_CALLS = 256   /* system calls one take makes at most to stay below the limit */
};

_Static_assert((int)BUFPOOL_MAX_CLASS_LEN == 1 << 20, "the classes end at 1 MiB");
_Static_assert((int)BUFPOOL_MAX_CLASS_LEN * 2 <= (int)BUFPOOL_REGION_LEN, "a region has its notes and at least one unit");

enum bufpool_unit_state {
    UNIT_FRESH, /* never taken: nothing behind it yet */
    UNIT_BUSY,  /* at least one of its buffers is taken; on the class's list `partial` if one is free, too */
    UNIT_IDLE,  /* all free, memory behind it; on `idle` */
    UNIT_COLD   /* all free, its memory given back; on `cold` */
};

struct bufpool_unit {
    struct list link;
    uint8_t free; /* bit per buffer */
    uint8_t state;
};

/* Stands at the start of the 4 MiB it describes. units[i] stands for the bytes at i * unit_len; the first
 * of them are under these notes and never used. */
struct bufpool_region {
    struct bufpool *pool;
    struct list link; /* pool->regions */
    uint32_t cls, unit_shift;
    uint32_t i_first, i_fresh, n_units; /* units from i_fresh on are FRESH, those below i_first are under the notes */
    uint32_t n_busy, n_cold;            /* the others are idle */
    bool huge;                          /* the system may back it with huge pages */
    struct bufpool_unit units[];
};

struct bufpool_class {
    struct list partial, idle, cold; /* idle: most recently given first */
    struct bufpool_region *fresh;            /* the one region with FRESH units; NULL: none */
    uint32_t unit_shift;
    uint8_t all_free;     /* a unit's `free` when none of its buffers is taken */
    uint32_t n_busy, n_backed; /* units with memory behind them: the busy ones and the idle ones */
    uint32_t n_keep_min;       /* so many of them stay */
    uint32_t n_regions;
    uint32_t n_peaks[BUFPOOL_KEEP_INTERVALS + 1]; /* most busy units: [0] in this interval, then interval by interval */
};

struct bufpool_big {
    uint8_t *buf;
    uint32_t cap, left; /* left < cap: on its way back to the system, from the end */
};

/* Owner: the shard. */
struct bufpool {
    struct bufpool_class classes[BUFPOOL_CLASSES];
    struct list regions;
    struct bufpool_big bigs[BUFPOOL_BIG_KEPT_MAX]; /* free ones, longest free first */
    uint32_t n_bigs;
    uint64_t big_busy_bytes, big_idle_bytes, big_peaks[BUFPOOL_KEEP_INTERVALS + 1];
    uint64_t limit_bytes, backed_bytes, used_bytes, mapped_bytes; /* backed: memory behind buffers, taken or free */
    int64_t interval_ns;                                          /* when the current interval began; -1: not yet */
    uint64_t n_sys, n_refused;
    bool work;                                                    /* the last trim ended before it was through */
#ifdef MIDGE_ASSERT_SLOW
    pthread_t owner; /* who took first */
    bool owned;
#endif
};

static struct bufpool_unit *
bufpool_unit_of(struct list *l)
{
    return CONTAINER_OF(l, struct bufpool_unit, link);
}

/* Regions are aligned to their length. */
static struct bufpool_region *
bufpool_region_of(const void *p)
{
    return (struct bufpool_region *)((uintptr_t)p & ~((uintptr_t)BUFPOOL_REGION_LEN - 1));
}

static uint64_t
bufpool_unit_len(const struct bufpool_class *c)
{
    return UINT64_C(1) << c->unit_shift;
}

static uint8_t *
bufpool_unit_bytes(const struct bufpool_region *r, const struct bufpool_unit *u)
{
    return (uint8_t *)(uintptr_t)r + ((size_t)(u - r->units) << r->unit_shift);
}

static void
bufpool_check_owner(struct bufpool *bp)
{
#ifdef MIDGE_ASSERT_SLOW
    if (!bp->owned) {
        bp->owner = pthread_self();
        bp->owned = true;
    }
    ASSERT(pthread_equal(bp->owner, pthread_self()));
#else
    (void)bp;
#endif
}

void
bufpool_hand_over(struct bufpool *bp)
{
#ifdef MIDGE_ASSERT_SLOW
    if (bp != NULL)
        bp->owned = false;
#else
    (void)bp;
#endif
}

static void
bufpool_init_class(struct bufpool_class *c, uint32_t cls)
{
    uint32_t cap = (uint32_t)BUFPOOL_MIN_LEN << cls;
    uint32_t len = cap < BUFPOOL_UNIT_MIN_LEN ? BUFPOOL_UNIT_MIN_LEN : cap;
    list_init(&c->partial);
    list_init(&c->idle);
    list_init(&c->cold);
    c->unit_shift = (uint32_t)__builtin_ctz(len);
    c->all_free = (uint8_t)(BIT(len / cap) - 1);
    c->n_keep_min = BUFPOOL_KEEP_LEN / len;
}

struct bufpool *
bufpool_new(uint64_t limit_bytes)
{
    struct bufpool *bp = fault_calloc(1, sizeof *bp);
    if (bp == NULL)
        return NULL;
    for (uint32_t cls = 0; cls < BUFPOOL_CLASSES; cls++)
        bufpool_init_class(&bp->classes[cls], cls);
    list_init(&bp->regions);
    bp->interval_ns = -1;
    bp->limit_bytes = limit_bytes == 0 ? UINT64_MAX : limit_bytes;
    return bp;
}

static void
bufpool_unmap(struct bufpool *bp, void *p, size_t len)
{
    poison_clear(p, len); /* somebody else may be mapped here next */
    ASSERT(munmap(p, len) == 0);
    bp->n_sys++;
    bp->mapped_bytes -= len;
}

void
bufpool_free(struct bufpool *bp)
{
    if (bp == NULL)
        return;
    ASSERT(bp->used_bytes == 0);
    while (bp->n_bigs > 0) {
        struct bufpool_big *b = &bp->bigs[--bp->n_bigs];
        bufpool_unmap(bp, b->buf, b->left);
    }
    while (!list_empty(&bp->regions)) {
        struct bufpool_region *r = CONTAINER_OF(bp->regions.next, struct bufpool_region, link);
        list_remove(&r->link);
        bufpool_unmap(bp, r, BUFPOOL_REGION_LEN);
    }
    ASSERT(bp->mapped_bytes == 0);
    free(bp);
}

/* ---- giving memory back to the system ---- */

static uint32_t
bufpool_region_n_idle(const struct bufpool_region *r)
{
    return r->i_fresh - r->i_first - r->n_busy - r->n_cold;
}

static uint32_t
bufpool_n_idle(const struct bufpool_class *c)
{
    return c->n_backed - c->n_busy;
}

/* Unmap a region without busy units. */
static void
bufpool_drop_region(struct bufpool *bp, struct bufpool_class *c, struct bufpool_region *r)
{
    ASSERT(r->n_busy == 0);
    uint32_t n_idle = bufpool_region_n_idle(r);
    for (uint32_t i = r->i_first; i < r->i_fresh; i++)
        list_remove(&r->units[i].link);
    c->n_backed -= n_idle;
    c->n_regions--;
    bp->backed_bytes -= n_idle * bufpool_unit_len(c);
    if (c->fresh == r)
        c->fresh = NULL;
    list_remove(&r->link);
    bufpool_unmap(bp, r, BUFPOOL_REGION_LEN);
}

/* Give the memory behind the idle units first .. first + n - 1 of region r back to the system. */
static void
bufpool_cool(struct bufpool *bp, struct bufpool_class *c, struct bufpool_region *r, uint32_t first, uint32_t n)
{
    if (r->huge) {
        /* Else the system would sooner or later merge what is left into huge pages again, holes included. */
        (void)madvise(r, BUFPOOL_REGION_LEN, MADV_NOHUGEPAGE); /* a wish: the kernel may not know huge pages */
        bp->n_sys++;
        r->huge = false;
    }
    /* Does not fail for memory of our own. */
    ASSERT(madvise(bufpool_unit_bytes(r, &r->units[first]), n * bufpool_unit_len(c), MADV_DONTNEED) == 0);
    bp->n_sys++;
    for (uint32_t i = first; i < first + n; i++) {
        struct bufpool_unit *u = &r->units[i];
        ASSERT_SLOW(u->state == UNIT_IDLE);
        list_remove(&u->link);
        list_push_front(&c->cold, &u->link);
        u->state = UNIT_COLD;
    }
    r->n_cold += n;
    c->n_backed -= n;
    bp->backed_bytes -= n * bufpool_unit_len(c);
}

/* Release the unit that was idle longest, and idle neighbours of it by the same call, at most n_max in all. (A
 * neighbour may have been used lately. It will cost a page fault; a call for each page would cost more.)
 * Returns the bytes. */
static uint64_t
bufpool_release_idle(struct bufpool *bp, struct bufpool_class *c, uint32_t n_max)
{
    ASSERT(n_max > 0 && !list_empty(&c->idle));
    uint64_t backed_bytes = bp->backed_bytes;
    struct bufpool_unit *u = bufpool_unit_of(c->idle.prev);
    struct bufpool_region *r = bufpool_region_of(u);
    if (r->huge && r->n_busy == 0 && bufpool_region_n_idle(r) <= n_max) {
        bufpool_drop_region(bp, c, r); /* cheap: two huge pages */
        return backed_bytes - bp->backed_bytes;
    }
    uint32_t n_step = (uint32_t)min_u64(n_max, max_u64(BUFPOOL_STEP_LEN >> c->unit_shift, 1));
    uint32_t first = (uint32_t)(u - r->units), end = first + 1;
    while (end < r->i_fresh && r->units[end].state == UNIT_IDLE && end - first < n_step)
        end++;
    while (first > r->i_first && r->units[first - 1].state == UNIT_IDLE && end - first < n_step)
        first--;
    bufpool_cool(bp, c, r, first, end - first);
    if (r->n_busy == 0 && bufpool_region_n_idle(r) == 0)
        bufpool_drop_region(bp, c, r);
    return backed_bytes - bp->backed_bytes;
}

/* Release a piece of the large buffer that was free longest. Returns the bytes. */
static uint64_t
bufpool_release_big(struct bufpool *bp)
{
    ASSERT(bp->n_bigs > 0);
    struct bufpool_big *b = &bp->bigs[0];
    uint32_t len = b->left < BUFPOOL_STEP_LEN ? b->left : BUFPOOL_STEP_LEN;
    b->left -= len;
    bufpool_unmap(bp, b->buf + b->left, len);
    bp->big_idle_bytes -= len;
    bp->backed_bytes -= len;
    if (b->left == 0) {
        bp->n_bigs--;
        memmove(bp->bigs, bp->bigs + 1, bp->n_bigs * sizeof bp->bigs[0]);
    }
    return len;
}

/* Is there room for len more bytes below the limit? Free buffers of other lengths are released for it. */
static bool
bufpool_make_room(struct bufpool *bp, uint64_t len)
{
    if (len > bp->limit_bytes)
        return false;
    uint64_t bound = bp->limit_bytes - len, n_sys_max = bp->n_sys + BUFPOOL_RECLAIM_CALLS;
    while (bp->backed_bytes > bound && bp->n_bigs > 0 && bp->n_sys < n_sys_max)
        (void)bufpool_release_big(bp); /* whatever it frees: the bound is asked above */
    for (uint32_t cls = BUFPOOL_CLASSES; cls-- > 0;) {
        struct bufpool_class *c = &bp->classes[cls];
        while (bp->backed_bytes > bound && bufpool_n_idle(c) > 0 && bp->n_sys < n_sys_max)
            (void)bufpool_release_idle(bp, c, UINT32_MAX); /* likewise */
    }
    return bp->backed_bytes <= bound;
}

/* ---- classes ---- */

/* Map len (a multiple of the page size) bytes at a multiple of align; align 0: anywhere. */
static void *
bufpool_map(struct bufpool *bp, size_t len, size_t align)
{
    bp->n_sys++;
    uint8_t *p = fault_map(len + align);
    if (p == NULL)
        return NULL;
    bp->mapped_bytes += len + align;
    if (align > 0) {
        uint8_t *q = (uint8_t *)(uintptr_t)round_up_u64((uintptr_t)p, align);
        if (q > p)
            bufpool_unmap(bp, p, (size_t)(q - p));
        if (q + len < p + len + align)
            bufpool_unmap(bp, q + len, (size_t)(p + align - q));
        p = q;
    }
    return p;
}

static struct bufpool_region *
bufpool_add_region(struct bufpool *bp, struct bufpool_class *c)
{
    struct bufpool_region *r = bufpool_map(bp, BUFPOOL_REGION_LEN, BUFPOOL_REGION_LEN);
    if (r == NULL)
        return NULL;
    /* A page fault costs a virtual machine 2 to 3 us, a huge page's 200 us: for 512 times the bytes. So a class
     * that grew beyond its first region asks for huge pages. The first one must not have them: the first byte of a
     * small load would cost 2 MiB. Both are wishes, which a kernel may not know. */
    r->huge = c->n_regions > 0;
    (void)madvise(r, BUFPOOL_REGION_LEN, r->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    bp->n_sys++;
    c->n_regions++;
    r->pool = bp;
    r->cls = (uint32_t)(c - bp->classes);
    r->unit_shift = c->unit_shift;
    r->n_units = BUFPOOL_REGION_LEN >> c->unit_shift;
    size_t notes_len = sizeof *r + r->n_units * sizeof r->units[0];
    r->i_first = r->i_fresh = (uint32_t)((notes_len + bufpool_unit_len(c) - 1) >> c->unit_shift);
    ASSERT(r->i_first < r->n_units);
    list_push_front(&bp->regions, &r->link);
    uint8_t *first = bufpool_unit_bytes(r, &r->units[r->i_fresh]);
    poison_set(first, (size_t)((uint8_t *)r + BUFPOOL_REGION_LEN - first));
    return r;
}

/* A unit that has no memory behind it yet. */
static struct bufpool_unit *
bufpool_unit_unbacked(struct bufpool *bp, struct bufpool_class *c)
{
    if (!bufpool_make_room(bp, bufpool_unit_len(c)))
        return NULL;
    struct bufpool_unit *u;
    if (!list_empty(&c->cold)) {
        u = bufpool_unit_of(c->cold.next);
        list_remove(&u->link);
        bufpool_region_of(u)->n_cold--;
    } else {
        if (c->fresh == NULL && (c->fresh = bufpool_add_region(bp, c)) == NULL)
            return NULL;
        struct bufpool_region *r = c->fresh;
        u = &r->units[r->i_fresh++];
        u->free = c->all_free;
        if (r->i_fresh == r->n_units)
            c->fresh = NULL;
    }
    c->n_backed++;
    bp->backed_bytes += bufpool_unit_len(c);
    return u;
}

/* A unit whose buffers are all free, on no list. NULL: the limit, or no memory. */
static struct bufpool_unit *
bufpool_unit_take(struct bufpool *bp, struct bufpool_class *c)
{
    struct bufpool_unit *u;
    if (LIKELY(!list_empty(&c->idle))) {
        u = bufpool_unit_of(c->idle.next);
        list_remove(&u->link);
    } else {
        u = bufpool_unit_unbacked(bp, c);
        if (u == NULL)
            return NULL;
    }
    ASSERT_SLOW(u->free == c->all_free);
    u->state = UNIT_BUSY;
    bufpool_region_of(u)->n_busy++;
    c->n_busy++;
    c->n_peaks[0] = c->n_busy > c->n_peaks[0] ? c->n_busy : c->n_peaks[0];
    return u;
}

/* ---- large buffers ---- */

/* len rounded up to a quarter of the power of two below it: near misses share a length, and little is wasted. */
static uint32_t
bufpool_big_cap(uint32_t len)
{
    uint32_t step = BIT(31 - (uint32_t)__builtin_clz(len - 1)) / 4;
    return (uint32_t)round_up_u64(len, step);
}

static void *
bufpool_take_big(struct bufpool *bp, uint32_t len, uint32_t *ret_cap)
{
    if (len > BUFPOOL_MAX_LEN)
        return NULL;
    uint32_t cap = bufpool_big_cap(len);
    void *buf = NULL;
    for (uint32_t i = bp->n_bigs; i-- > 0;) {
        if (bp->bigs[i].cap != cap || bp->bigs[i].left != cap)
            continue;
        buf = bp->bigs[i].buf;
        bp->n_bigs--;
        memmove(bp->bigs + i, bp->bigs + i + 1, (bp->n_bigs - i) * sizeof bp->bigs[0]);
        bp->big_idle_bytes -= cap;
        break;
    }
    if (buf == NULL) {
        if (!bufpool_make_room(bp, cap) || (buf = bufpool_map(bp, cap, 0)) == NULL)
            return NULL;
        bp->backed_bytes += cap;
    }
    poison_clear(buf, cap);
    bp->big_busy_bytes += cap;
    bp->big_peaks[0] = max_u64(bp->big_peaks[0], bp->big_busy_bytes);
    *ret_cap = cap;
    return buf;
}

static void
bufpool_give_big(struct bufpool *bp, void *buf, uint32_t cap)
{
    ASSERT(cap == bufpool_big_cap(cap) && bp->big_busy_bytes >= cap);
    while (bp->n_bigs == BUFPOOL_BIG_KEPT_MAX)
        (void)bufpool_release_big(bp); /* until one is gone, however many pieces that takes */
    bp->bigs[bp->n_bigs++] = (struct bufpool_big){buf, cap, cap};
    bp->big_busy_bytes -= cap;
    bp->big_idle_bytes += cap;
    poison_set(buf, cap);
}

/* ---- taking and giving back ---- */

static void *
bufpool_take_small(struct bufpool *bp, uint32_t len, uint32_t *ret_cap)
{
    uint32_t cls = len <= BUFPOOL_MIN_LEN ? 0 : 23 - (uint32_t)__builtin_clz(len - 1);
    struct bufpool_class *c = &bp->classes[cls];
    uint32_t cap = (uint32_t)BUFPOOL_MIN_LEN << cls;
    ASSERT(cls < BUFPOOL_CLASSES && cap >= len);

    struct bufpool_unit *u;
    if (!list_empty(&c->partial)) {
        u = bufpool_unit_of(c->partial.next);
    } else {
        u = bufpool_unit_take(bp, c);
        if (u == NULL)
            return NULL;
        if (c->all_free != 1)
            list_push_front(&c->partial, &u->link);
    }
    uint32_t i = (uint32_t)__builtin_ctz(u->free);
    u->free &= (uint8_t)~BIT(i);
    if (u->free == 0 && c->all_free != 1)
        list_remove(&u->link);
    uint8_t *buf = bufpool_unit_bytes(bufpool_region_of(u), u) + (size_t)i * cap;
    poison_clear(buf, cap);
    *ret_cap = cap;
    return buf;
}

void *
bufpool_take(struct bufpool *bp, uint32_t len, uint32_t *ret_cap)
{
    bufpool_check_owner(bp);
    void *buf = len <= BUFPOOL_MAX_CLASS_LEN ? bufpool_take_small(bp, len, ret_cap) : bufpool_take_big(bp, len, ret_cap);
    if (UNLIKELY(buf == NULL)) {
        bp->n_refused++;
        return NULL;
    }
    bp->used_bytes += *ret_cap;
    return buf;
}

static void
bufpool_give_small(struct bufpool *bp, void *buf, uint32_t cap)
{
    struct bufpool_region *r = bufpool_region_of(buf);
    struct bufpool_class *c = &bp->classes[r->cls];
    ASSERT(r->pool == bp && cap == (uint32_t)BUFPOOL_MIN_LEN << r->cls);
    size_t off = (size_t)((uint8_t *)buf - (uint8_t *)r);
    struct bufpool_unit *u = &r->units[off >> r->unit_shift];
    size_t off_in_unit = off & (bufpool_unit_len(c) - 1);
    uint8_t bit = (uint8_t)BIT(off_in_unit / cap);
    ASSERT(u->state == UNIT_BUSY && (u->free & bit) == 0 && off_in_unit % cap == 0); /* else it is given back twice */

    bool was_full = u->free == 0;
    u->free |= bit;
    poison_set(buf, cap);
    if (u->free == c->all_free) {
        if (!was_full)
            list_remove(&u->link);
        u->state = UNIT_IDLE;
        list_push_front(&c->idle, &u->link);
        c->n_busy--;
        r->n_busy--;
    } else if (was_full) {
        list_push_front(&c->partial, &u->link);
    }
}

void
bufpool_give(struct bufpool *bp, void *buf, uint32_t cap)
{
    bufpool_check_owner(bp);
    ASSERT(buf != NULL && bp->used_bytes >= cap);
    if (cap <= BUFPOOL_MAX_CLASS_LEN)
        bufpool_give_small(bp, buf, cap);
    else
        bufpool_give_big(bp, buf, cap);
    bp->used_bytes -= cap;
}

/* ---- trimming ---- */

/* How many idle units the recent peak of class c did not need. */
static uint32_t
bufpool_surplus(const struct bufpool_class *c)
{
    uint32_t peak = c->n_keep_min;
    for (uint32_t k = 0; k <= BUFPOOL_KEEP_INTERVALS; k++)
        peak = c->n_peaks[k] > peak ? c->n_peaks[k] : peak;
    return c->n_backed > peak ? c->n_backed - peak : 0; /* all of them idle: the peak is not below n_busy */
}

static uint64_t
bufpool_big_surplus(const struct bufpool *bp)
{
    uint64_t peak = 0, n = bp->big_busy_bytes + bp->big_idle_bytes;
    for (uint32_t k = 0; k <= BUFPOOL_KEEP_INTERVALS; k++)
        peak = max_u64(peak, bp->big_peaks[k]);
    return n > peak ? n - peak : 0;
}

static void
bufpool_next_interval(struct bufpool *bp)
{
    for (uint32_t cls = 0; cls < BUFPOOL_CLASSES; cls++) {
        struct bufpool_class *c = &bp->classes[cls];
        memmove(c->n_peaks + 1, c->n_peaks, sizeof c->n_peaks - sizeof c->n_peaks[0]);
        c->n_peaks[0] = c->n_busy;
    }
    memmove(bp->big_peaks + 1, bp->big_peaks, sizeof bp->big_peaks - sizeof bp->big_peaks[0]);
    bp->big_peaks[0] = bp->big_busy_bytes;
}

/* Close the intervals that have passed. True: there is something to look for. */
static bool
bufpool_tick(struct bufpool *bp, int64_t now_ns)
{
    if (LIKELY(now_ns - bp->interval_ns < BUFPOOL_INTERVAL_NS && bp->interval_ns >= 0))
        return bp->work;
    int64_t n = bp->interval_ns < 0 ? 1 : (now_ns - bp->interval_ns) / BUFPOOL_INTERVAL_NS;
    for (int64_t k = 0; k < min_i64(n, BUFPOOL_KEEP_INTERVALS + 1); k++)
        bufpool_next_interval(bp);
    bp->interval_ns = now_ns;
    return true;
}

uint64_t
bufpool_trim(struct bufpool *bp, int64_t now_ns)
{
    bufpool_check_owner(bp);
    if (!bufpool_tick(bp, now_ns))
        return 0;
    uint64_t sum = 0, n_sys_max = bp->n_sys + BUFPOOL_TRIM_CALLS;
    /* One that has begun to go is of no use to anybody: it goes in any case. */
    while (bp->n_bigs > 0 && (bp->bigs[0].left < bp->bigs[0].cap || bufpool_big_surplus(bp) >= bp->bigs[0].cap) && sum < BUFPOOL_TRIM_LEN)
        sum += bufpool_release_big(bp);
    for (uint32_t cls = 0; cls < BUFPOOL_CLASSES; cls++) {
        struct bufpool_class *c = &bp->classes[cls];
        uint32_t n = bufpool_surplus(c);
        while (n > 0 && sum < BUFPOOL_TRIM_LEN && bp->n_sys < n_sys_max) {
            sum += bufpool_release_idle(bp, c, n);
            n = bufpool_surplus(c);
        }
    }
    bp->work = sum >= BUFPOOL_TRIM_LEN || bp->n_sys >= n_sys_max;
    return sum;
}

bool
bufpool_settled(const struct bufpool *bp)
{
    for (uint32_t cls = 0; cls < BUFPOOL_CLASSES; cls++) {
        const struct bufpool_class *c = &bp->classes[cls];
        if (bufpool_n_idle(c) > 0 && c->n_backed > c->n_keep_min)
            return false;
    }
    return bp->n_bigs == 0;
}

/* ---- looking at it ---- */

void
bufpool_stats(const struct bufpool *bp, struct bufpool_stats *ret)
{
    ret->used_bytes = bp->used_bytes;
    ret->cached_bytes = bp->backed_bytes - bp->used_bytes;
    ret->mapped_bytes = bp->mapped_bytes;
    ret->n_sys = bp->n_sys;
    ret->n_refused = bp->n_refused;
}

/* Returns the bytes taken of region r. */
static uint64_t
bufpool_check_region(const struct bufpool *bp, const struct bufpool_region *r)
{
    const struct bufpool_class *c = &bp->classes[r->cls];
    uint32_t n[4] = {0}, n_taken = 0;
    ASSERT(r->pool == bp && r->i_first <= r->i_fresh && r->i_fresh <= r->n_units);
    ASSERT((c->fresh == r) == (r->i_fresh < r->n_units));
    for (uint32_t i = r->i_first; i < r->i_fresh; i++) {
        const struct bufpool_unit *u = &r->units[i];
        n[u->state]++;
        if (u->state == UNIT_BUSY)
            n_taken += (uint32_t)__builtin_popcount(c->all_free & ~u->free);
        ASSERT((u->state == UNIT_BUSY) == (u->free != c->all_free));
    }
    ASSERT(n[UNIT_BUSY] == r->n_busy && n[UNIT_IDLE] == bufpool_region_n_idle(r) && n[UNIT_COLD] == r->n_cold);
    return (uint64_t)n_taken * ((uint64_t)BUFPOOL_MIN_LEN << r->cls);
}

void
bufpool_check(const struct bufpool *bp)
{
    uint64_t taken = bp->big_busy_bytes, backed = bp->big_busy_bytes + bp->big_idle_bytes;
    uint64_t big_idle = 0, mapped = backed;
    uint32_t n_busy[BUFPOOL_CLASSES] = {0}, n_idle[BUFPOOL_CLASSES] = {0}, n_regions[BUFPOOL_CLASSES] = {0};
    for (const struct list *l = bp->regions.next; l != &bp->regions; l = l->next) {
        const struct bufpool_region *r = CONTAINER_OF(l, const struct bufpool_region, link);
        taken += bufpool_check_region(bp, r);
        mapped += BUFPOOL_REGION_LEN;
        n_busy[r->cls] += r->n_busy;
        n_idle[r->cls] += bufpool_region_n_idle(r);
        n_regions[r->cls]++;
    }
    for (uint32_t cls = 0; cls < BUFPOOL_CLASSES; cls++) {
        const struct bufpool_class *c = &bp->classes[cls];
        ASSERT(n_busy[cls] == c->n_busy && n_idle[cls] == bufpool_n_idle(c) && n_regions[cls] == c->n_regions);
        ASSERT(c->n_peaks[0] >= c->n_busy);
        backed += c->n_backed * bufpool_unit_len(c);
    }
    for (uint32_t i = 0; i < bp->n_bigs; i++)
        big_idle += bp->bigs[i].left;
    ASSERT(big_idle == bp->big_idle_bytes);
    ASSERT(taken == bp->used_bytes && backed == bp->backed_bytes && mapped == bp->mapped_bytes);
    ASSERT(bp->backed_bytes <= bp->limit_bytes);
}
