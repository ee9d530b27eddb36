/* Tests of conf.h. Every expected tree, error and digest was asked of nats-server 2.14.5, but where a test says that we differ. */
#include "proto/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/conf_check.h"
#include "proto/conf_priv.h"
#include "proto/json_write.h"

enum { WHY = 1024, DUMP = 4096 };

/* ---- helpers ------------------------------------------------------------------------------------------------------ */

static void
dump_value(FILE *out, const struct conf_value *v, bool item)
{
    if (item)
        fprintf(out, "%u:%u ", v->pos.line, v->pos.col);
    switch (v->type) {
    case CONF_STR:
        fputc('"', out);
        fwrite(v->str.bytes, 1, v->str.len, out);
        fputc('"', out);
        return;
    case CONF_INT: fprintf(out, "%lld", (long long)v->i); return;
    case CONF_FLOAT: fprintf(out, "f%.17g", v->f); return;
    case CONF_BOOL: fputs(v->b ? "true" : "false", out); return;
    case CONF_TIME: fprintf(out, "t%lld", (long long)v->i); return;
    case CONF_MAP:
    case CONF_ARRAY: break;
    }
    fputc(v->type == CONF_MAP ? '{' : '[', out);
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *c = &v->list.items[i];
        fputs(i > 0 ? " " : "", out);
        if (v->type == CONF_MAP)
            fprintf(out, "%u:%u%s %s=", c->pos.line, c->pos.col, (c->flags & CONF_USED_AS_VARIABLE) != 0 ? "!" : "", c->key.bytes);
        dump_value(out, c, v->type == CONF_ARRAY);
    }
    fputc(v->type == CONF_MAP ? '}' : ']', out);
}

/* The tree as text, in its order: {LINE:COL[!] KEY=VALUE ...}. */
static const char *
dump(struct conf_doc *d)
{
    static char text[DUMP];
    FILE       *out = fmemopen(text, sizeof(text), "w");

    assert_non_null(out);
    dump_value(out, conf_doc_top(d), false);
    fclose(out);
    return text;
}

/* Parse text, from an allocation of its length; *ret_why is valid until the next call. */
static enum err
parse_in(struct conf_check_world *world, const char *text, size_t len, struct conf_doc **ret_doc, const char **ret_why)
{
    static char     why[WHY];
    struct conf_env env = conf_check_env(world);
    char           *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    memcpy(copy, text, len);
    enum err e = conf_parse(&env, "t.conf", copy, len, ret_doc, why, sizeof(why));
    free(copy);
    *ret_why = why;
    return e;
}

static struct conf_doc *
parsed_in(struct conf_check_world *world, const char *text)
{
    struct conf_doc *d = NULL;
    const char      *why = NULL;

    if (parse_in(world, text, strlen(text), &d, &why) != OK)
        fail_msg("%s: %s", text, why);
    conf_check_doc(d);
    return d;
}

static struct conf_doc *
parsed(const char *text)
{
    struct conf_check_world none = {0};

    return parsed_in(&none, text);
}

struct row {
    const char *text, *want; /* the tree, or the error's text */
};

static void
check_trees(struct conf_check_world *world, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct conf_doc *d = parsed_in(world, rows[i].text);
        if (strcmp(dump(d), rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].text, dump(d));
        conf_doc_free(d);
    }
}

static void
check_errors(struct conf_check_world *world, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct conf_doc *d = NULL;
        const char      *why = NULL;
        if (parse_in(world, rows[i].text, strlen(rows[i].text), &d, &why) != ERR_SYNTAX)
            fail_msg("taken: %s", rows[i].text);
        assert_null(d);
        if (strcmp(why, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].text, why);
    }
}

#define LINE1(text) "Parse error on line 1: '" text "'"
#define TOP_END(c) "Expected a top-level value to end with a new line, comment or EOF, but got '" c "' instead."
#define MAP_END(c) "Expected a map value terminator \",\" or a map terminator \"}\", but got '" c "' instead."
#define ARRAY_END(c) "Expected an array value terminator \",\" or an array terminator \"]\", but got '" c "' instead."

/* ---- grammar ------------------------------------------------------------------------------------------------------ */

/* Sheet 02, 1.1: keys, separators, terminators, braces around the file, and where each key and item stands. */
static void
keys_and_what_stands_around_them(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "{}"},
        {"{}", "{}"},
        {" \r\n\t# x\n// y", "{}"},
        {"foo = bar", "{1:0 foo=\"bar\"}"},
        {"port: 4222\nauthorization {\n  users = [ {user: a} ]\n}", "{1:0 port=4222 2:1 authorization={3:3 users=[3:22 {3:14 user=\"a\"}]}}"},
        {"a 1,b 2;c 3}d 4\r\ne 5", "{1:0 a=1 1:4 b=2 1:8 c=3 1:12 d=4 2:1 e=5}"},
        {"a\n\n=1", "{1:0 a=1}"},
        {"a\n\n1", "{1:0 a=1}"},
        {"a:", "{1:0 a=\"\"}"},
        {"\"a b\" 1\n'c d': 2", "{1:1 a b=1 2:2 c d=2}"},
        {"\"a\"b", "{1:1 a=\"b\"}"},
        {"'a\nb' 1", "{2:1 a\nb=1}"},
        {"\"a\\n\" 1", "{1:1 a\\n=1}"},
        {"foo{ 1", "{1:0 foo{=1}"},
        {"a#b 1\nc//d 2", "{1:0 a#b=1 2:1 c//d=2}"},
        {"x {a\n\n:\n\n1\n}", "{1:0 x={1:3 a=1}}"},
        {"x={a:1,b:2;c:3\nd:4}", "{1:0 x={1:3 a=1 1:7 b=2 1:11 c=3 2:1 d=4}}"},
        {"x {,b 1}", "{1:0 x={1:3 ,b=1}}"},
        {"x [ a , b ,\n c\nd , ]", "{1:0 x=[1:4 \"a\" 1:8 \"b\" 2:2 \"c\" 3:1 \"d\"]}"},
        {"x []\ny {}", "{1:0 x=[] 2:1 y={}}"},
        {"x [[1],[ [2 ]\n]]", "{1:0 x=[1:6 [1:4 1] 2:2 [1:13 [1:10 2]]]}"},
        {"{a: 1}", "{1:1 a=1}"},
        {"{\"a\": {\"b\": [\"c\", 1.5]},\n\"d\": true}\n", "{1:2 a={1:8 b=[1:14 \"c\" 1:18 f1.5]} 2:2 d=true}"},
        {"a 1}}", "{1:0 a=1}"},
        {"a 1\n}\n}\nb 2", "{1:0 a=1 2:1 }=\"\" 4:1 b=2}"},
        {"{a 1\n}\nb 2", "{1:1 a=1 3:1 b=2}"},
        {"{{a 1},b 2}c 3", "{1:2 a=1 1:7 b=2 1:11 c=3}"},
        {"{a }", "{1:1 a=\"\"}"},
        {"x\xc2\xa0" "1", "{1:0 x=1}"},
        {"\vx: a\vb", "{1:1 x=\"a\vb\"}"},
        {"\xef\xbb\xbf" "a 1", "{1:0 \xef\xbb\xbf" "a=1}"},
        {"a 1 # x\nb 2 // y\n#z\nc [ #a\n1 //b\n2 ]\nd { #c\ne 1 //d\n}", "{1:0 a=1 2:1 b=2 4:1 c=[5:1 1 6:1 2] 7:1 d={8:1 e=1}}"},
    };

    struct conf_check_world none = {0};
    check_trees(&none, rows, N_ELEMS(rows));
}

/* The errors of the grammar, with the line that nats-server names: a line end that is wrong counts to its own line. */
static void
errors_of_the_grammar(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a", "config is invalid (t.conf:1:1)"},
        {"a\n", "config is invalid (t.conf:2:1)"},
        {"x: 1\n'a' ", "config is invalid (t.conf:2:5)"},
        {"a \"", "config is invalid (t.conf:1:3)"},
        {"a \"b\\n", "config is invalid (t.conf:1:4)"},
        {"a =\n", "Parse error on line 2: 'Expected value but found new line'"},
        {"a b c", LINE1(TOP_END("c"))},
        {"a {b 1} c 2", LINE1(TOP_END("c"))},
        {"a \"b\" \xc3\xa9", LINE1(TOP_END("\xc3\xa9"))},
        {"a \"b\" \xff", LINE1(TOP_END("\xef\xbf\xbd"))},
        {"{a 1", LINE1("Expected a block-level value to end with a new line, comment or EOF, but got '' instead.")},
        {"{{a 1}b", LINE1("Expected a block-level to end with a '}', but got 'b' instead.")},
        {"=1", LINE1("Unexpected key separator '='")},
        {"x {:1}", LINE1("Unexpected key separator ':'.")},
        {"/a 1", LINE1("Unexpected EOF.")},
        {"'a", LINE1("Unexpected EOF.")},
        {"x {'a\n", "Parse error on line 2: 'Unexpected EOF processing quoted map key.'"},
        {"x {\"a", LINE1("Unexpected EOF processing double quoted map key.")},
        {"x {a", LINE1("Unexpected EOF processing map key.")},
        {"x {a b", LINE1(MAP_END(""))},
        {"x {", LINE1("Unexpected EOF processing map.")},
        {"x {\n]", "Parse error on line 2: 'Unexpected array end ']' processing map.'"},
        {"x {a 1,, c 2}", LINE1(MAP_END("2"))},
        {"x {a:,b:1}", LINE1("Unexpected map value terminator \",\".")},
        {"x [1 2]", LINE1(ARRAY_END("2"))},
        {"x [a;b]", LINE1(ARRAY_END(";"))},
        {"x [", LINE1(ARRAY_END(""))},
        {"x [,]", LINE1("Unexpected array value terminator ','.")},
        {"x [1 , ,]", LINE1("Unexpected array value terminator ','.")},
        {"x \"a", LINE1("Unexpected EOF.")},
        {"x 'a\n", "Parse error on line 2: 'Unexpected EOF.'"},
        {"x (a\n) ", "Parse error on line 2: 'Unexpected EOF processing block.'"},
    };

    struct conf_check_world none = {0};
    check_errors(&none, rows, N_ELEMS(rows));
}

/* Where we differ: what nats-server takes without a word, or loses, is an error here (decision 13). */
static void
what_the_reference_loses_is_an_error(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x { name }", LINE1("Unexpected map terminator \"}\" instead of a value.")},
        {"x {a:\n}", "Parse error on line 2: 'Unexpected map terminator \"}\" instead of a value.'"},
        {"x 1 /", LINE1(TOP_END("/"))},
        {"x {a 1 /b 2}", LINE1(MAP_END("/"))},
        {"x {/a 1}", LINE1("Unexpected '/' processing map key.")},
        {"x [1 /a]", LINE1(ARRAY_END("/"))},
        {"x 1\n\"", "Parse error on line 2: 'Unexpected EOF.'"},
        {"x [\"", LINE1("Unexpected EOF.")},
        {"x 1kbb", "integer '1kbb' has an unknown suffix"},
        {"x 9223372036854775807k", "integer '9223372036854775807k' is out of the range"},
        {"x -9eb", "integer '-9eb' is out of the range"},
    };
    static const struct row numbers[] = {
        {"x [1,2]", "{1:0 x=[1:3 1 1:5 2]}"},
        {"x [5k,-1]", "{1:0 x=[1:3 5000 1:6 -1]}"},
        {"x [[5KiB]]", "{1:0 x=[1:9 [1:4 5120]]}"},
    };
    struct conf_check_world none = {0};
    struct conf_doc        *d = NULL;
    const char             *why = NULL;

    check_errors(&none, rows, N_ELEMS(rows));
    check_trees(&none, numbers, N_ELEMS(numbers));
    assert_int_equal(parse_in(&none, "a 1\nb 2\0\nc 3", 12, &d, &why), ERR_SYNTAX);
    assert_string_equal(why, "Parse error on line 2: 'Unexpected NUL byte.'");
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static void
strings(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x \"a\\x41\\t\\n\\r\\\"\\\\\"", "{1:0 x=\"aA\t\n\r\"\\\"}"},
        {"x \"a\nb\"\ny 1", "{1:0 x=\"a\nb\" 3:1 y=1}"},
        {"x \"\\t\nb\"\ny 1", "{1:0 x=\"\t\nb\" 3:1 y=1}"},
        {"x 'a\\n\"'", "{1:0 x=\"a\\n\"\"}"},
        {"x a\\x41\\tb", "{1:0 x=\"aA\tb\"}"},
        {"x tr\\x75e", "{1:0 x=\"true\"}"},
        {"x true'\ny $a'", "{1:0 x=\"true\" 2:1 y=\"$a\"}"},
        {"x a#b\ny /a//b\nz a\"b\"", "{1:0 x=\"a#b\" 2:1 y=\"/a//b\" 3:1 z=\"a\"b\"\"}"},
        {"x #a", "{1:0 x=\"#a\"}"},
        {"x: =b\ny: :b", "{1:0 x=\"=b\" 2:1 y=\":b\"}"},
        {"x (a\n)\ny 1", "{1:0 x=\"a\n\" 3:1 y=1}"},
        {"x (\nab\n) c\n )\n)x\n)\n", "{1:0 x=\"\nab\n) c\n )\n)x\n\"}"},
        {"x (\r\nab\r\n)\r\n)\n", "{1:0 x=\"\r\nab\r\n)\r\n\"}"},
        {"x (a\n)", "{1:0 x=\"a\n)\"}"},
        {"x {y (a\n)\n}", "{1:0 x={1:3 y=\"a\n\"}}"},
        {"x [(a\n)\n\"b\\x41\" ]", "{1:0 x=[2:4 \"a\n\" 3:5 \"bA\"]}"},
        {"x $2a$11$abc", "{1:0 x=\"$2a$11$abc\"}"},
    };
    static const struct row errors[] = {
        {"x \"\\q\"", LINE1("Invalid escape character 'q'. Only the following escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.")},
        {"x a\\\n", "Parse error on line 2: 'Invalid escape character '\\n'. Only the following escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.'"},
        {"x \"\\x4g\"", LINE1("Expected two hexadecimal digits after '\\x', but got '4g'")},
        {"x \"\\x4", LINE1("Expected two hexadecimal digits after '\\x', but got 'x4'")},
        {"x \"\\x4\n", "Parse error on line 2: 'Expected two hexadecimal digits after '\\x', but hit end of line'"},
    };

    struct conf_check_world none = {0};
    check_trees(&none, rows, N_ELEMS(rows));
    check_errors(&none, errors, N_ELEMS(errors));
}

static void
a_string_may_hold_a_nul(void **state)
{
    (void)state;
    struct conf_doc         *d = parsed("x \"a\\x00b\"\ny c");
    const struct conf_value *v = conf_get(conf_doc_top(d), "x");

    assert_int_equal(v->str.len, 3);
    assert_memory_equal(v->str.bytes, "a\0b", 4);
    assert_int_equal(v->flags, CONF_QUOTED);
    assert_int_equal(conf_get(conf_doc_top(d), "y")->flags, 0);
    conf_doc_free(d);
}

#define NINES10(x) x x x x x x x x x x
#define NINES NINES10(NINES10("9999"))

static void
numbers_and_words(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x [0, 007 , -1 , 9223372036854775807 , -9223372036854775808 ]", "{1:0 x=[1:3 0 1:6 7 1:12 -1 1:17 9223372036854775807 1:39 -9223372036854775808]}"},
        {"a 1k\nb 2Kb\nc 3ki\nd 4KIB\ne -5m\nf 6mb\ng 1g\nh 1gib\n", "{1:0 a=1000 2:1 b=2048 3:1 c=3072 4:1 d=4096 5:1 e=-5000000 6:1 f=6291456 7:1 g=1000000000 8:1 h=1073741824}"},
        {"a 1t\nb 1tb\nc 1p\nd 1pi\ne 1e\nf 7eib", "{1:0 a=1000000000000 2:1 b=1099511627776 3:1 c=1000000000000000 4:1 d=1125899906842624 5:1 e=1000000000000000000 6:1 f=8070450532247928832}"},
        {"a 1.5\nb -0.25\nc 1.0\nd -0.0", "{1:0 a=f1.5 2:1 b=f-0.25 3:1 c=f1 4:1 d=f-0}"},
        {"a 2016-05-04T18:53:41Z\nb 0000-01-01T00:00:00Z\nc 1969-12-31T23:59:59Z\nd 9999-12-31T23:59:59Z",
            "{1:0 a=t1462388021 2:1 b=t-62167219200 3:1 c=t-1 4:1 d=t253402300799}"},
        {"a true\nb YES\nc on\nd False\ne no\nf oFF", "{1:0 a=true 2:1 b=true 3:1 c=true 4:1 d=false 5:1 e=false 6:1 f=false}"},
        {"a 10.0.0.1\nb 10.0.0.1:4222\nc 1.2.3-4", "{1:0 a=\"10.0.0.1\" 2:1 b=\"10.0.0.1:4222\" 3:1 c=\"1.2.3-4\"}"},
        {"a 3abc\nb 20s\nc 1h30m\nd 1kk\ne 50%\nf 0x10\ng 1_000\nh 12:30\ni +5\nj 1'b\nk 1\\t\\t",
            "{1:0 a=\"3abc\" 2:1 b=\"20s\" 3:1 c=\"1h30m\" 4:1 d=\"1kk\" 5:1 e=\"50%\" 6:1 f=\"0x10\" 7:1 g=\"1_000\" 8:1 h=\"12:30\" 9:1 i=\"+5\" 10:1 j=\"1'b\" 11:1 k=\"1\\t\t\"}"},
    };
    static const struct row errors[] = {
        {"x 9223372036854775808", "integer '9223372036854775808' is out of the range"},
        {"x -9223372036854775809", "integer '-9223372036854775809' is out of the range"},
        {"x " NINES ".0", "float '" NINES ".0' is out of the range"},
        {"token " NINES ".0", "float '...' is out of the range"},
        {"x .5", LINE1("Floats must start with a digit")},
        {"x 1.", LINE1("Floats must have a digit after the '.', but got '' instead.")},
        {"x -.5", LINE1("Floats must start with a digit, not '.'.")},
        {"x 1e5", LINE1(TOP_END("5"))},
        {"x -abc", LINE1("Expected a digit but got 'a'.")},
        {"x -5s", LINE1(TOP_END("s"))},
        {"x 2m30s", LINE1(TOP_END("3"))},
        {"x 1.5k", LINE1(TOP_END("k"))},
        {"x 1-2", LINE1("All ISO8601 dates must be in full Zulu form.")},
        {"x 2016-0a", LINE1("Expected digit in ISO8601 datetime, but found 'a' instead.")},
        {"x 2016-05-04", LINE1("Expected 'T' in ISO8601 datetime, but found '' instead.")},
        {"x 2016-05-04T18:53:41\n", "Parse error on line 2: 'Expected 'Z' in ISO8601 datetime, but found '\\n' instead.'"},
        {"x 2015-02-29T00:00:00Z", "expected Zulu formatted DateTime, but got '2015-02-29T00:00:00Z'"},
        {"x 2015-13-01T00:00:00Z", "expected Zulu formatted DateTime, but got '2015-13-01T00:00:00Z'"},
        {"x 2015-01-01T24:00:00Z", "expected Zulu formatted DateTime, but got '2015-01-01T24:00:00Z'"},
    };

    struct conf_check_world none = {0};
    check_trees(&none, rows, N_ELEMS(rows));
    check_errors(&none, errors, N_ELEMS(errors));
}

/* ---- variables and includes --------------------------------------------------------------------------------------- */

static void
variables(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a 1\nb $a", "{1:0! a=1 2:1 b=1}"},
        {"a 1\nb [$a, $a]", "{1:0! a=1 2:1 b=[2:5 1 2:9 1]}"},
        {"a 1\na 2\nb $a\na 3", "{3:1 b=2 4:1 a=3}"},
        {"a 1\nx {a 2\ny {b $a}}", "{1:0 a=1 2:1 x={2:4! a=2 3:1 y={3:4 b=2}}}"},
        {"a {b 1}\nc $a", "{1:0! a={1:3 b=1} 2:1 c={1:3 b=1}}"},
        {"x [{a 1, b $a }]", "{1:0 x=[1:15 {1:4! a=1 1:9 b=1}]}"},
        {"$a 1\nb $$a", "{1:0! $a=1 2:1 b=1}"},
        {"a $INT\nb $EMPTY\nc $STR\nd $QUOTED\ne $BOOL", "{1:0 a=42 2:1 b=\"\" 3:1 c=\"hello\" 4:1 d=\"a b\" 5:1 e=true}"},
        {"\na $MAP\nb [$LIST ]", "{2:1 a={2:4 x=1 2:4 y=42} 3:1 b=[3:5 [3:5 1 3:5 {3:5 z=1}]]}"},
        {"a $TWO", "{1:0 a=1}"},
        {"a $AGAIN", "{1:0 a=42}"},
        {"STR 1\na $STR", "{1:0! STR=1 2:1 a=1}"},
        {"a \"$INT\"\nb x$INT", "{1:0 a=\"$INT\" 2:1 b=\"x$INT\"}"},
    };
    static const struct row errors[] = {
        {"a $a", "variable reference for 'a' on line 1 can not be found"},
        {"a {b 1}\nc $b", "variable reference for 'b' on line 2 can not be found"},
        {"a 1\nb $A", "variable reference for 'A' on line 2 can not be found"},
        {"a $", "variable reference for '' on line 1 can not be found"},
        {"\na $BAD", "variable reference for 'BAD' on line 2 could not be parsed: Parse error on line 1: 'Unexpected EOF processing map key.'"},
        {"\na $C1", "variable reference for 'C1' on line 2 could not be parsed: variable reference for 'C2' on line 1 could not be parsed: "
                    "variable reference for 'C1' on line 1 could not be parsed: variable reference cycle for 'C1'"},
        /* ours: the hash of a password that should have been quoted is not shown, nor is a password */
        {"a $2b$11$abcdef", "variable reference for '...' on line 1 can not be found"},
        {"password 123456789012345678901", "integer '...' is out of the range"},
    };
    static const char *const env[][2] = {{"INT", "42"}, {"EMPTY", ""}, {"STR", "hello"}, {"QUOTED", "\"a b\""}, {"BOOL", "on"}, {"MAP", "{x: 1, y: $INT}"},
        {"LIST", "[1, {z 1 }]"}, {"BAD", "{a"}, {"C1", "$C2"}, {"C2", "$C1"}, {"TWO", "1\nfoo 2"}, {"AGAIN", "1\npk $INT"}, {"FILES", "1\ninclude x"}};
    struct conf_check_world world = {0};
    struct conf_doc        *d = NULL;
    const char             *why = NULL;

    for (size_t i = 0; i < N_ELEMS(env); i++)
        assert_true(conf_check_add(&world, false, env[i][0], env[i][1], strlen(env[i][1])));
    check_trees(&world, rows, N_ELEMS(rows));
    check_errors(&world, errors, N_ELEMS(errors));
    assert_int_equal(parse_in(&world, "a $FILES", 8, &d, &why), ERR_LIMIT);
    assert_string_equal(why, "variable reference for 'FILES' on line 1 could not be parsed: error parsing include file 'x', a variable cannot include files");
    conf_check_fini(&world);
}

static void
add_files(struct conf_check_world *world)
{
    static const char *const files[][2] = {{"a", "x 1\ny 2\n"}, {"dir/b", "include c\nb 1"}, {"dir/c", "c $x"}, {"dir/d", "include 'e'\nd 1"}, {"dir/e", "e 1"},
        {"bad", "\nb {"}, {"key", "key"}, {"nested", "z { q 1 }\nw [ 1 ]"}, {"/etc/m", "include ../n\ninclude /n\n"}, {"/n", "n 1"}, {"/etc/n", "o 1"},
        {"self", "include ./x/../self"}, {"ping", "include pong"}, {"pong", "include ping"}};

    for (size_t i = 0; i < N_ELEMS(files); i++)
        assert_true(conf_check_add(world, true, files[i][0], files[i][1], strlen(files[i][1])));
}

static void
includes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"include a", "{1:0 x=1 2:1 y=2}"},
        {"include a; c 1", "{1:0 x=1 2:1 y=2 1:11 c=1}"},
        {"INCLUDE\t'a', c 1", "{1:0 x=1 2:1 y=2 1:13 c=1}"},
        {"q {include \"a\"\n c 1}", "{1:0 q={1:0 x=1 2:1 y=2 2:2 c=1}}"},
        {"q {include a}", "{1:0 q={1:0 x=1 2:1 y=2}}"},
        {"{include a}", "{1:0 x=1 2:1 y=2}"},
        {"x 9\ninclude a\nz $x", "{1:0! x=1 2:1 y=2 3:1 z=1}"},
        {"include: a\n'include' b", "{2:2 include=\"b\"}"},
        {"include dir/d", "{1:0 e=1 2:1 d=1}"},
        {"include nested\nr $z", "{1:0! z={1:4 q=1} 2:1 w=[2:5 1] 2:1 r={1:4 q=1}}"},
        {"include /a", "{1:0 x=1 2:1 y=2}"},
        {"include ././/dir/.././a", "{1:0 x=1 2:1 y=2}"},
        {"include a'\nb 1", "{1:0 x=1 2:1 y=2 2:1 b=1}"},
        {"include a\ninclude a", "{1:0 x=1 2:1 y=2}"},
    };
    static const struct row errors[] = {
        {"include", "config is invalid (t.conf:1:7)"},
        {"include \n", "Parse error on line 2: 'Expected include value but found new line'"},
        {"include {", LINE1("Expected include value but found start of a map")},
        {"include [", LINE1("Expected include value but found start of an array")},
        {"include (", LINE1("Expected include value but found start of a block")},
        {"include -a", LINE1("Expected include value but found start of a number")},
        {"include \\a", LINE1("Expected include value but found escape sequence")},
        {"include 'a", LINE1("Unexpected EOF in quoted include")},
        {"include \"a", LINE1("Unexpected EOF in double quoted include")},
        {"include a b", LINE1(TOP_END("b"))},
        {"q [include a ]", LINE1(ARRAY_END("a"))},
        {"include bad", "error parsing include file 'bad', Parse error on line 2: 'Unexpected EOF processing map.'"},
        {"include key", "error parsing include file 'key', config is invalid (key:1:3)"},
        /* the included file does not see the keys around it */
        {"x 1\ninclude dir/b", "error parsing include file 'dir/b', error parsing include file 'c', variable reference for 'x' on line 1 can not be found"},
    };
    struct conf_check_world world = {0};

    add_files(&world);
    check_trees(&world, rows, N_ELEMS(rows));
    check_errors(&world, errors, N_ELEMS(errors));
    conf_check_fini(&world);
}

static void
positions_name_the_file(void **state)
{
    (void)state;
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    struct conf_doc        *d = NULL;
    char                    why[WHY];

    add_files(&world);
    assert_int_equal(conf_parse_file(&env, "/etc/m", &d, why, sizeof(why)), OK);
    assert_string_equal(dump(d), "{1:0 n=1 1:0 o=1}"); /* an absolute path is joined, too */
    assert_string_equal(conf_get(conf_doc_top(d), "n")->pos.file, "/n");
    assert_string_equal(conf_get(conf_doc_top(d), "o")->pos.file, "/etc/n");
    conf_doc_free(d);
    assert_int_equal(conf_parse_file(&env, "dir/d", &d, why, sizeof(why)), OK);
    assert_string_equal(conf_get(conf_doc_top(d), "e")->pos.file, "dir/e");
    assert_string_equal(conf_get(conf_doc_top(d), "d")->pos.file, "dir/d");
    assert_string_equal(why, "");
    conf_doc_free(d);
    assert_int_equal(conf_parse(&env, "/t", "include /../../etc/n", 20, &d, why, sizeof(why)), OK); /* nothing is above / */
    assert_string_equal(conf_get(conf_doc_top(d), "o")->pos.file, "/etc/n");
    conf_doc_free(d);
    assert_int_equal(conf_parse(&env, "t", "include ", 8, &d, why, sizeof(why)), ERR_NOENT);
    assert_string_equal(why, "error parsing include file '', open .: no such file or directory");
    assert_int_equal(conf_parse_file(&env, "nothing", &d, why, sizeof(why)), ERR_NOENT);
    assert_string_equal(why, "open nothing: no such file or directory");
    conf_check_fini(&world);
}

static void
an_error_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    struct conf_doc        *d = NULL;
    char                    why[100];
    const char             *want = "error parsing include file 'nothing', open nothing: no such file or directory";

    for (size_t cap = 0; cap < sizeof(why); cap++) {
        size_t len = min_u64(cap - (cap > 0), strlen(want));
        memset(why, '#', sizeof(why));
        assert_int_equal(conf_parse(&env, "t", "include nothing", 15, &d, why, cap), ERR_NOENT);
        assert_memory_equal(why, want, len);
        assert_int_equal(why[len], cap > 0 ? '\0' : '#');
        assert_int_equal(why[cap], '#');
    }
}

/* ---- bounds ------------------------------------------------------------------------------------------------------- */

static enum err
parse_repeated(const char *head, const char *again, size_t n, const char *tail, const char **ret_why)
{
    static char             text[1 << 17];
    struct conf_check_world none = {0};
    struct conf_doc        *d = NULL;
    size_t                  len = strlen(head);

    memcpy(text, head, len);
    for (size_t i = 0; i < n; i++) {
        assert_true(len + strlen(again) + strlen(tail) < sizeof(text));
        memcpy(text + len, again, strlen(again));
        len += strlen(again);
    }
    memcpy(text + len, tail, strlen(tail));
    enum err e = parse_in(&none, text, len + strlen(tail), &d, ret_why);
    conf_doc_free(d);
    return e;
}

static void
depth_is_bounded(void **state)
{
    (void)state;
    const char *why = NULL;

    /* cut off at the bound it is still a syntax error; one more is too deep */
    assert_int_equal(parse_repeated("a ", "[", CONF_DEPTH_MAX, "", &why), ERR_SYNTAX);
    assert_int_equal(parse_repeated("a ", "[", CONF_DEPTH_MAX + 1, "", &why), ERR_LIMIT);
    assert_string_equal(why, LINE1("Maps and arrays are nested too deeply."));
    assert_int_equal(parse_repeated("", "a {", 20000, "", &why), ERR_LIMIT);
    /* braces around keys hold nothing, and are not counted */
    assert_int_equal(parse_repeated("", "{", 50000, "a 1\n", &why), OK);
    /* through variables: each line is one deeper than the one before it */
    assert_int_equal(parse_repeated("a 1\n", "a [$a ]\n", CONF_DEPTH_MAX, "", &why), OK);
    assert_int_equal(parse_repeated("a 1\n", "a [$a ]\n", CONF_DEPTH_MAX + 1, "", &why), ERR_LIMIT);
}

/* A few lines would stand for a tree that no memory holds. */
static void
variables_that_multiply_are_bounded(void **state)
{
    (void)state;
    static const char head[] = "a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n";
    const char       *why = NULL;

    assert_int_equal(parse_repeated(head, "a [$a ,$a ,$a ,$a ]\n", 8, "", &why), OK);
    assert_int_equal(parse_repeated(head, "a [$a ,$a ,$a ,$a ]\n", 60, "", &why), ERR_LIMIT);
    assert_non_null(strstr(why, "The configuration is too large."));
}

static void
environment_that_names_itself_is_bounded(void **state)
{
    (void)state;
    struct conf_check_world world = {0};
    struct conf_doc        *d = NULL;
    const char             *why = NULL;
    char                    name[16], text[32];

    for (int i = 0; i <= CONF_VARIABLES_MAX; i++) { /* V0 is 1, V1 is [V0], and so on */
        (void)snprintf(name, sizeof(name), "V%d", i);
        (void)snprintf(text, sizeof(text), i == 0 ? "1" : "[$V%d ]", i - 1);
        assert_true(conf_check_add(&world, false, name, text, strlen(text)));
    }
    (void)snprintf(text, sizeof(text), "a $V%d", CONF_VARIABLES_MAX - 1);
    assert_int_equal(parse_in(&world, text, strlen(text), &d, &why), OK);
    conf_doc_free(d);
    (void)snprintf(text, sizeof(text), "a $V%d", CONF_VARIABLES_MAX);
    assert_int_equal(parse_in(&world, text, strlen(text), &d, &why), ERR_LIMIT);
    conf_check_fini(&world);
}

static void
includes_are_bounded(void **state)
{
    (void)state;
    struct conf_check_world world = {0};
    struct conf_doc        *d = NULL;
    const char             *why = NULL;
    char                    name[16], text[32];

    add_files(&world);
    assert_int_equal(parse_in(&world, "include self", 12, &d, &why), ERR_LIMIT);
    assert_string_equal(why, "error parsing include file 'self', error parsing include file './x/../self', the file includes itself");
    assert_int_equal(parse_in(&world, "include ping", 12, &d, &why), ERR_LIMIT);
    assert_int_equal(parse_in(&world, "include t.conf", 14, &d, &why), ERR_LIMIT);
    assert_string_equal(why, "error parsing include file 't.conf', the file includes itself");
    for (int i = 0; i <= CONF_INCLUDES_MAX; i++) { /* i0 ends, i1 includes it, and so on */
        (void)snprintf(name, sizeof(name), "i%d", i);
        (void)snprintf(text, sizeof(text), i == 0 ? "end 1" : "include i%d", i - 1);
        assert_true(conf_check_add(&world, true, name, text, strlen(text)));
    }
    (void)snprintf(text, sizeof(text), "include i%d", CONF_INCLUDES_MAX - 1);
    assert_int_equal(parse_in(&world, text, strlen(text), &d, &why), OK);
    conf_doc_free(d);
    (void)snprintf(text, sizeof(text), "include i%d", CONF_INCLUDES_MAX);
    assert_int_equal(parse_in(&world, text, strlen(text), &d, &why), ERR_LIMIT);
    conf_check_fini(&world);
}

/* What is too large is not looked at: most of this memory never becomes any. */
static void
size_is_bounded(void **state)
{
    (void)state;
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    struct conf_doc        *d = NULL;
    char                    why[WHY];
    char                   *bytes = calloc(1, (size_t)CONF_BYTES_MAX + 1);

    assert_non_null(bytes);
    assert_int_equal(conf_parse(&env, "t.conf", bytes, (size_t)CONF_BYTES_MAX + 1, &d, why, sizeof(why)), ERR_LIMIT);
    assert_string_equal(why, "the configuration is too large");
    free(bytes);
}

static void
a_path_is_bounded(void **state)
{
    (void)state;
    const char *why = NULL;

    assert_int_equal(parse_repeated("include ", "a/", CONF_PATH_MAX / 2 - 1, "", &why), ERR_NOENT);
    assert_int_equal(parse_repeated("include ", "a/", CONF_PATH_MAX / 2, "aaa", &why), ERR_LIMIT);
    assert_int_equal(parse_repeated("include ", "../", 1000, "b", &why), ERR_NOENT);
    assert_int_equal(parse_repeated("include ", "a/../", 20, "b", &why), ERR_NOENT);
    assert_string_equal(why + strlen(why) - strlen("', open b: no such file or directory"), "', open b: no such file or directory");
}

/* ---- reading a tree ----------------------------------------------------------------------------------------------- */

static void
the_last_key_wins_in_any_case(void **state)
{
    (void)state;
    struct conf_doc   *d = parsed("Port 1\na 1\nPORT 2\na 2\nb 3\na 4\n\xe2\x84\xaa 5\n\xc4\xb0 6");
    struct conf_value *top = conf_doc_top(d);

    assert_string_equal(dump(d), "{1:0 Port=1 3:1 PORT=2 5:1 b=3 6:1 a=4 7:1 \xe2\x84\xaa=5 8:1 \xc4\xb0=6}");
    assert_int_equal(conf_get(top, "port")->i, 2);
    assert_int_equal(conf_get(top, "A")->i, 4);
    assert_int_equal(conf_get(top, "k")->i, 5); /* the Kelvin sign */
    assert_int_equal(conf_get(top, "i")->i, 6); /* the I of Istanbul */
    assert_null(conf_get(top, "por"));
    assert_null(conf_get(top, "ports"));
    assert_null(conf_get(top, ""));
    conf_doc_free(d);
}

/* A map with an index answers as one without. */
static void
a_large_map_is_as_a_small_one(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    static char text[KEYS * 64];
    char        key[32];

    for (int n = 1; n <= KEYS; n = n < 40 ? n + 1 : n * 3) {
        size_t len = 0;
        for (int i = 0; i < n; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "key%d %d\nKEY%d %d\n", i, i, i, i + 1);
        (void)snprintf(text + len, sizeof(text) - len, "key0 -1\nvar $key%d\n", n - 1); /* key0 moves to the end */
        struct conf_doc   *d = parsed(text);
        struct conf_value *top = conf_doc_top(d);
        assert_int_equal(top->list.n, 2 * n + 1);
        assert_int_equal(conf_get(top, "kEy0")->i, -1);
        assert_int_equal(conf_get(top, "var")->i, n == 1 ? -1 : n - 1);
        for (int i = 1; i < n; i++) {
            (void)snprintf(key, sizeof(key), "keY%d", i);
            assert_int_equal(conf_get(top, key)->i, i + 1);
        }
        assert_null(conf_get(top, "key"));
        assert_null(conf_get(top, "key2000"));
        conf_doc_free(d);
    }
}

static void
types_have_the_names_of_go(void **state)
{
    (void)state;
    static const char *const names[] = {"string", "int64", "float64", "bool", "time.Time", "map[string]interface {}", "[]interface {}"};

    for (int t = CONF_STR; t <= CONF_ARRAY; t++)
        assert_string_equal(conf_type_name((enum conf_type)t), names[t]);
}

/* Digests as nats-server -t prints them. */
static void
digests(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"foo = bar", "sha256:226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de"},
        {"", "sha256:ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"},
        {"x 0.00000000000005684341886080801486968994140625", /* two to the -44, whose 16 digits are not the nearest ones */
            "sha256:7a61f26db91a086a097bceb321695ebb55e78aab204dd44ec484cbcaabfdbd6f"},
        {"b 1\na {d true\nc \"<>&\\x01\\xff\\n\\x08\"}",
            "sha256:ff81fdee56edab7637b3f30da4f2bd8be0f6b6853a8b0a7ae125755bd5e90555"},
        {"a [1.0, 0.1 , -0.25 , 123456789012345678901234567890.5 , 0.0000001 , 0.000001 , 100000000000000000000.0 , 1000000000000000000000.0 , -0.0 , 5.684341886080802 ]",
            "sha256:b9dac170aa3f149085f2c42ecbeb2920265b1f4e9f1e354fd603ba07efc409e5"},
        {"t 2016-05-04T18:53:41Z\nu 0001-01-01T00:00:00Z\ni -9223372036854775808",
            "sha256:22678a994435c4246c3434ffc07b8110d885ecfb3f67801903ce44cb83d8ed5f"},
        {"\xc3\xa9 {\"\" 1}\nZ 1\na x\xe2\x80\xa8",
            "sha256:cc66dcc9082ce13591f1cf5847cf04411300108eb0433723be3ebba5e90b0937"},
        {"a 1\na 2\nA 3\nb $a",
            "sha256:6549c0bfa573cc28ef9b27febfa051af5d3bf5c5110121e0f905ef925a303c49"},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        char             text[CONF_DIGEST_LEN + 1];
        struct conf_doc *d = parsed(rows[i].text);
        assert_int_equal(conf_digest(d, text), OK);
        assert_string_equal(text, rows[i].want);
        conf_doc_free(d);
    }
}

/* The digest of {"x": a string}, escaped as a whole. */
static void
digest_at_once(const struct conf_value *v, char ret_text[CONF_DIGEST_LEN + 1])
{
    static char json[1 << 16];
    uint8_t     hash[crypto_hash_sha256_BYTES];
    struct out  o, text;

    out_init(&o, json, sizeof(json));
    out_str(&o, "{\"x\":");
    json_write_str(&o, v->str.bytes, v->str.len);
    out_str(&o, "}\n");
    assert_false(o.full);
    crypto_hash_sha256(hash, (const uint8_t *)json, o.len);
    out_init(&text, ret_text, CONF_DIGEST_LEN + 1);
    out_str(&text, "sha256:");
    for (size_t i = 0; i < sizeof(hash); i++)
        out_hex(&text, hash[i], 2);
    out_byte(&text, '\0');
    assert_false(text.full);
}

/* A string is escaped in pieces, and no piece cuts a rune. */
static void
digests_of_long_strings(void **state)
{
    (void)state;
    static const char *const runes[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x80", "\xf0\x9f\x98"};
    static char              text[8192];
    char                     got[CONF_DIGEST_LEN + 1], want[CONF_DIGEST_LEN + 1];

    for (size_t i = 0; i < N_ELEMS(runes); i++) {
        for (int pad = 0; pad < 8; pad++) {
            size_t len = (size_t)snprintf(text, sizeof(text), "x '%.*s", pad, "........");
            while (len < 7000)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", runes[i]);
            (void)snprintf(text + len, sizeof(text) - len, "'");
            struct conf_doc *d = parsed(text);
            assert_int_equal(conf_digest(d, got), OK);
            digest_at_once(conf_get(conf_doc_top(d), "x"), want);
            assert_string_equal(got, want);
            conf_doc_free(d);
        }
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

/* Whatever allocation fails, parsing says so, and nothing leaks. */
static void
without_memory_nothing_is_lost(void **state)
{
    (void)state;
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    char                    text[4096], digest[CONF_DIGEST_LEN + 1], why[WHY];
    size_t                  len = 0;
    bool                    done = false;

    add_files(&world);
    assert_true(conf_check_add(&world, false, "V", "{a: [1, 2.5], b: \"c\\x41\"}", 25));
    len += (size_t)snprintf(text, sizeof(text), "include a\nm { v $V, x 'y' }\nb (\nx\n)\n");
    for (int i = 0; i < 80; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "key%d $x\n", i % 70);
    for (int64_t n = 0; !done; n++) {
        struct conf_doc *d = NULL;
        fault_arm(n);
        enum err e = conf_parse(&env, "t.conf", text, len, &d, why, sizeof(why));
        if (e == OK)
            e = conf_digest(d, digest);
        done = !fault_disarm();
        if (d == NULL)
            assert_non_null(strstr(why, "out of memory"));
        assert_int_equal(e, done ? OK : ERR_NOMEM);
        conf_doc_free(d);
    }
    conf_check_fini(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_what_stands_around_them),
        cmocka_unit_test(errors_of_the_grammar),
        cmocka_unit_test(what_the_reference_loses_is_an_error),
        cmocka_unit_test(strings),
        cmocka_unit_test(a_string_may_hold_a_nul),
        cmocka_unit_test(numbers_and_words),
        cmocka_unit_test(variables),
        cmocka_unit_test(includes),
        cmocka_unit_test(positions_name_the_file),
        cmocka_unit_test(an_error_that_does_not_fit_is_cut),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(variables_that_multiply_are_bounded),
        cmocka_unit_test(environment_that_names_itself_is_bounded),
        cmocka_unit_test(includes_are_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(a_path_is_bounded),
        cmocka_unit_test(the_last_key_wins_in_any_case),
        cmocka_unit_test(a_large_map_is_as_a_small_one),
        cmocka_unit_test(types_have_the_names_of_go),
        cmocka_unit_test(digests),
        cmocka_unit_test(digests_of_long_strings),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
