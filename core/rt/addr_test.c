/* Addresses: from text, to text, of a peer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/addr.h"

static void
numbers_and_wildcards_resolve_without_a_name_server(void **state)
{
    static const char *const any[] = {"", "*", "0.0.0.0", NULL};
    struct sockaddr_storage ss;
    struct sockaddr_in in;
    socklen_t len;
    (void)state;

    for (uint32_t i = 0; i < 4; i++) { /* both families, where the machine has both */
        assert_int_equal(addr_resolve(any[i], 4222, &ss, &len), OK);
        if (ss.ss_family == AF_INET6) {
            struct sockaddr_in6 in6;
            memcpy(&in6, &ss, sizeof(in6));
            assert_memory_equal(&in6.sin6_addr, &in6addr_any, sizeof(in6addr_any));
            assert_int_equal(ntohs(in6.sin6_port), 4222);
            continue;
        }
        assert_int_equal(len, sizeof(in));
        memcpy(&in, &ss, sizeof(in));
        assert_int_equal(in.sin_addr.s_addr, htonl(INADDR_ANY));
        assert_int_equal(ntohs(in.sin_port), 4222);
    }
    assert_int_equal(addr_resolve("127.0.0.3", 65535, &ss, &len), OK);
    memcpy(&in, &ss, sizeof(in));
    assert_int_equal(in.sin_addr.s_addr, htonl(0x7f000003));
    assert_int_equal(ntohs(in.sin_port), 65535);
    assert_int_equal(addr_resolve("::1", 1, &ss, &len), OK);
    assert_int_equal(ss.ss_family, AF_INET6);
    char name[400]; /* longer than any name: refused without asking anybody */
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(addr_resolve(name, 1, &ss, &len), ERR_ADDR);
}

static void
text_is_short_and_says_the_port_apart(void **state)
{
    char text[ADDR_TEXT_MAX];
    struct addr a = {.ip = {10, 0, 0, 1}, .port = 4222, .family = 4};
    struct addr b = {.ip = {[0] = 0xfe, [1] = 0x80, [15] = 1}, .port = 65535, .family = 6};
    struct addr none = {.family = 0};
    (void)state;

    assert_int_equal(addr_ip_text(&a, text, sizeof(text)), 8);
    assert_string_equal(text, "10.0.0.1");
    assert_int_equal(addr_text(&a, text, sizeof(text)), 13);
    assert_string_equal(text, "10.0.0.1:4222");
    assert_int_equal(addr_text(&b, text, sizeof(text)), strlen("[fe80::1]:65535"));
    assert_string_equal(text, "[fe80::1]:65535");
    assert_int_equal(addr_ip_text(&none, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(addr_text(&none, text, sizeof(text)), 2);
    assert_string_equal(text, ":0");
    memset(b.ip, 0xff, sizeof(b.ip)); /* the longest there is fits */
    assert_true(addr_text(&b, text, sizeof(text)) < ADDR_TEXT_MAX - 1);
}

static void
text_is_cut_at_what_there_is_room_for(void **state)
{
    char text[8] = "xxxxxxx";
    struct addr a = {.ip = {10, 0, 0, 1}, .port = 4222, .family = 4};
    (void)state;

    assert_int_equal(addr_text(&a, text, 6), 5);
    assert_string_equal(text, "10.0.");
    assert_int_equal(text[6], 'x');
    assert_int_equal(addr_ip_text(&a, text, 4), 0); /* an address that does not fit is none */
    assert_string_equal(text, "");
}

/* A listener on lo, and who connects to it, over v4, v6 and v4 that came through a v6 socket. */
static void
peer_of(int family, const char *host, bool mapped, const char *want)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int one = 1, zero = 0;
    char text[ADDR_TEXT_MAX];

    int l = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l < 0)
        return; /* a machine without IPv6 */
    assert_int_equal(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    if (family == AF_INET6)
        assert_int_equal(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), 0);
    assert_int_equal(addr_resolve(mapped ? "::" : host, 0, &ss, &len), OK);
    if (bind(l, (struct sockaddr *)&ss, len) != 0) {
        (void)close(l);
        return;
    }
    assert_int_equal(listen(l, 4), 0);
    len = sizeof(ss);
    assert_int_equal(getsockname(l, (struct sockaddr *)&ss, &len), 0);
    uint16_t port = ntohs(family == AF_INET ? ((struct sockaddr_in *)(void *)&ss)->sin_port : ((struct sockaddr_in6 *)(void *)&ss)->sin6_port);
    assert_int_equal(addr_resolve(host, port, &ss, &len), OK);
    int c = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c >= 0);
    assert_int_equal(connect(c, (struct sockaddr *)&ss, len), 0);
    int fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    struct addr a = addr_of_peer(fd);
    (void)addr_ip_text(&a, text, sizeof(text));
    assert_string_equal(text, want);
    assert_int_not_equal(a.port, 0);
    (void)close(fd);
    (void)close(c);
    (void)close(l);
}

static void
the_peer_of_a_socket_is_who_connected(void **state)
{
    (void)state;
    peer_of(AF_INET, "127.0.0.1", false, "127.0.0.1");
    peer_of(AF_INET6, "::1", false, "::1");
    peer_of(AF_INET6, "127.0.0.1", true, "127.0.0.1");
}

static void
a_socket_without_a_peer_has_no_address(void **state)
{
    int fd = -1, pair[2];
    (void)state;

    assert_int_equal(addr_of_peer(fd).family, 0);
    fd = 1 << 20; /* not open */
    assert_int_equal(addr_of_peer(fd).family, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fd = pair[0]; /* of a kind that has none */
    assert_int_equal(addr_of_peer(fd).family, 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_wildcards_resolve_without_a_name_server),
        cmocka_unit_test(text_is_short_and_says_the_port_apart),
        cmocka_unit_test(text_is_cut_at_what_there_is_room_for),
        cmocka_unit_test(the_peer_of_a_socket_is_who_connected),
        cmocka_unit_test(a_socket_without_a_peer_has_no_address),
    };
    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
