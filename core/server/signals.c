#include "core/server/signals.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"

static const int signals_all[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGABRT};

static void
signals_set(sigset_t *ret)
{
    (void)sigemptyset(ret);
    for (size_t i = 0; i < N_ELEMS(signals_all); i++)
        (void)sigaddset(ret, signals_all[i]);
}

void
signals_block(void)
{
    sigset_t set;

    signals_set(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* valid arguments cannot fail */
    (void)signal(SIGPIPE, SIG_IGN);
}

enum err
signals_open(struct signals *sg)
{
    sigset_t set;

    signals_set(&set);
    sg->sig_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    sg->note_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sg->sig_fd >= 0 && sg->note_fd >= 0)
        return OK;
    signals_close(sg);
    return ERR_NOFILE;
}

void
signals_close(struct signals *sg)
{
    if (sg->sig_fd >= 0)
        (void)close(sg->sig_fd); /* nothing of ours can be lost in it */
    if (sg->note_fd >= 0)
        (void)close(sg->note_fd);
    sg->sig_fd = sg->note_fd = -1;
}

int64_t
signals_now_ns(void)
{
    struct timespec ts;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Milliseconds for poll, rounded up: waking before the time would make the caller ask again at once. */
static int
signals_timeout_ms(int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return -1;
    int64_t ms = (deadline_ns - signals_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
    return ms <= 0 ? 0 : (int)min_i64(ms, INT_MAX);
}

int
signals_wait(struct signals *sg, int64_t deadline_ns)
{
    struct pollfd p[2] = {{.fd = sg->sig_fd, .events = POLLIN}, {.fd = sg->note_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t n_notes;

    (void)poll(p, N_ELEMS(p), signals_timeout_ms(deadline_ns)); /* whatever it says, the reads below tell what is there */
    if (read(sg->note_fd, &n_notes, sizeof(n_notes)) == sizeof(n_notes))
        return 0;
    return read(sg->sig_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void
signals_wait_note(struct signals *sg)
{
    struct pollfd p = {.fd = sg->note_fd, .events = POLLIN};
    uint64_t n_notes;

    (void)poll(&p, 1, -1);
    if (read(sg->note_fd, &n_notes, sizeof(n_notes)) != sizeof(n_notes))
        return; /* woken for nothing: the caller looks anyway */
}

void
signals_note(void *arg)
{
    struct signals *sg = arg;
    uint64_t one = 1;

    /* It fails only when 2^64 notes wait already. */
    if (write(sg->note_fd, &one, sizeof(one)) != sizeof(one))
        return;
}

const char *
signals_name(int sig)
{
    switch (sig) {
    case SIGINT: return "interrupt";
    case SIGTERM: return "terminated";
    case SIGHUP: return "hangup";
    case SIGUSR1: return "user defined signal 1";
    case SIGUSR2: return "user defined signal 2";
    case SIGQUIT: return "quit";
    case SIGABRT: return "aborted";
    default: return "unknown";
    }
}
