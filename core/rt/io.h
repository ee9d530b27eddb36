/* io.h - all waiting, all time and all randomness of a shard.
 *
 * One interface, three backends: `uring`, `epoll`, `sim`. Nothing above knows which one it has.
 * Each request has exactly one completion (accept and receive: a stream of them until stopped), and
 * completions come out of io_take only: a request never calls back.
 *
 * A turn of the shard uses it so:
 *
 *     io_wait(io, deadline)      submit what is queued, wait for a completion, a wake-up or the deadline
 *     n = io_take(io, evs, max)  take completions with the bytes they carry; nothing is handled yet
 *     ... io_buf_give(io, ...)   hand receive buffers back, in the order in which they were taken
 *     ... io_send(io, ...)       queue requests for the next io_wait
 *
 * A readiness backend (epoll) reads the bytes in io_take, so that the rule "take, then drain, then handle"
 * (docs/architecture.md) means the same for all.
 *
 * Threads  everything: the shard that owns `io`, except io_wake's `peer`, which may be any shard's.
 * Memory   sockets and requests are embedded in their owners and must stay put from init until their last completion
 *          (IO_EV_CLOSED for a socket, IO_EV_FILE for a request). Event queue, receive buffers and rings come from io_new.
 * Errors   errno and negative completion codes end here: events and results carry `enum err`; the raw number is kept in
 *          io_event.raw for the log.
 * Source   design/architecture.md "io backends", design/performance.md section 2.
 */
#ifndef MIDGE_RT_IO_H
#define MIDGE_RT_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/rt/err.h"

struct io;

enum io_backend { IO_AUTO, IO_URING, IO_EPOLL, IO_SIM };

enum {
    IO_RECV_BUF_LEN = 65536, /* the longest run of bytes one IO_EV_RECV carries (a bundle or a short tail may carry less) */
    IO_TAKE_MAX = 256,       /* events one io_take returns at most */
    IO_IOV_MAX = 64,         /* pieces of one io_send */
};

enum io_kind {
    IO_EV_ACCEPT,  /* res: the fd of a new connection, close-on-exec, for io_sock_init of any shard's io of this kind. err:
                      accepting paused by the backend (ERR_NOFILE: it retries by itself after a pause and does not spin)  */
    IO_EV_RECV,    /* data, len, buf: bytes; or err: ERR_CLOSED at end of stream, another on failure: the last of the stream */
    IO_EV_SEND,    /* len: bytes sent (may be short), or err */
    IO_EV_CONNECT, /* err: OK when connected */
    IO_EV_CLOSED,  /* the last event of a socket: its memory is yours again */
    IO_EV_FILE,    /* res: bytes or file descriptor of a file request, or err */
};

/* One completion. */
struct io_event {
    void *owner;         /* the socket's or the request's owner */
    const uint8_t *data; /* RECV: view until io_buf_give(buf). At least IO_RECV_SLACK bytes after the end are readable */
    uint32_t len;        /* RECV, SEND: bytes */
    uint32_t buf;        /* RECV: token for io_buf_give; IO_BUF_NONE when there is no buffer (err set) */
    int64_t res;         /* ACCEPT: fd; FILE: bytes or fd */
    int32_t raw;         /* errno behind err, for the log; 0 otherwise */
    uint8_t kind;        /* enum io_kind */
    uint8_t err;         /* enum err */
};
enum { IO_BUF_NONE = 0xffffffffu, IO_RECV_SLACK = 64 };

/* A socket (stream or listener). Embedded; fields belong to the backend, except owner. */
struct io_sock {
    void *owner;                  /* comes back in every event */
    void *tx;                     /* backend's: what is in flight to send */
    struct io_sock *next, *prev;  /* backend's: list links */
    int32_t fd;                   /* -1: none */
    uint16_t flags;               /* backend's */
    uint16_t n_inflight;          /* backend's: requests the kernel still holds */
    uint32_t aux, aux2;           /* backend's */
};

/* A file request. Embedded; one at a time in flight each. */
struct io_req {
    void *owner;
    uint64_t aux[6]; /* backend's */
};

struct io_cfg {
    enum io_backend backend;
    uint32_t n_entries;       /* submission entries wanted; 0 = default */
    uint32_t recv_bufs_bytes; /* receive buffers in all; 0 = default (1 MiB: should fit L2) */
    struct sim *sim;          /* IO_SIM: the world it lives in; NULL otherwise */
    uint32_t shard_id;
    /* Told once per process-wide decision (fallback from uring to epoll, missing features): cause and remedy. May be NULL. */
    void (*warn)(void *arg, const char *text);
    void *warn_arg;
};

/* What a backend found at start, for the log and for tests. */
struct io_features {
    enum io_backend backend;
    bool multishot_accept, multishot_recv, buf_ring, buf_ring_inc, recv_bundle, send_bundle, msg_ring, defer_taskrun, min_wait;
};

/* Make a backend. IO_AUTO tries uring, then epoll with one warning that names cause and remedy.
 * Must be called by the thread that will run it (IO_URING: single issuer).
 *   own   *ret_io, by io_free
 *   fail  ERR_UNSUPPORTED (this backend is refused here), ERR_NOMEM, ERR_NOFILE */
enum err io_new(const struct io_cfg *cfg, struct io **ret_io);
void io_free(struct io *io); /* NULL is fine; all sockets must be closed before */

const struct io_features *io_features(const struct io *io);

/* Nanoseconds of the machine-wide monotonic clock (sim: of virtual time; strictly increasing from call to call there). */
int64_t io_now(struct io *io);
/* Nanoseconds of the wall clock since 1970. */
int64_t io_wall(struct io *io);
/* 64 random bits, not for secrets (sim: from the seed). */
uint64_t io_random(struct io *io);

/* Submit what is queued; return when there is something to take, somebody woke us, or io_now >= deadline_ns.
 * A deadline in the past polls. May return early without cause. */
void io_wait(struct io *io, int64_t deadline_ns);
/* Up to max (<= IO_TAKE_MAX) events, oldest first. Events taken are those that had arrived when the call began. */
uint32_t io_take(struct io *io, struct io_event *evs, uint32_t max);
/* The same while the caller has not handled all of the last ones yet: sends that are done since, above all, so that it may send more. Reads from no
 * socket; a backend where sends are done at once (epoll) has none. */
uint32_t io_take_more(struct io *io, struct io_event *evs, uint32_t max);
/* Submit what is queued without waiting (used before a long step; io_wait does it too). */
void io_flush(struct io *io);
/* Hand a receive buffer back. Call it once for each RECV event that has one, in the order taken. */
void io_buf_give(struct io *io, uint32_t buf);

/* Make `peer`'s io_wait return. Costs the caller as little as the backend can (uring: a ring message with the next
 * submit). Call it only when the peer said that it sleeps. May be called from self's thread only. */
void io_wake(struct io *self, struct io *peer);
/* The same from any thread, or from a signal handler (an eventfd write). */
void io_wake_any(struct io *peer);

/* Adopt fd, a connection that any real backend accepted: blocking (none of them relies on it), and TCP_NODELAY as its listener was. fd belongs to
 * the socket from now on. */
void io_sock_init(struct io *io, struct io_sock *s, int fd, void *owner);
/* Close an accepted connection that nobody adopts. */
void io_fd_drop(struct io *io, int fd);
/* Bind and listen. port 0: any; *ret_port says which. Retries an address in use for up to `retry_ms`
 * (a killed predecessor's ring may still hold it). Blocks meanwhile: for start-up only.
 *   fail  ERR_ADDRINUSE, ERR_ADDR, ERR_ACCESS, ERR_NOFILE */
enum err io_listen(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, int backlog,
                   uint32_t retry_ms, void *owner, uint16_t *ret_port);
void io_accept_start(struct io *io, struct io_sock *s); /* IO_EV_ACCEPT for each connection until closed or stopped */
void io_accept_stop(struct io *io, struct io_sock *s);
/* Open a stream to addr. IO_EV_CONNECT follows. */
enum err io_connect(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, void *owner);

/* IO_EV_RECV for all that arrives, until stopped, end of stream or failure. Running out of receive buffers is
 * handled inside: the socket is starved until one comes back. Start while started is nothing; a connecting socket may
 * start after its IO_EV_CONNECT. */
void io_recv_start(struct io *io, struct io_sock *s);
/* No more receiving. What the kernel had delivered already may still come out of io_take. */
void io_recv_stop(struct io *io, struct io_sock *s);

/* Send n_iov pieces, in order. At most one send is in flight per socket.
 *   returns OK: *ret_sent bytes went out at once (may be short, never 0), no event follows;
 *           ERR_PENDING: IO_EV_SEND follows, and bytes (not iov) must stay put until then; a backend may try the first
 *           pieces only, so a short count is no sign of a full socket;
 *           else the socket is broken: close it. */
enum err io_send(struct io *io, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, size_t *ret_sent);

/* Stop everything and close. IO_EV_CLOSED follows, after every other event of the socket. Second call: nothing.
 * What io_take returns from now on: a send or a connect in flight still has its one completion (ERR_CANCELED where closing
 * cut it short), received bytes and accepted connections are dropped inside, and IO_EV_CLOSED is the last. (Events that the
 * caller had taken before it called io_close are the caller's: their buffers must still be given back.) */
void io_close(struct io *io, struct io_sock *s);

/* File requests: one IO_EV_FILE each. Bytes and paths must stay put until then. */
void io_file_open(struct io *io, struct io_req *r, const char *path, int flags, uint32_t mode);
void io_file_read(struct io *io, struct io_req *r, int fd, void *to, uint32_t len, uint64_t off);
void io_file_write(struct io *io, struct io_req *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync);
void io_file_sync(struct io *io, struct io_req *r, int fd, bool data_only);
void io_file_rename(struct io *io, struct io_req *r, const char *from, const char *to);
void io_file_close(struct io *io, struct io_req *r, int fd);

/* Counters of the backend, for monitoring. Owner writes, anyone may read relaxed. */
struct io_stats {
    uint64_t n_enter;      /* system calls that waited or submitted */
    uint64_t n_recv, n_send, n_accept;
    uint64_t n_starved;    /* times a socket waited for a receive buffer */
    uint64_t n_rearm;      /* multishot requests armed again */
    uint64_t n_wake_sent;
    uint64_t n_accept_fail; /* out of file descriptors and the like */
};
const struct io_stats *io_stats(const struct io *io);

#endif
