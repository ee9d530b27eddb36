#include "core/broker/mapping.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/broker/transform.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "proto/nats_text.h"
#include "proto/out.h"

enum { NONE = UINT32_MAX };

/* One destination in force. */
struct mapping_dest {
    struct transform *t; /* NULL: nowhere */
    uint32_t below;      /* of 100: it gets what falls below, and not below the one before */
};

struct mapping_entry {
    char *src;
    uint32_t src_len;
    uint32_t n_dests;
    bool rest_lost; /* what falls to no destination: lost, else it stays as it is */
    struct mapping_dest *dests;
};

/* The sources with wildcards. Numbers of entries are positions in the file; NONE: no such. */
struct mapping_node {
    uint32_t entry; /* a source ends here */
    uint32_t rest;  /* a source goes on with `>` from here */
    uint32_t star;  /* the node behind `*` */
    uint32_t least; /* of all entries from here on */
};

/* From a node by a token to a node. */
struct mapping_edge {
    const char *token; /* NULL: free */
    uint32_t len, parent, child;
};

struct mapping {
    struct mapping_entry *entries;
    uint32_t n_entries;
    uint32_t *literals; /* entries by the hash of their source; NONE: free */
    uint32_t n_literals_mask;
    struct mapping_node *nodes; /* the first is the root; n_nodes 0: no source has wildcards */
    uint32_t n_nodes;
    struct mapping_edge *edges;
    uint32_t n_edges_mask;
};

/* ---- judging ---- */

static bool
mapping_source_valid(const char *src)
{
    return subject_valid((const uint8_t *)src, strlen(src)) && strchr(src, '\f') == NULL;
}

static bool
mapping_same_cluster(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static void
mapping_why_quoted(struct out *o, const char *s)
{
    nats_quote_out(o, (const uint8_t *)s, strlen(s));
}

/* A text is ended, and cut where it does not fit. */
static void
mapping_why_end(struct out *o)
{
    if (o->cap > 0)
        o->ptr[o->len < o->cap ? o->len : o->cap - 1] = '\0';
}

/* The error of a whole source. */
static enum err
mapping_fail(const struct mapping_conf *conf, bool listed, const char *what, char *why, size_t why_cap)
{
    struct out o;

    out_init(&o, why, why_cap);
    out_str(&o, "Error adding mapping for ");
    mapping_why_quoted(&o, conf->src);
    if (!listed) {
        out_str(&o, " to ");
        mapping_why_quoted(&o, conf->dests[0].dest);
    }
    out_str(&o, " : ");
    out_str(&o, what);
    mapping_why_end(&o);
    return ERR_INVAL;
}

/* What is wrong with destination i beside those before it; "" if nothing. fail: ERR_NOMEM */
static enum err
mapping_check_dest(const struct mapping_conf *conf, uint32_t i, char *what, size_t what_cap)
{
    const struct mapping_dest_conf *d = &conf->dests[i];
    struct transform *t = NULL;
    uint32_t sum = d->weight;

    what[0] = '\0';
    for (uint32_t j = 0; j < i; j++) {
        if (strcmp(conf->dests[j].dest, d->dest) == 0) {
            struct out o;
            out_init(&o, what, what_cap);
            out_str(&o, "duplicate entry for ");
            mapping_why_quoted(&o, d->dest);
            mapping_why_end(&o);
            return OK;
        }
        if (mapping_same_cluster(conf->dests[j].cluster, d->cluster))
            sum += conf->dests[j].weight;
    }
    if (d->weight > MAPPING_WEIGHT_MAX) {
        (void)snprintf(what, what_cap, "individual weights need to be <= 100");
        return OK;
    }
    if (sum > MAPPING_WEIGHT_MAX) {
        (void)snprintf(what, what_cap, "total weight needs to be <= 100");
        return OK;
    }
    enum err e = transform_new(conf->src, d->dest, TRANSFORM_NO_LEFT_RIGHT, &t, what, what_cap);
    if (e == OK)
        transform_free(t);
    return e == ERR_INVAL ? OK : e;
}

enum err
mapping_check(const struct mapping_conf *conf, bool listed, char *why, size_t why_cap)
{
    char what[MAPPING_WHY_MAX];

    if (!mapping_source_valid(conf->src)) {
        struct out o;
        out_init(&o, why, why_cap);
        out_str(&o, "Subject ");
        mapping_why_quoted(&o, conf->src);
        out_str(&o, " is not a valid subject");
        mapping_why_end(&o);
        return ERR_INVAL;
    }
    for (uint32_t i = 0; i < conf->n_dests; i++) {
        enum err e = mapping_check_dest(conf, i, what, sizeof(what));
        if (e != OK)
            return e;
        if (what[0] != '\0')
            return mapping_fail(conf, listed, what, why, why_cap);
    }
    if (!subject_literal((const uint8_t *)conf->src, strlen(conf->src)) &&
        subject_n_tokens((const uint8_t *)conf->src, strlen(conf->src)) > MAPPING_TOKENS_MAX)
        return mapping_fail(conf, true, "too many tokens", why, why_cap);
    return OK;
}

/* ---- entries ---- */

/* The destinations of this cluster; those for any where it has none. */
static enum err
mapping_entry_init(struct mapping_entry *en, const struct mapping_conf *conf, const char *cluster)
{
    char why[MAPPING_WHY_MAX];
    const char *scope = NULL;
    uint32_t sum = 0;

    en->src_len = (uint32_t)strlen(conf->src);
    en->src = fault_malloc(en->src_len + 1);
    en->dests = fault_calloc(conf->n_dests + 1, sizeof(*en->dests)); /* one more: there may be none */
    if (en->src == NULL || en->dests == NULL)
        return ERR_NOMEM;
    memcpy(en->src, conf->src, en->src_len + 1);
    for (uint32_t i = 0; i < conf->n_dests; i++) {
        if (conf->dests[i].cluster != NULL && cluster[0] != '\0' && strcmp(conf->dests[i].cluster, cluster) == 0)
            scope = cluster;
        if (strcmp(conf->dests[i].dest, conf->src) == 0)
            en->rest_lost = true; /* in whatever scope: so nats-server has it */
    }
    for (uint32_t i = 0; i < conf->n_dests; i++) {
        if (!mapping_same_cluster(conf->dests[i].cluster, scope))
            continue;
        struct mapping_dest *d = &en->dests[en->n_dests++];
        sum += conf->dests[i].weight;
        d->below = sum;
        enum err e = transform_new(conf->src, conf->dests[i].dest, TRANSFORM_NO_LEFT_RIGHT, &d->t, why, sizeof(why));
        if (e != OK)
            return e;
    }
    return OK;
}

static void
mapping_entry_fini(struct mapping_entry *en)
{
    for (uint32_t i = 0; en->dests != NULL && i < en->n_dests; i++)
        transform_free(en->dests[i].t);
    free(en->dests);
    free(en->src);
}

/* ---- finding ---- */

/* FNV-1a: the configuration alone decides what is in the tables, so no peer can make anything collide. */
static uint32_t
mapping_hash(uint32_t seed, const char *p, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ seed;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(1099511628211);
    return (uint32_t)(h ^ h >> 32);
}

/* Where in the table of literals the subject is, or would be. */
static uint32_t *
mapping_literal(const struct mapping *m, const char *p, size_t len)
{
    for (uint32_t i = mapping_hash(0, p, len);; i++) {
        uint32_t *slot = &m->literals[i & m->n_literals_mask];
        if (*slot == NONE)
            return slot;
        const struct mapping_entry *en = &m->entries[*slot];
        if (en->src_len == len && memcmp(en->src, p, len) == 0)
            return slot;
    }
}

static struct mapping_edge *
mapping_edge(const struct mapping *m, uint32_t parent, const char *token, size_t len)
{
    for (uint32_t i = mapping_hash(parent + 1, token, len);; i++) {
        struct mapping_edge *edge = &m->edges[i & m->n_edges_mask];
        if (edge->token == NULL || (edge->parent == parent && edge->len == len && memcmp(edge->token, token, len) == 0))
            return edge;
    }
}

static size_t
mapping_token_len(const char *p, size_t len)
{
    const char *dot = memchr(p, '.', len);
    return dot == NULL ? len : (size_t)(dot - p);
}

static bool
mapping_is(const char *token, size_t len, char c)
{
    return len == 1 && *token == c;
}

/* The first source with wildcards that covers the subject, of those before entry `best`; `best` if there is none. */
static uint32_t
mapping_find_wild(const struct mapping *m, const char *p, size_t len, uint32_t best)
{
    struct {
        uint32_t node, off; /* off: of the next token; beyond len: there is none */
    } stack[MAPPING_TOKENS_MAX + 2]; /* a node leaves the stack and at most two, one level deeper, come */
    uint32_t n = 1;

    stack[0].node = stack[0].off = 0;
    while (n > 0) {
        uint32_t off = stack[--n].off, from = stack[n].node;
        const struct mapping_node *node = &m->nodes[from];
        if (node->least >= best)
            continue;
        if (off > len) {
            best = node->entry < best ? node->entry : best;
            continue;
        }
        best = node->rest < best ? node->rest : best;
        size_t token_len = mapping_token_len(p + off, len - off);
        uint32_t next = off + (uint32_t)token_len + 1;
        if (node->star != NONE && !mapping_is(p + off, token_len, '>')) {
            stack[n].node = node->star;
            stack[n++].off = next;
        }
        const struct mapping_edge *edge = mapping_edge(m, from, p + off, token_len);
        if (edge->token != NULL) {
            ASSERT(n < MAPPING_TOKENS_MAX + 2);
            stack[n].node = edge->child;
            stack[n++].off = next;
        }
    }
    return best;
}

static uint32_t
mapping_find(const struct mapping *m, const char *p, size_t len)
{
    uint32_t best = *mapping_literal(m, p, len);

    if (m->n_nodes > 0 && len <= SUBJECT_LEN_MAX && !subject_has_empty_token((const uint8_t *)p, len))
        best = mapping_find_wild(m, p, len, best);
    return best;
}

/* ---- building ---- */

static uint32_t
mapping_table_size(uint32_t n)
{
    uint32_t size = 8;

    while (size < 2 * n)
        size *= 2;
    return size;
}

static uint32_t
mapping_node_new(struct mapping *m)
{
    m->nodes[m->n_nodes] = (struct mapping_node){NONE, NONE, NONE, NONE};
    return m->n_nodes++;
}

static uint32_t
mapping_child(struct mapping *m, uint32_t at, const char *token, size_t len)
{
    if (mapping_is(token, len, '*')) {
        if (m->nodes[at].star == NONE)
            m->nodes[at].star = mapping_node_new(m);
        return m->nodes[at].star;
    }
    struct mapping_edge *edge = mapping_edge(m, at, token, len);
    if (edge->token == NULL)
        *edge = (struct mapping_edge){.token = token, .len = (uint32_t)len, .parent = at, .child = mapping_node_new(m)};
    return edge->child;
}

/* Entries come in the order of the file: the first at a place stays. */
static void
mapping_insert_wild(struct mapping *m, uint32_t i)
{
    const char *p = m->entries[i].src;
    size_t left = m->entries[i].src_len;
    uint32_t at = 0, *end;

    for (;;) {
        size_t len = mapping_token_len(p, left);
        struct mapping_node *node = &m->nodes[at];
        node->least = i < node->least ? i : node->least;
        end = &node->rest;
        if (len == left && mapping_is(p, len, '>'))
            break;
        at = mapping_child(m, at, p, len);
        end = &m->nodes[at].entry;
        if (len == left) {
            m->nodes[at].least = i < m->nodes[at].least ? i : m->nodes[at].least;
            break;
        }
        p += len + 1;
        left -= len + 1;
    }
    if (*end == NONE)
        *end = i;
}

static bool
mapping_is_literal(const struct mapping_entry *en)
{
    return subject_literal((const uint8_t *)en->src, en->src_len);
}

static enum err
mapping_index(struct mapping *m)
{
    uint32_t n_tokens = 0, n_literals = mapping_table_size(m->n_entries);

    for (uint32_t i = 0; i < m->n_entries; i++)
        n_tokens += mapping_is_literal(&m->entries[i]) ? 0 : subject_n_tokens((const uint8_t *)m->entries[i].src, m->entries[i].src_len);
    uint32_t n_edges = mapping_table_size(n_tokens);
    m->literals = fault_calloc(n_literals, sizeof(*m->literals));
    m->nodes = fault_calloc(n_tokens + 1, sizeof(*m->nodes));
    m->edges = fault_calloc(n_edges, sizeof(*m->edges));
    if (m->literals == NULL || m->nodes == NULL || m->edges == NULL)
        return ERR_NOMEM;
    memset(m->literals, 0xff, n_literals * sizeof(*m->literals)); /* NONE */
    m->n_literals_mask = n_literals - 1;
    m->n_edges_mask = n_edges - 1;
    if (n_tokens > 0)
        (void)mapping_node_new(m);
    for (uint32_t i = 0; i < m->n_entries; i++) {
        if (!mapping_is_literal(&m->entries[i])) {
            mapping_insert_wild(m, i);
            continue;
        }
        uint32_t *slot = mapping_literal(m, m->entries[i].src, m->entries[i].src_len);
        if (*slot == NONE)
            *slot = i;
    }
    return OK;
}

enum err
mapping_new(const struct mapping_conf *conf, uint32_t n, const char *cluster, struct mapping **ret_m, char *why, size_t why_cap)
{
    struct mapping *m = NULL;
    enum err e = OK;

    for (uint32_t i = 0; e == OK && i < n; i++)
        e = mapping_check(&conf[i], true, why, why_cap);
    if (e == OK && n > 0) {
        m = fault_calloc(1, sizeof(*m));
        e = m == NULL ? ERR_NOMEM : OK;
    }
    if (e != OK || n == 0)
        goto out;
    m->entries = fault_calloc(n, sizeof(*m->entries));
    if (m->entries == NULL)
        e = ERR_NOMEM;
    for (; e == OK && m->n_entries < n; m->n_entries++)
        e = mapping_entry_init(&m->entries[m->n_entries], &conf[m->n_entries], cluster);
    if (e == OK)
        e = mapping_index(m);
out:
    if (e == OK)
        *ret_m = m;
    else
        mapping_free(m);
    return e;
}

void
mapping_free(struct mapping *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->n_entries; i++)
        mapping_entry_fini(&m->entries[i]);
    free(m->entries);
    free(m->literals);
    free(m->nodes);
    free(m->edges);
    free(m);
}

/* ---- applying ---- */

enum mapping_verdict
mapping_apply(const struct mapping *m, const uint8_t *subject, size_t len, uint64_t random, uint8_t *to, size_t cap, size_t *ret_len)
{
    uint32_t i = mapping_find(m, (const char *)subject, len);

    if (i == NONE)
        return MAPPING_NONE;
    const struct mapping_entry *en = &m->entries[i];
    uint32_t pick = (uint32_t)((random >> 32) * MAPPING_WEIGHT_MAX >> 32), d = 0;
    while (d < en->n_dests && pick >= en->dests[d].below)
        d++;
    if (d == en->n_dests)
        return en->rest_lost ? MAPPING_LOST : MAPPING_SAME;
    if (en->dests[d].t == NULL)
        return MAPPING_LOST;
    switch (transform_apply(en->dests[d].t, subject, len, random, to, cap, ret_len)) {
    case TRANSFORM_OK: return MAPPING_TO;
    case TRANSFORM_TOO_LONG: return MAPPING_TOO_LONG;
    case TRANSFORM_NO_MATCH:
    default: ASSERT(false); /* a source covered what it does not cover */ return MAPPING_LOST;
    }
}
