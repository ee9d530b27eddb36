/* /metrics: for Prometheus, text format 0.0.4. The names gnatsd_varz_* and gnatsd_connz_* are those of prometheus-nats-exporter, so that its
 * dashboards find them; midge_shard_* are Midge's own, for each shard. docs/operating.md lists all of them. */
#include <stdio.h>
#include <string.h>

#include "core/server/monitor_priv.h"

bool
monitor_metrics_ask(struct monitor_req *r)
{
    const struct net_cfg *c = r->n->cfg;

    /* What is configured is looked at here: another configuration may replace it while the page is made. */
    r->limits[MONITOR_MAX_CONNECTIONS] = c->max_connections;
    r->limits[MONITOR_MAX_PAYLOAD] = (uint64_t)c->max_payload;
    r->limits[MONITOR_MAX_PENDING] = c->max_pending;
    r->limits[MONITOR_MAX_CONTROL_LINE] = c->max_control_line;
    r->g.kind = GATHER_PENDING;
    r->g.shards = monitor_all_shards(r->m);
    return true;
}

static void
metric_head(struct page *p, const char *prefix, const char *name, const char *suffix, const char *type, const char *help)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "# HELP %s%s%s %s\n# TYPE %s%s%s %s\n", prefix, name, suffix, help, prefix, name, suffix, type);
    page_text(p, text);
}

/* One of nats-server's numbers, of the type that the exporter gives it. */
static void
metric_server(struct monitor_req *r, const char *prefix, const char *name, const char *type, double v)
{
    char text[256];

    metric_head(&r->page, prefix, name, "", type, name);
    (void)snprintf(text, sizeof(text), "%s%s{server_id=\"%s\"} ", prefix, name, r->m->server_id);
    page_text(&r->page, text);
    page_f64(&r->page, NULL, v);
    page_text(&r->page, "\n");
}

static void
metric_line(struct page *p, const char *name, const char *suffix, uint32_t shard, uint64_t v)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "midge_shard_%s%s{shard=\"%u\"} %llu\n", name, suffix, shard, (unsigned long long)v);
    page_text(p, text);
}

static void
metrics_varz(struct monitor_req *r)
{
    const uint64_t *n = r->sum.counters;
    const struct {
        const char *name;
        double v;
    } rows[] = {
        {"connections", (double)r->sum.n_conns},
        {"total_connections", (double)n[COUNTER_conns_accepted]},
        {"in_msgs", (double)n[COUNTER_in_msgs]},
        {"in_bytes", (double)n[COUNTER_in_bytes]},
        {"out_msgs", (double)n[COUNTER_out_msgs]},
        {"out_bytes", (double)n[COUNTER_out_bytes]},
        {"slow_consumers", (double)(n[COUNTER_slow_consumers_pending] + n[COUNTER_slow_consumers_deadline])},
        {"stale_connections", (double)n[COUNTER_stale_conns]},
        {"stalled_clients", (double)n[COUNTER_stalls]},
        {"subscriptions", (double)r->sum.interest.n_subs},
        {"routes", 0},
        {"remotes", 0},
        {"leafnodes", 0},
        {"mem", (double)r->proc.mem},
        {"cpu", r->proc.cpu},
        {"cores", r->m->n_cores},
        {"gomaxprocs", r->m->n_shards},
        {"max_connections", (double)r->limits[MONITOR_MAX_CONNECTIONS]},
        {"max_payload", (double)r->limits[MONITOR_MAX_PAYLOAD]},
        {"max_pending", (double)r->limits[MONITOR_MAX_PENDING]},
        {"max_control_line", (double)r->limits[MONITOR_MAX_CONTROL_LINE]},
        {"start", (double)(r->m->start_ns / NS_PER_MS)},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++)
        metric_server(r, "gnatsd_varz_", rows[i].name, "gauge", rows[i].v);
}

static void
metrics_connz(struct monitor_req *r)
{
    const uint64_t *n = r->sum.counters;

    metric_server(r, "gnatsd_connz_", "num_connections", "gauge", (double)r->sum.n_conns);
    metric_server(r, "gnatsd_connz_", "total", "gauge", (double)r->sum.n_conns);
    metric_server(r, "gnatsd_connz_", "pending_bytes", "gauge", (double)r->sum.pending);
    metric_server(r, "gnatsd_connz_", "subscriptions", "gauge", (double)r->sum.interest.n_subs);
    metric_server(r, "gnatsd_connz_", "in_msgs", "counter", (double)n[COUNTER_in_msgs]);
    metric_server(r, "gnatsd_connz_", "in_bytes", "counter", (double)n[COUNTER_in_bytes]);
    metric_server(r, "gnatsd_connz_", "out_msgs", "counter", (double)n[COUNTER_out_msgs]);
    metric_server(r, "gnatsd_connz_", "out_bytes", "counter", (double)n[COUNTER_out_bytes]);
}

/* What a shard has now: name, help, field of struct gather_stats. */
#define METRICS_GAUGES(X)                                                                                \
    X(connections, "client connections open", n_conns)                                                   \
    X(http_sockets, "sockets of monitoring, the listener included", n_http)                              \
    X(pending_bytes, "bytes queued for clients", pending)                                                \
    X(subscriptions, "subscriptions of its connections", interest.n_subs)                                \
    X(interest_nodes, "subjects in its index that somebody here subscribed to", interest.n_nodes)        \
    X(interest_remote, "subjects of which it knows that another shard wants them", interest.n_remote)    \
    X(interest_cached, "match results kept", interest.n_cache)                                           \
    X(interest_bytes, "memory of the index", interest.bytes)                                             \
    X(buffer_used_bytes, "memory of buffers in use", bufs.used_bytes)                                    \
    X(buffer_cached_bytes, "memory of buffers kept for later", bufs.cached_bytes)                        \
    X(io_uring, "1 with io_uring, 0 with epoll", uring)

/* What it has done so far, besides counters.h. */
#define METRICS_TOTALS(X)                                                                                \
    X(interest_matches, "subjects looked up in the index", interest.n_matches)                           \
    X(interest_cache_hits, "of them found among the results kept", interest.n_cache_hits)                \
    X(interest_hint_hits, "of them found by the connection's last result", interest.n_hint_hits)         \
    X(interest_inserts, "subscriptions made", interest.n_inserts)                                        \
    X(interest_removes, "subscriptions ended", interest.n_removes)                                       \
    X(buffer_system_calls, "system calls for the memory of buffers", bufs.n_sys)                         \
    X(io_enters, "system calls that waited or submitted", io.n_enter)                                    \
    X(io_recvs, "receive completions", io.n_recv)                                                        \
    X(io_sends, "sends", io.n_send)                                                                      \
    X(io_starved, "times a socket waited for a receive buffer", io.n_starved)                            \
    X(io_rearms, "multishot requests armed again", io.n_rearm)                                           \
    X(io_wakes_sent, "wake-ups sent to peers", io.n_wake_sent)

static void
metrics_shards(struct monitor_req *r)
{
    struct page *p = &r->page;
    uint32_t n = r->m->n_shards;

    for (uint32_t k = 0; k < COUNTERS_N; k++) {
        metric_head(p, "midge_shard_", counters_info[k].name, "_total", "counter", counters_info[k].help);
        for (uint32_t i = 0; i < n; i++)
            metric_line(p, counters_info[k].name, "_total", i, r->g.parts[i]->stats.counters[k]);
    }
#define METRICS_TOTAL(name, help, field)                                      \
    metric_head(p, "midge_shard_", #name, "_total", "counter", help);         \
    for (uint32_t i = 0; i < n; i++)                                          \
        metric_line(p, #name, "_total", i, r->g.parts[i]->stats.field);
    METRICS_TOTALS(METRICS_TOTAL)
#undef METRICS_TOTAL
#define METRICS_GAUGE(name, help, field)                                      \
    metric_head(p, "midge_shard_", #name, "", "gauge", help);                 \
    for (uint32_t i = 0; i < n; i++)                                          \
        metric_line(p, #name, "", i, r->g.parts[i]->stats.field);
    METRICS_GAUGES(METRICS_GAUGE)
#undef METRICS_GAUGE
}

enum monitor_next
monitor_metrics(struct monitor_req *r)
{
    char text[64];

    monitor_sample(r->m, &r->proc);
    monitor_sum(r);
    metrics_varz(r);
    metrics_connz(r);
    metrics_shards(r);
    metric_head(&r->page, "midge_", "log_lines_dropped", "_total", "counter", "log lines lost because the log was not read");
    (void)snprintf(text, sizeof(text), "midge_log_lines_dropped_total %llu\n", (unsigned long long)log_n_dropped());
    page_text(&r->page, text);
    return MONITOR_ANSWER;
}
