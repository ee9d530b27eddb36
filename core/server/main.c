/* midge: the server. Reads the command line, starts the shards, waits for signals. */
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "auth/nkey.h"
#include "core/net/net.h"
#include "core/rt/log.h"
#include "core/server/options.h"

/* The behaviour level: clients switch features on by it. What Midge itself is, the log and `-v` say. */
#define SERVER_VERSION "2.14.5"

enum {
    EXIT_USAGE = 2,
    SERVER_API_LEVEL = 4,
    BUSY_POLL_AUTO_NS = 200000, /* the dearest wake-up seen on a virtual machine */
};

struct server {
    struct options opts;
    struct cpus cpus;
    struct net_cfg net;
    struct net_set net_set;
    struct shard_set *shards;
    char id[NKEY_TEXT_LEN + 1];
    char xkey[NKEY_TEXT_LEN + 1];
    char go[64];
};

static void
server_warn(void *arg, const char *text)
{
    (void)arg;
    log_wrn("%s", text);
}

static void
server_net_cfg(struct server *s)
{
    const struct options *o = &s->opts;

    nkey_random(NKEY_SERVER, s->id);
    nkey_random(NKEY_CURVE, s->xkey);
    (void)snprintf(s->go, sizeof(s->go), "midge-%s", MIDGE_VERSION); /* fits */
    s->net = (struct net_cfg){
        .host = o->host,
        .port = (uint16_t)(o->port < 0 ? 0 : o->port),
        .max_connections = (uint32_t)o->max_connections,
        .max_subs = (uint32_t)o->max_subscriptions,
        .max_sub_tokens = (uint32_t)o->max_sub_tokens,
        .max_control_line = (uint32_t)o->max_control_line,
        .max_payload = o->max_payload,
        .max_pending = (uint64_t)o->max_pending,
        .write_deadline_ns = o->write_deadline_ns,
        .ping_interval_ns = o->ping_interval_ns,
        .ping_max = (uint32_t)o->ping_max,
        .headers = true,
        .no_stall = o->no_fast_producer_stall,
        .info =
            {
                .server_id = s->id,
                .server_name = o->server_name != NULL ? o->server_name : s->id,
                .version = SERVER_VERSION,
                .go = s->go,
                .host = o->host,
                .headers = true,
                .api_lvl = SERVER_API_LEVEL,
                .xkey = s->xkey,
            },
    };
    hash_key_random(&s->net.key);
    s->net_set.cfg = &s->net;
}

/* The longest records, four of them, must fit into a mailbox. */
static uint64_t
server_mbox_min(const struct options *o)
{
    return 4 * (2 * (uint64_t)o->max_control_line + MBOX_INLINE_MAX + 2 * BROKER_QUEUES_LEN_MAX + 512);
}

static bool
server_shards_cfg(struct server *s, struct shard_set_cfg *ret)
{
    const struct options *o = &s->opts;

    cpus_probe(&s->cpus);
    *ret = (struct shard_set_cfg){
        .n_shards = o->cores > 0 ? (uint32_t)o->cores : s->cpus.n_usable,
        .mbox_bytes_min = server_mbox_min(o),
        .cpus = s->cpus,
        .key = s->net.key,
        .warn = server_warn,
        .app = &net_app,
        .app_arg = &s->net_set,
    };
    ret->pin = ret->n_shards > 1 && ret->n_shards <= s->cpus.n_mask;
    if (strcasecmp(o->io, "auto") == 0) {
        ret->backend = IO_AUTO;
    } else if (strcasecmp(o->io, "uring") == 0) {
        ret->backend = IO_URING;
    } else if (strcasecmp(o->io, "epoll") == 0) {
        ret->backend = IO_EPOLL;
    } else {
        fprintf(stderr, "invalid value \"%s\" for flag -io: it is auto, uring or epoll\n", o->io);
        return false;
    }
    if (strcasecmp(o->busy_poll, "auto") == 0) {
        /* Polling pays where every shard has a processor of its own and clients have others. */
        ret->busy_poll_ns = s->cpus.n_mask > 2 && ret->n_shards < s->cpus.n_mask && s->cpus.quota <= 0 ? BUSY_POLL_AUTO_NS : 0;
    } else if (strcasecmp(o->busy_poll, "off") != 0 && !options_duration(o->busy_poll, &ret->busy_poll_ns)) {
        fprintf(stderr, "invalid value \"%s\" for flag -busy_poll: it is auto, off or a duration\n", o->busy_poll);
        return false;
    }
    return true;
}

static bool
server_write_pid(const char *path)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return false;
    bool ok = fprintf(f, "%d", (int)getpid()) > 0;
    return fclose(f) == 0 && ok;
}

/* The address as a URL has it: IPv6 in brackets. */
static void
server_log_ready(const struct server *s)
{
    const char *host = s->opts.host;
    bool v6 = strchr(host, ':') != NULL;

    log_inf("Listening for client connections on %s%s%s:%u", v6 ? "[" : "", host[0] == '\0' || strcmp(host, "*") == 0 ? "0.0.0.0" : host,
            v6 ? "]" : "", atomic_load(&s->net_set.port));
    log_inf("Server is ready");
}

static void
server_log_start(const struct server *s)
{
    log_inf("Starting midge");
    log_inf("  Version:  %s (midge %s)", SERVER_VERSION, MIDGE_VERSION);
    log_inf("  Name:     %s", s->net.info.server_name);
    log_inf("  ID:       %s", s->id);
    if (s->opts.pid_file != NULL && !server_write_pid(s->opts.pid_file))
        log_err("Unable to write pid file: %s", s->opts.pid_file);
}

/* Until a signal ends us. */
static void
server_wait(struct server *s, const sigset_t *signals)
{
    for (;;) {
        int sig;
        if (sigwait(signals, &sig) != 0)
            continue;
        if (sig == SIGUSR1) {
            log_reopen();
            continue;
        }
        if (sig == SIGHUP) {
            log_wrn("reload: there is no configuration file to read again");
            continue;
        }
        if (sig == SIGUSR2) {
            log_wrn("lame duck mode is not available yet");
            continue;
        }
        log_inf("%s", sig == SIGINT ? "Trapped \"interrupt\" signal" : sig == SIGTERM ? "Trapped \"terminated\" signal" : "Trapped a signal");
        break;
    }
    log_inf("Initiating Shutdown...");
    for (uint32_t i = 0; i < s->shards->n_shards; i++)
        shard_ask(s->shards, i, NET_ASK_STOP);
    shard_set_join(s->shards);
}

static int
server_run(struct server *s)
{
    sigset_t signals;
    struct shard_set_cfg cfg;
    struct log_cfg lc = {
        .file = s->opts.log_file, .debug = s->opts.debug, .trace = s->opts.trace, .no_time = !s->opts.logtime, .utc = s->opts.logtime_utc};

    /* Before any thread exists, so that all inherit it: signals are waited for, never handled. */
    sigemptyset(&signals);
    for (const int *sig = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, 0}; *sig != 0; sig++)
        sigaddset(&signals, *sig);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* valid arguments cannot fail */
    (void)signal(SIGPIPE, SIG_IGN);

    server_net_cfg(s);
    if (!server_shards_cfg(s, &cfg))
        return EXIT_USAGE;
    enum err e = log_start(&lc);
    if (e != OK) {
        fprintf(stderr, "nats-server: error opening log file %s: %s\n", lc.file != NULL ? lc.file : "stderr", err_text(e));
        return EXIT_FAILURE;
    }
    server_log_start(s);
    e = shard_set_new(&cfg, &s->shards);
    if (e == OK)
        e = shard_set_start(s->shards);
    if (e == OK) {
        log_inf("  Shards:   %u, io backend %s", s->shards->n_shards,
                io_features(s->shards->shards[0]->io)->backend == IO_URING ? "uring" : "epoll");
        server_log_ready(s);
        server_wait(s, &signals);
        log_inf("Server Exiting..");
    } else {
        log_line(LOG_FTL, "Cannot start: %s", err_text(e));
    }
    shard_set_free(s->shards);
    if (s->opts.pid_file != NULL)
        (void)unlink(s->opts.pid_file); /* a stale pid file is harmless */
    log_stop();
    return e == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    static struct server s;

    options_defaults(&s.opts);
    switch (options_parse(&s.opts, argc, argv)) {
    case OPTIONS_RUN: break;
    case OPTIONS_HELP: options_usage(); return EXIT_SUCCESS;
    case OPTIONS_VERSION: printf("nats-server: v%s\nmidge: v%s\n", SERVER_VERSION, MIDGE_VERSION); return EXIT_SUCCESS;
    default: options_usage(); return EXIT_USAGE;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "nats-server: the system gives no random numbers\n");
        return EXIT_FAILURE;
    }
    return server_run(&s);
}
