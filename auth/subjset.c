#include "auth/subjset.h"

#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

enum { SUBJSET_ROOT = 1 }; /* node 0 is none */

enum subjset_kind { SUBJSET_LITERAL, SUBJSET_STAR, SUBJSET_GT };

/* One token of some patterns. */
struct subjset_node {
    uint32_t parent, first_child, next_sibling;
    uint32_t star, gt;    /* the children of these kinds */
    uint32_t first_queue; /* of the patterns that end here; a list in queues[] */
    uint32_t token_off, token_len, hash;
    uint8_t kind;  /* enum subjset_kind */
    bool plain;    /* a pattern without a queue ends here */
};

struct subjset_queue {
    uint32_t next;
    uint32_t off, len;
};

struct subjset {
    struct subjset_node *nodes;
    struct subjset_queue *queues; /* from 1 */
    uint32_t *table;              /* nodes by (parent, token); open addressing */
    uint8_t *bytes;               /* tokens and queue names */
    uint32_t n_nodes, n_queues, n_bytes, mask;
};

/* ---- building ---- */

static inline uint32_t
subjset_slot(const struct subjset *s, uint32_t parent, uint32_t hash)
{
    return (hash ^ parent * 0x9e3779b1u) & s->mask;
}

static inline uint32_t
subjset_find(const struct subjset *s, uint32_t parent, uint32_t hash, const uint8_t *token, size_t len)
{
    for (uint32_t i = subjset_slot(s, parent, hash); s->table[i] != 0; i = (i + 1) & s->mask) {
        const struct subjset_node *v = &s->nodes[s->table[i]];
        if (v->hash == hash && v->parent == parent && v->token_len == len && bytes_equal(s->bytes + v->token_off, token, len))
            return s->table[i];
    }
    return 0;
}

static uint32_t
subjset_keep(struct subjset *s, const uint8_t *p, size_t len)
{
    uint32_t off = s->n_bytes;

    memcpy(s->bytes + off, p, len);
    s->n_bytes += (uint32_t)len;
    return off;
}

/* The child for this token; made if need be. */
static uint32_t
subjset_child(struct subjset *s, uint32_t parent, const uint8_t *token, size_t len)
{
    struct subjset_node *p = &s->nodes[parent];
    enum subjset_kind kind = len == 1 && token[0] == '*' ? SUBJSET_STAR : len == 1 && token[0] == '>' ? SUBJSET_GT : SUBJSET_LITERAL;
    uint32_t at = kind == SUBJSET_STAR ? p->star : kind == SUBJSET_GT ? p->gt : subjset_find(s, parent, subjset_hash(token, len, 0), token, len);

    if (at != 0)
        return at;
    at = s->n_nodes++;
    s->nodes[at] = (struct subjset_node){.parent = parent, .next_sibling = p->first_child, .kind = (uint8_t)kind};
    p->first_child = at;
    if (kind == SUBJSET_STAR) {
        p->star = at;
    } else if (kind == SUBJSET_GT) {
        p->gt = at;
    } else {
        struct subjset_node *v = &s->nodes[at];
        v->hash = subjset_hash(token, len, 0);
        v->token_len = (uint32_t)len;
        v->token_off = subjset_keep(s, token, len);
        uint32_t i = subjset_slot(s, parent, v->hash);
        while (s->table[i] != 0)
            i = (i + 1) & s->mask;
        s->table[i] = at;
    }
    return at;
}

static void
subjset_add(struct subjset *s, const uint8_t *pattern)
{
    size_t len = strcspn((const char *)pattern, " ");
    const uint8_t *queue = pattern + len + strspn((const char *)pattern + len, " ");
    size_t queue_len = strlen((const char *)queue);
    uint32_t at = SUBJSET_ROOT;

    if (!subject_valid(pattern, len))
        return;
    for (size_t off = 0; off <= len;) {
        const uint8_t *dot = memchr(pattern + off, '.', len - off);
        size_t end = dot != NULL ? (size_t)(dot - pattern) : len;
        at = subjset_child(s, at, pattern + off, end - off);
        off = end + 1;
    }
    if (queue_len == 0) {
        s->nodes[at].plain = true;
        return;
    }
    uint32_t q = s->n_queues++;
    s->queues[q] = (struct subjset_queue){.next = s->nodes[at].first_queue, .len = (uint32_t)queue_len};
    s->queues[q].off = subjset_keep(s, queue, queue_len);
    s->nodes[at].first_queue = q;
}

enum err
subjset_new(const char *const *patterns, uint32_t n, struct subjset **ret)
{
    uint64_t n_nodes = SUBJSET_ROOT + 1, n_bytes = 1, n_slots = 8;

    for (uint32_t i = 0; i < n; i++) {
        size_t len = strlen(patterns[i]);
        n_nodes += subject_n_tokens((const uint8_t *)patterns[i], len);
        n_bytes += len;
    }
    while (n_slots < 2 * n_nodes)
        n_slots *= 2;
    ASSERT(n_slots <= UINT32_MAX && n_bytes <= UINT32_MAX); /* CONF_BYTES_MAX is far below */
    /* One block for all of it: there may be a few of these for each of 50,000 users. */
    size_t len = sizeof(struct subjset) + n_nodes * sizeof(struct subjset_node) + (n + 1ull) * sizeof(struct subjset_queue) +
                 n_slots * sizeof(uint32_t) + n_bytes;
    struct subjset *s = fault_calloc(1, len);
    if (s == NULL)
        return ERR_NOMEM;
    s->nodes = (struct subjset_node *)(void *)(s + 1);
    s->queues = (struct subjset_queue *)(void *)(s->nodes + n_nodes);
    s->table = (uint32_t *)(void *)(s->queues + n + 1);
    s->bytes = (uint8_t *)(s->table + n_slots);
    s->mask = (uint32_t)n_slots - 1;
    s->n_nodes = SUBJSET_ROOT + 1;
    s->n_queues = 1;
    for (uint32_t i = 0; i < n; i++)
        subjset_add(s, (const uint8_t *)patterns[i]);
    ASSERT(s->n_nodes <= n_nodes && s->n_bytes <= n_bytes);
    *ret = s;
    return OK;
}

void
subjset_free(struct subjset *s)
{
    free(s);
}

/* ---- walking ---- */

enum subjset_mode { SUBJSET_AS_PUBLISHED, SUBJSET_COVER, SUBJSET_OVERLAP };

/* A walk in progress: at node `at`, and the tokens from off on are left (none: off == len + 1). */
struct subjset_walk {
    const struct subjset *s;
    const uint8_t *subject;
    size_t len, off;
    uint32_t at;
    enum subjset_mode mode;
};

static size_t
walk_token_end(const struct subjset_walk *w)
{
    const uint8_t *dot = memchr(w->subject + w->off, '.', w->len - w->off);
    return dot != NULL ? (size_t)(dot - w->subject) : w->len;
}

static bool
walk_token_is(const struct subjset_walk *w, size_t end, uint8_t c)
{
    return end == w->off + 1 && w->subject[w->off] == c;
}

/* The first child to go on with for the token that ends at `end`; 0: none. */
static uint32_t
walk_first(const struct subjset_walk *w, size_t end)
{
    const struct subjset_node *v = &w->s->nodes[w->at];

    if (w->mode == SUBJSET_OVERLAP && walk_token_is(w, end, '*'))
        return v->first_child;
    if (w->mode != SUBJSET_AS_PUBLISHED && end == w->len && walk_token_is(w, end, '>'))
        return 0; /* only another `>` covers it; overlaps were seen to before */
    const uint8_t *token = w->subject + w->off;
    uint32_t child = v->first_child != 0 ? subjset_find(w->s, w->at, subjset_hash(token, end - w->off, 0), token, end - w->off) : 0;
    return child != 0 ? child : v->star;
}

/* The child to try after `child` of the node the walk is at. */
static uint32_t
walk_next(const struct subjset_walk *w, uint32_t child, size_t end)
{
    const struct subjset_node *c = &w->s->nodes[child];

    if (w->mode == SUBJSET_OVERLAP && walk_token_is(w, end, '*'))
        return c->next_sibling;
    return c->kind == SUBJSET_LITERAL ? w->s->nodes[w->at].star : 0;
}

/* Back up to the last node that has another child to try, and on to that. False: the walk is over. */
static bool
walk_back(struct subjset_walk *w)
{
    while (w->at != SUBJSET_ROOT) {
        uint32_t child = w->at;
        size_t end = w->off - 1;
        w->at = w->s->nodes[child].parent;
        w->off = end;
        while (w->off > 0 && w->subject[w->off - 1] != '.')
            w->off--;
        uint32_t next = walk_next(w, child, end);
        if (next != 0) {
            w->at = next;
            w->off = end + 1;
            return true;
        }
    }
    return false;
}

/* Patterns end at this node. */
static void
subjset_visit(const struct subjset *s, uint32_t at, const uint8_t *queue, size_t queue_len, struct subjset_hit *hit)
{
    const struct subjset_node *v = &s->nodes[at];

    hit->plain |= v->plain;
    hit->queues |= v->first_queue != 0;
    for (uint32_t q = v->first_queue; queue_len > 0 && q != 0 && !hit->queue; q = s->queues[q].next) {
        const uint8_t *name = s->bytes + s->queues[q].off;
        size_t len = s->queues[q].len;
        hit->queue = (len == queue_len && memcmp(name, queue, len) == 0) ||
                     (subject_valid(name, len) && subject_match(name, len, queue, queue_len));
    }
}

/* The walk's next step: down, or back. *ret_end: the node at which whole patterns end, if any. False: it is over. */
static bool
walk_step(struct subjset_walk *w, uint32_t *ret_end)
{
    *ret_end = 0;
    if (w->off > w->len) {
        const struct subjset_node *v = &w->s->nodes[w->at];
        *ret_end = v->plain || v->first_queue != 0 ? w->at : 0;
        return walk_back(w);
    }
    *ret_end = w->s->nodes[w->at].gt;
    size_t end = walk_token_end(w);
    uint32_t child = walk_first(w, end);
    if (child == 0)
        return walk_back(w);
    w->at = child;
    w->off = end + 1;
    return true;
}

static struct subjset_hit
subjset_walk(const struct subjset *s, enum subjset_mode mode, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len)
{
    struct subjset_walk w = {.s = s, .subject = subject, .len = len, .at = SUBJSET_ROOT, .mode = mode};
    struct subjset_hit hit = {0};
    bool more = !subject_has_empty_token(subject, len);
    bool all = s->n_queues > 1; /* what queues say may change what a plain one says */

    while (more && (all || !hit.plain)) {
        uint32_t end;
        more = walk_step(&w, &end);
        if (end != 0)
            subjset_visit(s, end, queue, queue_len, &hit);
    }
    return hit;
}

/* ---- published subjects of not too many tokens ---- */

void
subjset_split(struct subjset_tokens *ret, const uint8_t *subject, size_t len)
{
    uint32_t from = 0, n = 0;

    ret->subject = subject;
    ret->len = len;
    ret->n = 0;
    for (uint32_t i = 0; i <= len; i++) {
        if (i < len && subject[i] != '.')
            continue;
        if (i == from)
            return; /* an empty token */
        if (n < SUBJSET_TOKENS_MAX) {
            ret->at[n].off = from;
            ret->at[n].len = i - from;
            ret->at[n].hash = subjset_hash(subject + from, i - from, 0);
            n++;
        } else {
            n = SUBJSET_TOKENS_MAX + 1;
        }
        from = i + 1;
    }
    ret->n = n;
}

struct subjset_hit
subjset_match_tokens(const struct subjset *s, const struct subjset_tokens *t, const uint8_t *queue, size_t queue_len)
{
    /* At each depth at most one `*` waits for its turn. */
    struct {
        uint32_t node, depth;
    } stack[SUBJSET_TOKENS_MAX];
    uint32_t n_stack = 0, at = SUBJSET_ROOT, depth = 0;
    bool all = s->n_queues > 1; /* as in subjset_walk */
    struct subjset_hit hit = {0};

    if (t->n > SUBJSET_TOKENS_MAX)
        return subjset_walk(s, SUBJSET_AS_PUBLISHED, t->subject, t->len, queue, queue_len);
    while (t->n > 0) {
        const struct subjset_node *v = &s->nodes[at];
        uint32_t end = depth < t->n ? v->gt : at, next = 0;
        if (end != 0) {
            subjset_visit(s, end, queue, queue_len, &hit);
            if (hit.plain && !all)
                return hit;
        }
        if (depth < t->n && v->first_child != 0) {
            next = subjset_find(s, at, t->at[depth].hash, t->subject + t->at[depth].off, t->at[depth].len);
            if (next != 0 && v->star != 0) {
                ASSERT(n_stack < SUBJSET_TOKENS_MAX);
                stack[n_stack].node = v->star;
                stack[n_stack++].depth = depth + 1;
            } else if (next == 0) {
                next = v->star;
            }
        }
        if (next != 0) {
            at = next;
            depth++;
        } else if (n_stack > 0) {
            at = stack[--n_stack].node;
            depth = stack[n_stack].depth;
        } else {
            break;
        }
    }
    return hit;
}

struct subjset_hit
subjset_match(const struct subjset *s, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len)
{
    struct subjset_tokens t;

    subjset_split(&t, subject, len);
    return subjset_match_tokens(s, &t, queue, queue_len);
}

struct subjset_hit
subjset_cover(const struct subjset *s, const uint8_t *subject, size_t len, const uint8_t *queue, size_t queue_len)
{
    return subjset_walk(s, SUBJSET_COVER, subject, len, queue, queue_len);
}

bool
subjset_overlap(const struct subjset *s, const uint8_t *pattern, size_t len)
{
    struct subjset_walk w = {.s = s, .subject = pattern, .len = len, .at = SUBJSET_ROOT, .mode = SUBJSET_OVERLAP};

    for (bool more = true; more;) {
        uint32_t end;
        /* `>` overlaps whatever goes on from here. */
        if (w.off <= w.len && walk_token_is(&w, walk_token_end(&w), '>') && s->nodes[w.at].first_child != 0)
            return true;
        more = walk_step(&w, &end);
        if (end != 0)
            return true;
    }
    return false;
}
