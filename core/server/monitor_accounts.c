/* /accountz, /accstatz: so far there is one account. */
#include <string.h>

#include "core/server/monitor_priv.h"

static void
accounts_ask(struct monitor_req *r)
{
    r->g.kind = GATHER_STATS;
    r->g.shards = monitor_all_shards(r->m);
}

bool
monitor_accountz_ask(struct monitor_req *r)
{
    struct monitor_args *a = &r->args;

    if (!monitor_arg_text(r, "acc", a->acc, &a->has_acc))
        return false;
    if (a->has_acc && strcmp(a->acc, MONITOR_ACCOUNT) != 0)
        return monitor_bad(r, "Account %s does not exist", a->acc);
    accounts_ask(r);
    return true;
}

static void
accountz_detail(struct monitor_req *r)
{
    struct page *p = &r->page;

    page_open(p, "account_detail", '{');
    page_str(p, "account_name", MONITOR_ACCOUNT);
    page_time(p, "update_time", r->m->start_ns);
    page_bool(p, "expired", false);
    page_bool(p, "complete", true);
    page_bool(p, "jetstream_enabled", false);
    page_u64(p, "leafnode_connections", 0);
    page_u64(p, "client_connections", r->sum.n_conns);
    page_u64(p, "subscriptions", r->sum.interest.n_subs);
    page_str(p, "name_tag", MONITOR_ACCOUNT);
    page_open(p, "sublist_stats", '{');
    monitor_sublist(p, &r->sum);
    page_close(p, '}');
    page_close(p, '}');
}

enum monitor_next
monitor_accountz(struct monitor_req *r)
{
    struct page *p = &r->page;

    monitor_sum(r);
    page_open(p, NULL, '{');
    monitor_head(r, false);
    if (r->args.has_acc) {
        accountz_detail(r);
    } else {
        page_open(p, "accounts", '[');
        page_str(p, NULL, MONITOR_ACCOUNT);
        page_close(p, ']');
    }
    page_close(p, '}');
    return MONITOR_ANSWER;
}

bool
monitor_accstatz_ask(struct monitor_req *r)
{
    if (!monitor_arg_bool(r, "unused", &r->args.all))
        return false;
    accounts_ask(r);
    return true;
}

static void
accstatz_flow(struct page *p, const char *name, uint64_t msgs, uint64_t bytes)
{
    static const char *const links[] = {"gateways", "routes", "leafs"};

    page_open(p, name, '{');
    page_u64(p, "msgs", msgs);
    page_u64(p, "bytes", bytes);
    for (size_t i = 0; i < N_ELEMS(links); i++) {
        page_open(p, links[i], '{');
        page_u64(p, "msgs", 0);
        page_u64(p, "bytes", 0);
        page_close(p, '}');
    }
    page_close(p, '}');
}

enum monitor_next
monitor_accstatz(struct monitor_req *r)
{
    const uint64_t *n = r->sum.counters;
    struct page *p = &r->page;

    monitor_sum(r);
    page_open(p, NULL, '{');
    monitor_head(r, false);
    page_open(p, "account_statz", '[');
    if (r->args.all || r->sum.n_conns > 0) {
        page_open(p, NULL, '{');
        page_str(p, "acc", MONITOR_ACCOUNT);
        page_str(p, "name", MONITOR_ACCOUNT);
        page_u64(p, "conns", r->sum.n_conns);
        page_u64(p, "leafnodes", 0);
        page_u64(p, "total_conns", r->sum.n_conns);
        page_u64(p, "num_subscriptions", r->sum.interest.n_subs);
        accstatz_flow(p, "sent", n[COUNTER_out_msgs], n[COUNTER_out_bytes]);
        accstatz_flow(p, "received", n[COUNTER_in_msgs], n[COUNTER_in_bytes]);
        page_u64(p, "slow_consumers", n[COUNTER_slow_consumers_pending] + n[COUNTER_slow_consumers_deadline]);
        page_close(p, '}');
    }
    page_close(p, ']');
    page_close(p, '}');
    return MONITOR_ANSWER;
}
