#include "core/rt/log.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/log_queue.h"
#include "core/rt/log_sink.h"
#include "core/rt/util.h"

enum {
    LOG_HEAD_LEN = 96,           /* "[PID] DATE TIME [LVL] " at most */
    LOG_PIPE_STEP = 4096,        /* a pipe takes so much whole (PIPE_BUF), and without waiting after poll */
    LOG_BATCH_LEN = 64 << 10,    /* collected lines, written at once to a file */
    LOG_POLL_MS = 50,            /* how often a writer that waits for its reader looks up */
    LOG_WAIT_MS = 1,             /* how often log_flush looks */
    LOG_JOIN_S = 5,              /* a writer stuck in the kernel is left behind after this */
    LOG_TAG_HEAD = 8             /* bits of a tag that hold the level */
};
_Static_assert((int)LOG_BATCH_LEN > (int)LOG_LINE_LEN, "a line fits a batch");

_Atomic bool log_debug_on, log_trace_on;

/* The writer's own. */
struct log_writer {
    struct log_sink *sink;
    bool gave_up;           /* nobody reads, and we are to stop: the rest is lost */
    int64_t stuck_since_ns; /* nothing could be written since then, though we are to stop; 0: it could */
    uint32_t n_lines, len;  /* in the batch */
    uint32_t tag;           /* of its last line: enum log_level, and the length of the head from LOG_TAG_HEAD on */
    int64_t time_ns;
    char batch[LOG_BATCH_LEN];
};

/* The log is the one thing of the process that everybody uses and nobody owns, so it has no struct to hang off. */
static struct {
    /* main's own */
    char *file; /* and what else log_reopen needs to open it again; NULL: not a file */
    uint64_t size_limit;
    uint32_t n_files;
    int pid; /* 0: log_start has not been called. It writes it before `running` is set (L1 pairs with L2) */

    _Atomic bool no_time, utc, colour;

    _Atomic bool running;
    _Atomic bool stop;          /* the writer ends when all is written */
    _Atomic uint32_t sleeping;  /* 1: the writer waits for this to change */
    _Atomic(struct log_sink *) sink_new; /* for the writer to take; NULL: none */
    _Atomic uint64_t flush_asked, flush_done; /* requests, and the last one after which all was written */
    _Atomic uint64_t n_lost;    /* lines of queues that are gone, and lines the system refused */
    _Atomic(struct log_queue *) queues[LOG_QUEUES_MAX];
    pthread_mutex_t lock;       /* queues coming and going */
    bool has_writer;            /* under lock: queues are released by it alone */
    pthread_mutex_t shared_lock;
    struct log_queue shared;    /* of threads without a queue; pushed to under shared_lock */
    pthread_t thread;
    struct log_writer *writer;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .shared_lock = PTHREAD_MUTEX_INITIALIZER};

/* The queue of this thread; that it is the writer. */
static _Thread_local struct log_queue *log_own;
static _Thread_local bool log_is_writer;

static int64_t
log_clock(clockid_t id)
{
    struct timespec ts;
    ASSERT(clock_gettime(id, &ts) == 0);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void
log_sleep_ms(int64_t ms)
{
    struct timespec ts = {.tv_nsec = ms * NS_PER_MS};
    (void)nanosleep(&ts, NULL); /* waking early is fine */
}

/* ---- text ---- */

static const char *
log_quote_as(char *to, size_t cap, const void *bytes, size_t len, bool in_quotes)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    size_t n = 0, n_cut = 0; /* written; and where "..." would still fit */
    ASSERT(cap >= 1);
    for (size_t i = 0; i < len; i++) {
        char piece[4] = {'\\', 'x', hex[p[i] >> 4], hex[p[i] & 15]};
        size_t piece_len = 4;
        const char *name = p[i] == 0 ? NULL : strchr("\nn\rr\tt\\\\", p[i]);
        if (name != NULL && (p[i] < ' ' || p[i] == '\\')) {
            piece[1] = p[i] == '\\' ? '\\' : name[1];
            piece_len = 2;
        } else if (p[i] == '"' && in_quotes) {
            piece[1] = '"';
            piece_len = 2;
        } else if (p[i] >= ' ' && p[i] < 0x7f) {
            piece[0] = (char)p[i];
            piece_len = 1;
        }
        if (n + piece_len + 1 > cap) {
            n = n_cut;
            for (int k = 0; k < 3 && n + 1 < cap; k++)
                to[n++] = '.';
            break;
        }
        memcpy(to + n, piece, piece_len);
        n += piece_len;
        if (n + 4 <= cap)
            n_cut = n;
    }
    to[n] = '\0';
    return to;
}

const char *
log_quote(char *to, size_t cap, const void *bytes, size_t len)
{
    return log_quote_as(to, cap, bytes, len, false);
}

const char *
log_quote_string(char *to, size_t cap, const void *bytes, size_t len)
{
    return log_quote_as(to, cap, bytes, len, true);
}

/* "2026/11/24 03:26:30" for a second of the wall clock; q, if there is one, remembers the last. */
static void
log_put_second(struct log_queue *q, int64_t second, char to[32])
{
    bool utc = atomic_load_explicit(&log_state.utc, memory_order_relaxed);
    if (q != NULL && q->stamp_s == second && q->stamp_utc == utc) {
        memcpy(to, q->stamp, 32);
        return;
    }
    time_t t = (time_t)second;
    struct tm tm;
    if ((utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) == NULL || strftime(to, 32, "%Y/%m/%d %H:%M:%S", &tm) == 0)
        to[0] = '\0'; /* a year beyond all calendars */
    if (q != NULL) {
        q->stamp_s = second;
        q->stamp_utc = utc;
        memcpy(q->stamp, to, 32);
    }
}

/* Put "[PID] DATE TIME [LVL] " into line. Returns its length. */
static uint32_t
log_put_head(struct log_queue *q, enum log_level level, int64_t time_ns, bool colour, char line[LOG_HEAD_LEN])
{
    static const struct {
        char name[4];
        const char *colour;
    } levels[LOG_LEVELS] = {
        [LOG_FTL] = {"FTL", "31"}, [LOG_ERR] = {"ERR", "31"}, [LOG_WRN] = {"WRN", "0;93"},
        [LOG_INF] = {"INF", "32"}, [LOG_DBG] = {"DBG", "36"}, [LOG_TRC] = {"TRC", "33"},
    };
    ASSERT(level < LOG_LEVELS);
    char when[48] = "", second[32];
    if (!atomic_load_explicit(&log_state.no_time, memory_order_relaxed)) {
        log_put_second(q, time_ns / NS_PER_S, second);
        (void)snprintf(when, sizeof when, "%s.%06u ", second, (unsigned)(time_ns % NS_PER_S / NS_PER_US));
    }
    int pid = log_state.pid != 0 ? log_state.pid : (int)getpid();
    int len = colour ? snprintf(line, LOG_HEAD_LEN, "[%d] %s[\033[%sm%s\033[0m] ", pid, when, levels[level].colour, levels[level].name)
                     : snprintf(line, LOG_HEAD_LEN, "[%d] %s[%s] ", pid, when, levels[level].name);
    ASSERT(len > 0 && len < LOG_HEAD_LEN);
    return (uint32_t)len;
}

/* Format a line, newline included; cut if it is too long. Returns its length. */
__attribute__((format(printf, 7, 0))) static uint32_t
log_put_line(struct log_queue *q, enum log_level level, int64_t time_ns, bool colour, char line[LOG_LINE_LEN], uint32_t *ret_tag, const char *fmt,
             va_list args)
{
    uint32_t len = log_put_head(q, level, time_ns, colour, line);
    *ret_tag = (uint32_t)level | len << LOG_TAG_HEAD;
    int n = vsnprintf(line + len, LOG_LINE_LEN - len, fmt, args);
    if (n < 0)
        n = 0; /* a conversion that this C library does not have: the head alone says that something was */
    if ((uint32_t)n >= LOG_LINE_LEN - len) {
        memcpy(line + LOG_LINE_LEN - 4, "...", 3);
        len = LOG_LINE_LEN - 1;
    } else {
        len += (uint32_t)n;
    }
    line[len++] = '\n'; /* over the zero */
    return len;
}

/* ---- producers ---- */

/* Wake the writer if it sleeps. Either it sees the new tail before it sleeps, or we see that it sleeps: both
 * sides store theirs and then load the other's, in the one order of sequentially consistent operations. */
static void
log_wake(void)
{
    if (atomic_load(&log_state.sleeping) == 1 && atomic_exchange(&log_state.sleeping, 0) == 1)
        (void)syscall(SYS_futex, &log_state.sleeping, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); /* nobody there: fine */
}

__attribute__((format(printf, 4, 5))) static bool
log_push(struct log_queue *q, enum log_level level, int64_t time_ns, const char *fmt, ...)
{
    char line[LOG_LINE_LEN];
    uint32_t tag;
    va_list args;
    va_start(args, fmt);
    uint32_t len = log_put_line(q, level, time_ns, log_state.colour, line, &tag, fmt, args);
    va_end(args);
    return log_queue_push(q, time_ns, tag, line, len);
}

/* Queue a line; first, if lines were lost and there is room again, one that says how many. */
static void
log_queue_line(struct log_queue *q, int64_t time_ns, uint32_t tag, const char *line, uint32_t len)
{
    uint64_t n_dropped = atomic_load_explicit(&q->n_dropped, memory_order_relaxed);
    if (n_dropped != q->n_dropped_told &&
        log_push(q, LOG_WRN, time_ns, "%llu log lines dropped: the log is not read fast enough", (unsigned long long)(n_dropped - q->n_dropped_told)))
        q->n_dropped_told = n_dropped;
    if (n_dropped != q->n_dropped_told || !log_queue_push(q, time_ns, tag, line, len))
        atomic_store_explicit(&q->n_dropped, n_dropped + 1, memory_order_relaxed);
    log_wake();
}

/* Write all of it, as far as the system takes it. */
static void
log_write_now(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* there is nobody left to tell */
        bytes += n;
        len -= (size_t)n;
    }
}

void
log_line(enum log_level level, const char *fmt, ...)
{
    if ((level == LOG_DBG && !log_debug_on) || (level == LOG_TRC && !log_trace_on))
        return;
    char line[LOG_LINE_LEN];
    int64_t time_ns = log_clock(CLOCK_REALTIME);
    bool running = atomic_load_explicit(&log_state.running, memory_order_acquire); /* L2 */
    struct log_queue *q = running ? log_own : NULL;
    uint32_t tag;
    va_list args;
    va_start(args, fmt);
    uint32_t len = log_put_line(q, level, time_ns, running ? log_state.colour : isatty(STDERR_FILENO) == 1, line, &tag, fmt, args);
    va_end(args);
    if (!running) {
        log_write_now(STDERR_FILENO, line, len);
    } else if (q != NULL) {
        log_queue_line(q, time_ns, tag, line, len);
    } else {
        (void)pthread_mutex_lock(&log_state.shared_lock); /* held for a copy only; a plain mutex does not fail */
        if (atomic_load(&log_state.running))
            log_queue_line(&log_state.shared, time_ns, tag, line, len);
        else
            log_write_now(STDERR_FILENO, line, len); /* log_stop came between, and took the queue */
        (void)pthread_mutex_unlock(&log_state.shared_lock);
    }
}

/* ---- queues coming and going ---- */

enum err
log_attach(uint32_t shard_id)
{
    (void)shard_id; /* nats-server's lines have no place for it */
    ASSERT(log_own == NULL);
    struct log_queue *q = fault_aligned(CACHE_PAIR, sizeof *q);
    if (q == NULL)
        return ERR_NOMEM;
    enum err e = log_queue_init(q, LOG_QUEUE_LEN);
    if (e != OK)
        goto fail;
    e = ERR_LIMIT;
    (void)pthread_mutex_lock(&log_state.lock);
    for (uint32_t i = 0; i < LOG_QUEUES_MAX && e != OK; i++) {
        if (atomic_load(&log_state.queues[i]) == NULL) {
            atomic_store(&log_state.queues[i], q);
            e = OK;
        }
    }
    (void)pthread_mutex_unlock(&log_state.lock);
    if (e != OK)
        goto fail;
    log_own = q;
    return OK;
fail:
    log_queue_fini(q);
    free(q);
    return e;
}

/* Forget queue i. Under the lock. */
static void
log_release(uint32_t i)
{
    struct log_queue *q = atomic_exchange(&log_state.queues[i], NULL);
    char line[LOG_LINE_LEN];
    int64_t time_ns;
    uint32_t len;
    while (log_queue_peek(q, &time_ns, &len)) { /* only if the writer ended before its thread did */
        (void)log_queue_take(q, line); /* stderr gets all of it */
        log_write_now(STDERR_FILENO, line, len);
    }
    atomic_fetch_add(&log_state.n_lost, atomic_load(&q->n_dropped));
    log_queue_fini(q);
    free(q);
}

void
log_detach(void)
{
    struct log_queue *q = log_own;
    if (q == NULL)
        return;
    log_own = NULL;
    (void)pthread_mutex_lock(&log_state.lock);
    if (log_state.has_writer)
        atomic_store(&q->closed, true); /* the writer releases it when it is empty */
    for (uint32_t i = 0; i < LOG_QUEUES_MAX && !log_state.has_writer; i++) {
        if (atomic_load(&log_state.queues[i]) == q) {
            log_release(i);
            break;
        }
    }
    (void)pthread_mutex_unlock(&log_state.lock);
    log_wake();
}

uint64_t
log_n_dropped(void)
{
    uint64_t n = atomic_load(&log_state.n_lost) + atomic_load(&log_state.shared.n_dropped);
    (void)pthread_mutex_lock(&log_state.lock);
    for (uint32_t i = 0; i < LOG_QUEUES_MAX; i++) {
        struct log_queue *q = atomic_load(&log_state.queues[i]);
        n += q == NULL ? 0 : atomic_load(&q->n_dropped);
    }
    (void)pthread_mutex_unlock(&log_state.lock);
    return n;
}

/* ---- the writer ---- */

/* Queue i of those the writer looks at: the shared one is the last. NULL: none there. */
static struct log_queue *
log_queue_at(uint32_t i)
{
    return i == LOG_QUEUES_MAX ? &log_state.shared : atomic_load(&log_state.queues[i]);
}

/* Collect waiting lines, oldest first across the queues, as many as one step of writing takes. False: there are none. */
static bool
log_collect(struct log_writer *w)
{
    struct {
        struct log_queue *q;
        int64_t time_ns;
        uint32_t len;
    } heads[LOG_QUEUES_MAX + 1], *first;
    uint32_t n = 0, cap = w->sink->is_file ? LOG_BATCH_LEN : w->sink->kind == LOG_SINK_SYSLOG ? 1 : LOG_PIPE_STEP;
    w->n_lines = w->len = 0;
    for (uint32_t i = 0; i <= LOG_QUEUES_MAX; i++) {
        heads[n].q = log_queue_at(i);
        n += heads[n].q != NULL && heads[n].q->ring != NULL && log_queue_peek(heads[n].q, &heads[n].time_ns, &heads[n].len);
    }
    while (n > 0) {
        first = &heads[0];
        for (uint32_t k = 1; k < n; k++)
            first = heads[k].time_ns < first->time_ns ? &heads[k] : first;
        if (w->len > 0 && (w->len + first->len > cap || log_sink_full(w->sink, w->len)))
            break; /* a line longer than a step goes alone */
        w->time_ns = first->time_ns;
        w->tag = log_queue_take(first->q, w->batch + w->len);
        w->len += first->len;
        w->n_lines++;
        if (!log_queue_peek(first->q, &first->time_ns, &first->len))
            *first = heads[--n];
    }
    return w->len > 0;
}

/* Wait until the reader of fd takes more. False: it does not, and we are to stop. */
static bool
log_wait_writable(void *arg, int fd)
{
    struct log_writer *w = arg;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, LOG_POLL_MS) != 0) { /* writable; or broken, which write will tell */
            w->stuck_since_ns = 0;
            return true;
        }
        if (atomic_load(&log_state.sink_new) != NULL)
            return false; /* main gave up on this reader */
        if (!atomic_load(&log_state.stop))
            continue;
        int64_t now_ns = log_clock(CLOCK_MONOTONIC);
        if (w->stuck_since_ns == 0)
            w->stuck_since_ns = now_ns;
        if (now_ns - w->stuck_since_ns > LOG_STUCK_MS * NS_PER_MS) {
            w->gave_up = true;
            return false;
        }
    }
}

/* Write bytes to fd. False: some are lost. */
static bool
log_write_to(struct log_writer *w, int fd, bool is_file, const char *bytes, uint32_t len)
{
    uint32_t off = 0;
    while (off < len && !w->gave_up) {
        if (!is_file && !log_wait_writable(w, fd))
            break;
        uint32_t step = is_file || len - off < LOG_PIPE_STEP ? len - off : LOG_PIPE_STEP;
        ssize_t n = write(fd, bytes + off, step);
        if (n > 0)
            off += (uint32_t)n;
        else if (n == 0 || (errno != EINTR && errno != EAGAIN))
            break; /* no room on the disk, the reader is gone: these lines are lost, the next may not be */
    }
    return off == len;
}

/* A line of the writer's own, past all queues. */
__attribute__((format(printf, 3, 4))) static void
log_writer_say(void *arg, enum log_level level, const char *fmt, ...)
{
    struct log_writer *w = arg;
    char line[LOG_LINE_LEN];
    uint32_t tag;
    va_list args;
    va_start(args, fmt);
    uint32_t len = log_put_line(NULL, level, log_clock(CLOCK_REALTIME), false, line, &tag, fmt, args);
    va_end(args);
    if (log_write_to(w, w->sink->fd, w->sink->is_file, line, len))
        w->sink->size += len;
    else
        atomic_fetch_add(&log_state.n_lost, 1);
}

static bool
log_write_syslog(struct log_writer *w)
{
    uint32_t head = w->tag >> LOG_TAG_HEAD, level = w->tag & (BIT(LOG_TAG_HEAD) - 1);
    ASSERT(w->n_lines == 1 && head < w->len && level < LOG_LEVELS);
    return log_sink_send(w->sink, (enum log_level)level, w->time_ns, w->batch + head, w->len - head - 1, log_wait_writable, w) ||
           log_write_to(w, STDERR_FILENO, false, w->batch, w->len);
}

static void
log_write_batch(struct log_writer *w)
{
    bool ok = w->sink->kind == LOG_SINK_SYSLOG ? !w->gave_up && log_write_syslog(w)
                                               : log_write_to(w, w->sink->fd, w->sink->is_file, w->batch, w->len);
    if (ok)
        w->sink->size += w->len;
    else
        atomic_fetch_add(&log_state.n_lost, w->n_lines);
    for (uint32_t i = 0; i <= LOG_QUEUES_MAX; i++) {
        struct log_queue *q = log_queue_at(i);
        if (q != NULL)
            log_queue_done(q);
    }
    if (log_sink_full(w->sink, 0))
        log_sink_rotate(w->sink, log_writer_say, w);
}

/* Release the queues of threads that are gone. */
static void
log_reap(void)
{
    for (uint32_t i = 0; i < LOG_QUEUES_MAX; i++) {
        struct log_queue *q = log_queue_at(i);
        if (q == NULL || !atomic_load(&q->closed) || !log_queue_empty(q))
            continue;
        (void)pthread_mutex_lock(&log_state.lock);
        log_release(i);
        (void)pthread_mutex_unlock(&log_state.lock);
    }
}

/* Nothing has changed since the writer looked. */
static bool
log_may_sleep(uint64_t flush_seen)
{
    if (atomic_load(&log_state.stop) || atomic_load(&log_state.sink_new) != NULL || atomic_load(&log_state.flush_asked) != flush_seen)
        return false;
    for (uint32_t i = 0; i <= LOG_QUEUES_MAX; i++) {
        struct log_queue *q = log_queue_at(i);
        if (q != NULL && (atomic_load(&q->closed) || !log_queue_empty(q)))
            return false;
    }
    return true;
}

static void *
log_writer_main(void *arg)
{
    struct log_writer *w = arg;
    log_is_writer = true;
    for (;;) {
        bool stop = atomic_load(&log_state.stop); /* before we look: what was queued before it is written */
        uint64_t flush_asked = atomic_load(&log_state.flush_asked);
        struct log_sink *sink_new = atomic_exchange(&log_state.sink_new, NULL);
        if (sink_new != NULL) {
            log_sink_free(w->sink);
            w->sink = sink_new;
        }
        if (log_collect(w)) {
            log_write_batch(w);
            continue;
        }
        atomic_store(&log_state.flush_done, flush_asked);
        log_reap();
        if (stop)
            break;
        atomic_store(&log_state.sleeping, 1); /* see log_wake */
        if (log_may_sleep(flush_asked))
            (void)syscall(SYS_futex, &log_state.sleeping, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0); /* waking early is fine */
        atomic_store(&log_state.sleeping, 0);
    }
    log_sink_free(w->sink);
    return NULL;
}

/* ---- starting and stopping ---- */

/* An assertion failed somewhere: what is queued may be what explains it. Takes no lock, and waits a bounded time. */
static void
log_on_abort(void)
{
    if (!log_is_writer)
        (void)log_flush(LOG_ABORT_MS); /* as much as there is time for */
}

/* Signals are others' business. */
static int
log_start_thread(struct log_writer *w)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* valid arguments cannot fail */
    int rc = pthread_create(&log_state.thread, NULL, log_writer_main, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        (void)pthread_setname_np(log_state.thread, "log"); /* for top and gdb only */
    return rc;
}

/* Remember what log_reopen needs. fail: ERR_NOMEM */
static enum err
log_remember(const struct log_cfg *cfg)
{
    char *file = NULL;
    if (cfg->file != NULL && (file = strdup(cfg->file)) == NULL)
        return ERR_NOMEM;
    free(log_state.file);
    log_state.file = file;
    log_state.size_limit = cfg->size_limit;
    log_state.n_files = cfg->n_files;
    return OK;
}

static void
log_set(const struct log_cfg *cfg, bool colour)
{
    atomic_store(&log_state.no_time, cfg->no_time);
    atomic_store(&log_state.utc, cfg->utc);
    atomic_store(&log_state.colour, colour);
    atomic_store(&log_debug_on, cfg->debug);
    atomic_store(&log_trace_on, cfg->trace);
}

static bool
log_has_colour(const struct log_sink *s)
{
    return s->kind == LOG_SINK_STDERR && isatty(s->fd) == 1;
}

enum err
log_start_on(struct log_sink *sink, const struct log_cfg *cfg)
{
    ASSERT(!log_state.has_writer);
    struct log_writer *w = fault_calloc(1, sizeof *w);
    if (w == NULL || log_queue_init(&log_state.shared, LOG_QUEUE_LEN) != OK || log_remember(cfg) != OK)
        goto fail;
    w->sink = sink;
    log_state.writer = w;
    log_state.pid = (int)getpid();
    log_set(cfg, log_has_colour(sink));
    atomic_store(&log_state.stop, false);
    if (log_start_thread(w) != 0) /* no memory, or too many threads */
        goto fail;
    log_state.has_writer = true;
    atomic_store_explicit(&log_state.running, true, memory_order_release); /* L1 */
    assert_on_failure(log_on_abort);
    return OK;
fail:
    log_queue_fini(&log_state.shared);
    free(w);
    return ERR_NOMEM;
}

enum err
log_start(const struct log_cfg *cfg)
{
    struct log_sink *sink;
    char why[LOG_WHY_MAX];
    enum err e = log_sink_new(cfg, &sink, why);
    if (e != OK)
        return e;
    e = log_start_on(sink, cfg);
    if (e != OK)
        log_sink_free(sink);
    return e;
}

/* Hand a sink to the writer. */
static void
log_switch(struct log_sink *sink)
{
    log_sink_free(atomic_exchange(&log_state.sink_new, sink)); /* of a call just before, which the writer has not seen */
    log_wake();
}

enum err
log_reconfigure(struct log_sink *sink, const struct log_cfg *cfg)
{
    ASSERT(log_state.has_writer);
    enum err e = log_remember(cfg);
    if (e != OK)
        return e;
    log_set(cfg, sink != NULL ? log_has_colour(sink) : atomic_load(&log_state.colour));
    if (sink != NULL)
        log_switch(sink);
    return OK;
}

void
log_stop(void)
{
    if (!log_state.has_writer)
        return;
    assert_on_failure(NULL);
    atomic_store(&log_state.running, false);
    atomic_store(&log_state.stop, true);
    log_wake();
    struct timespec until;
    ASSERT(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += LOG_JOIN_S;
    if (pthread_timedjoin_np(log_state.thread, NULL, &until) != 0) {
        /* The kernel holds it in a write that poll had promised not to wait. It keeps its memory, and ends with us. */
        (void)pthread_detach(log_state.thread);
        return;
    }
    (void)pthread_mutex_lock(&log_state.lock);
    log_state.has_writer = false; /* queues that are left are released by their threads */
    (void)pthread_mutex_lock(&log_state.shared_lock);
    atomic_fetch_add(&log_state.n_lost, atomic_exchange(&log_state.shared.n_dropped, 0));
    log_queue_fini(&log_state.shared);
    (void)pthread_mutex_unlock(&log_state.shared_lock);
    (void)pthread_mutex_unlock(&log_state.lock);
    log_sink_free(atomic_exchange(&log_state.sink_new, NULL));
    free(log_state.writer);
    log_state.writer = NULL;
    free(log_state.file);
    log_state.file = NULL;
}

void
log_reopen(void)
{
    if (!atomic_load(&log_state.running) || log_state.file == NULL) {
        log_inf("File log re-open ignored, not a file logger");
        return;
    }
    const struct log_cfg cfg = {.file = log_state.file, .size_limit = log_state.size_limit, .n_files = log_state.n_files};
    struct log_sink *sink;
    char why[LOG_WHY_MAX];
    enum err e = log_sink_new(&cfg, &sink, why);
    if (e != OK) {
        log_err("Cannot re-open log file %s: %s; still writing to the one that is open", log_state.file, err_text(e));
        return;
    }
    log_switch(sink);
    log_inf("File log re-opened"); /* into the new one: the writer looks for that first */
}

bool
log_flush(uint32_t timeout_ms)
{
    if (!atomic_load(&log_state.running))
        return true;
    uint64_t asked = atomic_fetch_add(&log_state.flush_asked, 1) + 1;
    log_wake();
    int64_t deadline_ns = log_clock(CLOCK_MONOTONIC) + timeout_ms * NS_PER_MS;
    while (atomic_load(&log_state.flush_done) < asked) {
        if (log_clock(CLOCK_MONOTONIC) >= deadline_ns)
            return false;
        log_sleep_ms(LOG_WAIT_MS);
    }
    return true;
}
