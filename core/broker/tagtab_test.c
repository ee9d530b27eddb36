/* Tests of tagtab.h. */
#include "core/broker/tagtab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

static uint32_t
n_times_in(const struct tagtab *t, uint32_t tag, uint32_t val)
{
    uint32_t n = 0;
    for (const struct tagtab_slot *p = tagtab_find(t, tag); tagtab_is(p, tag); p++)
        n += p->val == val;
    return n;
}

/* A table that was never added to answers every question, and owns nothing. */
static void
an_empty_table_holds_nothing(void **state)
{
    (void)state;
    struct tagtab t;
    tagtab_init(&t);
    uint32_t cursor = 0, tag;
    assert_int_equal(n_times_in(&t, 0, 1), 0);
    assert_int_equal(n_times_in(&t, UINT32_MAX, 1), 0);
    assert_false(tagtab_del(&t, 5, 1));
    assert_int_equal(tagtab_any(&t, &cursor, &tag), 0);
    assert_int_equal(t.n_bytes, 0);
    tagtab_check(&t);
    tagtab_fini(&t);
}

/* Random pairs, few or many different tags (also the largest, which empty slots carry): the table holds what an array holds. */
static void
it_holds_what_was_added_and_not_deleted(void **state)
{
    (void)state;
    enum { N = 4000 };
    const uint64_t n_tags[] = {1, 3, 50, 3000, UINT64_C(1) << 32};
    static struct tagtab_slot model[N];
    struct rng r;
    for (size_t k = 0; k < N_ELEMS(n_tags); k++) {
        rng_init(&r, k);
        struct tagtab t;
        tagtab_init(&t);
        uint32_t n = 0;
        for (uint32_t step = 0; step < 30000; step++) {
            bool grow = step % 10000 < 5000;
            if (n < N && (n == 0 || rng_below(&r, 100) < (grow ? 75 : 25))) {
                uint32_t tag = (uint32_t)rng_below(&r, n_tags[k]);
                tag = rng_below(&r, 2) == 0 ? tag : UINT32_MAX - tag;
                model[n] = (struct tagtab_slot){tag, (uint32_t)(1 + rng_below(&r, 4))};
                assert_int_equal(tagtab_add(&t, model[n].tag, model[n].val), OK);
                n++;
            } else {
                uint32_t i = (uint32_t)rng_below(&r, n);
                assert_true(tagtab_del(&t, model[i].tag, model[i].val));
                model[i] = model[--n];
            }
            if (step % 1000 != 0)
                continue;
            tagtab_check(&t);
            assert_int_equal(t.n, n);
            for (uint32_t i = 0; i < n; i += 17) {
                uint32_t want = 0;
                for (uint32_t j = 0; j < n; j++)
                    want += model[j].tag == model[i].tag && model[j].val == model[i].val;
                assert_int_equal(n_times_in(&t, model[i].tag, model[i].val), want);
            }
            assert_false(tagtab_del(&t, (uint32_t)rng_next(&r), 77));
        }
        tagtab_fini(&t);
    }
}

static void
set_puts_a_number_in_anothers_place(void **state)
{
    (void)state;
    struct tagtab t;
    tagtab_init(&t);
    for (uint32_t v = 1; v <= 5; v++)
        assert_int_equal(tagtab_add(&t, 42, v), OK);
    tagtab_set(&t, 42, 3, 9);
    assert_int_equal(n_times_in(&t, 42, 3), 0);
    assert_int_equal(n_times_in(&t, 42, 9), 1);
    assert_int_equal(t.n, 5);
    tagtab_check(&t);
    tagtab_fini(&t);
}

/* The budget: with random tags at most 10 bytes an entry at any number of them above some thousand, growing as well as after two
 * thirds were deleted again (then 15, because a segment waits until it is half empty); and nothing when all are gone. */
static void
memory_follows_the_number_of_entries(void **state)
{
    (void)state;
    enum { N = 400000 };
    struct tagtab t;
    tagtab_init(&t);
    struct rng r;
    rng_init(&r, 1);
    double worst = 0;
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(tagtab_add(&t, (uint32_t)rng_next(&r), i + 1), OK);
        double per = (double)t.n_bytes / t.n;
        if (i > 5000 && per > worst)
            worst = per;
    }
    print_message("at most %.2f bytes an entry while growing, %.2f at %u\n", worst, (double)t.n_bytes / t.n, t.n);
    assert_true(worst < 10);
    tagtab_check(&t);
    rng_init(&r, 1);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(tagtab_del(&t, (uint32_t)rng_next(&r), i + 1));
        if (t.n > 5000)
            assert_true((double)t.n_bytes / t.n < 18);
    }
    assert_int_equal(t.n_bytes, 0);
    tagtab_fini(&t);
}

/* No call allocates or copies more than a bounded piece, however large the table is: what is asked of the system in one call stays
 * below three segments, and the table of segments. */
static void
each_call_does_a_bounded_piece_of_work(void **state)
{
    (void)state;
    struct tagtab t;
    tagtab_init(&t);
    struct rng r;
    rng_init(&r, 2);
    uint64_t most = 0;
    for (uint32_t i = 0; i < 500000; i++) {
        uint64_t before = t.n_sys;
        assert_int_equal(tagtab_add(&t, (uint32_t)rng_next(&r), i + 1), OK);
        most = t.n_sys - before > most ? t.n_sys - before : most;
    }
    assert_true(most <= 4);
    uint32_t longest = 0;
    for (uint32_t k = 0; k < t.n_segs; k++)
        longest = t.segs[k].n_slots > longest ? t.segs[k].n_slots : longest;
    assert_true(longest < 1500);
    tagtab_fini(&t);
}

/* tagtab_any with deleting what it gives takes everything out, and does not look at many slots for it. */
static void
any_drains_the_table(void **state)
{
    (void)state;
    const uint32_t n_tags[] = {1, 100, UINT32_MAX};
    for (size_t k = 0; k < N_ELEMS(n_tags); k++) {
        enum { N = 20000 };
        struct tagtab t;
        tagtab_init(&t);
        struct rng r;
        rng_init(&r, 3);
        static bool seen[N + 1];
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 1; i <= N; i++)
            assert_int_equal(tagtab_add(&t, (uint32_t)rng_below(&r, n_tags[k]), i), OK);
        uint32_t cursor = 0, tag, val, n = 0;
        while ((val = tagtab_any(&t, &cursor, &tag)) != 0) {
            assert_false(seen[val]);
            seen[val] = true;
            assert_true(tagtab_del(&t, tag, val));
            n++;
        }
        assert_int_equal(n, N);
        tagtab_fini(&t);
    }
}

/* Whichever allocation fails: adding says so and leaves the table as it was, or succeeds because it could do without; deleting
 * always succeeds. */
static void
failing_allocations_change_nothing(void **state)
{
    (void)state;
    struct tagtab t;
    tagtab_init(&t);
    struct rng r;
    rng_init(&r, 4);
    static struct tagtab_slot model[3000];
    uint32_t n = 0, n_failed = 0;
    while (n < N_ELEMS(model)) {
        struct tagtab_slot p = {(uint32_t)rng_next(&r), n + 1};
        for (int64_t k = 0;; k++) {
            fault_arm(k);
            enum err e = tagtab_add(&t, p.tag, p.val);
            bool failed = fault_disarm();
            if (e == OK) {
                model[n++] = p;
                break;
            }
            assert_true(failed && e == ERR_NOMEM);
            assert_int_equal(t.n, n);
            n_failed++;
        }
        if (n % 500 == 0)
            tagtab_check(&t);
    }
    if (fault_armed_builds)
        assert_true(n_failed > 20);
    while (n > 0) {
        n--;
        fault_arm((int64_t)rng_below(&r, 2));
        assert_true(tagtab_del(&t, model[n].tag, model[n].val));
        (void)fault_disarm(); /* whether there was an allocation to fail does not matter */
        if (n % 500 == 0)
            tagtab_check(&t);
    }
    tagtab_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_holds_nothing),
        cmocka_unit_test(it_holds_what_was_added_and_not_deleted),
        cmocka_unit_test(set_puts_a_number_in_anothers_place),
        cmocka_unit_test(memory_follows_the_number_of_entries),
        cmocka_unit_test(each_call_does_a_bounded_piece_of_work),
        cmocka_unit_test(any_drains_the_table),
        cmocka_unit_test(failing_allocations_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
