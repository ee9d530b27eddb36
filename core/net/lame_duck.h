/* lame_duck.h - a server that is about to go lets its clients leave one by one, so that not all of them come to its neighbours at once.
 *
 *     main      net_lame_duck_start       asks every shard
 *     shard 0   closes the listener
 *     each      tells its clients by an INFO with ldm:true (those that would understand it: protocol 1, first PING answered), in slices; new
 *               connections that were under way are closed
 *     main      net_lame_duck_informed, all of them; waits the grace period
 *     main      net_lame_duck_close       within so long
 *     each      closes its connections one by one, at random distances that spread them over that time
 *     main      net_lame_duck_done: each shard has closed its last one, or has none left; then the server stops as always
 *
 * A shard without connections is done at once: nobody is waited for who has gone.
 *
 *     OFF --ask--> INFORM --all told--> GRACE --ask--> CLOSE --last one--> DONE
 *                                         +------------- none left ----------^
 *
 * Threads  main, except net_ldm_...: the shards.
 * Source   sheet 01, section 15.
 */
#ifndef MIDGE_NET_LAME_DUCK_H
#define MIDGE_NET_LAME_DUCK_H

#include "core/net/net.h"

enum {
    LAME_DUCK_SLICE_MAX = 256, /* connections told, or closed, in one turn */
    LAME_DUCK_PAUSE_MAX_NS = 1000000000, /* between two closings, of all shards together */
};

void net_lame_duck_start(struct shard_set *shards);
/* Whether every shard has told its clients. Look again after each note. */
bool net_lame_duck_informed(const struct net_set *set, uint32_t n_shards);
/* Close all clients, spread over window_ns (less where they are few: LAME_DUCK_PAUSE_MAX_NS). */
void net_lame_duck_close(struct shard_set *shards, struct net_set *set, int64_t window_ns);
/* Whether there is nothing to wait for any more. Look again after each note. */
bool net_lame_duck_done(const struct net_set *set, uint32_t n_shards);

#endif
