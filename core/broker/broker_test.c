/* Subscribing and unsubscribing, and what the peers know of it. */
#include "core/broker/broker_world.h"

static void
a_sid_in_use_changes_nothing(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, p, "x", "", "1"), OK);
    assert_int_equal(sub(&w, p, "y", "", "1"), ERR_EXIST);
    assert_int_equal(unsub(&w, p, "7", 0), OK); /* unknown */
    assert_int_equal(p->ep.n_subs, 1);
    assert_int_equal(pub(&w, p, "y", "", ""), OK);
    hears(&w, p, "");
    world_fini(&w);
}

static void
a_peer_hears_of_interest_and_of_its_end(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s = point_new(&w, 1, EP_ECHO);
    for (int i = 0; i < 3; i++) {
        const char *subject = i == 0 ? "a.b" : "a.*";
        assert_int_equal(sub(&w, s, subject, i == 2 ? "q" : "", "1"), OK);
        settle(&w);
        assert_int_equal(pub(&w, p, "a.b", "", "."), OK);
        settle(&w);
        hears(&w, s, "MSG a.b 1 1\r\n.\r\n");
        assert_int_equal(unsub(&w, s, "1", 0), OK);
        settle(&w);
        uint64_t n_out = w.set->shards[0]->counters.mbox_msgs_out;
        assert_int_equal(pub(&w, p, "a.b", "", "."), OK);
        assert_int_equal(w.set->shards[0]->counters.mbox_msgs_out, n_out);
    }
    world_fini(&w);
}

/* The mailbox to a shard that stands still is full: subscribing and unsubscribing wait, and change nothing. */
static void
a_change_that_cannot_be_told_waits(void **state)
{
    struct world w;
    char sid[16], subject[64];
    (void)state;

    world_init(&w, 2, 16384);
    struct point *s = point_new(&w, 1, EP_ECHO), *p = point_new(&w, 0, EP_ECHO);
    enum err e = OK;
    uint32_t n = 0;
    while (e == OK) {
        (void)sprintf(sid, "%u", n);
        (void)sprintf(subject, "x.%u.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", n);
        e = sub(&w, s, subject, "", sid);
        n += e == OK;
    }
    assert_int_equal(e, ERR_AGAIN);
    assert_int_equal(s->ep.n_subs, n);
    assert_int_equal(unsub(&w, s, "0", 0), ERR_AGAIN);
    assert_int_equal(s->ep.n_subs, n);
    assert_int_equal(unsub(&w, s, "0", 1), OK); /* this one needs no room ... */
    assert_int_equal(pub(&w, s, "x.0.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", ""), OK);
    assert_int_equal(s->ep.n_subs, n - 1);
    turn(&w, 1);
    assert_int_equal(w.b[1].n_dead, 1); /* ... before it is spent, and then it waits dead */
    assert_false(broker_forget(&w.b[1], &s->ep));
    settle(&w);
    assert_int_equal(w.b[1].n_dead, 0);
    point_free(&w, s);
    settle(&w);
    uint64_t n_out = w.set->shards[0]->counters.mbox_msgs_out;
    for (uint32_t i = 0; i < n; i++) {
        (void)sprintf(subject, "x.%u.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i);
        assert_int_equal(pub(&w, p, subject, "", ""), OK);
    }
    assert_int_equal(w.set->shards[0]->counters.mbox_msgs_out, n_out); /* the peer knows that all are gone */
    world_fini(&w);
}

/* No turn removes more than BROKER_REAP_MAX, of those that died and of those of closed endpoints together. */
static void
removing_is_bounded_by_the_turn(void **state)
{
    enum { N = 3000 };
    struct world w;
    char sid[16];
    (void)state;

    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 0, EP_ECHO);
    for (uint32_t i = 0; i < N; i++) {
        (void)sprintf(sid, "%u", i);
        assert_int_equal(sub(&w, a, "x", "", sid), OK);
        assert_int_equal(unsub(&w, a, sid, 1), OK);
        assert_int_equal(sub(&w, b, "y", "", sid), OK);
    }
    assert_int_equal(pub(&w, p, "x", "", ""), OK);
    assert_int_equal(n_heard(&w, a), N);
    assert_int_equal(w.b[0].n_dead, N);
    (void)world_shard(&w, 0);
    broker_reap(&w.b[0]);
    assert_int_equal(w.b[0].n_dead, 0);
    assert_false(broker_forget(&w.b[0], &b->ep));
    assert_true(broker_reap_cut(&w.b[0]));
    assert_int_equal(b->ep.n_subs, 2 * N - BROKER_REAP_MAX);
    broker_reap(&w.b[0]);
    assert_true(broker_forget(&w.b[0], &b->ep));
    assert_int_equal(b->ep.n_subs, 0);
    world_fini(&w);
}

/* Every allocation of subscribing, here and at the peer, fails once: it is refused and nothing has changed, or it is there for
 * everybody. (C8) */
static void
c8_a_subscription_without_memory_is_refused_or_whole(void **state)
{
    struct world w;
    char subject[64], sid[32], queue[32];
    uint32_t n_refused = 0;
    (void)state;

    if (!fault_armed_builds)
        skip();
    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s = point_new(&w, 1, EP_ECHO);
    for (uint32_t i = 0; i < 400; i++) {
        (void)sprintf(subject, i % 3 == 0 ? "lit.%u" : "wild.%u.*.>", i);
        (void)sprintf(sid, "a-long-sid-%u", i);
        (void)sprintf(queue, "%.*s", i % 2 == 0 ? 0 : 20, "a-queue-group-of-ours");
        bool hit = true;
        for (int64_t n = 0; hit; n++) {
            assert_true(n < 100);
            fault_arm(n);
            enum err e = sub(&w, s, subject, queue, sid);
            turn(&w, 1);
            turn(&w, 0);
            hit = fault_disarm();
            settle(&w);
            assert_non_null(w.b[0].reserve); /* it is there again */
            uint32_t want = e == OK;
            n_refused += e != OK;
            char to[64];
            (void)sprintf(to, i % 3 == 0 ? "lit.%u" : "wild.%u.a.b", i);
            assert_int_equal(pub(&w, p, to, "", ""), OK);
            settle(&w);
            assert_int_equal(n_heard(&w, s), want);
            if (e == OK && hit)
                assert_int_equal(unsub(&w, s, sid, 0), OK);
            settle(&w);
        }
    }
    assert_true(n_refused > 0);
    world_fini(&w);
}

/* While the reserve for the peers' interest is used up, no subscription is taken. */
static void
c8_without_its_reserve_a_shard_takes_no_subscriptions(void **state)
{
    struct world w;
    (void)state;

    if (!fault_armed_builds)
        skip();
    world_init(&w, 2, 0);
    struct point *s = point_new(&w, 0, EP_ECHO), *t = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, t, "wild.*.a", "", "1"), OK);
    turn(&w, 1);
    void *reserve = w.b[0].reserve;
    (void)world_shard(&w, 0);
    fault_arm(0);
    shard_take(w.set->shards[0]);
    shard_clock(w.set->shards[0]);
    assert_true(shard_drain(w.set->shards[0], UINT32_MAX));
    assert_true(fault_disarm());
    assert_non_null(reserve);
    assert_null(w.b[0].reserve);
    assert_int_equal(sub(&w, s, "x", "", "1"), ERR_NOMEM);
    settle(&w);
    assert_int_equal(sub(&w, s, "x", "", "1"), OK);
    assert_int_equal(pub(&w, s, "wild.x.a", "", "."), OK);
    settle(&w);
    hears(&w, t, "MSG wild.x.a 1 1\r\n.\r\n");
    world_fini(&w);
}

static void
broker_init_without_memory_leaves_nothing(void **state)
{
    struct world w;
    struct broker b;
    (void)state;

    if (!fault_armed_builds)
        skip();
    world_init(&w, 2, 0);
    struct broker_cfg bc = {.eps = &w.eps[0], .ops = &world_ops};
    for (int64_t n = 0;; n++) {
        assert_true(n < 100);
        fault_arm(n);
        enum err e = broker_init(&b, world_shard(&w, 0), &bc);
        bool hit = fault_disarm();
        assert_int_equal(e, hit ? ERR_NOMEM : OK);
        broker_fini(&b);
        if (!hit)
            break;
    }
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sid_in_use_changes_nothing),
        cmocka_unit_test(a_peer_hears_of_interest_and_of_its_end),
        cmocka_unit_test(a_change_that_cannot_be_told_waits),
        cmocka_unit_test(removing_is_bounded_by_the_turn),
        cmocka_unit_test(c8_a_subscription_without_memory_is_refused_or_whole),
        cmocka_unit_test(c8_without_its_reserve_a_shard_takes_no_subscriptions),
        cmocka_unit_test(broker_init_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests_name("broker", tests, NULL, NULL);
}
