#include "core/net/reload.h"

#include <stdlib.h>

#include "core/net/client_auth.h"
#include "core/net/net_priv.h"
#include "core/rt/fault.h"

enum { RELOAD_CLOCK_EVERY = 16 }; /* connections between two looks at the clock */

/* The new configuration, for a shard. */
struct record_cfg {
    struct mbox_rec rec;
    struct net_reload *reload;
};

/* ---- main ---- */

enum err
net_reload_new(const struct net_set *set, const struct net_cfg *cfg, uint32_t n_shards, struct net_reload **ret)
{
    ASSERT(n_shards >= 1 && n_shards <= SHARDS_MAX);

    struct net_reload *r = fault_calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NOMEM;
    r->cfg = cfg;
    r->n_shards = n_shards;
    atomic_store(&r->n_left, n_shards);
    for (uint32_t i = 0; i < n_shards; i++) {
        enum err e = net_texts_init(&r->texts[i], cfg, (uint16_t)atomic_load(&set->port));
        if (e != OK) {
            net_reload_free(r);
            return e;
        }
    }
    *ret = r;
    return OK;
}

void
net_reload_start(struct shard_set *shards, struct net_set *set, struct net_reload *r)
{
    /* N1 pairs with N2: the shard that is asked finds all of r written. */
    atomic_store_explicit(&set->reload, r, memory_order_release);
    shard_ask(shards, 0, NET_ASK_RELOAD);
}

bool
net_reload_done(const struct net_reload *r)
{
    return atomic_load(&r->n_left) == 0;
}

void
net_reload_free(struct net_reload *r)
{
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->n_shards; i++)
        net_texts_fini(&r->texts[i]);
    free(r);
}

/* ---- shard 0: telling the others ---- */

/* Who has to close how many, so that not more than max_connections stay. In proportion to what each has. */
static void
reload_share_surplus(struct net *n, struct net_reload *r)
{
    uint32_t live[SHARDS_MAX], least;
    uint64_t total = listener_n_live(n, &least, live);

    if (total <= r->cfg->max_connections)
        return;
    uint64_t surplus = total - r->cfg->max_connections, left = surplus;
    for (uint32_t i = 0; i < r->n_shards; i++) {
        r->surplus[i] = (uint32_t)(surplus * live[i] / total);
        left -= r->surplus[i];
    }
    for (uint32_t i = 0; left > 0; i = (i + 1) % r->n_shards) { /* what rounding left over: less than one for each */
        if (r->surplus[i] < live[i]) {
            r->surplus[i]++;
            left--;
        }
    }
}

void
net_reload_on_ask(struct net *n)
{
    struct net_reload *r = atomic_load_explicit(&n->set->reload, memory_order_acquire); /* N2 */

    ASSERT(n->sh->id == 0 && n->reload.telling == NULL && n->reload.r == NULL);
    reload_share_surplus(n, r);
    n->reload.telling = r;
    n->reload.to_tell = (r->n_shards == SHARDS_MAX ? UINT64_MAX : BIT64(r->n_shards) - 1) & ~BIT64(0);
}

static void
reload_tell(struct net *n)
{
    for (uint64_t left = n->reload.to_tell; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        if (!mbox_room(n->sh->out[i], 1, sizeof(struct record_cfg), 0))
            continue;
        struct record_cfg *rec = (void *)shard_push(n->sh, i, RECORD_CFG, sizeof(*rec));
        rec->reload = n->reload.telling;
        n->reload.to_tell &= ~BIT64(i);
    }
    if (n->reload.to_tell != 0)
        return;
    struct net_reload *r = n->reload.telling;
    n->reload.telling = NULL;
    net_reload_switch(n, r);
}

/* ---- each shard ---- */

void
net_reload_on_record(struct net *n, const struct mbox_rec *rec)
{
    net_reload_switch(n, ((const struct record_cfg *)(const void *)rec)->reload);
}

void
net_reload_switch(struct net *n, struct net_reload *r)
{
    struct net_texts old = n->texts;

    ASSERT(n->reload.r == NULL);
    COUNT(&n->sh->counters, reloads, 1);
    n->cfg = r->cfg;
    n->broker.drops_pressed = r->cfg->no_stall;
    n->texts = r->texts[n->sh->id];
    r->texts[n->sh->id] = old;
    n->reload.r = r;
    n->reload.slot = n->all_head;
    n->reload.n_left = n->n_conns;
    n->reload.n_surplus = r->surplus[n->sh->id];
}

/* Whether this connection is one of those that must go, so that not too many stay: each with the same probability (selection sampling, Knuth
 * 3.4.2 S). */
static bool
reload_is_surplus(struct net *n, const struct conn *c)
{
    struct net_recheck *k = &n->reload;
    uint32_t n_left = k->n_left > 0 ? k->n_left-- : 1; /* some of those counted may have gone, and newer ones come into their place */

    if (k->n_surplus == 0)
        return false;
    if (c->state == CONN_OPEN && io_random(n->sh->io) % n_left >= k->n_surplus)
        return false;
    k->n_surplus--;
    return c->state == CONN_OPEN; /* who is leaving already counts, too */
}

bool
net_recheck_conn(struct net *n, struct conn *c)
{
    const struct net_cfg *cfg = n->cfg;

    if (!client_auth_recheck(n, c))
        return false;
    if (c->state != CONN_OPEN)
        return true;
    c->lim.max_payload = cfg->max_payload;
    c->lim.max_control_line = cfg->max_control_line;
    if ((c->flags & CONN_MAPPED) != 0 || cfg->mappings != NULL)
        c->flags &= ~(uint32_t)CONN_PUB_ALLOWED; /* its subject may be another one now */
    c->flags &= ~(uint32_t)CONN_MAPPED;
    c->flags |= (uint32_t)(cfg->mappings != NULL ? CONN_MAPPED : 0);
    /* A shorter interval counts from now; a longer one when the timer fires. */
    int64_t ping_ns = n->sh->now + cfg->ping_interval_ns;
    if (timer_armed(&c->ping_timer) && c->ping_timer.deadline_ns > ping_ns)
        timer_arm(&n->sh->timers, &c->ping_timer, ping_ns);
    return true;
}

/* One connection. False: not now; the same one again next turn. */
static bool
reload_check(struct net *n, struct conn *c)
{
    if (!net_recheck_conn(n, c))
        return false;
    if (reload_is_surplus(n, c)) {
        conn_log_max(n, c);
        conn_close_err(n, c, NATS_ERR_MAX_CONNS, NATS_CLOSED_MAX_CONNS);
        atomic_fetch_add(&n->reload.r->n_surplus, 1);
    }
    return true;
}

static void
reload_finish(struct net *n)
{
    struct net_reload *r = n->reload.r;

    n->reload.r = NULL;
    /* N3: the last thing that this shard has to do with r and with the snapshot before. */
    if (atomic_fetch_sub(&r->n_left, 1) == 1 && n->set->note != NULL)
        n->set->note(n->set->note_arg);
}

void
net_reload_step(struct net *n)
{
    if (n->reload.telling != NULL)
        reload_tell(n);
    if (n->reload.r == NULL) {
        n->again |= n->reload.telling != NULL;
        return;
    }
    int64_t until = io_now(n->sh->io) + RELOAD_SLICE_NS;
    for (uint32_t i = 0; n->reload.slot != 0; i++) {
        struct conn *c = net_conn(n, n->reload.slot);
        if (i >= RELOAD_SLICE_MAX || (i % RELOAD_CLOCK_EVERY == RELOAD_CLOCK_EVERY - 1 && io_now(n->sh->io) > until) || !reload_check(n, c)) {
            COUNT(&n->sh->counters, reload_cuts, 1);
            n->again = true;
            return;
        }
        COUNT(&n->sh->counters, reload_conns, 1);
        n->reload.slot = c->next;
    }
    reload_finish(n);
}
