#include "proto/nats_hdr.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define HDR_LINE "NATS/1.0\r\n"
enum { HDR_LINE_LEN = sizeof(HDR_LINE) - 1 };

static struct nats_view
hdr_trim(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct nats_view){p, (size_t)(end - p)};
}

/* The CRLF in [p, end); NULL: none. */
static const uint8_t *
hdr_line_end(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
        if (end - p >= 2 && p[1] == '\n')
            return p;
        p++;
    }
    return NULL;
}

bool
nats_hdr_next(const uint8_t *hdr, size_t len, size_t *off, struct nats_hdr_field *ret)
{
    const uint8_t *end = hdr + len;

    if (*off == 0) {
        if (len < HDR_LINE_LEN || memcmp(hdr, HDR_LINE, HDR_LINE_LEN) != 0)
            return false;
        *off = HDR_LINE_LEN;
    }
    while (*off < len) {
        const uint8_t *name = hdr + *off, *colon = memchr(name, ':', (size_t)(end - name));
        const uint8_t *cr = colon == NULL ? NULL : hdr_line_end(colon + 1, end);
        if (cr == NULL)
            break;
        *off = (size_t)(cr + 2 - hdr);
        *ret = (struct nats_hdr_field){.name = {name, (size_t)(colon - name)}, .value = hdr_trim(colon + 1, cr)};
        if (ret->name.len > 0 && ret->value.len > 0)
            return true;
    }
    *off = len;
    return false;
}

static bool
hdr_is(struct nats_view v, const char *name)
{
    size_t n = strlen(name);
    return v.len == n && memcmp(v.ptr, name, n) == 0;
}

struct nats_view
nats_hdr_find(const uint8_t *hdr, size_t len, const char *name)
{
    struct nats_hdr_field f;

    for (size_t off = 0; nats_hdr_next(hdr, len, &off, &f);) {
        if (hdr_is(f.name, name))
            return f.value;
    }
    return (struct nats_view){0};
}

/* "\nNats-T": the two ends decide almost everything. */
static bool
hdr_trace_at(const uint8_t *p)
{
    return p[0] == '\n' && p[6] == 'T' && memcmp(p, "\nNats-T", 7) == 0;
}

/* Byte by byte, from i on. */
static bool
hdr_trace_from(const uint8_t *hdr, size_t len, size_t i)
{
    for (; i + 7 <= len; i++) {
        if (hdr_trace_at(hdr + i))
            return true;
    }
    return false;
}

#ifdef __SSE2__
/* Of the 16 bytes at p: those where an LF stands and, six bytes on, a T. */
static inline __m128i
hdr_hits(const uint8_t *p)
{
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i last = _mm_loadu_si128((const __m128i *)(const void *)(p + 6));

    return _mm_and_si128(_mm_cmpeq_epi8(first, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(last, _mm_set1_epi8('T')));
}

bool
nats_hdr_maybe_trace(const uint8_t *hdr, size_t len)
{
    enum { WIDE = 16, AHEAD = 6 };
    size_t i = 0;

    if (len < WIDE + AHEAD)
        return hdr_trace_from(hdr, len, 0);
    for (; i + 2 * WIDE + AHEAD <= len; i += 2 * WIDE) {
        if (_mm_movemask_epi8(_mm_or_si128(hdr_hits(hdr + i), hdr_hits(hdr + i + WIDE))) != 0)
            return hdr_trace_from(hdr, len, i);
    }
    /* What is left is less than two of them: the first, and the last of all, which may overlap it. */
    if (i + WIDE + AHEAD <= len && _mm_movemask_epi8(hdr_hits(hdr + i)) != 0)
        return hdr_trace_from(hdr, len, i);
    size_t end = len - WIDE - AHEAD;
    return _mm_movemask_epi8(hdr_hits(hdr + end)) != 0 && hdr_trace_from(hdr, len, end);
}
#else
bool
nats_hdr_maybe_trace(const uint8_t *hdr, size_t len)
{
    return hdr_trace_from(hdr, len, 0);
}
#endif

size_t
nats_hdr_set(const uint8_t *hdr, size_t len, const char *name, const char *value, uint8_t *to)
{
    struct nats_hdr_field f;
    size_t n = 0, kept = 0, off = 0;

    while (nats_hdr_next(hdr, len, &off, &f)) {
        size_t from = (size_t)(f.name.ptr - hdr);
        if (hdr_is(f.name, name)) {
            memcpy(to + n, hdr + kept, from - kept);
            n += from - kept;
            kept = off;
        }
    }
    size_t end = len >= 2 && memcmp(hdr + len - 2, "\r\n", 2) == 0 ? len - 2 : len; /* before the blank line */
    if (end > kept) {
        memcpy(to + n, hdr + kept, end - kept);
        n += end - kept;
    }
    for (const char *p = name; *p != '\0'; p++)
        to[n++] = (uint8_t)*p;
    to[n++] = ':';
    to[n++] = ' ';
    for (const char *p = value; *p != '\0'; p++)
        to[n++] = (uint8_t)*p;
    memcpy(to + n, "\r\n\r\n", 4);
    return n + 4;
}
