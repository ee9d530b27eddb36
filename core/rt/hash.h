/* hash.h - keyed hash for tables whose keys peers choose.
 *
 * SipHash-2-4 (libsodium's crypto_shorthash) under a random key per process, so that nobody outside can make keys collide
 * (sheet 05, C11). Hot paths avoid hashing altogether by remembering their last result.
 *
 * Threads  any. Memory  none.
 * Source   Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
 */
#ifndef MIDGE_RT_HASH_H
#define MIDGE_RT_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint8_t k[16];
};

/* A fresh random key from the system's generator. A system that has no random bytes to give ends the process: a server
 * whose keys can be guessed must not run. */
void hash_key_random(struct hash_key *ret);
/* A key from a seed: for simulation and tests. */
void hash_key_seed(struct hash_key *ret, uint64_t seed);
uint64_t hash_bytes(const struct hash_key *key, const void *p, size_t len);

#endif
