/* world.h - one server of a few shards in one thread: the real code, taken apart into steps that a seed puts in order.
 *
 * A turn of a shard (core/rt/shard.h) is cut wherever another thread could come between: each look at a peer's published word, each batch,
 * each run of events, each seal, the one store, the wake-ups, the flush. world_step does the next step of some shard; who comes
 * next, for how long it keeps running, and who stands still for a while in the middle of a turn, the world's dice say.
 *
 * Two of the planted bugs (core/rt/mutate.h) are an order of steps and are planted here: MUTATE_TAKE_AFTER_DRAIN, MUTATE_SEND_FIRST.
 *
 * Time     virtual; it goes on a little with every step, and to the next event when nobody can do anything.
 * Threads  one.
 * Memory   own: world_open -> world_close. Visible, so that the judge of leaks can look.
 * Source   design/architecture.md "One rule that orders everything"; style.md section 10.
 */
#ifndef MIDGE_TESTS_SIM_WORLD_H
#define MIDGE_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/net/net.h"
#include "core/rt/shard.h"
#include "core/rt/sim.h"

enum {
    WORLD_SHARDS_MAX = 4,
    WORLD_HOST = 1, /* where the server runs */
};

/* Where a shard stands in its turn: the step it does next. */
enum world_at {
    AT_WAIT_BEGIN,
    AT_SUBMIT,
    AT_WAIT,
    AT_WAIT_END,
    AT_TAKE,
    AT_CLOCK,
    AT_DRAIN_BEGIN,
    AT_LOOK,
    AT_DRAIN,
    AT_HANDLE,
    AT_HANDLED,
    AT_PUBLISH,
    AT_SEAL,
    AT_PUBLISHED,
    AT_WAKE,
    AT_FLUSH,
    AT_DONE,
};

/* What must have happened somewhere in a campaign, or it has proved little. */
#define WORLD_SEEN(X)                                                                  \
    X(MBOX_FULL, "a mailbox was full")                                                 \
    X(BLOCKED, "a connection waited for room in a mailbox")                            \
    X(BY_REF, "a payload travelled by reference")                                      \
    X(PASSED_ON, "a queue message was passed on, its last member gone")                \
    X(DEFERRED, "one that was to be passed on had to wait for room")                   \
    X(EVENTS_HELD, "events were held back meanwhile")                                  \
    X(DRAIN_CUT, "a drain went on in the next turn, with its old now")                 \
    X(NOT_YET, "a batch was left because it was stamped after now")                    \
    X(WOKEN, "a sleeping shard was woken")                                             \
    X(SPENT_ACROSS, "a message of another shard was a subscription's last")            \
    X(DIED_BUSY, "a connection died with subscriptions and messages under way")        \
    X(STALLED, "a publisher paused because a subscriber was behind")                   \
    X(SLOW, "a slow consumer was cut off")                                             \
    X(RUN, "a message travelled as one more of a run")                                 \
    X(RUN_CUT, "a run went on in the next turn")                                       \
    X(RELOADED, "the configuration was replaced")                                      \
    X(RELOADING, "one shard had another configuration than the next")

#define WORLD_SEEN_ENUM(name, text) SEEN_##name,
enum world_seen { WORLD_SEEN(WORLD_SEEN_ENUM) SEEN_N };
#undef WORLD_SEEN_ENUM

struct world_cfg {
    struct sim_cfg sim;
    uint32_t n_shards;
    uint32_t mutations;
    uint64_t mbox_bytes;
    uint32_t step_ns_max;  /* time that a step takes, at most */
    uint32_t burst_max;    /* steps one shard does in a row, at most */
    uint32_t freeze_pct;   /* of the bursts that end with the shard standing still ... */
    uint32_t freeze_max;   /* ... for up to so many steps of the others */
    enum world_at snag_at; /* before this step a shard stands still more often ... */
    uint32_t snag_pct;     /* ... so often */
    uint32_t cut_pct;      /* drains and runs of events that stop half-way */
    uint32_t work_max;     /* budget of a step; 0: the usual */
    uint32_t reload_every; /* steps between two reloads, about; 0: none */
    uint64_t pending_max;  /* bytes queued for a client that make it a slow consumer; 0: the usual */
};

struct world_shard {
    enum world_at at;
    int64_t deadline_ns;   /* of the wait in progress */
    uint64_t frozen_until; /* number of a step */
};

struct world {
    struct world_cfg cfg;
    struct sim *sim;
    struct shard_set *set;
    struct net_cfg net, net_next; /* the snapshot to start with, and the one that takes its place: in turns */
    struct net_set net_set;
    struct net_reload *reload;    /* the one in progress */
    struct world_shard shards[WORLD_SHARDS_MAX];
    uint32_t burst_shard, burst_left;
    uint64_t n_steps;
    uint64_t hash;  /* of every step and of what the clients did and saw: two runs are the same or they are not */
    uint32_t seen;  /* enum world_seen, a bit each */
};

void world_open(struct world *w, const struct world_cfg *cfg);
/* Every shard is AT_DONE. */
void world_close(struct world *w);

/* One step of some shard. False: all of them wait for something that is not there. */
bool world_step(struct world *w);
/* The next step of this shard. False: it waits. */
bool world_step_shard(struct world *w, uint32_t i);
/* Nothing can happen any more, except that a timer fires. */
bool world_quiet(struct world *w);
/* When a waiting shard's next timer fires; INT64_MAX: none. */
int64_t world_next_timer(const struct world *w);
/* Some publisher pauses: a timer will let it go on. */
bool world_stalled(const struct world *w);
/* In a quiet world: what waits for something that will never come, as a line of text; NULL if nothing does. */
const char *world_stuck(struct world *w, char *to, size_t cap);
/* In a quiet world without connections: what was not given back, as a line of text; NULL if nothing. */
const char *world_leaks(struct world *w, char *to, size_t cap);

/* The shard on which the connection with this cid lives; UINT32_MAX: none, it is gone with all its subscriptions. */
uint32_t world_find_cid(const struct world *w, uint64_t cid);
/* Whatever this shard has handled, it has told the others. */
bool world_has_published(const struct world *w, uint32_t shard);
uint32_t world_n_conns(const struct world *w);

/* What main does with reloads: waits for the one in progress, or begins another one. */
void world_reload(struct world *w);

/* A roll of the world's dice: below n, and a chance in a hundred. */
uint32_t world_below(struct world *w, uint32_t n);
bool world_pct(struct world *w, uint32_t pct);

static inline void
world_note(struct world *w, uint64_t word)
{
    w->hash = (w->hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    w->hash ^= w->hash >> 29;
}

static inline void
world_saw(struct world *w, enum world_seen what)
{
    w->seen |= BIT(what);
}

#endif
