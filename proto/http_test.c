/* Tests of http.h: what is a request, what is not, and that splits change nothing. */
#include "proto/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/util.h"
#include "proto/http_check.h"

static const struct http_limits usual = {.max_bytes = HTTP_HEAD_MAX, .max_headers = HTTP_HEADERS_MAX};

static enum http_verdict
parse(const char *text, struct http_req *req, struct http_bad *bad)
{
    struct http_parser p;

    (void)http_check_splits((const uint8_t *)text, strlen(text), &usual);
    http_parser_init(&p, &usual);
    return http_parse(&p, (const uint8_t *)text, strlen(text), req, bad);
}

static void
assert_view(struct nats_view v, const char *want)
{
    assert_int_equal(v.len, strlen(want));
    assert_memory_equal(v.ptr, want, v.len);
}

/* Requests as clients send them. */
static void
a_request_is_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *method, *path, *query;
        bool keep_alive, has_body, expect;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", true, false, false},
        {"GET /connz?limit=3&sort=cid HTTP/1.1\r\nHost: a:8222\r\n\r\n", "GET", "/connz", "limit=3&sort=cid", true, false, false},
        {"HEAD /a? HTTP/1.0\r\n\r\n", "HEAD", "/a", "", false, false, false},
        {"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/a", "", true, false, false},
        {"GET /a HTTP/1.1\r\nHOST:a\r\ncOnnection: x, close\r\n\r\n", "GET", "/a", "", false, false, false},
        {"GET /a HTTP/1.1\r\nHost:\t[::1]:80 \t\r\nConnection: x\r\nConnection: ,close\r\n\r\n", "GET", "/a", "", false, false, false},
        {"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", "PUT", "/a", "", true, true, false},
        {"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n", "PUT", "/a", "", true, false, false},
        {"M-X /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "M-X", "/a", "", true, true, false},
        {"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n", "PUT", "/a", "", true, false, true},
        {"GET http://a.b:1/c?d HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/c", "d", true, false, false},
        {"GET HTTPS://a?d HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "d", true, false, false},
        {"GET http://a HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", true, false, false},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", "", true, false, false},
        {"GET /%41/?%zz?x HTTP/1.1\r\nHost: a\r\nX: \x80 y\r\nY:\r\n\r\n", "GET", "/%41/", "%zz?x", true, false, false},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct http_req req;
        struct http_bad bad = {0};
        enum http_verdict v = parse(rows[i].text, &req, &bad);
        if (v != HTTP_REQ)
            fail_msg("row %zu: %u %s", i, bad.status, bad.text);
        assert_view(req.method, rows[i].method);
        assert_view(req.path, rows[i].path);
        assert_view(req.query, rows[i].query);
        assert_int_equal(req.keep_alive, rows[i].keep_alive);
        assert_int_equal(req.has_body, rows[i].has_body);
        assert_int_equal(req.expect, rows[i].expect);
        assert_int_equal(req.n_bytes, strstr(rows[i].text, "\r\n\r\n") + 4 - rows[i].text);
    }
}

/* Everything about which two readers could disagree, and everything that is no HTTP. */
static void
what_is_wrong_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint16_t status;
        const char *why;
    } rows[] = {
        {"FOO\r\n", 400, ""},
        {"\r\n", 400, ""},
        {" GET / HTTP/1.1\r\n", 400, ""},
        {"GET  / HTTP/1.1\r\n", 400, ""},
        {"GET /  HTTP/1.1\r\n", 400, ""},
        {"GET / HTTP/1.1 \r\n", 400, ""},
        {"GET\t/ HTTP/1.1\r\n", 400, ""},
        {"G(T / HTTP/1.1\r\n", 400, ""},
        {"GET / \r\n", 400, ""},
        {"GET /\r\n", 400, ""},
        {"GET a HTTP/1.1\r\n", 400, ""},
        {"GET http:/// HTTP/1.1\r\n", 400, ""},
        {"GET http://a@b/ HTTP/1.1\r\n", 400, ""},
        {"GET * HTTP/1.1\r\n", 400, ""},
        {"CONNECT a:1 HTTP/1.1\r\n", 400, ""},
        {"GET /%4 HTTP/1.1\r\n", 400, ""},
        {"GET /%zz HTTP/1.1\r\n", 400, ""},
        {"GET /\x80 HTTP/1.1\r\n", 400, ""},
        {"GET / HTTP/1.10\r\n", 400, ""},
        {"GET / http/1.1\r\n", 400, ""},
        {"GET / HTTP/1.2\r\n", 505, "unsupported protocol version"},
        {"PRI * HTTP/2.0\r\n", 505, "unsupported protocol version"},
        {"GET / HTTP/1.1\n", 400, ""},                                  /* bare LF */
        {"GET / HTTP/1.1\rX", 400, ""},                                 /* bare CR */
        {"GET / HTTP/1.1\r\nHost: a\n", 400, ""},
        {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, ""},
        {"GET / HTTP/1.1\r\nHost: a\x01", 400, ""},
        {"\x16", 400, ""},                                              /* TLS */
        {"GET / HTTP/1.1\r\n X: a\r\n", 400, "folded header line"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n", 400, "folded header line"},
        {"GET / HTTP/1.1\r\nHost : a\r\n", 400, "invalid header name"},
        {"GET / HTTP/1.1\r\n: a\r\n", 400, "invalid header name"},
        {"GET / HTTP/1.1\r\nHost\r\n", 400, "invalid header name"},
        {"GET / HTTP/1.1\r\nA\x80: a\r\n", 400, "invalid header name"},
        {"GET / HTTP/1.1\r\n\r\n", 400, "missing required Host header"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400, "too many Host headers"},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n", 400, "malformed Host header"},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nContent-Length: +1\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nContent-Length: \r\n", 400, ""},
        {"GET / HTTP/1.1\r\nContent-Length: 1234567890123456789\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, ""},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400, ""},
        {"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n", 501, "unsupported transfer encoding"},
        {"GET / HTTP/1.1\r\nExpect: x\r\n", 417, ""},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct http_req req;
        struct http_bad bad = {0};
        if (parse(rows[i].text, &req, &bad) != HTTP_BAD)
            fail_msg("row %zu was taken", i);
        assert_int_equal(bad.status, rows[i].status);
        assert_string_equal(bad.text, rows[i].why);
        assert_true(http_status_text(bad.status)[0] != '\0');
        /* It takes every byte to know: without the last one it is not decided. */
        struct http_parser p;
        http_parser_init(&p, &usual);
        assert_int_equal(http_parse(&p, (const uint8_t *)rows[i].text, strlen(rows[i].text) - 1, &req, &bad), HTTP_MORE);
    }
}

/* The byte, and the line, that is one too many. */
static void
a_head_has_limits(void **state)
{
    (void)state;
    const char *text = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    uint32_t len = (uint32_t)strlen(text);
    struct http_limits lim = {.max_bytes = len, .max_headers = 2};
    struct http_check c = http_check_splits((const uint8_t *)text, len, &lim);
    assert_int_equal(c.v, HTTP_REQ);
    lim.max_bytes--;
    c = http_check_splits((const uint8_t *)text, len, &lim);
    assert_int_equal(c.v, HTTP_BAD);
    assert_int_equal(c.bad.status, 431);
    lim = (struct http_limits){.max_bytes = len, .max_headers = 1};
    c = http_check_splits((const uint8_t *)text, len, &lim);
    assert_int_equal(c.bad.status, 431);
}

/* A second request behind the first is left alone, body or not. */
static void
what_follows_is_left_alone(void **state)
{
    (void)state;
    const char *first = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", *both = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\x01\n\r junk";
    struct http_check c = http_check_splits((const uint8_t *)both, strlen(both), &usual);
    assert_int_equal(c.v, HTTP_REQ);
    assert_int_equal(c.n_bytes, strlen(first));
}

/* Random mixtures of the pieces that matter, each split everywhere. */
static void
splits_change_nothing(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "GET ", "PUT ", "/", "/connz?a=b", "*", " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n", "\r\n", "\n", "\r", "Host: a\r\n", "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "X: ", "y", " ", ":", "\t", "\x01", "%4", "http://a",
    };
    struct rng r;
    char text[256];
    size_t n_reqs = 0, n_bad = 0;

    rng_init(&r, 4711);
    for (int i = 0; i < 4000; i++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", rng_below(&r, 4) > 0 ? "GET / HTTP/1.1\r\nHost: b\r\n" : "");
        for (uint64_t n = rng_below(&r, 8); n > 0; n--) {
            const char *p = pieces[rng_below(&r, N_ELEMS(pieces))];
            size_t p_len = strlen(p);
            if (len + p_len < sizeof(text)) {
                memcpy(text + len, p, p_len);
                len += p_len;
            }
        }
        struct http_limits lim = {.max_bytes = rng_below(&r, 4) > 0 ? 1024 : 40, .max_headers = 2};
        struct http_check c = http_check_splits((const uint8_t *)text, len, &lim);
        n_reqs += c.v == HTTP_REQ;
        n_bad += c.v == HTTP_BAD;
    }
    assert_true(n_reqs > 300 && n_bad > 300); /* the mixture meets both */
}

static void
headers_are_found_by_name(void **state)
{
    (void)state;
    struct http_req req;
    struct http_bad bad;
    struct nats_view v;
    size_t at = 0;

    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket, h2c\r\nX:\r\nupgrade:  b \r\n\r\n", &req, &bad), HTTP_REQ);
    assert_true(http_header(&req, "upgrade", &at, &v));
    assert_view(v, "websocket, h2c");
    assert_true(http_has_token(v, "WebSocket") && http_has_token(v, "h2c") && !http_has_token(v, "web"));
    assert_true(http_header(&req, "Upgrade", &at, &v));
    assert_view(v, "b");
    assert_false(http_header(&req, "Upgrade", &at, &v));
    at = 0;
    assert_true(http_header(&req, "x", &at, &v));
    assert_view(v, "");
    at = 0;
    assert_false(http_header(&req, "Hos", &at, &v));
}

static struct nats_view
view(const char *s)
{
    return (struct nats_view){.ptr = (const uint8_t *)s, .len = strlen(s)};
}

/* As Go's url.ParseQuery and Values.Get. */
static void
queries_give_their_first_value(void **state)
{
    (void)state;
    static const struct {
        const char *query, *name, *want; /* NULL: none */
    } rows[] = {
        {"", "a", NULL},
        {"a", "a", ""},
        {"a=", "a", ""},
        {"a=1&a=2", "a", "1"},
        {"b=1&&a=x=y", "a", "x=y"},
        {"%61=1", "a", "1"},
        {"a=%zz&a=2", "a", "2"},
        {"a=%4&a=3", "a", "3"},
        {"%zz=1&a=4", "a", "4"},
        {"a=5;b=1", "a", NULL},
        {"a=1;x&a=6", "a", "6"},
        {"a=x+y%2b%26", "a", "x y+&"},
        {"ab=1&a=7", "a", "7"},
        {"A=1", "a", NULL},
        {"subs=detail", "subs", "detail"},
    };
    char to[16];
    size_t len;

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        enum http_query q = http_query_get(view(rows[i].query), rows[i].name, to, sizeof(to), &len);
        assert_int_equal(q, rows[i].want != NULL ? HTTP_QUERY_FOUND : HTTP_QUERY_NONE);
        if (rows[i].want != NULL)
            assert_string_equal(to, rows[i].want);
    }
    assert_int_equal(http_query_get(view("a=1234"), "a", to, 5, &len), HTTP_QUERY_FOUND);
    assert_int_equal(http_query_get(view("a=1234"), "a", to, 4, &len), HTTP_QUERY_LONG);
    assert_string_equal(to, "123");
    assert_int_equal(http_query_get(view("a=x%00y"), "a", to, sizeof(to), &len), HTTP_QUERY_FOUND);
    assert_int_equal(len, 3);
}

static void
paths_are_decoded_and_cleaned(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want;
    } rows[] = {
        {"/", "/"},       {"/varz", "/varz"}, {"//varz", "/varz"},      {"/varz/", "/varz/"},   {"/../varz", "/varz"},
        {"/a/../b", "/b"}, {"/a/./b", "/a/b"}, {"/a/..", "/"},           {"/..", "/"},           {"/a//b/", "/a/b/"},
        {"/a/b/../..", "/"}, {"", "/"},        {"/...", "/..."},         {"/a/../", "/"},
    };
    char to[32];
    size_t len;

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        len = http_path_clean(rows[i].path, strlen(rows[i].path), to);
        to[len] = '\0';
        assert_string_equal(to, rows[i].want);
    }
    assert_true(http_path_decode(view("/%76arz+%2F"), to, &len));
    assert_int_equal(len, 7);
    assert_memory_equal(to, "/varz+/", 7);
    assert_false(http_path_decode(view("/%7"), to, &len));
}

static void
dates_are_those_of_http(void **state)
{
    (void)state;
    char to[HTTP_DATE_LEN + 1];

    http_date(784111777, to);
    assert_string_equal(to, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 */
    http_date(0, to);
    assert_string_equal(to, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date(951782399, to);
    assert_string_equal(to, "Mon, 28 Feb 2000 23:59:59 GMT");
    http_date(951782400, to);
    assert_string_equal(to, "Tue, 29 Feb 2000 00:00:00 GMT");
    http_date(INT64_MAX, to);
    assert_string_equal(to + 5, "31 Dec 9999 15:30:07 GMT"); /* no more digits than there is room */
    http_date(-1, to);
    assert_string_equal(to, "Thu, 01 Jan 1970 00:00:00 GMT");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_head_has_limits),
        cmocka_unit_test(what_follows_is_left_alone),
        cmocka_unit_test(splits_change_nothing),
        cmocka_unit_test(headers_are_found_by_name),
        cmocka_unit_test(queries_give_their_first_value),
        cmocka_unit_test(paths_are_decoded_and_cleaned),
        cmocka_unit_test(dates_are_those_of_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
