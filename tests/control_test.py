"""--signal, and the files by which others find the server: pid file, ports file.

Servers here run under a name of their own (a copy of the program), because --signal looks for processes by the name of their file: no
test touches a server of somebody else.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from support import Server, patience


@pytest.fixture(params=["server_bin", "reference_bin"])
def own(request, tmp_path):
    """A copy of Midge, or nats-server itself (which looks for its usual name only: tests with a number alone)."""
    path = request.getfixturevalue(request.param)
    if request.param == "reference_bin":
        return path
    return copy_of(path, tmp_path)


@pytest.fixture
def copy(server_bin, tmp_path):
    return copy_of(server_bin, tmp_path)


def copy_of(path, folder):
    to = folder / f"midge-{os.getpid()}-{os.urandom(4).hex()}"
    shutil.copy(path, to)
    return str(to)


def control(binary, word):
    return subprocess.run([binary, "--signal", word], capture_output=True, text=True, timeout=patience(), check=False)


@pytest.mark.parametrize("word, sig", [("reload", "hangup"), ("reopen", "user defined signal 1"), ("ldm", "user defined signal 2"),
                                       ("term", "terminated"), ("quit", "interrupt")])
def test_each_word_is_a_signal(own, word, sig):
    with Server(own) as s:
        done = control(own, f"{word}={s.pid}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        s.wait_log(rf'Trapped "{sig}" signal$')
        if word in ("ldm", "term", "quit"):
            assert s.wait_end() == 0


def test_stop_kills(own):
    with Server(own) as s:
        assert control(own, f"stop={s.pid}").returncode == 0
        assert s.proc.wait(patience()) == -signal.SIGKILL
        s.kill()  # nobody has to stop it any more


def test_a_pid_file_will_do_for_a_number(own, tmp_path):
    with Server(own, "-P", tmp_path / "pid") as s:
        assert control(own, f"reload={tmp_path / 'pid'}").returncode == 0
        s.wait_log('Trapped "hangup" signal$')


@pytest.mark.parametrize("word, said", [
    ("nosuch=1", 'nats-server: unknown signal "nosuch"\n'),
    ("reload=abc", "nats-server: invalid pid: abc\n"),
    ("a=b=c", "nats-server: invalid signal parameters: [c]\n"),
    ("a=b=c=d", "nats-server: invalid signal parameters: [c d]\n"),
    ("reload=2147483000", 'nats-server: \nsignal "reload" 2147483000: no such process\n'),
])
def test_what_cannot_be_says_so_and_ends_with_1(own, word, said):
    done = control(own, word)
    assert done.returncode == 1
    assert done.stderr == said


@pytest.mark.parametrize("word", ["reload=", "reload=0", "reload=-1", "stop=-1", "stop=00", "reload=99999999999", "stop=/", "stop=1.5", "stop= 1"])
def test_what_kill_would_take_for_others_is_no_process(copy, word):
    """nats-server sends to a whole group of processes, or to whoever is the only one."""
    done = control(copy, word)
    assert done.returncode == 1
    assert done.stderr.startswith("nats-server: invalid pid: ")


def test_without_a_number_it_is_the_only_one_of_that_name(copy):
    name = os.path.basename(copy)
    done = control(copy, "reload")
    assert (done.returncode, done.stderr) == (1, f"nats-server: no {name} processes running\n")
    with Server(copy) as one:
        assert control(copy, "reload").returncode == 0
        one.wait_log('Trapped "hangup" signal$')
        with Server(copy) as two:
            done = control(copy, "reload")
            pids = sorted([one.pid, two.pid])
            assert done.returncode == 1
            assert done.stderr == f"nats-server: multiple {name} processes running:\n{pids[0]}\n{pids[1]}\n"
        done = control(copy, "nosuch")
        assert (done.returncode, done.stderr) == (1, 'nats-server: unknown signal "nosuch"\n')


def test_a_star_means_all_whose_number_begins_so(copy):
    with Server(copy) as one, Server(copy) as two:
        marks = one.mark(), two.mark()
        assert control(copy, "reload=*").returncode == 0
        for s, mark in zip((one, two), marks):
            s.wait_log('Trapped "hangup" signal$', since=mark)
        mark, other = one.mark(), two.mark()
        assert control(copy, f"reload={one.pid}*").returncode == 0
        one.wait_log('Trapped "hangup" signal$', since=mark)
        if not str(two.pid).startswith(str(one.pid)):
            os.kill(two.pid, signal.SIGUSR1)
            two.wait_log("re-open", since=other)
            assert "hangup" not in two.log(since=other)


# --- files ------------------------------------------------------------------------------------------------------


def ports_of(folder, srv):
    """The ports file, which comes behind the line that says ready (nats-server's in pieces)."""
    until = time.monotonic() + patience()
    while not [p for p in folder.glob("*.ports") if p.read_text().endswith("}")]:
        srv.check_alive()
        assert time.monotonic() < until
        time.sleep(0.01)  # there is nothing to wait on but the file
    [path] = folder.glob("*.ports")
    assert path.name == f"{os.path.basename(srv.binary)}_{srv.pid}.ports"
    return path, json.loads(path.read_text())


def test_the_ports_file_names_all_listeners_and_goes_at_the_end(own, tmp_path):
    folder = tmp_path / "ports"
    folder.mkdir()
    with Server(own, "-m", "-1", "--ports_file_dir", folder) as s:
        path, ports = ports_of(folder, s)
        assert list(ports) == ["nats", "monitoring"]
        assert ports["nats"] == [f"nats://127.0.0.1:{s.port}"]
        assert len(ports["monitoring"]) == 1 and ports["monitoring"][0].startswith("http://127.0.0.1:")
        s.stop()
        assert list(folder.iterdir()) == []


def test_the_ports_file_of_all_interfaces_names_every_address(own, tmp_path):
    folder = tmp_path / "ports"
    folder.mkdir()
    with Server(own, "--ports_file_dir", folder, host="0.0.0.0") as s:
        urls = ports_of(folder, s)[1]["nats"]
        assert f"nats://127.0.0.1:{s.port}" in urls
        assert not any("0.0.0.0" in url for url in urls)


def test_S4_files_the_ports_file_is_nobody_elses(copy, tmp_path):
    with Server(copy, "--ports_file_dir", tmp_path) as s:
        assert ports_of(tmp_path, s)[0].stat().st_mode & 0o777 == 0o640


def test_S4_files_a_ports_file_that_cannot_be_written_is_only_logged(own):
    with Server(own, "--ports_file_dir", "/nonexistent/dir") as s:
        s.wait_log(r"\[ERR\] Error writing ports file \(/nonexistent/dir/.*\.ports\): open /nonexistent/dir/.*: no such file or directory$")
        s.check_serves()


def test_S4_files_the_ports_file_follows_no_link(copy, tmp_path):
    """In a folder that others may write to."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "ports"
    folder.mkdir()

    def plant():  # the pid stays through exec
        os.symlink(victim, folder / f"{os.path.basename(copy)}_{os.getpid()}.ports.part")

    with Server(copy, "--ports_file_dir", folder, preexec=plant) as s:
        ports_of(folder, s)
    assert victim.read_text() == "mine"
