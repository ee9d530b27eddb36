"""A relay that tells clients of a larger max_payload than the server has, so that a client which checks sends too much."""

import socket
import threading


class Relay:
    """Passes one connection after another on to (host, port), with `was` replaced by `becomes` in what the server says.

    A context manager; url is what the client connects to. What the server says goes on in whole lines, so that nothing
    that is to be replaced is cut. When the server closes, the client sees the end behind all that the server said, and
    what the client still says is read and dropped: an unread byte would turn the end into a reset.
    """

    def __init__(self, host, port, was, becomes):
        self.to, self.was, self.becomes = (host, port), was, becomes
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ends = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for end in [self.listener, *self.ends]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it had ended already
            end.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # the relay is closed
            server = socket.create_connection(self.to)
            self.ends += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, lambda data: data), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, self._replace), daemon=True).start()

    def _replace(self, data):
        return data.replace(self.was, self.becomes) if data.endswith(b"\n") else None

    def _pass_on(self, here, there, change):
        held, broken = b"", False
        while True:
            try:
                data = here.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            held += data
            changed = change(held)
            if changed is None:
                continue
            held = b""
            try:
                if not broken:
                    there.sendall(changed)
            except OSError:
                broken = True  # goes on reading
        try:
            there.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone, too
