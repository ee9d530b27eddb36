/* Tests of nats_hdr.h. The odd blocks are those whose answers nats-server 2.14.5 was asked for. */
#include "proto/nats_hdr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/util.h"

/* A copy of exactly its length, so that a sanitizer sees a read beyond it. own, by free */
static uint8_t *
exact(const char *text, size_t len)
{
    uint8_t *p = malloc(len + (len == 0));
    assert_non_null(p);
    memcpy(p, text, len);
    return p;
}

/* All fields as "name=value;". */
static const char *
fields(const char *block)
{
    static char text[512];
    struct nats_hdr_field f;
    size_t len = strlen(block), off = 0;
    uint8_t *p = exact(block, len);

    text[0] = '\0';
    while (nats_hdr_next(p, len, &off, &f))
        sprintf(text + strlen(text), "%.*s=%.*s;", (int)f.name.len, f.name.ptr, (int)f.value.len, f.value.ptr);
    assert_false(nats_hdr_next(p, len, &off, &f)); /* and it stays at the end */
    free(p);
    return text;
}

static void
fields_are_read_as_nats_server_reads_them(void **state)
{
    static const char *const rows[][2] = {
        {"NATS/1.0\r\nA: b\r\nC:d\r\n\r\n", "A=b;C=d;"},
        {"NATS/1.0\r\nA:  \t b c \t\r\n\r\n", "A=b c;"},
        {"NATS/1.0\r\nA: x:y\r\n\r\n", "A=x:y;"},
        {"NATS/1.0\r\nA:\r\nB: \r\n: c\r\nD: e\r\n\r\n", "D=e;"},
        {"NATS/1.0\r\nZ : q\r\n a: b\r\n\r\n", "Z =q; a=b;"},
        {"NATS/1.0\r\nA: b\r\nbadline\r\nX: 1\r\n\r\n", "A=b;badline\r\nX=1;"},
        {"NATS/1.0\r\nX: 1\nA: b\r\n\r\n", "X=1\nA: b;"},
        {"NATS/1.0\r\nX: a\rb\r\n\r\n", "X=a\rb;"},
        {"NATS/1.0\r\nX: y\r\n\r\nA: b\r\n\r\n", "X=y;\r\nA=b;"},
        {"NATS/1.0\r\nA: b\r\n", "A=b;"},
        {"NATS/1.0\r\nA: b", ""},
        {"NATS/1.0\r\nA: b\r", ""},
        {"NATS/1.0 200 OK\r\nA: b\r\n\r\n", ""},
        {"A: b\r\n\r\n", ""},
        {"NATS/1.0\r\n\r\n", ""},
        {"NATS/1.0\r\n", ""},
        {"NATS/1.0", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        assert_string_equal(fields(rows[i][0]), rows[i][1]);
}

static void
the_first_value_of_a_name_is_found(void **state)
{
    const char *block = "NATS/1.0\r\na: 0\r\nAb: 1\r\nA:\r\nA: 2\r\nA: 3\r\n\r\n";
    const uint8_t *p = (const uint8_t *)block;
    (void)state;

    struct nats_view v = nats_hdr_find(p, strlen(block), "A");
    assert_int_equal(v.len, 1);
    assert_int_equal(v.ptr[0], '2');
    assert_null(nats_hdr_find(p, strlen(block), "B").ptr);
}

static bool
naive_trace(const uint8_t *p, size_t len)
{
    return len > 0 && memmem(p, len, "\nNats-T", 7) != NULL;
}

/* At every place of blocks of every length, and with almost the word all over. */
static void
the_quick_look_misses_no_line(void **state)
{
    struct rng r;
    (void)state;

    rng_init(&r, 5);
    for (int round = 0; round < 200000; round++) {
        char text[100];
        size_t len = rng_below(&r, sizeof(text));
        for (size_t i = 0; i < len; i++)
            text[i] = "\nNats-Txx"[rng_below(&r, 9)];
        if (len >= 7 && rng_below(&r, 2) == 0)
            memcpy(text + rng_below(&r, len - 6), "\nNats-T", 7);
        uint8_t *p = exact(text, len);
        assert_int_equal(nats_hdr_maybe_trace(p, len), naive_trace(p, len));
        free(p);
    }
}

/* Exactly this comes of setting A to "new". */
static void
check_set(const char *block, const char *want)
{
    size_t len = strlen(block);
    uint8_t *p = exact(block, len), *to = malloc(len + strlen("A") + strlen("new") + 6);
    assert_non_null(to);
    size_t n = nats_hdr_set(p, len, "A", "new", to);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(to, want, n);
    free(p);
    free(to);
}

static void
a25_a_field_that_is_set_replaces_all_of_its_name(void **state)
{
    (void)state;
    check_set("NATS/1.0\r\n\r\n", "NATS/1.0\r\nA: new\r\n\r\n");
    check_set("NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0\r\nA: new\r\n\r\n");
    check_set("NATS/1.0\r\nX: 1\r\nA: b\r\nY: 2\r\nA: c\r\n\r\n", "NATS/1.0\r\nX: 1\r\nY: 2\r\nA: new\r\n\r\n");
    check_set("NATS/1.0\r\nA: b\r\na: c\r\nAA: d\r\n\r\n", "NATS/1.0\r\na: c\r\nAA: d\r\nA: new\r\n\r\n");
    check_set("NATS/1.0\r\nX: 1", "NATS/1.0\r\nX: 1A: new\r\n\r\n"); /* no block to begin with */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_as_nats_server_reads_them),
        cmocka_unit_test(the_first_value_of_a_name_is_found),
        cmocka_unit_test(the_quick_look_misses_no_line),
        cmocka_unit_test(a25_a_field_that_is_set_replaces_all_of_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
