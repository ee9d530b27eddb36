"""The table of intended differences, its page, and what it excuses."""

import os

from oracle.differences import DIFFERENCES, explanation, render

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_page_is_the_table_rendered():
    """docs/differences.md is what `python3 -m oracle.differences` writes, and README.md leads there."""
    with open(os.path.join(ROOT, "docs", "differences.md")) as f:
        assert f.read() == render(), "docs/differences.md is out of date: run `python3 -m oracle.differences` in tests/"
    with open(os.path.join(ROOT, "README.md")) as f:
        assert "](docs/differences.md)" in f.read()


def test_every_entry_says_what_and_why():
    for ident, d in DIFFERENCES.items():
        assert all((d.sheet, d.ours, d.theirs, d.reason)), ident


def test_ordinary_streams_are_excused_nothing():
    """An entry that explained what clients really send would hide every bug there is."""
    ordinary = b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB a.> q 1\r\nHPUB a.b re 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB a 0\r\n\r\nUNSUB 1 5\r\nPING\r\n'
    assert explanation([ordinary]) == []
    assert explanation([ordinary, b"PUB a\r5\nhello\r\n"]) == ["bare-cr"]
