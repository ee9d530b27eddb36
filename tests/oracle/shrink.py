"""Makes a failing scenario small: drops steps, then bytes, while it still fails."""

from dataclasses import replace

TRIES_MAX = 400


def shrink(scenario, fails):
    """The smallest scenario found, within TRIES_MAX plays, for which fails(scenario) is true."""
    budget = [TRIES_MAX]

    def still(steps):
        if budget[0] <= 0:
            return False
        budget[0] -= 1
        return fails(replace(scenario, steps=steps))

    def whole(steps):
        """Steps of a connection that is not opened any more go with its open."""
        opened, out = set(), []
        for s in steps:
            if s[0] == "open":
                opened.add(s[1])
            if s[1] in opened:
                out.append(s)
        return out

    steps = _without_chunks(scenario.steps, lambda s: still(whole(s)))
    steps = whole(steps)
    for i, step in enumerate(steps):
        if step[0] == "send":
            def with_bytes(parts, i=i, step=step):
                return steps[:i] + [("send", step[1], b"".join(parts))] + steps[i + 1:]
            parts = _without_chunks([step[2][j:j + 1] for j in range(len(step[2]))], lambda p: still(with_bytes(p)))
            steps = with_bytes(parts)
    return replace(scenario, name=scenario.name + ", made small", steps=steps)


def _without_chunks(items, still):
    """Delta debugging: drop ever smaller runs of items while what is left still fails."""
    size = max(1, len(items) // 2)
    while size >= 1:
        at = 0
        while at < len(items):
            fewer = items[:at] + items[at + size:]
            if len(fewer) < len(items) and still(fewer):
                items = fewer
            else:
                at += size
        size //= 2
    return items
