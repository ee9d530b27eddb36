/* Tests of nats_text.h: the texts of spec 01 section 4, and Go's %q. */
#include "proto/nats_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"

static struct nats_view
view(const char *s)
{
    return (struct nats_view){.ptr = (const uint8_t *)s, .len = s == NULL ? 0 : strlen(s)};
}

/* The line of every text is the text, dressed; a reason is there for those that close. */
static void
err_lines_are_the_texts(void **state)
{
    (void)state;
    for (int e = NATS_ERR_NONE + 1; e < NATS_ERR_N; e++) {
        char        want[128];
        size_t      len = 0;
        const char *line = nats_err_line((enum nats_err)e, &len);
        int         n = snprintf(want, sizeof(want), "-ERR '%s'\r\n", nats_err_text((enum nats_err)e));
        assert_int_equal(len, n);
        assert_memory_equal(line, want, len);
        assert_true(nats_err_closed((enum nats_err)e) < NATS_CLOSED_N);
    }
    for (int c = NATS_CLOSED_NONE; c < NATS_CLOSED_N; c++)
        assert_int_equal(nats_closed_text((enum nats_closed)c)[0] == '\0', c == NATS_CLOSED_NONE);
    assert_int_equal(NATS_CLOSED_N - 1, 37); /* the complete list of spec 01 section 4 */
    assert_int_equal(nats_err_closed(NATS_ERR_UNKNOWN_OP), NATS_CLOSED_PROTOCOL_VIOLATION);
    assert_int_equal(nats_err_closed(NATS_ERR_INVALID_SUBJECT), NATS_CLOSED_NONE);
    assert_string_equal(nats_closed_text(NATS_CLOSED_PROXY_REQUIRED), "Proxy Required");
}

/* Permission texts, one row for each form. */
static void
permission_texts_name_what_they_refuse(void **state)
{
    (void)state;
    static const struct {
        enum nats_perm kind;
        const char    *subject, *queue, *sid, *want;
    } rows[] = {
        {NATS_PERM_PUBLISH, "foo", "q", "1", "Permissions Violation for Publish to \"foo\""},
        {NATS_PERM_REPLY, "_R_.x", NULL, NULL, "Permissions Violation for Publish with Reply of \"_R_.x\""},
        {NATS_PERM_SUBSCRIBE, "a", NULL, NULL, "Permissions Violation for Subscription to \"a\""},
        {NATS_PERM_SUBSCRIBE, "a", "_sys_", NULL, "Permissions Violation for Subscription to \"a\" using queue \"_sys_\""},
        {NATS_PERM_SUBSCRIBE, "a", "", NULL, "Permissions Violation for Subscription to \"a\" using queue \"\""},
        {NATS_PERM_SUBSCRIBE, "a", NULL, "1", "Permissions Violation for Subscription to \"a\" (sid \"1\")"},
        {NATS_PERM_SUBSCRIBE, "a", "q", "1", "Permissions Violation for Subscription to \"a\" using queue \"q\" (sid \"1\")"},
        {NATS_PERM_MANY_TOKENS, "a.b", "q", "1", "Permissions Violation for Subscription to \"a.b\", too many tokens"},
        {NATS_PERM_PUBLISH, "a'\r\n-ERR\"", NULL, NULL, "Permissions Violation for Publish to \"a'\\r\\n-ERR\\\"\""},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        char             buf[256], line[256], want[256];
        struct nats_view s = view(rows[i].subject), q = view(rows[i].queue), sid = view(rows[i].sid);
        assert_int_equal(nats_perm_text(rows[i].kind, s, q, sid, buf, sizeof(buf)), strlen(rows[i].want));
        assert_string_equal(buf, rows[i].want);
        size_t n = (size_t)snprintf(want, sizeof(want), "-ERR '%s'\r\n", rows[i].want);
        assert_true(n <= NATS_PERM_MAX(s.len + q.len + sid.len));
        assert_int_equal(nats_perm_encode(rows[i].kind, s, q, sid, line, n), n);
        assert_memory_equal(line, want, n);
        for (size_t cap = 0; cap < n; cap++)
            assert_int_equal(nats_perm_encode(rows[i].kind, s, q, sid, line, cap), 0);
        for (size_t cap = 1; cap <= n; cap++) { /* cut, and still a string */
            assert_true(nats_perm_text(rows[i].kind, s, q, sid, buf, cap) < cap);
            assert_int_equal(strncmp(buf, rows[i].want, strlen(buf)), 0);
        }
    }
}

/* Spec 05 A45: %q as Go writes it. The last two rows are an -ERR of nats-server 2.14.5. */
static void
a45_quoting_is_gos(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "\"\""},
        {"plain 'text' `x`", "\"plain 'text' `x`\""},
        {"\"\\", "\"\\\"\\\\\""},
        {"\a\b\t\n\v\f\r", "\"\\a\\b\\t\\n\\v\\f\\r\""},
        {"\x01\x06\x0e\x1b\x1f\x7f", "\"\\x01\\x06\\x0e\\x1b\\x1f\\x7f\""},
        {"\xff\xc3\xe2\x82", "\"\\xff\\xc3\\xe2\\x82\""},
        {"\xc3\xb6\xe6\x97\xa5\xf0\x9f\x98\x80", "\"\xc3\xb6\xe6\x97\xa5\xf0\x9f\x98\x80\""},
        {"\xc2\x80\xc2\xa0\xc2\xa1\xc2\xad", "\"\\u0080\\u00a0\xc2\xa1\\u00ad\""},
        {"\xef\xbf\xbd\xef\xbf\xbf\xee\x80\x80", "\"\xef\xbf\xbd\\uffff\\ue000\""},
        {"\xf4\x8f\xbf\xbf\xf3\xa0\x84\x80", "\"\\U0010ffff\xf3\xa0\x84\x80\""},
        {"_R_.\x01\xf0\x90\x80\x80", "\"_R_.\\x01\xf0\x90\x80\x80\""},
        {"a\a\b\v\f\x7f\xc2\xad\xf3\xa0\x80\x81\xe2\x80\xa8\xc3\xb6\xed\xa0\x80\xf0\x9f\x98\x80\xef\xbf\xbd\"\\",
            "\"a\\a\\b\\v\\f\\x7f\\u00ad\\U000e0001\\u2028\xc3\xb6\\xed\\xa0\\x80\xf0\x9f\x98\x80\xef\xbf\xbd\\\"\\\\\""},
    };

    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        char   buf[512], cut[512];
        size_t len = strlen(rows[i].text), n = strlen(rows[i].want);
        assert_int_equal(nats_quote((const uint8_t *)rows[i].text, len, buf, sizeof(buf)), n);
        assert_memory_equal(buf, rows[i].want, n);
        assert_true(n <= NATS_QUOTED_MAX(len));
        for (size_t cap = 0; cap < n; cap++) {
            memset(cut, '#', sizeof(cut));
            size_t m = nats_quote((const uint8_t *)rows[i].text, len, cut, cap);
            assert_true(m <= cap);
            assert_memory_equal(cut, rows[i].want, m);
            assert_int_equal(cut[m], '#');
        }
    }
    uint8_t all[256];
    char    buf[NATS_QUOTED_MAX(256)];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    size_t n = nats_quote(all, sizeof(all), buf, sizeof(buf));
    for (size_t i = 0; i < n; i++)
        assert_true(buf[i] >= ' ' && buf[i] < 0x7F); /* nothing of it ends a line, or colours a terminal */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_lines_are_the_texts),
        cmocka_unit_test(permission_texts_name_what_they_refuse),
        cmocka_unit_test(a45_quoting_is_gos),
    };
    return cmocka_run_group_tests_name("nats_text", tests, NULL, NULL);
}
