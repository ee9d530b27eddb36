/* history.h - what the clients did and saw, in the order in which the outside world did and saw it.
 *
 * Every event has a stamp, a number that only grows: the world has one thread, so "A saw its PONG, then B began to publish" is plain
 * order of stamps. What is written down is chosen so that doubt weakens a rule and never makes a false accusation: a `begin` is
 * noted before the first byte is given to the network, a reception when its last byte was read.
 *
 * Subjects, patterns and queues are numbers into tables (history_subject_text and its kin).
 *
 * Threads  one. Memory  fixed arrays; history_clear starts over. A full array is a mistake of the program that fills it (ASSERT).
 */
#ifndef MIDGE_TESTS_SIM_HISTORY_H
#define MIDGE_TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H_NEVER UINT64_MAX

enum {
    H_CLIENTS_MAX = 64,
    H_PUBS_MAX = 1024,
    H_SUBS_MAX = 256,
    H_PINGS_MAX = 1024,
    H_GOTS_MAX = 64 * 1024,
    H_EVENTS_MAX = 128 * 1024,
    H_SUBJECTS = 8,   /* the first patterns are the subjects themselves */
    H_PATTERNS = 13,
    H_QUEUES = 4,     /* 0: none */
};

struct h_client {
    uint64_t begin, died, forgotten; /* died: we ended it, or saw its end; forgotten: the server has nothing of it any more */
    uint64_t cid;                    /* from INFO; 0: not seen */
    uint32_t shard;                  /* where the server put it */
    bool echo;
    bool by_us;                      /* we ended it */
};

struct h_sub {
    uint32_t client, pattern, queue;
    uint64_t begin, known; /* known: PONG behind it, or its first message */
    uint64_t unsub, gone;  /* UNSUB begun, and its PONG */
    uint32_t max;          /* UNSUB with a number; 0: none */
    uint64_t max_begin, max_known;
};

struct h_pub {
    uint32_t client, subject, len;
    bool reply, hdr;
    uint64_t begin, pong, seen; /* seen: PONG behind it, or the first message of it anywhere */
};

struct h_ping {
    uint32_t client;
    uint64_t begin, pong;
};

/* One message received. */
struct h_got {
    uint32_t client, sub, pub;
    uint64_t at;
};

enum h_kind { H_CONNECT, H_OPEN, H_SUB, H_UNSUB, H_MAX, H_PUB, H_PING, H_PONG, H_MSG, H_END, H_GONE };

/* For reading by people. a, b: numbers of a sub, a publish, a ping; whatever the kind has. */
struct h_event {
    uint8_t kind;
    uint32_t client, a, b;
};

struct history {
    struct h_client clients[H_CLIENTS_MAX];
    struct h_sub subs[H_SUBS_MAX];
    struct h_pub pubs[H_PUBS_MAX];
    struct h_ping pings[H_PINGS_MAX];
    struct h_got gots[H_GOTS_MAX];
    struct h_event events[H_EVENTS_MAX]; /* by stamp */
    uint32_t n_clients, n_subs, n_pubs, n_pings, n_gots;
    uint64_t n_events;
    bool print; /* every event, as it happens */
};

void history_clear(struct history *h);

/* The numbers of what was noted. */
uint32_t history_connect(struct history *h);
void history_open(struct history *h, uint32_t client, uint64_t cid, uint32_t shard);
uint32_t history_sub(struct history *h, uint32_t client, uint32_t pattern, uint32_t queue);
void history_unsub(struct history *h, uint32_t sub);
void history_max(struct history *h, uint32_t sub, uint32_t max);
uint32_t history_pub(struct history *h, uint32_t client, uint32_t subject, uint32_t len, bool reply, bool hdr);
uint32_t history_ping(struct history *h, uint32_t client);
void history_pong(struct history *h, uint32_t ping);
void history_msg(struct history *h, uint32_t client, uint32_t sub, uint32_t pub);
void history_end(struct history *h, uint32_t client, bool by_us);
/* The server has nothing of this client any more. */
void history_gone(struct history *h, uint32_t client);

const char *history_pattern_text(uint32_t pattern);
const char *history_queue_text(uint32_t queue); /* "" for 0 */
bool history_match(uint32_t pattern, uint32_t subject);

/* One line about event number `at`. */
void history_print(const struct history *h, uint64_t at);

#endif
