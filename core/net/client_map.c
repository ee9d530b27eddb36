/* A publish and the mappings of its account: before anything else looks at its subject. What a mapping makes of a subject is
 * core/broker/mapping.h's; here it is drawn, traced, counted, and takes the subject's place. */
#include "core/broker/subject.h"
#include "core/net/net_priv.h"
#include "core/rt/rng.h"

enum { MAPPED_LEN_MIN = 4096 };

/* Room for a subject as long as one that comes from a client may be: the records between shards, and -ERR lines, are made for that. */
static bool
map_room(struct net *n, uint32_t *ret_cap)
{
    uint32_t cap = (uint32_t)min_u64(n->cfg->max_control_line, SUBJECT_LEN_MAX);

    *ret_cap = cap;
    if (n->mapped_cap >= cap)
        return true;
    uint32_t taken_cap;
    uint8_t *taken = bufpool_take(n->sh->bufs, cap < MAPPED_LEN_MIN ? MAPPED_LEN_MIN : cap, &taken_cap);
    if (taken == NULL)
        return false;
    if (n->mapped != NULL)
        bufpool_give(n->sh->bufs, n->mapped, n->mapped_cap);
    n->mapped = taken;
    n->mapped_cap = taken_cap;
    return true;
}

/* The same number for the same publish, however often it is tried: nothing of a draw has to be kept for a connection that waits. */
static uint64_t
map_random(const struct net *n, const struct conn *c)
{
    uint64_t seed = n->map_seed ^ c->cid;

    seed = rng_split(&seed) + c->ep.in_msgs;
    return rng_split(&seed);
}

enum client_mapped
client_map(struct net *n, struct conn *c, struct pub_msg *m)
{
    const struct mapping *mappings = n->cfg->mappings;
    bool again = (c->flags & CONN_OP_BEGUN) != 0;
    size_t len = 0;
    uint32_t cap;

    if (mappings == NULL) /* they have just been taken out of the configuration */
        return MAPPED_NO;
    if (!map_room(n, &cap))
        return MAPPED_AGAIN;
    enum mapping_verdict v = mapping_apply(mappings, m->subject, m->subject_len, map_random(n, c), n->mapped, cap, &len);
    if (v == MAPPING_NONE)
        return MAPPED_NO;
    if (v == MAPPING_SAME) {
        if (!again)
            trace_mapping(c, m, m->subject, m->subject_len);
        return MAPPED_YES;
    }
    if (!again) { /* told and counted once, even if the publish itself has to wait for room */
        trace_mapping(c, m, n->mapped, (uint32_t)len);
        COUNT(&n->sh->counters, mapped_lost, v == MAPPING_LOST);
        COUNT(&n->sh->counters, mapped_too_long, v == MAPPING_TOO_LONG);
    }
    m->subject = n->mapped; /* a lost message goes on with the empty subject, which matches nothing: so it has its +OK, and its 503 */
    m->subject_len = (uint32_t)len;
    return MAPPED_YES;
}
