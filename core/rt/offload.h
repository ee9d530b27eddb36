/* offload.h - a small pool of threads for what blocks: name look-ups, password hashing, compressing a backup.
 *
 * A job runs on a pool thread and its `done` runs on the shard that asked, in a later turn. The queue is bounded: a full
 * one answers ERR_FULL and the caller decides (refuse, or wait and try again).
 *
 * Threads  offload_submit, offload_drain: the shard. job->run: a pool thread; it touches nothing but the job.
 * Memory   jobs are embedded in their owners and stay put until done was called.
 */
#ifndef MIDGE_RT_OFFLOAD_H
#define MIDGE_RT_OFFLOAD_H

#include <stdint.h>

#include "core/rt/err.h"

struct offload;
struct offload_job {
    void (*run)(struct offload_job *j);  /* pool thread */
    void (*done)(struct offload_job *j); /* the shard */
    struct offload_job *next;
    uint32_t shard_id;
};

/* wake(arg, shard_id): called by a pool thread when a shard has something to drain. */
enum err offload_new(uint32_t n_threads, uint32_t n_shards, uint32_t n_jobs_max, void (*wake)(void *arg, uint32_t shard_id), void *arg,
                     struct offload **ret);
void offload_free(struct offload *o); /* waits for running jobs; queued ones are dropped undone */
enum err offload_submit(struct offload *o, uint32_t shard_id, struct offload_job *j);
/* Call done of finished jobs of this shard, at most max. Returns how many. */
uint32_t offload_drain(struct offload *o, uint32_t shard_id, uint32_t max);

#endif
