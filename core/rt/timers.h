/* timers.h - deadlines of one shard.
 *
 * A hierarchical timing wheel of 1 ms ticks (Varghese and Lauck, 1987). Arming, moving and disarming are O(1);
 * a timer fires in the first turn at or after the tick that its deadline is rounded up to, never before its deadline.
 * Firing is in bounded batches, and so is moving timers down from coarser levels: however many deadlines fall together,
 * a turn stays short, and the rest comes in the next ones.
 *
 * Shape    4 levels of 256 slots: 1 ms .. 49 days; later deadlines wait in the last slot and are put back.
 *
 *              level 0   256 slots of 1 ms       fires
 *              level 1   256 slots of 256 ms     when its time begins, a slot is emptied into the levels below
 *              level 2   256 slots of 65 s
 *              level 3   256 slots of 4.7 h
 *
 *          and lists of what has left the slots: out[1] .. out[3] must still move down from that level, then out[0]
 *          fires, then `over`. What is armed for a time that has passed waits in `late`, which becomes `over` when the
 *          next round begins: first `over` fires, then the slots up to the time at which the round began. So
 *          timers that arm themselves again for the past neither hold a turn nor keep the others waiting.
 * Threads  the owning shard.
 * Memory   timers are embedded in their owners; the wheel itself allocates nothing.
 */
#ifndef MIDGE_RT_TIMERS_H
#define MIDGE_RT_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct timer;
typedef void timer_fn(struct timer *t, int64_t now_ns);

/* Embedded in its owner (CONTAINER_OF gets back to it). Zeroed memory is a disarmed timer; set fn before arming. */
struct timer {
    struct timer *next, **pprev; /* pprev NULL: disarmed */
    int64_t deadline_ns;
    timer_fn *fn;
};

enum {
    TIMERS_LEVELS = 4,
    TIMERS_SLOTS = 256,
    TIMERS_TICK_NS = 1000000,
    TIMERS_MOVES_MAX = 1024 /* timers that one timers_fire moves down a level */
};

struct timers {
    struct timer *slots[TIMERS_LEVELS][TIMERS_SLOTS];
    uint64_t used[TIMERS_LEVELS][TIMERS_SLOTS / 64]; /* bit set: slot not empty */
    struct timer *out[TIMERS_LEVELS], *over, *late;
    int64_t tick;       /* the slots up to this one have been emptied into the lists above */
    int64_t tick_round; /* the round ends when it is reached */
    uint32_t n_armed;
};

/* now_ns: not negative, as all times here. */
void timers_init(struct timers *ts, int64_t now_ns);
/* Arm, or move if armed. A deadline in the past fires at the next timers_fire. */
void timer_arm(struct timers *ts, struct timer *t, int64_t deadline_ns);
void timer_disarm(struct timers *ts, struct timer *t); /* disarmed: nothing */
static inline bool
timer_armed(const struct timer *t)
{
    return t->pprev != 0;
}
/* Call fn of what is due, at most max of them, in order of their ticks; a timer is disarmed before its fn runs, which may
 * arm or disarm any timer, and release this one. Returns how many fired. There is more to do at once if timers_next
 * has passed already. */
uint32_t timers_fire(struct timers *ts, int64_t now_ns, uint32_t max);
/* When timers_fire is worth calling next: never later than the first timer fires, and sooner at most by the
 * width of its slot (it must move down then). INT64_MAX: never. */
int64_t timers_next(const struct timers *ts);
/* Assert the invariants (slow). */
void timers_check(const struct timers *ts);

#endif
