"""Run clang's and gcc's static analyzers over the server's sources, and say what they report beyond what is known to be wrong.

    analyze.py BUILD_DIR JUNIT_XML [FILE...]     FILE: only sources whose path contains one of these

BUILD_DIR is a meson build by clang: its compile_commands.json names the sources and their flags. One test case for each source and analyzer.
A report that KNOWN does not list is a failure, and so is one that KNOWN lists and nobody makes any more. The table holds for the compilers of
Debian 12; with others the case is a skip, for they report other things.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from xml.sax.saxutils import escape, quoteattr

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = ("core/", "proto/", "auth/")
NOT_SHIPPED = re.compile(r"_(test|bench|fuzz|check|suite|suite_rig)\.c$|/(sim|io_sim)[^/]*\.c$|/fuzz_main\.c$")

TOOLS = {
    # name -> major version of KNOWN, what it is started with
    "clang": ("14", ["clang", "--analyze", "--analyzer-output", "text"]),
    "gcc": ("12", ["gcc", "-O1", "-fanalyzer", "-fdiagnostics-color=never", "-S", "-o", os.devnull]),
}

OWNED = "it is kept in a structure, through an index or a union that the analyzer does not follow"
# (tool, source that was analyzed, checker) -> why it is wrong
KNOWN = {
    ("clang", "core/rt/io_epoll.c", "core.NullDereference"): "a list that is not empty has links; the analyzer takes head and links apart",
    ("clang", "core/rt/io_uring.c", "core.NullDereference"): "as in io_epoll.c",
    ("clang", "core/broker/interest_cache.c", "core.NonNullParamChecker"): "without room there is nothing to copy (size is 0)",
    ("clang", "core/broker/interest_cache.c", "core.NullDereference"): "the same",
    ("clang", "core/broker/publish.c", "core.UndefinedBinaryOperatorResult"): "n_remote > 0 says that broker_pick_shard finds one",
    ("clang", "core/broker/tagtab.c", "core.NullDereference"): "an iterator of one segment has b == b_end, both NULL",
    ("clang", "proto/conf_digest.c", "core.CallAndMessage"): "a number has a digit before its exponent",
    ("clang", "core/broker/transform_apply.c", "core.CallAndMessage"): "apply_find_tokens filled every place that a compiled transform names",
    ("clang", "core/net/conn.c", "core.NonNullParamChecker"): "in_cap > 0 says that there is a buffer",
    ("clang", "core/net/reload.c", "core.DivideZero"): "there is a shard at least",
    ("clang", "core/server/options_flags.c", "core.NonNullParamChecker"): "only a boolean flag comes without a value",
    ("clang", "core/server/monitor.c", "unix.Malloc"): "a request is out of its list before it is freed; the analyzer takes the list for unchanged",
    ("clang", "core/server/monitor_args.c", "core.uninitialized.Assign"): "text that is not empty has a digit, or is refused",
    ("gcc", "core/rt/arena.c", "-Wanalyzer-malloc-leak"): OWNED,
    ("gcc", "proto/conf.c", "-Wanalyzer-malloc-leak"): OWNED,
    ("gcc", "core/rt/io_epoll.c", "-Wanalyzer-null-dereference"): "as clang's",
    ("gcc", "core/rt/slab.c", "-Wanalyzer-malloc-leak"): OWNED,
    ("gcc", "core/broker/interest_node.c", "-Wanalyzer-malloc-leak"): OWNED,
    ("gcc", "core/broker/varpool.c", "-Wanalyzer-malloc-leak"): OWNED,
    ("gcc", "auth/auth.c", "-Wanalyzer-double-free"): "each block is freed once; the analyzer takes two fields for one",
    ("gcc", "auth/replies.c", "-Wanalyzer-malloc-leak"): OWNED,
    ("gcc", "core/net/conn.c", "-Wanalyzer-null-dereference"): "a list whose n is above 0 has a head",
    ("gcc", "core/net/gather.c", "-Wanalyzer-malloc-leak"): OWNED,
}

REPORT = re.compile(r"^(?P<path>[^\s:]+):(?P<line>\d+):\d+: (?:warning|error): (?P<what>.*?) \[(?P<checker>[\w.-]+)\]$", re.MULTILINE)


def version(tool):
    """Major version, or None where it is not there."""
    try:
        return subprocess.run([tool, "-dumpversion"], capture_output=True, text=True, check=True, timeout=60).stdout.split(".")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def reports(tool, path, flags, cwd):
    """[(file relative to ROOT, line, what, checker)] that the tool reports of the source; raises RuntimeError when it does not compile."""
    done = subprocess.run([*TOOLS[tool][1], *flags, path], cwd=cwd, capture_output=True, text=True, check=False, timeout=600,
                          env={**os.environ, "LC_ALL": "C"})
    said = re.sub(r" \[CWE-\d+\]", "", done.stderr)
    found = {(os.path.relpath(os.path.join(cwd, m["path"]), ROOT), int(m["line"]), m["what"], m["checker"]) for m in REPORT.finditer(said)
             if "nalyzer" in m["checker"] or "." in m["checker"]}
    if done.returncode != 0 and not found:
        raise RuntimeError(done.stderr[-3000:])
    return sorted(found)


def sources(build):
    """source -> (flags, folder) of what is shipped."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    found = {}
    for e in entries:
        path = os.path.relpath(os.path.join(e["directory"], e["file"]), ROOT)
        if path.startswith(ROOMS) and not NOT_SHIPPED.search(path):
            words = shlex.split(e["command"])
            found[path] = ([w for w in words if w.startswith(("-I", "-D", "-U", "-std="))], e["directory"])
    return found


def judge(tool, path, flags, cwd):
    """What is wrong with that source ("": nothing)."""
    try:
        found = reports(tool, os.path.join(ROOT, path), flags, cwd)
    except RuntimeError as e:
        return f"it does not compile: {e}"
    known = {checker for t, source, checker in KNOWN if (t, source) == (tool, path)}
    lines = [f"{file}:{line}: {what} [{checker}]" for file, line, what, checker in found if checker not in known]
    lines += [f"no report of {checker} any more: take it out of KNOWN" for checker in sorted(known - {checker for _, _, _, checker in found})]
    return "\n".join(lines)


def main():
    build, xml, *only = sys.argv[1:]
    todo = {path: how for path, how in sources(build).items() if not only or any(word in path for word in only)}
    cases, failed = [], 0
    with ThreadPoolExecutor(2) as pool:
        for tool, (wanted, _) in TOOLS.items():
            have = version(tool)
            if have != wanted:
                cases.append(f"<testcase classname={quoteattr(tool)} name=\"all\"><skipped message=\"it is version {have}, and KNOWN is {wanted}'s\"/></testcase>")
                continue
            for path, wrong in zip(todo, pool.map(lambda p, t=tool: judge(t, p, *todo[p]), todo)):
                inner = f"<failure message=\"reports\">{escape(wrong)}</failure>" if wrong else ""
                cases.append(f"<testcase classname={quoteattr(tool)} name={quoteattr(path)}>{inner}</testcase>")
                failed += wrong != ""
                if wrong:
                    print(f"{tool} {path}:\n{wrong}", flush=True)
    with open(xml, "w", encoding="utf-8") as f:
        f.write(f"<testsuites><testsuite name=\"analyze\" tests=\"{len(cases)}\" failures=\"{failed}\">{''.join(cases)}</testsuite></testsuites>\n")
    print(f"{len(todo)} sources, {failed} with reports")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
