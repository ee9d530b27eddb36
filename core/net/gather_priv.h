/* gather_priv.h - a shard's side of gather.h, and the connections that it closed. Threads  the owning shard. */
#ifndef MIDGE_NET_GATHER_PRIV_H
#define MIDGE_NET_GATHER_PRIV_H

#include "core/net/gather.h"
#include "core/net/net_priv.h"

/* Connections that ended, the oldest forgotten first: a ring that grows to its bound. */
struct closed_ring {
    struct closed_entry **items;
    uint32_t n, cap, n_max;
    uint32_t oldest; /* once n == n_max */
    uint64_t n_bytes; /* of all entries */
};
enum {
    CLOSED_SUBS_MAX = 256,      /* subscriptions kept of one */
    CLOSED_BYTES_MAX = 16 << 10, /* bytes kept of one */
    CLOSED_RING_BYTES_MAX = 32 << 20, /* with more than that in all no subscriptions are kept of those who leave */
};

/* One of them: what monitoring shows, as it was. */
struct closed_entry {
    int64_t stop_ns;  /* monotonic */
    uint32_t len;
    uint32_t pad;
    uint8_t bytes[];  /* a struct gather_conn, then its struct gather_subs */
};

/* What a shard knows of questions. */
struct gathers {
    struct gather *asked;            /* asked by this shard, and not in all mailboxes yet */
    struct gather *quick[GATHERS_MAX]; /* GATHER_STATS: answered before the others, at once */
    uint32_t n_quick;
    struct gather *todo[GATHERS_MAX]; /* a ring */
    uint32_t todo_head, n_todo;
    /* the first of todo */
    bool begun, complete;
    uint32_t slot;   /* connection in progress; the last one seen */
    uint64_t cid;    /* of it */
    uint64_t sub_at; /* in its map of sids */
    bool in_conn;    /* its subscriptions are being told */
    uint32_t i_closed, i_pick;
    int64_t wall_ns; /* what the monotonic clock's zero was */
    struct closed_ring ring;
};

enum err gathers_init(struct net *n);
void gathers_fini(struct net *n);
/* RECORD_GATHER, RECORD_GATHERED. */
void gather_on_record(struct net *n, const struct mbox_rec *rec);
/* Once a turn. */
void gather_on_handled(struct net *n);
/* c is about to lose its subscriptions and be forgotten. */
void closed_note(struct net *n, struct conn *c);

#endif
