"""What tools/check counts is what was run, and the tools refuse what they do not understand."""

import json
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def tally(kind, path):
    out = subprocess.run([sys.executable, f"{ROOT}/tools/lib/tally.py", kind, str(path)], capture_output=True, text=True,
                         check=True, timeout=60).stdout.splitlines()
    return tuple(int(n) for n in out[0].split()), out[1:]


def meson_log(tmp_path, *tests):
    (tmp_path / "meson-logs").mkdir()
    lines = [json.dumps({"name": name, "result": result, "stdout": said, "stderr": ""}) for name, result, said in tests]
    (tmp_path / "meson-logs" / "testlog.json").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_each_test_inside_a_cmocka_program_counts(tmp_path):
    counts, more = tally("meson", meson_log(
        tmp_path,
        ("plain", "OK", ""),
        ("unit", "OK", "[==========] 5 test(s) run.\n[  PASSED  ] 5 test(s).\n"),
        ("some", "OK", "[  SKIPPED ] needs_root\n[  PASSED  ] 2 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] needs_root\n"),
        ("bad", "FAIL", "[  FAILED  ] one\n[  PASSED  ] 3 test(s).\n[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] one\n[  FAILED  ] two\n")))
    assert counts == (1 + 5 + 2 + 3, 2, 1)
    assert more == ["FAIL bad: one", "FAIL bad: two", "SKIP some: needs_root"]


@pytest.mark.parametrize("result", ["FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS", "INTERRUPT"])
def test_a_program_that_dies_is_a_failure(tmp_path, result):
    counts, more = tally("meson", meson_log(tmp_path, ("dies", result, "[==========] Running 4 test(s).\n")))
    assert counts == (0, 1, 0) and more == [f"FAIL dies: {result}"]


def test_a_report_that_is_missing_or_empty_is_a_failure(tmp_path):
    assert tally("junit", tmp_path / "none.xml")[0] == (0, 1, 0)
    assert tally("meson", tmp_path)[0] == (0, 1, 0)
    (tmp_path / "empty.xml").write_text("<testsuites><testsuite/></testsuites>")
    assert tally("junit", tmp_path / "empty.xml")[0] == (0, 1, 0)


def test_pytest_reports_are_counted(tmp_path):
    (tmp_path / "r.xml").write_text(
        '<testsuites><testsuite><testcase classname="a" name="ok"/><testcase classname="a" name="bad"><failure message="m"/></testcase>'
        '<testcase classname="a" name="err"><error message="e"/></testcase>'
        '<testcase classname="a" name="skip"><skipped message="no go here"/></testcase></testsuite></testsuites>')
    counts, more = tally("junit", tmp_path / "r.xml")
    assert counts == (1, 2, 1)
    assert "SKIP a.skip: no go here" in more


@pytest.mark.parametrize("tool,args,says", [
    ("start", ["--build-only", "-p", "4222"], "takes no other flag"),
    ("check", ["--nonsense"], "unknown flag --nonsense"),
    ("check", ["nonsense"], "no such part: nonsense"),
])
def test_tools_refuse_what_they_do_not_understand(tool, args, says, tmp_path):
    done = subprocess.run([f"{ROOT}/tools/{tool}", *args], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode != 0 and says in done.stderr
