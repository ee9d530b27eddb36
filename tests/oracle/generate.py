"""Random scenarios. One seed gives one scenario, for ever: a failing seed is a recording.

Some well-behaved connections (peers) with random options speak random valid operations in all their
spellings, a few at a time, each time followed by a PING whose PONG is awaited. Then, mostly, one more
connection `z` sends a stream of operations that has been damaged, and half-closes. So nobody has to know
whether the damaged stream ends inside a payload: what it did to `z` and to the peers is compared.

Every PING of a peer is awaited (a "sync" step), since PONGs look alike. `z` sends no large payloads: a
server that closes with bytes unread resets the connection, and the kernel then drops what did not fit
into our receive window yet.

What nats-server leaves to chance is kept out where it would change more than the order of deliveries:
queue groups have members of one header capability, never a maximum (UNSUB max counts what the group's
random choice gave to that member), and sids of their own. Likewise what Midge leaves open with several cores
(the end of differences.py): unless one connection is all there is, a scenario has maxima or 503s, not both.
"""

import random

from .scenario import Scenario

LETTERS = (b"a", b"b", b"c")
ODD_TOKENS = (b"a*", b"*b", b"a>", b"**", b">>", b"\xff", b"\0", b"$x", b"a/b", b'"', b"x" * 40, b"0", b"~")
RESERVED = (b"_R_.x", b"_GR_.x", b"$JS.ACK.x", b"_R_.", b"$JS.ACK.", b"_GR_.", b"_R_", b"$JS.ACK")
HEADER_BLOCKS = (b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nA: b\r\n\r\n", b"NATS/1.0 503\r\n\r\n", b"NATS/1.0\r\nA: 1\r\nA: 2\r\nb:c\r\n\r\n", b"x", b"")

BAD_LINES = (
    b"\r\n", b" PING\r\n", b"PUB\r\n", b"PUB \r\n", b"PUB a\r\n", b"PUB a b c 1\r\n", b"PUB a -1\r\n", b"PUB a 1x\r\nx\r\n", b"PUB a 0000000001\r\nx\r\n", b"PUB a 1048577\r\n", b"PUB a 999999999\r\n",
    b"SUB\r\n", b"SUB a\r\n", b"SUB a b c d\r\n", b"UNSUB\r\n", b"UNSUB 1 2 3\r\n", b"HPUB a 5 4\r\n", b"HPUB a 1\r\n", b"HPUB a x 4\r\n", b"HPUB a 1 x\r\n", b"CONNECT\r\n", b"CONNECT {\r\n", b"CONNECT []\r\n",
    b'CONNECT {"verbose":1}\r\n', b'CONNECT {"protocol":2}\r\n', b'CONNECT {"account":"x"}\r\n', b'CONNECT {"no_responders":true,"headers":false}\r\n', b"INFO\r\n", b"INFO {\r\n", b"-ERR 'x'\r\n", b"-ERR\r\n", b"-\r\n",
    b"+\r\n", b"+OX\r\n", b"MSG a 1 1\r\nx\r\n", b"RMSG $G a 1\r\nx\r\n", b"A+ x\r\n", b"RS+ $G a\r\n", b"LS- a\r\n", b"PUBX a 1\r\n", b"QUIT\r\n", b"\0", b"{}\r\n", b"HELP\r\n", b"HTTP/1.1 200 OK\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"SUB " + b"x" * 4100 + b" 1\r\n", b"SUB " + b"x" * 5000, b"PUB a " + b" " * 4100 + b"1\r\n", b"CONNECT " + b" " * 10 + b'{"name":"' + b"n" * 4200 + b'"}\r\n',
)


class Peer:
    """A connection as the generator knows it."""

    def __init__(self, name, rng, maxima=True, may_want_503=True):
        self.name = name
        self.rng = rng
        self.maxima, self.may_want_503 = maxima, may_want_503
        self.headers = self.no_responders = False
        self.plain = []   # sids in use, or used before
        self.queued = []  # sids of queue members
        self.n_queued = 0


def generate(seed):
    rng = random.Random(seed)
    n_peers, damaged = rng.choice((1, 2, 2, 3)), rng.random() < 0.75
    alone = n_peers == 1 and not damaged
    maxima = rng.random() < 0.5
    kind = (True, True) if alone else (maxima, not maxima)
    peers = [Peer(name, rng, *kind) for name in "abc"[:n_peers]]
    steps = []
    for p in peers:
        steps.append(("open", p.name))
        if rng.random() < 0.9:
            steps.append(("send", p.name, connect(p)))
        steps.append(("sync", p.name))
    for _ in range(rng.randint(2, 10)):
        p = rng.choice(peers)
        for _ in range(rng.randint(1, 7)):
            steps.append(("send", p.name, valid_op(p)) if chance(rng, 0.97) else ("sync", p.name, ping(p)))
        steps.append(("sync", p.name))
    if damaged:
        steps += damaged_connection(Peer("z", rng, *kind))
    steps += [("sync", p.name) for p in peers]
    return Scenario(f"seed {seed}", steps, any_sid_503=True)


# --- spelling -----------------------------------------------------------------------------------------------------------


def chance(rng, p):
    return rng.random() < p


def spell(rng, verb):
    if chance(rng, 0.9):
        return verb
    return bytes(rng.choice((c, ord(chr(c).lower()))) for c in verb)


def gap(rng):
    return b" " if chance(rng, 0.9) else rng.choice((b"  ", b"\t", b" \t ", b"   "))


def line(rng, verb, *args):
    """A control line in one of its many spellings."""
    out = spell(rng, verb)
    for arg in args:
        out += gap(rng) + arg
    if chance(rng, 0.05) and args:
        out += rng.choice((b" ", b"\t", b"  "))
    return out + (b"\r\n" if chance(rng, 0.95) else b"\n")


def number(rng, n):
    text = b"%d" % n
    return text if chance(rng, 0.93) else text.rjust(rng.randint(len(text), 9), b"0")


def subject(rng, wild=False, any_first=False):
    """A subject; with wild, one for SUB. Its first token is the play's own, but for a few wildcards."""
    if any_first and chance(rng, 0.02):
        return rng.choice((b">", b"*", b"*.a", b"*.*", b"*.>"))
    tokens = [b"~"]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3))):
        if chance(rng, 0.06):
            tokens.append(rng.choice(ODD_TOKENS))
        elif wild and chance(rng, 0.3):
            tokens.append(rng.choice((b"*", b"*", b">")))
        else:
            tokens.append(rng.choice(LETTERS))
    if chance(rng, 0.03):
        tokens.insert(rng.randint(0, len(tokens)), b"")
    if not wild and chance(rng, 0.02):
        tokens.append(rng.choice((b"*", b">")))
    if wild and b">" in tokens[:-1] and chance(rng, 0.8):
        del tokens[tokens.index(b">") + 1:]
    return b".".join(tokens)


def payload(rng, big=True):
    n = rng.choice((0, 1, 2, 5, 5, 5, 10, 30, 100, 600))
    if chance(rng, 0.01):
        n = rng.choice((4096, 9000, 70000 if big else 5000))
    kind = rng.random()
    if kind < 0.7:
        return bytes(rng.choice(b"abcdefghij") for _ in range(min(n, 100))) * (1 if n <= 100 else n // 100)
    if kind < 0.85:
        return rng.randbytes(n).replace(b"~", b"-")  # a token would be longer than it counts here
    return b"PUB x.a 2\r\nhi\r\nSUB x.a 9\r\nPING\r\n"[:n]


# --- operations -------------------------------------------------------------------------------------------------------


def connect(p):
    rng, fields = p.rng, []
    for key, how_often in (("verbose", 0.85), ("pedantic", 0.85), ("echo", 0.2), ("headers", 0.7), ("protocol", 0.5), ("name", 0.1), ("tls_required", 0.1), ("lang", 0.1)):
        if not chance(rng, how_often):
            continue
        if key == "protocol":
            fields.append(f'"protocol":{rng.randint(0, 1)}')
        elif key in ("name", "lang"):
            fields.append(f'"{key}":"x{rng.randint(0, 9)}"')
        else:
            value = chance(rng, {"verbose": 0.2, "pedantic": 0.2, "headers": 0.8}.get(key, 0.5))
            if key == "headers":
                p.headers = value
            fields.append(f'"{key}":{str(value).lower()}')
    if p.headers:
        p.no_responders = p.may_want_503 and chance(rng, 0.7)
        fields.append(f'"no_responders":{str(p.no_responders).lower()}')
    elif p.no_responders:
        p.no_responders = False
        fields.append('"no_responders":false')
    rng.shuffle(fields)
    return line(rng, b"CONNECT", ("{" + ",".join(fields) + "}").encode())


def publish(p, headers=False):
    rng = p.rng
    args = [subject(rng) if chance(rng, 0.97) else rng.choice(RESERVED)]
    if chance(rng, 0.4):
        args.append(subject(rng, wild=chance(rng, 0.05)) if chance(rng, 0.95) else rng.choice(RESERVED))
    body = payload(rng, p.name != "z")
    if not headers:
        return line(rng, b"PUB", *args, number(rng, len(body))) + body + b"\r\n"
    block = rng.choice(HEADER_BLOCKS)
    return line(rng, b"HPUB", *args, number(rng, len(block)), number(rng, len(block) + len(body))) + block + body + b"\r\n"


def subscribe(p):
    rng = p.rng
    if chance(rng, 0.3):
        p.n_queued += 1
        sid = b"q%d" % p.n_queued
        p.queued.append(sid)
        return line(rng, b"SUB", subject(rng, True, True), b"%s%d" % (rng.choice((b"g", b"h")), p.headers), sid)
    sid = rng.choice(p.plain) if p.plain and chance(rng, 0.15) else b"%d" % rng.randint(1, 40)
    p.plain.append(sid)
    return line(rng, b"SUB", subject(rng, True, True), sid)


def unsubscribe(p):
    rng = p.rng
    if p.queued and chance(rng, 0.25):
        return line(rng, b"UNSUB", p.queued.pop(rng.randrange(len(p.queued))))
    sid = rng.choice(p.plain) if p.plain and chance(rng, 0.9) else b"none"
    if not p.maxima or chance(rng, 0.5):
        return line(rng, b"UNSUB", sid)
    return line(rng, b"UNSUB", sid, number(rng, rng.choice((0, 1, 1, 2, 2, 3, 5, 20))) if chance(rng, 0.95) else rng.choice((b"x", b"-1")))


def small_op(p):
    rng = p.rng
    return rng.choice((line(rng, b"PONG"), line(rng, b"+OK"), line(rng, b"INFO", b"{}"), b"PONGx y\r\n", b"+OK  \r\n"))


def ping(p):
    return p.rng.choice((line(p.rng, b"PING"), b"PINGx y\r\n", b"PING  \r\n"))


def valid_op(p):
    """An operation that leaves the connection between operations, and open."""
    roll = p.rng.random()
    if roll < 0.45:
        return publish(p)
    if roll < 0.60:
        return publish(p, headers=p.headers)
    if roll < 0.80:
        return subscribe(p)
    if roll < 0.93:
        return unsubscribe(p)
    if roll < 0.97:
        return small_op(p)
    return connect(p)


# --- damage -----------------------------------------------------------------------------------------------------------


def damaged_connection(z):
    rng = z.rng
    ops = [connect(z)] if chance(rng, 0.8) else []
    for _ in range(rng.randint(1, 8)):
        ops.append(own_group(z, valid_op(z) if chance(rng, 0.95) else ping(z)))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        damage(rng, ops)
    ops.append(rng.choice((b"", b"PING\r\n", b"PING\r\n", b"\r\nPING\r\n", b"PING\r\nPING\r\n")))
    return [("open", "z")] + [("send", "z", op) for op in ops if op] + [("eof", "z")]


def own_group(z, op):
    """Queue names that no peer has, each on one subscription: what a closed `z` took away cannot be compared."""
    for name in (b"g0", b"g1", b"h0", b"h1"):
        op = op.replace(b" " + name + b" ", b" z%d " % z.n_queued)
    return op


def damage(rng, ops):
    at = rng.randrange(len(ops))
    op = ops[at]
    how = rng.choice(("byte", "byte", "insert", "delete", "cut", "twice", "swap", "bad line", "bad line", "bad line", "size", "end", "space", "join"))
    where = rng.randrange(len(op)) if op else 0
    special = bytes([rng.choice(b" \t\n\0.*>{}\"'0123456789PSUH+-\xff:,")])
    if how == "byte":
        ops[at] = op[:where] + special + op[where + 1:]
    elif how == "insert":
        ops[at] = op[:where] + special + op[where:]
    elif how == "delete":
        ops[at] = op[:where] + op[where + 1:]
    elif how == "cut":
        ops[at] = op[:where]
    elif how == "twice":
        ops.insert(at, op)
    elif how == "swap":
        other = rng.randrange(len(ops))
        ops[at], ops[other] = ops[other], ops[at]
    elif how == "bad line":
        ops.insert(at, rng.choice(BAD_LINES))
    elif how == "size":
        digits = [i for i, c in enumerate(op) if chr(c).isdigit()]
        if digits:
            i = rng.choice(digits)
            ops[at] = op[:i] + b"%d" % rng.randint(0, 99) + op[i + 1:]
    elif how == "end":
        ops[at] = op[:-2] + rng.choice((b"\n", b"\r", b"", b"\n\r", b"\r\r\n", b" \r\n"))
    elif how == "space":
        ops[at] = op.replace(b" ", rng.choice((b"", b"  ", b"\t")), 1)
    elif how == "join" and at + 1 < len(ops):
        ops[at:at + 2] = [op.rstrip(b"\r\n") + ops[at + 1]]
