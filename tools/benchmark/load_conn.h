/* load_conn.h - one client connection of the generator: connect, shake hands, subscribe.
 *
 * All of this happens before measuring starts, so it is simple and blocking. A scenario
 * switches a connection to non-blocking when it hands it to its epoll loop.
 *
 * Threads  any; a connection belongs to one thread at a time.
 * Memory   a connection is a file descriptor, closed with close().
 * Fail     load_die, naming what the server did.
 */
#ifndef MIDGE_LOAD_CONN_H
#define MIDGE_LOAD_CONN_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "load.h"
#include "load_frame.h"

/* CONNECT for throughput: no acknowledgements and no INFO after the first PONG, so that
 * everything which arrives later is a message. */
#define CONN_CONNECT                                                                                    \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"c\"," \
    "\"version\":\"1\",\"protocol\":0}\r\nPING\r\n"

/* CONNECT as stock clients send it: protocol 1, so that the server answers PONG and INFO. */
#define CONN_CONNECT_STOCK                                                                              \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"c\"," \
    "\"version\":\"1\",\"protocol\":1,\"echo\":true,\"name\":\"midge-load\"}\r\nPING\r\n"

/* The server's address. */
void conn_addr(const struct load_opts *o, struct sockaddr_in *ret_addr);

/* Connect, read INFO, send CONN_CONNECT and await PONG.
 *   ret   own: a blocking socket; close it */
int conn_open(const struct load_opts *o);

void conn_set_nonblocking(int fd);
void conn_set_blocking(int fd);

/* Send all n bytes on a blocking socket. */
void conn_send(int fd, const void *data, size_t n);

/* Receive exactly n bytes on a blocking socket. */
void conn_recv(int fd, void *data, size_t n);

/* Send PING and await PONG on a socket to which nothing but PINGs is being sent. */
void conn_sync(int fd);

/* The same at the end of a run, on a socket whose messages f counts: what still comes before
 * the PONG is accounted for, and f ends at rest (frame_settle) or the run ends. */
void conn_finish(int fd, struct frame *f);

/* SUB subject [queue] sid; queue may be NULL. conn_sync tells when the server has it. */
void conn_subscribe(int fd, const char *subject, const char *queue, uint32_t sid);

/* Allow this process n open files, or die naming the limit. */
void conn_allow_files(uint32_t n);

#endif
