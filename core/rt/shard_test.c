/* The loop of a shard: its order, its budgets, its sleep. On the simulated backend, with an app that notes what it is told. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rt/rng.h"
#include "core/rt/shard.h"
#include "core/rt/sim.h"

enum { N_SHARDS_MAX = 4, STORY_MAX = 1 << 16, TYPE_NOTE = MBOX_TYPE_USER };

/* What one shard was told, as text: "d" drained, "r1:7" record 7 of shard 1, "e" an event, "h" handled, "f" flush, "t" timer, "a3" ask. */
struct notes {
    char story[STORY_MAX];
    size_t len;
    uint64_t n_records, n_events;
    int64_t now_of_records; /* sh->now at the last record */
    uint32_t cost;          /* work that a record and an event cost beside the one unit */
    bool hold;              /* on_drained says no */
    bool refuse;            /* on_event says no once the budget is gone */
    bool quiet;             /* count only */
    struct timer timer;
};

struct world {
    struct sim *sim;
    struct shard_set *set;
    uint32_t n;
    struct notes notes[N_SHARDS_MAX];
    struct io_sock listener; /* shard 0's */
    uint16_t port;
    bool listening;
};

static struct world *
world_of(struct shard *sh)
{
    return sh->set->app_arg;
}

static struct notes *
notes_of(struct shard *sh)
{
    return &world_of(sh)->notes[sh->id];
}

__attribute__((format(printf, 2, 3))) static void
note(struct notes *n, const char *fmt, ...)
{
    va_list ap;

    if (n->quiet)
        return;
    va_start(ap, fmt);
    n->len += (size_t)vsnprintf(n->story + n->len, STORY_MAX - n->len, fmt, ap);
    va_end(ap);
    assert_true(n->len < STORY_MAX);
}

struct record {
    struct mbox_rec rec;
    uint64_t serial;
};

static void
app_on_record(struct shard *sh, uint32_t from, const struct mbox_rec *rec)
{
    struct notes *n = notes_of(sh);

    note(n, "r%u:%llu ", from, (unsigned long long)((const struct record *)(const void *)rec)->serial);
    n->n_records++;
    n->now_of_records = sh->now;
    sh->work_left -= n->cost;
}

static bool
app_on_drained(struct shard *sh)
{
    note(notes_of(sh), "d ");
    return !notes_of(sh)->hold;
}

static bool
app_on_event(struct shard *sh, struct io_event *ev)
{
    struct notes *n = notes_of(sh);

    if (n->refuse && sh->work_left <= 0)
        return false;
    note(n, ev->kind == IO_EV_SEND ? "s%u " : "e ", ev->len);
    n->n_events++;
    sh->work_left -= ev->kind == IO_EV_SEND ? 0 : 1 + n->cost;
    if (ev->kind == IO_EV_ACCEPT && ev->err == OK)
        io_fd_drop(sh->io, (int)ev->res);
    if (ev->kind == IO_EV_CLOSED)
        world_of(sh)->listening = false;
    return true;
}

static void
app_on_handled(struct shard *sh)
{
    note(notes_of(sh), "h ");
}

static void
app_on_flush(struct shard *sh)
{
    note(notes_of(sh), "f ");
}

static void
app_on_ask(struct shard *sh, uint32_t bits)
{
    note(notes_of(sh), "a%u ", bits);
}

static void
app_on_timer(struct timer *t, int64_t now_ns)
{
    struct notes *n = CONTAINER_OF(t, struct notes, timer);
    (void)now_ns;
    note(n, "t ");
}

static const struct shard_app app = {.on_record = app_on_record, .on_drained = app_on_drained, .on_event = app_on_event,
                                     .on_handled = app_on_handled, .on_flush = app_on_flush, .on_ask = app_on_ask};

static void
start(struct world *w, uint32_t n)
{
    struct sim_cfg sc;

    memset(w, 0, sizeof(*w));
    w->n = n;
    sim_cfg_default(&sc, 1);
    sc.delay_none_pct = 100;
    w->sim = sim_new(&sc);
    struct shard_set_cfg cfg = {.n_shards = n, .backend = IO_SIM, .sim = w->sim, .mbox_bytes = 1 << 20, .app = &app, .app_arg = w};
    assert_int_equal(shard_set_new(&cfg, &w->set), OK);
    for (uint32_t i = 0; i < n; i++) {
        shard_current = w->set->shards[i];
        assert_int_equal(shard_open(w->set->shards[i]), OK);
        w->notes[i].timer.fn = app_on_timer;
    }
}

static struct shard *
shard(struct world *w, uint32_t i)
{
    shard_current = w->set->shards[i];
    return shard_current;
}

/* Somebody listens, and so many connections are on their way: as many events. */
static void
events(struct world *w, uint32_t n)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (!w->listening) {
        assert_int_equal(io_listen(shard(w, 0)->io, &w->listener, (const struct sockaddr *)&a, sizeof(a), 64, 0, w, &w->port), OK);
        io_accept_start(shard(w, 0)->io, &w->listener);
        w->listening = true;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct sim_peer *p = sim_peer_connect(w->sim, 1, w->port);
        sim_advance(w->sim, sim_clock(w->sim) + NS_PER_MS);
        (void)sim_peer_state(p); /* it gets on when somebody looks */
        sim_peer_free(p);
    }
}

static void
stop(struct world *w)
{
    if (w->listening) {
        io_close(shard(w, 0)->io, &w->listener);
        w->notes[0].quiet = true;
        w->notes[0].hold = false;
        while (w->listening) {
            sim_advance(w->sim, sim_clock(w->sim) + NS_PER_MS);
            shard_turn(shard(w, 0));
        }
    }
    for (uint32_t i = 0; i < w->n; i++) {
        timer_disarm(&w->set->shards[i]->timers, &w->notes[i].timer);
        shard_close(shard(w, i));
    }
    shard_current = NULL;
    shard_set_free(w->set);
    sim_free(w->sim);
}

/* What the shard was told since the last look. */
static void
tells(struct world *w, uint32_t i, const char *want)
{
    assert_string_equal(w->notes[i].story, want);
    w->notes[i].len = 0;
    w->notes[i].story[0] = '\0';
}

static void
push(struct world *w, uint32_t from, uint32_t to, uint64_t serial)
{
    struct record *r = (void *)shard_push(shard(w, from), to, TYPE_NOTE, sizeof(*r));
    r->serial = serial;
}

/* End the turn of a shard that pushed: visible, and peers woken. */
static void
publish(struct world *w, uint32_t i)
{
    struct shard *sh = shard(w, i);
    shard_publish_begin(sh);
    while (shard_publish_seal(sh))
        ;
    shard_publish_end(sh);
    shard_wake_peers(sh);
}

/* ---- order ---- */

static void
a_turn_takes_drains_handles_publishes_and_flushes(void **state)
{
    struct world w;
    (void)state;

    start(&w, 2);
    events(&w, 1);
    push(&w, 1, 0, 7);
    publish(&w, 1);
    timer_arm(&shard(&w, 0)->timers, &w.notes[0].timer, 0);
    shard_ask(w.set, 0, 5);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "a5 r1:7 d e t h f ");
    shard_turn(shard(&w, 0));
    tells(&w, 0, "d h f ");
    stop(&w);
}

/* Three peers publish in turn; whoever drains takes the batches as they were published, not peer by peer. */
static void
batches_are_drained_in_the_order_of_their_stamps(void **state)
{
    struct world w;
    struct rng rng;
    char want[4096];
    size_t len = 0;
    (void)state;

    start(&w, 4);
    rng_init(&rng, 5);
    for (uint64_t serial = 0; serial < 100; serial++) {
        uint32_t from = 1 + (uint32_t)rng_below(&rng, 3);
        push(&w, from, 0, serial);
        publish(&w, from);
        len += (size_t)sprintf(want + len, "r%u:%llu ", from, (unsigned long long)serial);
    }
    (void)sprintf(want + len, "d h f ");
    shard_turn(shard(&w, 0));
    tells(&w, 0, want);
    stop(&w);
}

/* Stamped after `now`: not of this drain, but of the next, without another publish. */
static void
what_is_newer_than_now_waits_for_the_next_turn(void **state)
{
    struct world w;
    (void)state;

    start(&w, 2);
    shard_take(shard(&w, 0));
    shard_clock(shard(&w, 0));
    push(&w, 1, 0, 1);
    publish(&w, 1);
    assert_true(shard_drain(shard(&w, 0), UINT32_MAX));
    tells(&w, 0, "d ");
    assert_int_equal(shard_wait_begin(shard(&w, 0)), 0); /* it does not sleep over it */
    shard_turn(shard(&w, 0));
    tells(&w, 0, "r1:1 d h f ");
    stop(&w);
}

/* Sealed towards both peers, but the one store that publishes is still to come: neither sees anything. */
static void
a_turn_becomes_visible_to_all_peers_at_once(void **state)
{
    struct world w;
    (void)state;

    start(&w, 3);
    push(&w, 0, 1, 1);
    push(&w, 0, 2, 2);
    shard_publish_begin(shard(&w, 0));
    while (shard_publish_seal(shard(&w, 0)))
        ;
    shard_turn(shard(&w, 1));
    shard_turn(shard(&w, 2));
    tells(&w, 1, "d h f ");
    tells(&w, 2, "d h f ");
    shard_publish_end(shard(&w, 0));
    shard_turn(shard(&w, 1));
    shard_turn(shard(&w, 2));
    tells(&w, 1, "r0:1 d h f ");
    tells(&w, 2, "r0:2 d h f ");
    shard_wake_peers(shard(&w, 0));
    stop(&w);
}

/* ---- budgets ---- */

/* More than a turn's work is in the mailbox. Nothing is handled before all of it is drained; `now` stays, and what is published meanwhile
 * is not of this drain: else a busy peer could hold the events for ever. */
static void
an_unfinished_drain_keeps_its_now_and_holds_the_events(void **state)
{
    enum { N = 10 };
    struct world w;
    (void)state;

    start(&w, 2);
    events(&w, 1);
    w.notes[0].cost = SHARD_WORK_MAX / 4;
    for (uint64_t i = 0; i < N; i++) {
        push(&w, 1, 0, i);
        if (i % 3 == 0)
            publish(&w, 1);
    }
    publish(&w, 1);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "r1:0 r1:1 r1:2 r1:3 h f ");
    int64_t now = w.set->shards[0]->now;
    push(&w, 1, 0, 99);
    publish(&w, 1);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "r1:4 r1:5 r1:6 r1:7 h f ");
    assert_int_equal(w.set->shards[0]->now, now);
    assert_int_equal(w.set->shards[0]->i_ev, 0);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "r1:8 r1:9 d e h f ");
    assert_int_equal(w.set->shards[0]->now, now);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "r1:99 d h f ");
    stop(&w);
}

/* Events beyond the budget are handled in the next turn, after its drain; what comes meanwhile is handled behind them. */
static void
events_beyond_the_budget_wait_for_the_next_drain(void **state)
{
    struct world w;
    (void)state;

    start(&w, 2);
    events(&w, 4);
    w.notes[0].cost = SHARD_WORK_MAX / 2;
    w.notes[0].refuse = true;
    shard_turn(shard(&w, 0));
    tells(&w, 0, "d e e h f ");
    assert_int_equal(shard_wait_begin(shard(&w, 0)), 0); /* it does not sleep over the others */
    push(&w, 1, 0, 1);
    publish(&w, 1);
    events(&w, 1);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "r1:1 d e e h f ");
    shard_turn(shard(&w, 0));
    tells(&w, 0, "d e h f ");
    stop(&w);
}

/* The budget goes with the first two events: sends that are done are told all the same, before them. One that failed keeps its place. */
static void
sends_that_are_done_do_not_wait_for_the_budget(void **state)
{
    static const struct io_event evs[] = {
        {.kind = IO_EV_FILE}, {.kind = IO_EV_FILE}, {.kind = IO_EV_SEND, .len = 1},
        {.kind = IO_EV_SEND, .len = 2, .err = ERR_RESET}, {.kind = IO_EV_FILE}, {.kind = IO_EV_SEND, .len = 3},
    };
    struct world w;
    (void)state;

    start(&w, 1);
    w.notes[0].cost = SHARD_WORK_MAX / 2;
    w.notes[0].refuse = true;
    struct shard *sh = shard(&w, 0);
    memcpy(sh->evs, evs, sizeof(evs));
    sh->n_evs = N_ELEMS(evs);
    shard_handle(sh, UINT32_MAX);
    tells(&w, 0, "s1 s3 e e ");
    assert_true(shard_goes_on(sh));
    shard_turn(sh);
    tells(&w, 0, "d s2 e h f ");
    assert_false(shard_goes_on(sh));
    stop(&w);
}

static void
timers_fire_while_events_wait_and_no_more_than_a_turn_may(void **state)
{
    enum { N = SHARD_TIMERS_MAX + 100 };
    struct world w;
    struct notes *many = calloc(N, sizeof(*many));
    (void)state;

    assert_non_null(many);
    start(&w, 1);
    events(&w, 1);
    w.notes[0].hold = true;
    timer_arm(&shard(&w, 0)->timers, &w.notes[0].timer, 0);
    shard_turn(shard(&w, 0));
    tells(&w, 0, "d t h f ");
    assert_true(shard(&w, 0)->events_held);
    w.notes[0].hold = false;
    shard_turn(shard(&w, 0));
    tells(&w, 0, "d e h f ");
    for (uint32_t i = 0; i < N; i++) {
        many[i].timer.fn = app_on_timer;
        timer_arm(&shard(&w, 0)->timers, &many[i].timer, 0);
    }
    shard_turn(shard(&w, 0));
    assert_int_equal(w.set->shards[0]->timers.n_armed, 100);
    assert_true(shard_wait_begin(shard(&w, 0)) <= sim_clock(w.sim)); /* the next turn comes at once */
    shard_turn(shard(&w, 0));
    assert_int_equal(w.set->shards[0]->timers.n_armed, 0);
    free(many);
    stop(&w);
}

/* ---- sleeping ---- */

/* It says that it sleeps; the first peer that publishes wakes it, the second need not. */
static void
a_sleeping_shard_is_woken_once(void **state)
{
    struct world w;
    (void)state;

    start(&w, 3);
    shard_turn(shard(&w, 0));
    assert_true(shard_wait_begin(shard(&w, 0)) > sim_clock(w.sim)); /* nothing to do: it would wait */
    assert_int_equal(atomic_load(&w.set->pub[0].sleeping), 1);
    push(&w, 1, 0, 1);
    publish(&w, 1);
    assert_int_equal(w.set->shards[1]->counters.mbox_wakes, 1);
    push(&w, 2, 0, 2);
    publish(&w, 2);
    assert_int_equal(w.set->shards[2]->counters.mbox_wakes, 0);
    assert_int_equal(w.set->shards[2]->counters.mbox_wakes_spared, 1);
    io_flush(w.set->shards[1]->io); /* a wake-up may leave with the next submit */
    assert_true(sim_io_ready(w.set->shards[0]->io, INT64_MAX));
    shard_wait_end(shard(&w, 0));
    shard_turn(shard(&w, 0));
    assert_int_equal(w.notes[0].n_records, 2);
    push(&w, 1, 0, 3); /* it is awake: nobody wakes it */
    publish(&w, 1);
    assert_int_equal(w.set->shards[1]->counters.mbox_wakes, 1);
    shard_turn(shard(&w, 0));
    stop(&w);
}

/* The peer looks at `sleeping` before it is set, and publishes before that: the last look before sleeping finds it. */
static void
the_last_look_finds_what_nobody_will_wake_it_for(void **state)
{
    struct world w;
    (void)state;

    start(&w, 2);
    shard_turn(shard(&w, 0));
    push(&w, 1, 0, 1);
    publish(&w, 1);
    assert_int_equal(w.set->shards[1]->counters.mbox_wakes, 0);
    assert_int_equal(shard_wait_begin(shard(&w, 0)), 0);
    shard_wait_end(shard(&w, 0));
    assert_int_equal(atomic_load(&w.set->pub[0].sleeping), 0);
    shard_turn(shard(&w, 0));
    stop(&w);
}

/* A peer that waits for room is woken by the drain that makes it, once. */
static void
who_waits_for_room_is_woken_when_there_is_some(void **state)
{
    struct world w;
    (void)state;

    start(&w, 2);
    while (mbox_room(shard(&w, 1)->out[0], 1, 1000, 0))
        (void)shard_push(shard(&w, 1), 0, TYPE_NOTE, 1000);
    publish(&w, 1);
    mbox_want_room(w.set->shards[1]->out[0]);
    (void)shard_wait_begin(shard(&w, 1));
    w.notes[0].quiet = true;
    shard_turn(shard(&w, 0));
    io_flush(w.set->shards[0]->io);
    assert_true(sim_io_ready(w.set->shards[1]->io, INT64_MAX));
    assert_int_equal(w.set->shards[0]->counters.mbox_wakes, 1);
    shard_wait_end(shard(&w, 1));
    shard_turn(shard(&w, 1));
    shard_turn(shard(&w, 0));
    assert_int_equal(w.set->shards[0]->counters.mbox_wakes, 1);
    assert_true(mbox_room(shard(&w, 1)->out[0], 1, 1000, 0));
    stop(&w);
}

/* Events that wait for room in a mailbox: the shard sleeps meanwhile (whoever makes room wakes it), it does not spin. */
static void
held_events_do_not_keep_it_awake(void **state)
{
    struct world w;
    (void)state;

    start(&w, 2);
    events(&w, 1);
    w.notes[0].hold = true;
    shard_turn(shard(&w, 0));
    assert_true(shard_wait_begin(shard(&w, 0)) > sim_clock(w.sim));
    shard_wait_end(shard(&w, 0));
    w.notes[0].hold = false;
    shard_turn(shard(&w, 0));
    tells(&w, 0, "d h f d e h f ");
    stop(&w);
}

/* ---- the set ---- */

static uint64_t
mailbox_of(uint32_t n_shards, uint64_t min)
{
    struct shard_set *set;
    struct shard_set_cfg cfg = {.n_shards = n_shards, .mbox_bytes_min = min, .app = &app};

    assert_int_equal(shard_set_new(&cfg, &set), OK);
    uint64_t len = set->shards[0]->out[1]->mask + 1;
    assert_null(set->shards[0]->out[0]);
    assert_ptr_equal(set->shards[0]->out[1], set->shards[1]->in[0]);
    shard_set_free(set);
    return len;
}

/* What leads to one shard does not grow with their number, and no mailbox is smaller than it must be. */
static void
mailboxes_shrink_with_the_number_of_shards(void **state)
{
    uint64_t first = mailbox_of(2, 0), last = first;
    (void)state;

    for (uint32_t n = 3; n <= SHARDS_MAX; n += n < 8 ? 1 : 8) {
        uint64_t len = mailbox_of(n, 0);
        assert_true(len <= last && (len & (len - 1)) == 0);
        assert_true(len == first || len * n <= 32 << 20);
        last = len;
    }
    assert_true(last < first);
    assert_int_equal(mailbox_of(SHARDS_MAX, last + 1), 2 * last);
    shard_set_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_takes_drains_handles_publishes_and_flushes),
        cmocka_unit_test(batches_are_drained_in_the_order_of_their_stamps),
        cmocka_unit_test(what_is_newer_than_now_waits_for_the_next_turn),
        cmocka_unit_test(a_turn_becomes_visible_to_all_peers_at_once),
        cmocka_unit_test(an_unfinished_drain_keeps_its_now_and_holds_the_events),
        cmocka_unit_test(events_beyond_the_budget_wait_for_the_next_drain),
        cmocka_unit_test(sends_that_are_done_do_not_wait_for_the_budget),
        cmocka_unit_test(timers_fire_while_events_wait_and_no_more_than_a_turn_may),
        cmocka_unit_test(a_sleeping_shard_is_woken_once),
        cmocka_unit_test(the_last_look_finds_what_nobody_will_wake_it_for),
        cmocka_unit_test(who_waits_for_room_is_woken_when_there_is_some),
        cmocka_unit_test(held_events_do_not_keep_it_awake),
        cmocka_unit_test(mailboxes_shrink_with_the_number_of_shards),
    };
    return cmocka_run_group_tests_name("shard", tests, NULL, NULL);
}
