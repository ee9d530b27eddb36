/* load_engine.h - the message pump: publishers that never pause, subscribers that count.
 *
 * Publishers send prebuilt batches as fast as the server takes them, but run ahead of their
 * flow's slowest subscriber by at most the flow's window, so that no server ever has a slow
 * consumer to drop and every server is given the same amount of work to hold. Subscribers
 * count equal messages by their length (load_frame.h).
 *
 * A run has these phases; a segment is measured from its first byte to its last delivery:
 *
 *   WARM --> WARM_DRAIN --> RUN --> DRAIN --> (RUN, for the next segment) --> DONE
 *
 * Shape    flows (one subject each) with publishers and subscribers, dealt to workers; a worker
 *          is a thread with an epoll of its own. Worker 0 is the caller's thread and leads.
 * Threads  engine_init .. engine_run: one thread. Inside engine_run, a publisher or subscriber
 *          is touched by its worker only; what others read is atomic, with one writer.
 * Memory   arrays come from init; engine_run allocates nothing but its workers.
 * Fail     load_die.
 */
#ifndef MIDGE_LOAD_ENGINE_H
#define MIDGE_LOAD_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "load_frame.h"
#include "load_proc.h"

enum {
    ENGINE_BATCH_BYTES = 64 * 1024, /* one send; a single larger message makes it larger */
    ENGINE_LINE = 128,              /* two cache lines: what one worker writes stays its own */
};

/* Who subscribes to what a flow's publishers publish. */
struct engine_flow {
    uint32_t n_pubs, n_subs;
    bool     shared;      /* subscribers share the messages (queue group, or one subject each) */
    uint32_t n_copies;    /* deliveries of one message, where shared */
    uint64_t window_msgs; /* published, but not yet delivered to the slowest subscriber */
};

struct engine_pub {
    _Alignas(ENGINE_LINE) int fd;
    uint32_t flow;
    uint32_t msg_len;
    uint32_t batch_len, batch_off; /* whole messages; the next byte to send */
    uint8_t *batch;
    uint64_t n_sent_bytes;
    bool     blocked;   /* the socket is full; epoll tells when it is not */
    bool     pinged;    /* nobody subscribes: PONG tells that everything was handled */
    bool     ponged;
    uint32_t n_in;
    char     in[6];     /* PONG or PING under way */
    void (*refill)(struct engine_pub *pub); /* NULL, or called when the batch is used up */
    uint64_t refill_state;                  /* refill's own */
    _Atomic uint64_t published;             /* whole messages. Writer: its worker */
    _Atomic uint32_t halted;                /* the epoch whose halt it has obeyed. Writer: its worker */
};

struct engine_sub {
    _Alignas(ENGINE_LINE) int fd;
    uint32_t     flow;
    uint32_t     n_reads;
    struct frame frame;
};

/* A third party that subscribes and unsubscribes at a fixed rate. */
struct engine_churn {
    int      fd; /* -1 = none */
    uint32_t rate;
    uint64_t since_ns, n_due_done; /* since when; how many were sent since then */
    uint64_t n_ops;                /* SUB and UNSUB pairs in all */
};

struct engine_segment {
    bool            churned;
    uint64_t        n_published, n_delivered;
    uint64_t        wall_ns, own_cpu_ns;
    uint64_t        n_churn_ops;
    struct proc_cpu before, after;
};

struct engine_worker;

struct engine {
    const struct load_opts *opts;
    uint32_t                n_flows, n_pubs, n_subs, n_workers, n_segments;
    struct engine_flow     *flows;
    struct engine_pub      *pubs;
    struct engine_sub      *subs;
    struct engine_worker   *workers;
    struct engine_segment  *segments;
    struct engine_churn     churn;
    /* progress[worker * stride + flow]: deliveries the worker has seen: the slowest of its
     * subscribers, or the sum where they share. Writer: the worker; readers: publishers. */
    _Atomic uint64_t *progress;
    uint32_t          stride;
    _Atomic uint32_t  epoch; /* odd: publish; even: halt. Writer: worker 0 */
    _Atomic bool      quit;  /* Writer: worker 0 */
};

/* Take room for so many of each; the caller then fills flows, pubs and subs in
 * (engine_pub_init, engine_sub_init) and calls engine_run once. */
void engine_init(struct engine *e, const struct load_opts *o, uint32_t n_flows, uint32_t n_pubs, uint32_t n_subs);

/* Publisher i of flow sends msg over and over on fd.
 *   take   fd (switched to non-blocking) */
void engine_pub_init(struct engine *e, uint32_t i, int fd, uint32_t flow, const uint8_t *msg, uint32_t msg_len);

/* Subscriber i of flow receives tmpl over and over on fd (load_frame.h).
 *   take   fd (switched to non-blocking)
 *   borrow tmpl, mask until engine_fini */
void engine_sub_init(struct engine *e, uint32_t i, int fd, uint32_t flow, const uint8_t *tmpl, const uint8_t *mask,
                     uint32_t len);

/* Warm up, run all segments, verify that every message arrived exactly once. */
void engine_run(struct engine *e);

/* Write "segments" and the verification's figures as members of j. */
void engine_json(struct engine *e, struct json *j);

void engine_fini(struct engine *e);

#endif
