"""Subject mappings beside nats-server: the same configuration and the same publishes give the same deliveries and errors.

Sources of one configuration do not overlap here: nats-server takes one of several at random, Midge the first of the file
(differences.py, `mapping-order`), which has a test of its own. What is random on both sides is held against its weight.
"""

import os
import random
import re
import signal
import subprocess

import pytest

REFERENCE_VERSION = "2.14.5"
N_DRAWS = 2000
SIGMAS = 6  # a fair server fails once in five hundred million runs


@pytest.fixture(autouse=True)
def same_version(reference_version):
    if reference_version != REFERENCE_VERSION:
        pytest.skip(f"nats-server is {reference_version}; its answers are compared with those of {REFERENCE_VERSION} only")


@pytest.fixture
def both(start_reference, start_server, tmp_path):
    """both(text) -> [nats-server, the server under test], started with this configuration."""
    def start(text):
        path = tmp_path / "server.conf"
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        return [start_reference("-c", path), start_server("-c", path)]
    return start


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- what a subject becomes -----------------------------------------------------------------------------------------


def placeholder(rng, n_stars, wild=True):
    """One token of a destination. wild: of a source with wildcards."""
    n = rng.randint(0, n_stars) if rng.random() < 0.1 else rng.randint(1, n_stars) if n_stars else 0
    num = rng.choice((-2, 0, 1, 2, 3, 5, 9))
    blank = rng.choice(("", "", " "))
    delim = rng.choice(("-", "--", "a", "ab", "x", ""))
    buckets = rng.choice((0, 1, 2, 10, 1000, 2147483647, -3))
    kinds = [f"lit{rng.randint(0, 9)}", "$x", "{{odd"]
    kinds += [f"{{{{random({rng.choice((-1, 0, 1))})}}}}"]
    kinds += [f"{{{{partition({buckets})}}}}"] * wild  # else see differences.py
    if n_stars:
        kinds += [f"${n}", f"{{{{{blank}wildcard({blank}{n}{blank})}}}}", f"{{{{Partition({buckets},{blank}{n},{rng.randint(1, n_stars)})}}}}",
                  f"{{{{split({n},{delim})}}}}"]
        kinds += [f"{{{{{name}({n},{blank}{num}{blank}){blank}}}}}" for name in
                  ("splitFromLeft", "SplitFromRight", "sliceFromLeft", "SliceFromRight", "slicefromleft", "splitFromright")]
    return rng.choice(kinds)


def mapping(rng, i):
    """A source under the token t<i>, a destination, and subjects to publish."""
    tokens = ["*" if rng.random() < 0.6 else rng.choice(("a", "bb", "x*", "é")) for _ in range(rng.randint(0, 4))]
    rest = rng.random() < 0.3
    n_stars = tokens.count("*")
    source = ".".join([f"t{i}", *tokens, *([">"] if rest else [])])
    dest = ".".join([f"o{i}", *(placeholder(rng, n_stars, bool(n_stars) or rest) for _ in range(rng.randint(0, 4))), *([">"] if rest else [])])
    return source, dest, [subject(rng, i, tokens, rest) for _ in range(6)]


def subject(rng, i, tokens, rest):
    def word():
        return rng.choice(("", "*", ">")) if rng.random() < 0.05 else "".join(rng.choice("abx-é12") for _ in range(rng.randint(1, 9)))
    out = [f"t{i}", *(word() if t == "*" or rng.random() < 0.1 else t for t in tokens)]
    if rest or rng.random() < 0.1:
        out += [word() for _ in range(rng.randint(0 if rest else 1, 3))]
    return ".".join(out)


def deliveries(srv, subjects):
    """What a subscriber to everything gets of each publish."""
    got = []
    with srv.raw() as sub, srv.raw() as pub:
        sub.connect()
        sub.send(b"SUB > 1\r\n")
        sub.ping()
        pub.connect()
        for k, s in enumerate(subjects):
            pub.send(b"PUB %s r.%d 0\r\n\r\n" % (s.encode(), k))
        pub.ping()
        by_reply = {op.reply: op.subject for op in sub.fence()}
        for k, s in enumerate(subjects):
            got.append((s, by_reply.get(b"r.%d" % k)))
    return got


@pytest.mark.parametrize("seed", range(8))
def test_generated_mappings(both, seed):
    rng = random.Random(seed)
    maps = [mapping(rng, i) for i in range(60)]
    conf = "mappings {\n" + "".join(f"  {quoted(s)}: {quoted(d)}\n" for s, d, _ in maps) + "}\n"
    subjects = [s for _, _, some in maps for s in some]
    reference, ours = both(conf)
    want, got = deliveries(reference, subjects), deliveries(ours, subjects)
    wrong = [(w, g) for w, g in zip(want, got) if w != g]
    assert not wrong, (wrong[:5], conf)
    assert sum(w is not None and w != s.encode() for s, w in want) > 60  # something was mapped


# --- weights --------------------------------------------------------------------------------------------------------

WEIGHTED = """
mappings {
  rest: [ {dest: a1, weight: 60}, {destination: a2, weight: "15%"} ]
  lossy: [ {dest: lossy, weight: 50}, {dest: b2, weight: 10} ]
  all: [ {dest: c1, weight: 0}, {dest: c2, weight: 100} ]
  lost: {dest: lost, weight: 0}
  scoped: [ {dest: d1, weight: 100, cluster: A}, {dest: d2, weight: 30} ]
  elsewhere: {dest: e1, weight: 100, cluster: A}
  self: {dest: self, weight: 100, cluster: A}
  nothing: []
  "one.*": [ {dest: "f.$1", weight: 25} ]
  "any.*": "{{random(4)}}"
}
"""
SHARES = {
    "rest": {"a1": 60, "a2": 15, "rest": 25}, "lossy": {"lossy": 50, "b2": 10, None: 40}, "all": {"c2": 100}, "lost": {None: 100},
    "scoped": {"d2": 30, "scoped": 70}, "elsewhere": {"elsewhere": 100}, "self": {None: 100}, "nothing": {"nothing": 100},
    "one.x": {"f.x": 25, "one.x": 75}, "any.x": {"0": 25, "1": 25, "2": 25, "3": 25},
}


def test_weights_share_what_is_published(both):
    for srv in both(WEIGHTED):
        for source, shares in SHARES.items():
            count = {}
            for _, became in deliveries(srv, [source] * N_DRAWS):
                key = became.decode() if became else None
                count[key] = count.get(key, 0) + 1
            assert set(count) == {k for k, v in shares.items() if v}, (srv, source, count)
            for key, share in shares.items():
                mean, sigma = N_DRAWS * share / 100, (N_DRAWS * share / 100 * (1 - share / 100)) ** 0.5
                assert abs(count.get(key, 0) - mean) <= SIGMAS * sigma, (srv, source, key, count)


# --- what is refused ------------------------------------------------------------------------------------------------

REFUSED = [f'mappings {{ "foo.*": {quoted("bar." + d)} }}' for d in (
    "$2", "{{wildcard(2)}}", "{{wildcard()}}", "{{wildcard(x)}}", "{{wildcard(1,2)}}", "{{foo(1)}}", "{{left(1,2)}}", "{{right(1,2)}}", "{{partition()}}",
    "{{partition(10,1,2)}}", "{{partition(2147483648,1)}}", "{{random(10,1)}}", "{{random()}}", "{{split(1)}}", "{{split(1,a b)}}", "{{split(1,,)}}",
    "{{splitFromLeft(1)}}", "{{splitFromLeft(1,2,3)}}", "{{splitFromLeft(9,2)}}", "{{sliceFromRight(1,x)}}", "{{SPLIT(1,-)}}", "{{ }}", "{{a b", "*", ">",
    "a b", ".a", ">.x", "$9.{{foo()}}", "$9.*", "{{wildcard(1)}}{{wildcard(1)}}", "{{wildcard(1))}}", "q\\\"uote d")] + [
    'mappings { "foo.>": "bar" }', 'mappings { "foo..a": "bar" }', 'mappings { "foo a": "bar" }', 'mappings { "": "bar" }', 'mappings { foo: "bar.$1" }',
    "mappings { foo: {dest: bar} }", "mappings { foo: {dest: bar, weight: 101} }", "mappings { foo: {dest: bar, weight: -1} }",
    'mappings { foo: {dest: bar, weight: "x%"} }', 'mappings { foo: {dest: bar, weight: "110%"} }', "mappings { foo: {dest: bar, weight: 10, x: 1} }",
    "mappings { foo: [{dest: bar, weight: 60}, {dest: baz, weight: 50}] }", "mappings { foo: [{dest: bar, weight: 60}, {dest: bar, weight: 10}] }",
    "mappings { foo: [{dest: bar, weight: 60, cluster: A}, {dest: baz, weight: 60, cluster: A}, {dest: q, weight: 60}] }",
    "mappings { foo: [{dest: a..b, weight: 60}, {dest: a..b, weight: 60}] }", "mappings { foo: {dest: a..b, weight: 1} }", "mappings { foo: [bar] }",
    "mappings { foo: 12 }", 'mappings {\n  ok: fine\n  "foo.*": "bar.$3"\n}', 'maps { "foo.*": "bar.$3" }',
]


@pytest.mark.parametrize("conf", REFUSED)
def test_refused_with_the_same_words(conf, reference_bin, server_bin, tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(conf)
    said = []
    for binary in (reference_bin, server_bin):
        ran = subprocess.run([binary, "-t", "-c", path], capture_output=True, text=True, timeout=60, check=False)
        said.append((ran.returncode, re.sub(r"^.*?server\.conf", "server.conf", (ran.stdout + ran.stderr).strip())))
    assert said[1] == said[0]
    assert said[0][0] == 1 and "valid (" not in said[0][1]


def test_generated_destinations_are_refused_alike(reference_bin, server_bin, tmp_path):
    """Destinations with an error more often than not: verdict and words are the same."""
    rng = random.Random(7)
    path = tmp_path / "server.conf"
    n_refused = 0
    for _ in range(60):
        n_stars = rng.randint(0, 2)
        tokens = [rng.choice((placeholder(rng, n_stars), placeholder(rng, 3), "*", "", "{{nope(1)}}", "$7", "{{split(1)}}", "a b", "{{ random ( x ) }}")) for _ in range(rng.randint(1, 3))]
        path.write_text("mappings { %s: %s }\n" % (quoted(".".join(["s"] + ["*"] * n_stars)), quoted(".".join(tokens))))
        said = []
        for binary in (reference_bin, server_bin):
            ran = subprocess.run([binary, "-t", "-c", path], capture_output=True, text=True, timeout=60, check=False)
            said.append((ran.returncode, re.sub(r"^.*?server\.conf", "server.conf", re.sub(r"\(sha256:.*?\)", "", ran.stdout + ran.stderr).strip())))
        assert said[1] == said[0], path.read_text()
        n_refused += said[0][0] != 0
    assert 20 < n_refused < 60


# --- around a publish -----------------------------------------------------------------------------------------------

RULES = """
mappings { foo: bar, own: _GR_.a, raft: "$NRG.a", lost: {dest: lost, weight: 0}, "z.*": zz, "loop.*": "loop.$1.x", "r.*": "in.$1" }
authorization {
  users: [ {user: any, password: any}
           {user: some, password: some, permissions: {publish: {allow: [bar, zz, "in.>"], deny: "in.no"}, subscribe: ">"}} ]
}
"""
TALK = [b"PUB foo 2\r\nhi\r\n", b"PUB foo re 2\r\nhi\r\n", b"PUB bar 0\r\n\r\n", b"PUB own 0\r\n\r\n", b"PUB raft 0\r\n\r\n", b"PUB foo _R_.x 0\r\n\r\n",
        b"PUB lost 0\r\n\r\n", b"PUB lost me 0\r\n\r\n", b"PUB z.a 0\r\n\r\n", b"PUB z.* 0\r\n\r\n", b"PUB z.> 0\r\n\r\n", b"PUB z. 0\r\n\r\n", b"PUB loop.a 0\r\n\r\n",
        b"PUB loop.a.x 0\r\n\r\n", b"PUB r.yes 0\r\n\r\n", b"PUB r.no 0\r\n\r\n", b"HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", b"PUB\tfoo   re  2\r\nhi\r\n", b"PUB nobody me 0\r\n\r\n"]


@pytest.mark.parametrize("user", ("any", "some"))
@pytest.mark.parametrize("pedantic", (False, True))
def test_rules_are_for_what_a_subject_became(both, user, pedantic):
    seen = []
    for srv in both(RULES):
        with srv.raw() as c, srv.raw() as sub:
            sub.connect(user="any", **{"pass": "any"}, headers=True)
            sub.send(b"SUB > 1\r\n")
            sub.ping()
            c.connect(user=user, **{"pass": user}, headers=True, no_responders=True, verbose=True, pedantic=pedantic)
            c.send(b"SUB me 1\r\nSUB in.> 2\r\n")
            c.fence()
            said = []
            for step in TALK:
                c.send(step)
                said.append([op.line + (op.headers or b"") + (op.payload or b"") for op in c.fence()])
            seen.append((said, [op.line for op in sub.fence()]))
    for step, want, got in zip(TALK, *(s[0] for s in seen)):
        assert got == want, step
    assert seen[1][1] == seen[0][1]


def test_a_trace_shows_the_mapping(both):
    for srv in both("mappings { foo: bar, same: same, lost: {dest: lost, weight: 0} }\ntrace: true\n"):
        with srv.raw() as c:
            c.connect()
            c.send(b"PUB foo 0\r\n\r\nPUB same 0\r\n\r\nPUB lost 0\r\n\r\n")
            c.ping()
            for line in (r"<<- \[MAPPING foo -> bar\]", r"<<- \[MAPPING same -> same\]", r"<<- \[MAPPING lost -> \]"):
                srv.wait_log(line)


def test_the_first_source_of_the_file_counts(start_server, tmp_path):
    """nats-server takes any of them."""
    path = tmp_path / "server.conf"
    path.write_text('mappings { "a.*": first, "a.b": second, "c.d": third, "c.*": fourth, "*.z": fifth }\n')
    srv = start_server("-c", path)
    assert deliveries(srv, ["a.b", "c.d", "c.x", "a.z", "q.z"]) == [
        ("a.b", b"first"), ("c.d", b"third"), ("c.x", b"fourth"), ("a.z", b"first"), ("q.z", b"fifth")]


def test_mappings_are_reloaded(start_server, tmp_path):
    """Connections that are there already see the new ones."""
    path = tmp_path / "server.conf"
    path.write_text("mappings { foo: bar }\n")
    srv = start_server("-c", path)
    with srv.raw() as pub, srv.raw() as sub:
        sub.connect()
        sub.send(b"SUB > 1\r\n")
        sub.ping()
        pub.connect()
        for text, want in (("mappings { foo: bar }\n", b"bar"), ("mappings { foo: baz }\n", b"baz"), ("port: -1\n", b"foo"), ("mappings { foo: qux }\n", b"qux")):
            path.write_text(text)
            before = srv.mark()
            os.kill(srv.pid, signal.SIGHUP)
            srv.wait_log("Reloaded server configuration", since=before)
            pub.send(b"PUB foo 0\r\n\r\n")
            pub.ping()
            assert [op.subject for op in sub.fence()] == [want]
