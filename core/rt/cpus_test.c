/* Tests of cpus.h. The cgroup trees are fakes below a temporary directory. */
#include "core/rt/cpus.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rt/cpus_priv.h"
#include "core/rt/rng.h"
#include "core/rt/util.h"

struct test_tree {
    char root[256];
};

static void
test_tree_open(struct test_tree *t)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(t->root, sizeof t->root, "%s/midge-cpus-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(t->root));
}

static void
test_tree_close(struct test_tree *t)
{
    char cmd[512];
    (void)snprintf(cmd, sizeof cmd, "rm -r '%s'", t->root);
    assert_int_equal(system(cmd), 0);
}

/* Write a file below the root, with the directories it needs. */
static void
test_put(const struct test_tree *t, const char *name, const void *bytes, size_t len)
{
    char path[5000];
    (void)snprintf(path, sizeof path, "%s%s", t->root, name);
    for (char *slash = path + strlen(t->root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* it may exist */
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void
test_put_text(const struct test_tree *t, const char *name, const char *text)
{
    test_put(t, name, text, strlen(text));
}

static const char test_mount_v2[] = "22 1 0:20 / /proc rw - proc proc rw\n"
                                    "31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char test_mount_v1[] = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
                                    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct\n";

static void
assert_quota(double a, double b)
{
    assert_true(a - b <= 1e-9 && b - a <= 1e-9);
}

/* The tightest limit between our cgroup and the root counts, wherever it stands. */
static void
the_tightest_v2_limit_on_the_way_up_counts(void **state)
{
    (void)state;
    struct test_tree t;
    test_tree_open(&t);
    test_put_text(&t, "/proc/self/mountinfo", test_mount_v2);
    test_put_text(&t, "/proc/self/cgroup", "0::/kube/pod1/midge\n");
    assert_quota(cpus_quota_under(t.root), 0); /* no cpu.max at all */
    test_put_text(&t, "/sys/fs/cgroup/kube/pod1/midge/cpu.max", "max 100000\n");
    assert_quota(cpus_quota_under(t.root), 0);
    test_put_text(&t, "/sys/fs/cgroup/kube/pod1/midge/cpu.max", "400000 100000\n");
    assert_quota(cpus_quota_under(t.root), 4);
    test_put_text(&t, "/sys/fs/cgroup/kube/pod1/cpu.max", "150000 100000\n");
    assert_quota(cpus_quota_under(t.root), 1.5);
    test_put_text(&t, "/sys/fs/cgroup/kube/cpu.max", "max 100000\n");
    assert_quota(cpus_quota_under(t.root), 1.5);
    test_put_text(&t, "/sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_quota(cpus_quota_under(t.root), 0.5);
    /* Another group's limit, and one above the mount point, are not ours. */
    test_put_text(&t, "/sys/fs/cgroup/cpu.max", "max 100000\n");
    test_put_text(&t, "/sys/fs/cgroup/kube/pod2/cpu.max", "10000 100000\n");
    test_put_text(&t, "/sys/fs/cpu.max", "10000 100000\n");
    assert_quota(cpus_quota_under(t.root), 1.5);
    test_tree_close(&t);
}

/* Version 1: quota and period in two files, -1 for none. */
static void
v1_limits_count(void **state)
{
    (void)state;
    struct test_tree t;
    test_tree_open(&t);
    test_put_text(&t, "/proc/self/mountinfo", test_mount_v1);
    test_put_text(&t, "/proc/self/cgroup", "9:cpuset:/other\n4:cpuacct,cpu:/docker/abc\n0::/\n");
    test_put_text(&t, "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    test_put_text(&t, "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_quota(cpus_quota_under(t.root), 0);
    test_put_text(&t, "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
    assert_quota(cpus_quota_under(t.root), 2.5);
    test_put_text(&t, "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "20000\n");
    assert_quota(cpus_quota_under(t.root), 2.5); /* no period: not legible */
    test_put_text(&t, "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "10000\n");
    assert_quota(cpus_quota_under(t.root), 2);
    test_tree_close(&t);
}

/* A container without a cgroup namespace sees its group mounted as the root, and its path in full; a process outside of
 * its namespace's root sees "/..". Mount points may hold spaces. */
static void
container_mounts_are_understood(void **state)
{
    (void)state;
    struct test_tree t;
    test_tree_open(&t);
    test_put_text(&t, "/proc/self/mountinfo", "1 2 0:3 /docker/abc /cg\\040two rw - cgroup2 none rw\n");
    test_put_text(&t, "/proc/self/cgroup", "0::/docker/abc/inner\n");
    test_put_text(&t, "/cg two/inner/cpu.max", "300000 100000\n");
    assert_quota(cpus_quota_under(t.root), 3);
    test_put_text(&t, "/cg two/cpu.max", "200000 100000\n");
    assert_quota(cpus_quota_under(t.root), 2);
    test_put_text(&t, "/proc/self/cgroup", "0::/docker/abcdef\n"); /* not below the mounted one: its limit is all we can see */
    assert_quota(cpus_quota_under(t.root), 2);
    test_put_text(&t, "/proc/self/mountinfo", "1 2 0:3 / /cg\\040two rw - cgroup2 none rw\n");
    test_put_text(&t, "/proc/self/cgroup", "0::/../../other\n");
    test_put_text(&t, "/other/cpu.max", "10000 100000\n");
    assert_quota(cpus_quota_under(t.root), 2);
    test_tree_close(&t);
}

/* Nothing under the root, a directory or a pipe where a file should be: no limit, and no waiting. */
static void
missing_and_odd_files_mean_no_limit(void **state)
{
    (void)state;
    struct test_tree t;
    char path[512];
    test_tree_open(&t);
    assert_quota(cpus_quota_under(t.root), 0);
    assert_quota(cpus_quota_under("/nonexistent"), 0);
    test_put_text(&t, "/proc/self/cgroup", "0::/\n");
    assert_quota(cpus_quota_under(t.root), 0);
    test_put_text(&t, "/proc/self/mountinfo", test_mount_v2);
    test_put_text(&t, "/sys/fs/cgroup/cpu.max/x", "a directory");
    assert_quota(cpus_quota_under(t.root), 0);
    (void)snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu.max/x", t.root);
    assert_int_equal(unlink(path), 0);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_quota(cpus_quota_under(t.root), 0);
    (void)snprintf(path, sizeof path, "%s/proc/self/mountinfo", t.root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_quota(cpus_quota_under(t.root), 0);
    test_tree_close(&t);
}

static void
cpu_max_texts_are_judged(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double quota;
    } cases[] = {
        {"max 100000\n", 0},   {"100000 100000\n", 1}, {"1 100000", 0.00001},  {"", 0},
        {"\n", 0},             {"100000", 0},          {"100000 ", 0},         {"100000 0", 0},
        {"-5 100000", 0},      {"0 100000", 0},        {"100000 -7", 0},       {"99999999999999999999 1", 0},
        {"100000 max", 0},     {"max max", 0},         {"100000\t100000", 0},  {"9223372036854775807 1", 9223372036854775807.0},
    };
    for (uint32_t i = 0; i < N_ELEMS(cases); i++)
        assert_quota(cpus_parse_cpu_max(cases[i].text), cases[i].quota);
}

/* Bytes flipped, cut out and put in at random places of the files: whatever comes out is no crash, and not negative. */
static void
mangled_files_do_no_harm(void **state)
{
    (void)state;
    struct test_tree t;
    struct rng rng;
    rng_init(&rng, 11);
    test_tree_open(&t);
    const char *names[] = {"/proc/self/cgroup", "/proc/self/mountinfo", "/sys/fs/cgroup/a/cpu.max"};
    const char *texts[] = {"4:cpu,cpuacct:/a\n0::/a\n", test_mount_v2, "100000 100000\n"};
    for (uint32_t round = 0; round < 2000; round++) {
        char bytes[1024];
        uint32_t which = (uint32_t)rng_below(&rng, 3);
        for (uint32_t i = 0; i < 3; i++) {
            size_t len = strlen(texts[i]);
            memcpy(bytes, texts[i], len);
            for (uint64_t n = i == which ? rng_below(&rng, 8) : 0; n > 0; n--) {
                size_t at = (size_t)rng_below(&rng, len);
                if (rng_below(&rng, 2) == 0)
                    bytes[at] = (char)rng_next(&rng);
                else
                    len = at + 1;
            }
            test_put(&t, names[i], bytes, len);
        }
        assert_true(cpus_quota_under(t.root) >= 0);
    }
    /* Lines far longer than any buffer. */
    static char longline[100000];
    memset(longline, '/', sizeof longline);
    memcpy(longline, "0::/", 4);
    test_put(&t, names[0], longline, sizeof longline);
    assert_quota(cpus_quota_under(t.root), 0);
    test_tree_close(&t);
}

/* A quota is rounded up, at least 1, at most the mask. */
static void
quotas_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(cpus_usable(8, 0), 8);
    assert_int_equal(cpus_usable(8, 0.01), 1);
    assert_int_equal(cpus_usable(8, 1), 1);
    assert_int_equal(cpus_usable(8, 1.5), 2);
    assert_int_equal(cpus_usable(8, 7.01), 8);
    assert_int_equal(cpus_usable(8, 8), 8);
    assert_int_equal(cpus_usable(8, 1e18), 8);
    assert_int_equal(cpus_usable(1, 3), 1);
}

static void *
test_pin(void *arg)
{
    uint16_t id = *(uint16_t *)arg;
    static enum err e;
    e = cpus_pin(id);
    cpu_set_t set;
    CPU_ZERO(&set);
    if (e == OK && (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) != 1 || !CPU_ISSET(id, &set)))
        e = ERR_IO;
    return &e;
}

/* The probe agrees with the kernel's mask, and a thread can be pinned to each processor in it; what is no processor is
 * an error. */
static void
probe_and_pin_agree_with_the_kernel(void **state)
{
    (void)state;
    struct cpus c;
    cpus_probe(&c);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(c.n_mask, CPU_COUNT(&set) < CPUS_MAX ? CPU_COUNT(&set) : CPUS_MAX);
    assert_true(c.n_usable >= 1 && c.n_usable <= c.n_mask);
    for (uint32_t i = 0; i < c.n_mask; i++) {
        assert_true(CPU_ISSET(c.id[i], &set));
        assert_true(i == 0 || c.id[i] > c.id[i - 1]);
        pthread_t thread;
        void *ret;
        assert_int_equal(pthread_create(&thread, NULL, test_pin, &c.id[i]), 0);
        assert_int_equal(pthread_join(thread, &ret), 0);
        assert_int_equal(*(enum err *)ret, OK);
    }
    assert_int_equal(cpus_pin(UINT16_MAX), ERR_INVAL);
    assert_int_equal(cpus_pin(30000), ERR_INVAL);
}

static void *
test_pin_and_back(void *arg)
{
    struct cpus *c = arg;
    static enum err e;
    struct cpus_mask m;
    struct cpus now;
    cpus_mask_save(&m);
    e = cpus_pin(c->id[0]);
    cpus_probe(&now);
    if (e == OK && now.n_mask != 1)
        e = ERR_IO;
    cpus_mask_restore(&m);
    cpus_probe(&now);
    if (now.n_mask != c->n_mask)
        e = ERR_IO;
    m.len = 0;
    cpus_mask_restore(&m); /* nothing */
    return &e;
}

/* A pinned thread gets the mask back that it had before. */
static void
a_mask_can_be_restored(void **state)
{
    (void)state;
    struct cpus c;
    cpus_probe(&c);
    pthread_t thread;
    void *ret;
    assert_int_equal(pthread_create(&thread, NULL, test_pin_and_back, &c), 0);
    assert_int_equal(pthread_join(thread, &ret), 0);
    assert_int_equal(*(enum err *)ret, OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_v2_limit_on_the_way_up_counts),
        cmocka_unit_test(v1_limits_count),
        cmocka_unit_test(container_mounts_are_understood),
        cmocka_unit_test(missing_and_odd_files_mean_no_limit),
        cmocka_unit_test(cpu_max_texts_are_judged),
        cmocka_unit_test(mangled_files_do_no_harm),
        cmocka_unit_test(quotas_are_rounded_up),
        cmocka_unit_test(probe_and_pin_agree_with_the_kernel),
        cmocka_unit_test(a_mask_can_be_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
