/* Tests of transform.h. The tables are nats-server 2.14.5's answers, asked for; left and right are the sheet's. */
#include "core/broker/transform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/subject.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

enum { CAP = 4096 };

/* What subject becomes, as text; "!..." for an error, "?" and "..." for the other verdicts. */
static const char *
become(const char *src, const char *dest, uint32_t flags, const char *subject, size_t cap)
{
    static char text[CAP + 1];
    struct transform *t = NULL;
    size_t len = 0;

    text[0] = '!';
    enum err e = transform_new(src, dest, flags, &t, text + 1, sizeof(text) - 1);
    if (e != OK) {
        assert_int_equal(e, ERR_INVAL);
        return text;
    }
    if (t == NULL)
        return "(none)";
    /* Of exactly its length, so that a sanitizer sees a read or write beyond it. */
    uint8_t *to = malloc(cap + (cap == 0)), *from = malloc(strlen(subject) + 1);
    assert_true(to != NULL && from != NULL);
    memcpy(from, subject, strlen(subject));
    enum transform_verdict v = transform_apply(t, from, strlen(subject), 1, to, cap, &len);
    if (v == TRANSFORM_OK) {
        memcpy(text, to, len);
        text[len] = '\0';
    }
    free(to);
    free(from);
    transform_free(t);
    return v == TRANSFORM_OK ? text : v == TRANSFORM_NO_MATCH ? "?" : "...";
}

struct row {
    const char *src, *dest, *subject, *becomes;
};

static void
check_rows(const struct row *rows, size_t n, uint32_t flags)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = become(rows[i].src, rows[i].dest, flags, rows[i].subject, CAP);
        if (strcmp(got, rows[i].becomes) != 0)
            fail_msg("%s to %s: %s became %s, not %s", rows[i].src, rows[i].dest, rows[i].subject, got, rows[i].becomes);
    }
}

static void
placeholders_are_whole_tokens_and_count_the_wildcards(void **state)
{
    static const struct row rows[] = {
        {"a.*", "o.$1", "a.x", "o.x"},
        {"a.*.*", "o.$2.$1", "a.x.y", "o.y.x"},
        {"a.*.*", "o.{{wildcard(2)}}.{{Wildcard(1)}}", "a.x.y", "o.y.x"},
        {"a.*", "o.$1.$1", "a.x", "o.x.x"},
        {"a.*", "o", "a.x", "o"},
        {"a.*", "o.$0", "a.x", "o.a"},
        {"a.*", "o.{{wildcard(0)}}", "a.x", "o.a"},
        {"*.*", "$-1.$2", "x.y", "x.y"},
        {"a.*", "o.$x", "a.q", "o.$x"},
        {"a.*", "o.$01", "a.q", "o.q"},
        {"a.*", "o.$+1", "a.q", "o.q"},
        {"a.*", "o.$", "a.q", "o.$"},
        {"a.*", "o.$1x", "a.q", "o.$1x"},
        {"a.*", "o.x$1", "a.q", "o.x$1"},
        {"a.*", "o.$99999999999999999999", "a.q", "o.$99999999999999999999"},
        {"a.*", "o.{{wildcard(1)", "a.q", "o.{{wildcard(1)"},
        {"a.*", "o.{{wildcard(1)}}x", "a.q", "o.{{wildcard(1)}}x"},
        {"a.*", "o.x{{wildcard(1)}}", "a.q", "o.x{{wildcard(1)}}"},
        {"a.*", "o.{{}}", "a.q", "o.{{}}"},
        {"a.*", "o.{{wildcard(1)}}}}", "a.q", "o.q"},
        {"a.*", "o.{{{{wildcard(1)}}", "a.q", "o.q"},
        {"a.*", "o.{{ wildcard ( 1 ) }}", "a.q", "o.q"},
        {"a.*", "o.{{\twildcard(1)}}", "a.q", "o.q"},
        {"a.a*", "o", "a.a*", "o"},
        {"a.*", "o.a*", "a.q", "o.a*"},
        {"a.*", "o.a>", "a.q", "o.a>"},
        {"", "o.>", "a.q", "o.a.q"},
        {"a", "o", "a", "o"},
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), 0);
}

static void
a_last_gt_appends_the_rest(void **state)
{
    static const struct row rows[] = {
        {"a.>", "o.>", "a.x.y", "o.x.y"},   {"a.*.>", "o.$1.>", "a.x.y.z", "o.x.y.z"}, {">", "o.>", "x", "o.x"},
        {"*.b.>", "z.$1.>", "x.b.z", "z.x.z"}, {"a.>", "o.>", "a", "?"},                {"a.>", ">", "a.x.>", "x.>"},
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), 0);
}

static void
split_drops_empty_pieces(void **state)
{
    static const struct row rows[] = {
        {"a.*", "o.{{split(1,-)}}", "a.a-b--c-", "o.a.b.c"},
        {"a.*", "o.{{split(1,-)}}", "a.--", "o."}, /* matches nothing */
        {"a.*", "o.{{split(1,-)}}", "a.-2", "o.2"},
        {"a.*", "o.{{split(1,-)}}.x", "a.--2", "o..2.x"}, /* nor does this */
        {"a.*", "o.{{split(1,-)}}.x", "a.-a---b-", "o.a.b.x"},
        {"a.*", "o.{{split(1,)}}", "a.abc", "o.a.b.c"},
        {"a.*", "o.{{split(1, )}}", "a.a\xc3\xa9\xe2\x82\xac" "b", "o.a.\xc3\xa9.\xe2\x82\xac.b"},
        {"a.*", "o.{{split(1,)}}", "a.a\xc3", "o.a.\xc3"},
        {"a.*", "o.{{split(1,.)}}", "a.abc", "o.{{split(1,.)}}"},
        {"a.*", "o.{{split(1, -)}}", "a.a-b", "o.a.b"},
        {"a.*", "o.{{split( 1 ,-)}}", "a.a-b", "o.a.b"},
        {"a.*", "o.{{split(1,ab)}}", "a.xabyabzz", "o.x.y.zz"},
        {"a.*", "o.{{split(1,>)}}", "a.q>r", "o.q.r"},
        {"a.*", "o.{{split(0,-)}}", "a.x-y", "o.a"},
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), 0);
}

static void
tokens_are_cut_and_sliced_from_either_side(void **state)
{
    static const struct row rows[] = {
        {"a.*", "{{splitFromLeft(1,3)}}", "a.12345", "123.45"},    {"a.*", "{{splitFromLeft(1,5)}}", "a.12345", "12345"},
        {"a.*", "{{splitFromLeft(1,0)}}", "a.12345", "12345"},     {"a.*", "{{splitFromLeft(1,-2)}}", "a.12345", "12345"},
        {"a.*", "{{splitFromRight(1,3)}}", "a.12345", "12.345"},   {"a.*", "{{splitFromRight(1,6)}}", "a.12345", "12345"},
        {"a.*", "{{splitFromRight(1,5)}}", "a.12345", "12345"},    {"a.*", "{{splitFromRight(1,-1)}}", "a.12345", "12345"},
        {"a.*", "{{sliceFromLeft(1,3)}}", "a.12345", "123.45"},    {"a.*", "{{SliceFromLeft(1,3)}}", "a.1234567", "123.456.7"},
        {"a.*", "{{slicefromleft(1,3)}}", "a.123", "123"},         {"a.*", "{{sliceFromLeft(1,3)}}", "a.123456", "123.456"},
        {"a.*", "{{sliceFromLeft(1,1)}}", "a.12345", "1.2.3.4.5"}, {"a.*", "{{sliceFromLeft(1,0)}}", "a.12345", "12345"},
        {"a.*", "{{sliceFromLeft(1,-2)}}", "a.12345", "12345"},    {"a.*", "{{sliceFromRight(1,3)}}", "a.12345", "12.345"},
        {"a.*", "{{sliceFromRight(1,3)}}", "a.1234567", "1.234.567"}, {"a.*", "{{sliceFromRight(1,3)}}", "a.123456", "123.456"},
        {"a.*", "{{sliceFromRight(1,0)}}", "a.12345", "12345"},    {"a.*", "{{sliceFromRight(1,9)}}", "a.12345", "12345"},
        {"t68.*", "{{splitFromLeft(0,2)}}", "t68.abcdef", "t6.8"}, {"a.*", "{{left(1,2)}}", "a.12345", "12"},
        {"a.*", "{{left(1,0)}}", "a.12345", "12345"},              {"a.*", "{{Left(1,9)}}", "a.12345", "12345"},
        {"a.*", "{{right(1,2)}}", "a.12345", "45"},                {"a.*", "{{right(1,-1)}}", "a.12345", "12345"},
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), 0);
}

static void
partition_hashes_tokens_or_the_whole_subject(void **state)
{
    static const struct row rows[] = {
        {"t44.*", "{{partition(10)}}", "t44.abc", "3"},
        {"a.*", "{{partition(10,1)}}", "a.abc", "1"},
        {"a.*.*", "{{partition(1000,1,2)}}", "a.abc.def", "506"},
        {"a.*.*", "{{partition(1000,2,1)}}", "a.abc.def", "116"},
        {"a.*.*", "{{partition(1000, 1 , 1)}}", "a.abc.def", "565"},
        {"a.*", "{{partition(0,1)}}", "a.abc", "0"},
        {"a.*", "{{partition(-10,1)}}", "a.abc", "440920331"},
        {"a.*", "{{partition(2147483647,1)}}", "a.abc", "440920331"},
        {"t52.*", "{{partition(10,0)}}", "t52.abc", "4"},
        {"t53.*", "{{partition(1000,-1)}}", "t53.abc", "843"},
        {"t14.*", "{{partition(1000,1,0)}}", "t14.abc", "376"},
        {"t59.*.>", "{{partition(1000)}}.>", "t59.x.y.z", "350.y.z"},
        {"t1.a", "{{partition(10,5)}}", "t1.a", "7"}, /* no wildcards: the whole subject, whatever is named */
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), 0);
}

static void
random_is_below_its_maximum_and_reaches_all_of_it(void **state)
{
    struct transform *t;
    uint8_t to[16];
    size_t len;
    uint32_t seen = 0;
    char why[TRANSFORM_WHY_MAX];
    static const struct row rows[] = {{"a", "{{random(0)}}", "a", "0"}, {"a", "{{random(1)}}", "a", "0"}, {"a", "{{random(-1)}}", "a", "0"}};
    (void)state;

    check_rows(rows, N_ELEMS(rows), 0);
    assert_int_equal(transform_new("a", "{{random(-4)}}.{{Random( 4 )}}", 0, &t, why, sizeof(why)), OK); /* the sign does not count */
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(transform_apply(t, (const uint8_t *)"a", 1, i, to, sizeof(to), &len), TRANSFORM_OK);
        assert_int_equal(len, 3);
        assert_in_range(to[0], '0', '3');
        assert_in_range(to[2], '0', '3');
        seen |= 1u << ((to[0] - '0') * 4 + (to[2] - '0'));
    }
    assert_int_equal(seen, 0xffff); /* the two are drawn apart */
    transform_free(t);
}

#define BAD "!invalid mapping destination: "
static const struct row wrong[] = {
    {"foo.*", "bar.$2", "", BAD "wildcard index out of range in $2: [2]"},
    {"foo.*", "bar.{{wildcard(2147483648)}}", "", BAD "wildcard index out of range in {{wildcard(2147483648)}}: [2147483648]"},
    {"foo.*", "bar.{{partition(10,1,2)}}", "", BAD "wildcard index out of range in {{partition(10,1,2)}}: [2]"},
    {"foo.*", "bar.{{split(2,-)}}", "", BAD "wildcard index out of range in {{split(2,-)}}: [2]"},
    {"foo.*", "bar.{{splitFromLeft(99999999999,1)}}", "", BAD "wildcard index out of range in {{splitFromLeft(99999999999,1)}}: [99999999999]"},
    {"foo.>", "bar.$1.>", "", BAD "wildcard index out of range in $1: [1]"},
    {"foo", "bar.$1", "", BAD "wildcard index out of range in $1"},
    {"foo", "bar.$0", "", BAD "wildcard index out of range in $0"},
    {"foo", "bar.{{splitFromLeft(1,1)}}", "", BAD "wildcard index out of range in {{splitFromLeft(1,1)}}"},
    {"foo.*", "bar.{{wildcard()}}", "", BAD "not enough arguments passed to the function in {{wildcard()}}"},
    {"foo.*", "bar.{{wildcard(x)}}", "", BAD "function argument is invalid or in the wrong format in {{wildcard(x)}}"},
    {"foo.*", "bar.{{wildcard(1\t)}}", "", BAD "function argument is invalid or in the wrong format in {{wildcard(1\t)}}"},
    {"foo.*", "bar.{{wildcard(1,2)}}", "", BAD "too many arguments passed to the function in {{wildcard(1,2)}}"},
    {"foo.*", "bar.{{wildcard(,1)}}", "", BAD "too many arguments passed to the function in {{wildcard(,1)}}"},
    {"foo.*", "bar.{{wildcard(0x1)}}", "", BAD "function argument is invalid or in the wrong format in {{wildcard(0x1)}}"},
    {"foo.*", "bar.{{wildcard(99999999999999999999)}}", "", BAD "function argument is invalid or in the wrong format in {{wildcard(99999999999999999999)}}"},
    {"foo.*", "bar.{{wildcard(1))}}", "", BAD "function argument is invalid or in the wrong format in {{wildcard(1))}}"},
    {"foo.*", "bar.{{wildcard(1)}}{{wildcard(1)}}", "", BAD "function argument is invalid or in the wrong format in {{wildcard(1)}}{{wildcard(1)}}"},
    {"foo.*", "bar.{{wildcard(1)x}}", "", BAD "unknown function in {{wildcard(1)x}}"},
    {"foo.*", "bar.{{foo(1)}}", "", BAD "unknown function in {{foo(1)}}"},
    {"foo.*", "bar.{{wildcard1}}", "", BAD "unknown function in {{wildcard1}}"},
    {"foo.*", "bar.{{ }}", "", BAD "unknown function in {{ }}"},
    {"foo.*", "bar.{{a b}}", "", BAD "unknown function in {{a b}}"},
    {"foo.*", "bar.{{SPLITFROMLEFT(1,2)}}", "", BAD "unknown function in {{SPLITFROMLEFT(1,2)}}"},
    {"foo.*", "bar.$9.{{foo()}}", "", BAD "unknown function in {{foo()}}"},
    {"foo.*", "bar.{{partition()}}", "", BAD "function argument is invalid or in the wrong format in {{partition()}}"},
    {"foo.*", "bar.{{partition(10,)}}", "", BAD "function argument is invalid or in the wrong format in {{partition(10,)}}"},
    {"foo.*", "bar.{{partition(2147483648,1)}}", "", BAD "function argument is invalid or in the wrong format in {{partition(2147483648,1)}}"},
    {"foo.*", "bar.{{random()}}", "", BAD "function argument is invalid or in the wrong format in {{random()}}"},
    {"foo.*", "bar.{{random(10,1)}}", "", BAD "not enough arguments passed to the function in {{random(10,1)}}"},
    {"foo.*", "bar.{{split(1)}}", "", BAD "not enough arguments passed to the function in {{split(1)}}"},
    {"foo.*", "bar.{{split(1,,)}}", "", BAD "too many arguments passed to the function in {{split(1,,)}}"},
    {"foo.*", "bar.{{split( 1 , - )}}", "", BAD "function argument is invalid or in the wrong format in {{split( 1 , - )}}"},
    {"foo.*", "bar.{{splitFromLeft(2,x)}}", "", BAD "function argument is invalid or in the wrong format in {{splitFromLeft(2,x)}}"},
    {"foo.*", "bar.{{splitFromLeft(1,99999999999)}}", "", BAD "function argument is invalid or in the wrong format in {{splitFromLeft(1,99999999999)}}"},
    {"foo.*", "bar.{{SliceFromLeft(1,2,3)}}", "", BAD "too many arguments passed to the function in {{SliceFromLeft(1,2,3)}}"},
    {"foo", "bar..a", "", BAD "invalid transform"},
    {"foo", ".bar", "", BAD "invalid transform"},
    {"foo", "bar.", "", BAD "invalid transform"},
    {"foo", "bar a", "", BAD "invalid transform"},
    {"foo", "bar\tx", "", BAD "invalid transform"},
    {"foo.*", "bar.{{a b", "", BAD "invalid transform"},
    {"foo.*", "bar.{{split(1, a.b)}}", "", BAD "invalid transform"},
    {"foo.>", "bar.>.x", "", BAD "invalid transform in x"},
    {"foo.*", "b.{{wildcard(2)}}.>.x", "", BAD "invalid transform in x"},
    {"foo.*", "bar.*", "", "!invalid subject"},
    {"foo.*", "bar.>", "", "!invalid subject"},
    {"foo.>", "bar", "", "!invalid subject"},
    {"foo.>", "*.>", "", "!invalid subject"},
    {"foo.*", "b.$9.*", "", "!invalid subject"},
    {"foo.*", "{{split(1)}}.a b", "", BAD "invalid transform"},
    {"foo.*", "{{split(1)}}.>.x", "", BAD "invalid transform in x"},
    {"foo.*", "{{wildcard(1,2)}}.{{nope(1)}}", "", BAD "unknown function in {{nope(1)}}"},
    {"foo.*", "{{split(1)}}.*", "", "!invalid subject"},
    {"foo.*", "$9.{{split(1)}}", "", BAD "wildcard index out of range in $9: [9]"},
    {"foo.*", "{{split(1)}}.$9", "", BAD "not enough arguments passed to the function in {{split(1)}}"},
    {"foo..a", "bar", "", "!invalid subject"},
    {"foo a", "bar", "", "!invalid subject"},
};

static void
errors_have_the_texts_of_nats_server(void **state)
{
    (void)state;
    check_rows(wrong, N_ELEMS(wrong), 0);
}

static void
imports_use_every_wildcard_and_nothing_else(void **state)
{
    static const struct row rows[] = {
        {"t.*.*", "x.$1.$2", "t.a.b", "x.a.b"},
        {"t.*.*", "x.$1.$1", "t.a.b", "x.a.a"}, /* it counts placeholders */
        {"t.*.*", "x.$0.$1", "t.a.b", "x.t.a"},
        {"t.*.*", "x.$1", "", BAD "not using all of the token wildcard(s) in x.$1"},
        {"t.*.*", "x.y", "", BAD "not using all of the token wildcard(s) in x.y"},
        {"t.*.*", "x.$3.$1.$2", "", BAD "wildcard index out of range in $3: [3]"},
        {"t.*.*", "x.{{partition(3,1)}}.$2", "", BAD "the only mapping function allowed for import transforms is {{Wildcard()}} in {{partition(3,1)}}"},
        {"t.*.*", "x.{{left(1,2)}}.$2", "", BAD "the only mapping function allowed for import transforms is {{Wildcard()}} in {{left(1,2)}}"},
        {"t.*.*", "x.{{foo}}", "", BAD "unknown function in {{foo}}"},
        {"t.*.*", "$2.$1.>", "", "!invalid subject"},
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), TRANSFORM_STRICT);
}

static void
mappings_know_no_left_and_right(void **state)
{
    static const struct row rows[] = {
        {"foo.*", "bar.{{left(1,2)}}", "", BAD "unknown function in {{left(1,2)}}"},
        {"foo.*", "bar.{{right(1,2)}}", "", BAD "unknown function in {{right(1,2)}}"},
    };
    (void)state;
    check_rows(rows, N_ELEMS(rows), TRANSFORM_NO_LEFT_RIGHT);
}

static void
an_empty_destination_is_no_transform(void **state)
{
    (void)state;
    assert_string_equal(become("foo", "", 0, "foo", CAP), "(none)");
}

/* Every bound up to the result's own length. */
static void
a_result_that_does_not_fit_is_told(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 13; cap++)
        assert_string_equal(become("a.*.>", "{{sliceFromLeft(1,2)}}.x.$1.>", 0, "a.123.b", cap), cap < 12 ? "..." : "12.3.x.123.b");
}

static void
a_subject_of_other_length_does_not_match(void **state)
{
    (void)state;
    assert_string_equal(become("a.*.*", "$1.$2", 0, "a.b", CAP), "?");
    assert_string_equal(become("a.*.*", "$1.$2", 0, "a.b.c.d", CAP), "?");
    assert_string_equal(become("a.*.*", "$1.$2", 0, "", CAP), "?");
    assert_string_equal(become("a.*.*", "$1.$2", 0, "..", CAP), "."); /* empty tokens are tokens here */
}

static void
the_number_of_wildcards_is_bounded(void **state)
{
    char src[2 * TRANSFORM_WILDCARDS_MAX + 4];
    (void)state;

    for (int i = 0; i <= TRANSFORM_WILDCARDS_MAX; i++)
        memcpy(src + 2 * i, "*.", 2);
    src[2 * TRANSFORM_WILDCARDS_MAX - 1] = '\0';
    assert_string_equal(become(src, "$255", 0, src, CAP), "*");
    src[2 * TRANSFORM_WILDCARDS_MAX - 1] = '.';
    src[2 * TRANSFORM_WILDCARDS_MAX + 1] = '\0';
    assert_string_equal(become(src, "$255", 0, src, CAP), "!invalid subject: too many wildcards");
}

/* Fail the first allocation, then the second, until it passes. */
static void
without_memory_nothing_is_compiled(void **state)
{
    struct transform *t = NULL;
    char why[TRANSFORM_WHY_MAX];
    (void)state;

    for (int64_t n = 0; t == NULL; n++) {
        fault_arm(n);
        enum err e = transform_new("a", "b", 0, &t, why, sizeof(why));
        assert_int_equal(e, fault_disarm() ? ERR_NOMEM : OK);
        assert_true((e == OK) == (t != NULL));
    }
    transform_free(t);
}

/* ---- against a naive model ---- */

static uint32_t
pick(struct rng *r, uint32_t n)
{
    return (uint32_t)rng_below(r, n);
}

/* The N-th token of s into to. */
static void
naive_token(const char *s, uint32_t n, char *to)
{
    for (; n > 0; n--)
        s = strchr(s, '.') + 1;
    size_t len = strcspn(s, ".");
    memcpy(to, s, len);
    to[len] = '\0';
}

/* Cut at each position where (i - phase) is a multiple of size. */
static void
naive_slices(char *to, const char *token, size_t size, size_t phase)
{
    for (size_t i = 0; token[i] != '\0'; i++) {
        if (i > 0 && (i + size - phase) % size == 0)
            *to++ = '.';
        *to++ = token[i];
    }
    *to = '\0';
}

/* One placeholder of the source's wildcard n, and what it makes of the token. */
static void
naive_op(struct rng *r, uint32_t n, const char *token, char *ret_text, char *ret_want)
{
    size_t len = strlen(token), size = 1 + pick(r, 6);

    switch (pick(r, 6)) {
    case 0:
        sprintf(ret_text, pick(r, 2) ? "$%u" : "{{wildcard(%u)}}", n);
        strcpy(ret_want, token);
        return;
    case 1:
        sprintf(ret_text, "{{splitFromLeft(%u,%zu)}}", n, size);
        if (size < len)
            sprintf(ret_want, "%.*s.%s", (int)size, token, token + size);
        else
            strcpy(ret_want, token);
        return;
    case 2:
        sprintf(ret_text, "{{SplitFromRight(%u, %zu)}}", n, size);
        if (size < len)
            sprintf(ret_want, "%.*s.%s", (int)(len - size), token, token + len - size);
        else
            strcpy(ret_want, token);
        return;
    case 3:
        sprintf(ret_text, "{{sliceFromLeft(%u,%zu)}}", n, size);
        naive_slices(ret_want, token, size, 0);
        return;
    case 4:
        sprintf(ret_text, "{{SliceFromRight(%u,%zu)}}", n, size);
        naive_slices(ret_want, token, size, len % size);
        return;
    default:
        sprintf(ret_text, "lit%u", n);
        strcpy(ret_want, ret_text);
    }
}

static void
generated_transforms_do_what_the_model_does(void **state)
{
    struct rng r;
    (void)state;

    rng_init(&r, 42);
    for (int round = 0; round < 20000; round++) {
        char src[128] = "", dest[512] = "", subject[128] = "", want[1024] = "";
        uint32_t n_tokens = 1 + pick(&r, 5), wild[8], n_wild = 0;
        bool rest = pick(&r, 3) == 0;
        for (uint32_t i = 0; i < n_tokens; i++) {
            char token[16];
            uint32_t len = 1 + pick(&r, 8);
            for (uint32_t k = 0; k < len; k++)
                token[k] = (char)('a' + pick(&r, 4));
            token[len] = '\0';
            bool star = pick(&r, 2) == 0;
            if (star)
                wild[n_wild++] = i;
            sprintf(src + strlen(src), "%s%s", i > 0 ? "." : "", star ? "*" : token);
            sprintf(subject + strlen(subject), "%s%s", i > 0 ? "." : "", token);
        }
        for (uint32_t i = 0, n = 1 + pick(&r, 4); i < n; i++) {
            char token[16] = "", text[64], piece[128];
            uint32_t k = n_wild > 0 ? pick(&r, n_wild) : 0;
            if (n_wild > 0)
                naive_token(subject, wild[k], token);
            naive_op(&r, k + 1, token, text, piece);
            if (n_wild == 0) {
                strcpy(text, "x");
                strcpy(piece, "x");
            }
            sprintf(dest + strlen(dest), "%s%s", i > 0 ? "." : "", text);
            sprintf(want + strlen(want), "%s%s", i > 0 ? "." : "", piece);
        }
        if (rest) {
            strcat(src, ".>");
            strcat(dest, ".>");
            strcat(subject, ".r.s");
            strcat(want, ".r.s");
        }
        const char *got = become(src, dest, 0, subject, CAP);
        if (strcmp(got, want) != 0)
            fail_msg("round %d: %s to %s: %s became %s, not %s", round, src, dest, subject, got, want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_are_whole_tokens_and_count_the_wildcards),
        cmocka_unit_test(a_last_gt_appends_the_rest),
        cmocka_unit_test(split_drops_empty_pieces),
        cmocka_unit_test(tokens_are_cut_and_sliced_from_either_side),
        cmocka_unit_test(partition_hashes_tokens_or_the_whole_subject),
        cmocka_unit_test(random_is_below_its_maximum_and_reaches_all_of_it),
        cmocka_unit_test(errors_have_the_texts_of_nats_server),
        cmocka_unit_test(imports_use_every_wildcard_and_nothing_else),
        cmocka_unit_test(mappings_know_no_left_and_right),
        cmocka_unit_test(an_empty_destination_is_no_transform),
        cmocka_unit_test(a_result_that_does_not_fit_is_told),
        cmocka_unit_test(a_subject_of_other_length_does_not_match),
        cmocka_unit_test(the_number_of_wildcards_is_bounded),
        cmocka_unit_test(without_memory_nothing_is_compiled),
        cmocka_unit_test(generated_transforms_do_what_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
