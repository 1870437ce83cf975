// moe_sequence_*.
#include <cmath>

#include "capi/guarded.hpp"
#include "capi/handles.hpp"

using namespace moe;
using namespace moe::capi;

namespace {

constexpr std::uint32_t kMaxChoices = 128;
constexpr std::uint32_t kMaxStops = 16;
constexpr std::uint64_t kMaxStopBytes = 256;
constexpr std::uint32_t kMaxBiases = 1024;
constexpr std::uint32_t kMaxStopTokens = 1024;

Status check_range(const char* field, float value, float min, float max) {
  if (!(value >= min && value <= max)) {
    return invalid(std::string(field) + ": not a number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return {};
}

Status check_flag(const char* field, std::uint32_t value) {
  return value > 1 ? invalid(std::string(field) + ": not 0 or 1") : Status();
}

Status first_error(std::initializer_list<Status> list) {
  for (const Status& status : list) {
    if (!status.ok()) {
      return status;
    }
  }
  return {};
}

Status check_scalars(const moe_request& in) {
  return first_error({
      in.num_choices > kMaxChoices ? invalid("num_choices: more than 128") : Status(),
      in.logprobs > 1 + runtime::kMaxAlternatives ? invalid("logprobs: more than 21") : Status(),
      in.num_stop > kMaxStops ? invalid("num_stop: more than 16") : Status(),
      in.num_logit_bias > kMaxBiases ? invalid("num_logit_bias: more than 1024") : Status(),
      in.num_stop_tokens > kMaxStopTokens ? invalid("num_stop_tokens: more than 1024") : Status(),
      check_range("temperature", in.temperature, 0.0F, 1000.0F),
      check_range("top_p", in.top_p, 0.0F, 1.0F),
      check_range("min_p", in.min_p, 0.0F, 1.0F),
      check_range("frequency_penalty", in.frequency_penalty, -1000.0F, 1000.0F),
      check_range("presence_penalty", in.presence_penalty, -1000.0F, 1000.0F),
      check_range("repetition_penalty", in.repetition_penalty, 0.0F, 1000.0F),
      check_flag("ignore_eos", in.ignore_eos),
      check_flag("prompt_logprobs", in.prompt_logprobs),
      in.prompt == nullptr || in.num_prompt == 0 ? invalid("prompt: empty") : Status(),
      in.num_prompt > (std::uint64_t{1} << 31) ? Status(Code::out_of_range, "num_prompt: too large") : Status(),
      in.stop == nullptr && in.num_stop != 0 ? null_argument("stop") : Status(),
      in.logit_bias == nullptr && in.num_logit_bias != 0 ? null_argument("logit_bias") : Status(),
      in.stop_tokens == nullptr && in.num_stop_tokens != 0 ? null_argument("stop_tokens") : Status(),
  });
}

void copy_sampling(const moe_request& in, runtime::SamplingOptions& out) {
  out.seed = in.seed;
  out.temperature = in.temperature;
  out.top_p = in.top_p == 0 ? 1 : in.top_p;
  out.min_p = in.min_p;
  out.frequency_penalty = in.frequency_penalty;
  out.presence_penalty = in.presence_penalty;
  out.repetition_penalty = in.repetition_penalty == 0 ? 1 : in.repetition_penalty;
  out.top_k = in.sampling_top_k;
}

Status copy_lists(const moe_request& in, runtime::Request& out) {
  for (std::uint32_t i = 0; i < in.num_stop; ++i) {
    const std::string_view stop = view(in.stop[i]);
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return invalid("stop[" + std::to_string(i) + "]: empty or longer than 256 bytes");
    }
    out.stop.emplace_back(stop);
  }
  for (std::uint32_t i = 0; i < in.num_logit_bias; ++i) {
    if (!std::isfinite(in.logit_bias[i].bias)) {
      return invalid("logit_bias[" + std::to_string(i) + "]: not finite");
    }
    out.sampling.logit_bias.emplace_back(in.logit_bias[i].token, in.logit_bias[i].bias);
  }
  out.stop_tokens.assign(in.stop_tokens, in.stop_tokens + in.num_stop_tokens);
  out.prompt.assign(in.prompt, in.prompt + in.num_prompt);
  return {};
}

Status copy_request(const moe_request& in, runtime::Request& out) {
  if (Status status = check_scalars(in); !status.ok()) {
    return status;
  }
  copy_sampling(in, out.sampling);
  out.num_choices = in.num_choices == 0 ? 1 : in.num_choices;
  out.max_tokens = in.max_tokens;
  out.tag = in.tag;
  out.logprobs = in.logprobs;
  out.prompt_logprobs = in.prompt_logprobs != 0;
  out.ignore_eos = in.ignore_eos != 0;
  out.min_tokens = in.min_tokens;
  out.priority = in.priority;
  out.fair_weight = in.fair_weight == 0 ? 1 : in.fair_weight;
  out.fair_group = in.fair_group;
  out.deadline_ms = in.deadline_ms;
  return copy_lists(in, out);
}

template <typename Action>
moe_status control(moe_sequence* sequence, Action action) {
  return guarded([&]() -> Status {
    if (sequence == nullptr) {
      return null_argument("sequence");
    }
    action(*sequence->engine, *sequence->sequence);
    return {};
  });
}

}  // namespace

extern "C" {

moe_status moe_sequence_create(moe_engine* engine, moe_sequence** out_sequence) {
  return guarded([&]() -> Status {
    if (out_sequence == nullptr) {
      return null_argument("out_sequence");
    }
    *out_sequence = nullptr;
    if (engine == nullptr) {
      return null_argument("engine");
    }
    auto handle = std::make_unique<moe_sequence>();
    handle->engine = engine->engine;
    handle->sequence = std::make_shared<runtime::Sequence>();
    handle->sequence->handle = handle.get();
    *out_sequence = handle.release();
    return {};
  });
}

moe_status moe_sequence_start(moe_sequence* sequence, const moe_request* request) {
  return guarded([&]() -> Status {
    if (sequence == nullptr || request == nullptr) {
      return null_argument(sequence == nullptr ? "sequence" : "request");
    }
    moe_request in = MOE_REQUEST_INIT;
    if (Status status = copy_in(request, sizeof in, "request", in); !status.ok()) {
      return status;
    }
    runtime::Request copy;
    if (Status status = copy_request(in, copy); !status.ok()) {
      return status;
    }
    return sequence->engine->start(sequence->sequence, std::move(copy));
  });
}

moe_status moe_sequence_cancel(moe_sequence* sequence) {
  return control(sequence, [](runtime::Engine& engine, runtime::Sequence& target) { engine.cancel(target); });
}

moe_status moe_sequence_pause(moe_sequence* sequence) {
  return control(sequence, [](runtime::Engine& engine, runtime::Sequence& target) { engine.pause(target); });
}

moe_status moe_sequence_resume(moe_sequence* sequence) {
  return control(sequence, [](runtime::Engine& engine, runtime::Sequence& target) { engine.resume(target); });
}

moe_status moe_sequence_read(moe_sequence* sequence, uint64_t timeout_ms, moe_event* out_event) {
  return guarded([&]() -> Status {
    if (sequence == nullptr || out_event == nullptr) {
      return null_argument(sequence == nullptr ? "sequence" : "out_event");
    }
    const moe_event empty{};
    if (Status status = copy_out(empty, sizeof empty, "out_event", out_event); !status.ok()) {
      return status;
    }
    if (Status status = sequence->engine->read(*sequence->sequence, timeout_ms, sequence->current); !status.ok()) {
      return status;
    }
    moe_event event{};
    to_c(sequence->current, sequence, event);
    return copy_out(event, sizeof event, "out_event", out_event);
  });
}

void moe_sequence_destroy(moe_sequence* sequence) {
  if (sequence == nullptr) {
    return;
  }
  if (in_forked_child()) {
    // The loop that also owns the sequence does not exist here; dropping the last reference to an engine would join it.
    new std::shared_ptr<runtime::Engine>(std::move(sequence->engine));
  } else {
    sequence->engine->detach(*sequence->sequence);
  }
  delete sequence;
}

}  // extern "C"
