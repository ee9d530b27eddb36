/* load_engine.c - flows, phases and the final count. The per-batch work is in load_worker.c. */
#include "load_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "load_conn.h"
#include "load_engine_priv.h"

enum {
    ENGINE_CHURN_LIVE = 64,         /* subscriptions the third party holds at a time */
    ENGINE_CHURN_STEP_MAX = 256,    /* pairs sent at once, when it lags behind */
    ENGINE_CHURN_PAIR_CAP = 96,
};

void
engine_init(struct engine *e, const struct load_opts *o, uint32_t n_flows, uint32_t n_pubs, uint32_t n_subs)
{
    ASSERT(n_flows > 0 && n_pubs > 0);
    *e = (struct engine){
        .opts = o, .n_flows = n_flows, .n_pubs = n_pubs, .n_subs = n_subs, .n_workers = o->n_threads, .churn.fd = -1};
    e->stride = (n_flows + 15) / 16 * 16; /* a row ends with a pair of cache lines */
    size_t n_progress = (size_t)e->stride * e->n_workers;
    e->flows = calloc(n_flows, sizeof(*e->flows));
    e->pubs = aligned_alloc(ENGINE_LINE, n_pubs * sizeof(*e->pubs));
    e->subs = aligned_alloc(ENGINE_LINE, (n_subs + 1) * sizeof(*e->subs));
    e->workers = calloc(e->n_workers, sizeof(*e->workers));
    e->segments = calloc(o->n_segments, sizeof(*e->segments));
    e->progress = aligned_alloc(ENGINE_LINE, n_progress * sizeof(*e->progress));
    if (e->flows == NULL || e->pubs == NULL || e->subs == NULL || e->workers == NULL || e->segments == NULL ||
        e->progress == NULL)
        load_die("out of memory");
    memset(e->pubs, 0, n_pubs * sizeof(*e->pubs));
    memset(e->subs, 0, (n_subs + 1) * sizeof(*e->subs));
    for (size_t i = 0; i < n_progress; i++)
        atomic_init(&e->progress[i], 0);
}

void
engine_pub_init(struct engine *e, uint32_t i, int fd, uint32_t flow, const uint8_t *msg, uint32_t msg_len)
{
    ASSERT(i < e->n_pubs && flow < e->n_flows);
    struct engine_pub *pub = &e->pubs[i];
    uint32_t           n = ENGINE_BATCH_BYTES / msg_len;
    if (n == 0)
        n = 1;
    pub->fd = fd;
    pub->flow = flow;
    pub->msg_len = msg_len;
    pub->batch_len = n * msg_len;
    pub->batch = malloc(pub->batch_len);
    if (pub->batch == NULL)
        load_die("out of memory");
    for (uint32_t k = 0; k < n; k++)
        memcpy(pub->batch + (size_t)k * msg_len, msg, msg_len);
    conn_set_nonblocking(fd);
}

void
engine_sub_init(struct engine *e, uint32_t i, int fd, uint32_t flow, const uint8_t *tmpl, const uint8_t *mask,
                uint32_t len)
{
    ASSERT(i < e->n_subs && flow < e->n_flows);
    e->subs[i].fd = fd;
    e->subs[i].flow = flow;
    frame_init(&e->subs[i].frame, tmpl, mask, len);
    conn_set_nonblocking(fd);
}

uint64_t
engine_flow_done(const struct engine *e, uint32_t flow)
{
    bool     shared = e->flows[flow].shared;
    uint64_t done = shared ? 0 : UINT64_MAX;
    for (uint32_t w = 0; w < e->n_workers; w++) {
        uint64_t seen = atomic_load_explicit(&e->progress[w * e->stride + flow], memory_order_acquire);
        if (shared)
            done += seen;
        else if (seen < done)
            done = seen;
    }
    return shared ? done / e->flows[flow].n_copies : done;
}

/* Messages published in all; final once every publisher has obeyed a halt. */
static uint64_t
engine_published(const struct engine *e, uint32_t flow)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->n_pubs; i++) {
        if (e->pubs[i].flow == flow)
            n += atomic_load_explicit(&e->pubs[i].published, memory_order_acquire);
    }
    return n;
}

static uint64_t
engine_copies(const struct engine_flow *flow)
{
    return flow->shared ? flow->n_copies : flow->n_subs;
}

/* Everybody has halted, and everything published has arrived. */
static bool
engine_drained(const struct engine *e)
{
    uint32_t epoch = atomic_load_explicit(&e->epoch, memory_order_relaxed); /* own writes */
    ASSERT(epoch % 2 == 0);
    for (uint32_t i = 0; i < e->n_pubs; i++) {
        /* E3 pairs with E2: obeyed means that published is final. */
        if (atomic_load_explicit(&e->pubs[i].halted, memory_order_acquire) != epoch)
            return false;
    }
    for (uint32_t f = 0; f < e->n_flows; f++) {
        if (e->flows[f].n_subs > 0 && engine_flow_done(e, f) < engine_published(e, f))
            return false;
    }
    return true;
}

/* Subscribe to what is due and drop as many of the oldest; subjects lie beside the busy one. */
static void
engine_churn_step(struct engine_churn *c, uint64_t now)
{
    uint64_t due = (now - c->since_ns) * c->rate / (uint64_t)NS_PER_S;
    uint64_t n = min_u64(due - c->n_due_done, ENGINE_CHURN_STEP_MAX);
    if (n == 0)
        return;
    char   out[ENGINE_CHURN_STEP_MAX * ENGINE_CHURN_PAIR_CAP];
    size_t len = 0;
    for (uint64_t i = 0; i < n; i++, c->n_ops++) {
        unsigned long long sid = c->n_ops;
        const char        *tail = sid % 2 == 0 ? "" : ".*"; /* half of them wildcards */
        len += (size_t)snprintf(out + len, ENGINE_CHURN_PAIR_CAP, "SUB bench.c%llu%s %llu\r\n", sid, tail, sid);
        if (sid >= ENGINE_CHURN_LIVE)
            len += (size_t)snprintf(out + len, ENGINE_CHURN_PAIR_CAP / 2, "UNSUB %llu\r\n", sid - ENGINE_CHURN_LIVE);
        ASSERT(len <= (i + 1) * ENGINE_CHURN_PAIR_CAP);
    }
    c->n_due_done += n;
    conn_send(c->fd, out, len); /* a blocking socket, but a few hundred bytes: there is room */
}

/* One measured piece of work, as the leader sees it. */
struct engine_lead {
    enum { ENGINE_WARM, ENGINE_WARM_DRAIN, ENGINE_RUN, ENGINE_DRAIN, ENGINE_DONE } phase;
    uint32_t segment;
    uint64_t until_ns; /* when publishing stops */
    uint64_t since_ns;
    uint64_t own_cpu_ns;
    uint64_t n_published_before;
    uint64_t n_delivered_before;
    uint64_t n_churn_before;
};

static void
engine_totals(const struct engine *e, uint64_t *ret_published, uint64_t *ret_delivered)
{
    *ret_published = 0;
    *ret_delivered = 0;
    for (uint32_t f = 0; f < e->n_flows; f++) {
        uint64_t n = engine_published(e, f);
        *ret_published += n;
        *ret_delivered += n * engine_copies(&e->flows[f]);
    }
}

/* Flip between publishing (odd) and halting (even). */
static void
engine_epoch_next(struct engine *e)
{
    /* E1 pairs with E2 (load_worker.c). */
    atomic_fetch_add_explicit(&e->epoch, 1, memory_order_release);
}

static void
engine_segment_begin(struct engine *e, struct engine_lead *lead)
{
    struct engine_segment *seg = &e->segments[lead->segment];
    seg->churned = e->churn.fd >= 0 && lead->segment % 2 == 1;
    engine_totals(e, &lead->n_published_before, &lead->n_delivered_before);
    lead->n_churn_before = e->churn.n_ops;
    proc_cpu_read(&seg->before, e->opts->server_pid);
    lead->own_cpu_ns = proc_own_cpu();
    lead->since_ns = load_now();
    lead->until_ns = lead->since_ns + e->opts->duration_ms * (uint64_t)NS_PER_MS;
    e->churn.since_ns = lead->since_ns;
    e->churn.n_due_done = 0;
    engine_epoch_next(e);
}

static void
engine_segment_end(struct engine *e, struct engine_lead *lead)
{
    struct engine_segment *seg = &e->segments[lead->segment];
    seg->wall_ns = load_now() - lead->since_ns;
    proc_cpu_read(&seg->after, e->opts->server_pid);
    seg->own_cpu_ns = proc_own_cpu() - lead->own_cpu_ns;
    engine_totals(e, &seg->n_published, &seg->n_delivered);
    seg->n_published -= lead->n_published_before;
    seg->n_delivered -= lead->n_delivered_before;
    seg->n_churn_ops = e->churn.n_ops - lead->n_churn_before;
}

/* Move to the next phase when the present one is over. */
static void
engine_lead_step(struct engine *e, struct engine_lead *lead, uint64_t now)
{
    switch (lead->phase) {
    case ENGINE_WARM:
    case ENGINE_RUN:
        if (lead->phase == ENGINE_RUN && e->segments[lead->segment].churned)
            engine_churn_step(&e->churn, now);
        if (now < lead->until_ns)
            return;
        engine_epoch_next(e);
        lead->phase = lead->phase == ENGINE_WARM ? ENGINE_WARM_DRAIN : ENGINE_DRAIN;
        return;
    case ENGINE_WARM_DRAIN:
    case ENGINE_DRAIN:
        if (!engine_drained(e))
            return;
        if (lead->phase == ENGINE_DRAIN) {
            engine_segment_end(e, lead);
            lead->segment++;
        }
        lead->phase = lead->segment < e->n_segments ? ENGINE_RUN : ENGINE_DONE;
        if (lead->phase == ENGINE_RUN)
            engine_segment_begin(e, lead);
        return;
    case ENGINE_DONE:
        return;
    }
}

static void *
engine_worker_main(void *arg)
{
    struct engine_worker *w = arg;
    while (!atomic_load_explicit(&w->eng->quit, memory_order_acquire))
        worker_step(w, worker_patience(w));
    return NULL;
}

/* The exact count: each subscriber has whole messages only, in all as many as are owed, and
 * nothing more comes before the answer to a last PING. */
static void
engine_verify(struct engine *e)
{
    for (uint32_t f = 0; f < e->n_flows; f++) {
        const struct engine_flow *flow = &e->flows[f];
        uint64_t                  owed = engine_published(e, f);
        uint64_t                  total = 0;
        for (uint32_t i = 0; i < e->n_subs; i++) {
            struct engine_sub *sub = &e->subs[i];
            if (sub->flow != f)
                continue;
            conn_finish(sub->fd, &sub->frame);
            uint64_t msgs = frame_msgs(&sub->frame);
            total += msgs;
            if (!flow->shared && msgs != owed)
                load_die("subscriber %u received %llu messages; %llu were published", i, (unsigned long long)msgs,
                         (unsigned long long)owed);
        }
        if (flow->n_subs > 0 && total != owed * engine_copies(flow))
            load_die("%llu messages were delivered, %llu were owed", (unsigned long long)total,
                     (unsigned long long)(owed * engine_copies(flow)));
    }
    if (e->churn.fd >= 0)
        conn_sync(e->churn.fd);
}

void
engine_run(struct engine *e)
{
    e->n_segments = e->opts->n_segments;
    for (uint32_t i = 0; i < e->n_workers; i++)
        worker_init(&e->workers[i], e, i);
    for (uint32_t i = 1; i < e->n_workers; i++) {
        int rc = pthread_create(&e->workers[i].thread, NULL, engine_worker_main, &e->workers[i]);
        if (rc != 0)
            load_die("pthread_create: %s", strerror(rc));
    }
    struct engine_lead lead = {.phase = ENGINE_WARM};
    lead.until_ns = load_now() + e->opts->warmup_ms * (uint64_t)NS_PER_MS;
    load_await("all deliveries");
    engine_epoch_next(e);
    while (lead.phase != ENGINE_DONE) {
        worker_step(&e->workers[0], worker_patience(&e->workers[0]));
        engine_lead_step(e, &lead, load_now());
    }
    atomic_store_explicit(&e->quit, true, memory_order_release);
    for (uint32_t i = 1; i < e->n_workers; i++)
        (void)pthread_join(e->workers[i].thread, NULL); /* it returns nothing */
    load_await("the last PONGs");
    engine_verify(e);
}

void
engine_json(struct engine *e, struct json *j)
{
    uint64_t n_checked = 0;
    uint64_t n_bytes = 0;
    uint64_t n_pings = 0;
    for (uint32_t i = 0; i < e->n_subs; i++) {
        n_checked += e->subs[i].frame.n_checked;
        n_bytes += e->subs[i].frame.bytes;
        n_pings += e->subs[i].frame.n_pings;
    }
    json_u64(j, "received_bytes", n_bytes);
    json_u64(j, "compared_bytes", n_checked);
    json_u64(j, "pings", n_pings);
    json_array_open(j, "segments");
    for (uint32_t i = 0; i < e->n_segments; i++) {
        const struct engine_segment *seg = &e->segments[i];
        json_object_open(j, NULL);
        json_u64(j, "published", seg->n_published);
        json_u64(j, "delivered", seg->n_delivered);
        json_u64(j, "wall_ns", seg->wall_ns);
        json_u64(j, "own_cpu_ns", seg->own_cpu_ns);
        json_u64(j, "churn_pairs", seg->n_churn_ops);
        proc_cpu_json(j, &seg->before, &seg->after);
        json_object_close(j);
    }
    json_array_close(j);
}

void
engine_fini(struct engine *e)
{
    for (uint32_t i = 0; i < e->n_workers; i++)
        worker_fini(&e->workers[i]);
    for (uint32_t i = 0; i < e->n_pubs; i++) {
        (void)close(e->pubs[i].fd); /* the run is over */
        free(e->pubs[i].batch);
    }
    for (uint32_t i = 0; i < e->n_subs; i++)
        (void)close(e->subs[i].fd); /* likewise */
    if (e->churn.fd >= 0)
        (void)close(e->churn.fd); /* likewise */
    free(e->flows);
    free(e->pubs);
    free(e->subs);
    free(e->workers);
    free(e->segments);
    free((void *)e->progress);
}
