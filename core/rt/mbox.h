/* mbox.h - mailbox from one shard to another: a ring of bytes, one producer, one consumer.
 *
 * What a turn pushes is one batch. The producer's turn ends with mbox_seal on each mailbox it touched (stamp and length go into
 * the batch's head, the tail moves) and then ONE store of the shard's published-turn word (shard.h). The consumer takes a batch only when its
 * turn is published, so that all batches of a turn become visible together, whatever thread is stopped between the stores.
 *
 *     ring   | batch head: turn, stamp, end | record | record | pad to the end |  <- wrap
 *              ^ head (consumer)                                ^ tail (sealed)    ^ w_tail (being written)
 *
 * A full mailbox is an ordinary answer: the producer stops handling what feeds it ("all or wait").
 *
 * Large payloads travel by reference: the record holds a pointer, the producer keeps the buffer until the consumer's head
 * has passed the record. The head is the way home; no message goes back, so two shards that are full towards each other
 * cannot block each other's buffers.
 *
 * Shape    power-of-two bytes; positions only grow and are masked on use. Records are 8-byte aligned and never wrap.
 * Threads  push side (room, push, ref, seal, reclaim, trim): the producer shard. take side: the consumer shard.
 * Memory   ring and reference table are allocated by mbox_init; nothing afterwards.
 * Source   design/architecture.md "Mailboxes", "One rule that orders everything".
 */
#ifndef MIDGE_RT_MBOX_H
#define MIDGE_RT_MBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/assert.h"
#include "core/rt/err.h"
#include "core/rt/util.h"

enum {
    MBOX_ALIGN = 8,
    MBOX_BATCH_HEAD_LEN = 32,
    MBOX_INLINE_MAX = 4096,               /* payloads above travel by reference */
    MBOX_REF_BYTES_MAX = 4 * 1024 * 1024, /* by reference and not yet home, per mailbox (one message may exceed it alone) */
    MBOX_REFS_MAX = 1024,
    MBOX_TRIM_MIN = 64 * 1024,            /* less than this written since the last time is not worth a system call */
    MBOX_TYPE_PAD = 0,                    /* types below MBOX_TYPE_USER are the mailbox's own */
    MBOX_TYPE_BATCH = 1,
    MBOX_TYPE_USER = 2,
};

/* Start of every record. len counts all bytes of it, head included, before rounding up to MBOX_ALIGN. */
struct mbox_rec {
    uint32_t len;
    uint8_t type;
    uint8_t flags;
    uint16_t aux;
};

struct mbox_batch {
    struct mbox_rec rec; /* MBOX_TYPE_BATCH */
    uint64_t turn;       /* the producer's turn it belongs to */
    uint64_t end;        /* position after its last record */
    int64_t stamp_ns;
};

/* A buffer that several mailboxes may refer to. The producer shard owns it. */
struct mbox_buf {
    uint32_t n_refs;
    uint32_t cap;
    void (*release)(void *arg, struct mbox_buf *b); /* called on the producer shard when the last reference is home */
    void *arg;
    uint8_t bytes[];
};

struct mbox_ref {
    uint64_t end; /* home when head >= end */
    uint32_t len;
    struct mbox_buf *buf;
};

struct mbox {
    /* C writes. C1 pairs with P1: the consumer is done with every byte before this head. */
    _Alignas(CACHE_PAIR) _Atomic uint64_t head;
    /* P writes. P2 pairs with C2: every byte of the sealed batches is written before this tail. */
    _Alignas(CACHE_PAIR) _Atomic uint64_t tail;
    /* 1: the producer waits for room. P sets it; C takes it back and wakes P. */
    _Atomic uint32_t want_room;

    /* producer's own */
    _Alignas(CACHE_PAIR) uint64_t w_tail; /* written so far */
    uint64_t w_head_seen;
    uint64_t w_batch; /* where the open batch's head stands; UINT64_MAX: none open */
    struct mbox_ref *refs;
    uint32_t ref_head, ref_tail;
    uint64_t ref_bytes;
    uint64_t w_looked;  /* w_tail when mbox_trim last looked */
    uint64_t w_trimmed; /* w_tail when it last gave the ring's memory back */

    /* consumer's own */
    _Alignas(CACHE_PAIR) uint64_t r_head;
    uint64_t r_tail_seen;
    uint64_t r_batch_end; /* end of the batch being taken; == r_head: none open */

    /* fixed */
    _Alignas(CACHE_PAIR) uint8_t *ring;
    uint64_t mask;
};

/* cap: power of two, >= 16 KiB. fail: ERR_NOMEM */
enum err mbox_init(struct mbox *m, uint64_t cap);
/* References not yet home are released. */
void mbox_fini(struct mbox *m);

/* The longest record this mailbox takes. */
static inline uint64_t
mbox_rec_max(const struct mbox *m)
{
    return (m->mask + 1) / 4;
}

/* mbox_room where the first look does not say yes. */
bool mbox_room_exact(struct mbox *m, uint32_t n_recs, uint64_t rec_len, uint64_t ref_len);

/* Whether n_recs records of at most rec_len bytes each (head included) fit now, and, if ref_len > 0, a reference to ref_len bytes for each. */
static inline bool
mbox_room(struct mbox *m, uint32_t n_recs, uint64_t rec_len, uint64_t ref_len)
{
    /* More than it can take with batch head, pad and rounding: then nothing has to be looked at closely. */
    uint64_t ample = (n_recs + 1) * (rec_len + MBOX_ALIGN) + 2 * MBOX_BATCH_HEAD_LEN;

    return LIKELY(ref_len == 0 && m->w_tail + ample - m->w_head_seen <= m->mask + 1) || mbox_room_exact(m, n_recs, rec_len, ref_len);
}

/* Producer: where the next record will stand, or a pad before it. Every push moves it. */
static inline uint64_t
mbox_end(const struct mbox *m)
{
    return m->w_tail;
}

/* Whether anything was pushed since the last seal. */
static inline bool
mbox_dirty(const struct mbox *m)
{
    return m->w_batch != UINT64_MAX;
}

/* Parts of mbox_push: pass over the end of the ring; open a batch. */
void mbox_pad(struct mbox *m);
void mbox_open(struct mbox *m);

/* len contiguous bytes at the write position, after a pad if they would wrap. */
static inline void *
mbox_claim(struct mbox *m, uint64_t len)
{
    uint64_t need = round_up_u64(len, MBOX_ALIGN);

    if (UNLIKELY(need > m->mask + 1 - (m->w_tail & m->mask)))
        mbox_pad(m);
    void *at = m->ring + (m->w_tail & m->mask);
    m->w_tail += need;
    ASSERT(m->w_tail - m->w_head_seen <= m->mask + 1); /* mbox_room was asked */
    return at;
}

/* Room for a record of len bytes (head included), which the caller fills; mbox_room said yes. It is seen after
 * seal and publish. Valid until the batch is sealed. */
static inline struct mbox_rec *
mbox_push(struct mbox *m, uint8_t type, uint64_t len)
{
    ASSERT(type >= MBOX_TYPE_USER);
    ASSERT(len >= sizeof(struct mbox_rec) && len <= mbox_rec_max(m));

    if (UNLIKELY(m->w_batch == UINT64_MAX))
        mbox_open(m);
    struct mbox_rec *rec = mbox_claim(m, len);
    *rec = (struct mbox_rec){.len = (uint32_t)len, .type = type};
    return rec;
}

/* mbox_push where a look at what the producer knows is enough to see the room, in an open batch; else NULL, and nothing was done. */
static inline struct mbox_rec *
mbox_push_quick(struct mbox *m, uint8_t type, uint64_t len)
{
    uint64_t at = m->w_tail & m->mask, end = m->w_tail + round_up_u64(len, MBOX_ALIGN);

    if (UNLIKELY(at + (end - m->w_tail) > m->mask + 1 || end - m->w_head_seen > m->mask + 1))
        return NULL;
    ASSERT_SLOW(mbox_dirty(m) && len <= mbox_rec_max(m));
    m->w_tail = end;
    struct mbox_rec *rec = (void *)(m->ring + at);
    *rec = (struct mbox_rec){.len = (uint32_t)len, .type = type};
    return rec;
}

/* The record pushed last refers to len bytes of b: keep b until the consumer has passed that record. */
void mbox_push_ref(struct mbox *m, struct mbox_buf *b, uint32_t len);

/* Close the batch: all of it carries this turn and stamp. */
void mbox_seal(struct mbox *m, uint64_t turn, int64_t stamp_ns);

/* Producer: ask to be woken when the consumer has made room. Ask mbox_room again afterwards: only if it still says no may
 * the producer sleep. */
void mbox_want_room(struct mbox *m);
/* Producer: whether that wish still stands. */
static inline bool
mbox_wants_room(const struct mbox *m)
{
    return atomic_load_explicit(&m->want_room, memory_order_relaxed) != 0;
}
/* Consumer, after mbox_done and a sequentially consistent fence: whether the producer waits for room. Takes the wish
 * back: true means "wake it now". */
bool mbox_room_wanted(struct mbox *m);

/* Release what is home. Bounded by MBOX_REFS_MAX. */
void mbox_reclaim(struct mbox *m);

/* Producer, a few times a second: give the ring's memory back to the system where nothing was pushed since the last call and all is taken. */
void mbox_trim(struct mbox *m);

/* Consumer: the stamp of the batch at the head if it is of a turn <= published and stamped <= now_ns; else false.
 * A batch taken in part stays available. */
bool mbox_peek(struct mbox *m, uint64_t published, int64_t now_ns, int64_t *ret_stamp_ns);

/* Consumer, after mbox_peek said true, or while mbox_in_batch: the next record. View until the next mbox_done. */
const struct mbox_rec *mbox_take(struct mbox *m);
/* Whether the batch being taken has more records. */
static inline bool
mbox_in_batch(const struct mbox *m)
{
    return m->r_head < m->r_batch_end;
}
/* Step over a pad at the reading position. Sealed bytes end on a record, so there is one behind it. */
static inline void
mbox_skip_pad(struct mbox *m)
{
    const struct mbox_rec *rec = (const void *)(m->ring + (m->r_head & m->mask));
    if (UNLIKELY(rec->type == MBOX_TYPE_PAD))
        m->r_head += rec->len;
}
/* Consumer: the record that mbox_take would give, if the batch being taken has one more and it is of this type; else NULL. */
static inline const struct mbox_rec *
mbox_look(struct mbox *m, uint8_t type)
{
    if (!mbox_in_batch(m))
        return NULL;
    mbox_skip_pad(m);
    const struct mbox_rec *rec = (const void *)(m->ring + (m->r_head & m->mask));
    return rec->type == type ? rec : NULL;
}
/* The same, and takes it. */
static inline const struct mbox_rec *
mbox_take_type(struct mbox *m, uint8_t type)
{
    const struct mbox_rec *rec = mbox_look(m, type);

    if (LIKELY(rec != NULL))
        m->r_head += round_up_u64(rec->len, MBOX_ALIGN);
    return rec;
}
/* Consumer: let the producer have the room of what was taken. */
void mbox_done(struct mbox *m);

/* Whether anything is there that is not taken yet, published or not (for the sleeper's last look). */
bool mbox_pending(const struct mbox *m);

#endif
