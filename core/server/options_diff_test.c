/* options_diff_test.c - what a reload says and refuses: nats-server's lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"
#include "core/server/options_diff.h"
#include "core/server/options_world.h"

static struct options_world before, after;

/* The lines of a change, each with '\n'; or the refusal. */
static const char *
diff(const char *old, const char *next, uint32_t *ret_parts)
{
    static char text[4096];
    struct options_diff d;
    size_t n = 0;

    (void)world_load(&before, old, NULL);
    (void)world_load(&after, next, NULL);
    assert_string_equal(before.text, "");
    assert_string_equal(after.text, "");
    assert_int_equal(options_diff(&before.o, &after.o, &d), OK);
    *ret_parts = d.parts;
    if (d.refusal != NULL)
        return d.refusal;
    text[0] = '\0';
    for (uint32_t i = 0; i < d.lines.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", d.lines.items[i]);
    assert_true(n < sizeof(text));
    return text;
}

/* Every option that may change, as nats-server's log has it; the same file changes nothing. */
static void
changes_are_told_in_nats_servers_lines(void **state)
{
    (void)state;
    static const char always[] = "Reloaded: authorization users\nReloaded: accounts\n";
    static const struct {
        const char *old, *next, *lines;
        uint32_t parts;
    } cases[] = {
        {"port: 4222", "port: 4222", "", 0},
        {"port: 4222", "max_connections: 10", "Reloaded: max_connections = 10\n", OPTIONS_PART_LIMITS},
        {"port: 4222", "max_payload: 2048", "Reloaded: max_payload = 2048\n", OPTIONS_PART_LIMITS | OPTIONS_PART_INFO},
        {"port: 4222", "max_control_line: 2048", "Reloaded: max_control_line = 2048\n", OPTIONS_PART_LIMITS},
        {"port: 4222", "ping_interval: \"5s\"", "Reloaded: ping_interval = 5s\n", OPTIONS_PART_LIMITS},
        {"port: 4222", "ping_max: 7", "Reloaded: ping_max = 7\n", OPTIONS_PART_LIMITS},
        {"port: 4222", "write_deadline: \"3m\"", "Reloaded: write_deadline = 3m0s\n", OPTIONS_PART_LIMITS},
        {"port: 4222", "no_fast_producer_stall: true", "Reloaded: fast producers will not be stalled\n", OPTIONS_PART_LIMITS},
        {"no_fast_producer_stall: true", "port: 4222", "Reloaded: fast producers will be stalled\n", OPTIONS_PART_LIMITS},
        {"port: 4222", "client_advertise: \"a:1\"", "Reload: client_advertise = a:1\n", OPTIONS_PART_INFO},
        {"port: 4222", "server_tags: [a, b]", "Reloaded: tags\n", OPTIONS_PART_INFO},
        {"port: 4222", "server_metadata: {a: b}", "Reloaded: metadata\n", OPTIONS_PART_INFO},
        {"port: 4222", "debug: true", "Reloaded: debug = true\n", OPTIONS_PART_LOG},
        {"trace: true", "trace_verbose: true", "Reloaded: trace_verbose = true\n", OPTIONS_PART_LOG},
        {"port: 4222", "log_file: \"/tmp/x\"", "Reloaded: log_file = /tmp/x\n", OPTIONS_PART_LOG},
        {"port: 4222", "remote_syslog: \"udp://h:1\"", "Reloaded: remote_syslog = udp://h:1\n", OPTIONS_PART_LOG},
        {"port: 4222", "max_traced_msg_len: 9", "Reloaded: max_traced_msg_len = 9\n", OPTIONS_PART_LOG},
        {"port: 4222", "logtime: false", "Reloaded: logtime = false\n", OPTIONS_PART_LOG},
        {"port: 4222", "pid_file: \"/tmp/p\"", "Reloaded: pid_file = /tmp/p\n", OPTIONS_PART_FILES},
        {"port: 4222", "ports_file_dir: \"/tmp\"", "Reloaded: ports_file_dir = /tmp\n", OPTIONS_PART_FILES},
        {"port: 4222", "connect_error_reports: 5", "Reloaded: connect_error_reports = 5\n", 0},
        {"port: 4222", "reconnect_error_reports: 5", "Reloaded: reconnect_error_reports = 5\n", 0},
        {"port: 4222", "monitor_allow: \"10.0.0.0/8\"", "Reloaded: monitor_allow\n", OPTIONS_PART_MONITOR},
        {"mappings {a: b}", "mappings {a: c}", "", OPTIONS_PART_MAPPINGS},
        {"mappings {a: b}", "mappings {a: b}", "", 0},
    };
    static const struct {
        const char *old, *next, *lines;
    } auth[] = {
        {"port: 4222", "authorization {user: a, pass: b, timeout: 3}", "username\npassword\ntimeout = 3\n"},
        {"authorization {user: a, pass: b}", "authorization {user: a, pass: c}", "password\n"},
        {"port: 4222", "authorization {token: a}", "token\n"},
        {"port: 4222", "authorization {users: [{user: a, pass: b}]}", ""},
        {"authorization {users: [{user: a, pass: b}]}", "authorization {users: [{user: a, pass: b, permissions: {publish: x}}]}", ""},
        {"no_auth_user: a, authorization {users: [{user: a, pass: b}, {user: c, pass: d}]}", "authorization {users: [{user: c, pass: d}]}", ""},
    };
    char want[1024];
    uint32_t parts;

    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        (void)snprintf(want, sizeof(want), "%s%s", cases[i].lines, always); /* fits */
        assert_string_equal(diff(cases[i].old, cases[i].next, &parts), want);
        assert_int_equal(parts, cases[i].parts);
    }
    for (size_t i = 0; i < N_ELEMS(auth); i++) {
        size_t n = (size_t)snprintf(want, sizeof(want), "%s", always);
        for (const char *p = auth[i].lines, *end; (end = strchr(p, '\n')) != NULL; p = end + 1)
            n += (size_t)snprintf(want + n, sizeof(want) - n, "Reloaded: authorization %.*s\n", (int)(end - p), p);
        assert_string_equal(diff(auth[i].old, auth[i].next, &parts), want);
        assert_int_equal(parts, OPTIONS_PART_AUTH);
    }
}

/* What cannot change while the server runs is refused by the name that nats-server has for it. */
static void
what_cannot_change_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *next, *text;
    } cases[] = {
        {"host: \"127.0.0.1\"", "Host: old=0.0.0.0, new=127.0.0.1"},
        {"listen: \"127.0.0.1:4222\"", "Host: old=0.0.0.0, new=127.0.0.1"},
        {"port: 4223", "Port: old=4222, new=4223"},
        {"server_name: b", "ServerName: old=, new=b"},
        {"max_subscriptions: 5", "MaxSubs: old=0, new=5"},
        {"max_sub_tokens: 5", "MaxSubTokens: old=0, new=5"},
        {"max_pending: 99999999", "MaxPending: old=67108864, new=99999999"},
        {"max_closed_clients: 5", "MaxClosedClients: old=10000, new=5"},
        {"disable_sublist_cache: true", "NoSublistCache: old=false, new=true"},
        {"no_header_support: true", "NoHeaderSupport: old=false, new=true"},
        {"no_system_account: true", "NoSystemAccount: old=false, new=true"},
        {"http: \"127.0.0.1:0\"", "HTTPHost: old=0.0.0.0, new=127.0.0.1"},
        {"http_port: 14998", "HTTPPort: old=0, new=14998"},
        {"http_base_path: /a", "HTTPBasePath: old=/, new=/a"},
        {"log_size_limit: 5", "LogSizeLimit: old=0, new=5"},
        {"log_max_num: 5", "LogMaxFiles: old=0, new=5"},
        {"write_timeout: retry", "WriteTimeout: old=, new=retry"},
        {"lame_duck_duration: \"5m\"", "LameDuckDuration: old=2m0s, new=5m0s"},
        {"lame_duck_grace_period: \"5s\"", "LameDuckGracePeriod: old=10s, new=5s"},
        {"feature_flags: {a: true, b: false}", "FeatureFlags: old=map[], new=map[a:true b:false]"},
        {"no_auth_user: a, authorization {users: [{user: a, pass: b}]}", "NoAuthUser: old=, new=a"},
        {"cores: 2", "cores: old=0, new=2"},
        {"io: epoll", "io: old=auto, new=epoll"},
        {"busy_poll: off", "busy_poll: old=auto, new=off"},
    };
    char want[256];
    uint32_t parts;

    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        (void)snprintf(want, sizeof(want), "config reload not supported for %s", cases[i].text); /* fits */
        if (strcmp(cases[i].next, "busy_poll: off") == 0)
            assert_string_equal(diff("port: 4222", "busy_poll: \"off\"", &parts), want);
        else
            assert_string_equal(diff("port: 4222", cases[i].next, &parts), want);
        assert_int_equal(parts, 0);
    }
}

static int
close_worlds(void **state)
{
    (void)state;
    world_close(&before);
    world_close(&after);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes_are_told_in_nats_servers_lines), cmocka_unit_test(what_cannot_change_is_refused)};
    return cmocka_run_group_tests(tests, NULL, close_worlds);
}
