#include "core/broker/sidmap.h"

#include <stdlib.h>
#include <string.h>

#include "core/broker/interest_priv.h"
#include "core/broker/tagtab.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"

enum { SIDMAP_MANY = UINT16_MAX };

static uint32_t
sid_tag(const struct interest *ix, const uint8_t *sid, uint32_t len)
{
    uint64_t h = hash_bytes(&ix->key, sid, len);
#ifdef INTEREST_TEST_HASHES
    h %= INTEREST_TEST_HASHES;
#endif
    return (uint32_t)h;
}

static uint32_t
sub_tag(struct interest *ix, uint32_t sub)
{
    uint32_t len;
    const uint8_t *sid = sub_sid(interest_sub(ix, sub), &len);
    return sid_tag(ix, sid, len);
}

static bool
sub_has_sid(struct interest *ix, uint32_t sub, const uint8_t *sid, uint32_t sid_len)
{
    uint32_t len;
    const uint8_t *own = sub_sid(interest_sub(ix, sub), &len);
    return len == sid_len && bytes_equal(own, sid, len);
}

/* In place or few: the numbers. */
static uint32_t *
sidmap_items(const struct sidmap *m)
{
    ASSERT(m->cap != SIDMAP_MANY);
    return m->cap == 0 ? (uint32_t *)(uintptr_t)m->u.in : m->u.few;
}

uint32_t
sidmap_find(const struct sidmap *m, struct interest *ix, const uint8_t *sid, uint32_t sid_len)
{
    if (m->cap == SIDMAP_MANY) {
        uint32_t tag = sid_tag(ix, sid, sid_len);
        for (const struct tagtab_slot *p = tagtab_find(m->u.many, tag); tagtab_is(p, tag); p++) {
            if (sub_has_sid(ix, p->val, sid, sid_len))
                return p->val;
        }
        return 0;
    }
    const uint32_t *items = sidmap_items(m);
    for (uint32_t i = 0; i < m->n; i++) {
        if (sub_has_sid(ix, items[i], sid, sid_len))
            return items[i];
    }
    return 0;
}

static enum err
sidmap_to_few(struct sidmap *m)
{
    uint32_t *few = fault_malloc(SIDMAP_FEW * sizeof *few);
    if (few == NULL)
        return ERR_NOMEM;
    memcpy(few, m->u.in, m->n * sizeof *few);
    m->u.few = few;
    m->cap = SIDMAP_FEW;
    return OK;
}

static enum err
sidmap_to_many(struct sidmap *m, struct interest *ix)
{
    struct tagtab *many = fault_malloc(sizeof *many);
    if (many == NULL)
        return ERR_NOMEM;
    tagtab_init(many);
    for (uint32_t i = 0; i < m->n; i++) {
        if (tagtab_add(many, sub_tag(ix, m->u.few[i]), m->u.few[i]) != OK) {
            tagtab_fini(many);
            free(many);
            return ERR_NOMEM;
        }
    }
    free(m->u.few);
    m->u.many = many;
    m->cap = SIDMAP_MANY;
    return OK;
}

enum err
sidmap_add(struct sidmap *m, struct interest *ix, uint32_t sub)
{
    enum err e = OK;
    if (m->cap == 0 && m->n == SIDMAP_INLINE)
        e = sidmap_to_few(m);
    else if (m->cap == SIDMAP_FEW && m->n == SIDMAP_FEW)
        e = sidmap_to_many(m, ix);
    if (e == OK && m->cap == SIDMAP_MANY)
        e = tagtab_add(m->u.many, sub_tag(ix, sub), sub);
    if (e != OK)
        return e;
    if (m->cap != SIDMAP_MANY)
        sidmap_items(m)[m->n] = sub;
    m->n++;
    return OK;
}

/* Down to what fits in place: put it there. */
static void
sidmap_to_inline(struct sidmap *m)
{
    uint32_t in[SIDMAP_INLINE], n = 0;
    ASSERT(m->n <= SIDMAP_INLINE);
    if (m->cap == SIDMAP_MANY) {
        struct tagtab *many = m->u.many;
        for (uint32_t cursor = 0, tag = 0; n < m->n; n++) {
            in[n] = tagtab_any(many, &cursor, &tag);
            ASSERT(tagtab_del(many, tag, in[n]));
        }
        tagtab_fini(many);
        free(many);
    } else {
        memcpy(in, m->u.few, m->n * sizeof *in);
        free(m->u.few);
    }
    memcpy(m->u.in, in, m->n * sizeof *in);
    m->cap = 0;
}

void
sidmap_remove(struct sidmap *m, struct interest *ix, uint32_t sub)
{
    ASSERT(m->n > 0);
    if (m->cap == SIDMAP_MANY) {
        ASSERT(tagtab_del(m->u.many, sub_tag(ix, sub), sub));
    } else {
        uint32_t *items = sidmap_items(m), i = 0;
        while (i < m->n && items[i] != sub)
            i++;
        ASSERT(i < m->n);
        items[i] = items[m->n - 1];
    }
    m->n--;
    if (m->cap != 0 && m->n <= SIDMAP_INLINE)
        sidmap_to_inline(m);
}

uint32_t
sidmap_any(const struct sidmap *m, uint32_t *cursor)
{
    uint32_t tag;
    if (m->n == 0)
        return 0;
    return m->cap == SIDMAP_MANY ? tagtab_any(m->u.many, cursor, &tag) : sidmap_items(m)[m->n - 1];
}

uint32_t
sidmap_next(const struct sidmap *m, uint64_t *cursor)
{
    if (m->cap != SIDMAP_MANY)
        return *cursor < m->n ? sidmap_items(m)[(*cursor)++] : 0;
    uint32_t seg = (uint32_t)(*cursor >> 32), i = (uint32_t)*cursor; /* segment, and slot in it */
    for (; seg < m->u.many->n_segs; seg++, i = 0) {
        const struct tagtab_seg *g = &m->u.many->segs[seg];
        for (; i < g->n_slots; i++) {
            if (g->slots[i].val == 0)
                continue;
            *cursor = (uint64_t)seg << 32 | (i + 1);
            return g->slots[i].val;
        }
    }
    *cursor = (uint64_t)seg << 32;
    return 0;
}

void
sidmap_list(const struct sidmap *m, struct interest *ix, struct sidmap_item *ret)
{
    uint32_t n = 0;

    if (m->cap != SIDMAP_MANY) {
        for (const uint32_t *items = sidmap_items(m); n < m->n; n++)
            ret[n] = (struct sidmap_item){.sub = items[n], .tag = sub_tag(ix, items[n])}; /* it may be a table when it is looked for */
        return;
    }
    const struct tagtab *t = m->u.many;
    for (uint32_t k = 0; k < t->n_segs; k++) {
        for (uint32_t i = 0; i < t->segs[k].n_slots; i++) {
            const struct tagtab_slot *p = &t->segs[k].slots[i];
            if (p->val != 0)
                ret[n++] = (struct sidmap_item){.sub = p->val, .tag = p->tag};
        }
    }
    ASSERT(n == m->n);
}

bool
sidmap_has(const struct sidmap *m, struct sidmap_item item)
{
    if (m->cap != SIDMAP_MANY) {
        const uint32_t *items = sidmap_items(m);
        uint32_t i = 0;
        while (i < m->n && items[i] != item.sub)
            i++;
        return i < m->n;
    }
    const struct tagtab_slot *p = tagtab_find(m->u.many, item.tag);
    while (tagtab_is(p, item.tag) && p->val != item.sub)
        p++;
    return tagtab_is(p, item.tag);
}

uint64_t
sidmap_bytes(const struct sidmap *m)
{
    if (m->cap == SIDMAP_MANY)
        return m->u.many->n_bytes + sizeof *m->u.many + MALLOC_OVERHEAD;
    return m->cap == 0 ? 0 : SIDMAP_FEW * sizeof *m->u.few + MALLOC_OVERHEAD;
}

void
sidmap_fini(struct sidmap *m)
{
    if (m->cap == SIDMAP_MANY) {
        tagtab_fini(m->u.many);
        free(m->u.many);
    } else if (m->cap != 0) {
        free(m->u.few);
    }
    memset(m, 0, sizeof *m);
}
