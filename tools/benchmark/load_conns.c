/* load_conns.c - many connections: what opening one costs, and what an idle one holds.
 *
 * --conns connections are opened as stock clients do (INFO, CONNECT and PING in one write,
 * PONG), --inflight of them at a time. A connection that has its PONG stays idle. After
 * --settle the server's memory is read; then every connection is asked once more whether it
 * lives. A few connections are opened and closed beforehand, so that what the server takes
 * once and for all is not charged to the others.
 *
 *   CONNECTING --> INFO --> PONG --> IDLE
 *
 * Threads  one.
 * Memory   an array taken at start.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "load.h"
#include "load_conn.h"
#include "load_proc.h"

enum { CONNS_EVENTS = 256, CONNS_TAIL = 8, CONNS_WARM = 64 };

enum conns_state { CONNS_INFO, CONNS_PONG, CONNS_IDLE };

struct conns_one {
    int              fd;
    enum conns_state state;
    uint8_t          n_line; /* bytes of the line under way, up to CONNS_TAIL */
    char             line[CONNS_TAIL];
};

struct conns {
    const struct load_opts *opts;
    struct sockaddr_in      addr;
    int                     epfd;
    uint32_t                n_begun, n_ready;
    struct conns_one       *ones;
};

static void
conns_begin(struct conns *c)
{
    uint32_t          i = c->n_begun++;
    struct conns_one *one = &c->ones[i];
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (one->fd < 0)
        load_die("socket: %s", strerror(errno));
    int yes = 1;
    if (setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0)
        load_die("setsockopt: %s", strerror(errno));
    if (connect(one->fd, (const struct sockaddr *)&c->addr, sizeof(c->addr)) != 0 && errno != EINPROGRESS)
        load_die("connection %u: %s", i, strerror(errno));
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(c->epfd, EPOLL_CTL_ADD, one->fd, &ev) != 0)
        load_die("epoll_ctl: %s", strerror(errno));
}

/* A line is complete; its first bytes are in one->line. */
static void
conns_take_line(struct conns *c, struct conns_one *one)
{
    if (one->state == CONNS_INFO && memcmp(one->line, "INFO ", 5) == 0) {
        ssize_t sent = send(one->fd, CONN_CONNECT_STOCK, sizeof(CONN_CONNECT_STOCK) - 1, MSG_NOSIGNAL);
        if (sent != (ssize_t)sizeof(CONN_CONNECT_STOCK) - 1)
            load_die("sending CONNECT: %s", sent < 0 ? strerror(errno) : "short write on an empty socket");
        one->state = CONNS_PONG;
    } else if (one->state == CONNS_PONG && memcmp(one->line, "PONG", 4) == 0) {
        one->state = CONNS_IDLE;
        c->n_ready++;
    } else if (memcmp(one->line, "INFO ", 5) == 0) {
        return; /* the one that follows the first PONG */
    } else if (memcmp(one->line, "PING", 4) == 0) {
        (void)send(one->fd, "PONG\r\n", 6, MSG_NOSIGNAL); /* a failure shows when the connection is asked */
    } else {
        load_die("a connection received \"%.8s\" in state %d", one->line, (int)one->state);
    }
}

static void
conns_read(struct conns *c, struct conns_one *one)
{
    char    in[4096];
    ssize_t got = recv(one->fd, in, sizeof(in), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        load_die("connection %ld of %u, after %u were ready: %s", (long)(one - c->ones), c->opts->n_conns, c->n_ready,
                 got == 0 ? "closed by the server" : strerror(errno));
    for (ssize_t i = 0; i < got; i++) {
        if (in[i] == '\n') {
            conns_take_line(c, one);
            one->n_line = 0;
            memset(one->line, 0, sizeof(one->line));
        } else if (one->n_line < CONNS_TAIL) {
            one->line[one->n_line++] = in[i];
        }
    }
}

static void
conns_step(struct conns *c)
{
    struct epoll_event events[CONNS_EVENTS];
    int                n = epoll_wait(c->epfd, events, CONNS_EVENTS, c->opts->spin ? 0 : -1);
    if (n < 0 && errno != EINTR)
        load_die("epoll_wait: %s", strerror(errno));
    for (int k = 0; k < n; k++)
        conns_read(c, &c->ones[events[k].data.u32]);
}

static void
conns_open_all(struct conns *c)
{
    while (c->n_ready < c->opts->n_conns) {
        while (c->n_begun < c->opts->n_conns && c->n_begun - c->n_ready < c->opts->n_inflight)
            conns_begin(c);
        conns_step(c);
    }
}

/* Every connection answers a PING. */
static void
conns_ask_all(struct conns *c)
{
    c->n_ready = 0;
    for (uint32_t i = 0; i < c->opts->n_conns; i++) {
        c->ones[i].state = CONNS_PONG;
        if (send(c->ones[i].fd, "PING\r\n", 6, MSG_NOSIGNAL) != 6)
            load_die("asking connection %u: %s", i, strerror(errno));
    }
    while (c->n_ready < c->opts->n_conns)
        conns_step(c);
}

static void
conns_warm_up(const struct load_opts *o)
{
    int fds[CONNS_WARM];
    for (uint32_t i = 0; i < CONNS_WARM; i++)
        fds[i] = conn_open(o);
    for (uint32_t i = 0; i < CONNS_WARM; i++)
        (void)close(fds[i]); /* they have served */
    load_sleep_until(load_now() + o->settle_ms * (uint64_t)NS_PER_MS);
}

void
load_conns(const struct load_opts *o)
{
    if (o->n_conns == 0 || o->n_conns > LOAD_CONNS_MAX || o->n_inflight == 0)
        load_die("--conns or --inflight is out of range for conns");
    conn_allow_files(o->n_conns + 64);
    static struct proc_cpu before, after; /* too large for the stack */
    struct proc_mem        empty, full;
    struct conns           c = {.opts = o, .epfd = epoll_create1(EPOLL_CLOEXEC)};
    c.ones = calloc(o->n_conns, sizeof(*c.ones));
    if (c.epfd < 0 || c.ones == NULL)
        load_die("out of memory or files");
    conn_addr(o, &c.addr);
    conns_warm_up(o);

    load_await("connections");
    proc_mem_read(&empty, o->server_pid);
    proc_cpu_read(&before, o->server_pid);
    uint64_t own = proc_own_cpu();
    uint64_t wall = load_now();
    conns_open_all(&c);
    wall = load_now() - wall;
    proc_cpu_read(&after, o->server_pid);
    own = proc_own_cpu() - own;
    load_sleep_until(load_now() + o->settle_ms * (uint64_t)NS_PER_MS);
    proc_mem_read(&full, o->server_pid);
    load_await("the last PONGs");
    conns_ask_all(&c);

    struct json j;
    json_init(&j, stdout);
    json_str(&j, "scenario", "conns");
    json_u64(&j, "conns", o->n_conns);
    json_u64(&j, "wall_ns", wall);
    json_u64(&j, "own_cpu_ns", own);
    json_u64(&j, "rss_empty_bytes", empty.rss_bytes);
    json_u64(&j, "rss_full_bytes", full.rss_bytes);
    json_u64(&j, "rss_peak_bytes", full.rss_peak_bytes);
    proc_cpu_json(&j, &before, &after);
    json_fini(&j);
    for (uint32_t i = 0; i < o->n_conns; i++)
        (void)close(c.ones[i].fd); /* the run is over */
    free(c.ones);
}
