/* Tests of nats.h: rows of spec 01 (sections 2, 3, 4, 19) and 05 as tables, then properties over generated streams. */
#include "proto/nats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/util.h"
#include "proto/nats_check.h"

static const struct nats_limits test_limits = {.max_payload = 1048576, .max_control_line = 4096, .headers = true};

static void
fill(char *buf, char c, size_t n)
{
    memset(buf, c, n);
    buf[n] = '\0';
}

static enum nats_verdict
parse(const char *text, const struct nats_limits *lim, struct nats_op *op, struct nats_bad *bad)
{
    nats_check_op((const uint8_t *)text, strlen(text), lim); /* all properties, for every split */
    return nats_parse((const uint8_t *)text, strlen(text), lim, op, bad);
}

static void
assert_view(const uint8_t *ptr, size_t len, const char *want)
{
    if (want == NULL) {
        assert_null(ptr);
        return;
    }
    assert_non_null(ptr);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(ptr, want, len);
}

/* ---- operations --------------------------------------------------------------------------------------------------- */

struct pub_row {
    const char *text;
    const char *subject, *reply, *hdr_text, *size_text; /* hdr_text NULL: PUB */
    uint32_t    hdr_size, size;
    const char *tail; /* NULL: none */
};

/* What PUB and HPUB look like: canonical ones have a tail that can be sent on as it is, the others have none. */
static void
pub_and_hpub_are_taken_apart(void **state)
{
    (void)state;
    static const struct pub_row rows[] = {
        {"PUB foo.a 5\r\nhello\r\n", "foo.a", NULL, NULL, "5", 0, 5, " 5\r\nhello\r\n"},
        {"PUB foo.a re.1 0\r\n\r\n", "foo.a", "re.1", NULL, "0", 0, 0, " re.1 0\r\n\r\n"},
        {"HPUB foo.a 23 30\r\nNATS/1.0\r\nHeader: X\r\n\r\nPAYLOAD\r\n", "foo.a", NULL, "23", "30", 23, 30,
            " 23 30\r\nNATS/1.0\r\nHeader: X\r\n\r\nPAYLOAD\r\n"},
        {"HPUB a re 12 012\r\nNATS/1.0\r\n\r\n\r\n", "a", "re", "12", "012", 12, 12, " re 12 012\r\nNATS/1.0\r\n\r\n\r\n"},
        {"HPUB a 3 3\r\nabc\r\n", "a", NULL, "3", "3", 3, 3, " 3 3\r\nabc\r\n"},
        {"HPUB a 01 2\r\nhi\r\n", "a", NULL, "01", "2", 1, 2, " 01 2\r\nhi\r\n"},
        /* No header bytes: a PUB, and its tail begins behind the header size. */
        {"HPUB a 0 2\r\nhi\r\n", "a", NULL, NULL, "2", 0, 2, " 2\r\nhi\r\n"},
        {"HPUB a 000 007\r\npayload\r\n", "a", NULL, NULL, "007", 0, 7, " 007\r\npayload\r\n"},
        {"HPUB a 0 0\r\n\r\n", "a", NULL, NULL, "0", 0, 0, " 0\r\n\r\n"},
        {"HPUB a re 0 2\r\nhi\r\n", "a", "re", NULL, "2", 0, 2, NULL},
        {"hpub a 0\t2\r\nhi\r\n", "a", NULL, NULL, "2", 0, 2, NULL},
        {"pub foo 01\r\nx\r\n", "foo", NULL, NULL, "01", 0, 1, " 01\r\nx\r\n"},
        {"Pub foo 000000001\r\nx\r\n", "foo", NULL, NULL, "000000001", 0, 1, " 000000001\r\nx\r\n"},
        {"hPuB foo 1 1\r\nx\r\n", "foo", NULL, "1", "1", 1, 1, " 1 1\r\nx\r\n"},
        {"PUB \t foo 1\r\nx\r\n", "foo", NULL, NULL, "1", 0, 1, " 1\r\nx\r\n"},
        {"PUB\tfoo 1\r\nx\r\n", "foo", NULL, NULL, "1", 0, 1, " 1\r\nx\r\n"},
        {"PUB foo\t1\r\nx\r\n", "foo", NULL, NULL, "1", 0, 1, NULL},
        {"PUB foo  1\r\nx\r\n", "foo", NULL, NULL, "1", 0, 1, NULL},
        {"PUB foo re  1\r\nx\r\n", "foo", "re", NULL, "1", 0, 1, NULL},
        {"PUB foo  re 1\r\nx\r\n", "foo", "re", NULL, "1", 0, 1, NULL},
        {"PUB foo 1 \r\nx\r\n", "foo", NULL, NULL, "1", 0, 1, NULL},
        {"PUB foo 1\nx\r\n", "foo", NULL, NULL, "1", 0, 1, NULL},
        {"HPUB foo  1 1\r\nx\r\n", "foo", NULL, "1", "1", 1, 1, NULL},
        {"HPUB foo re 1  1\r\nx\r\n", "foo", "re", "1", "1", 1, 1, NULL},
        {"HPUB foo re\t1 1\r\nx\r\n", "foo", "re", "1", "1", 1, 1, NULL},
        {"PUB f\x01\x1f\x0b\x0c\x80\xff 1\r\nx\r\n", "f\x01\x1f\x0b\x0c\x80\xff", NULL, NULL, "1", 0, 1, " 1\r\nx\r\n"},
        {"PUB a..b> r\x02 2\r\n\r\n\r\n", "a..b>", "r\x02", NULL, "2", 0, 2, " r\x02 2\r\n\r\n\r\n"},
        {"PUB subject.that.is.longer.than.one.window.of.the.scan _INBOX.abcdefghijklmnopqrstuv.wxyz0123 3\r\nabc\r\n",
            "subject.that.is.longer.than.one.window.of.the.scan", "_INBOX.abcdefghijklmnopqrstuv.wxyz0123", NULL, "3", 0, 3,
            " _INBOX.abcdefghijklmnopqrstuv.wxyz0123 3\r\nabc\r\n"},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        const struct pub_row *r = &rows[i];
        struct nats_op        op;
        struct nats_bad       bad;
        assert_int_equal(parse(r->text, &test_limits, &op, &bad), NATS_OP);
        assert_int_equal(op.kind, r->hdr_text == NULL ? NATS_PUB : NATS_HPUB);
        assert_int_equal(op.n_bytes, strlen(r->text));
        assert_view(op.subject, op.subject_len, r->subject);
        assert_view(op.reply, op.reply_len, r->reply);
        assert_view(op.size_text, op.size_text_len, r->size_text);
        if (r->hdr_text != NULL)
            assert_view(op.hdr_text, op.hdr_text_len, r->hdr_text);
        assert_int_equal(op.size, r->size);
        assert_int_equal(op.hdr_size, r->hdr_size);
        assert_view(op.tail, op.tail_len, r->tail);
        assert_ptr_equal(op.payload, (const uint8_t *)r->text + strlen(r->text) - r->size - 2);
    }
}

struct op_row {
    const char    *text;
    enum nats_kind kind;
    const char    *subject, *queue, *sid, *args;
    uint32_t       max;
};

/* All other verbs, in the forms that spec 01 section 2 allows. */
static void
other_verbs_are_taken_apart(void **state)
{
    (void)state;
    static const struct op_row rows[] = {
        {"SUB foo 1\r\n", NATS_SUB, "foo", NULL, "1", NULL, 0},
        {"SUB foo.* q 1\r\n", NATS_SUB, "foo.*", "q", "1", NULL, 0},
        {"sub\t foo \t q  abc-1 \t\n", NATS_SUB, "foo", "q", "abc-1", NULL, 0},
        {"SUB a..b 1\r\n", NATS_SUB, "a..b", NULL, "1", NULL, 0},
        {"SUB foo 1\x01\r\n", NATS_SUB, "foo", NULL, "1\x01", NULL, 0},
        {"UNSUB 1\r\n", NATS_UNSUB, NULL, NULL, "1", NULL, 0},
        {"UNSUB 1 5\n", NATS_UNSUB, NULL, NULL, "1", NULL, 5},
        {"unsub\t\tx \t 999999999 \r\n", NATS_UNSUB, NULL, NULL, "x", NULL, 999999999},
        {"UNSUB 1 0\r\n", NATS_UNSUB, NULL, NULL, "1", NULL, 0},
        {"UNSUB 1 x\r\n", NATS_UNSUB, NULL, NULL, "1", NULL, 0},
        {"UNSUB 1 -1\r\n", NATS_UNSUB, NULL, NULL, "1", NULL, 0},
        {"UNSUB 1 5x\r\n", NATS_UNSUB, NULL, NULL, "1", NULL, 0},
        {"UNSUB 1 0000000002\r\n", NATS_UNSUB, NULL, NULL, "1", NULL, 0},
        {"CONNECT {\"a\":1}\r\n", NATS_CONNECT, NULL, NULL, NULL, "{\"a\":1}", 0},
        {"CONNECT{}\r\n", NATS_CONNECT, NULL, NULL, NULL, "{}", 0},
        {"connect\t {} \r\n", NATS_CONNECT, NULL, NULL, NULL, "{} ", 0},
        {"CONNECT\r\n", NATS_CONNECT, NULL, NULL, NULL, "", 0},
        {"CONNECT \n", NATS_CONNECT, NULL, NULL, NULL, "", 0},
        {"CONNECTx\n", NATS_CONNECT, NULL, NULL, NULL, "x", 0},
        {"INFO {}\r\n", NATS_INFO, NULL, NULL, NULL, "{}", 0},
        {"info{}\n", NATS_INFO, NULL, NULL, NULL, "{}", 0},
        {"INFO\r\n", NATS_INFO, NULL, NULL, NULL, "", 0},
        {"-ERR 'x y' \r\n", NATS_MINUS_ERR, NULL, NULL, NULL, "'x y' ", 0},
        {"-err \r\n", NATS_MINUS_ERR, NULL, NULL, NULL, "", 0},
        {"PING\r\n", NATS_PING, NULL, NULL, NULL, NULL, 0},
        {"PING\n", NATS_PING, NULL, NULL, NULL, NULL, 0},
        {"PINGx\r\n", NATS_PING, NULL, NULL, NULL, NULL, 0},
        {"ping  junk PUB \r\n", NATS_PING, NULL, NULL, NULL, NULL, 0},
        {"PoNg\r\n", NATS_PONG, NULL, NULL, NULL, NULL, 0},
        {"PONG \t.\n", NATS_PONG, NULL, NULL, NULL, NULL, 0},
        {"+OK\r\n", NATS_PLUS_OK, NULL, NULL, NULL, NULL, 0},
        {"+okjunk\n", NATS_PLUS_OK, NULL, NULL, NULL, NULL, 0},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        const struct op_row *r = &rows[i];
        struct nats_op       op;
        struct nats_bad      bad;
        memset(&op, 0, sizeof(op));
        assert_int_equal(parse(r->text, &test_limits, &op, &bad), NATS_OP);
        assert_int_equal(op.kind, r->kind);
        assert_int_equal(op.n_bytes, strlen(r->text));
        assert_view(op.subject, op.subject_len, r->subject);
        assert_view(op.queue, op.queue_len, r->queue);
        assert_view(op.sid, op.sid_len, r->sid);
        assert_int_equal(op.max, r->max);
        if (r->kind == NATS_CONNECT || r->kind == NATS_INFO || r->kind == NATS_MINUS_ERR)
            assert_view(op.args, op.args_len, r->args);
    }
}

/* A NUL is a byte like any other, in subjects, sids and payloads. */
static void
nul_bytes_are_ordinary(void **state)
{
    (void)state;
    static const char pub[] = "PUB a\0b 3\r\n\0\r\n\r\n", sub[] = "SUB a\0b 1\0\r\n";
    struct nats_op    op;
    struct nats_bad   bad;

    nats_check_op((const uint8_t *)pub, sizeof(pub) - 1, &test_limits);
    assert_int_equal(nats_parse((const uint8_t *)pub, sizeof(pub) - 1, &test_limits, &op, &bad), NATS_OP);
    assert_int_equal(op.subject_len, 3);
    assert_int_equal(op.size, 3);
    assert_non_null(op.tail);
    nats_check_op((const uint8_t *)sub, sizeof(sub) - 1, &test_limits);
    assert_int_equal(nats_parse((const uint8_t *)sub, sizeof(sub) - 1, &test_limits, &op, &bad), NATS_OP);
    assert_int_equal(op.subject_len, 3);
    assert_int_equal(op.sid_len, 2);
}

/* ---- violations --------------------------------------------------------------------------------------------------- */

struct bad_row {
    const char      *text;
    size_t           off; /* of the byte that makes it inevitable */
    enum nats_err    err;
    enum nats_closed closed;
    const char      *log;
};

static void
check_bad_rows(const struct bad_row *rows, size_t n, const struct nats_limits *lim)
{
    for (size_t i = 0; i < n; i++) {
        const struct bad_row *r = &rows[i];
        struct nats_op        op;
        struct nats_bad       bad;
        char                  log[1024];
        assert_int_equal(parse(r->text, lim, &op, &bad), NATS_BAD);
        assert_int_equal(bad.off, r->off);
        assert_int_equal(bad.err, r->err);
        assert_int_equal(bad.closed, r->closed);
        assert_int_equal(nats_bad_text(&bad, log, sizeof(log)), strlen(r->log));
        assert_string_equal(log, r->log);
        assert_int_equal(nats_parse((const uint8_t *)r->text, r->off, lim, &op, &bad), NATS_MORE);
    }
}

#define UNKNOWN NATS_ERR_UNKNOWN_OP, NATS_CLOSED_PROTOCOL_VIOLATION
#define SILENT NATS_ERR_NONE, NATS_CLOSED_PROTOCOL_VIOLATION

/* What is no verb of a client ends at its first byte that cannot be one; the state is the number nats-server logs. */
static void
unknown_verbs_end_at_their_first_wrong_byte(void **state)
{
    (void)state;
#define ROW(text, off, state, proto) {text, off, UNKNOWN, "Client parser ERROR, state=" state ", i=" #off ": proto='" proto "...'"}
    static const struct bad_row rows[] = {
        ROW("\r\n", 0, "0", "\"\\r\""),
        ROW("\n", 0, "0", "\"\\n\""),
        ROW(" PING\r\n", 0, "0", "\" \""),
        ROW("MSG a 1 0\r\n\r\n", 0, "0", "\"M\""),
        ROW("HMSG a 1 0 0\r\n\r\n", 1, "18", "\"HM\""),
        ROW("hmsg a 1 0 0\r\n\r\n", 1, "18", "\"hm\""),
        ROW("RS+ a b\r\n", 0, "0", "\"R\""),
        ROW("RMSG a b 0\r\n", 0, "0", "\"R\""),
        ROW("LS+ a\r\n", 0, "0", "\"L\""),
        ROW("LMSG a 0\r\n", 0, "0", "\"L\""),
        ROW("A+ a\r\n", 0, "0", "\"A\""),
        ROW("PX", 1, "29", "\"PX\""),
        ROW("PUX", 2, "30", "\"PUX\""),
        ROW("PUBx", 3, "31", "\"PUBx\""),
        ROW("PUB\r\n", 3, "31", "\"PUB\\r\""),
        ROW("PUB\n", 3, "31", "\"PUB\\n\""),
        ROW("HX", 1, "18", "\"HX\""),
        ROW("HPUX", 3, "20", "\"HPUX\""),
        ROW("HPUB\r\n", 4, "21", "\"HPUB\\r\""),
        ROW("PIx", 2, "34", "\"PIx\""),
        ROW("PINx", 3, "35", "\"PINx\""),
        ROW("POx", 2, "37", "\"POx\""),
        ROW("PONx", 3, "38", "\"PONx\""),
        ROW("Sx", 1, "43", "\"Sx\""),
        ROW("SUB\r\n", 3, "45", "\"SUB\\r\""),
        ROW("UNSUBx", 5, "63", "\"UNSUBx\""),
        ROW("UNSUB\r\n", 5, "63", "\"UNSUB\\r\""),
        ROW("CONNECX {\"pass\":\"s3cret\"}", 6, "15", "\"CONNECX\""),
        ROW("INFx", 3, "73", "\"INFx\""),
        ROW("+OX", 2, "2", "\"+OX\""),
        ROW("-X", 1, "4", "\"-X\""),
        ROW("-ERR\r\n", 4, "7", "\"-ERR\\r\""),
        ROW("-ERRx", 4, "7", "\"-ERRx\""),
    };
    check_bad_rows(rows, N_ELEMS(rows), &test_limits);
#undef ROW
}

/* Spec 01 section 2, 05 TOB-NATS-5: a CR is followed by LF, or it is an error, in every line and for every split. */
static void
tob_nats_5_a_bare_cr_is_an_error_for_every_split(void **state)
{
    (void)state;
#define ROW(text, off, state, proto) {text, off, UNKNOWN, "Client parser ERROR, state=" state ", i=" #off ": proto='" proto "...'"}
    static const struct bad_row rows[] = {
        ROW("PUB foo\r5\nhello\r\n", 8, "33", "\"foo\\r5\""),
        ROW("PUB abc\r 0\r\n\r\n", 8, "33", "\"abc\\r \""),
        ROW("PUB a\rbc 123\n", 6, "33", "\"a\\rb\""),
        ROW("PUB foo 5\r\r\nhello\r\n", 10, "33", "\"foo 5\\r\\r\""),
        ROW("PUB \r5\n", 5, "33", "\"\\r5\""),
        ROW("HPUB a 0\r 1\r\nx\r\n", 9, "23", "\"a 0\\r \""),
        ROW("SUB a\r 1\r\n", 6, "47", "\"a\\r \""),
        ROW("UNSUB 1\r2\r\n", 8, "65", "\"1\\r2\""),
        ROW("-ERR a\rb\r\n", 7, "9", "\"a\\rb\""),
        ROW("PING\rx\n", 5, "36", "\"\\rx\""),
        ROW("PONG \r\r\n", 6, "39", "\" \\r\\r\""),
        ROW("+OK\rx\n", 4, "3", "\"\\rx\""),
        {"CONNECT {\"pass\":\"s3cret\"\r}\r\n", 25, UNKNOWN, "Client parser ERROR, state=17, i=25: proto='[REDACTED]...'"},
        {"INFO {\"nonce\":\"s3cret\"\r}\r\n", 23, UNKNOWN, "Client parser ERROR, state=75, i=23: proto='[REDACTED]...'"},
    };
    check_bad_rows(rows, N_ELEMS(rows), &test_limits);
#undef ROW
}

/* Behind a payload stands CRLF; what is said about it in the log is no more than the byte. */
static void
a_payload_ends_in_crlf(void **state)
{
    (void)state;
#define ROW(text, off, state, proto) {text, off, UNKNOWN, "Client parser ERROR, state=" state ", i=" #off ": proto='" proto "...'"}
    static const struct bad_row rows[] = {
        ROW("PUB foo 5\r\nhelloXX", 16, "41", "\"X\""),
        ROW("PUB foo 5\r\nhello\n", 16, "41", "\"\\n\""),
        ROW("PUB foo 5\r\nhello\rX", 17, "42", "\"X\""),
        ROW("PUB foo 0\r\nPING\r\n", 11, "41", "\"P\""),
        ROW("PUB foo 4\r\nhello\r\n", 15, "41", "\"o\""),
        ROW("HPUB foo 0 5\r\nhello\r\r\n", 20, "42", "\"\\r\""),
    };
    check_bad_rows(rows, N_ELEMS(rows), &test_limits);
#undef ROW
}

/* While a payload is to come, and where it ends wrongly, the subject is known: a pedantic client hears about it. */
static void
the_subject_is_known_before_the_payload(void **state)
{
    (void)state;
    static const char *const lines[] = {"PUB a..b 5\r\n", "PUB a..b r 5\r\n", "pub\ta..b 5\n", "HPUB a..b 2 5\r\n", "HPUB a..b r 0 5\r\n"};
    struct nats_op           op;
    struct nats_bad          bad;
    char                     text[64];

    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        (void)snprintf(text, sizeof(text), "%shel", lines[i]);
        assert_int_equal(parse(text, &test_limits, &op, &bad), NATS_MORE);
        assert_true(op.exact);
        assert_view(op.subject, op.subject_len, "a..b");
        (void)snprintf(text, sizeof(text), "%shelloworld", lines[i]);
        assert_int_equal(parse(text, &test_limits, &op, &bad), NATS_BAD);
        assert_true(bad.payload);
        assert_view(op.subject, op.subject_len, "a..b");
    }
    assert_int_equal(parse("PUB a..b x\r\nhello", &test_limits, &op, &bad), NATS_BAD);
    assert_false(bad.payload);
}

/* Wrong arguments close without a word, when the line is complete and before any payload. */
static void
wrong_arguments_close_silently(void **state)
{
    (void)state;
    static const struct bad_row rows[] = {
        {"PUB foo\r\n", 8, SILENT, "processPub Parse Error: \"foo\""},
        {"PUB \r\n", 5, SILENT, "processPub Parse Error: \"\""},
        {"PUB a b c d\r\n", 12, SILENT, "processPub Parse Error: \"a b c d\""},
        {"PUB a b c d e f\n", 15, SILENT, "processPub Parse Error: \"a b c d e f\""},
        {"HPUB foo 12\r\n", 12, SILENT, "processHeaderPub Parse Error: \"foo 12\""},
        {"HPUB a b c d e\r\n", 15, SILENT, "processHeaderPub Parse Error: \"a b c d e\""},
        {"SUB a\r\n", 6, SILENT, "processSub Parse Error: \"a\""},
        {"SUB \r\n", 5, SILENT, "processSub Parse Error: \"\""},
        {"SUB a b c d\r\n", 12, SILENT, "processSub Parse Error: \"a b c d\""},
        {"UNSUB \r\n", 7, SILENT, "processUnsub Parse Error: \"\""},
        {"UNSUB 1 2 3\r\n", 12, SILENT, "processUnsub Parse Error: \"1 2 3\""},
        {"PUB f\xc3\xb6\xff\x01 x\r\n", 12, SILENT, "processPub Bad or Missing Size: \"f\xc3\xb6\\xff\\x01 x\""},
    };
    check_bad_rows(rows, N_ELEMS(rows), &test_limits);
}

/* 05 A1, C2: sizes are 1 to 9 digits, and are judged before anything of the payload is there. */
static void
a1_sizes_are_up_to_nine_digits_and_judged_at_the_line_end(void **state)
{
    (void)state;
    static const struct nats_limits lim = {.max_payload = 100, .max_control_line = 4096, .headers = true};
    static const struct bad_row     rows[] = {
            {"PUB foo 0000000005\r\n", 19, SILENT, "processPub Bad or Missing Size: \"foo 0000000005\""},
            {"PUB foo 99999999999999999999\r\n", 29, SILENT, "processPub Bad or Missing Size: \"foo 99999999999999999999\""},
            {"PUB foo -1\r\n", 11, SILENT, "processPub Bad or Missing Size: \"foo -1\""},
            {"PUB foo +1\r\n", 11, SILENT, "processPub Bad or Missing Size: \"foo +1\""},
            {"PUB foo 1x\r\n", 11, SILENT, "processPub Bad or Missing Size: \"foo 1x\""},
            {"PUB foo 0x1\r\n", 12, SILENT, "processPub Bad or Missing Size: \"foo 0x1\""},
            {"PUB foo \xff\r\n", 10, SILENT, "processPub Bad or Missing Size: \"foo \\xff\""},
            {"HPUB foo x 12\r\n", 14, SILENT, "processHeaderPub Bad or Missing Header Size: \"foo x 12\""},
            {"HPUB foo -1 12\r\n", 15, SILENT, "processHeaderPub Bad or Missing Header Size: \"foo -1 12\""},
            {"HPUB foo 12 x\r\n", 14, SILENT, "processHeaderPub Bad or Missing Total Size: \"foo 12 x\""},
            {"HPUB foo 12 11\r\n", 15, SILENT, "processHeaderPub Header Size larger then TotalSize: \"foo 12 11\""},
            {"HPUB foo 200 101\r\n", 17, SILENT, "processHeaderPub Header Size larger then TotalSize: \"foo 200 101\""},
            {"PUB foo 101\r\n", 12, NATS_ERR_MAX_PAYLOAD, NATS_CLOSED_MAX_PAYLOAD, "maximum payload exceeded: 101 vs 100"},
            {"PUB foo 999999999\r\n", 18, NATS_ERR_MAX_PAYLOAD, NATS_CLOSED_MAX_PAYLOAD,
                "maximum payload exceeded: 999999999 vs 100"},
            {"HPUB foo 12 101\r\n", 16, NATS_ERR_MAX_PAYLOAD, NATS_CLOSED_MAX_PAYLOAD, "maximum payload exceeded: 101 vs 100"},
    };
    check_bad_rows(rows, N_ELEMS(rows), &lim);

    struct nats_limits unlimited = lim;
    struct nats_op     op;
    struct nats_bad    bad;
    const char        *huge = "PUB foo 999999999\r\n";
    unlimited.max_payload = -1;
    assert_int_equal(parse(huge, &unlimited, &op, &bad), NATS_MORE);
    assert_true(op.exact);
    assert_int_equal(op.n_bytes, strlen(huge) + 999999999 + 2);
}

/* HPUB where headers were not agreed on: noticed at the line end, before the arguments are looked at. */
static void
hpub_without_headers_closes_silently(void **state)
{
    (void)state;
    static const struct nats_limits lim = {.max_payload = 100, .max_control_line = 64, .headers = false};
    static const struct bad_row     rows[] = {
            {"HPUB foo 12 101\r\n", 16, SILENT, "message headers not supported"},
            {"HPUB \r\n", 6, SILENT, "message headers not supported"},
            {"hpub a\n", 6, SILENT, "message headers not supported"},
    };
    check_bad_rows(rows, N_ELEMS(rows), &lim);
}

/* The control line limit counts arguments only, holds in unfinished lines too, and never counts the line end. */
static void
the_control_line_limit_counts_the_arguments(void **state)
{
    (void)state;
    static const struct nats_limits lim = {.max_payload = 100, .max_control_line = 64, .headers = true};
    struct nats_op                  op;
    struct nats_bad                 bad;
    char                            x[128], text[256];
    static const struct {
        const char *before, *behind; /* of n_x bytes */
        size_t      n_x, off;        /* off 0: no violation */
    } rows[] = {
        {"SUB ", " 1\r\n", 62, 0},
        {"SUB ", " 1\n", 62, 0},
        {"SUB    \t  ", " 1\r\n", 62, 0},
        {"SUB ", " 1\r\n", 63, 4 + 64},
        {"SUB ", " 1 \r\n", 62, 4 + 64},
        {"SUB ", "", 64, 0},
        {"SUB ", "\r", 64, 0},
        {"SUB ", "", 65, 4 + 64},
        {"HPUB ", "", 65, 5 + 64},
        {"PUB ", " 0\r\n\r\n", 62, 0},
        {"PUB ", " 0\r\n\r\n", 63, 4 + 64},
        {"HPUB ", " 0 0\r\n\r\n", 60, 0},
        {"HPUB ", " 0 0\r\n\r\n", 61, 5 + 64},
        {"CONNECT ", "", 65, 8 + 64},
        {"CONNECT", "", 65, 7 + 64},
        {"PING", "\r\n", 64, 0},
        {"PING", "\r\n", 65, 4 + 64},
        {"PONG", "", 65, 4 + 64},
        {"+OK", "", 65, 3 + 64},
        {"-ERR ", "", 65, 5 + 64},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        fill(x, 'x', rows[i].n_x);
        (void)snprintf(text, sizeof(text), "%s%s%s", rows[i].before, x, rows[i].behind); /* fits */
        enum nats_verdict v = parse(text, &lim, &op, &bad);
        if (rows[i].off == 0) {
            assert_int_not_equal(v, NATS_BAD);
            continue;
        }
        assert_int_equal(v, NATS_BAD);
        assert_int_equal(bad.off, rows[i].off);
        assert_int_equal(bad.err, NATS_ERR_MAX_CONTROL_LINE);
        assert_int_equal(bad.closed, NATS_CLOSED_MAX_CONTROL_LINE);
        assert_int_not_equal(nats_bad_text(&bad, text, sizeof(text)), 0);
        assert_string_equal(text, "maximum control line exceeded");
    }
}

/* 05 section 9: separators before the arguments cannot be piled up either; no unfinished line outgrows NATS_LINE_MAX. */
static void
separators_are_bounded(void **state)
{
    (void)state;
    static const struct nats_limits lims[] = {
        {.max_payload = 100, .max_control_line = 32},
        {.max_payload = 100, .max_control_line = 1 << 20},
    };
    static uint8_t  text[8192];
    struct nats_op  op;
    struct nats_bad bad;

    for (size_t i = 0; i < N_ELEMS(lims); i++) {
        size_t max = min_u64(lims[i].max_control_line, NATS_SEP_MAX);
        memset(text, ' ', sizeof(text));
        memcpy(text, "CONNECT", 7);
        assert_int_equal(nats_parse(text, 7 + max, &lims[i], &op, &bad), NATS_MORE);
        assert_int_equal(nats_parse(text, 7 + max + 1, &lims[i], &op, &bad), NATS_BAD);
        assert_int_equal(bad.off, 7 + max);
        assert_int_equal(bad.err, NATS_ERR_MAX_CONTROL_LINE);
    }
    memset(text + 7 + 32, 'x', sizeof(text) - 7 - 32); /* all separators, all arguments, and a CR */
    text[7 + 32 + 32] = '\r';
    nats_check_op(text, 200, &lims[0]);
    assert_int_equal(nats_parse(text, 7 + 32 + 32 + 1, &lims[0], &op, &bad), NATS_MORE);
    assert_true(7 + 32 + 32 + 1 <= NATS_LINE_MAX(32));
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

/* Spec 01 section 19 from the client's side, in one stream. */
static void
golden_exchange_in_one_stream(void **state)
{
    (void)state;
    static const char text[] = "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"headers\":true,"
                               "\"no_responders\":true}\r\nPING\r\nSUB foo.* q 1\r\nPUB foo.a 5\r\nhello\r\n"
                               "PUB foo.a re.1 0\r\n\r\nHPUB foo.a 23 30\r\nNATS/1.0\r\nHeader: X\r\n\r\nPAYLOAD\r\n"
                               "SUB re 9\r\nPUB none re 0\r\n\r\nPINGx\r\nSUB a..b 1\r\nUNSUB 1 2\r\n\r\n";
    struct nats_check_result r = nats_check_stream((const uint8_t *)text, sizeof(text) - 1, &test_limits, 1000);

    assert_int_equal(r.n_ops, 11);
    assert_int_equal(r.n_kinds[NATS_CONNECT], 1);
    assert_int_equal(r.n_kinds[NATS_PING], 2);
    assert_int_equal(r.n_kinds[NATS_SUB], 3);
    assert_int_equal(r.n_kinds[NATS_PUB], 3);
    assert_int_equal(r.n_kinds[NATS_HPUB], 1);
    assert_int_equal(r.n_kinds[NATS_UNSUB], 1);
    assert_int_equal(r.n_tails, 4);
    assert_true(r.bad); /* the blank line at the end */
    assert_int_equal(r.why.err, NATS_ERR_UNKNOWN_OP);
    assert_int_equal(r.off, sizeof(text) - 3);
}

/* What a caller's loop does with a stream that comes in pieces of any size: keep the rest, ask again as n_bytes and n_seen
 * say. The operations must be those of the whole. Returns their number, and a hash of what they were. */
static size_t
feed(const uint8_t *text, size_t len, const struct nats_limits *lim, struct rng *rng, size_t piece_max, uint64_t *ret_hash)
{
    size_t   n_ops = 0, done = 0, have = 0, need = 1, n_seen = 0;
    uint64_t hash = 0;

    while (have < len) {
        have += min_u64(1 + rng_below(rng, piece_max), len - have);
        while (have - done >= need) {
            struct nats_op    op;
            struct nats_bad   bad;
            enum nats_verdict v = nats_parse_more(text + done, have - done, n_seen, lim, &op, &bad);
            n_seen = 0;
            need = 1;
            if (v == NATS_BAD) {
                *ret_hash = hash * 31 + bad.err * 1000 + bad.log + (done + bad.off) * 7919;
                return n_ops;
            }
            if (v == NATS_MORE) {
                need = op.n_bytes - op.exact;
                n_seen = op.n_seen;
                break;
            }
            done += op.n_bytes;
            hash = hash * 31 + op.kind * 7919 + op.n_bytes;
            n_ops++;
        }
    }
    *ret_hash = hash;
    return n_ops;
}

struct gen {
    struct rng rng;
    char       buf[1 << 13];
    size_t     len;
};

__attribute__((format(printf, 2, 3))) static void
gen_text(struct gen *g, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(g->buf + g->len, sizeof(g->buf) - g->len, format, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof(g->buf) - g->len);
    g->len += (size_t)n;
}

static bool
gen_one_in(struct gen *g, uint64_t n)
{
    return rng_below(&g->rng, n) == 0;
}

/* A token; now and then with bytes that only look like ends, now and then long. */
static void
gen_token(struct gen *g)
{
    static const char rare[] = "\x01\x0b\x0c\x1f\x7f\x80\xff*>.";
    size_t            n = 1 + rng_below(&g->rng, gen_one_in(g, 8) ? 60 : 12);

    for (size_t i = 0; i < n; i++) {
        char c = gen_one_in(g, 30) ? rare[rng_below(&g->rng, sizeof(rare) - 1)] : (char)('a' + rng_below(&g->rng, 26));
        gen_text(g, "%c", c);
    }
}

static void
gen_sep(struct gen *g)
{
    static const char *const odd[] = {"  ", "\t", " \t ", "   "};
    gen_text(g, "%s", gen_one_in(g, 12) ? odd[rng_below(&g->rng, N_ELEMS(odd))] : " ");
}

static void
gen_end(struct gen *g)
{
    gen_text(g, "%s%s", gen_one_in(g, 20) ? " " : "", gen_one_in(g, 10) ? "\n" : "\r\n");
}

static void
gen_pub(struct gen *g)
{
    bool   hpub = gen_one_in(g, 3);
    size_t size = rng_below(&g->rng, gen_one_in(g, 5) ? 300 : 40), hdr = rng_below(&g->rng, size + 1);

    gen_text(g, "%s", hpub ? "HPUB" : gen_one_in(g, 10) ? "pub" : "PUB");
    gen_sep(g);
    gen_token(g);
    if (gen_one_in(g, 3)) {
        gen_sep(g);
        gen_token(g);
    }
    if (hpub) {
        gen_sep(g);
        gen_text(g, "%0*zu", (int)(1 + rng_below(&g->rng, 4)), hdr);
    }
    gen_sep(g);
    gen_text(g, "%0*zu", (int)(1 + rng_below(&g->rng, 4)), size);
    gen_end(g);
    for (size_t i = 0; i < size; i++)
        gen_text(g, "%c", (char)(1 + rng_below(&g->rng, 255)));
    gen_text(g, "\r\n");
}

/* One operation as clients may write it. */
static void
gen_op(struct gen *g)
{
    static const char *const lines[] = {"PING", "PONG", "+OK", "PINGjunk", "CONNECT {\"verbose\":false}", "INFO {}", "ping"};

    switch (rng_below(&g->rng, 8)) {
    case 0:
        gen_text(g, "SUB");
        gen_sep(g);
        gen_token(g);
        if (gen_one_in(g, 3)) {
            gen_sep(g);
            gen_token(g);
        }
        gen_sep(g);
        gen_text(g, "%u", (unsigned)rng_below(&g->rng, 100000));
        gen_end(g);
        return;
    case 1:
        gen_text(g, "UNSUB ");
        gen_token(g);
        if (gen_one_in(g, 2))
            gen_text(g, " %u", (unsigned)rng_below(&g->rng, 100));
        gen_end(g);
        return;
    case 2:
        gen_text(g, "%s", lines[rng_below(&g->rng, N_ELEMS(lines))]);
        gen_text(g, "\r\n");
        return;
    default: gen_pub(g);
    }
}

/* Flip, drop, double or insert a byte that matters. */
static void
gen_damage(struct gen *g)
{
    static const char bytes[] = "\r\n \t0PHS\xff\x01";
    size_t            at = rng_below(&g->rng, g->len);
    char              c = bytes[rng_below(&g->rng, sizeof(bytes) - 1)];

    switch (rng_below(&g->rng, 3)) {
    case 0: g->buf[at] = c; break;
    case 1:
        memmove(g->buf + at, g->buf + at + 1, g->len - at - 1);
        g->len--;
        break;
    default:
        memmove(g->buf + at + 1, g->buf + at, g->len - at);
        g->buf[at] = c;
        g->len++;
    }
}

/* The seed of a property: PROTO_SEED replays one. */
static uint64_t
test_seed(uint64_t i)
{
    const char *s = getenv("PROTO_SEED");
    return s != NULL ? strtoull(s, NULL, 0) : 0x6d69646765 + i;
}

static size_t
test_rounds(void)
{
    return getenv("PROTO_SEED") != NULL ? 1 : 60;
}

/* Fails with the seed on the screen. */
#define expect(fact)                                                                                      \
    do {                                                                                                  \
        if (!(fact)) {                                                                                    \
            print_error("PROTO_SEED=%#llx replays it\n", (unsigned long long)nats_check_seed);            \
            assert_true(fact);                                                                            \
        }                                                                                                 \
    } while (0)

/* 05 R12: streams as clients write them: all of it parses, every split agrees, so does a caller's loop. */
static void
r12_valid_streams_parse_the_same_however_they_are_split(void **state)
{
    (void)state;
    static struct gen g;

    for (size_t i = 0; i < test_rounds(); i++) {
        uint64_t whole = 0, hash = 0;
        nats_check_seed = test_seed(i);
        rng_init(&g.rng, nats_check_seed);
        g.len = 0;
        size_t n_ops = 1 + rng_below(&g.rng, 12);
        for (size_t k = 0; k < n_ops; k++)
            gen_op(&g);
        struct nats_check_result r = nats_check_stream((uint8_t *)g.buf, g.len, &test_limits, 1000);
        expect(!r.bad && r.n_ops == n_ops && r.off == g.len);
        expect(feed((uint8_t *)g.buf, g.len, &test_limits, &g.rng, g.len, &whole) == n_ops);
        for (size_t piece = 1; piece < 40; piece += 3) {
            expect(feed((uint8_t *)g.buf, g.len, &test_limits, &g.rng, piece, &hash) == n_ops);
            expect(hash == whole);
        }
    }
    nats_check_seed = 0;
}

/* 05 R12: the same for damaged streams, under limits small enough to be met. */
static void
r12_damaged_streams_parse_the_same_however_they_are_split(void **state)
{
    (void)state;
    static struct gen               g;
    static const struct nats_limits lims[] = {
        {.max_payload = 1048576, .max_control_line = 4096, .headers = true},
        {.max_payload = 20, .max_control_line = 24, .headers = false},
        {.max_payload = -1, .max_control_line = 64, .headers = true},
    };
    size_t n_bad = 0;

    for (size_t i = 0; i < test_rounds() * 10; i++) {
        uint64_t whole = 0, hash = 0;
        nats_check_seed = test_seed(1000 + i);
        rng_init(&g.rng, nats_check_seed);
        g.len = 0;
        const struct nats_limits *lim = &lims[rng_below(&g.rng, N_ELEMS(lims))];
        for (size_t k = 1 + rng_below(&g.rng, 4); k > 0; k--)
            gen_op(&g);
        for (size_t k = 1 + rng_below(&g.rng, 3); k > 0; k--)
            gen_damage(&g);
        struct nats_check_result r = nats_check_stream((uint8_t *)g.buf, g.len, lim, 1000);
        n_bad += r.bad;
        expect(feed((uint8_t *)g.buf, g.len, lim, &g.rng, 1, &whole) == r.n_ops);
        for (size_t piece = 2; piece < 40; piece += 5) {
            expect(feed((uint8_t *)g.buf, g.len, lim, &g.rng, piece, &hash) == r.n_ops);
            expect(hash == whole);
        }
    }
    nats_check_seed = 0;
    assert_true(getenv("PROTO_SEED") != NULL || n_bad > test_rounds() * 4); /* else the damage is none */
}

/* Streams to one subject, with all that ends a run in between: nats_check_stream holds each that is found against nats_parse. */
static void
publishes_that_repeat_are_found(void **state)
{
    (void)state;
    static struct gen               g;
    static const struct nats_limits lims[] = {
        {.max_payload = 1048576, .max_control_line = 4096, .headers = true},
        {.max_payload = 30, .max_control_line = 12, .headers = true}, /* room for a few digits */
        {.max_payload = -1, .max_control_line = 64, .headers = true},
    };
    size_t n_pubs = 0, n_runs = 0;

    for (size_t i = 0; i < test_rounds() * 10; i++) {
        static const char *const subjects[] = {"a", "ab", "foo.bar", "foo.bar.baz-qux.0123456789.0123456789"};
        nats_check_seed = test_seed(5000 + i);
        rng_init(&g.rng, nats_check_seed);
        g.len = 0;
        const char *subject = subjects[rng_below(&g.rng, N_ELEMS(subjects))];
        for (size_t k = 2 + rng_below(&g.rng, 12); k > 0; k--) {
            if (gen_one_in(&g, 12)) {
                gen_op(&g);
                continue;
            }
            size_t size = rng_below(&g.rng, gen_one_in(&g, 8) ? 200 : 25);
            gen_text(&g, "%s %s%s %s%0*zu\r\n", gen_one_in(&g, 20) ? "pub" : "PUB", subject, gen_one_in(&g, 20) ? "x" : "", gen_one_in(&g, 20) ? "re " : "",
                     (int)(gen_one_in(&g, 5) ? rng_below(&g.rng, 12) : 1), size);
            for (size_t b = 0; b < size; b++)
                gen_text(&g, "%c", (char)(1 + rng_below(&g.rng, 255)));
            gen_text(&g, "\r\n");
        }
        if (gen_one_in(&g, 2))
            gen_damage(&g);
        struct nats_check_result r = nats_check_stream((uint8_t *)g.buf, g.len, &lims[rng_below(&g.rng, N_ELEMS(lims))], 1000);
        n_pubs += r.n_kinds[NATS_PUB];
        n_runs += r.n_runs;
    }
    nats_check_seed = 0;
    assert_true(getenv("PROTO_SEED") != NULL || n_runs > n_pubs / 2);
}

/* A canonical operation with all its bytes, and at least 16 of them: the short cut takes it, and does not leave it to the slow
 * path, which would be right too, but slower. */
static void
assert_quick(const char *text, size_t n_op, size_t len)
{
    struct nats_op    op;
    struct nats_bad   bad;
    enum nats_verdict v = NATS_MORE;

    for (size_t n = n_op; n <= len; n++) {
        if (n < 16 || !nats_has_quick)
            continue;
        assert_true(nats_parse_quick((const uint8_t *)text, n, &test_limits, &op, &bad, &v));
        assert_int_equal(v, NATS_OP);
        assert_int_equal(op.n_bytes, n_op);
    }
}

/* The short cut at every distance of the operation from the end of the buffer, for every length of subject and reply: the
 * last window is loaded backwards. */
static void
the_short_cut_agrees_at_every_distance_from_the_end(void **state)
{
    (void)state;
    char text[512], subject[128], reply[128];

    for (size_t n = 1; n < 100; n += n < 40 ? 1 : 7) {
        for (size_t m = 0; m < 70; m += m < 3 ? 1 : 11) {
            fill(subject, 's', n);
            fill(reply, 'r', m);
            int len = snprintf(text, sizeof(text), "PUB %s %s%s0\r\n\r\nPING\r\n", subject, reply, m > 0 ? " " : "");
            nats_check_op((uint8_t *)text, (size_t)len, &test_limits);
            assert_quick(text, (size_t)len - 6, (size_t)len);
            len = snprintf(text, sizeof(text), "HPUB %s %s%s1 3\r\nabc\r\nPING\r\n", subject, reply, m > 0 ? " " : "");
            nats_check_op((uint8_t *)text, (size_t)len, &test_limits);
            assert_quick(text, (size_t)len - 6, (size_t)len);
        }
    }
}

/* A short line among the longest ones, in drops: the time is bounded by n_seen, the answer is the same. */
static void
a_long_line_in_drops_is_searched_once(void **state)
{
    (void)state;
    enum { LEN = 1 << 20 };
    struct nats_limits lim = {.max_payload = 100, .max_control_line = LEN, .headers = true};
    uint8_t           *text = malloc(LEN);
    size_t             n_seen = 0;
    struct nats_op     op;
    struct nats_bad    bad;

    assert_non_null(text);
    memset(text, 'x', LEN);
    memcpy(text, "CONNECT ", 8);
    memcpy(text + LEN - 2, "\r\n", 2);
    for (size_t len = 1; len < LEN; len++) { /* searched from the start each time this would be 5 * 10^11 bytes */
        assert_int_equal(nats_parse_more(text, len, n_seen, &lim, &op, &bad), NATS_MORE);
        n_seen = op.n_seen;
        assert_int_equal(n_seen, len);
    }
    assert_int_equal(nats_parse_more(text, LEN, n_seen, &lim, &op, &bad), NATS_OP);
    assert_int_equal(op.args_len, LEN - 10);
    free(text);
}

/* The log text is cut at the buffer, and stays a string. */
static void
log_texts_are_cut(void **state)
{
    (void)state;
    struct nats_op  op;
    struct nats_bad bad;
    char            log[40];

    assert_int_equal(parse("PUB \x01\x01\x01\x01\x01\x01\x01\x01\r\n", &test_limits, &op, &bad), NATS_BAD);
    for (size_t cap = 1; cap <= sizeof(log); cap++) {
        memset(log, 'z', sizeof(log));
        size_t n = nats_bad_text(&bad, log, cap);
        assert_true(n < cap);
        assert_int_equal(strlen(log), n);
        assert_true(n <= 25 || (n - 25) % 4 == 0); /* "processPub Parse Error: " and a quote, then whole escapes */
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pub_and_hpub_are_taken_apart),
        cmocka_unit_test(other_verbs_are_taken_apart),
        cmocka_unit_test(nul_bytes_are_ordinary),
        cmocka_unit_test(unknown_verbs_end_at_their_first_wrong_byte),
        cmocka_unit_test(tob_nats_5_a_bare_cr_is_an_error_for_every_split),
        cmocka_unit_test(a_payload_ends_in_crlf),
        cmocka_unit_test(the_subject_is_known_before_the_payload),
        cmocka_unit_test(wrong_arguments_close_silently),
        cmocka_unit_test(a1_sizes_are_up_to_nine_digits_and_judged_at_the_line_end),
        cmocka_unit_test(hpub_without_headers_closes_silently),
        cmocka_unit_test(the_control_line_limit_counts_the_arguments),
        cmocka_unit_test(separators_are_bounded),
        cmocka_unit_test(golden_exchange_in_one_stream),
        cmocka_unit_test(r12_valid_streams_parse_the_same_however_they_are_split),
        cmocka_unit_test(r12_damaged_streams_parse_the_same_however_they_are_split),
        cmocka_unit_test(publishes_that_repeat_are_found),
        cmocka_unit_test(the_short_cut_agrees_at_every_distance_from_the_end),
        cmocka_unit_test(a_long_line_in_drops_is_searched_once),
        cmocka_unit_test(log_texts_are_cut),
    };
    return cmocka_run_group_tests_name("nats", tests, NULL, NULL);
}
