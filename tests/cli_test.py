"""The executable as a shell, a launcher or systemd sees it: flags, exit codes, files, signals, the first log lines."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from support import Server, patience
from support.server import free_port

LINE = re.compile(r"^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|DBG|WRN|ERR|FTL|TRC)\] ")


def run(server_bin, *args):
    """Run it with flags that end it at once."""
    return subprocess.run([server_bin, *args], capture_output=True, text=True, timeout=patience(), check=False)


@pytest.mark.parametrize("flag", ["-v", "--version", "-version", "version"])
def test_version_is_one_that_clients_know(server_bin, flag):
    done = run(server_bin, flag)
    assert done.returncode == 0
    assert re.match(r"nats-server: v2\.14\.\d+\n", done.stdout)


@pytest.mark.parametrize("flag", ["-h", "--help", "help"])
def test_help_goes_to_stdout(server_bin, flag):
    done = run(server_bin, flag)
    assert done.returncode == 0 and "--port" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("args, said", [
    (["--nosuch"], "flag provided but not defined: -nosuch"),
    (["-p"], "flag needs an argument: -p"),
    (["-p", "abc"], 'invalid value "abc" for flag -p: parse error'),
    (["-p", "65536"], 'invalid value "65536" for flag -p'),
    (["--io", "kqueue"], 'invalid value "kqueue" for flag -io'),
    (["--busy_poll", "often"], 'invalid value "often" for flag -busy_poll'),
    (["-D=perhaps"], 'invalid boolean value "perhaps" for -D'),
    (["start"], 'unrecognized command: "start"'),
    (["-js"], "flag -js is not supported: midge does not have JetStream yet"),
    (["-t"], "must specify [-c, --config] option"),
    (["--config", "/nonexistent/x"], "nats-server: open /nonexistent/x: no such file or directory"),
])
def test_a_bad_flag_is_named_on_the_first_line(server_bin, args, said):
    done = run(server_bin, *args)
    assert done.returncode != 0
    assert said in done.stderr.splitlines()[0]


def test_nats_servers_flags_are_known_or_refused_by_name(server_bin, reference_bin):
    """Each flag in nats-server's help works here, or is said to be missing: none is a typing error."""
    text = run(reference_bin, "-h").stdout
    flags = set(re.findall(r"(?<![\w-])--?([A-Za-z][\w]*)", "\n".join(l[:34] for l in text.splitlines())))
    assert len(flags) > 50
    unknown = [f for f in sorted(flags) if "not defined" in run(server_bin, "-" + f, "-v", "-v").stderr]
    assert not unknown


def test_the_log_has_nats_servers_format(start_server):
    s = start_server("-DV")
    s.check_serves()
    lines = s.log().splitlines()
    assert all(LINE.match(line) for line in lines)
    text = "\n".join(lines)
    assert text.index("Listening for client connections on 127.0.0.1:") < text.index("Server is ready")


def test_an_ipv6_address_is_shown_in_brackets(server_bin, server_args):
    if not ipv6():
        pytest.skip("this machine has no IPv6")
    with Server(server_bin, extra=server_args, host="::1", start=False) as s:
        s.wait_log(r"Listening for client connections on \[::1\]:\d+$")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_interfaces_are_those_of_both_families(server_bin, server_args, host):
    """Clients that resolve localhost to ::1 first must find a server that listens on 0.0.0.0, as with nats-server."""
    families = ["127.0.0.1"] + (["::1"] if ipv6() else [])
    with Server(server_bin, extra=server_args, host=host, start=False) as s:
        for address in families:
            with socket.create_connection((address, s.port), timeout=patience()) as c:
                assert c.recv(5) == b"INFO "


def ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_a_log_file_that_cannot_be_opened_is_named(server_bin, server_args):
    done = run(server_bin, "-l", "/nonexistent/x.log", *server_args)
    assert done.returncode != 0 and "/nonexistent/x.log" in done.stderr


def test_the_log_file_is_opened_again_on_sigusr1(server_bin, server_args, tmp_path):
    """What logrotate does: move the file, send the signal. No line gets lost."""
    log, moved = tmp_path / "m.log", tmp_path / "m.log.1"
    port = free_port()
    proc = subprocess.Popen([server_bin, "-a", "127.0.0.1", "-p", str(port), "-l", str(log), *server_args], stderr=subprocess.PIPE)
    try:
        await_text(log, "Server is ready", proc)
        log.rename(moved)
        proc.send_signal(signal.SIGUSR1)
        await_text(log, "re-opened", proc)
        proc.send_signal(signal.SIGTERM)
        assert proc.wait(patience()) == 0
    finally:
        proc.kill()
        proc.wait()
    assert "Server is ready" in moved.read_text() and "Server Exiting" in log.read_text()
    assert log.stat().st_mode & 0o027 == 0, "a log is nobody else's to read"


def await_text(path, text, proc):
    until = time.monotonic() + patience()
    while not (path.exists() and text in path.read_text()):
        assert proc.poll() is None, "the server ended"
        assert time.monotonic() < until, f"never in {path.name}: {text}"
        time.sleep(0.01)  # there is nothing to wait on but the file


def test_the_pid_file_holds_digits_alone_and_stays(start_server, tmp_path):
    """As with nats-server: a supervisor may read it after the end."""
    path = tmp_path / "m.pid"
    s = start_server("-P", path)
    assert path.read_text() == str(s.pid)
    assert path.stat().st_mode & 0o777 == 0o600
    s.stop()
    assert path.exists()


def test_S4_files_a_pid_file_that_cannot_be_written_ends_the_start(server_bin, server_args):
    done = run(server_bin, "-a", "127.0.0.1", "-p", "-1", "-P", "/nonexistent/m.pid", *server_args)
    assert done.returncode == 1
    assert "[FTL] Could not write pidfile: open /nonexistent/m.pid: no such file or directory" in done.stderr


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(start_server, sig):
    s = start_server()
    with s.raw() as c:
        c.connect()
        assert s.stop(sig) == 0
        c.expect_close()
    assert "Initiating Shutdown" in s.log()


@pytest.mark.parametrize("io", ["uring", "epoll"])
@pytest.mark.parametrize("shards", ["1", "3"])
def test_the_end_does_not_wait_for_who_does_not_read(server_bin, server_args, io, shards):
    """Its socket is full, so its last words never go out; and it has more subscriptions than a mailbox takes back at once."""
    with Server(server_bin, "--io", io, "--cores", shards, extra=server_args) as s:
        with s.raw(rcvbuf=4096, auto_pong=False) as deaf, s.raw() as pub:
            deaf.connect()
            pub.connect()
            deaf.send(b"SUB x 1\r\n" + b"".join(b"SUB y.%d %d\r\n" % (i, i) for i in range(2, 30000)))
            deaf.ping()
            for _ in range(30):
                pub.send(b"PUB x 500000\r\n" + b"p" * 500000 + b"\r\n")
            pub.ping()
            start = time.monotonic()
            assert s.stop() == 0
            assert time.monotonic() - start < patience(5)


def test_debug_logs_what_each_shard_counted(start_server):
    s = start_server("-D")
    s.check_serves()
    s.stop()
    assert re.search(r"shard \d+ counted:.* in_msgs [1-9]", s.log())
