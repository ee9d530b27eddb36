"""A server that nobody uses costs nothing: after a while its threads are not woken any more."""
import os
import time

from support.patience import deadline_after

QUIET_S = 2  # longer than any interval of the timers that give memory back


def n_wakeups(server):
    """Times the shards' threads came back from waiting, all together."""
    n = 0
    for task in os.listdir(f"/proc/{server.pid}/task"):
        with open(f"/proc/{server.pid}/task/{task}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        if status["Name"].strip().startswith("shard-"):
            n += int(status["voluntary_ctxt_switches"])
    return n


def test_an_idle_server_sleeps(start_server):
    server = start_server()
    with server.raw() as c:
        c.connect()
        c.send(b"SUB a 1\r\nPUB a %d\r\n%s\r\n" % (100_000, b"x" * 100_000))
        c.fence()
    deadline = deadline_after(60)
    before, since = n_wakeups(server), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        now = n_wakeups(server)
        if now != before:
            assert time.monotonic() < deadline, "something wakes the shards again and again"
            before, since = now, time.monotonic()
        time.sleep(0.05)
