/* Tests of log.h. What logs runs in a child process whose stderr is a pipe to the test. */
#include "core/rt/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/assert.h"
#include "core/rt/fault.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

/* Inside a child cmocka's asserts mean nothing: leave with a code that the parent does not expect. */
#define CHILD_CHECK(fact)  \
    do {                   \
        if (!(fact))       \
            _exit(77);     \
    } while (0)

struct test_child {
    pid_t pid;
    int out;  /* its stderr */
    int tell; /* closing it tells the child to go on */
};

static void
test_child_start(struct test_child *c, void (*fn)(int told, const void *arg), const void *arg)
{
    int out[2], tell[2];
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(tell), 0);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)alarm(60); /* a hang must not outlive the test */
        (void)close(out[0]);
        (void)close(tell[1]);
        CHILD_CHECK(dup2(out[1], STDERR_FILENO) == STDERR_FILENO);
        (void)close(out[1]);
        fn(tell[0], arg);
        _exit(0);
    }
    (void)close(out[1]);
    (void)close(tell[0]);
    c->out = out[0];
    c->tell = tell[1];
}

/* Read the child's stderr to its end; wait for the child. own: free */
static char *
test_child_end(struct test_child *c, int *ret_status, size_t *ret_len)
{
    size_t len = 0, cap = 1 << 16;
    char *text = malloc(cap);
    if (c->tell >= 0)
        (void)close(c->tell);
    for (;;) {
        assert_non_null(text);
        ssize_t n = read(c->out, text + len, cap - len - 1);
        assert_true(n >= 0);
        if (n == 0)
            break;
        len += (size_t)n;
        if (cap - len < 4096) {
            cap *= 2;
            text = realloc(text, cap);
        }
    }
    (void)close(c->out);
    text[len] = '\0';
    if (ret_len != NULL)
        *ret_len = len;
    assert_int_equal(waitpid(c->pid, ret_status, 0), c->pid);
    return text;
}

/* Run fn in a child to its end. own: free */
static char *
test_run(void (*fn)(int told, const void *arg), const void *arg, pid_t *ret_pid)
{
    struct test_child c;
    int status;
    test_child_start(&c, fn, arg);
    if (ret_pid != NULL)
        *ret_pid = c.pid;
    char *text = test_child_end(&c, &status, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status %x; it said: %s", (unsigned)status, text);
    return text;
}

static char *
test_file(void)
{
    static char path[300];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/midge-log-%d", tmp != NULL ? tmp : "/tmp", (int)getpid());
    (void)unlink(path); /* of an earlier run */
    return path;
}

static char *
test_read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t n_read = fread(text, 1, (1 << 20) - 1, f);
    assert_false(ferror(f)); /* an empty file is a fine answer */
    text[n_read] = '\0';
    (void)fclose(f);
    return text;
}

/* ---- the format ---- */

static void
test_all_levels(int told, const void *arg)
{
    (void)told;
    const struct log_cfg *cfg = arg;
    CHILD_CHECK(cfg == NULL || log_start(cfg) == OK);
    log_line(LOG_FTL, "fatal %d", 1);
    log_err("error");
    log_wrn("warning");
    log_inf("information with %% and %s", "a string");
    log_dbg("debug");
    log_trc("trace");
    log_stop();
}

/* Is line "[PID] 2026/11/24 03:26:30.123456 [LVL] text", the time between two moments of the wall clock? */
static void
test_expect_line(char **at, pid_t pid, const char *level, const char *text, time_t from, bool utc)
{
    char *line = *at, *end = strchr(line, '\n'), expect[300];
    assert_non_null(end);
    *end = '\0';
    *at = end + 1;
    struct tm tm = {.tm_isdst = -1};
    int line_pid, n = 0;
    unsigned us;
    assert_int_equal(sscanf(line, "[%d] %d/%d/%d %d:%d:%d.%6u %n", &line_pid, &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                            &tm.tm_sec, &us, &n), 8);
    assert_int_equal(line_pid, pid);
    assert_int_equal(strspn(line + n - 27, "0123456789/ :."), 27); /* every field has its width, zeros in front */
    assert_int_equal(line[n - 28], ' ');
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t when = utc ? timegm(&tm) : mktime(&tm);
    assert_true(when >= from && when <= time(NULL));
    (void)snprintf(expect, sizeof expect, "[%s] %s", level, text);
    assert_string_equal(line + n, expect);
}

/* The lines are nats-server's, character for character: before log_start, and with each setting of the time, in a zone with an
 * odd offset. DBG and TRC come only when asked for. */
static void
lines_have_nats_server_s_format(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "XYZ-5:45", 1), 0);
    tzset();
    const struct log_cfg cfgs[] = {{0}, {.debug = true}, {.trace = true, .utc = true}, {.debug = true, .trace = true}};
    for (uint32_t k = 0; k <= N_ELEMS(cfgs); k++) {
        const struct log_cfg *cfg = k == 0 ? NULL : &cfgs[k - 1];
        pid_t pid;
        time_t from = time(NULL);
        bool utc = cfg != NULL && cfg->utc;
        char *text = test_run(test_all_levels, cfg, &pid), *at = text;
        test_expect_line(&at, pid, "FTL", "fatal 1", from, utc);
        test_expect_line(&at, pid, "ERR", "error", from, utc);
        test_expect_line(&at, pid, "WRN", "warning", from, utc);
        test_expect_line(&at, pid, "INF", "information with % and a string", from, utc);
        if (cfg != NULL && cfg->debug)
            test_expect_line(&at, pid, "DBG", "debug", from, utc);
        if (cfg != NULL && cfg->trace)
            test_expect_line(&at, pid, "TRC", "trace", from, utc);
        assert_string_equal(at, "");
        free(text);
    }
}

static void
without_time_the_date_is_left_out(void **state)
{
    (void)state;
    const struct log_cfg cfg = {.no_time = true};
    pid_t pid;
    char *text = test_run(test_all_levels, &cfg, &pid), expect[300];
    (void)snprintf(expect, sizeof expect, "[%d] [FTL] fatal 1\n[%d] [ERR] error\n[%d] [WRN] warning\n[%d] [INF] information with %% and a string\n",
                   pid, pid, pid, pid);
    assert_string_equal(text, expect);
    free(text);
}

static void
test_on_terminal(int told, const void *arg)
{
    (void)told;
    int fd = open(arg, O_WRONLY | O_NOCTTY);
    CHILD_CHECK(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    const struct log_cfg cfg = {.debug = true, .trace = true, .no_time = true};
    test_all_levels(-1, &cfg);
}

/* On a terminal the level has the colour that nats-server gives it. */
static void
a_terminal_sees_colours(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0)
        skip(); /* a sandbox without terminals */
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    pid_t pid;
    free(test_run(test_on_terminal, ptsname(terminal), &pid));
    char text[2000] = "", expect[1000];
    size_t len = 0;
    ssize_t n;
    while ((n = read(terminal, text + len, sizeof text - 1 - len)) > 0) /* to the end: an error, on a terminal */
        len += (size_t)n;
    (void)snprintf(expect, sizeof expect, "[%d] [\033[31mFTL\033[0m] fatal 1\r\n[%d] [\033[31mERR\033[0m] error\r\n[%d] [\033[0;93mWRN\033[0m] warning\r\n"
                   "[%d] [\033[32mINF\033[0m] information with %% and a string\r\n[%d] [\033[36mDBG\033[0m] debug\r\n[%d] [\033[33mTRC\033[0m] trace\r\n",
                   pid, pid, pid, pid, pid, pid);
    assert_string_equal(text, expect);
    (void)close(terminal);
}

static void
test_long_lines(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    char *text = malloc(100000);
    CHILD_CHECK(text != NULL && log_start(&cfg) == OK);
    char head[64];
    size_t head_len = (size_t)snprintf(head, sizeof head, "[%d] [INF] ", (int)getpid());
    const size_t lens[] = {LOG_LINE_LEN - head_len - 2, LOG_LINE_LEN - head_len - 1, LOG_LINE_LEN - head_len, 99999};
    for (uint32_t k = 0; k < N_ELEMS(lens); k++) {
        memset(text, 'x', lens[k]);
        text[lens[k]] = '\0';
        log_inf("%s", text);
    }
    log_stop();
    free(text);
}

/* The longest line that fits comes whole, a longer one is cut and says so. */
static void
long_lines_are_cut(void **state)
{
    (void)state;
    char *text = test_run(test_long_lines, NULL, NULL), *at = text;
    for (uint32_t k = 0; k < 4; k++) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_int_equal(end - at, k == 0 ? LOG_LINE_LEN - 2 : LOG_LINE_LEN - 1);
        assert_int_equal(memcmp(end - 3, k < 2 ? "xxx" : "...", 3), 0);
        at = end + 1;
    }
    assert_string_equal(at, "");
    free(text);
}

/* ---- quoting ---- */

static void
a45_what_peers_wrote_is_quoted(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len, cap;
        const char *text;
    } cases[] = {
        {"plain text", 10, 100, "plain text"},
        {"", 0, 1, ""},
        {"a\r\nb\tc", 6, 100, "a\\r\\nb\\tc"},
        {"x\0y", 3, 100, "x\\x00y"},
        {"\x1b[31m\x7f\xff", 7, 100, "\\x1b[31m\\x7f\\xff"},
        {"back\\slash \"quoted\"", 19, 100, "back\\\\slash \"quoted\""},
        {"n r t", 5, 100, "n r t"},
        {"[1] 2026/01/01 [INF] ok\n[1] forged", 34, 100, "[1] 2026/01/01 [INF] ok\\n[1] forged"},
        {"0123456789", 10, 11, "0123456789"},
        {"0123456789", 10, 10, "012345..."},
        {"01234\n6789", 10, 10, "01234..."},
        {"0123456789", 10, 4, "..."},
        {"0123456789", 10, 3, ".."},
        {"0123456789", 10, 1, ""},
        {"\n\n\n", 3, 7, "\\n\\n\\n"},
        {"\n\n\n", 3, 6, "\\n..."},
    };
    for (uint32_t k = 0; k < N_ELEMS(cases); k++) {
        char to[128];
        memset(to, '!', sizeof to);
        assert_ptr_equal(log_quote(to, cases[k].cap, cases[k].bytes, cases[k].len), to);
        assert_string_equal(to, cases[k].text);
        assert_int_equal(to[cases[k].cap], '!');
    }
}

/* Whatever the bytes and the room: the text is printable ASCII, fits, and tells different bytes apart if it is whole. */
static void
quoted_text_is_printable_and_fits(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 8);
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t bytes[40];
        char to[200];
        size_t len = (size_t)rng_below(&rng, sizeof bytes), cap = (size_t)rng_below(&rng, sizeof to) + 1, at = 0;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        (void)log_quote(to, cap, bytes, len);
        size_t n = strlen(to);
        assert_true(n < cap);
        for (size_t i = 0; i < n; i++)
            assert_true(to[i] >= ' ' && to[i] < 0x7f);
        if (n + 4 >= cap)
            continue; /* it may be cut */
        for (size_t i = 0; i < len; i++, at++) { /* read it back */
            unsigned c = (unsigned char)to[at];
            if (c == '\\') {
                at++;
                c = to[at] == 'n' ? '\n' : to[at] == 'r' ? '\r' : to[at] == 't' ? '\t' : '\\';
                if (to[at] == 'x') {
                    assert_int_equal(sscanf(to + at + 1, "%2x", &c), 1);
                    at += 2;
                }
            }
            assert_int_equal(c, bytes[i]);
        }
        assert_int_equal(at, n);
    }
}

/* ---- files ---- */

static void
test_log_to_file(int told, const void *arg)
{
    (void)told;
    const struct log_cfg cfg = {.file = arg, .no_time = true};
    (void)umask(0);
    CHILD_CHECK(log_start(&cfg) == OK);
    log_inf("one");
    CHILD_CHECK(log_flush(10000));
    char moved[320];
    (void)snprintf(moved, sizeof moved, "%s.1", cfg.file);
    CHILD_CHECK(rename(cfg.file, moved) == 0);
    log_inf("two"); /* still to where the file went */
    CHILD_CHECK(log_flush(10000));
    log_reopen();
    log_inf("three");
    log_stop();
    log_inf("four"); /* to stderr */
    CHILD_CHECK(log_start(&cfg) == OK);
    log_inf("five"); /* appended */
    log_stop();
}

/* A log file is made with mode 0640 and appended to; after a reopen the lines go to a new file of that name. */
static void
log_files_are_appended_to_and_reopened(void **state)
{
    (void)state;
    char *path = test_file(), moved[320], expect[500];
    pid_t pid;
    char *text = test_run(test_log_to_file, path, &pid);
    (void)snprintf(expect, sizeof expect, "[%d] [INF] four\n", pid);
    assert_string_equal(text, expect);
    free(text);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    text = test_read_file(path);
    (void)snprintf(expect, sizeof expect, "[%d] [INF] File log re-opened\n[%d] [INF] three\n[%d] [INF] five\n", pid, pid, pid);
    assert_string_equal(text, expect);
    free(text);
    (void)snprintf(moved, sizeof moved, "%s.1", path);
    text = test_read_file(moved);
    (void)snprintf(expect, sizeof expect, "[%d] [INF] one\n[%d] [INF] two\n", pid, pid);
    assert_string_equal(text, expect);
    free(text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(moved), 0);
}

static void
test_failed_reopen(int told, const void *arg)
{
    (void)told;
    char *dir = strdup(arg), path[320];
    CHILD_CHECK(dir != NULL && mkdir(dir, 0700) == 0);
    (void)snprintf(path, sizeof path, "%s/log", dir);
    const struct log_cfg cfg = {.file = path, .no_time = true};
    CHILD_CHECK(log_start(&cfg) == OK);
    int fd = open(path, O_RDONLY);
    CHILD_CHECK(fd >= 0 && unlink(path) == 0 && rmdir(dir) == 0);
    log_reopen();
    log_stop();
    char text[1000] = "";
    CHILD_CHECK(read(fd, text, sizeof text - 1) > 0);
    CHILD_CHECK(strstr(text, "Cannot re-open log file") != NULL && strstr(text, "there is no such thing") != NULL);
    free(dir);
}

/* A reopen that fails says so, in the file that is still open; without a file it says that it was ignored. */
static void
test_reopen_stderr(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    CHILD_CHECK(log_start(&cfg) == OK);
    log_reopen();
    log_stop();
}

static void
a_reopen_that_cannot_be_says_so(void **state)
{
    (void)state;
    char *text = test_run(test_failed_reopen, test_file(), NULL);
    assert_string_equal(text, "");
    free(text);
    text = test_run(test_reopen_stderr, NULL, NULL);
    assert_non_null(strstr(text, "[INF] File log re-open ignored, not a file logger\n"));
    free(text);
}

static void
a_file_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    const struct log_cfg none = {.file = "/nonexistent/dir/log"}, dir = {.file = "/"};
    assert_int_equal(log_start(&none), ERR_NOENT);
    assert_int_equal(log_start(&dir), ERR_IO); /* EISDIR has no row of its own */
    log_stop(); /* nothing */
}

/* ---- readers that do not read, ends, and threads ---- */

enum { TEST_FLOOD = 50000 };

static void
test_flood(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    CHILD_CHECK(log_start(&cfg) == OK && log_attach(0) == OK);
    for (uint32_t i = 0; i < TEST_FLOOD; i++)
        log_inf("line %u", i);
    CHILD_CHECK(log_n_dropped() > 0);
    CHILD_CHECK(raise(SIGSTOP) == 0); /* the parent sees it, and reads from here on */
    CHILD_CHECK(log_flush(30000));
    log_inf("after"); /* comes behind the note */
    log_inf("end %llu", (unsigned long long)log_n_dropped());
    log_detach();
    log_stop();
}

/* Nobody reads stderr while 50,000 lines are logged: the caller is not held up. When the reader comes back it gets
 * what the queue could hold, in order, and in each gap the number of lines dropped there: together, all of them. */
static void
a_reader_that_stops_does_not_block_callers(void **state)
{
    (void)state;
    struct test_child c;
    int status;
    test_child_start(&c, test_flood, NULL);
    assert_int_equal(waitpid(c.pid, &status, WUNTRACED), c.pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(kill(c.pid, SIGCONT), 0);
    char *text = test_child_end(&c, &status, NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    unsigned long long next = 0, sum = 0, n;
    unsigned i;
    char *at = text;
    for (;; at = strchr(at, '\n') + 1) {
        if (sscanf(at, "[%*d] [INF] line %u\n", &i) == 1) {
            assert_int_equal(i, next);
            next++;
        } else if (sscanf(at, "[%*d] [WRN] %llu log lines dropped", &n) == 1) {
            next += n;
            sum += n;
        } else {
            break;
        }
    }
    assert_int_equal(next, TEST_FLOOD);
    assert_true(sum > 0 && TEST_FLOOD - sum > 1000);
    assert_int_equal(strncmp(strchr(at, ']'), "] [INF] after\n", 14), 0);
    at = strchr(at, '\n') + 1;
    assert_int_equal(sscanf(at, "[%*d] [INF] end %llu\n", &n), 1);
    assert_int_equal(n, sum);
    free(text);
}

static void
test_stop_stuck(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {0};
    CHILD_CHECK(log_start(&cfg) == OK);
    for (uint32_t i = 0; i < TEST_FLOOD; i++)
        log_inf("line %u", i);
    CHILD_CHECK(!log_flush(10));
    log_stop(); /* must come back */
    CHILD_CHECK(log_n_dropped() > 0);
}

/* log_stop with a reader that never reads gives up instead of holding the exit of the server. */
static void
stopping_does_not_wait_for_a_reader_that_never_reads(void **state)
{
    (void)state;
    struct test_child c;
    int status;
    test_child_start(&c, test_stop_stuck, NULL);
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid); /* without reading a byte */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(c.out);
    (void)close(c.tell);
}

static void
test_reader_gone(int told, const void *arg)
{
    (void)arg;
    char wait;
    (void)signal(SIGPIPE, SIG_DFL);
    const struct log_cfg cfg = {0};
    CHILD_CHECK(log_start(&cfg) == OK);
    CHILD_CHECK(read(told, &wait, 1) == 0);
    for (uint32_t i = 0; i < 1000; i++)
        log_inf("line %u", i);
    log_stop();
    CHILD_CHECK(log_n_dropped() == 1000);
}

/* The reader has closed its end: the lines are lost and counted, the server lives, and no signal kills the writer. */
static void
a_reader_that_is_gone_does_no_harm(void **state)
{
    (void)state;
    struct test_child c;
    int status;
    test_child_start(&c, test_reader_gone, NULL);
    (void)close(c.out);
    (void)close(c.tell);
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_then_assert(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    CHILD_CHECK(log_start(&cfg) == OK && log_attach(3) == OK);
    for (uint32_t i = 0; i < 500; i++)
        log_inf("line %u", i);
    ASSERT(told < 0);
}

/* When an assertion fails, the lines before it come out before its text. */
static void
an_assertion_lets_the_log_out_first(void **state)
{
    (void)state;
    struct test_child c;
    int status;
    test_child_start(&c, test_then_assert, NULL);
    char *text = test_child_end(&c, &status, NULL), *last = strstr(text, "line 499\n");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(last);
    assert_int_equal(strncmp(last + 9, "midge: ASSERT failed: told < 0 (test_then_assert, ", 50), 0);
    free(text);
}

static void
test_assert_stuck(int told, const void *arg)
{
    (void)arg;
    const struct log_cfg cfg = {0};
    CHILD_CHECK(log_start(&cfg) == OK);
    for (uint32_t i = 0; i < TEST_FLOOD; i++)
        log_inf("line %u", i);
    /* stderr is full, so the assertion's own text could wait for ever: that is the last write of a dying process to a
     * reader that does not read, and outside of what is shown here. */
    int null = open("/dev/null", O_WRONLY);
    CHILD_CHECK(null >= 0 && dup2(null, STDERR_FILENO) == STDERR_FILENO);
    ASSERT(told < 0);
}

/* ... but a reader that does not read does not keep the process from dying. */
static void
an_assertion_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct test_child c;
    int status;
    test_child_start(&c, test_assert_stuck, NULL);
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    (void)close(c.out);
    (void)close(c.tell);
}

enum { TEST_THREADS = 6, TEST_LINES = 4000 };

static void *
test_log_thread(void *arg)
{
    uint32_t id = *(const uint32_t *)arg;
    for (uint32_t i = 0; i < TEST_LINES; i++) {
        /* Thread 0 has no queue of its own; the others come and go. */
        if (id > 0 && i % 1000 == 0) {
            log_detach();
            CHILD_CHECK(log_attach(id) == OK);
        }
        log_inf("%u %u", id, i);
        if (i % 100 == 99)
            CHILD_CHECK(log_flush(30000)); /* else a slow machine would drop some */
    }
    log_detach();
    return NULL;
}

static void
test_log_threads(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    pthread_t threads[TEST_THREADS];
    uint32_t ids[TEST_THREADS];
    CHILD_CHECK(log_start(&cfg) == OK);
    for (uint32_t k = 0; k < TEST_THREADS; k++) {
        ids[k] = k;
        CHILD_CHECK(pthread_create(&threads[k], NULL, test_log_thread, &ids[k]) == 0);
    }
    for (uint32_t k = 0; k < TEST_THREADS; k++)
        CHILD_CHECK(pthread_join(threads[k], NULL) == 0);
    log_stop();
    CHILD_CHECK(log_n_dropped() == 0);
}

/* Threads with queues of their own, which come and go, and one without: every line arrives whole, each thread's in order. */
static void
lines_of_many_threads_arrive_whole(void **state)
{
    (void)state;
    char *text = test_run(test_log_threads, NULL, NULL), *at = text;
    uint32_t next[TEST_THREADS] = {0}, n = 0;
    unsigned id, i;
    int len;
    while (sscanf(at, "[%*d] [INF] %u %u%n", &id, &i, &len) == 2) {
        assert_true(id < TEST_THREADS);
        /* A thread that detached and attached again has two queues for a moment; the flushes keep them apart. */
        assert_int_equal(i, next[id]);
        next[id]++;
        n++;
        assert_int_equal(at[len], '\n');
        at += len + 1;
    }
    assert_string_equal(at, "");
    assert_int_equal(n, TEST_THREADS * TEST_LINES);
    free(text);
}

static void
test_stop_drains(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    for (uint32_t round = 0; round < 20; round++) {
        CHILD_CHECK(log_start(&cfg) == OK && log_attach(0) == OK);
        for (uint32_t i = 0; i < 100; i++)
            log_inf("%u", i);
        if (round % 2 == 0)
            log_detach();
        log_stop();
        log_inf("stopped");
        log_detach(); /* fine after, too */
    }
}

/* log_stop writes all that was queued, whether the threads detached before or not; later lines come at once. */
static void
stopping_writes_what_is_queued(void **state)
{
    (void)state;
    char *text = test_run(test_stop_drains, NULL, NULL), *at = text;
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            unsigned got;
            assert_int_equal(sscanf(at, "[%*d] [INF] %u", &got), 1);
            assert_int_equal(got, i);
            at = strchr(at, '\n') + 1;
        }
        assert_int_equal(strncmp(strchr(at, ']'), "] [INF] stopped\n", 16), 0);
        at = strchr(at, '\n') + 1;
    }
    assert_string_equal(at, "");
    free(text);
}

/* As many threads as there are places may attach; one more is refused, and still logs. */
static void *
test_attach_and_wait(void *arg)
{
    pthread_barrier_t *b = arg;
    CHILD_CHECK(log_attach(0) == OK);
    (void)pthread_barrier_wait(b);
    (void)pthread_barrier_wait(b);
    log_detach();
    return NULL;
}

static void
test_attach_many(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    pthread_barrier_t b;
    pthread_t threads[LOG_QUEUES_MAX];
    CHILD_CHECK(log_start(&cfg) == OK && pthread_barrier_init(&b, NULL, LOG_QUEUES_MAX + 1) == 0);
    for (uint32_t k = 0; k < LOG_QUEUES_MAX; k++)
        CHILD_CHECK(pthread_create(&threads[k], NULL, test_attach_and_wait, &b) == 0);
    (void)pthread_barrier_wait(&b);
    CHILD_CHECK(log_attach(0) == ERR_LIMIT);
    log_inf("refused, not silenced");
    (void)pthread_barrier_wait(&b);
    for (uint32_t k = 0; k < LOG_QUEUES_MAX; k++)
        CHILD_CHECK(pthread_join(threads[k], NULL) == 0);
    log_stop();
    CHILD_CHECK(log_attach(0) == OK); /* the places are free again */
    log_detach();
}

static void
attached_threads_are_bounded(void **state)
{
    (void)state;
    char *text = test_run(test_attach_many, NULL, NULL);
    assert_non_null(strstr(text, "[INF] refused, not silenced\n"));
    free(text);
}

static void
test_faults(int told, const void *arg)
{
    (void)told;
    (void)arg;
    const struct log_cfg cfg = {.no_time = true};
    for (int64_t n = 0;; n++) {
        fault_arm(n);
        enum err e = log_start(&cfg), ea = e == OK ? log_attach(0) : OK;
        bool hit = fault_disarm();
        CHILD_CHECK(hit == (e != OK || ea != OK));
        CHILD_CHECK(e == OK || e == ERR_NOMEM);
        CHILD_CHECK(ea == OK || ea == ERR_NOMEM);
        log_inf("try");
        log_detach();
        log_stop();
        if (!hit)
            break;
    }
    log_inf("done");
}

/* Each allocation of log_start and log_attach in turn fails: an error, and lines still come out. */
static void
without_memory_lines_still_come_out(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    char *text = test_run(test_faults, NULL, NULL);
    uint32_t n = 0;
    for (char *at = text; (at = strstr(at, "[INF] try\n")) != NULL; at++)
        n++;
    assert_true(n >= 4);
    assert_non_null(strstr(text, "[INF] done\n"));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_nats_server_s_format),
        cmocka_unit_test(without_time_the_date_is_left_out),
        cmocka_unit_test(a_terminal_sees_colours),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(a45_what_peers_wrote_is_quoted),
        cmocka_unit_test(quoted_text_is_printable_and_fits),
        cmocka_unit_test(log_files_are_appended_to_and_reopened),
        cmocka_unit_test(a_reopen_that_cannot_be_says_so),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_an_error),
        cmocka_unit_test(a_reader_that_stops_does_not_block_callers),
        cmocka_unit_test(stopping_does_not_wait_for_a_reader_that_never_reads),
        cmocka_unit_test(a_reader_that_is_gone_does_no_harm),
        cmocka_unit_test(an_assertion_lets_the_log_out_first),
        cmocka_unit_test(an_assertion_does_not_wait_for_ever),
        cmocka_unit_test(lines_of_many_threads_arrive_whole),
        cmocka_unit_test(stopping_writes_what_is_queued),
        cmocka_unit_test(attached_threads_are_bounded),
        cmocka_unit_test(without_memory_lines_still_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
