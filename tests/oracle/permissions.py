"""Generated users and permissions, and a conversation of each user: the same file and the same bytes go to both servers.

    file     8 users with random publish, subscribe, queue and response permissions, and one, `all`, without
    a user   1. SUBs of random subjects and queue groups
             2. PUBs of every subject there is, some with a reply          `all`, who subscribes to >, sees what gets through
             3. `all` publishes every subject there is, some with a reply  the user sees what is delivered to it
             4. PUBs to these replies, some of them twice

Subjects and patterns are made of few tokens, so that they meet often. What nats-server and Midge decide differently on purpose
(differences.py, "wildcard-subset") is not asked for: `differs` knows that rule.
"""

import itertools
import random

TOKENS = ("a", "b", "c")
SUBJECTS = [".".join(t) for n in (1, 2) for t in itertools.product(TOKENS, repeat=n)] + ["a.b.c", "a.b.a", "c.c.c"]
QUEUES = ("v1", "v2", "w.x", "w.y")
QUEUE_PATTERNS = ("v1", "v2", "w.*", "w.x", ">", "w.>")
N_USERS = 8


def make_pattern(rng):
    n = rng.choice((1, 1, 2, 2, 2, 3))
    tokens = [rng.choice(TOKENS + ("*",)) for _ in range(n)]
    if rng.random() < 0.25:
        tokens[-1] = ">"
    return ".".join(tokens)


def make_list(rng, queues=False):
    out = []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        pattern = make_pattern(rng)
        if queues and rng.random() < 0.35:
            pattern += " " + rng.choice(QUEUE_PATTERNS)
        out.append(pattern)
    return out


class Rules:
    """One user's permissions."""

    def __init__(self, rng):
        self.pub_allow, self.pub_deny = make_list(rng), make_list(rng) if rng.random() < 0.5 else []
        self.sub_allow, self.sub_deny = make_list(rng, True), make_list(rng, True) if rng.random() < 0.6 else []
        self.responses = rng.choice((None, None, "true", "{max: 2}", "{max: -1, expires: \"1m\"}"))

    def text(self):
        def part(name, allow, deny):
            return f"{name}: {{allow: {allow!r}, deny: {deny!r}}}".replace("'", '"')
        parts = [part("publish", self.pub_allow, self.pub_deny), part("subscribe", self.sub_allow, self.sub_deny)]
        if self.responses:
            parts.append(f"allow_responses: {self.responses}")
        return "{" + ", ".join(parts) + "}"

    def differs(self, subject, queue):
        """Whether the two servers may decide differently about this SUB, or about what it gets: an allow pattern covers it taken
        literally, but does not cover all that it asks for."""
        return any(covers(p.split(" ")[0], subject, literally=True) != covers(p.split(" ")[0], subject) for p in self.sub_allow)


def covers(pattern, subject, literally=False):
    """Whether the pattern covers the subject: as a published one (wildcards in it are ordinary tokens), or all that it asks for."""
    p, s = pattern.split("."), subject.split(".")
    for i, token in enumerate(p):
        if token == ">":
            return len(s) > i
        if i >= len(s):
            return False
        if token == "*":
            if s[i] == ">" and i == len(s) - 1 and not literally:
                return False
        elif token != s[i]:
            return False
    return len(p) == len(s)


class Talk:
    """What one user says, worked out beforehand."""

    def __init__(self, rng, rules):
        self.subs = []
        free = list(QUEUES)
        rng.shuffle(free)
        for _ in range(8):
            subject = make_pattern(rng) if rng.random() < 0.7 else rng.choice(SUBJECTS)
            queue = free.pop() if free and rng.random() < 0.4 else ""
            if not rules.differs(subject, queue):
                self.subs.append((subject, queue))
        self.pubs = [(s, rng.choice(("", "", "r.x", "_R_.x", "$JS.ACK.x"))) for s in rng.sample(SUBJECTS, len(SUBJECTS))]
        self.asks = [(s, f"in.{rng.randrange(6)}" if rng.random() < 0.6 else "") for s in rng.sample(SUBJECTS, len(SUBJECTS))]
        self.answers = [f"in.{rng.randrange(6)}" for _ in range(14)]


class Case:
    def __init__(self, seed):
        rng = random.Random(seed)
        self.rules = [Rules(rng) for _ in range(N_USERS)]
        self.talks = [Talk(rng, r) for r in self.rules]

    def text(self):
        users = [f'  {{user: u{i}, password: p{i}, permissions: {r.text()}}}' for i, r in enumerate(self.rules)]
        return "authorization {\n users = [\n  {user: all, password: all}\n" + "\n".join(users) + "\n ]\n}\n"


def pub(subject, reply=""):
    return f"PUB {subject} {reply} 1\r\n.\r\n".replace("  ", " ").encode()


def shown(op):
    return (op.verb, op.subject, op.sid, op.reply, op.payload)


def play(server, case):
    """[(user, step, what came)] of a running server. Deliveries of one message to several subscriptions come in any order."""
    out = []
    for i, talk in enumerate(case.talks):
        with server.raw() as user, server.raw() as every:
            every.connect(user="all", **{"pass": "all"})
            user.connect(user=f"u{i}", **{"pass": f"p{i}"})
            every.send(b"SUB > 1\r\n")
            every.ping()
            for sid, (subject, queue) in enumerate(talk.subs):
                user.send(f"SUB {subject} {queue} {sid}\r\n".replace("  ", " ").encode())
                out.append((i, f"SUB {subject} {queue} {sid}", [shown(op) for op in user.fence()]))
            for subject, reply in talk.pubs:
                user.send(pub(subject, reply))
                out.append((i, f"PUB {subject} {reply}", sorted(map(shown, user.fence()), key=repr)))
                out.append((i, f"got through: {subject} {reply}", [shown(op) for op in every.fence()]))
            for subject, reply in talk.asks:
                every.send(pub(subject, reply))
                every.fence()
                out.append((i, f"delivered: {subject} {reply}", sorted(map(shown, user.fence()), key=repr)))
            for subject in talk.answers:
                user.send(pub(subject))
                out.append((i, f"answer: {subject}", sorted(map(shown, user.fence()), key=repr)))
            # A queue member that leaves with its connection may still be picked for the next user's messages, which then come late.
            user.send(b"".join(b"UNSUB %d\r\n" % sid for sid in range(len(talk.subs))))
            user.fence()
    return out
