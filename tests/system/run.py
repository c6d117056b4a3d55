#!/usr/bin/env python3
"""Runs the system tests: run.py [word ...] runs those whose name contains one of the words."""

import os
import sys
import time
import unittest

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


def main():
    tests = unittest.TestSuite(chosen(unittest.defaultTestLoader.discover(HERE), sys.argv[1:]))
    result = unittest.TextTestRunner(sys.stdout, resultclass=Result, verbosity=1).run(tests)
    failed = len(result.failures) + len(result.errors)
    print(f"system: {result.passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 0 if result.passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
