/* Tests of sidmap.h. (interest_model_test.c uses it, too.) */
#include "core/broker/sidmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

enum { N = 3000 };

struct fixture {
    struct interest *ix;
    struct sidmap m;
    uint32_t subs[N];
};

static uint32_t
sid_of(uint32_t i, char *ret, size_t len)
{
    return (uint32_t)snprintf(ret, len, i % 4 == 0 ? "sid-that-is-longer-%u" : "%u", i);
}

static void
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    struct interest_cfg cfg = {.n_shards = 1};
    hash_key_seed(&cfg.key, 3);
    f->ix = interest_new(&cfg);
    assert_non_null(f->ix);
    for (uint32_t i = 0; i < N; i++) {
        char sid[64];
        uint32_t len = sid_of(i, sid, sizeof sid);
        struct interest_change ch;
        assert_int_equal(interest_add(f->ix, 1, (const uint8_t *)"s", 1, NULL, 0, 1, (uint8_t *)sid, len, &f->subs[i], &ch), OK);
    }
}

static void
fixture_fini(struct fixture *f)
{
    sidmap_fini(&f->m);
    interest_free(f->ix);
}

static uint32_t
find(struct fixture *f, uint32_t i)
{
    char sid[64];
    uint32_t len = sid_of(i, sid, sizeof sid);
    return sidmap_find(&f->m, f->ix, (uint8_t *)sid, len);
}

/* Grown from none to thousands and back, at each size everything in it is found and nothing else, and two take no memory. */
static void
what_was_added_is_found(void **state)
{
    (void)state;
    static struct fixture f;
    fixture_init(&f);
    assert_int_equal(find(&f, 0), 0);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(find(&f, i), 0);
        assert_int_equal(sidmap_add(&f.m, f.ix, f.subs[i]), OK);
        assert_int_equal(f.m.n, i + 1);
        assert_int_equal(sidmap_bytes(&f.m) == 0, i < SIDMAP_INLINE);
        for (uint32_t k = 0; k <= i; k += i < 40 ? 1 : 97)
            assert_int_equal(find(&f, k), f.subs[k]);
    }
    for (uint32_t i = N; i-- > 0;) {
        uint32_t k = i % 2 == 0 ? i / 2 : N - 1 - i / 2; /* from both ends */
        assert_int_equal(find(&f, k), f.subs[k]);
        sidmap_remove(&f.m, f.ix, f.subs[k]);
        assert_int_equal(find(&f, k), 0);
    }
    assert_int_equal(f.m.n, 0);
    assert_int_equal(sidmap_bytes(&f.m), 0);
    fixture_fini(&f);
}

/* Going on from a cursor meets all of them, each once, and changes nothing. */
static void
each_is_next_once(struct fixture *f, uint32_t n)
{
    static bool seen[N];
    uint64_t cursor = 0;
    uint32_t sub, n_seen = 0;

    memset(seen, 0, sizeof seen);
    while ((sub = sidmap_next(&f->m, &cursor)) != 0) {
        uint32_t i = 0;
        while (i < n && f->subs[i] != sub)
            i++;
        assert_true(i < n && !seen[i]);
        seen[i] = true;
        n_seen++;
    }
    assert_int_equal(n_seen, n);
    assert_int_equal(sidmap_next(&f->m, &cursor), 0);
}

/* From every size: sidmap_any gives each sub once, when it is removed after having been given. */
static void
any_gives_each_once(void **state)
{
    (void)state;
    static struct fixture f;
    fixture_init(&f);
    const uint32_t sizes[] = {0, 1, 2, 3, 8, 9, 100, N};
    for (size_t k = 0; k < N_ELEMS(sizes); k++) {
        static bool seen[N];
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 0; i < sizes[k]; i++)
            assert_int_equal(sidmap_add(&f.m, f.ix, f.subs[i]), OK);
        uint32_t cursor = 0, sub, n = 0;
        each_is_next_once(&f, sizes[k]);
        while ((sub = sidmap_any(&f.m, &cursor)) != 0) {
            uint32_t i = 0;
            while (f.subs[i] != sub)
                i++;
            assert_true(i < sizes[k] && !seen[i]);
            seen[i] = true;
            n++;
            sidmap_remove(&f.m, f.ix, sub);
        }
        assert_int_equal(n, sizes[k]);
    }
    fixture_fini(&f);
}

/* Sids that differ in length or in the last byte only, and bytes of any value. */
static void
sids_are_bytes(void **state)
{
    (void)state;
    struct interest_cfg cfg = {.n_shards = 1};
    hash_key_seed(&cfg.key, 3);
    struct interest *ix = interest_new(&cfg);
    assert_non_null(ix);
    struct sidmap m = {0};
    static const uint8_t sid[40] = {1, 0, 0, 0, 0, 0xff};
    uint32_t subs[41];
    for (uint32_t len = 1; len <= 40; len++) {
        struct interest_change ch;
        assert_int_equal(interest_add(ix, 1, (const uint8_t *)"s", 1, NULL, 0, 1, sid, len, &subs[len], &ch), OK);
        assert_int_equal(sidmap_add(&m, ix, subs[len]), OK);
    }
    for (uint32_t len = 1; len <= 40; len++)
        assert_int_equal(sidmap_find(&m, ix, sid, len), subs[len]);
    assert_int_equal(sidmap_find(&m, ix, sid + 1, 3), 0);
    sidmap_fini(&m);
    interest_free(ix);
}

/* Whichever allocation fails, adding changes nothing; removing always works. */
static void
failing_allocations_change_nothing(void **state)
{
    (void)state;
    static struct fixture f;
    fixture_init(&f);
    uint32_t n_failed = 0;
    for (uint32_t i = 0; i < N; i++) {
        for (int64_t k = 0;; k++) {
            fault_arm(k);
            enum err e = sidmap_add(&f.m, f.ix, f.subs[i]);
            bool failed = fault_disarm();
            if (e == OK)
                break;
            assert_true(failed && e == ERR_NOMEM);
            n_failed++;
            assert_int_equal(f.m.n, i);
            assert_int_equal(find(&f, i), 0);
            assert_int_equal(find(&f, i / 2), i == 0 ? 0 : f.subs[i / 2]);
        }
    }
    if (fault_armed_builds)
        assert_true(n_failed > 10);
    for (uint32_t i = 0; i < N; i++) {
        fault_arm(0);
        sidmap_remove(&f.m, f.ix, f.subs[i]);
        (void)fault_disarm(); /* whether it asked for memory does not matter */
        assert_int_equal(find(&f, i), 0);
    }
    fixture_fini(&f);
}

/* What was listed is found later, whatever the map has become since. */
static void
what_was_listed_is_there_after_it_grew(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 40; n++) {
        static struct fixture f;
        struct sidmap_item items[40];
        fixture_init(&f);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(sidmap_add(&f.m, f.ix, f.subs[i]), OK);
        sidmap_list(&f.m, f.ix, items);
        for (uint32_t i = n; i < n + 40; i++)
            assert_int_equal(sidmap_add(&f.m, f.ix, f.subs[i]), OK);
        for (uint32_t i = 0; i < n; i++)
            assert_true(sidmap_has(&f.m, items[i]));
        sidmap_remove(&f.m, f.ix, items[0].sub);
        assert_false(sidmap_has(&f.m, items[0]));
        fixture_fini(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found),
        cmocka_unit_test(any_gives_each_once),
        cmocka_unit_test(sids_are_bytes),
        cmocka_unit_test(failing_allocations_change_nothing),
        cmocka_unit_test(what_was_listed_is_there_after_it_grew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
