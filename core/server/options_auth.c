/* options_auth.c - the authorization block: users and what they may do, as struct auth_conf.
 *
 * Users of accounts and of leaf nodes are read by the same functions, for their form alone.
 * Source   sheet 02, section 3.2; sheet 03, sections 2 and 4.1. Texts are nats-server's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/password.h"
#include "core/broker/subject.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_auth.h"

enum { AUTH_TIMEOUT_HIGH_S = 60 };

static const struct {
    const char *name;
    uint32_t bit;
} auth_conn_types[] = {
    {"STANDARD", AUTH_CONN_STANDARD}, {"WEBSOCKET", AUTH_CONN_WEBSOCKET}, {"LEAFNODE", AUTH_CONN_LEAFNODE},
    {"LEAFNODE_WS", AUTH_CONN_LEAFNODE_WS}, {"MQTT", AUTH_CONN_MQTT}, {"MQTT_WS", AUTH_CONN_MQTT_WS},
    {"IN_PROCESS", AUTH_CONN_IN_PROCESS},
};

/* ---- permissions */

static bool
auth_key_is(const struct conf_value *v, const char *names)
{
    char low[64];

    if (v->key.len >= sizeof(low))
        return false;
    for (uint32_t i = 0; i < v->key.len; i++)
        low[i] = (char)tolower((unsigned char)v->key.bytes[i]);
    return v->key.len > 0 && option_is_in(names, low, v->key.len);
}

/* "a.b", and for subscriptions "a.b queue", with any white space between: brought to one space. */
static const char *
auth_read_subject(struct option_reader *r, const struct conf_value *v, bool queues)
{
    char shown[OPTION_SHOWN_LEN];
    const char *text = NULL, *part[3];
    size_t len[3], n = 0;

    if (!option_read_text(r, v, &text))
        return NULL;
    for (const char *p = text + strspn(text, " \t\r\n\f\v"); *p != '\0' && n < 3; p += strspn(p, " \t\r\n\f\v")) {
        part[n] = p;
        len[n] = strcspn(p, " \t\r\n\f\v");
        p += len[n++];
    }
    bool one = n == 1 && (queues || len[0] == strlen(text));
    if ((!one && !(n == 2 && queues)) || !subject_valid((const uint8_t *)part[0], len[0])) {
        bool pair = n == 2 && queues;
        (void)go_quote(pair ? part[0] : text, pair ? len[0] : strlen(text), shown, sizeof(shown));
        option_fail_at(r, v, "subject %s is not a valid subject", shown);
        return NULL;
    }
    if (n == 1)
        return option_copy(r, part[0], len[0]);
    if (!subject_valid((const uint8_t *)part[1], len[1])) {
        option_fail_at(r, v, "queue %s is not a valid queue", go_quote(part[1], len[1], shown, sizeof(shown)));
        return NULL;
    }
    char *to = option_take(r, len[0] + len[1] + 2, 1);
    if (to != NULL) {
        memcpy(to, part[0], len[0]);
        to[len[0]] = ' ';
        memcpy(to + len[0] + 1, part[1], len[1]);
    }
    return to;
}

/* A subject, or a list of them. */
static void
auth_read_subjects(struct option_reader *r, const struct conf_value *v, bool queues, struct auth_subjects *ret)
{
    if (v->type != CONF_STR && v->type != CONF_ARRAY) {
        option_fail_at(r, v, "Expected subject permissions to be a subject, or array of subjects, got %s", conf_type_name(v->type));
        return;
    }
    uint32_t n = v->type == CONF_ARRAY ? v->list.n : 1, n_good = 0;
    const char **items = option_take(r, n, sizeof(*items));
    for (uint32_t i = 0; items != NULL && i < n; i++) {
        const struct conf_value *item = v->type == CONF_ARRAY ? &v->list.items[i] : v;
        if (item->type != CONF_STR) {
            option_fail_at(r, item, "Subject in permissions array cannot be cast to string");
            continue;
        }
        items[n_good] = auth_read_subject(r, item, queues);
        n_good += items[n_good] != NULL;
    }
    *ret = (struct auth_subjects){.subjects = items, .n = n_good};
}

/* One side: subjects that are allowed, or {allow, deny}. */
static void
auth_read_side(struct option_reader *r, const struct conf_value *v, bool queues, struct auth_subjects *allow, struct auth_subjects *deny)
{
    char shown[OPTION_SHOWN_LEN];

    if (v->type != CONF_MAP) {
        auth_read_subjects(r, v, queues, allow);
        return;
    }
    option_mark_replaced(r, v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->flags & OPTION_REPLACED)
            continue;
        if (auth_key_is(item, "allow"))
            auth_read_subjects(r, item, queues, allow);
        else if (auth_key_is(item, "deny"))
            auth_read_subjects(r, item, queues, deny);
        else if (!(item->flags & CONF_USED_AS_VARIABLE))
            option_fail_at(r, item, "Unknown field name %s parsing subject permissions, only 'allow' or 'deny' are permitted",
                           option_quote(&item->key, shown));
    }
}

static void
auth_read_responses(struct option_reader *r, const struct conf_value *v, struct auth_perms *p)
{
    static const struct option_row expires = {.keys = "expires", .type = OPT_DUR_STR};
    char shown[OPTION_SHOWN_LEN];

    if (v->type != CONF_BOOL && v->type != CONF_MAP) {
        option_fail_at(r, v, "error parsing response permissions, expected a boolean or a map");
        return;
    }
    p->responses = v->type == CONF_MAP || v->b;
    p->responses_max = 1;
    p->responses_expire_ns = 120 * NS_PER_S;
    if (v->type == CONF_BOOL)
        return;
    option_mark_replaced(r, v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        int64_t ns = 0;
        if (item->flags & OPTION_REPLACED)
            continue;
        if (auth_key_is(item, "max max_msgs max_messages max_responses")) {
            if (option_is(r, item, CONF_INT) && item->i != 0)
                p->responses_max = item->i < 0 ? -1 : item->i;
        } else if (auth_key_is(item, "expires expiration ttl")) {
            if (item->type != CONF_STR)
                option_fail_at(r, item, "error parsing expires, not a duration string");
            else if (option_read_dur(r, &expires, item, &ns) && ns != 0)
                p->responses_expire_ns = ns < 0 ? -1 : ns;
        } else if (!(item->flags & CONF_USED_AS_VARIABLE)) {
            option_fail_at(r, item, "Unknown field %s parsing permissions", option_quote(&item->key, shown));
        }
    }
}

const struct auth_perms *
option_read_perms(struct option_reader *r, const struct conf_value *v)
{
    char shown[OPTION_SHOWN_LEN];

    if (v->type != CONF_MAP) {
        option_fail_at(r, v, "Expected permissions to be a map/struct, got %s", conf_type_name(v->type));
        return NULL;
    }
    struct auth_perms *p = option_take(r, 1, sizeof(*p));
    option_mark_replaced(r, v);
    for (uint32_t i = 0; p != NULL && i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->flags & OPTION_REPLACED)
            continue;
        if (auth_key_is(item, "publish pub import"))
            auth_read_side(r, item, false, &p->pub_allow, &p->pub_deny);
        else if (auth_key_is(item, "subscribe sub export"))
            auth_read_side(r, item, true, &p->sub_allow, &p->sub_deny);
        else if (auth_key_is(item, "allow_responses publish_allow_responses"))
            auth_read_responses(r, item, p);
        else if (!(item->flags & CONF_USED_AS_VARIABLE))
            option_fail_at(r, item, "Unknown field %s parsing permissions", option_quote(&item->key, shown));
    }
    if (p != NULL) {
        p->pub = p->pub_allow.n + p->pub_deny.n > 0;
        p->sub = p->sub_allow.n + p->sub_deny.n > 0;
    }
    return p;
}

/* ---- users */

static void
auth_read_conn_types(struct option_reader *r, const struct conf_value *v, uint32_t *ret)
{
    char bad[512] = "", shown[OPTION_SHOWN_LEN], word[96];
    size_t n_bad = 0;

    if (v->type != CONF_STR && v->type != CONF_ARRAY) {
        option_fail_at(r, v, "error parsing allowed connection types: unsupported type %s", conf_type_name(v->type));
        return;
    }
    for (uint32_t i = 0; i < (v->type == CONF_ARRAY ? v->list.n : 1); i++) {
        const struct conf_value *item = v->type == CONF_ARRAY ? &v->list.items[i] : v;
        uint32_t bit = 0;
        if (item->type != CONF_STR) {
            option_fail_at(r, item, "error parsing allowed connection types: unsupported type in array %s", conf_type_name(item->type));
            return;
        }
        (void)snprintf(word, sizeof(word), "%.90s", item->str.bytes); /* cut: no type is so long */
        for (char *p = word; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        for (size_t k = 0; k < N_ELEMS(auth_conn_types); k++)
            bit |= strcmp(auth_conn_types[k].name, word) == 0 ? auth_conn_types[k].bit : 0;
        *ret |= bit;
        if (bit == 0 && n_bad < sizeof(bad))
            n_bad += (size_t)snprintf(bad + n_bad, sizeof(bad) - n_bad, "%s%s", n_bad > 0 ? " " : "",
                                      go_quote(word, strlen(word), shown, sizeof(shown)));
    }
    if (n_bad > 0)
        option_fail_at(r, v, "invalid connection types [%s]", bad);
}

/* What a user entry says, before it is judged. */
struct auth_entry {
    struct auth_user_conf user;
    const char *nkey;
    const struct conf_value *nkey_at, *proxy_at;
};

static void
auth_read_entry_key(struct option_reader *r, const struct conf_value *v, struct auth_entry *e)
{
    char shown[OPTION_SHOWN_LEN];

    if (auth_key_is(v, "user username")) {
        (void)option_read_text(r, v, &e->user.name);
    } else if (auth_key_is(v, "pass password")) {
        (void)option_read_text(r, v, &e->user.pass);
    } else if (auth_key_is(v, "nkey")) {
        e->nkey_at = v;
        (void)option_read_text(r, v, &e->nkey);
    } else if (auth_key_is(v, "permissions permission authorization")) {
        e->user.perms = option_read_perms(r, v);
    } else if (auth_key_is(v, "allowed_connection_types connection_types clients")) {
        auth_read_conn_types(r, v, &e->user.conn_types);
    } else if (auth_key_is(v, "proxy_required")) {
        if (option_is(r, v, CONF_BOOL))
            e->user.proxy_required = v->b;
        e->proxy_at = v;
    } else if (!(v->flags & CONF_USED_AS_VARIABLE)) {
        option_fail_at(r, v, "unknown field %s", option_quote(&v->key, shown));
    }
}

/* One entry of a list of users. False: it is none, or one by nkey. */
static bool
auth_read_entry(struct option_reader *r, const struct conf_value *v, struct auth_user_conf *ret)
{
    struct auth_entry e = {.user = {.account = "$G"}};
    uint32_t n_errors = options_report_n_errors(r->rep);

    if (v->type != CONF_MAP) {
        option_fail_at(r, v, "Expected user entry to be a map/struct, got %s", conf_type_name(v->type));
        return false;
    }
    option_mark_replaced(r, v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        if (!(v->list.items[i].flags & OPTION_REPLACED))
            auth_read_entry_key(r, &v->list.items[i], &e);
    }
    bool named = e.user.name != NULL && e.user.name[0] != '\0', keyed = e.nkey != NULL && e.nkey[0] != '\0';
    const struct conf_value *at = option_last_of(v);
    if (options_report_n_errors(r->rep) > n_errors)
        return false;
    if (keyed && !option_nkey_is(e.nkey, "U"))
        option_fail_at(r, at, "Not a valid public nkey for a user");
    else if (keyed && (named || (e.user.pass != NULL && e.user.pass[0] != '\0')))
        option_fail_at(r, at, "Nkey users do not take usernames or passwords");
    else if (keyed)
        option_refuse_value(r, e.nkey_at, "nkey", "nkeys", true);
    else if (!named)
        option_fail_at(r, at, "User entry requires a user");
    if (e.user.proxy_required && named)
        option_refuse_value(r, e.proxy_at, "proxy_required", "trusted proxies", false); /* auth refuses the user */
    if (e.user.pass == NULL)
        e.user.pass = "";
    *ret = e.user;
    return named && !keyed;
}

/* Each name once. at: where it is reported. */
static void
auth_check_names(struct option_reader *r, const struct conf_value *at, const struct auth_user_conf *users, uint32_t n)
{
    char shown[OPTION_SHOWN_LEN];
    uint32_t cap = 16;

    while (cap < 2 * n)
        cap *= 2;
    uint32_t *slots = fault_calloc(cap, sizeof(*slots)); /* user + 1 */
    r->no_memory |= slots == NULL;
    for (uint32_t i = 0; slots != NULL && i < n; i++) {
        uint32_t h = 2166136261u;
        for (const char *p = users[i].name; *p != '\0'; p++)
            h = (h ^ (unsigned char)*p) * 16777619u;
        uint32_t s = h & (cap - 1);
        while (slots[s] != 0 && strcmp(users[slots[s] - 1].name, users[i].name) != 0)
            s = (s + 1) & (cap - 1);
        if (slots[s] != 0)
            option_fail_at(r, at, "Duplicate user %s detected", go_quote(users[i].name, strlen(users[i].name), shown, sizeof(shown)));
        slots[s] = i + 1;
    }
    free(slots);
}

uint32_t
option_read_users(struct option_reader *r, const struct conf_value *v, const struct auth_user_conf **ret)
{
    uint32_t n = 0;

    if (v->type != CONF_ARRAY) {
        option_fail_at(r, v, "Expected users field to be an array, got %s", conf_type_name(v->type));
        return 0;
    }
    struct auth_user_conf *users = option_take(r, v->list.n, sizeof(*users));
    for (uint32_t i = 0; users != NULL && i < v->list.n; i++) {
        if (auth_read_entry(r, &v->list.items[i], &users[n])) {
            if (r->in_unsupported == 0)
                r->o->auth_plain |= !password_is_bcrypt(users[n].pass);
            n++;
        }
    }
    *ret = users;
    return n;
}

/* ---- the block */

bool
option_read_auth_timeout(struct option_reader *r, const struct conf_value *v, const char *whose, int64_t *ret_ns)
{
    static const char advice[] = "is high, consider keeping it under 60 seconds. "
                                 "possibly caused by unquoted duration; use '1m' instead of 1m, for example";
    char why[GO_WHY_LEN], seconds[GO_FLOAT_LEN];
    double s;

    if (v->type == CONF_STR) {
        if (!go_duration_parse(v->str.bytes, ret_ns, why)) {
            option_fail_at(r, v, "error parsing %sauthorization config, 'timeout' %s", whose, why);
            return false;
        }
        s = (double)*ret_ns / 1e9;
    } else if (v->type == CONF_INT || v->type == CONF_FLOAT) {
        s = v->type == CONF_INT ? (double)v->i : v->f;
    } else {
        option_fail_at(r, v, "error parsing %sauthorization config, 'timeout' wrong type", whose);
        return false;
    }
    if (!(s >= 0 && s < 9e9)) {
        option_fail_at(r, v, "error parsing %sauthorization config, 'timeout' out of range", whose);
        return false;
    }
    *ret_ns = (int64_t)(s * 1e9);
    if (s > AUTH_TIMEOUT_HIGH_S) {
        if (v->type == CONF_STR)
            option_warn_at(r, v, "invalid use of field \"timeout\": timeout of %s (%f seconds) %s", v->str.bytes, s, advice);
        else
            option_warn_at(r, v, "invalid use of field \"timeout\": timeout of %s (%f seconds) %s", go_float_text(s, seconds), s, advice);
    }
    return true;
}

static void
auth_read_key(struct option_reader *r, const struct conf_value *v, struct option_auth *b)
{
    struct auth_conf *a = &b->conf;
    char shown[OPTION_SHOWN_LEN];

    if (auth_key_is(v, "user username")) {
        (void)option_read_text(r, v, &a->user);
    } else if (auth_key_is(v, "pass password")) {
        (void)option_read_text(r, v, &a->pass);
    } else if (auth_key_is(v, "token")) {
        (void)option_read_text(r, v, &a->token);
    } else if (auth_key_is(v, "timeout")) {
        (void)option_read_auth_timeout(r, v, "", &a->timeout_ns);
    } else if (auth_key_is(v, "users")) {
        b->users_given = true;
        a->n_users = option_read_users(r, v, &a->users);
    } else if (auth_key_is(v, "default_permissions default_permission permissions")) {
        a->defaults = option_read_perms(r, v);
    } else if (auth_key_is(v, "auth_callout auth_hook")) {
        b->callout_given = true;
        option_read_callout(r, v);
        option_refuse_value(r, v, "auth_callout", "the auth callout", true);
    } else if (auth_key_is(v, "proxy_required")) {
        if (option_is(r, v, CONF_BOOL) && v->b)
            option_refuse_value(r, v, "proxy_required", "trusted proxies", true);
    } else if (!(v->flags & CONF_USED_AS_VARIABLE)) {
        option_fail_at(r, v, "unknown field %s", option_quote(&v->key, shown));
    }
}

bool
option_read_auth(struct option_reader *r, const struct conf_value *v, struct option_auth *ret)
{
    *ret = (struct option_auth){0};
    if (!option_is(r, v, CONF_MAP))
        return false;
    option_mark_replaced(r, v);
    for (uint32_t i = 0; i < v->list.n; i++) {
        if (!(v->list.items[i].flags & OPTION_REPLACED))
            auth_read_key(r, &v->list.items[i], ret);
    }
    struct auth_conf *a = &ret->conf;
    bool single = a->user != NULL && a->user[0] != '\0', token = a->token != NULL && a->token[0] != '\0';
    if (single && token)
        option_fail_at(r, v, "Cannot have a user/pass and token");
    if (single && ret->users_given)
        option_fail_at(r, v, "Can not have a single user/pass and a users array");
    else if (token && ret->users_given)
        option_fail_at(r, v, "Can not have a token and a users array");
    auth_check_names(r, v, a->users, a->n_users);
    a->user = single ? a->user : NULL;
    a->token = token ? a->token : NULL;
    return true;
}

void
option_read_authorization(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    (void)row;
    struct option_auth b;

    if (!option_read_auth(r, v, &b))
        return;
    b.conf.no_auth_user = r->o->auth.no_auth_user; /* it stands outside */
    r->o->auth = b.conf;
}
