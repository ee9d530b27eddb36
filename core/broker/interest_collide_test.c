/* Tests of what interest.h says about subjects whose fingerprints collide. Built with INTEREST_TEST_HASHES=1: all of them do. */
#include "core/broker/interest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"

#define S(text) (const uint8_t *)(text), (uint32_t)strlen(text)

static struct interest *
new_interest(void)
{
    struct interest_cfg cfg = {.n_shards = 2};
    hash_key_seed(&cfg.key, 3);
    struct interest *ix = interest_new(&cfg);
    assert_non_null(ix);
    return ix;
}

/* Literals of several accounts come and go in every order: the first to come is told, and the last to go. */
static void
colliding_literals_are_told_once_and_taken_back_with_the_last(void **state)
{
    (void)state;
    const char *subjects[] = {"a", "b.c", "another.subject.of.some.length"};
    const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct interest *ix = new_interest();
    for (size_t k = 0; k < N_ELEMS(orders); k++) {
        struct interest_change ch;
        uint32_t subs[3];
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(interest_add(ix, i, S(subjects[i]), NULL, 0, 1, S("1"), &subs[i], &ch), OK);
            assert_int_equal(ch.tell, i == 0 ? INTEREST_TELL_PLAIN_ON : INTEREST_TELL_NOTHING);
        }
        for (int i = 0; i < 3; i++) {
            int at = orders[k][i];
            interest_remove(ix, subs[at], &ch);
            assert_int_equal(ch.tell, i == 2 ? INTEREST_TELL_PLAIN_OFF : INTEREST_TELL_NOTHING);
            if (i == 2) {
                assert_int_equal(ch.acc, at);
                assert_memory_equal(ch.subject, subjects[at], strlen(subjects[at]));
            }
        }
    }
    interest_check(ix);
    interest_free(ix);
}

/* Members of queue groups and wildcards have names: they are no part of such a unit. */
static void
groups_and_wildcards_do_not_collide(void **state)
{
    (void)state;
    struct interest *ix = new_interest();
    struct interest_change ch;
    uint32_t sub;
    assert_int_equal(interest_add(ix, 1, S("a"), S("q"), 1, S("1"), &sub, &ch), OK);
    assert_int_equal(interest_add(ix, 1, S("b"), NULL, 0, 1, S("2"), &sub, &ch), OK);
    assert_int_equal(ch.tell, INTEREST_TELL_PLAIN_ON);
    assert_int_equal(interest_add(ix, 1, S("b"), S("q"), 1, S("3"), &sub, &ch), OK);
    assert_int_equal(ch.tell, INTEREST_TELL_QUEUE);
    assert_int_equal(ch.n_members, 1);
    assert_int_equal(interest_add(ix, 1, S("b.*"), NULL, 0, 1, S("4"), &sub, &ch), OK);
    assert_int_equal(ch.tell, INTEREST_TELL_PLAIN_ON);
    uint32_t hint = 0;
    assert_int_equal(interest_match(ix, 1, S("a"), &hint)->n_lists, 0);
    assert_int_equal(interest_match(ix, 1, S("b"), &hint)->n_lists, 1);
    assert_int_equal(interest_match(ix, 1, S("b"), &hint)->groups[0].parts[0]->members.n, 1);
    interest_free(ix);
}

/* What a shard tells for one subject holds for all that collide with it, also for results that were kept before. */
static void
a_report_concerns_all_that_collide(void **state)
{
    (void)state;
    struct interest *ix = new_interest();
    uint32_t hint = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(interest_match(ix, 7, S("b"), &hint)->shards, 0);
        assert_int_equal(interest_remote_plain(ix, 1, 3, S("a"), true), OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(interest_match(ix, 7, S("b"), &hint)->shards, 2);
        assert_int_equal(interest_remote_plain(ix, 1, 5, S("c.d"), false), OK); /* the last of the unit that went */
    }
    interest_check(ix);
    interest_free(ix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colliding_literals_are_told_once_and_taken_back_with_the_last),
        cmocka_unit_test(groups_and_wildcards_do_not_collide),
        cmocka_unit_test(a_report_concerns_all_that_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
