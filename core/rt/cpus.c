#include "core/rt/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/rt/assert.h"
#include "core/rt/cpus_priv.h"

enum {
    CPUS_PATH_LEN = 4096,
    CPUS_LINE_LEN = 8192,   /* of /proc/self/mountinfo; longer lines are cut and so most likely not understood */
    CPUS_LINES_MAX = 20000, /* in one file */
    CPUS_DEPTH_MAX = 64,    /* cgroups on the way to the root */
    CPUS_IDS_MAX = 1 << 15  /* the mask is asked for as far as this */
};

/* ---- small files, of which nothing is taken for granted ---- */

/* Read a regular file (a pipe or a device there must not hold us) into buf, cut at cap - 1 and zero-terminated. */
static bool
cpus_read_file(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    struct stat st;
    ssize_t n = -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, buf, cap - 1);
    (void)close(fd); /* only read from */
    if (n < 0)
        return false;
    buf[n] = '\0';
    return true;
}

/* Call fn for each line of a file until it returns true. */
static bool
cpus_find_line(const char *path, bool (*fn)(char *line, void *arg), void *arg)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0)
        return false;
    FILE *f = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "re") : NULL;
    if (f == NULL) {
        (void)close(fd);
        return false;
    }
    char line[CPUS_LINE_LEN];
    bool found = false;
    for (uint32_t n = 0; n < CPUS_LINES_MAX && !found && fgets(line, sizeof line, f) != NULL; n++) {
        line[strcspn(line, "\n")] = '\0';
        found = fn(line, arg);
    }
    (void)fclose(f);
    return found;
}

/* Does the comma-separated list name the word? */
static bool
cpus_list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* A number at *text, which is moved behind it. */
static bool
cpus_parse_number(const char **text, long long *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(*text, &end, 10);
    if (end == *text || errno != 0)
        return false;
    *text = end;
    return true;
}

static double
cpus_ratio(long long quota_us, long long period_us)
{
    return quota_us > 0 && period_us > 0 ? (double)quota_us / (double)period_us : 0;
}

double
cpus_parse_cpu_max(const char *text)
{
    long long quota_us, period_us;
    if (!cpus_parse_number(&text, &quota_us) || *text != ' ' || !cpus_parse_number(&text, &period_us)) /* "max 100000", too */
        return 0;
    return cpus_ratio(quota_us, period_us);
}

/* ---- one hierarchy: version 2, or version 1's cpu controller ---- */

struct cpus_hierarchy {
    bool v2;
    char group[CPUS_PATH_LEN];      /* ours, as /proc/self/cgroup has it; "": none */
    char mount_root[CPUS_PATH_LEN]; /* the part of the hierarchy that is mounted ... */
    char mount_at[CPUS_PATH_LEN];   /* ... and where; "": nowhere */
};

static bool
cpus_copy(char to[CPUS_PATH_LEN], const char *from)
{
    size_t len = strlen(from);
    if (len >= CPUS_PATH_LEN)
        return false;
    memcpy(to, from, len + 1);
    return true;
}

/* A line of /proc/self/cgroup: "0::/path" or "4:cpu,cpuacct:/path". */
static bool
cpus_on_group_line(char *line, void *arg)
{
    struct cpus_hierarchy *h = arg;
    char *controllers = strchr(line, ':'), *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL || path[1] != '/')
        return false;
    *controllers++ = '\0';
    *path++ = '\0';
    bool ours = h->v2 ? strcmp(line, "0") == 0 && *controllers == '\0' : cpus_list_has(controllers, "cpu");
    return ours && cpus_copy(h->group, path);
}

/* Undo mountinfo's escapes (\040 for a space) in place. */
static void
cpus_unescape(char *s)
{
    char *to = s;
    while (*s != '\0') {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* A line of /proc/self/mountinfo: "32 31 0:29 ROOT AT rw,nosuid shared:1 - TYPE source OPTIONS". */
static bool
cpus_on_mount_line(char *line, void *arg)
{
    struct cpus_hierarchy *h = arg;
    char *rest = strstr(line, " - "), *save, *fields[5];
    if (rest == NULL)
        return false;
    *rest = '\0';
    rest += 3;
    fields[0] = strtok_r(line, " ", &save);
    for (int i = 1; i < 5; i++)
        fields[i] = fields[i - 1] == NULL ? NULL : strtok_r(NULL, " ", &save);
    char *type = strtok_r(rest, " ", &save), *source = type == NULL ? NULL : strtok_r(NULL, " ", &save);
    char *options = source == NULL ? NULL : strtok_r(NULL, " ", &save);
    if (fields[4] == NULL || options == NULL)
        return false;
    if (h->v2 ? strcmp(type, "cgroup2") != 0 : strcmp(type, "cgroup") != 0 || !cpus_list_has(options, "cpu"))
        return false;
    cpus_unescape(fields[3]);
    cpus_unescape(fields[4]);
    return cpus_copy(h->mount_root, fields[3]) && cpus_copy(h->mount_at, fields[4]);
}

/* Read one file of the cgroup in dir. */
static bool
cpus_read_in(const char *dir, const char *name, char *buf, size_t cap)
{
    char path[CPUS_PATH_LEN + 32];
    int len = snprintf(path, sizeof path, "%s/%s", dir, name);
    return len > 0 && (size_t)len < sizeof path && cpus_read_file(path, buf, cap);
}

/* The quota of the cgroup in dir alone. */
static double
cpus_quota_of(const struct cpus_hierarchy *h, const char *dir)
{
    char text[128];
    if (h->v2)
        return cpus_read_in(dir, "cpu.max", text, sizeof text) ? cpus_parse_cpu_max(text) : 0;
    long long quota_us, period_us;
    const char *at = text;
    if (!cpus_read_in(dir, "cpu.cfs_quota_us", text, sizeof text) || !cpus_parse_number(&at, &quota_us))
        return 0;
    at = text;
    if (!cpus_read_in(dir, "cpu.cfs_period_us", text, sizeof text) || !cpus_parse_number(&at, &period_us))
        return 0;
    return cpus_ratio(quota_us, period_us);
}

/* The directory of our cgroup; *ret_top: how much of dir is the mount point. */
static bool
cpus_group_dir(const struct cpus_hierarchy *h, const char *root, char dir[CPUS_PATH_LEN], size_t *ret_top)
{
    const char *below = h->group;
    size_t mounted_len = strlen(h->mount_root);
    if (strcmp(h->mount_root, "/") != 0) {
        /* Without a cgroup namespace a container sees its own group mounted as the root, but its path in full. */
        bool inside = strncmp(below, h->mount_root, mounted_len) == 0 && (below[mounted_len] == '/' || below[mounted_len] == '\0');
        below = inside ? below + mounted_len : "";
    }
    if (strstr(below, "/..") != NULL)
        below = ""; /* our group lies outside of what this namespace shows */
    int top = snprintf(dir, CPUS_PATH_LEN, "%s%s", root, h->mount_at);
    int len = snprintf(dir, CPUS_PATH_LEN, "%s%s%s", root, h->mount_at, below);
    *ret_top = (size_t)top;
    return top > 0 && len > 0 && len < CPUS_PATH_LEN;
}

/* The smallest quota on the way from our cgroup up to the mount point. */
static double
cpus_quota_in(const char *root, bool v2)
{
    struct cpus_hierarchy h = {.v2 = v2};
    char path[CPUS_PATH_LEN], dir[CPUS_PATH_LEN];
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path || !cpus_find_line(path, cpus_on_group_line, &h))
        return 0;
    if (snprintf(path, sizeof path, "%s/proc/self/mountinfo", root) >= (int)sizeof path || !cpus_find_line(path, cpus_on_mount_line, &h))
        return 0;
    size_t top;
    if (!cpus_group_dir(&h, root, dir, &top))
        return 0;
    double quota = 0;
    for (uint32_t depth = 0; depth < CPUS_DEPTH_MAX; depth++) {
        double here = cpus_quota_of(&h, dir);
        if (here > 0 && (quota == 0 || here < quota))
            quota = here;
        char *slash = strrchr(dir, '/');
        if (slash == NULL || (size_t)(slash - dir) < top)
            break;
        *slash = '\0';
    }
    return quota;
}

double
cpus_quota_under(const char *root)
{
    /* Where both are mounted, the cpu controller is in one of them; the other has no such files. */
    double v2 = cpus_quota_in(root, true), v1 = cpus_quota_in(root, false);
    if (v2 == 0 || v1 == 0)
        return v2 + v1;
    return v2 < v1 ? v2 : v1;
}

/* ---- processors ---- */

uint32_t
cpus_usable(uint32_t n_mask, double quota)
{
    ASSERT(n_mask >= 1);
    if (quota <= 0 || quota >= n_mask)
        return n_mask;
    uint32_t n = (uint32_t)quota;
    return n < quota ? n + 1 : n; /* 1 .. n_mask */
}

/* The processors in the calling thread's mask. Returns how many were noted. */
static uint32_t
cpus_mask(uint16_t id[CPUS_MAX])
{
    uint32_t n = 0;
    for (int n_ids = 1024; n_ids <= CPUS_IDS_MAX; n_ids *= 2) { /* the kernel's mask may be longer than cpu_set_t */
        cpu_set_t *set = CPU_ALLOC((size_t)n_ids);
        if (set == NULL)
            return 0;
        size_t len = CPU_ALLOC_SIZE((size_t)n_ids);
        CPU_ZERO_S(len, set);
        if (sched_getaffinity(0, len, set) == 0) {
            for (int i = 0; i < n_ids && n < CPUS_MAX; i++) {
                if (CPU_ISSET_S((size_t)i, len, set))
                    id[n++] = (uint16_t)i;
            }
            n_ids = CPUS_IDS_MAX; /* done */
        }
        CPU_FREE(set);
    }
    return n;
}

void
cpus_probe(struct cpus *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->n_mask = cpus_mask(ret->id);
    if (ret->n_mask == 0) {
        /* A sandbox that denies the question leaves us the processor we are on. */
        int here = sched_getcpu();
        ret->id[0] = here < 0 ? 0 : (uint16_t)here;
        ret->n_mask = 1;
    }
    ret->quota = cpus_quota_under("");
    ret->n_usable = cpus_usable(ret->n_mask, ret->quota);
}

enum err
cpus_pin(uint16_t id)
{
    cpu_set_t *set = CPU_ALLOC(CPUS_IDS_MAX);
    if (set == NULL)
        return ERR_NOMEM;
    enum err e = OK;
    size_t len = CPU_ALLOC_SIZE(CPUS_IDS_MAX);
    CPU_ZERO_S(len, set);
    if (id >= CPUS_IDS_MAX)
        e = ERR_INVAL;
    else
        CPU_SET_S(id, len, set);
    if (e == OK && sched_setaffinity(0, len, set) != 0)
        e = err_from_errno(errno);
    CPU_FREE(set);
    return e;
}

void
cpus_mask_save(struct cpus_mask *ret)
{
    /* The system call itself: it tells how long the kernel's mask is. */
    long n = syscall(SYS_sched_getaffinity, 0, sizeof ret->bits, ret->bits);
    ret->len = n > 0 ? (uint32_t)n : 0;
}

void
cpus_mask_restore(const struct cpus_mask *m)
{
    if (m->len > 0)
        (void)syscall(SYS_sched_setaffinity, 0, m->len, m->bits); /* denied, it is only slower */
}
