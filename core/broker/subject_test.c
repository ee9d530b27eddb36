/* Tests of subject.h. */
#include "core/broker/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/subject_naive.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

#define S(text) (const uint8_t *)(text), strlen(text)

/* A copy of exactly its length on the heap, so that a sanitizer sees a read beyond it. */
static uint8_t *
exact_copy(const char *text, size_t len)
{
    uint8_t *p = malloc(len == 0 ? 1 : len);
    assert_non_null(p);
    memcpy(p, text, len);
    return p;
}

/* Each line of the sheet's table, for a subscriber. */
static void
valid_subjects_have_no_empty_token_and_end_with_gt(void **state)
{
    (void)state;
    const char *valid[] = {"a", "a.b", "*", ">", "a.*", "*.a", "a.>", "*.>", "*.*.*", "a*", "*a", "a>", ">a", "a.>b.c", "a.b>.c", ">>", "**", "\x01.\xff", "a\f.\v\x7f",
                           "$SYS.REQ", "_INBOX.x.1", "a.*b*.c"};
    const char *invalid[] = {"", ".", "..", ".a", "a.", "a..b", ">.a", "a.>.b", ">.>", "a b", "a\tb", "a\rb", "a\nb", " a", "a.> ", "*..*", ">."};
    for (size_t i = 0; i < N_ELEMS(valid); i++)
        assert_true(subject_valid(S(valid[i])));
    for (size_t i = 0; i < N_ELEMS(invalid); i++)
        assert_false(subject_valid(S(invalid[i])));
    assert_true(subject_valid((const uint8_t *)"a\0b", 3)); /* NUL is a byte like others */
}

/* One byte more than a subject's number can hold is too long. */
static void
subjects_longer_than_the_maximum_are_invalid(void **state)
{
    (void)state;
    uint8_t *s = malloc(SUBJECT_LEN_MAX + 1);
    assert_non_null(s);
    memset(s, 'x', SUBJECT_LEN_MAX + 1);
    assert_true(subject_valid(s, SUBJECT_LEN_MAX));
    assert_false(subject_valid(s, SUBJECT_LEN_MAX + 1));
    free(s);
}

/* A wildcard is a whole token; inside a longer one it is a byte like others. */
static void
literal_means_that_no_token_is_a_wildcard(void **state)
{
    (void)state;
    const char *literal[] = {"a", "a.b", "a*", "*a", ">a", "a.>b", "", "a..b", "**.>>", "a.b*"};
    const char *wild[] = {"*", ">", "a.*", "*.a", "a.*.b", "a.>", ">.a", "..*"};
    for (size_t i = 0; i < N_ELEMS(literal); i++)
        assert_true(subject_literal(S(literal[i])));
    for (size_t i = 0; i < N_ELEMS(wild); i++)
        assert_false(subject_literal(S(wild[i])));
    assert_true(subject_valid_publish(S("a.b")));
    assert_true(subject_valid_publish(S("a.\f")));
    assert_false(subject_valid_publish(S("a.*")));
    assert_false(subject_valid_publish(S("a..b")));
}

/* `*` is one token, `>` one or more; a published `*` is a token like others; empty tokens match nothing, not even `>`. */
static void
patterns_match_token_by_token(void **state)
{
    (void)state;
    const struct {
        const char *pattern, *subject;
        bool yes;
    } t[] = {
        {"a.b", "a.b", true},   {"a.b", "a.c", false},  {"a.b", "a", false},     {"a", "a.b", false},     {"a.*", "a.b", true},    {"a.*", "a", false},
        {"a.*", "a.b.c", false}, {"*", "a", true},      {"*", "a.b", false},     {">", "a", true},        {">", "a.b.c", true},    {"a.>", "a", false},
        {"a.>", "a.b", true},   {"a.>", "a.b.c", true}, {"*.b.>", "a.b.c", true}, {"*.b.>", "a.b", false}, {"a.*", "a.*", true},    {"a.>", "a.*", true},
        {"a.b", "a.*", false},  {">", "a..b", false},   {"a.*.b", "a..b", false}, {">", "", false},        {"a.>", "a.", false},    {"*", "", false},
        {">", ">", true},       {"a*", "ab", false},    {"a*", "a*", true},      {"*.*", "a.", false},    {">", ".a", false},      {">", "a.b.", false},
    };
    for (size_t i = 0; i < N_ELEMS(t); i++)
        assert_int_equal(subject_match(S(t[i].pattern), S(t[i].subject)), t[i].yes);
}

static void
subset_is_about_every_subject_and_overlap_about_one(void **state)
{
    (void)state;
    const struct {
        const char *a, *b;
        bool subset, overlap;
    } t[] = {
        {"a.b", "a.b", true, true},    {"a.b", "a.*", true, true},     {"a.*", "a.b", false, true},  {"a.*", "a.>", true, true},
        {"a.>", "a.*", false, true},   {"a.>", ">", true, true},       {">", "a.>", false, true},    {"*.b", "a.*", false, true},
        {"a.*", "b.*", false, false},  {"a", "a.>", false, false},     {"a.b", "a", false, false},   {"*", "*", true, true},
        {">", "*", false, true},       {"*", ">", true, true},         {"a.*.c", "a.b.*", false, true}, {"a.>", "*.b", false, true},
        {"a.b.c", "a.*", false, false}, {"s.>", "s.*", false, true},   {"*.*", "*.>", true, true},   {"*.>", "*.*", false, true},
        {">", ">", true, true},        {"a*", "*", true, true},        {"*", "a*", false, true},     {"a.b.>", "a.>", true, true},
    };
    for (size_t i = 0; i < N_ELEMS(t); i++) {
        assert_int_equal(subject_subset(S(t[i].a), S(t[i].b)), t[i].subset);
        assert_int_equal(subject_overlap(S(t[i].a), S(t[i].b)), t[i].overlap);
        assert_int_equal(subject_overlap(S(t[i].b), S(t[i].a)), t[i].overlap);
    }
}

static void
tokens_are_counted(void **state)
{
    (void)state;
    assert_int_equal(subject_n_tokens(S("")), 0);
    assert_int_equal(subject_n_tokens(S("a")), 1);
    assert_int_equal(subject_n_tokens(S("a.b")), 2);
    assert_int_equal(subject_n_tokens(S("..")), 3);
}

/* Random strings of few letters: every function agrees with the plain definitions. Each string ends where its memory ends. */
static void
everything_agrees_with_the_plain_definitions(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 11);
    static struct naive p, s;
    for (int n = 0; n < 300000; n++) {
        char a[24], b[24];
        size_t a_len = rng_below(&r, sizeof a), b_len = rng_below(&r, sizeof b);
        for (size_t i = 0; i < a_len; i++)
            a[i] = "aab..*> >"[rng_below(&r, rng_below(&r, 8) == 0 ? 9 : 7)];
        for (size_t i = 0; i < b_len; i++)
            b[i] = "aab..*>"[rng_below(&r, 7)];
        uint8_t *pa = exact_copy(a, a_len), *pb = exact_copy(b, b_len);
        naive_split(&p, pa, a_len);
        naive_split(&s, pb, b_len);
        assert_int_equal(subject_valid(pa, a_len), naive_valid(&p, pa, a_len));
        assert_int_equal(subject_literal(pa, a_len), naive_literal(&p));
        assert_int_equal(subject_valid_publish(pa, a_len), naive_valid(&p, pa, a_len) && naive_literal(&p));
        assert_int_equal(subject_has_empty_token(pa, a_len), naive_has_empty(&p));
        assert_int_equal(subject_n_tokens(pa, a_len), a_len == 0 ? 0 : p.n);
        if (naive_valid(&p, pa, a_len))
            assert_int_equal(subject_match(pa, a_len, pb, b_len), naive_match(&p, &s));
        free(pa);
        free(pb);
    }
}

/* All subjects of up to 4 tokens out of {a, b, c}, where patterns only know a and b, stand for all subjects there are: c for any
 * other token. */
static size_t
all_subjects(char (*ret)[8])
{
    size_t n = 0;
    for (int len = 1, n_of_len = 3; len <= 4; len++, n_of_len *= 3) {
        for (int k = 0; k < n_of_len; k++, n++) {
            for (int i = 0, x = k; i < len; i++, x /= 3) {
                ret[n][2 * i] = (char)('a' + x % 3);
                ret[n][2 * i + 1] = i + 1 < len ? '.' : '\0';
            }
        }
    }
    return n;
}

static size_t
random_pattern(struct rng *r, char *ret)
{
    size_t n_tokens = 1 + rng_below(r, 3), len = 0;
    for (size_t i = 0; i < n_tokens; i++) {
        ret[len++] = i + 1 == n_tokens ? "aab*>"[rng_below(r, 5)] : "aab*"[rng_below(r, 4)];
        ret[len++] = '.';
    }
    ret[--len] = '\0';
    return len;
}

/* Patterns of up to 3 tokens: subset and overlap say what matching every subject says. */
static void
subset_and_overlap_agree_with_matching_all_subjects(void **state)
{
    (void)state;
    static char all[200][8];
    size_t n_all = all_subjects(all);
    assert_int_equal(n_all, 3 + 9 + 27 + 81);
    struct rng r;
    rng_init(&r, 5);
    for (int n = 0; n < 20000; n++) {
        char a[8], b[8];
        size_t a_len = random_pattern(&r, a), b_len = random_pattern(&r, b);
        bool subset = true, overlap = false;
        for (size_t i = 0; i < n_all; i++) {
            bool in_a = subject_match((uint8_t *)a, a_len, S(all[i])), in_b = subject_match((uint8_t *)b, b_len, S(all[i]));
            subset = subset && (!in_a || in_b);
            overlap = overlap || (in_a && in_b);
        }
        assert_int_equal(subject_subset((uint8_t *)a, a_len, (uint8_t *)b, b_len), subset);
        assert_int_equal(subject_overlap((uint8_t *)a, a_len, (uint8_t *)b, b_len), overlap);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_subjects_have_no_empty_token_and_end_with_gt),
        cmocka_unit_test(subjects_longer_than_the_maximum_are_invalid),
        cmocka_unit_test(literal_means_that_no_token_is_a_wildcard),
        cmocka_unit_test(patterns_match_token_by_token),
        cmocka_unit_test(subset_is_about_every_subject_and_overlap_about_one),
        cmocka_unit_test(tokens_are_counted),
        cmocka_unit_test(everything_agrees_with_the_plain_definitions),
        cmocka_unit_test(subset_and_overlap_agree_with_matching_all_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
