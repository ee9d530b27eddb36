#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"
#include "proto/json_write.h"

enum {
    CONF_DIGEST_BUF = 4096,  /* bytes that are hashed at once */
    CONF_DIGEST_PIECE = 256, /* bytes of a string that are escaped at once */
    CONF_DIGEST_NUMBER = 64, /* characters of a number at most: a float without exponent has 21 digits, or 0.00000 and 17 */
};

struct conf_digest {
    crypto_hash_sha256_state sha;
    size_t                   len;
    bool                     nomem;
    char                     buf[CONF_DIGEST_BUF];
};

static void
conf_digest_flush(struct conf_digest *g)
{
    (void)crypto_hash_sha256_update(&g->sha, (const uint8_t *)g->buf, g->len); /* it cannot fail */
    g->len = 0;
}

static void
conf_digest_put(struct conf_digest *g, const char *p, size_t n)
{
    while (n > 0) {
        size_t some = min_u64(n, sizeof(g->buf) - g->len);
        memcpy(g->buf + g->len, p, some);
        g->len += some;
        p += some;
        n -= some;
        if (g->len == sizeof(g->buf))
            conf_digest_flush(g);
    }
}

static void
conf_digest_text(struct conf_digest *g, const char *s)
{
    conf_digest_put(g, s, strlen(s));
}

/* ---- scalars ------------------------------------------------------------------------------------------------------ */

/* Is this byte in JSON what it is here? */
static bool
conf_digest_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* How many of the n bytes at p (n > 0) are plain, or how many are not: then no rune is cut. */
static size_t
conf_digest_run(const char *p, size_t n)
{
    bool   plain = conf_digest_plain(p[0]);
    size_t run = 1, max = plain ? n : min_u64(n, CONF_DIGEST_PIECE);

    while (run < max && conf_digest_plain(p[run]) == plain)
        run++;
    for (int i = 0; i < 3 && !plain && run < n && ((uint8_t)p[run] & 0xC0) == 0x80; i++)
        run--;
    return run;
}

/* Escape n bytes, CONF_DIGEST_PIECE at most, right into the buffer: no other place holds a password then. */
static void
conf_digest_escape(struct conf_digest *g, const char *p, size_t n)
{
    struct out o;

    if (sizeof(g->buf) - g->len <= JSON_WRITE_MAX(CONF_DIGEST_PIECE))
        conf_digest_flush(g);
    char *to = g->buf + g->len;
    out_init(&o, to, JSON_WRITE_MAX(CONF_DIGEST_PIECE));
    json_write_str(&o, p, n);
    ASSERT(!o.full && o.len >= 2);
    memmove(to, to + 1, o.len - 2); /* its quotes are there already */
    g->len += o.len - 2;
}

static void
conf_digest_str(struct conf_digest *g, struct conf_str s)
{
    conf_digest_put(g, "\"", 1);
    for (size_t at = 0, n = 0; at < s.len; at += n) {
        n = conf_digest_run(s.bytes + at, s.len - at);
        if (conf_digest_plain(s.bytes[at]))
            conf_digest_put(g, s.bytes + at, n);
        else
            conf_digest_escape(g, s.bytes + at, n);
    }
    conf_digest_put(g, "\"", 1);
}

/* The next larger number of as many digits; text is one as strfromd writes it with an exponent. False: there would be one digit more. */
static bool
conf_digest_next(char *text)
{
    char *p = strchr(text, 'e');

    while (p > text) {
        p--;
        if (*p == '.')
            continue;
        if (*p != '9') {
            (*p)++;
            return true;
        }
        *p = '0';
    }
    return false;
}

/* Digits and decimal exponent of f >= 0: d.ddd times ten to the exponent, in the fewest digits that read back as f. Those nearest to f are tried
 * first; where the doubles below f are nearer to each other than those above (f is a power of two), only the next larger ones may do. */
static int
conf_digest_shortest(double f, char digits[32], size_t *ret_n)
{
    char text[64];

    for (int precision = 0; precision <= 16; precision++) { /* 17 digits always do */
        char form[] = {'%', '.', (char)('0' + precision / 10), (char)('0' + precision % 10), 'e', '\0'};
        (void)strfromd(text, sizeof(text), form, f); /* it fits */
        if (strtod(text, NULL) == f || (conf_digest_next(text) && strtod(text, NULL) == f))
            break;
    }
    ASSERT(strtod(text, NULL) == f);
    size_t n = 0;
    char  *p = text;
    for (; *p != 'e'; p++) {
        if (*p != '.')
            digits[n++] = *p;
    }
    *ret_n = n; /* the last one is no zero: with one less it would have read back, too */
    return (int)strtol(p + 1, NULL, 10);
}

/* As Go's encoding/json: without exponent from 1e-6 to below 1e21. */
static void
conf_digest_float(struct conf_digest *g, double f)
{
    char       digits[32], buf[CONF_DIGEST_NUMBER];
    size_t     n = 0;
    struct out o;

    out_init(&o, buf, sizeof(buf));
    if (__builtin_signbit(f))
        out_byte(&o, '-');
    f = __builtin_fabs(f);
    int exp = conf_digest_shortest(f, digits, &n);
    if (f != 0 && (exp < -6 || exp >= 21)) {
        out_byte(&o, digits[0]);
        if (n > 1)
            out_byte(&o, '.');
        out_bytes(&o, digits + 1, n - 1);
        out_str(&o, exp < 0 ? "e-" : "e+");
        out_u64(&o, (uint64_t)(exp < 0 ? -exp : exp));
    } else if (exp < 0) {
        out_str(&o, "0.");
        for (int i = -1; i > exp; i--)
            out_byte(&o, '0');
        out_bytes(&o, digits, n);
    } else {
        size_t whole = (size_t)exp + 1;
        out_bytes(&o, digits, min_u64(n, whole));
        for (size_t i = n; i < whole; i++)
            out_byte(&o, '0');
        if (n > whole)
            out_byte(&o, '.');
        if (n > whole)
            out_bytes(&o, digits + whole, n - whole);
    }
    ASSERT(!o.full);
    conf_digest_put(g, buf, o.len);
}

/* v in n decimal digits. */
static void
conf_digest_padded(struct out *o, uint64_t v, int n)
{
    uint64_t power = 1;

    for (int i = 1; i < n; i++)
        power *= 10;
    for (; power > 0; power /= 10)
        out_byte(o, (char)('0' + v / power % 10));
}

static void
conf_digest_time(struct conf_digest *g, int64_t s)
{
    int64_t    days = s / 86400, of_day = s % 86400, year = 0;
    unsigned   month = 0, day = 0;
    char       buf[32];
    struct out o;

    if (of_day < 0) {
        of_day += 86400;
        days--;
    }
    conf_date_from_days(days, &year, &month, &day);
    const uint64_t fields[] = {(uint64_t)year, month, day, (uint64_t)of_day / 3600, (uint64_t)of_day / 60 % 60, (uint64_t)of_day % 60};
    static const char behind[] = "--T::Z";
    out_init(&o, buf, sizeof(buf));
    out_byte(&o, '"');
    for (size_t i = 0; i < N_ELEMS(fields); i++) {
        conf_digest_padded(&o, fields[i], i == 0 ? 4 : 2);
        out_byte(&o, behind[i]);
    }
    out_byte(&o, '"');
    ASSERT(!o.full);
    conf_digest_put(g, buf, o.len);
}

static void
conf_digest_int(struct conf_digest *g, int64_t i)
{
    char       buf[32];
    struct out o;

    out_init(&o, buf, sizeof(buf));
    out_i64(&o, i);
    conf_digest_put(g, buf, o.len);
}

/* ---- maps and arrays ---------------------------------------------------------------------------------------------- */

static void conf_digest_value(struct conf_digest *g, const struct conf_value *v);

static int
conf_digest_order(const void *a, const void *b)
{
    const struct conf_str *x = &(*(const struct conf_value *const *)a)->key, *y = &(*(const struct conf_value *const *)b)->key;
    int                    order = memcmp(x->bytes, y->bytes, min_u64(x->len, y->len));

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void
conf_digest_map(struct conf_digest *g, const struct conf_value *v)
{
    const struct conf_value **order = NULL;

    if (v->list.n > 0)
        order = fault_malloc(v->list.n * sizeof(*order));
    g->nomem |= v->list.n > 0 && order == NULL;
    if (g->nomem)
        return;
    for (uint32_t i = 0; i < v->list.n; i++)
        order[i] = &v->list.items[i];
    if (v->list.n > 1)
        qsort(order, v->list.n, sizeof(*order), conf_digest_order);
    conf_digest_text(g, "{");
    for (uint32_t i = 0; i < v->list.n; i++) {
        conf_digest_text(g, i > 0 ? "," : "");
        conf_digest_str(g, order[i]->key);
        conf_digest_text(g, ":");
        conf_digest_value(g, order[i]);
    }
    conf_digest_text(g, "}");
    free(order);
}

static void
conf_digest_array(struct conf_digest *g, const struct conf_value *v)
{
    conf_digest_text(g, "[");
    for (uint32_t i = 0; i < v->list.n; i++) {
        conf_digest_text(g, i > 0 ? "," : "");
        conf_digest_value(g, &v->list.items[i]);
    }
    conf_digest_text(g, "]");
}

/* Calls itself through maps and arrays: CONF_DEPTH_MAX deep. */
static void
conf_digest_value(struct conf_digest *g, const struct conf_value *v)
{
    if (g->nomem)
        return;
    switch (v->type) {
    case CONF_STR: conf_digest_str(g, v->str); break;
    case CONF_INT: conf_digest_int(g, v->i); break;
    case CONF_FLOAT: conf_digest_float(g, v->f); break;
    case CONF_BOOL: conf_digest_text(g, v->b ? "true" : "false"); break;
    case CONF_TIME: conf_digest_time(g, v->i); break;
    case CONF_MAP: conf_digest_map(g, v); break;
    case CONF_ARRAY: conf_digest_array(g, v); break;
    }
}

enum err
conf_digest(const struct conf_doc *d, char ret_text[CONF_DIGEST_LEN + 1])
{
    uint8_t            hash[crypto_hash_sha256_BYTES];
    struct conf_digest g;
    struct out         o;

    g.len = 0;
    g.nomem = false;
    (void)crypto_hash_sha256_init(&g.sha); /* it cannot fail */
    conf_digest_value(&g, &d->top);
    conf_digest_text(&g, "\n");
    conf_digest_flush(&g);
    (void)crypto_hash_sha256_final(&g.sha, hash); /* likewise */
    bool nomem = g.nomem;
    sodium_memzero(&g, sizeof(g)); /* there were passwords in it */
    if (nomem)
        return ERR_NOMEM;
    out_init(&o, ret_text, CONF_DIGEST_LEN + 1);
    out_str(&o, "sha256:");
    for (size_t i = 0; i < sizeof(hash); i++)
        out_hex(&o, hash[i], 2);
    out_byte(&o, '\0');
    ASSERT(!o.full);
    return OK;
}
