/* A publish: matched once, then own subscribers, peer shards, one member of each queue group; 503 if nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/broker.h"
#include "core/broker/broker_priv.h"
#include "core/broker/msg_trace_priv.h"
#include "core/rt/fault.h"
#include "core/rt/mutate.h"

uint32_t
broker_random(struct broker *b, uint32_t n)
{
    /* xorshift64* (Vigna, 2016): fair enough to spread load, and three instructions. */
    b->rng ^= b->rng >> 12;
    b->rng ^= b->rng << 25;
    b->rng ^= b->rng >> 27;
    uint32_t r = (uint32_t)((b->rng * UINT64_C(2685821657736338717)) >> 32);
    return (uint32_t)(((uint64_t)r * n) >> 32);
}

/* ---- queue groups ---- */

uint32_t
broker_n_remote(const struct match_group *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_parts; i++)
        n += g->parts[i]->n_remote;
    return n;
}

static uint32_t
pick_n_members(const struct match_group *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_parts; i++)
        n += g->parts[i]->members.n;
    return n;
}

static uint32_t
pick_member_at(const struct match_group *g, uint32_t at)
{
    for (uint32_t i = 0;; i++) {
        ASSERT(i < g->n_parts);
        const struct sublist *l = &g->parts[i]->members;
        if (at < l->n)
            return sublist_items(l)[at];
        at -= l->n;
    }
}

/* Whether sub could take m now. */
static bool
pick_can_take(struct broker *b, uint32_t sub, const struct pub_msg *m)
{
    const struct sub *s = interest_sub(b->ix, sub);
    if ((s->flags & SUB_DEAD) != 0)
        return false;
    struct endpoint *ep = broker_ep(b, s->ep);
    if ((ep->flags & EP_DEAD) != 0 || (ep == m->from && (ep->flags & EP_ECHO) == 0))
        return false;
    if (UNLIKELY(b->drops_pressed) && broker_drops(b, ep, m))
        return false;
    return LIKELY((ep->flags & EP_CHECKED) == 0) || b->ops->may_take(b, ep, sub, m);
}

uint32_t
broker_pick_member(struct broker *b, const struct match_group *g, const struct pub_msg *m)
{
    uint32_t n = pick_n_members(g);
    if (n == 0)
        return 0;
    uint32_t at = broker_random(b, n);
    for (uint32_t tries = 0; tries < n; tries++) {
        uint32_t sub = pick_member_at(g, at);
        if (pick_can_take(b, sub, m))
            return sub;
        at = at + 1 == n ? 0 : at + 1;
    }
    return 0;
}

int32_t
broker_pick_shard(struct broker *b, const struct match_group *g, uint64_t mask)
{
    uint32_t total = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        uint32_t left = pass == 0 ? 0 : broker_random(b, total);
        for (uint32_t p = 0; p < g->n_parts; p++) {
            for (uint32_t i = 0; g->parts[p]->n_remote > 0 && i < b->sh->n_shards; i++) {
                uint32_t w = (mask & BIT64(i)) != 0 ? g->parts[p]->remote[i] : 0;
                if (pass == 1 && left < w)
                    return (int32_t)i;
                if (pass == 0)
                    total += w;
                else
                    left -= w;
            }
        }
        if (total == 0)
            return -1;
    }
    ASSERT(false); /* a weighted pick found nobody */
    return -1;
}

/* Choose a member for the group: with equal chance for each, own or a peer's. False: nobody can take it. */
static bool
pick_group(struct broker *b, const struct match_group *g, const struct pub_msg *m, struct broker_pick *ret)
{
    uint32_t n_remote = broker_n_remote(g);
    uint32_t n_own = pick_n_members(g);

    *ret = (struct broker_pick){.name = g->name, .name_len = g->name_len};
    if (n_remote > 0 && (n_own == 0 || broker_random(b, n_own + n_remote) >= n_own)) {
        ret->shard = (uint32_t)broker_pick_shard(b, g, UINT64_MAX);
        return true;
    }
    ret->sub = broker_pick_member(b, g, m);
    if (ret->sub != 0)
        return true;
    if (n_remote == 0)
        return false;
    ret->shard = (uint32_t)broker_pick_shard(b, g, UINT64_MAX);
    return true;
}

/* One pick for each group of the match that has somebody. False: no memory. */
__attribute__((noinline)) static bool
pick_all(struct broker *b, const struct match *mt, const struct pub_msg *m, uint32_t *ret_n)
{
    if (mt->n_groups > b->cap_picks) {
        struct broker_pick *picks = fault_realloc(b->picks, mt->n_groups * sizeof(*picks));
        if (picks == NULL)
            return false;
        b->picks = picks;
        b->cap_picks = mt->n_groups;
    }
    for (uint32_t i = 0; i < mt->n_groups; i++)
        *ret_n += pick_group(b, &mt->groups[i], m, &b->picks[*ret_n]);
    return true;
}

/* ---- queue messages that came for a member here ---- */

/* Keep m for the group until there is room; all of it is copied. */
static void
serve_defer(struct broker *b, const struct pub_msg *m, const uint8_t *queue, uint32_t queue_len)
{
    uint32_t cap;
    uint32_t len = (uint32_t)sizeof(struct broker_deferred) + m->subject_len + queue_len + m->tail_len;
    struct broker_deferred *d = bufpool_take(b->sh->bufs, len, &cap);
    if (d == NULL) {
        COUNT(&b->sh->counters, queue_dropped, 1);
        return;
    }
    *d = (struct broker_deferred){.cap = cap, .queue_len = queue_len, .msg = *m};
    uint8_t *p = d->bytes;
    memcpy(p, m->subject, m->subject_len);
    d->msg.subject = p;
    p += m->subject_len;
    memcpy(p, queue, queue_len);
    p += queue_len;
    memcpy(p, m->tail, m->tail_len);
    d->msg.tail = p;
    d->msg.reply = p + 1;
    *b->deferred_end = d;
    b->deferred_end = &d->next;
    b->n_deferred++;
    if (m->trace != 0)
        msg_trace_claim(b, 1);
}

/* The group of this name; NULL: none. The search begins at *at, and leaves there what to expect next: all shards hear of groups in
 * much the same order, so that one name after the other is found at once, however many there are. */
static const struct match_group *
serve_find(const struct match *mt, uint32_t *at, const uint8_t *queue, uint32_t queue_len)
{
    for (uint32_t n = 0; n < mt->n_groups; n++) {
        const struct match_group *g = &mt->groups[*at < mt->n_groups ? *at : 0];
        *at = *at + 1 < mt->n_groups ? *at + 1 : 0;
        if (g->name_len == queue_len && memcmp(g->name, queue, queue_len) == 0)
            return g;
    }
    return NULL;
}

/* A member here, if there is one. */
static bool
serve_own(struct broker *b, const struct match_group *g, const struct pub_msg *m)
{
    uint32_t sub;

    while (g != NULL && (sub = broker_pick_member(b, g, m)) != 0) {
        if (UNLIKELY(m->trace != 0) ? msg_trace_deliver(b, sub, m) : broker_deliver(b, sub, m))
            return true;
    }
    return false;
}

/* Whether the group has members here that live, and whose permissions may keep them from taking something. */
static bool
serve_has_checked(struct broker *b, const struct match_group *g)
{
    for (uint32_t i = 0, n = pick_n_members(g); i < n; i++) {
        const struct sub *s = interest_sub(b->ix, pick_member_at(g, i));
        uint8_t flags = broker_ep(b, s->ep)->flags;
        if ((s->flags & SUB_DEAD) == 0 && (flags & EP_DEAD) == 0 && (flags & EP_CHECKED) != 0)
            return true;
    }
    return false;
}

/* The shard to pass it on to. Where members are here that may not take it, those elsewhere are asked in turn, round the shards: a random walk
 * would ask some again and again. */
static uint32_t
serve_next_shard(struct broker *b, const struct match_group *g, bool checked)
{
    if (!checked)
        return (uint32_t)broker_pick_shard(b, g, UINT64_MAX);
    for (uint32_t i = 1;; i++) {
        uint32_t at = (b->sh->id + i) % b->sh->n_shards;
        ASSERT(i < b->sh->n_shards); /* the group has members elsewhere */
        if (broker_pick_shard(b, g, BIT64(at)) >= 0)
            return at;
    }
}

/* A peer's member; ERR_AGAIN: its mailbox is full. */
static enum err
serve_pass(struct broker *b, const struct match_group *g, const struct pub_msg *m)
{
    bool checked = g != NULL && serve_has_checked(b, g);
    uint32_t hops_max = checked ? b->sh->n_shards : BROKER_HOPS_MAX; /* once round */

    if (g == NULL || broker_n_remote(g) == 0 || m->hops >= hops_max || MUTANT(b->sh->set, MUTATE_NO_PASS_ON)) {
        COUNT(&b->sh->counters, queue_dropped, 1); /* nobody is in the group any more, as if it had come to nobody */
        return OK;
    }
    struct broker_pick pick = {.name = g->name, .name_len = g->name_len, .shard = serve_next_shard(b, g, checked)};
    struct pub_msg passed = *m;
    passed.hops++;
    enum err e = broker_forward(b, &passed, 0, &pick, 1);
    if (e == OK)
        COUNT(&b->sh->counters, queue_passed_on, 1);
    if (e == OK && m->trace != 0)
        msg_trace_claim(b, 1);
    return e;
}

/* Of what goes on to peers, what waits goes first: one publisher's messages keep their order. Members here need not wait for it: while
 * something waits no event is handled, so nobody can have come here since whom a message that waits would reach, too. (And so little
 * waits: only what peers sent before they heard that a group has nobody here.) */
static void
serve_group(struct broker *b, const struct match_group *g, const struct pub_msg *m, const uint8_t *queue, uint32_t queue_len)
{
    if (!serve_own(b, g, m) && (b->deferred != NULL || serve_pass(b, g, m) != OK))
        serve_defer(b, m, queue, queue_len);
}

void
broker_serve_queues(struct broker *b, const struct match *mt, const struct pub_msg *m, const uint8_t *names, uint32_t names_len)
{
    uint32_t at = 0;

    for (const uint8_t *end = names + names_len; names < end;) {
        uint16_t len;
        memcpy(&len, names, sizeof(len));
        names += sizeof(len);
        serve_group(b, serve_find(mt, &at, names, len), m, names, len);
        names += len;
    }
}

/* One group, matched anew. */
static const struct match_group *
serve_match(struct broker *b, const struct pub_msg *m, const uint8_t *queue, uint32_t queue_len)
{
    uint32_t hint = 0, at = 0;
    const struct match *mt = interest_match(b->ix, m->acc, m->subject, m->subject_len, &hint);

    return serve_find(mt, &at, queue, queue_len);
}

void
broker_serve_queue(struct broker *b, const struct pub_msg *m, const uint8_t *queue, uint32_t queue_len)
{
    serve_group(b, serve_match(b, m, queue, queue_len), m, queue, queue_len);
}

bool
broker_on_drained(struct broker *b)
{
    if (UNLIKELY(b->tracing != NULL))
        msg_trace_resume(b);
    while (b->deferred != NULL) {
        struct broker_deferred *d = b->deferred;
        d->msg.from = broker_from(b, d->msg.from_shard, d->msg.from_slot); /* it may have gone meanwhile */
        const struct match_group *g = serve_match(b, &d->msg, d->bytes + d->msg.subject_len, d->queue_len);
        if (UNLIKELY(d->msg.trace != 0))
            (void)msg_trace_note(b); /* without memory there is nothing to tell */
        if (!serve_own(b, g, &d->msg) && serve_pass(b, g, &d->msg) != OK)
            return false;
        b->deferred = d->next;
        if (b->deferred == NULL)
            b->deferred_end = &b->deferred;
        b->n_deferred--;
        if (UNLIKELY(d->msg.trace != 0))
            msg_trace_tell(b, &d->msg);
        bufpool_give(b->sh->bufs, d, d->cap);
    }
    return true;
}

/* ---- 503 ---- */

__attribute__((noinline)) static void
publish_no_responders(struct broker *b, const struct pub_msg *m)
{
    struct endpoint *ep = m->from;
    uint32_t hint = 0;
    const struct match *mt = interest_match(b->ix, m->acc, m->reply, m->reply_len, &hint);

    for (uint32_t l = 0; l < mt->n_lists; l++) {
        const uint32_t *subs = sublist_items(mt->lists[l]);
        for (uint32_t i = 0; i < mt->lists[l]->n; i++) {
            const struct sub *s = interest_sub(b->ix, subs[i]);
            if (s->ep != ep->slot || (s->flags & SUB_DEAD) != 0)
                continue;
            uint32_t sid_len, n = 32 + m->subject_len;
            const uint8_t *sid = sub_sid(s, &sid_len);
            char sizes[48];
            int sizes_len = snprintf(sizes, sizeof(sizes), " %u %u\r\nNATS/1.0 503\r\nNats-Subject: ", n, n);
            COUNT(&b->sh->counters, no_responders, 1);
            (void)(broker_write(b, ep, "HMSG ", 5) && broker_write(b, ep, m->reply, m->reply_len) && broker_write(b, ep, " ", 1) &&
                   broker_write(b, ep, sid, sid_len) && broker_write(b, ep, sizes, (uint32_t)sizes_len) &&
                   broker_write(b, ep, m->subject, m->subject_len) && broker_write(b, ep, "\r\n\r\n\r\n", 6)); /* it closes ep itself */
            return;
        }
    }
}

/* ---- publish ---- */

enum err
broker_publish(struct broker *b, struct pub_msg *m)
{
    struct endpoint *ep = m->from;
    const struct match *mt = interest_match(b->ix, m->acc, m->subject, m->subject_len, &ep->hint);
    uint32_t n_picks = 0;
    bool taken = false;

    if (UNLIKELY(mt->n_groups > 0) && !pick_all(b, mt, m, &n_picks))
        return ERR_AGAIN; /* memory run dry is back-pressure */
    if (mt->shards != 0 || (n_picks > 0 && b->sh->n_shards > 1)) {
        enum err e = broker_forward(b, m, mt->shards, b->picks, n_picks);
        if (e != OK)
            return e;
        taken = mt->shards != 0;
    }
    broker_count_in(b, m);
    b->sh->work_left--;
    if (mt->n_lists > 0)
        taken |= broker_deliver_lists(b, mt, m) > 0;
    for (uint32_t i = 0; i < n_picks; i++) {
        const struct broker_pick *pk = &b->picks[i];
        taken = true;
        if (pk->sub != 0 && !broker_deliver(b, pk->sub, m)) /* it died in this very fan-out */
            broker_serve_queue(b, m, pk->name, pk->name_len);
    }
    if (UNLIKELY(!taken && m->reply_len > 0 && (ep->flags & EP_NO_RESPOND) != 0))
        publish_no_responders(b, m);
    return OK;
}

/* ---- runs of publishes ---- */

/* n messages of so many payload bytes came from the publisher. */
static void
publish_count_in(struct broker *b, struct endpoint *from, uint32_t n, uint64_t payload_bytes)
{
    from->in_msgs += n;
    from->in_bytes += payload_bytes;
    COUNT(&b->sh->counters, in_msgs, n);
    COUNT(&b->sh->counters, in_bytes, payload_bytes);
    b->sh->work_left -= n;
}

/* Nobody is there. */
static uint32_t
publish_run_away(struct pub_msg *m, struct nats_run *run, int64_t n_max, uint64_t *ret_payload_bytes)
{
    uint32_t n = 0;

    for (*ret_payload_bytes = 0; n < n_max && broker_next_of_run(run, m); n++)
        *ret_payload_bytes += m->tail_len - 2 - m->payload_off;
    return n;
}

/* Message by message, as if each had come alone. */
static void
publish_run_any(struct broker *b, struct pub_msg *m, struct nats_run *run)
{
    uint32_t n_stalls = b->n_stalls;

    while (b->sh->work_left > 0 && b->n_stalls == n_stalls && (m->from->flags & EP_DEAD) == 0) {
        const uint8_t *at = run->at;
        if (!broker_next_of_run(run, m))
            return;
        if (broker_publish(b, m) != OK) {
            run->at = at; /* nothing happened: it is tried once more, and then waits */
            return;
        }
    }
}

void
broker_publish_run(struct broker *b, struct pub_msg *m, struct nats_run *run)
{
    struct endpoint *ep = m->from;
    const struct match *mt = interest_match(b->ix, m->acc, m->subject, m->subject_len, &ep->hint);

    ASSERT(!m->hdr && m->reply_len == 0);
    bool one_shard = mt->shards != 0 && (mt->shards & (mt->shards - 1)) == 0, one_list = mt->n_lists == 1 && mt->lists[0]->n == 1;
    uint64_t payload_bytes = 0;
    uint32_t n = 0;
    if (mt->n_groups == 0 && mt->n_lists == 0 && mt->shards == 0) {
        n = publish_run_away(m, run, b->sh->work_left, &payload_bytes);
    } else if (mt->n_groups == 0 && mt->n_lists == 0 && one_shard) {
        n = broker_forward_run(b, (uint32_t)__builtin_ctzll(mt->shards), m, run, b->sh->work_left, &payload_bytes);
    } else if (mt->n_groups == 0 && one_list && mt->shards == 0) {
        n = broker_deliver_stream(b, sublist_items(mt->lists[0])[0], m, run, &payload_bytes);
        b->sh->work_left -= n;
    }
    if (n > 0) {
        publish_count_in(b, ep, n, payload_bytes);
        return;
    }
    COUNT(&b->sh->counters, runs_slow, 1);
    publish_run_any(b, m, run);
}

/* Those of its own that pick_all chose, and how many. */
static uint32_t
publish_picks(struct broker *b, const struct pub_msg *m, uint32_t n_picks)
{
    for (uint32_t i = 0; i < n_picks; i++) {
        const struct broker_pick *pk = &b->picks[i];
        if (pk->sub != 0 && !(m->trace != 0 ? msg_trace_deliver(b, pk->sub, m) : broker_deliver(b, pk->sub, m))) /* it died in this very fan-out */
            broker_serve_queue(b, m, pk->name, pk->name_len);
    }
    return n_picks;
}

enum err
broker_publish_own(struct broker *b, struct pub_msg *m)
{
    uint32_t hint = 0, n_picks = 0;
    const struct match *mt = interest_match(b->ix, m->acc, m->subject, m->subject_len, &hint);

    ASSERT(m->from == NULL && m->from_slot == 0 && m->trace == 0);
    if (mt->n_groups > 0 && !pick_all(b, mt, m, &n_picks))
        return ERR_AGAIN;
    if (mt->shards != 0 || n_picks > 0) {
        enum err e = broker_forward(b, m, mt->shards, b->picks, n_picks);
        if (e != OK)
            return e;
    }
    b->sh->work_left--;
    (void)broker_deliver_lists(b, mt, m); /* nobody has to be there */
    (void)publish_picks(b, m, n_picks);
    return OK;
}

/* Note the groups whose members are all here, and can none of them take it. */
static void
publish_note_refused(struct broker *b, const struct match *mt, const struct pub_msg *m)
{
    for (uint32_t i = 0; i < mt->n_groups; i++) {
        if (broker_n_remote(&mt->groups[i]) == 0 && broker_pick_member(b, &mt->groups[i], m) == 0)
            msg_trace_refused(b, &mt->groups[i], m);
    }
}

enum err
broker_publish_traced(struct broker *b, struct pub_msg *m)
{
    struct endpoint *ep = m->from;
    const struct match *mt = interest_match(b->ix, m->acc, m->subject, m->subject_len, &ep->hint);
    uint32_t n_picks = 0;
    uint64_t shards = mt->shards;
    enum err e = mt->n_groups == 0 || pick_all(b, mt, m, &n_picks) ? OK : ERR_AGAIN;

    for (uint32_t i = 0; i < n_picks; i++)
        shards |= b->picks[i].sub == 0 ? BIT64(b->picks[i].shard) : 0;
    if (e == OK && shards != 0)
        e = broker_forward_traced(b, m, mt->shards, b->picks, n_picks);
    if (e != OK) {
        msg_trace_drop(b, m->trace);
        return e;
    }
    broker_count_in(b, m);
    b->sh->work_left--;
    (void)msg_trace_note(b); /* without memory there is nothing to tell */
    msg_trace_claim(b, (uint32_t)__builtin_popcountll(shards));
    bool taken = msg_trace_deliver_lists(b, mt, m) > 0 || shards != 0;
    publish_note_refused(b, mt, m);
    taken |= publish_picks(b, m, n_picks) > 0;
    if (!taken && m->reply_len > 0 && (ep->flags & EP_NO_RESPOND) != 0)
        publish_no_responders(b, m);
    msg_trace_tell(b, m);
    return OK;
}
