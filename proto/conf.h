/* conf.h - the configuration language: text to a tree.
 *
 *     port: 4222                       top map
 *     authorization {                   "port"          INT 4222            1:0
 *       users = [ {user: a} ]           "authorization" MAP                 2:1
 *     }                                   "users"       ARRAY [ MAP {...} ] 3:3
 *
 * Maps keep the order of the file. A key that is given again, byte by byte, replaces the earlier one and stands where it was given last; keys
 * that differ in letter case only are all there, and conf_get finds the last one. Variables, environment and includes are resolved while
 * parsing: the tree holds their values, with CONF_USED_AS_VARIABLE on the keys they came from. What a variable stands for is shared by all
 * places that name it: values are to be read only.
 *
 * Shape    visible; strings are {bytes, len}, NUL-terminated behind len, and may contain NUL (from "\x00").
 * Threads  any; pure: files and environment come through struct conf_env.
 * Memory   a tree and all its strings belong to its conf_doc, which wipes them when it is freed (they hold passwords). The parser wipes what
 *          it copied on the way, and what env->read gave it.
 * Source   sheet 02, section 1; nats-server 2.14.5's answers where the sheet is silent. docs/decisions/0013-configuration-tree.md says what differs.
 */
#ifndef MIDGE_PROTO_CONF_H
#define MIDGE_PROTO_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

enum {
    CONF_DEPTH_MAX = 128,       /* maps and arrays inside each other, through variables too */
    CONF_INCLUDES_MAX = 16,     /* files inside each other */
    CONF_VARIABLES_MAX = 16,    /* environment variables that name each other */
    CONF_BYTES_MAX = 256 << 20, /* of all files together; also of the tree when every variable is written out */
};

enum conf_type { CONF_STR, CONF_INT, CONF_FLOAT, CONF_BOOL, CONF_TIME, CONF_MAP, CONF_ARRAY };

struct conf_str {
    const char *bytes;
    uint32_t len;
};

/* Where a key (or an array's item) stands. What came out of an environment variable stands where the variable was named. */
struct conf_pos {
    const char *file; /* as given, or the joined path of the include; view of the doc */
    uint32_t line;    /* from 1 */
    uint32_t col;     /* from 0 in line 1, from 1 in all others */
};

enum conf_flag {
    CONF_USED_AS_VARIABLE = 1, /* exempt from the check for unknown keys */
    CONF_QUOTED = 2,           /* a string that was written in quotes, or as a block */
};

struct conf_value {
    enum conf_type type;
    uint32_t flags;         /* enum conf_flag */
    struct conf_pos pos;    /* of the key; of the value itself in an array (of its end, for a map or an array) */
    struct conf_str key;    /* in a map; else {"", 0} */
    union {
        struct conf_str str;
        int64_t i;          /* CONF_INT; CONF_TIME: seconds since 1970 */
        double f;
        bool b;
        struct {
            struct conf_value *items; /* in the order of the file */
            uint32_t n;
            uint32_t depth;        /* of maps and arrays, this one included */
            uint32_t size;         /* about how many bytes it is when written out */
            const uint32_t *index; /* conf_get's, of a large map; else NULL */
        } list; /* CONF_MAP, CONF_ARRAY */
    };
};

/* What the parser needs of the world. */
struct conf_env {
    void *arg;
    /* The bytes of a file, own: released with free(). fail: whatever opening says; *ret_why: its text ("no such file or directory"). */
    enum err (*read)(void *arg, const char *path, char **ret_bytes, size_t *ret_len, const char **ret_why);
    /* The value of an environment variable; NULL: not set. view until the parse ends */
    const char *(*getenv)(void *arg, const char *name);
};

struct conf_doc; /* opaque */

/* Parse a file and what it includes.
 *   own   *ret_doc, by conf_doc_free
 *   fail  ERR_SYNTAX and whatever env->read fails with, with the text that nats-server would print in `why`; ERR_LIMIT (depth, includes, size);
 *         ERR_NOMEM. `why` is NUL-terminated, cut at why_cap, and may quote what the file says, but no password by intent */
enum err conf_parse_file(const struct conf_env *env, const char *path, struct conf_doc **ret_doc, char *why, size_t why_cap);
/* Parse bytes as the contents of a file called name. */
enum err conf_parse(const struct conf_env *env, const char *name, const char *bytes, size_t len, struct conf_doc **ret_doc, char *why,
                    size_t why_cap);
/* Wipe and release; d may be NULL. */
void conf_doc_free(struct conf_doc *d);
/* The top map: a CONF_MAP. view until conf_doc_free */
struct conf_value *conf_doc_top(struct conf_doc *d);

/* The last entry of a map whose key is name, in any case; NULL: none. */
struct conf_value *conf_get(const struct conf_value *map, const char *name);
/* Go's name of the type, for messages: "string", "int64", "float64", "bool", "time.Time", "map[string]interface {}", "[]interface {}". */
const char *conf_type_name(enum conf_type t);

enum { CONF_DIGEST_LEN = 7 + 64 };
/* "sha256:..." of the resolved tree: of its JSON as Go writes it, compact and with sorted keys. fail: ERR_NOMEM */
enum err conf_digest(const struct conf_doc *d, char ret_text[CONF_DIGEST_LEN + 1]);

#endif
