/* broker.h - one shard's share of the broker: subscribe, unsubscribe, publish, deliver; what it tells and hears from peers.
 *
 * A publish is matched once, here. Own subscribers are served at once. Each interested peer shard gets the message once, and
 * matches it against its own. Of a queue group one member is chosen: own or a peer shard's, with equal chance for each member; a peer
 * shard whose last member has gone meanwhile passes the message on.
 *
 * All or wait: what needs room in mailboxes asks for it first, and answers ERR_AGAIN, having done nothing, when there is
 * none in one of them; the caller tries again from broker_on_drained on, and handles nothing of that connection before.
 *
 * Threads  the owning shard.
 * Memory   lists grow to what the load needs and are kept; bytes come from the shard's pool.
 * Source   sheet 01, sections 3 to 8; design/architecture.md "One rule that orders everything".
 */
#ifndef MIDGE_BROKER_BROKER_H
#define MIDGE_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broker/endpoint.h"
#include "core/broker/interest.h"
#include "core/broker/record.h"
#include "core/rt/shard.h"
#include "core/rt/slab.h"
#include "proto/nats_run.h"

enum {
    ACCOUNT_GLOBAL = 1,        /* `$G`; account numbers start at 1 */
    BROKER_HOPS_MAX = 64,      /* a queue message passed on so often is dropped, and counted */
    BROKER_REAP_MAX = 4096,    /* subs removed per turn, of all endpoints together */
    BROKER_QUEUES_LEN_MAX = 4096, /* bytes of queue names inside a record; more of them travel by reference */
    BROKER_RESERVE_LEN = 1 << 20, /* of the address space, kept for a peer's interest: see broker_on_interest */
};

struct broker;
struct pub_msg;
struct msg_tracing;
struct out;

/* A connection as events show it. */
struct broker_who {
    uint64_t cid;
    const char *name; /* view until the connection changes */
    size_t name_len;
};

/* What the broker tells core/net. */
struct broker_ops {
    /* ep has more queued than it may: it is EP_DEAD from now on; close it. Must not free it before broker_forget. */
    void (*on_slow)(struct broker *b, struct endpoint *ep);
    /* The shard's pool refused memory for ep's output; as on_slow. */
    void (*on_no_memory)(struct broker *b, struct endpoint *ep);
    /* ep, a publisher of this shard, is ahead of a subscriber: let it pause. */
    void (*on_stall)(struct broker *b, struct endpoint *ep);
    /* For the events of msg_trace.h: the constant part of what names this server, `"name":..,"flags":0`, and who is behind ep. */
    void (*put_server)(struct broker *b, struct out *o);
    void (*get_who)(struct broker *b, const struct endpoint *ep, struct broker_who *ret);
    /* Only while log_trace_on: m was queued for subscription s of ep; NULL: s is no more. */
    void (*on_trace)(struct broker *b, const struct endpoint *ep, const struct sub *s, const struct pub_msg *m);
    /* ep is EP_CHECKED: whether m may be delivered to its subscription sub. Asked of candidates that get nothing in the end, too. NULL: nobody is
     * EP_CHECKED. */
    bool (*may_take)(struct broker *b, struct endpoint *ep, uint32_t sub, const struct pub_msg *m);
    /* And it gets it. */
    void (*on_take)(struct broker *b, struct endpoint *ep, const struct pub_msg *m);
};

/* A message being published. Views. */
struct pub_msg {
    const uint8_t *subject, *reply;
    const uint8_t *tail; /* " [reply ][hdr_size ]size\r\npayload\r\n" */
    uint32_t subject_len, reply_len;
    uint32_t tail_len, payload_off; /* payload_off: where in tail headers and payload begin */
    uint32_t hdr_len;               /* bytes of headers */
    uint32_t acc;
    bool hdr;                       /* HPUB: hdr_len > 0 */
    struct endpoint *from;          /* publisher of this shard; NULL: a peer's */
    uint32_t from_slot;             /* publisher's slot at from_shard; 0: not known */
    uint32_t trace;                 /* of an open trace at from_shard; 0: it is not traced */
    uint8_t from_shard, hops;
};

/* A queue message that waits for room in a mailbox, whole. */
struct broker_deferred {
    struct broker_deferred *next;
    uint32_t cap;   /* of this buffer, for the pool */
    uint32_t queue_len;
    struct pub_msg msg; /* views into bytes */
    uint8_t bytes[];    /* subject, queue, tail */
};

/* Where a queue group's message goes. */
struct broker_pick {
    const uint8_t *name; /* the group's, view until the interest changes */
    uint32_t name_len;
    uint32_t sub;        /* own member, 0 if a peer's */
    uint32_t shard;
};

/* The message record that more of a run may follow, towards one shard. */
struct broker_lead {
    const struct record_msg *rec; /* view while its batch is open, and nothing else was pushed: then the mailbox ends at ... */
    uint64_t end;
};

/* A run that was taken in part: what its records share. */
struct broker_run {
    uint32_t acc, from_slot, subject_len;
    uint8_t subject[RECORD_RUN_SUBJECT_MAX];
};

struct broker {
    struct shard *sh;
    struct interest *ix;
    struct slab *eps; /* objects start with struct endpoint */
    const struct broker_ops *ops;
    void *ops_arg;

    uint32_t dirty_head;  /* endpoints with something to send, a list by slot */
    uint32_t dead_head;   /* subs to remove (unsubscribed by count), a list through their `max`, which means nothing any more */
    uint32_t n_dead;
    uint32_t n_reap_left; /* subs that may still be removed in this turn */
    uint64_t wished;      /* shards whose mailbox was asked for room, and had none */
    bool room_made;       /* one of them has made some since broker_room_made was asked */
    struct broker_pick *picks;
    uint32_t cap_picks;
    uint64_t rng;
    uint32_t hint_peer[SHARDS_MAX];
    struct broker_lead leads[SHARDS_MAX]; /* to shard i */
    struct broker_run runs[SHARDS_MAX];   /* from shard i */
    struct broker_deferred *deferred, **deferred_end;
    uint32_t n_deferred;
    uint32_t n_stalls;    /* times a publisher here was told to pause */
    struct msg_tracing *tracing; /* NULL: nothing was traced yet */
    void *reserve;        /* NULL: used up, and not there again yet */
    uint32_t inline_max;  /* longest tail that travels inside a record */
    bool drops_pressed;   /* no_fast_producer_stall: a subscriber past the mark does without, in place of a pause of its publishers */
};

struct broker_cfg {
    struct slab *eps;
    const struct broker_ops *ops;
    void *ops_arg;
    struct hash_key key;     /* the same for all shards */
    uint32_t n_subs_max;
    bool no_cache;           /* disable_sublist_cache */
    uint64_t seed;
};

/* own: broker_fini. fail: ERR_NOMEM */
enum err broker_init(struct broker *b, struct shard *sh, const struct broker_cfg *cfg);
void broker_fini(struct broker *b);

/* Subscribe. queue_len 0 = plain.
 *   fail  ERR_EXIST (sid in use: nothing changed), ERR_AGAIN (no room in a mailbox), ERR_LIMIT, ERR_NOMEM */
enum err broker_subscribe(struct broker *b, struct endpoint *ep, const uint8_t *subject, uint32_t subject_len, const uint8_t *queue,
                          uint32_t queue_len, const uint8_t *sid, uint32_t sid_len);
/* Unsubscribe now (max 0), or after max messages in all. Unknown sid: OK.
 *   fail  ERR_AGAIN */
enum err broker_unsubscribe(struct broker *b, struct endpoint *ep, const uint8_t *sid, uint32_t sid_len, uint32_t max);

/* Whether the mailboxes have room for the news that sub is gone; remove a living subscription of ep. fail: ERR_AGAIN */
bool broker_can_remove(struct broker *b, uint32_t sub);
enum err broker_remove_sub(struct broker *b, struct endpoint *ep, uint32_t sub);

/* Publish m, whose publisher is m->from. Sends the 503 if nobody is there and the publisher wants it.
 *   fail  ERR_AGAIN */
enum err broker_publish(struct broker *b, struct pub_msg *m);

/* Publish what follows of a run behind m, which was just published, is no message with headers and has no reply: as far as the turn's budget, the
 * mailboxes and the subscribers go. It may stop at any of them; the rest is for broker_publish. m is used up. */
void broker_publish_run(struct broker *b, struct pub_msg *m, struct nats_run *run);

/* Publish m, which comes from no connection: an event of the server. m->from is NULL.
 *   fail  ERR_AGAIN */
enum err broker_publish_own(struct broker *b, struct pub_msg *m);

/* Count m as received from its publisher: broker_publish does it; for a message that is refused. */
static inline void
broker_count_in(struct broker *b, const struct pub_msg *m)
{
    uint32_t payload_len = m->tail_len - 2 - m->payload_off;

    m->from->in_msgs++;
    m->from->in_bytes += payload_len;
    COUNT(&b->sh->counters, in_msgs, 1);
    COUNT(&b->sh->counters, in_bytes, payload_len);
}

/* Queue bytes for ep (a PONG, an -ERR): marks it dirty. False: no memory; ep is EP_DEAD and on_no_memory was told. */
bool broker_write(struct broker *b, struct endpoint *ep, const void *bytes, uint32_t len);

static inline void
broker_mark_dirty(struct broker *b, struct endpoint *ep)
{
    if ((ep->flags & EP_DIRTY) == 0) {
        ep->flags |= EP_DIRTY;
        ep->next_dirty = b->dirty_head;
        b->dirty_head = ep->slot;
    }
}

/* Remove subscriptions of ep. True: all are gone. False: call again in a later turn (bounded work per call, or no room in a mailbox). */
bool broker_drop_subs(struct broker *b, struct endpoint *ep);
/* The same for an endpoint that is EP_DEAD from now on. True: its slot may be reused. */
bool broker_forget(struct broker *b, struct endpoint *ep);

/* A record of a peer (types below RECORD_NET), just taken from its mailbox. Takes the rest of a run as well, as far as the shard's budget
 * goes. */
void broker_on_record(struct broker *b, uint32_t from, const struct mbox_rec *rec);
/* After a drain: pass on what waited. False: some still wait, handle no events. */
bool broker_on_drained(struct broker *b);
/* Remove subs that died; as far as the mailboxes have room. Call once a turn, before publish and before broker_forget: from here on
 * another BROKER_REAP_MAX subs may be removed. */
void broker_reap(struct broker *b);
/* Whether subs are left that only wait for the next turn: then it should come at once. */
static inline bool
broker_reap_cut(const struct broker *b)
{
    return b->n_reap_left == 0;
}
/* Whether a mailbox that had no room for somebody has made some since the last call. */
bool broker_room_made(struct broker *b);

static inline struct endpoint *
broker_ep(struct broker *b, uint32_t slot)
{
    return slab_at(b->eps, slot);
}

#endif
