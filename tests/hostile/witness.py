"""Who the hostile tests are about: a Witness, who behaves and must be served, and a Flood, who pushes.

A Witness proves progress, not speed: turn() publishes numbered messages and takes each of them back, in order and without a
gap, whatever goes on around it. Its deadlines only end a run that hangs.
"""

import socket
import threading
import time

from support import deadline_after, patience

MIB = 1 << 20


class Witness:
    """A publisher and a subscriber, on connections of their own (so that they may live on two shards)."""

    def __init__(self, server, subject=b"witness"):
        self.server, self.subject, self.n = server, subject, 0
        self.pub = server.raw().connect()
        self.sub = server.raw().connect()
        self.sub.send(b"SUB %s 1\r\n" % subject)
        self.sub.ping()

    def turn(self, n=3):
        """n more messages go out and come back."""
        first, self.n = self.n, self.n + n
        self.pub.send(b"".join(b"PUB %s %d\r\n%d\r\n" % (self.subject, len(b"%d" % i), i) for i in range(first, self.n)))
        for i in range(first, self.n):
            self.sub.expect(b"MSG %s 1 %d\r\n%d\r\n" % (self.subject, len(b"%d" % i), i))

    def close(self):
        """Both connections still answer, and nothing came that should not have."""
        self.turn()
        for c in (self.pub, self.sub):
            assert c.fence() == []
            c.close()


class Flood(threading.Thread):
    """Sends `block` over and over on connection c, from a thread, until it is told to stop, has sent `limit` bytes, or the
    connection ends. n_bytes counts what the sockets took; error is what ended it early."""

    def __init__(self, c, block, limit=None):
        super().__init__(daemon=True)
        self.c, self.block, self.limit = c, block, limit
        self.n_bytes = 0
        self.error = None
        self._stop_asked = False
        c.sock.setblocking(True)
        self.start()

    def run(self):
        view = memoryview(self.block)
        off = 0
        try:
            # A block begun is ended: whoever stops the flood has whole messages behind it.
            while off or not (self._stop_asked or (self.limit is not None and self.n_bytes >= self.limit)):
                n = self.c.sock.send(view[off:])
                off = (off + n) % len(view)
                self.n_bytes += n
        except OSError as e:
            self.error = e

    @property
    def n_blocks(self):
        return self.n_bytes // len(self.block)

    def wait_bytes(self, n):
        """Until it has sent n bytes."""
        until(lambda: self.n_bytes >= n or not self.is_alive(), f"the flood to send {n} bytes")

    def finish(self):
        """Wait until it has sent its limit, or was ended."""
        return self._end(120)

    def stop(self):
        """No more, once the block in hand is out."""
        self._stop_asked = True
        return self._end(60)

    def _end(self, seconds):
        self.join(patience(seconds))
        if self.is_alive():
            try:
                self.c.sock.shutdown(socket.SHUT_RDWR)  # ends its send
            except OSError:
                pass
            self.join(patience())
            raise AssertionError("the server does not read what the flood sends")
        return self


class Drain:
    """Reads and forgets what arrives at c, from a thread, until the connection ends."""

    def __init__(self, c):
        self.n_bytes = 0
        self.c = c
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def has(self, n):
        """Exactly n bytes have come, and perhaps PINGs of the server."""
        return self.n_bytes >= n and (self.n_bytes - n) % len(b"PING\r\n") == 0

    def _run(self):
        try:
            while data := self.c.sock.recv(1 << 18):
                self.n_bytes += len(data)
        except OSError:
            pass


class Answering(threading.Thread):
    """A connected client that does nothing but answer PINGs, from a thread: n_pings of them so far."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.c = server.raw(auto_pong=False).connect()
        self.c.sock.setblocking(True)
        self.n_pings = 0
        self.end = b""  # what came besides PINGs, once the connection has ended
        self.start()

    def run(self):
        try:
            while data := self.c.sock.recv(4096):
                self.end += data
                while b"PING\r\n" in self.end:
                    self.end = self.end.replace(b"PING\r\n", b"", 1)
                    self.c.sock.sendall(b"PONG\r\n")
                    self.n_pings += 1
        except OSError:
            pass

    def close(self):
        """It is still connected, and heard nothing but PINGs."""
        assert self.is_alive() and self.end == b"", self.end
        self.c.sock.shutdown(socket.SHUT_RDWR)
        self.join(patience())
        self.c.close()


def until(condition, what, seconds=20.0):
    """Wait until condition() is true; its value. (It looks again after a moment: there is nothing to be woken by.)"""
    deadline = deadline_after(seconds)
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        threading.Event().wait(0.005)


def wait_rss_below(server, limit, seconds=20.0):
    """Wait until the server's resident memory is at most `limit` bytes. (A sanitizer keeps what is freed: nothing to see there.)"""
    if server.sanitized:
        return
    deadline = deadline_after(seconds)
    while (rss := server.rss()) > limit:
        if time.monotonic() > deadline:
            raise AssertionError(f"{server!r} holds {rss / MIB:.1f} MiB, more than {limit / MIB:.1f}")
        threading.Event().wait(0.01)


def wait_closed(c):
    """Whatever is still on its way is read and forgotten; then the server has closed c."""
    deadline = deadline_after()
    while c.fill(deadline):
        c.buf.clear()
