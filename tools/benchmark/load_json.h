/* load_json.h - writes one JSON object, member by member, to a stdio stream.
 *
 * Shape    commas follow from a small stack; names and strings are escaped.
 * Threads  one at a time.
 * Memory   by value; the stream is borrowed.
 */
#ifndef MIDGE_LOAD_JSON_H
#define MIDGE_LOAD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_DEPTH_MAX = 8 };

struct json {
    FILE    *out;
    uint32_t depth;
    bool     any[JSON_DEPTH_MAX]; /* a member was written at this depth */
};

/* Open the outermost object; json_fini closes it and ends the line. */
void json_init(struct json *j, FILE *out);
void json_fini(struct json *j);

/* Members of the innermost object; inside an array name is NULL. */
void json_object_open(struct json *j, const char *name);
void json_object_close(struct json *j);
void json_array_open(struct json *j, const char *name);
void json_array_close(struct json *j);
void json_u64(struct json *j, const char *name, uint64_t value);
void json_i64(struct json *j, const char *name, int64_t value);
void json_str(struct json *j, const char *name, const char *value);
void json_bool(struct json *j, const char *name, bool value);

#endif
