"""What every test of the stock clients shares."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import clients  # noqa: E402
from programs import command_of  # noqa: E402


@pytest.fixture(params=list(clients.CLIENTS))
def program(request):
    """The command of one client's program, before FEATURE URL."""
    return command_of(request.param)
