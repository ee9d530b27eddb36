/* monitor.h - the monitoring pages: /varz, /connz and so on, as nats-server has them, and /metrics for Prometheus.
 *
 *     shard 0   a request: its path and parameters; small pages are written at once
 *     shards    what is asked of them, piece by piece (core/net/gather.h)
 *     pool      threads of the lowest priority sort, filter and write: no shard ever formats a page
 *     shard 0   the answer goes out (core/net/http.h)
 *
 * Nothing can be changed over HTTP, and nothing secret is shown: passwords and tokens are not there any more when a page is made.
 *
 * Bounds   MONITOR_RUN_MAX requests gather or are written at once, and one of those that may be large (/connz, /subsz), the others wait in
 *          two lines; one for each HTTP connection. A page has
 *          PAGE_LEN_MAX bytes at most, and a part GATHER_PART_MAX: above that 503.
 * Threads  monitor_new, monitor_attach, monitor_free: main; the rest: shard 0, and the pool's threads.
 * Memory   own: monitor_new -> monitor_free, after the shards have ended.
 * Source   sheet 09, sections 1 to 4.
 */
#ifndef MIDGE_SERVER_MONITOR_H
#define MIDGE_SERVER_MONITOR_H

#include "core/net/net.h"
#include "core/server/server_cfg.h"

enum { MONITOR_RUN_MAX = 8, MONITOR_THREADS = 2 /* one for large pages, one for the others */ };

struct monitor;

/* Prepare, and have set listen for it. *ret is NULL when these options want no monitoring.
 *   own   *ret, by monitor_free
 *   fail  ERR_NOMEM, ERR_UNSUPPORTED (HTTPS; logged) */
enum err monitor_new(const struct server_cfg *c, struct net_set *set, struct monitor **ret);
/* The shards that set belongs to, before they start. NULL: nothing. fail: ERR_NOMEM */
enum err monitor_attach(struct monitor *m, struct shard_set *shards);
/* Its threads end, which wake shards: before these end. Main. NULL is fine. */
void monitor_stop(struct monitor *m);
void monitor_free(struct monitor *m); /* NULL is fine */

#endif
