/* options_file.c - the configuration file: bytes to a tree (proto/conf), the tree to options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/server/options_priv.h"

/* As Go writes it. */
static const char *
options_file_why(enum err e)
{
    return e == ERR_NOENT ? "no such file or directory" : e == ERR_ACCESS ? "permission denied" : err_text(e);
}

/* All of a file; what opening says in *ret_why. */
static enum err
options_file_bytes(void *arg, const char *path, char **ret_bytes, size_t *ret_len, const char **ret_why)
{
    (void)arg;
    enum err e = OK;
    size_t len = 0, cap = 4096;
    char *bytes = NULL;
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        e = err_from_errno(errno);
        *ret_why = options_file_why(e);
        return e;
    }
    for (;;) {
        char *more = cap > CONF_BYTES_MAX ? NULL : fault_malloc(cap);
        if (more == NULL) {
            e = cap > CONF_BYTES_MAX ? ERR_LIMIT : ERR_NOMEM;
            break;
        }
        /* No realloc: what it leaves behind would hold passwords. */
        if (len > 0) {
            memcpy(more, bytes, len);
            sodium_memzero(bytes, len);
        }
        free(bytes);
        bytes = more;
        len += fread(bytes + len, 1, cap - len, f);
        if (ferror(f)) {
            e = err_from_errno(errno); /* a folder, for one */
            break;
        }
        if (len < cap)
            break;
        cap *= 2;
    }
    if (e != OK) {
        *ret_why = e == ERR_IO ? "it cannot be read; is it a file?" : options_file_why(e);
        if (bytes != NULL)
            sodium_memzero(bytes, len);
        free(bytes);
    } else {
        *ret_bytes = bytes;
        *ret_len = len;
    }
    (void)fclose(f); /* nothing was written */
    return e;
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

void
options_file_read(struct option_reader *r, const char *path, bool decided)
{
    static const struct conf_env env = {.read = options_file_bytes, .getenv = options_file_env};
    struct conf_doc *doc = NULL;
    char why[OPTIONS_LINE_MAX] = "";

    const char *kept = option_copy(r, path, strlen(path));
    enum err e = conf_parse_file(&env, path, &doc, why, sizeof(why));
    if (e != OK) {
        options_fail(r->rep, "%s", why[0] != '\0' ? why : err_text(e));
        return;
    }
    struct conf_value *top = conf_doc_top(doc);
    if (top->list.n == 0)
        options_warn(r->rep, "%s: config has no values or is empty", path);
    options_file_decide(r, top, decided);
    option_read_block(r, &options_top, top);
    if (r->o->trace_verbose || r->o->trace_headers)
        r->o->trace = true;
    r->o->config_file = kept;
    _Static_assert((int)OPTIONS_DIGEST_LEN == (int)CONF_DIGEST_LEN, "a digest is a digest");
    e = conf_digest(doc, r->o->digest);
    r->no_memory |= e != OK;
    conf_doc_free(doc);
}
