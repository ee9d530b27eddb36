"""The configuration language beside nats-server: the same file, the same verdict, digest, error text and position.

Midge's parser answers through conf_dump (conf_dump.c); nats-server through `-c FILE -t`, which reads options, too. So texts use keys that are no
options: nats-server then names each of them with its position, which is compared. A second run gives the digest: a line that uses all of them
as variables, inside a map that may hold anything, makes the file valid. A third one puts the text into that map, where the grammar is another one.
"""

import json
import os
import re
import struct
import subprocess

import pytest

from oracle.conf_cases import DIFFERENT, cases
from oracle.conf_differences import CONF_DIFFERENCES, NUMBER_BRACKET
from oracle.conf_generate import ENVIRONMENT, FILES, text_of
from oracle.conftest import REFERENCE_VERSION

GENERATED = 150
GENERATED_LONG = 5000

NAMEABLE = re.compile(r"[^\s=:;,\]}'\\$\x00-\x20\x85\xa0\ufffd]+")
UNKNOWN = re.compile(rb'^(.*:\d+:\d+): unknown field ', re.MULTILINE)
VALID = re.compile(rb"configuration file t\.conf is valid \((sha256:[0-9a-f]{64})\)")


class Pair:
    """Both parsers, in one folder."""

    def __init__(self, folder, dump, reference):
        self.folder, self.reference, self.dump_path = folder, reference, dump
        for name, data in FILES.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        self.env = {"PATH": os.environ["PATH"], **ENVIRONMENT}
        self.dump = subprocess.Popen([dump, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=self.env)

    def close(self):
        self.dump.stdin.close()
        assert self.dump.wait(timeout=60) == 0

    def ours(self, text):
        """("ok", digest, tree) or ("err", text)."""
        self.dump.stdin.write(struct.pack("<I", len(text)) + text)
        self.dump.stdin.flush()
        line = self.dump.stdout.readline().decode()
        assert line.endswith("\n"), f"conf_dump ended at {text!r}"
        return self.answer(line)

    @staticmethod
    def answer(line):
        if line.startswith("err "):
            return ("err", json.loads(line[4:]))
        _, digest, tree = line.split(" ", 2)
        return ("ok", digest, json.loads(tree))

    def theirs(self, text):
        """("ok", digest), ("unknown", positions), ("empty",) or ("err", text)."""
        self.write(text)
        return self.theirs_of("t.conf")

    def write(self, text):
        with open(os.path.join(self.folder, "t.conf"), "wb") as f:
            f.write(text)

    def theirs_of(self, name, server=None):
        done = subprocess.run([server or self.reference, "-c", name, "-t"], cwd=self.folder, env=self.env, capture_output=True, timeout=120, check=False)
        said = done.stderr.removeprefix(b"nats-server: ").rstrip(b"\n").replace(b"\0", b"")
        valid = VALID.search(said)
        if valid:
            return ("ok", valid.group(1).decode())
        if said == b"t.conf: config has no values or is empty":
            return ("empty",)
        positions = UNKNOWN.findall(said)
        if positions:
            return ("unknown", sorted(p.decode("utf-8", "replace") for p in positions))
        return ("err", said.decode("utf-8", "replace"))

    def check(self, text):
        """Compare; what differs must be explained. Returns the id of the explanation, or None."""
        ours, theirs = self.ours(text), self.theirs(text)
        want = expected(ours)
        if theirs == want:
            return None
        for ident, d in CONF_DIFFERENCES.items():
            if d.explains(text, want, theirs):
                return ident
        raise AssertionError(f"{text!r}\n  nats-server: {theirs}\n  Midge:       {want}")

    def check_all(self, text):
        """The text as it is, with its digest, and as the inside of a map."""
        found = {self.check(text)}
        ours = self.ours(text)
        if ours[0] == "ok":
            names = [k for k in ours[2] if NAMEABLE.fullmatch(k) and not k.startswith("2a")]
            found.add(self.check(text + ("\nresolver: {type: MEM, z: [" + " , ".join("$" + k for k in names) + " ]}\n").encode()))
        found.add(self.check(b"resolver: {type: MEM\n" + text + b"\n}\n"))
        if "conf-bracket" in found:  # with a blank between, no difference is left
            spaced = NUMBER_BRACKET.sub(b" ]", text)
            found.add(self.check(spaced))
            if not NUMBER_BRACKET.search(spaced) and ours[0] == "ok" and b"'" not in text and b'"' not in text and b"(" not in text and b"#" not in text:
                assert self.ours(spaced)[:2] == ours[:2], text
        return found - {None}


def expected(ours):
    """What nats-server should say where our parser says this."""
    if ours[0] == "err":
        return ours
    unknown = sorted(v[0] for k, v in ours[2].items() if not v[0].endswith("!") and k != "resolver")
    return ("unknown", unknown) if unknown else ("ok", ours[1]) if ours[2] else ("empty",)


@pytest.fixture(scope="module")
def pair(server_bin, reference_bin, reference_version, tmp_path_factory):
    dump = os.path.join(os.path.dirname(server_bin), "tests", "conf_dump")
    if reference_version != REFERENCE_VERSION:
        pytest.skip(f"nats-server is {reference_version}; its answers are compared with those of {REFERENCE_VERSION} only")
    if not os.access(dump, os.X_OK):
        pytest.skip(f"no {dump}: the server under test is not of a build folder")
    pair = Pair(str(tmp_path_factory.mktemp("conf")), dump, reference_bin)
    yield pair
    pair.close()


def test_cases_by_hand(pair):
    texts = cases()
    assert len(texts) > 500
    verdicts = {"ok": 0, "err": 0}
    for text in texts:
        pair.check_all(text)
        verdicts[pair.ours(text)[0]] += 1
    assert min(verdicts.values()) > 150, verdicts


def test_the_program_says_what_the_parser_says(pair, server_bin):
    """Every case through `midge -t`: files, environment and all error texts reach the shell as they are."""
    for text in cases():
        if b"\0" not in text:
            pair.write(text)
            assert pair.theirs_of("t.conf", server_bin) == expected(pair.ours(text)), text


@pytest.mark.parametrize("ident", CONF_DIFFERENCES)
def test_each_difference_is_one(pair, ident):
    """Where an entry says that the two differ, they do, and by that entry."""
    for text in DIFFERENT[ident]:
        if text.count(b"$z ,") > 50:  # nats-server would take all memory
            assert CONF_DIFFERENCES[ident].explains(text, pair.ours(text), None)
        else:
            assert pair.check_all(text) == {ident}, text


@pytest.mark.parametrize("name", ["d/m.conf", "./d/m.conf", "d//../d/m.conf", "{}/d/m.conf", "d", "nothing", "d/m.conf/x"])
def test_paths(pair, name):
    """How the file on the command line is written shows in the names of those that it includes, and in errors."""
    for path, text in {"d/m.conf": "include e/x.conf\ninclude ../up.conf\nzq 1\n", "d/e/x.conf": "include y.conf\nzx 1\n", "d/e/y.conf": "zy [{a 1},2 ]\nzz { q 1 }",
                       "up.conf": "zu 1\n"}.items():
        os.makedirs(os.path.dirname(os.path.join(pair.folder, path)), exist_ok=True)
        with open(os.path.join(pair.folder, path), "w") as f:
            f.write(text)
    name = name.format(pair.folder)
    assert pair.theirs_of(name) == expected(pair.answer(subprocess.run([pair.dump_path, name], cwd=pair.folder, capture_output=True, check=True).stdout.decode()))


def test_a_file_that_includes_itself(pair):
    """nats-server would never end."""
    assert pair.ours(b"include t.conf") == ("err", "error parsing include file 't.conf', the file includes itself")


def generated(pair, seeds):
    verdicts = {"ok": 0, "err": 0}
    for seed in seeds:
        for broken in (False, True):
            text = text_of(seed, broken)
            try:
                pair.check_all(text)
            except AssertionError as e:
                raise AssertionError(f"seed {seed}, broken: {broken}: {e}") from e
            verdicts[pair.ours(text)[0]] += 1
    assert min(verdicts.values()) > len(seeds) // 4, verdicts


def test_generated(pair):
    generated(pair, range(GENERATED))


@pytest.mark.long
def test_generated_long(pair):
    generated(pair, range(GENERATED, GENERATED + GENERATED_LONG))
