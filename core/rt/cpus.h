/* cpus.h - which processors the process may use.
 *
 * By the affinity mask and by the cgroup's CPU quota (v2 cpu.max on the path up to the root, v1 cfs quota): a quota of
 * 1.5 CPUs counts as 2 shards (rounded up, at least 1), never more than the mask holds.
 *
 * Threads  any. Source  cgroup v2 documentation ("cpu.max"), sched_getaffinity(2).
 */
#ifndef MIDGE_RT_CPUS_H
#define MIDGE_RT_CPUS_H

#include <stdint.h>

#include "core/rt/err.h"

enum { CPUS_MAX = 64 };

struct cpus {
    uint16_t id[CPUS_MAX]; /* processors in the mask, ascending, the first CPUS_MAX of them */
    uint32_t n_mask;       /* how many of them */
    double quota;          /* CPUs the cgroup grants; 0 = no limit */
    uint32_t n_usable;     /* what --cores defaults to */
};

/* A set of processors as the kernel has it. */
enum { CPUS_MASK_BYTES = 4096 };
struct cpus_mask {
    _Alignas(8) uint8_t bits[CPUS_MASK_BYTES];
    uint32_t len; /* 0: unknown */
};

void cpus_probe(struct cpus *ret);
/* Pin the calling thread to processor id. fail: ERR_ACCESS, ERR_INVAL */
enum err cpus_pin(uint16_t id);
/* The calling thread's mask, and back to it: a thread inherits the mask of the one that started it, which a helper of a
 * pinned shard must not keep. An unknown mask changes nothing. */
void cpus_mask_save(struct cpus_mask *ret);
void cpus_mask_restore(const struct cpus_mask *m);

#endif
