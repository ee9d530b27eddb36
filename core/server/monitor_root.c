/* The root page, /debug/vars and /stacksz; and the table of all pages. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rt/fault.h"
#include "core/server/monitor_priv.h"

enum {
    ROOT_CMDLINE_MAX = 64 << 10,
    ROOT_THREADS_MAX = 1024,
};

enum monitor_next
monitor_root(struct monitor_req *r)
{
    static const struct {
        const char *path, *text;
    } links[] = {
        {"varz", "General"},           {"jsz", "JetStream"},     {"connz", "Connections"}, {"accountz", "Accounts"},
        {"accstatz", "Account Stats"}, {"subsz", "Subscriptions"}, {"routez", "Routes"},   {"leafz", "LeafNodes"},
        {"gatewayz", "Gateways"},      {"raftz", "Raft Groups"}, {"healthz", "Health Probe"}, {"debug/vars", "Expvar"},
        {"metrics", "Metrics for Prometheus"},
    };
    struct page *p = &r->page;
    const char *base = r->m->base[0] != '\0' ? strrchr(r->m->base, '/') + 1 : "."; /* the page may be at /a/b, without a slash behind it */

    page_text(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Midge</title></head>\n<body>\n<h1>Midge</h1>\n<p>");
    page_text(p, "<a href=\"https://github.com/nats-io/nats-server\">v" SERVER_VERSION "</a> (midge " MIDGE_VERSION ")</p>\n");
    for (size_t i = 0; i < N_ELEMS(links); i++) {
        page_text(p, "<p><a href=\"");
        page_text(p, base);
        page_text(p, "/");
        page_text(p, links[i].path);
        page_text(p, "\">");
        page_text(p, links[i].text);
        page_text(p, "</a></p>\n");
    }
    page_text(p, "<p><a href=\"https://docs.nats.io/running-a-nats-service/configuration/monitoring\">Help</a></p>\n</body>\n</html>\n");
    return MONITOR_ANSWER;
}

/* Up to cap - 1 bytes of a file of /proc, NUL-terminated; how many. */
static size_t
root_read(const char *path, char *to, size_t cap)
{
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t n;
        while (len < cap - 1 && (n = read(fd, to + len, cap - 1 - len)) > 0)
            len += (size_t)n;
        (void)close(fd); /* it was only read */
    }
    to[len] = '\0';
    return len;
}

/* The command line: what was secret in it was overwritten when it was read (options.h). */
static void
vars_cmdline(struct page *p)
{
    char *text = fault_malloc(ROOT_CMDLINE_MAX);
    size_t len = text != NULL ? root_read("/proc/self/cmdline", text, ROOT_CMDLINE_MAX) : 0;

    page_open(p, NULL, '[');
    for (size_t at = 0; at < len; at += strlen(text + at) + 1)
        page_str(p, NULL, text + at);
    page_close(p, ']');
    free(text);
}

/* The shape of Go's expvar; of its numbers those that mean something here. */
enum monitor_next
monitor_vars(struct monitor_req *r)
{
    static const char *const same[] = {"Alloc", "TotalAlloc", "Sys", "HeapAlloc", "HeapSys", "HeapInuse"}, *const none[] = {"Mallocs", "Frees", "NumGC"};
    struct page *p = &r->page;

    monitor_sample(r->m, &r->proc);
    page_text(p, "{\n\"cmdline\": ");
    vars_cmdline(p);
    page_text(p, ",\n\"memstats\": ");
    page_open(p, NULL, '{');
    for (size_t i = 0; i < N_ELEMS(same); i++)
        page_u64(p, same[i], r->proc.mem);
    for (size_t i = 0; i < N_ELEMS(none); i++)
        page_u64(p, none[i], 0);
    page_close(p, '}');
    page_text(p, "\n}\n");
    return MONITOR_ANSWER;
}

/* A line for each thread: what the kernel says that it does. */
enum monitor_next
monitor_stacks(struct monitor_req *r)
{
    DIR *d = opendir("/proc/self/task");
    char path[128], text[512];

    for (uint32_t i = 0; d != NULL && i < ROOT_THREADS_MAX; i++) {
        const struct dirent *e = readdir(d);
        if (e == NULL)
            break;
        long tid = strtol(e->d_name, NULL, 10);
        if (tid <= 0)
            continue;
        (void)snprintf(path, sizeof(path), "/proc/self/task/%ld/stat", tid);
        size_t len = root_read(path, text, sizeof(text));
        const char *end = len > 0 ? strrchr(text, ')') : NULL; /* tid (name) state ... */
        if (end == NULL || end[1] == '\0')
            continue;
        char line[640];
        (void)snprintf(line, sizeof(line), "thread %.*s [%c]\n", (int)(end + 1 - text), text, end[2]);
        page_text(&r->page, line);
    }
    if (d != NULL)
        (void)closedir(d); /* it was only read */
    return MONITOR_ANSWER;
}

/* ---- all pages, by path: /varz shows its counts in this order ---- */

#define MONITOR_JSON .type = "application/json", .cors = true, .indent = 2, .counts_bad = true

const struct monitor_route monitor_routes[] = {
    {"/", "/", .type = "text/html; charset=utf-8", .work = monitor_root, .counts_bad = true},
    {"/accountz", "/accountz", MONITOR_JSON, .ask = monitor_accountz_ask, .work = monitor_accountz, .gathers = true},
    {"/accstatz", "/accstatz", MONITOR_JSON, .ask = monitor_accstatz_ask, .work = monitor_accstatz, .gathers = true},
    {"/connz", "/connz", .type = "application/json", .cors = true, .indent = 2, .ask = monitor_connz_ask, .work = monitor_connz, .gathers = true,
     .large = true},
    {"/debug/vars", NULL, .type = "application/json; charset=utf-8", .work = monitor_vars, .slow = true},
    {"/gatewayz", "/gatewayz", MONITOR_JSON, .ask = monitor_gatewayz_ask, .work = monitor_gatewayz},
    {"/healthz", "/healthz", .type = "application/json", .cors = true, .counts_bad = true, .ask = monitor_healthz_ask, .work = monitor_healthz, .open = true},
    {"/ipqueuesz", NULL, .type = "application/json", .cors = true, .indent = 3, .ask = monitor_ipqueuesz_ask, .work = monitor_ipqueuesz},
    {"/jsz", "/jsz", MONITOR_JSON, .ask = monitor_jsz_ask, .work = monitor_jsz},
    {"/leafz", "/leafz", MONITOR_JSON, .ask = monitor_leafz_ask, .work = monitor_leafz},
    {"/metrics", NULL, .type = "text/plain; version=0.0.4; charset=utf-8", .ask = monitor_metrics_ask, .work = monitor_metrics, .gathers = true},
    {"/raftz", NULL, .type = "application/json", .cors = true, .indent = 3, .work = monitor_raftz},
    {"/routez", "/routez", .type = "application/json", .cors = true, .indent = 2, .ask = monitor_routez_ask, .work = monitor_routez},
    {"/stacksz", NULL, .type = "application/json", .cors = true, .work = monitor_stacks, .slow = true},
    {"/subscriptionsz", "/subsz", MONITOR_JSON, .ask = monitor_subsz_ask, .work = monitor_subsz, .gathers = true, .large = true},
    {"/subsz", "/subsz", MONITOR_JSON, .ask = monitor_subsz_ask, .work = monitor_subsz, .gathers = true, .large = true},
    {"/varz", "/varz", MONITOR_JSON, .ask = monitor_varz_ask, .work = monitor_varz, .gathers = true},
};
const uint32_t monitor_n_routes = N_ELEMS(monitor_routes);
