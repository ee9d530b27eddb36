#include "core/server/server_cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/json_write.h"

enum { SERVER_API_LEVEL = 4 };

void
server_names_random(struct server_names *nm)
{
    nkey_random(NKEY_SERVER, nm->id);
    nkey_random(NKEY_CURVE, nm->xkey);
    (void)snprintf(nm->go, sizeof(nm->go), "midge-%s", MIDGE_VERSION); /* fits */
    hash_key_random(&nm->key);
    password_key_random(&nm->password_key);
}

static void
server_cfg_net(struct server_cfg *c, const struct server_names *nm)
{
    const struct options *o = &c->opts;

    c->net = (struct net_cfg){
        .host = o->host,
        .port = (uint16_t)(o->port < 0 ? 0 : o->port),
        .max_connections = (uint32_t)o->max_connections,
        .max_subs = (uint32_t)o->max_subscriptions,
        .max_sub_tokens = (uint32_t)o->max_sub_tokens,
        .max_control_line = (uint32_t)o->max_control_line,
        .max_payload = o->max_payload,
        .max_pending = (uint64_t)o->max_pending,
        .write_deadline_ns = o->write_deadline_ns,
        .write_retry = o->write_timeout == OPTIONS_WRITE_RETRY,
        .ping_interval_ns = o->ping_interval_ns,
        .ping_max = (uint32_t)o->ping_max,
        .headers = !o->no_header_support,
        .no_stall = o->no_fast_producer_stall,
        .no_sublist_cache = o->disable_sublist_cache,
        .auth = c->auth,
        .mappings = c->mappings,
        .event_extra = c->event_extra,
        .trace_headers = o->trace_headers,
        .max_traced = (uint32_t)min_i64(o->max_traced_msg_len, UINT32_MAX),
        .key = nm->key,
        .info =
            {
                .server_id = nm->id,
                .server_name = o->server_name != NULL ? o->server_name : nm->id,
                .version = SERVER_VERSION,
                .go = nm->go,
                .host = o->client_advertise_host != NULL ? o->client_advertise_host : o->host,
                .port = o->client_advertise_port, /* 0: the listener's */
                .headers = !o->no_header_support,
                .api_lvl = SERVER_API_LEVEL,
                .xkey = nm->xkey,
            },
    };
}

static enum err
server_cfg_mappings(struct server_cfg *c)
{
    const struct options *o = &c->opts;
    char why[MAPPING_WHY_MAX];

    enum err e = mapping_new(o->mappings, o->n_mappings, o->cluster_name != NULL ? o->cluster_name : "", &c->mappings, why, sizeof(why));
    ASSERT(e != ERR_INVAL); /* they were checked when they were read */
    return e;
}

/* What the server's events say of it beside its names: `"tags":[..],"metadata":{..},`. */
static enum err
server_cfg_events(struct server_cfg *c)
{
    const struct options *o = &c->opts;
    struct out out;
    size_t cap = 64;

    for (uint32_t i = 0; i < o->server_tags.n; i++)
        cap += JSON_WRITE_MAX(strlen(o->server_tags.items[i])) + 1;
    for (uint32_t i = 0; i < o->server_metadata.n; i++)
        cap += JSON_WRITE_MAX(strlen(o->server_metadata.items[i].key)) + JSON_WRITE_MAX(strlen(o->server_metadata.items[i].value)) + 2;
    if (o->server_tags.n + o->server_metadata.n == 0)
        return OK;
    c->event_extra = fault_malloc(cap);
    if (c->event_extra == NULL)
        return ERR_NOMEM;
    out_init(&out, c->event_extra, cap - 1);
    for (uint32_t i = 0; i < o->server_tags.n; i++) {
        out_str(&out, i == 0 ? "\"tags\":[" : ",");
        json_write_str(&out, o->server_tags.items[i], strlen(o->server_tags.items[i]));
    }
    out_str(&out, o->server_tags.n > 0 ? "]," : "");
    for (uint32_t i = 0; i < o->server_metadata.n; i++) {
        out_str(&out, i == 0 ? "\"metadata\":{" : ",");
        json_write_str(&out, o->server_metadata.items[i].key, strlen(o->server_metadata.items[i].key));
        out_byte(&out, ':');
        json_write_str(&out, o->server_metadata.items[i].value, strlen(o->server_metadata.items[i].value));
    }
    out_str(&out, o->server_metadata.n > 0 ? "}," : "");
    ASSERT(!out.full); /* the most was counted */
    c->event_extra[out.len] = '\0';
    return OK;
}

static int64_t
server_cfg_now(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* this clock exists */
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

enum err
server_cfg_new(const struct server_names *nm, struct options *opts, struct server_cfg **ret)
{
    struct server_cfg *c = fault_calloc(1, sizeof(*c));

    if (c == NULL) {
        options_free(opts);
        return ERR_NOMEM;
    }
    c->opts = *opts;
    c->loaded_ns = server_cfg_now();
    enum err e = auth_new(&c->opts.auth, &nm->password_key, &c->auth);
    if (e == OK)
        e = server_cfg_mappings(c);
    if (e == OK)
        e = server_cfg_events(c);
    if (e != OK) {
        server_cfg_free(c);
        return e;
    }
    server_cfg_net(c, nm);
    *ret = c;
    return OK;
}

struct log_cfg
server_cfg_log(const struct options *o)
{
    return (struct log_cfg){
        .file = o->log_file,
        .size_limit = (uint64_t)o->log_size_limit,
        .n_files = (uint32_t)o->log_max_num,
        .remote_syslog = o->remote_syslog,
        .syslog = o->syslog,
        .debug = o->debug,
        .trace = o->trace || o->trace_verbose || o->trace_headers,
        .no_time = !o->logtime,
        .utc = o->logtime_utc,
    };
}

void
server_cfg_free(struct server_cfg *c)
{
    if (c == NULL)
        return;
    auth_free(c->auth);
    mapping_free(c->mappings);
    free(c->event_extra);
    options_free(&c->opts);
    free(c);
}
