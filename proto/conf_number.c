#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"
#include "proto/conf_priv.h"

/* ---- errors ------------------------------------------------------------------------------------------------------- */

/* May a value under this key be one that nobody should read? */
static bool
conf_is_secret(struct conf_str key)
{
    static const char *const keys[] = {"password", "pass", "token", "auth_token", "key", "encryption_key", "prev_encryption_key"};

    for (size_t i = 0; i < N_ELEMS(keys); i++) {
        if (conf_fold_equal(key, conf_str_c(keys[i])))
            return true;
    }
    return false;
}

static enum err
conf_bad_number(struct conf_parser *p, const char *before, struct conf_str key, struct conf_str text, const char *behind)
{
    if (conf_is_secret(key))
        text = CONF_STR_LIT("...");
    const struct conf_str pieces[] = {conf_str_c(before), text, conf_str_c(behind)};
    return conf_why(p, ERR_SYNTAX, pieces, N_ELEMS(pieces));
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

/* What a suffix of n letters multiplies by; 0: there is no such suffix. k is 1000, kb and its kin are 1024. */
static int64_t
conf_factor(const char *suffix, size_t n)
{
    static const char letters[] = "kmgtpe";
    int64_t           base = 1000, factor = 1;

    if (n == 0)
        return 1;
    if (n > 1) {
        bool b = n == 2 && (suffix[1] | 0x20) == 'b';
        bool i = n == 2 && (suffix[1] | 0x20) == 'i';
        bool ib = n == 3 && (suffix[1] | 0x20) == 'i' && (suffix[2] | 0x20) == 'b';
        if (!b && !i && !ib)
            return 0;
        base = 1024;
    }
    const char *at = strchr(letters, suffix[0] | 0x20);
    ASSERT(at != NULL);
    for (const char *l = letters; l <= at; l++)
        factor *= base; /* 1024 to the sixth fits */
    return factor;
}

/* Digits, with the sign taken along so that the smallest number fits. */
static bool
conf_digits_value(const char *s, size_t n, bool negative, int64_t *ret)
{
    int64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t digit = negative ? -(s[i] - '0') : s[i] - '0';
        if (__builtin_mul_overflow(v, INT64_C(10), &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *ret = v;
    return true;
}

enum err
conf_to_int(struct conf_parser *p, struct conf_str key, struct conf_str text, int64_t *ret)
{
    size_t negative = text.bytes[0] == '-', n = negative;

    while (n < text.len && text.bytes[n] >= '0' && text.bytes[n] <= '9')
        n++;
    int64_t factor = conf_factor(text.bytes + n, text.len - n), v = 0;
    if (factor == 0)
        return conf_bad_number(p, "integer '", key, text, "' has an unknown suffix");
    if (!conf_digits_value(text.bytes + negative, n - negative, negative == 1, &v) || __builtin_mul_overflow(v, factor, &v))
        return conf_bad_number(p, "integer '", key, text, "' is out of the range");
    *ret = v;
    return OK;
}

enum err
conf_to_float(struct conf_parser *p, struct conf_str key, struct conf_str text, double *ret)
{
    struct conf_str copy;

    if (conf_copy(p->doc, text.bytes, text.len, &copy) != OK)
        return conf_nomem(p);
    double f = strtod(copy.bytes, NULL); /* all of it is a number: the form is right, and no locale is ever set */
    if (__builtin_isinf(f))
        return conf_bad_number(p, "float '", key, text, "' is out of the range");
    *ret = f;
    return OK;
}

bool
conf_is_truth(struct conf_str text, bool *ret)
{
    static const char *const words[] = {"true", "yes", "on", "false", "no", "off"};

    if (text.len < 2 || text.len > 5)
        return false;
    for (size_t i = 0; i < N_ELEMS(words); i++) {
        if (conf_fold_equal(text, conf_str_c(words[i]))) {
            *ret = i < N_ELEMS(words) / 2;
            return true;
        }
    }
    return false;
}

/* ---- dates -------------------------------------------------------------------------------------------------------- */

/* Days are counted in eras of 400 years of 146097 days that begin on March 1 of year 0, so that a leap day is the last of its year. */
enum { CONF_ERA_DAYS = 146097, CONF_ERA_TO_1970 = 719468 };

int64_t
conf_date_to_days(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400, m = (month + 9) % 12;
    int64_t of_year = (153 * m + 2) / 5 + day - 1;

    return era * CONF_ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - CONF_ERA_TO_1970;
}

void
conf_date_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = days + CONF_ERA_TO_1970, era = (z >= 0 ? z : z - (CONF_ERA_DAYS - 1)) / CONF_ERA_DAYS;
    int64_t d = z - era * CONF_ERA_DAYS, of_era = (d - d / 1460 + d / 36524 - d / (CONF_ERA_DAYS - 1)) / 365;
    int64_t of_year = d - (365 * of_era + of_era / 4 - of_era / 100), m = (5 * of_year + 2) / 153;

    *ret_day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
    *ret_month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *ret_year = era * 400 + of_era + (*ret_month <= 2);
}

static unsigned
conf_month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool                 leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static unsigned
conf_two(const char *s)
{
    return (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
}

enum err
conf_to_time(struct conf_parser *p, struct conf_str text, int64_t *ret)
{
    const char *s = text.bytes; /* YYYY-MM-DDTHH:MM:SSZ */

    ASSERT(text.len == 20);
    unsigned year = conf_two(s) * 100 + conf_two(s + 2), month = conf_two(s + 5), day = conf_two(s + 8);
    unsigned hour = conf_two(s + 11), minute = conf_two(s + 14), second = conf_two(s + 17);
    if (month < 1 || month > 12 || day < 1 || day > conf_month_days(year, month) || hour > 23 || minute > 59 || second > 59)
        return conf_bad_number(p, "expected Zulu formatted DateTime, but got '", CONF_STR_LIT(""), text, "'");
    *ret = conf_date_to_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return OK;
}
