// What an engine tells its host, once a step. Plain data; buffers are reused from step to step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/status.hpp"

namespace moe::runtime {

class Sequence;

// Numbers equal MOE_EVENT_* and MOE_FINISH_* in include/moe/moe.h.
enum class EventKind : std::int32_t { tokens = 1, prompt_logprobs = 2, final = 3 };
enum class Finish : std::int32_t { none = 0, stop = 1, length = 2, cancelled = 3, deadline = 4, error = 5 };

struct Event {
  EventKind kind = EventKind::tokens;
  std::shared_ptr<Sequence> sequence;
  std::uint64_t tag = 0;
  std::uint32_t choice_index = 0;
  Finish finish = Finish::none;
  Code status = Code::ok;
  std::string text;
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;  // [tokens] or empty
  std::uint32_t num_top = 0;
  std::vector<std::int32_t> top_tokens;  // [tokens, num_top]
  std::vector<float> top_logprobs;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0;
  std::uint64_t completion_tokens = 0;
  bool has_digest = false;
  Digest route_digest{};
  std::uint64_t queue_ns = 0;
  std::uint64_t prefill_ns = 0;
  std::uint64_t decode_ns = 0;

  void clear();  // keeps the buffers
};

struct StepReport {
  std::span<Event* const> events;
  std::uint64_t step_index = 0;
  std::uint32_t prefill_tokens = 0;
  std::uint32_t decode_tokens = 0;
  std::uint64_t step_ns = 0;
};

}  // namespace moe::runtime
