/* A compiled transform at work. */
#include <string.h>

#include "core/broker/transform_priv.h"
#include "core/rt/assert.h"
#include "core/rt/rng.h"
#include "proto/out.h"
#include "proto/utf8.h"

/* The tokens of one subject that the source's wildcards stand for, and its first. */
struct apply_tokens {
    struct transform_view at[TRANSFORM_WILDCARDS_MAX + 1];
    struct transform_view whole, rest;
};

static bool
apply_find_tokens(const struct transform *t, struct transform_view s, struct apply_tokens *ret)
{
    const char *p = s.p, *end = s.p + s.n;
    uint32_t n = 0;

    ret->whole = s;
    for (uint32_t i = 0; i < t->n_src; i++) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        struct transform_view token = {p, (size_t)((dot == NULL ? end : dot) - p)};
        if (i == 0)
            ret->at[0] = token;
        if (i + 1 == t->n_src && t->rest) {
            ret->rest = (struct transform_view){p, (size_t)(end - p)};
            return true;
        }
        if (n < t->n_wild && t->wild[n] == i)
            ret->at[++n] = token;
        if (dot == NULL)
            return i + 1 == t->n_src;
        p = dot + 1;
    }
    return false;
}

static void
apply_view(struct out *o, struct transform_view v)
{
    out_bytes(o, v.p, v.n);
}

/* v cut at n bytes from the left; whole if there is nothing left on one side. */
static void
apply_cut(struct out *o, struct transform_view v, int64_t n)
{
    if (n <= 0 || (uint64_t)n >= v.n) {
        apply_view(o, v);
        return;
    }
    out_bytes(o, v.p, (size_t)n);
    out_byte(o, '.');
    out_bytes(o, v.p + n, v.n - (size_t)n);
}

/* v in pieces of size bytes, the first of them first bytes long. */
static void
apply_slices(struct out *o, struct transform_view v, size_t first, size_t size)
{
    for (size_t off = 0, len = first; off < v.n && !o->full; off += len, len = size) {
        if (off > 0)
            out_byte(o, '.');
        if (len > v.n - off)
            len = v.n - off;
        out_bytes(o, v.p + off, len);
    }
}

static void
apply_sliced(struct out *o, struct transform_view v, int32_t size, bool from_left)
{
    if (size <= 0 || (size_t)size >= v.n) {
        apply_view(o, v);
        return;
    }
    size_t part = v.n % (size_t)size;
    apply_slices(o, v, from_left || part == 0 ? (size_t)size : part, (size_t)size);
}

/* How far the next piece of v reaches: to the delimiter; without one, a character. */
static size_t
apply_piece_len(struct transform_view v, struct transform_view delim)
{
    uint32_t rune;

    if (v.n == 0)
        return 0;
    if (delim.n == 0)
        return utf8_decode((const uint8_t *)v.p, v.n, &rune);
    const char *hit = memmem(v.p, v.n, delim.p, delim.n);
    return hit == NULL ? v.n : (size_t)(hit - v.p);
}

/* Empty pieces are left out; but where the first two are empty, a dot is not: so nats-server has it, and such a subject matches nothing. */
static void
apply_split(struct out *o, struct transform_view v, struct transform_view delim)
{
    bool first_empty = apply_piece_len(v, delim) == 0;

    for (uint32_t i = 0; v.n > 0; i++) {
        size_t len = apply_piece_len(v, delim);
        if (len > 0) {
            if (i > 1 || (i == 1 && !first_empty))
                out_byte(o, '.');
            out_bytes(o, v.p, len);
        }
        size_t used = len + delim.n < v.n ? len + delim.n : v.n;
        v.p += used;
        v.n -= used;
    }
}

static uint32_t
apply_fnv1a(uint32_t h, struct transform_view v)
{
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ (uint8_t)v.p[i]) * UINT32_C(16777619);
    return h;
}

static void
apply_partition(struct out *o, const struct transform *t, const struct transform_op *op, const struct apply_tokens *k)
{
    uint32_t h = UINT32_C(2166136261), buckets = (uint32_t)op->num;

    if (op->n_args == 0)
        h = apply_fnv1a(h, k->whole);
    for (uint32_t i = 0; i < op->n_args; i++)
        h = apply_fnv1a(h, k->at[t->args[op->args + i]]);
    out_u64(o, buckets == 0 ? 0 : h % buckets);
}

static void
apply_random(struct out *o, int32_t max, uint64_t *random)
{
    uint64_t half = rng_split(random) >> 32;
    uint64_t n = (uint64_t)(max < 0 ? -(int64_t)max : max); /* the sign does not count, as in nats-server */

    out_u64(o, half * n >> 32);
}

static void
apply_part(struct out *o, struct transform_view v, int32_t len, bool from_left)
{
    if (len > 0 && (size_t)len < v.n)
        v = (struct transform_view){from_left ? v.p : v.p + (v.n - (size_t)len), (size_t)len};
    apply_view(o, v);
}

static void
apply_op(struct out *o, const struct transform *t, const struct transform_op *op, const struct apply_tokens *k, uint64_t *random)
{
    struct transform_view text = {t->dest + op->off, op->len}, token = {0};

    if (op->kind >= T_SPLIT || op->kind == T_WILDCARD)
        token = k->at[op->token];
    switch ((enum transform_kind)op->kind) {
    case T_TEXT: apply_view(o, text); return;
    case T_REST: apply_view(o, k->rest); return;
    case T_WILDCARD: apply_view(o, token); return;
    case T_PARTITION: apply_partition(o, t, op, k); return;
    case T_RANDOM: apply_random(o, op->num, random); return;
    case T_SPLIT: apply_split(o, token, text); return;
    case T_SPLIT_LEFT: apply_cut(o, token, op->num); return;
    case T_SPLIT_RIGHT: apply_cut(o, token, op->num <= 0 ? 0 : (int64_t)token.n - op->num); return;
    case T_SLICE_LEFT: apply_sliced(o, token, op->num, true); return;
    case T_SLICE_RIGHT: apply_sliced(o, token, op->num, false); return;
    case T_LEFT: apply_part(o, token, op->num, true); return;
    case T_RIGHT: apply_part(o, token, op->num, false); return;
    case T_KIND_N:
    default: ASSERT(false); /* no such op */
    }
}

enum transform_verdict
transform_apply(const struct transform *t, const uint8_t *subject, size_t len, uint64_t random, uint8_t *to, size_t cap, size_t *ret_len)
{
    struct apply_tokens k; /* only what apply_find_tokens sets is read */
    struct out o;

    if (!apply_find_tokens(t, (struct transform_view){(const char *)subject, len}, &k))
        return TRANSFORM_NO_MATCH;
    out_init(&o, (char *)to, cap);
    for (uint32_t i = 0; i < t->n_ops && !o.full; i++) {
        if (i > 0)
            out_byte(&o, '.');
        apply_op(&o, t, &t->ops[i], &k, &random);
    }
    if (o.full)
        return TRANSFORM_TOO_LONG;
    *ret_len = o.len;
    return TRANSFORM_OK;
}
