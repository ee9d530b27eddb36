#include "proto/utf8.h"

#include <stdbool.h>

static bool
utf8_is_tail(uint8_t c)
{
    return (c & 0xC0) == 0x80;
}

static bool
utf8_is_surrogate(uint32_t rune)
{
    return rune >= 0xD800 && rune <= 0xDFFF;
}

size_t
utf8_decode(const uint8_t *p, size_t n, uint32_t *ret_rune)
{
    static const uint32_t least[UTF8_LEN_MAX + 1] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t               c = p[0];

    *ret_rune = c;
    if (c < 0x80)
        return 1;
    *ret_rune = UTF8_BAD;
    size_t len = c >= 0xF8 ? 0 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;
    if (len == 0 || len > n)
        return 1;
    uint32_t rune = c & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (!utf8_is_tail(p[i]))
            return 1;
        rune = rune << 6 | (p[i] & 0x3F);
    }
    if (rune < least[len] || rune > 0x10FFFF || utf8_is_surrogate(rune))
        return 1;
    *ret_rune = rune;
    return len;
}

size_t
utf8_encode(uint32_t rune, uint8_t buf[UTF8_LEN_MAX])
{
    if (rune > 0x10FFFF || utf8_is_surrogate(rune))
        rune = UTF8_BAD;
    if (rune < 0x80) {
        buf[0] = (uint8_t)rune;
        return 1;
    }
    size_t  len = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    uint8_t lead = (uint8_t)(0xF0u << (4 - len)); /* 0xC0, 0xE0 and 0xF0 for 2, 3 and 4 */
    for (size_t i = len - 1; i > 0; i--) {
        buf[i] = (uint8_t)(0x80 | (rune & 0x3F));
        rune >>= 6;
    }
    buf[0] = (uint8_t)(lead | rune);
    return len;
}
