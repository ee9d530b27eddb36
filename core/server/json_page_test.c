/* Tests of json_page.h: texts as Go's encoding/json and nats-server write them. */
#include "core/server/json_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/rt/fault.h"
#include "core/rt/util.h"

static void
assert_page(struct page *p, const char *want)
{
    size_t len = 0;
    char *text = page_take(p, &len);
    assert_non_null(text);
    assert_string_equal(text, want);
    assert_int_equal(len, strlen(want));
    free(text);
}

static void
write_some(struct page *p)
{
    page_open(p, NULL, '{');
    page_str(p, "s", "a<b>&\"\n");
    page_open(p, "none", '{');
    page_close(p, '}');
    page_open(p, "list", '[');
    page_i64(p, NULL, -1);
    page_open(p, NULL, '[');
    page_close(p, ']');
    page_open(p, NULL, '{');
    page_bool(p, "b", true);
    page_null(p, "n");
    page_close(p, '}');
    page_close(p, ']');
    page_u64(p, "u", UINT64_MAX);
    page_close(p, '}');
}

static void
a_document_is_indented_as_go_does_it(void **state)
{
    (void)state;
    struct page p;
    page_init(&p, 2);
    write_some(&p);
    assert_page(&p, "{\n  \"s\": \"a\\u003cb\\u003e\\u0026\\\"\\n\",\n  \"none\": {},\n  \"list\": [\n    -1,\n    [],\n    {\n      \"b\": true,\n"
                    "      \"n\": null\n    }\n  ],\n  \"u\": 18446744073709551615\n}");
    page_init(&p, 0);
    write_some(&p);
    assert_page(&p, "{\"s\":\"a\\u003cb\\u003e\\u0026\\\"\\n\",\"none\":{},\"list\":[-1,[],{\"b\":true,\"n\":null}],\"u\":18446744073709551615}");
}

#define ONE(call, want)            \
    do {                           \
        struct page p_;            \
        page_init(&p_, 2);         \
        struct page *p = &p_;      \
        call;                      \
        assert_page(p, want);      \
    } while (0)

static void
numbers_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    ONE(page_f64(p, NULL, 0), "0");
    ONE(page_f64(p, NULL, 2), "2");
    ONE(page_f64(p, NULL, 0.8), "0.8");
    ONE(page_f64(p, NULL, 2.0 / 7), "0.2857142857142857");
    ONE(page_f64(p, NULL, 5.0 / 6), "0.8333333333333334");
    ONE(page_f64(p, NULL, 100), "100");
    ONE(page_f64(p, NULL, 1e20), "100000000000000000000");
    ONE(page_f64(p, NULL, 0.0 / 1 - 0.5), "-0.5");
    ONE(page_f64(p, NULL, 1.0 / 0.0), "0");
}

static void
times_are_rfc_3339_without_trailing_zeros(void **state)
{
    (void)state;
    ONE(page_time(p, NULL, 0), "\"1970-01-01T00:00:00Z\"");
    ONE(page_time(p, NULL, INT64_C(1795880351467789910)), "\"2026-11-28T15:39:11.46778991Z\"");
    ONE(page_time(p, NULL, INT64_C(951782400500000000)), "\"2000-02-29T00:00:00.5Z\"");
    ONE(page_time(p, NULL, -1), "\"1969-12-31T23:59:59.999999999Z\"");
}

static void
durations_are_gos_and_uptimes_are_nats(void **state)
{
    (void)state;
    ONE(page_duration(p, NULL, 0), "\"0s\"");
    ONE(page_duration(p, NULL, 7), "\"7ns\"");
    ONE(page_duration(p, NULL, 312000), "\"312µs\"");
    ONE(page_duration(p, NULL, 1500), "\"1.5µs\"");
    ONE(page_duration(p, NULL, 5510009), "\"5.510009ms\"");
    ONE(page_duration(p, NULL, INT64_C(8253340565)), "\"8.253340565s\"");
    ONE(page_duration(p, NULL, 90 * NS_PER_S), "\"1m30s\"");
    ONE(page_duration(p, NULL, 3600 * NS_PER_S), "\"1h0m0s\"");
    ONE(page_duration(p, NULL, -1500000), "\"-1.5ms\"");
    ONE(page_uptime(p, NULL, -1), "\"0s\"");
    ONE(page_uptime(p, NULL, 12 * NS_PER_S + 999), "\"12s\"");
    ONE(page_uptime(p, NULL, 300 * NS_PER_S), "\"5m0s\"");
    ONE(page_uptime(p, NULL, (2 * 86400 + 3 * 3600 + 7) * NS_PER_S), "\"2d3h0m7s\"");
    ONE(page_uptime(p, NULL, (400 * INT64_C(86400)) * NS_PER_S), "\"1y35d0h0m0s\"");
}

static void
a_page_in_two_pieces_is_one(void **state)
{
    (void)state;
    struct page p, q;
    page_init(&p, 2);
    page_init(&q, 2);
    q.depth = 1;
    q.some[1] = true;
    page_u64(&q, "b", 2);
    page_open(&p, NULL, '{');
    page_u64(&p, "a", 1);
    page_join(&p, &q);
    page_u64(&p, "c", 3);
    page_close(&p, '}');
    assert_page(&p, "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}");
    page_init(&p, 2);
    page_init(&q, 2);
    q.depth = 1;
    page_u64(&q, NULL, 1);
    page_open(&p, NULL, '[');
    page_join(&p, &q);
    page_close(&p, ']');
    assert_page(&p, "[\n  1\n]");
}

/* Whichever allocation fails, there is no text, and nothing stays behind. */
static void
without_memory_there_is_no_text(void **state)
{
    (void)state;
    for (int64_t i = 0;; i++) {
        struct page p;
        size_t len;
        fault_arm(i);
        page_init(&p, 2);
        page_open(&p, NULL, '[');
        for (int k = 0; k < 3000; k++)
            page_str(&p, NULL, "some text to make it grow");
        page_close(&p, ']');
        char *text = page_take(&p, &len);
        bool failed = fault_disarm();
        assert_int_equal(text == NULL, failed);
        free(text);
        if (!failed)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_indented_as_go_does_it),
        cmocka_unit_test(numbers_are_as_short_as_they_can_be),
        cmocka_unit_test(times_are_rfc_3339_without_trailing_zeros),
        cmocka_unit_test(durations_are_gos_and_uptimes_are_nats),
        cmocka_unit_test(a_page_in_two_pieces_is_one),
        cmocka_unit_test(without_memory_there_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
