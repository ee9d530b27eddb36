/* timers.h - deadlines of one shard.
 *
 * A hierarchical timing wheel of 1 ms ticks (Varghese and Lauck, 1987). Arming, moving and disarming are O(1);
 * a timer fires at the first turn at or after its deadline, never before it. Firing is in bounded batches.
 *
 * Shape    4 levels of 256 slots: 1 ms .. 49 days; later deadlines wait in the last slot and are put back.
 * Threads  the owning shard.
 * Memory   timers are embedded in their owners; the wheel itself allocates nothing after init.
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

enum { TIMERS_LEVELS = 4, TIMERS_SLOTS = 256 };

struct timers {
    struct timer *slots[TIMERS_LEVELS][TIMERS_SLOTS];
    uint64_t used[TIMERS_LEVELS][TIMERS_SLOTS / 64]; /* bit set: slot not empty */
    int64_t tick;                                    /* last tick whose timers have fired */
    uint32_t n_armed;
};

void timers_init(struct timers *ts, int64_t now_ns);
/* Arm, or move if armed. A deadline in the past fires at the next timers_fire. */
void timer_arm(struct timers *ts, struct timer *t, int64_t deadline_ns);
void timer_disarm(struct timers *ts, struct timer *t); /* disarmed: nothing */
static inline bool
timer_armed(const struct timer *t)
{
    return t->pprev != 0;
}
/* Call fn of what is due, at most max of them, in order of their ticks; a timer is disarmed before its fn runs, which may arm it again.
 * Returns how many fired (max: there may be more, call again). */
uint32_t timers_fire(struct timers *ts, int64_t now_ns, uint32_t max);
/* When timers_fire is worth calling next: a deadline at or before the earliest timer's; INT64_MAX: never. */
int64_t timers_next(const struct timers *ts);

#endif
