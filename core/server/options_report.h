/* options_report.h - what there is to say about a configuration, a line each: first the warnings, then the errors.
 *
 * Threads  one at a time.
 * Memory   grows with what is said, up to OPTIONS_REPORT_MAX bytes; what goes beyond is counted and said in a last line. Without memory a
 *          line is lost, but still counts.
 */
#ifndef MIDGE_SERVER_OPTIONS_REPORT_H
#define MIDGE_SERVER_OPTIONS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum { OPTIONS_REPORT_MAX = 4 << 20, OPTIONS_LINE_MAX = 4096 };

struct options_report;

/* NULL: no memory. own: options_report_free */
struct options_report *options_report_new(void);
void options_report_free(struct options_report *r); /* NULL: nothing */
/* All lines, warnings before errors, each with '\n'. view until the report changes. */
const char *options_report_text(struct options_report *r);
uint32_t options_report_n_warnings(const struct options_report *r);
uint32_t options_report_n_errors(const struct options_report *r);
/* Add a line, cut at OPTIONS_LINE_MAX. */
__attribute__((format(printf, 2, 3))) void options_warn(struct options_report *r, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void options_fail(struct options_report *r, const char *fmt, ...);

#endif
