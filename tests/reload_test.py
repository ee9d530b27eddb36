"""SIGHUP: another configuration takes the place of the one in force, for running connections too, or nothing changes.

Where it says `start`, the same test runs against nats-server.
"""

import os
import re
import signal
import socket
import threading
import time

import pytest

from support import Server, patience

RELOADED = re.compile(r"\[INF\] Reloaded server configuration \(sha256:[0-9a-f]{64}\)$")
FAILED = re.compile(r"\[ERR\] Failed to reload server configuration: (.*)$")


@pytest.fixture(params=["start_server", "start_reference"])
def start(request):
    """Starts Midge, or nats-server."""
    return request.getfixturevalue(request.param)


def reload(srv, outcome=RELOADED):
    """Send SIGHUP and wait for what the log says of it; returns the match and what was logged meanwhile."""
    mark = srv.mark()
    os.kill(srv.pid, signal.SIGHUP)
    found = srv.wait_log(outcome, since=mark)
    return found, srv.log(since=mark)


# --- all or nothing ---------------------------------------------------------------------------------------------


def test_a_reload_says_what_changed_and_ends_with_the_digest(start, conf):
    s = start("-c", conf("max_payload: 1000"))
    conf("max_payload: 2000\nping_max: 7")
    _, log = reload(s)
    at = [log.index(text) for text in ('Trapped "hangup" signal', "Reloaded: max_payload = 2000", "Reloaded server configuration")]
    assert at == sorted(at)
    assert "Reloaded: ping_max = 7" in log


def test_control_lines_that_no_mailbox_takes_want_a_restart(server_bin, conf):
    """With very many shards the mailboxes between them are small; those that are there keep their size."""
    with Server(server_bin, "-c", conf("max_control_line: 4096"), extra=["--cores", "40"]) as s:
        conf("max_control_line: 65536")
        found, _ = reload(s, FAILED)
        assert found.group(1) == "max_control_line: so much of it, with so many shards, takes a restart"
        conf("max_control_line: 8192")
        reload(s)


@pytest.mark.parametrize("bad, why", [
    ("max_payload: 2000\nnosuch: 1", r"x\.conf:2:1: unknown field \"nosuch\""),
    ("max_payload: [", r"Parse error|Unexpected EOF"),
    ("max_payload: 2000\nmax_pending: 4000000", r"config reload not supported for MaxPending: old=67108864, new=4000000"),
    ("max_payload: 2000\nwrite_timeout: retry", r"config reload not supported for WriteTimeout: "),
    ("max_payload: 2000\nserver_name: other", r"config reload not supported for ServerName: "),
])
def test_F11_a_bad_reload_changes_nothing(start, conf, bad, why):
    good = "max_payload: 1000"
    s = start("-c", conf(good))
    with s.raw() as c:
        c.connect()
        conf(bad)
        found, log = reload(s, FAILED)
        assert re.search(why, log), log
        assert "Reloaded" not in log
        c.send(b"PUB x 1001\r\n")
        assert b"Maximum Payload Violation" in c.read_until_close()
    assert s.info()["max_payload"] == 1000
    conf(good)
    reload(s)  # and the next good one is taken


def test_F11_a_file_that_is_gone_changes_nothing(start, conf):
    s = start("-c", conf("max_payload: 1000"))
    os.unlink(conf())
    _, log = reload(s, FAILED)
    assert "no such file or directory" in log
    assert s.info()["max_payload"] == 1000


def test_F11_a_log_that_cannot_be_opened_changes_nothing(start_server, conf):
    s = start_server("-c", conf("max_payload: 1000"))
    conf("max_payload: 2000\nlog_file: /nonexistent/x.log")
    _, log = reload(s, FAILED)
    assert "open /nonexistent/x.log: no such file or directory" in log
    assert s.info()["max_payload"] == 1000
    conf('max_payload: 2000\nremote_syslog: "tcp://127.0.0.1:1"')  # nats-server ends here
    _, log = reload(s, FAILED)
    assert "connection refused" in log
    assert s.info()["max_payload"] == 1000


def test_F12_a_refusal_shows_no_secret(start_server, conf):
    """A user that no_auth_user names may not be changed: the text names the option, not the password."""
    s = start_server("-c", conf("authorization { users: [ {user: a, password: canary1} ] }\nno_auth_user: a"))
    conf("authorization { users: [ {user: b, password: canary2} ] }\nno_auth_user: b\nnosuch: canary3")
    _, log = reload(s, FAILED)
    assert "canary" not in s.log()


def test_flags_win_over_the_file_at_a_reload_too(start, conf):
    s = start("-c", conf("max_payload: 1000\ndebug: false"), "-D")
    conf("max_payload: 3000\ndebug: false")
    reload(s)
    mark = s.mark()
    assert s.info()["max_payload"] == 3000
    s.wait_log(r"\[DBG\] .* Client connection created", since=mark)


# --- what it does to connections --------------------------------------------------------------------------------


def test_max_payload_changes_for_those_who_are_there(start, conf):
    s = start("-c", conf("max_payload: 1000"))
    with s.raw() as c:
        c.connect()
        conf("max_payload: 10")
        reload(s)
        c.send(b"PUB x 10\r\n0123456789\r\n")
        c.ping()
        c.send(b"PUB x 11\r\n")
        assert b"Maximum Payload Violation" in c.read_until_close()
    assert s.info()["max_payload"] == 10


def test_max_control_line_changes_for_those_who_are_there(start, conf):
    s = start("-c", conf("max_control_line: 300"))
    with s.raw() as c:
        c.connect()
        conf("max_control_line: 2000")
        reload(s)
        c.send(b"SUB " + b"a" * 1000 + b" 1\r\n")
        c.ping()
    with s.raw() as c:
        c.connect()
        conf("max_control_line: 300")
        reload(s)
        c.send(b"SUB " + b"a" * 1000 + b" 1\r\n")
        assert b"maximum control line exceeded" in c.read_until_close()


def test_connections_above_max_connections_are_closed(start, conf):
    s = start("-c", conf("max_connections: 10"))
    clients = [s.raw() for _ in range(6)]
    for c in clients:
        c.connect()
    conf("max_connections: 2")
    _, log = reload(s)
    assert "Closed 4 connections to fall within max_connections" in log
    closed = 0
    for c in clients:
        # Who is left answers a PING; who is not has been told why.
        c.send(b"PING\r\n")
        said = c.read_op()
        assert said.verb == "PONG" or said.payload == b"maximum connections exceeded"
        closed += said.verb == "-ERR"
        c.close()
    assert closed == 4


def test_a_shorter_ping_interval_reaches_those_who_are_there(start_server, conf):
    s = start_server("-c", conf('ping_interval: "1h"'))
    with s.raw(auto_pong=False) as c:
        c.connect()
        c.expect(b"PING\r\n")  # the first one, which comes after two seconds at the latest
        c.send(b"PONG\r\n")
        conf('ping_interval: "100ms"')
        reload(s)
        c.expect(b"PING\r\n")


def test_debug_and_trace_change_at_once_for_all(start, conf):
    s = start("-c", conf())
    with s.raw() as c:
        c.connect()
        conf("trace: true\ndebug: true")
        reload(s)
        c.send(b"PUB traced 2\r\nhi\r\n")
        c.ping()
        s.wait_log(r"\[TRC\] .* <<- \[PUB traced 2\]$")
        conf("trace: false")
        reload(s)
        mark = s.mark()
        c.send(b"PUB untraced 2\r\nhi\r\n")
        c.ping()
        conf()
        reload(s)  # whatever was logged for the PUB stands before this
        assert "untraced" not in s.log(since=mark)


def test_client_advertise_is_in_the_next_info(start, conf):
    s = start("-c", conf())
    assert s.info()["host"] == "127.0.0.1"
    conf('client_advertise: "example.org:4711"')
    reload(s)
    info = s.info()
    assert (info["host"], info["port"]) == ("example.org", 4711)


def test_a_subscription_that_lost_its_right_is_removed(start, conf):
    users = 'authorization { users: [ {user: a, password: p, permissions: {subscribe: [%s, "_INBOX.>"]}} ] }'
    s = start("-c", conf(users % '"foo", "bar"'))
    with s.raw() as c:
        c.connect(user="a", **{"pass": "p"})
        c.send(b"SUB foo 1\r\nSUB bar 2\r\n")
        c.ping()
        conf(users % '"bar"')
        reload(s)
        assert c.read_op().payload.startswith(b'Permissions Violation for Subscription to "foo"')
        c.send(b"PUB bar 1\r\nx\r\nPUB foo 1\r\nx\r\n")
        assert [op.sid for op in c.fence()] == [b"2"]


# --- files ------------------------------------------------------------------------------------------------------


def test_pid_and_ports_files_follow(start_server, conf, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    s = start_server("-c", conf(f'pid_file: "{one}/pid"\nports_file_dir: "{one}"'))
    assert (one / "pid").read_text() == str(s.pid)
    conf(f'pid_file: "{two}/pid"\nports_file_dir: "{two}"')
    reload(s)
    assert (two / "pid").read_text() == str(s.pid)
    assert [p.suffix for p in one.iterdir()] == [""]
    assert len(list(two.glob("*.ports"))) == 1  # it is there before the last line of the reload


def test_the_log_moves_to_another_file_and_back(start_server, conf, tmp_path):
    log = tmp_path / "x.log"
    s = start_server("-c", conf())
    conf(f'log_file: "{log}"')
    mark = s.mark()
    os.kill(s.pid, signal.SIGHUP)
    wait_text(log, "Reloaded server configuration", s)
    assert "Reloaded" not in s.log(since=mark)
    conf()
    reload(s)
    assert log.read_text().count("Reloaded server configuration") == 1


def wait_text(path, text, srv):
    """Until a file has it."""
    until = time.monotonic() + patience()
    while not (path.exists() and text in path.read_text()):
        srv.check_alive()
        assert time.monotonic() < until, f"never in {path.name}: {text}"
        time.sleep(0.01)  # there is nothing to wait on but the file


# --- systemd ----------------------------------------------------------------------------------------------------


def test_systemd_is_told_of_a_reload(start_server, conf, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(patience())
        s = start_server("-c", conf(), env={"NOTIFY_SOCKET": path})
        assert sock.recv(100) == b"READY=1\n"
        for text, outcome in (("max_payload: 5", RELOADED), ("nosuch: 1", FAILED)):
            conf(text)
            reload(s, outcome)
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+\n", sock.recv(100))
            assert sock.recv(100) == b"READY=1\n"


# --- while it serves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", ["1", "3"])
def test_C13_reloads_in_quick_succession_disturb_nobody(start_server, conf, shards):
    """Thirty reloads under traffic between all shards, of users and limits: every message arrives, in order, and nobody is closed."""
    users = 'authorization { users: [ {user: a, password: p}, {user: b%d, password: p} ] }\nmax_payload: %d'
    s = start_server("--cores", shards, "-c", conf(users % (0, 1000)))
    with s.raw() as pub, s.raw() as one, s.raw() as two:
        for c in (pub, one, two):
            c.connect(user="a", **{"pass": "p"})
        for c in (one, two):
            c.send(b"SUB n 1\r\n")
            c.ping()
        done = threading.Event()
        sent = [0]

        def publish():
            while not done.is_set():
                pub.send(b"".join(b"PUB n %d\r\n%d\r\n" % (len(b"%d" % i), i) for i in range(sent[0], sent[0] + 50)))
                sent[0] += 50
                pub.ping()

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            for i in range(30):
                conf(users % (i + 1, 1000 + i))
                reload(s)
        finally:
            done.set()
            thread.join()
        for c in (one, two):
            got = [int(op.payload) for op in c.fence() if op.verb == "MSG"]
            assert got == list(range(sent[0]))
