/* options_own.c - options that are read like no other. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/rt/assert.h"
#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_priv.h"

#define LAME_DUCK_MIN_NS (30 * NS_PER_S)

/* Lower case, without space around. Returns the length. */
static size_t
option_fold_tag(char *text)
{
    size_t len = strlen(text), from = 0;

    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    while (from < len && isspace((unsigned char)text[from]))
        from++;
    memmove(text, text + from, len - from);
    text[len - from] = '\0';
    for (char *p = text; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return len - from;
}

void
option_read_tags(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    struct options_strs strs;
    uint32_t n = 0;

    if (v->type != CONF_STR && v->type != CONF_ARRAY) {
        option_fail_at(r, v, "error parsing tags: unsupported type %s", conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; v->type == CONF_ARRAY && i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->type != CONF_STR) {
            option_fail_at(r, item, "error parsing tags: unsupported type in array %s", conf_type_name(item->type));
            return;
        }
    }
    if (!option_read_strs(r, v, &strs))
        return;
    const char **items = option_take(r, strs.n, sizeof(*items));
    for (uint32_t i = 0; items != NULL && i < strs.n; i++) {
        char *tag = (char *)(uintptr_t)strs.items[i]; /* our own copy */
        bool seen = option_fold_tag(tag) == 0;
        for (uint32_t k = 0; k < n && !seen; k++)
            seen = strcmp(items[k], tag) == 0;
        if (!seen)
            items[n++] = tag;
    }
    r->o->server_tags = (struct options_strs){.items = items, .n = items != NULL ? n : 0};
}

/* A map of texts, or of booleans as "true" and "false". */
static void
option_read_pairs(struct option_reader *r, const struct conf_value *v, enum conf_type type, struct options_pairs *ret)
{
    char shown[OPTION_SHOWN_LEN];
    uint32_t n = 0;

    option_mark_replaced(r, v);
    struct options_pair *items = option_take(r, v->list.n, sizeof(*items));
    for (uint32_t i = 0; items != NULL && i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        const char *text = NULL;
        if (item->flags & OPTION_REPLACED)
            continue;
        if (type == CONF_BOOL && item->type != CONF_BOOL) {
            option_fail_at(r, item, "error parsing feature flag %s: expected bool, got %s", option_quote(&item->key, shown),
                           conf_type_name(item->type));
            continue;
        }
        if (type == CONF_STR && !option_read_text(r, item, &text))
            continue;
        items[n].key = option_copy(r, item->key.bytes, item->key.len);
        items[n].value = type == CONF_STR ? text : item->b ? "true" : "false";
        n += items[n].key != NULL;
    }
    *ret = (struct options_pairs){.items = items, .n = n};
}

void
option_read_metadata(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP)
        option_read_pairs(r, v, CONF_STR, &r->o->server_metadata);
    else
        option_fail_at(r, v, "error parsing metadata: unsupported type %s", conf_type_name(v->type));
}

void
option_read_feature_flags(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    if (v->type == CONF_MAP)
        option_read_pairs(r, v, CONF_BOOL, &r->o->feature_flags);
    else
        option_fail_at(r, v, "error parsing feature flags: unsupported type %s", conf_type_name(v->type));
}

/* Sheet 09, S1: an address that somebody wrote down is meant; a port alone is what a probe needs. */
void
option_read_http(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *host = NULL;
    int64_t port;

    if (!option_read_listen(r, v, &host, &port))
        return;
    if (port < -1 || port > 65535) {
        option_fail_at(r, v, "http is out of range: %lld (it is -1 to 65535)", (long long)port);
        return;
    }
    r->o->http_port = port;
    r->o->http_explicit = host != NULL && host[0] != '\0';
    r->o->http_host = r->o->http_explicit ? host : NULL;
}

/* "nats//a/../b/" is "/nats/b". */
void
option_read_base_path(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    char shown[OPTION_SHOWN_LEN];

    if (!option_read_text(r, v, &text))
        return;
    for (const char *p = text; *p != '\0'; p++) {
        if (!isgraph((unsigned char)*p) || strchr("?#{}\"<>\\", *p) != NULL) {
            option_fail_at(r, v, "http_base_path %s cannot be part of a URL", go_quote(text, strlen(text), shown, sizeof(shown)));
            return;
        }
    }
    char *to = option_take(r, strlen(text) + 2, 1);
    size_t n = 0;
    if (to == NULL)
        return;
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "/");
        if (len == 2 && memcmp(p, "..", 2) == 0) {
            while (n > 0 && to[--n] != '/') {
            }
        } else if (len > 0 && !(len == 1 && *p == '.')) {
            to[n++] = '/';
            memcpy(to + n, p, len);
            n += len;
        }
        p += len + (p[len] == '/');
    }
    if (n == 0)
        to[n++] = '/';
    to[n] = '\0';
    r->o->http_base_path = to;
}

/* "10.0.0.0/8", "::1". */
static bool
option_read_cidr(const char *text, size_t len, struct options_cidr *ret)
{
    char ip[INET6_ADDRSTRLEN + 8];
    const char *slash = memchr(text, '/', len);
    size_t ip_len = slash != NULL ? (size_t)(slash - text) : len;

    if (ip_len == 0 || ip_len >= sizeof(ip))
        return false;
    memcpy(ip, text, ip_len);
    ip[ip_len] = '\0';
    *ret = (struct options_cidr){.family = strchr(ip, ':') != NULL ? 6 : 4};
    if (inet_pton(ret->family == 6 ? AF_INET6 : AF_INET, ip, ret->ip) != 1)
        return false;
    uint32_t max = ret->family == 6 ? 128 : 32, bits = slash == NULL ? max : 0;
    if (slash != NULL && slash + 1 == text + len)
        return false;
    for (const char *p = slash != NULL ? slash + 1 : text + len; p < text + len; p++) {
        if (!isdigit((unsigned char)*p) || (bits = bits * 10 + (uint32_t)(*p - '0')) > max)
            return false;
    }
    ret->bits = (uint8_t)bits;
    return true;
}

void
option_read_monitor_allow(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    struct options_strs strs;
    char shown[OPTION_SHOWN_LEN];
    uint32_t n = 0, cap = 0;

    if (!option_read_strs(r, v, &strs))
        return;
    for (uint32_t i = 0; i < strs.n; i++) {
        cap++;
        for (const char *p = strs.items[i]; *p != '\0'; p++)
            cap += *p == ',';
    }
    struct options_cidr *cidrs = option_take(r, cap, sizeof(*cidrs));
    for (uint32_t i = 0; cidrs != NULL && i < strs.n; i++) {
        for (const char *p = strs.items[i]; *p != '\0';) {
            size_t len = strcspn(p, ", ");
            if (len > 0 && !option_read_cidr(p, len, &cidrs[n])) {
                option_fail_at(r, v->type == CONF_ARRAY ? &v->list.items[i] : v, "%s is not a network (10.0.0.0/8, ::1)",
                               go_quote(p, len, shown, sizeof(shown)));
                return;
            }
            n += len > 0;
            p += len + strspn(p + len, ", ");
        }
    }
    ASSERT(n <= cap);
    r->o->monitor_allow = cidrs;
    r->o->n_monitor_allow = cidrs != NULL ? n : 0;
}

void
option_read_sub_tokens(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    if (!option_is(r, v, CONF_INT))
        return;
    if (v->i > row->max && r->flag != NULL)
        option_fail_at(r, v, "value out of range (0 to %lld)", (long long)row->max);
    else if (v->i > row->max)
        option_fail_at(r, v, "max_sub_tokens value is too big");
    else if (v->i < 0 || (v->i == 0 && r->flag == NULL))
        option_fail_at(r, v, "max_sub_tokens value can not be negative");
    else
        r->o->max_sub_tokens = v->i;
}

void
option_read_write_timeout(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;

    if (!option_read_text(r, v, &text))
        return;
    if (strcmp(text, "default") == 0)
        r->o->write_timeout = OPTIONS_WRITE_DEFAULT;
    else if (strcmp(text, "close") == 0)
        r->o->write_timeout = OPTIONS_WRITE_CLOSE;
    else if (strcmp(text, "retry") == 0)
        r->o->write_timeout = OPTIONS_WRITE_RETRY;
    else
        option_fail_at(r, v, "write_timeout must be 'default', 'close' or 'retry'");
}

void
option_read_busy_poll(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;
    int64_t ns = 0;

    if (!option_read_text(r, v, &text))
        return;
    if (strcasecmp(text, "auto") == 0) {
        ns = -1;
    } else if (strcasecmp(text, "off") != 0 && (!go_duration_parse(text, &ns, NULL) || ns < 0)) {
        option_fail_at(r, v, "%sauto, off or a duration", r->flag != NULL ? "it is " : "busy_poll is ");
        return;
    }
    r->o->busy_poll = text;
    r->o->busy_poll_ns = ns;
}

void
option_read_unsupported(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;

    if (!option_read_text(r, v, &text))
        return;
    if (strcasecmp(text, "warn") == 0)
        r->o->unsupported_warn = true;
    else if (strcasecmp(text, "refuse") == 0)
        r->o->unsupported_warn = false;
    else
        option_fail_at(r, v, "%srefuse or warn", r->flag != NULL ? "it is " : "unsupported is ");
}

void
option_read_lame_duck(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    const struct option_row dur = {.keys = row->keys, .type = OPT_DUR_STR};
    char text[GO_DURATION_LEN];
    int64_t ns = 0;

    if (!option_read_dur(r, &dur, v, &ns))
        return;
    if (row->off == OPT(lame_duck_grace_ns) && ns < 0)
        option_fail_at(r, v, "invalid lame_duck_grace_period, needs to be positive");
    else if (row->off == OPT(lame_duck_duration_ns) && ns < LAME_DUCK_MIN_NS)
        option_fail_at(r, v, "invalid lame_duck_duration of %s, minimum is 30 seconds", go_duration_text(ns, text));
    else if (row->off == OPT(lame_duck_duration_ns))
        r->o->lame_duck_duration_ns = ns;
    else
        r->o->lame_duck_grace_ns = ns;
}

void
option_read_server_name(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    const char *text = NULL;

    if (!option_read_text(r, v, &text))
        return;
    if (strchr(text, ' ') != NULL && r->flag == NULL)
        option_fail_at(r, v, "server name cannot contain spaces");
    else
        r->o->server_name = text[0] != '\0' ? text : NULL;
}
