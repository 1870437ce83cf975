#!/usr/bin/env python3
"""Shapes of /v1/chat/completions, /v1/completions, models and tokens, as the contract of the REST interface has them.

usage: test_rest.py --build DIR
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "clients"))
from gateway import Gateway, Stream, arguments, run, wait_for  # noqa: E402


def error(answer, status, code, param=None):
    got, headers, body = answer
    assert got == status, (got, body)
    fault = json.loads(body)["error"]
    assert set(fault) == {"message", "type", "param", "code"}, fault
    assert fault["code"] == code, fault
    assert param is None or fault["param"] == param, fault
    assert headers["x-request-id"] == headers["request-id"]
    return fault


def c1_to_c4_chunks_have_the_exact_shape_and_order(build):
    with Gateway(build) as g:
        key = g.key()
        for usage in (False, True):
            extra = {"stream_options": {"include_usage": True}} if usage else {}
            stream = g.stream("hello", key, **extra)
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert stream.headers["cache-control"] == "no-cache" and stream.headers["x-accel-buffering"] == "no"
            assert "content-length" not in stream.headers
            data = list(stream.events())
            assert data[-1] == "[DONE]"
            chunks = [json.loads(d) for d in data[:-1]]
            assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
            keys = {"id", "object", "created", "model", "system_fingerprint", "choices"} | ({"usage"} if usage else set())
            last = chunks.pop() if usage else None
            for chunk in chunks:
                assert set(chunk) == keys, chunk
                assert set(chunk["choices"][0]) == {"index", "delta", "logprobs", "finish_reason"}
                assert chunk["object"] == "chat.completion.chunk"
                assert not usage or chunk["usage"] is None
            assert len({(c["id"], c["created"], c["model"]) for c in chunks}) == 1
            assert [c["choices"][0]["finish_reason"] for c in chunks].count("stop") == 1
            assert chunks[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
            assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == "Hello, world €!"
            if usage:
                assert last["choices"] == []
                assert last["usage"]["prompt_tokens"] == 7 and last["usage"]["completion_tokens"] == 7
                assert last["usage"]["total_tokens"] == 14


def c5_streamed_tool_calls_join_to_the_plain_answer(build):
    with Gateway(build) as g:
        key = g.key()
        plain = json.loads(g.chat("weather", key)[2])["choices"][0]
        joined = {}
        for chunk in g.stream("weather", key).chunks():
            for call in chunk["choices"][0]["delta"].get("tool_calls", []):
                entry = joined.setdefault(call["index"], {"arguments": ""})
                for name in ("id", "type"):
                    assert name not in call or name not in entry
                    entry.update({name: call[name]} if name in call else {})
                entry.update({"name": call["function"]["name"]} if "name" in call["function"] else {})
                entry["arguments"] += call["function"]["arguments"]
        assert plain["finish_reason"] == "tool_calls"
        assert [joined[i]["arguments"] for i in sorted(joined)] == [c["function"]["arguments"] for c in plain["message"]["tool_calls"]]
        assert [joined[i]["name"] for i in sorted(joined)] == [c["function"]["name"] for c in plain["message"]["tool_calls"]]
        assert len({joined[i]["id"] for i in joined}) == 2


def c6_choices_interleave_with_stable_indices(build):
    with Gateway(build) as g:
        key = g.key()
        texts = {}
        finishes = {}
        for chunk in g.stream("choices", key, n=3).chunks():
            choice = chunk["choices"][0]
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"].get("content", "")
            if choice["finish_reason"]:
                finishes[choice["index"]] = finishes.get(choice["index"], 0) + 1
        assert texts == {0: "first", 1: "second", 2: "first"} and finishes == {0: 1, 1: 1, 2: 1}
        plain = json.loads(g.chat("choices", key, n=3)[2])
        assert [c["message"]["content"] for c in plain["choices"]] == ["first", "second", "first"]


def c7_stop_strings_are_cut_even_when_tokens_split_them(build):
    with Gateway(build) as g:
        key = g.key()
        answer = json.loads(g.chat("hello", key, stop=["lo, w"])[2])["choices"][0]
        assert answer["message"]["content"] == "Hel" and answer["finish_reason"] == "stop"
        text = "".join(c["choices"][0]["delta"].get("content", "") for c in g.stream("hello", key, stop="lo, w").chunks())
        assert text == "Hel"


def c8_c9_logprobs_carry_bytes_of_split_code_points(build):
    with Gateway(build) as g:
        key = g.key()
        plain = json.loads(g.chat("hello", key, logprobs=True, top_logprobs=2)[2])["choices"][0]
        entries = plain["logprobs"]["content"]
        assert len(entries) == 7 and plain["logprobs"]["refusal"] is None
        assert bytes(sum((e["bytes"] for e in entries), [])).decode() == "Hello, world €!"
        assert all(len(e["top_logprobs"]) == 2 and isinstance(e["token"], str) for e in entries)
        streamed = []
        for chunk in g.stream("hello", key, logprobs=True, top_logprobs=2).chunks():
            streamed += (chunk["choices"][0]["logprobs"] or {"content": []})["content"]
        assert streamed == entries


def c10_a_fault_in_mid_stream_is_an_error_event_without_done(build):
    with Gateway(build) as g:
        key = g.key()
        raw = g.raw_post("/v1/chat/completions", {"model": "play", "messages": [{"role": "user", "content": "break"}], "stream": True}, key)
        events = [line[6:] for line in raw.split("\r\n\r\n", 1)[1].splitlines() if line.startswith("data: ")]
        assert json.loads(events[-1])["error"]["code"] == "internal_error" and "[DONE]" not in raw
        assert "planned" not in raw
        assert not raw.endswith("0\r\n\r\n"), "a dead stream must not look like one that ended"
        error(g.chat("break", key), 500, "internal_error")


def c13_c14_null_is_absent_and_unknown_fields_are_ignored(build):
    with Gateway(build) as g:
        key = g.key()
        names = ["max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stream", "stream_options", "stop", "seed",
                 "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format", "tools",
                 "tool_choice", "user", "metadata", "top_k", "min_p", "ignore_eos", "min_tokens", "stop_token_ids"]
        status, _, body = g.chat("hello", key, **{name: None for name in names}, some_new_field={"a": 1})
        assert status == 200 and json.loads(body)["choices"][0]["message"]["content"] == "Hello, world €!"


def c18_c19_stream_and_plain_give_the_same_usage(build):
    with Gateway(build) as g:
        key = g.key()
        for text, fields in (("hello", {}), ("cached", {}), ("think", {}), ("count", {"max_tokens": 5}), ("count", {"max_tokens": 1})):
            plain = json.loads(g.chat(text, key, **fields)[2])
            chunks = g.stream(text, key, stream_options={"include_usage": True}, **fields).chunks()
            assert chunks[-1]["usage"] == plain["usage"], text
            if fields:
                assert plain["choices"][0]["finish_reason"] == "length"
                assert plain["usage"]["completion_tokens"] == fields["max_tokens"]
        cached = json.loads(g.chat("cached", key)[2])["usage"]
        assert cached["prompt_tokens"] == 64 and cached["prompt_tokens_details"]["cached_tokens"] == 48
        thought = json.loads(g.chat("think", key)[2])
        assert thought["choices"][0]["message"]["reasoning_content"] == "let me see"
        assert thought["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def continuous_usage_is_cumulative_and_on_every_chunk(build):
    with Gateway(build) as g:
        chunks = g.stream("choices", g.key(), n=2, stream_options={"continuous_usage_stats": True}).chunks()
        counts = [c["usage"]["completion_tokens"] for c in chunks]
        assert counts == sorted(counts) and counts[-1] == 3, counts


def absurd_numbers_are_refused_early(build):
    with Gateway(build) as g:
        key = g.key()
        for name, values in {
            "n": [0, -1, 129, 2**31, 2**63, 1.5, "1"], "max_tokens": [0, -1, 2**31, 2**63, 2**64, 1e308],
            "temperature": [-0.1, 2.1, 1e308, "1"], "top_p": [-1, 1.1], "min_p": [2], "top_k": [-2, 2**63],
            "seed": [2**63, 1.5, "x"], "frequency_penalty": [-3, 3], "presence_penalty": [9], "min_tokens": [-1],
            "repetition_penalty": [0, 1000], "stop": [[""], ["x"] * 17, 5, [5]], "logprobs": [1, "yes"],
            "logit_bias": [{"a": 1}, {"-1": 1}, {"5": 101}, {"5": "x"}, {str(i): 1 for i in range(4097)}],
            "stop_token_ids": [[-1], ["a"], 5], "stream": ["yes", 1], "stream_options": [True], "user": [5, "x" * 600],
        }.items():
            for value in values:
                status, _, body = g.chat("hello", key, **{name: value})
                fault = json.loads(body)["error"]
                assert status == 400 and fault["param"].startswith(name), (name, value, body)
        error(g.chat("hello", key, logprobs=True, top_logprobs=21), 400, "invalid_value", "top_logprobs")
        error(g.chat("hello", key, top_logprobs=2), 400, "invalid_value", "top_logprobs")
        assert g.records() == []


def messages_are_checked_with_their_path(build):
    with Gateway(build) as g:
        key = g.key()
        chat = lambda messages: g.post("/v1/chat/completions", {"model": "play", "messages": messages}, key)  # noqa: E731
        error(chat([]), 400, "invalid_value", "messages")
        error(chat("x"), 400, "invalid_type", "messages")
        error(chat([5]), 400, "invalid_type", "messages[0]")
        error(chat([{"role": "user", "content": "a"}, {"content": "b"}]), 400, "missing_required_parameter", "messages[1].role")
        error(chat([{"role": "king", "content": "a"}]), 400, "invalid_value", "messages[0].role")
        error(chat([{"role": "user", "content": 5}]), 400, "invalid_type", "messages[0].content")
        error(chat([{"role": "user", "content": [{"type": "image_url"}]}]), 400, "unsupported_content_type",
              "messages[0].content[0].type")
        error(chat([{"role": "tool", "content": "a"}]), 400, "missing_required_parameter", "messages[0].tool_call_id")
        error(g.post("/v1/chat/completions", {"messages": []}, key), 400, "invalid_value", "messages")
        error(g.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}, key), 400,
              "missing_required_parameter", "model")
        parts = [{"role": "developer", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}]
        assert json.loads(chat(parts)[2])["choices"][0]["message"]["content"] == "Hello, world €!"


def f039_empty_assistant_turns_are_accepted(build):
    with Gateway(build) as g:
        key = g.key()
        turn = lambda content: g.post("/v1/chat/completions", {"model": "play", "messages": [  # noqa: E731
            {"role": "user", "content": "A"}, {"role": "assistant", "name": "x", "refusal": None, **content},
            {"role": "user", "content": "hello"}]}, key)
        assert turn({"content": ""})[0] == 200 and turn({"content": []})[0] == 200
        error(turn({"content": None}), 400, "missing_required_parameter", "messages[1].content")
        error(turn({}), 400, "missing_required_parameter", "messages[1].content")


def f019_odd_tool_calls_in_the_history_never_break_a_turn(build):
    with Gateway(build) as g:
        key = g.key()
        for arguments_text in ('{"a": ', '"Beijing"', "[1]", "", None, {"a": 1}, '{"a":1}'):
            call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments_text}}
            status, _, body = g.post("/v1/chat/completions", {"model": "play", "messages": [
                {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "r"},
                {"role": "user", "content": "hello"}]}, key)
            assert status == 200, (arguments_text, body)


def f025_a_refusing_template_is_a_400_before_any_stream_header(build):
    with Gateway(build) as g:
        key = g.key()
        for stream in (False, True):
            fault = error(g.chat("refuse prepare", key, stream=stream), 400, "invalid_value", "messages[0].content")
            assert fault["message"] == "planned refusal"
        assert g.chat("hello", key)[0] == 200


def f032_a_query_changes_nothing_and_never_carries_a_key(build):
    with Gateway(build) as g:
        key = g.key()
        for query in ("?beta=true", "?api-version=2024-10-21", "?", "?a=b&a=c", f"?key={key}"):
            body = {"model": "play", "messages": [{"role": "user", "content": "hello"}]}
            assert g.post("/v1/chat/completions" + query, body, key)[0] == 200, query
            error(g.post("/v1/chat/completions" + query, body), 401, "invalid_api_key")
        assert key not in g.log()


def bodies_are_strict_json(build):
    with Gateway(build) as g:
        key = g.key()
        send = lambda text, **headers: g.request("POST", "/v1/chat/completions", text, key, headers or None)  # noqa: E731
        error(send("{"), 400, "invalid_json")
        error(send("[]"), 400, "invalid_type")
        error(send('{"model":"a","model":"b"}'), 400, "invalid_json")
        error(send("[" * 100 + "]" * 100), 400, "invalid_json")
        error(send('{"temperature":1e999}'), 400, "invalid_json")
        error(send("a=b", **{"Content-Type": "application/x-www-form-urlencoded"}), 415, "unsupported_media_type")
        error(send("{}", **{"Content-Type": "text/plain"}), 415, "unsupported_media_type")


def features_that_are_not_offered_are_refused_not_ignored(build):
    with Gateway(build) as g:
        key = g.key()
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
        for name, value in {"tools": [tool], "tool_choice": "required", "response_format": {"type": "json_object"},
                            "functions": [{"name": "f"}], "guided_json": {}, "grammar": "x", "modalities": ["audio"],
                            "mirostat": 1}.items():
            error(g.chat("hello", key, **{name: value}), 400, "unsupported_parameter")
        assert g.chat("hello", key, tools=[], tool_choice="auto", response_format={"type": "text"}, modalities=["text"])[0] == 200


def completions_take_texts_ids_and_batches(build):
    with Gateway(build) as g:
        key = g.key()
        complete = lambda prompt, **fields: g.post("/v1/completions", {"model": "play", "prompt": prompt, **fields}, key)  # noqa: E731
        one = json.loads(complete("hello")[2])
        assert one["object"] == "text_completion" and one["id"].startswith("cmpl-")
        assert one["choices"] == [{"index": 0, "text": "Hello, world €!", "logprobs": None, "finish_reason": "stop"}]
        many = json.loads(complete(["hello", "choices"], n=2)[2])
        assert [(c["index"], c["text"]) for c in many["choices"]] == [
            (0, "Hello, world €!"), (1, "Hello, world €!"), (2, "first"), (3, "second")]
        assert many["usage"]["prompt_tokens"] == 7 + len("choices")
        assert json.loads(complete(list(b"hello"))[2])["choices"][0]["text"] == "Hello, world €!"
        assert len(json.loads(complete([list(b"hello"), list(b"choices")])[2])["choices"]) == 2
        assert json.loads(complete("count")[2])["usage"]["completion_tokens"] == 16
        scored = json.loads(complete("hello", logprobs=1)[2])["choices"][0]["logprobs"]
        assert set(scored) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
        assert len({len(v) for v in scored.values()}) == 1 and scored["text_offset"][:2] == [0, 3]
        assert json.loads(complete("hello", echo=True)[2])["choices"][0]["text"] == "helloHello, world €!"
        error(complete("hello", echo=True, logprobs=1), 400, "unsupported_parameter", "echo")
        error(complete("hello", logprobs=6), 400, "invalid_value", "logprobs")
        error(complete([]), 400, "invalid_type", "prompt")
        error(complete([["a"]]), 400, "invalid_type", "prompt[0]")
        assert len(g.records()) == 7, "one record a request, however many prompts"


def completion_streams_have_no_role_and_end_with_done(build):
    with Gateway(build) as g:
        opened = Stream(g.connection(), "/v1/completions", {"model": "play", "prompt": ["hello", "choices"], "stream": True}, g.key())
        data = list(opened.events())
        assert data[-1] == "[DONE]"
        chunks = [json.loads(d) for d in data[:-1]]
        assert all(set(c["choices"][0]) == {"index", "text", "logprobs", "finish_reason"} for c in chunks)
        assert {c["choices"][0]["index"] for c in chunks} == {0, 1}


def models_lists_what_the_key_may_ask(build):
    with Gateway(build, models=[{"id": "play", "plugin": "playback", "path": str(Path(__file__).parents[1] / "data/playback/basic.json"),
                                 "aliases": ["fast"]}, {"id": "org/null", "plugin": "null"}]) as g:
        every, one = g.key(), g.key(name="one", models=["play"])
        ids = lambda key: [m["id"] for m in json.loads(g.request("GET", "/v1/models", key=key)[2])["data"]]  # noqa: E731
        assert ids(every) == ["play", "fast", "org/null"] and ids(one) == ["play", "fast"]
        status, _, body = g.request("GET", "/v1/models/org/null", key=every)
        assert status == 200 and json.loads(body)["max_model_len"] > 0
        error(g.request("GET", "/v1/models/org/null", key=one), 404, "model_not_found", "model")
        error(g.request("GET", "/v1/models/nothing", key=every), 404, "model_not_found", "model")


def tokens_are_counted_as_they_are_billed(build):
    with Gateway(build) as g:
        key = g.key()
        body = {"model": "play", "messages": [{"role": "user", "content": "something odd: naïve 数"}]}
        count = json.loads(g.post("/v1/chat/completions/input_tokens", body, key)[2])
        assert count["object"] == "response.input_tokens"
        vllm = json.loads(g.post("/tokenize", body, key)[2])
        billed = json.loads(g.post("/v1/chat/completions", body, key)[2])["usage"]["prompt_tokens"]
        assert count["input_tokens"] == vllm["count"] == len(vllm["tokens"]) == billed
        llama = json.loads(g.post("/tokenize", {"content": "ab", "with_pieces": True}, key)[2])
        assert llama["tokens"] == [{"id": 97, "piece": "a"}, {"id": 98, "piece": "b"}]
        back = json.loads(g.post("/detokenize", {"tokens": [97, 98]}, key)[2])
        assert back["content"] == back["prompt"] == "ab"
        error(g.post("/tokenize", {}, key), 400, "missing_required_parameter", "prompt")


def f035_c20_heartbeats_keep_a_silent_stream_alive(build):
    with Gateway(build, server="heartbeat = 0.2") as g:
        stream = g.stream("late", g.key())
        assert stream.status == 200
        lines = [stream.answer.readline() for _ in range(4)]
        assert [line for line in lines if line.strip()] == [b": keep-alive\n"] * 2, lines
        stream.close()
        g.settled()
        assert [r["outcome"] for r in g.records()] == ["disconnected"]


def unknown_routes_and_methods_are_json(build):
    with Gateway(build) as g:
        key = g.key()
        error(g.request("GET", "/nothing"), 404, "not_found")
        error(g.request("POST", "/v1/chat/completions/", {}, key), 404, "not_found")
        status, headers, _ = g.request("GET", "/v1/chat/completions", key=key)
        assert status == 405 and headers["allow"] == "POST"
        for path in ("/admin/v1/keys", "/admin/v1/overview", "/metrics", "/"):
            error(g.request("GET", path, key=key), 404, "not_found")  # K8: nothing of the admin listener is here


def tokens_arrive_one_by_one(build):
    with Gateway(build) as g:
        stream = g.stream("slow", g.key(), max_tokens=50)
        assert [c["choices"][0]["delta"]["content"] for c in stream.first(3)] == ["s", "s", "s"]
        assert g.overview()["requests"]["in_flight"] == 1  # it goes on while three tokens are here
        stream.close()
        wait_for(lambda: g.records(), "record")


if __name__ == "__main__":
    run([c1_to_c4_chunks_have_the_exact_shape_and_order, c5_streamed_tool_calls_join_to_the_plain_answer,
         c6_choices_interleave_with_stable_indices, c7_stop_strings_are_cut_even_when_tokens_split_them,
         c8_c9_logprobs_carry_bytes_of_split_code_points, c10_a_fault_in_mid_stream_is_an_error_event_without_done,
         c13_c14_null_is_absent_and_unknown_fields_are_ignored, c18_c19_stream_and_plain_give_the_same_usage,
         continuous_usage_is_cumulative_and_on_every_chunk, absurd_numbers_are_refused_early,
         messages_are_checked_with_their_path, f039_empty_assistant_turns_are_accepted,
         f019_odd_tool_calls_in_the_history_never_break_a_turn, f025_a_refusing_template_is_a_400_before_any_stream_header,
         f032_a_query_changes_nothing_and_never_carries_a_key, bodies_are_strict_json,
         features_that_are_not_offered_are_refused_not_ignored, completions_take_texts_ids_and_batches,
         completion_streams_have_no_role_and_end_with_done, models_lists_what_the_key_may_ask,
         tokens_are_counted_as_they_are_billed, f035_c20_heartbeats_keep_a_silent_stream_alive,
         unknown_routes_and_methods_are_json, tokens_arrive_one_by_one], arguments())
