"""Sheet 01, section 2 (control line) and section 4 (payload): every limit, one below, at, and one above it."""

from ..scenario import Scenario, talk
from .openings import HEADERS, QUIET, VERBOSE, pub, sub

SCENARIOS = []
MCL = 4096           # max_control_line by default, counted on the argument bytes
MAX_PAYLOAD = 1 << 20
OVER = [("-ERR", b"maximum control line exceeded")]


def case(name, *steps, **kw):
    kw.setdefault("chunkings", ("whole", "random"))
    SCENARIOS.append(Scenario(f"limits: {name}", talk(*steps), **kw))


def padded(head, tail, n):
    """head + letters + tail, n bytes in all. `~` becomes a token of 7 bytes."""
    return head + b"x" * (n - len(head) - len(tail) - 6 * (head + tail).count(b"~")) + tail


for n in (MCL - 1, MCL):
    case(f"SUB with {n} argument bytes", QUIET + b"SUB " + padded(b"~.", b" 1", n) + b"\r\n", "sync")
    case(f"SUB with {n} argument bytes and LF", QUIET + b"SUB " + padded(b"~.", b" 1", n) + b"\n", "sync")
    case(f"PUB with {n} argument bytes", QUIET + sub(b"~.>", b"1") + b"PUB " + padded(b"~.", b" 2", n) + b"\r\nhi\r\n", "sync")
    case(f"PUB with {n} argument bytes, most of them the reply", QUIET + sub(b"~.>", b"1") + b"PUB " + padded(b"~.a ~.", b" 2", n) + b"\r\nhi\r\n", "sync")
    case(f"PUB with {n} argument bytes, most of them spaces", QUIET + sub(b"~.>", b"1") + b"PUB ~.a" + b" " * (n - 10) + b"2\r\nhi\r\n", "sync")
    case(f"PUB with {n} argument bytes, most of them spaces at the end", QUIET + sub(b"~.>", b"1") + b"PUB ~.a 2" + b" " * (n - 11) + b"\r\nhi\r\n", "sync")
    case(f"HPUB with {n} argument bytes", HEADERS + sub(b"~.>", b"1") + b"HPUB " + padded(b"~.", b" 12 12", n) + b"\r\nNATS/1.0\r\n\r\n\r\n", "sync")
    case(f"UNSUB with {n} argument bytes", QUIET + b"UNSUB " + padded(b"~.", b" 1", n) + b"\r\n", "sync")
    case(f"CONNECT with {n} argument bytes", b"CONNECT " + padded(b'{"verbose":false,"name":"', b'"}', n) + b"\r\n", "sync")
    case(f"INFO with {n} argument bytes", QUIET + b"INFO " + padded(b'{"server_name":"', b'"}', n) + b"\r\n", "sync")
    case(f"-ERR with {n} argument bytes", QUIET, "sync", b"-ERR " + padded(b"'", b"'", n) + b"\r\n", "closes")
    case(f"SUB with {n} bytes of spaces before its arguments", QUIET + b"SUB" + b" " * n + b"~.a 1\r\n" + pub(b"~.a", b"x"), "sync")
for n in (MCL + 1, MCL + 2, 2 * MCL, 20000):
    for tail in (b"\r\n", b"\n", b""):
        say = f"{n} argument bytes and {tail!r}"
        case(f"SUB with {say}", QUIET, "sync", b"SUB " + padded(b"~.", b" 1", n) + tail, "closes")
        case(f"PUB with {say}", QUIET, "sync", b"PUB " + padded(b"~.", b" 2", n) + tail, "closes")
        case(f"HPUB with {say}", HEADERS, "sync", b"HPUB " + padded(b"~.", b" 12 12", n) + tail, "closes")
        case(f"UNSUB with {say}", QUIET, "sync", b"UNSUB " + padded(b"~.", b" 1", n) + tail, "closes")
        case(f"CONNECT with {say}", b"CONNECT " + padded(b'{"verbose":false,"name":"', b'"}', n) + tail, "closes")
        case(f"INFO with {say}", QUIET, "sync", b"INFO " + padded(b'{"server_name":"', b'"}', n) + tail, "closes")
        case(f"-ERR with {say}", QUIET, "sync", b"-ERR " + padded(b"'", b"'", n) + tail, "closes")
        case(f"SUB with {n} bytes, spaces at the end, and {tail!r}", QUIET, "sync", b"SUB ~.a 1" + b" " * (n - 11) + tail, "closes")
for n in (MCL + 1, 50000):
    for verb in (b"SUB", b"PUB", b"CONNECT"):
        case(f"{verb!r} with {n} bytes of spaces before its arguments", QUIET, "sync", verb + b" " * n + b"~.a 1\r\n", "eof", differs="separators", expect={"a": ([("PONG",)] + OVER, None)})
        case(f"{verb!r} with {n} bytes of spaces and nothing else", QUIET, "sync", verb + b"\t" * n, "eof", differs="separators", expect={"a": ([("PONG",)] + OVER, None)})
case("no -ERR before its time: a verbose client over the limit", VERBOSE, "sync", b"SUB " + b"x" * 5000, "closes")

for verb in (b"PING", b"PONG", b"+OK"):
    case(f"{verb!r} with {MCL - 1} bytes before the line end", QUIET + verb + b" " * (MCL - 1) + b"\r\n", "sync")
    for n in (2 * MCL, 50000):
        case(f"{verb!r} with {n} bytes before the line end", QUIET, "sync", verb + b" " * n + b"\r\nPING\r\n", "eof", differs="ping-junk",
             expect={"a": ([("PONG",)] + OVER, None)})
        case(f"{verb!r} with {n} bytes and no line end", QUIET, "sync", verb + b"x" * n, "eof", differs="ping-junk", expect={"a": ([("PONG",)] + OVER, None)})

for size in (MAX_PAYLOAD - 1, MAX_PAYLOAD):
    case(f"PUB of {size} bytes", QUIET + sub(b"~.a", b"1") + pub(b"~.a", bytes(i % 251 for i in range(1000)) * (size // 1000) + b"z" * (size % 1000)), "sync")
for size in (MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD, 99999999, 999999999):
    case(f"PUB of {size} bytes", QUIET, "sync", b"PUB ~.a %d\r\n" % size, "closes")
    case(f"PUB of {size} bytes, verbose", VERBOSE, "sync", b"PUB ~.a %d\r\nsome" % size, "closes")
    case(f"PUB of {size} bytes to a refused subject", QUIET, "sync", b"PUB _GR_.a %d\r\n" % size, "closes")
    case(f"PUB of {size} bytes to a bad subject, pedantic", b"CONNECT {}\r\n", "sync", b"PUB ~..a %d\r\n" % size, "closes")
    case(f"HPUB of {size} bytes", HEADERS, "sync", b"HPUB ~.a 12 %d\r\n" % size, "closes")
    case(f"HPUB of {size} header bytes", HEADERS, "sync", b"HPUB ~.a %d %d\r\n" % (size, size), "closes")
    case(f"PUB of {size} bytes before CONNECT", b"PUB ~.a %d\r\n" % size, "closes")
case("HPUB of exactly the limit", HEADERS + sub(b"~.a", b"1") + b"HPUB ~.a 12 %d\r\nNATS/1.0\r\n\r\n" % MAX_PAYLOAD + b"p" * (MAX_PAYLOAD - 12) + b"\r\n", "sync")
case("HPUB whose header is the limit", HEADERS + sub(b"~.a", b"1") + b"HPUB ~.a %d %d\r\n" % (MAX_PAYLOAD, MAX_PAYLOAD) + b"p" * MAX_PAYLOAD + b"\r\n", "sync")


def tight(name, *steps, **kw):
    case(f"tight: {name}", *steps, profile="tight", **kw)


# max_payload 64, max_control_line 256, max_subscriptions 4, max_sub_tokens 3
tight("INFO says the payload limit", QUIET, "sync")
for n in (63, 64):
    tight(f"PUB of {n} bytes", QUIET + sub(b"~.a", b"1") + pub(b"~.a", b"x" * n), "sync")
    tight(f"HPUB of {n} bytes", HEADERS + sub(b"~.a", b"1") + b"HPUB ~.a 12 %d\r\nNATS/1.0\r\n\r\n" % n + b"p" * (n - 12) + b"\r\n", "sync")
for n in (65, 66, 1000):
    tight(f"PUB of {n} bytes", QUIET, "sync", pub(b"~.a", b"x" * n), "closes")
    tight(f"HPUB of {n} bytes", HEADERS, "sync", b"HPUB ~.a 12 %d\r\n" % n, "closes")
for n in (255, 256):
    tight(f"SUB with {n} argument bytes", QUIET + b"SUB " + padded(b"~.", b" 1", n) + b"\r\n", "sync", chunkings=("whole", "bytes", "random"))
    tight(f"CONNECT with {n} argument bytes", b"CONNECT " + padded(b'{"verbose":false,"name":"', b'"}', n) + b"\r\n", "sync", chunkings=("whole", "bytes", "random"))
for n in (257, 300):
    for tail in (b"\r\n", b"\n", b""):
        tight(f"SUB with {n} argument bytes and {tail!r}", QUIET, "sync", b"SUB " + padded(b"~.", b" 1", n) + tail, "closes", chunkings=("whole", "bytes", "random"))
        tight(f"CONNECT with {n} argument bytes and {tail!r}", b"CONNECT " + padded(b'{"verbose":false,"name":"', b'"}', n) + tail, "closes", chunkings=("whole", "bytes", "random"))
        tight(f"INFO with {n} argument bytes and {tail!r}", QUIET, "sync", b"INFO " + padded(b'{"server_name":"', b'"}', n) + tail, "closes", chunkings=("whole", "random"))
four = b"".join(sub(b"~.%d" % i, b"%d" % i) for i in range(4))
tight("four subscriptions", VERBOSE + four, "sync")
tight("a fifth subscription", VERBOSE + four + sub(b"~.4", b"4") + pub(b"~.4", b"x") + pub(b"~.3", b"y"), "sync")
tight("a fifth subscription in a queue group", QUIET + four + sub(b"~.4", b"4", b"q"), "sync")
tight("a fifth subscription after an UNSUB", QUIET + four + b"UNSUB 2\r\n" + sub(b"~.4", b"4") + pub(b"~.4", b"x") + sub(b"~.5", b"5"), "sync")
tight("a fifth subscription after a max was reached", QUIET + four + b"UNSUB 2 1\r\n" + pub(b"~.2", b"x") + sub(b"~.4", b"4") + pub(b"~.4", b"x"), "sync")
tight("a fifth subscription while a max is pending", QUIET + four + b"UNSUB 2 1\r\n" + sub(b"~.4", b"4") + pub(b"~.2", b"x") + sub(b"~.4", b"4") + pub(b"~.4", b"y"), "sync")
tight("a sid in use at the limit", VERBOSE + four + sub(b"~.9", b"1"), "sync")
tight("an invalid subject at the limit", VERBOSE + four + sub(b"~..a", b"9"), "sync")
tight("too many tokens at the limit", VERBOSE + four + sub(b"~.a.b.c", b"9"), "sync")
tight("a refused queue at the limit", VERBOSE + four + sub(b"~.a", b"9", b"_sys_"), "sync")
tight("a second CONNECT makes room", QUIET + four + QUIET + four + sub(b"~.4", b"4"), "sync")
for subject in (b"~", b"~.a", b"~.a.b", b"~.a.b.c", b"~.*.*", b"~.*.*.*", b"~.a.>", b"~.a.b.>", b"~.>", b"~.a..b", b"~.a.b.c.d.e.f", b">", b"~...", b'~."a.b.c'):
    tight(f"SUB to {subject!r}", VERBOSE + sub(subject, b"1") + sub(subject, b"2", b"q") + b"PING\r\n", "sync")
tight("PUB with many tokens", QUIET + sub(b"~.>", b"1") + pub(b"~.a.b.c.d.e", b"x"), "sync")

# max_connections 3, of which the driver's own is one
SCENARIOS.append(Scenario("limits: few: one connection too many", [("open", "a"), ("send", "a", QUIET), ("sync", "a"), ("open", "b"), ("send", "b", QUIET), ("sync", "b"), ("open", "c"), ("closes", "c"), ("open", "d"), ("closes", "d"),
                          ("sync", "a"), ("sync", "b")], profile="few", chunkings=("whole",)))

# ping_interval 100 ms, ping_max 2
case("impatient: a client that begins to answer PING", QUIET, "sync", b"PON", "closes", profile="impatient", chunkings=("whole",))
for line in (b"+OK\r\n", b"INFO {}\r\n"):  # no sign of life, unlike PUB, SUB and PING
    SCENARIOS.append(Scenario(f"limits: impatient: a client that only says {line!r}", [("open", "a"), ("send", "a", QUIET), ("sync", "a"), ("nags", "a", line)], profile="impatient", chunkings=("whole",)))
case("impatient: a client that never answers PING", QUIET, "sync", "closes", profile="impatient", pings=True, chunkings=("whole",))
case("impatient: a client that never says anything", "closes", profile="impatient", pings=True, chunkings=("whole",))
case("impatient: a verbose client that never answers PING", VERBOSE + sub(b"~.a", b"1"), "closes", profile="impatient", pings=True, chunkings=("whole",))
