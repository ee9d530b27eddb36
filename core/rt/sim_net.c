/* The network of the simulated world: connections, listeners, peers.
 *
 * A connection is two pipes. What is written gets a time of arrival, never before what was written earlier; the receiver sees what
 * has arrived, while the link between the two hosts holds. A reset destroys what has not been received. */
#include <stdlib.h>
#include <string.h>

#include "core/rt/sim_priv.h"

/* ---- pipes ---- */

static bool
sim_conn_linked(const struct sim_conn *c)
{
    return sim_linked(c->sim, c->end[0].host, c->end[1].host);
}

/* The next time of arrival on this pipe. */
static int64_t
sim_pipe_due(struct sim *sim, const struct sim_pipe *p)
{
    int64_t due = sim_due(sim, sim->cfg.delay_ns_max);
    return due > p->last_due_ns ? due : p->last_due_ns;
}

static uint64_t
sim_pipe_marked(const struct sim_pipe *p)
{
    return p->mark_head == p->mark_tail ? p->head : p->marks[(p->mark_tail - 1) % SIM_MARKS_MAX].end;
}

void
sim_conn_reset(struct sim_conn *c)
{
    if (c->reset)
        return;
    c->reset = true;
    c->reset_due_ns = sim_due(c->sim, c->sim->cfg.delay_ns_max);
}

void
sim_conn_push(struct sim_conn *c, uint8_t side)
{
    struct sim_pipe *p = &c->pipe[1 - side];

    if (p->tail == sim_pipe_marked(p))
        return;
    if (c->end[1 - side].closed)
        sim_conn_reset(c); /* nobody will read it */
    p->last_due_ns = sim_pipe_due(c->sim, p);
    if (p->mark_tail - p->mark_head == SIM_MARKS_MAX)
        p->mark_tail--; /* the last one stretches: what it covers comes later, which is allowed */
    p->marks[p->mark_tail++ % SIM_MARKS_MAX] = (struct sim_mark){.end = p->tail, .due_ns = p->last_due_ns};
}

static uint64_t
sim_pipe_arrived(const struct sim_pipe *p, int64_t now_ns)
{
    uint64_t end = p->head;

    for (uint32_t i = p->mark_head; i != p->mark_tail && p->marks[i % SIM_MARKS_MAX].due_ns <= now_ns; i++)
        end = p->marks[i % SIM_MARKS_MAX].end;
    return end - p->head;
}

static bool
sim_conn_is_reset(const struct sim_conn *c)
{
    return c->reset && c->reset_due_ns <= c->sim->now_ns && sim_conn_linked(c);
}

uint32_t
sim_conn_readable(struct sim_conn *c, uint8_t side, bool *ret_over, enum err *ret_err)
{
    struct sim_pipe *p = &c->pipe[side];

    *ret_over = false;
    if (sim_conn_is_reset(c)) {
        *ret_over = true;
        *ret_err = ERR_RESET;
        return 0;
    }
    if (!sim_conn_linked(c))
        return 0;
    uint32_t len = (uint32_t)sim_pipe_arrived(p, c->sim->now_ns);
    if (p->fin && p->head + len == p->tail && p->last_due_ns <= c->sim->now_ns) {
        *ret_over = true;
        *ret_err = ERR_CLOSED;
    }
    return len;
}

void
sim_conn_read(struct sim_conn *c, uint8_t side, void *to, uint32_t len)
{
    struct sim_pipe *p = &c->pipe[side];
    uint32_t cap = c->sim->cfg.window_bytes, at = (uint32_t)p->head & (cap - 1);
    uint32_t first = (uint32_t)min_u64(len, cap - at);

    ASSERT(len <= sim_pipe_arrived(p, c->sim->now_ns));
    if (len == 0)
        return;
    memcpy(to, p->ring + at, first);
    memcpy((uint8_t *)to + first, p->ring, len - first);
    p->head += len;
    while (p->mark_head != p->mark_tail && p->marks[p->mark_head % SIM_MARKS_MAX].end <= p->head)
        p->mark_head++;
}

uint32_t
sim_conn_room(struct sim_conn *c, uint8_t side, bool *ret_broken)
{
    struct sim_pipe *p = &c->pipe[1 - side];

    *ret_broken = sim_conn_is_reset(c);
    return *ret_broken ? 0 : c->sim->cfg.window_bytes - (uint32_t)(p->tail - p->head);
}

void
sim_conn_write(struct sim_conn *c, uint8_t side, const void *bytes, uint32_t len)
{
    struct sim_pipe *p = &c->pipe[1 - side];
    uint32_t cap = c->sim->cfg.window_bytes, at = (uint32_t)p->tail & (cap - 1);
    uint32_t first = (uint32_t)min_u64(len, cap - at);

    ASSERT(p->tail - p->head + len <= cap && !p->fin);
    if (p->ring == NULL)
        p->ring = sim_alloc(cap);
    memcpy(p->ring + at, bytes, first);
    memcpy(p->ring, (const uint8_t *)bytes + first, len - first);
    p->tail += len;
}

/* ---- connections ---- */

struct sim_conn *
sim_conn_new(struct sim *sim, uint32_t host_a, uint32_t host_b)
{
    struct sim_conn *c = sim_alloc(sizeof(*c));

    c->sim = sim;
    c->end[0].host = host_a;
    c->end[1].host = host_b;
    list_push_back(&sim->conns, &c->node);
    return c;
}

void
sim_conn_free(struct sim_conn *c)
{
    list_remove(&c->node);
    free(c->pipe[0].ring);
    free(c->pipe[1].ring);
    free(c);
}

void
sim_conn_close(struct sim_conn *c, uint8_t side)
{
    struct sim_pipe *in = &c->pipe[side], *out = &c->pipe[1 - side];

    ASSERT(!c->end[side].closed);
    c->end[side].closed = true;
    c->end[side].sock = NULL;
    c->end[side].peer = NULL;
    if (c->end[1 - side].closed) {
        sim_conn_free(c);
        return;
    }
    if (c->reset)
        return;
    sim_conn_push(c, side);
    out->last_due_ns = sim_pipe_due(c->sim, out);
    out->fin = true;
    /* Bytes that nobody will read: the other side learns it by a reset, as with TCP, after our bytes. */
    if (in->tail != in->head) {
        c->reset = true;
        c->reset_due_ns = out->last_due_ns + 1;
    }
}

int64_t
sim_conn_next(struct sim_conn *c, uint8_t side)
{
    int64_t now = c->sim->now_ns, next = INT64_MAX;
    const struct sim_pipe *p = &c->pipe[side];

    if (!sim_conn_linked(c))
        return next;
    if (c->reset && c->reset_due_ns > now)
        next = c->reset_due_ns;
    for (uint32_t i = p->mark_head; i != p->mark_tail; i++) {
        int64_t due = p->marks[i % SIM_MARKS_MAX].due_ns;
        if (due > now) {
            next = min_i64(next, due);
            break;
        }
    }
    if (p->fin && p->last_due_ns > now)
        next = min_i64(next, p->last_due_ns);
    return next;
}

/* ---- listeners ---- */

static struct sim_listener *
sim_listener_find(struct sim *sim, uint32_t host, uint16_t port)
{
    for (struct list *l = sim->listeners.next; l != &sim->listeners; l = l->next) {
        struct sim_listener *li = CONTAINER_OF(l, struct sim_listener, node);
        if (li->host == host && li->port == port)
            return li;
    }
    return NULL;
}

struct sim_listener *
sim_listener_new(struct sim *sim, uint32_t host, uint16_t port)
{
    if (port != 0 && sim_listener_find(sim, host, port) != NULL)
        return NULL;
    while (port == 0) {
        if (sim_listener_find(sim, host, sim->port_next) == NULL)
            port = sim->port_next;
        sim->port_next = sim->port_next == UINT16_MAX ? SIM_PORT_FIRST : (uint16_t)(sim->port_next + 1);
    }
    struct sim_listener *l = sim_alloc(sizeof(*l));
    l->host = host;
    l->port = port;
    l->last = &l->first;
    list_push_back(&sim->listeners, &l->node);
    return l;
}

static struct sim_conn *
sim_listener_pop(struct sim_listener *l)
{
    struct sim_arrival *a = l->first;
    struct sim_conn *c = a->conn;

    l->first = a->next;
    if (l->first == NULL)
        l->last = &l->first;
    l->n_arrivals--;
    free(a);
    return c;
}

void
sim_listener_free(struct sim_listener *l)
{
    while (l->first != NULL) {
        struct sim_conn *c = sim_listener_pop(l);
        sim_conn_reset(c);
        sim_conn_close(c, 1);
    }
    list_remove(&l->node);
    free(l);
}

struct sim_conn *
sim_listener_take(struct sim *sim, struct sim_listener *l)
{
    return l->first != NULL && l->first->due_ns <= sim->now_ns ? sim_listener_pop(l) : NULL;
}

int64_t
sim_listener_next(const struct sim_listener *l)
{
    return l->first == NULL ? INT64_MAX : l->first->due_ns;
}

/* ---- dialling ---- */

void
sim_dial_start(struct sim *sim, struct sim_dial *d, uint32_t from, uint32_t to, uint16_t port)
{
    *d = (struct sim_dial){.from = from, .to = to, .port = port};
    d->due_ns = sim_due(sim, sim->cfg.delay_ns_max);
    d->timeout_ns = sim->now_ns + sim->cfg.connect_timeout_ns;
}

enum err
sim_dial_try(struct sim *sim, const struct sim_dial *d, struct sim_conn **ret_conn)
{
    if (d->due_ns > sim->now_ns)
        return ERR_PENDING;
    if (!sim_linked(sim, d->from, d->to))
        return d->timeout_ns <= sim->now_ns ? ERR_TIMEOUT : ERR_PENDING;
    struct sim_listener *l = sim_listener_find(sim, d->to, d->port);
    if (l == NULL || l->n_arrivals == SIM_BACKLOG_MAX || sim_chance(sim, sim->cfg.refuse_ppm))
        return ERR_REFUSED;
    struct sim_arrival *a = sim_alloc(sizeof(*a));
    a->conn = sim_conn_new(sim, d->from, d->to);
    a->due_ns = sim_due(sim, sim->cfg.delay_ns_max);
    *l->last = a;
    l->last = &a->next;
    l->n_arrivals++;
    *ret_conn = a->conn;
    return OK;
}

int64_t
sim_dial_next(struct sim *sim, const struct sim_dial *d)
{
    return d->due_ns > sim->now_ns || sim_linked(sim, d->from, d->to) ? d->due_ns : d->timeout_ns;
}

/* ---- peers ---- */

struct sim_peer *
sim_peer_connect(struct sim *sim, uint32_t host, uint16_t port)
{
    struct sim_peer *p = sim_alloc(sizeof(*p));

    p->sim = sim;
    sim_dial_start(sim, &p->dial, SIM_HOST_OUTSIDE, host, port);
    list_push_back(&sim->peers, &p->node);
    return p;
}

/* The connect has come through, or not, by now. */
static void
sim_peer_look(struct sim_peer *p)
{
    if (p->conn != NULL || p->over)
        return;
    enum err e = sim_dial_try(p->sim, &p->dial, &p->conn);
    if (e == OK)
        p->conn->end[0].peer = p;
    else
        p->over = e != ERR_PENDING;
}

enum sim_peer_state
sim_peer_state(struct sim_peer *p)
{
    bool over;
    enum err e = OK;

    sim_peer_look(p);
    if (p->closed)
        return SIM_PEER_RESET;
    if (p->conn == NULL)
        return p->over ? SIM_PEER_REFUSED : SIM_PEER_CONNECTING;
    uint32_t len = sim_conn_readable(p->conn, 0, &over, &e);
    if (!over || len > 0)
        return SIM_PEER_OPEN;
    return e == ERR_CLOSED ? SIM_PEER_EOF : SIM_PEER_RESET;
}

size_t
sim_peer_send(struct sim_peer *p, const void *bytes, size_t len)
{
    bool broken;

    sim_peer_look(p);
    if (p->conn == NULL)
        return 0;
    uint32_t n = (uint32_t)min_u64(len, sim_conn_room(p->conn, 0, &broken));
    if (n > 0) {
        sim_conn_write(p->conn, 0, bytes, n);
        sim_conn_push(p->conn, 0);
    }
    return n;
}

size_t
sim_peer_recv(struct sim_peer *p, void *to, size_t cap)
{
    bool over;
    enum err e = OK;

    sim_peer_look(p);
    if (p->conn == NULL)
        return 0;
    uint32_t n = (uint32_t)min_u64(cap, sim_conn_readable(p->conn, 0, &over, &e));
    sim_conn_read(p->conn, 0, to, n);
    return n;
}

bool
sim_peer_readable(struct sim_peer *p)
{
    bool over = false;
    enum err e = OK;

    sim_peer_look(p);
    if (p->conn == NULL)
        return p->over || p->closed;
    return sim_conn_readable(p->conn, 0, &over, &e) > 0 || over;
}

void
sim_peer_close(struct sim_peer *p)
{
    sim_peer_look(p);
    if (p->conn != NULL)
        sim_conn_close(p->conn, 0);
    p->conn = NULL;
    p->closed = true;
}

void
sim_peer_reset(struct sim_peer *p)
{
    sim_peer_look(p);
    if (p->conn != NULL)
        sim_conn_reset(p->conn);
    sim_peer_close(p);
}

void
sim_peer_free(struct sim_peer *p)
{
    if (p == NULL)
        return;
    sim_peer_reset(p);
    list_remove(&p->node);
    free(p);
}

int64_t
sim_net_next(struct sim *sim)
{
    int64_t next = INT64_MAX;

    for (struct list *l = sim->peers.next; l != &sim->peers; l = l->next) {
        struct sim_peer *p = CONTAINER_OF(l, struct sim_peer, node);
        int64_t t = INT64_MAX;
        if (p->conn != NULL)
            t = sim_conn_next(p->conn, 0);
        else if (!p->over && !p->closed)
            t = sim_dial_next(sim, &p->dial);
        if (t > sim->now_ns)
            next = min_i64(next, t);
    }
    return next;
}
