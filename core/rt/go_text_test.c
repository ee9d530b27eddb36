/* go_text_test.c - numbers and durations as Go has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/go_text.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

/* What time.ParseDuration takes, and what it says to the rest (the texts are nats-server's own). */
static void
durations_are_gos(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
        const char *why; /* NULL: fine */
    } cases[] = {
        {"1.5s", 1500000000, NULL},
        {"1h2m3s", INT64_C(3723000000000), NULL},
        {"300ms", 300000000, NULL},
        {"20us", 20000, NULL},
        {"20\xc2\xb5s", 20000, NULL},
        {".5s", 500000000, NULL},
        {"5.s", 5000000000, NULL},
        {"0", 0, NULL},
        {"-1m", -60000000000, NULL},
        {"+1m", 60000000000, NULL},
        {"2562047h47m16.854775807s", INT64_MAX, NULL},
        {"-2562047h47m16.854775808s", INT64_MIN, NULL},
        {"2562047h47m16.854775808s", 0, "time: invalid duration \"2562047h47m16.854775808s\""},
        {"", 0, "time: invalid duration \"\""},
        {"x", 0, "time: invalid duration \"x\""},
        {"5", 0, "time: missing unit in duration \"5\""},
        {"1x", 0, "time: unknown unit \"x\" in duration \"1x\""},
        {"inf", 0, "time: invalid duration \"inf\""},
        {"1s ", 0, "time: unknown unit \"s \" in duration \"1s \""},
        {"--1s", 0, "time: invalid duration \"--1s\""},
        {".s", 0, "time: invalid duration \".s\""},
        {"99999999999999999999h", 0, "time: invalid duration \"99999999999999999999h\""},
        {"1\"", 0, "time: unknown unit \"\\\"\" in duration \"1\\\"\""},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        int64_t ns = -7;
        char why[GO_WHY_LEN] = "";
        assert_int_equal(go_duration_parse(cases[i].text, &ns, why), cases[i].why == NULL);
        assert_true(ns == (cases[i].why == NULL ? cases[i].ns : -7));
        assert_string_equal(why, cases[i].why != NULL ? cases[i].why : "");
    }
}

/* What is written is read again as the same, and looks as Go writes it. */
static void
durations_are_written_as_read(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {{0, "0s"}, {120000000000, "2m0s"}, {3600000000000, "1h0m0s"}, {1500000000, "1.5s"}, {300000000, "300ms"}, {1500, "1.5\xc2\xb5s"}, {7, "7ns"},
                 {INT64_MIN, "-2562047h47m16.854775808s"}};
    char text[GO_DURATION_LEN];
    struct rng rng;

    for (size_t i = 0; i < N_ELEMS(cases); i++)
        assert_string_equal(go_duration_text(cases[i].ns, text), cases[i].text);
    rng_init(&rng, 7);
    for (uint32_t i = 0; i < 200000; i++) {
        int64_t ns = (int64_t)(rng_next(&rng) >> (rng_next(&rng) % 64)) * (i % 2 == 0 ? 1 : -1), back = 0;
        assert_true(go_duration_parse(go_duration_text(ns, text), &back, NULL));
        assert_true(back == ns || (back - ns <= 1 && ns - back <= 1)); /* a fraction goes through floating point, as in Go */
    }
}

/* What package flag takes as a number. */
static void
numbers_are_gos(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum go_int verdict;
        int64_t v;
    } cases[] = {
        {"0", GO_INT_OK, 0},          {"-1", GO_INT_OK, -1},          {"+7", GO_INT_OK, 7},
        {"0x10", GO_INT_OK, 16},      {"010", GO_INT_OK, 8},          {"0b11", GO_INT_OK, 3},
        {"1_000", GO_INT_OK, 1000},   {"0x_ff", GO_INT_OK, 255},      {"9223372036854775807", GO_INT_OK, INT64_MAX},
        {"-9223372036854775808", GO_INT_OK, INT64_MIN},               {"9223372036854775808", GO_INT_RANGE, 0},
        {"", GO_INT_SYNTAX, 0},       {"x", GO_INT_SYNTAX, 0},        {"1 ", GO_INT_SYNTAX, 0},
        {" 1", GO_INT_SYNTAX, 0},     {"1__0", GO_INT_SYNTAX, 0},     {"_1", GO_INT_SYNTAX, 0},
        {"1_", GO_INT_SYNTAX, 0},     {"08", GO_INT_SYNTAX, 0},       {"0x", GO_INT_SYNTAX, 0},
        {"-", GO_INT_SYNTAX, 0},      {"99999999999999999999x", GO_INT_SYNTAX, 0},
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        int64_t v = 0;
        assert_int_equal(go_int_parse(cases[i].text, &v), cases[i].verdict);
        assert_true(v == cases[i].v);
    }
    bool b = false;
    assert_true(go_bool_parse("T", &b) && b);
    assert_true(go_bool_parse("0", &b) && !b);
    assert_false(go_bool_parse("yes", &b) || go_bool_parse("", &b));
}

/* Quoted text cannot forge a line, and is cut with a mark. */
static void
quotes_hold_what_is_in_them(void **state)
{
    (void)state;
    char to[64], small[12];

    assert_string_equal(go_quote("a\"b\\c\n\x01\0d", 9, to, sizeof(to)), "\"a\\\"b\\\\c\\n\\x01\\x00d\"");
    assert_string_equal(go_quote("\xc3\xa4", 2, to, sizeof(to)), "\"\xc3\xa4\"");
    go_quote("abcdefghijklmnopqrstuvwxyz", 26, small, sizeof(small));
    assert_string_equal(small, "\"abc...\"");
    /* Whatever it is cut behind, it stays inside (a fuzzer found the one place too few). */
    for (size_t cap = 9; cap < 64; cap++) {
        for (size_t at = 0; at < 64; at++) {
            char bytes[64], *exact = malloc(cap);
            assert_non_null(exact);
            memset(bytes, 'a', sizeof(bytes));
            bytes[at] = '\x01';
            assert_int_equal(strlen(go_quote(bytes, sizeof(bytes), exact, cap)) < cap, 1);
            free(exact);
        }
    }
}

static void
floats_are_as_short_as_can_be(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"}, {1, "1"}, {100, "100"}, {-2.5, "-2.5"}, {60.000001, "60.000001"}, {0.1, "0.1"}, {1e20, "100000000000000000000"}, {1e21, "1e+21"},
        {0.00005, "0.00005"}, {0.0000012345, "0.0000012345"}, {1e-7, "1e-07"}, {1.0 / 3, "0.3333333333333333"}, {123456789012, "123456789012"},
    };
    char text[GO_FLOAT_LEN];
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(go_float_text(cases[i].v, text), cases[i].text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_gos),
        cmocka_unit_test(durations_are_written_as_read),
        cmocka_unit_test(numbers_are_gos),
        cmocka_unit_test(floats_are_as_short_as_can_be),
        cmocka_unit_test(quotes_hold_what_is_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
