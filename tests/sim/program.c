/* What the clients do, and how a seed plays. */
#include <string.h>

#include "tests/sim/run.h"

enum {
    PROGRAM_PINGS_MAX = 3,     /* of one client, not answered yet */
    PROGRAM_RELOAD_SEEDS = 8,  /* one seed of so many reloads its configuration ... */
    PROGRAM_RELOAD_EVERY = 150, /* ... each time so many steps have been done */
};

/* ---- how a seed plays ---- */

static uint32_t
pick(struct rng *g, const uint32_t *from, uint32_t n)
{
    return from[rng_below(g, n)];
}
#define PICK(g, ...) pick(g, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void
program_world_cfg(struct world_cfg *w, struct rng *g, uint64_t seed, uint32_t mutations)
{
    sim_cfg_default(&w->sim, seed);
    w->sim.delay_ns_max = (int64_t)PICK(g, 100, 2000, 20000);
    w->sim.delay_none_pct = PICK(g, 20, 60, 90);
    w->sim.short_pct = PICK(g, 0, 10, 30);
    w->sim.later_pct = PICK(g, 0, 10, 40);
    w->sim.window_bytes = PICK(g, 4096, 16384, 65536);
    w->sim.reset_ppm = PICK(g, 0, 0, 0, 0, 0, 1000);
    w->n_shards = PICK(g, 2, 3, 3, 4, 4);
    w->mutations = mutations;
    w->mbox_bytes = PICK(g, 16384, 16384, 16384, 65536);
    w->step_ns_max = PICK(g, 1, 20, 200);
    w->burst_max = PICK(g, 1, 4, 16, 64);
    w->freeze_pct = PICK(g, 0, 5, 10, 30);
    w->freeze_max = PICK(g, 40, 150, 600, 3000);
    w->cut_pct = PICK(g, 0, 5, 30);
    w->work_max = PICK(g, 0, 0, 0, 1, 5, 40);
}

/* A few subjects, so that clients meet. */
static void
program_subjects(struct run_cfg *c, struct rng *g)
{
    c->n_subjects = 1 + (uint32_t)rng_below(g, 3);
    for (uint32_t i = 0; i < c->n_subjects; i++)
        c->subjects[i] = (uint32_t)rng_below(g, H_SUBJECTS);
}

/* Half of the seeds are for the races: shards that stand still at one place while the others run on, clients that react at once. */
static void
program_sharpen(struct run_cfg *c, struct rng *g)
{
    /* Between two looks and between two seals most often: nothing but a bad moment there shows two of the planted bugs. */
    static const uint32_t places[] = {AT_LOOK, AT_LOOK, AT_LOOK,  AT_LOOK,    AT_SEAL,      AT_SEAL,  AT_SEAL, AT_SEAL,
                                      AT_TAKE, AT_CLOCK, AT_DRAIN, AT_HANDLE, AT_PUBLISHED, AT_FLUSH, AT_WAIT_BEGIN};

    c->world.snag_at = (enum world_at)pick(g, places, N_ELEMS(places));
    c->world.snag_pct = PICK(g, 5, 20, 40);
    c->world.freeze_max = PICK(g, 300, 600, 1500);
    c->world.freeze_pct = 0;
    c->world.n_shards = PICK(g, 3, 3, 4);
    c->world.sim.delay_none_pct = 95;
    c->world.sim.short_pct = 0;
    c->client_pct = PICK(g, 20, 40);
    c->react_pct = 80;
    c->lazy_pct = 0;
    c->n_subjects = PICK(g, 1, 1, 2);
    c->n_clients = PICK(g, 5, 6, 8);
    c->n_ops = 400;
    c->w_pub = PICK(g, 60, 120);
    c->w_queue = PICK(g, 0, 0, 15);
    c->burst_max = PICK(g, 1, 3);
}

/* A quarter is for full mailboxes. */
static void
program_flood(struct run_cfg *c, struct rng *g)
{
    c->world.mbox_bytes = 16384;
    c->world.freeze_pct = PICK(g, 5, 15);
    c->world.freeze_max = PICK(g, 1000, 4000);
    c->world.sim.window_bytes = 65536;
    c->world.sim.short_pct = PICK(g, 0, 5);
    c->client_pct = PICK(g, 20, 40);
    c->react_pct = 60;
    c->lazy_pct = PICK(g, 0, 30);
    c->n_ops = 500;
    c->burst_max = PICK(g, 8, 20, 60);
    c->size_pct[0] = 0;
    c->size_pct[1] = 90;
    c->size_pct[2] = 10;
    c->size_pct[3] = 0;
    uint32_t kind = (uint32_t)rng_below(g, 4);
    if (kind < 2) { /* members come and go: messages are passed on, to where there is no room */
        c->w_queue = 40;
        c->w_unsub = 40;
        c->w_sub = 2;
        c->n_subjects = 1;
    } else if (kind == 2) { /* clients that do not keep up */
        c->world.pending_max = PICK(g, 32768, 65536);
        c->world.sim.window_bytes = 4096;
        c->lazy_pct = 95;
    }
}

static void
program_mix(struct run_cfg *c, struct rng *g)
{
    c->n_clients = 3 + (uint32_t)rng_below(g, RUN_CLIENTS_MAX - 2);
    c->n_ops = PICK(g, 80, 150, 300);
    c->client_pct = PICK(g, 3, 10, 30);
    c->react_pct = PICK(g, 0, 30, 80);
    c->lazy_pct = PICK(g, 0, 30, 90);
    c->burst_max = PICK(g, 1, 3, 12);
    c->w_sub = PICK(g, 5, 10, 20);
    c->w_queue = PICK(g, 0, 10, 30);
    c->w_unsub = PICK(g, 2, 6, 20);
    c->w_max = PICK(g, 0, 5, 10);
    c->w_pub = PICK(g, 20, 40, 80);
    c->w_ping = PICK(g, 5, 20);
    c->w_end = PICK(g, 0, 1, 3);
    uint32_t big = PICK(g, 0, 20, 60), large = PICK(g, 0, 0, 10);
    c->size_pct[0] = (100 - big - large) / 2;
    c->size_pct[1] = 100 - big - large - c->size_pct[0];
    c->size_pct[2] = big;
    c->size_pct[3] = large;
}

void
program_cfg(struct run_cfg *ret, uint64_t seed, uint32_t mutations)
{
    struct rng g;

    rng_init(&g, seed ^ UINT64_C(0x6d69646765)); /* not the world's own numbers */
    memset(ret, 0, sizeof(*ret));
    program_world_cfg(&ret->world, &g, seed, mutations);
    program_subjects(ret, &g);
    program_mix(ret, &g);
    if (rng_below(&g, 2) == 0)
        program_sharpen(ret, &g);
    if (rng_below(&g, 4) == 0)
        program_flood(ret, &g);
    if (seed % PROGRAM_RELOAD_SEEDS == 1) /* not by the dice: the other seeds stay the stories that they are */
        ret->world.reload_every = PROGRAM_RELOAD_EVERY;
}

/* ---- doing ---- */

static uint32_t
program_size(struct run *r)
{
    static const uint32_t lens[4][2] = {{CLIENT_PAYLOAD_MIN, 64}, {200, 900}, {1025, 6000}, {6000, CLIENT_PAYLOAD_MAX}};
    uint32_t at = world_below(&r->w, 100), i = 0;

    while (i < 3 && at >= r->cfg.size_pct[i])
        at -= r->cfg.size_pct[i++];
    return lens[i][0] + world_below(&r->w, lens[i][1] - lens[i][0]);
}

static uint32_t
program_subject(struct run *r)
{
    return r->cfg.subjects[world_below(&r->w, r->cfg.n_subjects)];
}

/* A pattern that has to do with this subject. */
static uint32_t
program_pattern(struct run *r, uint32_t subject)
{
    for (uint32_t tries = 0; tries < 8; tries++) {
        uint32_t p = H_SUBJECTS + world_below(&r->w, H_PATTERNS - H_SUBJECTS);
        if (history_match(p, subject) && world_pct(&r->w, 15))
            return p;
    }
    return subject;
}

/* One of c's subscriptions that it has not taken back; UINT32_MAX: none. */
static uint32_t
program_own_sub(struct run *r, const struct client *c)
{
    uint32_t found = UINT32_MAX, n = 0;

    for (uint32_t i = 0; i < r->h->n_subs; i++) {
        const struct h_sub *s = &r->h->subs[i];
        if (s->client == c->id && s->unsub == H_NEVER && world_below(&r->w, ++n) == 0)
            found = i;
    }
    return found;
}

static bool
program_may_sub(const struct run *r)
{
    return r->h->n_subs < H_SUBS_MAX;
}

static void
program_ping(struct client *c)
{
    if (c->n_pings < PROGRAM_PINGS_MAX)
        client_ping(c);
}

static void
program_pub(struct run *r, struct client *c, uint32_t subject)
{
    uint32_t n = 1 + world_below(&r->w, r->cfg.burst_max);

    for (uint32_t i = 0; i < n && r->n_ops < r->cfg.n_ops; i++) {
        uint32_t len = program_size(r);
        if (!client_room(c, len))
            return;
        client_pub(c, subject, len, world_pct(&r->w, 20), world_pct(&r->w, 10));
        r->n_ops++;
        if (world_pct(&r->w, 20))
            program_ping(c);
    }
    if (world_pct(&r->w, 60))
        program_ping(c);
}

static void
program_sub(struct run *r, struct client *c, uint32_t queue)
{
    if (!program_may_sub(r))
        return;
    client_sub(c, program_pattern(r, program_subject(r)), queue);
    r->n_ops++;
    if (world_pct(&r->w, 15))
        client_max(c, c->last_sub, 1 + world_below(&r->w, 6));
    if (world_pct(&r->w, 60))
        program_ping(c);
}

static void
program_unsub(struct run *r, struct client *c, bool max)
{
    uint32_t sub = program_own_sub(r, c);

    if (sub == UINT32_MAX || (max && r->h->subs[sub].max > 0))
        return;
    if (max)
        client_max(c, sub, 1 + world_below(&r->w, 10));
    else
        client_unsub(c, sub);
    r->n_ops++;
    if (world_pct(&r->w, 50))
        program_ping(c);
}

static void
program_end(struct run *r, struct client *c)
{
    r->n_ops++;
    if (program_own_sub(r, c) != UINT32_MAX && r->h->n_pubs > 0)
        world_saw(&r->w, SEEN_DIED_BUSY);
    client_end(c, world_pct(&r->w, 50));
}

bool
program_act(struct run *r, struct client *c)
{
    const struct run_cfg *f = &r->cfg;
    uint32_t total = f->w_sub + f->w_queue + f->w_unsub + f->w_max + f->w_pub + f->w_ping + f->w_end;
    uint32_t at = world_below(&r->w, total);

    if (r->n_ops >= f->n_ops || !client_room(c, CLIENT_PAYLOAD_MAX) || c->out_len > 16384)
        return false;
    if (at < f->w_pub) {
        program_pub(r, c, program_subject(r));
    } else if ((at -= f->w_pub) < f->w_sub) {
        program_sub(r, c, 0);
    } else if ((at -= f->w_sub) < f->w_queue) {
        program_sub(r, c, 1 + world_below(&r->w, H_QUEUES - 1));
    } else if ((at -= f->w_queue) < f->w_unsub) {
        program_unsub(r, c, false);
    } else if ((at -= f->w_unsub) < f->w_max) {
        program_unsub(r, c, true);
    } else if ((at -= f->w_max) < f->w_ping) {
        program_ping(c);
        r->n_ops++;
    } else {
        program_end(r, c);
    }
    return true;
}

/* ---- reacting ---- */

/* Somebody who can speak at once; NULL: nobody. */
static struct client *
program_other(struct run *r)
{
    struct client *c = r->clients[world_below(&r->w, r->cfg.n_clients)];
    return c != NULL && c->open && !c->over && c->out_len == 0 ? c : NULL;
}

void
program_react(struct run *r, struct client *c, bool pong)
{
    struct client *o = program_other(r);
    uint32_t subject = program_subject(r);

    if (o == NULL || r->n_ops >= r->cfg.n_ops || !world_pct(&r->w, pong ? r->cfg.react_pct : r->cfg.react_pct / 2))
        return;
    if (!pong)
        subject = r->h->pubs[c->msg_pub].subject;
    else if (c->last_pub != UINT32_MAX && world_pct(&r->w, 50))
        subject = r->h->pubs[c->last_pub].subject;
    uint32_t what = world_below(&r->w, 100);
    if (what < 70 && client_room(o, CLIENT_PAYLOAD_MAX)) {
        client_pub(o, subject, program_size(r), false, false);
        r->n_ops++;
        if (world_pct(&r->w, 50))
            program_ping(o);
    } else if (what < 90) {
        program_ping(o);
    } else if (program_may_sub(r)) {
        client_sub(o, subject, 0);
        r->n_ops++;
        program_ping(o);
    }
    (void)client_send(o, UINT32_MAX); /* what does not fit goes later */
}
