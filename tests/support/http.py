"""HTTP as bytes: for monitoring pages, and for what is no HTTP."""

import json
import re
import socket
import time

from .patience import deadline_after, patience

MONITOR = re.compile(r"Starting http monitor on (\S+):(\d+)\s*$")


class Response:
    """status, headers (a list of pairs, names in lower case), body (bytes)."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return next((v for k, v in self.headers if k == name.lower()), None)

    def json(self):
        """The body, objects as lists of pairs: their order matters, and a key that comes twice is seen."""
        return json.loads(self.body, object_pairs_hook=lambda pairs: Obj(pairs))


class Obj(dict):
    """A JSON object that remembers the order of its keys, and refuses to hold one twice."""

    def __init__(self, pairs):
        super().__init__(pairs)
        assert len(self) == len(pairs), f"a key comes twice in {[k for k, _ in pairs]}"
        self.order = [k for k, _ in pairs]


def monitor_port(server):
    """The port of a server started with -m -1."""
    return int(server.wait_log(MONITOR).group(2))


class Http:
    """One connection.

        with Http(port) as h:
            r = h.get("/varz")
            h.send(b"GET / HT")
            r = h.read()
    """

    def __init__(self, port, host="127.0.0.1", timeout=None, source=None):
        self.sock = socket.create_connection((host, port), timeout=timeout or patience(), source_address=source and (source, 0))
        self.buf = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def get(self, path, method="GET", headers="", version="1.1"):
        self.send(f"{method} {path} HTTP/{version}\r\nHost: test\r\n{headers}\r\n".encode())
        return self.read(head_only=method == "HEAD")

    def _fill(self):
        data = self.sock.recv(1 << 16)
        self.buf += data
        return bool(data)

    def read(self, head_only=False):
        """The next response; None: the connection ended instead."""
        while b"\r\n\r\n" not in self.buf:
            if not self._fill():
                return None
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(k.lower(), v) for k, v in (line.split(": ", 1) for line in lines)]
        r = Response(int(first.split(" ")[1]), headers, b"")
        if head_only:
            return r
        if r.header("transfer-encoding") == "chunked":
            r.body = self._chunks()
        elif r.header("content-length") is not None:
            r.body = self._exactly(int(r.header("content-length")))
        else:
            while self._fill():
                pass
            r.body, self.buf = self.buf, b""
        return r

    def _exactly(self, n):
        while len(self.buf) < n:
            assert self._fill(), f"closed after {len(self.buf)} of {n} bytes"
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def _chunks(self):
        out = b""
        while True:
            while b"\r\n" not in self.buf:
                assert self._fill(), "closed inside a chunk"
            line, self.buf = self.buf.split(b"\r\n", 1)
            n = int(line, 16)
            out += self._exactly(n)
            self._exactly(2)
            if n == 0:
                return out

    def at_end(self):
        """The server closes now, and says nothing more."""
        try:
            return self.buf == b"" and not self._fill()
        except ConnectionResetError:
            return self.buf == b""


def fetch(port, path, **kw):
    """One request on a connection of its own."""
    with Http(port) as h:
        return h.get(path, **kw)


def until(port, path, good):
    """Ask again until good(json of the page): a server may see a moment later what a client has done."""
    deadline = deadline_after()
    while True:
        page = fetch(port, path).json()
        if good(page):
            return page
        assert time.monotonic() < deadline, f"{path} stays {page!r}"
        time.sleep(0.01)


def counted_in(metrics, name):
    """What all shards counted of it (core/rt/counters.h), by this answer to /metrics."""
    rows = re.findall(rf"^midge_shard_{name}_total{{shard=\"\d+\"}} (\d+)$", metrics.body.decode(), re.M)
    assert rows, f"no counter {name}"
    return sum(map(int, rows))


def counted(server, name):
    """The same, asked on a connection of its own: server.http is the port of Midge's monitoring."""
    return counted_in(fetch(server.http, "/metrics"), name)


def counts(server, name, n):
    """It is n, sooner or later. Of nats-server (server.counts is False) nothing is asked."""
    deadline = deadline_after()
    while getattr(server, "counts", True) and (got := counted(server, name)) != n:
        assert got < n and time.monotonic() < deadline, f"{name} is {got}, not {n}"
