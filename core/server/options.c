#include "core/server/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/cpus.h"
#include "core/rt/util.h"

enum option_kind { OPT_STR, OPT_BOOL, OPT_INT, OPT_DURATION };

struct option_row {
    const char *names; /* separated by spaces; the first is the one shown */
    enum option_kind kind;
    size_t off;
    int64_t min, max;
    const char *arg, *help;
};

#define OPT(field) offsetof(struct options, field)

static const struct option_row option_rows[] = {
    {"addr a net", OPT_STR, OPT(host), 0, 0, "<host>", "Bind to host address (default: 0.0.0.0)"},
    {"port p", OPT_INT, OPT(port), -1, 65535, "<port>", "Use port for clients (default: 4222; -1: any free one)"},
    {"name n server_name", OPT_STR, OPT(server_name), 0, 0, "<server_name>", "Server name (default: auto)"},
    {"http_port m", OPT_INT, OPT(http_port), -1, 65535, "<port>", "Use port for http monitoring"},
    {"user", OPT_STR, OPT(auth.user), 0, 0, "<user>", "User required for connections"},
    {"pass", OPT_STR, OPT(auth.pass), 0, 0, "<password>", "Password required for connections"},
    {"auth", OPT_STR, OPT(auth.token), 0, 0, "<token>", "Authorization token required for connections"},
    {"pid P", OPT_STR, OPT(pid_file), 0, 0, "<file>", "File to store PID"},
    {"log l", OPT_STR, OPT(log_file), 0, 0, "<file>", "File to redirect log output"},
    {"logtime T", OPT_BOOL, OPT(logtime), 0, 0, "", "Timestamp log entries (default: true)"},
    {"logtime_utc", OPT_BOOL, OPT(logtime_utc), 0, 0, "", "Timestamps in UTC instead of local timezone"},
    {"debug D", OPT_BOOL, OPT(debug), 0, 0, "", "Enable debugging output"},
    {"trace V", OPT_BOOL, OPT(trace), 0, 0, "", "Trace the raw protocol"},
    {"DV", OPT_BOOL, OPT(trace_headers), 0, 0, "", "Debug and trace"},
    {"cores", OPT_INT, OPT(cores), 0, CPUS_MAX, "<n>", "Shards, one thread and processor each (default: the CPUs this process may use)"},
    {"io", OPT_STR, OPT(io), 0, 0, "<backend>", "auto, uring or epoll (default: auto)"},
    {"busy_poll", OPT_STR, OPT(busy_poll), 0, 0, "<auto|off|duration>", "Poll before sleeping (default: auto: with more than 2 processors)"},
    {"max_connections", OPT_INT, OPT(max_connections), 0, INT32_MAX, "<n>", "Client connections at most (default: 65536)"},
    {"max_subscriptions", OPT_INT, OPT(max_subscriptions), 0, INT32_MAX, "<n>", "Subscriptions per connection at most (default: 0, no limit)"},
    {"max_sub_tokens", OPT_INT, OPT(max_sub_tokens), 0, 255, "<n>", "Tokens of a subscription's subject at most (default: 0, no limit)"},
    {"max_control_line", OPT_INT, OPT(max_control_line), 128, 65536, "<bytes>", "Control line at most (default: 4096)"},
    {"max_payload", OPT_INT, OPT(max_payload), 1, 64 * 1024 * 1024, "<bytes>", "Message payload at most (default: 1048576)"},
    {"max_pending", OPT_INT, OPT(max_pending), 65536, INT64_C(1) << 40, "<bytes>", "Queued for one connection at most (default: 67108864)"},
    {"ping_interval", OPT_DURATION, OPT(ping_interval_ns), 1000000, INT64_MAX / 4, "<duration>", "Between PINGs of idle connections (default: 2m)"},
    {"ping_max", OPT_INT, OPT(ping_max), 1, 250, "<n>", "Unanswered PINGs before a connection is stale (default: 2)"},
    {"write_deadline", OPT_DURATION, OPT(write_deadline_ns), 1000000, INT64_MAX / 4, "<duration>",
     "A write that makes no progress for so long ends the connection (default: 10s)"},
    {"no_fast_producer_stall", OPT_BOOL, OPT(no_fast_producer_stall), 0, 0, "", "Do not slow producers down for slow subscribers"},
    {"version v", OPT_BOOL, OPT(version), 0, 0, "", "Show version"},
    {"help h", OPT_BOOL, OPT(help), 0, 0, "", "Show this message"},
};

void
options_defaults(struct options *o)
{
    *o = (struct options){
        .host = "0.0.0.0",
        .port = 4222,
        .logtime = true,
        .io = "auto",
        .busy_poll = "auto",
        .max_connections = 65536,
        .max_control_line = 4096,
        .max_payload = 1024 * 1024,
        .max_closed_clients = 10000,
        .http_base_path = "/",
        .max_pending = 64 * 1024 * 1024,
        .ping_interval_ns = 120 * NS_PER_S,
        .ping_max = 2,
        .auth = {.timeout_ns = 2 * NS_PER_S},
        .write_deadline_ns = 10 * NS_PER_S,
    };
}

void
options_usage(void)
{
    printf("Usage: midge [options]\n\n");
    for (size_t i = 0; i < N_ELEMS(option_rows); i++) {
        const struct option_row *r = &option_rows[i];
        char names[64] = "", line[128];
        size_t off = 0;
        for (const char *p = r->names; *p != '\0' && off + 4 < sizeof(names);) {
            size_t len = strcspn(p, " ");
            int n = snprintf(names + off, sizeof(names) - off, "%s%s%.*s", off > 0 ? ", " : "", len == 1 || isupper((unsigned char)*p) ? "-" : "--", (int)len, p);
            off += n > 0 ? (size_t)n : 0;
            p += len + strspn(p + len, " ");
        }
        (void)snprintf(line, sizeof(line), "%s %s", names, r->arg); /* a cut line is only ugly */
        printf("    %-44s %s\n", line, r->help);
    }
}

bool
options_duration(const char *text, int64_t *ret_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double total = 0;

    if (*text == '\0')
        return false;
    while (*text != '\0') {
        char *end;
        if (!isdigit((unsigned char)*text) && *text != '.')
            return false;
        double v = strtod(text, &end);
        size_t unit_len = strcspn(end, "0123456789.");
        size_t u = 0;
        while (u < N_ELEMS(units) && (strlen(units[u].unit) != unit_len || strncmp(units[u].unit, end, unit_len) != 0))
            u++;
        if (u == N_ELEMS(units))
            return false;
        total += v * units[u].ns;
        text = end + unit_len;
    }
    if (!(total >= 0 && total < 9e18))
        return false;
    *ret_ns = (int64_t)total;
    return true;
}

/* nats-server's flags whose feature is not there yet: refused by name, so that nobody looks for a typing error. */
static const struct {
    const char *names, *feature;
} option_missing[] = {
    {"c config t", "configuration files"},
    {"ms https_port profile", "monitoring"},
    {"sl signal ports_file_dir client_advertise", "process control"},
    {"s syslog r remote_syslog log_size_limit max_traced_msg_len VV DVV", "this kind of logging"},
    {"tls tlscert tlskey tlsverify tlscacert help_tls", "TLS"},
    {"js jetstream sd store_dir", "JetStream"},
    {"routes cluster cluster_name cluster_listen cluster_advertise no_advertise connect_retries", "clustering"},
};

/* Whether name is one of the words of a list. */
static bool
option_is_in(const char *names, const char *name, size_t len)
{
    for (const char *p = names; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, name, len) == 0)
            return true;
        p += n + strspn(p + n, " ");
    }
    return false;
}

static const struct option_row *
option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < N_ELEMS(option_rows); i++) {
        if (option_is_in(option_rows[i].names, name, len))
            return &option_rows[i];
    }
    return NULL;
}

static void
option_refuse(const char *name, size_t len)
{
    for (size_t i = 0; i < N_ELEMS(option_missing); i++) {
        if (option_is_in(option_missing[i].names, name, len)) {
            fprintf(stderr, "flag -%.*s is not supported: midge does not have %s yet\n", (int)len, name, option_missing[i].feature);
            return;
        }
    }
    fprintf(stderr, "flag provided but not defined: -%.*s\n", (int)len, name);
}

static bool
option_set_bool(struct options *o, const struct option_row *r, const char *name, const char *value)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    bool *at = (bool *)(void *)((char *)o + r->off);

    for (size_t i = 0; i < N_ELEMS(yes); i++) {
        if (value == NULL || strcmp(value, yes[i]) == 0) {
            *at = true;
            return true;
        }
        if (strcmp(value, no[i]) == 0) {
            *at = false;
            return true;
        }
    }
    fprintf(stderr, "invalid boolean value \"%s\" for -%s: parse error\n", value, name);
    return false;
}

static bool
option_set(struct options *o, const struct option_row *r, const char *name, const char *value)
{
    void *at = (char *)o + r->off;
    int64_t v = 0;

    switch (r->kind) {
    case OPT_BOOL: return option_set_bool(o, r, name, value);
    case OPT_STR: *(const char **)at = value; return true;
    case OPT_DURATION:
        if (!options_duration(value, &v)) {
            fprintf(stderr, "invalid value \"%s\" for flag -%s: parse error\n", value, name);
            return false;
        }
        break;
    case OPT_INT: {
        char *end;
        v = strtoll(value, &end, 10); /* what overflows ends at a limit, and is out of every option's range */
        if (*value == '\0' || *end != '\0' || isspace((unsigned char)*value)) {
            fprintf(stderr, "invalid value \"%s\" for flag -%s: parse error\n", value, name);
            return false;
        }
        break;
    }
    }
    if (v < r->min || v > r->max) {
        fprintf(stderr, "invalid value \"%s\" for flag -%s: value out of range (%" PRId64 " to %" PRId64 ")\n", value, name, r->min, r->max);
        return false;
    }
    *(int64_t *)at = v;
    return true;
}

enum options_verdict
options_parse(struct options *o, int argc, char **argv)
{
    int i = 1;

    for (; i < argc; i++) {
        const char *arg = argv[i];
        if (arg[0] != '-' || arg[1] == '\0')
            break;
        if (strcmp(arg, "--") == 0) {
            i++;
            break;
        }
        const char *name = arg + (arg[1] == '-' ? 2 : 1);
        size_t name_len = strcspn(name, "=");
        const char *value = name[name_len] == '=' ? name + name_len + 1 : NULL;
        const struct option_row *r = option_find(name, name_len);
        if (r == NULL) {
            option_refuse(name, name_len);
            return OPTIONS_BAD;
        }
        if (value == NULL && r->kind != OPT_BOOL) {
            if (i + 1 >= argc) {
                fprintf(stderr, "flag needs an argument: -%s\n", name);
                return OPTIONS_BAD;
            }
            value = argv[++i];
        }
        char shown[64];
        (void)snprintf(shown, sizeof(shown), "%.*s", (int)name_len, name);
        if (!option_set(o, r, shown, value))
            return OPTIONS_BAD;
    }
    if (i < argc) {
        if (strcasecmp(argv[i], "version") == 0)
            return OPTIONS_VERSION;
        if (strcasecmp(argv[i], "help") == 0)
            return OPTIONS_HELP;
        fprintf(stderr, "nats-server: unrecognized command: \"%s\"\n", argv[i]);
        return OPTIONS_BAD;
    }
    o->debug |= o->trace_headers;
    o->trace |= o->trace_headers;
    return o->version ? OPTIONS_VERSION : o->help ? OPTIONS_HELP : OPTIONS_RUN;
}
