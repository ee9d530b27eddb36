/* hash.h - keyed hash for tables whose keys peers choose.
 *
 * SipHash (libsodium's crypto_shorthash) under a random key per process, so that nobody outside can make keys collide
 * (sheet 05, C11). Hot paths avoid hashing altogether by remembering their last result.
 *
 * Threads  hash_init once before shards start; hash_bytes any.
 */
#ifndef MIDGE_RT_HASH_H
#define MIDGE_RT_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint8_t k[16];
};

/* A fresh random key from the system's generator. */
void hash_key_random(struct hash_key *ret);
/* A key from a seed: for simulation and tests. */
void hash_key_seed(struct hash_key *ret, uint64_t seed);
uint64_t hash_bytes(const struct hash_key *key, const void *p, size_t len);

#endif
