# SPDX-License-Identifier: Apache-2.0
"""The test run's frame: where things are, and the closing line.

Test items are the cmocka programs build/test/unit-* (test_unit.py), the
checks of the tree and the linked kernel (test_tree.py) and real programs in
enclaves (system/test_*.py). Exit status 77 of a program means skipped.
"""

import sys
from collections import Counter

outcomes = Counter()


def pytest_runtest_logreport(report):
    if report.failed:
        # A failing set-up or tear-down counts as a failure of its own.
        outcomes["failed"] += 1
    elif report.skipped:
        outcomes["skipped"] += 1
    elif report.when == "call":
        outcomes["passed"] += 1


def pytest_collectreport(report):
    if report.failed:
        outcomes["failed"] += 1


def pytest_unconfigure(config):
    line = "%d passed, %d failed" % (outcomes["passed"], outcomes["failed"])
    if outcomes["skipped"]:
        line += ", %d skipped" % outcomes["skipped"]
    sys.stdout.flush()
    sys.stderr.flush()
    print(line, flush=True)
