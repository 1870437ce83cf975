/* The frozen layout of the public headers: size and offset of everything, value of every constant. Written by
 * make_layout.py; a line that has to change is a break of the interface (docs/abi.md). */
#include <stddef.h>

#include "moe/moe.h"
#include "moe/plugin.h"

#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define FIELD(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

/* ---- moe.h ---- */
VALUE(MOE_VERSION_MAJOR, 0);
VALUE(MOE_VERSION_MINOR, 1);
VALUE(MOE_VERSION_PATCH, 0);
VALUE(MOE_VERSION, 256);
VALUE(MOE_OK, 0);
VALUE(MOE_E_INVALID_ARGUMENT, 1);
VALUE(MOE_E_NOT_FOUND, 2);
VALUE(MOE_E_OUT_OF_RANGE, 3);
VALUE(MOE_E_RESOURCE_EXHAUSTED, 4);
VALUE(MOE_E_CANCELLED, 5);
VALUE(MOE_E_DEADLINE_EXCEEDED, 6);
VALUE(MOE_E_UNAVAILABLE, 7);
VALUE(MOE_E_UNSUPPORTED, 8);
VALUE(MOE_E_ABI_MISMATCH, 9);
VALUE(MOE_E_INTERNAL, 10);
VALUE(MOE_E_FORKED, 11);
VALUE(MOE_LOG_ERROR, 1);
VALUE(MOE_LOG_WARNING, 2);
VALUE(MOE_LOG_INFO, 3);
VALUE(MOE_LOG_DEBUG, 4);
VALUE(MOE_WEIGHTS_NATIVE, 0);
VALUE(MOE_WEIGHTS_F32, 1);
VALUE(MOE_TOKENIZE_ADD_SPECIAL, 1);
VALUE(MOE_TOKENIZE_PARSE_SPECIAL, 2);
VALUE(MOE_DETOKENIZE_SKIP_SPECIAL, 1);
VALUE(MOE_EVENT_TOKENS, 1);
VALUE(MOE_EVENT_PROMPT_LOGPROBS, 2);
VALUE(MOE_EVENT_FINAL, 3);
VALUE(MOE_FINISH_NONE, 0);
VALUE(MOE_FINISH_STOP, 1);
VALUE(MOE_FINISH_LENGTH, 2);
VALUE(MOE_FINISH_CANCELLED, 3);
VALUE(MOE_FINISH_DEADLINE, 4);
VALUE(MOE_FINISH_ERROR, 5);
VALUE(MOE_STEP_CONTINUE, 0);
VALUE(MOE_STEP_HOLD, 1);
VALUE(MOE_PHASE_PREFILL, 0);
VALUE(MOE_PHASE_DECODE, 1);
VALUE(MOE_SCORE_SOFTMAX, 0);
VALUE(MOE_SCORE_SIGMOID, 1);

SIZE(moe_str, 16);
FIELD(moe_str, data, 0);
FIELD(moe_str, size, 8);

SIZE(moe_workers_options, 16);
FIELD(moe_workers_options, struct_size, 0);
FIELD(moe_workers_options, num_threads, 4);
FIELD(moe_workers_options, no_pinning, 8);
FIELD(moe_workers_options, reserved0, 12);

SIZE(moe_model_options, 32);
FIELD(moe_model_options, struct_size, 0);
FIELD(moe_model_options, weights, 4);
FIELD(moe_model_options, workers, 8);
FIELD(moe_model_options, progress, 16);
FIELD(moe_model_options, progress_user, 24);

SIZE(moe_event, 152);
FIELD(moe_event, struct_size, 0);
FIELD(moe_event, kind, 4);
FIELD(moe_event, sequence, 8);
FIELD(moe_event, tag, 16);
FIELD(moe_event, choice_index, 24);
FIELD(moe_event, finish_reason, 28);
FIELD(moe_event, status, 32);
FIELD(moe_event, num_tokens, 36);
FIELD(moe_event, tokens, 40);
FIELD(moe_event, text, 48);
FIELD(moe_event, logprobs, 64);
FIELD(moe_event, num_top, 72);
FIELD(moe_event, reserved0, 76);
FIELD(moe_event, top_tokens, 80);
FIELD(moe_event, top_logprobs, 88);
FIELD(moe_event, prompt_tokens, 96);
FIELD(moe_event, cached_tokens, 104);
FIELD(moe_event, completion_tokens, 112);
FIELD(moe_event, route_digest, 120);
FIELD(moe_event, queue_ns, 128);
FIELD(moe_event, prefill_ns, 136);
FIELD(moe_event, decode_ns, 144);

SIZE(moe_step, 40);
FIELD(moe_step, struct_size, 0);
FIELD(moe_step, num_events, 4);
FIELD(moe_step, events, 8);
FIELD(moe_step, step_index, 16);
FIELD(moe_step, prefill_tokens, 24);
FIELD(moe_step, decode_tokens, 28);
FIELD(moe_step, step_ns, 32);

SIZE(moe_engine_options, 48);
FIELD(moe_engine_options, struct_size, 0);
FIELD(moe_engine_options, max_sequences, 4);
FIELD(moe_engine_options, kv_cache_bytes, 8);
FIELD(moe_engine_options, prefill_chunk, 16);
FIELD(moe_engine_options, weight, 20);
FIELD(moe_engine_options, workers, 24);
FIELD(moe_engine_options, on_step, 32);
FIELD(moe_engine_options, on_step_user, 40);

SIZE(moe_engine_stats, 128);
FIELD(moe_engine_stats, struct_size, 0);
FIELD(moe_engine_stats, running, 4);
FIELD(moe_engine_stats, waiting, 8);
FIELD(moe_engine_stats, num_threads, 12);
FIELD(moe_engine_stats, kv_blocks_total, 16);
FIELD(moe_engine_stats, kv_blocks_used, 24);
FIELD(moe_engine_stats, kv_block_tokens, 32);
FIELD(moe_engine_stats, max_sequence_tokens, 40);
FIELD(moe_engine_stats, steps, 48);
FIELD(moe_engine_stats, prompt_tokens, 56);
FIELD(moe_engine_stats, cached_tokens, 64);
FIELD(moe_engine_stats, completion_tokens, 72);
FIELD(moe_engine_stats, sequences_started, 80);
FIELD(moe_engine_stats, sequences_finished, 88);
FIELD(moe_engine_stats, step_ns, 96);
FIELD(moe_engine_stats, last_step_ns, 104);
FIELD(moe_engine_stats, weights_bytes, 112);
FIELD(moe_engine_stats, kv_cache_bytes, 120);

SIZE(moe_logit_bias, 8);
FIELD(moe_logit_bias, token, 0);
FIELD(moe_logit_bias, bias, 4);

SIZE(moe_request, 184);
FIELD(moe_request, struct_size, 0);
FIELD(moe_request, num_choices, 4);
FIELD(moe_request, prompt, 8);
FIELD(moe_request, num_prompt, 16);
FIELD(moe_request, max_tokens, 24);
FIELD(moe_request, tag, 32);
FIELD(moe_request, seed, 40);
FIELD(moe_request, temperature, 48);
FIELD(moe_request, top_p, 52);
FIELD(moe_request, min_p, 56);
FIELD(moe_request, frequency_penalty, 60);
FIELD(moe_request, presence_penalty, 64);
FIELD(moe_request, repetition_penalty, 68);
FIELD(moe_request, sampling_top_k, 72);
FIELD(moe_request, logprobs, 76);
FIELD(moe_request, stop, 80);
FIELD(moe_request, num_stop, 88);
FIELD(moe_request, num_logit_bias, 92);
FIELD(moe_request, logit_bias, 96);
FIELD(moe_request, stop_tokens, 104);
FIELD(moe_request, num_stop_tokens, 112);
FIELD(moe_request, ignore_eos, 116);
FIELD(moe_request, min_tokens, 120);
FIELD(moe_request, prompt_logprobs, 124);
FIELD(moe_request, priority, 128);
FIELD(moe_request, fair_weight, 132);
FIELD(moe_request, fair_group, 136);
FIELD(moe_request, deadline_ms, 144);
FIELD(moe_request, isolation_key, 152);

SIZE(moe_layer_options, 72);
FIELD(moe_layer_options, struct_size, 0);
FIELD(moe_layer_options, num_experts, 4);
FIELD(moe_layer_options, experts_per_token, 8);
FIELD(moe_layer_options, hidden_size, 12);
FIELD(moe_layer_options, intermediate_size, 16);
FIELD(moe_layer_options, score, 20);
FIELD(moe_layer_options, renormalize, 24);
FIELD(moe_layer_options, routed_scale, 28);
FIELD(moe_layer_options, router, 32);
FIELD(moe_layer_options, selection_bias, 40);
FIELD(moe_layer_options, gate, 48);
FIELD(moe_layer_options, up, 56);
FIELD(moe_layer_options, down, 64);

/* ---- plugin.h ---- */
VALUE(MOE_PLUGIN_ABI_MAJOR, 0);
VALUE(MOE_PLUGIN_ABI_MINOR, 1);
VALUE(MOE_PLUGIN_EVENT_TOKENS, 1);
VALUE(MOE_PLUGIN_EVENT_PROMPT_LOGPROBS, 2);
VALUE(MOE_PLUGIN_EVENT_FINAL, 4);
VALUE(MOE_PLUGIN_CHANNEL_CONTENT, 0);
VALUE(MOE_PLUGIN_CHANNEL_REASONING, 1);
VALUE(MOE_PLUGIN_CHANNEL_TOOL_CALL, 2);
VALUE(MOE_PLUGIN_FINISH_NONE, 0);
VALUE(MOE_PLUGIN_FINISH_STOP, 1);
VALUE(MOE_PLUGIN_FINISH_LENGTH, 2);
VALUE(MOE_PLUGIN_FINISH_TOOL_CALLS, 3);
VALUE(MOE_PLUGIN_FINISH_CANCELLED, 4);
VALUE(MOE_PLUGIN_FINISH_DEADLINE, 5);
VALUE(MOE_PLUGIN_FINISH_ERROR, 6);
VALUE(MOE_PLUGIN_STEP_CONTINUE, 0);
VALUE(MOE_PLUGIN_STEP_HOLD, 1);
VALUE(MOE_PLUGIN_KIND_GENERATE, 0);

SIZE(moe_plugin_sink, 16);
FIELD(moe_plugin_sink, context, 0);
FIELD(moe_plugin_sink, write, 8);

SIZE(moe_plugin_error, 1352);
FIELD(moe_plugin_error, struct_size, 0);
FIELD(moe_plugin_error, reserved0, 4);
FIELD(moe_plugin_error, code, 8);
FIELD(moe_plugin_error, param, 72);
FIELD(moe_plugin_error, message, 328);

SIZE(moe_plugin_event, 216);
FIELD(moe_plugin_event, struct_size, 0);
FIELD(moe_plugin_event, kind, 4);
FIELD(moe_plugin_event, tag, 8);
FIELD(moe_plugin_event, choice_index, 16);
FIELD(moe_plugin_event, channel, 20);
FIELD(moe_plugin_event, finish_reason, 24);
FIELD(moe_plugin_event, status, 28);
FIELD(moe_plugin_event, text, 32);
FIELD(moe_plugin_event, tool_index, 48);
FIELD(moe_plugin_event, num_tokens, 52);
FIELD(moe_plugin_event, tool_name, 56);
FIELD(moe_plugin_event, tokens, 72);
FIELD(moe_plugin_event, logprobs, 80);
FIELD(moe_plugin_event, num_top, 88);
FIELD(moe_plugin_event, reserved0, 92);
FIELD(moe_plugin_event, top_tokens, 96);
FIELD(moe_plugin_event, top_logprobs, 104);
FIELD(moe_plugin_event, token_bytes, 112);
FIELD(moe_plugin_event, top_bytes, 120);
FIELD(moe_plugin_event, prompt_computed, 128);
FIELD(moe_plugin_event, prompt_cached, 136);
FIELD(moe_plugin_event, cache_written, 144);
FIELD(moe_plugin_event, completion_tokens, 152);
FIELD(moe_plugin_event, reasoning_tokens, 160);
FIELD(moe_plugin_event, route_digest, 168);
FIELD(moe_plugin_event, queue_ns, 176);
FIELD(moe_plugin_event, prefill_ns, 184);
FIELD(moe_plugin_event, decode_ns, 192);
FIELD(moe_plugin_event, message, 200);

SIZE(moe_plugin_step, 48);
FIELD(moe_plugin_step, struct_size, 0);
FIELD(moe_plugin_step, num_events, 4);
FIELD(moe_plugin_step, events, 8);
FIELD(moe_plugin_step, model, 16);
FIELD(moe_plugin_step, step_ns, 32);
FIELD(moe_plugin_step, prefill_tokens, 40);
FIELD(moe_plugin_step, decode_tokens, 44);

SIZE(moe_host, 40);
FIELD(moe_host, struct_size, 0);
FIELD(moe_host, abi_major, 4);
FIELD(moe_host, abi_minor, 6);
FIELD(moe_host, context, 8);
FIELD(moe_host, on_step, 16);
FIELD(moe_host, log, 24);
FIELD(moe_host, now_us, 32);

SIZE(moe_plugin, 48);
FIELD(moe_plugin, struct_size, 0);
FIELD(moe_plugin, abi_major, 4);
FIELD(moe_plugin, abi_minor, 6);
FIELD(moe_plugin, name, 8);
FIELD(moe_plugin, version, 16);
FIELD(moe_plugin, init, 24);
FIELD(moe_plugin, deinit, 32);
FIELD(moe_plugin, get_extension, 40);

SIZE(moe_plugin_prepared_info, 32);
FIELD(moe_plugin_prepared_info, struct_size, 0);
FIELD(moe_plugin_prepared_info, reserved0, 4);
FIELD(moe_plugin_prepared_info, prompt_tokens, 8);
FIELD(moe_plugin_prepared_info, max_context_tokens, 16);
FIELD(moe_plugin_prepared_info, max_tokens, 24);

SIZE(moe_plugin_start_options, 168);
FIELD(moe_plugin_start_options, struct_size, 0);
FIELD(moe_plugin_start_options, kind, 4);
FIELD(moe_plugin_start_options, tag, 8);
FIELD(moe_plugin_start_options, num_choices, 16);
FIELD(moe_plugin_start_options, logprobs, 20);
FIELD(moe_plugin_start_options, max_tokens, 24);
FIELD(moe_plugin_start_options, seed, 32);
FIELD(moe_plugin_start_options, temperature, 40);
FIELD(moe_plugin_start_options, top_p, 44);
FIELD(moe_plugin_start_options, min_p, 48);
FIELD(moe_plugin_start_options, frequency_penalty, 52);
FIELD(moe_plugin_start_options, presence_penalty, 56);
FIELD(moe_plugin_start_options, repetition_penalty, 60);
FIELD(moe_plugin_start_options, sampling_top_k, 64);
FIELD(moe_plugin_start_options, min_tokens, 68);
FIELD(moe_plugin_start_options, ignore_eos, 72);
FIELD(moe_plugin_start_options, prompt_logprobs, 76);
FIELD(moe_plugin_start_options, priority, 80);
FIELD(moe_plugin_start_options, fair_weight, 84);
FIELD(moe_plugin_start_options, fair_group, 88);
FIELD(moe_plugin_start_options, deadline_ms, 96);
FIELD(moe_plugin_start_options, isolation_key, 104);
FIELD(moe_plugin_start_options, route_key, 136);

SIZE(moe_plugin_counters, 88);
FIELD(moe_plugin_counters, struct_size, 0);
FIELD(moe_plugin_counters, running, 4);
FIELD(moe_plugin_counters, waiting, 8);
FIELD(moe_plugin_counters, num_threads, 12);
FIELD(moe_plugin_counters, kv_blocks_total, 16);
FIELD(moe_plugin_counters, kv_blocks_used, 24);
FIELD(moe_plugin_counters, steps, 32);
FIELD(moe_plugin_counters, step_ns, 40);
FIELD(moe_plugin_counters, prompt_tokens, 48);
FIELD(moe_plugin_counters, cached_tokens, 56);
FIELD(moe_plugin_counters, completion_tokens, 64);
FIELD(moe_plugin_counters, weights_bytes, 72);
FIELD(moe_plugin_counters, kv_cache_bytes, 80);

SIZE(moe_plugin_backend_1, 112);
FIELD(moe_plugin_backend_1, struct_size, 0);
FIELD(moe_plugin_backend_1, reserved0, 4);
FIELD(moe_plugin_backend_1, models, 8);
FIELD(moe_plugin_backend_1, facts, 16);
FIELD(moe_plugin_backend_1, prepare, 24);
FIELD(moe_plugin_backend_1, start, 32);
FIELD(moe_plugin_backend_1, discard, 40);
FIELD(moe_plugin_backend_1, release, 48);
FIELD(moe_plugin_backend_1, pause, 56);
FIELD(moe_plugin_backend_1, resume, 64);
FIELD(moe_plugin_backend_1, cancel, 72);
FIELD(moe_plugin_backend_1, tokenize, 80);
FIELD(moe_plugin_backend_1, detokenize, 88);
FIELD(moe_plugin_backend_1, counters, 96);
FIELD(moe_plugin_backend_1, expert_counts, 104);

SIZE(moe_plugin_tool_host, 32);
FIELD(moe_plugin_tool_host, struct_size, 0);
FIELD(moe_plugin_tool_host, reserved0, 4);
FIELD(moe_plugin_tool_host, context, 8);
FIELD(moe_plugin_tool_host, print, 16);
FIELD(moe_plugin_tool_host, read_line, 24);

SIZE(moe_plugin_tools_1, 16);
FIELD(moe_plugin_tools_1, struct_size, 0);
FIELD(moe_plugin_tools_1, reserved0, 4);
FIELD(moe_plugin_tools_1, run, 8);
