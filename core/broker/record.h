/* record.h - what shards tell each other, as records of a mailbox.
 *
 * interest  a literal or wildcard subject has plain subscriptions here / has none any more; a queue group has n members here
 * message   a publish, once for each interested shard: to all plain subscriptions there and/or to one member each of
 *           the queue groups named
 * more      a run: another publish of the same publisher to the same subject and to plain subscriptions alone, without headers. Stands right
 *           behind the message record whose account, subject and publisher it shares, in the same batch, or behind another of these
 * Types from RECORD_NET on are core/net's own.
 *
 * Threads  encode: the producer; decode: the consumer. Memory  views into the ring.
 */
#ifndef MIDGE_BROKER_RECORD_H
#define MIDGE_BROKER_RECORD_H

#include <stdint.h>

#include "core/rt/mbox.h"

enum record_type {
    RECORD_PLAIN = MBOX_TYPE_USER, /* flags: 1 = on */
    RECORD_QUEUE,
    RECORD_MSG,
    RECORD_TRACED, /* a RECORD_MSG whose bytes begin with a u32: pub_msg.trace */
    RECORD_TRACE_PART, /* what became of such a message: see msg_trace.h */
    RECORD_STALL, /* a subscriber here is behind: slow its producer down */
    RECORD_MORE,  /* a run: the message record before it, again, with another tail */
    RECORD_NET = 32,
};

/* subject[subject_len] queue[queue_len] */
struct record_interest {
    struct mbox_rec rec;
    uint32_t acc;
    uint32_t n_members;
    uint32_t subject_len, queue_len;
    uint8_t bytes[];
};

enum record_msg_flag {
    RECORD_MSG_PLAIN = 1, /* for all plain subscriptions */
    RECORD_MSG_HDR = 2,   /* hdr_len bytes of headers lead the payload (HPUB) */
    RECORD_MSG_REF = 4,   /* the tail is elsewhere: a pointer to it stands in its place */
    RECORD_MSG_NAMES_REF = 8, /* with RECORD_MSG_REF: what it points to is u32 len, queue names[len], tail */
};

/* subject[subject_len] {u16 len, queue name}...[queues_len] and tail[tail_len], or a pointer to it. Every byte of this moves from one
 * core's cache to another's, for each message. */
struct record_msg {
    struct mbox_rec rec;
    uint32_t acc;
    uint32_t from;     /* endpoint slot at the publishing shard (for RECORD_STALL); 0 = none */
    uint32_t tail_len; /* " [reply ][hdr ]size\r\npayload\r\n" */
    uint32_t payload_off; /* in tail */
    uint32_t hdr_len;
    uint16_t subject_len, reply_len;
    uint16_t queues_len; /* bytes of all queue entries; 0 if they are elsewhere */
    uint8_t hops;        /* shards that passed the queue part on */
    uint8_t from_shard;
    uint8_t bytes[];
};

_Static_assert(sizeof(struct record_msg) == 36, "no byte of it is padding");

enum record_part_flag {
    RECORD_PART_REF = 1, /* the bytes are elsewhere, a pointer to them stands in their place */
    RECORD_PART_CUT = 2, /* there was more */
};

/* Of one claim of an open trace: JSON objects, each behind a comma. */
struct record_trace_part {
    struct mbox_rec rec; /* flags: enum record_part_flag */
    uint32_t trace;
    uint32_t n_claims;   /* more answers will come instead */
    uint32_t len;
    uint8_t bytes[];
};

/* Longer subjects make no runs: whoever takes a run in two parts keeps the subject. */
enum { RECORD_RUN_SUBJECT_MAX = 96, RECORD_RUN_REPLY_MAX = UINT8_MAX };

/* What of a publish is its own. rec.len: of the tail, after this head; rec.aux: where in it the payload begins; rec.flags: how long the reply is, which
 * stands at its beginning. Longer replies make no runs either. */
struct record_more {
    struct mbox_rec rec;
    uint8_t tail[];
};

/* The producer's endpoint `to` should pause. */
struct record_stall {
    struct mbox_rec rec;
    uint32_t to;
    uint32_t pad;
};

#endif
