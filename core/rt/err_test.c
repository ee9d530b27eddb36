/* The table of what can fail. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/err.h"

static void
every_error_has_a_name_and_a_text_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_N; i++) {
        assert_true(strlen(err_text((enum err)i)) > 0);
        assert_true(i == OK || strncmp(err_name((enum err)i), "ERR_", 4) == 0);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(err_text((enum err)i), err_text((enum err)k));
            assert_string_not_equal(err_name((enum err)i), err_name((enum err)k));
        }
    }
    assert_string_equal(err_name(OK), "OK");
    assert_string_equal(err_text(ERR_NOMEM), "out of memory");
}

/* Whatever the system says is some error of ours: never OK, which would be a lie, and never out of the table. */
static void
every_errno_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(0), OK);
    for (int e = 1; e < 4096; e++)
        assert_in_range(err_from_errno(e), ERR_AGAIN, ERR_N - 1);
    assert_int_equal(err_from_errno(EMFILE), ERR_NOFILE);
    assert_int_equal(err_from_errno(ENOSPC), ERR_NOSPACE);
    assert_int_equal(err_from_errno(EDQUOT), ERR_NOSPACE);
    assert_int_equal(err_from_errno(EWOULDBLOCK), ERR_AGAIN);
    assert_int_equal(err_from_errno(ENOTTY), ERR_IO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_and_a_text_of_its_own),
        cmocka_unit_test(every_errno_is_an_error),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
