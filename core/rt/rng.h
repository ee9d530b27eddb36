/* rng.h - a small seeded generator, for choices that are no secret: queue members, jitter, simulations, tests.
 *
 * Who knows some of its output knows the rest. Keys, nonces and ids come from the system's generator (hash_key_random,
 * getrandom).
 *
 * Threads  the owner's. Memory  none.
 * Source   xoshiro256** 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018), seeded by
 *          splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014); rng_below
 *          after Lemire, "Fast Random Integer Generation in an Interval", 2019.
 */
#ifndef MIDGE_RT_RNG_H
#define MIDGE_RT_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* One step of splitmix64: also a good way to spread the bits of a number. */
static inline uint64_t
rng_split(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Every seed is as good as any other. */
static inline void
rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = rng_split(&seed);
}

static inline uint64_t
rng_rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

/* 64 random bits. */
static inline uint64_t
rng_next(struct rng *r)
{
    uint64_t *s = r->s, result = rng_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotl(s[3], 45);
    return result;
}

/* A number below n (n >= 1), each equally likely. */
static inline uint64_t
rng_below(struct rng *r, uint64_t n)
{
    unsigned __int128 m = (unsigned __int128)rng_next(r) * n;
    if ((uint64_t)m < n) {
        uint64_t least = -n % n; /* 2^64 mod n: below it the low half would favour some results */
        while ((uint64_t)m < least)
            m = (unsigned __int128)rng_next(r) * n;
    }
    return (uint64_t)(m >> 64);
}

#endif
