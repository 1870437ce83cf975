// A started request and what comes back for it. Events are copies: they outlive the step that made them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/status.hpp"
#include "ledger/ledger.hpp"
#include "usage/admission.hpp"

namespace moegate::backend {

enum class Channel : std::uint8_t { content, reasoning, tool_call };
enum class Finish : std::uint8_t { none, stop, length, tool_calls, cancelled, deadline, error };

struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0;
  std::string bytes;  // may be part of a code point
};

struct Event {
  std::size_t sequence = 0;  // prompt of the request
  std::uint32_t choice = 0;
  Channel channel = Channel::content;
  Finish finish = Finish::none;  // this choice ended
  bool is_prompt = false;        // logprobs of the prompt
  bool is_final = false;         // the whole sequence ended
  moe::Status status;            // of the final event
  std::string text;
  std::uint32_t tool_index = 0;
  std::string tool_name;
  std::vector<std::int32_t> tokens;
  std::vector<TokenLogprob> logprobs;          // one a token, or empty
  std::vector<std::vector<TokenLogprob>> top;  // alternatives of each token
  ledger::Counts counts;                       // of the whole request, after this event
};

// What one step brought to one request, after its commit.
struct Delivery {
  bool is_durable = false;  // false: the ledger failed, nothing of it may be shown
  std::vector<Event> events;
  bool is_last = false;     // the terminal record is written (or never will be)
  std::int64_t record = 0;  // its seq
};

struct Running {
  std::shared_ptr<usage::Admission> admission;
  std::string model;
  bool is_stream = false;
  std::vector<std::uint64_t> tags;  // one a sequence; filled before the first start, then constant
  // [ledger] Must only post. Dropped after the last delivery.
  std::function<void(Delivery)> deliver;
};

}  // namespace moegate::backend
