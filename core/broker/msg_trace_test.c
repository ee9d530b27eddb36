/* Tests of msg_trace.h: one event for a message, whatever shards it went through. What stands in an event beside nats-server's is
 * tests/oracle/msg_trace_test.py's to compare. */
#include "core/broker/broker_world.h"
#include "core/broker/msg_trace_priv.h"

enum { LATE_NS = MSG_TRACE_TIMEOUT_NS + NS_PER_MS };

static struct nats_view
view(const char *text)
{
    return (struct nats_view){(const uint8_t *)text, strlen(text)};
}

/* Publish "hi" to subject, and have its event sent to "dest". Untraced where no trace can be had. */
static enum err
pub_traced(struct world *w, struct point *p, const char *subject, bool only)
{
    static const char tail[] = " 19 21\r\nNATS/1.0\r\nA: bcd\r\n\r\nhi\r\n";
    struct broker *b = &w->b[p->shard];
    struct pub_msg m = {
        .subject = (const uint8_t *)subject,
        .subject_len = (uint32_t)strlen(subject),
        .tail = (const uint8_t *)tail,
        .tail_len = sizeof(tail) - 1,
        .payload_off = 8,
        .hdr_len = 20,
        .hdr = true,
        .acc = ACCOUNT_GLOBAL,
        .from = &p->ep,
        .from_slot = p->ep.slot,
        .from_shard = (uint8_t)p->shard,
    };
    struct msg_trace_req req = {.dest = view("dest"), .hdr = view("NATS/1.0\r\nA: bcd\r\n\r\n"), .size = 22, .acc = ACCOUNT_GLOBAL, .acc_name = view("$G"),
                                .from = &p->ep, .subject = view(subject), .only = only};

    (void)world_shard(w, p->shard);
    m.trace = msg_trace_open(b, &req);
    if (m.trace == 0)
        return only ? OK : broker_publish(b, &m);
    return broker_publish_traced(b, &m);
}

/* Times out of an event. */
static void
strip_times(char *text)
{
    for (char *at = text; (at = strstr(at, "\"20")) != NULL || (at = strstr(text, "\"19")) != NULL;) {
        char *end = strchr(at + 1, '"');
        memmove(at + 1, end, strlen(end) + 1);
        at = text;
    }
}

static void
hears_event(struct world *w, struct point *p, const char *events)
{
    char *text = heard(w, p), *at = strstr(text, "\"events\":[");

    strip_times(text);
    if (events == NULL) {
        assert_string_equal(text, "");
    } else {
        assert_non_null(at);
        at = strstr(text, "\"events\":[");
        assert_string_equal(at, events);
    }
    free(text);
}

#define IN(cid, subj) "\"events\":[{\"type\":\"in\",\"ts\":\"\",\"kind\":0,\"cid\":" cid ",\"acc\":\"$G\",\"subj\":\"" subj "\"}"
#define EG(cid, sub) ",{\"type\":\"eg\",\"ts\":\"\",\"kind\":0,\"cid\":" cid ",\"sub\":\"" sub "\"}"
#define EG_QUEUE(cid, sub, queue) ",{\"type\":\"eg\",\"ts\":\"\",\"kind\":0,\"cid\":" cid ",\"sub\":\"" sub "\",\"queue\":\"" queue "\"}"
#define END "]}\r\n"

static uint64_t
total(struct world *w, size_t counter)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < w->n; i++)
        n += ((const uint64_t *)(const void *)&w->set->shards[i]->counters)[counter];
    return n;
}

static void
an_event_tells_of_all_shards(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 3, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *t = point_new(&w, 2, EP_ECHO | EP_HEADERS), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 1, EP_ECHO), *c = point_new(&w, 2, EP_ECHO);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    assert_int_equal(sub(&w, a, "x", "", "1"), OK);
    assert_int_equal(sub(&w, b, "x", "", "1"), OK);
    assert_int_equal(sub(&w, b, "*", "q", "2"), OK);
    assert_int_equal(sub(&w, c, ">", "", "1"), OK);
    settle(&w);
    assert_int_equal(pub_traced(&w, p, "x", false), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, a), 1);
    assert_int_equal(n_heard(&w, b), 3); /* the event, too */
    assert_int_equal(n_heard(&w, c), 2);
    hears_event(&w, t, IN("1", "x") EG("2", "x") EG("1001", "x") EG_QUEUE("1001", "*", "q") EG("2002", "\\u003e") END);
    assert_int_equal(total(&w, COUNTER_traces), 1);
    assert_int_equal(total(&w, COUNTER_traces_cut), 0);
    world_fini(&w);
}

static void
trace_only_delivers_nothing_anywhere(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 1, EP_ECHO), *t = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    assert_int_equal(sub(&w, a, "x", "", "1"), OK);
    assert_int_equal(unsub(&w, a, "1", 1), OK);
    assert_int_equal(sub(&w, b, "x", "q", "1"), OK);
    settle(&w);
    for (int i = 0; i < 2; i++) { /* the second finds the subscription that takes one message unspent */
        assert_int_equal(pub_traced(&w, p, "x", true), OK);
        settle(&w);
        hears(&w, a, "");
        hears(&w, b, "");
        hears_event(&w, t, IN("1", "x") EG("2", "x") EG_QUEUE("1001", "x", "q") END);
    }
    world_fini(&w);
}

/* As for any queue message: the claim goes with it. */
static void
a_message_that_is_passed_on_stands_in_the_event_where_it_ended(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 3, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *gone = point_new(&w, 1, EP_ECHO), *next = point_new(&w, 2, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    settle(&w);
    assert_int_equal(pub_traced(&w, p, "x", false), OK);
    assert_int_equal(sub(&w, next, "x", "q", "2"), OK);
    turn(&w, 2);
    turn(&w, 1);
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    turn(&w, 0);
    settle(&w);
    assert_int_equal(n_heard(&w, next), 1);
    assert_int_equal(total(&w, COUNTER_queue_passed_on), 1);
    hears_event(&w, t, IN("1", "x") EG_QUEUE("2001", "x", "q") END);
    world_fini(&w);
}

/* Half of them go to the other shard, whose member leaves before they come. */
static void
a_message_that_is_passed_back_ends_its_trace_at_home(void **state)
{
    enum { N = 40 };
    struct world w;
    uint32_t n = 0;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *gone = point_new(&w, 1, EP_ECHO), *next = point_new(&w, 0, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    assert_int_equal(sub(&w, next, "x", "q", "2"), OK);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    settle(&w);
    for (int i = 0; i < N; i++)
        assert_int_equal(pub_traced(&w, p, "x", false), OK);
    turn(&w, 0);
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, next), N);
    assert_true(total(&w, COUNTER_queue_passed_on) > N / 4);
    char *text = heard(&w, t);
    strip_times(text);
    for (char *at = text; (at = strstr(at, IN("1", "x") EG_QUEUE("2", "x", "q") END)) != NULL; at++)
        n++;
    free(text);
    assert_int_equal(n, N);
    assert_int_equal(total(&w, COUNTER_traces_cut), 0);
    world_fini(&w);
}

static void
a_group_that_has_gone_is_no_egress(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *gone = point_new(&w, 1, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, gone, "x", "q", "1"), OK);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    settle(&w);
    assert_int_equal(pub_traced(&w, p, "x", false), OK);
    assert_int_equal(unsub(&w, gone, "1", 0), OK);
    settle(&w);
    hears(&w, gone, "");
    hears_event(&w, t, IN("1", "x") END);
    assert_int_equal(total(&w, COUNTER_queue_dropped), 1);
    world_fini(&w);
}

/* A shard stands still. */
static void
a_peer_that_is_late_is_left_out(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 3, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 1, EP_ECHO), *b = point_new(&w, 2, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, a, "x", "", "1"), OK);
    assert_int_equal(sub(&w, b, "x", "", "1"), OK);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    settle(&w);
    assert_int_equal(pub_traced(&w, p, "x", false), OK);
    for (int i = 0; i < 10; i++) {
        turn(&w, 0);
        turn(&w, 1);
    }
    hears_event(&w, t, NULL);
    sim_advance(w.sim, sim_clock(w.sim) + LATE_NS);
    turn(&w, 0);
    hears_event(&w, t, IN("1", "x") EG("1001", "x") END);
    settle(&w); /* its answer comes to a trace that is no more */
    assert_int_equal(n_heard(&w, b), 1);
    hears_event(&w, t, NULL);
    assert_int_equal(total(&w, COUNTER_traces), 1);
    assert_int_equal(total(&w, COUNTER_traces_cut), 1);
    assert_int_equal(w.set->shards[0]->timers.n_armed, 0);
    world_fini(&w);
}

static void
only_so_many_traces_are_open(void **state)
{
    struct world w;
    (void)state;

    world_init(&w, 2, 1 << 20);
    struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 1, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, a, "x", "", "1"), OK);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    settle(&w);
    for (int i = 0; i < MSG_TRACES_MAX; i++)
        assert_int_equal(pub_traced(&w, p, "x", false), OK);
    assert_int_equal(total(&w, COUNTER_traces_refused), 0);
    assert_int_equal(pub_traced(&w, p, "x", false), OK); /* delivered, and not traced */
    assert_int_equal(pub_traced(&w, p, "x", true), OK);  /* not even delivered */
    assert_int_equal(total(&w, COUNTER_traces_refused), 2);
    settle(&w);
    assert_int_equal(n_heard(&w, a), MSG_TRACES_MAX + 1);
    assert_int_equal(n_heard(&w, t), MSG_TRACES_MAX);
    assert_int_equal(pub_traced(&w, p, "x", false), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, t), 1);
    world_fini(&w);
}

/* Publish until the mailbox has not even room for little. How many. */
static uint32_t
fill(struct world *w, struct point *p, const char *subject)
{
    static char filler[3000];
    uint32_t n = 0;

    memset(filler, 'f', sizeof(filler) - 1);
    while (pub(w, p, subject, "", filler) == OK)
        n++;
    while (pub(w, p, subject, "", "") == OK)
        n++;
    return n;
}

/* Both mailboxes are full of other things: the message waits, its answer waits, its event waits. Nothing is lost. */
static void
whatever_has_no_room_in_a_mailbox_waits(void **state)
{
    struct world w;
    uint32_t n_tries = 0, n_filled[2] = {0, 0};
    (void)state;

    world_init(&w, 2, 65536);
    struct point *p[2], *s[2], *t = point_new(&w, 1, EP_ECHO);
    for (uint32_t i = 0; i < 2; i++) {
        p[i] = point_new(&w, i, EP_ECHO);
        s[i] = point_new(&w, i, EP_ECHO);
        assert_int_equal(sub(&w, s[i], i == 0 ? "fill0" : "fill1", "", "1"), OK);
    }
    struct point *a = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, a, "x", "", "1"), OK);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    settle(&w);
    for (int round = 0; round < 50; round++) {
        n_filled[1] += fill(&w, p[0], "fill1");
        assert_int_equal(pub_traced(&w, p[0], "x", false), ERR_AGAIN);
        turn(&w, 0);
        turn(&w, 1); /* takes it all */
        n_filled[0] += fill(&w, p[1], "fill0");
        n_filled[1] += fill(&w, p[0], "fill1"); /* the event of the round before finds no room */
        while (pub_traced(&w, p[0], "x", false) != OK) {
            turn(&w, 0);
            n_tries++;
            assert_true(n_tries < 10000);
            turn(&w, 1);
        }
        turn(&w, 0);
        n_filled[0] += fill(&w, p[1], "fill0");
        turn(&w, 1); /* answers into a mailbox that is full */
        n_filled[1] += fill(&w, p[0], "fill1");
        turn(&w, 0);
    }
    settle(&w);
    assert_int_equal(n_heard(&w, a), 50);
    assert_int_equal(n_heard(&w, s[0]), n_filled[0]);
    assert_int_equal(n_heard(&w, s[1]), n_filled[1]);
    char *text = heard(&w, t);
    uint32_t n_whole = 0;
    for (char *at = text; (at = strstr(at, ",\"sub\":\"x\"}]}\r\n")) != NULL; at++)
        n_whole++;
    free(text);
    assert_int_equal(n_whole, 50);
    assert_int_equal(total(&w, COUNTER_traces), 50);
    assert_int_equal(total(&w, COUNTER_traces_cut), 0);
    world_fini(&w);
}

/* So many subscribers that one part is above what a record holds, and a thousand more than an event holds. */
static void
what_an_event_has_no_room_for_is_cut(void **state)
{
    struct world w;
    enum { N = 3000 };
    char subject[301];
    (void)state;

    memset(subject, 's', sizeof(subject) - 1);
    subject[sizeof(subject) - 1] = '\0';
    world_init(&w, 2, 1 << 20);
    struct point *p = point_new(&w, 0, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
    assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
    for (int i = 0; i < N; i++)
        assert_int_equal(sub(&w, point_new(&w, 1, EP_ECHO), subject, "", "1"), OK);
    settle(&w);
    for (uint32_t n = 0; n < 2; n++) {
        assert_int_equal(pub_traced(&w, p, subject, false), OK);
        settle(&w);
        char *text = heard(&w, t);
        uint32_t n_egress = 0;
        for (char *at = text; (at = strstr(at, "\"eg\"")) != NULL; at++)
            n_egress++;
        assert_string_equal(text + strlen(text) - 5, "}]}\r\n");
        assert_in_range(n_egress, 2000, N - 1);
        assert_true(strlen(text) < MSG_TRACE_LEN_MAX + 2000);
        free(text);
        assert_int_equal(total(&w, COUNTER_traces_cut), n + 1);
    }
    world_fini(&w);
}

/* Fail the first allocation, the second, and so on: the message is delivered, or waits; never is there half an event. */
static void
without_memory_a_message_is_delivered_untraced(void **state)
{
    (void)state;
    for (int64_t n = 0;; n++) {
        struct world w;
        world_init(&w, 2, 0);
        struct point *p = point_new(&w, 0, EP_ECHO), *a = point_new(&w, 0, EP_ECHO), *b = point_new(&w, 1, EP_ECHO), *t = point_new(&w, 0, EP_ECHO);
        assert_int_equal(sub(&w, a, "x", "", "1"), OK);
        assert_int_equal(sub(&w, b, "x", "q", "1"), OK);
        assert_int_equal(sub(&w, t, "dest", "", "9"), OK);
        settle(&w);
        fault_arm(n);
        enum err e = pub_traced(&w, p, "x", false);
        settle(&w);
        bool hit = fault_disarm();
        sim_advance(w.sim, sim_clock(w.sim) + LATE_NS);
        settle(&w);
        uint32_t n_events = n_heard(&w, t);
        assert_true(n_events <= 1);
        if (e != OK)
            assert_int_equal(n_heard(&w, a) + n_heard(&w, b) + n_events, 0);
        if (!hit)
            assert_int_equal(n_heard(&w, a) + n_heard(&w, b) + n_events, 3);
        world_fini(&w);
        if (!hit)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_tells_of_all_shards),
        cmocka_unit_test(trace_only_delivers_nothing_anywhere),
        cmocka_unit_test(a_message_that_is_passed_on_stands_in_the_event_where_it_ended),
        cmocka_unit_test(a_message_that_is_passed_back_ends_its_trace_at_home),
        cmocka_unit_test(a_group_that_has_gone_is_no_egress),
        cmocka_unit_test(a_peer_that_is_late_is_left_out),
        cmocka_unit_test(only_so_many_traces_are_open),
        cmocka_unit_test(whatever_has_no_room_in_a_mailbox_waits),
        cmocka_unit_test(what_an_event_has_no_room_for_is_cut),
        cmocka_unit_test(without_memory_a_message_is_delivered_untraced),
    };
    return cmocka_run_group_tests_name("msg_trace", tests, NULL, NULL);
}
