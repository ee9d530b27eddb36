"""The servers that scenarios are played on: one of each kind for each profile of limits."""

import os
import tempfile

from support import Server

# profile -> limits, by the name that both servers give them.
PROFILES = {
    "default": {},
    "tight": {"max_payload": 64, "max_control_line": 256, "max_subscriptions": 4, "max_sub_tokens": 3},
    "few": {"max_connections": 3},
    "impatient": {"ping_interval": "100ms", "ping_max": 2},
}


def midge_args(limits):
    return [x for key, value in limits.items() for x in (f"--{key}", str(value))]


class Servers:
    """Servers of one kind, started when a profile is first asked for.

    start     (profile's limits) -> Server
    """

    def __init__(self, start):
        self._start = start
        self._running = {}

    def __getitem__(self, profile):
        if profile not in self._running:
            self._running[profile] = self._start(PROFILES[profile])
        return self._running[profile]

    def close(self):
        first = None
        for srv in self._running.values():
            try:
                srv.close()
            except AssertionError as e:
                first = first or e
        if first:
            raise first


def start_nats_server(binary):
    """nats-server takes limits from a file only."""
    def start(limits):
        if not limits:
            return Server(binary)
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "limits.conf")
            with open(path, "w") as f:
                f.writelines(f'{k}: "{v}"\n' if isinstance(v, str) else f"{k}: {v}\n" for k, v in limits.items())
            return Server(binary, "-c", path)
    return start


def start_midge(binary, extra=()):
    return lambda limits: Server(binary, *midge_args(limits), extra=extra)


def is_nats_server(binary):
    return "nats-server" in os.path.basename(binary)
