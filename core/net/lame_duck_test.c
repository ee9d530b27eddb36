/* lame_duck.h: who is told, who is closed when, and who is not waited for. In the simulated world, whose time is virtual. */
#include "core/net/lame_duck.h"
#include "core/net/net_world.h"

enum { N_SHARDS = 3, N_MANY = 60 };

static const char ldm_clients[] = "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n";

static void
start(struct world *w, uint32_t n_shards)
{
    w->cfg = world_net_cfg();
    w->cfg.max_connections = 100000;
    w->cfg.ping_interval_ns = 3600 * NS_PER_S;
    world_start(w, &(struct world_cfg){.n_shards = n_shards, .seed = 1});
}

static bool
gone(struct sim_peer *p)
{
    char text[4096];

    while (sim_peer_recv(p, text, sizeof(text)) > 0)
        ;
    return sim_peer_state(p) == SIM_PEER_EOF || sim_peer_state(p) == SIM_PEER_RESET;
}

/* Sheet 01, 15.5: protocol 1, and the first PING answered. Once, and not as an INFO after CONNECT. */
static void
clients_that_understand_it_are_told_once(void **state)
{
    struct world w;
    struct client a, b, c, d;
    (void)state;

    start(&w, N_SHARDS);
    client_open(&w, &a);
    client_say(&a, ldm_clients);
    client_open(&w, &b); /* an old protocol */
    client_say(&b, "CONNECT {\"verbose\":false,\"protocol\":0}\r\nPING\r\n");
    client_open(&w, &c); /* not heard of since */
    client_say(&c, "CONNECT {\"verbose\":false,\"protocol\":1}\r\n");
    client_open(&w, &d); /* silent */
    client_skip(&a);
    client_skip(&b);
    net_lame_duck_start(w.set);
    net_lame_duck_start(w.set); /* twice is once */
    world_settle(&w);
    assert_true(net_lame_duck_informed(&w.net_set, w.n));
    assert_false(net_lame_duck_done(&w.net_set, w.n));
    client_poll(&a);
    assert_int_equal(strncmp(a.got, "INFO {", 6), 0);
    assert_non_null(strstr(a.got, "\"ldm\":true"));
    assert_null(strstr(a.got, "connect_info"));
    assert_null(strstr(strstr(a.got, "\r\n"), "INFO"));
    client_hears(&b, "");
    client_hears(&c, "");
    client_hears(&d, "");
    client_skip(&a);
    client_say(&a, "SUB x 1\r\n"); /* all are served until they are closed */
    client_say(&b, "PUB x 2\r\nhi\r\nPING\r\n");
    client_hears(&b, "PONG\r\n");
    client_hears(&a, "MSG x 1 2\r\nhi\r\n");
    client_free(&a);
    client_free(&b);
    client_free(&c);
    client_free(&d);
    assert_true(net_lame_duck_done(&w.net_set, w.n));
    world_stop(&w);
}

static void
nobody_comes_in_any_more(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    start(&w, 2);
    client_open_quiet(&w, &a);
    struct sim_peer *late = sim_peer_connect(w.sim, 1, (uint16_t)atomic_load(&w.net_set.port)); /* on its way */
    net_lame_duck_start(w.set);
    world_settle(&w);
    assert_false(world_net(&w, 0)->listener_open);
    assert_int_equal(world_net(&w, 0)->n_conns + world_net(&w, 1)->n_conns, 1);
    sim_peer_free(late);
    client_free(&a);
    world_stop(&w);
}

static void
a_server_without_clients_is_done_at_once(void **state)
{
    struct world w;
    (void)state;

    start(&w, N_SHARDS);
    net_lame_duck_start(w.set);
    world_settle(&w);
    assert_true(net_lame_duck_informed(&w.net_set, w.n));
    assert_true(net_lame_duck_done(&w.net_set, w.n));
    net_lame_duck_close(w.set, &w.net_set, 30 * NS_PER_S); /* too late to matter */
    world_settle(&w);
    world_stop(&w);
}

/* Of 60 clients on three shards, one leaves each half a second or so: between the shares that the pauses' bounds allow. */
static void
clients_are_closed_one_by_one_over_the_whole_time(void **state)
{
    struct world w;
    struct sim_peer *p[N_MANY];
    int64_t window_ns = 30 * NS_PER_S;
    uint32_t n_before = 0;
    (void)state;

    start(&w, N_SHARDS);
    for (int i = 0; i < N_MANY; i++)
        p[i] = world_dial(&w);
    net_lame_duck_start(w.set);
    world_settle(&w);
    assert_int_equal(atomic_load(&w.net_set.ldm.n_conns), N_MANY);
    for (int i = 0; i < N_MANY; i++)
        assert_false(gone(p[i]));
    net_lame_duck_close(w.set, &w.net_set, window_ns);
    for (int second = 1; second <= 30; second++) {
        uint32_t n = 0;
        world_run(&w, NS_PER_S);
        for (int i = 0; i < N_MANY; i++)
            n += gone(p[i]);
        assert_true(n >= n_before && n - n_before <= 9); /* each shard's pause is 1.5 s at most, and 0.75 s at least */
        if (second <= 14)
            assert_true(n > n_before || n == N_MANY);
        assert_true(n < N_MANY || second >= 14); /* not before half of the time */
        n_before = n;
    }
    assert_int_equal(n_before, N_MANY);
    assert_true(net_lame_duck_done(&w.net_set, w.n));
    for (int i = 0; i < N_MANY; i++)
        sim_peer_free(p[i]);
    world_stop(&w);
}

/* Three clients do not keep a server for half a minute: a second lies between two of them at most. */
static void
few_clients_are_closed_within_seconds(void **state)
{
    struct world w;
    struct client c[3];
    (void)state;

    start(&w, N_SHARDS);
    for (int i = 0; i < 3; i++)
        client_open_quiet(&w, &c[i]);
    net_lame_duck_start(w.set);
    world_settle(&w);
    net_lame_duck_close(w.set, &w.net_set, 30 * NS_PER_S);
    world_run(&w, 3 * NS_PER_S + 100 * NS_PER_MS);
    assert_true(net_lame_duck_done(&w.net_set, w.n));
    for (int i = 0; i < 3; i++) {
        assert_true(client_closed(&c[i]));
        client_free(&c[i]);
    }
    world_stop(&w);
}

/* More than one for each tick of the timers: in slices, and in time. */
static void
thousands_are_closed_in_time_and_in_slices(void **state)
{
    enum { N = 1500 };
    struct world w;
    struct sim_peer **p = calloc(N, sizeof(*p));
    (void)state;

    start(&w, 1);
    for (int i = 0; i < N; i++)
        p[i] = world_dial(&w);
    assert_int_equal(world_net(&w, 0)->n_conns, N);
    net_lame_duck_start(w.set);
    world_settle(&w);
    net_lame_duck_close(w.set, &w.net_set, 100 * NS_PER_MS);
    uint32_t n_before = 0;
    for (int i = 0; i < 10000 && !net_lame_duck_done(&w.net_set, 1); i++) {
        int64_t next_ns = sim_clock(w.sim) + NS_PER_MS;
        while (world_step(&w, 0)) {
            uint32_t n = (uint32_t)w.set->shards[0]->counters.conns_closed;
            assert_true(n - n_before <= LAME_DUCK_SLICE_MAX);
            n_before = n;
        }
        sim_advance(w.sim, next_ns);
    }
    assert_int_equal(w.set->shards[0]->counters.conns_closed, N);
    for (int i = 0; i < N; i++)
        sim_peer_free(p[i]);
    free(p);
    world_settle(&w);
    world_stop(&w);
}

/* All leave by themselves, during the grace period or while others are closed: main is told at once. */
static void
nobody_is_waited_for_who_has_left(void **state)
{
    (void)state;
    for (int closing = 0; closing < 2; closing++) {
        struct world w;
        struct client c[6];

        start(&w, N_SHARDS);
        for (int i = 0; i < 6; i++)
            client_open_quiet(&w, &c[i]);
        net_lame_duck_start(w.set);
        world_settle(&w);
        if (closing)
            net_lame_duck_close(w.set, &w.net_set, 30 * NS_PER_S);
        for (int i = 0; i < 6; i++) {
            if (!closing)
                assert_false(net_lame_duck_done(&w.net_set, w.n));
            client_free(&c[i]);
        }
        assert_true(net_lame_duck_done(&w.net_set, w.n));
        world_stop(&w);
    }
}

/* SIGINT in the middle of it. */
static void
a_stop_ends_it_at_once(void **state)
{
    struct world w;
    struct client c[6];
    (void)state;

    start(&w, N_SHARDS);
    for (int i = 0; i < 6; i++)
        client_open_quiet(&w, &c[i]);
    net_lame_duck_start(w.set);
    world_settle(&w);
    net_lame_duck_close(w.set, &w.net_set, 30 * NS_PER_S);
    world_ask_stop(&w);
    world_run(&w, 50 * NS_PER_MS);
    for (int i = 0; i < 6; i++) {
        assert_true(client_closed(&c[i]));
        client_free(&c[i]);
    }
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_that_understand_it_are_told_once),
        cmocka_unit_test(nobody_comes_in_any_more),
        cmocka_unit_test(a_server_without_clients_is_done_at_once),
        cmocka_unit_test(clients_are_closed_one_by_one_over_the_whole_time),
        cmocka_unit_test(few_clients_are_closed_within_seconds),
        cmocka_unit_test(thousands_are_closed_in_time_and_in_slices),
        cmocka_unit_test(nobody_is_waited_for_who_has_left),
        cmocka_unit_test(a_stop_ends_it_at_once),
    };
    return cmocka_run_group_tests_name("lame_duck", tests, world_log_trace, world_log_on);
}
