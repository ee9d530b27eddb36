/* What a connection is called in the log, and how often the log hears of what peers do wrong. In the simulated world. */
#include "core/net/net_world.h"

static const char *
name_of(struct world *w)
{
    static char name[CONN_NAME_MAX];
    struct net *n = world_net(w, 0);

    (void)conn_name(net_conn(n, n->all_head), name, sizeof(name));
    const char *cid = strstr(name, " - cid:");
    assert_non_null(cid);
    return cid + 3;
}

static void
a_connection_is_called_by_what_it_said(void **state)
{
    static const struct {
        const char *connect, *name;
    } cases[] = {
        {"", "cid:5"},
        {"CONNECT {}\r\n", "cid:5"},
        {"CONNECT {\"lang\":\"go\"}\r\n", "cid:5 - \"go\""},
        {"CONNECT {\"name\":\"n\"}\r\n", "cid:5 - \"n\""},
        {"CONNECT {\"version\":\"1.2\"}\r\n", "cid:5 - \"v1.2\""},
        {"CONNECT {\"version\":\"1.2\",\"name\":\"n\"}\r\n", "cid:5 - \"v1.2:n\""},
        {"CONNECT {\"version\":\"1.2\",\"lang\":\"go\",\"name\":\"n\"}\r\n", "cid:5 - \"v1.2:go:n\""},
        {"CONNECT {\"user\":\"u\",\"pass\":\"secret\"}\r\n", "cid:5 - \"$G/user:u\""},
        {"CONNECT {\"auth_token\":\"secret\",\"name\":\"n\"}\r\n", "cid:5 - \"n\" - \"$G/token\""},
        {"CONNECT {\"nkey\":\"UX\",\"user\":\"u\"}\r\n", "cid:5 - \"$G/user:u\""},
        /* A45: no line of its own, no colours, no quotes that end where they should not; % is a character */
        {"CONNECT {\"name\":\"%s\\n[1] [INF] \\\"x\\u001b[31m\"}\r\n", "cid:5 - \"%s\\n[1] [INF] \\\"x\\x1b[31m\""},
        {"CONNECT {\"user\":\"%n\\r\\n\"}\r\n", "cid:5 - \"$G/user:%n\\r\\n\""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        struct client c;
        w.cfg = world_net_cfg();
        world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
        client_open(&w, &c);
        client_say(&c, cases[i].connect);
        assert_string_equal(name_of(&w), cases[i].name);
        client_free(&c);
        world_stop(&w);
    }
}

/* A name as long as a CONNECT may be does not fill the log. */
static void
a_long_name_is_cut(void **state)
{
    char connect[4096];
    struct world w;
    struct client c;
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    client_open(&w, &c);
    size_t n = (size_t)sprintf(connect, "CONNECT {\"name\":\"");
    memset(connect + n, 'x', 3900);
    strcpy(connect + n + 3900, "\"}\r\n");
    client_say(&c, connect);
    assert_true(strlen(name_of(&w)) < 300);
    assert_non_null(strstr(name_of(&w), "xxx...\""));
    client_free(&c);
    world_stop(&w);
}

/* F14: ten lines a second for each kind of mistake, whatever their number. */
static void
f14_what_peers_do_wrong_is_logged_ten_times_a_second(void **state)
{
    struct world w;
    (void)state;

    w.cfg = world_net_cfg();
    world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    struct net *n = world_net(&w, 0);
    for (int second = 0; second < 3; second++) {
        uint32_t n_logged = 0;
        for (int i = 0; i < 10000; i++)
            n_logged += net_may_log(n, NET_QUIET_PROTOCOL);
        assert_int_equal(n_logged, NET_QUIET_MAX);
        assert_int_equal(n->quiet[NET_QUIET_PROTOCOL].n_more, 10000 - NET_QUIET_MAX);
        assert_int_equal(w.set->shards[0]->counters.log_withheld, (second + 1) * (10000 - NET_QUIET_MAX));
        assert_true(net_may_log(n, NET_QUIET_AUTH)); /* another kind has its own */
        world_run(&w, 1100 * NS_PER_MS);
        assert_int_equal(n->quiet[NET_QUIET_PROTOCOL].n_more, 0); /* told */
    }
    world_run(&w, 2 * NS_PER_S);
    assert_false(timer_armed(&n->quiet_timer)); /* nothing wakes a shard for it that has nothing to tell */
    (void)net_may_log(n, NET_QUIET_PROTOCOL);
    world_stop(&w); /* with the timer armed */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_called_by_what_it_said),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(f14_what_peers_do_wrong_is_logged_ten_times_a_second),
    };
    return cmocka_run_group_tests_name("names", tests, world_log_trace, world_log_on);
}
