#include <stdlib.h>
#include <string.h>

#include "core/broker/interest_priv.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"

/* ---- lists of subs ----
 *
 * Up to SUBLIST_INLINE numbers stand in the list itself; more in an array, whose length stands in front of it:
 *     | cap | number | number | ...
 */

enum { LIST_CAP_MIN = 5 };

static uint32_t *
list_many(const struct sublist *l)
{
    uint32_t *many;
    memcpy(&many, l->in, sizeof many);
    return many;
}

static uint64_t
list_bytes(uint32_t cap)
{
    return (cap + UINT64_C(1)) * sizeof(uint32_t) + MALLOC_OVERHEAD;
}

/* Give the array cap places (at least l->n), or make one. */
static enum err
list_resize(struct interest *ix, struct sublist *l, uint32_t *old, uint32_t cap)
{
    uint32_t *head = fault_realloc(old == NULL ? NULL : old - 1, (cap + (size_t)1) * sizeof *head);
    if (head == NULL)
        return ERR_NOMEM;
    if (old == NULL)
        memcpy(head + 1, l->in, sizeof l->in);
    else
        ix->n_bytes -= list_bytes(head[0]);
    head[0] = cap;
    head++;
    memcpy(l->in, &head, sizeof head);
    ix->n_bytes += list_bytes(cap);
    return OK;
}

enum err
list_push(struct interest *ix, struct sublist *l, uint32_t sub)
{
    if (l->n < SUBLIST_INLINE) {
        l->in[l->n] = sub;
    } else {
        uint32_t *many = l->n == SUBLIST_INLINE ? NULL : list_many(l);
        if (many == NULL || l->n == many[-1]) {
            enum err e = list_resize(ix, l, many, many == NULL ? LIST_CAP_MIN : l->n + l->n / 2);
            if (e != OK)
                return e;
        }
        list_many(l)[l->n] = sub;
    }
    sub_at(ix, sub)->slot = l->n++;
    if (l->n > ix->fanout_max)
        ix->fanout_max = l->n;
    return OK;
}

/* The last one takes the place of the one that goes. */
void
list_cut(struct interest *ix, struct sublist *l, uint32_t slot)
{
    ASSERT(slot < l->n);
    uint32_t *many = l->n <= SUBLIST_INLINE ? NULL : list_many(l);
    uint32_t *items = many == NULL ? l->in : many;
    uint32_t last = items[--l->n];
    if (slot != l->n) {
        items[slot] = last;
        sub_at(ix, last)->slot = slot;
    }
    if (many == NULL)
        return;
    if (l->n == SUBLIST_INLINE) {
        ix->n_bytes -= list_bytes(many[-1]);
        memcpy(l->in, many, sizeof l->in);
        free(many - 1);
    } else if (l->n < many[-1] / 4) {
        (void)list_resize(ix, l, many, many[-1] / 2); /* without memory it stays as it is */
    }
}

/* ---- nodes, and the subs in them and elsewhere ---- */

/* A sub that will hang at this node: in it if its own place is free. 0: no memory. */
uint32_t
sub_take(struct interest *ix, uint32_t node, uint32_t ep, const uint8_t *sid, uint32_t sid_len)
{
    ASSERT(sid_len <= UINT16_MAX);
    struct sub_sid *far = NULL;
    if (sid_len > SUB_SID_INLINE) {
        far = fault_malloc(sizeof *far + sid_len);
        if (far == NULL)
            return 0;
        far->len = (uint16_t)sid_len;
        memcpy(far->bytes, sid, sid_len);
    }
    struct node *n = node_at(ix, node);
    uint32_t i = node;
    if ((n->flags & NODE_OWN) != 0) {
        i = slab_take(&ix->subs);
        if (i == 0) {
            free(far);
            return 0;
        }
        i |= SUB_ELSEWHERE;
    }
    n->flags |= NODE_OWN; /* it was, or is now */
    struct sub *s = sub_at(ix, i);
    *s = (struct sub){.ep = ep, .sid_len = far == NULL ? (uint8_t)sid_len : 0xff};
    if (far == NULL)
        memcpy(s->sid.in, sid, sid_len);
    else
        s->sid.far = far;
    ix->n_bytes += far == NULL ? 0 : sizeof *far + sid_len + MALLOC_OVERHEAD;
    ix->n_subs++;
    return i;
}

/* The list it was in does not hold it any more; its node is still there. */
void
sub_give(struct interest *ix, uint32_t sub)
{
    struct sub *s = sub_at(ix, sub);
    if (s->sid_len == 0xff) {
        ix->n_bytes -= sizeof *s->sid.far + s->sid.far->len + (uint64_t)MALLOC_OVERHEAD;
        free(s->sid.far);
    }
    if (sub >= SUB_ELSEWHERE)
        slab_give(&ix->subs, sub & VARPOOL_IDX_MASK);
    else
        node_at(ix, sub)->flags &= (uint16_t)~NODE_OWN;
    ix->n_subs--;
}

/* A node nobody has attached anything to yet. 0: no memory. */
uint32_t
node_take(struct interest *ix, uint32_t acc, const uint8_t *subject, uint32_t len, bool wild)
{
    uint32_t i = varpool_take(&ix->nodes, offsetof(struct node, subject) + len);
    if (i == 0)
        return 0;
    struct node *n = node_at(ix, i);
    n->acc = acc;
    n->len = (uint16_t)len;
    n->flags = wild ? NODE_WILD : 0;
    memcpy(n->subject, subject, len);
    ix->n_nodes++;
    return i;
}

void
node_give(struct interest *ix, uint32_t node)
{
    ASSERT(node_empty(node_at(ix, node)));
    varpool_give(&ix->nodes, node);
    ix->n_nodes--;
}

bool
node_empty(const struct node *n)
{
    return n->plain.n == 0 && (n->flags & NODE_GROUPS) == 0;
}

/* ---- queue groups ----
 *
 * Few nodes have groups, so a node has no room for them but a flag: ix->heads knows its first group, and the others hang behind
 * that one. ix->names finds a group by its node and its name, however many a node has.
 */

static uint32_t
node_tag(const struct interest *ix, uint32_t node)
{
    return interest_mix(ix, node, 0, 0, 0);
}

static uint32_t
group_tag(const struct interest *ix, uint32_t node, uint32_t name_tag)
{
    return interest_mix(ix, node, name_tag, 0, 0);
}

static uint32_t
group_name_tag(const struct interest *ix, const uint8_t *name, uint32_t len)
{
    return (uint32_t)hash_bytes(&ix->key, name, len);
}

/* 0: the node has no group. */
uint32_t
node_first_group(const struct interest *ix, uint32_t node)
{
    uint32_t tag = node_tag(ix, node);
    for (const struct tagtab_slot *p = tagtab_find(&ix->heads, tag); tagtab_is(p, tag); p++) {
        if (group_at(ix, p->val)->node == node)
            return p->val;
    }
    return 0;
}

uint32_t
group_find(const struct interest *ix, uint32_t node, const uint8_t *name, uint32_t len)
{
    uint32_t tag = group_tag(ix, node, group_name_tag(ix, name, len));
    for (const struct tagtab_slot *p = tagtab_find(&ix->names, tag); tagtab_is(p, tag); p++) {
        const struct qgroup *g = group_at(ix, p->val);
        if (g->node == node && g->name_len == len && memcmp(g->name, name, len) == 0)
            return p->val;
    }
    return 0;
}

static enum err
group_init(struct interest *ix, struct qgroup *g, uint32_t node, const uint8_t *name, uint32_t len)
{
    g->name = fault_malloc(len);
    if (g->name == NULL)
        return ERR_NOMEM;
    memcpy(g->name, name, len);
    g->name_len = (uint16_t)len;
    g->name_tag = group_name_tag(ix, name, len);
    g->node = node;
    ix->n_bytes += len + MALLOC_OVERHEAD;
    return OK;
}

static void
group_fini(struct interest *ix, uint32_t group)
{
    struct qgroup *g = group_at(ix, group);
    if (g->name != NULL)
        ix->n_bytes -= g->name_len + (uint64_t)MALLOC_OVERHEAD;
    free(g->name);
    slab_give(&ix->groups, group);
}

/* Hang the group at its node: the first one is found through ix->heads, a later one stands second. */
static enum err
group_link(struct interest *ix, uint32_t group)
{
    struct qgroup *g = group_at(ix, group);
    struct node *n = node_at(ix, g->node);
    if ((n->flags & NODE_GROUPS) == 0) {
        enum err e = tagtab_add(&ix->heads, node_tag(ix, g->node), group);
        if (e != OK)
            return e;
        n->flags |= NODE_GROUPS;
        g->n_here = 1;
        return OK;
    }
    uint32_t first = node_first_group(ix, g->node);
    struct qgroup *head = group_at(ix, first);
    g->prev = first;
    g->next = head->next;
    if (g->next != 0)
        group_at(ix, g->next)->prev = group;
    head->next = group;
    head->n_here++;
    return OK;
}

static void
group_unlink(struct interest *ix, uint32_t group)
{
    struct qgroup *g = group_at(ix, group);
    if (g->next != 0)
        group_at(ix, g->next)->prev = g->prev;
    if (g->prev != 0) {
        group_at(ix, g->prev)->next = g->next;
        group_at(ix, node_first_group(ix, g->node))->n_here--;
    } else if (g->next != 0) {
        group_at(ix, g->next)->n_here = g->n_here - 1;
        tagtab_set(&ix->heads, node_tag(ix, g->node), group, g->next);
    } else {
        ASSERT(g->n_here == 1);
        ASSERT(tagtab_del(&ix->heads, node_tag(ix, g->node), group));
        node_at(ix, g->node)->flags &= (uint16_t)~NODE_GROUPS;
    }
}

/* How many groups a result may hold at most: those of one literal's node, and all that patterns have. */
static enum err
group_reserve(struct interest *ix, const struct node *n, uint32_t node)
{
    uint32_t here = (n->flags & NODE_GROUPS) == 0 ? 0 : group_at(ix, node_first_group(ix, node))->n_here;
    uint32_t n_wild = ix->n_wild_groups, n_literal = ix->n_groups_node_max;
    if ((n->flags & NODE_WILD) != 0)
        n_wild++;
    else if (here + 1 > n_literal)
        n_literal = here + 1;
    enum err e = scratch_reserve_groups(ix, n_wild + n_literal);
    if (e == OK)
        ix->n_groups_node_max = n_literal;
    return e;
}

/* A new group without members at the node. 0: no memory. */
uint32_t
group_take(struct interest *ix, uint32_t node, const uint8_t *name, uint32_t len)
{
    ASSERT(len > 0 && len <= UINT16_MAX);
    struct node *n = node_at(ix, node);
    if (group_reserve(ix, n, node) != OK)
        return 0;
    uint32_t group = slab_take(&ix->groups);
    if (group == 0)
        return 0;
    struct qgroup *g = group_at(ix, group);
    if (group_init(ix, g, node, name, len) != OK)
        goto fail;
    uint32_t tag = group_tag(ix, node, g->name_tag);
    if (tagtab_add(&ix->names, tag, group) != OK)
        goto fail;
    if (group_link(ix, group) != OK) {
        ASSERT(tagtab_del(&ix->names, tag, group));
        goto fail;
    }
    ix->n_wild_groups += (n->flags & NODE_WILD) != 0;
    return group;
fail:
    group_fini(ix, group);
    return 0;
}

void
group_give(struct interest *ix, uint32_t group)
{
    struct qgroup *g = group_at(ix, group);
    ASSERT(g->members.n == 0 && g->n_remote == 0 && g->remote == NULL);
    ix->n_wild_groups -= (node_at(ix, g->node)->flags & NODE_WILD) != 0;
    group_unlink(ix, group);
    ASSERT(tagtab_del(&ix->names, group_tag(ix, g->node, g->name_tag), group));
    group_fini(ix, group);
}

enum err
group_set_remote(struct interest *ix, struct qgroup *g, uint32_t shard, uint32_t n_members)
{
    if (g->remote == NULL) {
        if (n_members == 0)
            return OK;
        g->remote = fault_calloc(ix->n_shards, sizeof *g->remote);
        if (g->remote == NULL)
            return ERR_NOMEM;
        ix->n_bytes += ix->n_shards * sizeof *g->remote + MALLOC_OVERHEAD;
    }
    g->n_remote += n_members - g->remote[shard]; /* modulo 2^32: the sum stays exact */
    g->remote[shard] = n_members;
    if (g->n_remote == 0) {
        ix->n_bytes -= ix->n_shards * sizeof *g->remote + MALLOC_OVERHEAD;
        free(g->remote);
        g->remote = NULL;
    }
    return OK;
}
