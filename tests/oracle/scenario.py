"""A scenario: several connections, and one list of steps that are done one after the other.

Because the steps are done in order, and every step that changes something for others is followed by a
PING whose PONG is awaited, a scenario has one right answer although the servers are concurrent inside.

Steps (the first element says which):
  ("open", conn)               connect; the INFO is a frame like any other
  ("send", conn, bytes)        send, cut as the run's chunking says
  ("sync", conn[, bytes])      PING (or another spelling of it), and wait for the PONG or for the end: the connection
                               must be between operations, and must have had the PONGs for all its earlier PINGs
  ("nags", conn, bytes)        send this again and again, many times a second, until the server closes
  ("closes", conn)             wait until the server closes
  ("eof", conn)                half-close and read to the end: waits for whatever the bytes before it caused, in
                               whatever state the parser is, since the server closes when it has handled them
  ("reset", conn)              leave with an RST; what it received is compared up to here only if it was synced
At the end every connection that is left is half-closed and read to its end.
"""

import re
from dataclasses import dataclass

SUB_LINE = re.compile(rb"(?i)sub[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]*\r?\n")


@dataclass
class Scenario:
    name: str
    steps: list
    differs: str = None           # the id of an entry in differences.py: what the server under test answers instead
    expect: dict = None           # with differs: conn -> (frames after INFO, closed) that the server under test must show
    any_sid_503: bool = False     # see frames.comparable
    chunkings: tuple = ("whole", "bytes", "random")
    pings: bool = False           # compare the server's own PINGs too (where the steps make their number certain)
    profile: str = "default"      # which limits the servers run with: see servers.py

    def conns(self):
        seen = []
        for step in self.steps:
            if step[1] not in seen:
                seen.append(step[1])
        return seen

    def stream(self, conn):
        """All bytes that a connection sends."""
        return b"".join(s[2] for s in self.steps if len(s) > 2 and s[1] == conn)

    def shared_groups(self):
        """conn -> {sid: group} for queue groups that have several members, wherever they are.

        Read from the bytes, not from a model, so that mutated streams are covered too. A `SUB` inside a
        payload counts as one; that only makes the comparison of that sid's messages a little weaker.
        """
        members = {}
        for conn in self.conns():
            for _, group, sid in SUB_LINE.findall(self.stream(conn)):
                members.setdefault(group, set()).add((conn, sid))
        shared = {conn: {} for conn in self.conns()}
        for group, who in members.items():
            if len(who) > 1:
                for conn, sid in who:
                    shared[conn][sid] = group
        return shared

    def text(self):
        """The scenario as one reads it in a report; eval(), with Scenario, gives the steps back."""
        lines = [f"# {self.name}", "["]
        lines += [f"    {step!r}," for step in self.steps]
        return "\n".join(lines + ["]"])


def talk(*steps, **kw):
    """Scenario steps for one connection `a`: bytes are sent, a str is a step's name."""
    out = [("open", "a")]
    for s in steps:
        out.append(("send", "a", s) if isinstance(s, bytes) else (s, "a"))
    return out
