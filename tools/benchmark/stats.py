"""Medians, ranges, ratios and verdicts. Pure."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What several rounds of one measurement gave."""

    median: float
    low: float
    high: float
    n: int


def figure(values):
    """The Figure of a list of numbers; None if it is empty."""
    if not values:
        return None
    return Figure(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Target:
    """A floor or a goal: at most `at_most` times the better nats-server, or at most that number."""

    at_most: float
    relative: bool

    def text(self, unit=""):
        if not self.relative:
            return f"{number(self.at_most)} {unit}".strip()
        return "1" if self.at_most == 1 else f"1/{number(1 / self.at_most)}"

    def met(self, value, best):
        """Does value reach the target? None if there is nothing to compare with."""
        if value is None or (self.relative and not best):
            return None
        return value <= self.at_most * (best if self.relative else 1)


def ratio_of(divisor):
    return Target(1 / divisor, True)


def limit_of(value):
    return Target(value, False)


@dataclass(frozen=True)
class Extra:
    """By how much something more may make a figure worse: factor times it, and plus."""

    factor: float
    plus: float

    def text(self, unit):
        return f"+ {number(self.plus)} {unit}" if self.plus else f"+ {number(100 * (self.factor - 1))} %"

    def met(self, without, with_it):
        return with_it <= without * self.factor + self.plus


def times_of(factor):
    return Extra(factor, 0)


def more_of(plus):
    return Extra(1, plus)


def verdict(value, best, floor, goal):
    """'goal', 'floor', 'miss', or '' where there is no target or no figure."""
    if floor is None or floor.met(value, best) is None:
        return ""
    if goal is not None and goal.met(value, best):
        return "goal"
    return "floor" if floor.met(value, best) else "miss"


def paired_ratios(ours, theirs):
    """Ratios round by round. ours: {round: value}; theirs: a list of such dicts, of which the
    better (smaller) of the round counts. Rounds that somebody lacks are left out."""
    ratios = []
    for rnd, value in sorted(ours.items()):
        others = [t[rnd] for t in theirs if rnd in t]
        if others and min(others) > 0:
            ratios.append(value / min(others))
    return ratios


def number(value):
    """Three significant digits, no exponent, no trailing zeros after the point."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:,.0f}"
    text = f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}" if magnitude >= 1 else f"{value:.3g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def ratio_text(ratio):
    """0.25 -> '1/4', 1.2 -> '1.2'."""
    return f"1/{number(1 / ratio)}" if 0 < ratio < 1 else number(ratio)
