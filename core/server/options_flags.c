/* options_flags.c - the command line, in Go's syntax. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/go_text.h"
#include "core/server/options_priv.h"

static const struct option_row *
option_find_flag(const char *name, size_t len)
{
    const struct option_block *const blocks[] = {&options_top, &options_flag_only};

    for (size_t b = 0; b < 2; b++) {
        for (uint32_t i = 0; i < blocks[b]->n; i++) {
            if (option_is_in(blocks[b]->rows[i].flags, name, len))
                return &blocks[b]->rows[i];
        }
    }
    return NULL;
}

bool
option_flag_next(int argc, char **argv, int *at, struct option_flag *ret)
{
    if (*at >= argc)
        return false;
    char *arg = argv[*at];
    if (arg[0] != '-' || arg[1] == '\0')
        return false;
    if (strcmp(arg, "--") == 0) {
        (*at)++;
        return false;
    }
    (*at)++;
    char *name = arg + (arg[1] == '-' ? 2 : 1);
    *ret = (struct option_flag){.name = name, .name_len = strcspn(name, "=")};
    ret->bad = ret->name_len == 0 || name[0] == '-';
    ret->value = name[ret->name_len] == '=' ? name + ret->name_len + 1 : NULL;
    ret->row = ret->bad ? NULL : option_find_flag(name, ret->name_len);
    if (ret->row != NULL && ret->value == NULL && ret->row->type != OPT_BOOL) {
        ret->missing = *at >= argc;
        if (!ret->missing)
            ret->value = argv[(*at)++];
    }
    return true;
}

bool
options_flags_has(const struct options_args *args, const char *name)
{
    struct option_flag f;

    for (int at = 1; option_flag_next(args->argc, args->argv, &at, &f);) {
        if (f.row != NULL && option_is_in(f.row->flags, name, strlen(name)))
            return true;
    }
    return false;
}

/* The value as the file would have it. False: it is none of that type, which was reported. */
static bool
option_flag_value(struct option_reader *r, const struct option_flag *f, struct conf_value *ret)
{
    *ret = (struct conf_value){.type = CONF_STR};
    if (f->row->type == OPT_BOOL) {
        ret->type = CONF_BOOL;
        ret->b = true;
        if (f->value != NULL && !go_bool_parse(f->value, &ret->b)) {
            options_fail(r->rep, "invalid boolean value \"%s\" for -%s: parse error", f->value, r->flag);
            return false;
        }
        return true;
    }
    if (f->row->type == OPT_INT || f->row->read == option_read_sub_tokens) {
        ret->type = CONF_INT;
        enum go_int verdict = go_int_parse(f->value, &ret->i);
        if (verdict != GO_INT_OK)
            options_fail(r->rep, "invalid value \"%s\" for flag -%s: %s", f->value, r->flag,
                         verdict == GO_INT_RANGE ? "value out of range" : "parse error");
        return verdict == GO_INT_OK;
    }
    ret->str = (struct conf_str){.bytes = f->value, .len = (uint32_t)strlen(f->value)};
    return true;
}

bool
options_flags_read(struct option_reader *r, const struct options_args *args, int *ret_rest)
{
    struct option_flag f;
    struct conf_value v;
    char name[64];
    int at = 1;
    uint32_t n_errors = options_report_n_errors(r->rep);

    while (option_flag_next(args->argc, args->argv, &at, &f)) {
        (void)snprintf(name, sizeof(name), "%.*s", f.name_len < 60 ? (int)f.name_len : 60, f.name); /* fits */
        r->flag = name;
        r->flag_text = f.row != NULL && (f.row->traits & (OPTION_SECRET | OPTION_URL)) ? "[REDACTED]" : f.value != NULL ? f.value : "";
        if (f.bad && f.name_len > 0) /* what stands behind the name may be a secret */
            options_fail(r->rep, "bad flag syntax: %.*s", (int)(f.name - args->argv[at - 1] + (ptrdiff_t)f.name_len), args->argv[at - 1]);
        else if (f.bad)
            options_fail(r->rep, "bad flag syntax: %s", args->argv[at - 1]);
        else if (f.row == NULL)
            options_fail(r->rep, "flag provided but not defined: -%s", name);
        else if (f.missing)
            options_fail(r->rep, "flag needs an argument: -%s", name);
        else if (option_flag_value(r, &f, &v))
            option_read(r, f.row, &v);
        if (options_report_n_errors(r->rep) > n_errors && r->unsupported_quiet)
            break; /* a bad flag: the first one is told, as Go does. Of refused ones all are */
    }
    r->flag = r->flag_text = NULL;
    *ret_rest = at;
    return options_report_n_errors(r->rep) == n_errors;
}

/* Overwrite what ps would show: a password, or what stands before the @ of a URL. */
static void
options_args_hide(char *value, uint32_t traits)
{
    if (traits & OPTION_SECRET) {
        memset(value, 'x', strlen(value));
        return;
    }
    for (char *p = value; *p != '\0';) {
        size_t len = strcspn(p, ",");
        char *from = memmem(p, len, "://", 3), *to = memrchr(p, '@', len);
        from = from != NULL ? from + 3 : p;
        if (to != NULL && to > from)
            memset(from, 'x', (size_t)(to - from));
        p += len + (p[len] == ',');
    }
}

struct options_args *
options_args_new(int argc, char **argv)
{
    struct options_args *a = fault_calloc(1, sizeof(*a));
    bool good = a != NULL;

    if (good)
        a->argv = fault_calloc((size_t)argc + 1, sizeof(*a->argv));
    good = good && a->argv != NULL;
    for (int i = 0; good && i < argc; i++) {
        size_t len = strlen(argv[i]);
        a->argv[i] = fault_malloc(len + 1);
        good = a->argv[i] != NULL;
        if (good)
            memcpy(a->argv[i], argv[i], len + 1);
        a->argc = good ? i + 1 : i;
    }
    if (!good) {
        options_args_free(a);
        return NULL;
    }
    struct option_flag f;
    for (int at = 1; option_flag_next(argc, argv, &at, &f);) {
        if (f.row != NULL && f.value != NULL && (f.row->traits & (OPTION_SECRET | OPTION_URL)))
            options_args_hide(f.value, f.row->traits);
    }
    return a;
}

void
options_args_free(struct options_args *a)
{
    if (a == NULL)
        return;
    for (int i = 0; i < a->argc; i++) {
        sodium_memzero(a->argv[i], strlen(a->argv[i]));
        free(a->argv[i]);
    }
    free(a->argv);
    free(a);
}
