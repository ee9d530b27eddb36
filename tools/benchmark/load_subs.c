/* load_subs.c - a million subscriptions: what one costs in memory, and what a publish costs among them.
 *
 * --conns connections share --literals unique literal subscriptions, one subject each; the
 * server's resident memory is read before and after, each time once the server has been idle
 * for --settle. Then --wildcards wildcard subscriptions join, and one publisher sends to
 * literal subjects drawn at random (uniformly, so that no cache of recent subjects helps).
 *
 * Subjects are dev.GGG.NNNNNN.temp: a unique number and its last three digits as the group.
 * The wildcards are dev.GGG.*.alarm, which match nothing that is published but must be looked
 * at, or with --wild-match 1 dev.GGG.*.temp, which then take a copy of every message.
 *
 * Threads  one.
 * Memory   arrays taken at start.
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
#include "load_proc.h"

enum {
    SUBS_CONNS_MAX = 1024,
    SUBS_GROUPS = 1000,      /* GGG */
    SUBS_NUMBERS = 1000000,  /* NNNNNN */
    SUBS_SID_BASE = 1000000, /* every sid has seven digits, so that every MSG has one length */
    SUBS_OUT_BYTES = 64 * 1024,
    SUBS_LINE_CAP = 128,
    SUBS_GROUP_OFF = 4,  /* of GGG in dev.GGG.NNNNNN.temp */
    SUBS_NUMBER_OFF = 8, /* of NNNNNN */
};
#define SUBS_SUBJECT "dev.000.000000.temp"

/* What the first half found. */
struct subs_figures {
    struct proc_cpu before, after;
    struct proc_mem empty, full;
    uint64_t        wall_ns;
};

static void
subs_put_digits(uint8_t *at, uint32_t n_digits, uint32_t value)
{
    for (uint32_t i = n_digits; i > 0; i--, value /= 10)
        at[i - 1] = (uint8_t)('0' + value % 10);
}

static void
subs_put_subject(uint8_t *at, uint32_t number)
{
    subs_put_digits(at + SUBS_GROUP_OFF, 3, number % SUBS_GROUPS);
    subs_put_digits(at + SUBS_NUMBER_OFF, 6, number);
}

/* Connection k of n subscribes to every n-th of the numbers below n_subs, then synchronizes. */
static void
subs_subscribe(int fd, uint32_t k, uint32_t n_conns, uint32_t n_subs, const char *wild_tail)
{
    static char out[SUBS_OUT_BYTES + SUBS_LINE_CAP];
    size_t      len = 0;
    for (uint32_t i = k; i < n_subs; i += n_conns) {
        if (wild_tail == NULL)
            len += (size_t)snprintf(out + len, SUBS_LINE_CAP, "SUB dev.%03u.%06u.temp %u\r\n", i % SUBS_GROUPS, i, SUBS_SID_BASE + i);
        else
            len += (size_t)snprintf(out + len, SUBS_LINE_CAP, "SUB dev.%03u.*%s %u\r\n", i % SUBS_GROUPS, wild_tail,
                                    2 * SUBS_SID_BASE + i);
        if (len >= SUBS_OUT_BYTES) {
            conn_send(fd, out, len);
            len = 0;
        }
    }
    conn_send(fd, out, len);
    conn_sync(fd);
}

static void
subs_settle(const struct load_opts *o)
{
    load_sleep_until(load_now() + o->settle_ms * (uint64_t)NS_PER_MS);
}

static void
subs_fill(const struct load_opts *o, int *fds, struct subs_figures *fig)
{
    for (uint32_t i = 0; i < o->n_conns; i++)
        fds[i] = conn_open(o);
    subs_settle(o);
    proc_mem_read(&fig->empty, o->server_pid);
    proc_cpu_read(&fig->before, o->server_pid);
    uint64_t since = load_now();
    for (uint32_t i = 0; i < o->n_conns; i++)
        subs_subscribe(fds[i], i, o->n_conns, o->n_literals, NULL);
    fig->wall_ns = load_now() - since;
    proc_cpu_read(&fig->after, o->server_pid);
    load_await("the server to settle");
    subs_settle(o);
    proc_mem_read(&fig->full, o->server_pid);
}

/* Draw new subjects for every message of the batch (xorshift: cheap and even enough). */
static void
subs_refill(struct engine_pub *pub)
{
    uint64_t x = pub->refill_state;
    uint32_t n_literals = (uint32_t)(x >> 32); /* kept in the upper half */
    uint32_t r = (uint32_t)x;
    for (uint32_t off = 0; off < pub->batch_len; off += pub->msg_len) {
        r ^= r << 13;
        r ^= r >> 17;
        r ^= r << 5;
        uint32_t number = (uint32_t)(((uint64_t)r * n_literals) >> 32);
        subs_put_subject(pub->batch + off + sizeof("PUB ") - 1, number);
    }
    pub->refill_state = (uint64_t)n_literals << 32 | r;
}

/* One MSG as any of the subscriptions receives it; mask marks what differs between them. */
static void
subs_template(const struct load_opts *o, uint8_t **ret_tmpl, uint8_t **ret_mask, uint32_t *ret_len)
{
    char head[SUBS_LINE_CAP];
    int  n = snprintf(head, sizeof(head), "MSG %s %u %u\r\n", SUBS_SUBJECT, SUBS_SID_BASE, o->size);
    *ret_len = (uint32_t)n + o->size + 2;
    *ret_tmpl = malloc(*ret_len);
    *ret_mask = malloc(*ret_len);
    if (*ret_tmpl == NULL || *ret_mask == NULL)
        load_die("out of memory");
    memset(*ret_tmpl, 'x', *ret_len);
    memcpy(*ret_tmpl, head, (size_t)n);
    memcpy(*ret_tmpl + *ret_len - 2, "\r\n", 2);
    memset(*ret_mask, 1, *ret_len);
    for (int i = 4; head[i] != '\r'; i++) /* digits of subject and sid; blanks and dots are fixed */
        (*ret_mask)[i] = head[i] == '0' || head[i] == '1' ? 0 : 1;
    char size[16];
    int  n_size = snprintf(size, sizeof(size), "%u", o->size);
    memset(*ret_mask + n - 2 - n_size, 1, (size_t)n_size); /* the size is fixed, whatever its digits */
}

static void
subs_publish(const struct load_opts *o, const int *fds, struct engine *e, uint8_t *tmpl, uint8_t *mask, uint32_t len)
{
    uint32_t n_copies = o->wild_match ? 2 : 1;
    engine_init(e, o, 1, 1, o->n_conns);
    char head[SUBS_LINE_CAP];
    int  n = snprintf(head, sizeof(head), "PUB %s %u\r\n", SUBS_SUBJECT, o->size);
    uint32_t pub_len = (uint32_t)n + o->size + 2;
    uint8_t *msg = malloc(pub_len);
    if (msg == NULL)
        load_die("out of memory");
    memset(msg, 'x', pub_len);
    memcpy(msg, head, (size_t)n);
    memcpy(msg + pub_len - 2, "\r\n", 2);
    engine_pub_init(e, 0, conn_open(o), 0, msg, pub_len);
    free(msg);
    e->pubs[0].refill = subs_refill;
    e->pubs[0].refill_state = (uint64_t)o->n_literals << 32 | 2463534242u;
    subs_refill(&e->pubs[0]);
    for (uint32_t i = 0; i < o->n_conns; i++)
        engine_sub_init(e, i, fds[i], 0, tmpl, mask, len);
    e->flows[0] = (struct engine_flow){
        .n_pubs = 1, .n_subs = o->n_conns, .shared = true, .n_copies = n_copies, .window_msgs = max_u64(o->window_bytes / len, 1)};
    engine_run(e);
}

void
load_subs(const struct load_opts *o)
{
    if (o->n_literals == 0 || o->n_literals > SUBS_NUMBERS || o->n_wildcards > SUBS_GROUPS || o->n_conns == 0 ||
        o->n_conns > SUBS_CONNS_MAX)
        load_die("--literals, --wildcards or --conns is out of range for subs");
    if (o->wild_match && o->n_wildcards != SUBS_GROUPS)
        load_die("--wild-match needs --wildcards %d: one for each group", SUBS_GROUPS);
    static struct subs_figures fig; /* too large for the stack */
    conn_allow_files(o->n_conns + 64);
    int *fds = calloc(o->n_conns, sizeof(*fds));
    if (fds == NULL)
        load_die("out of memory");
    load_await("subscriptions");
    subs_fill(o, fds, &fig);
    for (uint32_t i = 0; i < o->n_conns; i++)
        subs_subscribe(fds[i], i, o->n_conns, o->n_wildcards, o->wild_match ? ".temp" : ".alarm");

    struct engine e;
    uint8_t      *tmpl, *mask;
    uint32_t      len;
    subs_template(o, &tmpl, &mask, &len);
    subs_publish(o, fds, &e, tmpl, mask, len);

    struct json j;
    json_init(&j, stdout);
    json_str(&j, "scenario", "subs");
    json_u64(&j, "literals", o->n_literals);
    json_u64(&j, "wildcards", o->n_wildcards);
    json_u64(&j, "rss_empty_bytes", fig.empty.rss_bytes);
    json_u64(&j, "rss_full_bytes", fig.full.rss_bytes);
    json_u64(&j, "rss_peak_bytes", fig.full.rss_peak_bytes);
    json_object_open(&j, "subscribe");
    json_u64(&j, "wall_ns", fig.wall_ns);
    proc_cpu_json(&j, &fig.before, &fig.after);
    json_object_close(&j);
    engine_json(&e, &j);
    json_fini(&j);
    engine_fini(&e);
    free(fds);
    free(tmpl);
    free(mask);
}
