/* options_diff.h - what a reload changes: the lines for the log, or why it cannot be done.
 *
 * Threads  main.
 * Memory   the result lives in the arena of the new options.
 * Source   sheet 02, section 8.
 */
#ifndef MIDGE_SERVER_OPTIONS_DIFF_H
#define MIDGE_SERVER_OPTIONS_DIFF_H

#include "core/rt/err.h"
#include "core/server/options.h"

/* What a change touches. */
enum options_part {
    OPTIONS_PART_LOG = 1,      /* files, levels, syslog, what a trace shows */
    OPTIONS_PART_LIMITS = 2,   /* connections, payload, control line, pings, write_deadline, stalls */
    OPTIONS_PART_AUTH = 4,     /* users, permissions, token, timeout */
    OPTIONS_PART_MAPPINGS = 8,
    OPTIONS_PART_INFO = 16,    /* what INFO and monitoring tell: client_advertise, tags, metadata, max_payload */
    OPTIONS_PART_FILES = 32,   /* pid file, ports file */
    OPTIONS_PART_MONITOR = 64, /* monitor_allow */
};

struct options_diff {
    const char *refusal;       /* NULL: fine. Else the text behind "Failed to reload server configuration: " */
    struct options_strs lines; /* whole texts: "Reloaded: max_payload = 2048"; the last one, with the digest, is not among them */
    uint32_t parts;            /* enum options_part */
};

/* Compare. fail: ERR_NOMEM */
enum err options_diff(const struct options *old, struct options *next, struct options_diff *ret);

#endif
