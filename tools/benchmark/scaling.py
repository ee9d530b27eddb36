"""`tools/bench --scaling 1,2,4,8,16`: the same work on more and more shards.

The load gets the cores that the largest number of shards leaves free; where that is none (as
many shards as cores), all runs with more shards than half the cores share them with the load,
and the page says so: wall-clock efficiency then measures the machine, CPU per message does not.
"""

import os
from dataclasses import replace

from . import runner, scenarios


def layouts(counts, cores):
    """{shards: (server cores, load cores, shared?)}."""
    found = {}
    half = cores[len(cores) // 2:] or cores
    for n in counts:
        server = cores[:n]
        load = [c for c in half if c not in server]
        shared = len(load) < len(half)  # the load would shrink: share instead
        found[n] = (server, list(cores) if shared else load, shared)
    return found


def measure(a, programs, servers):
    """All scaling scenarios, all shard counts, all servers in turn; the number of failed runs."""
    cores = sorted(os.sched_getaffinity(0))
    n_failed = 0
    for scenario in scenarios.SCALING:
        records = []
        for n, (server_cores, load_cores, shared) in layouts([int(c) for c in a.scaling.split(",")], cores).items():
            plan = runner.Plan(
                servers=tuple(servers), server_cores=tuple(server_cores), load_cores=tuple(load_cores), n_shards=n,
                rounds=a.rounds or (1 if a.quick else 3), discard=0 if a.quick else 1, seconds=a.seconds or (0.5 if a.quick else 2.0),
                settle_ms=0, quick=a.quick)
            record = runner.run_scenario(programs, plan, _shared(scenario, load_cores) if shared else scenario)
            record["shared"] = shared
            records.append(record)
            n_failed += sum("error" in run for run in record["runs"])
        runner.save("scaling", {"scenario": scenario.name, "records": records})
    return n_failed


def _shared(scenario, load_cores):
    """On cores it shares the load must not poll; its threads are still as many as the cores."""
    return replace(scenario, load=(*scenario.load, "--threads", str(min(len(load_cores), 64))), spin=False)
