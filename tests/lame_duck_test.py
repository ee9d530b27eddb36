"""SIGUSR2: clients are told, then closed one by one, then the server ends. Each test plays on Midge and on nats-server.

The schedule itself is tested with virtual time (core/net/lame_duck_test.c); here the times are the shortest that both servers allow.
"""

import os
import signal
import socket
import time

import pytest

from support import patience

SHORT = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "%s"\n'


@pytest.fixture(params=["start_server", "start_reference"])
def start(request, tmp_path):
    """Starts Midge, or nats-server, with a grace period: start("1s")."""
    begin = request.getfixturevalue(request.param)

    def start_with(grace, *flags):
        path = tmp_path / "x.conf"
        path.write_text(SHORT % grace)
        return begin("-c", str(path), *flags)

    return start_with


def enter(srv):
    os.kill(srv.pid, signal.SIGUSR2)
    srv.wait_log(r"\[INF\] Entering lame duck mode, stop accepting new clients$")


def connect(c):
    """Connect as clients do: there is another INFO behind the first PONG."""
    c.connect(protocol=1)
    assert c.read_info()["connect_info"] is True


def test_clients_are_told_and_closed_and_the_server_ends_with_0(start):
    s = start("1ms")
    with s.raw() as a, s.raw() as old:
        connect(a)
        old.connect(protocol=0)
        enter(s)
        info = a.read_info()
        assert info["ldm"] is True and "connect_info" not in info
        a.expect_close()
        old.expect_close()
        assert s.wait_end() == 0
    log = s.log()
    at = [log.index(text) for text in ("Entering lame duck mode", "Closing existing clients", "Initiating Shutdown...", "Server Exiting..")]
    assert at == sorted(at)


def test_nobody_comes_in_and_who_is_there_is_served(start):
    s = start("10s")
    with s.raw() as a, s.raw() as b:
        a.connect(protocol=0)
        b.connect(protocol=0)
        enter(s)
        with pytest.raises(OSError):
            # The listener closes a moment after the line is written: until then a connection gets its INFO, or is closed without a word.
            while True:
                with socket.create_connection((s.host, s.port), timeout=patience()) as c:
                    assert c.recv(1) in (b"", b"I")
        a.send(b"SUB x 1\r\n")
        a.ping()
        b.send(b"PUB x 2\r\nhi\r\n")
        b.ping()
        a.expect(b"MSG x 1 2\r\nhi\r\n")
        s.kill()  # not to wait for the grace period


def test_sigterm_is_ignored_meanwhile_and_sigint_is_not(start):
    s = start("10s")
    with s.raw() as a:
        a.connect(protocol=0)
        enter(s)
        os.kill(s.pid, signal.SIGTERM)
        s.wait_log(r'Trapped "terminated" signal$')
        os.kill(s.pid, signal.SIGUSR2)  # twice is once
        s.wait_log(r'Trapped "user defined signal 2" signal$')
        a.ping()
        assert s.stop(signal.SIGINT) == 0
        a.expect_close()
    assert "Closing existing clients" not in s.log()
    assert s.log().count("Entering lame duck mode") == 1


def test_a_grace_period_is_one(start):
    """Who is there is served until it is over. (A lower bound of time: slowness only adds to it.)"""
    s = start("1s")
    with s.raw() as a:
        a.connect(protocol=0)
        begin = time.monotonic()
        enter(s)
        a.ping()
        a.read_until_close()
        assert time.monotonic() - begin >= 1
        assert s.wait_end() == 0
    assert "Closing existing clients" in s.log()


@pytest.mark.parametrize("shards", ["1", "3"])
def test_nobody_is_waited_for_who_has_left(start_server, tmp_path, shards):
    """nats-server waits for the rest of the grace period, and pauses for each connection that is gone."""
    path = tmp_path / "x.conf"
    path.write_text(SHORT % "29s")
    s = start_server("-c", str(path), "--cores", shards)
    clients = [s.raw() for _ in range(5)]
    for c in clients:
        connect(c)
    enter(s)
    for c in clients:
        assert c.read_info()["ldm"] is True
        c.close()
    assert s.wait_end() == 0
    assert "Closing existing clients" not in s.log()


def test_many_clients_are_closed_one_by_one_on_all_shards(start_server, tmp_path):
    path = tmp_path / "x.conf"
    path.write_text(SHORT % "1ms")
    s = start_server("-D", "-c", str(path), "--cores", "3")
    clients = [s.raw() for _ in range(4)]
    for c in clients:
        c.connect()
    enter(s)
    for c in clients:
        c.auto_pong = True
        c.read_until_close()
        c.close()
    assert s.wait_end() == 0
    assert s.log().count("Client connection closed: Server Shutdown") == 4
