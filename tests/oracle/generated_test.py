"""Generated conversations (generate.py): every seed has one answer, nats-server's, however Midge's bytes are cut.

Each test plays a block of seeds. What fails is made small (shrink.py) and printed as a recording: put it into
recorded/ with the fix. The normal run plays the same seeds every time; --long plays others, too, which
change from hour to hour (the test's name says which; MIDGE_ORACLE_SEED=n begins with seed n instead).
"""

import os
import time

import pytest

from oracle import compare
from oracle.differences import explanation
from oracle.generate import generate
from oracle.shrink import shrink

BLOCK = 50            # seeds of one test
N_BLOCKS = 60         # in every run
N_BLOCKS_LONG = 400   # with --long
N_EXPLAINED_MAX = 15  # plays of a block that differ as differences.py says: more would mean that hardly anything is compared
CUTS = ("whole", "random")


def blocks(first, n):
    return [pytest.param(seed, id=f"seeds {seed} to {seed + BLOCK - 1}") for seed in range(first, first + n * BLOCK, BLOCK)]


def rotating():
    """Where the seeds of --long begin: never among those of every run, another place every hour."""
    said = os.environ.get("MIDGE_ORACLE_SEED")
    return int(said) if said else 1_000_000 + int(time.time()) // 3600 * N_BLOCKS_LONG * BLOCK


class Pair:
    """The reference and the server under test, side by side."""

    def __init__(self, reference, player, itself):
        self.reference, self.player, self.itself = reference, player, itself

    def report(self, scenario, want, cut, seed):
        """What differs; "" when nothing does."""
        return compare.diff(scenario, want, self.player.play(scenario, cut, seed), alike=self.itself)

    def fails(self, scenario, cut, seed):
        return bool(self.report(scenario, self.reference.play(scenario), cut, seed)) and not explained(scenario)

    def small_recording(self, scenario, cut, seed):
        if not self.fails(scenario, cut, seed):
            return "It did not fail when played once more: a race.\n" + scenario.text()
        return shrink(scenario, lambda s: self.fails(s, cut, seed)).text()


def explained(scenario):
    return explanation([scenario.stream(c) for c in scenario.conns()])


def play_block(pair, first):
    n_explained = 0
    for seed in range(first, first + BLOCK):
        scenario = generate(seed)
        want = pair.reference.play(scenario)
        closed = [conn for conn, seen in want.items() if conn != "z" and seen.closed]
        assert not closed, f"{scenario.text()}\nnats-server closes {closed}, whose operations should all be valid: generate.py is wrong"
        for cut in CUTS:
            report = pair.report(scenario, want, cut, seed)
            if report and not explained(scenario):
                pytest.fail(f"seed {seed}, cut: {cut}; nats-server is `expected`:\n{report}\n\nMade small:\n{pair.small_recording(scenario, cut, seed)}", pytrace=False)
            n_explained += bool(report)
    assert n_explained <= N_EXPLAINED_MAX


@pytest.fixture
def pair(reference_players, players, itself):
    return Pair(reference_players["default"], players["default"], itself)


@pytest.mark.parametrize("first", blocks(0, N_BLOCKS))
def test_generated(first, pair):
    play_block(pair, first)


@pytest.mark.long
@pytest.mark.parametrize("first", blocks(rotating(), N_BLOCKS_LONG))
def test_generated_long(first, pair):
    play_block(pair, first)
