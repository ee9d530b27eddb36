/* /connz: connections, open and closed. Two questions: what each is sorted by, then all about those of the page. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/rt/fault.h"
#include "core/server/monitor_priv.h"

/* One connection while the page is made up. */
struct connz_key {
    int64_t key, stop_ns;
    struct gather_pick pick;
    uint32_t shard;
};

/* ---- parameters ---- */

static bool
connz_arg_sort(struct monitor_req *r)
{
#define CONNZ_SORT_NAME(name) #name,
    static const char *const names[] = {GATHER_SORT_LIST(CONNZ_SORT_NAME)};
#undef CONNZ_SORT_NAME
    char v[MONITOR_VALUE_MAX];
    bool has;

    if (!monitor_arg_text(r, "sort", v, &has))
        return false;
    for (uint32_t i = 0; has && i < GATHER_SORT_N; i++) {
        if (strcmp(v, names[i]) == 0) {
            r->args.sort = (enum gather_sort)i;
            has = false;
        }
    }
    if (has)
        return monitor_bad(r, "invalid sorting option: %s", v);
    if (r->args.sort == GATHER_SORT_stop && (r->args.open || !r->args.closed))
        return monitor_bad(r, "sort by stop only valid on closed connections");
    if (r->args.sort == GATHER_SORT_reason && (r->args.open || !r->args.closed))
        return monitor_bad(r, "sort by reason only valid on closed connections");
    return true;
}

static bool
connz_arg_state(struct monitor_req *r)
{
    char v[MONITOR_VALUE_MAX];
    bool has;

    if (!monitor_arg_text(r, "state", v, &has))
        return false;
    bool all = strcasecmp(v, "any") == 0 || strcasecmp(v, "all") == 0, closed = strcasecmp(v, "closed") == 0;
    if (has && !all && !closed && strcasecmp(v, "open") != 0)
        return monitor_bad(r, "Error decoding state for %s", v);
    r->args.open = !closed;
    r->args.closed = closed || all;
    return true;
}

bool
monitor_connz_ask(struct monitor_req *r)
{
    struct monitor_args *a = &r->args;
    bool has;

    if (!monitor_arg_bool(r, "auth", &a->auth) || !monitor_arg_subs(r, &a->subs, &a->detail) || !monitor_arg_int(r, "offset", &a->offset) ||
        !monitor_arg_int(r, "limit", &a->limit) || !monitor_arg_u64(r, "cid", &a->cid) || !connz_arg_state(r) ||
        !monitor_arg_text(r, "user", a->user, &a->has_user) || !monitor_arg_text(r, "acc", a->acc, &a->has_acc) ||
        !monitor_arg_text(r, "mqtt_client", a->test, &a->has_test) || !connz_arg_sort(r))
        return false;
    a->offset = a->offset < 0 ? 0 : a->offset;
    a->limit = a->cid != 0 ? 1 : a->limit <= 0 ? MONITOR_LIMIT : a->limit;
    has = a->has_acc && strcmp(a->acc, MONITOR_ACCOUNT) != 0;
    a->unknown_acc = has;
    r->g.kind = GATHER_KEYS;
    r->g.shards = monitor_all_shards(r->m);
    r->g.sort = a->sort;
    r->g.open = a->open && !has;
    r->g.closed = a->closed && !has;
    r->g.cid = a->cid;
    r->g.user = a->has_user ? a->user : NULL;
    return true;
}

/* ---- the first question's answers ---- */

static bool
connz_ascends(enum gather_sort sort)
{
    return sort == GATHER_SORT_cid || sort == GATHER_SORT_start || sort == GATHER_SORT_uptime || sort == GATHER_SORT_reason ||
           sort == GATHER_SORT_idle; /* the oldest sign of life is the longest idle */
}

static int
connz_by_cid(const struct connz_key *x, const struct connz_key *y)
{
    return x->pick.cid < y->pick.cid ? -1 : x->pick.cid > y->pick.cid;
}

static int
connz_ascending(const void *a, const void *b)
{
    const struct connz_key *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key ? 1 : connz_by_cid(x, y);
}

static int
connz_descending(const void *a, const void *b)
{
    const struct connz_key *x = a, *y = b;
    return x->key > y->key ? -1 : x->key < y->key ? 1 : connz_by_cid(x, y);
}

static int
connz_by_reason(const void *a, const void *b)
{
    const struct connz_key *x = a, *y = b;
    int by_text = strcmp(nats_closed_text((enum nats_closed)x->key), nats_closed_text((enum nats_closed)y->key));
    return by_text != 0 ? by_text : connz_by_cid(x, y);
}

static int
connz_by_stop(const void *a, const void *b)
{
    const struct connz_key *x = a, *y = b;
    return x->stop_ns > y->stop_ns ? -1 : x->stop_ns < y->stop_ns; /* the latest first; open ones (0) last */
}

/* All keys of all parts; NULL: no memory. */
static struct connz_key *
connz_collect(struct monitor_req *r, uint64_t *ret_n)
{
    uint64_t n = 0, n_closed = 0;

    for (uint32_t i = 0; i < r->m->n_shards; i++) {
        n += r->g.parts[i]->n_recs;
        r->n_total += r->g.parts[i]->n_total;
    }
    struct connz_key *keys = fault_calloc(n + 1, sizeof(*keys));
    n = 0;
    for (uint32_t i = 0; keys != NULL && i < r->m->n_shards; i++) {
        struct gather_it it = {0};
        const struct gather_rec *rec;
        while ((rec = gather_next(r->g.parts[i], &it)) != NULL) {
            const struct gather_key *k = (const void *)rec;
            keys[n++] = (struct connz_key){.key = k->key, .stop_ns = k->stop_ns, .pick = k->pick, .shard = i};
            n_closed += k->pick.closed;
        }
    }
    /* Each shard remembers as many closed ones as there may be in all. */
    if (keys != NULL && n_closed > r->m->http.n_closed_max) {
        uint64_t surplus = n_closed - r->m->http.n_closed_max, n_open = n - n_closed;
        qsort(keys, n, sizeof(*keys), connz_by_stop);
        memmove(keys + n_closed - surplus, keys + n_closed, n_open * sizeof(*keys));
        n -= surplus;
        r->n_total -= surplus;
    }
    *ret_n = n;
    return keys;
}

/* Group the entries of the page by shard, and remember their order. */
static bool
connz_pick(struct monitor_req *r, const struct connz_key *keys, uint64_t n)
{
    struct gather_pick *at[SHARDS_MAX], *to;

    r->picks = fault_calloc(n, sizeof(*r->picks));
    r->order = fault_calloc(n, sizeof(*r->order));
    if (r->picks == NULL || r->order == NULL)
        return false;
    r->n_order = n;
    memset(r->g.n_picks, 0, sizeof(r->g.n_picks));
    for (uint64_t i = 0; i < n; i++)
        r->g.n_picks[keys[i].shard]++;
    to = r->picks;
    r->g.shards = 0;
    for (uint32_t i = 0; i < r->m->n_shards; i++) {
        r->g.picks[i] = at[i] = to;
        to += r->g.n_picks[i];
        if (r->g.n_picks[i] > 0)
            r->g.shards |= BIT64(i);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint32_t shard = keys[i].shard;
        r->order[i] = (struct monitor_place){.shard = shard, .i = (uint32_t)(at[shard] - r->g.picks[shard])};
        *at[shard]++ = keys[i].pick;
    }
    r->g.kind = GATHER_CONNS;
    r->g.subs = r->args.subs || r->args.detail;
    return true;
}

static void
connz_envelope(struct monitor_req *r, uint64_t n)
{
    struct page *p = &r->page;

    page_open(p, NULL, '{');
    if (r->args.unknown_acc) {
        page_str(p, "server_id", "");
        page_time(p, "now", r->wall_ns);
    } else {
        monitor_head(r, false);
    }
    page_u64(p, "num_connections", n);
    page_u64(p, "total", r->n_total);
    page_i64(p, "offset", r->args.offset);
    page_i64(p, "limit", r->args.limit);
}

static enum monitor_next
connz_empty(struct monitor_req *r)
{
    connz_envelope(r, 0);
    if (r->args.unknown_acc) {
        page_null(&r->page, "connections");
    } else {
        page_open(&r->page, "connections", '[');
        page_close(&r->page, ']');
    }
    page_close(&r->page, '}');
    return MONITOR_ANSWER;
}

static enum monitor_next
connz_choose(struct monitor_req *r)
{
    uint64_t n;
    struct connz_key *keys = connz_collect(r, &n);

    if (keys == NULL)
        return MONITOR_GIVE_UP;
    if (r->args.has_test)
        n = 0; /* there are no MQTT clients */
    uint64_t from = min_u64((uint64_t)r->args.offset, n), len = min_u64((uint64_t)r->args.limit, n - from);
    if (len == 0) {
        free(keys);
        return connz_empty(r);
    }
    qsort(keys, n, sizeof(*keys),
          r->args.sort == GATHER_SORT_reason ? connz_by_reason : connz_ascends(r->args.sort) ? connz_ascending : connz_descending);
    bool ok = connz_pick(r, keys + from, len);
    free(keys);
    return ok ? MONITOR_GATHER : MONITOR_GIVE_UP;
}

/* ---- the second question's answers ---- */

/* For each pick of each shard, where its records begin; NULL where it has gone meanwhile. */
static const struct gather_conn **
connz_index(struct monitor_req *r, struct gather_it *its, uint64_t *ret_n)
{
    const struct gather_conn **found = fault_calloc(r->n_order, sizeof(*found));

    *ret_n = 0;
    for (uint32_t s = 0; found != NULL && s < r->m->n_shards; s++) {
        struct gather_it it = {0};
        const struct gather_rec *rec;
        uint32_t i = 0;
        uint64_t base = (uint64_t)(r->g.picks[s] - r->picks);
        while (r->g.n_picks[s] > 0 && (rec = gather_next(r->g.parts[s], &it)) != NULL) {
            if (rec->type != GATHER_REC_CONN)
                continue;
            const struct gather_conn *c = (const void *)rec;
            while (i < r->g.n_picks[s] && r->g.picks[s][i].cid != c->cid)
                i++;
            ASSERT(i < r->g.n_picks[s]); /* they come in the order in which they were asked for */
            found[base + i] = c;
            its[base + i] = it;
            i++;
            ++*ret_n;
        }
    }
    return found;
}

static void
connz_subs(struct monitor_req *r, const struct gather_conn *c, const struct gather_part *part, struct gather_it it)
{
    struct page *p = &r->page;
    const struct gather_rec *rec;
    bool some = false;

    while ((rec = gather_next(part, &it)) != NULL && rec->type == GATHER_REC_SUB) {
        const struct gather_sub *s = (const void *)rec;
        if (!some)
            page_open(p, r->args.detail ? "subscriptions_list_detail" : "subscriptions_list", '[');
        some = true;
        if (r->args.detail)
            monitor_sub(p, s, c->stop_ns != 0);
        else
            page_bytes(p, NULL, s->bytes, s->subject_len);
    }
    if (some)
        page_close(p, ']');
}

static void
connz_bytes(struct page *p, const char *name, const char *s, size_t len)
{
    if (len > 0)
        page_bytes(p, name, s, len);
}

static void
connz_times(struct monitor_req *r, const struct gather_conn *c)
{
    struct page *p = &r->page;
    int64_t end = c->stop_ns != 0 ? c->stop_ns : r->wall_ns;

    page_time(p, "start", c->start_ns);
    page_time(p, "last_activity", c->last_ns);
    if (c->stop_ns != 0) {
        page_time(p, "stop", c->stop_ns);
        page_str(p, "reason", nats_closed_text((enum nats_closed)c->closed));
    }
    page_duration(p, "rtt", c->rtt_ns < NS_PER_MS ? c->rtt_ns / NS_PER_US * NS_PER_US : c->rtt_ns);
    page_uptime(p, "uptime", end - c->start_ns);
    page_uptime(p, "idle", end - c->last_ns);
}

static void
connz_conn(struct monitor_req *r, const struct gather_conn *c, const struct gather_part *part, struct gather_it it)
{
    struct page *p = &r->page;
    char ip[ADDR_TEXT_MAX];

    (void)addr_ip_text(&c->peer, ip, sizeof(ip)); /* empty when the system did not say */
    page_open(p, NULL, '{');
    page_u64(p, "cid", c->cid);
    page_str(p, "kind", "Client");
    page_str(p, "type", "nats");
    page_str(p, "ip", ip);
    page_u64(p, "port", c->peer.port);
    connz_times(r, c);
    page_u64(p, "pending_bytes", c->pending);
    page_u64(p, "in_msgs", c->in_msgs);
    page_u64(p, "out_msgs", c->out_msgs);
    page_u64(p, "in_bytes", c->in_bytes);
    page_u64(p, "out_bytes", c->out_bytes);
    if (c->n_stalls > 0)
        page_u64(p, "stalls", c->n_stalls);
    page_u64(p, "subscriptions", c->n_subs);
    const char *s = c->bytes;
    connz_bytes(p, "name", s, c->name_len);
    s += c->name_len;
    connz_bytes(p, "lang", s, c->lang_len);
    s += c->lang_len;
    connz_bytes(p, "version", s, c->version_len);
    s += c->version_len;
    if (r->args.auth)
        connz_bytes(p, "authorized_user", s, c->user_len);
    if (r->g.subs)
        connz_subs(r, c, part, it);
    if (r->args.auth && c->stop_ns == 0)
        page_str(p, "name_tag", MONITOR_ACCOUNT);
    page_close(p, '}');
}

enum monitor_next
monitor_connz(struct monitor_req *r)
{
    uint64_t n;

    if (r->g.kind == GATHER_KEYS)
        return connz_choose(r);
    struct gather_it *its = fault_calloc(r->n_order, sizeof(*its));
    const struct gather_conn **found = its == NULL ? NULL : connz_index(r, its, &n);
    if (found == NULL) {
        free(its);
        return MONITOR_GIVE_UP;
    }
    connz_envelope(r, n);
    page_open(&r->page, "connections", '[');
    for (uint64_t i = 0; i < r->n_order && !r->page.o.full; i++) {
        uint64_t at = (uint64_t)(r->g.picks[r->order[i].shard] - r->picks) + r->order[i].i;
        if (found[at] != NULL)
            connz_conn(r, found[at], r->g.parts[r->order[i].shard], its[at]);
    }
    page_close(&r->page, ']');
    page_close(&r->page, '}');
    free(its);
    free(found);
    return MONITOR_ANSWER;
}
