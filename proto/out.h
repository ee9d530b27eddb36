/* out.h - a write position with an end: how this room writes text.
 *
 * Everything is checked against the end once, here. What does not fit sets `full`, and nothing is written from then on,
 * so a caller writes a whole line and looks at `full` once.
 *
 * Threads  one owner. Memory  the caller's buffer.
 */
#ifndef MIDGE_PROTO_OUT_H
#define MIDGE_PROTO_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct out {
    char  *ptr;
    size_t len, cap; /* len <= cap */
    bool   full;     /* something did not fit */
};

static inline void
out_init(struct out *o, char *buf, size_t cap)
{
    *o = (struct out){.ptr = buf, .cap = cap};
}

static inline void
out_bytes(struct out *o, const void *p, size_t n)
{
    if (o->full || n > o->cap - o->len) {
        o->full = true;
        return;
    }
    if (n > 0)
        memcpy(o->ptr + o->len, p, n);
    o->len += n;
}

static inline void
out_byte(struct out *o, char c)
{
    out_bytes(o, &c, 1);
}

static inline void
out_str(struct out *o, const char *s)
{
    out_bytes(o, s, strlen(s));
}

static inline void
out_u64(struct out *o, uint64_t v)
{
    char  digits[20];
    size_t n = 0;
    do {
        digits[sizeof(digits) - ++n] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    out_bytes(o, digits + sizeof(digits) - n, n);
}

static inline void
out_i64(struct out *o, int64_t v)
{
    if (v < 0)
        out_byte(o, '-');
    out_u64(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* The n lowest hexadecimal digits of v, lower case. */
static inline void
out_hex(struct out *o, uint32_t v, unsigned n)
{
    for (unsigned i = n; i-- > 0;)
        out_byte(o, "0123456789abcdef"[(v >> (4 * i)) & 15]);
}

#endif
