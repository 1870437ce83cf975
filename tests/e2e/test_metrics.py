#!/usr/bin/env python3
"""/metrics: parsed by Prometheus' own parser, complete from the start, bounded, and equal to what happened.

usage: test_metrics.py --build DIR
"""
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "clients"))
from gateway import BASIC, Gateway, arguments, metric, run  # noqa: E402


def text_of(g):
    status, headers, text = g.request("GET", "/metrics", port=g.admin_port)
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    return text


def f056_every_family_is_described_once_and_parses(build):
    odd = [{"id": 'a"b\\c d', "plugin": "playback", "path": str(BASIC)}]
    with Gateway(build, models=odd) as g:
        key = g.key()
        assert g.post("/v1/chat/completions", {"model": 'a"b\\c d', "messages": [{"role": "user", "content": "hello"}]}, key)[0] == 200
        g.settled()
        text = text_of(g)
        for kind in ("HELP", "TYPE"):
            names = re.findall(rf"^# {kind} (\S+)", text, re.M)
            assert len(names) == len(set(names))
        try:
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError:
            return  # the parser comes with tests/setup.sh; names and escapes are checked above and below
        families = {f.name: f for f in text_string_to_metric_families(text)}
        samples = [s for s in families["moegate_generation_tokens"].samples if s.labels["kind"] == "text"]
        assert [(s.labels["model"], s.value) for s in samples] == [('a"b\\c d', 7)]


def known_series_exist_before_the_first_request(build):
    with Gateway(build) as g:
        numbers = g.metrics()
        names = {name for name, _ in numbers}
        for name in ("moegate_requests_total", "moegate_time_to_first_token_seconds_count", "moegate_prompt_tokens_total",
                     "moegate_generation_tokens_total", "moegate_meter_unsynced_records", "moegate_meter_unrecorded_total",
                     "moegate_engine_requests_running", "moegate_engine_kv_cache_usage_ratio", "moegate_auth_total",
                     "moegate_limit_rejections_total", "moegate_moe_assignments_total", "moegate_moe_info", "moegate_build_info",
                     "process_resident_memory_bytes", "moegate_moe_layer_hot_expert", "moegate_engine_up"):
            assert name in names, name
        assert metric(numbers, "moegate_engine_up", model="play") == 1


def o1_unknown_names_never_become_labels(build):
    with Gateway(build) as g:
        key = g.key()
        g.metrics()
        for i in range(20):
            g.post("/v1/chat/completions", {"model": f"canary-{i}", "messages": [{"role": "user", "content": "a"}]}, key)
            g.request("GET", f"/canary/{i}", key=key)
            g.request("CANARY", "/v1/models", key=key)
        text = text_of(g)
        assert "canary" not in text.lower()
        before = metric(g.metrics(), "moegate_metrics_series")
        for i in range(20, 60):
            g.post("/v1/chat/completions", {"model": f"canary-{i}", "messages": [{"role": "user", "content": "a"}]}, key)
        assert metric(g.metrics(), "moegate_metrics_series") == before


def t1_assignments_are_routed_tokens_times_k_and_equal_the_matrix(build):
    with Gateway(build) as g:
        key = g.key()
        for text in ("hello", "choices", "think"):
            assert g.chat(text, key)[0] == 200
        g.stream("slow", key).close()
        g.settled()
        numbers = g.metrics()
        k = 2
        for phase in ("prefill", "decode"):
            routed = metric(numbers, "moegate_moe_routed_tokens_total", phase=phase)
            assert metric(numbers, "moegate_moe_assignments_total", phase=phase) == routed * k
        load = json.loads(g.admin("GET", "/admin/v1/moe/play/load?window=all")[2])
        for phase in ("prefill", "decode"):
            cells = sum(sum(row) for row in load["phases"][phase])
            assert cells == metric(numbers, "moegate_moe_assignments_total", phase=phase), phase
        assert metric(numbers, "moegate_moe_info", layers=str(load["layers"]), experts=str(load["experts"])) == 1
        engine = metric(numbers, "moegate_engine_generation_tokens_total")
        assert engine == metric(numbers, "moegate_generation_tokens_total")


def the_load_since_an_epoch_is_the_exact_difference(build):
    with Gateway(build) as g:
        key = g.key()
        assert g.chat("hello", key)[0] == 200
        g.settled()
        total = lambda load: sum(sum(sum(row) for row in rows) for rows in load["phases"].values())  # noqa: E731
        ask = lambda query: json.loads(g.admin("GET", f"/admin/v1/moe/play/load?{query}")[2])  # noqa: E731
        first = ask("since=0")
        assert g.chat("choices", key)[0] == 200
        g.settled()
        news, whole = ask(f"since={first['epoch']}"), ask("since=0")
        assert total(whole) == total(first) + total(news) and total(news) > 0
        assert news["since_epoch"] == first["epoch"] and news["epoch"] == whole["epoch"]
        status, headers, csv = g.admin("GET", "/admin/v1/moe/play/load?format=csv")
        assert status == 200 and "text/csv" in headers["content-type"]
        rows = [line.split(",") for line in csv.split()[1:]]
        assert len(rows) == whole["layers"] * whole["experts"] and sum(int(r[2]) + int(r[3]) for r in rows) == total(whole)
        assert g.admin("GET", "/admin/v1/moe/play/load?since=999999999")[0] == 400
        assert g.admin("GET", "/admin/v1/moe/play/load?window=x")[0] == 400
        assert g.admin("GET", "/admin/v1/moe/none/load")[0] == 404


def t3_levels_decide_how_many_series_the_routing_has(build):
    layers = {}
    for level in ("off", "model", "layer"):
        with Gateway(build, extra=f'[metrics]\nmoe_level = "{level}"') as g:
            numbers = g.metrics()
            layers[level] = sum(1 for name, _ in numbers if name.startswith("moegate_moe_layer_"))
            assert ("moegate_moe_info" in {n for n, _ in numbers}) == (level != "off")
    assert layers == {"off": 0, "model": 0, "layer": 6 * 2}


def f056_counters_never_fall_and_scrapes_do_not_disturb_each_other(build):
    with Gateway(build) as g:
        key = g.key()
        last = {}
        for _ in range(10):
            g.chat("hello", key)
            for _ in range(3):
                numbers = g.metrics()
                for (name, labels), value in numbers.items():
                    if name.endswith("_total") or name.endswith("_count") or name.endswith("_bucket"):
                        assert value >= last.get((name, labels), 0), (name, labels)
                        last[(name, labels)] = value


def metrics_can_be_closed_on_loopback(build):
    with Gateway(build, extra="[metrics]\npublic_on_loopback = false") as g:
        assert g.request("GET", "/metrics", port=g.admin_port)[0] == 401
        assert g.admin("GET", "/metrics")[0] == 200


if __name__ == "__main__":
    run([f056_every_family_is_described_once_and_parses, known_series_exist_before_the_first_request,
         o1_unknown_names_never_become_labels, t1_assignments_are_routed_tokens_times_k_and_equal_the_matrix,
         the_load_since_an_epoch_is_the_exact_difference, t3_levels_decide_how_many_series_the_routing_has,
         f056_counters_never_fall_and_scrapes_do_not_disturb_each_other, metrics_can_be_closed_on_loopback], arguments())
