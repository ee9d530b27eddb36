/* shard.h - everything one core owns, and the loop that runs it.
 *
 *     wait:    submit what is queued; wait for a completion, a mailbox wake-up or the next timer
 *     take:    note the completions, with the bytes they carry
 *     clock:   now = the machine-wide monotonic clock
 *     drain:   every batch of all peers that is published and stamped <= now, in the order of the stamps
 *     handle:  what blocked before, then what was taken, then timers
 *     publish: stamp this turn's batches, make all of them visible by one store, wake the peers that sleep
 *     flush:   one send per dirty connection
 *
 * Why in this order: docs/architecture.md, "One rule that orders everything". The steps are functions of their own so that
 * the simulation (tests/sim) can stop a shard between any two of them, and inside publish between any two stores.
 *
 * Budgets per turn: IO_TAKE_MAX events taken; SHARD_WORK_MAX units of work (about one delivery each) in drain and in handle; SHARD_TIMERS_MAX
 * timers. What is over waits for the next turn: an unfinished drain keeps its `now` and nothing is taken or handled before it is
 * complete; unfinished events are handled after the next drain. Of sends that are done meanwhile (io_take_more) the app hears before them.
 *
 * The rooms above hang themselves in as one struct shard_app. A shard knows nothing of connections or subjects.
 *
 * Threads  the shard's own thread, except where stated.
 * Memory   struct shard belongs to its shard_set.
 */
#ifndef MIDGE_RT_SHARD_H
#define MIDGE_RT_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/rt/bufpool.h"
#include "core/rt/counters.h"
#include "core/rt/cpus.h"
#include "core/rt/hash.h"
#include "core/rt/io.h"
#include "core/rt/mbox.h"
#include "core/rt/timers.h"

enum {
    SHARDS_MAX = 64,
    SHARD_WORK_MAX = 32768,
    SHARD_TIMERS_MAX = 128,
};

struct shard;
struct shard_set;

/* What a shard carries for the rooms above. Every function runs on the shard's thread. */
struct shard_app {
    /* Before the first turn. fail: the whole set stops with this error. */
    enum err (*on_start)(struct shard *sh);
    /* One record of peer `from`. Never refuses: what it cannot do now it must keep itself. It may take more of the batch by itself, from in[from],
     * while work_left is positive: for each record it subtracts one and counts mbox_msgs_in. */
    void (*on_record)(struct shard *sh, uint32_t from, const struct mbox_rec *rec);
    /* The drain is complete. Finish what the app kept from records or from blocked connections. false: it still holds
     * something that must go first, so no event is handled this turn. */
    bool (*on_drained)(struct shard *sh);
    /* One completion. false: the work budget ran out; called again next turn with what it left in *ev. A RECV event's
     * buffer goes back when it returns true. */
    bool (*on_event)(struct shard *sh, struct io_event *ev);
    /* Everything of this turn was handled; the last chance to push to mailboxes. Also runs when events were held. */
    void (*on_handled)(struct shard *sh);
    /* After publish: send what is dirty. */
    void (*on_flush)(struct shard *sh);
    /* Somebody set bits with shard_ask (any thread, signal handlers too). */
    void (*on_ask)(struct shard *sh, uint32_t bits);
    /* After the last turn. */
    void (*on_stop)(struct shard *sh);
};

/* What peers may see of a shard. One writer each, except asks and sleeping's wake-up exchange. */
struct shard_pub {
    /* S writes: the last turn whose batches may be taken. W1 pairs with W2 (shard_drain): a turn's seals come before it. */
    _Alignas(CACHE_PAIR) _Atomic uint64_t published;
    /* 1: it is about to wait in io_wait and wants to be woken. Set by S; cleared by S or by the one who wakes it. */
    _Alignas(CACHE_PAIR) _Atomic uint32_t sleeping;
    _Atomic uint32_t asks;
    _Atomic uint32_t n_closed; /* connections closed so far, for placing new ones; S writes */
};

struct shard {
    struct io *io;
    struct timers timers;
    struct bufpool *bufs;
    struct counters counters;
    struct shard_set *set;
    void *app; /* the app's own per-shard state */
    uint32_t id;
    uint32_t n_shards;

    int64_t now;          /* this turn's clock, after take */
    int64_t work_left;    /* budget of the step in progress; deliveries subtract from it */
    int64_t work_max;     /* what a step begins with: SHARD_WORK_MAX; less in a simulation */
    uint64_t turn;        /* number of the turn in progress; starts at 1 */
    uint64_t dirty;       /* mailboxes pushed to this turn, a bit per shard */
    int64_t stamp;        /* of the publish in progress */
    bool drain_open;      /* the drain of `now` is not complete */
    bool events_held;     /* on_drained said no */
    bool done;            /* leave the loop after this turn */

    uint32_t n_evs, i_ev; /* taken, and the next one to handle */
    uint32_t i_new;       /* the first one that was taken last */
    struct io_event evs[IO_TAKE_MAX];

    struct mbox *in[SHARDS_MAX];  /* from shard i; NULL for i == id */
    struct mbox *out[SHARDS_MAX]; /* to shard i */
    uint64_t in_published[SHARDS_MAX]; /* the published word of shard i as last read */
    uint64_t in_left;                  /* shards that had batches not yet due at the last drain */
    uint64_t in_due;                   /* shards to look at in the drain in progress */
    uint32_t i_look;                   /* next shard whose published word it reads */
    uint64_t in_taken;                 /* shards from which something was taken in the drain in progress */
    int32_t drain_from;                /* shard whose batch is being taken; -1 none */

    int64_t poll_max_ns;  /* how long to poll before sleeping at most; 0 = not at all */
    int64_t idle_ewma_ns; /* how long this shard was without work, lately */
};

struct shard_set_cfg {
    uint32_t n_shards;
    enum io_backend backend;
    struct sim *sim;          /* IO_SIM */
    uint64_t mbox_bytes;      /* a power of two; 0 = by the number of shards: 16 MiB / n, at least 64 KiB, at most 4 MiB ... */
    uint64_t mbox_bytes_min;  /* ... and at least this */
    uint64_t bufs_limit_bytes; /* per shard; 0 = none */
    int64_t busy_poll_ns;     /* -1 = auto: polls only with cores to spare; 0 = off */
    bool pin;                 /* pin shard i to the i-th usable processor */
    struct cpus cpus;
    struct hash_key key;
    void (*warn)(void *arg, const char *text);
    void *warn_arg;
    const struct shard_app *app;
    void *app_arg; /* shard_set.app_arg */
};

struct shard_set {
    struct shard_pub pub[SHARDS_MAX];
    struct shard_set_cfg cfg;
    struct shard *shards[SHARDS_MAX];
    struct mbox *mboxes; /* [from * n + to] */
    uint32_t n_shards;
    const struct shard_app *app;
    void *app_arg;
    _Atomic uint32_t n_failed;
    _Atomic uint32_t first_err;
    uint32_t mutations; /* simulation only: see core/rt/mutate.h */
    struct shard_threads *threads;
};

/* The shard this thread runs (a simulation sets it before each step). For ASSERT_OWNER and the logger only. */
extern _Thread_local struct shard *shard_current;
#define ASSERT_OWNER(sh) ASSERT_SLOW(shard_current == (sh))

/* Allocate shards and mailboxes; no thread yet, no io yet.
 *   own   *ret_set, by shard_set_free
 *   fail  ERR_NOMEM */
enum err shard_set_new(const struct shard_set_cfg *cfg, struct shard_set **ret_set);
void shard_set_free(struct shard_set *set);
/* One thread per shard; each makes its io, runs on_start, and loops until done. Returns when all have started, or with the
 * first error after all have ended. */
enum err shard_set_start(struct shard_set *set);
/* Wait until every shard's loop has ended. */
void shard_set_join(struct shard_set *set);
/* Set bits for a shard's on_ask and wake it. Any thread; async-signal-safe. */
void shard_ask(struct shard_set *set, uint32_t shard, uint32_t bits);

/* ---- inside the app ---- */

/* Push to shard `to` (room was asked for: mbox_room). Marks it dirty. */
static inline struct mbox_rec *
shard_push(struct shard *sh, uint32_t to, uint8_t type, uint64_t len)
{
    sh->dirty |= BIT64(to);
    return mbox_push(sh->out[to], type, len);
}

/* Whether the budget left something of this turn's work: then the next turn follows at once. (Events held back wait for room in a mailbox;
 * whoever makes it wakes us: mbox_want_room.) */
static inline bool
shard_goes_on(const struct shard *sh)
{
    return (sh->i_ev < sh->n_evs && !sh->events_held) || sh->drain_open;
}

/* ---- the steps, for the loop and for the simulation ---- */

/* Make io, pools and timers. fail: what io_new says. */
enum err shard_open(struct shard *sh);
void shard_close(struct shard *sh);
/* Wait: begin says "I sleep" and looks once more; if it returns a deadline in the future, io_wait may block until then. end takes
 * "I sleep" back. shard_wait is the three together, after polling as configured. */
int64_t shard_wait_begin(struct shard *sh);
void shard_wait_end(struct shard *sh);
void shard_wait(struct shard *sh);
void shard_take(struct shard *sh);
void shard_clock(struct shard *sh);
/* Begin a drain, and read one more peer's published word; false when all are read. shard_drain does what of this was not done: only the
 * simulation stops a shard between two of them. */
void shard_drain_begin(struct shard *sh);
bool shard_drain_look(struct shard *sh);
/* Take at most max_batches; true when all that was due is done (then on_drained has been asked). */
bool shard_drain(struct shard *sh, uint32_t max_batches);
/* Handle at most max_events; then timers. */
void shard_handle(struct shard *sh, uint32_t max_events);
void shard_handled(struct shard *sh);
void shard_publish_begin(struct shard *sh);
/* Seal one more dirty mailbox; false when none is left. */
bool shard_publish_seal(struct shard *sh);
void shard_publish_end(struct shard *sh);
void shard_wake_peers(struct shard *sh);
void shard_flush(struct shard *sh);
/* All of the above once, after the wait; for whoever waits in a way of its own. */
void shard_turn_waited(struct shard *sh);
/* All of the above once. */
void shard_turn(struct shard *sh);

#endif
