#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"

/* ---- paths -------------------------------------------------------------------------------------------------------- */

/* Append the parts of a path to one that is being built, as Go's path cleaning does: no empty part, no ".", and ".." takes the part before it
 * away where there is one. False: no room. */
static bool
conf_path_append(char *to, size_t *io_len, struct conf_str path)
{
    for (uint32_t i = 0, n = 0; i < path.len; i += n + 1) {
        const char *part = path.bytes + i;
        for (n = 0; i + n < path.len && part[n] != '/'; n++) {
        }
        size_t len = *io_len, cut = len;
        bool   rooted = len > 0 && to[0] == '/', first = len == 0 || (rooted && len == 1);
        if (n == 0 || (n == 1 && part[0] == '.'))
            continue;
        while (cut > 0 && to[cut - 1] != '/')
            cut--;
        bool up = n == 2 && part[0] == '.' && part[1] == '.';
        if (up && first && rooted)
            continue;
        if (up && !first && !(len - cut == 2 && to[cut] == '.' && to[cut + 1] == '.')) {
            *io_len = cut > 1 ? cut - 1 : cut; /* without its slash, but for the root's */
            continue;
        }
        if (len + 1 + n >= CONF_PATH_MAX)
            return false;
        if (!first)
            to[len++] = '/';
        memcpy(to + len, part, n);
        *io_len = len + n;
    }
    return true;
}

/* The folder of the file `name`, with path behind it, into to[CONF_PATH_MAX]. */
static bool
conf_path_join(char *to, const char *name, struct conf_str path, size_t *ret_len)
{
    const char *slash = strrchr(name, '/');
    size_t      len = 0;

    if (name[0] == '/')
        to[len++] = '/';
    struct conf_str folder = {.bytes = name, .len = slash == NULL ? 0 : (uint32_t)(slash - name)};
    if (!conf_path_append(to, &len, folder) || !conf_path_append(to, &len, path))
        return false;
    if (len == 0)
        to[len++] = '.';
    to[len] = '\0';
    *ret_len = len;
    return true;
}

/* ---- texts -------------------------------------------------------------------------------------------------------- */

static enum err
conf_too_large(struct conf_parser *p)
{
    const struct conf_str text = CONF_STR_LIT("the configuration is too large");

    return conf_why(p, ERR_LIMIT, &text, 1);
}

enum err
conf_bytes(struct conf_parser *p, const char *name, const char *bytes, size_t len)
{
    if (len > CONF_BYTES_MAX - p->n_bytes)
        return conf_too_large(p);
    p->n_bytes += len;

    struct conf_text t = {.outer = p->text, .name = name, .cur = {.p = (const uint8_t *)bytes, .len = (uint32_t)len, .line = 1}};
    p->text = &t;
    enum err    e = OK;
    const char *nul = len == 0 ? NULL : memchr(bytes, '\0', len);
    if (nul != NULL) {
        conf_advance(&t.cur, (uint32_t)(nul - bytes));
        e = conf_fail_plain(p, "Unexpected NUL byte.");
    }
    if (e == OK)
        e = conf_parse_text(p, &t);
    p->text = (struct conf_text *)t.outer;
    return e;
}

/* Is the file being read already, further out? */
static bool
conf_file_is_open(const struct conf_parser *p, const char *path)
{
    for (const struct conf_text *t = p->text; t != NULL; t = t->outer) {
        if (!t->variable && strcmp(t->name, path) == 0)
            return true;
    }
    return false;
}

enum err
conf_file(struct conf_parser *p, const char *path)
{
    struct conf_str name;
    char           *bytes = NULL;
    size_t          len = 0;
    const char     *text = "";

    if (conf_copy(p->doc, path, strlen(path), &name) != OK)
        return conf_nomem(p);
    enum err e = p->env->read(p->env->arg, name.bytes, &bytes, &len, &text);
    if (e != OK) {
        bool folder = strcmp(text, "is a directory") == 0; /* which can be opened */
        const struct conf_str pieces[] = {conf_str_c(folder ? "read " : "open "), name, CONF_STR_LIT(": "), conf_str_c(text)};
        return conf_why(p, e, pieces, N_ELEMS(pieces));
    }
    e = conf_bytes(p, name.bytes, bytes, len);
    if (bytes != NULL)
        sodium_memzero(bytes, len);
    free(bytes);
    return e;
}

static enum err
conf_include_refused(struct conf_parser *p, const char *text)
{
    const struct conf_str piece = conf_str_c(text);

    return conf_why(p, ERR_LIMIT, &piece, 1);
}

static enum err
conf_include_file(struct conf_parser *p, struct conf_str path)
{
    char   joined[CONF_PATH_MAX];
    size_t len = 0;

    if (p->text->variable)
        return conf_include_refused(p, "a variable cannot include files");
    if (p->n_texts_include == CONF_INCLUDES_MAX)
        return conf_include_refused(p, "too many files include each other");
    if (!conf_path_join(joined, p->text->name, path, &len))
        return conf_include_refused(p, "the path is too long");
    if (conf_file_is_open(p, joined))
        return conf_include_refused(p, "the file includes itself");
    p->n_texts_include++;
    enum err e = conf_file(p, joined);
    p->n_texts_include--;
    if (e == OK)
        conf_text_close(p);
    return e;
}

enum err
conf_include(struct conf_parser *p, struct conf_str path)
{
    enum err e = conf_include_file(p, path);

    if (e != OK) {
        const struct conf_str pieces[] = {CONF_STR_LIT("error parsing include file '"), path, CONF_STR_LIT("', ")};
        conf_why_insert(p, pieces, N_ELEMS(pieces));
    }
    return e;
}
