/* options.h - the command line.
 *
 * Go's flag syntax, as nats-server has it: `-f` and `--f` are equal, `-f v` or `-f=v`, booleans only `-f` or `-f=true|false`.
 *
 * Shape    one table (options.c) drives parsing, help and the operating guide.
 * Threads  main, before anything else runs.
 * Source   sheet 02, section 5.
 */
#ifndef MIDGE_SERVER_OPTIONS_H
#define MIDGE_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *host;        /* -a */
    int64_t port;            /* -p; -1: any */
    const char *server_name; /* -n */
    const char *pid_file;    /* -P */
    const char *log_file;    /* -l */
    bool debug, trace, debug_trace;
    bool logtime, logtime_utc;
    bool help, version;
    int64_t cores; /* 0: what the process may use */
    const char *io;        /* auto, uring, epoll */
    const char *busy_poll; /* auto, off, or a duration */
    int64_t max_connections, max_control_line, max_payload, max_pending, max_subscriptions, max_sub_tokens;
    int64_t ping_interval_ns, ping_max, write_deadline_ns;
    bool no_fast_producer_stall;
};

enum options_verdict {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_BAD, /* the message was printed to stderr */
};

void options_defaults(struct options *o);
/* Parse argv over o. Views into argv. */
enum options_verdict options_parse(struct options *o, int argc, char **argv);
/* The usage text on stdout. */
void options_usage(void);
/* A duration as Go writes it ("1.5s", "2m", "300ms", "1h2m"). False: not one, or out of range. */
bool options_duration(const char *text, int64_t *ret_ns);

#endif
