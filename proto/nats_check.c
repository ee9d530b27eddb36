#include "proto/nats_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/util.h"
#include "proto/nats_run.h"

uint64_t nats_check_seed;

#define CHECK(fact, c)                                           \
    do {                                                         \
        if (!(fact))                                             \
            check_failed(#fact, __LINE__, (c)->buf, (c)->len);   \
    } while (0)

/* An answer, with offsets for pointers, so that two of them can be compared byte for byte. */
struct check_view {
    size_t off, len; /* off SIZE_MAX: NULL */
};

struct check_answer {
    uint64_t          verdict, kind, size, hdr_size, max, n_bytes, n_seen, exact;
    struct check_view subject, reply, payload, size_text, hdr_text, tail, queue, sid, args;
    uint64_t          err, closed, log, state, off, secret, payload_bad;
    int64_t           bad_size, bad_size_max;
    struct check_view quote;
};

/* One prefix, in a buffer of its own. */
struct check {
    uint8_t            *buf;
    size_t              len;
    struct check_answer a;
};

__attribute__((noreturn)) static void
check_failed(const char *fact, int line, const uint8_t *buf, size_t len)
{
    (void)fprintf(stderr, "nats_check.c:%d: %s\n", line, fact);
    if (nats_check_seed != 0)
        (void)fprintf(stderr, "  PROTO_SEED=%#llx replays it\n", (unsigned long long)nats_check_seed);
    (void)fprintf(stderr, "  for %zu bytes: ", len);
    for (size_t i = 0; i < len && i < 512; i++)
        (void)fprintf(stderr, buf[i] >= 0x20 && buf[i] < 0x7F && buf[i] != '\\' ? "%c" : "\\x%02x", buf[i]);
    (void)fprintf(stderr, "\n");
    abort();
}

static struct check_view
check_view(const struct check *c, const uint8_t *p, size_t len)
{
    if (p == NULL)
        return (struct check_view){.off = SIZE_MAX};
    CHECK(p >= c->buf && p <= c->buf + c->len && len <= c->len - (size_t)(p - c->buf), c);
    return (struct check_view){.off = (size_t)(p - c->buf), .len = len};
}

static void
check_take_pub(struct check *c, const struct nats_op *op)
{
    struct check_answer *a = &c->a;

    a->subject = check_view(c, op->subject, op->subject_len);
    a->reply = check_view(c, op->reply, op->reply_len);
    a->payload = check_view(c, op->payload, op->size);
    a->size_text = check_view(c, op->size_text, op->size_text_len);
    a->size = op->size;
    a->hdr_size = op->hdr_size;
    if (op->kind == NATS_HPUB)
        a->hdr_text = check_view(c, op->hdr_text, op->hdr_text_len);
    a->tail = check_view(c, op->tail, op->tail_len);
    CHECK(op->tail != NULL || op->tail_len == 0, c);
}

static void
check_take_op(struct check *c, const struct nats_op *op)
{
    struct check_answer *a = &c->a;

    a->kind = op->kind;
    a->n_bytes = op->n_bytes;
    switch (op->kind) {
    case NATS_PUB:
    case NATS_HPUB: check_take_pub(c, op); break;
    case NATS_SUB:
        a->subject = check_view(c, op->subject, op->subject_len);
        a->queue = check_view(c, op->queue, op->queue_len);
        a->sid = check_view(c, op->sid, op->sid_len);
        break;
    case NATS_UNSUB:
        a->sid = check_view(c, op->sid, op->sid_len);
        a->max = op->max;
        break;
    case NATS_CONNECT:
    case NATS_INFO:
    case NATS_MINUS_ERR: a->args = check_view(c, op->args, op->args_len); break;
    default: break;
    }
}

/* What is known of a publish while its payload is not. */
static void
check_take_begun(struct check *c, const struct nats_op *op)
{
    CHECK((op->kind == NATS_PUB || op->kind == NATS_HPUB) && op->subject_len > 0, c);
    c->a.kind = op->kind;
    c->a.subject = check_view(c, op->subject, op->subject_len);
}

static void
check_take(struct check *c, enum nats_verdict v, const struct nats_op *op, const struct nats_bad *bad)
{
    struct check_answer *a = &c->a;

    memset(a, 0, sizeof(*a));
    a->verdict = v;
    if (v == NATS_OP)
        check_take_op(c, op);
    if (v == NATS_MORE) {
        a->n_bytes = op->n_bytes;
        a->n_seen = op->n_seen;
        a->exact = op->exact;
        if (op->exact)
            check_take_begun(c, op);
    }
    if (v == NATS_BAD) {
        a->err = bad->err;
        a->closed = bad->closed;
        a->log = bad->log;
        a->state = bad->state;
        a->off = bad->off;
        a->secret = bad->secret;
        a->payload_bad = bad->payload;
        if (bad->payload)
            check_take_begun(c, op);
        a->bad_size = bad->size;
        a->bad_size_max = bad->size_max;
        a->quote = check_view(c, bad->quote, bad->quote_len);
    }
}

/* Bytes that were never written must not be what makes two answers equal. */
static void
check_poison(struct nats_op *op, struct nats_bad *bad)
{
    memset(op, 0xA5, sizeof(*op));
    memset(bad, 0xA5, sizeof(*bad));
}

static struct check
check_parse(const uint8_t *buf, size_t len, const struct nats_limits *lim)
{
    struct check        c = {.buf = malloc(len + (len == 0)), .len = len}; /* malloc(0) may be NULL */
    struct nats_op      op;
    struct nats_bad     bad;
    struct check_answer quick;

    if (c.buf == NULL)
        abort();
    if (len > 0)
        memcpy(c.buf, buf, len);
    check_poison(&op, &bad);
    check_take(&c, nats_parse(c.buf, len, lim, &op, &bad), &op, &bad);
    quick = c.a;
    check_poison(&op, &bad);
    check_take(&c, nats_parse_slow(c.buf, len, lim, &op, &bad), &op, &bad);
    CHECK(memcmp(&quick, &c.a, sizeof(quick)) == 0, &c);
    return c;
}

/* The same bytes with what an earlier answer knew. */
static void
check_parse_more(const struct check *c, size_t n_seen, const struct nats_limits *lim)
{
    struct nats_op  op;
    struct nats_bad bad;
    struct check    again = {.buf = c->buf, .len = c->len};

    check_poison(&op, &bad);
    check_take(&again, nats_parse_more(c->buf, c->len, n_seen, lim, &op, &bad), &op, &bad);
    CHECK(memcmp(&again.a, &c->a, sizeof(c->a)) == 0, c);
}

/* An operation as it stands: the sizes, what is behind the payload, and the tail made again from the fields. */
static void
check_pub(const struct check *c)
{
    const struct check_answer *a = &c->a;

    CHECK(a->payload.off + a->size + 2 == a->n_bytes, c);
    CHECK(memcmp(c->buf + a->n_bytes - 2, "\r\n", 2) == 0, c);
    CHECK(a->hdr_size <= a->size && a->subject.len > 0 && a->size_text.len > 0, c);
    CHECK(a->size_text.len <= NATS_DIGITS_MAX && a->hdr_text.len <= NATS_DIGITS_MAX, c);
    CHECK((a->hdr_size > 0) == (a->kind == NATS_HPUB), c);
    if (a->tail.off == SIZE_MAX)
        return;
    char   head[8192];
    size_t n = 0;
    if (a->reply.off != SIZE_MAX)
        n += (size_t)snprintf(head, sizeof(head), " %.*s", (int)a->reply.len, c->buf + a->reply.off);
    if (a->reply.off != SIZE_MAX && n != a->reply.len + 1) /* the reply has a NUL in it */
        return;
    if (a->kind == NATS_HPUB)
        n += (size_t)snprintf(head + n, sizeof(head) - n, " %.*s", (int)a->hdr_text.len, c->buf + a->hdr_text.off);
    n += (size_t)snprintf(head + n, sizeof(head) - n, " %.*s\r\n", (int)a->size_text.len, c->buf + a->size_text.off);
    CHECK(a->tail.len == n + a->size + 2 && a->tail.off + a->tail.len == a->n_bytes, c);
    CHECK(memcmp(c->buf + a->tail.off, head, n) == 0 && a->payload.off == a->tail.off + n, c);
}

static void
check_free(struct check *c)
{
    free(c->buf);
}

/* The shortest prefix whose answer is not MORE; len if there is none. Checks what MORE says on the way. */
static size_t
check_until_decided(const uint8_t *buf, size_t len, const struct nats_limits *lim, size_t *ret_need_max)
{
    size_t n = 0, n_seen = 0, exact = 0, first_seen = 0;

    *ret_need_max = 0;
    for (; n <= len; n++) {
        struct check c = check_parse(buf, n, lim);
        check_parse_more(&c, n_seen, lim);
        check_parse_more(&c, first_seen, lim); /* an answer of long ago is as good */
        bool decided = c.a.verdict != NATS_MORE;
        if (!decided) {
            CHECK(c.a.n_bytes > n && (c.a.exact ? c.a.n_seen == 0 : c.a.n_seen == n), &c);
            CHECK(exact == 0 || (c.a.exact && c.a.n_bytes == exact), &c);
            n_seen = (size_t)c.a.n_seen;
            first_seen = n == 3 || c.a.exact ? n_seen : first_seen;
            exact = c.a.exact ? (size_t)c.a.n_bytes : 0;
            *ret_need_max = max_u64(*ret_need_max, c.a.n_bytes);
        } else if (c.a.verdict == NATS_BAD) {
            CHECK(c.a.off + 1 == n, &c);
        } else {
            CHECK(c.a.n_bytes == n && n >= *ret_need_max && (exact == 0 || exact == n), &c);
        }
        check_free(&c);
        if (decided)
            return n;
    }
    return len;
}

void
nats_check_op(const uint8_t *buf, size_t len, const struct nats_limits *lim)
{
    size_t       need = 0;
    size_t       n = check_until_decided(buf, len, lim, &need);
    struct check first = check_parse(buf, n, lim);

    if (first.a.verdict == NATS_OP && (first.a.kind == NATS_PUB || first.a.kind == NATS_HPUB))
        check_pub(&first);
    if (first.a.verdict != NATS_MORE) {
        /* Whatever stands behind it changes nothing: at first byte by byte, so that every alignment of the last window
         * is met, then in strides. */
        for (size_t m = n; m <= len; m += m < n + 80 ? 1 : 997) {
            struct check c = check_parse(buf, m, lim);
            CHECK(memcmp(&c.a, &first.a, sizeof(c.a)) == 0, &c);
            check_free(&c);
        }
        struct check c = check_parse(buf, len, lim);
        CHECK(memcmp(&c.a, &first.a, sizeof(c.a)) == 0, &c);
        check_free(&c);
    }
    check_free(&first);
}

/* What nats_run.h says of the bytes behind op, which stands at buf: how many it finds. */
static size_t
check_run(const uint8_t *buf, size_t len, const struct nats_op *op, const struct nats_limits *lim)
{
    struct nats_run     run;
    struct nats_run_msg msg;
    struct nats_op      next;
    struct nats_bad     bad;
    size_t              n = 0, off = op->n_bytes;
    struct check        c = {.buf = (uint8_t *)(uintptr_t)buf, .len = len};
    uint8_t            *exact = malloc(len + 1); /* a read behind its end is seen by the address sanitizer */

    CHECK(exact != NULL, &c);
    uint8_t *at = exact + 1; /* and ends where the allocation does */
    memcpy(at, buf, len);
    struct nats_op first = *op;
    first.subject = at + (op->subject - buf);
    first.tail = op->tail == NULL ? NULL : at + (op->tail - buf);
    if (nats_run_begin(&run, at, at + len, &first, lim)) {
        for (; nats_run_next(&run, &msg); n++) {
            CHECK(nats_parse(at + off, len - off, lim, &next, &bad) == NATS_OP && next.kind == NATS_PUB, &c);
            CHECK(next.subject_len == first.subject_len && memcmp(next.subject, first.subject, first.subject_len) == 0, &c);
            CHECK(next.reply_len == 0 && next.tail == msg.tail && next.tail_len == msg.tail_len, &c);
            CHECK((size_t)(next.payload - next.tail) == msg.payload_off, &c);
            off += next.n_bytes;
            CHECK(run.at == at + off, &c);
        }
        CHECK(run.at == at + off, &c);
    }
    free(exact);
    return n;
}

struct nats_check_result
nats_check_stream(const uint8_t *buf, size_t len, const struct nats_limits *lim, size_t n_ops_max)
{
    struct nats_check_result r = {0};
    struct nats_op           op;

    while (r.n_ops < n_ops_max) {
        nats_check_op(buf + r.off, len - r.off, lim);
        enum nats_verdict v = nats_parse(buf + r.off, len - r.off, lim, &op, &r.why);
        if (v == NATS_BAD) {
            r.bad = true;
            (void)nats_bad_text(&r.why, r.text, sizeof(r.text)); /* cut is fine here */
        }
        if (v != NATS_OP)
            break;
        r.n_kinds[op.kind]++;
        r.n_tails += (op.kind == NATS_PUB || op.kind == NATS_HPUB) && op.tail != NULL;
        if (op.kind == NATS_PUB)
            r.n_runs += check_run(buf + r.off, len - r.off, &op, lim);
        r.off += op.n_bytes;
        r.n_ops++;
    }
    return r;
}
