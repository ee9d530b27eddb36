/* broker_priv.h - what the files of the broker share. */
#ifndef MIDGE_BROKER_BROKER_PRIV_H
#define MIDGE_BROKER_BROKER_PRIV_H

#include "core/broker/broker.h"
#include "core/rt/log.h"

/* Deliver to one subscription; false: it cannot take it (dead, no echo). */
bool broker_deliver(struct broker *b, uint32_t sub, const struct pub_msg *m);
/* Deliver to all own plain subscriptions; how many took it. */
uint32_t broker_deliver_lists(struct broker *b, const struct match *mt, const struct pub_msg *m);
/* The same for each record of the run that the peer's mailbox, being drained, holds next, until the budget is gone. m: what all share. */
void broker_deliver_run(struct broker *b, const struct match *mt, struct pub_msg *m, struct mbox *box);
/* The same for what follows of a publisher's run, to one subscription: how many. Counts them as out, not as in. */
uint32_t broker_deliver_stream(struct broker *b, uint32_t sub, struct pub_msg *m, struct nats_run *run, uint64_t *ret_payload_bytes);
/* Note that sub has died: skipped from now on, removed by broker_reap. */
void broker_bury(struct broker *b, uint32_t sub);
/* What of a run's message is its own. */
static inline void
record_more_msg(const struct record_more *r, struct pub_msg *m)
{
    m->tail = r->tail;
    m->tail_len = r->rec.len - (uint32_t)sizeof(*r);
    m->payload_off = r->rec.aux;
    m->reply = r->tail + 1; /* after the space that opens the tail */
    m->reply_len = r->rec.flags;
}

enum { BROKER_RUN_TAIL_MAX = 8192 }; /* with longer messages a run saves nothing that counts */

/* The next publish of a run; false: no more that is one. */
static inline bool
broker_next_of_run(struct nats_run *run, struct pub_msg *m)
{
    const uint8_t *at = run->at;
    struct nats_run_msg next;

    if (UNLIKELY(!nats_run_next(run, &next)))
        return false;
    if (UNLIKELY(next.tail_len > BROKER_RUN_TAIL_MAX)) {
        run->at = at;
        return false;
    }
    m->tail = next.tail;
    m->tail_len = next.tail_len;
    m->payload_off = next.payload_off;
    return true;
}

/* The publisher, if it is of this shard, and still there. (Its slot may be somebody else's by now, who then pauses for a moment.) */
static inline struct endpoint *
broker_from(struct broker *b, uint32_t shard, uint32_t slot)
{
    if (LIKELY(shard != b->sh->id) || slot == 0 || slab_next(b->eps, slot - 1) != slot)
        return NULL;
    return (broker_ep(b, slot)->flags & EP_DEAD) == 0 ? broker_ep(b, slot) : NULL;
}

/* So much may wait for ep before its publishers should slow down. */
static inline uint64_t
deliver_mark(const struct endpoint *ep)
{
    return ep->n_pending_max / 4 * 3;
}

/* Whether ep does without m, which a client published, because it is behind (no_fast_producer_stall). */
static inline bool
broker_drops(const struct broker *b, const struct endpoint *ep, const struct pub_msg *m)
{
    return b->drops_pressed && ep->out.n_bytes > deliver_mark(ep) && (m->from != NULL || m->from_slot != 0);
}

/* Show in the log that m was queued for s of ep, or (NULL) that s is no more. */
static inline void
broker_trace(struct broker *b, const struct endpoint *ep, const struct sub *s, const struct pub_msg *m)
{
    if (UNLIKELY(log_trace_on))
        b->ops->on_trace(b, ep, s, m);
}
/* Ask shard's mailbox for room: see mbox_want_room. */
void broker_want_room(struct broker *b, uint32_t shard);
/* A random number below n (n > 0). */
uint32_t broker_random(struct broker *b, uint32_t n);

/* One own member of the group that can take m, starting at a random one; 0: none. */
uint32_t broker_pick_member(struct broker *b, const struct match_group *g, const struct pub_msg *m);
/* A peer shard of the group, by weight, among those in mask; -1: none. */
int32_t broker_pick_shard(struct broker *b, const struct match_group *g, uint64_t mask);
uint32_t broker_n_remote(const struct match_group *g);

/* Serve one queue group of a message: own member, or a peer's, or later. */
void broker_serve_queue(struct broker *b, const struct pub_msg *m, const uint8_t *queue, uint32_t queue_len);

/* The same for all groups whose names a peer sent with it ({u16 len, name}...). mt: what m matches. */
void broker_serve_queues(struct broker *b, const struct match *mt, const struct pub_msg *m, const uint8_t *names, uint32_t names_len);

/* Push m to the shards in mask, for plain subscribers, and to those of picks, for their groups. Asks for all room and memory first. fail: ERR_AGAIN */
enum err broker_forward(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks);

/* Push to one shard, for its plain subscribers, what follows of a publisher's run behind m, n_max messages at most: how many. */
uint32_t broker_forward_run(struct broker *b, uint32_t shard, struct pub_msg *m, struct nats_run *run, int64_t n_max, uint64_t *ret_payload_bytes);

/* The same for a message that is traced. */
enum err broker_forward_traced(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks);
/* Room for a record of len bytes in the shard's mailbox, and a reference to ref_len; asks for it where there is none. */
bool broker_forward_room(struct broker *b, uint32_t shard, uint64_t len, uint64_t ref_len);
/* A buffer of len bytes that mailboxes may refer to; NULL without memory. It starts with one reference, for broker_forward_unref. */
struct mbox_buf *broker_forward_buf(struct broker *b, uint32_t len);
void broker_forward_unref(struct broker *b, struct mbox_buf *buf);

#endif
