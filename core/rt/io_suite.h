/* io_suite.h - the sentences that every io backend must make true, as one cmocka suite.
 *
 * A backend's test calls io_suite_run with the way to make its io. The suite uses nothing but io.h: what needs system
 * calls, threads or signals is in io_test.c, for real backends only.
 *
 * Threads  one: both ios of a test are made, turned and freed by the caller.
 */
#ifndef MIDGE_RT_IO_SUITE_H
#define MIDGE_RT_IO_SUITE_H

#include "core/rt/io.h"

struct io_suite_env {
    const char *name;
    void *arg;
    /* Before each test; NULL: nothing to do. sim: make a fresh world. */
    void (*reset)(void *arg);
    /* Make the io of shard 0 or 1. Freed with io_free. */
    enum err (*open)(void *arg, uint32_t shard_id, struct io **ret_io);
    /* After a round of turns without an event; NULL: nothing to do. sim: let the world go on, if io_wait does not. */
    void (*idle)(void *arg);
    /* A folder that exists and may be written to, in the backend's world. */
    const char *dir;
};

/* Returns the number of failed tests. */
int io_suite_run(const struct io_suite_env *env);

#endif
