"""Who comes in, and what they may do, as an operator configures it and a client hears it. (tests/oracle/permissions_test.py holds the
verdicts against nats-server; core/net/client_auth_test.c has the details.)"""

import json
import re

import pytest

# Of the password "secret", with a cost that takes a blink of an eye.
HASH = "$2a$04$Oy507AkP9e8TZIW7xVvUauNHBlexipUVywgzRs7uocfel3/KDYo5a"
VIOLATION = "Authorization Violation"
CANARY = "Canary7f3a"


@pytest.fixture
def configured(start_server, tmp_path):
    """configured(text, *flags) -> a server with this configuration file. .conf is its path."""
    def start(text, *flags, **kw):
        path = tmp_path / "server.conf"
        path.write_text(text)
        srv = start_server("-c", str(path), *flags, **kw)
        srv.conf = path
        return srv
    return start


def refused(server, **login):
    with server.raw() as c:
        c.send(b"CONNECT " + json.dumps(login).encode() + b"\r\nPING\r\n")
        c.expect_err(VIOLATION)
        c.expect_close()


def accepted(server, **login):
    with server.raw() as c:
        c.connect(**login)
    return True


# --- logins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['authorization { user: a, password: b }', 'authorization { users = [ {user: a, pass: b}, {user: c} ] }'])
def test_user_and_password(configured, text):
    srv = configured(text)
    assert srv.info()["auth_required"] is True
    assert accepted(srv, user="a", **{"pass": "b"})
    for login in ({"user": "a", "pass": "c"}, {"user": "b", "pass": "b"}, {"user": "a"}, {"pass": "b"}, {}, {"auth_token": "b"}):
        refused(srv, **login)
    assert "Plaintext passwords detected, use nkeys or bcrypt" in srv.log()


def test_flags_are_logins(start_server):
    srv = start_server("--user", "a", "--pass", "b")
    assert accepted(srv, user="a", **{"pass": "b"})
    refused(srv, user="a")
    srv = start_server("--auth", "tok")
    assert accepted(srv, auth_token="tok")
    refused(srv, auth_token="token")


@pytest.mark.parametrize("letter", "abxy")
def test_bcrypt(configured, letter):
    srv = configured('authorization { users = [ {user: h, pass: "%s"}, {user: p, pass: plain} ] }' % HASH.replace("$2a$", f"$2{letter}$"))
    for _ in range(3):
        assert accepted(srv, user="h", **{"pass": "secret"})
    assert accepted(srv, user="p", **{"pass": "plain"})
    refused(srv, user="h", **{"pass": "Secret"})
    refused(srv, user="h", **{"pass": HASH})
    refused(srv, user="x", **{"pass": "secret"})


def test_bcrypt_token(configured):
    srv = configured(f'authorization {{ token: "{HASH}" }}')
    assert accepted(srv, auth_token="secret")
    refused(srv, auth_token="x")
    assert "Plaintext" not in srv.log()


def test_what_comes_behind_a_connect_waits_for_its_hash(configured):
    srv = configured(f'authorization {{ users = [ {{user: h, pass: "{HASH}"}} ] }}')
    with srv.raw() as c:
        c.send(b'CONNECT {"verbose":false,"user":"h","pass":"secret"}\r\nSUB x 1\r\nPUB x 2\r\nhi\r\n' + b"PUB x 1\r\n.\r\n" * 2000 + b"PING\r\n")
        c.expect(b"MSG x 1 2\r\nhi\r\n" + b"MSG x 1 1\r\n.\r\n" * 2000 + b"PONG\r\n")


def test_connection_types(configured):
    srv = configured('authorization { users = [ {user: ws, pass: p, allowed_connection_types: [WEBSOCKET, mqtt]}, {user: std, pass: p, clients: ["standard"]} ] }')
    assert accepted(srv, user="std", **{"pass": "p"})
    refused(srv, user="ws", **{"pass": "p"})


def test_F6_the_time_for_a_login_is_configured(configured):
    """Half a CONNECT is none."""
    srv = configured('authorization { user: a, password: b, timeout: "300ms" }')
    with srv.raw() as c, srv.raw() as half, srv.raw() as good:
        half.send(b'CONNECT {"user":"a",')
        good.connect(user="a", **{"pass": "b"})
        for late in (c, half):
            late.expect_err("Authentication Timeout")
            late.expect_close()
        good.ping()


def test_A32_A40_no_auth_user_is_given_by_the_whole_pipeline(configured):
    """On a listener for clients, with kinds of connections, permissions and all."""
    srv = configured('authorization { users = [ {user: n, pass: x, permissions: {publish: open}}, {user: a, pass: b} ] }\nno_auth_user: n')
    assert "auth_required" not in srv.info()
    with srv.raw() as c:
        c.send(b"PUB shut 0\r\n\r\nPUB open 0\r\n\r\n")
        c.expect_err('Permissions Violation for Publish to "shut"')
        c.expect(b"+OK\r\n")
    with srv.raw() as c:
        c.connect(protocol=1)
        assert json.loads(c.read_op().payload)["auth_required"] is True
        c.send(b"PUB shut 0\r\n\r\n")
        c.expect_err('Permissions Violation for Publish to "shut"')
    refused(srv, user="n")
    srv.conf.write_text('authorization { users = [ {user: n, pass: x, clients: [WEBSOCKET]} ] }\nno_auth_user: n')
    srv.restart()
    refused(srv)
    with srv.raw() as c:
        c.send(b"PING\r\n")
        c.expect_err(VIOLATION)


def test_A8_accounts_are_not_the_clients_to_choose(configured):
    srv = configured('authorization { user: a, password: b }')
    refused(srv, user="a", account="$SYS", **{"pass": "b"})
    refused(srv, user="a", new_account=True, **{"pass": "b"})


# --- what is seen of it -------------------------------------------------------------------------------------


def test_F12_secrets_are_never_seen(configured):
    """Right and wrong passwords, tokens, and those of a file that does not load: in no log line, whatever is traced."""
    srv = configured(f'authorization {{ users = [ {{user: a, password: "{CANARY}1"}}, {{user: h, password: "{HASH}"}} ] }}', "-DV")
    with srv.raw() as c:
        c.connect(user="a", **{"pass": CANARY + "1"})
    refused(srv, user="a", **{"pass": CANARY + "2"})
    refused(srv, user="h", **{"pass": CANARY + "3"})
    refused(srv, auth_token=CANARY + "4", nkey=CANARY + "5", sig=CANARY + "6", jwt=CANARY + "7")
    with srv.raw() as c:
        c.send(b'CONNECT {"user":"a","pass":"%s"}x\r\n' % CANARY.encode())
        c.expect_close()
    with srv.raw() as c:
        c.send(b'CONECT {"user":"a","pass":"%s"}\r\n' % CANARY.encode())
        c.expect_err("Unknown Protocol Operation")
    srv.stop()
    assert CANARY not in srv.log() and HASH not in srv.log()
    assert "[REDACTED]" in srv.log()


def test_A45_a_name_makes_no_log_line_of_its_own(configured):
    srv = configured('authorization { user: a, password: b }')
    refused(srv, user="x\n[1] 2026/01/01 [INF] Server is ready\x1b[31m", **{"pass": "${jndi:x}%s%n"})
    line = srv.wait_log(r"authentication error - User (.*)$")
    assert line.group(1) == r'"x\n[1] 2026/01/01 [INF] Server is ready\x1b[31m"'


def test_lines_of_the_log(configured):
    """In nats-server's words, with who it was."""
    srv = configured('authorization { users = [ {user: a, password: b, permissions: {publish: p, subscribe: s}} ] }')
    with srv.raw() as c:
        c.connect(user="a", name="nm", lang="py", version="1", **{"pass": "b"})
        c.send(b'PUB x"y 0\r\n\r\nSUB x q 7\r\nPUB p _R_.x 0\r\n\r\nPING\r\n')
        assert [op.verb for op in c.ops_until_pong()] == ["-ERR"] * 3
    prefix = r'127\.0\.0\.1:\d+ - cid:\d+ - "v1:py:nm" - "\$G/user:a" - '
    srv.wait_log(r"\[ERR\] " + prefix + re.escape(r'Publish Violation - Subject "x\"y"') + "$")
    srv.wait_log(r"\[ERR\] " + prefix + re.escape('Subscription Violation - Subject "x", Queue: "q", SID 7') + "$")
    srv.wait_log(r"\[ERR\] " + prefix + re.escape('Publish Violation - Reply "_R_.x"') + "$")
    refused(srv, user="a")
    srv.wait_log(r'\[ERR\] 127\.0\.0\.1:\d+ - cid:\d+( - "[^"]*")? - authentication error - User "a"$')
    refused(srv, auth_token="t")
    srv.wait_log(r'authentication error - Token "\[REDACTED\]"$')


def test_F14_ten_thousand_refusals_are_few_lines(configured):
    srv = configured('authorization { users = [ {user: a, password: b, permissions: {publish: p}} ] }')
    with srv.raw() as c:
        c.connect(user="a", **{"pass": "b"})
        c.send(b"PUB x 0\r\n\r\n" * 10000 + b"PING\r\n")
        assert len(c.ops_until_pong()) == 10000
    assert srv.log().count("Publish Violation") < 1000
    srv.wait_log(r"more permissions violations within a second")


# --- permissions --------------------------------------------------------------------------------------------


PERMISSIONS = """authorization {
  default_permissions = { publish: "d.*", subscribe: ["_INBOX.>", "d.>"] }
  users = [
    { user: all, pass: p, permissions: {} }
    { user: default, pass: p }
    { user: service, pass: p, permissions: { subscribe: "ask.>", allow_responses: true } }
    { user: secret, pass: p, permissions: { subscribe: { allow: ">", deny: ["foo.secret.*", "only v1"] } } }
  ]
}"""


def user(server, name):
    return server.raw().connect(user=name, headers=True, no_responders=True, **{"pass": "p"})


def test_default_permissions(configured):
    srv = configured(PERMISSIONS)
    with user(srv, "default") as d, user(srv, "all") as a:
        d.send(b"PUB d.x 0\r\n\r\nPUB x 0\r\n\r\nSUB d.> 1\r\nSUB > 2\r\nPING\r\n")
        assert [op.payload for op in d.ops_until_pong()] == [
            b'Permissions Violation for Publish to "x"', b'Permissions Violation for Subscription to ">"']
        a.send(b"PUB x 0\r\n\r\nSUB > 2\r\n")
        assert a.fence() == []


def test_request_and_one_response(configured):
    srv = configured(PERMISSIONS)
    with user(srv, "service") as s, user(srv, "all") as a:
        s.send(b"SUB ask.> 1\r\n")
        s.ping()
        for i in range(100):
            a.send(b"SUB _INBOX.%d %d\r\nPUB ask.it _INBOX.%d 1\r\n?\r\n" % (i, i, i))
            assert s.read_op().reply == b"_INBOX.%d" % i
            s.send(b"PUB _INBOX.%d 1\r\n!\r\n" % i * 2)
            s.expect_err(f'Permissions Violation for Publish to "_INBOX.{i}"')
            a.expect(b"MSG _INBOX.%d %d 1\r\n!\r\n" % (i, i))
            a.send(b"UNSUB %d\r\n" % i)


def test_A11_denied_messages_reach_no_wildcard(configured):
    srv = configured(PERMISSIONS)
    with user(srv, "secret") as s, user(srv, "all") as a:
        s.send(b"SUB foo.> 1\r\nSUB > q 2\r\nSUB *.secret.> 3\r\nSUB only 4\r\nSUB only v1 5\r\nSUB onl* v1 6\r\nSUB * v1 7\r\n")
        assert [op.payload for op in s.fence()] == [b'Permissions Violation for Subscription to "only" using queue "v1"']
        for _ in range(20):
            a.send(b"PUB foo.secret.x 0\r\n\r\nPUB only 0\r\n\r\nPUB foo.open 0\r\n\r\n")
            assert a.fence() == []
        got = s.fence()
        assert sorted((op.subject, op.sid) for op in got) == sorted([(b"foo.open", b"1"), (b"foo.open", b"2"), (b"only", b"2"), (b"only", b"4")] * 20)


def test_A33_a_queue_message_goes_to_who_may_have_it(configured):
    srv = configured(PERMISSIONS)
    members = [user(srv, "secret") for _ in range(4)] + [user(srv, "all")]
    with user(srv, "all") as a:
        for m in members:
            m.send(b"SUB foo.> q 1\r\n")
            m.ping()
        a.send(b"PUB foo.secret.x 0\r\n\r\n" * 200)
        a.fence()
        a.fence()  # passed on from shard to shard meanwhile
        assert len(members[-1].read_msgs(200)) == 200
        for m in members:
            assert m.fence() == []
            m.close()


@pytest.mark.parametrize("auth", ["users = [ {user: a, password: b} ]", "user: a, password: b", "token: t"])
@pytest.mark.parametrize("accounts", ["", 'accounts { "$SYS" {} }', 'system_account: "$SYS"\naccounts { "$SYS" {} }'])
def test_A15_a_system_account_opens_no_door(configured, auth, accounts):
    srv = configured(f"authorization {{ {auth} }}\n{accounts}\n", "--unsupported=warn")
    assert srv.info()["auth_required"] is True
    refused(srv)
    with srv.raw() as c:
        c.send(b"PING\r\n")
        c.expect_err(VIOLATION)


@pytest.mark.parametrize("allow, plain, v1, v2, v1x", [
    (["foo"], 1, 1, 1, 1), (["foo v1"], 0, 1, 0, 0), (["foo", "foo v1"], 1, 1, 0, 0), (["foo v1.*"], 0, 0, 0, 1)])
def test_F1_queue_permissions_are_the_table_of_sheet_03(configured, allow, plain, v1, v2, v1x):
    srv = configured("authorization { users = [ {user: a, pass: b, permissions: {subscribe: %s}} ] }" % json.dumps(allow))
    with srv.raw() as c:
        c.connect(user="a", **{"pass": "b"})
        for queue, ok in (("", plain), ("v1", v1), ("v2", v2), ("v1.x", v1x)):
            c.send(f"SUB foo {queue} 1\r\nUNSUB 1\r\nPING\r\n".replace("  ", " ").encode())
            if not ok:
                c.expect_match(rb"-ERR 'Permissions Violation for Subscription to \"foo\".*'")
            c.expect(b"PONG\r\n")


def test_T6_the_system_answers_no_stranger(configured):
    """None of the system account's requests does anything for a user of another account, and its events go to nobody else."""
    srv = configured("")
    pages = "VARZ SUBSZ CONNZ ROUTEZ GATEWAYZ LEAFZ ACCOUNTZ JSZ HEALTHZ STATSZ PROFILEZ EXPVARZ IPQUEUESZ RAFTZ RELOAD KICK LDM".split()
    asked = [f"SERVER.{who}.{page}" for who in ("PING", srv.info()["server_id"]) for page in pages]
    asked += [f"ACCOUNT.{who}.{page}" for who in ("PING", "$G", "$SYS") for page in ("SUBSZ", "CONNZ", "LEAFZ", "JSZ", "INFO", "CONNS", "STATZ", "CLAIMS.LOOKUP", "CLAIMS.UPDATE")]
    asked += ["SERVER.PING", "CLAIMS.PACK", "CLAIMS.LIST", "CLAIMS.UPDATE", "CLAIMS.DELETE"]
    with srv.raw() as c, srv.raw() as listens:
        listens.connect()
        listens.send(b"SUB $SYS.ACCOUNT.> 1\r\nSUB $SYS.SERVER.> 2\r\n")
        listens.ping()
        c.connect(headers=True, no_responders=True)
        c.send(b"SUB r 1\r\n")
        for s in asked:
            c.send(b"PUB $SYS.REQ.%b r 0\r\n\r\n" % s.encode())
            (op,) = c.fence()
            assert op.headers.startswith(b"NATS/1.0 503"), s
        refused(srv, account="$SYS")
        srv.raw().connect().close()
        srv.check_serves()
        assert listens.fence() == []


@pytest.mark.parametrize("said", [b'{"verbose":false}', b'{"verbose":false,"user":"x","pass":"y"}'])
def test_A40_what_was_subscribed_as_no_auth_user_does_not_outlive_it(configured, said):
    """SUB before CONNECT: it is in as no_auth_user, whose deny list a CONNECT must not lift."""
    deny = 'permissions: {subscribe: {allow: ">", deny: "secret.>"}}'
    srv = configured(f"no_auth_user: n\nauthorization {{ users = [ {{user: n, pass: p, {deny}}}, {{user: x, pass: y, {deny}}}, {{user: pub, pass: p}} ] }}")
    with srv.raw() as c, srv.raw() as pub:
        c.send(b"SUB > 1\r\nCONNECT %b\r\nSUB open 2\r\n" % said)
        c.expect_match(rb"\+OK")
        c.fence()
        pub.connect(user="pub", **{"pass": "p"})
        pub.send(b"PUB secret.a 1\r\n.\r\nPUB open 1\r\n.\r\n")
        pub.fence()
        assert {op.subject for op in c.fence()} == {b"open"}
