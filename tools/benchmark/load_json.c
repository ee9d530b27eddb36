/* load_json.c - see load_json.h. */
#include "load_json.h"

#include <inttypes.h>

#include "core/rt/assert.h"

static void
json_put_text(struct json *j, const char *text)
{
    (void)fputc('"', j->out); /* a full stdout shows at json_fini's flush */
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            (void)fprintf(j->out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            (void)fprintf(j->out, "\\u%04x", c);
        else
            (void)fputc(c, j->out);
    }
    (void)fputc('"', j->out);
}

static void
json_put_name(struct json *j, const char *name)
{
    ASSERT(j->depth < JSON_DEPTH_MAX);
    if (j->any[j->depth])
        (void)fputc(',', j->out);
    j->any[j->depth] = true;
    if (name != NULL) {
        json_put_text(j, name);
        (void)fputc(':', j->out);
    }
}

static void
json_push(struct json *j, char bracket)
{
    (void)fputc(bracket, j->out);
    j->depth++;
    ASSERT(j->depth < JSON_DEPTH_MAX);
    j->any[j->depth] = false;
}

static void
json_pop(struct json *j, char bracket)
{
    ASSERT(j->depth > 0);
    j->depth--;
    (void)fputc(bracket, j->out);
}

void
json_init(struct json *j, FILE *out)
{
    *j = (struct json){.out = out};
    json_push(j, '{');
}

void
json_fini(struct json *j)
{
    json_pop(j, '}');
    ASSERT(j->depth == 0);
    (void)fputc('\n', j->out);
    if (fflush(j->out) != 0)
        perror("midge-load: writing the result");
}

void
json_object_open(struct json *j, const char *name)
{
    json_put_name(j, name);
    json_push(j, '{');
}

void
json_object_close(struct json *j)
{
    json_pop(j, '}');
}

void
json_array_open(struct json *j, const char *name)
{
    json_put_name(j, name);
    json_push(j, '[');
}

void
json_array_close(struct json *j)
{
    json_pop(j, ']');
}

void
json_u64(struct json *j, const char *name, uint64_t value)
{
    json_put_name(j, name);
    (void)fprintf(j->out, "%" PRIu64, value);
}

void
json_i64(struct json *j, const char *name, int64_t value)
{
    json_put_name(j, name);
    (void)fprintf(j->out, "%" PRId64, value);
}

void
json_str(struct json *j, const char *name, const char *value)
{
    json_put_name(j, name);
    json_put_text(j, value);
}

void
json_bool(struct json *j, const char *name, bool value)
{
    json_put_name(j, name);
    (void)fputs(value ? "true" : "false", j->out);
}
