/* Tests of the memory that interest.h promises to take, and to give back. */
#include "core/broker/interest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/sidmap.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

enum { MILLION = 1000000, SHARDS = 8, LEN = 20 };

static struct interest *
new_interest(uint32_t n_shards)
{
    struct interest_cfg cfg = {.n_shards = n_shards};
    hash_key_seed(&cfg.key, 3);
    struct interest *ix = interest_new(&cfg);
    assert_non_null(ix);
    return ix;
}

static uint64_t
bytes(const struct interest *ix)
{
    struct interest_stats st;
    interest_stats(ix, &st);
    return st.bytes;
}

static const uint8_t *
subject_of(uint32_t i)
{
    static char text[LEN + 1];
    assert_int_equal(snprintf(text, sizeof text, "orders.eu.%06u.itm", i), LEN);
    return (const uint8_t *)text;
}

static uint32_t
add(struct interest *ix, struct sidmap *sids, const uint8_t *subject, uint32_t len, uint32_t sid)
{
    char text[16];
    uint32_t sid_len = (uint32_t)snprintf(text, sizeof text, "%u", sid), sub = 0;
    struct interest_change ch;
    assert_int_equal(interest_add(ix, 1, subject, len, NULL, 0, 1, (const uint8_t *)text, sid_len, &sub, &ch), OK);
    assert_int_equal(sidmap_add(sids, ix, sub), OK);
    return sub;
}

/* Remove every sub of the map. */
static void
drain(struct interest *ix, struct sidmap *sids)
{
    uint32_t cursor = 0, sub;
    struct interest_change ch;
    while ((sub = sidmap_any(sids, &cursor)) != 0) {
        sidmap_remove(sids, ix, sub);
        interest_remove(ix, sub, &ch);
    }
}

/* A million literals of 20 bytes, each with one subscription of one connection: 96 bytes each with everything (its number in the
 * connection's map, the cache of results); and when they are gone nearly all of it goes back. */
static void
a_million_literals_take_96_bytes_each_and_give_them_back(void **state)
{
    (void)state;
    struct interest *ix = new_interest(1);
    struct sidmap sids = {0};
    uint64_t empty = bytes(ix);
    for (uint32_t i = 0; i < MILLION; i++)
        add(ix, &sids, subject_of(i), LEN, i);
    uint64_t full = bytes(ix) + sidmap_bytes(&sids);
    print_message("%.2f bytes each (%.2f without what an empty one takes)\n", (double)full / MILLION, (double)(full - empty) / MILLION);
    assert_true(full <= UINT64_C(96) * MILLION);
    drain(ix, &sids);
    for (int i = 0; i < 120; i++) /* bounded work per call */
        (void)interest_trim(ix);
    print_message("%.1f MB when all are gone\n", (double)bytes(ix) / 1e6);
    assert_true(bytes(ix) < 3 * (uint64_t)MILLION);
    interest_check(ix);
    sidmap_fini(&sids);
    interest_free(ix);
}

/* The same million on eight shards, each of which knows the others' seven eighths: 15 bytes for each. */
static void
another_shards_literal_takes_15_bytes(void **state)
{
    (void)state;
    struct interest *ix = new_interest(SHARDS);
    uint64_t empty = bytes(ix);
    uint32_t n = 0;
    for (uint32_t i = 0; i < MILLION; i++) {
        if (i % SHARDS == 0)
            continue;
        assert_int_equal(interest_remote_plain(ix, i % SHARDS, 1, subject_of(i), LEN, true), OK);
        n++;
    }
    uint64_t full = bytes(ix) - empty;
    print_message("%.2f bytes each\n", (double)full / n);
    assert_true(full <= UINT64_C(15) * n);
    for (uint32_t i = 0; i < MILLION; i++) {
        if (i % SHARDS != 0)
            assert_int_equal(interest_remote_plain(ix, i % SHARDS, 1, subject_of(i), LEN, false), OK);
    }
    assert_int_equal(bytes(ix), empty);
    interest_free(ix);
}

/* 200,000 subscriptions of one connection on one subject. */
static void
further_subscriptions_of_a_subject_take_50_bytes(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct interest *ix = new_interest(1);
    struct sidmap sids = {0};
    uint64_t empty = bytes(ix);
    for (uint32_t i = 0; i < N; i++)
        add(ix, &sids, subject_of(1), LEN, i);
    uint64_t full = bytes(ix) - empty + sidmap_bytes(&sids);
    print_message("%.2f bytes each\n", (double)full / N);
    assert_true(full <= UINT64_C(50) * N);
    drain(ix, &sids);
    for (int i = 0; i < 30; i++)
        (void)interest_trim(ix);
    assert_true(bytes(ix) < empty + (1 << 20));
    sidmap_fini(&sids);
    interest_free(ix);
}

/* Subscriptions come and go at random for long: the memory follows their number, it does not creep. */
static void
churn_does_not_creep(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct interest *ix = new_interest(2);
    static uint32_t subs[N];
    struct rng r;
    rng_init(&r, 8);
    struct interest_change ch;
    uint64_t after_first = 0, most = 0;
    for (int round = 0; round < 12; round++) {
        for (uint32_t k = 0; k < 2 * N; k++) {
            uint32_t i = (uint32_t)rng_below(&r, N);
            if (subs[i] != 0) {
                interest_remove(ix, subs[i], &ch);
                subs[i] = 0;
                continue;
            }
            char text[64];
            uint32_t die = (uint32_t)rng_below(&r, 10);
            int len = snprintf(text, sizeof text, die < 5 ? "lit.%u.%u" : die < 7 ? "*.%u.%u" : "w.%u.*.%u", i % 300, i);
            assert_int_equal(interest_add(ix, die, (uint8_t *)text, (uint32_t)len, (const uint8_t *)"queue", die % 2 == 0 ? 0 : 5, i,
                                          (const uint8_t *)"123456789", 9, &subs[i], &ch), OK);
        }
        (void)interest_trim(ix);
        if (round == 1)
            after_first = bytes(ix);
        most = bytes(ix) > most ? bytes(ix) : most;
    }
    assert_true(most < after_first + after_first / 4);
    interest_check(ix);
    for (uint32_t i = 0; i < N; i++) {
        if (subs[i] != 0)
            interest_remove(ix, subs[i], &ch);
    }
    for (int i = 0; i < 30; i++)
        (void)interest_trim(ix);
    interest_check(ix);
    assert_true(bytes(ix) < 3 << 20);
    interest_free(ix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_literals_take_96_bytes_each_and_give_them_back),
        cmocka_unit_test(another_shards_literal_takes_15_bytes),
        cmocka_unit_test(further_subscriptions_of_a_subject_take_50_bytes),
        cmocka_unit_test(churn_does_not_creep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
