"""The command line of tools/bench."""

import argparse
import os
import sys

from . import report, runner, scenarios, scaling
from .servers import KINDS, BenchError, Programs, allow_files, build_load, build_nats, build_release, parse_cores

DEFAULT_SERVERS = "midge,midge-epoll,nats,nats-gmp,relay"


def arguments(argv, doc):
    p = argparse.ArgumentParser(prog="tools/bench", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="2 rounds of short runs")
    p.add_argument("--only", metavar="NAME,...", help="these scenarios only")
    p.add_argument("--servers", default=DEFAULT_SERVERS, metavar="NAME,...", help=f"any of {', '.join(KINDS)} (default {DEFAULT_SERVERS})")
    p.add_argument("--shards", default="1,2", metavar="N,...", help="shards of Midge = cores of every server, one run for each (default 1,2)")
    p.add_argument("--server-cores", metavar="LIST", help="cores of the servers (default: the first N)")
    p.add_argument("--load-cores", metavar="LIST", help="cores of the load (default: the others; all, where there are none)")
    p.add_argument("--rounds", type=int, help="rounds that count (default 7; quick 2)")
    p.add_argument("--discard", type=int, help="rounds before those (default 1; quick 0)")
    p.add_argument("--seconds", type=float, help="of a measured run (default 1.5; quick 0.5)")
    p.add_argument("--capacity", type=float, help="nats-server's 1:1 messages a second, for the open-loop rates (default: measured)")
    p.add_argument("--scaling", metavar="N,...", help="measure throughput with these numbers of shards instead")
    p.add_argument("--midge", help="the midge executable (default build/midge, built first)")
    p.add_argument("--nats", help="the nats-server executable")
    p.add_argument("--load", help="the midge-load executable (default build/tools/midge-load, built first)")
    p.add_argument("--build-nats", action="store_true", help="install nats-server first")
    p.add_argument("--report", action="store_true", help="only write the pages")
    p.add_argument("--no-report", action="store_true", help="do not write the pages")
    p.add_argument("--list", action="store_true", help="list the scenarios")
    return p.parse_args(argv)


def chosen_scenarios(names):
    if not names:
        return scenarios.SCENARIOS + scenarios.OPERATOR
    unknown = [n for n in names.split(",") if n not in scenarios.BY_NAME]
    if unknown:
        raise BenchError(f"no such scenario: {', '.join(unknown)}; --list shows them")
    return [scenarios.BY_NAME[n] for n in names.split(",")]


def plan_for(a, n_shards):
    """Which cores, how long, how often."""
    cores = sorted(os.sched_getaffinity(0))
    servers = tuple(a.servers.split(","))
    unknown = [s for s in servers if s not in KINDS]
    if unknown:
        raise BenchError(f"no such server: {', '.join(unknown)}")
    server_cores = parse_cores(a.server_cores) if a.server_cores else cores[:n_shards]
    load_cores = parse_cores(a.load_cores) if a.load_cores else [c for c in cores if c not in server_cores] or cores
    return runner.Plan(
        servers=servers, server_cores=tuple(server_cores), load_cores=tuple(load_cores), n_shards=n_shards,
        rounds=a.rounds or (2 if a.quick else 7), discard=a.discard if a.discard is not None else (0 if a.quick else 1),
        seconds=a.seconds or (0.5 if a.quick else 1.5), settle_ms=1000 if a.quick else 3000, quick=a.quick or (a.rounds or 7) < 7)


def prepare(a, servers):
    """Build what is missing; the executables."""
    if a.build_nats:
        build_nats()
    needs_midge = any(KINDS[s].program == "midge" for s in servers if s in KINDS)
    if needs_midge and not a.midge:
        build_release()
    elif not a.load:
        build_load()
    programs = Programs(a.midge, a.nats, a.load)
    for server in servers:
        if server in KINDS:
            programs.path(KINDS[server].program)
    return programs


def measure(a, programs):
    """Run the chosen scenarios for every shard count; the number of failed runs."""
    n_failed = 0
    capacity = a.capacity
    for n_shards in (int(n) for n in a.shards.split(",")):
        plan = plan_for(a, n_shards)
        for scenario in chosen_scenarios(a.only):
            if scenario.contenders and n_shards != 1 or not runner.contenders_of(plan, scenario):
                continue  # it brings its own shard counts, or has nobody to measure
            rate = None
            if scenario.rate_share is not None:
                capacity = capacity or runner.capacity(programs, plan)
                rate = max(1, int(capacity * scenario.rate_share))
            record = runner.run_scenario(programs, plan, scenario, rate)
            runner.save(plan.tag(), record)
            n_failed += sum("error" in run for run in record["runs"])
            if not a.no_report:
                report.write()
    return n_failed


def main(argv, doc):
    a = arguments(argv, doc)
    try:
        if a.list:
            for s in scenarios.SCENARIOS + scenarios.OPERATOR:
                print(f"{s.name:12} {s.title}")
            return 0
        if a.report:
            report.write()
            return 0
        allow_files()
        if a.scaling:
            servers = [s for s in a.servers.split(",") if s != "relay"]
            n_failed = scaling.measure(a, prepare(a, servers), servers)
            if not a.no_report:
                report.write()
        else:
            n_failed = measure(a, prepare(a, a.servers.split(",")))
    except BenchError as e:
        print(f"tools/bench: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if n_failed:
        print(f"tools/bench: {n_failed} runs failed", file=sys.stderr)
    return 1 if n_failed else 0
