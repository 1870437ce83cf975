#!/usr/bin/env python3
"""The C interface from Python without a line of C: loads a model, streams a chat in pull mode.

  ctypes_chat.py LIBRARY MODEL QUESTION    prints the answer as it comes, then one line with the counts
"""

import ctypes as c
import json
import sys

OK, OUT_OF_RANGE, EVENT_FINAL = 0, 3, 3


class Str(c.Structure):
    _fields_ = [("data", c.c_char_p), ("size", c.c_uint64)]


class Event(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("kind", c.c_int32), ("sequence", c.c_void_p), ("tag", c.c_uint64),
                ("choice_index", c.c_uint32), ("finish_reason", c.c_int32), ("status", c.c_int32), ("num_tokens", c.c_uint32),
                ("tokens", c.POINTER(c.c_int32)), ("text_data", c.c_void_p), ("text_size", c.c_uint64),
                ("logprobs", c.POINTER(c.c_float)), ("num_top", c.c_uint32), ("reserved0", c.c_uint32),
                ("top_tokens", c.POINTER(c.c_int32)), ("top_logprobs", c.POINTER(c.c_float)), ("prompt_tokens", c.c_uint64),
                ("cached_tokens", c.c_uint64), ("completion_tokens", c.c_uint64), ("route_digest", c.c_void_p),
                ("queue_ns", c.c_uint64), ("prefill_ns", c.c_uint64), ("decode_ns", c.c_uint64)]


class Request(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("num_choices", c.c_uint32), ("prompt", c.POINTER(c.c_int32)),
                ("num_prompt", c.c_uint64), ("max_tokens", c.c_uint64), ("tag", c.c_uint64), ("seed", c.c_uint64),
                ("temperature", c.c_float), ("top_p", c.c_float), ("min_p", c.c_float), ("frequency_penalty", c.c_float),
                ("presence_penalty", c.c_float), ("repetition_penalty", c.c_float), ("sampling_top_k", c.c_uint32),
                ("logprobs", c.c_uint32), ("stop", c.c_void_p), ("num_stop", c.c_uint32), ("num_logit_bias", c.c_uint32),
                ("logit_bias", c.c_void_p), ("stop_tokens", c.c_void_p), ("num_stop_tokens", c.c_uint32),
                ("ignore_eos", c.c_uint32), ("min_tokens", c.c_uint32), ("prompt_logprobs", c.c_uint32),
                ("priority", c.c_uint32), ("fair_weight", c.c_uint32), ("fair_group", c.c_uint64), ("deadline_ms", c.c_uint64),
                ("isolation_key", c.c_uint8 * 32)]


def text(value):
    data = value.encode("utf-8")
    return Str(data, len(data))


class Library:
    def __init__(self, path):
        self.lib = c.CDLL(path)
        self.lib.moe_last_error.restype = c.c_char_p
        handle, size = c.c_void_p, c.POINTER(c.c_uint64)
        for name, arguments in {
                "moe_model_load": [Str, c.c_void_p, c.POINTER(handle)],
                "moe_model_tokenize_chat": [handle, Str, c.POINTER(c.c_int32), c.c_uint64, size],
                "moe_engine_create": [handle, c.c_void_p, c.POINTER(handle)],
                "moe_sequence_create": [handle, c.POINTER(handle)],
                "moe_sequence_start": [handle, c.POINTER(Request)],
                "moe_sequence_read": [handle, c.c_uint64, c.POINTER(Event)]}.items():
            getattr(self.lib, name).argtypes = arguments
            getattr(self.lib, name).restype = c.c_int32
        for name in ("moe_sequence_destroy", "moe_engine_destroy", "moe_model_destroy"):
            getattr(self.lib, name).argtypes = [handle]
            getattr(self.lib, name).restype = None

    def call(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status != OK:
            sys.exit(f"{name}: status {status}: {self.lib.moe_last_error().decode()}")


def chat_tokens(library, model, question):
    request = text(json.dumps({"messages": [{"role": "user", "content": question}]}))
    count = c.c_uint64()
    status = library.lib.moe_model_tokenize_chat(model, request, None, 0, c.byref(count))
    if status != OUT_OF_RANGE:
        sys.exit(f"tokenize_chat: status {status}: {library.lib.moe_last_error().decode()}")
    tokens = (c.c_int32 * count.value)()
    library.call("moe_model_tokenize_chat", model, request, tokens, count.value, c.byref(count))
    return tokens


def main():
    library, model, engine, sequence = Library(sys.argv[1]), c.c_void_p(), c.c_void_p(), c.c_void_p()
    library.call("moe_model_load", text(sys.argv[2]), None, c.byref(model))
    tokens = chat_tokens(library, model, sys.argv[3])
    library.call("moe_engine_create", model, None, c.byref(engine))
    library.call("moe_sequence_create", engine, c.byref(sequence))
    request = Request(struct_size=c.sizeof(Request), prompt=tokens, num_prompt=len(tokens), max_tokens=64)
    library.call("moe_sequence_start", sequence, c.byref(request))
    while True:
        event = Event(struct_size=c.sizeof(Event))
        library.call("moe_sequence_read", sequence, 60000, c.byref(event))
        if event.text_size:
            sys.stdout.buffer.write(c.string_at(event.text_data, event.text_size))
            sys.stdout.buffer.flush()
        if event.kind == EVENT_FINAL:
            break
    print(f"\nprompt {event.prompt_tokens + event.cached_tokens} completion {event.completion_tokens} "
          f"finish {event.finish_reason}")
    status = event.status
    library.lib.moe_sequence_destroy(sequence)
    library.lib.moe_engine_destroy(engine)
    library.lib.moe_model_destroy(model)
    return 0 if status == OK else 1


if __name__ == "__main__":
    sys.exit(main())
