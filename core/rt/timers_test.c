/* Tests of timers.h. Time is a number the tests make up. */
#include "core/rt/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/util.h"

enum { DAYS_60_MS = 60 * 24 * 3600 * INT64_C(1000) };

struct test_timer {
    struct timer timer;
    struct timers *ts;
    int64_t fired_ns; /* -1: not yet */
    uint32_t n_fired;
    int64_t again_ns; /* arm again so far ahead of the deadline; 0: no */
};

static void
test_on_timer(struct timer *t, int64_t now_ns)
{
    struct test_timer *tt = CONTAINER_OF(t, struct test_timer, timer);
    assert_false(timer_armed(t));
    tt->fired_ns = now_ns;
    tt->n_fired++;
    if (tt->again_ns != 0)
        timer_arm(tt->ts, t, t->deadline_ns + tt->again_ns);
}

static void
test_timer_init(struct test_timer *tt, struct timers *ts)
{
    memset(tt, 0, sizeof *tt);
    tt->timer.fn = test_on_timer;
    tt->ts = ts;
    tt->fired_ns = -1;
}

/* One timer at all sorts of distances, the clock driven by timers_next alone: it fires once, not before its deadline and less
 * than a tick after it, and each time timers_next told has something to do. */
static void
a_timer_fires_in_the_tick_of_its_deadline(void **state)
{
    (void)state;
    const int64_t ms[] = {0, 1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537, 100000, 16777215, 16777216, 16777217, INT64_C(4294967295),
                          INT64_C(4294967296), INT64_C(4294967297), DAYS_60_MS, 300 * DAYS_60_MS};
    const int64_t starts[] = {0, 1, 999999, 1000000, 255 * NS_PER_MS, 256 * NS_PER_MS, 65535 * NS_PER_MS + 3, INT64_C(1790000000123456789)};
    for (uint32_t s = 0; s < N_ELEMS(starts); s++) {
        for (uint32_t k = 0; k < 3 * N_ELEMS(ms); k++) {
            static struct timers ts;
            struct test_timer tt;
            int64_t now = starts[s], deadline = now + ms[k / 3] * NS_PER_MS + (int64_t)(k % 3) - 1;
            timers_init(&ts, now);
            test_timer_init(&tt, &ts);
            timer_arm(&ts, &tt.timer, deadline);
            timers_check(&ts);
            uint32_t n_steps = 0;
            while (tt.n_fired == 0) {
                int64_t next = timers_next(&ts);
                assert_true(next < deadline + TIMERS_TICK_NS || next <= now);
                now = next > now ? next : now;
                (void)timers_fire(&ts, now, 10);
                timers_check(&ts);
                n_steps++;
                assert_true(n_steps <= 4 + (uint32_t)(ms[k / 3] / INT64_C(4278190080))); /* one for each level and each round of the wheel */
            }
            assert_true(tt.fired_ns >= deadline);
            assert_true(tt.fired_ns < deadline + TIMERS_TICK_NS || tt.fired_ns == starts[s]);
            assert_int_equal(ts.n_armed, 0);
            assert_true(timers_next(&ts) == INT64_MAX);
        }
    }
}

/* The end of time can be armed; it does not fire, and does not wake anybody before the wheel has gone round. */
static void
a_deadline_of_never_stays(void **state)
{
    (void)state;
    static struct timers ts;
    struct test_timer tt;
    timers_init(&ts, NS_PER_S);
    test_timer_init(&tt, &ts);
    timer_arm(&ts, &tt.timer, INT64_MAX);
    int64_t now = timers_next(&ts);
    assert_true(now > 40 * INT64_C(24) * 3600 * NS_PER_S);
    for (uint32_t k = 0; k < 100; k++) {
        assert_int_equal(timers_fire(&ts, now, 10), 0);
        assert_true(timers_next(&ts) > now);
        now = timers_next(&ts);
    }
    timers_check(&ts);
    assert_true(timer_armed(&tt.timer));
    timer_disarm(&ts, &tt.timer);
    assert_true(timers_next(&ts) == INT64_MAX);
}

/* Many timers armed, moved, disarmed and fired at random, with jumps of the clock from nothing to days, against
 * an array of deadlines. Whatever is due fires in this very call (the batch is large enough), nothing else does, and
 * timers_next is never later than the earliest. */
static void
random_use_agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum { N = 200, STEPS = 60000 };
    for (uint64_t seed = 1; seed <= 4; seed++) {
        static struct timers ts;
        static struct test_timer tts[N];
        static int64_t deadlines[N]; /* -1: disarmed */
        struct rng rng;
        rng_init(&rng, seed);
        int64_t now = (int64_t)rng_below(&rng, UINT64_C(1) << (20 * seed % 61));
        timers_init(&ts, now);
        for (uint32_t i = 0; i < N; i++) {
            test_timer_init(&tts[i], &ts);
            deadlines[i] = -1;
        }
        for (uint32_t step = 0; step < STEPS; step++) {
            uint32_t i = (uint32_t)rng_below(&rng, N), what = (uint32_t)rng_below(&rng, 10);
            if (what < 6) {
                deadlines[i] = now + (int64_t)rng_below(&rng, UINT64_C(1) << rng_below(&rng, 54)) - (int64_t)rng_below(&rng, 3 * NS_PER_MS);
                deadlines[i] = deadlines[i] < 0 ? 0 : deadlines[i];
                timer_arm(&ts, &tts[i].timer, deadlines[i]);
            } else if (what < 8) {
                timer_disarm(&ts, &tts[i].timer);
                deadlines[i] = -1;
            } else {
                now += (int64_t)rng_below(&rng, UINT64_C(1) << rng_below(&rng, 50));
                int64_t next = timers_next(&ts);
                uint32_t n_due = 0;
                for (uint32_t k = 0; k < N; k++) {
                    tts[k].fired_ns = -1;
                    int64_t tick = (deadlines[k] + TIMERS_TICK_NS - 1) / TIMERS_TICK_NS;
                    if (deadlines[k] >= 0) {
                        assert_true(next <= tick * TIMERS_TICK_NS || next <= now);
                        n_due += tick <= now / TIMERS_TICK_NS;
                    }
                }
                assert_int_equal(timers_fire(&ts, now, N + 1), n_due);
                for (uint32_t k = 0; k < N; k++) {
                    bool due = deadlines[k] >= 0 && (deadlines[k] + TIMERS_TICK_NS - 1) / TIMERS_TICK_NS <= now / TIMERS_TICK_NS;
                    assert_int_equal(tts[k].fired_ns, due ? now : -1);
                    if (due)
                        deadlines[k] = -1;
                }
            }
            for (uint32_t k = i; k < i + 3; k++)
                assert_int_equal(timer_armed(&tts[k % N].timer), deadlines[k % N] >= 0);
            if (step % 97 == 0)
                timers_check(&ts);
        }
    }
}

static struct test_order {
    int64_t tick_last;
    uint32_t n;
} test_order;

static void
test_on_ordered(struct timer *t, int64_t now_ns)
{
    (void)now_ns;
    int64_t tick = (t->deadline_ns + TIMERS_TICK_NS - 1) / TIMERS_TICK_NS;
    assert_true(tick >= test_order.tick_last);
    test_order.tick_last = tick;
    test_order.n++;
}

/* After a long stop of the clock thousands are due at once: they come in batches of the asked size, in the order of their ticks,
 * and timers_next says that more is to be done until nothing is. */
static void
batches_are_bounded_and_in_order(void **state)
{
    (void)state;
    enum { N = 20000, MAX = 37 };
    static struct timers ts;
    static struct timer timers[N];
    struct rng rng;
    rng_init(&rng, 5);
    memset(timers, 0, sizeof timers);
    test_order = (struct test_order){0};
    timers_init(&ts, 12345);
    for (uint32_t i = 0; i < N; i++) {
        timers[i].fn = test_on_ordered;
        timer_arm(&ts, &timers[i], 20000 + (int64_t)rng_below(&rng, 200 * NS_PER_S));
    }
    int64_t now = 100 * NS_PER_S;
    uint32_t n_calls = 0, n_due = 0;
    for (uint32_t i = 0; i < N; i++)
        n_due += timers[i].deadline_ns <= now;
    while (timers_next(&ts) <= now) {
        assert_true(timers_fire(&ts, now, MAX) <= MAX);
        assert_true(++n_calls < N);
    }
    assert_int_equal(test_order.n, n_due);
    assert_true(n_calls <= n_due / MAX + 3 * N / TIMERS_MOVES_MAX + 2);
    timers_check(&ts);
}

/* 100,000 timers in one coarse slot: the call at its start moves a bounded number of them, and each still fires on time. */
static void
moving_down_is_bounded(void **state)
{
    (void)state;
    enum { N = 100000 };
    static struct timers ts;
    struct timer *timers = calloc(N, sizeof *timers);
    assert_non_null(timers);
    test_order = (struct test_order){0};
    timers_init(&ts, 0);
    for (uint32_t i = 0; i < N; i++) {
        timers[i].fn = test_on_ordered;
        timer_arm(&ts, &timers[i], (65536 + 600) * NS_PER_MS + i);
    }
    int64_t now = 0;
    uint32_t n_calls = 0;
    while (ts.n_armed > 0) {
        int64_t next = timers_next(&ts);
        now = next > now ? next : now;
        uint32_t n_fired = timers_fire(&ts, now, 500);
        assert_true(n_fired == 0 || now == (65536 + 601) * NS_PER_MS || now == (65536 + 600) * NS_PER_MS);
        n_calls++;
    }
    assert_true(n_calls >= 2 * (N / TIMERS_MOVES_MAX) + N / 500);
    assert_true(n_calls <= 2 * (N / TIMERS_MOVES_MAX + 1) + N / 500 + 4);
    free(timers);
}

/* A periodic timer that arms itself again catches up in one call where its times lie ahead of the last tick; one
 * that arms itself for the past fires once a call. */
static void
a_timer_may_arm_itself(void **state)
{
    (void)state;
    static struct timers ts;
    struct test_timer periodic, stuck;
    timers_init(&ts, 0);
    test_timer_init(&periodic, &ts);
    test_timer_init(&stuck, &ts);
    periodic.again_ns = 10 * NS_PER_MS;
    stuck.again_ns = -1;
    timer_arm(&ts, &periodic.timer, 10 * NS_PER_MS);
    timer_arm(&ts, &stuck.timer, 5 * NS_PER_MS);
    assert_int_equal(timers_fire(&ts, NS_PER_S, 1000), 101);
    assert_int_equal(periodic.n_fired, 100);
    assert_int_equal(stuck.n_fired, 1);
    assert_true(timers_next(&ts) <= NS_PER_S);
    assert_int_equal(timers_fire(&ts, NS_PER_S, 1000), 1);
    assert_int_equal(stuck.n_fired, 2);
    timers_check(&ts);
}

/* With a batch of one, a timer stuck in the past does not keep the others from firing. */
static void
nobody_starves_behind_a_stuck_timer(void **state)
{
    (void)state;
    static struct timers ts;
    struct test_timer stuck, others[3];
    timers_init(&ts, 0);
    test_timer_init(&stuck, &ts);
    stuck.again_ns = -1;
    timer_arm(&ts, &stuck.timer, NS_PER_MS);
    for (uint32_t i = 0; i < 3; i++) {
        test_timer_init(&others[i], &ts);
        timer_arm(&ts, &others[i].timer, (2 + i) * NS_PER_MS);
    }
    for (uint32_t k = 0; k < 8; k++)
        (void)timers_fire(&ts, 10 * NS_PER_MS, 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(others[i].n_fired, 1);
}

static struct test_pair {
    struct timers ts;
    struct timer *timers[2]; /* each on the heap; firing one releases both */
    uint32_t n_fired;
} test_pair;

static void
test_on_pair(struct timer *t, int64_t now_ns)
{
    (void)t;
    (void)now_ns;
    test_pair.n_fired++;
    for (uint32_t i = 0; i < 2; i++) {
        timer_disarm(&test_pair.ts, test_pair.timers[i]);
        free(test_pair.timers[i]);
    }
}

/* A timer's fn may disarm and release others that are due in the same batch, and its own. */
static void
a_fn_may_release_timers_that_are_due(void **state)
{
    (void)state;
    for (uint32_t same = 0; same < 2; same++) {
        test_pair.n_fired = 0;
        timers_init(&test_pair.ts, 0);
        for (uint32_t i = 0; i < 2; i++) {
            test_pair.timers[i] = calloc(1, sizeof(struct timer));
            assert_non_null(test_pair.timers[i]);
            test_pair.timers[i]->fn = test_on_pair;
            timer_arm(&test_pair.ts, test_pair.timers[i], (int64_t)(1 + same * i) * NS_PER_MS);
        }
        assert_int_equal(timers_fire(&test_pair.ts, NS_PER_S, 100), 1);
        assert_int_equal(test_pair.n_fired, 1);
        assert_int_equal(test_pair.ts.n_armed, 0);
        timers_check(&test_pair.ts);
    }
}

/* Disarming what is not armed is nothing; a timer moved many times fires once, at its last deadline. */
static void
moving_leaves_one_deadline(void **state)
{
    (void)state;
    static struct timers ts;
    struct test_timer tt;
    timers_init(&ts, 0);
    test_timer_init(&tt, &ts);
    timer_disarm(&ts, &tt.timer);
    for (int64_t ms = 100000; ms > 3; ms = ms * 2 / 3) {
        timer_arm(&ts, &tt.timer, ms * NS_PER_MS);
        timer_arm(&ts, &tt.timer, (ms + 70) * NS_PER_MS);
        assert_int_equal(ts.n_armed, 1);
        timers_check(&ts);
    }
    timer_arm(&ts, &tt.timer, 50 * NS_PER_MS);
    assert_int_equal(timers_fire(&ts, 50 * NS_PER_MS - 1, 10), 0);
    assert_int_equal(timers_fire(&ts, 50 * NS_PER_MS, 10), 1);
    assert_int_equal(timers_fire(&ts, NS_PER_S, 10), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_in_the_tick_of_its_deadline),
        cmocka_unit_test(a_deadline_of_never_stays),
        cmocka_unit_test(random_use_agrees_with_a_plain_array),
        cmocka_unit_test(batches_are_bounded_and_in_order),
        cmocka_unit_test(moving_down_is_bounded),
        cmocka_unit_test(a_timer_may_arm_itself),
        cmocka_unit_test(nobody_starves_behind_a_stuck_timer),
        cmocka_unit_test(a_fn_may_release_timers_that_are_due),
        cmocka_unit_test(moving_leaves_one_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
