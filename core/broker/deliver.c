/* Formatting a message for a subscriber of this shard. This is where the time goes: a delivery is one reservation in the
 * subscriber's queue and three copies, "MSG subject ", sid, and everything after the sid, which stands in the
 * publisher's bytes as the subscriber needs it. */
#include <string.h>

#include "core/broker/broker.h"
#include "core/broker/broker_priv.h"
#include "core/rt/copy.h"

_Static_assert(BROKER_RUN_TAIL_MAX + 64 <= 16384, "a run's messages are reserved whole");

enum {
    DELIVER_WHOLE_MAX = 16384, /* longer messages are cut over buffers instead of wasting the rest of one */
    DELIVER_SLACK = SUB_SID_INLINE, /* a short sid is copied as one word, which may reach behind the message */
    DELIVER_FAN_HEAD = 32,     /* "MSG subject ", as it is copied for each subscriber: whole */
    DELIVER_HEAD_MAX = 64,     /* "MSG subject sid", as it is copied for each message of a run: whole */
};

/* Decimal digits of v; how many. */
static uint32_t
deliver_decimal(uint8_t *to, uint32_t v)
{
    uint8_t d[10];
    uint32_t n = 0;

    do {
        d[n++] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (uint32_t i = 0; i < n; i++)
        to[i] = d[n - 1 - i];
    return n;
}

__attribute__((cold, noinline)) static bool
deliver_no_memory(struct broker *b, struct endpoint *ep)
{
    COUNT(&b->sh->counters, bufs_refused, 1);
    ep->flags |= EP_DEAD;
    b->ops->on_no_memory(b, ep);
    return false;
}

__attribute__((cold, noinline)) static bool
deliver_slow(struct broker *b, struct endpoint *ep)
{
    COUNT(&b->sh->counters, slow_consumers_pending, 1);
    ep->flags |= EP_DEAD;
    b->ops->on_slow(b, ep);
    return false;
}

/* A message with headers for a subscriber that does not know them: headers left out, sizes made anew. */
__attribute__((noinline)) static bool
deliver_stripped(struct broker *b, struct endpoint *ep, const struct sub *s, const struct pub_msg *m)
{
    uint32_t payload_off = m->payload_off + m->hdr_len;
    uint32_t size = m->tail_len - 2 - payload_off;
    uint32_t sid_len;
    const uint8_t *sid = sub_sid(s, &sid_len);
    uint8_t num[16];
    uint32_t n = 0;

    num[n++] = ' ';
    n += deliver_decimal(num + n, size);
    num[n++] = '\r';
    num[n++] = '\n';
    struct bufpool *bp = b->sh->bufs;
    bool ok = outq_append(&ep->out, bp, "MSG ", 4) && outq_append(&ep->out, bp, m->subject, m->subject_len) &&
              outq_append(&ep->out, bp, " ", 1) && outq_append(&ep->out, bp, sid, sid_len);
    if (ok && m->reply_len > 0)
        ok = outq_append(&ep->out, bp, " ", 1) && outq_append(&ep->out, bp, m->reply, m->reply_len);
    ok = ok && outq_append(&ep->out, bp, num, n) && outq_append(&ep->out, bp, m->tail + payload_off, (uint64_t)size + 2);
    return ok || deliver_no_memory(b, ep);
}

/* A message too long for one reservation. */
__attribute__((noinline)) static bool
deliver_pieces(struct broker *b, struct endpoint *ep, const struct sub *s, const struct pub_msg *m)
{
    uint32_t sid_len;
    const uint8_t *sid = sub_sid(s, &sid_len);
    struct bufpool *bp = b->sh->bufs;

    bool ok = outq_append(&ep->out, bp, m->hdr ? "HMSG " : "MSG ", m->hdr ? 5 : 4) &&
              outq_append(&ep->out, bp, m->subject, m->subject_len) && outq_append(&ep->out, bp, " ", 1) &&
              outq_append(&ep->out, bp, sid, sid_len) && outq_append(&ep->out, bp, m->tail, m->tail_len);
    return ok || deliver_no_memory(b, ep);
}

/* Write m for s into ep's queue. */
static inline bool
deliver_format(struct broker *b, struct endpoint *ep, const struct sub *s, const struct pub_msg *m)
{
    if (UNLIKELY(m->hdr && (ep->flags & EP_HEADERS) == 0))
        return deliver_stripped(b, ep, s, m);
    uint32_t sid_len;
    const uint8_t *sid = sub_sid(s, &sid_len);
    uint32_t verb_len = UNLIKELY(m->hdr) ? 5 : 4;
    uint32_t len = verb_len + m->subject_len + 1 + sid_len + m->tail_len;
    if (UNLIKELY(len > DELIVER_WHOLE_MAX))
        return deliver_pieces(b, ep, s, m);
    uint8_t *to = outq_reserve(&ep->out, b->sh->bufs, len + DELIVER_SLACK);
    if (UNLIKELY(to == NULL))
        return deliver_no_memory(b, ep);
    if (m->hdr)
        *to++ = 'H';
    memcpy(to, "MSG ", 4);
    to = copy_short(to + 4, m->subject, m->subject_len);
    *to++ = ' ';
    if (LIKELY(sid_len <= SUB_SID_INLINE)) {
        memcpy(to, sid, SUB_SID_INLINE);
        to += sid_len;
    } else {
        to = copy_short(to, sid, sid_len);
    }
    (void)copy_short(to, m->tail, m->tail_len);
    outq_commit(&ep->out, len);
    return true;
}

/* ep's queue is past the mark where producers should slow down. */
__attribute__((cold, noinline)) static void
deliver_stall(struct broker *b, const struct pub_msg *m)
{
    if (m->from != NULL) {
        b->n_stalls++;
        b->ops->on_stall(b, m->from);
        return;
    }
    if (m->from_slot == 0 || m->from_shard == b->sh->id || !mbox_room(b->sh->out[m->from_shard], 1, sizeof(struct record_stall), 0))
        return; /* a hint; the next message brings another */
    struct record_stall *r = (void *)shard_push(b->sh, m->from_shard, RECORD_STALL, sizeof(*r));
    r->to = m->from_slot;
    r->pad = 0;
}

/* Of an endpoint that is dead or checked: whether it takes m, which it is told then. */
__attribute__((noinline)) static bool
deliver_checked(struct broker *b, struct endpoint *ep, uint32_t sub, const struct pub_msg *m)
{
    if ((ep->flags & EP_DEAD) != 0 || (ep == m->from && (ep->flags & EP_ECHO) == 0) || !b->ops->may_take(b, ep, sub, m))
        return false;
    b->ops->on_take(b, ep, m);
    return true;
}

/* m went into ep's queue, which is past that mark now. */
__attribute__((cold, noinline)) static void
deliver_pressed(struct broker *b, struct endpoint *ep, const struct pub_msg *m)
{
    if (ep->out.n_bytes > ep->n_pending_max)
        (void)deliver_slow(b, ep); /* this message counts as taken: it was queued */
    else if (!b->drops_pressed)
        deliver_stall(b, m);
}

bool
broker_deliver(struct broker *b, uint32_t sub, const struct pub_msg *m)
{
    struct sub *s = interest_sub(b->ix, sub);
    if (UNLIKELY((s->flags & SUB_DEAD) != 0))
        return false;
    struct endpoint *ep = broker_ep(b, s->ep);
    if (UNLIKELY(b->drops_pressed) && broker_drops(b, ep, m)) {
        COUNT(&b->sh->counters, deliveries_dropped, 1);
        return false;
    }
    if (UNLIKELY((ep->flags & (EP_DEAD | EP_CHECKED)) != 0 || (ep == m->from && (ep->flags & EP_ECHO) == 0))) {
        if ((ep->flags & EP_CHECKED) == 0 || !deliver_checked(b, ep, sub, m))
            return false;
    }
    if (UNLIKELY(!deliver_format(b, ep, s, m)))
        return false;
    broker_trace(b, ep, s, m);
    b->sh->work_left--;
    uint32_t payload_len = m->tail_len - 2 - m->payload_off;
    ep->out_msgs++;
    ep->out_bytes += payload_len;
    COUNT(&b->sh->counters, out_msgs, 1);
    COUNT(&b->sh->counters, out_bytes, payload_len);
    if (UNLIKELY(++s->n_lo == 0))
        s->n_hi++;
    if (UNLIKELY(s->max != 0 && s->n_lo >= s->max && s->n_hi == 0)) {
        broker_trace(b, ep, s, NULL);
        sidmap_remove(&ep->sids, b->ix, sub);
        ep->n_subs--;
        broker_bury(b, sub);
    }
    broker_mark_dirty(b, ep);
    if (UNLIKELY(ep->out.n_bytes > deliver_mark(ep)))
        deliver_pressed(b, ep, m);
    return true;
}

/* ---- fan-out ---- */

/* What is the same for all subscribers of a message. */
struct deliver_fan {
    const struct pub_msg *m;
    uint32_t head_len, payload_len;
    uint8_t head[DELIVER_FAN_HEAD]; /* "MSG subject ", and bytes that are copied and written over */
};

/* False: this message is not so simple. */
static inline bool
deliver_fan_init(struct deliver_fan *f, const struct pub_msg *m)
{
    f->m = m;
    f->payload_len = m->tail_len - 2 - m->payload_off;
    if (m->hdr || log_trace_on || m->subject_len > DELIVER_FAN_HEAD - 5 || m->tail_len > DELIVER_WHOLE_MAX / 2)
        return false;
    memcpy(f->head, "MSG ", 4);
    *copy_short(f->head + 4, m->subject, m->subject_len) = ' ';
    f->head_len = 4 + m->subject_len + 1;
    return true;
}

/* broker_deliver, but for what is counted once for all, where nothing is out of the ordinary. False: something may be; nothing was done. */
static inline bool
deliver_fan_to(struct broker *b, uint32_t sub, const struct deliver_fan *f)
{
    struct sub *s = interest_sub(b->ix, sub);
    struct endpoint *ep = broker_ep(b, s->ep);
    struct outchunk *t = ep->out.tail;
    uint32_t len = f->head_len + s->sid_len + f->m->tail_len;

    if (UNLIKELY((s->flags & SUB_DEAD) != 0 || s->max != 0 || s->sid_len > SUB_SID_INLINE || s->n_lo == UINT32_MAX))
        return false;
    if (UNLIKELY((ep->flags & (EP_DEAD | EP_CHECKED)) != 0 || ep == f->m->from || ep->out.n_bytes + len > deliver_mark(ep)))
        return false;
    if (UNLIKELY(t == NULL || t->cap - t->len < len + DELIVER_FAN_HEAD))
        return false;
    uint8_t *to = t->bytes + t->len;
    memcpy(to, f->head, DELIVER_FAN_HEAD);
    memcpy(to + f->head_len, s->sid.in, SUB_SID_INLINE);
    memcpy(to + f->head_len + s->sid_len, f->m->tail, f->m->tail_len);
    outq_commit(&ep->out, len);
    ep->out_msgs++;
    ep->out_bytes += f->payload_len;
    s->n_lo++;
    broker_mark_dirty(b, ep);
    return true;
}

__attribute__((noinline)) static uint32_t
deliver_fan(struct broker *b, const struct match *mt, const struct pub_msg *m)
{
    struct deliver_fan f;
    bool simple = deliver_fan_init(&f, m);
    uint32_t n_taken = 0, n_fan = 0;

    for (uint32_t l = 0; l < mt->n_lists; l++) {
        const struct sublist *list = mt->lists[l];
        const uint32_t *subs = sublist_items(list);
        for (uint32_t i = 0, n = list->n; i < n; i++) {
            if (LIKELY(simple && deliver_fan_to(b, subs[i], &f)))
                n_fan++;
            else
                n_taken += broker_deliver(b, subs[i], m);
        }
    }
    b->sh->work_left -= n_fan;
    COUNT(&b->sh->counters, out_msgs, n_fan);
    COUNT(&b->sh->counters, out_bytes, (uint64_t)n_fan * f.payload_len);
    return n_taken + n_fan;
}

uint32_t
broker_deliver_lists(struct broker *b, const struct match *mt, const struct pub_msg *m)
{
    if (mt->n_lists == 1 && mt->lists[0]->n == 1)
        return broker_deliver(b, sublist_items(mt->lists[0])[0], m);
    return deliver_fan(b, mt, m);
}

/* ---- runs ---- */

/* "MSG subject sid", or 0 if that is longer than DELIVER_HEAD_MAX. */
static uint32_t
deliver_head(uint8_t to[DELIVER_HEAD_MAX], const struct sub *s, const struct pub_msg *m)
{
    uint32_t sid_len;
    const uint8_t *sid = sub_sid(s, &sid_len);
    uint32_t len = 4 + m->subject_len + 1 + sid_len;

    if (len > DELIVER_HEAD_MAX)
        return 0;
    memcpy(to, "MSG ", 4);
    memcpy(to + 4, m->subject, m->subject_len);
    to[4 + m->subject_len] = ' ';
    memcpy(to + len - sid_len, sid, sid_len);
    return len;
}

/* n messages of a run went into ep's queue for s. */
static void
deliver_count(struct broker *b, struct endpoint *ep, struct sub *s, uint32_t n, uint64_t n_bytes)
{
    ep->out_msgs += n;
    ep->out_bytes += n_bytes;
    COUNT(&b->sh->counters, out_msgs, n);
    COUNT(&b->sh->counters, out_bytes, n_bytes);
    uint64_t n_sub = ((uint64_t)s->n_hi << 32 | s->n_lo) + n;
    s->n_lo = (uint32_t)n_sub;
    s->n_hi = (uint16_t)(n_sub >> 32);
    broker_mark_dirty(b, ep);
}

/* The next message of a run, into m; false: no more, or not now. */
typedef bool deliver_next(void *from, struct pub_msg *m);

/* A run for one subscriber, where nothing of a message has to be looked at but its length: what is the same for all is done once. How many were taken
 * (n_max at most); it stops where something must be looked at: the rest is for broker_deliver. */
__attribute__((always_inline)) static inline uint32_t
deliver_each(struct broker *b, uint32_t sub, struct pub_msg *m, int64_t n_max, deliver_next *next, void *from, uint64_t *ret_payload_bytes)
{
    struct sub *s = interest_sub(b->ix, sub);
    struct endpoint *ep = broker_ep(b, s->ep);
    uint8_t head[DELIVER_HEAD_MAX];
    uint32_t n = 0, head_len = deliver_head(head, s, m);
    uint64_t n_bytes = 0, mark = deliver_mark(ep);
    bool memory = true;

    *ret_payload_bytes = 0;
    if (head_len == 0 || s->max != 0 || (s->flags & SUB_DEAD) != 0 || (ep->flags & (EP_DEAD | EP_CHECKED)) != 0 || ep == m->from ||
        log_trace_on)
        return 0;
    while (n < n_max && ep->out.n_bytes <= mark && next(from, m)) {
        uint8_t *to = outq_reserve(&ep->out, b->sh->bufs, m->tail_len + DELIVER_HEAD_MAX);
        if (UNLIKELY(to == NULL)) {
            memory = false;
            break;
        }
        memcpy(to, head, DELIVER_HEAD_MAX);
        memcpy(to + head_len, m->tail, m->tail_len);
        outq_commit(&ep->out, head_len + m->tail_len);
        n_bytes += m->tail_len - 2 - m->payload_off;
        n++;
    }
    if (n > 0)
        deliver_count(b, ep, s, n, n_bytes);
    if (UNLIKELY(!memory)) {
        (void)deliver_no_memory(b, ep);
        n_bytes += m->tail_len - 2 - m->payload_off;
        n++;
    } else if (UNLIKELY(n > 0 && ep->out.n_bytes > mark)) {
        deliver_pressed(b, ep, m);
    }
    *ret_payload_bytes = n_bytes;
    return n;
}

static inline bool
deliver_next_record(void *from, struct pub_msg *m)
{
    const struct mbox_rec *rec = mbox_take_type(from, RECORD_MORE);

    if (UNLIKELY(rec == NULL))
        return false;
    record_more_msg((const struct record_more *)(const void *)rec, m);
    return true;
}

static inline bool
deliver_next_publish(void *from, struct pub_msg *m)
{
    return broker_next_of_run(from, m);
}

uint32_t
broker_deliver_stream(struct broker *b, uint32_t sub, struct pub_msg *m, struct nats_run *run, uint64_t *ret_payload_bytes)
{
    return deliver_each(b, sub, m, b->sh->work_left / 2, deliver_next_publish, run, ret_payload_bytes);
}

void
broker_deliver_run(struct broker *b, const struct match *mt, struct pub_msg *m, struct mbox *box)
{
    const struct mbox_rec *rec;

    if (LIKELY(mt->n_lists == 1 && mt->lists[0]->n == 1)) {
        uint64_t payload_bytes;
        uint32_t n = deliver_each(b, sublist_items(mt->lists[0])[0], m, b->sh->work_left / 2, deliver_next_record, box, &payload_bytes);
        COUNT(&b->sh->counters, mbox_msgs_in, n);
        b->sh->work_left -= 2 * (int64_t)n; /* the record and the delivery */
    }
    while (b->sh->work_left > 0 && (rec = mbox_take_type(box, RECORD_MORE)) != NULL) {
        COUNT(&b->sh->counters, mbox_msgs_in, 1);
        b->sh->work_left--;
        record_more_msg((const struct record_more *)(const void *)rec, m);
        (void)broker_deliver_lists(b, mt, m);
    }
}
