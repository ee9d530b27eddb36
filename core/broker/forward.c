/* Messages to peer shards: room in every mailbox first, then the records. */
#include <string.h>

#include "core/broker/broker.h"
#include "core/broker/broker_priv.h"
#include "core/rt/copy.h"
#include "core/rt/mutate.h"

/* ---- queue groups ---- */

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

/* The bytes of queue names that the shard gets. */
static uint32_t
forward_queues_len(uint32_t shard, const struct broker_pick *picks, uint32_t n_picks)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < n_picks; i++)
        len += forward_is_for(&picks[i], shard) ? forward_entry_len(&picks[i]) : 0;
    return len;
}

static void
forward_put_queues(uint8_t *to, uint32_t shard, const struct broker_pick *picks, uint32_t n_picks)
{
    for (uint32_t i = 0; i < n_picks; i++) {
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
static inline uint64_t
forward_len_untraced(const struct pub_msg *m, uint32_t queues_len, bool by_ref)
{
    return sizeof(struct record_msg) + m->subject_len + queues_len + (by_ref ? sizeof(const uint8_t *) : m->tail_len);
}

static uint64_t
forward_len(const struct pub_msg *m, uint32_t queues_len, bool by_ref)
{
    return forward_len_untraced(m, queues_len, by_ref) + (m->trace != 0 ? sizeof(m->trace) : 0);
}

/* A record with everything but the names of its groups, queues_len bytes; returns where they go. buf: what is elsewhere, ref_len bytes of it. */
static inline uint8_t *
forward_put(struct broker *b, uint32_t shard, const struct pub_msg *m, struct mbox_buf *buf, uint32_t ref_len, uint8_t flags, uint32_t queues_len,
            bool traced)
{
    uint64_t len = forward_len_untraced(m, queues_len, buf != NULL) + (traced ? sizeof(m->trace) : 0);
    struct record_msg *r = (void *)shard_push(b->sh, shard, traced ? RECORD_TRACED : RECORD_MSG, len);

    r->rec.flags = (uint8_t)(flags | (m->hdr ? RECORD_MSG_HDR : 0) | (buf != NULL ? RECORD_MSG_REF : 0));
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
    uint8_t *subject = r->bytes;
    if (traced) {
        memcpy(subject, &m->trace, sizeof(m->trace));
        subject += sizeof(m->trace);
    }
    uint8_t *queues = copy_short(subject, m->subject, m->subject_len);
    if (LIKELY(buf == NULL)) {
        memcpy(queues + queues_len, m->tail, m->tail_len);
    } else {
        const uint8_t *ref = buf->bytes;
        memcpy(queues + queues_len, &ref, sizeof(ref));
        mbox_push_ref(b->sh->out[shard], buf, ref_len);
    }
    COUNT(&b->sh->counters, mbox_msgs_out, 1);
    COUNT(&b->sh->counters, mbox_bytes_out, len);
    return queues;
}

__attribute__((cold, noinline)) static bool
forward_wait(struct broker *b, uint32_t shard, uint64_t len, uint64_t ref_len)
{
    broker_want_room(b, shard);
    if (mbox_room(b->sh->out[shard], 1, len, ref_len))
        return true;
    COUNT(&b->sh->counters, mbox_full, 1);
    return false;
}

/* Room for a record of len bytes in the shard's mailbox; asks for it where there is none. */
static inline bool
forward_room(struct broker *b, uint32_t shard, uint64_t len, uint64_t ref_len)
{
    return LIKELY(mbox_room(b->sh->out[shard], 1, len, ref_len)) || forward_wait(b, shard, len, ref_len);
}

bool
broker_forward_room(struct broker *b, uint32_t shard, uint64_t len, uint64_t ref_len)
{
    return forward_room(b, shard, len, ref_len);
}

static void
forward_release(void *arg, struct mbox_buf *buf)
{
    bufpool_give(arg, buf, buf->cap);
}

struct mbox_buf *
broker_forward_buf(struct broker *b, uint32_t len)
{
    uint32_t cap;
    struct mbox_buf *buf = bufpool_take(b->sh->bufs, (uint32_t)sizeof(*buf) + len, &cap);
    if (buf != NULL)
        *buf = (struct mbox_buf){.n_refs = 1, .cap = cap, .release = forward_release, .arg = b->sh->bufs};
    return buf;
}

/* We need it no longer; NULL is fine. */
void
broker_forward_unref(struct broker *b, struct mbox_buf *buf)
{
    if (buf != NULL && --buf->n_refs == 0)
        forward_release(b->sh->bufs, buf);
}

/* ---- one message ---- */

static bool
forward_by_ref(const struct broker *b, const struct pub_msg *m)
{
    return m->tail_len > b->inline_max;
}

/* What one shard gets. So many groups that their names do not fit into a record travel with a tail of their own by reference: a
 * message is always one record, which fits into every mailbox. */
struct forward_part {
    uint32_t queues_len;
    bool names_ref;
    struct mbox_buf *names; /* names_ref: u32 len, names, tail */
};

static struct forward_part
forward_part_of(uint32_t shard, const struct broker_pick *picks, uint32_t n_picks)
{
    uint32_t len = forward_queues_len(shard, picks, n_picks);

    return (struct forward_part){.queues_len = len, .names_ref = len > BROKER_QUEUES_LEN_MAX};
}

static uint32_t
forward_names_len(const struct pub_msg *m, const struct forward_part *part)
{
    return (uint32_t)sizeof(part->queues_len) + part->queues_len + m->tail_len;
}

static bool
forward_part_room(struct broker *b, uint32_t shard, const struct pub_msg *m, const struct forward_part *part)
{
    if (UNLIKELY(part->names_ref))
        return forward_room(b, shard, forward_len(m, 0, true), forward_names_len(m, part));
    bool by_ref = forward_by_ref(b, m);
    return forward_room(b, shard, forward_len(m, part->queues_len, by_ref), by_ref ? m->tail_len : 0);
}

/* False: no memory. */
static bool
forward_part_names(struct broker *b, uint32_t shard, const struct pub_msg *m, const struct broker_pick *picks, uint32_t n_picks,
                   struct forward_part *part)
{
    if (LIKELY(!part->names_ref))
        return true;
    part->names = broker_forward_buf(b, forward_names_len(m, part));
    if (part->names == NULL)
        return false;
    uint8_t *to = part->names->bytes;
    memcpy(to, &part->queues_len, sizeof(part->queues_len));
    to += sizeof(part->queues_len);
    forward_put_queues(to, shard, picks, n_picks);
    memcpy(to + part->queues_len, m->tail, m->tail_len);
    return true;
}

/* tail: where m's tail is by reference, NULL where it is not. */
static void
forward_part_put(struct broker *b, uint32_t shard, const struct pub_msg *m, const struct forward_part *part, struct mbox_buf *tail, bool plain,
                 const struct broker_pick *picks, uint32_t n_picks)
{
    uint8_t flags = plain ? RECORD_MSG_PLAIN : 0;

    if (UNLIKELY(part->names_ref)) {
        (void)forward_put(b, shard, m, part->names, forward_names_len(m, part), flags | RECORD_MSG_NAMES_REF, 0, m->trace != 0);
    } else {
        uint8_t *queues = forward_put(b, shard, m, tail, m->tail_len, flags, part->queues_len, m->trace != 0);
        forward_put_queues(queues, shard, picks, n_picks);
    }
}

/* ---- runs ---- */

/* Whether m could be one more of the run that ends shard's mailbox. */
static inline bool
forward_follows(const struct broker *b, uint32_t shard, const struct pub_msg *m)
{
    const struct broker_lead *lead = &b->leads[shard];
    const struct mbox *box = b->sh->out[shard];

    if (lead->end != mbox_end(box) || !mbox_dirty(box))
        return false;
    const struct record_msg *r = lead->rec;
    return r->from == m->from_slot && r->acc == m->acc && r->subject_len == m->subject_len && !m->hdr && m->reply_len <= RECORD_RUN_REPLY_MAX &&
           bytes_equal(r->bytes, m->subject, m->subject_len);
}

/* Push it there. False: room has to be looked for. Does not count. */
static inline bool
forward_push_more(struct broker *b, uint32_t shard, const struct pub_msg *m)
{
    struct mbox *box = b->sh->out[shard];
    struct record_more *more = (void *)mbox_push_quick(box, RECORD_MORE, (uint32_t)sizeof(struct record_more) + m->tail_len);

    if (UNLIKELY(more == NULL))
        return false;
    b->leads[shard].end = mbox_end(box);
    more->rec.aux = (uint16_t)m->payload_off;
    more->rec.flags = (uint8_t)m->reply_len;
    memcpy(more->tail, m->tail, m->tail_len);
    return true;
}

static inline void
forward_count_more(struct broker *b, uint32_t n, uint64_t tail_bytes)
{
    COUNT(&b->sh->counters, mbox_msgs_out, n);
    COUNT(&b->sh->counters, mbox_bytes_out, tail_bytes + (uint64_t)n * sizeof(struct record_more));
}

static inline bool
forward_more(struct broker *b, uint32_t shard, const struct pub_msg *m)
{
    if (!forward_follows(b, shard, m) || !forward_push_more(b, shard, m))
        return false;
    forward_count_more(b, 1, m->tail_len);
    return true;
}

/* A record of its own for m, which more of the same may follow. */
__attribute__((noinline)) static void
forward_lead(struct broker *b, uint32_t shard, const struct pub_msg *m)
{
    const uint8_t *tail = forward_put(b, shard, m, NULL, 0, RECORD_MSG_PLAIN, 0, false);

    if (m->subject_len > RECORD_RUN_SUBJECT_MAX)
        return;
    b->leads[shard].rec = CONTAINER_OF(tail - m->subject_len, struct record_msg, bytes);
    b->leads[shard].end = mbox_end(b->sh->out[shard]);
}

/* The common case: small, and no queue group. */
__attribute__((noinline)) static enum err
forward_plain(struct broker *b, const struct pub_msg *m, uint64_t shards)
{
    uint64_t len = forward_len_untraced(m, 0, false);
    bool room = true;

    for (uint64_t s = shards; s != 0; s &= s - 1)
        room &= forward_room(b, (uint32_t)__builtin_ctzll(s), len, 0);
    if (UNLIKELY(!room))
        return ERR_AGAIN;
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(s);
        if (!forward_more(b, i, m))
            forward_lead(b, i, m);
    }
    return OK;
}

/* Everything else: with arrays on its stack that the common case should not pay for. */
__attribute__((noinline)) static enum err
forward_any(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks)
{
    struct forward_part parts[SHARDS_MAX]; /* of the shards in question alone */
    struct mbox_buf *tail = NULL;
    uint64_t shards = plain;
    uint64_t full = 0;
    bool memory = true;

    for (uint32_t i = 0; i < n_picks; i++)
        shards |= picks[i].sub == 0 ? BIT64(picks[i].shard) : 0;
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(s);
        parts[i] = forward_part_of(i, picks, n_picks);
        full |= forward_part_room(b, i, m, &parts[i]) ? 0 : BIT64(i);
    }
    if (shards == 0)
        return OK;
    if (full != 0 && !(MUTANT(b->sh->set, MUTATE_PARTIAL) && full != shards))
        return ERR_AGAIN;
    shards &= ~full; /* some and not all: a mutant's alone */
    for (uint64_t s = shards; memory && s != 0; s &= s - 1)
        memory = forward_part_names(b, (uint32_t)__builtin_ctzll(s), m, picks, n_picks, &parts[__builtin_ctzll(s)]);
    if (memory && forward_by_ref(b, m)) {
        tail = broker_forward_buf(b, m->tail_len);
        memory = tail != NULL;
        if (memory)
            memcpy(tail->bytes, m->tail, m->tail_len);
    }
    for (uint64_t s = shards; s != 0; s &= s - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(s);
        if (memory)
            forward_part_put(b, i, m, &parts[i], tail, (plain & BIT64(i)) != 0, picks, n_picks);
        broker_forward_unref(b, parts[i].names);
    }
    broker_forward_unref(b, tail);
    return memory && full == 0 ? OK : ERR_AGAIN; /* a pool run dry is back-pressure */
}

enum err
broker_forward(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks)
{
    bool simple = n_picks == 0 && !forward_by_ref(b, m);

    if (LIKELY(simple && (plain & (plain - 1)) == 0 && forward_more(b, (uint32_t)__builtin_ctzll(plain), m)))
        return OK;
    if (simple && !MUTANT(b->sh->set, MUTATE_PARTIAL))
        return forward_plain(b, m, plain);
    return forward_any(b, m, plain, picks, n_picks);
}

uint32_t
broker_forward_run(struct broker *b, uint32_t shard, struct pub_msg *m, struct nats_run *run, int64_t n_max, uint64_t *ret_payload_bytes)
{
    bool follows = forward_follows(b, shard, m);
    uint32_t n = 0, n_more = 0;
    uint64_t n_bytes = 0, n_tail_bytes = 0;

    for (; n < n_max; n++) {
        const uint8_t *at = run->at;
        if (!broker_next_of_run(run, m))
            break;
        if (LIKELY(follows && m->tail_len <= b->inline_max) && forward_push_more(b, shard, m)) {
            n_more++;
            n_tail_bytes += m->tail_len;
        } else {
            if (broker_forward(b, m, BIT64(shard), NULL, 0) != OK) {
                run->at = at; /* nothing happened: it is tried once more, and then waits */
                break;
            }
            follows = forward_follows(b, shard, m);
        }
        n_bytes += m->tail_len - 2 - m->payload_off;
    }
    forward_count_more(b, n_more, n_tail_bytes);
    *ret_payload_bytes = n_bytes;
    return n;
}

enum err
broker_forward_traced(struct broker *b, const struct pub_msg *m, uint64_t plain, const struct broker_pick *picks, uint32_t n_picks)
{
    return forward_any(b, m, plain, picks, n_picks);
}
