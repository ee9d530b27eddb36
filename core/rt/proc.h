/* proc.h - other processes of this machine, and our own threads, as /proc shows them.
 *
 * Threads  main. Memory  the caller's.
 */
#ifndef MIDGE_RT_PROC_H
#define MIDGE_RT_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rt/err.h"

enum {
    PROC_NAME_MAX = 256, /* a program's name */
    PROC_FOUND_MAX = 4096,
    PROC_WHY_MAX = 128,
};

/* What this program was called: argv[0] without its folder. */
const char *proc_program(void);
/* The name of this program's file, without its folder. fail: ERR_NOENT */
enum err proc_own_name(char ret[PROC_NAME_MAX]);
/* The processes that run a file of that name, but for our own; lowest first, PROC_FOUND_MAX at most. Where we may not see which file a process
 * runs, what it calls itself counts.
 *   own   *ret_pids, by free
 *   fail  ERR_NOENT (no /proc), ERR_NOMEM */
enum err proc_find(const char *name, int32_t **ret_pids, uint32_t *ret_n);
/* Send a signal. False: ret_why has the system's word ("no such process"). */
bool proc_kill(int32_t pid, int sig, char ret_why[PROC_WHY_MAX]);
/* Log what each thread of ours is doing, a line each. */
void proc_log_threads(void);

#endif
