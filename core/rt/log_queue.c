#include "core/rt/log_queue.h"

#include <string.h>
#include <sys/mman.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"

struct log_record {
    int64_t time_ns;
    uint32_t len; /* of the bytes that follow */
    uint32_t tag;
};

enum err
log_queue_init(struct log_queue *q, uint32_t len)
{
    ASSERT(len >= 4096 && (len & (len - 1)) == 0);
    memset(q, 0, sizeof *q);
    q->ring = fault_map(len);
    q->len = len;
    return q->ring == NULL ? ERR_NOMEM : OK;
}

void
log_queue_fini(struct log_queue *q)
{
    if (q->ring != NULL)
        ASSERT(munmap(q->ring, q->len) == 0);
    q->ring = NULL;
}

/* What a line of len bytes takes: records stay aligned. */
static uint64_t
log_queue_room(uint32_t len)
{
    return sizeof(struct log_record) + round_up_u64(len, 8);
}

static void
log_queue_put(struct log_queue *q, uint64_t at, const void *bytes, size_t len)
{
    size_t off = at & (q->len - 1), first = (size_t)min_u64(len, q->len - off);
    memcpy(q->ring + off, bytes, first);
    memcpy(q->ring, (const uint8_t *)bytes + first, len - first);
}

static void
log_queue_get(const struct log_queue *q, uint64_t at, void *bytes, size_t len)
{
    size_t off = at & (q->len - 1), first = (size_t)min_u64(len, q->len - off);
    memcpy(bytes, q->ring + off, first);
    memcpy((uint8_t *)bytes + first, q->ring, len - first);
}

bool
log_queue_push(struct log_queue *q, int64_t time_ns, uint32_t tag, const char *line, uint32_t len)
{
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed), room = log_queue_room(len);
    if (tail + room - q->head_seen > q->len) {
        q->head_seen = atomic_load_explicit(&q->head, memory_order_acquire); /* Q4 */
        if (tail + room - q->head_seen > q->len)
            return false;
    }
    struct log_record rec = {.time_ns = time_ns, .len = len, .tag = tag};
    log_queue_put(q, tail, &rec, sizeof rec);
    log_queue_put(q, tail + sizeof rec, line, len);
    /* Sequentially consistent, for the writer's sleep: see log_wake. */
    atomic_store(&q->tail, tail + room); /* Q1 */
    return true;
}

bool
log_queue_peek(struct log_queue *q, int64_t *ret_time_ns, uint32_t *ret_len)
{
    uint64_t tail = atomic_load(&q->tail); /* Q2 */
    if (q->head_next == tail)
        return false;
    struct log_record rec;
    log_queue_get(q, q->head_next, &rec, sizeof rec);
    ASSERT(log_queue_room(rec.len) <= tail - q->head_next);
    *ret_time_ns = rec.time_ns;
    *ret_len = rec.len;
    return true;
}

uint32_t
log_queue_take(struct log_queue *q, char *to)
{
    struct log_record rec;
    log_queue_get(q, q->head_next, &rec, sizeof rec);
    log_queue_get(q, q->head_next + sizeof rec, to, rec.len);
    q->head_next += log_queue_room(rec.len);
    return rec.tag;
}

void
log_queue_done(struct log_queue *q)
{
    atomic_store_explicit(&q->head, q->head_next, memory_order_release); /* Q3 */
}

bool
log_queue_empty(struct log_queue *q)
{
    return atomic_load(&q->head) == atomic_load(&q->tail);
}
