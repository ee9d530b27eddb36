/* Message tracing at the door: what a publish asks for in its headers, and whether it may. What becomes of a traced message is
 * core/broker/msg_trace.h's. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/broker/msg_trace.h"
#include "core/broker/subject.h"
#include "core/net/client_auth.h"
#include "core/net/net_priv.h"
#include "proto/json_write.h"
#include "proto/nats_hdr.h"

static const char trace_dest[] = "Nats-Trace-Dest";
static const char trace_disabled[] = "trace disabled";

/* ---- what the broker asks for its events ---- */

static void
put_pair(struct out *o, const char *key, const char *value)
{
    out_byte(o, '"');
    out_str(o, key);
    out_str(o, "\":");
    json_write_str(o, value, strlen(value));
    out_byte(o, ',');
}

void
client_trace_put_server(struct broker *b, struct out *o)
{
    const struct net *n = b->ops_arg;
    const struct net_cfg *cfg = n->cfg;

    put_pair(o, "name", cfg->info.server_name);
    put_pair(o, "host", cfg->host);
    put_pair(o, "id", cfg->info.server_id);
    put_pair(o, "ver", cfg->info.version);
    if (cfg->event_extra != NULL)
        out_str(o, cfg->event_extra);
    out_str(o, "\"feature_flags\":{\"js_ack_fc_v2\":false,\"js_raft_delete_range\":false},\"jetstream\":false,\"flags\":0");
}

void
client_trace_get_who(struct broker *b, const struct endpoint *ep, struct broker_who *ret)
{
    const struct conn *c = (const struct conn *)(const void *)ep;

    (void)b;
    ret->cid = c->cid;
    if (c->opts != NULL) {
        ret->name = c->opts->name.ptr;
        ret->name_len = c->opts->name.len;
    }
}

/* ---- reading ---- */

static bool
view_is(struct nats_view v, const char *word)
{
    size_t n = strlen(word);
    return v.len == n && strncasecmp((const char *)v.ptr, word, n) == 0;
}

/* Whether word stands in v, in any case. */
static bool
view_has(struct nats_view v, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= v.len; i++) {
        if (strncasecmp((const char *)v.ptr + i, word, n) == 0)
            return true;
    }
    return false;
}

static enum msg_trace_encoding
trace_encoding(struct nats_view accept)
{
    if (accept.ptr == NULL)
        return MSG_TRACE_PLAIN;
    if (view_has(accept, "snappy") || view_has(accept, "s2"))
        return MSG_TRACE_SNAPPY;
    return view_has(accept, "gzip") ? MSG_TRACE_GZIP : MSG_TRACE_IDENTITY;
}

/* The message again with `Nats-Trace-Dest: trace disabled`: an old server has traced it, and nobody behind us shall. False: no memory. */
static bool
trace_disable(struct net *n, const struct nats_op *op, struct pub_msg *m)
{
    char size[16], hdr_size[16];
    uint32_t cap, rest = op->size - op->hdr_size;
    uint8_t *to = bufpool_take(n->sh->bufs, op->size + (uint32_t)(sizeof(trace_dest) + sizeof(trace_disabled) + 6), &cap);

    if (to == NULL)
        return false;
    struct nats_op again = *op;
    again.payload = to;
    again.hdr_size = (uint32_t)nats_hdr_set(op->payload, op->hdr_size, trace_dest, trace_disabled, to);
    again.size = again.hdr_size + rest;
    if (rest > 0)
        memcpy(to + again.hdr_size, op->payload + op->hdr_size, rest);
    again.hdr_text_len = (uint8_t)snprintf(hdr_size, sizeof(hdr_size), "%u", again.hdr_size);
    again.size_text_len = (uint8_t)snprintf(size, sizeof(size), "%u", again.size);
    again.hdr_text = (const uint8_t *)hdr_size;
    again.size_text = (const uint8_t *)size;
    bool ok = client_make_tail(n, &again, m);
    m->hdr_len = again.hdr_size;
    bufpool_give(n->sh->bufs, to, cap);
    return ok;
}

static bool
trace_could(const struct conn *c, struct nats_view dest)
{
    return !client_pub_reserved(dest.ptr, (uint32_t)dest.len) && client_auth_could_publish(c, dest.ptr, (uint32_t)dest.len);
}

/* Whether the publisher may have events sent there. */
static bool
trace_may(struct net *n, struct conn *c, struct nats_view dest)
{
    if (trace_could(c, dest))
        return true;
    client_pub_violation(n, c, NATS_PERM_PUBLISH, dest);
    return false;
}

static bool
trace_dest_valid(struct net *n, const struct conn *c, struct nats_view dest)
{
    char name[CONN_NAME_MAX], text[256];

    if (dest.len <= n->cfg->max_control_line && subject_valid_publish(dest.ptr, dest.len))
        return true;
    if (net_may_log(n, NET_QUIET_PROTOCOL))
        log_err("%s - Destination \"%s\" is not valid, won't be able to trace events", conn_name(c, name, sizeof(name)),
                log_quote(text, sizeof(text), dest.ptr, dest.len));
    return false;
}

enum client_traced
client_trace_read(struct net *n, struct conn *c, const struct nats_op *op, struct pub_msg *m, struct client_trace *ret)
{
    struct nats_view hdr = {op->payload, op->hdr_size}, dest = nats_hdr_find(hdr.ptr, hdr.len, trace_dest);

    if (dest.ptr == NULL || (dest.len == sizeof(trace_disabled) - 1 && memcmp(dest.ptr, trace_disabled, dest.len) == 0))
        return TRACED_NO;
    if (nats_hdr_find(hdr.ptr, hdr.len, "Nats-Trace-Origin-Account").ptr != NULL)
        return trace_disable(n, op, m) ? TRACED_NO : TRACED_AGAIN;
    struct nats_view only = nats_hdr_find(hdr.ptr, hdr.len, "Nats-Trace-Only");
    *ret = (struct client_trace){
        .dest = dest,
        .hdr = hdr,
        .size = op->size,
        .only = view_is(only, "1") || view_is(only, "true") || view_is(only, "on"),
    };
    if (!trace_dest_valid(n, c, dest))
        return ret->only ? TRACED_DROP : TRACED_NO;
    return trace_may(n, c, dest) ? TRACED_YES : TRACED_DROP;
}

/* ---- tracing ---- */

static uint32_t
trace_open(struct net *n, const struct conn *c, const struct client_trace *t, const char *error)
{
    struct msg_trace_req req = {
        .dest = t->dest,
        .hdr = t->hdr,
        .size = t->size,
        .acc = c->ep.acc,
        .acc_name = {(const uint8_t *)"$G", 2},
        .from = &c->ep,
        .subject = t->subject,
        .mapped = t->mapped.ptr != NULL ? &t->mapped : NULL,
        .error = error,
        .encoding = trace_encoding(nats_hdr_find(t->hdr.ptr, t->hdr.len, "Accept-Encoding")),
        .only = t->only,
    };
    return msg_trace_open(&n->broker, &req);
}

enum err
client_trace_publish(struct net *n, struct conn *c, struct pub_msg *m, const struct client_trace *t)
{
    m->trace = trace_open(n, c, t, NULL);
    if (m->trace != 0)
        return broker_publish_traced(&n->broker, m);
    if (!t->only)
        return broker_publish(&n->broker, m);
    broker_count_in(&n->broker, m);
    return OK;
}

void
client_trace_refused(struct net *n, struct conn *c, const struct client_trace *t, const char *error)
{
    msg_trace_end(&n->broker, trace_open(n, c, t, error));
}

void
client_trace_oversized(struct net *n, struct conn *c, const uint8_t *buf, size_t len, int64_t size)
{
    struct nats_limits lim = c->lim;
    struct nats_op op;
    struct nats_bad bad;
    const uint8_t *lf = memchr(buf, '\n', len);

    lim.max_payload = -1;
    if (lf == NULL || nats_parse(buf, len, &lim, &op, &bad) != NATS_MORE || op.kind != NATS_HPUB)
        return;
    struct nats_view hdr = {lf + 1, len - (size_t)(lf + 1 - buf)};
    const uint8_t *end = hdr.len > 0 ? memmem(hdr.ptr, hdr.len, "\r\n\r\n", 4) : NULL;
    if (end != NULL)
        hdr.len = (size_t)(end + 4 - hdr.ptr);
    struct client_trace t = {.dest = nats_hdr_find(hdr.ptr, hdr.len, trace_dest), .hdr = hdr, .size = (uint32_t)size, .subject = {op.subject, op.subject_len}};
    if (t.dest.ptr == NULL || t.dest.len > n->cfg->max_control_line || !subject_valid_publish(t.dest.ptr, t.dest.len) || !trace_could(c, t.dest))
        return;
    client_trace_refused(n, c, &t, "maximum payload exceeded");
}
