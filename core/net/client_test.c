/* What a client's operations do, said and heard over the simulated network. */
#include "core/net/net_world.h"

/* One shard, nothing odd. */
static void
start(struct world *w, uint32_t n_shards)
{
    w->cfg = world_net_cfg();
    world_start(w, &(struct world_cfg){.n_shards = n_shards, .seed = 1});
}

static void
a_client_hears_what_it_subscribed_to(void **state)
{
    struct world w;
    struct client a, b;
    (void)state;

    start(&w, 2); /* the two land on different shards */
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    client_say(&a, "SUB a.* 7\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    client_say(&b, "PUB a.b 5\r\nhello\r\nPUB a.b in.box 2\r\nhi\r\nPUB b 1\r\nx\r\nPING\r\n");
    client_hears(&b, "PONG\r\n");
    client_hears(&a, "MSG a.b 7 5\r\nhello\r\nMSG a.b 7 in.box 2\r\nhi\r\n");
    client_free(&a);
    client_free(&b);
    world_stop(&w);
}

/* Before CONNECT a connection is verbose. */
static void
every_operation_is_acknowledged_until_connect_says_otherwise(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1);
    client_open(&w, &a);
    client_say(&a, "SUB x 1\r\nPUB x 1\r\n.\r\nUNSUB 1\r\nPING\r\n");
    client_hears(&a, "+OK\r\n+OK\r\nMSG x 1 1\r\n.\r\n+OK\r\nPONG\r\n");
    client_say(&a, "CONNECT {}\r\nPUB x 0\r\n\r\nCONNECT {\"verbose\":false}\r\nPUB x 0\r\n\r\nPING\r\n");
    client_hears(&a, "+OK\r\n+OK\r\nPONG\r\n");
    client_free(&a);
    world_stop(&w);
}

static void
a_message_to_nobody_is_answered_with_503(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1);
    client_open_quiet(&w, &a);
    client_say(&a, "SUB in.box 9\r\nPUB no.body in.box 2\r\nhi\r\nPING\r\n");
    client_hears(&a, "HMSG in.box 9 39 39\r\nNATS/1.0 503\r\nNats-Subject: no.body\r\n\r\n\r\nPONG\r\n");
    client_free(&a);
    world_stop(&w);
}

/* ---- pings, in virtual time ---- */

static void
the_first_ping_comes_two_to_two_and_a_half_seconds_after_connect(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w;
        struct client a;

        w.cfg = world_net_cfg();
        world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = seed});
        client_open_quiet(&w, &a);
        world_run(&w, 1950 * NS_PER_MS);
        client_hears(&a, "");
        world_run(&w, 500 * NS_PER_MS); /* two seconds, a fifth more, and what the settling took */
        client_hears(&a, "PING\r\n");
        client_say(&a, "PONG\r\n");
        client_free(&a);
        world_stop(&w);
    }
}

/* It answers none: two are sent (ping_max), and instead of the third comes the end. */
static void
a_client_that_answers_no_ping_is_stale(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1);
    client_open_quiet(&w, &a);
    world_run(&w, 3 * NS_PER_S);
    client_hears(&a, "PING\r\n");
    world_run(&w, 120 * NS_PER_S);
    client_hears(&a, "PING\r\n");
    world_run(&w, 119 * NS_PER_S);
    client_hears(&a, "");
    assert_false(client_closed(&a));
    world_run(&w, 2 * NS_PER_S);
    client_hears(&a, "-ERR 'Stale Connection'\r\n");
    assert_true(client_closed(&a));
    assert_int_equal(w.set->shards[0]->counters.stale_conns, 1);
    client_free(&a);
    world_stop(&w);
}

static void
a_client_that_answers_pings_stays(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1);
    client_open_quiet(&w, &a);
    world_run(&w, 3 * NS_PER_S);
    client_hears(&a, "PING\r\n");
    client_say(&a, "PONG\r\n");
    for (int i = 0; i < 20; i++) {
        world_run(&w, 121 * NS_PER_S);
        client_hears(&a, "PING\r\n");
        client_say(&a, "PONG\r\n");
    }
    assert_false(client_closed(&a));
    client_free(&a);
    world_stop(&w);
}

/* Who talks needs no ping, once a round trip was measured. */
static void
a_client_that_talks_is_not_pinged(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1);
    client_open_quiet(&w, &a);
    world_run(&w, 3 * NS_PER_S);
    client_hears(&a, "PING\r\n");
    client_say(&a, "PONG\r\n");
    for (int i = 0; i < 20; i++) {
        world_run(&w, 100 * NS_PER_S);
        client_say(&a, "PUB x 0\r\n\r\n");
    }
    client_hears(&a, "");
    client_free(&a);
    world_stop(&w);
}

/* ---- CONNECT again ---- */

static void
a_second_connect_drops_the_subscriptions(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 2);
    client_open_quiet(&w, &a);
    client_say(&a, "SUB x 1\r\nSUB x q 2\r\nCONNECT {\"verbose\":false}\r\nPUB x 1\r\n.\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    client_say(&a, "SUB x 1\r\nPUB x 1\r\n.\r\nPING\r\n");
    client_hears(&a, "MSG x 1 1\r\n.\r\nPONG\r\n");
    client_free(&a);
    world_stop(&w);
}

/* So many that several turns must work on it: nothing else happens meanwhile that would wake the shard. */
static void
a_second_connect_of_many_subscriptions_does_not_sleep_in_between(void **state)
{
    struct world w;
    struct client a;
    char line[64];
    (void)state;

    start(&w, 1);
    client_open_quiet(&w, &a);
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(line, sizeof(line), "SUB x.%d %d\r\n", i, i);
        assert_int_equal(client_put(&a, line, (size_t)n), n);
        if (i % 1000 == 0)
            world_settle(&w);
    }
    client_say(&a, "PING\r\n");
    client_hears(&a, "PONG\r\n");
    int64_t start_ns = sim_clock(w.sim);
    const char again[] = "CONNECT {\"verbose\":false}\r\nPING\r\n";
    assert_int_equal(client_put(&a, again, sizeof(again) - 1), sizeof(again) - 1);
    world_run_until(&w, start_ns + 15 * NS_PER_MS);
    client_hears(&a, "PONG\r\n");
    client_free(&a);
    world_stop(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_hears_what_it_subscribed_to),
        cmocka_unit_test(every_operation_is_acknowledged_until_connect_says_otherwise),
        cmocka_unit_test(a_message_to_nobody_is_answered_with_503),
        cmocka_unit_test(the_first_ping_comes_two_to_two_and_a_half_seconds_after_connect),
        cmocka_unit_test(a_client_that_answers_no_ping_is_stale),
        cmocka_unit_test(a_client_that_answers_pings_stays),
        cmocka_unit_test(a_client_that_talks_is_not_pinged),
        cmocka_unit_test(a_second_connect_drops_the_subscriptions),
        cmocka_unit_test(a_second_connect_of_many_subscriptions_does_not_sleep_in_between),
    };
    return cmocka_run_group_tests_name("client", tests, world_log_trace, world_log_on);
}
