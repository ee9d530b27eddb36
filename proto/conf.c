#include "proto/conf.h"

#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"

enum {
    CONF_CHUNK_MIN = 4096,
    CONF_CHUNK_MAX = 1 << 20,
};

/* ---- memory ------------------------------------------------------------------------------------------------------- */

static struct conf_chunk *
conf_chunk_new(struct conf_doc *d, size_t n)
{
    size_t cap = d->chunks == NULL ? CONF_CHUNK_MIN : 2 * d->chunks->cap;

    cap = min_u64(cap, CONF_CHUNK_MAX);
    cap = max_u64(cap, n);
    struct conf_chunk *c = fault_malloc(sizeof(*c) + cap);
    if (c == NULL)
        return NULL;
    *c = (struct conf_chunk){.next = d->chunks, .cap = cap};
    d->chunks = c;
    return c;
}

void *
conf_alloc(struct conf_doc *d, size_t n, size_t align)
{
    struct conf_chunk *c = d->chunks;
    size_t             at = c == NULL ? 0 : round_up_u64(c->used, align);

    if (c == NULL || at > c->cap || n > c->cap - at) {
        c = conf_chunk_new(d, n);
        at = 0;
        if (c == NULL)
            return NULL;
    }
    c->used = at + n;
    return (char *)(c + 1) + at;
}

enum err
conf_copy(struct conf_doc *d, const void *p, size_t n, struct conf_str *ret)
{
    char *copy = conf_alloc(d, n + 1, 1);

    if (copy == NULL)
        return ERR_NOMEM;
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    *ret = (struct conf_str){.bytes = copy, .len = (uint32_t)n};
    return OK;
}

void
conf_doc_free(struct conf_doc *d)
{
    if (d == NULL)
        return;
    for (struct conf_chunk *c = d->chunks, *next = NULL; c != NULL; c = next) {
        next = c->next;
        sodium_memzero(c, sizeof(*c) + c->used);
        free(c);
    }
    sodium_memzero(d, sizeof(*d));
    free(d);
}

struct conf_value *
conf_doc_top(struct conf_doc *d)
{
    ASSERT(d->top.type == CONF_MAP);
    return &d->top;
}

/* ---- entry points ------------------------------------------------------------------------------------------------- */

static enum err
conf_start(struct conf_parser *p, const struct conf_env *env, char *why, size_t why_cap)
{
    *p = (struct conf_parser){.env = env, .why = why, .why_cap = why_cap};
    if (why_cap > 0)
        why[0] = '\0';
    p->doc = fault_calloc(1, sizeof(*p->doc));
    return p->doc == NULL ? conf_nomem(p) : conf_frames_init(p);
}

/* The top map is complete. */
static enum err
conf_finish(struct conf_parser *p)
{
    struct conf_value *top = &p->doc->top;

    ASSERT(p->n_frames == 1 && p->n_open == 0);
    *top = (struct conf_value){.key = CONF_STR_LIT("")};
    return conf_frame_close(p, top);
}

static enum err
conf_end(struct conf_parser *p, enum err e, struct conf_doc **ret_doc)
{
    if (e == OK)
        e = conf_finish(p);
    conf_frames_fini(p);
    if (e != OK) {
        conf_doc_free(p->doc);
        return e;
    }
    ASSERT(p->n_frames == 0);
    *ret_doc = p->doc;
    return OK;
}

enum err
conf_parse_file(const struct conf_env *env, const char *path, struct conf_doc **ret_doc, char *why, size_t why_cap)
{
    struct conf_parser p;
    enum err           e = conf_start(&p, env, why, why_cap);

    if (e == OK)
        e = conf_file(&p, path);
    return conf_end(&p, e, ret_doc);
}

enum err
conf_parse(const struct conf_env *env, const char *name, const char *bytes, size_t len, struct conf_doc **ret_doc, char *why, size_t why_cap)
{
    struct conf_parser p;
    struct conf_str    copy = {0};
    enum err           e = conf_start(&p, env, why, why_cap);

    if (e == OK && conf_copy(p.doc, name, strlen(name), &copy) != OK)
        e = conf_nomem(&p);
    if (e == OK)
        e = conf_bytes(&p, copy.bytes, bytes, len);
    return conf_end(&p, e, ret_doc);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

struct conf_value *
conf_get(const struct conf_value *map, const char *name)
{
    ASSERT(map->type == CONF_MAP);
    struct conf_str want = conf_str_c(name);

    if (map->list.index != NULL)
        return conf_index_find(map, want);
    for (uint32_t i = map->list.n; i-- > 0;) {
        if (conf_fold_equal(map->list.items[i].key, want))
            return &map->list.items[i];
    }
    return NULL;
}

const char *
conf_type_name(enum conf_type t)
{
    static const char *const names[] = {
        [CONF_STR] = "string",
        [CONF_INT] = "int64",
        [CONF_FLOAT] = "float64",
        [CONF_BOOL] = "bool",
        [CONF_TIME] = "time.Time",
        [CONF_MAP] = "map[string]interface {}",
        [CONF_ARRAY] = "[]interface {}",
    };

    ASSERT((size_t)t < N_ELEMS(names));
    return names[t];
}
