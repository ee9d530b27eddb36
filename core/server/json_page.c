#include "core/server/json_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "proto/json_write.h"

enum {
    PAGE_LEN_MIN = 4096,
    PAGE_SMALL = 64, /* what a number takes at most */
};

void
page_init(struct page *p, uint32_t indent)
{
    *p = (struct page){.indent = indent};
}

void
page_fini(struct page *p)
{
    free(p->o.ptr);
    *p = (struct page){0};
}

/* Room for n more bytes. False: it has failed. */
static bool
page_room(struct page *p, size_t n)
{
    struct out *o = &p->o;

    if (o->full || n <= o->cap - o->len)
        return !o->full;
    size_t cap = o->cap * 2 > PAGE_LEN_MIN ? o->cap * 2 : PAGE_LEN_MIN;
    while (cap < PAGE_LEN_MAX && cap - o->len < n)
        cap *= 2;
    char *ptr = cap - o->len < n || cap > PAGE_LEN_MAX ? NULL : fault_realloc(o->ptr, cap);
    if (ptr == NULL) {
        o->full = true;
        return false;
    }
    o->ptr = ptr;
    o->cap = cap;
    return true;
}

char *
page_take(struct page *p, size_t *ret_len)
{
    char *text = NULL;

    ASSERT(p->depth == 0);
    if (page_room(p, 1)) {
        p->o.ptr[p->o.len] = '\0';
        text = p->o.ptr;
        *ret_len = p->o.len;
        p->o.ptr = NULL;
    }
    page_fini(p);
    return text;
}

void
page_text(struct page *p, const char *text)
{
    if (page_room(p, strlen(text)))
        out_str(&p->o, text);
}

void
page_join(struct page *p, struct page *q)
{
    ASSERT(p->depth == q->depth && p->indent == q->indent);
    if (q->o.full)
        p->o.full = true;
    if (page_room(p, q->o.len))
        out_bytes(&p->o, q->o.ptr, q->o.len);
    p->some[p->depth] |= q->some[q->depth];
    page_fini(q);
}

static void
page_line(struct page *p)
{
    if (p->indent == 0 || !page_room(p, 1 + (size_t)p->indent * p->depth))
        return;
    out_byte(&p->o, '\n');
    for (uint32_t i = 0; i < p->indent * p->depth; i++)
        out_byte(&p->o, ' ');
}

/* Comma, line, name: what stands before a value. */
static void
page_before(struct page *p, const char *name)
{
    if (p->depth > 0) {
        if (p->some[p->depth])
            page_text(p, ",");
        p->some[p->depth] = true;
        page_line(p);
    }
    if (name == NULL)
        return;
    if (page_room(p, JSON_WRITE_MAX(strlen(name))))
        json_write_str(&p->o, name, strlen(name));
    page_text(p, p->indent == 0 ? ":" : ": ");
}

void
page_open(struct page *p, const char *name, char kind)
{
    page_before(p, name);
    page_text(p, kind == '{' ? "{" : "[");
    ASSERT(p->depth + 1 < PAGE_DEPTH_MAX);
    p->some[++p->depth] = false;
}

void
page_close(struct page *p, char kind)
{
    ASSERT(p->depth > 0);
    bool some = p->some[p->depth--];
    if (some)
        page_line(p);
    page_text(p, kind == '}' ? "}" : "]");
}

void
page_bytes(struct page *p, const char *name, const char *s, size_t len)
{
    page_before(p, name);
    if (len <= PAGE_LEN_MAX && page_room(p, JSON_WRITE_MAX(len)))
        json_write_str(&p->o, s, len);
}

void
page_str(struct page *p, const char *name, const char *s)
{
    page_bytes(p, name, s, strlen(s));
}

void
page_u64(struct page *p, const char *name, uint64_t v)
{
    page_before(p, name);
    if (page_room(p, PAGE_SMALL))
        out_u64(&p->o, v);
}

void
page_i64(struct page *p, const char *name, int64_t v)
{
    page_before(p, name);
    if (page_room(p, PAGE_SMALL))
        out_i64(&p->o, v);
}

void
page_bool(struct page *p, const char *name, bool v)
{
    page_before(p, name);
    page_text(p, v ? "true" : "false");
}

void
page_null(struct page *p, const char *name)
{
    page_before(p, name);
    page_text(p, "null");
}

void
page_f64(struct page *p, const char *name, double v)
{
    char text[GO_FLOAT_LEN];

    page_before(p, name);
    page_text(p, go_float_text(isfinite(v) ? v : 0, text));
}

void
page_time(struct page *p, const char *name, int64_t unix_ns)
{
    enum { DAY_S = 86400 };
    int64_t s = unix_ns / NS_PER_S, ns = unix_ns % NS_PER_S;
    char text[PAGE_SMALL];

    page_before(p, name);
    if (ns < 0) {
        ns += NS_PER_S;
        s--;
    }
    int64_t day = s / DAY_S - (s % DAY_S < 0), rest = s - day * DAY_S;
    /* As http_date: Hinnant's eras. Nanoseconds in 64 bits reach from 1677 to 2262. */
    int64_t z = day + 719468, era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9, y = yoe + era * 400 + (m <= 2);
    int len = snprintf(text, sizeof(text), "\"%04d-%02d-%02dT%02d:%02d:%02d.%09d", (int)y, (int)m, (int)d, (int)(rest / 3600),
                       (int)(rest / 60 % 60), (int)(rest % 60), (int)ns);
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    (void)snprintf(text + len, sizeof(text) - (size_t)len, "Z\"");
    page_text(p, text);
}

/* v / unit with as many digits behind the point as it takes (unit is a power of ten, 10^9 at most). */
static void
page_fraction(char *to, size_t cap, uint64_t v, uint64_t unit, const char *name)
{
    char digits[12] = "";
    uint64_t rest = v % unit;
    int n = 0;

    if (rest != 0)
        digits[n++] = '.';
    for (uint64_t u = unit / 10; rest != 0; u /= 10) {
        digits[n++] = (char)('0' + rest / u);
        rest %= u;
    }
    digits[n] = '\0';
    (void)snprintf(to, cap, "%llu%s%s", (unsigned long long)(v / unit), digits, name);
}

void
page_duration(struct page *p, const char *name, int64_t ns)
{
    char text[PAGE_SMALL] = "0s";
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    int len = 0;

    if (v != 0 && v < 1000) {
        page_fraction(text, sizeof(text), v, 1, "ns");
    } else if (v != 0 && v < 1000000) {
        page_fraction(text, sizeof(text), v, 1000, "\u00b5s");
    } else if (v != 0 && v < NS_PER_S) {
        page_fraction(text, sizeof(text), v, 1000000, "ms");
    } else if (v != 0) {
        uint64_t minutes = v / (60 * (uint64_t)NS_PER_S);
        if (minutes >= 60)
            len = snprintf(text, sizeof(text), "%lluh", (unsigned long long)(minutes / 60));
        if (minutes > 0)
            len += snprintf(text + len, sizeof(text) - (size_t)len, "%llum", (unsigned long long)(minutes % 60));
        page_fraction(text + len, sizeof(text) - (size_t)len, v % (60 * (uint64_t)NS_PER_S), (uint64_t)NS_PER_S, "s");
    }
    page_before(p, name);
    page_text(p, ns < 0 ? "\"-" : "\"");
    page_text(p, text);
    page_text(p, "\"");
}

void
page_uptime(struct page *p, const char *name, int64_t ns)
{
    static const struct {
        uint64_t seconds;
        char unit;
    } parts[] = {{365 * 86400, 'y'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t left = ns < 0 ? 0 : (uint64_t)(ns / NS_PER_S);
    char text[PAGE_SMALL];
    int len = 0;

    for (size_t i = 0; i < N_ELEMS(parts); i++) {
        uint64_t v = left / parts[i].seconds;
        left %= parts[i].seconds;
        if (len > 0 || v > 0 || parts[i].unit == 's')
            len += snprintf(text + len, sizeof(text) - (size_t)len, "%llu%c", (unsigned long long)v, parts[i].unit);
    }
    page_str(p, name, text);
}
