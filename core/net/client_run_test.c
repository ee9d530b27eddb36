/* Publishes that repeat are handled together where they come together: everybody hears what they hear when each comes alone. */
#include "core/net/net_world.h"
#include "core/rt/rng.h"

enum { N_OPS = 400, OP_MAX = 24000 };

/* A publisher, a subscriber on its shard, one on another. What subscriptions there are makes every way that a publish can go. */
struct talk {
    struct world w;
    struct client pub, near, far;
};

static void
start(struct talk *t, int64_t work_max)
{
    t->w.cfg = world_net_cfg();
    world_start(&t->w, &(struct world_cfg){.n_shards = 2, .seed = 1, .window = 8 << 20});
    client_open_quiet(&t->w, &t->pub); /* shard 0 */
    client_open_quiet(&t->w, &t->far); /* shard 1 */
    client_open_quiet(&t->w, &t->near); /* shard 0 */
    client_say(&t->pub, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\nSUB self 1\r\n");
    client_say(&t->near, "SUB one 1\r\nSUB many 2\r\nSUB man* 3\r\nSUB both 4\r\nSUB few 5\r\nUNSUB 5 7\r\nSUB group q 6\r\nSUB one.with.a.name.that.is.longer.than.a.vector 7\r\n");
    client_say(&t->far, "SUB far 1\r\nSUB both 2\r\nSUB many 3\r\n");
    for (uint32_t i = 0; i < 2; i++)
        t->w.set->shards[i]->work_max = work_max;
}

static void
stop(struct talk *t)
{
    client_free(&t->pub);
    client_free(&t->near);
    client_free(&t->far);
    world_stop(&t->w);
}

/* One publish at `to`: as a rule to the subject of the one before. */
static size_t
make_op(struct rng *rng, char *to, uint32_t *subject)
{
    static const char *const subjects[] = {"one", "many", "self", "far", "both", "few", "group", "nobody", "one.with.a.name.that.is.longer.than.a.vector"};
    if (rng_below(rng, 6) == 0)
        *subject = (uint32_t)rng_below(rng, N_ELEMS(subjects));
    uint64_t r = rng_below(rng, 40);
    uint32_t size = (uint32_t)rng_below(rng, r == 0 ? 20000 : r < 3 ? 6000 : 300);
    if (r == 4)
        return (size_t)sprintf(to, "HPUB %s 12 12\r\nNATS/1.0\r\n\r\n\r\n", subjects[*subject]);
    int n = sprintf(to, "%s %s %s%0*u\r\n", r == 5 ? "pub" : "PUB", subjects[*subject], r == 6 ? "re.ply " : "", r == 7 ? 6 : 1, size);
    for (uint32_t i = 0; i < size; i++)
        to[n++] = (char)('a' + (i + size) % 26);
    return (size_t)n + (size_t)sprintf(to + n, "\r\n");
}

static uint64_t
n_matches(struct talk *t)
{
    struct interest_stats st;

    interest_stats(world_net(&t->w, 0)->broker.ix, &st);
    return st.n_matches;
}

static void
all_hear_the_same(uint64_t seed, int64_t work_max)
{
    static struct talk alone, together;
    static char text[N_OPS * OP_MAX / 16 + OP_MAX];
    size_t at[N_OPS + 1] = {0};
    uint32_t subject = 0;
    struct rng rng;

    rng_init(&rng, seed);
    for (uint32_t i = 0; i < N_OPS; i++) {
        assert_true(at[i] + OP_MAX < sizeof(text));
        at[i + 1] = at[i] + make_op(&rng, text + at[i], &subject);
    }
    start(&alone, SHARD_WORK_MAX);
    start(&together, work_max);
    for (uint32_t i = 0; i < N_OPS; i++)
        client_say_bytes(&alone.pub, text + at[i], at[i + 1] - at[i]);
    client_say_bytes(&together.pub, text, at[N_OPS]);
    client_poll(&alone.pub), client_poll(&alone.near), client_poll(&alone.far);
    client_hears(&together.pub, alone.pub.got);
    client_hears(&together.near, alone.near.got);
    client_hears(&together.far, alone.far.got);
    for (uint32_t i = 0; i < 2; i++) {
        const struct counters *a = &alone.w.set->shards[i]->counters, *b = &together.w.set->shards[i]->counters;
        assert_int_equal(a->in_msgs, b->in_msgs);
        assert_int_equal(a->in_bytes, b->in_bytes);
        assert_int_equal(a->out_msgs, b->out_msgs);
        assert_int_equal(a->out_bytes, b->out_bytes);
        assert_int_equal(a->mbox_msgs_in, b->mbox_msgs_in);
    }
    stop(&alone);
    stop(&together);
}

static void
everybody_hears_what_single_publishes_give(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        all_hear_the_same(seed, SHARD_WORK_MAX);
}

static void
a_budget_that_ends_in_a_run_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 20; seed++)
        all_hear_the_same(seed, 1 + (int64_t)seed % 13);
}

static void
a_stream_is_matched_once(void **state)
{
    static const char *const subjects[] = {"one", "far", "nobody"};
    static struct talk t;
    char ops[100 * 32];
    (void)state;

    start(&t, SHARD_WORK_MAX);
    for (uint32_t k = 0; k < N_ELEMS(subjects); k++) {
        int len = 0;
        for (uint32_t i = 0; i < 100; i++)
            len += sprintf(ops + len, "PUB %s 2\r\nhi\r\n", subjects[k]);
        assert_int_equal(client_put(&t.pub, ops, (size_t)len), len);
        uint64_t before = n_matches(&t);
        assert_true(world_step(&t.w, 0));
        assert_in_range(n_matches(&t) - before, 2, 3); /* of the first, and of all others */
        assert_int_equal(t.w.set->shards[0]->counters.in_msgs, 100 * (k + 1));
        world_settle(&t.w);
    }
    stop(&t);
}

/* A subscriber that does not read: its producer pauses where it would, and it is cut where it would. */
static void
who_is_behind_stalls_a_stream_and_is_cut(void **state)
{
    static struct talk t;
    char op[256];
    (void)state;

    start(&t, SHARD_WORK_MAX);
    struct conn *c = NULL;
    for (uint32_t slot = world_net(&t.w, 0)->all_head; slot != 0; slot = net_conn(world_net(&t.w, 0), slot)->next) {
        if (net_conn(world_net(&t.w, 0), slot)->ep.n_subs > 2)
            c = net_conn(world_net(&t.w, 0), slot);
    }
    assert_non_null(c);
    c->ep.n_pending_max = 20000;
    int len = sprintf(op, "PUB one 100\r\n%0100d\r\n", 7);
    for (uint32_t i = 0; i < 150; i++) /* 3/4 of it, and more than the whole: all before anything is sent */
        assert_int_equal(client_put(&t.pub, op, (size_t)len), len);
    assert_true(world_step(&t.w, 0));
    assert_int_equal(t.w.set->shards[0]->counters.stalls, 1);
    assert_int_equal(t.w.set->shards[0]->counters.in_msgs, 20000 / 4 * 3 / (sizeof("MSG one 1 100\r\n\r\n") - 1 + 100) + 1); /* the first one past the mark */
    world_settle(&t.w);
    for (uint32_t i = 0; i < 3; i++) {
        world_run(&t.w, NS_PER_S / 10);
        client_poll(&t.near);
    }
    assert_int_equal(t.w.set->shards[0]->counters.in_msgs, 150);
    assert_int_equal(t.w.set->shards[0]->counters.slow_consumers_pending, 0);
    stop(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_hears_what_single_publishes_give),
        cmocka_unit_test(a_budget_that_ends_in_a_run_changes_nothing),
        cmocka_unit_test(a_stream_is_matched_once),
        cmocka_unit_test(who_is_behind_stalls_a_stream_and_is_cut),
    };
    return cmocka_run_group_tests_name("client_run", tests, world_log_off, world_log_on);
}
