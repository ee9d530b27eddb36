/* The suite of all backends in the simulated world, under several kinds of weather. */
#include <stdio.h>
#include <stdlib.h>

#include "core/rt/assert.h"
#include "core/rt/io_suite.h"
#include "core/rt/sim.h"

struct weather {
    const char *name;
    uint64_t seed;
    bool calm; /* nothing is cut short, late or delayed */
    struct sim *sim;
};

static void
weather_reset(void *arg)
{
    struct weather *w = arg;
    struct sim_cfg cfg;

    sim_free(w->sim);
    sim_cfg_default(&cfg, w->seed++);
    cfg.wait_advances = true;
    if (w->calm) {
        cfg.delay_none_pct = 100;
        cfg.short_pct = cfg.later_pct = cfg.disk_short_pct = 0;
        cfg.window_bytes = 1024 * 1024;
    }
    w->sim = sim_new(&cfg);
}

static enum err
weather_open(void *arg, uint32_t shard_id, struct io **ret_io)
{
    struct weather *w = arg;
    struct io_cfg cfg = {.backend = IO_SIM, .sim = w->sim, .shard_id = shard_id, .recv_bufs_bytes = 8 * IO_RECV_BUF_LEN};
    return io_new(&cfg, ret_io);
}

static void
weather_idle(void *arg)
{
    struct weather *w = arg;
    int64_t next = sim_next(w->sim);
    sim_advance(w->sim, next != INT64_MAX ? next : sim_clock(w->sim) + 1);
}

int
main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    struct weather all[] = {{.name = "io sim, calm", .seed = seed, .calm = true}, {.name = "io sim, rough", .seed = seed}};
    int n_failed = 0;

    for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct io_suite_env env = {
            .name = all[i].name, .arg = &all[i], .reset = weather_reset, .open = weather_open, .idle = weather_idle, .dir = "/disk"};
        n_failed += io_suite_run(&env);
        sim_free(all[i].sim);
    }
    return n_failed;
}
