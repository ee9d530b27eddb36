#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/net/net_priv.h"
#include "core/net/reload.h"
#include "core/rt/mutate.h"

enum {
    WORLD_CONTROL_LINE_MAX = 1024, /* the longest record must fit a quarter of the smallest mailbox */
    WORLD_PAYLOAD_MAX = 1 << 20,
    WORLD_PENDING_MAX = 64 << 20,
};

uint32_t
world_below(struct world *w, uint32_t n)
{
    return (uint32_t)rng_below(sim_rng(w->sim), n);
}

bool
world_pct(struct world *w, uint32_t pct)
{
    return pct > 0 && world_below(w, 100) < pct;
}

/* ---- life ---- */

static void
world_net_cfg(struct world *w)
{
    w->net = (struct net_cfg){
        .host = "127.0.0.1",
        .max_connections = 1024,
        .max_control_line = WORLD_CONTROL_LINE_MAX,
        .max_payload = WORLD_PAYLOAD_MAX,
        .max_pending = w->cfg.pending_max > 0 ? w->cfg.pending_max : WORLD_PENDING_MAX,
        .write_deadline_ns = 10 * NS_PER_S,
        .ping_interval_ns = 3600 * NS_PER_S,
        .ping_max = 2,
        .headers = true,
        .info = {.server_id = "SIM", .server_name = "sim", .version = "2.14.5", .go = "sim", .host = "127.0.0.1", .headers = true, .api_lvl = 4},
    };
    hash_key_seed(&w->net.key, w->cfg.sim.seed);
    w->net_set.cfg = &w->net;
}

void
world_open(struct world *w, const struct world_cfg *cfg)
{
    ASSERT(cfg->n_shards >= 2 && cfg->n_shards <= WORLD_SHARDS_MAX);

    memset(w, 0, sizeof(*w));
    w->cfg = *cfg;
    w->sim = sim_new(&cfg->sim);
    world_net_cfg(w);
    struct shard_set_cfg sc = {
        .n_shards = cfg->n_shards,
        .backend = IO_SIM,
        .sim = w->sim,
        .mbox_bytes = cfg->mbox_bytes,
        .key = w->net.key,
        .app = &net_app,
        .app_arg = &w->net_set,
    };
    enum err e = shard_set_new(&sc, &w->set);
    ASSERT(e == OK); /* a world without memory proves nothing */
    w->set->mutations = cfg->mutations;
    for (uint32_t i = 0; i < cfg->n_shards; i++) {
        shard_current = w->set->shards[i];
        if (cfg->work_max > 0)
            shard_current->work_max = cfg->work_max;
        e = shard_open(shard_current);
        ASSERT(e == OK);
    }
    for (uint32_t i = 0; i < cfg->n_shards; i++) {
        shard_current = w->set->shards[i];
        e = net_app.on_start(shard_current);
        ASSERT(e == OK);
    }
}

void
world_close(struct world *w)
{
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        ASSERT(w->shards[i].at == AT_DONE);
        shard_current = w->set->shards[i];
        net_app.on_stop(shard_current);
        shard_close(shard_current);
    }
    shard_current = NULL;
    net_reload_free(w->reload); /* one that the end cut short */
    shard_set_free(w->set);
    sim_free(w->sim);
}

/* ---- main ---- */

/* The old snapshot is spoilt where main would free it: who still looks at it fails. */
static void
world_reloaded(struct world *w)
{
    struct net_cfg *old = w->net_set.cfg == &w->net ? &w->net : &w->net_next;

    w->net_set.cfg = w->reload->cfg;
    net_reload_free(w->reload);
    w->reload = NULL;
    memset(old, 0xdb, sizeof(*old));
    world_saw(w, SEEN_RELOADED);
}

void
world_reload(struct world *w)
{
    const struct net *a = w->set->shards[0]->app, *b = w->set->shards[1]->app;

    if (w->reload != NULL) {
        if (a->cfg != b->cfg)
            world_saw(w, SEEN_RELOADING);
        if (net_reload_done(w->reload))
            world_reloaded(w);
        return;
    }
    if (w->cfg.reload_every == 0 || w->n_steps % w->cfg.reload_every != 0)
        return;
    struct net_cfg *next = w->net_set.cfg == &w->net ? &w->net_next : &w->net;
    *next = *w->net_set.cfg;
    next->max_payload ^= 1024; /* all that is sent fits either way */
    enum err e = net_reload_new(&w->net_set, next, w->cfg.n_shards, &w->reload);
    ASSERT(e == OK);
    net_reload_start(w->set, &w->net_set, w->reload);
}

/* ---- steps ---- */

/* Whether the last record pushed is not the first of its run. */
static bool
world_ends_with_run(const struct mbox *m, const struct broker_lead *lead)
{
    if (!mbox_dirty(m) || lead->end != mbox_end(m))
        return false;
    uint64_t lead_end = (uint64_t)((const uint8_t *)lead->rec - m->ring) + round_up_u64(lead->rec->rec.len, MBOX_ALIGN);
    return lead_end != (lead->end & m->mask);
}

static void
world_look_around(struct world *w, const struct shard *sh)
{
    const struct net *n = sh->app;

    if (n->blocked.n > 0)
        world_saw(w, SEEN_BLOCKED);
    if (n->broker.deferred != NULL)
        world_saw(w, SEEN_DEFERRED);
    if (sh->events_held && sh->i_ev < sh->n_evs)
        world_saw(w, SEEN_EVENTS_HELD);
    if (sh->drain_open)
        world_saw(w, SEEN_DRAIN_CUT);
    if (sh->in_left != 0)
        world_saw(w, SEEN_NOT_YET);
    if (sh->counters.queue_passed_on > 0)
        world_saw(w, SEEN_PASSED_ON);
    if (sh->counters.mbox_full > 0)
        world_saw(w, SEEN_MBOX_FULL);
    if (sh->counters.mbox_wakes > 0)
        world_saw(w, SEEN_WOKEN);
    if (sh->counters.stalls > 0)
        world_saw(w, SEEN_STALLED);
    if (sh->counters.slow_consumers_pending > 0)
        world_saw(w, SEEN_SLOW);
    for (uint32_t i = 0; i < sh->n_shards; i++) {
        if (i == sh->id)
            continue;
        if (world_ends_with_run(sh->out[i], &n->broker.leads[i]))
            world_saw(w, SEEN_RUN);
        if (mbox_look(sh->in[i], RECORD_MORE) != NULL)
            world_saw(w, SEEN_RUN_CUT);
        if (sh->out[i]->ref_head != sh->out[i]->ref_tail)
            world_saw(w, SEEN_BY_REF);
    }
}

/* From waiting to the end of the drain. */
static enum world_at
world_do_first(struct world *w, struct world_shard *ws, struct shard *sh)
{
    bool take_late = (w->cfg.mutations & MUTATE_TAKE_AFTER_DRAIN) != 0;

    switch (ws->at) {
    case AT_WAIT_BEGIN:
        ws->deadline_ns = shard_wait_begin(sh);
        return AT_SUBMIT;
    case AT_SUBMIT:
        io_flush(sh->io);
        return AT_WAIT;
    case AT_WAIT:
        io_wait(sh->io, ws->deadline_ns);
        return AT_WAIT_END;
    case AT_WAIT_END:
        shard_wait_end(sh);
        return take_late ? AT_CLOCK : AT_TAKE;
    case AT_TAKE:
        shard_take(sh);
        return take_late ? AT_HANDLE : AT_CLOCK;
    case AT_CLOCK:
        shard_clock(sh);
        return AT_DRAIN_BEGIN;
    case AT_DRAIN_BEGIN:
        if (!sh->drain_open)
            shard_drain_begin(sh);
        return AT_LOOK;
    case AT_LOOK:
        return shard_drain_look(sh) ? AT_LOOK : AT_DRAIN;
    default: /* AT_DRAIN */
        if (shard_drain(sh, 1))
            return take_late ? AT_TAKE : AT_HANDLE;
        return world_pct(w, w->cfg.cut_pct) ? AT_HANDLED : AT_DRAIN; /* as if the budget were gone */
    }
}

/* From handling to the end of the turn. */
static enum world_at
world_do_second(struct world *w, struct world_shard *ws, struct shard *sh)
{
    bool send_first = (w->cfg.mutations & MUTATE_SEND_FIRST) != 0;

    switch (ws->at) {
    case AT_HANDLE:
        shard_handle(sh, 1 + world_below(w, 3));
        return sh->i_ev < sh->n_evs && !sh->events_held && !world_pct(w, w->cfg.cut_pct) ? AT_HANDLE : AT_HANDLED;
    case AT_HANDLED:
        shard_handled(sh);
        world_look_around(w, sh);
        return send_first ? AT_FLUSH : AT_PUBLISH;
    case AT_PUBLISH:
        shard_publish_begin(sh);
        return AT_SEAL;
    case AT_SEAL:
        return shard_publish_seal(sh) ? AT_SEAL : AT_PUBLISHED;
    case AT_PUBLISHED:
        shard_publish_end(sh);
        return AT_WAKE;
    case AT_WAKE:
        shard_wake_peers(sh);
        if (!send_first)
            return AT_FLUSH;
        break;
    default: /* AT_FLUSH */
        shard_flush(sh);
        if (send_first)
            return AT_PUBLISH;
        break;
    }
    return sh->done ? AT_DONE : AT_WAIT_BEGIN;
}

static bool
world_can_run(const struct world *w, uint32_t i)
{
    const struct world_shard *ws = &w->shards[i];

    if (ws->at == AT_DONE)
        return false;
    return ws->at != AT_WAIT || sim_io_ready(w->set->shards[i]->io, ws->deadline_ns);
}

/* ---- who is next ---- */

/* A shard that can run, whether it stands still or not; -1: none. */
static int32_t
world_pick(struct world *w, bool frozen_too)
{
    uint32_t at[WORLD_SHARDS_MAX], n = 0;

    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        if ((frozen_too || w->shards[i].frozen_until <= w->n_steps) && world_can_run(w, i))
            at[n++] = i;
    }
    return n == 0 ? -1 : (int32_t)at[world_below(w, n)];
}

static void
world_freeze(struct world *w, uint32_t i)
{
    uint32_t half = w->cfg.freeze_max / 2;

    w->shards[i].frozen_until = w->n_steps + half + world_below(w, half);
    w->burst_left = 0;
}

/* Whether it makes a difference that the shard stops here: between two looks, and between two seals. */
static bool
world_is_between(const struct shard *sh, enum world_at at)
{
    uint32_t n_open = 0, n_dirty = (uint32_t)__builtin_popcountll(sh->dirty);

    for (uint32_t i = 0; i < sh->n_shards; i++)
        n_open += i != sh->id && mbox_dirty(sh->out[i]);
    if (at == AT_SEAL)
        return n_open > 0 && n_open < n_dirty;
    return at != AT_LOOK || (sh->i_look > 0 && sh->i_look < sh->n_shards);
}

/* Snags stop one shard at a time: it is the others' running on that shows something. */
static bool
world_may_snag(struct world *w, const struct shard *sh)
{
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        if (w->shards[i].frozen_until > w->n_steps)
            return false;
    }
    return world_is_between(sh, w->cfg.snag_at) && world_pct(w, w->cfg.snag_pct);
}

static int32_t
world_next_shard(struct world *w)
{
    if (w->burst_left > 0 && world_can_run(w, w->burst_shard)) {
        w->burst_left--;
        return (int32_t)w->burst_shard;
    }
    if (w->burst_left == 0 && world_pct(w, w->cfg.freeze_pct))
        world_freeze(w, w->burst_shard);
    int32_t i = world_pick(w, false);
    if (i < 0)
        i = world_pick(w, true);
    if (i >= 0) {
        w->burst_shard = (uint32_t)i;
        w->burst_left = world_below(w, w->cfg.burst_max);
    }
    return i;
}

bool
world_step(struct world *w)
{
    world_reload(w);
    int32_t i = world_next_shard(w);
    return i >= 0 && world_step_shard(w, (uint32_t)i);
}

bool
world_step_shard(struct world *w, uint32_t i)
{
    if (!world_can_run(w, i))
        return false;
    struct world_shard *ws = &w->shards[i];
    w->n_steps++;
    world_note(w, (uint64_t)i << 56 | (uint64_t)ws->at << 48 | (uint64_t)sim_clock(w->sim));
    sim_advance(w->sim, sim_clock(w->sim) + world_below(w, w->cfg.step_ns_max));
    shard_current = w->set->shards[i];
    ws->at = ws->at <= AT_DRAIN ? world_do_first(w, ws, shard_current) : world_do_second(w, ws, shard_current);
    shard_current = NULL;
    if (ws->at == w->cfg.snag_at && world_may_snag(w, w->set->shards[i]))
        world_freeze(w, i);
    return true;
}

/* ---- what is left ---- */

bool
world_quiet(struct world *w)
{
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        if (world_can_run(w, i))
            return false;
    }
    return sim_next(w->sim) == INT64_MAX;
}

int64_t
world_next_timer(const struct world *w)
{
    int64_t next = INT64_MAX;

    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        if (w->shards[i].at == AT_WAIT)
            next = min_i64(next, w->shards[i].deadline_ns);
    }
    return next;
}

bool
world_stalled(const struct world *w)
{
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        const struct net *n = w->set->shards[i]->app;
        if (n->stalled.n > 0)
            return true;
    }
    return false;
}

const char *
world_stuck(struct world *w, char *to, size_t cap)
{
    if (w->reload != NULL && !net_reload_done(w->reload)) {
        (void)snprintf(to, cap, "a reload does not end: %u shards have not finished", atomic_load(&w->reload->n_left));
        return to;
    }
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        const struct shard *sh = w->set->shards[i];
        const struct net *n = sh->app;
        uint32_t n_mail = 0;

        if (n == NULL || w->shards[i].at == AT_DONE)
            continue;
        for (uint32_t k = 0; k < sh->n_shards; k++)
            n_mail += k != i && mbox_pending(sh->in[k]);
        if (n->blocked.n > 0 || n->broker.n_deferred > 0 || n_mail > 0 || sh->i_ev < sh->n_evs || sh->drain_open) {
            (void)snprintf(to, cap,
                           "shard %u sleeps with %u blocked connections, %u deferred messages, %u mailboxes with mail, %u events not handled%s", i,
                           n->blocked.n, n->broker.n_deferred, n_mail, sh->n_evs - sh->i_ev, sh->drain_open ? ", a drain not complete" : "");
            return to; /* cut is fine in a message */
        }
    }
    return NULL;
}

const char *
world_leaks(struct world *w, char *to, size_t cap)
{
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        struct shard *sh = w->set->shards[i];
        struct net *n = sh->app;
        struct bufpool_stats bs;
        struct interest_stats is;
        uint32_t n_refs = 0;

        shard_current = sh;
        for (uint32_t k = 0; k < sh->n_shards; k++) {
            if (k == i)
                continue;
            mbox_reclaim(sh->out[k]);
            n_refs += sh->out[k]->ref_tail - sh->out[k]->ref_head;
        }
        bufpool_check(sh->bufs);
        interest_check(n->broker.ix);
        slab_check(&n->conns);
        timers_check(&sh->timers);
        bufpool_stats(sh->bufs, &bs);
        interest_stats(n->broker.ix, &is);
        shard_current = NULL;
        uint64_t scratch = n->scratch == NULL ? 0 : n->scratch_cap; /* kept until the end, on purpose */
        if (bs.used_bytes > scratch || n_refs > 0 || is.n_subs > 0 || is.n_remote > 0 || n->conns.n_used > 0 || n->broker.n_dead > 0) {
            (void)snprintf(to, cap,
                           "shard %u keeps %" PRIu64 " bytes of buffers, %u references, %" PRIu64 " subscriptions, %" PRIu64
                           " of others, %u connections, %u dead subscriptions",
                           i, bs.used_bytes - scratch, n_refs, is.n_subs, is.n_remote, n->conns.n_used, n->broker.n_dead);
            return to; /* cut is fine in a message */
        }
    }
    return NULL;
}

uint32_t
world_find_cid(const struct world *w, uint64_t cid)
{
    for (uint32_t i = 0; i < w->cfg.n_shards; i++) {
        struct net *n = w->set->shards[i]->app;
        for (uint32_t slot = n->all_head; slot != 0; slot = net_conn(n, slot)->next) {
            if (net_conn(n, slot)->cid == cid)
                return i;
        }
    }
    return UINT32_MAX;
}

bool
world_has_published(const struct world *w, uint32_t shard)
{
    return w->shards[shard].at <= AT_HANDLED || w->shards[shard].at == AT_DONE;
}

uint32_t
world_n_conns(const struct world *w)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->cfg.n_shards; i++)
        n += ((const struct net *)w->set->shards[i]->app)->n_conns;
    return n;
}
