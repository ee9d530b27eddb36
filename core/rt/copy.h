/* copy.h - copying and comparing a few bytes without a call.
 *
 * Threads  any. Memory  the caller's; the two do not overlap.
 */
#ifndef MIDGE_RT_COPY_H
#define MIDGE_RT_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/rt/util.h"

/* Copy len bytes; returns the end of the copy. Subjects are short as a rule: up to 32 bytes are two loads and two stores that overlap in
 * the middle, and no call. */
static inline uint8_t *
copy_short(uint8_t *to, const uint8_t *from, uint32_t len)
{
    if (LIKELY(len - 8 <= 8)) {
        uint64_t a, z;
        memcpy(&a, from, 8);
        memcpy(&z, from + len - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + len - 8, &z, 8);
    } else if (len - 16 <= 16) {
        uint8_t a[16], z[16];
        memcpy(a, from, 16);
        memcpy(z, from + len - 16, 16);
        memcpy(to, a, 16);
        memcpy(to + len - 16, z, 16);
    } else if (len - 4 <= 4) {
        uint32_t a, z;
        memcpy(&a, from, 4);
        memcpy(&z, from + len - 4, 4);
        memcpy(to, &a, 4);
        memcpy(to + len - 4, &z, 4);
    } else if (len < 4) {
        for (uint32_t i = 0; i < len; i++)
            to[i] = from[i];
    } else {
        memcpy(to, from, len);
    }
    return to + len;
}

/* Whether len bytes are equal. */
static inline bool
bytes_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint64_t x, y;
    uint32_t v, w;

    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            memcpy(&x, a + i, 8);
            memcpy(&y, b + i, 8);
            if (x != y)
                return false;
        }
        memcpy(&x, a + len - 8, 8);
        memcpy(&y, b + len - 8, 8);
        return x == y;
    }
    if (len >= 4) {
        memcpy(&v, a, 4);
        memcpy(&w, b, 4);
        if (v != w)
            return false;
        memcpy(&v, a + len - 4, 4);
        memcpy(&w, b + len - 4, 4);
        return v == w;
    }
    return len == 0 || (a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1]);
}

#endif
