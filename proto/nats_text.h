/* nats_text.h - the words of the NATS client protocol: -ERR texts, closed reasons, log texts, quoting.
 *
 * What clients, monitoring and log readers match on is a contract, so every text is here and only here. A text
 * that shows a peer's bytes quotes them as Go's %q does (double quotes, \" \\ \n \r \t \xHH \uHHHH), which also
 * means that no peer can put a line of its own into our log or into somebody's -ERR.
 *
 * Shape    X lists: enum, text, and what becomes of the connection, side by side.
 * Threads  any; no state.
 * Memory   the caller's buffers; nothing is allocated.
 * Source   spec 01 section 4; spec 05 A45, H10.
 */
#ifndef MIDGE_PROTO_NATS_TEXT_H
#define MIDGE_PROTO_NATS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a connection was closed: name, text as monitoring and events show it. Complete, in the order of spec 01. */
#define NATS_CLOSED_LIST(X)                                                         \
    X(NATS_CLOSED_NONE,                  "")                                        \
    X(NATS_CLOSED_CLIENT,                "Client Closed")                           \
    X(NATS_CLOSED_AUTH_TIMEOUT,          "Authentication Timeout")                  \
    X(NATS_CLOSED_AUTH_FAILURE,          "Authentication Failure")                  \
    X(NATS_CLOSED_TLS_HANDSHAKE,         "TLS Handshake Failure")                   \
    X(NATS_CLOSED_SLOW_PENDING,          "Slow Consumer (Pending Bytes)")           \
    X(NATS_CLOSED_SLOW_DEADLINE,         "Slow Consumer (Write Deadline)")          \
    X(NATS_CLOSED_WRITE_ERROR,           "Write Error")                             \
    X(NATS_CLOSED_READ_ERROR,            "Read Error")                              \
    X(NATS_CLOSED_PARSE_ERROR,           "Parse Error")                             \
    X(NATS_CLOSED_STALE,                 "Stale Connection")                        \
    X(NATS_CLOSED_PROTOCOL_VIOLATION,    "Protocol Violation")                      \
    X(NATS_CLOSED_BAD_PROTOCOL_VERSION,  "Bad Client Protocol Version")             \
    X(NATS_CLOSED_WRONG_PORT,            "Incorrect Port")                          \
    X(NATS_CLOSED_MAX_ACCOUNT_CONNS,     "Maximum Account Connections Exceeded")    \
    X(NATS_CLOSED_MAX_CONNS,             "Maximum Connections Exceeded")            \
    X(NATS_CLOSED_MAX_PAYLOAD,           "Maximum Message Payload Exceeded")        \
    X(NATS_CLOSED_MAX_CONTROL_LINE,      "Maximum Control Line Exceeded")           \
    X(NATS_CLOSED_MAX_SUBS,              "Maximum Subscriptions Exceeded")          \
    X(NATS_CLOSED_DUPLICATE_ROUTE,       "Duplicate Route")                         \
    X(NATS_CLOSED_ROUTE_REMOVED,         "Route Removed")                           \
    X(NATS_CLOSED_SERVER_SHUTDOWN,       "Server Shutdown")                         \
    X(NATS_CLOSED_AUTH_EXPIRED,          "Authentication Expired")                  \
    X(NATS_CLOSED_WRONG_GATEWAY,         "Wrong Gateway")                           \
    X(NATS_CLOSED_MISSING_ACCOUNT,       "Missing Account")                         \
    X(NATS_CLOSED_REVOKED,               "Credentials Revoked")                     \
    X(NATS_CLOSED_INTERNAL,              "Internal Client")                         \
    X(NATS_CLOSED_HEADER_VIOLATION,      "Message Header Violation")                \
    X(NATS_CLOSED_NO_RESPONDERS_HEADERS, "No Responders Requires Headers")          \
    X(NATS_CLOSED_CLUSTER_NAME_CONFLICT, "Cluster Name Conflict")                   \
    X(NATS_CLOSED_DUPLICATE_LEAF,        "Duplicate Remote LeafNode Connection")    \
    X(NATS_CLOSED_DUPLICATE_CLIENT_ID,   "Duplicate Client ID")                     \
    X(NATS_CLOSED_DUPLICATE_SERVER_NAME, "Duplicate Server Name")                   \
    X(NATS_CLOSED_MINIMUM_VERSION,       "Minimum Version Required")                \
    X(NATS_CLOSED_CLUSTER_NAMES_SAME,    "Cluster Names Identical")                 \
    X(NATS_CLOSED_KICKED,                "Kicked")                                  \
    X(NATS_CLOSED_PROXY_NOT_TRUSTED,     "Proxy Not Trusted")                       \
    X(NATS_CLOSED_PROXY_REQUIRED,        "Proxy Required")

#define NATS_CLOSED_ENUM(name, text) name,
enum nats_closed { NATS_CLOSED_LIST(NATS_CLOSED_ENUM) NATS_CLOSED_N };
#undef NATS_CLOSED_ENUM

/* The text of a closed reason; "" for NATS_CLOSED_NONE. Never NULL. */
const char *nats_closed_text(enum nats_closed c);

/* -ERR lines without arguments: name, text inside the quotes, the reason if it ends the connection (NATS_CLOSED_NONE:
 * it stays open). Where several reasons go with one text (authorization), the usual one is listed. */
#define NATS_ERR_LIST(X)                                                                                             \
    X(NATS_ERR_NONE,                   "",                                             NATS_CLOSED_NONE)             \
    X(NATS_ERR_UNKNOWN_OP,             "Unknown Protocol Operation",                   NATS_CLOSED_PROTOCOL_VIOLATION) \
    X(NATS_ERR_MAX_CONTROL_LINE,       "maximum control line exceeded",                NATS_CLOSED_MAX_CONTROL_LINE) \
    X(NATS_ERR_MAX_PAYLOAD,            "Maximum Payload Violation",                    NATS_CLOSED_MAX_PAYLOAD)      \
    X(NATS_ERR_AUTH_VIOLATION,         "Authorization Violation",                      NATS_CLOSED_AUTH_FAILURE)     \
    X(NATS_ERR_AUTH_TIMEOUT,           "Authentication Timeout",                       NATS_CLOSED_AUTH_TIMEOUT)     \
    X(NATS_ERR_USER_EXPIRED,           "User Authentication Expired",                  NATS_CLOSED_AUTH_EXPIRED)     \
    X(NATS_ERR_ACCOUNT_EXPIRED,        "Account Authentication Expired",               NATS_CLOSED_AUTH_EXPIRED)     \
    X(NATS_ERR_USER_REVOKED,           "User Authentication Revoked",                  NATS_CLOSED_REVOKED)          \
    X(NATS_ERR_MAX_CONNS,              "maximum connections exceeded",                 NATS_CLOSED_MAX_CONNS)        \
    X(NATS_ERR_MAX_ACCOUNT_CONNS,      "maximum account active connections exceeded",  NATS_CLOSED_MAX_ACCOUNT_CONNS) \
    X(NATS_ERR_ACCOUNT_REGISTRATION,   "Failed Account Registration",                  NATS_CLOSED_NONE)             \
    X(NATS_ERR_MAX_SUBS,               "maximum subscriptions exceeded",               NATS_CLOSED_NONE)             \
    X(NATS_ERR_INVALID_SUBJECT,        "Invalid Subject",                              NATS_CLOSED_NONE)             \
    X(NATS_ERR_INVALID_PUB_SUBJECT,    "Invalid Publish Subject",                      NATS_CLOSED_NONE)             \
    X(NATS_ERR_STALE,                  "Stale Connection",                             NATS_CLOSED_STALE)            \
    X(NATS_ERR_TLS_REQUIRED,           "Secure Connection - TLS Required",             NATS_CLOSED_TLS_HANDSHAKE)    \
    X(NATS_ERR_THROTTLED,              "Connection throttling is active. Please try again later.", NATS_CLOSED_MAX_CONNS) \
    X(NATS_ERR_CLIENT_PROTOCOL,        "invalid client protocol",                      NATS_CLOSED_BAD_PROTOCOL_VERSION) \
    X(NATS_ERR_NO_RESPONDERS_HEADERS,  "no responders requires headers support",       NATS_CLOSED_NO_RESPONDERS_HEADERS) \
    X(NATS_ERR_ROUTE_PORT,             "attempted to connect to route port",           NATS_CLOSED_WRONG_PORT)       \
    X(NATS_ERR_LEAF_PORT,              "attempted to connect to leaf node port",       NATS_CLOSED_WRONG_PORT)       \
    X(NATS_ERR_GATEWAY_PORT,           "attempted to connect to gateway port",         NATS_CLOSED_WRONG_PORT)

#define NATS_ERR_ENUM(name, text, closed) name,
enum nats_err { NATS_ERR_LIST(NATS_ERR_ENUM) NATS_ERR_N };
#undef NATS_ERR_ENUM

/* The text inside the quotes; "" for NATS_ERR_NONE. Never NULL. */
const char *nats_err_text(enum nats_err e);

/* The reason that goes with e, NATS_CLOSED_NONE if the connection stays open. */
enum nats_closed nats_err_closed(enum nats_err e);

/* The line as it goes to the peer: "-ERR 'text'\r\n". e is not NATS_ERR_NONE.
 *   view until the end of the program */
const char *nats_err_line(enum nats_err e, size_t *ret_len);

/* -ERR lines that name subjects. None of them ends the connection. */
enum nats_perm {
    NATS_PERM_PUBLISH,     /* Permissions Violation for Publish to %q                          subject        */
    NATS_PERM_REPLY,       /* Permissions Violation for Publish with Reply of %q               subject: reply */
    NATS_PERM_SUBSCRIBE,   /* Permissions Violation for Subscription to %q [using queue %q] [(sid %q)]        */
    NATS_PERM_MANY_TOKENS, /* Permissions Violation for Subscription to %q, too many tokens    subject        */
    NATS_PERM_N,
};

/* Bytes of a peer: not terminated; ptr is NULL where there are none (an empty one has ptr != NULL and len 0). */
struct nats_view {
    const uint8_t *ptr;
    size_t         len;
};

/* Enough room for n bytes of a peer once quoted (the worst is \xHH for each, and two quotes). */
#define NATS_QUOTED_MAX(n) (4 * (size_t)(n) + 2)
/* Enough room for nats_perm_encode of views of n bytes in all. */
#define NATS_PERM_MAX(n) (NATS_QUOTED_MAX(n) + 128)

/* The whole line "-ERR 'Permissions Violation for ...'\r\n". queue and sid (ptr NULL: none) are looked at for
 * NATS_PERM_SUBSCRIBE only. Returns its bytes, 0 if they do not fit into cap (buf is then undefined).
 *   borrow  all views */
size_t nats_perm_encode(enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid,
    char *buf, size_t cap);

/* The same text without -ERR, quotes and line end, for the log: cut between two of its parts to cap - 1 bytes,
 * NUL-terminated. Returns its bytes. */
size_t nats_perm_text(enum nats_perm kind, struct nats_view subject, struct nats_view queue, struct nats_view sid,
    char *buf, size_t cap);

/* Go's %q of n bytes into buf, cut at cap (never inside an escape); not terminated. Returns the bytes written. */
size_t nats_quote(const uint8_t *ptr, size_t n, char *buf, size_t cap);

/* The same at a write position. */
struct out;
void nats_quote_out(struct out *o, const uint8_t *ptr, size_t n);

/* What the log says about a parser's BAD. */
enum nats_log {
    NATS_LOG_NONE,
    NATS_LOG_PARSER,          /* Client parser ERROR, state=N, i=N: proto='"..."...'       */
    NATS_LOG_CONTROL_LINE,    /* maximum control line exceeded                              */
    NATS_LOG_MAX_PAYLOAD,     /* maximum payload exceeded: N vs N                           */
    NATS_LOG_NO_HEADERS,      /* message headers not supported                              */
    NATS_LOG_PUB_ARGS,        /* processPub Parse Error: %q                                 */
    NATS_LOG_PUB_SIZE,        /* processPub Bad or Missing Size: %q                         */
    NATS_LOG_HPUB_ARGS,       /* processHeaderPub Parse Error: %q                           */
    NATS_LOG_HPUB_HDR_SIZE,   /* processHeaderPub Bad or Missing Header Size: %q            */
    NATS_LOG_HPUB_SIZE,       /* processHeaderPub Bad or Missing Total Size: %q             */
    NATS_LOG_HPUB_HDR_LARGER, /* processHeaderPub Header Size larger then TotalSize: %q     */
    NATS_LOG_SUB_ARGS,        /* processSub Parse Error: %q                                 */
    NATS_LOG_UNSUB_ARGS,      /* processUnsub Parse Error: %q                               */
    NATS_LOG_N,
};

#endif
