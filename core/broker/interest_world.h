/* interest_world.h - some shards' interest beside a plain array of all subscriptions, for tests to compare.
 *
 * What one shard tells about a change is told to the others at once. world_match asks one shard what a subject matches and
 * compares with what subject_match says about each entry of the array.
 *
 * Threads  one. Memory  own: world_init -> world_fini.
 */
#ifndef MIDGE_BROKER_INTEREST_WORLD_H
#define MIDGE_BROKER_INTEREST_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/interest.h"
#include "core/broker/sidmap.h"
#include "core/broker/subject.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

enum { WORLD_SHARDS_MAX = 4, WORLD_SUBS_MAX = 512, WORLD_SUBJECT_MAX = 4096, WORLD_HINTS = 3 };

/* Whether the test is built so that hashes collide: then a shard may be named that has no interest. */
#ifdef INTEREST_TEST_HASHES
enum { WORLD_COLLIDES = 1 };
#else
enum { WORLD_COLLIDES = 0 };
#endif

struct world_sub {
    uint32_t shard, acc, sub, ep, serial;
    uint8_t *subject, *queue;
    uint32_t subject_len, queue_len;
    char sid[24];
};

struct world {
    uint32_t n_shards;
    struct interest *ix[WORLD_SHARDS_MAX];
    struct sidmap sids[WORLD_SHARDS_MAX];
    struct world_sub subs[WORLD_SUBS_MAX];
    uint32_t n_subs, n_serials;
    uint32_t hints[WORLD_SHARDS_MAX][WORLD_HINTS];
    bool faults; /* fail each allocation of each call in turn */
    uint64_t n_failed, n_matched;
};

static inline uint8_t *
world_copy(const uint8_t *p, uint32_t len)
{
    uint8_t *q = malloc(len == 0 ? 1 : len);
    ASSERT(q != NULL);
    if (len != 0)
        memcpy(q, p, len);
    return q;
}

static inline void
world_init(struct world *w, uint32_t n_shards, uint32_t n_cached_max)
{
    memset(w, 0, sizeof *w);
    w->n_shards = n_shards;
    for (uint32_t s = 0; s < n_shards; s++) {
        struct interest_cfg cfg = {.shard_id = s, .n_shards = n_shards, .n_cached_max = n_cached_max};
        hash_key_seed(&cfg.key, 77);
        w->ix[s] = interest_new(&cfg);
        ASSERT(w->ix[s] != NULL);
    }
}

static inline void
world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->n_subs; i++) {
        free(w->subs[i].subject);
        free(w->subs[i].queue);
    }
    for (uint32_t s = 0; s < w->n_shards; s++) {
        sidmap_fini(&w->sids[s]);
        interest_free(w->ix[s]);
    }
}

static inline void
world_check(struct world *w)
{
    for (uint32_t s = 0; s < w->n_shards; s++)
        interest_check(w->ix[s]);
}

/* ---- faults ---- */

/* Before the k-th try of a call. */
static inline void
world_arm(struct world *w, int64_t k)
{
    if (w->faults)
        fault_arm(k);
}

/* After it: true if it must be tried again. A call that met a failing allocation may succeed nevertheless. */
static inline bool
world_again(struct world *w, enum err e)
{
    bool failed = w->faults && fault_disarm();
    ASSERT(e == OK || (e == ERR_NOMEM && failed));
    w->n_failed += e != OK;
    return e != OK;
}

/* ---- changes ---- */

static inline void
world_tell(struct world *w, uint32_t from, const struct interest_change *view)
{
    struct interest_change ch = *view;
    if (ch.tell == INTEREST_TELL_NOTHING)
        return;
    uint8_t *subject = world_copy(ch.subject, ch.subject_len), *queue = world_copy(ch.queue, ch.queue_len);
    for (uint32_t s = 0; s < w->n_shards; s++) {
        enum err e = OK;
        for (int64_t k = 0; s != from; k++) {
            world_arm(w, k);
            if (ch.tell == INTEREST_TELL_QUEUE)
                e = interest_remote_queue(w->ix[s], from, ch.acc, subject, ch.subject_len, queue, ch.queue_len, ch.n_members);
            else
                e = interest_remote_plain(w->ix[s], from, ch.acc, subject, ch.subject_len, ch.tell == INTEREST_TELL_PLAIN_ON);
            if (!world_again(w, e))
                break;
            interest_check(w->ix[s]);
        }
    }
    free(subject);
    free(queue);
}

static inline void
world_add(struct world *w, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t subject_len, const uint8_t *queue, uint32_t queue_len)
{
    if (w->n_subs == WORLD_SUBS_MAX)
        return;
    struct world_sub *ws = &w->subs[w->n_subs];
    *ws = (struct world_sub){.shard = shard, .acc = acc, .serial = w->n_serials++, .subject_len = subject_len, .queue_len = queue_len};
    ws->ep = ws->serial * 3;
    ws->subject = world_copy(subject, subject_len);
    ws->queue = world_copy(queue, queue_len);
    uint32_t sid_len = (uint32_t)snprintf(ws->sid, sizeof ws->sid, ws->serial % 3 == 0 ? "a-long-sid-%u" : "%u", ws->serial);
    struct interest_change ch;
    struct interest *ix = w->ix[shard];
    for (int64_t k = 0;; k++) {
        world_arm(w, k);
        if (!world_again(w, interest_add(ix, acc, ws->subject, subject_len, ws->queue, queue_len, ws->ep, (uint8_t *)ws->sid, sid_len, &ws->sub, &ch)))
            break;
        interest_check(ix);
    }
    w->n_subs++;
    world_tell(w, shard, &ch);
    for (int64_t k = 0;; k++) {
        world_arm(w, k);
        if (!world_again(w, sidmap_add(&w->sids[shard], ix, ws->sub)))
            break;
    }
}

static inline void
world_remove(struct world *w, uint32_t i)
{
    struct world_sub ws = w->subs[i];
    struct interest *ix = w->ix[ws.shard];
    ASSERT(sidmap_find(&w->sids[ws.shard], ix, (uint8_t *)ws.sid, (uint32_t)strlen(ws.sid)) == ws.sub);
    world_arm(w, 0); /* removing cannot fail */
    sidmap_remove(&w->sids[ws.shard], ix, ws.sub);
    ASSERT(sidmap_find(&w->sids[ws.shard], ix, (uint8_t *)ws.sid, (uint32_t)strlen(ws.sid)) == 0);
    world_arm(w, 0);
    struct interest_change ch;
    interest_remove(ix, ws.sub, &ch);
    if (w->faults)
        (void)fault_disarm(); /* whether it asked for memory does not matter */
    w->subs[i] = w->subs[--w->n_subs];
    world_tell(w, ws.shard, &ch);
    free(ws.subject);
    free(ws.queue);
}

/* ---- what must be ---- */

static inline bool
world_wants(const struct world_sub *ws, uint32_t acc, const uint8_t *subject, uint32_t len)
{
    return ws->acc == acc && subject_match(ws->subject, ws->subject_len, subject, len);
}

static inline bool
world_in_group(const struct world_sub *ws, const struct match_group *g)
{
    return ws->queue_len == g->name_len && ws->queue_len != 0 && memcmp(ws->queue, g->name, g->name_len) == 0;
}

/* Each sub of the shard that wants the subject is in the lists once, and nothing else is. */
static inline void
world_compare_lists(struct world *w, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t len, const struct match *m)
{
    uint32_t n_want = 0, n_have = 0;
    for (uint32_t l = 0; l < m->n_lists; l++)
        n_have += m->lists[l]->n;
    for (uint32_t i = 0; i < w->n_subs; i++) {
        const struct world_sub *ws = &w->subs[i];
        if (ws->shard != shard || ws->queue_len != 0 || !world_wants(ws, acc, subject, len))
            continue;
        n_want++;
        uint32_t n_found = 0;
        for (uint32_t l = 0; l < m->n_lists; l++) {
            for (uint32_t k = 0; k < m->lists[l]->n; k++)
                n_found += sublist_items(m->lists[l])[k] == ws->sub;
        }
        ASSERT(n_found == 1);
    }
    ASSERT(n_want == n_have);
}

static inline void
world_compare_group(struct world *w, uint32_t shard, uint32_t acc, const uint8_t *subject, uint32_t len, const struct match_group *g)
{
    uint32_t n_own = 0, n_own_want = 0, n_remote[WORLD_SHARDS_MAX] = {0};
    for (uint32_t p = 0; p < g->n_parts; p++) {
        const struct qgroup *q = g->parts[p];
        ASSERT(q->name_len == g->name_len && memcmp(q->name, g->name, g->name_len) == 0);
        ASSERT(q->members.n + q->n_remote > 0);
        n_own += q->members.n;
        for (uint32_t s = 0; q->remote != NULL && s < w->n_shards; s++)
            n_remote[s] += q->remote[s];
    }
    for (uint32_t i = 0; i < w->n_subs; i++) {
        const struct world_sub *ws = &w->subs[i];
        if (!world_in_group(ws, g) || !world_wants(ws, acc, subject, len))
            continue;
        if (ws->shard != shard) {
            ASSERT(n_remote[ws->shard] > 0);
            n_remote[ws->shard]--;
            continue;
        }
        n_own_want++;
        uint32_t n_found = 0;
        for (uint32_t p = 0; p < g->n_parts; p++) {
            for (uint32_t k = 0; k < g->parts[p]->members.n; k++)
                n_found += sublist_items(&g->parts[p]->members)[k] == ws->sub;
        }
        ASSERT(n_found == 1);
    }
    ASSERT(n_own == n_own_want);
    for (uint32_t s = 0; s < w->n_shards; s++)
        ASSERT(n_remote[s] == 0);
}

/* Ask a shard, and compare. */
static inline void
world_match(struct world *w, uint32_t shard, uint32_t acc, const uint8_t *view, uint32_t len, uint32_t hint)
{
    uint8_t *subject = world_copy(view, len); /* of exactly its length */
    const struct match *m = interest_match(w->ix[shard], acc, subject, len, &w->hints[shard][hint % WORLD_HINTS]);
    w->n_matched++;
    world_compare_lists(w, shard, acc, subject, len, m);
    uint64_t shards = 0;
    for (uint32_t i = 0; i < w->n_subs; i++) {
        const struct world_sub *ws = &w->subs[i];
        if (!world_wants(ws, acc, subject, len))
            continue;
        if (ws->queue_len == 0 && ws->shard != shard)
            shards |= BIT64(ws->shard);
        uint32_t n_found = 0;
        for (uint32_t g = 0; g < m->n_groups; g++)
            n_found += world_in_group(ws, &m->groups[g]);
        ASSERT(n_found == (ws->queue_len != 0 ? 1u : 0u));
    }
    ASSERT((m->shards & shards) == shards && (m->shards & BIT64(shard)) == 0);
    if (!WORLD_COLLIDES)
        ASSERT(m->shards == shards);
    for (uint32_t g = 0; g < m->n_groups; g++)
        world_compare_group(w, shard, acc, subject, len, &m->groups[g]);
    free(subject);
}

/* Each sub says what it was made of. */
static inline void
world_compare_subs(struct world *w)
{
    for (uint32_t i = 0; i < w->n_subs; i++) {
        const struct world_sub *ws = &w->subs[i];
        uint32_t len, acc, queue_len, sid_len;
        const uint8_t *subject = interest_subject(w->ix[ws->shard], ws->sub, &len, &acc);
        ASSERT(acc == ws->acc && len == ws->subject_len && memcmp(subject, ws->subject, len) == 0);
        const uint8_t *queue = interest_queue(w->ix[ws->shard], ws->sub, &queue_len);
        ASSERT(queue_len == ws->queue_len && (queue == NULL) == (queue_len == 0));
        ASSERT(queue_len == 0 || memcmp(queue, ws->queue, queue_len) == 0);
        const struct sub *s = interest_sub(w->ix[ws->shard], ws->sub);
        const uint8_t *sid = sub_sid(s, &sid_len);
        ASSERT(s->ep == ws->ep && sid_len == strlen(ws->sid) && memcmp(sid, ws->sid, sid_len) == 0);
        ASSERT(sidmap_find(&w->sids[ws->shard], w->ix[ws->shard], sid, sid_len) == ws->sub);
    }
}

#endif
