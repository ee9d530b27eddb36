/* Runs: messages of one publisher to one subject that travel to another shard behind each other. Whoever is there hears what
 * a subscriber at the publisher's own shard hears. */
#include "core/broker/broker_world.h"
#include "core/rt/rng.h"

/* A publisher on shard 0, one subscriber beside it, one on shard 1. */
struct ends {
    struct world w;
    struct point *pub, *near, *far;
};

static void
start(struct ends *e, uint64_t mbox_bytes)
{
    world_init(&e->w, 2, mbox_bytes);
    e->pub = point_new(&e->w, 0, EP_ECHO | EP_HEADERS);
    e->near = point_new(&e->w, 0, EP_ECHO);
    e->far = point_new(&e->w, 1, EP_ECHO);
}

static void
both_subscribe(struct ends *e, const char *subject, const char *sid)
{
    assert_int_equal(sub(&e->w, e->near, subject, "", sid), OK);
    assert_int_equal(sub(&e->w, e->far, subject, "", sid), OK);
    settle(&e->w);
}

static void
both_hear_the_same(struct ends *e)
{
    settle(&e->w);
    char *text = heard(&e->w, e->near);
    hears(&e->w, e->far, text);
    free(text);
}

/* Publish; while the mailbox is full, shard 1 takes what its budget allows. */
static void
publish(struct ends *e, struct point *p, const char *subject, const char *reply, int hdr_len, const void *payload, uint32_t len)
{
    for (uint32_t n = 0; pub_bytes(&e->w, p, subject, reply, hdr_len, payload, len) != OK; n++) {
        assert_true(n < 10000);
        turn(&e->w, 0);
        turn(&e->w, 1);
    }
}

static void
what_is_the_same_travels_once(void **state)
{
    struct ends e;
    (void)state;

    start(&e, 0);
    both_subscribe(&e, "some.subject", "1");
    const struct counters *c = &e.w.set->shards[0]->counters;
    uint64_t n_bytes = c->mbox_bytes_out;
    publish(&e, e.pub, "some.subject", "", -1, "0123456789", 10);
    assert_int_equal(c->mbox_bytes_out - n_bytes, sizeof(struct record_msg) + 12 + 17);
    n_bytes = c->mbox_bytes_out;
    publish(&e, e.pub, "some.subject", "reply", -1, "0123456789", 10);
    assert_int_equal(c->mbox_bytes_out - n_bytes, sizeof(struct record_more) + 6 + 17);
    turn(&e.w, 0); /* another batch begins with a whole record */
    n_bytes = c->mbox_bytes_out;
    publish(&e, e.pub, "some.subject", "", -1, "0123456789", 10);
    assert_int_equal(c->mbox_bytes_out - n_bytes, sizeof(struct record_msg) + 12 + 17);
    settle(&e.w);
    assert_int_equal(e.w.set->shards[1]->counters.mbox_msgs_in, 3 + 1); /* and that somebody subscribed */
    both_hear_the_same(&e);
    world_fini(&e.w);
}

/* Everything that may begin, carry on or end a run, in any order: publishers, subjects of many lengths, replies, headers, subscribers that come in between,
 * other records, a full mailbox, a budget that ends anywhere; in a ring so small that it goes round and round. */
static void
mixed(uint64_t seed, int64_t work_max, uint32_t n_far)
{
    enum { N_SUBJECTS = 5, N_MSGS = 2000 };
    static const uint32_t subject_lens[N_SUBJECTS] = {1, 9, RECORD_RUN_SUBJECT_MAX, RECORD_RUN_SUBJECT_MAX + 1, 70};
    static const char *sids[N_SUBJECTS] = {"1", "12345678", "123456789", "4", "sid"};
    char subjects[N_SUBJECTS][128];
    uint8_t payload[4000];
    struct ends e;
    struct rng rng;

    rng_init(&rng, seed);
    start(&e, 16384);
    struct point *pub2 = point_new(&e.w, 0, EP_ECHO | EP_HEADERS);
    e.w.set->shards[1]->work_max = work_max;
    for (uint32_t i = 0; i < N_SUBJECTS; i++) {
        memset(subjects[i], 'a' + (int)i, sizeof(subjects[i]));
        subjects[i][subject_lens[i]] = '\0';
        both_subscribe(&e, subjects[i], sids[i]);
    }
    for (uint32_t i = 1; i < n_far; i++)
        assert_int_equal(sub(&e.w, point_new(&e.w, 1, EP_ECHO), subjects[1], "", "x"), OK);
    for (uint32_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)('A' + i % 26);
    uint32_t at = 0;
    for (uint32_t i = 0; i < N_MSGS; i++) {
        uint64_t r = rng_below(&rng, 100);
        if (r < 15)
            at = (uint32_t)rng_below(&rng, N_SUBJECTS);
        uint32_t len = (uint32_t)rng_below(&rng, r < 90 ? 200 : sizeof(payload));
        int hdr_len = r >= 95 && len > 20 ? 12 : -1;
        publish(&e, r % 10 == 0 ? pub2 : e.pub, subjects[at], r % 7 == 0 ? "in.box" : "", hdr_len, payload + i % 26, len < 3970 ? len : 3970);
        if (r == 50)
            assert_int_equal(unsub(&e.w, e.near, "nobody", 0), OK);
        if (r == 51 && sub(&e.w, e.pub, "other", "", "o") == OK) { /* records of other kinds in between */
            while (unsub(&e.w, e.pub, "o", 0) == ERR_AGAIN)
                turn(&e.w, 0), turn(&e.w, 1);
        }
        if (r == 52)
            turn(&e.w, 0);
        if (r == 53)
            turn(&e.w, 1);
    }
    for (uint32_t i = 0; i < 2 * N_MSGS && work_max < 100; i++)
        turn(&e.w, 0), turn(&e.w, 1);
    both_hear_the_same(&e);
    assert_int_equal(e.near->ep.out_msgs, N_MSGS);
    assert_int_equal(e.far->ep.out_msgs, N_MSGS);
    assert_int_equal(e.far->ep.out_bytes, e.near->ep.out_bytes);
    world_fini(&e.w);
}

static void
a_run_gives_what_single_messages_give(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        mixed(seed, SHARD_WORK_MAX, 1 + (uint32_t)seed % 2);
}

static void
a_run_that_the_budget_cuts_goes_on(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++)
        mixed(seed, (int64_t)(1 + seed % 8), 1 + (uint32_t)seed % 3);
}

static void
automatic_unsubscribing_is_exact_in_a_run(void **state)
{
    struct ends e;
    (void)state;

    start(&e, 0);
    both_subscribe(&e, "x", "1");
    assert_int_equal(unsub(&e.w, e.near, "1", 7), OK);
    assert_int_equal(unsub(&e.w, e.far, "1", 7), OK);
    for (int i = 0; i < 5; i++)
        publish(&e, e.pub, "x", "", -1, "first", 5);
    settle(&e.w);
    for (int i = 0; i < 5; i++)
        publish(&e, e.pub, "x", "", -1, "then", 4);
    assert_int_equal(n_heard(&e.w, e.near), 7);
    settle(&e.w);
    assert_int_equal(n_heard(&e.w, e.far), 7);
    assert_int_equal(e.far->ep.n_subs, 0);
    world_fini(&e.w);
}

/* A run for somebody who is behind: its producer is told to slow down from the same message on, and it is cut at the same one. */
static void
who_is_behind_stalls_the_producer_and_is_cut(void **state)
{
    struct ends e;
    char payload[101] = {0};
    (void)state;

    start(&e, 0);
    memset(payload, 'p', 100);
    both_subscribe(&e, "x", "1");
    e.near->ep.n_pending_max = e.far->ep.n_pending_max = 4000;
    for (int i = 0; i < 30; i++)
        publish(&e, e.pub, "x", "", -1, payload, 100);
    uint32_t n_near = e.pub->n_stall;
    assert_true(n_near > 0);
    settle(&e.w);
    assert_int_equal(e.pub->n_stall, 2 * n_near);
    assert_int_equal(e.far->n_slow, 0);
    for (int i = 0; i < 30; i++)
        publish(&e, e.pub, "x", "", -1, payload, 100);
    settle(&e.w);
    assert_int_equal(e.near->n_slow, 1);
    assert_int_equal(e.far->n_slow, 1);
    assert_int_equal(e.far->ep.out_msgs, e.near->ep.out_msgs);
    assert_int_equal(n_heard(&e.w, e.far), n_heard(&e.w, e.near));
    world_fini(&e.w);
}

/* What a subscriber whose rights depend on it was told of each message, and whether it was to get it: every third one not. */
static struct told {
    char replies[4096];
    uint32_t n_asked;
} told;

static bool
told_may_take(struct broker *b, struct endpoint *ep, uint32_t sub, const struct pub_msg *m)
{
    (void)b;
    (void)ep;
    (void)sub;
    (void)m;
    return ++told.n_asked % 3 != 0;
}

static void
told_on_take(struct broker *b, struct endpoint *ep, const struct pub_msg *m)
{
    (void)b;
    (void)ep;
    size_t len = strlen(told.replies);
    assert_true(len + m->reply_len + 2 < sizeof(told.replies));
    (void)snprintf(told.replies + len, m->reply_len + 2, "%.*s ", (int)m->reply_len, (const char *)m->reply);
    (void)strcat(told.replies, ";");
}

/* Whoever may publish to the replies it gets must be told the right one of each message: the run's first had another, or none. */
static void
who_is_checked_is_told_each_reply(void **state)
{
    static const char *const replies[] = {"first", "", "second", "in.box.3", "", "", "six"};
    struct broker_ops ops = world_ops;
    struct ends e;
    char *near, long_reply[RECORD_RUN_REPLY_MAX + 2];
    (void)state;

    ops.may_take = told_may_take;
    ops.on_take = told_on_take;
    for (int64_t work_max = 1; work_max < 6; work_max++) {
        start(&e, 0);
        both_subscribe(&e, "x", "1");
        e.w.set->shards[1]->work_max = work_max;
        e.w.b[0].ops = e.w.b[1].ops = &ops;
        e.near->ep.flags |= EP_CHECKED;
        e.far->ep.flags |= EP_CHECKED;
        told = (struct told){.n_asked = 0};
        for (uint32_t i = 0; i < N_ELEMS(replies); i++)
            publish(&e, e.pub, "x", replies[i], i == 4 ? 12 : -1, "NATS/1.0\r\n\r\n", 12);
        for (uint32_t len = RECORD_RUN_REPLY_MAX - 1; len < sizeof(long_reply); len++) {
            memset(long_reply, 'a' + (int)(len % 26), sizeof(long_reply));
            long_reply[len] = '\0';
            publish(&e, e.pub, "x", long_reply, -1, "", 0);
        }
        near = strdup(told.replies);
        assert_non_null(near);
        assert_non_null(strstr(near, "in.box.3"));
        told = (struct told){.n_asked = 0};
        both_hear_the_same(&e);
        assert_string_equal(told.replies, near);
        free(near);
        world_fini(&e.w);
    }
}

/* One who dies in a run gets nothing more; the rest of the run is for nobody, and is taken all the same. */
static void
without_memory_the_subscriber_is_given_up_and_the_run_is_taken(void **state)
{
    struct ends e;
    char payload[3001] = {0};
    (void)state;

    start(&e, 1 << 20);
    memset(payload, 'p', 3000);
    bufpool_free(e.w.set->shards[1]->bufs);
    e.w.set->shards[1]->bufs = bufpool_new(100000);
    both_subscribe(&e, "x", "1");
    for (int i = 0; i < 100; i++)
        publish(&e, e.pub, "x", "", -1, payload, 3000);
    settle(&e.w);
    assert_int_equal(e.far->n_no_memory, 1);
    assert_int_equal(e.w.set->shards[1]->counters.mbox_msgs_in, 100 + 1);
    assert_in_range(e.far->ep.out_msgs, 1, 99);
    assert_int_equal(n_heard(&e.w, e.far), e.far->ep.out_msgs);
    world_fini(&e.w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_travels_once),
        cmocka_unit_test(a_run_gives_what_single_messages_give),
        cmocka_unit_test(a_run_that_the_budget_cuts_goes_on),
        cmocka_unit_test(automatic_unsubscribing_is_exact_in_a_run),
        cmocka_unit_test(who_is_behind_stalls_the_producer_and_is_cut),
        cmocka_unit_test(who_is_checked_is_told_each_reply),
        cmocka_unit_test(without_memory_the_subscriber_is_given_up_and_the_run_is_taken),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
