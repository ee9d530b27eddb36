"""Read what a test runner left behind, and print how many tests passed, failed and skipped.

    tally.py meson BUILD_DIR     meson-logs/testlog.json of that build
    tally.py junit FILE          the report of pytest --junitxml

The first line of output is `PASSED FAILED SKIPPED`; a line for each failure and each skip follows,
`FAIL name` or `SKIP name: reason`. A report that is not there, or counts nothing, is one failure: a
runner that ran nothing has proven nothing.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET

# cmocka counts for itself; each of its tests is one of ours.
CMOCKA_PASSED = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.MULTILINE)
CMOCKA_FAILED = re.compile(r"^\[  FAILED  \] (\S+)$", re.MULTILINE)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] (\S+)$", re.MULTILINE)


def meson(build_dir):
    passed, failed, skipped = 0, [], []
    with open(f"{build_dir}/meson-logs/testlog.json") as f:
        for line in f:
            test = json.loads(line)
            name, result = test["name"], test["result"]
            said = (test.get("stdout") or "") + (test.get("stderr") or "")
            counts = CMOCKA_PASSED.search(said)
            if result in ("OK", "EXPECTEDFAIL"):
                inner = sorted(set(CMOCKA_SKIPPED.findall(said)))
                skipped += [f"{name}: {one}" for one in inner]
                passed += int(counts.group(1)) if counts else 1
            elif result == "SKIP":
                skipped.append(f"{name}: skipped by itself")
            else:
                inner = sorted(set(CMOCKA_FAILED.findall(said)))
                failed += [f"{name}: {one}" for one in inner] or [f"{name}: {result}"]
                passed += int(counts.group(1)) if counts else 0
    return passed, failed, skipped


def junit(path):
    passed, failed, skipped = 0, [], []
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f'{case.get("classname")}.{case.get("name")}'
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        skip = case.find("skipped")
        if bad is not None:
            failed.append(f'{name}: {(bad.get("message") or "").strip().splitlines()[:1]}')
        elif skip is not None:
            skipped.append(f'{name}: {skip.get("message")}')
        else:
            passed += 1
    return passed, failed, skipped


def main():
    kind, path = sys.argv[1:3]
    try:
        passed, failed, skipped = {"meson": meson, "junit": junit}[kind](path)
    except (OSError, ValueError, ET.ParseError) as e:
        passed, failed, skipped = 0, [f"no report: {e}"], []
    if not passed and not failed and not skipped:
        failed = [f"{path}: no test was run"]
    print(passed, len(failed), len(skipped))
    for one in failed:
        print("FAIL", one)
    for one in skipped:
        print("SKIP", one)


if __name__ == "__main__":
    main()
