"""Before a login nobody gets to use much of the server: time, memory, processor (sheet 05, section 9). And whoever is in is served meanwhile."""

import json

import pytest

from hostile.witness import MIB, until
from support import Raw

N_HASHES = 24
SLOW_HASH = "$2b$12$Q3emGxBAo27DFuRYeYlo6ezOvvbOPlx4kKacbFHwAhMtSitJ9pb16"  # of "right": a quarter of a second


@pytest.fixture
def logins(start_server, tmp_path):
    """logins(authorization's text, *flags) -> a server that asks for logins; user w/w is there for the witness."""
    def start(text, *flags):
        path = tmp_path / "logins.conf"
        path.write_text(f"authorization {{ {text} }}\n")
        return start_server("-c", str(path), *flags)
    return start


class Turns:
    """Somebody who is signed in, and whose messages come back in order, whatever goes on."""

    def __init__(self, server):
        self.c, self.n = server.raw().connect(user="w", **{"pass": "w"}), 0
        self.c.send(b"SUB turn 1\r\n")
        self.c.ping()

    def turn(self):
        self.n += 1
        text = b"%d" % self.n
        self.c.send(b"PUB turn %d\r\n%s\r\n" % (len(text), text))
        self.c.expect(b"MSG turn 1 %d\r\n%s\r\n" % (len(text), text))


WITNESS = "{user: w, password: w}"


def test_S9_control_line_bytes_before_a_login_are_bounded(logins):
    """Without a CONNECT nothing is kept at all; inside of one, a control line; and 500 of them are no burden."""
    srv = logins(f"timeout: 60, users = [{WITNESS}]")
    with srv.raw() as c:
        c.send(b"PUB x 1000000\r\n" + b"x" * 1000)
        c.expect_err("Authorization Violation")
        c.read_until_close()
    with srv.raw() as c:
        c.send(b'CONNECT {"user":"' + b"x" * 5000)
        c.expect_err("maximum control line exceeded")
        c.read_until_close()
    w = Turns(srv)
    before = srv.rss()
    half = [srv.raw() for _ in range(500)]
    for c in half:
        c.send(b'CONNECT {"user":"' + b"x" * 4000)
    w.turn()
    if not srv.sanitized:
        assert srv.rss() - before < 500 * 16384 + 4 * MIB
    for c in half:
        c.send(b"x" * 200)
        c.expect_err("maximum control line exceeded")
        c.close()
    w.turn()


def test_F6_a_login_that_drips_in_runs_out_of_time(logins):
    """A byte now and then keeps no connection open: the time runs from the start."""
    srv = logins(f'timeout: "500ms", users = [{WITNESS}]')
    w = Turns(srv)
    with srv.raw() as c:
        text = b'CONNECT {"name":"' + b"x" * 3000
        for i in range(len(text)):
            if c.pending():
                break
            try:
                c.send(text[i:i + 1])
            except OSError:
                break  # closed between the look and the byte
            w.turn()
        rest = c.read_until_close()
        assert rest == b"-ERR 'Authentication Timeout'\r\n" or (c.reset and i > 0)


def test_many_who_never_say_who_they_are(logins):
    srv = logins(f'timeout: "300ms", users = [{WITNESS}]')
    w = Turns(srv)
    n_fds = srv.n_fds()
    silent = [srv.raw() for _ in range(300)]
    for c in silent:
        w.turn()
        c.expect_err("Authentication Timeout")
        c.expect_close()
        c.close()
    until(lambda: srv.n_fds() <= n_fds, "the descriptors of those who left")
    w.turn()


def test_S9_failures_slow_nobody_down(logins):
    """Two hundred turns of somebody who is in are over before the hashes of the others are (a quarter of a second each): they wait for them
    in a queue of their own, whether their names exist or not."""
    srv = logins('users = [%s, {user: h, password: "%s"}], timeout: 600' % (WITNESS, SLOW_HASH))
    w = Turns(srv)
    bad = [srv.raw(timeout=300) for _ in range(N_HASHES)]
    for i, c in enumerate(bad):
        c.send(b"CONNECT " + json.dumps({"user": ("h", "x", f"n{i}")[i % 3], "pass": "wrong"}).encode() + b"\r\nPING\r\n")
    for _ in range(200):
        w.turn()
    waiting = [c for c in bad if not c.pending()]
    assert waiting, "the hashes were computed before the turns were over: they were not computed beside them"
    for c in bad:
        c.expect_err("Authorization Violation")
        c.read_until_close()
        c.close()
    with srv.raw(timeout=300) as c:
        c.connect(user="h", **{"pass": "right"})
    w.turn()


def test_who_leaves_does_not_leave_a_hash_behind(logins):
    """Clients that give up take their place in the queue with them: the last one is served long before all hashes could have been computed
    (24 of them, two seconds each on one processor)."""
    srv = logins('users = [%s, {user: h, password: "%s"}], timeout: "1s"' % (WITNESS, SLOW_HASH))
    w = Turns(srv)
    for _ in range(400):
        c = srv.raw()
        c.send(b'CONNECT {"user":"h","pass":"wrong"}\r\n')
        c.close()
    w.turn()
    with srv.raw(timeout=300) as c:
        c.send(b'CONNECT {"verbose":false,"user":"h","pass":"right"}\r\nPING\r\n')
        op = c.read_op()  # it may have to come again, when its time is over
        while op.verb != "PONG":
            assert op.payload == b"Authentication Timeout"
            again = Raw(srv.host, srv.port, timeout=300)
            again.send(b'CONNECT {"verbose":false,"user":"h","pass":"right"}\r\nPING\r\n')
            op = again.read_op()
    w.turn()


@pytest.mark.parametrize("what", [{"user": None, "pass": 5}, {"user": ["a"]}, {"pass": {"x": 1}}, {"auth_token": True}], ids=str)
def test_A3_credentials_of_wrong_types(logins, what):
    srv = logins(f"users = [{WITNESS}]")
    with srv.raw() as c:
        c.send(b"CONNECT " + json.dumps(what).encode() + b"\r\n")
        assert c.read_until_close() in (b"", b"-ERR 'Authorization Violation'\r\n")
    Turns(srv).turn()


def test_C6_the_last_of_duplicate_keys_is_the_one_that_counts(logins):
    """One reading of CONNECT decides, whatever the case of its keys."""
    srv = logins("user: a, password: b")
    for text, comes_in in ((b'{"user":"x","USER":"a","pass":"b"}', True), (b'{"user":"a","User":"x","pass":"b"}', False),
                           (b'{"user":"a","pass":"x","pass":"b"}', True), (b'{"user":"a","pass":"b","PASS":"x"}', False)):
        with srv.raw() as c:
            c.send(b"CONNECT " + text + b"\r\nPING\r\n")
            if comes_in:
                c.expect(b"+OK\r\nPONG\r\n")
            else:
                c.expect_err("Authorization Violation")
