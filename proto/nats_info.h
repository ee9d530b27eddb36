/* nats_info.h - the INFO line to clients.
 *
 * Most of an INFO is the same for all connections of a listener. It is encoded once, into a template; a connection's
 * line is then three copies with a few numbers between them. The fields stand in nats-server's order:
 *
 *     head  server_id server_name version proto git_commit go host port headers        same for all
 *           auth_required tls_required tls_verify tls_available max_payload jetstream   of this connection
 *           client_id client_ip nonce
 *     mid   cluster cluster_dynamic domain connect_urls                                 same for all
 *           ldm connect_info remote_account acc_is_sys                                  of this connection
 *     end   api_lvl xkey                                                                same for all
 *
 * Threads  any; a template is immutable until prepared again.
 * Memory   the caller's buffers; nothing is allocated.
 * Source   spec 01 section 3.1; escaping as Go's encoding/json (also < > &).
 */
#ifndef MIDGE_PROTO_NATS_INFO_H
#define MIDGE_PROTO_NATS_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"
#include "proto/json.h"

/* What all connections of a listener share. Strings are never NULL where they are always sent; NULL or "" elsewhere
 * leaves the field out. */
struct nats_info_server {
    const char        *server_id, *server_name, *version; /* always sent */
    const char        *git_commit;
    const char        *go;   /* always sent */
    const char        *host; /* always sent */
    uint16_t           port;
    bool               headers;
    const char        *cluster;
    bool               cluster_dynamic;
    const char        *domain;
    const char *const *connect_urls;
    size_t             n_connect_urls;
    int                api_lvl; /* 0: left out */
    const char        *xkey;
};

/* What differs from connection to connection, and from one INFO to the next. */
struct nats_info_conn {
    int64_t     max_payload; /* the limit in force; -1: none */
    uint64_t    client_id;
    const char *client_ip;      /* NULL or "": left out */
    const char *nonce;          /* the same */
    const char *remote_account; /* the same; only with connect_info */
    bool        auth_required, tls_required, tls_verify, tls_available;
    bool        jetstream;
    bool        ldm;
    bool        connect_info;
    bool        acc_is_sys;
};

/* Written by nats_info_prepare. */
struct nats_info_template {
    const char *text; /* head, mid, end, one behind the other */
    size_t      head_len, mid_len, end_len;
};

/* Encode the shared parts into buf.
 *   borrow  s; the template points into buf, which must live as long
 *   fail    ERR_FULL (cap is too small: *ret_t is not written) */
enum err nats_info_prepare(const struct nats_info_server *s, char *buf, size_t cap, struct nats_info_template *ret_t);

/* Room that a connection's line needs at most: the template's and that of strings of n bytes in all. */
#define NATS_INFO_CONN_MAX(t, n) ((t)->head_len + (t)->mid_len + (t)->end_len + 6 * (size_t)(n) + 512)

/* The whole line "INFO {...} \r\n" into buf. Returns its bytes, 0 if it does not fit. */
size_t nats_info_encode(const struct nats_info_template *t, const struct nats_info_conn *c, char *buf, size_t cap);

/* An INFO that a client sent: it is ignored, but closes the connection without a word where it cannot be decoded.
 *   fail  ERR_SYNTAX, ERR_INVAL, ERR_RANGE, ERR_LIMIT, ERR_NOMEM, as nats_connect_decode */
enum err nats_info_check(const uint8_t *args, size_t len, struct json_why *ret_why);

#endif
