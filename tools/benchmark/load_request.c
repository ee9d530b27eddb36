/* load_request.c - request and reply: latencies and the server's CPU per request.
 *
 * --pubs requesters keep --inflight requests under way, all together; --subs responders, one
 * queue group, echo the payload. Both ends are in this one thread: with a single request under
 * way it blocks in each receive, as two plain clients would (--spin 1 polls instead); with
 * more, it answers whatever one read brings with one write.
 *
 * Every message has a fixed width, so both ends find their way by position; the fixed parts of
 * each are compared.
 *
 * Threads  one.
 * Memory   arrays taken at start; a connection's buffers inside it.
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
#include "load_hist.h"
#include "load_proc.h"

/* _INBOX.bench.CCCC.SSSS: requester and slot. */
#define REQUEST_INBOX "_INBOX.bench.0000.0000"

enum {
    REQUEST_CONNS_MAX = 1024,
    REQUEST_INFLIGHT_MAX = 4096,
    REQUEST_BUF_BYTES = 256 * 1024,
    REQUEST_STAMP_BYTES = 8,
    REQUEST_INBOX_LEN = sizeof(REQUEST_INBOX) - 1,
    REQUEST_CONN_OFF = 13, /* of CCCC inside the inbox */
    REQUEST_SLOT_OFF = 18,
    REQUEST_EVENTS = 64,
};

/* One connection: what came and is not yet a whole message, and what is to be sent. */
struct request_conn {
    int      fd;
    bool     responder;
    uint32_t id;
    uint32_t in_len, out_len;
    uint8_t  in[REQUEST_BUF_BYTES];
    uint8_t  out[REQUEST_BUF_BYTES];
};

/* A message shape: "HEAD INBOX TAIL SIZE\r\n" payload "\r\n". */
struct request_shape {
    uint8_t *tmpl;
    uint32_t len, inbox_off, payload_off;
};

struct request {
    const struct load_opts *opts;
    int                     epfd;
    uint32_t                n_conns, n_requesters;
    struct request_conn    *conns[REQUEST_CONNS_MAX]; /* requesters, then responders */
    struct request_shape    ask, asked, answer, answered;
    uint64_t                n_asked, n_answered;
    bool                    issuing;  /* an answer is followed by the next request */
    bool                    recording;
    struct hist             hist;
};

static void
request_shape_init(struct request_shape *s, const char *before, const char *after, uint32_t size)
{
    char head[2 * LOAD_SUBJECT_CAP];
    int  n = snprintf(head, sizeof(head), "%s%s%s%u\r\n", before, REQUEST_INBOX, after, size);
    ASSERT(n > 0 && (size_t)n < sizeof(head));
    s->inbox_off = (uint32_t)strlen(before);
    s->payload_off = (uint32_t)n;
    s->len = s->payload_off + size + 2;
    s->tmpl = malloc(s->len);
    if (s->tmpl == NULL)
        load_die("out of memory");
    memset(s->tmpl, 'x', s->len);
    memcpy(s->tmpl, head, (size_t)n);
    memcpy(s->tmpl + s->len - 2, "\r\n", 2);
}

/* The verb, the blanks and the line end stand where they should. */
static void
request_check(const struct request_shape *s, const uint8_t *msg)
{
    uint32_t after = s->inbox_off + REQUEST_SLOT_OFF + 4;
    if (memcmp(msg, s->tmpl, s->inbox_off + REQUEST_CONN_OFF) != 0 ||
        memcmp(msg + after, s->tmpl + after, s->payload_off - after) != 0 ||
        memcmp(msg + s->len - 2, "\r\n", 2) != 0)
        load_die("awaited \"%.*s\", got \"%.*s\"", (int)s->payload_off, (const char *)s->tmpl, (int)s->payload_off,
                 (const char *)msg);
}

static uint8_t *
request_put(struct request_conn *c, const struct request_shape *s)
{
    if (c->out_len + s->len > REQUEST_BUF_BYTES)
        load_die("a request connection's output is full");
    uint8_t *msg = c->out + c->out_len;
    memcpy(msg, s->tmpl, s->len);
    c->out_len += s->len;
    return msg;
}

static void
request_put_digits(uint8_t *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value /= 10)
        at[i] = (uint8_t)('0' + value % 10);
}

static void
request_ask(struct request *r, struct request_conn *c, uint32_t slot)
{
    uint8_t *msg = request_put(c, &r->ask);
    uint64_t now = load_now();
    request_put_digits(msg + r->ask.inbox_off + REQUEST_CONN_OFF, c->id);
    request_put_digits(msg + r->ask.inbox_off + REQUEST_SLOT_OFF, slot);
    memcpy(msg + r->ask.payload_off, &now, sizeof(now));
    r->n_asked++;
}

static void
request_take_answer(struct request *r, struct request_conn *c, const uint8_t *msg)
{
    request_check(&r->answered, msg);
    uint64_t asked;
    uint64_t now = load_now();
    memcpy(&asked, msg + r->answered.payload_off, sizeof(asked));
    if (asked > now)
        load_die("an answer's stamp lies in the future: the stream is out of frame");
    if (r->recording)
        hist_add(&r->hist, now - asked, 1);
    r->n_answered++;
    if (!r->issuing)
        return;
    const uint8_t *digits = msg + r->answered.inbox_off + REQUEST_SLOT_OFF;
    uint32_t       slot = 0;
    for (int i = 0; i < 4; i++)
        slot = slot * 10 + (uint32_t)(digits[i] - '0');
    request_ask(r, c, slot);
}

static void
request_take_question(struct request *r, struct request_conn *c, const uint8_t *msg)
{
    request_check(&r->asked, msg);
    uint8_t *out = request_put(c, &r->answer);
    memcpy(out + r->answer.inbox_off, msg + r->asked.inbox_off, REQUEST_INBOX_LEN);
    memcpy(out + r->answer.payload_off, msg + r->asked.payload_off, r->opts->size);
}

static void
request_flush(struct request_conn *c)
{
    if (c->out_len > 0)
        conn_send(c->fd, c->out, c->out_len);
    c->out_len = 0;
}

/* Read once, handle what is whole, send what that gave rise to. Returns the messages handled. */
static uint32_t
request_read(struct request *r, struct request_conn *c, int flags)
{
    ssize_t got = recv(c->fd, c->in + c->in_len, REQUEST_BUF_BYTES - c->in_len, flags);
    if (got < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) != 0)
        return 0;
    if (got <= 0)
        load_die("a connection was lost: %s", got == 0 ? "closed by the server" : strerror(errno));
    c->in_len += (uint32_t)got;
    uint32_t len = c->responder ? r->asked.len : r->answered.len;
    uint32_t off = 0;
    uint32_t n_msgs = 0;
    for (;;) {
        if (c->in_len - off >= 6 && memcmp(c->in + off, "PING\r\n", 6) == 0) {
            off += 6; /* unanswered, as everywhere here */
            continue;
        }
        if (c->in_len - off < len)
            break;
        if (c->responder)
            request_take_question(r, c, c->in + off);
        else
            request_take_answer(r, c, c->in + off);
        off += len;
        n_msgs++;
    }
    memmove(c->in, c->in + off, c->in_len - off);
    c->in_len -= off;
    request_flush(c);
    return n_msgs;
}

static void
request_step(struct request *r)
{
    int flags = r->opts->spin ? MSG_DONTWAIT : 0;
    if (r->n_conns == 2 && r->opts->n_inflight == 1) {
        /* One request at a time: first the responder has something to read, then the requester. */
        while (request_read(r, r->conns[1], flags) == 0)
            continue;
        while (request_read(r, r->conns[0], flags) == 0)
            continue;
        return;
    }
    struct epoll_event events[REQUEST_EVENTS];
    int                n = epoll_wait(r->epfd, events, REQUEST_EVENTS, r->opts->spin ? 0 : -1);
    if (n < 0 && errno != EINTR)
        load_die("epoll_wait: %s", strerror(errno));
    for (int k = 0; k < n; k++)
        (void)request_read(r, r->conns[events[k].data.u32], MSG_DONTWAIT); /* however many */
}

static void
request_conn_open(struct request *r, uint32_t i)
{
    struct request_conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        load_die("out of memory");
    c->fd = conn_open(r->opts);
    c->responder = i >= r->n_requesters;
    c->id = i;
    char inbox[LOAD_SUBJECT_CAP];
    (void)snprintf(inbox, sizeof(inbox), "_INBOX.bench.%04u.*", i);
    if (c->responder)
        conn_subscribe(c->fd, "bench.service", "workers", 1);
    else
        conn_subscribe(c->fd, inbox, NULL, 1);
    conn_sync(c->fd);
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(r->epfd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
        load_die("epoll_ctl: %s", strerror(errno));
    r->conns[i] = c;
}

static void
request_init(struct request *r, const struct load_opts *o)
{
    r->opts = o;
    r->n_requesters = o->n_pubs;
    r->n_conns = o->n_pubs + o->n_subs;
    request_shape_init(&r->ask, "PUB bench.service ", " ", o->size);
    request_shape_init(&r->asked, "MSG bench.service 1 ", " ", o->size);
    request_shape_init(&r->answer, "PUB ", " ", o->size);
    request_shape_init(&r->answered, "MSG ", " 1 ", o->size);
    hist_init(&r->hist);
    r->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epfd < 0)
        load_die("epoll_create1: %s", strerror(errno));
    for (uint32_t i = 0; i < r->n_conns; i++)
        request_conn_open(r, i);
}

static void
request_start(struct request *r)
{
    r->issuing = true;
    for (uint32_t i = 0; i < r->opts->n_inflight; i++)
        request_ask(r, r->conns[i % r->n_requesters], i / r->n_requesters);
    for (uint32_t i = 0; i < r->n_requesters; i++)
        request_flush(r->conns[i]);
}

/* Each request had one answer, and nothing else comes. */
static void
request_drain(struct request *r)
{
    r->issuing = false;
    load_await("the last answers");
    while (r->n_answered < r->n_asked)
        request_step(r);
    for (uint32_t i = 0; i < r->n_conns; i++) {
        if (r->conns[i]->in_len != 0)
            load_die("a connection received %u bytes too many", r->conns[i]->in_len);
        conn_sync(r->conns[i]->fd);
        (void)close(r->conns[i]->fd); /* the run is over */
        free(r->conns[i]);
    }
}

static void
request_report(const struct request *r, uint64_t n, uint64_t wall, uint64_t own, const struct proc_cpu *before,
               const struct proc_cpu *after)
{
    struct json j;
    json_init(&j, stdout);
    json_str(&j, "scenario", "request");
    json_u64(&j, "size", r->opts->size);
    json_u64(&j, "inflight", r->opts->n_inflight);
    json_u64(&j, "delivered", n);
    json_u64(&j, "wall_ns", wall);
    json_u64(&j, "own_cpu_ns", own);
    proc_cpu_json(&j, before, after);
    json_object_open(&j, "latency_ns");
    json_u64(&j, "count", r->hist.n_values);
    json_u64(&j, "p50", hist_quantile(&r->hist, 0.50));
    json_u64(&j, "p99", hist_quantile(&r->hist, 0.99));
    json_u64(&j, "p999", hist_quantile(&r->hist, 0.999));
    json_u64(&j, "max", r->hist.max);
    json_object_close(&j);
    json_fini(&j);
}

void
load_request(const struct load_opts *o)
{
    if (o->n_pubs + o->n_subs > REQUEST_CONNS_MAX || o->n_subs == 0 || o->n_inflight < o->n_pubs ||
        o->n_inflight > REQUEST_INFLIGHT_MAX || o->size < REQUEST_STAMP_BYTES || o->size > 1024)
        load_die("--pubs, --subs, --inflight or --size is out of range for request");
    static struct proc_cpu before, after; /* too large for the stack */
    static struct request  request;
    struct request        *r = &request;
    load_await("connections and subscriptions");
    request_init(r, o);
    load_await("answers");
    request_start(r);
    uint64_t warm_until = load_now() + o->warmup_ms * (uint64_t)NS_PER_MS;
    while (load_now() < warm_until)
        request_step(r);

    r->recording = true;
    uint64_t n = r->n_answered;
    uint64_t own = proc_own_cpu();
    proc_cpu_read(&before, o->server_pid);
    uint64_t since = load_now();
    uint64_t until = since + o->duration_ms * (uint64_t)NS_PER_MS;
    while (load_now() < until)
        request_step(r);
    uint64_t wall = load_now() - since;
    proc_cpu_read(&after, o->server_pid);
    own = proc_own_cpu() - own;
    n = r->n_answered - n;
    r->recording = false;
    request_drain(r);
    request_report(r, n, wall, own, &before, &after);
}
