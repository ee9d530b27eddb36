/* Requests: which page, and its way through shards and pool. */
#include "core/server/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/rt/fault.h"
#include "core/server/monitor_priv.h"

enum { MONITOR_NICE = 19 };

/* ---- numbers that several pages show ---- */

bool
monitor_parts_ok(const struct monitor_req *r)
{
    for (uint64_t left = r->g.shards; left != 0; left &= left - 1) {
        const struct gather_part *p = r->g.parts[__builtin_ctzll(left)];
        if (p == NULL || p->cut)
            return false;
    }
    return true;
}

void
monitor_sum(struct monitor_req *r)
{
    struct gather_stats *s = &r->sum;

    memset(s, 0, sizeof(*s));
    for (uint64_t left = r->g.shards; left != 0; left &= left - 1) {
        const struct gather_stats *p = &r->g.parts[__builtin_ctzll(left)]->stats;
        for (uint32_t i = 0; i < COUNTERS_N; i++)
            s->counters[i] += p->counters[i];
        s->n_conns += p->n_conns;
        s->n_http += p->n_http;
        s->pending += p->pending;
        s->interest.n_subs += p->interest.n_subs;
        s->interest.n_inserts += p->interest.n_inserts;
        s->interest.n_removes += p->interest.n_removes;
        s->interest.n_matches += p->interest.n_matches;
        s->interest.n_cache_hits += p->interest.n_cache_hits;
        s->interest.n_hint_hits += p->interest.n_hint_hits;
        s->interest.n_cache += p->interest.n_cache;
        s->interest.bytes += p->interest.bytes;
        if (p->interest.fanout_max > s->interest.fanout_max)
            s->interest.fanout_max = p->interest.fanout_max;
    }
}

void
monitor_head(struct monitor_req *r, bool named)
{
    page_str(&r->page, "server_id", r->m->server_id);
    if (named)
        page_str(&r->page, "server_name", r->m->server_name);
    page_time(&r->page, "now", r->wall_ns);
}

bool
monitor_counts(const struct monitor_route *route)
{
    return route->stat != NULL && strcmp(route->stat, route->path) == 0;
}

uint64_t
monitor_all_shards(const struct monitor *m)
{
    return m->n_shards == SHARDS_MAX ? UINT64_MAX : BIT64(m->n_shards) - 1;
}

/* ---- answers ---- */

static void
monitor_req_free(struct monitor_req *r)
{
    gather_fini(&r->g);
    page_fini(&r->page);
    page_fini(&r->tail);
    free(r->picks);
    free(r->order);
    free(r);
}

static void monitor_start_more(struct monitor *m);

static struct monitor_line *
monitor_line_of(const struct monitor_req *r)
{
    return &r->m->lines[r->route->large ? MONITOR_LARGE : MONITOR_SMALL];
}

/* r is done with: answer, and let the next one begin. */
static void
monitor_answer(struct monitor_req *r)
{
    struct http_page p = {.status = r->status, .type = "text/plain; charset=utf-8"};
    size_t len = 0;

    if (r->next == MONITOR_ANSWER && r->error[0] == '\0') {
        p.body = page_take(&r->page, &len);
        p.type = r->route->type;
        p.cors = r->route->cors;
    }
    if (p.body == NULL && r->error[0] == '\0') {
        p.status = 503;
        COUNT(&r->n->sh->counters, http_refused, 1);
        (void)strcpy(r->error, "no memory for this page now; ask for less of it (limit)");
    }
    if (p.body == NULL) {
        p.body = strdup(r->error);
        p.type = "text/plain; charset=utf-8";
        p.cors = false;
        len = p.body != NULL ? strlen(p.body) : 0;
    }
    p.len = len;
    http_answer(r->n, r->ref, &p);
    if (r->link.next != NULL)
        list_remove(&r->link);
    monitor_req_free(r);
}

/* A text that needs no request to be kept. */
static void
monitor_say(struct net *n, struct http_ref ref, uint16_t status, const char *text)
{
    struct http_page p = {.status = status, .type = "text/plain; charset=utf-8", .body = strdup(text)};

    p.len = p.body != NULL ? strlen(p.body) : 0;
    http_answer(n, ref, &p);
}

/* ---- the pool ---- */

static void
monitor_job_run(struct offload_job *j)
{
    struct monitor_req *r = CONTAINER_OF(j, struct monitor_req, job);

    /* Messages before pages, also where there are fewer processors than threads. (Refused: it is slower to step aside then.) */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), MONITOR_NICE);
    r->next = r->g.shards != 0 && !monitor_parts_ok(r) ? MONITOR_GIVE_UP : r->route->work(r);
    gather_fini(&r->g);
}

static void monitor_go_on(struct monitor_req *r);

static void
monitor_job_done(struct offload_job *j)
{
    struct monitor_req *r = CONTAINER_OF(j, struct monitor_req, job);
    struct monitor *m = r->m;

    if (r->next == MONITOR_GATHER) {
        monitor_go_on(r);
        return;
    }
    monitor_line_of(r)->n_running--;
    monitor_answer(r);
    monitor_start_more(m);
}

static void
monitor_submit(struct monitor_req *r)
{
    struct monitor *m = r->m;
    struct monitor_line *line = monitor_line_of(r);

    r->job.run = monitor_job_run;
    r->job.done = monitor_job_done;
    if (m->pool != NULL && offload_submit(m->pool, 0, &r->job) == OK)
        return;
    r->next = MONITOR_GIVE_UP;
    line->n_running--;
    monitor_answer(r);
}

static void
monitor_gathered(struct gather *g)
{
    struct monitor_req *r = CONTAINER_OF(g, struct monitor_req, g);
    struct monitor *m = r->m;
    struct monitor_line *line = monitor_line_of(r);

    monitor_submit(r);
    /* Whoever waits is started when somebody is done; if nobody is left to be, now. What was gathered at once is still inside of the loop. */
    if (line->n_running == 0 && !m->starting)
        monitor_start_more(m);
}

/* Ask the shards, if there is a question; then work. */
static void
monitor_go_on(struct monitor_req *r)
{
    if (r->g.shards == 0) {
        monitor_submit(r);
        return;
    }
    r->g.done = monitor_gathered;
    gather_start(r->n, &r->g);
}

static void
monitor_start_more(struct monitor *m)
{
    m->starting = true;
    for (uint32_t i = 0; i < MONITOR_LINES; i++) {
        struct monitor_line *line = &m->lines[i];
        while (line->n_running < line->n_max && !list_empty(&line->waiting)) {
            struct monitor_req *r = CONTAINER_OF(line->waiting.next, struct monitor_req, link);
            list_remove(&r->link);
            list_push_back(&m->running, &r->link);
            line->n_running++;
            monitor_go_on(r);
        }
    }
    m->starting = false;
}

/* ---- requests ---- */

static const struct monitor_route *
monitor_find(const char *path, size_t len)
{
    for (uint32_t i = 0; i < monitor_n_routes; i++) {
        if (strlen(monitor_routes[i].path) == len && memcmp(monitor_routes[i].path, path, len) == 0)
            return &monitor_routes[i];
    }
    return NULL;
}

/* The part of the path behind the base. NULL: it is elsewhere. */
static const char *
monitor_below_base(const struct monitor *m, struct nats_view path, size_t *ret_len)
{
    size_t base_len = strlen(m->base);

    if (path.len < base_len || memcmp(path.ptr, m->base, base_len) != 0)
        return NULL;
    *ret_len = path.len - base_len;
    if (base_len == 0)
        return (const char *)path.ptr;
    if (*ret_len == 0) {
        *ret_len = 1;
        return "/";
    }
    return *ret_len == 1 ? NULL : /* the base with a slash behind it is no page */
               (const char *)path.ptr + base_len;
}

/* A path with empty or dot parts leads to the clean one. False: it is clean. */
static bool
monitor_redirect(struct net *n, const struct http_ask *a)
{
    char clean[HTTP_LOCATION_MAX];

    if (a->path.len >= sizeof(clean) - 1 || a->path.ptr[0] != '/')
        return false;
    size_t len = http_path_clean((const char *)a->path.ptr, a->path.len, clean);
    if (len == a->path.len && memcmp(clean, a->path.ptr, len) == 0)
        return false;
    clean[len] = '\0';
    struct http_page p = {.status = 307, .type = "text/plain; charset=utf-8", .location = clean, .body = strdup("Temporary Redirect\n")};
    p.len = p.body != NULL ? strlen(p.body) : 0;
    http_answer(n, a->ref, &p);
    return true;
}

static void
monitor_count(struct monitor *m, const struct monitor_route *route)
{
    for (uint32_t i = 0, at = 0; i < monitor_n_routes; i++) {
        if (!monitor_counts(&monitor_routes[i]))
            continue;
        if (route->stat != NULL && strcmp(monitor_routes[i].stat, route->stat) == 0)
            m->hits[at]++;
        at++;
    }
}

static void
monitor_begin(struct monitor *m, struct net *n, const struct http_ask *a, const struct monitor_route *route)
{
    struct monitor_req *r = fault_calloc(1, sizeof(*r));
    if (r == NULL) {
        COUNT(&n->sh->counters, http_refused, 1);
        monitor_say(n, a->ref, 503, "no memory");
        return;
    }
    *r = (struct monitor_req){.m = m, .n = n, .ref = a->ref, .route = route, .query = a->query, .status = 200, .wall_ns = io_wall(n->sh->io)};
    page_init(&r->page, route->indent);
    if (route->counts_bad)
        monitor_count(m, route);
    bool good = route->ask == NULL || route->ask(r);
    r->query = (struct nats_view){0};
    if (good && !route->counts_bad)
        monitor_count(m, route);
    memcpy(r->hits, m->hits, sizeof(r->hits));
    if (!good || (!route->gathers && !route->slow)) {
        r->next = good ? route->work(r) : MONITOR_ANSWER;
        monitor_answer(r);
        return;
    }
    list_push_back(&monitor_line_of(r)->waiting, &r->link);
    monitor_start_more(m);
}

/* Whether this peer may see everything. monitor_allow may change while the server runs. */
static bool
monitor_trusts(const struct monitor *m, const struct net *n, const struct addr *peer)
{
    const struct options *o = &CONTAINER_OF(n->cfg, struct server_cfg, net)->opts;
    bool trusts = m->open || http_is_loopback(peer);

    for (uint32_t i = 0; !trusts && i < o->n_monitor_allow; i++)
        trusts = http_is_within(peer, o->monitor_allow[i].family, o->monitor_allow[i].ip, o->monitor_allow[i].bits);
    return trusts;
}

static void
monitor_on_request(void *arg, struct net *n, const struct http_ask *a)
{
    struct monitor *m = arg;
    size_t len;

    bool trusted = monitor_trusts(m, n, a->peer);
    if (trusted && monitor_redirect(n, a))
        return;
    const char *path = monitor_below_base(m, a->path, &len);
    const struct monitor_route *route = path == NULL ? NULL : monitor_find(path, len);
    if (!trusted && (route == NULL || !route->open)) {
        monitor_say(n, a->ref, 403, "Forbidden: write out an address (http: \"host:port\") or name networks (monitor_allow) to open monitoring.\n");
        return;
    }
    if (route == NULL)
        monitor_say(n, a->ref, 404, "404 page not found\n");
    else if (a->query.len > MONITOR_QUERY_MAX)
        monitor_say(n, a->ref, 400, "query string too long");
    else
        monitor_begin(m, n, a, route);
}

static void
monitor_on_wake(void *arg, struct net *n)
{
    struct monitor *m = arg;

    (void)n;
    while (m->pool != NULL && offload_drain(m->pool, 0, MONITOR_RUN_MAX) == MONITOR_RUN_MAX)
        ;
}

static void
monitor_on_stop(void *arg)
{
    struct monitor *m = arg;

    offload_free(m->pool); /* waits for the job that runs: it may wake the shard */
    m->pool = NULL;
}

static void
monitor_wake(void *arg, uint32_t shard_id)
{
    struct monitor *m = arg;
    shard_ask(m->shards, shard_id, NET_ASK_HTTP);
}

/* ---- life ---- */

static const struct http_ops monitor_ops = {.on_request = monitor_on_request, .on_wake = monitor_on_wake, .on_stop = monitor_on_stop};

static bool
monitor_copy(struct monitor *m, const struct server_cfg *c)
{
    const struct options *o = &c->opts;
    const char *base = o->http_base_path != NULL && strcmp(o->http_base_path, "/") != 0 ? o->http_base_path : "";

    m->base = strdup(base);
    m->http_host = strdup(o->http_host != NULL ? o->http_host : o->host);
    m->server_name = strdup(c->net.info.server_name);
    (void)strncpy(m->server_id, c->net.info.server_id, sizeof(m->server_id) - 1);
    return m->base != NULL && m->http_host != NULL && m->server_name != NULL;
}

enum err
monitor_new(const struct server_cfg *c, struct net_set *set, struct monitor **ret)
{
    const struct options *o = &c->opts;

    *ret = NULL;
    if (o->https_port != 0 && !o->unsupported_warn) {
        log_line(LOG_FTL, "Can't start monitoring: TLS cert and key required for HTTPS"); /* there is no TLS yet */
        atomic_store(&set->told, true);
        return ERR_UNSUPPORTED;
    }
    if (o->http_port == 0)
        return OK;
    struct monitor *m = fault_calloc(1, sizeof(*m));
    if (m == NULL)
        return ERR_NOMEM;
    ASSERT(pthread_mutex_init(&m->lock, NULL) == 0);
    m->lines[MONITOR_SMALL].n_max = MONITOR_RUN_MAX;
    m->lines[MONITOR_LARGE].n_max = 1;
    for (uint32_t i = 0; i < MONITOR_LINES; i++)
        list_init(&m->lines[i].waiting);
    list_init(&m->running);
    m->set = set;
    if (!monitor_copy(m, c)) {
        monitor_free(m);
        return ERR_NOMEM;
    }
    m->http_port = o->http_port;
    m->http.host = m->http_host;
    m->http.port = (uint16_t)(o->http_port < 0 ? 0 : o->http_port);
    m->open = o->http_explicit;
    m->http.n_closed_max = (uint32_t)o->max_closed_clients;
    m->http.ops = &monitor_ops;
    m->http.ops_arg = m;
    if (m->open && !options_is_loopback(m->http_host))
        log_wrn("Monitoring on %s is open to everybody who reaches it, without encryption", m->http_host);
    else if (!m->open && o->n_monitor_allow > 0 && !options_is_loopback(m->http_host))
        log_wrn("Monitoring on %s is open to the networks of monitor_allow, without encryption", m->http_host);
    set->http = &m->http;
    *ret = m;
    return OK;
}

enum err
monitor_attach(struct monitor *m, struct shard_set *shards)
{
    if (m == NULL)
        return OK;
    m->shards = shards;
    m->n_shards = shards->n_shards;
    m->n_cores = shards->cfg.cpus.n_usable;
    m->start_ns = monitor_wall_ns();
    return offload_new(MONITOR_THREADS, 1, MONITOR_RUN_MAX + 1, monitor_wake, m, &m->pool);
}

static void
monitor_free_all(struct list *l)
{
    while (!list_empty(l)) {
        struct monitor_req *r = CONTAINER_OF(l->next, struct monitor_req, link);
        list_remove(&r->link);
        monitor_req_free(r);
    }
}

void
monitor_stop(struct monitor *m)
{
    if (m != NULL)
        offload_stop(m->pool);
}

void
monitor_free(struct monitor *m)
{
    if (m == NULL)
        return;
    m->set->http = NULL;
    offload_free(m->pool);
    for (uint32_t i = 0; i < MONITOR_LINES; i++)
        monitor_free_all(&m->lines[i].waiting);
    monitor_free_all(&m->running);
    free(m->base);
    free(m->http_host);
    free(m->server_name);
    free(m);
}
