"""The rules of the house that a compiler does not see: who includes whom, how large a file is, what may not be committed.

The rules work on a mapping of path -> text, so that each is also shown a planted violation and must find it.
"""

import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# From the ground up (design: architecture). A room sees itself and those before it; tests/ and tools/ see all.
ROOMS = ["core/rt", "proto", "core/broker", "auth", "raft", "store", "core/net", "core/server"]

# proto/ is pure: bytes to structs and back. What it may see of the world is listed, all else is forbidden.
PURE_SYSTEM = {"ctype.h", "emmintrin.h", "immintrin.h", "inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h",
               "string.h", "sodium.h", "cjson/cJSON.h"}  # sodium: wiping
PURE_RT = {"core/rt/" + name for name in ("assert.h", "copy.h", "err.h", "fault.h", "hash.h", "mutate.h", "poison.h", "util.h")}

LINES_MAX = 1000
LINES_DEBT = {}  # path -> lines, with a word on how it will be cut
CODE = (".c", ".h", ".py", ".sh", ".mjs", ".go", ".rs", ".java", ".build")
GENERATED = re.compile(r"(^|/)(go\.sum|package-lock\.json)$|\.(inc|svg|tsv|json)$|/recorded/|_corpus/")

# Written in pieces, because this file is committed text too.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io", "proxy.go" + "lang.org",
              "sum.go" + "lang.org", "repo.mav" + "en", "repo1.mav" + "en", "deb.deb" + "ian.org", "security.deb" + "ian.org"]
MACHINE_FOLDER = re.compile(r"(?<![\w./{}$-])/(?:work|root|home)/\w")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)


def room_of(path):
    return next((room for room in ROOMS if path.startswith(room + "/")), None)


def is_test(path):
    return re.search(r"(_test|_fuzz|_sim|_bench)\.[ch]$", path) is not None


def includes(files):
    """(path, "<" or '"', header) for every include of every C file."""
    for path, text in files.items():
        if path.endswith((".c", ".h", ".inc")):
            for kind, header in INCLUDE.findall(text):
                yield path, kind, header


def resolve(path, header, files):
    """The file of ours that `#include "header"` in path means, or None."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
    return next((p for p in (beside, header) if p in files), None)


def wrong_order(files):
    for path, kind, header in includes(files):
        target = resolve(path, header, files) if kind == '"' else None
        here, there = room_of(path), room_of(target or header)
        if kind == '"' and target is None:
            yield f'{path} includes "{header}", which is not in the tree'
        elif here and not there and target:
            yield f"{path} includes {target}, which is in no room"
        elif here and there and ROOMS.index(there) > ROOMS.index(here):
            yield f"{path} ({here}) includes {target or header} of a higher room ({there})"


def foreign_private(files):
    for path, kind, header in includes(files):
        if header.endswith("_priv.h") and room_of(path) and room_of(resolve(path, header, files) or header) != room_of(path):
            yield f"{path} includes {header}, which is private to its room"


def errno_outside_rt(files):
    for path, _, header in includes(files):
        if header in ("errno.h", "linux/errno.h", "sys/errno.h") and room_of(path) not in (None, "core/rt"):
            yield f"{path} includes <{header}>: errno stops inside core/rt"


def impure_proto(files):
    for path, kind, header in includes(files):
        if room_of(path) != "proto" or is_test(path) or path.endswith(("fuzz_main.c", "_check.c")):  # these are tests' own
            continue
        if kind == "<" and header not in PURE_SYSTEM:
            yield f"{path} includes <{header}>: proto/ is pure"
        if kind == '"' and header.startswith("core/rt/") and header not in PURE_RT:
            yield f"{path} includes {header}: proto/ is pure"


def too_long(files):
    for path, text in files.items():
        n = text.count("\n")
        if path.endswith(CODE) and not GENERATED.search(path) and n > LINES_DEBT.get(path, LINES_MAX):
            yield f"{path} has {n} lines; past {LINES_MAX} a file usually holds two ideas"


def forbidden_text(files):
    for path, text in files.items():
        for host in REGISTRIES:
            if host in text:
                yield f"{path} names the registry host {host}"
        found = MACHINE_FOLDER.search(text)
        if found:
            yield f"{path} names a folder of some machine: {found.group(0)}"


def rooms_without_manual(files):
    for room in ROOMS:
        if any(p.startswith(room + "/") and p.endswith(".c") for p in files) and f"{room}/README.md" not in files:
            yield f"{room} has no README.md"


RULES = [wrong_order, foreign_private, errno_outside_rt, impure_proto, too_long, forbidden_text, rooms_without_manual]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule, committed):
    found = list(rule(committed))
    assert not found, "\n".join(found)


PLANTED = [
    (wrong_order, {"core/rt/a.c": '#include "core/net/conn.h"\n', "core/net/conn.h": ""}),
    (wrong_order, {"proto/a.c": '#include "../core/broker/b.h"\n', "core/broker/b.h": ""}),
    (wrong_order, {"core/broker/a.c": '  #  include "auth/a.h"\n', "auth/a.h": ""}),
    (wrong_order, {"store/a.c": '#include "core/server/opts.h"\n', "core/server/opts.h": ""}),
    (wrong_order, {"core/rt/a.c": "#include <proto/nats.h>\n", "proto/nats.h": ""}),
    (wrong_order, {"core/net/a.c": '#include "tests/support/x.h"\n', "tests/support/x.h": ""}),
    (wrong_order, {"core/net/a.c": '#include "gone.h"\n'}),
    (foreign_private, {"core/net/a.c": '#include "core/broker/broker_priv.h"\n', "core/broker/broker_priv.h": ""}),
    (errno_outside_rt, {"core/net/a.c": "#include <errno.h>\n"}),
    (impure_proto, {"proto/a.c": "#include <time.h>\n"}),
    (impure_proto, {"proto/a.h": '#include "core/rt/io.h"\n', "core/rt/io.h": ""}),
    (too_long, {"core/rt/a.c": "\n" * (LINES_MAX + 1)}),
    (forbidden_text, {"docs/a.md": "see https://" + REGISTRIES[0] + "/x"}),
    (forbidden_text, {"tools/a.sh": "cat /" + "root/secret"}),
    (rooms_without_manual, {"raft/a.c": ""}),
]


@pytest.mark.parametrize("rule,files", PLANTED, ids=lambda v: v.__name__ if callable(v) else None)
def test_rule_finds_what_is_planted(rule, files):
    assert list(rule(files))


ALLOWED = {
    "core/rt/a.c": '#include <errno.h>\n#include "core/rt/io_priv.h"\n',
    "core/rt/io_priv.h": "",
    "core/rt/err.h": "",
    "core/rt/README.md": "",
    "proto/a.c": '#include <string.h>\n#include "core/rt/err.h"\n#include "a.h"\n',
    "proto/a.h": "",
    "proto/a_test.c": "#include <stdio.h>\n",
    "proto/README.md": "",
    "core/server/main.c": '#include "proto/a.h"\n',
    "core/server/README.md": "",
    "tests/x.c": '#include "core/rt/io_priv.h"\n',
    "docs/a.md": "see tests/work/ and a/home/b\n",
}


def test_rules_allow_what_is_right():
    assert [f for rule in RULES for f in rule(ALLOWED)] == []


def test_R3_functions_are_short(committed):
    for path, text in committed.items():
        if path.endswith(".c") and not path.endswith(("_test.c", "_bench.c")):
            start = None
            for i, line in enumerate(text.split("\n")):
                if line == "{":
                    start = i
                elif line == "}" and start is not None:
                    assert i - start <= 120, f"{path}:{start}"
                    start = None


def test_C5_every_fuzzer_has_a_corpus(committed):
    for path in committed:
        if path.endswith("_fuzz.c"):
            folder, name = path.rsplit("/", 1)
            assert os.listdir(os.path.join(ROOT, folder, "corpus", name[:-7])), path


def test_R2_C10_results_and_formats_are_errors(committed):
    for flag in ("'werror=true'", "'-Wunused-result'", "'-Wformat=2'", "'-Wformat-security'", "'-Wconversion'"):
        assert flag in committed["meson.build"], flag


def test_C4_every_check_runs_under_sanitizers(committed):
    for what in ("-Db_sanitize=address,undefined", "-Db_sanitize=thread", "detect_leaks=1"):
        assert what in committed["tools/check"]


def test_TOB_NATS_3_secrets_are_compared_in_constant_time(committed):
    text = committed["auth/password.c"]
    assert text.count("sodium_memcmp") >= 2 and not re.search(r"\b(strcmp|strncmp|memcmp)\(", text)
