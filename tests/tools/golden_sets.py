#!/usr/bin/env python3
"""Runs moe-conformance over a whole collection of reference data. Failures count for what this release supports; other
families are run and reported, so that one sees what a next release has to reach.

  golden_sets.py BUILD COLLECTION
"""

import pathlib
import re
import subprocess
import sys

MODELS = {"qwen3_moe", "llama"}  # folders of models/
TOKENIZERS = {"qwen3"}  # folders of tokenizers/


def supported(path):
    if path.parent.name == "models":
        return path.name in MODELS
    if path.parent.name == "tokenizers":
        return path.name in TOKENIZERS
    return path.name == "jinja_features.json"


def items(collection):
    for folder, marker in (("models", "expected.json"), ("tokenizers", "cases.jsonl"), ("third_party/tokenizers", "cases.jsonl"),
                           ("third_party/chat_templates", "cases.json")):
        yield from sorted(p.parent for p in (collection / folder).glob(f"*/{marker}"))
    yield collection / "jinja_features.json"


def main():
    program, collection = pathlib.Path(sys.argv[1], "bin", "moe-conformance"), pathlib.Path(sys.argv[2])
    passed = failed = 0
    reported = {}
    for path in items(collection):
        if not path.exists():
            continue
        try:
            out = subprocess.run([program, path], capture_output=True, text=True, timeout=300).stdout
        except subprocess.TimeoutExpired:
            out = "0 passed, 1 failed"
        found = re.findall(r"^(\d+) passed, (\d+) failed$", out, re.M)
        good, bad = map(int, found[-1]) if found else (0, 1)
        name = str(path.relative_to(collection))
        if good + bad == 0 and supported(path):
            bad = 1  # a collection that runs nothing proves nothing
        if supported(path):
            passed, failed = passed + good, failed + bad
            print(f"{'ok  ' if not bad else 'FAIL'} {name}: {good} of {good + bad}")
            if bad:
                print("\n".join("     " + line for line in out.splitlines()[-30:]))
        else:
            reported[path] = (good, bad)
    for group in sorted({path.parent for path in reported}):
        counts = {path.name: found for path, found in reported.items() if path.parent == group}
        whole = [name for name, (good, bad) in counts.items() if good and not bad]
        rest = [f"{name} {good}/{good + bad}" for name, (good, bad) in counts.items() if name not in whole]
        print(f"     beyond this release, not counted, {group.relative_to(collection)}: {len(whole)} of {len(counts)} pass whole"
              f" ({', '.join(whole)}); others: {', '.join(rest)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
