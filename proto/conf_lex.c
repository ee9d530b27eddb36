#include <string.h>

#include "core/rt/assert.h"
#include "proto/conf_priv.h"
#include "proto/utf8.h"

static bool
conf_is_ascii_space(uint32_t rune)
{
    return rune == ' ' || (rune >= '\t' && rune <= '\r');
}

bool
conf_is_space(uint32_t rune)
{
    if (rune < 0x80)
        return conf_is_ascii_space(rune);
    return rune == 0x85 || rune == 0xA0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200A) || rune == 0x2028 || rune == 0x2029 ||
           rune == 0x202F || rune == 0x205F || rune == 0x3000;
}

uint32_t
conf_peek(const struct conf_cur *c, uint32_t *ret_len)
{
    uint32_t rune = CONF_END;

    *ret_len = 0;
    if (c->off == c->len)
        return CONF_END;
    if (c->p[c->off] < 0x80) {
        *ret_len = 1;
        return c->p[c->off];
    }
    *ret_len = (uint32_t)utf8_decode(c->p + c->off, c->len - c->off, &rune);
    return rune;
}

void
conf_advance(struct conf_cur *c, uint32_t to)
{
    ASSERT(c->off <= to && to <= c->len);

    for (const uint8_t *p = c->p + c->off;;) {
        p = memchr(p, '\n', (size_t)(c->p + to - p));
        if (p == NULL)
            break;
        c->nl = (uint32_t)(p - c->p);
        c->line++;
        p++;
    }
    c->off = to;
}

void
conf_take(struct conf_cur *c)
{
    uint32_t len = 0;

    (void)conf_peek(c, &len); /* only its length is wanted */
    conf_advance(c, c->off + len);
}

void
conf_mark(struct conf_cur *c)
{
    c->item = c->off;
    c->item_nl = c->nl;
}

/* The line is that of the end, the column counts from the line of the beginning, and back from the end by the length of the value: for a value
 * with escapes that is not where it begins. All of this is nats-server's. */
struct conf_pos
conf_pos_here(const struct conf_parser *p, uint32_t len)
{
    const struct conf_text *t = p->text;
    const struct conf_cur  *c = &t->cur;

    if (t->variable)
        return t->at;
    return (struct conf_pos){.file = t->name, .line = c->line, .col = c->off - c->item_nl - len};
}

static bool
conf_is_blank(uint32_t rune, enum conf_blanks which)
{
    if (which == CONF_SPACES)
        return conf_is_space(rune);
    return rune == ' ' || rune == '\t' || (which == CONF_LINES && (rune == '\n' || rune == '\r'));
}

void
conf_skip_blanks(struct conf_cur *c, enum conf_blanks which)
{
    for (;;) {
        uint32_t len = 0, rune = conf_peek(c, &len);
        if (!conf_is_blank(rune, which))
            return;
        if (rune == '\n') {
            c->nl = c->off;
            c->line++;
        }
        c->off += len;
    }
}

/* The end of the line: of a comment. */
static uint32_t
conf_line_end(const struct conf_cur *c)
{
    uint32_t off = c->off;

    while (off < c->len && c->p[off] != '\n' && c->p[off] != '\r')
        off++;
    return off;
}

bool
conf_skip_comment(struct conf_cur *c)
{
    bool hash = c->off < c->len && c->p[c->off] == '#';
    bool slashes = c->len - c->off >= 2 && c->p[c->off] == '/' && c->p[c->off + 1] == '/';

    if (hash || slashes)
        c->off = conf_line_end(c);
    return hash || slashes;
}

void
conf_skip(struct conf_cur *c, enum conf_blanks which)
{
    do {
        conf_skip_blanks(c, which);
    } while (conf_skip_comment(c));
}

struct conf_str
conf_bare_key(struct conf_cur *c)
{
    uint32_t from = c->off, len = 0;

    for (;;) {
        uint32_t rune = conf_peek(c, &len);
        if (rune == CONF_END || rune == '=' || rune == ':' || conf_is_space(rune))
            break;
        c->off += len; /* no line end */
    }
    return (struct conf_str){.bytes = (const char *)c->p + from, .len = c->off - from};
}

bool
conf_until_quote(struct conf_cur *c, char quote, struct conf_str *ret)
{
    const uint8_t *from = c->p + c->off, *end = memchr(from, quote, c->len - c->off);

    if (end == NULL) {
        conf_advance(c, c->len);
        return false;
    }
    conf_advance(c, (uint32_t)(end - c->p));
    *ret = (struct conf_str){.bytes = (const char *)from, .len = (uint32_t)(end - from)};
    return true;
}
