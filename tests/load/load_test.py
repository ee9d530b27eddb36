"""Several cores under real load, every message counted.

What one thread cannot show (tests/sim) is the order in which one core sees another's stores. Here four shards pass each other messages, large
ones by reference, interest that comes and goes, and queue messages whose member has left, as fast as they can. The counts must be exact. Under
ThreadSanitizer (tools/check, py-tsan) the fixture fails the test on the first report.
"""

import re
import threading
import time

import pytest
from support.patience import deadline_after, patience

N_PUBLISHERS = 4
N_EACH = 8000        # messages of each publisher
BURST = 50           # messages in one write
LARGE_EVERY, LARGE = 40, 6000  # above 4 KiB a payload travels by reference
MSG = re.compile(rb"MSG load\.(\d) (\d+) (\d+)\r\n(\d) (\d+) (x*)\r\n")


class Reader(threading.Thread):
    """A connection whose bytes are read all the time, so that it never is a slow consumer."""

    def __init__(self, raw):
        super().__init__(daemon=True)
        self.raw = raw
        self.buf = bytearray()
        self.n_pongs = 0
        self.n_fences = 0
        self.more = threading.Condition()
        self.raw.sock.settimeout(None)
        self.start()

    def run(self):
        while True:
            try:
                data = self.raw.sock.recv(262144)
            except OSError:
                data = b""
            with self.more:
                if not data:
                    self.buf += b"END"
                    self.more.notify_all()
                    return
                tail = bytes(self.buf[-5:])
                self.buf += data
                self.n_pongs += (tail + data).count(b"PONG\r\n")
                self.more.notify_all()

    def say(self, data):
        self.raw.sock.sendall(data)

    def fence(self, data=b""):
        """Say data and a PING, and wait for the PONG."""
        self.n_fences += 1
        self.say(data + b"PING\r\n")
        deadline = deadline_after(60)
        with self.more:
            while self.n_pongs < self.n_fences:
                assert not self.buf.endswith(b"END"), f"closed by the server: {bytes(self.buf[-200:])!r}"
                assert self.more.wait(max(0.1, deadline - time.monotonic())) or time.monotonic() < deadline, "no PONG in time"

    def messages(self):
        """(publisher, number, sid) of all that came so far, in order."""
        with self.more:
            data = bytes(self.buf)
        found = []
        for m in MSG.finditer(data):
            assert m[1] == m[4] and int(m[3]) == len(m[4]) + len(m[5]) + len(m[6]) + 2, f"changed on its way: {m[0][:60]!r}"
            found.append((int(m[4]), int(m[5]), int(m[2])))
        assert len(found) == data.count(b"MSG load."), "bytes that are no message of ours"
        return found


@pytest.fixture
def connect(start_server):
    srv = start_server("--cores", "4")
    readers = []

    def make():
        raw = srv.raw()
        raw.connect()
        readers.append(Reader(raw))
        return readers[-1]

    make.server = srv
    yield make
    for r in readers:
        r.raw.close()


def publish(reader, who):
    """All messages of one publisher; returns when the server has handled them."""
    batch = []
    for n in range(N_EACH):
        payload = b"%d %d " % (who, n) + b"x" * (LARGE if n % LARGE_EVERY == 0 else n % 100)
        batch.append(b"PUB load.%d %d\r\n%s\r\n" % (who, len(payload), payload))
        if len(batch) == BURST:
            reader.say(b"".join(batch))
            batch = []
    reader.fence(b"".join(batch))


def all_of(numbers):
    return [(who, n) for who in range(N_PUBLISHERS) for n in range(N_EACH)] == sorted(numbers)


def in_order(messages):
    last = [-1] * N_PUBLISHERS
    for who, n, _ in messages:
        if n <= last[who]:
            return False
        last[who] = n
    return True


class Background:
    """Functions that are run again and again beside the load; the first failure is the test's."""

    def __init__(self, *functions):
        self.stop = threading.Event()
        self.failed = []
        self.threads = [threading.Thread(target=self.loop, args=(f,), daemon=True) for f in functions]

    def loop(self, function):
        try:
            while not self.stop.is_set():
                function()
        except Exception as e:  # told by the test's thread
            self.failed.append(e)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(patience(60))
        if self.failed:
            raise self.failed[0]


def test_counts_are_exact_under_load_and_churn(connect):
    plain = [connect() for _ in range(4)]
    literal = [connect() for _ in range(2)]
    steady = [connect() for _ in range(4)]
    stays, comes_and_goes = connect(), [connect() for _ in range(3)]
    for r in plain:
        r.fence(b"SUB load.* 1\r\n")
    for r in literal:
        r.fence(b"".join(b"SUB load.%d %d\r\n" % (who, who + 1) for who in range(N_PUBLISHERS)))
    for r in steady:
        r.fence(b"SUB load.> steady 2\r\n")
    stays.fence(b"SUB load.* restless 3\r\n")

    def join_and_leave(r):
        def once():
            r.fence(b"SUB load.* restless 3\r\n")
            r.fence(b"UNSUB 3\r\n")
        return once

    def come_and_close():
        raw = connect.server.raw()
        raw.connect()
        raw.send(b"SUB load.> 9\r\nSUB other.* 10\r\nPING\r\n")
        raw.close()

    publishers = [connect() for _ in range(N_PUBLISHERS)]
    threads = [threading.Thread(target=publish, args=(p, who), daemon=True) for who, p in enumerate(publishers)]
    with Background(come_and_close, *[join_and_leave(r) for r in comes_and_goes]):
        for t in threads:
            t.start()
        for t in threads:
            t.join(patience(120))
            assert not t.is_alive(), "a publisher did not get through"

    for r in plain + literal:
        r.fence()
        got = r.messages()
        assert all_of([(who, n) for who, n, _ in got]), f"{len(got)} of {N_PUBLISHERS * N_EACH} messages"
        assert in_order(got)
    for group in (steady, [stays] + comes_and_goes):
        # A message that is passed on, its member gone, may be a moment late.
        deadline = deadline_after(60)
        while sum(len(r.messages()) for r in group) < N_PUBLISHERS * N_EACH and time.monotonic() < deadline:
            for r in group:
                r.fence()
        got = [(who, n) for r in group for who, n, _ in r.messages()]
        assert all_of(got), f"{len(got)} of {N_PUBLISHERS * N_EACH} messages, {len(set(got))} different ones"
    for r in steady:
        assert in_order(r.messages())
        assert r.messages(), "a member of a group of four got nothing of thousands"


def test_who_sees_a_pong_is_seen_by_all(connect):
    """Round after round: A subscribes and sees its PONG, then B publishes, sees its PONG, then C publishes: A gets both, in that order."""
    n_rounds = 300
    a, b, c = connect(), connect(), connect()
    noise = [connect() for _ in range(4)]
    for r in noise:
        r.fence(b"SUB noise.> 1\r\n")

    def make_noise(r):
        return lambda: r.fence(b"PUB noise.a 16\r\n0123456789abcdef\r\n" * 20)

    with Background(*[make_noise(r) for r in noise]):
        for i in range(n_rounds):
            a.fence(b"SUB load.* %d\r\n" % (i + 1))
            b.fence(b"PUB load.0 %d\r\n0 %d \r\n" % (len("0 %d " % i), i))
            c.fence(b"PUB load.1 %d\r\n1 %d \r\n" % (len("1 %d " % i), i))
            a.fence(b"UNSUB %d\r\n" % (i + 1))
    expected = [(who, i, i + 1) for i in range(n_rounds) for who in (0, 1)]
    assert a.messages() == expected
