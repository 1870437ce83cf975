#!/usr/bin/env python3
"""What ships beside the program must fit it: example configurations load, every key of the example is one that the
program knows, and docs/metrics.md names exactly the families that /metrics exports.

  test_shipped_files.py --build BUILD
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
results = []


def check(name, problems):
    results.append(not problems)
    print(f"{'ok  ' if not problems else 'FAIL'} {name}")
    for problem in problems:
        print(f"       {problem}")


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def check_configs(program, folder):
    for path in sorted(ROOT.glob("configs/*.toml")):
        code, out = run(program, "check", "-c", str(path))
        check(f"{path.name}_is_accepted", [] if code == 0 else [out])
    # Every key that the example shows only as a comment is a real one with a legal value.
    text = (ROOT / "configs" / "moegate.example.toml").read_text(encoding="utf-8")
    text = re.sub(r"^# (\w+ = |\[)", r"\1", text, flags=re.M)
    text = re.sub(r'^path = "(.*?)"', lambda m: f'path = "{ROOT / "configs" / m[1]}"', text, flags=re.M)
    for name in ("server.crt", "server.key"):
        pathlib.Path(folder, name).touch(mode=0o600)
    whole = pathlib.Path(folder, "whole.toml")
    whole.write_text(text, encoding="utf-8")
    code, out = run(program, "check", "-c", str(whole))
    check("every_key_of_the_example_is_known", [] if code == 0 else [out])
    whole.write_text(text.replace("max_body_bytes", "max_body_bites"), encoding="utf-8")
    code, out = run(program, "check", "-c", str(whole))
    check("a_misspelt_key_is_refused_by_name", [] if code == 1 and "max_body_bites" in out else [f"status {code}: {out}"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, deadline):
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode("utf-8")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def ask_once(program, config, port):
    made = subprocess.run([program, "keys", "create", "-c", str(config), "--org", "o", "--project", "p", "--name", "n", "--create",
                           "--json"], capture_output=True, text=True, timeout=60, check=True)
    body = json.dumps({"model": "demo", "prompt": "Who", "max_tokens": 2}).encode("utf-8")
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", body, {
        "Content-Type": "application/json", "Authorization": f"Bearer {json.loads(made.stdout)['key']}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def families(scrape):
    """{name: (type, labels)} of a Prometheus text."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.M))
    labels = {name: set() for name in kinds}
    for name, body in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", scrape, re.M):
        family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
        labels[family] |= set(re.findall(r'(\w+)="', body)) - {"le"}
    return {name: (kinds[name], labels[name]) for name in kinds}


def check_metrics(program, folder):
    template = (ROOT / "configs" / "quickstart.toml").read_text(encoding="utf-8")
    ports = free_port(), free_port()
    text = template.replace("127.0.0.1:8080", f"127.0.0.1:{ports[0]}").replace("127.0.0.1:9090", f"127.0.0.1:{ports[1]}")
    text = text.replace("../build/quickstart/data", f"{folder}/data").replace('"models/demo"', f'"{ROOT}/configs/models/demo"')
    config = pathlib.Path(folder, "serve.toml")
    config.write_text(text, encoding="utf-8")
    with open(pathlib.Path(folder, "log"), "w", encoding="utf-8") as log:
        server = subprocess.Popen([program, "serve", "-c", str(config)], stdout=log, stderr=log)
    try:
        get(f"http://127.0.0.1:{ports[0]}/readyz", time.monotonic() + 60)
        ask_once(program, config, ports[0])  # families of the ledger appear with the first record
        deadline = time.monotonic() + 30
        found = {}
        while "moegate_ledger_tokens_total" not in found and time.monotonic() < deadline:
            found = families(get(f"http://127.0.0.1:{ports[1]}/metrics", deadline))
            time.sleep(0.1)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    rows = re.findall(r"^\| `(moegate_\w+|process_\w+)` \| (\w+) \|", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), re.M)
    documented = dict(rows)
    check("every_exported_family_is_documented", [f"{n} is missing" for n in sorted(set(found) - set(documented))])
    check("every_documented_family_is_exported", [f"{n} is not exported" for n in sorted(set(documented) - set(found))])
    wrong = [n for n in documented if n in found and documented[n] != found[n][0]]
    check("documented_types_are_right", [f"{n} is a {found[n][0]}" for n in wrong])
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    program = os.path.join(options.build, "bin", "moegate")
    with tempfile.TemporaryDirectory() as folder:
        check_configs(program, folder)
        check_metrics(program, folder)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
