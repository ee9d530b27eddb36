/* io_bench.c - what the io backends cost: CPU of the shard's thread per event, in a few plain shapes of traffic.
 *
 *     io_bench [scenario ...] [--ways a,b] [--rounds n] [--ms n] [--same-cpu]
 *
 * The shard's thread runs one backend on CPU 0; the load is a thread with plain blocking sockets and poll on CPU 1 (or 0 with
 * --same-cpu). Ways are interleaved round by round, and the median of the rounds is printed with the smallest and the largest:
 * on a shared machine a single number means nothing.
 *
 *   stream   n sockets send 64 KB blocks as fast as they can        ns per KB
 *   trickle  n sockets send 200 bytes each, then wait for the answer ns per request
 *   ping     1 socket, 16 bytes there and back                      ns per round trip
 *   fan      1 message of 128 bytes in, n out                       ns per message out
 *
 * Not a test: it asserts nothing about time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/io_priv.h"
#include "core/rt/util.h"

enum { N_SOCKS_MAX = 1024, N_ROUNDS_MAX = 99, BLOCK = 65536 };

enum load { LOAD_STREAM, LOAD_TRICKLE, LOAD_PING, LOAD_FAN };

struct scenario {
    const char *name;
    enum load load;
    uint32_t n_socks, msg_len;
};

static const struct scenario scenarios[] = {
    {"stream1", LOAD_STREAM, 1, BLOCK},   {"stream8", LOAD_STREAM, 8, BLOCK},    {"trickle16", LOAD_TRICKLE, 16, 200},
    {"trickle128", LOAD_TRICKLE, 128, 200}, {"trickle256", LOAD_TRICKLE, 256, 200}, {"ping", LOAD_PING, 1, 16},            {"fan8", LOAD_FAN, 8, 128},
    {"fan2", LOAD_FAN, 2, 128},           {"fan4", LOAD_FAN, 4, 128},            {"fan16", LOAD_FAN, 16, 128},
    {"fan64", LOAD_FAN, 64, 128},         {"fan512", LOAD_FAN, 512, 128},
    {"bigfan16", LOAD_FAN, 16, 16384},    {"bigfan64", LOAD_FAN, 64, 16384},
};

struct way {
    const char *name;
    enum io_backend backend;
    uint32_t recv_bytes;
    struct io_uring_tune tune;
};

static const struct way ways[] = {
    {"uring", IO_URING, 0, {0}},
    {"epoll", IO_EPOLL, 0, {0}},
    {"single", IO_URING, 0, {.no_bundle = true}},
    {"single64k", IO_URING, 0, {.no_bundle = true, .recv_buf_len = 65536}},
    {"bundle2k", IO_URING, 0, {.recv_buf_len = 2048}},
    {"bundle16k", IO_URING, 0, {.recv_buf_len = 16 * 1024}},
    {"inline", IO_URING, 0, {.n_inline_max = UINT32_MAX}},
    {"inline4", IO_URING, 0, {.n_inline_max = 4}},
    {"queued", IO_URING, 0, {.no_inline = true}},
    {"nodefer", IO_URING, 0, {.no_defer = true}},
    {"limit64k", IO_URING, 0, {.recv_limit_bytes = 65536}},
    {"limit1m", IO_URING, 0, {.recv_limit_bytes = 1024 * 1024}},
    {"recv256k", IO_URING, 256 * 1024, {0}},
    {"recv4m", IO_URING, 4 * 1024 * 1024, {0}},
    {"epoll256k", IO_EPOLL, 256 * 1024, {0}},
};

struct conn {
    struct io_sock s;
    uint8_t *out;
    uint32_t out_len, out_off;
    bool pending;
};

struct bench {
    const struct scenario *sc;
    const struct way *way;
    int shard_cpu, load_cpu;
    int64_t run_ns;
    uint16_t port;         /* atomic: set when listening */
    uint32_t stop;         /* atomic: the load has finished */
    uint64_t n_ops;        /* the load counts them */
    /* the shard's */
    struct io *io;
    struct conn *conns;
    uint32_t n_conns;
    struct io_sock listener;
    uint64_t sum;
    int64_t cpu_ns, wall_ns;
    struct io_stats stats;
};

static void
bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set); /* fewer CPUs: runs anyway */
}

static int64_t
bench_clock(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* ---- The shard ---- */

static void
bench_send(struct bench *b, struct conn *c)
{
    size_t sent = 0;
    while (!c->pending && c->out_off < c->out_len) {
        struct iovec iov = {.iov_base = c->out + c->out_off, .iov_len = c->out_len - c->out_off};
        enum err e = io_send(b->io, &c->s, &iov, 1, &sent);
        if (e == ERR_PENDING)
            c->pending = true;
        else if (e == OK)
            c->out_off += (uint32_t)sent;
        else
            return;
    }
}

static void
bench_on_recv(struct bench *b, struct conn *c, const struct io_event *ev)
{
    if (ev->err != OK)
        return;
    /* Touch it as a parser would, though faster: 8 bytes at a time. */
    for (uint32_t i = 0; i + 8 <= ev->len; i += 8) {
        uint64_t w;
        memcpy(&w, ev->data + i, 8);
        b->sum += w;
    }
    if (b->sc->load == LOAD_TRICKLE || b->sc->load == LOAD_PING) {
        if (c->out_off == c->out_len)
            c->out_off = c->out_len = 0; /* else a message came in two pieces */
        ASSERT(c->out_len + ev->len <= b->sc->msg_len);
        memcpy(c->out + c->out_len, ev->data, ev->len);
        c->out_len += ev->len;
    } else if (b->sc->load == LOAD_FAN) {
        for (uint32_t i = 1; i < b->n_conns; i++) {
            struct conn *to = &b->conns[i];
            if (to->out_off == to->out_len)
                to->out_off = to->out_len = 0;
            ASSERT(to->out_len + ev->len <= b->sc->msg_len);
            memcpy(to->out + to->out_len, ev->data, ev->len);
            to->out_len += ev->len;
        }
    }
    io_buf_give(b->io, ev->buf);
}

static void
bench_on_event(struct bench *b, const struct io_event *ev)
{
    struct conn *c = ev->owner;
    if (ev->kind == IO_EV_RECV) {
        bench_on_recv(b, c, ev);
    } else if (ev->kind == IO_EV_SEND) {
        c->pending = false;
        c->out_off += ev->len;
        bench_send(b, c);
    } else if (ev->kind == IO_EV_ACCEPT) {
        ASSERT(ev->err == OK && b->n_conns < N_SOCKS_MAX);
        c = &b->conns[b->n_conns++];
        c->out = malloc(b->sc->msg_len);
        ASSERT(c->out != NULL);
        io_sock_init(b->io, &c->s, (int)ev->res, c);
        io_recv_start(b->io, &c->s);
    }
}

/* Take, handle, then send for every connection that has something: the order of a shard's turn. */
static void
bench_turn(struct bench *b, struct io_event *evs, bool sends)
{
    io_wait(b->io, io_now(b->io) + NS_PER_S);
    uint32_t n = io_take(b->io, evs, IO_TAKE_MAX);
    for (uint32_t i = 0; i < n; i++)
        bench_on_event(b, &evs[i]);
    if (!sends)
        return;
    if (b->sc->load == LOAD_FAN) {
        for (uint32_t i = 1; i < b->n_conns; i++)
            bench_send(b, &b->conns[i]);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        if (evs[i].kind == IO_EV_RECV && evs[i].err == OK)
            bench_send(b, evs[i].owner);
}

static void
bench_open(struct bench *b)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct io_cfg cfg = {.backend = b->way->backend, .recv_bufs_bytes = b->way->recv_bytes};
    uint16_t port;
    enum err e = cfg.backend == IO_URING ? io_uring_new_tuned(&cfg, &b->way->tune, &b->io) : io_new(&cfg, &b->io);
    ASSERT(e == OK);
    e = io_listen(b->io, &b->listener, (const struct sockaddr *)&a, sizeof(a), 1024, 0, NULL, &port);
    ASSERT(e == OK);
    io_accept_start(b->io, &b->listener);
    __atomic_store_n(&b->port, port, __ATOMIC_RELEASE);
}

static void
bench_close(struct bench *b, struct io_event *evs)
{
    uint32_t n_left = b->n_conns + 1;
    io_close(b->io, &b->listener);
    for (uint32_t i = 0; i < b->n_conns; i++)
        io_close(b->io, &b->conns[i].s);
    while (n_left > 0) {
        io_wait(b->io, 0);
        uint32_t n = io_take(b->io, evs, IO_TAKE_MAX);
        for (uint32_t i = 0; i < n; i++) {
            n_left -= evs[i].kind == IO_EV_CLOSED;
            if (evs[i].kind == IO_EV_RECV && evs[i].err == OK)
                io_buf_give(b->io, evs[i].buf);
        }
    }
    io_free(b->io);
}

static void *
bench_shard(void *arg)
{
    static _Thread_local struct io_event evs[IO_TAKE_MAX];
    struct bench *b = arg;
    struct io_stats before;
    uint32_t n_wanted = b->sc->n_socks + (b->sc->load == LOAD_FAN);

    bench_pin(b->shard_cpu);
    bench_open(b);
    while (b->n_conns < n_wanted)
        bench_turn(b, evs, false);
    int64_t cpu = bench_clock(CLOCK_THREAD_CPUTIME_ID), wall = bench_clock(CLOCK_MONOTONIC);
    before = *io_stats(b->io);
    while (__atomic_load_n(&b->stop, __ATOMIC_ACQUIRE) == 0)
        bench_turn(b, evs, true);
    b->cpu_ns = bench_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
    b->wall_ns = bench_clock(CLOCK_MONOTONIC) - wall;
    b->stats = *io_stats(b->io);
    b->stats.n_enter -= before.n_enter;
    b->stats.n_recv -= before.n_recv;
    b->stats.n_send -= before.n_send;
    bench_close(b, evs);
    return NULL;
}

/* ---- The load ---- */

static int
load_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void
load_write(int fd, const void *from, size_t len)
{
    const uint8_t *p = from;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

static void
load_read(int fd, size_t len)
{
    static _Thread_local uint8_t buf[BLOCK];
    while (len > 0) {
        ssize_t n = recv(fd, buf, min_u64(len, sizeof(buf)), 0);
        if (n <= 0)
            return;
        len -= (size_t)n;
    }
}

static void
load_stream(struct bench *b, const int *fds, int64_t until)
{
    static _Thread_local struct pollfd p[N_SOCKS_MAX];
    static _Thread_local uint8_t block[BLOCK];

    for (uint32_t i = 0; i < b->sc->n_socks; i++)
        p[i] = (struct pollfd){.fd = fds[i], .events = POLLOUT};
    while (bench_clock(CLOCK_MONOTONIC) < until) {
        (void)poll(p, b->sc->n_socks, 100);
        for (uint32_t i = 0; i < b->sc->n_socks; i++) {
            ssize_t n = p[i].revents & POLLOUT ? send(fds[i], block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
            b->n_ops += n > 0 ? (uint64_t)n / 1024 : 0;
        }
    }
}

static void
load_run(struct bench *b, const int *fds)
{
    static _Thread_local uint8_t msg[BLOCK];
    int64_t until = bench_clock(CLOCK_MONOTONIC) + b->run_ns;
    const struct scenario *sc = b->sc;

    if (sc->load == LOAD_STREAM) {
        load_stream(b, fds, until);
        return;
    }
    while (bench_clock(CLOCK_MONOTONIC) < until) {
        if (sc->load == LOAD_FAN) {
            load_write(fds[0], msg, sc->msg_len);
            for (uint32_t i = 1; i <= sc->n_socks; i++)
                load_read(fds[i], sc->msg_len);
        } else {
            for (uint32_t i = 0; i < sc->n_socks; i++)
                load_write(fds[i], msg, sc->msg_len);
            for (uint32_t i = 0; i < sc->n_socks; i++)
                load_read(fds[i], sc->msg_len);
        }
        b->n_ops += sc->n_socks;
    }
}

static void
bench_run(struct bench *b)
{
    int fds[N_SOCKS_MAX];
    pthread_t shard;
    uint32_t n = b->sc->n_socks + (b->sc->load == LOAD_FAN);

    b->conns = calloc(N_SOCKS_MAX, sizeof(*b->conns));
    ASSERT(b->conns != NULL && pthread_create(&shard, NULL, bench_shard, b) == 0);
    bench_pin(b->load_cpu);
    while (__atomic_load_n(&b->port, __ATOMIC_ACQUIRE) == 0)
        (void)sched_yield();
    for (uint32_t i = 0; i < n; i++) {
        fds[i] = load_connect(b->port);
        if (b->sc->load == LOAD_FAN && i == 0)
            (void)usleep(20000); /* the first accepted one must be the publisher */
    }
    (void)usleep(50000);
    load_run(b, fds);
    __atomic_store_n(&b->stop, 1, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < n; i++)
        (void)close(fds[i]); /* end of stream: the shard's wait returns */
    (void)pthread_join(shard, NULL);
    for (uint32_t i = 0; i < b->n_conns; i++)
        free(b->conns[i].out);
    free(b->conns);
}

/* ---- The table ---- */

struct result {
    double ns[N_ROUNDS_MAX], enters, recvs, per_s;
    uint32_t n;
};

static int
result_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool
bench_named(int argc, char **argv, const char *name)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            i += strcmp(argv[i], "--same-cpu") != 0;
            continue;
        }
        any = true;
        if (strncmp(name, argv[i], strlen(argv[i])) == 0)
            return true;
    }
    return !any;
}

static const char *
bench_opt(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}

static bool
bench_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += len)
        if ((p == list || p[-1] == ',') && (p[len] == 0 || p[len] == ','))
            return true;
    return false;
}

int
main(int argc, char **argv)
{
    const char *list = bench_opt(argc, argv, "--ways", "uring,epoll");
    uint32_t n_rounds = (uint32_t)min_u64((uint64_t)atoi(bench_opt(argc, argv, "--rounds", "5")), N_ROUNDS_MAX);
    int64_t run_ns = atoi(bench_opt(argc, argv, "--ms", "300")) * NS_PER_MS;
    bool same_cpu = false;

    for (int i = 1; i < argc; i++)
        same_cpu |= strcmp(argv[i], "--same-cpu") == 0;
    printf("%-11s %-10s %10s %10s %10s %12s %10s %10s\n", "scenario", "way", "ns/op", "min", "max", "op/s", "enters/op",
           "recvs/op");
    for (uint32_t k = 0; k < N_ELEMS(scenarios); k++) {
        static struct result res[N_ELEMS(ways)];
        if (!bench_named(argc, argv, scenarios[k].name))
            continue;
        memset(res, 0, sizeof(res));
        for (uint32_t round = 0; round <= n_rounds; round++) {
            for (uint32_t w = 0; w < N_ELEMS(ways); w++) {
                struct bench b = {.sc = &scenarios[k], .way = &ways[w], .run_ns = run_ns, .load_cpu = same_cpu ? 0 : 1};
                if (!bench_listed(list, ways[w].name))
                    continue;
                bench_run(&b);
                if (round == 0)
                    continue; /* warming up */
                res[w].ns[res[w].n++] = (double)b.cpu_ns / (double)b.n_ops;
                res[w].enters = (double)b.stats.n_enter / (double)b.n_ops;
                res[w].recvs = (double)b.stats.n_recv / (double)b.n_ops;
                res[w].per_s = (double)b.n_ops / (double)b.wall_ns * 1e9;
            }
        }
        for (uint32_t w = 0; w < N_ELEMS(ways); w++) {
            if (res[w].n == 0)
                continue;
            qsort(res[w].ns, res[w].n, sizeof(double), result_cmp);
            printf("%-11s %-10s %10.1f %10.1f %10.1f %12.0f %10.4f %10.4f\n", scenarios[k].name, ways[w].name, res[w].ns[res[w].n / 2],
                   res[w].ns[0], res[w].ns[res[w].n - 1], res[w].per_s, res[w].enters, res[w].recvs);
            (void)fflush(stdout);
        }
    }
    return 0;
}
