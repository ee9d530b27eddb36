#include "core/rt/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <sodium/crypto_shorthash.h>

#include "core/rt/assert.h"
#include "core/rt/rng.h"

_Static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES, "the key of SipHash");
_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "the result of SipHash");

void
hash_key_random(struct hash_key *ret)
{
    size_t len = 0;
    while (len < sizeof ret->k) { /* a signal may cut it short, and only that */
        ssize_t n = getrandom(ret->k + len, sizeof ret->k - len, 0);
        ASSERT(n > 0 || errno == EINTR);
        len += n > 0 ? (size_t)n : 0;
    }
}

void
hash_key_seed(struct hash_key *ret, uint64_t seed)
{
    uint64_t words[2] = {rng_split(&seed), 0};
    words[1] = rng_split(&seed);
    memcpy(ret->k, words, sizeof ret->k);
}

uint64_t
hash_bytes(const struct hash_key *key, const void *p, size_t len)
{
    uint64_t h;
    (void)crypto_shorthash((unsigned char *)&h, p, len, key->k); /* always 0 */
    return h;
}
