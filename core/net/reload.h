/* reload.h - another configuration for all shards, while they serve.
 *
 * A configuration is a snapshot: immutable, shared by pointer, replaced as a whole. Whatever can fail has been done by main before the first
 * shard hears of it, so all shards take it over or none.
 *
 *     main     net_reload_new: memory for all            fails: nothing has happened
 *              net_reload_start: asks shard 0
 *     shard 0  RECORD_CFG into each mailbox, as it has room; then it switches itself
 *     each     switches between two records: n->cfg, INFO, buffers. Then looks at every connection again, RELOAD_SLICE_MAX in a
 *              turn and no longer than RELOAD_SLICE_NS; then says so (net_set.note)
 *     main     net_reload_done: nobody looks at the old snapshot any more; net_reload_free, and the old snapshot may go
 *
 * Who connects meanwhile finds the old or the new configuration, whole; those who found the old one are looked at again.
 *
 * Threads  main, except net_reload_step and what it calls: the shards.
 * Memory   own: net_reload_new -> net_reload_free. The snapshots are the caller's.
 * Source   sheet 02, section 8.
 */
#ifndef MIDGE_NET_RELOAD_H
#define MIDGE_NET_RELOAD_H

#include "core/net/net.h"

enum {
    RELOAD_SLICE_MAX = 256,    /* connections looked at in one turn ... */
    RELOAD_SLICE_NS = 1000000, /* ... unless that takes longer than this */
};

struct net_reload {
    const struct net_cfg *cfg;
    _Atomic uint32_t n_left;     /* shards that have not finished */
    _Atomic uint32_t n_surplus;  /* connections closed because of max_connections */
    uint32_t n_shards;
    uint32_t surplus[SHARDS_MAX]; /* what each shard is to close; shard 0 writes it before it tells them */
    struct net_texts texts[SHARDS_MAX]; /* each shard swaps its own: new ones in, old ones out */
};

/* Prepare to replace set->cfg by cfg.
 *   borrow  cfg, until another one replaces it
 *   own     *ret, by net_reload_free
 *   fail    ERR_NOMEM, ERR_FULL (INFO would be longer than anybody takes) */
enum err net_reload_new(const struct net_set *set, const struct net_cfg *cfg, uint32_t n_shards, struct net_reload **ret);
/* Begin. One at a time: the one before is done. */
void net_reload_start(struct shard_set *shards, struct net_set *set, struct net_reload *r);
/* Whether all shards have finished. Look again after each note. */
bool net_reload_done(const struct net_reload *r);
/* NULL is fine. After net_reload_done, or instead of net_reload_start. */
void net_reload_free(struct net_reload *r);

#endif
