#include "core/net/client_auth.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/fault.h"
#include "core/rt/offload.h"

/* A bcrypt hash on its way. It belongs to the shard's list until its done; where the shard has ended first, to net_set.jobs_left. */
struct login_job {
    struct offload_job job;
    struct login_job *next, *prev; /* net.jobs */
    struct net *net;
    uint32_t slot;          /* the connection; 0: it has gone */
    _Atomic bool cancelled; /* nobody waits for the answer any more */
    _Atomic bool begun;     /* a thread is at it */
    bool matched;
    struct auth_try try;    /* bcrypt: stored, below */
    struct password_given given;
    char stored[PASSWORD_BCRYPT_LEN + 1]; /* longer ones are no hashes */
};

static const struct auth *
auth_of(const struct net *n)
{
    return n->cfg->auth != NULL && n->cfg->auth->required ? n->cfg->auth : NULL;
}

/* ---- the log ---- */

const char *
client_auth_label(const struct conn *c, char *to, uint32_t cap)
{
    static const char prefix[] = "user:";
    const struct client_auth *ca = c->auth;

    ASSERT(cap > sizeof(prefix));
    to[0] = '\0';
    if (ca == NULL || !ca->in)
        return to;
    if (ca->user == NULL) {
        (void)snprintf(to, cap, "token"); /* fits */
        return to;
    }
    memcpy(to, prefix, sizeof(prefix));
    (void)log_quote_string(to + sizeof(prefix) - 1, cap - sizeof(prefix) + 1, ca->user->name, ca->user->name_len);
    return to;
}

/* A refused login: what the connection said it was, never a secret. */
static void
auth_log_failure(struct net *n, struct conn *c)
{
    const struct nats_connect *o = c->opts;
    char name[CONN_NAME_MAX], user[AUTH_NAME_MAX * 4 + 3];

    COUNT(&n->sh->counters, auth_failures, 1);
    if (!net_may_log(n, NET_QUIET_AUTH))
        return;
    (void)conn_name(c, name, sizeof(name));
    if (o != NULL && o->user.len > 0) {
        size_t len = nats_quote((const uint8_t *)o->user.ptr, min_u64(o->user.len, AUTH_NAME_MAX), user, sizeof(user) - 1);
        log_err("%s - authentication error - User %.*s", name, (int)len, user);
    } else if (o != NULL && (o->auth_token.len > 0 || o->had_token)) {
        log_err("%s - authentication error - Token \"[REDACTED]\"", name);
    } else {
        log_err("%s - authentication error", name);
    }
}

static void
auth_refuse_conn(struct net *n, struct conn *c, enum auth_verdict v)
{
    auth_log_failure(n, c);
    conn_close_err(n, c, NATS_ERR_AUTH_VIOLATION, v == AUTH_PROXY_REQUIRED ? NATS_CLOSED_PROXY_REQUIRED : NATS_CLOSED_AUTH_FAILURE);
}

/* ---- letting in ---- */

static void
auth_on_timer(struct timer *t, int64_t now_ns)
{
    struct client_auth *ca = CONTAINER_OF(t, struct client_auth, timer);
    struct net *n = net_of(shard_current);
    struct conn *c = net_conn(n, ca->slot);
    char name[CONN_NAME_MAX];
    (void)now_ns;

    if (c->state != CONN_OPEN || ca->in)
        return;
    /* A thread computes its hash: the answer is near, and hashes may be set to take longer than logins. */
    if (ca->job != NULL && atomic_load_explicit(&ca->job->begun, memory_order_relaxed))
        return;
    COUNT(&n->sh->counters, auth_timeouts, 1);
    log_dbg("%s - Authentication Timeout", conn_name(c, name, sizeof(name)));
    conn_close_err(n, c, NATS_ERR_AUTH_TIMEOUT, NATS_CLOSED_AUTH_TIMEOUT);
}

static struct client_auth *
auth_take(struct net *n, struct conn *c)
{
    struct client_auth *ca = fault_calloc(1, sizeof(*ca));
    char name[CONN_NAME_MAX];

    if (ca == NULL) {
        log_err("%s - out of memory for its login; closing it", conn_name(c, name, sizeof(name)));
        conn_close(n, c, NATS_CLOSED_READ_ERROR);
        return NULL;
    }
    ca->slot = c->ep.slot;
    ca->snap = auth_of(n);
    ca->timer.fn = auth_on_timer;
    c->auth = ca;
    return ca;
}

bool
client_auth_open(struct net *n, struct conn *c)
{
    const struct auth *a = auth_of(n);

    if (LIKELY(a == NULL))
        return true;
    struct client_auth *ca = auth_take(n, c);
    if (ca == NULL)
        return false;
    c->flags |= CONN_AUTH_DUE;
    timer_arm(&n->sh->timers, &ca->timer, n->sh->now + a->timeout_ns);
    return true;
}

/* Memory of earlier answers is void. */
static void
auth_forget_verdicts(struct client_auth *ca)
{
    free(ca->pubs);
    free(ca->takes);
    ca->pubs = ca->takes = NULL;
    ca->last = NULL;
    replies_fini(&ca->replies);
}

/* The flags that make the hot paths ask. */
static void
auth_set_flags(struct conn *c)
{
    const struct client_auth *ca = c->auth;
    const struct perms *p = ca->perms;
    bool pubs = p != NULL && perms_checks_pub(p);
    bool takes = ca->filtered || ca->unchecked != NULL || (pubs && p->responses);

    c->flags = (c->flags & ~(uint32_t)CONN_PUB_CHECKED) | (pubs ? CONN_PUB_CHECKED : 0);
    c->ep.flags = (uint8_t)((c->ep.flags & ~EP_CHECKED) | (takes ? EP_CHECKED : 0));
}

/* From here on c has these rights. Its subscriptions are the caller's matter. */
static void
auth_set_perms(struct net *n, struct conn *c, const struct perms *p)
{
    struct client_auth *ca = c->auth;

    auth_forget_verdicts(ca);
    c->flags &= ~(uint32_t)CONN_PUB_ALLOWED;
    ca->perms = p;
    ca->filtered = false;
    if (p != NULL && p->responses)
        ca->terms = (struct replies_terms){.max = p->responses_max, .expire_ns = p->responses_expire_ns, .key = n->cfg->key};
    auth_set_flags(c);
}

static void
auth_let_in(struct net *n, struct conn *c, const struct auth_user *user, bool anonymous, const struct password_hash *known)
{
    struct client_auth *ca = c->auth;

    timer_disarm(&n->sh->timers, &ca->timer);
    c->flags &= (uint32_t)~CONN_AUTH_DUE;
    ca->user = user;
    ca->in = true;
    ca->anonymous = anonymous;
    ca->has_known = known != NULL;
    if (known != NULL)
        ca->known = *known;
    auth_set_perms(n, c, user != NULL ? user->perms : NULL);
}

/* ---- hashing ---- */

static void
login_run(struct offload_job *j)
{
    struct login_job *lj = CONTAINER_OF(j, struct login_job, job);

    atomic_store_explicit(&lj->begun, true, memory_order_relaxed);
    if (!atomic_load_explicit(&lj->cancelled, memory_order_relaxed))
        lj->matched = password_bcrypt(lj->stored, &lj->given);
    sodium_memzero(&lj->given, sizeof(lj->given));
}

static void
login_free(struct login_job *lj)
{
    sodium_memzero(lj, sizeof(*lj));
    free(lj);
}

static void
login_unlist(struct login_job *lj)
{
    if (lj->prev != NULL)
        lj->prev->next = lj->next;
    else
        lj->net->jobs = lj->next;
    if (lj->next != NULL)
        lj->next->prev = lj->prev;
}

static void
login_done(struct offload_job *j)
{
    struct login_job *lj = CONTAINER_OF(j, struct login_job, job);
    struct net *n = lj->net;
    struct conn *c = lj->slot != 0 ? net_conn(n, lj->slot) : NULL;
    enum auth_verdict v = auth_end(&lj->try, lj->matched);

    COUNT(&n->sh->counters, auth_hashes, !atomic_load_explicit(&lj->cancelled, memory_order_relaxed));
    login_unlist(lj);
    if (c != NULL) {
        c->auth->job = NULL;
        conn_unwait(n, c);
        if (v == AUTH_OK) {
            auth_let_in(n, c, lj->try.user, false, NULL);
            client_connect_done(n, c);
        } else {
            auth_refuse_conn(n, c, v);
        }
    }
    login_free(lj);
}

static enum client_auth_verdict
login_start(struct net *n, struct conn *c, const struct auth_try *t)
{
    struct login_job *lj = fault_calloc(1, sizeof(*lj));
    if (lj == NULL)
        return CLIENT_AUTH_FULL;
    lj->job.run = login_run;
    lj->job.done = login_done;
    lj->net = n;
    lj->slot = c->ep.slot;
    lj->try = *t;
    lj->try.bcrypt = NULL; /* these may go before the job */
    lj->try.secret = (struct auth_view){0};
    password_give(t->secret.ptr, t->secret.len, &lj->given);
    if (strlen(t->bcrypt) < sizeof(lj->stored))
        memcpy(lj->stored, t->bcrypt, strlen(t->bcrypt));
    if (n->set->offload == NULL) { /* a simulation: at once */
        login_run(&lj->job);
        bool matched = lj->matched;
        login_free(lj);
        COUNT(&n->sh->counters, auth_hashes, 1);
        if (auth_end(t, matched) == AUTH_OK) {
            auth_let_in(n, c, t->user, false, NULL);
            return CLIENT_AUTH_IN;
        }
        auth_refuse_conn(n, c, auth_end(t, matched));
        return CLIENT_AUTH_CLOSED;
    }
    enum err e = offload_submit(n->set->offload, n->sh->id, &lj->job);
    if (e != OK) {
        login_free(lj);
        COUNT(&n->sh->counters, auth_full, 1);
        return CLIENT_AUTH_FULL;
    }
    lj->next = n->jobs;
    if (n->jobs != NULL)
        n->jobs->prev = lj;
    n->jobs = lj;
    c->auth->job = lj;
    return CLIENT_AUTH_WAITS;
}

/* Nobody waits for the job any more; it ends by itself. */
static void
login_let_go(struct client_auth *ca)
{
    if (ca->job == NULL)
        return;
    ca->job->slot = 0;
    atomic_store_explicit(&ca->job->cancelled, true, memory_order_relaxed);
    ca->job = NULL;
}

void
client_auth_leave_jobs(struct net *n)
{
    while (n->jobs != NULL) {
        struct login_job *lj = n->jobs;
        n->jobs = lj->next;
        atomic_store_explicit(&lj->cancelled, true, memory_order_relaxed);
        lj->next = atomic_load_explicit(&n->set->jobs_left, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&n->set->jobs_left, &lj->next, lj))
            continue;
    }
}

void
client_auth_free_left(struct net_set *set)
{
    struct login_job *lj = atomic_load(&set->jobs_left);

    atomic_store(&set->jobs_left, NULL);
    while (lj != NULL) {
        struct login_job *next = lj->next;
        login_free(lj);
        lj = next;
    }
}

/* ---- CONNECT ---- */

static struct auth_view
auth_view(struct json_str s)
{
    return (struct auth_view){.ptr = s.ptr, .len = s.len};
}

/* Who is in already, and names nobody else and no secret in a repeated CONNECT, stays who it is: the secret it gave is not kept. */
static bool
auth_is_same(const struct client_auth *ca, const struct nats_connect *o)
{
    if (!ca->in || ca->anonymous || o->pass.len > 0 || o->auth_token.len > 0)
        return false;
    if (ca->user == NULL)
        return true;
    return o->user.len == ca->user->name_len && memcmp(o->user.ptr, ca->user->name, o->user.len) == 0;
}

enum client_auth_verdict
client_auth_connect(struct net *n, struct conn *c)
{
    const struct nats_connect *o = c->opts;
    struct client_auth *ca = c->auth;
    struct auth_try t;

    if (ca == NULL || ca->snap == NULL) /* no login is required; it may have come by one that was */
        return CLIENT_AUTH_IN;
    if (auth_is_same(ca, o)) {
        auth_set_perms(n, c, ca->perms); /* its subscriptions are gone, and with them what was remembered */
        return CLIENT_AUTH_IN;
    }
    struct auth_login l = {.user = auth_view(o->user), .pass = auth_view(o->pass), .token = auth_view(o->auth_token), .conn_type = AUTH_CONN_STANDARD};
    enum auth_verdict v = auth_begin(ca->snap, &l, &t);
    if (v == AUTH_HASHING)
        return login_start(n, c, &t);
    if (v != AUTH_OK) {
        auth_refuse_conn(n, c, v);
        return CLIENT_AUTH_CLOSED;
    }
    bool anonymous = l.user.len == 0 && l.pass.len == 0 && l.token.len == 0;
    auth_let_in(n, c, t.user, anonymous, anonymous ? NULL : &t.given);
    return CLIENT_AUTH_IN;
}

bool
client_auth_gate(struct net *n, struct conn *c, uint8_t first)
{
    const struct auth_user *u = c->auth->snap->no_auth_user;
    struct auth_login l = {.user = {"", 0}, .pass = {"", 0}, .token = {"", 0}, .conn_type = AUTH_CONN_STANDARD};
    struct auth_try t;

    if (first == 'C' || first == 'c')
        return true;
    enum auth_verdict v = u != NULL ? auth_begin(c->auth->snap, &l, &t) : AUTH_NO;
    if (v == AUTH_OK) {
        auth_let_in(n, c, t.user, true, NULL);
        return true;
    }
    auth_refuse_conn(n, c, v);
    return false;
}

/* ---- permissions ---- */

/* The table of remembered answers, made when first asked for; without memory for it there is none. */
static struct verdicts *
auth_verdicts(struct net *n, struct verdicts **v)
{
    if (UNLIKELY(*v == NULL) && (*v = fault_calloc(1, sizeof(**v))) != NULL)
        (*v)->walks = &n->sh->counters.perm_walks;
    return *v;
}

bool
client_auth_may_publish(struct net *n, struct conn *c, const uint8_t *subject, uint32_t len)
{
    struct client_auth *ca = c->auth;

    if (LIKELY(perms_pub_known(ca->perms, auth_verdicts(n, &ca->pubs), subject, len, &ca->last)))
        return true;
    return ca->perms->responses && replies_use(&ca->replies, &ca->terms, subject, len, n->sh->now);
}

bool
client_auth_could_publish(const struct conn *c, const uint8_t *subject, uint32_t len)
{
    return c->auth == NULL || c->auth->perms == NULL || perms_pub(c->auth->perms, subject, len);
}

bool
client_auth_may_subscribe(struct net *n, struct conn *c, const uint8_t *subject, uint32_t len, const uint8_t *queue, uint32_t queue_len)
{
    struct client_auth *ca = c->auth;
    bool filter = false;
    (void)n;

    if (ca == NULL || ca->perms == NULL || !perms_checks_sub(ca->perms))
        return true;
    if (!perms_sub(ca->perms, subject, len, queue, queue_len, &filter))
        return false;
    if (filter && !ca->filtered) {
        ca->filtered = true;
        auth_set_flags(c);
    }
    return true;
}

/* While a reload has not looked at all subscriptions, each is looked at before it gets anything. */
static bool
auth_may_keep(struct net *n, const struct client_auth *ca, uint32_t sub)
{
    uint32_t len, queue_len, acc;
    const uint8_t *subject = interest_subject(n->broker.ix, sub, &len, &acc);
    const uint8_t *queue = interest_queue(n->broker.ix, sub, &queue_len);
    bool filter;

    return ca->perms == NULL || perms_sub(ca->perms, subject, len, queue, queue_len, &filter);
}

bool
client_auth_may_take(struct net *n, struct conn *c, uint32_t sub, const struct pub_msg *m)
{
    struct client_auth *ca = c->auth;

    if (UNLIKELY(ca->unchecked != NULL) && !auth_may_keep(n, ca, sub)) {
        COUNT(&n->sh->counters, deliveries_denied, 1);
        return false;
    }
    if (ca->perms == NULL || (!ca->filtered && ca->unchecked == NULL))
        return true;
    uint32_t queue_len;
    const uint8_t *queue = interest_queue(n->broker.ix, sub, &queue_len);
    if (LIKELY(perms_deliver_known(ca->perms, auth_verdicts(n, &ca->takes), m->subject, m->subject_len, queue, queue_len)))
        return true;
    COUNT(&n->sh->counters, deliveries_denied, 1);
    return false;
}

void
client_auth_on_take(struct net *n, struct conn *c, const struct pub_msg *m)
{
    struct client_auth *ca = c->auth;

    if (m->reply_len == 0 || ca->perms == NULL || !ca->perms->responses || !perms_checks_pub(ca->perms))
        return;
    /* Replies are mostly seen once: no answer is remembered in another's place. */
    if (!perms_pub(ca->perms, m->reply, m->reply_len) && !replies_use(&ca->replies, &ca->terms, m->reply, m->reply_len, n->sh->now))
        COUNT(&n->sh->counters, responses_dropped, replies_add(&ca->replies, &ca->terms, m->reply, m->reply_len, n->sh->now));
}

/* ---- reload ---- */

static void
auth_tell_removed(struct net *n, struct conn *c, struct nats_view subject, struct nats_view queue, struct nats_view sid)
{
    const struct auth_user *u = c->auth->user;
    char s[256], q[256], id[64];

    client_send_violation(n, c, NATS_PERM_SUBSCRIBE, subject, queue, sid);
    COUNT(&n->sh->counters, subs_denied, 1);
    if (!net_may_log(n, NET_QUIET_PERMS))
        return;
    int s_len = (int)nats_quote(subject.ptr, subject.len, s, sizeof(s)); /* cut is fine in a log */
    int q_len = (int)nats_quote(queue.ptr, queue.len, q, sizeof(q));
    log_inf("Removed sub %.*s%s%.*s (sid \"%s\") for User \"%s\" - not authorized", s_len, s, queue.len > 0 ? " using queue " : "",
            queue.len > 0 ? q_len : 0, q, log_quote(id, sizeof(id), sid.ptr, sid.len), u != NULL ? u->name : "");
}

/* One subscription. False: it must go, and there is no room to tell the other shards. */
static bool
auth_recheck_sub(struct net *n, struct conn *c, uint32_t sub)
{
    uint32_t len, queue_len, sid_len, acc;
    const uint8_t *subject = interest_subject(n->broker.ix, sub, &len, &acc);
    const uint8_t *queue = interest_queue(n->broker.ix, sub, &queue_len);
    const uint8_t *sid = sub_sid(interest_sub(n->broker.ix, sub), &sid_len);

    if (client_auth_may_subscribe(n, c, subject, len, queue, queue_len))
        return true;
    if (!broker_can_remove(&n->broker, sub))
        return false;
    auth_tell_removed(n, c, (struct nats_view){subject, len}, (struct nats_view){queue_len > 0 ? queue : NULL, queue_len},
                      (struct nats_view){sid, sid_len});
    if (c->state == CONN_OPEN)
        ASSERT(broker_remove_sub(&n->broker, &c->ep, sub) == OK); /* there is room */
    return true;
}

static bool
auth_recheck_subs(struct net *n, struct conn *c)
{
    struct client_auth *ca = c->auth;

    for (uint32_t i = 0; ca->n_unchecked > 0 && c->state == CONN_OPEN; i++) {
        struct sidmap_item item = ca->unchecked[ca->n_unchecked - 1];
        if (i >= AUTH_RECHECK_SLICE)
            return false;
        if (sidmap_has(&c->ep.sids, item) && !auth_recheck_sub(n, c, item.sub))
            return false;
        ca->n_unchecked--;
    }
    free(ca->unchecked);
    ca->unchecked = NULL;
    auth_set_flags(c);
    return true;
}

/* Other permissions from here on: all subscriptions have to be looked at. */
static bool
auth_change_perms(struct net *n, struct conn *c, const struct perms *p)
{
    struct client_auth *ca = c->auth;

    if (perms_equal(ca->perms, p)) {
        ca->perms = p; /* of the new snapshot: what is remembered stays true */
        return true;
    }
    auth_set_perms(n, c, p);
    if (c->ep.n_subs == 0 || p == NULL || !perms_checks_sub(p))
        return true;
    ca->unchecked = fault_malloc(c->ep.n_subs * sizeof(*ca->unchecked));
    if (ca->unchecked == NULL) {
        conn_close(n, c, NATS_CLOSED_READ_ERROR); /* it may have what it must not have */
        return true;
    }
    ca->n_unchecked = c->ep.n_subs;
    sidmap_list(&c->ep.sids, n->broker.ix, ca->unchecked);
    auth_set_flags(c);
    return auth_recheck_subs(n, c);
}

/* A connection that needed no login so far. */
static bool
auth_recheck_open(struct net *n, struct conn *c, const struct auth *a)
{
    const struct auth_user *u = a->no_auth_user;

    if (u == NULL || (u->conn_types & AUTH_CONN_STANDARD) == 0 || u->proxy_required) {
        auth_refuse_conn(n, c, AUTH_NO);
        return true;
    }
    struct client_auth *ca = auth_take(n, c);
    if (ca == NULL)
        return true;
    ca->in = ca->anonymous = true;
    ca->user = u;
    return auth_change_perms(n, c, u->perms);
}

/* The hash that it waits for is that of another configuration. */
static void
auth_recheck_job(struct client_auth *ca, const struct auth *a)
{
    struct auth_try *t = &ca->job->try;
    const struct auth_user *u = NULL;

    if (t->if_matched != AUTH_OK || a == NULL || auth_again(a, ca->snap, t->user, NULL, false, AUTH_CONN_STANDARD, &u) != AUTH_AGAIN_OK)
        t->if_matched = AUTH_NO; /* the client has to come again */
    t->user = u;
}

/* One that is not in yet: it waits for its CONNECT, or for a hash. */
static void
auth_recheck_due(struct net *n, struct conn *c, const struct auth *a)
{
    struct client_auth *ca = c->auth;

    ca->snap = a;
    if (a != NULL || ca->job != NULL)
        return;
    c->flags &= (uint32_t)~CONN_AUTH_DUE;
    client_auth_close(n, c);
    client_auth_free(c);
}

bool
client_auth_recheck(struct net *n, struct conn *c)
{
    const struct auth *a = auth_of(n);
    struct client_auth *ca = c->auth;
    const struct auth_user *u = NULL;

    if (c->state != CONN_OPEN) {
        client_auth_orphan(c);
        return true;
    }
    if (ca == NULL)
        return a == NULL || auth_recheck_open(n, c, a);
    if (ca->snap == a)
        return ca->unchecked == NULL || auth_recheck_subs(n, c);
    if (ca->job != NULL)
        auth_recheck_job(ca, a);
    if (!ca->in) {
        auth_recheck_due(n, c, a);
        return true;
    }
    enum auth_again again = ca->user != NULL ? AUTH_AGAIN_GONE : AUTH_AGAIN_OK;
    if (a != NULL)
        again = auth_again(a, ca->snap, ca->user, ca->has_known ? &ca->known : NULL, ca->anonymous, AUTH_CONN_STANDARD, &u);
    if (again != AUTH_AGAIN_OK) {
        if (again == AUTH_AGAIN_GONE)
            conn_close(n, c, NATS_CLOSED_CLIENT);
        else
            auth_refuse_conn(n, c, AUTH_NO);
        client_auth_orphan(c); /* its last words may outlive the snapshot that it is of */
        return true;
    }
    ca->snap = a;
    ca->user = u;
    return auth_change_perms(n, c, u != NULL ? u->perms : NULL);
}

/* ---- the end ---- */

/* A closing one: nothing of the old snapshot is known to it any more. */
void
client_auth_orphan(struct conn *c)
{
    struct client_auth *ca = c->auth;

    if (ca == NULL)
        return;
    ASSERT(ca->job == NULL);
    ca->in = false;
    ca->snap = NULL;
    ca->user = NULL;
    ca->perms = NULL;
}

void
client_auth_close(struct net *n, struct conn *c)
{
    struct client_auth *ca = c->auth;

    if (ca == NULL)
        return;
    timer_disarm(&n->sh->timers, &ca->timer);
    if (ca->job != NULL)
        conn_unwait(n, c);
    login_let_go(ca);
}

void
client_auth_free(struct conn *c)
{
    struct client_auth *ca = c->auth;

    if (ca == NULL)
        return;
    ASSERT(ca->job == NULL);
    auth_forget_verdicts(ca);
    free(ca->unchecked);
    sodium_memzero(ca, sizeof(*ca));
    free(ca);
    c->auth = NULL;
}
