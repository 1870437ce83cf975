#!/usr/bin/env python3
"""The real clients: python `openai`, npm `openai`, curl.

usage: test_clients.py --build DIR      (NODE_PATH points to the npm package)
"""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "clients"))
from gateway import Gateway, arguments, run  # noqa: E402


def user(text):
    return [{"role": "user", "content": text}]


def client_of(g, key, **options):
    import openai
    return openai.OpenAI(base_url=f"http://127.0.0.1:{g.port}/v1", api_key=key, **{"max_retries": 0, **options})


def python_openai_chats_streams_and_counts(build):
    with Gateway(build) as g:
        client = client_of(g, g.key())
        answer = client.chat.completions.create(model="play", messages=user("hello"))
        assert answer.choices[0].message.content == "Hello, world €!" and answer.choices[0].finish_reason == "stop"
        assert answer._request_id and answer.usage.total_tokens == 14
        stream = client.chat.completions.create(model="play", messages=user("hello"), stream=True,
                                                stream_options={"include_usage": True})
        chunks = list(stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello, world €!"
        assert chunks[-1].choices == [] and chunks[-1].usage == answer.usage
        two = client.chat.completions.create(model="play", messages=user("choices"), n=2, seed=1)
        assert [c.message.content for c in two.choices] == ["first", "second"]
        stopped = client.chat.completions.create(model="play", messages=user("hello"), stop="world", logprobs=True, top_logprobs=3)
        assert stopped.choices[0].message.content == "Hello, "
        assert all(len(e.top_logprobs) == 3 for e in stopped.choices[0].logprobs.content)
        old = client.completions.create(model="play", prompt="hello", max_tokens=100)
        assert old.choices[0].text == "Hello, world €!"
        assert [m.id for m in client.models.list()] == ["play", "fast"]
        assert client.models.retrieve("fast").id == "fast"


def python_openai_raises_the_right_classes(build):
    import openai
    with Gateway(build) as g:
        key = g.key()
        client = client_of(g, key)

        def raises(kind, status, call):
            try:
                call()
            except kind as error:
                assert error.status_code == status and error.request_id, error
                return error
            raise AssertionError(f"no {kind.__name__}")

        ask = lambda c, model="play", **fields: c.chat.completions.create(model=model, messages=user("hello"), **fields)  # noqa: E731
        bad = raises(openai.BadRequestError, 400, lambda: ask(client, temperature=9))
        assert bad.param == "temperature" and bad.code == "invalid_value" and bad.type == "invalid_request_error"
        raises(openai.AuthenticationError, 401, lambda: ask(client_of(g, "mgk_none_none")))
        raises(openai.PermissionDeniedError, 403, lambda: ask(client_of(g, g.key(name="weak", models=["other"]))))
        raises(openai.NotFoundError, 404, lambda: ask(client, model="none"))
        limited = client_of(g, g.key(name="one", requests_per_minute=1))
        ask(limited)
        raises(openai.RateLimitError, 429, lambda: ask(limited))
        raises(openai.InternalServerError, 500, lambda: client.chat.completions.create(model="play", messages=user("break")))
        text = ""
        try:
            for chunk in client.chat.completions.create(model="play", messages=user("break"), stream=True):
                text += chunk.choices[0].delta.content or ""
            raise AssertionError("a dead stream looked like one that ended")
        except openai.APIError as error:
            assert text == "one two " and error.code == "internal_error"


def c16_the_client_waits_as_retry_after_says(build):
    with Gateway(build) as g:
        key = g.key(concurrent_requests=1)
        stream = g.stream("slow", key, max_tokens=20)
        stream.first(1)
        client = client_of(g, key, max_retries=2)
        answer = client.chat.completions.with_raw_response.create(model="play", messages=user("hello"))
        stream.close()
        assert answer.status_code == 200 and answer.retries_taken >= 1


def npm_openai_passes_its_checks(build):
    with Gateway(build) as g:
        script = Path(__file__).parent / "clients/openai_client.mjs"
        done = subprocess.run(["node", str(script), f"http://127.0.0.1:{g.port}/v1", g.key(), g.key(name="weak", models=["other"])],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


def curl_shows_tokens_one_by_one(build):
    with Gateway(build) as g:
        body = json.dumps({"model": "play", "messages": user("slow"), "stream": True, "max_tokens": 100})
        curl = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{g.port}/v1/chat/completions", "-H", f"Authorization: Bearer {g.key()}",
                                 "-H", "Content-Type: application/json", "-d", body], stdout=subprocess.PIPE, text=True)
        seen = 0
        for line in curl.stdout:
            seen += '"content":"s"' in line
            if seen == 5:
                break
        assert g.overview()["requests"]["in_flight"] == 1, "the first tokens came while the answer is being made"
        curl.terminate()
        curl.wait(20)
        g.settled()
        assert [r["outcome"] for r in g.records()] == ["disconnected"]


if __name__ == "__main__":
    run([python_openai_chats_streams_and_counts, python_openai_raises_the_right_classes,
         c16_the_client_waits_as_retry_after_says, npm_openai_passes_its_checks, curl_shows_tokens_one_by_one], arguments())
