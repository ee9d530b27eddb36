/* Tests of offload.h. Test threads stand for shards. */
#include "core/rt/offload.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/cpus.h"
#include "core/rt/fault.h"
#include "core/rt/util.h"

enum { TEST_SHARDS = 4 };

struct test_job {
    struct offload_job job;
    sem_t *gate;      /* run waits for it; NULL: does not */
    uint32_t n_run;   /* plain numbers: ThreadSanitizer tells if they are not handed over in order */
    uint32_t n_done;
    pthread_t ran_on, done_on;
    uint32_t n_mask; /* processors that run may use */
};

static void
test_run(struct offload_job *j)
{
    struct test_job *t = CONTAINER_OF(j, struct test_job, job);
    if (t->gate != NULL)
        while (sem_wait(t->gate) != 0) {
        }
    struct cpus c;
    cpus_probe(&c);
    t->n_mask = c.n_mask;
    t->n_run++;
    t->ran_on = pthread_self();
}

static void
test_done(struct offload_job *j)
{
    struct test_job *t = CONTAINER_OF(j, struct test_job, job);
    t->n_done++;
    t->done_on = pthread_self();
}

static void
test_job_init(struct test_job *t, sem_t *gate)
{
    memset(t, 0, sizeof *t);
    t->job.run = test_run;
    t->job.done = test_done;
    t->gate = gate;
}

/* A shard's sleep and wake-up. */
struct test_wakes {
    sem_t sem[TEST_SHARDS];
    _Atomic uint32_t n[TEST_SHARDS];
};

static void
test_wake(void *arg, uint32_t shard_id)
{
    struct test_wakes *w = arg;
    atomic_fetch_add(&w->n[shard_id], 1);
    (void)sem_post(&w->sem[shard_id]);
}

static void
test_wakes_init(struct test_wakes *w)
{
    memset(w, 0, sizeof *w);
    for (uint32_t i = 0; i < TEST_SHARDS; i++)
        assert_int_equal(sem_init(&w->sem[i], 0, 0), 0);
}

static void
test_sleep(struct test_wakes *w, uint32_t shard_id)
{
    while (sem_wait(&w->sem[shard_id]) != 0) {
    }
}

/* A job runs elsewhere and comes back here, and not before it is drained; draining nothing is nothing. */
static void
a_job_runs_elsewhere_and_is_done_here(void **state)
{
    (void)state;
    struct test_wakes w;
    struct offload *o;
    struct test_job t;
    test_wakes_init(&w);
    test_job_init(&t, NULL);
    assert_int_equal(offload_new(2, TEST_SHARDS, 10, test_wake, &w, &o), OK);
    assert_int_equal(offload_drain(o, 1, 10), 0);
    for (uint32_t round = 1; round <= 3; round++) {
        assert_int_equal(offload_submit(o, 1, &t.job), OK);
        test_sleep(&w, 1);
        assert_int_equal(t.n_done, round - 1);
        assert_int_equal(offload_drain(o, 0, 10), 0); /* another shard's */
        assert_int_equal(offload_drain(o, 1, 10), 1);
        assert_int_equal(t.n_run, round);
        assert_int_equal(t.n_done, round);
        assert_false(pthread_equal(t.ran_on, pthread_self()));
        assert_true(pthread_equal(t.done_on, pthread_self()));
    }
    offload_free(o);
}

/* With both threads held up and the queue full, a job is refused and stays idle; there is room again when one has gone. */
static void
a_full_queue_refuses(void **state)
{
    (void)state;
    enum { THREADS = 2, MAX = 3 };
    struct test_wakes w;
    struct offload *o;
    struct test_job t[THREADS + MAX + 1];
    sem_t gate;
    test_wakes_init(&w);
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    for (uint32_t i = 0; i < N_ELEMS(t); i++)
        test_job_init(&t[i], &gate);
    assert_int_equal(offload_new(THREADS, 1, MAX, test_wake, &w, &o), OK);
    uint32_t n = 0;
    while (n < THREADS + MAX) { /* the threads take their first jobs in their own time */
        if (offload_submit(o, 0, &t[n].job) == OK)
            n++;
        else
            (void)sched_yield();
    }
    assert_int_equal(offload_submit(o, 0, &t[n].job), ERR_FULL);
    assert_int_equal(t[n].job.state, OFFLOAD_IDLE);
    (void)sem_post(&gate);
    test_sleep(&w, 0);
    assert_int_equal(offload_drain(o, 0, 100), 1);
    enum err e;
    while ((e = offload_submit(o, 0, &t[n].job)) != OK) /* until the thread that is free has taken the next */
        assert_int_equal(e, ERR_FULL);
    for (uint32_t i = 0; i < THREADS + MAX; i++)
        (void)sem_post(&gate);
    for (uint32_t n_done = 1; n_done < N_ELEMS(t); n_done += offload_drain(o, 0, 100))
        test_sleep(&w, 0);
    for (uint32_t i = 0; i < N_ELEMS(t); i++)
        assert_int_equal(t[i].n_done, 1);
    offload_free(o);
}

/* Jobs that finish before anybody drains wake the shard once, and are done in batches of the asked size, in order. */
static void
one_wake_for_many_and_bounded_batches(void **state)
{
    (void)state;
    enum { N = 20 };
    struct test_wakes w;
    struct offload *o;
    struct test_job t[N];
    test_wakes_init(&w);
    assert_int_equal(offload_new(1, 1, N, test_wake, &w, &o), OK);
    sem_t gate;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    for (uint32_t i = 0; i < N; i++) {
        test_job_init(&t[i], i == 0 || i == N - 1 ? &gate : NULL);
        assert_int_equal(offload_submit(o, 0, &t[i].job), OK);
    }
    (void)sem_post(&gate); /* the first may run, and the rest up to the last */
    test_sleep(&w, 0);
    (void)sem_post(&gate);
    uint32_t n = 0;
    while (n < N) {
        uint32_t k = offload_drain(o, 0, 3);
        assert_true(k <= 3);
        for (uint32_t i = 0; i < N; i++)
            assert_int_equal(t[i].n_done, i < n + k);
        n += k;
        if (k < 3 && n < N)
            test_sleep(&w, 0);
    }
    assert_true(atomic_load(&w.n[0]) <= N);
    offload_free(o);
}

/* Jobs that finish while nobody drains wake the shard once, not once each. */
static void
one_wake_for_many(void **state)
{
    (void)state;
    enum { N = 50 };
    struct test_wakes w;
    struct offload *o;
    static struct test_job t[N + 1];
    sem_t gate;
    test_wakes_init(&w);
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(offload_new(1, 2, N + 1, test_wake, &w, &o), OK);
    for (uint32_t i = 0; i < N; i++) {
        test_job_init(&t[i], NULL);
        assert_int_equal(offload_submit(o, 0, &t[i].job), OK);
    }
    /* The one thread takes jobs in order: when the other shard's has finished, all of ours have. */
    test_job_init(&t[N], NULL);
    assert_int_equal(offload_submit(o, 1, &t[N].job), OK);
    test_sleep(&w, 1);
    assert_int_equal(atomic_load(&w.n[0]), 1);
    assert_int_equal(offload_drain(o, 0, 1000), N);
    offload_free(o);
}

struct test_shard {
    pthread_t thread;
    struct offload *o;
    struct test_wakes *w;
    uint32_t id;
};

enum { TEST_JOBS = 40, TEST_ROUNDS = 50 };

static void *
test_shard_main(void *arg)
{
    struct test_shard *s = arg;
    struct test_job *t = calloc(TEST_JOBS, sizeof *t);
    if (t == NULL)
        return (void *)1;
    for (uint32_t i = 0; i < TEST_JOBS; i++)
        test_job_init(&t[i], NULL);
    uintptr_t wrong = 0;
    for (uint32_t round = 1; round <= TEST_ROUNDS; round++) {
        uint32_t n_sent = 0, n_done = 0;
        while (n_done < TEST_JOBS) {
            while (n_sent < TEST_JOBS && offload_submit(s->o, s->id, &t[n_sent].job) == OK)
                n_sent++;
            if (n_done < n_sent && offload_drain(s->o, s->id, 0) == 0)
                n_done += offload_drain(s->o, s->id, 7);
        }
        for (uint32_t i = 0; i < TEST_JOBS; i++)
            wrong += t[i].n_run != round || t[i].n_done != round || !pthread_equal(t[i].done_on, pthread_self());
    }
    free(t);
    return (void *)wrong;
}

/* Four shards share three threads and a short queue: each job runs once and is done once, on its own shard. */
static void
shards_share_the_pool(void **state)
{
    (void)state;
    struct test_wakes w;
    struct test_shard shards[TEST_SHARDS];
    struct offload *o;
    test_wakes_init(&w);
    assert_int_equal(offload_new(3, TEST_SHARDS, 8, test_wake, &w, &o), OK);
    for (uint32_t i = 0; i < TEST_SHARDS; i++) {
        shards[i] = (struct test_shard){.o = o, .w = &w, .id = i};
        assert_int_equal(pthread_create(&shards[i].thread, NULL, test_shard_main, &shards[i]), 0);
    }
    for (uint32_t i = 0; i < TEST_SHARDS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(shards[i].thread, &wrong), 0);
        assert_null(wrong);
    }
    offload_free(o);
}

static struct offload *test_again_pool;

static void
test_done_again(struct offload_job *j)
{
    struct test_job *t = CONTAINER_OF(j, struct test_job, job);
    if (++t->n_done < 5)
        assert_int_equal(offload_submit(test_again_pool, 0, j), OK);
}

/* done may submit its job again. */
static void
done_may_submit_again(void **state)
{
    (void)state;
    struct test_wakes w;
    struct test_job t;
    test_wakes_init(&w);
    test_job_init(&t, NULL);
    t.job.done = test_done_again;
    assert_int_equal(offload_new(1, 1, 1, test_wake, &w, &test_again_pool), OK);
    assert_int_equal(offload_submit(test_again_pool, 0, &t.job), OK);
    while (t.n_done < 5) {
        test_sleep(&w, 0);
        (void)offload_drain(test_again_pool, 0, 1); /* n_done tells */
    }
    assert_int_equal(t.n_run, 5);
    offload_free(test_again_pool);
}

static void *
test_pinned_shard(void *arg)
{
    struct test_shard *s = arg;
    struct cpus c;
    struct test_job t;
    cpus_probe(&c);
    uint32_t n_mask = c.n_mask;
    if (cpus_pin(c.id[0]) != OK)
        return (void *)1;
    test_job_init(&t, NULL);
    if (offload_submit(s->o, 0, &t.job) != OK)
        return (void *)2;
    test_sleep(s->w, 0);
    if (offload_drain(s->o, 0, 1) != 1 || t.n_mask != n_mask)
        return (void *)3;
    return NULL;
}

/* A job submitted by a pinned shard runs on a thread that may use every processor: it must not take turns with the shard. */
static void
pool_threads_are_not_pinned(void **state)
{
    (void)state;
    struct test_wakes w;
    struct test_shard s = {.w = &w};
    test_wakes_init(&w);
    assert_int_equal(offload_new(1, 1, 1, test_wake, &w, &s.o), OK);
    assert_int_equal(pthread_create(&s.thread, NULL, test_pinned_shard, &s), 0);
    void *wrong;
    assert_int_equal(pthread_join(s.thread, &wrong), 0);
    assert_null(wrong);
    offload_free(s.o);
}

/* Freeing waits for the job that runs and drops those that wait; a pool never used ends, too. */
static void
freeing_waits_for_what_runs(void **state)
{
    (void)state;
    struct test_wakes w;
    struct offload *o;
    test_wakes_init(&w);
    assert_int_equal(offload_new(4, 1, 10, test_wake, &w, &o), OK);
    offload_free(o);
    offload_free(NULL);

    struct test_job t[3];
    sem_t gate;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(offload_new(1, 1, 10, test_wake, &w, &o), OK);
    for (uint32_t i = 0; i < 3; i++) {
        test_job_init(&t[i], i == 1 ? &gate : NULL);
        assert_int_equal(offload_submit(o, 0, &t[i].job), OK);
    }
    test_sleep(&w, 0); /* the first has run, the second runs or will */
    (void)sem_post(&gate);
    offload_free(o);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(t[i].n_done, 0);
        assert_true(t[i].n_run <= 1);
        assert_true(i == 0 || t[i].n_run <= t[i - 1].n_run);
    }
    assert_int_equal(t[0].n_run, 1);
}

/* A stopped pool takes nothing more and wakes nobody; what it had finished is still there. */
static void
a_stopped_pool_wakes_nobody(void **state)
{
    (void)state;
    struct test_wakes w;
    struct test_job t[2];
    struct offload *o;

    test_wakes_init(&w);
    assert_int_equal(offload_new(1, 1, 10, test_wake, &w, &o), OK);
    test_job_init(&t[0], NULL);
    test_job_init(&t[1], NULL);
    assert_int_equal(offload_submit(o, 0, &t[0].job), OK);
    test_sleep(&w, 0);
    offload_stop(o);
    assert_int_equal(offload_submit(o, 0, &t[1].job), ERR_FULL);
    assert_int_equal(t[1].job.state, OFFLOAD_IDLE);
    assert_int_equal(offload_drain(o, 0, 10), 1);
    assert_int_equal(t[0].n_done, 1);
    assert_int_equal(atomic_load(&w.n[0]), 1);
    offload_stop(o); /* once more is nothing */
    offload_free(o);
}

/* Without memory there is no pool; without a thread to start, the first job is refused, a later one waits for the
 * threads there are. */
static void
without_memory_or_threads_it_says_so(void **state)
{
    (void)state;
    if (!fault_armed_builds)
        skip();
    struct test_wakes w;
    struct offload *o = NULL;
    struct test_job t, held;
    sem_t gate;
    test_wakes_init(&w);
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    fault_arm(0);
    assert_int_equal(offload_new(2, 1, 10, test_wake, &w, &o), ERR_NOMEM);
    assert_true(fault_disarm());
    assert_null(o);
    assert_int_equal(offload_new(2, 1, 10, test_wake, &w, &o), OK);
    test_job_init(&t, NULL);
    test_job_init(&held, &gate);
    fault_arm(0);
    assert_int_equal(offload_submit(o, 0, &held.job), ERR_NOMEM);
    assert_true(fault_disarm());
    assert_int_equal(offload_submit(o, 0, &held.job), OK);
    bool hit = false;
    for (uint32_t n = 0; !hit; n++) { /* until a second thread would be started */
        fault_arm(0);
        assert_int_equal(offload_submit(o, 0, &t.job), OK);
        hit = fault_disarm();
        (void)sem_post(&gate);
        while (t.n_done <= n) {
            test_sleep(&w, 0);
            (void)offload_drain(o, 0, 10); /* n_done tells */
        }
        if (!hit && held.job.state == OFFLOAD_IDLE)
            assert_int_equal(offload_submit(o, 0, &held.job), OK);
    }
    offload_free(o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_elsewhere_and_is_done_here),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(one_wake_for_many_and_bounded_batches),
        cmocka_unit_test(one_wake_for_many),
        cmocka_unit_test(shards_share_the_pool),
        cmocka_unit_test(done_may_submit_again),
        cmocka_unit_test(pool_threads_are_not_pinned),
        cmocka_unit_test(freeing_waits_for_what_runs),
        cmocka_unit_test(a_stopped_pool_wakes_nobody),
        cmocka_unit_test(without_memory_or_threads_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
