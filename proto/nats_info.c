#include "proto/nats_info.h"

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/json_write.h"

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

/* Every field of an INFO, between servers too, for its type. */
static const struct json_field nats_info_fields[] = {
    {"server_id", JSON_NO_OFF, JSON_K_STR},
    {"server_name", JSON_NO_OFF, JSON_K_STR},
    {"version", JSON_NO_OFF, JSON_K_STR},
    {"proto", JSON_NO_OFF, JSON_K_I64},
    {"git_commit", JSON_NO_OFF, JSON_K_STR},
    {"go", JSON_NO_OFF, JSON_K_STR},
    {"host", JSON_NO_OFF, JSON_K_STR},
    {"port", JSON_NO_OFF, JSON_K_I64},
    {"headers", JSON_NO_OFF, JSON_K_BOOL},
    {"auth_required", JSON_NO_OFF, JSON_K_BOOL},
    {"tls_required", JSON_NO_OFF, JSON_K_BOOL},
    {"tls_verify", JSON_NO_OFF, JSON_K_BOOL},
    {"tls_available", JSON_NO_OFF, JSON_K_BOOL},
    {"max_payload", JSON_NO_OFF, JSON_K_I64},
    {"jetstream", JSON_NO_OFF, JSON_K_BOOL},
    {"client_id", JSON_NO_OFF, JSON_K_U64},
    {"client_ip", JSON_NO_OFF, JSON_K_STR},
    {"nonce", JSON_NO_OFF, JSON_K_STR},
    {"cluster", JSON_NO_OFF, JSON_K_STR},
    {"cluster_dynamic", JSON_NO_OFF, JSON_K_BOOL},
    {"domain", JSON_NO_OFF, JSON_K_STR},
    {"connect_urls", JSON_NO_OFF, JSON_K_ARRAY},
    {"ws_connect_urls", JSON_NO_OFF, JSON_K_ARRAY},
    {"ldm", JSON_NO_OFF, JSON_K_BOOL},
    {"connect_info", JSON_NO_OFF, JSON_K_BOOL},
    {"remote_account", JSON_NO_OFF, JSON_K_STR},
    {"acc_is_sys", JSON_NO_OFF, JSON_K_BOOL},
    {"api_lvl", JSON_NO_OFF, JSON_K_I64},
    {"xkey", JSON_NO_OFF, JSON_K_STR},
    {"ip", JSON_NO_OFF, JSON_K_STR},
};

enum err
nats_info_check(const uint8_t *args, size_t len, struct json_why *ret_why)
{
    const struct json_field *bad = NULL;
    struct json             *doc = NULL;
    enum err                 e = json_parse(args, len, JSON_SIZE_MAX, &doc, ret_why);

    if (e != OK)
        return e;
    e = json_decode(json_root(doc), nats_info_fields, N_ELEMS(nats_info_fields), NULL, &bad);
    if (e != OK)
        *ret_why = (struct json_why){.what = "wrong type or range", .field = bad == NULL ? NULL : bad->name};
    json_free(doc);
    return e;
}
