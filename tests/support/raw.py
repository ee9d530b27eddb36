"""A client that sends the bytes it is told to send, and compares the bytes it gets.

Every read has a deadline (support.patience); a test that would hang fails instead, and shows what had
arrived. The server's own PINGs, which may come at any moment, are answered and taken out of the stream
where they stand between two operations, unless auto_pong=False.
"""

import json
import re
import select
import socket
import struct
import time
from collections import namedtuple

from .patience import deadline_after

MSG_LINE = re.compile(rb"^H?MSG ")


class ProtocolError(AssertionError):
    """The server sent something that is no operation of the protocol."""


class Op(namedtuple("Op", "verb subject sid reply headers payload line")):
    """One operation from the server. verb is INFO, PING, PONG, +OK, -ERR, MSG or HMSG (str).

    MSG, HMSG  subject, sid, reply (None where absent), headers (None for MSG), payload: bytes
    -ERR       payload is the text between the quotes: bytes
    INFO       payload is the JSON: bytes
    line       the control line without CRLF: bytes
    """

    __slots__ = ()


def op(verb, line, subject=None, sid=None, reply=None, headers=None, payload=None):
    return Op(verb, subject, sid, reply, headers, payload, line)


class Raw:
    """One connection. Use it as a context manager, or close() it.

    timeout    seconds that one wait may last (default: support.patience's)
    info       read the INFO first: self.info (dict), self.info_line (bytes)
    rcvbuf     SO_RCVBUF, set before connecting (a small one makes a slow consumer fill up early)
    mss        TCP_MAXSEG: a small one keeps the buffer small in which the server's kernel holds what is not read yet
    auto_pong  answer the server's PINGs and hide them
    """

    def __init__(self, host, port, timeout=None, info=True, rcvbuf=None, sndbuf=None, mss=None, auto_pong=True):
        self.timeout = timeout
        self.auto_pong = auto_pong
        self.buf = bytearray()
        self.eof = False
        self.reset = False  # the end was a reset, not an orderly close
        self.info = None
        self.info_line = None
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if sndbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if mss:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
        self.sock.settimeout(max(0.1, self._deadline() - time.monotonic()))
        try:
            self.sock.connect((host, port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if info:
                self.read_info()
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fileno(self):
        return self.sock.fileno()

    def _deadline(self):
        return deadline_after(self.timeout) if self.timeout else deadline_after()

    # --- sending --------------------------------------------------------------------------------------------

    def send(self, data):
        """Send all of it. Raises OSError when the server has closed, TimeoutError when it does not read."""
        self.sock.settimeout(max(0.1, self._deadline() - time.monotonic()))
        self.sock.sendall(data)

    def send_some(self, data):
        """Send what the socket takes at once. Returns the number of bytes taken (0: it is full)."""
        self.sock.setblocking(False)
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def send_split(self, data, size=1):
        """Send data in pieces of `size` bytes, each its own segment as far as the kernel allows."""
        for i in range(0, len(data), size):
            self.send(data[i:i + size])

    # --- reading --------------------------------------------------------------------------------------------

    def fill(self, deadline=None):
        """Wait for bytes. False at the end of the stream; raises AssertionError when the deadline passes."""
        if self.eof:
            return False
        left = (deadline or self._deadline()) - time.monotonic()
        if left <= 0 or not self._readable(left):
            raise AssertionError(f"nothing more arrived in time; pending bytes: {bytes(self.buf[:400])!r}")
        try:
            data = self.sock.recv(262144)
        except ConnectionError:
            self.reset = True
            data = b""
        if not data:
            self.eof = True
            return False
        self.buf += data
        return True

    def _readable(self, seconds):
        poll = select.poll()  # select() knows no descriptor above 1023
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def pending(self):
        """The bytes that are here now, without waiting for any (they stay in the buffer)."""
        while not self.eof and self._readable(0):
            self.fill()
        return bytes(self.buf)

    def read_exact(self, n):
        """The next n bytes; AssertionError at the end of the stream."""
        deadline = self._deadline()
        while len(self.buf) < n:
            if not self.fill(deadline):
                raise AssertionError(f"closed after {len(self.buf)} of {n} bytes: {bytes(self.buf[-400:])!r}")
        out = bytes(self.buf[:n])
        del self.buf[:n]
        return out

    def read_line(self):
        """The next line without its CRLF."""
        deadline = self._deadline()
        while (at := self.buf.find(b"\r\n")) < 0:
            if not self.fill(deadline):
                raise AssertionError(f"closed inside a line: {bytes(self.buf[-400:])!r}")
        out = bytes(self.buf[:at])
        del self.buf[:at + 2]
        return out

    def read_until_close(self):
        """All bytes until the server closes (an orderly close or a reset: see self.reset)."""
        deadline = self._deadline()
        while self.fill(deadline):
            pass
        out = bytes(self.buf)
        self.buf.clear()
        return out

    def expect(self, data):
        """The next bytes are exactly `data` (PINGs of the server between operations aside)."""
        deadline = self._deadline()
        while True:
            got = bytes(self.buf[:len(data)])
            if got != data[:len(got)] and not self._drop_ping(got, data):
                # Let what belongs to the difference arrive, so that the message shows it whole.
                raise AssertionError(f"expected {data[:800]!r}\n     got {self.pending()[:800]!r}")
            elif got == data:
                del self.buf[:len(data)]
                return
            if len(self.buf) < len(data) and not self.fill(deadline):
                if bytes(self.buf) == data:
                    continue
                raise AssertionError(f"expected {data[:800]!r}\n  closed after {bytes(self.buf)[:800]!r}")

    def _drop_ping(self, got, want):
        """Where got and want differ, does a PING of the server stand? Then answer it and take it out."""
        if not self.auto_pong:
            return False
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b))
        line = got.rfind(b"\n", 0, at) + 1
        if not b"PING\r\n".startswith(bytes(self.buf[line:line + 6])):
            return False
        deadline = self._deadline()
        while len(self.buf) < line + 6:
            if not self.fill(deadline):
                return False
        if self.buf[line:line + 6] != b"PING\r\n":
            return False
        del self.buf[line:line + 6]
        self.send(b"PONG\r\n")
        return True

    def expect_match(self, pattern):
        """The next line (without CRLF) matches the bytes pattern in full; returns the match."""
        line = self.read_line()
        while self.auto_pong and line == b"PING" and not re.fullmatch(pattern, line):
            self.send(b"PONG\r\n")
            line = self.read_line()
        found = re.fullmatch(pattern, line)
        assert found, f"expected a line like {pattern!r}, got {line!r}"
        return found

    def expect_err(self, text):
        """The next operation is -ERR 'text' (str or bytes, exact)."""
        text = text.encode() if isinstance(text, str) else text
        self.expect(b"-ERR '" + text + b"'\r\n")

    def expect_close(self):
        """The server closes now, and sends nothing before it (but PINGs, which auto_pong hides here, too)."""
        rest = self.read_until_close()
        while self.auto_pong and rest.startswith(b"PING\r\n"):
            rest = rest[6:]
        assert rest == b"", f"expected the end of the connection, got {rest[:800]!r}"

    def read_op(self):
        """The next operation as an Op. None at an orderly end of the stream."""
        deadline = self._deadline()
        while True:
            if not self.buf and not self.fill(deadline):
                return None
            one = self._parse(self.read_line())
            if one.verb == "PING" and self.auto_pong:
                self.send(b"PONG\r\n")
                continue
            return one

    def _parse(self, line):
        if MSG_LINE.match(line):
            return self._parse_msg(line)
        for verb in (b"PING", b"PONG", b"+OK"):
            if line == verb:
                return op(verb.decode(), line)
        if line.startswith(b"-ERR '") and line.endswith(b"'"):
            return op("-ERR", line, payload=line[6:-1])
        if line.startswith(b"INFO {"):
            return op("INFO", line, payload=line[5:].strip())
        raise ProtocolError(f"no operation: {line[:400]!r}")

    def _parse_msg(self, line):
        words = line.split(b" ")
        verb, subject, sid = words[0].decode(), words[1], words[2]
        n_sizes = 2 if verb == "HMSG" else 1
        if len(words) not in (3 + n_sizes, 4 + n_sizes):
            raise ProtocolError(f"wrong number of words: {line[:400]!r}")
        reply = words[3] if len(words) == 4 + n_sizes else None
        sizes = [int(w) for w in words[-n_sizes:]]
        body = self.read_exact(sizes[-1])
        end = self.read_exact(2)
        if end != b"\r\n":
            raise ProtocolError(f"payload of {line[:400]!r} ends with {end!r}")
        if verb == "MSG":
            return op(verb, line, subject, sid, reply, None, body)
        return op(verb, line, subject, sid, reply, body[:sizes[0]], body[sizes[0]:])

    # --- common steps ---------------------------------------------------------------------------------------

    def read_info(self):
        line = self.read_line()
        assert line.startswith(b"INFO {"), f"expected INFO, got {line[:400]!r}"
        self.info_line = line
        self.info = json.loads(line[5:])
        return self.info

    def connect(self, **opts):
        """CONNECT with verbose, pedantic off (change any key by name: echo=False, headers=True, ...), and one
        PING that is answered. Operations that the server sends after the PONG (an INFO for protocol 1) stay."""
        given = {"verbose": False, "pedantic": False, "tls_required": False, "lang": "raw", "version": "1", "protocol": 0}
        given.update(opts)
        self.send(b"CONNECT " + json.dumps(given, separators=(",", ":")).encode() + b"\r\nPING\r\n")
        if given["verbose"]:
            self.expect(b"+OK\r\n")
        self.expect(b"PONG\r\n")
        return self

    def ping(self):
        """PING, and the PONG is the very next operation."""
        self.send(b"PING\r\n")
        self.expect(b"PONG\r\n")

    def fence(self):
        """PING; returns the operations (Op) that came before the PONG. Whatever this connection said before has
        been handled by then, and so has whatever others got their PONG for before this call."""
        self.send(b"PING\r\n")
        return self.ops_until_pong()

    def ops_until_pong(self):
        ops = []
        while True:
            one = self.read_op()
            assert one is not None, f"closed before the PONG, after {ops[-5:]!r}"
            if one.verb == "PONG":
                return ops
            ops.append(one)

    def read_msgs(self, n):
        """The next n operations, each of which must be MSG or HMSG."""
        out = []
        for _ in range(n):
            one = self.read_op()
            assert one is not None and one.verb in ("MSG", "HMSG"), f"expected message {len(out) + 1} of {n}, got {one!r}"
            out.append(one)
        return out

    # --- ending ---------------------------------------------------------------------------------------------

    def shutdown_write(self):
        """Half-close: the server reads our end of stream, we still read."""
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self):
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()
