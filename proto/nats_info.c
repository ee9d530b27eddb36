#include "proto/nats_info.h"

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/json_write.h"
#include "proto/nats_connect.h"

/* In all the functions below a field is written with a comma behind it. So the parts of the line can be put together in any
 * way, and only the end has to take the last comma back. */

static void
nats_info_key(struct out *o, const char *key)
{
    out_byte(o, '"');
    out_str(o, key);
    out_str(o, "\":");
}

static void
nats_info_str(struct out *o, const char *key, const char *value)
{
    nats_info_key(o, key);
    json_write_str(o, value, strlen(value));
    out_byte(o, ',');
}

static void
nats_info_str_opt(struct out *o, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        nats_info_str(o, key, value);
}

static void
nats_info_i64(struct out *o, const char *key, int64_t value)
{
    nats_info_key(o, key);
    out_i64(o, value);
    out_byte(o, ',');
}

static void
nats_info_bool_opt(struct out *o, const char *key, bool value)
{
    if (value) {
        nats_info_key(o, key);
        out_str(o, "true,");
    }
}

static void
nats_info_head(struct out *o, const struct nats_info_server *s)
{
    out_str(o, "INFO {");
    nats_info_str(o, "server_id", s->server_id);
    nats_info_str(o, "server_name", s->server_name);
    nats_info_str(o, "version", s->version);
    nats_info_i64(o, "proto", 1);
    nats_info_str_opt(o, "git_commit", s->git_commit);
    nats_info_str(o, "go", s->go);
    nats_info_str(o, "host", s->host);
    nats_info_i64(o, "port", s->port);
    out_str(o, s->headers ? "\"headers\":true," : "\"headers\":false,");
}

static void
nats_info_mid(struct out *o, const struct nats_info_server *s)
{
    nats_info_str_opt(o, "cluster", s->cluster);
    nats_info_bool_opt(o, "cluster_dynamic", s->cluster_dynamic);
    nats_info_str_opt(o, "domain", s->domain);
    if (s->n_connect_urls == 0)
        return;
    nats_info_key(o, "connect_urls");
    for (size_t i = 0; i < s->n_connect_urls; i++) {
        out_byte(o, i == 0 ? '[' : ',');
        json_write_str(o, s->connect_urls[i], strlen(s->connect_urls[i]));
    }
    out_str(o, "],");
}

enum err
nats_info_prepare(const struct nats_info_server *s, char *buf, size_t cap, struct nats_info_template *ret_t)
{
    struct nats_info_template t = {.text = buf};
    struct out                o;

    out_init(&o, buf, cap);
    nats_info_head(&o, s);
    t.head_len = o.len;
    nats_info_mid(&o, s);
    t.mid_len = o.len - t.head_len;
    if (s->api_lvl != 0)
        nats_info_i64(&o, "api_lvl", s->api_lvl);
    nats_info_str_opt(&o, "xkey", s->xkey);
    t.end_len = o.len - t.head_len - t.mid_len;
    if (o.full)
        return ERR_FULL;
    *ret_t = t;
    return OK;
}

size_t
nats_info_encode(const struct nats_info_template *t, const struct nats_info_conn *c, char *buf, size_t cap)
{
    struct out o;

    out_init(&o, buf, cap);
    out_bytes(&o, t->text, t->head_len);
    nats_info_bool_opt(&o, "auth_required", c->auth_required);
    nats_info_bool_opt(&o, "tls_required", c->tls_required);
    nats_info_bool_opt(&o, "tls_verify", c->tls_verify);
    nats_info_bool_opt(&o, "tls_available", c->tls_available);
    nats_info_i64(&o, "max_payload", c->max_payload);
    nats_info_bool_opt(&o, "jetstream", c->jetstream);
    if (c->client_id != 0) {
        nats_info_key(&o, "client_id");
        out_u64(&o, c->client_id);
        out_byte(&o, ',');
    }
    nats_info_str_opt(&o, "client_ip", c->client_ip);
    nats_info_str_opt(&o, "nonce", c->nonce);
    out_bytes(&o, t->text + t->head_len, t->mid_len);
    nats_info_bool_opt(&o, "ldm", c->ldm);
    nats_info_bool_opt(&o, "connect_info", c->connect_info);
    nats_info_str_opt(&o, "remote_account", c->remote_account);
    nats_info_bool_opt(&o, "acc_is_sys", c->acc_is_sys);
    out_bytes(&o, t->text + t->head_len + t->mid_len, t->end_len);
    if (o.full)
        return 0;
    ASSERT(o.len > 0 && buf[o.len - 1] == ',');
    o.len--;
    out_str(&o, "} \r\n");
    return o.full ? 0 : o.len;
}

/* What is looked at in an INFO besides its type. */
struct nats_info_seen {
    int64_t                 max_payload, gossip_mode, gateway_cmd;
    const struct json_node *connect_urls, *ws_connect_urls, *gateway_urls, *leafnode_urls;
    const struct json_node *import, *export;
};

/* Every field of an INFO, between servers too. (gateway_cmd_payload is not looked at.) */
#define NATS_INFO_CHECKED(name, kind) {name, JSON_NO_OFF, kind},
#define NATS_INFO_SEEN(name, kind)    {#name, offsetof(struct nats_info_seen, name), kind},
static const struct json_field nats_info_fields[] = {
    NATS_INFO_CHECKED("server_id", JSON_K_STR)
    NATS_INFO_CHECKED("server_name", JSON_K_STR)
    NATS_INFO_CHECKED("version", JSON_K_STR)
    NATS_INFO_CHECKED("proto", JSON_K_I64)
    NATS_INFO_CHECKED("git_commit", JSON_K_STR)
    NATS_INFO_CHECKED("go", JSON_K_STR)
    NATS_INFO_CHECKED("host", JSON_K_STR)
    NATS_INFO_CHECKED("port", JSON_K_I64)
    NATS_INFO_CHECKED("headers", JSON_K_BOOL)
    NATS_INFO_CHECKED("auth_required", JSON_K_BOOL)
    NATS_INFO_CHECKED("tls_required", JSON_K_BOOL)
    NATS_INFO_CHECKED("tls_verify", JSON_K_BOOL)
    NATS_INFO_CHECKED("tls_available", JSON_K_BOOL)
    NATS_INFO_SEEN(max_payload, JSON_K_I64)
    NATS_INFO_CHECKED("jetstream", JSON_K_BOOL)
    NATS_INFO_CHECKED("client_id", JSON_K_U64)
    NATS_INFO_CHECKED("client_ip", JSON_K_STR)
    NATS_INFO_CHECKED("nonce", JSON_K_STR)
    NATS_INFO_CHECKED("cluster", JSON_K_STR)
    NATS_INFO_CHECKED("cluster_dynamic", JSON_K_BOOL)
    NATS_INFO_CHECKED("domain", JSON_K_STR)
    NATS_INFO_SEEN(connect_urls, JSON_K_ARRAY)
    NATS_INFO_SEEN(ws_connect_urls, JSON_K_ARRAY)
    NATS_INFO_CHECKED("ldm", JSON_K_BOOL)
    NATS_INFO_CHECKED("connect_info", JSON_K_BOOL)
    NATS_INFO_CHECKED("remote_account", JSON_K_STR)
    NATS_INFO_CHECKED("acc_is_sys", JSON_K_BOOL)
    NATS_INFO_CHECKED("api_lvl", JSON_K_I64)
    NATS_INFO_CHECKED("xkey", JSON_K_STR)
    NATS_INFO_CHECKED("ip", JSON_K_STR)
    NATS_INFO_CHECKED("compression", JSON_K_STR)
    NATS_INFO_SEEN(import, JSON_K_OBJECT)
    NATS_INFO_SEEN(export, JSON_K_OBJECT)
    NATS_INFO_CHECKED("lnoc", JSON_K_BOOL)
    NATS_INFO_CHECKED("lnocu", JSON_K_BOOL)
    NATS_INFO_CHECKED("info_on_connect", JSON_K_BOOL)
    NATS_INFO_CHECKED("route_pool_size", JSON_K_I64)
    NATS_INFO_CHECKED("route_pool_idx", JSON_K_I64)
    NATS_INFO_CHECKED("route_account", JSON_K_STR)
    NATS_INFO_CHECKED("route_acc_add_reqid", JSON_K_STR)
    NATS_INFO_SEEN(gossip_mode, JSON_K_I64)
    NATS_INFO_CHECKED("gateway", JSON_K_STR)
    NATS_INFO_SEEN(gateway_urls, JSON_K_ARRAY)
    NATS_INFO_CHECKED("gateway_url", JSON_K_STR)
    NATS_INFO_SEEN(gateway_cmd, JSON_K_I64)
    NATS_INFO_CHECKED("gateway_nrp", JSON_K_BOOL)
    NATS_INFO_CHECKED("gateway_iom", JSON_K_BOOL)
    NATS_INFO_SEEN(leafnode_urls, JSON_K_ARRAY)
};

static enum err
nats_info_check_seen(const struct nats_info_seen *s)
{
    const struct json_node *const urls[] = {s->connect_urls, s->ws_connect_urls, s->gateway_urls, s->leafnode_urls};

    if (s->max_payload < INT32_MIN || s->max_payload > INT32_MAX || s->gossip_mode < 0 || s->gossip_mode > UINT8_MAX ||
        s->gateway_cmd < 0 || s->gateway_cmd > UINT8_MAX)
        return ERR_RANGE;
    enum err e = nats_perms_check(s->import);
    if (e == OK)
        e = nats_perms_check(s->export);
    for (size_t i = 0; i < N_ELEMS(urls) && e == OK; i++)
        e = nats_strings_check(urls[i]);
    return e;
}

enum err
nats_info_check(const uint8_t *args, size_t len, struct json_why *ret_why)
{
    const struct json_field *bad = NULL;
    struct nats_info_seen    seen = {0};
    struct json             *doc = NULL;
    enum err                 e = json_parse(args, len, JSON_SIZE_MAX, &doc, ret_why);

    if (e != OK)
        return e;
    e = json_decode(json_root(doc), nats_info_fields, N_ELEMS(nats_info_fields), &seen, &bad);
    if (e == OK)
        e = nats_info_check_seen(&seen);
    if (e != OK)
        *ret_why = (struct json_why){.what = "wrong type or range", .field = bad == NULL ? NULL : bad->name};
    json_free(doc);
    return e;
}
