/* load_proc.c - see load_proc.h. */
#include "load_proc.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "load.h"

/* The first line of a small file, without its line end; false if it cannot be read. */
static bool
proc_read_line(const char *path, char *line, size_t cap)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ok = fgets(line, (int)cap, f) != NULL;
    (void)fclose(f); /* only read from */
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    return ok;
}

static void
proc_thread_read(struct proc_cpu *cpu, pid_t pid, const char *tid)
{
    char path[128];
    char line[128];
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid, tid);
    if (!proc_read_line(path, line, sizeof(line)))
        return; /* it ended meanwhile: the process-wide clock has its time */
    if (cpu->n_threads == PROC_THREADS_MAX)
        load_die("the server has more than %d threads", PROC_THREADS_MAX);
    struct proc_thread *t = &cpu->threads[cpu->n_threads];
    if (sscanf(line, "%" SCNu64, &t->cpu_ns) != 1)
        load_die("%s is not understood: %s", path, line);
    t->tid = (pid_t)strtol(tid, NULL, 10);
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", (int)pid, tid);
    if (!proc_read_line(path, t->name, sizeof(t->name)))
        (void)snprintf(t->name, sizeof(t->name), "?");
    cpu->n_threads++;
    cpu->sum_ns += t->cpu_ns;
}

void
proc_cpu_read(struct proc_cpu *cpu, pid_t pid)
{
    cpu->sum_ns = 0;
    cpu->group_ns = 0;
    cpu->n_threads = 0;
    if (pid == 0)
        return;
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        load_die("the server (pid %d) is gone: %s: %s", (int)pid, path, strerror(errno));
    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (d->d_name[0] != '.')
            proc_thread_read(cpu, pid, d->d_name);
    }
    (void)closedir(dir); /* only read from */

    clockid_t       clock;
    struct timespec ts;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
        load_die("the CPU clock of the server (pid %d) cannot be read: %s", (int)pid, strerror(errno));
    cpu->group_ns = (uint64_t)ts.tv_sec * (uint64_t)NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
proc_cpu_used(const struct proc_cpu *from, const struct proc_cpu *to)
{
    uint64_t sum = to->sum_ns > from->sum_ns ? to->sum_ns - from->sum_ns : 0;
    uint64_t group = to->group_ns > from->group_ns ? to->group_ns - from->group_ns : 0;
    return max_u64(sum, group);
}

static uint64_t
proc_thread_before(const struct proc_cpu *from, pid_t tid)
{
    for (uint32_t i = 0; i < from->n_threads; i++) {
        if (from->threads[i].tid == tid)
            return from->threads[i].cpu_ns;
    }
    return 0;
}

void
proc_cpu_json(struct json *j, const struct proc_cpu *from, const struct proc_cpu *to)
{
    uint64_t used = proc_cpu_used(from, to);
    json_u64(j, "cpu_ns", used);
    json_i64(j, "cpu_schedstat_ns", (int64_t)(to->sum_ns - from->sum_ns));
    json_i64(j, "cpu_group_ns", (int64_t)(to->group_ns - from->group_ns));
    json_array_open(j, "threads");
    for (uint32_t i = 0; i < to->n_threads; i++) {
        const struct proc_thread *t = &to->threads[i];
        uint64_t                  ns = t->cpu_ns - proc_thread_before(from, t->tid);
        if (ns == 0 || ns < used / 100)
            continue;
        json_object_open(j, NULL);
        json_str(j, "name", t->name);
        json_u64(j, "cpu_ns", ns);
        json_object_close(j);
    }
    json_array_close(j);
}

/* The value of a "Name:   123 kB" line in bytes; false if the file has none. */
static bool
proc_find_kb(const char *path, const char *name, uint64_t *ret_bytes)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    char   line[256];
    size_t len = strlen(name);
    bool   found = false;
    while (!found && fgets(line, sizeof(line), f) != NULL) {
        uint64_t kb;
        if (strncmp(line, name, len) == 0 && sscanf(line + len, "%" SCNu64, &kb) == 1) {
            *ret_bytes = kb * 1024;
            found = true;
        }
    }
    (void)fclose(f); /* only read from */
    return found;
}

void
proc_mem_read(struct proc_mem *mem, pid_t pid)
{
    *mem = (struct proc_mem){0};
    if (pid == 0)
        return;
    char status[64];
    char rollup[64];
    (void)snprintf(status, sizeof(status), "/proc/%d/status", (int)pid);
    (void)snprintf(rollup, sizeof(rollup), "/proc/%d/smaps_rollup", (int)pid);
    /* smaps_rollup walks the page tables and is exact; status adds up per-CPU counters. */
    if (!proc_find_kb(rollup, "Rss:", &mem->rss_bytes) && !proc_find_kb(status, "VmRSS:", &mem->rss_bytes))
        load_die("the memory of the server (pid %d) cannot be read", (int)pid);
    if (!proc_find_kb(status, "VmHWM:", &mem->rss_peak_bytes))
        load_die("%s shows no VmHWM", status);
    mem->rss_peak_bytes = max_u64(mem->rss_peak_bytes, mem->rss_bytes);
}

uint64_t
proc_own_cpu(void)
{
    struct timespec ts;
    int             rc = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    ASSERT(rc == 0);
    return (uint64_t)ts.tv_sec * (uint64_t)NS_PER_S + (uint64_t)ts.tv_nsec;
}
