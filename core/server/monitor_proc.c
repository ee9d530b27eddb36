/* What the system says of this process. Pool's threads. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/util.h"
#include "core/server/monitor_priv.h"

static int64_t
proc_clock(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts); /* these clocks exist */
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
monitor_wall_ns(void)
{
    return proc_clock(CLOCK_REALTIME);
}

/* Resident bytes; 0: /proc is not there. */
static uint64_t
proc_mem(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    (void)close(fd); /* it was only read */
    if (len <= 0)
        return 0;
    text[len] = '\0';
    char *end;
    (void)strtoull(text, &end, 10); /* the size of the address space */
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
monitor_sample(struct monitor *m, struct monitor_proc *ret)
{
    int64_t now = proc_clock(CLOCK_MONOTONIC), cpu = proc_clock(CLOCK_PROCESS_CPUTIME_ID);

    ret->mem = proc_mem();
    ASSERT(pthread_mutex_lock(&m->lock) == 0);
    if (m->sampled_ns == 0 || now - m->sampled_ns >= NS_PER_S) { /* within a second the last figure stands */
        if (m->sampled_ns != 0)
            m->cpu = (double)((uint64_t)(cpu - m->cpu_ns) * 1000 / (uint64_t)(now - m->sampled_ns)) / 10;
        m->sampled_ns = now;
        m->cpu_ns = cpu;
    }
    ret->cpu = m->cpu;
    ASSERT(pthread_mutex_unlock(&m->lock) == 0);
}
