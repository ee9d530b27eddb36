"""Whoever floods, others get their turn: newcomers, and those who are there. In terms of progress: between two of the
witness's messages, a bounded number of the flood's bytes may be handled."""

import pytest

from hostile.witness import MIB, Drain, Flood

FLOODS = {
    "sub": b"".join(b"SUB churn.%d %d\r\nUNSUB %d\r\n" % (i % 9, i, i) for i in range(1000)),
    "ping": b"PING\r\n" * 3000,
    "pub": b"PUB nobody 0\r\n\r\n" * 1000,
    "echo": b"SUB echo 1\r\n" + b"PUB echo 16\r\n0123456789abcdef\r\n" * 1000,
    "big": b"PUB nobody 262144\r\n" + bytes(262144) + b"\r\n",
    "connect": b'CONNECT {"verbose":false,"name":"somebody"}\r\n' * 500,
    "refused": b"SUB a..b 1\r\n" * 1000,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_six_floods_starve_neither_a_newcomer_nor_anybody_else(server, witness, kind):
    """Each of the six, as it comes, is itself a newcomer among the others. Then the witness publishes 15 times."""
    floods = []
    for _ in range(6):
        c = server.raw().connect()
        Drain(c)
        floods.append(Flood(c, FLOODS[kind]))
    for flood in floods:
        flood.wait_bytes(MIB // 4)
    witness.turn(1)
    before = sum(flood.n_bytes for flood in floods)
    for _ in range(15):
        witness.turn(1)
    assert sum(flood.n_bytes for flood in floods) - before < 15 * 64 * MIB
    server.check_serves()
    for flood in floods:
        flood.stop()
        assert flood.error is None
        flood.c.close()
