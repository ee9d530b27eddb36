"""What is still sent when a connection ends, and what others see of it."""

from ..scenario import Scenario
from .openings import HEADERS, QUIET, VERBOSE, hpub, pub, sub

SCENARIOS = []


def case(name, *steps, **kw):
    SCENARIOS.append(Scenario(f"teardown: {name}", list(steps), **kw))


def opened(conn, data):
    return [("open", conn), ("send", conn, data), ("sync", conn)]


# Whatever was answered before an error is sent before the connection closes; nothing behind it is handled.
for name, last in (("a parser error", b"garbage\r\n"), ("a silent close", b"PUB x\r\n"), ("too large a payload", b"PUB ~.a 9999999\r\n"), ("-ERR", b"-ERR 'x'\r\n"), ("bad JSON", b"CONNECT {\r\n"),
                   ("a bad payload end", b"PUB ~.a 1\r\nxyz\r\n"), ("a bad protocol", b'CONNECT {"protocol":9}\r\n'), ("an account", b'CONNECT {"account":"a"}\r\n')):
    # nats-server goes on with what it has read after an -ERR.
    kw = {"differs": "err-goes-on", "expect": {"b": ([("PONG",), ("PONG",)], False)}} if name == "-ERR" else {}
    case(f"answers before {name} are sent", *opened("a", VERBOSE), ("send", "a", sub(b"~.a", b"1") + pub(b"~.a", b"x") * 3 + b"PING\r\n" + last), ("closes", "a"))
    case(f"messages before {name} reach others", *opened("b", QUIET + sub(b"~.a", b"1")), *opened("a", QUIET), ("send", "a", pub(b"~.a", b"x") * 3 + last), ("closes", "a"), ("sync", "b"))
    case(f"nothing after {name} is handled", *opened("b", QUIET + sub(b"~.a", b"1")), *opened("a", QUIET), ("send", "a", last + pub(b"~.a", b"never") + b"PING\r\n"), ("closes", "a"), ("sync", "b"), **kw)
    case(f"a large answer before {name}", *opened("a", QUIET + sub(b"~.a", b"1")), ("send", "a", pub(b"~.a", b"x" * 60000) * 4 + last), ("closes", "a"), chunkings=("whole", "random"))

case("everything is handled before a half-close", *opened("b", QUIET + sub(b"~.a", b"1")), *opened("a", VERBOSE + sub(b"~.a", b"1")), ("send", "a", pub(b"~.a", b"x") * 5 + b"PING\r\n"), ("eof", "a"), ("sync", "b"))
everywhere = [step for conn in "bcd" for step in opened(conn, QUIET + sub(b"~.a", b"1"))]
for leaver in "aefg":
    everywhere += [("open", leaver), ("send", leaver, QUIET + pub(b"~.a", b"hi") * 5), ("eof", leaver)] + [("sync", conn) for conn in "bcd"]
case("whoever saw a connection end finds what it published everywhere", *everywhere, chunkings=("whole",) * 10)
case("a half-close inside a payload", *opened("b", QUIET + sub(b"~.a", b"1")), *opened("a", QUIET), ("send", "a", pub(b"~.a", b"x") + b"PUB ~.a 10\r\nhalf"), ("eof", "a"), ("sync", "b"))
case("a half-close after INFO", ("open", "a"), ("eof", "a"))
case("a half-close inside CONNECT", ("open", "a"), ("send", "a", b"CONNECT {"), ("eof", "a"))
case("a large answer is sent to a half-closed client", *opened("a", HEADERS + sub(b"~.a", b"1")), ("send", "a", hpub(b"~.a", b"NATS/1.0\r\n\r\n", b"x" * 100000) * 5), ("eof", "a"), chunkings=("whole", "random"))
