"""Every recorded conversation, cut in several ways, has the answer that nats-server gives (or that differences.py says)."""

import os
import re

import pytest

from oracle import compare
from oracle.differences import DIFFERENCES
from oracle.recorded import SCENARIOS

SHORT = 160  # bytes: streams up to this length are sent byte by byte in every run, longer ones with --long


def cuts_of(scenario, long):
    n = max(len(scenario.stream(c)) for c in scenario.conns())
    return [c for c in scenario.chunkings if c != "bytes" or long or n <= SHORT]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_recorded(scenario, reference_players, players, itself, pytestconfig):
    player = players[scenario.profile]
    if scenario.differs:
        if itself:
            pytest.skip("an intended difference from nats-server, and this is nats-server")
        for cut in cuts_of(scenario, pytestconfig.getoption("--long")):
            report = compare.unexpected(scenario, player.play(scenario, cut, seed=1))
            assert not report, f"{scenario.text()}\ncut: {cut}; it differs from nats-server on purpose ({scenario.differs}), but not like this:\n{report}"
        return
    want = reference_players[scenario.profile].play(scenario)
    for cut in cuts_of(scenario, pytestconfig.getoption("--long")):
        report = compare.diff(scenario, want, player.play(scenario, cut, seed=1), alike=itself)
        assert not report, f"{scenario.text()}\ncut: {cut}; nats-server is `expected`:\n{report}"


@pytest.mark.parametrize("ident", sorted({s.differs for s in SCENARIOS if s.differs}))
def test_intended_difference_exists(ident, reference_players):
    """nats-server does answer otherwise, for at least one recording of each entry: else the entry is out of date."""
    assert ident in DIFFERENCES
    ours = [s for s in SCENARIOS if s.differs == ident]
    assert any(compare.unexpected(s, reference_players[s.profile].play(s, lenient=True)) for s in ours)


def test_every_difference_is_shown():
    """Nothing is excused that no test shows."""
    recorded = {s.differs for s in SCENARIOS}
    assert [i for i, d in DIFFERENCES.items() if i not in recorded and not d.repeats and not d.shown_by] == []


@pytest.mark.parametrize("shown_by", sorted({d.shown_by for d in DIFFERENCES.values() if d.shown_by}))
def test_what_shows_a_difference_is_there(shown_by):
    path, test = shown_by.split("::")
    with open(os.path.join(os.path.dirname(__file__), "..", path)) as f:
        assert re.search(rf"^(def )?{test}\(", f.read(), re.M)
