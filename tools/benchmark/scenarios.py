"""What is measured: the table of scenarios, with floors and goals.

A scenario is one invocation of midge-load for each contender (a server in some configuration)
and one or more metrics read from its JSON result. Smaller is better for every metric.
"""

from dataclasses import dataclass, field
from typing import Callable, Optional

from . import besides
from .stats import Extra, Target, limit_of, more_of, ratio_of, times_of

MIB = 1 << 20


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    unit: str
    value: Callable[[dict], float]
    floor: Optional[Target] = None
    goal: Optional[Target] = None


@dataclass(frozen=True)
class Contender:
    """A server (servers.py) as this scenario wants it."""

    label: str
    server: str
    cores: Optional[int] = None  # shards; None = what the run asks for
    load_args: tuple = ()
    config: Optional[Callable[[int], str]] = None  # besides.py: what its file says
    beside: Optional[Callable] = None  # besides.py: what goes on meanwhile


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: tuple  # arguments of midge-load
    metrics: tuple
    place: str = "apart"  # load: "apart" on its own cores, "same" as the server's, "all" cores
    spin: bool = True  # poll, where the load has cores of its own
    timed: bool = True  # takes --duration and --warmup
    length: float = 1.0  # measured time, in units of the run's
    rounds_max: Optional[int] = None
    timeout_s: int = 120
    throughput: bool = False  # messages a second mean something: the server is saturated
    rate_share: Optional[float] = None  # open loop: the rate is this share of nats-server's capacity
    only: Optional[tuple] = None  # servers that can run it; None = every real one
    contenders: tuple = field(default=())  # in place of the run's servers
    extra: Optional[Extra] = None  # OPERATOR: by how much the second contender may exceed the first


# --- reading results ------------------------------------------------------------------------------


def _parts(result, index=None):
    parts = result.get("segments", [result])
    return parts if index is None else [p for i, p in enumerate(parts) if i % 2 == index]


def n_msgs(part):
    """Messages delivered; published, where nobody subscribes."""
    return part.get("delivered") or part["published"]


def cpu_us(result):
    """Server CPU microseconds per message."""
    parts = _parts(result)
    return sum(p["cpu_ns"] for p in parts) / sum(n_msgs(p) for p in parts) / 1e3


def own_cpu_us(result):
    """The generator's own."""
    parts = _parts(result)
    return sum(p["own_cpu_ns"] for p in parts) / sum(n_msgs(p) for p in parts) / 1e3


def rate(result):
    """Messages a second."""
    parts = _parts(result)
    return sum(n_msgs(p) for p in parts) / sum(p["wall_ns"] for p in parts) * 1e9


def busy(result):
    """Server CPU seconds per second."""
    parts = _parts(result)
    return sum(p["cpu_ns"] for p in parts) / sum(p["wall_ns"] for p in parts)


def churn_loss(result):
    """Percent of throughput that the segments with churn lack."""

    def speed(index):
        parts = _parts(result, index)
        return sum(n_msgs(p) for p in parts) / sum(p["wall_ns"] for p in parts)

    return 100 * (1 - speed(1) / speed(0))


def _latency_us(key):
    return lambda r: r["latency_ns"][key] / 1e3


def _grown_per(count_key):
    return lambda r: max(0, r["rss_full_bytes"] - r["rss_empty_bytes"]) / r[count_key]


# --- metrics --------------------------------------------------------------------------------------


def cpu(floor=None, goal=None, title="server CPU per message"):
    return Metric("cpu", title, "us", cpu_us, floor and ratio_of(floor), goal and ratio_of(goal))


def latency(key, title, floor=None, goal=None):
    return Metric(key, title, "us", _latency_us(key), floor and ratio_of(floor), goal and ratio_of(goal))


CPU_PER_CONN = Metric("cpu", "server CPU per connection opened", "us", lambda r: r["cpu_ns"] / r["conns"] / 1e3, ratio_of(8), ratio_of(15))
BYTES_PER_CONN = Metric("bytes", "resident memory per idle connection", "B", _grown_per("conns"), limit_of(2048), limit_of(1024))
CPU_PER_SUB = Metric("sub_cpu", "server CPU per SUB", "us", lambda r: r["subscribe"]["cpu_ns"] / r["literals"] / 1e3)


def bytes_per_sub(floor, goal):
    return Metric("bytes", "resident memory per subscription", "B", _grown_per("literals"), limit_of(floor), limit_of(goal))


STALL_PEAK = Metric("peak", "memory taken at most", "MiB", lambda r: (r["rss_peak_bytes"] - r["rss_before_bytes"]) / MIB, limit_of(4 * 64 + 64))
STALL_AFTER = Metric("after", "memory still held 2 s after they left", "MiB", lambda r: max(0, r["rss_after_bytes"] - r["rss_before_bytes"]) / MIB, limit_of(32))
CHURN_LOSS = Metric("loss", "throughput lost to churn", "%", churn_loss, limit_of(5))

# --- the table ------------------------------------------------------------------------------------


def _stream(name, title, floor, goal, size, *args, metric="server CPU per delivered message", **more):
    return Scenario(name, title, ("stream", "--size", str(size), *args), (cpu(floor, goal, metric),), throughput=True, **more)


RELAYED = ("midge", "midge-epoll", "nats", "nats-gmp", "nats-free", "nats-gogc400", "relay")

SCENARIOS = (
    _stream("pub16", "publish only, 16 B", 4, 6, 16, "--subs", "0", metric="server CPU per published message", only=RELAYED),
    _stream("pair16", "1:1, 16 B", 4, 5.5, 16, only=RELAYED),
    _stream("pair128", "1:1, 128 B", 2.7, 3.4, 128, only=RELAYED),
    _stream("pair1k", "1:1, 1 KiB", 2.2, 2.8, 1024, only=RELAYED),
    _stream("pair16k", "1:1, 16 KiB", 1.45, 1.8, 16 << 10, only=RELAYED),
    _stream("pair64k", "1:1, 64 KiB", 1.45, 1.8, 64 << 10, only=RELAYED),
    _stream("fan8", "fan-out 1:8, 128 B", 2, 2.7, 128, "--subs", "8", only=RELAYED),
    _stream("fan100", "fan-out 1:100, 128 B", 2, 2.7, 128, "--subs", "100", "--window", str(MIB // 2), only=RELAYED),
    _stream("four", "4 publishers to 4 subscribers each, 128 B", 2.2, 2.8, 128, "--pubs", "4", "--subs", "4", only=RELAYED),
    _stream("pairs8", "8 separate pairs, 128 B", 2.7, 4, 128, "--flows", "8", only=RELAYED),
    _stream("queue8", "queue group of 8, 128 B", 4, 6, 128, "--subs", "8", "--queue", "1", only=RELAYED),
    Scenario("fan1000", "fan-out 1:1000, 16 B, 10 k msg/s offered", ("paced", "--subs", "1000", "--size", "16", "--rate", "10000", "--window", str(MIB // 16)),
             (cpu(2, 3, "server CPU per delivered message"), latency("p99", "99th percentile of latency", 3, 5)), length=2),
    Scenario("fan1000low", "fan-out 1:1000, 128 B, 10 k deliveries/s offered", ("paced", "--subs", "1000", "--rate", "10", "--window", str(MIB // 16)),
             (cpu(2, 3, "server CPU per delivered message"), latency("p99", "99th percentile of latency", 3, 5)), length=4),
    Scenario("req1same", "request/reply, 1 in flight, client on the same core", ("request", "--size", "16"),
             (cpu(1.9, 2.3, "server CPU per request"), latency("p50", "median latency")), place="same"),
    Scenario("req1other", "request/reply, 1 in flight, client on another core", ("request", "--size", "16"),
             (cpu(1.5, 3, "server CPU per request"), latency("p50", "median latency")), spin=False),
    Scenario("req64", "request/reply, 64 in flight", ("request", "--size", "16", "--inflight", "64"),
             (cpu(3, 5, "server CPU per request"), latency("p50", "median latency"))),
    Scenario("req64x4", "request/reply, 64 requesters, 1 in flight each",
             ("request", "--size", "16", "--inflight", "64", "--pubs", "64", "--subs", "4"),
             (cpu(3, 6, "server CPU per request"), latency("p50", "median latency"))),
    Scenario("subs1m", "random publishes over 1 M subscriptions + 1,000 wildcards", ("subs", "--size", "16"),
             (cpu(5, 8, "server CPU per delivered message"), bytes_per_sub(150, 96), CPU_PER_SUB)),
    Scenario("subs1mx8", "1 M unique literal subscriptions, 8 shards", ("subs", "--size", "16", "--wildcards", "0"),
             (bytes_per_sub(300, 200),), place="all", length=0.3, rounds_max=3,
             contenders=(Contender("midge", "midge", cores=8), Contender("nats", "nats"))),
    Scenario("conns10k", "10,000 connections", ("conns", "--conns", "10000", "--inflight", "64"), (CPU_PER_CONN, BYTES_PER_CONN), timed=False),
    Scenario("churn", "1:1, 128 B, SUB and UNSUB churn of 10 k/s",
             ("stream", "--size", "128", "--churn", "10000", "--segments", "16"), (CHURN_LOSS,), length=0.5),
    *(Scenario(f"lat{share}", f"open loop 1:1, 128 B, {share} % of nats-server's capacity", ("paced", "--size", "128"),
               (latency("p50", "median latency"), latency("p99", "99th percentile", 1, 2), latency("p999", "99.9th percentile", 1, 4)),
               length=5, rate_share=share / 100) for share in (10, 50, 80)),
    Scenario("stall", "4 subscribers that never read, 64 KiB flood", ("stall", "--size", str(64 << 10), "--subs", "4", "--flood", str(256 * MIB)),
             (STALL_PEAK, STALL_AFTER), timed=False, rounds_max=3),
    Scenario("shards2", "1:1, 128 B, two shards: both ends on one shard, or on two", ("stream", "--size", "128"),
             (cpu(title="server CPU per delivered message"),), place="all", spin=False,
             contenders=(Contender("one shard", "midge", cores=1), Contender("two shards, same", "midge", cores=2, load_args=("--gap", "1")),
                         Contender("two shards, different", "midge", cores=2))),
)



def _operator(name, title, load, metric, extra, without, with_it, **more):
    """A server as it is, and the same with something more; Midge, then nats-server. without, with_it: (config, beside)."""
    contenders = tuple(Contender(f"{server}, {word}", server, config=what[0], beside=what[1])
                       for server in ("midge", "nats-gmp") for word, what in (("without", without), ("with", with_it)))
    return Scenario(name, title, load, (metric,), contenders=contenders, extra=extra, **more)


PACED = ("paced", "--size", "128", "--rate", "5000")
MOST_MS = Metric("max", "longest latency", "ms", lambda r: r["latency_ns"]["max"] / 1e6)
P99_MS = Metric("p99", "99th percentile of latency", "ms", lambda r: r["latency_ns"]["p99"] / 1e6)
READY_MS = Metric("ready", "from its start until it answers", "ms", lambda r: r["ready_ns"] / 1e6)

OPERATOR = (
    _operator("perms100", "1:1, 128 B, and 100 permissions", ("stream", "--size", "128"), cpu(title="server CPU per delivered message"), times_of(1.15),
              (besides.plain, None), (besides.hundred_rules, None)),
    _operator("connz10k", "5,000 msg/s beside 10,000 connections, and /connz?limit=10000 again and again", PACED, P99_MS, more_of(5),
              (besides.plain, besides.idle_connections), (besides.plain, besides.connz_of_all), length=3, spin=False),
    _operator("load50k", "a start, and with 50,000 users (10 MB)", PACED, READY_MS, more_of(1000),
              (besides.plain, None), (besides.many_users, None), length=0.2, spin=False),
    _operator("reload50k", "5,000 msg/s beside 50,000 users, and a reload of them each second", PACED, MOST_MS, more_of(10),
              (besides.many_users, None), (besides.many_users, besides.reloads), length=3, spin=False),
)

BY_NAME = {s.name: s for s in SCENARIOS + OPERATOR}

# What `--scaling` measures: the same work for every number of shards.
SCALING = (
    Scenario("scale_pairs", "32 separate pairs, 128 B", ("stream", "--size", "128", "--flows", "32"), (cpu(),), throughput=True),
    Scenario("scale_fan", "16 flows, each 1:100, 128 B", ("stream", "--size", "128", "--flows", "16", "--subs", "100", "--window", str(MIB // 8)),
             (cpu(),), throughput=True),
    Scenario("scale_pub", "publish only, 32 publishers, 16 B", ("stream", "--size", "16", "--flows", "32", "--subs", "0"), (cpu(),), throughput=True),
)
