#!/usr/bin/env python3
"""clang-tidy over our sources, the most recently changed first, two at a time, until the minutes are used up. Fails at the
first finding of any file; prints how many files it reached.

  tidy.py BUILD --minutes N [FILE...]
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def by_last_change(files):
    """Files of the youngest commits first; a checkout without history keeps the order of the build."""
    log = subprocess.run(["git", "log", "--name-only", "--format=", "-n", "400"], cwd=ROOT, capture_output=True, text=True)
    rank = {}
    for name in log.stdout.split():
        rank.setdefault(str(ROOT / name), len(rank))
    return sorted(files, key=lambda f: rank.get(f, len(rank)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("files", nargs="*")
    options = parser.parse_intermixed_args()
    entries = json.loads(pathlib.Path(options.build, "compile_commands.json").read_text(encoding="utf-8"))
    ours = ("lib", "gateway", "plugins")
    files = [e["file"] for e in entries if os.path.relpath(e["file"], ROOT).split(os.sep)[0] in ours]
    files = [os.path.abspath(f) for f in options.files] or by_last_change(dict.fromkeys(files))
    deadline = time.monotonic() + options.minutes * 60

    def check(file):
        if time.monotonic() > deadline:
            return None
        done = subprocess.run(["clang-tidy", "--quiet", "-p", options.build, "--extra-arg=-Wno-unknown-warning-option", file],
                              capture_output=True, text=True)
        return done.returncode == 0, done.stdout

    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for file, result in zip(files, pool.map(check, files)):
            if result is None:
                continue
            passed, failed = passed + result[0], failed + (not result[0])
            if not result[0]:
                print(f"FAIL {os.path.relpath(file, ROOT)}\n{result[1]}")
    print(f"clang-tidy reached {passed + failed} of {len(files)} files")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
