/* log_sink.h - where the log's writer puts its lines: stderr, a file that is rotated, or syslog.
 *
 *     stderr   whole lines
 *     file     appended to, mode 0640. Above size_limit it is renamed to FILE.2026.11.28.15.50.01.633029518 and begun anew; n_files of
 *              them are kept, the active one included
 *     syslog   a datagram or line each, without our own head: priority, time, program[pid] stand in its place
 *                local    <29>Nov 28 15:51:15 midge[4711]: text               to /dev/log, facility daemon
 *                udp, tcp <5>2026-11-28T15:51:12Z host midge[4711]: text      facility 0, as nats-server has it
 *                unix     <5>Nov 28 15:51:14 midge[4711]: text                a stream socket, lines
 *
 * A file that cannot be opened again after a rotation, and a line that syslog does not take, go to stderr.
 *
 * Threads  log_sink_new: any, may block (opening, connecting, a name look-up: bounded by LOG_CONNECT_MS but for the last). The rest: the
 *          writer.
 * Memory   own: log_sink_new -> log_sink_free.
 * Source   sheet 02, section 9; RFC 3164; nats-server 2.14.5's own bytes.
 */
#ifndef MIDGE_RT_LOG_SINK_H
#define MIDGE_RT_LOG_SINK_H

#include <sys/socket.h>

#include "core/rt/log.h"

enum {
    LOG_CONNECT_MS = 1000,   /* to a syslog server */
    LOG_RETRY_MS = 1000,     /* how often one that is gone is looked for */
    LOG_BACKUPS_MAX = 65536, /* rotated files looked at when old ones are removed */
};

enum log_sink_kind { LOG_SINK_STDERR, LOG_SINK_FILE, LOG_SINK_SYSLOG };

struct log_sink {
    enum log_sink_kind kind;
    int fd;                    /* -1: syslog is gone */
    bool is_file;              /* regular: never waits for a reader */
    /* file */
    char *path;
    uint64_t size, limit;      /* limit 0: never rotated */
    uint64_t limit_now;        /* larger than limit after a rotation that failed */
    uint32_t n_files;          /* 0: all */
    /* syslog */
    struct sockaddr_storage to;
    socklen_t to_len;
    int type;                  /* SOCK_DGRAM, SOCK_STREAM */
    uint32_t facility;
    bool rfc3339;              /* udp, tcp: long time and our host's name */
    char host[65];
    int64_t retry_ns;          /* monotonic; do not look for it before */
};

/* log_sink_new, log_sink_free: log.h. */

/* Wait until fd may be written to. False: give up. */
typedef bool log_wait_fn(void *arg, int fd);
/* Write a line of the log's own to s->fd, and count it in s->size. */
__attribute__((format(printf, 3, 4))) typedef void log_say_fn(void *arg, enum log_level level, const char *fmt, ...);

/* Whether a file that has len bytes more to come passes its limit with them. */
static inline bool
log_sink_full(const struct log_sink *s, uint64_t len)
{
    return s->limit > 0 && s->size + len > s->limit_now;
}

/* File: begin a new one, and remove the oldest. */
void log_sink_rotate(struct log_sink *s, log_say_fn *say, void *arg);
/* Syslog: one line, without head and newline. False: it was not taken. */
bool log_sink_send(struct log_sink *s, enum log_level level, int64_t time_ns, const char *text, uint32_t len, log_wait_fn *wait, void *arg);

#endif
