"""The same configurations go to nats-server and to Midge: the same verdict, and the same words, but for what config_differences.py explains.

What Midge does not have yet is let through (`--unsupported=warn`): its form is judged all the same.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from oracle.config_corpus import cases
from oracle.config_differences import DIFFERENCES, explanation, render
from oracle.conftest import REFERENCE_VERSION
from support import patience

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Ours about what is missing; theirs after a panic that nats-server catches itself.
NOT_COMPARED = re.compile(r"does nothing: |runtime error: ")


def answer(binary, folder, *args):
    """(exit code, lines of stderr sorted): nats-server walks its maps in any order."""
    done = subprocess.run([binary, "-t", "-c", "c", *args], cwd=folder, capture_output=True, text=True, timeout=patience(), check=False, env={**os.environ, "PASS": "pw"})
    lines = [line.removeprefix("nats-server: ") for line in done.stderr.splitlines()]
    return done.returncode, sorted(line for line in lines if line.strip() and not NOT_COMPARED.search(line))


@pytest.fixture(scope="module")
def answers(server_bin, reference_bin, reference_version, tmp_path_factory):
    """(configuration, nats-server's answer, Midge's) for the whole corpus."""
    if reference_version != REFERENCE_VERSION:
        pytest.skip(f"nats-server is {reference_version}; its words are compared with those of {REFERENCE_VERSION} only")
    root = tmp_path_factory.mktemp("config")

    def ask(numbered):
        number, conf = numbered
        folder = root / str(number)
        folder.mkdir()
        (folder / "c").write_bytes(conf.encode())
        return conf, answer(reference_bin, folder), answer(server_bin, folder, "--unsupported=warn")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(ask, enumerate(cases())))


def test_the_corpus_is_large_and_of_both_kinds(answers):
    good = sum(theirs[0] == 0 for _, theirs, _ in answers)
    assert len(answers) > 1500 and good > 400 and len(answers) - good > 400


def test_the_verdicts_and_the_words_are_nats_servers(answers):
    wrong = [f"{conf!r}\n  nats-server {theirs}\n  midge       {ours}" for conf, theirs, ours in answers if theirs != ours and explanation(conf, theirs, ours) is None]
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:20])


def test_every_difference_is_needed(answers):
    met = {explanation(conf, theirs, ours) for conf, theirs, ours in answers if theirs != ours}
    assert met - {None} == set(DIFFERENCES)


def test_the_page_shows_the_differences():
    with open(os.path.join(ROOT, "docs", "migration.md"), encoding="utf-8") as f:
        assert render() in f.read(), "put config_differences.render() into docs/migration.md"


def test_nothing_that_passes_here_hides_a_secret_in_its_words(answers):
    """No value of a corpus' password or token stands in what Midge says."""
    for conf, _, ours in answers:
        for secret in ("s3cr3t", "DRh4C0KNbNnD8K"):
            assert not any(secret in line for line in ours[1]), conf


@pytest.mark.parametrize("flags", ["-p abc", "--nosuch", "-D=perhaps", "-p 99999999999999999999", "-p", "---x", "-=5", "start", "-t", "-c /nonexistent", "--signal",
                                   "-c /tmp", "-p 5 -x", "-p= ", "--log_size_limit 1x", "-DV=2", "-v", "VERSION", "-v start"], ids=lambda f: f.strip())
def test_flags_get_the_same_word(server_bin, reference_bin, flags):
    """The first line of stderr, or of stdout where that is silent; the code but for bad flags, which nats-server ends with 0."""
    said = [subprocess.run([binary, *flags.split(" ")], capture_output=True, text=True, timeout=patience(), check=False) for binary in (reference_bin, server_bin)]
    theirs, ours = [((done.stderr or done.stdout).splitlines() or [""])[0] for done in said]
    assert ours == theirs
    usage = "nats-server: " not in said[1].stderr and said[1].stderr != ""
    assert said[1].returncode == (2 if usage else said[0].returncode)
