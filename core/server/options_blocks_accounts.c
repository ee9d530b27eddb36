/* options_blocks_accounts.c - accounts, operator mode, the auth callout, trusted proxies, OCSP: read for their form, they do not exist yet.
 *
 * Source: sheet 02, sections 2, 3.3, 3.10 and 4; sheet 03, section 1.1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/nkey.h"
#include "core/broker/subject.h"
#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_auth.h"

#define BLOCK(rows_, ...) {.rows = (rows_), .n = N_ELEMS(rows_), __VA_ARGS__}

bool
option_nkey_is(const char *text, const char *kinds)
{
    return text[0] != '\0' && strchr(kinds, text[0]) != NULL && nkey_check(text, strlen(text));
}

/* A key in quotes, for a message; but who took the wrong one of a pair has put a seed there, which is not shown. */
static const char *
option_quote_key(const char *text, size_t len, char shown[OPTION_SHOWN_LEN])
{
    bool seed = len >= NKEY_TEXT_LEN && text[0] == 'S';
    return seed ? "\"[REDACTED]\"" : go_quote(text, len, shown, OPTION_SHOWN_LEN);
}

/* ---- an account */

static const struct option_row rows_source[] = {{.keys = "account", .type = OPT_STR}, {.keys = "subject", .type = OPT_STR}};
static const struct option_block block_source = BLOCK(rows_source);

static void
account_read_source(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    if (v->type == CONF_MAP)
        option_read_block(r, &block_source, v);
    else
        option_fail_at(r, v, "%s entry should be an account map, got %s", row->words, conf_type_name(v->type));
}

static void
account_read_response(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char low[32], shown[OPTION_SHOWN_LEN];
    uint32_t n = 0;

    if (!option_is(r, v, CONF_STR))
        return;
    for (; n < v->str.len && n + 1 < sizeof(low); n++)
        low[n] = (char)(v->str.bytes[n] >= 'A' && v->str.bytes[n] <= 'Z' ? v->str.bytes[n] + 32 : v->str.bytes[n]);
    if (n < v->str.len || n == 0 || !option_is_in("single singleton stream chunk chunked", low, n))
        option_fail_at(r, v, "Unknown response type: %s", option_quote(&v->str, shown));
}

static void
account_read_threshold(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char shown[OPTION_SHOWN_LEN];
    int64_t ns;

    if (v->type != CONF_STR)
        option_fail_at(r, v, "Expected response threshold to be a parseable time duration, got %s", conf_type_name(v->type));
    else if (!go_duration_parse(v->str.bytes, &ns, NULL))
        option_fail_at(r, v, "Expected response threshold to be a parseable time duration, got %s", option_quote(&v->str, shown));
}

static void
account_read_latency(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP && conf_get(v, "subject") == NULL)
        option_fail_at(r, v, "Latency subject required, but missing");
    else if (v->type != CONF_MAP && v->type != CONF_STR)
        option_fail_at(r, v, "Expected latency entry to be a map/struct or string, got %s", conf_type_name(v->type));
}

static void
account_check_export(struct option_reader *r, const struct conf_value *map)
{
    char shown[OPTION_SHOWN_LEN];
    const struct conf_value *stream = conf_get(map, "stream"), *service = conf_get(map, "service"), *trace = conf_get(map, "allow_trace");

    if (stream != NULL && service != NULL && service->type == CONF_STR)
        option_fail_at(r, service, "Detected service %s but already saw a stream", option_quote(&service->str, shown));
    else if (trace != NULL && stream != NULL)
        option_fail_at(r, trace, "Detected allow_trace directive on non-service");
}

static void
account_check_import(struct option_reader *r, const struct conf_value *map)
{
    const struct conf_value *service = conf_get(map, "service"), *trace = conf_get(map, "allow_trace");

    if (trace != NULL && service != NULL)
        option_fail_at(r, trace, "Detected allow_trace directive on a non-stream");
}

static void
account_read_list(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    struct options_strs strs;
    (void)row;
    if (option_is(r, v, CONF_ARRAY))
        (void)option_read_strs(r, v, &strs);
}

static const struct option_row rows_export[] = {
    {.keys = "stream", .type = OPT_STR},
    {.keys = "service", .type = OPT_STR},
    {.keys = "accounts", .type = OPT_OWN, .read = account_read_list},
    {.keys = "response response_type", .type = OPT_OWN, .read = account_read_response},
    {.keys = "threshold response_threshold response_max_time response_time", .type = OPT_OWN, .read = account_read_threshold},
    {.keys = "latency", .type = OPT_OWN, .read = account_read_latency},
    {.keys = "account_token_position", .type = OPT_INT},
    {.keys = "allow_trace", .type = OPT_BOOL},
};
static const struct option_block block_export = BLOCK(rows_export, .check = account_check_export);
static const struct option_row rows_import[] = {
    {.keys = "stream", .type = OPT_OWN, .read = account_read_source, .words = "Stream"},
    {.keys = "service", .type = OPT_OWN, .read = account_read_source, .words = "Service"},
    {.keys = "prefix", .type = OPT_STR},
    {.keys = "to", .type = OPT_STR},
    {.keys = "share", .type = OPT_BOOL},
    {.keys = "allow_trace", .type = OPT_BOOL},
};
static const struct option_block block_import = BLOCK(rows_import, .check = account_check_import);

static void
account_read_nkey(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    char shown[OPTION_SHOWN_LEN];

    if (option_read_text(r, v, &text) && !option_nkey_is(text, "A"))
        option_fail_at(r, v, "Not a valid public nkey for an account: %s", option_quote_key(text, strlen(text), shown));
}

static void
account_read_users(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const struct auth_user_conf *users;
    (void)option_read_users(r, v, &users);
}

static void
account_read_perms(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    (void)option_read_perms(r, v);
}

static void
account_read_sampling(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    int64_t n = v->type == CONF_INT ? v->i : -1;

    if (v->type == CONF_STR) {
        char *end;
        n = v->str.len < 10 ? strtol(v->str.bytes, &end, 10) : -1;
        if (v->str.len < 10 && *end != '\0' && strcmp(end, "%") != 0)
            n = -1;
    }
    if (n < 1 || n > 100)
        option_fail_at(r, v, "Ttrace destination sampling value %lld is invalid, needs to be [1..100]", (long long)n);
}

static void
account_read_trace_dest(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    char shown[OPTION_SHOWN_LEN];

    if (option_read_text(r, v, &text) && !subject_valid_publish((const uint8_t *)text, strlen(text)))
        option_fail_at(r, v, "Trace destination %s is not valid", go_quote(text, strlen(text), shown, sizeof(shown)));
}

static const struct option_row rows_trace[] = {
    {.keys = "dest", .type = OPT_OWN, .read = account_read_trace_dest},
    {.keys = "sampling", .type = OPT_OWN, .read = account_read_sampling},
};
static const struct option_block block_trace = BLOCK(rows_trace);

static void
account_read_trace(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    if (v->type == CONF_STR) {
        account_read_trace_dest(r, row, v);
    } else if (v->type == CONF_MAP) {
        option_read_block(r, &block_trace, v);
        if (conf_get(v, "sampling") != NULL && conf_get(v, "dest") == NULL)
            option_warn_at(r, v, "Trace destination sampling ignored since no destination was set");
    } else {
        option_fail_at(r, v, "Expected account message trace \"%s\" to be a string or a map/struct, got %s", v->key.bytes, conf_type_name(v->type));
    }
}

static void
account_read_limits(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    static const char names[] = "max_connections max_conn max_subscriptions max_subs max_payload max_pay max_leafnodes max_leafs";
    (void)row;
    char shown[OPTION_SHOWN_LEN], low[64];

    if (v->type != CONF_MAP) {
        option_fail_at(r, v, "Expected account limits to be a map/struct, got %s", conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        (void)snprintf(low, sizeof(low), "%.60s", item->key.bytes); /* cut: no such name */
        for (char *p = low; *p != '\0'; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        if (low[0] != '\0' && option_is_in(names, low, strlen(low)))
            (void)option_is(r, item, CONF_INT);
        else if (!(item->flags & CONF_USED_AS_VARIABLE))
            option_fail_at(r, item, "Unknown field %s parsing account limits", option_quote(&item->key, shown));
    }
}

static const struct option_row rows_account[] = {
    {.keys = "nkey", .type = OPT_OWN, .read = account_read_nkey},
    {.keys = "users", .type = OPT_OWN, .read = account_read_users},
    {.keys = "imports", .type = OPT_MAPS, .block = &block_import, .wrong = "Imports should be an array, got "},
    {.keys = "exports", .type = OPT_MAPS, .block = &block_export, .wrong = "Exports should be an array, got "},
    {.keys = "jetstream", .type = OPT_OWN, .read = option_read_account_jetstream},
    {.keys = "default_permissions", .type = OPT_OWN, .read = account_read_perms},
    {.keys = "mappings maps", .type = OPT_OWN, .read = option_read_mappings},
    {.keys = "limits", .type = OPT_OWN, .read = account_read_limits},
    {.keys = "msg_trace trace_dest", .type = OPT_OWN, .read = account_read_trace},
};
static const struct option_block block_account = BLOCK(rows_account);

static bool
account_is_global(struct option_reader *r, const struct conf_value *v, const struct conf_str *name)
{
    bool global = name->len == 2 && memcmp(name->bytes, "$G", 2) == 0;
    if (global)
        option_fail_at(r, v, "\"$G\" is a Reserved Account");
    return global;
}

static void
accounts_read_list(struct option_reader *r, const struct conf_value *v)
{
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (!option_is(r, item, CONF_STR) || account_is_global(r, item, &item->str))
            continue;
        for (uint32_t k = 0; k < i; k++) {
            const struct conf_value *other = &v->list.items[k];
            if (other->type == CONF_STR && other->str.len == item->str.len && memcmp(other->str.bytes, item->str.bytes, item->str.len) == 0) {
                option_fail_at(r, item, "Duplicate Account Entry: %.100s", item->str.bytes);
                break;
            }
        }
    }
}

void
option_read_accounts(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_ARRAY)
        accounts_read_list(r, v);
    if (v->type != CONF_MAP) {
        if (v->type != CONF_ARRAY) /* nats-server takes it, and makes nothing of it */
            option_fail_at(r, v, "Expected map entries for accounts");
        return;
    }
    option_mark_replaced(r, v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if ((item->flags & (CONF_USED_AS_VARIABLE | OPTION_REPLACED)) || account_is_global(r, item, &item->key))
            continue;
        if (item->type == CONF_MAP)
            option_read_block(r, &block_account, item);
        else
            option_fail_at(r, item, "Expected map entries for accounts");
    }
}

/* ---- who vouches for users */

static void
callout_read_keys(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    const char *text = NULL;
    char shown[OPTION_SHOWN_LEN];

    if (option_read_text(r, v, &text) && !option_nkey_is(text, row->words))
        option_fail_at(r, v, "Expected callout %s, got %s",
                       row->words[0] == 'A' ? "user to be a valid public account nkey" : "xkey to be a valid public xkey",
                       option_quote_key(text, strlen(text), shown));
}

static void
callout_check(struct option_reader *r, const struct conf_value *map)
{
    if (conf_get(map, "issuer") == NULL)
        option_fail_at(r, map, "Authorization callouts require an issuer to be specified");
    else if (conf_get(map, "auth_users") == NULL && conf_get(map, "users") == NULL)
        option_fail_at(r, map, "Authorization callouts require authorized users to be specified");
}

static const struct option_row rows_callout[] = {
    {.keys = "issuer", .type = OPT_OWN, .read = callout_read_keys, .words = "A"},
    {.keys = "account acc", .type = OPT_STR},
    {.keys = "auth_users users", .type = OPT_OWN, .read = account_read_list},
    {.keys = "xkey key", .type = OPT_OWN, .read = callout_read_keys, .words = "X"},
    {.keys = "allowed_accounts", .type = OPT_OWN, .read = account_read_list},
};
static const struct option_block block_callout = BLOCK(rows_callout);

void
option_read_callout(struct option_reader *r, const struct conf_value *v)
{
    uint32_t n_errors = options_report_n_errors(r->rep);

    if (v->type == CONF_MAP) {
        option_read_block(r, &block_callout, v);
        if (options_report_n_errors(r->rep) == n_errors)
            callout_check(r, v);
    } else {
        option_fail_at(r, v, "Expected authorization callout to be a map/struct, got %s", conf_type_name(v->type));
    }
}

static void
proxies_read_key(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    char shown[OPTION_SHOWN_LEN];

    if (option_read_text(r, v, &text) && !option_nkey_is(text, "ACNOPUX"))
        option_fail_at(r, v, "invalid proxy key %s", option_quote_key(text, strlen(text), shown));
}

static const struct option_row rows_trusted[] = {{.keys = "key public_key", .type = OPT_OWN, .read = proxies_read_key}};
static const struct option_block block_trusted = BLOCK(rows_trusted);
static const struct option_row rows_proxies[] = {
    {.keys = "trusted", .type = OPT_MAPS, .block = &block_trusted, .wrong = "expected proxies' trusted field to be an array, got "},
};
const struct option_block options_proxies = BLOCK(rows_proxies);

/* ---- operator mode */

void
option_read_trusted_keys(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char shown[OPTION_SHOWN_LEN];

    if (v->type != CONF_STR && v->type != CONF_ARRAY) {
        option_fail_at(r, v, "error parsing trusted: unsupported type %s", conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; i < (v->type == CONF_ARRAY ? v->list.n : 1); i++) {
        const struct conf_value *item = v->type == CONF_ARRAY ? &v->list.items[i] : v;
        if (item->type != CONF_STR)
            option_fail_at(r, item, "error parsing trusted: unsupported type in array %s", conf_type_name(item->type));
        else if (!option_nkey_is(item->str.bytes, "O"))
            option_fail_at(r, item, "trust key %s required to be a valid public operator nkey", option_quote_key(item->str.bytes, item->str.len, shown));
    }
}

static const char resolver_wrong[] = "error parsing account resolver, should be MEM or  URL(\"url\") "
                                     "or a map containing dir and type state=[FULL|CACHE])";

static bool
resolver_word(const struct conf_value *v, const char *words)
{
    char up[16];

    if (v == NULL || v->type != CONF_STR || v->str.len >= sizeof(up) || v->str.len == 0)
        return false;
    for (uint32_t i = 0; i < v->str.len; i++)
        up[i] = (char)(v->str.bytes[i] >= 'a' && v->str.bytes[i] <= 'z' ? v->str.bytes[i] - 32 : v->str.bytes[i]);
    return option_is_in(words, up, v->str.len);
}

/* Unlike nats-server it makes no folder while it reads. */
static void
resolver_read_map(struct option_reader *r, const struct conf_value *v)
{
    const struct conf_value *type = conf_get(v, "type"), *dir = conf_get(v, "dir"), *del = conf_get(v, "allow_delete"),
                            *hard = conf_get(v, "hard_delete");
    bool deletes = del != NULL && option_asks(del), hard_deletes = hard != NULL && option_asks(hard);

    if (resolver_word(type, "MEM MEMORY"))
        return;
    if (!resolver_word(type, "FULL CACHE")) {
        option_fail_at(r, v, "%s", resolver_wrong);
        return;
    }
    if (dir == NULL || !option_asks(dir))
        option_fail_at(r, v, "dir has no value and needs to point to a directory");
    if (resolver_word(type, "CACHE")) {
        if (deletes)
            option_fail_at(r, v, "CACHE does not accept allow_delete");
        if (hard_deletes)
            option_fail_at(r, v, "CACHE does not accept hard_delete");
        if (conf_get(v, "interval") != NULL)
            option_fail_at(r, v, "CACHE does not accept sync");
    } else {
        if (conf_get(v, "ttl") != NULL)
            option_fail_at(r, v, "FULL does not accept ttl");
        if (hard_deletes && !deletes)
            option_fail_at(r, v, "hard_delete has no effect without delete");
    }
}

void
option_read_resolver(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP) {
        resolver_read_map(r, v);
    } else if (v->type == CONF_STR) {
        bool url = v->str.len > 5 && strncasecmp(v->str.bytes, "URL(", 4) == 0 && v->str.bytes[v->str.len - 1] == ')';
        if (!url && !resolver_word(v, "MEM MEMORY"))
            option_fail_at(r, v, "%s", resolver_wrong);
    } else {
        option_fail_at(r, v, "error parsing operator resolver, wrong type %s", conf_type_name(v->type));
    }
}

void
option_read_str_map(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    bool preload = row->words != NULL;

    if (v->type != CONF_MAP) {
        if (preload)
            option_fail_at(r, v, "preload should be a map of account_public_key:account_jwt");
        else
            option_fail_at(r, v, "error %.*s config: unsupported type %s", OPTION_FIRST(row->keys), conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (preload && item->type != CONF_STR)
            option_fail_at(r, item, "preload map value should be a string JWT");
        else if (preload && (strncmp(item->str.bytes, "ey", 2) != 0 || strchr(item->str.bytes, '.') == NULL))
            option_fail_at(r, item, "invalid account JWT");
        else
            (void)option_is(r, item, CONF_STR);
    }
}

/* ---- OCSP */

void
option_read_ocsp(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    char low[32];

    if (v->type == CONF_BOOL)
        return;
    if (v->type != CONF_MAP) {
        option_fail_at(r, v, "error parsing ocsp config: unsupported type %s", conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        struct options_strs urls;
        if (strcasecmp(item->key.bytes, "mode") == 0) {
            (void)snprintf(low, sizeof(low), "%.30s", item->type == CONF_STR ? item->str.bytes : "?"); /* cut: no such mode */
            if (!option_is_in("auto always must never", low, strlen(low)))
                option_fail_at(r, item, "error parsing ocsp config: unsupported ocsp mode %s", conf_type_name(item->type));
        } else if (strcasecmp(item->key.bytes, "urls") == 0) {
            (void)option_read_strs(r, item, &urls);
        } else if (strcasecmp(item->key.bytes, "url") == 0) {
            (void)option_is(r, item, CONF_STR);
        } else if (!(item->flags & CONF_USED_AS_VARIABLE)) {
            option_fail_at(r, item, "error parsing ocsp config: unsupported field %.100s", item->key.bytes);
        }
    }
}

static void
ocsp_read_type(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (option_is(r, v, CONF_STR) && !option_is_in("local none", v->str.bytes, v->str.len))
        option_fail_at(r, v, "error parsing OCSP peer cache config, unknown type [%.100s]", v->str.bytes);
}

static const struct option_row rows_ocsp_cache[] = {
    {.keys = "type", .type = OPT_OWN, .read = ocsp_read_type},
    {.keys = "local_store", .type = OPT_STR},
    {.keys = "preserve_revoked", .type = OPT_BOOL},
    {.keys = "save_interval", .type = OPT_TMO},
};
static const struct option_block block_ocsp_cache = BLOCK(rows_ocsp_cache, .unknown = "error parsing OCSP peer cache config, ");

void
option_read_ocsp_cache(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP)
        option_read_block(r, &block_ocsp_cache, v);
    else if (v->type != CONF_BOOL)
        option_fail_at(r, v, "error parsing tags: unsupported type %s", conf_type_name(v->type)); /* that is what nats-server says */
}
