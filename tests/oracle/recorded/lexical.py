"""Sheet 01, section 2: verbs, separators, line ends, numbers, payload ends, foreign bytes."""

from ..scenario import Scenario, talk
from .openings import HEADERS, NO_RESP, QUIET, VERBOSE, pub, sub

SCENARIOS = []


def case(name, *steps, **kw):
    SCENARIOS.append(Scenario(f"lexical: {name}", talk(*steps), **kw))


UNKNOWN = [("-ERR", b"Unknown Protocol Operation")]
AFTER_PONG = [("PONG",)]

# --- verbs ----------------------------------------------------------------------------------------------------

case("verbs in lower case", b'connect {"verbose":false,"pedantic":false,"headers":true}\r\nsub ~.a 1\r\npub ~.a 2\r\nhi\r\n'
     b'hpub ~.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nunsub 1\r\nping\r\npong\r\n', "sync")
case("verbs in mixed case", b'ConNect {"verbose":false,"pedantic":false,"headers":true}\r\nsUb ~.a 1\r\nPuB ~.a 2\r\nhi\r\n'
     b'hPuB ~.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUnSub 1\r\npiNG\r\nPonG\r\n', "sync")
case("arguments keep their case", QUIET + sub(b"~.A", b"X") + pub(b"~.a", b"no") + pub(b"~.A", b"yes"), "sync")

for first in (b" ", b"\t", b"\r", b"\n", b"\0", b"x", b"{", b"\xff", b"*", b"1", b"'", b"Q"):
    case(f"operation starts with {first!r}", QUIET, "sync", first + b"PING\r\n", "closes")
    case(f"connection starts with {first!r}", first + b"PING\r\n", "closes")

case("a blank line", QUIET, "sync", b"\r\n", "closes")
case("a blank line between operations", QUIET + b"PING\r\n\r\nPING\r\n", "closes")

WORDS = (b"PUB", b"HPUB", b"SUB", b"UNSUB", b"CONNECT", b"INFO", b"PING", b"PONG", b"+OK", b"-ERR")
for word in WORDS:
    for n in range(1, len(word)):
        case(f"{word!r} cut after {n} bytes", QUIET, "sync", word[:n] + b"\r\n", "closes")
        case(f"{word!r} with byte {n} wrong", QUIET, "sync", word[:n] + b"?" + word[n + 1:] + b" a\r\n", "closes")
for word in (b"PUB", b"HPUB", b"SUB", b"UNSUB", b"-ERR"):
    case(f"{word!r} without arguments", QUIET, "sync", word + b"\r\n", "closes")
    case(f"{word!r} followed by a letter", QUIET, "sync", word + b"X a 1\r\n", "closes")
    case(f"{word!r} followed by LF", QUIET, "sync", word + b"\n", "closes")
for word in (b"PUB", b"HPUB", b"SUB", b"UNSUB"):
    case(f"{word!r} with a space and nothing else", HEADERS, "sync", word + b" \r\n", "closes")
    case(f"{word!r} with a tab and nothing else", HEADERS, "sync", word + b"\t\r\n", "closes")

for word in (b"RS+", b"RS-", b"LS+", b"LS-", b"A+", b"A-", b"RMSG", b"LMSG", b"MSG", b"RS", b"L", b"A", b"R", b"M"):
    case(f"{word!r} is for server links", QUIET, "sync", word + b" ~.a 1 2\r\nhi\r\n", "closes")
    case(f"{word.lower()!r} is for server links", QUIET, "sync", word.lower() + b" ~.a 1 2\r\nhi\r\n", "closes")
for tail in (b"SG ~.a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"SG $G ~.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"SG 0 0\r\n", b"SG a 2 1\r\n", b"\r\n", b"X"):
    case(f"HM{tail[:8]!r} is refused at HM", HEADERS, "sync", b"HM" + tail, "closes", differs="hmsg",
         expect={"a": (AFTER_PONG + UNKNOWN, True)})

case("PING with bytes before the line end", QUIET + b"PINGx\r\nPING  \r\nPING x y z\r\nPING\n", "sync")
case("PONG with bytes before the line end", QUIET + b"PONGx\r\nPONG  \r\nPONG x y z\r\nPONG\n", "sync")
case("+OK with bytes before the line end", QUIET + b"+OKx\r\n+OK  \r\n+OK x y z\r\n+OK\n", "sync")
case("+OK is ignored", QUIET + b"+OK\r\n", "sync")
case("+ok in lower case", QUIET + b"+ok\r\n", "sync")
case("+OK is ignored by a verbose server", VERBOSE + b"+OK\r\nPING\r\n", "sync")
case("-ERR closes without an answer", QUIET, "sync", b"-ERR 'no'\r\n", "closes")
case("-ERR without quotes", QUIET, "sync", b"-ERR no\r\n", "closes")
case("-ERR with LF", QUIET, "sync", b"-ERR no\n", "closes")
case("-err in lower case", QUIET, "sync", b"-err 'x'\r\n", "closes")
case("-ERR and a space only", QUIET, "sync", b"-ERR \r\n", "closes")
for line in (b"PUB \n", b"HPUB \n", b"SUB \n", b"UNSUB \n", b"-ERR \n", b"PUB \t\n", b"CONNECT\n", b"CONNECT \n", b"INFO\n", b"INFO \n"):
    case(f"LF where the arguments of {line!r} should begin", HEADERS, "sync", line, "closes", differs="lf-first", expect={"a": (AFTER_PONG, True)})
case("-ERR with several spaces", QUIET, "sync", b"-ERR   'x'\r\n", "closes")
case("-ERR with a tab", QUIET, "sync", b"-ERR\t'x'\r\n", "closes")
case("-ERR before CONNECT", b"-ERR 'x'\r\n", "closes")

for body in (b" {}", b"{}", b"\t{}", b"   {}  ", b' {"a":1}', b' {"server_id":"x","port":1,"connect_urls":["a"]}', b" null"):
    case(f"INFO{body!r} is ignored", QUIET + b"INFO" + body + b"\r\n", "sync")
for body in (b"", b" ", b" {", b" }", b" []", b" 1", b' "x"', b" x", b' {"port":"x"}', b' {"server_id":1}', b" {} x", b' {"port":1.5}', b" {}{}"):
    case(f"INFO{body!r} closes", QUIET, "sync", b"INFO" + body + b"\r\n", "closes")
case("INFO before CONNECT", b"INFO {}\r\n", "sync")

# Every field that servers know, right and wrong; all right ones in one stream.
STR, INT, BOOL, STRS, PERMS = ((b'"x"', b'""', b"null"), (b"1", b"b")), ((b"0", b"-7", b"null"), (b'"1"', b"1.0")), ((b"true", b"null"), (b"1", b'"true"')), ((b"[]", b'["a",null]', b"null"), (b"{}", b"[1]")), (
    (b"{}", b'{"allow":["a"],"deny":[]}', b"null"), (b"[]", b'{"allow":"a"}', b'{"deny":[1]}'))
INFO_FIELDS = {
    "server_id server_name version git_commit go host client_ip nonce cluster domain remote_account xkey ip compression route_account route_acc_add_reqid gateway gateway_url": STR,
    "proto port api_lvl route_pool_size route_pool_idx": INT,
    "headers auth_required tls_required tls_verify tls_available jetstream cluster_dynamic ldm connect_info acc_is_sys lnoc lnocu info_on_connect gateway_nrp gateway_iom": BOOL,
    "connect_urls ws_connect_urls gateway_urls leafnode_urls": STRS,
    "import export": PERMS,
    "max_payload": ((b"0", b"-1", b"2147483647"), (b"2147483648", b"-2147483649", b"1e3")),
    "client_id": ((b"0", b"18446744073709551615"), (b"-1", b"18446744073709551616")),
    "gossip_mode gateway_cmd": ((b"0", b"255"), (b"256", b"-1")),
}
for fields, (right, wrong) in INFO_FIELDS.items():
    for field in fields.encode().split():
        case(f"INFO with {field!r}, right", QUIET + b"".join(b'INFO {"%s":%s}\r\n' % (field, v) for v in right), "sync", chunkings=("whole",))
        for v in wrong:
            case(f"INFO with {field!r}: {v!r} closes", QUIET + b'INFO {"%s":%s}\r\nPING\r\n' % (field, v), "closes", chunkings=("whole",))

# --- separators and line ends -----------------------------------------------------------------------------------

case("tabs between arguments", QUIET + b"SUB\t~.a\t1\r\nPUB\t~.a\t2\r\nhi\r\n", "sync")
case("many spaces and tabs between arguments", QUIET + b"SUB  \t ~.a \t\t 1\r\nPUB   ~.a\t \t~.r  2\r\nhi\r\n", "sync")
case("spaces before the line end", QUIET + b"SUB ~.a 1  \r\nPUB ~.a 2 \r\nhi\r\nPUB ~.a 2\t \r\nhi\r\nUNSUB 1 \t\r\n", "sync")
case("a queue name behind tabs", QUIET + b"SUB\t~.a\tq\t1\r\nPUB\t~.a\t2\r\nhi\r\n", "sync")
case("LF ends a control line", b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\nSUB ~.a 1\nPUB ~.a 2\nhi\r\n'
     b'HPUB ~.a 12 14\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1\nPING\n', "sync")
case("LF and spaces", QUIET + b"SUB ~.a 1 \nPUB ~.a 2 \nhi\r\n", "sync")
case("form feed and vertical tab are no separators", QUIET + b"SUB ~.a\f\v 1\r\nPUB ~.a\f\v 2\r\nhi\r\n", "sync")
case("form feed between arguments", QUIET, "sync", b"PUB ~.a\f2\r\n", "closes")
case("no separator after CONNECT", b'CONNECT{"verbose":true,"pedantic":false}\r\n', "sync")
case("a tab after CONNECT", b'CONNECT\t{"verbose":true,"pedantic":false}\r\n', "sync")
case("many spaces after CONNECT", b'CONNECT   \t {"verbose":true,"pedantic":false}  \r\n', "sync")

# --- bare CR ----------------------------------------------------------------------------------------------------

CR = (b"PUB ~.a\r5\n", b"PUB ~.a\r 5\r\n", b"PUB ~.a 5\r \r\n", b"PUB \r~.a 5\r\n", b"PUB ~.a 5\r\r\n", b"SUB ~.a\r 1\r\n", b"SUB ~\ra 1\r\n",
      b"SUB ~.a 1\r\r\n", b"UNSUB 1\r2\r\n", b"HPUB ~.a\r 12 14\r\n", b"SUB ~.a q\r 1\r\n", b"PUB a\rbc 123\n", b"PUB ~.a 5\rx\n")
for line in CR:
    case(f"a CR inside {line!r}", HEADERS, "sync", line + b"hello\r\nPING\r\n", "closes", differs="bare-cr",
         expect={"a": (AFTER_PONG + UNKNOWN, True)})
for line in (b"PING\r\r\n", b"PING\rx\n", b"PONG\r \r\n", b"+OK\rx\r\n", b"PING \r\r\n"):
    case(f"a CR inside {line!r}", QUIET, "sync", line, "eof", differs="bare-cr", expect={"a": (AFTER_PONG + UNKNOWN, None)})
for line in (b'CONNECT {}\r \r\n', b'CONNECT {"verbose":false,\r"pedantic":false}\r\n', b'CONNECT \r{}\r\n', b"INFO {}\r \r\n", b"-ERR 'a\rb'\r\n", b"-ERR \r\r\n"):
    case(f"a CR inside {line!r}", QUIET, "sync", line, "eof", differs="bare-cr", expect={"a": (AFTER_PONG + UNKNOWN, None)})
case("a CR after a whole line end", QUIET, "sync", b"PING\r\n\rPING\r\n", "closes")

# --- payload ------------------------------------------------------------------------------------------------------

ECHO = QUIET + sub(b"~.a", b"1")
case("a payload of protocol text", ECHO + pub(b"~.a", b"PUB ~.a 2\r\nhi\r\nPING\r\n"), "sync")
case("a payload of CR and LF", ECHO + pub(b"~.a", b"\r\n\r\n\r\n") + pub(b"~.a", b"\r") + pub(b"~.a", b"\n") + pub(b"~.a", b"\n\r"), "sync")
case("a payload of all byte values", ECHO + pub(b"~.a", bytes(range(256))), "sync")
case("an empty payload", ECHO + pub(b"~.a"), "sync")
case("a payload of 64 KiB", ECHO + pub(b"~.a", bytes(i * 7 & 255 for i in range(65536))), "sync", chunkings=("whole", "random"))
for end in (b"\n", b"\r", b"\rx", b"x\n", b"xx", b" \r\n", b"\n\r", b"\0\0", b"\r\r\n", b"\n\n"):
    case(f"a payload that ends with {end!r}", ECHO, "sync", b"PUB ~.a 2\r\nhi" + end + b"PING\r\nPING\r\n", "closes")
    case(f"an empty payload that ends with {end!r}", ECHO, "sync", b"PUB ~.a 0\r\n" + end + b"PING\r\nPING\r\n", "closes")
case("a payload that is longer than its size", ECHO, "sync", b"PUB ~.a 2\r\nhello\r\nPING\r\n", "closes")
case("a payload that is shorter than its size", ECHO, "sync", b"PUB ~.a 9\r\nhello\r\nPING\r\n", "closes")
case("a payload that never comes", ECHO, "sync", b"PUB ~.a 9\r\nhel", "eof")
case("a payload that is one byte shorter than its size, and nothing else", ECHO, "sync", b"PUB ~.a 6\r\nhello\r\n", "closes")
case("a payload that is one byte longer than its size, and nothing else", ECHO, "sync", b"PUB ~.a 4\r\nhello", "closes")
case("a payload whose line end never comes", ECHO, "sync", b"PUB ~.a 3\r\nhel", "eof")
case("a payload whose LF never comes", ECHO, "sync", b"PUB ~.a 3\r\nhel\r", "eof")
case("a verb that never ends", ECHO, "sync", b"PU", "eof")
case("arguments that never end", ECHO, "sync", b"PUB ~.a 3", "eof")
case("arguments whose LF never comes", ECHO, "sync", b"PUB ~.a 3\r", "eof")

# --- numbers --------------------------------------------------------------------------------------------------------

for size in (b"02", b"000000002", b"2"):
    case(f"size {size!r} is echoed as written", ECHO + b"PUB ~.a " + size + b"\r\nhi\r\nPUB ~.a ~.r " + size + b"\r\nhi\r\n", "sync")
for size in (b"0000000002", b"-1", b"+2", b"2a", b"a", b"0x2", b"2.0", b"1e1", b"", b"99999999999999999999", b"\xb2", b"2,", b"4294967298", b"18446744073709551618"):
    case(f"size {size!r} closes", ECHO, "sync", b"PUB ~.a " + size + b"\r\nhi\r\n", "closes")
case("size 0 with zeros", ECHO + b"PUB ~.a 000\r\n\r\n", "sync")

# --- bytes --------------------------------------------------------------------------------------------------------

for raw in (b"\0", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b'"', b"'", b"\\", b"$", b"/", b"\x1b[31m", b"\x0b", b"\x0c", b"\x85", b"\xa0"):
    case(f"{raw!r} in a subject", QUIET + sub(b"~." + raw, b"1") + sub(b"~.x" + raw + b"y.*", b"2") + pub(b"~." + raw, raw) + pub(b"~.x" + raw + b"y.z", b"", b"~.re" + raw), "sync")
    case(f"{raw!r} in a sid and a queue name", QUIET + sub(b"~.a", raw) + sub(b"~.b", b"s" + raw, b"q" + raw) + pub(b"~.a", b"x") + pub(b"~.b", b"y") + b"UNSUB " + raw + b"\r\n" + pub(b"~.a", b"z"), "sync")
    case(f"{raw!r} in error texts", b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
         + pub(b"_GR_." + raw, b"") + pub(b"~.a", b"", b"$JS.ACK." + raw) + sub(b"~.inbox", b"1") + pub(b"~.none" + raw, b"", b"~.inbox"), "sync")
for start in range(0, 256, 64):
    some = [bytes([b]) for b in range(start, start + 64) if b not in b"\t\n\r "]
    case(f"every byte from {start} in subjects", QUIET + b"".join(sub(b"~.a" + x + b"b", b"1%d" % x[0]) + sub(b"~." + x + b".*", b"2%d" % x[0]) + pub(b"~.a" + x + b"b", x) + pub(b"~." + x + b"." + x, x) for x in some), "sync", chunkings=("whole", "random"))
    case(f"every byte from {start} in a pedantic client's subjects", b'CONNECT {"verbose":false}\r\n' + sub(b"~.>", b"1") + b"".join(pub(b"~.a" + x + b"b", x, b"~.r" + x) + pub(b"~." + x, x) for x in some), "sync", chunkings=("whole", "random"))
case("the longest sid that fits", NO_RESP + sub(b"~.a", b"s" * 4000) + pub(b"~.a", b"x") + b"UNSUB " + b"s" * 4000 + b"\r\n" + pub(b"~.a", b"y"), "sync", chunkings=("whole", "random"))
