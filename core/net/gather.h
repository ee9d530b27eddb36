/* gather.h - what shard 0 wants to know of all shards, gathered piece by piece.
 *
 *     shard 0  gather_start: a record with a pointer to the question into each mailbox, as it has room
 *     each     GATHER_WORK_MAX units of it a turn (a connection is GATHER_CONN_WORK of them, a subscription one), into memory of its own: its part.
 *              When it is complete a record says so; the part is shard 0's from then on
 *     shard 0  all parts are there: g->done
 *
 * What connects, ends or changes while its shard is being asked is seen or not; nothing is seen twice, except a subscription that moves in
 * the table of a connection which subscribes meanwhile.
 *
 * Shape    a part is a list of chunks, a chunk a row of records (struct gather_rec), each of them a struct below with its strings behind it.
 *          GATHER_CONNS: each GATHER_REC_CONN is followed by its GATHER_REC_SUBs.
 * Bounds   GATHERS_MAX questions at once (the asker's duty); GATHER_PART_MAX bytes of a part, then it is `cut`, as without memory.
 * Threads  gather_start, g->done: shard 0. The question is read by all until done. Parts: any one thread after done.
 * Memory   the question is the caller's, and stays put until done was called, or all shards have ended; then gather_fini.
 * Source   sheet 09, S5.
 */
#ifndef MIDGE_NET_GATHER_H
#define MIDGE_NET_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broker/interest.h"
#include "core/rt/addr.h"
#include "core/rt/shard.h"
#include "proto/nats_text.h"

struct net;

enum {
    GATHERS_MAX = 16,
    GATHER_WORK_MAX = 1024,
    GATHER_CONN_WORK = 4,           /* 256 connections a turn */
    GATHER_CHUNK_LEN = 64 << 10,
    GATHER_PART_MAX = 256 << 20,
};

enum gather_kind {
    GATHER_STATS, /* numbers of the shard; every kind brings them */
    GATHER_PENDING, /* stats.pending, too, which takes a look at every connection */
    GATHER_KEYS,  /* of each connection what it is sorted by */
    GATHER_CONNS, /* the connections picked, and their subscriptions */
    GATHER_SUBS,  /* subscriptions */
};

/* What connections are sorted by: nats-server's words. */
#define GATHER_SORT_LIST(X)                                                                                            \
    X(cid) X(start) X(subs) X(pending) X(msgs_to) X(msgs_from) X(bytes_to) X(bytes_from) X(last) X(idle) X(uptime)     \
    X(stop) X(reason) X(rtt)
#define GATHER_SORT_ENUM(name) GATHER_SORT_##name,
enum gather_sort { GATHER_SORT_LIST(GATHER_SORT_ENUM) GATHER_SORT_N };
#undef GATHER_SORT_ENUM

/* A connection to tell about. */
struct gather_pick {
    uint64_t cid;
    uint32_t at; /* slot, or place in the ring of closed ones */
    bool closed;
};

struct gather_rec {
    uint32_t len; /* of all of it; a multiple of 8 */
    uint32_t type;
};
enum { GATHER_REC_KEY, GATHER_REC_CONN, GATHER_REC_SUB };

struct gather_key {
    struct gather_rec rec;
    int64_t key;
    int64_t stop_ns; /* closed ones; monotonic */
    struct gather_pick pick;
};

struct gather_conn {
    struct gather_rec rec;
    uint64_t cid;
    int64_t start_ns, last_ns, stop_ns; /* since 1970; stop 0: open */
    int64_t rtt_ns;                     /* 0: not known */
    uint64_t pending, in_msgs, out_msgs, in_bytes, out_bytes;
    uint32_t n_subs, n_stalls;
    struct addr peer;
    uint8_t closed; /* enum nats_closed */
    uint16_t name_len, lang_len, version_len, user_len;
    char bytes[]; /* name lang version user */
};

struct gather_sub {
    struct gather_rec rec;
    uint64_t cid, n_msgs;
    uint32_t max;
    uint32_t subject_len, queue_len, sid_len;
    char bytes[]; /* subject queue sid */
};

struct gather_chunk {
    struct gather_chunk *next;
    uint64_t len, cap;
    uint8_t bytes[];
};

/* Numbers of one shard. */
struct gather_stats {
    uint64_t counters[COUNTERS_N];
    uint64_t n_conns, n_http;
    uint64_t pending; /* bytes queued for connections (GATHER_PENDING) */
    struct interest_stats interest;
    struct bufpool_stats bufs;
    struct io_stats io;
    bool uring; /* not fallen back to epoll */
};

struct gather_part {
    struct gather_chunk *head, *tail;
    uint64_t n_bytes;
    uint64_t n_total; /* KEYS: connections; SUBS: subscriptions that match, those left out included */
    uint64_t n_recs;
    bool cut;         /* not all of it is there */
    struct gather_stats stats;
};

/* The question. Zeroed, then what the kind needs is set. */
struct gather {
    void (*done)(struct gather *g);
    uint64_t shards; /* whom to ask, a bit each */
    enum gather_kind kind;
    /* KEYS */
    enum gather_sort sort;
    bool open, closed;
    uint64_t cid;          /* this one only; 0: all */
    const char *user;      /* this user's only; NULL: all */
    /* CONNS */
    const struct gather_pick *picks[SHARDS_MAX];
    uint32_t n_picks[SHARDS_MAX];
    bool subs;
    /* SUBS */
    const char *test;      /* those that match this subject only; NULL: all */
    uint32_t test_len;
    uint64_t skip, limit;  /* of the matching ones: leave out so many, then tell of so many */

    /* gather.c's */
    struct gather *next;
    struct net *n;
    uint64_t unsent;
    uint32_t n_left;
    struct gather_part *parts[SHARDS_MAX]; /* own. NULL: not asked, or no memory */
};

/* Ask. g->done comes in this call or in a later turn. */
void gather_start(struct net *n, struct gather *g);
/* Release the parts. */
void gather_fini(struct gather *g);

/* Walk over a part: it = {0} at first. NULL: no more. */
struct gather_it {
    struct gather_chunk *chunk;
    uint64_t off;
    bool begun;
};
const struct gather_rec *gather_next(const struct gather_part *p, struct gather_it *it);

#endif
