/* outq_test.c - bytes on their way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/outq.h"
#include "core/rt/rng.h"

enum { MODEL_MAX = 4 << 20 };

/* Compare what is queued, from the front, with the model. */
static void
check_front(const struct outq *q, const uint8_t *model, uint64_t model_len)
{
    struct iovec iov[64];
    uint32_t n = outq_iov(q, iov, 64);
    uint64_t off = 0;

    assert_int_equal(q->n_bytes, model_len);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(iov[i].iov_len > 0 && off + iov[i].iov_len <= model_len);
        assert_memory_equal(iov[i].iov_base, model + off, iov[i].iov_len);
        off += iov[i].iov_len;
    }
    assert_true(off == model_len || n == 64);
}

static struct bufpool *
pool(uint64_t limit)
{
    struct bufpool *bp = bufpool_new(limit);
    assert_non_null(bp);
    return bp;
}

/* A queue that was emptied holds no buffer: an idle connection costs nothing. */
static void
empty_queue_holds_no_buffer(void **state)
{
    (void)state;
    struct bufpool *bp = pool(0);
    struct outq q = {0};
    struct bufpool_stats st;

    assert_true(outq_append(&q, bp, "hello", 5));
    outq_drop(&q, bp, 5);
    assert_null(q.head);
    bufpool_stats(bp, &st);
    assert_int_equal(st.used_bytes, 0);
    bufpool_free(bp);
}

/* Reservations and appends of any size come out in order, however the sends cut them; against a flat array as model. */
static void
bytes_leave_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    uint8_t *model = malloc(MODEL_MAX), *bytes = malloc(200000);
    assert_true(model != NULL && bytes != NULL);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rng r;
        struct bufpool *bp = pool(0);
        struct outq q = {0};
        uint64_t len = 0;
        rng_init(&r, seed);
        for (uint32_t step = 0; step < 400; step++) {
            uint32_t n = (uint32_t)(1 + rng_below(&r, rng_below(&r, 8) == 0 ? 150000 : 300));
            for (uint32_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)rng_next(&r);
            if (len + n <= MODEL_MAX && rng_below(&r, 3) != 0) {
                if (rng_below(&r, 2) == 0) {
                    assert_true(outq_append(&q, bp, bytes, n));
                } else {
                    uint8_t *to = outq_reserve(&q, bp, n + 8);
                    assert_non_null(to);
                    memcpy(to, bytes, n);
                    outq_commit(&q, n);
                }
                memcpy(model + len, bytes, n);
                len += n;
            } else if (len > 0) {
                uint64_t drop = 1 + rng_below(&r, len);
                outq_drop(&q, bp, drop);
                len -= drop;
                memmove(model, model + drop, len);
            }
            check_front(&q, model, len);
        }
        outq_fini(&q, bp);
        bufpool_free(bp);
    }
    free(model);
    free(bytes);
}

/* At the pool's limit a reservation is refused and the queue is as it was. */
static void
a_dry_pool_refuses(void **state)
{
    (void)state;
    struct bufpool *bp = pool(64 * 1024);
    struct outq q = {0};
    uint8_t byte[1024] = {0};
    uint64_t len = 0;

    while (outq_reserve(&q, bp, sizeof(byte)) != NULL) {
        outq_commit(&q, sizeof(byte));
        len += sizeof(byte);
        assert_true(len < 128 * 1024);
    }
    assert_int_equal(q.n_bytes, len);
    outq_drop(&q, bp, len);
    assert_non_null(outq_reserve(&q, bp, 1));
    outq_fini(&q, bp);
    bufpool_free(bp);
}

/* The first buffer is as large as what the queue lately held, so that a steady stream leaves in few pieces. */
static void
first_buffer_follows_the_load(void **state)
{
    (void)state;
    struct bufpool *bp = pool(0);
    struct outq q = {0};
    struct iovec iov[64];
    uint8_t *bytes = calloc(1, 60000);

    assert_true(outq_append(&q, bp, bytes, 60000));
    assert_true(outq_iov(&q, iov, 64) > 1);
    outq_drop(&q, bp, 60000);
    assert_true(outq_append(&q, bp, bytes, 60000));
    assert_int_equal(outq_iov(&q, iov, 64), 1);
    outq_drop(&q, bp, 60000);
    for (int i = 0; i < 2; i++) {
        assert_true(outq_append(&q, bp, bytes, 10));
        outq_drop(&q, bp, 10);
    }
    assert_true(outq_append(&q, bp, bytes, 1));
    assert_true(q.head->cap < 4096);
    outq_fini(&q, bp);
    bufpool_free(bp);
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_queue_holds_no_buffer),
        cmocka_unit_test(bytes_leave_in_the_order_in_which_they_came),
        cmocka_unit_test(a_dry_pool_refuses),
        cmocka_unit_test(first_buffer_follows_the_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
