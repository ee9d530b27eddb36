/* Two passes over the destination, as nats-server judges it: what each token is, then what it is told and refers to. The errors of
 * the first come before those of the second, wherever they stand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/broker/transform_priv.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"

/* ---- words ---- */

/* A capital letter of the name may be written small; the others are as they are. */
static const struct {
    const char *name;
    enum transform_kind kind;
} transform_names[] = {
    {"Wildcard", T_WILDCARD},        {"Partition", T_PARTITION},      {"Random", T_RANDOM},
    {"SplitFromLeft", T_SPLIT_LEFT}, {"SplitFromRight", T_SPLIT_RIGHT}, {"SliceFromLeft", T_SLICE_LEFT},
    {"SliceFromRight", T_SLICE_RIGHT}, {"Split", T_SPLIT},            {"Left", T_LEFT},
    {"Right", T_RIGHT},
};

#define WHY "invalid mapping destination"
static const char why_invalid[] = WHY ": invalid transform";
static const char why_unused[] = WHY ": not using all of the token wildcard(s)";
static const char why_function[] = WHY ": unknown function";
static const char why_range[] = WHY ": wildcard index out of range";
static const char why_few[] = WHY ": not enough arguments passed to the function";
static const char why_arg[] = WHY ": function argument is invalid or in the wrong format";
static const char why_many[] = WHY ": too many arguments passed to the function";
static const char why_strict[] = WHY ": the only mapping function allowed for import transforms is {{Wildcard()}}";
static const char why_subject[] = "invalid subject";

/* What one pass works on. */
struct compile {
    struct transform *t;
    uint32_t flags;
    uint32_t n_args; /* partition's, of all ops so far */
    uint32_t n_used; /* placeholders */
    char *why;
    size_t why_cap;
};

static enum err
compile_fail(struct compile *c, const char *what)
{
    (void)snprintf(c->why, c->why_cap, "%s", what); /* cut is fine */
    return ERR_INVAL;
}

static enum err
compile_fail_in(struct compile *c, const char *what, struct transform_view token)
{
    (void)snprintf(c->why, c->why_cap, "%s in %.*s", what, (int)token.n, token.p);
    return ERR_INVAL;
}

static bool
compile_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static struct transform_view
compile_skip_spaces(struct transform_view v)
{
    for (; v.n > 0 && compile_is_space(*v.p); v.p++, v.n--)
        ;
    return v;
}

/* Blanks alone: what an argument may have around it. */
static struct transform_view
compile_trim(struct transform_view v)
{
    for (; v.n > 0 && v.p[0] == ' '; v.p++, v.n--)
        ;
    for (; v.n > 0 && v.p[v.n - 1] == ' '; v.n--)
        ;
    return v;
}

/* Go's Atoi: a sign, digits, what fits into 64 bits. */
static bool
compile_number(struct transform_view v, int64_t *ret)
{
    bool minus = v.n > 0 && v.p[0] == '-';
    int64_t n = 0;

    if (v.n > 0 && (v.p[0] == '-' || v.p[0] == '+')) {
        v.p++;
        v.n--;
    }
    if (v.n == 0)
        return false;
    for (; v.n > 0; v.p++, v.n--) {
        int digit = *v.p - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, digit, &n))
            return false;
    }
    if (!minus && n == INT64_MIN)
        return false;
    *ret = minus ? n : -n;
    return true;
}

static bool
compile_number32(struct transform_view v, int32_t *ret)
{
    int64_t n;

    if (!compile_number(compile_trim(v), &n) || n > INT32_MAX)
        return false;
    *ret = (int32_t)n; /* below, the lower half counts, as in nats-server */
    return true;
}

/* ---- the source ---- */

/* Where the tokens of s are `*`; how many. */
static uint32_t
compile_find_wildcards(const char *s, uint32_t len, uint32_t *to, uint32_t cap)
{
    uint32_t n = 0, token = 0;

    for (uint32_t i = 0; i < len; i++) {
        if (s[i] == '.') {
            token++;
        } else if (s[i] == '*' && (i == 0 || s[i - 1] == '.') && (i + 1 == len || s[i + 1] == '.')) {
            if (n < cap)
                to[n] = token;
            n++;
        }
    }
    return n;
}

static bool
compile_ends_in_rest(const char *s, size_t len)
{
    return len > 0 && s[len - 1] == '>' && (len == 1 || s[len - 2] == '.');
}

static bool
compile_has_feed(const char *s)
{
    return strchr(s, '\f') != NULL;
}

/* ---- words of a token ---- */

/* "name ( args ) }}" at v, behind the braces: the kind, and what stands between the outermost parentheses. */
static bool
compile_function_at(struct transform_view v, enum transform_kind *ret_kind, struct transform_view *ret_args)
{
    v = compile_skip_spaces(v);
    for (size_t i = 0; i < sizeof(transform_names) / sizeof(transform_names[0]); i++) {
        const char *name = transform_names[i].name;
        size_t k = 0;
        for (; k < v.n && name[k] != '\0' && (v.p[k] == name[k] || (name[k] <= 'Z' && v.p[k] == name[k] + ('a' - 'A'))); k++)
            ;
        if (name[k] != '\0')
            continue;
        struct transform_view args = compile_skip_spaces((struct transform_view){v.p + k, v.n - k});
        if (args.n == 0 || *args.p != '(')
            continue;
        args.p++;
        args.n--;
        for (size_t end = args.n; end-- > 0;) {
            if (args.p[end] != ')')
                continue;
            struct transform_view behind = compile_skip_spaces((struct transform_view){args.p + end + 1, args.n - end - 1});
            if (behind.n < 2 || behind.p[0] != '}' || behind.p[1] != '}')
                continue;
            *ret_kind = transform_names[i].kind;
            *ret_args = (struct transform_view){args.p, end};
            return true;
        }
    }
    return false;
}

/* The argument at the front of *v, which loses it, and the comma and the spaces behind that. */
static struct transform_view
compile_next_arg(struct transform_view *v)
{
    const char *comma = v->n > 0 ? memchr(v->p, ',', v->n) : NULL;
    struct transform_view arg = {v->p, comma == NULL ? v->n : (size_t)(comma - v->p)};

    if (comma == NULL)
        *v = (struct transform_view){v->p + v->n, 0};
    else
        *v = compile_skip_spaces((struct transform_view){comma + 1, v->n - arg.n - 1});
    return arg;
}

static uint32_t
compile_n_args(struct transform_view v)
{
    uint32_t n = 1;

    for (size_t i = 0; i < v.n; i++)
        n += v.p[i] == ',';
    return n;
}

/* A token's number as written; the second pass holds it against the source. What is below 1 is the first token. */
static bool
compile_token_number(struct transform_view v, int64_t *ret)
{
    if (!compile_number(compile_trim(v), ret))
        return false;
    if (*ret < 1)
        *ret = 0;
    return true;
}

static enum err
compile_partition(struct compile *c, struct transform_op *op, struct transform_view token, struct transform_view args)
{
    uint32_t n = compile_n_args(args);

    if (!compile_number32(compile_next_arg(&args), &op->num))
        return compile_fail_in(c, why_arg, token);
    op->args = c->n_args;
    op->n_args = n - 1;
    for (uint32_t i = 1; i < n; i++) {
        if (!compile_token_number(compile_next_arg(&args), &c->t->args[c->n_args++]))
            return compile_fail_in(c, why_arg, token);
    }
    return OK;
}

static enum err
compile_wildcard(struct compile *c, struct transform_op *op, struct transform_view token, struct transform_view args)
{
    if (compile_n_args(args) > 1)
        return compile_fail_in(c, why_many, token);
    if (args.n == 0)
        return compile_fail_in(c, why_few, token);
    return compile_token_number(args, &op->token) ? OK : compile_fail_in(c, why_arg, token);
}

static enum err
compile_random(struct compile *c, struct transform_op *op, struct transform_view token, struct transform_view args)
{
    if (compile_n_args(args) != 1)
        return compile_fail_in(c, why_few, token); /* also for too many: nats-server's word */
    return compile_number32(args, &op->num) ? OK : compile_fail_in(c, why_arg, token);
}

/* The functions of a token and something else: a delimiter or a number. */
static enum err
compile_two(struct compile *c, struct transform_op *op, struct transform_view token, struct transform_view args)
{
    uint32_t n = compile_n_args(args);

    if (n != 2)
        return compile_fail_in(c, n < 2 ? why_few : why_many, token);
    if (!compile_token_number(compile_next_arg(&args), &op->token))
        return compile_fail_in(c, why_arg, token);
    struct transform_view second = compile_next_arg(&args);
    if (op->kind != T_SPLIT)
        return compile_number32(second, &op->num) ? OK : compile_fail_in(c, why_arg, token);
    if (second.n > 0 && memchr(second.p, ' ', second.n) != NULL)
        return compile_fail_in(c, why_arg, token);
    op->off = (uint32_t)(second.p - c->t->dest);
    op->len = (uint32_t)second.n;
    return OK;
}

static enum err
compile_function(struct compile *c, struct transform_op *op, struct transform_view token)
{
    enum transform_kind kind = T_TEXT;
    struct transform_view args = {0};
    bool found = false;

    for (size_t i = 0; !found && i + 2 <= token.n; i++) {
        if (token.p[i] == '{' && token.p[i + 1] == '{')
            found = compile_function_at((struct transform_view){token.p + i + 2, token.n - i - 2}, &kind, &args);
    }
    if (!found || ((kind == T_LEFT || kind == T_RIGHT) && (c->flags & TRANSFORM_NO_LEFT_RIGHT) != 0))
        return compile_fail_in(c, why_function, token);
    op->kind = (uint8_t)kind;
    op->off = (uint32_t)(args.p - c->t->dest);
    op->len = (uint32_t)args.n;
    return OK;
}

static enum err
compile_parse_token(struct compile *c, struct transform_op *op, struct transform_view token, bool after_rest)
{
    *op = (struct transform_op){.kind = T_TEXT, .off = (uint32_t)(token.p - c->t->dest), .len = (uint32_t)token.n};
    if (token.n == 0)
        return compile_fail(c, why_invalid);
    if (after_rest)
        return compile_fail_in(c, why_invalid, token);
    if (token.n > 4 && memcmp(token.p, "{{", 2) == 0 && memcmp(token.p + token.n - 2, "}}", 2) == 0)
        return compile_function(c, op, token);
    for (size_t i = 0; i < token.n; i++) {
        if (compile_is_space(token.p[i]))
            return compile_fail(c, why_invalid);
    }
    if (token.p[0] == '$' && compile_token_number((struct transform_view){token.p + 1, token.n - 1}, &op->token)) {
        op->kind = T_WILDCARD;
        op->off++; /* its one argument */
        op->len--;
    } else if (token.n == 1 && token.p[0] == '>') {
        op->kind = T_REST;
    }
    return OK;
}

/* The token that op was made of: what an error shows. */
static struct transform_view
compile_token_of(const struct transform *t, uint32_t i_op)
{
    const char *p = t->dest, *end = t->dest + t->dest_len;

    for (; i_op > 0; i_op--)
        p = (const char *)memchr(p, '.', (size_t)(end - p)) + 1;
    const char *dot = memchr(p, '.', (size_t)(end - p));
    return (struct transform_view){p, (size_t)((dot == NULL ? end : dot) - p)};
}

static enum err
compile_parse(struct compile *c)
{
    struct transform *t = c->t;
    bool after_rest = false;
    enum err e = OK;

    for (uint32_t from = 0; e == OK && from <= t->dest_len;) {
        const char *p = t->dest + from;
        const char *dot = memchr(p, '.', t->dest_len - from);
        struct transform_view token = {p, dot == NULL ? t->dest_len - from : (size_t)(dot - p)};
        e = compile_parse_token(c, &t->ops[t->n_ops], token, after_rest);
        after_rest = t->ops[t->n_ops++].kind == T_REST;
        from += (uint32_t)token.n + 1;
    }
    return e;
}

/* ---- pass two: what they refer to ---- */

static bool
compile_is_literal(const struct transform *t)
{
    return t->n_wild == 0 && !t->rest;
}

/* The error for a token number that the source does not have. */
static enum err
compile_fail_range(struct compile *c, uint32_t i_op, int64_t n)
{
    struct transform_view token = compile_token_of(c->t, i_op);

    if (compile_is_literal(c->t))
        return compile_fail_in(c, why_range, token);
    (void)snprintf(c->why, c->why_cap, "%s in %.*s: [%lld]", why_range, (int)token.n, token.p, (long long)n);
    return ERR_INVAL;
}

static enum err
compile_args(struct compile *c, struct transform_op *op, struct transform_view token)
{
    struct transform_view args = {c->t->dest + op->off, op->len};

    switch ((enum transform_kind)op->kind) {
    case T_WILDCARD: return compile_wildcard(c, op, token, args);
    case T_PARTITION: return compile_partition(c, op, token, args);
    case T_RANDOM: return compile_random(c, op, token, args);
    case T_SPLIT:
    case T_SPLIT_LEFT:
    case T_SPLIT_RIGHT:
    case T_SLICE_LEFT:
    case T_SLICE_RIGHT:
    case T_LEFT:
    case T_RIGHT: return compile_two(c, op, token, args);
    case T_TEXT:
    case T_REST:
    case T_KIND_N:
    default: ASSERT(false); /* no function has this kind */ return ERR_INVAL;
    }
}

static enum err
compile_check_op(struct compile *c, uint32_t i_op)
{
    struct transform *t = c->t;
    struct transform_op *op = &t->ops[i_op];

    if (op->kind == T_TEXT || op->kind == T_REST)
        return OK;
    enum err e = compile_args(c, op, compile_token_of(t, i_op));
    if (e != OK)
        return e;
    if ((c->flags & TRANSFORM_STRICT) != 0 && op->kind != T_WILDCARD)
        return compile_fail_in(c, why_strict, compile_token_of(t, i_op));
    c->n_used++;
    if (op->kind == T_RANDOM)
        return OK;
    if (op->kind == T_PARTITION) {
        if (compile_is_literal(t))
            op->n_args = 0; /* the whole subject, whatever it names */
        for (uint32_t i = 0; i < op->n_args; i++) {
            if (t->args[op->args + i] > t->n_wild)
                return compile_fail_range(c, i_op, t->args[op->args + i]);
        }
        return OK;
    }
    return compile_is_literal(t) || op->token > t->n_wild ? compile_fail_range(c, i_op, op->token) : OK;
}

static enum err
compile_check(struct compile *c)
{
    struct transform *t = c->t;
    uint32_t star;

    if (compile_find_wildcards(t->dest, t->dest_len, &star, 1) > 0 || compile_ends_in_rest(t->dest, t->dest_len) != t->rest)
        return compile_fail(c, why_subject);
    for (uint32_t i = 0; i < t->n_ops; i++) {
        enum err e = compile_check_op(c, i);
        if (e != OK)
            return e;
    }
    if ((c->flags & TRANSFORM_STRICT) != 0 && c->n_used < t->n_wild)
        return compile_fail_in(c, why_unused, (struct transform_view){t->dest, t->dest_len});
    return OK;
}

/* ---- compiling ---- */

/* One block for everything: no token of the destination is an op more than it has dots, no argument is without its comma. */
static struct transform *
compile_take(const char *src, size_t src_len, const char *dest, size_t dest_len, uint32_t n_wild)
{
    size_t n_ops = 1, n_args = 1;

    for (size_t i = 0; i < dest_len; i++) {
        n_ops += dest[i] == '.';
        n_args += dest[i] == ',';
    }
    size_t len = sizeof(struct transform) + n_ops * sizeof(struct transform_op) + n_args * sizeof(int64_t) + n_wild * sizeof(uint32_t) + dest_len;
    struct transform *t = fault_calloc(1, len);
    if (t == NULL)
        return NULL;
    t->ops = (struct transform_op *)(void *)(t + 1);
    t->args = (int64_t *)(void *)(t->ops + n_ops);
    uint32_t *wild = (uint32_t *)(void *)(t->args + n_args);
    char *text = (char *)(wild + n_wild);
    memcpy(text, dest, dest_len);
    t->dest = text;
    t->dest_len = (uint32_t)dest_len;
    t->src_len = (uint32_t)src_len;
    t->n_src = subject_n_tokens((const uint8_t *)src, src_len);
    t->rest = compile_ends_in_rest(src, src_len);
    t->n_wild = n_wild;
    (void)compile_find_wildcards(src, t->src_len, wild, n_wild);
    t->wild = wild;
    return t;
}

enum err
transform_new(const char *src, const char *dest, uint32_t flags, struct transform **ret_t, char *why, size_t why_cap)
{
    struct compile c = {.flags = flags, .why = why, .why_cap = why_cap};
    size_t src_len = strlen(src), dest_len = strlen(dest);
    uint32_t none;

    if (src_len == 0) {
        src = ">";
        src_len = 1;
    }
    if (dest_len == 0) {
        *ret_t = NULL;
        return OK;
    }
    if (!subject_valid((const uint8_t *)src, src_len) || compile_has_feed(src) || src_len > TRANSFORM_LEN_MAX || dest_len > TRANSFORM_LEN_MAX)
        return compile_fail(&c, why_subject);
    uint32_t n_wild = compile_find_wildcards(src, (uint32_t)src_len, &none, 0);
    if (n_wild > TRANSFORM_WILDCARDS_MAX)
        return compile_fail(&c, "invalid subject: too many wildcards");
    c.t = compile_take(src, src_len, dest, dest_len, n_wild);
    if (c.t == NULL)
        return ERR_NOMEM;
    enum err e = compile_parse(&c);
    if (e == OK)
        e = compile_check(&c);
    if (e != OK) {
        transform_free(c.t);
        return e;
    }
    *ret_t = c.t;
    return OK;
}

void
transform_free(struct transform *t)
{
    free(t);
}
