#include "core/net/gather.h"

#include <stdlib.h>
#include <string.h>

#include "core/broker/sidmap.h"
#include "core/broker/subject.h"
#include "core/net/client_auth.h"
#include "core/net/gather_priv.h"
#include "core/net/http.h"
#include "core/rt/fault.h"

/* A pointer to a question, there and back. */
struct record_gather {
    struct mbox_rec rec;
    struct gather *g;
};

/* ---- parts ---- */

/* Room for a record at the end of the part; NULL: it is cut. */
static void *
part_push(struct gather_part *p, uint32_t type, uint64_t len)
{
    struct gather_chunk *c = p->tail;

    len = round_up_u64(len, 8);
    if (p->cut || p->n_bytes + len > GATHER_PART_MAX)
        goto cut;
    if (c == NULL || c->cap - c->len < len) {
        uint64_t cap = max_u64(len, GATHER_CHUNK_LEN);
        c = fault_malloc(sizeof(*c) + cap);
        if (c == NULL)
            goto cut;
        c->next = NULL;
        c->len = 0;
        c->cap = cap;
        if (p->tail != NULL)
            p->tail->next = c;
        else
            p->head = c;
        p->tail = c;
    }
    struct gather_rec *r = (void *)(c->bytes + c->len);
    r->len = (uint32_t)len;
    r->type = type;
    c->len += len;
    p->n_bytes += len;
    p->n_recs++;
    return r;
cut:
    p->cut = true;
    return NULL;
}

const struct gather_rec *
gather_next(const struct gather_part *p, struct gather_it *it)
{
    if (!it->begun) {
        it->begun = true;
        it->chunk = p->head;
    }
    while (it->chunk != NULL && it->off == it->chunk->len) {
        it->chunk = it->chunk->next;
        it->off = 0;
    }
    if (it->chunk == NULL)
        return NULL;
    const struct gather_rec *r = (const void *)(it->chunk->bytes + it->off);
    it->off += r->len;
    return r;
}

void
gather_fini(struct gather *g)
{
    for (uint32_t i = 0; i < SHARDS_MAX; i++) {
        struct gather_part *p = g->parts[i];
        while (p != NULL && p->head != NULL) {
            struct gather_chunk *c = p->head;
            p->head = c->next;
            free(c);
        }
        free(p);
        g->parts[i] = NULL;
    }
}

/* ---- records of connections and subscriptions ---- */

static struct json_str
conn_user(const struct conn *c)
{
    static const char redacted[] = "[REDACTED]";

    if (c->opts == NULL)
        return (struct json_str){0};
    if (c->opts->nkey.len > 0 && c->opts->nkey.ptr[0] == 'U')
        return c->opts->nkey;
    if (c->opts->nkey.len > 0)
        return (struct json_str){.ptr = redacted, .len = sizeof(redacted) - 1}; /* clients have put seeds there */
    if (c->auth != NULL && c->auth->in && c->auth->anonymous)
        return (struct json_str){.ptr = c->auth->user->name, .len = c->auth->user->name_len}; /* as no_auth_user */
    if (c->opts->user.len > 0 || !c->opts->had_token)
        return c->opts->user;
    return (struct json_str){.ptr = redacted, .len = sizeof(redacted) - 1};
}

static uint16_t
conn_str_len(struct json_str s)
{
    return (uint16_t)min_u64(s.len, UINT16_MAX);
}

static uint64_t
conn_rec_len(const struct conn *c)
{
    uint64_t len = sizeof(struct gather_conn) + conn_str_len(conn_user(c));

    if (c->opts != NULL)
        len += (uint64_t)conn_str_len(c->opts->name) + conn_str_len(c->opts->lang) + conn_str_len(c->opts->version);
    return round_up_u64(len, 8);
}

static char *
conn_put_str(char *to, struct json_str s, uint16_t *ret_len)
{
    *ret_len = conn_str_len(s);
    if (s.len > 0)
        memcpy(to, s.ptr, *ret_len);
    return to + *ret_len;
}

/* wall_ns: what the monotonic clock's zero was. r->rec is set. */
static void
conn_put(const struct conn *c, struct gather_conn *r, int64_t wall_ns)
{
    static const struct nats_connect none;
    const struct nats_connect *o = c->opts != NULL ? c->opts : &none;

    r->cid = c->cid;
    r->start_ns = wall_ns + c->start_ns;
    r->last_ns = wall_ns + (c->last_out_ns > c->last_in_ns ? c->last_out_ns : c->last_in_ns);
    r->stop_ns = 0;
    r->rtt_ns = c->rtt_ns;
    r->pending = c->ep.out.n_bytes;
    r->in_msgs = c->ep.in_msgs;
    r->out_msgs = c->ep.out_msgs;
    r->in_bytes = c->ep.in_bytes;
    r->out_bytes = c->ep.out_bytes;
    r->n_subs = c->ep.n_subs;
    r->n_stalls = c->n_stalls_all;
    r->peer = c->peer;
    r->closed = c->closed;
    char *to = conn_put_str(r->bytes, o->name, &r->name_len);
    to = conn_put_str(to, o->lang, &r->lang_len);
    to = conn_put_str(to, o->version, &r->version_len);
    (void)conn_put_str(to, conn_user(c), &r->user_len);
}

static uint64_t
sub_rec_len(struct net *n, uint32_t sub)
{
    uint32_t subject_len, queue_len, sid_len, acc;

    (void)interest_subject(n->broker.ix, sub, &subject_len, &acc);
    (void)interest_queue(n->broker.ix, sub, &queue_len);
    (void)sub_sid(interest_sub(n->broker.ix, sub), &sid_len);
    return round_up_u64(sizeof(struct gather_sub) + subject_len + queue_len + sid_len, 8);
}

static void
sub_put(struct net *n, uint32_t sub, uint64_t cid, struct gather_sub *r)
{
    struct interest *ix = n->broker.ix;
    const struct sub *s = interest_sub(ix, sub);
    uint32_t acc;
    const uint8_t *subject = interest_subject(ix, sub, &r->subject_len, &acc);
    const uint8_t *queue = interest_queue(ix, sub, &r->queue_len);
    const uint8_t *sid = sub_sid(s, &r->sid_len);

    r->cid = cid;
    r->n_msgs = (uint64_t)s->n_hi << 32 | s->n_lo;
    r->max = s->max;
    memcpy(r->bytes, subject, r->subject_len);
    if (r->queue_len > 0)
        memcpy(r->bytes + r->subject_len, queue, r->queue_len);
    memcpy(r->bytes + r->subject_len + r->queue_len, sid, r->sid_len);
}

/* ---- closed connections ---- */

/* Where the next entry goes; NULL: nowhere. */
static struct closed_entry **
closed_place(struct closed_ring *r)
{
    if (r->n_max == 0)
        return NULL;
    if (r->n == r->n_max) {
        struct closed_entry **at = &r->items[r->oldest];
        r->oldest = r->oldest + 1 == r->n_max ? 0 : r->oldest + 1;
        if (*at != NULL)
            r->n_bytes -= (*at)->len;
        free(*at);
        *at = NULL;
        return at;
    }
    if (r->n == r->cap) {
        uint32_t cap = (uint32_t)min_u64(r->cap == 0 ? 64 : 2 * (uint64_t)r->cap, r->n_max);
        struct closed_entry **items = fault_realloc(r->items, cap * sizeof(struct closed_entry *));
        if (items == NULL)
            return NULL;
        r->items = items;
        r->cap = cap;
    }
    r->items[r->n] = NULL;
    return &r->items[r->n++];
}

/* How many of c's subscriptions are kept, and how many bytes that takes. */
static uint32_t
closed_subs(struct net *n, const struct conn *c, uint64_t *len)
{
    uint64_t at = 0;
    uint32_t n_subs = 0;

    for (uint32_t sub; n_subs < CLOSED_SUBS_MAX && (sub = sidmap_next(&c->ep.sids, &at)) != 0; n_subs++) {
        uint64_t one = sub_rec_len(n, sub);
        if (*len + one > CLOSED_BYTES_MAX)
            break;
        *len += one;
    }
    return n_subs;
}

void
closed_note(struct net *n, struct conn *c)
{
    uint64_t len = conn_rec_len(c), at = 0;

    if (n->gathers == NULL || n->gathers->ring.n_max == 0)
        return;
    uint32_t n_subs = n->gathers->ring.n_bytes < CLOSED_RING_BYTES_MAX ? closed_subs(n, c, &len) : 0;
    struct closed_entry *e = fault_malloc(sizeof(*e) + len), **place;
    if (e == NULL || (place = closed_place(&n->gathers->ring)) == NULL) {
        free(e); /* it is not remembered, that is all */
        COUNT(&n->sh->counters, closed_cut, 1);
        return;
    }
    COUNT(&n->sh->counters, closed_cut, n_subs < c->ep.sids.n);
    *place = e;
    e->len = (uint32_t)len;
    n->gathers->ring.n_bytes += len;
    e->stop_ns = n->sh->now;
    struct gather_conn *r = (void *)e->bytes;
    r->rec = (struct gather_rec){.len = (uint32_t)conn_rec_len(c), .type = GATHER_REC_CONN};
    int64_t wall_ns = io_wall(n->sh->io) - io_now(n->sh->io);
    conn_put(c, r, wall_ns);
    r->stop_ns = wall_ns + e->stop_ns;
    uint8_t *to = e->bytes + r->rec.len;
    for (uint32_t i = 0; i < n_subs; i++) {
        uint32_t sub = sidmap_next(&c->ep.sids, &at);
        struct gather_sub *rs = (void *)to;
        rs->rec = (struct gather_rec){.len = (uint32_t)sub_rec_len(n, sub), .type = GATHER_REC_SUB};
        sub_put(n, sub, c->cid, rs);
        rs->max = 0; /* as nats-server shows it: no longer waiting for more */
        to += rs->rec.len;
    }
    ASSERT(to == e->bytes + len);
}

/* ---- a shard's part ---- */

static int64_t
key_of_conn(const struct gather *g, const struct conn *c, int64_t now_ns)
{
    switch (g->sort) {
    case GATHER_SORT_cid:
    case GATHER_SORT_start: return (int64_t)c->cid;
    case GATHER_SORT_subs: return c->ep.n_subs;
    case GATHER_SORT_pending: return (int64_t)c->ep.out.n_bytes;
    case GATHER_SORT_msgs_to: return (int64_t)c->ep.out_msgs;
    case GATHER_SORT_msgs_from: return (int64_t)c->ep.in_msgs;
    case GATHER_SORT_bytes_to: return (int64_t)c->ep.out_bytes;
    case GATHER_SORT_bytes_from: return (int64_t)c->ep.in_bytes;
    case GATHER_SORT_last:
    case GATHER_SORT_idle: return c->last_out_ns > c->last_in_ns ? c->last_out_ns : c->last_in_ns;
    case GATHER_SORT_uptime: return now_ns - c->start_ns;
    case GATHER_SORT_rtt: return c->rtt_ns;
    case GATHER_SORT_stop:
    case GATHER_SORT_reason:
    case GATHER_SORT_N:
    default: return 0; /* of closed ones only */
    }
}

static int64_t
key_of_closed(const struct gather *g, const struct closed_entry *e)
{
    const struct gather_conn *r = (const void *)e->bytes;
    int64_t wall_ns = r->stop_ns - e->stop_ns; /* on one scale with open ones */

    switch (g->sort) {
    case GATHER_SORT_cid:
    case GATHER_SORT_start: return (int64_t)r->cid;
    case GATHER_SORT_subs: return r->n_subs;
    case GATHER_SORT_pending: return (int64_t)r->pending;
    case GATHER_SORT_msgs_to: return (int64_t)r->out_msgs;
    case GATHER_SORT_msgs_from: return (int64_t)r->in_msgs;
    case GATHER_SORT_bytes_to: return (int64_t)r->out_bytes;
    case GATHER_SORT_bytes_from: return (int64_t)r->in_bytes;
    case GATHER_SORT_last:
    case GATHER_SORT_idle: return r->last_ns - wall_ns;
    case GATHER_SORT_uptime: return r->stop_ns - r->start_ns;
    case GATHER_SORT_stop: return e->stop_ns;
    case GATHER_SORT_reason: return r->closed;
    case GATHER_SORT_rtt: return r->rtt_ns;
    case GATHER_SORT_N:
    default: return 0;
    }
}

static bool
user_is(const struct gather *g, const char *user, size_t len)
{
    return g->user == NULL || (strlen(g->user) == len && (len == 0 || memcmp(g->user, user, len) == 0));
}

static void
key_put(struct gather_part *p, int64_t key, int64_t stop_ns, struct gather_pick pick)
{
    struct gather_key *r = part_push(p, GATHER_REC_KEY, sizeof(*r));
    if (r == NULL)
        return;
    r->key = key;
    r->stop_ns = stop_ns;
    r->pick = pick;
}

/* The next connection of the shard; NULL: there is none. */
static struct conn *
gather_next_conn(struct net *n)
{
    struct gathers *gs = n->gathers;

    gs->slot = slab_next(&n->conns, gs->slot);
    return gs->slot != 0 ? net_conn(n, gs->slot) : NULL;
}

/* True: there is more. */
static bool
gather_keys_step(struct net *n, struct gather *g, struct gather_part *p)
{
    struct gathers *gs = n->gathers;
    struct conn *c = g->open ? gather_next_conn(n) : NULL;

    if (c != NULL) {
        if (c->state != CONN_OPEN)
            return true;
        p->n_total++;
        struct json_str user = conn_user(c);
        if ((g->cid == 0 || g->cid == c->cid) && user_is(g, user.ptr, user.len)) {
            key_put(p, key_of_conn(g, c, n->sh->now), 0, (struct gather_pick){.cid = c->cid, .at = gs->slot});
        }
        return true;
    }
    if (g->open)
        gs->slot = UINT32_MAX - 1; /* stay at the end */
    if (!g->closed || gs->i_closed == gs->ring.n)
        return false;
    uint32_t i = gs->i_closed++;
    const struct closed_entry *e = gs->ring.items[i];
    if (e == NULL)
        return true;
    const struct gather_conn *r = (const void *)e->bytes;
    p->n_total++;
    if ((g->cid == 0 || g->cid == r->cid) && user_is(g, r->bytes + r->name_len + r->lang_len + r->version_len, r->user_len))
        key_put(p, key_of_closed(g, e), e->stop_ns, (struct gather_pick){.cid = r->cid, .at = i, .closed = true});
    return true;
}

static void
gather_closed(struct net *n, struct gather *g, struct gather_part *p, const struct gather_pick *pick)
{
    const struct closed_ring *ring = &n->gathers->ring;
    const struct closed_entry *e = pick->at < ring->n ? ring->items[pick->at] : NULL;
    const struct gather_conn *c = e != NULL ? (const void *)e->bytes : NULL;

    if (c == NULL || c->cid != pick->cid)
        return; /* forgotten since */
    const uint8_t *end = e->bytes + (g->subs ? e->len : c->rec.len);
    for (const uint8_t *at = e->bytes; at < end;) {
        const struct gather_rec *from = (const void *)at;
        struct gather_rec *to = part_push(p, from->type, from->len);
        if (to == NULL)
            return;
        memcpy(to, from, from->len);
        at += from->len;
    }
}

/* The connection that this pick means, if it is there still. */
static struct conn *
gather_picked(struct net *n, const struct gather_pick *pick)
{
    if (slab_next(&n->conns, pick->at - 1) != pick->at || net_conn(n, pick->at)->cid != pick->cid)
        return NULL;
    return net_conn(n, pick->at);
}

/* One subscription of c, if it has one more. */
static bool
gather_sub_step(struct net *n, struct gather_part *p, const struct conn *c)
{
    uint32_t sub = sidmap_next(&c->ep.sids, &n->gathers->sub_at);

    if (sub == 0)
        return false;
    struct gather_sub *r = part_push(p, GATHER_REC_SUB, sub_rec_len(n, sub));
    if (r != NULL)
        sub_put(n, sub, c->cid, r);
    return true;
}

static bool
gather_conns_step(struct net *n, struct gather *g, struct gather_part *p, int64_t *work)
{
    struct gathers *gs = n->gathers;
    uint32_t id = n->sh->id;

    if (gs->i_pick == g->n_picks[id])
        return false;
    const struct gather_pick *pick = &g->picks[id][gs->i_pick];
    struct conn *c = pick->closed ? NULL : gather_picked(n, pick);
    if (gs->in_conn) {
        *work += GATHER_CONN_WORK - 1;
        gs->in_conn = c != NULL && !p->cut && gather_sub_step(n, p, c);
        gs->i_pick += !gs->in_conn;
        return true;
    }
    if (pick->closed)
        gather_closed(n, g, p, pick);
    struct gather_conn *r = c == NULL ? NULL : part_push(p, GATHER_REC_CONN, conn_rec_len(c));
    if (r != NULL)
        conn_put(c, r, gs->wall_ns);
    gs->in_conn = r != NULL && g->subs && c->ep.n_subs > 0;
    gs->sub_at = 0;
    gs->i_pick += !gs->in_conn;
    return true;
}

static void
gather_sub_match(struct net *n, struct gather *g, struct gather_part *p, const struct conn *c, uint32_t sub)
{
    uint32_t len, acc;
    const uint8_t *subject = interest_subject(n->broker.ix, sub, &len, &acc);

    if (g->test != NULL && !subject_match(subject, len, (const uint8_t *)g->test, g->test_len))
        return;
    uint64_t i = p->n_total++;
    if (i < g->skip || i - g->skip >= g->limit)
        return;
    struct gather_sub *r = part_push(p, GATHER_REC_SUB, sub_rec_len(n, sub));
    if (r != NULL)
        sub_put(n, sub, c->cid, r);
}

static bool
gather_subs_step(struct net *n, struct gather *g, struct gather_part *p, int64_t *work)
{
    struct gathers *gs = n->gathers;
    struct conn *c;

    if (!gs->in_conn) {
        c = gather_next_conn(n);
        if (c == NULL)
            return false;
        gs->cid = c->cid;
        gs->sub_at = 0;
        gs->in_conn = c->ep.n_subs > 0 && c->state == CONN_OPEN;
        return true;
    }
    *work += GATHER_CONN_WORK - 1;
    c = gather_picked(n, &(struct gather_pick){.cid = gs->cid, .at = gs->slot});
    uint32_t sub = c == NULL || c->state != CONN_OPEN ? 0 : sidmap_next(&c->ep.sids, &gs->sub_at);
    if (sub == 0)
        gs->in_conn = false;
    else
        gather_sub_match(n, g, p, c, sub);
    return true;
}

static bool
gather_pending_step(struct net *n, struct gather_part *p)
{
    const struct conn *c = gather_next_conn(n);

    if (c != NULL)
        p->stats.pending += c->ep.out.n_bytes;
    return c != NULL;
}

static void
gather_put_stats(struct net *n, struct gather_stats *st)
{
    memset(st, 0, sizeof(*st));
    counters_sum(st->counters, &n->sh->counters);
    st->n_conns = n->n_socks; /* what is only being forgotten counts no more */
    st->n_http = http_n_socks(n);
    interest_stats(n->broker.ix, &st->interest);
    bufpool_stats(n->sh->bufs, &st->bufs);
    st->io = *io_stats(n->sh->io);
    st->uring = io_features(n->sh->io)->backend == IO_URING;
}

static struct gather_part *
gather_new_part(struct net *n)
{
    struct gather_part *p = fault_calloc(1, sizeof(*p));

    if (p != NULL)
        gather_put_stats(n, &p->stats);
    return p;
}

/* Go on with the first question. True: its part is complete. */
static bool
gather_run(struct net *n, struct gather *g, int64_t *work)
{
    struct gathers *gs = n->gathers;
    struct gather_part *p = g->parts[n->sh->id];

    if (!gs->begun) {
        gs->begun = true;
        gs->slot = gs->i_closed = gs->i_pick = 0;
        gs->in_conn = false;
        gs->wall_ns = io_wall(n->sh->io) - io_now(n->sh->io);
        g->parts[n->sh->id] = p = gather_new_part(n);
    }
    for (bool more = p != NULL; more; *work -= GATHER_CONN_WORK) {
        if (*work <= 0)
            return false;
        if (g->kind == GATHER_KEYS)
            more = gather_keys_step(n, g, p);
        else if (g->kind == GATHER_PENDING)
            more = gather_pending_step(n, p);
        else if (g->kind == GATHER_CONNS)
            more = gather_conns_step(n, g, p, work);
        else
            more = gather_subs_step(n, g, p, work);
        more = more && !p->cut;
    }
    return true;
}

/* ---- asking and answering ---- */

/* Put g into shard's mailbox. False: no room now; we are woken when there is. */
static bool
gather_tell(struct net *n, uint32_t shard, uint8_t type, struct gather *g)
{
    struct mbox *m = n->sh->out[shard];

    if (!mbox_room(m, 1, sizeof(struct record_gather), 0)) {
        mbox_want_room(m);
        if (!mbox_room(m, 1, sizeof(struct record_gather), 0))
            return false;
    }
    struct record_gather *r = (void *)shard_push(n->sh, shard, type, sizeof(*r));
    r->g = g;
    return true;
}

static void
gather_send(struct net *n, struct gather *g)
{
    for (uint64_t left = g->unsent; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        if (gather_tell(n, i, RECORD_GATHER, g))
            g->unsent &= ~BIT64(i);
    }
}

/* This shard is asked. */
static void
gather_on_ask(struct net *n, struct gather *g)
{
    struct gathers *gs = n->gathers;

    ASSERT(gs->n_todo + gs->n_quick < GATHERS_MAX); /* the asker's duty */
    if (g->kind == GATHER_STATS)
        gs->quick[gs->n_quick++] = g;
    else
        gs->todo[(gs->todo_head + gs->n_todo++) % GATHERS_MAX] = g;
    n->again = true;
}

/* One more part is complete. */
static void
gather_on_part(struct gather *g)
{
    ASSERT(g->n_left > 0);
    if (--g->n_left == 0)
        g->done(g);
}

void
gather_on_record(struct net *n, const struct mbox_rec *rec)
{
    struct gather *g = ((const struct record_gather *)(const void *)rec)->g;

    if (rec->type == RECORD_GATHER)
        gather_on_ask(n, g);
    else
        gather_on_part(g);
}

void
gather_start(struct net *n, struct gather *g)
{
    uint64_t self = BIT64(n->sh->id);

    ASSERT(g->shards != 0 && n->sh->id == 0);
    g->n = n;
    g->n_left = (uint32_t)__builtin_popcountll(g->shards);
    g->unsent = g->shards & ~self;
    bool own = (g->shards & self) != 0;
    gather_send(n, g);
    if (g->unsent != 0) {
        g->next = n->gathers->asked;
        n->gathers->asked = g;
    }
    if (own)
        gather_on_ask(n, g);
}

/* This shard's part is complete: hand it over. False: no room yet; whoever makes some wakes us. */
static bool
gather_answer(struct net *n, struct gather *g)
{
    if (n->sh->id != 0)
        return gather_tell(n, 0, RECORD_GATHERED, g);
    gather_on_part(g); /* g may be gone, and others may have come */
    return true;
}

/* What is only numbers is answered at once, whatever else is being told. */
static void
gather_run_quick(struct net *n)
{
    struct gathers *gs = n->gathers;
    struct gather *now[GATHERS_MAX];
    uint32_t n_now = gs->n_quick;

    memcpy(now, gs->quick, sizeof(now));
    gs->n_quick = 0;
    for (uint32_t i = 0; i < n_now; i++) {
        struct gather *g = now[i];
        if (g->parts[n->sh->id] == NULL)
            g->parts[n->sh->id] = gather_new_part(n); /* NULL says that there was no memory */
        if (!gather_answer(n, g))
            gs->quick[gs->n_quick++] = g;
    }
}

void
gather_on_handled(struct net *n)
{
    struct gathers *gs = n->gathers;
    int64_t work = GATHER_WORK_MAX;

    for (struct gather **link = &gs->asked, *g; (g = *link) != NULL;) {
        gather_send(n, g);
        if (g->unsent == 0)
            *link = g->next;
        else
            link = &g->next;
    }
    if (gs->n_quick > 0)
        gather_run_quick(n);
    while (gs->n_todo > 0 && work > 0) {
        struct gather *g = gs->todo[gs->todo_head];
        gs->complete = gs->complete || gather_run(n, g, &work);
        if (gs->complete && n->sh->id != 0 && !gather_tell(n, 0, RECORD_GATHERED, g))
            return; /* whoever makes room wakes us */
        if (!gs->complete)
            break;
        gs->todo_head = (gs->todo_head + 1) % GATHERS_MAX;
        gs->n_todo--;
        gs->begun = gs->complete = false;
        work -= GATHER_CONN_WORK;
        if (n->sh->id == 0)
            gather_on_part(g);
    }
    if (gs->n_todo > 0 || (gs->n_quick > 0 && n->sh->id == 0))
        n->again = true;
}

enum err
gathers_init(struct net *n)
{
    n->gathers = fault_calloc(1, sizeof(*n->gathers));
    if (n->gathers == NULL)
        return ERR_NOMEM;
    n->gathers->ring.n_max = n->set->http != NULL ? n->set->http->n_closed_max : 0;
    return OK;
}

void
gathers_fini(struct net *n)
{
    if (n->gathers == NULL)
        return;
    for (uint32_t i = 0; i < n->gathers->ring.n; i++)
        free(n->gathers->ring.items[i]);
    free(n->gathers->ring.items);
    free(n->gathers);
    n->gathers = NULL;
}
