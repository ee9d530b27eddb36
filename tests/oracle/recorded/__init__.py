"""Recorded conversations, by the part of sheet 01 (client protocol) that they exercise.

In the bytes `~` is a token of its own for every play (see driver.py). Each module has SCENARIOS.
"""

from . import connect, delivery, lexical, limits, publish, subscribe, teardown

MODULES = (lexical, connect, publish, subscribe, delivery, limits, teardown)
SCENARIOS = [s for m in MODULES for s in m.SCENARIOS]

_names = [s.name for s in SCENARIOS]
assert len(_names) == len(set(_names)), sorted(n for n in _names if _names.count(n) > 1)
