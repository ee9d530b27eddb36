/* client.h - a client of bytes in the simulated world: it says operations, reads what comes, and notes both in the history.
 *
 * Every payload says which publish it is and can be checked to its last byte; every sid says which subscription it is. What a client
 * receives and cannot be (an unknown sid, a payload with a wrong byte, a protocol error, an end of its connection that nobody
 * asked for) is a complaint, which ends the run.
 *
 *     "PUB a.x r.17 24\r\n" "0000002a" "xyz..." "\r\n"      the publish 42 of the history, 24 bytes
 *
 * Threads  one. Memory  own: client_connect -> client_free.
 */
#ifndef MIDGE_TESTS_SIM_CLIENT_H
#define MIDGE_TESTS_SIM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/history.h"
#include "tests/sim/world.h"

enum {
    CLIENT_PINGS_MAX = 8,
    CLIENT_PAYLOAD_MIN = 8, /* the number of the publish */
    CLIENT_PAYLOAD_MAX = 32 * 1024,
    CLIENT_OUT_MAX = 256 * 1024,
    CLIENT_IN_MAX = 128 * 1024,
    CLIENT_COMPLAINT_MAX = 256,
};

enum client_flag {
    CLIENT_CONNECT = 1,   /* says CONNECT first */
    CLIENT_VERBOSE = 2,
    CLIENT_NO_ECHO = 4,
    CLIENT_HEADERS = 8,
};

struct client {
    struct world *w;
    struct history *h;
    struct sim_peer *peer;
    uint32_t id;    /* in the history */
    uint32_t flags; /* enum client_flag */
    bool open;      /* INFO was seen */
    bool over;      /* no connection any more */
    uint32_t pings[CLIENT_PINGS_MAX]; /* not answered yet, oldest first */
    uint32_t n_pings;
    uint32_t last_sub, last_pub; /* what it spoke of last; UINT32_MAX: nothing */
    uint32_t n_ponged, n_msgs;   /* received, for the program to react */
    uint32_t msg_pub;            /* the publish received last */
    uint32_t out_len, out_off, in_len;
    char complaint[CLIENT_COMPLAINT_MAX]; /* "" : none */
    uint8_t out[CLIENT_OUT_MAX];
    uint8_t in[CLIENT_IN_MAX];
};

struct client *client_connect(struct world *w, struct history *h, uint32_t flags);
void client_free(struct client *c);

/* Room for another operation of this many bytes. */
bool client_room(const struct client *c, uint32_t len);

/* Say something. The history notes it, the bytes wait in `out`. */
void client_sub(struct client *c, uint32_t pattern, uint32_t queue);
void client_unsub(struct client *c, uint32_t sub);
void client_max(struct client *c, uint32_t sub, uint32_t max);
void client_pub(struct client *c, uint32_t subject, uint32_t len, bool reply, bool hdr);
void client_ping(struct client *c);
/* End the connection: after what was said, or at once. What is under way towards us is lost. */
void client_end(struct client *c, bool reset);

/* Give at most max bytes to the network; how many it took. */
uint32_t client_send(struct client *c, uint32_t max);
/* Something is there to be read, or the end. */
bool client_readable(struct client *c);
/* Read at most max bytes and handle what is complete. */
void client_read(struct client *c, uint32_t max);

#endif
