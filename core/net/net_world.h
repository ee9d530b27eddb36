/* net_world.h - a server of some shards in the simulated world, and clients that a test plays by hand.
 *
 * The test is the scheduler: a shard runs when its io_wait would return, and sleeps otherwise, as its thread would. So a
 * wake-up that gets lost shows as a shard that sleeps. world_settle runs all shards until nobody can run any more at about this time;
 * world_run lets so much time go by.
 *
 *     struct world w;
 *     world_start(&w, n_shards, &cfg)
 *     struct client a;
 *     client_open(&w, &a)          connected, and its INFO read
 *     client_say(&a, "PING\r\n")   sent, and the world settled
 *     client_hears(&a, "PONG\r\n") exactly that came since the last look
 *     client_free(&a)
 *     world_stop(&w)               as SIGTERM does; checks that nothing is left
 *
 * Threads  one. Memory  own: world_start -> world_stop, client_open -> client_free.
 */
#ifndef MIDGE_NET_NET_WORLD_H
#define MIDGE_NET_NET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/net/net_priv.h"
#include "core/rt/fault.h"
#include "core/rt/sim.h"

enum {
    WORLD_SHARDS_MAX = 4,
    WORLD_STEPS_MAX = 2000000,
    WORLD_SOON_NS = 20000000, /* a settled world does nothing for so long */
    CLIENT_GOT_MAX = 4 << 20,
};

struct world {
    struct sim *sim;
    struct shard_set *set;
    struct net_set net_set;
    struct net_cfg cfg;
    uint32_t n;
    bool asleep[WORLD_SHARDS_MAX], started[WORLD_SHARDS_MAX];
    int64_t deadline[WORLD_SHARDS_MAX];
    uint64_t n_steps;
    uint64_t n_flushes; /* times a shard went to sleep: what it had queued, a peer's wake-up among it, is out then */
};

struct world_cfg {
    uint32_t n_shards;
    uint64_t seed;
    bool rough;          /* delays, short reads and writes, late sends */
    uint32_t window;     /* bytes in flight per direction; 0: 1 MiB */
    uint64_t mbox_bytes; /* 0: the usual */
    uint64_t bufs_limit; /* per shard; 0: none */
    const struct http_cfg *http; /* NULL: no monitoring */
};

static inline struct net *
world_net(struct world *w, uint32_t i)
{
    return net_of(w->set->shards[i]);
}

/* ---- running ---- */

/* One turn of a shard, if it would not sleep. */
static inline bool
world_step(struct world *w, uint32_t i)
{
    struct shard *sh = w->set->shards[i];

    if (sh->done || !w->started[i])
        return false;
    shard_current = sh;
    if (!w->asleep[i]) {
        w->deadline[i] = shard_wait_begin(sh);
        io_flush(sh->io);
        w->n_flushes++;
        w->asleep[i] = true;
    }
    if (!sim_io_ready(sh->io, w->deadline[i]))
        return false;
    io_wait(sh->io, 0);
    shard_wait_end(sh);
    w->asleep[i] = false;
    w->n_steps++;
    shard_turn_waited(sh);
    return true;
}

/* Let things happen until nothing will before until_ns. */
static inline void
world_run_until(struct world *w, int64_t until_ns)
{
    for (uint64_t n = 0;; n++) {
        bool ran = false;
        uint64_t n_flushes = w->n_flushes;
        assert_true(n < WORLD_STEPS_MAX);
        for (uint32_t i = 0; i < w->n; i++)
            ran |= world_step(w, i);
        if (ran || w->n_flushes != n_flushes)
            continue;
        int64_t next = sim_next(w->sim);
        for (uint32_t i = 0; i < w->n; i++) {
            if (w->started[i] && !w->set->shards[i]->done && w->deadline[i] < next)
                next = w->deadline[i];
        }
        if (next > until_ns)
            return;
        sim_advance(w->sim, next);
    }
}

static inline void
world_settle(struct world *w)
{
    world_run_until(w, sim_clock(w->sim) + WORLD_SOON_NS);
}

/* Let ns go by. */
static inline void
world_run(struct world *w, int64_t ns)
{
    int64_t until = sim_clock(w->sim) + ns;
    world_run_until(w, until);
    sim_advance(w->sim, until);
}

/* ---- life ---- */

static inline struct net_cfg
world_net_cfg(void)
{
    struct net_cfg c = {
        .host = "127.0.0.1",
        .max_connections = 1000,
        .max_control_line = 4096,
        .max_payload = 1 << 20,
        .max_pending = 64 << 20,
        .write_deadline_ns = 10 * NS_PER_S,
        .ping_interval_ns = 120 * NS_PER_S,
        .ping_max = 2,
        .headers = true,
        .info = {.server_id = "NTEST", .server_name = "test", .version = "2.14.5", .go = "go", .host = "127.0.0.1", .headers = true},
    };
    hash_key_seed(&c.key, 7);
    return c;
}

/* What the server logs goes nowhere: setup and teardown of a group of tests. */
static inline int
world_log_off(void **state)
{
    (void)state;
    return log_start(&(struct log_cfg){.file = "/dev/null"}) == OK ? 0 : -1;
}

/* The same, but all of it is made, down to the protocol's lines. */
static inline int
world_log_trace(void **state)
{
    (void)state;
    return log_start(&(struct log_cfg){.file = "/dev/null", .debug = true, .trace = true}) == OK ? 0 : -1;
}

static inline int
world_log_on(void **state)
{
    (void)state;
    log_stop();
    return 0;
}

static inline void
world_warn(void *arg, const char *text)
{
    (void)arg;
    fail_msg("%s", text);
}

/* w->cfg is what the nets are given: set it with world_net_cfg before, and change what the test needs. */
static inline void
world_start(struct world *w, const struct world_cfg *wc)
{
    struct net_cfg net = w->cfg;
    struct sim_cfg sc;

    memset(w, 0, sizeof(*w));
    w->cfg = net;
    w->n = wc->n_shards;
    sim_cfg_default(&sc, wc->seed);
    if (!wc->rough) {
        sc.delay_none_pct = 100;
        sc.short_pct = sc.later_pct = 0;
    }
    sc.window_bytes = wc->window != 0 ? wc->window : 1 << 20;
    w->sim = sim_new(&sc);
    w->net_set.cfg = &w->cfg;
    w->net_set.http = wc->http;
    struct shard_set_cfg cfg = {
        .n_shards = wc->n_shards,
        .backend = IO_SIM,
        .sim = w->sim,
        .mbox_bytes = wc->mbox_bytes,
        .mbox_bytes_min = 128 << 10,
        .bufs_limit_bytes = wc->bufs_limit,
        .key = w->cfg.key,
        .warn = world_warn,
        .app = &net_app,
        .app_arg = &w->net_set,
    };
    assert_int_equal(shard_set_new(&cfg, &w->set), OK);
    for (uint32_t i = 0; i < w->n; i++) {
        shard_current = w->set->shards[i];
        assert_int_equal(shard_open(w->set->shards[i]), OK);
        assert_int_equal(net_app.on_start(w->set->shards[i]), OK);
        w->started[i] = true;
    }
    world_settle(w);
}

static inline void
world_ask_stop(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        shard_ask(w->set, i, NET_ASK_STOP);
}

/* Free what has stopped, whether or not its connections closed in time. */
static inline void
world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        shard_current = w->set->shards[i];
        net_app.on_stop(w->set->shards[i]);
        shard_close(w->set->shards[i]);
        w->started[i] = false;
    }
    shard_current = NULL;
    shard_set_free(w->set);
    sim_free(w->sim);
}

static inline void
world_stop(struct world *w)
{
    world_ask_stop(w);
    world_run(w, 5 * NS_PER_S);
    for (uint32_t i = 0; i < w->n; i++) {
        assert_true(w->set->shards[i]->done);
        assert_int_equal(world_net(w, i)->n_socks, 0);
    }
    world_fini(w);
}

/* ---- clients ---- */

/* A client that only connects. */
static inline struct sim_peer *
world_dial(struct world *w)
{
    struct sim_peer *p = sim_peer_connect(w->sim, 1, (uint16_t)atomic_load(&w->net_set.port));

    while (sim_peer_state(p) == SIM_PEER_CONNECTING)
        sim_advance(w->sim, sim_clock(w->sim) + NS_PER_MS);
    world_settle(w);
    return p;
}

struct client {
    struct world *w;
    struct sim_peer *p;
    char *got; /* since the last look; NUL-terminated */
    size_t n_got;
};

/* Take what has arrived. */
static inline void
client_poll(struct client *c)
{
    size_t n;

    while ((n = sim_peer_recv(c->p, c->got + c->n_got, CLIENT_GOT_MAX - 1 - c->n_got)) > 0) {
        c->n_got += n;
        world_settle(c->w);
    }
    c->got[c->n_got] = '\0';
}

/* Connect to this port. */
static inline void
client_dial_to(struct world *w, struct client *c, uint32_t port)
{
    *c = (struct client){.w = w};
    c->got = malloc(CLIENT_GOT_MAX);
    assert_non_null(c->got);
    c->got[0] = '\0';
    c->p = sim_peer_connect(w->sim, 1, (uint16_t)port);
    while (sim_peer_state(c->p) == SIM_PEER_CONNECTING) /* it gets on when somebody looks */
        sim_advance(w->sim, sim_clock(w->sim) + NS_PER_MS);
    world_settle(w);
}

/* Connect; INFO is not read yet. */
static inline void
client_dial(struct world *w, struct client *c)
{
    client_dial_to(w, c, atomic_load(&w->net_set.port));
}

static inline void
client_open(struct world *w, struct client *c)
{
    client_dial(w, c);
    client_poll(c);
    assert_int_equal(strncmp(c->got, "INFO {", 6), 0);
    char *end = strstr(c->got, "\r\n");
    assert_non_null(end);
    assert_int_equal(end + 2 - c->got, c->n_got);
    c->n_got = 0;
    c->got[0] = '\0';
}

static inline void
client_free(struct client *c)
{
    sim_peer_free(c->p);
    free(c->got);
    world_settle(c->w);
}

/* Send as much as the window takes, without running the world: how much. */
static inline size_t
client_put(struct client *c, const void *bytes, size_t len)
{
    return sim_peer_send(c->p, bytes, len);
}

static inline void
client_say_bytes(struct client *c, const void *bytes, size_t len)
{
    const char *p = bytes;

    for (uint32_t n = 0; len > 0; n++) {
        assert_true(n < WORLD_STEPS_MAX);
        size_t sent = sim_peer_send(c->p, p, len);
        p += sent;
        len -= sent;
        world_settle(c->w);
    }
    world_settle(c->w);
}

static inline void
client_say(struct client *c, const char *text)
{
    client_say_bytes(c, text, strlen(text));
}

/* Exactly this came since the last look. */
static inline void
client_hears(struct client *c, const char *text)
{
    client_poll(c);
    assert_string_equal(c->got, text);
    c->n_got = 0;
    c->got[0] = '\0';
}

/* Forget what came. */
static inline void
client_skip(struct client *c)
{
    client_poll(c);
    c->n_got = 0;
    c->got[0] = '\0';
}

static inline bool
client_closed(struct client *c)
{
    client_poll(c);
    return sim_peer_state(c->p) == SIM_PEER_EOF || sim_peer_state(c->p) == SIM_PEER_RESET;
}

/* A client that has connected in the quiet way. */
static inline void
client_open_quiet(struct world *w, struct client *c)
{
    client_open(w, c);
    client_say(c, "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n");
    client_hears(c, "PONG\r\n");
}

#endif
