/* Accepting, placing, refusing; starting and stopping. In the simulated world. */
#include "core/net/net_world.h"

static void
connections_are_spread_evenly_over_the_shards(void **state)
{
    struct world w;
    struct client c[40];
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 4, .seed = 1});
    for (uint32_t i = 0; i < 40; i++)
        client_open_quiet(&w, &c[i]);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(world_net(&w, i)->n_conns, 10);
    for (uint32_t i = 0; i < 40; i++) { /* those of shard 2 leave; who comes next goes there */
        if (i % 4 == 2)
            client_free(&c[i]);
    }
    assert_int_equal(world_net(&w, 2)->n_conns, 0);
    for (uint32_t i = 2; i < 40; i += 4)
        client_open_quiet(&w, &c[i]);
    assert_int_equal(world_net(&w, 2)->n_conns, 10);
    for (uint32_t i = 0; i < 40; i++)
        client_free(&c[i]);
    world_stop(&w);
}

static void
one_connection_too_many_hears_so_and_the_next_may_come_when_one_has_gone(void **state)
{
    struct world w;
    struct client a, b, c;
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.max_connections = 2;
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1});
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    client_dial(&w, &c);
    client_poll(&c);
    assert_string_equal(strstr(c.got, "\r\n") + 2, "-ERR 'maximum connections exceeded'\r\n");
    assert_true(client_closed(&c));
    client_free(&c);
    client_free(&a);
    client_open_quiet(&w, &c);
    client_free(&b);
    client_free(&c);
    assert_int_equal(world_net(&w, 0)->n_conns + world_net(&w, 1)->n_conns, 0);
    world_stop(&w);
}

/* A shard that has closed 2^32 connections in its life counts from 0 again. */
static void
the_count_of_closed_connections_may_wrap(void **state)
{
    struct world w;
    struct client a, b;
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.max_connections = 2;
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    world_net(&w, 0)->n_assigned[0] = UINT32_MAX;
    atomic_store(&w.set->pub[0].n_closed, UINT32_MAX);
    for (int i = 0; i < 3; i++) {
        client_open_quiet(&w, &a);
        client_open_quiet(&w, &b);
        client_free(&a);
        client_free(&b);
    }
    world_stop(&w);
}

/* No file descriptor: it is counted and logged, who is connected is served, and later others come in again. */
static void
c9_accepting_pauses_without_file_descriptors_and_goes_on(void **state)
{
    struct world w;
    struct client a, b;
    struct sim_cfg sc;
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    client_open_quiet(&w, &a);
    sim_cfg_default(&sc, 1);
    sc.accept_fail_ppm = SIM_PPM;
    sim_tune(w.sim, &sc);
    client_dial(&w, &b);
    world_run(&w, NS_PER_S);
    uint64_t n_failures = w.set->shards[0]->counters.accept_failures;
    assert_true(n_failures > 0 && n_failures <= 12); /* every 100 ms */
    client_say(&a, "PING\r\n");
    client_hears(&a, "PONG\r\n");
    sc.accept_fail_ppm = 0;
    sim_tune(w.sim, &sc);
    world_run(&w, NS_PER_S);
    client_poll(&b);
    assert_int_equal(strncmp(b.got, "INFO {", 6), 0);
    client_free(&a);
    client_free(&b);
    world_stop(&w);
}

static void
a_port_in_use_is_an_error_at_start(void **state)
{
    struct world w;
    struct shard_set *set;
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    struct net_cfg cfg = w.cfg;
    cfg.port = (uint16_t)atomic_load(&w.net_set.port);
    struct net_set ns = {.cfg = &cfg};
    struct shard_set_cfg sc = {.n_shards = 1, .backend = IO_SIM, .sim = w.sim, .key = w.cfg.key, .app = &net_app, .app_arg = &ns};
    assert_int_equal(shard_set_new(&sc, &set), OK);
    shard_current = set->shards[0];
    assert_int_equal(shard_open(set->shards[0]), OK);
    assert_int_equal(net_app.on_start(set->shards[0]), ERR_ADDRINUSE);
    shard_close(set->shards[0]);
    shard_set_free(set);
    world_stop(&w);
}

/* ---- stopping ---- */

static void
a_stop_closes_everything_at_once(void **state)
{
    struct world w;
    struct client c[20];
    char line[64];
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1});
    for (int i = 0; i < 20; i++) {
        client_open_quiet(&w, &c[i]);
        for (int k = 0; k < 500; k++) {
            int n = snprintf(line, sizeof(line), "SUB x.%d.%d %d\r\n", i, k, k);
            assert_int_equal(client_put(&c[i], line, (size_t)n), n);
        }
        world_settle(&w);
    }
    world_ask_stop(&w);
    world_run(&w, 20 * NS_PER_MS);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(w.set->shards[i]->done);
    for (int i = 0; i < 20; i++) {
        assert_true(client_closed(&c[i]));
        client_free(&c[i]);
    }
    world_fini(&w);
}

/* The peer reads nothing, so its last words never go out: after a second it is over all the same. */
static void
a_stop_does_not_wait_for_who_does_not_read(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w;
        struct client a;

        w.cfg = world_net_cfg();
        world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = seed, .window = 64, .rough = true});
        client_dial(&w, &a);
        int64_t start_ns = sim_clock(w.sim);
        world_ask_stop(&w);
        world_run_until(&w, start_ns + 1100 * NS_PER_MS);
        for (uint32_t i = 0; i < 2; i++)
            assert_true(w.set->shards[i]->done);
        world_fini(&w); /* its socket is still open here */
        free(a.got);
    }
}

/* Shard 0 has ended and takes nothing from its mailbox any more; shard 1 has more subscriptions to take back than fit there. */
static void
a_stop_does_not_wait_for_the_mailbox_of_a_shard_that_has_ended(void **state)
{
    struct world w;
    struct client a, b;
    char line[64];
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 65536});
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    for (int k = 0; k < 20000; k++) {
        int n = snprintf(line, sizeof(line), "SUB x.%d %d\r\n", k, k);
        assert_int_equal(client_put(&b, line, (size_t)n), n);
        if (k % 1000 == 0)
            world_settle(&w);
    }
    world_settle(&w);
    shard_ask(w.set, 0, NET_ASK_STOP);
    world_run(&w, 20 * NS_PER_MS);
    assert_true(w.set->shards[0]->done);
    shard_ask(w.set, 1, NET_ASK_STOP);
    world_run(&w, 50 * NS_PER_MS);
    assert_true(w.set->shards[1]->done);
    client_free(&a);
    client_free(&b);
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_spread_evenly_over_the_shards),
        cmocka_unit_test(one_connection_too_many_hears_so_and_the_next_may_come_when_one_has_gone),
        cmocka_unit_test(the_count_of_closed_connections_may_wrap),
        cmocka_unit_test(c9_accepting_pauses_without_file_descriptors_and_goes_on),
        cmocka_unit_test(a_port_in_use_is_an_error_at_start),
        cmocka_unit_test(a_stop_closes_everything_at_once),
        cmocka_unit_test(a_stop_does_not_wait_for_who_does_not_read),
        cmocka_unit_test(a_stop_does_not_wait_for_the_mailbox_of_a_shard_that_has_ended),
    };
    return cmocka_run_group_tests_name("listener", tests, world_log_trace, world_log_on);
}
