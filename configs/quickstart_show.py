#!/usr/bin/env python3
"""What quickstart.sh shows: reads the gateway's answers and prints them for people. Standard library only."""

import json
import os
import re
import socket
import sys


def die(text):
    sys.exit(f"quickstart: {text}")


def free_port(preferred):
    """`preferred` if nobody listens there, else any free port of loopback; 0 asks for any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def config(template, run, attempt):
    """The configuration of this run: absolute paths, ports that are free now."""
    folder = os.path.dirname(os.path.abspath(template))
    text = open(template, encoding="utf-8").read()
    first = int(attempt) == 1
    for section, preferred in (("server", 8080), ("admin", 9090)):
        port = free_port(preferred if first else 0)
        text = re.sub(rf'(\[{section}\]\nlisten = ")[^"]*', rf"\g<1>127.0.0.1:{port}", text)
    text = re.sub(r'^dir = .*', f"dir = {json.dumps(run + '/data')}", text, flags=re.M)
    text = re.sub(r'^path = "(.*)"', lambda m: f"path = {json.dumps(os.path.join(folder, m[1]))}", text, flags=re.M)
    print(text, end="")


def address(path, section):
    found = re.search(rf'\[{section}\]\nlisten = "([^"]*)"', open(path, encoding="utf-8").read())
    print(found[1])


def key(path):
    print(json.load(open(path, encoding="utf-8"))["key"])


def stream(out):
    """Prints the text of a streamed chat as it comes; keeps id, text and usage in `out`."""
    seen = {"id": None, "text": "", "usage": None, "done": False, "chunks": 0}
    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line.startswith("{"):
            die(f"the server refused the request: {line}")
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            seen["done"] = True
            continue
        chunk = json.loads(line[6:])
        if "error" in chunk:
            die(f"the stream ended with an error: {chunk['error']}")
        seen["id"] = chunk["id"]
        seen["usage"] = chunk.get("usage") or seen["usage"]
        for choice in chunk["choices"]:
            text = choice["delta"].get("content") or ""
            seen["text"] += text
            seen["chunks"] += bool(text)
            print(text, end="", flush=True)
    print()
    if not (seen["done"] and seen["text"] and seen["usage"]):
        die("the stream was cut before its end")
    json.dump(seen, open(out, "w", encoding="utf-8"))
    usage = seen["usage"]
    print(f"usage in the stream: {usage['prompt_tokens']} prompt + {usage['completion_tokens']} completion tokens, "
          f"{seen['chunks']} pieces")


def record(records_path, stream_path):
    """Prints the record of the streamed request, one field a line, and compares its tokens with the stream's usage."""
    answer = json.load(open(records_path, encoding="utf-8"))
    records = answer if isinstance(answer, list) else answer["data"]
    seen = json.load(open(stream_path, encoding="utf-8"))
    mine = [r for r in records if seen["id"].endswith(r["request_id"].split("-")[-1])]
    if len(mine) != 1:
        die(f"{len(mine)} usage records for request {seen['id']}, expected 1")
    for name, value in mine[0].items():
        print(f"  {name:<18} {value if isinstance(value, str) else json.dumps(value)}")
    tiers = {tier: mine[0][tier] for tier in ("input", "cache_read", "cache_write", "output")}
    prompt = tiers["input"] + tiers["cache_read"] + tiers["cache_write"]
    usage = seen["usage"]
    if (prompt, tiers["output"]) != (usage["prompt_tokens"], usage["completion_tokens"]):
        die(f"record {tiers} and stream usage {usage} differ")
    print(f"record = stream: {prompt} prompt tokens, {tiers['output']} completion tokens")


def matrix(path):
    """Assignments [layer][expert] since start, both phases together."""
    phases = json.load(open(path, encoding="utf-8"))["phases"].values()
    return [[sum(counts) for counts in zip(*rows)] for rows in zip(*phases)]


def routing(before_path, after_path):
    before, after = matrix(before_path), matrix(after_path)
    load = [[a - b for a, b in zip(row_a, row_b)] for row_a, row_b in zip(after, before)]
    top = max(max(row) for row in load)
    if top <= 0:
        die("the router counted nothing for this answer")
    print("  layer " + "".join(f"{'e' + str(e):>6}" for e in range(len(load[0]))) + "   total")
    for i_layer, row in enumerate(load):
        print(f"  {i_layer:>5} " + "".join(f"{n:>6}" for n in row) + f"{sum(row):>8}")


if __name__ == "__main__":
    commands = {f.__name__: f for f in (config, address, key, stream, record, routing)}
    commands[sys.argv[1]](*sys.argv[2:])
