/* options_blocks.c - the blocks of features that do not exist yet: read for their form, so that a mistake in them is told, and kept nowhere.
 *
 * JetStream and accounts are in files of their own. Source: sheet 02, section 3; texts are nats-server's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_auth.h"

#define SPKI "hex-encoded sha256 of DER encoded SubjectPublicKeyInfo"
#define BLOCK(rows_, ...) {.rows = (rows_), .n = N_ELEMS(rows_), __VA_ARGS__}

/* ---- what to say, and whether */

void
option_refuse_value(struct option_reader *r, const struct conf_value *v, const char *key, const char *feature, bool guards)
{
    if (r->unsupported_quiet || r->in_unsupported > 0)
        return;
    if (r->unsupported_warn)
        option_warn_at(r, v, "%s is not supported and does nothing: midge does not have %s yet", key, feature);
    else
        option_fail_at(r, v, "%s is not supported: midge does not have %s yet", key, feature);
    option_note_unsupported(r, guards);
}

bool
option_asks_listener(const struct conf_value *v)
{
    if (v->type != CONF_MAP)
        return true;
    const struct conf_value *port = conf_get(v, "port"), *listen = conf_get(v, "listen");
    if (port != NULL && (port->type != CONF_INT || port->i != 0))
        return true;
    if (listen == NULL || (listen->type == CONF_INT && listen->i == 0))
        return false;
    size_t len = listen->type == CONF_STR ? listen->str.len : 0;
    return !(len >= 2 && memcmp(listen->str.bytes + len - 2, ":0", 2) == 0);
}

bool
option_asks_leafnodes(const struct conf_value *v)
{
    const struct conf_value *remotes = v->type == CONF_MAP ? conf_get(v, "remotes") : NULL;

    return option_asks_listener(v) || (remotes != NULL && option_asks(remotes));
}

/* ---- tls */

static void
block_read_words(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    const char *text = NULL;

    if (!option_is(r, v, CONF_ARRAY))
        return;
    if (v->list.n == 0)
        option_fail_at(r, v, "error parsing tls config, '%.*s' cannot be empty", OPTION_FIRST(row->keys));
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (option_read_text(r, item, &text) && !option_is_in(row->words, text, strlen(text)))
            option_fail_at(r, item, "unrecognized %s %s", row->keys[1] == 'i' ? "cipher" : "curve preference", text);
    }
}

static void
block_read_min_version(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type != CONF_STR)
        option_fail_at(r, v, "error parsing tls config: 'min_version' wrong type: %s", conf_type_name(v->type));
    else if (option_is_in("1.0 1.1", v->str.bytes, v->str.len))
        option_fail_at(r, v, "error parsing tls config: unsupported TLS version: TLS %s", v->str.bytes);
    else if (!option_is_in("1.2 1.3", v->str.bytes, v->str.len))
        option_fail_at(r, v, "error parsing tls config: unknown version: %.100s", v->str.bytes);
}

static void
block_read_tls_timeout(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char why[GO_WHY_LEN];
    int64_t ns;

    if (v->type == CONF_STR && !go_duration_parse(v->str.bytes, &ns, why))
        option_fail_at(r, v, "error parsing tls config, 'timeout' %s", why);
    else if (v->type != CONF_STR && v->type != CONF_INT && v->type != CONF_FLOAT)
        option_fail_at(r, v, "error parsing tls config, 'timeout' wrong type");
}

static void
block_read_pinned(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;

    if (v->type != CONF_ARRAY) {
        option_fail_at(r, v, "error parsing tls config, expected 'pinned_certs' to be a list of " SPKI);
        return;
    }
    for (uint32_t i = 0; i < v->list.n; i++) {
        if (!option_read_text(r, &v->list.items[i], &text))
            continue;
        if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
            option_fail_at(r, &v->list.items[i], "error parsing tls config, 'pinned_certs' key %.100s does not look like " SPKI, text);
    }
}

static void
block_read_handshake_first(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    int64_t ns;
    char low[32];

    if (v->type == CONF_BOOL)
        return;
    if (v->type != CONF_STR) {
        option_fail_at(r, v, "field \"%s\" should be a boolean or a string, got %s", v->key.bytes, conf_type_name(v->type));
        return;
    }
    (void)snprintf(low, sizeof(low), "%.30s", v->str.bytes); /* cut: no such word */
    for (char *p = low; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (!option_is_in("true on false off auto auto_fallback", low, strlen(low)) && !go_duration_parse(v->str.bytes, &ns, NULL))
        option_fail_at(r, v, "field \"%s\"'s value \"%.100s\" is invalid", v->key.bytes, v->str.bytes);
}

static void
block_read_cert_store(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type != CONF_STR || v->str.len > 0)
        option_fail_at(r, v, "cert_store not compatible with current operating system");
}

static void
block_check_certs(struct option_reader *r, const struct conf_value *map)
{
    if (conf_get(map, "cert_file") == NULL || conf_get(map, "key_file") == NULL)
        option_fail_at(r, option_last_of(map), "error parsing certificates config: both 'cert_file' and 'cert_key' options are required");
}

static const struct option_row rows_certs[] = {{.keys = "cert_file", .type = OPT_STR}, {.keys = "key_file", .type = OPT_STR}};
static const struct option_block block_certs = BLOCK(rows_certs, .check = block_check_certs);

static const struct option_row rows_ocsp_peer[] = {
    {.keys = "verify", .type = OPT_BOOL},
    {.keys = "allowed_clockskew", .type = OPT_TMO},
    {.keys = "ca_timeout", .type = OPT_TMO},
    {.keys = "cache_ttl_when_next_update_unset", .type = OPT_TMO},
    {.keys = "warn_only", .type = OPT_BOOL},
    {.keys = "unknown_is_good", .type = OPT_BOOL},
    {.keys = "allow_when_ca_unreachable", .type = OPT_BOOL},
};
static const struct option_block block_ocsp_peer = BLOCK(rows_ocsp_peer, .unknown = "error parsing tls peer config, ");

static void
block_read_ocsp_peer(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP)
        option_read_block(r, &block_ocsp_peer, v);
    else if (v->type != CONF_BOOL)
        option_fail_at(r, v, "error parsing ocsp peer config: unsupported type %s", conf_type_name(v->type));
}

#define INSECURE_CIPHERS \
    "TLS_RSA_WITH_RC4_128_SHA TLS_RSA_WITH_3DES_EDE_CBC_SHA TLS_RSA_WITH_AES_128_CBC_SHA TLS_RSA_WITH_AES_256_CBC_SHA " \
    "TLS_RSA_WITH_AES_128_CBC_SHA256 TLS_RSA_WITH_AES_128_GCM_SHA256 TLS_RSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_RC4_128_SHA " \
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 " \
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"

static const char tls_ciphers[] =
    "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 "
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305 "
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 "
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305 TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA "
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA " INSECURE_CIPHERS;

static void
block_check_tls(struct option_reader *r, const struct conf_value *map)
{
    const struct conf_value *cert = conf_get(map, "cert_file"), *key = conf_get(map, "key_file"), *ciphers = conf_get(map, "cipher_suites"),
                            *insecure = conf_get(map, "allow_insecure_cipher_suites");
    bool certs = conf_get(map, "certs") != NULL || conf_get(map, "certificates") != NULL;

    if ((cert != NULL && cert->type != CONF_STR) || (key != NULL && key->type != CONF_STR))
        return; /* that was told */
    if (cert != NULL && certs)
        option_fail_at(r, map, "error parsing tls config, cannot combine 'cert_file' option with 'certs' option");
    else if (cert != NULL && key == NULL)
        option_fail_at(r, map, "missing 'key_file' in TLS configuration");
    else if (key != NULL && cert == NULL)
        option_fail_at(r, map, "missing 'cert_file' in TLS configuration");
    if (ciphers == NULL || ciphers->type != CONF_ARRAY || (insecure != NULL && insecure->type == CONF_BOOL && insecure->b))
        return;
    for (uint32_t i = 0; i < ciphers->list.n; i++) {
        const struct conf_value *c = &ciphers->list.items[i];
        if (c->type == CONF_STR && option_is_in(INSECURE_CIPHERS, c->str.bytes, c->str.len))
            option_fail_at(r, map, "insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: %s", c->str.bytes);
    }
}

static void
block_read_known_urls(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type != CONF_BOOL)
        option_fail_at(r, v, "error parsing tls config, expected 'verify_cert_and_check_known_urls' to be a boolean");
    else if (!r->known_urls_allowed)
        option_fail_at(r, v, "verify_cert_and_check_known_urls not supported in this context");
}

#define TLS_BOOL(key) {.keys = key, .type = OPT_BOOL, .wrong = "error parsing tls config, expected '" key "' to be a boolean"}
static const struct option_row rows_tls[] = {
    {.keys = "cert_file", .type = OPT_STR, .wrong = "error parsing tls config, expected 'cert_file' to be filename"},
    {.keys = "key_file", .type = OPT_STR, .wrong = "error parsing tls config, expected 'key_file' to be filename"},
    {.keys = "ca_file", .type = OPT_STR, .wrong = "error parsing tls config, expected 'ca_file' to be filename"},
    {.keys = "certs certificates", .type = OPT_MAPS, .block = &block_certs, .wrong = "error parsing certificates config: unsupported type "},
    TLS_BOOL("verify"),
    TLS_BOOL("verify_and_map"),
    {.keys = "verify_cert_and_check_known_urls", .type = OPT_OWN, .read = block_read_known_urls},
    TLS_BOOL("insecure"),
    {.keys = "cipher_suites", .type = OPT_OWN, .read = block_read_words, .words = tls_ciphers},
    TLS_BOOL("allow_insecure_cipher_suites"),
    {.keys = "curve_preferences", .type = OPT_OWN, .read = block_read_words, .words = "X25519MLKEM768 X25519 CurveP256 CurveP384 CurveP521"},
    {.keys = "min_version", .type = OPT_OWN, .read = block_read_min_version},
    {.keys = "timeout", .type = OPT_OWN, .read = block_read_tls_timeout},
    {.keys = "connection_rate_limit", .type = OPT_INT, .wrong = "error parsing tls config, 'connection_rate_limit' wrong type"},
    {.keys = "pinned_certs", .type = OPT_OWN, .read = block_read_pinned},
    {.keys = "handshake_first first immediate", .type = OPT_OWN, .read = block_read_handshake_first},
    {.keys = "cert_store", .type = OPT_OWN, .read = block_read_cert_store},
    {.keys = "cert_match_by", .type = OPT_STR},
    {.keys = "cert_match", .type = OPT_STR},
    {.keys = "ca_certs_match", .type = OPT_STRS},
    {.keys = "cert_match_skip_invalid", .type = OPT_BOOL, .wrong = "expected 'cert_match_skip_invalid' to be a boolean"},
    {.keys = "ocsp_peer", .type = OPT_OWN, .read = block_read_ocsp_peer},
};
const struct option_block options_tls = BLOCK(rows_tls, .unknown = "error parsing tls config, ", .check = block_check_tls);

/* The tls of a listener for servers: known URLs may be asked for. */
static void
block_read_peer_tls(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (!option_is(r, v, CONF_MAP))
        return;
    r->known_urls_allowed = true;
    option_read_block(r, &options_tls, v);
    r->known_urls_allowed = false;
}

/* ---- what several blocks have */

static void
block_read_peer_auth(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    struct option_auth a;

    if (!option_read_auth(r, v, &a))
        return;
    if (a.users_given)
        option_fail_at(r, v, "%s authorization does not allow multiple users", row->words);
    if (a.conf.token != NULL)
        option_fail_at(r, v, "%s authorization does not support tokens", row->words);
    if (a.callout_given)
        option_fail_at(r, v, "%s authorization does not support callouts", row->words);
    if (a.conf.defaults != NULL && row->words[0] == 'C')
        option_warn_at(r, v, "invalid use of field \"%s\": setting \"permissions\" within cluster authorization block is deprecated", v->key.bytes);
}

static void
block_read_auth_timeout(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    int64_t ns;
    (void)option_read_auth_timeout(r, v, row->words != NULL ? row->words : "", &ns);
}

static void
block_read_perms(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    (void)option_read_perms(r, v);
}

static void
block_read_name(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    const char *text = NULL;

    if (!option_read_text(r, v, &text))
        return;
    if (strchr(text, ' ') != NULL)
        option_fail_at(r, v, "%s name cannot contain spaces", row->words);
    else if (row->off != OPTION_NOWHERE && text[0] != '\0')
        *(const char **)(void *)((char *)r->o + row->off) = text;
}

/* Text, or a list of it: URLs whose user info is never shown. */
static void
block_read_urls(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    struct options_strs urls;

    if (v->type != CONF_ARRAY && (row->words == NULL || v->type != CONF_STR)) {
        if (row->wrong != NULL)
            option_fail_at(r, v, "%s%s", row->wrong, conf_type_name(v->type));
        else
            (void)option_is(r, v, CONF_ARRAY);
        return;
    }
    if (!option_read_strs(r, v, &urls) || v->type != CONF_ARRAY || row->words != NULL)
        return;
    for (uint32_t i = 0; i < urls.n && urls.n <= 1000; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(urls.items[i], urls.items[k]) != 0)
                continue;
            const char *at = strrchr(urls.items[i], '@'), *scheme = strstr(urls.items[i], "://");
            option_warn_at(r, &v->list.items[i], "invalid use of field \"%.*s%s\": Duplicate route entry detected",
                           at != NULL && scheme != NULL ? (int)(scheme + 3 - urls.items[i]) : 0, urls.items[i], at != NULL ? at + 1 : urls.items[i]);
            break;
        }
    }
}

static const struct option_row rows_compression[] = {
    {.keys = "mode", .type = OPT_STR},
    {.keys = "rtt_thresholds thresholds rtts rtt", .type = OPT_STRS},
};
static const struct option_block block_compression = BLOCK(rows_compression);

static void
block_read_compression(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char why[GO_WHY_LEN];
    int64_t ns;

    if (v->type == CONF_STR || v->type == CONF_BOOL)
        return;
    if (v->type != CONF_MAP) {
        option_fail_at(r, v, "field \"compression\" should be a boolean or a structure, got %s", conf_type_name(v->type));
        return;
    }
    option_read_block(r, &block_compression, v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *list = &v->list.items[i];
        for (uint32_t k = 0; list->type == CONF_ARRAY && k < list->list.n; k++) {
            const struct conf_value *item = &list->list.items[k];
            if (item->type == CONF_STR && !go_duration_parse(item->str.bytes, &ns, why))
                option_fail_at(r, list, "%s", why);
        }
    }
}

static void
block_read_route_ping(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    static const struct option_row dur = {.keys = "ping_interval", .type = OPT_DUR};
    (void)row;
    int64_t ns;

    if (option_read_dur(r, &dur, v, &ns) && ns > 30 * NS_PER_S)
        option_warn_at(r, v, "Cluster 'ping_interval' will reset to 30s which is the max for routes");
}

#define LISTENER {.keys = "listen", .type = OPT_LISTEN}, {.keys = "host net", .type = OPT_STR}, {.keys = "port", .type = OPT_INT}
#define WRITES {.keys = "write_deadline", .type = OPT_DUR}, {.keys = "write_timeout", .type = OPT_OWN, .read = option_read_write_timeout}

/* ---- cluster */

static const struct option_row rows_cluster[] = {
    {.keys = "name", .type = OPT_OWN, .read = block_read_name, .words = "cluster", .off = OPT(cluster_name)},
    LISTENER,
    {.keys = "authorization", .type = OPT_OWN, .read = block_read_peer_auth, .words = "Cluster"},
    {.keys = "permissions", .type = OPT_OWN, .read = block_read_perms},
    {.keys = "routes", .type = OPT_OWN, .read = block_read_urls},
    {.keys = "tls", .type = OPT_OWN, .read = block_read_peer_tls},
    {.keys = "cluster_advertise advertise", .type = OPT_STR},
    {.keys = "no_advertise", .type = OPT_BOOL},
    {.keys = "connect_retries", .type = OPT_INT},
    {.keys = "connect_backoff", .type = OPT_BOOL},
    {.keys = "pool_size", .type = OPT_INT},
    {.keys = "accounts", .type = OPT_STRS, .wrong = "error parsing accounts: unsupported type "},
    {.keys = "compression", .type = OPT_OWN, .read = block_read_compression},
    {.keys = "ping_interval", .type = OPT_OWN, .read = block_read_route_ping},
    {.keys = "ping_max", .type = OPT_INT},
    WRITES,
};
const struct option_block options_cluster = BLOCK(rows_cluster);

/* ---- gateway */

static const struct option_row rows_gateways[] = {
    {.keys = "name", .type = OPT_STR},
    {.keys = "url", .type = OPT_STR},
    {.keys = "urls", .type = OPT_OWN, .read = block_read_urls},
    {.keys = "tls", .type = OPT_OWN, .read = block_read_peer_tls},
};
static const struct option_block block_gateways = BLOCK(rows_gateways);
static const struct option_row rows_gateway[] = {
    {.keys = "name", .type = OPT_OWN, .read = block_read_name, .words = "gateway"},
    LISTENER,
    {.keys = "authorization", .type = OPT_OWN, .read = block_read_peer_auth, .words = "Gateway"},
    {.keys = "tls", .type = OPT_OWN, .read = block_read_peer_tls},
    {.keys = "advertise", .type = OPT_STR},
    {.keys = "connect_retries", .type = OPT_INT},
    {.keys = "connect_backoff", .type = OPT_BOOL},
    {.keys = "reject_unknown_cluster reject_unknown", .type = OPT_BOOL},
    {.keys = "gateways", .type = OPT_MAPS, .block = &block_gateways, .wrong = "Expected gateways field to be an array, got ",
     .words = "Expected gateway entry to be a map/struct, got "},
    WRITES,
};
const struct option_block options_gateway = BLOCK(rows_gateway);

/* ---- leaf nodes */

static const struct option_row rows_leaf_users[] = {
    {.keys = "user username", .type = OPT_STR},
    {.keys = "pass password", .type = OPT_STR},
    {.keys = "account", .type = OPT_STR},
    {.keys = "proxy_required", .type = OPT_BOOL},
};
static const struct option_block block_leaf_users = BLOCK(rows_leaf_users);

static void
block_read_user_nkey(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    if (option_read_text(r, v, &text) && !option_nkey_is(text, "U"))
        option_fail_at(r, v, "Not a valid public nkey for leafnode authorization");
}

static const struct option_row rows_leaf_auth[] = {
    {.keys = "user username", .type = OPT_STR},
    {.keys = "pass password", .type = OPT_STR},
    {.keys = "nkey", .type = OPT_OWN, .read = block_read_user_nkey},
    {.keys = "account", .type = OPT_STR},
    {.keys = "timeout", .type = OPT_OWN, .read = block_read_auth_timeout, .words = "leafnode "},
    {.keys = "users", .type = OPT_MAPS, .block = &block_leaf_users, .wrong = "Expected users field to be an array, got "},
    {.keys = "proxy_required", .type = OPT_BOOL},
};
static const struct option_block block_leaf_auth = BLOCK(rows_leaf_auth);

static void
block_read_leaf_version(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    unsigned major, minor, patch;
    int end = 0;

    if (!option_read_text(r, v, &text))
        return;
    const char *p = text + (text[0] == 'v');
    if (sscanf(p, "%4u.%4u.%4u%n", &major, &minor, &patch, &end) != 3 || (p[end] != '\0' && p[end] != '-' && p[end] != '+'))
        option_fail_at(r, v, "invalid leafnode's minimum version: invalid semver");
    else if (major < 2 || (major == 2 && minor < 8))
        option_fail_at(r, v, "the minimum version should be at least 2.8.0");
}

static const struct option_row rows_migrate[] = {{.keys = "leader_migrate_delay", .type = OPT_DUR}};
static const struct option_block block_migrate = BLOCK(rows_migrate);

static void
block_read_migrate(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP)
        option_read_block(r, &block_migrate, v);
    else if (v->type != CONF_BOOL)
        option_fail_at(r, v, "Expected boolean or map for jetstream_cluster_migrate, got %s", conf_type_name(v->type));
}

static void
block_check_leaf_proxy(struct option_reader *r, const struct conf_value *map)
{
    const struct conf_value *url = conf_get(map, "url"), *user = conf_get(map, "username"), *pass = conf_get(map, "password");
    bool has_user = user != NULL && option_asks(user), has_pass = pass != NULL && option_asks(pass);

    if (url != NULL && url->type == CONF_STR && strncmp(url->str.bytes, "http://", 7) != 0 && strncmp(url->str.bytes, "https://", 8) != 0)
        option_fail_at(r, map, "proxy URL scheme must be http or https, got: %.*s", (int)strcspn(url->str.bytes, ":"), url->str.bytes);
    else if (has_user != has_pass)
        option_fail_at(r, map, "proxy username and password must both be specified or both be empty");
}

static const struct option_row rows_leaf_proxy[] = {
    {.keys = "url", .type = OPT_STR},
    {.keys = "username", .type = OPT_STR},
    {.keys = "password", .type = OPT_STR},
    {.keys = "timeout", .type = OPT_DUR},
};
static const struct option_block block_leaf_proxy = BLOCK(rows_leaf_proxy, .check = block_check_leaf_proxy);

static const struct option_row rows_remotes[] = {
    {.keys = "url urls", .type = OPT_OWN, .read = block_read_urls, .words = "or text",
     .wrong = "Expected remote leafnode url to be an array or string, got "},
    {.keys = "account local", .type = OPT_STR},
    {.keys = "creds credentials", .type = OPT_STR},
    {.keys = "nkey seed", .type = OPT_STR},
    {.keys = "tls", .type = OPT_MAP, .block = &options_tls},
    {.keys = "no_randomize dont_randomize", .type = OPT_BOOL},
    {.keys = "hub", .type = OPT_BOOL},
    {.keys = "deny_imports deny_import", .type = OPT_STRS, .wrong = "Expected subject permissions to be a subject, or array of subjects, got "},
    {.keys = "deny_exports deny_export", .type = OPT_STRS, .wrong = "Expected subject permissions to be a subject, or array of subjects, got "},
    {.keys = "ws_compression ws_compress websocket_compression websocket_compress", .type = OPT_BOOL},
    {.keys = "ws_no_masking websocket_no_masking", .type = OPT_BOOL},
    {.keys = "jetstream_cluster_migrate js_cluster_migrate", .type = OPT_OWN, .read = block_read_migrate},
    {.keys = "isolate_leafnode_interest isolate", .type = OPT_BOOL},
    {.keys = "request_isolation", .type = OPT_BOOL},
    {.keys = "compression", .type = OPT_OWN, .read = block_read_compression},
    {.keys = "first_info_timeout", .type = OPT_DUR},
    {.keys = "dial_timeout", .type = OPT_DUR},
    {.keys = "disabled", .type = OPT_BOOL},
    {.keys = "ignore_discovered_servers", .type = OPT_BOOL},
    {.keys = "proxy", .type = OPT_MAP, .block = &block_leaf_proxy},
};
static const struct option_block block_remotes = BLOCK(rows_remotes);

static const struct option_row rows_leafnodes[] = {
    LISTENER,
    {.keys = "authorization", .type = OPT_MAP, .block = &block_leaf_auth},
    {.keys = "tls", .type = OPT_MAP, .block = &options_tls},
    {.keys = "advertise leafnode_advertise", .type = OPT_STR},
    {.keys = "no_advertise", .type = OPT_BOOL},
    {.keys = "reconnect reconnect_delay reconnect_interval", .type = OPT_DUR},
    {.keys = "dial_timeout", .type = OPT_DUR},
    {.keys = "min_version minimum_version", .type = OPT_OWN, .read = block_read_leaf_version},
    {.keys = "compression", .type = OPT_OWN, .read = block_read_compression},
    {.keys = "isolate_leafnode_interest isolate", .type = OPT_BOOL},
    WRITES,
    {.keys = "remotes", .type = OPT_MAPS, .block = &block_remotes, .wrong = "Expected remotes field to be an array, got ",
     .words = "Expected remote leafnode entry to be a map/struct, got "},
    {.keys = "legacy_auth", .type = OPT_BOOL},
};
const struct option_block options_leafnodes = BLOCK(rows_leafnodes);

/* ---- websocket, MQTT */

static const struct option_row rows_simple_auth[] = {
    {.keys = "user username", .type = OPT_STR},
    {.keys = "pass password", .type = OPT_STR},
    {.keys = "token", .type = OPT_STR},
    {.keys = "timeout", .type = OPT_OWN, .read = block_read_auth_timeout},
};
static const struct option_block block_simple_auth = BLOCK(rows_simple_auth);

static void
block_read_ws_timeout(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char why[GO_WHY_LEN];
    int64_t ns;

    if (v->type == CONF_STR && !go_duration_parse(v->str.bytes, &ns, why))
        option_fail_at(r, v, "%s", why);
    else if (v->type != CONF_STR && v->type != CONF_INT)
        option_fail_at(r, v, "error parsing handshake timeout: unsupported type %s", conf_type_name(v->type));
}

static void
block_read_ws_headers(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type != CONF_MAP) {
        option_fail_at(r, v, "error parsing headers: unsupported type %s", conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->type != CONF_STR)
            option_fail_at(r, item, "error parsing header key %.100s: unsupported type %s", item->key.bytes, conf_type_name(item->type));
    }
}

static const struct option_row rows_websocket[] = {
    LISTENER,
    {.keys = "advertise", .type = OPT_STR},
    {.keys = "no_tls", .type = OPT_BOOL},
    {.keys = "tls", .type = OPT_MAP, .block = &options_tls},
    {.keys = "same_origin", .type = OPT_BOOL},
    {.keys = "allowed_origins allowed_origin allow_origins allow_origin origins origin", .type = OPT_STRS,
     .wrong = "error parsing allowed origins: unsupported type "},
    {.keys = "handshake_timeout", .type = OPT_OWN, .read = block_read_ws_timeout},
    {.keys = "compression compress", .type = OPT_BOOL},
    {.keys = "authorization authentication", .type = OPT_MAP, .block = &block_simple_auth},
    {.keys = "no_auth_user", .type = OPT_STR},
    {.keys = "jwt_cookie", .type = OPT_STR},
    {.keys = "user_cookie", .type = OPT_STR},
    {.keys = "pass_cookie", .type = OPT_STR},
    {.keys = "token_cookie", .type = OPT_STR},
    {.keys = "headers", .type = OPT_OWN, .read = block_read_ws_headers},
    {.keys = "ping_interval", .type = OPT_DUR},
};
const struct option_block options_websocket = BLOCK(rows_websocket);

static void
block_read_ack_pending(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (option_is(r, v, CONF_INT) && (v->i < 0 || v->i > 65535))
        option_fail_at(r, v, "invalid value %lld, should in [0..65535] range", (long long)v->i);
}

static void
block_read_consumer_replicas(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    option_warn_at(r, v, "invalid use of field \"consumer_replicas\": consumer replicas setting ignored in this server version");
}

static const struct option_row rows_mqtt[] = {
    LISTENER,
    {.keys = "tls", .type = OPT_MAP, .block = &options_tls},
    {.keys = "authorization authentication", .type = OPT_MAP, .block = &block_simple_auth},
    {.keys = "no_auth_user", .type = OPT_STR},
    {.keys = "ack_wait ackwait", .type = OPT_DUR},
    {.keys = "js_api_timeout api_timeout", .type = OPT_DUR},
    {.keys = "max_ack_pending max_pending max_inflight", .type = OPT_OWN, .read = block_read_ack_pending},
    {.keys = "js_domain", .type = OPT_STR},
    {.keys = "stream_replicas", .type = OPT_INT},
    {.keys = "consumer_replicas", .type = OPT_OWN, .read = block_read_consumer_replicas},
    {.keys = "consumer_memory_storage", .type = OPT_BOOL},
    {.keys = "consumer_inactive_threshold consumer_auto_cleanup", .type = OPT_DUR},
    {.keys = "reject_qos2_publish", .type = OPT_BOOL},
    {.keys = "downgrade_qos2_subscribe", .type = OPT_BOOL},
};
const struct option_block options_mqtt = BLOCK(rows_mqtt);
