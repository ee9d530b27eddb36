"""docs/operating.md is complete, and true to the code: flags, counters, what clients are told."""

import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


@pytest.fixture(scope="module")
def guide():
    return read("docs/operating.md")


def described(guide):
    """Names of flags in the guide's table of options (core/server/options_doc_test.c holds it to the code's)."""
    table = guide[guide.index("<!-- options: begin -->"):guide.index("<!-- options: end -->")]
    return set(re.findall(r"`-+(\w+)`", table))


def test_every_counter_is_described(guide):
    counters = dict(re.findall(r'X\((\w+),\s+"([^"]+)"\)', read("core/rt/counters.h")))
    assert len(counters) > 20
    described = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", guide[guide.index("| counter |"):], re.M))
    assert described == counters


def test_what_clients_are_told_stands_in_the_code(guide):
    """Every -ERR text of the table is one of nats_text.h, and its reason, too."""
    texts = read("proto/nats_text.h")
    table = guide[guide.index("| `-ERR` |"):guide.index("Closed without an `-ERR`")]
    for line in table.splitlines()[2:]:
        if not line.startswith("| `"):
            continue
        text, reason = line.split("`")[1], line.split("|")[3].strip()
        assert text.removesuffix(" ...") in texts
        assert f'"{reason}"' in texts


def test_R9_the_server_says_what_the_guide_says(server_bin, guide):
    """The flags of the guide are those of --help."""
    usage = subprocess.run([server_bin, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    shown = {name for line in usage.splitlines() if line.startswith("    -") for name in re.findall(r"-+(\w+)(?=[, ]|$)", line[:48])}
    assert shown == described(guide) and len(shown) > 50
