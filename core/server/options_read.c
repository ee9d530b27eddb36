/* options_read.c - a value of the file, by its row of the table, into its place. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/go_text.h"
#include "core/rt/util.h"
#include "core/server/options_priv.h"

bool
option_is_in(const char *names, const char *name, size_t len)
{
    for (const char *p = names; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, name, len) == 0)
            return true;
        p += n + strspn(p + n, " ");
    }
    return false;
}

/* Keys are the same in any case. */
static bool
option_is_key(const char *keys, const struct conf_str *key)
{
    for (const char *p = keys; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == key->len && strncasecmp(p, key->bytes, n) == 0)
            return true;
        p += n + strspn(p + n, " ");
    }
    return false;
}

/* ---- what is said */

__attribute__((format(printf, 4, 0))) static void
option_say(struct option_reader *r, const struct conf_value *v, bool warning, const char *fmt, va_list args)
{
    char text[OPTIONS_LINE_MAX / 2], shown[OPTION_SHOWN_LEN], place[OPTIONS_LINE_MAX / 2];

    (void)vsnprintf(text, sizeof(text), fmt, args); /* what is cut is only a message */
    if (r->flag != NULL) {
        (void)go_quote(r->flag_text, strlen(r->flag_text), shown, sizeof(shown));
        (void)snprintf(place, sizeof(place), "invalid value %s for flag -%s: ", shown, r->flag); /* fits */
    } else {
        (void)snprintf(place, sizeof(place), "%.1900s:%u:%u: ", v->pos.file, v->pos.line, v->pos.col);
    }
    if (warning)
        options_warn(r->rep, "%s%s", place, text);
    else
        options_fail(r->rep, "%s%s", place, text);
}

void
option_fail_at(struct option_reader *r, const struct conf_value *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    option_say(r, v, false, fmt, args);
    va_end(args);
}

void
option_warn_at(struct option_reader *r, const struct conf_value *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    option_say(r, v, true, fmt, args);
    va_end(args);
}

const char *
option_quote(const struct conf_str *s, char shown[OPTION_SHOWN_LEN])
{
    return go_quote(s->bytes, s->len, shown, OPTION_SHOWN_LEN);
}

bool
option_is(struct option_reader *r, const struct conf_value *v, enum conf_type t)
{
    if (v->type == t)
        return true;
    option_fail_at(r, v, "interface conversion: interface {} is %s, not %s", conf_type_name(v->type), conf_type_name(t));
    return false;
}

/* ... for the value of a row, which may have words of its own for it. */
static bool
option_row_is(struct option_reader *r, const struct option_row *row, const struct conf_value *v, enum conf_type t)
{
    if (row->wrong == NULL || v->type == t)
        return option_is(r, v, t);
    bool type_follows = row->wrong[strlen(row->wrong) - 1] == ' ';
    option_fail_at(r, v, "%s%s", row->wrong, type_follows ? conf_type_name(v->type) : "");
    return false;
}

static bool
option_row_is_strs(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    bool good = true;

    if (v->type != CONF_ARRAY)
        return option_row_is(r, row, v, CONF_STR);
    for (uint32_t i = 0; row->wrong != NULL && i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->type != CONF_STR)
            option_fail_at(r, item, "%sin array %s", row->wrong, conf_type_name(item->type));
        good &= item->type == CONF_STR;
    }
    return good;
}

/* ---- memory */

void *
option_take(struct option_reader *r, size_t n, size_t len)
{
    void *at = arena_take(r->o->mem, n * len);
    r->no_memory |= at == NULL;
    return at;
}

char *
option_copy(struct option_reader *r, const char *bytes, size_t len)
{
    char *at = arena_copy(r->o->mem, bytes, len);
    r->no_memory |= at == NULL;
    return at;
}

/* ---- values */

bool
option_read_text(struct option_reader *r, const struct conf_value *v, const char **ret)
{
    if (!option_is(r, v, CONF_STR))
        return false;
    /* Everything behind it would be lost on the way, of a password as well. */
    if (memchr(v->str.bytes, '\0', v->str.len) != NULL) {
        option_fail_at(r, v, "a NUL character within text");
        return false;
    }
    const char *text = option_copy(r, v->str.bytes, v->str.len);
    if (text == NULL)
        return false;
    *ret = text;
    return true;
}

bool
option_read_strs(struct option_reader *r, const struct conf_value *v, struct options_strs *ret)
{
    uint32_t n = v->type == CONF_ARRAY ? v->list.n : 1;
    const char **items = option_take(r, n, sizeof(*items));
    bool good = items != NULL;

    for (uint32_t i = 0; good && i < n; i++) {
        const char *text = NULL;
        good = option_read_text(r, v->type == CONF_ARRAY ? &v->list.items[i] : v, &text);
        items[i] = text;
    }
    if (good)
        *ret = (struct options_strs){.items = items, .n = n};
    return good;
}

bool
option_read_dur(struct option_reader *r, const struct option_row *row, const struct conf_value *v, int64_t *ret_ns)
{
    char why[GO_WHY_LEN];

    if (v->type == CONF_STR) {
        if (memchr(v->str.bytes, '\0', v->str.len) == NULL && go_duration_parse(v->str.bytes, ret_ns, why))
            return true;
        if (r->flag != NULL)
            option_fail_at(r, v, "parse error");
        else if (memchr(v->str.bytes, '\0', v->str.len) != NULL)
            option_fail_at(r, v, "a NUL character within text");
        else
            option_fail_at(r, v, "error parsing %.*s: %s", OPTION_FIRST(row->keys), why);
        return false;
    }
    if (row->type == OPT_DUR_STR)
        return option_is(r, v, CONF_STR);
    if (row->type == OPT_TMO && v->type == CONF_FLOAT && v->f > -9e9 && v->f < 9e9) {
        *ret_ns = (int64_t)(v->f * 1e9);
        return true;
    }
    if (row->type == OPT_DUR)
        option_warn_at(r, v, "invalid use of field \"%.*s\": %.*s should be converted to a duration", OPTION_FIRST(row->keys),
                       OPTION_FIRST(row->keys));
    if (!option_is(r, v, CONF_INT))
        return false;
    if (v->i < -INT64_MAX / NS_PER_S || v->i > INT64_MAX / NS_PER_S) {
        option_fail_at(r, v, "%.*s: value out of range", OPTION_FIRST(row->keys));
        return false;
    }
    *ret_ns = v->i * NS_PER_S;
    return true;
}

/* host:port or [v6]:port of a string. */
static bool
option_split_listen(const char *text, size_t len, const char **ret_host, size_t *ret_host_len, const char **ret_port)
{
    const char *colon = memrchr(text, ':', len);

    if (colon == NULL)
        return false;
    const char *host = text;
    size_t host_len = (size_t)(colon - text);
    if (host_len > 0 && host[0] == '[') {
        if (host[host_len - 1] != ']')
            return false;
        host++;
        host_len -= 2;
        if (memchr(host, '[', host_len) != NULL || memchr(host, ']', host_len) != NULL)
            return false;
    } else if (memchr(host, ':', host_len) != NULL || memchr(host, '[', host_len) != NULL || memchr(host, ']', host_len) != NULL) {
        return false;
    }
    *ret_host = host;
    *ret_host_len = host_len;
    *ret_port = colon + 1;
    return true;
}

bool
option_read_listen(struct option_reader *r, const struct conf_value *v, const char **ret_host, int64_t *ret_port)
{
    const char *host, *port;
    size_t host_len;
    char shown[OPTION_SHOWN_LEN], *end;

    if (v->type == CONF_INT) {
        *ret_host = NULL;
        *ret_port = v->i;
        return true;
    }
    if (v->type != CONF_STR) {
        option_fail_at(r, v, "expected port or host:port, got %s", conf_type_name(v->type));
        return false;
    }
    if (memchr(v->str.bytes, '\0', v->str.len) != NULL || !option_split_listen(v->str.bytes, v->str.len, &host, &host_len, &port)) {
        option_fail_at(r, v, "could not parse address string %s", option_quote(&v->str, shown));
        return false;
    }
    long long n = strtoll(port, &end, 10); /* what overflows ends at a limit, and is out of every port's range */
    if (*port == '\0' || *end != '\0' || port[0] == ' ' || port[0] == '\t') {
        option_fail_at(r, v, "could not parse port %s", go_quote(port, strlen(port), shown, sizeof(shown)));
        return false;
    }
    const char *copy = option_copy(r, host, host_len);
    if (copy == NULL)
        return false;
    *ret_host = copy;
    *ret_port = n;
    return true;
}

/* A size of JetStream's: a number, or digits and one of K, M, G, T. */
static bool
option_read_store_size(struct option_reader *r, const struct option_row *row, const struct conf_value *v, int64_t *ret)
{
    static const char units[] = "KMGT";
    char shown[OPTION_SHOWN_LEN], digits[128];
    int64_t n = 0;

    if (v->type == CONF_INT) {
        *ret = v->i;
        return true;
    }
    if (v->type != CONF_STR) {
        option_fail_at(r, v, "%.*s must be int64 or string", OPTION_FIRST(row->keys));
        return false;
    }
    *ret = 0;
    if (v->str.len == 0)
        return true;
    size_t len = v->str.len - 1;
    (void)snprintf(digits, sizeof(digits), "%.*s", len < 100 ? (int)len : 100, v->str.bytes); /* fits */
    char *end;
    n = strtoll(digits, &end, 10);
    if (*end != '\0' || len == 0 || strlen(digits) != len || digits[0] == ' ') {
        option_fail_at(r, v, "%.*s strconv.ParseInt: parsing %s: invalid syntax", OPTION_FIRST(row->keys),
                       go_quote(v->str.bytes, len, shown, sizeof(shown)));
        return false;
    }
    const char *unit = strchr(units, v->str.bytes[len]);
    if (unit == NULL || *unit == '\0') {
        option_fail_at(r, v, "%.*s sizes defined as strings must end in K, M, G, T", OPTION_FIRST(row->keys));
        return false;
    }
    if (__builtin_mul_overflow(n, INT64_C(1) << (10 * (unit - units + 1)), ret)) {
        option_fail_at(r, v, "%.*s: value out of range", OPTION_FIRST(row->keys));
        return false;
    }
    return true;
}

/* ---- places */

static void *
option_at(struct option_reader *r, uint16_t off)
{
    ASSERT(off != OPTION_NOWHERE);
    return (char *)r->o + off;
}

static void
option_put_bool(struct option_reader *r, const struct option_row *row, bool b)
{
    const uint16_t offs[] = {row->off, row->off2, row->off3};

    for (size_t i = 0; i < N_ELEMS(offs); i++) {
        /* In a file only `true` reaches the others: trace_verbose: false says nothing about trace. */
        if (offs[i] != OPTION_NOWHERE && (i == 0 || b || r->flag != NULL))
            *(bool *)option_at(r, offs[i]) = b;
    }
}

static void
option_put_int(struct option_reader *r, const struct option_row *row, const struct conf_value *v, int64_t n, bool duration)
{
    char lo[GO_DURATION_LEN], hi[GO_DURATION_LEN], at[GO_DURATION_LEN];

    if (n == 0 && (row->traits & OPTION_ZERO_IS_DEFAULT)) {
        bool good = duration ? go_duration_parse(row->def, &n, NULL) : go_int_parse(row->def, &n) == GO_INT_OK;
        ASSERT(good);
    }
    if (n < 0 && (row->traits & OPTION_NOT_NEGATIVE))
        n = 0;
    if (n > INT32_MAX && (row->traits & OPTION_INT32)) {
        option_fail_at(r, v, "%.*s value is too big", OPTION_FIRST(row->keys));
        return;
    }
    if (row->min != row->max && (n < row->min || n > row->max)) {
        if (r->flag != NULL && !duration)
            option_fail_at(r, v, "value out of range (%lld to %lld)", (long long)row->min, (long long)row->max);
        else if (r->flag != NULL)
            option_fail_at(r, v, "value out of range (%s to %s)", go_duration_text(row->min, lo), go_duration_text(row->max, hi));
        else if (!duration)
            option_fail_at(r, v, "%.*s is out of range: %lld (it is %lld to %lld)", OPTION_FIRST(row->keys), (long long)n, (long long)row->min,
                           (long long)row->max);
        else
            option_fail_at(r, v, "%.*s is out of range: %s (it is %s to %s)", OPTION_FIRST(row->keys), go_duration_text(n, at),
                           go_duration_text(row->min, lo), go_duration_text(row->max, hi));
        return;
    }
    if (row->off != OPTION_NOWHERE)
        *(int64_t *)option_at(r, row->off) = n;
}

/* The port of a listener: within what a port can be. */
static void
option_put_port(struct option_reader *r, const struct option_row *row, const struct conf_value *v, int64_t port)
{
    if (row->off2 == OPTION_NOWHERE)
        return;
    if (port < -1 || port > UINT16_MAX)
        option_fail_at(r, v, "%.*s is out of range: %lld (it is -1 to %d)", OPTION_FIRST(row->keys), (long long)port, UINT16_MAX);
    else
        *(int64_t *)option_at(r, row->off2) = port == 0 && row->off2 == OPT(port) ? OPTIONS_PORT_DEFAULT : port;
}

static void
option_put_text(struct option_reader *r, const struct option_row *row, const char *text)
{
    if (row->off != OPTION_NOWHERE)
        *(const char **)option_at(r, row->off) = text[0] != '\0' ? text : row->def;
}

/* One of the row's words. */
static void
option_read_word(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    char low[32], words[128];
    size_t n = 0;

    if (!option_row_is(r, row, v, CONF_STR))
        return;
    for (; n < v->str.len && n + 1 < sizeof(low); n++)
        low[n] = (char)(v->str.bytes[n] >= 'A' && v->str.bytes[n] <= 'Z' ? v->str.bytes[n] + 32 : v->str.bytes[n]);
    low[n] = '\0';
    if (n == v->str.len && n > 0 && option_is_in(row->words, low, n)) {
        const char *copy = option_copy(r, low, n);
        if (copy != NULL)
            option_put_text(r, row, copy);
        return;
    }
    (void)snprintf(words, sizeof(words), "%s", row->words); /* fits: a list of the table */
    for (char *p = words; *p != '\0'; p++)
        *p = *p == ' ' ? '|' : *p;
    if (r->flag != NULL)
        option_fail_at(r, v, "it is %s", words);
    else
        option_fail_at(r, v, "%.*s is %s", OPTION_FIRST(row->keys), words);
}

const struct conf_value *
option_last_of(const struct conf_value *map)
{
    return map->list.n > 0 ? &map->list.items[map->list.n - 1] : map;
}

/* Each map of a list. */
static void
option_read_maps(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    if (!option_row_is(r, row, v, CONF_ARRAY))
        return;
    for (uint32_t i = 0; i < v->list.n; i++) {
        const struct conf_value *item = &v->list.items[i];
        if (item->type == CONF_MAP)
            option_read_block(r, row->block, item);
        else if (row->words != NULL)
            option_fail_at(r, item, "%s%s", row->words, conf_type_name(item->type));
        else
            (void)option_is(r, item, CONF_MAP);
    }
}

static void
option_read_by_type(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    const char *text = NULL;
    struct options_strs strs;
    int64_t n = 0;

    switch (row->type) {
    case OPT_BOOL:
        if (option_row_is(r, row, v, CONF_BOOL))
            option_put_bool(r, row, v->b);
        break;
    case OPT_INT:
        if (option_row_is(r, row, v, CONF_INT))
            option_put_int(r, row, v, v->i, false);
        break;
    case OPT_DUR:
    case OPT_DUR_STR:
    case OPT_TMO:
        if (option_read_dur(r, row, v, &n))
            option_put_int(r, row, v, n, true);
        break;
    case OPT_STR:
        if (option_row_is(r, row, v, CONF_STR) && option_read_text(r, v, &text))
            option_put_text(r, row, text);
        break;
    case OPT_STRS:
        if (option_row_is_strs(r, row, v) && option_read_strs(r, v, &strs) && row->off != OPTION_NOWHERE)
            *(struct options_strs *)option_at(r, row->off) = strs;
        break;
    case OPT_LISTEN:
        if (!option_read_listen(r, v, &text, &n))
            break;
        if (row->off != OPTION_NOWHERE && text != NULL)
            option_put_text(r, row, text);
        option_put_port(r, row, v, n);
        break;
    case OPT_STORE_SIZE:
        if (option_read_store_size(r, row, v, &n))
            option_put_int(r, row, v, n, false);
        break;
    case OPT_MAP:
        if (option_row_is(r, row, v, CONF_MAP))
            option_read_block(r, row->block, v);
        break;
    case OPT_MAPS: option_read_maps(r, row, v); break;
    case OPT_WORD: option_read_word(r, row, v); break;
    case OPT_OWN: row->read(r, row, v); break;
    }
}

bool
option_asks(const struct conf_value *v)
{
    switch (v->type) {
    case CONF_BOOL: return v->b;
    case CONF_INT: return v->i != 0;
    case CONF_STR: return v->str.len > 0;
    case CONF_MAP:
    case CONF_ARRAY: return v->list.n > 0;
    case CONF_FLOAT:
    case CONF_TIME: break;
    }
    return true;
}

/* Say that nothing stands behind an option, if it asks for something. */
static void
option_refuse(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    char what[256];

    if (r->unsupported_quiet || r->in_unsupported > 0 || !(row->asks != NULL ? row->asks(v) : option_asks(v)))
        return;
    const char *how = r->unsupported_warn ? " and does nothing" : "";
    if (row->why != NULL)
        (void)snprintf(what, sizeof(what), "is not supported%s: %s", how, row->why); /* fits */
    else
        (void)snprintf(what, sizeof(what), "is not supported%s: midge does not have %s yet", how, row->feature); /* fits */
    if (!r->unsupported_warn && r->flag != NULL)
        options_fail(r->rep, "flag -%s %s", r->flag, what);
    else if (!r->unsupported_warn)
        option_fail_at(r, v, "%.*s %s", OPTION_FIRST(row->keys), what);
    else if (r->flag != NULL)
        options_warn(r->rep, "flag -%s %s", r->flag, what);
    else
        option_warn_at(r, v, "%.*s %s", OPTION_FIRST(row->keys), what);
    option_note_unsupported(r, (row->traits & OPTION_GUARDS) != 0);
}

void
option_read(struct option_reader *r, const struct option_row *row, const struct conf_value *v)
{
    bool missing = row->feature != NULL || row->why != NULL;

    r->in_unsupported += missing;
    option_read_by_type(r, row, v);
    r->in_unsupported -= missing;
    if (missing)
        option_refuse(r, row, v);
}

/* ---- maps */

static uint32_t
option_key_hash(const struct conf_str *key)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < key->len; i++)
        h = (h ^ (unsigned char)key->bytes[i]) * 16777619u;
    return h;
}

enum { MARK_SMALL = 12 }; /* keys that are compared each with each */

static void
option_mark_few(const struct conf_value *map)
{
    for (uint32_t i = 0; i < map->list.n; i++) {
        struct conf_value *v = &map->list.items[i];
        for (uint32_t k = i + 1; k < map->list.n; k++) {
            const struct conf_str *later = &map->list.items[k].key;
            if (later->len == v->key.len && memcmp(later->bytes, v->key.bytes, later->len) == 0)
                v->flags |= OPTION_REPLACED;
        }
    }
}

/* Keys that are the same to the byte replace each other; those that differ in case do not, and are read in the order of the file. */
void
option_mark_replaced(struct option_reader *r, const struct conf_value *map)
{
    uint32_t n = map->list.n, cap = 16;

    if (n <= MARK_SMALL) {
        option_mark_few(map);
        return;
    }
    while (cap < 2 * n)
        cap *= 2;
    uint32_t *slots = fault_calloc(cap, sizeof(*slots)); /* item + 1; 0: empty */
    if (slots == NULL) {
        r->no_memory = true;
        return;
    }
    for (uint32_t i = n; i-- > 0;) {
        struct conf_value *v = &map->list.items[i];
        uint32_t at = option_key_hash(&v->key) & (cap - 1);
        for (; slots[at] != 0; at = (at + 1) & (cap - 1)) {
            const struct conf_str *k = &map->list.items[slots[at] - 1].key;
            if (k->len == v->key.len && memcmp(k->bytes, v->key.bytes, k->len) == 0)
                break;
        }
        if (slots[at] != 0)
            v->flags |= OPTION_REPLACED;
        else
            slots[at] = i + 1;
    }
    free(slots);
}

void
option_read_block(struct option_reader *r, const struct option_block *b, const struct conf_value *map)
{
    char shown[OPTION_SHOWN_LEN];

    ASSERT(map->type == CONF_MAP);
    option_mark_replaced(r, map);
    for (uint32_t i = 0; i < map->list.n; i++) {
        const struct conf_value *v = &map->list.items[i];
        const struct option_row *row = NULL;
        if (v->flags & OPTION_REPLACED)
            continue;
        for (uint32_t k = 0; k < b->n && row == NULL; k++)
            row = option_is_key(b->rows[k].keys, &v->key) ? &b->rows[k] : NULL;
        if (row != NULL)
            option_read(r, row, v);
        else if (!(v->flags & CONF_USED_AS_VARIABLE))
            option_fail_at(r, v, "%sunknown field %s", b->unknown != NULL ? b->unknown : "", option_quote(&v->key, shown));
    }
    if (b->check != NULL)
        b->check(r, map);
}

void
options_set_defaults(struct option_reader *r)
{
    for (uint32_t i = 0; i < options_top.n; i++) {
        const struct option_row *row = &options_top.rows[i];
        struct conf_value v = {.type = CONF_STR};
        if (row->def == NULL || row->off == OPTION_NOWHERE)
            continue;
        if (row->type == OPT_BOOL) {
            v.type = CONF_BOOL;
            v.b = strcmp(row->def, "true") == 0;
        } else if (row->type == OPT_INT) {
            v.type = CONF_INT;
            enum go_int verdict = go_int_parse(row->def, &v.i);
            ASSERT(verdict == GO_INT_OK);
        } else {
            v.str = (struct conf_str){.bytes = row->def, .len = (uint32_t)strlen(row->def)};
        }
        if (row->read != option_read_sub_tokens) /* 0, which a file cannot say */
            option_read_by_type(r, row, &v);
    }
}
