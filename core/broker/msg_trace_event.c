/* The event of a trace, as JSON and as a message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/broker/msg_trace_priv.h"
#include "proto/json_write.h"
#include "proto/nats_hdr.h"
#include "proto/stored.h"

enum {
    TRACE_BYTES_MIN = 2048,
    TRACE_FIELDS_MAX = 512,    /* of a header block that an event shows */
    TRACE_ENTRY_LEN = 192,     /* of an event's entry, without its names */
    TRACE_SERVER_LEN = 16384,  /* of what names the server */
    TRACE_HEAD_LEN = 128,      /* of a message before its body */
};

/* ---- bytes ---- */

void
trace_bytes_free(struct broker *b, struct trace_bytes *t)
{
    if (t->p != NULL)
        bufpool_give(b->sh->bufs, t->p, t->cap);
    *t = (struct trace_bytes){0};
}

/* Room for n more bytes. False: there is none to be had; what should have gone there is cut. */
static bool
trace_bytes_room(struct broker *b, struct trace_bytes *t, uint64_t n)
{
    uint64_t want = t->len + n;
    uint32_t cap;

    if (want <= t->cap)
        return true;
    if (want < 2 * (uint64_t)t->cap)
        want = 2 * (uint64_t)t->cap;
    uint8_t *p = t->len + n > MSG_TRACE_LEN_MAX ? NULL : bufpool_take(b->sh->bufs, (uint32_t)max_u64(want, TRACE_BYTES_MIN), &cap);
    if (p == NULL) {
        t->cut = true;
        return false;
    }
    if (t->len > 0)
        memcpy(p, t->p, t->len);
    if (t->p != NULL)
        bufpool_give(b->sh->bufs, t->p, t->cap);
    t->p = p;
    t->cap = cap;
    return true;
}

/* A position to write n bytes at; trace_bytes_end when they are written. */
static struct out
trace_bytes_begin(const struct trace_bytes *t, uint64_t n)
{
    struct out o;
    out_init(&o, (char *)t->p + t->len, n);
    return o;
}

static void
trace_bytes_end(struct trace_bytes *t, const struct out *o)
{
    ASSERT(!o->full); /* trace_bytes_room was asked for the most it can be */
    t->len += (uint32_t)o->len;
}

void
trace_bytes_add(struct broker *b, struct trace_bytes *t, const uint8_t *p, uint32_t n)
{
    if (n == 0 || !trace_bytes_room(b, t, n))
        return;
    memcpy(t->p + t->len, p, n);
    t->len += n;
}

/* ---- JSON ---- */

static void
put_view(struct out *o, struct nats_view v)
{
    json_write_str(o, (const char *)v.ptr, v.len);
}

/* RFC 3339 in UTC with as many digits of a second as it takes, as Go has it. */
static void
put_time(struct out *o, int64_t wall_ns)
{
    time_t s = (time_t)(wall_ns / NS_PER_S);
    uint32_t ns = (uint32_t)(wall_ns % NS_PER_S), digits = 9;
    char text[48];
    struct tm tm;

    (void)gmtime_r(&s, &tm);
    int n = snprintf(text, sizeof(text), "\"%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    out_bytes(o, text, (size_t)n);
    for (; digits > 0 && ns % 10 == 0; ns /= 10)
        digits--;
    if (digits > 0) {
        n = snprintf(text, sizeof(text), ".%0*u", (int)digits, ns);
        out_bytes(o, text, (size_t)n);
    }
    out_str(o, "Z\"");
}

/* {"type":"..","ts":".." */
static void
put_event(struct broker *b, struct out *o, const char *type)
{
    out_str(o, "{\"type\":\"");
    out_str(o, type);
    out_str(o, "\",\"ts\":");
    put_time(o, io_wall(b->sh->io));
}

/* ,"kind":0,"cid":7,"name":".." */
static void
put_who(struct out *o, const struct broker_who *who)
{
    out_str(o, ",\"kind\":0,\"cid\":");
    out_u64(o, who->cid);
    if (who->name_len > 0) {
        out_str(o, ",\"name\":");
        json_write_str(o, who->name, who->name_len);
    }
}

/* ,"key":"value" */
static void
put_pair(struct out *o, const char *key, struct nats_view value)
{
    out_str(o, ",\"");
    out_str(o, key);
    out_str(o, "\":");
    put_view(o, value);
}

static void
put_error(struct out *o, const char *error)
{
    if (error != NULL)
        put_pair(o, "error", (struct nats_view){(const uint8_t *)error, strlen(error)});
}

/* By name, and those of one name in their order. */
static int
field_compare(const void *a, const void *b)
{
    const struct nats_hdr_field *x = a, *y = b;
    size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    int c = memcmp(x->name.ptr, y->name.ptr, n);

    if (c == 0 && x->name.len != y->name.len)
        c = x->name.len < y->name.len ? -1 : 1;
    if (c == 0)
        c = x->name.ptr < y->name.ptr ? -1 : 1;
    return c;
}

static bool
field_same(const struct nats_hdr_field *a, const struct nats_hdr_field *b)
{
    return a->name.len == b->name.len && memcmp(a->name.ptr, b->name.ptr, a->name.len) == 0;
}

/* {"Name":["value",..],..} as Go writes a map: sorted. */
static void
put_fields(struct out *o, const struct nats_hdr_field *fields, uint32_t n)
{
    out_byte(o, '{');
    for (uint32_t i = 0; i < n; i++) {
        bool first = i == 0 || !field_same(&fields[i - 1], &fields[i]);
        if (i > 0)
            out_str(o, first ? "]," : ",");
        if (first) {
            put_view(o, fields[i].name);
            out_str(o, ":[");
        }
        put_view(o, fields[i].value);
    }
    out_str(o, n > 0 ? "]}" : "}");
}

/* ---- entries ---- */

bool
event_request(struct broker *b, struct trace_bytes *t, const struct msg_trace_req *req)
{
    uint32_t cap, n = 0;
    struct nats_hdr_field *fields = bufpool_take(b->sh->bufs, TRACE_FIELDS_MAX * sizeof(*fields), &cap);

    if (fields == NULL)
        return false;
    for (size_t off = 0; n < TRACE_FIELDS_MAX && nats_hdr_next(req->hdr.ptr, req->hdr.len, &off, &fields[n]);)
        n++;
    qsort(fields, n, sizeof(*fields), field_compare);
    uint64_t most = JSON_WRITE_MAX(req->hdr.len) + n * 8 + TRACE_ENTRY_LEN;
    bool ok = trace_bytes_room(b, t, most);
    if (ok) {
        struct out o = trace_bytes_begin(t, most);
        out_str(&o, "\"request\":{\"header\":");
        put_fields(&o, fields, n);
        out_str(&o, ",\"msgsize\":");
        out_u64(&o, req->size);
        out_str(&o, "},\"events\":[");
        trace_bytes_end(t, &o);
    }
    bufpool_give(b->sh->bufs, fields, cap);
    return ok;
}

bool
event_ingress(struct broker *b, struct trace_bytes *t, const struct msg_trace_req *req)
{
    struct broker_who who = {0};

    b->ops->get_who(b, req->from, &who);
    size_t mapped_len = req->mapped != NULL ? req->mapped->len : 0, error_len = req->error != NULL ? strlen(req->error) : 0;
    uint64_t most = JSON_WRITE_MAX(who.name_len + req->acc_name.len + req->subject.len + mapped_len + error_len) + 2 * TRACE_ENTRY_LEN;
    if (!trace_bytes_room(b, t, most))
        return false;
    struct out o = trace_bytes_begin(t, most);
    put_event(b, &o, "in");
    put_who(&o, &who);
    put_pair(&o, "acc", req->acc_name);
    put_pair(&o, "subj", req->subject);
    put_error(&o, req->error);
    out_byte(&o, '}');
    if (req->mapped != NULL) {
        out_byte(&o, ',');
        put_event(b, &o, "sm");
        put_pair(&o, "to", *req->mapped);
        out_byte(&o, '}');
    }
    trace_bytes_end(t, &o);
    return true;
}

void
event_egress(struct broker *b, struct trace_bytes *t, uint32_t sub, const struct endpoint *ep, const char *error)
{
    struct broker_who who = {0};
    uint32_t subject_len, queue_len, acc;

    b->ops->get_who(b, ep, &who);
    const uint8_t *subject = interest_subject(b->ix, sub, &subject_len, &acc);
    const uint8_t *queue = interest_queue(b->ix, sub, &queue_len);
    uint64_t most = JSON_WRITE_MAX(who.name_len + subject_len + queue_len) + TRACE_ENTRY_LEN;
    if (!trace_bytes_room(b, t, most))
        return;
    struct out o = trace_bytes_begin(t, most);
    out_byte(&o, ',');
    put_event(b, &o, "eg");
    put_who(&o, &who);
    put_pair(&o, "sub", (struct nats_view){subject, subject_len});
    if (queue_len > 0)
        put_pair(&o, "queue", (struct nats_view){queue, queue_len});
    put_error(&o, error);
    out_byte(&o, '}');
    trace_bytes_end(t, &o);
}

/* ---- the message ---- */

static const char *const trace_hdrs[] = {
    [MSG_TRACE_PLAIN] = "",
    [MSG_TRACE_IDENTITY] = "NATS/1.0\r\nContent-Encoding: identity\r\n\r\n",
    [MSG_TRACE_GZIP] = "NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n",
    [MSG_TRACE_SNAPPY] = "NATS/1.0\r\nContent-Encoding: snappy\r\n\r\n",
};

static size_t
encoded_len(enum msg_trace_encoding e, size_t n)
{
    return e == MSG_TRACE_GZIP ? stored_gzip_len(n) : e == MSG_TRACE_SNAPPY ? stored_snappy_len(n) : n;
}

static void
encode(enum msg_trace_encoding e, const uint8_t *p, size_t n, uint8_t *to)
{
    if (e == MSG_TRACE_GZIP)
        stored_gzip(p, n, to);
    else if (e == MSG_TRACE_SNAPPY)
        stored_snappy(p, n, to);
    else
        memcpy(to, p, n);
}

/* The whole JSON; false: no memory. */
static bool
event_json(struct broker *b, const struct trace_event *ev, struct trace_bytes *ret)
{

    *ret = (struct trace_bytes){0};
    ret->p = bufpool_take(b->sh->bufs, ev->lists_len + TRACE_SERVER_LEN, &ret->cap);
    if (ret->p == NULL)
        return false;
    struct out o = trace_bytes_begin(ret, ret->cap);
    out_str(&o, "{\"server\":{");
    b->ops->put_server(b, &o);
    out_str(&o, ",\"seq\":");
    out_u64(&o, ev->seq);
    out_str(&o, ",\"time\":");
    put_time(&o, io_wall(b->sh->io));
    out_str(&o, "},");
    out_bytes(&o, ev->lists, ev->lists_len);
    out_str(&o, "]}");
    if (o.full) {
        trace_bytes_free(b, ret);
        return false;
    }
    trace_bytes_end(ret, &o);
    return true;
}

bool
event_msg(struct broker *b, const struct trace_event *ev, struct pub_msg *ret_m, struct trace_bytes *ret)
{
    const char *hdr = trace_hdrs[ev->encoding];
    uint32_t hdr_len = (uint32_t)strlen(hdr);
    struct trace_bytes json;

    if (!event_json(b, ev, &json))
        return false;
    uint32_t len = (uint32_t)encoded_len(ev->encoding, json.len);
    *ret = (struct trace_bytes){0};
    ret->p = bufpool_take(b->sh->bufs, len + TRACE_HEAD_LEN + 2, &ret->cap);
    if (ret->p != NULL) {
        char *to = (char *)ret->p;
        int n = hdr_len > 0 ? snprintf(to, TRACE_HEAD_LEN, " %u %u\r\n", hdr_len, hdr_len + len) : snprintf(to, TRACE_HEAD_LEN, " %u\r\n", len);
        uint32_t off = (uint32_t)n;
        memcpy(to + off, hdr, hdr_len);
        encode(ev->encoding, json.p, json.len, ret->p + off + hdr_len);
        ret->len = off + hdr_len + len + 2;
        memcpy(to + ret->len - 2, "\r\n", 2);
        *ret_m = (struct pub_msg){
            .subject = ev->dest.ptr,
            .subject_len = (uint32_t)ev->dest.len,
            .tail = ret->p,
            .tail_len = ret->len,
            .payload_off = off,
            .hdr_len = hdr_len,
            .hdr = hdr_len > 0,
            .acc = ev->acc,
            .from_shard = (uint8_t)b->sh->id,
        };
    }
    trace_bytes_free(b, &json);
    return ret->p != NULL;
}
