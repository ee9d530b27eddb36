/* io_suite_rig.h - what the sentences of io_suite.c are written against: two ios that are turned until a condition holds, and sockets that
 * check what every socket must obey, whatever the test is about (nothing after CLOSED, bytes in order, one completion a request).
 *
 * Threads  one. Memory  own: rig_setup -> rig_teardown, which closes what the test left open, and counts.
 */
#ifndef MIDGE_RT_IO_SUITE_RIG_H
#define MIDGE_RT_IO_SUITE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rt/io_suite.h"

enum {
    PATTERN_LEN = 65521, /* a prime: no power-of-two slip goes unseen */
    N_HELD_MAX = 4096,
    N_SOCKS_MAX = 600,
    N_ROUNDS_MAX = 4000000, /* of a condition that never comes true */
    N_QUIET = 50,           /* rounds in which nothing must happen */
};

struct rig;

/* A socket under test. */
struct tsock {
    struct io_sock s;
    struct rig *rig;
    struct io *io;
    uint32_t n_accept, n_accept_err, n_connect, n_closed, n_end, n_recv;
    enum err connect_err, end_err, send_err;
    int last_fd;
    uint64_t n_in, n_out;   /* bytes received and found right, bytes sent */
    uint64_t n_to_send;     /* pattern bytes to send in all */
    bool send_pending, closing, hold, echo, auto_recv, is_listener;
    uint32_t n_held;
    uint32_t *held;         /* buffers kept */
};

struct treq {
    struct io_req r;
    uint32_t n_done;
    enum err err;
    int64_t res;
};

/* What owner points to: sockets and requests tell themselves apart. */
struct towner {
    struct tsock *sock;
    struct treq *req;
};

struct rig {
    const struct io_suite_env *env;
    struct io *io[2];
    struct io_event evs[IO_TAKE_MAX];
    struct tsock *socks[N_SOCKS_MAX];
    struct towner owners[N_SOCKS_MAX];
    uint32_t n_socks;
    struct tsock *accept_into[N_SOCKS_MAX]; /* what the listener made */
    uint32_t n_accepted;
    struct io *accept_io;                   /* accepted sockets live here */
    bool accept_echo, accept_no_recv, accept_hold;
    uint8_t pattern[2 * PATTERN_LEN];
    uint64_t seed;
};

/* Below `below`, from the seed of the test. */
uint32_t rig_random(struct rig *r, uint32_t below);
struct tsock *tsock_new(struct rig *r, struct io *io);
void tsock_close(struct tsock *t);
void tsock_give_held(struct tsock *t);
void tsock_push(struct tsock *t);
void tsock_send(struct tsock *t, uint64_t n_more);
void tsock_on_event(struct tsock *t, const struct io_event *ev);
/* A turn of both ios; how many events. */
uint32_t rig_round(struct rig *r);
/* Go on until nothing has happened for a while. */
void rig_settle(struct rig *r);
enum err rig_listen_at(struct rig *r, struct io *io, struct tsock *t, uint16_t port, uint16_t *ret_port);
struct tsock *rig_listen(struct rig *r, struct io *io, uint16_t *ret_port);
struct tsock *rig_connect(struct rig *r, struct io *io, uint16_t port);
/* A listener on io 1, and n connections to it from io 0, all established. */
void rig_pairs(struct rig *r, uint32_t n, struct tsock **clients, struct tsock **servers);
int rig_setup(void **state);
int rig_teardown(void **state);

#define RUN_UNTIL(r, cond)                                   \
    do {                                                     \
        uint32_t n_rounds_ = 0;                              \
        while (!(cond)) {                                    \
            (void)rig_round(r);                              \
            if (++n_rounds_ == N_ROUNDS_MAX)                 \
                fail_msg("never came true: %s", #cond);      \
        }                                                    \
    } while (0)

#endif
