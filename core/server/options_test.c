/* options_test.c - the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/server/options.h"

static enum options_verdict
parse(struct options *o, char **argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    options_defaults(o);
    return options_parse(o, argc, argv);
}
#define PARSE(o, ...) parse((o), (char *[]){(char *)"midge", __VA_ARGS__, NULL})
#define ARG(text) ((char *)(uintptr_t)(text))

/* One and two dashes, a value behind or after "=", every alias: the same option. */
static void
aliases_and_dashes_are_equal(void **state)
{
    (void)state;
    struct options o;

    assert_int_equal(PARSE(&o, ARG("-p"), ARG("4333")), OPTIONS_RUN);
    assert_int_equal(o.port, 4333);
    assert_int_equal(PARSE(&o, ARG("--port=4334")), OPTIONS_RUN);
    assert_int_equal(o.port, 4334);
    assert_int_equal(PARSE(&o, ARG("--p"), ARG("-1")), OPTIONS_RUN);
    assert_int_equal(o.port, -1);
    assert_int_equal(PARSE(&o, ARG("-net"), ARG("127.0.0.1")), OPTIONS_RUN);
    assert_string_equal(o.host, "127.0.0.1");
}

/* -DV is both; a boolean takes its value after "=" only. */
static void
booleans_take_no_next_word(void **state)
{
    (void)state;
    struct options o;

    assert_int_equal(PARSE(&o, ARG("-DV")), OPTIONS_RUN);
    assert_true(o.debug && o.trace);
    assert_int_equal(PARSE(&o, ARG("-D=false"), ARG("-V=true")), OPTIONS_RUN);
    assert_true(!o.debug && o.trace);
    assert_int_equal(PARSE(&o, ARG("-D"), ARG("false")), OPTIONS_BAD);
}

/* What is not an option, has no value, or a bad one, is refused. */
static void
bad_words_are_refused(void **state)
{
    (void)state;
    struct options o;

    assert_int_equal(PARSE(&o, ARG("-nosuch")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-m"), ARG("8222")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-p")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-p"), ARG("x")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-p"), ARG("65536")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-p"), ARG("99999999999999999999")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-p"), ARG("")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("-D=perhaps")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("start")), OPTIONS_BAD);
    assert_int_equal(PARSE(&o, ARG("VERSION")), OPTIONS_VERSION);
    assert_int_equal(PARSE(&o, ARG("-h")), OPTIONS_HELP);
}

/* Durations as Go writes them. */
static void
durations_are_gos(void **state)
{
    (void)state;
    int64_t ns;

    assert_true(options_duration("1.5s", &ns) && ns == 1500000000);
    assert_true(options_duration("1h2m3s", &ns) && ns == INT64_C(3723000000000));
    assert_true(options_duration("300ms", &ns) && ns == 300000000);
    assert_true(options_duration("20us", &ns) && ns == 20000);
    assert_false(options_duration("", &ns));
    assert_false(options_duration("5", &ns));
    assert_false(options_duration("-1s", &ns));
    assert_false(options_duration("1x", &ns));
    assert_false(options_duration("inf", &ns));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aliases_and_dashes_are_equal),
        cmocka_unit_test(booleans_take_no_next_word),
        cmocka_unit_test(bad_words_are_refused),
        cmocka_unit_test(durations_are_gos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
