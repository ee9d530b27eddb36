"""Each hidden cost has a counter: here each is paid, and seen in /metrics. (Limits that are hit, and counted: limits_test.py.)"""

import os
import re
import signal
import time
from contextlib import contextmanager

import pytest

from support import deadline_after
from support.http import counted, counts, fetch

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLOW_HASH = "$2b$12$Q3emGxBAo27DFuRYeYlo6ezOvvbOPlx4kKacbFHwAhMtSitJ9pb16"  # of "right": a quarter of a second


def user(srv, name, **opts):
    return srv.raw().connect(user=name, **{"pass": "p"}, **opts)


def more_than(srv, name, n):
    """Wait until it is."""
    deadline = deadline_after()
    while counted(srv, name) <= n:
        assert time.monotonic() < deadline, f"{name} stays {n}"


# --- permissions ------------------------------------------------------------------------------------------------------


def test_permission_checks_that_nothing_spared(midge):
    """The same subject again is remembered; ever new ones are not."""
    srv = midge("authorization { users: [ {user: a, password: p, permissions: {publish: {allow: [\"o.>\"], deny: [\"o.no\"]}}} ] }")
    with user(srv, "a") as c:
        c.send(b"PUB o.1 0\r\n\r\n" * 500)
        c.ping()
        counts(srv, "perm_walks", 1)
        c.send(b"".join(b"PUB o.%d 0\r\n\r\n" % i for i in range(2, 502)))
        c.ping()
        counts(srv, "perm_walks", 501)
        c.send(b"PUB o.no 0\r\n\r\n" * 3)
        assert len(c.fence()) == 3
        counts(srv, "perm_walks", 502)
    counts(srv, "pubs_denied", 3)


def test_messages_withheld_from_a_wildcard(midge):
    srv = midge("authorization { users: [ {user: a, password: p}, {user: b, password: p, permissions: {subscribe: {deny: \"x.no\"}}} ] }")
    with user(srv, "a") as a, user(srv, "b") as b:
        b.send(b"SUB x.* 1\r\nSUB x.no 2\r\n")
        assert len(b.fence()) == 1
        a.send(b"PUB x.no 0\r\n\r\nPUB x.yes 0\r\n\r\n" * 10)
        a.ping()
        assert len(b.fence()) == 10
    counts(srv, "deliveries_denied", 10)
    counts(srv, "subs_denied", 1)
    assert counted(srv, "perm_walks") == 2


def test_responses_that_were_given_up(midge):
    """65,536 are noted; for ten more the oldest ten may not be sent any more."""
    srv = midge("authorization { users: [ {user: a, password: p}, {user: s, password: p, permissions: {subscribe: q, allow_responses: true}} ] }")
    with user(srv, "a") as a, user(srv, "s") as s:
        s.send(b"SUB q 1\r\n")
        s.ping()
        for i in range(0, 65536, 4096):
            a.send(b"".join(b"PUB q r.%d 0\r\n\r\n" % j for j in range(i, i + 4096)))
            s.read_msgs(4096)
        counts(srv, "responses_dropped", 0)
        a.send(b"".join(b"PUB q r.%d 0\r\n\r\n" % j for j in range(65536, 65546)))
        s.read_msgs(10)
        counts(srv, "responses_dropped", 10)
        s.send(b"PUB r.9 0\r\n\r\nPUB r.10 0\r\n\r\n")
        s.expect_err('Permissions Violation for Publish to "r.9"')
        s.ping()


def test_logins_that_find_the_queue_of_hashes_full(midge):
    """1,024 wait for a hash. Others are not read from until there is room; who needs none comes in meanwhile."""
    srv = midge('authorization { users: [ {user: a, password: p}, {user: h, password: "%s"} ], timeout: "3s" }' % SLOW_HASH)
    assert counted(srv, "auth_full") == 0
    many = [srv.raw() for _ in range(1100)]
    for c in many:
        c.send(b'CONNECT {"user":"h","pass":"wrong"}\r\n')
    more_than(srv, "auth_full", 0)
    with user(srv, "a") as a:
        a.ping()
    for c in many:
        c.close()
    deadline = deadline_after()
    while not let_in(srv, "h", "right"):  # its time may be over before their place in the queue is free
        assert time.monotonic() < deadline
    assert counted(srv, "auth_hashes") > 0


def let_in(srv, name, secret):
    with srv.raw() as c:
        c.send(b'CONNECT {"verbose":false,"user":"%b","pass":"%b"}\r\nPING\r\n' % (name.encode(), secret.encode()))
        return c.read_line() == b"PONG"


# --- the loop, and what is between shards -------------------------------------------------------------------------------


def test_turns_that_run_over_their_budget(midge):
    """64 deliveries for each of many messages that come at once."""
    srv = midge()
    with srv.raw() as c:
        c.connect()
        c.send(b"".join(b"SUB a %d\r\n" % i for i in range(64)))
        c.ping()
        c.send(b"PUB a 0\r\n\r\n" * 1500)
        c.read_msgs(64 * 1500)
        c.ping()
    assert counted(srv, "turns_cut") > 0


@contextmanager
def behind(srv, n):
    """A subscriber that has read nothing of n messages of 64 KiB."""
    with srv.raw(rcvbuf=4096) as sub, srv.raw() as pub:
        sub.connect()
        sub.send(b"SUB x 1\r\n")
        sub.ping()
        pub.connect()
        pub.send((b"PUB x 65536\r\n" + bytes(65536) + b"\r\n") * n)
        pub.ping()
        yield sub


def test_publishers_that_are_held_up(midge):
    """Once for each pause: a subscriber that does not read is three quarters full."""
    srv = midge("max_pending: 1048576")
    with behind(srv, 100):
        pass
    assert counted(srv, "stalls") > 0


def test_messages_dropped_in_place_of_holding_up(midge):
    srv = midge("max_pending: 1048576\nno_fast_producer_stall: true")
    with behind(srv, 300) as sub:
        got = len(sub.fence())
        counts(srv, "deliveries_dropped", 300 - got)
        assert got < 300


def test_what_shards_tell_each_other(midge):
    """Subscribers on all shards, so that one is not where the publisher is: a record for each message, or more. A shard alone tells nobody."""
    srv = midge("", "--cores", "2")
    n_shards = fetch(srv.http, "/varz").json()["gomaxprocs"]  # the run's own flags count more
    subs = [srv.raw().connect() for _ in range(4)]
    for c in subs:
        c.send(b"SUB big.> 1\r\n")
        c.ping()
    sent = counted(srv, "mbox_msgs_out")
    with srv.raw() as pub:
        pub.connect()
        pub.send((b"PUB big.a 60000\r\n" + bytes(60000) + b"\r\n") * 100)
        pub.ping()
    for c in subs:
        c.read_msgs(100)
        c.close()
    n_told = counted(srv, "mbox_msgs_out") - sent
    assert n_told >= 100 if n_shards > 1 else n_told == 0


def test_streams_that_are_taken_one_by_one(midge):
    """To nobody, to one subscriber or to one shard a stream goes together; to two subscribers it does not."""
    srv = midge("", "--cores", "1")
    with srv.raw() as c:
        c.connect()
        c.send(b"PUB a 1\r\nx\r\n" * 50)
        c.ping()
        assert counted(srv, "runs_slow") == 0
        c.send(b"SUB a 1\r\nSUB a 2\r\n")
        c.ping()
        c.send(b"PUB a 1\r\nx\r\n" * 50)
        assert len(c.fence()) == 100
    assert counted(srv, "runs_slow") > 0


# --- what is looked up, kept, told ----------------------------------------------------------------------------------------


def test_lookups_are_counted_by_where_they_end(midge):
    """The connection's last result, the results kept, or (the rest) a walk through the index."""
    srv = midge("", "--cores", "1")
    with srv.raw() as c:
        c.connect()
        c.send(b"SUB l.* 1\r\n")
        c.ping()
        was = {n: counted(srv, f"interest_{n}") for n in ("matches", "hint_hits", "cache_hits")}
        c.send(b"".join(b"PUB l.%d r 0\r\n\r\n" % (i % 2) for i in range(1000)))
        c.fence()
        now = {n: counted(srv, f"interest_{n}") - was[n] for n in was}
    walks = now["matches"] - now["hint_hits"] - now["cache_hits"]
    assert now["matches"] >= 1000 and now["cache_hits"] >= 900 and 2 <= walks <= 10


def test_closed_connections_that_are_not_remembered_whole(midge):
    """256 subscriptions of one are kept."""
    srv = midge()
    for n, cut in ((256, 0), (257, 1)):
        with srv.raw() as c:
            c.connect(name=f"with{n}")
            c.send(b"".join(b"SUB s%d %d\r\n" % (i, i) for i in range(n)))
            c.ping()
        deadline = deadline_after()
        while not (found := [c for c in closed(srv) if c["name"] == f"with{n}"]):
            assert time.monotonic() < deadline
        assert len(found[0]["subscriptions_list"]) == 256
        counts(srv, "closed_cut", cut)


def closed(srv):
    return fetch(srv.http, "/connz?state=closed&subs=1").json()["connections"]


@pytest.mark.parametrize("io", ["epoll", "auto"])
def test_the_way_to_the_system_is_shown(midge, io):
    srv = midge("", "--io", io)
    values = re.findall(r'^midge_shard_io_uring\{shard="\d+"\} (\d)$', fetch(srv.http, "/metrics").body.decode(), re.M)
    assert values and set(values) == {"1" if "io backend uring" in srv.log() else "0"}


def test_lines_that_were_only_counted(midge):
    """Each of them is logged, or counted."""
    srv = midge("authorization { token: t }")
    for _ in range(400):
        with srv.raw() as c:
            c.send(b'CONNECT {"auth_token":"wrong"}\r\n')
            c.read_until_close()
    counts(srv, "auth_failures", 400)
    deadline = deadline_after()
    while len(re.findall("authentication error", srv.log())) + counted(srv, "log_withheld") != 400:
        assert time.monotonic() < deadline


def test_what_a_reload_looks_at(midge, conf):
    srv = midge("authorization { users: [ {user: a, password: p} ] }")
    some = [user(srv, "a") for _ in range(10)]
    conf("authorization { users: [ {user: a, password: p}, {user: b, password: p} ] }")
    os.kill(srv.pid, signal.SIGHUP)
    srv.wait_log("Reloaded server configuration")
    counts(srv, "reload_conns", 10)
    assert counted(srv, "reloads") >= 1
    for c in some:
        c.close()
