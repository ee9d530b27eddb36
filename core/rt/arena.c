#include "core/rt/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t len, cap;
    alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct arena_chunk *first; /* the one that is being filled */
    size_t n_bytes;
};

struct arena *
arena_new(void)
{
    return fault_calloc(1, sizeof(struct arena));
}

void
arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct arena_chunk *c = a->first, *next; c != NULL; c = next) {
        next = c->next;
        sodium_memzero(c, sizeof(*c) + c->cap);
        free(c);
    }
    free(a);
}

void *
arena_take(struct arena *a, size_t len)
{
    ASSERT(len < SIZE_MAX / 2);

    len = (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_chunk *c = a->first;
    if (c == NULL || c->cap - c->len < len) {
        size_t cap = len > ARENA_CHUNK / 4 ? len : ARENA_CHUNK;
        struct arena_chunk *fresh = fault_calloc(1, sizeof(*fresh) + cap);
        if (fresh == NULL)
            return NULL;
        fresh->cap = cap;
        a->n_bytes += sizeof(*fresh) + cap;
        if (c != NULL && cap == len) { /* a large one: full at once, so it goes behind the one that still has room */
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            a->first = fresh;
        }
        c = fresh;
    }
    void *at = c->bytes + c->len;
    c->len += len;
    ASSERT(c->len <= c->cap);
    return at;
}

char *
arena_copy(struct arena *a, const char *bytes, size_t len)
{
    char *to = arena_take(a, len + 1);
    if (to != NULL && len > 0)
        memcpy(to, bytes, len);
    return to;
}

size_t
arena_bytes(const struct arena *a)
{
    return a->n_bytes;
}
