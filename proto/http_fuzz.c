/* http_fuzz.c - any bytes, as a client's request. The first byte chooses the limits, so that they are met. Properties: those of http_check.h, and that
 * paths and queries of what was taken decode into the room that they were promised.
 *
 * With clang: ninja proto/http_fuzz && proto/http_fuzz -max_len=300 proto/corpus/http. Elsewhere fuzz_main.c replays the corpus. */
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/http_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HTTP_FUZZ_LEN_MAX = 512 /* every split of it is parsed: the work grows with the square */ };

/* Decode what a request asks for. */
static void
http_fuzz_decode(const uint8_t *bytes, const struct http_check *c)
{
    struct nats_view path = {.ptr = bytes + c->path, .len = c->path_len}, query = {.ptr = bytes + c->query, .len = c->query_len};
    char to[HTTP_FUZZ_LEN_MAX], clean[HTTP_FUZZ_LEN_MAX + 1];
    size_t n, n_clean;

    ASSERT(http_path_decode(path, to, &n) && n <= path.len); /* http_parse judged its escapes */
    n_clean = http_path_clean(to, n, clean);
    ASSERT(n_clean >= 1 && n_clean <= n + 1 && clean[0] == '/');
    char again[HTTP_FUZZ_LEN_MAX + 2];
    ASSERT(http_path_clean(clean, n_clean, again) == n_clean && memcmp(again, clean, n_clean) == 0);
    for (size_t cap = 1; cap <= 8; cap += 7) {
        char value[8];
        enum http_query q = http_query_get(query, "a", value, cap, &n);
        ASSERT(q == HTTP_QUERY_NONE || (n < cap && value[n] == '\0' && (q == HTTP_QUERY_FOUND || n == cap - 1)));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint32_t bytes[] = {HTTP_FUZZ_LEN_MAX, 64, 20, 0};
    static const uint32_t headers[] = {100, 3, 1, 0};

    if (len == 0)
        return 0;
    struct http_limits lim = {.max_bytes = bytes[data[0] & 3], .max_headers = headers[data[0] >> 2 & 3]};
    len = min_u64(len - 1, HTTP_FUZZ_LEN_MAX);
    struct http_check c = http_check_splits(data + 1, len, &lim);
    if (c.v == HTTP_REQ && c.path > 0)
        http_fuzz_decode(data + 1, &c);
    return 0;
}
