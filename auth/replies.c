#include "auth/replies.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

enum {
    REPLIES_MIN = 8,
    REPLIES_DROP_MAX = 4, /* expired ones dropped for each that is noted */
};

static struct reply *
reply_at(const struct replies *r, uint32_t i)
{
    ASSERT(i >= 1 && i <= r->cap);
    return &r->slots[i - 1];
}

static const uint8_t *
reply_subject(const struct reply *p)
{
    return p->len <= REPLY_INLINE ? p->subject.in : p->subject.far;
}

static uint32_t *
reply_bucket(const struct replies *r, uint32_t hash)
{
    return &r->table[hash & (r->cap - 1)];
}

static uint32_t
replies_find(const struct replies *r, uint32_t hash, const uint8_t *subject, size_t len)
{
    if (r->n == 0)
        return 0;
    for (uint32_t i = *reply_bucket(r, hash); i != 0; i = reply_at(r, i)->next_same) {
        const struct reply *p = reply_at(r, i);
        if (p->hash == hash && p->len == len && memcmp(reply_subject(p), subject, len) == 0)
            return i;
    }
    return 0;
}

static void
replies_drop(struct replies *r, uint32_t i)
{
    struct reply *p = reply_at(r, i);
    uint32_t *link = reply_bucket(r, p->hash);

    while (*link != i)
        link = &reply_at(r, *link)->next_same;
    *link = p->next_same;
    if (p->prev != 0)
        reply_at(r, p->prev)->next = p->next;
    else
        r->oldest = p->next;
    if (p->next != 0)
        reply_at(r, p->next)->prev = p->prev;
    else
        r->latest = p->prev;
    if (p->len > REPLY_INLINE) {
        r->far_bytes -= p->len;
        free(p->subject.far);
    }
    p->next_same = r->free;
    r->free = i;
    r->n--;
}

static bool
reply_expired(const struct reply *p, const struct replies_terms *t, int64_t now_ns)
{
    return t->expire_ns >= 0 && now_ns - p->at_ns > t->expire_ns;
}

bool
replies_use(struct replies *r, const struct replies_terms *t, const uint8_t *subject, size_t len, int64_t now_ns)
{
    if (r->n == 0)
        return false;
    uint32_t i = replies_find(r, (uint32_t)hash_bytes(&t->key, subject, len), subject, len);
    if (i == 0)
        return false;
    struct reply *p = reply_at(r, i);
    bool expired = reply_expired(p, t, now_ns);
    if (p->n < UINT32_MAX)
        p->n++;
    if (expired || (t->max >= 0 && p->n >= t->max))
        replies_drop(r, i); /* this was its last use */
    return !expired;
}

/* Twice as many slots. False: no memory, or enough of them. */
static bool
replies_grow(struct replies *r)
{
    uint32_t cap = r->cap > 0 ? 2 * r->cap : REPLIES_MIN;

    if (cap > REPLIES_MAX)
        return false;
    uint32_t *table = fault_calloc(cap, sizeof(*table));
    struct reply *slots = table != NULL ? fault_realloc(r->slots, cap * sizeof(*slots)) : NULL;
    if (slots == NULL) {
        free(table);
        return false;
    }
    free(r->table);
    r->slots = slots;
    r->table = table;
    uint32_t old = r->cap;
    r->cap = cap;
    for (uint32_t i = cap; i > old; i--) {
        reply_at(r, i)->next_same = r->free;
        r->free = i;
    }
    for (uint32_t i = r->oldest; i != 0; i = reply_at(r, i)->next) {
        struct reply *p = reply_at(r, i);
        p->next_same = *reply_bucket(r, p->hash);
        *reply_bucket(r, p->hash) = i;
    }
    return true;
}

/* A slot for a subject of this length; 0: no memory. *ret_n_dropped: responses that had to make room for it. */
static uint32_t
replies_take(struct replies *r, size_t len, uint32_t *ret_n_dropped)
{
    uint32_t n_before = r->n;

    while (len > REPLY_INLINE && r->far_bytes + len > REPLIES_FAR_MAX && r->oldest != 0)
        replies_drop(r, r->oldest);
    if (r->free == 0 && !replies_grow(r) && r->oldest != 0)
        replies_drop(r, r->oldest);
    *ret_n_dropped = n_before - r->n;
    uint32_t i = r->free;
    if (i == 0)
        return 0;
    struct reply *p = reply_at(r, i);
    uint8_t *far = len > REPLY_INLINE ? fault_malloc(len) : NULL;
    if (len > REPLY_INLINE && far == NULL)
        return 0;
    r->free = p->next_same;
    p->len = (uint32_t)len;
    if (far != NULL) {
        p->subject.far = far;
        r->far_bytes += len;
    }
    return i;
}

uint32_t
replies_add(struct replies *r, const struct replies_terms *t, const uint8_t *subject, size_t len, int64_t now_ns)
{
    for (uint32_t n = 0; n < REPLIES_DROP_MAX && r->oldest != 0 && reply_expired(reply_at(r, r->oldest), t, now_ns); n++)
        replies_drop(r, r->oldest);
    uint32_t n_dropped, i = replies_take(r, len, &n_dropped);
    if (i == 0)
        return n_dropped + 1;
    struct reply *p = reply_at(r, i);
    memcpy(len <= REPLY_INLINE ? p->subject.in : p->subject.far, subject, len);
    p->hash = (uint32_t)hash_bytes(&t->key, subject, len);
    p->n = 0;
    p->at_ns = now_ns;
    p->next_same = *reply_bucket(r, p->hash);
    *reply_bucket(r, p->hash) = i;
    p->next = 0;
    p->prev = r->latest;
    if (r->latest != 0)
        reply_at(r, r->latest)->next = i;
    else
        r->oldest = i;
    r->latest = i;
    r->n++;
    return n_dropped;
}

void
replies_fini(struct replies *r)
{
    while (r->oldest != 0)
        replies_drop(r, r->oldest);
    free(r->slots);
    free(r->table);
    *r = (struct replies){0};
}
