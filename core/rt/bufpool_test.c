/* Tests of bufpool.h. Time is a number the tests make up. */
#include "core/rt/bufpool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/poison.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

static struct bufpool_stats
test_stats(const struct bufpool *bp)
{
    struct bufpool_stats st;
    bufpool_stats(bp, &st);
    return st;
}

/* Each length gets the smallest class that holds it, aligned, and writable to its last byte. */
static void
a_buffer_holds_what_was_asked_for(void **state)
{
    (void)state;
    struct bufpool *bp = bufpool_new(0);
    const struct {
        uint32_t len, cap;
    } cases[] = {
        {0, 512}, {1, 512}, {512, 512}, {513, 1024}, {1024, 1024}, {4096, 4096}, {4097, 8192}, {65536, 65536}, {65537, 131072},
        {1 << 20, 1 << 20}, {(1 << 20) + 1, 5 << 18}, {5 << 18, 5 << 18}, {2 << 20, 2 << 20}, {(2 << 20) + 1, 5 << 19}, {64 << 20, 64 << 20},
    };
    for (uint32_t k = 0; k < N_ELEMS(cases); k++) {
        uint32_t cap = 0;
        uint8_t *buf = bufpool_take(bp, cases[k].len, &cap);
        assert_non_null(buf);
        assert_int_equal(cap, cases[k].cap);
        assert_int_equal((uintptr_t)buf % (cap < 4096 ? cap : 4096), 0);
        buf[0] = buf[cap - 1] = 1;
        assert_int_equal(test_stats(bp).used_bytes, cap);
        bufpool_check(bp);
        bufpool_give(bp, buf, cap);
    }
    bufpool_check(bp);
    bufpool_free(bp);
}

/* The buffer given back last is taken first: its bytes are the ones in the cache. */
static void
last_given_is_first_taken(void **state)
{
    (void)state;
    const uint32_t lens[] = {4096, 65536, 1 << 20, 3 << 20};
    struct bufpool *bp = bufpool_new(0);
    for (uint32_t k = 0; k < N_ELEMS(lens); k++) {
        void *bufs[4];
        uint32_t cap;
        for (uint32_t i = 0; i < 4; i++)
            bufs[i] = bufpool_take(bp, lens[k], &cap);
        const uint32_t order[] = {2, 0, 3, 1};
        for (uint32_t i = 0; i < 4; i++)
            bufpool_give(bp, bufs[order[i]], cap);
        for (uint32_t i = 4; i-- > 0;)
            assert_ptr_equal(bufpool_take(bp, lens[k], &cap), bufs[order[i]]);
        for (uint32_t i = 0; i < 4; i++)
            bufpool_give(bp, bufs[i], cap);
    }
    bufpool_free(bp);
}

struct test_buf {
    uint8_t *buf;
    uint32_t cap;
    uint8_t mark;
};

static void
test_buf_fill(struct test_buf *b, uint8_t mark)
{
    b->mark = mark;
    memset(b->buf, mark, 64);
    memset(b->buf + b->cap - 64, mark, 64);
    b->buf[b->cap / 2] = mark;
}

static void
test_buf_verify(const struct test_buf *b)
{
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(b->buf[i], b->mark);
        assert_int_equal(b->buf[b->cap - 64 + i], b->mark);
    }
    assert_int_equal(b->buf[b->cap / 2], b->mark);
}

/* Random takes and gives of all lengths, growing and shrinking, with trims between: no two buffers overlap, nothing
 * taken changes, and the books are right all along. */
static void
random_use_keeps_buffers_apart(void **state)
{
    (void)state;
    enum { N = 600, STEPS = 40000 };
    static struct test_buf bufs[N];
    struct rng rng;
    rng_init(&rng, 42);
    struct bufpool *bp = bufpool_new(0);
    int64_t now = 1;
    uint32_t n = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        bool grow = step / 4000 % 2 == 0;
        if (n < N && rng_below(&rng, 100) < (grow ? 65u : 35u)) {
            uint32_t shift = (uint32_t)rng_below(&rng, 100) < 95 ? 6 + (uint32_t)rng_below(&rng, 11) : 17 + (uint32_t)rng_below(&rng, 5);
            struct test_buf *b = &bufs[n++];
            uint32_t len = (uint32_t)rng_below(&rng, BIT(shift)) + 1;
            b->buf = bufpool_take(bp, len, &b->cap);
            assert_non_null(b->buf);
            assert_true(b->cap >= len);
            test_buf_fill(b, (uint8_t)rng_next(&rng));
        } else if (n > 0) {
            uint32_t i = (uint32_t)rng_below(&rng, n);
            test_buf_verify(&bufs[i]);
            bufpool_give(bp, bufs[i].buf, bufs[i].cap);
            bufs[i] = bufs[--n];
        }
        now += (int64_t)rng_below(&rng, 2 * NS_PER_MS);
        if (step % 7 == 0)
            (void)bufpool_trim(bp, now); /* other tests count what it releases */
        if (step % 500 == 0)
            bufpool_check(bp);
    }
    while (n > 0) {
        test_buf_verify(&bufs[--n]);
        bufpool_give(bp, bufs[n].buf, bufs[n].cap);
    }
    bufpool_check(bp);
    bufpool_free(bp);
}

/* A working set that changes within the same bounds, with trims all along, makes no system call after the first round. */
static void
a_steady_state_makes_no_system_call(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct test_buf bufs[N];
    struct bufpool *bp = bufpool_new(0);
    struct rng rng;
    rng_init(&rng, 3);
    int64_t now = 1;
    uint64_t n_sys = 0;
    for (uint32_t round = 0; round < 100; round++) {
        /* A burst of N buffers, then nothing for most of the time for which a peak is remembered. */
        for (uint32_t i = 0; i < N; i++)
            bufs[i].buf = bufpool_take(bp, 500u << (i % 12), &bufs[i].cap);
        bufs[0].buf[0] = 1;
        void *big = NULL;
        uint32_t big_cap;
        big = bufpool_take(bp, 3 << 20, &big_cap);
        bufpool_give(bp, big, big_cap);
        for (uint32_t i = N; i > 1; i--) { /* back in another order each time */
            uint32_t k = (uint32_t)rng_below(&rng, i);
            struct test_buf t = bufs[k];
            bufs[k] = bufs[i - 1];
            bufs[i - 1] = t;
        }
        for (uint32_t i = 0; i < N; i++)
            bufpool_give(bp, bufs[i].buf, bufs[i].cap);
        for (uint32_t k = 0; k < 30; k++) {
            now += (BUFPOOL_KEEP_INTERVALS - 1) * (int64_t)BUFPOOL_INTERVAL_NS / 30;
            assert_int_equal(bufpool_trim(bp, now), 0);
        }
        if (round == 0)
            n_sys = test_stats(bp).n_sys;
        assert_int_equal(test_stats(bp).n_sys, n_sys);
    }
    bufpool_free(bp);
}

static uint64_t
test_rss(void)
{
    unsigned long size, rss;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &rss), 2);
    (void)fclose(f);
    return (uint64_t)rss * 4096;
}

/* The sanitizers' shadow memory counts as resident, too: there only the pool's own books can be held to account. */
#if defined(MIDGE_ASAN) || defined(MIDGE_TSAN)
enum { test_rss_exact = 0 };
#else
enum { test_rss_exact = 1 };
#endif

/* 96 MiB in buffers of one length come, are written and go: the memory leaves the process within two seconds of
 * trimming once a millisecond, in bounded steps, and a survivor here and there does not hold the rest. */
static void
test_burst(uint32_t len, bool survivors)
{
    uint32_t n = (96u << 20) / len, n_kept = 0;
    struct test_buf *bufs = calloc(n, sizeof *bufs);
    assert_non_null(bufs);
    struct bufpool *bp = bufpool_new(0);
    uint64_t rss = test_rss();
    for (uint32_t i = 0; i < n; i++) {
        bufs[i].buf = bufpool_take(bp, len, &bufs[i].cap);
        assert_non_null(bufs[i].buf);
        memset(bufs[i].buf, 1, bufs[i].cap);
    }
    if (test_rss_exact)
        assert_true(test_rss() >= rss + (90u << 20));
    for (uint32_t i = 0; i < n; i++) {
        if (survivors && i % (n / 50) == 0)
            bufs[n_kept++] = bufs[i];
        else
            bufpool_give(bp, bufs[i].buf, bufs[i].cap);
    }
    int64_t now = 1;
    (void)bufpool_trim(bp, now); /* opens the first interval */
    for (uint32_t ms = 0; ms < 2000; ms++) {
        now += NS_PER_MS;
        uint64_t n_sys = test_stats(bp).n_sys;
        assert_true(bufpool_trim(bp, now) < BUFPOOL_TRIM_LEN + (4u << 20)); /* a region more */
        assert_true(test_stats(bp).n_sys <= n_sys + BUFPOOL_TRIM_CALLS + 2);
    }
    bufpool_check(bp);
    assert_true(bufpool_settled(bp));
    uint64_t kept = n_kept * (uint64_t)(bufs[0].cap < 4096 ? 4096 : bufs[0].cap);
    assert_true(test_stats(bp).cached_bytes <= kept + BUFPOOL_KEEP_LEN);
    if (test_rss_exact)
        assert_true(test_rss() < rss + kept + (4u << 20));
    while (n_kept > 0) {
        assert_int_equal(bufs[--n_kept].buf[0], 1);
        bufpool_give(bp, bufs[n_kept].buf, bufs[n_kept].cap);
    }
    bufpool_free(bp);
    free(bufs);
}

static void
memory_of_a_burst_goes_back(void **state)
{
    (void)state;
    const uint32_t lens[] = {512, 4096, 65536, 1 << 20, 6 << 20};
    for (uint32_t k = 0; k < N_ELEMS(lens); k++)
        test_burst(lens[k], false);
}

static void
survivors_of_a_burst_do_not_hold_the_rest(void **state)
{
    (void)state;
    const uint32_t lens[] = {512, 2048, 16384, 262144};
    for (uint32_t k = 0; k < N_ELEMS(lens); k++)
        test_burst(lens[k], true);
}

/* What was needed stays for BUFPOOL_KEEP_INTERVALS intervals, and goes in the one after, even if nobody called meanwhile. */
static void
a_peak_is_remembered_for_some_intervals(void **state)
{
    (void)state;
    for (uint32_t late = 0; late < 2; late++) {
        struct bufpool *bp = bufpool_new(0);
        int64_t now = 1;
        (void)bufpool_trim(bp, now);
        uint32_t cap;
        void *a = bufpool_take(bp, 1 << 20, &cap);
        bufpool_give(bp, a, cap);
        if (late == 0) {
            for (uint32_t k = 0; k < BUFPOOL_KEEP_INTERVALS; k++) {
                now += BUFPOOL_INTERVAL_NS;
                assert_int_equal(bufpool_trim(bp, now), 0);
                assert_false(bufpool_settled(bp));
            }
        } else {
            now += 100 * (int64_t)BUFPOOL_INTERVAL_NS;
        }
        now += BUFPOOL_INTERVAL_NS;
        assert_int_equal(bufpool_trim(bp, now), 1 << 20);
        assert_true(bufpool_settled(bp));
        bufpool_free(bp);
    }
}

/* A little stays for good, so that a message now and then costs no system call. */
static void
a_rare_small_need_costs_no_system_call(void **state)
{
    (void)state;
    struct bufpool *bp = bufpool_new(0);
    int64_t now = 1;
    uint64_t n_sys = 0;
    for (uint32_t k = 0; k < 20; k++) {
        uint32_t cap;
        void *a = bufpool_take(bp, 700, &cap), *b = bufpool_take(bp, 700, &cap);
        bufpool_give(bp, a, cap);
        bufpool_give(bp, b, cap);
        now += NS_PER_S * 60;
        (void)bufpool_trim(bp, now);
        if (k == 0)
            n_sys = test_stats(bp).n_sys;
        assert_int_equal(test_stats(bp).n_sys, n_sys);
        assert_true(bufpool_settled(bp));
    }
    bufpool_free(bp);
}

/* At the limit NULL comes and is counted; what is given back can be taken again. */
static void
the_limit_holds(void **state)
{
    (void)state;
    struct bufpool *bp = bufpool_new(1 << 20);
    struct test_buf bufs[16];
    for (uint32_t i = 0; i < 16; i++) {
        bufs[i].buf = bufpool_take(bp, 65536, &bufs[i].cap);
        assert_non_null(bufs[i].buf);
    }
    uint32_t cap = 77;
    assert_null(bufpool_take(bp, 65536, &cap));
    assert_null(bufpool_take(bp, 1, &cap));
    assert_null(bufpool_take(bp, 2 << 20, &cap));
    assert_int_equal(cap, 77); /* results only on success */
    assert_int_equal(test_stats(bp).n_refused, 3);
    bufpool_check(bp);
    bufpool_give(bp, bufs[3].buf, bufs[3].cap);
    bufs[3].buf = bufpool_take(bp, 65536, &bufs[3].cap);
    assert_non_null(bufs[3].buf);
    for (uint32_t i = 0; i < 16; i++)
        bufpool_give(bp, bufs[i].buf, bufs[i].cap);
    assert_null(bufpool_take(bp, BUFPOOL_MAX_LEN + 1u, &cap));
    bufpool_free(bp);
}

/* The limit counts free buffers, too, and those of other lengths make room: filling the pool with one length after the
 * other never holds more than the limit. */
static void
free_buffers_of_other_lengths_make_room(void **state)
{
    (void)state;
    enum { LIMIT = 8 << 20 };
    struct bufpool *bp = bufpool_new(LIMIT);
    static void *bufs[LIMIT / 4096];
    const uint32_t lens[] = {65536, 1 << 20, 2 << 20, 4096, 8192, 8 << 20, 262144, 4096};
    for (uint32_t k = 0; k < N_ELEMS(lens); k++) {
        uint32_t n = LIMIT / lens[k], n_got = 0, cap = 0;
        for (uint32_t tries = 0; n_got < n && tries < 2 * n; tries++) {
            bufs[n_got] = bufpool_take(bp, lens[k], &cap);
            n_got += bufs[n_got] != NULL; /* a take makes room in bounded steps: a refused one may be tried again */
            struct bufpool_stats st = test_stats(bp);
            assert_true(st.used_bytes + st.cached_bytes <= LIMIT);
        }
        assert_int_equal(n_got, n);
        bufpool_check(bp);
        while (n_got > 0)
            bufpool_give(bp, bufs[--n_got], cap);
    }
    bufpool_free(bp);
}

/* More large buffers than are kept: the rest goes back to the system at once. */
static void
few_free_large_buffers_are_kept(void **state)
{
    (void)state;
    enum { N = BUFPOOL_BIG_KEPT_MAX + 10 };
    struct bufpool *bp = bufpool_new(0);
    struct test_buf bufs[N];
    for (uint32_t i = 0; i < N; i++) {
        bufs[i].buf = bufpool_take(bp, (1 << 20) + 1, &bufs[i].cap);
        assert_non_null(bufs[i].buf);
    }
    for (uint32_t i = 0; i < N; i++) {
        bufpool_give(bp, bufs[i].buf, bufs[i].cap);
        bufpool_check(bp);
    }
    assert_int_equal(test_stats(bp).cached_bytes, BUFPOOL_BIG_KEPT_MAX * (5u << 18));
    bufpool_free(bp);
}

/* Each allocation in turn fails: NULL, nothing has changed, the next try succeeds. */
static void
a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    const uint32_t lens[] = {100, 4096, 1 << 20, 3 << 20, 1 << 20, 1 << 20, 1 << 20};
    for (int64_t n = 0;; n++) {
        fault_arm(n);
        struct bufpool *bp = bufpool_new(0);
        if (bp == NULL) {
            assert_true(fault_disarm());
            continue;
        }
        struct test_buf bufs[N_ELEMS(lens)];
        uint32_t n_null = 0;
        for (uint32_t k = 0; k < N_ELEMS(lens);) {
            bufs[k].buf = bufpool_take(bp, lens[k], &bufs[k].cap);
            bufpool_check(bp);
            if (bufs[k].buf != NULL)
                k++;
            else
                n_null++;
        }
        bool hit = fault_disarm();
        assert_int_equal(n_null, hit ? 1 : 0);
        assert_int_equal(test_stats(bp).n_refused, n_null);
        for (uint32_t k = 0; k < N_ELEMS(lens); k++)
            bufpool_give(bp, bufs[k].buf, bufs[k].cap);
        bufpool_free(bp);
        if (!hit)
            break;
    }
}

/* What is given back twice, with another length, or was never taken, stops the process. */
static void
wrong_gives_are_caught(void **state)
{
    (void)state;
    for (uint32_t wrong = 0; wrong < 5; wrong++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)signal(SIGABRT, SIG_DFL);
            if (freopen("/dev/null", "w", stderr) == NULL)
                _exit(9);
            struct bufpool *bp = bufpool_new(0), *other = bufpool_new(0);
            uint32_t cap;
            uint8_t *a = bufpool_take(bp, 600, &cap);
            (void)bufpool_take(bp, 600, &cap); /* keeps the sum of the bytes from stopping it first */
            switch (wrong) {
            case 0:
                bufpool_give(bp, a, cap);
                bufpool_give(bp, a, cap);
                break;
            case 1: bufpool_give(bp, a, 512); break;
            case 2: bufpool_give(other, a, cap); break;
            case 3: bufpool_give(bp, a + 64, cap); break;
            case 4: bufpool_free(bp); break;
            }
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

/* AddressSanitizer knows which buffers are nobody's. */
static void
given_back_buffers_are_poisoned(void **state)
{
    (void)state;
#ifdef MIDGE_ASAN
    const uint32_t lens[] = {512, 2048, 65536, 3 << 20};
    struct bufpool *bp = bufpool_new(0);
    for (uint32_t k = 0; k < N_ELEMS(lens); k++) {
        uint32_t cap;
        uint8_t *a = bufpool_take(bp, lens[k], &cap), *b = bufpool_take(bp, lens[k], &cap);
        assert_null(__asan_region_is_poisoned(a, cap));
        bufpool_give(bp, a, cap);
        assert_ptr_equal(__asan_region_is_poisoned(a, cap), a);
        assert_int_equal(__asan_address_is_poisoned(a + cap - 1), 1);
        assert_null(__asan_region_is_poisoned(b, cap));
        bufpool_give(bp, b, cap);
    }
    bufpool_free(bp);
#else
    skip();
#endif
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_holds_what_was_asked_for),
        cmocka_unit_test(last_given_is_first_taken),
        cmocka_unit_test(random_use_keeps_buffers_apart),
        cmocka_unit_test(a_steady_state_makes_no_system_call),
        cmocka_unit_test(memory_of_a_burst_goes_back),
        cmocka_unit_test(survivors_of_a_burst_do_not_hold_the_rest),
        cmocka_unit_test(a_peak_is_remembered_for_some_intervals),
        cmocka_unit_test(a_rare_small_need_costs_no_system_call),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(free_buffers_of_other_lengths_make_room),
        cmocka_unit_test(few_free_large_buffers_are_kept),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        cmocka_unit_test(wrong_gives_are_caught),
        cmocka_unit_test(given_back_buffers_are_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
