#include "proto/nats_text.h"

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/out.h"
#include "proto/utf8.h"

#define NATS_CLOSED_TEXT(name, text) [name] = text,
static const char *const nats_closed_texts[NATS_CLOSED_N] = {NATS_CLOSED_LIST(NATS_CLOSED_TEXT)};

struct nats_err_row {
    const char *text, *line;
    size_t      line_len;
    uint8_t     closed;
};

#define NATS_ERR_LINE(text) "-ERR '" text "'\r\n"
#define NATS_ERR_ROW(name, text, closed) [name] = {text, NATS_ERR_LINE(text), sizeof(NATS_ERR_LINE(text)) - 1, closed},
static const struct nats_err_row nats_errs[NATS_ERR_N] = {NATS_ERR_LIST(NATS_ERR_ROW)};

const char *
nats_closed_text(enum nats_closed c)
{
    ASSERT(c < NATS_CLOSED_N);
    return nats_closed_texts[c];
}

const char *
nats_err_text(enum nats_err e)
{
    ASSERT(e < NATS_ERR_N);
    return nats_errs[e].text;
}

enum nats_closed
nats_err_closed(enum nats_err e)
{
    ASSERT(e < NATS_ERR_N);
    return (enum nats_closed)nats_errs[e].closed;
}

const char *
nats_err_line(enum nats_err e, size_t *ret_len)
{
    ASSERT(e > NATS_ERR_NONE && e < NATS_ERR_N);
    *ret_len = nats_errs[e].line_len;
    return nats_errs[e].line;
}

struct nats_range {
    uint32_t first, last;
};

static const struct nats_range nats_printable[] = {
#include "proto/printable.inc"
};

/* Go's strconv.IsPrint above ASCII: letters, marks, numbers, punctuation, symbols. */
static bool
nats_is_printable(uint32_t rune)
{
    size_t lo = 0, hi = N_ELEMS(nats_printable); /* the range that may hold rune is in [lo, hi) */

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rune < nats_printable[mid].first)
            hi = mid;
        else if (rune > nats_printable[mid].last)
            lo = mid + 1;
        else
            return true;
    }
    return false;
}

/* One rune as %q shows it, into a fresh cursor: so that the caller can take it or leave it whole. */
static void
nats_quote_rune(struct out *o, const uint8_t *p, size_t len, uint32_t rune)
{
    static const char letters[] = "abtnvfr"; /* \a (7) to \r (13) */

    if (rune == '"' || rune == '\\') {
        out_byte(o, '\\');
        out_byte(o, (char)rune);
    } else if (rune >= '\a' && rune <= '\r') {
        out_byte(o, '\\');
        out_byte(o, letters[rune - '\a']);
    } else if (rune < ' ' || rune == 0x7F || (rune == UTF8_BAD && len == 1)) {
        out_str(o, "\\x");
        out_hex(o, p[0], 2);
    } else if (rune < 0x7F || nats_is_printable(rune)) {
        out_bytes(o, p, len);
    } else {
        out_str(o, rune < 0x10000 ? "\\u" : "\\U");
        out_hex(o, rune, rune < 0x10000 ? 4 : 8);
    }
}

void
nats_quote_out(struct out *o, const uint8_t *ptr, size_t n)
{
    out_byte(o, '"');
    for (size_t i = 0, len = 0; i < n && !o->full; i += len) {
        uint32_t   rune = 0;
        char       buf[16];
        struct out one;
        len = utf8_decode(ptr + i, n - i, &rune);
        out_init(&one, buf, sizeof(buf));
        nats_quote_rune(&one, ptr + i, len, rune);
        ASSERT(!one.full);
        out_bytes(o, buf, one.len);
    }
    out_byte(o, '"');
}

size_t
nats_quote(const uint8_t *ptr, size_t n, char *buf, size_t cap)
{
    struct out o;

    out_init(&o, buf, cap);
    nats_quote_out(&o, ptr, n);
    return o.len;
}

static void
nats_perm_out(struct out *o, enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid)
{
    static const char *const texts[NATS_PERM_N] = {
        [NATS_PERM_PUBLISH] = "Publish to ",
        [NATS_PERM_REPLY] = "Publish with Reply of ",
        [NATS_PERM_SUBSCRIBE] = "Subscription to ",
        [NATS_PERM_MANY_TOKENS] = "Subscription to ",
    };

    ASSERT(kind < NATS_PERM_N);
    out_str(o, "Permissions Violation for ");
    out_str(o, texts[kind]);
    nats_quote_out(o, subject.ptr, subject.len);
    if (kind == NATS_PERM_MANY_TOKENS)
        out_str(o, ", too many tokens");
    if (kind != NATS_PERM_SUBSCRIBE)
        return;
    if (queue.ptr != NULL) {
        out_str(o, " using queue ");
        nats_quote_out(o, queue.ptr, queue.len);
    }
    if (sid.ptr != NULL) {
        out_str(o, " (sid ");
        nats_quote_out(o, sid.ptr, sid.len);
        out_byte(o, ')');
    }
}

size_t
nats_perm_encode(enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid, char *buf,
    size_t cap)
{
    struct out o;

    out_init(&o, buf, cap);
    out_str(&o, "-ERR '");
    nats_perm_out(&o, kind, subject, queue, sid);
    out_str(&o, "'\r\n");
    return o.full ? 0 : o.len;
}

size_t
nats_perm_text(enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid, char *buf,
    size_t cap)
{
    struct out o;

    ASSERT(cap > 0);
    out_init(&o, buf, cap - 1);
    nats_perm_out(&o, kind, subject, queue, sid);
    buf[o.len] = '\0';
    return o.len;
}
