#!/usr/bin/env python3
"""Start, stop, drain, reload of keys, the admin listener's guards.

usage: test_lifecycle.py --build DIR
"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "clients"))
from gateway import Gateway, arguments, exchange, metric, run, wait_for  # noqa: E402


def is_draining(g):
    try:
        return g.request("GET", "/readyz")[0] == 503
    except http.client.RemoteDisconnected:
        return False  # an idle connection may get a clean end at the moment the drain begins; the next one is answered


def f066_drain_keeps_liveness_refuses_new_work_and_lets_streams_end(build):
    with Gateway(build) as g:
        key = g.key()
        streams = [g.stream("slow", key, max_tokens=60) for _ in range(3)]
        kept = g.connection()
        assert exchange(kept, "GET", "/readyz", None, None, None)[0] == 200
        for stream in streams:
            stream.first(1)
        g.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_draining(g), "readiness false")
        assert g.request("GET", "/livez")[0] == 200 and g.request("GET", "/healthz")[0] == 200
        assert g.request("GET", "/livez", port=g.admin_port)[0] == 200
        status, headers, body = g.chat("hello", key)
        assert status == 503 and json.loads(body)["error"]["code"] == "draining"
        assert headers.get("connection") == "close" and float(headers["retry-after"]) > 0
        for stream in streams:
            assert list(stream.events())[-1] == "[DONE]"
        assert g.process.wait(30) == 0
        g.start()
        assert [r["outcome"] for r in g.records()] == ["length"] * 3


def at_the_drain_bound_streams_end_in_band_and_records_are_terminal(build):
    with Gateway(build, server="drain = 0.5") as g:
        key = g.key()
        stream = g.stream("slow", key)
        stream.first(1)
        g.process.send_signal(signal.SIGTERM)
        events = list(stream.events())
        assert json.loads(events[-1])["error"]["code"] == "draining"
        assert g.process.wait(30) == 0
        g.start()
        record = g.records()[0]
        assert record["outcome"] == "shed"


def a_second_signal_shortens_the_drain(build):
    with Gateway(build, server="drain = 600") as g:
        stream = g.stream("slow", g.key())
        stream.first(1)
        g.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_draining(g), "readiness false")
        g.process.send_signal(signal.SIGTERM)
        assert json.loads(list(stream.events())[-1])["error"]["code"] == "draining"
        assert g.process.wait(30) == 0


def k3_a_revoked_key_is_refused_from_the_next_request_on(build):
    with Gateway(build) as g:
        made = g.key_object()
        assert g.chat("hello", made["key"])[0] == 200
        running = g.stream("slow", made["key"], max_tokens=20)
        running.first(1)
        assert g.admin("DELETE", f"/admin/v1/keys/{made['id']}")[0] in (200, 204)
        status, _, body = g.chat("hello", made["key"])
        assert status == 401
        assert body == g.chat("hello", "mgk_unknown_unknown")[2], "unknown and revoked look alike"
        assert list(running.events())[-1] == "[DONE]", "what runs ends as it began"


def commands_work_with_and_without_a_server(build):
    with Gateway(build) as g:
        words = ["keys", "create", "-c", str(g.config), "--org", "acme", "--project", "web", "--name", "x", "--create", "--json"]
        online = json.loads(g.command(*words).stdout)["key"]
        assert g.chat("hello", online)[0] == 200
        assert g.stop() == 0
        words[words.index("x")] = "y"
        offline = json.loads(g.command(*words).stdout)["key"]
        g.start()
        assert g.chat("hello", offline)[0] == 200 and g.chat("hello", online)[0] == 200
        assert g.command("version").stdout.startswith("moegate ")
        assert g.command("nonsense", check=False).returncode == 2
        assert g.command("serve", check=False).returncode == 2


def a_second_server_on_the_same_data_is_refused(build):
    with Gateway(build) as g:
        done = subprocess.run([str(g.program), "serve", "-c", str(g.config)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and str(g.data) in done.stderr, done.stderr


def wrong_starts_say_why_in_one_line(build):
    cases = {
        "no_such_plugin": ([{"id": "a", "plugin": "nothing"}], "moegate-nothing.so"),
        "no_such_path": ([{"id": "a", "plugin": "playback", "path": "/nowhere/x.json"}], "/nowhere/x.json"),
        "relative_plugin": ([{"id": "a", "plugin": "x/y"}], "absolute path"),
        "twice": ([{"id": "a", "plugin": "null"}, {"id": "a", "plugin": "null"}], "used twice"),
    }
    for name, (models, said) in cases.items():
        with Gateway(build, models=models, start=False) as g:
            done = subprocess.run([str(g.program), "serve", "-c", str(g.config)], capture_output=True, text=True, timeout=30)
            assert done.returncode == 1 and said in done.stderr, (name, done.stderr)


def c5_a_pepper_that_others_can_read_is_refused_by_name(build):
    with Gateway(build) as g:
        assert g.stop() == 0
        os.chmod(g.data / "pepper", 0o644)
        done = subprocess.run([str(g.program), "serve", "-c", str(g.config)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and "pepper" in done.stderr, done.stderr


def f073_keys_are_in_no_answer_and_no_log(build):
    with Gateway(build) as g:
        good = g.key()
        secret = good.split("_", 2)[2]
        bad = ["mgk_abc_CANARYCANARYCANARY", " " + good, "CANARYCANARYCANARY", good[:-1] + "x"]
        for key in bad:
            for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}, {"Authorization": f"Basic {key}"}):
                status, _, body = g.post("/v1/chat/completions", {"model": "play"}, headers=headers)
                assert "CANARY" not in body and secret[:9] not in body
        assert g.chat("hello", good)[0] == 200
        conflict = g.post("/v1/chat/completions", {"model": "play"}, good, headers={"x-api-key": "mgk_other_CANARYCANARY"})
        assert conflict[0] == 401
        text = g.log() + g.request("GET", "/metrics", port=g.admin_port)[2]
        assert "CANARY" not in text and secret[:9] not in text
        database = (g.data / "ledger.db").read_bytes() + (g.data / "ledger.db-wal").read_bytes()
        assert secret.encode() not in database


def content_is_in_no_log(build):
    with Gateway(build) as g:
        key = g.key()
        assert g.chat("hello SECRETWORD", key)[0] == 200
        line = [json.loads(x) for x in g.log().splitlines() if x.startswith("{") and "chat_completions" in x][0]
        assert line["model"] == "play" and line["outcome"] == "completed" and line["completion_tokens"] == 7
        assert line["org"] == "acme" and "SECRETWORD" not in g.log() and "world" not in g.log()


def f074_foreign_hosts_are_refused_on_the_admin_listener(build):
    with Gateway(build) as g:
        def ask(host, path):
            connection = http.client.HTTPConnection("127.0.0.1", g.admin_port, timeout=20)
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            assert "access-control-allow-origin" not in {k.lower() for k, _ in answer.getheaders()}
            return answer.status
        for path in ("/", "/metrics", "/admin/v1/keys", "/admin/v1/overview", "/livez"):
            for host in ("evil.example:9090", "127.0.0.1.nip.example", "localhost.evil.example", "[::1].x"):
                assert ask(host, path) in (400, 403, 421), (host, path)
        for host in ("localhost", f"127.0.0.1:{g.admin_port}", "[::1]:9090"):
            assert ask(host, "/metrics") == 200 and ask(host, "/") == 200


def f075_cross_site_requests_change_nothing(build):
    with Gateway(build) as g:
        admin = json.loads(g.command("admin", "create", "-c", str(g.config), "--name", "a", "--role", "admin", "--json").stdout)
        key = admin.get("key") or admin["secret"]
        body = json.dumps({"org": "evil"})
        before = g.admin("GET", "/admin/v1/orgs")[2]
        for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                        {"Content-Type": "multipart/form-data"}, {"Content-Type": ""},
                        {"Content-Type": "application/json", "Origin": "https://evil.example"},
                        {"Content-Type": "application/json", "Origin": "null"},
                        {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}):
            status = g.request("POST", "/admin/v1/orgs", body, key, headers, port=g.admin_port)[0]
            assert status in (403, 415, 421), (headers, status)
        assert g.admin("GET", "/admin/v1/orgs")[2] == before
        origin = {"Origin": f"http://127.0.0.1:{g.admin_port}"}
        status, _, answer = g.request("POST", "/admin/v1/orgs", {"org": "good"}, key, origin, port=g.admin_port)
        assert status in (200, 201), answer


def k4_admin_routes_need_a_role(build):
    with Gateway(build) as g:
        for method, path in (("GET", "/admin/v1/keys"), ("GET", "/admin/v1/overview"), ("POST", "/admin/v1/keys"),
                             ("GET", "/admin/v1/usage"), ("GET", "/admin/v1/moe/play/load"), ("POST", "/admin/v1/login"),
                             ("GET", "/admin/v1/nothing")):
            status, _, body = g.request(method, path, {} if method == "POST" else None, port=g.admin_port)
            assert status == 401, (method, path, status, body)
            status = g.request(method, path, {} if method == "POST" else None, g.key(name=f"k{abs(hash((method, path)))}"),
                               port=g.admin_port)[0]
            assert status == 401, "a tenant's key opens nothing here"
        made = json.loads(g.command("admin", "create", "-c", str(g.config), "--name", "m", "--role", "metrics", "--json").stdout)
        weak = made.get("key") or made["secret"]
        assert g.request("GET", "/metrics", key=weak, port=g.admin_port)[0] == 200
        assert g.request("GET", "/admin/v1/keys", key=weak, port=g.admin_port)[0] == 403
        assert g.request("POST", "/admin/v1/keys", {}, weak, port=g.admin_port)[0] == 403


def the_page_opens_by_a_one_time_address(build):
    with Gateway(build) as g:
        for path, kind in (("/", "text/html"), ("/app.js", "javascript"), ("/app.css", "text/css")):
            status, headers, _ = g.request("GET", path, port=g.admin_port)
            assert status == 200 and kind in headers["content-type"] and "content-security-policy" in headers
        said = g.command("admin", "login", "-c", str(g.config)).stdout
        path = re.search(r"http://127\.0\.0\.1:\d+(/login\?token=\w+)", said)[1]
        status, headers, _ = g.request("GET", path, port=g.admin_port)
        assert status == 303 and headers["location"] == "/" and "HttpOnly" in headers["set-cookie"] and "SameSite=Strict" in headers["set-cookie"]
        cookie = {"Cookie": headers["set-cookie"].split(";")[0]}
        assert g.request("GET", path, port=g.admin_port)[0] == 401, "an address opens once"
        assert g.request("GET", "/admin/v1/overview", headers=cookie, port=g.admin_port)[0] == 200
        assert g.request("GET", "/admin/v1/moe/play/load?window=60s", headers=cookie, port=g.admin_port)[0] == 200
        assert g.request("POST", "/admin/v1/orgs", {"org": "x"}, headers=cookie, port=g.admin_port)[0] == 403, "it only reads"
        assert g.request("GET", "/admin/v1/overview", headers={"Cookie": "moegate_session=x"}, port=g.admin_port)[0] == 401


def probes_answer_on_both_listeners_without_a_key(build):
    with Gateway(build) as g:
        for port in (g.port, g.admin_port):
            for path in ("/health", "/livez", "/healthz", "/readyz", "/version"):
                status, headers, body = g.request("GET", path, port=port)
                assert status == 200 and json.loads(body) and headers["x-request-id"], path


def interrupted_requests_are_recorded_at_the_next_start(build):
    with Gateway(build) as g:
        key = g.key()
        stream = g.stream("slow", key)
        received = len(stream.first(3))
        g.kill()
        g.start()
        record = g.records()[0]
        assert record["outcome"] == "interrupted" and record["request_id"] == stream.id
        assert metric(g.metrics(), "moegate_meter_recovered_records_total") == 1
        from test_endings import tokens
        assert tokens(record, "output") >= received


if __name__ == "__main__":
    run([f066_drain_keeps_liveness_refuses_new_work_and_lets_streams_end,
         at_the_drain_bound_streams_end_in_band_and_records_are_terminal, a_second_signal_shortens_the_drain,
         k3_a_revoked_key_is_refused_from_the_next_request_on, commands_work_with_and_without_a_server,
         a_second_server_on_the_same_data_is_refused, wrong_starts_say_why_in_one_line,
         c5_a_pepper_that_others_can_read_is_refused_by_name, f073_keys_are_in_no_answer_and_no_log, content_is_in_no_log,
         f074_foreign_hosts_are_refused_on_the_admin_listener, f075_cross_site_requests_change_nothing,
         k4_admin_routes_need_a_role, the_page_opens_by_a_one_time_address, probes_answer_on_both_listeners_without_a_key,
         interrupted_requests_are_recorded_at_the_next_start], arguments())
