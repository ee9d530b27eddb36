/* Tests of http.h in the simulated world: virtual time, peers that stall, and every deadline and bound met. */
#include "core/net/http.h"

#include "core/net/net_world.h"

enum { ASKS_MAX = 4096, BIG_LEN = 3 << 20 };

/* The pages of these tests: /now is answered at once, /big with BIG_LEN bytes, /later when told to. */
struct pages {
    struct world *w;
    struct http_ref later[ASKS_MAX];
    uint32_t n_later, n_asks;
    char path[64], query[64];
};

static struct http_page
page_of(const char *text)
{
    struct http_page p = {.status = 200, .cors = true, .type = "text/plain", .body = strdup(text)};
    assert_non_null(p.body);
    p.len = strlen(text);
    return p;
}

static void
pages_on_request(void *arg, struct net *n, const struct http_ask *a)
{
    struct pages *ps = arg;
    struct http_page p;

    ps->n_asks++;
    assert_non_null(a->peer);
    assert_true(a->path.len >= 1);
    (void)snprintf(ps->path, sizeof(ps->path), "%.*s", (int)a->path.len, (const char *)a->path.ptr);
    (void)snprintf(ps->query, sizeof(ps->query), "%.*s", (int)a->query.len, (const char *)a->query.ptr);
    if (strcmp(ps->path, "/later") == 0) {
        assert_true(ps->n_later < ASKS_MAX);
        ps->later[ps->n_later++] = a->ref;
        return;
    }
    if (strcmp(ps->path, "/big") == 0) {
        p = (struct http_page){.status = 200, .body = malloc(BIG_LEN), .len = BIG_LEN};
        assert_non_null(p.body);
        memset(p.body, 'x', BIG_LEN);
    } else {
        p = page_of("now");
    }
    http_answer(n, a->ref, &p);
}

static void
pages_on_wake(void *arg, struct net *n)
{
    struct pages *ps = arg;

    for (uint32_t i = 0; i < ps->n_later; i++) {
        struct http_page p = page_of("later");
        http_answer(n, ps->later[i], &p);
    }
    ps->n_later = 0;
}

static void
pages_on_stop(void *arg)
{
    (void)arg;
}

static const struct http_ops pages_ops = {.on_request = pages_on_request, .on_wake = pages_on_wake, .on_stop = pages_on_stop};

static struct world w;
static struct pages ps;
static struct http_cfg hc;

static void
start(const struct world_cfg *wc)
{
    struct world_cfg c = *wc;

    w.cfg = world_net_cfg();
    hc = (struct http_cfg){.host = "127.0.0.1", .ops = &pages_ops, .ops_arg = &ps};
    ps = (struct pages){.w = &w};
    c.n_shards = 1;
    c.http = &hc;
    world_start(&w, &c);
}

/* Nothing is left: http_n_socks counts the listener, too. */
static void
stop(void)
{
    world_ask_stop(&w);
    world_run(&w, 2 * NS_PER_S);
    assert_true(w.set->shards[0]->done);
    assert_int_equal(http_n_socks(world_net(&w, 0)), 0);
    world_fini(&w);
}

static void
dial(struct client *c)
{
    client_dial_to(&w, c, atomic_load(&w.net_set.http_port));
}

/* The next response stands in c->got, and it is this one. */
static void
hears(struct client *c, const char *status, const char *body, bool kept)
{
    client_poll(c);
    char *head_end = strstr(c->got, "\r\n\r\n"), *at = strstr(c->got, "Content-Length: ");
    if (head_end == NULL || at == NULL || at > head_end)
        fail_msg("no response: %s", c->got);
    size_t len = strtoull(at + 16, NULL, 10);
    assert_int_equal(strncmp(c->got + 9, status, strlen(status)), 0);
    assert_int_equal(len, strlen(body));
    assert_memory_equal(head_end + 4, body, len);
    at = strstr(c->got, "Connection: close");
    assert_int_equal(kept, at == NULL || at > head_end);
    size_t used = (size_t)(head_end + 4 - c->got) + len;
    memmove(c->got, c->got + used, c->n_got - used + 1);
    c->n_got -= used;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* A connection serves request after request; what a page said at once and what it said later look the same. */
static void
requests_are_answered_in_order(void **state)
{
    (void)state;
    struct client c;
    start(&(struct world_cfg){.seed = 1});
    dial(&c);
    client_say(&c, GET("/n%6Fw?a=%20b"));
    hears(&c, "200 OK", "now", true);
    assert_string_equal(ps.path, "/now");
    assert_string_equal(ps.query, "a=%20b");
    client_say(&c, GET("/later") GET("/now") "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/never"));
    client_hears(&c, "");
    assert_int_equal(ps.n_asks, 2); /* one at a time */
    shard_ask(w.set, 0, NET_ASK_HTTP);
    world_settle(&w);
    hears(&c, "200 OK", "later", true);
    hears(&c, "200 OK", "now", true);
    hears(&c, "200 OK", "now", false);
    assert_true(client_closed(&c));
    assert_int_equal(ps.n_asks, 4);
    client_free(&c);
    stop();
}

/* HEAD has the headers of GET alone. */
static void
head_has_no_body(void **state)
{
    (void)state;
    struct client c;
    start(&(struct world_cfg){.seed = 1});
    dial(&c);
    client_say(&c, "HEAD /now HTTP/1.1\r\nHost: a\r\n\r\n");
    client_poll(&c);
    assert_non_null(strstr(c.got, "Content-Length: 3\r\n"));
    assert_string_equal(strstr(c.got, "\r\n\r\n"), "\r\n\r\n");
    client_skip(&c);
    client_say(&c, GET("/now"));
    hears(&c, "200 OK", "now", true);
    client_free(&c);
    stop();
}

/* Who says nothing is gone after 5 s; who began a head gets 400; who was answered may idle for 60 s. */
static void
deadlines_end_what_waits(void **state)
{
    (void)state;
    struct client silent, half, idle, again;
    start(&(struct world_cfg){.seed = 1});
    dial(&silent);
    dial(&half);
    client_say(&half, "GET /now HTTP/1.1\r\nHo");
    dial(&idle);
    client_say(&idle, GET("/now"));
    hears(&idle, "200 OK", "now", true);
    dial(&again);
    client_say(&again, GET("/now"));
    hears(&again, "200 OK", "now", true);
    world_run(&w, 4 * NS_PER_S);
    client_hears(&half, "");
    assert_false(client_closed(&silent));
    client_say(&again, "GET /n");
    world_run(&w, 2 * NS_PER_S);
    assert_true(client_closed(&silent));
    hears(&half, "400 Bad Request", "400 Bad Request", false);
    client_hears(&again, ""); /* a later head has its 5 s from its first byte */
    world_run(&w, 4 * NS_PER_S);
    hears(&again, "400 Bad Request", "400 Bad Request", false);
    assert_true(client_closed(&half));
    world_run(&w, 40 * NS_PER_S);
    assert_false(client_closed(&idle));
    world_run(&w, 20 * NS_PER_S);
    assert_true(client_closed(&idle));
    struct client *all[] = {&silent, &half, &idle, &again};
    for (size_t i = 0; i < N_ELEMS(all); i++)
        client_free(all[i]);
    stop();
}

/* A reader that stops is closed after 30 s; one that is slow, but reads, gets all of it. */
static void
a_stalled_reader_is_cut(void **state)
{
    (void)state;
    struct client slow, stalled;
    char some[4096];
    start(&(struct world_cfg){.seed = 1, .window = 64 << 10});
    dial(&stalled);
    dial(&slow);
    client_say(&stalled, GET("/big"));
    client_say(&slow, GET("/big"));
    for (int i = 0; i < 25; i++) { /* 50 s */
        world_run(&w, 2 * NS_PER_S);
        slow.n_got += sim_peer_recv(slow.p, some, sizeof(some));
    }
    assert_int_equal(sim_peer_state(slow.p), SIM_PEER_OPEN);
    size_t got = 0, n;
    while ((n = sim_peer_recv(stalled.p, some, sizeof(some))) > 0)
        got += n;
    assert_true(got < BIG_LEN / 2);
    assert_true(sim_peer_state(stalled.p) != SIM_PEER_OPEN);
    client_poll(&slow);
    assert_true(slow.n_got > BIG_LEN);
    client_free(&slow);
    client_free(&stalled);
    stop();
}

/* Bodies are not read: the answer comes, then the end, and what the peer still sends does not take it away. */
static void
bodies_are_not_read(void **state)
{
    (void)state;
    struct client c, endless;
    static char junk[200 << 10];
    start(&(struct world_cfg){.seed = 1});
    dial(&c);
    client_say(&c, "PUT /now HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc" GET("/never"));
    hears(&c, "200 OK", "now", false);
    assert_false(client_closed(&c));
    world_run(&w, NS_PER_S);
    assert_true(client_closed(&c));
    assert_int_equal(ps.n_asks, 1);
    client_free(&c);
    dial(&endless);
    client_say(&endless, "PUT /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10 && !client_closed(&endless); i++)
        (void)client_put(&endless, junk, sizeof(junk)), world_settle(&w);
    assert_true(client_closed(&endless)); /* it is not read for ever, either */
    client_free(&endless);
    stop();
}

/* One more than there is room for takes the place of the one that idles for longest. */
static void
the_oldest_idle_one_makes_room(void **state)
{
    (void)state;
    static struct client cs[HTTP_CONNS_MAX + 1];
    start(&(struct world_cfg){.seed = 1});
    for (uint32_t i = 0; i < HTTP_CONNS_MAX; i++) {
        dial(&cs[i]);
        client_say(&cs[i], GET("/now"));
        hears(&cs[i], "200 OK", "now", true);
    }
    client_say(&cs[0], GET("/now")); /* used again: now the second is the oldest */
    hears(&cs[0], "200 OK", "now", true);
    dial(&cs[HTTP_CONNS_MAX]);
    assert_false(client_closed(&cs[0]));
    assert_true(client_closed(&cs[1]));
    assert_false(client_closed(&cs[2]));
    client_say(&cs[HTTP_CONNS_MAX], GET("/now"));
    hears(&cs[HTTP_CONNS_MAX], "200 OK", "now", true);
    for (uint32_t i = 0; i <= HTTP_CONNS_MAX; i++)
        client_free(&cs[i]);
    stop();
}

/* A flood of unfinished heads: each newcomer is let in, and served when it says what it wants. */
static void
unfinished_heads_lock_nobody_out(void **state)
{
    (void)state;
    enum { FLOOD = 1000 };
    static struct client cs[FLOOD];
    struct client c;
    start(&(struct world_cfg){.seed = 1});
    for (uint32_t i = 0; i < FLOOD; i++) {
        dial(&cs[i]);
        client_say(&cs[i], "G");
    }
    dial(&c);
    client_say(&c, GET("/now"));
    hears(&c, "200 OK", "now", true);
    world_run(&w, 6 * NS_PER_S);
    assert_int_equal(http_n_socks(world_net(&w, 0)), 2); /* the listener and c */
    for (uint32_t i = 0; i < FLOOD; i++)
        client_free(&cs[i]);
    client_free(&c);
    stop();
}

/* With all of them being answered the newcomer is turned away, and nobody loses an answer. */
static void
who_is_being_answered_is_not_evicted(void **state)
{
    (void)state;
    static struct client cs[HTTP_CONNS_MAX];
    struct client c;
    start(&(struct world_cfg){.seed = 1});
    for (uint32_t i = 0; i < HTTP_CONNS_MAX; i++) {
        dial(&cs[i]);
        client_say(&cs[i], GET("/later"));
    }
    dial(&c);
    assert_true(client_closed(&c));
    shard_ask(w.set, 0, NET_ASK_HTTP);
    world_settle(&w);
    for (uint32_t i = 0; i < HTTP_CONNS_MAX; i++) {
        hears(&cs[i], "200 OK", "later", true);
        client_free(&cs[i]);
    }
    client_free(&c);
    stop();
}

/* Long heads share HTTP_IN_MAX; short ones are taken all the same. */
static void
long_heads_are_bounded_together(void **state)
{
    (void)state;
    enum { N = 64, LEN = 900 << 10 };
    static struct client cs[N];
    static char head[LEN];
    struct client c;
    uint32_t n_refused = 0;
    start(&(struct world_cfg){.seed = 1});
    memset(head, 'a', sizeof(head));
    memcpy(head, "GET /now HTTP/1.1\r\nX: ", 22);
    for (uint32_t i = 0; i < N; i++) {
        dial(&cs[i]);
        for (size_t at = 0; at < sizeof(head) && cs[i].n_got == 0; client_poll(&cs[i])) {
            at += client_put(&cs[i], head + at, sizeof(head) - at);
            world_settle(&w);
        }
        n_refused += strstr(cs[i].got, " 503 ") != NULL;
    }
    assert_true(n_refused >= N - 2 * (HTTP_IN_MAX >> 20) && n_refused < N);
    dial(&c);
    client_say(&c, GET("/now"));
    hears(&c, "200 OK", "now", true);
    for (uint32_t i = 0; i < N; i++)
        client_free(&cs[i]);
    client_free(&c);
    stop();
}

/* The peer goes while its answer is being made: the answer finds nobody, whoever has the slot by then. */
static void
an_answer_for_nobody_is_released(void **state)
{
    (void)state;
    struct client c, d;
    start(&(struct world_cfg){.seed = 1});
    dial(&c);
    client_say(&c, GET("/later"));
    sim_peer_reset(c.p);
    world_settle(&w);
    world_run(&w, NS_PER_S);
    dial(&d);
    client_say(&d, GET("/now"));
    hears(&d, "200 OK", "now", true);
    client_say(&d, GET("/later"));
    ps.n_later--; /* d's comes last: answer c's only */
    shard_ask(w.set, 0, NET_ASK_HTTP);
    world_settle(&w);
    client_hears(&d, "");
    client_free(&c);
    client_free(&d);
    stop();
}

/* Short reads and writes, delays, late sends: the same conversation. */
static void
rough_water_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct client c;
        start(&(struct world_cfg){.seed = seed, .rough = true, .window = 32 << 10});
        dial(&c);
        client_say(&c, GET("/now") GET("/big") GET("/now") "FOO\r\n");
        world_run(&w, NS_PER_S);
        while (c.n_got < BIG_LEN) {
            client_poll(&c);
            world_run(&w, 10 * NS_PER_MS);
        }
        world_run(&w, NS_PER_S);
        hears(&c, "200 OK", "now", true);
        char *big = strstr(c.got, "\r\n\r\n");
        assert_non_null(big);
        for (size_t i = 0; i < BIG_LEN; i++)
            assert_int_equal(big[4 + i], 'x');
        size_t used = (size_t)(big + 4 - c.got) + BIG_LEN;
        memmove(c.got, c.got + used, c.n_got - used + 1);
        c.n_got -= used;
        hears(&c, "200 OK", "now", true);
        hears(&c, "400 Bad Request", "400 Bad Request", false);
        assert_true(client_closed(&c));
        client_free(&c);
        stop();
    }
}

/* Answers that nobody fetches: above HTTP_BODIES_MAX in all there are no more, and small ones again when they have gone. */
static void
answers_are_bounded_together(void **state)
{
    (void)state;
    enum { N = HTTP_BODIES_MAX / BIG_LEN + 4 };
    static struct client cs[N];
    uint32_t n_refused = 0;
    start(&(struct world_cfg){.seed = 1, .window = 16 << 10});
    for (uint32_t i = 0; i < N; i++) {
        dial(&cs[i]);
        client_say(&cs[i], GET("/big"));
        char some[16];
        size_t n = sim_peer_recv(cs[i].p, some, sizeof(some));
        n_refused += n == sizeof(some) && memcmp(some, "HTTP/1.1 503", 12) == 0;
    }
    assert_int_equal(n_refused, 4);
    world_run(&w, 31 * NS_PER_S);
    struct client c;
    dial(&c);
    client_say(&c, GET("/now"));
    hears(&c, "200 OK", "now", true);
    assert_int_equal(http_n_socks(world_net(&w, 0)), 2 + n_refused); /* those idle */
    for (uint32_t i = 0; i < N; i++)
        client_free(&cs[i]);
    client_free(&c);
    stop();
}

static struct addr
ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct addr){.ip = {a, b, c, d}, .family = 4};
}

static void
networks_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        uint8_t ip[16], family, bits;
        struct addr in, out;
    } rows[] = {
        {{10, 1}, 4, 15, {.ip = {10, 0, 0, 1}, .family = 4}, {.ip = {10, 2, 0, 1}, .family = 4}},
        {{10, 1}, 4, 15, {.ip = {10, 1, 255, 255}, .family = 4}, {.ip = {11}, .family = 4}},
        {{192, 168, 7, 9}, 4, 32, {.ip = {192, 168, 7, 9}, .family = 4}, {.ip = {192, 168, 7, 8}, .family = 4}},
        {{0}, 4, 0, {.ip = {1, 2, 3, 4}, .family = 4}, {.ip = {1, 2, 3, 4}, .family = 6}},
        {{0xfd}, 6, 8, {.ip = {0xfd, 1}, .family = 6}, {.ip = {0xfe}, .family = 6}},
        {{[15] = 1}, 6, 128, {.ip = {[15] = 1}, .family = 6}, {.family = 0}},
    };
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        assert_true(http_is_within(&rows[i].in, rows[i].family, rows[i].ip, rows[i].bits));
        assert_false(http_is_within(&rows[i].out, rows[i].family, rows[i].ip, rows[i].bits));
    }
    struct addr lo = ip4(127, 9, 9, 9), not4 = ip4(128, 0, 0, 1), lo6 = {.ip = {[15] = 1}, .family = 6}, any6 = {.family = 6}, unknown = {.family = 0};
    assert_true(http_is_loopback(&lo) && http_is_loopback(&lo6));
    assert_false(http_is_loopback(&any6) || http_is_loopback(&unknown) || http_is_loopback(&not4));
}

/* Whichever allocation fails: the connection may end, the server goes on. */
static void
without_memory_it_goes_on(void **state)
{
    (void)state;
    struct client c;
    start(&(struct world_cfg){.seed = 1});
    for (int64_t i = 0;; i++) {
        dial(&c);
        fault_arm(i);
        client_say(&c, GET("/later") "BAD\r\n");
        shard_ask(w.set, 0, NET_ASK_HTTP);
        world_settle(&w);
        bool hit = fault_disarm();
        client_free(&c);
        if (!hit)
            break;
    }
    dial(&c);
    client_say(&c, GET("/now"));
    hears(&c, "200 OK", "now", true);
    client_free(&c);
    stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_in_order),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(deadlines_end_what_waits),
        cmocka_unit_test(a_stalled_reader_is_cut),
        cmocka_unit_test(bodies_are_not_read),
        cmocka_unit_test(the_oldest_idle_one_makes_room),
        cmocka_unit_test(unfinished_heads_lock_nobody_out),
        cmocka_unit_test(who_is_being_answered_is_not_evicted),
        cmocka_unit_test(long_heads_are_bounded_together),
        cmocka_unit_test(an_answer_for_nobody_is_released),
        cmocka_unit_test(rough_water_changes_nothing),
        cmocka_unit_test(answers_are_bounded_together),
        cmocka_unit_test(networks_are_told_apart),
        cmocka_unit_test(without_memory_it_goes_on),
    };
    return cmocka_run_group_tests(tests, world_log_off, world_log_on);
}
