"""Helpers of the pytest suites: a server under test, and a client that speaks raw bytes.

    from support import Server, Raw

    with Server("build/midge", "--cores", "2") as srv:      # ready when the constructor's block begins
        with srv.raw() as c:                                # INFO is read and parsed: c.info["max_payload"]
            c.connect()                                     # CONNECT {...} + PING, and the PONG
            c.send(b"SUB foo 1\\r\\nPING\\r\\n")
            c.expect(b"PONG\\r\\n")

Inside a pytest test, take the fixtures of tests/conftest.py (`server`, `start_server`, `reference`) instead:
they know which binary and which extra flags this run is about, and they check at the end that the server
is still alive and that no sanitizer spoke.

Nothing here sleeps to wait for something: every wait is for a condition, and has a deadline that is only
there to end a run that hangs (`support.patience`).
"""

from .patience import deadline_after, patience
from .raw import Op, Raw, ProtocolError
from .server import Server, ServerDied, close_all, free_port

__all__ = ["Op", "ProtocolError", "Raw", "Server", "ServerDied", "close_all", "deadline_after", "free_port", "patience"]
