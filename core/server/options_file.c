/* options_file.c - the configuration file: bytes to a tree (proto/conf), the tree to options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/password.h"
#include "core/rt/assert.h"
#include "core/rt/file.h"
#include "core/server/options_priv.h"

enum { OTHERS_READ = 0044 }; /* group, everybody */

struct options_file {
    char why[128]; /* what the system said about the last file that could not be read */
};

static enum err
options_file_bytes(void *arg, const char *path, char **ret_bytes, size_t *ret_len, const char **ret_why)
{
    struct options_file *f = arg;

    *ret_why = f->why;
    return file_read(path, CONF_BYTES_MAX, ret_bytes, ret_len, f->why);
}

static const char *
options_file_env(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

/* Whether what is not supported refuses the start is known before the first such option is met, wherever it stands. */
static void
options_file_decide(struct option_reader *r, const struct conf_value *top, bool decided)
{
    const struct conf_value *v = conf_get(top, "unsupported");

    if (!decided && v != NULL && v->type == CONF_STR)
        r->unsupported_warn = v->str.len == 4 && strncasecmp(v->str.bytes, "warn", 4) == 0;
}

/* Whether accounts say who may come in. Not so in nats-server where only the system account has users and nothing else asks for
 * any: then everybody comes into $G. */
static bool
options_file_guarded(const struct conf_value *top, const char *system)
{
    const struct conf_value *accounts = conf_get(top, "accounts");
    uint32_t n_users = 0, n_others = 0;

    for (uint32_t i = 0; accounts != NULL && accounts->type == CONF_MAP && i < accounts->list.n; i++) {
        const struct conf_value *a = &accounts->list.items[i], *users = a->type == CONF_MAP ? conf_get(a, "users") : NULL;
        n_users += users != NULL && option_asks(users);
        n_others += system == NULL || a->key.len != strlen(system) || memcmp(a->key.bytes, system, a->key.len) != 0;
    }
    return n_users > 0 && (n_others > 0 || conf_get(top, "authorization") != NULL);
}

void
options_tree_read(struct option_reader *r, const struct conf_value *top, bool decided)
{
    options_file_decide(r, top, decided);
    option_read_block(r, &options_top, top);
    if (r->o->trace_verbose || r->o->trace_headers)
        r->o->trace = true;
    r->closed |= options_file_guarded(top, r->o->system_account);
}

/* Whether it holds something that is as good as a login to whoever reads it. */
static bool
options_file_secret(const struct options *o)
{
    const struct auth_conf *a = &o->auth;
    return a->token != NULL || o->auth_plain || (a->user != NULL && a->pass != NULL && !password_is_bcrypt(a->pass));
}

void
options_file_read(struct option_reader *r, const char *path, bool decided)
{
    struct options_file f = {.why = ""};
    const struct conf_env env = {.arg = &f, .read = options_file_bytes, .getenv = options_file_env};
    struct conf_doc *doc = NULL;
    char why[OPTIONS_LINE_MAX] = "";

    const char *kept = option_copy(r, path, strlen(path));
    enum err e = conf_parse_file(&env, path, &doc, why, sizeof(why));
    if (e != OK) {
        options_fail(r->rep, "%s", why[0] != '\0' ? why : err_text(e));
        return;
    }
    const struct conf_value *top = conf_doc_top(doc);
    if (top->list.n == 0)
        options_warn(r->rep, "%s: config has no values or is empty", path);
    options_tree_read(r, top, decided);
    r->o->config_file = kept;
    r->o->secrets_open = options_file_secret(r->o) && (file_mode(path) & OTHERS_READ) != 0;
    _Static_assert((int)OPTIONS_DIGEST_LEN == (int)CONF_DIGEST_LEN, "a digest is a digest");
    e = conf_digest(doc, r->o->digest);
    r->no_memory |= e != OK;
    conf_doc_free(doc);
}
