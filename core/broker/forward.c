/* Messages to peer shards: room in every mailbox first, then one record each. */
#include <string.h>

#include "core/broker/broker.h"
#include "core/broker/broker_priv.h"
#include "core/rt/mutate.h"

/* What one peer gets of a message. */
struct forward_part {
    uint32_t n_queues, queues_len, n_records;
};

static uint32_t
forward_entry_len(const struct broker_pick *p)
{
    return (uint32_t)sizeof(uint16_t) + p->name_len;
}

/* How the picks for `shard` spread over records: names up to BROKER_QUEUES_LEN_MAX each (a single longer one alone). */
static struct forward_part
forward_plan(uint32_t shard, bool plain, const struct broker_pick *picks, uint32_t n_picks)
{
    struct forward_part part = {.n_records = plain ? 1 : 0};
    uint32_t in_record = 0;

    for (uint32_t i = 0; i < n_picks; i++) {
        if (picks[i].sub != 0 || picks[i].shard != shard)
            continue;
        uint32_t len = forward_entry_len(&picks[i]);
        if (part.n_records == 0 || in_record + len > BROKER_QUEUES_LEN_MAX) {
            part.n_records++;
            in_record = 0;
        }
        in_record += len;
        part.n_queues++;
        if (in_record > part.queues_len)
            part.queues_len = in_record; /* the longest record's */
    }
    return part;
}

static bool
forward_room(struct broker *b, uint32_t shard, const struct pub_msg *m, const struct forward_part *part)
{
    bool by_ref = m->tail_len > b->inline_max;
    uint64_t len = sizeof(struct record_msg) + m->subject_len + part->queues_len + (by_ref ? 0 : m->tail_len);
    uint64_t ref_len = by_ref ? m->tail_len : 0;
    struct mbox *mb = b->sh->out[shard];

    if (LIKELY(mbox_room(mb, part->n_records, len, ref_len)))
        return true;
    broker_want_room(b, shard);
    if (mbox_room(mb, part->n_records, len, ref_len))
        return true;
    COUNT(&b->sh->counters, mbox_full, 1);
    return false;
}

static void
forward_release(void *arg, struct mbox_buf *buf)
{
    bufpool_give(arg, buf, buf->cap);
}

/* Copy the tail into a buffer that mailboxes may refer to; NULL without memory. It starts with one reference: ours. */
static struct mbox_buf *
forward_buf(struct broker *b, const struct pub_msg *m)
{
    uint32_t cap;
    struct mbox_buf *buf = bufpool_take(b->sh->bufs, (uint32_t)sizeof(*buf) + m->tail_len, &cap);
    if (buf == NULL)
        return NULL;
    *buf = (struct mbox_buf){.n_refs = 1, .cap = cap, .release = forward_release, .arg = b->sh->bufs};
    memcpy(buf->bytes, m->tail, m->tail_len);
    return buf;
}

/* Append picks[*i]... for `shard` to r while they fit; returns the bytes they took. */
static uint32_t
forward_put_queues(struct record_msg *r, uint8_t *to, uint32_t shard, const struct broker_pick *picks, uint32_t n_picks, uint32_t *i)
{
    uint32_t len = 0;

    for (; *i < n_picks; (*i)++) {
        const struct broker_pick *p = &picks[*i];
        if (p->sub != 0 || p->shard != shard)
            continue;
        if (r->rec.aux > 0 && len + forward_entry_len(p) > BROKER_QUEUES_LEN_MAX)
            break;
        uint16_t name_len = (uint16_t)p->name_len;
        memcpy(to + len, &name_len, sizeof(name_len));
        memcpy(to + len + sizeof(name_len), p->name, name_len);
        len += forward_entry_len(p);
        r->rec.aux++;
    }
    return len;
}

/* The bytes of queue names that the next record takes, from picks[i] on. */
static uint32_t
forward_next_len(uint32_t shard, const struct broker_pick *picks, uint32_t n_picks, uint32_t i)
{
    uint32_t len = 0, n = 0;

    for (; i < n_picks; i++) {
        if (picks[i].sub != 0 || picks[i].shard != shard)
            continue;
        if (n > 0 && len + forward_entry_len(&picks[i]) > BROKER_QUEUES_LEN_MAX)
            break;
        len += forward_entry_len(&picks[i]);
        n++;
    }
    return len;
}

static void
forward_push(struct broker *b, uint32_t shard, const struct pub_msg *m, struct mbox_buf *buf, bool plain, const struct broker_pick *picks,
             uint32_t n_picks)
{
    uint32_t i = 0;
    struct forward_part part = forward_plan(shard, plain, picks, n_picks);

    for (uint32_t n = 0; n < part.n_records; n++) {
        uint32_t queues_len = part.n_queues > 0 ? forward_next_len(shard, picks, n_picks, i) : 0;
        uint64_t len = sizeof(struct record_msg) + m->subject_len + queues_len + (buf != NULL ? 0 : m->tail_len);
        struct record_msg *r = (void *)shard_push(b->sh, shard, RECORD_MSG, len);
        r->rec.aux = 0;
        r->rec.flags = (uint8_t)((plain && n == 0 ? RECORD_MSG_PLAIN : 0) | (m->hdr ? RECORD_MSG_HDR : 0) | (buf != NULL ? RECORD_MSG_REF : 0));
        r->acc = m->acc;
        r->from = m->from_slot;
        r->tail_len = m->tail_len;
        r->payload_off = m->payload_off;
        r->hdr_len = m->hdr_len;
        r->subject_len = (uint16_t)m->subject_len;
        r->reply_len = (uint16_t)m->reply_len;
        r->queues_len = (uint16_t)queues_len;
        r->hops = m->hops;
        r->from_shard = m->from_shard;
        r->ref = buf != NULL ? buf->bytes : NULL;
        uint8_t *p = r->bytes;
        memcpy(p, m->subject, m->subject_len);
        p += m->subject_len;
        if (part.n_queues > 0)
            p += forward_put_queues(r, p, shard, picks, n_picks, &i);
        if (buf == NULL)
            memcpy(p, m->tail, m->tail_len);
        else
            mbox_push_ref(b->sh->out[shard], buf, m->tail_len);
        COUNT(&b->sh->counters, mbox_msgs_out, 1);
        COUNT(&b->sh->counters, mbox_bytes_out, len);
    }
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
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t shard = (uint32_t)__builtin_ctzll(s);
        struct forward_part part = forward_plan(shard, (plain & BIT64(shard)) != 0, picks, n_picks);
        room &= forward_room(b, shard, m, &part);
    }
    if (!room)
        return ERR_AGAIN;
    struct mbox_buf *buf = NULL;
    if (m->tail_len > b->inline_max && (buf = forward_buf(b, m)) == NULL)
        return ERR_AGAIN; /* a pool run dry is back-pressure */
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t shard = (uint32_t)__builtin_ctzll(s);
        forward_push(b, shard, m, buf, (plain & BIT64(shard)) != 0, picks, n_picks);
    }
    if (buf != NULL && --buf->n_refs == 0)
        forward_release(b->sh->bufs, buf);
    return OK;
}
