"""One TCP connection of a scenario: it sends what it is told, and keeps every byte that comes back.

support.Raw asserts what it expects and raises where the server misbehaves. Here a close, a reset or a
half-answered line is an observation like any other, so nothing raises but a wait that hangs.
"""

import os
import select
import socket
import struct
import time

from support import deadline_after

from .frames import Frames


NAG_S = 0.01  # between two sends of nag, well below the PING interval of the profile `impatient`


class Hang(AssertionError):
    """The server neither answered nor closed while a deadline passed."""


class Wire:
    def __init__(self, host, port):
        self.frames = Frames()
        self.eof = False   # nothing more can come
        self.shut = False  # we have half-closed
        self.sock = socket.create_connection((host, port), timeout=None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.names = (self.sock.getsockname(), self.sock.getpeername())
        self.n_sent = 0

    def _recv(self):
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self.frames.feed(data)
            return
        self.eof = True

    def _wait(self, deadline, what, write=False):
        left = deadline - time.monotonic()
        r, w, _ = select.select([self.sock], [self.sock] if write else [], [], max(0.0, left)) if left > 0 else ([], [], [])
        if not r and not w:
            raise Hang(f"{what}; the last frames are {self.frames.tail()}")
        if r:
            self._recv()
        return bool(w)

    def send(self, data):
        """Send all of it, reading meanwhile, so that two full sockets cannot wait for each other."""
        view, deadline = memoryview(data), deadline_after()
        while view and not self.eof:
            try:
                n = self.sock.send(view)
                self.n_sent += n
                view = view[n:]
            except BlockingIOError:
                self._wait(deadline, "the server does not read", write=True)
            except ConnectionError:
                self.read_to_end()  # the peer is gone: take what had arrived before

    def poll(self):
        """Read what is there, without waiting."""
        if not self.eof and select.select([self.sock], [], [], 0)[0]:
            self._recv()

    def read_until(self, done, what):
        """Read until done(self.frames) or the end of the stream."""
        deadline = deadline_after()
        while not self.eof and not done(self.frames):
            self._wait(deadline, what)

    def read_to_end(self, timeout=None):
        deadline = deadline_after(timeout) if timeout else deadline_after()
        while not self.eof:
            self._wait(deadline, "the server does not close")

    def nag(self, data):
        """Send data until the server closes."""
        deadline = deadline_after()
        while not self.eof:
            self.send(data)
            if select.select([self.sock], [], [], NAG_S)[0]:
                self._recv()
            elif time.monotonic() > deadline:
                raise Hang("the server does not close")

    def half_close(self):
        if not self.eof and not self.shut:
            self.shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server was faster; what it sent before can still be read

    def reset(self):
        """Leave with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        self.eof = True

    def close(self):
        self.sock.close()


class Drained:
    """Tells whether the server has taken from the kernel all that a connection of ours sent.

    Asks the kernel (sock_diag) about the server's end: how much it received, and how much of that waits to be
    read. That is how a stream is cut at exact places without sleeping: the next piece is sent when the one
    before it has been read.
    """

    INFO_AT = 16 + 72   # netlink header, inet_diag_msg; behind them attributes
    RQUEUE_AT = 16 + 4 + 48 + 4
    RECEIVED_AT = 128   # tcp_info.tcpi_bytes_received

    def __init__(self):
        self.nl = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)  # NETLINK_SOCK_DIAG
        self.nl.settimeout(10)

    def close(self):
        self.nl.close()

    def has_all(self, wire):
        """Whether the server's socket has received what we sent, and nothing of it is unread; true, too, when that socket is gone."""
        (my_ip, my_port), (ip, port) = wire.names
        sock_id = struct.pack("!HH16s16s", port, my_port, socket.inet_aton(ip).ljust(16, b"\0"),
                              socket.inet_aton(my_ip).ljust(16, b"\0")) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        req = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 1 << (2 - 1), 0, 0xFFFFFFFF) + sock_id  # INET_DIAG_INFO
        self.nl.send(struct.pack("=IHHII", 16 + len(req), 20, 1, 0, 0) + req)
        answer = self.nl.recv(8192)
        if struct.unpack_from("=H", answer, 4)[0] != 20:  # NLMSG_ERROR: no such socket
            return True
        if struct.unpack_from("=I", answer, self.RQUEUE_AT)[0] > 0:
            return False
        return self._received(answer) >= wire.n_sent

    def _received(self, answer):
        at = self.INFO_AT
        while at + 4 <= len(answer):
            size, kind = struct.unpack_from("=HH", answer, at)
            if kind == 2 and size >= 4 + self.RECEIVED_AT + 8:
                return struct.unpack_from("=Q", answer, at + 4 + self.RECEIVED_AT)[0]
            at += max(4, (size + 3) & ~3)
        return 1 << 62  # what is left of a closed connection has none: nothing will be read from it

    def wait(self, wire):
        deadline = deadline_after()
        while not wire.eof and not self.has_all(wire):
            wire.poll()  # the server may have closed instead of reading on
            os.sched_yield()
            if time.monotonic() > deadline:
                raise Hang("the server does not read")
