/* go_text.h - numbers, durations and quoted text as Go's standard library reads and writes them: what nats-server's flags,
 * files and messages are made of.
 *
 * Threads  any. Memory  the caller's.
 * Source   the documentation of Go's packages strconv and time.
 */
#ifndef MIDGE_RT_GO_TEXT_H
#define MIDGE_RT_GO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GO_DURATION_LEN = 32, /* the longest: -2562047h47m16.854775808s */
    GO_FLOAT_LEN = 48,
    GO_WHY_LEN = 256,     /* a reason, with what was wrong quoted in it */
};

/* A duration: "1.5s", "2m", "-300ms", "1h2m". False: the reason as time.ParseDuration gives it, in why (GO_WHY_LEN bytes; NULL: none). */
bool go_duration_parse(const char *text, int64_t *ret_ns, char *why);
/* "2m0s", "1.5s", "300ms", "0s". Returns to. */
const char *go_duration_text(int64_t ns, char to[GO_DURATION_LEN]);
/* The shortest text that reads as the same number, without an exponent from 1e-6 to 1e21. v is finite. Returns to. */
const char *go_float_text(double v, char to[GO_FLOAT_LEN]);

enum go_int { GO_INT_OK, GO_INT_SYNTAX, GO_INT_RANGE };
/* A number as package flag takes it: base by prefix (0x, 0o, 0b, 0), underscores between digits. */
enum go_int go_int_parse(const char *text, int64_t *ret);
/* 1, t, T, true, TRUE, True and their opposites. False: none of them. */
bool go_bool_parse(const char *text, bool *ret);

/* In double quotes with Go's escapes (%q), cut to fit cap (>= 9). Returns to. */
const char *go_quote(const char *bytes, size_t len, char *to, size_t cap);

#endif
