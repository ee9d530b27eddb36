/* options_doc_test.c - docs/operating.md holds the table of options as the table of options is.
 *
 *     options_doc_test docs/operating.md            the test
 *     options_doc_test --print                      the tables, to be put between the page's two marks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/server/options_doc.h"

static const char *doc_path;

static char *
doc_read(FILE *f)
{
    enum { MAX = 1 << 20 };
    char *text = calloc(1, MAX);
    assert_non_null(text);
    assert_true(fread(text, 1, MAX - 1, f) > 0);
    return text;
}

static void
r9_the_page_shows_the_table(void **state)
{
    (void)state;
    static const char begin[] = "<!-- options: begin -->\n", end[] = "<!-- options: end -->\n";
    char *table = NULL;
    size_t len = 0;
    FILE *f = fopen(doc_path, "r"), *m = open_memstream(&table, &len);

    assert_non_null(f);
    assert_non_null(m);
    options_doc(m);
    assert_int_equal(fclose(m), 0);
    char *page = doc_read(f);
    assert_int_equal(fclose(f), 0);
    char *from = strstr(page, begin), *to = strstr(page, end);
    assert_non_null(from);
    assert_non_null(to);
    from += sizeof(begin) - 1;
    *to = '\0';
    assert_string_equal(from, table);
    free(page);
    free(table);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(r9_the_page_shows_the_table)};

    if (argc != 2)
        return 2;
    if (strcmp(argv[1], "--print") == 0) {
        options_doc(stdout);
        return 0;
    }
    doc_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
