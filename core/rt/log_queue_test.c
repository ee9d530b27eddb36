/* Tests of log_queue.h. */
#include "core/rt/log_queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/rng.h"

enum { TEST_LEN = 4096 };

static bool
test_push(struct log_queue *q, uint32_t i, uint32_t len)
{
    char line[TEST_LEN];
    memset(line, 'a' + (int)(i % 26), len);
    return log_queue_push(q, i, i, line, len);
}

static void
test_expect(struct log_queue *q, uint32_t i, uint32_t len)
{
    int64_t time_ns;
    uint32_t got_len;
    char line[TEST_LEN];
    assert_true(log_queue_peek(q, &time_ns, &got_len));
    assert_int_equal(time_ns, i);
    assert_int_equal(got_len, len);
    assert_int_equal(log_queue_take(q, line), i);
    for (uint32_t k = 0; k < len; k++)
        assert_int_equal(line[k], 'a' + (int)(i % 26));
}

/* Lines of random lengths come out as they went in, over many turns of the ring; a full ring refuses; what was taken
 * but is not done still holds its room. */
static void
lines_come_out_in_order(void **state)
{
    (void)state;
    static struct log_queue q; /* the stack that a sanitizer makes up is not aligned as this is */
    struct rng rng;
    static uint32_t lens[100000];
    uint32_t n_in = 0, n_out = 0, n_full = 0;
    rng_init(&rng, 1);
    assert_int_equal(log_queue_init(&q, TEST_LEN), OK);
    assert_true(log_queue_empty(&q));
    while (n_in < 20000) {
        if (rng_below(&rng, 2) == 0) {
            lens[n_in] = (uint32_t)rng_below(&rng, rng_below(&rng, 8) == 0 ? 1500 : 100);
            if (test_push(&q, n_in, lens[n_in]))
                n_in++;
            else
                n_full++;
        } else if (n_out < n_in) {
            test_expect(&q, n_out, lens[n_out]);
            n_out++;
            assert_false(log_queue_empty(&q));
        } else {
            log_queue_done(&q); /* all of it; and now and then part of it: */
            assert_true(log_queue_empty(&q));
        }
        if (rng_below(&rng, 10) == 0)
            log_queue_done(&q);
    }
    assert_true(n_full > 0);
    while (n_out < n_in) {
        test_expect(&q, n_out, lens[n_out]);
        n_out++;
    }
    int64_t time_ns;
    uint32_t len;
    assert_false(log_queue_peek(&q, &time_ns, &len));
    assert_false(log_queue_empty(&q)); /* taken, not done */
    log_queue_done(&q);
    assert_true(log_queue_empty(&q));
    log_queue_fini(&q);
}

/* Room comes back only with done. */
static void
taken_lines_hold_their_room(void **state)
{
    (void)state;
    static struct log_queue q; /* the stack that a sanitizer makes up is not aligned as this is */
    assert_int_equal(log_queue_init(&q, TEST_LEN), OK);
    uint32_t n = 0;
    while (test_push(&q, n, 240))
        n++;
    assert_int_equal(n, TEST_LEN / 256);
    test_expect(&q, 0, 240);
    assert_false(test_push(&q, n, 240));
    log_queue_done(&q);
    assert_true(test_push(&q, n, 240));
    assert_false(test_push(&q, n, 240));
    log_queue_fini(&q);
}

enum { TEST_N = 100000 };

static void *
test_producer(void *arg)
{
    for (uint32_t i = 0; i < TEST_N;)
        i += test_push(arg, i, i % 50);
    return NULL;
}

/* A producer and a writer at once (ThreadSanitizer watches). */
static void
two_threads_agree(void **state)
{
    (void)state;
    static struct log_queue q; /* the stack that a sanitizer makes up is not aligned as this is */
    pthread_t thread;
    assert_int_equal(log_queue_init(&q, TEST_LEN), OK);
    assert_int_equal(pthread_create(&thread, NULL, test_producer, &q), 0);
    for (uint32_t i = 0; i < TEST_N;) {
        int64_t time_ns;
        uint32_t len;
        if (log_queue_peek(&q, &time_ns, &len)) {
            test_expect(&q, i, i % 50);
            if (++i % 7 == 0)
                log_queue_done(&q);
        } else {
            log_queue_done(&q);
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    log_queue_fini(&q);
}

static void
no_memory_is_an_error(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    static struct log_queue q; /* the stack that a sanitizer makes up is not aligned as this is */
    fault_arm(0);
    assert_int_equal(log_queue_init(&q, TEST_LEN), ERR_NOMEM);
    assert_true(fault_disarm());
    log_queue_fini(&q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order),
        cmocka_unit_test(taken_lines_hold_their_room),
        cmocka_unit_test(two_threads_agree),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
