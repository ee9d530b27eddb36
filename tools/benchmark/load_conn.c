/* load_conn.c - see load_conn.h. */
#include "load_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rt/assert.h"

enum { CONN_INFO_CAP = 16 * 1024, CONN_REPLY_TIMEOUT_S = 30 };

void
conn_addr(const struct load_opts *o, struct sockaddr_in *ret_addr)
{
    *ret_addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(o->port)};
    if (inet_pton(AF_INET, o->host, &ret_addr->sin_addr) != 1)
        load_die("--host %s is not an IPv4 address", o->host);
}

void
conn_send(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            load_die("sending to the server: %s", strerror(errno));
        p += sent;
        n -= (size_t)sent;
    }
}

void
conn_recv(int fd, void *data, size_t n)
{
    char *p = data;
    while (n > 0) {
        ssize_t got = recv(fd, p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            load_die("the server closed a connection");
        if (got < 0)
            load_die("receiving from the server: %s", strerror(errno));
        p += got;
        n -= (size_t)got;
    }
}

/* PONG; a PING of the server's own (as long, luckily) may come first. Those stay unanswered:
 * a run ends long before a server minds. */
static void
conn_await_pong(int fd)
{
    char reply[6];
    for (uint32_t n_pings = 0; n_pings <= FRAME_PINGS_MAX; n_pings++) {
        conn_recv(fd, reply, sizeof(reply));
        if (memcmp(reply, "PONG\r\n", 6) == 0)
            return;
        if (memcmp(reply, "PING\r\n", 6) != 0)
            break;
    }
    load_die("awaited PONG, the server sent \"%.6s\"", reply);
}

/* The server speaks first, and says nothing more until it is answered: one line. */
static void
conn_read_info(int fd)
{
    char   info[CONN_INFO_CAP];
    size_t len = 0;
    while (len < sizeof(info)) {
        ssize_t got = recv(fd, info + len, sizeof(info) - len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            load_die("awaiting INFO: %s", got == 0 ? "connection closed" : strerror(errno));
        len += (size_t)got;
        if (info[len - 1] == '\n')
            break;
    }
    if (len < 5 || memcmp(info, "INFO ", 5) != 0 || info[len - 1] != '\n')
        load_die("the server's first line is not INFO");
}

int
conn_open(const struct load_opts *o)
{
    struct sockaddr_in addr;
    conn_addr(o, &addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        load_die("socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
        load_die("connecting to %s:%u: %s", o->host, o->port, strerror(errno));
    int            one = 1;
    struct timeval patience = {.tv_sec = CONN_REPLY_TIMEOUT_S};
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
        load_die("setsockopt: %s", strerror(errno));
    conn_read_info(fd);
    conn_send(fd, CONN_CONNECT, sizeof(CONN_CONNECT) - 1);
    conn_await_pong(fd);
    return fd;
}

void
conn_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        load_die("fcntl: %s", strerror(errno));
}

void
conn_set_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        load_die("fcntl: %s", strerror(errno));
}

void
conn_sync(int fd)
{
    conn_set_blocking(fd);
    conn_send(fd, "PING\r\n", 6);
    conn_await_pong(fd);
}

/* How many bytes of the end are the PONG, and the server's own PING where that came right behind it; 0: it is not there yet. */
static size_t
conn_pong_len(const uint8_t *in, size_t len)
{
    static const char both[] = "PONG\r\nPING\r\n";
    if (len >= 12 && memcmp(in + len - 12, both, 12) == 0)
        return 12;
    return len >= 6 && memcmp(in + len - 6, both, 6) == 0 ? 6 : 0;
}

void
conn_finish(int fd, struct frame *f)
{
    enum { KEEP = 12 }; /* may be the beginning of that */
    uint8_t in[CONN_INFO_CAP];
    size_t  len = 0, pong_len;
    size_t  off;
    conn_set_blocking(fd);
    conn_send(fd, "PING\r\n", 6);
    while ((pong_len = conn_pong_len(in, len)) == 0) {
        if (len > sizeof(in) / 2) {
            if (!frame_check(f, in, len - KEEP, &off))
                load_die("out of frame at the end of a run");
            memmove(in, in + len - KEEP, KEEP);
            len = KEEP;
        }
        ssize_t got = recv(fd, in + len, sizeof(in) - len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            load_die("awaiting the last PONG: %s", got == 0 ? "closed by the server" : strerror(errno));
        len += (size_t)got;
    }
    if (!frame_check(f, in, len - pong_len, &off) || !frame_settle(f))
        load_die("out of frame at the end of a run: %llu messages and %u bytes", (unsigned long long)frame_msgs(f), f->phase);
}

void
conn_subscribe(int fd, const char *subject, const char *queue, uint32_t sid)
{
    char line[3 * LOAD_SUBJECT_CAP];
    int  n = snprintf(line, sizeof(line), "SUB %s %s%s%u\r\n", subject, queue == NULL ? "" : queue,
                      queue == NULL ? "" : " ", sid);
    ASSERT(n > 0 && (size_t)n < sizeof(line));
    conn_send(fd, line, (size_t)n);
}

void
conn_allow_files(uint32_t n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        load_die("getrlimit: %s", strerror(errno));
    if (limit.rlim_cur >= n)
        return;
    if (limit.rlim_max < n)
        load_die("%u open files are needed, the hard limit is %llu", n, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        load_die("setrlimit: %s", strerror(errno));
}
