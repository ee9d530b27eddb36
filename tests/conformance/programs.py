"""The client programs at work: found or built once in a run of pytest, started, watched through what they print."""

import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import clients  # noqa: E402

from support import deadline_after, patience  # noqa: E402

STUCK = 75            # the exit code of a client that got stuck by a bug of its own
STUCK_TRIES_MAX = 8   # of such a client

PREPARED = {}  # client -> its command, or the exception that says why there is none


def command_of(name):
    """The command of one client's program; skips where its toolchain is missing, fails where it cannot be built."""
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

    def expect_line(self, line):
        """Wait until the program has said it: READY once it is set up, and what else its feature has."""
        line = line.encode() + b"\n"
        self.read(lambda said: line in said)
        assert line in self.said, f"{self.what}: {self.text()}"

    def stuck(self):
        """The program itself says that its library got stuck with a message that it never sent (jnats: see there)."""
        self.read(lambda said: False)
        return self.proc.wait(patience(30)) == STUCK

    def expect_ok(self):
        self.read(lambda said: False)
        code = self.proc.wait(patience(30))
        assert code == 0 and self.said.splitlines()[-1:] == [b"OK"], f"{self.what} ended with {code}: {self.text()}"
