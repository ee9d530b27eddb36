/* conf_priv.h - what the files of the configuration parser share.
 *
 *     conf.c          documents, entry points, conf_get            conf_lex.c    runes, blanks, comments, keys
 *     conf_parse.c    the grammar: what may follow what            conf_scalar.c one value that is no map or array, as it is written
 *     conf_tree.c     open maps and arrays; closing them           conf_number.c digits, suffixes, dates: what they say
 *     conf_vars.c     variables                                    conf_why.c    error texts
 *     conf_include.c  files                                        conf_digest.c the tree as JSON, and its digest
 *
 * One pass, no tokens in between. Values of everything that is open stand on one stack (conf_parser.items); what closes moves from there to
 * the document's memory, in its final size.
 *
 *     items:   | port | authorization: | users: ...      an included file puts its entries where the map that includes it puts its own
 *     frames:  ^ TOP                   ^ MAP    ^ ARRAY
 *
 * Threads  any. Memory  a parser lives on the stack of conf_parse_file; conf_frames_fini wipes and releases what it holds.
 */
#ifndef MIDGE_PROTO_CONF_PRIV_H
#define MIDGE_PROTO_CONF_PRIV_H

#include "proto/conf.h"

enum {
    CONF_INDEX_MIN = 16,      /* entries from which a map has an index */
    CONF_FRAMES_MAX = CONF_DEPTH_MAX + CONF_INCLUDES_MAX + CONF_VARIABLES_MAX + 1,
    CONF_PATH_MAX = 4096,     /* of an include, joined */
    CONF_END = 0,             /* the rune behind the last one: a file with a NUL is refused before */
};

/* ---- memory of a document (conf.c) -------------------------------------------------------------------------------- */

struct conf_chunk {
    struct conf_chunk *next;
    size_t             used, cap; /* of the bytes behind this head */
};

struct conf_doc {
    struct conf_value  top;
    struct conf_chunk *chunks; /* the one in use first */
};

/* Memory until the document ends; align is a power of two. NULL: none. */
void *conf_alloc(struct conf_doc *d, size_t n, size_t align);
/* A copy with a NUL behind it. fail: ERR_NOMEM */
enum err conf_copy(struct conf_doc *d, const void *p, size_t n, struct conf_str *ret);

/* ---- where the parser stands (conf_lex.c) ------------------------------------------------------------------------- */

/* A position in one text. nl is the offset of the last newline that was read; item and item_nl are off and nl where the present key or value
 * began, from which its column is counted; escape is off behind the last escape. */
struct conf_cur {
    const uint8_t *p;
    uint32_t       len, off, line, nl, item, item_nl, escape;
};

/* A hash table of the entries of a map: numbers plus one, 0 where it is free; its size is a power of two. */
struct conf_table {
    uint32_t *slots;
    uint32_t  cap, n_in; /* n_in: entries [0, n_in) were put in */
};

enum conf_frame_kind {
    CONF_FRAME_TOP, /* of a file or a variable: lookups of variables end here */
    CONF_FRAME_MAP,
    CONF_FRAME_ARRAY,
};

/* What comes next in a frame. */
enum conf_place {
    CONF_AT_KEY,    /* a key or an item, or the end */
    CONF_AT_BEHIND, /* what ends a value */
    CONF_AT_CLOSED, /* what may stand behind the `}` of a block inside a block */
};

/* A map or an array that is open. */
struct conf_frame {
    enum conf_frame_kind kind;
    enum conf_place      place;
    uint32_t             blocks; /* of a text: braces around nothing but keys, as around a JSON file, that are open; they mean nothing */
    uint32_t             base;  /* its first entry on the stack of values */
    uint32_t             depth; /* of what is in it so far */
    uint64_t             size;  /* likewise */
    struct conf_value    next;  /* what is to be added: key, position */
    struct conf_table    table; /* for the lookups of variables; empty until one needs it */
};

/* Which text is being read: a file, or a variable. */
struct conf_text {
    const struct conf_text *outer;
    const char             *name;     /* of the file, as messages and positions name it; of the variable */
    bool                    variable; /* the text is an environment variable's ... */
    struct conf_pos         at;       /* ... and everything in it stands where that was named */
    struct conf_cur         cur;
};

struct conf_parser {
    const struct conf_env *env;
    struct conf_doc       *doc;
    struct conf_text      *text;
    uint64_t               n_bytes; /* of all texts */
    uint32_t               n_texts_include, n_texts_variable; /* that are open */
    struct conf_value     *items;
    uint32_t               n_items, cap_items;
    uint32_t               n_frames, n_open; /* n_open: of them maps and arrays */
    struct conf_frame      frames[CONF_FRAMES_MAX];
    char                  *why; /* the error's text, NUL-terminated */
    size_t                 why_cap;
};

static inline struct conf_frame *
conf_frame(struct conf_parser *p)
{
    return &p->frames[p->n_frames - 1];
}

/* The rune at the position (CONF_END at the end), and its length. */
uint32_t conf_peek(const struct conf_cur *c, uint32_t *ret_len);
/* Go on behind the rune at the position. */
void conf_take(struct conf_cur *c);
/* Go on to offset to, counting lines. */
void conf_advance(struct conf_cur *c, uint32_t to);
/* A key or value begins here. */
void conf_mark(struct conf_cur *c);
/* The position of what began at the mark and ends here, len bytes long. */
struct conf_pos conf_pos_here(const struct conf_parser *p, uint32_t len);
/* Go's unicode.IsSpace. */
bool conf_is_space(uint32_t rune);

enum conf_blanks {
    CONF_BLANKS, /* spaces and tabs */
    CONF_LINES,  /* spaces, tabs, line ends */
    CONF_SPACES, /* whatever Unicode calls a space, line ends included */
};
void conf_skip_blanks(struct conf_cur *c, enum conf_blanks which);
/* A comment at the position, up to its line end. False: there is none. */
bool conf_skip_comment(struct conf_cur *c);
/* Blanks and comments. */
void conf_skip(struct conf_cur *c, enum conf_blanks which);
/* A bare key, from here to a space or a separator: a view of the text. */
struct conf_str conf_bare_key(struct conf_cur *c);
/* The bytes from here to the next quote, which is taken: a view of the text. False: the text ends before. */
bool conf_until_quote(struct conf_cur *c, char quote, struct conf_str *ret);

/* ---- values (conf_scalar.c, conf_number.c) ------------------------------------------------------------------------ */

/* Read the value at the position, which opens no map and no array, into *v (its key and position are not touched, but in an array *ret_pos is
 * where it stands). Variables are looked up. */
enum err conf_scalar(struct conf_parser *p, struct conf_value *v, struct conf_pos *ret_pos);
/* What the text of a number or a date says; its form is right. key: what it is for, since a password is not shown.
 * fail: ERR_SYNTAX (the error's text is set), ERR_NOMEM */
enum err conf_to_int(struct conf_parser *p, struct conf_str key, struct conf_str text, int64_t *ret);
enum err conf_to_float(struct conf_parser *p, struct conf_str key, struct conf_str text, double *ret);
enum err conf_to_time(struct conf_parser *p, struct conf_str text, int64_t *ret);
/* Is it a word for true or false? */
bool conf_is_truth(struct conf_str text, bool *ret);
/* Days since 1970 of a date, and back. month and day count from 1. */
int64_t conf_date_to_days(int64_t year, unsigned month, unsigned day);
void conf_date_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);

/* ---- grammar, tree, variables, files ------------------------------------------------------------------------------ */

/* Parse a text to its end: its entries are on the stack then, and its frame is still open. */
enum err conf_parse_text(struct conf_parser *p, struct conf_text *t);
/* Close the frame of a text; its entries stay on the stack, and belong to the frame below. */
void conf_text_close(struct conf_parser *p);

enum err conf_frame_open(struct conf_parser *p, enum conf_frame_kind kind);
/* Close the innermost map or array; *ret gets its type and list. The frame is gone then. */
enum err conf_frame_close(struct conf_parser *p, struct conf_value *ret);
/* Add a value to the innermost frame. */
enum err conf_add(struct conf_parser *p, const struct conf_value *v);
/* The last entry of the frame's map with exactly this key; NULL: none. view until something is added. fail: ERR_NOMEM */
enum err conf_frame_find(struct conf_parser *p, struct conf_frame *f, struct conf_str key, struct conf_value **ret);
/* The stacks, empty. fail: ERR_NOMEM. fini wipes and releases them, whatever is open. */
enum err conf_frames_init(struct conf_parser *p);
void conf_frames_fini(struct conf_parser *p);

/* Set *v, but not its key and position, to what $name stands for; pos is where it is named. */
enum err conf_variable(struct conf_parser *p, struct conf_str name, const struct conf_pos *pos, struct conf_value *v);
/* Parse the file that `include path` names in the present one. */
enum err conf_include(struct conf_parser *p, struct conf_str path);
/* Read and parse a file as the present text; path is what it is called. */
enum err conf_file(struct conf_parser *p, const char *path);

/* Parse bytes as the present text, a file of that name, which the document holds. */
enum err conf_bytes(struct conf_parser *p, const char *name, const char *bytes, size_t len);

/* Equal in any case, as far as a name of ASCII is meant. */
bool conf_fold_equal(struct conf_str a, struct conf_str b);
/* The last entry of a map that has an index whose key is name, in any case; NULL: none. */
struct conf_value *conf_index_find(const struct conf_value *map, struct conf_str name);

/* ---- error texts (conf_why.c) ------------------------------------------------------------------------------------- */

/* "Parse error on line N: 'BEFORE MID BEHIND'"; returns ERR_SYNTAX. */
enum err conf_fail(struct conf_parser *p, const char *before, struct conf_str mid, const char *behind);
/* The same about the rune at the position, which is taken first, so that a line end counts to its own line, as in nats-server. */
enum err conf_fail_rune(struct conf_parser *p, const char *before, const char *behind);
enum err conf_fail_plain(struct conf_parser *p, const char *text);
/* Put pieces in front of the error's text. */
void conf_why_insert(struct conf_parser *p, const struct conf_str *pieces, size_t n);
/* Set the error's text to pieces; returns e. */
enum err conf_why(struct conf_parser *p, enum err e, const struct conf_str *pieces, size_t n);
/* A key is without a value where the text ends, len bytes of a value behind the mark. */
enum err conf_invalid(struct conf_parser *p, uint32_t len);
enum err conf_nomem(struct conf_parser *p);

#define CONF_STR_LIT(text) ((struct conf_str){.bytes = (text), .len = sizeof(text) - 1})
struct conf_str conf_str_c(const char *s);
bool conf_str_is(struct conf_str s, const char *text);
/* A decimal number, written into buf. */
struct conf_str conf_str_u32(char buf[10], uint32_t v);

#endif
