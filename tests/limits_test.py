"""Each limit of the configuration sheet is hit: what is just at it passes, one more is refused, told, and counted where others can see it.

What nats-server limits, too, plays on both (`start`). More of the same, in every form of each operation: tests/oracle/recorded/limits.py.
HIT at the end says for every option that is a limit which test hits it.
"""

import os
import re
import subprocess
import time

import pytest

from support import deadline_after, patience
from support.http import Http, counted, counted_in, counts, fetch, monitor_port, until

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(params=["start_server", "start_reference"])
def start(request, conf):
    """start(text, *flags): Midge, or nats-server, by a file. Midge has its monitoring on: srv.http is its port."""
    begin = request.getfixturevalue(request.param)

    def by(text, *flags):
        srv = begin("-c", conf(text), "-m", "-1", *flags)
        srv.http = monitor_port(srv)
        srv.counts = request.param == "start_server"
        return srv

    return by


def closed_with(c, text):
    """The connection ends with -ERR 'text'; None: without a word. (The server's PINGs aside.)"""
    ops = []
    c.auto_pong = False  # nothing can be said any more
    while (one := c.read_op()) is not None:
        if one.verb != "PING":
            ops.append(one)
    assert [(o.verb, o.payload) for o in ops] == ([] if text is None else [("-ERR", text.encode())])


def check(server_bin, path, *flags):
    """What `-t` says: exit code, text."""
    done = subprocess.run([server_bin, "-t", "-c", str(path), *flags], capture_output=True, text=True, timeout=patience(), check=False)
    return done.returncode, done.stderr


# --- connections and subscriptions ------------------------------------------------------------------------------------


def test_max_connections(start):
    srv = start("max_connections: 3")
    inside = [srv.raw().connect() for _ in range(3)]
    for _ in range(5):
        with srv.raw() as c:
            closed_with(c, "maximum connections exceeded")
    counts(srv, "conns_refused", 5)
    for c in inside:
        c.ping()
        c.close()


@pytest.mark.parametrize("n", ["0", "-1", "-2147483649"])
def test_max_connections_of_none(start, n):
    srv = start(f"max_connections: {n}")
    with srv.raw() as c:
        closed_with(c, "maximum connections exceeded")
    counts(srv, "conns_refused", 1)


def test_max_subscriptions(start):
    srv = start("max_subscriptions: 3")
    with srv.raw() as c:
        c.connect()
        c.send(b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n")
        c.ping()
        c.send(b"SUB d 4\r\n")
        c.expect_err("maximum subscriptions exceeded")
        c.send(b"UNSUB 1\r\nSUB d 4\r\n")
        c.ping()
        counts(srv, "subs_refused", 1)


@pytest.mark.parametrize("key", ["max_sub_tokens", "max_subscription_tokens"])
def test_max_sub_tokens(start, key):
    """255 is the most that can be configured."""
    srv = start(f"{key}: 255")
    with srv.raw() as c:
        c.connect()
        at = b".".join([b"t"] * 255)
        c.send(b"SUB %b 1\r\n" % at)
        c.ping()
        c.send(b"SUB %b.t 2\r\n" % at)
        c.expect_err(f'Permissions Violation for Subscription to "{at.decode()}.t", too many tokens')


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [128, 4096, 65536])
@pytest.mark.parametrize("verb", [b"SUB", b"PUB", b"CONNECT"])
def test_max_control_line(start, verb, limit):
    """The smallest that Midge takes, the default, and the largest. On the way to peer shards, too."""
    srv = start(f"max_control_line: {limit}")
    head, tail = {b"SUB": (b"x.", b" 1"), b"PUB": (b"x.", b" r.r 0"), b"CONNECT": (b'{"verbose":false,"name":"', b'"}')}[verb]
    with srv.raw() as c, srv.raw() as near, srv.raw() as far:
        for sub in (c, near, far):
            sub.connect()
            sub.send(b"SUB x.> 7\r\n")
            sub.ping()
        fill = limit - len(head) - len(tail)
        c.send(verb + b" " + head + b"a" * fill + tail + b"\r\n" + (b"\r\n" if verb == b"PUB" else b""))
        assert [len(o.line) for o in c.fence()] == ([len(b"MSG 7 r.r 0") + fill + len(head) + 1] if verb == b"PUB" else [])
        for sub in (near, far):
            assert len(sub.fence()) == (verb == b"PUB")
        c.send(verb + b" " + head + b"a" * (fill + 1) + tail + b"\r\n")
        closed_with(c, "maximum control line exceeded")
    counts(srv, "protocol_errors", 1)


@pytest.mark.parametrize("limit", [1, 64, MIB])
def test_max_payload(start, limit):
    srv = start(f"max_payload: {limit}")
    with srv.raw() as c:
        c.connect()
        assert c.info["max_payload"] == limit
        c.send(b"SUB a 1\r\nPUB a %d\r\n%b\r\n" % (limit, b"x" * limit))
        assert [len(o.payload) for o in c.fence()] == [limit]
        c.send(b"PUB a %d\r\n" % (limit + 1))
        closed_with(c, "Maximum Payload Violation")
    counts(srv, "payloads_refused", 1)


def test_max_payload_counts_headers(start):
    srv = start("max_payload: 64")
    head = b"NATS/1.0\r\n\r\n"
    with srv.raw() as c:
        c.connect(headers=True)
        c.send(b"SUB a 1\r\nHPUB a %d 64\r\n%b%b\r\n" % (len(head), head, b"x" * (64 - len(head))))
        assert [len(o.headers + o.payload) for o in c.fence()] == [64]
        c.send(b"HPUB a %d 65\r\n" % len(head))
        closed_with(c, "Maximum Payload Violation")
    counts(srv, "payloads_refused", 1)


def test_the_largest_max_payload_there_is(midge):
    """64 MiB, whole and to several shards; nats-server goes on from there."""
    n = 64 * MIB
    srv = midge(f"max_payload: {n}\nmax_pending: {n + KIB}")
    body = bytes(range(256)) * (n // 256)
    with srv.raw() as a, srv.raw() as b, srv.raw() as pub:
        for c in (a, b, pub):
            c.connect()
        for c in (a, b):
            c.send(b"SUB a 1\r\n")
            c.ping()
        pub.send(b"PUB a %d\r\n" % n)
        pub.send(body + b"\r\n")
        pub.fence()
        for c in (a, b):
            assert c.read_msgs(1)[0].payload == body
        pub.send(b"PUB a %d\r\n" % (n + 1))
        closed_with(pub, "Maximum Payload Violation")


@pytest.mark.parametrize("size, warned", [(8 * MIB, False), (8 * MIB + 1, True)])
def test_payloads_above_8_MiB_are_warned_of(start, size, warned):
    log = start(f"max_payload: {size}").log()
    assert ("Maximum payloads over 8.00 MB are generally discouraged and could lead to poor performance" in log) is warned


def test_max_pending(start):
    """What is queued for a connection, that message included, may be exactly so much."""
    srv = start("max_pending: 65536\nmax_payload: 65536")
    frame = len(b"MSG a 1 65000\r\n\r\n")
    with srv.raw() as pub:
        pub.connect()
        for more in (0, 1):
            n = 65536 - frame + more
            with srv.raw() as sub:
                sub.connect()
                sub.send(b"SUB a 1\r\n")
                sub.ping()
                until(srv.http, "/connz", lambda p: all(c["pending_bytes"] == 0 for c in p["connections"]))  # that PONG is not counted any more
                pub.send(b"PUB a %d\r\n%b\r\n" % (n, b"x" * n))
                pub.fence()
                if more:
                    closed_with(sub, None)
                else:
                    assert [len(o.payload) for o in sub.fence()] == [n]
    srv.wait_log("Slow Consumer Detected: MaxPending of 65536 Exceeded")
    counts(srv, "slow_consumers_pending", 1)


@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
def test_max_payload_may_be_as_large_as_max_pending(request, conf, which):
    said = "max_payload (70001) cannot be higher than max_pending (70000)"
    binary = request.getfixturevalue(which)
    for payload, refused in ((70000, False), (70001, True)):
        path = conf(f"max_payload: {payload}\nmax_pending: 70000\npid_file: /nonexistent/x")  # which ends the start, where it begins
        done = subprocess.run([binary, "-p", "-1", "-c", str(path)], capture_output=True, text=True, timeout=patience(), check=False)
        assert done.returncode == 1 and (said in done.stderr) is refused and ("Could not write pidfile" in done.stderr) is not refused


# --- silence and slowness -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4])
def test_ping_max(start, n):
    """So many PINGs may be unanswered; when the next one would be due, it is over."""
    srv = start(f'ping_interval: "100ms"\nping_max: {n}')
    with srv.raw(auto_pong=False) as c:
        c.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        c.expect(b"PONG\r\n")
        assert c.read_until_close() == b"PING\r\n" * n + b"-ERR 'Stale Connection'\r\n"
    counts(srv, "stale_conns", 1)


def test_auth_timeout(start):
    srv = start('authorization { user: a, password: b, timeout: "400ms" }')
    with srv.raw() as late, srv.raw() as good:
        good.connect(user="a", **{"pass": "b"})
        closed_with(late, "Authentication Timeout")
        good.ping()
    counts(srv, "auth_timeouts", 1)


@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
@pytest.mark.parametrize("timeout, warned", [("60", False), ('"60s"', False), ("60.000001", True), ("61", True), ('"1m1s"', True)])
def test_logins_of_more_than_60_seconds_are_warned_of(request, conf, which, timeout, warned):
    code, said = check(request.getfixturevalue(which), conf(f"authorization {{ token: t, timeout: {timeout} }}"))
    shown = timeout.strip('"')
    assert code == warned and (f"timeout of {shown} (6" in said and "is high, consider keeping it under 60 seconds" in said) is warned


def test_write_deadline(start):
    """Who takes nothing for so long is closed; who takes a little now and then is not (tests/hostile/peers_test.py)."""
    srv = start('write_deadline: "300ms"')
    with srv.raw(rcvbuf=4096) as sub, srv.raw() as pub:
        sub.connect()
        sub.send(b"SUB a 1\r\n")
        sub.ping()
        pub.connect()
        pub.send((b"PUB a 65536\r\n" + b"x" * 65536 + b"\r\n") * 200)  # more than the kernel keeps
        pub.fence()
        srv.wait_log(r"Slow Consumer Detected: WriteDeadline of 300ms exceeded")
    counts(srv, "slow_consumers_deadline", 1)


LAME = "lame duck grace period ({}) should be strictly lower than lame duck duration (30s)"


@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
@pytest.mark.parametrize("text, said", [
    ('lame_duck_duration: "30s"', None),
    ('lame_duck_duration: "29.999999999s"', "invalid lame_duck_duration of 29.999999999s, minimum is 30 seconds"),
    ('lame_duck_grace_period: "-1ns"', "invalid lame_duck_grace_period, needs to be positive"),
    ('lame_duck_grace_period: "0s"', None),
    ('lame_duck_duration: "30s"\nlame_duck_grace_period: "29.999999999s"', None),
    ('lame_duck_duration: "30s"\nlame_duck_grace_period: "30s"', LAME.format("30s")),
])
def test_lame_duck_times(request, conf, which, text, said):
    path = conf(text + "\npid_file: /nonexistent/x")
    done = subprocess.run([request.getfixturevalue(which), "-p", "-1", "-c", str(path)], capture_output=True, text=True, timeout=patience(), check=False)
    assert done.returncode == 1 and (said or "Could not write pidfile") in done.stderr


# --- users --------------------------------------------------------------------------------------------------------------


RESPONDER = """authorization { users: [
    {user: asks, password: p}
    {user: answers, password: p, permissions: {subscribe: "q.>", allow_responses: %s}} ] }"""


def asked(srv):
    """(who asks, who answers); the first listens on r.>, and has asked once, with the reply r.1."""
    asks, answers = (srv.raw().connect(user=u, **{"pass": "p"}) for u in ("asks", "answers"))
    answers.send(b"SUB q.> 1\r\n")
    answers.ping()
    asks.send(b"SUB r.> 1\r\nPUB q.a r.1 0\r\n\r\n")
    assert answers.read_msgs(1)[0].reply == b"r.1"
    return asks, answers


@pytest.mark.parametrize("responses, n", [("true", 1), ("{}", 1), ("{max: 0}", 1), ("{max: 3}", 3), ("{max_msgs: 100}", 100)])
def test_allow_responses_max(start, responses, n):
    srv = start(RESPONDER % responses)
    asks, answers = asked(srv)
    answers.send(b"PUB r.1 1\r\nx\r\n" * n)
    answers.ping()
    answers.send(b"PUB r.1 1\r\ny\r\n")
    answers.expect_err('Permissions Violation for Publish to "r.1"')
    assert [o.payload for o in asks.fence()] == [b"x"] * n
    counts(srv, "pubs_denied", 1)
    asks.close()
    answers.close()


def test_allow_responses_without_limits(start):
    srv = start(RESPONDER % '{max: -1, expires: "-1s"}')
    asks, answers = asked(srv)
    answers.send(b"PUB r.1 1\r\nx\r\n" * 1000)
    assert answers.fence() == []
    assert len(asks.fence()) == 1000
    asks.close()
    answers.close()


def test_allow_responses_expires(start):
    """As many as one likes, until it is over."""
    srv = start(RESPONDER % '{max: -1, expires: "500ms"}')
    asks, answers = asked(srv)
    deadline = deadline_after()
    ops = []
    while not ops:
        assert time.monotonic() < deadline, "it never expires"
        answers.send(b"PUB r.1 1\r\nx\r\n")
        ops = answers.fence()
    assert ops[0].payload == b'Permissions Violation for Publish to "r.1"'
    assert all(o.payload == b"x" for o in asks.fence())
    counts(srv, "pubs_denied", 1)
    asks.close()
    answers.close()


# --- logs and traces ----------------------------------------------------------------------------------------------------


def test_max_traced_msg_len(start):
    srv = start("trace: true\nmax_traced_msg_len: 4")
    with srv.raw() as c:
        c.connect()
        c.send(b"PUB a 4\r\nabcd\r\nPUB a 5\r\nefghi\r\n")
        c.fence()
    srv.wait_log(r'<<- MSG_PAYLOAD: \["abcd"\]$')
    srv.wait_log(r'<<- MSG_PAYLOAD: \["efgh\.\.\."\]$')


# --- the file -----------------------------------------------------------------------------------------------------------


def ranges():
    """(option, least, most) of the guide's table of options (core/server/options_doc_test.c holds it to the code's)."""
    with open(os.path.join(ROOT, "docs", "operating.md"), encoding="utf-8") as f:
        return [(m[1], int(m[2]), int(m[3])) for m in re.finditer(r"^\| `(\w+)`[^|]*\|[^|]*\|[^|]*\| (-?\d+) \.\. (\d+)", f.read(), re.M)]


FORGIVING = {"max_connections", "max_subscriptions", "log_max_num"}  # less than none is none, as in nats-server
UNLIKE = {"max_sub_tokens": (1, 255)}


@pytest.mark.parametrize("option, least, most", ranges())
def test_numbers_have_bounds(server_bin, conf, option, least, most):
    """The least and the most are taken, what is beyond them is named."""
    least, most = UNLIKE.get(option, (least, most))
    room = {"max_payload": "\nmax_pending: 100MB", "max_pending": "\nmax_payload: 1000"}.get(option, "")
    for n in (least, most):
        assert check(server_bin, conf(f"{option}: {n}{room}"))[0] == 0, n
    for n in (least - 1, most + 1):
        if n == -1 and option in FORGIVING or n == 0:  # 0 is the default where it is nothing else; of max_sub_tokens below
            continue
        code, said = check(server_bin, conf(f"{option}: {n}{room}"))
        assert code == 1 and option in said, n
    assert len(ranges()) >= 12


@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
@pytest.mark.parametrize("n, said", [("0", "max_sub_tokens value can not be negative"), ("-1", "max_sub_tokens value can not be negative"),
                                     ("1", None), ("255", None), ("256", "max_sub_tokens value is too big")])
def test_max_sub_tokens_has_bounds(request, conf, which, n, said):
    code, text = check(request.getfixturevalue(which), conf(f"max_sub_tokens: {n}"))
    assert code == (said is not None) and (said or "is valid") in text


@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
@pytest.mark.parametrize("option", ["max_payload", "max_control_line"])
def test_2_GiB_are_too_much(request, conf, which, option):
    code, text = check(request.getfixturevalue(which), conf(f"{option}: 2147483648\nmax_pending: 3GB"))
    assert code == 1 and f"{option} value is too big" in text


@pytest.mark.parametrize("option", ["ping_interval", "write_deadline"])
def test_durations_have_bounds(server_bin, conf, option):
    assert check(server_bin, conf(f'{option}: "1ms"'))[0] == 0
    for bad in ("999us", "-1s", "2562047h"):
        code, said = check(server_bin, conf(f'{option}: "{bad}"'))
        assert code == 1 and f"{option} is out of range" in said


@pytest.mark.parametrize("n, good", [("9223372036854775807", True), ("9223372036854775808", False), ("-9223372036854775808", True),
                                     ("-9223372036854775809", False), ("9223372036854775k", True), ("9223372036854776k", False), ("7EB", True),
                                     ("9e", True), ("10e", False), ("7EiB", True), ("8EiB", False)])
def test_integers_have_64_bits(server_bin, conf, n, good):
    """Suffixes as well: nats-server overflows without a word. (log_size_limit has no bounds of its own.)"""
    code, said = check(server_bin, conf(f"log_size_limit: {n}"))
    assert code == (not good) and (good or f"integer '{n}' is out of the range" in said)


@pytest.mark.parametrize("depth, good", [(16, True), (17, False)])
def test_files_in_files(server_bin, tmp_path, depth, good):
    """The first file includes one, which includes one ...: so deep, and no deeper."""
    for i in range(depth + 1):
        (tmp_path / f"f{i}.conf").write_text(f"include f{i + 1}.conf\n" if i < depth else "max_payload: 77\n")
    code, said = check(server_bin, tmp_path / "f0.conf")
    assert code == (not good) and (good or "too many files include each other" in said)


def test_a_file_in_itself(server_bin, tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.conf").write_text(f"include {other}.conf\n")
    code, said = check(server_bin, tmp_path / "a.conf")
    assert code == 1 and "the file includes itself" in said


@pytest.mark.parametrize("left, right", [("{a:", "}"), ("[", "]")])
def test_brackets_in_brackets(server_bin, conf, left, right):
    """128 of them; what stands inside is no option, and is named as such."""
    for depth, said in ((128, 'unknown field "x"'), (129, "Maps and arrays are nested too deeply.")):
        code, text = check(server_bin, conf("x: " + left * depth + " 1 " + right * depth))
        assert code == 1 and said in text


@pytest.mark.parametrize("weights, good", [((60, 40), True), ((60, 41), False), ((100,), True), ((101,), False), ((0, 100), True), ((-1,), False)])
@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
def test_weights_of_mappings(request, conf, which, weights, good):
    dests = ", ".join(f"{{dest: d{i}, weight: {w}}}" for i, w in enumerate(weights))
    assert check(request.getfixturevalue(which), conf(f"mappings {{ a: [{dests}] }}"))[0] == (not good)


@pytest.mark.parametrize("which", ["server_bin", "reference_bin"])
@pytest.mark.parametrize("name, good", [("x", True), ("x" * 10000, True), ("a b", False), ("a\\tb", True)])
def test_names_of_servers(request, conf, which, name, good):
    """No spaces; no other bound than the file's."""
    code, said = check(request.getfixturevalue(which), conf(f'server_name: "{name}"'))
    assert code == (not good) and (good or "server name cannot contain spaces" in said)


def test_long_names_and_many_tags_are_told_whole(start):
    """In INFO, and by monitoring."""
    tags = [f"tag{i}" for i in range(2000)]
    srv = start(f"server_name: {'n' * 20000}\nserver_tags: [{', '.join(tags + tags)}]")
    with srv.raw() as c:
        assert c.info["server_name"] == "n" * 20000
        c.connect()
    page = fetch(srv.http, "/varz").json()
    assert page["server_name"] == "n" * 20000 and page["tags"] == tags


def test_a_subject_made_longer_than_a_control_line_goes_nowhere(midge):
    srv = midge('max_control_line: 128\nmappings { "m.*": "%s.$1" }' % ("d" * 100))
    with srv.raw() as c:
        c.connect()
        c.send(b"SUB > 1\r\nPUB m.%b 0\r\n\r\nPUB m.%b 0\r\n\r\n" % (b"x" * 27, b"y" * 28))
        assert [o.subject for o in c.fence()] == [b"d" * 100 + b"." + b"x" * 27]
    counts(srv, "mapped_too_long", 1)


# --- monitoring -----------------------------------------------------------------------------------------------------------


def test_max_closed_clients(start):
    srv = start("max_closed_clients: 3")
    for i in range(5):
        with srv.raw() as c:
            c.connect(name=f"c{i}")
        until(srv.http, "/connz?state=closed", lambda p: any(c["name"] == f"c{i}" for c in p["connections"]))
    until(srv.http, "/connz?state=closed", lambda p: [c["name"] for c in p["connections"]] == ["c2", "c3", "c4"])


def answered(port, request):
    """Status of the answer; 0: closed without one."""
    with Http(port) as h:
        try:
            h.send(request)
            r = h.read()
        except OSError:  # refused before all of it was sent
            return 431
        return r.status if r else 0


def test_heads_of_http_requests(midge):
    """1 MiB, 100 lines of headers, 8 KiB of a query string: at it 200, one more is refused and counted."""
    srv = midge("")
    first, last = b"GET /healthz HTTP/1.1\r\n", b"\r\n"
    host = b"Host: a\r\n"
    for lines, status in ((100, 200), (101, 431)):
        assert answered(srv.http, first + host + b"".join(b"X-%d: y\r\n" % i for i in range(lines - 1)) + last) == status
    counts(srv, "http_refused", 1)
    for size, status in ((MIB, 200), (MIB + 1, 431)):
        fill = size - len(first + host + b"X: \r\n" + last)
        assert answered(srv.http, first + host + b"X: " + b"y" * fill + b"\r\n" + last) == status
    counts(srv, "http_refused", 2)
    for size, status in ((8192, 200), (8193, 400)):
        assert fetch(srv.http, "/connz?" + "q" * size).status == status


@pytest.mark.parametrize("n_other, newcomer, gone", [(128, "127.0.0.4", 0), (127, "127.0.0.2", 127)], ids=["all", "of_one_address"])
def test_http_connections(midge, n_other, newcomer, gone):
    """256 at a time, 128 of one address: for one more the one that idles for longest goes, of all or of that address, and is counted."""
    srv = midge("")
    idle = [Http(srv.http, source="127.0.0.3") for _ in range(n_other)] + [Http(srv.http, source="127.0.0.2") for _ in range(128)]
    for h in idle:
        assert h.get("/healthz").status == 200
    with Http(srv.http, source=newcomer) as more:
        assert more.get("/healthz").status == 200
        assert idle[gone].at_end()
        assert all(h.get("/healthz").status == 200 for i, h in enumerate(idle) if i != gone)
        assert counted_in(more.get("/metrics"), "http_evicted") == 1
    for h in idle:
        h.sock.close()


def test_a_head_has_five_seconds(midge):
    srv = midge("")
    with Http(srv.http) as h:
        h.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert h.read().status == 400
    counts(srv, "http_refused", 1)


# --- the list -------------------------------------------------------------------------------------------------------------


HERE = "limits_test.py"
HIT = {
    "max_connections": (HERE, "test_max_connections"), "max_subscriptions": (HERE, "test_max_subscriptions"), "max_sub_tokens": (HERE, "test_max_sub_tokens"),
    "max_control_line": (HERE, "test_max_control_line"), "max_payload": (HERE, "test_max_payload"), "max_pending": (HERE, "test_max_pending"),
    "max_closed_clients": (HERE, "test_max_closed_clients"), "ping_interval": (HERE, "test_durations_have_bounds"), "ping_max": (HERE, "test_ping_max"),
    "write_deadline": (HERE, "test_write_deadline"), "no_fast_producer_stall": ("options_test.py", "test_without_stalling_a_slow_subscriber_loses_messages_and_stays"),
    "lame_duck_duration": (HERE, "test_lame_duck_times"), "lame_duck_grace_period": ("lame_duck_test.py", "test_a_grace_period_is_one"),
    "log_size_limit": ("log_test.py", "test_F16_a_file_is_rotated_and_so_many_are_kept"), "log_max_num": ("log_test.py", "test_F16_a_file_is_rotated_and_so_many_are_kept"),
    "max_traced_msg_len": (HERE, "test_max_traced_msg_len"), "port": (HERE, "test_numbers_have_bounds"), "http_port": (HERE, "test_numbers_have_bounds"),
    "cores": (HERE, "test_numbers_have_bounds"), "timeout": (HERE, "test_auth_timeout"), "allow_responses": (HERE, "test_allow_responses_max"),
}


def test_every_option_that_is_a_limit_is_hit():
    """All of the guide that have a range, or are called a limit by name, and nothing that is no option."""
    with open(os.path.join(ROOT, "docs", "operating.md"), encoding="utf-8") as f:
        guide = f.read()
    table = guide[guide.index("<!-- options: begin -->"):guide.index("Known, and refused:")]
    options = set(re.findall(r"^\| `(\w+)`", table, re.M))
    limits = {name for name, _, _ in ranges()} | {o for o in options if re.search(r"max|limit|lame|stall|deadline|ping_", o)}
    assert limits - set(HIT) == set()
    assert set(HIT) - options == {"timeout", "allow_responses"}  # of authorization
    for file, test in HIT.values():
        with open(os.path.join(ROOT, "tests", file), encoding="utf-8") as f:
            assert f"def {test}(" in f.read()
