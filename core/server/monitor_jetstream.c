/* /jsz, /healthz, /raftz, /ipqueuesz of a server without JetStream. */
#include <string.h>

#include "core/server/monitor_priv.h"

bool
monitor_jsz_ask(struct monitor_req *r)
{
    static const char *const bools[] = {"accounts", "streams", "consumers", "direct-consumers", "config", "leader-only", "raft", "stream-leader-only"};
    struct monitor_args *a = &r->args;
    bool v, leader_only = false;

    for (size_t i = 0; i < N_ELEMS(bools); i++) {
        v = false;
        if (!monitor_arg_bool(r, bools[i], &v))
            return false;
        leader_only |= v && strcmp(bools[i], "leader-only") == 0;
    }
    if (!monitor_arg_int(r, "offset", &a->offset) || !monitor_arg_int(r, "limit", &a->limit))
        return false;
    return !leader_only || monitor_bad(r, "filtered response: not leader");
}

enum monitor_next
monitor_jsz(struct monitor_req *r)
{
    static const char *const none[] = {"memory", "storage", "reserved_memory", "reserved_storage", "accounts", "ha_assets"};
    static const char *const totals[] = {"streams", "consumers", "messages", "bytes", "total"};
    struct page *p = &r->page;

    page_open(p, NULL, '{');
    for (size_t i = 0; i < N_ELEMS(none); i++)
        page_u64(p, none[i], 0);
    page_open(p, "api", '{');
    page_u64(p, "level", 0);
    page_u64(p, "total", 0);
    page_u64(p, "errors", 0);
    page_close(p, '}');
    monitor_head(r, false);
    page_bool(p, "disabled", true);
    page_open(p, "config", '{');
    page_u64(p, "max_memory", 0);
    page_u64(p, "max_storage", 0);
    page_close(p, '}');
    for (size_t i = 0; i < N_ELEMS(totals); i++)
        page_u64(p, totals[i], 0);
    page_close(p, '}');
    return MONITOR_ANSWER;
}

/* ---- /healthz ---- */

bool
monitor_healthz_ask(struct monitor_req *r)
{
    struct monitor_args *a = &r->args;
    char v[MONITOR_VALUE_MAX];
    bool only = false, server = false, meta = false, stream, consumer;

    if (!monitor_arg_bool(r, "js-enabled", &a->js_enabled) || !monitor_arg_bool(r, "js-enabled-only", &only) ||
        !monitor_arg_bool(r, "js-server-only", &server) || !monitor_arg_bool(r, "js-meta-only", &meta) ||
        !monitor_arg_bool(r, "details", &a->details) || !monitor_arg_text(r, "account", a->acc, &a->has_acc) ||
        !monitor_arg_text(r, "stream", v, &stream) || !monitor_arg_text(r, "consumer", v, &consumer))
        return false;
    a->all = stream && !a->has_acc;    /* what is missing */
    a->subs = consumer && !stream;
    return true;
}

static void
healthz_log(struct monitor_req *r, const char *error)
{
    char quoted[256];
    size_t len = nats_quote((const uint8_t *)error, strlen(error), quoted, sizeof(quoted));

    if (!http_may_log(r->n))
        return;
    if (r->args.details)
        log_wrn("Healthcheck failed: 1 errors"); /* as nats-server says it; it could be more */
    else
        log_wrn("Healthcheck failed: %.*s", (int)len, quoted);
}

static void
healthz_fail(struct monitor_req *r, uint16_t status, const char *type, const char *error)
{
    struct page *p = &r->page;

    r->status = status;
    healthz_log(r, error);
    page_open(p, NULL, '{');
    page_str(p, "status", "error");
    if (r->args.details) {
        page_open(p, "errors", '[');
        page_open(p, NULL, '{');
        page_str(p, "type", type);
        page_str(p, "error", error);
        page_close(p, '}');
        page_close(p, ']');
    } else {
        page_str(p, "error", error);
    }
    page_close(p, '}');
}

enum monitor_next
monitor_healthz(struct monitor_req *r)
{
    if (r->args.all) {
        healthz_fail(r, 400, "BAD_REQUEST", "\"account\" must not be empty when checking stream health");
    } else if (r->args.subs) {
        healthz_fail(r, 400, "BAD_REQUEST", "\"stream\" must not be empty when checking consumer health");
    } else if (!r->n->listener_open || r->n->stopping) {
        healthz_fail(r, 500, "CONNECTION", "failed to be ready for connections after 1ms: server");
    } else {
        page_open(&r->page, NULL, '{');
        page_str(&r->page, "status", "ok");
        page_close(&r->page, '}');
    }
    return MONITOR_ANSWER;
}

/* ---- /raftz, /ipqueuesz ---- */

enum monitor_next
monitor_raftz(struct monitor_req *r)
{
    r->status = 404;
    (void)strcpy(r->error, "No Raft nodes registered");
    return MONITOR_ANSWER;
}

bool
monitor_ipqueuesz_ask(struct monitor_req *r)
{
    return monitor_arg_bool(r, "all", &r->args.all);
}

/* The queues of nats-server that it shows have no counterpart here: there is no system account. */
enum monitor_next
monitor_ipqueuesz(struct monitor_req *r)
{
    page_open(&r->page, NULL, '{');
    page_close(&r->page, '}');
    return MONITOR_ANSWER;
}
