/* nats.h - the client side of the NATS protocol: bytes -> operations.
 *
 * nats_parse looks at a contiguous prefix of what a client sent and says whether a whole operation stands there.
 * It keeps nothing between calls: the answer is a function of the bytes (and the limits), so it cannot depend on
 * how they were split over reads. It is monotone: a prefix that gives NATS_OP or NATS_BAD gives the same answer
 * with any bytes behind it, and a violation is reported at the first byte that makes it inevitable (errors in the
 * arguments: at the end of the control line, before the payload comes).
 *
 *     n = 0;
 *     while ((v = nats_parse(buf + n, len - n, &lim, &op, &bad)) == NATS_OP) { handle(&op); n += op.n_bytes; }
 *     NATS_MORE: keep the rest. Where op.exact says so, op.n_bytes is the length of the operation: make room for it, and copy
 *                what comes behind. Ask again (nats_parse_more) when op.n_bytes - op.exact bytes are there: before that the
 *                answer cannot change. (One byte early for a payload, for the first byte of its CRLF may be wrong.)
 *     NATS_BAD:  log bad, send nats_err_line(bad.err) unless that is NATS_ERR_NONE, close with bad.closed
 *
 * What is judged here is syntax and the two sizes (control line, payload). Subjects, permissions, whether CONNECT
 * has come: the caller's. An operation's bytes may still be refused there; the stream stays in step.
 *
 * Lines    verbs in any letter case; arguments separated by SP or TAB, any number; the line ends in CRLF or LF; a CR
 *          that is not followed by LF is NATS_ERR_UNKNOWN_OP, in every line. The payload ends in exactly CRLF.
 * Limits   max_control_line counts the bytes after verb and separators, without the line end (PING, PONG, +OK: whatever
 *          stands behind the verb); separators have the same limit of their own, at most NATS_SEP_MAX. So an incomplete
 *          control line never holds more than NATS_LINE_MAX(max_control_line) bytes.
 * Threads  any; no state.
 * Memory   all pointers of struct nats_op and nats_bad: view until buf is reused. Nothing is allocated, nothing
 *          behind buf + len is read.
 * Source   spec 01 sections 2, 3, 4; spec 05 A1, C1, C2, R13, TOB-NATS-5. On purpose different from nats-server: the CR
 *          rule, verbs between servers end at their first byte that is not a client's, junk behind PING is bounded.
 */
#ifndef MIDGE_PROTO_NATS_H
#define MIDGE_PROTO_NATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/nats_text.h"

enum nats_verdict {
    NATS_MORE, /* no whole operation yet: ret_op->n_bytes, n_seen and exact are set; if exact, kind and subject, too */
    NATS_OP,   /* *ret_op is one operation                                                  */
    NATS_BAD,  /* the peer broke the protocol: *ret_bad                                     */
};

enum nats_kind {
    NATS_PUB,
    NATS_HPUB,      /* with hdr_size > 0: an HPUB of no header bytes is told as the NATS_PUB that it is */
    NATS_SUB,
    NATS_UNSUB,
    NATS_CONNECT,
    NATS_PING,
    NATS_PONG,
    NATS_INFO,      /* sent by a client: decode (bad JSON closes silently) and ignore */
    NATS_PLUS_OK,   /* ignore                                                         */
    NATS_MINUS_ERR, /* log "Client Error <args>", close with NATS_CLOSED_PARSE_ERROR  */
    NATS_KIND_N,
};

enum {
    NATS_DIGITS_MAX = 9,    /* digits of a size or of UNSUB's max: no sum of two can overflow 32 bits */
    NATS_SEP_MAX = 4096,    /* separators between verb and arguments */
    NATS_VERB_MAX = 7,      /* CONNECT */
};

/* The longest incomplete control line for a limit of mcl; a caller's buffer for split lines needs no more. */
#define NATS_LINE_MAX(mcl) ((size_t)NATS_VERB_MAX + NATS_SEP_MAX + (size_t)(mcl) + 2)

/* What the parser must know of the connection. Change it between two calls as you like (CONNECT, reload). */
struct nats_limits {
    int64_t  max_payload;      /* of PUB's size and HPUB's total size; negative: no limit */
    uint32_t max_control_line;
    bool     headers;          /* HPUB is allowed: our support and the client's */
};

/* One operation. Only n_bytes, kind and the fields of that kind are written. Lengths are of the views beside them. */
struct nats_op {
    size_t n_bytes; /* OP: bytes of this operation, all consumed. MORE: at least this many (> len) are needed */
    size_t n_seen;  /* MORE: what nats_parse_more wants to know */

    /* PUB, HPUB, SUB */
    const uint8_t *subject;
    /* PUB, HPUB */
    const uint8_t *reply;     /* NULL: none */
    const uint8_t *payload;   /* `size` bytes: hdr_size bytes of headers, then the rest; CRLF stands behind them */
    const uint8_t *size_text; /* (total) size as the client wrote it: receivers get these digits */
    const uint8_t *hdr_text;  /* HPUB: header size as the client wrote it; PUB: not written */
    /* From the SP behind the subject to the CRLF behind the payload, so that "MSG " subject " " sid tail is the message
     * to deliver ("HMSG " for HPUB). NULL where what the client wrote is not what we would write (several separators,
     * tabs, a bare LF, a reply before a header size of 0). Its payload starts at payload - tail. */
    const uint8_t *tail;
    /* SUB */
    const uint8_t *queue;     /* NULL: none */
    /* SUB, UNSUB */
    const uint8_t *sid;
    /* CONNECT, INFO: the JSON text (may be empty, may end in separators); MINUS_ERR: the text */
    const uint8_t *args;

    uint32_t subject_len;
    uint32_t reply_len;       /* 0 without reply */
    uint32_t size;            /* PUB, HPUB: bytes of the payload, headers included */
    uint32_t hdr_size;        /* HPUB: bytes of headers, 1 to size. PUB: 0 */
    uint32_t tail_len;        /* 0 without tail */
    uint32_t queue_len;
    uint32_t sid_len;
    uint32_t args_len;
    uint32_t max;             /* UNSUB: 0 = now (also where it was 0 or not a number) */
    uint8_t  size_text_len;
    uint8_t  hdr_text_len;    /* HPUB */
    uint8_t  kind;            /* enum nats_kind */
    bool     exact;           /* MORE: n_bytes is the length of the operation: its control line is complete */
};

/* What was wrong. */
struct nats_bad {
    const uint8_t *quote;     /* what the log text quotes */
    size_t         off;       /* offset of the byte that made it inevitable */
    int64_t        size;      /* NATS_LOG_MAX_PAYLOAD: what was asked for ... */
    int64_t        size_max;  /* ... and allowed */
    uint32_t       quote_len;
    uint8_t        err;       /* enum nats_err; NATS_ERR_NONE: close without a word */
    uint8_t        closed;    /* enum nats_closed */
    uint8_t        log;       /* enum nats_log */
    uint8_t        state;     /* NATS_LOG_PARSER: the number that its text shows */
    bool           secret;    /* quote is part of a CONNECT line: the text will not show it */
    bool           payload;   /* only the end of a payload was wrong: kind and subject of *ret_op are set */
};

/* Parse the operation at the start of buf. len may be 0 (NATS_MORE). See above.
 *   view until buf is reused  *ret_op, *ret_bad */
enum nats_verdict nats_parse(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *ret_op,
    struct nats_bad *ret_bad);

/* The same answer, for a caller that had NATS_MORE for less of the same bytes: n_seen is what ret_op->n_seen was then. A
 * long control line that comes in drops is thus searched for its end once, not once a drop. */
enum nats_verdict nats_parse_more(const uint8_t *buf, size_t len, size_t n_seen, const struct nats_limits *lim,
    struct nats_op *ret_op, struct nats_bad *ret_bad);

/* The portable path alone: what nats_parse does where its short cut does not apply. For tests, which hold the two
 * against each other; the answer is always that of nats_parse. */
enum nats_verdict nats_parse_slow(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *ret_op,
    struct nats_bad *ret_bad);

/* The short cut alone. False: it left the bytes to the slow path. (For tests: that it is taken where it should be.) */
bool nats_parse_quick(const uint8_t *buf, size_t len, const struct nats_limits *lim, struct nats_op *ret_op,
    struct nats_bad *ret_bad, enum nats_verdict *ret_v);

/* Whether this build has it. */
extern const bool nats_has_quick;

/* The log text of bad: quoted, cut to cap - 1 bytes, NUL-terminated, secrets replaced by [REDACTED]. Returns its length. */
size_t nats_bad_text(const struct nats_bad *bad, char *buf, size_t cap);

#endif
