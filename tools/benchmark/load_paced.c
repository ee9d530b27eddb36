/* load_paced.c - open loop: messages leave when the schedule says so, not when the server is ready.
 *
 * Message i is due at start + i / rate and carries that moment in its payload. A subscriber's
 * latency is the time from when the message was due to when its bytes were read: what the
 * server, or the generator's own queueing, delays is counted (no coordinated omission). A
 * message that was due but could not leave before the schedule ended, because the window was
 * full, is counted with the age it had reached when the last one that did leave arrived, on
 * behalf of every subscriber whose latencies are recorded.
 *
 * --probes of the --subs subscribers, spread evenly over them, read every message; the others
 * count bytes. One thread that polls (--spin 1, its own core) or sleeps in between.
 *
 * Threads  one.
 * Memory   arrays taken at start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "load.h"
#include "load_conn.h"
#include "load_frame.h"
#include "load_hist.h"
#include "load_proc.h"

enum {
    PACED_STAMP_BYTES = 8, /* the due time opens the payload */
    PACED_OUT_BYTES = 256 * 1024,
    PACED_READ_BYTES = 256 * 1024,
    PACED_DISCARD_BYTES = 1 << 20,
    PACED_EVENTS = 512,
};

struct paced_sub {
    int          fd;
    bool         probe;
    uint8_t      stamp[PACED_STAMP_BYTES]; /* of the message under way */
    struct frame frame;
};

struct paced {
    const struct load_opts *opts;
    int                     epfd, pub_fd;
    struct paced_sub       *subs;
    uint8_t                *tmpl, *mask; /* of one MSG; the stamp is not compared */
    uint8_t                *model;       /* one PUB */
    uint32_t                msg_len, stamp_off, pub_len, pub_stamp_off;
    uint8_t                *out, *in;
    uint32_t                out_len, out_off;
    uint64_t                n_sent, n_slowest; /* messages handed to out; delivered to everybody */
    uint64_t                n_base; /* messages of earlier phases */
    uint64_t                start_ns, end_ns;
    uint64_t                max_late_ns; /* by how much the generator itself was behind schedule */
    bool                    moved;
    bool                    closed;    /* the schedule has ended: nothing more leaves */
    bool                    recording; /* the measured phase */
    struct hist             hist;
};

static uint64_t
paced_due(const struct paced *p, uint64_t i)
{
    return p->start_ns + (uint64_t)((__uint128_t)(i - p->n_base) * (uint64_t)NS_PER_S / p->opts->rate);
}

static void
paced_record(struct paced *p, const struct paced_sub *sub, uint64_t now)
{
    uint64_t due;
    memcpy(&due, sub->stamp, sizeof(due));
    if (due > now)
        load_die("a message arrived before it was due: the stream is out of frame");
    if (p->recording)
        hist_add(&p->hist, now - due, 1);
}

/* Compare what came, pick the stamps out of it, record each message that is complete. */
static void
paced_take(struct paced *p, struct paced_sub *sub, const uint8_t *data, size_t n, uint64_t now)
{
    size_t pos = 0;
    while (pos < n) {
        uint32_t           phase = sub->frame.phase;
        size_t             run;
        enum frame_verdict verdict = frame_step(&sub->frame, data + pos, n - pos, &run);
        if (verdict == FRAME_BAD)
            load_die("a subscriber is out of frame: got \"%.*s\"", (int)min_u64(n - pos - run, 40), (const char *)data + pos + run);
        for (uint32_t i = 0; i < PACED_STAMP_BYTES && verdict == FRAME_PART; i++) {
            uint32_t at = p->stamp_off + i;
            if (at >= phase && at < phase + run)
                sub->stamp[i] = data[pos + at - phase];
        }
        if (verdict == FRAME_PART && sub->frame.phase == 0)
            paced_record(p, sub, now);
        pos += run;
    }
}

static void
paced_read(struct paced *p, struct paced_sub *sub)
{
    ssize_t got = sub->probe ? recv(sub->fd, p->in, PACED_READ_BYTES, MSG_DONTWAIT)
                             : recv(sub->fd, NULL, PACED_DISCARD_BYTES, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        load_die("a subscriber was disconnected: %s", got == 0 ? "closed by the server" : strerror(errno));
    if (sub->probe)
        paced_take(p, sub, p->in, (size_t)got, load_now());
    else
        frame_skip(&sub->frame, (uint64_t)got);
    p->moved = true;
}

/* Put what is due by now into out, as far as the window allows. */
static void
paced_fill(struct paced *p, uint64_t now)
{
    uint64_t window = max_u64(p->opts->window_bytes / p->msg_len, 1);
    while (!p->closed && p->out_len + p->pub_len <= PACED_OUT_BYTES && p->n_sent < p->n_slowest + window) {
        uint64_t due = paced_due(p, p->n_sent);
        if (due > now || due >= p->end_ns)
            return;
        p->max_late_ns = max_u64(p->max_late_ns, now - due);
        memcpy(p->out + p->out_len, p->model, p->pub_len);
        memcpy(p->out + p->out_len + p->pub_stamp_off, &due, sizeof(due));
        p->out_len += p->pub_len;
        p->n_sent++;
    }
}

static void
paced_send(struct paced *p)
{
    if (p->out_off == p->out_len)
        return;
    ssize_t sent = send(p->pub_fd, p->out + p->out_off, p->out_len - p->out_off, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0)
        load_die("publishing: %s", strerror(errno));
    p->out_off += (uint32_t)sent;
    if (p->out_off == p->out_len) {
        p->out_off = 0;
        p->out_len = 0;
    }
}

static void
paced_slowest(struct paced *p)
{
    p->moved = false;
    p->n_slowest = UINT64_MAX;
    for (uint32_t i = 0; i < p->opts->n_subs; i++)
        p->n_slowest = min_u64(p->n_slowest, frame_msgs(&p->subs[i].frame));
}

/* ms until the next message is due, rounded down: epoll must not oversleep the schedule. */
static int
paced_patience(const struct paced *p, uint64_t now)
{
    if (p->opts->spin)
        return 0;
    uint64_t due = min_u64(paced_due(p, p->n_sent), p->end_ns);
    uint64_t ms = due > now ? (due - now) / (uint64_t)NS_PER_MS : 0;
    return (int)min_u64(ms, 100);
}

static void
paced_step(struct paced *p, uint64_t now)
{
    struct epoll_event events[PACED_EVENTS];
    int                n = epoll_wait(p->epfd, events, PACED_EVENTS, paced_patience(p, now));
    if (n < 0 && errno != EINTR)
        load_die("epoll_wait: %s", strerror(errno));
    for (int k = 0; k < n; k++)
        paced_read(p, &p->subs[events[k].data.u32]);
    if (p->moved)
        paced_slowest(p);
    paced_fill(p, load_now());
    paced_send(p);
}

static void
paced_sub_open(struct paced *p, uint32_t i, uint32_t stride)
{
    struct paced_sub *sub = &p->subs[i];
    sub->fd = conn_open(p->opts);
    sub->probe = i % stride == stride / 2; /* spread evenly, beginning inside the first stretch */
    frame_init(&sub->frame, p->tmpl, p->mask, p->msg_len);
    conn_subscribe(sub->fd, "bench.000", NULL, 1);
    conn_sync(sub->fd);
    conn_set_nonblocking(sub->fd);
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(p->epfd, EPOLL_CTL_ADD, sub->fd, &ev) != 0)
        load_die("epoll_ctl: %s", strerror(errno));
}

static void
paced_init(struct paced *p, const struct load_opts *o)
{
    p->opts = o;
    char pub[LOAD_SUBJECT_CAP];
    char msg[LOAD_SUBJECT_CAP];
    p->pub_stamp_off = (uint32_t)snprintf(pub, sizeof(pub), "PUB bench.000 %u\r\n", o->size);
    p->stamp_off = (uint32_t)snprintf(msg, sizeof(msg), "MSG bench.000 1 %u\r\n", o->size);
    p->pub_len = p->pub_stamp_off + o->size + 2;
    p->msg_len = p->stamp_off + o->size + 2;
    p->subs = calloc(o->n_subs, sizeof(*p->subs));
    p->model = calloc(1, p->pub_len);
    p->tmpl = calloc(1, p->msg_len);
    p->mask = malloc(p->msg_len);
    p->out = malloc(PACED_OUT_BYTES);
    p->in = malloc(PACED_READ_BYTES);
    if (p->subs == NULL || p->model == NULL || p->tmpl == NULL || p->mask == NULL || p->out == NULL || p->in == NULL)
        load_die("out of memory");
    memset(p->model, 'x', p->pub_len);
    memcpy(p->model, pub, p->pub_stamp_off);
    memcpy(p->model + p->pub_len - 2, "\r\n", 2);
    memset(p->tmpl, 'x', p->msg_len);
    memcpy(p->tmpl, msg, p->stamp_off);
    memcpy(p->tmpl + p->msg_len - 2, "\r\n", 2);
    memset(p->mask, 1, p->msg_len);
    memset(p->mask + p->stamp_off, 0, PACED_STAMP_BYTES);
    hist_init(&p->hist);

    p->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epfd < 0)
        load_die("epoll_create1: %s", strerror(errno));
    p->pub_fd = conn_open(o);
    conn_set_nonblocking(p->pub_fd);
    uint32_t n_probes = (uint32_t)min_u64(max_u64(o->n_probes, 1), o->n_subs);
    for (uint32_t i = 0; i < o->n_subs; i++)
        paced_sub_open(p, i, o->n_subs / n_probes);
}

static uint32_t
paced_n_probes(const struct paced *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->opts->n_subs; i++)
        n += p->subs[i].probe ? 1 : 0;
    return n;
}

/* What was due but never left: it waited at least until now. Returns how many. */
static uint64_t
paced_record_unsent(struct paced *p, uint32_t n_probes, uint64_t now)
{
    uint64_t i = p->n_sent;
    for (uint64_t due = paced_due(p, i); due < p->end_ns; due = paced_due(p, ++i))
        hist_add(&p->hist, now - due, n_probes);
    return i - p->n_sent;
}

/* A schedule of its own for so many ms, then until everything that left has arrived.
 * Returns how many messages were due but did not leave. */
static uint64_t
paced_phase(struct paced *p, uint32_t ms, bool recording)
{
    load_await("the end of the schedule");
    p->recording = recording;
    p->closed = false;
    p->n_base = p->n_sent;
    p->max_late_ns = 0;
    p->start_ns = load_now();
    p->end_ns = p->start_ns + ms * (uint64_t)NS_PER_MS;
    for (uint64_t now = load_now(); now < p->end_ns; now = load_now())
        paced_step(p, now);
    p->closed = true;
    load_await("the last deliveries");
    while (p->n_slowest < p->n_sent || p->out_off < p->out_len)
        paced_step(p, load_now());
    return recording ? paced_record_unsent(p, paced_n_probes(p), load_now()) : 0;
}

/* An exact count, as in load_engine.c. */
static void
paced_verify(struct paced *p)
{
    load_await("the last PONGs");
    for (uint32_t i = 0; i < p->opts->n_subs; i++) {
        struct frame *f = &p->subs[i].frame;
        conn_finish(p->subs[i].fd, f);
        if (frame_msgs(f) != p->n_sent)
            load_die("subscriber %u received %llu of %llu messages", i, (unsigned long long)frame_msgs(f),
                     (unsigned long long)p->n_sent);
        (void)close(p->subs[i].fd); /* the run is over */
    }
}

static void
paced_json_latency(struct json *j, const struct hist *h)
{
    static const struct {
        const char *name;
        double      fraction;
    } rows[] = {{"p50", 0.50}, {"p90", 0.90}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}};
    json_object_open(j, "latency_ns");
    json_u64(j, "count", h->n_values);
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        json_u64(j, rows[i].name, hist_quantile(h, rows[i].fraction));
    json_u64(j, "max", h->max);
    json_object_close(j);
}

void
load_paced(const struct load_opts *o)
{
    if (o->size < PACED_STAMP_BYTES || o->size > PACED_OUT_BYTES / 2 || o->n_subs == 0 || o->n_subs > LOAD_CONNS_MAX ||
        o->rate == 0)
        load_die("--size, --subs or --rate is out of range for paced");
    conn_allow_files(o->n_subs + 64);
    static struct proc_cpu before, after; /* too large for the stack */
    static struct paced    paced;
    struct paced          *p = &paced;
    load_await("connections and subscriptions");
    paced_init(p, o);

    (void)paced_phase(p, o->warmup_ms, false); /* what does not leave while warming up does not matter */
    uint64_t n_sent = p->n_sent;
    proc_cpu_read(&before, o->server_pid);
    uint64_t own = proc_own_cpu();
    uint64_t wall = load_now();
    uint64_t n_unsent = paced_phase(p, o->duration_ms, true);
    wall = load_now() - wall;
    proc_cpu_read(&after, o->server_pid);
    own = proc_own_cpu() - own;
    n_sent = p->n_sent - n_sent;
    paced_verify(p);

    struct json j;
    json_init(&j, stdout);
    json_str(&j, "scenario", "paced");
    json_u64(&j, "size", o->size);
    json_u64(&j, "rate", o->rate);
    json_u64(&j, "probes", paced_n_probes(p));
    json_u64(&j, "delivered", n_sent * o->n_subs);
    json_u64(&j, "unsent", n_unsent);
    json_u64(&j, "max_late_ns", p->max_late_ns);
    json_u64(&j, "wall_ns", wall);
    json_u64(&j, "own_cpu_ns", own);
    proc_cpu_json(&j, &before, &after);
    paced_json_latency(&j, &p->hist);
    json_fini(&j);
}
