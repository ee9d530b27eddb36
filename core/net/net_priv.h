/* net_priv.h - what the files of core/net share. */
#ifndef MIDGE_NET_NET_PRIV_H
#define MIDGE_NET_NET_PRIV_H

#include "core/net/net.h"
#include "core/rt/log.h"

enum { RECORD_CONN = RECORD_NET, RECORD_CFG, RECORD_GATHER, RECORD_GATHERED };

/* An accepted connection for the shard that will own it. */
struct record_conn {
    struct mbox_rec rec;
    uint64_t cid;
    int32_t fd;
    uint32_t refuse; /* 1: one too many, say so and close */
};

static inline struct net *
net_of(struct shard *sh)
{
    return sh->app;
}

static inline struct conn *
conn_of(struct endpoint *ep)
{
    return (struct conn *)(void *)ep;
}

static inline struct conn *
net_conn(struct net *n, uint32_t slot)
{
    return slab_at(&n->conns, slot);
}

static inline void *
net_owner_tag(struct net_owner *o)
{
    return (char *)o + NET_OWNER_TAG;
}

static inline bool
net_owner_is(const void *owner)
{
    return ((uintptr_t)owner & NET_OWNER_TAG) != 0;
}

static inline struct net_owner *
net_owner_of(void *owner)
{
    return (struct net_owner *)(void *)((char *)owner - NET_OWNER_TAG);
}

/* net.c: the next turn comes at once, also when this one is past its on_handled. */
void net_turn_soon(struct net *n);

void conn_list_push(struct net *n, struct conn_list *l, struct conn *c);
struct conn *conn_list_pop(struct net *n, struct conn_list *l);

/* listener.c */
enum err listener_start(struct net *n);
void listener_stop(struct net *n);
void listener_on_accept(struct net *n, struct io_event *ev);
void listener_on_conn(struct net *n, const struct record_conn *r);
/* Shard 0: connections that live now, everywhere; the shard that has the fewest; each shard's own number (may be NULL). */
uint64_t listener_n_live(struct net *n, uint32_t *ret_least, uint32_t ret_live[SHARDS_MAX]);

/* reload.c */
void net_reload_on_ask(struct net *n);
void net_reload_on_record(struct net *n, const struct mbox_rec *rec);
/* From here on this shard works by another snapshot. Nothing in it can fail. */
void net_reload_switch(struct net *n, struct net_reload *r);
/* Some more of it: each turn, while there is something to do. */
void net_reload_step(struct net *n);
static inline bool
net_reload_busy(const struct net *n)
{
    return n->reload.telling != NULL || n->reload.r != NULL;
}
/* The configuration has changed: what of it concerns this connection? It may close it. False: a mailbox has no room for what must be done;
 * call again next turn. */
bool net_recheck_conn(struct net *n, struct conn *c);

/* lame_duck.c */
void net_ldm_on_ask(struct net *n, uint32_t bits);
/* Some more of it: each turn, while it is NET_LDM_INFORM. */
void net_ldm_step(struct net *n);
/* c is about to be forgotten, and is not counted any more. */
void net_ldm_on_free(struct net *n, const struct conn *c);

/* conn.c */
/* INFO and room for lines, by this configuration, for a server that listens on port. fail: ERR_NOMEM, ERR_FULL */
enum err net_texts_init(struct net_texts *t, const struct net_cfg *cfg, uint16_t port);
void net_texts_fini(struct net_texts *t); /* zeroed memory is fine */
/* A connection of this shard on fd. It says INFO at once. */
void conn_open(struct net *n, int fd, uint64_t cid, bool refuse);
bool conn_on_recv(struct net *n, struct conn *c, struct io_event *ev);
void conn_on_send(struct net *n, struct conn *c, const struct io_event *ev);
void conn_on_closed(struct net *n, struct conn *c);
/* Send what is queued, if nothing is in flight. */
void conn_flush(struct net *n, struct conn *c);
void conn_write_timer(struct timer *t, int64_t now_ns);
/* Reads nothing more until conn_unwait, which makes it go on in this turn or a later one. */
void conn_unwait(struct net *n, struct conn *c);
/* Close for this reason: after what is queued went out, where the reason allows last words. */
void conn_close(struct net *n, struct conn *c, enum nats_closed why);
/* Log that it is one too many. */
void conn_log_max(struct net *n, const struct conn *c);
/* -ERR and close. */
void conn_close_err(struct net *n, struct conn *c, enum nats_err err, enum nats_closed why);
/* Try again what waited for mailboxes, and what paused. */
void conn_resume_all(struct net *n);
/* Close the sockets of what conn_close closed in this turn. Only once the turn is published: the peer that sees the end of its
 * connection may ask elsewhere for what it had sent. */
void conn_close_socks(struct net *n);
/* Go on removing closed connections. */
void conn_reap_all(struct net *n);
enum conn_info { CONN_INFO_FIRST, CONN_INFO_CONNECT /* after CONNECT */, CONN_INFO_LDM /* we are about to go */ };
void conn_send_info(struct net *n, struct conn *c, enum conn_info kind);

/* names.c */
/* `1.2.3.4:5 - cid:7 - "v1.2:go:name" - "$G/user:u"`, for log lines; after the cid as far as it has said so. Returns to. */
const char *conn_name(const struct conn *c, char *to, uint32_t cap);
enum { CONN_NAME_MAX = ADDR_TEXT_MAX + 4 * 256 + 64 };
/* Whether a line about what a peer did wrong may be logged now. False: it was counted instead. */
bool net_may_log(struct net *n, enum net_quiet_kind kind);
/* Log what was only counted. */
void net_quiet_end(struct net *n);

/* client.c */
enum client_result {
    CLIENT_NEXT,  /* done; go on */
    CLIENT_AGAIN, /* no room: same operation again later */
    CLIENT_CLOSE, /* the connection is closing */
};
enum client_result client_on_op(struct net *n, struct conn *c, const struct nats_op *op);
/* The control line of a pedantic client's publish is complete; its payload is still to come, or ends wrongly. */
void client_on_begun(struct net *n, struct conn *c, const struct nats_op *op);
/* The operation at buf, of which len bytes are there, is none. */
void client_on_bad(struct net *n, struct conn *c, const struct nats_op *op, const struct nats_bad *bad, const uint8_t *buf, size_t len);
/* CONNECT was accepted: the rest of it. */
void client_connect_done(struct net *n, struct conn *c);
/* -ERR 'Permissions Violation for ...'. queue, sid: ptr NULL for none. */
void client_send_violation(struct net *n, struct conn *c, enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid);
/* The same, counted, and a line in the log: for a publish. */
void client_pub_violation(struct net *n, struct conn *c, enum nats_perm kind, struct nats_view subject);
/* m's tail for a publish that was written otherwise than we write it. False: no memory. */
bool client_make_tail(struct net *n, const struct nats_op *op, struct pub_msg *m);
/* Whether the subject belongs to the server: no client may publish there. */
bool client_pub_reserved(const uint8_t *subject, uint32_t len);
void client_ping_timer(struct timer *t, int64_t now_ns);
/* The first PING: soon after CONNECT. */
void client_arm_first_ping(struct net *n, struct conn *c);

/* client_map.c */
enum client_mapped {
    MAPPED_NO,    /* no mapping covers it */
    MAPPED_YES,   /* one does; its subject may be the same */
    MAPPED_AGAIN, /* no memory for it now */
};
/* What a publish of c becomes by the mappings of its account: m->subject. */
enum client_mapped client_map(struct net *n, struct conn *c, struct pub_msg *m);

/* client_trace.c: see core/broker/msg_trace.h. */
struct client_trace {
    struct nats_view dest, hdr;
    struct nats_view subject, mapped; /* as published; what a mapping made of it, ptr NULL: none covers it */
    uint32_t size;
    bool only;
};
enum client_traced {
    TRACED_NO,    /* go on as with any message */
    TRACED_YES,   /* client_trace_publish or client_trace_refused */
    TRACED_DROP,  /* it is not to be published; the client was told what it is told */
    TRACED_AGAIN, /* no memory for it now */
};
/* What the headers of a publish ask for; m's headers may be written anew. subject and mapped are the caller's to set. */
enum client_traced client_trace_read(struct net *n, struct conn *c, const struct nats_op *op, struct pub_msg *m, struct client_trace *ret);
/* As broker_publish. */
enum err client_trace_publish(struct net *n, struct conn *c, struct pub_msg *m, const struct client_trace *t);
/* The event of a publish that was refused. */
void client_trace_refused(struct net *n, struct conn *c, const struct client_trace *t, const char *error);
/* The same for one above max_payload, as far as its headers are among the len bytes at buf, where it begins. */
void client_trace_oversized(struct net *n, struct conn *c, const uint8_t *buf, size_t len, int64_t size);
void client_trace_put_server(struct broker *b, struct out *o);
void client_trace_get_who(struct broker *b, const struct endpoint *ep, struct broker_who *ret);

/* client_run.c: after op, a plain PUB, was handled, which stands at `at` with len bytes from there on: the publishes behind it that repeat it, as far as
 * they can be handled together. Returns how many bytes they take. c may be closing then, or wanted to stall. */
uint32_t client_run(struct net *n, struct conn *c, const struct nats_op *op, const uint8_t *at, uint32_t len);

/* trace.c: protocol lines for -V. */
void trace_in(const struct net *n, const struct conn *c, const struct nats_op *op);
void trace_mapping(const struct conn *c, const struct pub_msg *from, const uint8_t *to, uint32_t to_len);
/* A line of the server's own: +OK, -ERR, PING, PONG. */
void trace_out(const struct conn *c, const char *what, uint32_t len);
/* m went out to the subscription s of ep. */
void trace_msg(const struct net *n, const struct endpoint *ep, const struct sub *s, const struct pub_msg *m);
/* s of ep is no more. */
void trace_delsub(const struct endpoint *ep, const struct sub *s);

#endif
