/* log_sink.h and log_reconfigure: files that are rotated, syslog of every kind, and changing between them while others log. What would go to
 * stderr is caught in a file. */
#include "core/rt/log_sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/util.h"

enum { TEXT_MAX = 1 << 20, PATIENCE_MS = 60000 };

static char dir[] = "/tmp/midge_log_XXXXXX";
static int stderr_saved, stderr_fd;

static const char *
in_dir(const char *name)
{
    static char path[32][300];
    static int i;
    char *to = path[i++ % 32];

    assert_true(snprintf(to, 300, "%s/%s", dir, name) < 300);
    return to;
}

/* A file's text. own: free */
static char *
text_of(const char *path)
{
    char *text = calloc(1, TEXT_MAX);
    FILE *f = fopen(path, "r");

    assert_non_null(text);
    assert_non_null(f);
    text[fread(text, 1, TEXT_MAX - 1, f)] = '\0';
    (void)fclose(f);
    return text;
}

/* The names in dir that begin so, sorted. */
static size_t
names(const char *prefix, char ret[][300], size_t max)
{
    struct dirent **list;
    size_t n = 0;
    int n_all = scandir(dir, &list, NULL, alphasort);

    assert_true(n_all >= 0);
    for (int i = 0; i < n_all; i++) {
        if (strncmp(list[i]->d_name, prefix, strlen(prefix)) == 0 && n < max)
            (void)snprintf(ret[n++], 300, "%s", list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return n;
}

static int
setup(void **state)
{
    (void)state;
    (void)strcpy(dir, "/tmp/midge_log_XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    stderr_saved = dup(STDERR_FILENO);
    stderr_fd = open(in_dir("stderr"), O_RDWR | O_CREAT | O_APPEND, 0600);
    return dup2(stderr_fd, STDERR_FILENO) == STDERR_FILENO ? 0 : -1;
}

static int
teardown(void **state)
{
    char all[64][300];
    size_t n = names("", all, 64);
    (void)state;

    (void)dup2(stderr_saved, STDERR_FILENO);
    (void)close(stderr_saved);
    (void)close(stderr_fd);
    (void)chmod(dir, 0700);
    for (size_t i = 0; i < n; i++)
        (void)unlink(in_dir(all[i]));
    return rmdir(dir);
}

static const char *
stderr_text(void)
{
    static char text[TEXT_MAX];
    ssize_t n = pread(stderr_fd, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

/* ---- rotation ---- */

/* Thirty lines of some 30 bytes in files of 200: each file passes the limit with its last line, nothing is lost, and each new one says where the
 * old one went. */
static void
a_file_above_its_limit_is_rotated(void **state)
{
    char all[16][300], want[100];
    const struct log_cfg cfg = {.file = in_dir("l"), .size_limit = 200, .no_time = true};
    uint32_t i_line = 0;
    (void)state;

    assert_int_equal(log_start(&cfg), OK);
    for (int i = 0; i < 30; i++) {
        log_inf("line %d of thirty", i);
        assert_true(log_flush(PATIENCE_MS)); /* one batch each */
    }
    log_stop();
    size_t n = names("l", all, 16);
    assert_true(n >= 3);
    assert_string_equal(all[0], "l"); /* the newest; the others by time */
    for (size_t i = 1; i <= n; i++) {
        char *text = text_of(in_dir(all[i % n])), *at = text;
        if (i > 1) {
            assert_int_equal(sscanf(at, "[%*d] [INF] Rotated log, backup saved as \"%99[^\"]\"\n", want), 1);
            assert_string_equal(want, in_dir(all[i - 1]));
            at = strchr(at, '\n') + 1;
        }
        if (i < n) {
            char *last = strrchr(text, ']');
            assert_true(strlen(text) > 200 && last - text <= 210); /* above it by the last line alone */
        }
        for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
            *end = '\0';
            (void)snprintf(want, sizeof(want), "[%d] [INF] line %u of thirty", (int)getpid(), i_line++);
            assert_string_equal(at, want);
        }
        free(text);
    }
    assert_int_equal(i_line, 30);
    assert_string_equal(stderr_text(), "");
}

/* A burst that is written in one go is cut at the limit all the same. */
static void
a_burst_does_not_pass_the_limit_by_more_than_a_line(void **state)
{
    char all[64][300];
    const struct log_cfg cfg = {.file = in_dir("l"), .size_limit = 2000, .no_time = true};
    struct stat st;
    (void)state;

    assert_int_equal(log_start(&cfg), OK);
    for (int i = 0; i < 500; i++)
        log_inf("line %d of many", i);
    log_stop();
    size_t n = names("l", all, 64);
    assert_true(n > 5);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(stat(in_dir(all[i]), &st), 0);
        assert_true(st.st_size <= 2000 + 200);
        assert_int_equal(st.st_mode & 0777, 0640);
    }
}

/* Three files are kept. What only looks like a backup is nobody's to remove. */
static void
the_oldest_files_are_removed(void **state)
{
    static const char *const others[] = {"l.2026.11.28.15.50.01.12345678", "l.2026.11.28.15.50.01.123456789x", "l.2026-11-28.15.50.01.123456789",
                                         "ll.2026.11.28.15.50.01.123456789", "l.bak"};
    char all[16][300];
    const struct log_cfg cfg = {.file = in_dir("l"), .size_limit = 1, .n_files = 3, .no_time = true};
    (void)state;

    for (size_t i = 0; i < N_ELEMS(others); i++)
        (void)close(open(in_dir(others[i]), O_CREAT | O_WRONLY, 0600));
    (void)close(open(in_dir("l.1999.11.28.15.50.01.123456789"), O_CREAT | O_WRONLY, 0600)); /* an old one of ours */
    assert_int_equal(log_start(&cfg), OK);
    for (int i = 0; i < 6; i++) {
        log_inf("line %d", i);
        assert_true(log_flush(PATIENCE_MS));
    }
    log_stop();
    assert_int_equal(names("l", all, 16), 3 + N_ELEMS(others));
    for (size_t i = 0; i < N_ELEMS(others); i++)
        assert_int_equal(access(in_dir(others[i]), F_OK), 0);
    assert_int_equal(access(in_dir("l.1999.11.28.15.50.01.123456789"), F_OK), -1);
    char *text = text_of(in_dir("l"));
    assert_non_null(strstr(text, "[INF] Rotated log, backup saved as \""));
    assert_non_null(strstr(text, "[INF] Purged log file \"l.20"));
    free(text);
}

/* It begins with what stands there already. */
static void
the_size_before_the_start_counts(void **state)
{
    char all[16][300], text[200];
    const struct log_cfg cfg = {.file = in_dir("l"), .size_limit = 150, .no_time = true};
    (void)state;

    memset(text, 'x', sizeof(text));
    int fd = open(cfg.file, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    (void)close(fd);
    assert_int_equal(log_start(&cfg), OK);
    log_inf("one");
    log_stop();
    assert_int_equal(names("l", all, 16), 2);
}

/* The folder is gone: the line that says so goes to the file that is open, and it is tried again at double the size. */
static void
a_rotation_that_cannot_be_is_tried_later(void **state)
{
    char path[300];
    const struct log_cfg cfg = {.file = path, .size_limit = 200, .no_time = true};
    (void)state;

    (void)snprintf(path, sizeof(path), "%s/sub/l", dir);
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    assert_int_equal(log_start(&cfg), OK);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && unlink(path) == 0 && rmdir(in_dir("sub")) == 0);
    for (int i = 0; i < 20; i++) {
        log_inf("line %d", i);
        assert_true(log_flush(PATIENCE_MS));
    }
    log_stop();
    char text[4096] = "";
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, "[ERR] Unable to rotate log file")) != NULL; p++)
        n++;
    assert_true(n >= 1 && n <= 3);
    assert_non_null(strstr(text, "line 19\n"));
}

/* ---- changing ---- */

struct talker {
    pthread_t thread;
    uint32_t id, n;
};

static void *
talk(void *arg)
{
    struct talker *t = arg;
    assert_int_equal(log_attach(t->id), OK);
    for (uint32_t i = 0; i < t->n; i++) {
        log_inf("talker %u line %u", t->id, i);
        if (i % 256 == 255)
            assert_true(log_flush(PATIENCE_MS)); /* so that no queue runs full */
    }
    log_detach();
    return NULL;
}

/* Three threads log while main changes the file, the format and the level, and opens files again: each line is in exactly one file, whole. */
static void
no_line_is_lost_while_the_log_changes(void **state)
{
    enum { N_TALKERS = 3, N_LINES = 4000 };
    struct talker t[N_TALKERS];
    static uint8_t seen[N_TALKERS][N_LINES];
    char all[64][300];
    struct log_cfg cfg = {.file = in_dir("l0"), .no_time = true};
    (void)state;

    memset(seen, 0, sizeof(seen));
    assert_int_equal(log_start(&cfg), OK);
    for (uint32_t i = 0; i < N_TALKERS; i++) {
        t[i] = (struct talker){.id = i, .n = N_LINES};
        assert_int_equal(pthread_create(&t[i].thread, NULL, talk, &t[i]), 0);
    }
    for (int i = 1; i <= 40; i++) {
        char name[8], why[LOG_WHY_MAX];
        struct log_sink *sink = NULL;
        (void)snprintf(name, sizeof(name), "l%d", i % 7);
        cfg.file = in_dir(name);
        cfg.no_time = i % 2 == 0;
        cfg.debug = i % 3 == 0;
        cfg.utc = i % 5 == 0;
        cfg.size_limit = i % 4 == 0 ? 20000 : 0;
        assert_int_equal(log_sink_new(&cfg, &sink, why), OK);
        assert_int_equal(log_reconfigure(sink, &cfg), OK);
        if (i % 6 == 0)
            log_reopen();
        if (i % 5 == 0)
            assert_true(log_flush(PATIENCE_MS));
    }
    for (uint32_t i = 0; i < N_TALKERS; i++)
        assert_int_equal(pthread_join(t[i].thread, NULL), 0);
    log_stop();
    assert_int_equal(log_n_dropped(), 0);
    size_t n = names("l", all, 64);
    for (size_t i = 0; i < n; i++) {
        char *text = text_of(in_dir(all[i]));
        for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
            uint32_t id, line;
            char *talker = strstr(at, "talker ");
            if (talker != NULL && talker < end) {
                assert_int_equal(sscanf(talker, "talker %u line %u\n", &id, &line), 2);
                assert_int_equal(seen[id][line]++, 0);
            }
        }
        free(text);
    }
    for (uint32_t id = 0; id < N_TALKERS; id++) {
        for (uint32_t i = 0; i < N_LINES; i++)
            assert_int_equal(seen[id][i], 1);
    }
}

/* Only the levels change: the file stays open. */
static void
levels_and_time_change_without_a_new_sink(void **state)
{
    struct log_cfg cfg = {.file = in_dir("l"), .no_time = true};
    char want[300];
    (void)state;

    assert_int_equal(log_start(&cfg), OK);
    log_dbg("not yet");
    cfg.debug = cfg.trace = true;
    assert_int_equal(log_reconfigure(NULL, &cfg), OK);
    log_dbg("one");
    log_trc("two");
    cfg.debug = cfg.trace = false;
    assert_int_equal(log_reconfigure(NULL, &cfg), OK);
    log_trc("no more");
    log_stop();
    char *text = text_of(cfg.file);
    (void)snprintf(want, sizeof(want), "[%d] [DBG] one\n[%d] [TRC] two\n", (int)getpid(), (int)getpid());
    assert_string_equal(text, want);
    free(text);
}

/* ---- syslog ---- */

/* Wait for bytes that end a line. */
static void
hear(int fd, char *to, size_t cap)
{
    size_t n = 0;

    do {
        ssize_t got = recv(fd, to + n, cap - 1 - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
        to[n] = '\0';
    } while (to[n - 1] != '\n');
}

static int
listen_unix(const char *path, int type)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);

    (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* A port of loopback; 0: any. */
static int
listen_inet(int type, uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int one = 1, fd = socket(AF_INET, type, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* "<29>Nov 28 15:51:15 PROGRAM[PID]: text\n" */
static void
expect_short(const char *line, unsigned priority, const char *text)
{
    char want[300], month[4];
    unsigned got, day, h, m, s;
    int n = 0;

    assert_int_equal(sscanf(line, "<%u>%3s %u %u:%u:%u %n", &got, month, &day, &h, &m, &s, &n), 6);
    assert_int_equal(got, priority);
    assert_int_equal(n, got > 9 ? 20 : 19);
    (void)snprintf(want, sizeof(want), "%s[%d]: %s\n", program_invocation_short_name, (int)getpid(), text);
    assert_string_equal(line + n, want);
}

/* "<5>2026-11-28T15:51:12+05:45 HOST PROGRAM[PID]: text\n" */
static void
expect_long(const char *line, unsigned priority, const char *text)
{
    char want[400], host[65];
    unsigned got, year, month, day, h, m, s;
    int n = 0;

    assert_int_equal(sscanf(line, "<%u>%u-%u-%uT%u:%u:%u%n", &got, &year, &month, &day, &h, &m, &s, &n), 7);
    assert_int_equal(got, priority);
    assert_int_equal(gethostname(host, sizeof(host)), 0);
    (void)snprintf(want, sizeof(want), "+05:45 %s %s[%d]: %s\n", host, program_invocation_short_name, (int)getpid(), text);
    assert_string_equal(line + n, want);
}

static void
the_local_syslog_gets_a_datagram_for_each_line(void **state)
{
    static const struct {
        enum log_level level;
        unsigned priority;
    } levels[] = {{LOG_INF, 29}, {LOG_WRN, 28}, {LOG_ERR, 27}, {LOG_FTL, 26}, {LOG_DBG, 31}, {LOG_TRC, 29}};
    char line[1000];
    int fd = listen_unix(in_dir("log.sock"), SOCK_DGRAM);
    const struct log_cfg cfg = {.syslog = true, .syslog_path = in_dir("log.sock"), .debug = true, .trace = true};
    (void)state;

    assert_int_equal(log_start(&cfg), OK);
    for (size_t i = 0; i < N_ELEMS(levels); i++) {
        log_line(levels[i].level, "100%% of %s", "it");
        hear(fd, line, sizeof(line));
        expect_short(line, levels[i].priority, "100% of it");
    }
    log_stop();
    assert_string_equal(stderr_text(), "");
    (void)close(fd);
}

static void
a_remote_syslog_by_udp(void **state)
{
    char line[1000], url[64];
    uint16_t port = 0;
    int fd = listen_inet(SOCK_DGRAM, &port);
    (void)state;

    (void)snprintf(url, sizeof(url), "udp://127.0.0.1:%u", port);
    const struct log_cfg cfg = {.remote_syslog = url, .syslog = true};
    assert_int_equal(setenv("TZ", "XYZ-5:45", 1), 0);
    tzset();
    assert_int_equal(log_start(&cfg), OK);
    log_inf("hello");
    hear(fd, line, sizeof(line));
    expect_long(line, 5, "hello");
    log_err("bad");
    hear(fd, line, sizeof(line));
    expect_long(line, 3, "bad");
    log_stop();
    (void)close(fd);
}

/* A TCP server that goes: the next lines are on stderr, none is lost, and when it is there again it gets them. */
static void
a_remote_syslog_that_goes_and_comes_back(void **state)
{
    char line[1000], url[64];
    uint16_t port = 0;
    int fd = listen_inet(SOCK_STREAM, &port);
    (void)state;

    (void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", port);
    const struct log_cfg cfg = {.remote_syslog = url, .no_time = true};
    assert_int_equal(log_start(&cfg), OK);
    int conn = accept(fd, NULL, NULL);
    log_inf("hello");
    hear(conn, line, sizeof(line));
    expect_long(line, 5, "hello");
    (void)close(conn);
    (void)close(fd);
    for (int i = 0; strstr(stderr_text(), "[INF] while it is gone") == NULL; i++) { /* what the kernel took before it noticed is gone */
        assert_true(i < 10000);
        log_inf("while it is gone");
        assert_true(log_flush(PATIENCE_MS));
    }
    fd = listen_inet(SOCK_STREAM, &port);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while ((conn = accept(fd, NULL, NULL)) < 0) { /* LOG_RETRY_MS */
        log_inf("is it there?");
        assert_true(log_flush(PATIENCE_MS));
    }
    assert_int_equal(fcntl(conn, F_SETFL, 0), 0);
    hear(conn, line, sizeof(line));
    expect_long(strchr(line, '<'), 5, "is it there?");
    log_stop();
    (void)close(conn);
    (void)close(fd);
}

static void
a_remote_syslog_by_unix_stream(void **state)
{
    char line[1000], url[300];
    int fd = listen_unix(in_dir("r.sock"), SOCK_STREAM);
    (void)state;

    (void)snprintf(url, sizeof(url), "unix://%s", in_dir("r.sock"));
    const struct log_cfg cfg = {.remote_syslog = url};
    assert_int_equal(log_start(&cfg), OK);
    int conn = accept(fd, NULL, NULL);
    log_wrn("hello");
    hear(conn, line, sizeof(line));
    expect_short(line, 4, "hello");
    log_stop();
    (void)close(conn);
    (void)close(fd);
}

static void
what_cannot_be_opened_says_why(void **state)
{
    static const struct {
        struct log_cfg cfg;
        const char *why;
    } cases[] = {
        {{.file = "/nonexistent/x"}, "error opening file: open /nonexistent/x: no such file or directory"},
        {{.remote_syslog = "foo"}, "error invalid network type: \"\""},
        {{.remote_syslog = "http://127.0.0.1:1"}, "error invalid network type: \"http\""},
        {{.remote_syslog = "tcp://127.0.0.1:1"}, "error connecting to syslog: \"dial tcp 127.0.0.1:1: connect: connection refused\""},
        {{.remote_syslog = "udp://127.0.0.1"}, "error connecting to syslog: \"dial udp: address 127.0.0.1: missing port in address\""},
        {{.remote_syslog = "udp://127.0.0.1:70000"}, "error connecting to syslog: \"dial udp: address 127.0.0.1:70000: missing port in address\""},
        {{.remote_syslog = "unix:///nonexistent/x"}, "error connecting to syslog: \"dial unix /nonexistent/x: connect: no such file or directory\""},
        {{.syslog = true, .syslog_path = "/nonexistent/x"}, "error connecting to syslog: \"Unix syslog delivery error\""},
    };
    char why[LOG_WHY_MAX];
    (void)state;

    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct log_sink *sink = NULL;
        assert_int_not_equal(log_sink_new(&cases[i].cfg, &sink, why), OK);
        assert_string_equal(why, cases[i].why);
        assert_null(sink);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_above_its_limit_is_rotated, setup, teardown),
        cmocka_unit_test_setup_teardown(a_burst_does_not_pass_the_limit_by_more_than_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_files_are_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_size_before_the_start_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rotation_that_cannot_be_is_tried_later, setup, teardown),
        cmocka_unit_test_setup_teardown(no_line_is_lost_while_the_log_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(levels_and_time_change_without_a_new_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(the_local_syslog_gets_a_datagram_for_each_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_remote_syslog_by_udp, setup, teardown),
        cmocka_unit_test_setup_teardown(a_remote_syslog_that_goes_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_remote_syslog_by_unix_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_says_why, setup, teardown),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
