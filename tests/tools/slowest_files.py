#!/usr/bin/env python3
"""Prints the ten source files that took longest to compile, by ninja's log, and fails if one takes more than LIMIT
seconds of processor time. Ninja's times include waiting for the other lane, so a file over the limit is compiled once
more, alone and without the compiler cache, before it is blamed.

  slowest_files.py BUILD LIMIT
"""

import json
import os
import pathlib
import resource
import shlex
import subprocess
import sys


def durations(build):
    """{object: seconds} of the last compilation of each object."""
    seconds = {}
    for line in build.joinpath(".ninja_log").read_text(encoding="utf-8").splitlines()[1:]:
        begin, end, _, target, _ = line.split("\t")
        if target.endswith(".o"):
            seconds[target] = (int(end) - int(begin)) / 1000
    return seconds


def processor_seconds(build, entry):
    words = shlex.split(entry["command"])
    if words[0].endswith("ccache"):
        words = words[1:]
    words[words.index("-o") + 1] = os.devnull
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=entry["directory"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    build, limit = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    entries = {}
    for entry in json.loads(build.joinpath("compile_commands.json").read_text(encoding="utf-8")):
        words = shlex.split(entry["command"])  # CMake writes "output" only from 3.26 on
        entries[words[words.index("-o") + 1]] = entry
    slowest = sorted(((s, o) for o, s in durations(build).items() if o in entries), reverse=True)[:10]
    over = 0
    for seconds, target in slowest:
        note = ""
        if seconds > limit:
            alone = processor_seconds(build, entries[target])
            over += alone > limit
            note = f"  alone: {alone:.1f} s{'  FAIL' if alone > limit else ''}"
        print(f"{seconds:6.1f} s  {os.path.relpath(entries[target]['file'])}{note}")
    print(f"{len(slowest) - over} passed, {over} failed")
    return 1 if over or not slowest else 0


if __name__ == "__main__":
    sys.exit(main())
