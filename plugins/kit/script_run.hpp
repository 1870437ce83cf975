// One started request of a scripted model: plays its entry piece by piece. Used under the player's lock, on the step
// thread after start.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "kit/boundary.hpp"
#include "kit/script.hpp"

namespace moegate::plugins {

using Clock = std::chrono::steady_clock;

// A prompt that was matched with its entry.
struct PreparedScript {
  std::shared_ptr<const Script> script;
  const ScriptEntry* entry = nullptr;  // of *script
  std::string model;
  std::vector<std::int32_t> prompt;
  std::uint64_t max_tokens = 0;
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_tokens;
};

// An event with everything that it points to.
struct OwnedEvent {
  moe_plugin_event event{};
  std::string text, tool_name, message;
  std::vector<std::int32_t> tokens, top_tokens;
  std::vector<float> logprobs, top_logprobs;
  std::vector<std::string> token_bytes, top_bytes;
  std::vector<moe_str> token_views, top_views;
  std::array<std::uint8_t, 32> digest{};
  bool has_digest = false;

  // Points the event's fields at the members; call once they no longer change.
  const moe_plugin_event& seal();
};
using EventList = std::deque<OwnedEvent>;

class ScriptRun {
 public:
  ScriptRun(std::unique_ptr<PreparedScript> prepared, const moe_plugin_start_options& options, Clock::time_point now);

  const PreparedScript& prepared() const { return *prepared_; }
  std::uint64_t tag() const { return options_.tag; }
  bool is_admitted = false;
  bool is_paused = false;
  bool is_cancelled = false;

  // When something happens by itself next; Clock::time_point::max() = never.
  Clock::time_point due() const;
  // Gives the events of one step; true when the last was FINAL.
  bool step(Clock::time_point now, EventList& out);
  // FINAL at once, for a backend that stops.
  void end(Clock::time_point now, std::int32_t finish, const moe::Status& status, EventList& out);

  std::uint64_t prompt_computed() const { return prompt_computed_; }
  std::uint64_t prompt_cached() const { return prompt_cached_; }
  std::uint64_t completion_tokens() const { return completion_tokens_; }
  std::uint64_t kv_blocks() const { return (prompt_computed_ + prompt_cached_ + completion_tokens_ + 15) / 16; }

 private:
  struct Choice {
    const std::vector<ScriptPiece>* pieces = nullptr;
    std::size_t next = 0;
    std::uint64_t tokens = 0;
    std::vector<std::int32_t> all_tokens;  // for the digest
    std::vector<std::uint32_t> named_tools;
    std::string held;  // content that may become a stop string
    Clock::time_point due{};
    bool is_done = false;
    std::int32_t finish = MOE_PLUGIN_FINISH_NONE;
  };

  void compute_prompt(Clock::time_point now, EventList& out);
  void start_choices(Clock::time_point now);
  void play(Clock::time_point now, Choice& choice, std::uint32_t index, EventList& out);
  void schedule_next(Clock::time_point now, Choice& choice);
  void add_tokens(const ScriptPiece& piece, std::size_t count, Choice& choice, OwnedEvent& out) const;
  void filter_stops(Choice& choice, OwnedEvent& out) const;
  void finish_choice(Choice& choice, OwnedEvent& out) const;
  bool fail_if_due(Clock::time_point now, EventList& out);
  bool prompt_done() const { return prompt_computed_ + prompt_cached_ == prepared_->prompt.size(); }
  void fill_counts(moe_plugin_event& event) const;
  OwnedEvent& new_event(EventList& out, std::int32_t kind) const;

  std::unique_ptr<PreparedScript> prepared_;
  const ScriptEntry* entry_;
  moe_plugin_start_options options_;
  std::uint64_t max_tokens_;
  std::vector<Choice> choices_;
  Clock::time_point started_at_, deadline_;
  Clock::time_point prefill_at_{}, first_token_at_{}, last_token_at_{};
  bool has_begun_ = false;
  std::uint64_t prompt_computed_ = 0, prompt_cached_ = 0, completion_tokens_ = 0, reasoning_tokens_ = 0;
};

}  // namespace moegate::plugins
