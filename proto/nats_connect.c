#include "proto/nats_connect.h"

#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/json_write.h"

/* Everything a client may say: key, kind, member, shown in logs. Secrets are shown as [REDACTED]; see
 * nats_connect_wipe_secrets for those of them that go as soon as the client is known. */
#define NATS_CONNECT_LIST(X)                             \
    X("verbose",       JSON_K_BOOL, verbose,       true)  \
    X("pedantic",      JSON_K_BOOL, pedantic,      true)  \
    X("echo",          JSON_K_BOOL, echo,          true)  \
    X("tls_required",  JSON_K_BOOL, tls_required,  true)  \
    X("headers",       JSON_K_BOOL, headers,       true)  \
    X("no_responders", JSON_K_BOOL, no_responders, true)  \
    X("new_account",   JSON_K_BOOL, new_account,   true)  \
    X("protocol",      JSON_K_I64,  protocol,      true)  \
    X("user",          JSON_K_STR,  user,          true)  \
    X("name",          JSON_K_STR,  name,          true)  \
    X("lang",          JSON_K_STR,  lang,          true)  \
    X("version",       JSON_K_STR,  version,       true)  \
    X("account",       JSON_K_STR,  account,       true)  \
    X("pass",          JSON_K_STR,  pass,          false) \
    X("auth_token",    JSON_K_STR,  auth_token,    false) \
    X("nkey",          JSON_K_STR,  nkey,          false) \
    X("sig",           JSON_K_STR,  sig,           false) \
    X("jwt",           JSON_K_STR,  jwt,           false) \
    X("proxy_sig",     JSON_K_STR,  proxy_sig,     false)

#define NATS_CONNECT_FIELD(key, kind, member, shown) {key, offsetof(struct nats_connect, member), kind},
#define NATS_CONNECT_SHOWN(key, kind, member, shown) shown,
static const struct json_field nats_connect_fields[] = {NATS_CONNECT_LIST(NATS_CONNECT_FIELD)};
static const bool              nats_connect_shown[] = {NATS_CONNECT_LIST(NATS_CONNECT_SHOWN)};

/* What only servers say to each other, for its type. */
struct nats_connect_links {
    const struct json_node *import, *export;
};
static const struct json_field nats_connect_links[] = {
    {"remote_account", JSON_NO_OFF, JSON_K_STR},
    {"import", offsetof(struct nats_connect_links, import), JSON_K_OBJECT},
    {"export", offsetof(struct nats_connect_links, export), JSON_K_OBJECT},
};
struct nats_connect_perms {
    const struct json_node *allow, *deny;
};
static const struct json_field nats_connect_perms[] = {
    {"allow", offsetof(struct nats_connect_perms, allow), JSON_K_ARRAY},
    {"deny", offsetof(struct nats_connect_perms, deny), JSON_K_ARRAY},
};

/* The member that row i decodes into if it is a string, else NULL. */
static struct json_str *
nats_connect_str(struct nats_connect *c, size_t i)
{
    if (nats_connect_fields[i].kind != JSON_K_STR)
        return NULL;
    return (struct json_str *)(void *)((char *)c + nats_connect_fields[i].off);
}

void
nats_connect_init(struct nats_connect *c)
{
    *c = (struct nats_connect){.verbose = true, .pedantic = true, .echo = true};
    for (size_t i = 0; i < N_ELEMS(nats_connect_fields); i++) {
        struct json_str *s = nats_connect_str(c, i);
        if (s != NULL)
            s->ptr = "";
    }
}

void
nats_connect_fini(struct nats_connect *c)
{
    if (c->strings != NULL)
        sodium_memzero(c->strings, c->strings_len);
    free(c->strings);
    nats_connect_init(c);
}

void
nats_connect_wipe_secrets(struct nats_connect *c)
{
    struct json_str *const secrets[] = {&c->pass, &c->auth_token, &c->sig, &c->jwt, &c->proxy_sig};

    c->had_token |= c->auth_token.len > 0;
    for (size_t i = 0; i < N_ELEMS(secrets); i++) {
        if (secrets[i]->len > 0) /* it is ours, inside c->strings */
            sodium_memzero(c->strings + (secrets[i]->ptr - c->strings), secrets[i]->len);
        *secrets[i] = (struct json_str){.ptr = ""};
    }
}

/* Copy the strings of c, which point into several places, into one allocation that replaces c->strings. */
static enum err
nats_connect_own(struct nats_connect *c)
{
    size_t len = 0, off = 0;
    char  *strings = NULL;

    for (size_t i = 0; i < N_ELEMS(nats_connect_fields); i++) {
        const struct json_str *s = nats_connect_str(c, i);
        if (s != NULL && s->len > 0)
            len += s->len + (size_t)1;
    }
    if (len > 0) {
        strings = fault_malloc(len);
        if (strings == NULL)
            return ERR_NOMEM;
    }
    for (size_t i = 0; i < N_ELEMS(nats_connect_fields); i++) {
        struct json_str *s = nats_connect_str(c, i);
        if (s == NULL)
            continue;
        if (s->len > 0) {
            memcpy(strings + off, s->ptr, s->len);
            strings[off + s->len] = '\0';
            s->ptr = strings + off;
            off += s->len + (size_t)1;
        } else {
            s->ptr = "";
        }
    }
    ASSERT(off == len);
    c->strings = strings;
    c->strings_len = len;
    return OK;
}

enum err
nats_strings_check(const struct json_node *array)
{
    if (array == NULL)
        return OK;
    const struct json_node *c = array + 1;
    for (uint32_t i = 0; i < array->n; i++, c = json_next(c)) {
        if (c->type != JSON_STRING && c->type != JSON_NULL)
            return ERR_INVAL;
    }
    return OK;
}

enum err
nats_perms_check(const struct json_node *obj)
{
    struct nats_connect_perms perms = {0};

    if (obj == NULL)
        return OK;
    enum err e = json_decode(obj, nats_connect_perms, N_ELEMS(nats_connect_perms), &perms, NULL);
    if (e == OK)
        e = nats_strings_check(perms.allow);
    if (e == OK)
        e = nats_strings_check(perms.deny);
    return e;
}

static enum err
nats_connect_check_links(const struct json_node *root)
{
    struct nats_connect_links links = {0};
    enum err e = json_decode(root, nats_connect_links, N_ELEMS(nats_connect_links), &links, NULL);

    if (e == OK)
        e = nats_perms_check(links.import);
    if (e == OK)
        e = nats_perms_check(links.export);
    return e;
}

enum err
nats_connect_decode(struct nats_connect *c, const uint8_t *args, size_t len, struct json_why *ret_why)
{
    struct nats_connect      new = *c;
    const struct json_field *bad = NULL;
    struct json             *doc = NULL;

    enum err e = json_parse(args, len, JSON_SIZE_MAX, &doc, ret_why);
    if (e != OK)
        return e;
    e = json_decode(json_root(doc), nats_connect_fields, N_ELEMS(nats_connect_fields), &new, &bad);
    if (e == OK)
        e = nats_connect_check_links(json_root(doc));
    if (e != OK) {
        *ret_why = (struct json_why){.what = "wrong type or range", .field = bad == NULL ? NULL : bad->name};
        goto out;
    }
    e = nats_connect_own(&new);
    if (e != OK) {
        *ret_why = (struct json_why){.what = "out of memory"};
        goto out;
    }
    nats_connect_fini(c); /* new has its own copy of what it kept */
    *c = new;
out:
    sodium_memzero(&new, sizeof(new));
    json_free(doc);
    return e;
}

/* One member as it is shown; nothing for one that is not known. */
static void
nats_connect_show(struct out *o, const struct json_node *v, bool *first)
{
    size_t f = 0;

    while (f < N_ELEMS(nats_connect_fields) && !json_key_is(&v->key, nats_connect_fields[f].name))
        f++;
    if (f == N_ELEMS(nats_connect_fields))
        return;
    if (!*first)
        out_byte(o, ',');
    *first = false;
    json_write_str(o, nats_connect_fields[f].name, strlen(nats_connect_fields[f].name));
    out_byte(o, ':');
    if (!nats_connect_shown[f])
        out_str(o, "\"[REDACTED]\"");
    else if (v->type == JSON_STRING)
        json_write_str_ascii(o, v->text.ptr, v->text.len);
    else if (v->type == JSON_NUMBER)
        out_bytes(o, v->text.ptr, v->text.len);
    else
        out_str(o, v->type == JSON_TRUE ? "true" : v->type == JSON_FALSE ? "false" : "null");
}

size_t
nats_connect_redact(const uint8_t *args, size_t len, char *buf, size_t cap)
{
    struct nats_connect      scratch; /* only to know that the types are right */
    struct json_why          why;
    struct json             *doc = NULL;
    struct out               o;
    bool                     first = true;

    ASSERT(cap > 0);
    out_init(&o, buf, cap - 1);
    nats_connect_init(&scratch);
    if (json_parse(args, len, JSON_SIZE_MAX, &doc, &why) != OK || json_root(doc)->type != JSON_OBJECT ||
        json_decode(json_root(doc), nats_connect_fields, N_ELEMS(nats_connect_fields), &scratch, NULL) != OK) {
        out_str(&o, "[REDACTED]");
    } else {
        const struct json_node *v = json_root(doc) + 1;
        out_byte(&o, '{');
        for (uint32_t i = 0; i < json_root(doc)->n; i++, v = json_next(v))
            nats_connect_show(&o, v, &first);
        out_byte(&o, '}');
    }
    buf[o.len] = '\0';
    json_free(doc);
    return o.len;
}
