/* A connection's life: read, blocked, stalled, closed. In the simulated world. */
#include "core/net/net_world.h"

static void
start(struct world *w, const struct world_cfg *wc)
{
    w->cfg = world_net_cfg();
    world_start(w, wc);
}

/* The one connection of a shard that has one. */
static struct conn *
only_conn(struct world *w, uint32_t shard)
{
    struct net *n = world_net(w, shard);
    assert_int_equal(n->n_conns, 1);
    return net_conn(n, n->all_head);
}

/* ---- reading: however the bytes come ---- */

static const char talk[] = "CONNECT {\"verbose\":true,\"headers\":true,\"no_responders\":true}\r\n"
                           "SUB a.* 1\r\nsub  b\tq  2 \r\nPUB a.b 3\r\nxyz\r\nPUB\ta.b \t in 0\r\n\r\n"
                           "HPUB a.c in 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB b 1\r\n.\r\nUNSUB 1 5\r\nPUB a.x 1\r\n\n\r\n"
                           "PUB no in.1 0\r\n\r\nSUB in.* 3\r\nPUB no in.1 0\r\n\r\nPING\r\nUNSUB 9\r\nUNSUB 1\nPUB a.b 1\r\n.\r\nPONG\r\n"
                           "F"; /* one byte is enough to be refused */
static const char answer[] = "+OK\r\n+OK\r\n+OK\r\n+OK\r\nMSG a.b 1 3\r\nxyz\r\n+OK\r\nMSG a.b 1 in 0\r\n\r\n"
                             "+OK\r\nHMSG a.c 1 in 12 14\r\nNATS/1.0\r\n\r\nhi\r\n+OK\r\nMSG b 2 1\r\n.\r\n+OK\r\n+OK\r\nMSG a.x 1 1\r\n\n\r\n"
                             "+OK\r\n+OK\r\n+OK\r\nHMSG in.1 3 34 34\r\nNATS/1.0 503\r\nNats-Subject: no\r\n\r\n\r\nPONG\r\n+OK\r\n+OK\r\n+OK\r\n"
                             "-ERR 'Unknown Protocol Operation'\r\n";

static void
every_split_of_a_conversation_gives_the_same_answer(void **state)
{
    struct world w;
    const size_t len = sizeof(talk) - 1;
    (void)state;

    start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    for (size_t split = 0; split < len; split++) {
        struct client a;
        client_open(&w, &a);
        if (split > 0)
            client_say_bytes(&a, talk, split);
        client_say_bytes(&a, talk + split, len - split);
        client_hears(&a, answer);
        assert_true(client_closed(&a));
        client_free(&a);
    }
    world_stop(&w);
}

static void
single_bytes_of_a_conversation_give_the_same_answer(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    client_open(&w, &a);
    for (size_t i = 0; i < sizeof(talk) - 1; i++)
        client_say_bytes(&a, talk + i, 1);
    client_hears(&a, answer);
    client_free(&a);
    world_stop(&w);
}

/* Delays, short reads, short and late writes, a window smaller than an INFO. */
static void
weather_does_not_change_the_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world w;
        struct client a;

        start(&w, &(struct world_cfg){.n_shards = 1, .seed = seed, .rough = true, .window = 128});
        client_open(&w, &a);
        client_say(&a, talk);
        client_hears(&a, answer);
        assert_true(client_closed(&a));
        client_free(&a);
        world_stop(&w);
    }
}

/* ---- blocked: no room in a mailbox ---- */

/* "PUB x 4\r\n0000\r\n" and so on, n of them; own, by free. */
static char *
numbered(uint32_t n, const char *verb, size_t *ret_len)
{
    char *text = malloc((size_t)n * 32 + 1);
    assert_non_null(text);
    *ret_len = 0;
    for (uint32_t i = 0; i < n; i++)
        *ret_len += (size_t)sprintf(text + *ret_len, "%s 6\r\n%06u\r\n", verb, i);
    return text;
}

/* The subscriber's shard stands still, so the mailbox fills. What the publisher says after that, its PING, must wait with it. */
static void
a_blocked_connection_goes_on_in_order_and_its_ping_does_not_overtake(void **state)
{
    struct world w;
    struct client sub, pub;
    size_t len, want_len;
    char *text = numbered(4000, "PUB x", &len), *want = numbered(4000, "MSG x 1", &want_len);
    (void)state;

    start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 65536});
    client_open_quiet(&w, &sub); /* shard 0 */
    client_open_quiet(&w, &pub); /* shard 1 */
    client_say(&sub, "SUB x 1\r\nPING\r\n");
    client_hears(&sub, "PONG\r\n");
    w.started[0] = false;
    assert_int_equal(client_put(&pub, text, len), len);
    assert_int_equal(client_put(&pub, "PING\r\n", 6), 6);
    world_run(&w, NS_PER_S);
    client_hears(&pub, "");
    assert_true((only_conn(&w, 1)->flags & CONN_BLOCKED) != 0);
    assert_true(w.set->shards[1]->counters.mbox_full > 0);
    w.started[0] = true;
    world_settle(&w);
    client_hears(&pub, "PONG\r\n");
    client_hears(&sub, want);
    assert_null(only_conn(&w, 1)->in); /* and nothing is kept */
    free(text);
    free(want);
    client_free(&sub);
    client_free(&pub);
    world_stop(&w);
}

/* More than are tried again in one turn; nothing but the mailbox will ever wake their shard. */
static void
all_blocked_connections_go_on_without_sleeping_in_between(void **state)
{
    enum { N = NET_BLOCKED_MAX + 50 };
    struct world w;
    struct client sub, *pubs = calloc(2 * N, sizeof(*pubs));
    uint32_t n = 0;
    (void)state;

    assert_non_null(pubs);
    w.cfg = world_net_cfg();
    w.cfg.max_connections = 3 * N;
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 65536});
    client_open_quiet(&w, &sub);
    client_say(&sub, "SUB x 1\r\nPING\r\n");
    for (; n < 2 * N; n++) /* every other one lands on shard 1 */
        client_open_quiet(&w, &pubs[n]);
    client_skip(&sub);
    w.started[0] = false;
    size_t len;
    char *text = numbered(6000, "PUB x", &len);
    for (uint32_t i = 0; i < n; i += 2) {
        assert_int_equal(client_put(&pubs[i], text, i == 0 ? len : 17), i == 0 ? len : 17);
        world_settle(&w);
    }
    assert_int_equal(world_net(&w, 1)->blocked.n, N);
    int64_t start_ns = sim_clock(w.sim);
    w.started[0] = true;
    world_run_until(&w, start_ns + NS_PER_MS / 10);
    assert_int_equal(world_net(&w, 1)->blocked.n, 0);
    free(text);
    client_free(&sub);
    for (uint32_t i = 0; i < n; i++)
        client_free(&pubs[i]);
    free(pubs);
    world_stop(&w);
}

/* What it kept is more than one turn's work: the rest must not wait for somebody else's event. */
static void
a_blocked_connection_with_more_than_a_turns_work_does_not_sleep_in_between(void **state)
{
    enum { N = 3 * SHARD_WORK_MAX };
    struct world w;
    struct client sub, pub;
    size_t len;
    char *text = numbered(N, "PUB y", &len);
    (void)state;

    start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 65536, .window = 4 << 20});
    client_open_quiet(&w, &sub);
    client_open_quiet(&w, &pub);
    client_say(&sub, "SUB x 1\r\nPING\r\n");
    client_hears(&sub, "PONG\r\n");
    struct conn *c = only_conn(&w, 1);
    shard_current = w.set->shards[1];
    conn_list_push(world_net(&w, 1), &world_net(&w, 1)->blocked, c); /* as conn_block does, but keeping all it hears */
    c->flags |= CONN_BLOCKED;
    struct io_event ev = {.kind = IO_EV_RECV, .data = (const uint8_t *)text, .len = (uint32_t)len};
    assert_true(conn_on_recv(world_net(&w, 1), c, &ev));
    assert_int_equal(client_put(&pub, "PING\r\n", 6), 6); /* one event, to begin */
    int64_t start_ns = sim_clock(w.sim);
    world_run_until(&w, start_ns + NS_PER_MS / 10);
    client_poll(&pub);
    assert_string_equal(pub.got, "PONG\r\n");
    assert_true(sim_clock(w.sim) - start_ns < WORLD_SOON_NS);
    free(text);
    client_free(&sub);
    client_free(&pub);
    world_stop(&w);
}

/* End of stream while it is blocked: what it said before is handled first. */
static void
what_was_said_before_the_end_of_stream_is_handled(void **state)
{
    struct world w;
    struct client sub, pub;
    size_t len, want_len;
    char *text = numbered(4000, "PUB x", &len), *want = numbered(4000, "MSG x 1", &want_len);
    (void)state;

    start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 65536});
    client_open_quiet(&w, &sub);
    client_open_quiet(&w, &pub);
    client_say(&sub, "SUB x 1\r\nPING\r\n");
    client_hears(&sub, "PONG\r\n");
    w.started[0] = false;
    assert_int_equal(client_put(&pub, text, len), len);
    sim_peer_close(pub.p);
    world_run(&w, NS_PER_S);
    w.started[0] = true;
    world_settle(&w);
    client_hears(&sub, want);
    assert_int_equal(world_net(&w, 1)->n_conns, 0);
    free(text);
    free(want);
    client_free(&sub);
    client_free(&pub);
    world_stop(&w);
}

/* ---- slow consumers ---- */

enum { PAYLOAD_LEN = 8192, BIG_PUB_MAX = PAYLOAD_LEN + 64 };

/* One PUB of PAYLOAD_LEN bytes to x, complete, into text of BIG_PUB_MAX; its length. */
static size_t
big_pub(char *text)
{
    size_t n = (size_t)sprintf(text, "PUB x %d\r\n", PAYLOAD_LEN);
    memset(text + n, 'p', PAYLOAD_LEN);
    memcpy(text + n + PAYLOAD_LEN, "\r\n", 3);
    return n + PAYLOAD_LEN + 2;
}

/* The subscriber reads nothing: above three quarters of what may wait for it its producer pauses, and goes on. */
static void
a_producer_stalls_and_goes_on(void **state)
{
    struct world w;
    struct client sub, pub;
    char text[BIG_PUB_MAX];
    size_t len = big_pub(text);
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.max_pending = 10 * PAYLOAD_LEN;
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1, .window = 16384});
    client_open_quiet(&w, &sub);
    client_open_quiet(&w, &pub);
    client_say(&sub, "SUB x 1\r\nPING\r\n");
    client_hears(&sub, "PONG\r\n");
    for (int i = 0; i < 10; i++)
        client_say_bytes(&pub, text, len);
    assert_true(w.set->shards[0]->counters.stalls > 0);
    assert_int_equal(w.set->shards[0]->counters.slow_consumers_pending, 0);
    int64_t start_ns = sim_clock(w.sim);
    assert_int_equal(client_put(&pub, text, len), len);
    assert_int_equal(client_put(&pub, "PING\r\n", 6), 6);
    world_run_until(&w, start_ns + NET_STALL_NS / 2);
    client_hears(&pub, "");
    world_settle(&w);
    client_hears(&pub, "PONG\r\n");
    client_skip(&sub);
    client_free(&sub);
    client_free(&pub);
    world_stop(&w);
}

static void
a_consumer_with_too_much_pending_is_closed(void **state)
{
    struct world w;
    struct client sub, pub;
    char text[BIG_PUB_MAX];
    size_t len = big_pub(text);
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.max_pending = 4 * PAYLOAD_LEN;
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .window = 16384});
    client_open_quiet(&w, &sub);
    client_open_quiet(&w, &pub); /* on the other shard: the stall travels as a record */
    client_say(&sub, "SUB x 1\r\nPING\r\n");
    client_hears(&sub, "PONG\r\n");
    for (int i = 0; i < 10; i++)
        client_say_bytes(&pub, text, len);
    assert_int_equal(w.set->shards[0]->counters.slow_consumers_pending, 1);
    assert_true(w.set->shards[1]->counters.stalls > 0);
    assert_true(client_closed(&sub));
    client_say(&pub, "PING\r\n");
    client_hears(&pub, "PONG\r\n");
    client_free(&sub);
    client_free(&pub);
    world_stop(&w);
}

/* It subscribes to what it publishes and reads nothing; the publish that closes it stands in its own buffer of bytes kept. */
static void
a_connection_that_is_closed_by_its_own_publish_keeps_its_bytes_until_it_is_handled(void **state)
{
    struct world w;
    struct client a;
    char text[BIG_PUB_MAX];
    size_t len = big_pub(text);
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.max_pending = 2 * PAYLOAD_LEN;
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1, .window = 4096});
    client_open_quiet(&w, &a);
    client_say(&a, "SUB x 1\r\nSUB x 2\r\nSUB * 3\r\nSUB > 4\r\n");
    for (size_t sent = 0; sent < len; sent += 1024)
        client_say_bytes(&a, text + sent, len - sent < 1024 ? len - sent : 1024);
    assert_true(client_closed(&a));
    assert_int_equal(w.set->shards[0]->counters.slow_consumers_pending, 1);
    client_free(&a);
    world_stop(&w);
}

/* ---- closing ---- */

/* The window holds less than the INFO: the -ERR waits behind it, and goes out all the same. */
static void
last_words_go_out_however_slowly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world w;
        struct client a;

        start(&w, &(struct world_cfg){.n_shards = 1, .seed = seed, .window = 64, .rough = seed % 2 == 0});
        client_dial(&w, &a);
        client_say(&a, "F");
        client_poll(&a);
        assert_string_equal(strstr(a.got, "\r\n") + 2, "-ERR 'Unknown Protocol Operation'\r\n");
        assert_true(client_closed(&a));
        client_free(&a);
        world_stop(&w);
    }
}

/* A send is in flight when it is closed: until the backend has let go of it, nobody else may get its place. */
static void
a_slot_is_given_again_only_after_the_socket_is_closed(void **state)
{
    struct world w;
    struct client a, b;
    uint32_t n_waited = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        start(&w, &(struct world_cfg){.n_shards = 1, .seed = seed, .window = 64, .rough = true});
        client_dial(&w, &a);
        struct conn *c = only_conn(&w, 0);
        sim_peer_reset(a.p);
        for (uint32_t i = 0; i < 1000 && c->state == CONN_OPEN; i++) {
            if (!world_step(&w, 0))
                sim_advance(w.sim, sim_clock(w.sim) + 1000);
        }
        assert_int_not_equal(c->state, CONN_OPEN);
        uint32_t slot = c->ep.slot;
        bool waits = c->state == CONN_CLOSING && (c->flags & CONN_IO_DONE) == 0;
        shard_current = w.set->shards[0];
        uint32_t other = slab_take(&world_net(&w, 0)->conns);
        if (waits)
            assert_int_not_equal(other, slot);
        n_waited += waits;
        slab_give(&world_net(&w, 0)->conns, other);
        world_settle(&w);
        assert_int_equal(world_net(&w, 0)->n_conns, 0);
        client_open(&w, &b);
        assert_int_equal(only_conn(&w, 0)->ep.slot, slot);
        client_free(&a);
        client_free(&b);
        world_stop(&w);
    }
    assert_true(n_waited > 0);
}

/* Connections of four thousand subscriptions each go at once: a turn removes no more than it may, of all of them together. */
static void
closing_many_subscriptions_is_spread_over_turns(void **state)
{
    enum { N_CONNS = 16, N_SUBS = 4000 };
    struct world w;
    struct client c[N_CONNS];
    char line[64];
    (void)state;

    start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    for (int k = 0; k < N_CONNS; k++) {
        client_open_quiet(&w, &c[k]);
        for (int i = 0; i < N_SUBS; i++) {
            int n = snprintf(line, sizeof(line), "SUB x.%d.%d %d\r\n", k, i, i);
            assert_int_equal(client_put(&c[k], line, (size_t)n), n);
        }
        world_settle(&w);
    }
    for (int k = 0; k < N_CONNS; k++)
        sim_peer_close(c[k].p);
    struct interest_stats before, after;
    for (uint32_t i = 0; i < 100000 && world_net(&w, 0)->n_conns > 0; i++) {
        interest_stats(world_net(&w, 0)->broker.ix, &before);
        if (!world_step(&w, 0))
            sim_advance(w.sim, sim_clock(w.sim) + NS_PER_MS);
        interest_stats(world_net(&w, 0)->broker.ix, &after);
        assert_true(before.n_subs - after.n_subs <= 4096); /* docs/architecture.md says so */
    }
    assert_int_equal(world_net(&w, 0)->n_conns, 0);
    for (int k = 0; k < N_CONNS; k++)
        client_free(&c[k]);
    world_stop(&w);
}

int
main(void)
{
    const struct CMUnitTest traced[] = {
        cmocka_unit_test(every_split_of_a_conversation_gives_the_same_answer),
        cmocka_unit_test(single_bytes_of_a_conversation_give_the_same_answer),
        cmocka_unit_test(weather_does_not_change_the_answer),
        cmocka_unit_test(last_words_go_out_however_slowly),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocked_connection_goes_on_in_order_and_its_ping_does_not_overtake),
        cmocka_unit_test(all_blocked_connections_go_on_without_sleeping_in_between),
        cmocka_unit_test(a_blocked_connection_with_more_than_a_turns_work_does_not_sleep_in_between),
        cmocka_unit_test(what_was_said_before_the_end_of_stream_is_handled),
        cmocka_unit_test(a_producer_stalls_and_goes_on),
        cmocka_unit_test(a_consumer_with_too_much_pending_is_closed),
        cmocka_unit_test(a_connection_that_is_closed_by_its_own_publish_keeps_its_bytes_until_it_is_handled),
        cmocka_unit_test(a_slot_is_given_again_only_after_the_socket_is_closed),
        cmocka_unit_test(closing_many_subscriptions_is_spread_over_turns),
    };
    return cmocka_run_group_tests_name("conn, traced", traced, world_log_trace, world_log_on) +
           cmocka_run_group_tests_name("conn", tests, world_log_off, world_log_on);
}
