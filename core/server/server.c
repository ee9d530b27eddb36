#include "core/server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "core/net/client_auth.h"
#include "core/rt/log.h"
#include "core/rt/proc.h"
#include "core/rt/util.h"
#include "core/server/notify.h"
#include "core/server/server_priv.h"
#include "core/rt/offload.h"
#include "core/server/monitor.h"

enum {
    EXIT_DUMPED = 2, /* as Go's runtime does */
    SERVER_PID_MODE = 0600,
    SERVER_JOBS_MAX = 1024,     /* that wait for a thread of the offload pool */
    BUSY_POLL_AUTO_NS = 200000, /* the dearest wake-up seen on a virtual machine */
};

static void
server_wake_shard(void *arg, uint32_t shard_id)
{
    struct server *s = arg;
    shard_ask(s->shards, shard_id, NET_ASK_OFFLOAD);
}

/* As many threads as processors: they give way to the shards (offload.h). */
static enum err
server_start_offload(struct server *s)
{
    uint32_t n = s->cpus.n_usable < OFFLOAD_THREADS_MAX ? s->cpus.n_usable : OFFLOAD_THREADS_MAX;
    enum err e = offload_new(n > 0 ? n : 1, s->shards->n_shards, SERVER_JOBS_MAX, server_wake_shard, s, &s->offload);

    s->net_set.offload = s->offload;
    return e;
}

/* Only when no shard runs any more. */
static void
server_stop_offload(struct server *s)
{
    offload_free(s->offload);
    s->offload = NULL;
    client_auth_free_left(&s->net_set);
}

static void
server_warn(void *arg, const char *text)
{
    (void)arg;
    log_wrn("%s", text);
}

/* The longest records, four of them, must fit into a mailbox. */
static uint64_t
server_mbox_min(const struct options *o)
{
    return 4 * (2 * (uint64_t)o->max_control_line + MBOX_INLINE_MAX + 2 * BROKER_QUEUES_LEN_MAX + 512);
}

static void
server_shards_cfg(struct server *s, struct shard_set_cfg *ret)
{
    const struct options *o = &s->cfg->opts;

    cpus_probe(&s->cpus);
    *ret = (struct shard_set_cfg){
        .n_shards = o->cores > 0 ? (uint32_t)o->cores : s->cpus.n_usable,
        .mbox_bytes_min = server_mbox_min(o),
        .cpus = s->cpus,
        .key = s->names.key,
        .warn = server_warn,
        .app = &net_app,
        .app_arg = &s->net_set,
    };
    ret->pin = ret->n_shards > 1 && ret->n_shards <= s->cpus.n_mask;
    ret->backend = strcmp(o->io, "uring") == 0 ? IO_URING : strcmp(o->io, "epoll") == 0 ? IO_EPOLL : IO_AUTO;
    /* Polling pays where every shard has a processor of its own and clients have others. */
    bool pays = s->cpus.n_mask > 2 && ret->n_shards < s->cpus.n_mask && s->cpus.quota <= 0;
    ret->busy_poll_ns = o->busy_poll_ns >= 0 ? o->busy_poll_ns : pays ? BUSY_POLL_AUTO_NS : 0;
}

bool
server_write_pid(const char *path, char ret_why[FILE_WHY_MAX])
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", (int)getpid());

    return file_write(path, SERVER_PID_MODE, text, (size_t)len, ret_why);
}

void
server_write_ports(struct server *s)
{
    const struct options *o = &s->cfg->opts;
    uint16_t http_port = (uint16_t)atomic_load(&s->net_set.http_port);
    const struct ports_entry entries[] = {
        {.key = "nats", .scheme = "nats", .host = o->host, .port = (uint16_t)atomic_load(&s->net_set.port)},
        {.key = "monitoring", .scheme = "http", .host = o->http_host != NULL ? o->http_host : o->host, .port = http_port},
    };

    if (o->ports_file_dir != NULL)
        ports_file_write(&s->ports, o->ports_file_dir, proc_program(), entries, http_port != 0 ? 2 : 1);
    else
        ports_file_remove(&s->ports);
}

/* The address as a URL has it: IPv6 in brackets. */
static void
server_log_ready(const struct server *s)
{
    const char *host = s->cfg->opts.host;
    bool v6 = strchr(host, ':') != NULL;

    log_inf("  Shards:   %u, io backend %s", s->shards->n_shards,
            io_features(s->shards->shards[0]->io)->backend == IO_URING ? "uring" : "epoll");
    log_inf("Listening for client connections on %s%s%s:%u", v6 ? "[" : "", host[0] == '\0' || strcmp(host, "*") == 0 ? "0.0.0.0" : host,
            v6 ? "]" : "", atomic_load(&s->net_set.port));
    log_inf("Server is ready");
}

/* What nats-server's feature flags switch on is not there yet; the names are checked all the same. */
static void
server_log_features(const struct options_pairs *flags)
{
    static const char *const known[] = {"js_ack_fc_v2", "js_raft_delete_range"};
    char text[2][512] = {"", ""};
    size_t len[2] = {0, 0};

    if (flags->n == 0)
        return;
    for (uint32_t i = 0; i < flags->n; i++) {
        const struct options_pair *f = &flags->items[i];
        bool is_known = strcmp(f->key, known[0]) == 0 || strcmp(f->key, known[1]) == 0;
        size_t *at = &len[!is_known];
        int n = snprintf(text[!is_known] + *at, sizeof(text[0]) - *at, "%s%s%s", *at > 0 ? ", " : "", f->key,
                         !is_known ? "" : strcmp(f->value, "true") == 0 ? " (opt-in)" : " (disabled)");
        *at = (size_t)min_i64((int64_t)*at + n, (int64_t)sizeof(text[0]) - 1); /* a longer list is cut */
    }
    log_inf("  Feature flags:");
    log_inf("    Configured:    %s", len[0] > 0 ? text[0] : "none");
    if (len[1] > 0)
        log_inf("    Unsupported:   %s", text[1]);
}

/* nats-server's first lines, which launchers and operators know; and one of our own. */
static void
server_log_start(const struct server *s)
{
    const struct options *o = &s->cfg->opts;

    log_inf("Starting nats-server");
    log_inf("  Version:  %s", SERVER_VERSION);
    log_inf("  Git:      [not set]");
    log_inf("  Midge:    %s", MIDGE_VERSION);
    log_inf("  Name:     %s", s->cfg->net.info.server_name);
    log_inf("  ID:       %s", s->names.id);
    server_log_features(&o->feature_flags);
    options_log(o);
    if (o->config_file != NULL)
        log_inf("Using configuration file: %s (%s)", o->config_file, o->digest);
}

/* Before there is a log, in the words of nats-server. */
static void
server_no_log(const char *why)
{
    char when[32] = "";
    time_t now = time(NULL);
    struct tm tm;

    if (localtime_r(&now, &tm) != NULL && strftime(when, sizeof(when), "%Y/%m/%d %H:%M:%S", &tm) == 0)
        when[0] = '\0';
    fprintf(stderr, "%s %s\n", when, why);
}

static bool
server_start_log(struct server *s)
{
    const struct log_cfg cfg = server_cfg_log(&s->cfg->opts);
    struct log_sink *sink = NULL;
    char why[LOG_WHY_MAX];

    enum err e = log_sink_new(&cfg, &sink, why);
    if (e != OK) {
        server_no_log(why);
        return false;
    }
    e = log_start_on(sink, &cfg);
    if (e != OK) {
        server_no_log(err_text(e));
        log_sink_free(sink);
        return false;
    }
    s->logging = true;
    return true;
}

int
server_start(struct server *s, struct options *opts)
{
    struct shard_set_cfg cfg;
    char why[FILE_WHY_MAX];

    signals_block();
    server_names_random(&s->names);
    enum err e = server_cfg_new(&s->names, opts, &s->cfg);
    if (e != OK) {
        fprintf(stderr, "nats-server: %s\n", err_text(e));
        return EXIT_FAILURE;
    }
    s->net_set.cfg = &s->cfg->net;
    s->net_set.note = signals_note;
    s->net_set.note_arg = &s->signals;
    server_shards_cfg(s, &cfg);
    if (!server_start_log(s))
        return EXIT_FAILURE;
    server_log_start(s);
    if (s->cfg->opts.pid_file != NULL && !server_write_pid(s->cfg->opts.pid_file, why)) {
        log_line(LOG_FTL, "Could not write pidfile: %s", why);
        return EXIT_FAILURE;
    }
    e = signals_open(&s->signals);
    if (e == OK)
        e = monitor_new(s->cfg, &s->net_set, &s->monitor);
    if (e == OK)
        e = shard_set_new(&cfg, &s->shards);
    if (e == OK)
        e = monitor_attach(s->monitor, s->shards);
    if (e == OK)
        e = server_start_offload(s);
    if (e == OK)
        e = shard_set_start(s->shards);
    if (e != OK) {
        if (!atomic_load(&s->net_set.told))
            log_line(LOG_FTL, "Cannot start: %s", err_text(e));
        server_stop_offload(s);
        monitor_free(s->monitor);
        s->monitor = NULL;
        shard_set_free(s->shards); /* its threads have ended */
        s->shards = NULL;
        return EXIT_FAILURE;
    }
    server_log_ready(s);
    server_write_ports(s);
    notify_ready();
    return EXIT_SUCCESS;
}

/* Somebody wants to know what it is doing, and end it. */
static void
server_dump(int sig)
{
    log_line(LOG_FTL, "%s", sig == SIGQUIT ? "SIGQUIT: quit" : "SIGABRT: abort");
    proc_log_threads();
    (void)log_flush(LOG_STUCK_MS); /* as much as there is time for */
    _exit(EXIT_DUMPED);
}

/* False: the server is to stop. */
static bool
server_on_signal(struct server *s, int sig)
{
    switch (sig) {
    case SIGUSR1: log_reopen(); return true;
    case SIGHUP: server_reload(s); return true;
    case SIGUSR2: server_ldm_enter(s); return true;
    case SIGTERM: return s->ldm.state != SERVER_LDM_OFF; /* it is on its way out */
    case SIGQUIT:
    case SIGABRT: server_dump(sig); return false;
    default: return false;
    }
}

void
server_wait(struct server *s)
{
    for (;;) {
        int sig = signals_wait(&s->signals, server_ldm_deadline(s));
        if (sig != 0) {
            log_inf("Trapped \"%s\" signal", signals_name(sig));
            if (!server_on_signal(s, sig))
                return;
        }
        if (server_ldm_step(s))
            return;
    }
}

void
server_stop(struct server *s)
{
    if (s->shards != NULL) {
        log_inf("Initiating Shutdown...");
        offload_stop(s->offload); /* these wake shards */
        monitor_stop(s->monitor);
        notify_stopping();
        ports_file_remove(&s->ports);
        for (uint32_t i = 0; i < s->shards->n_shards; i++)
            shard_ask(s->shards, i, NET_ASK_STOP);
        shard_set_join(s->shards);
        server_stop_offload(s);
        log_inf("Server Exiting..");
        monitor_free(s->monitor);
        s->monitor = NULL;
        shard_set_free(s->shards);
        s->shards = NULL;
    }
    signals_close(&s->signals);
    if (s->logging)
        log_stop();
    s->logging = false;
    server_cfg_free(s->cfg);
    s->cfg = NULL;
}
