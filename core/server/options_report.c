#include "core/server/options_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"

struct report_lines {
    char *text; /* NULL: none */
    size_t len, cap;
    uint32_t n, n_lost;
};

struct options_report {
    struct report_lines warnings, errors;
    char *all; /* what options_report_text gave out */
};

struct options_report *
options_report_new(void)
{
    return fault_calloc(1, sizeof(struct options_report));
}

void
options_report_free(struct options_report *r)
{
    if (r == NULL)
        return;
    free(r->warnings.text);
    free(r->errors.text);
    free(r->all);
    free(r);
}

__attribute__((format(printf, 2, 0))) static void
report_add(struct report_lines *l, const char *fmt, va_list args)
{
    char line[OPTIONS_LINE_MAX];
    int n = vsnprintf(line, sizeof(line) - 1, fmt, args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;

    line[len++] = '\n';
    l->n++;
    if (l->len + len + 1 > l->cap) {
        size_t cap = l->cap == 0 ? 1024 : 2 * l->cap;
        while (cap < l->len + len + 1)
            cap *= 2;
        char *text = cap > OPTIONS_REPORT_MAX ? NULL : fault_realloc(l->text, cap);
        if (text == NULL) {
            l->n_lost++;
            return;
        }
        l->text = text;
        l->cap = cap;
    }
    memcpy(l->text + l->len, line, len);
    l->len += len;
    l->text[l->len] = '\0';
    ASSERT(l->len < l->cap);
}

void
options_warn(struct options_report *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report_add(&r->warnings, fmt, args);
    va_end(args);
}

void
options_fail(struct options_report *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report_add(&r->errors, fmt, args);
    va_end(args);
}

uint32_t
options_report_n_warnings(const struct options_report *r)
{
    return r->warnings.n;
}

uint32_t
options_report_n_errors(const struct options_report *r)
{
    return r->errors.n;
}

const char *
options_report_text(struct options_report *r)
{
    char lost[64] = "";
    uint32_t n_lost = r->warnings.n_lost + r->errors.n_lost;
    if (n_lost > 0)
        (void)snprintf(lost, sizeof(lost), "... and %u more\n", n_lost); /* fits */

    size_t cap = r->warnings.len + r->errors.len + sizeof(lost);
    free(r->all);
    r->all = fault_malloc(cap);
    if (r->all == NULL)
        return "out of memory\n";
    (void)snprintf(r->all, cap, "%s%s%s", r->warnings.len > 0 ? r->warnings.text : "", r->errors.len > 0 ? r->errors.text : "", lost);
    return r->all;
}
