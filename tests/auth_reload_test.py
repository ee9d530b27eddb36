"""Users, passwords and permissions change while the server runs. Where it says `start`, the same test runs against nats-server."""

import os
import re
import signal
import threading

import pytest

RELOADED = re.compile(r"\[INF\] Reloaded server configuration \(sha256:[0-9a-f]{64}\)$")
VIOLATION = "Authorization Violation"


@pytest.fixture(params=["start_server", "start_reference"])
def start(request):
    """Starts Midge, or nats-server."""
    return request.getfixturevalue(request.param)


def users(*entries):
    return "authorization { users = [\n" + "\n".join(entries) + "\n] }"


def reload(srv, timeout=None):
    mark = srv.mark()
    os.kill(srv.pid, signal.SIGHUP)
    srv.wait_log(RELOADED, since=mark, timeout=timeout)


def signed_in(srv, user, password):
    return srv.raw().connect(user=user, **{"pass": password})


def test_F24_who_is_in_is_looked_at_again(start, conf):
    srv = start("-c", conf(users("{user: same, pass: s}", "{user: gone, pass: g}", "{user: pass, pass: p}", "{user: kind, pass: k}")))
    same, gone, changed, kind = (signed_in(srv, u, p) for u, p in (("same", "s"), ("gone", "g"), ("pass", "p"), ("kind", "k")))
    conf(users("{user: same, pass: s}", "{user: pass, pass: P}", "{user: kind, pass: k, clients: [MQTT]}"))
    reload(srv)
    gone.expect_close()
    for c in (changed, kind):
        c.expect_err(VIOLATION)
        c.expect_close()
    same.ping()
    signed_in(srv, "pass", "P").close()
    for c in (same, gone, changed, kind):
        c.close()


def test_F24_a_bcrypt_hash_may_take_the_place_of_another(start_server, conf):
    """Whoever came in with it stays while it is the same; another one has to be shown the password again."""
    one = "$2a$04$Oy507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a"  # secret
    two = "$2a$04$tPnFAGlut9KqeyRbyVyLSO.xGZQnyCYY0MjWuUMkgn2eNzxU/MFG."
    srv = start_server("-c", conf(users(f'{{user: a, pass: "{one}"}}', f'{{user: b, pass: "{one}"}}')))
    a, b = signed_in(srv, "a", "secret"), signed_in(srv, "b", "secret")
    conf(users(f'{{user: a, pass: "{one}"}}', f'{{user: b, pass: "{two}"}}'))
    reload(srv)
    a.ping()
    b.expect_err(VIOLATION)
    b.expect_close()
    a.close()
    b.close()


def test_the_no_auth_users_password_is_nothing_to_who_brought_none(start_server, conf):
    """differences.py, no-auth-user-reload."""
    srv = start_server("-c", conf(users("{user: a, pass: p}") + "\nno_auth_user: a\n"))
    with srv.raw().connect() as c:
        conf(users("{user: a, pass: q}") + "\nno_auth_user: a\n")
        reload(srv)
        c.ping()


def test_F24_logins_may_be_asked_for_and_no_more(start, conf):
    srv = start("-c", conf(""))
    anon, silent = srv.raw().connect(), srv.raw()
    conf("authorization { token: t }")
    reload(srv)
    for c in (anon, silent):
        c.expect_err(VIOLATION)
        c.expect_close()
        c.close()
    token = srv.raw().connect(auth_token="t")
    conf("")
    reload(srv)
    token.ping()
    srv.raw().connect().close()
    conf("authorization { token: u }")
    reload(srv)
    token.expect_err(VIOLATION)
    token.expect_close()
    token.close()


def test_a_single_user_stays_while_nothing_of_it_changes(start_server, conf):
    """differences.py, single-user-reload: nats-server closes it at every reload."""
    srv = start_server("-c", conf("authorization { user: a, password: b }"))
    a = signed_in(srv, "a", "b")
    conf("ping_interval: 77\nauthorization { user: a, password: b }")
    reload(srv)
    a.ping()
    conf("authorization { user: a, password: c }")
    reload(srv)
    a.expect_close()
    a.close()


def test_permissions_change_under_a_connection(start, conf):
    srv = start("-c", conf(users("{user: a, pass: b}", "{user: all, pass: p}")))
    a, every = signed_in(srv, "a", "b"), signed_in(srv, "all", "p")
    a.send(b"SUB yes 1\r\nSUB no 2\r\nSUB x.* 3\r\nSUB y q 4\r\nSUB y 5\r\nPUB no 0\r\n\r\n")
    assert [op.verb for op in a.fence()] == ["MSG"]
    conf(users('{user: a, pass: b, permissions: {publish: {deny: "no"}, subscribe: {deny: ["no", "x.1", "y q"]}}}', "{user: all, pass: p}"))
    mark = srv.mark()
    reload(srv)
    assert sorted(op.payload for op in a.fence()) == [b'Permissions Violation for Subscription to "no" (sid "2")',
                                                      b'Permissions Violation for Subscription to "y" using queue "q" (sid "4")']
    srv.wait_log(re.escape('[INF] Removed sub "no" (sid "2") for User "a" - not authorized') + "$", since=mark)
    srv.wait_log(re.escape('[INF] Removed sub "y" using queue "q" (sid "4") for User "a" - not authorized') + "$", since=mark)
    every.send(b"PUB yes 0\r\n\r\nPUB no 0\r\n\r\nPUB x.1 0\r\n\r\nPUB x.2 0\r\n\r\nPUB y 0\r\n\r\n")
    every.fence()
    assert [op.subject for op in a.fence()] == [b"yes", b"x.2", b"y"]
    a.send(b"PUB no 0\r\n\r\nSUB no 9\r\n")
    assert [op.payload for op in a.fence()] == [b'Permissions Violation for Publish to "no"', b'Permissions Violation for Subscription to "no"']
    conf(users("{user: a, pass: b}", "{user: all, pass: p}"))
    reload(srv)
    every.send(b"PUB x.1 0\r\n\r\n")
    every.fence()
    assert [op.subject for op in a.fence()] == [b"x.1"]
    a.close()
    every.close()


def test_fifty_thousand_subscriptions_and_nobody_waits(start_server, conf):
    """All of one connection's subscriptions lose their right, while another user's messages go round and round on every shard."""
    n = 50_000
    srv = start_server("-c", conf(users("{user: a, pass: b}", "{user: w, pass: w}")))
    a, w = signed_in(srv, "a", "b"), signed_in(srv, "w", "w")
    a.send(b"".join(b"SUB s.%d %d\r\n" % (i, i) for i in range(n)))
    a.ping()
    w.send(b"SUB turn 1\r\n")
    w.ping()
    stop, turns = threading.Event(), []

    def go_round():
        while not stop.is_set():
            w.send(b"PUB turn 1\r\n.\r\n")
            w.expect(b"MSG turn 1 1\r\n.\r\n")
            turns.append(1)

    conf(users('{user: a, pass: b, permissions: {subscribe: "t.>"}}', "{user: w, pass: w}"))
    thread = threading.Thread(target=go_round)
    thread.start()
    try:
        reload(srv)
    finally:
        stop.set()
        thread.join()
    ops = a.fence()
    assert len(ops) == n and all(op.payload.startswith(b'Permissions Violation for Subscription to "s.') for op in ops)
    assert turns
    w.send(b"PUB s.7 0\r\n\r\n")
    w.fence()
    assert a.fence() == []
    a.close()
    w.close()


def test_C13_permissions_that_come_and_go_let_nothing_through(start_server, conf):
    """Twenty reloads, every other of which denies `odd`: what is published between a `denied` and the next reload never arrives. New connections
    come and go meanwhile."""
    allow = users("{user: a, pass: b}", "{user: all, pass: p}")
    deny = users("{user: a, pass: b, permissions: {subscribe: {deny: odd}}}", "{user: all, pass: p}")
    srv = start_server("-c", conf(allow))
    a, every = signed_in(srv, "a", "b"), signed_in(srv, "all", "p")
    a.send(b"SUB * 1\r\n")
    a.ping()
    for i in range(20):
        conf(deny if i % 2 == 0 else allow)
        with signed_in(srv, "a", "b"):
            reload(srv)
        every.send(b"PUB odd 0\r\n\r\nPUB even 0\r\n\r\n" * 50)
        every.fence()
        got = [op.subject for op in a.fence() if op.verb == "MSG"]
        assert got == [b"even"] * 50 if i % 2 == 0 else got == [b"odd", b"even"] * 50
    a.close()
    every.close()


def test_fifty_thousand_users(start_server, conf):
    """A file of 8 MB: each user has permissions of its own. The last of them comes in; after a reload the first, with another password."""
    def text(password):
        return users(*(f'{{user: "user-{i}", password: "{password}-{i}", permissions: {{publish: ["orders.{i}.*", "events.{i}.>"], subscribe: '
                       f'["_INBOX.{i}.>", "answers.{i}.*"]}}}}' for i in range(50_000)))
    srv = start_server("-c", conf(text("one")))
    with signed_in(srv, "user-49999", "one-49999") as c:
        c.send(b"PUB orders.49999.x 0\r\n\r\nPUB orders.49998.x 0\r\n\r\n")
        assert [op.payload for op in c.fence()] == [b'Permissions Violation for Publish to "orders.49998.x"']
        conf(text("two"))
        reload(srv)
        c.expect_err(VIOLATION)
    signed_in(srv, "user-0", "two-0").close()


def test_TOB_NATS_2_an_empty_list_of_kinds_is_all_kinds(start, conf):
    text = users("{user: a, pass: p, allowed_connection_types: []}", "{user: b, pass: p, allowed_connection_types: [MQTT]}")
    srv = start("-c", conf(text))
    with signed_in(srv, "a", "p") as a:
        for more in ("", "\nping_max: 7"):
            conf(text + more)
            reload(srv)
            a.ping()
            signed_in(srv, "a", "p").close()
            with srv.raw() as b:
                b.send(b'CONNECT {"user":"b","pass":"p"}\r\nPING\r\n')
                b.expect_err(VIOLATION)


def test_last_words_outlive_the_snapshot_they_are_of(start_server, conf):
    """C13: who came in as no_auth_user and does not read is closed by a reload; its closing is told after the old users are gone."""
    srv = start_server("-D", "-c", conf(users("{user: a, pass: p}") + "\nno_auth_user: a\nwrite_deadline: \"200ms\"\nhttp: \"127.0.0.1:-1\"\n"))
    with srv.raw(rcvbuf=4096) as c, srv.raw() as pub:
        c.connect()
        c.send(b"SUB x 1\r\n")
        c.ping()
        pub.connect()
        pub.send((b"PUB x 65536\r\n" + bytes(65536) + b"\r\n") * 60)
        pub.ping()
        mark = srv.mark()
        conf(users("{user: b, pass: p}") + "\nwrite_deadline: \"200ms\"\nhttp: \"127.0.0.1:-1\"\n")
        reload(srv)
        srv.wait_log(r"Slow Consumer Detected: WriteDeadline", since=mark)
    signed_in(srv, "b", "p").close()
