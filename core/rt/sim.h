/* sim.h - a world for tests: virtual time, network and disks, all driven by one seed.
 *
 * One struct sim holds any number of hosts; a host has a disk and any number of struct io (IO_SIM; one for each shard of the servers that
 * run there). Beside them live peers: the ends of connections that a test plays by hand, in the same virtual time.
 *
 *     host 0 (outside)          host 1                        host 2
 *     peer  peer  peer          io, io (a server of 2 shards)  io
 *        \____ network: delays, cut links, resets ____/________/
 *
 * Nothing here blocks and nothing happens by itself: the test is the scheduler. It decides who runs next, and when nobody can, it
 * lets time go on to the next event (sim_next, sim_advance). What happens is decided by the seed and by the order of the
 * calls alone, so that a failing seed replays exactly.
 *
 * Time     io_now and sim_now return a larger number in every call. Bytes sent are there after a random delay, often none;
 *          connections overtake each other, bytes within one never do.
 * Disk     a write is in the page cache when it completes, and on the disk after a sync of its file that said OK. A sync that fails
 *          forgets what it should have written: a later one that says OK does not bring it back. A crash keeps each unsynced
 *          write whole, in part (some of its sectors), or not at all, and of the unsynced changes of names the oldest few.
 *          Names become durable by a sync of their folder.
 * Threads  one for the whole world.
 * Memory   own: sim_new -> sim_free, after all io were freed. A world without memory ends the test (ASSERT).
 * Source   design/architecture.md "io backends"; design/style.md section 10.
 */
#ifndef MIDGE_RT_SIM_H
#define MIDGE_RT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"
#include "core/rt/io.h"
#include "core/rt/rng.h"

enum {
    SIM_HOSTS_MAX = 16,
    SIM_HOST_OUTSIDE = 0, /* where peers live */
    SIM_SECTOR_LEN = 512, /* what a disk writes whole or not at all */
    SIM_DISK_WHOLE_LEN = 4096, /* reads and writes up to here are never cut short */
    SIM_PPM = 1000000,
};

/* Shares are per hundred, or ppm per million, of the occasions. */
struct sim_cfg {
    uint64_t seed;
    int64_t delay_ns_max;       /* of bytes and connections on their way */
    uint32_t delay_none_pct;    /* so many are there at once */
    uint32_t short_pct;         /* sends and receives cut short */
    uint32_t later_pct;         /* sends that complete later, not in the call */
    uint32_t window_bytes;      /* of one direction of a connection: sent and not received; a power of two */
    uint32_t reset_ppm;         /* sends that find the connection reset */
    uint32_t refuse_ppm;        /* connects refused although somebody listens */
    uint32_t accept_fail_ppm;   /* accepts that find no file descriptor */
    int64_t connect_timeout_ns; /* of a connect over a cut link */
    int64_t disk_delay_ns_max;
    uint32_t disk_short_pct;    /* reads and writes cut short */
    uint32_t disk_fail_ppm;     /* reads and writes that fail */
    uint32_t sync_fail_ppm;
    uint32_t flip_ppm;          /* reads that find a bit flipped, for good */
    uint64_t disk_bytes_max;    /* of one host: above it there is no space */
    bool wait_advances;         /* io_wait lets time go on by itself; for tests that have no scheduler */
};

/* A world in which everything legal happens and nothing fails. */
void sim_cfg_default(struct sim_cfg *ret, uint64_t seed);

struct sim;

struct sim *sim_new(const struct sim_cfg *cfg); /* own: sim_free */
void sim_free(struct sim *sim);
/* Change the rates (not seed and window) of a running world: "from now on everything fails". */
void sim_tune(struct sim *sim, const struct sim_cfg *cfg);

int64_t sim_now(struct sim *sim);                /* larger than ever before */
int64_t sim_clock(const struct sim *sim);        /* the same without moving it */
void sim_advance(struct sim *sim, int64_t to_ns); /* a time in the past: nothing */
/* When something happens next by itself (bytes arrive, a disk is done): a time in the future, INT64_MAX if nothing will. */
int64_t sim_next(struct sim *sim);
struct rng *sim_rng(struct sim *sim); /* the world's dice, for schedulers and tests too */
bool sim_chance(struct sim *sim, uint32_t ppm);

/* ---- ios ---- */

/* Ios made from now on (io_new with IO_SIM) live on this host; 1 until it is called. */
void sim_host_select(struct sim *sim, uint32_t host);
/* Whether io_wait with this deadline would return because there is something to do. */
bool sim_io_ready(struct io *io, int64_t deadline_ns);

/* ---- network ---- */

/* Cut the link between two hosts, or heal it. Meanwhile bytes wait and connects time out. */
void sim_link_cut(struct sim *sim, uint32_t a, uint32_t b, bool cut);

/* An end of a connection, played by the test. */
struct sim_peer;
enum sim_peer_state {
    SIM_PEER_CONNECTING,
    SIM_PEER_OPEN,
    SIM_PEER_EOF,     /* the other end closed, and its bytes were all received */
    SIM_PEER_RESET,   /* the connection is gone */
    SIM_PEER_REFUSED, /* it never was: nobody listens there, or the link is cut */
};

/* Connect to a port of a host. own: sim_peer_free */
struct sim_peer *sim_peer_connect(struct sim *sim, uint32_t host, uint16_t port);
enum sim_peer_state sim_peer_state(struct sim_peer *p);
/* How many of the bytes the window took (0 while connecting, or when the connection is gone). */
size_t sim_peer_send(struct sim_peer *p, const void *bytes, size_t len);
/* Bytes that have arrived by now; how many. */
size_t sim_peer_recv(struct sim_peer *p, void *to, size_t cap);
/* Whether sim_peer_recv would give something, or the state has changed to an end. */
bool sim_peer_readable(struct sim_peer *p);
void sim_peer_close(struct sim_peer *p); /* end of stream after what was sent; what arrives later is reset */
void sim_peer_reset(struct sim_peer *p);
void sim_peer_free(struct sim_peer *p);  /* resets an open one; NULL is fine */

/* ---- crash ---- */

/* The power of a host fails. Its ios are dead: they do nothing any more, may be freed with sockets open, and give no event; their
 * connections are reset. What its disk keeps is decided here. New ios on the host see that disk. */
void sim_host_crash(struct sim *sim, uint32_t host);

/* ---- disk, for tests ---- */

/* Length of a file as a running process sees it, -1: none. */
int64_t sim_file_len(struct sim *sim, uint32_t host, const char *path);
/* Flip one bit of a file, on the disk and in the cache. The file has bytes. */
void sim_file_flip(struct sim *sim, uint32_t host, const char *path, uint64_t bit);

#endif
