/* net.h - one shard's connections: accepted, read, written, closed.
 *
 * Shard 0 listens and places each connection on the shard with the fewest; the others get it as a record. What a client says is
 * parsed in place in the receive buffer; only what is incomplete, or waits for room in a mailbox, is copied
 * into a buffer of the connection.
 *
 *     OPEN --> LAST_WORDS --> CLOSING --> (slot free)
 *      |                         ^
 *      +-------------------------+
 *     OPEN        reads and writes
 *     LAST_WORDS  reads nothing more; what is queued (an -ERR) goes out, within the write deadline
 *     CLOSING     io_close is called when the turn is published; its subscriptions are being removed. Free when both are done.
 *
 * Threads  the owning shard; struct net_cfg is immutable and shared.
 * Memory   connections come from a slab and keep no buffer while idle.
 * Source   sheet 01, sections 1, 4, 9, 11.
 */
#ifndef MIDGE_NET_NET_H
#define MIDGE_NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/broker/broker.h"
#include "core/broker/mapping.h"
#include "core/rt/addr.h"
#include "core/rt/io.h"
#include "core/rt/shard.h"
#include "core/rt/slab.h"
#include "core/rt/timers.h"
#include "proto/nats.h"
#include "proto/nats_connect.h"
#include "proto/nats_info.h"

enum {
    NET_STALL_NS = 2000000,      /* how long a producer pauses when a subscriber is behind */
    NET_STALLS_MAX = 5,          /* pauses per read of a producer: 10 ms, as nats-server */
    NET_FIRST_PING_NS = 2000000000, /* the first PING comes after 2 s ... */
    NET_CLOSE_MAX = 1024,        /* closing connections looked at per turn */
    NET_BLOCKED_MAX = 256,       /* blocked connections tried again per turn */
    NET_QUIET_MAX = 64,          /* log lines a second about what peers do wrong, for each kind of it */
};

struct auth;
struct client_auth;
struct login_job;
struct offload;
struct http;
struct gathers;
struct http_cfg;
struct net;

/* What a socket belongs to that is no client's (HTTP; listeners): first member of its struct. The socket's owner is its address with NET_OWNER_TAG
 * set, which no connection's address has: so a client's bytes cost one test of a register to be told apart. */
struct net_owner {
    bool (*on_event)(struct net *n, struct net_owner *o, struct io_event *ev); /* as shard_app's */
};
enum { NET_OWNER_TAG = 1 };

/* What is configured: a snapshot, shared by all shards and never written while they know it. Another one replaces it as a whole (reload.h). */
struct net_cfg {
    const char *host;         /* where to listen */
    uint16_t port;            /* 0: any */
    uint32_t max_connections; /* 0: none at all */
    uint32_t max_subs;        /* per connection; 0: no limit */
    uint32_t max_sub_tokens;  /* 0: no limit */
    uint32_t max_control_line;
    int64_t max_payload;
    uint64_t max_pending;
    int64_t write_deadline_ns;
    bool write_retry; /* write_timeout: who took something in time is given as long again */
    int64_t ping_interval_ns;
    uint32_t ping_max;
    bool headers;
    bool no_stall; /* no_fast_producer_stall */
    bool no_sublist_cache; /* disable_sublist_cache */
    const struct auth *auth; /* NULL: no login is required */
    bool trace_headers;        /* a trace shows headers only ... */
    uint32_t max_traced;       /* ... and so many bytes of a payload; 0: all */
    struct hash_key key;
    const struct mapping *mappings; /* of $G; NULL: none */
    const char *event_extra; /* `"tags":[..],"metadata":{..},` of the server in its events; NULL: nothing */
    struct nats_info_server info; /* the part of INFO that is the same for all */
};

/* What shards tell main of a lame duck. */
struct net_set_ldm {
    _Atomic uint32_t n_informed, n_done; /* shards */
    _Atomic uint32_t n_conns;            /* that they had when their clients were told */
    _Atomic int64_t window_ns;           /* main's: to close all of them within */
};

/* What the shards' nets share: app_arg of the shard_set. */
struct net_set {
    const struct net_cfg *cfg; /* the one to start with; later the one in force, for main alone */
    _Atomic(struct net_reload *) reload; /* the one that takes its place */
    void (*note)(void *arg);             /* a shard has news for main: any thread, must not block. NULL: nobody waits for them */
    void *note_arg;
    struct offload *offload;             /* NULL: what would run there runs at once (simulations) */
    _Atomic(struct login_job *) jobs_left; /* of shards that have ended */
    _Atomic uint32_t port; /* where shard 0 listens; written once, before the first accept */
    struct net_set_ldm ldm;
    const struct http_cfg *http; /* monitoring; NULL: none. Not reloadable */
    _Atomic uint32_t http_port; /* where monitoring listens; 0: nowhere */
    _Atomic bool told;     /* why it cannot start is in the log already */
};

enum conn_state { CONN_FREE, CONN_OPEN, CONN_LAST_WORDS, CONN_CLOSING };

enum conn_flag {
    CONN_CONNECTED = 1,     /* CONNECT was accepted */
    CONN_FIRST_PONG = 2,    /* and the first PING after it answered */
    CONN_SENDING = 4,       /* a send is in flight */
    CONN_BLOCKED = 8,       /* its next operation waits for room in a mailbox */
    CONN_OP_BEGUN = 16,     /* what precedes the publish of that operation was done already */
    CONN_STALLED = 32,      /* pauses because a subscriber is behind */
    CONN_EOF = 64,          /* the peer said all it had to say, and it waits in `in` */
    CONN_IO_DONE = 128,     /* IO_EV_CLOSED has come */
    CONN_VERBOSE = 256,
    CONN_PEDANTIC = 512,
    CONN_SUBS_GONE = 1024,
    CONN_STALL_WANTED = 2048, /* stall after the operation in progress */
    CONN_SUBJECT_SEEN = 4096, /* pedantic: the subject of the publish in progress was looked at, and complained about */
    CONN_IO_CLOSED = 8192,    /* io_close was called */
    CONN_PUB_CHECKED = 16384, /* its publishes are checked: client_auth_may_publish */
    CONN_AUTH_DUE = 32768,    /* a login is required, and has not been accepted */
    CONN_MAPPED = 65536,      /* its account has mappings */
    CONN_PUB_ALLOWED = 131072, /* the publish in progress may be */
    CONN_PUB_TRACED = 262144,  /* it has a header line that begins as those of tracing do */
    CONN_SLOW = 524288,        /* a write outlasted write_deadline, and none was done in time since */
};

/* One client connection. */
struct conn {
    struct endpoint ep; /* first: the broker finds it by slot */
    struct io_sock sock;
    struct timer ping_timer;
    struct timer write_timer;
    struct nats_limits lim;
    struct nats_connect *opts; /* NULL before CONNECT */
    struct client_auth *auth;  /* NULL: everything is allowed */
    uint8_t *in;               /* bytes not handled yet; NULL: none */
    uint32_t in_len, in_cap, in_off;
    uint32_t in_need;          /* bytes from in_off that the next operation takes at least */
    bool in_exact;
    uint8_t n_stalls;          /* since the last read */
    uint32_t flags;            /* enum conn_flag */
    uint8_t state, closed;     /* enum conn_state, enum nats_closed */
    uint8_t n_pings_out;
    struct addr peer;
    uint64_t cid;
    int64_t start_ns, last_in_ns, ping_sent_ns, rtt_ns;
    int64_t write_since_ns; /* the write under way began */
    uint32_t write_len, write_left; /* it has so many bytes, of which so many are not taken yet; 0: there is none */
    uint32_t n_write_chunks; /* and so many pieces, when CONN_SLOW */
    int64_t last_out_ns;       /* when messages last went out to it ... */
    uint64_t n_out_seen;       /* ... and how many had by then */
    uint32_t n_stalls_all;
    uint32_t next, prev;       /* all connections of the shard, by slot */
    uint32_t next_list;        /* in the list of blocked or stalled ones */
    uint32_t next_closing;
    int64_t stall_until_ns;
};

/* Connections in the order in which they came, by slot. */
struct conn_list {
    uint32_t head, tail, n;
};

/* Lines as they go out, and room for them. */
struct net_texts {
    struct nats_info_template info;
    char *info_text;
    char *line; /* for encoding INFO and -ERR lines; NULL: nothing is prepared */
    uint32_t line_cap;
};

/* What peers do wrong is logged NET_QUIET_MAX times a second for each kind; the rest is counted, and the count logged. */
enum net_quiet_kind { NET_QUIET_PROTOCOL, NET_QUIET_AUTH, NET_QUIET_PERMS, NET_QUIET_SLOW, NET_QUIET_HTTP, NET_QUIET_N };
struct net_quiet {
    uint32_t n, n_more; /* logged, and not logged, since the timer was armed */
};

/* A configuration on its way through this shard. */
struct net_recheck {
    struct net_reload *telling; /* shard 0: not every shard has been told */
    uint64_t to_tell;           /* these */
    struct net_reload *r;       /* this shard has switched, and looks at its connections; NULL: nothing to do */
    uint32_t slot;              /* the next one; 0: all done */
    uint32_t n_left, n_surplus; /* connections still to come, and how many of them must go */
};

enum net_ldm_state { NET_LDM_OFF, NET_LDM_INFORM, NET_LDM_GRACE, NET_LDM_CLOSE, NET_LDM_DONE };

/* A lame duck on this shard (lame_duck.h). */
struct net_ldm {
    enum net_ldm_state state;
    uint32_t slot;             /* next connection to tell, or to close; 0: that was all */
    int64_t next_ns, pause_ns; /* when to close it; on average three quarters of this lie between two of them */
    struct timer timer;
};

struct net {
    struct shard *sh;
    const struct net_cfg *cfg;
    struct net_set *set;
    struct broker broker;
    struct slab conns;
    struct io_sock listener; /* shard 0 */
    struct http *http;       /* shard 0; NULL: none */
    struct gathers *gathers; /* what is asked of this shard */
    bool listener_open; /* until its IO_EV_CLOSED */
    bool stopping;
    bool had_mail; /* records came since net_trim_later was last told of some */
    bool again; /* something is left to do that nothing will wake us for: the next turn comes at once */
    uint32_t all_head;       /* all connections */
    uint32_t n_conns;
    uint32_t n_socks; /* of them, those whose sockets are not closed yet */
    struct conn_list blocked, stalled;
    bool pub_plain;       /* the last publish was such that it and what repeats it need no looking at but the broker's */
    int64_t flush_due_ns; /* until then those with little to say wait while turns follow each other at once; 0: not begun */
    uint32_t n_flushed;   /* connections served by the last flush for which nobody waited */
    uint32_t n_vain; /* so many at the end of `blocked` tried in vain since a mailbox last made room */
    uint32_t closing_head;       /* connections that wait for their end */
    struct timer stall_timer;
    struct timer trim_timer;     /* slabs and the interest index; rests while nothing happens */
    struct timer bufs_timer;     /* the buffer pool; rests while that is settled */
    uint32_t n_idle_trims;       /* trims since something happened, or was given back */
    struct timer turn_timer;     /* makes the next turn come: while connections close, and for `again` */
    uint64_t next_cid;           /* shard 0 */
    uint64_t n_assigned[SHARDS_MAX]; /* shard 0: connections given to each shard */
    uint8_t *scratch;            /* a publish that was not written as we would */
    uint32_t scratch_cap;
    uint8_t *mapped;             /* the subject that a publish was mapped to */
    uint32_t mapped_cap;
    uint64_t map_seed;           /* for the draws of mappings */
    struct net_texts texts;      /* prepared with the first connection, when the port is known, and by each reload */
    struct net_recheck reload;
    struct net_ldm ldm;
    struct login_job *jobs;      /* hashes being computed for this shard's logins */
    struct net_quiet quiet[NET_QUIET_N];
    struct timer quiet_timer;
};

/* The callbacks for struct shard_set_cfg; app_arg is a struct net_set. */
extern const struct shard_app net_app;

/* Bits for shard_ask. */
enum net_ask {
    NET_ASK_STOP = 1,
    NET_ASK_RELOAD = 2,           /* shard 0: net_set.reload */
    NET_ASK_HTTP = 4,             /* shard 0: http_ops.on_wake */
    NET_ASK_LAME_DUCK = 8,        /* lame_duck.h */
    NET_ASK_LAME_DUCK_CLOSE = 16,
    NET_ASK_OFFLOAD = 256,        /* jobs have finished */
};

#endif
