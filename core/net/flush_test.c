/* Who is served when: a flush serves all, except while the budget cuts turns. */
#include "core/net/net_world.h"

enum { N_SUBS = 20, WORK = 2 * (1 + N_SUBS) /* two messages a turn */ };

struct fan {
    struct world w;
    struct client pub, subs[N_SUBS];
};

static void
say(struct fan *f, uint32_t n_msgs, uint32_t size)
{
    char head[32], *payload = calloc(1, size + 2);

    assert_non_null(payload);
    memset(payload, 'p', size);
    memcpy(payload + size, "\r\n", 2);
    int len = sprintf(head, "PUB x %u\r\n", size);
    for (uint32_t i = 0; i < n_msgs; i++) {
        assert_int_equal(client_put(&f->pub, head, (size_t)len), len);
        assert_int_equal(client_put(&f->pub, payload, size + 2), size + 2);
    }
    free(payload);
}

/* Everybody has got so many messages since the last look. */
static void
all_heard(struct fan *f, uint32_t n_msgs)
{
    for (uint32_t i = 0; i < N_SUBS; i++) {
        uint32_t n = 0;
        client_poll(&f->subs[i]);
        for (const char *at = f->subs[i].got; (at = strstr(at, "MSG x")) != NULL; at++)
            n++;
        assert_int_equal(n, n_msgs);
        client_skip(&f->subs[i]);
    }
}

/* One subscriber's queue; all are alike. */
static uint64_t
queued(struct fan *f)
{
    uint64_t n = 0;

    for (uint32_t slot = world_net(&f->w, 0)->all_head; slot != 0; slot = net_conn(world_net(&f->w, 0), slot)->next) {
        const struct conn *c = net_conn(world_net(&f->w, 0), slot);
        if (c->ep.n_subs > 0)
            n = max_u64(n, c->ep.out.n_bytes);
    }
    return n;
}

static void
start(struct fan *f)
{
    f->w.cfg = world_net_cfg();
    world_start(&f->w, &(struct world_cfg){.n_shards = 1, .seed = 1});
    client_open_quiet(&f->w, &f->pub);
    for (uint32_t i = 0; i < N_SUBS; i++) {
        client_open_quiet(&f->w, &f->subs[i]);
        client_say(&f->subs[i], "SUB x 1\r\n");
    }
    say(f, 1, 8);
    world_settle(&f->w);
    all_heard(f, 1);
    assert_int_equal(world_net(&f->w, 0)->n_flushed, N_SUBS);
    f->w.set->shards[0]->work_max = WORK;
}

static void
stop(struct fan *f)
{
    client_free(&f->pub);
    for (uint32_t i = 0; i < N_SUBS; i++)
        client_free(&f->subs[i]);
    world_stop(&f->w);
}

/* Ten turns follow each other at once: one send for each subscriber. */
static void
who_has_little_to_say_waits_for_the_turns_that_follow_at_once(void **state)
{
    static struct fan f;
    const uint64_t len = sizeof("MSG x 1 8\r\npppppppp\r\n") - 1;
    (void)state;

    start(&f);
    say(&f, 20, 8);
    for (uint32_t i = 1; i < 10; i++) {
        assert_true(world_step(&f.w, 0));
        assert_int_equal(queued(&f), 2 * i * len);
    }
    assert_true(world_step(&f.w, 0));
    assert_int_equal(queued(&f), 0);
    all_heard(&f, 20);
    stop(&f);
}

static void
nobody_waits_longer_than_serving_all_takes(void **state)
{
    static struct fan f;
    (void)state;

    start(&f);
    say(&f, 40, 8);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(world_step(&f.w, 0));
            assert_true(queued(&f) > 0);
        }
        sim_advance(f.w.sim, sim_clock(f.w.sim) + N_SUBS * 4000);
        assert_true(world_step(&f.w, 0));
        assert_int_equal(queued(&f), 0);
        assert_true(shard_goes_on(f.w.set->shards[0])); /* and more comes */
    }
    world_settle(&f.w);
    all_heard(&f, 40);
    stop(&f);
}

static void
who_has_much_to_say_does_not_wait(void **state)
{
    static struct fan f;
    (void)state;

    start(&f);
    say(&f, 8, 9000); /* two of them are more than 16 KiB */
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(world_step(&f.w, 0));
        assert_int_equal(queued(&f), 0);
        assert_true(shard_goes_on(f.w.set->shards[0]));
    }
    world_settle(&f.w);
    all_heard(&f, 8);
    stop(&f);
}

/* A connection that says its last words while others wait says them, and goes. */
static void
last_words_of_one_who_waits_are_said(void **state)
{
    static struct fan f;
    (void)state;

    start(&f);
    assert_int_equal(client_put(&f.subs[3], "nonsense\r\n", 10), 10);
    say(&f, 20, 8);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(world_step(&f.w, 0));
    world_settle(&f.w);
    client_poll(&f.subs[3]);
    assert_non_null(strstr(f.subs[3].got, "-ERR 'Unknown Protocol Operation'\r\n"));
    assert_true(client_closed(&f.subs[3]));
    stop(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_little_to_say_waits_for_the_turns_that_follow_at_once),
        cmocka_unit_test(nobody_waits_longer_than_serving_all_takes),
        cmocka_unit_test(who_has_much_to_say_does_not_wait),
        cmocka_unit_test(last_words_of_one_who_waits_are_said),
    };
    return cmocka_run_group_tests_name("flush", tests, world_log_off, world_log_on);
}
