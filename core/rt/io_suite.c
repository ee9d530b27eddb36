/* See io_suite.h; the rig is in io_suite_rig.h. */
#include "core/rt/io_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/io_suite_rig.h"
#include "core/rt/util.h"

/* ---- Connections ---- */

/* A client connects, sends, and gets its bytes back. */
static void
a_connection_is_accepted_and_echoes(void **state)
{
    struct rig *r = *state;
    struct tsock *c, *s;

    r->accept_echo = true;
    rig_pairs(r, 1, &c, &s);
    tsock_send(c, 5);
    RUN_UNTIL(r, c->n_in == 5);
    assert_int_equal(s->n_in, 5);
    assert_true(io_stats(r->io[1])->n_recv > 0 && io_stats(r->io[1])->n_accept == 1);
}

static void
many_sockets_echo_side_by_side(void **state)
{
    enum { N = 200, ROUNDS = 10 };
    struct rig *r = *state;
    struct tsock *c[N], *s[N];

    r->accept_echo = true;
    rig_pairs(r, N, c, s);
    for (uint32_t k = 1; k <= ROUNDS; k++) {
        for (uint32_t i = 0; i < N; i++)
            tsock_send(c[i], 100 + i);
        for (uint32_t i = 0; i < N; i++)
            RUN_UNTIL(r, c[i]->n_in == (uint64_t)k * (100 + i));
    }
}

/* More than any socket buffer holds, in both directions at once: sends are cut short and go on. */
static void
large_transfers_arrive_whole_and_in_order(void **state)
{
    enum { N = 3, LEN = 16 * 1024 * 1024 };
    struct rig *r = *state;
    struct tsock *c[N], *s[N];

    rig_pairs(r, N, c, s);
    for (uint32_t i = 0; i < N; i++) {
        tsock_send(c[i], LEN);
        tsock_send(s[i], LEN / 2);
    }
    for (uint32_t i = 0; i < N; i++)
        RUN_UNTIL(r, s[i]->n_in == LEN && c[i]->n_in == LEN / 2);
}

/* One send of many pieces is one run of bytes. */
static void
all_pieces_of_a_send_go_out_in_order(void **state)
{
    struct rig *r = *state;
    struct tsock *c, *s;
    struct iovec iov[IO_IOV_MAX];
    size_t total = 0, sent = 0;

    rig_pairs(r, 1, &c, &s);
    for (uint32_t i = 0; i < IO_IOV_MAX; i++) {
        iov[i] = (struct iovec){.iov_base = r->pattern + total, .iov_len = i * 3}; /* the first one is empty */
        total += iov[i].iov_len;
    }
    c->n_to_send = total;
    enum err e = io_send(c->io, &c->s, iov, IO_IOV_MAX, &sent);
    if (e == ERR_PENDING)
        c->send_pending = true;
    else
        assert_int_equal(e, OK);
    c->n_out = sent;
    tsock_push(c); /* the rest, if it was cut */
    RUN_UNTIL(r, s->n_in == total);
}

/* Both sides know the port that the system chose, and a closed listener leaves it free at once. */
static void
a_closed_listener_frees_its_port(void **state)
{
    struct rig *r = *state;
    uint16_t port, again = 0;
    struct tsock *l = rig_listen(r, r->io[1], &port);

    for (uint32_t i = 0; i < 5; i++) {
        struct tsock *other = tsock_new(r, r->io[0]);
        assert_int_equal(rig_listen_at(r, r->io[0], other, port, &again), ERR_ADDRINUSE);
        assert_int_equal(other->s.fd, -1);
        other->closing = true; /* never was open */
        other->n_closed = 1;
        rig_settle(r);
        tsock_close(l);
        RUN_UNTIL(r, l->n_closed == 1);
        l = tsock_new(r, r->io[1]);
        assert_int_equal(rig_listen_at(r, r->io[1], l, port, &again), OK);
        assert_int_equal(again, port);
        io_accept_start(r->io[1], &l->s);
    }
}

static void
connecting_where_nobody_listens_is_refused(void **state)
{
    struct rig *r = *state;
    uint16_t port;
    struct tsock *l = rig_listen(r, r->io[1], &port);

    tsock_close(l);
    RUN_UNTIL(r, l->n_closed == 1);
    struct tsock *c = rig_connect(r, r->io[0], port);
    RUN_UNTIL(r, c->n_connect == 1);
    assert_int_equal(c->connect_err, ERR_REFUSED);
}

/* Connections wait while accepting is stopped, and come when it starts again. */
static void
accepting_stops_and_starts(void **state)
{
    struct rig *r = *state;
    struct tsock *c[12];
    uint16_t port;
    uint32_t n_wanted = 0;
    struct tsock *l = rig_listen(r, r->io[1], &port);

    for (uint32_t i = 0; i < N_ELEMS(c); i += 4) {
        io_accept_stop(r->io[1], &l->s);
        io_accept_stop(r->io[1], &l->s);
        rig_settle(r);
        for (uint32_t k = i; k < i + 4; k++)
            c[k] = rig_connect(r, r->io[0], port);
        rig_settle(r);
        assert_int_equal(r->n_accepted, n_wanted);
        n_wanted += 4;
        io_accept_start(r->io[1], &l->s);
        io_accept_start(r->io[1], &l->s);
        RUN_UNTIL(r, r->n_accepted == n_wanted);
        io_accept_stop(r->io[1], &l->s); /* and at once: as if nothing had been said */
        io_accept_start(r->io[1], &l->s);
    }
    struct tsock *last = rig_connect(r, r->io[0], port);
    RUN_UNTIL(r, r->n_accepted == n_wanted + 1 && last->n_connect == 1);
}

/* The peer closes: all its bytes, then one end of stream, and our side can still send until it closes too. */
static void
end_of_stream_comes_after_the_bytes(void **state)
{
    struct rig *r = *state;
    struct tsock *c, *s;

    rig_pairs(r, 1, &c, &s);
    tsock_send(c, 300000);
    RUN_UNTIL(r, c->n_out == 300000);
    tsock_close(c);
    RUN_UNTIL(r, s->n_end == 1);
    assert_int_equal(s->n_in, 300000);
    assert_int_equal(s->end_err, ERR_CLOSED);
    io_recv_start(s->io, &s->s); /* nothing: the stream is over */
    rig_settle(r);
    assert_int_equal(s->n_end, 1);
}

/* ---- Stop and start, buffers ---- */

/* Stopping a receive in the middle of a stream and starting it again loses and reorders nothing. */
static void
receiving_stops_and_starts_mid_stream(void **state)
{
    enum { LEN = 8 * 1024 * 1024 };
    struct rig *r = *state;
    struct tsock *c, *s;

    rig_pairs(r, 1, &c, &s);
    tsock_send(c, LEN);
    while (s->n_in < LEN) {
        io_recv_stop(s->io, &s->s);
        if (rig_random(r, 3) == 0) { /* at once; otherwise after it took hold */
            io_recv_start(s->io, &s->s);
        } else {
            for (uint32_t n = rig_random(r, 20); n > 0; n--)
                (void)rig_round(r);
            io_recv_start(s->io, &s->s);
        }
        for (uint32_t n = rig_random(r, 6); n > 0; n--)
            (void)rig_round(r);
    }
    RUN_UNTIL(r, c->n_out == LEN);
    assert_int_equal(s->n_in, LEN);
}

/* A stopped socket gives nothing, however much there is. */
static void
a_stopped_socket_stays_silent(void **state)
{
    struct rig *r = *state;
    struct tsock *c, *s;

    r->accept_no_recv = true;
    rig_pairs(r, 1, &c, &s);
    tsock_send(c, 1000);
    rig_settle(r);
    assert_int_equal(s->n_recv, 0);
    io_recv_start(s->io, &s->s);
    RUN_UNTIL(r, s->n_in == 1000);
    io_recv_stop(s->io, &s->s);
    rig_settle(r); /* what the kernel had may still come before it took hold: there is none */
    tsock_send(c, 1000);
    rig_settle(r);
    assert_int_equal(s->n_in, 1000);
    io_recv_start(s->io, &s->s);
    RUN_UNTIL(r, s->n_in == 2000);
}

/* The user holds what it gets until every buffer is out: sockets wait, nothing is lost, nothing spins, and all of it comes
 * when the buffers come back. */
static void
held_buffers_starve_sockets_until_they_come_back(void **state)
{
    enum { N = 8, LEN = 1024 * 1024 };
    struct rig *r = *state;
    struct tsock *c[N + 1], *s[N + 1];
    uint64_t n_in = 0;

    rig_pairs(r, N + 1, c, s);
    for (uint32_t i = 0; i < N; i++) {
        s[i]->hold = true;
        tsock_send(c[i], LEN);
    }
    rig_settle(r);
    for (uint32_t i = 0; i < N; i++)
        n_in += s[i]->n_in;
    assert_true(n_in < (uint64_t)N * LEN); /* all of the buffers are out */
    assert_true(io_stats(r->io[1])->n_starved > 0);

    uint64_t n_starved = io_stats(r->io[1])->n_starved, n_rearm = io_stats(r->io[1])->n_rearm;
    tsock_send(c[N], 10); /* a quiet one has to wait too */
    rig_settle(r);
    assert_int_equal(s[N]->n_in, 0);
    assert_true(io_stats(r->io[1])->n_starved - n_starved <= N + 1); /* each says so once, no storm */
    assert_true(io_stats(r->io[1])->n_rearm - n_rearm <= N + 1);

    for (uint32_t i = 0; i < N; i++) {
        s[i]->hold = false;
        tsock_give_held(s[i]);
    }
    RUN_UNTIL(r, s[N]->n_in == 10);
    for (uint32_t i = 0; i < N; i++)
        RUN_UNTIL(r, s[i]->n_in == LEN);
}

/* Starved again and again, with buffers handed back in any order and sockets closing meanwhile, every stream is whole. */
static void
starving_over_and_over_keeps_every_stream_whole(void **state)
{
    enum { N = 12, LEN = 4 * 1024 * 1024 };
    struct rig *r = *state;
    struct tsock *c[N], *s[N];
    uint32_t n_done = 0;

    r->accept_hold = true;
    rig_pairs(r, N, c, s);
    for (uint32_t i = 0; i < N; i++)
        tsock_send(c[i], LEN);
    while (n_done < N - 2) {
        for (uint32_t n = 1 + rig_random(r, 10); n > 0; n--)
            (void)rig_round(r);
        for (uint32_t k = 0; k < N; k++)
            tsock_give_held(s[rig_random(r, N)]);
        if (s[0]->n_in > LEN / 4 && !s[0]->closing)
            tsock_close(s[0]);
        if (s[1]->n_in > LEN / 8 && !c[1]->closing)
            tsock_close(c[1]);
        n_done = 0;
        for (uint32_t i = 2; i < N; i++)
            n_done += s[i]->n_in == LEN;
    }
    assert_true(io_stats(r->io[1])->n_starved > 0);
}

/* While one peer floods, another one's request and answer pass. */
static void
a_flooding_socket_does_not_starve_the_others(void **state)
{
    enum { N = 4 };
    struct rig *r = *state;
    struct tsock *c[N + 1], *s[N + 1];

    rig_pairs(r, N + 1, c, s);
    s[N]->echo = true;
    for (uint32_t i = 0; i < N; i++)
        tsock_send(c[i], UINT32_MAX);
    for (uint32_t k = 1; k <= 50; k++) {
        uint64_t before = s[0]->n_in;
        tsock_send(c[N], 20);
        RUN_UNTIL(r, c[N]->n_in == 20u * k);
        assert_true(s[0]->n_in - before < 256u * 1024 * 1024);
    }
    for (uint32_t i = 0; i < N; i++)
        assert_true(s[i]->n_in > 0);
}

/* ---- Closing ---- */

enum stage {
    ST_FRESH,       /* nothing started */
    ST_ARMED,       /* receiving, nothing there */
    ST_BYTES,       /* bytes came, not taken yet */
    ST_STOPPED,     /* receiving just stopped */
    ST_RESTARTED,   /* ... and started again */
    ST_SENDING,     /* a send waits for room */
    ST_STARVED,     /* waits for a buffer */
    ST_PEER_CLOSED, /* end of stream told */
    ST_PEER_CLOSES, /* end of stream on the way */
    ST_HELD,        /* its bytes are with the user */
    N_STAGES,
};

static void
reach_stage(struct rig *r, enum stage st, struct tsock *c, struct tsock *s)
{
    switch (st) {
    case ST_FRESH: return;
    case ST_ARMED: break;
    case ST_BYTES: tsock_send(c, 5000); break;
    case ST_STOPPED:
        io_recv_start(s->io, &s->s);
        rig_settle(r);
        io_recv_stop(s->io, &s->s);
        return;
    case ST_RESTARTED:
        io_recv_start(s->io, &s->s);
        rig_settle(r);
        io_recv_stop(s->io, &s->s);
        break;
    case ST_SENDING:
        io_recv_stop(c->io, &c->s);
        rig_settle(r);
        tsock_send(s, 64 * 1024 * 1024);
        RUN_UNTIL(r, s->send_pending);
        rig_settle(r);
        assert_true(s->send_pending);
        break;
    case ST_STARVED:
        s->hold = true;
        tsock_send(c, 16 * 1024 * 1024);
        io_recv_start(s->io, &s->s);
        RUN_UNTIL(r, io_stats(s->io)->n_starved > 0);
        return;
    case ST_PEER_CLOSED:
        io_recv_start(s->io, &s->s);
        tsock_close(c);
        RUN_UNTIL(r, s->n_end == 1);
        return;
    case ST_PEER_CLOSES: tsock_close(c); break;
    case ST_HELD:
        s->hold = true;
        tsock_send(c, 5000);
        io_recv_start(s->io, &s->s);
        RUN_UNTIL(r, s->n_in == 5000);
        return;
    case N_STAGES: fail();
    }
    io_recv_start(s->io, &s->s);
}

/* Close in each stage, after 0 to 3 turns more: one CLOSED, and nothing after it. (tsock_on_event checks the last.) */
static void
closing_at_every_stage_ends_with_one_closed(void **state)
{
    struct rig *r = *state;

    for (uint32_t st = 0; st < N_STAGES; st++) {
        for (uint32_t n_turns = 0; n_turns < 4; n_turns++) {
            struct tsock *c, *s;
            r->accept_no_recv = true;
            r->n_accepted = 0;
            rig_pairs(r, 1, &c, &s);
            reach_stage(r, (enum stage)st, c, s);
            for (uint32_t i = 0; i < n_turns; i++)
                io_wait(s->io, 0); /* into the backend, not into our hands */
            tsock_close(s);
            io_close(s->io, &s->s); /* a second time: nothing */
            assert_int_equal(s->n_closed, 0); /* never from inside io_close */
            RUN_UNTIL(r, s->n_closed == 1);
            rig_settle(r);
            assert_int_equal(s->n_closed, 1);
            tsock_give_held(s); /* buffers outlive their socket */
            if (!c->closing)
                tsock_close(c);
            RUN_UNTIL(r, c->n_closed == 1);
        }
    }
}

/* A connect that is closed on the way has its completion, then CLOSED. */
static void
closing_a_connect_completes_it_first(void **state)
{
    struct rig *r = *state;
    uint16_t port;
    (void)rig_listen(r, r->io[1], &port);

    for (uint32_t n_turns = 0; n_turns < 4; n_turns++) {
        struct tsock *c = rig_connect(r, r->io[0], port);
        for (uint32_t i = 0; i < n_turns; i++)
            io_wait(c->io, 0);
        tsock_close(c);
        RUN_UNTIL(r, c->n_closed == 1);
        assert_int_equal(c->n_connect, 1);
    }
}

/* A send in flight when its socket closes has its completion, then CLOSED. */
static void
closing_a_blocked_send_completes_it_first(void **state)
{
    struct rig *r = *state;
    struct tsock *c, *s;

    r->accept_no_recv = true;
    rig_pairs(r, 1, &c, &s);
    tsock_send(c, 64 * 1024 * 1024);
    RUN_UNTIL(r, c->send_pending);
    rig_settle(r);
    assert_true(c->send_pending);
    tsock_close(c);
    RUN_UNTIL(r, c->n_closed == 1);
    assert_false(c->send_pending);
    assert_int_equal(c->send_err, ERR_CANCELED);
}

/* Listeners close in each of their stages, with connections on the way that nobody will see. */
static void
closing_a_listener_drops_what_it_did_not_tell(void **state)
{
    struct rig *r = *state;

    for (uint32_t n_turns = 0; n_turns < 4; n_turns++) {
        for (uint32_t how = 0; how < 3; how++) {
            uint16_t port;
            struct tsock *c[3], *l = rig_listen(r, r->io[1], &port);
            if (how == 1)
                rig_settle(r);
            for (uint32_t i = 0; i < N_ELEMS(c); i++)
                c[i] = rig_connect(r, r->io[0], port);
            for (uint32_t i = 0; i < n_turns; i++) {
                io_wait(r->io[0], 0);
                io_wait(r->io[1], 0);
            }
            if (how == 2)
                io_accept_stop(l->io, &l->s);
            tsock_close(l);
            RUN_UNTIL(r, l->n_closed == 1);
            for (uint32_t i = 0; i < N_ELEMS(c); i++) {
                RUN_UNTIL(r, c[i]->n_connect == 1);
                if (c[i]->connect_err == OK)
                    RUN_UNTIL(r, c[i]->n_end == 1); /* the other end is gone */
                tsock_close(c[i]);
                RUN_UNTIL(r, c[i]->n_closed == 1);
            }
        }
    }
}

/* Random starts, stops, holds, sends and closes on many connections: whatever arrives is the stream, and every request has
 * its completions. (tsock_on_event and the teardown check it.) */
static void
anything_in_any_order_keeps_the_rules(void **state)
{
    enum { N = 24, STEPS = 6000 };
    struct rig *r = *state;
    struct tsock *t[2 * N];

    rig_pairs(r, N, t, t + N);
    for (uint32_t step = 0; step < STEPS; step++) {
        struct tsock *x = t[rig_random(r, 2 * N)];
        uint32_t what = rig_random(r, 64);
        if (x->closing)
            what = 40; /* whatever may still be done with it: nothing */
        if (what < 12)
            io_recv_stop(x->io, &x->s);
        else if (what < 28)
            io_recv_start(x->io, &x->s);
        else if (what < 40)
            tsock_send(x, 1 + rig_random(r, what == 28 ? 1000000 : 3000));
        else if (what < 56)
            (void)rig_round(r);
        else if (what < 59)
            x->hold = !x->hold;
        else if (what < 63)
            tsock_give_held(x);
        else if (step > STEPS / 2)
            tsock_close(x);
    }
    for (uint32_t i = 0; i < N; i++) {
        struct tsock *a = t[i], *b = t[i + N];
        a->hold = b->hold = false;
        tsock_give_held(a);
        tsock_give_held(b);
    }
    for (uint32_t i = 0; i < N; i++) {
        struct tsock *a = t[i], *b = t[i + N];
        if (a->closing || b->closing)
            continue;
        io_recv_start(a->io, &a->s);
        io_recv_start(b->io, &b->s);
        RUN_UNTIL(r, a->n_in == b->n_to_send && b->n_in == a->n_to_send);
    }
}

/* ---- Time and waking ---- */

/* Without events io_wait comes back at the deadline, not before (early returns are allowed, in reason), and a deadline that
 * has passed does not wait. */
static void
waiting_ends_at_the_deadline(void **state)
{
    struct rig *r = *state;
    struct io *io = r->io[0];
    int64_t deadline = io_now(io) + 20 * NS_PER_MS;
    uint32_t n_waits = 0;

    while (io_now(io) < deadline) {
        io_wait(io, deadline);
        assert_int_equal(io_take(io, r->evs, IO_TAKE_MAX), 0);
        assert_true(++n_waits < 100);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        io_wait(io, 0);
        io_wait(io, deadline);
    }
}

/* One io wakes another that would wait for very long; a wake-up before the wait is not lost either. */
static void
a_peer_is_woken(void **state)
{
    struct rig *r = *state;
    int64_t far = io_now(r->io[1]) + 3600 * NS_PER_S;

    for (uint32_t i = 0; i < 100; i++) {
        if (i % 2 == 0) {
            io_wake(r->io[0], r->io[1]);
            io_flush(r->io[0]);
        } else {
            io_wake_any(r->io[1]);
        }
        io_wait(r->io[1], far);
        assert_int_equal(io_take(r->io[1], r->evs, IO_TAKE_MAX), 0);
    }
    assert_true(io_now(r->io[1]) < far);
    assert_true(io_stats(r->io[0])->n_wake_sent >= 50);
}

static void
numbers_and_clocks_move(void **state)
{
    struct rig *r = *state;
    uint64_t a = io_random(r->io[0]), all = a, one = a;
    int64_t before = io_now(r->io[0]);

    for (uint32_t i = 0; i < 100; i++) {
        uint64_t x = io_random(r->io[0]);
        all |= x;
        one &= x;
        int64_t now = io_now(r->io[0]);
        assert_true(now >= before);
        before = now;
    }
    assert_true(all == UINT64_MAX && one == 0); /* every bit was both: odds of 2^-94 against */
    assert_true(io_wall(r->io[0]) > 1000000000 * NS_PER_S || r->env->reset != NULL); /* after 2001, if it is the real one */
}

/* ---- Files ---- */

static void
req_run(struct rig *r, struct treq *q)
{
    uint32_t n = q->n_done;
    RUN_UNTIL(r, q->n_done > n);
    assert_int_equal(q->n_done, n + 1);
}

static void
req_ok(struct rig *r, struct treq *q)
{
    req_run(r, q);
    assert_int_equal(q->err, OK);
}

static void
files_are_written_read_synced_and_renamed(void **state)
{
    struct rig *r = *state;
    struct io *io = r->io[0];
    struct treq q = {.n_done = 0};
    struct towner o = {.req = &q};
    char a[256], b[256];
    static uint8_t back[100000];

    q.r.owner = &o;
    (void)snprintf(a, sizeof(a), "%s/io_suite_a", r->env->dir);
    (void)snprintf(b, sizeof(b), "%s/io_suite_b", r->env->dir);
    io_file_open(io, &q.r, a, O_RDWR | O_CREAT | O_TRUNC, 0600);
    req_ok(r, &q);
    int fd = (int)q.res;
    assert_true(fd >= 0);

    for (uint64_t off = 0; off < PATTERN_LEN;) { /* short writes are allowed */
        io_file_write(io, &q.r, fd, r->pattern + off, (uint32_t)(PATTERN_LEN - off), off, off == 0);
        req_ok(r, &q);
        assert_true(q.res > 0);
        off += (uint64_t)q.res;
    }
    io_file_sync(io, &q.r, fd, true);
    req_ok(r, &q);
    io_file_sync(io, &q.r, fd, false);
    req_ok(r, &q);

    uint64_t n = 0;
    do {
        io_file_read(io, &q.r, fd, back + n, (uint32_t)(sizeof(back) - n), n);
        req_ok(r, &q);
        n += (uint64_t)q.res;
    } while (q.res > 0);
    assert_int_equal(n, PATTERN_LEN); /* then 0 bytes: the end */
    assert_memory_equal(back, r->pattern, PATTERN_LEN);

    io_file_close(io, &q.r, fd);
    req_ok(r, &q);
    io_file_rename(io, &q.r, a, b);
    req_ok(r, &q);
    io_file_open(io, &q.r, a, O_RDONLY, 0);
    req_run(r, &q);
    assert_int_equal(q.err, ERR_NOENT);
    io_file_rename(io, &q.r, a, b);
    req_run(r, &q);
    assert_int_equal(q.err, ERR_NOENT);
    io_file_open(io, &q.r, b, O_RDWR | O_CREAT | O_EXCL, 0600);
    req_run(r, &q);
    assert_int_equal(q.err, ERR_EXIST);
    io_file_open(io, &q.r, b, O_RDONLY, 0);
    req_ok(r, &q);
    io_file_close(io, &q.r, (int)q.res);
    req_run(r, &q);
}

/* Many requests at once each complete once, with their own result. */
static void
file_requests_run_side_by_side(void **state)
{
    enum { N = 100, LEN = 600 };
    struct rig *r = *state;
    struct io *io = r->io[0];
    static struct treq q[N];
    static struct towner o[N];
    static uint8_t back[N][LEN];
    char path[256];

    memset(q, 0, sizeof(q));
    for (uint32_t i = 0; i < N; i++) {
        o[i].req = &q[i];
        q[i].r.owner = &o[i];
    }
    (void)snprintf(path, sizeof(path), "%s/io_suite_c", r->env->dir);
    io_file_open(io, &q[0].r, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    req_run(r, &q[0]);
    int fd = (int)q[0].res;
    for (uint32_t i = 0; i < N; i++)
        io_file_write(io, &q[i].r, fd, r->pattern + i * LEN, LEN, (uint64_t)i * LEN, i % 10 == 0);
    for (uint32_t i = 0; i < N; i++) {
        RUN_UNTIL(r, q[i].n_done == (i == 0 ? 2 : 1));
        assert_int_equal(q[i].res, LEN);
    }
    for (uint32_t i = 0; i < N; i++)
        io_file_read(io, &q[i].r, fd, back[i], LEN, (uint64_t)i * LEN);
    for (uint32_t i = 0; i < N; i++) {
        RUN_UNTIL(r, q[i].n_done == (i == 0 ? 3 : 2));
        assert_int_equal(q[i].res, LEN);
        assert_memory_equal(back[i], r->pattern + i * LEN, LEN);
    }
    io_file_close(io, &q[0].r, fd);
    RUN_UNTIL(r, q[0].n_done == 4);
    io_file_write(io, &q[0].r, fd, back, 1, 0, false); /* closed: refused, not hung */
    RUN_UNTIL(r, q[0].n_done == 5);
    assert_true(q[0].err != OK);
}

#define SUITE_TESTS(X)                                  \
    X(a_connection_is_accepted_and_echoes)              \
    X(many_sockets_echo_side_by_side)                   \
    X(large_transfers_arrive_whole_and_in_order)        \
    X(all_pieces_of_a_send_go_out_in_order)             \
    X(a_closed_listener_frees_its_port)                 \
    X(connecting_where_nobody_listens_is_refused)       \
    X(accepting_stops_and_starts)                       \
    X(end_of_stream_comes_after_the_bytes)              \
    X(receiving_stops_and_starts_mid_stream)            \
    X(a_stopped_socket_stays_silent)                    \
    X(held_buffers_starve_sockets_until_they_come_back) \
    X(starving_over_and_over_keeps_every_stream_whole)  \
    X(a_flooding_socket_does_not_starve_the_others)     \
    X(closing_at_every_stage_ends_with_one_closed)      \
    X(closing_a_connect_completes_it_first)             \
    X(closing_a_blocked_send_completes_it_first)        \
    X(closing_a_listener_drops_what_it_did_not_tell)    \
    X(anything_in_any_order_keeps_the_rules)            \
    X(waiting_ends_at_the_deadline)                     \
    X(a_peer_is_woken)                                  \
    X(numbers_and_clocks_move)                          \
    X(files_are_written_read_synced_and_renamed)        \
    X(file_requests_run_side_by_side)

int
io_suite_run(const struct io_suite_env *env)
{
#define SUITE_ROW(fn) {#fn, fn, rig_setup, rig_teardown, (void *)(uintptr_t)env},
    const struct CMUnitTest tests[] = {SUITE_TESTS(SUITE_ROW)};
    return _cmocka_run_group_tests(env->name, tests, N_ELEMS(tests), NULL, NULL);
}
