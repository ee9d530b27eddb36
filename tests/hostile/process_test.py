"""The process as its operator sees it: signals under load, a log that nobody reads, restarts, defaults."""

import os
import re
import resource
import signal
import subprocess
import threading
import time

import pytest

from hostile.witness import MIB, Drain, Flood, Witness, until, wait_closed
from support import Raw, deadline_after, free_port, patience


def load(server, n=4):
    """Floods with readers, and with subscribers who do not read: what a server has on its hands when it is told to end."""
    for i in range(n):
        sub = server.raw().connect()
        sub.send(b"SUB load.%d 1\r\n" % i)
        sub.ping()
        Drain(sub)
        stalled = server.raw(rcvbuf=4096).connect()
        stalled.send(b"SUB load.> 1\r\n")
        stalled.ping()
    floods = [Flood(server.raw().connect(), (b"PUB load.%d 1000\r\n" % i + bytes(1000) + b"\r\n") * 20) for i in range(n)]
    for flood in floods:
        flood.wait_bytes(2 * MIB)
    return floods


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_signal_under_load_ends_it_in_good_order_and_in_time(start_server, sig):
    """At most five seconds, exit code 0, every client sees the end of its connection."""
    server = start_server()
    idle = server.raw().connect()
    floods = load(server)
    server._stopping = True  # what follows is the end that `stop` would check
    server.proc.send_signal(sig)
    assert server.proc.wait(patience(5)) == 0
    idle.expect_close()
    for flood in floods:
        flood.finish()
    server._reader.join(patience())
    server.check_log()
    assert "Server Exiting.." in server.log()


def test_C13_signals_by_the_hundred_disturb_nobody(start_server, served, tmp_path):
    """SIGHUP with a configuration that is good, then bad, SIGUSR1 and SIGPIPE, under load."""
    conf = tmp_path / "x.conf"
    conf.write_text("max_payload: 1000000\n")
    server = start_server("-c", conf)
    witness = served(server)
    floods = load(server, 2)
    for i in range(100):
        conf.write_text(f"max_payload: {1000000 + i}\n" + ("nosuch: 1\n" if i % 10 == 9 else ""))
        for sig in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
            server.proc.send_signal(sig)
        witness.turn(1)
    for flood in floods:
        flood.stop()
    server.wait_log("Reloaded server configuration")
    server.wait_log("File log re-open ignored")


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_a_restart_takes_the_same_port_at_once(start_server, served, kill):
    """With connections in every state left behind in the kernel: five times."""
    server = start_server(port=free_port())
    port = server.port
    for _ in range(5):
        left = [server.raw().connect() for _ in range(20)]
        half = [Raw(server.host, server.port, info=False) for _ in range(20)]
        left[0].send(b"SUB a 1\r\nPUB a 5\r\nhel")
        server.restart(kill=kill)
        assert server.port == port
        server.check_serves()
        for c in left + half:
            wait_closed(c)
            c.close()
    served(server)


class Unread:
    """A server whose log goes into a pipe that nobody reads, after its first lines."""

    def __init__(self, binary, args):
        self.host, self.port = "127.0.0.1", free_port()
        env = dict(os.environ, ASAN_OPTIONS="exitcode=99:detect_leaks=1", TSAN_OPTIONS="exitcode=99")
        self.proc = subprocess.Popen([binary, "-a", self.host, "-p", str(self.port), *args], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env)

    def raw(self, **kw):
        deadline = deadline_after()
        while True:
            try:
                return Raw(self.host, self.port, **kw)
            except ConnectionRefusedError:
                assert self.proc.poll() is None and time.monotonic() < deadline
                threading.Event().wait(0.01)

    def stop(self):
        """SIGTERM: it waits for its reader for a moment, and ends well."""
        self.proc.send_signal(signal.SIGTERM)
        assert self.proc.wait(patience(10)) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        for pipe in (self.proc.stdout, self.proc.stderr):
            pipe.close()
        self.proc.wait()


def test_a_log_that_nobody_reads_holds_nobody_up(server_bin, server_args):
    """-DV and 40,000 traced messages into a full pipe: all are served, and SIGTERM still ends it."""
    with Unread(server_bin, ["-DV", *server_args]) as server:
        witness = Witness(server)
        flood = Flood(server.raw().connect(), b"PUB noise 200\r\n" + b"n" * 200 + b"\r\n", limit=40_000 * 218)
        for _ in range(50):
            witness.turn()
        flood.finish()
        flood.c.ping()
        witness.turn()
        server.stop()


def test_a_log_reader_that_goes_away_takes_nobody_with_it(server_bin, server_args):
    """The pipe is closed: every write fails with EPIPE. Nobody is served less."""
    with Unread(server_bin, ["-DV", *server_args]) as server:
        witness = Witness(server)
        server.proc.stderr.close()
        server.proc.stdout.close()
        for _ in range(100):
            witness.turn()
        server.stop()


def test_S4_files_a_log_on_a_full_device_holds_nobody_up(start_server, server_bin, server_args):
    """/dev/full takes nothing."""
    with Unread(server_bin, ["-DV", "-l", "/dev/full", *server_args]) as server:
        witness = Witness(server)
        for _ in range(100):
            witness.turn()
        server.stop()


def test_the_log_is_bounded_while_it_is_not_read(server_bin, server_args):
    """What the writer cannot get rid of is dropped and counted; it does not pile up in memory."""
    with Unread(server_bin, ["-DV", *server_args]) as server:
        c = server.raw().connect()
        Flood(c, b"PUB noise 200\r\n" + b"n" * 200 + b"\r\n", limit=2 * MIB).finish()
        c.ping()
        before = rss(server.proc.pid)
        Flood(c, b"PUB noise 200\r\n" + b"n" * 200 + b"\r\n", limit=20 * MIB).finish()
        c.ping()
        assert rss(server.proc.pid) < before + 16 * MIB


def rss(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


# --- defaults and flags ---------------------------------------------------------------------------------------------------

def test_F23_defaults_are_the_safe_ones(server_bin, server):
    """What the row lists, as far as it exists: asked from the usage text and from a server that was given no flag for it."""
    usage = subprocess.run([server_bin, "--help"], capture_output=True, text=True, timeout=patience(), check=True).stdout
    for flag, default in {"max_control_line": "4096", "max_payload": "1048576", "max_pending": "67108864", "ping_max": "2",
                          "ping_interval": "2m", "write_deadline": "10s", "max_connections": "65536"}.items():
        assert re.search(rf"--{flag} .*\(default: {default}\)", usage), flag
    assert server.info()["max_payload"] == 1048576


BAD_FLAGS = [
    (["--port", "65536"], "out of range"), (["--port", "-2"], "out of range"), (["--port", "4222x"], "parse error"),
    (["--port", ""], "parse error"), (["--port", "99999999999999999999"], "out of range"), (["--port"], "needs an argument"),
    (["--max_payload", "68719476736"], "max_payload value is too big"),
    (["--max_control_line", "10"], "out of range"), (["--max_pending", "1"], "out of range"), (["--ping_interval", "5"], "parse error"),
    (["--ping_interval", "-1s"], "out of range"), (["--ping_interval", "1e400s"], ""),
    (["--cores", "-1"], "out of range"), (["--cores", "100000"], "out of range"), (["--io", "dpdk"], "auto|uring|epoll"),
    (["--busy_poll", "often"], "auto, off or a duration"), (["--nonsense"], "not defined"), (["-D=perhaps"], "parse error"),
    (["--" + "x" * 5000], "not defined"),
]


@pytest.mark.parametrize("args,want", BAD_FLAGS, ids=lambda v: " ".join(v)[:30] if isinstance(v, list) else None)
def test_a_bad_flag_is_refused_with_code_2_and_a_reason(server_bin, args, want):
    got = subprocess.run([server_bin, *args], capture_output=True, text=True, timeout=patience())
    assert got.returncode == 2, got
    assert want.replace("not defined", "provided but not defined") in got.stderr


def test_what_cannot_be_listened_on_ends_with_code_1_and_a_reason(server_bin, server_args, server):
    """A port in use (it is tried for a moment: a killed predecessor may hold it), an address of somebody else, a name that is none."""
    for host, port in (("127.0.0.1", server.port), ("192.0.2.1", 4999), ("no.such.host.invalid", 4999)):
        got = subprocess.run([server_bin, "-a", host, "-p", str(port), *server_args], capture_output=True, text=True, timeout=patience(30))
        assert got.returncode == 1, got
        assert "Error listening on port" in got.stderr
    server.check_serves()


def test_a_log_file_that_cannot_be_opened_ends_with_code_1(server_bin, server_args, tmp_path):
    got = subprocess.run([server_bin, "-p", "-1", "-l", str(tmp_path / "no" / "such" / "folder"), *server_args], capture_output=True,
                         text=True, timeout=patience())
    assert got.returncode == 1 and "error opening file: open " in got.stderr
