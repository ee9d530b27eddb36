#include "core/rt/log_sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/addr.h"
#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/file.h"
#include "core/rt/util.h"

enum {
    LOG_FACILITY_DAEMON = 3,
    LOG_STAMP_LEN = 29,     /* "2026.11.28.15.50.01.633029518" */
    LOG_FRAME_MAX = 256,    /* priority, time, host, program */
    LOG_PORT_MAX = 65535,
    LOG_HOST_MAX = 256,
};

static int64_t
log_sink_now_ns(void)
{
    struct timespec ts;
    ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* ---- files ---- */

static int
log_sink_open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

/* What kind of file s->fd is, and how long it is already. */
static void
log_sink_stat(struct log_sink *s)
{
    struct stat st;
    s->is_file = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
    s->size = s->is_file ? (uint64_t)st.st_size : 0;
}

static enum err
log_sink_init_file(struct log_sink *s, const struct log_cfg *cfg, char ret_why[LOG_WHY_MAX])
{
    char text[128];

    s->path = strdup(cfg->file);
    if (s->path == NULL)
        return ERR_NOMEM;
    s->fd = log_sink_open_file(s->path);
    if (s->fd < 0) {
        int errnum = errno;
        (void)snprintf(ret_why, LOG_WHY_MAX, "error opening file: open %s: %s", s->path, file_errno_text(errnum, text, sizeof(text)));
        return err_from_errno(errnum);
    }
    log_sink_stat(s);
    s->limit = s->limit_now = s->is_file ? cfg->size_limit : 0; /* nobody renames a device */
    s->n_files = cfg->n_files;
    return OK;
}

/* "FILE.2026.11.28.15.50.01.633029518". own: free; NULL: no memory */
static char *
log_sink_backup_name(const char *path)
{
    struct timespec ts;
    struct tm tm;
    char stamp[32];
    size_t cap = strlen(path) + 1 + LOG_STAMP_LEN + 1;
    char *name = malloc(cap);

    ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    if (name == NULL || localtime_r(&ts.tv_sec, &tm) == NULL || strftime(stamp, sizeof(stamp), "%Y.%m.%d.%H.%M.%S", &tm) == 0) {
        free(name);
        return NULL;
    }
    (void)snprintf(name, cap, "%s.%s.%09ld", path, stamp, ts.tv_nsec);
    return name;
}

/* Whether name is base, a dot and such a time. */
static bool
log_sink_is_backup(const char *name, const char *base, size_t base_len)
{
    static const char digits[] = "0123456789", pattern[] = "dddd.dd.dd.dd.dd.dd.ddddddddd";

    if (strncmp(name, base, base_len) != 0 || name[base_len] != '.' || strlen(name) != base_len + 1 + LOG_STAMP_LEN)
        return false;
    for (size_t i = 0; i < LOG_STAMP_LEN; i++) {
        char c = name[base_len + 1 + i];
        if (pattern[i] == '.' ? c != '.' : strchr(digits, c) == NULL)
            return false;
    }
    return true;
}

static int
log_sink_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all backups, oldest first. own: each and the list, by free. */
static size_t
log_sink_backups(DIR *dir, const char *base, char ***ret)
{
    size_t n = 0, cap = 0, base_len = strlen(base);
    char **names = NULL;

    for (struct dirent *d; n < LOG_BACKUPS_MAX && (d = readdir(dir)) != NULL;) {
        if (!log_sink_is_backup(d->d_name, base, base_len))
            continue;
        if (n == cap) {
            cap = cap == 0 ? 64 : 2 * cap;
            char **more = realloc(names, cap * sizeof(*names));
            if (more == NULL)
                break; /* next time */
            names = more;
        }
        if ((names[n] = strdup(d->d_name)) == NULL)
            break;
        n++;
    }
    if (n > 0)
        qsort(names, n, sizeof(*names), log_sink_cmp);
    *ret = names;
    return n;
}

static void
log_sink_purge(struct log_sink *s, log_say_fn *say, void *arg)
{
    const char *slash = strrchr(s->path, '/'), *base = slash != NULL ? slash + 1 : s->path;
    char **names, *dir_name = slash != NULL ? strndup(s->path, (size_t)(slash - s->path) + 1) : strdup(".");
    DIR *dir = dir_name != NULL ? opendir(dir_name) : NULL;

    free(dir_name);
    if (dir == NULL) {
        say(arg, LOG_ERR, "Unable to read the folder of log file %s; old ones stay", s->path);
        return;
    }
    size_t n = log_sink_backups(dir, base, &names), keep = s->n_files - 1;
    for (size_t i = 0; i < n; i++) {
        if (i + keep < n) {
            char text[128];
            if (unlinkat(dirfd(dir), names[i], 0) == 0)
                say(arg, LOG_INF, "Purged log file \"%s\"", names[i]);
            else
                say(arg, LOG_ERR, "Unable to remove log file \"%s\": %s", names[i], file_errno_text(errno, text, sizeof(text)));
        }
        free(names[i]);
    }
    free(names);
    (void)closedir(dir); /* only read */
}

void
log_sink_rotate(struct log_sink *s, log_say_fn *say, void *arg)
{
    char text[128], *name = log_sink_backup_name(s->path);

    ASSERT(s->kind == LOG_SINK_FILE);
    if (name == NULL || rename(s->path, name) != 0) {
        s->limit_now = s->size + s->limit; /* not again at once */
        say(arg, LOG_ERR, "Unable to rotate log file %s: %s; it may grow to %llu bytes", s->path, file_errno_text(errno, text, sizeof(text)),
            (unsigned long long)s->limit_now);
        free(name);
        return;
    }
    int fd = log_sink_open_file(s->path), errnum = errno;
    (void)close(s->fd); /* what it reports late is lost either way */
    s->fd = fd;
    s->limit_now = s->limit;
    if (fd < 0) {
        s->kind = LOG_SINK_STDERR;
        s->fd = STDERR_FILENO;
        s->limit = 0;
        log_sink_stat(s);
        say(arg, LOG_ERR, "Unable to open log file %s after rotation: %s; logging to stderr", s->path, file_errno_text(errnum, text, sizeof(text)));
    } else {
        log_sink_stat(s);
        say(arg, LOG_INF, "Rotated log, backup saved as \"%s\"", name);
        if (s->n_files > 0)
            log_sink_purge(s, say, arg);
    }
    free(name);
}

/* ---- syslog ---- */

/* A socket that is connected, or will be within LOG_CONNECT_MS. -1: errno says why. */
static int
log_sink_dial(const struct log_sink *s, int type)
{
    int fd = socket(s->to.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), errnum = 0;
    socklen_t len = sizeof(errnum);

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&s->to, s->to_len) == 0)
        return fd;
    errnum = errno;
    if (errnum == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, LOG_CONNECT_MS) <= 0)
            errnum = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
            errnum = errno;
    }
    if (errnum == 0)
        return fd;
    (void)close(fd);
    errno = errnum;
    return -1;
}

static void
log_sink_set_unix(struct log_sink *s, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&s->to;

    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(un->sun_path, sizeof(un->sun_path), "%s", path); /* a longer one is not found */
    s->to_len = sizeof(*un);
}

static bool
log_sink_connect(struct log_sink *s)
{
    s->fd = log_sink_dial(s, s->type);
    return s->fd >= 0;
}

/* The places where a local syslog may listen. */
static enum err
log_sink_init_local(struct log_sink *s, const struct log_cfg *cfg, char ret_why[LOG_WHY_MAX])
{
    static const char *const paths[] = {"/dev/log", "/var/run/syslog", "/var/run/log"};
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

    s->facility = LOG_FACILITY_DAEMON;
    for (size_t t = 0; t < N_ELEMS(types); t++) {
        for (size_t i = 0; i < N_ELEMS(paths); i++) {
            log_sink_set_unix(s, cfg->syslog_path != NULL ? cfg->syslog_path : paths[i]);
            s->type = types[t];
            if (log_sink_connect(s))
                return OK;
        }
    }
    (void)snprintf(ret_why, LOG_WHY_MAX, "error connecting to syslog: \"Unix syslog delivery error\"");
    return ERR_NOENT;
}

/* "host:port", "[v6]:port" into s->to. */
static enum err
log_sink_resolve(struct log_sink *s, const char *scheme, const char *where, char ret_why[LOG_WHY_MAX])
{
    const char *colon = strrchr(where, ':');
    char host[LOG_HOST_MAX], *end;
    unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;

    if (colon == NULL || end == colon + 1 || *end != '\0' || port > LOG_PORT_MAX || colon - where >= LOG_HOST_MAX) {
        (void)snprintf(ret_why, LOG_WHY_MAX, "error connecting to syslog: \"dial %s: address %.200s: missing port in address\"", scheme, where);
        return ERR_ADDR;
    }
    bool brackets = where[0] == '[' && colon > where + 1 && colon[-1] == ']';
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - where) - (brackets ? 2 : 0), where + (brackets ? 1 : 0));
    enum err e = addr_resolve(host[0] != '\0' ? host : "127.0.0.1", (uint16_t)port, &s->to, &s->to_len);
    if (e != OK)
        (void)snprintf(ret_why, LOG_WHY_MAX, "error connecting to syslog: \"dial %s: lookup %s: no such host\"", scheme, host);
    return e;
}

static enum err
log_sink_init_remote(struct log_sink *s, const char *url, char ret_why[LOG_WHY_MAX])
{
    const char *sep = strstr(url, "://"), *where = sep != NULL ? sep + 3 : "";
    char scheme[16] = "", text[128];

    if (sep != NULL)
        (void)snprintf(scheme, sizeof(scheme), "%.*s", (int)(sep - url), url);
    bool udp = strcmp(scheme, "udp") == 0, tcp = strcmp(scheme, "tcp") == 0;
    if (!udp && !tcp && strcmp(scheme, "unix") != 0) {
        (void)snprintf(ret_why, LOG_WHY_MAX, "error invalid network type: \"%s\"", scheme);
        return ERR_INVAL;
    }
    s->rfc3339 = udp || tcp;
    s->type = udp ? SOCK_DGRAM : SOCK_STREAM;
    if (gethostname(s->host, sizeof(s->host) - 1) != 0)
        (void)snprintf(s->host, sizeof(s->host), "localhost");
    if (udp || tcp) {
        enum err e = log_sink_resolve(s, scheme, where, ret_why);
        if (e != OK)
            return e;
    } else {
        log_sink_set_unix(s, where);
    }
    if (log_sink_connect(s))
        return OK;
    int errnum = errno;
    (void)snprintf(ret_why, LOG_WHY_MAX, "error connecting to syslog: \"dial %s %s: connect: %s\"", scheme, where,
                   file_errno_text(errnum, text, sizeof(text)));
    return err_from_errno(errnum);
}

/* Priority, time and program into to. Returns its length. */
static size_t
log_sink_frame(const struct log_sink *s, enum log_level level, int64_t time_ns, char to[LOG_FRAME_MAX])
{
    static const uint8_t severity[LOG_LEVELS] = {
        [LOG_FTL] = 2, [LOG_ERR] = 3, [LOG_WRN] = 4, [LOG_INF] = 5, [LOG_DBG] = 7, [LOG_TRC] = 5};
    time_t t = (time_t)(time_ns / NS_PER_S);
    struct tm tm = {0};
    char when[40], zone[8] = "Z";

    (void)localtime_r(&t, &tm); /* a year beyond all calendars is shown as none */
    if (strftime(when, sizeof(when), s->rfc3339 ? "%Y-%m-%dT%H:%M:%S" : "%b %e %H:%M:%S", &tm) == 0)
        when[0] = '\0';
    long off = tm.tm_gmtoff / 60;
    if (off != 0)
        (void)snprintf(zone, sizeof(zone), "%c%02ld:%02ld", off < 0 ? '-' : '+', labs(off) / 60 % 100, labs(off) % 60);
    int n = snprintf(to, LOG_FRAME_MAX, "<%u>%s%s%s%s %s[%d]: ", s->facility << 3 | severity[level], when, s->rfc3339 ? zone : "",
                     s->rfc3339 ? " " : "", s->rfc3339 ? s->host : "", program_invocation_short_name, (int)getpid());
    return n < 0 ? 0 : (size_t)min_u64((uint64_t)n, LOG_FRAME_MAX - 1);
}

/* All of it, waiting where it must. False: the socket is of no use any more, or nobody waits any longer. */
static bool
log_sink_push(struct log_sink *s, const char *bytes, size_t len, log_wait_fn *wait, void *arg)
{
    bool again = s->type == SOCK_DGRAM; /* what a datagram before has met is told to the next one, once */

    while (len > 0) {
        ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            if (!wait(arg, s->fd))
                return false;
        } else if (errno == ECONNREFUSED && s->rfc3339 && again) {
            again = false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool
log_sink_send(struct log_sink *s, enum log_level level, int64_t time_ns, const char *text, uint32_t len, log_wait_fn *wait, void *arg)
{
    char msg[LOG_FRAME_MAX + LOG_LINE_LEN + 1];
    size_t n = log_sink_frame(s, level, time_ns, msg);

    ASSERT(len <= LOG_LINE_LEN);
    memcpy(msg + n, text, len);
    n += len;
    msg[n++] = '\n';
    for (int i = 0; i < 2; i++) {
        if (s->fd < 0) {
            if (log_sink_now_ns() < s->retry_ns)
                return false;
            if (!log_sink_connect(s)) {
                s->retry_ns = log_sink_now_ns() + LOG_RETRY_MS * NS_PER_MS;
                return false;
            }
        }
        if (log_sink_push(s, msg, n, wait, arg))
            return true;
        (void)close(s->fd); /* what was not sent on it goes to the next one, or to stderr */
        s->fd = -1;
    }
    return false;
}

/* ---- both ---- */

enum err
log_sink_new(const struct log_cfg *cfg, struct log_sink **ret, char ret_why[LOG_WHY_MAX])
{
    enum err e = OK;
    struct log_sink *s = fault_calloc(1, sizeof(*s));

    (void)snprintf(ret_why, LOG_WHY_MAX, "error opening the log: %s", err_text(ERR_NOMEM));
    if (s == NULL)
        return ERR_NOMEM;
    s->fd = -1;
    if (cfg->file != NULL) {
        s->kind = LOG_SINK_FILE;
        e = log_sink_init_file(s, cfg, ret_why);
    } else if (cfg->remote_syslog != NULL || cfg->syslog) {
        s->kind = LOG_SINK_SYSLOG;
        e = cfg->remote_syslog != NULL ? log_sink_init_remote(s, cfg->remote_syslog, ret_why) : log_sink_init_local(s, cfg, ret_why);
    } else {
        s->kind = LOG_SINK_STDERR;
        s->fd = STDERR_FILENO;
        log_sink_stat(s);
    }
    if (e != OK) {
        log_sink_free(s);
        return e;
    }
    *ret = s;
    return OK;
}

void
log_sink_free(struct log_sink *s)
{
    if (s == NULL)
        return;
    if (s->kind != LOG_SINK_STDERR && s->fd >= 0)
        (void)close(s->fd); /* what it reports late is lost either way */
    free(s->path);
    free(s);
}
