/* Tests of mapping.h: texts as nats-server 2.14.5 has them, and generated tables against a plain scan. */
#include "core/broker/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/subject.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

enum { CAP = 4096 };

#define TO(name, text) {.src = name, .dests = (const struct mapping_dest_conf[]){{.dest = text, .weight = 100}}, .n_dests = 1}
#define LIST(name, ...) \
    {.src = name, .dests = (const struct mapping_dest_conf[]){__VA_ARGS__}, .n_dests = N_ELEMS(((const struct mapping_dest_conf[]){__VA_ARGS__}))}

static struct mapping *
table_in(const struct mapping_conf *conf, size_t n, const char *cluster)
{
    struct mapping *m = NULL;
    char why[MAPPING_WHY_MAX] = "";

    if (mapping_new(conf, (uint32_t)n, cluster, &m, why, sizeof(why)) != OK)
        fail_msg("%s", why);
    return m;
}

/* What the subject becomes: "=" it stays, "-" no mapping, "!" lost, "..." too long. */
static const char *
becomes(const struct mapping *m, const char *subject, uint64_t random)
{
    static char text[CAP + 1];
    size_t len = 0;

    switch (mapping_apply(m, (const uint8_t *)subject, strlen(subject), random, (uint8_t *)text, CAP, &len)) {
    case MAPPING_NONE: return "-";
    case MAPPING_SAME: return "=";
    case MAPPING_LOST: return "!";
    case MAPPING_TOO_LONG: return "...";
    case MAPPING_TO: text[len] = '\0'; return text;
    default: fail(); return "";
    }
}

static void
the_first_source_of_the_file_counts(void **state)
{
    const struct mapping_conf conf[] = {
        TO("a.*", "star"), TO("a.b", "never"), TO("c.d", "cd"), TO("c.*", "cstar.$1"), TO("*.e", "e"), TO("a.>", "rest.>"), TO("x.*.>", "x.$1.>"), TO("c.d", "twice"),
    };
    struct mapping *m = table_in(conf, N_ELEMS(conf), "");
    (void)state;

    assert_string_equal(becomes(m, "a.b", 0), "star");
    assert_string_equal(becomes(m, "a.e", 0), "star");
    assert_string_equal(becomes(m, "c.d", 0), "cd");
    assert_string_equal(becomes(m, "c.x", 0), "cstar.x");
    assert_string_equal(becomes(m, "c.e", 0), "cstar.e");
    assert_string_equal(becomes(m, "z.e", 0), "e");
    assert_string_equal(becomes(m, "a.b.c", 0), "rest.b.c");
    assert_string_equal(becomes(m, "x.y", 0), "-");
    assert_string_equal(becomes(m, "x.y.z", 0), "x.y.z");
    assert_string_equal(becomes(m, "a", 0), "-");
    mapping_free(m);
}

/* Asked of nats-server: subset decides, and a subject with an empty token is left alone. */
static void
a_published_wildcard_is_covered_by_its_like(void **state)
{
    const struct mapping_conf conf[] = {TO("z.*", "zz"), TO("k.*.*", "k.$1"), TO("r.>", "rr.>"), TO("q.a*", "lit")};
    struct mapping *m = table_in(conf, N_ELEMS(conf), "");
    static const char *const rows[][2] = {{"z.*", "zz"}, {"z.>", "-"}, {"k.*.>", "-"}, {"k.>.*", "-"}, {"k.*.a", "k.*"}, {"r.>", "rr.>"}, {"r.*.b", "rr.*.b"},
                                          {"z.", "-"}, {"z..", "-"}, {"r..a", "-"}, {".z", "-"}, {"", "-"}, {"q.a*", "lit"}, {"q.ab", "-"}};
    (void)state;
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        assert_string_equal(becomes(m, rows[i][0], 0), rows[i][1]);
    mapping_free(m);
}

/* How many of 100 equal parts of the random numbers give each result. */
static uint32_t
share(const struct mapping *m, const char *subject, const char *want)
{
    uint32_t n = 0;
    for (uint64_t i = 0; i < 100; i++)
        n += strcmp(becomes(m, subject, (UINT64_MAX / 100 * i) + UINT64_MAX / 200), want) == 0;
    return n;
}

static void
weights_share_what_is_published(void **state)
{
    const struct mapping_conf conf[] = {
        LIST("rest", {"a", NULL, 60}, {"b", NULL, 15}),
        LIST("lossy", {"lossy", NULL, 50}, {"b", NULL, 10}),
        LIST("all", {"a", NULL, 0}, {"b", NULL, 100}),
        LIST("none", {"none", NULL, 0}),
        LIST("nowhere", {"", NULL, 30}),
        {.src = "empty"},
    };
    struct mapping *m = table_in(conf, N_ELEMS(conf), "");
    (void)state;

    assert_int_equal(share(m, "rest", "a"), 60);
    assert_int_equal(share(m, "rest", "b"), 15);
    assert_int_equal(share(m, "rest", "="), 25);
    assert_int_equal(share(m, "lossy", "lossy"), 50);
    assert_int_equal(share(m, "lossy", "b"), 10);
    assert_int_equal(share(m, "lossy", "!"), 40);
    assert_int_equal(share(m, "all", "b"), 100);
    assert_int_equal(share(m, "none", "!"), 100);
    assert_int_equal(share(m, "nowhere", "!"), 30);
    assert_int_equal(share(m, "nowhere", "="), 70);
    assert_int_equal(share(m, "empty", "="), 100);
    mapping_free(m);
}

static void
a_cluster_has_its_own_destinations(void **state)
{
    const struct mapping_conf conf[] = {
        LIST("s", {"a", "A", 100}, {"b", "B", 30}, {"any", NULL, 100}),
        LIST("only", {"a", "A", 100}),
        LIST("self", {"self", "A", 50}), /* listed in any scope, the source gets no rest in any */
    };
    static const char *const clusters[] = {"A", "B", "C", ""};
    static const uint32_t s_a[] = {100, 0, 0, 0}, s_b[] = {0, 30, 0, 0}, s_any[] = {0, 0, 100, 100}, s_same[] = {0, 70, 0, 0};
    static const uint32_t only_a[] = {100, 0, 0, 0}, self_self[] = {50, 0, 0, 0};
    (void)state;

    for (size_t i = 0; i < N_ELEMS(clusters); i++) {
        struct mapping *m = table_in(conf, N_ELEMS(conf), clusters[i]);
        assert_int_equal(share(m, "s", "a"), s_a[i]);
        assert_int_equal(share(m, "s", "b"), s_b[i]);
        assert_int_equal(share(m, "s", "any"), s_any[i]);
        assert_int_equal(share(m, "s", "="), s_same[i]);
        assert_int_equal(share(m, "only", "a"), only_a[i]);
        assert_int_equal(share(m, "only", "="), 100 - only_a[i]);
        assert_int_equal(share(m, "self", "self"), self_self[i]);
        assert_int_equal(share(m, "self", "!"), 100 - self_self[i]);
        mapping_free(m);
    }
}

static void
what_becomes_too_long_is_told(void **state)
{
    const struct mapping_conf conf[] = {TO("a.*", "$1.$1.$1")};
    struct mapping *m = table_in(conf, N_ELEMS(conf), "");
    char subject[CAP / 2];
    (void)state;

    memset(subject, 'x', sizeof(subject));
    memcpy(subject, "a.", 2);
    subject[sizeof(subject) - 1] = '\0';
    assert_string_equal(becomes(m, subject, 0), "...");
    subject[2 + (CAP - 2) / 3] = '\0';
    assert_int_equal(strlen(becomes(m, subject, 0)), CAP - (CAP - 2) % 3);
    mapping_free(m);
}

static void
nobody_has_no_table(void **state)
{
    struct mapping *m = (struct mapping *)1;
    char why[8];
    (void)state;
    assert_int_equal(mapping_new(NULL, 0, "", &m, why, sizeof(why)), OK);
    assert_null(m);
    mapping_free(m);
}

/* ---- texts ---- */

static const struct {
    struct mapping_conf conf;
    bool listed;
    const char *why;
} wrong[] = {
    {TO("foo.*", "bar.$2"), false, "Error adding mapping for \"foo.*\" to \"bar.$2\" : invalid mapping destination: wildcard index out of range in $2: [2]"},
    {TO("foo.*", "bar.{{left(1,2)}}"), false, "Error adding mapping for \"foo.*\" to \"bar.{{left(1,2)}}\" : invalid mapping destination: unknown function in {{left(1,2)}}"},
    {TO("foo", "b\"ar\tx"), false, "Error adding mapping for \"foo\" to \"b\\\"ar\\tx\" : invalid mapping destination: invalid transform"},
    {TO("foo.*", "bar.*"), false, "Error adding mapping for \"foo.*\" to \"bar.*\" : invalid subject"},
    {TO("foo..a", "bar"), false, "Subject \"foo..a\" is not a valid subject"},
    {TO("foo a", "bar"), false, "Subject \"foo a\" is not a valid subject"},
    {TO("", "bar"), false, "Subject \"\" is not a valid subject"},
    {LIST("foo", {"bar..x", NULL, 10}), true, "Error adding mapping for \"foo\" : invalid mapping destination: invalid transform"},
    {LIST("foo", {"bar", NULL, 60}, {"baz", NULL, 50}), true, "Error adding mapping for \"foo\" : total weight needs to be <= 100"},
    {LIST("foo", {"bar", NULL, 101}), true, "Error adding mapping for \"foo\" : individual weights need to be <= 100"},
    {LIST("foo", {"bar", NULL, 60}, {"bar", NULL, 10}), true, "Error adding mapping for \"foo\" : duplicate entry for \"bar\""},
    {LIST("foo", {"bar", "A", 60}, {"bar", NULL, 10}), true, "Error adding mapping for \"foo\" : duplicate entry for \"bar\""},
    {LIST("foo", {"bar", "A", 60}, {"baz", "A", 60}, {"b", NULL, 60}), true, "Error adding mapping for \"foo\" : total weight needs to be <= 100"},
    {LIST("foo", {"b", NULL, 60}, {"bar..x", NULL, 60}), true, "Error adding mapping for \"foo\" : total weight needs to be <= 100"},
    {LIST("foo", {"b..a", NULL, 60}, {"b..a", NULL, 60}), true, "Error adding mapping for \"foo\" : invalid mapping destination: invalid transform"},
};

static void
errors_have_the_texts_of_nats_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ELEMS(wrong); i++) {
        char why[MAPPING_WHY_MAX] = "";
        struct mapping *m = NULL;
        assert_int_equal(mapping_check(&wrong[i].conf, wrong[i].listed, why, sizeof(why)), ERR_INVAL);
        assert_string_equal(why, wrong[i].why);
        assert_int_equal(mapping_new(&wrong[i].conf, 1, "", &m, why, sizeof(why)), ERR_INVAL);
        assert_null(m);
        for (size_t cap = 1; cap < sizeof(why); cap += 7) { /* cut anywhere, it stays a text */
            memset(why, 'x', sizeof(why));
            assert_int_equal(mapping_check(&wrong[i].conf, wrong[i].listed, why, cap), ERR_INVAL);
            assert_true(memchr(why, '\0', cap) != NULL);
        }
    }
}

static void
weights_of_clusters_are_summed_apart(void **state)
{
    const struct mapping_conf conf = LIST("foo", {"bar", "A", 60}, {"baz", "B", 60}, {"qux", NULL, 60});
    char why[MAPPING_WHY_MAX];
    (void)state;
    assert_int_equal(mapping_check(&conf, true, why, sizeof(why)), OK);
}

static void
tokens_of_a_source_with_wildcards_are_bounded(void **state)
{
    char src[2 * MAPPING_TOKENS_MAX + 8] = "", why[MAPPING_WHY_MAX] = "";
    struct mapping_conf conf = TO(src, "x");
    (void)state;

    for (int i = 0; i < MAPPING_TOKENS_MAX - 1; i++)
        strcat(src, "a.");
    strcat(src, "*");
    assert_int_equal(mapping_check(&conf, false, why, sizeof(why)), OK);
    struct mapping *m = table_in(&conf, 1, "");
    assert_string_equal(becomes(m, src, 0), "x");
    mapping_free(m);
    memcpy(src, "*.", 2);
    strcat(src, ".b");
    assert_int_equal(mapping_check(&conf, false, why, sizeof(why)), ERR_INVAL);
    assert_non_null(strstr(why, "too many tokens"));
}

/* Fail the first allocation, the second, and so on, until it passes. */
static void
without_memory_no_table_is_made(void **state)
{
    const struct mapping_conf conf[] = {TO("a.*", "b.$1"), LIST("c", {"d", NULL, 10}, {"e", "A", 10}), TO("f.>", "g.>")};
    struct mapping *m = NULL;
    char why[MAPPING_WHY_MAX];
    (void)state;

    for (int64_t n = 0;; n++) {
        fault_arm(n);
        enum err e = mapping_new(conf, N_ELEMS(conf), "", &m, why, sizeof(why));
        bool failed = fault_disarm();
        if (e == OK && !failed)
            break;
        assert_true(failed);
        assert_int_equal(e, ERR_NOMEM);
        assert_null(m);
    }
    assert_string_equal(becomes(m, "a.x", 0), "b.x");
    mapping_free(m);
}

/* ---- against a plain scan ---- */

static void
random_subject(struct rng *r, char *to, bool source)
{
    uint32_t n = 1 + (uint32_t)rng_below(r, 4);

    to[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        uint64_t k = rng_below(r, 12);
        const char *token = k < 3 && source ? "*" : k == 3 && source && i + 1 == n ? ">" : k == 4 && !source && rng_below(r, 8) == 0 ? "" : k == 5 && rng_below(r, 4) == 0 ? "*" : NULL;
        char letter[3] = {(char)('a' + rng_below(r, 3)), rng_below(r, 4) == 0 ? 'x' : '\0', '\0'};
        sprintf(to + strlen(to), "%s%s", i > 0 ? "." : "", token != NULL ? token : letter);
    }
    if (!source && rng_below(r, 10) == 0)
        strcat(to, ".>");
}

static void
generated_tables_find_what_a_scan_finds(void **state)
{
    enum { N_MAX = 40 };
    static char srcs[N_MAX][64], dests[N_MAX][64];
    struct mapping_conf conf[N_MAX];
    struct mapping_dest_conf dest[N_MAX];
    uint32_t n_hits = 0;
    struct rng r;
    (void)state;

    rng_init(&r, 7);
    for (int round = 0; round < 2000; round++) {
        uint32_t n = 1 + (uint32_t)rng_below(&r, N_MAX);
        for (uint32_t i = 0; i < n; i++) {
            random_subject(&r, srcs[i], true);
            size_t len = strlen(srcs[i]);
            sprintf(dests[i], "to%u%s", i, srcs[i][len - 1] == '>' ? ".>" : "");
            dest[i] = (struct mapping_dest_conf){.dest = dests[i], .weight = 100};
            conf[i] = (struct mapping_conf){.src = srcs[i], .dests = &dest[i], .n_dests = 1};
        }
        struct mapping *m = table_in(conf, n, "");
        for (int k = 0; k < 50; k++) {
            char subject[64], want[64] = "-";
            random_subject(&r, subject, false);
            const uint8_t *s = (const uint8_t *)subject;
            size_t len = strlen(subject);
            for (uint32_t i = 0; i < n && !subject_has_empty_token(s, len); i++) {
                if (!subject_subset(s, len, (const uint8_t *)srcs[i], strlen(srcs[i])))
                    continue;
                snprintf(want, sizeof(want), "to%u", i);
                n_hits++;
                break;
            }
            char got[CAP + 1];
            strcpy(got, becomes(m, subject, rng_next(&r)));
            got[strcspn(got, ".")] = '\0';
            if (strcmp(got, want) != 0)
                fail_msg("round %d: %s became %s, not %s", round, subject, got, want);
        }
        mapping_free(m);
    }
    assert_true(n_hits > 30000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_source_of_the_file_counts),
        cmocka_unit_test(a_published_wildcard_is_covered_by_its_like),
        cmocka_unit_test(weights_share_what_is_published),
        cmocka_unit_test(a_cluster_has_its_own_destinations),
        cmocka_unit_test(what_becomes_too_long_is_told),
        cmocka_unit_test(nobody_has_no_table),
        cmocka_unit_test(errors_have_the_texts_of_nats_server),
        cmocka_unit_test(weights_of_clusters_are_summed_apart),
        cmocka_unit_test(tokens_of_a_source_with_wildcards_are_bounded),
        cmocka_unit_test(without_memory_no_table_is_made),
        cmocka_unit_test(generated_tables_find_what_a_scan_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
