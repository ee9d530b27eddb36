#include "core/rt/offload.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/cpus.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

/* What has finished for one shard. */
struct offload_shard {
    /* Pool threads push, latest first; the shard takes all at once, so no job comes back here while
     * somebody compares. O1 (push) pairs with O2 (take): what run wrote is seen by done. */
    _Alignas(CACHE_PAIR) _Atomic(struct offload_job *) finished;
    struct offload_job *ready; /* the shard's: taken, in order */
};

struct offload {
    pthread_mutex_t lock; /* held for a few instructions at a time: what is below, up to the blank line */
    pthread_cond_t work;
    struct offload_job *first, **last; /* queue */
    uint32_t n_queued, n_idle, n_started;
    bool stop;
    pthread_t threads[OFFLOAD_THREADS_MAX];

    uint32_t n_threads, n_shards, n_jobs_max;
    void (*wake)(void *arg, uint32_t shard_id);
    void *arg;
    struct cpus_mask mask; /* for the pool's threads */
    struct offload_shard shards[];
};

/* Locks and conditions of our own, used as they are meant, do not fail. */
static void
offload_lock(struct offload *o)
{
    ASSERT(pthread_mutex_lock(&o->lock) == 0);
}

static void
offload_unlock(struct offload *o)
{
    ASSERT(pthread_mutex_unlock(&o->lock) == 0);
}

enum err
offload_new(uint32_t n_threads, uint32_t n_shards, uint32_t n_jobs_max, void (*wake)(void *arg, uint32_t shard_id), void *arg,
            struct offload **ret)
{
    ASSERT(n_threads >= 1 && n_threads <= OFFLOAD_THREADS_MAX && n_shards >= 1 && n_jobs_max >= 1 && wake != NULL);
    size_t len = round_up_u64(sizeof(struct offload) + n_shards * sizeof(struct offload_shard), CACHE_PAIR);
    struct offload *o = fault_aligned(CACHE_PAIR, len);
    if (o == NULL)
        return ERR_NOMEM;
    memset(o, 0, len);
    ASSERT(pthread_mutex_init(&o->lock, NULL) == 0 && pthread_cond_init(&o->work, NULL) == 0);
    o->last = &o->first;
    o->n_threads = n_threads;
    o->n_shards = n_shards;
    o->n_jobs_max = n_jobs_max;
    o->wake = wake;
    o->arg = arg;
    cpus_mask_save(&o->mask);
    *ret = o;
    return OK;
}

void
offload_stop(struct offload *o)
{
    offload_lock(o);
    bool stopped = o->stop;
    o->stop = true; /* from here on no thread is started */
    ASSERT(pthread_cond_broadcast(&o->work) == 0);
    offload_unlock(o);
    for (uint32_t i = 0; !stopped && i < o->n_started; i++)
        ASSERT(pthread_join(o->threads[i], NULL) == 0);
}

void
offload_free(struct offload *o)
{
    if (o == NULL)
        return;
    offload_stop(o);
    ASSERT(pthread_cond_destroy(&o->work) == 0 && pthread_mutex_destroy(&o->lock) == 0);
    free(o);
}

/* ---- pool threads ---- */

/* Hand a finished job to its shard; who finds the stack empty wakes it. */
static void
offload_finish(struct offload *o, struct offload_job *j)
{
    struct offload_shard *s = &o->shards[j->shard_id];
    uint32_t shard_id = j->shard_id; /* once it is pushed, j may be gone */
    j->state = OFFLOAD_FINISHED;
    struct offload_job *head = atomic_load_explicit(&s->finished, memory_order_relaxed);
    do {
        j->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&s->finished, &head, j, memory_order_release, memory_order_relaxed)); /* O1 */
    if (head == NULL)
        o->wake(o->arg, shard_id);
}

/* The next job; NULL: the pool ends. */
static struct offload_job *
offload_next(struct offload *o)
{
    offload_lock(o);
    o->n_idle++;
    while (o->first == NULL && !o->stop)
        ASSERT(pthread_cond_wait(&o->work, &o->lock) == 0);
    o->n_idle--;
    struct offload_job *j = o->stop ? NULL : o->first;
    if (j != NULL) {
        o->first = j->next;
        if (o->first == NULL)
            o->last = &o->first;
        o->n_queued--;
        j->state = OFFLOAD_RUNNING;
    }
    offload_unlock(o);
    return j;
}

static void *
offload_main(void *arg)
{
    struct offload *o = arg;
    struct offload_job *j;
    cpus_mask_restore(&o->mask);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), OFFLOAD_NICE); /* raising it is always allowed; Linux keeps it by thread */
    while ((j = offload_next(o)) != NULL) {
        j->run(j);
        offload_finish(o, j);
    }
    return NULL;
}

/* Start one more thread, without signals. Under the lock. False: the system has none to give. */
static bool
offload_start_thread(struct offload *o)
{
    if (fault_hit())
        return false;
    sigset_t all, before;
    pthread_t *thread = &o->threads[o->n_started];
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* valid arguments cannot fail */
    int rc = pthread_create(thread, NULL, offload_main, o);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return false;
    (void)pthread_setname_np(*thread, "offload"); /* for top and gdb only */
    o->n_started++;
    return true;
}

/* ---- shards ---- */

enum err
offload_submit(struct offload *o, uint32_t shard_id, struct offload_job *j)
{
    ASSERT(shard_id < o->n_shards && j->run != NULL && j->done != NULL);
    ASSERT(j->state == OFFLOAD_IDLE);
    enum err e = OK;
    offload_lock(o);
    if (o->stop || o->n_queued >= o->n_jobs_max) {
        e = ERR_FULL;
        goto out;
    }
    /* Each waiting job has an idle thread coming for it, as far as there are threads. */
    if (o->n_queued >= o->n_idle && o->n_started < o->n_threads && !offload_start_thread(o) && o->n_started == 0) {
        e = ERR_NOMEM; /* with at least one thread it only takes longer */
        goto out;
    }
    j->shard_id = shard_id;
    j->state = OFFLOAD_QUEUED;
    j->next = NULL;
    *o->last = j;
    o->last = &j->next;
    o->n_queued++;
    ASSERT(pthread_cond_signal(&o->work) == 0);
out:
    offload_unlock(o);
    return e;
}

/* What has finished since, the earliest first. */
static struct offload_job *
offload_take_finished(struct offload_shard *s)
{
    if (atomic_load_explicit(&s->finished, memory_order_relaxed) == NULL)
        return NULL;
    struct offload_job *j = atomic_exchange_explicit(&s->finished, NULL, memory_order_acquire), *first = NULL; /* O2 */
    while (j != NULL) {
        struct offload_job *next = j->next;
        j->next = first;
        first = j;
        j = next;
    }
    return first;
}

uint32_t
offload_drain(struct offload *o, uint32_t shard_id, uint32_t max)
{
    ASSERT(shard_id < o->n_shards);
    struct offload_shard *s = &o->shards[shard_id];
    uint32_t n = 0;
    while (n < max) {
        if (s->ready == NULL && (s->ready = offload_take_finished(s)) == NULL)
            break;
        struct offload_job *j = s->ready;
        s->ready = j->next;
        ASSERT(j->state == OFFLOAD_FINISHED);
        j->state = OFFLOAD_IDLE;
        j->done(j); /* j may be gone, or queued again */
        n++;
    }
    return n;
}
