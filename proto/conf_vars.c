#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"

/* A variable of the environment is read as the value of this key. */
#define CONF_VAR_KEY "pk"

/* ---- errors ------------------------------------------------------------------------------------------------------- */

/* "variable reference for 'NAME' on line N", then behind. A password hash that should have been quoted is not shown: $2b$... and its like. */
static struct conf_str
conf_var_shown(struct conf_str name)
{
    const char *dollar = memchr(name.bytes, '$', name.len);

    if (dollar != NULL && dollar > name.bytes && dollar + 1 < name.bytes + name.len)
        return CONF_STR_LIT("...");
    return name;
}

static enum err
conf_var_fail(struct conf_parser *p, enum err e, struct conf_str name, const char *behind)
{
    char line[10];

    const struct conf_str pieces[] = {CONF_STR_LIT("variable reference for '"), conf_var_shown(name), CONF_STR_LIT("' on line "),
        conf_str_u32(line, p->text->cur.line), conf_str_c(behind)};
    conf_why_insert(p, pieces, N_ELEMS(pieces));
    return e;
}

static enum err
conf_var_cycle(struct conf_parser *p, struct conf_str name)
{
    const struct conf_str pieces[] = {CONF_STR_LIT("variable reference cycle for '"), conf_var_shown(name), CONF_STR_LIT("'")};

    return conf_why(p, ERR_SYNTAX, pieces, N_ELEMS(pieces));
}

/* ---- among the keys ----------------------------------------------------------------------------------------------- */

/* The last key of that name in the maps that are open in this text, the inner ones first. */
static enum err
conf_var_among_keys(struct conf_parser *p, struct conf_str name, struct conf_value **ret)
{
    *ret = NULL;
    for (uint32_t i = p->n_frames; i-- > 0 && *ret == NULL;) {
        struct conf_frame *f = &p->frames[i];
        if (f->kind == CONF_FRAME_ARRAY)
            continue;
        enum err e = conf_frame_find(p, f, name, ret);
        if (e != OK)
            return e;
        if (f->kind == CONF_FRAME_TOP)
            break;
    }
    return OK;
}

/* ---- in the environment ------------------------------------------------------------------------------------------- */

static bool
conf_var_is_open(const struct conf_parser *p, struct conf_str name)
{
    for (const struct conf_text *t = p->text; t != NULL; t = t->outer) {
        if (t->variable && conf_str_is(name, t->name))
            return true;
    }
    return false;
}

/* The entries of a variable's text are on the stack: take the value of its key, and forget the rest. */
static bool
conf_var_take(struct conf_parser *p, struct conf_value *v)
{
    uint32_t base = conf_frame(p)->base;
    bool     found = false;

    for (uint32_t i = p->n_items; i-- > base && !found;) {
        const struct conf_value *from = &p->items[i];
        found = conf_str_is(from->key, CONF_VAR_KEY);
        if (found) {
            struct conf_value to = *from;
            to.key = v->key;
            to.pos = v->pos;
            *v = to;
        }
    }
    p->n_items = base;
    return found;
}

/* Parse "pk=TEXT". */
static enum err
conf_var_parse(struct conf_parser *p, const char *name, const struct conf_pos *pos, const char *text, struct conf_value *v, bool *ret_found)
{
    size_t          len = strlen(text);
    struct conf_str copy;

    if (len + sizeof(CONF_VAR_KEY) > CONF_BYTES_MAX - p->n_bytes) {
        (void)conf_fail_plain(p, "The configuration is too large."); /* its verdict is the line below */
        return ERR_LIMIT;
    }
    char *line = conf_alloc(p->doc, len + sizeof(CONF_VAR_KEY "="), 1);
    if (line == NULL)
        return conf_nomem(p);
    memcpy(line, CONF_VAR_KEY "=", sizeof(CONF_VAR_KEY)); /* its NUL is the = */
    memcpy(line + sizeof(CONF_VAR_KEY), text, len + 1);
    copy = (struct conf_str){.bytes = line, .len = (uint32_t)(len + sizeof(CONF_VAR_KEY))};
    p->n_bytes += copy.len;

    struct conf_text t = {.outer = p->text, .name = name, .variable = true, .at = *pos, .cur = {.p = (const uint8_t *)line, .len = copy.len}};
    p->text = &t;
    enum err e = conf_parse_text(p, &t);
    if (e == OK) {
        *ret_found = conf_var_take(p, v);
        conf_text_close(p);
    }
    p->text = (struct conf_text *)t.outer;
    return e;
}

static enum err
conf_var_from_env(struct conf_parser *p, struct conf_str name, const struct conf_pos *pos, struct conf_value *v, bool *ret_found)
{
    struct conf_str copy;

    *ret_found = false;
    if (conf_var_is_open(p, name))
        return conf_var_cycle(p, name);
    if (conf_copy(p->doc, name.bytes, name.len, &copy) != OK)
        return conf_nomem(p);
    const char *text = memchr(name.bytes, '\0', name.len) != NULL ? NULL : p->env->getenv(p->env->arg, copy.bytes);
    if (text == NULL)
        return OK;
    if (p->n_texts_variable == CONF_VARIABLES_MAX) {
        (void)conf_fail_plain(p, "Too many variables name each other."); /* its verdict is the line below */
        return ERR_LIMIT;
    }
    p->n_texts_variable++;
    enum err e = conf_var_parse(p, copy.bytes, pos, text, v, ret_found);
    p->n_texts_variable--;
    return e;
}

enum err
conf_variable(struct conf_parser *p, struct conf_str name, const struct conf_pos *pos, struct conf_value *v)
{
    struct conf_value *key = NULL;
    bool               found = false;

    if (name.len >= 3 && memcmp(name.bytes, "2a$", 3) == 0) { /* a password's hash, not a name */
        v->type = CONF_STR;
        return conf_copy(p->doc, name.bytes - 1, name.len + 1, &v->str) == OK ? OK : conf_nomem(p);
    }
    enum err e = conf_var_among_keys(p, name, &key);
    if (e == OK && key != NULL) {
        key->flags |= CONF_USED_AS_VARIABLE;
        struct conf_value to = *key;
        to.key = v->key;
        to.pos = v->pos;
        to.flags &= ~(uint32_t)CONF_USED_AS_VARIABLE;
        *v = to;
        return OK;
    }
    if (e == OK)
        e = conf_var_from_env(p, name, pos, v, &found);
    if (e != OK)
        return conf_var_fail(p, e, name, " could not be parsed: ");
    if (!found) {
        if (p->why_cap > 0)
            p->why[0] = '\0';
        return conf_var_fail(p, ERR_SYNTAX, name, " can not be found");
    }
    return OK;
}
