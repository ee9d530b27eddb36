/* Messages to peer shards: room in every mailbox first, then one record each. */
#include <string.h>

#include "core/broker/broker.h"
#include "core/broker/broker_priv.h"
#include "core/rt/mutate.h"

static uint32_t
forward_entry_len(const struct broker_pick *p)
{
    return (uint32_t)sizeof(uint16_t) + p->name_len;
}

/* The bytes of queue names that shard gets. */
static uint32_t
forward_queues_len(uint32_t shard, const struct broker_pick *picks, uint32_t n_picks)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < n_picks; i++) {
        if (picks[i].sub == 0 && picks[i].shard == shard)
            len += forward_entry_len(&picks[i]);
    }
    return len;
}

static bool
forward_room(struct broker *b, uint32_t shard, const struct pub_msg *m, uint32_t queues_len)
{
    bool names_ref = queues_len > BROKER_QUEUES_LEN_MAX;
    bool tail_ref = m->tail_len > b->inline_max || names_ref;
    uint64_t len = sizeof(struct record_msg) + m->subject_len + (names_ref ? 0 : queues_len) + (tail_ref ? 0 : m->tail_len);
    uint64_t ref_len = (names_ref ? queues_len : 0) + (uint64_t)(tail_ref ? m->tail_len : 0);
    struct mbox *mb = b->sh->out[shard];

    if (LIKELY(mbox_room(mb, 1, len, ref_len)))
        return true;
    broker_want_room(b, shard);
    if (mbox_room(mb, 1, len, ref_len))
        return true;
    COUNT(&b->sh->counters, mbox_full, 1);
    return false;
}

/* Write the names for shard; returns where they end. */
static uint8_t *
forward_put_queues(uint8_t *to, uint32_t shard, const struct broker_pick *picks, uint32_t n_picks)
{
    for (uint32_t i = 0; i < n_picks; i++) {
        const struct broker_pick *p = &picks[i];
        if (p->sub != 0 || p->shard != shard)
            continue;
        uint16_t name_len = (uint16_t)p->name_len;
        memcpy(to, &name_len, sizeof(name_len));
        memcpy(to + sizeof(name_len), p->name, name_len);
        to += forward_entry_len(p);
    }
    return to;
}

static void
forward_release(void *arg, struct mbox_buf *buf)
{
    bufpool_give(arg, buf, buf->cap);
}

/* Copy the names for shard that are queues_len bytes, and the tail, into a buffer that mailboxes may refer to; NULL without memory. It
 * starts with one reference: ours. */
static struct mbox_buf *
forward_buf(struct broker *b, const struct pub_msg *m, uint32_t shard, uint32_t queues_len, const struct broker_pick *picks, uint32_t n_picks)
{
    uint32_t cap;
    struct mbox_buf *buf = bufpool_take(b->sh->bufs, (uint32_t)sizeof(*buf) + queues_len + m->tail_len, &cap);
    if (buf == NULL)
        return NULL;
    *buf = (struct mbox_buf){.n_refs = 1, .cap = cap, .release = forward_release, .arg = b->sh->bufs};
    if (queues_len > 0)
        forward_put_queues(buf->bytes, shard, picks, n_picks);
    memcpy(buf->bytes + queues_len, m->tail, m->tail_len);
    return buf;
}

/* We need it no longer; NULL is fine. */
static void
forward_unref(struct broker *b, struct mbox_buf *buf)
{
    if (buf != NULL && --buf->n_refs == 0)
        forward_release(b->sh->bufs, buf);
}

/* Buffers for the shards in `mask`, whose names do not fit into a record. False: no memory, and none is held. */
__attribute__((cold, noinline)) static bool
forward_names_bufs(struct broker *b, const struct pub_msg *m, uint64_t mask, const struct broker_pick *picks, uint32_t n_picks,
                   struct mbox_buf **ret_bufs)
{
    for (uint64_t s = mask; s != 0; s &= s - 1) {
        uint32_t shard = (uint32_t)__builtin_ctzll(s);
        ret_bufs[shard] = forward_buf(b, m, shard, forward_queues_len(shard, picks, n_picks), picks, n_picks);
        if (ret_bufs[shard] != NULL)
            continue;
        for (uint64_t t = mask & (BIT64(shard) - 1); t != 0; t &= t - 1)
            forward_unref(b, ret_bufs[__builtin_ctzll(t)]);
        return false;
    }
    return true;
}

/* buf: what is by reference, or NULL. */
static void
forward_push(struct broker *b, uint32_t shard, const struct pub_msg *m, struct mbox_buf *buf, bool plain, const struct broker_pick *picks,
             uint32_t n_picks)
{
    uint32_t queues_len = n_picks > 0 ? forward_queues_len(shard, picks, n_picks) : 0;
    bool names_ref = queues_len > BROKER_QUEUES_LEN_MAX;
    uint64_t len = sizeof(struct record_msg) + m->subject_len + (names_ref ? 0 : queues_len) + (buf != NULL ? 0 : m->tail_len);
    struct record_msg *r = (void *)shard_push(b->sh, shard, RECORD_MSG, len);

    r->rec.flags = (uint8_t)((plain ? RECORD_MSG_PLAIN : 0) | (m->hdr ? RECORD_MSG_HDR : 0) | (buf != NULL ? RECORD_MSG_REF : 0) |
                             (names_ref ? RECORD_MSG_NAMES_REF : 0));
    r->acc = m->acc;
    r->from = m->from_slot;
    r->tail_len = m->tail_len;
    r->payload_off = m->payload_off;
    r->hdr_len = m->hdr_len;
    r->queues_len = queues_len;
    r->subject_len = (uint16_t)m->subject_len;
    r->reply_len = (uint16_t)m->reply_len;
    r->hops = m->hops;
    r->from_shard = m->from_shard;
    r->ref = buf != NULL ? buf->bytes : NULL;
    uint8_t *p = r->bytes;
    memcpy(p, m->subject, m->subject_len);
    p += m->subject_len;
    if (queues_len > 0 && !names_ref)
        p = forward_put_queues(p, shard, picks, n_picks);
    if (buf == NULL)
        memcpy(p, m->tail, m->tail_len);
    else
        mbox_push_ref(b->sh->out[shard], buf, (names_ref ? queues_len : 0) + m->tail_len);
    COUNT(&b->sh->counters, mbox_msgs_out, 1);
    COUNT(&b->sh->counters, mbox_bytes_out, len);
}

enum err
broker_forward(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks)
{
    uint64_t shards = plain;
    for (uint32_t i = 0; i < n_picks; i++) {
        if (picks[i].sub == 0)
            shards |= BIT64(picks[i].shard);
    }
    if (shards == 0)
        return OK;
    bool room = true;
    uint64_t long_names = 0; /* shards whose names travel by reference, each with a tail of its own */
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t shard = (uint32_t)__builtin_ctzll(s);
        uint32_t queues_len = n_picks > 0 ? forward_queues_len(shard, picks, n_picks) : 0;
        if (UNLIKELY(queues_len > BROKER_QUEUES_LEN_MAX))
            long_names |= BIT64(shard);
        room &= forward_room(b, shard, m, queues_len);
    }
    if (!room)
        return ERR_AGAIN;
    struct mbox_buf *tail = NULL, *names[SHARDS_MAX]; /* names: of the shards in long_names alone */
    if (UNLIKELY(long_names != 0) && !forward_names_bufs(b, m, long_names, picks, n_picks, names))
        return ERR_AGAIN; /* a pool run dry is back-pressure */
    if (m->tail_len > b->inline_max && (tail = forward_buf(b, m, 0, 0, NULL, 0)) == NULL) {
        for (uint64_t s = long_names; s != 0; s &= s - 1)
            forward_unref(b, names[__builtin_ctzll(s)]);
        return ERR_AGAIN;
    }
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t shard = (uint32_t)__builtin_ctzll(s);
        bool own = UNLIKELY((long_names & BIT64(shard)) != 0);
        forward_push(b, shard, m, own ? names[shard] : tail, (plain & BIT64(shard)) != 0, picks, n_picks);
        if (own)
            forward_unref(b, names[shard]);
    }
    forward_unref(b, tail);
    return OK;
}
