/* auth.h - who may come in: one configuration's users, compiled.
 *
 *     a = auth_new(conf, key)            main; immutable from here on, shared by all shards
 *     auth_begin(a, &login, &try)        a shard, for each CONNECT
 *       AUTH_OK, AUTH_NO                 decided
 *       AUTH_HASHING                     password_bcrypt(try.bcrypt, ...) has to be asked, on the offload pool ...
 *     auth_end(&try, matched)            ... and says the rest
 *
 * Nothing tells an unknown user from a wrong password: secrets are compared in constant time, and where the configuration has bcrypt
 * hashes, every failed attempt costs one of them: its own, or (unknown users, users with plain passwords) that of some user picked by a keyed
 * hash of the name, the same every time.
 *
 * Shape    visible, read only.
 * Threads  auth_new, auth_free: main. All others: any.
 * Memory   own: auth_new -> auth_free, when no shard uses it any more. Everything is copied; secrets are wiped.
 * Source   sheet 03, sections 2, 3.3, 4.
 */
#ifndef MIDGE_AUTH_AUTH_H
#define MIDGE_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth_conf.h"
#include "auth/password.h"
#include "auth/perms.h"
#include "core/rt/err.h"
#include "core/rt/hash.h"

struct auth_user {
    const char *name, *account;
    uint32_t name_len;
    uint32_t conn_types;       /* enum auth_conn_type; never 0 */
    const struct perms *perms; /* NULL: everything is allowed */
    const char *bcrypt;        /* NULL: plain */
    struct password_hash pass; /* plain */
    bool proxy_required;
};

struct auth {
    bool required;        /* INFO auth_required, if there is no no_auth_user */
    bool any_plain;       /* a user's password is not bcrypt: worth a warning */
    int64_t timeout_ns;
    struct auth_user *users; /* users[], or the single one */
    uint32_t n_users;
    bool single;             /* users[0] is the single user */
    const struct auth_user *no_auth_user;
    bool has_token;
    const char *token_bcrypt;
    struct password_hash token;

    /* private */
    struct password_key key;
    struct hash_key table_key;
    uint32_t *table, mask;      /* users by name: number + 1 */
    const char **bcrypts;       /* of all users */
    uint32_t n_bcrypts;
    struct perms **perms;
    uint32_t n_perms;
    char *strings;
    size_t strings_len;
};

/* key: the same for all snapshots, so that what connections remember stays comparable.
 *   own   *ret, by auth_free
 *   fail  ERR_NOMEM */
enum err auth_new(const struct auth_conf *conf, const struct password_key *key, struct auth **ret);
void auth_free(struct auth *a); /* NULL is fine */

const struct auth_user *auth_find(const struct auth *a, const void *name, size_t len);

struct auth_view {
    const void *ptr;
    size_t len;
};

/* What a CONNECT says. */
struct auth_login {
    struct auth_view user, pass, token;
    enum auth_conn_type conn_type;
};

enum auth_verdict { AUTH_OK, AUTH_NO, AUTH_PROXY_REQUIRED, AUTH_HASHING };

/* An attempt. Views into the snapshot. */
struct auth_try {
    const struct auth_user *user; /* who came in; NULL: by token */
    struct password_hash given;   /* of the secret; remembered for a reload, but where it was compared with a bcrypt hash */
    const char *bcrypt;           /* AUTH_HASHING: the hash to compare with ... */
    struct auth_view secret;      /* ... this: view of the login's */
    enum auth_verdict if_matched; /* and what that means */
};

enum auth_verdict auth_begin(const struct auth *a, const struct auth_login *l, struct auth_try *ret);
static inline enum auth_verdict
auth_end(const struct auth_try *t, bool matched)
{
    return matched ? t->if_matched : AUTH_NO;
}

/* How somebody who is in already stands under another snapshot. */
enum auth_again {
    AUTH_AGAIN_OK,   /* *ret_user: who it is now; NULL: by token */
    AUTH_AGAIN_GONE, /* there is no such user any more: closed without a word */
    AUTH_AGAIN_NO,   /* the secret is another one now, or the kind of connection is not allowed any more */
};
/* by: who it is under the snapshot `before` (NULL: no login was required); NULL: by token. known: the hash of its secret, NULL: not known (bcrypt). anonymous: it came in as
 * no_auth_user, without a secret. A bcrypt hash that has changed is another secret: who was asked for it would have to be asked again. */
enum auth_again auth_again(const struct auth *a, const struct auth *before, const struct auth_user *by, const struct password_hash *known,
                           bool anonymous, enum auth_conn_type conn_type, const struct auth_user **ret_user);

#endif
