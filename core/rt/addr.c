#include "core/rt/addr.h"

#include "core/rt/util.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whether [::] can be bound here; it takes IPv4, too. */
static bool
addr_has_ipv6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool has = bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0;
    (void)close(fd); /* it was only asked */
    return has;
}

enum err
addr_resolve(const char *host, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list;

    (void)snprintf(service, sizeof(service), "%u", port);
    /* All interfaces, of both families where the machine has both: so does a Go server, also when told 0.0.0.0. */
    bool any = host == NULL || host[0] == '\0' || strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0;
    if (any)
        hints.ai_family = addr_has_ipv6() ? AF_INET6 : AF_INET;
    if (getaddrinfo(any ? NULL : host, service, &hints, &list) != 0)
        return ERR_ADDR;
    memcpy(ret, list->ai_addr, list->ai_addrlen);
    *ret_len = list->ai_addrlen;
    freeaddrinfo(list);
    return OK;
}

struct addr
addr_of_peer(const struct io_sock *s)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(ss);
    struct addr a = {.family = 0};

    if (s->fd < 0 || getpeername(s->fd, (struct sockaddr *)&ss, &len) != 0)
        return a; /* a simulated socket, or one that is gone already */
    if (ss.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&ss;
        memcpy(a.ip, &in->sin_addr, 4);
        a.port = ntohs(in->sin_port);
        a.family = 4;
    } else if (ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&ss;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        memcpy(a.ip, in6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
        a.port = ntohs(in6->sin6_port);
        a.family = mapped ? 4 : 6;
    }
    return a;
}

uint32_t
addr_ip_text(const struct addr *a, char *to, uint32_t cap)
{
    if (a->family == 0 || inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, to, cap) == NULL) {
        to[0] = '\0';
        return 0;
    }
    return (uint32_t)strlen(to);
}

uint32_t
addr_text(const struct addr *a, char *to, uint32_t cap)
{
    char ip[ADDR_TEXT_MAX];

    (void)addr_ip_text(a, ip, sizeof(ip)); /* empty when not known, which is what to show then */
    int n = snprintf(to, cap, a->family == 6 ? "[%s]:%u" : "%s:%u", ip, a->port);
    return n < 0 ? 0 : (uint32_t)min_u64((uint64_t)n, cap - 1);
}
