#!/usr/bin/env python3
"""Checks a ledger from outside: plain SQL and Python, no code of the gateway.

    verify_ledger.py --data DIR [--clients FILE ... --script FILE] [--running]

Reads DIR/ledger.db, DIR/heads and DIR/pepper. The canonical form of a row, from gateway/ledger/canonical.hpp: the table's
name as a text, then each column up to (not with) those named; NULL is `n`, an integer `i<decimal>;`, a text `t<bytes>:`
and its UTF-8, a blob `b<bytes>:` and its bytes. hash = SHA-256 without `hash` and `mac`, mac = HMAC-SHA-256 without
`mac`, 16 bytes of it, under HMAC(pepper, "ledger-mac").

--clients: JSON Lines that a client wrote and synced before it believed a token: {"id", "tokens", "text"}, at the end also
{"done": true, "usage": {...}}. --script: JSON {"text": [piece a token...]} that the backend plays. --running: requests may
still be open. Prints one line a failed check and `N passed, M failed`; exit status 1 if any failed.
"""

import argparse
import hashlib
import hmac
import json
import os
import sqlite3
import sys

OUTCOMES = {"completed", "length", "cancelled", "disconnected", "deadline", "shed", "engine_error", "interrupted"}
TIERS = ("input", "cache_read", "cache_write", "output", "reasoning")
SEALED = ("orgs", "projects", "keys", "limits", "admins", "audit", "requests", "progress", "usage")


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, problems):
        problems = list(problems)
        if not problems:
            self.passed += 1
            return
        self.failed += 1
        shown = "; ".join(str(p) for p in problems[:5])
        print(f"FAIL {name}: {shown}" + (f"; and {len(problems) - 5} more" if len(problems) > 5 else ""))


def canonical(table, cells):
    def sized(letter, data):
        return letter + str(len(data)).encode() + b":" + data

    out = [sized(b"t", table.encode())]
    for cell in cells:
        if cell is None:
            out.append(b"n")
        elif isinstance(cell, int):
            out.append(b"i%d;" % cell)
        elif isinstance(cell, str):
            out.append(sized(b"t", cell.encode()))
        else:
            out.append(sized(b"b", bytes(cell)))
    return b"".join(out)


def rows(db, table, order="rowid"):
    return db.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()


def check_macs(checks, db, mac_key):
    for table in SEALED:
        order = "1"
        bad = []
        for row in db.execute(f"SELECT * FROM {table} ORDER BY {order}"):
            mac = hmac.new(mac_key, canonical(table, row[:-1]), hashlib.sha256).digest()[:16]
            if mac != row[-1]:
                bad.append(f"{table} {row[0]}")
        checks.check(f"every row of {table} carries its mac", bad)


def check_chain(checks, db, table):
    gaps, links = [], []
    prev = bytes(32)
    for expected, row in enumerate(rows(db, table, "seq"), start=1):
        if row[0] != expected:
            gaps.append(f"{table} {row[0]} where {expected} belongs")
        digest = hashlib.sha256(canonical(table, row[:-2])).digest()
        if row[-3] != prev or row[-2] != digest:
            links.append(f"{table} {row[0]}")
        prev = row[-2]
    checks.check(f"seq of {table} has no gap", gaps)
    checks.check(f"chain of {table} holds", links)


def check_heads(checks, db, data, mac_key):
    text = open(os.path.join(data, "heads"), encoding="ascii").read()
    lines = text.split("\n")[:-1]
    bad, last = [], None
    for number, line in enumerate(lines, start=1):
        signed, _, mac = line.rpartition(" ")
        good = hmac.new(mac_key, b"heads " + signed.encode() + b" ", hashlib.sha256).hexdigest() == mac
        if good:
            last = line.split(" ")
        else:
            bad.append(f"line {number}")
    checks.check("every head is signed", bad if last else bad + ["no head at all"])
    if not last:
        return
    for table, seq, digest in (("usage", int(last[0]), last[1]), ("audit", int(last[2]), last[3])):
        found = db.execute(f"SELECT hash FROM {table} WHERE seq = ?", (seq,)).fetchone()
        ok = seq == 0 or (found is not None and found[0].hex() == digest)
        checks.check(f"{table} reaches its signed head", [] if ok else [f"head names {seq}, not in the table so"])


def check_records(checks, usage, requests, open_ids, is_running):
    terminals = {}
    for u in usage:
        if u["kind"] == "usage":
            terminals.setdefault(u["request_id"], []).append(u)
    checks.check("no request has two terminal records",
                 [f"{r} has {len(t)}" for r, t in terminals.items() if len(t) > 1])
    checks.check("every request has a terminal record",
                 [r for r in requests if r not in terminals and not (is_running and r in open_ids)])
    checks.check("no ended request has progress left", [r for r in open_ids if r in terminals])
    if not is_running:
        checks.check("no progress is left after a restart", open_ids)
    checks.check("every record has its request", [u["seq"] for u in usage if u["request_id"] not in requests])
    checks.check("outcomes are the known ones", [f"{u['seq']}: {u['outcome']}" for u in usage if u["outcome"] not in OUTCOMES])
    checks.check("token counts are sane", [u["seq"] for u in usage
                                           if any(u[t] < 0 for t in TIERS) or u["reasoning"] > u["output"]])
    prompt, same = [], []
    for u in usage:
        r = requests.get(u["request_id"])
        if r is None or u["kind"] != "usage":
            continue
        billed = u["input"] + u["cache_read"] + u["cache_write"]
        whole = u["outcome"] in ("completed", "length")
        if billed > r["prompt_tokens"] or (whole and billed != r["prompt_tokens"]):
            prompt.append(f"{u['request_id']} ({u['outcome']}): {billed} of {r['prompt_tokens']}")
        if u["output"] > 0 and billed == 0:
            prompt.append(f"{u['request_id']}: output without a prompt")
        if any(u[f] != r[f] for f in ("org", "project", "key_id", "model", "asked_model", "api", "mode", "admitted_at")):
            same.append(u["request_id"])
    checks.check("prompt tokens billed are those of the rendered prompt", prompt)
    checks.check("a record says the same as its request", same)
    return terminals


def read_clients(files):
    """The most that each request's client knows, by the part of the id that is the request's."""
    seen = {}
    for name in files:
        data = open(name, "rb").read()
        for raw in data.split(b"\n")[:-1]:
            line = json.loads(raw)
            key = line["id"].split("-")[-1]
            known = seen.setdefault(key, {"tokens": 0, "text": "", "done": False, "usage": None})
            if line["tokens"] >= known["tokens"]:
                known.update(tokens=line["tokens"], text=line["text"])
            if line.get("done"):
                known.update(done=True, usage=line.get("usage"))
    return seen


def check_clients(checks, terminals, clients, script, open_ids):
    unknown, over, beyond, text, done = [], [], [], [], []
    for request_id, seen in clients.items():
        record = terminals.get(request_id, [None])[0]
        if record is None:
            if request_id not in open_ids:
                unknown.append(f"{request_id} received {seen['tokens']} tokens and has no record")
            continue
        if seen["tokens"] > record["output"]:
            over.append(f"{request_id}: received {seen['tokens']} > billed {record['output']}")
        if seen["text"] != "".join(script[:seen["tokens"]]):
            text.append(request_id)
        if seen["done"]:
            usage = seen["usage"] or {}
            billed_prompt = record["input"] + record["cache_read"] + record["cache_write"]
            if record["outcome"] not in ("completed", "length") or seen["tokens"] != record["output"] \
                    or usage.get("completion_tokens") != record["output"] or usage.get("prompt_tokens") != billed_prompt:
                done.append(f"{request_id}: {record['outcome']}, billed {record['output']}, usage {usage}")
    for records in terminals.values():
        if records[0]["output"] > len(script):
            beyond.append(f"{records[0]['request_id']}: billed {records[0]['output']} > script {len(script)}")
    checks.check("whoever received a token has a record", unknown)
    checks.check("received <= billed", over)
    checks.check("billed <= script", beyond)
    checks.check("received text is the script's", text)
    checks.check("a finished stream, its usage and its record agree", done)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--clients", nargs="*", default=[])
    parser.add_argument("--script")
    parser.add_argument("--running", action="store_true")
    args = parser.parse_args()

    checks = Checks()
    pepper = open(os.path.join(args.data, "pepper"), "rb").read()
    mac_key = hmac.new(pepper, b"ledger-mac", hashlib.sha256).digest()
    db = sqlite3.connect(f"file:{os.path.join(args.data, 'ledger.db')}?mode=ro", uri=True, isolation_level=None)
    db.execute("BEGIN")  # one snapshot for all
    checks.check("SQLite finds the file whole",
                 [r[0] for r in db.execute("PRAGMA integrity_check") if r[0] != "ok"])
    checks.check("foreign keys hold", db.execute("PRAGMA foreign_key_check").fetchall())
    check_macs(checks, db, mac_key)
    check_chain(checks, db, "usage")
    check_chain(checks, db, "audit")
    check_heads(checks, db, args.data, mac_key)

    db.row_factory = sqlite3.Row
    usage = [dict(r) for r in rows(db, "usage", "seq")]
    requests = {r["request_id"]: dict(r) for r in rows(db, "requests")}
    open_ids = [r[0] for r in db.execute("SELECT request_id FROM progress")]
    terminals = check_records(checks, usage, requests, open_ids, args.running)
    if args.clients:
        script = json.load(open(args.script, encoding="utf-8"))["text"] if args.script else []
        check_clients(checks, terminals, read_clients(args.clients), script, open_ids)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
