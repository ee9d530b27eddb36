/* io_epoll_file.h - file requests for a backend whose kernel interface has none: a few threads that block instead.
 *
 * Threads start when the first requests need them, N at most; requests run in any order, as io.h allows. Each finished one
 * stands in a list that the shard takes from; `wake` is called when that list was empty before.
 *
 * Threads  everything: the shard that owns the queue. wake: called by a worker.
 * Memory   own: fileq_new -> fileq_free. Requests are linked through themselves, so nothing is allocated for them.
 */
#ifndef MIDGE_RT_IO_EPOLL_FILE_H
#define MIDGE_RT_IO_EPOLL_FILE_H

#include <stdbool.h>

#include "core/rt/io.h"

struct fileq;

enum fileq_op { FILEQ_OPEN, FILEQ_READ, FILEQ_WRITE, FILEQ_SYNC, FILEQ_RENAME, FILEQ_CLOSE };

/* Arguments of one request, as they stand in io_req.aux. */
struct fileq_args {
    struct io_req *next;
    uint8_t op;    /* enum fileq_op */
    bool data_only; /* SYNC: not the metadata. WRITE: durable when done */
    int32_t fd;
    void *ptr; /* bytes, or the (old) path */
    union {
        const char *to; /* RENAME */
        uint64_t off;
    } u;
    uint32_t len; /* or the mode of a new file */
    int32_t flags;
    int64_t res; /* >= 0, or a negative errno */
};

struct fileq *fileq_new(void (*wake)(struct io *io), struct io *io); /* NULL without memory */
void fileq_free(struct fileq *q);                                    /* NULL is fine; waits for running requests */
/* Run it; a system without threads for us gives the request ENOMEM, as a completion. */
void fileq_push(struct fileq *q, struct io_req *r, const struct fileq_args *args);
/* The next finished request, or NULL. Costs a load when there is none. */
struct io_req *fileq_pop(struct fileq *q);
int64_t fileq_result(const struct io_req *r);

#endif
