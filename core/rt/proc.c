#include "core/rt/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rt/fault.h"
#include "core/rt/file.h"
#include "core/rt/log.h"

enum {
    PROC_COMM_LEN = 15, /* the kernel keeps so much of what a process calls itself */
    PROC_PATH_MAX = 64,
    PROC_STATE_OFF = 2, /* "(comm) S": from the last parenthesis to the letter */
};

/* The base name of what a /proc/x/exe points to. False: we may not know. */
static bool
proc_exe(const char *link, char ret[PROC_NAME_MAX])
{
    static const char deleted[] = " (deleted)"; /* replaced by a newer one meanwhile */
    char path[PATH_MAX];
    ssize_t len = readlink(link, path, sizeof(path) - 1);

    if (len <= 0)
        return false;
    path[len] = '\0';
    size_t cut = strlen(deleted);
    if ((size_t)len > cut && strcmp(path + len - cut, deleted) == 0)
        path[(size_t)len - cut] = '\0';
    const char *slash = strrchr(path, '/');
    (void)snprintf(ret, PROC_NAME_MAX, "%.*s", PROC_NAME_MAX - 1, slash != NULL ? slash + 1 : path);
    return true;
}

/* The first line of a small file. False: there is none. */
static bool
proc_line(const char *path, char *to, int cap)
{
    FILE *f = fopen(path, "re");
    bool ok = f != NULL && fgets(to, cap, f) != NULL;

    if (f != NULL)
        (void)fclose(f); /* only read */
    if (ok)
        to[strcspn(to, "\n")] = '\0';
    return ok;
}

const char *
proc_program(void)
{
    return program_invocation_short_name;
}

enum err
proc_own_name(char ret[PROC_NAME_MAX])
{
    return proc_exe("/proc/self/exe", ret) ? OK : ERR_NOENT;
}

/* Whether process pid (digits) runs a file of that name. */
static bool
proc_is(const char *pid, const char *name)
{
    char path[PROC_PATH_MAX], text[PROC_NAME_MAX];

    (void)snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
    if (proc_exe(path, text))
        return strcmp(text, name) == 0;
    (void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    return proc_line(path, text, sizeof(text)) && strncmp(text, name, PROC_COMM_LEN) == 0;
}

static int
proc_cmp(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

enum err
proc_find(const char *name, int32_t **ret_pids, uint32_t *ret_n)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return ERR_NOENT;
    int32_t *pids = fault_calloc(PROC_FOUND_MAX, sizeof(*pids));
    if (pids == NULL) {
        (void)closedir(dir);
        return ERR_NOMEM;
    }
    uint32_t n = 0;
    for (struct dirent *d; n < PROC_FOUND_MAX && (d = readdir(dir)) != NULL;) {
        if (!isdigit((unsigned char)d->d_name[0]))
            continue;
        long pid = strtol(d->d_name, NULL, 10);
        if (pid > 0 && pid <= INT32_MAX && pid != (long)getpid() && proc_is(d->d_name, name))
            pids[n++] = (int32_t)pid;
    }
    (void)closedir(dir); /* only read */
    qsort(pids, n, sizeof(*pids), proc_cmp);
    *ret_pids = pids;
    *ret_n = n;
    return OK;
}

bool
proc_kill(int32_t pid, int sig, char ret_why[PROC_WHY_MAX])
{
    if (kill(pid, sig) == 0)
        return true;
    (void)file_errno_text(errno, ret_why, PROC_WHY_MAX);
    return false;
}

void
proc_log_threads(void)
{
    DIR *dir = opendir("/proc/self/task");

    if (dir == NULL)
        return;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        char path[PROC_PATH_MAX], comm[PROC_NAME_MAX], stat[PROC_NAME_MAX], call[PROC_NAME_MAX] = "?";
        if (!isdigit((unsigned char)d->d_name[0]))
            continue;
        (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", d->d_name);
        bool ok = proc_line(path, comm, sizeof(comm));
        (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", d->d_name);
        ok = ok && proc_line(path, stat, sizeof(stat));
        (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/syscall", d->d_name);
        (void)proc_line(path, call, sizeof(call)); /* some kernels do not tell */
        const char *end = ok ? strrchr(stat, ')') : NULL;
        if (end != NULL && strlen(end) > PROC_STATE_OFF)
            log_line(LOG_FTL, "  thread %s %s: state %c, system call %s", d->d_name, comm, end[PROC_STATE_OFF], call);
    }
    (void)closedir(dir); /* only read */
}
