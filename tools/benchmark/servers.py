"""Who is measured: how each server is found, started, pinned, awaited and stopped."""

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build-bench"
NATS_VERSION = "2.14.5"
READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20


class BenchError(Exception):
    """Something outside went wrong; the text is for the operator."""


@dataclass(frozen=True)
class Kind:
    """A server in one configuration."""

    name: str
    title: str
    program: str  # key of Programs
    args: tuple = ()
    env: dict = field(default_factory=dict)
    pin: str = "start"  # "start": born on its cores; "ready": moved there afterwards; "never"

    def is_nats(self):
        return self.program == "nats"


# GOMAXPROCS is what Go makes of the CPUs it sees when it starts. `nats` starts with all of them
# in sight, as it would without us, and is moved to its cores once it is ready.
KINDS = {
    k.name: k
    for k in (
        Kind("midge", "Midge (io_uring)", "midge", ("--cores", "{n}", "--io", "uring")),
        Kind("midge-epoll", "Midge (epoll)", "midge", ("--cores", "{n}", "--io", "epoll")),
        Kind("nats", "nats-server, as it starts by default", "nats", pin="ready"),
        Kind("nats-gmp", "nats-server, GOMAXPROCS = its cores", "nats", env={"GOMAXPROCS": "{n}"}),
        Kind("nats-gogc400", "nats-server, GOMAXPROCS = its cores, GOGC=400", "nats", env={"GOMAXPROCS": "{n}", "GOGC": "400"}),
        Kind("nats-free", "nats-server, default and not pinned", "nats", pin="never"),
        Kind("relay", "a relay that only counts bytes", "load"),
    )
}


def allow_files():
    """Servers and generator inherit the hard limit of open files."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def parse_cores(text):
    """'0,2-4' -> [0, 2, 3, 4]."""
    cores = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        cores.extend(range(int(first), int(last or first) + 1))
    return cores


def cores_text(cores):
    return ",".join(str(c) for c in cores)


class Programs:
    """The executables: {"midge": path, "nats": path, "load": path}; missing ones are None."""

    def __init__(self, midge=None, nats=None, load=None):
        self.paths = {
            "midge": self._first(midge, ROOT / "build" / "midge"),
            "nats": self._first(nats, OUT / "bin" / "nats-server", shutil.which("nats-server"), self._gopath_nats()),
            "load": self._first(load, ROOT / "build" / "tools" / "midge-load"),
        }
        self.versions = {}

    @staticmethod
    def _first(*candidates):
        if candidates[0] is not None:  # named on the command line: that one or none
            return str(Path(candidates[0]).resolve())
        return next((str(c) for c in candidates if c and os.access(c, os.X_OK)), None)

    @staticmethod
    def _gopath_nats():
        if not shutil.which("go"):
            return None
        done = subprocess.run(["go", "env", "GOPATH"], capture_output=True, text=True, check=False)
        return Path(done.stdout.strip()) / "bin" / "nats-server" if done.returncode == 0 else None

    def path(self, program):
        if not self.paths[program]:
            raise BenchError(f"no {program} executable here; see tools/bench --help for where it is looked for")
        return self.paths[program]

    def version(self, program):
        """What -v prints, on one line."""
        if program not in self.versions:
            done = subprocess.run([self.path(program), "-v"], capture_output=True, text=True, timeout=10, check=False)
            lines = (done.stdout or done.stderr).strip().splitlines()
            # Midge names the nats-server that it stands in for as well.
            self.versions[program] = next((line for line in lines if program in line), "unknown")
        return self.versions[program]


def build_nats():
    """nats-server of the wanted version by Go; without Go, Debian's package."""
    if shutil.which("go"):
        OUT.joinpath("bin").mkdir(parents=True, exist_ok=True)
        env = dict(os.environ, GOBIN=str(OUT / "bin"))
        module = f"github.com/nats-io/nats-server/v2@v{NATS_VERSION}"
        if subprocess.run(["go", "install", module], env=env, check=False).returncode != 0:
            raise BenchError(f"go install {module} failed")
        return
    print(f"no Go here: taking Debian's nats-server in place of {NATS_VERSION}", file=sys.stderr)
    _bash("install_packages cmd:nats-server=nats-server")


def build_release():
    """build/midge and build/tools/midge-load, as tools/start builds them."""
    _bash('install_packages "${NEEDS_BUILD[@]}" && build_release midge tools/midge-load')


def build_load():
    """build/tools/midge-load alone."""
    _bash('install_packages "${NEEDS_BUILD[@]}" && build_release tools/midge-load')


def _bash(commands):
    script = f'set -euo pipefail; ROOT={ROOT}; . "$ROOT/tools/lib/common.sh"; {commands}'
    if subprocess.run(["bash", "-c", script], check=False).returncode != 0:
        raise BenchError("that did not work; what went wrong stands above")


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running server; `with server_running(...) as server`."""

    def __init__(self, kind, process, port, log_path, http_port=None, config=None):
        self.kind, self.process, self.port, self.log_path = kind, process, port, log_path
        self.http_port, self.config = http_port, config  # None: started without a file
        self.pid = process.pid
        self.ready_ns = None  # from its start until it answered

    def log_tail(self, n_bytes=600):
        with open(self.log_path, "rb") as f:
            f.seek(max(0, os.path.getsize(self.log_path) - n_bytes))
            return f.read().decode(errors="replace")

    def await_ready(self):
        """Connect until it answers with INFO; between refusals wait for its death, shortly."""
        pidfd = os.pidfd_open(self.pid)
        try:
            for _ in range(READY_TIMEOUT_S * 500):
                if self._answers():
                    return
                if select.select([pidfd], [], [], 0.002)[0]:
                    raise BenchError(f"{self.kind.name} ended while starting:\n{self.log_tail()}")
        finally:
            os.close(pidfd)
        raise BenchError(f"{self.kind.name} does not answer:\n{self.log_tail()}")

    def _answers(self):
        with socket.socket() as s:
            s.settimeout(READY_TIMEOUT_S)
            if s.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
            return s.recv(5) == b"INFO "

    def pin(self, cores):
        """Move every thread; a new one inherits its parent's cores, so go on until all are there."""
        moved = set()
        while True:
            tids = {int(t) for t in os.listdir(f"/proc/{self.pid}/task")}
            if tids <= moved:
                return
            for tid in tids:
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    os.sched_setaffinity(tid, cores)
            moved |= tids

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise BenchError(f"{self.kind.name} did not stop within {STOP_TIMEOUT_S} s of SIGTERM") from None


@contextlib.contextmanager
def server_running(programs, kind, cores, n_shards, config=None):
    """Start kind on these cores, wait until it answers, stop it at the end. config: what its file says, by the port of its monitoring."""
    port = _free_port()
    fill = {"n": str(n_shards)}
    program = programs.path(kind.program)
    if kind.program == "load":
        command = [program, "relay", "--port", str(port)]
    else:
        command = [program, "-a", "127.0.0.1", "-p", str(port), *(a.format(**fill) for a in kind.args)]
    http_port = path = None
    if config is not None:
        http_port, path = _free_port(), OUT / "logs" / f"{kind.name}.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config(http_port), encoding="utf-8")
        command += ["-c", str(path)]
    if kind.pin == "start":
        command = ["taskset", "-c", cores_text(cores), *command]
    env = {k: v for k, v in os.environ.items() if k not in ("GOMAXPROCS", "GOGC", "GOMEMLIMIT")}
    env.update({k: v.format(**fill) for k, v in kind.env.items()})
    log_path = OUT / "logs" / f"{kind.name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    started_ns = time.monotonic_ns()
    with open(log_path, "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=OUT)
    server = Server(kind, process, port, log_path, http_port, path)
    try:
        server.await_ready()
        server.ready_ns = time.monotonic_ns() - started_ns
        if kind.pin == "ready":
            server.pin(cores)
        yield server
        if process.poll() is not None:
            raise BenchError(f"{kind.name} died:\n{server.log_tail()}")
    finally:
        if process.poll() is None:
            server.stop()
