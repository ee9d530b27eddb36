#include "core/rt/io_suite_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/util.h"

#define WAIT_NS (200 * NS_PER_US)

uint32_t
rig_random(struct rig *r, uint32_t below)
{
    r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->seed >> 33) % below;
}

/* ---- Sockets ---- */

struct tsock *
tsock_new(struct rig *r, struct io *io)
{
    struct tsock *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    t->held = calloc(N_HELD_MAX, sizeof(*t->held));
    assert_non_null(t->held);
    assert_true(r->n_socks < N_SOCKS_MAX);
    r->owners[r->n_socks].sock = t;
    r->socks[r->n_socks++] = t;
    t->rig = r;
    t->io = io;
    t->last_fd = -1;
    return t;
}

static void *
tsock_owner(struct tsock *t)
{
    for (uint32_t i = 0; i < t->rig->n_socks; i++)
        if (t->rig->socks[i] == t)
            return &t->rig->owners[i];
    return NULL;
}

void
tsock_close(struct tsock *t)
{
    t->closing = true;
    io_close(t->io, &t->s);
}

void
tsock_give_held(struct tsock *t)
{
    for (uint32_t i = 0; i < t->n_held; i++)
        io_buf_give(t->io, t->held[i]);
    t->n_held = 0;
}

/* Send what is still to be sent, in up to four pieces, as far as it goes. */
void
tsock_push(struct tsock *t)
{
    struct iovec iov[4];

    while (!t->send_pending && !t->closing && t->send_err == OK && t->n_out < t->n_to_send) {
        uint64_t pos = t->n_out, left = min_u64(t->n_to_send - t->n_out, 200000);
        uint32_t n_iov = 0;
        size_t sent = 0;
        for (; n_iov < N_ELEMS(iov) && left > 0; n_iov++) {
            uint64_t len = min_u64(left, 1 + rig_random(t->rig, PATTERN_LEN));
            iov[n_iov] = (struct iovec){.iov_base = t->rig->pattern + pos % PATTERN_LEN, .iov_len = len};
            pos += len;
            left -= len;
        }
        enum err e = io_send(t->io, &t->s, iov, n_iov, &sent);
        if (e == OK) {
            assert_true(sent > 0 && sent <= pos - t->n_out);
            t->n_out += sent;
        } else if (e == ERR_PENDING) {
            t->send_pending = true;
        } else {
            t->send_err = e;
        }
    }
}

void
tsock_send(struct tsock *t, uint64_t n_more)
{
    t->n_to_send += n_more;
    tsock_push(t);
}

static void
tsock_on_recv(struct tsock *t, const struct io_event *ev)
{
    if (ev->err != OK) {
        assert_int_equal(ev->buf, IO_BUF_NONE);
        assert_int_equal(t->n_end, 0); /* the last of the stream */
        t->n_end++;
        t->end_err = (enum err)ev->err;
        return;
    }
    assert_true(ev->len > 0 && ev->len <= IO_RECV_BUF_LEN);
    assert_int_equal(t->n_end, 0);
    t->n_recv++;
    for (uint32_t i = 0; i < ev->len;) {
        uint64_t at = t->n_in % PATTERN_LEN;
        uint32_t len = (uint32_t)min_u64(ev->len - i, PATTERN_LEN - at);
        assert_memory_equal(ev->data + i, t->rig->pattern + at, len);
        t->n_in += len;
        i += len;
    }
    uint8_t slack = 0;
    for (uint32_t i = 0; i < IO_RECV_SLACK; i++)
        slack = (uint8_t)(slack ^ ((const volatile uint8_t *)ev->data)[ev->len + i]); /* readable: that is all */
    (void)slack;
    if (t->hold && t->n_held < N_HELD_MAX)
        t->held[t->n_held++] = ev->buf;
    else
        io_buf_give(t->io, ev->buf);
    if (t->echo && !t->closing)
        tsock_send(t, ev->len);
}

static void
tsock_on_accept(struct tsock *t, const struct io_event *ev)
{
    struct rig *r = t->rig;

    if (ev->err != OK) {
        t->n_accept_err++;
        return;
    }
    t->n_accept++;
    t->last_fd = (int)ev->res;
    struct tsock *c = tsock_new(r, r->accept_io);
    c->echo = r->accept_echo;
    c->hold = r->accept_hold;
    io_sock_init(c->io, &c->s, (int)ev->res, tsock_owner(c));
    if (!r->accept_no_recv)
        io_recv_start(c->io, &c->s);
    r->accept_into[r->n_accepted++] = c;
}

void
tsock_on_event(struct tsock *t, const struct io_event *ev)
{
    assert_int_equal(t->n_closed, 0); /* nothing comes after it */
    switch ((enum io_kind)ev->kind) {
    case IO_EV_RECV: tsock_on_recv(t, ev); break;
    case IO_EV_ACCEPT: tsock_on_accept(t, ev); break;
    case IO_EV_CONNECT:
        assert_int_equal(t->n_connect, 0);
        t->n_connect++;
        t->connect_err = (enum err)ev->err;
        if (ev->err == OK && t->auto_recv && !t->closing)
            io_recv_start(t->io, &t->s);
        break;
    case IO_EV_SEND:
        assert_true(t->send_pending);
        t->send_pending = false;
        if (ev->err != OK)
            t->send_err = (enum err)ev->err;
        else
            assert_true(ev->len > 0);
        t->n_out += ev->len;
        tsock_push(t);
        break;
    case IO_EV_CLOSED:
        assert_true(t->closing);
        assert_false(t->send_pending); /* its completion comes before */
        t->n_closed++;
        break;
    case IO_EV_FILE: fail(); break;
    }
}

/* ---- The rig ---- */

/* One turn of one io: events come out in batches of a size that varies. */
static uint32_t
rig_turn(struct rig *r, struct io *io, int64_t deadline_ns)
{
    uint32_t max = rig_random(r, 4) == 0 ? 1 + rig_random(r, 8) : IO_TAKE_MAX;

    io_wait(io, deadline_ns);
    uint32_t n = io_take(io, r->evs, max);
    assert_true(n <= max);
    for (uint32_t i = 0; i < n; i++) {
        const struct towner *o = r->evs[i].owner;
        if (r->evs[i].kind == IO_EV_FILE) {
            o->req->n_done++;
            o->req->err = (enum err)r->evs[i].err;
            o->req->res = r->evs[i].res;
        } else {
            tsock_on_event(o->sock, &r->evs[i]);
        }
    }
    return n;
}

uint32_t
rig_round(struct rig *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < 2; i++)
        n += rig_turn(r, r->io[i], 0);
    if (n > 0)
        return n;
    for (uint32_t i = 0; i < 2; i++)
        n += rig_turn(r, r->io[i], io_now(r->io[i]) + WAIT_NS);
    if (n == 0 && r->env->idle != NULL)
        r->env->idle(r->env->arg);
    return n;
}

/* Go on until nothing has happened for a while. */
void
rig_settle(struct rig *r)
{
    for (uint32_t n_quiet = 0; n_quiet < N_QUIET;)
        n_quiet = rig_round(r) == 0 ? n_quiet + 1 : 0;
}

static struct sockaddr_in
rig_addr(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return a;
}

enum err
rig_listen_at(struct rig *r, struct io *io, struct tsock *t, uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in a = rig_addr(port);
    (void)r;
    t->is_listener = true;
    return io_listen(io, &t->s, (const struct sockaddr *)&a, sizeof(a), 128, 0, tsock_owner(t), ret_port);
}

struct tsock *
rig_listen(struct rig *r, struct io *io, uint16_t *ret_port)
{
    struct tsock *t = tsock_new(r, io);
    assert_int_equal(rig_listen_at(r, io, t, 0, ret_port), OK);
    assert_true(*ret_port != 0);
    io_accept_start(io, &t->s);
    r->accept_io = io;
    return t;
}

struct tsock *
rig_connect(struct rig *r, struct io *io, uint16_t port)
{
    struct tsock *t = tsock_new(r, io);
    struct sockaddr_in a = rig_addr(port);
    t->auto_recv = true;
    assert_int_equal(io_connect(io, &t->s, (const struct sockaddr *)&a, sizeof(a), tsock_owner(t)), OK);
    return t;
}

/* A listener on io 1, and n connections to it from io 0, all established. */
void
rig_pairs(struct rig *r, uint32_t n, struct tsock **clients, struct tsock **servers)
{
    uint16_t port;
    struct tsock *l = rig_listen(r, r->io[1], &port);

    /* One after the other: then the order of accepting is that of connecting. */
    for (uint32_t i = 0; i < n; i++) {
        clients[i] = rig_connect(r, r->io[0], port);
        RUN_UNTIL(r, clients[i]->n_connect == 1 && r->n_accepted == i + 1);
        assert_int_equal(clients[i]->connect_err, OK);
        servers[i] = r->accept_into[i];
    }
    tsock_close(l);
    RUN_UNTIL(r, l->n_closed == 1);
}

int
rig_setup(void **state)
{
    const struct io_suite_env *env = *state;
    struct rig *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->env = env;
    r->seed = 20260729;
    for (uint32_t i = 0; i < PATTERN_LEN; i++)
        r->pattern[i] = r->pattern[i + PATTERN_LEN] = (uint8_t)rig_random(r, 256);
    if (env->reset != NULL)
        env->reset(env->arg);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(env->open(env->arg, i, &r->io[i]), OK);
    *state = r;
    return 0;
}

/* Whatever a test did: every socket closes with one CLOSED, and no buffer is lost on the way. */
int
rig_teardown(void **state)
{
    struct rig *r = *state;

    for (uint32_t i = 0; i < r->n_socks; i++) {
        tsock_give_held(r->socks[i]);
        if (!r->socks[i]->closing)
            tsock_close(r->socks[i]);
    }
    for (uint32_t i = 0; i < r->n_socks; i++)
        RUN_UNTIL(r, r->socks[i]->n_closed == 1);
    rig_settle(r);
    for (uint32_t i = 0; i < r->n_socks; i++) {
        assert_int_equal(r->socks[i]->n_closed, 1);
        assert_int_equal(r->socks[i]->n_held, 0);
        free(r->socks[i]->held);
        free(r->socks[i]);
    }
    io_free(r->io[0]);
    io_free(r->io[1]);
    free(r);
    return 0;
}
