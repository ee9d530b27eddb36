/* The shard's callbacks: events, records, turns. */
#include "core/net/net.h"

#include <stdlib.h>
#include <string.h>

#include "core/net/client_auth.h"
#include "core/net/gather_priv.h"
#include "core/net/http.h"
#include "core/net/net_priv.h"
#include "core/rt/fault.h"
#include "core/rt/offload.h"

enum {
    NET_CONNS_MAX = 1 << 24,       /* per shard; the real limit is max_connections */
    NET_TRIM_NS = 250000000,       /* how often unused memory is given back */
    NET_IDLE_TRIMS = 24,           /* so often in vain while nothing happened, and it rests: an idle shard sleeps */
    NET_TRIM_MORE_NS = 1000000,    /* and how soon again while there is more: a call gives back a few MiB, and takes about a tenth of that */
    NET_FIRST_CID = 5,             /* below are the server's own connections, as in nats-server */
    NET_STOP_NS = 1000000000,      /* a stopping shard waits so long for its sockets ... */
    NET_FLUSH_MIN = 16384,         /* who has so many bytes queued never waits for a later flush; others may ... */
    NET_SEND_NS = 4000,            /* ... so long for each connection of the last one: about what a send costs */
    NET_JOBS_MAX = 64,             /* finished jobs looked at in one turn */
    NET_CUT_NS = 100000000,        /* ... and so long for those it then closes itself */
};

/* ---- what the broker tells ---- */

static void
net_on_slow(struct broker *b, struct endpoint *ep)
{
    struct net *n = b->ops_arg;
    struct conn *c = conn_of(ep);
    char name[CONN_NAME_MAX];

    if (net_may_log(n, NET_QUIET_SLOW))
        log_inf("%s - Slow Consumer Detected: MaxPending of %llu Exceeded", conn_name(c, name, sizeof(name)),
                (unsigned long long)ep->n_pending_max);
    conn_close(n, c, NATS_CLOSED_SLOW_PENDING);
}

static void
net_on_no_memory(struct broker *b, struct endpoint *ep)
{
    struct net *n = b->ops_arg;
    char name[CONN_NAME_MAX];

    log_err("%s - out of buffers for its output; closing it", conn_name(conn_of(ep), name, sizeof(name)));
    conn_close(n, conn_of(ep), NATS_CLOSED_WRITE_ERROR);
}

static void
net_on_stall(struct broker *b, struct endpoint *ep)
{
    struct conn *c = conn_of(ep);
    (void)b;

    if (c->state != CONN_OPEN)
        return;
    c->flags |= CONN_STALL_WANTED;
}

static void
net_on_trace(struct broker *b, const struct endpoint *ep, const struct sub *s, const struct pub_msg *m)
{
    if (m != NULL)
        trace_msg(b->ops_arg, ep, s, m);
    else
        trace_delsub(ep, s);
}

static bool
net_may_take(struct broker *b, struct endpoint *ep, uint32_t sub, const struct pub_msg *m)
{
    return client_auth_may_take(b->ops_arg, conn_of(ep), sub, m);
}

static void
net_on_take(struct broker *b, struct endpoint *ep, const struct pub_msg *m)
{
    client_auth_on_take(b->ops_arg, conn_of(ep), m);
}

static const struct broker_ops net_broker_ops = {
    .may_take = net_may_take,
    .on_take = net_on_take,
    .on_slow = net_on_slow,
    .on_no_memory = net_on_no_memory,
    .on_stall = net_on_stall,
    .put_server = client_trace_put_server,
    .get_who = client_trace_get_who,
    .on_trace = net_on_trace,
};

/* ---- timers ---- */

void
net_turn_soon(struct net *n)
{
    timer_arm(&n->sh->timers, &n->turn_timer, n->sh->now - TIMERS_TICK_NS); /* later than that it would wait for the tick */
}

static void
net_on_stall_timer(struct timer *t, int64_t now_ns)
{
    (void)t; /* conn_resume_all looks at the list in every turn; the timer only makes a turn happen */
    (void)now_ns;
}

static void
net_on_trim_timer(struct timer *t, int64_t now_ns)
{
    struct net *n = CONTAINER_OF(t, struct net, trim_timer);

    for (uint32_t i = 0; i < n->sh->n_shards; i++) {
        if (i == n->sh->id)
            continue;
        mbox_reclaim(n->sh->out[i]); /* else the last large payload would stay until the next one */
        mbox_trim(n->sh->out[i]);
    }
    bool more = interest_trim(n->broker.ix);
    more |= slab_trim(&n->conns) > 0;
    n->n_vain = 0; /* who waits for memory tries again */
    n->n_idle_trims = more || n->blocked.head != 0 || n->closing_head != 0 ? 0 : n->n_idle_trims + 1;
    if (n->n_idle_trims < NET_IDLE_TRIMS)
        timer_arm(&n->sh->timers, t, now_ns + NET_TRIM_NS);
    if (!timer_armed(&n->bufs_timer) && !bufpool_settled(n->sh->bufs))
        timer_arm(&n->sh->timers, &n->bufs_timer, now_ns + BUFPOOL_INTERVAL_NS);
}

static void
net_on_bufs_timer(struct timer *t, int64_t now_ns)
{
    struct net *n = CONTAINER_OF(t, struct net, bufs_timer);

    /* In small steps, so that nobody waits for them, but step upon step: what stalled subscribers held is a lot. */
    uint64_t len = bufpool_trim(n->sh->bufs, now_ns);
    if (len > 0 || !bufpool_settled(n->sh->bufs))
        timer_arm(&n->sh->timers, t, now_ns + (len > 0 ? NET_TRIM_MORE_NS : BUFPOOL_INTERVAL_NS));
}

/* Something happened: what was given back may be needed again, and given back again. */
static void
net_trim_later(struct net *n)
{
    n->n_idle_trims = 0;
    n->had_mail = false;
    if (!timer_armed(&n->trim_timer))
        timer_arm(&n->sh->timers, &n->trim_timer, n->sh->now + NET_TRIM_NS);
}

/* ---- letting go ---- */

/* An event nobody handles any more: what it carries goes back. */
static void
net_drop_event(struct net *n, struct io_event *ev)
{
    struct conn *c = ev->owner;

    if (ev->kind == IO_EV_RECV && ev->buf != IO_BUF_NONE) {
        io_buf_give(n->sh->io, ev->buf);
    } else if (ev->kind == IO_EV_ACCEPT && ev->err == OK) {
        io_fd_drop(n->sh->io, (int)ev->res);
    } else if (ev->kind == IO_EV_CLOSED && net_owner_is(ev->owner)) {
        struct net_owner *o = net_owner_of(ev->owner);
        (void)o->on_event(n, o, ev); /* it only lets go */
    } else if (ev->kind == IO_EV_CLOSED && ev->owner == n) {
        n->listener_open = false;
    } else if (ev->kind == IO_EV_CLOSED) {
        c->flags |= CONN_IO_DONE;
        n->n_socks--;
    }
}

/* The backend may still read from and write to what we are about to free: it has to let go first. */
static void
net_close_sockets(struct net *n)
{
    struct shard *sh = n->sh;
    int64_t deadline = io_now(sh->io) + NET_CUT_NS;

    listener_stop(n);
    http_stop(n);
    for (uint32_t slot = n->all_head; slot != 0; slot = net_conn(n, slot)->next) {
        if ((net_conn(n, slot)->flags & CONN_IO_DONE) == 0)
            io_close(sh->io, &net_conn(n, slot)->sock);
    }
    for (; sh->i_ev < sh->n_evs; sh->i_ev++)
        net_drop_event(n, &sh->evs[sh->i_ev]);
    while ((n->n_socks > 0 || n->listener_open || http_n_socks(n) > 0) && io_now(sh->io) < deadline) {
        io_wait(sh->io, deadline);
        sh->n_evs = io_take(sh->io, sh->evs, IO_TAKE_MAX);
        for (sh->i_ev = 0; sh->i_ev < sh->n_evs; sh->i_ev++)
            net_drop_event(n, &sh->evs[sh->i_ev]);
    }
}

/* ---- shard callbacks ---- */

static enum err
net_on_start(struct shard *sh)
{
    struct net_set *set = sh->set->app_arg;
    struct net *n = fault_calloc(1, sizeof(*n));
    if (n == NULL)
        return ERR_NOMEM;
    n->sh = sh;
    n->set = set;
    n->cfg = set->cfg;
    n->next_cid = NET_FIRST_CID;
    n->map_seed = io_random(sh->io);
    n->listener.fd = -1;
    sh->app = n;
    slab_init(&n->conns, sizeof(struct conn), NET_CONNS_MAX);
    struct broker_cfg bc = {
        .eps = &n->conns,
        .ops = &net_broker_ops,
        .ops_arg = n,
        .key = n->cfg->key,
        .no_cache = n->cfg->no_sublist_cache,
        .seed = io_random(sh->io),
    };
    enum err e = broker_init(&n->broker, sh, &bc);
    if (e == OK && set->http != NULL)
        e = gathers_init(n);
    if (e == OK && sh->id == 0 && set->http != NULL)
        e = http_start(n, set->http);
    if (e == OK && sh->id == 0)
        e = listener_start(n);
    if (e != OK) {
        net_close_sockets(n);
        http_free(n);
        gathers_fini(n);
        broker_fini(&n->broker);
        slab_fini(&n->conns);
        free(n);
        sh->app = NULL;
        return e;
    }
    n->broker.drops_pressed = n->cfg->no_stall;
    n->stall_timer.fn = net_on_stall_timer;
    n->turn_timer.fn = net_on_stall_timer;
    n->trim_timer.fn = net_on_trim_timer;
    timer_arm(&sh->timers, &n->trim_timer, sh->now + NET_TRIM_NS);
    n->bufs_timer.fn = net_on_bufs_timer;
    return OK;
}

static void
net_on_record(struct shard *sh, uint32_t from, const struct mbox_rec *rec)
{
    struct net *n = net_of(sh);

    n->had_mail = true;
    if (rec->type < RECORD_NET) {
        broker_on_record(&n->broker, from, rec);
        return;
    }
    if (rec->type == RECORD_GATHER || rec->type == RECORD_GATHERED) {
        gather_on_record(n, rec);
        return;
    }
    if (rec->type == RECORD_CFG) {
        net_reload_on_record(n, rec);
        return;
    }
    ASSERT(rec->type == RECORD_CONN);
    listener_on_conn(n, (const struct record_conn *)(const void *)rec);
}

static bool
net_on_drained(struct shard *sh)
{
    struct net *n = net_of(sh);

    if (!broker_on_drained(&n->broker))
        return false;
    if (n->blocked.head != 0 || n->stalled.head != 0)
        conn_resume_all(n);
    return true;
}

static bool
net_on_event(struct shard *sh, struct io_event *ev)
{
    struct net *n = net_of(sh);

    if (UNLIKELY(net_owner_is(ev->owner)))
        return net_owner_of(ev->owner)->on_event(n, net_owner_of(ev->owner), ev);
    if (LIKELY(ev->kind == IO_EV_RECV))
        return conn_on_recv(n, ev->owner, ev);
    if (ev->owner == n) { /* the listener */
        if (ev->kind == IO_EV_ACCEPT)
            listener_on_accept(n, ev);
        else if (ev->kind == IO_EV_CLOSED)
            n->listener_open = false;
        return true;
    }
    if (ev->kind == IO_EV_SEND)
        conn_on_send(n, ev->owner, ev);
    else if (ev->kind == IO_EV_CLOSED)
        conn_on_closed(n, ev->owner);
    return true;
}

/* A send costs microseconds, however little it sends. So while the budget cuts turns, and the next one follows at once, those for whom little is queued
 * may wait for it, until about as long has passed as serving all of them takes. True: they wait. */
static bool
net_flush_waits(struct net *n)
{
    if (!shard_goes_on(n->sh) || n->stopping) {
        n->flush_due_ns = 0;
        return false;
    }
    if (n->flush_due_ns == 0)
        n->flush_due_ns = n->sh->now + (int64_t)n->n_flushed * NET_SEND_NS;
    if (n->sh->now < n->flush_due_ns)
        return true;
    n->flush_due_ns = 0;
    return false;
}

static void
net_on_flush(struct shard *sh)
{
    struct net *n = net_of(sh);
    uint32_t slot = n->broker.dirty_head;
    bool waits = net_flush_waits(n);

    n->broker.dirty_head = 0;
    n->n_flushed = waits ? n->n_flushed : 0;
    while (slot != 0) {
        struct conn *c = net_conn(n, slot);
        slot = c->ep.next_dirty;
        c->ep.flags &= (uint8_t)~EP_DIRTY;
        if (UNLIKELY(waits) && c->ep.out.n_bytes < NET_FLUSH_MIN) {
            broker_mark_dirty(&n->broker, &c->ep);
            continue;
        }
        n->n_flushed += !waits;
        conn_flush(n, c);
    }
    conn_close_socks(n);
    http_on_flush(n);
    /* Connections whose subscriptions were not all taken back are no reason to stay: the peers end, too. */
    if (n->stopping && n->n_socks == 0 && !n->listener_open && http_n_socks(n) == 0)
        sh->done = true;
}

/* The last of a turn's work that pushes to mailboxes. */
static void
net_on_handled(struct shard *sh)
{
    struct net *n = net_of(sh);

    if (sh->n_evs > 0 || n->had_mail)
        net_trim_later(n);
    broker_reap(&n->broker);
    if (n->closing_head != 0)
        conn_reap_all(n);
    http_on_handled(n);
    if (n->gathers != NULL)
        gather_on_handled(n);
    if (UNLIKELY(net_reload_busy(n)))
        net_reload_step(n);
    if (UNLIKELY(n->ldm.state == NET_LDM_INFORM))
        net_ldm_step(n);
    if (UNLIKELY(n->again || broker_reap_cut(&n->broker))) {
        n->again = false;
        net_turn_soon(n);
    }
}

static void
net_on_close_deadline(struct timer *t, int64_t now_ns)
{
    struct net *n = CONTAINER_OF(t, struct net, stall_timer);
    (void)now_ns;
    log_wrn("shard %u: %u connections did not close in time", n->sh->id, n->n_socks);
    n->sh->done = true;
}

static void
net_on_ask(struct shard *sh, uint32_t bits)
{
    struct net *n = net_of(sh);

    if ((bits & NET_ASK_OFFLOAD) != 0 && offload_drain(n->set->offload, sh->id, NET_JOBS_MAX) == NET_JOBS_MAX)
        shard_ask(sh->set, sh->id, NET_ASK_OFFLOAD); /* there may be more */
    if ((bits & NET_ASK_HTTP) != 0)
        http_on_wake(n);
    if ((bits & NET_ASK_RELOAD) != 0)
        net_reload_on_ask(n);
    if ((bits & (NET_ASK_LAME_DUCK | NET_ASK_LAME_DUCK_CLOSE)) != 0)
        net_ldm_on_ask(n, bits);
    if ((bits & NET_ASK_STOP) == 0 || n->stopping)
        return;
    n->stopping = true;
    listener_stop(n);
    http_stop(n);
    for (uint32_t slot = n->all_head; slot != 0;) {
        struct conn *c = net_conn(n, slot);
        slot = c->next;
        conn_close(n, c, NATS_CLOSED_SERVER_SHUTDOWN);
    }
    timer_disarm(&sh->timers, &n->stall_timer);
    n->stall_timer.fn = net_on_close_deadline;
    timer_arm(&sh->timers, &n->stall_timer, sh->now + NET_STOP_NS);
}

static void
net_on_stop(struct shard *sh)
{
    struct net *n = net_of(sh);

    net_close_sockets(n);
    net_quiet_end(n);
    while (n->all_head != 0) {
        struct conn *c = net_conn(n, n->all_head);
        n->all_head = c->next;
        outq_fini(&c->ep.out, sh->bufs);
        sidmap_fini(&c->ep.sids);
        if (c->in != NULL)
            bufpool_give(sh->bufs, c->in, c->in_cap);
        if (c->opts != NULL)
            nats_connect_fini(c->opts);
        free(c->opts);
        client_auth_close(n, c);
        client_auth_free(c);
    }
    client_auth_leave_jobs(n);
    if (n->scratch != NULL)
        bufpool_give(sh->bufs, n->scratch, n->scratch_cap);
    if (n->mapped != NULL)
        bufpool_give(sh->bufs, n->mapped, n->mapped_cap);
    http_free(n);
    gathers_fini(n);
    broker_fini(&n->broker);
    slab_fini(&n->conns);
    net_texts_fini(&n->texts);
    free(n);
    sh->app = NULL;
}

const struct shard_app net_app = {
    .on_start = net_on_start,
    .on_record = net_on_record,
    .on_drained = net_on_drained,
    .on_event = net_on_event,
    .on_handled = net_on_handled,
    .on_flush = net_on_flush,
    .on_ask = net_on_ask,
    .on_stop = net_on_stop,
};
