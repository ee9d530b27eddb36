"""What the launchers of the clients' own test suites depend on, each thing by itself: flags, files, lines, signals, ends.

Every test runs against the server under test and against nats-server, which shows that it asks for what a launcher finds
there. What only Midge promises (a log that nobody reads, the order of the end) is in cli_test.py and hostile/process_test.py.
"""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import pytest

from support import Server, close_all, deadline_after, free_port, patience

LINE = re.compile(r"^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|DBG|WRN|ERR|FTL|TRC)\] ")

USERS = """
authorization {
  users = [
    { user: ann, password: pw, permissions: { subscribe: { allow: ["news.>", "_INBOX.>"] } } }
    { user: bob, password: pw }
  ]
}
"""


class Launcher:
    """Starts one program in the ways of launchers: nothing is added to the flags but those of the whole run."""

    def __init__(self, binary, extra, tmp_path):
        self.binary, self.extra, self.tmp_path = binary, list(extra), tmp_path
        self.started = []

    def __call__(self, *args, host="127.0.0.1"):
        """A ready server."""
        self.started.append(Server(self.binary, *args, extra=self.extra, host=host, address=False))
        return self.started[-1]

    def run(self, *args):
        """Run it to its end, for flags that end it, or a start that must fail."""
        return subprocess.run([self.binary, *map(str, args), *self.extra], capture_output=True, text=True, timeout=patience(30), check=False)

    def file(self, name, text):
        path = self.tmp_path / name
        path.write_text(text)
        return path


@pytest.fixture(params=["tested", "nats-server"])
def launch(request, tmp_path):
    if request.param == "tested":
        binary, extra = request.getfixturevalue("server_bin"), request.getfixturevalue("server_args")
    else:
        binary, extra = request.getfixturevalue("reference_bin"), []
    launcher = Launcher(binary, extra, tmp_path)
    yield launcher
    close_all(launcher.started)


def connect(srv, **options):
    c = srv.raw()
    return c.connect(**options)


# --- flags and the file -----------------------------------------------------------------------------------------------


def test_the_version_is_printed_with_exit_code_0(launch):
    for flag in ("--version", "-version", "-v"):
        done = launch.run(flag)
        assert done.returncode == 0 and re.match(r"nats-server: v2\.14\.\d+\n", done.stdout)


@pytest.mark.parametrize("names", [("-c", "-p", "-a"), ("--config", "--port", "--addr"), ("-config", "-port", "-addr")])
def test_the_file_is_overridden_by_the_command_line(launch, names):
    port = free_port()
    conf = launch.file("a.conf", f'port: {port}\nhost: "0.0.0.0"\nserver_name: "of-the-file"\nmax_payload: 5000\n')
    config, port_flag, addr = names
    with launch(config, conf).raw() as c:
        assert c.info["server_name"] == "of-the-file" and c.info["port"] == port and c.info["max_payload"] == 5000
    srv = launch(config, conf, port_flag, "-1", addr, "127.0.0.1", "--server_name", "of-the-flag")
    assert srv.port != port and srv.wait_log(r"Listening for client connections on 127\.0\.0\.1:\d+$")
    with srv.raw() as c:
        assert c.info["server_name"] == "of-the-flag" and c.info["max_payload"] == 5000


def test_user_and_password_by_flags_come_before_those_of_the_file(launch):
    conf = launch.file("a.conf", "authorization { user: ann, password: of-the-file }\n")
    srv = launch("-c", conf, "-a", "127.0.0.1", "-p", "-1", "--user", "ann", "--pass", "of-the-flag")
    with srv.raw() as c:
        assert c.info["auth_required"] is True
        c.connect(user="ann", **{"pass": "of-the-flag"})
    with srv.raw() as c:
        c.send(b'CONNECT {"user":"ann","pass":"of-the-file"}\r\n')
        c.expect_err("Authorization Violation")
        c.expect_close()


def test_a_token_by_flag(launch):
    srv = launch("-a", "127.0.0.1", "-p", "-1", "--auth", "open-sesame")
    connect(srv, auth_token="open-sesame").close()
    with srv.raw() as c:
        c.send(b'CONNECT {"auth_token":"open-barley"}\r\n')
        c.expect_err("Authorization Violation")
        c.expect_close()


# --- what is read from stderr -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags, levels", [((), {"INF"}), (("-D",), {"INF", "DBG"}), (("--debug",), {"INF", "DBG"}),
                                           (("-V",), {"INF", "TRC"}), (("-DV",), {"INF", "DBG", "TRC"})])
def test_the_lines_that_are_waited_for_have_their_wording_and_levels(launch, flags, levels):
    srv = launch("-a", "127.0.0.1", "-p", "-1", *flags)
    with connect(srv) as c:
        c.send(b"SUB foo 1\r\nPUB foo 2\r\nhi\r\nPING\r\n")
        c.expect(b"MSG foo 1 2\r\nhi\r\nPONG\r\n")
    srv.stop()
    lines = srv.log().splitlines()
    found = {LINE.match(line).group(1) for line in lines}
    assert found - {"WRN"} == levels, lines
    text = "\n".join(lines)
    assert re.search(r"\[INF\] Listening for client connections on 127\.0\.0\.1:\d+\n(.*\n)*.*\[INF\] Server is ready\n", text)
    for traced in ("<<- [SUB foo 1]", "<<- [PUB foo 2]", "->> [MSG foo 1 2]", "<<- [PING]", "->> [PONG]", "<<- [CONNECT {"):
        assert (traced in text) == ("TRC" in levels), traced


def test_an_ipv6_address_is_in_brackets(launch):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    srv = launch("-a", "::", "-p", "-1", host="::1")
    assert srv.wait_log(r"Listening for client connections on \[::\]:\d+$")
    connect(srv).close()


def test_a_log_file_has_the_lines_instead_of_stderr(launch):
    log, port = launch.tmp_path / "nats.log", free_port()
    proc = subprocess.Popen([launch.binary, "-a", "127.0.0.1", "-p", str(port), "-l", str(log), *launch.extra],
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        await_file(log, lambda text: "Server is ready" in text)
        proc.send_signal(signal.SIGTERM)
        _, said = proc.communicate(timeout=patience(30))
        assert proc.returncode == 0 and said == b""
    finally:
        proc.kill()
        proc.wait()
    lines = log.read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    assert f"Listening for client connections on 127.0.0.1:{port}" in log.read_text() and "Server Exiting.." in lines[-1]


def await_file(path, enough):
    """Wait until the file is there and enough(its text); returns that."""
    deadline = deadline_after()
    while True:
        text = path.read_text() if path.exists() else ""
        if enough(text):
            return text
        assert time.monotonic() < deadline, f"{path.name} has {text!r}, {path.parent} has {os.listdir(path.parent)}"
        time.sleep(0.01)  # there is nothing to wait on but the file


# --- starts that must fail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, said", [
    ("port: \n", "Parse error on line 2"),
    ("authorization { user: ann\n", "Parse error on line 2"),
    ("nosuchthing: 1\n", 'unknown field "nosuchthing"'),
], ids=["no value", "no end", "unknown"])
def test_a_file_that_is_wrong_ends_the_start_and_is_named(launch, text, said):
    done = launch.run("-c", launch.file("bad.conf", text))
    assert done.returncode == 1 and said in done.stderr


def test_a_file_that_is_missing_is_named(launch):
    done = launch.run("-c", launch.tmp_path / "none.conf")
    assert done.returncode == 1 and f"open {launch.tmp_path}/none.conf: no such file or directory" in done.stderr


def test_a_port_in_use_ends_the_start_and_is_named(launch):
    srv = launch("-a", "127.0.0.1", "-p", "-1")
    done = launch.run("-a", "127.0.0.1", "-p", srv.port)
    assert done.returncode == 1
    where = f"127.0.0.1:{srv.port}"
    assert f'[FTL] Error listening on port: {where}, "listen tcp {where}: bind: address already in use"' in done.stderr
    assert done.stderr.count("[FTL]") == 1
    srv.check_serves()


def test_a_monitoring_port_in_use_ends_the_start_and_is_named(launch):
    port = free_port()
    launch("-a", "127.0.0.1", "-p", "-1", "-m", port)
    done = launch.run("-a", "127.0.0.1", "-p", "-1", "-m", port)
    assert done.returncode == 1 and re.search(r"\[FTL\] Can't start monitoring: .*address already in use", done.stderr)


# --- files that it leaves ---------------------------------------------------------------------------------------------


def test_the_ports_file_has_the_name_of_the_program_and_the_pid_that_was_spawned(launch):
    """A launcher that starts `nats-server -p -1` looks for nats-server_<pid>.ports, and connects to what stands there."""
    named = launch.tmp_path / "nats-server"
    named.symlink_to(launch.binary)
    launch.binary = str(named)
    srv = launch("-a", "127.0.0.1", "-p", "-1", "-m", "-1", "--ports_file_dir", launch.tmp_path)
    path = launch.tmp_path / f"nats-server_{srv.pid}.ports"
    ports = json.loads(await_file(path, lambda text: text.endswith("}")))
    assert ports["nats"] == [srv.url] and set(ports) == {"nats", "monitoring"}
    assert json.load(urllib.request.urlopen(f"{ports['monitoring'][0]}/varz"))["port"] == srv.port
    srv.stop()
    assert not path.exists()


def test_the_pid_file_holds_the_digits_of_the_spawned_process_alone(launch):
    path = launch.tmp_path / "nats.pid"
    srv = launch("-a", "127.0.0.1", "-p", "-1", "-P", path)
    assert path.read_text() == str(srv.pid)


# --- the first bytes --------------------------------------------------------------------------------------------------


def test_info_comes_unprompted_and_connect_is_taken_before_it_is_read(launch):
    srv = launch("-a", "127.0.0.1", "-p", "-1")
    with srv.raw(info=False) as c:
        c.read_info()
        assert re.fullmatch(r"2\.14\.\d+", c.info["version"])
    with srv.raw(info=False) as c:
        c.send(b'CONNECT {"verbose":false}\r\nPING\r\n')
        c.read_info()
        c.expect(b"PONG\r\n")


def test_the_server_pings_a_new_client_by_itself(launch):
    """About two seconds after CONNECT, although ping_interval is two minutes."""
    srv = launch("-a", "127.0.0.1", "-p", "-1")
    with srv.raw(auto_pong=False) as c:
        c.connect()
        c.expect(b"PING\r\n")


# --- ends and signals -------------------------------------------------------------------------------------------------


def test_killed_and_started_again_at_once_it_has_its_ports_back(launch):
    """Clients were connected on both, so the kernel still remembers connections of these ports."""
    port, http = free_port(), free_port()
    srv = launch("-a", "127.0.0.1", "-p", port, "-m", http)
    for _ in range(2):
        clients = [connect(srv) for _ in range(3)]
        urllib.request.urlopen(f"http://127.0.0.1:{http}/varz").read()
        srv.restart(kill=True)
        for c in clients:
            c.close()
        connect(srv).close()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_clients_connected(launch, sig):
    srv = launch("-a", "127.0.0.1", "-p", "-1")
    clients = [connect(srv) for _ in range(20)]
    assert srv.stop(sig) == 0
    for c in clients:
        assert c.read_op() is None, "it says nothing but PING"
        c.close()


@pytest.mark.parametrize("how", ["SIGHUP", "--signal"])
def test_a_reload_takes_a_subscription_whose_right_is_gone(launch, how):
    conf = launch.file("users.conf", USERS)
    srv = launch("-c", conf, "-a", "127.0.0.1", "-p", "-1")
    with connect(srv, user="ann", **{"pass": "pw"}) as ann, connect(srv, user="bob", **{"pass": "pw"}) as bob:
        ann.send(b"SUB news.a 1\r\nSUB news.b 2\r\nSUB news.c workers 3\r\n")
        assert ann.fence() == []
        conf.write_text(USERS.replace("news.>", "news.a"))
        since = srv.mark()
        tell(launch, srv, signal.SIGHUP, "reload", how)
        srv.wait_log(r"Reloaded server configuration", since=since)
        said = {one.line for one in ann.fence()}
        assert said == {b'-ERR \'Permissions Violation for Subscription to "news.b" (sid "2")\'',
                        b'-ERR \'Permissions Violation for Subscription to "news.c" using queue "workers" (sid "3")\''}
        bob.send(b"PUB news.a 1\r\na\r\nPUB news.b 1\r\nb\r\nPUB news.c 1\r\nc\r\n")
        assert bob.fence() == []
        assert [one.subject for one in ann.fence()] == [b"news.a"]


def test_a_reload_of_a_file_that_is_wrong_changes_nothing_and_says_so(launch):
    conf = launch.file("users.conf", USERS)
    srv = launch("-c", conf, "-a", "127.0.0.1", "-p", "-1")
    conf.write_text(USERS.replace("news.>", "news.a").replace("users = [", "users = "))
    srv.proc.send_signal(signal.SIGHUP)
    srv.wait_log(r"\[ERR\] Failed to reload server configuration: ")
    with connect(srv, user="ann", **{"pass": "pw"}) as ann:
        ann.send(b"SUB news.b 2\r\n")
        assert ann.fence() == []


@pytest.mark.parametrize("how", ["SIGUSR2", "--signal"])
def test_lame_duck_mode_is_told_and_ends_with_exit_code_0(launch, how):
    conf = launch.file("ldm.conf", 'lame_duck_duration: "30s"\nlame_duck_grace_period: "50ms"\n')
    srv = launch("-c", conf, "-a", "127.0.0.1", "-p", "-1")
    with connect(srv, protocol=1) as c:
        c.fence()  # the INFO that answers CONNECT
        tell(launch, srv, signal.SIGUSR2, "ldm", how)
        one = c.read_op()
        assert one.verb == "INFO" and json.loads(one.payload)["ldm"] is True
        assert c.read_op() is None, "it says nothing but PING"
    assert srv.wait_end() == 0
    assert "Entering lame duck mode" in srv.log()


def tell(launch, srv, sig, word, how):
    if how == "--signal":
        done = launch.run("--signal", f"{word}={srv.pid}")
        assert done.returncode == 0, done.stderr
    else:
        srv.proc.send_signal(sig)


# --- monitoring -------------------------------------------------------------------------------------------------------


def test_monitoring_answers_what_launchers_ask_for(launch):
    http = free_port()
    srv = launch("-a", "127.0.0.1", "-p", "-1", "-m", http)

    def ask(what):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{what}", timeout=patience()) as answer:
            assert answer.status == 200
            return json.load(answer)

    with connect(srv, name="asker") as c:
        c.send(b"SUB foo 1\r\nSUB bar workers 2\r\nPUB foo 5\r\nhello\r\nPING\r\n")
        c.expect(b"MSG foo 1 5\r\nhello\r\nPONG\r\n")
        varz = ask("/varz")
        assert re.fullmatch(r"2\.14\.\d+", varz["version"]) and varz["port"] == srv.port
        assert (varz["in_msgs"], varz["in_bytes"], varz["out_msgs"], varz["out_bytes"]) == (1, 5, 1, 5)
        assert varz["connections"] == 1 and not varz.get("connect_urls") and varz["leaf"] == {}
        cid = c.info["client_id"]
        (one,) = ask(f"/connz?subs=detail&cid={cid}")["connections"]
        assert one["cid"] == cid and one["name"] == "asker"
        found = {(s["subject"], s.get("qgroup", ""), s["sid"]) for s in one["subscriptions_list_detail"]}
        assert found == {("foo", "", "1"), ("bar", "workers", "2")}
        assert ask("/leafz")["leafs"] == [] and ask("/jsz")["disabled"] is True
        assert ask("/healthz")["status"] == "ok"
