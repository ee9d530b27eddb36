/* json.h - JSON text -> tree, and the one way to read it.
 *
 * Whatever of a peer is JSON (CONNECT, INFO, JetStream's API, JWTs) is read through here, and a decision is made on the
 * value this returns, never on a second look at the text. The rules are those of Go's encoding/json, which every client
 * and tool was written against:
 *
 *   keys      match a field in any letter case (also U+017F for s, U+212A for k); a key that occurs several times is
 *             decoded several times, so the last one wins, and all of them must be of the right type
 *   null      leaves the field as it was
 *   strings   \u0000 is a byte like any other (strings have a length); invalid UTF-8 and lone surrogates become U+FFFD
 *   numbers   an integer is read from its digits, never through a double; 1.0 and 1e0 are no integers
 *   text      RFC 8259 to the letter: no control characters in strings, no leading zeros, no bytes behind the value
 *
 * Stricter than Go: nesting is limited to JSON_DEPTH_MAX, the text to a size the caller names. The parser does not
 * recurse, and reads the text twice to need one allocation only: first to check and count, then to build.
 *
 * Shape    nodes in one array, in the order of the text (a parent before its children); each knows where its next
 *          sibling is, so that a subtree is skipped in one step.
 * Threads  any; a document is immutable.
 * Memory   json_parse: one allocation, all strings in it. json_free wipes it: it may have held a password.
 * Source   RFC 8259; spec 05 C6, C12, R2; spec 01 section 3.2.
 */
#ifndef MIDGE_PROTO_JSON_H
#define MIDGE_PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

enum {
    JSON_DEPTH_MAX = 32,
    JSON_SIZE_MAX = 64 * 1024 * 1024, /* no caller's limit is larger: offsets and counts are 32 bits */
};

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_TYPE_N };

/* UTF-8, `len` bytes, which may include NUL; another NUL stands behind them. */
struct json_str {
    const char *ptr;
    uint32_t    len;
};

/* One value. Read it through the functions below. */
struct json_node {
    struct json_str key;  /* in an object; ptr NULL elsewhere */
    struct json_str text; /* STRING: decoded; NUMBER: as written */
    uint32_t        n;    /* ARRAY, OBJECT: children */
    uint32_t        skip; /* nodes of this subtree, itself included */
    uint8_t         type; /* enum json_type */
};

struct json; /* a document */

/* Why a text was refused. */
struct json_why {
    const char *what;  /* for the log; a constant, quotes nothing */
    const char *field; /* the field of the wrong type; NULL: none */
    uint32_t    off;   /* byte offset, of a syntax error */
};

/* Parse text, whose size may be size_max (<= JSON_SIZE_MAX) at most.
 *   own   *ret_doc, release with json_free
 *   fail  ERR_SYNTAX, ERR_LIMIT (size, depth), ERR_NOMEM; then *ret_why is set */
enum err json_parse(const uint8_t *text, size_t len, size_t size_max, struct json **ret_doc, struct json_why *ret_why);

/* Wipe and release; doc may be NULL. */
void json_free(struct json *doc);

/* view until json_free */
const struct json_node *json_root(const struct json *doc);

static inline enum json_type
json_type(const struct json_node *v)
{
    return (enum json_type)v->type;
}

/* Children in the order of the text: for (i = 0, c = json_first(v); i < v->n; i++, c = json_next(c)).
 * json_first is only meant for v->n > 0. */
static inline const struct json_node *
json_first(const struct json_node *v)
{
    return v + 1;
}

static inline const struct json_node *
json_next(const struct json_node *v)
{
    return v + v->skip;
}

/* The member of the object that name (lower-case ASCII) stands for: the last one that matches in any letter case and is not
 * null (a null if all are); NULL if none matches, or if obj is no object. */
const struct json_node *json_get(const struct json_node *obj, const char *name);

/* Is key this name (lower-case ASCII), in any letter case? */
bool json_key_is(const struct json_str *key, const char *name);

/* v as a value of that type. null: OK, and *io stays. Wrong type, or a number that is no integer: ERR_INVAL. Out of
 * [min, max]: ERR_RANGE. *io is written on success only. json_to_str gives a view until json_free. */
enum err json_to_bool(const struct json_node *v, bool *io);
enum err json_to_i64(const struct json_node *v, int64_t min, int64_t max, int64_t *io);
enum err json_to_u64(const struct json_node *v, uint64_t max, uint64_t *io);
enum err json_to_str(const struct json_node *v, struct json_str *io);

/* Decode an object into a struct by a table, as Go decodes into a tagged struct. */
enum json_kind {
    JSON_K_BOOL,   /* bool            */
    JSON_K_I64,    /* int64_t         */
    JSON_K_U64,    /* uint64_t        */
    JSON_K_STR,    /* struct json_str */
    JSON_K_OBJECT, /* const struct json_node *, of an object */
    JSON_K_ARRAY,  /* const struct json_node *, of an array  */
};

#define JSON_NO_OFF SIZE_MAX /* for json_field.off: the value is checked, and not stored */

struct json_field {
    const char    *name; /* lower-case ASCII */
    size_t         off;  /* of the member in the struct */
    enum json_kind kind;
};

/* Every member of obj that a row of fields names is stored through base; others are ignored; null changes nothing (obj
 * itself may be null). *ret_bad (may be NULL) is the row whose type or range was wrong. On failure what base points to
 * is partly written.
 *   view until json_free  the strings and nodes stored
 *   fail  ERR_INVAL, ERR_RANGE */
enum err json_decode(const struct json_node *obj, const struct json_field *fields, size_t n_fields, void *base,
    const struct json_field **ret_bad);

#endif
