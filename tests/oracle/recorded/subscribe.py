"""Sheet 01, sections 3.4, 3.5 and 6: SUB, UNSUB, subjects, wildcards, auto-unsubscribe."""

from ..scenario import Scenario, talk
from .openings import QUIET, VERBOSE, pub, sub

SCENARIOS = []


def case(name, *steps, **kw):
    SCENARIOS.append(Scenario(f"subscribe: {name}", talk(*steps), **kw))


for args in (b"~.a", b"~.a q 1 x", b"~.a q 1 x y", b"x"):
    case(f"SUB {args!r} closes", QUIET, "sync", b"SUB " + args + b"\r\n", "closes")
    case(f"SUB {args!r} closes a verbose connection", VERBOSE, "sync", b"SUB " + args + b"\r\n", "closes")
for args in (b"1 2 3", b"1 2 3 4", b"a b c"):
    case(f"UNSUB {args!r} closes", QUIET + sub(b"~.a", b"1"), "sync", b"UNSUB " + args + b"\r\n", "closes")

# --- sids ---------------------------------------------------------------------------------------------------------------

for sid in (b"1", b"0", b"01", b"-1", b"abc", b"a.b", b"*", b">", b"~", b"1.5", b"18446744073709551616", b"\xff\xfe", b"{}", b"+OK", b"'"):
    case(f"sid {sid!r}", VERBOSE + sub(b"~.a", sid) + pub(b"~.a", b"x") + b"UNSUB " + sid + b"\r\n" + pub(b"~.a", b"y"), "sync")
case("sids 1 and 01 are two", QUIET + sub(b"~.a", b"1") + sub(b"~.a", b"01") + pub(b"~.a", b"x") + b"UNSUB 01\r\n" + pub(b"~.a", b"y"), "sync")
case("sids are case-sensitive", QUIET + sub(b"~.a", b"s") + sub(b"~.a", b"S") + pub(b"~.a", b"x") + b"UNSUB S\r\n" + pub(b"~.a", b"y"), "sync")
case("a sid in use changes nothing", QUIET + sub(b"~.a", b"1") + sub(b"~.b", b"1") + pub(b"~.a", b"x") + pub(b"~.b", b"y"), "sync")
case("a sid in use, verbose", VERBOSE + sub(b"~.a", b"1") + sub(b"~.b", b"1") + sub(b"~.b", b"1", b"q") + pub(b"~.a", b"x") + pub(b"~.b", b"y"), "sync")
case("a sid in use with an invalid subject", VERBOSE + sub(b"~.a", b"1") + sub(b"~..b", b"1") + pub(b"~.a", b"x"), "sync")
case("a sid after a refused SUB is free", VERBOSE + sub(b"~..a", b"1") + sub(b"~.a", b"1") + pub(b"~.a", b"x"), "sync")
case("a sid after UNSUB is free", VERBOSE + sub(b"~.a", b"1") + b"UNSUB 1\r\n" + sub(b"~.b", b"1") + pub(b"~.a", b"x") + pub(b"~.b", b"y"), "sync")
case("a sid after its max is free", VERBOSE + sub(b"~.a", b"1") + b"UNSUB 1 1\r\n" + pub(b"~.a", b"x") + sub(b"~.b", b"1") + pub(b"~.a", b"y") + pub(b"~.b", b"z"), "sync")
case("the same subject on many sids", QUIET + b"".join(sub(b"~.a", b"%d" % i) for i in range(40)) + pub(b"~.a", b"x") + b"".join(b"UNSUB %d\r\n" % i for i in range(0, 40, 2)) + pub(b"~.a", b"y"), "sync", chunkings=("whole", "random"))
case("300 subscriptions on one subject", QUIET + b"".join(sub(b"~.a", b"%d" % i) for i in range(300)) + pub(b"~.a", b"x") * 3, "sync", chunkings=("whole", "random"))

# --- subjects -----------------------------------------------------------------------------------------------------------

GOOD = (b"~", b"~.a", b"~.*", b"~.>", b"~.a.*", b"~.*.b", b"~.*.*", b"~.a.>", b"~.*.>", b"~.a*", b"~.*a", b"~.a>", b"~.>a", b"~.**", b"~.>>", b"~.a*b.c", b"~.*>", b"~.>*", b"~.$x", b"~.a.b.c.d.e.f.g.h")
BAD = (b".", b"..", b"~.", b".~", b"~..a", b"~.>.a", b"~.>.*", b"~.>.>", b">.~", b">.>", b"~.a.", b"~.a..", b".~.a", b"~.*..a", b"~..>", b"~.a..>", b"...")
TRY = (b"~", b"~.a", b"~.b", b"~.a.b", b"~.b.b", b"~.a.b.c", b"~.a*", b"~.*a", b"~.a>", b"~.>a", b"~.**", b"~.>>", b"~.a*b.c", b"~.aXb.c", b"~.*>", b"~.>*", b"~.*", b"~.>", b"~.$x", b"~.a.b.c.d.e.f.g.h", b"~.a.*", b"~.aa")
for subject in GOOD:
    case(f"to {subject!r}", VERBOSE + sub(subject, b"1") + b"".join(pub(t, t) for t in TRY), "sync", chunkings=("whole", "random"))
    case(f"to {subject!r} in a queue group", VERBOSE + sub(subject, b"1", b"q") + b"".join(pub(t, t) for t in TRY), "sync", chunkings=("whole", "random"))
for subject in BAD:
    case(f"to {subject!r} is refused", QUIET + sub(subject, b"1") + b"".join(pub(t, t) for t in TRY[:6]), "sync")
    case(f"to {subject!r} is refused, verbose", VERBOSE + sub(subject, b"1") + sub(subject, b"2", b"q"), "sync")
    case(f"UNSUB after {subject!r} was refused", VERBOSE + sub(subject, b"1") + b"UNSUB 1\r\nUNSUB 1 5\r\n", "sync")
case("every good subject at once", QUIET + b"".join(sub(s, b"%d" % i) for i, s in enumerate(GOOD)) + b"".join(pub(t, t) for t in TRY), "sync", chunkings=("whole", "random"))
case("removed in another order", QUIET + b"".join(sub(s, b"%d" % i) for i, s in enumerate(GOOD))
     + b"".join(b"UNSUB %d\r\n" % (i * 7 % len(GOOD)) + b"".join(pub(t, t) for t in TRY[:8]) for i in range(len(GOOD))), "sync", chunkings=("whole", "random"))
case("> alone and * alone", QUIET + sub(b">", b"1") + sub(b"*", b"2") + sub(b"*.*", b"3") + pub(b"~", b"x") + pub(b"~.a", b"y") + pub(b"~.a.b", b"z"), "sync")
case("many tokens", QUIET + sub(b"~" + b".t" * 1500, b"1") + sub(b"~" + b".*" * 1500, b"2") + sub(b"~" + b".t" * 1499 + b".>", b"3") + pub(b"~" + b".t" * 1500, b"x") + pub(b"~" + b".t" * 1501, b"y"), "sync", chunkings=("whole", "random"))
case("a queue named _sys_", VERBOSE + sub(b"~.a", b"1", b"_sys_") + pub(b"~.a", b"x") + sub(b"~.a", b"1"), "sync")
case("a queue named _sys_ with an invalid subject", VERBOSE + sub(b"~..a", b"1", b"_sys_"), "sync")
case("a queue named _SYS_", VERBOSE + sub(b"~.a", b"1", b"_SYS_") + pub(b"~.a", b"x"), "sync")
for queue in (b"*", b">", b"a.*", b"q.", b".", b"a..b", b"1", b"_sys_.a", b"~"):
    case(f"a queue named {queue!r}", VERBOSE + sub(b"~.a", b"1", queue) + pub(b"~.a", b"x"), "sync")
case("to reserved subjects", VERBOSE + sub(b"_GR_.~", b"1") + sub(b"$NRG.~", b"2") + sub(b"_R_.~", b"3") + sub(b"$JS.ACK.~", b"4") + sub(b"$SYS.~", b"5") + sub(b"_GR_.>", b"6"), "sync")

# --- UNSUB ----------------------------------------------------------------------------------------------------------------

case("UNSUB of an unknown sid", QUIET + b"UNSUB 1\r\nUNSUB 1 1\r\nUNSUB nobody\r\n", "sync")
case("UNSUB of an unknown sid, verbose", VERBOSE + b"UNSUB 1\r\nUNSUB 1 1\r\nUNSUB nobody\r\n", "sync")
case("UNSUB twice", VERBOSE + sub(b"~.a", b"1") + b"UNSUB 1\r\nUNSUB 1\r\n" + pub(b"~.a", b"x"), "sync")
for n in range(5):
    case(f"UNSUB max {n}", VERBOSE + sub(b"~.a", b"1") + b"UNSUB 1 %d\r\n" % n + pub(b"~.a", b"x") * 6, "sync")
    for had in (1, 2, 3):
        case(f"UNSUB max {n} after {had} messages", QUIET + sub(b"~.a", b"1") + pub(b"~.a", b"x") * had + b"UNSUB 1 %d\r\n" % n + pub(b"~.a", b"y") * 6, "sync")
        case(f"UNSUB max {n} after {had} messages, queue", QUIET + sub(b"~.a", b"1", b"q") + pub(b"~.a", b"x") * had + b"UNSUB 1 %d\r\n" % n + pub(b"~.a", b"y") * 6, "sync")
for text in (b"-1", b"a", b"+1", b"1a", b"0000000003", b"9999999999", b"99999999999999999999", b"1.5", b"003", b"0x3", b"2147483648", b"4294967297", b"999999999"):
    case(f"UNSUB max {text!r}", VERBOSE + sub(b"~.a", b"1") + pub(b"~.a", b"x") + b"UNSUB 1 " + text + b"\r\n" + pub(b"~.a", b"y") * 4, "sync")
case("UNSUB max, then a greater one", QUIET + sub(b"~.a", b"1") + b"UNSUB 1 2\r\nUNSUB 1 4\r\n" + pub(b"~.a", b"x") * 6, "sync")
case("UNSUB max, then a smaller one", QUIET + sub(b"~.a", b"1") + b"UNSUB 1 5\r\n" + pub(b"~.a", b"x") * 3 + b"UNSUB 1 2\r\n" + pub(b"~.a", b"y") * 3, "sync")
case("UNSUB max, then UNSUB", QUIET + sub(b"~.a", b"1") + b"UNSUB 1 5\r\n" + pub(b"~.a", b"x") + b"UNSUB 1\r\n" + pub(b"~.a", b"y"), "sync")
case("UNSUB max, then max 0", QUIET + sub(b"~.a", b"1") + b"UNSUB 1 5\r\n" + pub(b"~.a", b"x") + b"UNSUB 1 0\r\n" + pub(b"~.a", b"y"), "sync")
case("UNSUB max of one of two", QUIET + sub(b"~.a", b"1") + sub(b"~.a", b"2") + b"UNSUB 1 2\r\n" + pub(b"~.a", b"x") * 4, "sync")
case("UNSUB max, wildcard", QUIET + sub(b"~.*", b"1") + sub(b"~.>", b"2") + b"UNSUB 1 2\r\nUNSUB 2 3\r\n" + pub(b"~.a", b"x") + pub(b"~.b", b"x") + pub(b"~.c", b"x") + pub(b"~.d", b"x"), "sync")
case("a sid in use while its max is pending", VERBOSE + sub(b"~.a", b"1") + b"UNSUB 1 2\r\n" + sub(b"~.b", b"1") + pub(b"~.a", b"x") * 3 + pub(b"~.b", b"y") + sub(b"~.b", b"1") + pub(b"~.b", b"z"), "sync")
case("no echo does not count for the max", b'CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n' + sub(b"~.a", b"1") + b"UNSUB 1 1\r\n" + pub(b"~.a", b"x") * 3, "sync")
