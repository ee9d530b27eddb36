/* stored.h - gzip and snappy's frames around bytes that are stored, not compressed: what any reader of the format takes.
 *
 * For answers whose asker names the encoding it can read. Smaller would be better, and comes with what routes compress with.
 *
 * Threads  any; pure. Memory  the caller's buffers.
 * Source   RFC 1951 (3.2.4), RFC 1952; snappy's framing_format.txt, 2013-10-25.
 */
#ifndef MIDGE_PROTO_STORED_H
#define MIDGE_PROTO_STORED_H

#include <stddef.h>
#include <stdint.h>

enum { STORED_BLOCK_MAX = 65535, STORED_CHUNK_MAX = 65536 };

/* Bytes that n bytes become. */
size_t stored_gzip_len(size_t n);
size_t stored_snappy_len(size_t n);
/* Write exactly so many. */
void stored_gzip(const uint8_t *p, size_t n, uint8_t *to);
void stored_snappy(const uint8_t *p, size_t n, uint8_t *to);

#endif
