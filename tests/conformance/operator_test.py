"""What an operator sets up and does, as stock clients see it: users, permissions, limits, lame duck mode. And services."""

import select
import signal
import time
from pathlib import Path

import pytest

from support import Server, deadline_after

from programs import Run, STUCK_TRIES_MAX, command_of
from relay import Relay

CONF = Path(__file__).parent / "conf"

WITH_SERVICES = ["nats_py", "nats_go", "jnats"]  # the libraries that bring a framework for services


@pytest.fixture(scope="module")
def shared(server_bin, server_args):
    """shared(name) -> one server for all tests that want conf/name.conf (None: no configuration)."""
    servers = {}

    def get(name):
        srv = servers.get(name)
        if srv is None or srv.proc.poll() is not None:
            conf = ["-c", CONF / f"{name}.conf"] if name else []
            srv = servers[name] = Server(server_bin, *conf, extra=server_args)
        return srv

    yield get
    for srv in servers.values():
        if srv.proc.poll() is None:
            srv.close()


@pytest.mark.parametrize("feature, conf", [("user_password", "users"), ("token", "token"), ("permissions", "users"), ("request_many", None)])
def test_client(program, feature, conf, shared):
    srv = shared(conf)
    with Run(program, feature, srv.url) as client:
        client.expect_ok()
    srv.check_alive()


@pytest.mark.parametrize("name", WITH_SERVICES)
def test_services_are_found_asked_and_counted(name, shared):
    srv = shared(None)
    with Run(command_of(name), "service", srv.url) as client:
        client.expect_ok()
    srv.check_alive()


def test_a_payload_that_is_too_large_ends_the_connection_with_its_error(program, shared):
    """The client believes in a larger max_payload than there is (another server's, one of before a reload) and sends."""
    srv = shared("limits")
    with Relay(srv.host, srv.port, b'"max_payload":1000,', b'"max_payload":9000,') as relay:
        with Run(program, "too_large", relay.url) as client:
            client.expect_ok()
    srv.check_serves()


def test_lame_duck_mode_is_told_and_the_client_goes_elsewhere(program, start_server):
    """The client knows two servers and is with the first. That one goes lame duck, says so, closes it and ends."""
    first, second = start_server("-c", CONF / "lame_duck.conf"), start_server()
    for _ in range(STUCK_TRIES_MAX):
        with Run(program, "lame_duck", f"{first.url},{second.url}") as client:
            client.expect_line("READY")
            assert first.stop(signal.SIGUSR2) == 0
            if client.stuck():
                first.start()
                continue
            client.expect_ok()
            return
    pytest.fail(f"{STUCK_TRIES_MAX} times the client itself got stuck", pytrace=False)


def test_a_slow_consumer_is_closed_and_comes_back(program, shared):
    """The client's process stands still while somebody floods its subscription. The server closes it; awake again, it
    finds its connection gone, connects anew, and its subscriptions work."""
    srv = shared("slow")
    for _ in range(STUCK_TRIES_MAX):
        with Run(program, "slow_consumer", srv.url) as client:
            client.expect_line("READY")
            client.proc.send_signal(signal.SIGSTOP)
            flood_until_slow(srv)
            client.proc.send_signal(signal.SIGCONT)
            if client.stuck():
                continue
            client.expect_ok()
            break
    else:
        pytest.fail(f"{STUCK_TRIES_MAX} times the client itself got stuck", pytrace=False)
    srv.check_serves()


def flood_until_slow(srv):
    """Publish on slow.x until the server has closed the one who listens there. When this returns, all of it has been handled:
    none of it meets the one who comes back."""
    message = b"PUB slow.x 65536\r\n" + bytes(65536) + b"\r\n"
    since, deadline = srv.mark(), deadline_after()
    with srv.raw() as c:
        c.connect()
        left = b""
        while "Slow Consumer Detected" not in srv.log(since):
            assert time.monotonic() < deadline, f"nobody is slow\n{srv.tail()}"
            left = left or message
            left = left[c.send_some(left):]
            select.select([], [c], [], 0.02)  # a producer may be made to wait, too
        c.send(left)
        c.fence()
