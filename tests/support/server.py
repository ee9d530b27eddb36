"""One server process: Midge or nats-server, started with flags, watched through its log and /proc.

Both programs log to stderr in one format and print the address they listen on and `Server is ready`;
readiness is awaited there, never slept for. The log is read by a thread, so that a server can log as
much as it likes without blocking, and so that a test can wait for a line.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from .patience import deadline_after, patience
from .raw import Raw

LISTENING = re.compile(r"Listening for client connections on (\S+):(\d+)\s*$")
READY = re.compile(r"Server is ready\s*$")

# What a sanitizer or one of our own assertions prints. A server that printed one of these is broken, whatever its exit code.
BROKEN = re.compile(
    r"ERROR: (?:Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: |SUMMARY: \w+Sanitizer"
    r"|ASSERT(?:ION)?\b.*fail|panic: |fatal error: ",
    re.IGNORECASE,
)

_sanitized = {}  # binary -> whether a sanitizer is built in

LOG_LINES_MAX = 400_000  # older lines are forgotten: a flood of trace lines must not eat the test's memory


class ServerDied(AssertionError):
    """The server is not there any more, and nobody asked it to go."""


def free_port():
    """A port that nobody listens on, below the range from which the kernel takes the ports of outgoing
    connections: it stays free while a server is restarted on it."""
    for _ in range(200):
        port = random.randrange(12000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port in 12000..31999")


class Server:
    """A running server. A context manager: leaving the block stops it and checks that it went well.

    binary   path of the program
    *args    flags, after `-a HOST -p PORT`
    port     -1: any (the log says which); a number: that one (see free_port)
    extra    flags of the run (--server-args of pytest), put after *args
    env      variables added to the environment
    preexec  called in the child before exec (resource limits, affinity)
    start    False: the caller calls start()
    address  False: no `-a HOST -p PORT`; the flags or the configuration say where it listens (host: where to reach it)

    Attributes: host, port (the real one once started), pid, binary, args.
    """

    def __init__(self, binary, *args, host="127.0.0.1", port=-1, extra=(), env=None, preexec=None, start=True, cwd=None,
                 address=True):
        self.binary = os.path.abspath(binary) if os.sep in binary else binary
        self.args = [str(a) for a in args] + [str(a) for a in extra]
        self.host = host
        self.port = port
        self.env = dict(env or {})
        self.preexec = preexec
        self.cwd = cwd
        self.address = address
        self.proc = None
        self._lines = []
        self._n_dropped = 0
        self._n_checked = 0  # lines that check_log has seen
        self._eof = True
        self._news = threading.Condition()
        self._reader = None
        self._stopping = False
        if start:
            self.start()

    def __repr__(self):
        return f"<Server {os.path.basename(self.binary)} {' '.join(self.args)} {self.host}:{self.port}>"

    def __enter__(self):
        if self.proc is None:
            self.start()
        return self

    def __exit__(self, exc_type, *_):
        if exc_type is not None:
            self.kill()  # the test's own failure matters more than how the server goes
        else:
            self.close()

    # --- life -----------------------------------------------------------------------------------------------

    def start(self):
        """Start it and wait until it says that it is ready. Raises ServerDied with the log when it ends instead."""
        assert self.proc is None or self.proc.poll() is not None, "it is running"
        if self._reader is not None:
            self._reader.join(patience())
        env = dict(os.environ)
        # A report must change the exit code and must not be buffered away; leaks are looked for at exit.
        env.setdefault("ASAN_OPTIONS", "exitcode=99:detect_leaks=1:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
        env.setdefault("TSAN_OPTIONS", "exitcode=99:halt_on_error=0:second_deadlock_stack=1")
        env.update(self.env)
        cmd = [self.binary, *(["-a", self.host, "-p", str(self.port)] if self.address else []), *self.args]
        with self._news:
            self._lines, self._n_dropped, self._n_checked, self._eof = [], 0, 0, False
        self._stopping = False
        self.proc = subprocess.Popen(
            cmd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=env, preexec_fn=self.preexec, cwd=self.cwd,
        )
        self._reader = threading.Thread(target=self._read_log, args=(self.proc.stderr,), daemon=True)
        self._reader.start()
        try:
            self.wait_log(READY)
            where = self.wait_log(LISTENING)
        except BaseException:
            self.kill()
            raise
        self.port = int(where.group(2))
        return self

    def stop(self, sig=signal.SIGTERM):
        """Send sig, wait for the end, check that it went in good order. Returns the exit code."""
        if self.proc is None:
            return None
        self.check_alive()
        self._stopping = True
        self.proc.send_signal(sig)
        return self._reap()

    def wait_end(self):
        """Wait until it ends that was told so in another way, or ends by itself (a lame duck); check that it went in good order. Returns the exit code."""
        self._stopping = True
        return self._reap()

    def close(self):
        """stop() for a server that may have been stopped or killed already."""
        if self.proc is not None and not self._stopping:
            self.stop()

    def kill(self):
        """SIGKILL: nothing is checked, nothing is said goodbye to."""
        if self.proc is None:
            return
        self._stopping = True
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self._reader.join(patience())

    def restart(self, kill=False):
        """Stop (or kill -9) it and start it again on the same port."""
        self.kill() if kill else self.stop()
        return self.start()

    def _reap(self):
        try:
            code = self.proc.wait(patience(30))
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerDied(f"{self!r} does not end when told to\n{self.tail()}") from None
        self._reader.join(patience())
        self.check_log()
        # nats-server ends with 1 after SIGTERM in some versions; a crash is a negative code or a sanitizer's 99.
        if code not in (0, 1):
            raise ServerDied(f"{self!r} ended with code {code}\n{self.tail()}")
        return code

    # --- what it says ---------------------------------------------------------------------------------------

    def _read_log(self, pipe):
        with pipe:
            for raw_line in pipe:
                line = raw_line.decode("utf-8", "replace").rstrip("\n")
                with self._news:
                    self._lines.append(line)
                    if len(self._lines) > LOG_LINES_MAX:
                        del self._lines[: LOG_LINES_MAX // 2]
                        self._n_dropped += LOG_LINES_MAX // 2
                    self._news.notify_all()
        with self._news:
            self._eof = True
            self._news.notify_all()

    def mark(self):
        """A position in the log, for wait_log(since=...) and log(since=...)."""
        with self._news:
            return self._n_dropped + len(self._lines)

    def log(self, since=0):
        """The log lines so far (text), from position `since` on."""
        with self._news:
            return "\n".join(self._lines[max(0, since - self._n_dropped):])

    def tail(self, n=60):
        with self._news:
            return "\n".join(self._lines[-n:])

    def wait_log(self, pattern, since=0, timeout=None):
        """Wait until a log line matches (re.search) and return the match."""
        pattern = re.compile(pattern) if isinstance(pattern, str) else pattern
        deadline = deadline_after(timeout) if timeout else deadline_after()
        at = since
        with self._news:
            while True:
                for line in self._lines[max(0, at - self._n_dropped):]:
                    found = pattern.search(line)
                    if found:
                        return found
                at = self._n_dropped + len(self._lines)
                if self._eof:
                    raise ServerDied(f"{self!r} ended before it logged /{pattern.pattern}/\n" + "\n".join(self._lines[-60:]))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{self!r} never logged /{pattern.pattern}/\n" + "\n".join(self._lines[-60:]))
                self._news.wait(left)

    def check_log(self):
        """Raise when a sanitizer or an assertion has spoken. Each line is looked at once."""
        with self._news:
            at = max(0, self._n_checked - self._n_dropped)
            broken = next((i for i in range(at, len(self._lines)) if BROKEN.search(self._lines[i])), None)
            self._n_checked = self._n_dropped + (len(self._lines) if broken is None else broken)
            if broken is not None:
                raise ServerDied(f"{self!r} is broken:\n" + "\n".join(self._lines[broken:broken + 120]))

    def check_alive(self):
        """Raise when the server has gone, or has reported a bug of its own."""
        if self.proc is None or self.proc.poll() is not None:
            if self._reader is not None:
                self._reader.join(patience())
            code = None if self.proc is None else self.proc.returncode
            raise ServerDied(f"{self!r} is not running any more (code {code})\n{self.tail()}")
        self.check_log()

    # --- what it uses (Linux /proc) -------------------------------------------------------------------------

    @property
    def sanitized(self):
        """A sanitizer is built in: its memory and speed say nothing about the server's."""
        if self.binary not in _sanitized:
            with open(shutil.which(self.binary) or self.binary, "rb") as f:
                _sanitized[self.binary] = re.search(rb"__[atm]san_init", f.read()) is not None
        return _sanitized[self.binary]

    @property
    def pid(self):
        return self.proc.pid

    @property
    def url(self):
        return f"nats://{self.host}:{self.port}"

    def rss(self):
        """Resident memory in bytes."""
        return self._status_kib("VmRSS") * 1024

    def rss_peak(self):
        """The highest resident memory so far, in bytes."""
        return self._status_kib("VmHWM") * 1024

    def _status_kib(self, key):
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        raise ServerDied(f"{self!r} has no {key}")

    def cpu_ns(self):
        """CPU time of all threads that are alive, in nanoseconds."""
        total = 0
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{tid}/schedstat") as f:
                    total += int(f.read().split()[0])
            except FileNotFoundError:
                pass  # that thread ended meanwhile
        return total

    def n_threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    # --- talking to it --------------------------------------------------------------------------------------

    def raw(self, **kw):
        """A new raw connection (see Raw); its INFO is read unless info=False."""
        return Raw(self.host, self.port, **kw)

    def info(self):
        """The INFO object that a new connection gets."""
        with self.raw() as c:
            return json.loads(json.dumps(c.info))

    def check_serves(self):
        """Somebody new can connect, subscribe and receive: what every hostile test ends with."""
        self.check_alive()
        with self.raw() as c:
            c.connect()
            c.send(b"SUB check.serves 1\r\nPUB check.serves 2\r\nok\r\nPING\r\n")
            c.expect(b"MSG check.serves 1 2\r\nok\r\nPONG\r\n")


def close_all(servers):
    """Close every one, then report the first that did not end well."""
    first = None
    for srv in servers:
        try:
            srv.close()
        except AssertionError as e:
            first = first or e
    if first:
        raise first
