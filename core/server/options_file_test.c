/* options_file_test.c - options from a file: each has its place, its bounds, and its word when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"
#include "core/server/options_world.h"

static struct options_world world;

#define LOAD(conf) world_load(&world, (conf), NULL)

/* Without a file and flags: nats-server's defaults. */
static void
defaults_are_nats_servers(void **state)
{
    (void)state;
    const struct options *o = world_load(&world, NULL, NULL);

    assert_int_equal(world.v, OPTIONS_RUN);
    assert_string_equal(o->host, "0.0.0.0");
    assert_int_equal(o->port, 4222);
    assert_null(o->server_name);
    assert_true(o->logtime && !o->logtime_utc && !o->debug && !o->trace);
    assert_int_equal(o->max_connections, 65536);
    assert_int_equal(o->max_payload, 1048576);
    assert_int_equal(o->max_pending, 67108864);
    assert_int_equal(o->max_control_line, 4096);
    assert_int_equal(o->max_closed_clients, 10000);
    assert_int_equal(o->ping_interval_ns, 120 * NS_PER_S);
    assert_int_equal(o->ping_max, 2);
    assert_int_equal(o->write_deadline_ns, 10 * NS_PER_S);
    assert_int_equal(o->lame_duck_duration_ns, 120 * NS_PER_S);
    assert_int_equal(o->lame_duck_grace_ns, 10 * NS_PER_S);
    assert_int_equal(o->auth.timeout_ns, 2 * NS_PER_S);
    assert_int_equal(o->connect_error_reports, 3600);
    assert_int_equal(o->reconnect_error_reports, 1);
    assert_string_equal(o->http_base_path, "/");
    assert_int_equal(o->busy_poll_ns, -1);
    assert_int_equal(o->digest[0], '\0');
}

/* The lines that the next test shuffles: one for each place. */
static const char *const all_lines[] = {
    "host: \"127.0.0.1\"", "PORT = 5000", "client_advertise \"a.b:77\"", "server_name: n1", "server_tags: [\" Eu \", \"eu\", Blue]",
    "server_metadata { rack: r1, zone: \"\" }", "pid_file: \"/p\"", "ports_file_dir: \"/d\"", "http: \"1.2.3.4:8222\"", "http_base_path: \"a//b/../c/\"",
    "monitor_allow: [\"10.0.0.0/8\", \"::1\"]", "max_closed_clients: 7", "debug: true", "trace_verbose: true", "trace_headers: true", "logtime: off",
    "logtime_utc: on", "log_file: \"/l\"", "log_size_limit: 10MB", "log_max_num: 3", "syslog: true", "remote_syslog: \"udp://h:1\"",
    "max_traced_msg_len: 100", "max_connections: 1k", "max_subs: 9", "max_sub_tokens: 8", "max_control_line: 1k", "max_payload: 64kb", "max_pending: 1MB",
    "ping_interval: \"1m\"", "ping_max: 3", "write_deadline: \"2s\"", "write_timeout: retry", "no_fast_producer_stall: true",
    "lame_duck_duration: \"60s\"", "lame_duck_grace_period: \"5s\"", "connect_error_reports: 5", "reconnect_error_reports: 6",
    "disable_sublist_cache: true", "no_header_support: true", "no_system_account: true", "feature_flags {js_ack_fc_v2: true}", "cores: 3", "io: EPOLL",
    "busy_poll: \"5us\"",
    ("authorization { timeout: 1.5, users: [ {user: u, pass: p, permissions: {publish: {allow: [a, \"b.>\"], deny: c}, subscribe: \"q  w\", allow_responses: true}, "
     "clients: [mqtt, STANDARD]} ], default_permissions: {pub: x} }"),
    "no_auth_user: u", "mappings { \"a.*\": \"b.$1\", c: [ {dest: d, weight: 10}, {dest: e, weight: \"20%\", cluster: k} ] }",
};

static void
check_all_lines(const struct options *o)
{
    assert_string_equal(o->host, "127.0.0.1");
    assert_int_equal(o->port, 5000);
    assert_string_equal(o->client_advertise_host, "a.b");
    assert_int_equal(o->client_advertise_port, 77);
    assert_string_equal(o->server_name, "n1");
    assert_int_equal(o->server_tags.n, 2);
    assert_string_equal(o->server_tags.items[0], "eu");
    assert_string_equal(o->server_tags.items[1], "blue");
    assert_int_equal(o->server_metadata.n, 2);
    assert_string_equal(o->server_metadata.items[0].value, "r1");
    assert_string_equal(o->pid_file, "/p");
    assert_string_equal(o->ports_file_dir, "/d");
    assert_string_equal(o->http_host, "1.2.3.4");
    assert_true(o->http_explicit && o->http_port == 8222);
    assert_string_equal(o->http_base_path, "/a/c");
    assert_int_equal(o->n_monitor_allow, 2);
    assert_true(o->monitor_allow[0].bits == 8 && o->monitor_allow[0].family == 4 && o->monitor_allow[1].bits == 128 && o->monitor_allow[1].ip[15] == 1);
    assert_int_equal(o->max_closed_clients, 7);
    assert_true(o->debug && o->trace && o->trace_verbose && o->trace_headers && !o->logtime && o->logtime_utc && o->syslog);
    assert_string_equal(o->log_file, "/l");
    assert_int_equal(o->log_size_limit, 10 << 20);
    assert_int_equal(o->log_max_num, 3);
    assert_string_equal(o->remote_syslog, "udp://h:1");
    assert_int_equal(o->max_traced_msg_len, 100);
    assert_int_equal(o->max_connections, 1000);
    assert_int_equal(o->max_subscriptions, 9);
    assert_int_equal(o->max_sub_tokens, 8);
    assert_int_equal(o->max_control_line, 1000);
    assert_int_equal(o->max_payload, 65536);
    assert_int_equal(o->max_pending, 1 << 20);
    assert_int_equal(o->ping_interval_ns, 60 * NS_PER_S);
    assert_int_equal(o->ping_max, 3);
    assert_int_equal(o->write_deadline_ns, 2 * NS_PER_S);
    assert_int_equal(o->write_timeout, OPTIONS_WRITE_RETRY);
    assert_true(o->no_fast_producer_stall && o->disable_sublist_cache && o->no_header_support && o->no_system_account);
    assert_int_equal(o->lame_duck_duration_ns, 60 * NS_PER_S);
    assert_int_equal(o->lame_duck_grace_ns, 5 * NS_PER_S);
    assert_int_equal(o->connect_error_reports, 5);
    assert_int_equal(o->reconnect_error_reports, 6);
    assert_string_equal(o->feature_flags.items[0].value, "true");
    assert_int_equal(o->cores, 3);
    assert_string_equal(o->io, "epoll");
    assert_int_equal(o->busy_poll_ns, 5000);
}

static void
check_all_auth(const struct options *o)
{
    const struct auth_conf *a = &o->auth;
    assert_int_equal(a->timeout_ns, 1500 * NS_PER_MS);
    assert_int_equal(a->n_users, 1);
    const struct auth_user_conf *u = &a->users[0];
    assert_string_equal(u->name, "u");
    assert_string_equal(u->pass, "p");
    assert_string_equal(u->account, "$G");
    assert_int_equal(u->conn_types, AUTH_CONN_MQTT | AUTH_CONN_STANDARD);
    assert_int_equal(u->perms->pub_allow.n, 2);
    assert_string_equal(u->perms->pub_allow.subjects[1], "b.>");
    assert_string_equal(u->perms->pub_deny.subjects[0], "c");
    assert_string_equal(u->perms->sub_allow.subjects[0], "q w");
    assert_true(u->perms->responses && u->perms->responses_max == 1 && u->perms->responses_expire_ns == 120 * NS_PER_S);
    assert_string_equal(a->defaults->pub_allow.subjects[0], "x");
    assert_string_equal(a->no_auth_user, "u");
    assert_true(o->auth_plain && !a->required);
    assert_int_equal(o->n_mappings, 2);
    assert_string_equal(o->mappings[0].src, "a.*");
    assert_string_equal(o->mappings[0].dests[0].dest, "b.$1");
    assert_int_equal(o->mappings[0].dests[0].weight, 100);
    assert_int_equal(o->mappings[1].n_dests, 2);
    assert_int_equal(o->mappings[1].dests[1].weight, 20);
    assert_string_equal(o->mappings[1].dests[1].cluster, "k");
}

/* Every option has its place, and the order in which a file names them says nothing. */
static void
order_of_keys_does_not_matter(void **state)
{
    (void)state;
    char text[8192];
    uint32_t at[N_ELEMS(all_lines)];
    struct rng rng;

    rng_init(&rng, 4);
    for (uint32_t i = 0; i < N_ELEMS(at); i++)
        at[i] = i;
    for (int round = 0; round < 200; round++) {
        size_t n = 0;
        for (uint32_t i = 0; i < N_ELEMS(at); i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", all_lines[at[i]]);
        assert_true(n < sizeof(text));
        const struct options *o = LOAD(text);
        assert_string_equal(world.text, "");
        check_all_lines(o);
        check_all_auth(o);
        for (uint32_t i = N_ELEMS(at) - 1; i > 0; i--) {
            uint32_t k = (uint32_t)rng_below(&rng, i + 1), keep = at[i];
            at[i] = at[k];
            at[k] = keep;
        }
    }
}

/* Sheet 02, section 2.2: at each bound of a limit, and one beyond. */
static void
each_limit_is_hit(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *text; /* "": fine */
    } cases[] = {
        {"max_connections: 0", ""},
        {"max_connections: -1", ""},
        {"max_connections: 2147483647", ""},
        {"max_connections: 2147483648", "F:1:0: max_connections is out of range: 2147483648 (it is 0 to 2147483647)\n"},
        {"max_subscriptions: -1", ""},
        {"max_subscriptions: 2147483648", "F:1:0: max_subscriptions is out of range: 2147483648 (it is 0 to 2147483647)\n"},
        {"max_sub_tokens: 1", ""},
        {"max_sub_tokens: 255", ""},
        {"max_sub_tokens: 256", "F:1:0: max_sub_tokens value is too big\n"},
        {"max_sub_tokens: 0", "F:1:0: max_sub_tokens value can not be negative\n"},
        {"max_sub_tokens: -1", "F:1:0: max_sub_tokens value can not be negative\n"},
        {"max_control_line: 128", ""},
        {"max_control_line: 127", "F:1:0: max_control_line is out of range: 127 (it is 128 to 65536)\n"},
        {"max_control_line: 65536", ""},
        {"max_control_line: 65537", "F:1:0: max_control_line is out of range: 65537 (it is 128 to 65536)\n"},
        {"max_control_line: 2147483648", "F:1:0: max_control_line value is too big\n"},
        {"max_payload: 1", ""},
        {"max_payload: 0", ""},
        {"max_payload: -1", "F:1:0: max_payload is out of range: -1 (it is 1 to 67108864)\n"},
        {"max_payload: 67108864", ""},
        {"max_payload: 67108865", "F:1:0: max_payload is out of range: 67108865 (it is 1 to 67108864)\n"},
        {"max_payload: 2147483648", "F:1:0: max_payload value is too big\n"},
        {"max_payload: 1048576, max_pending: 1048576", ""},
        {"max_payload: 1048576, max_pending: 1048575", "max_payload (1048576) cannot be higher than max_pending (1048575)\n"},
        {"max_pending: 65535", "F:1:0: max_pending is out of range: 65535 (it is 65536 to 1099511627776)\n"},
        {"max_pending: 1099511627776", ""},
        {"max_pending: 1099511627777", "F:1:0: max_pending is out of range: 1099511627777 (it is 65536 to 1099511627776)\n"},
        {"max_closed_clients: 1000000", ""},
        {"max_closed_clients: 1000001", "F:1:0: max_closed_clients is out of range: 1000001 (it is 0 to 1000000)\n"},
        {"ping_interval: \"1ms\"", ""},
        {"ping_interval: \"999us\"", "F:1:0: ping_interval is out of range: 999\xc2\xb5s (it is 1ms to 640511h56m49.213693951s)\n"},
        {"ping_max: 250", ""},
        {"ping_max: 251", "F:1:0: ping_max is out of range: 251 (it is 1 to 250)\n"},
        {"write_deadline: \"-1s\"", "F:1:0: write_deadline is out of range: -1s (it is 1ms to 640511h56m49.213693951s)\n"},
        {"write_timeout: soon", "F:1:0: write_timeout must be 'default', 'close' or 'retry'\n"},
        {"lame_duck_duration: \"30s\"", ""},
        {"lame_duck_duration: \"29s\"", "F:1:0: invalid lame_duck_duration of 29s, minimum is 30 seconds\n"},
        {"lame_duck_grace_period: \"0s\"", ""},
        {"lame_duck_grace_period: \"-1s\"", "F:1:0: invalid lame_duck_grace_period, needs to be positive\n"},
        {"lame_duck_duration: \"30s\", lame_duck_grace_period: \"30s\"", "lame duck grace period (30s) should be strictly lower than lame duck duration (30s)\n"},
        {"port: 65535", ""},
        {"listen: 65535", ""},
        {"listen: 65536", "F:1:0: listen is out of range: 65536 (it is -1 to 65535)\n"},
        {"listen: \"h:-2\"", "F:1:0: listen is out of range: -2 (it is -1 to 65535)\n"},
        {"http: \"h:70000\"", "F:1:0: http is out of range: 70000 (it is -1 to 65535)\n"},
        {"http_port: 70000", "F:1:0: http_port is out of range: 70000 (it is -1 to 65535)\n"},
        {"port: 65536", "F:1:0: port is out of range: 65536 (it is -1 to 65535)\n"},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        LOAD(cases[i].conf);
        assert_string_equal(world.text, cases[i].text);
        assert_int_equal(world.v, cases[i].text[0] == '\0' ? OPTIONS_RUN : OPTIONS_BAD);
    }
}

/* All that is wrong, at once, warnings first; a key that was used as a variable is no unknown field; of a key that stands twice the last counts. */
static void
all_errors_of_a_file_are_told(void **state)
{
    (void)state;

    LOAD("port: a\nfoo: 1\nhost: 3\nping_interval: 3\nauthorization {bar: 1, users: [{}]}\n");
    assert_string_equal(world.text, "F:4:1: invalid use of field \"ping_interval\": ping_interval should be converted to a duration\n"
                                    "F:1:0: interface conversion: interface {} is string, not int64\n"
                                    "F:2:1: unknown field \"foo\"\n"
                                    "F:3:1: interface conversion: interface {} is int64, not string\n"
                                    "F:5:16: unknown field \"bar\"\n"
                                    "F:5:34: User entry requires a user\n");
    const struct options *o = LOAD("p: 77\nport: $p\n");
    assert_string_equal(world.text, "");
    assert_int_equal(o->port, 77);
    o = LOAD("port: x\nport: 5\n");
    assert_string_equal(world.text, "");
    assert_int_equal(o->port, 5);
    LOAD("authorization {user: \"a\\x00b\", pass: c}");
    assert_string_equal(world.text, "F:1:15: a NUL character within text\n");
}

/* What does not exist yet is refused, once for a block and only when it asks for something; or is a warning. Mistakes in it are told either way. */
static void
unsupported_options_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *refused, *warned;
    } cases[] = {
        {"jetstream: true", "F:1:0: jetstream is not supported: midge does not have JetStream yet\n",
         "F:1:0: jetstream is not supported and does nothing: midge does not have JetStream yet\n"},
        {"jetstream {}", "F:1:0: jetstream is not supported: midge does not have JetStream yet\n",
         "F:1:0: jetstream is not supported and does nothing: midge does not have JetStream yet\n"},
        {"jetstream: false", "", ""},
        {"store_dir: \"/x\"", "", ""},
        {"jetstream {enabled: false, store_dir: \"/x\"}", "", ""},
        {"cluster {name: c}", "", ""},
        {"cluster {port: 0}", "", ""},
        {"cluster {listen: \"h:0\"}", "", ""},
        {"accounts {}", "", ""},
        {"leafnodes {remotes: []}", "", ""},
        {"tls {}", "", ""},
        {"cluster {port: 6222, foo: 1}", "F:1:21: unknown field \"foo\"\nF:1:0: cluster is not supported: midge does not have clustering yet\n", NULL},
        {"leafnodes {remotes: [{url: \"nats://u:secret@h\"}]}", "F:1:0: leafnodes is not supported: midge does not have leaf nodes yet\n",
         "F:1:0: leafnodes is not supported and does nothing: midge does not have leaf nodes yet\n"},
        {"prof_port: 1", "F:1:0: prof_port is not supported: there is no Go runtime whose profile could be served; use perf, and -D for the counters\n",
         "F:1:0: prof_port is not supported and does nothing: there is no Go runtime whose profile could be served; use perf, and -D for the counters\n"},
        {"authorization {users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}]}",
         "F:1:24: nkey is not supported: midge does not have nkeys yet\n", "F:1:24: nkey is not supported and does nothing: midge does not have nkeys yet\n"},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        LOAD(cases[i].conf);
        assert_string_equal(world.text, cases[i].refused);
        if (cases[i].warned == NULL)
            continue;
        (void)world_load(&world, cases[i].conf, WORLD_FLAGS("--unsupported=warn"));
        assert_string_equal(world.text, cases[i].warned);
        assert_int_equal(world.v, OPTIONS_RUN);
        (void)world_load(&world, cases[i].conf, WORLD_FLAGS("--unsupported=warn", "-t"));
        assert_int_equal(world.v, OPTIONS_CHECKED);
    }
    LOAD("websocket {port: 80}\nunsupported: warn\n");
    assert_int_equal(world.v, OPTIONS_RUN);
    (void)world_load(&world, "websocket {port: 80}\nunsupported: warn\n", WORLD_FLAGS("--unsupported=refuse"));
    assert_int_equal(world.v, OPTIONS_BAD);
}

/* Told to do without what says who may come in, the server stays closed, where nats-server would not have been open. */
static void
what_guards_the_door_is_not_ignored_open(void **state)
{
    (void)state;
    static const struct {
        const char *conf;
        bool required;
    } cases[] = {
        {"websocket {port: 80}", false},
        {"accounts {A {}, B {}}", false},
        {"accounts {A {users: [{user: a, pass: b}]}}", true},
        {"accounts {SYS {users: [{user: a, pass: b}]}}, system_account: SYS", false}, /* nats-server lets anybody into $G */
        {"accounts {SYS {users: [{user: a, pass: b}]}}, system_account: SYS, authorization {timeout: 1}", true},
        {"authorization {users: [{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX}]}", true},
        {"authorization {proxy_required: true, user: a, pass: b}", true},
        {"trusted_keys: OAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB7JSU", true},
        {"operator: \"/x\"", true},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        const struct options *o = world_load(&world, cases[i].conf, WORLD_FLAGS("--unsupported=warn"));
        assert_int_equal(world.v, OPTIONS_RUN);
        assert_int_equal(o->auth.required, cases[i].required);
    }
}

/* Sheet 02, section 11: no password, token or seed in any message, wherever somebody put it. */
static void
no_error_shows_a_secret(void **state)
{
    (void)state;
    static const char seed[] = "SUACAQ3BPZ4DLDFUTHIHYXVDZ6RKTVZ5TXLPBZJNU6VQ4XMXGQ6WXYZABC"; /* of a seed's form */
    static const char *const confs[] = {
        "authorization {users: %s}", "authorization {users: [%s]}", "authorization {password: [%s]}", "authorization {users: [{user: a, password: [%s]}]}",
        "authorization {user: a, token: %s, pass: b}", "accounts {A {nkey: %s}}", "authorization {users: [{nkey: %s}]}", "trusted_keys: %s", "trusted_keys: [%s]",
        "proxies {trusted: [{key: %s}]}", "authorization {auth_callout {issuer: %s, auth_users: [a]}}", "leafnodes {remotes: [{url: \"nats://u:%s@h\", nkey: %s, x: 1}]}",
        "cluster {routes: [\"nats://u:%s@h:1\", \"nats://u:%s@h:1\"]}", "leafnodes {authorization {nkey: %s}}", "authorization {timeout: [%s]}",
        "jetstream {key: [%s]}", "websocket {authorization {password: [%s]}}", "authorization {auth_callout: %s}",
    };
    char text[512];

    for (size_t i = 0; i < N_ELEMS(confs); i++) {
        size_t n = 0;
        for (const char *p = confs[i]; *p != '\0'; p++) {
            if (p[0] == '%' && p[1] == 's') {
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", seed);
                p++;
            } else {
                text[n++] = *p;
            }
        }
        text[n] = '\0';
        LOAD(text);
        assert_true(strlen(world.text) > 0);
        if (strstr(world.text, "SUACAQ3") != NULL)
            fail_msg("%s: %s", text, world.text);
    }
}

/* What only all options together show. */
static void
options_are_checked_together(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *text;
    } cases[] = {
        {"server_name: \"a b\"", "F:1:0: server name cannot contain spaces\n"},
        {"no_auth_user: a", "no_auth_user: \"a\" present, but users/nkeys are not defined\n"},
        {"no_auth_user: a, authorization {users: [{user: b}]}", "no_auth_user: \"a\" not present as user or nkey in authorization block or account configuration\n"},
        {"system_account: X", "F:1:0: system_account is not supported: midge does not have accounts yet\n"},
        {"client_advertise: \":1\"", "Error setting server INFO with ClientAdvertise value of :1, err=it is not host, host:port or [v6]:port\n"},
        {"client_advertise: \"a:x\"", "Error setting server INFO with ClientAdvertise value of a:x, err=it is not host, host:port or [v6]:port\n"},
        {"client_advertise: \"[::1]:5\"", ""},
        {"client_advertise: \"::1\"", ""},
        {"client_advertise: \"a\"", ""},
        {"http_base_path: \"a b\"", "F:1:0: http_base_path \"a b\" cannot be part of a URL\n"},
        {"monitor_allow: \"10.0.0.0/33\"", "F:1:0: \"10.0.0.0/33\" is not a network (10.0.0.0/8, ::1)\n"},
        {"http: 8222", ""},
        {"http: \"x\"", "F:1:0: could not parse address string \"x\"\n"},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        LOAD(cases[i].conf);
        assert_string_equal(world.text, cases[i].text);
    }
    const struct options *o = LOAD("listen: \"1.2.3.4:0\"");
    assert_int_equal(o->port, 4222);
    assert_string_equal(o->host, "1.2.3.4");
    o = LOAD("listen: 77");
    assert_int_equal(o->port, 77);
    assert_string_equal(o->host, "0.0.0.0");
    o = LOAD("http: 8222");
    assert_true(!o->http_explicit && o->http_port == 8222 && o->http_host == NULL);
    o = LOAD("client_advertise: \"[::1]:5\"");
    assert_string_equal(o->client_advertise_host, "::1");
    assert_int_equal(o->client_advertise_port, 5);
}

/* Each allocation fails in turn: it is told, nothing is half taken over. */
static void
no_memory_is_told(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    char text[8192];
    size_t n = 0;
    for (uint32_t i = 0; i < N_ELEMS(all_lines); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", all_lines[i]);
    for (uint32_t i = 0; i < 100; i++) /* so many that they are found by hash */
        n += (size_t)snprintf(text + n, sizeof(text) - n, "v%u: %u, port: $v%u\n", i, i + 1, i);
    assert_true(n < sizeof(text));
    LOAD(text);
    assert_int_equal(world.v, OPTIONS_RUN);
    options_free(&world.o);
    int64_t at = 0;
    for (;; at++) {
        struct options_report *rep = options_report_new();
        assert_non_null(rep);
        fault_arm(at);
        enum options_verdict v = options_load(world.args, &world.o, rep);
        bool hit = fault_disarm();
        if (!hit)
            assert_int_equal(v, OPTIONS_RUN);
        else
            assert_int_equal(v, OPTIONS_BAD);
        assert_int_equal(options_report_n_errors(rep) > 0, hit);
        options_report_free(rep);
        options_free(&world.o);
        if (!hit)
            break;
    }
    assert_true(at > 10);
}

static int
close_worlds(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_nats_servers),
        cmocka_unit_test(order_of_keys_does_not_matter),
        cmocka_unit_test(each_limit_is_hit),
        cmocka_unit_test(all_errors_of_a_file_are_told),
        cmocka_unit_test(unsupported_options_are_refused_by_name),
        cmocka_unit_test(what_guards_the_door_is_not_ignored_open),
        cmocka_unit_test(options_are_checked_together),
        cmocka_unit_test(no_error_shows_a_secret),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, close_worlds);
}
