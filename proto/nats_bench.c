/* nats_bench.c - what an operation costs the parser. Not a test: it prints, and nothing depends on the figures.
 *
 *     proto_nats_bench [rounds]              ns per operation
 *     valgrind --tool=callgrind ... 1        instructions: divide by the operations printed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rt/assert.h"
#include "core/rt/util.h"
#include "proto/nats.h"

enum { BENCH_BUF = 64 * 1024 };

static uint64_t
bench_now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (uint64_t)ts.tv_sec * (uint64_t)NS_PER_S + (uint64_t)ts.tv_nsec;
}

typedef enum nats_verdict (*bench_parse)(const uint8_t *, size_t, const struct nats_limits *, struct nats_op *,
    struct nats_bad *);

/* Parse all of buf; returns the operations, adds to *sum what an optimizer must not drop. */
static size_t
bench_round(bench_parse parse, const uint8_t *buf, size_t len, uint64_t *sum)
{
    static const struct nats_limits lim = {.max_payload = 1048576, .max_control_line = 4096, .headers = true};
    struct nats_op                  op;
    struct nats_bad                 bad;
    size_t                          n_ops = 0;

    for (size_t off = 0; off < len; off += op.n_bytes, n_ops++) {
        enum nats_verdict v = parse(buf + off, len - off, &lim, &op, &bad);
        ASSERT(v == NATS_OP);
        *sum += op.size + op.subject_len + op.tail_len;
    }
    return n_ops;
}

static void
bench_case(const char *name, bench_parse parse, const char *head, size_t n_payload, size_t n_rounds)
{
    static uint8_t buf[BENCH_BUF];
    size_t         one = strlen(head) + (n_payload == SIZE_MAX ? 0 : n_payload + 2), len = 0;
    uint64_t       sum = 0, best = UINT64_MAX;
    size_t         n_ops = 0;

    while (len + one <= sizeof(buf)) {
        memcpy(buf + len, head, strlen(head));
        if (n_payload != SIZE_MAX) {
            memset(buf + len + strlen(head), 'x', n_payload);
            memcpy(buf + len + one - 2, "\r\n", 2);
        }
        len += one;
    }
    for (size_t i = 0; i < n_rounds; i++) {
        uint64_t t = bench_now_ns();
        n_ops = bench_round(parse, buf, len, &sum);
        best = min_u64(best, bench_now_ns() - t);
    }
    printf("%-32s %6zu ops  %7.2f ns/op  (sum %" PRIu64 ")\n", name, n_ops, (double)best / (double)n_ops, sum);
}

int
main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 2000;

    n = n == 0 ? 1 : n;
    bench_case("PUB 16 B", nats_parse, "PUB foo.bar 16\r\n", 16, n);
    bench_case("PUB 128 B", nats_parse, "PUB foo.bar 128\r\n", 128, n);
    bench_case("PUB reply 16 B", nats_parse, "PUB svc.echo _INBOX.AbCdEfGhIjKlMnOpQrStUv.AbCdEf 16\r\n", 16, n);
    bench_case("HPUB 16 B", nats_parse, "HPUB foo.bar 12 28\r\n", 28, n);
    bench_case("PUB 16 B, slow path", nats_parse_slow, "PUB foo.bar 16\r\n", 16, n);
    bench_case("SUB", nats_parse, "SUB foo.bar 1234\r\n", SIZE_MAX, n);
    bench_case("PING", nats_parse, "PING\r\n", SIZE_MAX, n);
    return 0;
}
