/* load.h - the load generator: one process, one scenario, one JSON object on stdout.
 *
 * It speaks the raw NATS protocol and shares nothing with the server it measures, so that
 * the same bytes go to Midge, to nats-server, and to the relay (load_relay.c) that shows how
 * fast the generator itself is. A scenario opens its connections, warms the server up, reads
 * the server's CPU clocks, does its work, waits until everything was delivered, reads the
 * clocks again and verifies that exactly what was owed has arrived.
 *
 * Shape    load_main.c parses the options and calls one load_SCENARIO function. The message
 *          pump that most of them use is load_engine.h.
 * Threads  each scenario says; options are written before the first thread starts.
 * Fail     a benchmark has nothing to save: what goes wrong is reported by load_die, which
 *          ends the process, and the driver records that run as failed.
 */
#ifndef MIDGE_LOAD_H
#define MIDGE_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    LOAD_EXIT_FAILED = 2,  /* the server or the network did something unexpected */
    LOAD_EXIT_TIMEOUT = 3, /* --timeout passed: the message says what was awaited */
    LOAD_SUBJECT_CAP = 64,
    LOAD_THREADS_MAX = 64,
    LOAD_CONNS_MAX = 20000,
    LOAD_SEGMENTS_MAX = 32,
};

/* Every option of every scenario; a scenario reads those that concern it. */
struct load_opts {
    const char *scenario;
    const char *host;
    uint16_t    port;
    pid_t       server_pid;   /* 0 = nothing to measure */
    uint32_t    n_threads;    /* workers of the generator */
    bool        spin;         /* never sleep, so that the server pays for no wake-up of ours */
    uint32_t    duration_ms;  /* of one measured segment */
    uint32_t    warmup_ms;
    uint32_t    n_segments;   /* measured one after another, for scenarios that alternate */
    uint32_t    timeout_s;    /* the whole process */
    uint32_t    settle_ms;    /* idle time before a memory figure is read */

    uint32_t    size;         /* payload bytes */
    uint32_t    n_flows;      /* separate subjects */
    uint32_t    n_pubs;       /* publishers of each flow */
    uint32_t    n_subs;       /* subscribers of each flow */
    bool        queue;        /* a flow's subscribers form one queue group */
    uint64_t    window_bytes; /* what may be under way to one subscriber */
    uint32_t    gap;          /* idle connections opened between publishers and subscribers */
    uint32_t    churn;        /* SUBs (and as many UNSUBs) a second, in every second segment */
    bool        copy;         /* read every byte instead of discarding most of them unread */

    uint64_t    rate;         /* open loop: messages a second offered */
    uint32_t    n_probes;     /* subscribers whose latencies are recorded */
    uint32_t    n_inflight;   /* requests under way, all requesters together */
    uint32_t    n_conns;      /* connections to open; connections that carry subscriptions */
    uint32_t    n_literals;   /* unique literal subscriptions */
    uint32_t    n_wildcards;
    bool        wild_match;   /* wildcards match what is published */
    uint64_t    flood_bytes;  /* stalled subscribers: publish at most this much */
};

/* Report what went wrong on stderr and exit with LOAD_EXIT_FAILED. */
__attribute__((noreturn, format(printf, 1, 2))) void load_die(const char *fmt, ...);

/* Name what the process waits for from now on; --timeout reports it. A string literal. */
void load_await(const char *what);

/* The monotonic clock in ns. Threads  any. */
uint64_t load_now(void);

/* Sleep until the monotonic clock shows deadline_ns (returns at once if it has passed). */
void load_sleep_until(uint64_t deadline_ns);

/* The scenarios. Each prints one JSON object and returns, or ends in load_die. */
void load_stream(const struct load_opts *o);  /* load_stream.c:  saturated publish/subscribe */
void load_paced(const struct load_opts *o);   /* load_paced.c:   open loop, latencies */
void load_request(const struct load_opts *o); /* load_request.c: request/reply */
void load_subs(const struct load_opts *o);    /* load_subs.c:    a million subscriptions */
void load_conns(const struct load_opts *o);   /* load_conns.c:   ten thousand connections */
void load_stall(const struct load_opts *o);   /* load_stall.c:   subscribers that never read */
void load_relay(const struct load_opts *o);   /* load_relay.c:   the trivial server; never returns */

#endif
