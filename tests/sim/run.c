#include "tests/sim/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN_STEPS_MAX = 2000000,             /* of a whole seed: a world that does not end is stuck, too */
    RUN_WAIT_NS_MAX = 1000000000,        /* of virtual time, for whatever a phase waits for */
    RUN_FORGET_EVERY = 64,               /* steps between two looks whether the server has forgotten who left */
};

static bool
run_fail(struct run_result *ret, const char *why)
{
    ret->ok = false;
    (void)snprintf(ret->why, sizeof(ret->why), "%s", why); /* cut is fine in a message */
    return false;
}

/* ---- clients' steps ---- */

static void
run_connect(struct run *r, uint32_t i)
{
    uint32_t flags = world_pct(&r->w, 90) ? CLIENT_CONNECT : 0;

    flags |= (world_pct(&r->w, 15) ? CLIENT_VERBOSE : 0) | (world_pct(&r->w, 15) ? CLIENT_NO_ECHO : 0) | (world_pct(&r->w, 70) ? CLIENT_HEADERS : 0);
    r->clients[i] = client_connect(&r->w, r->h, flags);
}

static void
run_read(struct run *r, struct client *c)
{
    uint32_t n_ponged = c->n_ponged, n_msgs = c->n_msgs;

    client_read(c, world_pct(&r->w, 20) ? 1 + world_below(&r->w, 64) : CLIENT_IN_MAX / 2);
    world_note(&r->w, (uint64_t)c->id << 32 | r->h->n_events);
    if (c->n_ponged != n_ponged)
        program_react(r, c, true);
    if (c->n_msgs != n_msgs)
        program_react(r, c, false);
}

/* Some client does something. False: nobody has anything to do. */
static bool
run_client_step(struct run *r, bool acting, bool lazy)
{
    uint32_t first = world_below(&r->w, r->cfg.n_clients);

    for (uint32_t k = 0; k < r->cfg.n_clients; k++) {
        uint32_t i = (first + k) % r->cfg.n_clients;
        struct client *c = r->clients[i];
        if (c == NULL) {
            if (!acting || r->n_ops >= r->cfg.n_ops || r->h->n_clients >= H_CLIENTS_MAX)
                continue;
            run_connect(r, i);
            return true;
        }
        if (client_readable(c) && !(lazy && world_pct(&r->w, r->cfg.lazy_pct))) {
            run_read(r, c);
            return true;
        }
        if (client_send(c, world_pct(&r->w, 20) ? 1 + world_below(&r->w, 64) : UINT32_MAX) > 0)
            return true;
        if (acting && c->open && !c->over && program_act(r, c))
            return true;
    }
    return false;
}

/* The server has nothing of c any more, and all its shards can know it. */
static bool
run_is_forgotten(const struct run *r, const struct client *c)
{
    const struct h_client *hc = &r->h->clients[c->id];

    if (!c->open || hc->shard == UINT32_MAX) /* it never subscribed */
        return true;
    return world_find_cid(&r->w, hc->cid) == UINT32_MAX && world_has_published(&r->w, hc->shard);
}

/* Clients that ended: when the server has forgotten them, their place is free. */
static void
run_forget(struct run *r)
{
    for (uint32_t i = 0; i < r->cfg.n_clients; i++) {
        struct client *c = r->clients[i];
        if (c == NULL || !c->over || !run_is_forgotten(r, c))
            continue;
        history_gone(r->h, c->id);
        client_free(c);
        r->clients[i] = NULL;
    }
}

/* A client that waits for something: to be let in, to be read, for a PONG. */
static const struct client *
run_waiting(const struct run *r)
{
    for (uint32_t i = 0; i < r->cfg.n_clients; i++) {
        const struct client *c = r->clients[i];
        if (c != NULL && !c->over && (!c->open || c->n_pings > 0 || c->out_len > 0))
            return c;
    }
    return NULL;
}

/* Nobody has anything to do, and nothing is under way: only timers are left, and nobody but a publisher that pauses may need one. */
static bool
run_on_quiet(struct run *r, struct run_result *ret)
{
    char why[RUN_WHY_MAX];
    const struct client *c = world_stalled(&r->w) ? NULL : run_waiting(r);

    if (world_stuck(&r->w, why, sizeof(why)) != NULL)
        return run_fail(ret, why);
    if (c == NULL)
        return true;
    (void)snprintf(why, sizeof(why), "nothing moves any more, and c%u waits%s%s%s", c->id, c->open ? "" : " to be let in",
                   c->n_pings > 0 ? " for a PONG" : "", c->out_len > 0 ? " to be read" : ""); /* cut is fine in a message */
    return run_fail(ret, why);
}

/* One step of somebody; lets time go on when nobody has one. False: somebody waits in vain, or saw what cannot be. */
static bool
run_step(struct run *r, struct run_result *ret, bool acting)
{
    struct world *w = &r->w;

    if (w->n_steps % RUN_FORGET_EVERY == 0)
        run_forget(r);
    if (w->n_steps > RUN_STEPS_MAX)
        return run_fail(ret, "it does not end");
    bool moved = (world_pct(w, r->cfg.client_pct) && run_client_step(r, acting, true)) || world_step(w) || run_client_step(r, acting, false);
    for (uint32_t i = 0; i < r->cfg.n_clients; i++) {
        if (r->clients[i] != NULL && r->clients[i]->complaint[0] != '\0')
            return run_fail(ret, r->clients[i]->complaint);
    }
    if (moved)
        return true;
    if (world_quiet(w) && !run_on_quiet(r, ret))
        return false;
    int64_t next = min_i64(sim_next(w->sim), world_next_timer(w));
    if (next == INT64_MAX)
        return run_fail(ret, "nothing will ever happen");
    sim_advance(w->sim, next);
    return true;
}

/* ---- phases ---- */

static bool
run_quiet(struct run *r)
{
    for (uint32_t i = 0; i < r->cfg.n_clients; i++) {
        if (r->clients[i] != NULL && client_readable(r->clients[i]))
            return false;
    }
    return world_quiet(&r->w);
}

/* Everybody sends a PING and waits for its PONG; then until nothing moves. */
static bool
run_settle(struct run *r, struct run_result *ret)
{
    int64_t until = sim_clock(r->w.sim) + RUN_WAIT_NS_MAX;

    for (uint32_t i = 0; i < r->cfg.n_clients; i++) {
        if (r->clients[i] != NULL && !r->clients[i]->over)
            client_ping(r->clients[i]);
    }
    while (run_waiting(r) != NULL || !run_quiet(r)) {
        if (!run_step(r, ret, false))
            return false;
        if (sim_clock(r->w.sim) > until)
            return run_fail(ret, "a PING is not answered in time");
    }
    return true;
}

static bool
run_leave(struct run *r, struct run_result *ret)
{
    int64_t until = sim_clock(r->w.sim) + RUN_WAIT_NS_MAX;
    char leak[RUN_WHY_MAX];

    for (uint32_t i = 0; i < r->cfg.n_clients; i++) {
        if (r->clients[i] != NULL && !r->clients[i]->over)
            client_end(r->clients[i], world_pct(&r->w, 50));
    }
    while (world_n_conns(&r->w) > 0 || !world_quiet(&r->w)) {
        if (!run_step(r, ret, false))
            return false;
        if (sim_clock(r->w.sim) > until)
            return run_fail(ret, "connections that ended are not forgotten in time");
    }
    return world_leaks(&r->w, leak, sizeof(leak)) == NULL || run_fail(ret, leak);
}

static bool
run_all_done(const struct run *r)
{
    for (uint32_t i = 0; i < r->cfg.world.n_shards; i++) {
        if (r->w.shards[i].at != AT_DONE)
            return false;
    }
    return true;
}

/* The server stops: asked as by a signal. */
static bool
run_stop(struct run *r, struct run_result *ret)
{
    int64_t until = sim_clock(r->w.sim) + 2 * (int64_t)RUN_WAIT_NS_MAX;

    r->w.cfg.reload_every = 0;
    for (uint32_t i = 0; i < r->cfg.world.n_shards; i++)
        shard_ask(r->w.set, i, NET_ASK_STOP);
    while (!run_all_done(r)) {
        if (sim_clock(r->w.sim) > until)
            return run_fail(ret, "the server does not stop");
        if (!world_step(&r->w)) {
            int64_t next = min_i64(sim_next(r->w.sim), world_next_timer(&r->w));
            if (next == INT64_MAX)
                return run_fail(ret, "the server does not stop, and nothing will ever happen");
            sim_advance(r->w.sim, next);
        }
    }
    return true;
}

/* All of it; what fails ends it. */
static void
run_phases(struct run *r, struct run_result *ret)
{
    while (r->n_ops < r->cfg.n_ops) {
        if (!run_step(r, ret, true))
            return;
    }
    if (!run_settle(r, ret) || !run_settle(r, ret))
        return;
    if (!judge(r->h, &ret->verdict)) {
        ret->ok = false;
        ret->judged = true;
        return;
    }
    if (judge_spent_across(r->h) > 0)
        world_saw(&r->w, SEEN_SPENT_ACROSS);
    (void)run_leave(r, ret); /* it says itself what failed */
}

void
run_seed(uint64_t seed, uint32_t mutations, struct history *h, struct run_result *ret)
{
    static struct run r; /* large */

    memset(&r, 0, sizeof(r));
    memset(ret, 0, sizeof(*ret));
    ret->ok = true;
    r.h = h;
    history_clear(h);
    program_cfg(&r.cfg, seed, mutations);
    world_open(&r.w, &r.cfg.world);
    for (uint32_t i = 0; i < r.cfg.n_clients; i++)
        run_connect(&r, i);
    run_phases(&r, ret);
    ret->hash = r.w.hash;
    ret->n_steps = r.w.n_steps;
    ret->seen = r.w.seen;
    for (uint32_t i = 0; i < r.cfg.n_clients; i++)
        client_free(r.clients[i]);
    struct run_result stop = {.ok = true};
    (void)run_stop(&r, &stop); /* it says itself what failed */
    if (stop.ok)
        world_close(&r.w);
    else if (ret->ok)
        (void)run_fail(ret, stop.why);
}
