/* signals.h - what main waits for: signals, and the word of other threads.
 *
 * SIGABRT among them is one from outside: abort() takes the thread that calls it, blocked or not.
 *
 * Signals are blocked in every thread and read by main: no handler runs anywhere. A thread that has something for main (a shard
 * that took over a new configuration, or has closed its last client) says signals_note; main then looks what it is.
 *
 * Threads  main, except signals_note: any thread, never blocks.
 * Source   sheet 02, section 7.
 */
#ifndef MIDGE_SERVER_SIGNALS_H
#define MIDGE_SERVER_SIGNALS_H

#include <stdint.h>

#include "core/rt/err.h"

struct signals {
    int sig_fd, note_fd; /* -1: closed */
};

/* Block the signals that main reads, and ignore SIGPIPE. Before any thread exists, so that all inherit it. */
void signals_block(void);
/* fail: ERR_NOFILE, ERR_NOMEM */
enum err signals_open(struct signals *sg);
void signals_close(struct signals *sg);
/* Wait for a signal, a note, or until deadline_ns of the monotonic clock (INT64_MAX: for ever). Returns the signal's number; 0: it
 * was one of the others. */
int signals_wait(struct signals *sg, int64_t deadline_ns);
/* Wait for a note alone: signals wait, too. */
void signals_wait_note(struct signals *sg);
/* Make main look. sg is a struct signals. */
void signals_note(void *sg);
/* The name that the log gives to a signal ("hangup"). */
const char *signals_name(int sig);
/* The monotonic clock. */
int64_t signals_now_ns(void);

#endif
