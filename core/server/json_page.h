/* json_page.h - JSON documents out, indented as Go's json.MarshalIndent does it, into memory that grows.
 *
 *     page_init(&p, 2);
 *     page_open(&p, NULL, '{');            the document
 *     page_str(&p, "name", "x");           "name": "x"
 *     page_open(&p, "list", '[');          NULL as the name inside a list
 *     page_u64(&p, NULL, 3);
 *     page_close(&p, ']');
 *     page_close(&p, '}');
 *     text = page_take(&p, &len);          NULL: it was too long, or there was no memory
 *
 * What is written after a failure goes nowhere; look once, at the end.
 *
 * Shape    indent 0: compact. Nesting up to PAGE_DEPTH_MAX.
 * Threads  one owner.
 * Memory   own: page_take -> free, or page_fini.
 * Source   what nats-server 2.14.5 answers; sheet 09, 1.3.
 */
#ifndef MIDGE_SERVER_JSON_PAGE_H
#define MIDGE_SERVER_JSON_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json.h"
#include "proto/out.h"

enum { PAGE_DEPTH_MAX = 16 };
#define PAGE_LEN_MAX ((size_t)512 << 20)

struct page {
    struct out o; /* o.full: it failed */
    uint32_t indent, depth;
    bool some[PAGE_DEPTH_MAX]; /* the object or list at this depth has something in it */
};

void page_init(struct page *p, uint32_t indent);
void page_fini(struct page *p);
/* own: free. NUL-terminated. NULL: it failed; nothing is left to release. */
char *page_take(struct page *p, size_t *ret_len);

void page_open(struct page *p, const char *name, char kind); /* '{' or '[' */
void page_close(struct page *p, char kind);                  /* '}' or ']' */
void page_str(struct page *p, const char *name, const char *s);
void page_bytes(struct page *p, const char *name, const char *s, size_t len);
void page_u64(struct page *p, const char *name, uint64_t v);
void page_i64(struct page *p, const char *name, int64_t v);
void page_bool(struct page *p, const char *name, bool v);
void page_null(struct page *p, const char *name);
/* As Go writes a float64; not finite: 0. */
void page_f64(struct page *p, const char *name, double v);
/* "2026-11-28T15:39:11.46778991Z" of nanoseconds since 1970. */
void page_time(struct page *p, const char *name, int64_t unix_ns);
/* Go's text of a duration: "312µs", "5.510009ms", "1m30s". */
void page_duration(struct page *p, const char *name, int64_t ns);
/* nats-server's: "2d3h0m7s", "5m0s", "12s". */
void page_uptime(struct page *p, const char *name, int64_t ns);
/* As it is; no JSON of its own. */
void page_text(struct page *p, const char *text);
/* What was written to q, as it is, behind what was written to p; both at one depth. q is as after page_init. */
void page_join(struct page *p, struct page *q);

#endif
