/* load_stream.c - publish/subscribe at full speed.
 *
 * --flows subjects, each with --pubs publishers and --subs subscribers (one queue group with
 * --queue). With --churn N, every second segment has a third party that subscribes and
 * unsubscribes N times a second. With --gap N, N idle connections are opened between the
 * publishers and the subscribers, which on a server that deals connections to its shards in
 * turn decides whether both ends meet on the same one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "load.h"
#include "load_conn.h"
#include "load_engine.h"

enum { STREAM_GAP_MAX = 64, STREAM_SIZE_MIN = 8 /* FRAME_LEN_MIN with the control line */ };

/* "HEAD SIZE\r\n" + SIZE payload bytes + "\r\n".
 *   ret   own: free it */
static uint8_t *
stream_message(const char *head, uint32_t size, uint32_t *ret_len)
{
    char control[2 * LOAD_SUBJECT_CAP];
    int  n = snprintf(control, sizeof(control), "%s %u\r\n", head, size);
    ASSERT(n > 0 && (size_t)n < sizeof(control));
    *ret_len = (uint32_t)n + size + 2;
    uint8_t *msg = malloc(*ret_len);
    if (msg == NULL)
        load_die("out of memory");
    memcpy(msg, control, (size_t)n);
    for (uint32_t i = 0; i < size; i++)
        msg[(uint32_t)n + i] = (uint8_t)('a' + i % 26);
    memcpy(msg + (uint32_t)n + size, "\r\n", 2);
    return msg;
}

static uint64_t
stream_window(const struct load_opts *o, uint32_t msg_len)
{
    uint64_t msgs = o->window_bytes / msg_len;
    return max_u64(msgs, 2 * (uint64_t)o->n_pubs);
}

/* Connect and subscribe everybody of one flow. Publishers first, see --gap. */
static void
stream_open_flow(struct engine *e, uint32_t f, int *gap, uint8_t **ret_tmpl)
{
    const struct load_opts *o = e->opts;
    char                    subject[LOAD_SUBJECT_CAP];
    char                    head[2 * LOAD_SUBJECT_CAP];
    (void)snprintf(subject, sizeof(subject), "bench.%03u", f);
    (void)snprintf(head, sizeof(head), "PUB %s", subject);
    uint32_t len = 0;
    uint8_t *pub = stream_message(head, o->size, &len);
    for (uint32_t i = 0; i < o->n_pubs; i++)
        engine_pub_init(e, f * o->n_pubs + i, conn_open(o), f, pub, len);
    free(pub);
    for (uint32_t i = 0; i < o->gap; i++)
        gap[i] = conn_open(o);
    (void)snprintf(head, sizeof(head), "MSG %s 1", subject);
    *ret_tmpl = stream_message(head, o->size, &len);
    for (uint32_t i = 0; i < o->n_subs; i++) {
        int fd = conn_open(o);
        conn_subscribe(fd, subject, o->queue ? "workers" : NULL, 1);
        conn_sync(fd);
        engine_sub_init(e, f * o->n_subs + i, fd, f, *ret_tmpl, NULL, len);
    }
    e->flows[f] = (struct engine_flow){
        .n_pubs = o->n_pubs, .n_subs = o->n_subs, .shared = o->queue, .n_copies = 1, .window_msgs = stream_window(o, len)};
}

static void
stream_report(struct engine *e)
{
    struct json j;
    json_init(&j, stdout);
    json_str(&j, "scenario", "stream");
    json_u64(&j, "size", e->opts->size);
    json_u64(&j, "publish_bytes", e->pubs[0].msg_len);
    json_u64(&j, "deliver_bytes", e->n_subs > 0 ? e->subs[0].frame.len : 0);
    json_bool(&j, "spin", e->opts->spin);
    engine_json(e, &j);
    json_fini(&j);
}

void
load_stream(const struct load_opts *o)
{
    if (o->n_flows * (o->n_pubs + o->n_subs) > LOAD_CONNS_MAX || o->gap > STREAM_GAP_MAX || o->n_flows > 999 ||
        o->size < STREAM_SIZE_MIN)
        load_die("--flows, --pubs, --subs, --gap or --size is out of range for stream");
    conn_allow_files(o->n_flows * (o->n_pubs + o->n_subs + o->gap) + 64);
    struct engine e;
    engine_init(&e, o, o->n_flows, o->n_flows * o->n_pubs, o->n_flows * o->n_subs);
    uint8_t **tmpl = calloc(o->n_flows, sizeof(*tmpl));
    int      *gap = calloc((size_t)o->n_flows * o->gap + 1, sizeof(*gap));
    if (tmpl == NULL || gap == NULL)
        load_die("out of memory");
    load_await("connections and subscriptions");
    for (uint32_t f = 0; f < o->n_flows; f++)
        stream_open_flow(&e, f, gap + (size_t)f * o->gap, &tmpl[f]);
    if (o->churn > 0) {
        e.churn.fd = conn_open(o);
        e.churn.rate = o->churn;
    }
    engine_run(&e);
    stream_report(&e);
    engine_fini(&e);
    for (uint32_t f = 0; f < o->n_flows; f++)
        free(tmpl[f]);
    for (uint32_t i = 0; i < o->n_flows * o->gap; i++)
        (void)close(gap[i]); /* idle to the end */
    free(tmpl);
    free(gap);
}
