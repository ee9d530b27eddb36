/* nats_check.h - the properties of nats_parse, for its tests and its fuzzer.
 *
 * Every buffer handed to the parser is an allocation of exactly its length, so that the address sanitizer sees a read
 * behind it. A property that does not hold prints what was parsed, and aborts.
 *
 * Threads  one. Memory  freed before return.
 */
#ifndef MIDGE_PROTO_NATS_CHECK_H
#define MIDGE_PROTO_NATS_CHECK_H

#include "proto/nats.h"

enum { NATS_CHECK_TEXT_MAX = 256 };

/* What came of a stream. */
struct nats_check_result {
    size_t          n_ops;
    size_t          n_kinds[NATS_KIND_N];
    size_t          n_tails; /* PUB and HPUB that had one */
    size_t          n_runs;  /* PUB that nats_run.h found behind another */
    size_t          off;     /* of the first byte that is not part of an operation */
    bool            bad;     /* else: more is needed, or all was used */
    struct nats_bad why;     /* quote is not valid any more; its log text is */
    char            text[NATS_CHECK_TEXT_MAX];
};

/* Printed with what does not hold, so that it can be replayed. 0: the bytes were not made from one. */
extern uint64_t nats_check_seed;

/* Parse the operation at the start of buf from every prefix of it, and check that
 *   - there is one length from which on the answer is the same, and NATS_MORE before it;
 *   - NATS_MORE never asks for more than that, and for exactly that where it says so;
 *   - NATS_BAD comes with the very byte that it names;
 *   - the short cut, the slow path and nats_parse_more (from any earlier answer) agree in every field;
 *   - the views lie inside the operation, and its tail is what the fields say. */
void nats_check_op(const uint8_t *buf, size_t len, const struct nats_limits *lim);

/* nats_check_op for every operation of a stream, up to n_ops_max of them. Of each PUB, what nats_run.h finds behind it is what nats_parse finds there. */
struct nats_check_result nats_check_stream(const uint8_t *buf, size_t len, const struct nats_limits *lim, size_t n_ops_max);

#endif
