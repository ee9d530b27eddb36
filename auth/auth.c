#include "auth/auth.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

#define AUTH_ACCOUNT_DEFAULT "$G"

/* ---- building ---- */

static size_t
auth_str_len(const char *s)
{
    return s != NULL ? strlen(s) + 1 : 0;
}

static size_t
auth_strings_len(const struct auth_conf *conf)
{
    size_t len = auth_str_len(conf->user) + auth_str_len(conf->pass) + auth_str_len(conf->token) + sizeof(AUTH_ACCOUNT_DEFAULT);

    for (uint32_t i = 0; i < conf->n_users; i++)
        len += auth_str_len(conf->users[i].name) + auth_str_len(conf->users[i].pass) + auth_str_len(conf->users[i].account);
    return len;
}

static const char *
auth_keep(struct auth *a, const char *s)
{
    char *to = a->strings + a->strings_len;
    size_t len = strlen(s) + 1;

    memcpy(to, s, len);
    a->strings_len += len;
    return to;
}

/* Compiled once for each distinct set. seen: n_slots numbers + 1 of perms by hash; confs: what they were made from. */
struct auth_perms_seen {
    uint32_t *slots, mask;
    const struct auth_perms **confs;
};

static enum err
auth_compile(struct auth *a, struct auth_perms_seen *seen, const struct auth_perms *conf, const struct perms **ret)
{
    uint32_t i = perms_conf_hash(conf) & seen->mask;

    for (; seen->slots[i] != 0; i = (i + 1) & seen->mask) {
        uint32_t at = seen->slots[i] - 1;
        if (seen->confs[at] == conf || perms_conf_equal(seen->confs[at], conf)) {
            *ret = a->perms[at];
            return OK;
        }
    }
    enum err e = perms_new(conf, &a->perms[a->n_perms]);
    if (e != OK)
        return e;
    seen->confs[a->n_perms] = conf;
    *ret = a->perms[a->n_perms++];
    seen->slots[i] = a->n_perms;
    return OK;
}

static void
auth_set_pass(struct auth *a, struct auth_user *u, const char *pass)
{
    if (pass != NULL && password_is_bcrypt(pass)) {
        u->bcrypt = auth_keep(a, pass);
        a->bcrypts[a->n_bcrypts++] = u->bcrypt;
        return;
    }
    a->any_plain = true;
    password_hash(&a->key, pass != NULL ? pass : "", pass != NULL ? strlen(pass) : 0, &u->pass);
}

static void
auth_set_name(struct auth *a, struct auth_user *u, const char *name, const char *account)
{
    u->name = auth_keep(a, name);
    u->name_len = (uint32_t)strlen(name);
    u->account = account != NULL ? auth_keep(a, account) : a->strings; /* the default is the first string */
}

static void
auth_index(struct auth *a, uint32_t at)
{
    const struct auth_user *u = &a->users[at];
    uint32_t i = (uint32_t)hash_bytes(&a->table_key, u->name, u->name_len) & a->mask;

    while (a->table[i] != 0)
        i = (i + 1) & a->mask;
    a->table[i] = at + 1;
}

static enum err
auth_add_users(struct auth *a, const struct auth_conf *conf, struct auth_perms_seen *seen)
{
    for (uint32_t i = 0; i < conf->n_users; i++) {
        const struct auth_user_conf *uc = &conf->users[i];
        const struct auth_perms *pc = uc->perms != NULL ? uc->perms : conf->defaults;
        struct auth_user *u = &a->users[a->n_users++];
        auth_set_name(a, u, uc->name, uc->account);
        auth_set_pass(a, u, uc->pass);
        u->conn_types = uc->conn_types != 0 ? uc->conn_types : UINT32_MAX;
        u->proxy_required = uc->proxy_required;
        auth_index(a, i);
        enum err e = pc != NULL ? auth_compile(a, seen, pc, &u->perms) : OK;
        if (e != OK)
            return e;
    }
    return OK;
}

static void
auth_add_single(struct auth *a, const struct auth_conf *conf)
{
    struct auth_user *u = &a->users[a->n_users++];

    auth_set_name(a, u, conf->user, NULL);
    auth_set_pass(a, u, conf->pass);
    u->conn_types = UINT32_MAX;
    auth_index(a, 0);
    a->single = true;
}

static void
auth_add_token(struct auth *a, const struct auth_conf *conf)
{
    a->has_token = true;
    if (password_is_bcrypt(conf->token)) {
        a->token_bcrypt = auth_keep(a, conf->token);
        a->bcrypts[a->n_bcrypts++] = a->token_bcrypt;
    } else {
        password_hash(&a->key, conf->token, strlen(conf->token), &a->token);
    }
}

/* Room for all that auth_fill puts into it. */
static bool
auth_alloc(struct auth *a, const struct auth_conf *conf, struct auth_perms_seen *seen)
{
    uint32_t n = conf->n_users + 2, n_slots = 8;

    ASSERT(n < UINT32_MAX / 4);
    while (n_slots < 2 * n)
        n_slots *= 2;
    a->users = fault_calloc(n, sizeof(*a->users));
    a->bcrypts = fault_calloc(n, sizeof(*a->bcrypts));
    a->perms = fault_calloc(n, sizeof(struct perms *));
    a->table = fault_calloc(n_slots, sizeof(*a->table));
    a->strings = fault_malloc(auth_strings_len(conf));
    a->mask = n_slots - 1;
    seen->slots = fault_calloc(n_slots, sizeof(*seen->slots));
    seen->confs = fault_calloc(n, sizeof(struct auth_perms *));
    seen->mask = n_slots - 1;
    return a->users != NULL && a->bcrypts != NULL && a->perms != NULL && a->table != NULL && a->strings != NULL && seen->slots != NULL &&
           seen->confs != NULL;
}

static enum err
auth_fill(struct auth *a, const struct auth_conf *conf, struct auth_perms_seen *seen)
{
    (void)auth_keep(a, AUTH_ACCOUNT_DEFAULT);
    a->timeout_ns = conf->timeout_ns;
    a->required = conf->user != NULL || conf->token != NULL || conf->n_users > 0 || conf->required;
    enum err e = auth_add_users(a, conf, seen);
    if (e != OK)
        return e;
    if (conf->user != NULL && conf->n_users == 0)
        auth_add_single(a, conf);
    if (conf->token != NULL)
        auth_add_token(a, conf);
    if (conf->no_auth_user != NULL && !a->single)
        a->no_auth_user = auth_find(a, conf->no_auth_user, strlen(conf->no_auth_user));
    return OK;
}

enum err
auth_new(const struct auth_conf *conf, const struct password_key *key, struct auth **ret)
{
    struct auth_perms_seen seen = {0};
    enum err e = ERR_NOMEM;

    struct auth *a = fault_calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NOMEM;
    a->key = *key;
    hash_key_random(&a->table_key);
    if (auth_alloc(a, conf, &seen))
        e = auth_fill(a, conf, &seen);
    free(seen.slots);
    free(seen.confs);
    if (e != OK) {
        auth_free(a);
        return e;
    }
    *ret = a;
    return OK;
}

void
auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    for (uint32_t i = 0; i < a->n_perms; i++)
        perms_free(a->perms[i]);
    if (a->strings != NULL)
        sodium_memzero(a->strings, a->strings_len);
    if (a->users != NULL)
        sodium_memzero(a->users, a->n_users * sizeof(*a->users));
    free(a->perms);
    free(a->strings);
    free(a->users);
    free(a->bcrypts);
    free(a->table);
    sodium_memzero(a, sizeof(*a));
    free(a);
}

/* ---- asking ---- */

const struct auth_user *
auth_find(const struct auth *a, const void *name, size_t len)
{
    uint32_t i = (uint32_t)hash_bytes(&a->table_key, name, len) & a->mask;

    for (; a->table[i] != 0; i = (i + 1) & a->mask) {
        const struct auth_user *u = &a->users[a->table[i] - 1];
        if (u->name_len == len && memcmp(u->name, name, len) == 0)
            return u;
    }
    return NULL;
}

/* A failure that has cost nothing yet: it costs what another one would. */
static enum auth_verdict
auth_refuse(const struct auth *a, const struct auth_login *l, struct auth_try *t)
{
    t->user = NULL;
    if (a->n_bcrypts == 0)
        return AUTH_NO;
    t->bcrypt = a->bcrypts[hash_bytes(&a->table_key, l->user.ptr, l->user.len) % a->n_bcrypts];
    t->if_matched = AUTH_NO;
    return AUTH_HASHING;
}

/* Compare the secret. if_right: what to answer then. */
static enum auth_verdict
auth_compare(const struct auth *a, const struct auth_login *l, const char *bcrypt, const struct password_hash *plain,
             enum auth_verdict if_right, struct auth_try *t)
{
    if (bcrypt != NULL) {
        t->bcrypt = bcrypt;
        t->if_matched = if_right;
        return AUTH_HASHING;
    }
    bool right = password_hash_equal(&t->given, plain);
    return right && if_right != AUTH_NO ? if_right : auth_refuse(a, l, t);
}

enum auth_verdict
auth_begin(const struct auth *a, const struct auth_login *l, struct auth_try *ret)
{
    static const struct password_hash nobody; /* compared with all the same */
    bool by_token = a->n_users == 0 && a->has_token;
    const struct auth_view *secret = by_token ? &l->token : &l->pass;
    struct auth_try *t = ret;

    *t = (struct auth_try){.secret = *secret};
    if (l->user.len == 0 && l->pass.len == 0 && l->token.len == 0 && a->no_auth_user != NULL) {
        t->user = a->no_auth_user;
        if ((t->user->conn_types & l->conn_type) == 0)
            return AUTH_NO;
        return t->user->proxy_required ? AUTH_PROXY_REQUIRED : AUTH_OK;
    }
    password_hash(&a->key, secret->ptr, secret->len, &t->given);
    if (by_token)
        return auth_compare(a, l, a->token_bcrypt, &a->token, AUTH_OK, t);
    const struct auth_user *u = auth_find(a, l->user.ptr, l->user.len);
    t->user = u;
    enum auth_verdict if_right = u == NULL || (u->conn_types & l->conn_type) == 0 ? AUTH_NO : u->proxy_required ? AUTH_PROXY_REQUIRED : AUTH_OK;
    return auth_compare(a, l, u != NULL ? u->bcrypt : NULL, u != NULL ? &u->pass : &nobody, if_right, t);
}

/* ---- asking again ---- */

/* Whether a secret that was right for `before` is right now. */
static bool
auth_still(const char *bcrypt, const struct password_hash *plain, const char *bcrypt_before, const struct password_hash *plain_before,
           const struct password_hash *known)
{
    if (bcrypt != NULL)
        return bcrypt_before != NULL && strcmp(bcrypt, bcrypt_before) == 0;
    if (bcrypt_before == NULL && password_hash_equal(plain, plain_before))
        return true;
    return known != NULL && password_hash_equal(plain, known);
}

enum auth_again
auth_again(const struct auth *a, const struct auth *before, const struct auth_user *by, const struct password_hash *known, bool anonymous,
           enum auth_conn_type conn_type, const struct auth_user **ret_user)
{
    *ret_user = NULL;
    if (by == NULL) {
        if (!a->required)
            return AUTH_AGAIN_OK;
        if (a->n_users > 0 || !a->has_token)
            return AUTH_AGAIN_NO;
        if (before == NULL)
            return a->token_bcrypt == NULL && known != NULL && password_hash_equal(&a->token, known) ? AUTH_AGAIN_OK : AUTH_AGAIN_NO;
        return auth_still(a->token_bcrypt, &a->token, before->token_bcrypt, &before->token, known) ? AUTH_AGAIN_OK : AUTH_AGAIN_NO;
    }
    const struct auth_user *u = auth_find(a, by->name, by->name_len);
    if (u == NULL || strcmp(u->account, by->account) != 0)
        return AUTH_AGAIN_GONE;
    if ((u->conn_types & conn_type) == 0 || u->proxy_required)
        return AUTH_AGAIN_NO;
    if (anonymous ? u != a->no_auth_user : !auth_still(u->bcrypt, &u->pass, by->bcrypt, &by->pass, known))
        return a->single ? AUTH_AGAIN_GONE : AUTH_AGAIN_NO;
    *ret_user = u;
    return AUTH_AGAIN_OK;
}
