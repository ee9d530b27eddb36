/* /routez, /gatewayz, /leafz: links between servers, of which there are none yet. Parameters are looked at all the same. */
#include "core/server/monitor_priv.h"

static void
links_list(struct page *p, const char *name, char open, char close)
{
    page_open(p, name, open);
    page_close(p, close);
}

bool
monitor_routez_ask(struct monitor_req *r)
{
    return monitor_arg_subs(r, &r->args.subs, &r->args.detail);
}

enum monitor_next
monitor_routez(struct monitor_req *r)
{
    page_open(&r->page, NULL, '{');
    monitor_head(r, true);
    page_u64(&r->page, "num_routes", 0);
    links_list(&r->page, "routes", '[', ']');
    page_close(&r->page, '}');
    return MONITOR_ANSWER;
}

bool
monitor_gatewayz_ask(struct monitor_req *r)
{
    return monitor_arg_bool(r, "accs", &r->args.all) && monitor_arg_subs(r, &r->args.subs, &r->args.detail);
}

enum monitor_next
monitor_gatewayz(struct monitor_req *r)
{
    page_open(&r->page, NULL, '{');
    monitor_head(r, false);
    links_list(&r->page, "outbound_gateways", '{', '}');
    links_list(&r->page, "inbound_gateways", '{', '}');
    page_close(&r->page, '}');
    return MONITOR_ANSWER;
}

bool
monitor_leafz_ask(struct monitor_req *r)
{
    return monitor_arg_bool(r, "subs", &r->args.subs);
}

enum monitor_next
monitor_leafz(struct monitor_req *r)
{
    page_open(&r->page, NULL, '{');
    monitor_head(r, false);
    page_u64(&r->page, "leafnodes", 0);
    links_list(&r->page, "leafs", '[', ']');
    page_close(&r->page, '}');
    return MONITOR_ANSWER;
}
