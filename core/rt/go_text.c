#include "core/rt/go_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"

static const struct {
    const char *text;
    uint64_t ns;
} go_units[] = {
    {"ns", 1}, {"us", 1000}, {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
};

enum { GO_QUOTED_LEN = 100 };

/* The quoting of package time: everything outside printable ASCII as \xHH. What is cut is only a reason. */
static const char *
go_time_quote(const char *bytes, size_t len, char to[GO_QUOTED_LEN])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < len && n + 5 < GO_QUOTED_LEN; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < ' ' || c >= 0x80) {
            to[n++] = '\\';
            to[n++] = 'x';
            to[n++] = hex[c >> 4];
            to[n++] = hex[c & 15];
            continue;
        }
        if (c == '"' || c == '\\')
            to[n++] = '\\';
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return to;
}

/* Write a reason; false, always. */
static bool
go_duration_bad(char *why, const char *what, const char *text)
{
    char q[GO_QUOTED_LEN];
    if (why != NULL)
        (void)snprintf(why, GO_WHY_LEN, "time: %s \"%s\"", what, go_time_quote(text, strlen(text), q)); /* fits */
    return false;
}

/* Digits to a number that saturates at max + 1. Returns where they end. */
static const char *
go_digits(const char *p, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    for (; isdigit((unsigned char)*p); p++)
        v = v > max / 10 ? max + 1 : v * 10 + (uint64_t)(*p - '0');
    *ret = v > max ? max + 1 : v;
    return p;
}

/* One number with its unit, in ns. False: why says what is wrong, or nothing when it is the whole that is. */
static bool
go_duration_part(const char **at, const char *text, uint64_t *ret, char *why)
{
    const uint64_t max = UINT64_C(1) << 63;
    const char *p = *at, *digits = p;
    uint64_t whole, ns = 0;
    double fraction = 0, scale = 1;
    bool any;

    p = go_digits(p, max, &whole);
    any = p > digits;
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p); p++) {
            any = true;
            if (scale < 1e18) {
                scale *= 10;
                fraction = fraction * 10 + (*p - '0');
            }
        }
    }
    if (!any || whole > max)
        return go_duration_bad(why, "invalid duration", text);
    const char *unit = p;
    while (*p != '\0' && *p != '.' && !isdigit((unsigned char)*p))
        p++;
    if (p == unit)
        return go_duration_bad(why, "missing unit in duration", text);
    for (size_t i = 0; i < N_ELEMS(go_units); i++) {
        if (strlen(go_units[i].text) == (size_t)(p - unit) && memcmp(go_units[i].text, unit, (size_t)(p - unit)) == 0)
            ns = go_units[i].ns;
    }
    if (ns == 0) {
        char q[GO_QUOTED_LEN], u[GO_QUOTED_LEN];
        if (why != NULL)
            (void)snprintf(why, GO_WHY_LEN, "time: unknown unit \"%s\" in duration \"%s\"", go_time_quote(unit, (size_t)(p - unit), u),
                           go_time_quote(text, strlen(text), q)); /* fits */
        return false;
    }
    if (whole > max / ns)
        return go_duration_bad(why, "invalid duration", text);
    *ret = whole * ns + (uint64_t)(fraction * ((double)ns / scale));
    *at = p;
    return true;
}

bool
go_duration_parse(const char *text, int64_t *ret_ns, char *why)
{
    const uint64_t max = UINT64_C(1) << 63;
    const char *p = text;
    uint64_t total = 0;
    bool minus = *p == '-';

    if (*p == '-' || *p == '+')
        p++;
    if (strcmp(p, "0") == 0) {
        *ret_ns = 0;
        return true;
    }
    if (*p == '\0')
        return go_duration_bad(why, "invalid duration", text);
    while (*p != '\0') {
        uint64_t part = 0;
        if (*p != '.' && !isdigit((unsigned char)*p))
            return go_duration_bad(why, "invalid duration", text);
        if (!go_duration_part(&p, text, &part, why))
            return false;
        if (part > max || total + part > max)
            return go_duration_bad(why, "invalid duration", text);
        total += part;
    }
    if (!minus && total == max)
        return go_duration_bad(why, "invalid duration", text);
    *ret_ns = minus ? (int64_t)(0 - total) : (int64_t)total;
    return true;
}

/* v / unit with its fraction, zeros at the end left out. Returns the length. */
static size_t
go_fraction(char *to, size_t cap, uint64_t v, uint64_t unit, const char *name)
{
    char frac[24] = ".";
    size_t n = 1, len = 0;
    for (uint64_t u = unit / 10, rest = v % unit; u > 0; u /= 10) {
        frac[n++] = (char)('0' + rest / u);
        rest %= u;
        if (frac[n - 1] != '0')
            len = n;
    }
    frac[len] = '\0';
    return (size_t)snprintf(to, cap, "%" PRIu64 "%s%s", v / unit, frac, name);
}

const char *
go_duration_text(int64_t ns, char to[GO_DURATION_LEN])
{
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t n = 0;

    if (ns < 0)
        to[n++] = '-';
    if (v == 0) {
        (void)snprintf(to, GO_DURATION_LEN, "0s"); /* fits */
    } else if (v < 1000) {
        (void)go_fraction(to + n, GO_DURATION_LEN - n, v, 1, "ns");
    } else if (v < 1000000) {
        (void)go_fraction(to + n, GO_DURATION_LEN - n, v, 1000, "\xc2\xb5s");
    } else if (v < 1000000000) {
        (void)go_fraction(to + n, GO_DURATION_LEN - n, v, 1000000, "ms");
    } else {
        uint64_t minutes = v / 60000000000, hours = minutes / 60;
        if (hours > 0)
            n += (size_t)snprintf(to + n, GO_DURATION_LEN - n, "%" PRIu64 "h", hours);
        if (minutes > 0)
            n += (size_t)snprintf(to + n, GO_DURATION_LEN - n, "%" PRIu64 "m", minutes % 60);
        n += go_fraction(to + n, GO_DURATION_LEN - n, v % 60000000000, 1000000000, "s");
    }
    ASSERT(n < GO_DURATION_LEN);
    return to;
}

/* The digit's value, or a number that no base has. */
static uint32_t
go_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a') + 10;
    return c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10 : UINT32_MAX;
}

/* The base that a prefix names; *at is moved behind it. */
static uint32_t
go_base(const char **at)
{
    const char *p = *at;

    if (p[0] != '0' || p[1] == '\0')
        return 10;
    uint32_t base = p[1] == 'x' || p[1] == 'X' ? 16 : p[1] == 'o' || p[1] == 'O' ? 8 : p[1] == 'b' || p[1] == 'B' ? 2 : 0;
    *at += base != 0 ? 2 : 1;
    return base != 0 ? base : 8;
}

const char *
go_float_text(double v, char to[GO_FLOAT_LEN])
{
    int digits = 0;

    do {
        digits++;
        (void)snprintf(to, GO_FLOAT_LEN, "%.*g", digits, v); /* fits */
    } while (digits < 17 && strtod(to, NULL) != v);
    const char *e = strchr(to, 'e');
    if (e != NULL && fabs(v) < 1e21 && fabs(v) >= 1e-6) {
        int decimals = digits - 1 - (int)strtol(e + 1, NULL, 10);
        (void)snprintf(to, GO_FLOAT_LEN, "%.*f", decimals > 0 ? decimals : 0, v); /* fits */
    }
    return to;
}

enum go_int
go_int_parse(const char *text, int64_t *ret)
{
    const char *p = text;
    bool minus = *p == '-', range = false, underscore_ok;
    uint64_t v = 0, max = (UINT64_C(1) << 63) - (minus ? 0 : 1);

    if (*p == '-' || *p == '+')
        p++;
    const char *digits = p;
    uint32_t base = go_base(&p);
    underscore_ok = p > digits; /* between digits, or between prefix and digit */
    if (*p == '\0')
        return GO_INT_SYNTAX;
    for (; *p != '\0'; p++) {
        if (*p == '_' && underscore_ok && p[1] != '\0' && base != 10) {
            underscore_ok = false;
            continue;
        }
        if (*p == '_' && underscore_ok && isdigit((unsigned char)p[1])) {
            underscore_ok = false;
            continue;
        }
        uint32_t d = go_digit(*p);
        if (d >= base)
            return GO_INT_SYNTAX;
        underscore_ok = true;
        range |= v > (max - d) / base;
        v = range ? 0 : v * base + d;
    }
    if (range)
        return GO_INT_RANGE;
    *ret = minus ? (int64_t)(0 - v) : (int64_t)v;
    return GO_INT_OK;
}

bool
go_bool_parse(const char *text, bool *ret)
{
    static const char *const words[] = {"1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; i < N_ELEMS(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i < N_ELEMS(words) / 2;
            return true;
        }
    }
    return false;
}

/* What may come after a place that has room: one character in four, dots, the quote, the NUL. */
enum { GO_QUOTE_ROOM = 4 + 3 + 1 + 1 };

const char *
go_quote(const char *bytes, size_t len, char *to, size_t cap)
{
    static const char plain[] = "abfnrtv", codes[] = "\a\b\f\n\r\t\v";
    size_t n = 0;

    ASSERT(cap >= GO_QUOTE_ROOM);
    to[n++] = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (n + GO_QUOTE_ROOM > cap) {
            memcpy(to + n, "...", 3);
            n += 3;
            break;
        }
        const char *code = c != '\0' ? strchr(codes, c) : NULL;
        if (c == '"' || c == '\\')
            n += (size_t)snprintf(to + n, cap - n, "\\%c", c);
        else if (code != NULL)
            n += (size_t)snprintf(to + n, cap - n, "\\%c", plain[code - codes]);
        else if (c < ' ' || c == 0x7f)
            n += (size_t)snprintf(to + n, cap - n, "\\x%02x", c);
        else
            to[n++] = (char)c; /* UTF-8 stays as it is */
    }
    to[n++] = '"';
    ASSERT(n < cap);
    to[n] = '\0';
    return to;
}
