"""Stock NATS clients in six languages: one test for each client and feature, with the program of its language."""

import pytest

from support import Server, free_port

from programs import Run, STUCK_TRIES_MAX

FEATURES = ["connect", "publish", "subscribe", "wildcards", "queue", "request", "no_responders", "headers", "drain",
            "no_echo", "max_payload", "auto_unsub"]


@pytest.fixture(scope="module")
def shared(server_bin, server_args):
    """shared() -> one server for all of these tests; a new one after a test has brought it down."""
    servers = []

    def get():
        if not servers or servers[-1].proc.poll() is not None:
            servers.append(Server(server_bin, extra=server_args))
        return servers[-1]

    yield get
    for srv in servers[:-1]:
        srv.kill()  # its test has failed already
    if servers:
        servers[-1].close()


@pytest.mark.parametrize("feature", FEATURES)
def test_client(program, feature, shared):
    srv = shared()
    with Run(program, feature, srv.url) as client:
        client.expect_ok()
    srv.check_alive()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_client_comes_back_when_the_server_does(program, kill, start_server):
    """Connected and subscribed; the server goes and comes back on its port; the client receives again."""
    srv = start_server(port=free_port())
    for _ in range(STUCK_TRIES_MAX):
        with Run(program, "reconnect", srv.url) as client:
            client.expect_line("READY")
            srv.restart(kill=kill)
            if client.stuck():
                continue
            client.expect_ok()
            break
    else:
        pytest.fail(f"{STUCK_TRIES_MAX} times the client itself got stuck", pytrace=False)
    srv.check_alive()
