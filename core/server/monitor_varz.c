/* /varz: the server as a whole. */
#include "core/server/monitor_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt/fault.h"

#define VARZ_AUTH_TIMEOUT_NS (2 * NS_PER_S) /* where none is configured */

/* The same for clients, routes, gateways and leaf nodes, of which only the first are here. */
static void
varz_kinds(struct page *p, const char *name, uint64_t clients)
{
    page_open(p, name, '{');
    page_u64(p, "clients", clients);
    page_u64(p, "routes", 0);
    page_u64(p, "gateways", 0);
    page_u64(p, "leafs", 0);
    page_close(p, '}');
}

/* Seconds, as a float. */
static double
varz_seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static bool
varz_flag(const struct options *o, const char *name)
{
    for (uint32_t i = 0; i < o->feature_flags.n; i++) {
        if (strcmp(o->feature_flags.items[i].key, name) == 0)
            return strcmp(o->feature_flags.items[i].value, "true") == 0;
    }
    return false;
}

static int
varz_by_key(const void *a, const void *b)
{
    return strcmp(((const struct options_pair *)a)->key, ((const struct options_pair *)b)->key);
}

/* By key, as Go writes a map. */
static void
varz_metadata(struct page *p, const struct options_pairs *pairs)
{
    if (pairs->n == 0)
        return;
    struct options_pair *sorted = fault_calloc(pairs->n, sizeof(*sorted));
    if (sorted == NULL) {
        p->o.full = true;
        return;
    }
    memcpy(sorted, pairs->items, pairs->n * sizeof(*sorted));
    qsort(sorted, pairs->n, sizeof(*sorted), varz_by_key);
    page_open(p, "metadata", '{');
    for (uint32_t i = 0; i < pairs->n; i++)
        page_str(p, sorted[i].key, sorted[i].value);
    page_close(p, '}');
    free(sorted);
}

static void
varz_empty(struct page *p, const char *name)
{
    page_open(p, name, '{');
    page_close(p, '}');
}

/* What is configured, up to what is counted. */
static void
varz_config(struct monitor_req *r, const struct server_cfg *c)
{
    const struct options *o = &c->opts;
    struct page *p = &r->page;

    page_open(p, NULL, '{');
    page_str(p, "server_id", r->m->server_id);
    page_str(p, "server_name", r->m->server_name);
    page_str(p, "version", c->net.info.version);
    page_i64(p, "proto", 1);
    page_str(p, "go", c->net.info.go);
    page_str(p, "host", c->net.info.host);
    page_u64(p, "port", c->net.info.port != 0 ? c->net.info.port : atomic_load(&r->m->set->port));
    if (o->auth.user != NULL || o->auth.token != NULL || o->auth.n_users > 0)
        page_bool(p, "auth_required", true);
    page_u64(p, "max_connections", c->net.max_connections);
    if (c->net.max_subs > 0)
        page_u64(p, "max_subscriptions", c->net.max_subs);
    page_i64(p, "ping_interval", c->net.ping_interval_ns);
    page_u64(p, "ping_max", c->net.ping_max);
    page_str(p, "http_host", r->m->http_host);
    page_i64(p, "http_port", r->m->http_port < 0 ? (int64_t)atomic_load(&r->m->set->http_port) : r->m->http_port);
    page_str(p, "http_base_path", r->m->base);
    page_i64(p, "https_port", 0);
    page_f64(p, "auth_timeout", varz_seconds(o->auth.timeout_ns > 0 ? o->auth.timeout_ns : VARZ_AUTH_TIMEOUT_NS));
    page_u64(p, "max_control_line", c->net.max_control_line);
    page_i64(p, "max_payload", c->net.max_payload);
    page_u64(p, "max_pending", c->net.max_pending);
    varz_empty(p, "cluster");
    varz_empty(p, "gateway");
    varz_empty(p, "leaf");
    varz_empty(p, "mqtt");
    varz_empty(p, "websocket");
    varz_empty(p, "jetstream");
    page_f64(p, "tls_timeout", 2);
    page_i64(p, "write_deadline", c->net.write_deadline_ns);
    if (o->write_timeout != OPTIONS_WRITE_DEFAULT)
        page_str(p, "write_timeout", o->write_timeout == OPTIONS_WRITE_RETRY ? "retry" : "close");
    page_time(p, "start", r->m->start_ns);
}

/* What is configured, behind what is counted. */
static void
varz_config_tail(struct monitor_req *r, const struct server_cfg *c)
{
    const struct options *o = &c->opts;
    struct page *p = &r->tail;

    page_init(p, r->page.indent);
    p->depth = 1;
    p->some[1] = true;
    page_time(p, "config_load_time", c->loaded_ns);
    page_str(p, "config_digest", o->digest);
    if (o->server_tags.n > 0)
        page_open(p, "tags", '[');
    for (uint32_t i = 0; i < o->server_tags.n; i++)
        page_str(p, NULL, o->server_tags.items[i]);
    if (o->server_tags.n > 0)
        page_close(p, ']');
    varz_metadata(p, &o->server_metadata);
    page_open(p, "feature_flags", '{');
    page_bool(p, "js_ack_fc_v2", varz_flag(o, "js_ack_fc_v2"));
    page_bool(p, "js_raft_delete_range", varz_flag(o, "js_raft_delete_range"));
    page_close(p, '}');
}

bool
monitor_varz_ask(struct monitor_req *r)
{
    const struct server_cfg *c = CONTAINER_OF(r->n->cfg, struct server_cfg, net);

    varz_config(r, c);
    varz_config_tail(r, c);
    r->g.kind = GATHER_STATS;
    r->g.shards = monitor_all_shards(r->m);
    return true;
}

static void
varz_hits(struct monitor_req *r)
{
    page_open(&r->page, "http_req_stats", '{');
    for (uint32_t i = 0, at = 0; i < monitor_n_routes; i++) {
        const struct monitor_route *route = &monitor_routes[i];
        if (!monitor_counts(route))
            continue;
        if (r->hits[at] > 0)
            page_u64(&r->page, route->stat, r->hits[at]);
        at++;
    }
    page_close(&r->page, '}');
}

static void
varz_counted(struct monitor_req *r)
{
    const uint64_t *n = r->sum.counters;
    struct page *p = &r->page;

    page_u64(p, "mem", r->proc.mem);
    page_u64(p, "cores", r->m->n_cores);
    page_u64(p, "gomaxprocs", r->m->n_shards);
    page_f64(p, "cpu", r->proc.cpu);
    page_u64(p, "connections", r->sum.n_conns);
    page_u64(p, "total_connections", n[COUNTER_conns_accepted]);
    page_u64(p, "routes", 0);
    page_u64(p, "remotes", 0);
    page_u64(p, "leafnodes", 0);
    page_u64(p, "in_msgs", n[COUNTER_in_msgs]);
    page_u64(p, "in_bytes", n[COUNTER_in_bytes]);
    page_u64(p, "in_client_msgs", n[COUNTER_in_msgs]);
    page_u64(p, "in_client_bytes", n[COUNTER_in_bytes]);
    page_u64(p, "out_msgs", n[COUNTER_out_msgs]);
    page_u64(p, "out_bytes", n[COUNTER_out_bytes]);
    page_u64(p, "out_client_msgs", n[COUNTER_out_msgs]);
    page_u64(p, "out_client_bytes", n[COUNTER_out_bytes]);
    page_u64(p, "slow_consumers", n[COUNTER_slow_consumers_pending] + n[COUNTER_slow_consumers_deadline]);
    page_u64(p, "stale_connections", n[COUNTER_stale_conns]);
    page_u64(p, "stalled_clients", n[COUNTER_stalls]);
    page_u64(p, "subscriptions", r->sum.interest.n_subs);
    varz_hits(r);
}

enum monitor_next
monitor_varz(struct monitor_req *r)
{
    const uint64_t *n = r->sum.counters;
    struct page *p = &r->page;

    monitor_sample(r->m, &r->proc);
    monitor_sum(r);
    page_time(p, "now", r->wall_ns);
    page_uptime(p, "uptime", r->wall_ns - r->m->start_ns);
    varz_counted(r);
    page_join(p, &r->tail);
    varz_kinds(p, "slow_consumer_stats", n[COUNTER_slow_consumers_pending] + n[COUNTER_slow_consumers_deadline]);
    varz_kinds(p, "stale_connection_stats", n[COUNTER_stale_conns]);
    page_open(p, "disk_io_wait_stats", '{');
    page_u64(p, "waiters", 0);
    page_u64(p, "waits", 0);
    page_u64(p, "wait_time", 0);
    page_u64(p, "max_wait_time", 0);
    page_close(p, '}');
    page_close(p, '}');
    return MONITOR_ANSWER;
}
