#include "core/net/lame_duck.h"

#include "core/net/net_priv.h"

/* ---- main ---- */

static void
lame_duck_ask(struct shard_set *shards, uint32_t bit)
{
    for (uint32_t i = 0; i < shards->n_shards; i++)
        shard_ask(shards, i, bit);
}

void
net_lame_duck_start(struct shard_set *shards)
{
    lame_duck_ask(shards, NET_ASK_LAME_DUCK);
}

bool
net_lame_duck_informed(const struct net_set *set, uint32_t n_shards)
{
    return atomic_load(&set->ldm.n_informed) == n_shards;
}

void
net_lame_duck_close(struct shard_set *shards, struct net_set *set, int64_t window_ns)
{
    int64_t most_ns = (int64_t)atomic_load(&set->ldm.n_conns) * LAME_DUCK_PAUSE_MAX_NS;

    atomic_store(&set->ldm.window_ns, min_i64(window_ns, most_ns)); /* before the asking: the shards read it after that */
    lame_duck_ask(shards, NET_ASK_LAME_DUCK_CLOSE);
}

bool
net_lame_duck_done(const struct net_set *set, uint32_t n_shards)
{
    return atomic_load(&set->ldm.n_done) == n_shards;
}

/* ---- each shard ---- */

static void
ldm_note(struct net *n, _Atomic uint32_t *count)
{
    atomic_fetch_add(count, 1);
    if (n->set->note != NULL)
        n->set->note(n->set->note_arg);
}

static void
ldm_finish(struct net *n)
{
    n->ldm.state = NET_LDM_DONE;
    timer_disarm(&n->sh->timers, &n->ldm.timer);
    ldm_note(n, &n->set->ldm.n_done);
}

static bool
ldm_wants_info(const struct conn *c)
{
    return c->state == CONN_OPEN && (c->flags & (CONN_CONNECTED | CONN_FIRST_PONG)) == (CONN_CONNECTED | CONN_FIRST_PONG) &&
           c->opts->protocol >= 1;
}

void
net_ldm_step(struct net *n)
{
    ASSERT(n->ldm.state == NET_LDM_INFORM);
    for (uint32_t i = 0; n->ldm.slot != 0; i++) {
        struct conn *c = net_conn(n, n->ldm.slot);
        if (i == LAME_DUCK_SLICE_MAX) {
            n->again = true;
            return;
        }
        n->ldm.slot = c->next;
        if (ldm_wants_info(c))
            conn_send_info(n, c, CONN_INFO_LDM);
    }
    n->ldm.state = NET_LDM_GRACE;
    atomic_fetch_add(&n->set->ldm.n_conns, n->n_conns);
    ldm_note(n, &n->set->ldm.n_informed);
    if (n->n_conns == 0)
        ldm_finish(n);
}

void
net_ldm_on_free(struct net *n, const struct conn *c)
{
    if (n->ldm.slot == c->ep.slot)
        n->ldm.slot = c->next;
    if (n->n_conns == 0 && (n->ldm.state == NET_LDM_GRACE || n->ldm.state == NET_LDM_CLOSE))
        ldm_finish(n);
}

/* Close what is due. */
static void
ldm_on_timer(struct timer *t, int64_t now_ns)
{
    struct net *n = CONTAINER_OF(t, struct net, ldm.timer);
    struct net_ldm *l = &n->ldm;

    for (uint32_t i = 0; l->slot != 0 && l->next_ns <= now_ns && i < LAME_DUCK_SLICE_MAX; i++) {
        struct conn *c = net_conn(n, l->slot);
        l->slot = c->next;
        if (c->state != CONN_OPEN)
            continue;
        conn_close(n, c, NATS_CLOSED_SERVER_SHUTDOWN);
        int64_t half = l->pause_ns / 2;
        l->next_ns += half + (int64_t)(io_random(n->sh->io) % (uint64_t)(l->pause_ns - half));
    }
    if (l->slot == 0)
        ldm_finish(n);
    else
        timer_arm(&n->sh->timers, t, l->next_ns > now_ns ? l->next_ns : now_ns + TIMERS_TICK_NS);
}

static void
ldm_begin_close(struct net *n)
{
    struct net_ldm *l = &n->ldm;
    int64_t window_ns = atomic_load(&n->set->ldm.window_ns);

    ASSERT(n->n_conns > 0);
    l->state = NET_LDM_CLOSE;
    l->slot = n->all_head;
    l->pause_ns = window_ns / n->n_conns;
    if (l->pause_ns < 1)
        l->pause_ns = 1;
    l->next_ns = n->sh->now;
    if (n->sh->id != 0) /* each shard begins at another moment */
        l->next_ns += (int64_t)(io_random(n->sh->io) % (uint64_t)l->pause_ns);
    l->timer.fn = ldm_on_timer;
    timer_arm(&n->sh->timers, &l->timer, l->next_ns);
}

void
net_ldm_on_ask(struct net *n, uint32_t bits)
{
    if (n->stopping)
        return;
    if ((bits & NET_ASK_LAME_DUCK) != 0 && n->ldm.state == NET_LDM_OFF) {
        n->ldm.state = NET_LDM_INFORM;
        n->ldm.slot = n->all_head;
        listener_stop(n);
    }
    if ((bits & NET_ASK_LAME_DUCK_CLOSE) != 0 && n->ldm.state == NET_LDM_GRACE)
        ldm_begin_close(n);
}
