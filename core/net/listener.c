/* Accepting, and placing connections on shards. */
#include <string.h>
#include <unistd.h>

#include "core/net/net_priv.h"

enum {
    LISTENER_BACKLOG = 4096,
    LISTENER_RETRY_MS = 3000, /* a killed predecessor's ring may hold the port for a moment */
};

/* In nats-server's words: launchers of test suites look for them. */
static void
listener_tell(struct net *n, enum err e)
{
    const char *host = n->cfg->host;
    uint16_t port = n->cfg->port;
    bool v6 = strchr(host, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";

    if (e == ERR_ADDR)
        log_line(LOG_FTL, "Error listening on port: %s%s%s:%u, \"listen tcp: lookup %s: no such host\"", open, host, close, port, host);
    else
        log_line(LOG_FTL, "Error listening on port: %s%s%s:%u, \"listen tcp %s%s%s:%u: bind: %s\"", open, host, close, port, open, host, close,
                 port, err_text(e));
    atomic_store(&n->set->told, true);
}

enum err
listener_start(struct net *n)
{
    struct sockaddr_storage ss;
    socklen_t len;
    uint16_t port;

    enum err e = addr_resolve(n->cfg->host, n->cfg->port, &ss, &len);
    if (e == OK)
        e = io_listen(n->sh->io, &n->listener, (struct sockaddr *)&ss, len, LISTENER_BACKLOG, LISTENER_RETRY_MS, n, &port);
    if (e != OK) {
        listener_tell(n, e);
        return e;
    }
    n->listener_open = true;
    atomic_store(&n->set->port, port);
    io_accept_start(n->sh->io, &n->listener);
    return OK;
}

void
listener_stop(struct net *n)
{
    if (n->listener_open)
        io_close(n->sh->io, &n->listener);
}

uint64_t
listener_n_live(struct net *n, uint32_t *ret_least, uint32_t ret_live[SHARDS_MAX])
{
    uint64_t total = 0, least_n = UINT64_MAX;

    for (uint32_t i = 0; i < n->sh->n_shards; i++) {
        /* n_closed has 32 bits, and wraps: so does the difference, which is small. */
        uint32_t live = (uint32_t)n->n_assigned[i] - atomic_load_explicit(&n->sh->set->pub[i].n_closed, memory_order_relaxed);
        total += live;
        if (ret_live != NULL)
            ret_live[i] = live;
        if (live < least_n) {
            least_n = live;
            *ret_least = i;
        }
    }
    return total;
}

void
listener_on_accept(struct net *n, struct io_event *ev)
{
    struct shard *sh = n->sh;
    uint32_t to = 0;

    if (ev->err != OK) {
        COUNT(&sh->counters, accept_failures, 1);
        log_err("Error accepting client connections: %s; trying again shortly", err_text((enum err)ev->err));
        return;
    }
    int fd = (int)ev->res;
    bool refuse = listener_n_live(n, &to, NULL) >= n->cfg->max_connections;
    uint64_t cid = n->next_cid++;
    if (to != sh->id && !refuse && mbox_room(sh->out[to], 1, sizeof(struct record_conn), 0)) {
        struct record_conn *r = (void *)shard_push(sh, to, RECORD_CONN, sizeof(*r));
        r->cid = cid;
        r->fd = fd;
        r->refuse = 0;
        n->n_assigned[to]++;
        return;
    }
    n->n_assigned[sh->id]++;
    conn_open(n, fd, cid, refuse);
}

void
listener_on_conn(struct net *n, const struct record_conn *r)
{
    conn_open(n, r->fd, r->cid, r->refuse != 0);
}
