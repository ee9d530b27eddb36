/* http_check.h - the properties of http_parse, for its tests and its fuzzer.
 *
 * Whatever the splits, the answer is that of the whole: same verdict, same request, same complaint, at the same byte. Every buffer is
 * an allocation of exactly its length, and moves between calls, so that the address sanitizer sees a read behind it and a view that was kept.
 * What does not hold aborts.
 *
 * Threads  one. Memory  freed before return.
 */
#ifndef MIDGE_PROTO_HTTP_CHECK_H
#define MIDGE_PROTO_HTTP_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "proto/http.h"

/* What came of some bytes; the views as offsets. */
struct http_check {
    enum http_verdict v;
    size_t decided; /* bytes that it took */
    size_t method_len, path, path_len, query, query_len, headers, headers_len;
    uint32_t n_bytes;
    bool http_1_0, keep_alive, has_body, expect;
    struct http_bad bad;
};

static inline struct http_check
http_check_result(enum http_verdict v, const uint8_t *buf, size_t len, const struct http_req *req, const struct http_bad *bad)
{
    struct http_check c;

    memset(&c, 0, sizeof(c)); /* padding too: results are compared whole */
    c.v = v;
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
static inline struct http_check
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

static inline void
http_check_same(const struct http_check *a, const struct http_check *b)
{
    ASSERT(a->v == b->v && a->decided == b->decided);
    ASSERT(memcmp(a, b, sizeof(*a)) == 0);
}

/* Whole, byte by byte, and every split in two agree. Returns what came of it. */
static inline struct http_check
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

#endif
