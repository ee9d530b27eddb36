"""The servers of the oracle live as long as the session: a scenario leaves nothing behind on them."""

import pytest

from oracle.driver import Player
from oracle.servers import Servers, is_nats_server, start_midge, start_nats_server

REFERENCE_VERSION = "2.14.5"


class Players:
    """A Player for each profile that is asked for."""

    def __init__(self, servers):
        self.servers = servers
        self._players = {}

    def __getitem__(self, profile):
        self.servers[profile].check_alive()
        if profile not in self._players:
            self._players[profile] = Player(self.servers[profile])
        return self._players[profile]

    def close(self):
        for player in self._players.values():
            player.close()
        self.servers.close()


@pytest.fixture(scope="session")
def reference_players(reference_bin, reference_version):
    """Plays on nats-server."""
    if reference_version != REFERENCE_VERSION:
        pytest.skip(f"nats-server is {reference_version}; its bytes are compared with those of {REFERENCE_VERSION} only")
    players = Players(Servers(start_nats_server(reference_bin)))
    yield players
    players.close()


@pytest.fixture(scope="session")
def players(server_bin, server_args):
    """Plays on the server under test. That may be a nats-server: then the oracle is held against itself."""
    start = start_nats_server(server_bin) if is_nats_server(server_bin) else start_midge(server_bin, server_args)
    players = Players(Servers(start))
    yield players
    players.close()


@pytest.fixture(scope="session")
def itself(server_bin):
    """The server under test is a nats-server."""
    return is_nats_server(server_bin)
