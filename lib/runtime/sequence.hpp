// One request inside an engine: its prompt, its choices, what a host asked of it meanwhile. The request is set before
// the engine sees the sequence; everything from `phase` on belongs to the loop thread; the control flags are atomics;
// the queue of the pull interface has its own lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "moe/route_digest.hpp"
#include "runtime/event.hpp"
#include "runtime/sampler.hpp"
#include "text/stop_matcher.hpp"
#include "text/tokenizer.hpp"

namespace moe::runtime {

struct Request {
  std::vector<std::int32_t> prompt;
  std::uint32_t num_choices = 1;
  std::uint64_t max_tokens = 0;  // a choice; start() replaces 0 by what fits
  std::uint64_t tag = 0;
  SamplingOptions sampling;
  std::uint32_t logprobs = 0;  // 0 = none, else 1 + alternatives
  bool prompt_logprobs = false;
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_tokens;
  bool ignore_eos = false;
  std::uint64_t min_tokens = 0;
  std::uint32_t priority = 0;
  std::uint32_t fair_weight = 1;
  std::uint64_t fair_group = 0;
  std::uint64_t deadline_ms = 0;
};

enum class Phase : std::uint8_t { waiting, prefill, decode, finished };

struct Choice {
  std::uint32_t index = 0;
  std::vector<std::uint32_t> blocks;
  std::vector<float*> block_data;  // of blocks
  RouteDigest digest;              // of its tokens, prompt first
  std::optional<text::StreamDecoder> decoder;
  text::StopMatcher matcher{{}};
  TokenHistory history;
  std::uint64_t completion_tokens = 0;
  std::int32_t next_token = 0;  // to be computed in the next step
  std::size_t next_position = 0;
  Finish finish = Finish::none;
};

class Sequence : public std::enable_shared_from_this<Sequence> {
 public:
  // Control: any thread.
  std::atomic<bool> is_started{false};
  std::atomic<bool> cancel_requested{false};
  std::atomic<bool> is_paused{false};
  std::atomic<bool> is_detached{false};  // destroyed by its owner: no event any more
  void* handle = nullptr;                // the host's name for it

  Request request;
  std::uint64_t started_ns = 0;

  // Loop thread.
  Phase phase = Phase::waiting;
  std::vector<Choice> choices;
  std::vector<std::int32_t> end_tokens;  // the model's and its own
  std::size_t prompt_done = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t bypassed = 0;  // admissions that went past it
  std::uint64_t prefill_started_ns = 0;
  std::uint64_t first_token_ns = 0;
  std::uint64_t last_token_ns = 0;
  std::vector<float> prompt_logprobs;
  std::vector<std::int32_t> prompt_top_tokens;
  std::vector<float> prompt_top_logprobs;
  Status failure;

  bool all_choices_finished() const;
  std::uint32_t num_unfinished() const;
  std::uint32_t num_alternatives() const { return request.logprobs == 0 ? 0 : request.logprobs - 1; }

  // Pull interface.
  static constexpr std::size_t kMaxQueued = 64;  // events; then the sequence waits for its reader
  std::mutex queue_mutex;
  std::condition_variable queue_filled;
  std::deque<Event> queue;
  bool final_read = false;
  bool queue_is_full();
};

}  // namespace moe::runtime
