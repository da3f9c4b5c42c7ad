# SPDX-License-Identifier: MIT
"""Counts what `meson test` ran in one build, and shows what failed.

A cmocka program counts by its cases, any other test as one. A program that ends badly without a
failed case of its own (a crash, a hang, a sanitizer's report) counts as one failure more.
"""
import json
import re
import sys

TAIL = 30
CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] ([A-Za-z_]\w*)\s*$", re.MULTILINE)
BAD = {"FAIL", "TIMEOUT", "INTERRUPT", "ERROR", "UNEXPECTEDPASS"}


def count(test):
    """(passed, failed case names, skipped, crashed) of one test."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    cases = {"OK": [], "FAILED": [], "SKIPPED": []}
    for kind, name in CASE.findall(text):
        if name not in cases[kind]:
            cases[kind].append(name)
    ok = [name for name in cases["OK"] if name not in cases["FAILED"]]
    bad = test["result"] in BAD
    if not any(cases.values()):
        if bad:
            return 0, [], 0, True
        return (0, [], 1, False) if test["result"] == "SKIP" else (1, [], 0, False)
    return len(ok), cases["FAILED"], len(cases["SKIPPED"]), bad and not cases["FAILED"]


def why(test):
    if test["result"] == "TIMEOUT":
        return "hung: killed after %.0f s" % test["duration"]
    code = test["returncode"]
    return "killed by signal %d" % -code if code < 0 else "exit status %d" % code


def show(label, test, names):
    print("FAILED %s: %s (%s)%s" % (label, test["name"], why(test),
                                    ": " + ", ".join(names) if names else ""))
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    for line in text.rstrip("\n").split("\n")[-TAIL:]:
        print("    | " + line[:400])


def main(label, status, folder, counts, began, ended):
    tests = []
    path = folder + "/meson-logs/testlog%s.json" % ("-valgrind" if label == "valgrind" else "")
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            tests.append(json.loads(line))
    passed = failed = skipped = 0
    for test in tests:
        ok, names, skips, crashed = count(test)
        passed += ok
        failed += len(names) + crashed
        skipped += skips
        if names or crashed:
            show(label, test, names)
        if test["result"] == "SKIP":
            text = ((test.get("stdout") or "") + (test.get("stderr") or "")).strip()
            print("skipped %s: %s: %s" % (label, test["name"], text.split("\n")[-1][:200]))
    if int(status) in (124, 137):
        print("FAILED %s: the whole run hung and was killed" % label)
        failed += 1
    elif int(status) and not failed or not tests:
        print("FAILED %s: meson test ended with status %s after %d tests" %
              (label, status, len(tests)))
        failed += 1
    print("%s: %d passed, %d failed, %d skipped in %d s" %
          (label, passed, failed, skipped, int(ended) - int(began)))
    with open(counts, "w", encoding="ascii") as stream:
        print(passed, failed, skipped, file=stream)


if __name__ == "__main__":
    main(*sys.argv[1:])
