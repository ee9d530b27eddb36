/* Tests of io.h: the suite of io_suite.h on each real backend, and what only a real kernel can do: threads and signals that
 * wake, limits of descriptors, resets, a kernel that refuses io_uring.
 *
 *     io_test WAY     WAY: a name of `ways` below, or `real`
 */
#include "core/rt/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/io_priv.h"
#include "core/rt/io_suite.h"
#include "core/rt/io_uring_priv.h"
#include "core/rt/poison.h"
#include "core/rt/util.h"

/* What to test: the defaults, and by force what other kernels and tiny rings lead to. */
static const struct way {
    const char *name;
    enum io_backend backend;
    uint32_t n_entries, recv_bytes;
    struct io_uring_tune tune;
} ways[] = {
    {"uring", IO_URING, 0, 0, {0}},
    {"uring_old", IO_URING, 0, 0, {.no_bundle = true, .no_defer = true, .no_msg_ring = true, .n_inline_max = UINT32_MAX}},
    {"uring_tiny", IO_URING, 4, 1, {.n_cqes = 4, .no_inline = true}}, /* every ring overflows all the time */
    {"epoll", IO_EPOLL, 0, 0, {0}},
    {"epoll_tiny", IO_EPOLL, 0, 1, {0}},
};

static enum err
way_open(void *arg, uint32_t shard_id, struct io **ret_io)
{
    const struct way *w = arg;
    struct io_cfg cfg = {.backend = w->backend, .n_entries = w->n_entries, .recv_bufs_bytes = w->recv_bytes, .shard_id = shard_id};

    return w->backend == IO_URING ? io_uring_new_tuned(&cfg, &w->tune, ret_io) : io_new(&cfg, ret_io);
}

static bool
have_uring(void)
{
    struct io_cfg cfg = {.backend = IO_URING};
    struct io *io;

    if (io_new(&cfg, &io) != OK)
        return false;
    io_free(io);
    return true;
}

static struct io *
open_way(uint32_t i)
{
    struct io *io = NULL;

    assert_int_equal(way_open((void *)(uintptr_t)&ways[i], 0, &io), OK);
    return io;
}

/* ---- Small sockets ---- */

enum { N_ACCEPTED_MAX = 8 };

struct tally {
    uint32_t n[IO_EV_FILE + 1], n_err[IO_EV_FILE + 1];
    enum err last_err[IO_EV_FILE + 1];
    int last_fd;
    int fds[N_ACCEPTED_MAX]; /* accepted */
    uint32_t n_fds;
    uint64_t n_bytes;
};

static struct io_event evs[IO_TAKE_MAX];

/* One turn; what the events say goes into the tally of their owner. */
static void
turn(struct io *io, int64_t deadline_ns)
{
    io_wait(io, deadline_ns);
    uint32_t n = io_take(io, evs, IO_TAKE_MAX);
    for (uint32_t i = 0; i < n; i++) {
        struct tally *t = evs[i].owner;
        t->n[evs[i].kind]++;
        t->n_err[evs[i].kind] += evs[i].err != OK;
        t->last_err[evs[i].kind] = (enum err)evs[i].err;
        if (evs[i].kind == IO_EV_ACCEPT && evs[i].err == OK) {
            t->last_fd = (int)evs[i].res;
            if (t->n_fds < N_ACCEPTED_MAX)
                t->fds[t->n_fds++] = t->last_fd;
        }
        if (evs[i].kind == IO_EV_RECV && evs[i].err == OK) {
            t->n_bytes += evs[i].len;
            io_buf_give(io, evs[i].buf);
        }
    }
}

#define TURN_UNTIL(io, cond)                                     \
    do {                                                         \
        int64_t until_ = io_now(io) + 60 * NS_PER_S;             \
        while (!(cond)) {                                        \
            turn(io, io_now(io) + 10 * NS_PER_MS);               \
            if (io_now(io) > until_)                             \
                fail_msg("never came true: %s", #cond);          \
        }                                                        \
    } while (0)

static struct sockaddr_in
loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return a;
}

static uint16_t
listen_on(struct io *io, struct io_sock *s, struct tally *t)
{
    struct sockaddr_in a = loopback(0);
    uint16_t port = 0;

    assert_int_equal(io_listen(io, s, (const struct sockaddr *)&a, sizeof(a), 128, 0, t, &port), OK);
    io_accept_start(io, s);
    return port;
}

static int
raw_connect(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void
close_sock(struct io *io, struct io_sock *s, struct tally *t)
{
    io_close(io, s);
    TURN_UNTIL(io, t->n[IO_EV_CLOSED] == 1);
}

/* A raw client connected to a socket of io. */
static int
raw_pair(struct io *io, struct io_sock *s, struct tally *t)
{
    struct io_sock l;
    struct tally lt = {.last_fd = -1};
    int fd = raw_connect(listen_on(io, &l, &lt));

    TURN_UNTIL(io, lt.last_fd >= 0);
    close_sock(io, &l, &lt);
    io_sock_init(io, s, lt.last_fd, t);
    io_recv_start(io, s);
    return fd;
}

#define FOR_EACH_WAY(i) for (uint32_t i = have_uring() ? 0 : 3; i < N_ELEMS(ways); i++)

/* ---- Peers and limits ---- */

/* Nobody asks for it per connection: it comes from the listener, and any shard can take the descriptor. */
static void
an_accepted_connection_is_blocking_and_has_no_delay(void **state)
{
    (void)state;
    FOR_EACH_WAY(i)
    {
        struct io *io = open_way(i);
        struct io_sock s;
        struct tally t = {.n_bytes = 0};
        int no_delay = 0, fd = raw_pair(io, &s, &t);
        socklen_t len = sizeof(no_delay);

        assert_int_equal(getsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
        assert_true(no_delay);
        assert_int_equal(fcntl(s.fd, F_GETFL) & O_NONBLOCK, 0);
        close_sock(io, &s, &t);
        (void)close(fd);
        io_free(io);
    }
}

/* The peer resets: the stream ends with ERR_RESET, and sending is an error, not a signal. */
static void
a_reset_ends_the_stream(void **state)
{
    (void)state;
    FOR_EACH_WAY(i)
    {
        struct io *io = open_way(i);
        struct io_sock s;
        struct tally t = {.n_bytes = 0};
        struct linger hard = {.l_onoff = 1};
        struct iovec iov = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};
        size_t sent;
        int fd = raw_pair(io, &s, &t);

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
        (void)close(fd);
        TURN_UNTIL(io, t.n_err[IO_EV_RECV] == 1);
        assert_int_equal(t.last_err[IO_EV_RECV], ERR_RESET);
        enum err e = io_send(io, &s, &iov, 1, &sent);
        if (e == ERR_PENDING) {
            TURN_UNTIL(io, t.n[IO_EV_SEND] == 1);
            e = t.last_err[IO_EV_SEND];
        }
        assert_true(e == ERR_CLOSED || e == ERR_RESET);
        close_sock(io, &s, &t);
        io_free(io);
    }
}

/* A peer that sends and shuts down its side at once: the bytes, then the end, though both came in one piece of news. */
static void
bytes_and_end_in_one_go_are_both_told(void **state)
{
    (void)state;
    FOR_EACH_WAY(i)
    {
        struct io *io = open_way(i);
        struct io_sock s;
        struct tally t = {.n_bytes = 0};
        char bytes[1000] = {0};
        int fd = raw_pair(io, &s, &t);

        assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        TURN_UNTIL(io, t.n_err[IO_EV_RECV] == 1);
        assert_int_equal(t.n_bytes, sizeof(bytes));
        assert_int_equal(t.last_err[IO_EV_RECV], ERR_CLOSED);
        /* Our side still sends. */
        struct iovec iov = {.iov_base = bytes, .iov_len = 10};
        size_t sent = 0;
        enum err e = io_send(io, &s, &iov, 1, &sent);
        if (e == ERR_PENDING)
            TURN_UNTIL(io, t.n[IO_EV_SEND] == 1 && t.n_err[IO_EV_SEND] == 0);
        else
            assert_true(e == OK && sent == 10);
        assert_int_equal(recv(fd, bytes, 10, MSG_WAITALL), 10);
        close_sock(io, &s, &t);
        (void)close(fd);
        io_free(io);
    }
}

/* A connect that the other side neither takes nor refuses is canceled by closing. */
static void
closing_cancels_a_connect_on_the_way(void **state)
{
    (void)state;
    FOR_EACH_WAY(i)
    {
        enum { N = 4 };
        struct io *io = open_way(i);
        struct sockaddr_in a = loopback(0);
        socklen_t len = sizeof(a);
        struct io_sock s[N];
        struct tally t[N] = {0};
        uint32_t n_connected = 0;
        int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(l, (const struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(l, 0), 0); /* a queue of one, that nobody accepts from */
        assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
        for (uint32_t k = 0; k < N; k++)
            assert_int_equal(io_connect(io, &s[k], (const struct sockaddr *)&a, sizeof(a), &t[k]), OK);
        TURN_UNTIL(io, t[0].n[IO_EV_CONNECT] == 1);
        for (uint32_t k = 0; k < N; k++) {
            close_sock(io, &s[k], &t[k]);
            assert_int_equal(t[k].n[IO_EV_CONNECT], 1);
            if (t[k].n_err[IO_EV_CONNECT] == 0)
                n_connected++;
            else
                assert_int_equal(t[k].last_err[IO_EV_CONNECT], ERR_CANCELED);
        }
        assert_true(n_connected < N);
        (void)close(l);
        io_free(io);
    }
}

enum { N_FILL_MAX = 4096 };

/* Take every free descriptor below the highest one in use. Returns how many; *ret_next is the next free one. */
static uint32_t
fill_holes(int *fds, int *ret_next)
{
    uint32_t n = 0;
    int top = 0;

    for (int i = 0; i < N_FILL_MAX; i++)
        if (fcntl(i, F_GETFD) >= 0)
            top = i;
    for (;;) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0 && n < N_FILL_MAX);
        if (fd > top) {
            (void)close(fd);
            *ret_next = fd;
            return n;
        }
        fds[n++] = fd;
    }
}

/* Out of descriptors, accepting pauses, says so, tries again in a while without spinning, and goes on when there are some;
 * at once when one of ours is closed. */
static void
accepting_survives_running_out_of_descriptors(void **state)
{
    (void)state;
    enum { N = 6 };
    static int fill[N_FILL_MAX];
    struct rlimit before, tight;
    uint32_t n_fill;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    FOR_EACH_WAY(i)
    {
        struct io *io = open_way(i);
        struct io_sock l, mine;
        struct tally lt = {.last_fd = -1}, mt = {.last_fd = -1};
        uint16_t port = listen_on(io, &l, &lt);
        int fds[N], next;

        for (uint32_t k = 0; k < N; k++)
            fds[k] = raw_connect(port);
        n_fill = fill_holes(fill, &next);
        tight = (struct rlimit){.rlim_cur = (rlim_t)next + 1, .rlim_max = before.rlim_max}; /* room for one */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        TURN_UNTIL(io, lt.n_err[IO_EV_ACCEPT] == 1);
        assert_int_equal(lt.last_err[IO_EV_ACCEPT], ERR_NOFILE);
        assert_int_equal(lt.n[IO_EV_ACCEPT], 2);

        uint64_t n_enter = io_stats(io)->n_enter;
        int64_t far = io_now(io) + 60 * NS_PER_S;
        while (lt.n_err[IO_EV_ACCEPT] < 3)
            turn(io, far); /* the backend's own deadline ends this wait */
        assert_true(io_now(io) < far);
        assert_true(io_stats(io)->n_enter - n_enter < 30);
        assert_true(io_stats(io)->n_accept_fail >= 3);

        /* One of ours goes: the next is let in, whatever the pause. */
        io_sock_init(io, &mine, lt.last_fd, &mt);
        lt.n_fds--;
        uint32_t n_ok = lt.n[IO_EV_ACCEPT] - lt.n_err[IO_EV_ACCEPT];
        close_sock(io, &mine, &mt);
        TURN_UNTIL(io, lt.n[IO_EV_ACCEPT] - lt.n_err[IO_EV_ACCEPT] == n_ok + 1);

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        TURN_UNTIL(io, lt.n[IO_EV_ACCEPT] - lt.n_err[IO_EV_ACCEPT] == N);
        close_sock(io, &l, &lt);
        for (uint32_t k = 0; k < N; k++)
            (void)close(fds[k]);
        io_free(io);
        while (n_fill > 0)
            (void)close(fill[--n_fill]);
        for (uint32_t k = 0; k < N_ACCEPTED_MAX && k < lt.n_fds; k++)
            (void)close(lt.fds[k]);
    }
}

static int alarm_fd = -1;

static void
on_alarm(int sig)
{
    (void)sig;
    (void)close(alarm_fd);
}

/* The port is taken while io_listen begins, and freed 60 ms later: it was worth the retries. */
static void
listening_retries_while_the_address_is_in_use(void **state)
{
    (void)state;
    struct io *io = open_way(N_ELEMS(ways) - 1);
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof(a);
    struct io_sock s;
    struct tally t = {.last_fd = -1};
    uint16_t port = 0;
    struct itimerval soon = {.it_value.tv_usec = 60000};
    struct sigaction act = {.sa_handler = on_alarm}, old;

    alarm_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(alarm_fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(alarm_fd, 1), 0);
    assert_int_equal(getsockname(alarm_fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(sigaction(SIGALRM, &act, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    assert_int_equal(io_listen(io, &s, (const struct sockaddr *)&a, len, 1, 30000, &t, &port), OK);
    assert_int_equal(port, ntohs(a.sin_port));
    close_sock(io, &s, &t);
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
    io_free(io);
}

/* ---- Waking ---- */

struct waker {
    pthread_t thread;
    uint32_t way;
    struct io *io;        /* atomic: made by the thread that runs it */
    struct waker *peer;   /* whom to answer, by io_wake; NULL: nobody */
    uint64_t seen, n_max; /* atomic; asked for: the number to reach */
    uint64_t asked;       /* atomic */
};

/* A shard that sleeps for an hour unless woken, and answers each request that it finds. */
static void *
waker_run(void *arg)
{
    struct waker *w = arg;
    struct io *io = NULL;
    struct io_event mine[8];

    if (way_open((void *)(uintptr_t)&ways[w->way], 0, &io) != OK)
        return NULL;
    __atomic_store_n(&w->io, io, __ATOMIC_RELEASE);
    for (uint64_t seen = 0; seen < w->n_max;) {
        io_wait(io, io_now(io) + 3600 * NS_PER_S);
        (void)io_take(io, mine, N_ELEMS(mine));
        uint64_t asked = __atomic_load_n(&w->asked, __ATOMIC_ACQUIRE);
        if (asked == seen)
            continue;
        seen = asked;
        __atomic_store_n(&w->seen, seen, __ATOMIC_RELEASE);
        if (w->peer != NULL) {
            __atomic_store_n(&w->peer->asked, seen, __ATOMIC_RELEASE);
            io_wake(io, __atomic_load_n(&w->peer->io, __ATOMIC_ACQUIRE));
            io_flush(io);
        }
    }
    return NULL;
}

static void
waker_start(struct waker *w, uint32_t way, struct waker *peer, uint64_t n_max)
{
    *w = (struct waker){.way = way, .peer = peer, .n_max = n_max};
    assert_int_equal(pthread_create(&w->thread, NULL, waker_run, w), 0);
    while (__atomic_load_n(&w->io, __ATOMIC_ACQUIRE) == NULL)
        (void)sched_yield();
}

/* Every wake-up from a foreign thread arrives, whether the shard slept, was about to, or was busy. (A lost one would hang.) */
static void
any_thread_wakes_a_shard(void **state)
{
    (void)state;
    FOR_EACH_WAY(i)
    {
        enum { N = 3000 };
        struct waker w;

        waker_start(&w, i, NULL, N);
        for (uint64_t k = 1; k <= N; k++) {
            __atomic_store_n(&w.asked, k, __ATOMIC_RELEASE);
            io_wake_any(w.io);
            if (k % 3 == 0)
                io_wake_any(w.io); /* more than once is once */
            while (k % 5 != 0 && __atomic_load_n(&w.seen, __ATOMIC_ACQUIRE) < k)
                (void)sched_yield();
        }
        (void)pthread_join(w.thread, NULL);
        io_free(w.io);
    }
}

/* Two shards answer each other by io_wake, of one kind and of two. */
static void
shards_wake_each_other(void **state)
{
    (void)state;
    FOR_EACH_WAY(i)
    {
        for (uint32_t k = have_uring() ? 0 : 3; k < N_ELEMS(ways); k += 3) {
            enum { N = 1000 };
            struct waker a, b;

            b.io = NULL;
            waker_start(&a, i, &b, N); /* answers b, when b exists */
            waker_start(&b, k, NULL, N);
            for (uint64_t n = 1; n <= N; n++) {
                __atomic_store_n(&a.asked, n, __ATOMIC_RELEASE);
                io_wake_any(a.io);
                while (__atomic_load_n(&b.seen, __ATOMIC_ACQUIRE) < n)
                    (void)sched_yield();
            }
            (void)pthread_join(a.thread, NULL);
            (void)pthread_join(b.thread, NULL);
            io_free(a.io);
            io_free(b.io);
        }
    }
}

static struct io *signal_io;
static atomic_int n_signals; /* so far; free of locks, as a handler needs it */

static void
on_signal(int sig)
{
    (void)sig;
    atomic_fetch_add(&n_signals, 1);
    io_wake_any(signal_io);
}

/* Send it to the thread that waits, or (NULL) to oneself. */
static void *
send_signal(void *waiting)
{
    (void)pthread_kill(waiting != NULL ? *(const pthread_t *)waiting : pthread_self(), SIGUSR1);
    return NULL;
}

/* ThreadSanitizer keeps a signal until its thread next calls a function of libc that it knows: for ever, when it came just before io_uring's
 * own system call, which it does not know. There the waiting thread is sent none. */
#ifdef MIDGE_TSAN
enum { handlers_run_late = 1 };
#else
enum { handlers_run_late = 0 };
#endif

/* A signal handler's wake-up ends the wait, whether it runs on the thread that waits or on another. */
static void
a_signal_handler_wakes_a_shard(void **state)
{
    (void)state;
    pthread_t self = pthread_self();
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;

    assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
    FOR_EACH_WAY(i)
    {
        signal_io = open_way(i);
        for (int n = 0; n < 50; n++) {
            int before = atomic_load(&n_signals);
            pthread_t t;
            assert_int_equal(pthread_create(&t, NULL, send_signal, n % 2 == 0 && !handlers_run_late ? &self : NULL), 0);
            while (atomic_load(&n_signals) == before) {
                io_wait(signal_io, io_now(signal_io) + 3600 * NS_PER_S);
                assert_int_equal(io_take(signal_io, evs, IO_TAKE_MAX), 0);
            }
            (void)pthread_join(t, NULL);
        }
        io_free(signal_io);
    }
    assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

/* ---- System calls and buffers ---- */

/* A turn with nothing to do makes no system call on io_uring, and one that waits makes one. */
static void
an_idle_poll_makes_no_system_call(void **state)
{
    (void)state;
    if (!have_uring())
        skip();
    struct io *io = open_way(0);

    turn(io, 0); /* what making it left queued */
    uint64_t n = io_stats(io)->n_enter;
    for (uint32_t i = 0; i < 1000; i++)
        turn(io, 0);
    assert_int_equal(io_stats(io)->n_enter, n);
    turn(io, io_now(io) + NS_PER_MS);
    assert_int_equal(io_stats(io)->n_enter, n + 1);
    io_free(io);
}

/* What was queued is sent by a flush, and told, before anybody waits; more sends than are told in one go are told in the next. */
static void
what_a_flush_sent_is_told_without_a_wait(void **state)
{
    enum { N = 10 };
    (void)state;
    FOR_EACH_WAY(i) {
        struct io *io = open_way(i);
        struct io_sock s[N];
        struct tally t[N];
        int fd[N];
        uint32_t n_later = 0, n_told = 0;

        for (uint32_t k = 0; k < N; k++) {
            t[k] = (struct tally){.n_bytes = 0};
            fd[k] = raw_pair(io, &s[k], &t[k]);
        }
        turn(io, 0); /* sends are counted anew */
        for (uint32_t k = 0; k < N; k++) {
            struct iovec iov = {.iov_base = (void *)(uintptr_t)"hello", .iov_len = 5};
            size_t sent = 0;
            enum err e = io_send(io, &s[k], &iov, 1, &sent);
            assert_true(e == ERR_PENDING || (e == OK && sent == 5));
            n_later += e == ERR_PENDING;
        }
        if (i == 0) /* io_uring as it is used */
            assert_true(n_later > 0);
        io_flush(io);
        for (uint32_t n; (n = io_take_more(io, evs, 4)) > 0; n_told += n) {
            for (uint32_t k = 0; k < n; k++)
                assert_true(evs[k].kind == IO_EV_SEND && evs[k].err == OK && evs[k].len == 5);
        }
        assert_true(n_told == n_later || i != 0); /* a tiny ring may overflow, and tells the rest after a wait */
        for (uint32_t k = 0; k < N; k++) {
            close_sock(io, &s[k], &t[k]); /* which awaits the completion of a send */
            n_told += t[k].n[IO_EV_SEND];
            assert_int_equal(t[k].n_err[IO_EV_SEND], 0);
            (void)close(fd[k]);
        }
        assert_int_equal(n_told, n_later);
        io_free(io);
    }
}

/* After floods, stops and closes in the middle of it all, every receive buffer is back with the kernel, by its own count. */
static void
no_receive_buffer_is_ever_lost(void **state)
{
    (void)state;
    if (!have_uring())
        skip();
    for (uint32_t i = 0; i < 3; i++) {
        enum { N = 20 };
        struct io *io = open_way(i);
        struct uio *u = uio_of(io);
        static uint8_t bytes[400000];
        struct {
            uint32_t group, head, resv[8];
        } status = {.group = 0};

        for (uint32_t k = 0; k < N; k++) {
            struct io_sock s;
            struct tally t = {.n_bytes = 0};
            int fd = raw_pair(io, &s, &t);
            ssize_t n = send(fd, bytes, 1 + k * 20000, MSG_DONTWAIT);
            assert_true(n > 0);
            if (k % 3 == 0)
                TURN_UNTIL(io, t.n_bytes == (uint64_t)n);
            if (k % 3 == 1)
                io_wait(io, io_now(io) + NS_PER_S); /* into the ring, not into our hands */
            if (k % 4 == 0)
                (void)shutdown(fd, SHUT_WR);
            close_sock(io, &s, &t);
            (void)close(fd);
        }
        turn(io, 0);
        assert_int_equal(u->n_bufs_kernel, u->n_bufs);
        if (uring_register(&u->ring, 26 /* IORING_REGISTER_PBUF_STATUS, Linux 6.8 */, &status, 1) == 0)
            assert_int_equal((uint16_t)(u->br_tail_pub - (uint16_t)status.head), u->n_bufs);
        io_free(io);
    }
}

/* A thousand armed sockets close at once. */
static void
a_crowd_closes(void **state)
{
    (void)state;
    enum { N = 1000 };
    static struct io_sock s[N];
    static struct tally t[N];
    static int fds[N];

    FOR_EACH_WAY(i)
    {
        struct io *io = open_way(i);
        struct io_sock l;
        struct tally lt = {.last_fd = -1};
        uint16_t port = listen_on(io, &l, &lt);

        memset(t, 0, sizeof(t));
        for (uint32_t k = 0; k < N; k++) {
            fds[k] = raw_connect(port);
            TURN_UNTIL(io, lt.n[IO_EV_ACCEPT] == k + 1);
            io_sock_init(io, &s[k], lt.last_fd, &t[k]);
            io_recv_start(io, &s[k]);
        }
        for (uint32_t k = 0; k < N; k++)
            io_close(io, &s[k]);
        for (uint32_t k = 0; k < N; k++)
            TURN_UNTIL(io, t[k].n[IO_EV_CLOSED] == 1);
        close_sock(io, &l, &lt);
        for (uint32_t k = 0; k < N; k++)
            (void)close(fds[k]);
        io_free(io);
    }
}

/* ---- Where io_uring is refused ---- */

struct refusal {
    long nr;           /* of this system call */
    int errnum;        /* with this */
    const char *words; /* then the warning says this */
};

static void
forbid(long nr, int errnum)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)errnum),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = N_ELEMS(code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
        _exit(90);
}

struct told {
    char text[1024];
    uint32_t n;
};

static void
on_warn(void *arg, const char *text)
{
    struct told *t = arg;

    t->n++;
    (void)snprintf(t->text, sizeof(t->text), "%s", text);
}

/* In the child: 0 when all is as it should be, else which check failed. */
static int
refused_child(const struct refusal *r)
{
    struct told told = {.n = 0};
    struct io_cfg cfg = {.backend = IO_AUTO, .warn = on_warn, .warn_arg = &told};
    struct io *io = NULL;

    forbid(r->nr, r->errnum);
    if (io_new(&cfg, &io) != OK || io_features(io)->backend != IO_EPOLL)
        return 1;
    if (told.n != 1 || strstr(told.text, r->words) == NULL || strstr(told.text, "using epoll instead") == NULL) {
        (void)fprintf(stderr, "told %u times: %s\n", told.n, told.text);
        return 2;
    }
    io_wake_any(io); /* and it works */
    io_wait(io, INT64_MAX);
    io_free(io);

    cfg.shard_id = 1; /* one line a process, not a shard, where all shards fare alike */
    told.n = 0;
    if (io_new(&cfg, &io) != OK || (told.n != 0) != (r->errnum == ENOMEM))
        return 3;
    io_free(io);

    cfg.shard_id = 0; /* asked for by name, it is an error */
    cfg.backend = IO_URING;
    enum err e = io_new(&cfg, &io);
    if (e != (r->errnum == ENOMEM ? ERR_NOMEM : ERR_UNSUPPORTED) || strstr(told.text, "using epoll") != NULL)
        return 4;
    return 0;
}

/* A container's seccomp profile, a sandbox and a memory limit each lead to epoll, with a line that says what to change. */
static void
where_io_uring_is_refused_epoll_serves_with_a_warning(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {SYS_io_uring_setup, EPERM, "seccomp profile"},
        {SYS_io_uring_setup, ENOSYS, "gVisor"},
        {SYS_io_uring_setup, ENOMEM, "RLIMIT_MEMLOCK"},
        {SYS_io_uring_setup, EINVAL, "Linux 6.1"},
        {SYS_io_uring_enter, EPERM, "io_uring_enter: Operation not permitted"},
        {SYS_io_uring_register, EPERM, "io_uring_register: Operation not permitted"},
        {SYS_io_uring_register, EINVAL, "too old"},
    };

    if (!have_uring())
        skip(); /* it is refused here already, and the calls would not be made */
    for (uint32_t i = 0; i < N_ELEMS(refusals); i++) {
        int status = 0;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(refused_child(&refusals[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static int
run_real(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_connection_is_blocking_and_has_no_delay),
        cmocka_unit_test(a_reset_ends_the_stream),
        cmocka_unit_test(bytes_and_end_in_one_go_are_both_told),
        cmocka_unit_test(closing_cancels_a_connect_on_the_way),
        cmocka_unit_test(accepting_survives_running_out_of_descriptors),
        cmocka_unit_test(listening_retries_while_the_address_is_in_use),
        cmocka_unit_test(any_thread_wakes_a_shard),
        cmocka_unit_test(shards_wake_each_other),
        cmocka_unit_test(a_signal_handler_wakes_a_shard),
        cmocka_unit_test(an_idle_poll_makes_no_system_call),
        cmocka_unit_test(what_a_flush_sent_is_told_without_a_wait),
        cmocka_unit_test(no_receive_buffer_is_ever_lost),
        cmocka_unit_test(a_crowd_closes),
        cmocka_unit_test(where_io_uring_is_refused_epoll_serves_with_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static int
run_suite(const struct way *w)
{
    char dir[] = "/tmp/io_test.XXXXXX", path[64];
    struct io_suite_env env = {.name = w->name, .arg = (void *)(uintptr_t)w, .open = way_open, .dir = dir};

    if (w->backend == IO_URING && !have_uring()) {
        (void)fprintf(stderr, "io_uring is refused here\n");
        return 77; /* skipped */
    }
    if (mkdtemp(dir) == NULL)
        return 1;
    int n_failed = io_suite_run(&env);
    static const char *const left[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < N_ELEMS(left); i++) {
        (void)snprintf(path, sizeof(path), "%s/io_suite_%s", dir, left[i]);
        (void)unlink(path); /* whichever the tests got to */
    }
    (void)rmdir(dir);
    return n_failed;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "real") == 0)
        return run_real();
    for (uint32_t i = 0; argc == 2 && i < N_ELEMS(ways); i++)
        if (strcmp(argv[1], ways[i].name) == 0)
            return run_suite(&ways[i]);
    (void)fprintf(stderr, "usage: io_test uring|uring_old|uring_tiny|epoll|epoll_tiny|real\n");
    return 2;
}
