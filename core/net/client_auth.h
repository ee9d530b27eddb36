/* client_auth.h - a client connection's rights: the login, the permissions, and what they mean for its operations.
 *
 *     conn_open ----> client_auth_open        a login is required: its time runs
 *     first bytes --> client_auth_gate        no CONNECT: refused, or let in as no_auth_user
 *     CONNECT ------> client_auth_connect     decided at once; or CLIENT_AUTH_WAITS: a bcrypt hash is computed on the offload pool, the
 *                                             connection reads nothing more, and client_connect_done follows, or the end
 *     PUB, SUB, ----> client_auth_may_...
 *     deliveries
 *     reload -------> client_auth_recheck     login and every subscription, in slices
 *     conn_close ---> client_auth_close       nothing waits for it any more
 *     conn_free ----> client_auth_free
 *
 * A connection has a struct client_auth (c->auth) from its start where a login is required, from its login where there is only a default to
 * apply; without, everything is allowed and nothing of this costs more than a flag that is not set: CONN_PUB_CHECKED for publishes, EP_CHECKED for
 * deliveries.
 *
 * What takes long is bounded: one job per connection in the pool's queue; a full queue is an answer (the CONNECT is tried again), and who still
 * waits in it when the login's time is over is gone. Results of hashes are not remembered (docs/decisions/0016-permission-checks.md).
 *
 * Threads  the owning shard, but client_auth_free_left: main.
 * Memory   c->auth belongs to the connection. A job outlives it, if need be.
 * Source   sheet 01, sections 1, 7, 10; sheet 03, sections 3, 4, 13.
 */
#ifndef MIDGE_NET_CLIENT_AUTH_H
#define MIDGE_NET_CLIENT_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "auth/replies.h"
#include "core/broker/sidmap.h"
#include "core/net/net_priv.h"

enum {
    AUTH_NAME_MAX = 128,      /* bytes of a name that a log line shows */
    AUTH_RECHECK_SLICE = 512, /* subscriptions looked at in one call of client_auth_recheck */
};

struct login_job;

struct client_auth {
    struct timer timer;            /* until the login */
    uint32_t slot;                 /* whose it is */
    const struct auth *snap;       /* the snapshot that the rest points into */
    const struct auth_user *user;  /* NULL: by token, or nobody yet */
    const struct perms *perms;     /* NULL: everything is allowed */
    struct login_job *job;         /* a hash is being computed */
    const struct verdict *last;    /* in pubs: about its last publish; NULL: none */
    struct verdicts *pubs, *takes; /* NULL: none asked for yet */
    struct replies replies;
    struct replies_terms terms;
    struct password_hash known;
    bool in;                       /* it is in: as user, or by token */
    bool anonymous;                /* as no_auth_user, without credentials */
    bool has_known;
    bool filtered;                 /* some subscription overlaps a deny pattern */
    struct sidmap_item *unchecked; /* subscriptions that a reload has not looked at; NULL: none */
    uint32_t n_unchecked;
};

/* False: no memory; c is closing. */
bool client_auth_open(struct net *n, struct conn *c);
/* The first bytes of a connection that is not in (CONN_AUTH_DUE). False: c is closing. */
bool client_auth_gate(struct net *n, struct conn *c, uint8_t first);

enum client_auth_verdict { CLIENT_AUTH_IN, CLIENT_AUTH_WAITS, CLIENT_AUTH_FULL /* again later */, CLIENT_AUTH_CLOSED };
/* c->opts holds what CONNECT said, secrets included. */
enum client_auth_verdict client_auth_connect(struct net *n, struct conn *c);
/* Whether it waits for the pool. */
static inline bool
client_auth_waits(const struct conn *c)
{
    return c->auth != NULL && c->auth->job != NULL;
}

/* CONN_PUB_CHECKED: whether it is known, without asking, that it may publish on this subject: it is that of its last publish. */
static inline bool
client_auth_knows(const struct conn *c, const uint8_t *subject, uint32_t len)
{
    const struct verdict *v = c->auth->last;
    return v != NULL && v->allowed && verdict_is(v, subject, len);
}
/* CONN_PUB_CHECKED: whether it may publish on this subject. */
bool client_auth_may_publish(struct net *n, struct conn *c, const uint8_t *subject, uint32_t len);
/* The same as a question: no response is used up by it. */
bool client_auth_could_publish(const struct conn *c, const uint8_t *subject, uint32_t len);
bool client_auth_may_subscribe(struct net *n, struct conn *c, const uint8_t *subject, uint32_t len, const uint8_t *queue, uint32_t queue_len);
/* For broker_ops. */
bool client_auth_may_take(struct net *n, struct conn *c, uint32_t sub, const struct pub_msg *m);
void client_auth_on_take(struct net *n, struct conn *c, const struct pub_msg *m);

/* After n->cfg was replaced. False: again next turn (bounded work, or no room in a mailbox). */
bool client_auth_recheck(struct net *n, struct conn *c);

/* It is closing: timer and job let go of it. */
void client_auth_close(struct net *n, struct conn *c);
void client_auth_free(struct conn *c);
/* It is closing, and the snapshot that it knows will go. */
void client_auth_orphan(struct conn *c);

/* The user's name for logs and monitoring ("user:a", "token"), written to `to`; "" if it is not in. Returns to. */
const char *client_auth_label(const struct conn *c, char *to, uint32_t cap);

/* The shard ends: its jobs are left to main. */
void client_auth_leave_jobs(struct net *n);
/* And released, when the pool is gone. */
void client_auth_free_left(struct net_set *set);

#endif
