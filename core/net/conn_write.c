/* What is queued for a connection, on its way out, and how long that may take.
 *
 * A write, for write_deadline's purpose, is what was queued when it began, at most CONN_WRITE_MAX; the next one begins when all of it is taken. One that
 * takes too long ends the connection, unless something of it was taken and write_timeout is "retry" (spec 01 section 11). nats-server's write is what was
 * queued as well, at most 1,024 pieces of 512 bytes to 64 KiB: with CONN_WRITE_MAX as the least of that nobody is cut whom it would have kept.
 */
#include "core/net/net_priv.h"
#include "core/rt/go_text.h"

enum { CONN_WRITE_MAX = 1024 * 512 };

static void
conn_write_begin(struct net *n, struct conn *c)
{
    c->write_len = c->write_left = (uint32_t)min_u64(c->ep.out.n_bytes, CONN_WRITE_MAX);
    c->write_since_ns = n->sh->now;
    if (UNLIKELY((c->flags & CONN_SLOW) != 0))
        c->n_write_chunks = outq_n_chunks(&c->ep.out, c->write_len);
}

/* Who took too long once took all of a write. */
static void
conn_write_recovered(struct net *n, struct conn *c)
{
    char name[CONN_NAME_MAX];

    c->flags &= (uint32_t)~CONN_SLOW;
    if (net_may_log(n, NET_QUIET_SLOW))
        log_inf("%s - Slow Consumer Recovered: Flush took %.3fs with %u chunks of %u total bytes.", conn_name(c, name, sizeof(name)),
                (double)(n->sh->now - c->write_since_ns) / 1e9, c->n_write_chunks, c->write_len);
}

/* len bytes were taken. */
static void
conn_sent(struct net *n, struct conn *c, size_t len)
{
    outq_drop(&c->ep.out, n->sh->bufs, len);
    if (len < c->write_left) {
        c->write_left -= (uint32_t)len;
        return;
    }
    if (UNLIKELY((c->flags & CONN_SLOW) != 0) && c->write_left > 0)
        conn_write_recovered(n, c);
    c->write_left = 0;
}

static void
conn_log_slow_write(struct net *n, const struct conn *c)
{
    char name[CONN_NAME_MAX], deadline[GO_DURATION_LEN];

    if (net_may_log(n, NET_QUIET_SLOW))
        log_inf("%s - Slow Consumer %s: WriteDeadline of %s exceeded with %u chunks of %u total bytes.", conn_name(c, name, sizeof(name)),
                (c->flags & CONN_SLOW) != 0 ? "State" : "Detected", go_duration_text(n->cfg->write_deadline_ns, deadline),
                outq_n_chunks(&c->ep.out, c->write_left), c->write_len);
}

void
conn_write_timer(struct timer *t, int64_t now_ns)
{
    struct conn *c = CONTAINER_OF(t, struct conn, write_timer);
    struct net *n = net_of(shard_current);

    if (c->write_left == 0)
        return;
    int64_t due = c->write_since_ns + n->cfg->write_deadline_ns;
    if (now_ns < due) {
        timer_arm(&n->sh->timers, t, due);
        return;
    }
    if ((c->flags & CONN_CONNECTED) != 0) {
        COUNT(&n->sh->counters, slow_consumers_deadline, 1);
        conn_log_slow_write(n, c);
    }
    if (!n->cfg->write_retry || c->write_left == c->write_len || c->state != CONN_OPEN || (c->flags & CONN_CONNECTED) == 0) {
        conn_close(n, c, NATS_CLOSED_SLOW_DEADLINE);
        return;
    }
    c->flags |= CONN_SLOW;
    conn_write_begin(n, c);
    timer_arm(&n->sh->timers, t, now_ns + n->cfg->write_deadline_ns);
}

void
conn_flush(struct net *n, struct conn *c)
{
    struct iovec iov[IO_IOV_MAX];

    if (c->state == CONN_CLOSING || (c->flags & CONN_SENDING) != 0)
        return;
    if (c->n_out_seen != c->ep.out_msgs) {
        c->n_out_seen = c->ep.out_msgs;
        c->last_out_ns = n->sh->now;
    }
    while (c->ep.out.n_bytes > 0) {
        size_t sent = 0;
        uint32_t n_iov = outq_iov(&c->ep.out, iov, IO_IOV_MAX);
        enum err e = io_send(n->sh->io, &c->sock, iov, n_iov, &sent);
        if (e == ERR_PENDING) {
            c->flags |= CONN_SENDING;
            if (c->write_left == 0)
                conn_write_begin(n, c);
            if (!timer_armed(&c->write_timer))
                timer_arm(&n->sh->timers, &c->write_timer, c->write_since_ns + n->cfg->write_deadline_ns);
            return;
        }
        if (e != OK) {
            conn_close(n, c, NATS_CLOSED_WRITE_ERROR);
            return;
        }
        conn_sent(n, c, sent);
    }
    if (c->state == CONN_LAST_WORDS)
        conn_close(n, c, (enum nats_closed)c->closed);
}

void
conn_on_send(struct net *n, struct conn *c, const struct io_event *ev)
{
    c->flags &= (uint32_t)~CONN_SENDING;
    if (c->state == CONN_CLOSING)
        return;
    if (ev->err != OK) {
        conn_close(n, c, NATS_CLOSED_WRITE_ERROR);
        return;
    }
    conn_sent(n, c, ev->len);
    if (c->ep.out.n_bytes > 0)
        broker_mark_dirty(&n->broker, &c->ep);
    else if (c->state == CONN_LAST_WORDS)
        conn_close(n, c, (enum nats_closed)c->closed);
}
