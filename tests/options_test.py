"""Options as an operator gives them: the file, flags over it, what is refused, what is told, what they do to a running server."""

import signal
import subprocess

import pytest

from support import patience


def run(server_bin, *args):
    return subprocess.run([server_bin, *map(str, args)], capture_output=True, text=True, timeout=patience(), check=False)


@pytest.fixture
def conf(tmp_path):
    """conf(text) -> a file of it."""
    def write(text):
        path = tmp_path / "midge.conf"
        path.write_text(text)
        return path

    return write


def test_the_file_is_in_force_and_flags_count_more(start_server, conf):
    s = start_server("-c", conf("max_payload: 2000\nserver_name: from_file\nping_max: 7\n"), "-n", "from_flag")
    with s.raw() as c:
        assert c.info["max_payload"] == 2000
        assert c.info["server_name"] == "from_flag"
    s.check_serves()


def test_client_advertise_is_what_clients_are_told(start_server, conf):
    with start_server("-c", conf('client_advertise: "nats.example.org:7777"\n')).raw() as c:
        assert (c.info["host"], c.info["port"]) == ("nats.example.org", 7777)
    s = start_server("--client_advertise", "[::5]")
    with s.raw() as c:
        assert (c.info["host"], c.info["port"]) == ("::5", s.port)


def test_without_headers_an_hpub_ends_the_connection(start_server, conf):
    with start_server("-c", conf("no_header_support: true\n")).raw() as c:
        assert c.info["headers"] is False
        c.send(b"CONNECT {\"verbose\":false}\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n")
        c.expect_close()


@pytest.mark.parametrize("line", ["disable_sublist_cache: true", "no_sublist_cache: yes"])
def test_without_the_cache_all_is_delivered(start_server, conf, line):
    s = start_server("-c", conf(line + "\n"))
    with s.raw() as c:
        c.send(b'CONNECT {"verbose":false}\r\nSUB a.* 1\r\nSUB a.b q 2\r\n' + b"PUB a.b 1\r\nx\r\n" * 50 + b"PING\r\n")
        got = [c.read_op() for _ in range(101)]
    assert sum(op.sid == b"1" for op in got) == 50 and sum(op.sid == b"2" for op in got) == 50 and got[-1].verb == "PONG"


def test_A30_secrets_leave_the_command_line(start_server):
    s = start_server("--user", "bob", "--pass", "s3cret-word")
    with open(f"/proc/{s.pid}/cmdline", "rb") as f:
        shown = f.read()
    assert b"s3cret-word" not in shown and b"bob" not in shown and b"--pass" in shown
    with s.raw() as c:
        c.send(b'CONNECT {"verbose":false,"user":"bob","pass":"s3cret-word"}\r\nPING\r\n')
        assert c.read_op().verb == "PONG"
    assert "s3cret-word" not in s.log()


@pytest.mark.parametrize("flag", ["--routes", "--cluster", "--cluster_listen"])
@pytest.mark.parametrize("joined", [True, False])
def test_A30_passwords_in_urls_leave_the_command_line(start_server, server_bin, flag, joined):
    """Also those of flags whose feature is not there; refused, it is said without its value."""
    url = "nats://bob:s3cret-word@127.0.0.1:1"
    args = [f"{flag}={url}"] if joined else [flag, url]
    s = start_server("--unsupported=warn", *args)
    with open(f"/proc/{s.pid}/cmdline", "rb") as f:
        shown = f.read()
    assert b"s3cret-word" not in shown and b"bob" not in shown and flag.encode() in shown
    assert "s3cret-word" not in s.log()
    done = run(server_bin, "-p", "-1", *args)
    assert done.returncode != 0 and "is not supported" in done.stderr and "s3cret-word" not in done.stderr


def test_what_is_not_supported_is_named_and_ends_the_start(server_bin, conf):
    path = conf("port: -1\njetstream {\n  store_dir: /x\n}\nwebsocket {\n  port: 80\n  nosuch: 1\n}\n")
    done = run(server_bin, "-c", path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"nats-server: {path}:2:1: jetstream is not supported: midge does not have JetStream yet",
        f'{path}:7:3: unknown field "nosuch"',
        f"{path}:5:1: websocket is not supported: midge does not have websocket listeners yet",
        "(to start without what is not supported yet: --unsupported=warn, or unsupported: warn in the file)",
    ]
    assert "--unsupported" not in run(server_bin, "-c", conf("nosuch: 1\n")).stderr, "where it would not help"


def test_the_operator_may_start_without_it(start_server, conf):
    s = start_server("-c", conf("unsupported: warn\njetstream: true\n"))
    assert "jetstream is not supported and does nothing: midge does not have JetStream yet" in s.log()
    assert "nobody comes in by it" not in s.log()
    s.check_serves()


def test_a_door_whose_lock_is_not_supported_stays_shut(start_server, conf):
    s = start_server("-c", conf("accounts { A { users: [ {user: a, password: b} ] } }\n"), "--unsupported=warn")
    assert "nobody comes in by it" in s.log()
    for login in (b"{}", b'{"user":"a","pass":"b"}'):
        with s.raw() as c:
            assert c.info["auth_required"] is True
            c.send(b"CONNECT " + login + b"\r\nPING\r\n")
            assert b"Authorization Violation" in c.read_op().payload


def test_checking_touches_nothing(server_bin, conf, tmp_path):
    path = conf(f'pid_file: "{tmp_path}/p"\nlog_file: "{tmp_path}/l"\nports_file_dir: "{tmp_path}"\nresolver: {{type: full, dir: "{tmp_path}/jwt"}}\n')
    done = run(server_bin, "-t", "--unsupported=warn", "-c", path)
    assert done.returncode == 0 and f"nats-server: configuration file {path} is valid (sha256:" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["midge.conf"]


@pytest.mark.parametrize("text, code", [("port: 4222\n", 0), ("prot: 4222\n", 1), ("ping_interval: 5\n", 1), ("max_pending: 100000\n", 1)])
def test_checking_ends_with_1_for_errors_and_warnings(server_bin, conf, text, code):
    assert run(server_bin, "-t", "-c", conf(text)).returncode == code


def test_a_warning_alone_starts(start_server, conf):
    s = start_server("-c", conf("ping_interval: 50\n"))
    assert 'invalid use of field "ping_interval": ping_interval should be converted to a duration' in s.log()


@pytest.mark.parametrize("text, warned", [
    ("authorization {user: a, password: b}", True),
    ("authorization {users: [{user: a, password: b}]}", True),
    ("authorization {users: [{user: a}]}", True),
    ('authorization {user: a, password: "$2a$11$DRh4C0KNbNnD8K/hb/buWe1zPxEHrLEiDmuq1Mi0rRJiH/W25Qidm"}', False),
    ("authorization {token: t}", False),
])
def test_F12_plain_passwords_are_warned_of(start_server, conf, text, warned):
    assert ("Plaintext passwords detected, use nkeys or bcrypt" in start_server("-c", conf(text + "\n")).log()) is warned


@pytest.mark.parametrize("mode, text, warned", [
    (0o600, "authorization {token: t}", False),
    (0o640, "authorization {token: t}", True),
    (0o604, "authorization {users: [{user: a, password: b}]}", True),
    (0o644, "authorization {user: a, password: b}", True),
    (0o644, 'authorization {user: a, password: "$2a$11$DRh4C0KNbNnD8K/hb/buWe1zPxEHrLEiDmuq1Mi0rRJiH/W25Qidm"}', False),
    (0o644, "port: -1", False),
])
def test_F12_secrets_that_others_may_read_are_warned_of(start_server, conf, mode, text, warned):
    path = conf(text + "\n")
    path.chmod(mode)
    assert ("others may read it" in start_server("-c", path).log()) is warned


def test_fifty_thousand_users_are_read(start_server, conf):
    users = "\n".join(f'{{user: u{i}, password: p{i}, permissions: {{publish: ["a.{i}.>", "b.{i}"], subscribe: {{allow: "in.{i}.*", deny: "x.{i}"}}}}}}' for i in range(50000))
    s = start_server("-c", conf("authorization {users: [\n" + users + "\n]}\n"))
    with s.raw() as c:
        c.send(b'CONNECT {"verbose":false,"user":"u49999","pass":"p49999"}\r\nPING\r\n')
        assert c.read_op().verb == "PONG"


def reload(s):
    """Send SIGHUP; the lines of the log up to its outcome."""
    mark = s.mark()
    s.proc.send_signal(signal.SIGHUP)
    s.wait_log(r"Reloaded server configuration|Failed to reload", since=mark)
    return s.log(since=mark)


def test_flags_count_more_at_a_reload_too(start_server, conf, tmp_path):
    """nats-server loses some of them (sheet 02, section 5.1)."""
    path = conf("max_payload: 2000\n")
    s = start_server("-c", path, "-n", "by_flag", "--max_traced_msg_len", "77", "--log_size_limit", "1000000", "--logtime_utc", "--max_payload", "3000", "--pass", "x",
                     "--user", "u", "--ports_file_dir", tmp_path)
    path.write_text("max_payload: 4000\nserver_name: by_file\nmax_traced_msg_len: 5\nlog_size_limit: 7\nping_max: 5\nauthorization {user: v, pass: y}\n")
    said = reload(s)
    assert "Reloaded: ping_max = 5" in said and "Reloaded server configuration" in said
    assert "max_payload" not in said and "max_traced" not in said
    with s.raw() as c:
        assert (c.info["max_payload"], c.info["server_name"]) == (3000, "by_flag")
        c.send(b'CONNECT {"verbose":false,"user":"u","pass":"x"}\r\nPING\r\n')
        assert c.read_op().verb == "PONG"


@pytest.mark.parametrize("text, said", [
    ("max_payload: x\n", "interface conversion: interface {} is string, not int64"),
    ("jetstream: true\n", "jetstream is not supported: midge does not have JetStream yet"),
    ("max_pending: 1000000\n", "max_payload (1048576) cannot be higher than max_pending (1000000)"),
    ("max_subscriptions: 5\n", "config reload not supported for MaxSubs: old=0, new=5"),
    ("authorization {token: \"s3cret\"}\nserver_name: \"a b\"\n", "server name cannot contain spaces"),
])
def test_a_reload_that_fails_changes_nothing(start_server, conf, text, said):
    path = conf("ping_max: 3\n")
    s = start_server("-c", path)
    path.write_text("max_connections: 1\n" + text)
    lines = reload(s)
    assert "Failed to reload server configuration: " in lines and said in lines and "s3cret" not in lines
    with s.raw(), s.raw() as c:
        c.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        assert c.read_op().verb == "PONG"


@pytest.mark.parametrize("which", ["start_server", "start_reference"])
def test_without_stalling_a_slow_subscriber_loses_messages_and_stays(request, which, conf):
    """Sheet 01, section 11: past three quarters of max_pending it does without, and nobody waits for it."""
    s = request.getfixturevalue(which)("-c", conf("no_fast_producer_stall: true\nmax_pending: 1048576\n"))
    with s.raw(rcvbuf=4096) as sub, s.raw() as pub:
        sub.connect()
        sub.send(b"SUB x 1\r\n")
        sub.ping()
        pub.connect()
        pub.send((b"PUB x 65536\r\n" + bytes(65536) + b"\r\n") * 300)
        pub.fence()
        assert 0 < len(sub.fence()) < 300
    assert "Slow Consumer" not in s.log()


def test_a_queue_whose_only_member_is_behind_holds_nobody_up(start_server, conf):
    """Its messages go nowhere, plain and traced; the shard goes on."""
    s = start_server("-c", conf("no_fast_producer_stall: true\nmax_pending: 1048576\n"))
    trace = b"NATS/1.0\r\nNats-Trace-Dest: t\r\n\r\n"
    with s.raw(rcvbuf=4096) as sub, s.raw() as pub:
        sub.connect()
        sub.send(b"SUB x q 1\r\n")
        sub.ping()
        pub.connect(headers=True)
        pub.send((b"PUB x 65536\r\n" + bytes(65536) + b"\r\n") * 100)
        pub.send(b"HPUB x %d %d\r\n%b\r\n" % (len(trace), len(trace), trace))
        pub.fence()
        assert 0 < len(sub.fence()) < 100


@pytest.mark.parametrize("host, text, warned", [("0.0.0.0", "authorization {token: t}", True), ("127.0.0.1", "authorization {token: t}", False), ("0.0.0.0", "", False)])
def test_T12_logins_in_the_clear_are_warned_of(start_server, conf, host, text, warned):
    assert ("without encryption" in start_server("-c", conf(text + "\n"), host=host).log()) is warned


@pytest.mark.parametrize("perm", ['{publish: " "}', '{publish: {allow: [a, "  "]}}', '{subscribe: "\t"}', '{subscribe: {deny: " "}}'])
def test_H17_blank_subjects_in_permissions_are_errors(server_bin, conf, perm):
    done = run(server_bin, "-t", "-c", conf(f"authorization {{ users: [ {{user: u, pass: p, permissions: {perm}}} ] }}\n"))
    assert done.returncode == 1 and "is not a valid subject" in done.stderr


@pytest.mark.parametrize("text, said", [
    ("nosuch: 1", "unknown field"), ("authorization { users: [{user: a, pass: b}, {user: a, pass: c}] }", "uplicate user"),
    ("authorization { user: a, pass: b, token: t }", "Cannot have a user/pass and token"),
    ('authorization { users: [{user: a, pass: b, permissions: {publish: "a..b"}}] }', "is not a valid subject"),
    ("http_port: 1\nhttps_port: 2", "can't specify both")])
def test_F10_a_file_with_contradictions_does_not_start(server_bin, conf, text, said):
    done = run(server_bin, "-p", "-1", "--unsupported=warn", "-c", conf(text + "\n"))
    assert done.returncode == 1 and said in done.stderr


def test_cluster_name_chooses_the_mappings_of_that_cluster(start_server, conf):
    path = conf("mappings { a: [ {dest: here, weight: 100, cluster: c1}, {dest: there, weight: 100} ] }\n")
    for flags, subject in ((("--cluster_name", "c1"), b"here"), ((), b"there")):
        with start_server("-c", path, *flags).raw() as c:
            c.connect()
            c.send(b"SUB > 1\r\nPUB a 0\r\n\r\n")
            assert [op.subject for op in c.fence()] == [subject]
