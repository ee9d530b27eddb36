"""Fixtures of the hostile suite: every test has a server of its own, and a witness who must not notice."""

import pytest

from hostile.witness import Witness


@pytest.fixture
def witness(server):
    """A well-behaved pair of clients; at the end it is still served, and so is a newcomer."""
    w = Witness(server)
    yield w
    w.close()
    server.check_serves()


@pytest.fixture
def served():
    """served(server): a Witness for a server that the test started itself. Checked at the end, like `witness`."""
    all_of_them = []

    def start(server):
        all_of_them.append(Witness(server))
        return all_of_them[-1]

    yield start
    for w in all_of_them:
        w.close()
        w.server.check_serves()
