/* log.h - lines for the operator, in nats-server's format.
 *
 *     [PID] 2026/11/24 03:26:30.123456 [INF] Server is ready
 *
 * Levels: ERR needs a human, WRN degraded but continuing, INF lifecycle, DBG, TRC; FTL before an exit. Text that came from a peer is
 * escaped (control characters, sheet 05 A45) by whoever passes it: use log_quote. A level that is off costs one predictable branch.
 * Lines are formatted by the caller into its own buffer and handed to a writer thread through a bounded queue per
 * shard, so that a reader that stops reading stderr never blocks a shard; when the queue is full lines are dropped and
 * counted, and the count is logged when there is room again. log_flush waits until all is written (at exit).
 *
 * Threads  log_start/log_stop: main. log_line: any thread that called log_attach, or any at all (slower, with a lock).
 * Memory   queues are allocated by log_attach.
 */
#ifndef MIDGE_RT_LOG_H
#define MIDGE_RT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rt/err.h"

enum log_level { LOG_FTL, LOG_ERR, LOG_WRN, LOG_INF, LOG_DBG, LOG_TRC };

struct log_cfg {
    const char *file;  /* NULL: stderr */
    bool debug, trace; /* DBG, TRC lines on */
    bool no_time;      /* leave out the time (-T false) */
    bool utc;
};

/* Start the writer. fail: ERR_ACCESS, ERR_NOENT (the file). */
enum err log_start(const struct log_cfg *cfg);
void log_stop(void); /* writes what is queued, then ends the writer; later lines go to stderr at once */
/* Give the calling thread a queue of its own. */
enum err log_attach(uint32_t shard_id);
void log_detach(void);
/* Open the file again (after somebody moved it). */
void log_reopen(void);

extern bool log_debug_on, log_trace_on; /* written by log_start only */

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

/* Peer's bytes as text that cannot forge a line: control and 8-bit characters escaped, cut at cap with "...". Returns to. */
const char *log_quote(char *to, size_t cap, const void *bytes, size_t len);

uint64_t log_n_dropped(void);

#endif
