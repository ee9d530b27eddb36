/* cpus_priv.h - what cpus.c shares with its test. */
#ifndef MIDGE_RT_CPUS_PRIV_H
#define MIDGE_RT_CPUS_PRIV_H

#include <stddef.h>
#include <stdint.h>

/* The CPUs that the cgroups of this process grant, as read from the proc and cgroup file systems found under
 * `root` ("" for the real ones); 0: no limit, or nothing legible. */
double cpus_quota_under(const char *root);

/* How many shards a mask of n_mask processors and a quota allow. */
uint32_t cpus_usable(uint32_t n_mask, double quota);

/* The quota that the text of a v2 cpu.max file means; 0: no limit, or not legible. */
double cpus_parse_cpu_max(const char *text);

#endif
