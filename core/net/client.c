/* What a client's operations do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/net/client_auth.h"
#include "core/net/net_priv.h"
#include "core/rt/fault.h"
#include "proto/nats_hdr.h"

enum {
    RTT_FRESH_S = 3600,     /* a round trip time older than an hour is measured again */
    CLIENT_WORK_SUB = 8,    /* of the turn's budget, which counts deliveries: walks the index, tells all shards */
    CLIENT_WORK_JSON = 32,  /* a document is parsed, and memory taken */
};

static bool
client_write_err(struct net *n, struct conn *c, enum nats_err err)
{
    size_t len;
    const char *line = nats_err_line(err, &len);
    trace_out(c, line, (uint32_t)len);
    return broker_write(&n->broker, &c->ep, line, (uint32_t)len);
}

static void
client_ok(struct net *n, struct conn *c)
{
    if ((c->flags & CONN_VERBOSE) != 0) {
        trace_out(c, "+OK\r\n", 5);
        (void)broker_write(&n->broker, &c->ep, "+OK\r\n", 5); /* without memory it closes c itself */
    }
}

static enum client_result
client_close(struct net *n, struct conn *c, enum nats_closed why)
{
    conn_close(n, c, why);
    return CLIENT_CLOSE;
}

static enum client_result
client_close_err(struct net *n, struct conn *c, enum nats_err err, enum nats_closed why)
{
    conn_close_err(n, c, err, why);
    return CLIENT_CLOSE;
}

static struct nats_view
client_view(const uint8_t *p, uint32_t len)
{
    return (struct nats_view){.ptr = p, .len = len};
}

void
client_send_violation(struct net *n, struct conn *c, enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid)
{
    size_t len = nats_perm_encode(kind, subject, queue, sid, n->texts.line, n->texts.line_cap);

    if (len == 0) /* a subscription from before a reload that made lines shorter */
        return;
    trace_out(c, n->texts.line, (uint32_t)len);
    (void)broker_write(&n->broker, &c->ep, n->texts.line, (uint32_t)len); /* without memory it closes c itself */
}

/* The same, and a line in the log. sid: of a SUB. */
static void
client_violation(struct net *n, struct conn *c, enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid)
{
    static const char *const texts[NATS_PERM_N] = {
        [NATS_PERM_PUBLISH] = "Publish Violation - Subject ",
        [NATS_PERM_REPLY] = "Publish Violation - Reply ",
        [NATS_PERM_SUBSCRIBE] = "Subscription Violation - Subject ",
        [NATS_PERM_MANY_TOKENS] = "Subscription Violation Too Many Tokens - Subject ",
    };
    char name[CONN_NAME_MAX], s[512], q[256], id[64];
    bool sub = kind == NATS_PERM_SUBSCRIBE || kind == NATS_PERM_MANY_TOKENS;

    client_send_violation(n, c, kind, subject, queue, (struct nats_view){0});
    if (sub)
        COUNT(&n->sh->counters, subs_denied, 1);
    else
        COUNT(&n->sh->counters, pubs_denied, 1);
    if (!net_may_log(n, NET_QUIET_PERMS))
        return;
    int s_len = (int)nats_quote(subject.ptr, subject.len, s, sizeof(s)); /* cut is fine in a log */
    int q_len = queue.len > 0 ? (int)nats_quote(queue.ptr, queue.len, q, sizeof(q)) : 0;
    log_err("%s - %s%.*s%s%.*s%s%s", conn_name(c, name, sizeof(name)), texts[kind], s_len, s, q_len > 0 ? ", Queue: " : "", q_len, q,
            sub ? ", SID " : "", sub ? log_quote(id, sizeof(id), sid.ptr, sid.len) : "");
}

void
client_pub_violation(struct net *n, struct conn *c, enum nats_perm kind, struct nats_view subject)
{
    client_violation(n, c, kind, subject, (struct nats_view){0}, (struct nats_view){0});
}

/* ---- CONNECT ---- */

static void
client_apply_connect(struct net *n, struct conn *c)
{
    const struct nats_connect *o = c->opts;
    uint8_t keep = c->ep.flags & (EP_DEAD | EP_DIRTY | EP_CHECKED);

    c->lim.headers = n->cfg->headers && o->headers;
    c->ep.flags = (uint8_t)(keep | (o->echo ? EP_ECHO : 0) | (c->lim.headers ? EP_HEADERS : 0) | (o->no_responders ? EP_NO_RESPOND : 0));
    c->flags &= (uint32_t)~(CONN_VERBOSE | CONN_PEDANTIC);
    c->flags |= (uint32_t)((o->verbose ? CONN_VERBOSE : 0) | (o->pedantic ? CONN_PEDANTIC : 0));
}

static enum client_result
client_on_connect(struct net *n, struct conn *c, const struct nats_op *op)
{
    char name[CONN_NAME_MAX];
    struct json_why why;

    /* A repeated CONNECT starts over: nothing of the old account stays; nor of no_auth_user's, as whom it came in without one. Else the first
     * one finds the subscriptions made before it, and keeps them. */
    bool first = (c->flags & CONN_CONNECTED) == 0 && (c->auth == NULL || !c->auth->in);
    if (!first && c->ep.n_subs > 0 && !broker_drop_subs(&n->broker, &c->ep)) {
        if (broker_reap_cut(&n->broker))
            n->again = true;
        return CLIENT_AGAIN;
    }
    if (c->opts == NULL) {
        c->opts = fault_malloc(sizeof(*c->opts));
        if (c->opts == NULL)
            return client_close(n, c, NATS_CLOSED_PROTOCOL_VIOLATION);
        nats_connect_init(c->opts);
    }
    enum err e = nats_connect_decode(c->opts, op->args, op->args_len, &why);
    if (e != OK) {
        if (net_may_log(n, NET_QUIET_PROTOCOL))
            log_err("%s - error parsing CONNECT: %s", conn_name(c, name, sizeof(name)), why.what);
        return client_close(n, c, NATS_CLOSED_PROTOCOL_VIOLATION);
    }
    if (c->opts->account.len > 0 || c->opts->new_account) {
        nats_connect_wipe_secrets(c->opts);
        if (net_may_log(n, NET_QUIET_AUTH))
            log_err("%s - authentication error: CONNECT names an account", conn_name(c, name, sizeof(name)));
        return client_close_err(n, c, NATS_ERR_AUTH_VIOLATION, NATS_CLOSED_AUTH_FAILURE);
    }
    enum client_auth_verdict v = client_auth_connect(n, c);
    nats_connect_wipe_secrets(c->opts);
    switch (v) {
    case CLIENT_AUTH_FULL: return CLIENT_AGAIN;
    case CLIENT_AUTH_CLOSED: return CLIENT_CLOSE;
    case CLIENT_AUTH_WAITS: c->flags |= CONN_STALL_WANTED; return CLIENT_NEXT;
    case CLIENT_AUTH_IN:
    default: break;
    }
    client_connect_done(n, c);
    return CLIENT_NEXT;
}

void
client_connect_done(struct net *n, struct conn *c)
{
    client_apply_connect(n, c);
    if (c->opts->protocol != 0 && c->opts->protocol != 1) {
        conn_close_err(n, c, NATS_ERR_CLIENT_PROTOCOL, NATS_CLOSED_BAD_PROTOCOL_VERSION);
        return;
    }
    if (c->opts->no_responders && !c->lim.headers) {
        conn_close_err(n, c, NATS_ERR_NO_RESPONDERS_HEADERS, NATS_CLOSED_NO_RESPONDERS_HEADERS);
        return;
    }
    if ((c->flags & CONN_CONNECTED) == 0) {
        c->rtt_ns = n->sh->now - c->start_ns;
        client_arm_first_ping(n, c);
    }
    c->flags |= CONN_CONNECTED;
    client_ok(n, c);
}

/* ---- PUB, HPUB ---- */

static bool
client_has_prefix(const uint8_t *s, uint32_t len, const char *prefix, uint32_t prefix_len)
{
    return len > prefix_len && memcmp(s, prefix, prefix_len) == 0;
}

bool
client_pub_reserved(const uint8_t *s, uint32_t len)
{
    return client_has_prefix(s, len, "_GR_.", 5) || (len >= 5 && memcmp(s, "$NRG.", 5) == 0);
}

static bool
client_reply_reserved(const uint8_t *r, uint32_t len)
{
    return len > 0 && (r[0] == '_' || r[0] == '$') &&
           ((len >= 4 && memcmp(r, "_R_.", 4) == 0) || client_has_prefix(r, len, "_GR_.", 5) || client_has_prefix(r, len, "$JS.ACK.", 8));
}

/* What stands against m, NATS_PERM_N if nothing does; *ret_what: the subject or reply that may not be. */
static enum nats_perm
client_pub_why(struct net *n, struct conn *c, const struct pub_msg *m, struct nats_view *ret_what)
{
    *ret_what = client_view(m->subject, m->subject_len);
    if (client_pub_reserved(m->subject, m->subject_len) ||
        ((c->flags & CONN_PUB_CHECKED) != 0 && UNLIKELY(!client_auth_may_publish(n, c, m->subject, m->subject_len))))
        return NATS_PERM_PUBLISH;
    *ret_what = client_view(m->reply, m->reply_len);
    return client_reply_reserved(m->reply, m->reply_len) ? NATS_PERM_REPLY : NATS_PERM_N;
}

/* False: refused, and the client was told, and t, if the publish is traced. Asked once for each publish (it may use up the right to answer), and
 * again where a reload is under way and mappings are at work: what was allowed may have become another subject. */
static bool
client_may_publish(struct net *n, struct conn *c, const struct pub_msg *m, const struct client_trace *t)
{
    struct nats_view what;

    if ((c->flags & CONN_PUB_ALLOWED) != 0 && ((c->flags & CONN_MAPPED) == 0 || !net_reload_busy(n)))
        return true;
    enum nats_perm kind = client_pub_why(n, c, m, &what);
    if (LIKELY(kind == NATS_PERM_N))
        return true;
    client_pub_violation(n, c, kind, what);
    if (t != NULL) {
        (void)nats_perm_text(kind, what, (struct nats_view){0}, (struct nats_view){0}, n->texts.line, n->texts.line_cap); /* as in the log */
        client_trace_refused(n, c, t, n->texts.line);
    }
    broker_count_in(&n->broker, m); /* as nats-server does */
    return false;
}

/* " reply hdr size\r\npayload\r\n" for a publish that was written otherwise (tabs, several spaces). */
bool
client_make_tail(struct net *n, const struct nats_op *op, struct pub_msg *m)
{
    uint32_t hdr_text_len = op->kind == NATS_HPUB ? op->hdr_text_len : 0;
    uint32_t head = 1 + op->reply_len + 1 + hdr_text_len + 1 + op->size_text_len + 2;
    uint32_t len = head + op->size + 2;

    if (n->scratch_cap < len) {
        uint32_t cap;
        uint8_t *scratch = bufpool_take(n->sh->bufs, len, &cap);
        if (scratch == NULL)
            return false;
        if (n->scratch != NULL)
            bufpool_give(n->sh->bufs, n->scratch, n->scratch_cap);
        n->scratch = scratch;
        n->scratch_cap = cap;
    }
    uint8_t *p = n->scratch;
    if (op->reply_len > 0) {
        *p++ = ' ';
        memcpy(p, op->reply, op->reply_len);
        p += op->reply_len;
    }
    if (op->kind == NATS_HPUB) {
        *p++ = ' ';
        memcpy(p, op->hdr_text, hdr_text_len);
        p += hdr_text_len;
    }
    *p++ = ' ';
    memcpy(p, op->size_text, op->size_text_len);
    p += op->size_text_len;
    *p++ = '\r';
    *p++ = '\n';
    m->payload_off = (uint32_t)(p - n->scratch);
    memcpy(p, op->payload, op->size);
    p += op->size;
    *p++ = '\r';
    *p++ = '\n';
    m->tail = n->scratch;
    m->tail_len = (uint32_t)(p - n->scratch);
    return true;
}

void
client_on_begun(struct net *n, struct conn *c, const struct nats_op *op)
{
    if ((c->flags & CONN_SUBJECT_SEEN) != 0)
        return;
    c->flags |= CONN_SUBJECT_SEEN;
    if (!subject_valid_publish(op->subject, op->subject_len))
        (void)client_write_err(n, c, NATS_ERR_INVALID_PUB_SUBJECT); /* without memory it closes c itself */
}

/* The operation is over, however it ended. */
static enum client_result
client_pub_done(struct conn *c)
{
    c->flags &= (uint32_t)~(CONN_OP_BEGUN | CONN_SUBJECT_SEEN | CONN_PUB_ALLOWED | CONN_PUB_TRACED);
    return CLIENT_NEXT;
}

/* The publish is allowed: tell a verbose client, once, even if the publish itself has to wait for room. */
static void
client_pub_ok(struct net *n, struct conn *c)
{
    if ((c->flags & CONN_OP_BEGUN) == 0)
        client_ok(n, c);
    c->flags |= CONN_OP_BEGUN | CONN_PUB_ALLOWED;
}

/* A publish whose headers may ask for a trace. t: subject and mapped are set. False: *ret_r is the whole answer. */
static bool
client_pub_traced(struct net *n, struct conn *c, const struct nats_op *op, struct pub_msg *m, struct client_trace *t, enum client_result *ret_r)
{
    struct client_trace read = {0};

    switch (client_trace_read(n, c, op, m, &read)) {
    case TRACED_NO: return true;
    case TRACED_DROP: *ret_r = client_pub_done(c); return false;
    case TRACED_AGAIN: *ret_r = CLIENT_AGAIN; return false;
    case TRACED_YES:
    default: break;
    }
    read.subject = t->subject;
    read.mapped = t->mapped;
    if (!client_may_publish(n, c, m, &read)) {
        *ret_r = client_pub_done(c);
        return false;
    }
    client_pub_ok(n, c);
    *ret_r = client_trace_publish(n, c, m, &read) == OK ? client_pub_done(c) : CLIENT_AGAIN;
    return false;
}

/* What a publish may have to do before it is published. False: *ret_r is the whole answer. */
__attribute__((noinline)) static bool
client_before_pub(struct net *n, struct conn *c, const struct nats_op *op, struct pub_msg *m, enum client_result *ret_r)
{
    struct client_trace t = {.subject = client_view(m->subject, m->subject_len)};
    enum client_mapped mapped = MAPPED_NO;

    if (op->tail == NULL && !client_make_tail(n, op, m)) {
        *ret_r = CLIENT_AGAIN; /* a pool run dry is back-pressure */
        return false;
    }
    if ((c->flags & CONN_PEDANTIC) != 0)
        client_on_begun(n, c, op);
    if ((c->flags & CONN_MAPPED) != 0)
        mapped = client_map(n, c, m);
    if (mapped == MAPPED_AGAIN) {
        *ret_r = CLIENT_AGAIN;
        return false;
    }
    if (UNLIKELY((c->flags & CONN_PUB_TRACED) != 0)) {
        if (mapped == MAPPED_YES)
            t.mapped = client_view(m->subject, m->subject_len);
        if (!client_pub_traced(n, c, op, m, &t, ret_r))
            return false;
    }
    if (!client_may_publish(n, c, m, NULL)) {
        *ret_r = client_pub_done(c);
        return false;
    }
    client_pub_ok(n, c);
    return true;
}

/* A publish as clients write it, on a subject and with a reply that cannot be the server's own. */
static inline bool
client_is_usual(const struct nats_op *op)
{
    return op->tail != NULL && op->subject[0] != '_' && op->subject[0] != '$' &&
           (op->reply_len == 0 || (op->reply[0] == '_' && op->reply_len > 1 && op->reply[1] == 'I'));
}

static inline enum client_result
client_on_pub(struct net *n, struct conn *c, const struct nats_op *op)
{
    struct pub_msg m;

    m.subject = op->subject;
    m.subject_len = op->subject_len;
    m.reply = op->reply;
    m.reply_len = op->reply_len;
    m.tail = op->tail;
    m.tail_len = op->tail_len;
    m.payload_off = (uint32_t)(op->payload - op->tail);
    m.hdr_len = op->hdr_size;
    m.hdr = op->kind == NATS_HPUB;
    m.acc = c->ep.acc;
    m.from = &c->ep;
    m.from_slot = c->ep.slot;
    m.from_shard = (uint8_t)n->sh->id;
    m.hops = 0;
    m.trace = 0;

    uint32_t special = c->flags & (CONN_VERBOSE | CONN_PEDANTIC | CONN_OP_BEGUN | CONN_PUB_CHECKED | CONN_MAPPED | CONN_PUB_TRACED);
    bool plain = client_is_usual(op) && (LIKELY(special == 0) || (special == CONN_PUB_CHECKED && client_auth_knows(c, op->subject, op->subject_len)));
    enum client_result r;
    n->pub_plain = plain;
    if (UNLIKELY(!plain) && !client_before_pub(n, c, op, &m, &r))
        return r;
    if (UNLIKELY(broker_publish(&n->broker, &m) != OK))
        return CLIENT_AGAIN;
    return client_pub_done(c);
}

/* ---- SUB, UNSUB ---- */

static enum client_result
client_on_sub(struct net *n, struct conn *c, const struct nats_op *op)
{
    const struct net_cfg *cfg = n->cfg;

    if ((op->queue_len == 5 && memcmp(op->queue, "_sys_", 5) == 0) ||
        !client_auth_may_subscribe(n, c, op->subject, op->subject_len, op->queue, op->queue_len)) {
        client_violation(n, c, NATS_PERM_SUBSCRIBE, client_view(op->subject, op->subject_len),
                         client_view(op->queue_len > 0 ? op->queue : NULL, op->queue_len), client_view(op->sid, op->sid_len));
        return CLIENT_NEXT;
    }
    if (cfg->max_sub_tokens > 0 && subject_n_tokens(op->subject, op->subject_len) > cfg->max_sub_tokens) {
        client_violation(n, c, NATS_PERM_MANY_TOKENS, client_view(op->subject, op->subject_len), (struct nats_view){0},
                         client_view(op->sid, op->sid_len));
        return CLIENT_NEXT;
    }
    if (cfg->max_subs > 0 && c->ep.n_subs >= cfg->max_subs) {
        COUNT(&n->sh->counters, subs_refused, 1);
        (void)client_write_err(n, c, NATS_ERR_MAX_SUBS); /* without memory it closes c itself */
        return CLIENT_NEXT;
    }
    enum err e = ERR_EXIST;
    if (sidmap_find(&c->ep.sids, n->broker.ix, op->sid, op->sid_len) == 0) {
        if (!subject_valid(op->subject, op->subject_len)) {
            (void)client_write_err(n, c, NATS_ERR_INVALID_SUBJECT);
            return CLIENT_NEXT;
        }
        e = broker_subscribe(&n->broker, &c->ep, op->subject, op->subject_len, op->queue, op->queue_len, op->sid, op->sid_len);
    }
    if (e == ERR_AGAIN)
        return CLIENT_AGAIN;
    if (e == ERR_LIMIT || e == ERR_NOMEM) {
        COUNT(&n->sh->counters, subs_refused, 1);
        (void)client_write_err(n, c, NATS_ERR_MAX_SUBS);
        return CLIENT_NEXT;
    }
    client_ok(n, c);
    return CLIENT_NEXT;
}

static enum client_result
client_on_unsub(struct net *n, struct conn *c, const struct nats_op *op)
{
    if (broker_unsubscribe(&n->broker, &c->ep, op->sid, op->sid_len, op->max) != OK)
        return CLIENT_AGAIN;
    client_ok(n, c);
    return CLIENT_NEXT;
}

/* ---- PING, PONG ---- */

static enum client_result
client_on_ping(struct net *n, struct conn *c)
{
    trace_out(c, "PONG\r\n", 6);
    (void)broker_write(&n->broker, &c->ep, "PONG\r\n", 6); /* without memory it closes c itself */
    if ((c->flags & CONN_CONNECTED) != 0 && (c->flags & CONN_FIRST_PONG) == 0) {
        c->flags |= CONN_FIRST_PONG;
        if (c->opts->protocol >= 1)
            conn_send_info(n, c, CONN_INFO_CONNECT);
    }
    return CLIENT_NEXT;
}

static enum client_result
client_on_pong(struct net *n, struct conn *c)
{
    if (c->n_pings_out > 0) {
        int64_t rtt = n->sh->now - c->ping_sent_ns;
        c->rtt_ns = rtt > 0 ? rtt : 1;
    }
    c->n_pings_out = 0;
    return CLIENT_NEXT;
}

void
client_arm_first_ping(struct net *n, struct conn *c)
{
    int64_t first = min_i64(n->cfg->ping_interval_ns, NET_FIRST_PING_NS);
    first += (int64_t)(io_random(n->sh->io) % (uint64_t)(first / 5 + 1)); /* up to a fifth more, so that storms spread */
    timer_arm(&n->sh->timers, &c->ping_timer, n->sh->now + first);
}

void
client_ping_timer(struct timer *t, int64_t now_ns)
{
    struct conn *c = CONTAINER_OF(t, struct conn, ping_timer);
    struct net *n = net_of(shard_current);
    const struct net_cfg *cfg = n->cfg;

    if (c->state != CONN_OPEN)
        return;
    /* The first ping always goes out: no round trip has been measured before it. */
    bool rtt_fresh = c->ping_sent_ns != 0 && now_ns - c->ping_sent_ns < RTT_FRESH_S * NS_PER_S;
    bool busy = rtt_fresh && now_ns - c->last_in_ns < cfg->ping_interval_ns;
    if (!busy) {
        if (c->n_pings_out + 1u > cfg->ping_max) {
            char name[CONN_NAME_MAX];
            COUNT(&n->sh->counters, stale_conns, 1);
            log_dbg("%s - Stale Client Connection - Closing", conn_name(c, name, sizeof(name)));
            conn_close_err(n, c, NATS_ERR_STALE, NATS_CLOSED_STALE);
            return;
        }
        c->n_pings_out++;
        c->ping_sent_ns = now_ns;
        trace_out(c, "PING\r\n", 6);
        if (!broker_write(&n->broker, &c->ep, "PING\r\n", 6))
            return; /* it closed c */
    }
    timer_arm(&n->sh->timers, t, now_ns + cfg->ping_interval_ns);
}

/* A client's INFO is read and ignored; one that could not be a server's ends the connection. */
static enum client_result
client_on_info(struct net *n, struct conn *c, const struct nats_op *op)
{
    char name[CONN_NAME_MAX];
    struct json_why why;

    if (nats_info_check(op->args, op->args_len, &why) == OK)
        return CLIENT_NEXT;
    if (net_may_log(n, NET_QUIET_PROTOCOL))
        log_err("%s - error parsing INFO: %s", conn_name(c, name, sizeof(name)), why.what);
    return client_close(n, c, NATS_CLOSED_PROTOCOL_VIOLATION);
}

/* ---- all of them ---- */

/* What an operation that is no publish costs of the turn's budget. */
static const uint8_t client_work[NATS_KIND_N] = {
    [NATS_SUB] = CLIENT_WORK_SUB,   [NATS_UNSUB] = CLIENT_WORK_SUB, [NATS_CONNECT] = CLIENT_WORK_JSON, [NATS_INFO] = CLIENT_WORK_JSON,
    [NATS_PING] = 1,                [NATS_PONG] = 1,                [NATS_PLUS_OK] = 1,                [NATS_MINUS_ERR] = 1,
};

/* Everything but publishes: rare, with text buffers on its stack that publishes should not pay for. */
__attribute__((noinline)) static enum client_result
client_on_other(struct net *n, struct conn *c, const struct nats_op *op)
{
    char name[CONN_NAME_MAX], text[256];

    if (op->kind == NATS_SUB || op->kind == NATS_UNSUB || op->kind == NATS_PING)
        c->last_in_ns = n->sh->now; /* a sign of life, as a publish is; CONNECT, INFO and +OK are none */
    n->sh->work_left -= client_work[op->kind];
    switch ((enum nats_kind)op->kind) {
    case NATS_SUB: return client_on_sub(n, c, op);
    case NATS_UNSUB: return client_on_unsub(n, c, op);
    case NATS_CONNECT: return client_on_connect(n, c, op);
    case NATS_PING: return client_on_ping(n, c);
    case NATS_PONG: return client_on_pong(n, c);
    case NATS_INFO: return client_on_info(n, c, op);
    case NATS_PLUS_OK: return CLIENT_NEXT;
    case NATS_MINUS_ERR:
        if (net_may_log(n, NET_QUIET_PROTOCOL))
            log_err("%s - Client Error %s", conn_name(c, name, sizeof(name)), log_quote(text, sizeof(text), op->args, op->args_len));
        return client_close(n, c, NATS_CLOSED_PARSE_ERROR);
    case NATS_PUB:
    case NATS_HPUB:
    case NATS_KIND_N:
    default: ASSERT(false); /* an operation that is not ours */ return CLIENT_CLOSE;
    }
}

/* Of a publish with headers, before all else. A function, so that those without pay for nothing of it. */
__attribute__((noinline)) static void
client_look_at_hdr(struct conn *c, const struct nats_op *op)
{
    if (UNLIKELY(nats_hdr_maybe_trace(op->payload, op->hdr_size)))
        c->flags |= CONN_PUB_TRACED;
}

enum client_result
client_on_op(struct net *n, struct conn *c, const struct nats_op *op)
{
    enum client_result r;

    if (UNLIKELY(log_trace_on))
        trace_in(n, c, op);
    if (LIKELY(op->kind == NATS_PUB || op->kind == NATS_HPUB)) {
        if (UNLIKELY(op->kind == NATS_HPUB))
            client_look_at_hdr(c, op);
        c->last_in_ns = n->sh->now;
        r = client_on_pub(n, c, op);
    } else {
        r = client_on_other(n, c, op);
    }
    /* It may have become its own slow consumer. */
    return UNLIKELY(c->state != CONN_OPEN) ? CLIENT_CLOSE : r;
}

void
client_on_bad(struct net *n, struct conn *c, const struct nats_op *op, const struct nats_bad *bad, const uint8_t *buf, size_t len)
{
    char name[CONN_NAME_MAX];

    if (bad->payload && (c->flags & CONN_PEDANTIC) != 0)
        client_on_begun(n, c, op);
    COUNT(&n->sh->counters, protocol_errors, 1);
    if (bad->err == NATS_ERR_MAX_PAYLOAD)
        COUNT(&n->sh->counters, payloads_refused, 1);
    if (bad->err == NATS_ERR_MAX_PAYLOAD)
        client_trace_oversized(n, c, buf, len, bad->size);
    if (net_may_log(n, NET_QUIET_PROTOCOL)) {
        (void)nats_bad_text(bad, n->texts.line, n->texts.line_cap); /* cut is fine in a log */
        log_err("%s - %s", conn_name(c, name, sizeof(name)), n->texts.line);
    }
    if (bad->err != NATS_ERR_NONE)
        conn_close_err(n, c, (enum nats_err)bad->err, (enum nats_closed)bad->closed);
    else
        conn_close(n, c, (enum nats_closed)bad->closed);
}
