/* sim_priv.h - what the files of the simulated world share: sim.c (world, hosts, descriptors), sim_net.c (connections), sim_disk.c
 * (files), io_sim.c (the backend that shards see).
 *
 * Shape
 *     sim -- hosts[] -- disk -- names, inodes
 *        \-- fds[]: sim_sock descriptors (an accepted end, a listener) and open files, by number
 *        \-- listeners, conns, peers, ios: lists
 *
 *     A connection has two ends. An end is held by a peer, by a socket of an io, or by a descriptor that nobody has adopted
 *     yet. pipe[i] carries the bytes towards end i.
 *
 * Threads  one. Memory  malloc; released by their owners, at the latest with the world.
 */
#ifndef MIDGE_RT_SIM_PRIV_H
#define MIDGE_RT_SIM_PRIV_H

#include "core/rt/assert.h"
#include "core/rt/io_priv.h"
#include "core/rt/list.h"
#include "core/rt/sim.h"
#include "core/rt/util.h"

enum {
    SIM_FD_BASE = 1 << 20, /* no real descriptor is that large: nobody touches one by mistake */
    SIM_MARKS_MAX = 64,
    SIM_BACKLOG_MAX = 4096,
    SIM_PORT_FIRST = 20000,
    SIM_PIECES_MAX = 4,  /* receives of one socket in one io_take */
    SIM_ACCEPT_PAUSE_MS = 100,
    SIM_WAKES_MAX = 64,
};

/* ---- network ---- */

/* Bytes up to `end` are there at due_ns. */
struct sim_mark {
    uint64_t end;
    int64_t due_ns;
};

/* One direction of a connection. */
struct sim_pipe {
    uint8_t *ring; /* window_bytes; NULL before the first byte */
    uint64_t head, tail; /* received, sent: they only grow */
    struct sim_mark marks[SIM_MARKS_MAX];
    uint32_t mark_head, mark_tail;
    int64_t last_due_ns; /* nothing overtakes */
    bool fin;            /* the sender has closed; the receiver learns it at last_due_ns */
};

struct sim_end {
    struct sim_sock *sock; /* the socket that holds it, or NULL */
    struct sim_peer *peer; /* the peer that holds it, or NULL */
    uint32_t host;
    bool closed;
};

struct sim_conn {
    struct list node; /* sim.conns */
    struct sim *sim;
    struct sim_pipe pipe[2];
    struct sim_end end[2];
    bool reset; /* both ends find out at reset_due_ns */
    int64_t reset_due_ns;
};

/* A connection on its way to a listener. */
struct sim_arrival {
    struct sim_arrival *next;
    struct sim_conn *conn;
    int64_t due_ns;
};

struct sim_listener {
    struct list node; /* sim.listeners */
    uint32_t host;
    uint16_t port;
    struct sim_arrival *first, **last; /* oldest first */
    uint32_t n_arrivals;
};

/* A connect that has not arrived yet. */
struct sim_dial {
    uint32_t from, to; /* hosts */
    uint16_t port;
    int64_t due_ns, timeout_ns;
};

struct sim_peer {
    struct list node; /* sim.peers */
    struct sim *sim;
    struct sim_conn *conn; /* it holds end 0; NULL: not connected (yet, or any more) */
    struct sim_dial dial;
    bool over;   /* the connect failed */
    bool closed; /* by us */
};

/* What an io keeps of one of its sockets: io_sock.tx points here. */
struct sim_sock {
    struct list node; /* sim_io.socks */
    struct sim_io *io;
    struct io_sock *s;
    struct sim_conn *conn; /* stream: with `side` */
    uint8_t side;
    struct sim_listener *listener;
    struct sim_dial dial;
    bool dialing;   /* a connect is under way */
    bool wanted;    /* receive or accept was started */
    bool done;      /* end of stream was told */
    bool starved;
    bool sending;
    bool submitted; /* what is under way left with an io_wait or io_flush */
    bool closing;
    uint32_t n_sent; /* closing: what a send in flight still got out */
    int64_t send_due_ns, closed_due_ns, paused_until_ns;
    uint32_t n_iov;
    struct iovec iov[IO_IOV_MAX];
};

enum sim_fd_kind { SIM_FD_FREE, SIM_FD_CONN, SIM_FD_LISTENER, SIM_FD_FILE, SIM_FD_FOLDER };

struct sim_fd {
    uint8_t kind; /* enum sim_fd_kind */
    uint8_t side;
    uint32_t host;
    void *ptr; /* sim_conn, sim_listener, sim_inode; a folder's path */
};

/* ---- disk ---- */

struct sim_inode;
struct sim_disk;

/* ---- ios ---- */

struct sim_io {
    struct io io;
    struct sim *sim;
    struct list node; /* sim.ios */
    uint32_t host;
    bool dead;
    bool woken;
    struct sim_io *wakes[SIM_WAKES_MAX]; /* go out with the next submit */
    uint32_t n_wakes;
    struct list socks;
    struct list reqs;  /* sim_req: file requests under way */
    uint8_t *area;     /* receive buffers, each with its slack */
    uint32_t *spare;   /* stack of free ones */
    bool *taken;
    uint32_t n_bufs, n_spare;
};

struct sim {
    struct sim_cfg cfg;
    struct rng rng;
    int64_t now_ns;
    int64_t wall_base_ns;
    uint32_t host_next; /* where the next io lives */
    struct sim_disk *disks[SIM_HOSTS_MAX];
    uint16_t cut[SIM_HOSTS_MAX]; /* bit set: no link to that host */
    struct sim_fd *fds;
    uint32_t n_fds, cap_fds;
    uint16_t port_next;
    struct list listeners, conns, peers, ios;
};

/* ---- sim.c ---- */

void *sim_alloc(size_t len); /* zeroed; never NULL */
int sim_fd_new(struct sim *sim, enum sim_fd_kind kind, void *ptr, uint8_t side, uint32_t host);
/* NULL: not open, or of another kind */
struct sim_fd *sim_fd_find(struct sim *sim, int fd, enum sim_fd_kind kind);
void sim_fd_free(struct sim *sim, int fd);
bool sim_pct(struct sim *sim, uint32_t pct);
/* When what starts now is done, given the longest delay. */
int64_t sim_due(struct sim *sim, int64_t delay_ns_max);
bool sim_linked(const struct sim *sim, uint32_t a, uint32_t b);

/* ---- sim_net.c ---- */

struct sim_conn *sim_conn_new(struct sim *sim, uint32_t host_a, uint32_t host_b);
/* Bytes that end `side` can receive now; *ret_over: nothing will ever follow them (then *ret_err says why, ERR_CLOSED or ERR_RESET). */
uint32_t sim_conn_readable(struct sim_conn *c, uint8_t side, bool *ret_over, enum err *ret_err);
void sim_conn_read(struct sim_conn *c, uint8_t side, void *to, uint32_t len);
/* Room for bytes from end `side`; *ret_broken: nobody will read them. */
uint32_t sim_conn_room(struct sim_conn *c, uint8_t side, bool *ret_broken);
void sim_conn_write(struct sim_conn *c, uint8_t side, const void *bytes, uint32_t len);
/* All that was written up to here gets one time of arrival. */
void sim_conn_push(struct sim_conn *c, uint8_t side);
void sim_conn_reset(struct sim_conn *c);
/* End `side` is gone. c may be gone with it. */
void sim_conn_close(struct sim_conn *c, uint8_t side);
/* When end `side` may have something new: > now, or INT64_MAX. */
int64_t sim_conn_next(struct sim_conn *c, uint8_t side);
void sim_conn_free(struct sim_conn *c);

struct sim_listener *sim_listener_new(struct sim *sim, uint32_t host, uint16_t port); /* NULL: port in use */
void sim_listener_free(struct sim_listener *l);                                       /* resets what nobody accepted */
struct sim_conn *sim_listener_take(struct sim *sim, struct sim_listener *l);          /* NULL: none there */
int64_t sim_listener_next(const struct sim_listener *l); /* when the oldest arrives (or has); INT64_MAX: none is coming */

void sim_dial_start(struct sim *sim, struct sim_dial *d, uint32_t from, uint32_t to, uint16_t port);
/* ERR_PENDING: not decided yet; OK: *ret_conn's end 0 is the dialler's */
enum err sim_dial_try(struct sim *sim, const struct sim_dial *d, struct sim_conn **ret_conn);
int64_t sim_dial_next(struct sim *sim, const struct sim_dial *d); /* when it is decided (or was) */
int64_t sim_net_next(struct sim *sim);                            /* of peers: > now, or INT64_MAX */

/* ---- sim_disk.c ---- */

enum sim_op { SIM_OPEN, SIM_READ, SIM_WRITE, SIM_SYNC, SIM_RENAME, SIM_CLOSE };

/* A file request under way. */
struct sim_req {
    struct list node; /* sim_io.reqs */
    struct io_req *r;
    enum sim_op op;
    int fd;
    void *ptr;
    const char *path, *to;
    uint32_t len; /* or mode */
    int flags;
    uint64_t off;
    bool dsync;
    int64_t due_ns; /* INT64_MAX: not submitted */
};

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *d);
void sim_disk_crash(struct sim *sim, struct sim_disk *d);
/* Do it; >= 0, or a negative errno. */
int64_t sim_disk_run(struct sim *sim, uint32_t host, struct sim_req *q);
void sim_inode_unref(struct sim_inode *ino);

/* ---- io_sim.c ---- */

int64_t sim_io_next(struct sim_io *io); /* when it may have something new; > now, or INT64_MAX */
void sim_io_kill(struct sim_io *io);    /* its host lost power */

#endif
