#include "proto/nats.h"

#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/out.h"

#if defined(__SSE2__) && !defined(NATS_NO_SIMD) /* the tests run without it, too */
#include <emmintrin.h>
#define NATS_SIMD 1
#else
#define NATS_SIMD 0
#endif

/* Two ways through the same grammar, held against each other by nats_test.c and nats_fuzz.c:
 *
 *   nats_quick  PUB and HPUB written the way every client writes them (upper case, one SP between arguments, CRLF), found
 *               by the positions of the bytes <= SP. Whatever it does not recognize at once, it leaves to
 *   nats_slow   everything, in the order of the bytes.
 */

enum {
    NATS_ARGS_MAX = 4,     /* HPUB subject reply hdr_size size */
    NATS_WINDOW = 32,      /* bytes looked at together by nats_quick */
    NATS_QUICK_MIN = 16,   /* one load */
    NATS_STATE_PAYLOAD_CR = 41,
    NATS_STATE_PAYLOAD_LF = 42,
    NATS_SNIPPET_MAX = 32, /* bytes quoted by NATS_LOG_PARSER */
};

/* What stands between a verb and the line end. */
enum nats_mode {
    NATS_MODE_ARGS, /* at least one separator, then arguments */
    NATS_MODE_TEXT, /* any number of separators, then text    */
    NATS_MODE_JUNK, /* whatever                               */
};

/* `state` is the number that nats-server's log shows for "i bytes of the verb seen", minus i. */
struct nats_verb {
    const char *name; /* upper case */
    uint8_t     len, kind, mode, state;
};

static const struct nats_verb nats_verbs[] = {
    {"PUB",     3, NATS_PUB,       NATS_MODE_ARGS, 28},
    {"HPUB",    4, NATS_HPUB,      NATS_MODE_ARGS, 17},
    {"SUB",     3, NATS_SUB,       NATS_MODE_ARGS, 42},
    {"UNSUB",   5, NATS_UNSUB,     NATS_MODE_ARGS, 58},
    {"PING",    4, NATS_PING,      NATS_MODE_JUNK, 32},
    {"PONG",    4, NATS_PONG,      NATS_MODE_JUNK, 35},
    {"CONNECT", 7, NATS_CONNECT,   NATS_MODE_TEXT, 9 },
    {"INFO",    4, NATS_INFO,      NATS_MODE_TEXT, 70},
    {"+OK",     3, NATS_PLUS_OK,   NATS_MODE_JUNK, 0 },
    {"-ERR",    4, NATS_MINUS_ERR, NATS_MODE_ARGS, 3 },
};

static bool
nats_is_sep(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static void
nats_set_bad(struct nats_bad *bad, enum nats_err err, enum nats_log log, size_t off)
{
    *bad = (struct nats_bad){
        .off = off,
        .err = (uint8_t)err,
        .closed = err == NATS_ERR_NONE ? NATS_CLOSED_PROTOCOL_VIOLATION : (uint8_t)nats_err_closed(err),
        .log = (uint8_t)log,
    };
}

/* A parser error at buf[off]. Quoted is what led to it, from buf[from] on: bytes that are there whatever comes later. */
__attribute__((noinline, cold)) static enum nats_verdict
nats_bad_op(const uint8_t *buf, size_t from, size_t off, unsigned state, struct nats_bad *bad)
{
    nats_set_bad(bad, NATS_ERR_UNKNOWN_OP, NATS_LOG_PARSER, off);
    bad->state = (uint8_t)state;
    if (off + 1 - from > NATS_SNIPPET_MAX)
        from = off + 1 - NATS_SNIPPET_MAX;
    bad->quote = buf + from;
    bad->quote_len = (uint32_t)(off + 1 - from);
    return NATS_BAD;
}

/* A control line of which len bytes are there needs at least one more. */
static enum nats_verdict
nats_more_line(struct nats_op *op, size_t len)
{
    op->n_bytes = len + 1;
    op->n_seen = len;
    op->exact = false;
    return NATS_MORE;
}

/* n digits at p, all of them and not too many. */
static inline bool
nats_number(const uint8_t *p, size_t n, uint32_t *ret)
{
    uint32_t v = 0;

    if (n - 1 >= NATS_DIGITS_MAX) /* n == 0 wraps */
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t digit = (uint32_t)p[i] - '0';
        if (digit > 9)
            return false;
        v = v * 10 + digit;
    }
    *ret = v;
    return true;
}

/* A payload that does not end where its size says. */
static enum nats_verdict
nats_bad_payload(const uint8_t *buf, size_t off, unsigned state, struct nats_bad *bad)
{
    (void)nats_bad_op(buf, off, off, state, bad);
    bad->payload = true;
    return NATS_BAD;
}

/* The payload's end is not there, or is not CRLF. */
__attribute__((noinline)) static enum nats_verdict
nats_payload_rest(const uint8_t *buf, size_t len, size_t end, struct nats_op *op, struct nats_bad *bad)
{
    if (len > end && buf[end] != '\r')
        return nats_bad_payload(buf, end, NATS_STATE_PAYLOAD_CR, bad);
    if (len > end + 1)
        return nats_bad_payload(buf, end + 1, NATS_STATE_PAYLOAD_LF, bad);
    op->n_seen = 0;
    op->exact = true;
    return NATS_MORE;
}

/* The one place that knows where a payload ends: behind a control line of line_len bytes, op->size bytes, and CRLF. No sum
 * here can wrap: size has nine digits, and line_len is inside a buffer. */
static inline enum nats_verdict
nats_payload(const uint8_t *buf, size_t len, size_t line_len, struct nats_op *op, struct nats_bad *bad)
{
    size_t end = line_len + op->size;

    op->payload = buf + line_len;
    op->n_bytes = end + 2;
    if (LIKELY(len >= end + 2 && buf[end] == '\r' && buf[end + 1] == '\n'))
        return NATS_OP;
    return nats_payload_rest(buf, len, end, op, bad);
}

/* ---- the slow path ------------------------------------------------------------------------------------------------ */

/* A control line in the making. */
struct nats_line {
    const uint8_t            *buf;
    size_t                    len;
    const struct nats_limits *lim;
    const struct nats_verb   *verb;
    size_t                    args_off, args_len; /* behind the separators, without the line end */
    size_t                    line_len;           /* with its line end */
};

/* Offset of the first CR or LF in p[0..n), n if there is none. */
static size_t
nats_find_line_end(const uint8_t *p, size_t n)
{
    size_t i = 0;
#if NATS_SIMD
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    for (; n - i >= 16; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        int     m = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, cr), _mm_cmpeq_epi8(x, lf)));
        if (m != 0)
            return i + (size_t)__builtin_ctz((unsigned)m);
    }
#endif
    while (i < n && p[i] != '\r' && p[i] != '\n')
        i++;
    return i;
}

/* How many bytes of the verb stand at the start? Letters in any case; + and - have none. */
static size_t
nats_verb_same(const struct nats_verb *v, const uint8_t *buf, size_t len)
{
    size_t n = 0;

    while (n < v->len && n < len &&
           (buf[n] == v->name[n] || (v->name[n] >= 'A' && (buf[n] | 0x20) == (v->name[n] | 0x20))))
        n++;
    return n;
}

/* Which verb stands at the start? MORE: it may still become one. (No verb is the beginning of another.) */
static enum nats_verdict
nats_slow_verb(struct nats_line *l, struct nats_bad *bad)
{
    const struct nats_verb *best = &nats_verbs[0];
    size_t                  best_same = 0;

    for (size_t v = 0; v < N_ELEMS(nats_verbs); v++) {
        l->verb = &nats_verbs[v];
        size_t same = nats_verb_same(l->verb, l->buf, l->len);
        if (same == l->verb->len)
            return NATS_OP;
        if (same == l->len)
            return NATS_MORE;
        if (same > best_same) {
            best = l->verb;
            best_same = same;
        }
    }
    return nats_bad_op(l->buf, 0, best_same, best_same == 0 ? 0 : best->state + (unsigned)best_same, bad);
}

/* The state number inside the arguments of a verb. */
static unsigned
nats_args_state(const struct nats_verb *v)
{
    return (unsigned)v->state + v->len + (v->mode == NATS_MODE_ARGS ? 2 : v->mode == NATS_MODE_TEXT ? 1 : 0);
}

/* Pass over the separators behind the verb. */
static enum nats_verdict
nats_slow_seps(struct nats_line *l, struct nats_op *op, struct nats_bad *bad)
{
    size_t verb_len = l->verb->len;
    size_t sep_max = min_u64(NATS_SEP_MAX, l->lim->max_control_line);
    size_t off = verb_len;

    l->args_off = off;
    if (l->verb->mode == NATS_MODE_JUNK)
        return NATS_OP;
    while (off < l->len && nats_is_sep(l->buf[off])) {
        if (off - verb_len == sep_max) {
            nats_set_bad(bad, NATS_ERR_MAX_CONTROL_LINE, NATS_LOG_CONTROL_LINE, off);
            return NATS_BAD;
        }
        off++;
    }
    if (off == l->len)
        return nats_more_line(op, l->len);
    if (off == verb_len && l->verb->mode == NATS_MODE_ARGS)
        return nats_bad_op(l->buf, 0, off, l->verb->state + (unsigned)verb_len, bad);
    l->args_off = off;
    return NATS_OP;
}

/* Find the end of the line; its first n_seen bytes are known to hold none (but a CR may be the last of them). */
static enum nats_verdict
nats_slow_end(struct nats_line *l, size_t n_seen, struct nats_op *op, struct nats_bad *bad)
{
    size_t args = l->args_off;
    size_t from = n_seen > args + 1 ? n_seen - 1 : args;
    size_t last = args + l->lim->max_control_line; /* what stands here may only be a line end */
    size_t stop = l->len > last ? last + 1 : l->len;
    size_t end = from < stop ? from + nats_find_line_end(l->buf + from, stop - from) : stop;

    if (end == stop) {
        if (l->len <= last)
            return nats_more_line(op, l->len);
        nats_set_bad(bad, NATS_ERR_MAX_CONTROL_LINE, NATS_LOG_CONTROL_LINE, last);
        return NATS_BAD;
    }
    l->args_len = end - args;
    l->line_len = end + 1;
    if (l->buf[end] == '\n')
        return NATS_OP;
    if (end + 1 == l->len)
        return nats_more_line(op, l->len);
    if (l->buf[end + 1] != '\n') {
        (void)nats_bad_op(l->buf, args, end + 1, nats_args_state(l->verb), bad);
        bad->secret = l->verb->mode == NATS_MODE_TEXT;
        return NATS_BAD;
    }
    l->line_len = end + 2;
    return NATS_OP;
}

/* Wrong arguments: close without a word, and quote them in the log. */
static enum nats_verdict
nats_bad_args(const struct nats_line *l, enum nats_log log, struct nats_bad *bad)
{
    nats_set_bad(bad, NATS_ERR_NONE, log, l->line_len - 1);
    bad->quote = l->buf + l->args_off;
    bad->quote_len = (uint32_t)l->args_len;
    return NATS_BAD;
}

/* The arguments of a line. n is what there are, of which the first NATS_ARGS_MAX are noted. */
struct nats_args {
    struct nats_view arg[NATS_ARGS_MAX];
    size_t           n;
    bool             plain; /* one SP between them, nothing behind the last, CRLF */
};

static void
nats_split_args(const struct nats_line *l, struct nats_args *a)
{
    const uint8_t *p = l->buf + l->args_off;
    size_t         i = 0, n = l->args_len;

    *a = (struct nats_args){.plain = l->line_len == l->args_off + n + 2};
    while (i < n) { /* an argument starts at i: separators were passed over */
        size_t start = i;
        while (i < n && !nats_is_sep(p[i]))
            i++;
        if (a->n < NATS_ARGS_MAX)
            a->arg[a->n] = (struct nats_view){.ptr = p + start, .len = i - start};
        a->n++;
        size_t gap = i;
        while (i < n && nats_is_sep(p[i]))
            i++;
        if (gap < n && (i == n || i - gap != 1 || p[gap] != ' '))
            a->plain = false;
    }
}

/* PUB subject [reply] size, HPUB subject [reply] hdr_size size. */
static enum nats_verdict
nats_slow_pub(const struct nats_line *l, struct nats_op *op, struct nats_bad *bad)
{
    bool             hpub = l->verb->kind == NATS_HPUB;
    size_t           n_sizes = hpub ? 2 : 1;
    struct nats_args a;

    if (hpub && !l->lim->headers) {
        nats_set_bad(bad, NATS_ERR_NONE, NATS_LOG_NO_HEADERS, l->line_len - 1);
        return NATS_BAD;
    }
    nats_split_args(l, &a);
    if (a.n != n_sizes + 1 && a.n != n_sizes + 2)
        return nats_bad_args(l, hpub ? NATS_LOG_HPUB_ARGS : NATS_LOG_PUB_ARGS, bad);

    const struct nats_view *size = &a.arg[a.n - 1], *hdr = &a.arg[a.n - 2];
    op->hdr_size = 0;
    if (hpub) {
        if (!nats_number(hdr->ptr, hdr->len, &op->hdr_size))
            return nats_bad_args(l, NATS_LOG_HPUB_HDR_SIZE, bad);
        op->hdr_text = hdr->ptr;
        op->hdr_text_len = (uint8_t)hdr->len;
    }
    if (!nats_number(size->ptr, size->len, &op->size))
        return nats_bad_args(l, hpub ? NATS_LOG_HPUB_SIZE : NATS_LOG_PUB_SIZE, bad);
    if (op->hdr_size > op->size)
        return nats_bad_args(l, NATS_LOG_HPUB_HDR_LARGER, bad);
    if (l->lim->max_payload >= 0 && op->size > l->lim->max_payload) {
        nats_set_bad(bad, NATS_ERR_MAX_PAYLOAD, NATS_LOG_MAX_PAYLOAD, l->line_len - 1);
        bad->size = op->size;
        bad->size_max = l->lim->max_payload;
        return NATS_BAD;
    }
    bool reply = a.n == n_sizes + 2;
    op->subject = a.arg[0].ptr;
    op->subject_len = (uint32_t)a.arg[0].len;
    op->reply = reply ? a.arg[1].ptr : NULL;
    op->reply_len = reply ? (uint32_t)a.arg[1].len : 0;
    op->size_text = size->ptr;
    op->size_text_len = (uint8_t)size->len;
    op->tail = a.plain ? op->subject + op->subject_len : NULL;
    if (hpub && op->hdr_size == 0) { /* to receivers it is a PUB, whose message has no header size in it */
        op->kind = NATS_PUB;
        op->tail = a.plain && !reply ? op->size_text - 1 : NULL;
    }
    enum nats_verdict v = nats_payload(l->buf, l->len, l->line_len, op, bad);
    if (v == NATS_OP)
        op->tail_len = op->tail == NULL ? 0 : (uint32_t)(op->n_bytes - (size_t)(op->tail - l->buf));
    return v;
}

static enum nats_verdict
nats_slow_sub(const struct nats_line *l, struct nats_op *op, struct nats_bad *bad)
{
    struct nats_args a;

    nats_split_args(l, &a);
    if (a.n != 2 && a.n != 3)
        return nats_bad_args(l, NATS_LOG_SUB_ARGS, bad);
    op->subject = a.arg[0].ptr;
    op->subject_len = (uint32_t)a.arg[0].len;
    op->queue = a.n == 3 ? a.arg[1].ptr : NULL;
    op->queue_len = a.n == 3 ? (uint32_t)a.arg[1].len : 0;
    op->sid = a.arg[a.n - 1].ptr;
    op->sid_len = (uint32_t)a.arg[a.n - 1].len;
    return NATS_OP;
}

static enum nats_verdict
nats_slow_unsub(const struct nats_line *l, struct nats_op *op, struct nats_bad *bad)
{
    struct nats_args a;

    nats_split_args(l, &a);
    if (a.n != 1 && a.n != 2)
        return nats_bad_args(l, NATS_LOG_UNSUB_ARGS, bad);
    op->sid = a.arg[0].ptr;
    op->sid_len = (uint32_t)a.arg[0].len;
    op->max = 0;
    if (a.n == 2 && !nats_number(a.arg[1].ptr, a.arg[1].len, &op->max))
        op->max = 0; /* what is no number means: now */
    return NATS_OP;
}

static enum nats_verdict
nats_slow(const uint8_t *buf, size_t len, size_t n_seen, const struct nats_limits *lim, struct nats_op *op,
    struct nats_bad *bad)
{
    ASSERT(n_seen <= len && lim->max_control_line <= INT32_MAX);

    struct nats_line  l = {.buf = buf, .len = len, .lim = lim};
    enum nats_verdict v = nats_slow_verb(&l, bad);

    if (v == NATS_MORE)
        return nats_more_line(op, len);
    if (v == NATS_OP)
        v = nats_slow_seps(&l, op, bad);
    if (v == NATS_OP)
        v = nats_slow_end(&l, n_seen, op, bad);
    if (v != NATS_OP)
        return v;

    ASSERT(l.args_len <= lim->max_control_line && l.line_len <= len);
    op->kind = l.verb->kind;
    op->n_bytes = l.line_len;
    switch (l.verb->kind) {
    case NATS_PUB:
    case NATS_HPUB: return nats_slow_pub(&l, op, bad);
    case NATS_SUB: return nats_slow_sub(&l, op, bad);
    case NATS_UNSUB: return nats_slow_unsub(&l, op, bad);
    default:
        op->args = buf + l.args_off;
        op->args_len = (uint32_t)l.args_len;
        return NATS_OP;
    }
}

/* ---- the quick path ----------------------------------------------------------------------------------------------- */

#if NATS_SIMD

/* Where the bytes <= SP are, NATS_WINDOW bytes at a time. */
struct nats_scan {
    const uint8_t *buf;
    size_t         len;  /* >= NATS_QUICK_MIN */
    size_t         base; /* of the window */
    uint32_t       mask; /* bit n: buf[base + n] is one, and has not been given out */
};

static inline uint32_t
nats_low_bytes(const uint8_t *p)
{
    const __m128i sp = _mm_set1_epi8(' ');
    __m128i       x = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, sp), x));
}

/* The window at base < len where less than a window is left. It is loaded backwards from the end: nothing behind len is
 * read. */
__attribute__((noinline)) static uint32_t
nats_window_last(const uint8_t *buf, size_t len, size_t base)
{
    if (len < NATS_WINDOW) /* >= 16, so base is 0 */
        return nats_low_bytes(buf) | nats_low_bytes(buf + len - 16) << (len - 16);
    const uint8_t *p = buf + len - NATS_WINDOW;
    return (nats_low_bytes(p) | nats_low_bytes(p + 16) << 16) >> (NATS_WINDOW - (len - base));
}

static inline uint32_t
nats_window(const uint8_t *buf, size_t len, size_t base)
{
    if (LIKELY(len - base >= NATS_WINDOW))
        return nats_low_bytes(buf + base) | nats_low_bytes(buf + base + 16) << 16;
    return nats_window_last(buf, len, base);
}

/* Offset of the next byte <= SP, false if there is none or it is the last of the buffer. */
static inline bool
nats_scan_next(struct nats_scan *s, size_t *ret_off)
{
    while (UNLIKELY(s->mask == 0)) {
        s->base += NATS_WINDOW;
        if (s->base >= s->len)
            return false;
        s->mask = nats_window(s->buf, s->len, s->base);
    }
    *ret_off = s->base + (size_t)__builtin_ctz(s->mask);
    s->mask &= s->mask - 1;
    return *ret_off + 1 < s->len;
}

/* PUB (1 size) and HPUB (2 sizes) with one SP behind the verb. False: ask the slow path. Straight code, once for each: the
 * offsets stay in registers, and an argument too many or too few is just something that is not recognized. */
__attribute__((always_inline)) static inline bool
nats_quick_pub(const uint8_t *buf, size_t len, size_t n_sizes, const struct nats_limits *lim, struct nats_op *op,
    struct nats_bad *bad, enum nats_verdict *ret_v)
{
    struct nats_scan s = {.buf = buf, .len = len, .mask = nats_window(buf, len, 0)};
    size_t           subject = n_sizes == 2 ? 5 : 4, subject_end, gap, size, cr;

    s.mask &= ~0u << subject;
    if (!nats_scan_next(&s, &subject_end) || buf[subject_end] != ' ' || subject_end == subject)
        return false;
    gap = subject_end; /* the SP before the (first) size */
    if (n_sizes == 2 && (!nats_scan_next(&s, &size) || buf[size] != ' ')) /* the SP behind reply or header size */
        return false;
    if (!nats_scan_next(&s, &cr))
        return false;
    op->reply = NULL;
    op->reply_len = 0;
    if (buf[cr] == ' ') {
        gap = n_sizes == 2 ? size : cr; /* there is one more: the first of them was a reply */
        if (n_sizes == 2)
            size = cr;
        if (!nats_scan_next(&s, &cr) || gap == subject_end + 1)
            return false;
        op->reply = buf + subject_end + 1;
        op->reply_len = (uint32_t)(gap - subject_end - 1);
    }
    if (n_sizes == 1)
        size = gap;
    if (buf[cr] != '\r' || buf[cr + 1] != '\n' || cr - subject > lim->max_control_line)
        return false;
    if (!nats_number(buf + size + 1, cr - size - 1, &op->size) ||
        (lim->max_payload >= 0 && op->size > lim->max_payload))
        return false;
    op->hdr_size = 0;
    if (n_sizes == 2) {
        if (!nats_number(buf + gap + 1, size - gap - 1, &op->hdr_size) || op->hdr_size - 1 >= op->size) /* 0 wraps */
            return false;
        op->hdr_text = buf + gap + 1;
        op->hdr_text_len = (uint8_t)(size - gap - 1);
    }
    op->kind = n_sizes == 2 ? NATS_HPUB : NATS_PUB;
    op->subject = buf + subject;
    op->subject_len = (uint32_t)(subject_end - subject);
    op->size_text = buf + size + 1;
    op->size_text_len = (uint8_t)(cr - size - 1);
    op->tail = buf + subject_end;
    *ret_v = nats_payload(buf, len, cr + 2, op, bad);
    op->tail_len = (uint32_t)(op->n_bytes - subject_end);
    return true;
}

static inline bool
nats_quick(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *op, struct nats_bad *bad,
    enum nats_verdict *ret_v)
{
    if (len < NATS_QUICK_MIN)
        return false;
    if (LIKELY(memcmp(buf, "PUB ", 4) == 0))
        return nats_quick_pub(buf, len, 1, lim, op, bad, ret_v);
    if (memcmp(buf, "HPUB", 4) == 0 && buf[4] == ' ' && lim->headers)
        return nats_quick_pub(buf, len, 2, lim, op, bad, ret_v);
    return false;
}

#else

static inline bool
nats_quick(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *op, struct nats_bad *bad,
    enum nats_verdict *ret_v)
{
    (void)buf, (void)len, (void)lim, (void)op, (void)bad, (void)ret_v;
    return false;
}

#endif

enum nats_verdict
nats_parse(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *ret_op, struct nats_bad *ret_bad)
{
    enum nats_verdict v;

    if (LIKELY(nats_quick(buf, len, lim, ret_op, ret_bad, &v)))
        return v;
    return nats_slow(buf, len, 0, lim, ret_op, ret_bad);
}

enum nats_verdict
nats_parse_more(const uint8_t *buf, size_t len, size_t n_seen, const struct nats_limits *lim, struct nats_op *ret_op,
    struct nats_bad *ret_bad)
{
    if (n_seen == 0)
        return nats_parse(buf, len, lim, ret_op, ret_bad);
    return nats_slow(buf, len, n_seen, lim, ret_op, ret_bad);
}

enum nats_verdict
nats_parse_slow(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *ret_op,
    struct nats_bad *ret_bad)
{
    return nats_slow(buf, len, 0, lim, ret_op, ret_bad);
}

bool
nats_parse_quick(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *ret_op,
    struct nats_bad *ret_bad, enum nats_verdict *ret_v)
{
    return nats_quick(buf, len, lim, ret_op, ret_bad, ret_v);
}

const bool nats_has_quick = NATS_SIMD != 0;

/* ---- what the log says -------------------------------------------------------------------------------------------- */

static const char *const nats_log_texts[NATS_LOG_N] = {
    [NATS_LOG_NONE] = "",
    [NATS_LOG_PARSER] = "Client parser ERROR",
    [NATS_LOG_CONTROL_LINE] = "maximum control line exceeded",
    [NATS_LOG_MAX_PAYLOAD] = "maximum payload exceeded: ",
    [NATS_LOG_NO_HEADERS] = "message headers not supported",
    [NATS_LOG_PUB_ARGS] = "processPub Parse Error: ",
    [NATS_LOG_PUB_SIZE] = "processPub Bad or Missing Size: ",
    [NATS_LOG_HPUB_ARGS] = "processHeaderPub Parse Error: ",
    [NATS_LOG_HPUB_HDR_SIZE] = "processHeaderPub Bad or Missing Header Size: ",
    [NATS_LOG_HPUB_SIZE] = "processHeaderPub Bad or Missing Total Size: ",
    [NATS_LOG_HPUB_HDR_LARGER] = "processHeaderPub Header Size larger then TotalSize: ",
    [NATS_LOG_SUB_ARGS] = "processSub Parse Error: ",
    [NATS_LOG_UNSUB_ARGS] = "processUnsub Parse Error: ",
};

static void
nats_bad_quote(struct out *o, const struct nats_bad *bad)
{
    if (bad->secret)
        out_str(o, "[REDACTED]");
    else
        nats_quote_out(o, bad->quote, bad->quote_len);
}

size_t
nats_bad_text(const struct nats_bad *bad, char *buf, size_t cap)
{
    struct out o;

    ASSERT(cap > 0 && bad->log < NATS_LOG_N);
    out_init(&o, buf, cap - 1);
    out_str(&o, nats_log_texts[bad->log]);
    switch (bad->log) {
    case NATS_LOG_PARSER:
        out_str(&o, ", state=");
        out_u64(&o, bad->state);
        out_str(&o, ", i=");
        out_u64(&o, bad->off);
        out_str(&o, ": proto='");
        nats_bad_quote(&o, bad);
        out_str(&o, "...'");
        break;
    case NATS_LOG_MAX_PAYLOAD:
        out_i64(&o, bad->size);
        out_str(&o, " vs ");
        out_i64(&o, bad->size_max);
        break;
    case NATS_LOG_NONE:
    case NATS_LOG_CONTROL_LINE:
    case NATS_LOG_NO_HEADERS: break;
    default: nats_bad_quote(&o, bad);
    }
    buf[o.len] = '\0';
    return o.len;
}
