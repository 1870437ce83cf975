#!/usr/bin/env python3
"""Every way in which a request can end writes exactly one record, gives its place back, and leaves counters, records and
reports equal to the token.

usage: test_endings.py --build DIR
"""
import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "clients"))
from gateway import Gateway, arguments, metric, run, wait_for  # noqa: E402


def record_of(g, request_id):
    return wait_for(lambda: [r for r in g.records() if r["request_id"] == request_id], f"record of {request_id}")


def in_flight_places(g, key):
    """How many of the key's two places are free, by taking them."""
    streams = [g.stream("slow", key) for _ in range(2)]
    statuses = [s.status for s in streams]
    for stream in streams:
        stream.close()
    g.settled()
    return statuses


def every_ending_writes_one_record_and_gives_its_place_back(build):
    """F-040, F-050, and the table of endings."""
    with Gateway(build, server="request_timeout = 1.5") as g:
        key = g.key(concurrent_requests=2)
        expected = {}

        def plain(text, outcome, status, **fields):
            got, headers, body = g.chat(text, key, **fields)
            assert got == status, (text, got, body)
            if outcome:
                expected[headers["x-request-id"]] = outcome

        def streamed(text, outcome, act, **fields):
            stream = g.stream(text, key, **fields)
            assert stream.status == 200
            expected[stream.id] = outcome
            act(stream)
            stream.close()
            g.settled()

        for _ in range(3):
            plain("hello", "completed", 200)
            plain("count", "length", 200, max_tokens=3)
            plain("break", "engine_error", 500)
            plain("fail after", "engine_error", 500)
            plain("hang", "deadline", 504)
            plain("refuse prepare", None, 400)
            plain("refuse start", None, 503)
            plain("hello", None, 400, n=0)
            plain("x" * 5000, None, 400)
            assert g.post("/v1/chat/completions", {"model": "none", "messages": [{"role": "user", "content": "a"}]}, key)[0] == 404
            streamed("hello", "completed", lambda s: list(s.events()))
            streamed("count", "length", lambda s: list(s.events()), max_tokens=4)
            streamed("slow", "disconnected", lambda s: s.first(3))
            streamed("slow", "disconnected", lambda s: s.reset())
            streamed("late", "disconnected", lambda s: None)
            streamed("slow", "cancelled", lambda s: (s.first(1), g.request("DELETE", f"/v1/requests/{s.id}", key=key), list(s.events())))
            streamed("slow", "deadline", lambda s: list(s.events()))
            streamed("break", "engine_error", lambda s: list(s.events()))
            g.settled()
            assert in_flight_places(g, key) == [200, 200]
        records = g.records()
        by_id = {}
        for record in records:
            by_id.setdefault(record["request_id"], []).append(record)
        assert all(len(rows) == 1 for rows in by_id.values())
        for request_id, outcome in expected.items():
            assert by_id[request_id][0]["outcome"] == outcome, (by_id[request_id], outcome)
        extra = [r for r in records if r["request_id"] not in expected]
        assert all(r["outcome"] == "disconnected" for r in extra), extra
        for record in records:  # F-050: a cut one has what a whole one has
            assert record["model"] == "play" and record["org"] == "acme" and record["project"] == "web"
            assert record["outcome"] != "engine_error" or record["billable"] in (False, 0)
        reconcile(g)
        lines = [json.loads(x) for x in g.log().splitlines() if x.startswith("{") and "completions" in x]
        logged = {line["request_id"]: line for line in lines}
        assert len(lines) == len(logged), "one line a request"
        for request_id, outcome in expected.items():
            assert logged[request_id]["outcome"] == outcome, logged[request_id]


def reconcile(g):
    g.settled()
    done = g.command("usage", "reconcile", "-c", str(g.config), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = g.metrics()
    records = g.records()
    for kind, name in (("output", "moegate_generation_tokens_total"), ("output", "moegate_engine_generation_tokens_total")):
        assert metric(numbers, name) == sum(tokens(r, kind) for r in records), name
    prompt = sum(tokens(r, "input") + tokens(r, "cache_write") for r in records)
    assert metric(numbers, "moegate_prompt_tokens_total", source="computed") == prompt
    assert metric(numbers, "moegate_engine_prompt_tokens_total") == prompt
    assert metric(numbers, "moegate_ledger_tokens_total", tier="output") == sum(tokens(r, "output") for r in records)
    for name in ("moegate_engine_requests_running", "moegate_engine_requests_waiting", "moegate_meter_unrecorded_total",
                 "moegate_meter_reconcile_delta_tokens", "moegate_meter_unsynced_tokens"):
        assert metric(numbers, name) == 0, name
    assert metric(numbers, "moegate_http_inflight", route="chat_completions") == 0
    assert metric(numbers, "moegate_requests_total") >= len(records)
    assert metric(numbers, "moegate_meter_records_total", kind="usage") == len(records)


def tokens(record, tier):
    for place in (record, record.get("tokens", {}), record.get("counts", {})):
        for name in (tier, f"{tier}_tokens"):
            if name in place:
                return place[name]
    raise KeyError(f"{tier} in {record}")


def f047_a_true_zero_stays_zero(build):
    with Gateway(build) as g:
        key = g.key()
        stream = g.stream("late", key)
        stream.close()
        record = record_of(g, stream.id)[0]
        assert record["outcome"] == "disconnected" and tokens(record, "output") == 0


def f048_the_token_limit_is_exact_in_all_numbers(build):
    with Gateway(build) as g:
        key = g.key()
        for limit in (1, 5, 20):
            status, headers, body = g.chat("count", key, max_tokens=limit, logprobs=True, return_token_ids=True)
            answer = json.loads(body)
            choice = answer["choices"][0]
            record = [r for r in g.records() if r["request_id"] == headers["x-request-id"]][0]
            numbers = {answer["usage"]["completion_tokens"], len(choice["token_ids"]), len(choice["logprobs"]["content"]),
                       tokens(record, "output")}
            assert numbers == {limit} and choice["finish_reason"] == "length", numbers
            assert int(headers["x-moegate-usage-record"]) == record["seq"]
        reconcile(g)


def c11_abort_after_done_is_completed_and_c12_abort_at_a_token_bills_what_is_durable(build):
    with Gateway(build) as g:
        key = g.key()
        stream = g.stream("hello", key)
        list(stream.events())
        stream.reset()
        assert record_of(g, stream.id)[0]["outcome"] == "completed"
        for count in (1, 2, 5):
            stream = g.stream("slow", key)
            received = len(stream.first(count))
            stream.reset()
            record = record_of(g, stream.id)[0]
            assert record["outcome"] == "disconnected" and tokens(record, "output") >= received
        reconcile(g)


def a_half_close_is_no_disconnect(build):
    import socket
    with Gateway(build) as g:
        key = g.key()
        stream = g.stream("slow", key, max_tokens=10)
        stream.connection.sock.shutdown(socket.SHUT_WR) if stream.connection.sock else stream.answer.fp.raw._sock.shutdown(socket.SHUT_WR)
        assert list(stream.events())[-1] == "[DONE]"
        assert record_of(g, stream.id)[0]["outcome"] == "length"


def a_slow_reader_pauses_only_itself_and_is_cut_at_its_deadline(build):
    import socket
    with Gateway(build, server="request_timeout = 3") as g:
        key = g.key()
        body = json.dumps({"model": "play", "stream": True, "max_tokens": 4000, "logprobs": True, "top_logprobs": 20,
                           "messages": [{"role": "user", "content": "count"}]})
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", g.port))
        slow.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        assert b"200" in slow.recv(1024)
        wait_for(lambda: metric(g.metrics(), "moegate_http_inflight", route="chat_completions") == 1, "stream")
        assert g.chat("hello", key)[0] == 200  # others go on
        record = wait_for(lambda: [r for r in g.records() if r["outcome"] in ("deadline", "disconnected")], "end of the slow one")[0]
        assert tokens(record, "output") < 4000
        slow.close()
        g.settled()


def concurrency_and_rate_limits_say_which_and_hold_exactly(build):
    """F-044 for the two limits of this release."""
    with Gateway(build) as g:
        key = g.key(concurrent_requests=1)
        stream = g.stream("slow", key)
        stream.first(1)
        status, headers, body = g.chat("hello", key)
        assert status == 429 and json.loads(body)["error"]["code"] == "rate_limit_exceeded"
        assert headers["x-moegate-limit-scope"] == "key" and headers["x-moegate-limit-kind"] == "concurrency"
        assert float(headers["retry-after-ms"]) > 0 and float(headers["retry-after"]) > 0
        stream.close()
        g.settled()
        assert g.chat("hello", key)[0] == 200
        limited = g.key(name="rpm", requests_per_minute=3)
        statuses = []
        lock = threading.Lock()

        def one():
            status, headers, _ = g.chat("hello", limited)
            with lock:
                statuses.append((status, headers))
        threads = [threading.Thread(target=one) for _ in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert sorted(s for s, _ in statuses) == [200] * 3 + [429] * 5
        refused = [h for s, h in statuses if s == 429][0]
        assert refused["x-moegate-limit-kind"] == "rpm" and 0 < float(refused["retry-after"]) <= 61
        assert {h["x-ratelimit-limit-requests"] for _, h in statuses} == {"3"}
        numbers = g.metrics()
        assert metric(numbers, "moegate_limit_rejections_total", scope="key", kind="rpm") == 5
        assert metric(numbers, "moegate_limit_rejections_total", scope="key", kind="concurrency") == 1


def f054_aborted_requests_are_counted_once_everywhere(build):
    with Gateway(build) as g:
        key = g.key()
        for _ in range(5):
            assert g.chat("hello", key)[0] == 200
        for _ in range(3):
            stream = g.stream("slow", key)
            stream.first(1)
            stream.close()
        for _ in range(2):
            g.stream("late", key).close()
        for _ in range(3):
            assert g.chat("hello", key, n=0)[0] == 400
        g.settled()
        numbers = wait_for(lambda: (lambda m: m if metric(m, "moegate_requests_total") == 13 else None)(g.metrics()), "13 requests")
        assert metric(numbers, "moegate_request_duration_seconds_count") == 10
        assert metric(numbers, "moegate_request_generation_tokens_count") == 10
        assert metric(numbers, "moegate_engine_kv_blocks", state="used") == 0
        reconcile(g)


def a_request_without_a_seed_gets_one_in_its_record(build):
    with Gateway(build) as g:
        key = g.key()
        for _ in range(2):
            g.chat("hello", key)
        g.chat("hello", key, seed=7)
        seeds = [r.get("seed") for r in g.records()]
        if seeds[0] is not None:
            assert seeds[0] != seeds[1] and str(seeds[2]) == "7"


def f041_an_alias_is_resolved_before_every_check(build):
    with Gateway(build) as g:
        other, own = g.key(models=["other"]), g.key(name="own", models=["play"])
        ask = lambda name, key: g.post("/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "hello"}]}, key)  # noqa: E731
        for name in ("fast", "play"):
            status, _, body = ask(name, other)
            assert status == 403 and json.loads(body)["error"]["code"] == "model_not_allowed"
            assert json.loads(ask(name, own)[2])["model"] == "play"
        assert [(r["model"], r["asked_model"]) for r in g.records()] == [("play", "fast"), ("play", "play")]


if __name__ == "__main__":
    run([every_ending_writes_one_record_and_gives_its_place_back, f047_a_true_zero_stays_zero,
         f048_the_token_limit_is_exact_in_all_numbers,
         c11_abort_after_done_is_completed_and_c12_abort_at_a_token_bills_what_is_durable, a_half_close_is_no_disconnect,
         a_slow_reader_pauses_only_itself_and_is_cut_at_its_deadline, concurrency_and_rate_limits_say_which_and_hold_exactly,
         f054_aborted_requests_are_counted_once_everywhere, a_request_without_a_seed_gets_one_in_its_record,
         f041_an_alias_is_resolved_before_every_check], arguments())
