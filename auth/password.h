/* password.h - comparing secrets: plain ones in constant time, bcrypt ones by libxcrypt.
 *
 * A plain secret is kept and compared as its keyed hash (BLAKE2b): the work depends on the length of what the peer sent and on
 * nothing else, and a secret of a connection can be compared again after a reload without having been kept.
 *
 * Threads  any. password_bcrypt takes long on purpose: a thread of the offload pool (core/rt/offload.h).
 * Memory   none is kept; what was copied is wiped.
 * Source   sheet 03, section 2.1; sheet 05, TOB-NATS-3, F4.
 */
#ifndef MIDGE_AUTH_PASSWORD_H
#define MIDGE_AUTH_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PASSWORD_HASH_LEN = 32,
    PASSWORD_BCRYPT_LEN = 60,     /* "$2b$11$" salt[22] hash[31] */
    PASSWORD_BCRYPT_USED = 72,    /* bytes of a password that bcrypt looks at */
};

/* One for the life of the process. */
struct password_key {
    uint8_t k[32];
};
void password_key_random(struct password_key *ret);

struct password_hash {
    uint8_t h[PASSWORD_HASH_LEN];
};
void password_hash(const struct password_key *key, const void *secret, size_t len, struct password_hash *ret);
bool password_hash_equal(const struct password_hash *a, const struct password_hash *b);

/* Whether a configured secret is a bcrypt hash: "$2" a, b, x or y "$" two digits "$" anything. */
bool password_is_bcrypt(const char *stored);
/* What bcrypt will look at of a secret, to be kept until a thread has time for it. Wiped by the caller. */
struct password_given {
    char bytes[PASSWORD_BCRYPT_USED + 1]; /* NUL-terminated */
    bool nul; /* it had a NUL in it: right for no hash */
};
void password_give(const void *secret, size_t len, struct password_given *ret);
/* Whether the secret belongs to the bcrypt hash: takes 2^cost rounds. A hash that is none belongs to nothing. */
bool password_bcrypt(const char *stored, const struct password_given *given);

#endif
