/* server.h - the server as a whole: its parts, started in order and ended in order.
 *
 *     server_start     log -> first lines, pid file -> shards (they listen) -> "Server is ready"
 *     server_wait      until a signal ends it (signals.h); reloads (server_reload.c), lame duck (server_ldm.c)
 *     server_stop      shards -> last line -> log
 *
 * Threads  main. It touches no shard: it asks (shard_ask), and waits to be told (signals_note).
 * Memory   struct server is main's; what server_start made, server_stop releases, also when it failed halfway.
 * Source   sheet 02, sections 7, 9 and 10.
 */
#ifndef MIDGE_SERVER_SERVER_H
#define MIDGE_SERVER_SERVER_H

#include <stdbool.h>

#include "core/rt/cpus.h"
#include "core/server/ports_file.h"
#include "core/server/server_cfg.h"
#include "core/server/signals.h"

/* Where a lame duck is: server_ldm.c. */
enum server_ldm_state { SERVER_LDM_OFF, SERVER_LDM_INFORM, SERVER_LDM_GRACE, SERVER_LDM_CLOSE };
struct server_ldm {
    enum server_ldm_state state;
    int64_t deadline_ns; /* of the grace period */
};

struct server {
    const struct options_args *args; /* the command line, for reloads; main's */
    struct server_names names;
    struct server_cfg *cfg; /* in force */
    struct cpus cpus;
    struct net_set net_set;
    struct monitor *monitor; /* NULL: none */
    struct shard_set *shards;
    struct offload *offload;
    struct signals signals;
    struct server_ldm ldm;
    struct ports_file ports;
    bool logging; /* log_start was called */
};

/* Start everything, by these options, which it takes. Returns 0, or the code to exit with: the reason is on stderr or in the log. */
int server_start(struct server *s, struct options *opts);
/* Do what signals say, until one of them ends the server. Does not return from a SIGQUIT or SIGABRT. */
void server_wait(struct server *s);
/* End everything that was started. */
void server_stop(struct server *s);

#endif
