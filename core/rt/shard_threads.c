/* The threads of a shard_set: start together or not at all, end together. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/rt/log.h"
#include "core/rt/shard.h"

struct shard_threads {
    pthread_t ids[SHARDS_MAX];
    pthread_barrier_t opened;  /* every shard has made its io, or failed */
    pthread_barrier_t started; /* every shard has run on_start, or failed; main waits here too */
    pthread_barrier_t ended;   /* nobody wakes a peer any more, nor asks (shard_set_join was called) */
};

static void
shard_note_failure(struct shard_set *set, enum err e)
{
    uint32_t none = OK;
    (void)atomic_compare_exchange_strong(&set->first_err, &none, (uint32_t)e); /* the first one counts */
    atomic_fetch_add(&set->n_failed, 1);
}

/* What it counted, one line: until there is monitoring, the only way to see it. */
static void
shard_log_counters(const struct shard *sh)
{
    const uint64_t *all = (const uint64_t *)(const void *)&sh->counters;
    const struct io_stats *io = io_stats(sh->io);
    char text[4096];
    int len = 0;

    for (uint32_t i = 0; i < COUNTERS_N && len < (int)sizeof(text); i++) {
        if (all[i] != 0)
            len += snprintf(text + len, sizeof(text) - (size_t)len, " %s %" PRIu64, counters_info[i].name, all[i]);
    }
    if (len > 0)
        log_dbg("shard %u counted:%s; io: enter %" PRIu64 " recv %" PRIu64 " send %" PRIu64 " starved %" PRIu64 " rearm %" PRIu64, sh->id, text,
                io->n_enter, io->n_recv, io->n_send, io->n_starved, io->n_rearm);
}

static void *
shard_main(void *arg)
{
    struct shard *sh = arg;
    struct shard_set *set = sh->set;
    struct shard_threads *th = set->threads;
    char name[16];

    shard_current = sh;
    (void)snprintf(name, sizeof(name), "shard-%u", sh->id);
    (void)pthread_setname_np(pthread_self(), name); /* for top and gdb only */
    if (set->cfg.pin && set->cfg.cpus.n_mask > 0) {
        enum err pe = cpus_pin(set->cfg.cpus.id[sh->id % set->cfg.cpus.n_mask]);
        if (pe != OK)
            log_wrn("shard %u: cannot pin to processor %u: %s", sh->id, set->cfg.cpus.id[sh->id % set->cfg.cpus.n_mask], err_text(pe));
    }
    enum err e = log_attach(sh->id);
    if (e == OK)
        e = shard_open(sh);
    if (e != OK)
        shard_note_failure(set, e);
    (void)pthread_barrier_wait(&th->opened);
    bool app_started = false;
    if (atomic_load(&set->n_failed) == 0) {
        e = set->app->on_start(sh);
        app_started = e == OK;
        if (!app_started)
            shard_note_failure(set, e);
    }
    (void)pthread_barrier_wait(&th->started);
    if (atomic_load(&set->n_failed) == 0) {
        while (!sh->done)
            shard_turn(sh);
    }
    (void)pthread_barrier_wait(&th->ended);
    if (app_started)
        set->app->on_stop(sh);
    if (log_debug_on && sh->io != NULL)
        shard_log_counters(sh);
    shard_close(sh);
    log_detach();
    return NULL;
}

enum err
shard_set_start(struct shard_set *set)
{
    uint32_t n = set->n_shards;
    struct shard_threads *th = calloc(1, sizeof(*th));
    if (th == NULL)
        return ERR_NOMEM;
    set->threads = th;
    if (pthread_barrier_init(&th->opened, NULL, n) != 0 || pthread_barrier_init(&th->started, NULL, n + 1) != 0 ||
        pthread_barrier_init(&th->ended, NULL, n + 1) != 0)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int rc = pthread_create(&th->ids[i], NULL, shard_main, set->shards[i]);
        if (rc != 0) {
            /* The threads before wait at a barrier for one that will never come: there is no way on, and none back. */
            log_line(LOG_FTL, "cannot create the thread of shard %u: %s", i, err_text(err_from_errno(rc)));
            log_stop();
            _exit(EXIT_FAILURE);
        }
    }
    (void)pthread_barrier_wait(&th->started);
    if (atomic_load(&set->n_failed) == 0)
        return OK;
    shard_set_join(set);
    return (enum err)atomic_load(&set->first_err);
}

void
shard_set_join(struct shard_set *set)
{
    struct shard_threads *th = set->threads;
    if (th == NULL)
        return;
    (void)pthread_barrier_wait(&th->ended);
    for (uint32_t i = 0; i < set->n_shards; i++)
        (void)pthread_join(th->ids[i], NULL); /* joinable and ours: cannot fail */
    (void)pthread_barrier_destroy(&th->opened);
    (void)pthread_barrier_destroy(&th->started);
    (void)pthread_barrier_destroy(&th->ended);
    free(th);
    set->threads = NULL;
}
