/* monitor_priv.h - what the files of monitoring share. Threads  as monitor.h says for each function below. */
#ifndef MIDGE_SERVER_MONITOR_PRIV_H
#define MIDGE_SERVER_MONITOR_PRIV_H

#include <pthread.h>

#include "core/net/gather.h"
#include "core/net/http.h"
#include "core/rt/list.h"
#include "core/rt/log.h"
#include "core/rt/offload.h"
#include "core/server/monitor.h"
#include "core/server/json_page.h"

enum {
    MONITOR_QUERY_MAX = 8192,  /* bytes of a query string */
    MONITOR_VALUE_MAX = 1024,  /* bytes of one value, and its NUL */
    MONITOR_STATS_N = 11,      /* pages that http_req_stats counts */
    MONITOR_LIMIT = 1024,      /* entries of a page, when no limit is asked for */
    MONITOR_ERROR_MAX = 4 * MONITOR_VALUE_MAX + 256,
};

struct monitor_req;

enum { MONITOR_MAX_CONNECTIONS, MONITOR_MAX_PAYLOAD, MONITOR_MAX_PENDING, MONITOR_MAX_CONTROL_LINE, MONITOR_LIMITS_N };

/* What a step on the pool's thread ends with. */
enum monitor_next {
    MONITOR_ANSWER, /* r->page is complete */
    MONITOR_GATHER, /* r->g is another question */
    MONITOR_GIVE_UP, /* no memory, or more than a page holds */
};

/* One kind of page. */
struct monitor_route {
    const char *path;
    const char *stat;   /* under this name http_req_stats counts it; NULL: not at all */
    const char *type;   /* Content-Type of a good answer */
    bool cors;
    uint8_t indent;     /* of its JSON */
    bool open;          /* for everybody */
    bool counts_bad;    /* http_req_stats counts it with bad parameters, too */
    /* Shard 0: look at the parameters, into r->args; set r->g, if there is anything to ask. False: r->error is the answer (400).
     * NULL: there are none. */
    bool (*ask)(struct monitor_req *r);
    /* Write r->page. Shard 0 if nothing was asked (and !slow), else the pool's thread, which has all parts. */
    enum monitor_next (*work)(struct monitor_req *r);
    bool gathers;       /* ask sets r->g */
    bool slow;          /* reads files: on a pool's thread in any case */
    bool large;         /* it may be: such pages are made one after the other */
};

struct monitor_args {
    char user[MONITOR_VALUE_MAX], acc[MONITOR_VALUE_MAX], test[MONITOR_VALUE_MAX];
    bool has_user, has_acc, has_test;
    int64_t offset, limit;
    uint64_t cid;
    enum gather_sort sort;
    bool auth, subs, detail, open, closed, unknown_acc;
    bool all, details, js_enabled;
};

/* What pages in the making wait for, and how many are made. */
struct monitor_line {
    struct list waiting;
    uint32_t n_running, n_max;
};
enum { MONITOR_SMALL, MONITOR_LARGE, MONITOR_LINES };

/* What a pool's thread saw of the process. */
struct monitor_proc {
    double cpu;            /* percent, one decimal */
    uint64_t mem;          /* bytes */
};

struct monitor_req {
    struct offload_job job;
    struct list link; /* in its line's waiting, or in monitor.running */
    struct monitor *m;
    struct net *n;    /* shard 0's: not for the pool's thread */
    struct http_ref ref;
    const struct monitor_route *route;
    struct nats_view query; /* while route->ask runs */
    struct monitor_args args;
    struct gather g;
    struct page page;     /* the answer in the making */
    struct page tail;     /* /varz: what comes behind what is gathered */
    uint16_t status;
    char error[MONITOR_ERROR_MAX]; /* plain text, with a status that is not 200 */
    enum monitor_next next;
    int64_t wall_ns;      /* now, since 1970 */
    uint64_t hits[MONITOR_STATS_N];
    uint64_t limits[MONITOR_LIMITS_N]; /* /metrics */
    /* /connz between its two questions */
    struct gather_pick *picks;
    struct monitor_place *order; /* of the page: where each entry's part is */
    uint64_t n_order, n_total, n_picks;
    /* /subsz: from shard to shard */
    uint32_t shard;
    uint64_t n_left, skip;
    struct gather_stats sum; /* of all shards */
    struct monitor_proc proc;
};

struct monitor_place {
    uint32_t shard, i; /* i-th pick of that shard */
};

struct monitor {
    struct http_cfg http;
    bool open; /* an address was written out: everybody may see everything */
    bool starting; /* monitor_start_more is at work */
    struct net_set *set;
    struct shard_set *shards;
    struct offload *pool;
    char *base;           /* "" or "/a/b" */
    char *http_host;
    int64_t http_port;    /* as configured */
    int64_t start_ns;     /* since 1970 */
    char server_id[NKEY_TEXT_LEN + 1];
    char *server_name;
    uint32_t n_cores, n_shards;
    struct monitor_line lines[MONITOR_LINES];
    struct list running;
    uint64_t hits[MONITOR_STATS_N]; /* shard 0 */
    pthread_mutex_t lock;           /* the pool's threads: what is below */
    int64_t sampled_ns, cpu_ns;     /* the last sample */
    double cpu;
};

/* monitor_args.c: one parameter. False: r->error says what is wrong with it. Absent or empty: what was there stays. */
bool monitor_arg_bool(struct monitor_req *r, const char *name, bool *ret);
bool monitor_arg_int(struct monitor_req *r, const char *name, int64_t *ret);
bool monitor_arg_u64(struct monitor_req *r, const char *name, uint64_t *ret);
bool monitor_arg_subs(struct monitor_req *r, bool *ret_subs, bool *ret_detail);
/* Text of at most MONITOR_VALUE_MAX - 1 bytes. */
bool monitor_arg_text(struct monitor_req *r, const char *name, char *to, bool *ret_has);
/* Fail with this text (400). */
__attribute__((format(printf, 2, 3))) bool monitor_bad(struct monitor_req *r, const char *fmt, ...);

/* Whether the row is one that http_req_stats counts (an alias counts as the page that it means). */
bool monitor_counts(const struct monitor_route *route);
/* A bit for each. */
uint64_t monitor_all_shards(const struct monitor *m);
/* All parts are whole. */
bool monitor_parts_ok(const struct monitor_req *r);
/* Sum of all parts' numbers, into r->sum. */
void monitor_sum(struct monitor_req *r);
/* "server_id" and "now", which begin most pages. */
void monitor_head(struct monitor_req *r, bool named);
/* The numbers of the interest index, as nats-server has them of its sublist. */
void monitor_sublist(struct page *p, const struct gather_stats *st);
/* One subscription. acc: with its account. */
void monitor_sub(struct page *p, const struct gather_sub *s, bool acc);
/* monitor_proc.c */
void monitor_sample(struct monitor *m, struct monitor_proc *ret);
int64_t monitor_wall_ns(void);

/* The pages: ask and work of each. */
extern const struct monitor_route monitor_routes[];
extern const uint32_t monitor_n_routes;
#define MONITOR_ACCOUNT "$G"

enum monitor_next monitor_root(struct monitor_req *r);
enum monitor_next monitor_vars(struct monitor_req *r);
enum monitor_next monitor_stacks(struct monitor_req *r);
bool monitor_varz_ask(struct monitor_req *r);
enum monitor_next monitor_varz(struct monitor_req *r);
bool monitor_connz_ask(struct monitor_req *r);
enum monitor_next monitor_connz(struct monitor_req *r);
bool monitor_subsz_ask(struct monitor_req *r);
enum monitor_next monitor_subsz(struct monitor_req *r);
bool monitor_accountz_ask(struct monitor_req *r);
enum monitor_next monitor_accountz(struct monitor_req *r);
bool monitor_accstatz_ask(struct monitor_req *r);
enum monitor_next monitor_accstatz(struct monitor_req *r);
bool monitor_routez_ask(struct monitor_req *r);
enum monitor_next monitor_routez(struct monitor_req *r);
bool monitor_gatewayz_ask(struct monitor_req *r);
enum monitor_next monitor_gatewayz(struct monitor_req *r);
bool monitor_leafz_ask(struct monitor_req *r);
enum monitor_next monitor_leafz(struct monitor_req *r);
bool monitor_jsz_ask(struct monitor_req *r);
enum monitor_next monitor_jsz(struct monitor_req *r);
bool monitor_healthz_ask(struct monitor_req *r);
enum monitor_next monitor_healthz(struct monitor_req *r);
enum monitor_next monitor_raftz(struct monitor_req *r);
bool monitor_ipqueuesz_ask(struct monitor_req *r);
enum monitor_next monitor_ipqueuesz(struct monitor_req *r);
bool monitor_metrics_ask(struct monitor_req *r);
enum monitor_next monitor_metrics(struct monitor_req *r);

#endif
