/* replies_test.c - what a noted reply may still be used for, beside a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/replies.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

static bool
use(struct replies *r, const struct replies_terms *t, const char *subject, int64_t now)
{
    return replies_use(r, t, (const uint8_t *)subject, strlen(subject), now);
}

static void
add(struct replies *r, const struct replies_terms *t, const char *subject, int64_t now)
{
    replies_add(r, t, (const uint8_t *)subject, strlen(subject), now);
}

static void
a_reply_may_be_used_so_often_and_so_long(void **state)
{
    struct replies_terms t = {.max = 2, .expire_ns = 100};
    struct replies r = {0};
    (void)state;

    add(&r, &t, "a", 1000);
    assert_false(use(&r, &t, "b", 1000));
    assert_true(use(&r, &t, "a", 1001));
    assert_true(use(&r, &t, "a", 1100));
    assert_false(use(&r, &t, "a", 1100));
    assert_int_equal(r.n, 0);
    add(&r, &t, "a", 2000);
    assert_false(use(&r, &t, "a", 2101));
    assert_int_equal(r.n, 0);
    replies_fini(&r);
}

static void
without_limits_it_stays(void **state)
{
    struct replies_terms t = {.max = -1, .expire_ns = -1};
    struct replies r = {0};
    (void)state;

    add(&r, &t, "a", 1);
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(use(&r, &t, "a", (int64_t)i * NS_PER_S * 3600));
    replies_fini(&r);
}

/* At the bound the oldest goes. */
static void
there_are_never_more_than_the_bound(void **state)
{
    struct replies_terms t = {.max = 1, .expire_ns = -1};
    struct replies r = {0};
    char subject[32];
    (void)state;

    for (uint32_t i = 0; i < REPLIES_MAX + 10; i++) {
        (void)snprintf(subject, sizeof(subject), "_INBOX.%u", i);
        add(&r, &t, subject, i);
        assert_true(r.n <= REPLIES_MAX);
    }
    assert_int_equal(r.n, REPLIES_MAX);
    assert_false(use(&r, &t, "_INBOX.9", 0));
    assert_true(use(&r, &t, "_INBOX.10", 0));
    replies_fini(&r);
}

static void
long_subjects_are_bounded_by_their_bytes(void **state)
{
    struct replies_terms t = {.max = 1, .expire_ns = -1};
    struct replies r = {0};
    uint8_t subject[4096];
    (void)state;

    memset(subject, 'x', sizeof(subject));
    for (uint32_t i = 0; i < 3000; i++) {
        memcpy(subject, &i, sizeof(i));
        assert_int_equal(replies_add(&r, &t, subject, sizeof(subject), i), i >= REPLIES_FAR_MAX / sizeof(subject));
        assert_true(r.far_bytes <= REPLIES_FAR_MAX);
    }
    assert_int_equal(r.n, REPLIES_FAR_MAX / sizeof(subject));
    assert_true(replies_use(&r, &t, subject, sizeof(subject), 0));
    replies_fini(&r);
    assert_int_equal(r.far_bytes, 0);
}

/* Answered requests: the slots stay, nothing is allocated. */
static void
a_steady_state_takes_no_memory(void **state)
{
    struct replies_terms t = {.max = 1, .expire_ns = NS_PER_S};
    struct replies r = {0};
    char subject[64];
    (void)state;

    for (uint32_t i = 0; i < 100000; i++) {
        (void)snprintf(subject, sizeof(subject), "_INBOX.abcdefghijklmnopqrstuv.%u", i);
        add(&r, &t, subject, i);
        assert_true(use(&r, &t, subject, i));
    }
    assert_int_equal(r.cap, 8);
    /* One in a hundred is never answered: they expire, and their slots serve others. */
    for (int64_t i = 0; i < 1000000; i++) {
        (void)snprintf(subject, sizeof(subject), "_INBOX.%lld", (long long)i);
        add(&r, &t, subject, i * 1000000);
        if (i % 100 != 0)
            assert_true(use(&r, &t, subject, i * 1000000));
    }
    assert_true(r.cap <= 16);
    replies_fini(&r);
}

/* ---- random ---- */

enum { NAMES = 50 };
struct model {
    bool there;
    int64_t at, n;
};

static void
random_use_is_as_the_rules_say(void **state)
{
    struct replies_terms t = {.max = 3, .expire_ns = 500};
    struct replies r = {0};
    struct model model[NAMES] = {0};
    struct rng rng;
    int64_t now = 0;
    uint32_t n_yes = 0;
    (void)state;

    rng_init(&rng, 3);
    hash_key_seed(&t.key, 3);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t k = (uint32_t)rng_below(&rng, NAMES);
        struct model *m = &model[k];
        char subject[160];
        (void)snprintf(subject, sizeof(subject), "%u.%.*s", k, k % 5 == 0 ? 100 : 5, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
        now += (int64_t)rng_below(&rng, 20);
        m->there = m->there && now - m->at <= t.expire_ns && m->n < t.max;
        bool want = m->there;
        m->n += want;
        bool got = use(&r, &t, subject, now);
        assert_int_equal(got, want);
        n_yes += got;
        if (!got && rng_below(&rng, 2) == 0) {
            add(&r, &t, subject, now);
            *m = (struct model){.there = true, .at = now};
        }
    }
    assert_in_range(n_yes, 20000, 180000);
    replies_fini(&r);
}

/* Without memory it is not noted; what was noted stays. */
static void
without_memory_a_response_is_refused(void **state)
{
    struct replies_terms t = {.max = 1, .expire_ns = -1};
    char subject[100];
    (void)state;

    if (!fault_armed_builds)
        skip();
    memset(subject, 'z', sizeof(subject));
    subject[99] = '\0';
    for (int64_t n = 0;; n++) {
        struct replies r = {0};
        fault_arm(n);
        for (uint32_t i = 0; i < 20; i++) {
            subject[0] = (char)('a' + i);
            add(&r, &t, subject, i);
        }
        bool hit = fault_disarm();
        assert_true(hit ? r.n < 20 : r.n == 20);
        replies_fini(&r);
        if (!hit)
            return;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_may_be_used_so_often_and_so_long),
        cmocka_unit_test(without_limits_it_stays),
        cmocka_unit_test(there_are_never_more_than_the_bound),
        cmocka_unit_test(long_subjects_are_bounded_by_their_bytes),
        cmocka_unit_test(a_steady_state_takes_no_memory),
        cmocka_unit_test(random_use_is_as_the_rules_say),
        cmocka_unit_test(without_memory_a_response_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
