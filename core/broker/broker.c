/* Subscribing, unsubscribing, and telling the peers about it. */
#include "core/broker/broker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/broker/broker_priv.h"
#include "core/broker/msg_trace_priv.h"
#include "core/rt/fault.h"

enum err
broker_init(struct broker *b, struct shard *sh, const struct broker_cfg *cfg)
{
    memset(b, 0, sizeof(*b));
    b->sh = sh;
    b->eps = cfg->eps;
    b->ops = cfg->ops;
    b->ops_arg = cfg->ops_arg;
    b->rng = cfg->seed | 1;
    b->deferred_end = &b->deferred;
    b->inline_max = MBOX_INLINE_MAX;
    b->n_reap_left = BROKER_REAP_MAX;
    for (uint32_t i = 0; i < sh->n_shards; i++) {
        if (i != sh->id)
            b->inline_max = (uint32_t)min_u64(b->inline_max, mbox_rec_max(sh->out[i]) / 4);
    }
    struct interest_cfg ic = {.shard_id = sh->id, .n_shards = sh->n_shards, .n_subs_max = cfg->n_subs_max, .no_cache = cfg->no_cache, .key = cfg->key};
    b->ix = interest_new(&ic);
    if (sh->n_shards > 1)
        b->reserve = fault_map(BROKER_RESERVE_LEN);
    return b->ix != NULL && (b->reserve != NULL || sh->n_shards == 1) ? OK : ERR_NOMEM;
}

static void
broker_use_reserve(struct broker *b)
{
    if (b->reserve != NULL)
        (void)munmap(b->reserve, BROKER_RESERVE_LEN); /* our own mapping: cannot fail */
    b->reserve = NULL;
}

void
broker_fini(struct broker *b)
{
    while (b->deferred != NULL) {
        struct broker_deferred *d = b->deferred;
        b->deferred = d->next;
        bufpool_give(b->sh->bufs, d, d->cap);
    }
    msg_trace_fini(b);
    interest_free(b->ix);
    broker_use_reserve(b);
    free(b->picks);
    memset(b, 0, sizeof(*b));
}

/* ---- telling ---- */

void
broker_want_room(struct broker *b, uint32_t shard)
{
    struct mbox *m = b->sh->out[shard];

    /* The wish before this one may have been granted without anybody having looked yet. */
    if ((b->wished & BIT64(shard)) != 0 && !mbox_wants_room(m))
        b->room_made = true;
    b->wished |= BIT64(shard);
    mbox_want_room(m);
}

bool
broker_room_made(struct broker *b)
{
    bool made = b->room_made;

    b->room_made = false;
    for (uint64_t w = b->wished; w != 0; w &= w - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(w);
        if (!mbox_wants_room(b->sh->out[i])) {
            b->wished &= ~BIT64(i);
            made = true;
        }
    }
    return made;
}

/* Bytes of subject and queue name: what telling the sub's removal takes. */
static uint64_t
broker_tell_len(struct broker *b, uint32_t sub)
{
    uint32_t subject_len, queue_len, acc;
    (void)interest_subject(b->ix, sub, &subject_len, &acc); /* only the lengths matter here */
    (void)interest_queue(b->ix, sub, &queue_len);
    return (uint64_t)subject_len + queue_len;
}

/* Whether every peer's mailbox takes one interest record of this length now; asks for room where not. */
static bool
broker_tell_room(struct broker *b, uint64_t len)
{
    struct shard *sh = b->sh;
    bool room = true;

    for (uint32_t i = 0; i < sh->n_shards; i++) {
        if (i == sh->id || mbox_room(sh->out[i], 1, sizeof(struct record_interest) + len, 0))
            continue;
        broker_want_room(b, i);
        if (!mbox_room(sh->out[i], 1, sizeof(struct record_interest) + len, 0)) {
            COUNT(&sh->counters, mbox_full, 1);
            room = false;
        }
    }
    return room;
}

static void
broker_tell(struct broker *b, const struct interest_change *ch)
{
    struct shard *sh = b->sh;

    if (ch->tell == INTEREST_TELL_NOTHING)
        return;
    for (uint32_t i = 0; i < sh->n_shards; i++) {
        if (i == sh->id)
            continue;
        bool queue = ch->tell == INTEREST_TELL_QUEUE;
        struct record_interest *r = (void *)shard_push(sh, i, queue ? RECORD_QUEUE : RECORD_PLAIN,
                                                       sizeof(*r) + ch->subject_len + ch->queue_len);
        r->rec.flags = ch->tell == INTEREST_TELL_PLAIN_ON;
        r->acc = ch->acc;
        r->n_members = ch->n_members;
        r->subject_len = ch->subject_len;
        r->queue_len = ch->queue_len;
        memcpy(r->bytes, ch->subject, ch->subject_len);
        if (ch->queue_len > 0)
            memcpy(r->bytes + ch->subject_len, ch->queue, ch->queue_len);
    }
}

/* ---- subscribing ---- */

enum err
broker_subscribe(struct broker *b, struct endpoint *ep, const uint8_t *subject, uint32_t subject_len, const uint8_t *queue,
                 uint32_t queue_len, const uint8_t *sid, uint32_t sid_len)
{
    ASSERT((ep->flags & EP_DEAD) == 0);

    if (sidmap_find(&ep->sids, b->ix, sid, sid_len) != 0)
        return ERR_EXIST;
    if (UNLIKELY(b->reserve == NULL) && b->sh->n_shards > 1)
        return ERR_NOMEM;
    if (!broker_tell_room(b, (uint64_t)subject_len + queue_len))
        return ERR_AGAIN;
    struct interest_change ch;
    uint32_t sub;
    enum err e = interest_add(b->ix, ep->acc, subject, subject_len, queue, queue_len, ep->slot, sid, sid_len, &sub, &ch);
    if (e != OK)
        return e;
    broker_tell(b, &ch);
    e = sidmap_add(&ep->sids, b->ix, sub);
    if (e != OK) {
        /* Told already; taking it back may find the mailboxes full, so it dies like any other. */
        broker_bury(b, sub);
        return e;
    }
    ep->n_subs++;
    return OK;
}

void
broker_bury(struct broker *b, uint32_t sub)
{
    struct sub *s = interest_sub(b->ix, sub);

    ASSERT((s->flags & SUB_DEAD) == 0);
    s->flags |= SUB_DEAD;
    s->max = b->dead_head;
    b->dead_head = sub;
    b->n_dead++;
}

enum err
broker_unsubscribe(struct broker *b, struct endpoint *ep, const uint8_t *sid, uint32_t sid_len, uint32_t max)
{
    uint32_t sub = sidmap_find(&ep->sids, b->ix, sid, sid_len);
    if (sub == 0)
        return OK;
    struct sub *s = interest_sub(b->ix, sub);
    if (max > 0 && (s->n_hi == 0 && s->n_lo < max)) {
        s->max = max;
        return OK;
    }
    return broker_remove_sub(b, ep, sub);
}

bool
broker_can_remove(struct broker *b, uint32_t sub)
{
    return broker_tell_room(b, broker_tell_len(b, sub));
}

enum err
broker_remove_sub(struct broker *b, struct endpoint *ep, uint32_t sub)
{
    if (!broker_can_remove(b, sub))
        return ERR_AGAIN;
    broker_trace(b, ep, interest_sub(b->ix, sub), NULL);
    sidmap_remove(&ep->sids, b->ix, sub);
    ep->n_subs--;
    struct interest_change ch;
    interest_remove(b->ix, sub, &ch);
    broker_tell(b, &ch);
    return OK;
}

/* ---- removing what died ---- */

/* Remove a dead sub that no sidmap knows any more. False: no room to tell it. */
static bool
broker_remove_dead(struct broker *b, uint32_t sub)
{
    if (!broker_tell_room(b, broker_tell_len(b, sub)))
        return false;
    struct interest_change ch;
    interest_remove(b->ix, sub, &ch);
    broker_tell(b, &ch);
    return true;
}

static void
broker_reap_dead(struct broker *b)
{
    for (; b->n_dead > 0 && b->n_reap_left > 0; b->n_reap_left--) {
        uint32_t sub = b->dead_head, next = interest_sub(b->ix, sub)->max;
        if (!broker_remove_dead(b, sub))
            return;
        b->dead_head = next;
        b->n_dead--;
    }
}

void
broker_reap(struct broker *b)
{
    b->n_reap_left = BROKER_REAP_MAX;
    if (UNLIKELY(b->reserve == NULL) && b->sh->n_shards > 1)
        b->reserve = fault_map(BROKER_RESERVE_LEN);
    broker_reap_dead(b);
}

bool
broker_drop_subs(struct broker *b, struct endpoint *ep)
{
    uint32_t cursor = 0;

    for (; b->n_reap_left > 0; b->n_reap_left--) {
        uint32_t sub = sidmap_any(&ep->sids, &cursor);
        if (sub == 0) {
            sidmap_fini(&ep->sids);
            return true;
        }
        if (!broker_tell_room(b, broker_tell_len(b, sub)))
            return false;
        broker_trace(b, ep, interest_sub(b->ix, sub), NULL);
        sidmap_remove(&ep->sids, b->ix, sub);
        ep->n_subs--;
        struct interest_change ch;
        interest_remove(b->ix, sub, &ch);
        broker_tell(b, &ch);
    }
    return false;
}

bool
broker_forget(struct broker *b, struct endpoint *ep)
{
    ep->flags |= EP_DEAD;
    broker_reap_dead(b); /* subs of ep that died by count come first: they name its slot */
    return b->n_dead == 0 && broker_drop_subs(b, ep);
}

/* ---- hearing ---- */

static enum err
broker_note_interest(struct broker *b, uint32_t from, const struct record_interest *r)
{
    const uint8_t *queue = r->bytes + r->subject_len;

    if (r->rec.type == RECORD_PLAIN)
        return interest_remote_plain(b->ix, from, r->acc, r->bytes, r->subject_len, r->rec.flags != 0);
    return interest_remote_queue(b->ix, from, r->acc, r->bytes, r->subject_len, queue, r->queue_len, r->n_members);
}

/* A client's own subscription is refused when there is no memory for it. Here it is too late to refuse: the client was told that it
 * has it, by the shard that has the client. So some address space is kept for this case, and while it lasts subscriptions are refused where
 * they are made. */
static void
broker_on_interest(struct broker *b, uint32_t from, const struct record_interest *r)
{
    enum err e = broker_note_interest(b, from, r);

    if (UNLIKELY(e != OK)) {
        broker_use_reserve(b);
        e = broker_note_interest(b, from, r);
    }
    /* A peer's interest that we cannot note would lose messages silently: better to stop. */
    ASSERT(e == OK);
}

/* The message of a record, as views into its bytes; *ret_names: those of its queue groups, *ret_len bytes. */
static inline void
broker_msg_of_record(struct broker *b, const struct record_msg *r, const uint8_t *bytes, struct pub_msg *ret_m, const uint8_t **ret_names,
                     uint32_t *ret_len)
{
    const uint8_t *names = bytes + r->subject_len, *tail = names + r->queues_len;
    uint32_t len = r->queues_len;

    if (UNLIKELY((r->rec.flags & RECORD_MSG_REF) != 0)) {
        const uint8_t *at = tail;
        memcpy(&tail, at, sizeof(const uint8_t *));
        if ((r->rec.flags & RECORD_MSG_NAMES_REF) != 0) {
            memcpy(&len, tail, sizeof(len));
            names = tail + sizeof(len);
            tail = names + len;
        }
    }
    *ret_names = names;
    *ret_len = len;
    *ret_m = (struct pub_msg){
        .subject = bytes,
        .subject_len = r->subject_len,
        .reply = tail + 1, /* after the space that opens the tail */
        .tail = tail,
        .tail_len = r->tail_len,
        .payload_off = r->payload_off,
        .hdr_len = r->hdr_len,
        .hdr = (r->rec.flags & RECORD_MSG_HDR) != 0,
        .acc = r->acc,
        .reply_len = r->reply_len,
        .from = broker_from(b, r->from_shard, r->from), /* one of ours, if it was passed on to where it came from */
        .from_slot = r->from,
        .from_shard = r->from_shard,
        .hops = r->hops,
    };
}

/* What follows of a run; what the budget leaves of it begins with the next drain, when the record that led it may be gone. */
static void
broker_on_run(struct broker *b, uint32_t from, struct pub_msg *m)
{
    struct mbox *box = b->sh->in[from];
    struct broker_run *run = &b->runs[from];

    const struct match *mt = interest_match(b->ix, m->acc, m->subject, m->subject_len, &b->hint_peer[from]);
    broker_deliver_run(b, mt, m, box);
    if (mbox_look(box, RECORD_MORE) == NULL || m->subject == run->subject)
        return;
    ASSERT(m->subject_len <= RECORD_RUN_SUBJECT_MAX);
    run->acc = m->acc;
    run->from_slot = m->from_slot;
    run->subject_len = m->subject_len;
    memcpy(run->subject, m->subject, m->subject_len);
}

/* A run goes on that an earlier drain began. */
static void
broker_on_more(struct broker *b, uint32_t from, const struct record_more *r)
{
    const struct broker_run *run = &b->runs[from];
    struct pub_msg m = {
        .subject = run->subject,
        .subject_len = run->subject_len,
        .acc = run->acc,
        .from_slot = run->from_slot,
        .from_shard = (uint8_t)from,
    };
    record_more_msg(r, &m);
    const struct match *mt = interest_match(b->ix, m.acc, m.subject, m.subject_len, &b->hint_peer[from]);
    (void)broker_deliver_lists(b, mt, &m);
    broker_on_run(b, from, &m);
}

static void
broker_on_msg(struct broker *b, uint32_t from, const struct record_msg *r)
{
    struct pub_msg m;
    const uint8_t *names;
    uint32_t names_len;

    broker_msg_of_record(b, r, r->bytes, &m, &names, &names_len);
    const struct match *mt = interest_match(b->ix, m.acc, m.subject, m.subject_len, &b->hint_peer[from]);
    if ((r->rec.flags & RECORD_MSG_PLAIN) != 0)
        (void)broker_deliver_lists(b, mt, &m); /* a peer's interest may have gone meanwhile */
    if (UNLIKELY(names_len > 0))
        broker_serve_queues(b, mt, &m, names, names_len);
    if (LIKELY(mbox_look(b->sh->in[from], RECORD_MORE) != NULL)) {
        m.hdr = false;
        m.hdr_len = 0;
        broker_on_run(b, from, &m);
    }
}

/* The same for a message that is traced. */
static void
broker_on_traced(struct broker *b, uint32_t from, const struct record_msg *r)
{
    struct pub_msg m;
    const uint8_t *names;
    uint32_t names_len;

    broker_msg_of_record(b, r, r->bytes + sizeof(m.trace), &m, &names, &names_len);
    memcpy(&m.trace, r->bytes, sizeof(m.trace));
    (void)msg_trace_note(b); /* without memory there is nothing to tell */
    const struct match *mt = interest_match(b->ix, m.acc, m.subject, m.subject_len, &b->hint_peer[from]);
    if ((r->rec.flags & RECORD_MSG_PLAIN) != 0)
        (void)msg_trace_deliver_lists(b, mt, &m);
    broker_serve_queues(b, mt, &m, names, names_len);
    msg_trace_tell(b, &m);
}

void
broker_on_record(struct broker *b, uint32_t from, const struct mbox_rec *rec)
{
    switch (rec->type) {
    case RECORD_PLAIN:
    case RECORD_QUEUE:
        broker_on_interest(b, from, (const struct record_interest *)(const void *)rec);
        return;
    case RECORD_MSG:
        broker_on_msg(b, from, (const struct record_msg *)(const void *)rec);
        return;
    case RECORD_TRACED:
        broker_on_traced(b, from, (const struct record_msg *)(const void *)rec);
        return;
    case RECORD_TRACE_PART:
        msg_trace_on_part(b, rec);
        return;
    case RECORD_MORE:
        broker_on_more(b, from, (const struct record_more *)(const void *)rec);
        return;
    case RECORD_STALL: {
        const struct record_stall *st = (const struct record_stall *)(const void *)rec;
        /* The slot may be free by now; or somebody else's, who then pauses for a moment. */
        if (slab_next(b->eps, st->to - 1) == st->to && (broker_ep(b, st->to)->flags & EP_DEAD) == 0)
            b->ops->on_stall(b, broker_ep(b, st->to));
        return;
    }
    default:
        ASSERT(false); /* a record type of another room */
    }
}

/* ---- writing ---- */

bool
broker_write(struct broker *b, struct endpoint *ep, const void *bytes, uint32_t len)
{
    if ((ep->flags & EP_DEAD) != 0)
        return false;
    if (!outq_append(&ep->out, b->sh->bufs, bytes, len)) {
        ep->flags |= EP_DEAD;
        b->ops->on_no_memory(b, ep);
        return false;
    }
    broker_mark_dirty(b, ep);
    return true;
}
