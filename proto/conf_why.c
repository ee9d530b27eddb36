#include <string.h>

#include "proto/conf_priv.h"
#include "proto/utf8.h"

struct conf_str
conf_str_c(const char *s)
{
    return (struct conf_str){.bytes = s, .len = (uint32_t)strlen(s)};
}

bool
conf_str_is(struct conf_str s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.bytes, text, s.len) == 0;
}

struct conf_str
conf_str_u32(char buf[10], uint32_t v)
{
    char *p = buf + 10;

    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return (struct conf_str){.bytes = p, .len = (uint32_t)(buf + 10 - p)};
}

void
conf_why_insert(struct conf_parser *p, const struct conf_str *pieces, size_t n)
{
    size_t add = 0, cap = p->why_cap, at = 0;

    if (cap == 0)
        return;
    for (size_t i = 0; i < n; i++)
        add += pieces[i].len;
    if (add < cap)
        memmove(p->why + add, p->why, cap - add);
    p->why[cap - 1] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t len = pieces[i].len < cap - 1 - at ? pieces[i].len : cap - 1 - at;
        memcpy(p->why + at, pieces[i].bytes, len);
        at += len;
    }
}

enum err
conf_why(struct conf_parser *p, enum err e, const struct conf_str *pieces, size_t n)
{
    if (p->why_cap > 0)
        p->why[0] = '\0';
    conf_why_insert(p, pieces, n);
    return e;
}

enum err
conf_fail(struct conf_parser *p, const char *before, struct conf_str mid, const char *behind)
{
    char line[10];

    const struct conf_str pieces[] = {CONF_STR_LIT("Parse error on line "), conf_str_u32(line, p->text->cur.line), CONF_STR_LIT(": '"),
        conf_str_c(before), mid, conf_str_c(behind), CONF_STR_LIT("'")};
    return conf_why(p, ERR_SYNTAX, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

enum err
conf_fail_plain(struct conf_parser *p, const char *text)
{
    return conf_fail(p, text, CONF_STR_LIT(""), "");
}

enum err
conf_fail_rune(struct conf_parser *p, const char *before, const char *behind)
{
    uint8_t  buf[UTF8_LEN_MAX];
    uint32_t len = 0, rune = conf_peek(&p->text->cur, &len);

    struct conf_str mid = {.bytes = (const char *)buf, .len = 0}; /* at the end nats-server prints a NUL, and we print nothing */
    if (rune == '\n')
        mid = CONF_STR_LIT("\\n");
    else if (rune != CONF_END)
        mid.len = (uint32_t)utf8_encode(rune, buf);
    conf_take(&p->text->cur);
    return conf_fail(p, before, mid, behind);
}

enum err
conf_nomem(struct conf_parser *p)
{
    const struct conf_str text = CONF_STR_LIT("out of memory");

    return conf_why(p, ERR_NOMEM, &text, 1);
}
