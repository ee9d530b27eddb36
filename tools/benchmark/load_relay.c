/* load_relay.c - the trivial server: it counts what comes in and writes as much out.
 *
 * It answers PING, remembers SUBs, and takes the first PUB of a connection as the model of all
 * that follow: no parsing, no matching, no copying. What it costs is the kernel's share of a
 * message, and how fast it goes with the generator against it is the generator's own ceiling.
 * Works for `stream` scenarios; queue groups get whole reads in turn. Not a server for use:
 * it believes everything.
 *
 * Threads  one.
 * Memory   tables of fixed size, taken at start.
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
#include "load.h"
#include "load_conn.h"

enum {
    RELAY_CONNS_MAX = 4096,
    RELAY_FLOWS_MAX = 1024,
    RELAY_LINE_CAP = 4096,
    RELAY_READ_BYTES = 256 * 1024,
    RELAY_BATCH_BYTES = 64 * 1024,
    RELAY_EVENTS = 256,
};

struct relay_flow {
    char     subject[LOAD_SUBJECT_CAP];
    uint8_t *batch; /* whole MSGs; NULL until the first PUB tells the size */
    uint32_t batch_len, msg_len;
    bool     queue;
    uint32_t n_subs, turn; /* turn: the queue member that gets the next read */
};

struct relay_conn {
    int                fd; /* -1 = free */
    struct relay_flow *flow;
    bool               subscribed;
    bool               armed; /* epoll watches for room in the socket */
    uint32_t           pub_len; /* bytes of one PUB; 0 = control lines so far */
    uint64_t           n_pub_bytes, n_pub_msgs;
    uint32_t           member, batch_off;
    uint64_t           n_owed_bytes;
    uint32_t           line_len;
    char               line[RELAY_LINE_CAP];
};

struct relay {
    int               epfd, listener;
    uint32_t          n_conns; /* slots used so far */
    struct relay_conn conns[RELAY_CONNS_MAX];
    struct relay_flow flows[RELAY_FLOWS_MAX];
    uint8_t           in[RELAY_READ_BYTES];
};

static struct relay_flow *
relay_flow_get(struct relay *r, const char *subject)
{
    for (uint32_t i = 0; i < RELAY_FLOWS_MAX; i++) {
        struct relay_flow *flow = &r->flows[i];
        if (flow->subject[0] == '\0')
            (void)snprintf(flow->subject, sizeof(flow->subject), "%s", subject);
        if (strcmp(flow->subject, subject) == 0)
            return flow;
    }
    load_die("relay: more than %d subjects", RELAY_FLOWS_MAX);
}

static void
relay_flow_model(struct relay_flow *flow, uint32_t size)
{
    char head[2 * LOAD_SUBJECT_CAP];
    int  n = snprintf(head, sizeof(head), "MSG %s 1 %u\r\n", flow->subject, size);
    ASSERT(n > 0 && (size_t)n < sizeof(head));
    flow->msg_len = (uint32_t)n + size + 2;
    uint32_t n_msgs = RELAY_BATCH_BYTES / flow->msg_len + 1;
    flow->batch_len = n_msgs * flow->msg_len;
    flow->batch = malloc(flow->batch_len);
    if (flow->batch == NULL)
        load_die("relay: out of memory");
    for (uint32_t i = 0; i < n_msgs; i++) {
        uint8_t *msg = flow->batch + (size_t)i * flow->msg_len;
        memcpy(msg, head, (size_t)n);
        for (uint32_t k = 0; k < size; k++)
            msg[(uint32_t)n + k] = (uint8_t)('a' + k % 26);
        memcpy(msg + (uint32_t)n + size, "\r\n", 2);
    }
}

static void
relay_watch(const struct relay *r, int fd, uint32_t events, int op, uint32_t i)
{
    struct epoll_event ev = {.events = events, .data.u32 = i};
    if (epoll_ctl(r->epfd, op, fd, &ev) != 0)
        load_die("relay: epoll_ctl: %s", strerror(errno));
}

static void
relay_close(struct relay_conn *c)
{
    if (c->subscribed)
        c->flow->n_subs--;
    (void)close(c->fd); /* the peer has gone */
    c->fd = -1;
}

/* Send what is owed; where the socket fills up, epoll tells when to go on. */
static void
relay_write(const struct relay *r, struct relay_conn *c)
{
    const struct relay_flow *flow = c->flow;
    while (c->n_owed_bytes > 0) {
        uint64_t n = flow->batch_len - c->batch_off;
        if (n > c->n_owed_bytes)
            n = c->n_owed_bytes;
        ssize_t sent = send(c->fd, flow->batch + c->batch_off, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            break; /* full, or the peer has gone: its EOF follows */
        c->n_owed_bytes -= (uint64_t)sent;
        c->batch_off = (c->batch_off + (uint32_t)sent) % flow->batch_len;
    }
    bool full = c->n_owed_bytes > 0;
    if (full != c->armed)
        relay_watch(r, c->fd, full ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD, (uint32_t)(c - r->conns));
    c->armed = full;
}

static void
relay_deliver(struct relay *r, struct relay_flow *flow, uint64_t n_msgs)
{
    if (flow->n_subs == 0 || n_msgs == 0)
        return;
    uint32_t turn = flow->turn++ % flow->n_subs;
    for (uint32_t i = 0; i < r->n_conns; i++) {
        struct relay_conn *c = &r->conns[i];
        if (c->fd < 0 || !c->subscribed || c->flow != flow || (flow->queue && c->member != turn))
            continue;
        c->n_owed_bytes += n_msgs * flow->msg_len;
        relay_write(r, c);
    }
}

static void
relay_take_pub_bytes(struct relay *r, struct relay_conn *c, const uint8_t *data, size_t n)
{
    c->n_pub_bytes += n;
    if (c->n_pub_bytes % c->pub_len == 6 && n >= 6 && memcmp(data + n - 6, "PING\r\n", 6) == 0) {
        c->n_pub_bytes -= 6;
        conn_send(c->fd, "PONG\r\n", 6);
    }
    uint64_t msgs = c->n_pub_bytes / c->pub_len;
    relay_deliver(r, c->flow, msgs - c->n_pub_msgs);
    c->n_pub_msgs = msgs;
}

static void
relay_take_sub(struct relay *r, struct relay_conn *c, const char *line)
{
    char a[LOAD_SUBJECT_CAP];
    char b[LOAD_SUBJECT_CAP];
    char sid[LOAD_SUBJECT_CAP];
    int  n = sscanf(line, "SUB %63s %63s %63s", a, b, sid);
    if (n < 2)
        load_die("relay: not understood: %s", line);
    c->flow = relay_flow_get(r, a);
    c->flow->queue = n == 3;
    c->member = c->flow->n_subs++;
    c->subscribed = true;
}

/* One control line without its line end; true when it starts the data. */
static bool
relay_take_line(struct relay *r, struct relay_conn *c, const char *line, size_t line_bytes)
{
    char     subject[LOAD_SUBJECT_CAP];
    uint32_t size;
    if (strncmp(line, "PING", 4) == 0)
        conn_send(c->fd, "PONG\r\n", 6);
    else if (strncmp(line, "SUB ", 4) == 0)
        relay_take_sub(r, c, line);
    else if (sscanf(line, "PUB %63s %u", subject, &size) == 2) {
        c->flow = relay_flow_get(r, subject);
        if (c->flow->batch == NULL)
            relay_flow_model(c->flow, size);
        c->pub_len = (uint32_t)line_bytes + size + 2;
        return true;
    } else if (strncmp(line, "CONNECT ", 8) != 0)
        load_die("relay: not understood: %s", line);
    return false;
}

/* Bytes before the first PUB: cut into lines; the rest stays in c->line. */
static void
relay_take_control(struct relay *r, struct relay_conn *c, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (c->line_len == RELAY_LINE_CAP - 1)
            load_die("relay: a control line is too long");
        c->line[c->line_len++] = (char)data[i];
        if (data[i] != '\n')
            continue;
        c->line[c->line_len] = '\0';
        size_t line_bytes = c->line_len;
        c->line_len = 0;
        if (relay_take_line(r, c, c->line, line_bytes)) {
            c->n_pub_bytes = line_bytes;
            relay_take_pub_bytes(r, c, data + i + 1, n - i - 1);
            return;
        }
    }
}

static void
relay_read(struct relay *r, struct relay_conn *c)
{
    ssize_t got = recv(c->fd, r->in, sizeof(r->in), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        relay_close(c);
    else if (c->pub_len > 0)
        relay_take_pub_bytes(r, c, r->in, (size_t)got);
    else
        relay_take_control(r, c, r->in, (size_t)got);
}

static void
relay_accept(struct relay *r)
{
    static const char info[] = "INFO {\"server_id\":\"relay\",\"version\":\"0\",\"proto\":1,\"headers\":true,"
                               "\"max_payload\":1048576} \r\n";
    int               one = 1;
    int               fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        load_die("relay: accept: %s", strerror(errno));
    if (r->n_conns == RELAY_CONNS_MAX)
        load_die("relay: more than %d connections", RELAY_CONNS_MAX);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
        load_die("relay: setsockopt: %s", strerror(errno));
    uint32_t i = r->n_conns++;
    r->conns[i] = (struct relay_conn){.fd = fd};
    conn_send(fd, info, sizeof(info) - 1);
    relay_watch(r, fd, EPOLLIN, EPOLL_CTL_ADD, i);
}

static void
relay_listen(struct relay *r, const struct load_opts *o)
{
    struct sockaddr_in addr;
    int                one = 1;
    conn_addr(o, &addr);
    r->epfd = epoll_create1(EPOLL_CLOEXEC);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->epfd < 0 || r->listener < 0 ||
        setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(r->listener, (const struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(r->listener, SOMAXCONN) != 0)
        load_die("relay: listening on port %u: %s", o->port, strerror(errno));
    relay_watch(r, r->listener, EPOLLIN, EPOLL_CTL_ADD, RELAY_CONNS_MAX);
}

void
load_relay(const struct load_opts *o)
{
    conn_allow_files(RELAY_CONNS_MAX + 64);
    struct relay *r = calloc(1, sizeof(*r));
    if (r == NULL)
        load_die("relay: out of memory");
    relay_listen(r, o);
    for (;;) {
        struct epoll_event events[RELAY_EVENTS];
        int                n = epoll_wait(r->epfd, events, RELAY_EVENTS, -1);
        if (n < 0 && errno != EINTR)
            load_die("relay: epoll_wait: %s", strerror(errno));
        for (int k = 0; k < n; k++) {
            uint32_t i = events[k].data.u32;
            if (i == RELAY_CONNS_MAX) {
                relay_accept(r);
                continue;
            }
            struct relay_conn *c = &r->conns[i];
            if (events[k].events & EPOLLOUT)
                relay_write(r, c);
            if (events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                relay_read(r, c);
        }
    }
}
