/* Bugs that the simulation found, each as a story that no seed has to find again: steps of shards in an order chosen by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "tests/sim/client.h"
#include "tests/sim/judge.h"

enum { STORY_CLIENTS_MAX = 8, STORY_STEPS_MAX = 100000 };

/* Numbers of subjects (history.c). */
enum { A_X = 0, B_X = 3, B_Y = 4, C = 5, DEEP = 6 };

struct story {
    struct world w;
    struct client *c[STORY_CLIENTS_MAX]; /* client k lives on shard k % n_shards: placed in turn */
    uint32_t n;
    const struct client *deaf; /* reads nothing; NULL: all do */
};

static struct history story_history; /* large */

/* Nothing by chance: bytes are there at once, and whole. */
static void
story_open_cfg(struct story *s, struct world_cfg cfg, uint32_t window_bytes)
{
    memset(s, 0, sizeof(*s));
    history_clear(&story_history);
    cfg.mbox_bytes = 16384;
    cfg.step_ns_max = cfg.burst_max = 1;
    sim_cfg_default(&cfg.sim, 1);
    cfg.sim.delay_ns_max = 0;
    cfg.sim.short_pct = cfg.sim.later_pct = 0;
    cfg.sim.window_bytes = window_bytes;
    world_open(&s->w, &cfg);
}

static void
story_open(struct story *s, uint32_t n_shards)
{
    story_open_cfg(s, (struct world_cfg){.n_shards = n_shards}, 65536);
}

/* One step of this shard, or of any (UINT32_MAX); clients read what is there, and send what did not fit before. */
static bool
story_step(struct story *s, uint32_t shard)
{
    bool moved = shard == UINT32_MAX ? world_step(&s->w) : world_step_shard(&s->w, shard);

    for (uint32_t i = 0; i < s->n; i++) {
        if (client_send(s->c[i], UINT32_MAX) > 0)
            moved = true;
        if (s->c[i] != s->deaf && client_readable(s->c[i])) {
            client_read(s->c[i], CLIENT_IN_MAX / 2);
            moved = true;
        }
        assert_string_equal(s->c[i]->complaint, "");
    }
    return moved;
}

static void
story_settle(struct story *s)
{
    for (uint32_t n = 0; !world_quiet(&s->w) || story_step(s, UINT32_MAX); n++) {
        assert_true(n < STORY_STEPS_MAX);
        if (!story_step(s, UINT32_MAX) && sim_next(s->w.sim) != INT64_MAX)
            sim_advance(s->w.sim, sim_next(s->w.sim));
    }
}

static struct client *
story_connect(struct story *s, uint32_t flags)
{
    struct client *c = s->c[s->n++] = client_connect(&s->w, &story_history, CLIENT_CONNECT | flags);
    story_settle(s);
    client_send(c, UINT32_MAX);
    story_settle(s);
    assert_true(c->open);
    assert_int_equal(story_history.clients[c->id].shard, (s->n - 1) % s->w.cfg.n_shards);
    return c;
}

/* What c has said goes out; a PING behind it. */
static void
story_say(struct client *c)
{
    client_ping(c);
    client_send(c, UINT32_MAX);
    assert_int_equal(c->out_len, 0);
}

/* Run this shard alone, to the moment before this step. */
static void
story_run_to(struct story *s, uint32_t shard, enum world_at at)
{
    for (uint32_t n = 0; n == 0 || s->w.shards[shard].at != at; n++) {
        assert_true(n < STORY_STEPS_MAX);
        assert_true(story_step(s, shard));
    }
}

/* Every client sees a last PONG; nothing is left over. */
static void
story_close(struct story *s)
{
    struct verdict v;
    char leak[256];

    story_settle(s);
    for (uint32_t i = 0; i < s->n; i++)
        story_say(s->c[i]);
    story_settle(s);
    if (!judge(&story_history, &v)) {
        judge_print(&story_history, &v);
        fail();
    }
    for (uint32_t i = 0; i < s->n; i++) {
        assert_int_equal(s->c[i]->n_pings, 0);
        client_free(s->c[i]);
    }
    s->n = 0;
    while (world_n_conns(&s->w) > 0 || !world_quiet(&s->w)) {
        if (!world_step(&s->w))
            sim_advance(s->w.sim, min_i64(sim_next(s->w.sim), world_next_timer(&s->w)));
    }
    assert_null(world_leaks(&s->w, leak, sizeof(leak)));
    for (uint32_t i = 0; i < s->w.cfg.n_shards; i++)
        shard_ask(s->w.set, i, NET_ASK_STOP);
    for (uint32_t i = 0; i < s->w.cfg.n_shards; i++) {
        while (s->w.shards[i].at != AT_DONE) {
            if (!world_step(&s->w))
                sim_advance(s->w.sim, min_i64(sim_next(s->w.sim), world_next_timer(&s->w)));
        }
    }
    world_close(&s->w);
}

/* A publishes for a group of two: itself, without echo, and B on the other shard, who leaves before the messages come. Passed on, they come
 * back to A's shard, which must know whose they are. */
static void
who_wants_no_echo_gets_none_by_a_detour(void **state)
{
    struct story s;
    (void)state;

    story_open(&s, 2);
    struct client *a = story_connect(&s, CLIENT_NO_ECHO), *b = story_connect(&s, 0);
    client_sub(a, A_X, 1);
    story_say(a);
    client_sub(b, A_X, 1);
    story_say(b);
    story_settle(&s);
    for (uint32_t i = 0; i < 3; i++)
        client_pub(a, A_X, 64, false, false);
    story_say(a);
    story_run_to(&s, 0, AT_HANDLE); /* has the bytes, and has heard all there was to hear */
    client_unsub(b, b->last_sub);
    story_say(b);
    story_run_to(&s, 1, AT_WAIT_BEGIN);
    story_settle(&s);
    assert_true(s.w.set->shards[1]->counters.queue_passed_on > 0);
    assert_int_equal(story_history.n_gots, 0);
    story_close(&s);
}

/* Messages for q3, whose member has left shard 1, wait there for room towards shard 2, where the other one is. Meanwhile A's next messages come:
 * one for q2, one for a plain subscription of the same connection X. The first must come first. */
static void
a_queue_message_is_not_held_up_by_one_that_is_passed_on(void **state)
{
    struct story s;
    (void)state;

    story_open(&s, 3);
    struct client *a = story_connect(&s, 0), *x = story_connect(&s, 0), *y = story_connect(&s, 0);
    (void)story_connect(&s, 0); /* a place on shard 0 */
    struct client *f = story_connect(&s, 0);
    client_sub(x, B_X, 2);
    client_sub(x, B_Y, 0);
    client_sub(x, C, 3);
    uint32_t leaves = x->last_sub;
    story_say(x);
    client_sub(y, C, 3);
    client_sub(y, DEEP, 0);
    story_say(y);
    story_settle(&s);
    for (uint32_t i = 0; i < 12; i++)
        client_pub(a, C, 980, false, false);
    client_pub(a, B_X, 64, false, false);
    client_pub(a, B_Y, 64, false, false);
    story_say(a);
    story_run_to(&s, 0, AT_HANDLE);
    client_unsub(x, leaves);
    story_say(x);
    story_run_to(&s, 1, AT_WAIT_BEGIN);
    for (uint32_t i = 0; i < 30; i++) /* until the mailbox from 1 to 2 is full: shard 2 stands still */
        client_pub(f, DEEP, 900, false, false);
    story_say(f);
    story_run_to(&s, 1, AT_WAIT_BEGIN);
    assert_true(s.w.set->shards[1]->counters.mbox_full > 0);
    story_run_to(&s, 0, AT_WAIT_BEGIN);
    story_run_to(&s, 1, AT_WAIT_BEGIN);
    assert_true(((const struct net *)s.w.set->shards[1]->app)->broker.n_deferred > 0);
    story_close(&s);
}

/* A pauses for B, who is behind, as often as it may; then the budget ends its work. It must go on at once: nobody else would wake it before
 * some timer of housekeeping. */
static void
who_paused_and_ran_out_of_budget_goes_on_at_once(void **state)
{
    struct story s;
    (void)state;

    story_open_cfg(&s, (struct world_cfg){.n_shards = 2, .pending_max = 65536, .work_max = 1}, 16384);
    struct client *a = story_connect(&s, 0);
    (void)story_connect(&s, 0); /* a place on shard 1 */
    struct client *b = story_connect(&s, 0);
    client_sub(b, A_X, 0);
    story_say(b);
    story_settle(&s);
    s.deaf = b;
    for (uint32_t i = 0; i < 86; i++) /* more than the window and three quarters of what may wait for B, less than all of it */
        client_pub(a, A_X, 900, false, false);
    client_ping(a);
    for (int64_t until = sim_clock(s.w.sim) + 100 * NS_PER_MS; a->n_pings > 0;) {
        if (story_step(&s, UINT32_MAX))
            continue;
        int64_t next = min_i64(sim_next(s.w.sim), world_next_timer(&s.w));
        assert_true(next < until);
        sim_advance(s.w.sim, next);
    }
    assert_true(s.w.set->shards[0]->counters.stalls >= NET_STALLS_MAX);
    s.deaf = NULL;
    story_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_wants_no_echo_gets_none_by_a_detour),
        cmocka_unit_test(a_queue_message_is_not_held_up_by_one_that_is_passed_on),
        cmocka_unit_test(who_paused_and_ran_out_of_budget_goes_on_at_once),
    };

    if (sodium_init() < 0)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
