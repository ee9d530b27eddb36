#include "proto/json_write.h"

#include <stdbool.h>

#include "proto/utf8.h"

/* The letter behind the backslash of the short escapes; 0: none. */
static char
json_write_short(uint32_t rune)
{
    switch (rune) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

/* One UTF-16 unit. */
static void
json_write_unit(struct out *o, uint32_t unit)
{
    out_str(o, "\\u");
    out_hex(o, unit, 4);
}

/* A character as \uXXXX; two of them for one beyond U+FFFF. */
static void
json_write_escape(struct out *o, uint32_t rune)
{
    if (rune > 0xffff) {
        json_write_unit(o, 0xd800 + ((rune - 0x10000) >> 10));
        rune = 0xdc00 + ((rune - 0x10000) & 0x3ff);
    }
    json_write_unit(o, rune);
}

static void
json_write(struct out *o, const char *p, size_t n, bool ascii)
{
    const uint8_t *b = (const uint8_t *)p;

    out_byte(o, '"');
    for (size_t i = 0, len = 0; i < n; i += len) {
        uint32_t rune = 0;
        len = utf8_decode(b + i, n - i, &rune);
        char esc = json_write_short(rune);
        if (esc != 0) {
            out_byte(o, '\\');
            out_byte(o, esc);
        } else if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 || rune == 0x2029 ||
                   (rune == UTF8_BAD && len == 1) || (ascii && rune >= 0x7f)) {
            json_write_escape(o, rune);
        } else {
            out_bytes(o, b + i, len);
        }
    }
    out_byte(o, '"');
}

void
json_write_str(struct out *o, const char *p, size_t n)
{
    json_write(o, p, n, false);
}

void
json_write_str_ascii(struct out *o, const char *p, size_t n)
{
    json_write(o, p, n, true);
}
