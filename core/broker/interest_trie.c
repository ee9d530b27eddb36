#include <string.h>

#include "core/broker/interest_priv.h"
#include "core/rt/assert.h"

/* The next dot at or after off; len if there is none. */
static uint32_t
token_end(const uint8_t *subject, uint32_t len, uint32_t off)
{
    const uint64_t dots = UINT64_C(0x2e2e2e2e2e2e2e2e), low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    for (; off + 8 <= len; off += 8) {
        uint64_t x;
        memcpy(&x, subject + off, sizeof x);
        x ^= dots;
        uint64_t hits = ~(((x & low7) + low7) | x | low7); /* 0x80 in each byte that is a dot */
        if (hits != 0)
            return off + (uint32_t)__builtin_ctzll(hits) / 8;
    }
    while (off < len && subject[off] != '.')
        off++;
    return off;
}

static uint32_t
load_u32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Up to 8 bytes are the key themselves: their first and last four overlap, and with the length they are unambiguous. */
static void
token_key(const struct interest *ix, const uint8_t *p, uint32_t len, struct token *ret)
{
    ret->len = len;
    ret->lo = 0;
    ret->hi = 0;
    if (len > 8) {
        uint64_t h = hash_bytes(&ix->key, p, len);
        ret->lo = (uint32_t)h;
        ret->hi = (uint32_t)(h >> 32);
    } else if (len >= 4) {
        ret->lo = load_u32(p);
        ret->hi = load_u32(p + len - 4);
    } else if (len > 0) {
        ret->lo = p[0] | (uint32_t)p[len / 2] << 8 | (uint32_t)p[len - 1] << 16;
    }
}

void
token_read(const struct interest *ix, const uint8_t *subject, uint32_t len, uint32_t off, struct token *ret)
{
    ret->off = off;
    token_key(ix, subject + off, token_end(subject, len, off) - off, ret);
}

static bool
token_is(const struct token *k, const uint8_t *subject, uint8_t c)
{
    return k->len == 1 && subject[k->off] == c;
}

/* The child for a literal token. */
static uint32_t
twig_literal(const struct interest *ix, uint32_t parent, const uint8_t *bytes, const struct token *k)
{
    uint32_t tag = interest_mix(ix, parent, k->lo, k->hi, k->len);
    for (const struct tagtab_slot *p = tagtab_find(&ix->twigtab, tag); tagtab_is(p, tag); p++) {
        const struct twig *w = twig_at(ix, p->val);
        if (w->parent == parent && w->len == k->len && bytes_equal(w->token, bytes, k->len))
            return p->val;
    }
    return 0;
}

/* An account's root hangs at 0 under the account's number. */
static void
trie_root_token(const struct interest *ix, const uint32_t *acc, struct token *ret)
{
    ret->off = 0;
    token_key(ix, (const uint8_t *)acc, sizeof *acc, ret);
}

static uint32_t
trie_root(const struct interest *ix, uint32_t acc)
{
    struct token k;
    trie_root_token(ix, &acc, &k);
    return twig_literal(ix, 0, (const uint8_t *)&acc, &k);
}

static uint32_t
twig_child(const struct interest *ix, uint32_t parent, const uint8_t *pattern, const struct token *k)
{
    if (token_is(k, pattern, '*'))
        return twig_at(ix, parent)->star;
    if (token_is(k, pattern, '>'))
        return twig_at(ix, parent)->gt;
    return twig_literal(ix, parent, pattern + k->off, k);
}

uint32_t
trie_find(const struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len)
{
    uint32_t at = trie_root(ix, acc);
    struct token k;
    for (uint32_t off = 0; at != 0 && off <= len; off += k.len + 1) {
        token_read(ix, pattern, len, off, &k);
        at = twig_child(ix, at, pattern, &k);
    }
    return at;
}

/* A new child of parent. 0: no memory. */
static uint32_t
twig_take(struct interest *ix, uint32_t parent, const uint8_t *bytes, const struct token *k, uint8_t wildcard)
{
    uint32_t i = varpool_take(&ix->twigs, sizeof(struct twig) + k->len);
    if (i == 0)
        return 0;
    struct twig *w = twig_at(ix, i);
    w->parent = parent;
    w->len = (uint16_t)k->len;
    memcpy(w->token, bytes, k->len);
    if (wildcard == '*') {
        twig_at(ix, parent)->star = i;
    } else if (wildcard == '>') {
        twig_at(ix, parent)->gt = i;
    } else if (tagtab_add(&ix->twigtab, interest_mix(ix, parent, k->lo, k->hi, k->len), i) != OK) {
        varpool_give(&ix->twigs, i);
        return 0;
    } else if (parent != 0) {
        twig_at(ix, parent)->n_lits++;
    }
    return i;
}

uint32_t
trie_take(struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len)
{
    if (scratch_reserve_pattern(ix, subject_n_tokens(pattern, len)) != OK)
        return 0;
    struct token k;
    trie_root_token(ix, &acc, &k);
    uint32_t at = trie_root(ix, acc);
    if (at == 0)
        at = twig_take(ix, 0, (const uint8_t *)&acc, &k, 0);
    for (uint32_t off = 0; at != 0 && off <= len; off += k.len + 1) {
        token_read(ix, pattern, len, off, &k);
        uint32_t child = twig_child(ix, at, pattern, &k);
        if (child == 0) {
            uint8_t wildcard = token_is(&k, pattern, '*') || token_is(&k, pattern, '>') ? pattern[k.off] : 0;
            child = twig_take(ix, at, pattern + k.off, &k, wildcard);
            if (child == 0)
                trie_prune(ix, at);
        }
        at = child;
    }
    return at;
}

bool
twig_is_pattern(const struct twig *w)
{
    return w->node != 0 || w->mask_lo != 0 || w->mask_hi != 0;
}

void
trie_prune(struct interest *ix, uint32_t twig)
{
    while (twig != 0) {
        struct twig *w = twig_at(ix, twig);
        if (twig_is_pattern(w) || w->star != 0 || w->gt != 0 || w->n_lits != 0)
            return;
        ASSERT((w->flags & TWIG_PATTERN) == 0);
        uint32_t parent = w->parent;
        struct twig *up = parent == 0 ? NULL : twig_at(ix, parent);
        if (up != NULL && up->star == twig) {
            up->star = 0;
        } else if (up != NULL && up->gt == twig) {
            up->gt = 0;
        } else {
            struct token k;
            token_key(ix, w->token, w->len, &k);
            ASSERT(tagtab_del(&ix->twigtab, interest_mix(ix, parent, k.lo, k.hi, k.len), twig));
            if (up != NULL)
                up->n_lits--;
            else
                ix->acc_buckets[load_u32(w->token) % ACC_BUCKETS].root = 0; /* whether it was this one or not */
        }
        varpool_give(&ix->twigs, twig);
        twig = parent;
    }
}

/* ---- which results a pattern may change ---- */

uint32_t
trie_bucket(const struct interest *ix, uint32_t acc, const struct token *first)
{
    return interest_mix(ix, acc, first->lo, first->hi, first->len) % BUCKETS;
}

void
trie_touch(struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len)
{
    struct token k;
    token_read(ix, pattern, len, 0, &k);
    if (token_is(&k, pattern, '*') || token_is(&k, pattern, '>'))
        ix->acc_buckets[acc % ACC_BUCKETS].gen++;
    else
        ix->buckets[trie_bucket(ix, acc, &k)].gen++;
    ix->buckets[BUCKET_NO_TRIE].gen++;
}

void
trie_count(struct interest *ix, uint32_t acc, const uint8_t *pattern, uint32_t len, bool on)
{
    struct token k;
    token_read(ix, pattern, len, 0, &k);
    uint32_t *n = token_is(&k, pattern, '*') || token_is(&k, pattern, '>') ? &ix->acc_buckets[acc % ACC_BUCKETS].n
                                                                           : &ix->buckets[trie_bucket(ix, acc, &k)].n;
    ASSERT(on || (*n > 0 && ix->n_patterns > 0));
    *n += on ? 1 : UINT32_MAX;
    ix->n_patterns += on ? 1 : UINT32_MAX;
    trie_touch(ix, acc, pattern, len);
}

/* ---- matching ---- */

/* The d-th token of the subject; NULL: it has fewer. Tokens are read as the walk first comes to them. */
static const struct token *
walk_token(struct interest *ix, const uint8_t *subject, uint32_t len, uint32_t d)
{
    struct scratch *sc = &ix->scratch;
    ASSERT(d < sc->cap_depth && d <= sc->n_tokens);
    if (d == sc->n_tokens) {
        const struct token *last = &sc->tokens[d - 1];
        uint32_t off = last->off + last->len + 1;
        if (off > len)
            return NULL;
        token_read(ix, subject, len, off, &sc->tokens[d]);
        sc->n_tokens++;
    }
    return &sc->tokens[d];
}

static void
walk_collect(struct interest *ix, const struct twig *w)
{
    ix->scratch.shards |= (uint64_t)w->mask_hi << 32 | w->mask_lo;
    if (w->node != 0)
        scratch_collect(ix, w->node);
}

/* The account's root, usually the one that was looked up last. */
static uint32_t
walk_root(struct interest *ix, uint32_t acc)
{
    struct acc_bucket *b = &ix->acc_buckets[acc % ACC_BUCKETS];
    if (b->root == 0 || b->acc != acc) {
        b->root = trie_root(ix, acc);
        b->acc = acc;
    }
    return b->root;
}

/* Depth first. A twig has one parent and one depth, and is reached through its parent alone with the token of its depth: so each is
 * visited at most once, and only if its whole path matches the subject's first tokens. On the stack there is at most one twig of
 * each depth (the `*` beside the literal that the walk went on with), so the depth of the deepest pattern bounds it. */
void
trie_walk(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    struct frame *stack = ix->scratch.stack;
    uint32_t n_stack = 0, d = 0, at = walk_root(ix, acc);
    while (at != 0) {
        const struct twig *w = twig_at(ix, at);
        const struct token *k = walk_token(ix, subject, len, d);
        uint32_t star = 0, literal = 0;
        if (k == NULL) {
            walk_collect(ix, w);
        } else {
            if (w->gt != 0)
                walk_collect(ix, twig_at(ix, w->gt));
            star = w->star;
            if (w->n_lits != 0)
                literal = twig_literal(ix, at, subject + k->off, k);
        }
        if (star != 0 && literal != 0) {
            ASSERT(n_stack < ix->scratch.cap_depth);
            stack[n_stack++] = (struct frame){star, d + 1};
        }
        at = literal != 0 ? literal : star;
        d++;
        if (at == 0 && n_stack > 0) {
            at = stack[--n_stack].twig;
            d = stack[n_stack].depth;
        }
    }
}
