/* Mappings at the door: what clients hear of what other clients publish. */
#include "core/net/net_world.h"
#include "core/net/reload.h"
#include "core/rt/util.h"

#define TO(name, text) {.src = name, .dests = (const struct mapping_dest_conf[]){{.dest = text, .weight = 100}}, .n_dests = 1}
#define PART(name, text, part) {.src = name, .dests = (const struct mapping_dest_conf[]){{.dest = text, .weight = part}}, .n_dests = 1}

static const struct mapping_conf conf[] = {
    TO("foo", "bar"),          TO("orders.*", "o.$1.$1"), PART("lossy", "lossy", 40), PART("half", "other", 50), TO("own", "_GR_.a"),
    TO("raft", "$NRG.a"),      PART("lost", "lost", 0),   TO("long.*", "$1.$1.$1.$1.$1.$1"), TO("slice.*", "{{sliceFromLeft(1,1)}}"), TO("ok.*", "_GR_$1"),
};

static struct mapping *
table(void)
{
    struct mapping *m = NULL;
    char why[MAPPING_WHY_MAX] = "";

    if (mapping_new(conf, N_ELEMS(conf), "", &m, why, sizeof(why)) != OK)
        fail_msg("%s", why);
    return m;
}

/* mappings: freed when the world has stopped. */
static void
start(struct world *w, uint32_t n_shards, const struct mapping *mappings)
{
    w->cfg = world_net_cfg();
    w->cfg.mappings = mappings;
    world_start(w, &(struct world_cfg){.n_shards = n_shards, .seed = 1});
}

static void
a_mapped_publish_reaches_who_wants_what_it_became(void **state)
{
    (void)state;
    for (uint32_t n_shards = 1; n_shards <= 2; n_shards++) {
        struct mapping *m = table();
        struct world w;
        struct client a, b;

        start(&w, n_shards, m);
        client_open_quiet(&w, &a); /* with two shards on different ones */
        client_open_quiet(&w, &b);
        client_say(&a, "SUB bar 1\r\nSUB foo 2\r\nSUB o.*.* 3\r\nSUB orders.> 4\r\nSUB plain 5\r\nPING\r\n");
        client_hears(&a, "PONG\r\n");
        client_say(&b, "PUB foo 2\r\nhi\r\nPUB orders.17 re 1\r\n.\r\nPUB plain 0\r\n\r\nPUB\tfoo  2\r\nhi\r\nHPUB foo 12 13\r\nNATS/1.0\r\n\r\n!\r\nPING\r\n");
        client_hears(&b, "PONG\r\n");
        client_hears(&a, "MSG bar 1 2\r\nhi\r\nMSG o.17.17 3 re 1\r\n.\r\nMSG plain 5 0\r\n\r\nMSG bar 1 2\r\nhi\r\nHMSG bar 1 12 13\r\nNATS/1.0\r\n\r\n!\r\n");
        client_free(&a);
        client_free(&b);
        world_stop(&w);
        mapping_free(m);
    }
}

/* The same subject again and again, with what another connection publishes in between: the hint must not serve a stale result. */
static void
the_hint_of_a_connection_serves_mapped_subjects(void **state)
{
    struct mapping *m = table();
    struct world w;
    struct client a, b;
    (void)state;

    start(&w, 1, m);
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    client_say(&a, "SUB bar 1\r\nSUB o.1.1 2\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    for (int i = 0; i < 3; i++) {
        client_say(&b, "PUB foo 0\r\n\r\nPUB foo 0\r\n\r\nPUB orders.1 0\r\n\r\nPUB orders.2 0\r\n\r\n");
        client_hears(&a, "MSG bar 1 0\r\n\r\nMSG bar 1 0\r\n\r\nMSG o.1.1 2 0\r\n\r\n");
    }
    client_say(&a, "SUB o.2.2 3\r\nUNSUB 1\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    client_say(&b, "PUB foo 0\r\n\r\nPUB orders.2 0\r\n\r\n");
    client_hears(&a, "MSG o.2.2 3 0\r\n\r\n");
    client_free(&a);
    client_free(&b);
    world_stop(&w);
    mapping_free(m);
}

/* Asked of nats-server: the pedantic look at a subject is at what was written, the rules for reserved ones at what it became. */
static void
rules_are_for_what_it_became(void **state)
{
    struct mapping *m = table();
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1, m);
    client_open(&w, &a);
    client_say(&a, "CONNECT {\"pedantic\":true}\r\nPUB own 0\r\n\r\nPUB raft 0\r\n\r\nPUB foo _R_.a 0\r\n\r\nPUB foo 0\r\n\r\nPUB ok.a 0\r\n\r\n");
    client_hears(&a, "+OK\r\n-ERR 'Permissions Violation for Publish to \"_GR_.a\"'\r\n-ERR 'Permissions Violation for Publish to \"$NRG.a\"'\r\n"
                     "-ERR 'Permissions Violation for Publish with Reply of \"_R_.a\"'\r\n+OK\r\n+OK\r\n");
    client_say(&a, "PUB orders.* 0\r\n\r\nPUB orders.> 0\r\n\r\n");
    client_hears(&a, "-ERR 'Invalid Publish Subject'\r\n+OK\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\n");
    assert_int_equal(w.set->shards[0]->counters.in_msgs, 7); /* those refused, too */
    client_free(&a);
    world_stop(&w);
    mapping_free(m);
}

/* To the publisher it is a message that nobody wanted. */
static void
a_lost_message_is_answered_like_one_to_nobody(void **state)
{
    struct mapping *m = table();
    struct world w;
    struct client a;
    (void)state;

    start(&w, 1, m);
    client_open_quiet(&w, &a);
    client_say(&a, "SUB > 1\r\nUNSUB 1\r\nSUB in 9\r\nSUB lost 2\r\nPUB lost in 0\r\n\r\nPUB lost 0\r\n\r\nPING\r\n");
    client_hears(&a, "HMSG in 9 32 32\r\nNATS/1.0 503\r\nNats-Subject: \r\n\r\n\r\nPONG\r\n");
    assert_int_equal(w.set->shards[0]->counters.mapped_lost, 2);
    client_free(&a);
    world_stop(&w);
    mapping_free(m);
}

static void
a_subject_that_grows_too_long_is_dropped(void **state)
{
    struct mapping *m = table();
    struct world w;
    struct client a, b;
    char line[2100];
    (void)state;

    start(&w, 2, m);
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    client_say(&a, "SUB > 1\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    memset(line, 'x', sizeof(line));
    memcpy(line, "PUB slice.", 10);
    memcpy(line + 10 + 2049, " 0\r\n\r\n", 7); /* 2049 bytes and 2048 dots are 4097 */
    client_say(&b, line);
    client_hears(&a, "");
    memcpy(line + 10 + 2048, " 0\r\n\r\n", 7);
    client_say(&b, line);
    client_poll(&a);
    assert_int_equal(a.n_got, strlen("MSG  1 0\r\n\r\n") + 4095);
    client_skip(&a);
    client_say(&b, "PING\r\n");
    client_hears(&b, "PONG\r\n");
    uint64_t n = 0;
    for (uint32_t i = 0; i < 2; i++)
        n += w.set->shards[i]->counters.mapped_too_long;
    assert_int_equal(n, 1);
    client_free(&a);
    client_free(&b);
    world_stop(&w);
    mapping_free(m);
}

/* A thousand draws, from one seed: no more than five standard deviations from the mean. */
static void
weights_are_drawn_for_each_publish(void **state)
{
    struct mapping *m = table();
    struct world w;
    struct client a;
    uint32_t n_lossy = 0, n_half = 0, n_other = 0;
    (void)state;

    start(&w, 1, m);
    client_open_quiet(&w, &a);
    client_say(&a, "SUB > 1\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    for (uint32_t i = 0; i < 1000; i++)
        client_say(&a, "PUB lossy 0\r\n\r\nPUB half 0\r\n\r\n");
    client_poll(&a);
    for (const char *p = a.got; (p = strstr(p, "MSG ")) != NULL; p += 4) {
        n_lossy += strncmp(p, "MSG lossy ", 10) == 0;
        n_half += strncmp(p, "MSG half ", 9) == 0;
        n_other += strncmp(p, "MSG other ", 10) == 0;
    }
    assert_int_equal(n_half + n_other, 1000);
    assert_in_range(n_half, 420, 580);
    assert_in_range(n_lossy, 322, 478);
    client_free(&a);
    world_stop(&w);
    mapping_free(m);
}

/* How often word stands in what the client heard. */
static uint32_t
count(const struct client *c, const char *word)
{
    uint32_t n = 0;
    for (const char *p = c->got; (p = strstr(p, word)) != NULL; p++)
        n++;
    return n;
}

/* The subscriber's shard stands still, so the mailbox fills: each publish has one draw and one +OK, however often it is tried. */
static void
a_publish_that_waits_keeps_its_draw(void **state)
{
    enum { N = 4000, PAYLOAD = 99 };
    struct mapping *m = table();
    struct world w;
    struct client a, b;
    static char text[N * (PAYLOAD + 32)];
    size_t len = 0;
    uint64_t n_lost = 0;
    (void)state;

    w.cfg = world_net_cfg();
    w.cfg.mappings = m;
    world_start(&w, &(struct world_cfg){.n_shards = 2, .seed = 3, .mbox_bytes = 65536});
    client_open_quiet(&w, &a);
    client_open(&w, &b);
    client_say(&a, "SUB lossy 1\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    for (uint32_t i = 0; i < N; i++)
        len += (size_t)sprintf(text + len, "PUB lossy %d\r\n%0*u\r\n", PAYLOAD, PAYLOAD, i);
    w.started[0] = false;
    assert_int_equal(client_put(&b, text, len), len);
    world_run(&w, NS_PER_S);
    client_poll(&b);
    assert_true(count(&b, "+OK\r\n") < N);
    assert_true(w.set->shards[1]->counters.mbox_full > 0);
    for (int i = 0; i < 100; i++) { /* try it again and again */
        world_net(&w, 1)->n_vain = 0;
        world_run(&w, 300 * NS_PER_MS);
    }
    w.started[0] = true;
    world_settle(&w);
    client_poll(&a);
    client_poll(&b);
    n_lost = w.set->shards[1]->counters.mapped_lost;
    assert_int_equal(count(&b, "+OK\r\n"), N);
    assert_int_equal(count(&a, "MSG lossy 1 99\r\n") + n_lost, N);
    assert_in_range(n_lost, N * 6 / 10 - 155, N * 6 / 10 + 155); /* five standard deviations */
    client_free(&a);
    client_free(&b);
    world_stop(&w);
    mapping_free(m);
}

/* Another configuration for all shards. */
static void
reload(struct world *w, struct net_cfg *cfg)
{
    struct net_reload *r;

    assert_int_equal(net_reload_new(&w->net_set, cfg, w->n, &r), OK);
    net_reload_start(w->set, &w->net_set, r);
    world_settle(w);
    assert_true(net_reload_done(r));
    net_reload_free(r);
    w->net_set.cfg = cfg;
}

/* Connections that are there already, and a table that is gone when the reload is done. */
static void
mappings_come_and_go_with_the_configuration(void **state)
{
    struct mapping *m = table();
    struct world w;
    struct client a, b;
    (void)state;

    start(&w, 2, NULL);
    client_open_quiet(&w, &a);
    client_open_quiet(&w, &b);
    client_say(&a, "SUB bar 1\r\nSUB foo 2\r\nPING\r\n");
    client_hears(&a, "PONG\r\n");
    client_say(&b, "PUB foo 0\r\n\r\n");
    client_hears(&a, "MSG foo 2 0\r\n\r\n");
    struct net_cfg with = w.cfg, without = w.cfg;
    with.mappings = m;
    reload(&w, &with);
    client_say(&b, "PUB foo 0\r\n\r\n");
    client_hears(&a, "MSG bar 1 0\r\n\r\n");
    reload(&w, &without);
    mapping_free(m);
    client_say(&b, "PUB foo 0\r\n\r\n");
    client_hears(&a, "MSG foo 2 0\r\n\r\n");
    client_free(&a);
    client_free(&b);
    world_stop(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapped_publish_reaches_who_wants_what_it_became),
        cmocka_unit_test(the_hint_of_a_connection_serves_mapped_subjects),
        cmocka_unit_test(rules_are_for_what_it_became),
        cmocka_unit_test(a_lost_message_is_answered_like_one_to_nobody),
        cmocka_unit_test(a_subject_that_grows_too_long_is_dropped),
        cmocka_unit_test(weights_are_drawn_for_each_publish),
        cmocka_unit_test(a_publish_that_waits_keeps_its_draw),
        cmocka_unit_test(mappings_come_and_go_with_the_configuration),
    };
    int failed = cmocka_run_group_tests(tests, world_log_off, world_log_on);
    return failed + cmocka_run_group_tests(tests, world_log_trace, world_log_on); /* once more with every line made */
}
