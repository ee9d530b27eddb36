"""Every intended difference from nats-server that bytes on a client connection can show.

This table is the only place: a difference that it does not explain fails the oracle. docs/differences.md
is rendered from it (python3 -m oracle.differences, run in tests/), and a test holds the two together.

Shape  each entry: id -> Difference. `sheet` names the rule, `reason` says why we differ, `ours` and
       `theirs` what either does. `explains(bytes)` decides for generated streams: could a stream of one
       connection with these bytes have met this rule? (Recorded scenarios name their entry themselves,
       and say exactly what Midge answers.) None: generated streams never meet it.
"""

import re
from dataclasses import dataclass
from typing import Callable, Optional


@dataclass
class Difference:
    sheet: str
    ours: str
    theirs: str
    reason: str
    explains: Optional[Callable[[bytes], bool]] = None
    repeats: Optional[tuple] = None  # a frame that nats-server may send twice instead of once


BARE_CR = re.compile(rb"\r(?!\n)")
LF_FIRST = re.compile(rb"(?i)(?:PUB|SUB|-ERR)[ \t]+(?:\r*\n)|(?:CONNECT|INFO)[ \t]*\n")
AFTER_ERR = re.compile(rb"(?i)-ERR[ \t]")
INVALID_PUBLISH = ("-ERR", b"Invalid Publish Subject")
LONG_GAP = re.compile(rb"(?i)(?:PUB|SUB|CONNECT|INFO|-ERR)[ \t]{4097}")
LONG_JUNK = re.compile(rb"(?i)(?:PING|PONG|\+OK)[^\n]{4096}")

DIFFERENCES = {
    "bare-cr": Difference(
        sheet="01, section 2 (*) Bare CR; 05, TOB-NATS-5",
        ours="A CR in a control line must be followed by LF. Otherwise `-ERR 'Unknown Protocol Operation'` and close, for every split of the bytes.",
        theirs="Remembers that it saw a CR and drops the byte before the LF, so that the same bytes parse differently depending on how they were cut into reads.",
        reason="Parsing must be a pure function of the byte stream; a stray CR that is passed on could break other servers' parsing.",
        explains=lambda data: BARE_CR.search(data) is not None,
    ),
    "ping-junk": Difference(
        sheet="01, section 2, row `PING, PONG, +OK lines`",
        ours="Bytes between PING, PONG or +OK and the line end are ignored, but count against max_control_line.",
        theirs="Ignores any number of them.",
        reason="Whatever a peer can make a server wait for has a limit.",
        explains=lambda data: LONG_JUNK.search(data) is not None,
    ),
    "separators": Difference(
        sheet="01, section 2, row `control line limit`; 05, section 9 (bytes held without a parsable line)",
        ours="Spaces and tabs between a verb and its first argument have a limit of their own: max_control_line, at most 4096. More of them is `-ERR 'maximum control line exceeded'` and close.",
        theirs="Skips any number of them.",
        reason="Whatever a peer can make a server wait for has a limit.",
        explains=lambda data: LONG_GAP.search(data) is not None,
    ),
    "hmsg": Difference(
        sheet="01, section 2 (*) Verbs valid only on server links",
        ours="`HM` from a client is `-ERR 'Unknown Protocol Operation'` and close, at the M.",
        theirs="Lets a client begin HMSG and goes on in the payload state with sizes of an earlier operation.",
        reason="A client must not reach a state that only server links have; stale sizes are how parsers break.",
        explains=lambda data: b"hm" in data.lower(),
    ),
    "lf-first": Difference(
        sheet="01, section 2, rows `line end` and `verb / args separator`",
        ours="LF ends a control line wherever it stands: `PUB SP LF` has no arguments (silent close), `CONNECT LF` is an empty line (silent close).",
        theirs="Takes an LF that stands where the first argument should begin for a byte of the arguments, and reads on.",
        reason="A line end is a line end; otherwise a verb's arguments could stand on the line after it.",
        explains=lambda data: LF_FIRST.search(data) is not None,
    ),
    "err-goes-on": Difference(
        sheet="01, section 3 (`-ERR ...` closes(Parse Error)); architecture: parsing is the same for every split",
        ours="After an `-ERR` from the client nothing more of its bytes is handled.",
        theirs="Closes, but still handles what it had read behind the `-ERR`, so that publishes there are delivered or not depending on how the bytes were cut.",
        reason="A pure function of the byte stream.",
        explains=lambda data: AFTER_ERR.search(data) is not None,
    ),
    "pedantic-twice": Difference(
        sheet="01, section 3.3, step 5",
        ours="A pedantic PUB with an invalid subject is told `-ERR 'Invalid Publish Subject'` once.",
        theirs="Tells it twice when the payload did not arrive in the same read as the control line.",
        reason="A pure function of the byte stream.",
        repeats=INVALID_PUBLISH,
    ),
    "json-depth": Difference(
        sheet="05, C6 and section 9 (JSON depth)",
        ours="JSON in CONNECT and INFO that nests deeper than 32 closes the connection without an answer, like other JSON that is refused.",
        theirs="Accepts it to a depth of 10,000.",
        reason="Bounded recursion on bytes from a peer that has not signed in yet. No client sends such a thing.",
    ),
}


REPEATED = frozenset(d.repeats for d in DIFFERENCES.values() if d.repeats)


def explanation(streams):
    """The ids of the entries that may explain a difference in a scenario whose connections sent `streams`."""
    return [i for i, d in DIFFERENCES.items() if d.explains and any(d.explains(s) for s in streams)]


HEAD = """# Differences from nats-server on a client connection

Midge answers like nats-server 2.14.5, byte for byte, but for what this page lists. `tests/oracle` sends the
same bytes to both and fails for any difference that is not here.

This page is rendered from `tests/oracle/differences.py` (in `tests/`: `python3 -m oracle.differences`); a test
holds the two together. "Sheet" is the page of the specification that asks for the difference.
"""

FREE = """
## What is compared, and what is not

Per connection: every byte that the server sends, and whether it closes. Left out, because nats-server itself
promises nothing about it:

- In INFO, the values of what differs between any two servers (`server_id`, `server_name`, `version`, `go`, `host`,
  `port`, `client_id`, `client_ip`, `nonce`, `xkey`, `connect_urls`). Which keys there are, their order and their
  types are compared; `git_commit` may be there or not, as with nats-server, whose builds do not all know it.
- Which member of a queue group gets a message. That exactly one gets it is compared.
- The order in which one message is given to several subscriptions of one connection; which of several
  subscriptions that match the reply gets the 503 of "no responders".
- PINGs of the server's timer, where their number depends on how long a conversation took.
- With several cores: what an exhausted `UNSUB sid max` does to a *third* connection. The subscriber, and everybody after the
  subscriber's next PONG, see the subscription gone at once, as with nats-server. A publisher on another core may take it for
  there a moment longer (no 503 for its request then), and of a burst to a queue group whose members all reach their
  maximum other messages may be the ones that nobody gets; their number is the same.
- What a client still receives when it leaves with a reset.

Not compared yet, because Midge does not have it yet: `$SYS.` services that nats-server offers to the default
account, everything behind a configuration file (accounts, TLS, websocket, ...).

Mappings (`mapping_test.py`) and traces of messages (`msg_trace_test.py`) are compared with sources that do not overlap. Beyond that:

- Of several sources that cover a subject Midge takes the first of the file, nats-server any (sheet 01, section 16 (*)).
- A destination that is empty loses the message; nats-server 2.14.5 ends with a panic at the first one.
- `{{partition(n)}}` of a source without wildcards hashes the subject; nats-server hashes nothing, or the subject, depending on which other
  sources it happened to look at. The result is the same for every message either way.
- A subject that mappings make longer than `max_control_line` is dropped; nats-server has no bound.
- A source has at most 255 `*`, one with wildcards at most 256 tokens.
- A trace event does not list the members of a queue group that were tried in vain before the one that took the message. Its entries
  come in no order that means anything, as nats-server's.
- An event that a tracer wants as gzip or snappy is in that format, and not smaller for it.
- An event holds a mebibyte, at most 256 traces are open on each shard, a shard that has not answered after a second is left out.
"""


def render():
    out = [HEAD]
    for ident, d in DIFFERENCES.items():
        out.append(f"## {ident}\n\n- **Sheet:** {d.sheet}\n- **Midge:** {d.ours}\n- **nats-server:** {d.theirs}\n- **Why:** {d.reason}\n")
    return "\n".join(out) + FREE


if __name__ == "__main__":
    import os
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "differences.md")
    with open(path, "w") as f:
        f.write(render())
