"""No row of the security sheet is forgotten: each that applies to what exists has a test that carries its name, and each other says what
it waits for. When that comes, the server takes its option, and the row must move to the first table (with a test).

A name is carried as words between underscores, in any case: test_A8_..., c12_..., r12_..., test_TOB_NATS_10_..., test_R2_C10_....
The sheet numbers its rows A, H, TOB-NATS, R, T, F and C; those of its sections 4 and 9 have no number, and are called S4_ and S9_ here.
"""

import os
import re
import subprocess

import pytest

from support import patience

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

LAST = {"A": 45, "H": 21, "TOB_NATS_": 10, "R": 14, "T": 12, "F": 24, "C": 13}

# What each row is about.
APPLIES = {
    "A1": "sizes that overflow", "A2": "keys inside a CONNECT", "A8": "an account chosen by a client", "A11": "denied subjects through wildcards",
    "A15": "a system account that opens the door", "A30": "secrets of the command line", "A31": "traces to where one may not publish",
    "A32": "no_auth_user on other listeners", "A33": "denied subjects through overlaps and queues", "A34": "a queue's deny over a plain one",
    "A40": "no_auth_user past connection types", "A44": "offset and limit that overflow", "A45": "lines forged in the log",
    "H10": "secrets in traces", "H11": "who is signed in, in /connz", "H12": "JSONP", "H14": "replies that feed themselves",
    "H17": "blank subjects in permissions", "H19": "locks", "H21": "bodies and heads of monitoring requests",
    "TOB_NATS_2": "empty is not unset", "TOB_NATS_3": "constant time", "TOB_NATS_5": "a bare CR", "TOB_NATS_6": "what CI fetches is pinned",
    "TOB_NATS_7": "nothing is fetched in the clear", "TOB_NATS_8": "returns that hold a lock", "TOB_NATS_10": "slow readers of monitoring",
    "R1": "all of this table", "R2": "results that are used", "R3": "short functions", "R4": "static analysis", "R5": "who may see monitoring",
    "R9": "every option is in the manual", "R12": "fuzzing over splits", "R13": "one place knows where a payload ends", "R14": "a list of what it stands on",
    "T6": "strangers and the system", "T10": "what monitoring shows", "T12": "logins in the clear are warned of",
    "F1": "permissions", "F4": "secrets are wiped", "F6": "deadlines", "F10": "files that contradict themselves", "F11": "reloads that fail",
    "F12": "redaction", "F14": "floods in the log", "F15": "closed connections", "F16": "log files", "F17": "queries of monitoring", "F23": "safe defaults",
    "F24": "credentials change without a restart",
    "C1": "lengths from the network", "C2": "numbers from text", "C3": "flags of the build", "C4": "sanitizers", "C5": "fuzzers and their corpus",
    "C6": "JSON", "C7": "cryptography with known answers", "C8": "no memory", "C9": "descriptors", "C10": "formats", "C11": "seeded hashes",
    "C12": "recursion", "C13": "signals",
    "S4_files": "who else writes files", "S4_unit": "the unit of systemd",
    "S9_control_line": "bytes before a login", "S9_connect_json": "depth of a CONNECT", "S9_monitoring": "heads of requests", "S9_failures": "failed logins",
}

# feature -> the rows that wait for it (where several do, the last of them).
WAITS = {
    "accounts": "A5 A13 A24 A25 T5 F13 F18 F19",
    "nkeys": "A39 T11 F3",
    "operator mode": "A3 A4 A6 A10 R10 T7 T9 F2 S9_jwt S9_resolver",
    "the auth callout": "A14 H6 F22 S9_callout",
    "TLS": "A7 A17 A29 H16 F9 S9_tls",
    "JetStream": "A9 A12 A16 A28 H1 H2 H3 H13 H15 H18 TOB_NATS_1 TOB_NATS_4 F7 F8 F21 S4_entries S4_paths S4_staging S4_move S4_consumers S4_limits",
    "websocket listeners": "A18 A19 A27 H20 R8 T8 S9_ws_request S9_ws_frames",
    "MQTT": "A21 A22 A23 A37 A38 A41 A42 A43 H4 H8 H9 F5 F20 S9_mqtt",
    "leaf nodes": "A20 A26 A35 A36 H7 R6 R7 T3 T4",
    "clustering": "T1",
    "gateways": "T2",
    "the PROXY protocol": "H5 S9_proxy",
    "midgectl": "R11",  # the tool that shows what a user may do
    "Windows": "TOB_NATS_9",
}

# feature -> a configuration that asks for it, and is refused as long as rows wait.
ASKS = {
    "accounts": "accounts { A { } }",
    "nkeys": "authorization { users: [ {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4} ] }",
    "operator mode": "operator: x.jwt",
    "the auth callout": "authorization { auth_callout { issuer: AB, auth_users: [a], account: A } }",
    "TLS": "tls { cert_file: c, key_file: k }",
    "JetStream": "jetstream: true",
    "websocket listeners": "websocket { port: 80 }",
    "MQTT": "mqtt { port: 1883 }",
    "leaf nodes": "leafnodes { port: 7422 }",
    "clustering": "cluster { name: c, port: 6222 }",
    "gateways": "gateway { name: g, port: 7222 }",
    "the PROXY protocol": "proxy_protocol: true",
}


def waiting():
    return {row: feature for feature, rows in WAITS.items() for row in rows.split()}


SECTIONS = sorted((row for row in [*APPLIES, *waiting()] if row.startswith("S")), key=len, reverse=True)
ROW = re.compile(r"(?<![A-Za-z0-9])(?:TOB_NATS_\d+|[AHRTFC]\d+|%s)(?![A-Za-z0-9])" % "|".join(SECTIONS), re.IGNORECASE)
SPELLED = {row.lower(): row for row in SECTIONS}


def rows_in(name):
    """The rows that a test's name carries, spelled as in the tables."""
    return [SPELLED.get(row.lower(), row.upper()) for row in ROW.findall(name)]


def names_of(path, text):
    """The tests of a file: functions of pytest, entries of cmocka's tables."""
    if path.endswith("_test.py"):
        return re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    return re.findall(r"\bcmocka_unit_test\w*\((\w+)", text)


@pytest.fixture(scope="module")
def named():
    """row -> the tests that carry its name."""
    found = {}
    for room in ("core", "proto", "auth", "tests"):
        for folder, _, files in os.walk(os.path.join(ROOT, room)):
            for file in files:
                if file.endswith(("_test.py", "_test.c")):
                    with open(os.path.join(folder, file), encoding="utf-8") as f:
                        for name in names_of(file, f.read()):
                            for row in rows_in(name):
                                found.setdefault(row, []).append(f"{file}: {name}")
    return found


@pytest.mark.parametrize("row", APPLIES)
def test_R1_every_row_has_a_test_of_its_name(named, row):
    assert named.get(row), f"no test carries the name {row} ({APPLIES[row]})"


def test_R1_every_row_is_in_one_table():
    rows = [*APPLIES, *(row for part in WAITS.values() for row in part.split())]
    assert len(rows) == len(set(rows)), "a row stands twice"
    numbered = {row for row in rows if not row.startswith("S")}
    assert numbered == {f"{letter}{i}" for letter, last in LAST.items() for i in range(1, last + 1)}


def test_R1_no_test_carries_the_name_of_a_row_that_is_not_there(named):
    assert {row: names for row, names in named.items() if row not in APPLIES and row not in waiting()} == {}


@pytest.mark.parametrize("feature", [f for f in WAITS if f in ASKS])
def test_R1_what_rows_wait_for_is_not_there(server_bin, tmp_path, feature):
    """If it is: its rows apply now. Move them to the first table."""
    path = tmp_path / "asks.conf"
    path.write_text(ASKS[feature] + "\n")
    done = subprocess.run([server_bin, "-t", "-c", str(path)], capture_output=True, text=True, timeout=patience(), check=False)
    assert done.returncode == 1 and f"midge does not have {feature} yet" in done.stderr, done.stderr


def test_names_are_read_as_they_are_meant():
    assert rows_in("test_R2_C10_results_and_formats_are_errors") == ["R2", "C10"]
    assert rows_in("tob_nats_5_a_bare_cr_is_an_error") == ["TOB_NATS_5"]
    assert rows_in("test_s9_control_line_without_end") == ["S9_control_line"]
    assert rows_in("test_100000_messages_of_a1x_make_no_A") == []
    assert names_of("x_test.c", "cmocka_unit_test_setup(c8_x, up), cmocka_unit_test(y),") == ["c8_x", "y"]
    assert names_of("x_test.py", "def test_A1_x(a):\n    def test_inner():\ndef helper():\n") == ["test_A1_x"]
