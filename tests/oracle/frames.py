"""The server's bytes as frames, and the form in which two servers' frames are compared.

Shape  a frame is a tuple whose first element is its kind:
         ("INFO", fields, compact)               fields: ((key, type, value or "*"), ...) in the order sent
         ("MSG", subject, sid, reply, size, payload)
         ("HMSG", subject, sid, reply, hdr_size, size, payload)     payload with its header block
         ("PONG",), ("PING",), ("+OK",), ("-ERR", text)
         ("?", bytes)                            whatever else, up to the line end or the end of the stream
"""

import json

# What differs between any two servers, or two runs of one. Its presence and its type are compared, its value is not.
INFO_VARIES = frozenset("server_id server_name version go host port client_id client_ip nonce xkey connect_urls".split())

# Omitted by a build that does not know its commit (`go install` does not, Debian's package does): either is right.
INFO_OPTIONAL = frozenset(["git_commit"])


class Frames:
    """The frames of one connection, taken from its bytes as they come."""

    def __init__(self):
        self.list = []
        self.n_pongs = 0
        self._buf = bytearray()

    def feed(self, data):
        self._buf += data
        self._take(final=False)

    def end(self):
        """No more bytes: what is left is a frame too, of kind "?"."""
        self._take(final=True)
        if self._buf:
            self.list.append(("?", bytes(self._buf)))
            self._buf.clear()

    def tail(self):
        """What a report about a hang shows."""
        return f"{self.list[-3:]!r} {bytes(self._buf[-200:])!r}"

    def _take(self, final):
        at = 0
        while (found := _next(self._buf, at)) is not None:
            frame, at = found
            self.list.append(frame)
            self.n_pongs += frame[0] == "PONG"
        del self._buf[:at]


def split(data):
    """All frames of a whole stream."""
    f = Frames()
    f.feed(data)
    f.end()
    return f.list


def _next(data, at):
    """(frame, offset behind it), or None while it is incomplete."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    line = bytes(data[at:end + 2])
    at = end + 2
    if line in (b"PONG\r\n", b"PING\r\n", b"+OK\r\n"):
        return (line[:-2].decode(),), at
    if line.startswith(b"-ERR '") and line.endswith(b"'\r\n"):
        return ("-ERR", line[6:-3]), at
    if line.startswith(b"INFO "):
        return _info(line), at
    if line.startswith((b"MSG ", b"HMSG ")):
        return _msg(data, at, line)
    return ("?", line), at


def _msg(data, at, line):
    verb, *words = line[:-2].split(b" ")
    n_sizes = 2 if verb == b"HMSG" else 1
    sizes = words[-n_sizes:]
    if len(words) - n_sizes not in (2, 3) or not all(words) or not all(s.isdigit() for s in sizes):
        return ("?", line), at
    subject, sid, reply = (words[:-n_sizes] + [None])[:3]
    size = sizes[-1]
    end = at + int(size)
    if len(data) < end + 2:
        return None
    if data[end:end + 2] != b"\r\n":
        return ("?", line + bytes(data[at:end + 2])), end + 2
    payload = bytes(data[at:end])
    frame = ("MSG", subject, sid, reply, size, payload) if verb == b"MSG" else ("HMSG", subject, sid, reply, *sizes, payload)
    return frame, end + 2


def _info(line):
    body = line[5:-2]
    try:
        pairs = json.loads(body.decode(), object_pairs_hook=lambda p: p)
        fields = tuple((k, type(v).__name__, "*" if k in INFO_VARIES else v)
                       for k, v in pairs if k not in INFO_OPTIONAL)
    except (ValueError, TypeError):
        return ("?", line)
    return ("INFO", fields, body.startswith(b"{") and body.endswith(b"} "))


def comparable(frames, group_of, any_sid_503=False, pings=False):
    """The frames of one connection without what nats-server does not promise.

    group_of     sid -> group, for the sids whose queue group has several members: those frames leave the
                 list and are returned apart, since any member may get them
    pings        keep the server's PINGs
    any_sid_503  several subscriptions of the connection match the reply: any of them may get the 503

    Returns (list, [(group, frame without sid), ...]).
    """
    kept, pooled, run = [], [], []

    def end_run():
        # One message for several subscriptions of a connection: nats-server walks a hash map, so in no order.
        kept.extend(sorted(run, key=lambda f: f[2]))
        run.clear()

    for f in frames:
        if f[0] == "PING" and not pings:  # the server's timer; nothing a scenario could expect at a fixed place
            continue
        if f[0] in ("MSG", "HMSG"):
            if f[2] in group_of:
                pooled.append((group_of[f[2]], f[:2] + f[3:]))
                continue
            if any_sid_503 and f[0] == "HMSG" and f[-1].startswith(b"NATS/1.0 503\r\n"):
                f = f[:2] + (b"*",) + f[3:]
            if run and run[0][:2] + run[0][3:] != f[:2] + f[3:]:
                end_run()
            run.append(f)
            continue
        end_run()
        kept.append(f)
    end_run()
    return kept, pooled


def show(frame):
    """One line for a report."""
    if frame[0] == "INFO":
        return "INFO {" + ", ".join(f"{k}:{t}={v!r}" if v != "*" else f"{k}:{t}" for k, t, v in frame[1]) + "}" + (
            "" if frame[2] else "   <- not `INFO {...} CRLF`")
    parts = [frame[0]] + [_cut(p) for p in frame[1:]]
    return " ".join(parts)


def _cut(p):
    if p is None:
        return "-"
    text = repr(p)[1:]
    return text if len(text) < 160 else f"{text[:100]}...({len(p)} bytes)"
