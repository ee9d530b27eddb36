/* Property test of interest.h and sidmap.h: random calls over few subjects, compared with an array (interest_world.h). It is built
 * twice: with the real hashes, and with so few different ones that everything collides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/interest_world.h"
#include "core/rt/rng.h"

enum { TEXT_MAX = 128 };

/* A subject of few tokens out of few: `*` and `>` and, where it is to be published, empty ones, too. */
static uint32_t
random_subject(struct rng *r, char *ret, bool pattern)
{
    static const char *const tokens[] = {"a", "b", "ccc", "dddd", "eightlen", "nine-long", "a-token-of-twenty-or-more-bytes", "*", ">", ""};
    uint32_t n = 1 + (uint32_t)rng_below(r, 4), len = 0, n_kinds = rng_below(r, 3) == 0 ? 7 : 2;
    for (uint32_t i = 0; i < n; i++) {
        const char *t = tokens[rng_below(r, n_kinds)];
        uint64_t die = rng_below(r, 20);
        if (pattern && (die < 4 || (die < 6 && i + 1 == n)))
            t = die < 4 ? "*" : ">";
        else if (!pattern && die < 2)
            t = tokens[7 + rng_below(r, 3)];
        len += (uint32_t)snprintf(ret + len, TEXT_MAX - len, "%s%s", i == 0 ? "" : ".", t);
    }
    return len;
}

static void
random_step(struct world *w, struct rng *r, uint32_t n_target)
{
    char subject[TEXT_MAX], queue[8];
    uint32_t shard = (uint32_t)rng_below(r, w->n_shards), acc = (uint32_t)rng_below(r, 3) * 64; /* accounts that share a bucket */
    if (rng_below(r, 3) == 0) {
        if (w->n_subs > 0 && rng_below(r, 2 * n_target) < w->n_subs) {
            world_remove(w, (uint32_t)rng_below(r, w->n_subs));
        } else {
            uint32_t len = random_subject(r, subject, true);
            uint32_t queue_len = rng_below(r, 3) != 0 ? 0 : (uint32_t)snprintf(queue, sizeof queue, "q%u", (unsigned)rng_below(r, 4));
            world_add(w, shard, acc, (uint8_t *)subject, len, (uint8_t *)queue, queue_len);
        }
        return;
    }
    uint32_t len = random_subject(r, subject, false);
    for (uint32_t n = 1 + (uint32_t)rng_below(r, 3); n > 0; n--) /* the second time a result is kept, the third time the hint leads to it */
        world_match(w, shard, acc, (uint8_t *)subject, len, (uint32_t)rng_below(r, WORLD_HINTS));
}

static void
random_run(uint64_t seed, uint32_t n_shards, uint32_t n_cached_max, uint32_t n_target, uint32_t n_steps, bool faults)
{
    static struct world w;
    struct rng r;
    rng_init(&r, seed);
    world_init(&w, n_shards, n_cached_max);
    w.faults = faults;
    for (uint32_t i = 0; i < n_steps; i++) {
        random_step(&w, &r, n_target);
        if (i % 256 == 0) {
            world_check(&w);
            world_compare_subs(&w);
            (void)interest_trim(w.ix[rng_below(&r, n_shards)]);
        }
    }
    struct interest_stats st;
    interest_stats(w.ix[0], &st);
    assert_true(st.n_matches > 0 && (st.n_cache_hits > 0 || n_cached_max == 8) && st.n_hint_hits > 0);
    if (faults && fault_armed_builds)
        assert_true(w.n_failed > 0);
    while (w.n_subs > 0)
        world_remove(&w, w.n_subs - 1);
    world_check(&w);
    for (uint32_t s = 0; s < n_shards; s++) {
        interest_stats(w.ix[s], &st);
        assert_int_equal(st.n_subs + st.n_nodes + st.n_remote, 0);
    }
    world_fini(&w);
}

/* Few subscriptions that come and go all the time. */
static void
small_worlds_match_like_the_array(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 12; seed++)
        random_run(seed, 1 + seed % WORLD_SHARDS_MAX, 0, 6, 6000, false);
}

/* Many, so that lists and sid maps outgrow their structs. */
static void
large_worlds_match_like_the_array(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 4; seed++)
        random_run(100 + seed, 1 + seed % WORLD_SHARDS_MAX, 0, 400, 6000, false);
}

/* A cache of one set: results push each other out all the time. */
static void
a_tiny_cache_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 4; seed++)
        random_run(200 + seed, 2, 8, 20, 6000, false);
}

/* Every allocation of every call fails once: nothing changes but that the call says so. */
static void
failing_allocations_change_nothing(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 6; seed++)
        random_run(300 + seed, 1 + seed % 3, 0, seed % 2 == 0 ? 10 : 100, 2500, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_worlds_match_like_the_array),
        cmocka_unit_test(large_worlds_match_like_the_array),
        cmocka_unit_test(a_tiny_cache_changes_nothing),
        cmocka_unit_test(failing_allocations_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
