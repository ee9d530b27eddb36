/* load_engine_priv.h - what load_engine.c (flows, phases) and load_worker.c (sockets) share. */
#ifndef MIDGE_LOAD_ENGINE_PRIV_H
#define MIDGE_LOAD_ENGINE_PRIV_H

#include <pthread.h>

#include "load_engine.h"

struct engine_worker {
    struct engine *eng;
    uint32_t       id;
    int            epfd;
    pthread_t      thread;
    uint32_t       n_pubs, n_subs; /* of this worker: every n_workers-th, from id on */
    uint8_t       *scratch;        /* bytes that are looked at */
    uint64_t      *flow_done;      /* n_flows; the next row of progress */
    bool           sub_moved;      /* a subscriber received something since the last row */
};

enum { ENGINE_SCRATCH_BYTES = 256 * 1024 };

/* Deliveries of flow so far, in published messages. */
uint64_t engine_flow_done(const struct engine *e, uint32_t flow);

/* Register the worker's sockets. */
void worker_init(struct engine_worker *w, struct engine *e, uint32_t id);
void worker_fini(struct engine_worker *w);

/* Wait for sockets (at most timeout_ms; 0 polls), receive, publish what may be published. */
void worker_step(struct engine_worker *w, int timeout_ms);

/* How long worker_step may sleep: 0 while a publisher could go on. */
int worker_patience(const struct engine_worker *w);

#endif
