"""Sheet 01, sections 1 and 3.2: CONNECT in all its forms, INFO in all its forms, what holds before CONNECT."""

import json

from ..scenario import Scenario, talk
from .openings import HEADERS, NO_ECHO, NO_RESP, PEDANTIC, PROTO1, QUIET, VERBOSE, hpub, pub, sub

SCENARIOS = []


def case(name, *steps, **kw):
    SCENARIOS.append(Scenario(f"connect: {name}", talk(*steps), **kw))


def connect(**fields):
    return b"CONNECT " + json.dumps(fields, separators=(",", ":")).encode() + b"\r\n"


# Shows which options hold: verbose (+OK), pedantic (the error), echo, headers (HPUB), no_responders (503).
SHOW = sub(b"~.a", b"1") + sub(b"~.inbox", b"2") + pub(b"~..x", b"p") + pub(b"~.a", b"x") + pub(b"~.none", b"", b"~.inbox") + b"PING\r\n"
SHOW_HDR = SHOW + hpub(b"~.a", b"NATS/1.0\r\nA: b\r\n\r\n", b"x") + b"PING\r\n"

# --- before CONNECT -------------------------------------------------------------------------------------------------

case("none, but operations", SHOW, "sync")
case("none, HPUB is refused", sub(b"~.a", b"1"), "sync", hpub(b"~.a", b"NATS/1.0\r\n\r\n", b"x"), "closes")
case("none, only PING", "sync")
case("none, nothing sent", "eof")
case("after operations", sub(b"~.a", b"1") + pub(b"~.a", b"x") + QUIET + pub(b"~.a", b"y"), "sync")
BEFORE = sub(b"~.a", b"1") + sub(b"~.a", b"q", b"2") + sub(b"~.*", b"3") + sub(b"~.b", b"4") + b"UNSUB 4 2\r\n"
USE = pub(b"~.a", b"x") + pub(b"~.b", b"y") * 3
case("the first keeps the subscriptions before it", BEFORE + QUIET + USE, "sync")
case("the first keeps the subscriptions before it, and their sids", BEFORE + VERBOSE + sub(b"~.c", b"1") + b"UNSUB 3\r\n" + USE + pub(b"~.c", b"z"), "sync")
case("the first keeps the subscriptions before it, in another turn", BEFORE + USE, "sync", QUIET, "sync", USE, "sync")
case("the second drops the subscriptions before the first", BEFORE + QUIET + QUIET + USE, "sync")
case("the second drops the subscriptions before the first, in another turn", BEFORE, "sync", QUIET, "sync", QUIET + USE, "sync")
case("the third drops what came between", BEFORE + QUIET + QUIET + sub(b"~.a", b"1") + USE + QUIET + USE, "sync")
case("after many subscriptions", b"".join(sub(b"~.%d" % i, b"%d" % i) for i in range(200)) + HEADERS + pub(b"~.7", b"x") + pub(b"~.199", b"y") + HEADERS + pub(b"~.7", b"x"), "sync", chunkings=("whole", "random"))
case("the first takes echo away from a subscription before it", sub(b"~.a", b"1") + pub(b"~.a", b"x") + NO_ECHO + pub(b"~.a", b"y"), "sync")
case("the first brings headers to a subscription before it", sub(b"~.a", b"1") + HEADERS + hpub(b"~.a", b"NATS/1.0\r\nA: b\r\n\r\n", b"x"), "sync")
case("the first brings no responders to an inbox before it", sub(b"~.in", b"1") + pub(b"~.none", b"x", b"~.in") + NO_RESP + pub(b"~.none", b"y", b"~.in"), "sync")
case("protocol 1, where the second INFO stands", PROTO1 + sub(b"~.a", b"1") + pub(b"~.a", b"x") + b"PING\r\n" + pub(b"~.a", b"y") + b"PING\r\n", "sync")
case("protocol 1 and verbose, where the second INFO stands", b'CONNECT {"protocol":1}\r\n' + sub(b"~.a", b"1") + b"PING\r\n" + pub(b"~..a", b"y") + b"PING\r\n", "sync")
case("protocol 1 and no PING", PROTO1 + sub(b"~.a", b"1") + pub(b"~.a", b"x"), "eof")
case("after PING", b"PING\r\n" + PROTO1 + b"PING\r\nPING\r\n", "sync")

# --- single fields ----------------------------------------------------------------------------------------------------

for field in ("verbose", "pedantic", "echo", "headers", "tls_required"):
    for value in (True, False):
        fields = {"verbose": False, "pedantic": False, field: value}
        show = SHOW_HDR if fields.get("headers") else SHOW
        case(f"{field} is {value}", connect(**fields), show, "sync")
case("empty object", b"CONNECT {}\r\n", SHOW, "sync")
case("headers and no_responders", NO_RESP, SHOW_HDR, "sync")
case("no_responders without headers", connect(verbose=False, no_responders=True), "closes")
case("no_responders without headers, verbose", connect(no_responders=True), "closes")
case("no_responders is false without headers", connect(verbose=False, pedantic=False, no_responders=False), SHOW, "sync")
for n in (0, 1):
    case(f"protocol {n}", connect(verbose=False, protocol=n), b"PING\r\nPING\r\n", "sync")
    case(f"protocol {n}, verbose", connect(verbose=True, protocol=n), b"PING\r\nPING\r\n", "sync")
for n in (2, 3, -1, 99, 2147483647, 9223372036854775807):
    case(f"protocol {n} is refused", connect(verbose=False, protocol=n), "closes")
    case(f"protocol {n} is refused, verbose", connect(verbose=True, protocol=n), "closes")
for text in (b"9223372036854775808", b"1e0", b"1.0", b'"1"', b"true", b"[]", b"{}", b"01", b"-0", b"1e400", b"00"):
    case(f"protocol as {text!r}", b'CONNECT {"verbose":false,"protocol":' + text + b"}\r\nPING\r\n", "eof")
for field in ("name", "lang", "version", "user", "pass", "auth_token", "nkey", "sig", "jwt", "proxy_sig", "import", "export", "remote_account"):
    for value in ("x", ""):
        if field in ("import", "export"):  # objects; see below
            continue
        case(f"{field} is {value!r} where nobody asks for it", connect(**{"verbose": False, "pedantic": False, field: value}), SHOW, "sync")
for field in ("import", "export"):
    for value in ({}, None, {"allow": None, "deny": []}, {"allow": ["a", None], "deny": ["b.>"]}, {"other": 1}):
        case(f"{field} is {value!r}", connect(**{"verbose": False, "pedantic": False, field: value}), SHOW, "sync", chunkings=("whole",))
    for value in ("x", 1, [], {"allow": "a"}, {"deny": {}}, {"allow": [1]}, {"deny": [["a"]]}):
        case(f"{field} is {value!r}, which closes", connect(**{"verbose": False, field: value}), "closes", chunkings=("whole",))
for fields in ({"user": "u", "pass": "p"}, {"auth_token": "t"}, {"user": "u"}, {"nkey": "UXXX", "sig": "AAAA"}, {"jwt": "e30.e30.e30", "sig": "AAAA"}):
    case(f"credentials {sorted(fields)} where nobody asks for them", connect(verbose=False, pedantic=False, **fields), SHOW, "sync")
for account in ("$SYS", "$G", "other", "x"):
    case(f"account {account} (A8)", connect(verbose=False, account=account), "closes")
    case(f"account {account}, verbose (A8)", connect(verbose=True, account=account), "closes")
case("account is empty", connect(verbose=False, pedantic=False, account=""), SHOW, "sync")
case("new_account (A8)", connect(verbose=False, account="x", new_account=True), "closes")
case("new_account alone (A8)", connect(verbose=False, new_account=True), "closes")
case("new_account is false", connect(verbose=False, pedantic=False, new_account=False), SHOW, "sync")

# --- JSON -----------------------------------------------------------------------------------------------------------

OK_JSON = [
    b"{}", b" {} ", b"{ }", b"\t{\t}\t", b"null", b" null ",
    b'{"verbose":false}', b'{ "verbose" : false , "pedantic" : false }', b'{"verbose":null,"pedantic":null,"name":null,"protocol":null}',
    b'{"VERBOSE":false}', b'{"Verbose":false}', b'{"vErBoSe":false,"Pedantic":false,"ECHO":false,"HeAdErS":true}',
    b'{"verbose":true,"verbose":false}', b'{"verbose":false,"verbose":true}', b'{"verbose":false,"VERBOSE":true}', b'{"VERBOSE":true,"verbose":false}',
    b'{"verbose":false,"Verbose":null}', b'{"protocol":1,"protocol":0,"verbose":false}', b'{"protocol":7,"protocol":1,"verbose":false}',
    b'{"unknown":1,"verbose":false}', b'{"unknown":{"deep":[1,2,{"a":"b"}]},"verbose":false}', b'{"":1,"verbose":false}', b'{"unknown":[],"verbose":false}',
    b'{"tls":{"key":"secret"},"verbose":false}', b'{"unknown":1e400,"verbose":false}', b'{"unknown":-0.5E-3,"verbose":false}', b'{"unknown":12345678901234567890123,"verbose":false}',
    b'{"verb\\u006fse":false}', b'{"name":"\\u0041\\n\\"\\\\\\/\\b\\f\\r\\t","verbose":false}', b'{"name":"\\ud83d\\ude00","verbose":false}', b'{"name":"\\ud800","verbose":false}',
    b'{"name":"\\udc00x","verbose":false}', b'{"name":"\xff\xfe","verbose":false}', b'{"\xff":1,"verbose":false}', b'{"name":"\x7f","verbose":false}', b'{"name":"\xe2\x82\xac","verbose":false}',
    b'{"name":"\\u0000","verbose":false}', b'{"verbo\xc5\xbfe":false}', b'{"ec\xe2\x84\xaao":false}', b'{"verbose ":false}', b'{" verbose":false}',
    b'{"verbose":false,"lang":"go","version":"1.31.0","protocol":1,"echo":true,"headers":true,"no_responders":true,"name":"","tls_required":false,"pedantic":false}',
    b'{"unknown":[[[[[[[[[[]]]]]]]]]],"verbose":false}', b'{"unknown":true,"u2":false,"u3":null,"verbose":false}',
]
for body in OK_JSON:
    case(f"JSON {body!r}", b"CONNECT " + body + b"\r\n", SHOW, "sync")

BAD_JSON = [
    b"", b" ", b"{", b"}", b"{}}", b"{}{}", b"{},", b"{} {}", b"{} x", b"[]", b"[{}]", b'""', b"1", b"true", b"false", b"nul", b"nullx", b"null null", b"NULL", b"x",
    b'{"verbose":1}', b'{"verbose":"false"}', b'{"verbose":0}', b'{"verbose":[]}', b'{"verbose":{}}', b'{"verbose":FALSE}', b'{"verbose":false', b'{"verbose":}', b'{"verbose"}',
    b'{"verbose" false}', b'{verbose:false}', b"{'verbose':false}", b'{"verbose":false,}', b'{,"verbose":false}', b'{"verbose":false,,"echo":true}', b'{"verbose":false "echo":true}',
    b'{"name":1}', b'{"name":true}', b'{"name":["a"]}', b'{"name":{"a":1}}', b'{"lang":1}', b'{"version":1.0}', b'{"user":1}', b'{"pass":{}}', b'{"auth_token":[]}', b'{"nkey":1}', b'{"jwt":1}', b'{"sig":1}',
    b'{"proxy_sig":1}', b'{"account":1}', b'{"new_account":1}', b'{"tls_required":"x"}', b'{"echo":"x"}', b'{"headers":1}', b'{"no_responders":"no"}', b'{"pedantic":null1}', b'{"remote_account":1}',
    b'{"name":"a\x01b"}', b'{"name":"a\tb"}', b'{"name":"a\\xb"}', b'{"name":"\\u12"}', b'{"name":"\\u12g4"}', b'{"name":"abc}', b'{"name":"\\', b'{"name":"\\"}', b"{\"name\":'a'}",
    b'{"verbose":+1}', b'{"unknown":01}', b'{"unknown":1.}', b'{"unknown":.5}', b'{"unknown":-}', b'{"unknown":1e}', b'{"unknown":NaN}', b'{"unknown":Infinity}', b'{"unknown":0x1}',
    b'{"unknown":[1,]}', b'{"unknown":[1 2]}', b'{"unknown":{"a"}}', b'{"unknown":{"a":1,}}', b'{"unknown":[}', b'{"unknown":{]}', b"\xef\xbb\xbf{}", b'{"verbose":false}\0', b'\0{"verbose":false}',
    b'{"verbose":tru}', b'{"verbose":falsee}', b'{"verbose":false}/**/', b'// {}', b'{"a":1}garbage', b'{1:2}', b'{null:1}', b'{"verbose":true,"verbose":1}', b'{"verbose":1,"verbose":true}', b'{"protocol":"1"}',
]
for body in BAD_JSON:
    case(f"JSON {body!r} closes", b"CONNECT " + body + b"\r\n", "closes", chunkings=("whole", "random"))
    case(f"a second CONNECT with JSON {body!r} closes", QUIET, "sync", b"CONNECT " + body + b"\r\n", "closes", chunkings=("whole",))

case("CONNECT and nothing else", b"CONNECT\r\n", "closes")
case("an unfinished CONNECT", b'CONNECT {"verbose":false', "eof")
case("JSON nested 30 deep", b'CONNECT {"verbose":false,"u":' + b"[" * 30 + b"]" * 30 + b"}\r\n", SHOW, "sync", chunkings=("whole", "random"))
for n in (100, 1000, 2000):
    case(f"JSON nested {n} deep", b'CONNECT {"verbose":false,"u":' + b"[" * n + b"]" * n + b"}\r\nPING\r\n", "eof", chunkings=("whole", "random"),
         differs="json-depth", expect={"a": ([], None)})
case("a name of 4000 bytes", connect(verbose=False, pedantic=False, name="n" * 4000), SHOW, "sync", chunkings=("whole", "random"))

# --- twice ------------------------------------------------------------------------------------------------------------

ONE = (("quiet", QUIET), ("verbose", VERBOSE), ("pedantic", PEDANTIC), ("no echo", NO_ECHO), ("headers", HEADERS), ("no responders", NO_RESP), ("protocol 1", PROTO1), ("empty", b"CONNECT {}\r\n"))
for name1, first in ONE:
    for name2, second in ONE:
        case(f"{name1}, then {name2}", first + sub(b"~.a", b"9") + b"PING\r\n" + second + b"PING\r\n", SHOW, "sync", chunkings=("whole", "random"))
case("a second CONNECT drops the subscriptions", QUIET + sub(b"~.a", b"1") + sub(b"~.a", b"q", b"2") + b"PING\r\n" + QUIET + pub(b"~.a", b"x"), "sync")
case("a sid is free again after a second CONNECT", QUIET + sub(b"~.a", b"1") + QUIET + sub(b"~.b", b"1") + pub(b"~.a", b"x") + pub(b"~.b", b"y"), "sync")
case("a second CONNECT without CONNECT's first PING", PROTO1 + PROTO1 + b"PING\r\nPING\r\n", "sync")
case("a second CONNECT raises the protocol", QUIET + b"PING\r\n" + PROTO1 + b"PING\r\nPING\r\n", "sync")
case("a second CONNECT with protocol 1 after the first PING", PROTO1 + b"PING\r\n" + PROTO1 + b"PING\r\n", "sync")
case("a second CONNECT with a bad protocol", QUIET + b"PING\r\n", "sync", connect(protocol=5), "closes")
case("a second CONNECT takes headers away", NO_RESP, "sync", connect(headers=False), "closes")
case("a second CONNECT keeps what it does not name", NO_RESP + b"CONNECT {}\r\n", SHOW_HDR, "sync")
case("ten CONNECTs", QUIET * 10, SHOW, "sync")
case("CONNECT with every option turned round", connect(verbose=True, pedantic=True, echo=False, headers=False) + connect(verbose=False, pedantic=False, echo=True, headers=True), SHOW_HDR, "sync")

# --- what stock clients say ---------------------------------------------------------------------------------------------

STOCK = {
    "nats.go": b'CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"name":"","lang":"go","version":"1.47.0","protocol":1,"echo":true,"headers":true,"no_responders":true}\r\nPING\r\n',
    "nats.c": b'CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"name":"","lang":"C","version":"3.4.1","protocol":1,"echo":true,"headers":true,"no_responders":true}\r\nPING\r\n',
    "nats.py": b'CONNECT {"echo": true, "headers": true, "lang": "python3", "no_responders": true, "pedantic": false, "protocol": 1, "verbose": false, "version": "2.9.0"}\r\nPING\r\n',
    "nats.js": b'CONNECT {"protocol":1,"version":"3.1.0","lang":"nats.js","verbose":false,"pedantic":false,"headers":true,"no_responders":true,"tls_required":false}\r\nPING\r\n',
    "jnats": b'CONNECT {"lang":"java","version":"2.20.5","protocol":1,"verbose":false,"pedantic":false,"tls_required":false,"echo":true,"headers":true,"no_responders":true}\r\nPING\r\n',
    "async-nats": b'CONNECT {"verbose":false,"pedantic":false,"jwt":null,"nkey":null,"sig":null,"name":null,"echo":true,"lang":"rust","version":"0.42.0","protocol":1,"tls_required":false,"user":null,"pass":null,"auth_token":null,"headers":true,"no_responders":true}\r\nPING\r\n',
    "telnet": b"connect {}\r\nping\r\n",
}
for who, opening in STOCK.items():
    case(f"the opening of {who}", opening + SHOW_HDR if who != "telnet" else opening + SHOW, "sync")
