#include "core/server/ports_file.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rt/file.h"
#include "core/rt/log.h"

enum { PORTS_TEXT_MAX = 64 << 10, PORTS_MODE = 0640 };

/* Text that grows up to PORTS_TEXT_MAX. */
struct ports_text {
    char bytes[PORTS_TEXT_MAX];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void
ports_add(struct ports_text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof(t->bytes) - t->len) /* a machine of a thousand addresses: the first ones do */
        t->len += (size_t)n;
}

static void
ports_add_url(struct ports_text *t, const struct ports_entry *e, const char *host, bool *first)
{
    bool v6 = strchr(host, ':') != NULL;

    ports_add(t, "%s\"%s://%s%s%s:%u\"", *first ? "" : ",", e->scheme, v6 ? "[" : "", host, v6 ? "]" : "", e->port);
    *first = false;
}

/* One URL for each address of each interface that is up. */
static void
ports_add_all(struct ports_text *t, const struct ports_entry *e, bool *first)
{
    struct ifaddrs *all;

    if (getifaddrs(&all) != 0)
        return;
    for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *ip = NULL;
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
            continue;
        if (i->ifa_addr->sa_family == AF_INET)
            ip = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        else if (i->ifa_addr->sa_family == AF_INET6)
            ip = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        if (ip != NULL && inet_ntop(i->ifa_addr->sa_family, ip, text, sizeof(text)) != NULL)
            ports_add_url(t, e, text, first);
    }
    freeifaddrs(all);
}

static void
ports_encode(struct ports_text *t, const struct ports_entry *entries, uint32_t n)
{
    bool first = true;

    ports_add(t, "{");
    for (uint32_t i = 0; i < n; i++) {
        const struct ports_entry *e = &entries[i];
        bool first_of_key = i == 0 || strcmp(entries[i - 1].key, e->key) != 0;
        if (first_of_key) {
            ports_add(t, "%s\"%s\":[", i == 0 ? "" : "],", e->key);
            first = true;
        }
        if (e->host[0] == '\0' || strcmp(e->host, "*") == 0 || strcmp(e->host, "0.0.0.0") == 0 || strcmp(e->host, "::") == 0)
            ports_add_all(t, e, &first);
        else
            ports_add_url(t, e, e->host, &first);
    }
    ports_add(t, "%s}", n > 0 ? "]" : "");
}

void
ports_file_write(struct ports_file *pf, const char *dir, const char *program, const struct ports_entry *entries, uint32_t n)
{
    char path[PATH_MAX], part[PATH_MAX + 8], why[FILE_WHY_MAX];
    struct ports_text *t = calloc(1, sizeof(*t));

    ports_file_remove(pf);
    (void)snprintf(path, sizeof(path), "%s/%s_%d.ports", dir, program, (int)getpid());
    (void)snprintf(part, sizeof(part), "%s.part", path); /* who waits for the file reads it at once */
    pf->path = strdup(path);
    if (t == NULL || pf->path == NULL) {
        log_err("Error writing ports file (%s): out of memory", path);
        goto out;
    }
    ports_encode(t, entries, n);
    if (!file_write_new(part, PORTS_MODE, t->bytes, t->len, why) || !file_rename(part, path, why)) {
        log_err("Error writing ports file (%s): %s", path, why);
        free(pf->path);
        pf->path = NULL;
    }
out:
    free(t);
}

void
ports_file_remove(struct ports_file *pf)
{
    char why[FILE_WHY_MAX];

    if (pf->path == NULL)
        return;
    if (!file_remove(pf->path, why))
        log_err("Error cleaning up ports file %s: %s", pf->path, why);
    free(pf->path);
    pf->path = NULL;
}
