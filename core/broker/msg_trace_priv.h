/* msg_trace_priv.h - tracing, as the rest of the broker sees it. */
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

#endif
