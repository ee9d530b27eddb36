/* The front of the io backends: choosing one, dispatch, and what the real ones share. */
#include "core/rt/io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/io_priv.h"
#include "core/rt/util.h"

enum err
io_new(const struct io_cfg *cfg, struct io **ret_io)
{
    enum err e;

    ASSERT((cfg->backend == IO_SIM) == (cfg->sim != NULL));
    switch (cfg->backend) {
    case IO_URING: return io_uring_new(cfg, ret_io);
    case IO_EPOLL: return io_epoll_new(cfg, ret_io);
    case IO_SIM: return io_sim_new != NULL ? io_sim_new(cfg, ret_io) : ERR_UNSUPPORTED;
    case IO_AUTO: break;
    }
    e = io_uring_new(cfg, ret_io); /* says why not */
    return e == OK ? OK : io_epoll_new(cfg, ret_io);
}

void
io_free(struct io *io)
{
    if (io != NULL)
        io->ops->free(io);
}

const struct io_features *
io_features(const struct io *io)
{
    return &io->features;
}

const struct io_stats *
io_stats(const struct io *io)
{
    return &io->stats;
}

int64_t
io_now(struct io *io)
{
    return io->ops->now(io);
}

int64_t
io_wall(struct io *io)
{
    return io->ops->wall(io);
}

uint64_t
io_random(struct io *io)
{
    return io->ops->random(io);
}

void
io_wait(struct io *io, int64_t deadline_ns)
{
    io->ops->wait(io, deadline_ns);
}

uint32_t
io_take(struct io *io, struct io_event *evs, uint32_t max)
{
    ASSERT(max > 0 && max <= IO_TAKE_MAX);
    return io->ops->take(io, evs, max);
}

uint32_t
io_take_more(struct io *io, struct io_event *evs, uint32_t max)
{
    ASSERT(max > 0 && max <= IO_TAKE_MAX);
    return io->ops->take_more != NULL ? io->ops->take_more(io, evs, max) : 0;
}

void
io_flush(struct io *io)
{
    io->ops->flush(io);
}

void
io_buf_give(struct io *io, uint32_t buf)
{
    ASSERT(buf != IO_BUF_NONE);
    io->ops->buf_give(io, buf);
}

void
io_wake(struct io *self, struct io *peer)
{
    self->ops->wake(self, peer);
}

void
io_wake_any(struct io *peer)
{
    peer->ops->wake_any(peer);
}

static void
io_sock_clear(struct io_sock *s, int fd, void *owner)
{
    memset(s, 0, sizeof(*s));
    s->fd = fd;
    s->owner = owner;
}

void
io_sock_init(struct io *io, struct io_sock *s, int fd, void *owner)
{
    ASSERT(fd >= 0);
    io_sock_clear(s, fd, owner);
    io->ops->sock_init(io, s);
}

enum err
io_listen(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, int backlog, uint32_t retry_ms,
          void *owner, uint16_t *ret_port)
{
    io_sock_clear(s, -1, owner);
    return io->ops->listen(io, s, addr, addr_len, backlog, retry_ms, ret_port);
}

enum err
io_connect(struct io *io, struct io_sock *s, const struct sockaddr *addr, socklen_t addr_len, void *owner)
{
    ASSERT(addr_len <= sizeof(struct sockaddr_storage));
    io_sock_clear(s, -1, owner);
    return io->ops->connect(io, s, addr, addr_len);
}

void
io_fd_drop(struct io *io, int fd)
{
    if (io->ops->fd_drop != NULL)
        io->ops->fd_drop(io, fd);
    else
        (void)close(fd); /* nobody has written to it: nothing can be lost */
}

void
io_accept_start(struct io *io, struct io_sock *s)
{
    ASSERT(s->fd >= 0);
    io->ops->accept_start(io, s);
}

void
io_accept_stop(struct io *io, struct io_sock *s)
{
    io->ops->accept_stop(io, s);
}

void
io_recv_start(struct io *io, struct io_sock *s)
{
    io->ops->recv_start(io, s);
}

void
io_recv_stop(struct io *io, struct io_sock *s)
{
    io->ops->recv_stop(io, s);
}

enum err
io_send(struct io *io, struct io_sock *s, const struct iovec *iov, uint32_t n_iov, size_t *ret_sent)
{
    ASSERT(n_iov > 0 && n_iov <= IO_IOV_MAX);
    return io->ops->send(io, s, iov, n_iov, ret_sent);
}

void
io_close(struct io *io, struct io_sock *s)
{
    io->ops->close(io, s);
}

void
io_file_open(struct io *io, struct io_req *r, const char *path, int flags, uint32_t mode)
{
    io->ops->file_open(io, r, path, flags, mode);
}

void
io_file_read(struct io *io, struct io_req *r, int fd, void *to, uint32_t len, uint64_t off)
{
    io->ops->file_read(io, r, fd, to, len, off);
}

void
io_file_write(struct io *io, struct io_req *r, int fd, const void *from, uint32_t len, uint64_t off, bool dsync)
{
    io->ops->file_write(io, r, fd, from, len, off, dsync);
}

void
io_file_sync(struct io *io, struct io_req *r, int fd, bool data_only)
{
    io->ops->file_sync(io, r, fd, data_only);
}

void
io_file_rename(struct io *io, struct io_req *r, const char *from, const char *to)
{
    io->ops->file_rename(io, r, from, to);
}

void
io_file_close(struct io *io, struct io_req *r, int fd)
{
    io->ops->file_close(io, r, fd);
}

/* ---- What the real backends share ---- */

static int64_t
io_clock(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts); /* cannot fail with these clocks */
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
io_real_now(struct io *io)
{
    (void)io;
    return io_clock(CLOCK_MONOTONIC);
}

int64_t
io_real_wall(struct io *io)
{
    (void)io;
    return io_clock(CLOCK_REALTIME);
}

void
io_real_seed(struct io *io)
{
    if (getrandom(io->rng, sizeof(io->rng), 0) != (ssize_t)sizeof(io->rng)) {
        /* Not for secrets: two clocks and an address tell shards apart well enough. */
        io->rng[0] = (uint64_t)io_clock(CLOCK_REALTIME);
        io->rng[1] = (uint64_t)io_clock(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)io;
    }
    io->rng[0] |= 1; /* all zero would stay zero */
}

/* Source: xoroshiro128+ (Blackman, Vigna 2018). */
uint64_t
io_real_random(struct io *io)
{
    uint64_t a = io->rng[0], b = io->rng[1], sum = a + b;

    b ^= a;
    io->rng[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
    io->rng[1] = b << 37 | b >> 27;
    return sum;
}

void
io_real_nodelay(int fd)
{
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* fails on sockets that are not TCP: fine */
}

/* One attempt. Returns the descriptor or a negative errno. */
static int
io_listen_once(const struct sockaddr *addr, socklen_t addr_len, int backlog, int sock_flags)
{
    int one = 1, zero = 0, errnum;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | sock_flags, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
        goto fail;
    /* [::] serves both families, whatever the sysctl says: that is how a Go server listens on all addresses. */
    if (addr->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) != 0)
        goto fail;
    if (bind(fd, addr, addr_len) != 0 || listen(fd, backlog) != 0)
        goto fail;
    return fd;
fail:
    errnum = errno;
    (void)close(fd);
    return -errnum;
}

static uint16_t
io_port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    memset(&ss, 0, sizeof(ss));
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
        return 0;
    if (ss.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&ss)->sin_port);
    if (ss.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&ss)->sin6_port);
    return 0;
}

enum err
io_real_listen(const struct sockaddr *addr, socklen_t addr_len, int backlog, uint32_t retry_ms, int sock_flags, int *ret_fd,
               uint16_t *ret_port)
{
    static const struct timespec pause = {.tv_nsec = 20 * NS_PER_MS};
    int64_t until = io_clock(CLOCK_MONOTONIC) + retry_ms * NS_PER_MS;
    int fd;

    for (;;) {
        fd = io_listen_once(addr, addr_len, backlog, sock_flags);
        if (fd != -EADDRINUSE || io_clock(CLOCK_MONOTONIC) >= until)
            break;
        (void)nanosleep(&pause, NULL); /* cut short by a signal: we try a little earlier */
    }
    if (fd < 0)
        return err_from_errno(-fd);
    io_real_nodelay(fd); /* accepted connections inherit it */
    *ret_fd = fd;
    if (ret_port != NULL)
        *ret_port = io_port_of(fd);
    return OK;
}
