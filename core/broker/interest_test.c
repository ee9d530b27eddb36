/* Tests of interest.h, sentence by sentence. What random calls do is in interest_model_test.c, memory in interest_budget_test.c. */
#include "core/broker/interest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/subject.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

static struct interest *
new_interest(uint32_t n_shards, uint32_t n_subs_max, uint32_t n_cached_max)
{
    struct interest_cfg cfg = {.n_shards = n_shards, .n_subs_max = n_subs_max, .n_cached_max = n_cached_max};
    hash_key_seed(&cfg.key, 3);
    struct interest *ix = interest_new(&cfg);
    assert_non_null(ix);
    return ix;
}

static enum err
try_add(struct interest *ix, uint32_t acc, const char *subject, const char *queue, uint32_t ep, uint32_t *ret_sub, struct interest_change *ret)
{
    return interest_add(ix, acc, (const uint8_t *)subject, (uint32_t)strlen(subject), (const uint8_t *)queue, (uint32_t)strlen(queue), ep,
                        (const uint8_t *)"1", 1, ret_sub, ret);
}

static uint32_t
add(struct interest *ix, uint32_t acc, const char *subject, const char *queue, uint32_t ep)
{
    struct interest_change ch;
    uint32_t sub = 0;
    assert_int_equal(try_add(ix, acc, subject, queue, ep, &sub, &ch), OK);
    assert_int_not_equal(sub, 0);
    return sub;
}

static struct interest_change
drop(struct interest *ix, uint32_t sub)
{
    struct interest_change ch;
    interest_remove(ix, sub, &ch);
    return ch;
}

static const struct match *
match(struct interest *ix, uint32_t acc, const char *subject, uint32_t *hint)
{
    return interest_match(ix, acc, (const uint8_t *)subject, (uint32_t)strlen(subject), hint);
}

/* How many own plain subs match, without a hint. */
static uint32_t
n_plain(struct interest *ix, uint32_t acc, const char *subject)
{
    uint32_t hint = 0, n = 0;
    const struct match *m = match(ix, acc, subject, &hint);
    for (uint32_t i = 0; i < m->n_lists; i++)
        n += m->lists[i]->n;
    return n;
}

static void
remote_plain(struct interest *ix, uint32_t shard, uint32_t acc, const char *subject, bool on)
{
    assert_int_equal(interest_remote_plain(ix, shard, acc, (const uint8_t *)subject, (uint32_t)strlen(subject), on), OK);
}

static void
remote_queue(struct interest *ix, uint32_t shard, uint32_t acc, const char *subject, const char *queue, uint32_t n)
{
    assert_int_equal(interest_remote_queue(ix, shard, acc, (const uint8_t *)subject, (uint32_t)strlen(subject), (const uint8_t *)queue,
                                           (uint32_t)strlen(queue), n),
                     OK);
}

static uint64_t
shards(struct interest *ix, uint32_t acc, const char *subject)
{
    uint32_t hint = 0;
    return match(ix, acc, subject, &hint)->shards;
}

static struct interest_stats
stats(const struct interest *ix)
{
    struct interest_stats st;
    interest_stats(ix, &st);
    return st;
}

static void
assert_told(const struct interest_change *ch, enum interest_tell tell, uint32_t acc, const char *subject, const char *queue, uint32_t n_members)
{
    assert_int_equal(ch->tell, tell);
    assert_int_equal(ch->acc, acc);
    assert_int_equal(ch->subject_len, strlen(subject));
    assert_memory_equal(ch->subject, subject, strlen(subject));
    assert_int_equal(ch->queue_len, strlen(queue));
    if (ch->queue_len != 0)
        assert_memory_equal(ch->queue, queue, strlen(queue));
    assert_int_equal(ch->n_members, n_members);
}

/* Without a cache every match is right and nothing is kept: neither a result nor a hint. */
static void
without_a_cache_every_match_is_worked_out(void **state)
{
    (void)state;
    struct interest_cfg cfg = {.n_shards = 2, .no_cache = true};
    hash_key_seed(&cfg.key, 3);
    struct interest *ix = interest_new(&cfg);
    struct interest_change ch;
    uint32_t sub, hint = 0;

    assert_non_null(ix);
    assert_int_equal(try_add(ix, 0, "orders.*", "", 1, &sub, &ch), OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(match(ix, 0, "orders.eu", &hint)->n_lists, 1);
        assert_int_equal(hint, 0);
    }
    assert_int_equal(try_add(ix, 0, "orders.eu", "", 1, &sub, &ch), OK);
    assert_int_equal(n_plain(ix, 0, "orders.eu"), 2);
    assert_int_equal(stats(ix).n_cache_hits + stats(ix).n_hint_hits + stats(ix).n_cache, 0);
    interest_free(ix);
}

/* ---- what is told to other shards ---- */

/* Literal and wildcard alike: the first plain sub is told, the next are not, nor those who go before the last. */
static void
the_first_and_the_last_plain_sub_are_told(void **state)
{
    (void)state;
    const char *subjects[] = {"orders.eu", "orders.*", "orders.>", ">"};
    struct interest *ix = new_interest(2, 0, 0);
    for (size_t i = 0; i < N_ELEMS(subjects); i++) {
        struct interest_change ch;
        uint32_t a, b;
        assert_int_equal(try_add(ix, 5, subjects[i], "", 1, &a, &ch), OK);
        assert_told(&ch, INTEREST_TELL_PLAIN_ON, 5, subjects[i], "", 0);
        assert_int_equal(try_add(ix, 5, subjects[i], "", 2, &b, &ch), OK);
        assert_int_equal(ch.tell, INTEREST_TELL_NOTHING);
        ch = drop(ix, a);
        assert_int_equal(ch.tell, INTEREST_TELL_NOTHING);
        ch = drop(ix, b);
        assert_told(&ch, INTEREST_TELL_PLAIN_OFF, 5, subjects[i], "", 0);
    }
    interest_check(ix);
    interest_free(ix);
}

/* Each member that comes or goes is told with the number there is then; plain interest in the same subject is another matter. */
static void
every_change_of_a_queue_group_is_told(void **state)
{
    (void)state;
    const char *subjects[] = {"work.items", "work.*"};
    struct interest *ix = new_interest(2, 0, 0);
    for (size_t i = 0; i < N_ELEMS(subjects); i++) {
        struct interest_change ch;
        uint32_t plain, a, b;
        assert_int_equal(try_add(ix, 1, subjects[i], "workers", 1, &a, &ch), OK);
        assert_told(&ch, INTEREST_TELL_QUEUE, 1, subjects[i], "workers", 1);
        assert_int_equal(try_add(ix, 1, subjects[i], "workers", 2, &b, &ch), OK);
        assert_told(&ch, INTEREST_TELL_QUEUE, 1, subjects[i], "workers", 2);
        assert_int_equal(try_add(ix, 1, subjects[i], "", 3, &plain, &ch), OK);
        assert_told(&ch, INTEREST_TELL_PLAIN_ON, 1, subjects[i], "", 0);
        ch = drop(ix, a);
        assert_told(&ch, INTEREST_TELL_QUEUE, 1, subjects[i], "workers", 1);
        ch = drop(ix, plain);
        assert_told(&ch, INTEREST_TELL_PLAIN_OFF, 1, subjects[i], "", 0);
        ch = drop(ix, b);
        assert_told(&ch, INTEREST_TELL_QUEUE, 1, subjects[i], "workers", 0);
    }
    interest_check(ix);
    interest_free(ix);
}

/* ---- what other shards told ---- */

static void
remote_plain_interest_is_a_bit_per_shard_and_idempotent(void **state)
{
    (void)state;
    struct interest *ix = new_interest(64, 0, 0);
    const char *subjects[] = {"a.b", "a.*", "a.>"};
    for (size_t i = 0; i < N_ELEMS(subjects); i++) {
        remote_plain(ix, 63, 9, subjects[i], false); /* unknown: nothing */
        assert_int_equal(shards(ix, 9, "a.b"), 0);
        remote_plain(ix, 63, 9, subjects[i], true);
        remote_plain(ix, 63, 9, subjects[i], true);
        remote_plain(ix, 1, 9, subjects[i], true);
        assert_true(shards(ix, 9, "a.b") == (BIT64(63) | BIT64(1)));
        assert_int_equal(shards(ix, 8, "a.b"), 0); /* another account */
        remote_plain(ix, 63, 9, subjects[i], false);
        remote_plain(ix, 63, 9, subjects[i], false);
        assert_true(shards(ix, 9, "a.b") == BIT64(1));
        remote_plain(ix, 1, 9, subjects[i], false);
        assert_int_equal(shards(ix, 9, "a.b"), 0);
        interest_check(ix);
    }
    assert_int_equal(stats(ix).n_remote, 0);
    interest_free(ix);
}

/* The number of a shard's members replaces the one before; members at subjects of other shards make a group without own ones. */
static void
remote_queue_counts_are_set_not_added(void **state)
{
    (void)state;
    struct interest *ix = new_interest(3, 0, 0);
    const char *subjects[] = {"q.s", "q.*"};
    for (size_t i = 0; i < N_ELEMS(subjects); i++) {
        uint32_t hint = 0;
        remote_queue(ix, 2, 1, subjects[i], "g", 0); /* unknown: nothing */
        assert_int_equal(match(ix, 1, "q.s", &hint)->n_groups, 0);
        remote_queue(ix, 2, 1, subjects[i], "g", 3);
        remote_queue(ix, 2, 1, subjects[i], "g", 5);
        remote_queue(ix, 1, 1, subjects[i], "g", 1);
        const struct match *m = match(ix, 1, "q.s", &hint);
        assert_int_equal(m->n_groups, 1);
        assert_int_equal(m->groups[0].n_parts, 1);
        const struct qgroup *g = m->groups[0].parts[0];
        assert_int_equal(g->members.n, 0);
        assert_int_equal(g->n_remote, 6);
        assert_int_equal(g->remote[2], 5);
        assert_int_equal(m->shards, 0); /* plain interest only */
        remote_queue(ix, 2, 1, subjects[i], "g", 0);
        assert_int_equal(match(ix, 1, "q.s", &hint)->groups[0].parts[0]->n_remote, 1);
        remote_queue(ix, 1, 1, subjects[i], "g", 0);
        assert_int_equal(match(ix, 1, "q.s", &hint)->n_groups, 0);
        assert_int_equal(stats(ix).n_nodes, 0);
        interest_check(ix);
    }
    interest_free(ix);
}

/* ---- matching ---- */

/* Accounts share nothing, not even those whose numbers meet in the same bucket. */
static void
an_account_sees_its_own_interest_only(void **state)
{
    (void)state;
    struct interest *ix = new_interest(1, 0, 0);
    const uint32_t accs[] = {0, 1, 64, 65, UINT32_MAX};
    for (size_t i = 0; i < N_ELEMS(accs); i++) {
        add(ix, accs[i], "x.y", "", 1);
        for (size_t k = 0; k <= i; k++)
            add(ix, accs[i], "x.*", "", 2);
    }
    for (int again = 0; again < 3; again++) {
        for (size_t i = 0; i < N_ELEMS(accs); i++)
            assert_int_equal(n_plain(ix, accs[i], "x.y"), i + 2);
        assert_int_equal(n_plain(ix, 2, "x.y"), 0);
        assert_int_equal(n_plain(ix, 128, "x.y"), 0);
    }
    interest_free(ix);
}

/* Subjects as published: with wildcards as tokens, with empty tokens, empty. */
static void
odd_subjects_match_what_the_rules_say(void **state)
{
    (void)state;
    struct interest *ix = new_interest(1, 0, 0);
    add(ix, 1, "a.b", "", 1);
    add(ix, 1, "a.*", "", 2);
    add(ix, 1, ">", "", 3);
    assert_int_equal(n_plain(ix, 1, "a.b"), 3);
    assert_int_equal(n_plain(ix, 1, "a.*"), 2);
    assert_int_equal(n_plain(ix, 1, "a.>"), 2);
    assert_int_equal(n_plain(ix, 1, ">"), 1);
    assert_int_equal(n_plain(ix, 1, "a"), 1);
    const char *empty[] = {"", ".", "a.", ".a", "a..b", "..", "a.b.", "a.b..c.d.e.f.g.h"};
    for (size_t i = 0; i < N_ELEMS(empty); i++)
        assert_int_equal(n_plain(ix, 1, empty[i]), 0);
    interest_free(ix);
}

/* Three subjects that match have groups; `red` stands at all of them, `blue` at two: two groups, in the same order each time, with all
 * parts, whether put together anew or kept. */
static void
groups_of_one_name_are_one_group(void **state)
{
    (void)state;
    struct interest *ix = new_interest(2, 0, 0);
    add(ix, 1, "t.1", "red", 1);
    add(ix, 1, "t.1", "blue", 2);
    add(ix, 1, "t.*", "red", 3);
    add(ix, 1, "t.*", "red", 4);
    remote_queue(ix, 1, 1, "t.>", "red", 7);
    remote_queue(ix, 1, 1, "t.>", "blue", 8);
    uint32_t hint = 0;
    for (int n = 0; n < 4; n++) {
        const struct match *m = match(ix, 1, "t.1", &hint);
        assert_int_equal(m->n_lists, 0);
        assert_int_equal(m->n_groups, 2);
        uint32_t n_own[2] = {0}, n_remote[2] = {0};
        for (uint32_t i = 0; i < 2; i++) {
            for (uint32_t p = 0; p < m->groups[i].n_parts; p++) {
                n_own[i] += m->groups[i].parts[p]->members.n;
                n_remote[i] += m->groups[i].parts[p]->n_remote;
            }
        }
        assert_int_equal(m->groups[0].name_len, 3);
        assert_memory_equal(m->groups[0].name, "red", 3);
        assert_int_equal(m->groups[0].n_parts, 3);
        assert_int_equal(n_own[0], 3);
        assert_int_equal(n_remote[0], 7);
        assert_int_equal(m->groups[1].n_parts, 2);
        assert_int_equal(n_own[1], 1);
        assert_int_equal(n_remote[1], 8);
    }
    interest_check(ix);
    interest_free(ix);
}

/* More groups than any table in the match is made for at first, at a literal and at two patterns: all are found, and united. */
static void
thousands_of_groups_match(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct interest *ix = new_interest(1, 0, 0);
    static uint32_t subs[3 * N];
    const char *subjects[] = {"many.groups", "many.*", ">"};
    char name[16];
    for (uint32_t i = 0; i < 3 * N; i++) {
        snprintf(name, sizeof name, "g%u", i / 3);
        subs[i] = add(ix, 1, subjects[i % 3], name, i);
    }
    interest_check(ix);
    uint32_t hint = 0;
    const struct match *m = match(ix, 1, "many.groups", &hint);
    assert_int_equal(m->n_groups, N);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(m->groups[i].n_parts, 3);
    for (uint32_t i = 0; i < 3 * N; i += 3) /* the literal's go: from the first to the last of the node's chain */
        drop(ix, subs[i]);
    m = match(ix, 1, "many.groups", &hint);
    assert_int_equal(m->n_groups, N);
    assert_int_equal(m->groups[7].n_parts, 2);
    interest_check(ix);
    interest_free(ix);
}

/* Every pattern of ten tokens out of {a, *}: a subject of ten a's matches all 1024. */
static void
every_path_of_the_trie_is_found_once(void **state)
{
    (void)state;
    enum { DEPTH = 10 };
    struct interest *ix = new_interest(1, 0, 0);
    char text[2 * DEPTH + 1] = {0};
    for (uint32_t k = 0; k < 1u << DEPTH; k++) {
        for (uint32_t i = 0; i < DEPTH; i++) {
            text[2 * i] = (k >> i & 1) != 0 ? '*' : 'a';
            text[2 * i + 1] = i + 1 < DEPTH ? '.' : '\0';
        }
        add(ix, 1, text, "", k);
    }
    assert_int_equal(n_plain(ix, 1, "a.a.a.a.a.a.a.a.a.a"), 1 << DEPTH);
    assert_int_equal(n_plain(ix, 1, "a.a.a.a.b.a.a.a.a.a"), 1 << (DEPTH - 1));
    assert_int_equal(n_plain(ix, 1, "a.a.a.a.a.a.a.a.a"), 0);
    interest_check(ix);
    interest_free(ix);
}

/* Patterns that end where a longer one goes on: they need no new twigs, and their share of the room for results all the same. */
static void
patterns_may_end_inside_longer_ones(void **state)
{
    (void)state;
    enum { DEPTH = 200 };
    struct interest *ix = new_interest(2, 0, 0);
    char text[2 * DEPTH] = {0};
    for (uint32_t i = 0; i < DEPTH; i++) {
        text[2 * i] = '*';
        text[2 * i + 1] = i + 1 < DEPTH ? '.' : '\0';
    }
    add(ix, 1, text, "", 1);
    for (uint32_t i = 1; i < DEPTH; i++) {
        text[2 * i - 1] = '\0'; /* the first i tokens */
        if (i % 2 == 0)
            remote_plain(ix, 1, 1, text, true);
        else
            add(ix, 1, text, i % 3 == 0 ? "q" : "", i);
        text[2 * i - 1] = '.';
        interest_check(ix);
    }
    interest_free(ix);
}

/* 2,000 tokens, 4 KB, and the longest subject there is: nothing recurses, nothing is cut off. */
static void
long_subjects_and_deep_patterns_match(void **state)
{
    (void)state;
    struct interest *ix = new_interest(1, 0, 0);
    static uint8_t deep[4000], pattern[4000], longest[SUBJECT_LEN_MAX + 1];
    for (size_t i = 0; i < sizeof deep; i++) {
        deep[i] = i % 2 == 0 ? 'x' : '.';
        pattern[i] = i % 2 == 1 ? '.' : i % 4 == 0 ? '*' : 'x';
    }
    uint32_t deep_len = sizeof deep - 1; /* 2,000 tokens */
    memset(longest, 'y', sizeof longest);
    longest[1] = '.';
    struct interest_change ch;
    uint32_t subs[5], hint = 0;
    assert_int_equal(interest_add(ix, 1, deep, deep_len, NULL, 0, 1, (const uint8_t *)"1", 1, &subs[0], &ch), OK);
    assert_int_equal(interest_add(ix, 1, pattern, deep_len, NULL, 0, 2, (const uint8_t *)"2", 1, &subs[1], &ch), OK);
    pattern[deep_len - 1] = '>';
    assert_int_equal(interest_add(ix, 1, pattern, deep_len, NULL, 0, 3, (const uint8_t *)"3", 1, &subs[2], &ch), OK);
    assert_int_equal(interest_add(ix, 1, longest, SUBJECT_LEN_MAX, NULL, 0, 4, (const uint8_t *)"4", 1, &subs[3], &ch), OK);
    longest[0] = '*';
    assert_int_equal(interest_add(ix, 1, longest, SUBJECT_LEN_MAX, (const uint8_t *)"q", 1, 5, (const uint8_t *)"5", 1, &subs[4], &ch), OK);
    longest[0] = 'y';
    for (int n = 0; n < 3; n++) {
        const struct match *m = interest_match(ix, 1, deep, deep_len, &hint);
        assert_int_equal(m->n_lists, 3);
        m = interest_match(ix, 1, longest, SUBJECT_LEN_MAX, &hint);
        assert_int_equal(m->n_lists, 1);
        assert_int_equal(m->n_groups, 1);
        m = interest_match(ix, 1, longest, SUBJECT_LEN_MAX + 1, &hint); /* cannot be subscribed to, and matches nothing */
        assert_int_equal(m->n_lists + m->n_groups, 0);
    }
    for (size_t i = 0; i < N_ELEMS(subs); i++) {
        ch = drop(ix, subs[i]);
        assert_int_not_equal(ch.tell, INTEREST_TELL_NOTHING);
    }
    interest_check(ix);
    assert_int_equal(stats(ix).n_nodes, 0);
    interest_free(ix);
}

/* ---- results that are kept ---- */

static uint64_t
n_slow(struct interest *ix)
{
    struct interest_stats st = stats(ix);
    return st.n_matches - st.n_hint_hits - st.n_cache_hits;
}

/* A result is kept when its subject comes for the second time. */
static void
a_repeated_subject_is_found_by_its_hint(void **state)
{
    (void)state;
    struct interest *ix = new_interest(1, 0, 0);
    add(ix, 1, "hot", "", 1);
    uint32_t hint = 0, other = 0;
    for (int i = 0; i < 10; i++)
        assert_int_equal(match(ix, 1, "hot", &hint)->n_lists, 1);
    assert_int_equal(n_slow(ix), 2);
    assert_int_equal(stats(ix).n_hint_hits, 8);
    assert_int_equal(match(ix, 1, "hot", &other)->n_lists, 1); /* another publisher: from the cache */
    assert_int_equal(stats(ix).n_cache_hits, 1);
    assert_int_equal(match(ix, 2, "hot", &hint)->n_lists, 0); /* the hint is no proof */
    assert_int_equal(match(ix, 1, "hox", &other)->n_lists, 0);
    hint = 0xdeadbeef;
    assert_int_equal(match(ix, 1, "hot", &hint)->n_lists, 1);
    interest_free(ix);
}

/* What is hot stays kept while others come and go: literals, further subs of a subject that has one, wildcards of other first
 * tokens, and wildcards of all kinds in other accounts. */
static void
churn_elsewhere_drops_no_result(void **state)
{
    (void)state;
    struct interest *ix = new_interest(2, 0, 0);
    add(ix, 1, "hot.a", "", 1);
    add(ix, 1, "hot.*", "", 1);
    uint32_t hint = 0;
    for (int i = 0; i < 2; i++)
        match(ix, 1, "hot.a", &hint);
    uint64_t before = n_slow(ix);
    const char *others[] = {"hot.b", "hot.a.b", "hot", "cold.lit"};
    for (size_t i = 0; i < N_ELEMS(others); i++) {
        uint32_t sub = add(ix, 1, others[i], "", 2), member = add(ix, 1, others[i], "g", 2);
        assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 2);
        drop(ix, sub);
        drop(ix, member);
        assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 2);
    }
    remote_plain(ix, 1, 1, "hot.c", true);
    uint32_t foreign = add(ix, 2, ">", "", 3);
    assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 2);
    drop(ix, foreign);
    uint32_t more = add(ix, 1, "hot.a", "", 4), wild = add(ix, 1, "hot.*", "", 5);
    const struct match *m = match(ix, 1, "hot.a", &hint);
    assert_int_equal(m->lists[0]->n + m->lists[1]->n, 4); /* the live lists */
    drop(ix, more);
    drop(ix, wild);
    m = match(ix, 1, "hot.a", &hint);
    assert_int_equal(m->lists[0]->n + m->lists[1]->n, 2);
    assert_int_equal(n_slow(ix), before);

    /* One other first token in 512 shares the bucket, by chance: of twenty, one at most may disturb. */
    char text[32];
    uint32_t n_disturb = 0;
    for (uint32_t i = 0; i < 20; i++) {
        before = n_slow(ix);
        snprintf(text, sizeof text, i % 2 == 0 ? "cold%u.*" : "cold%u.>", i);
        uint32_t sub = add(ix, 1, text, i % 3 == 0 ? "q" : "", 6);
        assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 2);
        remote_plain(ix, 1, 1, text, true);
        drop(ix, sub);
        remote_plain(ix, 1, 1, text, false);
        assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 2);
        n_disturb += n_slow(ix) != before;
    }
    assert_true(n_disturb <= 1);
    interest_free(ix);
}

/* Each change that matters is seen by the very next match, by hint and by cache. */
static void
a_change_that_matters_is_seen_at_once(void **state)
{
    (void)state;
    const char *patterns[] = {"hot.a", "hot.*", "hot.>", "*.a", ">"};
    struct interest *ix = new_interest(2, 0, 0);
    add(ix, 1, "hot.a", "base", 1);
    uint32_t hint = 0;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_ELEMS(patterns); i++) {
            for (int k = 0; k < 3; k++)
                assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 0);
            uint32_t sub = add(ix, 1, patterns[i], "", 2);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->n_lists, 1);
            drop(ix, sub);
            assert_int_equal(n_plain(ix, 1, "hot.a"), 0);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->n_groups, 1);
            sub = add(ix, 1, patterns[i], "more", 2);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->n_groups, 2);
            drop(ix, sub);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->n_groups, 1);
            remote_queue(ix, 1, 1, patterns[i], "more", 1);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->n_groups, 2);
            remote_queue(ix, 1, 1, patterns[i], "more", 0);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->n_groups, 1);
            remote_plain(ix, 1, 1, patterns[i], true);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->shards, 2);
            remote_plain(ix, 1, 1, patterns[i], false);
            assert_int_equal(match(ix, 1, "hot.a", &hint)->shards, 0);
        }
    }
    interest_check(ix);
    interest_free(ix);
}

/* Results of every size, more than the blocks beside the cache can hold, and larger ones than any block: all are right each time. */
static void
results_of_any_size_are_right(void **state)
{
    (void)state;
    enum { N = 4000 };
    struct interest *ix = new_interest(1, 0, 64);
    char text[64];
    for (uint32_t i = 0; i < N; i++) { /* subject s.<k>. ... matches k lists and more */
        snprintf(text, sizeof text, i % 2 == 0 ? "s.*.%u" : "*.*.%u", i / 64);
        add(ix, 1, text, "", i);
        snprintf(text, sizeof text, "s.%u.*", i % 50);
        add(ix, 1, text, i % 3 == 0 ? "" : text + i % 3, i); /* queues named after parts of the subject */
    }
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 200; i++) {
            snprintf(text, sizeof text, "s.%u.%u", i % 60, i / 3);
            uint32_t n = n_plain(ix, 1, text), want = 0;
            want += (i / 3 < (N + 63) / 64) ? (i / 3 == N / 64 ? N % 64 : 64) : 0;
            for (uint32_t k = 0; k < N; k++)
                want += k % 50 == i % 60 && k % 3 == 0;
            assert_int_equal(n, want);
        }
    }
    interest_check(ix);
    interest_free(ix);

    ix = new_interest(1, 0, 8);
    for (uint32_t i = 0; i < N; i++) { /* 2,000 patterns that all match one subject: more than a block holds */
        text[0] = '\0';
        for (uint32_t k = 0; k < 12; k++)
            strcat(text, (i >> k & 1) != 0 ? "*." : "a.");
        strcat(text, ">");
        add(ix, 1, text, "", i);
    }
    for (int round = 0; round < 3; round++)
        assert_int_equal(n_plain(ix, 1, "a.a.a.a.a.a.a.a.a.a.a.a.end"), N);
    interest_free(ix);
}

/* Steady state: hot subjects, cold ones, wildcards and groups; after each was seen twice, no call asks the system for memory. */
static void
matching_allocates_nothing(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip(); /* allocations can be counted in debug builds alone */
    struct interest *ix = new_interest(2, 0, 256);
    char text[64];
    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "lit.%u", i);
        add(ix, 1, text, i % 5 == 0 ? "q" : "", i);
        snprintf(text, sizeof text, i % 2 == 0 ? "wild.%u.*.a-long-token-that-is-hashed" : "*.%u.>", i % 100);
        add(ix, 1, text, i % 7 == 0 ? "q" : "", i);
    }
    for (int round = 0; round < 6; round++) {
        if (round == 3)
            fault_arm(0);
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t hint = 0;
            snprintf(text, sizeof text, "lit.%u", i % (i % 2 == 0 ? 3000 : 50));
            match(ix, 1, text, &hint);
            snprintf(text, sizeof text, "wild.%u.x.a-long-token-that-is-hashed", i % 120);
            match(ix, 1, text, &hint);
            match(ix, 1, text, &hint);
        }
    }
    assert_false(fault_disarm());
    interest_free(ix);
}

/* ---- subs ---- */

/* Numbers and addresses stay while others come and go, the one in the node included; sids of every length. */
static void
subs_stay_where_they_are(void **state)
{
    (void)state;
    enum { N = 500 };
    struct interest *ix = new_interest(1, 0, 0);
    static uint32_t subs[N];
    static struct sub *at[N];
    static uint8_t sid[N];
    struct interest_change ch;
    memset(sid, 's', sizeof sid);
    for (uint32_t i = 0; i < N; i++) {
        assert_int_equal(interest_add(ix, 1, (const uint8_t *)"one", 3, i % 3 == 0 ? (const uint8_t *)"q" : NULL, i % 3 == 0, i, sid, i + 1, &subs[i], &ch), OK);
        at[i] = interest_sub(ix, subs[i]);
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = round; i < N; i += 4) { /* the very first in round 0 */
            drop(ix, subs[i]);
            subs[i] = 0;
        }
        interest_check(ix);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t sid_len, len, acc, queue_len;
            if (subs[i] == 0)
                continue;
            assert_ptr_equal(interest_sub(ix, subs[i]), at[i]);
            assert_int_equal(at[i]->ep, i);
            assert_memory_equal(sub_sid(at[i], &sid_len), sid, i + 1);
            assert_int_equal(sid_len, i + 1);
            assert_memory_equal(interest_subject(ix, subs[i], &len, &acc), "one", 3);
            assert_int_equal(interest_queue(ix, subs[i], &queue_len) != NULL, i % 3 == 0);
            assert_int_equal(queue_len, i % 3 == 0);
        }
    }
    uint32_t again = add(ix, 1, "one", "", 7); /* the place in the node is free: it is taken again */
    assert_ptr_equal(interest_sub(ix, again), at[0]);
    assert_int_equal(at[0]->n_lo, 0);
    interest_free(ix);
}

/* At the limit a subscription is refused and nothing changes; when one goes there is room for one. */
static void
the_limit_of_subscriptions_holds(void **state)
{
    (void)state;
    struct interest *ix = new_interest(1, 3, 0);
    uint32_t sub = add(ix, 1, "a", "", 1), other = 77;
    add(ix, 1, "a", "", 1);
    add(ix, 1, "b.*", "q", 1);
    struct interest_change ch = {.n_members = 4711};
    assert_int_equal(try_add(ix, 1, "c", "", 1, &other, &ch), ERR_LIMIT);
    assert_int_equal(try_add(ix, 1, "c.*", "q", 1, &other, &ch), ERR_LIMIT);
    assert_int_equal(other, 77);
    assert_int_equal(ch.n_members, 4711);
    assert_int_equal(stats(ix).n_nodes, 2);
    interest_check(ix);
    drop(ix, sub);
    add(ix, 1, "c", "", 1);
    interest_free(ix);
}

static void
counts_of_what_happened_are_kept(void **state)
{
    (void)state;
    struct interest *ix = new_interest(2, 0, 0);
    uint32_t a = add(ix, 1, "a", "", 1);
    for (int i = 0; i < 9; i++)
        add(ix, 1, "a", "", 1);
    add(ix, 1, "a.*", "", 1);
    remote_plain(ix, 1, 1, "z", true);
    drop(ix, a);
    n_plain(ix, 1, "a");
    struct interest_stats st = stats(ix);
    assert_int_equal(st.n_subs, 10);
    assert_int_equal(st.n_nodes, 2);
    assert_int_equal(st.n_remote, 1);
    assert_int_equal(st.n_inserts, 11);
    assert_int_equal(st.n_removes, 1);
    assert_int_equal(st.n_matches, 1);
    assert_int_equal(st.fanout_max, 10);
    assert_true(st.bytes > 0);
    interest_free(ix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_cache_every_match_is_worked_out),
        cmocka_unit_test(the_first_and_the_last_plain_sub_are_told),
        cmocka_unit_test(every_change_of_a_queue_group_is_told),
        cmocka_unit_test(remote_plain_interest_is_a_bit_per_shard_and_idempotent),
        cmocka_unit_test(remote_queue_counts_are_set_not_added),
        cmocka_unit_test(an_account_sees_its_own_interest_only),
        cmocka_unit_test(odd_subjects_match_what_the_rules_say),
        cmocka_unit_test(groups_of_one_name_are_one_group),
        cmocka_unit_test(thousands_of_groups_match),
        cmocka_unit_test(every_path_of_the_trie_is_found_once),
        cmocka_unit_test(patterns_may_end_inside_longer_ones),
        cmocka_unit_test(long_subjects_and_deep_patterns_match),
        cmocka_unit_test(a_repeated_subject_is_found_by_its_hint),
        cmocka_unit_test(churn_elsewhere_drops_no_result),
        cmocka_unit_test(a_change_that_matters_is_seen_at_once),
        cmocka_unit_test(results_of_any_size_are_right),
        cmocka_unit_test(matching_allocates_nothing),
        cmocka_unit_test(subs_stay_where_they_are),
        cmocka_unit_test(the_limit_of_subscriptions_holds),
        cmocka_unit_test(counts_of_what_happened_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
