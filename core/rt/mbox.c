#include "core/rt/mbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(sizeof(struct mbox_rec) == MBOX_ALIGN, "a pad of one unit holds a record head");
_Static_assert(sizeof(struct mbox_batch) == MBOX_BATCH_HEAD_LEN, "batch head length");

static inline uint64_t
mbox_round(uint64_t len)
{
    return round_up_u64(len, MBOX_ALIGN);
}

enum err
mbox_init(struct mbox *m, uint64_t cap)
{
    ASSERT(cap >= 16384 && (cap & (cap - 1)) == 0);

    memset(m, 0, sizeof(*m));
    m->w_batch = UINT64_MAX;
    m->refs = calloc(MBOX_REFS_MAX, sizeof(*m->refs));
    if (m->refs == NULL)
        return ERR_NOMEM;
    /* Mapped, not malloc'ed: pages that were never written cost nothing, and idle pairs of shards are many. */
    void *ring = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) {
        free(m->refs);
        m->refs = NULL;
        return ERR_NOMEM;
    }
    m->ring = ring;
    m->mask = cap - 1;
    return OK;
}

static void
mbox_release_first(struct mbox *m)
{
    struct mbox_ref *r = &m->refs[m->ref_head++ % MBOX_REFS_MAX];
    struct mbox_buf *b = r->buf;

    ASSERT(m->ref_bytes >= r->len);
    m->ref_bytes -= r->len;
    r->buf = NULL;
    ASSERT(b->n_refs > 0);
    if (--b->n_refs == 0)
        b->release(b->arg, b);
}

void
mbox_fini(struct mbox *m)
{
    if (m->ring == NULL)
        return;
    while (m->ref_head != m->ref_tail)
        mbox_release_first(m);
    free(m->refs);
    m->refs = NULL;
    (void)munmap(m->ring, m->mask + 1); /* our own mapping: cannot fail */
    m->ring = NULL;
}

void
mbox_reclaim(struct mbox *m)
{
    if (m->ref_head == m->ref_tail)
        return;
    /* P1 pairs with C1: whoever reads a head sees the consumer done with every byte before it, referred bytes included. */
    m->w_head_seen = atomic_load_explicit(&m->head, memory_order_acquire);
    while (m->ref_head != m->ref_tail && m->refs[m->ref_head % MBOX_REFS_MAX].end <= m->w_head_seen)
        mbox_release_first(m);
}

void
mbox_trim(struct mbox *m)
{
    bool quiet = m->w_tail == m->w_looked && !mbox_dirty(m);

    m->w_looked = m->w_tail;
    if (!quiet || m->w_tail - m->w_trimmed < MBOX_TRIM_MIN)
        return;
    m->w_head_seen = atomic_load_explicit(&m->head, memory_order_acquire); /* P1 */
    if (m->w_head_seen != m->w_tail)
        return;
    /* Nobody reads a byte of an empty ring, and what is pushed next is written before it is read. */
    (void)madvise(m->ring, m->mask + 1, MADV_DONTNEED); /* refused: it is only kept */
    m->w_trimmed = m->w_tail;
}

/* Bytes that n records of rec_len take at worst from here on: a batch head if none is open, and one pad, which is
 * shorter than what did not fit before the end. */
static uint64_t
mbox_worst(const struct mbox *m, uint32_t n_recs, uint64_t rec_len)
{
    uint64_t need = (uint64_t)n_recs * mbox_round(rec_len);
    uint64_t pad = mbox_round(rec_len);

    if (m->w_batch == UINT64_MAX) {
        need += MBOX_BATCH_HEAD_LEN;
        if (pad < MBOX_BATCH_HEAD_LEN)
            pad = MBOX_BATCH_HEAD_LEN;
    }
    uint64_t to_end = (m->mask + 1) - (m->w_tail & m->mask);
    return need <= to_end ? need : need + pad;
}

/* n references to the same ref_len bytes. Alone, they may be longer than the limit: else nobody could ever send them. */
static bool
mbox_ref_room(const struct mbox *m, uint32_t n, uint64_t ref_len)
{
    return m->ref_tail - m->ref_head + n <= MBOX_REFS_MAX && (m->ref_bytes == 0 || m->ref_bytes + n * ref_len <= MBOX_REF_BYTES_MAX);
}

bool
mbox_room_exact(struct mbox *m, uint32_t n_recs, uint64_t rec_len, uint64_t ref_len)
{
    ASSERT(rec_len <= mbox_rec_max(m));

    uint64_t cap = m->mask + 1;
    uint64_t need = mbox_worst(m, n_recs, rec_len);
    bool ok = m->w_tail + need - m->w_head_seen <= cap;
    if (!ok) {
        m->w_head_seen = atomic_load_explicit(&m->head, memory_order_acquire); /* P1 */
        ok = m->w_tail + need - m->w_head_seen <= cap;
    }
    if (!ok || ref_len == 0)
        return ok;
    if (!mbox_ref_room(m, n_recs, ref_len))
        mbox_reclaim(m);
    return mbox_ref_room(m, n_recs, ref_len);
}

void
mbox_pad(struct mbox *m)
{
    uint64_t to_end = (m->mask + 1) - (m->w_tail & m->mask);
    struct mbox_rec *pad = (void *)(m->ring + (m->w_tail & m->mask));

    *pad = (struct mbox_rec){.len = (uint32_t)to_end, .type = MBOX_TYPE_PAD};
    m->w_tail += to_end;
}

void
mbox_open(struct mbox *m)
{
    struct mbox_batch *b = mbox_claim(m, sizeof(*b));

    *b = (struct mbox_batch){.rec = {.len = sizeof(*b), .type = MBOX_TYPE_BATCH}};
    m->w_batch = m->w_tail - sizeof(*b);
}

void
mbox_push_ref(struct mbox *m, struct mbox_buf *b, uint32_t len)
{
    ASSERT(m->ref_tail - m->ref_head < MBOX_REFS_MAX);

    m->refs[m->ref_tail++ % MBOX_REFS_MAX] = (struct mbox_ref){.end = m->w_tail, .len = len, .buf = b};
    m->ref_bytes += len;
    b->n_refs++;
}

void
mbox_seal(struct mbox *m, uint64_t turn, int64_t stamp_ns)
{
    ASSERT(m->w_batch != UINT64_MAX);

    struct mbox_batch *b = (void *)(m->ring + (m->w_batch & m->mask));
    ASSERT(b->rec.type == MBOX_TYPE_BATCH);
    b->turn = turn;
    b->end = m->w_tail;
    b->stamp_ns = stamp_ns;
    m->w_batch = UINT64_MAX;
    atomic_store_explicit(&m->tail, m->w_tail, memory_order_release); /* P2 */
}

void
mbox_want_room(struct mbox *m)
{
    atomic_store_explicit(&m->want_room, 1, memory_order_relaxed);
    /* R1 pairs with R2 (shard_drain): either the caller's next look sees the new head, or the consumer sees the wish. */
    atomic_thread_fence(memory_order_seq_cst);
}

bool
mbox_room_wanted(struct mbox *m)
{
    return atomic_load_explicit(&m->want_room, memory_order_relaxed) != 0 &&
           atomic_exchange_explicit(&m->want_room, 0, memory_order_acq_rel) != 0;
}

bool
mbox_peek(struct mbox *m, uint64_t published, int64_t now_ns, int64_t *ret_stamp_ns)
{
    if (m->r_head == m->r_tail_seen) {
        /* C2 pairs with P2. A tail of a turn that is not published yet may show: its batch is refused below. */
        m->r_tail_seen = atomic_load_explicit(&m->tail, memory_order_acquire);
        if (m->r_head == m->r_tail_seen)
            return false;
    }
    mbox_skip_pad(m);
    const struct mbox_batch *b = (const void *)(m->ring + (m->r_head & m->mask));
    if (m->r_batch_end > m->r_head) { /* taken in part: it was allowed then */
        *ret_stamp_ns = INT64_MIN;
        return true;
    }
    ASSERT(b->rec.type == MBOX_TYPE_BATCH);
    if (b->turn > published || b->stamp_ns > now_ns)
        return false;
    *ret_stamp_ns = b->stamp_ns;
    return true;
}

const struct mbox_rec *
mbox_take(struct mbox *m)
{
    if (m->r_batch_end <= m->r_head) {
        const struct mbox_batch *b = (const void *)(m->ring + (m->r_head & m->mask));
        ASSERT(b->rec.type == MBOX_TYPE_BATCH);
        m->r_batch_end = b->end;
        m->r_head += sizeof(*b);
        ASSERT(m->r_head < m->r_batch_end);
    }
    mbox_skip_pad(m);
    const struct mbox_rec *rec = (const void *)(m->ring + (m->r_head & m->mask));
    ASSERT(rec->type >= MBOX_TYPE_USER);
    m->r_head += mbox_round(rec->len);
    ASSERT(m->r_head <= m->r_batch_end);
    return rec;
}

void
mbox_done(struct mbox *m)
{
    atomic_store_explicit(&m->head, m->r_head, memory_order_release); /* C1 */
}

bool
mbox_pending(const struct mbox *m)
{
    return atomic_load_explicit(&m->tail, memory_order_acquire) != m->r_head;
}
