"""Very many subscriptions, and their comings and goings: bounded, given back, and nobody waits for them."""

import random

import pytest

from hostile.witness import MIB, Drain, Flood, until, wait_rss_below

N_MANY = 50_000


def subscribe_all(c, n, prefix):
    c.send(b"".join(b"SUB %b.%d %d\r\n" % (prefix, i, i) for i in range(n)))
    c.ping()


@pytest.mark.parametrize("end", ["close", "abort", "unsub"])
def test_50000_subscriptions_on_one_connection_come_and_go(server, witness, end):
    """Each delivers; then all go at once, the witness is served meanwhile, nothing is delivered any more, the memory is back."""
    publisher = server.raw().connect()
    probe = server.raw().connect(headers=True, no_responders=True)
    probe.send(b"SUB nobody 1\r\n")
    probe.ping()
    before = server.rss()
    for _ in range(2):
        c = server.raw().connect()
        subscribe_all(c, N_MANY, b"many")
        for i in range(0, N_MANY, 5_000):
            publisher.send(b"PUB many.%d 1\r\nx\r\n" % i)
            c.expect(b"MSG many.%d %d 1\r\nx\r\n" % (i, i))
        if end == "unsub":
            c.send(b"".join(b"UNSUB %d\r\n" % i for i in range(N_MANY)))
            witness.turn()
            c.ping()
            publisher.send(b"".join(b"PUB many.%d 1\r\nx\r\n" % i for i in range(0, N_MANY, 100)))
            publisher.ping()
            assert c.fence() == []
            c.close()
        else:
            getattr(c, end)()
        for _ in range(20):
            witness.turn(1)
        # The server itself says that nobody is left: 503.
        for i in (0, N_MANY // 2, N_MANY - 1):
            until(lambda: is_nobody_there(probe, b"many.%d" % i), "the subscriptions to be gone")
    wait_rss_below(server, before + 8 * MIB)


def is_nobody_there(probe, subject):
    """A request to `subject` is answered with 503."""
    probe.send(b"PUB %b nobody 0\r\n\r\n" % subject)
    ops = probe.fence()
    return len(ops) == 1 and ops[0].headers.startswith(b"NATS/1.0 503")


def test_max_subscriptions_is_a_limit_and_room_comes_back(start_server, served):
    """1,000 are accepted; each one more is refused by name, until one is given back; the others go on working."""
    server = start_server("--max_subscriptions", 1000)
    served(server)
    with server.raw() as c:
        c.connect()
        subscribe_all(c, 1000, b"lim")
        for _ in range(3):
            c.send(b"SUB one.more x\r\n")
            c.expect_err("maximum subscriptions exceeded")
        c.send(b"SUB lim.0 0\r\n")  # a sid in use: the limit is asked first (sheet 01, 3.4)
        c.expect_err("maximum subscriptions exceeded")
        c.send(b"UNSUB 7\r\nSUB one.more x\r\nPUB one.more 0\r\n\r\nPUB lim.7 0\r\n\r\nPUB lim.8 0\r\n\r\n")
        c.expect(b"MSG one.more x 0\r\n\r\nMSG lim.8 8 0\r\n\r\n")
        c.send(b"SUB again y\r\n")
        c.expect_err("maximum subscriptions exceeded")
        with server.raw() as other:  # the limit is each connection's own
            other.connect()
            other.send(b"SUB lim.1 1\r\n")
            assert other.fence() == []


def test_a_flood_of_refused_SUBs_does_not_grow_the_server(start_server, served):
    """200,000 of them, each answered by an -ERR that its sender reads late."""
    server = start_server("--max_subscriptions", 10)
    witness = served(server)
    c = server.raw().connect()
    subscribe_all(c, 10, b"lim")
    before = server.rss()
    n = 200_000
    block = b"SUB more x\r\n" * 2000
    flood = Flood(c, block, limit=n // 2000 * len(block))
    witness.turn(20)
    err = b"-ERR 'maximum subscriptions exceeded'\r\n"
    c.sock.settimeout(60)
    for _ in range(n // 2000):
        c.expect(err * 2000)
    flood.finish()
    c.ping()
    wait_rss_below(server, before + 16 * MIB)


def test_max_sub_tokens_is_a_limit(start_server, served):
    server = start_server("--max_sub_tokens", 4)
    served(server)
    with server.raw() as c:
        c.connect()
        c.send(b"SUB a.b.c.d 1\r\nSUB a.b.c.d.e 2\r\n")
        c.expect(b"-ERR 'Permissions Violation for Subscription to \"a.b.c.d.e\", too many tokens'\r\n")
        c.send(b"PUB a.b.c.d.e 0\r\n\r\nPUB a.b.c.d 0\r\n\r\n")
        c.expect(b"MSG a.b.c.d 1 0\r\n\r\n")


def test_C12_a_subject_of_2000_tokens_is_only_long(server, witness):
    """No recursion on what a peer made deep: subscribe, match and remove, plain and with wildcards."""
    deep = b".".join([b"t"] * 2000)
    wild = b".".join([b"*"] * 1990) + b".>"
    with server.raw() as c:
        c.connect()
        for sid, subject in enumerate((deep, wild, b"*." * 1999 + b"*")):
            c.send(b"SUB %b %d\r\n" % (subject, sid))
        c.send(b"PUB %b 0\r\n\r\n" % deep)
        assert sorted(m.sid for m in c.fence()) == [b"0", b"1", b"2"]
        c.send(b"UNSUB 0\r\nUNSUB 1\r\nUNSUB 2\r\nPUB %b 0\r\n\r\n" % deep)
        assert c.fence() == []


def test_UNSUB_max_under_a_flood_gives_exactly_max(server, witness):
    """Subscriptions that end after k messages, while they come without a pause: each gets its k, never one more."""
    publisher = server.raw().connect()
    flood = Flood(publisher, b"PUB auto 8\r\n12345678\r\n" * 50)
    rng = random.Random(5)
    with server.raw() as c:
        c.connect()
        for round_ in range(20):
            want = {b"%d.%d" % (round_, i): rng.randrange(1, 40) for i in range(10)}
            c.send(b"".join(b"SUB auto %b\r\nUNSUB %b %d\r\n" % (sid, sid, k) for sid, k in want.items()))
            got = dict.fromkeys(want, 0)
            while got != want:
                m = c.read_op()
                got[m.sid] += 1
                assert got[m.sid] <= want[m.sid], f"one too many for {m.sid}"
            witness.turn(1)
        assert c.fence() == []
    flood.stop()


def test_SUB_churn_under_a_flood_hurts_nobody(server, witness):
    """Six connections subscribe and unsubscribe by the thousand, all over the same subjects, while messages are
    published to them: the steady subscriber among them misses nothing, and nothing stays behind."""
    steady = server.raw().connect()
    steady.send(b"SUB churn.* s\r\n")
    steady.ping()
    before = server.rss()
    rng = random.Random(9)
    churners = [server.raw().connect() for _ in range(6)]
    floods = []
    for i, c in enumerate(churners):
        ops = []
        for sid in range(400):
            subject = rng.choice([b"churn.%d" % rng.randrange(9), b"churn.*", b"churn.>", b"*.%d" % rng.randrange(9), b"x.%d" % sid])
            ops.append(b"SUB %b%b %d\r\n" % (subject, rng.choice([b"", b" q"]), sid))
        rng.shuffle(ops)
        ops += [b"UNSUB %d\r\n" % sid for sid in rng.sample(range(400), 400)]
        floods.append(Flood(c, b"".join(ops)))
        Drain(c)
    publisher = server.raw().connect()
    n = 200 if server.sanitized else 600
    for first in range(0, n, 100):
        publisher.send(b"".join(b"PUB churn.%d 4\r\n%04d\r\n" % (i % 9, i) for i in range(first, first + 100)))
        assert [m.payload for m in steady.read_msgs(100)] == [b"%04d" % i for i in range(first, first + 100)]
        witness.turn(1)
    for flood in floods:
        flood.stop()
        assert flood.error is None
    for c in churners:
        c.close()
    assert steady.fence() == []
    wait_rss_below(server, before + 24 * MIB)


def test_C11_colliding_names_do_not_exist(server, witness):
    """Tables keyed by what peers choose are seeded (a collision cannot be computed), so 20,000 systematic subjects, sids and queue
    names cost what 20,000 random ones cost. Measured in CPU time of the server, with room for a factor of ten."""
    def cost(names):
        with server.raw() as c:
            c.connect()
            used = server.cpu_ns()
            c.send(b"".join(b"SUB %b %b %b\r\n" % (n, n, n) for n in names))
            c.ping()
            c.send(b"".join(b"UNSUB %b\r\n" % n for n in names))
            c.ping()
            return server.cpu_ns() - used

    rng = random.Random(3)
    n = 20_000
    random_names = [b"%016x" % rng.getrandbits(64) for _ in range(n)]
    cost(random_names)  # the tables have grown
    usual = max(cost(random_names), 5_000_000)
    for systematic in ([b"%016x" % i for i in range(n)],
                       [b"%016x" % (i << 44) for i in range(n)],
                       [b"%08x%08x" % (i, 0xFFFFFFFF - i) for i in range(n)],
                       [b"a" * 8 + bytes([33 + i % 90, 33 + i // 90 % 90, 33 + i // 8100]).replace(b".", b"~") for i in range(n)]):
        assert cost(systematic) < 10 * usual


def test_H14_a_reply_that_is_its_own_subject_starts_no_chain(server, witness):
    with server.raw() as c:
        c.connect(headers=True, no_responders=True)
        c.send(b"SUB x 1\r\nPUB x x 0\r\n\r\n")
        assert [op.subject for op in c.fence()] == [b"x"]
        c.send(b"PUB nobody x 0\r\n\r\n")
        (op,) = c.fence()
        assert op.headers.startswith(b"NATS/1.0 503") and op.reply is None
