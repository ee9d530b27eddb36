/* load_main.c - midge-load: options, clocks, and which scenario to run. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "load.h"

/* Read by the SIGALRM handler, which has no other way to it. */
static const char *volatile load_awaited = "nothing yet";

void
load_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fputs("midge-load: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(LOAD_EXIT_FAILED);
}

void
load_await(const char *what)
{
    load_awaited = what;
}

uint64_t
load_now(void)
{
    struct timespec ts;
    int             rc = clock_gettime(CLOCK_MONOTONIC, &ts);
    ASSERT(rc == 0);
    return (uint64_t)ts.tv_sec * (uint64_t)NS_PER_S + (uint64_t)ts.tv_nsec;
}

void
load_sleep_until(uint64_t deadline_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(deadline_ns / (uint64_t)NS_PER_S),
                          .tv_nsec = (long)(deadline_ns % (uint64_t)NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
        continue; /* an absolute deadline: just wait on */
}

/* Only async-signal-safe calls here. */
static void
load_on_alarm(int signum)
{
    (void)signum;
    static const char head[] = "midge-load: --timeout passed while waiting for ";
    const char       *what = load_awaited;
    ssize_t           rc = write(STDERR_FILENO, head, sizeof(head) - 1);
    rc = write(STDERR_FILENO, what, strlen(what));
    rc = write(STDERR_FILENO, "\n", 1);
    (void)rc; /* nowhere left to report to */
    _exit(LOAD_EXIT_TIMEOUT);
}

/* Options are one table: name, member, how it is read, what it means. */
enum load_opt_kind { OPT_U32, OPT_U64, OPT_BOOL, OPT_STR, OPT_PORT, OPT_PID };

#define LOAD_OPTS(X)                                                                                      \
    X("host", host, OPT_STR, "address of the server (127.0.0.1)")                                          \
    X("port", port, OPT_PORT, "its port")                                                                  \
    X("server-pid", server_pid, OPT_PID, "its process, whose CPU time and memory are reported")            \
    X("threads", n_threads, OPT_U32, "worker threads of the generator (1)")                                \
    X("spin", spin, OPT_BOOL, "1: never sleep, so that no wake-up is charged to the server")               \
    X("duration", duration_ms, OPT_U32, "ms of publishing in each measured segment (1000)")                \
    X("warmup", warmup_ms, OPT_U32, "ms of publishing before the first (300)")                             \
    X("segments", n_segments, OPT_U32, "measured segments (1)")                                            \
    X("timeout", timeout_s, OPT_U32, "seconds until the process gives up (120)")                           \
    X("settle", settle_ms, OPT_U32, "idle ms before a memory figure is read (2000)")                       \
    X("size", size, OPT_U32, "payload bytes (128)")                                                        \
    X("flows", n_flows, OPT_U32, "separate subjects (1)")                                                  \
    X("pubs", n_pubs, OPT_U32, "publishers, or requesters, of each flow (1)")                              \
    X("subs", n_subs, OPT_U32, "subscribers, or responders, of each flow (1)")                             \
    X("queue", queue, OPT_BOOL, "1: a flow's subscribers form a queue group")                              \
    X("window", window_bytes, OPT_U64, "bytes under way to one subscriber (4 MiB)")                        \
    X("gap", gap, OPT_U32, "idle connections between publishers and subscribers (0)")                      \
    X("churn", churn, OPT_U32, "SUB and UNSUB pairs a second in every second segment (0)")                 \
    X("copy", copy, OPT_BOOL, "1: read and compare every byte")                                            \
    X("rate", rate, OPT_U64, "paced: messages offered a second (10000)")                                   \
    X("probes", n_probes, OPT_U32, "paced: subscribers whose latencies are recorded (16)")                 \
    X("inflight", n_inflight, OPT_U32, "request: requests under way in all (1)")                           \
    X("conns", n_conns, OPT_U32, "conns: connections to open; subs: connections that subscribe (16)")      \
    X("literals", n_literals, OPT_U32, "subs: unique literal subscriptions (1000000)")                     \
    X("wildcards", n_wildcards, OPT_U32, "subs: wildcard subscriptions (1000)")                            \
    X("wild-match", wild_match, OPT_BOOL, "subs: 1: each publish matches one wildcard as well")            \
    X("flood", flood_bytes, OPT_U64, "stall: payload bytes published at most (1 GiB)")

struct load_opt {
    const char        *name;
    size_t             off;
    enum load_opt_kind kind;
    const char        *help;
};

#define LOAD_OPT_ROW(text, member, kind, help) {text, offsetof(struct load_opts, member), kind, help},
static const struct load_opt load_opt_table[] = {LOAD_OPTS(LOAD_OPT_ROW)};

static const struct {
    const char *name;
    void (*run)(const struct load_opts *o);
    const char *help;
} load_scenarios[] = {
    {"stream", load_stream, "publish and subscribe at full speed"},
    {"paced", load_paced, "publish at a fixed rate, measure latencies (open loop)"},
    {"request", load_request, "request and reply"},
    {"subs", load_subs, "a million subscriptions, then publishes to random ones"},
    {"conns", load_conns, "open many connections, then leave them idle"},
    {"stall", load_stall, "subscribers that never read"},
    {"relay", load_relay, "be the trivial server on --port: the generator's own ceiling"},
};

static void
load_usage(void)
{
    (void)fputs("usage: midge-load SCENARIO --port N [--OPTION VALUE]...\n\nscenarios:\n", stderr);
    for (size_t i = 0; i < N_ELEMS(load_scenarios); i++)
        (void)fprintf(stderr, "  %-12s %s\n", load_scenarios[i].name, load_scenarios[i].help);
    (void)fputs("\noptions (defaults in brackets):\n", stderr);
    for (size_t i = 0; i < N_ELEMS(load_opt_table); i++)
        (void)fprintf(stderr, "  --%-12s %s\n", load_opt_table[i].name, load_opt_table[i].help);
    exit(LOAD_EXIT_FAILED);
}

static void
load_opt_set(struct load_opts *o, const struct load_opt *opt, const char *text)
{
    void *member = (char *)o + opt->off;
    if (opt->kind == OPT_STR) {
        *(const char **)member = text;
        return;
    }
    static const uint64_t kind_max[] = {[OPT_U32] = UINT32_MAX, [OPT_U64] = UINT64_MAX / 2, [OPT_BOOL] = 1,
                                        [OPT_PORT] = UINT16_MAX, [OPT_PID] = INT32_MAX};
    char                 *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > kind_max[opt->kind])
        load_die("--%s: \"%s\" is not a number up to %" PRIu64, opt->name, text, kind_max[opt->kind]);
    switch (opt->kind) {
    case OPT_U32: *(uint32_t *)member = (uint32_t)value; break;
    case OPT_U64: *(uint64_t *)member = value; break;
    case OPT_BOOL: *(bool *)member = value != 0; break;
    case OPT_PORT: *(uint16_t *)member = (uint16_t)value; break;
    case OPT_PID: *(pid_t *)member = (pid_t)value; break;
    case OPT_STR: break;
    }
}

static void
load_opts_parse(struct load_opts *o, int argc, char **argv)
{
    *o = (struct load_opts){
        .host = "127.0.0.1", .n_threads = 1, .duration_ms = 1000, .warmup_ms = 300, .n_segments = 1, .timeout_s = 120,
        .settle_ms = 2000, .size = 128, .n_flows = 1, .n_pubs = 1, .n_subs = 1, .window_bytes = 4 << 20, .rate = 10000,
        .n_probes = 16, .n_inflight = 1, .n_conns = 16, .n_literals = 1000000, .n_wildcards = 1000,
        .flood_bytes = 1 << 30};
    if (argc < 2 || argv[1][0] == '-')
        load_usage();
    o->scenario = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const struct load_opt *opt = NULL;
        for (size_t k = 0; k < N_ELEMS(load_opt_table) && strncmp(argv[i], "--", 2) == 0; k++) {
            if (strcmp(argv[i] + 2, load_opt_table[k].name) == 0)
                opt = &load_opt_table[k];
        }
        if (opt == NULL || i + 1 == argc)
            load_usage();
        load_opt_set(o, opt, argv[i + 1]);
    }
    if (o->port == 0 || o->n_threads == 0 || o->n_threads > LOAD_THREADS_MAX || o->n_segments == 0 ||
        o->n_segments > LOAD_SEGMENTS_MAX || o->n_flows == 0 || o->n_pubs == 0)
        load_die("--port, --threads, --segments, --flows or --pubs is missing or out of range");
}

int
main(int argc, char **argv)
{
    struct load_opts o;
    load_opts_parse(&o, argc, argv);
    struct sigaction on_alarm = {.sa_handler = load_on_alarm};
    if (sigaction(SIGALRM, &on_alarm, NULL) != 0)
        load_die("sigaction: %s", strerror(errno));
    for (size_t i = 0; i < N_ELEMS(load_scenarios); i++) {
        if (strcmp(o.scenario, load_scenarios[i].name) != 0)
            continue;
        if (load_scenarios[i].run != load_relay) /* a server runs until it is stopped */
            (void)alarm(o.timeout_s);
        load_scenarios[i].run(&o);
        return EXIT_SUCCESS;
    }
    load_usage();
}
