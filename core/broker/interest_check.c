#include <string.h>

#include "core/broker/interest_priv.h"
#include "core/rt/assert.h"

static uint32_t
check_list(const struct interest *ix, const struct sublist *l, uint32_t at, bool queue)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const struct sub *s = sub_at(ix, sublist_items(l)[i]);
        ASSERT(s->at == at && s->slot == i && ((s->flags & SUB_QUEUE) != 0) == queue);
    }
    return l->n;
}

static uint32_t
check_times_in(const struct tagtab *t, uint32_t tag, uint32_t val)
{
    uint32_t n = 0;
    for (const struct tagtab_slot *p = tagtab_find(t, tag); tagtab_is(p, tag); p++)
        n += p->val == val;
    return n;
}

/* Returns how many groups the node has. */
static uint32_t
check_chain(const struct interest *ix, uint32_t node)
{
    uint32_t first = node_first_group(ix, node), n = 0, prev = 0;
    ASSERT(first != 0);
    for (uint32_t g = first; g != 0; prev = g, g = group_at(ix, g)->next, n++)
        ASSERT(group_at(ix, g)->node == node && group_at(ix, g)->prev == prev);
    ASSERT(group_at(ix, first)->n_here == n);
    if ((node_at(ix, node)->flags & NODE_WILD) == 0)
        ASSERT(n <= ix->n_groups_node_max);
    return n;
}

static uint32_t
check_nodes(const struct interest *ix)
{
    uint32_t n_subs = 0, n_literals = 0, n_heads = 0, n_groups = 0, n_wild_groups = 0, n_own = 0, n = 0;
    for (uint32_t i = 0; (i = varpool_next(&ix->nodes, i)) != 0; n++) {
        const struct node *node = node_at(ix, i);
        bool wild = (node->flags & NODE_WILD) != 0;
        ASSERT(!node_empty(node));
        ASSERT(subject_valid(node->subject, node->len) && subject_literal(node->subject, node->len) == !wild);
        n_subs += check_list(ix, &node->plain, i, false);
        n_literals += !wild;
        n_own += (node->flags & NODE_OWN) != 0;
        if (wild)
            ASSERT(twig_at(ix, trie_find(ix, node->acc, node->subject, node->len))->node == i);
        else
            ASSERT(check_times_in(&ix->exact, hash_tag(interest_hash(ix, node->acc, node->subject, node->len)), i) == 1);
        if ((node->flags & NODE_GROUPS) == 0)
            continue;
        uint32_t n_here = check_chain(ix, i);
        n_heads++;
        n_groups += n_here;
        n_wild_groups += wild ? n_here : 0;
    }
    ASSERT(n == ix->n_nodes && n_literals == ix->exact.n && n_heads == ix->heads.n);
    ASSERT(n_groups == ix->groups.n_used && n_groups == ix->names.n && n_wild_groups == ix->n_wild_groups);
    ASSERT(n_own + ix->subs.n_used == ix->n_subs);
    return n_subs;
}

static uint32_t
check_groups(const struct interest *ix)
{
    uint32_t n_subs = 0;
    for (uint32_t i = 0; (i = slab_next(&ix->groups, i)) != 0;) {
        const struct qgroup *g = group_at(ix, i);
        ASSERT(g->members.n != 0 || g->n_remote != 0);
        ASSERT(group_find(ix, g->node, g->name, g->name_len) == i);
        n_subs += check_list(ix, &g->members, i, true);
        ASSERT((g->remote == NULL) == (g->n_remote == 0));
        uint32_t n_remote = 0;
        for (uint32_t s = 0; g->remote != NULL && s < ix->n_shards; s++)
            n_remote += g->remote[s];
        ASSERT(n_remote == g->n_remote);
    }
    return n_subs;
}

static void
check_twigs(const struct interest *ix)
{
    uint32_t n_patterns = 0, n_literal = 0, n_lits = 0, n_counted = 0;
    for (uint32_t i = 0; (i = varpool_next(&ix->twigs, i)) != 0;) {
        const struct twig *w = twig_at(ix, i);
        bool is = twig_is_pattern(w);
        ASSERT(is || w->star != 0 || w->gt != 0 || w->n_lits != 0);
        ASSERT(is == ((w->flags & TWIG_PATTERN) != 0));
        n_patterns += is;
        n_lits += w->n_lits;
        if (w->star != 0)
            ASSERT(twig_at(ix, w->star)->parent == i);
        if (w->gt != 0)
            ASSERT(twig_at(ix, w->gt)->parent == i);
        if (w->parent == 0)
            n_lits++;
        if (w->parent == 0 || (twig_at(ix, w->parent)->star != i && twig_at(ix, w->parent)->gt != i))
            n_literal++;
    }
    ASSERT(n_patterns == ix->n_patterns && n_literal == n_lits && n_literal == ix->twigtab.n);
    for (uint32_t i = 0; i < BUCKETS; i++)
        n_counted += ix->buckets[i].n;
    for (uint32_t i = 0; i < ACC_BUCKETS; i++)
        n_counted += ix->acc_buckets[i].n;
    ASSERT(n_counted == n_patterns);
}

void
interest_check(const struct interest *ix)
{
    const struct tagtab *tabs[] = {&ix->exact, &ix->remote, &ix->heads, &ix->names, &ix->twigtab};
    for (uint32_t i = 0; i < N_ELEMS(tabs); i++)
        tagtab_check(tabs[i]);
    uint32_t n_subs = check_nodes(ix) + check_groups(ix);
    ASSERT(n_subs == ix->n_subs && n_subs <= ix->n_subs_max);
    check_twigs(ix);
    if (ix->n_patterns != 0)
        ASSERT(ix->scratch.cap_lists > ix->n_patterns && ix->scratch.cap_depth > 0);
    ASSERT(ix->groups.n_used == 0 || ix->scratch.cap_groups >= ix->n_wild_groups + ix->n_groups_node_max);
    cache_check(ix);
}
