/* load_worker.c - a worker of the engine: the only code that runs per batch of messages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "load_engine_priv.h"

enum {
    WORKER_EVENTS = 256,
    WORKER_SENDS_MAX = 4,             /* batches a publisher sends before others get a turn */
    WORKER_DISCARD_BYTES = 1 << 20,   /* most bytes thrown away by one call */
    WORKER_CHECK_EVERY = 61,          /* one read in so many is compared; prime, so that it drifts */
    WORKER_IDLE_MS = 1,               /* other workers' progress is looked at this often */
    WORKER_PUB = 1,                   /* kinds in epoll's data, above a 32-bit index */
    WORKER_SUB = 2,
};

/* Bytes this publisher may have sent in all, as of now. */
static uint64_t
worker_pub_limit(const struct engine *e, const struct engine_pub *pub)
{
    const struct engine_flow *flow = &e->flows[pub->flow];
    /* E1 pairs with E2: a halt is seen before the leader asks whether it was obeyed. */
    uint32_t epoch = atomic_load_explicit(&e->epoch, memory_order_acquire);
    if (epoch % 2 == 0) /* halt: finish the message that was begun */
        return (pub->n_sent_bytes + pub->msg_len - 1) / pub->msg_len * pub->msg_len;
    if (flow->n_subs == 0)
        return UINT64_MAX;
    uint64_t msgs = engine_flow_done(e, pub->flow) / flow->n_pubs + flow->window_msgs / flow->n_pubs;
    return msgs * pub->msg_len;
}

/* Send until the socket is full, the limit is reached or it is the others' turn. */
static void
worker_pub_push(struct engine *e, struct engine_pub *pub)
{
    uint64_t limit = worker_pub_limit(e, pub);
    for (uint32_t i = 0; i < WORKER_SENDS_MAX && !pub->blocked && pub->n_sent_bytes < limit; i++) {
        uint64_t n = pub->batch_len - pub->batch_off;
        if (n > limit - pub->n_sent_bytes)
            n = limit - pub->n_sent_bytes;
        ssize_t sent = send(pub->fd, pub->batch + pub->batch_off, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            pub->blocked = true;
            break;
        }
        if (sent < 0)
            load_die("publishing: %s", strerror(errno));
        pub->n_sent_bytes += (uint64_t)sent;
        pub->batch_off += (uint32_t)sent;
        if (pub->batch_off == pub->batch_len) {
            pub->batch_off = 0;
            if (pub->refill != NULL)
                pub->refill(pub);
        }
    }
    atomic_store_explicit(&pub->published, pub->n_sent_bytes / pub->msg_len, memory_order_release);
}

/* Obey a halt: at a message boundary, and with a PONG where nobody subscribes. */
static void
worker_pub_halt(struct engine *e, struct engine_pub *pub)
{
    uint32_t epoch = atomic_load_explicit(&e->epoch, memory_order_acquire);
    if (epoch % 2 != 0 || pub->n_sent_bytes % pub->msg_len != 0 || pub->blocked)
        return;
    if (atomic_load_explicit(&pub->halted, memory_order_relaxed) == epoch)
        return;
    if (e->flows[pub->flow].n_subs == 0) {
        if (!pub->pinged) {
            ssize_t sent = send(pub->fd, "PING\r\n", 6, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) {
                pub->blocked = true;
                return;
            }
            if (sent != 6) /* a socket with room for one byte only; a rerun will not meet it again */
                load_die("sending PING: %s", sent < 0 ? strerror(errno) : "short write");
            pub->pinged = true;
        }
        if (!pub->ponged)
            return;
        pub->pinged = false;
        pub->ponged = false;
    }
    /* E2 pairs with E1 and E3: published is final before the leader sees the halt obeyed. */
    atomic_store_explicit(&pub->halted, epoch, memory_order_release);
}

/* A publisher is only ever sent PONG and PING (six bytes each); anything else is worth
 * reporting. PINGs stay unanswered: a run ends long before a server minds. */
static void
worker_pub_read(struct engine_pub *pub)
{
    for (;;) {
        ssize_t got = recv(pub->fd, pub->in + pub->n_in, sizeof(pub->in) - pub->n_in, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            load_die("a publisher was disconnected: %s", got == 0 ? "closed by the server" : strerror(errno));
        pub->n_in += (uint32_t)got;
        if (pub->n_in < sizeof(pub->in))
            continue;
        pub->n_in = 0;
        if (memcmp(pub->in, "PONG\r\n", 6) == 0 && pub->pinged && !pub->ponged)
            pub->ponged = true;
        else if (memcmp(pub->in, "PING\r\n", 6) != 0)
            load_die("a publisher received \"%.6s\"", pub->in);
    }
}

static void
worker_sub_bad(const struct engine_sub *sub, const uint8_t *data, size_t n, size_t off)
{
    int shown = (int)(n - off < 40 ? n - off : 40);
    load_die("a subscriber is out of frame after %llu messages, at byte %u of a message: got \"%.*s\", awaited \"%.*s\"",
             (unsigned long long)frame_msgs(&sub->frame), sub->frame.phase, shown, (const char *)data + off,
             (int)(sub->frame.len < 40 ? sub->frame.len : 40), (const char *)sub->frame.tmpl);
}

static void
worker_sub_read(struct engine_worker *w, struct engine_sub *sub)
{
    bool    check = w->eng->opts->copy || sub->n_reads++ % WORKER_CHECK_EVERY == 0;
    ssize_t got = check ? recv(sub->fd, w->scratch, ENGINE_SCRATCH_BYTES, MSG_DONTWAIT)
                        : recv(sub->fd, NULL, WORKER_DISCARD_BYTES, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        load_die("a subscriber was disconnected after %llu messages: %s", (unsigned long long)frame_msgs(&sub->frame),
                 got == 0 ? "closed by the server" : strerror(errno));
    size_t off = 0;
    if (!check)
        frame_skip(&sub->frame, (uint64_t)got);
    else if (!frame_check(&sub->frame, w->scratch, (size_t)got, &off))
        worker_sub_bad(sub, w->scratch, (size_t)got, off);
    w->sub_moved = true;
}

/* Publish this worker's row of progress. */
static void
worker_progress(struct engine_worker *w)
{
    struct engine *e = w->eng;
    w->sub_moved = false;
    for (uint32_t f = 0; f < e->n_flows; f++)
        w->flow_done[f] = e->flows[f].shared ? 0 : UINT64_MAX;
    for (uint32_t i = w->id; i < e->n_subs; i += e->n_workers) {
        const struct engine_sub *sub = &e->subs[i];
        uint64_t                 msgs = frame_msgs(&sub->frame);
        uint64_t                *done = &w->flow_done[sub->flow];
        if (e->flows[sub->flow].shared)
            *done += msgs;
        else if (msgs < *done)
            *done = msgs;
    }
    for (uint32_t f = 0; f < e->n_flows; f++)
        atomic_store_explicit(&e->progress[w->id * e->stride + f], w->flow_done[f], memory_order_release);
}

static void
worker_watch(const struct engine_worker *w, int fd, uint32_t events, uint32_t kind, uint32_t i)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)kind << 32 | i};
    if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
        load_die("epoll_ctl: %s", strerror(errno));
}

void
worker_init(struct engine_worker *w, struct engine *e, uint32_t id)
{
    *w = (struct engine_worker){.eng = e, .id = id, .epfd = epoll_create1(EPOLL_CLOEXEC)};
    if (w->epfd < 0)
        load_die("epoll_create1: %s", strerror(errno));
    w->scratch = malloc(ENGINE_SCRATCH_BYTES);
    w->flow_done = calloc(e->n_flows, sizeof(*w->flow_done));
    if (w->scratch == NULL || w->flow_done == NULL)
        load_die("out of memory");
    for (uint32_t i = id; i < e->n_pubs; i += e->n_workers, w->n_pubs++)
        worker_watch(w, e->pubs[i].fd, EPOLLIN | EPOLLOUT | EPOLLET, WORKER_PUB, i);
    for (uint32_t i = id; i < e->n_subs; i += e->n_workers, w->n_subs++)
        worker_watch(w, e->subs[i].fd, EPOLLIN, WORKER_SUB, i);
    worker_progress(w);
}

void
worker_fini(struct engine_worker *w)
{
    (void)close(w->epfd); /* nothing is lost with it */
    free(w->scratch);
    free(w->flow_done);
}

int
worker_patience(const struct engine_worker *w)
{
    const struct engine *e = w->eng;
    if (e->opts->spin)
        return 0;
    for (uint32_t i = w->id; i < e->n_pubs; i += e->n_workers) {
        const struct engine_pub *pub = &e->pubs[i];
        if (!pub->blocked && pub->n_sent_bytes < worker_pub_limit(e, pub))
            return 0;
    }
    return WORKER_IDLE_MS;
}

void
worker_step(struct engine_worker *w, int timeout_ms)
{
    struct engine     *e = w->eng;
    struct epoll_event events[WORKER_EVENTS];
    int                n = epoll_wait(w->epfd, events, WORKER_EVENTS, timeout_ms);
    if (n < 0 && errno != EINTR)
        load_die("epoll_wait: %s", strerror(errno));
    for (int k = 0; k < n; k++) {
        uint32_t i = (uint32_t)events[k].data.u64;
        if (events[k].data.u64 >> 32 == WORKER_SUB) {
            worker_sub_read(w, &e->subs[i]);
            continue;
        }
        if (events[k].events & EPOLLOUT)
            e->pubs[i].blocked = false;
        if (events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            worker_pub_read(&e->pubs[i]);
    }
    if (w->sub_moved)
        worker_progress(w);
    for (uint32_t i = w->id; i < e->n_pubs; i += e->n_workers) {
        worker_pub_push(e, &e->pubs[i]);
        worker_pub_halt(e, &e->pubs[i]);
    }
}
