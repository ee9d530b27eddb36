#include "core/broker/msg_trace.h"

#include <stdlib.h>
#include <string.h>

#include "core/broker/msg_trace_priv.h"
#include "core/rt/fault.h"

enum {
    TRACE_INLINE_MAX = 2048,   /* longer parts travel by reference */
    TRACE_NOTE_WORK = 2,       /* of the turn's budget, which counts deliveries: what a note costs beside one */
    TRACE_NOTE_KEPT = 2048,    /* room for notes that stays from message to message */
    TRACE_ID_MASK = MSG_TRACE_ONLY - 1,
    TRACE_GEN_MASK = TRACE_ID_MASK / MSG_TRACES_MAX / 2,
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
static const char egress_slow[] = "Not delivered because fast producer not stalled and consumer is slow";
static const char egress_denied[] = "Not delivered because subscription denies this subject";
static const char egress_closed[] = "Not delivered because client is closed";

static void trace_finish(struct broker *b, struct trace_slot *s);

/* ---- opening ---- */

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
    trace_bytes_free(b, &s->bytes);
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
    trace_bytes_add(b, &s->bytes, req->dest.ptr, s->dest_len);
    if (s->bytes.cut || !event_request(b, &s->bytes, req) || !event_ingress(b, &s->bytes, req)) {
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

static void
note_egress(struct broker *b, uint32_t sub, const struct endpoint *ep, const char *error)
{
    b->sh->work_left -= TRACE_NOTE_WORK;
    if (b->tracing != NULL)
        event_egress(b, &b->tracing->note, sub, ep, error);
}

/* Why sub cannot take m now; NULL: it can. */
static const char *
egress_error(struct broker *b, uint32_t sub, struct endpoint *ep, const struct pub_msg *m)
{
    if ((ep->flags & EP_DEAD) != 0)
        return egress_closed;
    if (ep == m->from && (ep->flags & EP_ECHO) == 0)
        return egress_no_echo;
    if (broker_drops(b, ep, m))
        return egress_slow;
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
    trace_bytes_add(b, &s->bytes, p, part->len);
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
    if (t->cap > TRACE_NOTE_KEPT)
        trace_bytes_free(b, t);
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
        if (tr->slots[i].id == 0 || !tr->slots[i].done)
            continue;
        trace_finish(b, &tr->slots[i]);
        if (tr->slots[i].id != 0)
            break; /* still no room: the others wait, too, and are not written in vain */
    }
}

/* ---- the event ---- */

/* Send the event; where a mailbox has no room for it, later. */
static void
trace_finish(struct broker *b, struct trace_slot *s)
{
    struct trace_event ev = {
        .dest = {s->bytes.p, s->dest_len},
        .acc = s->acc,
        .encoding = s->encoding,
        .seq = b->tracing->seq * b->sh->n_shards + b->sh->id + 1, /* grows, and no two of a server are the same */
        .lists = s->bytes.p + s->dest_len,
        .lists_len = s->bytes.len - s->dest_len,
    };
    struct trace_bytes tail;
    struct pub_msg m;
    enum err e = event_msg(b, &ev, &m, &tail) ? OK : ERR_NOMEM;

    if (e == OK) {
        e = broker_publish_own(b, &m);
        trace_bytes_free(b, &tail);
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
        trace_bytes_free(b, &tr->slots[i].bytes);
    trace_bytes_free(b, &tr->note);
    free(tr);
    b->tracing = NULL;
}
