/* Subscribing, unsubscribing, and telling the peers about it. */
#include "core/broker/broker.h"

#include <stdlib.h>
#include <string.h>

#include "core/broker/broker_priv.h"

enum { BROKER_REAP_MAX = 4096 /* subs removed per call */ };

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
    for (uint32_t i = 0; i < sh->n_shards; i++) {
        if (i != sh->id)
            b->inline_max = (uint32_t)min_u64(b->inline_max, mbox_rec_max(sh->out[i]) / 4);
    }
    struct interest_cfg ic = {.shard_id = sh->id, .n_shards = sh->n_shards, .n_subs_max = cfg->n_subs_max, .key = cfg->key};
    b->ix = interest_new(&ic);
    return b->ix != NULL ? OK : ERR_NOMEM;
}

void
broker_fini(struct broker *b)
{
    while (b->deferred != NULL) {
        struct broker_deferred *d = b->deferred;
        b->deferred = d->next;
        bufpool_give(b->sh->bufs, d, d->cap);
    }
    interest_free(b->ix);
    free(b->dead);
    free(b->picks);
    memset(b, 0, sizeof(*b));
}

/* ---- telling ---- */

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
        mbox_want_room(sh->out[i]);
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
    if (b->n_dead == b->cap_dead) {
        uint32_t cap = b->cap_dead == 0 ? 256 : b->cap_dead * 2;
        uint32_t *dead = realloc(b->dead, cap * sizeof(*dead));
        ASSERT(dead != NULL); /* 4 bytes a dead sub: without them the index would lie */
        b->dead = dead;
        b->cap_dead = cap;
    }
    interest_sub(b->ix, sub)->flags |= SUB_DEAD;
    b->dead[b->n_dead++] = sub;
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
    if (!broker_tell_room(b, broker_tell_len(b, sub)))
        return ERR_AGAIN;
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

void
broker_reap(struct broker *b)
{
    for (uint32_t n = 0; b->n_dead > 0 && n < BROKER_REAP_MAX; n++) {
        if (!broker_remove_dead(b, b->dead[b->n_dead - 1]))
            return;
        b->n_dead--;
    }
}

bool
broker_drop_subs(struct broker *b, struct endpoint *ep)
{
    uint32_t cursor = 0;

    for (uint32_t n = 0; n < BROKER_REAP_MAX; n++) {
        uint32_t sub = sidmap_any(&ep->sids, &cursor);
        if (sub == 0) {
            sidmap_fini(&ep->sids);
            return true;
        }
        if (!broker_tell_room(b, broker_tell_len(b, sub)))
            return false;
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
    broker_reap(b); /* subs of ep that died by count come first: they name its slot */
    return b->n_dead == 0 && broker_drop_subs(b, ep);
}

/* ---- hearing ---- */

static void
broker_on_interest(struct broker *b, uint32_t from, const struct record_interest *r)
{
    const uint8_t *queue = r->bytes + r->subject_len;
    enum err e;

    if (r->rec.type == RECORD_PLAIN)
        e = interest_remote_plain(b->ix, from, r->acc, r->bytes, r->subject_len, r->rec.flags != 0);
    else
        e = interest_remote_queue(b->ix, from, r->acc, r->bytes, r->subject_len, queue, r->queue_len, r->n_members);
    /* A peer's interest that we cannot note would lose messages silently: better to stop. */
    ASSERT(e == OK);
}

/* The message of a record, as views into it. */
static struct pub_msg
broker_msg_of_record(const struct record_msg *r)
{
    const uint8_t *queues = r->bytes + r->subject_len;
    struct pub_msg m = {
        .subject = r->bytes,
        .subject_len = r->subject_len,
        .tail = (r->rec.flags & RECORD_MSG_REF) != 0 ? r->ref : queues + r->queues_len,
        .tail_len = r->tail_len,
        .payload_off = r->payload_off,
        .hdr_len = r->hdr_len,
        .hdr = (r->rec.flags & RECORD_MSG_HDR) != 0,
        .acc = r->acc,
        .reply_len = r->reply_len,
        .from_slot = r->from,
        .from_shard = r->from_shard,
        .hops = r->hops,
    };
    m.reply = m.tail + 1; /* after the space that opens the tail */
    return m;
}

static void
broker_on_msg(struct broker *b, uint32_t from, const struct record_msg *r)
{
    struct pub_msg m = broker_msg_of_record(r);

    if ((r->rec.flags & RECORD_MSG_PLAIN) != 0) {
        const struct match *mt = interest_match(b->ix, m.acc, m.subject, m.subject_len, &b->hint_peer[from]);
        (void)broker_deliver_lists(b, mt, &m); /* a peer's interest may have gone meanwhile */
    }
    const uint8_t *q = r->bytes + r->subject_len;
    for (uint32_t i = 0; i < r->rec.aux; i++) {
        uint16_t len;
        memcpy(&len, q, sizeof(len));
        broker_serve_queue(b, &m, q + sizeof(len), len);
        q += sizeof(len) + len;
    }
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
