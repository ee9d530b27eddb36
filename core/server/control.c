#include "core/server/control.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rt/proc.h"
#include "core/rt/util.h"

enum {
    CONTROL_WORD_MAX = 32,
    CONTROL_PID_MAX = PATH_MAX,
    CONTROL_DIGITS_MAX = 10, /* of a process number */
};

struct control {
    const char *command;
    char pid[CONTROL_PID_MAX]; /* digits; "" where none was given, or only a star */
    bool glob;                 /* a star stood behind them */
    char name[PROC_NAME_MAX];
    int32_t *pids;
    uint32_t n_pids;
};

static int
control_signum(const char *command)
{
    static const struct {
        const char *word;
        int sig;
    } words[] = {{"stop", SIGKILL}, {"quit", SIGINT}, {"term", SIGTERM}, {"reopen", SIGUSR1}, {"reload", SIGHUP}, {"ldm", SIGUSR2}};

    for (size_t i = 0; i < N_ELEMS(words); i++) {
        if (strcmp(words[i].word, command) == 0)
            return words[i].sig;
    }
    return 0;
}

/* Where the text names a file, the number in it. */
static void
control_read_file(struct control *k)
{
    char text[CONTROL_WORD_MAX] = "";
    FILE *f = fopen(k->pid, "re");

    if (f == NULL)
        return;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f); /* only read */
    text[n] = '\0';
    text[strcspn(text, " \t\r\n")] = '\0';
    if (n > 0) /* a folder is no file */
        (void)snprintf(k->pid, sizeof(k->pid), "%s", text);
}

/* Digits alone, and not 0: kill takes 0 and what is negative for groups of processes. */
static bool
control_pid_valid(const char *pid)
{
    size_t len = strlen(pid);
    return len > 0 && len <= CONTROL_DIGITS_MAX && strspn(pid, "0123456789") == len && strspn(pid, "0") < len && strtoll(pid, NULL, 10) <= INT32_MAX;
}

/* Split "command=pid". False: the reason is told. */
static bool
control_parse(struct control *k, char *text)
{
    char *eq = strchr(text, '=');

    k->command = text;
    if (eq == NULL)
        return true;
    *eq++ = '\0';
    char *more = strchr(eq, '=');
    if (more != NULL) {
        for (char *p = more + 1; *p != '\0'; p++)
            *p = *p == '=' ? ' ' : *p;
        fprintf(stderr, "nats-server: invalid signal parameters: [%s]\n", more + 1);
        return false;
    }
    (void)snprintf(k->pid, sizeof(k->pid), "%s", eq); /* a longer one is no file either */
    control_read_file(k);
    size_t len = strlen(k->pid);
    k->glob = len > 0 && k->pid[len - 1] == '*';
    if (k->glob)
        k->pid[--len] = '\0';
    if ((len > 0 || !k->glob) && !control_pid_valid(k->pid)) {
        fprintf(stderr, "nats-server: invalid pid: %s\n", k->pid);
        return false;
    }
    return true;
}

/* Find out whom to signal. False: the reason is told. */
static bool
control_resolve(struct control *k)
{
    if (k->pid[0] != '\0' && !k->glob)
        return true;
    if (proc_own_name(k->name) != OK || proc_find(k->name, &k->pids, &k->n_pids) != OK) {
        fprintf(stderr, "nats-server: unable to resolve pid, try providing one\n");
        return false;
    }
    if (k->n_pids > 1 && !k->glob) {
        fprintf(stderr, "nats-server: multiple %s processes running:\n", k->name);
        for (uint32_t i = 0; i < k->n_pids; i++)
            fprintf(stderr, "%d\n", k->pids[i]);
        return false;
    }
    if (k->n_pids == 0) {
        fprintf(stderr, "nats-server: no %s processes running\n", k->name);
        return false;
    }
    return true;
}

/* Returns whether all that should get it got it. */
static bool
control_send(const struct control *k, int sig)
{
    char text[CONTROL_WORD_MAX], why[PROC_WHY_MAX];
    uint32_t n = k->n_pids > 0 ? k->n_pids : 1, n_failed = 0;

    for (uint32_t i = 0; i < n; i++) {
        int32_t pid = k->n_pids > 0 ? k->pids[i] : (int32_t)strtol(k->pid, NULL, 10);
        (void)snprintf(text, sizeof(text), "%d", pid);
        if (k->n_pids > 0 && strncmp(text, k->pid, strlen(k->pid)) != 0)
            continue;
        if (!proc_kill(pid, sig, why)) {
            fprintf(stderr, "%s\nsignal \"%s\" %d: %s", n_failed == 0 ? "nats-server: " : "", k->command, pid, why);
            n_failed++;
        }
    }
    if (n_failed > 0)
        fprintf(stderr, "\n");
    return n_failed == 0;
}

int
control_signal(const char *value)
{
    struct control k = {.command = ""};
    char *text = strdup(value);
    bool ok = text != NULL && control_parse(&k, text) && control_resolve(&k);

    if (ok) {
        int sig = control_signum(k.command);
        ok = sig != 0;
        if (!ok)
            fprintf(stderr, "nats-server: unknown signal \"%s\"\n", k.command);
        ok = ok && control_send(&k, sig);
    }
    free(k.pids);
    free(text);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
