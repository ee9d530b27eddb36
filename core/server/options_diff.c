/* options_diff.c - what a reload changes. The table says what may change and what it is called; the odd lines are nats-server's. */
#include "core/server/options_diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_priv.h"

enum { DIFF_LINES_MAX = 128, DIFF_VALUE_LEN = 512 };

struct differ {
    const struct options *old;
    struct options *next;
    struct options_diff *ret;
    const char *lines[DIFF_LINES_MAX];
    uint32_t n_lines;
    bool no_memory;
};

static const char *
diff_keep(struct differ *d, const char *text)
{
    char *at = arena_copy(d->next->mem, text, strlen(text));
    d->no_memory |= at == NULL;
    return at;
}

static void
diff_line(struct differ *d, const char *text)
{
    ASSERT(d->n_lines < DIFF_LINES_MAX);
    d->lines[d->n_lines++] = diff_keep(d, text);
}

/* ---- values */

static bool
diff_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
diff_same_pairs(const struct options_pairs *a, const struct options_pairs *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i].key, b->items[i].key) == 0 && strcmp(a->items[i].value, b->items[i].value) == 0;
    return same;
}

static bool
diff_same_strs(const struct options_strs *a, const struct options_strs *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

static bool
diff_same_subjects(const struct auth_subjects *a, const struct auth_subjects *b)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = strcmp(a->subjects[i], b->subjects[i]) == 0;
    return same;
}

static bool
diff_same_perms(const struct auth_perms *a, const struct auth_perms *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return diff_same_subjects(&a->pub_allow, &b->pub_allow) && diff_same_subjects(&a->pub_deny, &b->pub_deny) &&
           diff_same_subjects(&a->sub_allow, &b->sub_allow) && diff_same_subjects(&a->sub_deny, &b->sub_deny) && a->responses == b->responses &&
           a->responses_max == b->responses_max && a->responses_expire_ns == b->responses_expire_ns;
}

static bool
diff_same_users(const struct auth_conf *a, const struct auth_conf *b)
{
    bool same = a->n_users == b->n_users && diff_same_perms(a->defaults, b->defaults) && a->required == b->required;
    for (uint32_t i = 0; same && i < a->n_users; i++) {
        const struct auth_user_conf *x = &a->users[i], *y = &b->users[i];
        same = strcmp(x->name, y->name) == 0 && strcmp(x->pass, y->pass) == 0 && strcmp(x->account, y->account) == 0 &&
               diff_same_perms(x->perms, y->perms) && x->conn_types == y->conn_types && x->proxy_required == y->proxy_required;
    }
    return same;
}

static bool
diff_same_cidrs(const struct options *a, const struct options *b)
{
    uint32_t n = a->n_monitor_allow;
    return n == b->n_monitor_allow && (n == 0 || memcmp(a->monitor_allow, b->monitor_allow, n * sizeof(*a->monitor_allow)) == 0);
}

static bool
diff_same_mappings(const struct options *a, const struct options *b)
{
    bool same = a->n_mappings == b->n_mappings;
    for (uint32_t i = 0; same && i < a->n_mappings; i++) {
        const struct mapping_conf *x = &a->mappings[i], *y = &b->mappings[i];
        same = strcmp(x->src, y->src) == 0 && x->n_dests == y->n_dests;
        for (uint32_t k = 0; same && k < x->n_dests; k++)
            same = strcmp(x->dests[k].dest, y->dests[k].dest) == 0 && diff_same_text(x->dests[k].cluster, y->dests[k].cluster) &&
                   x->dests[k].weight == y->dests[k].weight;
    }
    return same;
}

/* ---- rows */

/* The kind of value that stands in its place, whoever reads it. */
static enum option_type
diff_type(const struct option_row *row)
{
    if (row->off == OPT(lame_duck_duration_ns) || row->off == OPT(lame_duck_grace_ns))
        return OPT_DUR;
    return row->off == OPT(max_sub_tokens) ? OPT_INT : row->type;
}

static const void *
diff_at(const struct options *o, uint16_t off)
{
    return (const char *)o + off;
}

/* A row's value as Go prints it with %v. */
static void
diff_value(const struct options *o, const struct option_row *row, char to[DIFF_VALUE_LEN])
{
    static const char *const write_timeouts[] = {"", "close", "retry"};
    const void *at = diff_at(o, row->off);
    size_t n = 0;

    if (row->off == OPT(feature_flags)) {
        const struct options_pairs *p = at;
        n = (size_t)snprintf(to, DIFF_VALUE_LEN, "map[");
        for (uint32_t i = 0; i < p->n && n < DIFF_VALUE_LEN; i++)
            n += (size_t)snprintf(to + n, DIFF_VALUE_LEN - n, "%s%s:%s", i > 0 ? " " : "", p->items[i].key, p->items[i].value);
        if (n + 1 < DIFF_VALUE_LEN)
            (void)snprintf(to + n, DIFF_VALUE_LEN - n, "]"); /* fits */
        return;
    }
    if (row->off == OPT(write_timeout)) {
        (void)snprintf(to, DIFF_VALUE_LEN, "%s", write_timeouts[*(const int64_t *)at]); /* fits */
        return;
    }
    switch (diff_type(row)) {
    case OPT_BOOL: (void)snprintf(to, DIFF_VALUE_LEN, "%s", *(const bool *)at ? "true" : "false"); break; /* fits */
    case OPT_DUR:
    case OPT_DUR_STR:
    case OPT_TMO: (void)go_duration_text(*(const int64_t *)at, to); break;
    case OPT_INT: (void)snprintf(to, DIFF_VALUE_LEN, "%" PRId64, *(const int64_t *)at); break; /* fits */
    default:
        (void)snprintf(to, DIFF_VALUE_LEN, "%s", *(const char *const *)at != NULL ? *(const char *const *)at : ""); /* cut is fine */
        break;
    }
}

/* What is compared by hand: see diff_own. */
static bool
diff_is_own(const struct option_row *row)
{
    return row->off == OPTION_NOWHERE || row->type == OPT_LISTEN || row->off == OPT(server_tags) || row->off == OPT(server_metadata) ||
           row->off == OPT(monitor_allow) || row->off == OPT(client_advertise) || row->off == OPT(no_fast_producer_stall) ||
           row->off == OPT(unsupported_warn) || row->off == OPT(http_host);
}

static bool
diff_same(const struct differ *d, const struct option_row *row)
{
    const void *a = diff_at(d->old, row->off), *b = diff_at(d->next, row->off);

    if (row->off == OPT(feature_flags))
        return diff_same_pairs(a, b);
    if (row->off == OPT(port) || row->off == OPT(http_port) || row->off == OPT(https_port)) /* any port: the one it has is one */
        return *(const int64_t *)a == *(const int64_t *)b;
    switch (diff_type(row)) {
    case OPT_BOOL: return *(const bool *)a == *(const bool *)b;
    case OPT_INT:
    case OPT_DUR:
    case OPT_DUR_STR:
    case OPT_TMO: return *(const int64_t *)a == *(const int64_t *)b;
    default: break;
    }
    if (row->off == OPT(write_timeout))
        return *(const int64_t *)a == *(const int64_t *)b;
    return diff_same_text(*(const char *const *)a, *(const char *const *)b);
}

static void
diff_refuse(struct differ *d, const char *name, const char *old, const char *next)
{
    char text[2 * DIFF_VALUE_LEN + 128];

    (void)snprintf(text, sizeof(text), "config reload not supported for %s: old=%s, new=%s", name, old, next); /* fits */
    d->ret->refusal = diff_keep(d, text);
}

static void
diff_row(struct differ *d, const struct option_row *row)
{
    char old[DIFF_VALUE_LEN], next[DIFF_VALUE_LEN], text[DIFF_VALUE_LEN + 128];

    if (diff_is_own(row) || diff_same(d, row))
        return;
    diff_value(d->old, row, old);
    diff_value(d->next, row, next);
    if (row->reload == RELOAD_NO) {
        (void)snprintf(text, sizeof(text), "%.*s", OPTION_FIRST(row->keys)); /* fits */
        diff_refuse(d, row->name != NULL ? row->name : text, old, next);
        return;
    }
    d->ret->parts |= row->parts;
    (void)snprintf(text, sizeof(text), "Reloaded: %.*s = %s", OPTION_FIRST(row->keys), next); /* fits */
    diff_line(d, text);
}

/* ---- what is no row like the others */

/* Always said, changed or not: nats-server looks at users and accounts again in any case. */
static void
diff_auth(struct differ *d)
{
    const struct auth_conf *a = &d->old->auth, *b = &d->next->auth;
    char text[128];

    bool same = diff_same_users(a, b) && diff_same_text(a->user, b->user) && diff_same_text(a->pass, b->pass) && diff_same_text(a->token, b->token) &&
                a->timeout_ns == b->timeout_ns && diff_same_text(a->no_auth_user, b->no_auth_user);
    diff_line(d, "Reloaded: authorization users");
    diff_line(d, "Reloaded: accounts");
    if (!diff_same_text(a->user, b->user))
        diff_line(d, "Reloaded: authorization username");
    if (!diff_same_text(a->pass, b->pass))
        diff_line(d, "Reloaded: authorization password");
    if (!diff_same_text(a->token, b->token))
        diff_line(d, "Reloaded: authorization token");
    if (a->timeout_ns != b->timeout_ns) {
        (void)snprintf(text, sizeof(text), "Reloaded: authorization timeout = %g", (double)b->timeout_ns / 1e9); /* fits */
        diff_line(d, text);
    }
    d->ret->parts |= same ? 0 : OPTIONS_PART_AUTH;
    bool same_maps = diff_same_mappings(d->old, d->next) && diff_same_text(d->old->cluster_name, d->next->cluster_name);
    d->ret->parts |= same_maps ? 0 : OPTIONS_PART_MAPPINGS;
}

/* The user that stands for nobody may go together with its entry, and change in no other way. */
static void
diff_no_auth_user(struct differ *d)
{
    const char *a = d->old->auth.no_auth_user, *b = d->next->auth.no_auth_user;
    bool found = false;

    if (diff_same_text(a, b))
        return;
    for (uint32_t i = 0; a != NULL && i < d->next->auth.n_users && !found; i++)
        found = strcmp(d->next->auth.users[i].name, a) == 0;
    if (a == NULL || b != NULL || found)
        diff_refuse(d, "NoAuthUser", a != NULL ? a : "", b != NULL ? b : "");
}

static void
diff_own(struct differ *d)
{
    const struct options *a = d->old, *b = d->next;
    char text[DIFF_VALUE_LEN];

    if (!diff_same_text(a->client_advertise, b->client_advertise)) {
        (void)snprintf(text, sizeof(text), "Reload: client_advertise = %.400s", b->client_advertise != NULL ? b->client_advertise : ""); /* fits */
        diff_line(d, text);
        d->ret->parts |= OPTIONS_PART_INFO;
    }
    if (!diff_same_strs(&a->server_tags, &b->server_tags)) {
        diff_line(d, "Reloaded: tags");
        d->ret->parts |= OPTIONS_PART_INFO;
    }
    if (!diff_same_pairs(&a->server_metadata, &b->server_metadata)) {
        diff_line(d, "Reloaded: metadata");
        d->ret->parts |= OPTIONS_PART_INFO;
    }
    if (a->no_fast_producer_stall != b->no_fast_producer_stall) {
        diff_line(d, b->no_fast_producer_stall ? "Reloaded: fast producers will not be stalled" : "Reloaded: fast producers will be stalled");
        d->ret->parts |= OPTIONS_PART_LIMITS;
    }
    if (!diff_same_cidrs(a, b)) {
        diff_line(d, "Reloaded: monitor_allow");
        d->ret->parts |= OPTIONS_PART_MONITOR;
    }
    if (!diff_same_text(a->http_host, b->http_host) || a->http_explicit != b->http_explicit)
        diff_refuse(d, "HTTPHost", a->http_host != NULL ? a->http_host : a->host, b->http_host != NULL ? b->http_host : b->host);
    diff_no_auth_user(d);
}

enum err
options_diff(const struct options *old, struct options *next, struct options_diff *ret)
{
    struct differ d = {.old = old, .next = next, .ret = ret};

    *ret = (struct options_diff){0};
    for (uint32_t i = 0; i < options_top.n; i++) {
        const struct option_row *row = &options_top.rows[i];
        bool seen = false;
        for (uint32_t k = 0; k < i && !seen; k++) /* one place, two keys */
            seen = row->off != OPTION_NOWHERE && options_top.rows[k].off == row->off && !diff_is_own(&options_top.rows[k]);
        if (!seen && ret->refusal == NULL && row->off != OPT(auth.no_auth_user))
            diff_row(&d, row);
    }
    if (ret->refusal == NULL)
        diff_own(&d);
    if (ret->refusal != NULL)
        ret->parts = 0;
    else
        diff_auth(&d);
    const char **lines = arena_take(next->mem, d.n_lines * sizeof(*lines));
    if (lines == NULL || d.no_memory)
        return ERR_NOMEM;
    memcpy(lines, d.lines, d.n_lines * sizeof(*lines));
    ret->lines = (struct options_strs){.items = lines, .n = ret->refusal == NULL ? d.n_lines : 0};
    return OK;
}
