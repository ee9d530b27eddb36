/* subjset_test.c - the compiled set says what a loop over its patterns says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/subjset.h"
#include "core/broker/subject.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"

enum { PATTERNS_MAX = 40, TEXT_MAX = 128 };

struct set {
    char text[PATTERNS_MAX][TEXT_MAX];
    const char *ptr[PATTERNS_MAX];
    uint32_t n;
    struct subjset *compiled;
};

/* Few tokens, so that patterns meet. odd: also what only a publisher may send (empty tokens). */
static void
make_subject(struct rng *r, char *to, bool wild, bool odd)
{
    static const char *const tokens[] = {"a", "b", "cc", "*", ">", "a*", "longer-token-than-eight", ""};
    uint32_t n = 1 + (uint32_t)rng_below(r, 4);

    to[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        uint32_t t = (uint32_t)rng_below(r, wild ? 7 : 3);
        if (odd && rng_below(r, 8) == 0)
            t = 3 + (uint32_t)rng_below(r, 5);
        if (t == 4 && i + 1 < n && !odd)
            t = 3; /* `>` only at the end */
        if (i > 0)
            strcat(to, ".");
        strcat(to, tokens[t]);
    }
}

static void
make_set(struct rng *r, struct set *s)
{
    static const char *const queues[] = {" q", " q.*", " q.x", " >", " q q"};

    s->n = (uint32_t)rng_below(r, PATTERNS_MAX);
    for (uint32_t i = 0; i < s->n; i++) {
        make_subject(r, s->text[i], true, false);
        if (rng_below(r, 3) == 0)
            strcat(s->text[i], queues[rng_below(r, 4)]);
        s->ptr[i] = s->text[i];
    }
    assert_int_equal(subjset_new(s->ptr, s->n, &s->compiled), OK);
}

enum how { MATCH, COVER, OVERLAP };

/* The rules, pattern by pattern. */
static struct subjset_hit
naive(const struct set *s, enum how how, const char *subject, const char *queue)
{
    struct subjset_hit hit = {0};
    const uint8_t *sub = (const uint8_t *)subject;
    size_t len = strlen(subject), queue_len = strlen(queue);

    for (uint32_t i = 0; i < s->n; i++) {
        const uint8_t *p = (const uint8_t *)s->ptr[i];
        size_t p_len = strcspn(s->ptr[i], " ");
        const char *q = s->ptr[i] + p_len + (s->ptr[i][p_len] == ' ');
        if (!(how == MATCH ? subject_match(p, p_len, sub, len) : how == COVER ? subject_subset(sub, len, p, p_len) : subject_overlap(sub, len, p, p_len)))
            continue;
        if (*q == '\0') {
            hit.plain = true;
            continue;
        }
        hit.queues = true;
        hit.queue |= queue_len > 0 && (strcmp(q, queue) == 0 || subject_match((const uint8_t *)q, strlen(q), (const uint8_t *)queue, queue_len));
    }
    return hit;
}

/* 60,000 questions of each kind to 2,000 random sets. Where all patterns are plain, the answer is plain or not; where some name queues, all of it counts. */
static void
a_set_says_what_its_patterns_say(void **state)
{
    static const char *const queues[] = {"", "q", "q.x", "q.y", "p", "a..b", "*"};
    struct rng r;
    uint32_t n_hits = 0;
    (void)state;

    rng_init(&r, 1);
    for (uint32_t round = 0; round < 2000; round++) {
        struct set s;
        make_set(&r, &s);
        for (uint32_t i = 0; i < 30; i++) {
            char subject[TEXT_MAX], pattern[TEXT_MAX];
            const char *queue = queues[rng_below(&r, 7)];
            make_subject(&r, subject, false, true);
            make_subject(&r, pattern, true, false);
            const uint8_t *sub = (const uint8_t *)subject, *pat = (const uint8_t *)pattern, *q = (const uint8_t *)queue;
            struct subjset_hit got = subjset_match(s.compiled, sub, strlen(subject), q, strlen(queue)), want = naive(&s, MATCH, subject, queue);
            assert_int_equal(got.plain, want.plain);
            assert_int_equal(got.queues, want.queues);
            assert_int_equal(got.queue, want.queue);
            got = subjset_cover(s.compiled, pat, strlen(pattern), q, strlen(queue));
            want = naive(&s, COVER, pattern, queue);
            assert_int_equal(got.plain, want.plain);
            assert_int_equal(got.queues, want.queues);
            assert_int_equal(got.queue, want.queue);
            want = naive(&s, OVERLAP, pattern, queue);
            assert_int_equal(subjset_overlap(s.compiled, pat, strlen(pattern)), want.plain || want.queues);
            n_hits += got.plain + want.plain;
        }
        subjset_free(s.compiled);
    }
    assert_in_range(n_hits, 10000, 110000); /* neither all nor nothing */
}

/* As published, `*` and `>` are ordinary tokens: a pattern's wildcard covers them, a pattern's literal does not. */
static void
wildcards_that_are_published_are_tokens(void **state)
{
    static const char *const patterns[] = {"a.*", "b.c", "d.>"};
    struct subjset *s;
    (void)state;

    assert_int_equal(subjset_new(patterns, 3, &s), OK);
    assert_true(subjset_match(s, (const uint8_t *)"a.>", 3, NULL, 0).plain);
    assert_false(subjset_cover(s, (const uint8_t *)"a.>", 3, NULL, 0).plain);
    assert_false(subjset_match(s, (const uint8_t *)"b.*", 3, NULL, 0).plain);
    assert_true(subjset_cover(s, (const uint8_t *)"d.>", 3, NULL, 0).plain);
    assert_true(subjset_cover(s, (const uint8_t *)"d.*.>", 5, NULL, 0).plain);
    assert_false(subjset_match(s, (const uint8_t *)"d", 1, NULL, 0).plain);
    subjset_free(s);
}

/* C12: 32,000 tokens, each of which goes two ways: no recursion, and each node is visited once at most. */
static void
long_subjects_need_no_stack(void **state)
{
    enum { N = 32000 };
    static char pattern[2 * N], subject[2 * N];
    const char *patterns[] = {pattern};
    struct subjset *s;
    (void)state;

    for (uint32_t i = 0; i < N; i++) {
        pattern[2 * i] = '*';
        subject[2 * i] = 'a';
        pattern[2 * i + 1] = subject[2 * i + 1] = '.';
    }
    pattern[2 * N - 1] = subject[2 * N - 1] = '\0';
    assert_int_equal(subjset_new(patterns, 1, &s), OK);
    assert_true(subjset_match(s, (const uint8_t *)subject, 2 * N - 1, NULL, 0).plain);
    assert_false(subjset_match(s, (const uint8_t *)subject, 2 * N - 3, NULL, 0).plain);
    subjset_free(s);
}

static void
what_is_no_subject_covers_nothing(void **state)
{
    static const char *const patterns[] = {"", "a..b", ">.a", " ", "a."};
    struct subjset *s;
    (void)state;

    assert_int_equal(subjset_new(patterns, 5, &s), OK);
    assert_false(subjset_match(s, (const uint8_t *)"a", 1, NULL, 0).plain);
    assert_false(subjset_match(s, (const uint8_t *)"a..b", 4, NULL, 0).plain);
    assert_false(subjset_overlap(s, (const uint8_t *)">", 1));
    subjset_free(s);
}

static void
without_memory_there_is_no_set(void **state)
{
    static const char *const patterns[] = {"a.b", "a.* q"};
    (void)state;

    if (!fault_armed_builds)
        skip();
    for (int64_t n = 0;; n++) {
        struct subjset *s = NULL;
        fault_arm(n);
        enum err e = subjset_new(patterns, 2, &s);
        if (!fault_disarm()) {
            assert_int_equal(e, OK);
            subjset_free(s);
            return;
        }
        assert_int_equal(e, ERR_NOMEM);
        assert_null(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_says_what_its_patterns_say),
        cmocka_unit_test(wildcards_that_are_published_are_tokens),
        cmocka_unit_test(long_subjects_need_no_stack),
        cmocka_unit_test(what_is_no_subject_covers_nothing),
        cmocka_unit_test(without_memory_there_is_no_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
