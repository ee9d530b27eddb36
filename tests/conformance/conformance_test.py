"""Stock NATS clients in six languages: one test for each client and feature, with the program of its language."""

import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import clients  # noqa: E402

from support import Server, deadline_after, free_port  # noqa: E402

FEATURES = ["connect", "publish", "subscribe", "wildcards", "queue", "request", "no_responders", "headers", "drain",
            "no_echo", "max_payload", "auto_unsub"]

STUCK = 75     # the exit code for it
TRIES_MAX = 8  # of a client that gets stuck

PREPARED = {}  # client -> its command, or the exception that says why there is none


@pytest.fixture(params=list(clients.CLIENTS))
def program(request):
    """The command of one client's program; skips where its toolchain is missing, fails where it cannot be built."""
    name = request.param
    if name not in PREPARED:
        try:
            PREPARED[name] = clients.prepare(name)
        except (clients.Missing, clients.BuildFailed) as e:
            PREPARED[name] = e
    if isinstance(PREPARED[name], clients.Missing):
        pytest.skip(f"{name}: {PREPARED[name]}")
    if isinstance(PREPARED[name], Exception):
        pytest.fail(f"{name} cannot be built: {PREPARED[name]}", pytrace=False)
    return PREPARED[name]


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


class Run:
    """A client program at work."""

    def __init__(self, command, feature, url):
        self.what = f"{' '.join(command)} {feature} {url}"
        self.deadline = deadline_after(90)
        self.proc = subprocess.Popen([*command, feature, url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        self.said = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()

    def read(self, enough):
        """Read until enough(what was said) or the end."""
        while not enough(self.said):
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.proc.stdout], [], [], left)[0]:
                pytest.fail(f"{self.what}: hangs, after it said {self.text()}", pytrace=False)
            data = self.proc.stdout.read1(65536)
            if not data:
                return
            self.said += data

    def text(self):
        return self.said.decode("utf-8", "replace")[-6000:]

    def expect_ready(self):
        self.read(lambda said: b"READY\n" in said)
        assert b"READY\n" in self.said, f"{self.what}: {self.text()}"

    def stuck(self):
        """The program itself says that its library got stuck with a message that it never sent (jnats: see there)."""
        self.read(lambda said: False)
        return self.proc.wait(30) == STUCK

    def expect_ok(self):
        self.read(lambda said: False)
        code = self.proc.wait(30)
        assert code == 0 and self.said.splitlines()[-1:] == [b"OK"], f"{self.what} ended with {code}: {self.text()}"


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
    for _ in range(TRIES_MAX):
        with Run(program, "reconnect", srv.url) as client:
            client.expect_ready()
            srv.restart(kill=kill)
            if client.stuck():
                continue
            client.expect_ok()
            break
    else:
        pytest.fail(f"{TRIES_MAX} times the client itself got stuck", pytrace=False)
    srv.check_alive()
