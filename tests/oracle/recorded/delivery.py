"""Sheet 01, sections 3.6, 5 and 8: several connections, headers and their stripping, echo, queue groups, order."""

from ..scenario import Scenario
from .openings import HEADERS, NO_ECHO, NO_RESP, NO_RESP_NO_ECHO, QUIET, VERBOSE, hpub, pub, sub

SCENARIOS = []
HDR = b"NATS/1.0\r\nKey: value\r\n\r\n"


def case(name, opening, *steps, **kw):
    """opening: {conn: bytes}; then steps (conn, bytes), each followed by a barrier. All are synced at the end."""
    out = []
    for conn, first in opening.items():
        out += [("open", conn), ("send", conn, first), ("sync", conn)]
    for conn, data in steps:
        out += [("send", conn, data), ("sync", conn)]
    out += [("sync", conn) for conn in opening]
    SCENARIOS.append(Scenario(f"delivery: {name}", out, **kw))


case("from one connection to another", {"a": QUIET + sub(b"~.a", b"1"), "b": QUIET}, ("b", pub(b"~.a", b"x") + pub(b"~.a", b"y", b"~.r")))
case("CONNECT keeps what others deliver to", {"a": sub(b"~.a", b"1") + sub(b"~.a", b"2", b"q"), "b": QUIET}, ("b", pub(b"~.a", b"1")), ("a", QUIET), ("b", pub(b"~.a", b"2")), ("a", QUIET), ("b", pub(b"~.a", b"3")), ("a", sub(b"~.a", b"1")), ("b", pub(b"~.a", b"4")))
case("CONNECT keeps an answering service", {"a": NO_RESP + sub(b"~.in", b"1"), "b": sub(b"~.svc", b"1")}, ("a", pub(b"~.svc", b"x", b"~.in")), ("b", QUIET), ("a", pub(b"~.svc", b"y", b"~.in")), ("b", QUIET), ("a", pub(b"~.svc", b"z", b"~.in")))
case("before CONNECT, both ways", {"a": sub(b"~.a", b"1"), "b": b""}, ("b", pub(b"~.a", b"x")), ("b", QUIET + pub(b"~.a", b"y")))
case("to eight connections", {c: QUIET + sub(b"~.a", b"1") + sub(b"~.*", b"2") for c in "abcdefgh"}, ("a", pub(b"~.a", b"x")), ("h", pub(b"~.b", b"y")))
case("two publishers one after the other", {"a": QUIET + sub(b"~.>", b"1"), "b": QUIET, "c": QUIET}, ("b", b"".join(pub(b"~.b", b"%d" % i) for i in range(50))),
     ("c", b"".join(pub(b"~.c", b"%d" % i) for i in range(50))), ("b", pub(b"~.b", b"last")), chunkings=("whole", "random"))
case("subscribe, publish, unsubscribe, publish", {"a": QUIET, "b": QUIET}, ("a", sub(b"~.a", b"1")), ("b", pub(b"~.a", b"1")), ("a", b"UNSUB 1\r\n"), ("b", pub(b"~.a", b"2")), ("a", sub(b"~.a", b"1")), ("b", pub(b"~.a", b"3")))
case("interest comes and goes while cached", {"a": QUIET, "b": QUIET}, *[x for i in range(12) for x in (("a", sub(b"~.a", b"%d" % i) if i % 3 else sub(b"~.*", b"%d" % i)), ("b", pub(b"~.a", b"%d" % i)), ("a", b"UNSUB %d\r\n" % (i - 1)))], chunkings=("whole",))
case("a message of 512 KiB", {"a": QUIET + sub(b"~.a", b"1"), "b": QUIET}, ("b", pub(b"~.a", bytes(i & 255 for i in range(1 << 19)))), chunkings=("whole", "random"))
case("request and reply", {"a": NO_RESP + sub(b"~.in.*", b"1"), "b": NO_RESP + sub(b"~.svc", b"7", b"q")}, ("a", pub(b"~.svc", b"?", b"~.in.1")), ("b", pub(b"~.in.1", b"!")), ("b", b"UNSUB 7\r\n"), ("a", pub(b"~.svc", b"?", b"~.in.2")))
case("verbose subscriber and publisher", {"a": VERBOSE + sub(b"~.a", b"1"), "b": VERBOSE}, ("b", pub(b"~.a", b"x") * 3), ("a", b"UNSUB 1\r\n"))

# --- headers ------------------------------------------------------------------------------------------------------------

case("headers, stripped for who cannot take them", {"a": HEADERS + sub(b"~.a", b"1"), "b": QUIET + sub(b"~.a", b"2"), "c": HEADERS},
     ("c", hpub(b"~.a", HDR, b"payload") + hpub(b"~.a", HDR, b"payload", b"~.r") + hpub(b"~.a", HDR) + hpub(b"~.a", HDR, b"", b"~.r")))
case("headers with zeros in the sizes, stripped", {"a": HEADERS + sub(b"~.a", b"1"), "b": QUIET + sub(b"~.a", b"2"), "c": HEADERS},
     ("c", b"HPUB ~.a 00012 000019\r\nNATS/1.0\r\n\r\npayload\r\nHPUB ~.a ~.r 0012 0012\r\nNATS/1.0\r\n\r\n\r\n"))
case("a header of no bytes, stripped", {"a": HEADERS + sub(b"~.a", b"1"), "b": QUIET + sub(b"~.a", b"2"), "c": HEADERS}, ("c", b"HPUB ~.a 0 7\r\npayload\r\nHPUB ~.a 00 07\r\npayload\r\nHPUB ~.a ~.r 0 0\r\n\r\n"))
case("no headers, zeros in the size", {"a": HEADERS + sub(b"~.a", b"1"), "b": QUIET + sub(b"~.a", b"2"), "c": QUIET}, ("c", b"PUB ~.a 0007\r\npayload\r\nPUB ~.a ~.r 000\r\n\r\n"))
case("a header of no bytes, in a queue group", {"a": QUIET + sub(b"~.a", b"1", b"q"), "b": HEADERS + sub(b"~.a", b"1", b"q"), "c": HEADERS}, ("c", b"HPUB ~.a 0 03\r\nabc\r\nHPUB ~.a ~.r 0 03\r\nabc\r\n" * 5))
case("headers and none in turn", {"a": HEADERS + sub(b"~.a", b"1"), "b": QUIET + sub(b"~.a", b"2"), "c": HEADERS}, ("c", (hpub(b"~.a", HDR, b"p") + pub(b"~.a", b"q") + b"HPUB ~.a 0 1\r\nr\r\n") * 4))
case("headers that are no headers, stripped", {"a": QUIET + sub(b"~.a", b"1"), "b": HEADERS}, ("b", hpub(b"~.a", b"abc", b"def") + hpub(b"~.a", b"\r\n", b"") + hpub(b"~.a", bytes(range(200)), b"x")))
case("a sid's max counts stripped messages", {"a": QUIET + sub(b"~.a", b"1") + b"UNSUB 1 2\r\n", "b": HEADERS}, ("b", hpub(b"~.a", HDR, b"x") * 4))
case("headers change with a second CONNECT", {"a": HEADERS, "b": HEADERS}, ("a", sub(b"~.a", b"1")), ("b", hpub(b"~.a", HDR, b"x")), ("a", b'CONNECT {"headers":false}\r\n' + sub(b"~.a", b"1")), ("b", hpub(b"~.a", HDR, b"y")))
case("trace headers are looked at and change nothing here", {"a": HEADERS + sub(b"~.a", b"1"), "b": HEADERS}, ("b", hpub(b"~.a", b"NATS/1.0\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n", b"x")))

# --- echo -----------------------------------------------------------------------------------------------------------------

case("no echo, others get it", {"a": NO_ECHO + sub(b"~.a", b"1"), "b": QUIET + sub(b"~.a", b"2")}, ("a", pub(b"~.a", b"x")), ("b", pub(b"~.a", b"y")))
case("no echo in a queue group: the other member takes it", {"a": NO_ECHO + sub(b"~.a", b"1", b"q"), "b": QUIET + sub(b"~.a", b"2", b"q")}, ("a", pub(b"~.a", b"x") * 20), ("b", pub(b"~.a", b"y") * 20))
case("no echo, a wildcard and a literal", {"a": NO_ECHO + sub(b"~.>", b"1") + sub(b"~.a", b"2"), "b": QUIET + sub(b"~.a", b"3")}, ("a", pub(b"~.a", b"x", b"~.r") * 3), ("b", pub(b"~.a", b"y") * 2), ("a", b'CONNECT {"echo":true}\r\n' + sub(b"~.a", b"5") + pub(b"~.a", b"z")))
case("no echo, alone in a queue group", {"a": NO_ECHO + sub(b"~.a", b"1", b"q"), "b": QUIET + sub(b"~.a", b"2")}, ("a", pub(b"~.a", b"x")))
case("no echo and no responders", {"a": NO_RESP_NO_ECHO + sub(b"~.a", b"1") + sub(b"~.in", b"2"), "b": QUIET}, ("a", pub(b"~.a", b"x", b"~.in")), ("b", sub(b"~.a", b"5")), ("a", pub(b"~.a", b"y", b"~.in")), ("b", b"UNSUB 5\r\n"), ("a", pub(b"~.a", b"z", b"~.in")))

# --- queue groups ---------------------------------------------------------------------------------------------------------

for n in (2, 3, 5):
    case(f"a queue group over {n} connections", {c: QUIET + sub(b"~.a", b"1", b"q") for c in "abcdefgh"[:n]}, ("a", pub(b"~.a", b"x") * 30), ("b", b"".join(pub(b"~.a", b"%d" % i) for i in range(20))))
case("a queue group on one connection", {"a": QUIET + sub(b"~.a", b"1", b"q") + sub(b"~.a", b"2", b"q") + sub(b"~.a", b"3", b"q")}, ("a", pub(b"~.a", b"x") * 30))
case("three groups and a plain subscription", {"a": QUIET + sub(b"~.a", b"1", b"q1") + sub(b"~.a", b"2", b"q2"), "b": QUIET + sub(b"~.a", b"1", b"q1") + sub(b"~.a", b"2", b"q3") + sub(b"~.a", b"3"), "c": QUIET}, ("c", b"".join(pub(b"~.a", b"%d" % i) for i in range(20))))
case("one group over different subjects", {"a": QUIET + sub(b"~.*", b"1", b"q"), "b": QUIET + sub(b"~.>", b"1", b"q"), "c": QUIET + sub(b"~.a", b"1", b"q")}, ("c", b"".join(pub(b"~.a", b"%d" % i) for i in range(20)) + b"".join(pub(b"~.a.b", b"%d" % i) for i in range(20))))
case("members leave a group", {"a": QUIET + sub(b"~.a", b"1", b"q"), "b": QUIET + sub(b"~.a", b"1", b"q"), "c": QUIET}, ("c", pub(b"~.a", b"x") * 10), ("a", b"UNSUB 1\r\n"), ("c", pub(b"~.a", b"y") * 10), ("b", b"UNSUB 1\r\n"), ("c", pub(b"~.a", b"z") * 10), ("a", sub(b"~.a", b"1", b"q")), ("c", pub(b"~.a", b"w") * 10))
case("a member that reached its max is passed over", {"a": QUIET + sub(b"~.a", b"1", b"q") + b"UNSUB 1 3\r\n", "b": QUIET + sub(b"~.a", b"1", b"q"), "c": QUIET}, ("c", b"".join(pub(b"~.a", b"%d" % i) for i in range(30))))
case("all members reach their max", {"a": QUIET + sub(b"~.a", b"1", b"q") + b"UNSUB 1 3\r\n", "b": QUIET + sub(b"~.a", b"1", b"q") + b"UNSUB 1 2\r\n", "c": NO_RESP + sub(b"~.in", b"5")}, ("c", pub(b"~.a", b"x") * 10), ("a", b""), ("b", b""), ("c", pub(b"~.a", b"y", b"~.in")))
case("group names are case-sensitive", {"a": QUIET + sub(b"~.a", b"1", b"q") + sub(b"~.a", b"2", b"Q")}, ("a", pub(b"~.a", b"x") * 5))
case("a group with headers", {"a": HEADERS + sub(b"~.a", b"1", b"q"), "b": HEADERS + sub(b"~.a", b"1", b"q"), "c": HEADERS}, ("c", hpub(b"~.a", HDR, b"x", b"~.r") * 20))
case("plain and queue of one connection", {"a": QUIET + sub(b"~.a", b"1") + sub(b"~.a", b"2", b"q"), "b": QUIET}, ("b", pub(b"~.a", b"x") * 5))
