/* options_report_test.c - warnings before errors, and none beyond the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/server/options_report.h"

/* In whatever order they come, warnings stand first. */
static void
warnings_stand_before_errors(void **state)
{
    (void)state;
    struct options_report *r = options_report_new();

    assert_string_equal(options_report_text(r), "");
    options_fail(r, "e%d", 1);
    options_warn(r, "w%d", 1);
    options_fail(r, "e%d", 2);
    options_warn(r, "w%d", 2);
    assert_string_equal(options_report_text(r), "w1\nw2\ne1\ne2\n");
    assert_int_equal(options_report_n_warnings(r), 2);
    assert_int_equal(options_report_n_errors(r), 2);
    options_report_free(r);
    options_report_free(NULL);
}

/* A file with errors without end: what does not fit is counted. */
static void
what_does_not_fit_is_counted(void **state)
{
    (void)state;
    struct options_report *r = options_report_new();
    char line[2 * OPTIONS_LINE_MAX];

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    for (int i = 0; i < 3000; i++)
        options_fail(r, "%s", line);
    const char *text = options_report_text(r);
    assert_true(strlen(text) <= OPTIONS_REPORT_MAX + 100);
    assert_int_equal(options_report_n_errors(r), 3000);
    assert_non_null(strstr(text, "\n... and "));
    options_report_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(warnings_stand_before_errors), cmocka_unit_test(what_does_not_fit_is_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
