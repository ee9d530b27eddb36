/* Messages to peer shards: room in every mailbox first, then the records. */
#include <string.h>

#include "core/broker/broker.h"
#include "core/broker/broker_priv.h"
#include "core/rt/copy.h"

/* ---- queue groups: how their names spread over records ---- */

/* The groups of one record: those among picks[first, end) whose member is at the shard. */
struct forward_run {
    uint32_t end;
    uint32_t len; /* bytes of their entries */
    uint16_t n;
};

static uint32_t
forward_entry_len(const struct broker_pick *p)
{
    return (uint32_t)sizeof(uint16_t) + p->name_len;
}

static bool
forward_is_for(const struct broker_pick *p, uint32_t shard)
{
    return p->sub == 0 && p->shard == shard;
}

/* As many groups from picks[first] on as BROKER_QUEUES_LEN_MAX bytes hold; a single longer one alone. */
static struct forward_run
forward_run_at(uint32_t shard, const struct broker_pick *picks, uint32_t n_picks, uint32_t first)
{
    struct forward_run run = {.end = first};

    for (; run.end < n_picks; run.end++) {
        const struct broker_pick *p = &picks[run.end];
        if (!forward_is_for(p, shard))
            continue;
        if (run.n > 0 && run.len + forward_entry_len(p) > BROKER_QUEUES_LEN_MAX)
            break;
        run.len += forward_entry_len(p);
        run.n++;
    }
    return run;
}

static void
forward_put_queues(uint8_t *to, uint32_t shard, const struct broker_pick *picks, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        const struct broker_pick *p = &picks[i];
        if (!forward_is_for(p, shard))
            continue;
        uint16_t name_len = (uint16_t)p->name_len;
        memcpy(to, &name_len, sizeof(name_len));
        memcpy(to + sizeof(name_len), p->name, name_len);
        to += forward_entry_len(p);
    }
}

/* ---- one record ---- */

/* Bytes of the record that carries m and queues_len bytes of queue names. */
static uint64_t
forward_len(const struct pub_msg *m, uint32_t queues_len, bool by_ref)
{
    return sizeof(struct record_msg) + m->subject_len + queues_len + (by_ref ? sizeof(const uint8_t *) : m->tail_len);
}

/* A record with everything but the names of its n_queues groups; returns where they go. */
static inline uint8_t *
forward_put(struct broker *b, uint32_t shard, const struct pub_msg *m, struct mbox_buf *buf, bool plain, uint16_t n_queues, uint32_t queues_len)
{
    uint64_t len = forward_len(m, queues_len, buf != NULL);
    struct record_msg *r = (void *)shard_push(b->sh, shard, RECORD_MSG, len);

    r->rec.flags = (uint8_t)((plain ? RECORD_MSG_PLAIN : 0) | (m->hdr ? RECORD_MSG_HDR : 0) | (buf != NULL ? RECORD_MSG_REF : 0));
    r->rec.aux = n_queues;
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
    uint8_t *queues = copy_short(r->bytes, m->subject, m->subject_len);
    if (LIKELY(buf == NULL)) {
        memcpy(queues + queues_len, m->tail, m->tail_len);
    } else {
        const uint8_t *tail = buf->bytes;
        memcpy(queues + queues_len, &tail, sizeof(tail));
        mbox_push_ref(b->sh->out[shard], buf, m->tail_len);
    }
    COUNT(&b->sh->counters, mbox_msgs_out, 1);
    COUNT(&b->sh->counters, mbox_bytes_out, len);
    return queues;
}

__attribute__((cold, noinline)) static bool
forward_wait(struct broker *b, uint32_t shard, uint32_t n_records, uint64_t len, uint64_t ref_len)
{
    struct mbox *mb = b->sh->out[shard];

    mbox_want_room(mb);
    if (mbox_room(mb, n_records, len, ref_len))
        return true;
    COUNT(&b->sh->counters, mbox_full, 1);
    return false;
}

/* Room for n_records of len bytes in the shard's mailbox; asks for it where there is none. */
static inline bool
forward_room(struct broker *b, uint32_t shard, uint32_t n_records, uint64_t len, uint64_t ref_len)
{
    return LIKELY(mbox_room(b->sh->out[shard], n_records, len, ref_len)) || forward_wait(b, shard, n_records, len, ref_len);
}

/* ---- one message ---- */

static bool
forward_by_ref(const struct broker *b, const struct pub_msg *m)
{
    return m->tail_len > b->inline_max;
}

/* What one shard gets of a message that queue groups want: room for it. */
static bool
forward_room_queues(struct broker *b, uint32_t shard, const struct pub_msg *m, bool plain, const struct broker_pick *picks, uint32_t n_picks)
{
    struct forward_run run = forward_run_at(shard, picks, n_picks, 0);
    uint32_t n_records = plain || run.n > 0 ? 1 : 0, len_max = run.len;

    while (run.end < n_picks) {
        run = forward_run_at(shard, picks, n_picks, run.end);
        n_records += run.n > 0;
        len_max = run.len > len_max ? run.len : len_max;
    }
    bool by_ref = forward_by_ref(b, m);
    return forward_room(b, shard, n_records, forward_len(m, len_max, by_ref), by_ref ? m->tail_len : 0);
}

static void
forward_put_all(struct broker *b, uint32_t shard, const struct pub_msg *m, struct mbox_buf *buf, bool plain, const struct broker_pick *picks,
                uint32_t n_picks)
{
    uint32_t first = 0;

    do {
        struct forward_run run = forward_run_at(shard, picks, n_picks, first);
        if (!plain && run.n == 0)
            return;
        uint8_t *queues = forward_put(b, shard, m, buf, plain, run.n, run.len);
        forward_put_queues(queues, shard, picks, first, run.end);
        plain = false; /* the first record says it for all */
        first = run.end;
    } while (first < n_picks);
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

/* The common case: small, and no queue group. */
static enum err
forward_plain(struct broker *b, const struct pub_msg *m, uint64_t shards)
{
    uint64_t len = forward_len(m, 0, false);
    bool room = true;

    for (uint64_t s = shards; s != 0; s &= s - 1)
        room &= forward_room(b, (uint32_t)__builtin_ctzll(s), 1, len, 0);
    if (UNLIKELY(!room))
        return ERR_AGAIN;
    for (uint64_t s = shards; s != 0; s &= s - 1)
        (void)forward_put(b, (uint32_t)__builtin_ctzll(s), m, NULL, true, 0, 0);
    return OK;
}

enum err
broker_forward(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks)
{
    if (LIKELY(n_picks == 0 && !forward_by_ref(b, m)))
        return forward_plain(b, m, plain);
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
        room &= forward_room_queues(b, shard, m, (plain & BIT64(shard)) != 0, picks, n_picks);
    }
    if (!room)
        return ERR_AGAIN;
    struct mbox_buf *buf = NULL;
    if (forward_by_ref(b, m) && (buf = forward_buf(b, m)) == NULL)
        return ERR_AGAIN; /* a pool run dry is back-pressure */
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t shard = (uint32_t)__builtin_ctzll(s);
        forward_put_all(b, shard, m, buf, (plain & BIT64(shard)) != 0, picks, n_picks);
    }
    if (buf != NULL && --buf->n_refs == 0)
        forward_release(b->sh->bufs, buf);
    return OK;
}
