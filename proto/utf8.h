/* utf8.h - runes from bytes and back, with Go's view of what is no UTF-8.
 *
 * A byte that does not start a shortest, complete encoding of U+0000..U+10FFFF without surrogates is, alone, one
 * UTF8_BAD (U+FFFD); decoding goes on at the next byte.
 *
 * Threads  any. Memory  none.
 * Source   RFC 3629.
 */
#ifndef MIDGE_PROTO_UTF8_H
#define MIDGE_PROTO_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_BAD = 0xFFFD, UTF8_LEN_MAX = 4 };

/* The rune at p (n > 0 bytes are there) and the bytes it takes. A real U+FFFD takes 3 bytes, a wrong byte 1. */
size_t utf8_decode(const uint8_t *p, size_t n, uint32_t *ret_rune);

/* Bytes of the rune, written to buf. A surrogate or what is above U+10FFFF is written as UTF8_BAD. */
size_t utf8_encode(uint32_t rune, uint8_t buf[UTF8_LEN_MAX]);

#endif
