#include "core/rt/io_epoll_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/rt/assert.h"

enum { FILEQ_N_THREADS = 4 /* a log write, a sync and a slow open do not wait for each other */ };

_Static_assert(sizeof(struct fileq_args) <= sizeof(((struct io_req *)NULL)->aux), "io_req has room for the arguments");

struct fileq_list {
    struct io_req *head, *tail;
};

struct fileq {
    void (*wake)(struct io *io);
    struct io *io;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t cond;
    struct fileq_list todo, done;
    uint32_t n_threads, n_idle, n_todo;
    bool stopping;
    uint32_t n_done; /* written under the mutex; a relaxed look at it outside tells whether to lock */
    pthread_t threads[FILEQ_N_THREADS];
};

static struct fileq_args *
fileq_args(struct io_req *r)
{
    return (struct fileq_args *)(void *)r->aux;
}

int64_t
fileq_result(const struct io_req *r)
{
    return ((const struct fileq_args *)(const void *)r->aux)->res;
}

static void
fileq_list_push(struct fileq_list *l, struct io_req *r)
{
    fileq_args(r)->next = NULL;
    if (l->head == NULL)
        l->head = r;
    else
        fileq_args(l->tail)->next = r;
    l->tail = r;
}

static struct io_req *
fileq_list_pop(struct fileq_list *l)
{
    struct io_req *r = l->head;

    if (r != NULL)
        l->head = fileq_args(r)->next;
    return r;
}

static int64_t
fileq_call(const struct fileq_args *a)
{
    struct iovec iov = {.iov_base = a->ptr, .iov_len = a->len};

    switch ((enum fileq_op)a->op) {
    case FILEQ_OPEN: return open(a->ptr, a->flags | O_CLOEXEC, a->len);
    case FILEQ_READ: return pread(a->fd, a->ptr, a->len, (off_t)a->u.off);
    case FILEQ_WRITE: return pwritev2(a->fd, &iov, 1, (off_t)a->u.off, a->data_only ? RWF_DSYNC : 0);
    case FILEQ_SYNC: return a->data_only ? fdatasync(a->fd) : fsync(a->fd);
    case FILEQ_RENAME: return rename(a->ptr, a->u.to);
    case FILEQ_CLOSE: return close(a->fd);
    }
    errno = EINVAL;
    return -1;
}

static void
fileq_run(struct io_req *r)
{
    struct fileq_args *a = fileq_args(r);
    int64_t res;

    do {
        res = fileq_call(a);
    } while (res < 0 && errno == EINTR && a->op != FILEQ_CLOSE); /* an interrupted close has closed */
    a->res = res < 0 ? -errno : res;
}

/* With the mutex held. */
static void
fileq_finish(struct fileq *q, struct io_req *r)
{
    bool was_empty = q->done.head == NULL;

    fileq_list_push(&q->done, r);
    __atomic_store_n(&q->n_done, q->n_done + 1, __ATOMIC_RELAXED);
    if (was_empty)
        q->wake(q->io);
}

static void *
fileq_thread(void *arg)
{
    struct fileq *q = arg;
    struct io_req *r;

    (void)pthread_mutex_lock(&q->mutex);
    while (!q->stopping) {
        r = fileq_list_pop(&q->todo);
        if (r == NULL) {
            q->n_idle++;
            (void)pthread_cond_wait(&q->cond, &q->mutex);
            q->n_idle--;
            continue;
        }
        q->n_todo--;
        (void)pthread_mutex_unlock(&q->mutex);
        fileq_run(r);
        (void)pthread_mutex_lock(&q->mutex);
        fileq_finish(q, r);
    }
    (void)pthread_mutex_unlock(&q->mutex);
    return NULL;
}

/* Signals belong to the server's own threads. */
static bool
fileq_start_thread(struct fileq *q)
{
    sigset_t all, before;
    bool ok;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    ok = pthread_create(&q->threads[q->n_threads], NULL, fileq_thread, q) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    q->n_threads += ok;
    return ok;
}

struct fileq *
fileq_new(void (*wake)(struct io *io), struct io *io)
{
    struct fileq *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->wake = wake;
    q->io = io;
    (void)pthread_mutex_init(&q->mutex, NULL); /* neither can fail on Linux */
    (void)pthread_cond_init(&q->cond, NULL);
    return q;
}

void
fileq_free(struct fileq *q)
{
    if (q == NULL)
        return;
    (void)pthread_mutex_lock(&q->mutex);
    q->stopping = true;
    (void)pthread_cond_broadcast(&q->cond);
    (void)pthread_mutex_unlock(&q->mutex);
    for (uint32_t i = 0; i < q->n_threads; i++)
        (void)pthread_join(q->threads[i], NULL);
    (void)pthread_cond_destroy(&q->cond);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q);
}

void
fileq_push(struct fileq *q, struct io_req *r, const struct fileq_args *args)
{
    *fileq_args(r) = *args;
    (void)pthread_mutex_lock(&q->mutex);
    if (q->n_idle <= q->n_todo && q->n_threads < FILEQ_N_THREADS)
        (void)fileq_start_thread(q); /* one is enough to go on with; looked at below */
    if (q->n_threads > 0) {
        fileq_list_push(&q->todo, r);
        q->n_todo++;
        (void)pthread_cond_signal(&q->cond);
    } else {
        fileq_args(r)->res = -ENOMEM;
        fileq_finish(q, r);
    }
    (void)pthread_mutex_unlock(&q->mutex);
}

struct io_req *
fileq_pop(struct fileq *q)
{
    struct io_req *r;

    if (__atomic_load_n(&q->n_done, __ATOMIC_RELAXED) == 0)
        return NULL; /* one that comes in this moment wakes the next turn */
    (void)pthread_mutex_lock(&q->mutex);
    r = fileq_list_pop(&q->done);
    if (r != NULL)
        __atomic_store_n(&q->n_done, q->n_done - 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&q->mutex);
    return r;
}
