/* Messages to peer shards: all or wait, by copy or by reference, for many queue groups. */
#include "core/broker/broker_world.h"

static uint64_t
pool_used(struct world *w, uint32_t shard)
{
    struct bufpool_stats st;
    bufpool_stats(w->set->shards[shard]->bufs, &st);
    return st.used_bytes;
}

/* One of two mailboxes is full: nobody gets the message, here, there or elsewhere, until all can. */
static void
a_message_goes_everywhere_or_nowhere(void **state)
{
    struct world w;
    char payload[1001];
    (void)state;

    memset(payload, 'p', 1000);
    payload[1000] = '\0';
    world_init(&w, 3, 16384);
    struct point *p = point_new(&w, 0, EP_ECHO), *here = point_new(&w, 0, EP_ECHO), *s1 = point_new(&w, 1, EP_ECHO),
                 *s2 = point_new(&w, 2, EP_ECHO);
    assert_int_equal(sub(&w, s2, "fill", "", "1"), OK);
    assert_int_equal(sub(&w, here, "x", "", "1"), OK);
    assert_int_equal(sub(&w, s1, "x", "", "1"), OK);
    assert_int_equal(sub(&w, s2, "x", "q", "2"), OK);
    settle(&w);
    while (pub(&w, p, "fill", "", payload) == OK)
        ;
    uint64_t in_msgs = p->ep.in_msgs;
    for (int i = 0; i < 5; i++)
        assert_int_equal(pub(&w, p, "x", "", payload), ERR_AGAIN);
    assert_int_equal(p->ep.in_msgs, in_msgs);
    hears(&w, here, "");
    turn(&w, 0);
    turn(&w, 1);
    hears(&w, s1, "");
    assert_true(w.set->shards[0]->counters.mbox_full > 0);
    assert_false(broker_room_made(&w.b[0]));
    turn(&w, 2);
    assert_true(broker_room_made(&w.b[0])); /* once */
    assert_false(broker_room_made(&w.b[0]));
    assert_int_equal(n_heard(&w, s2), in_msgs);
    assert_int_equal(pub(&w, p, "x", "", "now"), OK);
    settle(&w);
    hears(&w, here, "MSG x 1 3\r\nnow\r\n");
    hears(&w, s1, "MSG x 1 3\r\nnow\r\n");
    hears(&w, s2, "MSG x 2 3\r\nnow\r\n");
    world_fini(&w);
}

/* Lengths on both sides of the limit; one buffer for all shards, which goes home. */
static void
a_long_payload_travels_by_reference_once_for_all_shards(void **state)
{
    enum { LEN = 300000 };
    struct world w;
    struct point *s[4];
    char *payload = malloc(LEN + 1), *want = malloc(LEN + 64);
    (void)state;

    assert_non_null(payload);
    assert_non_null(want);
    world_init(&w, 4, 0);
    for (uint32_t i = 0; i < 4; i++) {
        s[i] = point_new(&w, i, EP_ECHO);
        assert_int_equal(sub(&w, s[i], "x", "", "7"), OK);
    }
    settle(&w);
    for (uint32_t len = 4080; len < LEN; len = len < 4100 ? len + 1 : len * 2) {
        for (uint32_t i = 0; i < len; i++)
            payload[i] = (char)('a' + (i + len) % 26);
        payload[len] = '\0';
        uint64_t used = pool_used(&w, 0);
        assert_int_equal(pub(&w, s[0], "x", "in", payload), OK);
        if (len > MBOX_INLINE_MAX)
            assert_true(pool_used(&w, 0) > used);
        assert_true(pool_used(&w, 0) - used < 4 * (len + 65536)); /* the one buffer, and what the own subscriber got */
        settle(&w);
        (void)sprintf(want, "MSG x 7 in %u\r\n%s\r\n", len, payload);
        for (uint32_t i = 0; i < 4; i++)
            hears(&w, s[i], want);
    }
    assert_int_equal(pub(&w, s[0], "x", "", ""), OK); /* what is home is noticed with the next message */
    settle(&w);
    for (uint32_t i = 0; i < 4; i++)
        free(heard(&w, s[i]));
    assert_int_equal(pool_used(&w, 0), 0);
    free(payload);
    free(want);
    world_fini(&w);
}

/* More than may be on its way by reference: it waits, and goes when the others are home. */
static void
references_are_bounded_and_push_back(void **state)
{
    enum { LEN = 1 << 20 };
    struct world w;
    char *payload = malloc(LEN + 1);
    (void)state;

    assert_non_null(payload);
    memset(payload, 'p', LEN);
    payload[LEN] = '\0';
    world_init(&w, 2, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s = point_new(&w, 1, EP_ECHO);
    assert_int_equal(sub(&w, s, "x", "", "1"), OK);
    settle(&w);
    uint32_t n = 0;
    while (pub(&w, p, "x", "", payload) == OK)
        n++;
    assert_in_range(n, 2, MBOX_REF_BYTES_MAX / LEN);
    assert_true(pool_used(&w, 0) <= 2 * MBOX_REF_BYTES_MAX);
    settle(&w);
    assert_int_equal(pub(&w, p, "x", "", payload), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, s), n + 1);
    free(payload);
    world_fini(&w);
}

/* So many groups of one subject, all of them elsewhere. */
static void
groups(struct world *w, uint32_t n_groups, uint32_t name_len, const char *payload)
{
    struct point *p = point_new(w, 0, EP_ECHO), *s = point_new(w, 1, EP_ECHO), *s2 = point_new(w, 2, EP_ECHO);
    char name[5000], sid[16];

    for (uint32_t i = 0; i < n_groups; i++) {
        memset(name, 'n', sizeof(name));
        name[sprintf(name, "%u", i)] = 'x';
        name[name_len] = '\0';
        (void)sprintf(sid, "%u", i);
        while (sub(w, s, "x", name, sid) == ERR_AGAIN)
            turn(w, 1), turn(w, 0), turn(w, 2);
    }
    settle(w);
    assert_int_equal(sub(w, s2, "x", "", "1"), OK);
    settle(w);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(pub(w, p, "x", "", payload), OK);
    settle(w);
    assert_int_equal(n_heard(w, s), 3 * n_groups);
    assert_int_equal(n_heard(w, s2), 3);
    assert_int_equal(w->set->shards[1]->counters.queue_dropped, 0);
    point_free(w, p);
    point_free(w, s);
    point_free(w, s2);
}

static void
every_group_gets_the_message_however_many_there_are(void **state)
{
    static const struct {
        uint32_t n_groups, name_len;
    } sizes[] = {{1, 6}, {100, 6}, {682, 4}, {683, 4}, {684, 4}, {1, 4094}, {1, 4095}, {2, 4500}, {3000, 8}, {20000, 8}};
    (void)state;

    char *payload = malloc(8001);
    assert_non_null(payload);
    memset(payload, 'p', 8000);
    payload[8000] = '\0';
    for (uint32_t i = 0; i < N_ELEMS(sizes); i++) {
        struct world w;
        world_init(&w, 3, 64 << 10); /* 20,000 names are several times as long as the mailbox */
        groups(&w, sizes[i].n_groups, sizes[i].name_len, i % 2 == 0 || sizes[i].n_groups > 1000 ? "short" : payload);
        world_fini(&w);
    }
    free(payload);
}

/* The pool has room for one of the two buffers it takes: none is kept. */
static void
a_pool_run_dry_pushes_back(void **state)
{
    struct world w;
    char *payload = malloc(1000001), name[5000];
    (void)state;

    assert_non_null(payload);
    memset(payload, 'p', 1000000);
    payload[1000000] = '\0';
    world_init(&w, 3, 0);
    bufpool_free(w.set->shards[0]->bufs);
    w.set->shards[0]->bufs = bufpool_new(1500000);
    struct point *p = point_new(&w, 0, EP_ECHO), *s1 = point_new(&w, 1, EP_ECHO), *s2 = point_new(&w, 2, EP_ECHO);
    memset(name, 'q', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(sub(&w, s1, "x", "", "1"), OK);
    assert_int_equal(sub(&w, s2, "x", name, "1"), OK);
    settle(&w);
    uint64_t used = pool_used(&w, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pub(&w, p, "x", "", payload), ERR_AGAIN);
    assert_int_equal(pool_used(&w, 0), used);
    assert_int_equal(p->ep.in_msgs, 0);
    payload[300000] = '\0';
    assert_int_equal(pub(&w, p, "x", "", payload), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, s1), 1);
    assert_int_equal(n_heard(&w, s2), 1);
    free(payload);
    world_fini(&w);
}

/* Each allocation of a publish by reference to two shards fails once: it goes to both, or to none and waits. */
static void
without_memory_a_reference_waits(void **state)
{
    struct world w;
    char *payload = malloc(2000001);
    (void)state;

    if (!fault_armed_builds)
        skip();
    assert_non_null(payload);
    memset(payload, 'p', 2000000);
    payload[2000000] = '\0';
    world_init(&w, 3, 0);
    struct point *p = point_new(&w, 0, EP_ECHO), *s1 = point_new(&w, 1, EP_ECHO), *s2 = point_new(&w, 2, EP_ECHO);
    char name[3000];
    memset(name, 'q', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(sub(&w, s1, "x", "", "1"), OK);
    assert_int_equal(sub(&w, s2, "x", name, "1"), OK);
    name[0] = 'r';
    assert_int_equal(sub(&w, s2, "x", name, "2"), OK);
    settle(&w);
    assert_int_equal(pub(&w, p, "x", "", "warm"), OK);
    settle(&w);
    assert_int_equal(n_heard(&w, s1), 1);
    assert_int_equal(n_heard(&w, s2), 2);
    for (int64_t n = 0;; n++) {
        assert_true(n < 20);
        fault_arm(n);
        enum err e = pub(&w, p, "x", "", payload);
        if (!fault_disarm()) {
            assert_int_equal(e, OK);
            break;
        }
        settle(&w);
        uint32_t want = e == OK; /* the pool found another way */
        assert_int_equal(n_heard(&w, s1), want);
        assert_int_equal(n_heard(&w, s2), 2 * want);
    }
    settle(&w);
    assert_int_equal(n_heard(&w, s1), 1);
    assert_int_equal(n_heard(&w, s2), 2);
    free(payload);
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_everywhere_or_nowhere),
        cmocka_unit_test(a_long_payload_travels_by_reference_once_for_all_shards),
        cmocka_unit_test(references_are_bounded_and_push_back),
        cmocka_unit_test(every_group_gets_the_message_however_many_there_are),
        cmocka_unit_test(a_pool_run_dry_pushes_back),
        cmocka_unit_test(without_memory_a_reference_waits),
    };
    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
