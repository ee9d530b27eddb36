/* Parameters of requests, with nats-server's (that is, Go's) words for what is wrong with them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/rt/util.h"
#include "core/server/monitor_priv.h"

bool
monitor_bad(struct monitor_req *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(r->error, sizeof(r->error), fmt, args); /* cut is fine */
    va_end(args);
    if (r->error[0] == '\0')
        (void)strcpy(r->error, "bad request");
    r->status = 400;
    return false;
}

/* The value; false: it is too long, and r->error says so. *ret_len 0: it is absent or empty. */
static bool
arg_get(struct monitor_req *r, const char *name, char to[MONITOR_VALUE_MAX], size_t *ret_len)
{
    *ret_len = 0;
    switch (http_query_get(r->query, name, to, MONITOR_VALUE_MAX, ret_len)) {
    case HTTP_QUERY_LONG: return monitor_bad(r, "value of '%s' too long", name);
    case HTTP_QUERY_NONE: to[0] = '\0'; return true;
    case HTTP_QUERY_FOUND:
    default: return true;
    }
}

static bool
arg_bad(struct monitor_req *r, const char *what, const char *name, const char *fn, const char *value, size_t len, const char *why)
{
    char quoted[NATS_QUOTED_MAX(MONITOR_VALUE_MAX)];
    size_t n = nats_quote((const uint8_t *)value, len, quoted, sizeof(quoted));

    return monitor_bad(r, "Error decoding %s for '%s': strconv.%s: parsing %.*s: %s", what, name, fn, (int)n, quoted, why);
}

/* As strconv.ParseBool. */
static bool
arg_parse_bool(const char *v, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"}, *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < N_ELEMS(yes); i++) {
        if (strcmp(v, yes[i]) == 0 || strcmp(v, no[i]) == 0) {
            *ret = strcmp(v, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

bool
monitor_arg_bool(struct monitor_req *r, const char *name, bool *ret)
{
    char v[MONITOR_VALUE_MAX];
    size_t len;

    if (!arg_get(r, name, v, &len))
        return false;
    if (len == 0 || (strlen(v) == len && arg_parse_bool(v, ret)))
        return true;
    return arg_bad(r, "boolean", name, "ParseBool", v, len, "invalid syntax");
}

bool
monitor_arg_subs(struct monitor_req *r, bool *ret_subs, bool *ret_detail)
{
    char v[MONITOR_VALUE_MAX];
    size_t len;

    if (!arg_get(r, "subs", v, &len))
        return false;
    *ret_detail = strcasecmp(v, "detail") == 0;
    return *ret_detail || monitor_arg_bool(r, "subs", ret_subs);
}

/* Digits into *ret. False: other bytes, or none. *ret_over: more than max. */
static bool
arg_digits(const char *v, size_t len, uint64_t max, uint64_t *ret, bool *ret_over)
{
    uint64_t n = 0;

    *ret_over = false;
    for (size_t i = 0; i < len; i++) {
        if (v[i] < '0' || v[i] > '9')
            return false;
        uint64_t d = (uint64_t)(v[i] - '0');
        if (n > (max - d) / 10)
            *ret_over = true;
        else
            n = n * 10 + d;
    }
    *ret = n;
    return len > 0;
}

/* The number v, which has n_sign bytes of sign, of at most max; kind and fn are what Go calls it and its reading. */
static bool
arg_number(struct monitor_req *r, const char *name, const char *kind, const char *fn, const char *v, size_t len, size_t n_sign, uint64_t max,
           uint64_t *ret)
{
    bool over;

    if (!arg_digits(v + n_sign, len - n_sign, max, ret, &over))
        return arg_bad(r, kind, name, fn, v, len, "invalid syntax");
    return !over || arg_bad(r, kind, name, fn, v, len, "value out of range");
}

bool
monitor_arg_int(struct monitor_req *r, const char *name, int64_t *ret)
{
    char v[MONITOR_VALUE_MAX];
    size_t len;
    uint64_t n;

    if (!arg_get(r, name, v, &len))
        return false;
    if (len == 0)
        return true;
    size_t n_sign = v[0] == '-' || v[0] == '+' ? 1 : 0;
    uint64_t max = v[0] == '-' ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (!arg_number(r, name, "int", "Atoi", v, len, n_sign, max, &n))
        return false;
    *ret = v[0] == '-' ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

bool
monitor_arg_u64(struct monitor_req *r, const char *name, uint64_t *ret)
{
    char v[MONITOR_VALUE_MAX];
    size_t len;
    uint64_t n;

    if (!arg_get(r, name, v, &len))
        return false;
    if (len == 0)
        return true;
    if (!arg_number(r, name, "uint64", "ParseUint", v, len, 0, UINT64_MAX, &n))
        return false;
    *ret = n;
    return true;
}

bool
monitor_arg_text(struct monitor_req *r, const char *name, char *to, bool *ret_has)
{
    size_t len;

    if (!arg_get(r, name, to, &len))
        return false;
    *ret_has = len > 0;
    return true;
}
