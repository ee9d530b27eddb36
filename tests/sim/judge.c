#include "tests/sim/judge.h"

#include <stdio.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"

enum { JUDGE_LINES_MAX = 120 };

/* What is found out once for all rules. */
struct judging {
    const struct history *h;
    struct verdict *v;
    uint32_t n_got[H_SUBS_MAX];            /* messages in all */
    uint64_t got_at[H_SUBS_MAX][H_PUBS_MAX]; /* H_NEVER: not received */
    uint32_t n_queue[H_QUEUES][H_PUBS_MAX];
};

static bool
judge_fail(struct judging *j, const char *rule, const char *text, uint32_t client, uint32_t sub, uint32_t p1, uint32_t p2, uint64_t ping)
{
    *j->v = (struct verdict){.rule = rule, .text = text, .client = client, .sub = sub, .pubs = {p1, p2}, .ping = ping};
    return false;
}

/* ---- queue groups ---- */

static bool
judge_is_member(const struct history *h, const struct h_sub *m, uint32_t queue, const struct h_pub *p)
{
    (void)h;
    return m->queue == queue && history_match(m->pattern, p->subject);
}

/* Some member of the group may have been leaving while p was on its way, until `to`. */
static bool
judge_in_motion(const struct history *h, uint32_t queue, const struct h_pub *p, uint64_t to)
{
    for (uint32_t i = 0; i < h->n_subs; i++) {
        const struct h_sub *m = &h->subs[i];
        if (!judge_is_member(h, m, queue, p) || m->begin > to)
            continue;
        const struct h_client *c = &h->clients[m->client];
        uint64_t leaves = m->unsub < m->max_begin ? m->unsub : m->max_begin;
        uint64_t left = m->gone;
        if (c->died < leaves) {
            leaves = c->died;
            left = c->forgotten;
        }
        if (!c->by_us && c->died != H_NEVER)
            leaves = m->begin; /* nobody knows since when */
        if (leaves < to && left > p->begin)
            return true;
    }
    return false;
}

/* A message for the group may have been written to a connection that died before it was read. */
static bool
judge_may_have_died(const struct history *h, uint32_t queue, const struct h_pub *p)
{
    for (uint32_t i = 0; i < h->n_subs; i++) {
        const struct h_sub *m = &h->subs[i];
        const struct h_client *c = &h->clients[m->client];
        if (judge_is_member(h, m, queue, p) && c->died != H_NEVER && c->forgotten > p->begin)
            return true;
    }
    return false;
}

static bool
judge_queues(struct judging *j)
{
    const struct history *h = j->h;

    for (uint32_t k = 0; k < h->n_pubs; k++) {
        const struct h_pub *p = &h->pubs[k];
        for (uint32_t q = 1; q < H_QUEUES; q++) {
            if (j->n_queue[q][k] > 1)
                return judge_fail(j, "once", "a queue group got it more than once", UINT32_MAX, UINT32_MAX, k, UINT32_MAX, H_NEVER);
            if (j->n_queue[q][k] == 1 || p->seen == H_NEVER)
                continue;
            for (uint32_t i = 0; i < h->n_subs; i++) {
                const struct h_sub *m = &h->subs[i];
                const struct h_client *c = &h->clients[m->client];
                if (!judge_is_member(h, m, q, p) || m->known > p->begin || m->unsub != H_NEVER || m->max > 0 || c->died != H_NEVER ||
                    (!c->echo && m->client == p->client))
                    continue;
                if (!judge_may_have_died(h, q, p))
                    return judge_fail(j, "queue", "nobody of the group got it, though this member was there all the time", m->client, i, k,
                                      UINT32_MAX, H_NEVER);
            }
        }
    }
    return true;
}

/* ---- what each subscription gets ---- */

/* The first PING of the client begun after `after` that was answered. */
static const struct h_ping *
judge_ping_after(const struct history *h, uint32_t client, uint64_t after)
{
    for (uint32_t i = 0; i < h->n_pings; i++) {
        const struct h_ping *g = &h->pings[i];
        if (g->client == client && g->begin > after && g->pong != H_NEVER)
            return g;
    }
    return NULL;
}

static bool
judge_one(struct judging *j, uint32_t i, uint32_t k)
{
    const struct history *h = j->h;
    const struct h_sub *s = &h->subs[i];
    const struct h_pub *p = &h->pubs[k];
    uint64_t at = j->got_at[i][k];

    if (at != H_NEVER) {
        if (s->queue == 0 && p->seen < s->begin)
            return judge_fail(j, "past", "it was over before the subscription began", s->client, i, k, UINT32_MAX, H_NEVER);
        if (at > s->gone)
            return judge_fail(j, "unsub", "it came after the PONG behind UNSUB", s->client, i, k, UINT32_MAX, H_NEVER);
        if (!h->clients[s->client].echo && p->client == s->client && at > s->known)
            return judge_fail(j, "echo", "its own message came back", s->client, i, k, UINT32_MAX, H_NEVER);
    }
    if (s->queue != 0 || s->known >= p->begin || p->seen >= s->unsub || (s->max > 0 && j->n_got[i] >= s->max))
        return true;
    if (!h->clients[s->client].echo && p->client == s->client)
        return true;
    const struct h_ping *g = p->seen == H_NEVER ? NULL : judge_ping_after(h, s->client, p->seen);
    if (g != NULL && at > g->pong)
        return judge_fail(j, "due", at == H_NEVER ? "it was due and never came" : "it was due before this PONG and came after it", s->client, i, k,
                          UINT32_MAX, g->begin);
    return true;
}

static bool
judge_subs(struct judging *j)
{
    const struct history *h = j->h;

    for (uint32_t i = 0; i < h->n_subs; i++) {
        for (uint32_t k = 0; k < h->n_pubs; k++) {
            if (history_match(h->subs[i].pattern, h->pubs[k].subject) && !judge_one(j, i, k))
                return false;
        }
    }
    return true;
}

/* ---- what each connection gets, one after the other ---- */

struct judge_stream {
    uint32_t last[H_CLIENTS_MAX]; /* publish by each publisher, as last seen; UINT32_MAX: none */
    uint32_t newest;              /* publish that began last */
};

static bool
judge_order_step(struct judging *j, struct judge_stream *st, const struct h_got *g)
{
    const struct history *h = j->h;
    const struct h_pub *p = &h->pubs[g->pub];
    const struct h_sub *s = &h->subs[g->sub];

    if (s->queue != 0 && judge_in_motion(h, s->queue, p, g->at))
        return true;
    uint32_t *last = &st->last[p->client];
    if (*last != UINT32_MAX && *last > g->pub)
        return judge_fail(j, "order", "the second came before the first, of the same publisher", g->client, g->sub, g->pub, *last, H_NEVER);
    *last = g->pub;
    if (st->newest != UINT32_MAX && p->seen < h->pubs[st->newest].begin)
        return judge_fail(j, "order", "the second came before the first, which was seen before the second began", g->client, g->sub, g->pub,
                          st->newest, H_NEVER);
    if (st->newest == UINT32_MAX || p->begin > h->pubs[st->newest].begin)
        st->newest = g->pub;
    return true;
}

static bool
judge_order(struct judging *j)
{
    const struct history *h = j->h;

    for (uint32_t c = 0; c < h->n_clients; c++) {
        struct judge_stream st = {.newest = UINT32_MAX};
        memset(st.last, 0xff, sizeof(st.last));
        for (uint32_t i = 0; i < h->n_gots; i++) {
            if (h->gots[i].client == c && !judge_order_step(j, &st, &h->gots[i]))
                return false;
        }
    }
    return true;
}

/* Once, and no more than UNSUB said; fills in the tables. */
static bool
judge_counts(struct judging *j)
{
    const struct history *h = j->h;

    for (uint32_t i = 0; i < h->n_gots; i++) {
        const struct h_got *g = &h->gots[i];
        const struct h_sub *s = &h->subs[g->sub];
        if (j->got_at[g->sub][g->pub] != H_NEVER)
            return judge_fail(j, "once", "it came twice", g->client, g->sub, g->pub, UINT32_MAX, H_NEVER);
        j->got_at[g->sub][g->pub] = g->at;
        j->n_got[g->sub]++;
        if (s->queue != 0)
            j->n_queue[s->queue][g->pub]++;
        if (s->max > 0 && j->n_got[g->sub] > s->max && g->at > s->max_known)
            return judge_fail(j, "max", "it is beyond the number that UNSUB gave", g->client, g->sub, g->pub, UINT32_MAX, H_NEVER);
    }
    return true;
}

bool
judge(const struct history *h, struct verdict *ret)
{
    static struct judging j; /* large */

    memset(j.n_got, 0, sizeof(j.n_got));
    memset(j.n_queue, 0, sizeof(j.n_queue));
    memset(j.got_at, 0xff, sizeof(j.got_at[0]) * h->n_subs);
    j.h = h;
    j.v = ret;
    return judge_counts(&j) && judge_order(&j) && judge_subs(&j) && judge_queues(&j);
}

uint32_t
judge_spent_across(const struct history *h)
{
    uint32_t n_got[H_SUBS_MAX] = {0}, n = 0;

    for (uint32_t i = 0; i < h->n_gots; i++) {
        const struct h_got *g = &h->gots[i];
        const struct h_sub *s = &h->subs[g->sub];
        n += ++n_got[g->sub] == s->max && h->clients[s->client].shard != h->clients[h->pubs[g->pub].client].shard;
    }
    return n;
}

/* ---- telling ---- */

static bool
judge_concerns(const struct history *h, const struct verdict *v, uint64_t at)
{
    const struct h_event *e = &h->events[at];
    bool party = e->client == v->client;

    for (uint32_t i = 0; i < JUDGE_PUBS_MAX; i++) {
        if (v->pubs[i] == UINT32_MAX)
            continue;
        if ((e->kind == H_PUB || e->kind == H_MSG) && e->a == v->pubs[i])
            return true;
        party = party || e->client == h->pubs[v->pubs[i]].client;
    }
    switch ((enum h_kind)e->kind) {
    case H_SUB:
    case H_UNSUB:
    case H_MAX: /* of a queue group, all members matter */
        return e->a == v->sub || (h->subs[e->a].queue != 0 && v->pubs[0] != UINT32_MAX && (v->sub == UINT32_MAX || h->subs[v->sub].queue != 0) &&
                                  history_match(h->subs[e->a].pattern, h->pubs[v->pubs[0]].subject));
    case H_MSG: return e->b == v->sub && (v->sub != UINT32_MAX && h->subs[v->sub].max > 0);
    case H_PING:
    case H_PONG: return party;
    case H_CONNECT:
    case H_OPEN:
    case H_END:
    case H_GONE: return party || v->sub == UINT32_MAX;
    case H_PUB: return false;
    }
    return false;
}

void
judge_print(const struct history *h, const struct verdict *v)
{
    uint32_t n = 0;

    printf("rule \"%s\": %s", v->rule, v->text);
    if (v->pubs[0] != UINT32_MAX)
        printf("; p%u", v->pubs[0]);
    if (v->pubs[1] != UINT32_MAX)
        printf(", p%u", v->pubs[1]);
    if (v->sub != UINT32_MAX)
        printf("; s%u", v->sub);
    if (v->client != UINT32_MAX)
        printf(" of c%u", v->client);
    if (v->ping != H_NEVER)
        printf("; the PING begun at %llu", (unsigned long long)v->ping);
    printf("\n");
    for (uint64_t at = 0; at < h->n_events && n < JUDGE_LINES_MAX; at++) {
        if (judge_concerns(h, v, at)) {
            history_print(h, at);
            n++;
        }
    }
}
