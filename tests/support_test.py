"""The helpers of tests/support do what they promise: the other suites lean on them.

A scripted peer stands in for the server, so that what is proven here does not depend on one.
"""

import os
import socket
import stat
import threading

import pytest

from support import Raw, Server, ServerDied

INFO = b'INFO {"server_id":"N1","max_payload":1048576} \r\n'


@pytest.fixture
def peer():
    """peer(bytes to send on accept, ...) -> (port, list of what it received until its client closed)."""
    listeners = []

    def start(*pieces, close=False):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        got = []

        def run():
            conn, _ = listener.accept()
            with conn:
                for piece in pieces:
                    conn.sendall(piece)
                if close:
                    conn.shutdown(socket.SHUT_WR)
                while data := conn.recv(65536):
                    got.append(data)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return listener.getsockname()[1], got, thread

    yield start
    for listener in listeners:
        listener.close()


def test_raw_reads_the_info_and_compares_bytes_that_come_in_pieces(peer):
    port, _, _ = peer(INFO[:9], INFO[9:], b"MSG a 1 2\r", b"\nok\r\nPO", b"NG\r\n")
    with Raw("127.0.0.1", port) as c:
        assert c.info["max_payload"] == 1048576
        c.expect(b"MSG a 1 2\r\nok\r\n")
        c.expect(b"PONG\r\n")


def test_raw_shows_a_difference(peer):
    port, _, _ = peer(INFO, b"+OK\r\n")
    with Raw("127.0.0.1", port) as c, pytest.raises(AssertionError, match="expected b'PONG"):
        c.expect(b"PONG\r\n")


def test_raw_answers_pings_between_operations_and_hides_them(peer):
    port, got, thread = peer(INFO, b"MSG a 1 2\r\nok\r\nPING\r\nPONG\r\nPING\r\n+OK\r\n")
    with Raw("127.0.0.1", port) as c:
        c.expect(b"MSG a 1 2\r\nok\r\nPONG\r\n")
        assert c.read_op().verb == "+OK"
    thread.join(20)
    assert b"".join(got) == b"PONG\r\nPONG\r\n"


def test_raw_keeps_pings_that_are_payload_or_wanted(peer):
    port, _, _ = peer(INFO, b"MSG a 1 6\r\nPING\r\n\r\nPING\r\n")
    with Raw("127.0.0.1", port) as c:
        assert c.read_op().payload == b"PING\r\n"
        c.expect(b"PING\r\n")


def test_raw_parses_every_operation(peer):
    port, _, _ = peer(
        INFO, b"HMSG a.b 7 in.box 12 14\r\nNATS/1.0\r\n\r\nhi\r\n-ERR 'Stale Connection'\r\n" + INFO + b"PONG\r\n", close=True)
    with Raw("127.0.0.1", port) as c:
        msg, err, info, pong = (c.read_op() for _ in range(4))
        assert (msg.verb, msg.subject, msg.sid, msg.reply) == ("HMSG", b"a.b", b"7", b"in.box")
        assert (msg.headers, msg.payload) == (b"NATS/1.0\r\n\r\n", b"hi")
        assert err.payload == b"Stale Connection" and info.verb == "INFO" and pong.verb == "PONG"
        assert c.read_op() is None
        c.expect_close()


def test_raw_reports_bytes_before_a_close(peer):
    port, _, _ = peer(INFO, b"-ERR 'x'\r\n", close=True)
    with Raw("127.0.0.1", port) as c, pytest.raises(AssertionError, match="expected the end"):
        c.expect_close()


def test_raw_does_not_wait_for_ever(peer):
    port, _, _ = peer(INFO)
    with Raw("127.0.0.1", port, timeout=0.2) as c, pytest.raises(AssertionError, match="nothing more arrived"):
        c.expect(b"PONG\r\n")


@pytest.fixture
def script(tmp_path):
    """A stand-in server program that logs as a server does and then runs the given shell text."""

    def write(text):
        path = tmp_path / "server"
        path.write_text("#!/bin/sh\necho '[1] 2026/01/01 00:00:00.000000 [INF] Listening for client connections on 127.0.0.1:4711' >&2\n"
                        "echo '[1] 2026/01/01 00:00:00.000001 [INF] Server is ready' >&2\n" + text)
        os.chmod(path, stat.S_IRWXU)
        return str(path)

    return write


def test_server_takes_the_port_from_the_log_and_waits_for_lines(script):
    with Server(script("trap 'echo bye >&2; exit 0' TERM\necho hello >&2\nwhile :; do read -r x < /dev/null; sleep 0.05; done\n")) as srv:
        assert srv.port == 4711
        srv.wait_log("hel+o")
        assert srv.rss() > 0 and srv.n_threads() == 1
        assert srv.stop() == 0
        assert "bye" in srv.log()


def test_server_that_ends_by_itself_is_noticed(script):
    srv = Server(script("exit 3\n"))
    with pytest.raises(ServerDied):
        srv.wait_log("never said")
    srv.proc.wait(20)  # its stderr is closed a moment before it is gone
    with pytest.raises(ServerDied, match="not running"):
        srv.stop()


def test_server_whose_sanitizer_spoke_is_broken(script):
    srv = Server(script("echo '==1==ERROR: AddressSanitizer: heap-use-after-free on address' >&2\n"
                        "trap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n"))
    srv.wait_log("AddressSanitizer")
    try:
        with pytest.raises(ServerDied, match="is broken"):
            srv.check_alive()
    finally:
        srv.kill()


def test_server_that_never_gets_ready_ends_the_test(tmp_path):
    path = tmp_path / "server"
    path.write_text("#!/bin/sh\necho 'cannot bind' >&2\nexit 1\n")
    os.chmod(path, stat.S_IRWXU)
    with pytest.raises(ServerDied, match="cannot bind"):
        Server(str(path))


def test_server_fixture_serves_and_restarts_on_its_port(server):
    """The server under test itself: start, serve, restart on the same port, kill, start again."""
    port = server.port
    server.check_serves()
    server.restart()
    assert server.port == port
    server.check_serves()
    server.restart(kill=True)
    assert server.port == port
    server.check_serves()
    assert server.cpu_ns() > 0 and server.n_fds() > 3
