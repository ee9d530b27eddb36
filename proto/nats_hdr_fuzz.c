/* Fuzz entry for nats_hdr.h: a header block. */
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "proto/nats_hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct nats_hdr_field f;
    size_t off = 0, last = 0;
    bool traced = false;

    while (nats_hdr_next(data, len, &off, &f)) {
        ASSERT(off > last && off <= len && f.name.len > 0 && f.value.len > 0);
        ASSERT(f.name.ptr >= data && f.name.ptr + f.name.len < f.value.ptr && f.value.ptr + f.value.len <= data + off - 2);
        traced |= f.name.len >= 6 && memcmp(f.name.ptr, "Nats-T", 6) == 0;
        last = off;
    }
    ASSERT(nats_hdr_maybe_trace(data, len) == (len > 0 && memmem(data, len, "\nNats-T", 7) != NULL));
    if (traced)
        ASSERT(nats_hdr_maybe_trace(data, len));
    uint8_t *to = malloc(len + 14 + 1 + 6);
    ASSERT(to != NULL);
    size_t n = nats_hdr_set(data, len, "Nats-Trace-Hop", "1", to);
    ASSERT(n <= len + 14 + 1 + 6);
    free(to);
    return 0;
}
