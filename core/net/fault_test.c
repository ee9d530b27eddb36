/* Sheet 05, C8: when an allocation fails, a connection may be closed; the server goes on. Every allocation that a conversation
 * causes is failed once, the first, the second, the third... and each time the server must then serve newcomers, and end with nothing left. */
#include "core/net/net_world.h"

enum { BIG_LEN = 20000 };

/* Say it, if the connection is still there to hear it. */
static void
try(struct client *c, const char *text)
{
    size_t len = strlen(text);

    for (uint32_t n = 0; len > 0 && n < 100 && !client_closed(c); n++) {
        size_t sent = client_put(c, text, len);
        text += sent;
        len -= sent;
        world_settle(c->w);
    }
}

/* Some of everything that takes memory: INFO, CONNECT, subscriptions of every kind (more than a map of sids holds in place), a publish written
 * otherwise, one in pieces, one by reference, one that is answered with 503, queue groups on both shards, errors. */
static void
talk(struct world *w, struct client *a, struct client *b)
{
    char text[BIG_LEN + 128];

    client_dial(w, a);
    client_dial(w, b);
    try(a, "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"name\":\"a\",\"lang\":\"c\"}\r\nPING\r\n");
    try(b, "CONNECT {\"verbose\":true,\"headers\":false,\"protocol\":1}\r\nPING\r\n");
    for (int i = 0; i < 12; i++) {
        (void)snprintf(text, sizeof(text), "SUB lit.%d %d\r\nSUB wild.%d.*.> long-sid-%d\r\nSUB q.%d group%d q%d\r\n", i, i, i, i, i % 3, i, i);
        try(i % 2 == 0 ? a : b, text);
    }
    try(a, "UNSUB 0 2\r\nPUB lit.0 1\r\n.\r\nPUB lit.1\t 1\r\n.\r\nHPUB wild.1.x.y 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB q.1 1\r\n.\r\n");
    try(b, "PUB lit.0 1\r\n.\r\nPUB q.1 in.box 1\r\n.\r\nPUB q.2 ");
    try(b, "3\r\nab");
    try(b, "c\r\nPUB nobody in.box 0\r\n\r\n");
    size_t n = (size_t)sprintf(text, "PUB wild.2.x.y %d\r\n", BIG_LEN);
    memset(text + n, 'p', BIG_LEN);
    memcpy(text + n + BIG_LEN, "\r\n", 3);
    try(a, text);
    try(b, text);
    /* A publish that is mapped, one that is traced on both shards, and one whose trace is switched off, which rewrites it. */
    try(a, "PUB mapped.3 1\r\n.\r\nHPUB q.1 36 37\r\nNATS/1.0\r\nNats-Trace-Dest: lit.1\r\n\r\n.\r\n");
    try(a, "HPUB mapped.2 85 86\r\nNATS/1.0\r\nNats-Trace-Dest: lit.1\r\nNats-Trace-Origin-Account: A\r\nAccept-Encoding:x\r\n\r\n.\r\n");
    try(a, "SUB in.box 99\r\nPUB nobody in.box 0\r\n\r\nPUB $NRG.x 0\r\n\r\nSUB bad..subject 1\r\nPING\r\n");
    try(b, "CONNECT {\"verbose\":false}\r\nUNSUB 1\r\nSUB x 1\r\nINFO {\"a\":[1,2]}\r\nFOO\r\n");
}

/* Two newcomers find a server that works. */
static void
serves(struct world *w)
{
    struct client a, b;

    client_open_quiet(w, &a);
    client_open_quiet(w, &b);
    client_say(&a, "SUB still.* 1\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    client_say(&b, "PUB still.here 2\r\nhi\r\nPING\r\n");
    client_hears(&b, "PONG\r\n");
    client_hears(&a, "MSG still.here 1 2\r\nhi\r\n");
    client_free(&a);
    client_free(&b);
}

static void
c8_whichever_allocation_fails_the_server_goes_on(void **state)
{
    const struct mapping_dest_conf dest = {.dest = "wild.$1.x.y", .weight = 100};
    const struct mapping_conf conf = {.src = "mapped.*", .dests = &dest, .n_dests = 1};
    struct mapping *mappings = NULL;
    char why[MAPPING_WHY_MAX];
    uint32_t n_shards = 1;
    int64_t n = 0;
    (void)state;

    assert_int_equal(mapping_new(&conf, 1, "", &mappings, why, sizeof(why)), OK);

    for (; n_shards <= 2; n_shards++) {
        for (n = 0;; n++) {
            struct world w;
            struct client a, b;

            w.cfg = world_net_cfg();
            w.cfg.mappings = mappings;
            world_start(&w, &(struct world_cfg){.n_shards = n_shards, .seed = 1});
            fault_arm(n);
            talk(&w, &a, &b);
            bool hit = fault_disarm();
            world_run(&w, NS_PER_S); /* who waits for memory tries again */
            serves(&w);
            if (!hit) {
                assert_false(client_closed(&a)); /* and without a failure nobody is closed, but who deserves it */
                assert_true(client_closed(&b));
            }
            client_free(&a);
            client_free(&b);
            for (uint32_t i = 0; i < n_shards; i++)
                assert_int_equal(world_net(&w, i)->n_conns, 0);
            world_stop(&w);
            if (!hit)
                break;
        }
        assert_true(!fault_armed_builds || n > 30);
    }
    mapping_free(mappings);
}

static void
c8_a_start_without_memory_fails_and_leaves_nothing(void **state)
{
    (void)state;
    for (int64_t n = 0;; n++) {
        struct sim_cfg sc;
        struct shard_set *set;
        struct net_cfg cfg = world_net_cfg();
        struct net_set ns = {.cfg = &cfg};

        sim_cfg_default(&sc, 1);
        struct sim *sim = sim_new(&sc);
        struct shard_set_cfg c = {.n_shards = 2, .backend = IO_SIM, .sim = sim, .key = cfg.key, .app = &net_app, .app_arg = &ns};
        assert_int_equal(shard_set_new(&c, &set), OK);
        for (uint32_t i = 0; i < 2; i++) {
            shard_current = set->shards[i];
            assert_int_equal(shard_open(set->shards[i]), OK);
        }
        fault_arm(n);
        shard_current = set->shards[1];
        enum err e = net_app.on_start(set->shards[1]);
        bool hit = fault_disarm();
        assert_int_equal(e, hit ? ERR_NOMEM : OK);
        if (e == OK)
            net_app.on_stop(set->shards[1]);
        for (uint32_t i = 0; i < 2; i++)
            shard_close(set->shards[i]);
        shard_set_free(set);
        sim_free(sim);
        if (!hit)
            break;
    }
}

/* The pool's limit stays where it is: connections wait or are closed, and those that ask for little are served. */
static void
c8_a_pool_at_its_limit_serves_who_asks_for_little(void **state)
{
    enum { N = 64 };
    struct world w;
    struct client c[N];
    char text[300000];
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .bufs_limit = 4 << 20});
    memset(text, 'p', sizeof(text));
    memcpy(text, "PUB x 900000\r\n", 14);
    for (int i = 0; i < N; i++) { /* each of them has begun a payload, and keeps what it has said */
        client_open_quiet(&w, &c[i]);
        (void)client_put(&c[i], text, sizeof(text));
        world_settle(&w);
    }
    uint64_t n_refused = w.set->shards[0]->counters.bufs_refused + w.set->shards[1]->counters.bufs_refused;
    assert_true(n_refused > 0);
    for (int i = 0; i < N; i++)
        client_free(&c[i]);
    world_run(&w, NS_PER_S);
    serves(&w);
    world_stop(&w);
}

/* Not even for that: it is closed, and no timer of it stays behind in the wheel. */
static void
c8_a_connection_without_memory_for_its_info_is_closed_for_good(void **state)
{
    struct world w;
    struct client a;
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1, .bufs_limit = 1});
    uint32_t n_armed = w.set->shards[0]->timers.n_armed;
    for (int i = 0; i < 3; i++) {
        client_dial(&w, &a);
        assert_true(client_closed(&a));
        assert_int_equal(world_net(&w, 0)->n_conns, 0);
        assert_int_equal(w.set->shards[0]->timers.n_armed, n_armed);
        client_free(&a);
    }
    world_stop(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c8_whichever_allocation_fails_the_server_goes_on),
        cmocka_unit_test(c8_a_start_without_memory_fails_and_leaves_nothing),
        cmocka_unit_test(c8_a_connection_without_memory_for_its_info_is_closed_for_good),
        cmocka_unit_test(c8_a_pool_at_its_limit_serves_who_asks_for_little),
    };
    return cmocka_run_group_tests_name("fault", tests, world_log_trace, world_log_on);
}
