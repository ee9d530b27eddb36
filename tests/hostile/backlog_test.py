"""Subscribers that never read: they are cut, the others go on, and the memory comes back."""

import re

import pytest

from hostile.witness import MIB, Flood, until, wait_rss_below

PENDING_CUT = r"Slow Consumer Detected: MaxPending of %d Exceeded"
DEADLINE_CUT = r"Slow Consumer Detected: WriteDeadline of"
BIG = b"PUB flood 65536\r\n" + b"x" * 65536 + b"\r\n"
BIG_LEN = len(BIG) + 2  # of the MSG: one letter for PUB's, and " 1"

# "Given back two seconds after they left" (docs/benchmarks.md, stall). No measurement: enough beyond it for a machine that is busy.
GIVEN_BACK_S = 6


def stalled_subscriber(server, subject=b"flood", **kw):
    """It subscribes, has its PONG, and never reads again."""
    c = server.raw(rcvbuf=4096, **kw).connect()
    c.send(b"SUB %s 1\r\n" % subject)
    c.ping()
    return c


def n_logged(server, pattern):
    return len(re.findall(pattern, server.log()))


@pytest.mark.parametrize("max_pending", [1 << 20, 64 << 20], ids=["1M", "64M"])
def test_four_stalled_subscribers_are_cut_at_max_pending_and_their_memory_comes_back(start_server, served, max_pending):
    """Design: at most max_pending for each of them and 64 MiB, and it is back two seconds after they left."""
    server = start_server("--max_pending", max_pending)
    witness = served(server)
    stalled = [stalled_subscriber(server) for _ in range(4)]
    before = server.rss()
    flood = Flood(server.raw().connect(), BIG)
    until(lambda: witness.turn() or n_logged(server, PENDING_CUT % max_pending) == 4, "four subscribers to be cut", 60)
    flood.stop()
    assert flood.error is None, "the producer was cut, not only slowed down"
    flood.c.ping()
    for c in stalled:
        c.close()
    wait_rss_below(server, before + 32 * MIB, GIVEN_BACK_S)
    assert server.sanitized or server.rss_peak() <= before + 4 * max_pending + 64 * MIB


def test_stalled_subscribers_that_leave_by_themselves_give_their_memory_back(start_server, served):
    """They are held up, not cut; then they reset. Nothing may stay behind for them."""
    server = start_server()
    witness = served(server)
    stalled = [stalled_subscriber(server) for _ in range(4)]
    before = server.rss()
    publisher = server.raw().connect()
    Flood(publisher, BIG, limit=40 * MIB).finish()
    publisher.ping()
    witness.turn()
    for c in stalled:
        c.abort()
    wait_rss_below(server, before + 32 * MIB, GIVEN_BACK_S)
    assert n_logged(server, "Slow Consumer") == 0
