/* A connection's life: opened, read, written, closed. What its bytes mean is client.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/gather_priv.h"
#include "core/net/client_auth.h"
#include "core/net/net_priv.h"
#include "core/rt/fault.h"
#include "core/rt/mutate.h"

enum {
    CONN_IN_MIN = 512,
    CONN_IN_AT_ONCE = 128 * 1024, /* payloads up to here get their whole buffer at once; longer ones as they come */
    CONN_INFO_MAX = 1024 * 1024,  /* what is the same for all in it */
    CONN_INFO_STRINGS = 256,      /* client_ip, nonce, account name */
};

/* ---- lists ---- */

void
conn_list_push(struct net *n, struct conn_list *l, struct conn *c)
{
    c->next_list = 0;
    if (l->tail != 0)
        net_conn(n, l->tail)->next_list = c->ep.slot;
    else
        l->head = c->ep.slot;
    l->tail = c->ep.slot;
    l->n++;
}

struct conn *
conn_list_pop(struct net *n, struct conn_list *l)
{
    if (l->head == 0)
        return NULL;
    struct conn *c = net_conn(n, l->head);
    l->head = c->next_list;
    if (l->head == 0)
        l->tail = 0;
    c->next_list = 0;
    l->n--;
    return c;
}

/* ---- INFO ---- */

enum err
net_texts_init(struct net_texts *t, const struct net_cfg *cfg, uint16_t port)
{
    struct nats_info_server s = cfg->info;
    enum err e = ERR_FULL;

    *t = (struct net_texts){0};
    if (s.port == 0) /* not advertised otherwise */
        s.port = port;
    for (size_t cap = 4096; cap <= CONN_INFO_MAX && e == ERR_FULL; cap *= 2) {
        char *text = fault_realloc(t->info_text, cap);
        if (text == NULL) {
            e = ERR_NOMEM;
            break;
        }
        t->info_text = text;
        e = nats_info_prepare(&s, text, cap, &t->info);
    }
    if (e == OK) {
        size_t line_cap = max_u64(NATS_INFO_CONN_MAX(&t->info, CONN_INFO_STRINGS), NATS_PERM_MAX(2 * (size_t)cfg->max_control_line));
        t->line = fault_malloc(line_cap);
        t->line_cap = (uint32_t)line_cap;
        e = t->line != NULL ? OK : ERR_NOMEM;
    }
    if (e != OK)
        net_texts_fini(t);
    return e;
}

void
net_texts_fini(struct net_texts *t)
{
    free(t->info_text);
    free(t->line);
    *t = (struct net_texts){0};
}

void
conn_send_info(struct net *n, struct conn *c, enum conn_info kind)
{
    char ip[ADDR_TEXT_MAX];
    bool connect_info = kind == CONN_INFO_CONNECT;

    (void)addr_ip_text(&c->peer, ip, sizeof(ip)); /* empty: left out */
    struct nats_info_conn ic = {
        .max_payload = c->lim.max_payload,
        .client_id = c->cid,
        .client_ip = ip,
        .ldm = kind == CONN_INFO_LDM,
        .connect_info = connect_info,
        .auth_required = n->cfg->auth != NULL && n->cfg->auth->required && (connect_info || n->cfg->auth->no_auth_user == NULL),
        .remote_account = connect_info ? "$G" : NULL,
    };
    size_t len = nats_info_encode(&n->texts.info, &ic, n->texts.line, n->texts.line_cap);
    ASSERT(len > 0); /* net_texts_init made the room */
    (void)broker_write(&n->broker, &c->ep, n->texts.line, (uint32_t)len); /* without memory it closes c itself */
}

/* ---- opening ---- */

static struct conn *
conn_take(struct net *n)
{
    if (n->texts.line == NULL && net_texts_init(&n->texts, n->cfg, (uint16_t)atomic_load(&n->set->port)) != OK)
        return NULL;
    uint32_t slot = slab_take(&n->conns);
    if (slot == 0)
        return NULL;
    struct conn *c = net_conn(n, slot);
    c->ep.slot = slot;
    return c;
}

/* One connection less, for whoever places new ones. */
static void
conn_count_closed(struct shard *sh)
{
    struct shard_pub *pub = &sh->set->pub[sh->id];
    atomic_store_explicit(&pub->n_closed, atomic_load_explicit(&pub->n_closed, memory_order_relaxed) + 1, memory_order_relaxed);
}

void
conn_log_max(struct net *n, const struct conn *c)
{
    char name[CONN_NAME_MAX];

    if (net_may_log(n, NET_QUIET_PROTOCOL))
        log_err("%s - maximum connections exceeded", conn_name(c, name, sizeof(name)));
}

void
conn_open(struct net *n, int fd, uint64_t cid, bool refuse)
{
    struct shard *sh = n->sh;
    struct conn *c = n->stopping || n->ldm.state != NET_LDM_OFF ? NULL : conn_take(n);

    if (c == NULL) {
        COUNT(&sh->counters, conns_refused, 1);
        io_fd_drop(sh->io, fd);
        conn_count_closed(sh);
        return;
    }
    const struct net_cfg *cfg = n->cfg;
    c->state = CONN_OPEN;
    c->cid = cid;
    c->flags = (uint32_t)(CONN_VERBOSE | CONN_PEDANTIC | (cfg->mappings != NULL ? CONN_MAPPED : 0));
    c->ep.flags = EP_ECHO;
    c->ep.acc = ACCOUNT_GLOBAL;
    c->ep.n_pending_max = cfg->max_pending;
    c->lim = (struct nats_limits){.max_payload = cfg->max_payload, .max_control_line = cfg->max_control_line};
    c->start_ns = sh->now;
    c->last_in_ns = sh->now;
    c->ping_timer.fn = client_ping_timer;
    c->write_timer.fn = conn_write_timer;
    c->next = n->all_head;
    if (n->all_head != 0)
        net_conn(n, n->all_head)->prev = c->ep.slot;
    n->all_head = c->ep.slot;
    n->n_conns++;
    n->n_socks++;
    COUNT(&sh->counters, conns_accepted, 1);
    io_sock_init(sh->io, &c->sock, fd, c);
    c->peer = addr_of_peer(&c->sock);
    if (log_debug_on) {
        char name[CONN_NAME_MAX];
        log_dbg("%s - Client connection created", conn_name(c, name, sizeof(name)));
    }
    conn_send_info(n, c, CONN_INFO_FIRST);
    if (c->state != CONN_OPEN)
        return; /* no memory for as much as that */
    if (refuse) {
        COUNT(&sh->counters, conns_refused, 1);
        conn_log_max(n, c);
        conn_close_err(n, c, NATS_ERR_MAX_CONNS, NATS_CLOSED_MAX_CONNS);
        return;
    }
    if (UNLIKELY(!client_auth_open(n, c)))
        return;
    timer_arm(&sh->timers, &c->ping_timer, sh->now + cfg->ping_interval_ns);
    io_recv_start(sh->io, &c->sock);
}

/* ---- reading ---- */

/* Forget the first bytes of `in`; without bytes it holds no buffer. */
static void
conn_in_drop(struct net *n, struct conn *c)
{
    if (c->in != NULL && c->in_off == c->in_len) {
        bufpool_give(n->sh->bufs, c->in, c->in_cap);
        c->in = NULL;
        c->in_len = c->in_cap = c->in_off = c->in_need = 0;
        c->in_exact = false;
    }
}

/* Room for len more bytes at the end of `in`. False: no memory. */
static bool
conn_in_room(struct net *n, struct conn *c, uint32_t len)
{
    uint32_t used = c->in_len - c->in_off;

    if (c->in_cap - c->in_len >= len)
        return true;
    uint32_t want = used + len;
    if (c->in_exact && c->in_need > want)
        want = c->in_need <= CONN_IN_AT_ONCE ? c->in_need : (uint32_t)min_u64(c->in_need, 4 * (uint64_t)want);
    if (want < CONN_IN_MIN)
        want = CONN_IN_MIN;
    if (c->in_cap >= want && c->in_off > 0) {
        memmove(c->in, c->in + c->in_off, used);
    } else {
        uint32_t cap;
        uint8_t *in = bufpool_take(n->sh->bufs, want, &cap);
        if (in == NULL)
            return false;
        if (used > 0)
            memcpy(in, c->in + c->in_off, used);
        if (c->in != NULL)
            bufpool_give(n->sh->bufs, c->in, c->in_cap);
        c->in = in;
        c->in_cap = cap;
    }
    c->in_len = used;
    c->in_off = 0;
    return true;
}

/* Keep bytes for later. False: no memory, c is closing. */
static bool
conn_in_keep(struct net *n, struct conn *c, const uint8_t *p, uint32_t len)
{
    if (!conn_in_room(n, c, len)) {
        char name[CONN_NAME_MAX];
        COUNT(&n->sh->counters, bufs_refused, 1);
        log_err("%s - out of buffers for its input; closing it", conn_name(c, name, sizeof(name)));
        conn_close(n, c, NATS_CLOSED_READ_ERROR);
        return false;
    }
    memcpy(c->in + c->in_len, p, len);
    c->in_len += len;
    return true;
}

static void
conn_block(struct net *n, struct conn *c)
{
    COUNT(&n->sh->counters, recv_paused, 1);
    io_recv_stop(n->sh->io, &c->sock);
    c->flags |= CONN_BLOCKED;
    conn_list_push(n, &n->blocked, c);
    n->n_vain = n->again ? 0 : n->n_vain + 1;
}

static void
conn_stall(struct net *n, struct conn *c)
{
    COUNT(&n->sh->counters, stalls, 1);
    io_recv_stop(n->sh->io, &c->sock);
    c->flags |= CONN_STALLED;
    c->n_stalls++;
    c->n_stalls_all++;
    c->stall_until_ns = n->sh->now + NET_STALL_NS;
    if (n->stalled.head == 0)
        timer_arm(&n->sh->timers, &n->stall_timer, c->stall_until_ns);
    conn_list_push(n, &n->stalled, c);
}

/* Until conn_unwait. */
static void
conn_wait(struct net *n, struct conn *c)
{
    COUNT(&n->sh->counters, recv_paused, 1);
    io_recv_stop(n->sh->io, &c->sock);
    c->flags |= CONN_STALLED; /* and in no list */
}

void
conn_unwait(struct net *n, struct conn *c)
{
    ASSERT((c->flags & CONN_STALLED) != 0);
    c->flags &= (uint32_t)~CONN_STALLED;
    c->flags |= CONN_BLOCKED;
    conn_list_push(n, &n->blocked, c);
    n->n_vain = 0;
}

static bool
conn_paused(const struct conn *c)
{
    return (c->flags & (CONN_BLOCKED | CONN_STALLED)) != 0;
}

/* What became of a run of bytes. */
enum conn_ran {
    RAN_ALL,   /* every whole operation handled; *used says up to where */
    RAN_PAUSED, /* blocked or stalled at *used */
    RAN_BUDGET, /* the turn's work is done; go on at *used next turn */
    RAN_CLOSED,
};

/* A planted bug (MUTATE_OVERTAKE; nobody calls it in the server): the PING behind the operation at p, first_len bytes long, that waits
 * for room changes places with it. False: what follows is no whole PING. */
static bool
conn_overtake(const struct conn *c, const uint8_t *p, uint32_t len, uint32_t first_len)
{
    struct nats_op op;
    struct nats_bad bad;
    uint8_t ping[16];

    if (first_len == len || nats_parse(p + first_len, len - first_len, &c->lim, &op, &bad) != NATS_OP || op.kind != NATS_PING ||
        op.n_bytes > sizeof(ping))
        return false;
    uint8_t *at = (uint8_t *)(uintptr_t)p; /* a receive buffer, or our own */
    memcpy(ping, at + first_len, op.n_bytes);
    memmove(at + op.n_bytes, at, first_len);
    memcpy(at, ping, op.n_bytes);
    return true;
}

/* Handle the operations in [p, p + len). */
static enum conn_ran
conn_run(struct net *n, struct conn *c, const uint8_t *p, uint32_t len, uint32_t *ret_used)
{
    struct nats_op op;
    struct nats_bad bad;
    uint32_t used = 0;
    enum conn_ran ran = RAN_ALL;

    while (used < len) {
        enum nats_verdict v = nats_parse(p + used, len - used, &c->lim, &op, &bad);
        if (v == NATS_MORE) {
            c->in_need = (uint32_t)min_u64(op.n_bytes, UINT32_MAX);
            c->in_exact = op.exact;
            if (UNLIKELY(op.exact && (c->flags & CONN_PEDANTIC) != 0)) {
                client_on_begun(n, c, &op);
                if (c->state != CONN_OPEN)
                    return RAN_CLOSED;
            }
            break;
        }
        if (UNLIKELY(v == NATS_BAD)) {
            client_on_bad(n, c, &op, &bad, p + used, len - used);
            return RAN_CLOSED;
        }
        enum client_result r = client_on_op(n, c, &op);
        if (UNLIKELY(r == CLIENT_CLOSE))
            return RAN_CLOSED;
        if (UNLIKELY(r == CLIENT_AGAIN)) {
            if (MUTANT(n->sh->set, MUTATE_OVERTAKE) && conn_overtake(c, p + used, len - used, (uint32_t)op.n_bytes))
                continue;
            conn_block(n, c);
            ran = RAN_PAUSED;
            break;
        }
        uint32_t at = used;
        used += (uint32_t)op.n_bytes;
        if (n->pub_plain && op.kind == NATS_PUB && (c->flags & CONN_STALL_WANTED) == 0) {
            used += client_run(n, c, &op, p + at, len - at);
            if (UNLIKELY(c->state != CONN_OPEN))
                return RAN_CLOSED;
        }
        if (UNLIKELY((c->flags & CONN_STALL_WANTED) != 0)) {
            c->flags &= (uint32_t)~CONN_STALL_WANTED;
            if (client_auth_waits(c)) {
                conn_wait(n, c);
                ran = RAN_PAUSED;
                break;
            }
            if (c->n_stalls < NET_STALLS_MAX) {
                conn_stall(n, c);
                ran = RAN_PAUSED;
                break;
            }
        }
        if (UNLIKELY(n->sh->work_left <= 0 && used < len)) {
            ran = RAN_BUDGET;
            break;
        }
    }
    *ret_used = used;
    return ran;
}

/* Handle what stands in `in`. */
static enum conn_ran
conn_run_in(struct net *n, struct conn *c)
{
    uint32_t used;

    /* Known to be incomplete; but the first byte behind a payload may be wrong already. */
    if (c->in_len - c->in_off + (c->in_exact ? 1 : 0) < c->in_need)
        return RAN_ALL;
    enum conn_ran ran = conn_run(n, c, c->in + c->in_off, c->in_len - c->in_off, &used);
    if (ran == RAN_CLOSED)
        return ran;
    c->in_off += used;
    if (ran != RAN_ALL || c->in_off == c->in_len) {
        c->in_need = 0;
        c->in_exact = false;
    }
    conn_in_drop(n, c);
    return ran;
}

/* How many of the len new bytes at p belong to the operation begun in `in`: up to its end where that is known, else up to the end of
 * the line. */
static uint32_t
conn_join_len(const struct conn *c, const uint8_t *p, uint32_t len)
{
    uint32_t have = c->in_len - c->in_off;

    if (c->in_exact)
        return (uint32_t)min_u64(c->in_need - have, len);
    const uint8_t *lf = memchr(p, '\n', len);
    return lf != NULL ? (uint32_t)(lf - p) + 1 : len;
}

/* End of stream: when everything it said before is handled, it is closed. */
static void
conn_on_eof(struct net *n, struct conn *c, enum err err)
{
    if (conn_paused(c)) {
        c->flags |= CONN_EOF;
        return;
    }
    conn_close(n, c, err == ERR_CLOSED ? NATS_CLOSED_CLIENT : NATS_CLOSED_READ_ERROR);
}

/* False: the budget ran out; *ev holds what is left. */
bool
conn_on_recv(struct net *n, struct conn *c, struct io_event *ev)
{
    if (c->state != CONN_OPEN)
        return true;
    if (ev->err != OK) {
        conn_on_eof(n, c, (enum err)ev->err);
        return true;
    }
    c->n_stalls = 0;
    if (UNLIKELY((c->flags & CONN_AUTH_DUE) != 0) && c->in == NULL && ev->len > 0 && !conn_paused(c) && !client_auth_gate(n, c, ev->data[0]))
        return true;
    while (ev->len > 0) {
        if (UNLIKELY(conn_paused(c))) {
            (void)conn_in_keep(n, c, ev->data, ev->len); /* without memory it closes c itself */
            return true;
        }
        uint32_t used = 0;
        enum conn_ran ran;
        if (UNLIKELY(c->in != NULL)) {
            used = conn_join_len(c, ev->data, ev->len);
            if (!conn_in_keep(n, c, ev->data, used))
                return true;
            ran = conn_run_in(n, c);
            if (ran == RAN_BUDGET) /* at most one operation stands there: nothing is left of it */
                ran = RAN_ALL;
        } else {
            ran = conn_run(n, c, ev->data, ev->len, &used);
            if (ran == RAN_ALL && used < ev->len) {
                (void)conn_in_keep(n, c, ev->data + used, ev->len - used); /* as above */
                return true;
            }
        }
        if (ran == RAN_CLOSED)
            return true;
        ev->data += used;
        ev->len -= used;
        if (n->sh->work_left <= 0 && ev->len > 0 && !conn_paused(c))
            return false;
    }
    return true;
}

/* ---- going on ---- */

/* Handle what a paused connection kept; true when it reads from its socket again (or closes). */
static bool
conn_resume(struct net *n, struct conn *c)
{
    if (c->in != NULL) {
        enum conn_ran ran = conn_run_in(n, c);
        if (ran == RAN_PAUSED)
            return false;
        if (ran == RAN_CLOSED)
            return true;
        if (ran == RAN_BUDGET) {
            c->flags |= CONN_BLOCKED;
            conn_list_push(n, &n->blocked, c);
            n->n_vain = 0;
            return false;
        }
    }
    if ((c->flags & CONN_EOF) != 0)
        conn_close(n, c, NATS_CLOSED_CLIENT);
    else
        io_recv_start(n->sh->io, &c->sock);
    return true;
}

void
conn_resume_all(struct net *n)
{
    if (broker_room_made(&n->broker))
        n->n_vain = 0;
    for (uint32_t i = 0; n->n_vain < n->blocked.n && i < NET_BLOCKED_MAX; i++) {
        struct conn *c = conn_list_pop(n, &n->blocked);
        c->flags &= (uint32_t)~CONN_BLOCKED;
        if (c->state == CONN_OPEN)
            (void)conn_resume(n, c); /* paused again: it is back in a list */
        if (n->sh->work_left <= 0)
            break;
    }
    while (n->stalled.head != 0 && net_conn(n, n->stalled.head)->stall_until_ns <= n->sh->now) {
        struct conn *c = conn_list_pop(n, &n->stalled);
        c->flags &= (uint32_t)~CONN_STALLED;
        if (c->state == CONN_OPEN)
            (void)conn_resume(n, c);
    }
    /* Whose turn did not come will not be woken: the wish for room was granted already, or it was the budget that stopped it (some that
     * paused are among them since the last loop). */
    if (n->n_vain < n->blocked.n)
        n->again = true;
    if (n->stalled.head != 0 && !timer_armed(&n->stall_timer))
        timer_arm(&n->sh->timers, &n->stall_timer, net_conn(n, n->stalled.head)->stall_until_ns);
}

/* ---- closing ---- */

static bool
conn_has_last_words(enum nats_closed why)
{
    return why != NATS_CLOSED_READ_ERROR && why != NATS_CLOSED_WRITE_ERROR && why != NATS_CLOSED_SLOW_PENDING &&
           why != NATS_CLOSED_SLOW_DEADLINE && why != NATS_CLOSED_TLS_HANDSHAKE;
}

void
conn_close_err(struct net *n, struct conn *c, enum nats_err err, enum nats_closed why)
{
    size_t len;
    const char *line = nats_err_line(err, &len);

    trace_out(c, line, (uint32_t)len);
    (void)broker_write(&n->broker, &c->ep, line, (uint32_t)len); /* it is closing either way */
    conn_close(n, c, why);
}

void
conn_close(struct net *n, struct conn *c, enum nats_closed why)
{
    struct shard *sh = n->sh;

    if (c->state == CONN_CLOSING || c->state == CONN_FREE)
        return;
    if ((c->flags & CONN_BLOCKED) != 0)
        n->n_vain = 0; /* so that it leaves the list soon */
    if (c->state == CONN_OPEN) {
        c->closed = (uint8_t)why;
        c->ep.flags |= EP_DEAD; /* nothing is delivered to it from here on */
        timer_disarm(&sh->timers, &c->ping_timer);
        client_auth_close(n, c);
        if (conn_has_last_words(why) && c->ep.out.n_bytes > 0) {
            c->state = CONN_LAST_WORDS;
            io_recv_stop(sh->io, &c->sock);
            broker_mark_dirty(&n->broker, &c->ep);
            return;
        }
    }
    c->state = CONN_CLOSING;
    if (log_debug_on) {
        char name[CONN_NAME_MAX];
        log_dbg("%s - Client connection closed: %s", conn_name(c, name, sizeof(name)), nats_closed_text((enum nats_closed)c->closed));
    }
    timer_disarm(&sh->timers, &c->write_timer);
    closed_note(n, c);
    COUNT(&sh->counters, conns_closed, 1);
    c->next_closing = n->closing_head; /* at the head: conn_close_socks finds the new ones there */
    n->closing_head = c->ep.slot;
}

void
conn_close_socks(struct net *n)
{
    for (uint32_t slot = n->closing_head; slot != 0;) {
        struct conn *c = net_conn(n, slot);
        if ((c->flags & CONN_IO_CLOSED) != 0)
            return;
        c->flags |= CONN_IO_CLOSED;
        io_close(n->sh->io, &c->sock);
        slot = c->next_closing;
    }
}

void
conn_on_closed(struct net *n, struct conn *c)
{
    ASSERT(c->state == CONN_CLOSING);
    outq_fini(&c->ep.out, n->sh->bufs);
    c->in_off = c->in_len; /* not before: conn_close may be called while an operation in it is being handled */
    conn_in_drop(n, c);
    c->flags |= CONN_IO_DONE;
    n->n_socks--;
}

static void
conn_free(struct net *n, struct conn *c)
{
    ASSERT(c->in == NULL && c->ep.out.head == NULL && c->ep.n_subs == 0);
    if (UNLIKELY(n->reload.slot == c->ep.slot))
        n->reload.slot = c->next;
    if (c->prev != 0)
        net_conn(n, c->prev)->next = c->next;
    else
        n->all_head = c->next;
    if (c->next != 0)
        net_conn(n, c->next)->prev = c->prev;
    n->n_conns--;
    if (UNLIKELY(n->ldm.state != NET_LDM_OFF))
        net_ldm_on_free(n, c);
    if (c->opts != NULL) {
        nats_connect_fini(c->opts);
        free(c->opts);
    }
    client_auth_free(c);
    conn_count_closed(n->sh);
    slab_give(&n->conns, c->ep.slot);
}

void
conn_reap_all(struct net *n)
{
    uint32_t *link = &n->closing_head;

    for (uint32_t i = 0; *link != 0 && i < NET_CLOSE_MAX; i++) {
        struct conn *c = net_conn(n, *link);
        if ((c->flags & CONN_SUBS_GONE) == 0 && broker_forget(&n->broker, &c->ep))
            c->flags |= CONN_SUBS_GONE;
        bool listed = conn_paused(c) || (c->ep.flags & EP_DIRTY) != 0;
        if ((c->flags & CONN_SUBS_GONE) != 0 && (c->flags & CONN_IO_DONE) != 0 && !listed) {
            *link = c->next_closing;
            conn_free(n, c);
        } else {
            link = &c->next_closing;
        }
    }
    /* What is left waits for its socket (an event comes), or for more turns, which nothing else may bring. */
    if (n->closing_head != 0 && !timer_armed(&n->turn_timer))
        timer_arm(&n->sh->timers, &n->turn_timer, n->sh->now + NS_PER_MS);
}
