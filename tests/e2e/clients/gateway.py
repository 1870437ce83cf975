"""Starts the built gateway on loopback with a data directory of its own, and talks to it: what all e2e tests share.

    with Gateway(build, models=[...]) as g:
        key = g.key()
        status, headers, body = g.post("/v1/chat/completions", {...}, key)

Only processes that it started are ended. Ports are free ones, taken from the gateway's own start-up lines.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BASIC = ROOT / "tests/data/playback/basic.json"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--only", default="", help="run tests whose name holds this")
    args = parser.parse_args()
    args.build = args.build.resolve()
    return args


def run(tests, args):
    """Runs functions, prints one line each and `N passed, M failed`; exits 1 if one failed."""
    passed = failed = 0
    for test in tests:
        if args.only and args.only not in test.__name__:
            continue
        try:
            test(args.build)
            passed += 1
            print(f"ok   {test.__name__}", flush=True)
        except Exception:  # noqa: BLE001 - a test may fail in any way
            failed += 1
            print(f"FAIL {test.__name__}", flush=True)
            traceback.print_exc()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


def wait_for(condition, what, seconds=20.0):
    """A bound against hanging, not a measurement: conditions come true much earlier."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {seconds} s: {what}")
        time.sleep(0.01)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Gateway:
    def __init__(self, build, models=None, server="", extra="", start=True):
        self.build = Path(build)
        self.program = self.build / "bin/moegate"
        self.folder = Path(tempfile.mkdtemp(prefix="moegate-e2e-"))
        self.data = self.folder / "data"
        self.config = self.folder / "moegate.toml"
        self.log_path = self.folder / "log"
        models = models if models is not None else [
            {"id": "play", "plugin": "playback", "path": str(BASIC), "aliases": ["fast"]}]
        text = f'[data]\ndir = "{self.data}"\n[server]\nlisten = "127.0.0.1:0"\n{server}\n[admin]\nlisten = "127.0.0.1:0"\n{extra}\n'
        for model in models:
            text += "[[model]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in model.items())
        self.config.write_text(text)
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- process

    def start(self):
        log = open(self.log_path, "a")
        mark = self.log_path.stat().st_size
        self.process = subprocess.Popen([str(self.program), "serve", "-c", str(self.config)], stderr=log,
                                        stdout=subprocess.DEVNULL)
        log.close()

        def ports():
            text = self.log_path.read_text()[mark:]
            data = re.search(r"serving .* on https?://127\.0\.0\.1:(\d+)", text)
            admin = re.search(r"admin listener http://127\.0\.0\.1:(\d+)", text)
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{text}")
            return (int(data[1]), int(admin[1])) if data and admin else None

        self.port, self.admin_port = wait_for(ports, "start of the gateway", 60)

    def log(self):
        return self.log_path.read_text()

    def kill(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def command(self, *words, check=True):
        done = subprocess.run([str(self.program), *words], capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"moegate {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def key(self, org="acme", project="web", name="ci", **body):
        """Creates a key over the admin socket; returns its text."""
        return self.key_object(org, project, name, **body)["key"]

    def key_object(self, org="acme", project="web", name="ci", **body):
        status, _, answer = self.admin("POST", "/admin/v1/keys",
                                       {"org": org, "project": project, "name": name, "create": True, **body})
        assert status in (200, 201), answer
        return json.loads(answer)

    # ---- HTTP

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def request(self, method, path, body=None, key=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            return exchange(connection, method, path, body, key, headers)
        finally:
            connection.close()

    def post(self, path, body, key=None, headers=None):
        return self.request("POST", path, body, key, headers)

    def raw_post(self, path, body, key):
        """Everything that comes back until the server closes."""
        data = json.dumps(body)
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as sock:
            sock.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode())
            received = b""
            try:
                while piece := sock.recv(65536):
                    received += piece
            except ConnectionResetError:
                pass
        return received.decode()

    def chat(self, text, key, **fields):
        return self.post("/v1/chat/completions",
                         {"model": "play", "messages": [{"role": "user", "content": text}], **fields}, key)

    def stream(self, text, key, **fields):
        """A started stream; the caller reads lines and closes."""
        body = {"model": "play", "messages": [{"role": "user", "content": text}], "stream": True, **fields}
        return Stream(self.connection(), "/v1/chat/completions", body, key)

    def admin(self, method, path, body=None):
        connection = UnixConnection(self.data / "admin.sock")
        try:
            return exchange(connection, method, path, body, None, None)
        finally:
            connection.close()

    def records(self):
        """All usage records, through the admin API."""
        status, _, body = self.admin("GET", "/admin/v1/usage/records?limit=1000")
        assert status == 200, body
        return json.loads(body)["data"]

    def overview(self):
        return json.loads(self.admin("GET", "/admin/v1/overview")[2])

    def metrics(self):
        """{(name, frozenset(labels)): value} of one scrape."""
        status, _, text = self.request("GET", "/metrics", port=self.admin_port)
        assert status == 200
        found = {}
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")
            found[(name, frozenset(pairs))] = float(value)
        return found

    def settled(self):
        """Waits until nothing runs, so that every record is written."""
        wait_for(lambda: self.overview()["requests"]["in_flight"] == 0, "end of all requests")


def metric(metrics, name, **labels):
    """Sum over all series of that name that carry these labels."""
    return sum(value for (n, pairs), value in metrics.items() if n == name and set(labels.items()) <= set(pairs))


def exchange(connection, method, path, body, key, headers):
    sent = dict(headers or {})
    data = None
    if body is not None:
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        sent.setdefault("Content-Type", "application/json")
    if key:
        sent["Authorization"] = f"Bearer {key}"
    connection.request(method, path, data, sent)
    answer = connection.getresponse()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()


class Stream:
    def __init__(self, connection, path, body, key):
        self.connection = connection
        connection.request("POST", path, json.dumps(body),
                           {"Content-Type": "application/json", "Authorization": f"Bearer {key}", "Accept": "application/json"})
        self.answer = connection.getresponse()
        self.status = self.answer.status
        self.headers = {k.lower(): v for k, v in self.answer.getheaders()}
        self.id = self.headers.get("x-request-id")
        self.comments = 0

    def events(self):
        """Data of each event; ends when the stream does, also when it is cut."""
        while True:
            line = self.answer.readline()
            if not line:
                return
            line = line.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("data: "):
                yield line[6:]
                if line == "data: [DONE]":
                    return

    def chunks(self):
        return [json.loads(data) for data in self.events() if data != "[DONE]"]

    def first(self, count=1):
        """Reads until so many content chunks came."""
        found = []
        for data in self.events():
            chunk = json.loads(data)
            if chunk.get("choices") and chunk["choices"][0].get("delta", {}).get("content"):
                found.append(chunk)
            if len(found) == count:
                return found
        return found

    def reset(self):
        """Closes with RST, as a client that died."""
        sock = self.answer.fp.raw._sock if hasattr(self.answer.fp, "raw") else self.connection.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        self.answer.close()
        self.connection.close()
