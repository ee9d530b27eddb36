/* SIGHUP: the configuration is read again and takes the place of the one in force, wholly or not at all.
 *
 *     options_load -> options_diff -> server_cfg_new -> log_sink_new -> net_reload_new     whatever fails, fails here
 *     log_reconfigure, net_reload_start ... net_reload_done                                nothing can fail any more
 *     files, and the lines that say what has changed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/reload.h"
#include "core/rt/log.h"
#include "core/server/notify.h"
#include "core/server/options_diff.h"
#include "core/server/server_priv.h"

enum { RELOAD_RECORD_HEAD = 512 }; /* of a record, what is neither subject, queues nor payload */

/* A configuration on its way in. */
struct server_next {
    struct server_cfg *cfg;
    struct options_diff diff;
    struct log_cfg log;
    struct log_sink *sink; /* NULL: the one that is there stays */
    struct net_reload *reload;
};

static void
reload_failed(const char *why)
{
    log_err("Failed to reload server configuration: %s", why);
}

/* All lines of a report, each by itself. */
static void
reload_tell(const char *text, enum log_level level, const char *before)
{
    for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        if (len > 0)
            log_line(level, "%s%.*s", before, (int)len, text);
    }
}

/* Read command line and file again. False: told why. */
static bool
reload_load(struct server *s, struct options *ret)
{
    struct options_report *report;
    bool ok = false;

    if (s->cfg->opts.config_file == NULL) {
        reload_failed("can only reload config when a file is provided using -c or --config");
        return false;
    }
    report = options_report_new();
    if (report == NULL) {
        reload_failed(err_text(ERR_NOMEM));
        return false;
    }
    ok = options_load(s->args, ret, report) == OPTIONS_RUN;
    if (ok)
        reload_tell(options_report_text(report), LOG_WRN, "");
    else
        reload_tell(options_report_text(report), LOG_ERR, "Failed to reload server configuration: ");
    options_report_free(report);
    return ok;
}

static bool
reload_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether lines go where they went before. */
static bool
reload_same_sink(const struct log_cfg *a, const struct log_cfg *b)
{
    return reload_same(a->file, b->file) && reload_same(a->remote_syslog, b->remote_syslog) && a->syslog == b->syslog &&
           a->size_limit == b->size_limit && a->n_files == b->n_files;
}

/* Mailboxes keep the size that they were made with: the longest record must fit. */
static bool
reload_fits_mailboxes(const struct server *s, const struct options *o)
{
    return s->shards->n_shards == 1 ||
           (uint64_t)o->max_control_line + BROKER_QUEUES_LEN_MAX + MBOX_INLINE_MAX + RELOAD_RECORD_HEAD <= mbox_rec_max(s->shards->shards[0]->out[1]);
}

/* Everything that may fail. It may take opts, and leaves none then. */
static bool
reload_prepare(struct server *s, struct options *opts, struct server_next *nx)
{
    char why[LOG_WHY_MAX];

    enum err e = options_diff(&s->cfg->opts, opts, &nx->diff);
    if (e == OK && nx->diff.refusal != NULL) {
        reload_failed(nx->diff.refusal);
        return false;
    }
    if (e == OK && !reload_fits_mailboxes(s, opts)) {
        reload_failed("max_control_line: so much of it, with so many shards, takes a restart");
        return false;
    }
    if (e == OK) {
        e = server_cfg_new(&s->names, opts, &nx->cfg);
        *opts = (struct options){0}; /* the snapshot has them, or they are gone */
    }
    if (e != OK) {
        reload_failed(err_text(e));
        return false;
    }
    const struct log_cfg log = server_cfg_log(&s->cfg->opts);
    nx->log = server_cfg_log(&nx->cfg->opts);
    if (!reload_same_sink(&log, &nx->log) && log_sink_new(&nx->log, &nx->sink, why) != OK) {
        reload_failed(why);
        return false;
    }
    e = net_reload_new(&s->net_set, &nx->cfg->net, s->shards->n_shards, &nx->reload);
    if (e == OK)
        e = log_reconfigure(nx->sink, &nx->log);
    if (e != OK) {
        reload_failed(err_text(e));
        return false;
    }
    nx->sink = NULL; /* the log has it */
    return true;
}

/* All shards take it over. */
static void
reload_switch(struct server *s, struct server_next *nx)
{
    struct server_cfg *old = s->cfg;

    net_reload_start(s->shards, &s->net_set, nx->reload);
    while (!net_reload_done(nx->reload))
        signals_wait_note(&s->signals); /* signals wait: each shard answers within a few turns */
    s->cfg = nx->cfg;
    s->net_set.cfg = &nx->cfg->net;
    nx->cfg = old; /* nobody looks at it any more */
}

/* What is on disk. */
static void
reload_files(struct server *s, const struct options *old)
{
    const struct options *o = &s->cfg->opts;
    char why[FILE_WHY_MAX];

    if (o->pid_file != NULL && !reload_same(o->pid_file, old->pid_file) && !server_write_pid(o->pid_file, why))
        log_err("Failed to write pidfile: %s", why);
    if (!reload_same(o->ports_file_dir, old->ports_file_dir))
        server_write_ports(s);
}

void
server_reload(struct server *s)
{
    struct options opts = {0};
    struct server_next nx = {0};

    notify_reloading(signals_now_ns());
    if (reload_load(s, &opts) && reload_prepare(s, &opts, &nx)) {
        reload_switch(s, &nx);
        reload_files(s, &nx.cfg->opts); /* those of before */
        uint32_t n_closed = atomic_load(&nx.reload->n_surplus);
        if (n_closed > 0)
            log_inf("Closed %u connections to fall within max_connections", n_closed);
        for (uint32_t i = 0; i < nx.diff.lines.n; i++)
            log_inf("%s", nx.diff.lines.items[i]);
        log_inf("Reloaded server configuration (%s)", s->cfg->opts.digest);
    }
    net_reload_free(nx.reload);
    log_sink_free(nx.sink);
    server_cfg_free(nx.cfg);
    options_free(&opts);
    notify_ready();
}
