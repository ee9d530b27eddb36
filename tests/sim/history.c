#include "tests/sim/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/broker/subject_naive.h"
#include "core/rt/assert.h"

/* A long one, so that telling and taking back interest fills mailboxes, too. */
#define LONG_NAME "long.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
                  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" \
                  "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static const char *const history_patterns[H_PATTERNS] = {
    "a.x", "a.y", "a.z", "b.x", "b.y", "c", "a.x.deep", LONG_NAME, "a.*", "*.x", "a.>", ">", "*",
};
static const char *const history_queues[H_QUEUES] = {"", "q1", "q2", "q3"};

void
history_clear(struct history *h)
{
    h->n_clients = h->n_subs = h->n_pubs = h->n_pings = h->n_gots = 0;
    h->n_events = 0;
}

const char *
history_pattern_text(uint32_t pattern)
{
    ASSERT(pattern < H_PATTERNS);
    return history_patterns[pattern];
}

const char *
history_queue_text(uint32_t queue)
{
    ASSERT(queue < H_QUEUES);
    return history_queues[queue];
}

bool
history_match(uint32_t pattern, uint32_t subject)
{
    static bool known[H_PATTERNS][H_SUBJECTS], yes[H_PATTERNS][H_SUBJECTS];
    static struct naive p, s; /* large */

    ASSERT(pattern < H_PATTERNS && subject < H_SUBJECTS);
    if (!known[pattern][subject]) {
        naive_split(&p, (const uint8_t *)history_patterns[pattern], strlen(history_patterns[pattern]));
        naive_split(&s, (const uint8_t *)history_patterns[subject], strlen(history_patterns[subject]));
        yes[pattern][subject] = naive_match(&p, &s);
        known[pattern][subject] = true;
    }
    return yes[pattern][subject];
}

/* ---- noting ---- */

/* The stamp of an event. */
static uint64_t
history_event(struct history *h, enum h_kind kind, uint32_t client, uint32_t a, uint32_t b)
{
    ASSERT(h->n_events < H_EVENTS_MAX);
    h->events[h->n_events] = (struct h_event){.kind = (uint8_t)kind, .client = client, .a = a, .b = b};
    if (h->print)
        history_print(h, h->n_events);
    return h->n_events++;
}

uint32_t
history_connect(struct history *h)
{
    ASSERT(h->n_clients < H_CLIENTS_MAX);
    uint32_t i = h->n_clients++;
    h->clients[i] = (struct h_client){.died = H_NEVER, .forgotten = H_NEVER, .shard = UINT32_MAX, .echo = true};
    h->clients[i].begin = history_event(h, H_CONNECT, i, 0, 0);
    return i;
}

void
history_open(struct history *h, uint32_t client, uint64_t cid, uint32_t shard)
{
    h->clients[client].cid = cid;
    h->clients[client].shard = shard;
    (void)history_event(h, H_OPEN, client, shard, (uint32_t)cid);
}

uint32_t
history_sub(struct history *h, uint32_t client, uint32_t pattern, uint32_t queue)
{
    ASSERT(h->n_subs < H_SUBS_MAX);
    uint32_t i = h->n_subs++;
    h->subs[i] = (struct h_sub){.client = client, .pattern = pattern, .queue = queue, .known = H_NEVER, .unsub = H_NEVER, .gone = H_NEVER};
    h->subs[i].max_begin = h->subs[i].max_known = H_NEVER;
    h->subs[i].begin = history_event(h, H_SUB, client, i, 0);
    return i;
}

void
history_unsub(struct history *h, uint32_t sub)
{
    h->subs[sub].unsub = history_event(h, H_UNSUB, h->subs[sub].client, sub, 0);
}

void
history_max(struct history *h, uint32_t sub, uint32_t max)
{
    h->subs[sub].max = max;
    h->subs[sub].max_begin = history_event(h, H_MAX, h->subs[sub].client, sub, max);
}

uint32_t
history_pub(struct history *h, uint32_t client, uint32_t subject, uint32_t len, bool reply, bool hdr)
{
    ASSERT(h->n_pubs < H_PUBS_MAX);
    uint32_t i = h->n_pubs++;
    h->pubs[i] = (struct h_pub){.client = client, .subject = subject, .len = len, .reply = reply, .hdr = hdr, .pong = H_NEVER, .seen = H_NEVER};
    h->pubs[i].begin = history_event(h, H_PUB, client, i, 0);
    return i;
}

uint32_t
history_ping(struct history *h, uint32_t client)
{
    ASSERT(h->n_pings < H_PINGS_MAX);
    uint32_t i = h->n_pings++;
    h->pings[i] = (struct h_ping){.client = client, .pong = H_NEVER};
    h->pings[i].begin = history_event(h, H_PING, client, i, 0);
    return i;
}

void
history_pong(struct history *h, uint32_t ping)
{
    uint32_t client = h->pings[ping].client;
    uint64_t begin = h->pings[ping].begin, at = history_event(h, H_PONG, client, ping, 0);

    h->pings[ping].pong = at;
    for (uint32_t i = 0; i < h->n_pubs; i++) {
        struct h_pub *p = &h->pubs[i];
        if (p->client == client && p->begin < begin && p->pong == H_NEVER) {
            p->pong = at;
            p->seen = p->seen < at ? p->seen : at;
        }
    }
    for (uint32_t i = 0; i < h->n_subs; i++) {
        struct h_sub *s = &h->subs[i];
        if (s->client != client)
            continue;
        if (s->begin < begin && s->known == H_NEVER)
            s->known = at;
        if (s->unsub < begin && s->gone == H_NEVER)
            s->gone = at;
        if (s->max_begin < begin && s->max_known == H_NEVER)
            s->max_known = at;
    }
}

void
history_msg(struct history *h, uint32_t client, uint32_t sub, uint32_t pub)
{
    ASSERT(h->n_gots < H_GOTS_MAX);
    uint64_t at = history_event(h, H_MSG, client, pub, sub);
    h->gots[h->n_gots++] = (struct h_got){.client = client, .sub = sub, .pub = pub, .at = at};
    if (h->pubs[pub].seen == H_NEVER)
        h->pubs[pub].seen = at;
    if (h->subs[sub].known == H_NEVER)
        h->subs[sub].known = at;
}

void
history_end(struct history *h, uint32_t client, bool by_us)
{
    h->clients[client].by_us = by_us;
    h->clients[client].died = history_event(h, H_END, client, by_us, 0);
}

void
history_gone(struct history *h, uint32_t client)
{
    h->clients[client].forgotten = history_event(h, H_GONE, client, 0, 0);
}

/* ---- reading ---- */

static void
history_print_sub(const struct history *h, const char *what, uint32_t sub)
{
    const struct h_sub *s = &h->subs[sub];
    printf("%s s%u %.12s %s", what, sub, history_patterns[s->pattern], history_queues[s->queue]);
}

void
history_print(const struct history *h, uint64_t at)
{
    const struct h_event *e = &h->events[at];
    uint32_t shard = h->clients[e->client].shard;

    printf("  %6" PRIu64 "  c%u", at, e->client);
    if (shard != UINT32_MAX)
        printf("@%u", shard);
    switch ((enum h_kind)e->kind) {
    case H_CONNECT: printf("  connects"); break;
    case H_OPEN: printf("  is open: cid %u, shard %u", e->b, e->a); break;
    case H_SUB: history_print_sub(h, "  SUB", e->a); break;
    case H_UNSUB: history_print_sub(h, "  UNSUB", e->a); break;
    case H_MAX:
        history_print_sub(h, "  UNSUB", e->a);
        printf(" after %u", e->b);
        break;
    case H_PUB:
        printf("  PUB p%u %.12s %u bytes%s%s", e->a, history_patterns[h->pubs[e->a].subject], h->pubs[e->a].len,
               h->pubs[e->a].reply ? " with reply" : "", h->pubs[e->a].hdr ? " with headers" : "");
        break;
    case H_PING: printf("  PING %u", e->a); break;
    case H_PONG: printf("    <- PONG %u", e->a); break;
    case H_MSG: history_print_sub(h, "    <- MSG", e->b); printf(" p%u", e->a); break;
    case H_END: printf("  %s", e->a ? "ends its connection" : "sees the end of its connection"); break;
    case H_GONE: printf("  is forgotten by the server"); break;
    }
    printf("\n");
}
