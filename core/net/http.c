#include "core/net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/net_priv.h"
#include "core/rt/fault.h"
#include "core/rt/list.h"
#include "proto/out.h"

enum {
    HTTP_BACKLOG = 512,
    HTTP_RETRY_MS = 3000,
    HTTP_TEXT_MAX = 1024, /* status line and headers of an answer */
    HTTP_IN_MIN = 1024,
};

#define HTTP_CONN_STATES(X)                                                                                    \
    X(HTTP_FREE, BIT(HTTP_READING))                                                                            \
    X(HTTP_READING, BIT(HTTP_ASKED) | BIT(HTTP_WRITING) | BIT(HTTP_CLOSING))                                   \
    X(HTTP_ASKED, BIT(HTTP_WRITING) | BIT(HTTP_CLOSING))                                                       \
    X(HTTP_WRITING, BIT(HTTP_READING) | BIT(HTTP_LINGER) | BIT(HTTP_CLOSING))                                  \
    X(HTTP_LINGER, BIT(HTTP_CLOSING))                                                                          \
    X(HTTP_CLOSING, BIT(HTTP_FREE))

#define HTTP_STATE_ENUM(name, to) name,
enum http_state { HTTP_CONN_STATES(HTTP_STATE_ENUM) };
#undef HTTP_STATE_ENUM
#define HTTP_STATE_TO(name, to) [name] = (to),
static const uint32_t http_allowed_moves[] = {HTTP_CONN_STATES(HTTP_STATE_TO)};
#undef HTTP_STATE_TO

struct http_conn {
    struct net_owner owner; /* first */
    struct io_sock sock;
    struct list link;  /* in idle, reading or busy; free ones in none */
    struct list dirty; /* in http.dirty or http.ready; next NULL: in none */
    struct timer timer;
    struct http_parser parser;
    struct addr peer;
    uint32_t slot, gen;
    uint8_t state;
    bool first;      /* its first request is still to come */
    bool sending;    /* a send is in flight */
    bool eof;        /* the peer ended its side */
    bool keep_alive, head_only, http_1_0;
    bool linger;     /* more may come that nobody reads */
    uint8_t *in;     /* head in progress and what came behind a request; NULL: none */
    uint32_t in_len, in_cap;
    int64_t since_ns; /* of the state, or of the last progress of a write */
    char text[HTTP_TEXT_MAX];
    uint32_t text_len;
    char *body;
    uint64_t body_cap; /* counted in http.body_bytes */
    uint64_t body_len, off; /* off: sent of text and body together */
    uint64_t n_lingered;
};

struct http {
    struct net_owner owner; /* first: the listener's */
    const struct http_cfg *cfg;
    struct io_sock listener;
    bool listener_open, stopping;
    uint32_t n_conns, n_socks; /* without, with closing ones */
    uint64_t in_bytes;         /* of heads beyond HTTP_HEAD_FREE */
    uint64_t body_bytes;       /* of answers */
    struct list idle, reading, busy; /* by age; busy: everything else that is open */
    struct list dirty, ready;
    uint32_t n_free;
    uint16_t free[HTTP_SLOTS];
    struct http_conn conns[HTTP_SLOTS];
};

static bool http_on_conn_event(struct net *n, struct net_owner *o, struct io_event *ev);

static struct list *
http_list(struct http *h, const struct http_conn *c)
{
    if (c->state != HTTP_READING)
        return &h->busy;
    return c->in_len == 0 && !c->first ? &h->idle : &h->reading;
}

static void
http_move(struct net *n, struct http_conn *c, enum http_state to)
{
    ASSERT((http_allowed_moves[c->state] & BIT(to)) != 0);
    c->state = (uint8_t)to;
    c->since_ns = n->sh->now;
    list_remove(&c->link);
    list_push_back(http_list(n->http, c), &c->link);
}

static void
http_arm(struct net *n, struct http_conn *c, int64_t timeout_ns)
{
    timer_arm(&n->sh->timers, &c->timer, c->since_ns + timeout_ns);
}

static void
http_unlist(struct http_conn *c)
{
    if (c->dirty.next != NULL)
        list_remove(&c->dirty);
    c->dirty.next = NULL;
}

static void
http_enlist(struct list *l, struct http_conn *c)
{
    if (c->dirty.next == NULL)
        list_push_back(l, &c->dirty);
}

static struct http_conn *
http_listed(struct list *l)
{
    return list_empty(l) ? NULL : CONTAINER_OF(l->next, struct http_conn, dirty);
}

/* ---- life ---- */

static void
http_close(struct net *n, struct http_conn *c)
{
    if (c->state == HTTP_CLOSING)
        return;
    http_move(n, c, HTTP_CLOSING);
    http_unlist(c);
    timer_disarm(&n->sh->timers, &c->timer);
    c->gen++; /* an answer that comes now finds nobody */
    n->http->n_conns--;
    io_close(n->sh->io, &c->sock);
}

static uint64_t
http_in_share(const struct http_conn *c)
{
    return c->in_cap > HTTP_HEAD_FREE ? c->in_cap : 0;
}

static void
http_in_give(struct net *n, struct http_conn *c)
{
    if (c->in == NULL)
        return;
    n->http->in_bytes -= http_in_share(c);
    bufpool_give(n->sh->bufs, c->in, c->in_cap);
    c->in = NULL;
    c->in_len = c->in_cap = 0;
}

static void
http_body_give(struct http *h, struct http_conn *c)
{
    h->body_bytes -= c->body_cap;
    free(c->body);
    c->body = NULL;
    c->body_cap = c->body_len = c->off = c->text_len = 0;
}

static void
http_on_conn_closed(struct net *n, struct http_conn *c)
{
    struct http *h = n->http;

    ASSERT((http_allowed_moves[c->state] & BIT(HTTP_FREE)) != 0);
    http_in_give(n, c);
    http_body_give(h, c);
    list_remove(&c->link);
    c->state = HTTP_FREE;
    h->n_socks--;
    h->free[h->n_free++] = (uint16_t)c->slot;
}

/* ---- answers ---- */

static void
http_out_location(struct out *o, const char *s)
{
    size_t len = strnlen(s, HTTP_LOCATION_MAX);

    out_str(o, "Location: ");
    for (size_t i = 0; i < len; i++) {
        if (s[i] > ' ' && s[i] < 0x7f && strchr("\\?#%\"<>", s[i]) == NULL) {
            out_byte(o, s[i]);
        } else { /* nobody writes a header line of his own by asking for it */
            out_byte(o, '%');
            out_hex(o, (uint8_t)s[i], 2);
        }
    }
    out_str(o, "\r\n");
}

/* Status line and headers. */
static void
http_write_head(struct net *n, struct http_conn *c, const struct http_page *p)
{
    struct out o;
    char date[HTTP_DATE_LEN + 1];

    http_date(io_wall(n->sh->io) / NS_PER_S, date);
    out_init(&o, c->text, sizeof(c->text));
    out_str(&o, c->http_1_0 ? "HTTP/1.0 " : "HTTP/1.1 ");
    out_u64(&o, p->status);
    out_byte(&o, ' ');
    out_str(&o, http_status_text(p->status));
    out_str(&o, "\r\n");
    if (p->cors)
        out_str(&o, "Access-Control-Allow-Origin: *\r\n");
    if (p->type != NULL) {
        out_str(&o, "Content-Type: ");
        out_str(&o, p->type);
        out_str(&o, "\r\n");
    }
    if (p->location != NULL)
        http_out_location(&o, p->location);
    out_str(&o, "X-Content-Type-Options: nosniff\r\nDate: ");
    out_str(&o, date);
    out_str(&o, "\r\nContent-Length: ");
    out_u64(&o, p->len);
    if (!c->keep_alive)
        out_str(&o, "\r\nConnection: close");
    else if (c->http_1_0)
        out_str(&o, "\r\nConnection: keep-alive");
    out_str(&o, "\r\n\r\n");
    ASSERT(!o.full); /* a location of HTTP_LOCATION_MAX, written out, is the longest part */
    c->text_len = (uint32_t)o.len;
}

/* c has an answer: it goes out with this turn's flush. */
static void
http_give_page(struct net *n, struct http_conn *c, const struct http_page *p)
{
    if (n->http->stopping)
        c->keep_alive = false;
    http_write_head(n, c, p);
    c->body = p->body;
    c->body_cap = p->len;
    n->http->body_bytes += p->len;
    c->body_len = c->head_only ? 0 : p->len;
    c->off = 0;
    http_move(n, c, HTTP_WRITING);
    http_arm(n, c, HTTP_STALL_NS);
    http_enlist(&n->http->dirty, c);
}

/* What is no request gets this, in Go's words, and the end of the connection. */
static void
http_refuse(struct net *n, struct http_conn *c, uint32_t status, const char *why)
{
    const char *reason = http_status_text(status);
    size_t cap = strlen(reason) + strlen(why) + 16;
    char *body = fault_malloc(cap);
    int len = body == NULL ? 0 : snprintf(body, cap, "%u %s%s%s", status, reason, why[0] != '\0' ? ": " : "", why);

    COUNT(&n->sh->counters, http_refused, 1);
    c->keep_alive = c->head_only = false;
    c->linger = true;
    io_recv_stop(n->sh->io, &c->sock);
    http_in_give(n, c);
    struct http_page p = {.status = (uint16_t)status, .type = "text/plain; charset=utf-8", .body = body, .len = (uint64_t)len};
    http_give_page(n, c, &p);
}

void
http_answer(struct net *n, struct http_ref ref, const struct http_page *p)
{
    struct http_conn *c = n->http == NULL ? NULL : &n->http->conns[ref.slot];

    if (c == NULL || c->gen != ref.gen || c->state != HTTP_ASKED) {
        free(p->body);
        return;
    }
    c->gen++; /* one answer for each request */
    if (n->http->body_bytes > 0 && n->http->body_bytes + p->len > HTTP_BODIES_MAX) {
        free(p->body);
        COUNT(&n->sh->counters, http_refused, 1);
        http_give_page(n, c, &(struct http_page){.status = 503});
        return;
    }
    http_give_page(n, c, p);
}

/* ---- requests ---- */

bool
http_may_log(struct net *n)
{
    return net_may_log(n, NET_QUIET_HTTP);
}

bool
http_is_loopback(const struct addr *a)
{
    static const uint8_t six[16] = {[15] = 1};
    return (a->family == 4 && a->ip[0] == 127) || (a->family == 6 && memcmp(a->ip, six, sizeof(six)) == 0);
}

bool
http_is_within(const struct addr *a, uint8_t family, const uint8_t ip[16], uint8_t bits)
{
    uint32_t whole = bits / 8, rest = bits % 8;

    return a->family == family && memcmp(ip, a->ip, whole) == 0 && (rest == 0 || ((ip[whole] ^ a->ip[whole]) >> (8 - rest)) == 0);
}

/* The first len bytes of `in` are done with. */
static void
http_in_drop(struct net *n, struct http_conn *c, uint32_t len)
{
    if (c->in == NULL)
        return; /* closed, or refused, meanwhile */
    c->in_len -= len;
    if (c->in_len == 0)
        http_in_give(n, c);
    else
        memmove(c->in, c->in + len, c->in_len);
}

static void
http_ask(struct net *n, struct http_conn *c, const struct http_req *req)
{
    const struct http_cfg *cfg = n->http->cfg;
    size_t path_len = req->path.len;
    uint32_t used = req->has_body ? c->in_len : req->n_bytes;

    COUNT(&n->sh->counters, http_requests, 1);
    io_recv_stop(n->sh->io, &c->sock);
    c->http_1_0 = req->http_1_0;
    c->keep_alive = req->keep_alive && !req->has_body && !c->eof;
    c->linger = req->has_body;
    c->head_only = req->method.len == 4 && memcmp(req->method.ptr, "HEAD", 4) == 0;
    /* It stands in `in`, which is ours to write: decoded it is no longer than before. A "/" that was left out stands elsewhere. */
    if (path_len > 1)
        ASSERT(http_path_decode(req->path, (char *)(uintptr_t)req->path.ptr, &path_len)); /* http_parse saw to it */
    http_move(n, c, HTTP_ASKED);
    timer_disarm(&n->sh->timers, &c->timer);
    c->first = false;
    struct http_ask a = {
        .ref = {.slot = c->slot, .gen = c->gen},
        .path = {.ptr = req->path.ptr, .len = path_len},
        .query = req->query,
        .peer = &c->peer,
    };
    cfg->ops->on_request(cfg->ops_arg, n, &a);
    http_in_drop(n, c, used);
}

/* Look at what stands in `in`. */
static void
http_run(struct net *n, struct http_conn *c)
{
    struct http_req req;
    struct http_bad bad;

    switch (http_parse(&c->parser, c->in, c->in_len, &req, &bad)) {
    case HTTP_MORE: break;
    case HTTP_BAD: http_refuse(n, c, bad.status, bad.text); break;
    case HTTP_REQ: http_ask(n, c, &req); break;
    default: ASSERT(!"a verdict of http_parse");
    }
}

/* ---- reading ---- */

/* Append to `in`. False: no memory, or too much of it for long heads. */
static bool
http_keep(struct net *n, struct http_conn *c, const uint8_t *p, uint32_t len)
{
    struct http *h = n->http;
    uint32_t cap, want = c->in_len + len;

    if (want > c->in_cap) {
        uint64_t room = max_u64(max_u64(want, HTTP_IN_MIN), 2 * (uint64_t)c->in_cap);
        uint64_t others = h->in_bytes - http_in_share(c);
        if (room > HTTP_HEAD_FREE && others + room > HTTP_IN_MAX)
            return false;
        uint8_t *in = bufpool_take(n->sh->bufs, (uint32_t)room, &cap);
        if (in == NULL)
            return false;
        uint32_t used = c->in_len;
        if (used > 0)
            memcpy(in, c->in, used);
        http_in_give(n, c);
        c->in = in;
        c->in_cap = cap;
        c->in_len = used;
        h->in_bytes += http_in_share(c);
    }
    memcpy(c->in + c->in_len, p, len);
    c->in_len += len;
    return true;
}

static void
http_on_bytes(struct net *n, struct http_conn *c, const uint8_t *p, uint32_t len)
{
    switch ((enum http_state)c->state) {
    case HTTP_READING:
        http_unlist(c); /* one of http.ready is looked at now; its answer stands in http.dirty */
        if (c->in_len == 0) {
            if (!c->first)
                c->since_ns = n->sh->now; /* a later request's deadline runs from its first byte */
            http_arm(n, c, HTTP_HEAD_NS);
        }
        if (!http_keep(n, c, p, len)) {
            http_refuse(n, c, 503, "no memory for so long a request now");
            return;
        }
        list_remove(&c->link);
        list_push_back(http_list(n->http, c), &c->link);
        http_run(n, c);
        return;
    case HTTP_ASKED:
    case HTTP_WRITING:
        if (c->keep_alive && c->in_len + len <= HTTP_KEEP_LEN && http_keep(n, c, p, len))
            return;
        c->keep_alive = false;
        c->linger = true;
        return;
    case HTTP_LINGER:
        c->n_lingered += len;
        if (c->n_lingered > HTTP_LINGER_LEN)
            http_close(n, c);
        return;
    case HTTP_FREE:
    case HTTP_CLOSING:
    default: return; /* taken before it was closed */
    }
}

static void
http_on_recv(struct net *n, struct http_conn *c, const struct io_event *ev)
{
    if (ev->err == OK) {
        http_on_bytes(n, c, ev->data, ev->len);
        return;
    }
    c->eof = true;
    if (ev->err != ERR_CLOSED || c->state == HTTP_READING || c->state == HTTP_LINGER)
        http_close(n, c);
    else
        c->keep_alive = false; /* it may only have ended its side */
}

/* ---- writing ---- */

/* The answer is out. */
static void
http_done(struct net *n, struct http_conn *c)
{
    http_body_give(n->http, c);
    if (c->eof || (!c->keep_alive && !c->linger) || n->http->stopping) {
        http_close(n, c);
        return;
    }
    if (c->linger) {
        http_in_give(n, c);
        http_move(n, c, HTTP_LINGER);
        c->n_lingered = 0;
        http_arm(n, c, HTTP_LINGER_NS);
    } else {
        http_parser_init(&c->parser, &(struct http_limits){.max_bytes = HTTP_HEAD_MAX, .max_headers = HTTP_HEADERS_MAX});
        http_move(n, c, HTTP_READING);
        http_arm(n, c, c->in_len > 0 ? HTTP_HEAD_NS : HTTP_IDLE_NS);
        if (c->in_len > 0)
            http_enlist(&n->http->ready, c);
    }
    io_recv_start(n->sh->io, &c->sock);
}

static void
http_sent(struct net *n, struct http_conn *c, uint64_t len)
{
    c->off += len;
    c->since_ns = n->sh->now;
    if (c->off == c->text_len + c->body_len)
        http_done(n, c);
    else
        http_enlist(&n->http->dirty, c);
}

/* One send of what is due. Returns how much was tried. */
static uint64_t
http_send(struct net *n, struct http_conn *c, uint64_t max)
{
    struct iovec iov[2];
    uint32_t n_iov = 0;
    uint64_t left = min_u64(max, HTTP_SEND_LEN), tried = 0;
    size_t sent = 0;

    if (c->off < c->text_len) {
        iov[n_iov] = (struct iovec){.iov_base = c->text + c->off, .iov_len = min_u64(c->text_len - c->off, left)};
        tried += iov[n_iov++].iov_len;
    }
    uint64_t body_off = c->off + tried - c->text_len;
    if (tried < left && c->off + tried >= c->text_len && body_off < c->body_len) {
        iov[n_iov] = (struct iovec){.iov_base = c->body + body_off, .iov_len = min_u64(c->body_len - body_off, left - tried)};
        tried += iov[n_iov++].iov_len;
    }
    enum err e = io_send(n->sh->io, &c->sock, iov, n_iov, &sent);
    if (e == ERR_PENDING)
        c->sending = true;
    else if (e == OK)
        http_sent(n, c, sent);
    else
        http_close(n, c);
    return tried;
}

static void
http_on_sent(struct net *n, struct http_conn *c, const struct io_event *ev)
{
    c->sending = false;
    if (c->state != HTTP_WRITING)
        return;
    if (ev->err != OK)
        http_close(n, c);
    else
        http_sent(n, c, ev->len);
}

void
http_on_flush(struct net *n)
{
    struct http *h = n->http;
    struct http_conn *c;
    uint64_t left = HTTP_SEND_TURN_LEN;

    if (h == NULL)
        return;
    while (left > 0 && (c = http_listed(&h->dirty)) != NULL) {
        http_unlist(c);
        if (!c->sending)
            left -= http_send(n, c, left);
    }
    if (!list_empty(&h->dirty) || !list_empty(&h->ready))
        net_turn_soon(n);
}

void
http_on_handled(struct net *n)
{
    struct http *h = n->http;
    struct http_conn *c;

    if (h == NULL)
        return;
    for (uint32_t i = 0; i < HTTP_REQUESTS_TURN_MAX && (c = http_listed(&h->ready)) != NULL; i++) {
        http_unlist(c);
        http_run(n, c);
    }
}

/* ---- deadlines ---- */

static void
http_on_timer(struct timer *t, int64_t now_ns)
{
    struct http_conn *c = CONTAINER_OF(t, struct http_conn, timer);
    struct net *n = net_of(shard_current);

    if (c->state == HTTP_READING && c->in_len > 0) {
        http_unlist(c);
        http_refuse(n, c, 400, "");
    } else if (c->state == HTTP_WRITING && now_ns < c->since_ns + HTTP_STALL_NS) {
        http_arm(n, c, HTTP_STALL_NS); /* there was progress meanwhile */
    } else {
        http_close(n, c);
    }
}

/* ---- accepting ---- */

/* Of the same source; NULL is everybody's, one that is not known nobody's. */
static bool
http_is_from(const struct http_conn *c, const struct addr *source)
{
    if (source == NULL)
        return true;
    return source->family != 0 && c->peer.family == source->family && memcmp(c->peer.ip, source->ip, source->family == 6 ? 8 : 4) == 0;
}

/* The first of a list from there that can be spared: not one whose answer is being made, or leaves as fast as it is read. */
static struct http_conn *
http_first_from(struct list *all, const struct addr *source)
{
    for (struct list *l = all->next; l != all; l = l->next) {
        struct http_conn *c = CONTAINER_OF(l, struct http_conn, link);
        bool spared = c->state == HTTP_READING || c->state == HTTP_LINGER || (c->state == HTTP_WRITING && c->sending);
        if (spared && http_is_from(c, source))
            return c;
    }
    return NULL;
}

static uint32_t
http_n_from(struct list *all, const struct addr *source)
{
    uint32_t n = 0;

    for (struct list *l = all->next; l != all; l = l->next) {
        struct http_conn *c = CONTAINER_OF(l, struct http_conn, link);
        n += c->state != HTTP_CLOSING && http_is_from(c, source);
    }
    return n;
}

/* Make room for one more among those of a source (NULL: of all): close what idles for longest, else the oldest unfinished head, else who reads slowest. */
static bool
http_evict(struct net *n, const struct addr *source)
{
    struct http *h = n->http;
    struct http_conn *c = http_first_from(&h->idle, source);

    if (c == NULL)
        c = http_first_from(&h->reading, source);
    if (c == NULL)
        c = http_first_from(&h->busy, source);
    if (c == NULL)
        return false;
    COUNT(&n->sh->counters, http_evicted, 1);
    http_close(n, c);
    return true;
}

/* Room for one more from there: whoever has more than its share makes it itself. */
static bool
http_has_room(struct net *n, const struct addr *source)
{
    struct http *h = n->http;

    if (h->stopping || h->n_free == 0)
        return false;
    if (http_n_from(&h->idle, source) + http_n_from(&h->reading, source) + http_n_from(&h->busy, source) >= HTTP_SOURCE_MAX)
        return http_evict(n, source);
    return h->n_conns < HTTP_CONNS_MAX || http_evict(n, NULL);
}

static void
http_on_accept(struct net *n, const struct io_event *ev)
{
    struct http *h = n->http;

    if (ev->err != OK) {
        COUNT(&n->sh->counters, accept_failures, 1);
        log_err("Error accepting monitoring connections: %s; trying again shortly", err_text((enum err)ev->err));
        return;
    }
    struct addr peer = addr_of_peer((int)ev->res);
    if (!http_has_room(n, &peer)) {
        COUNT(&n->sh->counters, http_refused, 1);
        io_fd_drop(n->sh->io, (int)ev->res);
        return;
    }
    struct http_conn *c = &h->conns[h->free[--h->n_free]];
    uint32_t slot = c->slot, gen = c->gen;
    memset(c, 0, sizeof(*c));
    c->owner.on_event = http_on_conn_event;
    c->slot = slot;
    c->gen = gen;
    c->first = true;
    c->timer.fn = http_on_timer;
    http_parser_init(&c->parser, &(struct http_limits){.max_bytes = HTTP_HEAD_MAX, .max_headers = HTTP_HEADERS_MAX});
    list_init(&c->link);
    http_move(n, c, HTTP_READING);
    http_arm(n, c, HTTP_HEAD_NS);
    h->n_conns++;
    h->n_socks++;
    COUNT(&n->sh->counters, http_conns, 1);
    io_sock_init(n->sh->io, &c->sock, (int)ev->res, net_owner_tag(&c->owner));
    c->peer = peer;
    io_recv_start(n->sh->io, &c->sock);
}

static bool
http_on_conn_event(struct net *n, struct net_owner *o, struct io_event *ev)
{
    struct http_conn *c = (struct http_conn *)(void *)o;

    if (ev->kind == IO_EV_RECV)
        http_on_recv(n, c, ev);
    else if (ev->kind == IO_EV_SEND)
        http_on_sent(n, c, ev);
    else if (ev->kind == IO_EV_CLOSED)
        http_on_conn_closed(n, c);
    return true;
}

static bool
http_on_listener_event(struct net *n, struct net_owner *o, struct io_event *ev)
{
    struct http *h = (struct http *)(void *)o;

    if (ev->kind == IO_EV_ACCEPT) {
        http_on_accept(n, ev);
    } else if (ev->kind == IO_EV_CLOSED) {
        h->listener_open = false;
        h->n_socks--;
    }
    return true;
}

/* ---- start and stop ---- */

enum err
http_start(struct net *n, const struct http_cfg *cfg)
{
    struct sockaddr_storage ss;
    socklen_t len;
    uint16_t port;
    struct http *h = fault_calloc(1, sizeof(*h));

    if (h == NULL)
        return ERR_NOMEM;
    h->cfg = cfg;
    h->owner.on_event = http_on_listener_event;
    list_init(&h->idle);
    list_init(&h->reading);
    list_init(&h->busy);
    list_init(&h->dirty);
    list_init(&h->ready);
    for (uint32_t i = HTTP_SLOTS; i-- > 0;) {
        h->conns[i].slot = i;
        h->free[h->n_free++] = (uint16_t)i;
    }
    enum err e = addr_resolve(cfg->host, cfg->port, &ss, &len);
    if (e == OK)
        e = io_listen(n->sh->io, &h->listener, (struct sockaddr *)&ss, len, HTTP_BACKLOG, HTTP_RETRY_MS, net_owner_tag(&h->owner), &port);
    if (e != OK) {
        log_line(LOG_FTL, "Can't start monitoring: can't listen to the monitor port: %s:%u, %s", cfg->host, cfg->port, err_text(e));
        atomic_store(&n->set->told, true);
        free(h);
        return e;
    }
    h->listener_open = true;
    h->n_socks = 1;
    n->http = h;
    atomic_store(&n->set->http_port, port);
    log_inf("Starting http monitor on %s:%u", cfg->host, port);
    io_accept_start(n->sh->io, &h->listener);
    return OK;
}

void
http_stop(struct net *n)
{
    struct http *h = n->http;

    if (h == NULL || h->stopping)
        return;
    h->stopping = true;
    if (h->listener_open)
        io_close(n->sh->io, &h->listener);
    for (uint32_t i = 0; i < HTTP_SLOTS; i++) {
        if (h->conns[i].state != HTTP_FREE)
            http_close(n, &h->conns[i]);
    }
}

void
http_on_wake(struct net *n)
{
    if (n->http != NULL)
        n->http->cfg->ops->on_wake(n->http->cfg->ops_arg, n);
}

uint32_t
http_n_socks(const struct net *n)
{
    return n->http == NULL ? 0 : n->http->n_socks;
}

void
http_free(struct net *n)
{
    struct http *h = n->http;

    if (h == NULL)
        return;
    h->cfg->ops->on_stop(h->cfg->ops_arg);
    for (uint32_t i = 0; i < HTTP_SLOTS; i++) { /* those whose sockets did not close in time */
        http_in_give(n, &h->conns[i]);
        http_body_give(h, &h->conns[i]);
    }
    free(h);
    n->http = NULL;
}
