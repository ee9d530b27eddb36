/* client_auth.h: logins, permissions and reloads of them, as clients hear it. In the simulated world; hashes on a real pool. */
#include "core/net/net_world.h"

#include <sched.h>

#include "core/net/client_auth.h"
#include "core/net/reload.h"
#include "core/rt/offload.h"

#define HASH_SECRET "$2b$04$Oy507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a"
#define SUBJECTS(...) \
    {.subjects = (const char *const[]){__VA_ARGS__}, .n = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)}
#define VIOLATION "-ERR 'Authorization Violation'\r\n"
#define VIOLATES_PUB(s) "-ERR 'Permissions Violation for Publish to \"" s "\"'\r\n"
#define VIOLATES_SUB(s) "-ERR 'Permissions Violation for Subscription to \"" s "\"'\r\n"

static const struct password_key key = {{7}};

static struct auth *
auth_of(const struct auth_conf *conf)
{
    struct auth_conf c = *conf;
    struct auth *a;

    if (c.timeout_ns == 0)
        c.timeout_ns = 2 * NS_PER_S;
    assert_int_equal(auth_new(&c, &key, &a), OK);
    return a;
}

static void
start(struct world *w, uint32_t n_shards, const struct auth_conf *conf)
{
    w->cfg = world_net_cfg();
    w->cfg.auth = auth_of(conf);
    w->cfg.max_connections = 10000;
    world_start(w, &(struct world_cfg){.n_shards = n_shards, .seed = 1});
}

static void
stop(struct world *w)
{
    struct auth *a = (struct auth *)(uintptr_t)w->net_set.cfg->auth;

    world_stop(w);
    auth_free(a);
}

static void
open_as(struct world *w, struct client *c, const char *user, const char *pass)
{
    char text[256];

    client_open(w, c);
    (void)snprintf(text, sizeof(text), "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"user\":\"%s\",\"pass\":\"%s\"}\r\nPING\r\n", user, pass);
    client_say(c, text);
    client_hears(c, "PONG\r\n");
}

static uint64_t
sum(const struct world *w, uint32_t counter)
{
    uint64_t sums[COUNTERS_N] = {0};
    for (uint32_t i = 0; i < w->n; i++)
        counters_sum(sums, &w->set->shards[i]->counters);
    return sums[counter];
}

/* It says this, hears that, and is closed. */
static void
is_refused(struct world *w, const char *says, const char *hears)
{
    struct client c;

    client_open(w, &c);
    client_say(&c, says);
    client_hears(&c, hears);
    assert_true(client_closed(&c));
    client_free(&c);
}

/* ---- logins ---- */

static void
who_cannot_say_who_it_is_is_refused(void **state)
{
    struct world w;
    struct client c;
    (void)state;

    start(&w, 1, &(struct auth_conf){.user = "a", .pass = "b"});
    client_dial(&w, &c);
    client_poll(&c);
    assert_non_null(strstr(c.got, "\"auth_required\":true"));
    client_free(&c);
    is_refused(&w, "CONNECT {\"user\":\"a\",\"pass\":\"x\"}\r\n", VIOLATION);
    is_refused(&w, "CONNECT {\"user\":\"x\",\"pass\":\"b\"}\r\n", VIOLATION);
    is_refused(&w, "CONNECT {}\r\n", VIOLATION);
    is_refused(&w, "CONNECT {\"auth_token\":\"b\"}\r\n", VIOLATION);
    is_refused(&w, "PING\r\n", VIOLATION);
    is_refused(&w, "P", VIOLATION);
    is_refused(&w, "\r\nCONNECT {\"user\":\"a\",\"pass\":\"b\"}\r\n", VIOLATION);
    is_refused(&w, "CONNECT {\"user\":\"a\",\"pass\":\"b\",\"protocol\":3}\r\n", "-ERR 'invalid client protocol'\r\n");
    is_refused(&w, "CONNECT {\"user\":\"a\",\"pass\":\"b\",\"account\":\"X\"}\r\n", VIOLATION); /* A8 */
    assert_int_equal(sum(&w, COUNTER_auth_failures), 7);
    open_as(&w, &c, "a", "b");
    client_free(&c);
    stop(&w);
}

/* Byte by byte it is the same: nothing but CONNECT's own bytes is looked at before the login. */
static void
a_login_may_come_in_pieces(void **state)
{
    static const char text[] = "connect {\"verbose\":false,\"user\":\"a\",\"pass\":\"b\"}\r\nPING\r\n";
    struct world w;
    struct client c;
    (void)state;

    start(&w, 1, &(struct auth_conf){.user = "a", .pass = "b"});
    client_open(&w, &c);
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        client_say_bytes(&c, text + i, 1);
    client_hears(&c, "PONG\r\n");
    client_free(&c);
    stop(&w);
}

static void
who_says_nothing_in_time_is_refused(void **state)
{
    struct world w;
    struct client c, in;
    (void)state;

    start(&w, 1, &(struct auth_conf){.user = "a", .pass = "b"});
    client_open(&w, &c);
    open_as(&w, &in, "a", "b");
    world_run(&w, 1900 * NS_PER_MS);
    client_say(&c, "CONNECT {\"user\":\"a\","); /* half of one does not help */
    client_hears(&c, "");
    assert_false(client_closed(&c));
    world_run(&w, 200 * NS_PER_MS);
    client_hears(&c, "-ERR 'Authentication Timeout'\r\n");
    assert_true(client_closed(&c));
    assert_false(client_closed(&in));
    assert_int_equal(sum(&w, COUNTER_auth_timeouts), 1);
    client_free(&c);
    client_free(&in);
    stop(&w);
}

/* A repeated CONNECT starts over; one that says nothing new finds the secret of before still good. */
static void
connect_again_is_a_login_again(void **state)
{
    struct auth_user_conf users[] = {{.name = "a", .pass = "b"}, {.name = "c", .pass = "d"}};
    struct world w;
    struct client c;
    (void)state;

    start(&w, 1, &(struct auth_conf){.users = users, .n_users = 2});
    open_as(&w, &c, "a", "b");
    client_say(&c, "SUB x 1\r\nCONNECT {}\r\nPUB x 1\r\n.\r\nPING\r\n");
    client_hears(&c, "PONG\r\n");
    client_say(&c, "CONNECT {\"user\":\"c\",\"pass\":\"d\"}\r\nPING\r\n");
    client_hears(&c, "PONG\r\n");
    client_say(&c, "CONNECT {\"user\":\"a\"}\r\nPING\r\n");
    client_hears(&c, VIOLATION);
    assert_true(client_closed(&c));
    client_free(&c);
    stop(&w);
}

/* A40: with all of the checks that a CONNECT gets. */
static void
who_names_nobody_comes_in_as_no_auth_user(void **state)
{
    struct auth_perms perms = {.pub_allow = SUBJECTS("open")};
    struct auth_user_conf users[] = {{.name = "n", .pass = "p", .perms = &perms}, {.name = "o", .pass = "p"}};
    struct auth_conf conf = {.users = users, .n_users = 2, .no_auth_user = "n"};
    struct world w;
    struct client c;
    (void)state;

    start(&w, 1, &conf);
    client_dial(&w, &c);
    client_poll(&c);
    assert_null(strstr(c.got, "auth_required"));
    client_skip(&c);
    client_say(&c, "PUB shut 1\r\n.\r\nPUB open 1\r\n.\r\n");
    client_hears(&c, VIOLATES_PUB("shut") "+OK\r\n");
    client_say(&c, "CONNECT {\"protocol\":1,\"verbose\":false}\r\nPUB shut 1\r\n.\r\nPING\r\n");
    client_poll(&c);
    assert_non_null(strstr(c.got, VIOLATES_PUB("shut") "PONG\r\nINFO {"));
    assert_non_null(strstr(c.got, "\"auth_required\":true"));
    client_free(&c);
    is_refused(&w, "CONNECT {\"user\":\"n\"}\r\n", VIOLATION);
    client_open(&w, &c);
    world_run(&w, 2100 * NS_PER_MS); /* it has to say something */
    client_hears(&c, "-ERR 'Authentication Timeout'\r\n");
    client_free(&c);
    stop(&w);
    users[0].conn_types = AUTH_CONN_WEBSOCKET;
    start(&w, 1, &conf);
    is_refused(&w, "PING\r\n", VIOLATION);
    is_refused(&w, "CONNECT {}\r\n", VIOLATION);
    stop(&w);
}

/* ---- hashes ---- */

static _Atomic uint32_t pool_news;

static void
on_pool_news(void *arg, uint32_t shard_id)
{
    (void)arg;
    atomic_fetch_or(&pool_news, BIT(shard_id));
}

/* Until the client has heard something, or is closed. Time goes by only while no hash is being computed: for who found the queue full, and looks
 * again in a while. */
static void
wait_for_pool(struct world *w, struct client *c)
{
    do {
        bool busy = false;
        uint32_t news = atomic_exchange(&pool_news, 0);
        for (uint32_t i = 0; i < w->n; i++) {
            busy |= world_net(w, i)->jobs != NULL;
            if ((news & BIT(i)) != 0)
                shard_ask(w->set, i, NET_ASK_OFFLOAD);
        }
        if (busy && news == 0)
            (void)sched_yield();
        else
            world_run(w, NS_PER_MS);
        client_poll(c);
    } while (c->n_got == 0 && !client_closed(c));
}

static void
start_pool(struct world *w, struct offload **ret)
{
    assert_int_equal(offload_new(1, w->n, 2, on_pool_news, w, ret), OK);
    w->net_set.offload = *ret;
}

static void
stop_pool(struct world *w, struct offload *o)
{
    struct auth *a = (struct auth *)(uintptr_t)w->net_set.cfg->auth;
    struct net_set *set = &w->net_set;

    world_stop(w);
    offload_free(o);
    client_auth_free_left(set);
    auth_free(a);
}

static const struct auth_user_conf hashed[] = {{.name = "h", .pass = HASH_SECRET}, {.name = "p", .pass = "plain"}};

/* What comes behind the CONNECT waits with it; others do not. */
static void
a_connection_waits_for_its_hash_and_nobody_else_does(void **state)
{
    struct offload *pool;
    struct world w;
    struct client c, other;
    (void)state;

    start(&w, 2, &(struct auth_conf){.users = hashed, .n_users = 2, .timeout_ns = 600 * NS_PER_S});
    start_pool(&w, &pool);
    client_open(&w, &c);
    client_say(&c, "CONNECT {\"verbose\":false,\"user\":\"h\",\"pass\":\"secret\"}\r\nSUB x 1\r\nPUB x 2\r\nhi\r\nPING\r\n");
    client_hears(&c, "");
    open_as(&w, &other, "p", "plain");
    wait_for_pool(&w, &c);
    client_hears(&c, "MSG x 1 2\r\nhi\r\nPONG\r\n");
    client_say(&other, "PUB x 1\r\n.\r\nPING\r\n");
    client_hears(&other, "PONG\r\n");
    client_hears(&c, "MSG x 1 1\r\n.\r\n"); /* it reads and writes like any other */
    client_say(&c, "CONNECT {\"user\":\"h\",\"pass\":\"wrong\"}\r\nPING\r\n");
    wait_for_pool(&w, &c);
    client_hears(&c, VIOLATION);
    client_free(&c);
    client_free(&other);
    assert_int_equal(sum(&w, COUNTER_auth_hashes), 2);
    stop_pool(&w, pool);
}

/* More than the queue holds (two, and one at work): they come again by themselves. Half of them leave meanwhile. */
static void
a_full_queue_makes_logins_wait(void **state)
{
    enum { N = 12 };
    struct offload *pool;
    struct world w;
    struct client c[N];
    (void)state;

    start(&w, 2, &(struct auth_conf){.users = hashed, .n_users = 2, .timeout_ns = 600 * NS_PER_S});
    start_pool(&w, &pool);
    for (int i = 0; i < N; i++)
        client_open(&w, &c[i]);
    for (int i = 0; i < N; i++)
        client_say(&c[i], "CONNECT {\"verbose\":false,\"user\":\"h\",\"pass\":\"secret\"}\r\nPING\r\n");
    for (int i = 0; i < N; i += 2)
        client_free(&c[i]);
    for (int i = 1; i < N; i += 2) {
        wait_for_pool(&w, &c[i]);
        assert_int_equal(strncmp(c[i].got, "PONG\r\n", 6), 0); /* a PING may have followed */
        client_free(&c[i]);
    }
    stop_pool(&w, pool);
}

/* A job of the test's own, which keeps the only thread. */
static void
stay(struct offload_job *j)
{
    (void)j;
    while ((atomic_load(&pool_news) & BIT(31)) == 0)
        (void)sched_yield();
}

static void
stayed(struct offload_job *j)
{
    (void)j;
}

/* The pool has not come to it when the login's time is over; and it is stopped with jobs left. */
static void
who_waits_too_long_for_the_pool_is_refused(void **state)
{
    struct offload *pool;
    struct world w;
    struct client a, b;
    (void)state;

    start(&w, 1, &(struct auth_conf){.users = hashed, .n_users = 2});
    start_pool(&w, &pool);
    client_open(&w, &a);
    client_open(&w, &b);
    struct offload_job busy = {.run = stay, .done = stayed};
    assert_int_equal(offload_submit(pool, 0, &busy), OK);
    client_say(&a, "CONNECT {\"user\":\"h\",\"pass\":\"secret\"}\r\n");
    world_run(&w, 2100 * NS_PER_MS);
    client_hears(&a, "-ERR 'Authentication Timeout'\r\n");
    assert_true(client_closed(&a));
    atomic_fetch_or(&pool_news, BIT(31)); /* lets it go */
    client_free(&a);
    client_free(&b);
    stop_pool(&w, pool);
}

/* ---- permissions ---- */

static void
what_is_not_allowed_is_refused_and_the_connection_stays(void **state)
{
    struct auth_perms perms = {.pub_allow = SUBJECTS("p.>"), .pub_deny = SUBJECTS("p.no"), .sub_allow = SUBJECTS("s.*", "q v1"), .sub_deny = SUBJECTS("s.no")};
    struct auth_user_conf users[] = {{.name = "a", .pass = "b", .perms = &perms}};
    struct world w;
    struct client c;
    (void)state;

    start(&w, 1, &(struct auth_conf){.users = users, .n_users = 1});
    open_as(&w, &c, "a", "b");
    client_say(&c, "PUB p.yes 1\r\n.\r\nPUB p.no 1\r\n.\r\nPUB x 1\r\n.\r\nPUB p.no 1\r\n.\r\n");
    client_hears(&c, VIOLATES_PUB("p.no") VIOLATES_PUB("x") VIOLATES_PUB("p.no"));
    client_say(&c, "SUB s.yes 1\r\nSUB s.no 2\r\nSUB s.> 3\r\nSUB q 4\r\nSUB q v1 5\r\nSUB q v2 6\r\nSUB s.a..b 7\r\nPING\r\n");
    client_hears(&c, VIOLATES_SUB("s.no") VIOLATES_SUB("s.>") VIOLATES_SUB("q")
                 "-ERR 'Permissions Violation for Subscription to \"q\" using queue \"v2\"'\r\n" VIOLATES_SUB("s.a..b") "PONG\r\n");
    client_say(&c, "CONNECT {\"verbose\":true}\r\nPUB x 1\r\n.\r\nSUB x 1\r\nPUB p.x 1\r\n.\r\n"); /* no +OK for what was refused */
    client_hears(&c, "+OK\r\n" VIOLATES_PUB("x") VIOLATES_SUB("x") "+OK\r\n");
    client_say(&c, "PUB p.x $JS.ACK.x 1\r\n.\r\nPUB _GR_.x 1\r\n.\r\n");
    client_hears(&c, "-ERR 'Permissions Violation for Publish with Reply of \"$JS.ACK.x\"'\r\n" VIOLATES_PUB("_GR_.x"));
    assert_int_equal(sum(&w, COUNTER_pubs_denied), 6);
    assert_int_equal(sum(&w, COUNTER_subs_denied), 6);
    client_free(&c);
    stop(&w);
}

/* A11, A33: on the publisher's shard and on another; plain, and in a queue group, where somebody who may takes it. */
static void
A33_denied_messages_are_withheld(void **state)
{
    struct auth_perms perms = {.sub_deny = SUBJECTS("foo.secret.*", "q.no q1")};
    struct auth_user_conf users[] = {{.name = "d", .pass = "d", .perms = &perms}, {.name = "all", .pass = "a"}};
    (void)state;

    for (uint32_t n_shards = 1; n_shards <= 4; n_shards++) {
        struct world w;
        struct client pub, d1, d2, all;
        start(&w, n_shards, &(struct auth_conf){.users = users, .n_users = 2});
        open_as(&w, &pub, "all", "a");
        open_as(&w, &d1, "d", "d");
        open_as(&w, &d2, "d", "d");
        open_as(&w, &all, "all", "a");
        client_say(&d1, "SUB foo.> 1\r\nSUB *.secret.> 2\r\nSUB foo.secret.* 3\r\nSUB > g 4\r\nSUB q.* q1 5\r\nPING\r\n");
        client_hears(&d1, VIOLATES_SUB("foo.secret.*") "PONG\r\n");
        client_say(&d2, "SUB > g 1\r\nSUB q.* 2\r\nPING\r\n");
        client_hears(&d2, "PONG\r\n");
        client_say(&all, "SUB foo.secret.> g 1\r\nPING\r\n");
        client_hears(&all, "PONG\r\n");
        for (uint32_t i = 0; i < 50; i++) {
            client_say(&pub, "PUB foo.secret.a 1\r\n.\r\nPING\r\n");
            client_hears(&pub, "PONG\r\n");
            client_hears(&d1, "");
            client_hears(&d2, "");
            client_hears(&all, "MSG foo.secret.a 1 1\r\n.\r\n");
        }
        client_say(&all, "UNSUB 1\r\nPING\r\n");
        client_hears(&all, "PONG\r\n");
        uint64_t n_forwarded = sum(&w, COUNTER_queue_passed_on);
        client_say(&pub, "PUB foo.secret.a 1\r\n.\r\nPING\r\n"); /* nobody may: it does not go round for ever */
        client_hears(&pub, "PONG\r\n");
        assert_true(sum(&w, COUNTER_queue_passed_on) - n_forwarded <= n_shards);
        client_say(&d2, "UNSUB 1\r\nPING\r\n"); /* the only member of g that may not is left */
        client_hears(&d2, "PONG\r\n");
        client_say(&pub, "PUB q.no 1\r\n.\r\nPING\r\n");
        client_hears(&pub, "PONG\r\n");
        client_hears(&d1, "MSG q.no 4 1\r\n.\r\n"); /* as member of g, not of q1 */
        client_hears(&d2, "MSG q.no 2 1\r\n.\r\n");
        client_free(&pub);
        client_free(&d1);
        client_free(&d2);
        client_free(&all);
        stop(&w);
    }
}

/* A message whose only taker may not have it came to nobody. */
static void
what_is_withheld_from_all_is_answered_with_503(void **state)
{
    struct auth_perms perms = {.sub_deny = SUBJECTS("a.no")};
    struct auth_user_conf users[] = {{.name = "d", .pass = "d", .perms = &perms}};
    struct world w;
    struct client c;
    (void)state;

    start(&w, 1, &(struct auth_conf){.users = users, .n_users = 1});
    open_as(&w, &c, "d", "d");
    client_say(&c, "SUB a.* 1\r\nSUB in.box 2\r\nPUB a.no in.box 0\r\n\r\nPING\r\n");
    client_hears(&c, "HMSG in.box 2 36 36\r\nNATS/1.0 503\r\nNats-Subject: a.no\r\n\r\n\r\nPONG\r\n");
    assert_int_equal(sum(&w, COUNTER_deliveries_denied), 1);
    client_free(&c);
    stop(&w);
}

static void
a_responder_may_answer_so_often_and_so_long(void **state)
{
    struct auth_perms perms = {.responses = true, .responses_max = 1, .responses_expire_ns = NS_PER_S, .pub_deny = SUBJECTS("in.>")};
    struct auth_user_conf users[] = {{.name = "r", .pass = "r", .perms = &perms}, {.name = "all", .pass = "a"}};
    (void)state;

    for (uint32_t n_shards = 1; n_shards <= 2; n_shards++) {
        struct world w;
        struct client r, all;
        start(&w, n_shards, &(struct auth_conf){.users = users, .n_users = 2});
        open_as(&w, &r, "r", "r");
        open_as(&w, &all, "all", "a");
        client_say(&r, "SUB ask 1\r\nPUB in.1 1\r\n.\r\nPING\r\n");
        client_hears(&r, VIOLATES_PUB("in.1") "PONG\r\n");
        client_say(&all, "SUB in.* 9\r\nPUB ask in.1 1\r\n?\r\nPING\r\n");
        client_hears(&all, "PONG\r\n");
        client_hears(&r, "MSG ask 1 in.1 1\r\n?\r\n");
        client_say(&r, "PUB in.2 1\r\n.\r\nPUB in.1 1\r\n!\r\nPUB in.1 1\r\n!\r\nPING\r\n");
        client_hears(&r, VIOLATES_PUB("in.2") VIOLATES_PUB("in.1") "PONG\r\n");
        client_hears(&all, "MSG in.1 9 1\r\n!\r\n");
        /* The same reply twice: looking whether it must be noted again uses it up, as in nats-server. */
        client_say(&all, "PUB ask in.3 1\r\n?\r\nPUB ask in.3 1\r\n?\r\nPING\r\n");
        client_hears(&all, "PONG\r\n");
        client_skip(&r);
        client_say(&r, "PUB in.3 1\r\n!\r\nPING\r\n");
        client_hears(&r, VIOLATES_PUB("in.3") "PONG\r\n");
        /* Too late. */
        client_say(&all, "PUB ask in.4 1\r\n?\r\nPING\r\n");
        client_hears(&all, "PONG\r\n");
        client_skip(&r);
        world_run(&w, 1100 * NS_PER_MS);
        client_say(&r, "PUB in.4 1\r\n!\r\nPONG\r\n");
        client_hears(&r, VIOLATES_PUB("in.4"));
        client_free(&r);
        client_free(&all);
        stop(&w);
    }
}

/* The asker's shard stands still, so the answer is tried again and again: it is one answer all the same. */
static void
an_answer_that_waits_uses_up_one_right(void **state)
{
    enum { N = 3000 };
    struct auth_perms perms = {.responses = true, .responses_max = 1, .responses_expire_ns = -1, .pub_deny = SUBJECTS("in.>")};
    struct auth_user_conf users[] = {{.name = "r", .pass = "r", .perms = &perms}, {.name = "all", .pass = "a"}};
    struct world w;
    struct client r, all, filler;
    static char text[N * 20];
    size_t len = 0;
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.auth = auth_of(&(struct auth_conf){.users = users, .n_users = 2});
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 1, .mbox_bytes = 65536});
    open_as(&w, &r, "r", "r");        /* shard 0 */
    open_as(&w, &all, "all", "a");    /* shard 1 */
    open_as(&w, &filler, "all", "a"); /* shard 0 */
    client_say(&r, "SUB ask 1\r\nPING\r\n");
    client_hears(&r, "PONG\r\n");
    client_say(&all, "SUB in.* 9\r\nSUB fill.* 8\r\nPUB ask in.1 1\r\n?\r\nPING\r\n");
    client_hears(&all, "PONG\r\n");
    client_hears(&r, "MSG ask 1 in.1 1\r\n?\r\n");
    for (uint32_t i = 0; i < N; i++)
        len += (size_t)sprintf(text + len, "PUB fill.%u 0\r\n\r\n", i % 10);
    w.started[1] = false;
    assert_int_equal(client_put(&filler, text, len), len);
    world_run(&w, 300 * NS_PER_MS);
    assert_true(w.set->shards[0]->counters.mbox_full > 0);
    assert_int_equal(client_put(&r, "PUB in.1 1\r\n!\r\nPING\r\n", 21), 21);
    for (int i = 0; i < 10; i++) {
        world_net(&w, 0)->n_vain = 0;
        world_run(&w, 50 * NS_PER_MS);
    }
    client_hears(&r, "");
    w.started[1] = true;
    world_settle(&w);
    client_hears(&r, "PONG\r\n");
    client_poll(&all);
    assert_non_null(strstr(all.got, "MSG in.1 9 1\r\n!\r\n"));
    client_free(&r);
    client_free(&all);
    client_free(&filler);
    stop(&w);
}

/* ---- reloads ---- */

struct reloaded {
    struct net_cfg cfg;
    struct net_reload *r;
};

static void
reload_start(struct world *w, struct reloaded *re, const struct auth_conf *conf)
{
    re->cfg = w->cfg;
    re->cfg.auth = auth_of(conf);
    assert_int_equal(net_reload_new(&w->net_set, &re->cfg, w->n, &re->r), OK);
    net_reload_start(w->set, &w->net_set, re->r);
}

/* The old users are freed, as main would. */
static void
reload_end(struct world *w, struct reloaded *re)
{
    assert_true(net_reload_done(re->r));
    net_reload_free(re->r);
    auth_free((struct auth *)(uintptr_t)w->net_set.cfg->auth);
    w->net_set.cfg = &re->cfg;
}

static void
reload(struct world *w, struct reloaded *re, const struct auth_conf *conf)
{
    reload_start(w, re, conf);
    world_settle(w);
    reload_end(w, re);
}

static void
a_reload_looks_at_every_login(void **state)
{
    struct auth_user_conf one[] = {{.name = "same", .pass = "s"}, {.name = "gone", .pass = "g"}, {.name = "pass", .pass = "p"}, {.name = "kind", .pass = "k"}};
    struct auth_user_conf two[] = {{.name = "same", .pass = "s"}, {.name = "pass", .pass = "P"}, {.name = "kind", .pass = "k", .conn_types = AUTH_CONN_MQTT}};
    (void)state;

    for (uint32_t n_shards = 1; n_shards <= 3; n_shards++) {
        struct world w;
        struct client same, gone, pass, kind, due;
        struct reloaded re;
        start(&w, n_shards, &(struct auth_conf){.users = one, .n_users = 4});
        open_as(&w, &same, "same", "s");
        open_as(&w, &gone, "gone", "g");
        open_as(&w, &pass, "pass", "p");
        open_as(&w, &kind, "kind", "k");
        client_open(&w, &due);
        reload(&w, &re, &(struct auth_conf){.users = two, .n_users = 3});
        client_hears(&gone, "");
        assert_true(client_closed(&gone));
        client_hears(&pass, VIOLATION);
        assert_true(client_closed(&pass));
        client_hears(&kind, VIOLATION);
        assert_true(client_closed(&kind));
        client_say(&same, "PING\r\n");
        client_hears(&same, "PONG\r\n");
        client_say(&due, "CONNECT {\"verbose\":false,\"user\":\"pass\",\"pass\":\"P\"}\r\nPING\r\n");
        client_hears(&due, "PONG\r\n");
        client_free(&same);
        client_free(&gone);
        client_free(&pass);
        client_free(&kind);
        client_free(&due);
        stop(&w);
    }
}

static void
a_reload_may_ask_for_logins_and_cease_to(void **state)
{
    struct auth_user_conf users[] = {{.name = "a", .pass = "b"}};
    struct world w;
    struct client anon, silent, late, user, token;
    struct reloaded re[4];
    (void)state;

    start(&w, 2, &(struct auth_conf){.timeout_ns = 1});
    client_open_quiet(&w, &anon);
    client_open(&w, &silent);
    reload(&w, &re[0], &(struct auth_conf){.token = "t"});
    client_hears(&anon, VIOLATION);
    assert_true(client_closed(&anon));
    client_hears(&silent, VIOLATION);
    client_free(&anon);
    client_free(&silent);
    client_open(&w, &token);
    client_say(&token, "CONNECT {\"verbose\":false,\"auth_token\":\"t\"}\r\nPING\r\n");
    client_hears(&token, "PONG\r\n");
    client_open(&w, &late);
    reload(&w, &re[1], &(struct auth_conf){.timeout_ns = 1}); /* none is asked for */
    client_say(&late, "PING\r\n");
    client_hears(&late, "PONG\r\n");
    client_free(&late);
    client_say(&token, "CONNECT {}\r\nPING\r\n");
    client_hears(&token, "PONG\r\n");
    reload(&w, &re[2], &(struct auth_conf){.users = users, .n_users = 1});
    client_hears(&token, VIOLATION);
    client_free(&token);
    open_as(&w, &user, "a", "b");
    reload(&w, &re[3], &(struct auth_conf){.timeout_ns = 1});
    client_hears(&user, "");
    assert_true(client_closed(&user));
    client_free(&user);
    stop(&w);
}

/* Sheet 03, 4.6. */
static void
a_reload_takes_subscriptions_back(void **state)
{
    struct auth_perms deny = {.sub_deny = SUBJECTS("no", "x.1", "y q"), .pub_deny = SUBJECTS("no")};
    struct auth_user_conf one[] = {{.name = "a", .pass = "b"}, {.name = "all", .pass = "a"}};
    struct auth_user_conf two[] = {{.name = "a", .pass = "b", .perms = &deny}, {.name = "all", .pass = "a"}};
    struct world w;
    struct client a, all;
    struct reloaded re[2];
    (void)state;

    start(&w, 2, &(struct auth_conf){.users = one, .n_users = 2});
    open_as(&w, &a, "a", "b");
    open_as(&w, &all, "all", "a");
    client_say(&a, "SUB yes 1\r\nSUB no 2\r\nSUB x.* 3\r\nSUB y q 4\r\nSUB y 5\r\nPUB no 0\r\n\r\nPING\r\n");
    client_hears(&a, "MSG no 2 0\r\n\r\nPONG\r\n");
    reload(&w, &re[0], &(struct auth_conf){.users = two, .n_users = 2});
    client_poll(&a);
    assert_non_null(strstr(a.got, "-ERR 'Permissions Violation for Subscription to \"no\" (sid \"2\")'\r\n"));
    assert_non_null(strstr(a.got, "-ERR 'Permissions Violation for Subscription to \"y\" using queue \"q\" (sid \"4\")'\r\n"));
    client_skip(&a);
    client_say(&all, "PUB yes 0\r\n\r\nPUB no 0\r\n\r\nPUB x.1 0\r\n\r\nPUB x.2 0\r\n\r\nPUB y 0\r\n\r\nPING\r\n");
    client_hears(&all, "PONG\r\n");
    client_hears(&a, "MSG yes 1 0\r\n\r\nMSG x.2 3 0\r\n\r\nMSG y 5 0\r\n\r\n");
    client_say(&a, "PUB no 0\r\n\r\nSUB no 9\r\n");
    client_hears(&a, VIOLATES_PUB("no") VIOLATES_SUB("no"));
    /* And back: everything is allowed again. */
    reload(&w, &re[1], &(struct auth_conf){.users = one, .n_users = 2});
    client_say(&all, "PUB x.1 0\r\n\r\nPING\r\n");
    client_hears(&all, "PONG\r\n");
    client_hears(&a, "MSG x.1 3 0\r\n\r\n");
    client_say(&a, "SUB no 9\r\nPUB no 0\r\n\r\n");
    client_hears(&a, "MSG no 9 0\r\n\r\n");
    client_free(&a);
    client_free(&all);
    stop(&w);
}

/* A connection with 20,000 subscriptions is looked at in many turns; and from the first of them on it gets nothing that it may not have, not
 * even for subscriptions that nobody has looked at yet. One turn of each shard at a time. */
static void
many_subscriptions_are_looked_at_in_slices(void **state)
{
    enum { N = 20000, TEXT = 40 };
    struct auth_perms deny = {.sub_deny = SUBJECTS("odd.*")};
    struct auth_user_conf one[] = {{.name = "a", .pass = "b"}, {.name = "all", .pass = "a"}};
    struct auth_user_conf two[] = {{.name = "a", .pass = "b", .perms = &deny}, {.name = "all", .pass = "a"}};
    struct world w;
    struct client a, all;
    struct reloaded re;
    char *text = malloc(N * TEXT), line[TEXT];
    size_t len = 0;
    uint32_t n_busy = 0;
    (void)state;

    assert_non_null(text);
    start(&w, 2, &(struct auth_conf){.users = one, .n_users = 2});
    open_as(&w, &a, "a", "b");
    open_as(&w, &all, "all", "a");
    for (uint32_t i = 0; i < N; i++)
        len += (size_t)snprintf(text + len, TEXT, "SUB %s.%u %u\r\n", i % 2 == 0 ? "even" : "odd", i, i);
    client_say_bytes(&a, text, len);
    free(text);
    reload_start(&w, &re, &(struct auth_conf){.users = two, .n_users = 2});
    /* A publish to each odd one while it is under way: not one arrives after the switch. */
    for (uint32_t i = 1; !net_reload_done(re.r); i += 2) {
        for (uint32_t s = 0; s < w.n; s++)
            (void)world_step(&w, s);
        bool switched = world_net(&w, 0)->cfg == &re.cfg && world_net(&w, 1)->cfg == &re.cfg;
        if (switched) {
            n_busy++;
            (void)snprintf(line, sizeof(line), "PUB odd.%u 0\r\n\r\n", (i + N / 2) % N);
            (void)client_put(&all, line, strlen(line));
        }
        sim_advance(w.sim, sim_clock(w.sim) + NS_PER_MS);
    }
    assert_true(n_busy >= N / AUTH_RECHECK_SLICE / 2);
    world_settle(&w);
    reload_end(&w, &re);
    client_poll(&a);
    assert_null(strstr(a.got, "MSG odd."));
    uint32_t n_removed = 0;
    for (const char *p = a.got; (p = strstr(p, "Permissions Violation for Subscription to \"odd.")) != NULL; p++)
        n_removed++;
    assert_int_equal(n_removed, N / 2);
    client_skip(&a);
    assert_int_equal(sum(&w, COUNTER_subs_denied), N / 2);
    client_say(&all, "PUB even.0 0\r\n\r\nPUB odd.1 0\r\n\r\nPING\r\n");
    client_hears(&all, "PONG\r\n");
    client_hears(&a, "MSG even.0 0 0\r\n\r\n");
    client_free(&a);
    client_free(&all);
    stop(&w);
}

/* While a hash is computed the configuration changes: what it is compared with is that of the old one. */
static void
a_login_that_waits_for_its_hash_meets_the_new_configuration(void **state)
{
    struct auth_user_conf other[] = {{.name = "x", .pass = "x"}};
    struct offload *pool;
    struct world w;
    struct client same, gone;
    struct reloaded re[2];
    (void)state;

    start(&w, 1, &(struct auth_conf){.users = hashed, .n_users = 2, .timeout_ns = 600 * NS_PER_S});
    start_pool(&w, &pool);
    client_open(&w, &same);
    client_open(&w, &gone);
    client_say(&same, "CONNECT {\"verbose\":false,\"user\":\"h\",\"pass\":\"secret\"}\r\nPING\r\n");
    reload(&w, &re[0], &(struct auth_conf){.users = hashed, .n_users = 2});
    wait_for_pool(&w, &same);
    client_hears(&same, "PONG\r\n");
    client_say(&gone, "CONNECT {\"verbose\":false,\"user\":\"h\",\"pass\":\"secret\"}\r\nPING\r\n");
    reload(&w, &re[1], &(struct auth_conf){.users = other, .n_users = 1});
    wait_for_pool(&w, &gone);
    client_hears(&gone, VIOLATION);
    client_hears(&same, "");
    assert_true(client_closed(&same));
    client_free(&same);
    client_free(&gone);
    stop_pool(&w, pool);
}

/* ---- without memory ---- */

/* C8: whichever allocation of logins, checks and reloads fails, nobody gets what is not allowed, and the server goes on. */
static void
c8_whichever_allocation_fails_nothing_is_allowed_that_was_not(void **state)
{
    struct auth_perms perms = {.pub_allow = SUBJECTS("p"), .sub_deny = SUBJECTS("s.no"), .responses = true, .responses_max = 1, .responses_expire_ns = -1};
    struct auth_perms less = {.pub_allow = SUBJECTS("p"), .sub_deny = SUBJECTS("s.no", "s.yes")};
    struct auth_user_conf one[] = {{.name = "a", .pass = HASH_SECRET, .perms = &perms}, {.name = "all", .pass = "a"}};
    struct auth_user_conf two[] = {{.name = "a", .pass = HASH_SECRET, .perms = &less}, {.name = "all", .pass = "a"}};
    (void)state;

    if (!fault_armed_builds)
        skip();
    for (int64_t n = 0;; n++) {
        struct world w;
        struct client a, all;
        struct reloaded re;
        start(&w, 1, &(struct auth_conf){.users = one, .n_users = 2});
        re.cfg = w.cfg;
        re.cfg.auth = auth_of(&(struct auth_conf){.users = two, .n_users = 2});
        assert_int_equal(net_reload_new(&w.net_set, &re.cfg, w.n, &re.r), OK);
        open_as(&w, &all, "all", "a");
        client_say(&all, "SUB no 1\r\nSUB in.1 2\r\nPING\r\n");
        client_hears(&all, "PONG\r\n");
        fault_arm(n);
        client_dial(&w, &a);
        (void)client_put(&a, "CONNECT {\"user\":\"a\",\"pass\":\"secret\"}\r\nSUB s.* 1\r\nSUB s.yes 2\r\nPUB no 0\r\n\r\nPUB p 0\r\n\r\n", 86);
        world_settle(&w);
        (void)client_put(&all, "PUB s.no 0\r\n\r\nPUB s.yes in.1 0\r\n\r\n", 34);
        world_settle(&w);
        net_reload_start(w.set, &w.net_set, re.r);
        world_settle(&w);
        (void)client_put(&all, "PUB s.yes 4\r\nlate\r\n", 19);
        world_settle(&w);
        bool hit = fault_disarm();
        reload_end(&w, &re);
        client_poll(&a);
        assert_null(strstr(a.got, "MSG s.no"));
        assert_null(strstr(a.got, "late"));
        client_poll(&all);
        assert_null(strstr(all.got, "MSG no")); /* it may hear that nobody is there */
        client_free(&a);
        client_free(&all);
        open_as(&w, &all, "all", "a");
        client_free(&all);
        stop(&w);
        if (!hit)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_cannot_say_who_it_is_is_refused),
        cmocka_unit_test(a_login_may_come_in_pieces),
        cmocka_unit_test(who_says_nothing_in_time_is_refused),
        cmocka_unit_test(connect_again_is_a_login_again),
        cmocka_unit_test(who_names_nobody_comes_in_as_no_auth_user),
        cmocka_unit_test(a_connection_waits_for_its_hash_and_nobody_else_does),
        cmocka_unit_test(a_full_queue_makes_logins_wait),
        cmocka_unit_test(who_waits_too_long_for_the_pool_is_refused),
        cmocka_unit_test(what_is_not_allowed_is_refused_and_the_connection_stays),
        cmocka_unit_test(A33_denied_messages_are_withheld),
        cmocka_unit_test(what_is_withheld_from_all_is_answered_with_503),
        cmocka_unit_test(a_responder_may_answer_so_often_and_so_long),
        cmocka_unit_test(an_answer_that_waits_uses_up_one_right),
        cmocka_unit_test(a_reload_looks_at_every_login),
        cmocka_unit_test(a_reload_may_ask_for_logins_and_cease_to),
        cmocka_unit_test(a_reload_takes_subscriptions_back),
        cmocka_unit_test(many_subscriptions_are_looked_at_in_slices),
        cmocka_unit_test(a_login_that_waits_for_its_hash_meets_the_new_configuration),
        cmocka_unit_test(c8_whichever_allocation_fails_nothing_is_allowed_that_was_not),
    };
    return cmocka_run_group_tests_name("client_auth", tests, world_log_off, world_log_on);
}
