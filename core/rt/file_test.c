/* file.h: what is written, with which rights, and what refusals say. */
#include "core/rt/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/midge_file_XXXXXX";

static int
make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

/* An older, longer file that everybody may read stands there: none of it stays. */
static void
a_file_is_overwritten_with_its_new_rights(void **state)
{
    char path[64], why[FILE_WHY_MAX], got[16] = "";
    struct stat st;
    (void)state;

    (void)snprintf(path, sizeof(path), "%s/f", dir);
    assert_true(file_write(path, 0644, "0123456789", 10, why));
    assert_true(file_write(path, 0600, "42", 2, why));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 2);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(got, sizeof(got), f));
    assert_string_equal(got, "42");
    (void)fclose(f);
    assert_true(file_remove(path, why));
    assert_false(file_remove(path, why));
    assert_non_null(strstr(why, "remove /tmp/"));
    assert_non_null(strstr(why, ": no such file or directory"));
}

/* What had the name before is gone. */
static void
a_file_takes_the_place_of_another(void **state)
{
    char a[64], b[64], why[FILE_WHY_MAX];
    struct stat st;
    (void)state;

    (void)snprintf(a, sizeof(a), "%s/a", dir);
    (void)snprintf(b, sizeof(b), "%s/b", dir);
    assert_true(file_write(a, 0600, "1", 1, why));
    assert_true(file_write(b, 0600, "22", 2, why));
    assert_true(file_rename(a, b, why));
    assert_int_equal(stat(b, &st), 0);
    assert_int_equal(st.st_size, 1);
    assert_false(file_rename(a, b, why));
    assert_non_null(strstr(why, ": no such file or directory"));
    assert_true(file_remove(b, why));
}

static void
a_refusal_names_the_file_and_the_reason(void **state)
{
    char why[FILE_WHY_MAX];
    (void)state;

    assert_false(file_write("/nonexistent/f", 0600, "1", 1, why));
    assert_string_equal(why, "open /nonexistent/f: no such file or directory");
    assert_false(file_write(dir, 0600, "1", 1, why));
    assert_non_null(strstr(why, ": is a directory"));
}

/* A disk that is full shows at the write, not at the opening. */
static void
s4_files_a_full_device_is_told(void **state)
{
    char why[FILE_WHY_MAX];
    (void)state;

    assert_false(file_write("/dev/full", 0600, "1", 1, why));
    assert_string_equal(why, "write /dev/full: no space left on device");
}

/* What was written is read, up to the bound and not beyond; a refusal has the system's word. */
static void
whole_files_are_read(void **state)
{
    (void)state;
    enum { MAX = 20000 };
    char path[64], why[FILE_WHY_MAX], *bytes = NULL;
    static char big[MAX + 1];
    size_t len = 0;

    memset(big, 'x', sizeof(big));
    (void)snprintf(path, sizeof(path), "%s/read", dir); /* fits */
    for (size_t n = 0; n <= MAX; n = n == 0 ? 4095 : n < 4097 ? n + 1 : n < MAX ? MAX : n + 1) {
        assert_true(file_write(path, 0600, big, n, why));
        assert_int_equal(file_read(path, MAX, &bytes, &len, why), OK);
        assert_int_equal(len, n);
        assert_int_equal(file_mode(path), 0600);
        assert_memory_equal(bytes, big, n);
        free(bytes);
    }
    assert_true(file_write(path, 0600, big, MAX + 1, why));
    assert_int_equal(file_read(path, MAX, &bytes, &len, why), ERR_LIMIT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(file_read(path, MAX, &bytes, &len, why), ERR_NOENT);
    assert_string_equal(why, "no such file or directory");
    assert_int_equal(file_mode(path), 0);
    (void)file_read(dir, MAX, &bytes, &len, why);
    assert_string_equal(why, "is a directory");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_files_are_read),
        cmocka_unit_test(a_file_is_overwritten_with_its_new_rights),
        cmocka_unit_test(a_file_takes_the_place_of_another),
        cmocka_unit_test(a_refusal_names_the_file_and_the_reason),
        cmocka_unit_test(s4_files_a_full_device_is_told),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
