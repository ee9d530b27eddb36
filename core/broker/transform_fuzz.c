/* Fuzz entry for transform.h: three lines, source, destination, subject. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/broker/transform.h"
#include "core/rt/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FUZZ_OUT_MAX = 1 << 16 };

/* A line of *data as text: without NULs, which configuration cannot hold. own: free() */
static char *
fuzz_line(const uint8_t **data, size_t *len)
{
    const uint8_t *end = *len == 0 ? NULL : memchr(*data, '\n', *len);
    size_t n = end == NULL ? *len : (size_t)(end - *data);
    char *text = malloc(n + 1);

    ASSERT(text != NULL);
    memcpy(text, *data, n);
    text[n] = '\0';
    size_t used = n + (end != NULL);
    *data += used;
    *len -= used;
    return text;
}

/* A result is the same for every room that it fits in, and told not to fit where it does not. */
static void
fuzz_apply(const struct transform *t, const uint8_t *subject, size_t len)
{
    static uint8_t out[FUZZ_OUT_MAX];
    size_t out_len = SIZE_MAX, again_len;

    if (transform_apply(t, subject, len, 7, out, sizeof(out), &out_len) != TRANSFORM_OK)
        return;
    ASSERT(out_len <= sizeof(out));
    uint8_t *again = malloc(out_len + 1); /* of its length: what is written behind it is seen */
    ASSERT(again != NULL);
    ASSERT(transform_apply(t, subject, len, 7, again, out_len, &again_len) == TRANSFORM_OK);
    ASSERT(again_len == out_len && memcmp(again, out, out_len) == 0);
    if (out_len > 0)
        ASSERT(transform_apply(t, subject, len, 7, again, out_len - 1, &again_len) == TRANSFORM_TOO_LONG);
    free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *src = fuzz_line(&data, &len), *dest = fuzz_line(&data, &len);

    for (uint32_t flags = 0; flags < 4; flags++) {
        char why[64];
        struct transform *t = NULL;
        memset(why, 'x', sizeof(why));
        enum err e = transform_new(src, dest, flags, &t, why, sizeof(why));
        ASSERT(e == OK || (e == ERR_INVAL && t == NULL && why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL));
        if (t != NULL && len <= SUBJECT_LEN_MAX)
            fuzz_apply(t, data, len);
        transform_free(t);
    }
    free(src);
    free(dest);
    return 0;
}
