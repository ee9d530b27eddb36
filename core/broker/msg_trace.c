#include "core/broker/msg_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/broker/msg_trace_priv.h"
#include "core/rt/fault.h"
#include "proto/json_write.h"
#include "proto/nats_hdr.h"
#include "proto/stored.h"

enum {
    TRACE_FIELDS_MAX = 512,    /* of a header block that an event shows */
    TRACE_ENTRY_LEN = 192,     /* of an event's entry, without its names */
    TRACE_SERVER_LEN = 16384,  /* of what names the server */
    TRACE_HEAD_LEN = 128,      /* of a message before its body */
    TRACE_INLINE_MAX = 2048,   /* longer parts travel by reference */
    TRACE_BYTES_MIN = 2048,
    TRACE_ID_MASK = MSG_TRACE_ONLY - 1,
    TRACE_GEN_MASK = TRACE_ID_MASK / MSG_TRACES_MAX / 2,
};

/* Bytes that grow in the shard's pool. */
struct trace_bytes {
    uint8_t *p;
    uint32_t len, cap;
    bool cut; /* something did not fit, or there was no memory for it */
};

struct trace_slot {
    uint32_t id;       /* 0: free */
    uint32_t acc;
    int32_t n_claims;  /* answers to come */
    uint32_t dest_len;
    enum msg_trace_encoding encoding;
    bool done;         /* waits for room in mailboxes */
    int64_t deadline_ns;
    struct trace_bytes bytes; /* the destination; then the event from "request" on, but for its end */
};

/* What answers one claim. */
struct trace_part {
    uint32_t trace, n_claims, len;
    bool cut;
};

/* A part that waits for room in a mailbox. */
struct trace_waiting {
    struct trace_waiting *next;
    struct trace_part part;
    uint32_t cap, to;
    uint8_t bytes[];
};

struct msg_tracing {
    struct broker *b;
    struct timer timer; /* the first deadline */
    struct trace_bytes note; /* what becomes of the message in hand */
    uint32_t note_claims;
    uint32_t n_done;
    uint32_t next_slot, gen;
    uint64_t seq;
    struct trace_waiting *waiting, **waiting_end;
    uint32_t n_waiting;
    struct trace_slot slots[MSG_TRACES_MAX];
};

static const char egress_no_echo[] = "Not delivered because of no echo";
static const char egress_denied[] = "Not delivered because subscription denies this subject";
static const char egress_closed[] = "Not delivered because client is closed";

static void trace_finish(struct broker *b, struct trace_slot *s);

/* ---- bytes ---- */

static void
bytes_free(struct broker *b, struct trace_bytes *t)
{
    if (t->p != NULL)
        bufpool_give(b->sh->bufs, t->p, t->cap);
    *t = (struct trace_bytes){0};
}

/* Room for n more bytes. False: there is none to be had; what should have gone there is cut. */
static bool
bytes_room(struct broker *b, struct trace_bytes *t, uint64_t n)
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

/* A position to write n bytes at; bytes_end when they are written. */
static struct out
bytes_begin(const struct trace_bytes *t, uint64_t n)
{
    struct out o;
    out_init(&o, (char *)t->p + t->len, n);
    return o;
}

static void
bytes_end(struct trace_bytes *t, const struct out *o)
{
    ASSERT(!o->full); /* bytes_room was asked for the most it can be */
    t->len += (uint32_t)o->len;
}

static void
bytes_add(struct broker *b, struct trace_bytes *t, const uint8_t *p, uint32_t n)
{
    if (n == 0 || !bytes_room(b, t, n))
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

/* ---- opening ---- */

/* False: no memory. */
static bool
open_request(struct broker *b, struct trace_bytes *t, const struct msg_trace_req *req)
{
    uint32_t cap, n = 0;
    struct nats_hdr_field *fields = bufpool_take(b->sh->bufs, TRACE_FIELDS_MAX * sizeof(*fields), &cap);

    if (fields == NULL)
        return false;
    for (size_t off = 0; n < TRACE_FIELDS_MAX && nats_hdr_next(req->hdr.ptr, req->hdr.len, &off, &fields[n]);)
        n++;
    qsort(fields, n, sizeof(*fields), field_compare);
    uint64_t most = JSON_WRITE_MAX(req->hdr.len) + n * 8 + TRACE_ENTRY_LEN;
    bool ok = bytes_room(b, t, most);
    if (ok) {
        struct out o = bytes_begin(t, most);
        out_str(&o, "\"request\":{\"header\":");
        put_fields(&o, fields, n);
        out_str(&o, ",\"msgsize\":");
        out_u64(&o, req->size);
        out_str(&o, "},\"events\":[");
        bytes_end(t, &o);
    }
    bufpool_give(b->sh->bufs, fields, cap);
    return ok;
}

/* Ingress, and what the subject was mapped to. */
static bool
open_ingress(struct broker *b, struct trace_bytes *t, const struct msg_trace_req *req)
{
    struct broker_who who = {0};

    b->ops->get_who(b, req->from, &who);
    size_t mapped_len = req->mapped != NULL ? req->mapped->len : 0, error_len = req->error != NULL ? strlen(req->error) : 0;
    uint64_t most = JSON_WRITE_MAX(who.name_len + req->acc_name.len + req->subject.len + mapped_len + error_len) + 2 * TRACE_ENTRY_LEN;
    if (!bytes_room(b, t, most))
        return false;
    struct out o = bytes_begin(t, most);
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
    bytes_end(t, &o);
    return true;
}

/* Make the timer come for whatever waits: an answer that is late, or memory that was not there. */
static void
trace_arm(struct msg_tracing *tr, int64_t now_ns)
{
    int64_t next_ns = tr->waiting != NULL || tr->n_done > 0 ? now_ns + MSG_TRACE_TIMEOUT_NS : INT64_MAX;

    for (uint32_t i = 0; i < MSG_TRACES_MAX; i++) {
        if (tr->slots[i].id != 0 && !tr->slots[i].done)
            next_ns = min_i64(next_ns, tr->slots[i].deadline_ns);
    }
    if (next_ns != INT64_MAX)
        timer_arm(&tr->b->sh->timers, &tr->timer, next_ns);
}

static void
trace_on_timer(struct timer *t, int64_t now_ns)
{
    struct msg_tracing *tr = CONTAINER_OF(t, struct msg_tracing, timer);

    msg_trace_resume(tr->b);
    for (uint32_t i = 0; i < MSG_TRACES_MAX; i++) {
        struct trace_slot *s = &tr->slots[i];
        if (s->id == 0 || s->done || s->deadline_ns > now_ns)
            continue;
        s->bytes.cut = true;
        trace_finish(tr->b, s);
    }
    trace_arm(tr, now_ns);
}

static struct msg_tracing *
tracing_of(struct broker *b)
{
    if (b->tracing == NULL) {
        struct msg_tracing *tr = fault_calloc(1, sizeof(*tr));
        if (tr == NULL)
            return NULL;
        tr->b = b;
        tr->timer.fn = trace_on_timer;
        tr->waiting_end = &tr->waiting;
        b->tracing = tr;
    }
    return b->tracing;
}

static struct trace_slot *
slot_take(struct msg_tracing *tr)
{
    for (uint32_t i = 0; i < MSG_TRACES_MAX; i++) {
        uint32_t at = tr->next_slot++ % MSG_TRACES_MAX;
        if (tr->slots[at].id != 0)
            continue;
        tr->gen = (tr->gen + 1) & TRACE_GEN_MASK;
        tr->slots[at] = (struct trace_slot){.id = tr->gen * MSG_TRACES_MAX + at + 1};
        return &tr->slots[at];
    }
    return NULL;
}

static void
slot_give(struct broker *b, struct trace_slot *s)
{
    b->tracing->n_done -= s->done;
    bytes_free(b, &s->bytes);
    s->id = 0;
}

/* The open trace of this id; NULL: it is none any more. */
static struct trace_slot *
slot_find(struct broker *b, uint32_t trace)
{
    uint32_t id = trace & TRACE_ID_MASK;

    if (b->tracing == NULL || id == 0)
        return NULL;
    struct trace_slot *s = &b->tracing->slots[(id - 1) % MSG_TRACES_MAX];
    return s->id == id ? s : NULL;
}

uint32_t
msg_trace_open(struct broker *b, const struct msg_trace_req *req)
{
    struct msg_tracing *tr = tracing_of(b);
    struct trace_slot *s = tr != NULL ? slot_take(tr) : NULL;

    if (s == NULL) {
        COUNT(&b->sh->counters, traces_refused, 1);
        return 0;
    }
    s->acc = req->acc;
    s->encoding = req->encoding;
    s->n_claims = 1;
    s->dest_len = (uint32_t)req->dest.len;
    s->deadline_ns = b->sh->now + MSG_TRACE_TIMEOUT_NS;
    bytes_add(b, &s->bytes, req->dest.ptr, s->dest_len);
    if (s->bytes.cut || !open_request(b, &s->bytes, req) || !open_ingress(b, &s->bytes, req)) {
        slot_give(b, s);
        COUNT(&b->sh->counters, traces_refused, 1);
        return 0;
    }
    return s->id | (req->only ? MSG_TRACE_ONLY : 0);
}

void
msg_trace_drop(struct broker *b, uint32_t trace)
{
    struct trace_slot *s = slot_find(b, trace);

    if (s != NULL)
        slot_give(b, s);
}

void
msg_trace_end(struct broker *b, uint32_t trace)
{
    struct trace_slot *s = slot_find(b, trace);

    if (s != NULL)
        trace_finish(b, s);
}

/* ---- noting ---- */

bool
msg_trace_note(struct broker *b)
{
    struct msg_tracing *tr = tracing_of(b);

    if (tr == NULL)
        return false;
    tr->note.len = 0;
    tr->note.cut = false;
    tr->note_claims = 0;
    return true;
}

void
msg_trace_claim(struct broker *b, uint32_t n)
{
    if (b->tracing != NULL)
        b->tracing->note_claims += n;
}

/* {"type":"eg",..} for sub, behind a comma. */
static void
note_egress(struct broker *b, uint32_t sub, const struct endpoint *ep, const char *error)
{
    struct broker_who who = {0};
    uint32_t subject_len, queue_len, acc;

    if (b->tracing == NULL)
        return;
    struct trace_bytes *t = &b->tracing->note;
    b->ops->get_who(b, ep, &who);
    const uint8_t *subject = interest_subject(b->ix, sub, &subject_len, &acc);
    const uint8_t *queue = interest_queue(b->ix, sub, &queue_len);
    uint64_t most = JSON_WRITE_MAX(who.name_len + subject_len + queue_len) + TRACE_ENTRY_LEN;
    if (!bytes_room(b, t, most))
        return;
    struct out o = bytes_begin(t, most);
    out_byte(&o, ',');
    put_event(b, &o, "eg");
    put_who(&o, &who);
    put_pair(&o, "sub", (struct nats_view){subject, subject_len});
    if (queue_len > 0)
        put_pair(&o, "queue", (struct nats_view){queue, queue_len});
    put_error(&o, error);
    out_byte(&o, '}');
    bytes_end(t, &o);
}

/* Why sub cannot take m now; NULL: it can. */
static const char *
egress_error(struct broker *b, uint32_t sub, struct endpoint *ep, const struct pub_msg *m)
{
    if ((ep->flags & EP_DEAD) != 0)
        return egress_closed;
    if (ep == m->from && (ep->flags & EP_ECHO) == 0)
        return egress_no_echo;
    return (ep->flags & EP_CHECKED) == 0 || b->ops->may_take(b, ep, sub, m) ? NULL : egress_denied;
}

bool
msg_trace_deliver(struct broker *b, uint32_t sub, const struct pub_msg *m)
{
    const struct sub *s = interest_sub(b->ix, sub);

    if ((s->flags & SUB_DEAD) != 0)
        return false; /* to everybody else it is gone already */
    struct endpoint *ep = broker_ep(b, s->ep);
    const char *error = egress_error(b, sub, ep, m);
    /* Noted first: a subscription that this message exhausts shows what it was. */
    note_egress(b, sub, ep, error);
    if (error != NULL)
        return false;
    return (m->trace & MSG_TRACE_ONLY) != 0 || broker_deliver(b, sub, m);
}

uint32_t
msg_trace_deliver_lists(struct broker *b, const struct match *mt, const struct pub_msg *m)
{
    uint32_t n_taken = 0;

    for (uint32_t l = 0; l < mt->n_lists; l++) {
        const uint32_t *subs = sublist_items(mt->lists[l]);
        for (uint32_t i = 0, n = mt->lists[l]->n; i < n; i++)
            n_taken += msg_trace_deliver(b, subs[i], m);
    }
    return n_taken;
}

void
msg_trace_refused(struct broker *b, const struct match_group *g, const struct pub_msg *m)
{
    for (uint32_t p = 0; p < g->n_parts; p++) {
        const uint32_t *subs = sublist_items(&g->parts[p]->members);
        for (uint32_t i = 0, n = g->parts[p]->members.n; i < n; i++) {
            const struct sub *s = interest_sub(b->ix, subs[i]);
            struct endpoint *ep = broker_ep(b, s->ep);
            if ((s->flags & SUB_DEAD) == 0)
                note_egress(b, subs[i], ep, egress_error(b, subs[i], ep, m));
        }
    }
}

/* ---- telling ---- */

/* An answer to one claim. */
static void
trace_apply(struct broker *b, const struct trace_part *part, const uint8_t *p)
{
    struct trace_slot *s = slot_find(b, part->trace);

    if (s == NULL || s->done)
        return; /* too late */
    bytes_add(b, &s->bytes, p, part->len);
    s->bytes.cut |= part->cut;
    s->n_claims += (int32_t)part->n_claims - 1;
    if (s->n_claims <= 0)
        trace_finish(b, s);
    else if (!timer_armed(&b->tracing->timer))
        trace_arm(b->tracing, b->sh->now);
}

/* Put a part into the mailbox. False: no room, or no memory. */
static bool
part_push(struct broker *b, uint32_t to, const struct trace_part *part, const uint8_t *p)
{
    uint32_t len = part->len;
    struct mbox_buf *buf = NULL;
    bool by_ref = len > TRACE_INLINE_MAX;
    uint64_t rec_len = sizeof(struct record_trace_part) + (by_ref ? sizeof(const uint8_t *) : len);

    if (!broker_forward_room(b, to, rec_len, by_ref ? len : 0))
        return false;
    if (by_ref && (buf = broker_forward_buf(b, len)) == NULL)
        return false;
    struct record_trace_part *r = (void *)shard_push(b->sh, to, RECORD_TRACE_PART, rec_len);
    r->rec.flags = (uint8_t)((by_ref ? RECORD_PART_REF : 0) | (part->cut ? RECORD_PART_CUT : 0));
    r->trace = part->trace;
    r->n_claims = part->n_claims;
    r->len = len;
    if (by_ref) {
        const uint8_t *ref = buf->bytes;
        memcpy(buf->bytes, p, len);
        memcpy(r->bytes, &ref, sizeof(ref));
        mbox_push_ref(b->sh->out[to], buf, len);
        broker_forward_unref(b, buf);
    } else if (len > 0) {
        memcpy(r->bytes, p, len);
    }
    return true;
}

/* Keep a part until there is room. Without memory it is lost, and the event goes out without it. */
static void
part_keep(struct broker *b, uint32_t to, const struct trace_part *part, const uint8_t *p)
{
    struct msg_tracing *tr = b->tracing;
    uint32_t cap, len = part->len;
    struct trace_waiting *w = tr->n_waiting < MSG_TRACE_WAITING_MAX ? bufpool_take(b->sh->bufs, (uint32_t)sizeof(*w) + len, &cap) : NULL;

    if (w == NULL)
        return;
    *w = (struct trace_waiting){.cap = cap, .to = to, .part = *part};
    if (len > 0)
        memcpy(w->bytes, p, len);
    *tr->waiting_end = w;
    tr->waiting_end = &w->next;
    tr->n_waiting++;
    if (!timer_armed(&tr->timer))
        trace_arm(tr, b->sh->now);
}

void
msg_trace_tell(struct broker *b, const struct pub_msg *m)
{
    struct msg_tracing *tr = b->tracing;

    if (tr == NULL)
        return; /* without memory: the one who waits will not wait for ever */
    struct trace_bytes *t = &tr->note;
    struct trace_part part = {.trace = m->trace, .n_claims = tr->note_claims, .len = t->len, .cut = t->cut};
    if (m->from_shard == b->sh->id)
        trace_apply(b, &part, t->p);
    else if (tr->waiting != NULL || !part_push(b, m->from_shard, &part, t->p))
        part_keep(b, m->from_shard, &part, t->p);
    if (t->cap > TRACE_BYTES_MIN)
        bytes_free(b, t);
}

void
msg_trace_on_part(struct broker *b, const struct mbox_rec *rec)
{
    const struct record_trace_part *r = (const struct record_trace_part *)(const void *)rec;
    const uint8_t *p = r->bytes;

    struct trace_part part = {.trace = r->trace, .n_claims = r->n_claims, .len = r->len, .cut = (r->rec.flags & RECORD_PART_CUT) != 0};
    if ((r->rec.flags & RECORD_PART_REF) != 0)
        memcpy(&p, r->bytes, sizeof(p));
    trace_apply(b, &part, p);
}

void
msg_trace_resume(struct broker *b)
{
    struct msg_tracing *tr = b->tracing;

    while (tr->waiting != NULL) {
        struct trace_waiting *w = tr->waiting;
        if (!part_push(b, w->to, &w->part, w->bytes))
            break;
        tr->waiting = w->next;
        if (tr->waiting == NULL)
            tr->waiting_end = &tr->waiting;
        tr->n_waiting--;
        bufpool_give(b->sh->bufs, w, w->cap);
    }
    for (uint32_t i = 0; tr->n_done > 0 && i < MSG_TRACES_MAX; i++) {
        if (tr->slots[i].id != 0 && tr->slots[i].done)
            trace_finish(b, &tr->slots[i]);
    }
}

/* ---- the event ---- */

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
finish_json(struct broker *b, struct trace_slot *s, struct trace_bytes *ret)
{
    uint32_t len = s->bytes.len - s->dest_len;

    *ret = (struct trace_bytes){0};
    ret->p = bufpool_take(b->sh->bufs, len + TRACE_SERVER_LEN, &ret->cap);
    if (ret->p == NULL)
        return false;
    struct out o = bytes_begin(ret, ret->cap);
    out_str(&o, "{\"server\":{");
    b->ops->put_server(b, &o);
    out_str(&o, ",\"seq\":");
    out_u64(&o, b->tracing->seq * b->sh->n_shards + b->sh->id + 1); /* grows, and no two of a server are the same */
    out_str(&o, ",\"time\":");
    put_time(&o, io_wall(b->sh->io));
    out_str(&o, "},");
    out_bytes(&o, s->bytes.p + s->dest_len, len);
    out_str(&o, "]}");
    if (o.full) {
        bytes_free(b, ret);
        return false;
    }
    bytes_end(ret, &o);
    return true;
}

/* The event as a publish: m's tail is in *ret. False: no memory. */
static bool
finish_msg(struct broker *b, struct trace_slot *s, struct pub_msg *ret_m, struct trace_bytes *ret)
{
    const char *hdr = trace_hdrs[s->encoding];
    uint32_t hdr_len = (uint32_t)strlen(hdr);
    struct trace_bytes json;

    if (!finish_json(b, s, &json))
        return false;
    uint32_t len = (uint32_t)encoded_len(s->encoding, json.len);
    *ret = (struct trace_bytes){0};
    ret->p = bufpool_take(b->sh->bufs, len + TRACE_HEAD_LEN + 2, &ret->cap);
    if (ret->p != NULL) {
        char *to = (char *)ret->p;
        int n = hdr_len > 0 ? snprintf(to, TRACE_HEAD_LEN, " %u %u\r\n", hdr_len, hdr_len + len) : snprintf(to, TRACE_HEAD_LEN, " %u\r\n", len);
        uint32_t off = (uint32_t)n;
        memcpy(to + off, hdr, hdr_len);
        encode(s->encoding, json.p, json.len, ret->p + off + hdr_len);
        ret->len = off + hdr_len + len + 2;
        memcpy(to + ret->len - 2, "\r\n", 2);
        *ret_m = (struct pub_msg){
            .subject = s->bytes.p,
            .subject_len = s->dest_len,
            .tail = ret->p,
            .tail_len = ret->len,
            .payload_off = off,
            .hdr_len = hdr_len,
            .hdr = hdr_len > 0,
            .acc = s->acc,
            .from_shard = (uint8_t)b->sh->id,
        };
    }
    bytes_free(b, &json);
    return ret->p != NULL;
}

/* Send the event; where a mailbox has no room for it, later. */
static void
trace_finish(struct broker *b, struct trace_slot *s)
{
    struct trace_bytes tail;
    struct pub_msg m;
    enum err e = finish_msg(b, s, &m, &tail) ? OK : ERR_NOMEM;

    if (e == OK) {
        e = broker_publish_own(b, &m);
        bytes_free(b, &tail);
    }
    if (e == ERR_AGAIN) {
        b->tracing->n_done += !s->done;
        s->done = true;
        return;
    }
    b->tracing->seq += e == OK;
    COUNT(&b->sh->counters, traces, e == OK);
    COUNT(&b->sh->counters, traces_refused, e != OK);
    COUNT(&b->sh->counters, traces_cut, e == OK && s->bytes.cut);
    slot_give(b, s);
}

void
msg_trace_fini(struct broker *b)
{
    struct msg_tracing *tr = b->tracing;

    if (tr == NULL)
        return;
    timer_disarm(&b->sh->timers, &tr->timer);
    while (tr->waiting != NULL) {
        struct trace_waiting *w = tr->waiting;
        tr->waiting = w->next;
        bufpool_give(b->sh->bufs, w, w->cap);
    }
    for (uint32_t i = 0; i < MSG_TRACES_MAX; i++)
        bytes_free(b, &tr->slots[i].bytes);
    bytes_free(b, &tr->note);
    free(tr);
    b->tracing = NULL;
}
