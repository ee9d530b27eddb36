/* options.h - everything the server can be told: from the command line and the configuration file, the flag before the file, the
 * file before the default.
 *
 *     argv --> options_args_new --> struct options_args (kept; secrets in argv overwritten)
 *                                        |
 *     file --> conf_parse_file --+       v
 *                                +--> options_load --> struct options   read only from then on
 *     options_table.c (one row for each option: names, type, bounds, default, reload, help)
 *
 * A reload is another options_load of the same args, and options_diff of what came out.
 *
 * Shape    plain data. Numbers are checked for the engine's bounds; strings are NUL-terminated and never "" (NULL: not given), but where a
 *          field says otherwise.
 * Threads  main (loading blocks on files); once loaded any thread may read.
 * Memory   all strings and lists live in the options' arena; options_free wipes it (it holds passwords).
 * Source   sheet 02; sheet 09, section 1; sheet 01, section 16; sheet 03, sections 1 to 4.
 */
#ifndef MIDGE_SERVER_OPTIONS_H
#define MIDGE_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/auth_conf.h"
#include "core/broker/mapping_conf.h"
#include "core/rt/arena.h"
#include "core/server/options_report.h"

struct options_strs {
    const char *const *items;
    uint32_t n;
};

struct options_pair {
    const char *key, *value; /* value may be "" */
};

struct options_pairs {
    const struct options_pair *items;
    uint32_t n;
};

/* A network of monitor_allow. */
struct options_cidr {
    uint8_t ip[16]; /* IPv4: the first four */
    uint8_t family; /* 4 or 6 */
    uint8_t bits;
};

enum options_write_timeout { OPTIONS_WRITE_DEFAULT, OPTIONS_WRITE_CLOSE, OPTIONS_WRITE_RETRY };

enum { OPTIONS_DIGEST_LEN = 7 + 64 };

/* The level of nats-server that we behave like: clients switch features on by it. What Midge itself is, the log and `-v` say. */
#define OPTIONS_LEVEL "2.14.5"

struct options {
    struct arena *mem;

    /* where it came from, and what to do */
    const char *config_file;                 /* -c, as given; NULL: none */
    char digest[OPTIONS_DIGEST_LEN + 1];     /* of the file: "sha256:..."; "": none */
    bool help, help_tls, version, check;     /* -h, --help_tls, -v, -t */
    const char *signal;                      /* --signal's value; NULL: none */
    bool unsupported_warn;                   /* unsupported: warn */
    bool unsupported_refused;                /* something was refused that this would have let pass */

    /* clients */
    const char *host;                        /* "0.0.0.0": all interfaces of both families */
    int64_t port;                            /* -1: any */
    const char *client_advertise;            /* host or host:port, for INFO */
    const char *client_advertise_host;       /* of it, without brackets; NULL: none given */
    uint16_t client_advertise_port;          /* 0: none was written, the listener's */
    const char *server_name;                 /* NULL: the id */
    struct options_strs server_tags;         /* lower case, trimmed, each once */
    struct options_pairs server_metadata;

    /* files */
    const char *pid_file, *ports_file_dir;

    /* monitoring */
    const char *http_host;                   /* as written in http or https; NULL: the client host */
    int64_t http_port, https_port;           /* 0: off; -1: any */
    const char *http_base_path;              /* cleaned: "/" or "/a/b" */
    bool http_explicit;                      /* an address was written out: sheet 09, S1 */
    const struct options_cidr *monitor_allow;
    uint32_t n_monitor_allow;
    int64_t max_closed_clients;

    /* logging */
    bool debug, trace, trace_verbose, trace_headers;
    bool logtime, logtime_utc;
    const char *log_file;
    int64_t log_size_limit;                  /* bytes; 0: off */
    int64_t log_max_num;                     /* 0: all are kept */
    bool syslog;
    const char *remote_syslog;
    int64_t max_traced_msg_len;              /* 0: no limit */

    /* limits */
    int64_t max_connections;                 /* 0: none */
    int64_t max_subscriptions;               /* per connection; 0: no limit */
    int64_t max_sub_tokens;                  /* 0: no limit */
    int64_t max_control_line, max_payload, max_pending;
    int64_t ping_interval_ns, ping_max;
    int64_t write_deadline_ns;
    int64_t write_timeout;                   /* enum options_write_timeout */
    bool no_fast_producer_stall;
    int64_t lame_duck_duration_ns, lame_duck_grace_ns;
    int64_t connect_error_reports, reconnect_error_reports;

    /* how it works */
    bool disable_sublist_cache, no_header_support;
    const char *system_account;              /* as named; NULL: not. There is none yet */
    bool no_system_account;
    struct options_pairs feature_flags;      /* values "true" and "false" */
    const char *cluster_name;                /* of a cluster block, for mappings that name a cluster; NULL: none */

    /* who may do what */
    struct auth_conf auth;
    bool auth_plain;                         /* some password is not hashed: worth a warning */
    bool secrets_open;                       /* the file holds one in plain text, and others may read it: worth another */
    const struct mapping_conf *mappings;     /* of $G */
    uint32_t n_mappings;

    /* Midge's own */
    int64_t cores;                           /* 0: what the process may use */
    const char *io;                          /* auto, uring, epoll */
    const char *busy_poll;                   /* auto, off, or a duration */
    int64_t busy_poll_ns;                    /* of a duration; 0: off; -1: auto */
};

/* The command line, kept for reloads. */
struct options_args;

/* A copy of argv. What is secret in argv itself (passwords, tokens, URLs with users) is overwritten, so that `ps` does not show it.
 *   own   by options_args_free; NULL: no memory */
struct options_args *options_args_new(int argc, char **argv);
void options_args_free(struct options_args *a); /* NULL: nothing */

enum options_verdict {
    OPTIONS_RUN,     /* warnings may be in the report */
    OPTIONS_HELP,    /* -h, help */
    OPTIONS_HELP_TLS,
    OPTIONS_VERSION,
    OPTIONS_SIGNAL,  /* --signal: no file was read */
    OPTIONS_CHECKED, /* -t, and nothing was wrong */
    OPTIONS_BAD,     /* the report says what: exit code 1 */
    OPTIONS_USAGE,   /* a bad flag: the report says which: exit code 2 */
};

/* Command line and file into ret. Again for a reload: nothing but files is read, nothing is changed.
 *   own   *ret, by options_free, whatever the verdict */
enum options_verdict options_load(const struct options_args *args, struct options *ret, struct options_report *report);
/* Release and wipe; all fields are zero then. */
void options_free(struct options *o);

/* What main does with a verdict: prints what is to be printed. Returns the exit code, or -1: go on (OPTIONS_RUN, OPTIONS_SIGNAL). */
int options_act(enum options_verdict v, const struct options *o, struct options_report *report);
/* What the log says at start about options that are not wrong, but worth a thought. */
void options_log(const struct options *o);
/* Whether only this machine reaches what listens on host. */
bool options_is_loopback(const char *host);
/* The flags, on stdout; those for TLS. */
void options_usage(void);
void options_usage_tls(void);

#endif
