/* Tests of slab.h. */
#include "core/rt/slab.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

/* Small steps of a fixed generator: the tests replay exactly. */
static uint64_t
test_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* The first number is 1, numbers are dense, the bound holds, and there is room again after a give. */
static void
numbers_are_dense_and_bounded(void **state)
{
    (void)state;
    const uint32_t n_maxes[] = {1, 2, 63, 64, 65, 1000};
    for (uint32_t k = 0; k < N_ELEMS(n_maxes); k++) {
        struct slab s;
        slab_init(&s, 16, n_maxes[k]);
        assert_int_equal(s.n_sys, 0); /* nothing is allocated before the first take */
        for (uint32_t i = 1; i <= n_maxes[k]; i++)
            assert_int_equal(slab_take(&s), i);
        assert_int_equal(slab_take(&s), 0);
        slab_give(&s, n_maxes[k]);
        assert_int_equal(slab_take(&s), n_maxes[k]);
        slab_check(&s);
        slab_fini(&s);
    }
}

/* Of several free numbers the lowest is given next, whatever the order in which they came back. */
static void
the_lowest_free_number_is_next(void **state)
{
    (void)state;
    struct slab s;
    slab_init(&s, 64, 100000);
    for (uint32_t i = 1; i <= 50000; i++)
        assert_int_equal(slab_take(&s), i);
    const uint32_t back[] = {40000, 3, 49999, 4096, 17};
    for (uint32_t k = 0; k < N_ELEMS(back); k++)
        slab_give(&s, back[k]);
    slab_check(&s);
    const uint32_t expect[] = {3, 17, 4096, 40000, 49999, 50001};
    for (uint32_t k = 0; k < N_ELEMS(expect); k++)
        assert_int_equal(slab_take(&s), expect[k]);
    slab_fini(&s);
}

/* Objects do not move while the slab grows, do not overlap, and come zeroed even where an old object lay. */
static void
objects_stay_put_and_come_zeroed(void **state)
{
    (void)state;
    enum { N = 30000 };
    struct slab s;
    slab_init(&s, 40, N);
    static uint32_t *at[N + 1];
    for (int round = 0; round < 2; round++) {
        for (uint32_t n = 0; n < N; n++) {
            uint32_t i = slab_take(&s);
            uint32_t *obj = slab_at(&s, i);
            for (uint32_t k = 0; k < 10; k++)
                assert_int_equal(obj[k], 0);
            for (uint32_t k = 0; k < 10; k++)
                obj[k] = i;
            if (round > 0)
                assert_ptr_equal(at[i], obj);
            at[i] = obj;
        }
        for (uint32_t i = 1; i <= N; i++) {
            assert_ptr_equal(at[i], slab_at(&s, i));
            for (uint32_t k = 0; k < 10; k++)
                assert_int_equal(at[i][k], i);
            slab_give(&s, i);
        }
        slab_check(&s);
    }
    slab_fini(&s);
}

/* Objects of every size, with few and with many to a page, behave alike; the longest one has a page of its own. */
static void
every_size_works(void **state)
{
    (void)state;
    const uint32_t lens[] = {8, 12, 24, 100, 4096, 5000, 300000, SLAB_OBJ_LEN_MAX};
    for (uint32_t k = 0; k < N_ELEMS(lens); k++) {
        struct slab s;
        slab_init(&s, lens[k], 200);
        for (uint32_t i = 1; i <= 20; i++) {
            assert_int_equal(slab_take(&s), i);
            memset(slab_at(&s, i), (int)i, lens[k]);
        }
        slab_check(&s);
        for (uint32_t i = 1; i <= 20; i++) {
            const uint8_t *obj = slab_at(&s, i);
            assert_int_equal(obj[0], i);
            assert_int_equal(obj[lens[k] - 1], i);
        }
        slab_fini(&s);
    }
}

/* Random takes and gives against a plain array of flags; slab_next walks exactly the taken ones. */
static void
random_use_agrees_with_a_plain_set(void **state)
{
    (void)state;
    enum { N = 2000, STEPS = 60000 };
    static bool taken[N + 1];
    memset(taken, 0, sizeof taken);
    struct slab s;
    slab_init(&s, 512, N);
    uint64_t rng = 7;
    uint32_t n = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        bool grow = (step / 5000) % 2 == 0;
        if (test_random(&rng) % 100 < (grow ? 60u : 40u)) {
            uint32_t expect = 1;
            while (expect <= N && taken[expect])
                expect++;
            uint32_t i = slab_take(&s);
            assert_int_equal(i, expect <= N ? expect : 0);
            taken[i] = true;
            n += i != 0;
        } else if (n > 0) {
            uint32_t i = (uint32_t)(test_random(&rng) % N) + 1;
            while (!taken[i])
                i = i % N + 1;
            slab_give(&s, i);
            taken[i] = false;
            n--;
        }
        assert_int_equal(s.n_used, n);
        if (test_random(&rng) % 1000 == 0)
            (void)slab_trim(&s); /* how much is another test's question */
        if (step % 1000 == 0) {
            slab_check(&s);
            uint32_t i = 0, n_seen = 0;
            while ((i = slab_next(&s, i)) != 0) {
                assert_true(taken[i]);
                n_seen++;
            }
            assert_int_equal(n_seen, n);
        }
    }
    slab_fini(&s);
}

/* slab_next finds what is taken when each page holds a single object, and when the current one is given back meanwhile. */
static void
a_walk_may_give_back_where_it_stands(void **state)
{
    (void)state;
    const uint32_t lens[] = {8, SLAB_PAGE_LEN};
    for (uint32_t k = 0; k < N_ELEMS(lens); k++) {
        struct slab s;
        slab_init(&s, lens[k], 100);
        assert_int_equal(slab_next(&s, 0), 0);
        for (uint32_t i = 1; i <= 10; i++)
            assert_int_equal(slab_take(&s), i);
        uint32_t expect = 1;
        for (uint32_t i = 0; (i = slab_next(&s, i)) != 0; expect++) {
            assert_int_equal(i, expect);
            slab_give(&s, i);
        }
        assert_int_equal(expect, 11);
        assert_int_equal(s.n_used, 0);
        slab_fini(&s);
    }
}

/* Bytes of the slab's object pages that the kernel holds in memory. */
static uint64_t
test_resident(const struct slab *s)
{
    uint64_t sum = 0;
    size_t len = round_up_u64((uint64_t)s->obj_len << s->page_shift, 4096);
    unsigned char in[SLAB_PAGE_LEN / 4096];
    for (uint32_t p = 0; p < s->n_pages; p++) {
        assert_true(len / 4096 <= sizeof in);
        assert_int_equal(mincore(s->pages[p], len, in), 0);
        for (size_t k = 0; k < len / 4096; k++)
            sum += (in[k] & 1) != 0 ? 4096 : 0;
    }
    return sum;
}

/* When a burst of 64 MiB of objects is gone, its memory leaves the process within a few calls, each bounded. */
static void
memory_of_a_burst_goes_back(void **state)
{
    (void)state;
    enum { N = 64 << 10, LEN = 1024 };
    struct slab s;
    slab_init(&s, LEN, 1 << 20);
    for (uint32_t i = 1; i <= N; i++)
        assert_int_equal(slab_take(&s), i);
    assert_true(test_resident(&s) >= (uint64_t)N * LEN);
    for (uint32_t i = N; i > 100; i--)
        slab_give(&s, i);
    uint64_t sum = 0;
    for (uint32_t call = 0; call < SLAB_KEEP_CALLS + 64u * 1024 * 1024 / (SLAB_TRIM_PAGES * SLAB_PAGE_LEN) + 1; call++) {
        uint64_t n = slab_trim(&s);
        assert_true(n <= (uint64_t)SLAB_TRIM_PAGES * SLAB_PAGE_LEN);
        if (call + 1 < SLAB_KEEP_CALLS)
            assert_int_equal(n, 0); /* the peak is too fresh */
        sum += n;
        slab_check(&s);
    }
    assert_true(sum > (uint64_t)(N - 1000) * LEN);
    assert_true(test_resident(&s) <= SLAB_PAGE_LEN);
    assert_true(slab_bytes(&s) <= SLAB_PAGE_LEN + 64 * 1024);
    /* And it can be used again. */
    for (uint32_t i = 101; i <= N; i++) {
        assert_int_equal(slab_take(&s), i);
        assert_int_equal(*(uint64_t *)slab_at(&s, i), 0);
    }
    slab_check(&s);
    slab_fini(&s);
}

/* A load that swings between nothing and 8 MiB within SLAB_KEEP_CALLS calls never asks the system again. */
static void
a_steady_swing_asks_the_system_for_nothing(void **state)
{
    (void)state;
    enum { N = 8 << 10, LEN = 1024 };
    struct slab s;
    slab_init(&s, LEN, 1 << 20);
    uint64_t n_sys = 0;
    for (uint32_t round = 0; round < 12; round++) {
        if (round % 3 == 0) {
            for (uint32_t i = 1; i <= N; i++)
                assert_int_equal(slab_take(&s), i);
            for (uint32_t i = 1; i <= N; i++)
                slab_give(&s, i);
        }
        if (round == 0)
            n_sys = s.n_sys;
        assert_int_equal(slab_trim(&s), 0);
        assert_int_equal(s.n_sys, n_sys);
    }
    slab_fini(&s);
}

/* Giving an object back twice, or one that was never taken, stops the process. */
static void
giving_back_twice_is_caught(void **state)
{
    (void)state;
    for (uint32_t wrong = 0; wrong < 3; wrong++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)signal(SIGABRT, SIG_DFL); /* not the test library's */
            if (freopen("/dev/null", "w", stderr) == NULL) /* the assertion's text is expected */
                _exit(9);
            struct slab s;
            slab_init(&s, 32, 1000);
            for (uint32_t i = 1; i <= 3; i++)
                (void)slab_take(&s); /* 1, 2, 3 */
            slab_give(&s, 2);
            slab_give(&s, wrong == 0 ? 2 : wrong == 1 ? 0 : 4);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

/* Each allocation in turn fails: the answer is 0, nothing has changed, and the next try succeeds. */
static void
a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    for (int64_t n = 0;; n++) {
        struct slab s;
        slab_init(&s, 4096, 100000);
        uint32_t n_zero = 0;
        fault_arm(n);
        for (uint32_t k = 1; k <= 64 * 64 + 10;) { /* enough for the tables to grow once */
            uint32_t i = slab_take(&s);
            if (i == 0) {
                n_zero++;
                slab_check(&s);
                assert_int_equal(s.n_used, k - 1);
                continue;
            }
            assert_int_equal(i, k);
            k++;
        }
        bool hit = fault_disarm();
        assert_int_equal(n_zero, hit ? 1 : 0);
        slab_check(&s);
        slab_fini(&s);
        if (!hit)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_dense_and_bounded),
        cmocka_unit_test(the_lowest_free_number_is_next),
        cmocka_unit_test(objects_stay_put_and_come_zeroed),
        cmocka_unit_test(every_size_works),
        cmocka_unit_test(random_use_agrees_with_a_plain_set),
        cmocka_unit_test(a_walk_may_give_back_where_it_stands),
        cmocka_unit_test(memory_of_a_burst_goes_back),
        cmocka_unit_test(a_steady_swing_asks_the_system_for_nothing),
        cmocka_unit_test(giving_back_twice_is_caught),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
