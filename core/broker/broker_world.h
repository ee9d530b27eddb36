/* broker_world.h - some shards with a broker each and nothing above it, for tests.
 *
 * Endpoints are bare: what is queued for one is what it "hears" (hears). A shard's turn is turn(); settle() runs all until nothing moves.
 * A test that needs a shard to stand still does not run it.
 *
 * Threads  one. Memory  own: world_init -> world_fini.
 */
#ifndef MIDGE_BROKER_BROKER_WORLD_H
#define MIDGE_BROKER_BROKER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/broker/broker_priv.h"
#include "core/rt/fault.h"
#include "core/rt/sim.h"
#include "proto/out.h"

enum { WORLD_SHARDS_MAX = 4, WORLD_EPS_MAX = 4096 };

/* An endpoint, and what the broker told about it. */
struct point {
    struct endpoint ep;
    uint32_t shard, n_slow, n_no_memory, n_stall;
};

struct world {
    struct sim *sim;
    struct shard_set *set;
    uint32_t n;
    struct slab eps[WORLD_SHARDS_MAX];
    struct broker b[WORLD_SHARDS_MAX];
};

static inline struct world *
world_of(struct shard *sh)
{
    return sh->set->app_arg;
}

static inline void
world_on_record(struct shard *sh, uint32_t from, const struct mbox_rec *rec)
{
    broker_on_record(&world_of(sh)->b[sh->id], from, rec);
}

static inline bool
world_on_drained(struct shard *sh)
{
    return broker_on_drained(&world_of(sh)->b[sh->id]);
}

static inline bool
world_on_event(struct shard *sh, struct io_event *ev)
{
    (void)sh;
    (void)ev;
    return true;
}

static inline void
world_on_handled(struct shard *sh)
{
    broker_reap(&world_of(sh)->b[sh->id]);
}

static inline void
world_on_flush(struct shard *sh)
{
    struct broker *b = &world_of(sh)->b[sh->id];

    while (b->dirty_head != 0) {
        struct endpoint *ep = broker_ep(b, b->dirty_head);
        b->dirty_head = ep->next_dirty;
        ep->flags &= (uint8_t)~EP_DIRTY;
    }
}

static inline struct point *
point_of(struct endpoint *ep)
{
    return (struct point *)(void *)ep;
}

static inline void
world_on_slow(struct broker *b, struct endpoint *ep)
{
    (void)b;
    point_of(ep)->n_slow++;
}

static inline void
world_on_no_memory(struct broker *b, struct endpoint *ep)
{
    (void)b;
    point_of(ep)->n_no_memory++;
}

static inline void
world_on_stall(struct broker *b, struct endpoint *ep)
{
    (void)b;
    point_of(ep)->n_stall++;
}

static inline void
world_put_server(struct broker *b, struct out *o)
{
    (void)b;
    out_str(o, "\"name\":\"W\"");
}

/* cid: 1000 for each shard, and the slot. */
static inline void
world_get_who(struct broker *b, const struct endpoint *ep, struct broker_who *ret)
{
    ret->cid = 1000 * (uint64_t)b->sh->id + ep->slot;
}

static const struct broker_ops world_ops = {
    .on_slow = world_on_slow,
    .on_no_memory = world_on_no_memory,
    .on_stall = world_on_stall,
    .put_server = world_put_server,
    .get_who = world_get_who,
};
static const struct shard_app world_app = {
    .on_record = world_on_record,
    .on_drained = world_on_drained,
    .on_event = world_on_event,
    .on_handled = world_on_handled,
    .on_flush = world_on_flush,
};

/* mbox_bytes 0: 128 KiB */
static inline void
world_init(struct world *w, uint32_t n_shards, uint64_t mbox_bytes)
{
    struct sim_cfg sc;

    memset(w, 0, sizeof(*w));
    w->n = n_shards;
    sim_cfg_default(&sc, 1);
    w->sim = sim_new(&sc);
    struct shard_set_cfg cfg = {.n_shards = n_shards, .backend = IO_SIM, .sim = w->sim, .mbox_bytes = mbox_bytes != 0 ? mbox_bytes : 128 << 10,
                                .app = &world_app, .app_arg = w};
    assert_int_equal(shard_set_new(&cfg, &w->set), OK);
    for (uint32_t i = 0; i < n_shards; i++) {
        shard_current = w->set->shards[i];
        assert_int_equal(shard_open(w->set->shards[i]), OK);
        slab_init(&w->eps[i], sizeof(struct point), WORLD_EPS_MAX);
        struct broker_cfg bc = {.eps = &w->eps[i], .ops = &world_ops, .seed = 77 + i};
        hash_key_seed(&bc.key, 5);
        assert_int_equal(broker_init(&w->b[i], w->set->shards[i], &bc), OK);
    }
}

static inline struct shard *
world_shard(struct world *w, uint32_t i)
{
    shard_current = w->set->shards[i];
    return shard_current;
}

static inline void
turn(struct world *w, uint32_t i)
{
    shard_turn(world_shard(w, i));
}

static inline void
settle(struct world *w)
{
    for (uint32_t n = 0; n < 40; n++) {
        for (uint32_t i = 0; i < w->n; i++)
            turn(w, i);
    }
}

/* ---- endpoints ---- */

static inline struct point *
point_new(struct world *w, uint32_t shard, uint8_t flags)
{
    uint32_t slot = slab_take(&w->eps[shard]);
    assert_int_not_equal(slot, 0);
    struct point *p = slab_at(&w->eps[shard], slot);
    p->shard = shard;
    p->ep.slot = slot;
    p->ep.acc = ACCOUNT_GLOBAL;
    p->ep.flags = flags;
    p->ep.n_pending_max = 64 << 20;
    return p;
}

/* As a connection that closes: nothing is left of it. */
static inline void
point_free(struct world *w, struct point *p)
{
    struct broker *b = &w->b[p->shard];

    (void)world_shard(w, p->shard);
    for (uint32_t n = 0; !broker_forget(b, &p->ep); n++) {
        assert_true(n < 1000);
        settle(w);
    }
    outq_fini(&p->ep.out, b->sh->bufs);
    world_on_flush(b->sh);
    slab_give(&w->eps[p->shard], p->ep.slot);
}

static inline void
world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        struct shard *sh = world_shard(w, i);
        for (uint32_t slot = 0; (slot = slab_next(&w->eps[i], slot)) != 0;) {
            struct point *p = slab_at(&w->eps[i], slot);
            outq_fini(&p->ep.out, sh->bufs);
            sidmap_fini(&p->ep.sids);
        }
        broker_fini(&w->b[i]);
        slab_fini(&w->eps[i]);
        shard_close(sh);
    }
    shard_current = NULL;
    shard_set_free(w->set);
    sim_free(w->sim);
}

/* ---- what it does ---- */

static inline enum err
sub(struct world *w, struct point *p, const char *subject, const char *queue, const char *sid)
{
    (void)world_shard(w, p->shard);
    return broker_subscribe(&w->b[p->shard], &p->ep, (const uint8_t *)subject, (uint32_t)strlen(subject), (const uint8_t *)queue,
                            (uint32_t)strlen(queue), (const uint8_t *)sid, (uint32_t)strlen(sid));
}

static inline enum err
unsub(struct world *w, struct point *p, const char *sid, uint32_t max)
{
    (void)world_shard(w, p->shard);
    return broker_unsubscribe(&w->b[p->shard], &p->ep, (const uint8_t *)sid, (uint32_t)strlen(sid), max);
}

/* reply may be "". hdr_len: so much of the payload are headers; -1: a PUB */
static inline enum err
pub_bytes(struct world *w, struct point *p, const char *subject, const char *reply, int hdr_len, const void *payload, uint32_t len)
{
    char *tail = malloc(len + strlen(reply) + 64);
    assert_non_null(tail);
    int n = sprintf(tail, "%s%s", reply[0] != '\0' ? " " : "", reply);
    n += hdr_len >= 0 ? sprintf(tail + n, " %d %u\r\n", hdr_len, len) : sprintf(tail + n, " %u\r\n", len);
    struct pub_msg m = {
        .subject = (const uint8_t *)subject,
        .subject_len = (uint32_t)strlen(subject),
        .reply = (const uint8_t *)tail + 1,
        .reply_len = (uint32_t)strlen(reply),
        .tail = (const uint8_t *)tail,
        .tail_len = (uint32_t)n + len + 2,
        .payload_off = (uint32_t)n,
        .hdr_len = hdr_len > 0 ? (uint32_t)hdr_len : 0,
        .hdr = hdr_len >= 0,
        .acc = ACCOUNT_GLOBAL,
        .from = &p->ep,
        .from_slot = p->ep.slot,
        .from_shard = (uint8_t)p->shard,
    };
    memcpy(tail + n, payload, len);
    memcpy(tail + n + len, "\r\n", 2);
    (void)world_shard(w, p->shard);
    enum err e = broker_publish(&w->b[p->shard], &m);
    free(tail);
    return e;
}

static inline enum err
pub(struct world *w, struct point *p, const char *subject, const char *reply, const char *payload)
{
    return pub_bytes(w, p, subject, reply, -1, payload, (uint32_t)strlen(payload));
}

/* All that is queued for p; it is taken away. own, by free. */
static inline char *
heard(struct world *w, struct point *p)
{
    uint64_t len = p->ep.out.n_bytes;
    char *text = malloc(len + 1);
    assert_non_null(text);
    for (uint64_t off = 0; off < len;) {
        struct iovec iov[8];
        uint32_t n = outq_iov(&p->ep.out, iov, 8);
        assert_true(n > 0);
        uint64_t n_bytes = 0;
        for (uint32_t i = 0; i < n; i++) {
            memcpy(text + off, iov[i].iov_base, iov[i].iov_len);
            off += iov[i].iov_len;
            n_bytes += iov[i].iov_len;
        }
        outq_drop(&p->ep.out, w->set->shards[p->shard]->bufs, n_bytes);
    }
    text[len] = '\0';
    return text;
}

/* Exactly this was queued for p since the last look. */
static inline void
hears(struct world *w, struct point *p, const char *want)
{
    char *text = heard(w, p);
    assert_string_equal(text, want);
    free(text);
}

/* How many messages were queued for p since the last look (payloads hold no "MSG "). */
static inline uint32_t
n_heard(struct world *w, struct point *p)
{
    char *text = heard(w, p);
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, "MSG ")) != NULL; at++)
        n++;
    free(text);
    return n;
}

#endif
