/* subject_naive.h - the rules of subjects in the plainest form, for tests to compare with.
 *
 * Threads  any. Memory  the caller's arrays. Source  sheet 01, section 6.
 */
#ifndef MIDGE_BROKER_SUBJECT_NAIVE_H
#define MIDGE_BROKER_SUBJECT_NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { NAIVE_TOKENS_MAX = 8192 };

struct naive {
    const uint8_t *at[NAIVE_TOKENS_MAX];
    size_t len[NAIVE_TOKENS_MAX];
    size_t n;
};

static inline void
naive_split(struct naive *ret, const uint8_t *s, size_t len)
{
    ret->n = 0;
    for (size_t from = 0, i = 0; i <= len && ret->n < NAIVE_TOKENS_MAX; i++) {
        if (i < len && s[i] != '.')
            continue;
        ret->at[ret->n] = s + from;
        ret->len[ret->n++] = i - from;
        from = i + 1;
    }
}

static inline bool
naive_is(const struct naive *t, size_t i, char c)
{
    return t->len[i] == 1 && t->at[i][0] == (uint8_t)c;
}

static inline bool
naive_has_empty(const struct naive *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->len[i] == 0)
            return true;
    }
    return false;
}

/* pattern covers subject. Both split. */
static inline bool
naive_match(const struct naive *p, const struct naive *s)
{
    if (naive_has_empty(s))
        return false;
    for (size_t i = 0; i < p->n; i++) {
        if (naive_is(p, i, '>'))
            return s->n > i;
        if (i >= s->n)
            return false;
        if (!naive_is(p, i, '*') && (p->len[i] != s->len[i] || memcmp(p->at[i], s->at[i], p->len[i]) != 0))
            return false;
    }
    return p->n == s->n;
}

static inline bool
naive_literal(const struct naive *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (naive_is(t, i, '*') || naive_is(t, i, '>'))
            return false;
    }
    return true;
}

static inline bool
naive_valid(const struct naive *t, const uint8_t *s, size_t len)
{
    if (len > 65535 || naive_has_empty(t))
        return false;
    for (size_t i = 0; i + 1 < t->n; i++) {
        if (naive_is(t, i, '>'))
            return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (memchr(" \t\r\n", s[i], 4) != NULL)
            return false;
    }
    return true;
}

#endif
