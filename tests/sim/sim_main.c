/* sim: the ordering rule under a random scheduler. See README.md.
 *
 *     sim clean [N] [FIRST]      N seeds without a planted bug: all must pass, and together (from 1,000 on) have seen everything in WORLD_SEEN
 *     sim catch BUG [N]          at most N seeds with this bug planted: one of them must show it
 *     sim measure BUG [N]        how many of N seeds show it
 *     sim replay                 some seeds twice each, with the same outcome to the last step
 *     sim seed N [BUG]           this seed, with its whole history
 *
 * MIDGE_SIM_SEEDS multiplies every N (100 for a night).
 */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/rt/mutate.h"
#include "tests/sim/run.h"

enum {
    SIM_CLEAN_SEEDS = 4000,
    SIM_CATCH_SEEDS = 4000, /* the bug that shows most rarely does so in one seed of 80 */
    SIM_REPLAY_SEEDS = 10,
    SIM_COVERED_SEEDS = 1000, /* smaller campaigns need not have seen everything */
    SIM_MALLOC_KEEP = 32 << 20,
};

static const struct {
    const char *name;
    uint32_t bit;
} sim_bugs[] = {
    {"none", 0},
    {"tail_per_mbox", MUTATE_TAIL_PER_MBOX},
    {"no_merge", MUTATE_NO_MERGE},
    {"take_after_drain", MUTATE_TAKE_AFTER_DRAIN},
    {"no_now_bound", MUTATE_NO_NOW_BOUND},
    {"send_first", MUTATE_SEND_FIRST},
    {"overtake", MUTATE_OVERTAKE},
    {"no_pass_on", MUTATE_NO_PASS_ON},
    {"partial", MUTATE_PARTIAL},
};

#define WORLD_SEEN_TEXT(name, text) text,
static const char *const sim_seen_text[] = {WORLD_SEEN(WORLD_SEEN_TEXT)};
#undef WORLD_SEEN_TEXT

static struct history sim_history; /* large */

/* ---- naming the seed when the process dies in it ---- */

static char sim_last_words[128];

static void
sim_die(void)
{
    ssize_t n = write(STDERR_FILENO, sim_last_words, strlen(sim_last_words));
    (void)n; /* there is nobody left to tell */
}

static void
sim_on_signal(int sig)
{
    sim_die();
    (void)signal(sig, SIG_DFL); /* and let it happen */
    (void)raise(sig);
}

/* The sanitizers' own way to die; only in builds with one. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static void
sim_watch_death(void)
{
    (void)signal(SIGABRT, sim_on_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(sim_die);
    else
        (void)signal(SIGSEGV, sim_on_signal);
}

/* ---- one seed ---- */

static const char *
sim_bug_name(uint32_t mutations)
{
    for (uint32_t i = 0; i < N_ELEMS(sim_bugs); i++) {
        if (sim_bugs[i].bit == mutations)
            return sim_bugs[i].name;
    }
    return "?";
}

static void
sim_run(uint64_t seed, uint32_t mutations, struct run_result *ret)
{
    (void)snprintf(sim_last_words, sizeof(sim_last_words), "the seed is %" PRIu64 ": sim seed %" PRIu64 " %s\n", seed, seed, sim_bug_name(mutations));
    run_seed(seed, mutations, &sim_history, ret);
}

static void
sim_tell(uint64_t seed, uint32_t mutations, const struct run_result *r)
{
    printf("seed %" PRIu64 " (%s), after %" PRIu64 " steps: ", seed, sim_bug_name(mutations), r->n_steps);
    if (r->judged)
        judge_print(&sim_history, &r->verdict);
    else
        printf("%s\n", r->why);
    printf("again, with everything that happened: sim seed %" PRIu64 " %s\n", seed, sim_bug_name(mutations));
}

static uint64_t
sim_n_seeds(const char *arg, uint64_t usual)
{
    const char *factor = getenv("MIDGE_SIM_SEEDS");
    uint64_t n = arg != NULL ? strtoull(arg, NULL, 10) : usual;
    return factor != NULL ? n * strtoull(factor, NULL, 10) : n;
}

static double
sim_seconds(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- commands ---- */

static int
sim_clean(uint64_t n, uint64_t first)
{
    struct run_result r;
    uint32_t n_seen[SEEN_N] = {0}, missed = 0;
    uint64_t n_steps = 0, n_msgs = 0;
    double since = sim_seconds();

    for (uint64_t seed = first; seed < first + n; seed++) {
        sim_run(seed, 0, &r);
        if (!r.ok) {
            sim_tell(seed, 0, &r);
            return 1;
        }
        for (uint32_t i = 0; i < SEEN_N; i++)
            n_seen[i] += (r.seen & BIT(i)) != 0;
        n_steps += r.n_steps;
        n_msgs += sim_history.n_gots;
    }
    double took = sim_seconds() - since;
    printf("%" PRIu64 " seeds in %.1f s, %.0f a second; %" PRIu64 " steps, %" PRIu64 " messages received. Seeds in which:\n", n, took, (double)n / took,
           n_steps, n_msgs);
    for (uint32_t i = 0; i < SEEN_N; i++) {
        printf("  %6u  %s\n", n_seen[i], sim_seen_text[i]);
        missed += n_seen[i] == 0;
    }
    if (missed > 0 && n >= SIM_COVERED_SEEDS)
        printf("%u of them never: this campaign proves too little\n", missed);
    return missed > 0 && n >= SIM_COVERED_SEEDS;
}

static int
sim_catch(uint32_t bug, uint64_t n)
{
    struct run_result r;
    double since = sim_seconds();

    for (uint64_t seed = 1; seed <= n; seed++) {
        sim_run(seed, bug, &r);
        if (r.ok)
            continue;
        printf("caught after %" PRIu64 " seeds, %.1f s\n", seed, sim_seconds() - since);
        sim_tell(seed, bug, &r);
        return 0;
    }
    printf("%s: not caught in %" PRIu64 " seeds\n", sim_bug_name(bug), n);
    return 1;
}

/* How many seeds it takes, on average: for choosing the bounds. */
static int
sim_measure(uint32_t bug, uint64_t n)
{
    struct run_result r;
    uint64_t n_caught = 0;

    for (uint64_t seed = 1; seed <= n; seed++) {
        sim_run(seed, bug, &r);
        n_caught += !r.ok;
        if (!r.ok && n_caught <= 5)
            printf("  seed %" PRIu64 ": %s\n", seed, r.judged ? r.verdict.rule : r.why);
    }
    printf("%s: %" PRIu64 " of %" PRIu64 " seeds\n", sim_bug_name(bug), n_caught, n);
    return 0;
}

static int
sim_replay(void)
{
    for (uint64_t seed = 1; seed <= SIM_REPLAY_SEEDS; seed++) {
        struct run_result a, b;
        sim_run(seed, 0, &a);
        uint64_t n_events = sim_history.n_events;
        sim_run(seed, 0, &b);
        if (a.hash != b.hash || a.n_steps != b.n_steps || n_events != sim_history.n_events) {
            printf("seed %" PRIu64 " went two ways: %" PRIu64 " steps and %" PRIu64 "\n", seed, a.n_steps, b.n_steps);
            return 1;
        }
    }
    return 0;
}

static int
sim_usage(void)
{
    fprintf(stderr, "usage: sim clean [N] [FIRST] | catch BUG [N] | measure BUG [N] | replay | seed N [BUG]\n");
    return 2;
}

static bool
sim_bug(const char *name, uint32_t *ret)
{
    for (uint32_t i = 0; i < N_ELEMS(sim_bugs); i++) {
        if (strcmp(sim_bugs[i].name, name) == 0) {
            *ret = sim_bugs[i].bit;
            return true;
        }
    }
    fprintf(stderr, "no such bug: %s\n", name);
    return false;
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : NULL, *arg2 = argc > 3 ? argv[3] : NULL;
    uint32_t bug = 0;

    if (sodium_init() < 0)
        return 2;
    /* Worlds come and go: their memory is kept, or half of the time would be the kernel's. */
    (void)mallopt(M_MMAP_THRESHOLD, SIM_MALLOC_KEEP);
    (void)mallopt(M_TRIM_THRESHOLD, SIM_MALLOC_KEEP);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* cannot fail on an unused stream */
    sim_watch_death();
    if (strcmp(what, "clean") == 0)
        return sim_clean(sim_n_seeds(arg, SIM_CLEAN_SEEDS), arg2 != NULL ? strtoull(arg2, NULL, 10) : 1);
    if (strcmp(what, "replay") == 0)
        return sim_replay();
    if (strcmp(what, "seed") == 0 && arg != NULL) {
        struct run_result r;
        if (arg2 != NULL && !sim_bug(arg2, &bug))
            return 2;
        sim_history.print = true;
        sim_run(strtoull(arg, NULL, 10), bug, &r);
        if (!r.ok)
            sim_tell(strtoull(arg, NULL, 10), bug, &r);
        return !r.ok;
    }
    if (arg == NULL || !sim_bug(arg, &bug))
        return sim_usage();
    if (strcmp(what, "catch") == 0)
        return sim_catch(bug, sim_n_seeds(arg2, SIM_CATCH_SEEDS));
    return strcmp(what, "measure") == 0 ? sim_measure(bug, sim_n_seeds(arg2, SIM_CATCH_SEEDS)) : sim_usage();
}
