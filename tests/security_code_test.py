"""What the security sheet asks of the code, of scripts and of what is fetched, rather than of a running server. Each rule works on a mapping
of path -> text and yields what breaks it, so that each is also shown a planted violation and must find it.
"""

import hashlib
import os
import re
import sys
from contextlib import nullcontext

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "conformance"), os.path.join(HERE, "..", "tools", "lib")]
import analyze  # noqa: E402
import clients  # noqa: E402

PEERS = ("proto/", "core/broker/", "auth/", "core/net/")  # the rooms that handle what peers send
SERVER = (*PEERS, "core/rt/", "core/server/")
OURS = re.compile(r"_(test|bench|fuzz|check|suite|suite_rig)\.c$|_world\.h$")  # tests and their tools


def code(files, rooms=SERVER):
    """(path, text) of the server's C, comments and strings blanked."""
    for path, text in files.items():
        if path.startswith(rooms) and path.endswith((".c", ".h")) and not OURS.search(path):
            yield path, re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', lambda m: '""' if m.group(0)[0] in "\"'" else
                               "\n" * m.group(0).count("\n"), text, flags=re.DOTALL)


def functions(text):
    """(name, lines of the body) of each function."""
    lines, name, start = text.split("\n"), None, None
    for i, line in enumerate(lines):
        if start is None and (head := re.match(r"(\w+)\(", line)):
            name = head.group(1)
        elif line == "{" and name:
            start = i
        elif line == "}" and start is not None:
            yield name, lines[start + 1:i]
            name = start = None


# --- C1, C2, R13 ------------------------------------------------------------------------------------------------------


def unbounded(files):
    """Functions that write without a bound, or keep what they read in a hidden place."""
    for path, text in code(files):
        for call in re.findall(r"\b(?:strcat|stpcpy|v?sprintf|gets|strtok|alloca)\(|\bstrcpy\([^;]*, [^\"][^;]*\)", text):
            yield f"{path}: {call}"


def bytes_taken_for_structs(files):
    """proto/ reads numbers a byte at a time: what stands in a peer's bytes has no alignment, and an order of its own."""
    for path, text in code(files, ("proto/",)):
        for cast in re.findall(r"\((?:(?:const )?u?int(?:16|32|64)_t|const struct \w+) ?\*\)", text):
            yield f"{path}: {cast}"


NUMBERS = re.compile(r"\b(?:ato(?:i|l|ll|f)|strto\w+|v?f?s?scanf)\(")
TRUSTED = {  # path -> whose text it is, where the end of the number is not looked at
    "proto/conf_digest.c": "what was just printed",
    "proto/conf_number.c": "what the lexer took for a number",
    "core/rt/proc.c": "the kernel's names of processes",
    "core/server/monitor_proc.c": "the kernel's figures",
    "core/server/monitor_root.c": "the kernel's names of threads",
    "core/rt/go_text.c": "what was just printed",
    "core/server/control.c": "digits that were counted before",
}


def numbers_without_an_end(files):
    """Peers' numbers are read by our own parsers alone, the operator's never without looking where they end."""
    for path, text in code(files):
        for call in NUMBERS.finditer(text):
            rest = text[call.start():text.index(";", call.start())]
            if path.startswith(PEERS) and not path.startswith("proto/conf_") or rest.startswith("ato") or "scanf" in rest and "%n" not in files[path]:
                yield f"{path}: {rest}"
            elif "strto" in rest and re.search(r", NULL\b", rest) and path not in TRUSTED:
                yield f"{path}: {rest}"


def digits_that_may_overflow(files):
    """Where digits are added up there is a bound: on how many, or on the sum."""
    for path, text in code(files):
        for name, body in functions(text):
            all_ = "\n".join(body)
            if re.search(r"\* 10 \+", all_) and not re.search(r"DIGITS_MAX|digits_max|_MAX\b|\bmax\b|overflow|isdigit|fraction", all_) and "s[1] -" not in all_:
                yield f"{path}: {name}"


def ends_of_payloads(files):
    """nats_payload knows where a payload ends; and the short cut for runs, which nats_run_test.c holds against it."""
    found = {name for path, text in code(files, ("proto/nats",)) for name, body in functions(text)
             for line in body if re.search(r"\+ op->size\b|\bop->size \+|\(size_t\)size \+ 2\b", line)}
    if found != {"nats_payload", "nats_run_next"}:
        yield f"it is computed by {sorted(found)}"


# --- H19, TOB-NATS-8 --------------------------------------------------------------------------------------------------

MUTEXES = {"core/rt/log.c", "core/rt/offload.c", "core/rt/io_epoll_file.c", "core/server/monitor.c", "core/server/monitor_proc.c", "core/server/monitor_priv.h"}
LOCK = re.compile(r"\b(?:pthread_mutex_|\w+_)(lock|unlock)\((&?[\w.>-]+)\)")
ORDER = [("&log_state.lock", "&log_state.shared_lock")]  # who holds the first may take the second; no other two are held at once
WRAPPERS = {"offload_lock", "offload_unlock"}


def mutexes_elsewhere(files):
    """Shards share nothing: a mutex is for the threads beside them."""
    for path, text in code(files):
        if re.search(r"\bpthread_(?:mutex|rwlock|spin)_|\bmtx_|\bsem_(?:wait|init)\(", text) and path not in MUTEXES:
            yield path


def returns_that_hold(files):
    """In the order of its lines a function unlocks what it locked, the last one first, and does not return before."""
    for path, text in code(files):
        for name, body in functions(text):
            if name in WRAPPERS:
                continue
            held, ways_out = [], {}
            for line in body:
                label = re.match(r"(\w+):$", line)
                if label and ways_out.get(label.group(1), held) != held:
                    yield f"{path}: {name} comes to {label.group(1)} with other locks than it went there with"
                for what, lock in LOCK.findall(line):
                    if what == "lock":
                        if held and (held[-1], lock) not in ORDER:
                            yield f"{path}: {name} takes {lock} while it holds {held[-1]}"
                        held.append(lock)
                    elif not held or held.pop() != lock:
                        yield f"{path}: {name} unlocks {lock}, which it did not lock last"
                if (to := re.search(r"\bgoto (\w+);", line)):
                    ways_out[to.group(1)] = list(held)
                if held and re.search(r"\breturn\b", line):
                    yield f"{path}: {name} may leave with {held[-1]} held"
            if held:
                yield f"{path}: {name} ends with {held[-1]} held"


# --- R3 ---------------------------------------------------------------------------------------------------------------

WAYS_MAX = 20


def ways_through_a_login(files):
    """Who comes in is decided by functions that one can follow."""
    for path, text in code(files, ("auth/", "core/net/client_auth")):
        for name, body in functions(text):
            ways = 1 + sum(len(re.findall(r"\b(?:if|for|while|case)\b|&&|\|\||\?", line)) for line in body)
            if ways > WAYS_MAX:
                yield f"{path}: {name} has {ways}"


# --- TOB-NATS-6, TOB-NATS-7, R14: what is fetched ---------------------------------------------------------------------

SCRIPTS = ("tools/", ".ci/", ".github/", "tests/conformance/", "meson.build", "tests/meson.build")
HASH = r"[0-9a-f]{64}"


def unpinned(files):
    """Each thing that a check fetches is named with its version, and held to a hash in the tree (Debian's packages: to Debian's signatures)."""
    at = "tests/conformance/"
    for line in files[at + "nats_py/requirements.txt"].splitlines():
        if line and not line.startswith("#") and not re.fullmatch(rf"[\w-]+==[\d.]+ --hash=sha256:{HASH}", line):
            yield f"nats_py: {line}"
    packages = re.findall(r'^    "node_modules/[^"]+": \{(.*?)^    \}', files[at + "nats_js/package-lock.json"], re.MULTILINE | re.DOTALL)
    if not packages or not all(re.search(r'"integrity": "sha512-[\w+/=]{88}"', p) for p in packages):
        yield "nats_js: package-lock.json has no integrity for every package"
    for name, version in re.findall(r"^(?:require |\t)([\w./-]+) (v[\d.]+)", files[at + "nats_go/go.mod"], re.MULTILINE):
        if not re.search(rf"^{re.escape(name)} {re.escape(version)} h1:", files[at + "nats_go/go.sum"], re.MULTILINE):
            yield f"nats_go: {name} {version} is not in go.sum"
    for name, spec in re.findall(r'^([\w-]+) = (?:\{ version = )?"([^"]+)"', files[at + "async_nats/Cargo.toml"].partition("[dependencies]")[2].partition("\n[")[0], re.MULTILINE):
        if not spec.startswith("="):
            yield f"async_nats: {name} {spec}"
        if not re.search(rf'^name = "{name}"\nversion = "{re.escape(spec[1:])}"\nsource = "[^"]+"\nchecksum = "{HASH}"$', files.get(at + "async_nats/Cargo.lock.in", ""), re.MULTILINE):
            yield f"async_nats: {name} {spec} is not in Cargo.lock.in"
    for name, version in re.findall(r"<artifactId>([\w-]+)</artifactId>\s*<version>([^<]+)</version>\s*</dependency>", files[at + "jnats/pom.xml"]):
        if not re.search(rf"^{HASH}  {name}-{re.escape(version)}\.jar$", files.get(at + "jnats/jars.sha256", ""), re.MULTILINE):
            yield f"jnats: {name} {version} is not in jars.sha256"
    for path, text in files.items():
        if path.startswith(SCRIPTS):
            for module in re.findall(r"\bgo install [^\s\"]+@(\S+)|^REFERENCE=\S+@(\S+)$", text, re.MULTILINE):
                if not re.match(r"v\d+\.\d+\.\d+", "".join(module)):
                    yield f"{path}: {module}"
        if path.startswith(".github/"):
            yield from (f"{path}: {use}" for use in re.findall(r"\buses: *(\S+)", text) if not re.search(r"@[0-9a-f]{40}$", use))


def pins_that_are_not_used(files):
    """A lock file that the package client may rewrite, or a list of hashes that nobody compares, pins nothing."""
    text = files["tests/conformance/clients.py"]
    for what in ("--require-hashes", '"npm", "ci"', "-mod=readonly", '"fetch", "--quiet", "--locked"', '"--locked", "--offline"', "check_jars("):
        if what not in text:
            yield f"clients.py without {what}"


INSECURE = re.compile(r"\b(?:curl|wget)\b|--no-check-certificate|--trusted-host|--insecure|GOINSECURE|GONOSUMDB|GONOSUMCHECK|GONOSUMDB|GOFLAGS=-insecure|GOSUMDB|strict-ssl"
                      r"|--allow-unauthenticated|trusted=yes|--force-yes|maven\.wagon\.http\.ssl|aether\.connector\.https|\bgit\+http|\bftp://")


def in_the_clear(files):
    """Nothing is fetched but by package clients that check what they get; and none of them is told not to."""
    for path, text in files.items():
        if path.startswith(SCRIPTS):
            for line in text.split("\n"):
                address = re.search(r"\bhttp://(?!127\.0\.0\.1|localhost|\{)[^\s\"']*", line)
                if address and "xmlns" not in line:
                    yield f"{path}: {address.group(0)}"
                if INSECURE.search(line):
                    yield f"{path}: {line.strip()}"


def unlisted(files):
    """docs/security.md names every library, and who mends it."""
    table = files["docs/security.md"].partition("## What it stands on")[2].partition("\n## ")[0]
    for name in re.findall(r"dependency\('(\w+)'", files["meson.build"]):
        if name != "threads" and not re.search(re.escape(name.removeprefix("lib")), table, re.IGNORECASE):
            yield name
    if "security updates" not in table:
        yield "no word on who mends them"


# --- S4 ---------------------------------------------------------------------------------------------------------------

UNIT = ["User=nats", "ProtectSystem=strict", "PrivateTmp=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources", "UMask=0077", "LimitNOFILE=800000", "TimeoutStopSec=150"]


def unit_is_not_tight(files):
    """The unit that the manual shows. (Midge stores nothing yet: it needs no ReadWritePaths.)"""
    unit = re.findall(r"^    (\S.*)$", files["docs/operating.md"].partition("## systemd")[2], re.MULTILINE)
    yield from (line for line in UNIT if line not in unit)
    if not any(re.fullmatch(r"RestrictAddressFamilies=AF_INET AF_INET6( AF_UNIX)?", line) for line in unit):
        yield "RestrictAddressFamilies"
    yield from (line for line in unit if line.startswith("AmbientCapabilities") or line == "User=root")


# ----------------------------------------------------------------------------------------------------------------------


def holds(files, *rules):
    found = [f"{rule.__name__}: {found}" for rule in rules for found in rule(files)]
    assert not found, "\n".join(found)


def test_C1_what_peers_send_is_read_and_written_within_bounds(committed):
    holds(committed, unbounded, bytes_taken_for_structs)


def test_C2_numbers_have_an_end_and_a_bound(committed):
    holds(committed, numbers_without_an_end, digits_that_may_overflow)


def test_R13_one_place_knows_where_a_payload_ends(committed):
    holds(committed, ends_of_payloads)


def test_H19_TOB_NATS_8_no_function_leaves_with_a_lock(committed):
    holds(committed, mutexes_elsewhere, returns_that_hold)


def test_R3_logins_can_be_followed(committed):
    holds(committed, ways_through_a_login)


def test_TOB_NATS_6_what_is_fetched_is_pinned(committed):
    holds(committed, unpinned, pins_that_are_not_used)


@pytest.mark.parametrize("said", ["code EINTEGRITY", "error: checksum for `bytes v1.0.0` changed between lock files"])
def test_TOB_NATS_6_a_hash_that_differs_is_no_reason_to_skip(said):
    with pytest.raises(clients.BuildFailed):
        clients.fetch(["sh", "-c", f"echo '{said}' >&2; exit 1"], ".")
    with pytest.raises(clients.Missing):
        clients.fetch(["sh", "-c", "echo 'no such host' >&2; exit 1"], ".")


@pytest.mark.parametrize("there, ok", [({"a.jar": b"a"}, True), ({"a.jar": b"b"}, False), ({}, False), ({"a.jar": b"a", "b.jar": b"b"}, False)])
def test_TOB_NATS_6_jars_are_those_of_the_list(tmp_path, there, ok):
    (tmp_path / "lib").mkdir()
    for name, data in there.items():
        (tmp_path / "lib" / name).write_bytes(data)
    (tmp_path / "list").write_text(hashlib.sha256(b"a").hexdigest() + "  a.jar\n")
    with nullcontext() if ok else pytest.raises(clients.BuildFailed):
        clients.check_jars(tmp_path / "lib", tmp_path / "list")


def test_TOB_NATS_7_nothing_is_fetched_in_the_clear(committed):
    holds(committed, in_the_clear)


def test_R14_what_it_stands_on_is_listed(committed):
    holds(committed, unlisted)


def test_S4_unit_of_the_manual_is_tight(committed):
    holds(committed, unit_is_not_tight)


# --- R4 ---------------------------------------------------------------------------------------------------------------


def test_R4_both_analyzers_are_part_of_every_check(committed):
    text = committed["tools/check"]
    assert "PARTS=(" in text and " analyze " in text.partition("PARTS=(")[2].partition(")")[0] and "wanted analyze && analyze" in text
    assert set(analyze.TOOLS) == {"clang", "gcc"} and "--analyze" in analyze.TOOLS["clang"][1] and "-fanalyzer" in analyze.TOOLS["gcc"][1]


@pytest.mark.parametrize("tool", analyze.TOOLS)
def test_R4_analyzers_find_what_is_planted(tmp_path, tool):
    if analyze.version(tool) != analyze.TOOLS[tool][0]:
        pytest.skip(f"no {tool} {analyze.TOOLS[tool][0]} here")
    path = tmp_path / "planted.c"
    path.write_text("#include <stdlib.h>\nint f(int n)\n{\n    int *p = malloc(8);\n    if (p == NULL)\n        return 0;\n    *p = n;\n    free(p);\n    return *p;\n}\n")
    assert [line for _, line, _, _ in analyze.reports(tool, str(path), [], tmp_path)] == [9]
    path.write_text("int f(int n)\n{\n    return n;\n}\n")
    assert analyze.reports(tool, str(path), [], tmp_path) == []
    path.write_text("no C at all\n")
    with pytest.raises(RuntimeError):
        analyze.reports(tool, str(path), [], tmp_path)


def test_R4_what_is_known_of_the_analyzers_is_of_files_that_exist(committed):
    assert {path for _, path, _ in analyze.KNOWN if path not in committed} == set()


# What each rule must find: (rule, path, what stands there, what is planted in its place). The path "+" is a file of its own.
AT = "tests/conformance/"
PLANTED = [
    (unbounded, "+core/net/a.c", None, "f(void)\n{\n    strcat(to, from);\n}\n"),
    (unbounded, "+core/server/a.c", None, "f(void)\n{\n    (void)strcpy(to, from);\n}\n"),
    (bytes_taken_for_structs, "+proto/a.c", None, "f(void)\n{\n    n = *(const uint32_t *)p;\n}\n"),
    (numbers_without_an_end, "+core/net/a.c", None, "f(void)\n{\n    n = strtol(p, &end, 10);\n}\n"),
    (numbers_without_an_end, "+core/server/a.c", None, "f(void)\n{\n    n = strtoul(p, NULL, 10);\n}\n"),
    (numbers_without_an_end, "+core/rt/a.c", None, "f(void)\n{\n    n = atoi(p);\n}\n"),
    (digits_that_may_overflow, "+proto/a.c", None, "f(void)\n{\n    n = n * 10 + d;\n}\n"),
    (ends_of_payloads, "+proto/nats_a.c", None, "f(void)\n{\n    op->n_bytes = line_len + op->size + 2;\n}\n"),
    (mutexes_elsewhere, "+core/net/a.c", None, "f(void)\n{\n    pthread_mutex_lock(&m);\n}\n"),
    (returns_that_hold, "+core/rt/a.c", None, "f(void)\n{\n    pthread_mutex_lock(&m);\n    if (bad)\n        return 1;\n    pthread_mutex_unlock(&m);\n}\n"),
    (returns_that_hold, "+core/rt/a.c", None, "f(void)\n{\n    offload_lock(o);\n}\n"),
    (returns_that_hold, "+core/rt/a.c", None, "f(void)\n{\n    offload_lock(o);\n    if (bad)\n        goto out;\n    offload_unlock(o);\nout:\n    free(o);\n}\n"),
    (returns_that_hold, "+core/rt/a.c", None, "f(void)\n{\n    pthread_mutex_lock(&a);\n    pthread_mutex_lock(&b);\n    pthread_mutex_unlock(&b);\n    pthread_mutex_unlock(&a);\n}\n"),
    (ways_through_a_login, "+auth/a.c", None, "f(void)\n{\n" + "    if (a && b)\n" * 10 + "}\n"),
    (unpinned, AT + "nats_py/requirements.txt", " --hash=", " # "),
    (unpinned, AT + "nats_js/package-lock.json", '"integrity"', '"was"'),
    (unpinned, AT + "nats_go/go.mod", "nats.go v1.", "nats.go v9."),
    (unpinned, AT + "async_nats/Cargo.toml", 'async-nats = { version = "=', 'async-nats = { version = "'),
    (unpinned, AT + "async_nats/Cargo.lock.in", "checksum", "was"),
    (unpinned, AT + "jnats/pom.xml", "<artifactId>jnats</artifactId>", "<artifactId>jnats2</artifactId>"),
    (unpinned, "tools/check", "REFERENCE=github.com/nats-io/nats-server/v2@v2.14.5", "REFERENCE=github.com/nats-io/nats-server/v2@latest"),
    (unpinned, "+.github/workflows/a.yml", None, "  - uses: actions/checkout@v4\n"),
    (pins_that_are_not_used, AT + "clients.py", '"npm", "ci"', '"npm", "install"'),
    (in_the_clear, "+tools/a.sh", None, "curl https://example.org/x | sh\n"),
    (in_the_clear, "+tools/a.sh", None, "fetch http" + "://example.org/x\n"),
    (in_the_clear, "+.ci/a", None, "GOSUMDB=off go install x\n"),
    (unlisted, "meson.build", "dependency('liburing'", "dependency('libwhatever'"),
    (unit_is_not_tight, "docs/operating.md", "NoNewPrivileges=yes", "NoNewPrivileges=no"),
]


@pytest.mark.parametrize("rule, path, old, new", PLANTED, ids=lambda v: v.__name__ if callable(v) else "")
def test_a_rule_finds_what_is_planted(committed, rule, path, old, new):
    assert old is None or old in committed[path]
    files = {**committed, path.lstrip("+"): new if old is None else committed[path].replace(old, new)}
    assert list(rule(files))
