// moe_engine_*.
#include "capi/guarded.hpp"
#include "capi/handles.hpp"

using namespace moe;
using namespace moe::capi;

static_assert(static_cast<std::int32_t>(runtime::EventKind::final) == MOE_EVENT_FINAL);
static_assert(static_cast<std::int32_t>(runtime::EventKind::prompt_logprobs) == MOE_EVENT_PROMPT_LOGPROBS);
static_assert(static_cast<std::int32_t>(runtime::Finish::length) == MOE_FINISH_LENGTH);
static_assert(static_cast<std::int32_t>(runtime::Finish::error) == MOE_FINISH_ERROR);
static_assert(model::kBlockTokens == 16);

namespace moe::capi {

void to_c(const runtime::Event& event, moe_sequence* sequence, moe_event& out) {
  out = {};
  out.struct_size = sizeof out;
  out.kind = static_cast<std::int32_t>(event.kind);
  out.sequence = sequence;
  out.tag = event.tag;
  out.choice_index = event.choice_index;
  out.finish_reason = static_cast<std::int32_t>(event.finish);
  out.status = static_cast<moe_status>(event.status);
  out.num_tokens = static_cast<std::uint32_t>(event.tokens.size());
  out.tokens = event.tokens.data();
  out.text = {event.text.data(), event.text.size()};
  out.logprobs = event.logprobs.empty() ? nullptr : event.logprobs.data();
  out.num_top = event.num_top;
  out.top_tokens = event.num_top == 0 ? nullptr : event.top_tokens.data();
  out.top_logprobs = event.num_top == 0 ? nullptr : event.top_logprobs.data();
  out.prompt_tokens = event.prompt_tokens;
  out.cached_tokens = event.cached_tokens;
  out.completion_tokens = event.completion_tokens;
  out.route_digest = event.has_digest ? event.route_digest.data() : nullptr;
  out.queue_ns = event.queue_ns;
  out.prefill_ns = event.prefill_ns;
  out.decode_ns = event.decode_ns;
}

}  // namespace moe::capi

namespace {

bool deliver(moe_engine& handle, const runtime::StepReport& report) {
  handle.events.resize(report.events.size());
  handle.pointers.resize(report.events.size());
  for (std::size_t i = 0; i < report.events.size(); ++i) {
    to_c(*report.events[i], static_cast<moe_sequence*>(report.events[i]->sequence->handle), handle.events[i]);
    handle.pointers[i] = &handle.events[i];
  }
  moe_step step{};
  step.struct_size = sizeof step;
  step.num_events = static_cast<std::uint32_t>(handle.pointers.size());
  step.events = handle.pointers.data();
  step.step_index = report.step_index;
  step.prefill_tokens = report.prefill_tokens;
  step.decode_tokens = report.decode_tokens;
  step.step_ns = report.step_ns;
  return handle.on_step(handle.on_step_user, &step) == MOE_STEP_HOLD;
}

}  // namespace

extern "C" {

moe_status moe_engine_create(moe_model* model, const moe_engine_options* options, moe_engine** out_engine) {
  return guarded([&]() -> Status {
    if (out_engine == nullptr) {
      return null_argument("out_engine");
    }
    *out_engine = nullptr;
    if (model == nullptr) {
      return null_argument("model");
    }
    moe_engine_options in = MOE_ENGINE_OPTIONS_INIT;
    if (options != nullptr) {
      if (Status status = copy_in(options, sizeof in, "options", in); !status.ok()) {
        return status;
      }
    }
    if (in.max_sequences > 4096 || in.prefill_chunk > (1U << 20)) {
      return invalid(in.max_sequences > 4096 ? "options.max_sequences: more than 4096"
                                             : "options.prefill_chunk: more than 1048576");
    }
    auto handle = std::make_unique<moe_engine>();
    handle->on_step = in.on_step;
    handle->on_step_user = in.on_step_user;
    runtime::EngineOptions engine_options;
    engine_options.max_sequences = in.max_sequences == 0 ? 64 : in.max_sequences;
    engine_options.kv_cache_bytes = in.kv_cache_bytes;
    engine_options.prefill_chunk = in.prefill_chunk == 0 ? 256 : in.prefill_chunk;
    engine_options.weight = in.weight == 0 ? 1 : in.weight;
    engine_options.pool = in.workers == nullptr ? nullptr : in.workers->pool;
    if (in.on_step != nullptr) {
      engine_options.sink = [raw = handle.get()](const runtime::StepReport& report) { return deliver(*raw, report); };
    }
    claim_process();
    auto engine = runtime::Engine::create(model->model, engine_options);
    if (!engine.ok()) {
      return engine.status();
    }
    handle->engine = std::move(*engine);
    *out_engine = handle.release();
    return {};
  });
}

void moe_engine_destroy(moe_engine* engine) {
  if (engine == nullptr) {
    return;
  }
  if (in_forked_child()) {
    engine->engine->abandon();
    new std::shared_ptr<runtime::Engine>(std::move(engine->engine));  // its threads and locks are not ours to end
  } else {
    engine->engine->stop();
  }
  delete engine;
}

moe_status moe_engine_release(moe_engine* engine) {
  return guarded([&]() -> Status {
    if (engine == nullptr) {
      return null_argument("engine");
    }
    engine->engine->release_hold();
    return {};
  });
}

moe_status moe_engine_stats_get(const moe_engine* engine, moe_engine_stats* out_stats) {
  return guarded([&]() -> Status {
    if (engine == nullptr || out_stats == nullptr) {
      return null_argument(engine == nullptr ? "engine" : "out_stats");
    }
    const runtime::EngineStats stats = engine->engine->stats();
    moe_engine_stats out{};
    out.running = stats.running;
    out.waiting = stats.waiting;
    out.num_threads = stats.num_threads;
    out.kv_blocks_total = stats.kv_blocks_total;
    out.kv_blocks_used = stats.kv_blocks_used;
    out.kv_block_tokens = model::kBlockTokens;
    out.max_sequence_tokens = stats.max_sequence_tokens;
    out.steps = stats.steps;
    out.prompt_tokens = stats.prompt_tokens;
    out.completion_tokens = stats.completion_tokens;
    out.sequences_started = stats.sequences_started;
    out.sequences_finished = stats.sequences_finished;
    out.step_ns = stats.step_ns;
    out.last_step_ns = stats.last_step_ns;
    out.weights_bytes = stats.weights_bytes;
    out.kv_cache_bytes = stats.kv_cache_bytes;
    return copy_out(out, sizeof out, "out_stats", out_stats);
  });
}

moe_status moe_engine_expert_counts(const moe_engine* engine, uint64_t* counts, uint64_t capacity, uint64_t* out_count,
                                    uint64_t* out_epoch) {
  return guarded([&]() -> Status {
    if (out_count == nullptr || out_epoch == nullptr) {
      return null_argument(out_count == nullptr ? "out_count" : "out_epoch");
    }
    *out_count = 0;
    *out_epoch = 0;
    if (engine == nullptr) {
      return null_argument("engine");
    }
    return copy_buffer<std::uint64_t>(engine->engine->expert_counts(*out_epoch), counts, capacity, out_count);
  });
}

}  // extern "C"
