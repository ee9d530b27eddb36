/* Tests of nats_connect.h. What is taken and what is refused was asked of nats-server 2.14.5 row by row. */
#include "proto/nats_connect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/util.h"

static enum err
decode(struct nats_connect *c, const char *text)
{
    struct json_why why;
    size_t          len = strlen(text);
    uint8_t        *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    memcpy(copy, text, len);
    enum err e = nats_connect_decode(c, copy, len, &why);
    memset(copy, '#', len); /* nothing may point into it */
    free(copy);
    if (e != OK)
        assert_non_null(why.what);
    return e;
}

static void
assert_str(struct json_str s, const char *want)
{
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.ptr, want, s.len + 1);
}

static void
assert_defaults(const struct nats_connect *c)
{
    assert_true(c->verbose && c->pedantic && c->echo);
    assert_false(c->tls_required || c->headers || c->no_responders || c->new_account);
    assert_int_equal(c->protocol, 0);
    assert_str(c->user, "");
    assert_str(c->jwt, "");
    assert_str(c->account, "");
    assert_null(c->strings);
}

/* Spec 01 section 3.2: every field, its default, and what stands for "nothing said". */
static void
every_field_is_decoded_over_its_default(void **state)
{
    (void)state;
    struct nats_connect c;

    nats_connect_init(&c);
    assert_defaults(&c);
    const char *const empty[] = {"{}", "null", " {} \t", "{\"verbose\":null,\"protocol\":null,\"user\":null}", "{\"other\":[1]}"};
    for (size_t i = 0; i < N_ELEMS(empty); i++) {
        assert_int_equal(decode(&c, empty[i]), OK);
        assert_defaults(&c);
    }
    assert_int_equal(decode(&c, "{\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"echo\":false,\"protocol\":1,"
                                "\"headers\":true,\"no_responders\":true,\"name\":\"N\",\"lang\":\"L\",\"version\":\"V\","
                                "\"user\":\"U\",\"pass\":\"P\",\"auth_token\":\"T\",\"nkey\":\"K\",\"sig\":\"S\",\"jwt\":\"J\","
                                "\"proxy_sig\":\"X\",\"account\":\"A\",\"new_account\":true}"), OK);
    assert_false(c.verbose || c.pedantic || c.echo);
    assert_true(c.tls_required && c.headers && c.no_responders && c.new_account);
    assert_int_equal(c.protocol, 1);
    assert_str(c.name, "N");
    assert_str(c.lang, "L");
    assert_str(c.version, "V");
    assert_str(c.user, "U");
    assert_str(c.pass, "P");
    assert_str(c.auth_token, "T");
    assert_str(c.nkey, "K");
    assert_str(c.sig, "S");
    assert_str(c.jwt, "J");
    assert_str(c.proxy_sig, "X");
    assert_str(c.account, "A"); /* spec 05 A8: the caller refuses the connection on either of the two */
    nats_connect_fini(&c);
    assert_defaults(&c);
    nats_connect_fini(&c);
}

/* A repeated CONNECT is decoded over the one before; one that fails changes nothing. */
static void
a_repeated_connect_is_decoded_over_the_last(void **state)
{
    (void)state;
    struct nats_connect c;

    nats_connect_init(&c);
    assert_int_equal(decode(&c, "{\"verbose\":false,\"user\":\"one\",\"pass\":\"secret\",\"protocol\":1}"), OK);
    assert_int_equal(decode(&c, "{\"echo\":false,\"user\":\"second\",\"name\":\"n\"}"), OK);
    assert_false(c.verbose || c.echo);
    assert_int_equal(c.protocol, 1);
    assert_str(c.user, "second");
    assert_str(c.pass, "secret");
    assert_str(c.name, "n");
    assert_int_equal(decode(&c, "{\"user\":\"third\",\"pass\":\"x\",\"verbose\":5}"), ERR_INVAL);
    assert_int_equal(decode(&c, "{\"user\":\"third\",\"pass\":\"x\"} x"), ERR_SYNTAX);
    assert_str(c.user, "second");
    assert_str(c.pass, "secret");
    assert_int_equal(decode(&c, "{\"user\":\"\"}"), OK);
    assert_str(c.user, "");
    assert_str(c.pass, "secret");
    nats_connect_fini(&c);
}

/* A secret is gone from our memory when it is wiped, and the rest is not. */
static void
f4_secrets_are_wiped(void **state)
{
    (void)state;
    struct nats_connect c;

    nats_connect_init(&c);
    assert_int_equal(decode(&c, "{\"user\":\"U\",\"pass\":\"canary1\",\"auth_token\":\"canary2\",\"sig\":\"canary3\",\"jwt\":\"canary4\","
                                "\"proxy_sig\":\"canary5\",\"nkey\":\"K\"}"), OK);
    assert_non_null(memmem(c.strings, c.strings_len, "canary1", 7));
    nats_connect_wipe_secrets(&c);
    assert_null(memmem(c.strings, c.strings_len, "canary", 6));
    assert_str(c.pass, "");
    assert_str(c.jwt, "");
    assert_str(c.user, "U");
    assert_str(c.nkey, "K");
    nats_connect_wipe_secrets(&c); /* nothing left to wipe */
    assert_int_equal(decode(&c, "{}"), OK);
    assert_str(c.user, "U");
    nats_connect_fini(&c);
}

struct row {
    const char *text;
    enum err    want;
};

/* Spec 01 section 3.2: what closes silently. */
static void
wrong_json_and_wrong_types_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", ERR_SYNTAX},
        {" ", ERR_SYNTAX},
        {"x", ERR_SYNTAX},
        {"{} x", ERR_SYNTAX},
        {"{}{}", ERR_SYNTAX},
        {"{\"verbose\":false,}", ERR_SYNTAX},
        {"{\"verbose\":false", ERR_SYNTAX},
        {"[]", ERR_INVAL},
        {"5", ERR_INVAL},
        {"\"x\"", ERR_INVAL},
        {"{\"verbose\":\"x\"}", ERR_INVAL},
        {"{\"verbose\":1}", ERR_INVAL},
        {"{\"protocol\":1.0}", ERR_INVAL},
        {"{\"protocol\":1e0}", ERR_INVAL},
        {"{\"protocol\":\"1\"}", ERR_INVAL},
        {"{\"protocol\":9223372036854775808}", ERR_RANGE},
        {"{\"protocol\":9223372036854775807}", OK}, /* the caller refuses it with its own -ERR */
        {"{\"protocol\":-0}", OK},
        {"{\"name\":5,\"Name\":\"a\"}", ERR_INVAL},
        {"{\"name\":\"a\",\"Name\":5}", ERR_INVAL},
        {"{\"\xc5\xbfig\":5}", ERR_INVAL},     /* long s: it is `sig` */
        {"{\"n\xe2\x84\xaa" "ey\":5}", ERR_INVAL}, /* Kelvin sign: it is `nkey` */
        {"{\"account\":5}", ERR_INVAL},
        {"{\"new_account\":5}", ERR_INVAL},
        {"{\"jwt\":5}", ERR_INVAL},
        {"{\"proxy_sig\":{}}", ERR_INVAL},
        {"{\"remote_account\":5}", ERR_INVAL},
        {"{\"remote_account\":\"x\"}", OK},
        {"{\"import\":5}", ERR_INVAL},
        {"{\"import\":null,\"export\":{}}", OK},
        {"{\"export\":[]}", ERR_INVAL},
        {"{\"import\":{\"allow\":5}}", ERR_INVAL},
        {"{\"import\":{\"allow\":[\"a\"],\"deny\":[5]}}", ERR_INVAL},
        {"{\"import\":{\"allow\":[\"a\"],\"deny\":[]}}", OK},
        {"{\"server\":5,\"cluster\":5,\"\":5}", OK},
        {"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", OK},
        {"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", ERR_LIMIT},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct nats_connect c;
        nats_connect_init(&c);
        if (decode(&c, rows[i].text) != rows[i].want)
            fail_msg("row %zu: %s", i, rows[i].text);
        if (rows[i].want != OK)
            assert_defaults(&c);
        nats_connect_fini(&c);
    }
}

/* Spec 05 C6: the value that decides is the last one that is not null, in any letter case. */
static void
c6_the_last_value_decides(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"{\"name\":\"a\",\"name\":\"b\"}", "b"},
        {"{\"name\":\"a\",\"NAME\":\"b\"}", "b"},
        {"{\"NAME\":\"a\",\"name\":\"b\"}", "b"},
        {"{\"name\":\"a\",\"NAME\":null}", "a"},
        {"{\"n\\u0061me\":\"esc\"}", "esc"},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct nats_connect c;
        nats_connect_init(&c);
        assert_int_equal(decode(&c, rows[i].text), OK);
        assert_str(c.name, rows[i].name);
        nats_connect_fini(&c);
    }
    struct nats_connect c;
    nats_connect_init(&c);
    assert_int_equal(decode(&c, "{\"user\":\"a\\u0000b\"}"), OK); /* not cut at the NUL */
    assert_int_equal(c.user.len, 3);
    assert_memory_equal(c.user.ptr, "a\0b", 4);
    nats_connect_fini(&c);
}

/* Spec 05 A2, H10: what is shown has the known keys only, and no secret; what cannot be decoded is not shown at all. */
static void
h10_a2_what_is_logged_holds_no_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{\"verbose\":false,\"user\":\"u\",\"pass\":\"canary\",\"lang\":\"go\"}",
            "{\"verbose\":false,\"user\":\"u\",\"pass\":\"[REDACTED]\",\"lang\":\"go\"}"},
        {"{\"auth_token\":\"canary\",\"SIG\":\"canary\",\"nKey\":\"canary\",\"jwt\":\"canary\",\"proxy_sig\":\"canary\"}",
            "{\"auth_token\":\"[REDACTED]\",\"sig\":\"[REDACTED]\",\"nkey\":\"[REDACTED]\",\"jwt\":\"[REDACTED]\","
            "\"proxy_sig\":\"[REDACTED]\"}"},
        {"{\"\xc5\xbfig\":\"canary\",\"p\\u0061ss\":\"canary\"}", "{\"sig\":\"[REDACTED]\",\"pass\":\"[REDACTED]\"}"},
        {"{\"pass\":\"canary\",\"pass\":\"canary\"}", "{\"pass\":\"[REDACTED]\",\"pass\":\"[REDACTED]\"}"},
        {"{\"tls\":{\"key\":\"canary\"},\"seed\":\"canary\",\"password\":\"canary\",\"protocol\":1}", "{\"protocol\":1}"},
        {"{\"name\":\"a\\n\\u001b[31m\\\"\",\"echo\":null}", "{\"name\":\"a\\n\\u001b[31m\\\"\",\"echo\":null}"},
        {"{\"name\":\"\x7f\xc2\x9b\xe2\x80\xae\xf0\x9f\x90\x9d\xff\"}", "{\"name\":\"\\u007f\\u009b\\u202e\\ud83d\\udc1d\\ufffd\"}"},
        {"{}", "{}"},
        {" { } ", "{}"},
        {"null", "[REDACTED]"},
        {"\"canary\"", "[REDACTED]"},
        {"{\"pass\":\"canary\"", "[REDACTED]"},
        {"{\"user\":{\"pass\":\"canary\"}}", "[REDACTED]"},
        {"canary", "[REDACTED]"},
        {"", "[REDACTED]"},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        char   buf[256], cut[256];
        size_t n = nats_connect_redact((const uint8_t *)rows[i].text, strlen(rows[i].text), buf, sizeof(buf));
        assert_string_equal(buf, rows[i].want);
        assert_int_equal(n, strlen(rows[i].want));
        for (size_t cap = 1; cap < n; cap += 7) {
            assert_true(nats_connect_redact((const uint8_t *)rows[i].text, strlen(rows[i].text), cut, cap) < cap);
            assert_memory_equal(cut, buf, strlen(cut));
        }
    }
}

/* Spec 05 C8: without memory *c is what it was. */
static void
c8_no_memory_changes_nothing(void **state)
{
    (void)state;
    struct nats_connect c;

    nats_connect_init(&c);
    assert_int_equal(decode(&c, "{\"user\":\"one\"}"), OK);
    for (int64_t n = 0;; n++) {
        fault_arm(n);
        enum err e = decode(&c, "{\"user\":\"two\",\"pass\":\"p\"}");
        if (!fault_disarm())
            break;
        assert_int_equal(e, ERR_NOMEM);
        assert_str(c.user, "one");
    }
    assert_str(c.user, "two");
    fault_arm(0);
    char   buf[64];
    size_t len = nats_connect_redact((const uint8_t *)"{}", 2, buf, sizeof(buf));
    assert_string_equal(buf, fault_disarm() ? "[REDACTED]" : "{}");
    assert_int_equal(len, strlen(buf));
    nats_connect_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_decoded_over_its_default),
        cmocka_unit_test(a_repeated_connect_is_decoded_over_the_last),
        cmocka_unit_test(f4_secrets_are_wiped),
        cmocka_unit_test(wrong_json_and_wrong_types_are_refused),
        cmocka_unit_test(c6_the_last_value_decides),
        cmocka_unit_test(h10_a2_what_is_logged_holds_no_secrets),
        cmocka_unit_test(c8_no_memory_changes_nothing),
    };
    return cmocka_run_group_tests_name("nats_connect", tests, NULL, NULL);
}
