/* How long a write may take, and what becomes of who takes longer. In the simulated world. */
#include "core/net/net_world.h"

enum { PAYLOAD_LEN = 65536, N_PUBS = 10, WINDOW = 4096 };

/* One shard; `sub` subscribes to x and has read nothing of what was published there: the first message is a write, of the others (more than one
 * write can be) nothing was tried yet. */
struct flooded {
    struct world w;
    struct client sub, pub;
    struct conn *c; /* sub's */
};

static uint64_t
n_counted(struct flooded *f)
{
    return f->w.set->shards[0]->counters.slow_consumers_deadline;
}

static void
flood(struct flooded *f, bool retry, bool connect)
{
    static char text[PAYLOAD_LEN + 64];
    size_t n = (size_t)sprintf(text, "PUB x %d\r\n", PAYLOAD_LEN);

    memset(text + n, 'p', PAYLOAD_LEN);
    memcpy(text + n + PAYLOAD_LEN, "\r\n", 2);
    f->w.cfg = world_net_cfg();
    f->w.cfg.write_retry = retry;
    world_start(&f->w, &(struct world_cfg){.n_shards = 1, .seed = 1, .window = WINDOW});
    if (connect) {
        client_open_quiet(&f->w, &f->sub);
        client_say(&f->sub, "SUB x 1\r\nPING\r\n");
        client_hears(&f->sub, "PONG\r\n");
    } else {
        client_dial(&f->w, &f->sub);
        client_skip(&f->sub);
        client_say(&f->sub, "SUB x 1\r\n");
        client_hears(&f->sub, "+OK\r\n");
    }
    f->c = net_conn(world_net(&f->w, 0), world_net(&f->w, 0)->all_head);
    client_open_quiet(&f->w, &f->pub);
    for (int i = 0; i < N_PUBS; i++)
        client_say_bytes(&f->pub, text, n + PAYLOAD_LEN + 2);
    assert_int_equal(f->c->ep.out_msgs, N_PUBS);
}

/* Read so many bytes of what waits, and let the server send more. */
static void
take(struct flooded *f, size_t n)
{
    static char bytes[WINDOW];

    while (n > 0) {
        size_t got = sim_peer_recv(f->sub.p, bytes, n < WINDOW ? n : WINDOW);
        assert_true(got > 0);
        n -= got;
        world_settle(&f->w);
    }
}

static void
unflood(struct flooded *f)
{
    client_free(&f->sub);
    client_free(&f->pub);
    world_stop(&f->w);
}

/* It is closed by now, and n writes were counted that took too long. */
static void
is_cut(struct flooded *f, uint64_t n)
{
    assert_int_equal(n_counted(f), n);
    assert_true(client_closed(&f->sub));
    unflood(f);
}

/* By default all of a write must be taken in time: a part of it does not make the time start over. */
static void
a_write_of_which_a_part_is_taken_ends_at_the_deadline(void **state)
{
    struct flooded f;
    (void)state;

    flood(&f, false, true);
    world_run(&f.w, 6 * NS_PER_S);
    take(&f, PAYLOAD_LEN / 2);
    world_run(&f.w, 3 * NS_PER_S);
    assert_int_equal(f.c->state, CONN_OPEN);
    world_run(&f.w, 2 * NS_PER_S);
    is_cut(&f, 1);
}

/* The first write is taken, and the next begins. */
static void
the_next_write_has_its_own_time(void **state)
{
    struct flooded f;
    (void)state;

    flood(&f, false, true);
    world_run(&f.w, 6 * NS_PER_S);
    take(&f, PAYLOAD_LEN + 100);
    world_run(&f.w, 9 * NS_PER_S);
    assert_int_equal(f.c->state, CONN_OPEN);
    world_run(&f.w, 2 * NS_PER_S);
    is_cut(&f, 1);
}

/* write_timeout: retry. As long as something is taken within each deadline it stays; each that passes is counted. */
static void
with_retry_who_takes_something_stays(void **state)
{
    struct flooded f;
    (void)state;

    flood(&f, true, true);
    for (uint64_t i = 1; i <= 3; i++) {
        take(&f, 1000);
        world_run(&f.w, 10 * NS_PER_S + NS_PER_MS);
        assert_int_equal(n_counted(&f), i);
        assert_int_equal(f.c->state, CONN_OPEN);
        assert_true((f.c->flags & CONN_SLOW) != 0);
    }
    take(&f, 9 * PAYLOAD_LEN + 100); /* the first write and the next: it may be no more than 512 KiB */
    assert_true((f.c->flags & CONN_SLOW) == 0);
    take(&f, (size_t)f.c->ep.out.n_bytes);
    world_run(&f.w, 60 * NS_PER_S);
    assert_int_equal(n_counted(&f), 3);
    assert_int_equal(f.c->state, CONN_OPEN);
    unflood(&f);
}

static void
with_retry_who_takes_nothing_is_closed(void **state)
{
    struct flooded f;
    (void)state;

    flood(&f, true, true);
    world_run(&f.w, 6 * NS_PER_S);
    take(&f, 1000);
    world_run(&f.w, 5 * NS_PER_S);
    assert_int_equal(f.c->state, CONN_OPEN);
    world_run(&f.w, 10 * NS_PER_S);
    is_cut(&f, 2);
}

/* Who never said CONNECT is closed, too, but is no slow consumer. */
static void
before_connect_nothing_is_counted(void **state)
{
    (void)state;
    for (int retry = 0; retry < 2; retry++) {
        struct flooded f;

        flood(&f, retry != 0, false);
        take(&f, 1000);
        world_run(&f.w, 11 * NS_PER_S);
        is_cut(&f, 0);
    }
}

static void
last_words_nobody_reads_end_at_the_write_deadline(void **state)
{
    (void)state;
    for (int retry = 0; retry < 2; retry++) {
        struct world w;
        struct client a;

        w.cfg = world_net_cfg();
        w.cfg.write_retry = retry != 0;
        world_start(&w, &(struct world_cfg){.n_shards = 1, .seed = 1, .window = 64});
        client_dial(&w, &a);
        client_say(&a, "F");
        struct net *n = world_net(&w, 0);
        assert_int_equal(net_conn(n, n->all_head)->state, CONN_LAST_WORDS);
        world_run(&w, 11 * NS_PER_S);
        assert_int_equal(n->n_conns, 0);
        client_free(&a);
        world_stop(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_of_which_a_part_is_taken_ends_at_the_deadline),
        cmocka_unit_test(the_next_write_has_its_own_time),
        cmocka_unit_test(with_retry_who_takes_something_stays),
        cmocka_unit_test(with_retry_who_takes_nothing_is_closed),
        cmocka_unit_test(before_connect_nothing_is_counted),
        cmocka_unit_test(last_words_nobody_reads_end_at_the_write_deadline),
    };
    return cmocka_run_group_tests_name("conn_write", tests, world_log_off, world_log_on);
}
