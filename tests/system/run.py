#!/usr/bin/env python3
"""Runs the system tests: run.py [word ...] runs those whose name contains one of the words.

Each test has a stack of its own and mostly waits, so classes of tests run side by side."""

import concurrent.futures
import os
import re
import subprocess
import sys
import time
import unittest

SIDE_BY_SIDE = 3
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)


class Result(unittest.TextTestResult):
    """Prints a line a test with its time, so that slow tests are seen."""

    def __init__(self, *args):
        super().__init__(*args)
        self.passed = 0
        self.dots = self.showAll = False

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def say(self, word, test):
        print(f"{word:7} {time.monotonic() - getattr(self, 'began', time.monotonic()):6.2f} s  {test.id()}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAILED", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.say("ERROR", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skipped", test)
        print(f"        {reason}", flush=True)


def chosen(suite, words):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from chosen(item, words)
        elif not words or any(word in item.id() for word in words):
            yield item


def run_here(words):
    """The tests in this process. The last line tells the totals."""
    tests = unittest.TestSuite(chosen(unittest.defaultTestLoader.discover(HERE), words))
    result = unittest.TextTestRunner(sys.stdout, resultclass=Result, verbosity=1).run(tests)
    print(result.passed, len(result.failures) + len(result.errors), len(result.skipped))


def run_class(name):
    """The tests of one class in a process of their own: passed, failed, skipped. A process that breaks off has failed."""
    ran = subprocess.run([sys.executable, __file__, "--here", *name], capture_output=True, text=True, check=False)
    *lines, last = ran.stdout.splitlines() or [""]
    totals = re.fullmatch(r"(\d+) (\d+) (\d+)", last)
    print("\n".join(lines), ran.stderr, sep="\n" if ran.stderr else "", flush=True)
    return [int(n) for n in totals.groups()] if totals else [0, 1, 0]


def main():
    if sys.argv[1:2] == ["--here"]:
        return run_here(sys.argv[2:])
    classes = {}
    for test in chosen(unittest.defaultTestLoader.discover(HERE), sys.argv[1:]):
        classes.setdefault(type(test), []).append(test.id())
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        passed, failed, skipped = map(sum, zip([0, 0, 0], *pool.map(run_class, classes.values())))
    print(f"system: {passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
