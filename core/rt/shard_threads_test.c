/* The threads of a shard set start together or not at all, and end together. On real threads and the epoll backend: what the thread
 * sanitizer looks at beside the mailbox. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/shard.h"

enum { N_SHARDS = 3, N_NOTES = 20000, ASK_STOP = 1, ASK_SAY = 2, TYPE_NOTE = MBOX_TYPE_USER };

/* Every shard sends N_NOTES numbered records to each other one, as room allows, and is done when it has all of the others'. */
struct talk {
    uint32_t fail_at; /* this shard's on_start fails; N_SHARDS: none */
    _Atomic uint32_t n_started, n_stopped, n_said;
    struct {
        uint64_t n_sent[N_SHARDS], n_got[N_SHARDS];
    } shards[N_SHARDS];
    bool chatty;
};

struct note {
    struct mbox_rec rec;
    uint64_t serial;
};

static struct talk *
talk_of(struct shard *sh)
{
    return sh->set->app_arg;
}

static enum err
talk_on_start(struct shard *sh)
{
    if (sh->id == talk_of(sh)->fail_at)
        return ERR_ADDRINUSE;
    atomic_fetch_add(&talk_of(sh)->n_started, 1);
    if (talk_of(sh)->chatty)
        shard_ask(sh->set, sh->id, ASK_SAY); /* the first turn */
    return OK;
}

static void
talk_on_record(struct shard *sh, uint32_t from, const struct mbox_rec *rec)
{
    struct talk *t = talk_of(sh);
    const struct note *n = (const struct note *)(const void *)rec;

    if (n->serial == t->shards[sh->id].n_got[from])
        t->shards[sh->id].n_got[from]++; /* else one is missing, and the end never comes */
}

static bool
talk_on_drained(struct shard *sh)
{
    (void)sh;
    return true;
}

static bool
talk_on_event(struct shard *sh, struct io_event *ev)
{
    (void)sh;
    (void)ev;
    return true;
}

static void
talk_on_handled(struct shard *sh)
{
    struct talk *t = talk_of(sh);
    bool done = t->chatty;

    for (uint32_t to = 0; t->chatty && to < sh->n_shards; to++) {
        if (to == sh->id)
            continue;
        uint64_t *n = &t->shards[sh->id].n_sent[to];
        for (uint32_t k = 0; k < 100 && *n < N_NOTES; k++) {
            if (!mbox_room(sh->out[to], 1, sizeof(struct note), 0)) {
                mbox_want_room(sh->out[to]);
                if (!mbox_room(sh->out[to], 1, sizeof(struct note), 0))
                    break;
            }
            struct note *r = (void *)shard_push(sh, to, TYPE_NOTE, sizeof(*r));
            r->serial = (*n)++;
        }
        done &= *n == N_NOTES && t->shards[sh->id].n_got[to] == N_NOTES;
        if (*n < N_NOTES)
            shard_ask(sh->set, sh->id, ASK_SAY); /* another turn, at once */
    }
    sh->done |= done;
}

static void
talk_on_flush(struct shard *sh)
{
    (void)sh;
}

static void
talk_on_ask(struct shard *sh, uint32_t bits)
{
    if ((bits & ASK_SAY) != 0)
        atomic_fetch_add(&talk_of(sh)->n_said, 1);
    if ((bits & ASK_STOP) != 0)
        sh->done = true;
}

static void
talk_on_stop(struct shard *sh)
{
    atomic_fetch_add(&talk_of(sh)->n_stopped, 1);
}

static const struct shard_app talk_app = {.on_start = talk_on_start, .on_record = talk_on_record, .on_drained = talk_on_drained,
                                          .on_event = talk_on_event, .on_handled = talk_on_handled, .on_flush = talk_on_flush,
                                          .on_ask = talk_on_ask, .on_stop = talk_on_stop};

static struct shard_set *
set_new(struct talk *t)
{
    struct shard_set *set;
    struct shard_set_cfg cfg = {.n_shards = N_SHARDS, .backend = IO_EPOLL, .mbox_bytes = 16384, .app = &talk_app, .app_arg = t};

    assert_int_equal(shard_set_new(&cfg, &set), OK);
    return set;
}

static void
what_one_shard_says_another_hears_whole_and_in_order(void **state)
{
    static struct talk t;
    (void)state;

    t = (struct talk){.fail_at = N_SHARDS, .chatty = true};
    struct shard_set *set = set_new(&t);
    assert_int_equal(shard_set_start(set), OK);
    shard_set_join(set); /* all of them end by themselves */
    for (uint32_t i = 0; i < N_SHARDS; i++) {
        for (uint32_t k = 0; k < N_SHARDS; k++)
            assert_int_equal(t.shards[i].n_got[k], i == k ? 0 : N_NOTES);
    }
    assert_int_equal(t.n_stopped, N_SHARDS);
    shard_set_free(set);
}

static void
what_is_asked_from_outside_wakes_a_sleeping_shard(void **state)
{
    static struct talk t;
    (void)state;

    t = (struct talk){.fail_at = N_SHARDS};
    struct shard_set *set = set_new(&t);
    assert_int_equal(shard_set_start(set), OK);
    assert_int_equal(t.n_started, N_SHARDS);
    for (uint32_t i = 0; i < N_SHARDS; i++)
        shard_ask(set, i, ASK_SAY | ASK_STOP);
    shard_set_join(set);
    assert_int_equal(t.n_said, N_SHARDS);
    assert_int_equal(t.n_stopped, N_SHARDS);
    shard_set_free(set);
}

static void
one_that_cannot_start_stops_all(void **state)
{
    static struct talk t;
    (void)state;

    for (uint32_t i = 0; i < N_SHARDS; i++) {
        t = (struct talk){.fail_at = i};
        struct shard_set *set = set_new(&t);
        assert_int_equal(shard_set_start(set), ERR_ADDRINUSE);
        assert_int_equal(t.n_stopped, t.n_started); /* who started is stopped, who did not is not */
        shard_set_join(set); /* nothing */
        shard_set_free(set);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_shard_says_another_hears_whole_and_in_order),
        cmocka_unit_test(what_is_asked_from_outside_wakes_a_sleeping_shard),
        cmocka_unit_test(one_that_cannot_start_stops_all),
    };
    return cmocka_run_group_tests_name("shard_threads", tests, NULL, NULL);
}
