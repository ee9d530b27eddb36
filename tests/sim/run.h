/* run.h - one seed: a world, its clients, what they do at random, and what is asked of the outcome.
 *
 *     ACT      clients do random things, and react to what they see: where shards could be told apart, somebody looks
 *     SETTLE   twice, everybody sends a PING and waits for its PONG; then, until nothing moves
 *     LEAVE    all connections end; until the server has forgotten them
 *     STOP     the server stops
 *
 * Whenever nothing moves, nobody may wait for anything (world_stuck): a lost wake-up or a deadlock shows at once and not by a time-out.
 *
 * Threads  one. Memory  own: everything is released when run_seed returns.
 */
#ifndef MIDGE_TESTS_SIM_RUN_H
#define MIDGE_TESTS_SIM_RUN_H

#include "tests/sim/client.h"
#include "tests/sim/judge.h"

enum {
    RUN_CLIENTS_MAX = 8,
    RUN_WHY_MAX = 512,
};

/* How this seed plays; drawn from it. */
struct run_cfg {
    struct world_cfg world;
    uint32_t n_clients, n_ops;
    uint32_t client_pct;   /* of the steps, those of clients */
    uint32_t react_pct;    /* PONGs and messages that make somebody do something at once */
    uint32_t lazy_pct;     /* times a client does not read what is there */
    uint32_t burst_max;    /* publishes in a row */
    uint32_t subjects[H_SUBJECTS], n_subjects;
    uint32_t w_sub, w_queue, w_unsub, w_max, w_pub, w_ping, w_end; /* how often, one beside the other */
    uint32_t size_pct[4];  /* small, inline, by reference, large */
};

struct run {
    struct run_cfg cfg;
    struct world w;
    struct history *h;
    struct client *clients[RUN_CLIENTS_MAX]; /* NULL: a free place */
    uint32_t n_ops;
    struct rng rng; /* of cfg */
};

struct run_result {
    bool ok;
    char why[RUN_WHY_MAX];
    bool judged;            /* false: `why` says all; true: verdict does */
    struct verdict verdict;
    uint64_t hash, n_steps;
    uint32_t seen;          /* enum world_seen */
};

/* Play this seed with these planted bugs (0: none). h is filled. */
void run_seed(uint64_t seed, uint32_t mutations, struct history *h, struct run_result *ret);

/* ---- program.c ---- */

/* Draw how the seed plays. */
void program_cfg(struct run_cfg *ret, uint64_t seed, uint32_t mutations);
/* c does something. False: it cannot now. */
bool program_act(struct run *r, struct client *c);
/* c has seen PONGs, or messages: somebody may do what would show it if shards could be told apart. */
void program_react(struct run *r, struct client *c, bool pong);

#endif
