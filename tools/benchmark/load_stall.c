/* load_stall.c - subscribers that never read, while a publisher floods.
 *
 * --subs connections subscribe and never read again. One more subscriber reads everything, and
 * bounds the publisher (--window), so that what it gets can be counted to the message: stalled
 * neighbours must not cost it one. The flood ends when the server has dropped every stalled
 * subscriber, or after --flood bytes; those still connected then leave. The server's memory is
 * read all the while (its peak), and once more two seconds after the last one left.
 *
 * Threads  one.
 * Memory   taken at start.
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
#include "load_proc.h"

enum {
    STALL_SUBS_MAX = 64,
    STALL_READ_BYTES = 1 << 20,
    STALL_SAMPLE_MS = 5,    /* how often the server's memory is read */
    STALL_AFTER_MS = 2000,  /* "two seconds after they left" is the definition of the figure */
};

struct stall {
    const struct load_opts *opts;
    int                     epfd, pub_fd, reader_fd;
    int                     stalled[STALL_SUBS_MAX]; /* -1 = dropped by the server */
    uint32_t                n_dropped;
    uint8_t                *pub, *tmpl;
    uint32_t                pub_len, pub_off;
    uint64_t                n_published, n_max;
    struct frame            frame;
    uint64_t                sampled_ns, rss_peak_bytes;
};

static uint8_t *
stall_message(const char *head, uint32_t size, uint32_t *ret_len)
{
    size_t n = strlen(head);
    *ret_len = (uint32_t)n + size + 2;
    uint8_t *msg = malloc(*ret_len);
    if (msg == NULL)
        load_die("out of memory");
    memset(msg, 'x', *ret_len);
    memcpy(msg, head, n);
    memcpy(msg + *ret_len - 2, "\r\n", 2);
    return msg;
}

static void
stall_watch(const struct stall *s, int fd, uint32_t events, uint32_t id)
{
    struct epoll_event ev = {.events = events, .data.u32 = id};
    if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
        load_die("epoll_ctl: %s", strerror(errno));
}

static void
stall_init(struct stall *s, const struct load_opts *o)
{
    *s = (struct stall){.opts = o, .epfd = epoll_create1(EPOLL_CLOEXEC)};
    if (s->epfd < 0)
        load_die("epoll_create1: %s", strerror(errno));
    char     head[LOAD_SUBJECT_CAP];
    uint32_t len;
    (void)snprintf(head, sizeof(head), "PUB bench.000 %u\r\n", o->size);
    s->pub = stall_message(head, o->size, &s->pub_len);
    (void)snprintf(head, sizeof(head), "MSG bench.000 1 %u\r\n", o->size);
    s->tmpl = stall_message(head, o->size, &len);
    frame_init(&s->frame, s->tmpl, NULL, len);
    s->n_max = o->flood_bytes / o->size;
    s->pub_fd = conn_open(o);
    conn_set_nonblocking(s->pub_fd);
    s->reader_fd = conn_open(o);
    conn_subscribe(s->reader_fd, "bench.000", NULL, 1);
    conn_sync(s->reader_fd);
    stall_watch(s, s->reader_fd, EPOLLIN, STALL_SUBS_MAX);
    for (uint32_t i = 0; i < o->n_subs; i++) {
        s->stalled[i] = conn_open(o);
        conn_subscribe(s->stalled[i], "bench.000", NULL, 1);
        conn_sync(s->stalled[i]);
        stall_watch(s, s->stalled[i], EPOLLRDHUP, i); /* never EPOLLIN: it does not read */
    }
}

static void
stall_sample(struct stall *s, uint64_t now)
{
    if (now - s->sampled_ns < STALL_SAMPLE_MS * (uint64_t)NS_PER_MS)
        return;
    struct proc_mem mem;
    proc_mem_read(&mem, s->opts->server_pid);
    s->rss_peak_bytes = max_u64(s->rss_peak_bytes, mem.rss_bytes);
    s->sampled_ns = now;
}

static void
stall_read(struct stall *s)
{
    ssize_t got = recv(s->reader_fd, NULL, STALL_READ_BYTES, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        load_die("the subscriber that reads was disconnected: %s", got == 0 ? "closed by the server" : strerror(errno));
    frame_skip(&s->frame, (uint64_t)got);
}

static void
stall_events(struct stall *s, int timeout_ms)
{
    struct epoll_event events[STALL_SUBS_MAX + 1];
    int                n = epoll_wait(s->epfd, events, STALL_SUBS_MAX + 1, timeout_ms);
    if (n < 0 && errno != EINTR)
        load_die("epoll_wait: %s", strerror(errno));
    for (int k = 0; k < n; k++) {
        uint32_t id = events[k].data.u32;
        if (id == STALL_SUBS_MAX) {
            stall_read(s);
            continue;
        }
        (void)close(s->stalled[id]); /* the server has given it up */
        s->stalled[id] = -1;
        s->n_dropped++;
    }
}

/* Publish until the socket is full or the reader is a window behind. */
static void
stall_publish(struct stall *s)
{
    uint64_t window = max_u64(s->opts->window_bytes / s->frame.len, 1);
    while (s->pub_off > 0 || (s->n_published < s->n_max && s->n_published < frame_msgs(&s->frame) + window)) {
        ssize_t sent = send(s->pub_fd, s->pub + s->pub_off, s->pub_len - s->pub_off, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            load_die("publishing: %s", strerror(errno));
        s->pub_off += (uint32_t)sent;
        if (s->pub_off == s->pub_len) {
            s->pub_off = 0;
            s->n_published++;
        }
    }
}

/* The flood, then the rest of what the reader is owed. */
static void
stall_flood(struct stall *s)
{
    load_await("the flood");
    while (s->n_dropped < s->opts->n_subs && (s->n_published < s->n_max || frame_msgs(&s->frame) < s->n_published)) {
        stall_publish(s);
        stall_events(s, s->opts->spin ? 0 : 1);
        stall_sample(s, load_now());
    }
    s->n_max = s->n_published; /* stop here */
    load_await("the reader's last messages");
    while (s->pub_off > 0 || frame_msgs(&s->frame) < s->n_published) {
        stall_publish(s);
        stall_events(s, 1);
        stall_sample(s, load_now());
    }
    conn_finish(s->reader_fd, &s->frame);
    if (frame_msgs(&s->frame) != s->n_published)
        load_die("the subscriber that reads received %llu of %llu messages", (unsigned long long)frame_msgs(&s->frame),
                 (unsigned long long)s->n_published);
}

void
load_stall(const struct load_opts *o)
{
    if (o->n_subs == 0 || o->n_subs > STALL_SUBS_MAX || o->size == 0)
        load_die("--subs or --size is out of range for stall");
    struct stall    s;
    struct proc_mem before, peak, after;
    load_await("connections and subscriptions");
    stall_init(&s, o);
    proc_mem_read(&before, o->server_pid);
    uint64_t wall = load_now();
    stall_flood(&s);
    wall = load_now() - wall;
    for (uint32_t i = 0; i < o->n_subs; i++) {
        if (s.stalled[i] >= 0)
            (void)close(s.stalled[i]); /* it leaves now */
    }
    proc_mem_read(&peak, o->server_pid);
    load_sleep_until(load_now() + STALL_AFTER_MS * (uint64_t)NS_PER_MS);
    proc_mem_read(&after, o->server_pid);
    conn_sync(s.reader_fd); /* it is still served */

    struct json j;
    json_init(&j, stdout);
    json_str(&j, "scenario", "stall");
    json_u64(&j, "size", o->size);
    json_u64(&j, "subs", o->n_subs);
    json_u64(&j, "dropped", s.n_dropped);
    json_u64(&j, "published", s.n_published);
    json_u64(&j, "wall_ns", wall);
    json_u64(&j, "rss_before_bytes", before.rss_bytes);
    json_u64(&j, "rss_peak_bytes", max_u64(s.rss_peak_bytes, peak.rss_peak_bytes));
    json_u64(&j, "rss_after_bytes", after.rss_bytes);
    json_fini(&j);
    free(s.pub);
    free(s.tmpl);
}
