#include <string.h>

#include "core/rt/assert.h"
#include "proto/conf_priv.h"
#include "proto/utf8.h"

/* What a bare value is so far. */
enum conf_bare {
    CONF_BARE_STR,
    CONF_BARE_INT,
    CONF_BARE_FLOAT,
    CONF_BARE_IP,
    CONF_BARE_TIME,
};

static bool
conf_is_digit(uint32_t rune)
{
    return rune >= '0' && rune <= '9';
}

/* ---- strings ------------------------------------------------------------------------------------------------------ */

static int
conf_hex(uint8_t c)
{
    if (conf_is_digit(c))
        return c - '0';
    uint8_t low = c | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* \xHH, behind the x. */
static enum err
conf_escape_hex(struct conf_parser *p, char *ret)
{
    struct conf_cur *c = &p->text->cur;

    for (int i = 0; i < 2; i++) {
        uint32_t len = 0, rune = conf_peek(c, &len);
        conf_take(c);
        if (rune == '\n' || rune == '\r')
            return conf_fail_plain(p, "Expected two hexadecimal digits after '\\x', but hit end of line");
    }
    ASSERT(c->off >= 2);
    int high = conf_hex(c->p[c->off - 2]), low = conf_hex(c->p[c->off - 1]);
    if (high < 0 || low < 0) {
        struct conf_str got = {.bytes = (const char *)c->p + c->off - 2, .len = 2};
        return conf_fail(p, "Expected two hexadecimal digits after '\\x', but got '", got, "'");
    }
    *ret = (char)(high << 4 | low);
    return OK;
}

/* What stands behind a backslash. */
static enum err
conf_escape(struct conf_parser *p, char *ret)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0, rune = conf_peek(c, &len);

    switch (rune) {
    case 'x': conf_take(c); return conf_escape_hex(p, ret);
    case 't': *ret = '\t'; break;
    case 'n': *ret = '\n'; break;
    case 'r': *ret = '\r'; break;
    case '"': *ret = '"'; break;
    case '\\': *ret = '\\'; break;
    default:
        return conf_fail_rune(p, "Invalid escape character '",
            "'. Only the following escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.");
    }
    conf_take(c);
    return OK;
}

/* Does a string in double quotes go on with this byte? */
static bool
conf_in_quotes(uint8_t c)
{
    return c != '"';
}

/* Does a bare string? */
static bool
conf_in_bare(uint8_t c)
{
    switch (c) {
    case '\n':
    case '\r':
    case '\t':
    case ' ':
    case ';':
    case ',':
    case ']':
    case '}':
    case '\'': return false;
    default: return true;
    }
}

/* Text with escapes, as far as `in` says, from the offset `from` on: up to the position there are none. */
static enum err
conf_unescape(struct conf_parser *p, uint32_t from, bool (*in)(uint8_t), struct conf_str *ret)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         room = c->off;

    while (room < c->len && in(c->p[room])) /* an escaped quote ends it, for now: there is less text than that between two of them */
        room += c->p[room] == '\\' && room + 1 < c->len ? 2 : 1;
    char *buf = conf_alloc(p->doc, room - from + 1, 1), *to = buf;
    if (buf == NULL)
        return conf_nomem(p);
    memcpy(to, c->p + from, c->off - from);
    to += c->off - from;
    while (c->off < c->len && in(c->p[c->off])) {
        if (c->p[c->off] == '\\') {
            c->off++;
            enum err e = conf_escape(p, to++);
            if (e != OK)
                return e;
            c->escape = c->off;
        } else {
            *to++ = (char)c->p[c->off];
            if (c->p[c->off] == '\n') {
                c->nl = c->off;
                c->line++;
            }
            c->off++;
        }
    }
    ASSERT(to <= buf + (room - from));
    *to = '\0';
    *ret = (struct conf_str){.bytes = buf, .len = (uint32_t)(to - buf)};
    return OK;
}

/* The text ends in quotes. Directly behind the first of them, or behind an escape, nats-server takes it for a key without a value. */
static enum err
conf_quote_open(struct conf_parser *p, struct conf_str so_far)
{
    struct conf_cur *c = &p->text->cur;
    bool             nothing = c->off == c->item || c->escape == c->off;

    if (nothing && conf_frame(p)->kind != CONF_FRAME_ARRAY)
        return conf_invalid(p, so_far.len);
    return conf_fail_plain(p, "Unexpected EOF.");
}

/* A quoted string; the position is on its quote. */
static enum err
conf_quoted(struct conf_parser *p, char quote, struct conf_str *ret, struct conf_pos *ret_pos)
{
    struct conf_cur *c = &p->text->cur;
    struct conf_str  raw = {0};

    conf_take(c);
    conf_mark(c);
    uint32_t from = c->off, end = from;
    while (end < c->len && c->p[end] != (uint8_t)quote && (quote == '\'' || c->p[end] != '\\'))
        end++;
    conf_advance(c, end);
    enum err e = OK;
    if (end < c->len && c->p[end] == '\\')
        e = conf_unescape(p, from, conf_in_quotes, ret);
    else
        raw = (struct conf_str){.bytes = (const char *)c->p + from, .len = end - from};
    if (e != OK)
        return e;
    if (c->off == c->len)
        return conf_quote_open(p, raw.bytes == NULL ? *ret : raw);
    if (raw.bytes != NULL && conf_copy(p->doc, raw.bytes, raw.len, ret) != OK)
        return conf_nomem(p);
    *ret_pos = conf_pos_here(p, ret->len);
    conf_take(c);
    return OK;
}

/* A block; the position is on its parenthesis. It ends with one that is alone on its line. */
static enum err
conf_block_string(struct conf_parser *p, struct conf_str *ret, struct conf_pos *ret_pos)
{
    struct conf_cur *c = &p->text->cur;

    conf_take(c);
    conf_mark(c);
    uint32_t from = c->off, end = from;
    for (;; end++) {
        const uint8_t *close = memchr(c->p + end, ')', c->len - end);
        if (close == NULL) {
            conf_advance(c, c->len);
            return conf_fail_plain(p, "Unexpected EOF processing block.");
        }
        end = (uint32_t)(close - c->p);
        if (end > from && c->p[end - 1] == '\n' && (end + 1 == c->len || c->p[end + 1] == '\n'))
            break;
    }
    end += end + 1 == c->len; /* at the end of the text it belongs to the value: nats-server's own rule */
    conf_advance(c, end);
    if (conf_copy(p->doc, c->p + from, end - from, ret) != OK)
        return conf_nomem(p);
    *ret_pos = conf_pos_here(p, ret->len);
    if (end < c->len)
        conf_take(c);
    return OK;
}

/* ---- bare values -------------------------------------------------------------------------------------------------- */

/* May a number end in front of this rune? Elsewhere what began as a number is a string. */
static bool
conf_ends_number(uint32_t rune)
{
    return rune == CONF_END || (rune < 0x80 && strchr("\n\r\t ;,]}", (int)rune) != NULL);
}

static void
conf_digits(struct conf_cur *c)
{
    while (c->off < c->len && conf_is_digit(c->p[c->off]))
        c->off++;
}

static enum err
conf_bare_date(struct conf_parser *p)
{
    static const char form[] = "00-00T00:00:00Z"; /* behind the year and its hyphen */
    struct conf_cur  *c = &p->text->cur;

    for (const char *f = form; *f != '\0'; f++) {
        uint32_t len = 0, rune = conf_peek(c, &len);
        if (*f == '0' && !conf_is_digit(rune))
            return conf_fail_rune(p, "Expected digit in ISO8601 datetime, but found '", "' instead.");
        if (*f != '0' && rune != (uint8_t)*f) {
            char before[] = "Expected 'T' in ISO8601 datetime, but found '";
            before[10] = *f;
            return conf_fail_rune(p, before, "' instead.");
        }
        conf_take(c);
    }
    return OK;
}

/* Behind the digits of a whole number: a size suffix, a date, more. */
static enum err
conf_bare_whole(struct conf_parser *p, bool negative, enum conf_bare *ret)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0, rune = conf_peek(c, &len);

    *ret = CONF_BARE_INT;
    if (rune == '-' && !negative) {
        bool year = c->off - c->item == 4;
        conf_take(c);
        *ret = CONF_BARE_TIME;
        return year ? conf_bare_date(p) : conf_fail_plain(p, "All ISO8601 dates must be in full Zulu form.");
    }
    if (rune != CONF_END && strchr("kKmMgGtTpPeE", (int)rune) != NULL) {
        do {
            c->off++;
        } while (c->off < c->len && strchr("bBiI", c->p[c->off]) != NULL);
        rune = conf_peek(c, &len);
        if (!conf_ends_number(rune) && !conf_is_digit(rune))
            *ret = CONF_BARE_STR;
        return OK;
    }
    if (!negative && !conf_ends_number(rune)) { /* a string, and this rune is part of it, whatever it is */
        *ret = CONF_BARE_STR;
        conf_take(c);
    }
    return OK;
}

/* What begins with a digit, or with a hyphen: as far as it is a number, a date, or an address. */
static enum err
conf_bare_number(struct conf_parser *p, enum conf_bare *ret)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0;
    bool             negative = c->p[c->off] == '-';

    c->off += negative;
    uint32_t rune = conf_peek(c, &len);
    if (rune == '.')
        return conf_fail_plain(p, "Floats must start with a digit, not '.'.");
    if (!conf_is_digit(rune))
        return conf_fail_rune(p, "Expected a digit but got '", "'.");
    conf_digits(c);
    if (conf_peek(c, &len) != '.')
        return conf_bare_whole(p, negative, ret);
    c->off++;
    if (!conf_is_digit(conf_peek(c, &len)))
        return conf_fail_rune(p, "Floats must have a digit after the '.', but got '", "' instead.");
    conf_digits(c);
    *ret = CONF_BARE_FLOAT;
    if (conf_peek(c, &len) != '.')
        return OK;
    while (c->off < c->len && (conf_is_digit(c->p[c->off]) || strchr(".:-", c->p[c->off]) != NULL))
        c->off++;
    *ret = CONF_BARE_IP;
    return OK;
}

/* A bare string, which begins at the mark; up to the position it is known to hold no escape. */
static enum err
conf_bare_string(struct conf_parser *p, struct conf_value *v, struct conf_pos *ret_pos)
{
    struct conf_cur *c = &p->text->cur;
    bool             truth = false;

    while (c->off < c->len && c->p[c->off] != '\\' && conf_in_bare(c->p[c->off]))
        c->off++;
    bool            escaped = c->off < c->len && c->p[c->off] == '\\';
    struct conf_str text = {.bytes = (const char *)c->p + c->item, .len = c->off - c->item};
    if (escaped) {
        enum err e = conf_unescape(p, c->item, conf_in_bare, &text);
        if (e != OK)
            return e;
    }
    *ret_pos = conf_pos_here(p, text.len);
    bool quote = c->off < c->len && c->p[c->off] == '\'';
    bool forced = escaped || quote;
    if (quote)
        conf_take(c); /* it is part of nothing, and what stands before it is a string */
    if (!forced && conf_is_truth(text, &truth)) {
        v->type = CONF_BOOL;
        v->b = truth;
        return OK;
    }
    if (!forced && text.len > 0 && text.bytes[0] == '$') {
        struct conf_str name = {.bytes = text.bytes + 1, .len = text.len - 1};
        *ret_pos = conf_pos_here(p, name.len);
        return conf_variable(p, name, ret_pos, v);
    }
    v->type = CONF_STR;
    v->str = text;
    return escaped || conf_copy(p->doc, text.bytes, text.len, &v->str) == OK ? OK : conf_nomem(p);
}

static enum err
conf_bare(struct conf_parser *p, struct conf_value *v, struct conf_pos *ret_pos)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0, rune = conf_peek(c, &len);
    enum conf_bare   kind = CONF_BARE_STR;
    enum err         e = OK;

    conf_mark(c);
    if (rune == '.')
        return conf_fail_plain(p, "Floats must start with a digit");
    if (rune == '-' || conf_is_digit(rune))
        e = conf_bare_number(p, &kind);
    if (e != OK)
        return e;
    if (kind == CONF_BARE_STR)
        return conf_bare_string(p, v, ret_pos);
    struct conf_str text = {.bytes = (const char *)c->p + c->item, .len = c->off - c->item};
    *ret_pos = conf_pos_here(p, text.len);
    switch (kind) {
    case CONF_BARE_INT: v->type = CONF_INT; return conf_to_int(p, v->key, text, &v->i);
    case CONF_BARE_FLOAT: v->type = CONF_FLOAT; return conf_to_float(p, v->key, text, &v->f);
    case CONF_BARE_TIME: v->type = CONF_TIME; return conf_to_time(p, text, &v->i);
    case CONF_BARE_IP:
    case CONF_BARE_STR: break;
    }
    v->type = CONF_STR;
    return conf_copy(p->doc, text.bytes, text.len, &v->str) == OK ? OK : conf_nomem(p);
}

enum err
conf_scalar(struct conf_parser *p, struct conf_value *v, struct conf_pos *ret_pos)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0, rune = conf_peek(c, &len);

    v->flags = 0;
    if (rune != '"' && rune != '\'' && rune != '(')
        return conf_bare(p, v, ret_pos);
    v->type = CONF_STR;
    v->flags = CONF_QUOTED;
    return rune == '(' ? conf_block_string(p, &v->str, ret_pos) : conf_quoted(p, (char)rune, &v->str, ret_pos);
}
