#include "core/rt/outq.h"

#include "core/rt/assert.h"

/* Three sizes only: the fewer there are, the sooner each is warm. */
static uint32_t
outq_size_for(uint64_t len)
{
    return len <= OUTQ_CHUNK_MIN ? OUTQ_CHUNK_MIN : len <= OUTQ_CHUNK_MID ? OUTQ_CHUNK_MID : OUTQ_CHUNK_MAX;
}

uint8_t *
outq_grow(struct outq *q, struct bufpool *bp, uint32_t len)
{
    uint32_t want = outq_size_for(max_u64(q->next_cap, len + sizeof(struct outchunk)));
    if (want < len + sizeof(struct outchunk))
        want = len + (uint32_t)sizeof(struct outchunk);

    uint32_t cap;
    struct outchunk *c = bufpool_take(bp, want, &cap);
    if (c == NULL)
        return NULL;
    *c = (struct outchunk){.cap = cap - (uint32_t)sizeof(*c)};
    if (q->tail != NULL)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    q->next_cap = outq_size_for((uint64_t)cap + 1);
    return c->bytes;
}

bool
outq_append(struct outq *q, struct bufpool *bp, const void *bytes, uint64_t len)
{
    const uint8_t *from = bytes;

    while (len > 0) {
        struct outchunk *t = q->tail;
        uint32_t room = t != NULL ? t->cap - t->len : 0;
        if (room == 0) {
            if (outq_grow(q, bp, 1) == NULL)
                return false;
            continue;
        }
        uint32_t n = (uint32_t)min_u64(room, len);
        memcpy(t->bytes + t->len, from, n);
        outq_commit(q, n);
        from += n;
        len -= n;
    }
    return true;
}

uint32_t
outq_iov(const struct outq *q, struct iovec *iov, uint32_t max)
{
    uint32_t n = 0;
    uint32_t off = q->head_off;

    for (struct outchunk *c = q->head; c != NULL && n < max; c = c->next) {
        if (c->len > off)
            iov[n++] = (struct iovec){.iov_base = c->bytes + off, .iov_len = c->len - off};
        off = 0;
    }
    return n;
}

uint32_t
outq_n_chunks(const struct outq *q, uint64_t len)
{
    uint32_t n = 0;
    uint32_t off = q->head_off;

    for (const struct outchunk *c = q->head; c != NULL && len > 0; c = c->next) {
        len -= min_u64(len, c->len - off);
        off = 0;
        n++;
    }
    return n;
}

static void
outq_drop_head(struct outq *q, struct bufpool *bp)
{
    struct outchunk *c = q->head;

    q->head = c->next;
    q->head_off = 0;
    if (q->head == NULL)
        q->tail = NULL;
    bufpool_give(bp, c, c->cap + (uint32_t)sizeof(*c));
}

void
outq_drop(struct outq *q, struct bufpool *bp, uint64_t len)
{
    ASSERT(len <= q->n_bytes);

    q->n_bytes -= len;
    q->turn_bytes += (uint32_t)min_u64(len, OUTQ_CHUNK_MAX);
    while (q->head != NULL) {
        uint64_t left = q->head->len - q->head_off;
        if (len < left) {
            q->head_off += (uint32_t)len;
            break;
        }
        len -= left;
        if (q->head == q->tail && q->n_bytes > 0)
            break;
        outq_drop_head(q, bp);
    }
    if (q->head == NULL) {
        /* Start next time with a buffer that holds about what this time took. */
        q->next_cap = outq_size_for(q->turn_bytes);
        q->turn_bytes = 0;
    }
    ASSERT((q->n_bytes == 0) == (q->head == NULL));
}

void
outq_fini(struct outq *q, struct bufpool *bp)
{
    while (q->head != NULL)
        outq_drop_head(q, bp);
    *q = (struct outq){0};
}
