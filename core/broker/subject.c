#include "core/broker/subject.h"

#include <string.h>

/* The tokens of a subject one after the other. */
struct tokens {
    const uint8_t *at; /* where the token begins */
    size_t left;       /* bytes from there to the end of the subject */
    size_t len;        /* of the token */
    bool over;         /* there is none left */
};

static void
tokens_measure(struct tokens *t)
{
    const uint8_t *dot = t->left == 0 ? NULL : memchr(t->at, '.', t->left);
    t->len = dot == NULL ? t->left : (size_t)(dot - t->at);
}

static struct tokens
tokens_of(const uint8_t *s, size_t len)
{
    struct tokens t = {.at = s, .left = len};
    tokens_measure(&t);
    return t;
}

static void
tokens_next(struct tokens *t)
{
    if (t->len == t->left) {
        t->over = true;
        return;
    }
    t->at += t->len + 1;
    t->left -= t->len + 1;
    tokens_measure(t);
}

static bool
tokens_is(const struct tokens *t, uint8_t c)
{
    return t->len == 1 && t->at[0] == c;
}

static bool
tokens_equal(const struct tokens *a, const struct tokens *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->at, b->at, a->len) == 0);
}

bool
subject_valid(const uint8_t *s, size_t len)
{
    if (len == 0 || len > SUBJECT_LEN_MAX)
        return false;
    size_t from = 0; /* where the token begins */
    for (size_t i = 0; i <= len; i++) {
        uint8_t c = i == len ? '.' : s[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            return false;
        if (c != '.')
            continue;
        if (i == from || (i == from + 1 && s[from] == '>' && i != len))
            return false;
        from = i + 1;
    }
    return true;
}

bool
subject_literal(const uint8_t *s, size_t len)
{
    if (len == 0 || (memchr(s, '*', len) == NULL && memchr(s, '>', len) == NULL))
        return true; /* nearly all of them */
    for (size_t i = 0; i < len; i++) {
        if ((s[i] == '*' || s[i] == '>') && (i == 0 || s[i - 1] == '.') && (i + 1 == len || s[i + 1] == '.'))
            return false;
    }
    return true;
}

bool
subject_valid_publish(const uint8_t *s, size_t len)
{
    return subject_valid(s, len) && subject_literal(s, len);
}

/* Eight bytes at a time: the publish path asks this of each subject that a wildcard may match. */
bool
subject_has_empty_token(const uint8_t *s, size_t len)
{
    const uint64_t dots = UINT64_C(0x2e2e2e2e2e2e2e2e), low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    if (len == 0)
        return true;
    uint64_t before = 0x80; /* the byte before was a dot: so is the beginning */
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t x;
        memcpy(&x, s + i, sizeof x);
        x ^= dots;
        uint64_t hits = ~(((x & low7) + low7) | x | low7); /* 0x80 in each byte that is a dot */
        if ((hits & (hits << 8 | before)) != 0)
            return true;
        before = hits >> 56;
    }
    for (; i < len; i++) {
        uint64_t hit = s[i] == '.' ? 0x80 : 0;
        if ((hit & before) != 0)
            return true;
        before = hit;
    }
    return before != 0; /* it ends with a dot */
}

bool
subject_match(const uint8_t *pattern, size_t pattern_len, const uint8_t *s, size_t len)
{
    if (subject_has_empty_token(s, len))
        return false;
    struct tokens p = tokens_of(pattern, pattern_len), t = tokens_of(s, len);
    for (; !p.over && !t.over; tokens_next(&p), tokens_next(&t)) {
        if (tokens_is(&p, '>'))
            return true;
        if (!tokens_is(&p, '*') && !tokens_equal(&p, &t))
            return false;
    }
    return p.over && t.over;
}

bool
subject_subset(const uint8_t *sub, size_t sub_len, const uint8_t *super, size_t super_len)
{
    struct tokens a = tokens_of(sub, sub_len), b = tokens_of(super, super_len);
    for (; !a.over && !b.over; tokens_next(&a), tokens_next(&b)) {
        if (tokens_is(&b, '>'))
            return true;
        if (tokens_is(&a, '>'))
            return false;
        /* Where super has a literal token, sub's `*` differs from it as bytes, and that is the right answer. */
        if (!tokens_is(&b, '*') && !tokens_equal(&a, &b))
            return false;
    }
    return a.over && b.over;
}

bool
subject_overlap(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    struct tokens x = tokens_of(a, a_len), y = tokens_of(b, b_len);
    for (; !x.over && !y.over; tokens_next(&x), tokens_next(&y)) {
        if (tokens_is(&x, '>') || tokens_is(&y, '>'))
            return true;
        if (!tokens_is(&x, '*') && !tokens_is(&y, '*') && !tokens_equal(&x, &y))
            return false;
    }
    return x.over && y.over;
}

uint32_t
subject_n_tokens(const uint8_t *s, size_t len)
{
    if (len == 0)
        return 0;
    uint32_t n = 1;
    for (size_t i = 0; i < len; i++)
        n += s[i] == '.';
    return n;
}
