#include "core/rt/timers.h"

#include <stddef.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"

enum { TIMERS_SLOT_BITS = 8, TIMERS_WORD_BITS = 64, TIMERS_WORDS = TIMERS_SLOTS / TIMERS_WORD_BITS };

#define TIMERS_AHEAD_MAX ((INT64_C(1) << (TIMERS_LEVELS * TIMERS_SLOT_BITS)) - 1) /* ticks */

_Static_assert(1 << TIMERS_SLOT_BITS == TIMERS_SLOTS, "a slot number has this many bits");

/* The tick at which a deadline has passed for sure. */
static int64_t
timers_tick_of(int64_t deadline_ns)
{
    if (deadline_ns <= 0)
        return 0;
    return deadline_ns / TIMERS_TICK_NS + (deadline_ns % TIMERS_TICK_NS != 0);
}

void
timers_init(struct timers *ts, int64_t now_ns)
{
    ASSERT(now_ns >= 0);
    memset(ts, 0, sizeof *ts);
    ts->tick = ts->tick_round = now_ns / TIMERS_TICK_NS;
}

static void
timers_push(struct timer **list, struct timer *t)
{
    t->next = *list;
    t->pprev = list;
    if (t->next != NULL)
        t->next->pprev = &t->next;
    *list = t;
}

/* Move all of one list to another, which is empty. */
static void
timers_move_list(struct timer **to, struct timer **from)
{
    ASSERT(*to == NULL);
    *to = *from;
    *from = NULL;
    if (*to != NULL)
        (*to)->pprev = to;
}

/* Put t where its deadline belongs as seen from the current tick; `passed` takes it if that has come already. */
static void
timers_place(struct timers *ts, struct timer *t, struct timer **passed)
{
    int64_t ahead = timers_tick_of(t->deadline_ns) - ts->tick;
    if (ahead <= 0) {
        timers_push(passed, t);
        return;
    }
    if (ahead > TIMERS_AHEAD_MAX)
        ahead = TIMERS_AHEAD_MAX; /* it is put back from there until its time is near */
    uint32_t level = (63 - (uint32_t)__builtin_clzll((uint64_t)ahead)) / TIMERS_SLOT_BITS;
    uint32_t slot = (uint32_t)((ts->tick + ahead) >> (level * TIMERS_SLOT_BITS)) & (TIMERS_SLOTS - 1);
    timers_push(&ts->slots[level][slot], t);
    ts->used[level][slot / TIMERS_WORD_BITS] |= BIT64(slot % TIMERS_WORD_BITS);
}

/* Take t off its list; a slot that is empty then is noted as such. */
static void
timers_unlink(struct timers *ts, struct timer *t)
{
    *t->pprev = t->next;
    if (t->next != NULL) {
        t->next->pprev = t->pprev;
    } else {
        /* The last on its list: if the list is a slot, the slot may be empty now. As numbers: pprev may point into another timer. */
        uintptr_t at = (uintptr_t)t->pprev, slots = (uintptr_t)&ts->slots[0][0];
        if (at >= slots && at < slots + sizeof ts->slots) {
            uint32_t i = (uint32_t)((at - slots) / sizeof ts->slots[0][0]);
            ts->used[i / TIMERS_SLOTS][i % TIMERS_SLOTS / TIMERS_WORD_BITS] &= ~BIT64(i % TIMERS_WORD_BITS);
        }
    }
    t->next = NULL;
    t->pprev = NULL;
}

void
timer_arm(struct timers *ts, struct timer *t, int64_t deadline_ns)
{
    ASSERT(t->fn != NULL);
    if (timer_armed(t))
        timers_unlink(ts, t);
    else
        ts->n_armed++;
    t->deadline_ns = deadline_ns;
    timers_place(ts, t, &ts->late);
}

void
timer_disarm(struct timers *ts, struct timer *t)
{
    if (!timer_armed(t))
        return;
    timers_unlink(ts, t);
    ASSERT(ts->n_armed > 0);
    ts->n_armed--;
}

/* How many slots after `slot` the next used one stands, 1 .. 256 (itself, a whole turn later); 0: none is used. */
static uint32_t
timers_next_used(const uint64_t used[TIMERS_WORDS], uint32_t slot)
{
    uint32_t from = (slot + 1) % TIMERS_SLOTS, ahead = 1;
    while (ahead <= TIMERS_SLOTS) {
        uint64_t bits = used[from / TIMERS_WORD_BITS] >> (from % TIMERS_WORD_BITS);
        if (bits != 0) {
            ahead += (uint32_t)__builtin_ctzll(bits);
            return ahead <= TIMERS_SLOTS ? ahead : 0; /* beyond: it was seen at the start, and is not used */
        }
        uint32_t step = TIMERS_WORD_BITS - from % TIMERS_WORD_BITS;
        ahead += step;
        from = (from + step) % TIMERS_SLOTS;
    }
    return 0;
}

/* The next tick at which a slot fires or moves down. INT64_MAX: none. */
static int64_t
timers_next_tick(const struct timers *ts)
{
    int64_t next = INT64_MAX;
    for (uint32_t level = 0; level < TIMERS_LEVELS; level++) {
        uint32_t shift = level * TIMERS_SLOT_BITS;
        int64_t here = ts->tick >> shift;
        uint32_t ahead = timers_next_used(ts->used[level], (uint32_t)here & (TIMERS_SLOTS - 1));
        if (ahead != 0)
            next = min_i64(next, (here + ahead) << shift);
    }
    return next;
}

/* Something has left the slots and has not fired. */
static bool
timers_pending(const struct timers *ts)
{
    bool pending = ts->over != NULL;
    for (uint32_t level = 0; level < TIMERS_LEVELS; level++)
        pending |= ts->out[level] != NULL;
    return pending;
}

int64_t
timers_next(const struct timers *ts)
{
    if (timers_pending(ts) || ts->late != NULL)
        return ts->tick * TIMERS_TICK_NS;
    int64_t tick = timers_next_tick(ts);
    return tick > INT64_MAX / TIMERS_TICK_NS ? INT64_MAX : tick * TIMERS_TICK_NS;
}

/* Go to the next tick at which a slot's time begins, and empty the slots of that tick. False: none is before now. */
static bool
timers_advance(struct timers *ts, int64_t now_tick)
{
    int64_t next = timers_next_tick(ts);
    if (next > now_tick) {
        ts->tick = now_tick > ts->tick ? now_tick : ts->tick;
        return false;
    }
    ts->tick = next;
    for (uint32_t level = 0; level < TIMERS_LEVELS; level++) {
        uint32_t shift = level * TIMERS_SLOT_BITS;
        if ((next & ((INT64_C(1) << shift) - 1)) != 0)
            break; /* in the midst of this level's slot */
        uint32_t slot = (uint32_t)(next >> shift) & (TIMERS_SLOTS - 1);
        timers_move_list(&ts->out[level], &ts->slots[level][slot]);
        ts->used[level][slot / TIMERS_WORD_BITS] &= ~BIT64(slot % TIMERS_WORD_BITS);
    }
    return true;
}

/* What left a coarse slot goes where it belongs as seen from now, at most max timers. Returns how many moves are left; 0:
 * there may be more. */
static uint32_t
timers_cascade(struct timers *ts, uint32_t max)
{
    for (uint32_t level = 1; level < TIMERS_LEVELS; level++) {
        while (ts->out[level] != NULL && max > 0) {
            struct timer *t = ts->out[level];
            timers_unlink(ts, t);
            timers_place(ts, t, &ts->out[0]);
            max--;
        }
    }
    return max;
}

static void
timers_fire_one(struct timers *ts, int64_t now_ns)
{
    struct timer *t = ts->out[0];
    ASSERT(t->deadline_ns <= now_ns); /* never early, and the clock never goes back */
    timers_unlink(ts, t);
    ts->n_armed--;
    t->fn(t, now_ns); /* t may be gone now */
}

uint32_t
timers_fire(struct timers *ts, int64_t now_ns, uint32_t max)
{
    ASSERT(now_ns >= 0);
    int64_t now_tick = now_ns / TIMERS_TICK_NS;
    uint32_t n_fired = 0, n_moves = TIMERS_MOVES_MAX;
    if (!timers_pending(ts) && ts->tick >= ts->tick_round) {
        timers_move_list(&ts->over, &ts->late);
        ts->tick_round = now_tick;
    }
    while (n_fired < max) {
        n_moves = timers_cascade(ts, n_moves);
        if (n_moves == 0)
            break; /* nothing fires while something of the same tick may have to move */
        if (ts->out[0] != NULL) {
            timers_fire_one(ts, now_ns);
            n_fired++;
        } else if (ts->over != NULL) {
            timers_move_list(&ts->out[0], &ts->over);
        } else if (!timers_advance(ts, now_tick)) {
            break;
        }
    }
    return n_fired;
}

static uint32_t
timers_check_list(const struct timers *ts, struct timer *const *list, int64_t tick_min, int64_t tick_max)
{
    uint32_t n = 0;
    for (struct timer *const *at = list; *at != NULL; at = &(*at)->next, n++) {
        ASSERT((*at)->pprev == at && (*at)->fn != NULL && n < ts->n_armed);
        int64_t tick = timers_tick_of((*at)->deadline_ns);
        ASSERT(tick >= tick_min && tick <= tick_max);
    }
    return n;
}

void
timers_check(const struct timers *ts)
{
    uint32_t n = timers_check_list(ts, &ts->over, 0, ts->tick) + timers_check_list(ts, &ts->late, 0, ts->tick);
    for (uint32_t level = 0; level < TIMERS_LEVELS; level++) {
        uint32_t shift = level * TIMERS_SLOT_BITS;
        n += timers_check_list(ts, &ts->out[level], 0, level == 0 ? ts->tick : INT64_MAX);
        for (uint32_t slot = 0; slot < TIMERS_SLOTS; slot++) {
            /* The slot's next time: 1 to 256 slots from the current one. */
            int64_t here = ts->tick >> shift;
            int64_t ahead = ((int64_t)slot - here - 1) & (TIMERS_SLOTS - 1);
            int64_t first = (here + 1 + ahead) << shift, last = first + (INT64_C(1) << shift) - 1;
            uint32_t n_here = timers_check_list(ts, &ts->slots[level][slot], first, level == TIMERS_LEVELS - 1 ? INT64_MAX : last);
            ASSERT((n_here != 0) == (((ts->used[level][slot / TIMERS_WORD_BITS] >> (slot % TIMERS_WORD_BITS)) & 1) != 0));
            n += n_here;
        }
    }
    ASSERT(n == ts->n_armed);
}
