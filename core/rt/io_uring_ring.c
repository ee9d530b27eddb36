#include "core/rt/io_uring_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"

/* From best to plainest; each step drops what some older kernel refuses with EINVAL. */
static const uint32_t uring_ladder[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_NO_SQARRAY,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG,
    0,
};
enum { URING_LADDER_OLD = 2 }; /* the first step without deferred work */

static int
uring_setup_call(uint32_t n_sqes, struct io_uring_params *p)
{
    int fd = (int)syscall(SYS_io_uring_setup, n_sqes, p);
    return fd < 0 ? -errno : fd;
}

int
uring_register(struct uring *u, unsigned opcode, void *arg, unsigned n_args)
{
    int ret = (int)syscall(SYS_io_uring_register, u->ring_fd, opcode, arg, n_args);
    return ret < 0 ? -errno : ret;
}

static int
uring_setup(struct uring *u, uint32_t n_sqes, uint32_t n_cqes, bool no_defer, struct io_uring_params *p)
{
    int fd = -EINVAL;

    for (uint32_t i = no_defer ? URING_LADDER_OLD : 0; i < N_ELEMS(uring_ladder) && fd == -EINVAL; i++) {
        memset(p, 0, sizeof(*p));
        p->flags = uring_ladder[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        p->cq_entries = n_cqes;
        fd = uring_setup_call(n_sqes, p);
    }
    if (fd < 0)
        return -fd;
    u->ring_fd = fd;
    u->enter_fd = fd;
    u->setup_flags = p->flags;
    u->features = p->features;
    return 0;
}

static uint32_t *
uring_field(const struct uring *u, uint32_t off)
{
    return (uint32_t *)(void *)((char *)u->ring_map + off);
}

static int
uring_map(struct uring *u, const struct io_uring_params *p)
{
    size_t sq_len = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
    size_t cq_len = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

    u->ring_map_len = max_u64(sq_len, cq_len);
    u->ring_map = mmap(NULL, u->ring_map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->ring_fd, IORING_OFF_SQ_RING);
    if (u->ring_map == MAP_FAILED)
        return errno;
    u->sqe_map_len = p->sq_entries * sizeof(struct io_uring_sqe);
    u->sqe_map = mmap(NULL, u->sqe_map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->ring_fd, IORING_OFF_SQES);
    if (u->sqe_map == MAP_FAILED)
        return errno;
    /* A forked child must not share rings that only our thread may touch. An old kernel's refusal costs nothing. */
    (void)madvise(u->ring_map, u->ring_map_len, MADV_DONTFORK);
    (void)madvise(u->sqe_map, u->sqe_map_len, MADV_DONTFORK);

    u->sqes = u->sqe_map;
    u->n_sqes = p->sq_entries;
    u->sq_mask = *uring_field(u, p->sq_off.ring_mask);
    u->sq_khead = uring_field(u, p->sq_off.head);
    u->sq_ktail = uring_field(u, p->sq_off.tail);
    u->sq_kflags = uring_field(u, p->sq_off.flags);
    u->cq_khead = uring_field(u, p->cq_off.head);
    u->cq_ktail = uring_field(u, p->cq_off.tail);
    u->cq_mask = *uring_field(u, p->cq_off.ring_mask);
    u->cqes = (struct io_uring_cqe *)(void *)((char *)u->ring_map + p->cq_off.cqes);
    if ((p->flags & IORING_SETUP_NO_SQARRAY) == 0) {
        uint32_t *array = uring_field(u, p->sq_off.array);
        for (uint32_t i = 0; i < u->n_sqes; i++)
            array[i] = i; /* entries are submitted in ring order, always */
    }
    return 0;
}

/* A registered ring spares each call the look-up of the descriptor. */
static void
uring_register_fd(struct uring *u)
{
    struct io_uring_rsrc_update up = {.offset = UINT32_MAX, .data = (uint32_t)u->ring_fd};

    if (uring_register(u, IORING_REGISTER_RING_FDS, &up, 1) != 1)
        return;
    u->enter_fd = (int)up.offset;
    u->enter_flags |= IORING_ENTER_REGISTERED_RING;
    u->fd_is_registered = true;
}

/* An absolute deadline spares each wait the clock. There is no feature bit: try it with one that has passed. */
static void
uring_try_abs_timer(struct uring *u)
{
    u->wait_flags |= IORING_ENTER_ABS_TIMER;
    if (uring_enter(u, 1, true, 1) == -EINVAL)
        u->wait_flags &= ~IORING_ENTER_ABS_TIMER;
}

static bool
uring_refuse(struct uring *u, const char *step, int errnum, struct uring_refusal *ret_why)
{
    uring_close(u);
    ret_why->step = step;
    ret_why->errnum = errnum;
    return false;
}

bool
uring_open(struct uring *u, uint32_t n_sqes, uint32_t n_cqes, bool no_defer, struct uring_refusal *ret_why)
{
    static const uint32_t needed =
        IORING_FEAT_SINGLE_MMAP | IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL;
    struct io_uring_params p;
    int errnum;

    memset(u, 0, sizeof(*u));
    u->ring_fd = -1;
    u->ring_map = u->sqe_map = MAP_FAILED;
    errnum = uring_setup(u, n_sqes, n_cqes, no_defer, &p);
    if (errnum != 0)
        return uring_refuse(u, "io_uring_setup", errnum, ret_why);
    if ((u->features & needed) != needed)
        return uring_refuse(u, "features", 0, ret_why);
    errnum = uring_map(u, &p);
    if (errnum != 0)
        return uring_refuse(u, "mapping the rings", errnum, ret_why);
    if (u->features & IORING_FEAT_NO_IOWAIT)
        u->wait_flags |= IORING_ENTER_NO_IOWAIT;
    uring_register_fd(u);
    errnum = -uring_enter(u, 0, true, INT64_MAX); /* a filter may allow setting up and forbid this */
    if (errnum > 0)
        return uring_refuse(u, "io_uring_enter", errnum, ret_why);
    uring_try_abs_timer(u);
    return true;
}

void
uring_close(struct uring *u)
{
    struct io_uring_rsrc_update up = {.offset = (uint32_t)u->enter_fd};

    if (u->ring_fd < 0)
        return;
    if (u->fd_is_registered)
        (void)uring_register(u, IORING_UNREGISTER_RING_FDS, &up, 1); /* else the thread keeps the ring alive */
    if (u->sqe_map != MAP_FAILED)
        (void)munmap(u->sqe_map, u->sqe_map_len);
    if (u->ring_map != MAP_FAILED)
        (void)munmap(u->ring_map, u->ring_map_len);
    (void)close(u->ring_fd);
    u->ring_fd = -1;
}

bool
uring_has_ops(struct uring *u, const uint8_t *ops, uint32_t n_ops)
{
    enum { N_OPS_MAX = 256 };
    struct io_uring_probe *p = calloc(1, sizeof(*p) + N_OPS_MAX * sizeof(p->ops[0]));
    bool has = p != NULL && uring_register(u, IORING_REGISTER_PROBE, p, N_OPS_MAX) == 0;

    for (uint32_t i = 0; i < n_ops && has; i++)
        has = ops[i] <= p->last_op && (p->ops[ops[i]].flags & IO_URING_OP_SUPPORTED) != 0;
    free(p);
    return has;
}

int
uring_enter(struct uring *u, uint32_t min_done, bool get_events, int64_t deadline_ns)
{
    struct __kernel_timespec ts;
    struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8};
    uint32_t flags = u->enter_flags;
    int ret;

    __atomic_store_n(u->sq_ktail, u->sq_tail, __ATOMIC_RELEASE); /* entries are whole before the kernel sees the tail */
    if (get_events)
        flags |= IORING_ENTER_GETEVENTS;
    if (min_done > 0) {
        flags |= IORING_ENTER_EXT_ARG | u->wait_flags;
        if (deadline_ns != INT64_MAX) {
            if ((u->wait_flags & IORING_ENTER_ABS_TIMER) == 0) {
                struct timespec now;
                (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
                deadline_ns -= now.tv_sec * NS_PER_S + now.tv_nsec;
                if (deadline_ns < 0)
                    deadline_ns = 0;
            }
            ts.tv_sec = deadline_ns / NS_PER_S;
            ts.tv_nsec = deadline_ns % NS_PER_S;
            arg.ts = (uint64_t)(uintptr_t)&ts;
        }
        ret = (int)syscall(SYS_io_uring_enter, u->enter_fd, uring_n_queued(u), min_done, flags, &arg, sizeof(arg));
    } else {
        ret = (int)syscall(SYS_io_uring_enter, u->enter_fd, uring_n_queued(u), 0, flags, NULL, 0);
    }
    if (ret < 0)
        ret = -errno;
    u->sq_done = __atomic_load_n(u->sq_khead, __ATOMIC_ACQUIRE); /* the kernel has read the entries before it */
    return ret;
}

/* What kernel.io_uring_disabled says; 0 where there is no such switch. */
static int
uring_sysctl(void)
{
    char c = '0';
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (read(fd, &c, 1) != 1)
        c = '0';
    (void)close(fd);
    return c - '0';
}

static const char *
uring_remedy(int errnum)
{
    switch (errnum) {
    case 0:
        return "this kernel's io_uring is too old for us; Linux 6.1 or newer has what is needed";
    case EPERM:
    case EACCES:
        if (uring_sysctl() == 2)
            return "the sysctl kernel.io_uring_disabled is 2; set it to 0 to allow it";
        if (uring_sysctl() == 1)
            return "the sysctl kernel.io_uring_disabled is 1; set it to 0, or put the server's group into kernel.io_uring_group";
        return "a seccomp profile or security module forbids it (the default profiles of Docker and Kubernetes do); allow "
               "io_uring_setup, io_uring_enter and io_uring_register";
    case ENOSYS:
        return "the kernel was built without it, or a sandbox hides it (gVisor, or a seccomp profile that answers ENOSYS); use "
               "Linux 6.1 or newer and allow io_uring_setup, io_uring_enter and io_uring_register";
    case ENOMEM:
        return "the limit of locked memory or the memory of the container is too small; raise RLIMIT_MEMLOCK (systemd: "
               "LimitMEMLOCK=infinity, Docker: --ulimit memlock=-1)";
    case EMFILE:
    case ENFILE:
        return "out of file descriptors; raise RLIMIT_NOFILE (systemd: LimitNOFILE=, ulimit -n)";
    case EINVAL:
        return "this kernel refuses even the plainest ring (an old or emulated kernel); Linux 6.1 or newer has what is needed";
    default:
        return "unexpected; please report it with the kernel's version";
    }
}

void
uring_explain(const struct uring_refusal *why, char *buf, size_t cap)
{
    const char *text = why->errnum == 0 ? "too little of it" : strerror(why->errnum);

    (void)snprintf(buf, cap, "no io_uring here (%s: %s): %s", why->step, text, uring_remedy(why->errnum)); /* cut is fine */
}
