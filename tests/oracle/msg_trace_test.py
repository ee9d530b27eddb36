"""Message tracing beside nats-server: the same messages give the same deliveries, errors and trace events.

What may differ is normalised: ids, times and addresses are held to their form, connections are told by their role, the order of
egress (which nats-server takes from a hash map) and the member that a queue group picks do not count.
"""

import gzip
import json
import re

import pytest

REFERENCE_VERSION = "2.14.5"
SENTINEL = b"NATS/1.0\r\nNats-Trace-Dest: td.end\r\n\r\n"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")


def block(*fields):
    return b"NATS/1.0\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


DEST = b"Nats-Trace-Dest: td.a"
ONLY = b"Nats-Trace-Only: 1"

# (what is shown, subject and reply, header block)
STEPS = [
    ("plain subscribers and a queue group", b"bar", block(DEST, b"X: 1", b"X: 2", b"Y:  <a>\t")),
    ("a queue group alone", b"q.1", block(DEST)),
    ("nobody", b"nobody", block(DEST)),
    ("nobody, and a reply", b"nobody in", block(DEST)),
    ("own subscription, no echo", b"mine", block(DEST)),
    ("own queue subscription, no echo", b"mineq", block(DEST)),
    ("trace only", b"bar", block(DEST, ONLY)),
    ("trace only, with a reply", b"bar in", block(DEST, ONLY)),
    ("trace only to nobody, with a reply", b"nobody in", block(DEST, ONLY)),
    ("trace only: true", b"bar", block(DEST, b"Nats-Trace-Only:true")),
    ("trace only: ON", b"bar", block(DEST, b"Nats-Trace-Only:   ON ")),
    ("trace only: yes is no", b"bar", block(DEST, b"Nats-Trace-Only: yes")),
    ("trace only: 0", b"bar", block(DEST, b"Nats-Trace-Only: 0")),
    ("trace only twice", b"bar", block(DEST, b"Nats-Trace-Only: 1", b"Nats-Trace-Only: 0")),
    ("trace only without a destination", b"bar", block(ONLY)),
    ("a destination that is none", b"bar", block(b"Nats-Trace-Dest: td.*")),
    ("a destination that is none, trace only", b"bar", block(b"Nats-Trace-Dest: td.*", ONLY)),
    ("no destination", b"bar", block(b"Nats-Trace-Dest: ")),
    ("tracing disabled", b"bar", block(b"Nats-Trace-Dest: trace disabled")),
    ("tracing disabled, trace only", b"bar", block(b"Nats-Trace-Dest: trace disabled", ONLY)),
    ("a destination of the server's", b"bar", block(b"Nats-Trace-Dest: _GR_.a")),
    ("a destination of the server's, trace only", b"bar", block(b"Nats-Trace-Dest: $NRG.a", ONLY)),
    ("a subject of the server's", b"_GR_.a", block(DEST)),
    ("a subject of the server's, trace only", b"$NRG.a", block(DEST, ONLY)),
    ("a subject and a destination of the server's", b"_GR_.a", block(b"Nats-Trace-Dest: _GR_.b")),
    ("a reply of the server's", b"bar _R_.x", block(DEST)),
    ("an empty token", b"bar..x", block(DEST)),
    ("a published wildcard", b"bar.*", block(DEST)),
    ("two destinations", b"bar", block(DEST, b"Nats-Trace-Dest: td.b")),
    ("an empty destination before the one", b"bar", block(b"Nats-Trace-Dest:", DEST)),
    ("the name in lower case", b"bar", block(b"nats-trace-dest: td.a")),
    ("no blank behind the colon", b"bar", block(b"Nats-Trace-Dest:td.a")),
    ("blanks and tabs around the value", b"bar", block(b"Nats-Trace-Dest: \t td.a \t")),
    ("a hop", b"bar", block(DEST, b"Nats-Trace-Hop: 1")),
    ("traced by an old server", b"bar", block(DEST, b"A: b", b"Nats-Trace-Origin-Account: A")),
    ("traced by an old server, twice", b"bar in", block(DEST, b"Nats-Trace-Origin-Account: A", b"Nats-Trace-Dest: td.b")),
    ("an old server's account alone", b"bar", block(b"Nats-Trace-Origin-Account: A")),
    ("a traceparent, and no account that samples", b"bar", block(b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
    ("onto the destination", b"td.zz", block(DEST)),
    ("fields in odd forms", b"bar", block(b"low-case: v", b"A: x:y ", b"Z : q", b" a: b", DEST, b"x: 1", b"X: 2", b"x: 3", b"B:", b": c", b"Q: \"\\\x01")),
    ("no UTF-8", b"bar", block(DEST, b"X: \x80\xff", b"Y: a\rb")),
    ("a line without a colon before it", b"bar", block(b"badline", DEST)),
    ("a line without a colon behind it", b"bar", block(DEST, b"badline", b"X: 1")),
    ("a blank before the name", b"bar", block(b" Nats-Trace-Dest: td.a")),
    ("a blank behind the name", b"bar", block(b"Nats-Trace-Dest : td.a")),
    ("a longer name", b"bar", block(b"Nats-Trace-Destx: td.b", DEST)),
    ("in another's value", b"bar", block(b"X: Nats-Trace-Dest: td.a")),
    ("behind a bare LF", b"bar", b"NATS/1.0\r\nX: 1\nNats-Trace-Dest: td.a\r\n\r\n"),
    ("before a bare LF", b"bar", b"NATS/1.0\r\nNats-Trace-Dest: td.a\nX: 1\r\n\r\n"),
    ("a status line", b"bar", b"NATS/1.0 200 OK\r\nNats-Trace-Dest: td.a\r\n\r\n"),
    ("no blank line", b"bar", b"NATS/1.0\r\nNats-Trace-Dest: td.a\r\n"),
    ("no line end", b"bar", b"NATS/1.0\r\nNats-Trace-Dest: td.a"),
    ("no version line", b"bar", b"Nats-Trace-Dest: td.a\r\n\r\n"),
    ("another version line", b"bar", b"foo\r\nNats-Trace-Dest: td.a\r\n\r\n"),
    ("behind the blank line", b"bar", b"NATS/1.0\r\nX: y\r\n\r\nNats-Trace-Dest: td.a\r\n\r\n"),
    ("gzip", b"bar", block(DEST, b"Accept-Encoding: gzip")),
    ("gzip among others", b"bar", block(DEST, b"Accept-Encoding: deflate, GZIP")),
    ("snappy", b"bar", block(DEST, b"Accept-Encoding: snappy")),
    ("S2", b"bar", block(DEST, b"Accept-Encoding: S2")),
    ("an encoding nobody knows", b"bar", block(DEST, b"Accept-Encoding: foo")),
    ("no encoding", b"bar", block(DEST, b"Accept-Encoding: ")),
    ("an encoding in lower case", b"bar", block(DEST, b"accept-encoding: gzip")),
    ("the last delivery of a subscription", b"once", block(DEST)),
    ("after the last delivery", b"once", block(DEST)),
]


# With the configuration below, as a user who may not do everything.
CONFIG = """
server_name: S
server_tags: [one, two]
server_metadata { key: "<value>" }
mappings { foo: bar, same: same, lost: {dest: lost, weight: 0}, "o1.*": "o.$1", "no.*": "den.$1", "td.mapped": td.other }
authorization { users: [
  {user: u, password: u}
  {user: limited, password: limited, permissions: {publish: {deny: ["den.>", "td.no"]}, subscribe: {allow: ">", deny: "o.secret"}}}
] }
"""
CONFIG_STEPS = [
    ("mapped", b"foo", block(DEST)),
    ("mapped, trace only", b"foo in", block(DEST, ONLY)),
    ("mapped to itself", b"same", block(DEST)),
    ("lost", b"lost", block(DEST)),
    ("lost, with a reply", b"lost in", block(DEST)),
    ("lost, trace only", b"lost", block(DEST, ONLY)),
    ("mapped by a wildcard", b"o1.x", block(DEST)),
    ("mapped to where it may not go", b"no.x", block(DEST)),
    ("mapped to where it may not go, trace only", b"no.x", block(DEST, ONLY)),
    ("where it may not go", b"den.x in", block(DEST)),
    ("a destination where it may not go", b"bar", block(b"Nats-Trace-Dest: td.no")),
    ("a destination where it may not go, trace only", b"bar", block(b"Nats-Trace-Dest: td.no", ONLY)),
    ("neither may be", b"den.x", block(b"Nats-Trace-Dest: td.no")),
    ("a destination with a mapping of its own", b"bar", block(b"Nats-Trace-Dest: td.mapped")),
    ("a subscriber that may not have it", b"o.secret", block(DEST)),
    ("and one that may", b"o.open", block(DEST)),
]


def hpub(subject, hdr, payload=b"hi"):
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (subject, len(hdr), len(hdr) + len(payload), hdr, payload)


class Stage:
    """Connections with roles on one server, and what each step made them hear."""

    def __init__(self, srv, users=None):
        def open_conn(name, **opts):
            c = srv.raw()
            if users:
                user = users.get(name, "u")
                opts.update(user=user, **{"pass": user})
            c.connect(name=name, **opts)
            return c

        self.conns = {
            "tracer": open_conn("", headers=True),
            "s1": open_conn("s1", headers=True),
            "s2": open_conn("s2"),
            "pub": open_conn("pub \"x", headers=True, no_responders=True, echo=False, verbose=True),
        }
        self.roles = {c.info["client_id"]: role for role, c in self.conns.items()}
        self.say("tracer", b"SUB td.> 1\r\n")
        self.say("s1", b"SUB bar 1\r\nSUB foo.* 2\r\nSUB q.* 3 3\r\nSUB bar grp 5\r\nSUB o.> 6\r\nSUB once 7\r\nUNSUB 7 1\r\n")
        self.say("s2", b"SUB bar 1\r\nSUB q.* 3 3\r\n")
        self.say("pub", b"SUB mine 10\r\nSUB mineq qq 11\r\nSUB in 12\r\n")

    def say(self, role, data):
        self.conns[role].send(data)
        return self.conns[role].fence()

    def play(self, subject, hdr, n_events=None):
        """What came of it: {role: ops}, [event]. n_events: await so many, if more than come before the sentinel's."""
        heard = {"pub": self.say("pub", hpub(subject, hdr))}
        self.say("pub", hpub(b"sentinel", SENTINEL))
        for role in ("s1", "s2"):
            heard[role] = self.conns[role].fence()
        events, ended = [], False
        while not ended or (n_events is not None and len(events) < n_events):
            op = self.conns["tracer"].read_op()
            assert op is not None and op.verb in ("MSG", "HMSG"), op
            if op.subject == b"td.end":
                ended = True
            elif is_event(op):
                events.append(self.event(op))
            else:
                heard.setdefault("tracer", []).append(op)
        return {role: sorted(plain(op) for op in ops) for role, ops in heard.items()}, sorted(events, key=repr)

    def event(self, op):
        event = json.loads(decoded(op))
        server = event["server"]
        assert TIME.fullmatch(server["time"]), server["time"]
        shown = {k: v if k in ("ver", "feature_flags", "jetstream", "flags", "tags", "metadata") else type(v).__name__ for k, v in server.items()}
        entries = [self.entry(e) for e in event["events"]]
        n_first = sum(e[0] != ("type", "eg") for e in entries)
        assert all(e[0] == ("type", "eg") for e in entries[n_first:])
        return {
            "subject": op.subject, "reply": op.reply or b"", "headers": op.headers, "keys": list(event), "server": shown, "request": event["request"],
            "header": list(event["request"]["header"]), "events": entries[:n_first] + sorted(entries[n_first:], key=repr),
        }

    def entry(self, e):
        assert TIME.fullmatch(e["ts"]), e["ts"]
        e = dict(e, ts="")  # the order of its keys stays
        if "cid" in e:
            e["cid"] = self.roles[e["cid"]]
        if e.get("queue") and "error" not in e:
            e["cid"] = e["name"] = "a member"
        return list(e.items())


def is_event(op):
    return op.verb == "HMSG" and b"Content-Encoding" in op.headers or op.payload.startswith(b'{"server":')


def decoded(op):
    if op.headers and b"Content-Encoding: gzip" in op.headers:
        return gzip.decompress(op.payload)
    if op.headers and b"Content-Encoding: snappy" in op.headers:
        return unsnappy(op.payload)
    return op.payload


def unsnappy(data):
    """Snappy's framing format: chunks, stored or compressed. Written from its description; the checksums are proto/stored_test.c's."""
    assert data[:10] == b"\xff\x06\x00\x00sNaPpY"
    out, at = b"", 10
    while at < len(data):
        kind, n = data[at], int.from_bytes(data[at + 1:at + 4], "little")
        chunk = data[at + 8:at + 4 + n]
        assert kind in (0, 1)
        out += chunk if kind == 1 else unsnappy_block(chunk)
        at += 4 + n
    return out


def unsnappy_block(data):
    at = shift = n = 0
    while True:  # the length, a varint
        n |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            size = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + size], "little")
            at += size
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == n
    return bytes(out)


def plain(op):
    return (op.verb, op.line, op.headers or b"", op.payload or b"")


@pytest.fixture
def reference_stage(start_reference, reference_version):
    if reference_version != REFERENCE_VERSION:
        pytest.skip(f"nats-server is {reference_version}; its bytes are compared with those of {REFERENCE_VERSION} only")
    return Stage(start_reference())


def test_traced_messages_have_the_same_events(reference_stage, start_server):
    """All steps, one after the other, on the same connections."""
    ours = Stage(start_server())
    for name, subject, hdr in STEPS:
        want_heard, want_events = reference_stage.play(subject, hdr)
        heard, events = ours.play(subject, hdr, len(want_events))
        # A queue group's copy went to one member or the other.
        assert pooled(heard) == pooled(want_heard), name
        assert events == want_events, name


def test_traced_messages_with_mappings_and_permissions(start_reference, start_server, reference_version, tmp_path):
    if reference_version != REFERENCE_VERSION:
        pytest.skip(f"nats-server is {reference_version}; its bytes are compared with those of {REFERENCE_VERSION} only")
    path = tmp_path / "server.conf"
    path.write_text(CONFIG)
    users = {"pub \"x": "limited", "s1": "limited"}
    reference, ours = Stage(start_reference("-c", path), users), Stage(start_server("-c", path), users)
    for name, subject, hdr in CONFIG_STEPS:
        want_heard, want_events = reference.play(subject, hdr)
        heard, events = ours.play(subject, hdr, len(want_events))
        assert pooled(heard) == pooled(want_heard), name
        assert events == want_events, name


def pooled(heard):
    """What was heard, with the copies of the shared queue group in one heap."""
    kept, pool = {}, []
    for role, ops in heard.items():
        kept[role] = [op for op in ops if b" 3 " not in op[1]]
        pool += [op[3] for op in ops if b" 3 " in op[1]]
    return kept, sorted(pool)


def test_a_publish_above_max_payload_is_traced_before_the_end(start_reference, start_server):
    """As far as its headers came with its first bytes: they are all that is ever read of it."""
    seen = []
    for srv in (start_reference(), start_server()):
        with srv.raw() as tracer, srv.raw() as c:
            tracer.connect(headers=True)
            tracer.send(b"SUB td.> 1\r\n")
            tracer.ping()
            c.connect(headers=True, name="big")
            hdr = block(DEST, b"A: b")
            c.send(b"HPUB x %d 2000000\r\n%sabc" % (len(hdr), hdr))
            c.expect_err("Maximum Payload Violation")
            event = json.loads(tracer.read_op().payload)
            seen.append((event["request"], [dict(e, ts="", cid="") for e in event["events"]]))
    assert seen[0] == seen[1]


def test_a_traced_fan_out_lists_every_subscriber(server):
    """More subscribers than fit into a record between shards, over all shards."""
    n = 200
    subs = [server.raw().connect(name=f"sub{i}") for i in range(n)]
    with server.raw() as tracer, server.raw() as pub:
        for i, c in enumerate(subs):
            c.send(b"SUB fan 1\r\nSUB fan q%d 2\r\n" % i)
        for c in subs:
            c.ping()
        tracer.connect()
        tracer.send(b"SUB td.> 1\r\n")
        tracer.ping()
        pub.connect(headers=True)
        pub.send(hpub(b"fan", block(DEST)))
        event = json.loads(tracer.read_op().payload)
        got = sorted((e["cid"], e.get("queue", "")) for e in event["events"][1:])
        want = sorted((c.info["client_id"], q) for i, c in enumerate(subs) for q in ("", f"q{i}"))
        assert got == want
        for c in subs:
            assert len(c.fence()) == 2
            c.close()


PERMS = """
authorization { users: [
  {user: all, password: all}
  {user: few, password: few, permissions: {publish: {allow: ["mine.>", "td.mine"]}, subscribe: ">"}}
  {user: answers, password: answers, permissions: {publish: {allow: "td.mine"}, subscribe: ">", allow_responses: {max: 1, expires: "1h"}}}
] }
"""


@pytest.fixture
def guarded(start_server, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(PERMS)
    return start_server("-c", path)


def test_A31_events_go_only_where_the_publisher_may_publish(guarded):
    """Nobody may have the server say something for him, not even that he may not."""
    with guarded.raw() as all_, guarded.raw() as few:
        all_.connect(user="all", **{"pass": "all"}, headers=True)
        all_.send(b"SUB > 1\r\n")
        all_.ping()
        few.connect(user="few", **{"pass": "few"}, headers=True)
        for dest in (b"td.other", b"other", b"$SYS.REQ.SERVER.PING", b"_GR_.x", b"$NRG.x", b"mine"):
            for only in ((), (ONLY,)):
                few.send(hpub(b"mine.x", block(b"Nats-Trace-Dest: " + dest, *only)))
                few.expect_err(b'Permissions Violation for Publish to "' + dest + b'"')
                few.send(hpub(b"forbidden", block(b"Nats-Trace-Dest: " + dest, *only)))
                few.expect_err(b'Permissions Violation for Publish to "' + dest + b'"')
        few.send(hpub(b"mine.end", block(b"Nats-Trace-Dest: td.mine")))
        few.ping()
        assert sorted(op.subject for op in all_.read_msgs(2)) == [b"mine.end", b"td.mine"]


def test_a_traced_answer_uses_its_right_once(guarded):
    """allow_responses: asking whether a trace may go somewhere is no answer, and a traced answer is one."""
    with guarded.raw() as asks, guarded.raw() as answers:
        asks.connect(user="all", **{"pass": "all"}, headers=True)
        answers.connect(user="answers", **{"pass": "answers"}, headers=True)
        answers.send(b"SUB q 1\r\n")
        answers.ping()
        asks.send(b"SUB re 1\r\nPUB q re 0\r\n\r\n")
        asks.ping()
        assert [op.reply for op in answers.fence()] == [b"re"]
        answers.send(hpub(b"re", block(b"Nats-Trace-Dest: re")))
        answers.expect_err('Permissions Violation for Publish to "re"')
        answers.send(hpub(b"re", block(b"Nats-Trace-Dest: td.mine")) * 2)
        answers.expect_err('Permissions Violation for Publish to "re"')
        answers.ping()
        assert [op.subject for op in asks.fence()] == [b"re"]
