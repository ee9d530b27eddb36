"""How it is measured: rounds in which the contenders take turns, each on a fresh server."""

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, replace

from . import scenarios
from .servers import KINDS, OUT, ROOT, BenchError, cores_text, server_running

GIVE_UP_MARGIN_S = 30  # midge-load ends itself at --timeout; this is for the case that it does not


@dataclass(frozen=True)
class Plan:
    """One set of measurements: who, where, how long."""

    servers: tuple  # names of KINDS
    server_cores: tuple
    load_cores: tuple
    n_shards: int
    rounds: int
    discard: int
    seconds: float  # of a measured segment
    settle_ms: int
    quick: bool

    def tag(self):
        return f"shards{self.n_shards}"


def contenders_of(plan, scenario):
    """Who takes part in a scenario, in turn order."""
    if scenario.contenders:
        return [c for c in scenario.contenders if any(_same_program(c.server, s) for s in plan.servers)]
    names = [s for s in plan.servers if (scenario.only is None and s != "relay") or (scenario.only and s in scenario.only)]
    return [scenarios.Contender(name, name) for name in names]


def _same_program(a, b):
    return KINDS[a].program == KINDS[b].program


def _all_cores():
    return tuple(sorted(os.sched_getaffinity(0)))


def load_command(programs, plan, scenario, contender, server, rate=None):
    """midge-load's command line for one run."""
    load_cores = {"apart": plan.load_cores, "same": plan.server_cores, "all": _all_cores()}[scenario.place]
    apart = scenario.place == "apart" and not set(load_cores) & set(plan.server_cores)
    args = [*scenario.load, *contender.load_args, "--port", str(server.port), "--server-pid", str(server.pid)]
    args += ["--spin", "1" if scenario.spin and apart else "0", "--timeout", str(scenario.timeout_s), "--settle", str(plan.settle_ms)]
    if scenario.timed:
        ms = int(plan.seconds * scenario.length * 1000)
        args += ["--duration", str(ms), "--warmup", str(max(100, min(ms // 4, 500)))]
    if rate is not None:
        args += ["--rate", str(rate)]
    if scenario.load[0] in ("stream", "subs") and apart:
        args += ["--threads", str(min(len(load_cores), 64))]
    return ["taskset", "-c", cores_text(load_cores), programs.path("load"), *args]


def run_once(programs, plan, scenario, contender, rate=None):
    """One contender, once: {"result": ...} or {"error": text}."""
    kind = KINDS[contender.server]
    n_shards = contender.cores or plan.n_shards
    cores = _all_cores() if contender.cores and contender.cores > 1 else plan.server_cores
    try:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(server_running(programs, kind, cores, n_shards, contender.config))
            command = load_command(programs, plan, scenario, contender, server, rate)
            if contender.beside is not None:
                stack.enter_context(contender.beside(server, plan.load_cores))
            done = subprocess.run(command, capture_output=True, text=True, timeout=scenario.timeout_s + GIVE_UP_MARGIN_S, check=False)
            if done.returncode != 0:
                return {"error": f"{done.stderr.strip()} (exit {done.returncode}); server's log ends: {server.log_tail(300).strip()}"}
            result = {**json.loads(done.stdout), "ready_ns": server.ready_ns}
        return {"result": result}
    except (BenchError, OSError, subprocess.TimeoutExpired, json.JSONDecodeError) as e:
        return {"error": str(e)}


def run_scenario(programs, plan, scenario, rate=None):
    """All rounds of a scenario: the contenders in turn, round after round; the order alternates."""
    contenders = contenders_of(plan, scenario)
    rounds = min(plan.rounds, scenario.rounds_max or plan.rounds)
    discard = plan.discard if scenario.rounds_max is None else 0
    runs = []
    load_before, steal_before = os.getloadavg()[0], _steal_ticks()
    for rnd in range(rounds + discard):
        turn = contenders if rnd % 2 == 0 else contenders[::-1]
        for contender in turn:
            outcome = run_once(programs, plan, scenario, contender, rate)
            runs.append({"round": rnd - discard, "label": contender.label, "server": contender.server, **outcome})
            _say(scenario, contender, rnd - discard, outcome)
    return {
        "scenario": scenario.name,
        "plan": {"servers": plan.servers, "server_cores": plan.server_cores, "load_cores": plan.load_cores, "n_shards": plan.n_shards,
                 "rounds": rounds, "discard": discard, "seconds": plan.seconds, "quick": plan.quick},
        "rate": rate,
        "machine": machine(),
        "versions": versions(programs, contenders),
        "load_average_before": load_before,
        "steal_ticks": _steal_ticks() - steal_before,
        "runs": runs,
    }


def _say(scenario, contender, rnd, outcome):
    if "error" in outcome:
        text = "FAILED: " + outcome["error"]
    else:
        text = ", ".join(f"{m.title} {m.value(outcome['result']):.4g} {m.unit}" for m in scenario.metrics)
    note = " (discarded)" if rnd < 0 else ""
    print(f"{scenario.name:12} {contender.label:22} round {rnd:2}{note}: {text}", file=sys.stderr, flush=True)


def capacity(programs, plan):
    """nats-server's messages a second at 1:1, 128 B: the better configuration's best of three."""
    probe = replace(scenarios.BY_NAME["pair128"], rounds_max=3)
    best = 0.0
    for name in plan.servers:
        if not KINDS[name].is_nats():
            continue
        for _ in range(3):
            outcome = run_once(programs, plan, probe, scenarios.Contender(name, name))
            if "error" in outcome:
                raise BenchError(f"the capacity of {name} cannot be measured: {outcome['error']}")
            best = max(best, scenarios.rate(outcome["result"]))
    if best == 0:
        raise BenchError("open-loop scenarios need a nats-server among --servers, or --capacity")
    return best


# --- where and what -------------------------------------------------------------------------------


def _steal_ticks():
    """Ticks that the hypervisor gave to others while we wanted to run."""
    with open("/proc/stat", encoding="ascii") as f:
        return int(f.readline().split()[8])


def machine():
    model, hypervisor = "unknown", False
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
            hypervisor = hypervisor or (line.startswith("flags") and " hypervisor" in line)
    with open("/proc/meminfo", encoding="ascii") as f:
        memory_kb = int(f.readline().split()[1])
    return {"cpu": model, "n_cpus": len(_all_cores()), "virtual": hypervisor, "memory_gib": round(memory_kb / (1 << 20)),
            "kernel": platform.release(), "python": platform.python_version()}


def versions(programs, contenders):
    found = {}
    for contender in contenders:
        program = KINDS[contender.server].program
        if program != "load":
            found[program] = programs.version(program)
    git = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    found["commit"] = git.stdout.strip() or "unknown"
    found["date"] = datetime.date.today().isoformat()
    return found


# --- results on disk ------------------------------------------------------------------------------


def save(plan_tag, record):
    """One file per scenario and shard count, replaced as a whole."""
    folder = OUT / "results"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plan_tag}-{record['scenario']}.json"
    path.with_suffix(".tmp").write_text(json.dumps(record, indent=1), encoding="utf-8")
    path.with_suffix(".tmp").replace(path)


def load_all():
    """{plan tag: {scenario name: record}} of what has been measured so far."""
    found = {}
    for path in sorted((OUT / "results").glob("*.json")):
        tag, _, name = path.stem.partition("-")
        found.setdefault(tag, {})[name] = json.loads(path.read_text(encoding="utf-8"))
    return found
