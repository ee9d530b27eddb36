/* Tests of gather.h: what shards tell, in how large pieces, and that it is whole. */
#include "core/net/gather.h"

#include "core/net/gather_priv.h"
#include "core/net/http.h"
#include "core/net/net_world.h"

enum { SHARDS = 3 };

static void
no_request(void *arg, struct net *n, const struct http_ask *a)
{
    (void)arg, (void)n, (void)a;
    fail();
}

static void
nothing(void *arg)
{
    (void)arg;
}

static const struct http_ops no_ops = {.on_request = no_request, .on_stop = nothing};
static struct world w;
static struct http_cfg hc;
static bool is_done;

static void
start(uint32_t n_closed_max, uint64_t mbox_bytes)
{
    w.cfg = world_net_cfg();
    hc = (struct http_cfg){.host = "127.0.0.1", .n_closed_max = n_closed_max, .ops = &no_ops};
    world_start(&w, &(struct world_cfg){.n_shards = SHARDS, .seed = 3, .http = &hc, .mbox_bytes = mbox_bytes});
}

static void
on_done(struct gather *g)
{
    assert_int_equal(g->n_left, 0);
    assert_ptr_equal(shard_current, w.set->shards[0]);
    is_done = true;
}

/* Ask, as a page does; and how many turns the slowest shard took for it. */
static uint64_t
ask(struct gather *g)
{
    uint64_t turns[SHARDS], most = 0;

    for (uint32_t i = 0; i < SHARDS; i++)
        turns[i] = w.set->shards[i]->turn;
    is_done = false;
    g->done = on_done;
    shard_current = w.set->shards[0];
    gather_start(world_net(&w, 0), g);
    shard_ask(w.set, 0, 0); /* a turn comes: on the server this is inside one */
    io_wake_any(w.set->shards[0]->io);
    world_settle(&w);
    assert_true(is_done);
    for (uint32_t i = 0; i < SHARDS; i++)
        most = max_u64(most, w.set->shards[i]->turn - turns[i]);
    return most;
}

static uint64_t
count(const struct gather *g, uint32_t type)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < SHARDS; i++) {
        struct gather_it it = {0};
        const struct gather_rec *r;
        while (g->parts[i] != NULL && (r = gather_next(g->parts[i], &it)) != NULL)
            n += r->type == type;
    }
    return n;
}

static uint64_t
total(const struct gather *g)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < SHARDS; i++)
        n += g->parts[i] != NULL ? g->parts[i]->n_total : 0;
    return n;
}

static const uint64_t all_shards = BIT64(SHARDS) - 1;

/* Connections and their subscriptions, wherever they are; then those that were picked. */
static void
what_was_asked_for_is_told(void **state)
{
    (void)state;
    struct client cs[6];
    start(100, 0);
    for (uint32_t i = 0; i < 6; i++) {
        client_open_quiet(&w, &cs[i]);
        char text[64];
        for (uint32_t k = 0; k <= i; k++) {
            (void)snprintf(text, sizeof(text), "SUB s.%u %s %u\r\n", k, k == 1 ? "q" : "", k);
            client_say(&cs[i], text);
        }
    }
    client_say(&cs[0], "PUB s.0 2\r\nhi\r\n");
    struct gather g = {.kind = GATHER_STATS, .shards = all_shards};
    (void)ask(&g);
    uint64_t n_subs = 0, n_conns = 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        n_subs += g.parts[i]->stats.interest.n_subs;
        n_conns += g.parts[i]->stats.n_conns;
        assert_int_equal(g.parts[i]->n_recs, 0);
    }
    assert_int_equal(n_subs, 21);
    assert_int_equal(n_conns, 6);
    gather_fini(&g);

    g = (struct gather){.kind = GATHER_KEYS, .shards = all_shards, .sort = GATHER_SORT_subs, .open = true};
    (void)ask(&g);
    assert_int_equal(total(&g), 6);
    assert_int_equal(count(&g, GATHER_REC_KEY), 6);
    struct gather_pick picks[SHARDS][6];
    struct gather about = {.kind = GATHER_CONNS, .shards = all_shards, .subs = true};
    int64_t sum = 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct gather_it it = {0};
        const struct gather_key *k;
        about.picks[i] = picks[i];
        while ((k = (const void *)gather_next(g.parts[i], &it)) != NULL) {
            picks[i][about.n_picks[i]++] = k->pick;
            sum += k->key;
        }
    }
    assert_int_equal(sum, 21);
    gather_fini(&g);
    (void)ask(&about);
    assert_int_equal(count(&about, GATHER_REC_CONN), 6);
    assert_int_equal(count(&about, GATHER_REC_SUB), 21);
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct gather_it it = {0};
        const struct gather_rec *r = gather_next(about.parts[i], &it);
        for (uint32_t k = 0; k < about.n_picks[i]; k++) {
            const struct gather_conn *c = (const void *)r;
            assert_int_equal(c->cid, picks[i][k].cid); /* in the order of the picks, each with its own behind it */
            uint32_t n = 0;
            while ((r = gather_next(about.parts[i], &it)) != NULL && r->type == GATHER_REC_SUB) {
                assert_int_equal(((const struct gather_sub *)(const void *)r)->cid, c->cid);
                n++;
            }
            assert_int_equal(n, c->n_subs);
            assert_int_equal(c->out_msgs, 1);
            assert_int_equal(c->out_bytes, 2);
        }
    }
    gather_fini(&about);

    g = (struct gather){.kind = GATHER_SUBS, .shards = all_shards, .test = "s.1", .test_len = 3, .limit = 100};
    (void)ask(&g);
    assert_int_equal(total(&g), 5);
    assert_int_equal(count(&g, GATHER_REC_SUB), 5);
    gather_fini(&g);
    for (uint32_t i = 0; i < 6; i++)
        client_free(&cs[i]);
    world_stop(&w);
}

/* A shard leaves out what comes before the page, and stops telling behind it, but counts all. */
static void
a_page_is_cut_out_by_the_shard(void **state)
{
    (void)state;
    struct client c;
    char text[32];
    start(0, 0);
    client_open_quiet(&w, &c);
    for (uint32_t i = 0; i < 50; i++) {
        (void)snprintf(text, sizeof(text), "SUB a.%u %u\r\n", i, i);
        client_say(&c, text);
    }
    static const struct {
        uint64_t skip, limit, n;
    } rows[] = {{0, 100, 50}, {0, 7, 7}, {45, 7, 5}, {50, 7, 0}, {UINT64_MAX, UINT64_MAX, 0}, {1, UINT64_MAX, 49}, {3, 0, 0}};
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct gather g = {.kind = GATHER_SUBS, .shards = all_shards, .skip = rows[i].skip, .limit = rows[i].limit};
        (void)ask(&g);
        assert_int_equal(total(&g), 50);
        assert_int_equal(count(&g, GATHER_REC_SUB), rows[i].n);
        gather_fini(&g);
    }
    client_free(&c);
    world_stop(&w);
}

/* However much there is to tell, a turn tells GATHER_WORK_MAX units of it. */
static void
t10_a_turn_tells_a_slice(void **state)
{
    (void)state;
    enum { CONNS = 900, SUBS = 5000, CONNS_A_TURN = GATHER_WORK_MAX / GATHER_CONN_WORK };
    static struct client cs[CONNS];
    start(0, 0);
    w.cfg.max_connections = CONNS;
    for (uint32_t i = 0; i < CONNS; i++)
        client_dial(&w, &cs[i]);
    for (uint32_t i = 0; i < SUBS; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "SUB a.%u %u\r\n", i, i);
        client_say_bytes(&cs[0], text, strlen(text));
    }
    struct gather g = {.kind = GATHER_KEYS, .shards = all_shards, .open = true};
    uint64_t turns = ask(&g);
    assert_int_equal(count(&g, GATHER_REC_KEY), CONNS);
    assert_true(turns >= CONNS / SHARDS / CONNS_A_TURN);
    gather_fini(&g);
    g = (struct gather){.kind = GATHER_SUBS, .shards = all_shards, .limit = UINT64_MAX};
    turns = ask(&g);
    assert_int_equal(count(&g, GATHER_REC_SUB), SUBS);
    assert_true(turns >= SUBS / GATHER_WORK_MAX);
    gather_fini(&g);
    g = (struct gather){.kind = GATHER_PENDING, .shards = all_shards};
    (void)ask(&g);
    assert_int_equal(count(&g, GATHER_REC_KEY), 0);
    gather_fini(&g);
    for (uint32_t i = 0; i < CONNS; i++)
        client_free(&cs[i]);
    world_stop(&w);
}

/* Sixteen questions at once, through mailboxes that are full of messages: all are answered. */
static void
full_mailboxes_delay_it_only(void **state)
{
    (void)state;
    static struct gather gs[GATHERS_MAX];
    struct client sub, pub[SHARDS];
    static char msg[4096 + 64];
    start(0, 128 << 10);
    client_open_quiet(&w, &sub);
    client_say(&sub, "SUB a 1\r\n");
    for (uint32_t i = 0; i < SHARDS; i++)
        client_open_quiet(&w, &pub[i]);
    int len = snprintf(msg, sizeof(msg), "PUB a 4000\r\n%04000d\r\n", 0);
    for (uint32_t k = 0; k < 100; k++) {
        for (uint32_t i = 0; i < SHARDS; i++)
            (void)client_put(&pub[i], msg, (size_t)len);
    }
    shard_current = w.set->shards[0];
    for (uint32_t i = 0; i < GATHERS_MAX; i++) {
        gs[i] = (struct gather){.kind = GATHER_KEYS, .shards = all_shards, .open = true, .done = on_done};
        gather_start(world_net(&w, 0), &gs[i]);
    }
    io_wake_any(w.set->shards[0]->io);
    world_settle(&w);
    for (uint32_t i = 0; i < GATHERS_MAX; i++) {
        assert_int_equal(gs[i].n_left, 0);
        assert_int_equal(count(&gs[i], GATHER_REC_KEY), 1 + SHARDS);
        gather_fini(&gs[i]);
    }
    client_free(&sub);
    for (uint32_t i = 0; i < SHARDS; i++)
        client_free(&pub[i]);
    world_stop(&w);
}

/* The last n_closed_max of a shard, as they were: name, reason, counts, subscriptions. */
static void
closed_connections_are_remembered(void **state)
{
    (void)state;
    struct client c;
    start(5, 0);
    for (uint32_t i = 0; i < 40; i++) {
        client_open(&w, &c);
        client_say(&c, "CONNECT {\"verbose\":false,\"name\":\"me\",\"user\":\"u\"}\r\nSUB a q 1\r\nSUB b 2\r\nPING\r\n");
        client_hears(&c, "PONG\r\n");
        client_say(&c, "PUB x 3\r\nabc\r\nNONSENSE\r\n");
        client_free(&c);
    }
    struct gather g = {.kind = GATHER_KEYS, .shards = all_shards, .open = true, .closed = true, .sort = GATHER_SORT_stop};
    (void)ask(&g);
    uint64_t n = count(&g, GATHER_REC_KEY);
    assert_true(n == 5 * SHARDS || n == 5); /* as they were placed */
    uint64_t oldest = UINT64_MAX;
    struct gather_pick pick = {0};
    uint32_t shard = 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct gather_it it = {0};
        const struct gather_key *k;
        while ((k = (const void *)gather_next(g.parts[i], &it)) != NULL) {
            assert_true(k->pick.closed && k->stop_ns == k->key);
            if (k->pick.cid < oldest) {
                oldest = k->pick.cid;
                pick = k->pick;
                shard = i;
            }
        }
    }
    assert_int_equal(oldest, 5 + 40 - n);
    gather_fini(&g);
    g = (struct gather){.kind = GATHER_CONNS, .shards = BIT64(shard), .subs = true};
    g.picks[shard] = &pick;
    g.n_picks[shard] = 1;
    (void)ask(&g);
    struct gather_it it = {0};
    const struct gather_conn *k = (const void *)gather_next(g.parts[shard], &it);
    assert_int_equal(k->closed, NATS_CLOSED_PROTOCOL_VIOLATION);
    assert_int_equal(k->n_subs, 2);
    assert_int_equal(k->in_msgs, 1);
    assert_int_equal(k->in_bytes, 3);
    assert_true(k->stop_ns >= k->last_ns && k->last_ns >= k->start_ns);
    assert_memory_equal(k->bytes, "meu", 3);
    assert_int_equal(count(&g, GATHER_REC_SUB), 2);
    gather_fini(&g);
    pick.cid++; /* somebody else: forgotten since */
    g = (struct gather){.kind = GATHER_CONNS, .shards = BIT64(shard)};
    g.picks[shard] = &pick;
    g.n_picks[shard] = 1;
    (void)ask(&g);
    assert_int_equal(g.parts[shard]->n_recs, 0);
    gather_fini(&g);
    world_stop(&w);
}

/* Of one that had very many subscriptions some are kept. */
static void
what_is_remembered_is_bounded(void **state)
{
    (void)state;
    struct client c;
    start(5, 0);
    client_open_quiet(&w, &c);
    for (uint32_t i = 0; i < 4 * CLOSED_SUBS_MAX; i++) {
        char text[300];
        (void)snprintf(text, sizeof(text), "SUB %0*u %u\r\n", i < 10 ? 200 : 10, i, i);
        client_say_bytes(&c, text, strlen(text));
    }
    client_free(&c);
    world_settle(&w);
    uint32_t n = 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        const struct closed_ring *r = &world_net(&w, i)->gathers->ring;
        n += r->n;
        for (uint32_t k = 0; k < r->n; k++)
            assert_true(r->items[k]->len <= CLOSED_BYTES_MAX);
    }
    assert_int_equal(n, 1);
    world_stop(&w);
}

/* Whichever allocation fails, the part says that it is not whole, and the next question is answered. */
static void
without_memory_parts_are_cut(void **state)
{
    (void)state;
    struct client c;
    start(5, 0);
    client_open_quiet(&w, &c);
    client_say(&c, "SUB a 1\r\n");
    for (int64_t i = 0;; i++) {
        struct gather g = {.kind = GATHER_SUBS, .shards = all_shards, .limit = 10};
        fault_arm(i);
        (void)ask(&g);
        bool hit = fault_disarm();
        bool whole = true;
        for (uint32_t k = 0; k < SHARDS; k++)
            whole &= g.parts[k] != NULL && !g.parts[k]->cut;
        assert_int_equal(whole, !hit);
        gather_fini(&g);
        if (!hit)
            break;
    }
    client_free(&c);
    world_stop(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_for_is_told),
        cmocka_unit_test(a_page_is_cut_out_by_the_shard),
        cmocka_unit_test(t10_a_turn_tells_a_slice),
        cmocka_unit_test(full_mailboxes_delay_it_only),
        cmocka_unit_test(closed_connections_are_remembered),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(without_memory_parts_are_cut),
    };
    return cmocka_run_group_tests(tests, world_log_off, world_log_on);
}
