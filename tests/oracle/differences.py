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
    shown_by: Optional[str] = None  # "file::test" (from tests/), where no recorded conversation can show it


BARE_CR = re.compile(rb"\r(?!\n)")
LF_FIRST = re.compile(rb"(?i)(?:PUB|SUB|-ERR)[ \t]+(?:\r*\n)|(?:CONNECT|INFO)[ \t]*\n")
AFTER_ERR = re.compile(rb"(?i)-ERR[ \t]")
INVALID_PUBLISH = ("-ERR", b"Invalid Publish Subject")
LONG_GAP = re.compile(rb"(?i)(?:PUB|SUB|CONNECT|INFO|-ERR)[ \t]{4097}")
LONG_JUNK = re.compile(rb"(?i)(?:PING|PONG|\+OK)[^\n]{4096}")

DIFFERENCES = {
    "http-access": Difference(
        sheet="09, S1",
        ours="Monitoring on a bare port shows peers that are not loopback `/healthz` alone (403 otherwise); an address written out, or `monitor_allow`, opens the rest.",
        theirs="Shows everybody everything.",
        reason="A forgotten port must not tell the world who talks to whom; orchestrators' probes still work.",
        shown_by="monitor_test.py::test_R5_a_bare_port_shows_strangers_their_health_only",
    ),
    "http-strict": Difference(
        sheet="09, S3 and S4; 05, H21, TOB-NATS-10",
        ours="Bare LF and folded lines in a request's head, two equal Content-Lengths, more than 100 header lines: 400 or 431. A request with a body is answered, then its connection ends. `OPTIONS *` and CONNECT: 404 and 400. The reason phrase is always the standard one.",
        theirs="Takes bare LF, folded lines, equal lengths and any number of lines; reads small bodies; answers `OPTIONS *` with 200.",
        reason="Two readers of one stream must not disagree about where a request ends, and what is not needed is not read.",
        shown_by="monitor_test.py::test_H21_bodies_are_not_read",
    ),
    "http-headers": Difference(
        sheet="05, H12",
        ours="Every answer has X-Content-Type-Options: nosniff and a Content-Length; plain texts are text/plain whatever bytes they quote.",
        theirs="nosniff on 404 only; long pages in chunks; guesses the type of texts.",
        reason="A browser must not take a page for something else; and the length is known.",
        shown_by="oracle/monitor_test.py::test_texts_are_the_same",
    ),
    "http-closed": Difference(
        sheet="09, 3.2",
        ours="Of a closed connection at most 256 subscriptions are remembered, 16 KiB of them; `pending_bytes` is 0.",
        theirs="All of them; `pending_bytes` may count its last words.",
        reason="Memory for what has gone is bounded.",
        shown_by="../core/net/gather_test.c::what_is_remembered_is_bounded",
    ),
    "http-no-system-account": Difference(
        sheet="09, 3.1, 3.7",
        ours="As nats-server with `no_system_account: true`: there is no system account yet, so its name, its subscriptions and its queues (`/ipqueuesz`) are missing.",
        theirs="$SYS is there by default.",
        reason="Nothing is shown that is not there.",
        shown_by="oracle/monitor_test.py::test_pages_are_the_same",
    ),
    "http-numbers": Difference(
        sheet="09, 3.1, 3.6",
        ours="In `/subsz`, `num_cache`, `num_matches`, `cache_hit_rate`, `max_fanout` are those of the shards' indexes; `avg_fanout` is messages out by messages in. `go` names Midge, `gomaxprocs` is the number of shards, `mem` resident memory, `cpu` the mean since it was last asked for.",
        theirs="Numbers of its one cache, sampled once a second.",
        reason="They describe how a server works inside.",
        shown_by="oracle/monitor_test.py::test_pages_are_the_same",
    ),
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
    "wildcard-subset": Difference(
        sheet="03, section 4.3 (HARDEN)",
        ours="A wildcard subscription must be a subset of one allow pattern: `allow a.*` refuses `SUB a.>`.",
        theirs="Takes the wildcards of the subscription for literal tokens: `allow a.*` admits `SUB a.>`, and `allow *` admits `SUB >`, and nothing is filtered afterwards.",
        reason="A permission must not be wider than it reads. (A deny pattern is matched literally by both.)",
        shown_by="oracle/permissions_test.py::test_wildcard_subset",
    ),
    "single-user-reload": Difference(
        sheet="03, section 13",
        ours="A client of the single user (`authorization { user, password }`) stays at a reload while both are the same.",
        theirs="Closes it without a word at every reload, whatever has changed.",
        reason="It lost nothing.",
        shown_by="auth_reload_test.py::test_a_single_user_stays_while_nothing_of_it_changes",
    ),
    "bcrypt-reload": Difference(
        sheet="03, section 13; 05, F4",
        ours="A reload that puts another bcrypt hash in the place of one ends the connections of that user with `-ERR 'Authorization Violation'`, even if it is one of the same password; they come again.",
        theirs="Keeps what every client sent, and compares it with the new hash.",
        reason="No password is kept in memory.",
        shown_by="auth_reload_test.py::test_F24_a_bcrypt_hash_may_take_the_place_of_another",
    ),
    "no-auth-user-reload": Difference(
        sheet="03, section 13",
        ours="A reload that changes the password of the no_auth_user leaves those who came in without one.",
        theirs="Ends them with `-ERR 'Authorization Violation'`; newcomers are let in as before.",
        reason="Nothing has changed for them.",
        shown_by="auth_reload_test.py::test_the_no_auth_users_password_is_nothing_to_who_brought_none",
    ),
    "repeated-connect": Difference(
        sheet="03, section 3.2; 05, F4",
        ours="A repeated CONNECT that names another user has to bring that user's password.",
        theirs="Takes the password of the CONNECT before where the new one brings none.",
        reason="No password is kept in memory.",
        shown_by="../core/net/client_auth_test.c::connect_again_is_a_login_again",
    ),
    "authentication-timeout": Difference(
        sheet="01, section 10; 05, section 9",
        ours="The time for a login also runs while it waits for a thread that computes its bcrypt hash, and ends it there. Once the thread has begun it may finish.",
        theirs="Stops the clock when the CONNECT has come; hashes are computed by as many threads as there are logins.",
        reason="A flood of bad logins must not leave a queue behind for those who come after it.",
        shown_by="../core/net/client_auth_test.c::who_waits_too_long_for_the_pool_is_refused",
    ),
}


REPEATED = frozenset(d.repeats for d in DIFFERENCES.values() if d.repeats)


def explanation(streams):
    """The ids of the entries that may explain a difference in a scenario whose connections sent `streams`."""
    return [i for i, d in DIFFERENCES.items() if d.explains and any(d.explains(s) for s in streams)]


HEAD = """# Differences from nats-server

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
- With several cores: whether a request gets its 503 whose only takers are connections of another core that may not have it by their
  permissions. They do not get it; the requester is told nothing, where nats-server says 503.

Not compared yet, because Midge does not have it yet: `$SYS.` services that nats-server offers to the default
account, and whatever is refused by name (accounts, TLS, websocket, ...). What differs in options and command line stands in
[migration.md](migration.md).

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
    from oracle.conf_differences import conf_sections
    return "\n".join(out) + FREE + "\n" + "\n".join(conf_sections())


if __name__ == "__main__":
    import os
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "differences.md")
    with open(path, "w") as f:
        f.write(render())
