/* proc.h: processes found by the name of their file, and signalled. */
#include "core/rt/proc.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A copy of ourselves under a name of its own, which sleeps: argv[1] says so. */
static pid_t
start_copy(const char *path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl(path, "some-other-name", "sleep", (char *)NULL);
        _exit(77);
    }
    return pid;
}

static void
copy_self(const char *to)
{
    char buf[65536];
    FILE *in = fopen("/proc/self/exe", "r"), *out = fopen(to, "w");
    size_t n;

    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
    char command[PATH_MAX + 16];
    (void)snprintf(command, sizeof(command), "chmod 700 %s", to);
    assert_int_equal(system(command), 0);
}

/* Two processes of a file, which one of them has seen replaced: both are found, whatever they call themselves, and nobody else. */
static void
processes_are_found_by_their_file(void **state)
{
    char dir[] = "/tmp/midge_proc_XXXXXX", path[64], name[32], why[PROC_WHY_MAX];
    int32_t *pids;
    uint32_t n = 0;
    (void)state;

    assert_non_null(mkdtemp(dir));
    (void)snprintf(name, sizeof(name), "midge-proc-%d", (int)getpid());
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    copy_self(path);
    pid_t a = start_copy(path);
    for (;;) { /* until both have called exec */
        assert_int_equal(proc_find(name, &pids, &n), OK);
        free(pids);
        if (n == 1)
            break;
    }
    assert_int_equal(unlink(path), 0);
    copy_self(path);
    pid_t b = start_copy(path);
    for (;;) {
        assert_int_equal(proc_find(name, &pids, &n), OK);
        if (n == 2)
            break;
        free(pids);
    }
    assert_int_equal(pids[0], a < b ? a : b);
    assert_int_equal(pids[1], a < b ? b : a);
    free(pids);
    assert_true(proc_kill(a, SIGKILL, why));
    assert_true(proc_kill(b, SIGKILL, why));
    assert_int_equal(waitpid(a, NULL, 0), a);
    assert_int_equal(waitpid(b, NULL, 0), b);
    assert_false(proc_kill(a, SIGTERM, why));
    assert_string_equal(why, "no such process");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void
our_own_process_is_not_found(void **state)
{
    char name[PROC_NAME_MAX];
    int32_t *pids;
    uint32_t n;
    (void)state;

    assert_int_equal(proc_own_name(name), OK);
    assert_int_equal(proc_find(name, &pids, &n), OK);
    for (uint32_t i = 0; i < n; i++)
        assert_int_not_equal(pids[i], getpid());
    free(pids);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_are_found_by_their_file),
        cmocka_unit_test(our_own_process_is_not_found),
    };
    if (argc > 1 && strcmp(argv[1], "sleep") == 0) {
        (void)alarm(60); /* no orphan stays */
        for (;;)
            (void)pause();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
