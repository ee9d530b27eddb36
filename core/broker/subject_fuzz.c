/* Fuzz entry for subject.h: two lines, compared with the plain definitions and with each other. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/broker/subject_naive.h"
#include "core/rt/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
fuzz_one(const uint8_t *s, size_t len, struct naive *ret)
{
    if (subject_n_tokens(s, len) > NAIVE_TOKENS_MAX) {
        ret->n = 0; /* more than the plain definitions hold */
        return;
    }
    naive_split(ret, s, len);
    ASSERT(subject_n_tokens(s, len) == (len == 0 ? 0 : ret->n));
    ASSERT(subject_has_empty_token(s, len) == naive_has_empty(ret));
    ASSERT(subject_literal(s, len) == naive_literal(ret));
    ASSERT(subject_valid(s, len) == naive_valid(ret, s, len));
    ASSERT(subject_valid_publish(s, len) == (naive_valid(ret, s, len) && naive_literal(ret)));
}

/* What holds between any two valid patterns, and between a pattern and what it covers. */
static void
fuzz_two(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    bool subset = subject_subset(a, a_len, b, b_len), super = subject_subset(b, b_len, a, a_len), overlap = subject_overlap(a, a_len, b, b_len);
    ASSERT(overlap == subject_overlap(b, b_len, a, a_len));
    if (subset || super)
        ASSERT(overlap);
    if (subset && super)
        ASSERT(a_len == b_len && memcmp(a, b, a_len) == 0);
    ASSERT(subject_subset(a, a_len, a, a_len) && subject_subset(a, a_len, (const uint8_t *)">", 1));
    if (subject_literal(b, b_len)) {
        ASSERT(subject_match(a, a_len, b, b_len) == super);
        ASSERT(overlap == super);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct naive a, b;
    const uint8_t *line = len == 0 ? NULL : memchr(data, '\n', len);
    size_t a_len = line == NULL ? len : (size_t)(line - data), b_len = line == NULL ? 0 : len - a_len - 1;
    const uint8_t *second = line == NULL ? data + len : line + 1;
    fuzz_one(data, a_len, &a);
    fuzz_one(second, b_len, &b);
    if (a.n == 0 || b.n == 0 || !subject_valid(data, a_len))
        return 0;
    ASSERT(subject_match(data, a_len, second, b_len) == naive_match(&a, &b));
    if (subject_valid(second, b_len))
        fuzz_two(data, a_len, second, b_len);
    return 0;
}
