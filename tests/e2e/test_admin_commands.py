#!/usr/bin/env python3
"""moegate orgs|projects|keys|admin|usage, with and without a server: same results, same audit, stated exit statuses.

    test_admin_commands.py --build DIR
"""

import argparse
import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from kill_test import Client, Gateway, verify

passed = failed = 0


def check(name, is_fine, detail=""):
    global passed, failed
    passed, failed = passed + bool(is_fine), failed + (not is_fine)
    if not is_fine:
        print(f"FAIL {name}: {detail}", flush=True)


class Commands:
    def __init__(self, gateway):
        self.gateway = gateway

    def run(self, *words):
        return subprocess.run([self.gateway.program, *words, "-c", self.gateway.config], capture_output=True, text=True,
                              timeout=60)

    def json(self, *words):
        done = self.run(*words, "--json")
        check(" ".join(words) + " succeeds", done.returncode == 0, done.stderr)
        return json.loads(done.stdout or "{}")


def life_of_a_tenant(commands, org):
    """The same steps with and without a server; returns what is equal in both."""
    commands.json("orgs", "create", org)
    again = commands.run("orgs", "create", org)
    check(f"{org}: a second create is refused with status 1", again.returncode == 1 and "exists already" in again.stderr,
          again.stderr)
    commands.json("projects", "create", "--org", org, "--project", "web")
    key = commands.json("keys", "create", "--org", org, "--project", "web", "--name", "ci", "--models", "play,x",
                        "--requests-per-minute", "50")
    check(f"{org}: the key has its form", key["key"].startswith(f"mgk_{key['id']}_"), key)
    commands.json("keys", "limits", key["id"], "--concurrent-requests", "3")
    commands.json("projects", "limits", "--org", org, "--project", "web", "--requests-per-minute", "70")
    commands.json("orgs", "limits", org, "--concurrent-requests", "9")
    commands.json("keys", "revoke", key["id"])
    listed = commands.json("keys", "list", "--org", org)["data"]
    check(f"{org}: the listed key shows no secret", len(listed) == 1 and "key" not in listed[0] and listed[0]["revoked_at"],
          listed)
    table = commands.run("keys", "list", "--org", org)
    check(f"{org}: people get a table", table.returncode == 0 and key["id"] in table.stdout, table.stdout)
    return {"models": listed[0]["models"], "limits": listed[0]["limits"], "name": listed[0]["name"],
            "orgs": [o["limits"] for o in commands.json("orgs", "list")["data"] if o["org"] == org],
            "projects": [p["limits"] for p in commands.json("projects", "list", "--org", org)["data"]]}


def actions(gateway):
    db = sqlite3.connect(f"file:{gateway.data}/ledger.db?mode=ro", uri=True)
    seen = {}
    for actor, action, key in db.execute("SELECT actor, action, target_key FROM audit ORDER BY seq"):
        seen.setdefault(actor.split(":")[0], []).append(action)
    return seen


def wrong_usage(commands):
    for words in (["keys"], ["keys", "fly"], ["keys", "revoke"], ["keys", "list", "--galaxy", "x"], ["usage", "report", "extra"],
                  ["keys", "create", "--org"], ["usage", "export", "--format", "xml"],
                  ["keys", "limits", "id", "--concurrent-requests", "many"]):
        done = commands.run(*words)
        check(f"{' '.join(words)} is wrong usage (2)", done.returncode == 2 and done.stderr, (done.returncode, done.stderr))
    check("--help is no failure", commands.run("usage", "--help").returncode == 0)


def usage_of_requests(commands, gateway, folder):
    key = commands.json("keys", "create", "--org", "acme", "--project", "load", "--create")
    client = Client(0, folder, gateway.port, key["key"])
    client.out = os.open(client.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(2):
        client.one_request()
    records = commands.json("usage", "records", "--project", "load")["data"]
    check("two requests, two records", len(records) == 2 and all(r["outcome"] == "completed" for r in records), records)
    report = commands.json("usage", "report", "--group-by", "project,day", "--tz", "+05:30")
    total = sum(r["output"] for r in records)
    check("the report has the tokens of the records", report["total"]["output"] == total and report["tz"] == "+05:30", report)
    lines = commands.run("usage", "export").stdout.splitlines()
    check("the export is JSON Lines of the records", [json.loads(line) for line in lines] == records, lines)
    table = list(csv.DictReader(io.StringIO(commands.run("usage", "export", "--format", "csv").stdout)))
    check("the CSV has them too", [int(row["output"]) for row in table] == [r["output"] for r in records], table)
    check("nothing differs", commands.json("usage", "reconcile")["ok"] and commands.json("usage", "verify")["ok"])
    login = commands.run("admin", "login")
    check("login prints an address", login.returncode == 0 and login.stdout.startswith("http"), login.stdout + login.stderr)
    return records


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="moegate-admin-")
    gateway = Gateway(os.path.abspath(args.build), folder)
    commands = Commands(gateway)
    try:
        gateway.write_config()
        early = commands.run("usage", "report")
        check("no ledger yet is said", early.returncode == 1 and "no ledger" in early.stderr, early.stderr)
        alone = life_of_a_tenant(commands, "alone")
        check("login without a server is refused", commands.run("admin", "login").returncode == 1)
        gateway.start()
        served = life_of_a_tenant(commands, "served")
        check("with and without a server the result is the same", alone == served, (alone, served))
        seen = actions(gateway)
        check("and so is the audit, but for the actor", sorted(seen.get("cli", [])) == sorted(seen.get("unix", [])), seen)
        wrong_usage(commands)
        records = usage_of_requests(commands, gateway, folder)
        check("the server stops cleanly", gateway.stop() == 0)
        check("without it the records are the same", commands.json("usage", "records", "--project", "load")["data"] == records)
        check("an independent checker agrees", verify(gateway, folder))
    finally:
        if gateway.process is not None:
            gateway.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
