/* Who gets a publish: queue groups, nobody, and messages that are passed on. */
#include "core/broker/broker_world.h"

/* ---- nobody ---- */

static void
nobody_there_is_told_to_the_publisher_that_asked(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, EP_ECHO | EP_HEADERS | EP_NO_RESPOND), *other = point_new(&w, 0, EP_ECHO | EP_HEADERS);
    assert_int_equal(sub(&w, p, "in.*", "", "12"), OK);
    assert_int_equal(sub(&w, other, "in.1", "", "1"), OK); /* somebody else's inbox, too: not told */
    assert_int_equal(pub(&w, p, "svc.a", "in.1", "?"), OK);
    hears(&w, p, "HMSG in.1 12 37 37\r\nNATS/1.0 503\r\nNats-Subject: svc.a\r\n\r\n\r\n");
    hears(&w, other, "");
    assert_int_equal(pub(&w, p, "svc.a", "", "?"), OK);     /* no reply wanted */
    assert_int_equal(pub(&w, p, "svc.a", "else", "?"), OK); /* nowhere it listens */
    hears(&w, p, "");
    p->ep.flags &= (uint8_t)~EP_NO_RESPOND;
    assert_int_equal(pub(&w, p, "svc.a", "in.1", "?"), OK);
    hears(&w, p, "");
    assert_int_equal(w.set->shards[0]->counters.no_responders, 1);
    world_fini(&w);
}

static void
somebody_on_any_shard_is_somebody(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO | EP_HEADERS | EP_NO_RESPOND), *s = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, p, "in.*", "", "12"), OK);
    assert_int_equal(sub(&w, s, "plain", "", "1"), OK);
    assert_int_equal(sub(&w, s, "queue", "q", "2"), OK);
    settle(&w);
    assert_int_equal(pub(&w, p, "plain", "in.1", "?"), OK);
    assert_int_equal(pub(&w, p, "queue", "in.1", "?"), OK);
    settle(&w);
    hears(&w, p, "");
    hears(&w, s, "MSG plain 1 in.1 1\r\n?\r\nMSG queue 2 in.1 1\r\n?\r\n");
    world_fini(&w);
}

/* ---- queue groups ---- */

/* Two members here, one there: each gets a third. 20,000 throws of a die that is fair stay within 3 %. */
static void
each_member_of_a_group_has_the_same_chance(void **state)
{
    enum { N = 20000 };
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *m[4];
    for (uint32_t i = 0; i < 4; i++) {
        m[i] = point_new(&w, i < 2 ? 0 : 1, EP_ECHO);
        assert_int_equal(sub(&w, m[i], "x", "q", "1"), OK);
        settle(&w);
    }
    uint32_t n[4] = {0}, total = 0;
    for (uint32_t i = 0; i < N; i++) {
        while (pub(&w, p, "x", "", "") == ERR_AGAIN)
            turn(&w, 1), turn(&w, 0);
        if (i % 100 == 0)
            turn(&w, 0), turn(&w, 1);
    }
    settle(&w);
    for (uint32_t i = 0; i < 4; i++) {
        n[i] = n_heard(&w, m[i]);
        total += n[i];
        assert_in_range(n[i], N / 4 - 600, N / 4 + 600);
    }
    assert_int_equal(total, N);
    world_fini(&w);
}

/* The same group name on two subjects that match is one group. */
static void
a_group_gets_a_message_once_though_several_of_its_subjects_match(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, a, "x.*", "q", "1"), OK);
    assert_int_equal(sub(&w, b, "x.y", "q", "2"), OK);
    assert_int_equal(sub(&w, b, ">", "q", "3"), OK);
    assert_int_equal(sub(&w, b, "x.y", "other", "4"), OK);
    settle(&w);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pub(&w, p, "x.y", "", ""), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, a) + n_heard(&w, b), 200); /* q and other */
    world_fini(&w);
}

static void
who_is_dead_or_does_not_want_its_own_is_not_chosen(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, 0), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, p, "x", "q", "1"), OK); /* the publisher, without echo */
    assert_int_equal(sub(&w, a, "x", "q", "1"), OK);
    assert_int_equal(sub(&w, b, "x", "q", "1"), OK);
    b->ep.flags |= EP_DEAD;
    for (int i = 0; i < 50; i++)
        assert_int_equal(pub(&w, p, "x", "", ""), OK);
    assert_int_equal(n_heard(&w, a), 50);
    assert_int_equal(unsub(&w, a, "1", 51), OK);
    for (int i = 0; i < 2; i++) /* the second finds its subscription spent */
        assert_int_equal(pub(&w, p, "x", "", ""), OK);
    assert_int_equal(n_heard(&w, a), 1);
    hears(&w, p, "");
    hears(&w, b, "");
    world_fini(&w);
}

/* ---- passed on ---- */

/* The member's shard has handled its UNSUB, the publisher's has not heard of it: the message goes on to the next member. */
static void
a_message_for_a_member_that_has_gone_is_passed_on(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 3, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *gone = point_new(&w, 1, EP_ECHO), *next = point_new(&w, 2, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    settle(&w);
    assert_int_equal(pub(&w, p, "x", "", "one"), OK);
    assert_int_equal(pub(&w, p, "x", "", "two"), OK);
    assert_int_equal(sub(&w, next, "x", "q", "2"), OK);
    turn(&w, 2);
    turn(&w, 1); /* it knows of the next one ... */
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    turn(&w, 0); /* ... and only now gets the two */
    settle(&w);
    hears(&w, gone, "");
    hears(&w, next, "MSG x 2 3\r\none\r\nMSG x 2 3\r\ntwo\r\n");
    assert_int_equal(w.set->shards[1]->counters.queue_passed_on, 2);
    world_fini(&w);
}

static void
a_message_for_a_group_that_has_gone_is_dropped_and_counted(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *gone = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    settle(&w);
    assert_int_equal(pub(&w, p, "x", "", "one"), OK);
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    settle(&w);
    hears(&w, gone, "");
    assert_int_equal(w.set->shards[1]->counters.queue_dropped, 1);
    world_fini(&w);
}

/* From shard 0 to 1 and back to 0, whose own member is so far behind that its publisher, of this very shard, is to be stalled. */
static void
a_message_passed_back_to_where_it_came_from_knows_its_publisher(void **state)
{
    struct world w;
    char payload[1001];
    (void)state;

    memset(payload, 'p', 1000);
    payload[1000] = '\0';
    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, 0), *gone = point_new(&w, 1, EP_ECHO), *next = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    assert_int_equal(sub(&w, next, "x", "q", "2"), OK);
    assert_int_equal(sub(&w, p, "x", "q", "2"), OK); /* the publisher itself is a member, too, and wants no echo */
    settle(&w);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pub(&w, p, "x", "", payload), OK);
    assert_int_equal(p->n_stall, 0);
    next->ep.n_pending_max = next->ep.out.n_bytes + 40000;
    turn(&w, 0);
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    settle(&w);
    assert_true(w.set->shards[1]->counters.queue_passed_on > 10);
    assert_int_equal(n_heard(&w, next), 100);
    hears(&w, p, "");
    assert_true(p->n_stall > 0);
    point_free(&w, next);
    world_fini(&w);
}

/* Two shards that send it to each other for ever: not more than BROKER_HOPS_MAX times. */
static void
a_message_is_not_passed_on_for_ever(void **state)
{
    struct world w;
    static const char tail[] = " 2\r\nhi\r\n";
    (void)state;

    world_init(&w, 2, 0);
    struct point *there = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, there, "x", "q", "1"), OK);
    settle(&w);
    struct pub_msg m = {.subject = (const uint8_t *)"x", .subject_len = 1, .tail = (const uint8_t *)tail, .tail_len = sizeof(tail) - 1,
                        .payload_off = 4, .acc = ACCOUNT_GLOBAL, .from_shard = 1, .hops = BROKER_HOPS_MAX - 1};
    (void)world_shard(&w, 0);
    broker_serve_queue(&w.b[0], &m, (const uint8_t *)"q", 1);
    settle(&w);
    hears(&w, there, "MSG x 1 2\r\nhi\r\n");
    m.hops = BROKER_HOPS_MAX;
    broker_serve_queue(&w.b[0], &m, (const uint8_t *)"q", 1);
    settle(&w);
    hears(&w, there, "");
    assert_int_equal(w.set->shards[0]->counters.queue_dropped, 1);
    world_fini(&w);
}

/* The mailbox it would go on through is full: it waits, whole and in order, no event is handled before it, and nothing is lost. The
 * publisher of the first of them leaves meanwhile. */
static void
what_cannot_be_passed_on_at_once_waits_in_order(void **state)
{
    enum { N = 40 };
    struct world w;
    char payload[901], want[N * 1000];
    size_t want_len = 0;
    (void)state;

    memset(payload, 'p', 900);
    payload[900] = '\0';
    world_init(&w, 3, 16384);
    struct point *p = point_new(&w, 0, EP_ECHO), *gone = point_new(&w, 1, EP_ECHO), *next = point_new(&w, 2, EP_ECHO);
    struct point *filler = point_new(&w, 1, EP_ECHO), *here = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    assert_int_equal(sub(&w, next, "fill", "", "9"), OK);
    assert_int_equal(sub(&w, here, "y", "q", "3"), OK);
    settle(&w);
    assert_int_equal(sub(&w, next, "x", "q", "2"), OK);
    turn(&w, 2);
    turn(&w, 1);
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    while (pub(&w, filler, "fill", "", payload) == OK) /* the way from 1 to 2 */
        ;
    uint32_t n_fill = (uint32_t)filler->ep.in_msgs;
    for (uint32_t i = 0; i < 8; i++) {
        payload[0] = (char)('A' + i);
        assert_int_equal(pub(&w, p, "x", "", payload), OK);
        want_len += (size_t)sprintf(want + want_len, "MSG x 2 900\r\n%s\r\n", payload);
    }
    assert_int_equal(pub(&w, p, "y", "", "hi"), OK);
    turn(&w, 0);
    point_free(&w, p);
    turn(&w, 1);
    assert_int_equal(w.b[1].n_deferred, 8);
    assert_true(w.set->shards[1]->events_held);
    hears(&w, here, "MSG y 3 2\r\nhi\r\n"); /* a member on this shard has not to wait for that */
    settle(&w);
    assert_int_equal(w.b[1].n_deferred, 0);
    assert_false(w.set->shards[1]->events_held);
    char *text = heard(&w, next), *at = strstr(text, "MSG x 2");
    assert_non_null(at);
    assert_string_equal(at, want);
    assert_true(n_fill > 0);
    free(text);
    world_fini(&w);
}

/* Its own publish fills the queue of the member that was chosen, before it comes to the group: another one gets it. */
static void
a_member_that_dies_in_the_same_fan_out_is_replaced(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *weak = point_new(&w, 0, EP_ECHO), *strong = point_new(&w, 0, EP_ECHO);
    uint32_t n_replaced = 0;
    assert_int_equal(sub(&w, strong, "x", "q", "1"), OK);
    for (int i = 0; i < 20; i++) {
        weak->ep.n_pending_max = 10; /* its plain subscription is served first, and is too much for it */
        assert_int_equal(sub(&w, weak, "x", "", "1"), OK);
        assert_int_equal(sub(&w, weak, "x", "q", "2"), OK);
        assert_int_equal(pub(&w, p, "x", "", "hello"), OK);
        assert_int_equal(weak->n_slow, 1);
        assert_int_equal(n_heard(&w, strong), 1);
        n_replaced++;
        point_free(&w, weak);
        weak = point_new(&w, 0, EP_ECHO);
    }
    assert_int_equal(n_replaced, 20);
    world_fini(&w);
}

static void
without_memory_for_its_choices_a_publish_waits(void **state)
{
    struct world w;
    (void)state;

    if (!fault_armed_builds)
        skip();
    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, s, "x", "q", "1"), OK);
    assert_int_equal(pub(&w, p, "y", "", ""), OK); /* what the cache needs is there now */
    fault_arm(0);
    enum err e = pub(&w, p, "x", "", "hi");
    assert_true(fault_disarm());
    if (e == ERR_AGAIN)
        assert_int_equal(pub(&w, p, "x", "", "hi"), OK);
    hears(&w, s, "MSG x 1 2\r\nhi\r\n");
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there_is_told_to_the_publisher_that_asked),
        cmocka_unit_test(somebody_on_any_shard_is_somebody),
        cmocka_unit_test(each_member_of_a_group_has_the_same_chance),
        cmocka_unit_test(a_group_gets_a_message_once_though_several_of_its_subjects_match),
        cmocka_unit_test(who_is_dead_or_does_not_want_its_own_is_not_chosen),
        cmocka_unit_test(a_message_for_a_member_that_has_gone_is_passed_on),
        cmocka_unit_test(a_message_for_a_group_that_has_gone_is_dropped_and_counted),
        cmocka_unit_test(a_message_passed_back_to_where_it_came_from_knows_its_publisher),
        cmocka_unit_test(a_message_is_not_passed_on_for_ever),
        cmocka_unit_test(what_cannot_be_passed_on_at_once_waits_in_order),
        cmocka_unit_test(a_member_that_dies_in_the_same_fan_out_is_replaced),
        cmocka_unit_test(without_memory_for_its_choices_a_publish_waits),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
