/* load_proc.h - what the server has used so far: CPU time and memory, read from /proc.
 *
 * CPU time is the sum of /proc/PID/task/TID/schedstat over all threads (io_uring's kernel
 * workers are threads of the process too). A thread that ended takes its time with it, so the
 * process-wide CPU clock, which keeps it, is read as well; proc_cpu_used takes the larger.
 *
 * Threads  any; a struct belongs to one.
 * Memory   by value.
 * Fail     a server that is gone ends the run (load_die).
 */
#ifndef MIDGE_LOAD_PROC_H
#define MIDGE_LOAD_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "load_json.h"

enum { PROC_THREADS_MAX = 512, PROC_NAME_CAP = 17 };

struct proc_thread {
    pid_t    tid;
    uint64_t cpu_ns;
    char     name[PROC_NAME_CAP];
};

/* One reading. pid 0 reads as all zero. */
struct proc_cpu {
    uint64_t           sum_ns;   /* all living threads */
    uint64_t           group_ns; /* the process-wide clock */
    uint32_t           n_threads;
    struct proc_thread threads[PROC_THREADS_MAX];
};

struct proc_mem {
    uint64_t rss_bytes;
    uint64_t rss_peak_bytes; /* since the process started */
};

void proc_cpu_read(struct proc_cpu *cpu, pid_t pid);

/* CPU ns between two readings of the same process. */
uint64_t proc_cpu_used(const struct proc_cpu *from, const struct proc_cpu *to);

/* Write both clocks and the threads that did 1 % or more of the work as members of j. */
void proc_cpu_json(struct json *j, const struct proc_cpu *from, const struct proc_cpu *to);

void proc_mem_read(struct proc_mem *mem, pid_t pid);

/* CPU ns of this process. */
uint64_t proc_own_cpu(void);

#endif
