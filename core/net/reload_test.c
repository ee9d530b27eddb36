/* reload.h: a new configuration reaches every shard and every connection, in slices, and lets go of the old one. In the simulated world. */
#include "core/broker/record.h"
#include "core/net/net_world.h"
#include "core/net/reload.h"

enum { N_SHARDS = 3 };

/* What main does. The old snapshot is overwritten where main would free it: who still looks at it fails. */
struct reloaded {
    struct net_cfg cfg;
    struct net_reload *r;
    uint32_t n_notes;
};

static void
on_note(void *arg)
{
    ((struct reloaded *)arg)->n_notes++;
}

static void
reload_start(struct world *w, struct reloaded *re)
{
    w->net_set.note = on_note;
    w->net_set.note_arg = re;
    assert_int_equal(net_reload_new(&w->net_set, &re->cfg, w->n, &re->r), OK);
    net_reload_start(w->set, &w->net_set, re->r);
}

static void
reload_end(struct world *w, struct reloaded *re)
{
    assert_true(net_reload_done(re->r));
    assert_int_equal(re->n_notes, 1);
    for (uint32_t i = 0; i < w->n; i++) {
        assert_ptr_equal(world_net(w, i)->cfg, &re->cfg);
        assert_false(net_reload_busy(world_net(w, i)));
    }
    net_reload_free(re->r);
    memset((void *)(uintptr_t)w->net_set.cfg, 0xdb, sizeof(struct net_cfg));
    w->net_set.cfg = &re->cfg;
}

static void
reload(struct world *w, struct reloaded *re)
{
    reload_start(w, re);
    world_settle(w);
    reload_end(w, re);
}

static void
start(struct world *w, uint32_t n_shards)
{
    w->cfg = world_net_cfg();
    w->cfg.max_connections = 10000;
    world_start(w, &(struct world_cfg){.n_shards = n_shards, .seed = 1});
}

static uint32_t
n_open(struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n; i++)
        n += world_net(w, i)->n_conns;
    return n;
}

/* ---- what changes ---- */

/* A connection on each shard, there before: the new limits hold for it, and its INFO comes with the next connection. */
static void
limits_of_existing_connections_change(void **state)
{
    struct world w;
    struct client c[N_SHARDS], next;
    struct reloaded re = {.cfg = world_net_cfg()};
    (void)state;

    start(&w, N_SHARDS);
    for (int i = 0; i < N_SHARDS; i++)
        client_open_quiet(&w, &c[i]);
    re.cfg.max_payload = 5;
    re.cfg.max_control_line = 9000;
    reload(&w, &re);
    for (int i = 0; i < N_SHARDS; i++) {
        char sub[8000];
        size_t n = (size_t)sprintf(sub, "SUB ");
        memset(sub + n, 'a', 6000); /* more than the 4096 of before */
        strcpy(sub + n + 6000, " 1\r\nPING\r\n");
        client_say(&c[i], sub);
        client_hears(&c[i], "PONG\r\n");
        client_say(&c[i], "PUB x 5\r\n12345\r\nPING\r\n");
        client_hears(&c[i], "PONG\r\n");
        client_say(&c[i], "PUB x 6\r\n");
        client_hears(&c[i], "-ERR 'Maximum Payload Violation'\r\n");
        assert_true(client_closed(&c[i]));
        client_free(&c[i]);
    }
    client_dial(&w, &next);
    client_poll(&next);
    assert_non_null(strstr(next.got, "\"max_payload\":5,"));
    client_free(&next);
    world_stop(&w);
}

/* A longer line than the old buffers hold is refused, with text that quotes all of it: the buffers are the new ones. */
static void
a_longer_control_line_has_room_in_the_answers(void **state)
{
    static char sub[64000], want[64000 + 200];
    struct world w;
    struct client c;
    struct reloaded re = {.cfg = world_net_cfg()};
    (void)state;

    start(&w, 1);
    client_open_quiet(&w, &c);
    re.cfg.max_control_line = 65536;
    re.cfg.max_sub_tokens = 1;
    reload(&w, &re);
    memset(sub, 'a', 60000);
    memcpy(sub, "SUB a.", 6);
    strcpy(sub + 60000, " 1\r\n");
    client_say(&c, sub);
    sprintf(want, "-ERR 'Permissions Violation for Subscription to \"%.59996s\", too many tokens'\r\n", sub + 4);
    client_hears(&c, want);
    client_free(&c);
    world_stop(&w);
}

/* Two minutes to the next PING become one second, and the other way round it stays at what was begun. */
static void
a_shorter_ping_interval_counts_from_the_reload(void **state)
{
    struct world w;
    struct client c;
    struct reloaded re = {.cfg = world_net_cfg()};
    (void)state;

    start(&w, 2);
    client_open_quiet(&w, &c);
    world_run(&w, 3 * NS_PER_S); /* the first PING, which comes early */
    client_hears(&c, "PING\r\n");
    client_say(&c, "PONG\r\n");
    world_run(&w, 60 * NS_PER_S);
    client_hears(&c, "");
    re.cfg.ping_interval_ns = NS_PER_S;
    reload(&w, &re);
    world_run(&w, 1100 * NS_PER_MS);
    client_hears(&c, "PING\r\n");
    client_free(&c);
    world_stop(&w);
}

/* ---- max_connections ---- */

static void
the_surplus_over_max_connections_is_closed_wherever_it_is(void **state)
{
    enum { N = 30, KEEP = 7 };
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        struct client c[N];
        struct reloaded re = {.cfg = world_net_cfg()};
        uint32_t n_closed = 0;

        w.cfg = world_net_cfg();
        world_start(&w, &(struct world_cfg){.n_shards = N_SHARDS, .seed = seed});
        for (int i = 0; i < N; i++)
            client_open_quiet(&w, &c[i]);
        re.cfg.max_connections = KEEP;
        reload_start(&w, &re);
        world_settle(&w);
        assert_int_equal(atomic_load(&re.r->n_surplus), N - KEEP);
        reload_end(&w, &re);
        for (int i = 0; i < N; i++) {
            if (!client_closed(&c[i]))
                continue;
            n_closed++;
            client_hears(&c[i], "-ERR 'maximum connections exceeded'\r\n");
        }
        assert_int_equal(n_closed, N - KEEP);
        assert_int_equal(n_open(&w), KEEP);
        for (int i = 0; i < N; i++)
            client_free(&c[i]);
        world_stop(&w);
    }
}

static void
nobody_is_closed_while_all_fit(void **state)
{
    struct world w;
    struct client c[4];
    struct reloaded re = {.cfg = world_net_cfg()};
    (void)state;

    start(&w, 2);
    for (int i = 0; i < 4; i++)
        client_open_quiet(&w, &c[i]);
    re.cfg.max_connections = 4;
    reload(&w, &re);
    for (int i = 0; i < 4; i++)
        assert_false(client_closed(&c[i]));
    for (int i = 0; i < 4; i++)
        client_free(&c[i]);
    world_stop(&w);
}

/* ---- how it goes about it ---- */

/* More connections than a slice on one shard: between two slices the shard serves. */
static void
connections_are_looked_at_in_slices(void **state)
{
    enum { N = 3 * RELOAD_SLICE_MAX };
    struct world w;
    struct sim_peer **p = calloc(N, sizeof(*p));
    struct reloaded re = {.cfg = world_net_cfg()};
    struct net *n;
    (void)state;

    start(&w, 1);
    for (int i = 0; i < N; i++)
        p[i] = world_dial(&w);
    n = world_net(&w, 0);
    assert_int_equal(n->n_conns, N);
    re.cfg.max_payload = 77;
    re.cfg.max_connections = 10000;
    reload_start(&w, &re);
    for (uint32_t seen = 0, before = 0; !net_reload_done(re.r); before = seen) {
        assert_true(world_step(&w, 0));
        seen = 0;
        for (uint32_t slot = n->all_head; slot != 0; slot = net_conn(n, slot)->next)
            seen += net_conn(n, slot)->lim.max_payload == 77;
        assert_true(seen <= before + RELOAD_SLICE_MAX);
    }
    for (uint32_t slot = n->all_head; slot != 0; slot = net_conn(n, slot)->next)
        assert_int_equal(net_conn(n, slot)->lim.max_payload, 77);
    assert_int_equal(w.set->shards[0]->counters.reloads, 1);
    assert_int_equal(w.set->shards[0]->counters.reload_conns, N);
    assert_true(w.set->shards[0]->counters.reload_cuts >= N / RELOAD_SLICE_MAX - 1);
    reload_end(&w, &re);
    for (int i = 0; i < N; i++)
        sim_peer_free(p[i]);
    free(p);
    world_settle(&w);
    world_stop(&w);
}

/* Half of all leave, and others come, while the list is walked. */
static void
connections_may_come_and_go_meanwhile(void **state)
{
    enum { N = 4 * RELOAD_SLICE_MAX };
    struct world w;
    struct sim_peer **p = calloc(2 * N, sizeof(*p));
    struct reloaded re = {.cfg = world_net_cfg()};
    struct net *n;
    uint32_t n_peers = N;
    (void)state;

    start(&w, 1);
    n = world_net(&w, 0);
    for (uint32_t i = 0; i < N; i++)
        p[i] = world_dial(&w);
    assert_int_equal(n->n_conns, N);
    re.cfg.max_payload = 77;
    re.cfg.max_connections = 10000;
    reload_start(&w, &re);
    for (uint32_t k = 0; !net_reload_done(re.r); k++) {
        for (uint32_t i = k % 2; i < N / 2; i += 2) { /* those at the cursor, and many others */
            uint32_t at = (k * 131 + i * 7) % N;
            if (p[at] != NULL && i % 5 == 0) {
                sim_peer_free(p[at]);
                p[at] = NULL;
            }
        }
        if (n_peers < 2 * N)
            p[n_peers++] = sim_peer_connect(w.sim, 1, (uint16_t)atomic_load(&w.net_set.port));
        sim_advance(w.sim, sim_clock(w.sim) + NS_PER_MS);
        (void)world_step(&w, 0);
    }
    world_settle(&w);
    for (uint32_t slot = n->all_head; slot != 0; slot = net_conn(n, slot)->next)
        assert_int_equal(net_conn(n, slot)->lim.max_payload, 77);
    reload_end(&w, &re);
    for (uint32_t i = 0; i < n_peers; i++) {
        if (p[i] != NULL)
            sim_peer_free(p[i]);
    }
    free(p);
    world_settle(&w);
    world_stop(&w);
}

/* The way to shard 1 is full of messages: the record waits for room, nothing is lost, and it arrives. */
static void
a_full_mailbox_delays_it_only(void **state)
{
    struct world w;
    struct client a, b;
    char text[4096];
    struct reloaded re = {.cfg = world_net_cfg()};
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 128 << 10});
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    client_say(&b, "SUB x 1\r\nPING\r\n");
    client_skip(&b);
    for (int i = 0; i < 100; i++) {
        size_t n = (size_t)sprintf(text, "PUB x 3000\r\n");
        memset(text + n, 'p', 3000);
        memcpy(text + n + 3000, "\r\n", 2);
        assert_int_equal(client_put(&a, text, n + 3002), n + 3002);
    }
    while (world_net(&w, 0)->blocked.n == 0) /* shard 1 does not run */
        assert_true(world_step(&w, 0));
    assert_false(mbox_room(w.set->shards[0]->out[1], 1, 4000, 0));
    while (mbox_room(w.set->shards[0]->out[1], 1, sizeof(struct record_conn), 0)) { /* not even a small one */
        struct record_stall *r = (void *)shard_push(w.set->shards[0], 1, RECORD_STALL, sizeof(*r));
        r->to = world_net(&w, 1)->all_head;
    }
    reload_start(&w, &re);
    (void)world_step(&w, 0);
    assert_true(world_net(&w, 0)->reload.telling != NULL);
    world_settle(&w);
    reload_end(&w, &re);
    client_poll(&b);
    size_t n_got = 0;
    for (const char *p = b.got; (p = strstr(p, "MSG x 1 3000")) != NULL; p++)
        n_got++;
    assert_int_equal(n_got, 100);
    client_free(&a);
    client_free(&b);
    world_stop(&w);
}

/* Again and again, with traffic between the shards. */
static void
messages_flow_through_many_reloads(void **state)
{
    struct world w;
    struct client c[4]; /* their PINGs are not due before the end */
    struct reloaded re[2] = {{.cfg = world_net_cfg()}, {.cfg = world_net_cfg()}};
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 4, .seed = 3, .rough = true});
    for (int i = 0; i < 4; i++) {
        client_dial(&w, &c[i]);
        world_run(&w, NS_PER_S / 20);
        client_skip(&c[i]);
        client_say(&c[i], "CONNECT {\"verbose\":false}\r\n");
        client_say(&c[i], "SUB all 1\r\nPING\r\n");
        world_run(&w, NS_PER_S / 20);
        client_hears(&c[i], "PONG\r\n");
    }
    for (int k = 0; k < 12; k++) {
        struct reloaded *r = &re[k % 2];
        r->n_notes = 0;
        r->cfg = world_net_cfg();
        r->cfg.max_payload = 1000 + k;
        reload_start(&w, r);
        client_say(&c[k % 4], "PUB all 2\r\nhi\r\n");
        world_run(&w, NS_PER_S / 20);
        reload_end(&w, r);
        for (int i = 0; i < 4; i++)
            client_hears(&c[i], "MSG all 1 2\r\nhi\r\n");
    }
    for (int i = 0; i < 4; i++)
        client_free(&c[i]);
    world_stop(&w);
}

/* ---- all or nothing ---- */

/* Every allocation fails once: then nothing has happened, and the same configuration is taken over when there is memory. */
static void
c8_without_memory_nothing_changes(void **state)
{
    struct world w;
    struct client a;
    struct reloaded re = {.cfg = world_net_cfg()};
    uint32_t n_failed = 0;
    (void)state;

    start(&w, 2);
    client_open_quiet(&w, &a);
    for (int64_t n = 0;; n++) {
        fault_arm(n);
        enum err e = net_reload_new(&w.net_set, &re.cfg, 2, &re.r);
        if (!fault_disarm()) {
            assert_int_equal(e, OK);
            net_reload_free(re.r); /* it may be given up, too */
            break;
        }
        n_failed++;
        assert_int_equal(e, ERR_NOMEM);
        world_settle(&w);
        assert_ptr_equal(world_net(&w, 0)->cfg, &w.cfg);
    }
    assert_true(!fault_armed_builds || n_failed >= 5);
    reload(&w, &re);
    client_say(&a, "PING\r\n");
    client_hears(&a, "PONG\r\n");
    client_free(&a);
    world_stop(&w);
}

/* An INFO that no client would take. */
static void
an_info_beyond_all_bounds_is_refused(void **state)
{
    struct world w;
    struct reloaded re = {.cfg = world_net_cfg()};
    char *name = malloc(2 << 20);
    (void)state;

    start(&w, 1);
    memset(name, 'n', (2 << 20) - 1);
    name[(2 << 20) - 1] = '\0';
    re.cfg.info.server_name = name;
    assert_int_equal(net_reload_new(&w.net_set, &re.cfg, 1, &re.r), ERR_FULL);
    free(name);
    world_stop(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_existing_connections_change),
        cmocka_unit_test(a_longer_control_line_has_room_in_the_answers),
        cmocka_unit_test(a_shorter_ping_interval_counts_from_the_reload),
        cmocka_unit_test(the_surplus_over_max_connections_is_closed_wherever_it_is),
        cmocka_unit_test(nobody_is_closed_while_all_fit),
        cmocka_unit_test(connections_are_looked_at_in_slices),
        cmocka_unit_test(connections_may_come_and_go_meanwhile),
        cmocka_unit_test(a_full_mailbox_delays_it_only),
        cmocka_unit_test(messages_flow_through_many_reloads),
        cmocka_unit_test(c8_without_memory_nothing_changes),
        cmocka_unit_test(an_info_beyond_all_bounds_is_refused),
    };
    return cmocka_run_group_tests_name("reload", tests, world_log_trace, world_log_on);
}
