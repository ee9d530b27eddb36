/* Two passes over the destination, as nats-server judges it: what each token is, then what it is told and refers to. The errors of
 * the first come before those of the second, wherever they stand. */
#include "core/broker/transform.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/broker/subject.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "proto/out.h"
#include "proto/utf8.h"

enum transform_kind {
    T_TEXT,
    T_REST, /* a last `>`: the rest of the subject */
    T_WILDCARD,
    T_PARTITION,
    T_RANDOM,
    T_SPLIT,
    T_SPLIT_LEFT,
    T_SPLIT_RIGHT,
    T_SLICE_LEFT,
    T_SLICE_RIGHT,
    T_LEFT,
    T_RIGHT,
    T_KIND_N,
};

/* One token of the destination. */
struct transform_op {
    uint8_t kind;
    int32_t num;       /* position, size, buckets, maximum */
    uint32_t off, len; /* in the destination: its text; the arguments while compiling; split's delimiter */
    int64_t token;     /* the number of the token it is made of */
    uint32_t args, n_args; /* partition: those it is made of, in `args` */
};

/* Numbers of tokens: 0 is the subject's first, n the one where the source's n-th `*` stands. */
struct transform {
    uint32_t src_len, dest_len;
    uint32_t n_src;   /* tokens of the source */
    uint32_t n_wild;
    uint32_t n_ops;
    bool rest;      /* the source ends in `>` */
    const char *dest;
    const uint32_t *wild; /* [n_wild] where in the source the `*` are, in tokens */
    struct transform_op *ops;
    int64_t *args;
};

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

struct view {
    const char *p;
    size_t n;
};

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
fail(struct compile *c, const char *what)
{
    (void)snprintf(c->why, c->why_cap, "%s", what); /* cut is fine */
    return ERR_INVAL;
}

static enum err
fail_in(struct compile *c, const char *what, struct view token)
{
    (void)snprintf(c->why, c->why_cap, "%s in %.*s", what, (int)token.n, token.p);
    return ERR_INVAL;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static struct view
skip_spaces(struct view v)
{
    for (; v.n > 0 && is_space(*v.p); v.p++, v.n--)
        ;
    return v;
}

/* Blanks alone: what an argument may have around it. */
static struct view
trim(struct view v)
{
    for (; v.n > 0 && v.p[0] == ' '; v.p++, v.n--)
        ;
    for (; v.n > 0 && v.p[v.n - 1] == ' '; v.n--)
        ;
    return v;
}

/* Go's Atoi: a sign, digits, what fits into 64 bits. */
static bool
number(struct view v, int64_t *ret)
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
number32(struct view v, int32_t *ret)
{
    int64_t n;

    if (!number(trim(v), &n) || n > INT32_MAX)
        return false;
    *ret = (int32_t)n; /* below, the lower half counts, as in nats-server */
    return true;
}

/* ---- the source ---- */

/* Where the tokens of s are `*`; how many. */
static uint32_t
find_wildcards(const char *s, uint32_t len, uint32_t *to, uint32_t cap)
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
ends_in_rest(const char *s, size_t len)
{
    return len > 0 && s[len - 1] == '>' && (len == 1 || s[len - 2] == '.');
}

static bool
has_feed(const char *s)
{
    return strchr(s, '\f') != NULL;
}

/* ---- words of a token ---- */

/* "name ( args ) }}" at v, behind the braces: the kind, and what stands between the outermost parentheses. */
static bool
function_at(struct view v, enum transform_kind *ret_kind, struct view *ret_args)
{
    v = skip_spaces(v);
    for (size_t i = 0; i < sizeof(transform_names) / sizeof(transform_names[0]); i++) {
        const char *name = transform_names[i].name;
        size_t k = 0;
        for (; k < v.n && name[k] != '\0' && (v.p[k] == name[k] || (name[k] <= 'Z' && v.p[k] == name[k] + ('a' - 'A'))); k++)
            ;
        if (name[k] != '\0')
            continue;
        struct view args = skip_spaces((struct view){v.p + k, v.n - k});
        if (args.n == 0 || *args.p != '(')
            continue;
        args.p++;
        args.n--;
        for (size_t end = args.n; end-- > 0;) {
            if (args.p[end] != ')')
                continue;
            struct view behind = skip_spaces((struct view){args.p + end + 1, args.n - end - 1});
            if (behind.n < 2 || behind.p[0] != '}' || behind.p[1] != '}')
                continue;
            *ret_kind = transform_names[i].kind;
            *ret_args = (struct view){args.p, end};
            return true;
        }
    }
    return false;
}

/* The argument at the front of *v, which loses it, and the comma and the spaces behind that. */
static struct view
next_arg(struct view *v)
{
    const char *comma = v->n > 0 ? memchr(v->p, ',', v->n) : NULL;
    struct view arg = {v->p, comma == NULL ? v->n : (size_t)(comma - v->p)};

    if (comma == NULL)
        *v = (struct view){v->p + v->n, 0};
    else
        *v = skip_spaces((struct view){comma + 1, v->n - arg.n - 1});
    return arg;
}

static uint32_t
n_args_of(struct view v)
{
    uint32_t n = 1;

    for (size_t i = 0; i < v.n; i++)
        n += v.p[i] == ',';
    return n;
}

/* A token's number as written; the second pass holds it against the source. What is below 1 is the first token. */
static bool
token_number(struct view v, int64_t *ret)
{
    if (!number(trim(v), ret))
        return false;
    if (*ret < 1)
        *ret = 0;
    return true;
}

static enum err
partition_args(struct compile *c, struct transform_op *op, struct view token, struct view args)
{
    uint32_t n = n_args_of(args);

    if (!number32(next_arg(&args), &op->num))
        return fail_in(c, why_arg, token);
    op->args = c->n_args;
    op->n_args = n - 1;
    for (uint32_t i = 1; i < n; i++) {
        if (!token_number(next_arg(&args), &c->t->args[c->n_args++]))
            return fail_in(c, why_arg, token);
    }
    return OK;
}

static enum err
wildcard_args(struct compile *c, struct transform_op *op, struct view token, struct view args)
{
    if (n_args_of(args) > 1)
        return fail_in(c, why_many, token);
    if (args.n == 0)
        return fail_in(c, why_few, token);
    return token_number(args, &op->token) ? OK : fail_in(c, why_arg, token);
}

static enum err
random_args(struct compile *c, struct transform_op *op, struct view token, struct view args)
{
    if (n_args_of(args) != 1)
        return fail_in(c, why_few, token); /* also for too many: nats-server's word */
    return number32(args, &op->num) ? OK : fail_in(c, why_arg, token);
}

/* The functions of a token and something else: a delimiter or a number. */
static enum err
two_args(struct compile *c, struct transform_op *op, struct view token, struct view args)
{
    uint32_t n = n_args_of(args);

    if (n != 2)
        return fail_in(c, n < 2 ? why_few : why_many, token);
    if (!token_number(next_arg(&args), &op->token))
        return fail_in(c, why_arg, token);
    struct view second = next_arg(&args);
    if (op->kind != T_SPLIT)
        return number32(second, &op->num) ? OK : fail_in(c, why_arg, token);
    if (second.n > 0 && memchr(second.p, ' ', second.n) != NULL)
        return fail_in(c, why_arg, token);
    op->off = (uint32_t)(second.p - c->t->dest);
    op->len = (uint32_t)second.n;
    return OK;
}

static enum err
function_token(struct compile *c, struct transform_op *op, struct view token)
{
    enum transform_kind kind = T_TEXT;
    struct view args = {0};
    bool found = false;

    for (size_t i = 0; !found && i + 2 <= token.n; i++) {
        if (token.p[i] == '{' && token.p[i + 1] == '{')
            found = function_at((struct view){token.p + i + 2, token.n - i - 2}, &kind, &args);
    }
    if (!found || ((kind == T_LEFT || kind == T_RIGHT) && (c->flags & TRANSFORM_NO_LEFT_RIGHT) != 0))
        return fail_in(c, why_function, token);
    op->kind = (uint8_t)kind;
    op->off = (uint32_t)(args.p - c->t->dest);
    op->len = (uint32_t)args.n;
    return OK;
}

static enum err
parse_token(struct compile *c, struct transform_op *op, struct view token, bool after_rest)
{
    *op = (struct transform_op){.kind = T_TEXT, .off = (uint32_t)(token.p - c->t->dest), .len = (uint32_t)token.n};
    if (token.n == 0)
        return fail(c, why_invalid);
    if (after_rest)
        return fail_in(c, why_invalid, token);
    if (token.n > 4 && memcmp(token.p, "{{", 2) == 0 && memcmp(token.p + token.n - 2, "}}", 2) == 0)
        return function_token(c, op, token);
    for (size_t i = 0; i < token.n; i++) {
        if (is_space(token.p[i]))
            return fail(c, why_invalid);
    }
    if (token.p[0] == '$' && token_number((struct view){token.p + 1, token.n - 1}, &op->token)) {
        op->kind = T_WILDCARD;
        op->off++; /* its one argument */
        op->len--;
    } else if (token.n == 1 && token.p[0] == '>') {
        op->kind = T_REST;
    }
    return OK;
}

/* The token that op was made of: what an error shows. */
static struct view
token_of(const struct transform *t, uint32_t i_op)
{
    const char *p = t->dest, *end = t->dest + t->dest_len;

    for (; i_op > 0; i_op--)
        p = (const char *)memchr(p, '.', (size_t)(end - p)) + 1;
    const char *dot = memchr(p, '.', (size_t)(end - p));
    return (struct view){p, (size_t)((dot == NULL ? end : dot) - p)};
}

static enum err
parse_dest(struct compile *c)
{
    struct transform *t = c->t;
    bool after_rest = false;
    enum err e = OK;

    for (uint32_t from = 0; e == OK && from <= t->dest_len;) {
        const char *p = t->dest + from;
        const char *dot = memchr(p, '.', t->dest_len - from);
        struct view token = {p, dot == NULL ? t->dest_len - from : (size_t)(dot - p)};
        e = parse_token(c, &t->ops[t->n_ops], token, after_rest);
        after_rest = t->ops[t->n_ops++].kind == T_REST;
        from += (uint32_t)token.n + 1;
    }
    return e;
}

/* ---- pass two: what they refer to ---- */

static bool
is_literal(const struct transform *t)
{
    return t->n_wild == 0 && !t->rest;
}

/* The error for a token number that the source does not have. */
static enum err
fail_range(struct compile *c, uint32_t i_op, int64_t n)
{
    struct view token = token_of(c->t, i_op);

    if (is_literal(c->t))
        return fail_in(c, why_range, token);
    (void)snprintf(c->why, c->why_cap, "%s in %.*s: [%lld]", why_range, (int)token.n, token.p, (long long)n);
    return ERR_INVAL;
}

static enum err
op_args(struct compile *c, struct transform_op *op, struct view token)
{
    struct view args = {c->t->dest + op->off, op->len};

    switch ((enum transform_kind)op->kind) {
    case T_WILDCARD: return wildcard_args(c, op, token, args);
    case T_PARTITION: return partition_args(c, op, token, args);
    case T_RANDOM: return random_args(c, op, token, args);
    case T_SPLIT:
    case T_SPLIT_LEFT:
    case T_SPLIT_RIGHT:
    case T_SLICE_LEFT:
    case T_SLICE_RIGHT:
    case T_LEFT:
    case T_RIGHT: return two_args(c, op, token, args);
    case T_TEXT:
    case T_REST:
    case T_KIND_N:
    default: ASSERT(false); /* no function has this kind */ return ERR_INVAL;
    }
}

static enum err
check_op(struct compile *c, uint32_t i_op)
{
    struct transform *t = c->t;
    struct transform_op *op = &t->ops[i_op];

    if (op->kind == T_TEXT || op->kind == T_REST)
        return OK;
    enum err e = op_args(c, op, token_of(t, i_op));
    if (e != OK)
        return e;
    if ((c->flags & TRANSFORM_STRICT) != 0 && op->kind != T_WILDCARD)
        return fail_in(c, why_strict, token_of(t, i_op));
    c->n_used++;
    if (op->kind == T_RANDOM)
        return OK;
    if (op->kind == T_PARTITION) {
        if (is_literal(t))
            op->n_args = 0; /* the whole subject, whatever it names */
        for (uint32_t i = 0; i < op->n_args; i++) {
            if (t->args[op->args + i] > t->n_wild)
                return fail_range(c, i_op, t->args[op->args + i]);
        }
        return OK;
    }
    return is_literal(t) || op->token > t->n_wild ? fail_range(c, i_op, op->token) : OK;
}

static enum err
check_dest(struct compile *c)
{
    struct transform *t = c->t;
    uint32_t star;

    if (find_wildcards(t->dest, t->dest_len, &star, 1) > 0 || ends_in_rest(t->dest, t->dest_len) != t->rest)
        return fail(c, why_subject);
    for (uint32_t i = 0; i < t->n_ops; i++) {
        enum err e = check_op(c, i);
        if (e != OK)
            return e;
    }
    if ((c->flags & TRANSFORM_STRICT) != 0 && c->n_used < t->n_wild)
        return fail_in(c, why_unused, (struct view){t->dest, t->dest_len});
    return OK;
}

/* ---- compiling ---- */

/* One block for everything: no token of the destination is an op more than it has dots, no argument is without its comma. */
static struct transform *
transform_take(const char *src, size_t src_len, const char *dest, size_t dest_len, uint32_t n_wild)
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
    t->rest = ends_in_rest(src, src_len);
    t->n_wild = n_wild;
    (void)find_wildcards(src, t->src_len, wild, n_wild);
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
    if (!subject_valid((const uint8_t *)src, src_len) || has_feed(src) || src_len > TRANSFORM_LEN_MAX || dest_len > TRANSFORM_LEN_MAX)
        return fail(&c, why_subject);
    uint32_t n_wild = find_wildcards(src, (uint32_t)src_len, &none, 0);
    if (n_wild > TRANSFORM_WILDCARDS_MAX)
        return fail(&c, "invalid subject: too many wildcards");
    c.t = transform_take(src, src_len, dest, dest_len, n_wild);
    if (c.t == NULL)
        return ERR_NOMEM;
    enum err e = parse_dest(&c);
    if (e == OK)
        e = check_dest(&c);
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

/* ---- applying ---- */

/* The tokens of one subject that the source's wildcards stand for, and its first. */
struct tokens {
    struct view at[TRANSFORM_WILDCARDS_MAX + 1];
    struct view whole, rest;
};

static bool
find_tokens(const struct transform *t, struct view s, struct tokens *ret)
{
    const char *p = s.p, *end = s.p + s.n;
    uint32_t n = 0;

    ret->whole = s;
    for (uint32_t i = 0; i < t->n_src; i++) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        struct view token = {p, (size_t)((dot == NULL ? end : dot) - p)};
        if (i == 0)
            ret->at[0] = token;
        if (i + 1 == t->n_src && t->rest) {
            ret->rest = (struct view){p, (size_t)(end - p)};
            return true;
        }
        if (n < t->n_wild && t->wild[n] == i)
            ret->at[++n] = token;
        if (dot == NULL)
            return i + 1 == t->n_src;
        p = dot + 1;
    }
    return false;
}

static void
put_view(struct out *o, struct view v)
{
    out_bytes(o, v.p, v.n);
}

/* v cut at n bytes from the left; whole if there is nothing left on one side. */
static void
put_cut(struct out *o, struct view v, int64_t n)
{
    if (n <= 0 || (uint64_t)n >= v.n) {
        put_view(o, v);
        return;
    }
    out_bytes(o, v.p, (size_t)n);
    out_byte(o, '.');
    out_bytes(o, v.p + n, v.n - (size_t)n);
}

/* v in pieces of size bytes, the first of them first bytes long. */
static void
put_slices(struct out *o, struct view v, size_t first, size_t size)
{
    for (size_t off = 0, len = first; off < v.n && !o->full; off += len, len = size) {
        if (off > 0)
            out_byte(o, '.');
        if (len > v.n - off)
            len = v.n - off;
        out_bytes(o, v.p + off, len);
    }
}

static void
put_sliced(struct out *o, struct view v, int32_t size, bool from_left)
{
    if (size <= 0 || (size_t)size >= v.n) {
        put_view(o, v);
        return;
    }
    size_t part = v.n % (size_t)size;
    put_slices(o, v, from_left || part == 0 ? (size_t)size : part, (size_t)size);
}

/* How far the next piece of v reaches: to the delimiter; without one, a character. */
static size_t
piece_len(struct view v, struct view delim)
{
    uint32_t rune;

    if (v.n == 0)
        return 0;
    if (delim.n == 0)
        return utf8_decode((const uint8_t *)v.p, v.n, &rune);
    const char *hit = memmem(v.p, v.n, delim.p, delim.n);
    return hit == NULL ? v.n : (size_t)(hit - v.p);
}

/* Empty pieces are left out; but where the first two are empty, a dot is not: so nats-server has it, and such a subject matches nothing. */
static void
put_split(struct out *o, struct view v, struct view delim)
{
    bool first_empty = piece_len(v, delim) == 0;

    for (uint32_t i = 0; v.n > 0; i++) {
        size_t len = piece_len(v, delim);
        if (len > 0) {
            if (i > 1 || (i == 1 && !first_empty))
                out_byte(o, '.');
            out_bytes(o, v.p, len);
        }
        size_t used = len + delim.n < v.n ? len + delim.n : v.n;
        v.p += used;
        v.n -= used;
    }
}

static uint32_t
fnv1a(uint32_t h, struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ (uint8_t)v.p[i]) * UINT32_C(16777619);
    return h;
}

static void
put_partition(struct out *o, const struct transform *t, const struct transform_op *op, const struct tokens *k)
{
    uint32_t h = UINT32_C(2166136261), buckets = (uint32_t)op->num;

    if (op->n_args == 0)
        h = fnv1a(h, k->whole);
    for (uint32_t i = 0; i < op->n_args; i++)
        h = fnv1a(h, k->at[t->args[op->args + i]]);
    out_u64(o, buckets == 0 ? 0 : h % buckets);
}

static void
put_random(struct out *o, int32_t max, uint64_t *random)
{
    uint64_t half = rng_split(random) >> 32;

    out_u64(o, max <= 0 ? 0 : half * (uint64_t)max >> 32);
}

static void
put_part(struct out *o, struct view v, int32_t len, bool from_left)
{
    if (len > 0 && (size_t)len < v.n)
        v = (struct view){from_left ? v.p : v.p + (v.n - (size_t)len), (size_t)len};
    put_view(o, v);
}

static void
put_op(struct out *o, const struct transform *t, const struct transform_op *op, const struct tokens *k, uint64_t *random)
{
    struct view text = {t->dest + op->off, op->len}, token = {0};

    if (op->kind >= T_SPLIT || op->kind == T_WILDCARD)
        token = k->at[op->token];
    switch ((enum transform_kind)op->kind) {
    case T_TEXT: put_view(o, text); return;
    case T_REST: put_view(o, k->rest); return;
    case T_WILDCARD: put_view(o, token); return;
    case T_PARTITION: put_partition(o, t, op, k); return;
    case T_RANDOM: put_random(o, op->num, random); return;
    case T_SPLIT: put_split(o, token, text); return;
    case T_SPLIT_LEFT: put_cut(o, token, op->num); return;
    case T_SPLIT_RIGHT: put_cut(o, token, op->num <= 0 ? 0 : (int64_t)token.n - op->num); return;
    case T_SLICE_LEFT: put_sliced(o, token, op->num, true); return;
    case T_SLICE_RIGHT: put_sliced(o, token, op->num, false); return;
    case T_LEFT: put_part(o, token, op->num, true); return;
    case T_RIGHT: put_part(o, token, op->num, false); return;
    case T_KIND_N:
    default: ASSERT(false); /* no such op */
    }
}

enum transform_verdict
transform_apply(const struct transform *t, const uint8_t *subject, size_t len, uint64_t random, uint8_t *to, size_t cap, size_t *ret_len)
{
    struct tokens k; /* only what find_tokens sets is read */
    struct out o;

    if (!find_tokens(t, (struct view){(const char *)subject, len}, &k))
        return TRANSFORM_NO_MATCH;
    out_init(&o, (char *)to, cap);
    for (uint32_t i = 0; i < t->n_ops && !o.full; i++) {
        if (i > 0)
            out_byte(&o, '.');
        put_op(&o, t, &t->ops[i], &k, &random);
    }
    if (o.full)
        return TRANSFORM_TOO_LONG;
    *ret_len = o.len;
    return TRANSFORM_OK;
}
