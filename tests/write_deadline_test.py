"""Subscribers that read, but slowly: write_deadline and write_timeout, on Midge and on nats-server."""

import re
import select
import time

import pytest

from support import deadline_after

N_MSGS = 128
BODY = bytes(65536)
MSG = b"MSG slow 1 65536\r\n" + BODY + b"\r\n"
DETECTED = r'cid:\d+ - "v1:raw" - Slow Consumer Detected: WriteDeadline of 2s exceeded with \d+ chunks of \d+ total bytes\.'
STATE = DETECTED.replace("Detected", "State")
RECOVERED = r'cid:\d+ - "v1:raw" - Slow Consumer Recovered: Flush took \d+\.\d{3}s with \d+ chunks of \d+ total bytes\.'


class Trickle:
    """A subscriber for whom 8 MiB wait, and who reads 200 KB of them a second: always something, and no write's worth in time."""

    def __init__(self, server):
        self.server = server
        self.n_read = 0
        self.c = server.raw(rcvbuf=16384, mss=536).connect()
        self.c.send(b"SUB slow 1\r\n")
        self.c.ping()
        with server.raw() as publisher:
            publisher.connect()
            publisher.send((b"PUB slow 65536\r\n" + BODY + b"\r\n") * N_MSGS)
            publisher.ping()

    def read_until_logged(self, pattern):
        deadline = deadline_after()
        while not re.search(pattern, self.server.log()):
            assert time.monotonic() < deadline, f"no {pattern}\n{self.server.tail()}"
            self.read_some()
            time.sleep(0.02)  # this is how slowly it reads

    def read_some(self):
        """At most 4 KB, of what is here."""
        if select.select([self.c], [], [], 0)[0]:
            self.n_read += len(self.c.sock.recv(4096))


def slow_start(start_either, tmp_path, policy):
    path = tmp_path / "slow.conf"
    path.write_text(f'write_deadline: "2s"\n{policy}\n')
    return start_either("-c", path)


@pytest.mark.parametrize("policy", ["", "write_timeout: close"])
def test_a_write_that_is_taken_too_slowly_ends_the_connection(start_either, tmp_path, policy):
    server = slow_start(start_either, tmp_path, policy)
    slow = Trickle(server)
    slow.read_until_logged(DETECTED)
    while slow.c.fill():
        pass
    slow.c.close()
    assert not re.search(STATE + "|" + RECOVERED, server.log())
    server.check_serves()


# What is shown is how both servers look from outside; core/net/conn_write_test.c shows the same in virtual time. Here the reader must get its turn
# twice in two seconds, whatever else the machine does: by hand, and in long runs.
@pytest.mark.long
def test_with_retry_a_slow_reader_stays_and_gets_everything(start_either, tmp_path):
    server = slow_start(start_either, tmp_path, "write_timeout: retry")
    slow = Trickle(server)
    slow.read_until_logged(DETECTED)
    slow.read_until_logged(STATE)
    while slow.n_read < N_MSGS * len(MSG):
        assert slow.c.fill(), f"it was closed\n{server.tail()}"
        slow.n_read += len(slow.c.buf)
        del slow.c.buf[:]
    server.wait_log(RECOVERED)
    slow.c.ping()
    slow.c.close()
