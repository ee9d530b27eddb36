/* arena_test.c - memory that is given back at once. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/arena.h"
#include "core/rt/fault.h"

/* Pieces of all sizes: aligned, zeroed, and none touches another. */
static void
pieces_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 2000 };
    static unsigned char *at[N];
    struct arena *a = arena_new();

    for (size_t i = 0; i < N; i++) {
        size_t len = i * 37 % 5000 + (i % 97 == 0 ? 100000 : 0);
        at[i] = arena_take(a, len);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % alignof(max_align_t), 0);
        for (size_t k = 0; k < len; k++)
            assert_int_equal(at[i][k], 0);
        memset(at[i], (int)(i & 0xff), len);
    }
    for (size_t i = 0; i < N; i++) {
        size_t len = i * 37 % 5000 + (i % 97 == 0 ? 100000 : 0);
        for (size_t k = 0; k < len; k++)
            assert_int_equal(at[i][k], i & 0xff);
    }
    arena_free(a);
}

/* A copy ends with a NUL, and may hold some. */
static void
copies_are_terminated(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    assert_memory_equal(arena_copy(a, "a\0b", 3), "a\0b", 4);
    assert_string_equal(arena_copy(a, NULL, 0), "");
    assert_true(arena_bytes(a) >= ARENA_CHUNK);
    arena_free(a);
    arena_free(NULL);
}

/* Where the system has none, there is none; what was taken before stays good. */
static void
no_memory_is_an_answer(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    fault_arm(0);
    assert_null(arena_new());
    assert_true(fault_disarm());
    struct arena *a = arena_new();
    char *kept = arena_copy(a, "kept", 4);
    fault_arm(0);
    assert_null(arena_take(a, 1 << 20));
    assert_true(fault_disarm());
    assert_string_equal(kept, "kept");
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(copies_are_terminated),
        cmocka_unit_test(no_memory_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
