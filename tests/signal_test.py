"""What each signal does, to Midge and to nats-server alike; what systemd is told."""

import os
import re
import signal
import socket
import subprocess

import pytest

from support import Server, patience

NAMES = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated", signal.SIGHUP: "hangup", signal.SIGUSR1: "user defined signal 1",
         signal.SIGUSR2: "user defined signal 2"}


@pytest.fixture(params=["start_server", "start_reference"])
def start(request):
    """Starts Midge, or nats-server."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_the_end_is_logged_in_order(start, sig):
    s = start()
    assert s.stop(sig) == 0
    log = s.log()
    at = [log.index(text) for text in (f'Trapped "{NAMES[sig]}" signal', "Initiating Shutdown...", "Server Exiting..")]
    assert at == sorted(at)


def test_a_reload_without_a_file_says_so_and_changes_nothing(start):
    s = start()
    os.kill(s.pid, signal.SIGHUP)
    s.wait_log(r"\[ERR\] Failed to reload server configuration: can only reload config when a file is provided using -c or --config$")
    s.check_serves()


def test_without_a_log_file_there_is_none_to_open_again(start):
    s = start()
    os.kill(s.pid, signal.SIGUSR1)
    s.wait_log(r"\[INF\] File log re-open ignored, not a file logger$")
    s.check_serves()


def test_a_lame_duck_without_clients_ends_at_once(start):
    s = start()
    assert s.stop(signal.SIGUSR2) == 0
    assert "Entering lame duck mode, stop accepting new clients" in s.log()
    assert "Closing existing clients" not in s.log()


@pytest.mark.parametrize("sig, word", [(signal.SIGQUIT, "SIGQUIT: quit"), (signal.SIGABRT, "SIGABRT: abort")])
def test_quit_and_abort_show_the_threads_and_end_with_2(server_bin, server_args, sig, word):
    with subprocess.Popen([server_bin, "-a", "127.0.0.1", "-p", "-1", *server_args], stderr=subprocess.PIPE, text=True) as proc:
        for line in proc.stderr:
            if "Server is ready" in line:
                break
        proc.send_signal(sig)
        text = proc.stderr.read()
        assert proc.wait(patience()) == 2
    assert word in text
    assert re.search(r"thread \d+ shard-0: state \S", text)


def test_sigpipe_is_ignored(server):
    os.kill(server.pid, signal.SIGPIPE)
    server.check_serves()


# --- systemd --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_when_it_is_ready_and_when_it_ends(server_bin, server_args, tmp_path, abstract):
    path = f"@midge-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + path[1:] if abstract else path)
        sock.settimeout(patience())
        with Server(server_bin, extra=server_args, env={"NOTIFY_SOCKET": path}) as s:
            assert sock.recv(100) == b"READY=1\n"
            s.check_serves()
            s.stop()
            assert sock.recv(100) == b"STOPPING=1\n"


def test_nobody_to_notify_is_no_trouble(server_bin, server_args, tmp_path):
    with Server(server_bin, extra=server_args, env={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as s:
        s.check_serves()
