#include "core/rt/shard.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt/mutate.h"

_Thread_local struct shard *shard_current;

enum {
    /* A socket gets at most a quarter of it in a turn. Half a megabyte a turn makes a stream of 16 KiB messages a third cheaper than a
     * quarter does (fewer wake-ups of the peer), and more than that leaves the cache (docs/benchmarks.md). */
    SHARD_RECV_BYTES = 2 * 1024 * 1024,
    /* A mailbox: several turns of a busy producer, as long as all that lead to one shard stay bounded. More than the caches of a core hold,
     * on purpose: a ring of 1 MiB still lies in the consumer's cache when the producer comes round to write it again, and taking lines
     * out of there costs a push 13 ns where memory costs 8 (256 KiB: 28). */
    SHARD_MBOX_MAX = 4 << 20,
    SHARD_MBOX_MIN = 64 << 10,
    SHARD_MBOXES_TO_ONE = 16 << 20,
    POLL_GAP_FACTOR = 2, /* poll up to this many usual gaps: longer ones are not worth it */
};

/* ---- set ---- */

static uint64_t
shard_mbox_bytes(const struct shard_set_cfg *cfg)
{
    if (cfg->mbox_bytes != 0)
        return cfg->mbox_bytes;
    uint64_t len = SHARD_MBOX_MAX;
    while (len > SHARD_MBOX_MIN && len * cfg->n_shards > SHARD_MBOXES_TO_ONE)
        len /= 2;
    while (len < cfg->mbox_bytes_min)
        len *= 2;
    return len;
}

static enum err
shard_set_alloc(struct shard_set *set)
{
    uint32_t n = set->n_shards;

    if (n > 1) {
        set->mboxes = aligned_alloc(CACHE_PAIR, sizeof(struct mbox) * n * n);
        if (set->mboxes == NULL)
            return ERR_NOMEM;
        memset(set->mboxes, 0, sizeof(struct mbox) * n * n);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct shard *sh = aligned_alloc(CACHE_PAIR, round_up_u64(sizeof(*sh), CACHE_PAIR));
        if (sh == NULL)
            return ERR_NOMEM;
        memset(sh, 0, sizeof(*sh));
        sh->set = set;
        sh->id = i;
        sh->n_shards = n;
        sh->turn = 1;
        sh->work_max = SHARD_WORK_MAX;
        sh->drain_from = -1;
        set->shards[i] = sh;
    }
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++) {
            if (from == to)
                continue;
            struct mbox *m = &set->mboxes[from * n + to];
            enum err e = mbox_init(m, shard_mbox_bytes(&set->cfg));
            if (e != OK)
                return e;
            set->shards[from]->out[to] = m;
            set->shards[to]->in[from] = m;
        }
    }
    return OK;
}

enum err
shard_set_new(const struct shard_set_cfg *cfg, struct shard_set **ret_set)
{
    ASSERT(cfg->n_shards >= 1 && cfg->n_shards <= SHARDS_MAX);

    struct shard_set *set = aligned_alloc(CACHE_PAIR, round_up_u64(sizeof(*set), CACHE_PAIR));
    if (set == NULL)
        return ERR_NOMEM;
    memset(set, 0, sizeof(*set));
    set->cfg = *cfg;
    set->n_shards = cfg->n_shards;
    set->app = cfg->app;
    set->app_arg = cfg->app_arg;
    enum err e = shard_set_alloc(set);
    if (e != OK) {
        shard_set_free(set);
        return e;
    }
    *ret_set = set;
    return OK;
}

void
shard_set_free(struct shard_set *set)
{
    if (set == NULL)
        return;
    /* The shards' threads have ended. What is still referred to from a mailbox goes back to its pool here. */
    for (uint32_t i = 0; i < set->n_shards; i++) {
        if (set->shards[i] != NULL)
            bufpool_hand_over(set->shards[i]->bufs);
    }
    if (set->mboxes != NULL) {
        for (uint32_t i = 0; i < set->n_shards * set->n_shards; i++)
            mbox_fini(&set->mboxes[i]);
    }
    /* After the mailboxes: their references live in the shards' pools, which shard_close has kept until here. */
    for (uint32_t i = 0; i < set->n_shards; i++) {
        if (set->shards[i] != NULL)
            bufpool_free(set->shards[i]->bufs);
        free(set->shards[i]);
    }
    free(set->mboxes);
    free(set);
}

void
shard_ask(struct shard_set *set, uint32_t shard, uint32_t bits)
{
    ASSERT(shard < set->n_shards);
    atomic_fetch_or_explicit(&set->pub[shard].asks, bits, memory_order_acq_rel);
    if (set->shards[shard]->io != NULL)
        io_wake_any(set->shards[shard]->io);
}

/* ---- one shard ---- */

enum err
shard_open(struct shard *sh)
{
    struct shard_set *set = sh->set;
    struct io_cfg cfg = {
        .backend = set->cfg.backend,
        .sim = set->cfg.sim,
        .recv_bufs_bytes = SHARD_RECV_BYTES,
        .shard_id = sh->id,
        .warn = sh->id == 0 ? set->cfg.warn : NULL, /* one warning, not one per shard */
        .warn_arg = set->cfg.warn_arg,
    };

    sh->bufs = bufpool_new(set->cfg.bufs_limit_bytes);
    if (sh->bufs == NULL)
        return ERR_NOMEM;
    enum err e = io_new(&cfg, &sh->io);
    if (e != OK)
        return e;
    sh->now = io_now(sh->io);
    timers_init(&sh->timers, sh->now);
    sh->poll_max_ns = set->cfg.busy_poll_ns > 0 ? set->cfg.busy_poll_ns : 0;
    sh->idle_ewma_ns = sh->poll_max_ns;
    return OK;
}

void
shard_close(struct shard *sh)
{
    io_free(sh->io);
    sh->io = NULL;
}

/* ---- wait, take, clock ---- */

static bool
shard_has_work(const struct shard *sh)
{
    return shard_goes_on(sh) || sh->done ||
           atomic_load_explicit(&sh->set->pub[sh->id].asks, memory_order_relaxed) != 0;
}

/* Anything published by a peer since the last look. */
static bool
shard_has_mail(const struct shard *sh)
{
    if (sh->in_left != 0)
        return true;
    for (uint32_t i = 0; i < sh->n_shards; i++) {
        if (i != sh->id && atomic_load_explicit(&sh->set->pub[i].published, memory_order_acquire) != sh->in_published[i] &&
            mbox_pending(sh->in[i]))
            return true;
    }
    return false;
}

int64_t
shard_wait_begin(struct shard *sh)
{
    struct shard_pub *pub = &sh->set->pub[sh->id];

    if (shard_has_work(sh))
        return 0;
    if (sh->n_shards > 1) {
        atomic_store_explicit(&pub->sleeping, 1, memory_order_relaxed);
        /* F1 pairs with F2 (shard_wake_peers): either we see what the peer published, or it sees that we sleep. */
        atomic_thread_fence(memory_order_seq_cst);
        if (shard_has_mail(sh))
            return 0;
    }
    return timers_next(&sh->timers);
}

void
shard_wait_end(struct shard *sh)
{
    if (sh->n_shards > 1)
        atomic_store_explicit(&sh->set->pub[sh->id].sleeping, 0, memory_order_relaxed);
}

static inline void
shard_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Events are left, to be handled in this turn: what is done meanwhile may come behind them. */
static void
shard_take_more(struct shard *sh)
{
    uint32_t n_left = sh->n_evs - sh->i_ev;

    if (sh->events_held || n_left == IO_TAKE_MAX)
        return;
    memmove(sh->evs, sh->evs + sh->i_ev, n_left * sizeof(sh->evs[0]));
    sh->n_evs = n_left + io_take_more(sh->io, sh->evs + n_left, IO_TAKE_MAX - n_left);
    sh->i_ev = 0;
    sh->i_new = n_left;
}

void
shard_take(struct shard *sh)
{
    if (sh->drain_open)
        return;
    if (sh->i_ev < sh->n_evs) {
        shard_take_more(sh);
        return;
    }
    sh->n_evs = io_take(sh->io, sh->evs, IO_TAKE_MAX);
    sh->i_ev = sh->i_new = 0;
}

/* Look for work without sleeping, for as long as work usually comes soon. True: found some (events are taken). */
static bool
shard_poll(struct shard *sh)
{
    int64_t limit = sh->idle_ewma_ns * POLL_GAP_FACTOR;
    if (limit > sh->poll_max_ns)
        limit = sh->poll_max_ns;
    int64_t start = io_now(sh->io), now = start;

    while (now - start < limit && now < timers_next(&sh->timers)) {
        COUNT(&sh->counters, polls, 1);
        io_wait(sh->io, 0);
        shard_take(sh); /* takes nothing while events are held back: they would be overwritten */
        if (shard_has_work(sh) || shard_has_mail(sh))
            return true;
        shard_pause();
        now = io_now(sh->io);
    }
    return false;
}

void
shard_wait(struct shard *sh)
{
    if (shard_has_work(sh)) {
        io_flush(sh->io);
        return;
    }
    int64_t idle_since = sh->poll_max_ns > 0 ? io_now(sh->io) : 0;
    if (sh->poll_max_ns > 0 && shard_poll(sh)) {
        sh->idle_ewma_ns += (io_now(sh->io) - idle_since - sh->idle_ewma_ns) / 8;
        return;
    }
    int64_t deadline = shard_wait_begin(sh);
    if (deadline > 0)
        COUNT(&sh->counters, sleeps, 1);
    io_wait(sh->io, deadline);
    shard_wait_end(sh);
    if (sh->poll_max_ns > 0) {
        /* A long sleep says "do not poll" only gently: the next burst should find us willing. */
        int64_t gap = min_i64(io_now(sh->io) - idle_since, 4 * sh->poll_max_ns);
        sh->idle_ewma_ns += (gap - sh->idle_ewma_ns) / 8;
        if (sh->idle_ewma_ns > 2 * sh->poll_max_ns)
            sh->idle_ewma_ns = 2 * sh->poll_max_ns;
    }
}

void
shard_clock(struct shard *sh)
{
    /* An unfinished drain keeps its bound: so it ends, however much the peers publish meanwhile. */
    if (!sh->drain_open)
        sh->now = io_now(sh->io);
    uint32_t asks = atomic_exchange_explicit(&sh->set->pub[sh->id].asks, 0, memory_order_acquire);
    if (asks != 0)
        sh->set->app->on_ask(sh, asks);
}

/* ---- drain ---- */

void
shard_drain_begin(struct shard *sh)
{
    ASSERT(!sh->drain_open);
    sh->drain_open = true;
    sh->in_due = sh->in_left;
    sh->in_left = 0;
    sh->i_look = 0;
}

bool
shard_drain_look(struct shard *sh)
{
    uint32_t i = sh->i_look;

    if (i >= sh->n_shards)
        return false;
    sh->i_look++;
    if (i == sh->id)
        return true;
    /* W2 pairs with W1: the seals of every turn up to this word are visible. Read after `now`: what is stamped <= now
     * and had an effect that anybody saw was published before. */
    uint64_t published = atomic_load_explicit(&sh->set->pub[i].published, memory_order_acquire);
    if (published != sh->in_published[i] || MUTANT(sh->set, MUTATE_TAIL_PER_MBOX)) {
        sh->in_published[i] = published;
        sh->in_due |= BIT64(i);
    }
    return true;
}

/* The peer whose next batch is oldest, of those due; -1: none. */
static int32_t
shard_drain_pick(struct shard *sh)
{
    int32_t best = -1;
    int64_t best_stamp = INT64_MAX;

    for (uint64_t due = sh->in_due; due != 0; due &= due - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(due);
        int64_t stamp;
        uint64_t published = MUTANT(sh->set, MUTATE_TAIL_PER_MBOX) ? UINT64_MAX : sh->in_published[i];
        int64_t bound = MUTANT(sh->set, MUTATE_NO_NOW_BOUND) ? INT64_MAX : sh->now;
        if (!mbox_peek(sh->in[i], published, bound, &stamp)) {
            sh->in_due &= ~BIT64(i);
            if (mbox_pending(sh->in[i]))
                sh->in_left |= BIT64(i);
            continue;
        }
        if (MUTANT(sh->set, MUTATE_NO_MERGE))
            return (int32_t)i;
        if (best < 0 || stamp < best_stamp) {
            best = (int32_t)i;
            best_stamp = stamp;
        }
    }
    return best;
}

/* Wake the peers that wait for the room that this drain made. */
static void
shard_drain_wake(struct shard *sh)
{
    if (sh->in_taken == 0)
        return;
    atomic_thread_fence(memory_order_seq_cst); /* R2 pairs with R1 (mbox_want_room) */
    for (uint64_t t = sh->in_taken; t != 0; t &= t - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(t);
        if (mbox_room_wanted(sh->in[i])) {
            COUNT(&sh->counters, mbox_wakes, 1);
            io_wake(sh->io, sh->set->shards[i]->io);
        }
    }
    sh->in_taken = 0;
}

/* Take the records of one batch, or as many as the budget allows; true when the batch is done. */
static bool
shard_drain_batch(struct shard *sh)
{
    struct mbox *m = sh->in[sh->drain_from];

    sh->in_taken |= BIT64((uint32_t)sh->drain_from);
    do {
        const struct mbox_rec *rec = mbox_take(m);
        COUNT(&sh->counters, mbox_msgs_in, 1);
        sh->work_left--;
        sh->set->app->on_record(sh, (uint32_t)sh->drain_from, rec);
    } while (mbox_in_batch(m) && sh->work_left > 0);
    mbox_done(m);
    if (mbox_in_batch(m))
        return false;
    sh->drain_from = -1;
    return true;
}

bool
shard_drain(struct shard *sh, uint32_t max_batches)
{
    sh->work_left = sh->work_max;
    if (sh->n_shards > 1) {
        if (!sh->drain_open)
            shard_drain_begin(sh);
        while (shard_drain_look(sh))
            ;
        bool more = true;
        while (more && (sh->drain_from >= 0 || (sh->drain_from = shard_drain_pick(sh)) >= 0))
            more = max_batches-- > 0 && shard_drain_batch(sh) && sh->work_left > 0;
        shard_drain_wake(sh);
        if (!more) {
            COUNT(&sh->counters, turns_cut, 1);
            return false;
        }
        sh->drain_open = false;
    }
    sh->events_held = !sh->set->app->on_drained(sh);
    return true;
}

/* ---- handle ---- */

/* Of what was taken last, sends that are done come first: if the budget leaves others, the next flush can send more all the same, and out of
 * buffers that were just used. (A send that failed closes its connection: not before what that had received is handled.) */
static void
shard_handle_sent(struct shard *sh)
{
    uint32_t n = sh->i_new;

    for (uint32_t i = sh->i_new; i < sh->n_evs; i++) {
        struct io_event *ev = &sh->evs[i];
        if (ev->kind == IO_EV_SEND && ev->err == OK)
            (void)sh->set->app->on_event(sh, ev); /* nothing that could use the budget up */
        else if (n++ != i)
            sh->evs[n - 1] = *ev;
    }
    sh->i_new = sh->n_evs = n;
}

static void
shard_handle_events(struct shard *sh, uint32_t max_events)
{
    shard_handle_sent(sh);
    while (sh->i_ev < sh->n_evs && max_events-- > 0) {
        struct io_event *ev = &sh->evs[sh->i_ev];
        if (!sh->set->app->on_event(sh, ev)) {
            COUNT(&sh->counters, turns_cut, 1);
            return;
        }
        if (ev->kind == IO_EV_RECV && ev->buf != IO_BUF_NONE)
            io_buf_give(sh->io, ev->buf);
        sh->i_ev++;
    }
}

void
shard_handle(struct shard *sh, uint32_t max_events)
{
    if (sh->drain_open)
        return;
    sh->work_left = sh->work_max;
    if (!sh->events_held)
        shard_handle_events(sh, max_events);
    /* Also when events are held back or the budget is gone: a timer that is due and does not fire would keep the shard from
     * sleeping. What is over the limit fires next turn. */
    (void)timers_fire(&sh->timers, sh->now, SHARD_TIMERS_MAX);
}

void
shard_handled(struct shard *sh)
{
    sh->set->app->on_handled(sh);
}

/* ---- publish, wake, flush ---- */

void
shard_publish_begin(struct shard *sh)
{
    if (sh->dirty != 0)
        sh->stamp = io_now(sh->io);
}

bool
shard_publish_seal(struct shard *sh)
{
    for (uint64_t d = sh->dirty; d != 0; d &= d - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(d);
        if (mbox_dirty(sh->out[i])) {
            mbox_seal(sh->out[i], sh->turn, sh->stamp);
            return true;
        }
    }
    return false;
}

void
shard_publish_end(struct shard *sh)
{
    if (sh->dirty != 0)
        atomic_store_explicit(&sh->set->pub[sh->id].published, sh->turn, memory_order_release); /* W1 */
}

void
shard_wake_peers(struct shard *sh)
{
    if (sh->dirty != 0) {
        atomic_thread_fence(memory_order_seq_cst); /* F2 pairs with F1 */
        for (uint64_t d = sh->dirty; d != 0; d &= d - 1) {
            uint32_t i = (uint32_t)__builtin_ctzll(d);
            struct shard_pub *pub = &sh->set->pub[i];
            if (atomic_load_explicit(&pub->sleeping, memory_order_relaxed) != 0 &&
                atomic_exchange_explicit(&pub->sleeping, 0, memory_order_acq_rel) != 0) {
                COUNT(&sh->counters, mbox_wakes, 1);
                io_wake(sh->io, sh->set->shards[i]->io);
            } else {
                COUNT(&sh->counters, mbox_wakes_spared, 1);
            }
            mbox_reclaim(sh->out[i]);
        }
    }
    sh->dirty = 0;
    sh->turn++;
    COUNT(&sh->counters, turns, 1);
}

void
shard_flush(struct shard *sh)
{
    sh->set->app->on_flush(sh);
}

void
shard_turn_waited(struct shard *sh)
{
    shard_take(sh);
    shard_clock(sh);
    if (shard_drain(sh, UINT32_MAX))
        shard_handle(sh, UINT32_MAX);
    shard_handled(sh);
    shard_publish_begin(sh);
    while (shard_publish_seal(sh))
        ;
    shard_publish_end(sh);
    shard_wake_peers(sh);
    shard_flush(sh);
}

void
shard_turn(struct shard *sh)
{
    shard_wait(sh);
    shard_turn_waited(sh);
}
