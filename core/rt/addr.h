/* addr.h - socket addresses: from text, to text, of a socket's peer.
 *
 * Threads  any, except addr_resolve, which may block on a name look-up (start-up only, or on the offload pool).
 * Memory   plain values.
 */
#ifndef MIDGE_RT_ADDR_H
#define MIDGE_RT_ADDR_H

#include <stdint.h>
#include <sys/socket.h>

#include "core/rt/err.h"
#include "core/rt/io.h"

/* A peer's or our address, small enough to keep with every connection. */
struct addr {
    uint8_t ip[16]; /* IPv4: the first four */
    uint16_t port;  /* host order */
    uint8_t family; /* 4, 6; 0: not known */
};

enum { ADDR_TEXT_MAX = 64 };

/* Name or number to an address to listen on or connect to. "", "*" and "0.0.0.0" are all interfaces, of IPv6 as well as IPv4.
 *   fail  ERR_ADDR */
enum err addr_resolve(const char *host, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len);
/* The peer of an open socket; family 0 when the system does not say (fd < 0, as in a simulation; a peer that is gone already). */
struct addr addr_of_peer(int fd);
/* The address without port ("10.0.0.1", "fe80::1"), NUL-terminated, cut at cap; returns its length. */
uint32_t addr_ip_text(const struct addr *a, char *to, uint32_t cap);
/* With port ("10.0.0.1:4222", "[::1]:4222"). */
uint32_t addr_text(const struct addr *a, char *to, uint32_t cap);

#endif
