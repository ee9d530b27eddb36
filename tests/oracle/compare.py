"""Holds what two servers answered against each other."""

import difflib
import itertools

from . import frames
from .differences import REPEATED


def diff(scenario, want_seen, got_seen, alike=False):
    """Text that shows every difference; "" when there is none.

    want_seen is nats-server's, which may repeat what it is known to repeat (differences.py, `repeats`).
    alike: so may the other, because it is a nats-server too.
    """
    want, want_pool = _outcome(scenario, want_seen)
    got, got_pool = _outcome(scenario, got_seen)
    out = []
    for conn in want:
        (want_frames, *want_end), (got_frames, *got_end) = want[conn], got[conn]
        if want_end != got_end or not _same(want_frames, got_frames, alike):
            out.append(_conn_diff(conn, want[conn], got[conn], got_seen[conn].hang or want_seen[conn].hang))
    if want_pool != got_pool:
        out.append("queue groups:\n" + _lines([f"{g!r} {frames.show(f)}" for g, f in want_pool],
                                               [f"{g!r} {frames.show(f)}" for g, f in got_pool]))
    return "\n".join(out)


def unexpected(scenario, seen):
    """The same for a scenario that says itself what the server under test must answer (scenario.expect)."""
    out = []
    for conn, (want, closed) in scenario.expect.items():
        got = [f for f in seen[conn].frames if f[0] not in ("INFO", "PING")]
        if got != want or seen[conn].closed != closed or seen[conn].hang:
            out.append(_conn_diff(conn, (want, closed, False), (got, seen[conn].closed, False), seen[conn].hang))
    return "\n".join(out)


def _outcome(scenario, seen):
    """{conn: (comparable frames, closed, hangs)}, and the sorted deliveries of shared queue groups."""
    groups = scenario.shared_groups()
    conns, pool = {}, []
    for conn, s in seen.items():
        kept, pooled = frames.comparable(s.frames, groups[conn], scenario.any_sid_503, scenario.pings)
        conns[conn] = (kept, s.closed, s.hang is not None)
        pool += pooled
    # Members are chosen at random, and may be on several connections, so their order says nothing.
    return conns, sorted(pool, key=repr)


def _runs(seen):
    """(frame, how often in a row), for the frames that may be repeated; others count alone."""
    for frame, run in itertools.groupby(seen):
        n = len(list(run))
        if frame in REPEATED:
            yield frame, n
        else:
            yield from [(frame, 1)] * n


def _same(want, got, alike):
    if want == got:
        return True
    want, got = list(_runs(want)), list(_runs(got))
    if [f for f, _ in want] != [f for f, _ in got]:
        return False
    return all(n == m or m < n <= 2 * m or (alike and n < m <= 2 * n) for (f, n), (_, m) in zip(want, got))


def _conn_diff(conn, want, got, hang):
    out = [f"connection {conn}:"]
    if hang:
        out.append(f"  hang: {hang}")
    if want[1] != got[1]:
        out.append(f"  closed: {want[1]} expected, {got[1]} seen")
    out.append(_lines([frames.show(f) for f in want[0]], [frames.show(f) for f in got[0]]))
    return "\n".join(out)


def _lines(want, got):
    if want == got:
        return "  (the frames are the same)"
    return "\n".join("  " + x for x in difflib.unified_diff(want, got, "expected", "seen", n=2, lineterm=""))
