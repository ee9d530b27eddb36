/* /subsz: the interest index, and what is in it. Its list is asked for from shard to shard, so that no shard tells more than the page shows. */
#include <string.h>

#include "core/broker/subject.h"
#include "core/server/monitor_priv.h"

void
monitor_sub(struct page *p, const struct gather_sub *s, bool acc)
{
    page_open(p, NULL, '{');
    if (acc) {
        page_str(p, "account", MONITOR_ACCOUNT);
        page_str(p, "account_tag", MONITOR_ACCOUNT);
    }
    page_bytes(p, "subject", s->bytes, s->subject_len);
    if (s->queue_len > 0)
        page_bytes(p, "qgroup", s->bytes + s->subject_len, s->queue_len);
    page_bytes(p, "sid", s->bytes + s->subject_len + s->queue_len, s->sid_len);
    page_u64(p, "msgs", s->n_msgs);
    if (s->max > 0)
        page_u64(p, "max", s->max);
    page_u64(p, "cid", s->cid);
    page_close(p, '}');
}

void
monitor_sublist(struct page *p, const struct gather_stats *st)
{
    const struct interest_stats *i = &st->interest;
    uint64_t n_hits = i->n_cache_hits + i->n_hint_hits;

    page_u64(p, "num_subscriptions", i->n_subs);
    page_u64(p, "num_cache", i->n_cache);
    page_u64(p, "num_inserts", i->n_inserts);
    page_u64(p, "num_removes", i->n_removes);
    page_u64(p, "num_matches", i->n_matches);
    page_f64(p, "cache_hit_rate", i->n_matches > 0 ? (double)n_hits / (double)i->n_matches : 0);
    page_u64(p, "max_fanout", i->fanout_max);
    uint64_t n_in = st->counters[COUNTER_in_msgs];
    page_f64(p, "avg_fanout", n_in > 0 ? (double)st->counters[COUNTER_out_msgs] / (double)n_in : 0);
}

bool
monitor_subsz_ask(struct monitor_req *r)
{
    struct monitor_args *a = &r->args;

    if (!monitor_arg_bool(r, "subs", &a->subs) || !monitor_arg_int(r, "offset", &a->offset) || !monitor_arg_int(r, "limit", &a->limit) ||
        !monitor_arg_text(r, "test", a->test, &a->has_test) || !monitor_arg_text(r, "acc", a->acc, &a->has_acc))
        return false;
    if (a->has_test && !subject_valid_publish((const uint8_t *)a->test, strlen(a->test)))
        return monitor_bad(r, "invalid test subject, must be valid publish subject: %s", a->test);
    a->offset = a->offset < 0 ? 0 : a->offset;
    a->limit = a->limit <= 0 ? MONITOR_LIMIT : a->limit;
    a->unknown_acc = a->has_acc && strcmp(a->acc, MONITOR_ACCOUNT) != 0;
    r->n_left = (uint64_t)a->limit;
    r->skip = (uint64_t)a->offset;
    r->g.kind = GATHER_STATS;
    r->g.shards = monitor_all_shards(r->m);
    return true;
}

/* Ask the next shard for what the page still has room for. */
static enum monitor_next
subsz_next(struct monitor_req *r)
{
    r->g.kind = GATHER_SUBS;
    r->g.shards = BIT64(r->shard);
    r->g.test = r->args.has_test ? r->args.test : NULL;
    r->g.test_len = (uint32_t)strlen(r->args.test);
    r->g.skip = r->skip;
    r->g.limit = r->n_left;
    return MONITOR_GATHER;
}

static void
subsz_begin(struct monitor_req *r)
{
    struct page *p = &r->page;

    page_open(p, NULL, '{');
    monitor_head(r, false);
    if (r->args.unknown_acc)
        memset(&r->sum, 0, sizeof(r->sum));
    monitor_sublist(p, &r->sum);
}

static enum monitor_next
subsz_end(struct monitor_req *r)
{
    struct page *p = &r->page;

    page_u64(p, "total", r->n_total);
    page_i64(p, "offset", r->args.offset);
    page_i64(p, "limit", r->args.limit);
    if (r->tail.o.len > 0) {
        page_open(p, "subscriptions_list", '[');
        page_join(p, &r->tail);
        page_close(p, ']');
    }
    page_close(p, '}');
    return MONITOR_ANSWER;
}

/* One shard's subscriptions, behind those before. */
static void
subsz_take(struct monitor_req *r)
{
    const struct gather_part *part = r->g.parts[r->shard];
    struct gather_it it = {0};
    const struct gather_rec *rec;

    r->n_total += part->n_total;
    while ((rec = gather_next(part, &it)) != NULL)
        monitor_sub(&r->tail, (const void *)rec, true);
    r->n_left -= part->n_recs;
    r->skip -= min_u64(r->skip, part->n_total);
}

enum monitor_next
monitor_subsz(struct monitor_req *r)
{
    if (r->g.kind == GATHER_STATS) {
        monitor_sum(r);
        subsz_begin(r);
        if (!r->args.subs || r->args.unknown_acc)
            return subsz_end(r);
        page_init(&r->tail, r->page.indent);
        r->tail.depth = 2;
        return subsz_next(r);
    }
    subsz_take(r);
    if (++r->shard < r->m->n_shards)
        return subsz_next(r);
    return subsz_end(r);
}
