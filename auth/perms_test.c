/* perms_test.c - the tables of sheet 03, section 4, and random sets beside the rules in their plainest form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/perms.h"
#include "core/broker/subject.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"

static struct auth_subjects
list_of(const char *const *subjects, uint32_t n)
{
    return (struct auth_subjects){.subjects = subjects, .n = n};
}
#define LIST(...) list_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static bool
may_pub(const struct perms *p, const char *subject)
{
    return perms_pub(p, (const uint8_t *)subject, strlen(subject));
}

static bool
may_sub(const struct perms *p, const char *subject, const char *queue)
{
    bool filter;
    return perms_sub(p, (const uint8_t *)subject, strlen(subject), (const uint8_t *)queue, strlen(queue), &filter);
}

static bool
is_filtered(const struct perms *p, const char *subject, const char *queue)
{
    bool filter = false;
    assert_true(perms_sub(p, (const uint8_t *)subject, strlen(subject), (const uint8_t *)queue, strlen(queue), &filter));
    return filter;
}

static bool
gets(const struct perms *p, const char *subject, const char *queue)
{
    return perms_deliver(p, (const uint8_t *)subject, strlen(subject), (const uint8_t *)queue, strlen(queue));
}

static struct perms *
perms_of(const struct auth_perms *conf)
{
    struct perms *p;
    assert_int_equal(perms_new(conf, &p), OK);
    return p;
}

static void
deny_wins_over_allow(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.pub_allow = LIST("foo.>", "bar"), .pub_deny = LIST("foo.secret.*")});
    (void)state;

    assert_true(may_pub(p, "foo.a"));
    assert_true(may_pub(p, "bar"));
    assert_false(may_pub(p, "foo.secret.a"));
    assert_true(may_pub(p, "foo.secret.a.b"));
    assert_false(may_pub(p, "baz"));
    assert_false(may_pub(p, "foo"));
    assert_false(may_pub(p, "foo..a"));
    perms_free(p);
}

/* No list, and an empty one, mean everything; a deny list alone takes from that. */
static void
what_is_not_given_allows_everything(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.pub_deny = LIST("no"), .sub = true});
    (void)state;

    assert_true(may_pub(p, "yes"));
    assert_false(may_pub(p, "no"));
    assert_true(may_pub(p, "a..b")); /* nothing is wrong with it but that it reaches nobody */
    assert_true(may_sub(p, ">", ""));
    assert_true(perms_checks_pub(p));
    assert_false(perms_checks_sub(p));
    perms_free(p);
}

static void
responses_without_an_allow_list_leave_nothing_else(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.responses = true, .responses_max = 1, .responses_expire_ns = 1, .pub_deny = LIST("x")});
    (void)state;

    assert_true(p->pub_none);
    assert_false(may_pub(p, "y"));
    perms_free(p);
    p = perms_of(&(struct auth_perms){.responses = true, .responses_max = 1, .responses_expire_ns = 1, .pub_allow = LIST("y")});
    assert_true(may_pub(p, "y"));
    perms_free(p);
}

/* Sheet 03, 4.4. */
static void
queues_by_the_table(void **state)
{
    static const struct {
        const char *allow[2];
        bool plain, v1, v2, vx;
    } rows[] = {
        {{"foo", NULL}, true, true, true, true},
        {{"foo v1", NULL}, false, true, false, false},
        {{"foo", "foo v1"}, true, true, false, false},
        {{"foo v1.*", NULL}, false, false, false, true},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct perms *p = perms_of(&(struct auth_perms){.sub_allow = list_of(rows[i].allow, rows[i].allow[1] != NULL ? 2 : 1)});
        assert_int_equal(may_sub(p, "foo", ""), rows[i].plain);
        assert_int_equal(may_sub(p, "foo", "v1"), rows[i].v1);
        assert_int_equal(may_sub(p, "foo", "v2"), rows[i].v2);
        assert_int_equal(may_sub(p, "foo", "v1.x"), rows[i].vx);
        perms_free(p);
    }
}

/* A34: a queue's deny takes nothing from a plain deny. */
static void
A34_a_plain_deny_wins_over_what_a_queue_is_denied(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.sub_deny = LIST("foo", "foo v2", "bar v1")});
    (void)state;

    assert_false(may_sub(p, "foo", "v1"));
    assert_false(may_sub(p, "foo", "v2"));
    assert_false(may_sub(p, "foo", ""));
    assert_true(may_sub(p, "bar", ""));
    assert_true(may_sub(p, "bar", "v2"));
    assert_false(may_sub(p, "bar", "v1"));
    perms_free(p);
}

/* A wildcard needs one allow pattern that covers all of it; literally, as nats-server takes it, `foo.>` would be inside `foo.*`. */
static void
a_wildcard_must_be_a_subset_of_one_allow_pattern(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.sub_allow = LIST("foo.*", "bar.>", "baz.a", "baz.b")});
    (void)state;

    assert_true(may_sub(p, "foo.*", ""));
    assert_false(may_sub(p, "foo.>", ""));
    assert_true(may_sub(p, "bar.>", ""));
    assert_true(may_sub(p, "bar.*.x", ""));
    assert_false(may_sub(p, "baz.*", ""));
    assert_false(may_sub(p, ">", ""));
    perms_free(p);
}

/* A33: what only overlaps a deny is let in, and looked at message by message. */
static void
A33_what_overlaps_a_deny_is_filtered(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.sub_allow = LIST(">"), .sub_deny = LIST("foo.secret.*", "q.a q1")});
    (void)state;

    assert_true(is_filtered(p, "foo.>", ""));
    assert_true(is_filtered(p, "*.secret.>", ""));
    assert_true(is_filtered(p, "q.*", "q1"));
    assert_false(is_filtered(p, "foo.*", ""));
    assert_false(is_filtered(p, "foo.open.a", ""));
    assert_false(may_sub(p, "foo.secret.*", ""));
    assert_false(may_sub(p, "foo.secret.a", ""));
    assert_false(may_sub(p, "foo.secret.>", "")); /* as nats-server: a deny is matched literally */
    assert_false(gets(p, "foo.secret.a", ""));
    assert_false(gets(p, "foo.secret.a", "q1"));
    assert_true(gets(p, "foo.open", ""));
    assert_true(gets(p, "q.a", ""));
    assert_false(gets(p, "q.a", "q1"));
    perms_free(p);
}

/* ---- random ---- */

enum { LIST_MAX = 8, TEXT_MAX = 48 };
struct random_list {
    char text[LIST_MAX][TEXT_MAX];
    const char *ptr[LIST_MAX];
    struct auth_subjects l;
};

static void
make_subject(struct rng *r, char *to, bool wild)
{
    static const char *const tokens[] = {"a", "b", "c", "*", ">"};
    uint32_t n = 1 + (uint32_t)rng_below(r, 3);

    to[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        uint32_t t = (uint32_t)rng_below(r, wild ? 5 : 3);
        if (t == 4 && i + 1 < n)
            t = 3;
        if (i > 0)
            strcat(to, ".");
        strcat(to, tokens[t]);
    }
}

static void
make_list(struct rng *r, struct random_list *l, bool queues)
{
    static const char *const names[] = {" v1", " v.*", " v.x"};
    l->l = (struct auth_subjects){.subjects = l->ptr, .n = (uint32_t)rng_below(r, LIST_MAX + 1)};
    for (uint32_t i = 0; i < l->l.n; i++) {
        make_subject(r, l->text[i], true);
        if (queues && rng_below(r, 3) == 0)
            strcat(l->text[i], names[rng_below(r, 3)]);
        l->ptr[i] = l->text[i];
    }
}

/* How many entries without a queue, with one, and with this one, cover the subject (cover: as a pattern). */
static void
naive_count(const struct auth_subjects *l, const char *subject, const char *queue, bool cover, uint32_t n[3])
{
    const uint8_t *s = (const uint8_t *)subject;
    size_t len = strlen(subject);

    memset(n, 0, 3 * sizeof(*n));
    for (uint32_t i = 0; i < l->n; i++) {
        const uint8_t *p = (const uint8_t *)l->subjects[i];
        size_t p_len = strcspn(l->subjects[i], " ");
        const char *q = l->subjects[i][p_len] == ' ' ? l->subjects[i] + p_len + 1 : NULL;
        if (!(cover ? subject_subset(s, len, p, p_len) : subject_match(p, p_len, s, len)))
            continue;
        n[0] += q == NULL;
        n[1] += q != NULL;
        n[2] += q != NULL && *queue != '\0' && subject_match((const uint8_t *)q, strlen(q), (const uint8_t *)queue, strlen(queue));
    }
}

static bool
naive_sub(const struct auth_perms *conf, const char *subject, const char *queue)
{
    uint32_t n[3];

    if (conf->sub_allow.n > 0) {
        naive_count(&conf->sub_allow, subject, queue, true, n);
        if (*queue != '\0' && n[1] > 0 ? n[2] == 0 : n[0] == 0)
            return false;
    }
    naive_count(&conf->sub_deny, subject, queue, false, n);
    return n[0] == 0 && n[2] == 0;
}

static bool
naive_pub(const struct auth_perms *conf, const char *subject)
{
    uint32_t n[3];

    if (conf->pub_allow.n > 0) {
        naive_count(&conf->pub_allow, subject, "", false, n);
        if (n[0] == 0)
            return false;
    }
    naive_count(&conf->pub_deny, subject, "", false, n);
    return n[0] == 0;
}

/* 2,000 random sets, 40 questions of each kind; remembered answers are the same, in any order of asking. What is accepted without a filter can
 * match no message that is denied. */
static void
random_sets_say_what_the_rules_say(void **state)
{
    static const char *const queues[] = {"", "", "v1", "v.x", "v.y", "w"};
    struct random_list lists[4];
    struct rng r;
    uint32_t n_yes = 0, n_no = 0, n_filters = 0;
    (void)state;

    rng_init(&r, 2);
    for (uint32_t round = 0; round < 2000; round++) {
        for (uint32_t i = 0; i < 4; i++)
            make_list(&r, &lists[i], i >= 2);
        struct auth_perms conf = {.pub_allow = lists[0].l, .pub_deny = lists[1].l, .sub_allow = lists[2].l, .sub_deny = lists[3].l};
        struct perms *p = perms_of(&conf);
        struct verdicts *pubs = calloc(1, sizeof(*pubs)), *takes = calloc(1, sizeof(*takes));
        assert_non_null(pubs);
        assert_non_null(takes);
        for (uint32_t i = 0; i < 40; i++) {
            char subject[TEXT_MAX], pattern[TEXT_MAX];
            const char *queue = queues[rng_below(&r, 6)];
            bool filter = false;
            const struct verdict *last;
            make_subject(&r, subject, false);
            make_subject(&r, pattern, true);
            const uint8_t *s = (const uint8_t *)subject, *pat = (const uint8_t *)pattern, *q = (const uint8_t *)queue;
            bool want = naive_pub(&conf, subject);
            assert_int_equal(perms_pub(p, s, strlen(subject)), want);
            assert_int_equal(perms_pub_known(p, pubs, s, strlen(subject), &last), want);
            assert_int_equal(perms_pub_known(p, NULL, s, strlen(subject), &last), want);
            bool allowed = perms_sub(p, pat, strlen(pattern), q, strlen(queue), &filter);
            assert_int_equal(allowed, naive_sub(&conf, pattern, queue));
            bool got = perms_deliver(p, s, strlen(subject), q, strlen(queue));
            assert_int_equal(perms_deliver_known(p, takes, s, strlen(subject), q, strlen(queue)), got);
            if (allowed && !filter && subject_match(pat, strlen(pattern), s, strlen(subject)))
                assert_true(got);
            n_yes += allowed;
            n_no += !allowed;
            n_filters += allowed && filter;
        }
        free(pubs);
        free(takes);
        perms_free(p);
    }
    assert_true(n_yes > 5000 && n_no > 5000 && n_filters > 500);
}

/* ---- remembering ---- */

/* Two subjects that share a slot displace each other, and are never taken for each other; long ones are not remembered. */
static void
remembered_answers_are_never_anothers(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.pub_allow = LIST("n.*"), .pub_deny = LIST("n.7", "n.77")});
    struct verdicts *v = calloc(1, sizeof(*v));
    const struct verdict *last;
    char subject[128];
    (void)state;

    assert_non_null(v);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 2000; i++) {
            int len = snprintf(subject, sizeof(subject), "n.%u", i);
            assert_int_equal(perms_pub_known(p, v, (const uint8_t *)subject, (size_t)len, &last), i != 7 && i != 77);
        }
    }
    uint64_t n_walks = 0; /* whoever wants to know how often it does not help */
    v->walks = &n_walks;
    for (uint32_t i = 0; i < 10; i++)
        assert_true(perms_pub_known(p, v, (const uint8_t *)"n.new", 5, &last));
    assert_int_equal(n_walks, 1);
    for (uint32_t i = 0; i < 10; i++)
        assert_true(perms_deliver_known(p, v, (const uint8_t *)"n.new", 5, (const uint8_t *)"q", 1));
    assert_int_equal(n_walks, 2);
    memset(subject, 'x', sizeof(subject));
    assert_false(perms_pub_known(p, v, (const uint8_t *)subject, sizeof(subject), &last));
    assert_int_equal(n_walks, 3);
    memcpy(subject, "n.", 2);
    assert_true(perms_pub_known(p, v, (const uint8_t *)subject, sizeof(subject), &last));
    free(v);
    perms_free(p);
}

/* Subjects that differ in their last byte, or in one in the middle, have places of their own: of 8, nearly all are remembered. */
static void
similar_subjects_do_not_share_a_place(void **state)
{
    struct perms *p = perms_of(&(struct auth_perms){.pub_allow = LIST("orders.>")});
    uint32_t n_places = 0;
    (void)state;

    for (uint32_t at = 7; at < 40; at++) {
        struct verdicts *v = calloc(1, sizeof(*v));
        assert_non_null(v);
        for (uint32_t i = 0; i < 8; i++) {
            char subject[41] = "orders.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
            const struct verdict *last;
            subject[at] = (char)('0' + i);
            assert_true(perms_pub_known(p, v, (const uint8_t *)subject, at + 1, &last));
        }
        for (uint32_t i = 0; i < VERDICTS_N; i++)
            n_places += v->at[i].subject_len > 0;
        free(v);
    }
    assert_true(n_places > 33 * 6); /* by chance alone, 7.2 of 8 */
    perms_free(p);
}

static void
equal_sets_are_known_by_their_digests(void **state)
{
    struct auth_perms a = {.pub_allow = LIST("a", "b"), .sub_deny = LIST("c")}, b = {.pub_allow = LIST("a", "b"), .sub_deny = LIST("c")};
    struct auth_perms c = {.pub_allow = LIST("ab"), .sub_deny = LIST("c")};
    struct auth_perms d = {.pub_allow = LIST("a", "b"), .sub_deny = LIST("c"), .responses = true, .responses_max = 1};
    struct perms *pa = perms_of(&a), *pb = perms_of(&b), *pc = perms_of(&c), *pd = perms_of(&d);
    (void)state;

    assert_true(perms_conf_equal(&a, &b));
    assert_false(perms_conf_equal(&a, &c));
    assert_false(perms_conf_equal(&a, &d));
    assert_int_equal(perms_conf_hash(&a), perms_conf_hash(&b));
    assert_true(perms_equal(pa, pb));
    assert_true(perms_equal(NULL, NULL));
    assert_false(perms_equal(pa, pc));
    assert_false(perms_equal(pa, pd));
    assert_false(perms_equal(pa, NULL));
    perms_free(pa);
    perms_free(pb);
    perms_free(pc);
    perms_free(pd);
}

static void
without_memory_there_are_none(void **state)
{
    struct auth_perms conf = {.pub_allow = LIST("a"), .pub_deny = LIST("b"), .sub_allow = LIST("c"), .sub_deny = LIST("d")};
    (void)state;

    if (!fault_armed_builds)
        skip();
    for (int64_t n = 0;; n++) {
        struct perms *p = NULL;
        fault_arm(n);
        enum err e = perms_new(&conf, &p);
        if (!fault_disarm()) {
            assert_int_equal(e, OK);
            perms_free(p);
            return;
        }
        assert_int_equal(e, ERR_NOMEM);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deny_wins_over_allow),
        cmocka_unit_test(what_is_not_given_allows_everything),
        cmocka_unit_test(responses_without_an_allow_list_leave_nothing_else),
        cmocka_unit_test(queues_by_the_table),
        cmocka_unit_test(A34_a_plain_deny_wins_over_what_a_queue_is_denied),
        cmocka_unit_test(a_wildcard_must_be_a_subset_of_one_allow_pattern),
        cmocka_unit_test(A33_what_overlaps_a_deny_is_filtered),
        cmocka_unit_test(random_sets_say_what_the_rules_say),
        cmocka_unit_test(remembered_answers_are_never_anothers),
        cmocka_unit_test(similar_subjects_do_not_share_a_place),
        cmocka_unit_test(equal_sets_are_known_by_their_digests),
        cmocka_unit_test(without_memory_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
