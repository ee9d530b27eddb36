/* msg_trace.h - what became of one message: the event that a publisher asks for with `Nats-Trace-Dest`.
 *
 *     shard of the publisher                                   a peer shard
 *       msg_trace_open: request, ingress, mapping
 *       broker_publish_traced: own subscribers,
 *       one claim for each record to a peer ---- RECORD_TRACED ---> delivers, notes each subscriber,
 *       msg_trace_on_part: the claim is answered <-- RECORD_TRACE_PART -- tells what it noted
 *       no claim is left, or MSG_TRACE_TIMEOUT_NS went by: one event, published to the destination
 *
 * One event for one message, as from one server. A peer that passes a queue message on, or keeps it until there is room, answers its claim
 * with another: whoever serves the message in the end answers that. Nothing of this runs for a message that is not traced.
 *
 * At a bound nothing waits: without a free slot or memory the message is delivered untraced (`traces_refused`); what an event has no
 * room for, and what a peer says too late, is left out of it (`traces_cut`).
 *
 * Threads  the owning shard.
 * Memory   MSG_TRACES_MAX slots, taken when the first message is traced; bytes from the shard's pool while a trace is open.
 * Source   sheet 01, section 17.
 */
#ifndef MIDGE_BROKER_MSG_TRACE_H
#define MIDGE_BROKER_MSG_TRACE_H

#include "core/broker/broker.h"
#include "proto/nats_text.h"

enum {
    MSG_TRACES_MAX = 256,             /* open at a time */
    MSG_TRACE_LEN_MAX = 1 << 20,      /* bytes of an event's lists, and of what a peer tells */
    MSG_TRACE_WAITING_MAX = 256,      /* parts that wait for room in a mailbox */
    MSG_TRACE_TIMEOUT_NS = 1000000000, /* a peer that has not answered by then is left out */
    MSG_TRACE_ONLY = 1 << 30,         /* in pub_msg.trace: note who would get it, and deliver nothing */
};

enum msg_trace_encoding { MSG_TRACE_PLAIN, MSG_TRACE_IDENTITY, MSG_TRACE_GZIP, MSG_TRACE_SNAPPY };

/* A message to trace. Views. */
struct msg_trace_req {
    struct nats_view dest;       /* where the event goes */
    struct nats_view hdr;        /* the message's header block */
    uint32_t size;               /* of the message, headers included */
    uint32_t acc;
    struct nats_view acc_name;
    const struct endpoint *from; /* who published it */
    struct nats_view subject;    /* as published */
    const struct nats_view *mapped; /* what it was mapped to; NULL: no mapping covers it */
    const char *error;           /* why it was refused; NULL: it was not */
    enum msg_trace_encoding encoding;
    bool only;                   /* MSG_TRACE_ONLY */
};

/* Begin a trace: for pub_msg.trace. 0: none can be had, go on without. Then broker_publish_traced; or, for a message that was refused,
 * msg_trace_end. */
uint32_t msg_trace_open(struct broker *b, const struct msg_trace_req *req);
/* Forget it: the publish has to wait, and will begin again. */
void msg_trace_drop(struct broker *b, uint32_t trace);
/* Send the event of a message that goes nowhere. */
void msg_trace_end(struct broker *b, uint32_t trace);

/* As broker_publish, for a message with m->trace. fail: ERR_AGAIN: nothing has happened but that the trace is dropped */
enum err broker_publish_traced(struct broker *b, struct pub_msg *m);

#endif
