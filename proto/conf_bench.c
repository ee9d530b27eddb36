/* conf_bench.c - what large configuration files cost. Not a test: it prints, and nothing depends on the figures.
 *
 *     proto_conf_bench [n]        n users, n keys and n variables (50000); milliseconds, best of five */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/conf.h"

enum { BENCH_ROUNDS = 5, BENCH_WHY = 256 };

static double
bench_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static const char *
bench_getenv(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static void
bench_users(FILE *out, unsigned n)
{
    fputs("authorization {\n  users = [\n", out);
    for (unsigned i = 0; i < n; i++) {
        fprintf(out, "    { user: \"user%u\", password: \"$2a$11$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ\", permissions: { ", i);
        fprintf(out, "publish: [\"foo.%u.>\", \"bar\"], subscribe: [ \"_INBOX.>\", \"b.*.c\" ] } } # number %u\n", i, i);
    }
    fputs("  ]\n}\n", out);
}

static void
bench_keys(FILE *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "key_number_%u: %u\n", i, i);
}

static void
bench_variables(FILE *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(out, i == 0 ? "key_number_0: x\n" : "key_number_%u: $key_number_%u\n", i, i / 2);
}

static void
bench_duplicates(FILE *out, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "key_number_%u: %u\n", i % (n / 2 + 1), i);
}

static void
bench_case(const char *name, void (*write)(FILE *, unsigned), unsigned n)
{
    const struct conf_env env = {.getenv = bench_getenv};
    double                parse = 1e9, digest = 1e9, get = 1e9, done = 1e9;
    char                 *bytes = NULL, why[BENCH_WHY], text[CONF_DIGEST_LEN + 1];
    size_t                len = 0;
    FILE                 *out = open_memstream(&bytes, &len);

    ASSERT(out != NULL);
    write(out, n);
    (void)fclose(out); /* memory */
    for (int round = 0; round < BENCH_ROUNDS; round++) {
        struct conf_doc *d = NULL;
        double           t0 = bench_now_ms();
        ASSERT(conf_parse(&env, "bench", bytes, len, &d, why, sizeof(why)) == OK);
        double t1 = bench_now_ms();
        ASSERT(conf_digest(d, text) == OK);
        double                   t2 = bench_now_ms();
        const struct conf_value *top = conf_doc_top(d);
        for (uint32_t i = 0; i < top->list.n; i++)
            ASSERT(conf_get(top, top->list.items[i].key.bytes) == &top->list.items[i]);
        double t3 = bench_now_ms();
        conf_doc_free(d);
        double t4 = bench_now_ms();
        parse = t1 - t0 < parse ? t1 - t0 : parse;
        digest = t2 - t1 < digest ? t2 - t1 : digest;
        get = t3 - t2 < get ? t3 - t2 : get;
        done = t4 - t3 < done ? t4 - t3 : done;
    }
    printf("%-12s %8.2f MB: parse %7.1f ms, digest %7.1f ms, conf_get of each key %6.1f ms, free %5.1f ms\n", name, (double)len / 1e6, parse, digest, get, done);
    free(bytes);
}

int
main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50000;

    bench_case("users", bench_users, n);
    bench_case("keys", bench_keys, n);
    bench_case("variables", bench_variables, n);
    bench_case("duplicates", bench_duplicates, n);
    return 0;
}
