/* http.h - the server side of HTTP/1.1: bytes -> the head of a request; query strings; dates.
 *
 * http_parse is given all bytes of a request from its first one, and says whether a whole head stands there. It remembers in
 * struct http_parser what it has looked at, so that a head that comes in drops is read once. The answer depends on the bytes
 * alone: each byte is judged when it is reached, in order, so a prefix that decides goes on deciding the same, however it was split.
 *
 *     http_parser_init(&p, &lim);
 *     v = http_parse(&p, buf, len, &req, &bad)
 *     HTTP_MORE: keep the bytes (they may move), ask again when there are more
 *     HTTP_REQ:  answer *req; the body, or the next request, begins at req.n_bytes. Then http_parser_init for that.
 *     HTTP_BAD:  answer bad.status with bad.text, and close: where the next request begins is not known
 *
 * Strict where two readers of one stream could disagree about where a request ends (RFC 9112, 11.2): lines end in CRLF, header lines are not
 * folded, no white space before a colon, one Content-Length, or one Transfer-Encoding, and not both. nats-server (that is, Go)
 * takes bare LF and folded lines. Bodies are not parsed: has_body says that there is one.
 *
 * Limits   max_bytes of a head, max_headers lines.
 * Threads  any; one owner of a parser at a time.
 * Memory   nothing is allocated. Pointers in *ret: view until buf moves or changes.
 * Source   RFC 9110, RFC 9112; sheet 09, section 1; sheet 05 TOB-NATS-10, H21.
 */
#ifndef MIDGE_PROTO_HTTP_H
#define MIDGE_PROTO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/nats_text.h"

enum {
    HTTP_HEAD_MAX = 1 << 20, /* the usual limits */
    HTTP_HEADERS_MAX = 100,
    HTTP_DATE_LEN = 29,
};

enum http_verdict { HTTP_MORE, HTTP_REQ, HTTP_BAD };

struct http_limits {
    uint32_t max_bytes, max_headers;
};

/* The head of a request. */
struct http_req {
    struct nats_view method; /* any token */
    struct nats_view path;   /* begins with '/', or is "*" for OPTIONS; not decoded */
    struct nats_view query;  /* behind the '?'; not decoded */
    struct nats_view headers; /* all lines, for http_header */
    uint32_t n_bytes;
    bool http_1_0;
    bool keep_alive; /* what the client asks for, by its version */
    bool has_body;   /* Content-Length above 0, or chunked */
    bool expect;     /* Expect: 100-continue */
};

/* What is wrong. */
struct http_bad {
    uint16_t status;   /* 400, 417, 431, 501, 505 */
    const char *text;  /* after the reason phrase; "": nothing more to say */
};

/* Private. */
struct http_parser {
    struct http_limits lim;
    uint32_t n_seen, line; /* looked at; where the line in progress begins */
    uint32_t method_len, target_len, headers, n_headers;
    uint32_t path, path_len, query, query_len; /* path_len 0: "/" */
    uint8_t flags;
    bool http_1_0;
    struct http_bad bad;
};

void http_parser_init(struct http_parser *p, const struct http_limits *lim);

/* Look at the bytes behind those of the last call. len only grows, and the bytes of earlier calls are the same. */
enum http_verdict http_parse(struct http_parser *p, const uint8_t *buf, size_t len, struct http_req *ret, struct http_bad *ret_bad);

/* The next value of the header `name` (any letter case), without white space around it. *at: where to look on; 0 at first. False: no more. */
bool http_header(const struct http_req *req, const char *name, size_t *at, struct nats_view *ret);
/* Whether the comma separated list has this token (any letter case). */
bool http_has_token(struct nats_view list, const char *token);

/* The reason phrase; "" for what this file does not know. */
const char *http_status_text(uint32_t status);

/* "%41" becomes "A". False: a '%' without two hexadecimal digits. to has room for path.len bytes. */
bool http_path_decode(struct nats_view path, char *to, size_t *ret_len);
/* The path without empty, "." and ".." parts, a '/' at its end kept; to has room for len + 1 bytes. Returns its length. */
size_t http_path_clean(const char *path, size_t len, char *to);

enum http_query { HTTP_QUERY_NONE, HTTP_QUERY_FOUND, HTTP_QUERY_LONG };
/* The first value of this name, decoded ('+' and %XX). Pairs that are malformed, or hold a ';', are none (as with Go). The value is
 * written to `to`, NUL-terminated, at most cap - 1 bytes (HTTP_QUERY_LONG: it has more). It may contain NULs. */
enum http_query http_query_get(struct nats_view query, const char *name, char *to, size_t cap, size_t *ret_len);

/* "Sat, 28 Nov 2026 15:39:12 GMT" of seconds since 1970, NUL-terminated. */
void http_date(int64_t unix_s, char to[HTTP_DATE_LEN + 1]);

#endif
