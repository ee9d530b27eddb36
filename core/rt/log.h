/* log.h - lines for the operator, in nats-server's format.
 *
 *     [PID] 2026/11/24 03:26:30.123456 [INF] Server is ready
 *
 * Levels: ERR needs a human, WRN degraded but continuing, INF lifecycle, DBG, TRC; FTL before an exit. Text that came from a peer is
 * escaped (control characters, sheet 05 A45) by whoever passes it: use log_quote. A level that is off costs one predictable branch.
 * Lines are formatted by the caller and handed to a writer thread through a bounded queue per shard, so that a reader
 * that stops reading stderr never blocks a shard; when the queue is full lines are dropped and counted, and the
 * count is logged when there is room again. On a terminal the levels have nats-server's colours.
 *
 *     shard 0 --> queue 0 --+
 *     shard 1 --> queue 1 --+--> writer: merges by time --> stderr, file or syslog (log_sink.h)
 *     others  --> shared  --+    (waits, if it must; gives up at the end if nobody reads)
 *
 * Threads  log_start, log_stop: main, before and after all others. log_reconfigure, log_reopen: main. log_line: any thread; one that called
 *          log_attach queues without a lock. log_flush: any thread, but no signal handler.
 * Memory   queues are allocated by log_attach and released by log_detach (by the writer, when it has written them).
 * Source   sheet 02, section 9; nats-server 2.14.5's own lines.
 */
#ifndef MIDGE_RT_LOG_H
#define MIDGE_RT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

enum log_level { LOG_FTL, LOG_ERR, LOG_WRN, LOG_INF, LOG_DBG, LOG_TRC, LOG_LEVELS };

enum {
    LOG_LINE_LEN = 16384,       /* longer lines are cut, with "..." */
    LOG_QUEUE_LEN = 256 << 10,  /* bytes that may wait for the writer, per thread */
    LOG_QUEUES_MAX = 80,        /* attached threads at once */
    LOG_STUCK_MS = 2000,        /* how long log_stop waits for a reader that does not read */
    LOG_ABORT_MS = 200,         /* ... and an assertion that failed */
    LOG_WHY_MAX = 512,
};

/* Where lines go: file, else remote_syslog, else syslog, else stderr. */
struct log_cfg {
    const char *file;
    uint64_t size_limit;       /* of the file, in bytes: above it a new one is begun. 0: never */
    uint32_t n_files;          /* kept then, the active one included; 0: all */
    const char *remote_syslog; /* "udp://host:port", "tcp://host:port", "unix:///path" */
    bool syslog;               /* the local one ... */
    const char *syslog_path;   /* ... which listens here; NULL: at the usual places (for tests) */
    bool debug, trace;         /* DBG, TRC lines on */
    bool no_time;              /* leave out the time (-T false) */
    bool utc;
};

struct log_sink; /* opaque: what lines are written to */

/* Open what cfg names. May block.
 *   own   *ret_sink: log_start_on, log_reconfigure or log_sink_free takes it
 *   fail  ERR_NOENT, ERR_ACCESS, ... with nats-server's text in ret_why; ERR_NOMEM */
enum err log_sink_new(const struct log_cfg *cfg, struct log_sink **ret_sink, char ret_why[LOG_WHY_MAX]);
void log_sink_free(struct log_sink *s); /* NULL is fine */

/* Start the writer. Until then lines go to stderr at once.
 *   take  sink, on OK
 *   fail  ERR_NOMEM */
enum err log_start_on(struct log_sink *sink, const struct log_cfg *cfg);
/* Open, and start. fail: as both */
enum err log_start(const struct log_cfg *cfg);
/* Another configuration, while all others log. What is queued already goes to the new sink.
 *   take  sink; NULL: the one there is stays, because file and syslog of cfg are the same
 *   fail  ERR_NOMEM (nothing has changed; sink stays the caller's) */
enum err log_reconfigure(struct log_sink *sink, const struct log_cfg *cfg);
/* Write what is queued, then end the writer; later lines go to stderr at once. */
void log_stop(void);
/* Give the calling thread a queue of its own. fail: ERR_NOMEM, ERR_LIMIT; its lines go through the shared queue then. */
enum err log_attach(uint32_t shard_id);
void log_detach(void); /* not attached: nothing */
/* Open the file again (after somebody moved it), and say so. Main. */
void log_reopen(void);
/* Wait until all that was queued before the call is written, at most so long. False: it was not. */
bool log_flush(uint32_t timeout_ms);

extern _Atomic bool log_debug_on, log_trace_on; /* written by log_start and log_reconfigure */

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);

#define log_err(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_wrn(...) log_line(LOG_WRN, __VA_ARGS__)
#define log_inf(...) log_line(LOG_INF, __VA_ARGS__)
#define log_dbg(...)                              \
    do {                                          \
        if (__builtin_expect(log_debug_on, 0))    \
            log_line(LOG_DBG, __VA_ARGS__);       \
    } while (0)
#define log_trc(...)                              \
    do {                                          \
        if (__builtin_expect(log_trace_on, 0))    \
            log_line(LOG_TRC, __VA_ARGS__);       \
    } while (0)

/* Peer's bytes as text that cannot forge a line nor steer a terminal: control characters, backslashes and 8-bit bytes are
 * escaped as in C (\n, \x1b, \\), cut to fit cap (>= 1) with "..." where there is room for that. Returns to. */
const char *log_quote(char *to, size_t cap, const void *bytes, size_t len);
/* The same for text that stands between double quotes: they are escaped, too. */
const char *log_quote_string(char *to, size_t cap, const void *bytes, size_t len);

/* Lines lost so far because the writer could not keep up, or the system refused them. */
uint64_t log_n_dropped(void);

#endif
