"""Plays a scenario against one server and returns what each connection saw."""

import random
from dataclasses import dataclass, field

from .wire import Drained, Hang, Wire

PROBES_MAX = 2000

# In a scenario's bytes `~` stands for a token that no other play on the same server has. It has a fixed
# width, so that the sizes in two plays' frames are the same.
TOKEN = b"~"


@dataclass
class Seen:
    """What one connection saw."""
    frames: list = field(default_factory=list)
    closed: bool = None  # True, False: what the last sync or closes step found. None: nobody looked
    hang: str = None     # a step that was never answered


def pieces(data, chunking, rng):
    """Cut data: "whole", "bytes" (each byte alone), "random" (from rng), or a tuple of offsets."""
    if chunking == "whole" or len(data) < 2:
        return [data]
    if chunking == "bytes":
        return [data[i:i + 1] for i in range(len(data))]
    if chunking == "random":
        cuts = rng.sample(range(1, len(data)), min(len(data) - 1, rng.randint(1, 12)))
    else:
        cuts = [c for c in chunking if 0 < c < len(data)]
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


def _without(token, frame):
    return tuple(p.replace(token, TOKEN) if isinstance(p, bytes) else p for p in frame)


def _joined(steps):
    """The steps, with sends that follow each other on one connection made one."""
    out = []
    for step in steps:
        if out and step[0] == "send" and out[-1][:2] == step[:2]:
            out[-1] = ("send", step[1], out[-1][2] + step[2])
        else:
            out.append(step)
    return out


class Player:
    """One server, and the connection that looks after leftovers between scenarios."""

    def __init__(self, server):
        self.addr = (server.host, server.port)
        self.drained = Drained()
        self.probe = None
        self.n_probe = 0
        self.n_plays = 0

    def close(self):
        self.drained.close()
        if self.probe:
            self.probe.close()

    def play(self, scenario, chunking="whole", seed=0, lenient=False):
        """Returns {conn: Seen}. A connection whose step hangs is given up (Seen.hang), the others go on.

        lenient  a "closes" step half-closes and so never waits in vain: for nats-server, where it is known
                 not to close
        """
        self.settle()
        self.n_plays += 1
        token = b"p%06d" % self.n_plays
        rng, wires, seen = random.Random(seed), {}, {}
        try:
            for step in _joined(scenario.steps):
                conn = step[1]
                if step[0] == "open":
                    wires[conn], seen[conn] = Wire(*self.addr), Seen()
                    self._guard(seen[conn], step, self._hello, wires[conn])
                elif seen[conn].hang is None:
                    if lenient and step[0] == "closes":
                        step = ("eof", conn)
                    step = tuple(p.replace(TOKEN, token) if isinstance(p, bytes) else p for p in step)
                    self._guard(seen[conn], step, self._step, wires[conn], seen[conn], step, chunking, rng)
            for conn, wire in wires.items():
                if seen[conn].hang is None:
                    self._guard(seen[conn], ("end", conn), self._end, wire)
        finally:
            for wire in wires.values():
                wire.close()
        for conn, wire in wires.items():
            wire.frames.end()
            seen[conn].frames = [_without(token, f) for f in wire.frames.list]
        return seen

    @staticmethod
    def _guard(seen, step, fn, *args):
        try:
            fn(*args)
        except Hang as e:
            seen.hang = f"{step[0]}: {e}"

    @staticmethod
    def _hello(wire):
        wire.read_until(lambda f: f.list, "no INFO")

    @staticmethod
    def _end(wire):
        wire.half_close()
        wire.read_to_end()

    def _step(self, wire, seen, step, chunking, rng):
        kind = step[0]
        if kind == "send":
            self._send(wire, step[2], chunking, rng)
        elif kind == "sync":
            want = wire.frames.n_pongs + 1
            wire.send(step[2] if len(step) > 2 else b"PING\r\n")
            wire.read_until(lambda f: f.n_pongs >= want, "no PONG")
            seen.closed = wire.eof
        elif kind == "nags":
            wire.nag(step[2])
            seen.closed = wire.eof
        elif kind == "closes":
            try:
                wire.read_to_end()
            except Hang:
                pass
            seen.closed = wire.eof
        elif kind == "eof":
            self._end(wire)
            seen.closed = None  # who closed first cannot be told any more
        elif kind == "reset":
            wire.reset()
        else:
            raise ValueError(f"no such step: {step!r}")

    def _send(self, wire, data, chunking, rng):
        parts = pieces(data, chunking, rng)
        for part in parts:
            if wire.eof:
                return
            wire.send(part)
            if len(parts) > 1:
                self.drained.wait(wire)

    def settle(self):
        """Wait until no subscription of an earlier scenario is left that a new one could meet.

        Subjects of scenarios have a first token of their own, so only wildcards in that place matter. A
        request that nobody answers says that nobody listens; it is asked for one to five tokens.
        """
        for _ in range(PROBES_MAX):
            if self._nobody_listens():
                return
        raise Hang(f"after {PROBES_MAX} requests somebody still answers: subscriptions outlive their connections")

    def _nobody_listens(self):
        if self.probe is None or self.probe.eof:  # where PINGs are frequent, an idle probe becomes stale
            self.probe = Wire(*self.addr)
            self.probe.send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\nSUB _probe.* 1\r\n')
        self.n_probe += 1
        frames = self.probe.frames
        at, pongs = len(frames.list), frames.n_pongs + 1
        subject = b"%d" % self.n_probe
        for i in range(5):
            self.probe.send(b"PUB x%s _probe.%d 0\r\n\r\n" % (subject, i))
            subject += b".x"
        self.probe.send(b"PING\r\n")
        self.probe.read_until(lambda f: f.n_pongs >= pongs, "no PONG for the probe")
        answers = [f for f in frames.list[at:] if f[0] == "HMSG"]
        del frames.list[:]
        return len(answers) == 5


