#include "auth/password.h"

#include <crypt.h>
#include <sodium.h>
#include <string.h>

#include "core/rt/assert.h"

enum {
    BCRYPT_SETTING_LEN = 29, /* "$2b$11$" salt */
    BCRYPT_MINOR = 2,        /* where the letter stands */
};

void
password_key_random(struct password_key *ret)
{
    _Static_assert(sizeof(ret->k) == crypto_generichash_KEYBYTES && PASSWORD_HASH_LEN == crypto_generichash_BYTES, "BLAKE2b's own sizes");
    randombytes_buf(ret->k, sizeof(ret->k));
}

void
password_hash(const struct password_key *key, const void *secret, size_t len, struct password_hash *ret)
{
    ASSERT(crypto_generichash(ret->h, sizeof(ret->h), secret, len, key->k, sizeof(key->k)) == 0); /* the lengths are right */
}

bool
password_hash_equal(const struct password_hash *a, const struct password_hash *b)
{
    return sodium_memcmp(a->h, b->h, sizeof(a->h)) == 0;
}

static bool
password_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool
password_is_bcrypt(const char *s)
{
    return s[0] == '$' && s[1] == '2' && s[2] != '\0' && strchr("abxy", s[2]) != NULL && s[3] == '$' && password_is_digit(s[4]) &&
           password_is_digit(s[5]) && s[6] == '$';
}

void
password_give(const void *secret, size_t len, struct password_given *ret)
{
    ret->nul = memchr(secret, '\0', len) != NULL;
    if (len > PASSWORD_BCRYPT_USED)
        len = PASSWORD_BCRYPT_USED;
    memset(ret->bytes, 0, sizeof(ret->bytes));
    memcpy(ret->bytes, secret, len);
}

bool
password_bcrypt(const char *stored, const struct password_given *given)
{
    struct crypt_data data;
    char setting[BCRYPT_SETTING_LEN + 1];

    if (!password_is_bcrypt(stored) || strlen(stored) != PASSWORD_BCRYPT_LEN)
        return false;
    /* The letters name bugs of old implementations; nats-server takes them all for the same, correct one. */
    memcpy(setting, stored, BCRYPT_SETTING_LEN);
    setting[BCRYPT_SETTING_LEN] = '\0';
    setting[BCRYPT_MINOR] = 'b';
    memset(&data, 0, sizeof(data));
    /* Not crypt_r: a sanitizer's own stands in for that, and the linker then leaves libcrypt out. */
    const char *made = crypt_rn(given->bytes, setting, &data, (int)sizeof(data));
    bool ok = made != NULL && strlen(made) == PASSWORD_BCRYPT_LEN &&
              sodium_memcmp(made + BCRYPT_SETTING_LEN, stored + BCRYPT_SETTING_LEN, PASSWORD_BCRYPT_LEN - BCRYPT_SETTING_LEN) == 0;
    sodium_memzero(&data, sizeof(data));
    return ok && !given->nul;
}
