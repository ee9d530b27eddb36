/* The simulated backend: what a shard sees of the world in sim.h.
 *
 * Like a ring of the kernel it submits late: sends that were not done in the call, connects, file requests and wake-ups leave with
 * the next io_wait or io_flush, some time after which they complete. Like a kernel it may do any of that at once, too. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/poison.h"
#include "core/rt/sim_priv.h"

enum {
    SIO_RECV_BYTES = 1024 * 1024,
    SIO_BUF_STEP = IO_RECV_BUF_LEN + IO_RECV_SLACK,
};

static struct sim_io *
sio_of(struct io *io)
{
    return CONTAINER_OF(io, struct sim_io, io);
}

static struct sim_sock *
sio_sock(struct io_sock *s)
{
    return s->tx;
}

/* ---- clocks and dice ---- */

static int64_t
sio_now(struct io *io)
{
    return sim_now(sio_of(io)->sim);
}

static int64_t
sio_wall(struct io *io)
{
    return sio_of(io)->sim->wall_base_ns + sim_now(sio_of(io)->sim);
}

static uint64_t
sio_random(struct io *io)
{
    return rng_next(&sio_of(io)->sim->rng);
}

/* ---- receive buffers ---- */

static void
sio_buf_give(struct io *io, uint32_t buf)
{
    struct sim_io *o = sio_of(io);

    ASSERT(buf < o->n_bufs && o->taken[buf]);
    o->taken[buf] = false;
    poison_set(o->area + (size_t)buf * SIO_BUF_STEP, SIO_BUF_STEP);
    o->spare[o->n_spare++] = buf;
}

static uint8_t *
sio_buf_take(struct sim_io *o, uint32_t len, uint32_t *ret_buf)
{
    uint32_t buf = o->spare[--o->n_spare];
    uint8_t *p = o->area + (size_t)buf * SIO_BUF_STEP;

    ASSERT(!o->taken[buf]);
    o->taken[buf] = true;
    poison_clear(p, (size_t)len + IO_RECV_SLACK);
    memset(p + len, 0x0a, IO_RECV_SLACK); /* who parses on behind the end finds line ends there */
    *ret_buf = buf;
    return p;
}

/* ---- sockets ---- */

static struct sim_sock *
sio_sock_new(struct sim_io *o, struct io_sock *s)
{
    struct sim_sock *x = sim_alloc(sizeof(*x));

    x->io = o;
    x->s = s;
    s->tx = x;
    list_push_back(&o->socks, &x->node);
    return x;
}

static void
sio_sock_adopt(struct sim_sock *x, struct sim_conn *c, uint8_t side)
{
    x->conn = c;
    x->side = side;
    c->end[side].sock = x;
}

static void
sio_sock_init(struct io *io, struct io_sock *s)
{
    struct sim_io *o = sio_of(io);
    struct sim_fd *f = sim_fd_find(o->sim, s->fd, SIM_FD_CONN);

    ASSERT(f != NULL && f->host == o->host);
    struct sim_conn *c = f->ptr;
    ASSERT(c->end[f->side].sock == NULL && !c->end[f->side].closed);
    sio_sock_adopt(sio_sock_new(o, s), c, f->side);
}

static void
sio_fd_drop(struct io *io, int fd)
{
    ASSERT(sim_fd_find(sio_of(io)->sim, fd, SIM_FD_CONN) != NULL);
    sim_fd_free(sio_of(io)->sim, fd);
}

/* Host and port of an address: 10.0.0.H is host H, everything else the host itself. */
static void
sio_addr(const struct sim_io *o, const struct sockaddr *addr, socklen_t len, uint32_t *ret_host, uint16_t *ret_port)
{
    *ret_host = o->host;
    *ret_port = 0;
    if (addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in a;
        memcpy(&a, addr, sizeof(a));
        uint32_t ip = ntohl(a.sin_addr.s_addr);
        if (ip >> 8 == 0x0a0000 && (ip & 0xff) < SIM_HOSTS_MAX)
            *ret_host = ip & 0xff;
        *ret_port = ntohs(a.sin_port);
    } else if (addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 a;
        memcpy(&a, addr, sizeof(a));
        *ret_port = ntohs(a.sin6_port);
    }
}

static enum err
sio_listen(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, int backlog, uint32_t retry_ms,
           uint16_t *ret_port)
{
    struct sim_io *o = sio_of(io);
    uint32_t host;
    uint16_t port;
    (void)backlog;  /* SIM_BACKLOG_MAX */
    (void)retry_ms; /* a port is free at once here */

    sio_addr(o, addr, addr_len, &host, &port);
    struct sim_listener *l = sim_listener_new(o->sim, o->host, port);
    if (l == NULL)
        return ERR_ADDRINUSE;
    s->fd = sim_fd_new(o->sim, SIM_FD_LISTENER, l, 0, o->host);
    sio_sock_new(o, s)->listener = l;
    if (ret_port != NULL)
        *ret_port = l->port;
    return OK;
}

static enum err
sio_connect(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len)
{
    struct sim_io *o = sio_of(io);
    uint32_t host;
    uint16_t port;

    sio_addr(o, addr, addr_len, &host, &port);
    struct sim_sock *x = sio_sock_new(o, s);
    x->dialing = true;
    sim_dial_start(o->sim, &x->dial, o->host, host, port);
    return OK;
}

static void
sio_start(struct io *io, struct io_sock *s)
{
    struct sim_sock *x = sio_sock(s);
    (void)io;

    ASSERT(!x->dialing);
    if (!x->closing && !x->done)
        x->wanted = true;
}

static void
sio_stop(struct io *io, struct io_sock *s)
{
    (void)io;
    sio_sock(s)->wanted = false;
}

/* ---- sending ---- */

static uint64_t
sio_iov_len(const struct iovec *iov, uint32_t n_iov)
{
    uint64_t len = 0;
    for (uint32_t i = 0; i < n_iov; i++)
        len += iov[i].iov_len;
    return len;
}

/* Put the first bytes of iov on their way: all, or what there is room for, or fewer. */
static uint32_t
sio_write(struct sim_sock *x, const struct iovec *iov, uint32_t n_iov, uint32_t room)
{
    struct sim *sim = x->io->sim;
    uint32_t left = (uint32_t)min_u64(sio_iov_len(iov, n_iov), room), len;

    if (left > 1 && sim_pct(sim, sim->cfg.short_pct))
        left = 1 + (uint32_t)rng_below(&sim->rng, left);
    len = left;
    for (uint32_t i = 0; left > 0; i++) {
        uint32_t n = (uint32_t)min_u64(iov[i].iov_len, left);
        if (n > 0)
            sim_conn_write(x->conn, x->side, iov[i].iov_base, n);
        left -= n;
    }
    sim_conn_push(x->conn, x->side);
    return len;
}

static enum err
sio_send(struct io *io, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, size_t *ret_sent)
{
    struct sim_sock *x = sio_sock(s);
    struct sim *sim = x->io->sim;
    bool broken;

    ASSERT(!x->sending && !x->closing && !x->dialing);
    if (x->conn == NULL)
        return ERR_RESET; /* a connect that failed */
    IO_STAT_ADD(io, n_send, 1);
    if (sim_chance(sim, sim->cfg.reset_ppm)) {
        sim_conn_reset(x->conn);
        return ERR_RESET;
    }
    uint32_t room = sim_conn_room(x->conn, x->side, &broken);
    if (broken)
        return ERR_RESET;
    if (room > 0 && !sim_pct(sim, sim->cfg.later_pct)) {
        *ret_sent = sio_write(x, iov, n_iov, room);
        return OK;
    }
    x->n_iov = n_iov;
    if (sim_pct(sim, 30)) /* the first pieces only, but some bytes */
        while (x->n_iov > 1 && sio_iov_len(iov, x->n_iov - 1) > 0)
            x->n_iov--;
    memcpy(x->iov, iov, x->n_iov * sizeof(*iov));
    x->sending = true;
    x->submitted = false;
    return ERR_PENDING;
}

/* ---- closing ---- */

static void
sio_close(struct io *io, struct io_sock *s)
{
    struct sim_sock *x = sio_sock(s);
    struct sim_io *o = sio_of(io);
    bool broken;

    if (x->closing)
        return;
    x->closing = true;
    x->closed_due_ns = sim_due(o->sim, o->sim->cfg.delay_ns_max);
    if (x->sending && x->submitted && x->conn != NULL && sim_pct(o->sim, 50)) {
        uint32_t room = sim_conn_room(x->conn, x->side, &broken);
        if (room > 0)
            x->n_sent = sio_write(x, x->iov, x->n_iov, room);
    }
    x->conn = NULL;
    x->listener = NULL;
    if (s->fd >= 0)
        sim_fd_free(o->sim, s->fd);
    s->fd = -1;
}

static uint32_t
sio_take_closed(struct sim_sock *x, struct io_event *ev)
{
    *ev = (struct io_event){.owner = x->s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_CLOSED};
    if (x->sending || x->dialing) {
        ev->kind = x->sending ? IO_EV_SEND : IO_EV_CONNECT;
        ev->len = x->n_sent;
        if (x->n_sent == 0) {
            ev->err = ERR_CANCELED;
            ev->raw = ECANCELED;
        }
        x->sending = x->dialing = false;
        return 1;
    }
    if (x->closed_due_ns > x->io->sim->now_ns)
        return 0;
    x->s->tx = NULL;
    list_remove(&x->node);
    free(x);
    return 1;
}

/* ---- taking ---- */

static uint32_t
sio_take_dial(struct sim_sock *x, struct io_event *ev)
{
    struct sim_conn *c = NULL;
    enum err e = sim_dial_try(x->io->sim, &x->dial, &c);

    if (e == ERR_PENDING)
        return 0;
    x->dialing = false;
    if (e == OK) {
        x->s->fd = sim_fd_new(x->io->sim, SIM_FD_CONN, c, 0, x->io->host);
        sio_sock_adopt(x, c, 0);
    }
    *ev = (struct io_event){.owner = x->s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_CONNECT, .err = (uint8_t)e};
    ev->raw = e == OK ? 0 : e == ERR_TIMEOUT ? ETIMEDOUT : ECONNREFUSED;
    return 1;
}

static uint32_t
sio_take_sent(struct sim_sock *x, struct io_event *ev)
{
    bool broken;

    if (!x->submitted || x->send_due_ns > x->io->sim->now_ns)
        return 0;
    uint32_t room = sim_conn_room(x->conn, x->side, &broken);
    if (room == 0 && !broken)
        return 0;
    *ev = (struct io_event){.owner = x->s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_SEND};
    if (broken) {
        ev->err = ERR_RESET;
        ev->raw = ECONNRESET;
    } else {
        ev->len = sio_write(x, x->iov, x->n_iov, room);
    }
    x->sending = false;
    return 1;
}

static uint32_t
sio_take_accept(struct sim_sock *x, struct io_event *ev)
{
    struct sim *sim = x->io->sim;
    int64_t due = sim_listener_next(x->listener);

    if (due > sim->now_ns || x->paused_until_ns > sim->now_ns)
        return 0;
    *ev = (struct io_event){.owner = x->s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_ACCEPT};
    if (sim_chance(sim, sim->cfg.accept_fail_ppm)) {
        IO_STAT_ADD(&x->io->io, n_accept_fail, 1);
        x->paused_until_ns = sim->now_ns + SIM_ACCEPT_PAUSE_MS * NS_PER_MS;
        ev->res = -1;
        ev->err = ERR_NOFILE;
        ev->raw = EMFILE;
        return 1;
    }
    IO_STAT_ADD(&x->io->io, n_accept, 1);
    ev->res = sim_fd_new(sim, SIM_FD_CONN, sim_listener_take(sim, x->listener), 1, x->io->host);
    return 1;
}

static uint32_t
sio_take_recv(struct sim_sock *x, struct io_event *ev)
{
    struct sim_io *o = x->io;
    enum err e = OK;
    bool over;
    uint32_t len = sim_conn_readable(x->conn, x->side, &over, &e);

    if (len == 0 && !over)
        return 0;
    *ev = (struct io_event){.owner = x->s->owner, .buf = IO_BUF_NONE, .kind = IO_EV_RECV};
    if (len == 0) {
        ev->err = (uint8_t)e;
        ev->raw = e == ERR_RESET ? ECONNRESET : 0;
        x->done = true;
        x->wanted = false;
        return 1;
    }
    if (o->n_spare == 0) {
        if (!x->starved)
            IO_STAT_ADD(&o->io, n_starved, 1);
        x->starved = true;
        return 0;
    }
    x->starved = false;
    len = (uint32_t)min_u64(len, IO_RECV_BUF_LEN);
    if (len > 1 && sim_pct(o->sim, o->sim->cfg.short_pct))
        len = 1 + (uint32_t)rng_below(&o->sim->rng, len);
    uint8_t *to = sio_buf_take(o, len, &ev->buf);
    sim_conn_read(x->conn, x->side, to, len);
    ev->data = to;
    ev->len = len;
    IO_STAT_ADD(&o->io, n_recv, 1);
    return 1;
}

/* What one socket has to tell, a few events at most. x may be gone afterwards. */
static uint32_t
sio_take_sock(struct sim_sock *x, struct io_event *evs, uint32_t max)
{
    uint32_t n = 0;

    if (x->closing) {
        bool more = x->sending || x->dialing;
        n += sio_take_closed(x, evs);
        return more && n < max ? n + sio_take_closed(x, evs + n) : n;
    }
    if (x->dialing)
        return sio_take_dial(x, evs);
    if (x->sending)
        n += sio_take_sent(x, evs);
    for (uint32_t i = 0; i < SIM_PIECES_MAX && x->wanted && n < max; i++) {
        uint32_t more = x->listener != NULL ? sio_take_accept(x, evs + n) : x->conn != NULL ? sio_take_recv(x, evs + n) : 0;
        if (more == 0)
            break;
        n += more;
    }
    return n;
}

static uint32_t
sio_take_files(struct sim_io *o, struct io_event *evs, uint32_t max)
{
    uint32_t n = 0;

    for (struct list *l = o->reqs.next, *next; l != &o->reqs && n < max; l = next) {
        struct sim_req *q = CONTAINER_OF(l, struct sim_req, node);
        next = l->next;
        if (q->due_ns > o->sim->now_ns)
            continue;
        int64_t res = sim_disk_run(o->sim, o->host, q);
        evs[n++] = (struct io_event){.owner = q->r->owner,
                                     .buf = IO_BUF_NONE,
                                     .res = res < 0 ? -1 : res,
                                     .raw = res < 0 ? (int32_t)-res : 0,
                                     .kind = IO_EV_FILE,
                                     .err = (uint8_t)(res < 0 ? err_from_errno((int)-res) : OK)};
        list_remove(&q->node);
        free(q);
    }
    return n;
}

static uint32_t
sio_take(struct io *io, struct io_event *evs, uint32_t max)
{
    struct sim_io *o = sio_of(io);
    uint32_t n = sio_take_files(o, evs, max);

    /* Who comes first is chance: the list is turned a little. */
    for (uint64_t k = rng_below(&o->sim->rng, 4); k > 0 && !list_empty(&o->socks); k--) {
        struct list *first = o->socks.next;
        list_remove(first);
        list_push_back(&o->socks, first);
    }
    for (struct list *l = o->socks.next, *next; l != &o->socks && n < max; l = next) {
        next = l->next;
        n += sio_take_sock(CONTAINER_OF(l, struct sim_sock, node), evs + n, max - n);
    }
    return n;
}

/* ---- waiting ---- */

/* When a socket has something to tell: <= now if it has, INT64_MAX if time alone will not bring it. */
static int64_t
sio_sock_next(struct sim_sock *x)
{
    struct sim *sim = x->io->sim;
    int64_t next = INT64_MAX;
    bool over;
    enum err e = OK;

    if (x->closing)
        return x->sending || x->dialing ? sim->now_ns : x->closed_due_ns;
    if (x->dialing)
        return sim_dial_next(sim, &x->dial);
    if (x->sending && x->submitted) {
        if (x->send_due_ns > sim->now_ns)
            next = x->send_due_ns;
        else if (sim_conn_room(x->conn, x->side, &over) > 0 || over)
            return sim->now_ns;
    }
    if (!x->wanted)
        return next;
    if (x->listener != NULL) {
        int64_t due = sim_listener_next(x->listener);
        return min_i64(next, due > x->paused_until_ns ? due : x->paused_until_ns);
    }
    if (x->conn == NULL)
        return next;
    uint32_t len = sim_conn_readable(x->conn, x->side, &over, &e);
    if (len > 0 ? x->io->n_spare > 0 : over)
        return sim->now_ns;
    return min_i64(next, sim_conn_next(x->conn, x->side));
}

static int64_t
sio_next(struct sim_io *o, int64_t after_ns)
{
    int64_t next = INT64_MAX;

    if (o->dead)
        return INT64_MAX;
    for (struct list *l = o->socks.next; l != &o->socks; l = l->next) {
        int64_t t = sio_sock_next(CONTAINER_OF(l, struct sim_sock, node));
        if (t > after_ns)
            next = min_i64(next, t);
    }
    for (struct list *l = o->reqs.next; l != &o->reqs; l = l->next) {
        int64_t t = CONTAINER_OF(l, struct sim_req, node)->due_ns;
        if (t > after_ns)
            next = min_i64(next, t);
    }
    return next;
}

int64_t
sim_io_next(struct sim_io *io)
{
    return sio_next(io, io->sim->now_ns);
}

bool
sim_io_ready(struct io *io, int64_t deadline_ns)
{
    struct sim_io *o = sio_of(io);

    ASSERT(io->features.backend == IO_SIM);
    return o->woken || o->sim->now_ns >= deadline_ns || sio_next(o, INT64_MIN) <= o->sim->now_ns;
}

static void
sio_flush(struct io *io)
{
    struct sim_io *o = sio_of(io);
    struct sim *sim = o->sim;

    IO_STAT_ADD(io, n_enter, 1);
    for (uint32_t i = 0; i < o->n_wakes; i++)
        o->wakes[i]->woken = true;
    o->n_wakes = 0;
    for (struct list *l = o->socks.next; l != &o->socks; l = l->next) {
        struct sim_sock *x = CONTAINER_OF(l, struct sim_sock, node);
        if (!x->sending || x->submitted)
            continue;
        x->submitted = true;
        x->send_due_ns = sim_due(sim, sim->cfg.delay_ns_max);
    }
    for (struct list *l = o->reqs.next; l != &o->reqs; l = l->next) {
        struct sim_req *q = CONTAINER_OF(l, struct sim_req, node);
        if (q->due_ns == INT64_MAX)
            q->due_ns = sim_due(sim, sim->cfg.disk_delay_ns_max);
    }
}

static void
sio_wait(struct io *io, int64_t deadline_ns)
{
    struct sim_io *o = sio_of(io);

    sio_flush(io);
    if (o->sim->cfg.wait_advances && !sim_io_ready(io, deadline_ns)) {
        int64_t next = min_i64(sim_next(o->sim), deadline_ns);
        if (next != INT64_MAX)
            sim_advance(o->sim, next);
    }
    o->woken = false;
}

static void
sio_wake_any(struct io *peer)
{
    sio_of(peer)->woken = true;
}

static void
sio_wake(struct io *self, struct io *peer)
{
    struct sim_io *o = sio_of(self);

    ASSERT(self != peer);
    IO_STAT_ADD(self, n_wake_sent, 1);
    if (o->n_wakes == SIM_WAKES_MAX || sim_pct(o->sim, 50))
        sio_wake_any(peer);
    else
        o->wakes[o->n_wakes++] = sio_of(peer);
}

/* ---- files ---- */

static void
sio_file(struct io *io, struct io_req *r, const struct sim_req *q)
{
    struct sim_req *copy = sim_alloc(sizeof(*copy));

    *copy = *q;
    copy->r = r;
    copy->due_ns = INT64_MAX;
    list_push_back(&sio_of(io)->reqs, &copy->node);
}

static void
sio_file_open(struct io *io, struct io_req *r, const char *path, int flags, uint32_t mode)
{
    sio_file(io, r, &(struct sim_req){.op = SIM_OPEN, .path = path, .flags = flags, .len = mode});
}

static void
sio_file_read(struct io *io, struct io_req *r, int fd, void *to, uint32_t len, uint64_t off)
{
    sio_file(io, r, &(struct sim_req){.op = SIM_READ, .fd = fd, .ptr = to, .len = len, .off = off});
}

static void
sio_file_write(struct io *io, struct io_req *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync)
{
    sio_file(io, r, &(struct sim_req){.op = SIM_WRITE, .fd = fd, .ptr = (void *)(uintptr_t)from, .len = len, .off = off, .dsync = dsync});
}

static void
sio_file_sync(struct io *io, struct io_req *r, int fd, bool data_only)
{
    (void)data_only; /* the length belongs to the data */
    sio_file(io, r, &(struct sim_req){.op = SIM_SYNC, .fd = fd});
}

static void
sio_file_rename(struct io *io, struct io_req *r, const char *from, const char *to)
{
    sio_file(io, r, &(struct sim_req){.op = SIM_RENAME, .path = from, .to = to});
}

static void
sio_file_close(struct io *io, struct io_req *r, int fd)
{
    sio_file(io, r, &(struct sim_req){.op = SIM_CLOSE, .fd = fd});
}

/* ---- life ---- */

static void
sio_forget(struct sim_io *o)
{
    while (!list_empty(&o->socks)) {
        struct sim_sock *x = CONTAINER_OF(o->socks.next, struct sim_sock, node);
        x->s->tx = NULL;
        list_remove(&x->node);
        free(x);
    }
    while (!list_empty(&o->reqs)) {
        struct sim_req *q = CONTAINER_OF(o->reqs.next, struct sim_req, node);
        list_remove(&q->node);
        free(q);
    }
}

void
sim_io_kill(struct sim_io *o)
{
    /* What was under way reaches the page cache, or not; what of it reaches the disk is the crash's to say. */
    for (struct list *l = o->reqs.next; l != &o->reqs; l = l->next) {
        struct sim_req *q = CONTAINER_OF(l, struct sim_req, node);
        q->dsync = false;
        if ((q->op == SIM_WRITE || q->op == SIM_RENAME) && q->due_ns != INT64_MAX && sim_pct(o->sim, 50))
            (void)sim_disk_run(o->sim, o->host, q); /* nobody is there to hear of it */
    }
    sio_forget(o);
    o->dead = true;
}

static void
sio_free(struct io *io)
{
    struct sim_io *o = sio_of(io);

    ASSERT(list_empty(&o->socks) && list_empty(&o->reqs));
    if (!o->dead)
        ASSERT(o->n_spare == o->n_bufs); /* every buffer was given back */
    list_remove(&o->node);
    poison_clear(o->area, (size_t)o->n_bufs * SIO_BUF_STEP);
    free(o->area);
    free(o->spare);
    free(o->taken);
    free(o);
}

static const struct io_ops sio_ops = {
    .free = sio_free,
    .now = sio_now,
    .wall = sio_wall,
    .random = sio_random,
    .wait = sio_wait,
    .take = sio_take,
    .take_more = sio_take, /* whatever there is: the caller must be able to take it */
    .flush = sio_flush,
    .buf_give = sio_buf_give,
    .wake = sio_wake,
    .wake_any = sio_wake_any,
    .sock_init = sio_sock_init,
    .listen = sio_listen,
    .connect = sio_connect,
    .accept_start = sio_start,
    .accept_stop = sio_stop,
    .recv_start = sio_start,
    .recv_stop = sio_stop,
    .send = sio_send,
    .close = sio_close,
    .file_open = sio_file_open,
    .file_read = sio_file_read,
    .file_write = sio_file_write,
    .file_sync = sio_file_sync,
    .file_rename = sio_file_rename,
    .file_close = sio_file_close,
    .fd_drop = sio_fd_drop,
};

enum err
io_sim_new(const struct io_cfg *cfg, struct io **ret_io)
{
    uint32_t total = cfg->recv_bufs_bytes > 0 ? cfg->recv_bufs_bytes : SIO_RECV_BYTES;
    struct sim_io *o = sim_alloc(sizeof(*o));

    o->io.ops = &sio_ops;
    o->io.features.backend = IO_SIM;
    o->sim = cfg->sim;
    o->host = cfg->sim->host_next;
    list_init(&o->socks);
    list_init(&o->reqs);
    o->n_bufs = (uint32_t)max_u64(total / IO_RECV_BUF_LEN, 2);
    o->area = malloc((size_t)o->n_bufs * SIO_BUF_STEP); /* not zeroed: most of it is never touched */
    ASSERT(o->area != NULL);
    poison_set(o->area, (size_t)o->n_bufs * SIO_BUF_STEP);
    o->spare = sim_alloc(o->n_bufs * sizeof(*o->spare));
    o->taken = sim_alloc(o->n_bufs * sizeof(*o->taken));
    for (uint32_t i = 0; i < o->n_bufs; i++)
        o->spare[o->n_spare++] = o->n_bufs - 1 - i;
    list_push_back(&cfg->sim->ios, &o->node);
    *ret_io = &o->io;
    return OK;
}
