/* Publishes that repeat: what a stream of them would do one by one, done together. */
#include "core/net/net_priv.h"

uint32_t
client_run(struct net *n, struct conn *c, const struct nats_op *op, const uint8_t *at, uint32_t len)
{
    struct nats_run run;
    struct nats_run_msg first;

    if (log_trace_on || !nats_run_begin(&run, at, at + len, op, &c->lim) || !nats_run_next(&run, &first))
        return 0;
    run.at = at + op->n_bytes;
    struct pub_msg m = {
        .subject = op->subject,
        .subject_len = op->subject_len,
        .acc = c->ep.acc,
        .from = &c->ep,
        .from_slot = c->ep.slot,
        .from_shard = (uint8_t)n->sh->id,
    };
    broker_publish_run(&n->broker, &m, &run);
    return (uint32_t)(run.at - at) - (uint32_t)op->n_bytes;
}
