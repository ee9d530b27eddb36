#include "auth/perms.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/rt/counters.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

/* ---- building ---- */

static enum err
perms_list(const struct auth_subjects *l, struct subjset **ret)
{
    return l->n > 0 ? subjset_new(l->subjects, l->n, ret) : OK;
}

static void
perms_digest_list(crypto_generichash_state *st, const struct auth_subjects *l)
{
    (void)crypto_generichash_update(st, (const uint8_t *)&l->n, sizeof(l->n)); /* these cannot fail */
    for (uint32_t i = 0; i < l->n; i++)
        (void)crypto_generichash_update(st, (const uint8_t *)l->subjects[i], strlen(l->subjects[i]) + 1);
}

static void
perms_digest(const struct auth_perms *conf, uint8_t ret[PERMS_DIGEST_LEN])
{
    crypto_generichash_state st;
    int64_t terms[3] = {conf->responses, conf->responses ? conf->responses_max : 0, conf->responses ? conf->responses_expire_ns : 0};

    (void)crypto_generichash_init(&st, NULL, 0, PERMS_DIGEST_LEN); /* these cannot fail */
    (void)crypto_generichash_update(&st, (const uint8_t *)terms, sizeof(terms));
    perms_digest_list(&st, &conf->pub_allow);
    perms_digest_list(&st, &conf->pub_deny);
    perms_digest_list(&st, &conf->sub_allow);
    perms_digest_list(&st, &conf->sub_deny);
    (void)crypto_generichash_final(&st, ret, PERMS_DIGEST_LEN);
}

enum err
perms_new(const struct auth_perms *conf, struct perms **ret)
{
    struct perms *p = fault_calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    p->responses = conf->responses;
    p->responses_max = conf->responses_max;
    p->responses_expire_ns = conf->responses_expire_ns;
    perms_digest(conf, p->digest);
    p->pub_none = conf->responses && conf->pub_allow.n == 0;
    enum err e = perms_list(&conf->pub_allow, &p->pub_allow);
    if (e == OK)
        e = perms_list(&conf->pub_deny, &p->pub_deny);
    if (e == OK)
        e = perms_list(&conf->sub_allow, &p->sub_allow);
    if (e == OK)
        e = perms_list(&conf->sub_deny, &p->sub_deny);
    if (e != OK) {
        perms_free(p);
        return e;
    }
    *ret = p;
    return OK;
}

void
perms_free(struct perms *p)
{
    if (p == NULL)
        return;
    subjset_free(p->pub_allow);
    subjset_free(p->pub_deny);
    subjset_free(p->sub_allow);
    subjset_free(p->sub_deny);
    free(p);
}

static bool
perms_list_equal(const struct auth_subjects *a, const struct auth_subjects *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; a->subjects != b->subjects && i < a->n; i++) {
        if (strcmp(a->subjects[i], b->subjects[i]) != 0)
            return false;
    }
    return true;
}

bool
perms_conf_equal(const struct auth_perms *a, const struct auth_perms *b)
{
    return a->responses == b->responses &&
           (!a->responses || (a->responses_max == b->responses_max && a->responses_expire_ns == b->responses_expire_ns)) &&
           perms_list_equal(&a->pub_allow, &b->pub_allow) && perms_list_equal(&a->pub_deny, &b->pub_deny) &&
           perms_list_equal(&a->sub_allow, &b->sub_allow) && perms_list_equal(&a->sub_deny, &b->sub_deny);
}

static uint32_t
perms_list_hash(const struct auth_subjects *l, uint32_t seed)
{
    seed = subjset_hash((const uint8_t *)&l->n, sizeof(l->n), seed);
    for (uint32_t i = 0; i < l->n; i++)
        seed = subjset_hash((const uint8_t *)l->subjects[i], strlen(l->subjects[i]), seed);
    return seed;
}

uint32_t
perms_conf_hash(const struct auth_perms *a)
{
    return perms_list_hash(&a->pub_allow, perms_list_hash(&a->pub_deny, perms_list_hash(&a->sub_allow, perms_list_hash(&a->sub_deny, a->responses))));
}

bool
perms_equal(const struct perms *a, const struct perms *b)
{
    return a == b || (a != NULL && b != NULL && memcmp(a->digest, b->digest, sizeof(a->digest)) == 0);
}

/* ---- asking ---- */

bool
perms_pub(const struct perms *p, const uint8_t *subject, size_t len)
{
    struct subjset_tokens t;

    if (p->pub_none)
        return false;
    subjset_split(&t, subject, len);
    if (p->pub_allow != NULL && !subjset_match_tokens(p->pub_allow, &t, NULL, 0).plain)
        return false;
    return p->pub_deny == NULL || !subjset_match_tokens(p->pub_deny, &t, NULL, 0).plain;
}

bool
perms_deliver(const struct perms *p, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len)
{
    if (p->sub_deny == NULL)
        return true;
    struct subjset_hit hit = subjset_match(p->sub_deny, subject, len, queue, queue_len);
    return !hit.plain && !hit.queue;
}

bool
perms_sub(const struct perms *p, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len, bool *ret_filter)
{
    if (p->sub_allow != NULL) {
        struct subjset_hit hit = subjset_cover(p->sub_allow, subject, len, queue, queue_len);
        if (!(queue_len > 0 && hit.queues ? hit.queue : hit.plain))
            return false;
    }
    if (p->sub_deny == NULL) {
        *ret_filter = false;
        return true;
    }
    if (!perms_deliver(p, subject, len, queue, queue_len))
        return false;
    *ret_filter = !subject_literal(subject, len) && subject_valid(subject, len) && subjset_overlap(p->sub_deny, subject, len);
    return true;
}

/* ---- remembering ---- */

/* Where this key's answer is, or belongs. *ret_known: it is there. NULL: too long to remember. */
static inline struct verdict *
verdicts_find(struct verdicts *v, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len, bool *ret_known)
{
    if (UNLIKELY(v == NULL || len + queue_len > VERDICT_KEY_MAX || len == 0))
        return NULL;
    uint32_t hash = subjset_hash(subject, len, 0);
    if (queue_len > 0)
        hash = subjset_hash(queue, queue_len, hash);
    struct verdict *at = &v->at[hash % VERDICTS_N];
    if (queue_len == 0)
        *ret_known = verdict_is(at, subject, len);
    else
        *ret_known = at->hash == hash && at->subject_len == len && at->queue_len == queue_len && memcmp(at->bytes, subject, len) == 0 &&
                     memcmp(at->bytes + len, queue, queue_len) == 0;
    if (!*ret_known) {
        at->hash = hash;
        at->subject_len = 0; /* until the answer is noted */
    }
    return at;
}

static bool
verdict_note(struct verdict *at, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len, bool allowed)
{
    if (at == NULL)
        return allowed;
    memcpy(at->bytes, subject, len);
    if (queue_len > 0)
        memcpy(at->bytes + len, queue, queue_len);
    at->subject_len = (uint8_t)len;
    at->queue_len = (uint8_t)queue_len;
    at->allowed = allowed;
    return allowed;
}

/* No answer is known. */
static inline void
verdicts_missed(const struct verdicts *v)
{
    if (v != NULL && v->walks != NULL)
        counters_add(v->walks, 1);
}

bool
perms_pub_known(const struct perms *p, struct verdicts *v, const uint8_t *subject, size_t len, const struct verdict **ret_at)
{
    bool known = false;
    struct verdict *at = verdicts_find(v, subject, len, NULL, 0, &known);

    if (at != NULL)
        *ret_at = at;
    if (LIKELY(known))
        return at->allowed;
    verdicts_missed(v);
    return verdict_note(at, subject, len, NULL, 0, perms_pub(p, subject, len));
}

bool
perms_deliver_known(const struct perms *p, struct verdicts *v, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len)
{
    bool known = false;
    struct verdict *at = verdicts_find(v, subject, len, queue, queue_len, &known);

    if (LIKELY(known))
        return at->allowed;
    verdicts_missed(v);
    return verdict_note(at, subject, len, queue, queue_len, perms_deliver(p, subject, len, queue, queue_len));
}
