/* offload.h - a small pool of threads for what blocks: name look-ups, password hashing, compressing a backup.
 *
 * A job runs on a pool thread and its `done` runs on the shard that asked, in a later turn. The queue is bounded: a full
 * one answers ERR_FULL and the caller decides (refuse, or wait and try again). Threads start when the first jobs
 * need them, free of the processor that the asking shard is pinned to, and below the shards' priority: where all processors are busy they
 * get about a tenth of one each, so that a flood of logins does not slow messages down.
 *
 *     shard --submit--> queue (lock) --> pool thread runs it --> the shard's stack of finished jobs --drain--> done
 *
 * Threads  offload_submit, offload_drain: the shard. job->run: a pool thread; it touches nothing but the job.
 *          offload_new, offload_free: main, before the shards start and after they ended; offload_stop: main, before they end.
 * Memory   jobs are embedded in their owners and stay put until done was called.
 */
#ifndef MIDGE_RT_OFFLOAD_H
#define MIDGE_RT_OFFLOAD_H

#include <stdint.h>

#include "core/rt/err.h"

enum {
    OFFLOAD_THREADS_MAX = 64,
    OFFLOAD_NICE = 10,
};

struct offload;

/* Zeroed memory is an idle job; set run and done before submitting it. */
struct offload_job {
    void (*run)(struct offload_job *j);  /* pool thread */
    void (*done)(struct offload_job *j); /* the shard; the job is idle again: it may submit it, or release it */
    struct offload_job *next;
    uint32_t shard_id;
    uint32_t state; /* enum offload_state */
};
/*  IDLE --submit--> QUEUED --> RUNNING --> FINISHED --drain--> IDLE */
enum offload_state { OFFLOAD_IDLE, OFFLOAD_QUEUED, OFFLOAD_RUNNING, OFFLOAD_FINISHED };

/* n_jobs_max bounds the jobs that wait for a thread.
 * wake(arg, shard_id): called by a pool thread when a shard has something to drain.
 *   fail  ERR_NOMEM */
enum err offload_new(uint32_t n_threads, uint32_t n_shards, uint32_t n_jobs_max, void (*wake)(void *arg, uint32_t shard_id), void *arg,
                     struct offload **ret);
/* Wait for running jobs, and end the threads: to be called while the shards still run, since a thread that has finished a job wakes one.
 * From then on offload_submit answers ERR_FULL; what has finished may still be drained. Main only. */
void offload_stop(struct offload *o);
/* The same, and release it. Queued jobs are dropped undone, and so are finished ones that nobody drained. NULL is fine. */
void offload_free(struct offload *o);
/* fail: ERR_FULL; ERR_NOMEM: not even one thread could be started. The job stays idle then. */
enum err offload_submit(struct offload *o, uint32_t shard_id, struct offload_job *j);
/* Call done of finished jobs of this shard, at most max, in the order in which they finished. Returns how many; max: there may be more. Nearly
 * free when there are none: to be called each turn. */
uint32_t offload_drain(struct offload *o, uint32_t shard_id, uint32_t max);

#endif
