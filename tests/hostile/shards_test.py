"""Floods from shard to shard: full mailboxes push back, and nothing is lost, doubled or reordered for those who behave.

`--cores 4` is the least of it; --server-args may say otherwise (a run on one core proves the same sentences).
"""

import random
import socket
import struct
import threading

from hostile.witness import MIB, Drain, Flood, until
from support import patience


class Numbered:
    """A reader of messages "publisher.number": each publisher's come in order, without a gap, once."""

    def __init__(self, server, subject, queue=b""):
        self.c = server.raw().connect()
        self.c.send(b"SUB %b%b 1\r\n" % (subject, b" " + queue if queue else b""))
        self.c.ping()
        self.next = {}

    def read(self, n):
        for m in self.c.read_msgs(n):
            publisher, number = m.payload[:16].split()[:2]
            assert int(number) == self.next.get(publisher, 0), (publisher, number, self.next)
            self.next[publisher] = int(number) + 1

    def close(self):
        assert self.c.fence() == []
        self.c.close()


def in_parallel(*calls):
    """Run them all, each in a thread; the first failure is raised."""
    failed = []

    def run(call):
        try:
            call()
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
    for t in threads:
        t.start()
    for t in threads:
        t.join(patience(120))
        assert not t.is_alive(), "it hangs"
    if failed:
        raise failed[0]


SIZES = [16, 16, 200, 16, 3000, 5000, 16, 20_000, 16, 70_000]  # inline, by reference, over several buffers


def test_all_to_all_with_stalled_subscribers_loses_and_reorders_nothing(start_server, served):
    """Four publishers and four readers on four shards, and six subscribers who never read and are cut on the way."""
    server = start_server("--cores", 4, "--max_pending", 8 * MIB)
    witness = served(server)
    readers = [Numbered(server, b"all.>") for _ in range(4)]
    publishers = [server.raw().connect() for _ in range(4)]
    stalled = [server.raw(rcvbuf=4096).connect() for _ in range(6)]
    for c in stalled:
        c.send(b"SUB all.* 1\r\n")
        c.ping()
    per_round = 40
    for round_ in range(24):
        def block(p):
            out = []
            for i in range(round_ * per_round, (round_ + 1) * per_round):
                body = (b"%d %d " % (p, i)).ljust(SIZES[(i + p) % len(SIZES)], b".")
                out.append(b"PUB all.%d %d\r\n%b\r\n" % (p, len(body), body))
            return b"".join(out)

        blocks = [block(p) for p in range(4)]
        in_parallel(*[lambda c=c, b=b: c.send(b) for c, b in zip(publishers, blocks)],
                    *[lambda r=r: r.read(4 * per_round) for r in readers])
        witness.turn(1)
    until(lambda: server.log().count("MaxPending of") == 6, "the six to be cut")
    for c in stalled:
        c.close()
    for r in readers:
        r.close()
    for c in publishers:
        c.ping()


def test_a_publisher_faster_than_sixty_subscribers_waits_for_them(start_server, served):
    """Mailboxes of 1 MiB, and 80 MB to deliver: the publisher is held up, nobody is cut, every byte arrives in order."""
    server = start_server("--cores", 4)
    witness = served(server)
    n, one = 20_000, b"MSG fast 1 16\r\n%016d\r\n"
    subs = [server.raw().connect() for _ in range(60)]
    for c in subs:
        c.send(b"SUB fast 1\r\n")
        c.ping()
    reader, drains = subs[0], [Drain(c) for c in subs[1:]]
    publisher = server.raw().connect()
    flood = Flood(publisher, b"".join(b"PUB fast 16\r\n%016d\r\n" % i for i in range(n)), limit=1)
    for first in range(0, n, 1000):
        reader.expect(b"".join(one % i for i in range(first, first + 1000)))
        witness.turn(1)
    flood.finish()
    until(lambda: all(d.has(n * len(one % 0)) for d in drains), "the last bytes", 60)
    publisher.ping()
    assert "Slow Consumer" not in server.log()
    for c in subs:
        c.close()


def test_a_publisher_between_two_stalled_shards_is_served_again(start_server, served):
    """The subscribers stop reading, the producer is slowed down (never cut, never lost), they read again, all is there."""
    server = start_server("--cores", 4, "--max_pending", 64 * MIB, "--write_deadline", "1h")
    witness = served(server)
    body = bytes(65536)
    n = 900  # 56 MiB for each: above three quarters of max_pending, below all of it
    one = b"MSG again 1 65536\r\n" + body + b"\r\n"
    subs = [server.raw(rcvbuf=4096).connect() for _ in range(3)]
    for c in subs:
        c.send(b"SUB again 1\r\n")
        c.ping()
    publisher = server.raw().connect()
    flood = Flood(publisher, b"PUB again 65536\r\n" + body + b"\r\n", limit=n * 65536)
    witness.turn(20)
    flood.finish()
    publisher.ping()
    for c in subs:
        for _ in range(flood.n_blocks):
            c.expect(one)
        c.ping()
    publisher.send(b"PUB again 2\r\nok\r\n")
    for c in subs:
        c.expect(b"MSG again 1 2\r\nok\r\n")
        c.close()


# --- queue groups -------------------------------------------------------------------------------------------------------

class Member(threading.Thread):
    """A queue group member on a thread: notes the numbers it gets until it is told to leave."""

    def __init__(self, server, sid=b"1"):
        super().__init__(daemon=True)
        self.c = server.raw().connect()
        self.sid, self.got = sid, []
        self.c.send(b"SUB q.work grp %b\r\n" % sid)
        self.c.ping()
        self.error = None
        self.start()

    def run(self):
        try:
            while (op := self.c.read_op()) is not None:
                if op.verb == "PONG":
                    return
                self.got.append(int(op.payload))
        except (AssertionError, OSError) as e:
            self.error = e

    def leave(self):
        """In good order: what was on its way before the UNSUB was handled still comes, and is counted."""
        self.c.send(b"UNSUB %b\r\nPING\r\n" % self.sid)
        self.join(patience(60))
        assert not self.is_alive() and self.error is None, self.error
        self.c.close()
        return self.got

    def die(self):
        """By a reset, in the middle of whatever comes."""
        self.c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.c.sock.shutdown(socket.SHUT_RD)  # ends its read
        self.join(patience(60))
        self.c.close()
        return self.got


def publish_numbers(publisher, first, n):
    publisher.send(b"".join(b"PUB q.work 8\r\n%08d\r\n" % i for i in range(first, first + n)))
    return first + n


def test_members_that_leave_in_good_order_lose_nothing_and_double_nothing(start_server, served):
    """One member stays, others come and go by UNSUB while it pours: the group gets each message exactly once."""
    server = start_server("--cores", 4)
    witness = served(server)
    publisher = server.raw().connect()
    stays = Member(server)
    rng = random.Random(11)
    got, sent, members = [], 0, []
    for _ in range(60):
        while len(members) < 4:
            members.append(Member(server))
        sent = publish_numbers(publisher, sent, 200)
        leaver = members.pop(rng.randrange(len(members)))
        got += leaver.leave()
        witness.turn(1)
    sent = publish_numbers(publisher, sent, 200)
    publisher.ping()
    for m in [*members, stays]:
        got += m.leave()
    assert sorted(got) == list(range(sent))


def test_members_that_die_never_double_a_message_and_take_only_what_was_given_to_them(start_server, served):
    """Members are reset in the middle of it. At most once for each message; and what is published after the last of them has
    gone reaches the one that stayed, all of it."""
    server = start_server("--cores", 4)
    witness = served(server)
    publisher = server.raw().connect()
    stays = Member(server)
    rng = random.Random(12)
    got, sent, members = [], 0, []
    n_fds = server.n_fds()
    for _ in range(40):
        while len(members) < 4:
            members.append(Member(server))
        sent = publish_numbers(publisher, sent, 200)
        got += members.pop(rng.randrange(len(members))).die()
        witness.turn(1)
    for m in members:
        got += m.die()
    until(lambda: server.n_fds() <= n_fds, "the dead to be closed")
    publisher.ping()
    alone = sent
    sent = publish_numbers(publisher, sent, 1000)
    publisher.ping()
    mine = stays.leave()
    assert len(set(got + mine)) == len(got + mine), "a message was delivered twice"
    assert [i for i in mine if i >= alone] == list(range(alone, sent))
