/* nats_run.h - publishes that repeat: behind a PUB, more of them to the same subject.
 *
 * A publisher that streams writes the same control line again and again, but for the size. What nats_parse would say of such a line is known from
 * the one before it, and found here for a tenth of the cost. Whatever is not at once seen to be one more of these is left to nats_parse.
 *
 *     nats_parse(buf, ...) said NATS_OP
 *     if (nats_run_begin(&r, buf, end, &op, &lim))
 *         while (nats_run_next(&r, &msg))
 *             handle(&msg);
 *     go on with nats_parse at r.at
 *
 * Threads  any; no state but *r.
 * Memory   views into the caller's bytes; nothing behind `end` is read.
 * Source   spec 01 section 4; the answers are nats_parse's (nats_run_test.c holds the two against each other).
 */
#ifndef MIDGE_PROTO_NATS_RUN_H
#define MIDGE_PROTO_NATS_RUN_H

#include <string.h>

#include "core/rt/copy.h"
#include "core/rt/util.h"
#include "proto/nats.h"

struct nats_run {
    const uint8_t *at, *end; /* not looked at yet */
    const uint8_t *head;     /* "PUB subject " */
    uint32_t head_len;
    uint32_t digits_max, size_max;
};

/* One publish: of struct nats_op what differs. */
struct nats_run_msg {
    const uint8_t *tail;
    uint32_t tail_len, payload_off;
};

/* op is what stands at buf. False: nothing that could go on. */
static inline bool
nats_run_begin(struct nats_run *r, const uint8_t *buf, const uint8_t *end, const struct nats_op *op, const struct nats_limits *lim)
{
    if (op->kind != NATS_PUB || op->tail == NULL || op->reply_len != 0 || op->subject != buf + 4 || memcmp(buf, "PUB ", 4) != 0)
        return false;
    r->at = buf + op->n_bytes;
    r->end = end;
    r->head = buf;
    r->head_len = 4 + op->subject_len + 1;
    r->digits_max = (uint32_t)min_u64(NATS_DIGITS_MAX, lim->max_control_line - op->subject_len - 1); /* op's size had one, at least */
    r->size_max = lim->max_payload < 0 ? UINT32_MAX : (uint32_t)min_u64((uint64_t)lim->max_payload, UINT32_MAX);
    return true;
}

/* Whether the same subject follows, and bytes enough for a size of any length. */
static inline bool
nats_run_goes_on(const struct nats_run *r)
{
    return (size_t)(r->end - r->at) >= r->head_len + NATS_DIGITS_MAX + 2 && bytes_equal(r->at, r->head, r->head_len);
}

/* The next one. False: r->at is for nats_parse. */
static inline bool
nats_run_next(struct nats_run *r, struct nats_run_msg *ret_msg)
{
    if (UNLIKELY(!nats_run_goes_on(r)))
        return false;
    const uint8_t *text = r->at + r->head_len;
    uint32_t n = 0, size = 0, digit;
    while (n < r->digits_max && (digit = (uint32_t)text[n] - '0') <= 9) {
        size = size * 10 + digit;
        n++;
    }
    if (UNLIKELY(n == 0 || text[n] != '\r' || text[n + 1] != '\n' || size > r->size_max))
        return false;
    const uint8_t *payload = text + n + 2;
    if (UNLIKELY((size_t)(r->end - payload) < (size_t)size + 2 || payload[size] != '\r' || payload[size + 1] != '\n'))
        return false;
    ret_msg->tail = text - 1;
    ret_msg->payload_off = n + 3;
    ret_msg->tail_len = n + 3 + size + 2;
    r->at = payload + size + 2;
    return true;
}

#endif
