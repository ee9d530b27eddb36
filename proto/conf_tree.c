#include <stdalign.h>
#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"

enum {
    CONF_ITEMS_MIN = 64,
    CONF_SCAN_MAX = 32, /* entries of an open map that are looked at one by one */
    CONF_VALUE_SIZE = 8, /* what a value counts for, besides its text */
};

/* ---- the stack of values ------------------------------------------------------------------------------------------ */

/* Room for one more. The old stack is wiped: it may have held a number that is a password. */
static enum err
conf_items_grow(struct conf_parser *p)
{
    if (p->n_items < p->cap_items)
        return OK;
    uint32_t           cap = p->cap_items == 0 ? CONF_ITEMS_MIN : 2 * p->cap_items;
    struct conf_value *items = fault_malloc(cap * sizeof(*items));
    if (items == NULL)
        return conf_nomem(p);
    if (p->n_items > 0)
        memcpy(items, p->items, p->n_items * sizeof(*items));
    if (p->items != NULL)
        sodium_memzero(p->items, p->n_items * sizeof(*items));
    free(p->items);
    p->items = items;
    p->cap_items = cap;
    return OK;
}

enum err
conf_frames_init(struct conf_parser *p)
{
    return conf_items_grow(p);
}

static bool
conf_is_list(const struct conf_value *v)
{
    return v->type == CONF_MAP || v->type == CONF_ARRAY;
}

/* Count what is added to a frame against the bounds of the tree. */
static enum err
conf_count(struct conf_parser *p, struct conf_frame *f, uint64_t size, uint32_t depth)
{
    f->size += size;
    f->depth = (uint32_t)max_u64(f->depth, depth);
    if (f->size > CONF_BYTES_MAX) {
        (void)conf_fail_plain(p, "The configuration is too large."); /* its verdict is the line below */
        return ERR_LIMIT;
    }
    if (p->n_open + depth > CONF_DEPTH_MAX) {
        (void)conf_fail_plain(p, "Maps and arrays are nested too deeply."); /* likewise */
        return ERR_LIMIT;
    }
    return OK;
}

enum err
conf_add(struct conf_parser *p, const struct conf_value *v)
{
    uint64_t size = CONF_VALUE_SIZE + (uint64_t)v->key.len;
    uint32_t depth = 0;

    if (v->type == CONF_STR)
        size += v->str.len;
    if (conf_is_list(v)) {
        size += v->list.size;
        depth = v->list.depth;
    }
    enum err e = conf_count(p, conf_frame(p), size, depth);
    if (e == OK)
        e = conf_items_grow(p);
    if (e != OK)
        return e;
    p->items[p->n_items++] = *v;
    return OK;
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

/* The next rune of a key in lower case, as far as a name of ASCII can meet it: the Kelvin sign is a k, and the dotted capital I an i (Go's
 * strings.ToLower). */
static uint8_t
conf_fold(struct conf_str *s)
{
    const uint8_t *k = (const uint8_t *)s->bytes;
    uint8_t        c = k[0];
    uint32_t       n = 1;

    if (c >= 'A' && c <= 'Z')
        c |= 0x20;
    else if (c == 0xE2 && s->len >= 3 && memcmp(k, "\xE2\x84\xAA", 3) == 0)
        c = 'k', n = 3;
    else if (c == 0xC4 && s->len >= 2 && memcmp(k, "\xC4\xB0", 2) == 0)
        c = 'i', n = 2;
    s->bytes += n;
    s->len -= n;
    return c;
}

bool
conf_fold_equal(struct conf_str a, struct conf_str b)
{
    while (a.len > 0 && b.len > 0) {
        if (conf_fold(&a) != conf_fold(&b))
            return false;
    }
    return a.len == b.len;
}

static bool
conf_equal(struct conf_str a, struct conf_str b)
{
    return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
}

/* FNV-1a of the folded key, with its bits mixed. No key: whoever writes the configuration need not be guarded against. */
static uint32_t
conf_hash(struct conf_str key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    while (key.len > 0)
        h = (h ^ conf_fold(&key)) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

/* Slots of a table for n entries. */
static uint32_t
conf_table_cap(uint32_t n)
{
    uint32_t cap = 2 * CONF_INDEX_MIN;

    while (cap < 2 * n)
        cap *= 2;
    return cap;
}

/* The slot of exactly this key, or the free one where it would go. Equal keys of other case lie before it in the order they were put in. */
static uint32_t *
conf_table_slot(uint32_t *slots, uint32_t cap, const struct conf_value *items, struct conf_str key)
{
    uint32_t i = conf_hash(key) & (cap - 1);

    while (slots[i] != 0 && !conf_equal(items[slots[i] - 1].key, key))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

struct conf_value *
conf_index_find(const struct conf_value *map, struct conf_str name)
{
    uint32_t cap = conf_table_cap(map->list.n), i = conf_hash(name) & (cap - 1);

    for (; map->list.index[i] != 0; i = (i + 1) & (cap - 1)) {
        struct conf_value *v = &map->list.items[map->list.index[i] - 1];
        if (conf_fold_equal(v->key, name))
            return v; /* the last one: it was put in first */
    }
    return NULL;
}

/* ---- lookups in an open map --------------------------------------------------------------------------------------- */

/* Put in what was added since the last lookup. */
static enum err
conf_table_update(struct conf_parser *p, struct conf_frame *f, uint32_t n)
{
    struct conf_table *t = &f->table;
    struct conf_value *items = p->items + f->base;
    uint32_t           cap = conf_table_cap(n);

    if (cap > t->cap) {
        uint32_t *slots = fault_calloc(2 * (size_t)cap, sizeof(*slots)); /* twice: half of all additions grow nothing */
        if (slots == NULL)
            return conf_nomem(p);
        free(t->slots);
        *t = (struct conf_table){.slots = slots, .cap = 2 * cap};
    }
    for (; t->n_in < n; t->n_in++)
        *conf_table_slot(t->slots, t->cap, items, items[t->n_in].key) = t->n_in + 1; /* the last one replaces */
    return OK;
}

enum err
conf_frame_find(struct conf_parser *p, struct conf_frame *f, struct conf_str key, struct conf_value **ret)
{
    struct conf_value *items = p->items + f->base;
    uint32_t           n = p->n_items - f->base;

    *ret = NULL;
    /* An inner frame's values stand behind this one's, which are complete as far as they go. */
    if (f != conf_frame(p))
        n = (f + 1)->base - f->base;
    if (n <= CONF_SCAN_MAX) {
        while (n-- > 0 && *ret == NULL)
            *ret = conf_equal(items[n].key, key) ? &items[n] : NULL;
        return OK;
    }
    enum err e = conf_table_update(p, f, n);
    if (e != OK)
        return e;
    uint32_t slot = *conf_table_slot(f->table.slots, f->table.cap, items, key);
    *ret = slot == 0 ? NULL : &items[slot - 1];
    return OK;
}

/* ---- opening and closing ------------------------------------------------------------------------------------------ */

enum err
conf_frame_open(struct conf_parser *p, enum conf_frame_kind kind)
{
    if (kind != CONF_FRAME_TOP && p->n_open == CONF_DEPTH_MAX) {
        (void)conf_fail_plain(p, "Maps and arrays are nested too deeply."); /* its verdict is the line below */
        return ERR_LIMIT;
    }
    ASSERT(p->n_frames < CONF_FRAMES_MAX);
    p->frames[p->n_frames++] = (struct conf_frame){.kind = kind, .base = p->n_items, .next.key = CONF_STR_LIT("")};
    p->n_open += kind != CONF_FRAME_TOP;
    return OK;
}

/* Forget the innermost frame, but not its values. */
static struct conf_frame *
conf_frame_pop(struct conf_parser *p)
{
    struct conf_frame *f = conf_frame(p);

    free(f->table.slots);
    f->table = (struct conf_table){0};
    p->n_open -= f->kind != CONF_FRAME_TOP;
    p->n_frames--;
    return f;
}

/* Mark the entries of a small map whose key comes again. */
static void
conf_shadow_few(struct conf_value *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = i + 1; j < n && items[i].key.bytes != NULL; j++) {
            if (conf_equal(items[i].key, items[j].key))
                items[i].key.bytes = NULL;
        }
    }
}

/* The same of a large map, with its index as the way. */
static void
conf_shadow_many(struct conf_value *items, uint32_t n, uint32_t *slots, uint32_t cap)
{
    for (uint32_t i = n; i-- > 0;) {
        uint32_t *slot = conf_table_slot(slots, cap, items, items[i].key);
        if (*slot != 0)
            items[i].key.bytes = NULL;
        else
            *slot = i + 1;
    }
}

/* Remove the entries that are marked. */
static uint32_t
conf_compact(struct conf_value *items, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (items[i].key.bytes != NULL)
            items[kept++] = items[i];
    }
    return kept;
}

/* Of equal keys only the last one stays; a large map gets its index. */
static enum err
conf_map_finish(struct conf_parser *p, struct conf_value *items, uint32_t *io_n, const uint32_t **ret_index)
{
    uint32_t *slots = NULL;

    *ret_index = NULL;
    for (uint32_t n = 0; n != *io_n;) { /* twice at most: without shadowed keys the index is right */
        n = *io_n;
        slots = NULL;
        if (n < CONF_INDEX_MIN) {
            conf_shadow_few(items, n);
        } else {
            uint32_t cap = conf_table_cap(n);
            slots = conf_alloc(p->doc, cap * sizeof(*slots), alignof(uint32_t));
            if (slots == NULL)
                return conf_nomem(p);
            memset(slots, 0, cap * sizeof(*slots));
            conf_shadow_many(items, n, slots, cap);
        }
        *io_n = conf_compact(items, n);
    }
    *ret_index = slots;
    return OK;
}

enum err
conf_frame_close(struct conf_parser *p, struct conf_value *ret)
{
    struct conf_frame *f = conf_frame_pop(p);
    struct conf_value *from = p->items + f->base, *items = NULL;
    uint32_t           n = p->n_items - f->base;
    const uint32_t    *index = NULL;

    if (f->kind != CONF_FRAME_ARRAY) {
        enum err e = conf_map_finish(p, from, &n, &index);
        if (e != OK)
            return e;
    }
    if (n > 0) {
        items = conf_alloc(p->doc, n * sizeof(*items), alignof(struct conf_value));
        if (items == NULL)
            return conf_nomem(p);
        memcpy(items, from, n * sizeof(*items));
    }
    p->n_items = f->base;
    ret->type = f->kind == CONF_FRAME_ARRAY ? CONF_ARRAY : CONF_MAP;
    ret->list.items = items;
    ret->list.n = n;
    ret->list.index = index;
    ret->list.depth = f->depth + 1;
    ret->list.size = (uint32_t)f->size;
    return OK;
}

void
conf_text_close(struct conf_parser *p)
{
    const struct conf_frame *f = conf_frame_pop(p);
    struct conf_frame       *below = conf_frame(p);

    ASSERT(f->kind == CONF_FRAME_TOP);
    below->size += f->size; /* the next addition looks whether it is too much */
    below->depth = (uint32_t)max_u64(below->depth, f->depth);
}

void
conf_frames_fini(struct conf_parser *p)
{
    while (p->n_frames > 0)
        (void)conf_frame_pop(p); /* its place, of no use any more */
    if (p->items != NULL)
        sodium_memzero(p->items, p->cap_items * sizeof(*p->items));
    free(p->items);
    p->items = NULL;
}
