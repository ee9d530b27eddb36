"""One TCP connection of a scenario: it sends what it is told, and keeps every byte that comes back.

support.Raw asserts what it expects and raises where the server misbehaves. Here a close, a reset or a
half-answered line is an observation like any other, so nothing raises but a wait that hangs.
"""

import array
import fcntl
import select
import socket
import struct
import time

from support import deadline_after

from .frames import Frames


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
                view = view[self.sock.send(view):]
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

    Asks the kernel (sock_diag) for the receive queue of the server's end. That is how a stream is cut at
    exact places without sleeping: the next piece is sent when the one before it has been read.
    """

    def __init__(self):
        self.nl = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)  # NETLINK_SOCK_DIAG
        self.nl.settimeout(10)

    def close(self):
        self.nl.close()

    def rqueue(self, wire):
        """Bytes that wait in the server's socket. 0 when that socket is gone."""
        (my_ip, my_port), (ip, port) = wire.sock.getsockname(), wire.sock.getpeername()
        sock_id = struct.pack("!HH16s16s", port, my_port, socket.inet_aton(ip).ljust(16, b"\0"),
                              socket.inet_aton(my_ip).ljust(16, b"\0")) + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        req = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + sock_id
        self.nl.send(struct.pack("=IHHII", 16 + len(req), 20, 1, 0, 0) + req)
        answer = self.nl.recv(8192)
        kind = struct.unpack_from("=H", answer, 4)[0]
        if kind != 20:  # NLMSG_ERROR: no such socket
            return 0
        return struct.unpack_from("=I", answer, 16 + 4 + 48 + 4)[0]

    def wait(self, wire):
        deadline = deadline_after()
        while not wire.eof:
            try:
                if self._unsent(wire) == 0 and self.rqueue(wire) == 0:
                    return
            except OSError:
                return  # the connection is gone: there is nothing left to take
            wire.poll()  # the server may have closed instead of reading on
            if time.monotonic() > deadline:
                raise Hang("the server does not read")

    @staticmethod
    def _unsent(wire):
        n = array.array("i", [0])
        fcntl.ioctl(wire.sock.fileno(), 0x5411, n)  # SIOCOUTQ
        return n[0]
