#!/usr/bin/env python3
"""Adds up what a ctest run executed, in single test cases, and prints one closing line `N passed, M failed`.

  summary.py RESULTS   RESULTS/ctest.xml is ctest's JUnit report, RESULTS/gtest/*.xml what the unit programs wrote.

A unit program counts by its gtest report, any other test by the last `N passed, M failed` of its output, or as one case
if it prints none. A test that failed without a failed case of its own (a crash, a sanitizer report at exit, a time-out)
counts as one more failure. Exit status 0: something ran and nothing failed.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml

CLOSING = re.compile(r"^\s*(?:\w+: )?(\d+) passed, (\d+) failed\b", re.M)
MAX_SHOWN_LINES = 80


def gtest_counts(report):
    """(passed, failed) of one gtest report; a report that was cut off by a crash counts as nothing."""
    try:
        root = xml.parse(report).getroot()
    except xml.ParseError:
        return 0, 0
    ran = [case for case in root.iter("testcase") if case.get("status") == "run" and case.find("skipped") is None]
    failed = sum(1 for case in ran if case.find("failure") is not None)
    return len(ran) - failed, failed


def counts(case, gtest_reports):
    report = gtest_reports.get(case.get("name"))
    closing = CLOSING.findall(case.findtext("system-out") or "")
    if report is not None:
        passed, failed = gtest_counts(report)
    elif closing:
        passed, failed = map(int, closing[-1])
    else:
        passed, failed = 1, 0
    is_good = case.get("status") == "run" and case.find("failure") is None
    if not is_good and failed == 0:
        passed, failed = (0, 1) if report is None and not closing else (passed, 1)
    return passed, failed, is_good


def main():
    results = pathlib.Path(sys.argv[1])
    reports = {path.stem: path for path in (results / "gtest").glob("*.xml")}
    total_passed = total_failed = 0
    for case in xml.parse(results / "ctest.xml").getroot().iter("testcase"):
        passed, failed, is_good = counts(case, reports)
        total_passed, total_failed = total_passed + passed, total_failed + failed
        print(f"  {case.get('name'):<36} {passed:>6} passed {failed:>4} failed {float(case.get('time') or 0):>7.1f} s")
        if not is_good or failed:
            lines = (case.findtext("system-out") or "").splitlines()[-MAX_SHOWN_LINES:]
            print("\n".join("    | " + line for line in lines))
    print(f"{total_passed} passed, {total_failed} failed")
    return 0 if total_passed and not total_failed else 1


if __name__ == "__main__":
    sys.exit(main())
