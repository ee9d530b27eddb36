/* Making the io_uring backend: what does this kernel have, and does it work?
 *
 * Most of what we need has no feature bit, so a receive is tried on a socket pair, in the best way first. Bundles are taken
 * only together with the limit of a multishot receive: they are older, but lost or reordered bytes in some releases, and
 * the limit appeared after that was mended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/rt/io_uring_priv.h"

static bool
uio_bufs_alloc(struct uio *u, uint32_t total)
{
    u->area_len = total + IO_RECV_SLACK;
    u->area = mmap(NULL, u->area_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (u->area == MAP_FAILED)
        u->area = NULL;
    return u->area != NULL;
}

/* Hand the kernel a ring of buffers over the area. Returns 0 or an errno. */
static int
uio_bufs_register(struct uio *u, uint32_t total, uint32_t buf_len)
{
    struct io_uring_buf_reg reg = {.bgid = UIO_BGID};
    uint32_t n_slots = 1;

    u->buf_len = buf_len;
    u->n_bufs = total / buf_len;
    u->n_bufs_kernel = 0;
    u->br_tail = u->br_tail_pub = 0;
    while (n_slots < u->n_bufs)
        n_slots *= 2;
    u->br_mask = n_slots - 1;
    u->bufs = calloc(u->n_bufs, sizeof(*u->bufs));
    u->br_len = n_slots * sizeof(struct io_uring_buf);
    u->br = mmap(NULL, u->br_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (u->br == MAP_FAILED)
        u->br = NULL;
    if (u->bufs == NULL || u->br == NULL)
        return ENOMEM;
    reg.ring_addr = (uint64_t)(uintptr_t)u->br;
    reg.ring_entries = n_slots;
    int ret = uring_register(&u->ring, IORING_REGISTER_PBUF_RING, &reg, 1);
    if (ret < 0)
        return -ret;
    for (uint32_t i = 0; i < u->n_bufs; i++)
        uio_buf_add(u, i);
    uio_bufs_publish(u);
    return 0;
}

static void
uio_bufs_unregister(struct uio *u)
{
    struct io_uring_buf_reg reg = {.bgid = UIO_BGID};

    (void)uring_register(&u->ring, IORING_UNREGISTER_PBUF_RING, &reg, 1); /* not there: fine */
    if (u->br != NULL)
        (void)munmap(u->br, u->br_len);
    free(u->bufs);
    u->br = NULL;
    u->bufs = NULL;
}

/* Wait for one completion, at most a second. Returns false when none came. */
static bool
uio_try_reap(struct uio *u, struct io_uring_cqe *ret_cqe)
{
    int64_t until = io_real_now(&u->io) + NS_PER_S;
    uint32_t head = uring_cq_head(&u->ring);

    while (uring_cq_tail(&u->ring) == head) {
        if (io_real_now(&u->io) >= until)
            return false;
        (void)uio_enter(u, 1, true, until);
    }
    *ret_cqe = u->ring.cqes[head & u->ring.cq_mask];
    uring_cq_advance(&u->ring, head + 1);
    return true;
}

/* Four bytes through the pair: do they arrive, in a buffer, where we expect them? */
static bool
uio_try_piece(struct uio *u, int fd, const char *text, bool last)
{
    struct io_uring_cqe cqe;
    uint32_t bid, len, token;
    const uint8_t *data;
    bool same;

    if (write(fd, text, 4) != 4 || !uio_try_reap(u, &cqe) || cqe.user_data != UIO_TAG_RECV)
        return false;
    bid = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
    if (cqe.res != 4 || (cqe.flags & IORING_CQE_F_BUFFER) == 0 || bid >= u->n_bufs)
        return false;
    data = uio_buf_run(u, &bid, 4, &len, &token);
    same = memcmp(data, text, 4) == 0;
    uio_buf_give(&u->io, token);
    uio_bufs_publish(u);
    return same && ((cqe.flags & IORING_CQE_F_MORE) == 0) == last;
}

static void
uio_try_arm(struct uio *u, int fd)
{
    struct io_uring_sqe *sqe = uio_sqe(u, IORING_OP_RECV, fd, UIO_TAG_RECV);

    sqe->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
    if (u->bundle)
        sqe->ioprio |= IORING_RECVSEND_BUNDLE;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = UIO_BGID;
    io_compat_recv_limit(sqe, u->bundle ? 8 : 0);
    (void)uio_enter(u, 0, true, 0); /* refused: then no completion looks right below */
}

/* Two receives by one request; with a limit the second one must end it. Then the end of the stream, which must end it
 * too, and use no buffer. */
static bool
uio_try_recv(struct uio *u)
{
    struct io_uring_cqe cqe;
    int pair[2];
    bool works;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    uio_try_arm(u, pair[0]);
    works = uio_try_piece(u, pair[1], "ping", false) && uio_try_piece(u, pair[1], "pong", u->bundle);
    if (works && u->bundle)
        uio_try_arm(u, pair[0]);
    (void)close(pair[1]);
    works = works && uio_try_reap(u, &cqe) && cqe.res == 0 && (cqe.flags & (IORING_CQE_F_MORE | IORING_CQE_F_BUFFER)) == 0;
    (void)close(pair[0]);
    return works;
}

/* Set up to receive in one way. A way that fails leaves its ring in doubt (a request may still be armed), so the next one
 * starts on a fresh ring. */
static bool
uio_start(struct uio *u, const struct io_cfg *cfg, const struct io_uring_tune *tune, bool bundle, struct uring_refusal *ret_why)
{
    static const uint8_t ops[] = {IORING_OP_SENDMSG, IORING_OP_ACCEPT,   IORING_OP_ASYNC_CANCEL, IORING_OP_CONNECT, IORING_OP_OPENAT,
                                  IORING_OP_CLOSE,   IORING_OP_READ,     IORING_OP_WRITE,        IORING_OP_SEND,    IORING_OP_RECV,
                                  IORING_OP_FSYNC,   IORING_OP_RENAMEAT, IORING_OP_POLL_ADD};
    uint32_t n_sqes = cfg->n_entries > 0 ? cfg->n_entries : UIO_SQES;
    uint32_t n_cqes = tune->n_cqes > 0 ? tune->n_cqes : UIO_CQES;
    uint32_t buf_len = bundle ? UIO_BUF_LEN_BUNDLE : UIO_BUF_LEN_SINGLE;

    if (!uring_open(&u->ring, (uint32_t)min_u64(n_sqes, UIO_SQES), n_cqes, tune->no_defer, ret_why))
        return false;
    u->bundle = bundle;
    if (tune->recv_buf_len > 0)
        buf_len = tune->recv_buf_len;
    ret_why->step = "io_uring_register";
    ret_why->errnum = uio_bufs_register(u, (uint32_t)(u->area_len - IO_RECV_SLACK), buf_len);
    if (ret_why->errnum == EINVAL)
        ret_why->errnum = 0; /* the ring itself was fine: this kernel lacks it */
    if (ret_why->errnum == 0) {
        ret_why->step = "its requests";
        if (uring_has_ops(&u->ring, ops, N_ELEMS(ops)) && uio_try_recv(u))
            return true;
    }
    uio_bufs_unregister(u);
    uring_close(&u->ring);
    return false;
}

static void
uio_note_features(struct uio *u, const struct io_uring_tune *tune)
{
    static const uint8_t op_msg_ring = IORING_OP_MSG_RING;

    u->msg_ring = !tune->no_msg_ring && uring_has_ops(&u->ring, &op_msg_ring, 1);
    u->io.features = (struct io_features){
        .backend = IO_URING,
        .multishot_accept = true, /* older than multishot receive */
        .multishot_recv = true,
        .buf_ring = true,
        .recv_bundle = u->bundle,
        .msg_ring = u->msg_ring,
        .defer_taskrun = (u->ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) != 0,
        .min_wait = (u->ring.features & IORING_FEAT_MIN_TIMEOUT) != 0,
    };
    if (u->bundle)
        u->recv_limit = tune->recv_limit_bytes > 0 ? tune->recv_limit_bytes : u->n_bufs * u->buf_len / UIO_RECV_SHARE;
    u->n_inline_max = tune->n_inline_max > 0 ? tune->n_inline_max : UIO_INLINE_MAX;
    if (tune->no_inline)
        u->n_inline_max = 0;
}

static void
uio_warn(const struct io_cfg *cfg, const struct uring_refusal *why)
{
    char text[640], line[768];

    /* What the kernel or its policy refuses, it refuses to every shard: the first one tells. */
    bool is_resource = why->errnum == ENOMEM || why->errnum == EMFILE || why->errnum == ENFILE;
    if (cfg->warn == NULL || (cfg->shard_id != 0 && !is_resource))
        return;
    uring_explain(why, text, sizeof(text));
    (void)snprintf(line, sizeof(line), "%s%s", text,
                   cfg->backend == IO_AUTO ? "; using epoll instead: the same service at more CPU per message" : "");
    cfg->warn(cfg->warn_arg, line);
}

static enum err
uio_refused(const struct uring_refusal *why)
{
    if (why->errnum == ENOMEM)
        return ERR_NOMEM;
    return why->errnum == EMFILE || why->errnum == ENFILE ? ERR_NOFILE : ERR_UNSUPPORTED;
}

enum err
io_uring_new_tuned(const struct io_cfg *cfg, const struct io_uring_tune *tune, struct io **ret_io)
{
    struct uring_refusal why = {.step = "memory", .errnum = ENOMEM};
    uint32_t total = cfg->recv_bufs_bytes > 0 ? cfg->recv_bufs_bytes : UIO_RECV_BYTES;
    struct uio *u = calloc(1, sizeof(*u));
    bool works = false;

    if (u == NULL)
        return ERR_NOMEM;
    u->io.ops = &uio_ops;
    u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    u->ring.ring_fd = -1;
    total = (uint32_t)round_up_u64(max_u64(UIO_RECV_BYTES_MIN, min_u64(total, UIO_RECV_BYTES_MAX)), IO_RECV_BUF_LEN);
    if (u->wake_fd < 0)
        why = (struct uring_refusal){.step = "eventfd", .errnum = errno};
    else if (uio_bufs_alloc(u, total))
        works = (!tune->no_bundle && uio_start(u, cfg, tune, true, &why)) || uio_start(u, cfg, tune, false, &why);
    if (!works) {
        uio_free(&u->io);
        uio_warn(cfg, &why);
        return uio_refused(&why);
    }
    io_real_seed(&u->io);
    uio_note_features(u, tune);
    uio_wake_arm(u);
    *ret_io = &u->io;
    return OK;
}

enum err
io_uring_new(const struct io_cfg *cfg, struct io **ret_io)
{
    static const struct io_uring_tune none;

    return io_uring_new_tuned(cfg, &none, ret_io);
}

void
uio_free(struct io *io)
{
    struct uio *u = uio_of(io);

    ASSERT(u->closed.head == NULL && u->rearm.head == NULL && u->starved.head == NULL && u->paused.head == NULL);
    if (u->ring.ring_fd >= 0) {
        uio_bufs_unregister(u);
        uring_close(&u->ring);
    }
    if (u->area != NULL)
        (void)munmap(u->area, u->area_len);
    if (u->wake_fd >= 0)
        (void)close(u->wake_fd);
    free(u);
}
