"""What an operator does to a server while messages flow: configurations it is given, and what is asked of it meanwhile.

A Beside is entered when the server is ready and left when the load has ended. Its work runs on the load's cores.
"""

import contextlib
import os
import signal
import socket
import threading
import urllib.request

N_USERS = 50_000
N_CONNS = 10_000
RELOAD_EVERY_S = 1.0
CONNECT = b'CONNECT {"verbose":false}\r\nPING\r\n'

# --- configurations: functions of the port that monitoring gets -----------------------------------


def plain(http_port):
    return f'http: "127.0.0.1:{http_port}"\n'


def hundred_rules(http_port):
    """Fifty rules for publishing and fifty for subscribing; the load's subjects match the last but one of each."""
    names = [f"app{i}.{kind}" for i in range(16) for kind in ("events.*", "orders.>", "state")] + ["bench.>", "_INBOX.>"]
    rules = ", ".join(f'"{name}"' for name in names)
    return plain(http_port) + f"no_auth_user: load\nauthorization: {{ users: [ {{user: load, password: pw, permissions: {{publish: [{rules}], subscribe: [{rules}]}}}} ] }}\n"


def many_users(http_port, generation=0):
    """10 MB: users with four rules each, one password of which depends on the generation."""
    users = "\n".join(f'{{user: "service-{i:05}", password: "pw-{i:05}-{generation if i == 0 else 0}", permissions: {{'
                      f'publish: ["region.eu-central-1.service-{i:05}.events.>", "_INBOX.service-{i:05}.>"], '
                      f'subscribe: ["region.eu-central-1.service-{i:05}.commands.>", "$SRV.>"]}}}}' for i in range(N_USERS))
    return plain(http_port) + f"no_auth_user: load\nauthorization: {{ users: [\n{{user: load, password: pw}}\n{users}\n] }}\n"


# --- what goes on beside --------------------------------------------------------------------------


def _await_pong(c):
    got = b""
    while b"PONG\r\n" not in got:
        more = c.recv(65536)
        if not more:
            raise OSError(f"an idle connection was closed: {got[-100:]!r}")
        got += more


@contextlib.contextmanager
def idle_connections(server, _cores):
    conns = []
    try:
        for _ in range(N_CONNS):
            conns.append(socket.create_connection(("127.0.0.1", server.port)))
            conns[-1].sendall(CONNECT)
        for c in conns:
            _await_pong(c)
        yield
    finally:
        for c in conns:
            c.close()


@contextlib.contextmanager
def _again_and_again(work, cores):
    """Call work(stop) on a thread of its own until the load has ended. What it raises is raised here."""
    stop, failures = threading.Event(), []

    def run():
        os.sched_setaffinity(0, cores)  # of this thread alone
        try:
            while not stop.is_set():
                work(stop)
        except Exception as e:  # handed to the thread that waits, and raised there
            failures.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def connz_of_all(server, cores):
    """One page of all connections after the other."""
    url = f"http://127.0.0.1:{server.http_port}/connz?limit={N_CONNS}"

    def ask(_stop):
        with urllib.request.urlopen(url, timeout=30) as page:
            page.read()

    with idle_connections(server, cores), _again_and_again(ask, cores):
        yield


@contextlib.contextmanager
def reloads(server, cores):
    """Another password for one of many users, once a second."""
    generations = [many_users(server.http_port, 1), many_users(server.http_port, 2)]

    def reload(stop):
        generations.reverse()
        server.config.write_text(generations[0], encoding="utf-8")
        os.kill(server.pid, signal.SIGHUP)
        stop.wait(RELOAD_EVERY_S)

    with _again_and_again(reload, cores):
        yield
    if b"Reloaded: authorization users" not in server.log_path.read_bytes():
        raise OSError("no reload took place")
