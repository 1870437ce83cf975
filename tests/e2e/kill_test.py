#!/usr/bin/env python3
"""Kills the gateway under load at random moments and lets an independent checker look at what it left.

    kill_test.py --build DIR [--kills N] [--seed S] [--expect-failure] [--keep]

The gateway serves the playback backend; eight clients stream over raw sockets, and each syncs what it received to a file
before it believes it. After 5 to 500 ms the process gets SIGKILL, is started again, must be ready within 2 s, and
tests/tools/verify_ledger.py joins the clients' files with the ledger: received <= billed <= script, one terminal record
each. --expect-failure turns the verdict round, for a build with MOE_TEST_DELIVER_BEFORE_COMMIT.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLIENTS = 8
TOKENS = 120
RECOVERY_LIMIT_S = 2.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Gateway:
    def __init__(self, build, folder):
        self.program = os.path.join(build, "bin", "moegate")
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.config = os.path.join(folder, "moegate.toml")
        self.log = open(os.path.join(folder, "server.log"), "ab")
        self.process = None
        self.words = [f"w{i} " for i in range(TOKENS)]
        pieces = [{"text": w, "tokens": [i % 256]} for i, w in enumerate(self.words)]
        script = {"max_context_tokens": 4096, "step_ms": 3, "entries": [{"prompt_tokens": 11, "pieces": pieces}]}
        json.dump(script, open(os.path.join(folder, "script.json"), "w", encoding="utf-8"))
        json.dump({"text": self.words}, open(os.path.join(folder, "words.json"), "w", encoding="utf-8"))
        os.makedirs(self.data, mode=0o700)

    def write_config(self):
        self.port = free_port()
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f'[data]\ndir = "{self.data}"\n[server]\nlisten = "127.0.0.1:{self.port}"\n'
                      f'[admin]\nlisten = "127.0.0.1:{free_port()}"\n[engine]\nplugin = "playback"\n'
                      f'[[model]]\nid = "play"\nplugin = "playback"\npath = "{self.folder}/script.json"\n')

    def start(self):
        """Returns the seconds until it was ready."""
        for _ in range(3):
            self.write_config()
            began = time.monotonic()
            self.process = subprocess.Popen([self.program, "serve", "-c", self.config], stdout=self.log, stderr=self.log)
            while self.process.poll() is None and time.monotonic() - began < 30:
                if self.is_ready():
                    return time.monotonic() - began
                time.sleep(0.005)
            self.kill()
        sys.exit(f"the gateway did not start: see {self.log.name}\n" + open(self.log.name, errors="replace").read()[-2000:])

    def is_ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                s.settimeout(1)
                s.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return s.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)

    def command(self, *words):
        done = subprocess.run([self.program, *words, "-c", self.config, "--json"], capture_output=True, text=True, timeout=120)
        if done.returncode not in (0, 1) or not done.stdout:
            sys.exit(f"moegate {' '.join(words)}: {done.stderr}")
        return done.returncode, json.loads(done.stdout)


class Chunked:
    """Decodes Transfer-Encoding: chunked as bytes arrive; the head is skipped."""

    def __init__(self):
        self.raw = b""
        self.has_head = False
        self.body = b""

    def feed(self, data):
        self.raw += data
        if not self.has_head:
            head, mark, rest = self.raw.partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                raise OSError(f"answer {head[:40]}")
            self.has_head, self.raw = True, rest
        while True:
            line, mark, rest = self.raw.partition(b"\r\n")
            if not mark:
                return
            size = int(line, 16)
            if len(rest) < size + 2:
                return
            self.body += rest[:size]
            self.raw = rest[size + 2:]

    def events(self):
        while b"\n\n" in self.body:
            event, _, self.body = self.body.partition(b"\n\n")
            if event.startswith(b"data: "):
                yield event[6:]


class Client(threading.Thread):
    """Streams one request after the other until the server is gone."""

    def __init__(self, number, folder, port, key):
        super().__init__(daemon=True)
        self.file = os.path.join(folder, f"client-{number}.jsonl")
        self.port = port
        self.key = key

    def note(self, line):
        os.write(self.out, json.dumps(line).encode() + b"\n")
        os.fsync(self.out)

    def run(self):
        self.out = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while True:
                self.one_request()
        except (OSError, ValueError):
            pass  # the kill
        finally:
            os.close(self.out)

    def one_request(self):
        body = json.dumps({"model": "play", "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 500,
                           "messages": [{"role": "user", "content": "go"}]}).encode()
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
                f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(head + body)
            stream, text, request_id, usage = Chunked(), "", None, None
            while True:
                data = s.recv(65536)
                if not data:
                    raise OSError("closed")
                stream.feed(data)
                for event in stream.events():
                    if event == b"[DONE]":
                        self.note({"id": request_id, "tokens": text.count(" "), "text": text, "done": True, "usage": usage})
                        return
                    chunk = json.loads(event)
                    if "error" in chunk:
                        raise OSError(chunk["error"])
                    request_id, usage = chunk["id"], chunk.get("usage") or usage
                    piece = "".join(c["delta"].get("content") or "" for c in chunk["choices"])
                    if piece:
                        text += piece
                        self.note({"id": request_id, "tokens": text.count(" "), "text": text})


def verify(gateway, folder):
    files = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.startswith("client-"))
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "tools", "verify_ledger.py"), "--data", gateway.data,
                           "--script", os.path.join(folder, "words.json"), "--clients", *files],
                          capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, end="", flush=True)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--expect-failure", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    args = parser.parse_args()

    print(f"seed {args.seed}", flush=True)
    chance = random.Random(args.seed)
    folder = tempfile.mkdtemp(prefix="moegate-kill-")
    gateway = Gateway(os.path.abspath(args.build), folder)
    passed = failed = 0
    recoveries = []
    try:
        gateway.write_config()
        _, key = gateway.command("keys", "create", "--org", "acme", "--project", "kill", "--name", "k", "--create")
        gateway.start()
        for n in range(args.kills):
            clients = [Client(i, folder, gateway.port, key["key"]) for i in range(CLIENTS)]
            for client in clients:
                client.start()
            pause = chance.uniform(0.005, 0.5)
            time.sleep(pause)  # the moment of the kill is the test's input
            gateway.kill()
            for client in clients:
                client.join()
            recovery = gateway.start()
            recoveries.append(recovery)
            is_fine = verify(gateway, folder) and recovery <= RECOVERY_LIMIT_S
            passed, failed = passed + is_fine, failed + (not is_fine)
            if not is_fine:
                print(f"FAIL kill {n + 1} after {pause * 1000:.0f} ms (ready again after {recovery:.2f} s)", flush=True)
        status, verification = gateway.command("usage", "verify")
        reconciled, comparison = gateway.command("usage", "reconcile")
        recovered = sum(r["outcome"] == "interrupted" for r in gateway.command("usage", "records", "--limit", "1000")[1]["data"])
        stopped = gateway.stop()
        for name, is_fine, detail in (("usage verify", status == 0 and verification["ok"], verification),
                                      ("usage reconcile", reconciled == 0 and comparison["ok"], comparison),
                                      ("a clean stop", stopped == 0, stopped), ("the ledger after it", verify(gateway, folder), ""),
                                      ("kills interrupted requests", recovered > 0, recovered)):
            passed, failed = passed + is_fine, failed + (not is_fine)
            if not is_fine:
                print(f"FAIL {name}: {detail}")
    finally:
        if gateway.process is not None:
            gateway.kill()
        if args.keep or (failed and not args.expect_failure):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if recoveries:
        print(f"recovery: slowest {max(recoveries):.2f} s, {recovered} requests interrupted")
    if args.expect_failure:
        passed, failed = (1, 0) if failed else (0, 1)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
