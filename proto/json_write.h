/* json_write.h - JSON strings out, as Go's encoding/json writes them.
 *
 * Besides what JSON demands, < > & and U+2028, U+2029 are escaped, and what is no UTF-8 becomes \ufffd.
 *
 * Threads  any. Memory  the caller's buffer (see out.h).
 */
#ifndef MIDGE_PROTO_JSON_WRITE_H
#define MIDGE_PROTO_JSON_WRITE_H

#include "proto/out.h"

/* Bytes that n bytes need at most, with their quotes. */
#define JSON_WRITE_MAX(n) (6 * (size_t)(n) + 2)

/* The n bytes at p as a JSON string, quotes included. */
void json_write_str(struct out *o, const char *p, size_t n);
/* The same in printable ASCII alone, for a log: whatever else is in it steers no terminal. As JSON it says the same. */
void json_write_str_ascii(struct out *o, const char *p, size_t n);

#endif
