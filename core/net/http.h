/* http.h - HTTP connections of shard 0: accepted, read, answered, closed. What a request gets is the business of whoever handed in
 * struct http_ops: here are bytes, deadlines and bounds only.
 *
 *     READING --> ASKED --> WRITING --> READING (kept alive)
 *        |          |          |
 *        |          |          +------> LINGER
 *        +----------+----------+----------+--> CLOSING --> (slot free)
 *
 *     READING  waits for a head. Idle while no byte of it is here
 *     ASKED    ops->on_request has it; http_answer will come, in that call or any turn later
 *     WRITING  the answer goes out, HTTP_SEND_LEN at a time
 *     LINGER   answered; what still comes is thrown away, so that closing does not take the answer from the peer's hands
 *     CLOSING  io_close was called
 *
 * Bodies of requests are never read: the answer is given, then the connection is closed. One request of a connection is answered at a time; what a
 * client sends meanwhile waits (bounded), or waits in the kernel.
 *
 * Bounds   HTTP_CONNS_MAX connections: for one more, that which is idle for longest is closed, else the oldest unfinished head; when all
 *          are being answered the newcomer is. 5 s for a head, 60 s idle, 30 s without progress of a write. Heads of 1 MiB, 100 lines; HTTP_IN_MAX bytes of long
 *          heads in all. HTTP_BODIES_MAX bytes of answers in all: 503 above. HTTP_SEND_TURN_LEN bytes to all of them a turn, so that a large page delays no message.
 * Threads  shard 0, all of it.
 * Memory   connections are allocated with the server; heads come from the shard's pool; an answer's body is taken from whoever gives it.
 * Source   sheet 09, 1.1 to 1.3; sheet 05 H21, R5, TOB-NATS-10.
 */
#ifndef MIDGE_NET_HTTP_H
#define MIDGE_NET_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rt/addr.h"
#include "core/rt/err.h"
#include "proto/http.h"

struct net;

enum {
    HTTP_CONNS_MAX = 256,
    HTTP_SOURCE_MAX = 128,            /* of them from one address; of IPv6 from one /64 */
    HTTP_SLOTS = 2 * HTTP_CONNS_MAX,  /* with those that are closing */
    HTTP_REQUESTS_TURN_MAX = 64,      /* requests begun in a turn that came behind an answered one */
    HTTP_KEEP_LEN = 64 << 10,         /* of what comes while a request is being answered */
    HTTP_HEAD_FREE = 4096,            /* longer heads share ... */
    HTTP_IN_MAX = 16 << 20,           /* ... so many bytes */
    HTTP_SEND_LEN = 128 << 10,
    HTTP_SEND_TURN_LEN = 256 << 10,
    HTTP_BODIES_MAX = 512 << 20,      /* bytes of answers that wait for their readers; one may exceed it alone */
    HTTP_LINGER_LEN = 1 << 20,        /* bytes thrown away at most, in HTTP_LINGER_NS */
};
#define HTTP_HEAD_NS (5 * NS_PER_S)
#define HTTP_IDLE_NS (60 * NS_PER_S)
#define HTTP_STALL_NS (30 * NS_PER_S)
#define HTTP_LINGER_NS (500 * NS_PER_MS)

/* Names one request, also when its connection is gone. */
struct http_ref {
    uint32_t slot, gen;
};

/* A request, for the pages. Views until on_request returns. */
struct http_ask {
    struct http_ref ref;
    struct nats_view path;  /* decoded; begins with '/' or is "*" */
    struct nats_view query; /* not decoded */
    const struct addr *peer;
};

/* What it gets. */
struct http_page {
    uint16_t status;
    bool cors;           /* Access-Control-Allow-Origin: * */
    const char *type;    /* Content-Type; NULL: none. Lives for good */
    const char *location; /* of a redirect; NULL: none. Copied; cut at HTTP_LOCATION_MAX */
    char *body;          /* take, free() releases it; NULL with len 0 */
    uint64_t len;
};
enum { HTTP_LOCATION_MAX = 256 };

struct http_ops {
    /* Shard 0. Must lead to one http_answer, in this call or later. */
    void (*on_request)(void *arg, struct net *n, const struct http_ask *a);
    /* Shard 0, after shard_ask(set, 0, NET_ASK_HTTP). */
    void (*on_wake)(void *arg, struct net *n);
    /* Shard 0, its last words: nobody may wake it any more. Requests that were not answered are the pages'. */
    void (*on_stop)(void *arg);
};

/* What is configured. Immutable while the server runs. */
struct http_cfg {
    const char *host;
    uint16_t port; /* 0: any */
    uint32_t n_closed_max; /* closed connections that each shard remembers */
    const struct http_ops *ops;
    void *ops_arg;
};

/* Listen. fail: ERR_NOMEM, or what io_listen says (logged) */
enum err http_start(struct net *n, const struct http_cfg *cfg);
/* Close everything. */
void http_stop(struct net *n);
/* Sockets that are not closed yet; 0 without a server. */
uint32_t http_n_socks(const struct net *n);
/* After the backend let go of everything. */
void http_free(struct net *n);
/* NET_ASK_HTTP. */
void http_on_wake(struct net *n);
/* Once a turn: go on with requests that waited behind others. */
void http_on_handled(struct net *n);
/* Once a turn, when it is published: send. */
void http_on_flush(struct net *n);

/* Answer. The connection may be gone: then the page is released, that is all.
 *   take  p->body */
void http_answer(struct net *n, struct http_ref ref, const struct http_page *p);

/* Whether a page may log one more line about a failed check: so many a second, the others are counted. */
bool http_may_log(struct net *n);

/* Whether a peer belongs to this machine: 127.0.0.0/8, ::1. */
bool http_is_loopback(const struct addr *a);
/* Whether it belongs to the network that begins with these bits of ip. */
bool http_is_within(const struct addr *a, uint8_t family, const uint8_t ip[16], uint8_t bits);

#endif
