/* counters.h - what one shard counts, for monitoring.
 *
 * One list says all: names, order and help text. Counting costs a load, an add and a store: the owner alone writes, so
 * there is nothing to lock, and whoever reads sees some recent value of each counter, never a torn one. Counters only
 * grow; what goes up and down (connections, subscriptions) is asked from its owner.
 *
 *     COUNT(&sh->counters, in_msgs, 1);                        the owner
 *     uint64_t n = counters_read(&other->counters.in_msgs);    anybody
 *     for (i = 0; i < COUNTERS_N; i++)                         all of them
 *         printf("%s %llu\n", counters_info[i].name, sums[i]);
 *
 * Threads  COUNT: the owning shard. Reading: any.
 * Memory   embedded in the shard, on cache lines of its own.
 */
#ifndef MIDGE_RT_COUNTERS_H
#define MIDGE_RT_COUNTERS_H

#include <stdint.h>

#include "core/rt/util.h"

/* One row: name, help text. */
#define COUNTERS_LIST(X)                                                                                    \
    /* messages */                                                                                          \
    X(in_msgs,                  "messages received from clients")                                           \
    X(in_bytes,                 "payload and header bytes of them")                                         \
    X(out_msgs,                 "messages sent to clients")                                                 \
    X(out_bytes,                "payload and header bytes of them")                                         \
    X(runs_slow,                "streams of equal publishes taken one by one: not to one subscriber or shard alone") \
    X(no_responders,            "requests answered with status 503 because nobody listens")                 \
    X(mapped_lost,              "publishes that mappings sent nowhere, as configured")                      \
    X(mapped_too_long,          "publishes dropped: mapped to a subject longer than max_control_line")      \
    X(traces,                   "trace events sent")                                                        \
    X(traces_refused,           "messages not traced for want of memory, or too many open traces")          \
    X(traces_cut,               "trace events that leave something out: too long, or a shard was late")     \
    X(queue_passed_on,          "queue group messages sent on to another shard: the last member had gone")  \
    X(queue_dropped,            "queue group messages given up: no shard had a member any more")            \
    /* connections */                                                                                       \
    X(conns_accepted,           "connections accepted")                                                     \
    X(conns_closed,             "connections closed, for whatever reason")                                  \
    X(conns_refused,            "connections refused by max_connections or for want of memory or files")    \
    X(accept_failures,          "accepting failed (out of file descriptors and the like)")                  \
    X(slow_consumers_pending,   "connections cut for more than max_pending bytes waiting")                  \
    X(slow_consumers_deadline,  "writes that outlasted write_deadline; each ended its connection, except with retry")                 \
    X(stale_conns,              "connections cut because PINGs went unanswered")                            \
    X(protocol_errors,          "connections cut for breaking the protocol")                                \
    X(subs_refused,             "subscriptions refused by max_subscriptions or for want of memory")         \
    X(payloads_refused,         "publishes above max_payload")                                              \
    X(auth_failures,            "logins refused")                                                           \
    X(auth_timeouts,            "connections cut because no login came in time")                            \
    X(auth_hashes,              "bcrypt hashes computed for logins")                                        \
    X(auth_full,                "times a login found the queue of the hashes full, and had to try again")   \
    X(perm_walks,               "permission checks that walked through the rules: no answer was remembered") \
    X(pubs_denied,              "publishes refused by permissions")                                         \
    X(subs_denied,              "subscriptions refused or taken back by permissions")                       \
    X(deliveries_denied,        "messages withheld from a subscriber by its permissions")                   \
    X(responses_dropped,        "responses that allow_responses noted and gave up, for want of room")       \
    X(deliveries_dropped,       "messages dropped for a subscriber that is behind (no_fast_producer_stall)") \
    X(stalls,                   "times a publisher was held up because of a consumer's backlog")            \
    X(recv_paused,              "times a connection's reading stopped: a full mailbox, or no memory")       \
    X(bufs_refused,             "buffers the pool refused at its limit or for want of memory")              \
    X(log_withheld,             "log lines about clients' mistakes that were only counted")                 \
    X(reloads,                  "configurations that this shard took over while it served")                 \
    X(reload_conns,             "connections looked at again because of them")                              \
    X(reload_cuts,              "times that this took more than a turn")                                    \
    /* monitoring */                                                                                        \
    X(http_conns,               "HTTP connections accepted")                                                \
    X(http_requests,            "HTTP requests, whatever they asked for")                                   \
    X(http_refused,             "HTTP connections and requests refused: no room, no HTTP, too late")        \
    X(http_evicted,             "HTTP connections closed to make room for others")                          \
    X(closed_cut,               "closed connections remembered without some of their subscriptions, or not at all") \
    /* between shards */                                                                                    \
    X(mbox_msgs_out,            "records put into other shards' mailboxes")                                 \
    X(mbox_bytes_out,           "bytes of them")                                                            \
    X(mbox_msgs_in,             "records taken out of mailboxes")                                           \
    X(mbox_full,                "times a producer had to wait for room in a mailbox")                       \
    X(mbox_wakes,               "sleeping shards woken")                                                    \
    X(mbox_wakes_spared,        "times a shard with news was awake anyway")                                 \
    /* the loop */                                                                                          \
    X(turns,                    "turns of the loop")                                                        \
    X(turns_cut,                "times the work of a turn ran over its budget, and the rest had to wait")   \
    X(sleeps,                   "times the shard went to sleep")                                            \
    X(polls,                    "times it looked again instead")

#define COUNTERS_FIELD(name, help) uint64_t name;
/* Owner: the shard. Atomics in all but type: written by counters_add, read by counters_read. */
struct counters {
    _Alignas(CACHE_PAIR) COUNTERS_LIST(COUNTERS_FIELD)
};
#undef COUNTERS_FIELD

#define COUNTERS_ENUM(name, help) COUNTER_##name,
/* COUNTER_in_msgs and so on: positions in struct counters as an array, and in counters_info. */
enum { COUNTERS_LIST(COUNTERS_ENUM) COUNTERS_N };
#undef COUNTERS_ENUM

struct counter_info {
    const char *name, *help;
};
extern const struct counter_info counters_info[COUNTERS_N];

static inline void
counters_add(uint64_t *counter, uint64_t n)
{
    /* The one writer may read plainly; the store is whole for those who read meanwhile, and orders nothing. */
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t
counters_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#define COUNT(c, name, n) counters_add(&(c)->name, (n))

/* Add each counter of c to sums[COUNTERS_N]. */
void counters_sum(uint64_t *sums, const struct counters *c);

#endif
