/* Tests of nats_info.h: the bytes of nats-server 2.14.5, field by field. */
#include "proto/nats_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/util.h"

static const char *const test_urls[] = {"127.0.0.1:4222", "[::1]:4222"};

static const struct nats_info_server test_server = {
    .server_id = "NAMYRH", .server_name = "a<b>&c\xc3\xa9", .version = "2.14.5", .go = "none", .host = "127.0.0.1", .port = 33573,
    .headers = true, .api_lvl = 4, .xkey = "XBLR",
};

static const struct nats_info_server test_server_full = {
    .server_id = "ID", .server_name = "NAME", .version = "2.14.5", .git_commit = "abcdef0", .go = "none", .host = "h", .port = 65535,
    .headers = false, .cluster = "cn<", .cluster_dynamic = true, .domain = "d\"", .connect_urls = test_urls,
    .n_connect_urls = N_ELEMS(test_urls), .api_lvl = 4, .xkey = "X",
};

static const struct nats_info_conn test_conn_full = {
    .max_payload = -1, .client_id = UINT64_MAX, .client_ip = "::1", .nonce = "abc-_", .remote_account = "$G", .auth_required = true,
    .tls_required = true, .tls_verify = true, .tls_available = true, .jetstream = true, .ldm = true, .connect_info = true,
    .acc_is_sys = true,
};

#define FULL_LINE                                                                                                              \
    "INFO {\"server_id\":\"ID\",\"server_name\":\"NAME\",\"version\":\"2.14.5\",\"proto\":1,\"git_commit\":\"abcdef0\","        \
    "\"go\":\"none\",\"host\":\"h\",\"port\":65535,\"headers\":false,\"auth_required\":true,\"tls_required\":true,"             \
    "\"tls_verify\":true,\"tls_available\":true,\"max_payload\":-1,\"jetstream\":true,\"client_id\":18446744073709551615,"      \
    "\"client_ip\":\"::1\",\"nonce\":\"abc-_\",\"cluster\":\"cn\\u003c\",\"cluster_dynamic\":true,\"domain\":\"d\\\"\","        \
    "\"connect_urls\":[\"127.0.0.1:4222\",\"[::1]:4222\"],\"ldm\":true,\"connect_info\":true,\"remote_account\":\"$G\","        \
    "\"acc_is_sys\":true,\"api_lvl\":4,\"xkey\":\"X\"} \r\n"

static void
assert_line(const struct nats_info_server *s, const struct nats_info_conn *c, const char *want)
{
    struct nats_info_template t;
    char                      shared[1024], line[2048];

    assert_int_equal(nats_info_prepare(s, shared, sizeof(shared), &t), OK);
    size_t n = nats_info_encode(&t, c, line, sizeof(line));
    assert_int_equal(n, strlen(want));
    assert_memory_equal(line, want, n);
}

/* The first INFO and the one that answers CONNECT, as the reference sends them: only what is there, in its order. */
static void
info_is_what_the_reference_sends(void **state)
{
    (void)state;
    struct nats_info_conn c = {.max_payload = 1048576, .client_id = 5, .client_ip = "127.0.0.1"};

    assert_line(&test_server, &c,
        "INFO {\"server_id\":\"NAMYRH\",\"server_name\":\"a\\u003cb\\u003e\\u0026c\xc3\xa9\",\"version\":\"2.14.5\",\"proto\":1,"
        "\"go\":\"none\",\"host\":\"127.0.0.1\",\"port\":33573,\"headers\":true,\"max_payload\":1048576,\"client_id\":5,"
        "\"client_ip\":\"127.0.0.1\",\"api_lvl\":4,\"xkey\":\"XBLR\"} \r\n");
    c.connect_info = true;
    c.remote_account = "$G";
    assert_line(&test_server, &c,
        "INFO {\"server_id\":\"NAMYRH\",\"server_name\":\"a\\u003cb\\u003e\\u0026c\xc3\xa9\",\"version\":\"2.14.5\",\"proto\":1,"
        "\"go\":\"none\",\"host\":\"127.0.0.1\",\"port\":33573,\"headers\":true,\"max_payload\":1048576,\"client_id\":5,"
        "\"client_ip\":\"127.0.0.1\",\"connect_info\":true,\"remote_account\":\"$G\",\"api_lvl\":4,\"xkey\":\"XBLR\"} \r\n");
    assert_line(&test_server_full, &test_conn_full, FULL_LINE);
}

/* Whatever is left out, what stays is JSON that we read back; without the shared end, too. */
static void
what_is_left_out_leaves_no_trace(void **state)
{
    (void)state;
    struct nats_info_server s = {.server_id = "", .server_name = "", .version = "", .git_commit = "", .go = "", .host = "",
        .cluster = "", .domain = "", .xkey = ""};
    struct nats_info_conn   c = {.client_ip = "", .nonce = "", .remote_account = ""};

    assert_line(&s, &c,
        "INFO {\"server_id\":\"\",\"server_name\":\"\",\"version\":\"\",\"proto\":1,\"go\":\"\",\"host\":\"\",\"port\":0,"
        "\"headers\":false,\"max_payload\":0} \r\n");
}

/* A buffer too small for any part is said to be so; nothing behind it is written. */
static void
a_line_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct nats_info_template t = {.head_len = 4711}, whole;
    char                      shared[1024], line[2048];
    size_t                    n = strlen(FULL_LINE);

    assert_int_equal(nats_info_prepare(&test_server_full, shared, sizeof(shared), &whole), OK);
    size_t shared_len = whole.head_len + whole.mid_len + whole.end_len;
    for (size_t cap = 0; cap < shared_len; cap++) {
        assert_int_equal(nats_info_prepare(&test_server_full, line, cap, &t), ERR_FULL);
        assert_int_equal(t.head_len, 4711);
    }
    assert_int_equal(nats_info_prepare(&test_server_full, line, shared_len, &t), OK);
    for (size_t cap = 0; cap <= n; cap++) {
        memset(line, '#', sizeof(line));
        assert_int_equal(nats_info_encode(&whole, &test_conn_full, line, cap), cap < n ? 0 : n);
        assert_int_equal(line[cap], '#');
    }
    assert_true(n <= NATS_INFO_CONN_MAX(&whole, strlen("::1abc-_$G")));
}

/* An INFO that a client sends is ignored where it can be decoded. */
static void
a_clients_info_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err    want;
    } rows[] = {
        {"{}", OK},
        {"null", OK},
        {"{\"port\":4222,\"server_id\":\"x\",\"unknown\":{}}", OK},
        {"", ERR_SYNTAX},
        {"[", ERR_SYNTAX},
        {"[]", ERR_INVAL},
        {"5", ERR_INVAL},
        {"{\"port\":\"x\"}", ERR_INVAL},
        {"{\"client_id\":-1}", ERR_RANGE},
        {"{\"port\":1.5}", ERR_INVAL},
        {"{\"server_id\":1}", ERR_INVAL},
        {"{\"server_id\":null,\"PORT\":-1,\"headers\":true}", OK},
        {"{\"max_payload\":2147483647}", OK},
        {"{\"max_payload\":2147483648}", ERR_RANGE},
        {"{\"gateway_cmd\":255,\"gossip_mode\":0}", OK},
        {"{\"gateway_cmd\":256}", ERR_RANGE},
        {"{\"gossip_mode\":-1}", ERR_RANGE},
        {"{\"connect_urls\":[\"a\",null]}", OK},
        {"{\"connect_urls\":[1]}", ERR_INVAL},
        {"{\"leafnode_urls\":{}}", ERR_INVAL},
        {"{\"import\":{\"allow\":[\"a\"],\"deny\":null}}", OK},
        {"{\"export\":{\"allow\":\"a\"}}", ERR_INVAL},
        {"{\"import\":[]}", ERR_INVAL},
        {"{\"lnoc\":1}", ERR_INVAL},
    };
    struct json_why why;

    for (size_t i = 0; i < N_ELEMS(rows); i++)
        assert_int_equal(nats_info_check((const uint8_t *)rows[i].text, strlen(rows[i].text), &why), rows[i].want);
    const char *line = FULL_LINE; /* our own, of course */
    assert_int_equal(nats_info_check((const uint8_t *)line + 5, strlen(line) - 5, &why), OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_is_what_the_reference_sends),
        cmocka_unit_test(what_is_left_out_leaves_no_trace),
        cmocka_unit_test(a_line_that_does_not_fit_is_refused),
        cmocka_unit_test(a_clients_info_is_checked),
    };
    return cmocka_run_group_tests_name("nats_info", tests, NULL, NULL);
}
