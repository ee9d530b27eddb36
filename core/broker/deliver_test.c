/* What a subscriber gets to read. */
#include "core/broker/broker_world.h"

/* One shard, a publisher and a subscriber that knows headers. */
struct pair {
    struct world w;
    struct point *pub, *sub;
};

static void
start(struct pair *p, uint8_t flags)
{
    world_init(&p->w, 1, 0);
    p->pub = point_new(&p->w, 0, EP_ECHO | EP_HEADERS);
    p->sub = point_new(&p->w, 0, flags);
}

static void
a_message_is_verb_subject_sid_reply_and_size(void **state)
{
    struct pair p;
    (void)state;

    start(&p, EP_ECHO | EP_HEADERS);
    assert_int_equal(sub(&p.w, p.sub, "a.*", "", "42"), OK);
    assert_int_equal(pub(&p.w, p.pub, "a.b", "", "hello"), OK);
    assert_int_equal(pub(&p.w, p.pub, "a.b", "in.box", ""), OK);
    assert_int_equal(pub_bytes(&p.w, p.pub, "a.c", "r", 12, "NATS/1.0\r\n\r\nhi", 14), OK);
    hears(&p.w, p.sub, "MSG a.b 42 5\r\nhello\r\nMSG a.b 42 in.box 0\r\n\r\nHMSG a.c 42 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    world_fini(&p.w);
}

/* Every length of subject, sid and payload around the sizes at which copying changes its ways. */
static void
every_length_is_copied_whole(void **state)
{
    struct pair p;
    char subject[80], sid[40], payload[80], want[400];
    (void)state;

    start(&p, EP_ECHO);
    for (uint32_t i = 0; i < 70; i++) {
        uint32_t subject_len = i + 1, sid_len = i % 37 + 1;
        for (uint32_t k = 0; k < 70; k++)
            subject[k] = payload[k] = (char)('a' + k % 26);
        memset(sid, 's', sizeof(sid));
        sid[0] = (char)('A' + i % 26);
        subject[subject_len] = sid[sid_len] = payload[i] = '\0';
        assert_int_equal(sub(&p.w, p.sub, subject, "", sid), OK);
        assert_int_equal(pub(&p.w, p.pub, subject, "", payload), OK);
        (void)snprintf(want, sizeof(want), "MSG %s %s %u\r\n%s\r\n", subject, sid, i, payload);
        hears(&p.w, p.sub, want);
        assert_int_equal(unsub(&p.w, p.sub, sid, 0), OK);
    }
    world_fini(&p.w);
}

/* The same to several subscribers, where what is the same for all is made once: with each the others, whoever they are. */
static void
every_length_is_copied_whole_to_each_of_many(void **state)
{
    enum { N = 5 };
    struct pair p;
    struct point *s[N];
    char subject[80], sid[N][40], payload[80], want[400];
    (void)state;

    start(&p, EP_ECHO);
    for (uint32_t k = 0; k < N; k++)
        s[k] = k == 0 ? p.pub : point_new(&p.w, 0, k == 1 ? 0 : EP_ECHO); /* the publisher itself is one of them */
    for (uint32_t i = 0; i < 70; i++) {
        uint32_t subject_len = i + 1;
        for (uint32_t k = 0; k < 70; k++)
            subject[k] = payload[k] = (char)('a' + k % 26);
        subject[subject_len] = payload[i] = '\0';
        for (uint32_t k = 0; k < N; k++) {
            memset(sid[k], 'A' + (int)k, sizeof(sid[k]));
            sid[k][1 + (i + 3 * k) % 11] = '\0';
            assert_int_equal(sub(&p.w, s[k], subject, "", sid[k]), OK);
        }
        assert_int_equal(unsub(&p.w, s[4], sid[4], 2), OK); /* after two */
        uint64_t out_msgs = p.w.set->shards[0]->counters.out_msgs, out_bytes = p.w.set->shards[0]->counters.out_bytes;
        for (uint32_t n = 0; n < 3; n++)
            assert_int_equal(pub(&p.w, p.pub, subject, n == 1 ? "re" : "", payload), OK);
        for (uint32_t k = 0; k < N; k++) {
            int len = snprintf(want, sizeof(want), "MSG %s %s %u\r\n%s\r\nMSG %s %s re %u\r\n%s\r\n", subject, sid[k], i, payload, subject, sid[k], i,
                               payload);
            char *text = heard(&p.w, s[k]);
            assert_memory_equal(text, want, (size_t)len);
            if (k < 4)
                assert_memory_equal(text + len, want, strlen(text + len));
            assert_int_equal(strlen(text + len), k < 4 ? (len - 3) / 2 : 0);
            free(text);
            assert_int_equal(s[k]->ep.out_msgs, 3 * i + 3 - (k == 4 ? i + 1 : 0));
            assert_int_equal(unsub(&p.w, s[k], sid[k], 0), OK);
        }
        assert_int_equal(p.w.set->shards[0]->counters.out_msgs - out_msgs, 3 * N - 1);
        assert_int_equal(p.w.set->shards[0]->counters.out_bytes - out_bytes, (3 * N - 1) * i);
        settle(&p.w);
    }
    p.pub->ep.flags &= (uint8_t)~EP_ECHO;
    for (uint32_t k = 0; k < N; k++)
        assert_int_equal(sub(&p.w, s[k], "x", "", "1"), OK);
    s[2]->ep.flags |= EP_DEAD;
    s[3]->ep.n_pending_max = 40;
    for (uint32_t n = 0; n < 5; n++)
        assert_int_equal(pub(&p.w, p.pub, "x", "", "0123456789"), OK);
    assert_int_equal(n_heard(&p.w, s[0]), 0);
    assert_int_equal(n_heard(&p.w, s[1]), 5);
    assert_int_equal(n_heard(&p.w, s[2]), 0);
    assert_int_equal(n_heard(&p.w, s[3]), 2); /* the second one was too much */
    assert_int_equal(s[3]->n_slow, 1);
    assert_int_equal(n_heard(&p.w, s[4]), 5);
    world_fini(&p.w);
}

static void
a_long_message_is_cut_over_buffers_and_nothing_is_lost(void **state)
{
    enum { LEN = 300000 };
    struct pair p;
    char *payload = malloc(LEN), head[64];
    (void)state;

    assert_non_null(payload);
    for (uint32_t i = 0; i < LEN; i++)
        payload[i] = (char)('a' + i % 23);
    start(&p, EP_ECHO | EP_HEADERS);
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK);
    for (uint32_t len = 16000; len < LEN; len = len * 5 / 3) { /* some below what is copied in one piece, the others above */
        assert_int_equal(pub_bytes(&p.w, p.pub, "x", "", 7, payload, len), OK);
        int n = snprintf(head, sizeof(head), "HMSG x 1 7 %u\r\n", len);
        char *text = heard(&p.w, p.sub);
        assert_int_equal(strlen(text), (size_t)n + len + 2);
        assert_memory_equal(text, head, (size_t)n);
        assert_memory_equal(text + n, payload, len);
        assert_string_equal(text + n + len, "\r\n");
        free(text);
    }
    free(payload);
    world_fini(&p.w);
}

static void
who_does_not_know_headers_gets_the_payload_alone(void **state)
{
    struct pair p;
    (void)state;

    start(&p, EP_ECHO);
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK);
    assert_int_equal(pub_bytes(&p.w, p.pub, "x", "", 12, "NATS/1.0\r\n\r\nhi", 14), OK);
    assert_int_equal(pub_bytes(&p.w, p.pub, "x", "re", 12, "NATS/1.0\r\n\r\n", 12), OK);
    assert_int_equal(pub_bytes(&p.w, p.pub, "x", "", 0, "hi", 2), OK);
    hears(&p.w, p.sub, "MSG x 1 2\r\nhi\r\nMSG x 1 re 0\r\n\r\nMSG x 1 2\r\nhi\r\n");
    world_fini(&p.w);
}

static void
without_echo_nobody_hears_himself(void **state)
{
    struct pair p;
    (void)state;

    start(&p, 0);
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK);
    assert_int_equal(pub(&p.w, p.sub, "x", "", "mine"), OK);
    assert_int_equal(pub(&p.w, p.pub, "x", "", "yours"), OK);
    hears(&p.w, p.sub, "MSG x 1 5\r\nyours\r\n");
    world_fini(&p.w);
}

static void
after_max_messages_a_subscription_is_gone(void **state)
{
    struct pair p;
    (void)state;

    start(&p, EP_ECHO);
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK);
    assert_int_equal(pub(&p.w, p.pub, "x", "", "1"), OK);
    assert_int_equal(unsub(&p.w, p.sub, "1", 3), OK); /* three in all, one of which it has */
    for (int i = 2; i < 6; i++)
        assert_int_equal(pub(&p.w, p.pub, "x", "", "+"), OK);
    hears(&p.w, p.sub, "MSG x 1 1\r\n1\r\nMSG x 1 1\r\n+\r\nMSG x 1 1\r\n+\r\n");
    assert_int_equal(p.sub->ep.n_subs, 0);
    assert_int_equal(p.w.b[0].n_dead, 1);
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK); /* its sid is free at once */
    settle(&p.w);
    assert_int_equal(p.w.b[0].n_dead, 0);
    assert_int_equal(pub(&p.w, p.pub, "x", "", "again"), OK);
    hears(&p.w, p.sub, "MSG x 1 5\r\nagain\r\n");
    world_fini(&p.w);
}

static void
unsubscribing_after_fewer_than_it_has_had_is_at_once(void **state)
{
    struct pair p;
    (void)state;

    start(&p, EP_ECHO);
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK);
    assert_int_equal(pub(&p.w, p.pub, "x", "", "1"), OK);
    assert_int_equal(pub(&p.w, p.pub, "x", "", "2"), OK);
    free(heard(&p.w, p.sub));
    assert_int_equal(unsub(&p.w, p.sub, "1", 2), OK);
    assert_int_equal(pub(&p.w, p.pub, "x", "", "3"), OK);
    hears(&p.w, p.sub, "");
    world_fini(&p.w);
}

/* ---- slow ---- */

static void
above_three_quarters_the_publisher_is_stalled_and_above_all_of_it_the_subscriber_is_slow(void **state)
{
    struct pair p;
    char payload[1001];
    (void)state;

    memset(payload, 'p', 1000);
    payload[1000] = '\0';
    start(&p, EP_ECHO);
    p.sub->ep.n_pending_max = 10000;
    assert_int_equal(sub(&p.w, p.sub, "x", "", "1"), OK);
    for (int i = 0; i < 7; i++)
        assert_int_equal(pub(&p.w, p.pub, "x", "", payload), OK);
    assert_int_equal(p.pub->n_stall, 0);
    assert_int_equal(pub(&p.w, p.pub, "x", "", payload), OK);
    assert_int_equal(p.pub->n_stall, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pub(&p.w, p.pub, "x", "", payload), OK);
    assert_int_equal(p.sub->n_slow, 1); /* once */
    assert_true((p.sub->ep.flags & EP_DEAD) != 0);
    assert_true(p.sub->ep.out.n_bytes < 12000); /* and nothing more was queued */
    world_fini(&p.w);
}

/* The publisher is on another shard: it hears of it by a record. */
static void
a_stall_reaches_a_publisher_of_another_shard(void **state)
{
    struct world w;
    char payload[1001];
    (void)state;

    memset(payload, 'p', 1000);
    payload[1000] = '\0';
    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s = point_new(&w, 1, EP_ECHO);
    s->ep.n_pending_max = 10000;
    assert_int_equal(sub(&w, s, "x", "", "1"), OK);
    settle(&w);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pub(&w, p, "x", "", payload), OK);
    settle(&w);
    assert_int_equal(p->n_stall, 1);
    point_free(&w, s);
    world_fini(&w);
}

/* It waits on its way, its publisher's slot becomes free: nobody is there to be stalled. */
static void
a_stall_for_a_publisher_that_has_gone_is_nothing(void **state)
{
    struct world w;
    char payload[1001];
    (void)state;

    memset(payload, 'p', 1000);
    payload[1000] = '\0';
    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s = point_new(&w, 1, EP_ECHO);
    s->ep.n_pending_max = 10000;
    assert_int_equal(sub(&w, s, "x", "", "1"), OK);
    settle(&w);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pub(&w, p, "x", "", payload), OK);
    point_free(&w, p);
    settle(&w);
    world_fini(&w);
}

static void
without_memory_for_the_output_the_subscriber_is_closed_and_the_others_get_theirs(void **state)
{
    struct world w;
    (void)state;

    if (!fault_armed_builds)
        skip();
    world_init(&w, 1, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, a, "x", "", "1"), OK);
    assert_int_equal(sub(&w, b, "x", "", "1"), OK);
    fault_arm(0);
    assert_int_equal(pub(&w, p, "x", "", "hello"), OK);
    assert_true(fault_disarm());
    assert_int_equal(a->n_no_memory + b->n_no_memory, 1);
    struct point *lucky = a->n_no_memory != 0 ? b : a;
    hears(&w, lucky, "MSG x 1 5\r\nhello\r\n");
    hears(&w, lucky == a ? b : a, "");
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_verb_subject_sid_reply_and_size),
        cmocka_unit_test(every_length_is_copied_whole),
        cmocka_unit_test(every_length_is_copied_whole_to_each_of_many),
        cmocka_unit_test(a_long_message_is_cut_over_buffers_and_nothing_is_lost),
        cmocka_unit_test(who_does_not_know_headers_gets_the_payload_alone),
        cmocka_unit_test(without_echo_nobody_hears_himself),
        cmocka_unit_test(after_max_messages_a_subscription_is_gone),
        cmocka_unit_test(unsubscribing_after_fewer_than_it_has_had_is_at_once),
        cmocka_unit_test(above_three_quarters_the_publisher_is_stalled_and_above_all_of_it_the_subscriber_is_slow),
        cmocka_unit_test(a_stall_reaches_a_publisher_of_another_shard),
        cmocka_unit_test(a_stall_for_a_publisher_that_has_gone_is_nothing),
        cmocka_unit_test(without_memory_for_the_output_the_subscriber_is_closed_and_the_others_get_theirs),
    };
    return cmocka_run_group_tests_name("deliver", tests, NULL, NULL);
}
