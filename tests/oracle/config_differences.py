"""What may differ between Midge's and nats-server's word on a configuration, and why. docs/migration.md shows this table.

Shape  each entry: name -> (what Midge does, what nats-server does, why, explains). `explains(conf, theirs, ours)` says whether the two answers
       (code, sorted lines) differ by this rule alone.
"""

import re
from dataclasses import dataclass
from typing import Callable

PLACE = re.compile(r"^[^ :]+:\d+:\d+: ")
VALID = re.compile(r"^configuration file ")


@dataclass
class Difference:
    ours: str
    theirs: str
    reason: str
    explains: Callable


def texts(answer):
    return sorted(PLACE.sub("", line) for line in answer[1])


def _position(conf, theirs, ours):
    return theirs[0] == ours[0] == 1 and texts(theirs) == texts(ours) and all(PLACE.match(line) for line in ours[1])


def _values(conf, theirs, ours):
    """The same, but for what stands at the end: a type in place of the value."""
    def cut(answer):
        return sorted(re.sub(r"(got|wrong type:) .*$", r"\1", t) for t in texts(answer))

    return theirs[0] == ours[0] == 1 and cut(theirs) == cut(ours) and all(re.search(r"(?:got|wrong type:) (int64|string|bool|float64|map\[string\]interface {})$", line)
                                                                         for line in ours[1])


TOGETHER = re.compile(r"^(Error setting server INFO with ClientAdvertise|no_auth_user: |max_payload \(\d+\) cannot be higher"
                      r"|lame duck grace period)")


def _together(conf, theirs, ours):
    return theirs[0] == 0 and ours[0] == 1 and len(ours[1]) > 0 and all(TOGETHER.match(line) for line in ours[1])


def _bounds(conf, theirs, ours):
    return theirs[0] == 0 and ours[0] == 1 and all(" is out of range: " in line for line in ours[1])


def _type_named(conf, theirs, ours):
    """nats-server names the type of the map around."""
    def cut(answer):
        return sorted(re.sub(r"unsupported type (map\[string\]interface {}|int64)$", "unsupported type", t) for t in texts(answer))

    return theirs[0] == ours[0] == 1 and cut(theirs) == cut(ours) and any("map[string]interface" in line for line in theirs[1])


def _says(theirs_says, ours_says):
    def explains(conf, theirs, ours):
        return len(theirs[1]) == len(ours[1]) == 1 and re.search(theirs_says, theirs[1][0]) is not None and re.search(ours_says, ours[1][0]) is not None

    return explains


def _all_at_once(conf, theirs, ours):
    return theirs[0] == ours[0] == 1 and set(texts(theirs)) < set(texts(ours))


DIFFERENCES = {
    "place": Difference("Says where: at the key itself.", "Says nothing of the place for subjects in permissions, accounts and a few others, or names the map around.",
                        "A file of a thousand users needs it.", _position),
    "no-values": Difference("Says of which type a wrong value is.", "Prints the value.", "It may be a password (sheet 02, section 11).", _values),
    "all-at-once": Difference("Tells all that is wrong with a block.", "Stops at its first user, mapping or wrong type.", "One round to mend a file.", _all_at_once),
    "together": Difference("`-t` also checks what only all options together show.", "Does so at the start alone.", "Sheet 02, section 5.4 (*): a file that passes should start.", _together),
    "bounds": Difference("max_payload ends at 64 MiB, max_control_line at 64 KiB and begins at 128, max_pending begins at 64 KiB, times and counts are not negative.",
                         "Takes any number, and does without the limit or serves nobody.", "Every buffer has a bound; a limit that cannot be kept is not accepted.", _bounds),
    "type-named": Difference("Names the type of the value.", "Names the type of the map around it.", "The text is meant to help.", _type_named),
    "number-then-bracket": Difference("A number directly before `]` is a number.", "Swallows the bracket.", "Sheet 02, section 1.1.",
                                      _says("Expected an array value terminator", "interface conversion")),
    "number-suffix": Difference("An unknown suffix of a number is an error.", "Loses the value without a word.", "Sheet 02, section 1.1.",
                                _says("no values or is empty", "unknown suffix")),
    "base-path": Difference("http_base_path must be able to stand in a URL.", "Crashes at the start for some.", "Sheet 02, section 2 (quirk).",
                            _says("is valid", "cannot be part of a URL")),
    "tags-type": Difference("Names the type in a list of tags.", "Names a type of its own code.", "The text is meant to help.", _says(r"\*conf\.token", "unsupported type in array")),
    "nkey-type": Difference("A number is no text.", "Takes the number for a character.", "The text is meant to help.", _says("Not a valid public nkey for an account: '", "interface conversion")),
}


def explanation(conf, theirs, ours):
    """The first entry that explains it; None: nothing does."""
    return next((name for name, d in DIFFERENCES.items() if d.explains(conf, theirs, ours)), None)


def render():
    rows = "\n".join(f"| {d.ours} | {d.theirs} | {d.reason} |" for d in DIFFERENCES.values())
    return f"| Midge | nats-server | because |\n| --- | --- | --- |\n{rows}\n"
