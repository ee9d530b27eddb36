/* Tests of counters.h. */
#include "core/rt/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Each counter has a name of its own and a help text, at its own place. */
static void
the_list_is_the_struct(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNTERS_N; i++) {
        assert_true(strlen(counters_info[i].name) > 0 && strlen(counters_info[i].help) > 0);
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(counters_info[i].name, counters_info[k].name);
    }
    assert_string_equal(counters_info[COUNTER_in_msgs].name, "in_msgs");
    assert_string_equal(counters_info[COUNTERS_N - 1].name, "polls");
}

/* The sum over shards is the sum of each counter, and of no other. */
static void
sums_add_up(void **state)
{
    (void)state;
    static struct counters c[3];
    memset(c, 0, sizeof c);
    COUNT(&c[0], in_msgs, 5);
    COUNT(&c[2], in_msgs, 7);
    COUNT(&c[2], in_msgs, 1);
    COUNT(&c[1], polls, UINT64_C(1) << 40);
    uint64_t sums[COUNTERS_N] = {0};
    for (uint32_t i = 0; i < 3; i++)
        counters_sum(sums, &c[i]);
    for (uint32_t i = 0; i < COUNTERS_N; i++) {
        uint64_t expect = i == COUNTER_in_msgs ? 13 : i == COUNTER_polls ? UINT64_C(1) << 40 : 0;
        assert_true(sums[i] == expect);
    }
}

enum { TEST_N = 200000 };

static void *
test_count(void *arg)
{
    struct counters *c = arg;
    for (uint32_t i = 0; i < TEST_N; i++) {
        COUNT(c, out_msgs, 1);
        COUNT(c, out_bytes, UINT64_C(1) << 32);
    }
    return NULL;
}

/* Another thread may read while the owner counts: values only grow, and none is torn. (ThreadSanitizer watches.) */
static void
anybody_may_read(void **state)
{
    (void)state;
    static struct counters c;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, test_count, &c), 0);
    uint64_t msgs = 0, bytes = 0;
    while (msgs < TEST_N) {
        uint64_t m = counters_read(&c.out_msgs), b = counters_read(&c.out_bytes);
        assert_true(m >= msgs && b >= bytes && (b & UINT32_MAX) == 0);
        msgs = m;
        bytes = b;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(counters_read(&c.out_bytes) == (uint64_t)TEST_N << 32);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_the_struct),
        cmocka_unit_test(sums_add_up),
        cmocka_unit_test(anybody_may_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
