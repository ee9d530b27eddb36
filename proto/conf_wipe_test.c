/* conf_wipe_test.c - no secret of a configuration is left in memory that was given back (sheet 05, F4).
 *
 * This program's free looks at every block before it lets go of it. Not built with sanitizers, whose free it would be. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"
#include "proto/conf_check.h"

extern void __libc_free(void *p);

static const char canary[] = "Zq7canary";
static const int64_t canary_number = 0x5a71c0a3b2d4e6f7;

static bool     wipe_looks;
static unsigned n_seen, n_blocks;

void
free(void *p)
{
    if (wipe_looks && p != NULL) {
        size_t len = malloc_usable_size(p);
        n_blocks++;
        n_seen += memmem(p, len, canary, sizeof(canary) - 1) != NULL;
        n_seen += memmem(p, len, &canary_number, sizeof(canary_number)) != NULL;
    }
    __libc_free(p);
}

/* What holds a secret: strings in every spelling, a number, a comment, a variable, a file that is included, and enough of them to outgrow
 * whatever grows. */
static size_t
wipe_text(char *text, size_t cap)
{
    size_t len = (size_t)snprintf(text, cap, "# %s\ninclude f\nv $V\nn [%lld, %lld ]\n", canary, (long long)canary_number, (long long)canary_number);

    for (int i = 0; i < 300; i++)
        len += (size_t)snprintf(text + len, cap - len, "k%d { a %s, b '%s', c \"%s\\n\", d \\x5Aq7canary, e %lld }\nb%d (\n%s\n)\n", i, canary, canary, canary, (long long)canary_number,
            i, canary);
    return len;
}

static unsigned
wipe_parse(const char *tail, enum err want)
{
    static char             text[1 << 17];
    struct conf_check_world world = {0};
    struct conf_env         env = conf_check_env(&world);
    struct conf_doc        *d = NULL;
    char                    why[256], digest[CONF_DIGEST_LEN + 1], var[64];
    size_t                  len = wipe_text(text, sizeof(text));

    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", tail);
    (void)snprintf(var, sizeof(var), "[%s, \"%s\"]", canary, canary);
    assert_true(conf_check_add(&world, true, "t", text, len) && conf_check_add(&world, true, "f", "x Zq7canary", 11));
    assert_true(conf_check_add(&world, false, "V", var, strlen(var)));
    n_seen = n_blocks = 0;
    wipe_looks = true;
    enum err e = conf_parse_file(&env, "t", &d, why, sizeof(why));
    if (e == OK)
        e = conf_digest(d, digest);
    if (e == OK)
        assert_string_equal(conf_get(conf_doc_top(d), "x")->str.bytes, canary);
    conf_doc_free(d);
    wipe_looks = false;
    assert_int_equal(e, want);
    assert_null(strstr(why, canary));
    conf_check_fini(&world);
    return n_seen;
}

static void
f4_nothing_is_left_of_a_configuration(void **state)
{
    (void)state;
    assert_int_equal(wipe_parse("", OK), 0);
    assert_true(n_blocks > 10);
    assert_int_equal(wipe_parse("broken [", ERR_SYNTAX), 0);
    assert_true(n_blocks > 10);
}

/* Would a secret be seen? */
static void
f4_the_test_sees_what_is_left(void **state)
{
    (void)state;
    char *text = strdup(canary);

    n_seen = 0;
    wipe_looks = true;
    free(text);
    wipe_looks = false;
    assert_int_equal(n_seen, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f4_nothing_is_left_of_a_configuration),
        cmocka_unit_test(f4_the_test_sees_what_is_left),
    };
    return cmocka_run_group_tests_name("conf_wipe", tests, NULL, NULL);
}
