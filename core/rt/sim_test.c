/* What the simulated world promises to its tests: one seed is one story, and whatever may go wrong does go wrong in some. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/sim.h"
#include "core/rt/util.h"

enum { N_SEEDS = 200, N_ROUNDS_MAX = 100000, SERVER = 1 };

/* ---- a server of one io, and file requests that are run to their end ---- */

struct rig {
    struct sim *sim;
    struct io *io;
    struct io_sock listener, socks[2];
    uint16_t port;
    uint32_t n_accepted, n_accept_failed, n_closed, n_ends, n_files;
    enum err end_err, file_err;
    int64_t file_res;
    uint64_t n_in, sum; /* bytes received, and what they were */
    char text[8];       /* the first of them */
    uint32_t n_text;
    struct io_req req;
};

static void
rig_event(struct rig *r, const struct io_event *ev)
{
    switch ((enum io_kind)ev->kind) {
    case IO_EV_ACCEPT:
        if (ev->err != OK) {
            r->n_accept_failed++;
            return;
        }
        assert_true(r->n_accepted < N_ELEMS(r->socks));
        struct io_sock *s = &r->socks[r->n_accepted++];
        io_sock_init(r->io, s, (int)ev->res, r);
        io_recv_start(r->io, s);
        return;
    case IO_EV_RECV:
        if (ev->err != OK) {
            r->n_ends++;
            r->end_err = (enum err)ev->err;
            return;
        }
        for (uint32_t i = 0; i < ev->len; i++) {
            r->sum = r->sum * 31 + ev->data[i];
            if (r->n_text < sizeof(r->text) - 1)
                r->text[r->n_text++] = (char)ev->data[i];
        }
        r->n_in += ev->len;
        io_buf_give(r->io, ev->buf);
        return;
    case IO_EV_FILE:
        r->n_files++;
        r->file_err = (enum err)ev->err;
        r->file_res = ev->res;
        return;
    case IO_EV_CLOSED: r->n_closed++; return;
    case IO_EV_SEND:
    case IO_EV_CONNECT: return;
    }
}

static void
rig_round(struct rig *r)
{
    struct io_event evs[IO_TAKE_MAX];

    io_wait(r->io, 0);
    uint32_t n = io_take(r->io, evs, IO_TAKE_MAX);
    for (uint32_t i = 0; i < n; i++)
        rig_event(r, &evs[i]);
    if (n == 0 && sim_next(r->sim) != INT64_MAX)
        sim_advance(r->sim, sim_next(r->sim));
}

#define RUN_UNTIL(r, cond)                              \
    do {                                                \
        for (uint32_t n_ = 0; !(cond); n_++) {          \
            assert_true(n_ < N_ROUNDS_MAX);             \
            rig_round(r);                               \
        }                                               \
    } while (0)

static void
rig_open(struct rig *r)
{
    struct io_cfg cfg = {.backend = IO_SIM, .sim = r->sim};
    assert_int_equal(io_new(&cfg, &r->io), OK);
}

static void
rig_start(struct rig *r, const struct sim_cfg *cfg)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    memset(r, 0, sizeof(*r));
    r->sim = sim_new(cfg);
    rig_open(r);
    r->socks[0].fd = r->socks[1].fd = -1;
    assert_int_equal(io_listen(r->io, &r->listener, (const struct sockaddr *)&a, sizeof(a), 16, 0, r, &r->port), OK);
    io_accept_start(r->io, &r->listener);
}

static void
rig_stop(struct rig *r)
{
    uint32_t n_closed = r->n_closed + 1;

    io_close(r->io, &r->listener);
    for (uint32_t i = 0; i < N_ELEMS(r->socks); i++) {
        n_closed += r->socks[i].fd >= 0;
        if (r->socks[i].fd >= 0)
            io_close(r->io, &r->socks[i]);
    }
    RUN_UNTIL(r, r->n_closed == n_closed);
    io_free(r->io);
    sim_free(r->sim);
}

static struct sim_peer *
rig_connect(struct rig *r)
{
    struct sim_peer *p = sim_peer_connect(r->sim, SERVER, r->port);
    RUN_UNTIL(r, sim_peer_state(p) != SIM_PEER_CONNECTING);
    if (sim_peer_state(p) == SIM_PEER_OPEN)
        RUN_UNTIL(r, r->n_accepted > 0);
    return p;
}

static void
rig_file_done(struct rig *r)
{
    uint32_t n = r->n_files;
    RUN_UNTIL(r, r->n_files == n + 1);
}

static int
rig_file_open(struct rig *r, const char *path, int flags)
{
    io_file_open(r->io, &r->req, path, flags, 0600);
    rig_file_done(r);
    assert_int_equal(r->file_err, OK);
    return (int)r->file_res;
}

static void
rig_file_write(struct rig *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync)
{
    io_file_write(r->io, &r->req, fd, from, len, off, dsync);
    rig_file_done(r);
}

static enum err
rig_file_sync(struct rig *r, int fd)
{
    io_file_sync(r->io, &r->req, fd, true);
    rig_file_done(r);
    return r->file_err;
}

/* Power off and on: a new io sees what the disk kept. */
static void
rig_crash(struct rig *r)
{
    sim_host_crash(r->sim, SERVER);
    io_free(r->io);
    rig_open(r);
}

/* After a crash nothing but the io is left to free. */
static void
rig_drop(struct rig *r)
{
    io_free(r->io);
    sim_free(r->sim);
}

static void
read_whole(struct rig *r, const char *path, uint8_t *to, uint32_t len)
{
    int fd = rig_file_open(r, path, O_RDONLY);
    io_file_read(r->io, &r->req, fd, to, len, 0);
    rig_file_done(r);
    assert_int_equal(r->file_err, OK);
    assert_int_equal(r->file_res, len);
}

/* ---- time and chance ---- */

static void
the_clock_never_shows_a_time_twice(void **state)
{
    struct sim_cfg cfg;
    (void)state;
    sim_cfg_default(&cfg, 1);
    struct sim *sim = sim_new(&cfg);
    int64_t last = sim_now(sim);

    for (uint32_t i = 0; i < 1000; i++) {
        if (i % 10 == 0)
            sim_advance(sim, last + (int64_t)(i % 3) - 1); /* forward, to now, and back: which does nothing */
        int64_t now = sim_now(sim);
        assert_true(now > last);
        last = now;
    }
    sim_free(sim);
}

/* A peer sends in random pieces, and a number is made of everything that could differ. */
static uint64_t
story(uint64_t seed)
{
    struct sim_cfg cfg;
    struct rig r;
    uint8_t bytes[5000];
    uint64_t print = 0, n_sent = 0, n_rounds = 0;

    sim_cfg_default(&cfg, seed);
    rig_start(&r, &cfg);
    struct sim_peer *p = rig_connect(&r);
    while (n_sent < 100000) {
        uint64_t len = 1 + rng_below(sim_rng(r.sim), sizeof(bytes));
        memset(bytes, (int)len, sizeof(bytes));
        n_sent += sim_peer_send(p, bytes, len);
        rig_round(&r);
        print = print * 1000003 + r.n_in;
        n_rounds++;
    }
    RUN_UNTIL(&r, r.n_in == n_sent);
    print = print * 1000003 + r.sum + (uint64_t)sim_clock(r.sim) + n_rounds;
    sim_peer_free(p);
    rig_stop(&r);
    return print;
}

static void
one_seed_is_one_story(void **state)
{
    uint64_t n_same = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t first = story(seed);
        assert_int_equal(first, story(seed));
        n_same += first == story(seed + 1);
    }
    assert_int_equal(n_same, 0);
}

/* ---- network ---- */

/* Two peers write one after the other: the bytes of each come in order, and in some worlds those of the second come first. */
static void
connections_overtake_each_other_but_bytes_do_not(void **state)
{
    uint32_t n_overtaken = 0, n_in_order = 0;
    (void)state;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        struct sim_peer *p = rig_connect(&r), *q = rig_connect(&r);
        RUN_UNTIL(&r, r.n_accepted == 2);
        assert_int_equal(sim_peer_send(p, "1", 1), 1);
        assert_int_equal(sim_peer_send(p, "2", 1), 1);
        assert_int_equal(sim_peer_send(q, "q", 1), 1);
        RUN_UNTIL(&r, r.n_text == 3);
        assert_true(strchr(r.text, '1') < strchr(r.text, '2'));
        n_overtaken += r.text[0] == 'q';
        n_in_order += r.text[2] == 'q';
        sim_peer_free(p);
        sim_peer_free(q);
        rig_stop(&r);
    }
    assert_true(n_overtaken > N_SEEDS / 20 && n_in_order > N_SEEDS / 20);
}

/* With refusals and accepts that fail: in some worlds it goes well, in others each of them comes. */
static void
what_can_fail_fails_sometimes(void **state)
{
    uint32_t n_open = 0, n_refused = 0, n_accept_failed = 0;
    (void)state;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        sim_cfg_default(&cfg, seed);
        cfg.refuse_ppm = 300000;
        cfg.accept_fail_ppm = 300000;
        rig_start(&r, &cfg);
        struct sim_peer *p = rig_connect(&r);
        n_open += sim_peer_state(p) == SIM_PEER_OPEN;
        n_refused += sim_peer_state(p) == SIM_PEER_REFUSED;
        n_accept_failed += r.n_accept_failed > 0;
        sim_peer_free(p);
        rig_stop(&r);
    }
    assert_true(n_open > N_SEEDS / 2 && n_refused > N_SEEDS / 10 && n_accept_failed > N_SEEDS / 20);
    assert_int_equal(n_open + n_refused, N_SEEDS);
}

static void
nobody_listens_on_a_closed_port(void **state)
{
    struct sim_cfg cfg;
    struct rig r;
    (void)state;

    sim_cfg_default(&cfg, 7);
    rig_start(&r, &cfg);
    struct sim_peer *p = sim_peer_connect(r.sim, SERVER, (uint16_t)(r.port + 1));
    RUN_UNTIL(&r, sim_peer_state(p) == SIM_PEER_REFUSED);
    assert_int_equal(sim_peer_send(p, "x", 1), 0);
    sim_peer_free(p);
    rig_stop(&r);
}

/* While a link is cut nothing passes; when it heals everything does. New connections time out. */
static void
a_cut_link_holds_bytes_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        struct sim_peer *p = rig_connect(&r);
        sim_link_cut(r.sim, SIM_HOST_OUTSIDE, SERVER, true);
        assert_int_equal(sim_peer_send(p, "hello", 5), 5);
        struct sim_peer *q = sim_peer_connect(r.sim, SERVER, r.port);
        RUN_UNTIL(&r, sim_peer_state(q) == SIM_PEER_REFUSED);
        assert_int_equal(r.n_in, 0);
        sim_link_cut(r.sim, SIM_HOST_OUTSIDE, SERVER, false);
        RUN_UNTIL(&r, r.n_in == 5);
        sim_peer_free(p);
        sim_peer_free(q);
        rig_stop(&r);
    }
}

static void
ends_are_told_apart(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        struct sim_peer *p = rig_connect(&r);
        assert_int_equal(sim_peer_send(p, "bye", 3), 3);
        if (seed % 2 == 0)
            sim_peer_close(p);
        else
            sim_peer_reset(p);
        RUN_UNTIL(&r, r.n_ends == 1);
        assert_int_equal(r.end_err, seed % 2 == 0 ? ERR_CLOSED : ERR_RESET);
        if (seed % 2 == 0)
            assert_int_equal(r.n_in, 3); /* a close delivers first; a reset may, or not */
        sim_peer_free(p);
        rig_stop(&r);
    }
}

/* The server closes: the peer has the bytes that were sent, then the end. */
static void
a_peer_sees_the_bytes_then_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        char got[16];
        size_t sent = 0, n_got = 0;
        sim_cfg_default(&cfg, seed);
        cfg.later_pct = 0;
        cfg.short_pct = 0;
        rig_start(&r, &cfg);
        struct sim_peer *p = rig_connect(&r);
        struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)"last ", .iov_len = 5}, {.iov_base = (void *)(uintptr_t)"words", .iov_len = 5}};
        assert_int_equal(io_send(r.io, &r.socks[0], iov, 2, &sent), OK);
        assert_int_equal(sent, 10);
        io_close(r.io, &r.socks[0]);
        while (sim_peer_state(p) == SIM_PEER_OPEN) {
            if (sim_peer_readable(p))
                n_got += sim_peer_recv(p, got + n_got, sizeof(got) - n_got);
            else
                rig_round(&r);
        }
        assert_int_equal(sim_peer_state(p), SIM_PEER_EOF);
        assert_int_equal(n_got, 10);
        assert_memory_equal(got, "last words", 10);
        sim_peer_free(p);
        RUN_UNTIL(&r, r.n_closed == 1);
        rig_stop(&r);
    }
}

/* ---- crashes ---- */

/* 4 sectors synced, then written again: after the crash each sector is old or new, whole, and over the seeds all outcomes come. */
static void
a_crash_keeps_what_was_synced_and_tears_the_rest(void **state)
{
    enum { LEN = 4 * SIM_SECTOR_LEN };
    uint32_t n_all = 0, n_none = 0, n_torn = 0, n_longer = 0;
    (void)state;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        uint8_t old[LEN], new[2 * LEN], got[LEN];
        memset(old, 'o', sizeof(old));
        memset(new, 'n', sizeof(new));
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        int fd = rig_file_open(&r, "/d/log", O_RDWR | O_CREAT);
        int dir = rig_file_open(&r, "/d", O_RDONLY | O_DIRECTORY);
        rig_file_write(&r, fd, old, LEN, 0, false);
        assert_int_equal(rig_file_sync(&r, fd), OK);
        assert_int_equal(rig_file_sync(&r, dir), OK);
        rig_file_write(&r, fd, new, sizeof(new), 0, false);
        assert_int_equal(sim_file_len(r.sim, SERVER, "/d/log"), 2 * LEN);
        rig_crash(&r);
        int64_t len = sim_file_len(r.sim, SERVER, "/d/log");
        assert_true(len >= LEN);
        n_longer += len > LEN;
        read_whole(&r, "/d/log", got, LEN);
        uint32_t n_new = 0;
        for (uint32_t i = 0; i < LEN; i += SIM_SECTOR_LEN) {
            bool is_new = got[i] == 'n';
            assert_memory_equal(got + i, is_new ? new : old, SIM_SECTOR_LEN);
            n_new += is_new;
        }
        n_all += n_new == LEN / SIM_SECTOR_LEN;
        n_none += n_new == 0;
        n_torn += n_new > 0 && n_new < LEN / SIM_SECTOR_LEN;
        rig_drop(&r);
    }
    assert_true(n_all > 10 && n_none > 10 && n_torn > 10 && n_longer > 10);
}

/* A durable write is there after a crash, whatever comes. */
static void
a_dsync_write_survives(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        uint8_t bytes[1000], got[1000];
        memset(bytes, 'd', sizeof(bytes));
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        int fd = rig_file_open(&r, "/d/log", O_RDWR | O_CREAT);
        assert_int_equal(rig_file_sync(&r, rig_file_open(&r, "/d", O_RDONLY | O_DIRECTORY)), OK);
        rig_file_write(&r, fd, bytes, sizeof(bytes), 0, true);
        assert_int_equal(r.file_err, OK);
        rig_crash(&r);
        read_whole(&r, "/d/log", got, sizeof(got));
        assert_memory_equal(got, bytes, sizeof(got));
        rig_drop(&r);
    }
}

/* A sync fails; the next one says OK; the bytes are gone all the same. Written again, they stay. */
static void
a_failed_sync_forgets(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        bool again = seed % 2 == 1;
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        int fd = rig_file_open(&r, "/d/log", O_RDWR | O_CREAT);
        assert_int_equal(rig_file_sync(&r, rig_file_open(&r, "/d", O_RDONLY | O_DIRECTORY)), OK);
        rig_file_write(&r, fd, "precious", 8, 0, false);
        cfg.sync_fail_ppm = SIM_PPM;
        sim_tune(r.sim, &cfg);
        assert_int_equal(rig_file_sync(&r, fd), ERR_IO);
        cfg.sync_fail_ppm = 0;
        sim_tune(r.sim, &cfg);
        if (again)
            rig_file_write(&r, fd, "precious", 8, 0, false);
        assert_int_equal(rig_file_sync(&r, fd), OK);
        rig_crash(&r);
        assert_int_equal(sim_file_len(r.sim, SERVER, "/d/log"), again ? 8 : 0);
        rig_drop(&r);
    }
}

/* Names that were not synced: a crash keeps a beginning of what was done, never a later change without an earlier one. */
static void
names_survive_in_their_order(void **state)
{
    uint32_t n_seen[4] = {0};
    (void)state;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        struct sim_cfg cfg;
        struct rig r;
        sim_cfg_default(&cfg, seed);
        rig_start(&r, &cfg);
        (void)rig_file_open(&r, "/d/tmp", O_RDWR | O_CREAT);
        io_file_rename(r.io, &r.req, "/d/tmp", "/d/state");
        rig_file_done(&r);
        assert_int_equal(r.file_err, OK);
        (void)rig_file_open(&r, "/d/next", O_RDWR | O_CREAT);
        bool synced = seed % 4 == 0;
        if (synced)
            assert_int_equal(rig_file_sync(&r, rig_file_open(&r, "/d", O_RDONLY | O_DIRECTORY)), OK);
        rig_crash(&r);
        bool tmp = sim_file_len(r.sim, SERVER, "/d/tmp") >= 0, st = sim_file_len(r.sim, SERVER, "/d/state") >= 0,
             next = sim_file_len(r.sim, SERVER, "/d/next") >= 0;
        assert_false(tmp && st);
        assert_false(next && !st);
        if (synced)
            assert_true(next && st);
        else
            n_seen[next ? 3 : st ? 2 : tmp ? 1 : 0]++;
        rig_drop(&r);
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_true(n_seen[i] > 5);
}

/* A crash resets connections, and a new server may listen on the same port. */
static void
a_crash_resets_connections(void **state)
{
    struct sim_cfg cfg;
    struct rig r;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)state;

    sim_cfg_default(&cfg, 3);
    rig_start(&r, &cfg);
    struct sim_peer *p = rig_connect(&r);
    rig_crash(&r);
    RUN_UNTIL(&r, sim_peer_state(p) == SIM_PEER_RESET);
    a.sin_port = htons(r.port);
    assert_int_equal(io_listen(r.io, &r.listener, (const struct sockaddr *)&a, sizeof(a), 16, 0, &r, &r.port), OK);
    sim_peer_free(p);
    r.socks[0].fd = -1;
    rig_stop(&r);
}

static void
bits_flip_for_good(void **state)
{
    struct sim_cfg cfg;
    struct rig r;
    uint8_t bytes[100] = {0}, got[100], again[100];
    uint32_t n_bits = 0;
    (void)state;

    sim_cfg_default(&cfg, 5);
    rig_start(&r, &cfg);
    int fd = rig_file_open(&r, "/d/log", O_RDWR | O_CREAT);
    rig_file_write(&r, fd, bytes, sizeof(bytes), 0, true);
    cfg.flip_ppm = SIM_PPM;
    sim_tune(r.sim, &cfg);
    read_whole(&r, "/d/log", got, sizeof(got));
    cfg.flip_ppm = 0;
    sim_tune(r.sim, &cfg);
    read_whole(&r, "/d/log", again, sizeof(again));
    assert_memory_equal(got, again, sizeof(got));
    for (uint32_t i = 0; i < sizeof(got); i++)
        n_bits += (uint32_t)__builtin_popcount(got[i]);
    assert_int_equal(n_bits, 1);
    sim_file_flip(r.sim, SERVER, "/d/log", 0);
    read_whole(&r, "/d/log", again, sizeof(again));
    assert_int_equal(again[0], got[0] ^ 1);
    rig_stop(&r);
}

static void
a_full_disk_says_so(void **state)
{
    struct sim_cfg cfg;
    struct rig r;
    static uint8_t bytes[1000];
    (void)state;

    sim_cfg_default(&cfg, 5);
    cfg.disk_bytes_max = 2500;
    rig_start(&r, &cfg);
    int fd = rig_file_open(&r, "/d/log", O_RDWR | O_CREAT);
    rig_file_write(&r, fd, bytes, 1000, 0, false);
    rig_file_write(&r, fd, bytes, 1000, 1000, false);
    assert_int_equal(r.file_err, OK);
    rig_file_write(&r, fd, bytes, 1000, 2000, false);
    assert_int_equal(r.file_err, ERR_NOSPACE);
    rig_file_write(&r, fd, bytes, 1000, 0, false); /* over what is there already */
    assert_int_equal(r.file_err, OK);
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_never_shows_a_time_twice),
        cmocka_unit_test(one_seed_is_one_story),
        cmocka_unit_test(connections_overtake_each_other_but_bytes_do_not),
        cmocka_unit_test(what_can_fail_fails_sometimes),
        cmocka_unit_test(nobody_listens_on_a_closed_port),
        cmocka_unit_test(a_cut_link_holds_bytes_back),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(a_peer_sees_the_bytes_then_the_end),
        cmocka_unit_test(a_crash_keeps_what_was_synced_and_tears_the_rest),
        cmocka_unit_test(a_dsync_write_survives),
        cmocka_unit_test(a_failed_sync_forgets),
        cmocka_unit_test(names_survive_in_their_order),
        cmocka_unit_test(a_crash_resets_connections),
        cmocka_unit_test(bits_flip_for_good),
        cmocka_unit_test(a_full_disk_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
