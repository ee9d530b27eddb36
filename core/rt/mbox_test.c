/* The mailbox: what goes in comes out, once, in order, when its turn is published, and a full one is an ordinary answer. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/rt/mbox.h"
#include "core/rt/rng.h"

enum { CAP = 16384 };

/* A record whose bytes say which one it is. */
static void
push(struct mbox *m, uint64_t serial, uint64_t len)
{
    struct mbox_rec *r = mbox_push(m, (uint8_t)(MBOX_TYPE_USER + serial % 7), len);
    r->flags = (uint8_t)serial;
    r->aux = (uint16_t)(serial >> 8);
    for (uint64_t i = sizeof(*r); i < len; i++)
        ((uint8_t *)r)[i] = (uint8_t)(serial * 31 + i);
}

static void
check(const struct mbox_rec *r, uint64_t serial, uint64_t len)
{
    assert_int_equal(r->len, len);
    assert_int_equal(r->type, MBOX_TYPE_USER + serial % 7);
    assert_int_equal(r->flags, (uint8_t)serial);
    assert_int_equal(r->aux, (uint16_t)(serial >> 8));
    for (uint64_t i = sizeof(*r); i < len; i++)
        assert_int_equal(((const uint8_t *)r)[i], (uint8_t)(serial * 31 + i));
}

static void
what_is_pushed_is_taken_when_its_turn_is_published(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&m, CAP), OK);
    assert_false(mbox_dirty(&m));
    push(&m, 1, 20);
    push(&m, 2, 8); /* nothing but a head */
    assert_true(mbox_dirty(&m));
    assert_false(mbox_peek(&m, UINT64_MAX, INT64_MAX, &stamp)); /* not sealed */
    assert_false(mbox_pending(&m));
    mbox_seal(&m, 7, 1000);
    assert_false(mbox_dirty(&m));
    assert_true(mbox_pending(&m));
    assert_false(mbox_peek(&m, 6, INT64_MAX, &stamp)); /* sealed, and its turn not published */
    assert_false(mbox_peek(&m, 7, 999, &stamp));       /* newer than now */
    assert_true(mbox_peek(&m, 7, 1000, &stamp));
    assert_int_equal(stamp, 1000);
    check(mbox_take(&m), 1, 20);
    assert_true(mbox_in_batch(&m));
    check(mbox_take(&m), 2, 8);
    assert_false(mbox_in_batch(&m));
    mbox_done(&m);
    assert_false(mbox_pending(&m));
    assert_false(mbox_peek(&m, UINT64_MAX, INT64_MAX, &stamp));
    mbox_fini(&m);
}

/* The consumer stops in the middle: what is left is available at once, whatever the clock and the published word say meanwhile. */
static void
a_batch_taken_in_part_stays_available(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&m, CAP), OK);
    for (uint64_t i = 0; i < 3; i++)
        push(&m, i, 16);
    mbox_seal(&m, 1, 50);
    push(&m, 3, 16);
    mbox_seal(&m, 2, 60);
    assert_true(mbox_peek(&m, 1, 50, &stamp));
    check(mbox_take(&m), 0, 16);
    mbox_done(&m);
    assert_true(mbox_peek(&m, 0, 0, &stamp));
    assert_int_equal(stamp, INT64_MIN); /* before all others: it has begun */
    check(mbox_take(&m), 1, 16);
    check(mbox_take(&m), 2, 16);
    mbox_done(&m);
    assert_false(mbox_peek(&m, 1, 1000, &stamp)); /* the next one is of the next turn */
    assert_true(mbox_peek(&m, 2, 60, &stamp));
    assert_int_equal(stamp, 60);
    check(mbox_take(&m), 3, 16);
    mbox_done(&m);
    mbox_fini(&m);
}

/* Round and round: records of every length up to the longest, so that pads of every length are stepped over. */
static void
records_never_wrap_and_pads_are_not_seen(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&m, CAP), OK);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t len = sizeof(struct mbox_rec) + i * 37 % (mbox_rec_max(&m) - sizeof(struct mbox_rec) + 1);
        assert_true(mbox_room(&m, 1, len, 0)); /* an empty mailbox takes any record */
        push(&m, i, len);
        mbox_seal(&m, i, (int64_t)i);
        assert_true(mbox_peek(&m, i, INT64_MAX, &stamp));
        const struct mbox_rec *r = mbox_take(&m);
        const uint8_t *end = (const uint8_t *)r + len;
        assert_true((const uint8_t *)r >= m.ring && end <= m.ring + CAP);
        check(r, i, len);
        assert_false(mbox_in_batch(&m));
        mbox_done(&m);
    }
    mbox_fini(&m);
}

/* Round and round, each record by the short way where it is open; the consumer looks at types first, and sees no pads. */
static void
the_short_ways_do_what_the_long_ones_do(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    uint64_t n_quick = 0, n_slow = 0, in = 0, out = 0;
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&m, CAP), OK);
    for (uint64_t turn = 1; turn < 3000; turn++) {
        for (uint64_t k = 0; k <= turn % 40; k++, in++) {
            uint64_t len = 8 + in * 37 % 300;
            if (!mbox_room(&m, 1, len, 0))
                break;
            uint64_t end = mbox_end(&m);
            struct mbox_rec *r = mbox_dirty(&m) ? mbox_push_quick(&m, (uint8_t)(MBOX_TYPE_USER + in % 7), len) : NULL;
            if (r == NULL) {
                assert_int_equal(mbox_end(&m), end);
                r = mbox_push(&m, (uint8_t)(MBOX_TYPE_USER + in % 7), len);
                n_slow++;
            } else {
                n_quick++;
            }
            assert_true((uint8_t *)r >= m.ring && (uint8_t *)r + len <= m.ring + CAP);
            assert_true(mbox_end(&m) > end);
            memset(r + 1, (int)in, len - sizeof(*r));
            r->flags = (uint8_t)in;
        }
        if (mbox_dirty(&m))
            mbox_seal(&m, turn, (int64_t)turn);
        for (uint64_t k = 0; k < turn % 60 && (mbox_in_batch(&m) || mbox_peek(&m, turn, INT64_MAX, &stamp)); out++, k++) {
            const struct mbox_rec *r;
            if (!mbox_in_batch(&m)) { /* a batch begins: nothing of it can be looked at yet */
                assert_null(mbox_look(&m, (uint8_t)(MBOX_TYPE_USER + out % 7)));
                r = mbox_take(&m);
            } else {
                assert_null(mbox_take_type(&m, (uint8_t)(MBOX_TYPE_USER + (out + 1) % 7)));
                r = mbox_look(&m, (uint8_t)(MBOX_TYPE_USER + out % 7));
                assert_non_null(r);
                assert_ptr_equal(mbox_take_type(&m, (uint8_t)(MBOX_TYPE_USER + out % 7)), r);
            }
            assert_int_equal(r->len, 8 + out * 37 % 300);
            assert_int_equal(r->flags, (uint8_t)out);
            for (uint64_t i = sizeof(*r); i < r->len; i++)
                assert_int_equal(((const uint8_t *)r)[i], (uint8_t)out);
        }
        mbox_done(&m);
    }
    assert_true(n_quick > 10000 && n_slow > 1000 && out > 10000);
    mbox_fini(&m);
}

/* Yes means that exactly so much fits, however it lies; the ring is filled to where it says no from every position. */
static void
what_room_promises_fits(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    struct rng rng;
    uint64_t in = 0, out = 0, n_no = 0, lens[4096];
    int64_t stamp;
    (void)state;

    rng_init(&rng, 3);
    assert_int_equal(mbox_init(&m, CAP), OK);
    for (uint64_t round = 0; round < 3000; round++) {
        uint32_t n = 1 + (uint32_t)rng_below(&rng, 5);
        uint64_t len = sizeof(struct mbox_rec) + rng_below(&rng, mbox_rec_max(&m) - sizeof(struct mbox_rec) + 1);
        if (mbox_room(&m, n, len, 0)) {
            for (uint32_t i = 0; i < n; i++) {
                lens[in % 4096] = i == 0 ? len : sizeof(struct mbox_rec) + rng_below(&rng, len - sizeof(struct mbox_rec) + 1);
                push(&m, in, lens[in % 4096]);
                in++;
            }
        } else {
            n_no++;
        }
        if (mbox_dirty(&m) && rng_below(&rng, 2) == 0)
            mbox_seal(&m, round, (int64_t)round);
        for (uint64_t k = rng_below(&rng, 4); k > 0 && mbox_peek(&m, round, INT64_MAX, &stamp); k--) {
            check(mbox_take(&m), out, lens[out % 4096]);
            out++;
            mbox_done(&m);
        }
    }
    assert_true(n_no > 100 && out > 1000);
    mbox_fini(&m);
}

static void
a_full_mailbox_says_no_until_the_consumer_is_done(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    int64_t stamp;
    uint64_t n = 0;
    (void)state;

    assert_int_equal(mbox_init(&m, CAP), OK);
    for (; mbox_room(&m, 1, 1000, 0); n++)
        push(&m, n, 1000);
    assert_in_range(n, 14, 16);
    mbox_seal(&m, 1, 1);
    assert_false(mbox_room(&m, 1, 1000, 0));
    assert_true(mbox_peek(&m, 1, 1, &stamp));
    for (uint64_t i = 0; i < 3; i++)
        check(mbox_take(&m), i, 1000);
    assert_false(mbox_room(&m, 1, 1000, 0)); /* taken, but its bytes may still be looked at */
    mbox_done(&m);
    assert_true(mbox_room(&m, 1, 1000, 0));
    mbox_fini(&m);
}

static void
a_wish_for_room_is_granted_once(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    (void)state;

    assert_int_equal(mbox_init(&m, CAP), OK);
    assert_false(mbox_room_wanted(&m));
    assert_false(mbox_wants_room(&m));
    mbox_want_room(&m);
    mbox_want_room(&m);
    assert_true(mbox_wants_room(&m));
    assert_true(mbox_room_wanted(&m));
    assert_false(mbox_wants_room(&m));
    assert_false(mbox_room_wanted(&m));
    mbox_fini(&m);
}

/* ---- by reference ---- */

static void
count_release(void *arg, struct mbox_buf *b)
{
    ++*(uint32_t *)arg;
    free(b);
}

static struct mbox_buf *
buf_new(uint32_t *n_released)
{
    struct mbox_buf *b = calloc(1, sizeof(*b) + 8);
    assert_non_null(b);
    *b = (struct mbox_buf){.n_refs = 1, .release = count_release, .arg = n_released};
    return b;
}

static void
buf_unref(struct mbox_buf *b)
{
    if (--b->n_refs == 0)
        b->release(b->arg, b);
}

/* Two mailboxes refer to it: it is released when both consumers have passed their records, not before. */
static void
a_buffer_is_home_when_every_head_has_passed_it(void **state)
{
    static struct mbox a, b;
    uint32_t n_released = 0;
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&a, CAP), OK);
    assert_int_equal(mbox_init(&b, CAP), OK);
    struct mbox_buf *buf = buf_new(&n_released);
    push(&a, 0, 16);
    mbox_push_ref(&a, buf, 100);
    push(&a, 1, 16);
    mbox_seal(&a, 1, 1);
    push(&b, 0, 16);
    mbox_push_ref(&b, buf, 100);
    mbox_seal(&b, 1, 1);
    buf_unref(buf);
    mbox_reclaim(&a);
    mbox_reclaim(&b);
    assert_int_equal(n_released, 0);
    assert_true(mbox_peek(&a, 1, 1, &stamp));
    check(mbox_take(&a), 0, 16);
    mbox_reclaim(&a);
    assert_int_equal(a.ref_bytes, 100); /* taken, not done */
    mbox_done(&a);
    mbox_reclaim(&a);
    assert_int_equal(a.ref_bytes, 0);
    assert_int_equal(n_released, 0); /* the other one still refers to it */
    assert_true(mbox_peek(&b, 1, 1, &stamp));
    check(mbox_take(&b), 0, 16);
    mbox_done(&b);
    mbox_reclaim(&b);
    assert_int_equal(n_released, 1);
    mbox_fini(&a);
    mbox_fini(&b);
    assert_int_equal(n_released, 1);
}

static void
references_are_bounded_in_number_and_bytes(void **state)
{
    static struct mbox m; /* the stack that a sanitizer makes up is not aligned as this is */
    uint32_t n_released = 0, n = 0;
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&m, 1 << 20), OK);
    assert_true(mbox_room(&m, 1, 16, 2 * (uint64_t)MBOX_REF_BYTES_MAX)); /* a longer one alone is fine */
    for (; mbox_room(&m, 1, 16, 1000000); n++) {
        struct mbox_buf *b = buf_new(&n_released);
        push(&m, n, 16);
        mbox_push_ref(&m, b, 1000000);
        buf_unref(b);
    }
    assert_int_equal(n, MBOX_REF_BYTES_MAX / 1000000);
    assert_true(mbox_room(&m, 1, 16, 0)); /* what travels inside is not held up */
    for (; mbox_room(&m, 1, 16, 1); n++) {
        struct mbox_buf *b = buf_new(&n_released);
        push(&m, n, 16);
        mbox_push_ref(&m, b, 1);
        buf_unref(b);
    }
    assert_int_equal(n, MBOX_REFS_MAX);
    mbox_seal(&m, 1, 1);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(mbox_peek(&m, 1, 1, &stamp));
        check(mbox_take(&m), i, 16);
        mbox_done(&m);
        if (i == n / 2)
            assert_true(mbox_room(&m, 1, 16, 1)); /* asking brings home what has come */
    }
    assert_int_equal(n_released, n / 2 + 1);
    mbox_fini(&m); /* and this the rest */
    assert_int_equal(n_released, n);
}

static uint32_t
n_resident(const struct mbox *m)
{
    unsigned char pages[MBOX_TRIM_MIN * 4 / 4096];
    uint32_t n = 0;

    assert_int_equal(m->mask + 1, sizeof(pages) * 4096);
    assert_int_equal(mincore(m->ring, m->mask + 1, pages), 0);
    for (size_t i = 0; i < sizeof(pages); i++)
        n += pages[i] & 1;
    return n;
}

static void
take_all(struct mbox *m, uint64_t turn)
{
    int64_t stamp;

    while (mbox_peek(m, turn, INT64_MAX, &stamp)) {
        do
            (void)mbox_take(m);
        while (mbox_in_batch(m));
    }
    mbox_done(m);
}

/* A burst fills the ring. Its memory stays while the mailbox is in use or holds anything, goes when it was quiet for a while, and the mailbox
 * works as before. */
static void
a_quiet_and_empty_mailbox_gives_its_memory_back(void **state)
{
    static struct mbox m;
    int64_t stamp;
    (void)state;

    assert_int_equal(mbox_init(&m, MBOX_TRIM_MIN * 4), OK);
    for (uint64_t i = 0; mbox_room(&m, 1, 1000, 0); i++)
        push(&m, i, 1000);
    mbox_seal(&m, 1, 10);
    uint32_t n_full = n_resident(&m);
    assert_true(n_full > MBOX_TRIM_MIN * 3 / 4096);
    mbox_trim(&m);
    mbox_trim(&m);
    assert_int_equal(n_resident(&m), n_full); /* not taken yet */
    take_all(&m, 1);
    assert_true(mbox_room(&m, 1, 100, 0));
    push(&m, 0, 100);
    mbox_seal(&m, 2, 20);
    take_all(&m, 2);
    mbox_trim(&m);
    assert_int_equal(n_resident(&m), n_full); /* used since the last look */
    mbox_trim(&m);
    assert_int_equal(n_resident(&m), 0);
    push(&m, 7, 500);
    mbox_seal(&m, 3, 30);
    assert_true(mbox_peek(&m, 3, 30, &stamp));
    check(mbox_take(&m), 7, 500);
    mbox_done(&m);
    mbox_trim(&m);
    mbox_trim(&m);
    assert_int_equal(n_resident(&m), 1); /* a little is not worth a system call */
    mbox_fini(&m);
}

/* ---- two threads ---- */

enum { N_RECORDS = 100000 };

struct pipe {
    struct mbox m;
    _Atomic uint64_t published;
    uint32_t n_released;
};

static uint64_t
serial_len(uint64_t serial)
{
    uint64_t h = serial * UINT64_C(0x9e3779b97f4a7c15) >> 40;
    return sizeof(struct mbox_rec) + sizeof(void *) + (h % 16 == 0 ? h % 3000 : h % 100);
}

/* As a shard does: some records, seal, one store of the published word; every eighth record refers to a buffer. */
static void *
producer(void *arg)
{
    struct pipe *p = arg;
    struct rng rng;

    rng_init(&rng, 11);
    for (uint64_t serial = 0, turn = 1; serial < N_RECORDS; turn++) {
        for (uint64_t k = rng_below(&rng, 20); k > 0 && serial < N_RECORDS; k--, serial++) {
            uint64_t len = serial_len(serial);
            if (!mbox_room(&p->m, 1, len, serial % 8 == 0 ? 8 : 0)) {
                mbox_want_room(&p->m);
                break;
            }
            push(&p->m, serial, len);
            if (serial % 8 == 0) {
                struct mbox_buf *b = buf_new(&p->n_released);
                memcpy(b->bytes, &serial, 8);
                mbox_push_ref(&p->m, b, 8);
                buf_unref(b);
            }
        }
        if (mbox_dirty(&p->m)) {
            mbox_seal(&p->m, turn, (int64_t)turn);
            atomic_store_explicit(&p->published, turn, memory_order_release);
        } else {
            (void)sched_yield();
        }
        mbox_reclaim(&p->m);
    }
    return NULL;
}

static void
two_threads_see_the_same_sequence(void **state)
{
    struct pipe *p = calloc(1, sizeof(*p) + CACHE_PAIR);
    pthread_t th;
    struct rng rng;
    uint64_t serial = 0;
    int64_t stamp, last = 0;
    (void)state;

    assert_non_null(p);
    struct pipe *at = (void *)round_up_u64((uintptr_t)p, CACHE_PAIR);
    _Static_assert(_Alignof(struct pipe) == CACHE_PAIR, "round_up above is what it takes");
    rng_init(&rng, 12);
    assert_int_equal(mbox_init(&at->m, CAP), OK);
    assert_int_equal(pthread_create(&th, NULL, producer, at), 0);
    while (serial < N_RECORDS) {
        uint64_t published = atomic_load_explicit(&at->published, memory_order_acquire);
        if (!mbox_peek(&at->m, published, INT64_MAX, &stamp)) {
            (void)sched_yield();
            continue;
        }
        if (stamp != INT64_MIN) {
            assert_true(stamp > last && (uint64_t)stamp <= published);
            last = stamp;
        }
        uint64_t k = 1 + rng_below(&rng, 30);
        do {
            check(mbox_take(&at->m), serial, serial_len(serial));
            serial++;
        } while (--k > 0 && mbox_in_batch(&at->m));
        mbox_done(&at->m);
        atomic_thread_fence(memory_order_seq_cst);
        (void)mbox_room_wanted(&at->m); /* the producer looks by itself here */
    }
    assert_int_equal(pthread_join(th, NULL), 0);
    assert_false(mbox_pending(&at->m));
    mbox_fini(&at->m);
    assert_int_equal(at->n_released, N_RECORDS / 8);
    free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_pushed_is_taken_when_its_turn_is_published),
        cmocka_unit_test(a_batch_taken_in_part_stays_available),
        cmocka_unit_test(records_never_wrap_and_pads_are_not_seen),
        cmocka_unit_test(the_short_ways_do_what_the_long_ones_do),
        cmocka_unit_test(what_room_promises_fits),
        cmocka_unit_test(a_full_mailbox_says_no_until_the_consumer_is_done),
        cmocka_unit_test(a_wish_for_room_is_granted_once),
        cmocka_unit_test(a_buffer_is_home_when_every_head_has_passed_it),
        cmocka_unit_test(references_are_bounded_in_number_and_bytes),
        cmocka_unit_test(a_quiet_and_empty_mailbox_gives_its_memory_back),
        cmocka_unit_test(two_threads_see_the_same_sequence),
    };
    return cmocka_run_group_tests_name("mbox", tests, NULL, NULL);
}
