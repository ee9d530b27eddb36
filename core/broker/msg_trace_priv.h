/* msg_trace_priv.h - tracing, as the rest of the broker sees it; and the event, as tracing sees it. */
#ifndef MIDGE_BROKER_MSG_TRACE_PRIV_H
#define MIDGE_BROKER_MSG_TRACE_PRIV_H

#include "core/broker/broker_priv.h"
#include "core/broker/msg_trace.h"

/* Begin to note what becomes of a traced message on this shard. False: no memory for it; what happens is not noted. */
bool msg_trace_note(struct broker *b);
/* One more claim: the message goes on to another shard, or waits here. */
void msg_trace_claim(struct broker *b, uint32_t n);
/* What was noted since msg_trace_note answers one claim of m's trace: told to the shard where it is open. */
void msg_trace_tell(struct broker *b, const struct pub_msg *m);
/* Deliver m to sub, unless it is only traced, and note that. False: it cannot take it (which is noted, too, unless it is gone). */
bool msg_trace_deliver(struct broker *b, uint32_t sub, const struct pub_msg *m);
uint32_t msg_trace_deliver_lists(struct broker *b, const struct match *mt, const struct pub_msg *m);
/* All own members of a group that nobody could serve: note why. */
void msg_trace_refused(struct broker *b, const struct match_group *g, const struct pub_msg *m);

void msg_trace_on_part(struct broker *b, const struct mbox_rec *rec);
/* After a drain: what waits for room in mailboxes. */
void msg_trace_resume(struct broker *b);
void msg_trace_fini(struct broker *b);

/* ---- msg_trace_event.c ---- */

/* Bytes that grow in the shard's pool. */
struct trace_bytes {
    uint8_t *p;
    uint32_t len, cap;
    bool cut; /* something did not fit, or there was no memory for it */
};

void trace_bytes_free(struct broker *b, struct trace_bytes *t);
/* Cut what does not fit. */
void trace_bytes_add(struct broker *b, struct trace_bytes *t, const uint8_t *p, uint32_t n);

/* The beginning of an event's lists, up to ingress, and what the subject was mapped to. False: no memory. */
bool event_request(struct broker *b, struct trace_bytes *t, const struct msg_trace_req *req);
bool event_ingress(struct broker *b, struct trace_bytes *t, const struct msg_trace_req *req);
/* {"type":"eg",..} for sub, behind a comma. Without room for it, it is cut. */
void event_egress(struct broker *b, struct trace_bytes *t, uint32_t sub, const struct endpoint *ep, const char *error);

/* An event, but for what names the server. Views. */
struct trace_event {
    struct nats_view dest;
    const uint8_t *lists; /* from "request" on, without the end */
    uint32_t lists_len, acc;
    enum msg_trace_encoding encoding;
    uint64_t seq;
};
/* As a publish: m's tail is in *ret_tail, which is the caller's. False: no memory. */
bool event_msg(struct broker *b, const struct trace_event *ev, struct pub_msg *ret_m, struct trace_bytes *ret_tail);

#endif
