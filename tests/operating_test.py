"""docs/operating.md is complete, and true to the code: flags, counters, what clients are told."""

import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def flags():
    """Of the table in options.c: names, whether it takes a value, smallest and largest, help text."""
    rows = re.findall(r'\{"([\w ]+)", OPT_(\w+), OPT\(\w+\), ([^\n]*?),\s*"([^"\n]*)",\s*"([^\n]*)"\}', read("core/server/options.c"))
    return [(names.split(), kind, limits, text) for names, kind, limits, _, text in rows]


@pytest.fixture(scope="module")
def guide():
    return read("docs/operating.md")


def dashed(name):
    return ("-" if len(name) == 1 or name.isupper() else "--") + name


def row_of(guide, name):
    return next((line for line in guide.splitlines() if line.startswith("| ") and f"`{dashed(name)}`" in line.split("|")[1]), None)


def test_the_table_of_flags_is_read_whole():
    """A flag that the pattern above does not see would be one that nobody checks."""
    source = read("core/server/options.c")
    assert len(flags()) == len(re.findall(r"OPT_\w+, OPT\(", source)) > 20


@pytest.mark.parametrize("names,kind,limits,text", flags(), ids=lambda v: v[0] if isinstance(v, list) else "")
def test_every_flag_is_described_with_its_default(guide, names, kind, limits, text):
    row = row_of(guide, names[0])
    assert row is not None, f"{names[0]} is not in docs/operating.md"
    for name in names:
        assert f"`{dashed(name)}`" in row.split("|")[1], name
    default = re.search(r"\(default: ([\w.]+)\)", text)
    if default and default.group(1) not in ("auto", "the"):
        assert row.split("|")[2].strip() == default.group(1)


def test_no_flag_is_described_that_does_not_exist(guide):
    known = {name for names, *_ in flags() for name in names}
    table = guide[guide.index("| flag |"):guide.index("### Signals")]
    for line in table.splitlines()[2:]:
        for name in re.findall(r"`-+(\w+)`", line.split("|")[1] if "|" in line else ""):
            assert name in known


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


def test_the_server_says_what_the_guide_says(server_bin):
    """The flags of the guide are those of --help."""
    usage = subprocess.run([server_bin, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    shown = {name for line in usage.splitlines() if line.startswith("    -") for name in re.findall(r"-+(\w+)(?=[, ]|$)", line[:48])}
    assert shown == {name for names, *_ in flags() for name in names}
