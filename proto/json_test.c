/* Tests of json.h, json_write.h and utf8.h: the grammar, the rules of Go's decoder, and cJSON as a second opinion on what
 * both of them read. */
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"
#include "proto/json_write.h"
#include "proto/utf8.h"

/* Parse from an allocation of exactly len bytes, so that a read behind it is seen. */
static enum err
parse_n(const char *text, size_t len, struct json **ret_doc, struct json_why *why)
{
    uint8_t *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    memcpy(copy, text, len);
    enum err e = json_parse(copy, len, JSON_SIZE_MAX, ret_doc, why);
    free(copy);
    return e;
}

static enum err
parse(const char *text, struct json **ret_doc)
{
    struct json_why why;
    enum err        e = parse_n(text, strlen(text), ret_doc, &why);

    if (e != OK)
        assert_non_null(why.what);
    return e;
}

static struct json *
parsed(const char *text)
{
    struct json *doc = NULL;

    assert_int_equal(parse(text, &doc), OK);
    return doc;
}

/* RFC 8259 to the letter; spec 05 C6: trailing bytes are rejected. */
static void
c6_the_grammar_is_rfc_8259(void **state)
{
    (void)state;
    static const char *const good[] = {"null", "true", "false", "0", "-0", "-1", "12345678901234567890123", "1.5", "0.0e+10",
        "1E-2", "\"\"", "[]", "{}", "[[],{}]", " \t\r\n[ 1 , 2 ]\n", "{\"a\":{\"b\":[1,{\"c\":null}]},\"a\":2}", "{\"\":1}",
        "\"\\u00e9\\/\\\"\"", "\"\x7f\"", "1e999"};
    static const char *const bad[] = {"", " ", "nul", "nulll", "True", "tru", "+1", "01", "-", "-a", "1.", ".5", "1.e5", "1e",
        "1e+", "0x10", "NaN", "Infinity", "-Infinity", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "{", "}", "{]",
        "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1]", "{,}", "\"",
        "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u123", "\"\\ud800\\u\"", "\"\\U0041\"",
        "\"a\tb\"", "\"a\nb\"", "\"\x1f\"", "'a'", "{} x", "{}{}", "1 2", "null\v", "\xef\xbb\xbf{}", "\f1", "// c\n1", "[1]]",
        "{\"a\":1}}", ("\xc2\xa0" "1")};

    for (size_t i = 0; i < N_ELEMS(good); i++)
        json_free(parsed(good[i]));
    for (size_t i = 0; i < N_ELEMS(bad); i++) {
        struct json *doc = NULL;
        if (parse(bad[i], &doc) != ERR_SYNTAX)
            fail_msg("taken: %s", bad[i]);
        assert_null(doc);
    }
    struct json    *doc = NULL;
    struct json_why why;
    assert_int_equal(parse_n("\"a\0b\"", 5, &doc, &why), ERR_SYNTAX); /* a NUL is a control character, and no end */
    assert_int_equal(parse_n("null\0", 5, &doc, &why), ERR_SYNTAX);
    assert_int_equal(why.off, 4);
}

/* Every prefix of a document but the whole of it is a syntax error. */
static void
every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\\n\xc3\xa9\",true,false,null,{}],\"b\":{\"c\":[]}}";
    struct json      *doc = NULL;
    struct json_why   why;

    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_int_equal(parse_n(text, n, &doc, &why), ERR_SYNTAX);
    assert_int_equal(parse_n(text, sizeof(text) - 1, &doc, &why), OK);
    json_free(doc);
}

/* Spec 05 C6, C12: depth is bounded, whatever the size; so is the size. */
static void
c6_depth_and_size_are_bounded(void **state)
{
    (void)state;
    static uint8_t  text[100000];
    struct json    *doc = NULL;
    struct json_why why;

    for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        enum err e = json_parse(text, 2 * depth, sizeof(text), &doc, &why);
        assert_int_equal(e, depth <= JSON_DEPTH_MAX ? OK : ERR_LIMIT);
        if (e == OK)
            json_free(doc);
    }
    memset(text, '[', sizeof(text));
    assert_int_equal(json_parse(text, sizeof(text), sizeof(text), &doc, &why), ERR_LIMIT);
    assert_int_equal(why.off, JSON_DEPTH_MAX);
    assert_int_equal(json_parse((const uint8_t *)"[1]", 3, 3, &doc, &why), OK);
    json_free(doc);
    assert_int_equal(json_parse((const uint8_t *)"[1]", 3, 2, &doc, &why), ERR_LIMIT);
}

struct str_row {
    const char *text, *want;
    size_t      len; /* 0: strlen(want) */
};

/* Strings as Go decodes them: wrong UTF-8 and lone surrogates are replaced, NUL stays. Each row was asked of nats-server
 * 2.14.5 with a client's name. */
static void
c6_strings_decode_as_the_reference_does(void **state)
{
    (void)state;
#define BAD "\xef\xbf\xbd"
    static const struct str_row rows[] = {
        {"\"\"", "", 0},
        {"\"a\\u0000b\"", "a\0b", 3},
        {"\"a\x7f" "b\"", "a\x7f" "b", 0},
        {"\"\\/\\b\\f\\n\\r\\t\\\\ \\\"\"", "/\b\f\n\r\t\\ \"", 0},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac", 0},
        {"\"a\xff" "b\"", "a" BAD "b", 0},
        {"\"a\xe2\x82" "b\"", "a" BAD BAD "b", 0},
        {"\"a\xf0\x9f\x98" "b\"", "a" BAD BAD BAD "b", 0},
        {"\"a\xf0\x9f\x98\"", "a" BAD BAD BAD, 0},
        {"\"a\xed\xa0\x80" "b\"", "a" BAD BAD BAD "b", 0},
        {"\"\xf4\x90\x80\x80\xc0\x80\"", BAD BAD BAD BAD BAD BAD, 0},
        {"\"\xf4\x8f\xbf\xbf\xef\xbf\xbd\"", "\xf4\x8f\xbf\xbf" BAD, 0},
        {"\"\\ud800x\"", BAD "x", 0},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 0},
        {"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 0},
        {"\"\\ud83d\\u0041\"", BAD "A", 0},
        {"\"\\ud83d\\ud83d\\ude00\"", BAD "\xf0\x9f\x98\x80", 0},
        {"\"\\udc00\\ud800\"", BAD BAD, 0},
        {"\"\\ud83d\\n\"", BAD "\n", 0},
        {"\"\\ud83d\"", BAD, 0},
    };
#undef BAD

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct json    *doc = parsed(rows[i].text);
        struct json_str s = {0};
        assert_int_equal(json_to_str(json_root(doc), &s), OK);
        assert_int_equal(s.len, rows[i].len != 0 ? rows[i].len : strlen(rows[i].want));
        assert_memory_equal(s.ptr, rows[i].want, s.len + 1); /* and the NUL behind it */
        json_free(doc);
    }
}

struct int_row {
    const char *text;
    enum err    as_i64, as_u64;
    int64_t     i64;
    uint64_t    u64;
};

/* Spec 05 C6: integers come from their digits; 2^53 + 1 and the ends of 64 bits are exact. */
static void
c6_integers_never_pass_through_a_double(void **state)
{
    (void)state;
    static const struct int_row rows[] = {
        {"0", OK, OK, 0, 0},
        {"-0", OK, ERR_RANGE, 0, 0},
        {"1", OK, OK, 1, 1},
        {"-1", OK, ERR_RANGE, -1, 0},
        {"9007199254740993", OK, OK, 9007199254740993, 9007199254740993},
        {"-9007199254740993", OK, ERR_RANGE, -9007199254740993, 0},
        {"9223372036854775807", OK, OK, INT64_MAX, INT64_MAX},
        {"-9223372036854775808", OK, ERR_RANGE, INT64_MIN, 0},
        {"9223372036854775808", ERR_RANGE, OK, 0, UINT64_C(9223372036854775808)},
        {"-9223372036854775809", ERR_RANGE, ERR_RANGE, 0, 0},
        {"18446744073709551615", ERR_RANGE, OK, 0, UINT64_MAX},
        {"18446744073709551616", ERR_RANGE, ERR_RANGE, 0, 0},
        {"99999999999999999999999999999999999999", ERR_RANGE, ERR_RANGE, 0, 0},
        {"1.0", ERR_INVAL, ERR_INVAL, 0, 0},
        {"1e0", ERR_INVAL, ERR_INVAL, 0, 0},
        {"1E2", ERR_INVAL, ERR_INVAL, 0, 0},
        {"\"1\"", ERR_INVAL, ERR_INVAL, 0, 0},
        {"true", ERR_INVAL, ERR_INVAL, 0, 0},
        {"[1]", ERR_INVAL, ERR_INVAL, 0, 0},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct json *doc = parsed(rows[i].text);
        int64_t      i64 = 4711;
        uint64_t     u64 = 4711;
        assert_int_equal(json_to_i64(json_root(doc), INT64_MIN, INT64_MAX, &i64), rows[i].as_i64);
        assert_int_equal(json_to_u64(json_root(doc), UINT64_MAX, &u64), rows[i].as_u64);
        assert_true(i64 == (rows[i].as_i64 == OK ? rows[i].i64 : 4711)); /* nothing is written on failure */
        assert_true(u64 == (rows[i].as_u64 == OK ? rows[i].u64 : 4711));
        json_free(doc);
    }
    struct json *doc = parsed("[5,null]");
    int64_t      v = 7;
    uint64_t     u = 7;
    assert_int_equal(json_to_i64(json_first(json_root(doc)), 6, 9, &v), ERR_RANGE);
    assert_int_equal(json_to_i64(json_first(json_root(doc)), -9, 4, &v), ERR_RANGE);
    assert_int_equal(json_to_u64(json_first(json_root(doc)), 4, &u), ERR_RANGE);
    assert_int_equal(json_to_u64(json_next(json_first(json_root(doc))), 4, &u), OK);
    assert_int_equal(json_to_i64(json_next(json_first(json_root(doc))), 8, 9, &v), OK);
    assert_true(v == 7 && u == 7); /* null changes nothing */
    json_free(doc);
}

/* Keys match in any letter case and the two foldings above ASCII that Go knows; the last one that is not null wins. */
static void
c6_keys_fold_and_the_last_one_wins(void **state)
{
    (void)state;
    struct json *doc = parsed("{\"NAME\":1,\"name\":2,\"Name\":null,\"n\\u0061mE\":3,\"\xc5\xbf\xe2\x84\xaa" "y\":4,"
                              "\"nam\":5,\"names\":6,\"name\\u0000\":7,\"none\":null,\"NaMe\":null,\"sub\":{\"name\":8}}");
    const struct json_node *root = json_root(doc);
    int64_t                 v = 0;

    assert_int_equal(json_to_i64(json_get(root, "name"), 0, 9, &v), OK);
    assert_int_equal(v, 3);
    assert_int_equal(json_to_i64(json_get(root, "sky"), 0, 9, &v), OK);
    assert_int_equal(v, 4);
    assert_int_equal(json_type(json_get(root, "none")), JSON_NULL);
    assert_null(json_get(root, "nam\xc3\xa9"));
    assert_null(json_get(root, ""));
    assert_null(json_get(json_get(root, "none"), "name"));
    assert_int_equal(json_to_i64(json_get(json_get(root, "sub"), "name"), 0, 9, &v), OK);
    assert_int_equal(v, 8);
    json_free(doc);
}

struct target {
    bool                    b;
    int64_t                 i;
    uint64_t                u;
    struct json_str         s;
    const struct json_node *obj, *arr;
};

static const struct json_field target_fields[] = {
    {"b", offsetof(struct target, b), JSON_K_BOOL},
    {"i", offsetof(struct target, i), JSON_K_I64},
    {"u", offsetof(struct target, u), JSON_K_U64},
    {"s", offsetof(struct target, s), JSON_K_STR},
    {"obj", offsetof(struct target, obj), JSON_K_OBJECT},
    {"arr", offsetof(struct target, arr), JSON_K_ARRAY},
    {"checked", JSON_NO_OFF, JSON_K_STR},
};

/* A table decodes as Go into a tagged struct: every occurrence is checked, null and unknown keys change nothing. */
static void
c6_a_table_decodes_an_object(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bad; /* bad: the field refused; NULL: none */
    } rows[] = {
        {"{\"b\":1}", "b"},
        {"{\"i\":1.0}", "i"},
        {"{\"u\":-1}", "u"},
        {"{\"s\":5}", "s"},
        {"{\"obj\":[]}", "obj"},
        {"{\"arr\":{}}", "arr"},
        {"{\"checked\":5}", "checked"},
        {"{\"b\":\"x\",\"b\":true}", "b"}, /* an early one of the wrong type is not saved by a later one */
        {"{\"b\":true,\"B\":5}", "b"},
        {"{\"i\":9223372036854775808}", "i"},
        {"{}", NULL},
        {"null", NULL},
        {"{\"x\":5,\"y\":[{\"b\":1}]}", NULL},
        {"{\"b\":null,\"i\":null,\"u\":null,\"s\":null,\"obj\":null,\"arr\":null,\"checked\":null}", NULL},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct target            t = {.b = true, .i = -5, .u = 5};
        const struct json_field *bad = NULL;
        struct json             *doc = parsed(rows[i].text);
        enum err                 e = json_decode(json_root(doc), target_fields, N_ELEMS(target_fields), &t, &bad);
        assert_int_equal(e == OK, rows[i].bad == NULL);
        if (e == OK)
            assert_true(t.b && t.i == -5 && t.u == 5 && t.s.ptr == NULL && t.obj == NULL && t.arr == NULL && bad == NULL);
        else
            assert_string_equal(bad->name, rows[i].bad);
        json_free(doc);
    }

    struct target t = {0};
    struct json  *doc = parsed("{\"B\":true,\"i\":-9007199254740993,\"u\":18446744073709551615,\"s\":\"x\",\"S\":\"y\",\"s\":null,"
                               "\"obj\":{\"b\":false},\"ARR\":[1,2]}");
    assert_int_equal(json_decode(json_root(doc), target_fields, N_ELEMS(target_fields), &t, NULL), OK);
    assert_true(t.b && t.i == -9007199254740993 && t.u == UINT64_MAX && t.obj->n == 1 && t.arr->n == 2);
    assert_string_equal(t.s.ptr, "y");
    json_free(doc);
    doc = parsed("[1]");
    assert_int_equal(json_decode(json_root(doc), target_fields, N_ELEMS(target_fields), &t, NULL), ERR_INVAL);
    json_free(doc);
}

/* Spec 05 C8: without memory a parse fails as such, and leaves nothing behind. */
static void
c8_no_memory_is_an_ordinary_failure(void **state)
{
    (void)state;
    for (int64_t n = 0;; n++) {
        struct json *doc = NULL;
        fault_arm(n);
        enum err e = parse("{\"a\":[1,2,\"x\"]}", &doc);
        if (!fault_disarm()) {
            json_free(doc);
            break;
        }
        assert_int_equal(e, ERR_NOMEM);
        assert_null(doc);
    }
    json_free(NULL);
}

/* ---- against cJSON ------------------------------------------------------------------------------------------------ */

struct gen {
    struct rng rng;
    char       buf[1 << 14];
    size_t     len;
};

static void
gen_str(struct gen *g, const char *s)
{
    size_t n = strlen(s);
    assert_true(g->len + n < sizeof(g->buf));
    memcpy(g->buf + g->len, s, n + 1);
    g->len += n;
}

/* A value that both parsers read the same way: ASCII, escapes without NUL, small numbers. */
static void
gen_value(struct gen *g, unsigned depth)
{
    static const char *const scalars[] = {"null", "true", "false", "0", "-17", "2.5", "1e3", "\"\"", "\"a b\"", "\"\\n\\u00e9\"",
        "\"\\\"\\\\\\/\"", "\"\\ud83d\\ude00\"", " 123456 ", "\"key\""};
    uint64_t kind = depth == 0 || g->len > sizeof(g->buf) / 2 ? 2 : rng_below(&g->rng, 3);

    if (kind == 2) {
        gen_str(g, scalars[rng_below(&g->rng, N_ELEMS(scalars))]);
        return;
    }
    uint64_t n = rng_below(&g->rng, 5);
    gen_str(g, kind == 0 ? "[ " : "{");
    for (uint64_t i = 0; i < n; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "\"k%u\"\t:", (unsigned)rng_below(&g->rng, 3)); /* fits */
        gen_str(g, i > 0 ? " ," : "");
        gen_str(g, kind == 0 ? "" : key);
        gen_value(g, depth - 1);
    }
    gen_str(g, kind == 0 ? "]" : "}\n");
}

static void
assert_same(const struct json_node *v, const cJSON *c)
{
    switch (v->type) {
    case JSON_NULL: assert_true(cJSON_IsNull(c)); return;
    case JSON_TRUE: assert_true(cJSON_IsTrue(c)); return;
    case JSON_FALSE: assert_true(cJSON_IsFalse(c)); return;
    case JSON_NUMBER: assert_true(cJSON_IsNumber(c) && strtod(v->text.ptr, NULL) == cJSON_GetNumberValue(c)); return;
    case JSON_STRING: assert_string_equal(v->text.ptr, cJSON_GetStringValue(c)); return;
    default: break;
    }
    assert_true(v->type == JSON_ARRAY ? cJSON_IsArray(c) : cJSON_IsObject(c));
    assert_int_equal(v->n, cJSON_GetArraySize(c));
    const struct json_node *child = v + 1;
    const cJSON            *other = c->child;
    for (uint32_t i = 0; i < v->n; i++, child = json_next(child), other = other->next) {
        if (v->type == JSON_OBJECT)
            assert_string_equal(child->key.ptr, other->string);
        assert_same(child, other);
    }
    assert_ptr_equal(child, v + v->skip); /* the subtree is as long as it says */
}

static void
generated_documents_are_what_cjson_reads(void **state)
{
    (void)state;
    static struct gen g;
    const char       *seed_text = getenv("PROTO_SEED");

    for (uint64_t i = 0; i < (seed_text != NULL ? 1 : 500); i++) {
        uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : i;
        rng_init(&g.rng, seed);
        g.len = 0;
        gen_value(&g, 6);
        struct json *doc = NULL;
        cJSON       *other = cJSON_ParseWithLength(g.buf, g.len);
        if (parse(g.buf, &doc) != OK || other == NULL)
            fail_msg("PROTO_SEED=%llu: %s", (unsigned long long)seed, g.buf);
        assert_same(json_root(doc), other);
        json_free(doc);
        cJSON_Delete(other);
    }
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* What is written is what Go writes, and is read back. Cut anywhere, it only says that it did not fit. */
static void
strings_are_written_as_the_reference_does(void **state)
{
    (void)state;
    static const struct str_row rows[] = {
        {"plain", "\"plain\"", 0},
        {"a<b>&c\xc3\xa9", "\"a\\u003cb\\u003e\\u0026c\xc3\xa9\"", 0},
        {"\"\\/\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"", 0},
        {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\"", 0},
        {"\xff\xed\xa0\x80\xef\xbf\xbd", "\"\\ufffd\\ufffd\\ufffd\\ufffd\xef\xbf\xbd\"", 0},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", 0},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        char       buf[128];
        struct out o;
        size_t     n = strlen(rows[i].want);
        assert_true(n <= JSON_WRITE_MAX(strlen(rows[i].text)));
        for (size_t cap = 0; cap <= n; cap++) {
            out_init(&o, buf, cap);
            json_write_str(&o, rows[i].text, strlen(rows[i].text));
            assert_int_equal(o.full, cap < n);
            assert_memory_equal(buf, rows[i].want, o.len);
        }
        assert_int_equal(o.len, n);
    }
}

/* Every rune survives encoding and decoding; every pair and triple of bytes that decodes is its own encoding. */
static void
utf8_there_and_back(void **state)
{
    (void)state;
    uint8_t  buf[UTF8_LEN_MAX], in[3];
    uint32_t rune = 0;

    for (uint32_t r = 0; r <= 0x110010; r++) {
        size_t n = utf8_encode(r, buf);
        assert_int_equal(utf8_decode(buf, n, &rune), n);
        assert_int_equal(rune, r > 0x10FFFF || (r >= 0xD800 && r < 0xE000) ? UTF8_BAD : r);
        if (n > 1) { /* cut off, it is one wrong byte */
            assert_int_equal(utf8_decode(buf, n - 1, &rune), 1);
            assert_int_equal(rune, UTF8_BAD);
        }
    }
    for (uint32_t v = 0; v < 1 << 16; v++) {
        in[0] = (uint8_t)(v >> 8);
        in[1] = (uint8_t)v;
        in[2] = (uint8_t)(0x80 | (v & 0x3F));
        size_t n = utf8_decode(in, sizeof(in), &rune);
        assert_true(n >= 1 && n <= sizeof(in));
        if (n == 1 && in[0] >= 0x80) {
            assert_int_equal(rune, UTF8_BAD);
        } else {
            assert_int_equal(utf8_encode(rune, buf), n);
            assert_memory_equal(buf, in, n);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c6_the_grammar_is_rfc_8259),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(c6_depth_and_size_are_bounded),
        cmocka_unit_test(c6_strings_decode_as_the_reference_does),
        cmocka_unit_test(c6_integers_never_pass_through_a_double),
        cmocka_unit_test(c6_keys_fold_and_the_last_one_wins),
        cmocka_unit_test(c6_a_table_decodes_an_object),
        cmocka_unit_test(c8_no_memory_is_an_ordinary_failure),
        cmocka_unit_test(generated_documents_are_what_cjson_reads),
        cmocka_unit_test(strings_are_written_as_the_reference_does),
        cmocka_unit_test(utf8_there_and_back),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
