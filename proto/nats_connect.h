/* nats_connect.h - what a client says about itself in CONNECT.
 *
 * A CONNECT may be repeated; it is then decoded over what was there: absent and null keys change nothing. Keys that are
 * not below are ignored, and are never stored, shown or logged (clients have sent private keys there).
 *
 * Shape    visible; strings are {ptr, len}, NUL-terminated, may contain NUL; absent ones are {"", 0}.
 * Threads  any; one owner at a time.
 * Memory   all strings of a struct lie in one allocation of it. nats_connect_fini wipes and releases it.
 * Source   spec 01 section 3.2; spec 05 A2, A8, H10, F4.
 */
#ifndef MIDGE_PROTO_NATS_CONNECT_H
#define MIDGE_PROTO_NATS_CONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"
#include "proto/json.h"

struct nats_connect {
    struct json_str user, pass, auth_token;
    struct json_str nkey, sig, jwt, proxy_sig;
    struct json_str name, lang, version;
    struct json_str account; /* obsolete: not empty = Authorization Violation */
    int64_t         protocol; /* as sent; the caller refuses what is neither 0 nor 1 */
    bool            verbose, pedantic, echo; /* default true */
    bool            tls_required, headers, no_responders;
    bool            new_account; /* obsolete: true = Authorization Violation */
    bool            had_token; /* an auth_token was wiped */
    char           *strings; /* private: the allocation */
    size_t          strings_len;
};

/* What holds before a CONNECT: verbose, pedantic and echo true, everything else off, empty or 0. */
void nats_connect_init(struct nats_connect *c);

/* Wipe and release; c is as after init. Any number of times. */
void nats_connect_fini(struct nats_connect *c);

/* Wipe what only authentication needs (pass, auth_token, sig, proxy_sig, jwt): these are {"", 0} afterwards. A repeated
 * CONNECT that leaves them out then brings none. */
void nats_connect_wipe_secrets(struct nats_connect *c);

/* Decode the arguments of a CONNECT (op->args; the control line limit has bounded them) over *c.
 *   fail  ERR_SYNTAX (no JSON, or bytes behind it), ERR_INVAL, ERR_RANGE (a value of the wrong type or size), ERR_LIMIT
 *         (too deep), ERR_NOMEM. *c is then what it was, and *ret_why says why for the log, without quoting the
 *         peer. All but ERR_NOMEM: close without -ERR, NATS_CLOSED_PROTOCOL_VIOLATION. */
enum err nats_connect_decode(struct nats_connect *c, const uint8_t *args, size_t len, struct json_why *ret_why);

/* The arguments of a CONNECT for a trace or a log: the known keys in the order of the text, secrets as "[REDACTED]", strings
 * escaped. [REDACTED] alone for what could not be decoded. Cut to cap - 1 bytes, NUL-terminated; returns their number. */
size_t nats_connect_redact(const uint8_t *args, size_t len, char *buf, size_t cap);

/* An object {"allow": [strings], "deny": [strings]} as links between servers exchange it, for its types; obj may be NULL.
 *   fail  ERR_INVAL */
enum err nats_perms_check(const struct json_node *obj);

/* An array of strings or nulls, for its types; array may be NULL.
 *   fail  ERR_INVAL */
enum err nats_strings_check(const struct json_node *array);

#endif
