"""Every intended difference from nats-server that a configuration file can show, before an option is looked at.

Part of docs/differences.md, like differences.py. `explains(text, ours, theirs)` decides: may this entry be why the two answers to a
text differ? An answer is ("ok", digest), ("err", the error's text) or ("unknown", the positions of unknown fields).
"""

import re
from dataclasses import dataclass
from typing import Callable

NUMBER_BRACKET = re.compile(rb"(?<=[0-9kKmMgGtTpPeEbBiI])\]")


@dataclass
class ConfDifference:
    sheet: str
    ours: str
    theirs: str
    reason: str
    explains: Callable


def our_error(pattern):
    """Explained by our error alone, whatever the other one says."""
    found = re.compile(pattern)
    return lambda text, ours, theirs: ours[0] == "err" and found.search(ours[1]) is not None


def hidden(text, ours, theirs):
    """Both say the same, but for what we do not show."""
    if ours[0] != "err" or theirs[0] != "err" or "'...'" not in ours[1]:
        return False
    return re.fullmatch(re.escape(ours[1]).replace(re.escape("'...'"), "'.*'"), theirs[1], re.DOTALL) is not None


CONF_DIFFERENCES = {
    "conf-bracket": ConfDifference(
        sheet="02, 1.1, pitfalls (fix instead of copying)",
        ours="A number may be followed by `]` at once: `[1,2]`, `[5k]` are numbers.",
        theirs="Takes the `]` for a part of the value: `[1,2]` is an error, `[5k]` holds the string `5k`.",
        reason="What everybody means.",
        explains=lambda text, ours, theirs: NUMBER_BRACKET.search(text) is not None,
    ),
    "conf-overflow": ConfDifference(
        sheet="02, 1.1, pitfalls",
        ours="A number that does not fit 64 bits with its size suffix: `integer '9223372036854775807k' is out of the range`.",
        theirs="Wraps around: that one is -1000.",
        reason="A limit must not become another one.",
        explains=our_error(r"[0-9][kKmMgGtTpPeE][bBiI]*' is out of the range"),
    ),
    "conf-suffix": ConfDifference(
        sheet="02, 1.1, pitfalls",
        ours="An unknown size suffix that begins like one: `integer '1kbb' has an unknown suffix`.",
        theirs="Drops the value; the next one may get its key.",
        reason="A setting must not vanish.",
        explains=our_error("has an unknown suffix"),
    ),
    "conf-slash": ConfDifference(
        sheet="02, 1.1, pitfalls",
        ours="A single `/` where a comment could begin is an error.",
        theirs="Skips it behind a value; in front of a key of a map it also takes the byte behind it for the beginning of the key.",
        reason="It is half a comment, and what follows was not meant to be read.",
        explains=our_error(r"got '/' instead|Unexpected '/' processing map key"),
    ),
    "conf-no-value": ConfDifference(
        sheet="02, 1.1, pitfalls (`{ name }`)",
        ours="A key without value in a map is an error there.",
        theirs="Gives the map to that key instead of its own: `authorization { token }` is a `token` that is a map, at top level.",
        reason="The error should name what is wrong.",
        explains=our_error("Unexpected map terminator"),
    ),
    "conf-open-quote": ConfDifference(
        sheet="02, 1.1 (silent)",
        ours="A file whose last byte opens quotes where a key or an item begins: `Unexpected EOF.`; behind a `}` that stands as a key: `config is invalid`.",
        theirs="Ends there without a word, even inside an array, which is lost then.",
        reason="A file that was cut off must not be taken.",
        explains=lambda text, ours, theirs: ours[0] == "err" and theirs[0] != "err" and (ours[1].endswith("'Unexpected EOF.'") or
                                                                                         ours[1].startswith("config is invalid")),
    ),
    "conf-nul": ConfDifference(
        sheet="02, 1.1 (silent); 05, F10",
        ours="A NUL byte is an error: `Parse error on line N: 'Unexpected NUL byte.'` (`\\x00` in quotes is not one.)",
        theirs="Takes it for the end of the file in some places, and for a byte in others.",
        reason="What stands behind it must not be lost. Of an error where the text ends nats-server's message holds a NUL in quotes, ours nothing.",
        explains=our_error("Unexpected NUL byte"),
    ),
    "conf-secret": ConfDifference(
        sheet="02, section 11 (*) Config errors must not print passwords",
        ours="An error about `$2b$...` and other hashes that were not quoted, or about a number that is a password, token or key, says `...` instead of it.",
        theirs="Prints it.",
        reason="Errors go to logs.",
        explains=hidden,
    ),
    "conf-bounds": ConfDifference(
        sheet="02, 1.2 (*) include, section 11 (*) nesting depth",
        ours="128 maps and arrays inside each other, through variables too; 16 files, 16 environment variables; 256 MiB, also of what variables stand for when written out. No file includes itself, no variable includes a file.",
        theirs="Has no bounds: a file that includes itself, or a few lines of variables that multiply, take all memory.",
        reason="Whatever grows has a limit.",
        explains=our_error(r"nested too deeply|is too large|too many files|includes itself|name each other|cannot include files|path is too long"),
    ),
}

CONF_HEAD = """## Configuration files

`tests/oracle/conf_test.py` gives the same files to Midge's parser and to `nats-server -t`: same verdict, same digest, same error text and position,
but for the following entries. Not visible there: of keys that differ in letter case only, `port` and `PORT`, the last one of the file wins (nats-server: any of them), and
entries are read in the order of the file (nats-server: in random order).
"""


def conf_sections():
    out = [CONF_HEAD]
    for ident, d in CONF_DIFFERENCES.items():
        out.append(f"## {ident}\n\n- **Sheet:** {d.sheet}\n- **Midge:** {d.ours}\n- **nats-server:** {d.theirs}\n- **Why:** {d.reason}\n")
    return out
