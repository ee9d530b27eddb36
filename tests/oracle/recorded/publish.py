"""Sheet 01, sections 3.3, 5 and the publish rows of 4 and 6: PUB, HPUB, reserved replies, no responders."""

from ..scenario import Scenario, talk
from .openings import HEADERS, NO_ECHO, NO_RESP, NO_RESP_NO_ECHO, PEDANTIC, QUIET, VERBOSE, hpub, pub, sub

SCENARIOS = []


def case(name, *steps, **kw):
    SCENARIOS.append(Scenario(f"publish: {name}", talk(*steps), **kw))


ALL = sub(b"~.>", b"1")

# --- argument counts --------------------------------------------------------------------------------------------------

for args in (b"a", b"a b c d", b"a b c 1", b"a b c d e", b"1", b"~.a ~.b"):
    case(f"PUB {args!r} closes", QUIET + ALL, "sync", b"PUB " + args + b"\r\nx\r\n", "closes")
    case(f"PUB {args!r} closes a verbose connection", VERBOSE, "sync", b"PUB " + args + b"\r\nx\r\n", "closes")
for args in (b"a", b"a 1", b"a 12", b"a b c 12 12", b"a b c d 12 12", b"12 12"):
    case(f"HPUB {args!r} closes", HEADERS + ALL, "sync", b"HPUB " + args + b"\r\nNATS/1.0\r\n\r\n\r\n", "closes")
for args in (b"~.a x 12", b"~.a 12 x", b"~.a 13 12", b"~.a -1 12", b"~.a 12 -1", b"~.a 0000000012 12", b"~.a 12 0000000012", b"~.a +12 12", b"~.a 12.0 12", b"~.a ~.r 12 x", b"~.a ~.r x 12", b"~.a ~.r 13 12", b"~.a 99999999999 99999999999"):
    case(f"HPUB {args!r} closes", HEADERS + ALL, "sync", b"HPUB " + args + b"\r\nNATS/1.0\r\n\r\n\r\n", "closes")
case("HPUB with zeros", HEADERS + ALL + b"HPUB ~.a 0012 00014\r\nNATS/1.0\r\n\r\nhi\r\n", "sync")
case("HPUB with no header bytes", HEADERS + ALL + b"HPUB ~.a 0 2\r\nhi\r\nHPUB ~.a 0 0\r\n\r\nHPUB ~.a ~.r 0 2\r\nhi\r\nHPUB ~.a 00 2\r\nhi\r\n", "sync")
case("HPUB with headers and no payload", HEADERS + ALL + hpub(b"~.a", b"NATS/1.0\r\nA: b\r\n\r\n") + hpub(b"~.a", b"NATS/1.0\r\nA: b\r\n\r\n", b"", b"~.r"), "sync")
case("HPUB whose headers are no headers", HEADERS + ALL + hpub(b"~.a", b"x") + hpub(b"~.a", b"\r\n\r\n", b"y") + hpub(b"~.a", b"HTTP/1.1 200\r\n\r\n", b"y") + hpub(b"~.a", bytes(range(256)), b"z"), "sync")
case("HPUB keeps case, order, duplicates and spaces", HEADERS + ALL + hpub(b"~.a", b"NATS/1.0 100 Idle\r\nb: 2\r\nA:1\r\nb:  2 \r\nB: 3\r\n: x\r\n\r\n", b"p"), "sync")
case("HPUB without negotiated headers closes silently", QUIET + ALL, "sync", hpub(b"~.a", b"NATS/1.0\r\n\r\n", b"x"), "closes")
case("HPUB without negotiated headers, verbose", VERBOSE + ALL, "sync", hpub(b"~.a", b"NATS/1.0\r\n\r\n", b"x"), "closes")
case("HPUB without negotiated headers, bad arguments", QUIET, "sync", b"HPUB a\r\n", "closes")
case("HPUB, verbose", b'CONNECT {"verbose":true,"pedantic":false,"headers":true}\r\n' + ALL + hpub(b"~.a", b"NATS/1.0\r\n\r\n", b"x"), "sync")
case("HPUB, pedantic with a bad subject", b'CONNECT {"verbose":false,"pedantic":true,"headers":true}\r\n' + ALL + hpub(b"~..a", b"NATS/1.0\r\n\r\n", b"x"), "sync")

# --- subjects ---------------------------------------------------------------------------------------------------------

ODD = (b"~", b"~.", b".~", b"~..a", b".", b"..", b"~.*", b"~.>", b"~.*.b", b"~.>.b", b"~.a*", b"~.*a", b"~.a>", b"~.>a", b"*", b">", b"~.a.b.", b"~.**", b"~.>>", b"~.a.*.>", b".~.a", b"~.a..b..c", b"*.~", b"~.$", b"~.a\0b")
WATCH = sub(b"~.>", b"1") + sub(b"~.*", b"2") + sub(b"~", b"3") + sub(b"~.a", b"4") + sub(b"~.*.*", b"5")
for subject in ODD:
    case(f"to {subject!r}", QUIET + WATCH + pub(subject, b"x") + pub(subject, b"y", b"~.r"), "sync")
    case(f"to {subject!r}, pedantic", PEDANTIC + WATCH + pub(subject, b"x"), "sync")
    case(f"to {subject!r}, pedantic and verbose", b"CONNECT {}\r\n" + WATCH + pub(subject, b"x"), "sync")
    case(f"with reply {subject!r}", QUIET + WATCH + pub(b"~.a", b"x", subject), "sync")
    case(f"with reply {subject!r}, pedantic", PEDANTIC + WATCH + pub(b"~.a", b"x", subject), "sync")
case("a literal wildcard reaches wildcard subscriptions only", QUIET + sub(b"~.a.*", b"1") + sub(b"~.a.>", b"2") + sub(b"~.a.b", b"3") + pub(b"~.a.*", b"x") + pub(b"~.a.>", b"y") + pub(b"~.a.b", b"z"), "sync")
# What a pedantic client hears, and when: at the end of the control line, before the payload is there.
case("pedantic, a bad subject and a payload that is too long", PEDANTIC + ALL, "sync", b"PUB ~..a 2\r\nhello\r\n", "closes")
case("pedantic, a bad subject and a payload that never comes", PEDANTIC + ALL, "sync", b"PUB ~..a 2\r\nh", "eof")
case("pedantic, a bad subject and nothing else", PEDANTIC + ALL, "sync", b"PUB ~..a 2\r\n", "eof")
case("pedantic, a bad subject and a bad size", PEDANTIC + ALL, "sync", b"PUB ~..a x\r\n", "closes")
case("pedantic, a bad subject of an HPUB with a bad end", b'CONNECT {"verbose":true,"pedantic":true,"headers":true}\r\n' + ALL, "sync", b"HPUB ~..a 12 14\r\nNATS/1.0\r\n\r\nhi, and more\r\n", "closes")
case("pedantic, bad and good subjects in turn", b"CONNECT {}\r\n" + ALL + (pub(b"~..a", b"x") + pub(b"~.a", b"y")) * 3, "sync")
case("pedantic, a bad and refused subject", b"CONNECT {}\r\n" + pub(b"_GR_..a", b"x") + pub(b"$NRG.*", b"y") + pub(b"~.a.", b"z"), "sync")
case("pedantic, headers of no bytes", b'CONNECT {"headers":true}\r\n' + ALL + b"HPUB ~..a 0 1\r\nx\r\nHPUB ~.a ~.r 0 1\r\ny\r\n", "sync")
case("pedantic until a second CONNECT", PEDANTIC + pub(b"~..a", b"x") + QUIET + pub(b"~..a", b"y") + PEDANTIC + pub(b"~..a", b"z"), "sync")
# Sizes are echoed as written, whatever else of the line was written in another way.
case("zeros in sizes among tabs and spaces", HEADERS + ALL + b"PUB\t~.a\t002\r\nhi\r\nPUB ~.a  ~.r\t 0002 \r\nhi\r\nHPUB ~.a\t012 \t 00014\nNATS/1.0\r\n\r\nhi\r\nHPUB  ~.a ~.r 0  02\r\nhi\r\nHPUB ~.a 000\t02\r\nhi\r\n", "sync")
case("zeros in sizes, verbose and pedantic", b'CONNECT {"headers":true}\r\n' + ALL + b"PUB ~.a 000002\r\nhi\r\nHPUB ~.a 00012 000000014\r\nNATS/1.0\r\n\r\nhi\r\n", "sync")
case("the longest sizes", HEADERS + ALL + b"PUB ~.a 000000002\r\nhi\r\nHPUB ~.a 000000012 000000014\r\nNATS/1.0\r\n\r\nhi\r\nHPUB ~.a 000000000 000000002\r\nhi\r\n", "sync")
case("a number as reply", QUIET + ALL + pub(b"~.a", b"x", b"12") + pub(b"~.12", b"y", b"3"), "sync")
case("subjects are case-sensitive", QUIET + sub(b"~.A", b"1") + pub(b"~.a", b"x"), "sync")
case("many tokens", QUIET + ALL + pub(b"~" + b".t" * 1500, b"x") + pub(b"~" + b".t" * 2000, b"y"), "sync", chunkings=("whole", "random"))

# --- reserved -----------------------------------------------------------------------------------------------------------

for reply in (b"_R_.", b"_R_.x", b"_R_", b"_R_x", b"_R_.aaaaaa.bbbbbb", b"_GR_.", b"_GR_.x", b"_GR_", b"_GR_.aaaaaa.bbbbbb.~.a", b"$GR.x", b"$JS.ACK.", b"$JS.ACK.x", b"$JS.ACK", b"$JS.ACK.a.b.1.2.3.4.5", b"$js.ack.x", b"_r_.x", b"$NRG.x", b"$JS.FC.x", b"_INBOX.x"):
    case(f"reply {reply!r}", QUIET + ALL + pub(b"~.a", b"x", reply) + pub(b"~.a", b"y"), "sync")
    case(f"reply {reply!r}, verbose", VERBOSE + ALL + pub(b"~.a", b"x", reply), "sync")
    case(f"reply {reply!r}, with headers", HEADERS + ALL + hpub(b"~.a", b"NATS/1.0\r\n\r\n", b"x", reply), "sync")
for subject in (b"_GR_.", b"_GR_.~", b"_GR_", b"_GR_.aaaaaa.bbbbbb.~", b"$NRG.", b"$NRG.~", b"$NRG", b"_R_.~", b"$JS.ACK.~", b"_INBOX.~", b"$GR.~", b"$KV.~", b"$OBJ.~", b"$SRV.~", b"$LDS.~", b"$nrg.~", b"_gr_.~"):
    case(f"to {subject!r}", QUIET + sub(subject.rstrip(b".") + b".>", b"2") + sub(subject, b"1") + pub(subject, b"x") + b"PING\r\n", "sync")
    case(f"to {subject!r}, verbose", VERBOSE + pub(subject, b"x"), "sync")
    case(f"to {subject!r}, pedantic", PEDANTIC + pub(subject, b"x"), "sync")
case("to _GR_ with a reserved reply", VERBOSE + pub(b"_GR_.~", b"x", b"_R_.x"), "sync")
case("a reserved reply and a bad subject, pedantic", PEDANTIC + pub(b"~..a", b"x", b"_R_.x"), "sync")
case("quotes in a refused reply", QUIET + pub(b"~.a", b"x", b'_R_."\\\x01' + b"\xc3\xa9\xff"), "sync")
for raw in (b"\x00", b"\x07", b"\x08", b"\x0b", b"\x0c", b"\x1b", b"\x7f", b"\x80", b"\xff", b'"', b"\\", b"'", b"\xc2\x80", b"\xc3\xa9", b"\xe2\x80\xa8", b"\xef\xbf\xbd", b"\xf0\x9f\x98\x80", b"\xf4\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82", b"\xef\xbb\xbf", b"\xc2\xad", b"\xcc\x81", b"\xe0\xa4\x80", b"`", b"%s%n%d"):
    case(f"{raw!r} in a refused subject and reply", QUIET + pub(b"_GR_.a" + raw + b"b", b"x") + pub(b"~.a", b"x", b"_R_.a" + raw + b"b"), "sync")

# --- no responders --------------------------------------------------------------------------------------------------------

INBOX = sub(b"~.in.*", b"9")
case("nobody there", NO_RESP + INBOX + pub(b"~.none", b"x", b"~.in.1") + pub(b"~.none.longer.subject", b"x", b"~.in.2"), "sync")
case("nobody there, with headers", NO_RESP + INBOX + hpub(b"~.none", b"NATS/1.0\r\nA: b\r\n\r\n", b"x", b"~.in.1"), "sync")
case("nobody there, no reply", NO_RESP + INBOX + pub(b"~.none", b"x"), "sync")
case("nobody there, reply without own subscription", NO_RESP + pub(b"~.none", b"x", b"~.in.1"), "sync")
case("nobody there, reply to a queue subscription only", NO_RESP + sub(b"~.in.*", b"9", b"q") + pub(b"~.none", b"x", b"~.in.1"), "sync")
case("nobody there, verbose", b'CONNECT {"verbose":true,"pedantic":false,"headers":true,"no_responders":true}\r\n' + INBOX + pub(b"~.none", b"x", b"~.in.1"), "sync")
case("nobody there, option off", HEADERS + INBOX + pub(b"~.none", b"x", b"~.in.1"), "sync")
case("somebody there", NO_RESP + INBOX + sub(b"~.some", b"1") + pub(b"~.some", b"x", b"~.in.1"), "sync")
case("a queue member there", NO_RESP + INBOX + sub(b"~.some", b"1", b"q") + pub(b"~.some", b"x", b"~.in.1"), "sync")
case("only oneself there, without echo", NO_RESP_NO_ECHO + INBOX + sub(b"~.some", b"1") + pub(b"~.some", b"x", b"~.in.1"), "sync")
case("only oneself there as queue member, without echo", NO_RESP_NO_ECHO + INBOX + sub(b"~.some", b"1", b"q") + pub(b"~.some", b"x", b"~.in.1"), "sync")
case("reply to oneself as subject", NO_RESP + sub(b"~.a", b"1") + pub(b"~.a", b"x", b"~.a"), "sync")
case("reply is the subject that nobody has", NO_RESP + pub(b"~.a", b"x", b"~.a"), "sync")
case("the 503 does not count for UNSUB max", NO_RESP + sub(b"~.in.1", b"9") + b"UNSUB 9 1\r\n" + pub(b"~.none", b"x", b"~.in.1") * 3 + pub(b"~.in.1", b"real") * 2, "sync")
case("the subscription for the reply has reached its max", NO_RESP + sub(b"~.in.1", b"9") + b"UNSUB 9 1\r\n" + pub(b"~.in.1", b"real") + pub(b"~.none", b"x", b"~.in.1"), "sync")
case("the only subscription has reached its max", NO_RESP + INBOX + sub(b"~.some", b"1") + b"UNSUB 1 1\r\n" + pub(b"~.some", b"x", b"~.in.1") * 3, "sync")
case("a subject with empty tokens", NO_RESP + INBOX + pub(b"~..a", b"x", b"~.in.1") + pub(b"~.", b"x", b"~.in.1") + pub(b".~", b"x", b"~.in.1"), "sync")
case("a subject with wildcards", NO_RESP + INBOX + pub(b"~.*", b"x", b"~.in.1") + pub(b"~.>", b"x", b"~.in.2"), "sync")
case("refused for its reply", NO_RESP + INBOX + pub(b"~.none", b"x", b"_R_.1"), "sync")
case("refused for its subject", NO_RESP + INBOX + pub(b"_GR_.none", b"x", b"~.in.1") + pub(b"$NRG.none", b"x", b"~.in.1"), "sync")
case("a pedantic publisher with a bad subject", b'CONNECT {"verbose":false,"pedantic":true,"headers":true,"no_responders":true}\r\n' + INBOX + pub(b"~..none", b"x", b"~.in.1"), "sync")
case("reply with empty tokens", NO_RESP + sub(b"~.>", b"9") + pub(b"none.~", b"x", b"~..1"), "sync")
case("reply with a wildcard", NO_RESP + INBOX + pub(b"none.~", b"x", b"~.in.*") + pub(b"none.~", b"x", b"~.in.>"), "sync")
case("the option is taken away by a second CONNECT", NO_RESP + INBOX + pub(b"~.none", b"x", b"~.in.1") + HEADERS + INBOX + pub(b"~.none", b"x", b"~.in.2") + b'CONNECT {"no_responders":false}\r\n' + INBOX + pub(b"~.none", b"x", b"~.in.3"), "sync")
case("before and after somebody is there", NO_RESP + INBOX + pub(b"~.some", b"x", b"~.in.1") + sub(b"~.some", b"1") + pub(b"~.some", b"y", b"~.in.2") + b"UNSUB 1\r\n" + pub(b"~.some", b"z", b"~.in.3"), "sync")
case("several subscriptions match the reply", NO_RESP + INBOX + sub(b"~.in.>", b"8") + sub(b"~.in.1", b"7") + pub(b"~.none", b"x", b"~.in.1"), "sync", any_sid_503=True)
case("only a subscription of another subject's queue group", NO_RESP + INBOX + sub(b"~.other", b"1", b"q") + pub(b"~.none", b"x", b"~.in.1"), "sync")
case("a long subject", NO_RESP + INBOX + pub(b"~." + b"n" * 2000, b"x", b"~.in.1"), "sync", chunkings=("whole", "random"))
case("an HPUB of no header bytes", NO_RESP + INBOX + b"HPUB none.~ ~.in.1 0 0\r\n\r\n", "sync")
case("without echo, another subject's own subscription gets the 503", NO_RESP_NO_ECHO + INBOX + pub(b"~.none", b"x", b"~.in.1"), "sync")
