#include "proto/http_check.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"

static struct http_check
http_check_result(enum http_verdict v, const uint8_t *buf, size_t len, const struct http_req *req, const struct http_bad *bad)
{
    struct http_check c = {.v = v};

    if (v == HTTP_BAD) {
        c.bad.status = bad->status;
        c.bad.text = bad->text;
    }
    if (v != HTTP_REQ)
        return c;
    ASSERT(req->method.ptr == buf && req->n_bytes <= len);
    c.method_len = req->method.len;
    bool root = req->path.ptr < buf || req->path.ptr >= buf + len; /* "/" that the client left out */
    ASSERT(!root || (req->path.len == 1 && req->path.ptr[0] == '/'));
    c.path = root ? 0 : (size_t)(req->path.ptr - buf);
    c.path_len = req->path.len;
    c.query = (size_t)(req->query.ptr - buf);
    c.query_len = req->query.len;
    c.headers = (size_t)(req->headers.ptr - buf);
    c.headers_len = req->headers.len;
    ASSERT(c.path + c.path_len <= req->n_bytes && c.query + c.query_len <= req->n_bytes && c.headers + c.headers_len + 2 == req->n_bytes);
    c.n_bytes = req->n_bytes;
    c.http_1_0 = req->http_1_0;
    c.keep_alive = req->keep_alive;
    c.has_body = req->has_body;
    c.expect = req->expect;
    return c;
}

/* Feed the first `first` bytes, then `step` at a time. */
static struct http_check
http_check_feed(const uint8_t *bytes, size_t len, const struct http_limits *lim, size_t first, size_t step)
{
    struct http_parser p;
    struct http_req req;
    struct http_bad bad;
    struct http_check c = {0};

    http_parser_init(&p, lim);
    for (size_t n = first;; n = n + step < len ? n + step : len) {
        uint8_t *buf = malloc(n + (n == 0));
        ASSERT(buf != NULL);
        memcpy(buf, bytes, n);
        enum http_verdict v = http_parse(&p, buf, n, &req, &bad);
        c = http_check_result(v, buf, n, &req, &bad);
        c.decided = p.n_seen;
        free(buf);
        if (v != HTTP_MORE || n == len)
            return c;
    }
}

static void
http_check_same(const struct http_check *a, const struct http_check *b)
{
    ASSERT(a->v == b->v && a->decided == b->decided);
    ASSERT(a->bad.status == b->bad.status && a->bad.text == b->bad.text);
    ASSERT(a->method_len == b->method_len && a->path == b->path && a->path_len == b->path_len);
    ASSERT(a->query == b->query && a->query_len == b->query_len && a->headers == b->headers && a->headers_len == b->headers_len);
    ASSERT(a->n_bytes == b->n_bytes && a->http_1_0 == b->http_1_0 && a->keep_alive == b->keep_alive);
    ASSERT(a->has_body == b->has_body && a->expect == b->expect);
}

struct http_check
http_check_splits(const uint8_t *bytes, size_t len, const struct http_limits *lim)
{
    struct http_check whole = http_check_feed(bytes, len, lim, len, 1);
    struct http_check one = http_check_feed(bytes, len, lim, 0, 1);

    http_check_same(&whole, &one);
    for (size_t cut = 0; cut < len; cut++) {
        struct http_check two = http_check_feed(bytes, len, lim, cut, len);
        http_check_same(&whole, &two);
    }
    ASSERT(whole.v != HTTP_REQ || whole.decided == whole.n_bytes);
    return whole;
}
