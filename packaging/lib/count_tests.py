# SPDX-License-Identifier: Apache-2.0
"""Counts what a `make check` ran: automake's results, and where a program is a list of tests, those tests.

Prints what failed, a line each; then failures with the end of their logs and how to repeat them, what was skipped and why,
and last a line "PASSED FAILED SKIPPED".
"""
import argparse
import os
import re
import sys

END_LINES = 30
PYTEST = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")
CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", re.M)
NAMED = re.compile(r"^(?:FAILED|ERROR) (?:\S*/)?(\S+::.*|\S+\.py\b.*)$|^\[  FAILED  \] (?!\d+ test)(\S+)", re.M)
REASON = re.compile(r"^(?:SKIPPED \[(\d+)\] )(.*)$", re.M)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def inner(log):
    """(passed, failed, skipped) of the tests in a program's log, or None where it is a test of its own."""
    for line in reversed(log.splitlines()[-15:]):
        found = PYTEST.match(line)
        if found:
            n = {word.rstrip("s"): int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", found.group(1))}
            return (n.get("passed", 0) + n.get("xfailed", 0),
                    n.get("failed", 0) + n.get("error", 0) + n.get("xpassed", 0), n.get("skipped", 0))
    found = CMOCKA.findall(log)
    if found:
        n = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for word, count in found:
            n[word] += int(count)
        return n["PASSED"], n["FAILED"], n["SKIPPED"]
    return None


def failures(log):
    """What failed within a program, by name."""
    return list(dict.fromkeys(pytest or cmocka for pytest, cmocka in NAMED.findall(log)))


def skip_reasons(log, result):
    """Why tests of a program were skipped: pytest's lines, or what a program that was skipped whole said."""
    told = [why for _, why in REASON.findall(log)]
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if not told:
        told = [line for line in lines if re.match(r"skip(ped)?:", line, re.I)]
    if not told and result == "SKIP":
        told = [line for line in lines if not re.match(r"SKIP|=+", line)][-1:]
    return [re.sub(r"^skip(ped)?: *", "", why) for why in dict.fromkeys(told)] or ["the program does not say why"]


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, name, result, log):
        """The counts of one program; its result, which automake has from the exit status, has the last word."""
        passed, failed, skipped = inner(log) or (0, 0, 0)
        if result in ("PASS", "XFAIL") and passed + failed + skipped == 0:
            passed = 1
        if result in ("FAIL", "ERROR", "XPASS") and failed == 0:
            failed = 1
        if result == "SKIP" and skipped == 0:
            skipped = 1
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        return failed, skipped


def results(tree, below):
    """(name, result, log) of every test, sorted; trees within the tree are others' tests."""
    found = []
    for directory, names, files in os.walk(tree):
        names[:] = [n for n in names if n not in below]
        for file in files:
            if file.endswith(".trs"):
                path = os.path.join(directory, file)
                result = re.search(r"^:global-test-result: (\w+)", read(path), re.M)
                base = path[:-len(".trs")]
                found.append((os.path.relpath(base, tree), result.group(1) if result else "ERROR", base + ".log"))
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", required=True, help="the command that runs one test, but for its name")
    parser.add_argument("tree")
    parser.add_argument("log", help="what make printed")
    given = parser.parse_args()
    count = Count()
    found = [(name, result, path, read(path)) for name, result, path in results(given.tree, {"asan-build", "fuzz-build", "autom4te.cache"})]
    counted = [count.add(name, result, log) for name, result, _, log in found]
    # All of them first, shortly: whoever sees but the beginning of this sees everything that failed.
    for (name, _, _, log), (failed, _) in zip(found, counted):
        if failed:
            print(f"failed   {name}" + "".join(f"\n           {what}" for what in failures(log)))
    for (name, result, path, log), (failed, skipped) in zip(found, counted):
        if failed:
            print(f"\nFAILED  {name}")
            for line in log.splitlines()[-END_LINES:]:
                print(f"  | {line}")
            print(f"  log:     {path}\n  repeat:  {given.repeat}{name}")
        if skipped:
            for why in skip_reasons(log, result):
                print(f"skipped  {name}: {why}")
    if not found:
        print(f"No test ran; the end of {given.log}:")
        print("\n".join("  | " + line for line in read(given.log).splitlines()[-END_LINES:]))
    print(count.passed, count.failed if found else count.failed + 1, count.skipped)
    return 0 if found and count.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
