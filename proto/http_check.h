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

/* Whole, byte by byte, and every split in two agree. Returns what came of it. */
struct http_check http_check_splits(const uint8_t *bytes, size_t len, const struct http_limits *lim);

#endif
