/* options_priv.h - the table of options, and how its rows are read: shared by the options_* files alone.
 *
 * Shape    a block is a map of the file (the top level is one): an array of rows, one for each key. A row that belongs to a feature which does
 *          not exist yet is read for its form and stored nowhere.
 */
#ifndef MIDGE_SERVER_OPTIONS_PRIV_H
#define MIDGE_SERVER_OPTIONS_PRIV_H

#include <stddef.h>

#include "core/rt/err.h"
#include "core/server/options.h"
#include "proto/conf.h"

enum option_type {
    OPT_BOOL,
    OPT_INT,
    OPT_DUR,        /* a duration; a number is seconds, with a warning */
    OPT_DUR_STR,    /* a duration, as text only */
    OPT_TMO,        /* a number of seconds or a duration */
    OPT_STR,
    OPT_STRS,       /* a string or a list of them */
    OPT_LISTEN,     /* port or host:port */
    OPT_STORE_SIZE, /* a number, or text ending in K, M, G, T */
    OPT_MAP,        /* a block */
    OPT_MAPS,       /* a list of blocks */
    OPT_WORD,       /* one of the words in row->words, in any case */
    OPT_OWN,        /* row->read does it all */
};

enum option_reload { RELOAD_NO, RELOAD_YES, RELOAD_NEW /* new connections only */ };

enum option_trait {
    OPTION_ZERO_IS_DEFAULT = 1,
    OPTION_SECRET = 2,      /* its value is never shown */
    OPTION_URL = 4,         /* as a flag: may hold a password */
    OPTION_NOT_NEGATIVE = 8, /* less than 0 is taken as 0 */
    OPTION_INT32 = 16,       /* above 2^31-1 it "is too big" */
    OPTION_GUARDS = 32,      /* it says who may come in: without it, and with `unsupported: warn`, nobody does */
};

enum { OPTION_NOWHERE = 0 }; /* where the arena stands: no option does */

struct option_reader;

struct option_row {
    const char *keys;  /* in the file, separated by spaces, the first is the one shown; NULL: a flag alone */
    const char *flags; /* on the command line, the same; NULL: none */
    enum option_type type;
    enum option_reload reload;
    uint32_t traits;         /* enum option_trait */
    uint16_t off, off2, off3; /* in struct options, or OPTION_NOWHERE. off2: the port of an OPT_LISTEN; others that a flag sets, too */
    int64_t min, max;        /* min == max: no bounds */
    const char *def;         /* as one would write it; NULL: none */
    const char *unit;        /* for the docs */
    const char *name;        /* as a refused reload names it; NULL: as the key is written */
    const char *feature;     /* it belongs to something that does not exist yet; NULL: it is in force */
    const char *why;         /* for good: why it is refused, in place of "midge does not have .. yet" */
    bool (*asks)(const struct conf_value *v); /* whether this value asks for the feature; NULL: unless it is false, 0, "" or empty */
    const struct option_block *block;
    const char *words;       /* of an OPT_WORD; the error for an item that is no map of OPT_MAPS; what else the reader of an OPT_OWN wants to know */
    const char *wrong;       /* the error for a value of the wrong type, when it is not Go's; the type follows where it ends in a space */
    void (*read)(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
    uint32_t parts;          /* enum options_part */
    const char *arg, *help;  /* for usage and docs */
};

struct option_block {
    const struct option_row *rows;
    uint32_t n;
    const char *unknown; /* what stands before `unknown field` in the error for a key that no row has; NULL: nothing */
    void (*check)(struct option_reader *r, const struct conf_value *map); /* after its keys; NULL: nothing */
};

/* What reading needs to know. */
struct option_reader {
    struct options *o;
    struct options_report *rep;
    bool no_memory;          /* something found none: what was read is not complete */
    bool unsupported_warn;   /* what has no feature behind it is a warning */
    bool unsupported_quiet;  /* ... is not even that, for now */
    bool known_urls_allowed; /* in a tls block of servers */
    uint32_t n_unsupported;  /* warnings about it, so far */
    bool closed;             /* who may come in is decided by something that does not exist yet: nobody is let in by it */
    uint32_t in_unsupported; /* inside a block whose feature does not exist: that is said once, for the whole */
    const char *flag, *flag_text; /* on the command line: the flag being read and its value; NULL: in a file */
};

/* Something was refused, or warned of, because its feature does not exist. guards: it says who may come in. */
static inline void
option_note_unsupported(struct option_reader *r, bool guards)
{
    r->n_unsupported += r->unsupported_warn;
    r->o->unsupported_refused |= !r->unsupported_warn;
    r->closed |= guards;
}

#define OPT(field) ((uint16_t)offsetof(struct options, field))

extern const struct option_block options_top;  /* options_table.c */
extern const struct option_block options_flag_only;
/* The blocks of features that do not exist yet: options_blocks.c, options_blocks_jetstream.c */
extern const struct option_block options_tls, options_cluster, options_gateway, options_leafnodes, options_websocket, options_mqtt,
    options_jetstream, options_proxies;

/* ---- options_read.c: rows */

/* Whether name is one of the words of a list, in that case. */
bool option_is_in(const char *names, const char *name, size_t len);
/* The first word of a list, as a string for "%.*s". */
#define OPTION_FIRST(names) (int)strcspn((names), " "), (names)
/* The default of every row into r->o. */
void options_set_defaults(struct option_reader *r);
/* A value by the row's type, into r->o unless it belongs nowhere. */
void option_read(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
/* All keys of a map. */
void option_read_block(struct option_reader *r, const struct option_block *b, const struct conf_value *map);
/* Mark the entries of a map that a later one with the same key replaces. */
void option_mark_replaced(struct option_reader *r, const struct conf_value *map);
enum { OPTION_REPLACED = 1 << 30 }; /* in conf_value.flags */

/* Errors and warnings with the place, or the flag, in front. */
__attribute__((format(printf, 3, 4))) void option_fail_at(struct option_reader *r, const struct conf_value *v, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void option_warn_at(struct option_reader *r, const struct conf_value *v, const char *fmt, ...);
/* Whether v is of that type; if not it is reported as nats-server does. */
bool option_is(struct option_reader *r, const struct conf_value *v, enum conf_type t);
enum { OPTION_SHOWN_LEN = 256, OPTIONS_PORT_DEFAULT = 4222 };
/* Text of the file in quotes, for a message. Returns shown. */
const char *option_quote(const struct conf_str *s, char shown[OPTION_SHOWN_LEN]);
/* Zeroed memory in the arena, copies in it. NULL: none, which is noted. */
void *option_take(struct option_reader *r, size_t n, size_t len);
char *option_copy(struct option_reader *r, const char *bytes, size_t len);
/* A string value as text. False: it is none, or holds a NUL; that was reported. */
bool option_read_text(struct option_reader *r, const struct conf_value *v, const char **ret);
/* A string or a list of strings. False: it is neither, which was reported. */
bool option_read_strs(struct option_reader *r, const struct conf_value *v, struct options_strs *ret);
/* A duration as the row's type has it. */
bool option_read_dur(struct option_reader *r, const struct option_row *row, const struct conf_value *v, int64_t *ret_ns);
/* host:port, or a port. *ret_host: NULL when it is a port alone. */
bool option_read_listen(struct option_reader *r, const struct conf_value *v, const char **ret_host, int64_t *ret_port);
/* Where what is missing in a map of a list is reported, as nats-server has it: at its last key. */
const struct conf_value *option_last_of(const struct conf_value *map);
/* Whether the value asks for anything: not false, 0, "", or empty. */
bool option_asks(const struct conf_value *v);

/* ---- options_own.c: rows that are like no other */
void option_read_tags(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_metadata(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_feature_flags(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_http(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_base_path(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_monitor_allow(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_sub_tokens(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_write_timeout(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_busy_poll(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_lame_duck(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_server_name(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_unsupported(struct option_reader *r, const struct option_row *row, const struct conf_value *v);

/* ---- options_auth.c, options_mapping.c */
void option_read_authorization(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_mappings(struct option_reader *r, const struct option_row *row, const struct conf_value *v);

/* ---- options_blocks.c, options_blocks_jetstream.c: values of features that do not exist yet, read for their form */
void option_read_accounts(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_account_jetstream(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_trusted_keys(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_resolver(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_str_map(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_jetstream(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_ocsp(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
void option_read_ocsp_cache(struct option_reader *r, const struct option_row *row, const struct conf_value *v);
bool option_asks_jetstream(const struct conf_value *v);
bool option_asks_no_jetstream(const struct conf_value *v); /* never: a place for it is no wish for it */
bool option_asks_listener(const struct conf_value *v); /* it has a port */
bool option_asks_leafnodes(const struct conf_value *v); /* a port, or remotes */

/* ---- options_flags.c */
struct options_args {
    int argc;
    char **argv; /* our copy */
};
/* One flag of argv[*at], which is moved behind it and its value. False: no more flags. *ret_row: NULL when there is none of that name. */
struct option_flag {
    const struct option_row *row;
    const char *name; /* view of argv */
    size_t name_len;
    char *value;  /* NULL: none was given */
    bool missing; /* and there should have been one */
    bool bad;     /* "---x", "-=" */
};
bool option_flag_next(int argc, char **argv, int *at, struct option_flag *ret);
/* All flags over r->o. False: a bad one, which was reported. *ret_rest: the first word behind them. */
bool options_flags_read(struct option_reader *r, const struct options_args *args, int *ret_rest);
/* Whether a flag of that name was given. */
bool options_flags_has(const struct options_args *args, const char *name);

/* ---- options_file.c */
/* The file over r->o; what is wrong with it is reported. decided: the command line said what to do about what is not supported. */
void options_file_read(struct option_reader *r, const char *path, bool decided);
/* The same of a tree. */
void options_tree_read(struct option_reader *r, const struct conf_value *top, bool decided);

/* ---- options_check.c */
/* What only all options together show. */
void options_check(struct option_reader *r);

#endif
