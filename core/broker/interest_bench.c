/* What the interest index costs: nanoseconds per call, bytes per subscription. Not a test: it prints, it judges nothing.
 *
 *     interest_bench [subscriptions] [calls per round] [case]       default: 1000000 200000, all cases
 *
 * Each case is a function of its own (bench_*), so that callgrind counts its instructions alone:
 *     valgrind --tool=callgrind --toggle-collect=bench_hint_hit interest_bench 100000 100000 hint_hit
 * The best of the rounds is printed beside the median: neighbours on the machine only ever add.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/broker/interest.h"
#include "core/broker/sidmap.h"
#include "core/rt/assert.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

enum { ROUNDS = 15, LEN = 20, N_WILD = 1000, N_HOT = 512, CHURN = 4096 };

struct bench {
    struct interest *ix;
    struct sidmap sids;
    uint32_t n_subs;
    uint8_t (*subjects)[LEN];
    uint8_t (*published)[LEN]; /* n_calls random ones of them, in the order in which a round publishes them */
    uint32_t n_calls;
    uint32_t churn[CHURN];
    struct sidmap churn_sids;
    uint64_t sum;
};

static int64_t
now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static uint64_t
resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;
    ASSERT(f != NULL && fscanf(f, "%lu %lu", &size, &resident) == 2);
    fclose(f);
    return resident * UINT64_C(4096);
}

static uint32_t
bench_add(struct bench *b, struct sidmap *sids, const void *subject, uint32_t len, uint32_t sid)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%u", sid);
    struct interest_change ch;
    uint32_t sub;
    ASSERT(interest_add(b->ix, 1, subject, len, NULL, 0, 7, (uint8_t *)text, (uint32_t)n, &sub, &ch) == OK);
    ASSERT(sidmap_add(sids, b->ix, sub) == OK);
    return sub;
}

/* One publisher, one subject of 10 bytes. */
__attribute__((noinline)) static void
bench_hint_hit(struct bench *b)
{
    uint32_t hint = 0;
    for (uint32_t i = 0; i < b->n_calls; i++) {
        __asm__ volatile("" ::: "memory");
        b->sum += interest_match(b->ix, 1, (const uint8_t *)"hot.events", 10, &hint)->n_lists;
    }
}

/* Some hundred hot subjects in turn. */
__attribute__((noinline)) static void
bench_cache_hit(struct bench *b)
{
    uint32_t hint = 0;
    for (uint32_t i = 0; i < b->n_calls; i++)
        b->sum += interest_match(b->ix, 1, b->subjects[i % N_HOT], LEN, &hint)->n_lists;
}

/* Any of the subscribed subjects. Each result is read as far as delivery does: the sub. */
__attribute__((noinline)) static void
bench_random(struct bench *b)
{
    uint32_t hint = 0;
    for (uint32_t i = 0; i < b->n_calls; i++) {
        const struct match *m = interest_match(b->ix, 1, b->published[i], LEN, &hint);
        b->sum += interest_sub(b->ix, sublist_items(m->lists[0])[0])->ep;
    }
}

/* Subjects nobody subscribed to. */
__attribute__((noinline)) static void
bench_nobody(struct bench *b)
{
    uint32_t hint = 0;
    uint8_t subject[LEN];
    for (uint32_t i = 0; i < b->n_calls; i++) {
        memcpy(subject, b->published[i], LEN);
        subject[LEN - 1] = 'x';
        b->sum += interest_match(b->ix, 1, subject, LEN, &hint)->n_lists;
    }
}

/* Subscribe to new literals (text of the sid included), then take them back. */
__attribute__((noinline)) static void
bench_add_remove(struct bench *b)
{
    uint8_t subject[LEN];
    struct interest_change ch;
    for (uint32_t i = 0; i < b->n_calls;) {
        uint32_t n = (uint32_t)min_u64(CHURN, b->n_calls - i);
        for (uint32_t k = 0; k < n; k++) {
            memcpy(subject, b->published[i + k], LEN);
            subject[LEN - 1] = 'y';
            b->churn[k] = bench_add(b, &b->churn_sids, subject, LEN, k);
        }
        for (uint32_t k = 0; k < n; k++) {
            sidmap_remove(&b->churn_sids, b->ix, b->churn[k]);
            interest_remove(b->ix, b->churn[k], &ch);
        }
        i += n;
    }
}

/* A hot subject, with somebody's unrelated literal coming and going at every 20th publish. */
__attribute__((noinline)) static void
bench_churn_literal(struct bench *b)
{
    uint32_t hint = 0, sub = 0;
    struct interest_change ch;
    for (uint32_t i = 0; i < b->n_calls; i++) {
        b->sum += interest_match(b->ix, 1, b->subjects[i % N_HOT], LEN, &hint)->n_lists;
        if (i % 20 == 0) {
            ASSERT(interest_add(b->ix, 1, (const uint8_t *)"some.where.else", 15, NULL, 0, 7, (const uint8_t *)"1", 1, &sub, &ch) == OK);
        } else if (i % 20 == 10) {
            interest_remove(b->ix, sub, &ch);
            sub = 0;
        }
    }
    if (sub != 0)
        interest_remove(b->ix, sub, &ch);
}

/* The same with a wildcard of another first token. */
__attribute__((noinline)) static void
bench_churn_wild(struct bench *b)
{
    uint32_t hint = 0, sub = 0;
    struct interest_change ch;
    for (uint32_t i = 0; i < b->n_calls; i++) {
        b->sum += interest_match(b->ix, 1, b->subjects[i % N_HOT], LEN, &hint)->n_lists;
        if (i % 20 == 0) {
            ASSERT(interest_add(b->ix, 1, (const uint8_t *)"some.*.else", 11, NULL, 0, 7, (const uint8_t *)"1", 1, &sub, &ch) == OK);
        } else if (i % 20 == 10) {
            interest_remove(b->ix, sub, &ch);
            sub = 0;
        }
    }
    if (sub != 0)
        interest_remove(b->ix, sub, &ch);
}

static int
compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
bench_run(struct bench *b, const char *only, const char *name, const char *what, void (*fn)(struct bench *))
{
    if (only != NULL && strcmp(only, name) != 0)
        return;
    struct rng r;
    rng_init(&r, 99);
    double ns[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        for (uint32_t k = 0; k < b->n_calls; k++)
            memcpy(b->published[k], b->subjects[rng_below(&r, b->n_subs)], LEN);
        int64_t t = now_ns();
        fn(b);
        ns[i] = (double)(now_ns() - t) / b->n_calls;
    }
    qsort(ns, ROUNDS, sizeof ns[0], compare_double);
    printf("%-14s %8.1f ns  (median %8.1f)  %s\n", name, ns[0], ns[ROUNDS / 2], what);
    fflush(stdout);
}

static void
bench_fill(struct bench *b)
{
    uint64_t before = resident_bytes();
    struct interest_stats st;
    int64_t t = now_ns();
    for (uint32_t i = 0; i < b->n_subs; i++)
        bench_add(b, &b->sids, b->subjects[i], LEN, i);
    double ns = (double)(now_ns() - t) / b->n_subs;
    interest_stats(b->ix, &st);
    printf("fill           %8.1f ns  %.1f bytes per subscription (cache included), %.1f resident\n", ns,
           (double)(st.bytes + sidmap_bytes(&b->sids)) / b->n_subs, (double)(resident_bytes() - before) / b->n_subs);
}

/* A third each: first tokens nobody publishes to, the same first token and one more level, deep in the same branch. */
static void
bench_add_wildcards(struct bench *b, struct sidmap *sids)
{
    char text[64];
    for (uint32_t i = 0; i < N_WILD; i++) {
        int n = snprintf(text, sizeof text, i % 3 == 0 ? "other%u.*.x" : i % 3 == 1 ? "orders.*.%06u.itm" : "orders.eu.%06u.>", i * 37);
        bench_add(b, sids, text, (uint32_t)n, 3000000 + i);
    }
}

int
main(int argc, char **argv)
{
    struct bench b = {.n_subs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000,
                      .n_calls = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200000};
    const char *only = argc > 3 ? argv[3] : NULL;
    ASSERT(b.n_subs >= N_HOT && b.n_calls >= 1);
    struct interest_cfg cfg = {.n_shards = 1};
    hash_key_seed(&cfg.key, 1);
    b.ix = interest_new(&cfg);
    b.subjects = malloc((size_t)b.n_subs * LEN);
    b.published = malloc((size_t)b.n_calls * LEN);
    ASSERT(b.ix != NULL && b.subjects != NULL && b.published != NULL);
    for (uint32_t i = 0; i < b.n_subs; i++) {
        char text[LEN + 1];
        ASSERT(snprintf(text, sizeof text, "orders.eu.%06x.itm", i & 0xffffff) == LEN);
        memcpy(b.subjects[i], text, LEN);
    }
    bench_fill(&b);
    bench_add(&b, &b.sids, "hot.events", 10, 2000000);
    bench_run(&b, only, "hint_hit", "a publisher's own last subject (10 bytes)", bench_hint_hit);
    bench_run(&b, only, "cache_hit", "512 hot subjects in turn", bench_cache_hit);
    bench_run(&b, only, "random", "any subscribed literal and its sub, no wildcards", bench_random);
    bench_run(&b, only, "nobody", "subjects without subscriptions, no wildcards", bench_nobody);
    bench_run(&b, only, "add_remove", "one new literal, and back (sid map and its text included)", bench_add_remove);
    bench_run(&b, only, "churn_literal", "cache_hit, and every 20th time a literal comes or goes", bench_churn_literal);
    bench_run(&b, only, "churn_wild", "cache_hit, and every 20th time a wildcard comes or goes", bench_churn_wild);
    struct sidmap wild_sids = {0};
    bench_add_wildcards(&b, &wild_sids);
    printf("--- and 1000 wildcards, two thirds of them under the first token that is published\n");
    bench_run(&b, only, "hint_hit_w", "a publisher's own last subject (10 bytes)", bench_hint_hit);
    bench_run(&b, only, "cache_hit_w", "512 hot subjects in turn", bench_cache_hit);
    bench_run(&b, only, "random_w", "any subscribed literal and its sub", bench_random);
    bench_run(&b, only, "nobody_w", "subjects without subscriptions", bench_nobody);
    struct interest_stats st;
    interest_stats(b.ix, &st);
    printf("%llu matches, %llu by hint, %llu in the cache (%llu)\n", (unsigned long long)st.n_matches, (unsigned long long)st.n_hint_hits,
           (unsigned long long)st.n_cache_hits, (unsigned long long)b.sum % 10);
    sidmap_fini(&b.sids);
    sidmap_fini(&wild_sids);
    sidmap_fini(&b.churn_sids);
    interest_free(b.ix);
    free(b.subjects);
    free(b.published);
    return 0;
}
