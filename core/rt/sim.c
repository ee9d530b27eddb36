/* The world itself: clock, dice, hosts, descriptors. */
#include "core/rt/sim.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt/sim_priv.h"

enum { SIM_WALL_BASE_S = 1767225600 /* the wall clock starts in 2026 */ };

void *
sim_alloc(size_t len)
{
    void *p = calloc(1, len);
    ASSERT(p != NULL); /* a world without memory proves nothing */
    return p;
}

void
sim_cfg_default(struct sim_cfg *ret, uint64_t seed)
{
    *ret = (struct sim_cfg){
        .seed = seed,
        .delay_ns_max = 100 * NS_PER_US,
        .delay_none_pct = 50,
        .short_pct = 20,
        .later_pct = 30,
        .window_bytes = 64 * 1024,
        .connect_timeout_ns = 2 * NS_PER_S,
        .disk_delay_ns_max = 200 * NS_PER_US,
        .disk_short_pct = 10,
        .disk_bytes_max = UINT64_C(1) << 32,
    };
}

struct sim *
sim_new(const struct sim_cfg *cfg)
{
    ASSERT(cfg->window_bytes >= 16 && (cfg->window_bytes & (cfg->window_bytes - 1)) == 0);

    struct sim *sim = sim_alloc(sizeof(*sim));
    sim->cfg = *cfg;
    rng_init(&sim->rng, cfg->seed);
    sim->now_ns = NS_PER_S; /* 0 and "a second ago" are times of their own */
    sim->wall_base_ns = SIM_WALL_BASE_S * NS_PER_S;
    sim->host_next = 1;
    sim->port_next = SIM_PORT_FIRST;
    list_init(&sim->listeners);
    list_init(&sim->conns);
    list_init(&sim->peers);
    list_init(&sim->ios);
    return sim;
}

void
sim_free(struct sim *sim)
{
    if (sim == NULL)
        return;
    ASSERT(list_empty(&sim->ios));
    while (!list_empty(&sim->peers))
        sim_peer_free(CONTAINER_OF(sim->peers.next, struct sim_peer, node));
    for (uint32_t i = 0; i < sim->n_fds; i++)
        sim_fd_free(sim, (int)(SIM_FD_BASE + i));
    while (!list_empty(&sim->listeners))
        sim_listener_free(CONTAINER_OF(sim->listeners.next, struct sim_listener, node));
    while (!list_empty(&sim->conns))
        sim_conn_free(CONTAINER_OF(sim->conns.next, struct sim_conn, node));
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++)
        sim_disk_free(sim->disks[i]);
    free(sim->fds);
    free(sim);
}

void
sim_tune(struct sim *sim, const struct sim_cfg *cfg)
{
    uint64_t seed = sim->cfg.seed;
    uint32_t window_bytes = sim->cfg.window_bytes;

    sim->cfg = *cfg;
    sim->cfg.seed = seed;
    sim->cfg.window_bytes = window_bytes;
}

/* ---- time ---- */

int64_t
sim_now(struct sim *sim)
{
    return ++sim->now_ns;
}

int64_t
sim_clock(const struct sim *sim)
{
    return sim->now_ns;
}

void
sim_advance(struct sim *sim, int64_t to_ns)
{
    if (to_ns > sim->now_ns)
        sim->now_ns = to_ns;
}

int64_t
sim_next(struct sim *sim)
{
    int64_t next = sim_net_next(sim);

    for (struct list *l = sim->ios.next; l != &sim->ios; l = l->next)
        next = min_i64(next, sim_io_next(CONTAINER_OF(l, struct sim_io, node)));
    return next;
}

int64_t
sim_due(struct sim *sim, int64_t delay_ns_max)
{
    if (delay_ns_max <= 0 || sim_pct(sim, sim->cfg.delay_none_pct))
        return sim->now_ns;
    return sim->now_ns + (int64_t)rng_below(&sim->rng, (uint64_t)delay_ns_max + 1);
}

/* ---- dice ---- */

struct rng *
sim_rng(struct sim *sim)
{
    return &sim->rng;
}

bool
sim_chance(struct sim *sim, uint32_t ppm)
{
    return ppm > 0 && rng_below(&sim->rng, SIM_PPM) < ppm;
}

bool
sim_pct(struct sim *sim, uint32_t pct)
{
    return pct > 0 && rng_below(&sim->rng, 100) < pct;
}

/* ---- hosts ---- */

void
sim_host_select(struct sim *sim, uint32_t host)
{
    ASSERT(host < SIM_HOSTS_MAX);
    sim->host_next = host;
}

void
sim_link_cut(struct sim *sim, uint32_t a, uint32_t b, bool cut)
{
    ASSERT(a < SIM_HOSTS_MAX && b < SIM_HOSTS_MAX && a != b);
    if (cut) {
        sim->cut[a] |= (uint16_t)BIT(b);
        sim->cut[b] |= (uint16_t)BIT(a);
    } else {
        sim->cut[a] &= (uint16_t)~BIT(b);
        sim->cut[b] &= (uint16_t)~BIT(a);
    }
}

bool
sim_linked(const struct sim *sim, uint32_t a, uint32_t b)
{
    return (sim->cut[a] & BIT(b)) == 0;
}

void
sim_host_crash(struct sim *sim, uint32_t host)
{
    ASSERT(host < SIM_HOSTS_MAX && host != SIM_HOST_OUTSIDE);

    for (struct list *l = sim->ios.next; l != &sim->ios; l = l->next) {
        struct sim_io *io = CONTAINER_OF(l, struct sim_io, node);
        if (io->host == host)
            sim_io_kill(io);
    }
    for (uint32_t i = 0; i < sim->n_fds; i++) {
        if (sim->fds[i].kind == SIM_FD_FREE || sim->fds[i].host != host)
            continue;
        if (sim->fds[i].kind == SIM_FD_CONN)
            sim_conn_reset(sim->fds[i].ptr);
        sim_fd_free(sim, (int)(SIM_FD_BASE + i));
    }
    if (sim->disks[host] != NULL)
        sim_disk_crash(sim, sim->disks[host]);
}

/* ---- descriptors ---- */

int
sim_fd_new(struct sim *sim, enum sim_fd_kind kind, void *ptr, uint8_t side, uint32_t host)
{
    uint32_t i = 0;

    while (i < sim->n_fds && sim->fds[i].kind != SIM_FD_FREE)
        i++;
    if (i == sim->cap_fds) {
        uint32_t cap = sim->cap_fds == 0 ? 64 : 2 * sim->cap_fds;
        struct sim_fd *fds = realloc(sim->fds, cap * sizeof(*fds));
        ASSERT(fds != NULL);
        sim->fds = fds;
        sim->cap_fds = cap;
    }
    if (i == sim->n_fds)
        sim->n_fds++;
    sim->fds[i] = (struct sim_fd){.kind = (uint8_t)kind, .side = side, .host = host, .ptr = ptr};
    return (int)(SIM_FD_BASE + i);
}

struct sim_fd *
sim_fd_find(struct sim *sim, int fd, enum sim_fd_kind kind)
{
    if (fd < SIM_FD_BASE || (uint32_t)(fd - SIM_FD_BASE) >= sim->n_fds)
        return NULL;
    struct sim_fd *f = &sim->fds[fd - SIM_FD_BASE];
    return f->kind == kind ? f : NULL;
}

void
sim_fd_free(struct sim *sim, int fd)
{
    ASSERT(fd >= SIM_FD_BASE && (uint32_t)(fd - SIM_FD_BASE) < sim->n_fds);

    struct sim_fd f = sim->fds[fd - SIM_FD_BASE];
    sim->fds[fd - SIM_FD_BASE] = (struct sim_fd){.kind = SIM_FD_FREE};
    switch ((enum sim_fd_kind)f.kind) {
    case SIM_FD_FREE: break;
    case SIM_FD_CONN: sim_conn_close(f.ptr, f.side); break;
    case SIM_FD_LISTENER: sim_listener_free(f.ptr); break;
    case SIM_FD_FILE: sim_inode_unref(f.ptr); break;
    case SIM_FD_FOLDER: free(f.ptr); break;
    }
}
