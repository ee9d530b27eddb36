/* Tests of hash.h and rng.h. */
#include "core/rt/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/util.h"

/* The worked example in appendix A of the SipHash paper. */
static void
c7_the_paper_s_example_comes_out(void **state)
{
    (void)state;
    struct hash_key key;
    uint8_t msg[15];
    for (uint8_t i = 0; i < 16; i++)
        key.k[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        msg[i] = i;
    assert_true(hash_bytes(&key, msg, sizeof msg) == UINT64_C(0xa129ca6149be45e5));
}

static void
no_bytes_have_a_hash(void **state)
{
    (void)state;
    struct hash_key key;
    hash_key_seed(&key, 1);
    assert_true(hash_bytes(&key, "", 0) == hash_bytes(&key, "x", 0));
    assert_true(hash_bytes(&key, "", 0) != hash_bytes(&key, "x", 1));
}

/* Different keys hash the same bytes differently, so that a collision found for one process is worth nothing for another. */
static void
keys_differ_and_matter(void **state)
{
    (void)state;
    struct hash_key a, b, c, d;
    hash_key_random(&a);
    hash_key_random(&b);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_true(hash_bytes(&a, "foo.bar", 7) != hash_bytes(&b, "foo.bar", 7));
    hash_key_seed(&c, 4711);
    hash_key_seed(&d, 4711);
    assert_memory_equal(&c, &d, sizeof c);
    hash_key_seed(&d, 4712);
    assert_memory_not_equal(&c, &d, sizeof c);
}

/* A thousand subjects picked so that they all fall into one bucket under one key: under another they are spread like any others. (A
 * bucket of 256 that holds 20 of them is 8 standard deviations off.) */
static void
c11_what_collides_under_one_key_does_not_under_another(void **state)
{
    enum { N = 1000, BUCKETS = 256 };
    struct hash_key a, b;
    uint32_t n[BUCKETS] = {0};
    char text[32];
    (void)state;

    hash_key_seed(&a, 1);
    hash_key_seed(&b, 2);
    for (uint32_t i = 0, found = 0; found < N; i++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "evil.%u", i);
        if (hash_bytes(&a, text, len) % BUCKETS != 0)
            continue;
        found++;
        assert_true(++n[hash_bytes(&b, text, len) % BUCKETS] < 20);
    }
}

/* Hashes of 100,000 numbered subjects spread over the low bits as evenly as chance has it: no bucket of 1,024 has
 * twice its share (one that has is farther off than 9 standard deviations). */
static void
hashes_spread(void **state)
{
    (void)state;
    enum { N = 100000, BUCKETS = 1024 };
    static uint32_t n[BUCKETS];
    struct hash_key key;
    hash_key_seed(&key, 1);
    for (uint32_t i = 0; i < N; i++) {
        char subject[32];
        int len = snprintf(subject, sizeof subject, "orders.eu.%u", i);
        n[hash_bytes(&key, subject, (size_t)len) % BUCKETS]++;
    }
    for (uint32_t k = 0; k < BUCKETS; k++)
        assert_true(n[k] < 2 * N / BUCKETS);
}

/* splitmix64 from seed 0 and xoshiro256** from state {1, 2, 3, 4}: the results as worked out from the definitions apart
 * from this code. */
static void
the_generator_is_the_published_one(void **state)
{
    (void)state;
    uint64_t seed = 0;
    assert_true(rng_split(&seed) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(rng_split(&seed) == UINT64_C(0x6e789e6aa1b965f4));
    struct rng r = {{1, 2, 3, 4}};
    const uint64_t expect[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240), UINT64_C(1216172134540287360)};
    for (uint32_t i = 0; i < N_ELEMS(expect); i++)
        assert_true(rng_next(&r) == expect[i]);
}

/* Each result below n comes about equally often, n = 1 gives 0 only, and huge n work. */
static void
below_is_fair(void **state)
{
    (void)state;
    enum { N = 70000 };
    struct rng r;
    rng_init(&r, 99);
    uint32_t n[7] = {0};
    for (uint32_t i = 0; i < N; i++)
        n[rng_below(&r, 7)]++;
    for (uint32_t k = 0; k < 7; k++)
        assert_true(n[k] > N / 7 * 9 / 10 && n[k] < N / 7 * 11 / 10);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(rng_below(&r, 1) == 0);
    bool upper = false;
    for (uint32_t i = 0; i < 100; i++) {
        uint64_t x = rng_below(&r, UINT64_MAX);
        upper |= x > UINT64_MAX / 2;
        assert_true(x < UINT64_MAX);
    }
    assert_true(upper);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c7_the_paper_s_example_comes_out),   cmocka_unit_test(no_bytes_have_a_hash),
        cmocka_unit_test(keys_differ_and_matter),          cmocka_unit_test(hashes_spread),
        cmocka_unit_test(c11_what_collides_under_one_key_does_not_under_another),
        cmocka_unit_test(the_generator_is_the_published_one), cmocka_unit_test(below_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
