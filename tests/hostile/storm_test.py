"""Connections in masses, and the limits they run into: max_connections, descriptors, memory."""

import os
import re
import resource
import socket
import time

import pytest

from hostile.witness import MIB, Flood, Witness, until, wait_rss_below
from support import Raw

NOFILE = 80  # enough to start with many shards, soon exhausted
ACCEPT_FAILED = "Error accepting client connections"


def test_2000_connections_at_once_are_all_served(server, witness):
    """None is dropped, each has an INFO with a cid of its own, and the witness is served among them."""
    n_fds, before = server.n_fds(), server.rss()
    storm = [Raw(server.host, server.port, info=False) for _ in range(2000)]
    witness.turn()
    cids = {c.read_info()["client_id"] for c in storm}
    assert len(cids) == 2000
    for c in storm:
        c.send(b'CONNECT {"verbose":false}\r\nSUB storm 1\r\nPING\r\n')
    for c in storm:
        c.expect(b"PONG\r\n")
    witness.pub.send(b"PUB storm 2\r\nok\r\n")
    for c in storm:
        c.expect(b"MSG storm 1 2\r\nok\r\n")
    for c in storm:
        c.abort()
    until(lambda: server.n_fds() <= n_fds, "the descriptors to come back")
    wait_rss_below(server, before + 8 * MIB)


@pytest.mark.parametrize("how", ["at_once", "reset", "said_hello"])
def test_7000_that_come_and_go_leave_nothing_behind(server, witness, how):
    """Three times 7,000: gone before their INFO can be sent, gone by a reset, gone after a CONNECT and a SUB. The second half
    needs no more memory than the first (which has touched every receive buffer)."""
    def one():
        s = socket.create_connection((server.host, server.port))
        if how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == "said_hello":
            s.sendall(b'CONNECT {"verbose":false,"name":"a name that takes memory"}\r\nSUB churn.> 1\r\nPUB churn.x 0\r\n\r\n')
        s.close()

    n_fds = server.n_fds()
    for _ in range(3500):
        one()
    before = server.rss()
    for i in range(3500):
        one()
        if i % 300 == 0:
            witness.turn()
    until(lambda: server.n_fds() <= n_fds, "the descriptors to come back")
    wait_rss_below(server, before + 2 * MIB)


def test_half_a_line_from_each_of_500_is_bounded(server, witness):
    """Sheet 05, section 9: before CONNECT a connection may hold one control line, and no more."""
    before = server.rss()
    many = [server.raw() for _ in range(500)]
    for c in many:
        c.send(b'CONNECT {"name":"' + b"n" * 4000)
    witness.turn()
    for c in many:
        assert c.pending() == b""
    assert server.sanitized or server.rss() <= before + 500 * 20_000
    for c in many:
        c.close()
    wait_rss_below(server, before + 4 * MIB)


# --- max_connections --------------------------------------------------------------------------------------------------

def refused(server):
    with server.raw() as c:
        assert c.info["client_id"] > 0
        return c.read_until_close() == b"-ERR 'maximum connections exceeded'\r\n"


def test_above_max_connections_each_gets_an_INFO_and_a_reason(start_server, served):
    """100 are served. 300 more are told why not, and cost the 100 nothing. As one leaves, one may come."""
    server = start_server("--max_connections", 100)
    witness = served(server)
    inside = [server.raw().connect() for _ in range(98)]
    n_fds = server.n_fds()
    for i in range(300):
        assert refused(server)
        if i % 50 == 0:
            witness.turn()
    until(lambda: server.n_fds() <= n_fds, "the refused to be forgotten")
    for c in inside:
        c.ping()
    for c in inside[:10]:
        c.close()
    newcomers = []

    def let_in():
        c = server.raw()
        c.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        if c.read_line() == b"PONG":
            newcomers.append(c)
        else:
            c.close()
        return len(newcomers) == 10

    until(let_in, "ten newcomers to be let in")
    until(lambda: refused(server), "the limit to hold again")
    for c in inside[10:] + newcomers:
        c.ping()
        c.close()


def test_refused_connections_that_never_read_nor_leave_are_closed(start_server, served):
    """They are told, and closed by the server: they hold no descriptor, however long they stay."""
    server = start_server("--max_connections", 10)
    witness = served(server)
    inside = [server.raw().connect() for _ in range(8)]
    n_fds = server.n_fds()
    stubborn = [Raw(server.host, server.port, info=False, rcvbuf=4096) for _ in range(200)]
    witness.turn()
    until(lambda: server.n_fds() <= n_fds, "the refused to be closed")
    for c in stubborn + inside:
        c.close()
    until(lambda: not refused_quietly(server), "room")


def refused_quietly(server):
    with server.raw() as c:
        c.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        return c.read_line() != b"PONG"


def test_max_connections_zero_lets_nobody_in(start_server):
    server = start_server("--max_connections", 0)
    for _ in range(20):
        assert refused(server)
    server.check_alive()


# --- descriptors ------------------------------------------------------------------------------------------------------

def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))


def test_C9_out_of_descriptors_the_server_waits_without_spinning_and_recovers(start_server, served):
    """Everything is taken. Who is inside is served; who waits outside is let in as soon as somebody leaves."""
    server = start_server(preexec=few_files)
    witness = served(server)
    crowd = [Raw(server.host, server.port, info=False) for _ in range(NOFILE + 40)]
    server.wait_log(ACCEPT_FAILED)
    inside, outside = [], []
    until(lambda: witness.turn() or server.n_fds() == NOFILE, "the descriptors to be used up")
    for c in crowd:
        (inside if c.pending() else outside).append(c)
    assert inside and outside

    # While it lasts: ten more attempts, of a tenth of a second each, cost next to no CPU time, and the witness is served.
    def n_failed():
        return server.log().count(ACCEPT_FAILED)

    n, cpu, wall = n_failed(), server.cpu_ns(), time.monotonic()
    until(lambda: n_failed() >= n + 10, "ten more attempts")
    cpu, wall = server.cpu_ns() - cpu, (time.monotonic() - wall) * 1e9
    assert cpu < wall / 3, f"{cpu / 1e6:.0f} ms of CPU time in {wall / 1e6:.0f} ms of having nothing to do"
    witness.turn()

    for c in inside[:20]:
        c.close()
    for _ in range(20):
        until(lambda: any(c.pending() for c in outside), "somebody to be let in")
        at = next(i for i, c in enumerate(outside) if c.buf)
        c = outside.pop(at)
        c.read_info()
        c.connect()
        inside.append(c)
    witness.turn()
    for c in inside + outside:
        c.close()
    until(lambda: server.n_fds() < NOFILE // 2, "the descriptors to come back")


def test_C9_descriptors_are_not_inherited(server, witness):
    """Every one that the server opened is close-on-exec."""
    c = server.raw().connect()
    for fd in os.listdir(f"/proc/{server.pid}/fdinfo"):
        if int(fd) <= 2:
            continue
        with open(f"/proc/{server.pid}/fdinfo/{fd}") as f:
            flags = int(re.search(r"^flags:\s*(\d+)", f.read(), re.M).group(1), 8)
        assert flags & os.O_CLOEXEC, f"{fd}: {os.readlink(f'/proc/{server.pid}/fd/{fd}')}"
    c.close()


# --- memory -----------------------------------------------------------------------------------------------------------

def address_space(server):
    with server.raw() as c:
        c.connect()
        with open(f"/proc/{server.pid}/status") as f:
            return int(re.search(r"VmSize:\s+(\d+) kB", f.read()).group(1)) * 1024


def test_C8_without_memory_the_server_refuses_and_survives(start_server):
    """Its address space ends 96 MiB above what it started with, and four subscribers who do not read take all that. The publisher
    is held up or given up, they are given up, some perhaps who are innocent; the server lives, and serves whoever comes when they have gone."""
    probe = start_server()
    if probe.sanitized:
        pytest.skip("a sanitizer's shadow needs the address space")
    limit = address_space(probe) + 96 * MIB
    probe.stop()
    server = start_server("--write_deadline", "1s", preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    before = server.rss()
    for round_ in range(3):
        stalled = [server.raw(rcvbuf=4096).connect() for _ in range(4)]
        for c in stalled:
            c.send(b"SUB oom.%d 1\r\n" % round_)
            c.ping()
        mark = server.mark()
        publisher = server.raw().connect()
        flood = Flood(publisher, b"PUB oom.%d 65536\r\n" % round_ + bytes(65536) + b"\r\n", limit=60 * MIB)
        server.wait_log("out of buffers for its (out|in)put; closing it|Slow Consumer", since=mark, timeout=60)
        server.check_alive()
        for c in stalled:
            c.close()
        flood.finish()
        publisher.close()
        wait_rss_below(server, before + 16 * MIB)
    until(lambda: serves(server), "it to serve again")


def test_C8_subscriptions_until_memory_ends(start_server):
    """SUBs without end under a small address space: refused with an -ERR, or the connection is given up. Who was there before
    goes on, and the memory comes back."""
    probe = start_server()
    if probe.sanitized:
        pytest.skip("a sanitizer's shadow needs the address space")
    limit = address_space(probe) + 32 * MIB
    probe.stop()
    server = start_server(preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    witness = Witness(server)
    witness.turn()
    before = server.rss()
    c = server.raw().connect()
    refused = False
    for first in range(0, 1_000_000, 5_000):
        try:
            c.send(b"".join(b"SUB deep.subject.number.%d.%d %d\r\n" % (i, i, i) for i in range(first, first + 5_000)) + b"PING\r\n")
            while not refused:
                op = c.read_op()
                refused = op is None or op.payload == b"maximum subscriptions exceeded"
                if op is None or op.verb == "PONG":
                    break
        except OSError:
            refused = True
        if refused:
            break
    assert refused, "a million subscriptions fit into 32 MiB?"
    witness.turn()
    c.close()
    wait_rss_below(server, before + 16 * MIB)
    witness.close()


def serves(server):
    try:
        server.check_serves()
        return True
    except (AssertionError, OSError):
        server.check_alive()
        return False
