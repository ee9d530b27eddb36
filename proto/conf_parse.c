#include <string.h>

#include "core/rt/assert.h"
#include "proto/conf_priv.h"

/* One function for each place of the grammar. What stands in front of a key or an item, and what ends a value, depends on what is open:
 *
 *     TOP     spaces, comments, { }    key   spaces  [= :]  blanks  value   blanks, comments   line end , ; } END
 *     MAP     spaces, comments         key   spaces  [= :]  spaces  value   blanks, comments   line end , ; or }, which closes it
 *     ARRAY   spaces, comments                                      value   blanks, comments   line end ,   or ], which closes it */

/* ---- keys --------------------------------------------------------------------------------------------------------- */

/* A quoted key; the position is on its quote. */
static enum err
conf_key_quoted(struct conf_parser *p, char quote, struct conf_str *ret)
{
    struct conf_cur *c = &p->text->cur;
    bool             top = conf_frame(p)->kind == CONF_FRAME_TOP;

    conf_take(c);
    conf_mark(c);
    if (!conf_until_quote(c, quote, ret)) {
        return conf_fail_plain(p, top                ? "Unexpected EOF."
                                  : quote == '"'     ? "Unexpected EOF processing double quoted map key."
                                                     : "Unexpected EOF processing quoted map key.");
    }
    return OK;
}

static bool
conf_is_include(struct conf_str key)
{
    return conf_fold_equal(key, CONF_STR_LIT("include"));
}

/* The key at the position. *ret_include: it is the word include, and what follows is a file. */
static enum err
conf_key(struct conf_parser *p, bool *ret_include)
{
    struct conf_cur   *c = &p->text->cur;
    struct conf_frame *f = conf_frame(p);
    struct conf_str    key;
    uint32_t           len = 0, rune = conf_peek(c, &len);

    *ret_include = false;
    if (rune == '=' || rune == ':')
        return conf_fail_rune(p, "Unexpected key separator '", f->kind == CONF_FRAME_TOP ? "'" : "'.");
    bool quoted = rune == '"' || rune == '\'';
    if (quoted) {
        enum err e = conf_key_quoted(p, (char)rune, &key);
        if (e != OK)
            return e;
    } else {
        conf_mark(c);
        key = conf_bare_key(c);
        *ret_include = conf_is_include(key) && conf_is_space(conf_peek(c, &len));
        if (f->kind == CONF_FRAME_MAP && conf_peek(c, &len) == CONF_END)
            return conf_fail_plain(p, "Unexpected EOF processing map key.");
    }
    f->next = (struct conf_value){.pos = conf_pos_here(p, key.len)};
    if (quoted)
        conf_take(c);
    conf_mark(c);
    if (*ret_include)
        return OK;
    return conf_copy(p->doc, key.bytes, key.len, &f->next.key) == OK ? OK : conf_nomem(p);
}

/* What stands between a key and its value. */
static void
conf_separator(struct conf_parser *p, enum conf_blanks behind)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0;

    conf_skip_blanks(c, CONF_SPACES);
    uint32_t rune = conf_peek(c, &len);
    if (rune != '=' && rune != ':')
        return;
    conf_take(c);
    conf_skip_blanks(c, behind);
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* A map or an array ends with the byte at the position. */
static enum err
conf_close(struct conf_parser *p)
{
    struct conf_cur  *c = &p->text->cur;
    struct conf_value v;

    conf_take(c);
    conf_mark(c);
    enum err e = conf_frame_close(p, &v);
    if (e != OK)
        return e;
    struct conf_frame *f = conf_frame(p);
    v.flags = 0;
    v.key = f->next.key;
    v.pos = f->kind == CONF_FRAME_ARRAY ? conf_pos_here(p, 0) : f->next.pos;
    return conf_add(p, &v);
}

static enum err
conf_value_scalar(struct conf_parser *p)
{
    struct conf_frame *f = conf_frame(p);
    struct conf_value  v = f->next;
    struct conf_pos    pos = {0};
    enum err           e = conf_scalar(p, &v, &pos);

    if (e != OK)
        return e;
    if (f->kind == CONF_FRAME_ARRAY)
        v.pos = pos;
    return conf_add(p, &v);
}

/* The value at the position, or the opening of one. */
static enum err
conf_value(struct conf_parser *p)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0;

    switch (conf_peek(c, &len)) {
    case '{': conf_take(c); return conf_frame_open(p, CONF_FRAME_MAP);
    case '[': conf_take(c); return conf_frame_open(p, CONF_FRAME_ARRAY);
    case '\n':
    case '\r': conf_take(c); return conf_fail_plain(p, "Expected value but found new line");
    default: return conf_value_scalar(p);
    }
}

/* ---- include ------------------------------------------------------------------------------------------------------ */

/* Why no path begins with this rune; NULL: one may. */
static const char *
conf_include_not(uint32_t rune)
{
    switch (rune) {
    case '[': return "Expected include value but found start of an array";
    case '{': return "Expected include value but found start of a map";
    case '(': return "Expected include value but found start of a block";
    case '\\': return "Expected include value but found escape sequence";
    case '\n':
    case '\r': return "Expected include value but found new line";
    default: return rune == '-' || (rune >= '0' && rune <= '9') ? "Expected include value but found start of a number" : NULL;
    }
}

/* A bare path, as bytes ended by what may stand behind it. */
static struct conf_str
conf_include_bare(struct conf_cur *c)
{
    uint32_t from = c->off;

    while (c->off < c->len && strchr("\n\r\t ;}'", c->p[c->off]) == NULL)
        c->off++;
    return (struct conf_str){.bytes = (const char *)c->p + from, .len = c->off - from};
}

/* `include`, and its path at or behind the position. */
static enum err
conf_include_line(struct conf_parser *p)
{
    struct conf_cur *c = &p->text->cur;
    struct conf_str  path;
    uint32_t         len = 0;

    conf_skip_blanks(c, CONF_BLANKS);
    uint32_t    rune = conf_peek(c, &len);
    const char *why = conf_include_not(rune);
    if (why != NULL) {
        conf_take(c);
        return conf_fail_plain(p, why);
    }
    if (rune == '"' || rune == '\'') {
        conf_take(c);
        if (!conf_until_quote(c, (char)rune, &path))
            return conf_fail_plain(p, rune == '"' ? "Unexpected EOF in double quoted include" : "Unexpected EOF in quoted include");
        conf_take(c);
    } else {
        path = conf_include_bare(c);
        if (conf_peek(c, &len) == '\'')
            conf_take(c);
    }
    return conf_include(p, path);
}

/* ---- places of the grammar ---------------------------------------------------------------------------------------- */

enum err
conf_invalid(struct conf_parser *p, uint32_t len)
{
    struct conf_cur *c = &p->text->cur;
    char             line[10], col[10];

    const struct conf_str pieces[] = {CONF_STR_LIT("config is invalid ("), conf_str_c(p->text->variable ? "" : p->text->name),
        CONF_STR_LIT(":"), conf_str_u32(line, c->line), CONF_STR_LIT(":"), conf_str_u32(col, c->off - c->item_nl - len), CONF_STR_LIT(")")};
    return conf_why(p, ERR_SYNTAX, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

/* A brace around keys that is the value of none opens or closes at the position. */
static void
conf_block(struct conf_parser *p, bool open)
{
    struct conf_frame *f = conf_frame(p);

    ASSERT(open || f->blocks > 0);
    conf_take(&p->text->cur);
    f->blocks = open ? f->blocks + 1 : f->blocks - 1;
    f->place = open || f->blocks == 0 ? CONF_AT_KEY : CONF_AT_CLOSED;
}

/* Behind `}` of a block that stands in another one. */
static enum err
conf_at_closed(struct conf_parser *p)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0;

    conf_skip_blanks(c, CONF_LINES);
    uint32_t rune = conf_peek(c, &len);
    if (rune == '}') {
        conf_block(p, false);
        return OK;
    }
    bool between = rune == ',' || rune == ';';
    if (between)
        conf_take(c);
    if (!between && !conf_skip_comment(c))
        return conf_fail_rune(p, "Expected a block-level to end with a '}', but got '", "' instead.");
    conf_frame(p)->place = CONF_AT_KEY;
    return OK;
}

/* A key of a text, and its value. *ret_end: the text ends here. */
static enum err
conf_top_entry(struct conf_parser *p, bool *ret_end)
{
    struct conf_cur *c = &p->text->cur;
    bool             include = false;
    uint32_t         len = 0;

    conf_frame(p)->place = CONF_AT_BEHIND; /* once the value is complete */
    enum err e = conf_key(p, &include);
    if (e == OK && include)
        e = conf_include_line(p);
    if (e != OK || include)
        return e;
    conf_skip_blanks(c, CONF_SPACES);
    *ret_end = conf_peek(c, &len) == CONF_END;
    if (*ret_end) {
        conf_mark(c);
        /* A lone brace closes the one that opened the file. */
        return conf_str_is(conf_frame(p)->next.key, "}") ? OK : conf_invalid(p, 0);
    }
    conf_separator(p, CONF_BLANKS);
    return conf_value(p);
}

static enum err
conf_at_top_key(struct conf_parser *p, bool *ret_end)
{
    struct conf_cur   *c = &p->text->cur;
    struct conf_frame *f = conf_frame(p);
    uint32_t           len = 0;

    conf_skip(c, CONF_SPACES);
    uint32_t rune = conf_peek(c, &len);
    switch (rune) {
    case CONF_END: *ret_end = true; return OK;
    case '/': return conf_fail_plain(p, "Unexpected EOF.");
    case '{': conf_block(p, true); return OK;
    default: break;
    }
    if (rune == '}' && f->blocks > 0) {
        conf_block(p, false);
        return OK;
    }
    return conf_top_entry(p, ret_end);
}

static enum err
conf_at_map_key(struct conf_parser *p)
{
    struct conf_cur *c = &p->text->cur;
    bool             include = false;
    uint32_t         len = 0;

    conf_frame(p)->place = CONF_AT_BEHIND; /* once the value is complete */
    conf_skip(c, CONF_SPACES);
    switch (conf_peek(c, &len)) {
    case '}': return conf_close(p);
    case ']': return conf_fail_plain(p, "Unexpected array end ']' processing map.");
    case '/': return conf_fail_plain(p, "Unexpected '/' processing map key.");
    case CONF_END: return conf_fail_plain(p, "Unexpected EOF processing map.");
    default: break;
    }
    enum err e = conf_key(p, &include);
    if (e == OK && include)
        e = conf_include_line(p);
    if (e != OK || include)
        return e;
    conf_separator(p, CONF_SPACES);
    switch (conf_peek(c, &len)) {
    case ',': return conf_fail_plain(p, "Unexpected map value terminator \",\".");
    case '}': return conf_fail_plain(p, "Unexpected map terminator \"}\" instead of a value.");
    default: return conf_value(p);
    }
}

static enum err
conf_at_array_item(struct conf_parser *p)
{
    struct conf_cur *c = &p->text->cur;
    uint32_t         len = 0;

    conf_frame(p)->place = CONF_AT_BEHIND; /* once the value is complete */
    conf_skip(c, CONF_SPACES);
    switch (conf_peek(c, &len)) {
    case ']': return conf_close(p);
    case ',':
    case '/': return conf_fail_plain(p, "Unexpected array value terminator ','.");
    default: return conf_value(p);
    }
}

/* What nats-server calls the end of a value, up to the rune that stood there instead. */
static const char *
conf_behind_text(const struct conf_frame *f)
{
    switch (f->kind) {
    case CONF_FRAME_MAP: return "Expected a map value terminator \",\" or a map terminator \"}\", but got '";
    case CONF_FRAME_ARRAY: return "Expected an array value terminator \",\" or an array terminator \"]\", but got '";
    case CONF_FRAME_TOP: break;
    }
    return f->blocks > 0 ? "Expected a block-level value to end with a new line, comment or EOF, but got '"
                         : "Expected a top-level value to end with a new line, comment or EOF, but got '";
}

/* Behind a value. *ret_end: the text ends here. */
static enum err
conf_at_behind(struct conf_parser *p, bool *ret_end)
{
    struct conf_cur   *c = &p->text->cur;
    struct conf_frame *f = conf_frame(p);
    bool               top = f->kind == CONF_FRAME_TOP;
    uint32_t           len = 0;

    conf_skip(c, CONF_BLANKS);
    uint32_t rune = conf_peek(c, &len);
    if (rune == CONF_END && top && f->blocks == 0) {
        *ret_end = true;
        return OK;
    }
    if (rune == '}' && f->blocks > 0) {
        conf_block(p, false);
        return OK;
    }
    if (rune == '\n' || rune == '\r' || rune == ',' || (rune == ';' && f->kind != CONF_FRAME_ARRAY) || (rune == '}' && top)) {
        conf_take(c);
        f->place = CONF_AT_KEY;
        return OK;
    }
    if ((rune == '}' && f->kind == CONF_FRAME_MAP) || (rune == ']' && f->kind == CONF_FRAME_ARRAY))
        return conf_close(p);
    return conf_fail_rune(p, conf_behind_text(f), "' instead.");
}

static enum err
conf_step(struct conf_parser *p, bool *ret_end)
{
    const struct conf_frame *f = conf_frame(p);

    if (f->place == CONF_AT_BEHIND)
        return conf_at_behind(p, ret_end);
    if (f->place == CONF_AT_CLOSED)
        return conf_at_closed(p);
    switch (f->kind) {
    case CONF_FRAME_TOP: return conf_at_top_key(p, ret_end);
    case CONF_FRAME_MAP: return conf_at_map_key(p);
    case CONF_FRAME_ARRAY: return conf_at_array_item(p);
    }
    ASSERT(!"a kind of frame");
    return ERR_INVAL;
}

enum err
conf_parse_text(struct conf_parser *p, struct conf_text *t)
{
    ASSERT(p->text == t);
    t->cur.line = 1;
    enum err e = conf_frame_open(p, CONF_FRAME_TOP);
    bool     end = false;
    while (e == OK && !end) /* each round takes a byte, or is the last */
        e = conf_step(p, &end);
    return e;
}
