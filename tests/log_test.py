"""Where the log goes and how much of it there is: files with a limit, syslog, floods; beside nats-server where both do the same."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from support import Server, patience

LINE = re.compile(r"^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|DBG|WRN|ERR|FTL|TRC)\] ")


@pytest.fixture(params=["server_bin", "reference_bin"])
def program(request):
    """Midge, or nats-server."""
    return request.getfixturevalue(request.param)


class Logging:
    """A server whose lines go elsewhere: started, and ended, by what its port says."""

    def __init__(self, binary, tmp_path, text, *flags):
        self.conf = tmp_path / "x.conf"
        self.conf.write_text(text)
        self.ports = tmp_path / "ports"
        self.ports.mkdir(exist_ok=True)
        self.proc = subprocess.Popen([binary, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(self.ports), "-c", str(self.conf), *flags],
                                     stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        until = time.monotonic() + patience()
        while not [p for p in self.ports.glob("*.ports") if p.read_text().endswith("}")]:
            assert self.proc.poll() is None and time.monotonic() < until, self.proc.stderr.read()
            time.sleep(0.01)  # there is nothing to wait on but the file
        text = next(self.ports.glob("*.ports")).read_text()
        self.port = int(re.search(r"nats://127\.0\.0\.1:(\d+)", text).group(1))
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stderr.close()

    def say(self, data):
        """A client that says this and leaves when it was answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience()) as s:
            s.sendall(data + b"PING\r\n")
            got = b""
            while b"PONG" not in got and b"-ERR" not in got:
                chunk = s.recv(65536)
                if not chunk:
                    break
                got += chunk

    def end(self):
        self.proc.send_signal(signal.SIGTERM)
        assert self.proc.wait(patience()) == 0
        return self.proc.stderr.read()


# --- files ------------------------------------------------------------------------------------------------------


def test_a_log_file_has_the_lines_that_stderr_would_have(program, tmp_path):
    log = tmp_path / "x.log"
    with Logging(program, tmp_path, f'log_file: "{log}"\n', "-DV") as s:
        s.say(b'CONNECT {"verbose":false}\r\n')
        assert s.end() == ""
    lines = log.read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    assert lines[-1].endswith("Server Exiting.."), "nothing is lost at the end"
    assert log.stat().st_mode & 0o777 == 0o640


def test_F16_a_file_is_rotated_and_so_many_are_kept(program, server_bin, tmp_path):
    """Under traffic: no line is lost but in files that are purged, and no file is much longer than its limit."""
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    with Logging(program, tmp_path, f'log_file: "{log}"\nlog_size_limit: 2000\nlog_max_num: 3\ntrace: true\n') as s:
        for i in range(100):
            s.say(b'CONNECT {"verbose":false}\r\nPUB x.%d 0\r\n\r\n' % i)
        s.end()
    files = sorted(log.parent.iterdir())
    assert len(files) == 3 and files[0] == log
    backups = files[1:]
    assert all(re.fullmatch(r"x\.log\.\d{4}(\.\d\d){5}\.\d{9}", f.name) for f in backups)
    for lines in (f.read_bytes().splitlines(keepends=True) for f in backups):
        # The last line took it beyond the limit. nats-server does not count the first one, which says where the last file went.
        counted = lines if program == server_bin else lines[1:]
        assert len(b"".join(lines)) > 2000 >= len(b"".join(counted[:-1]))
    assert re.search(rf'\[INF\] Rotated log, backup saved as "{re.escape(str(backups[-1]))}"', log.read_text())
    assert re.search(r'\[INF\] Purged log file "x\.log\.\d{4}', log.read_text())
    numbers = [int(n) for f in backups + [log] for n in re.findall(r"\[PUB x\.(\d+) 0\]", f.read_text())]
    assert numbers == list(range(numbers[0], 100))


def test_F16_reopening_keeps_limit_and_number(server_bin, server_args, tmp_path):
    """nats-server forgets how many files to keep."""
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    with Logging(server_bin, tmp_path, f'log_file: "{log}"\nlog_size_limit: 2000\nlog_max_num: 2\ntrace: true\n', *server_args) as s:
        log.rename(tmp_path / "moved")
        s.proc.send_signal(signal.SIGUSR1)
        until = time.monotonic() + patience()
        while not (log.exists() and "File log re-opened" in log.read_text()):
            assert time.monotonic() < until
            time.sleep(0.01)  # there is nothing to wait on but the file
        for i in range(60):
            s.say(b'CONNECT {"verbose":false}\r\nPUB x.%d 0\r\n\r\n' % i)
        s.end()
    assert len(list(log.parent.iterdir())) == 2


# --- syslog -----------------------------------------------------------------------------------------------------


def listener(kind, tmp_path):
    """(socket, url): where a syslog server of that kind listens."""
    if kind == "unix":
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(tmp_path / "s"))
        s.listen()
        return s, f"unix://{tmp_path / 's'}"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    s.bind(("127.0.0.1", 0))
    if kind == "tcp":
        s.listen()
    return s, f"{kind}://127.0.0.1:{s.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix"])
def test_a_remote_syslog_gets_the_same_bytes_from_both(server_bin, reference_bin, tmp_path, kind):
    """Whatever differs from run to run is left out: times, process ids, ports, names."""
    heard = []
    for i, binary in enumerate((server_bin, reference_bin)):
        folder = tmp_path / str(i)
        folder.mkdir()
        sock, url = listener(kind, folder)
        with sock:
            sock.settimeout(patience())
            with Logging(binary, folder, f'remote_syslog: "{url}"\ntrace: true\ndebug: true\n') as s:
                conn = sock if kind == "udp" else sock.accept()[0]
                conn.settimeout(patience())
                s.say(b'CONNECT {"verbose":false,"name":"n"}\r\nPUB a 2\r\nhi\r\nFOO\r\n')
                assert s.end() == ""
                text = b""
                while not text.endswith(b"Server Exiting..\n"):
                    text += conn.recv(65536)
        program = os.path.basename(binary).encode()
        wanted = [rb"Starting nats-server", rb"Listening for client connections on 127\.0\.0\.1:\d+", rb"Server is ready",
                  rb"127\.0\.0\.1:\d+ - cid:\d+ - \"n\" - <<- \[PUB a 2\]", rb"127\.0\.0\.1:\d+ - cid:\d+ - Client connection created",
                  rb"Server Exiting\.\."]
        host = re.escape(socket.gethostname().encode())
        head = rb"\w{3} [ \d]\d \d\d:\d\d:\d\d" if kind == "unix" else rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d) " + host
        lines = text.split(b"\n")[:-1]
        for line in lines:
            assert re.match(rb"<[3457]>" + head + rb" " + re.escape(program) + rb"\[\d+\]: ", line), line
        heard.append([re.search(rb"^<(\d+)>.*\]: " + w + rb"$", text, re.MULTILINE).group(1) for w in wanted])
    assert heard[0] == heard[1] == [b"5", b"5", b"5", b"5", b"7", b"5"]


@pytest.mark.parametrize("option, said", [
    ('remote_syslog: "tcp://127.0.0.1:1"', r'error connecting to syslog: "dial tcp 127\.0\.0\.1:1: connect: connection refused"'),
    ('remote_syslog: "foo"', r'error invalid network type: ""'),
    ("log_file: /nonexistent/x.log", r"error opening file: open /nonexistent/x\.log: no such file or directory"),
])
def test_a_log_that_cannot_be_ends_the_start(program, tmp_path, option, said):
    conf = tmp_path / "x.conf"
    conf.write_text(option + "\n")
    done = subprocess.run([program, "-a", "127.0.0.1", "-p", "-1", "-c", str(conf)], capture_output=True, text=True, timeout=patience(), check=False)
    assert done.returncode == 1
    assert re.search(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d " + said + "$", done.stderr, re.MULTILINE), done.stderr


# --- floods -----------------------------------------------------------------------------------------------------


def test_F14_a_flood_of_mistakes_is_logged_in_part_and_counted(start_server):
    """Ten thousand violations of one connection: some lines a second, and how many more there were."""
    s = start_server("--cores", "1")
    with s.raw() as c:
        c.connect()
        for _ in range(10):
            c.send(b"PUB $NRG.x 0\r\n\r\n" * 1000)
            assert len(c.fence()) == 1000  # the client itself is told of each
    s.stop()  # what was only counted is logged at the latest now
    log = s.log()
    logged = log.count('Publish Violation - Subject "$NRG.x"')
    more = sum(int(n) for n in re.findall(r"\[ERR\] (\d+) more permissions violations within a second, not logged one by one", log))
    assert 0 < logged < 2000
    assert logged + more == 10000


@pytest.mark.parametrize("shards", ["1", "3"])
def test_a_reader_that_stops_reading_stderr_holds_up_nobody(server_bin, server_args, shards):
    """The pipe is full, the queue of the log too: everybody is served, and the end comes."""
    with subprocess.Popen([server_bin, "-a", "127.0.0.1", "-p", "-1", "-DV", "--cores", shards, *server_args], stderr=subprocess.PIPE, text=True) as proc:
        try:
            port = None
            for line in proc.stderr:
                found = re.search(r"Listening for client connections on 127\.0\.0\.1:(\d+)", line)
                port = int(found.group(1)) if found else port
                if "Server is ready" in line:
                    break
            clients = [socket.create_connection(("127.0.0.1", port), timeout=patience()) for _ in range(3)]
            for c in clients:
                c.sendall(b'CONNECT {"verbose":false}\r\n' + b"PUB some.subject 100\r\n%s\r\n" % (b"x" * 100) * 5000 + b"PING\r\n")
            for c in clients:
                got = b""
                while b"PONG\r\n" not in got:
                    got = got[-10:] + c.recv(65536)
                c.close()
            proc.send_signal(signal.SIGTERM)
            assert proc.wait(patience()) == 0
        finally:
            proc.kill()


def test_A45_what_a_client_says_forges_no_line(start_server):
    s = start_server("-DV")
    with s.raw() as c:
        c.connect(name="x\n[1] 2026/01/01 00:00:00.000000 [INF] forged", user="\x1b[31mred\r\n[1] [ERR] forged")
        c.send(b"PUB a\x1b[31m 2\r\n\n\x1b\r\nFOO\x1b\n[1] [INF] forged\r\n")
        c.read_until_close()
    s.stop()
    lines = s.log().splitlines()
    assert all(LINE.match(line) for line in lines), [line for line in lines if not LINE.match(line)]
    assert "\x1b" not in s.log()
    assert sum("forged" in line for line in lines) > 0, "it is shown, escaped"
