// Pieces of JSON text that streams and whole answers share. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/params.hpp"
#include "backend/running.hpp"
#include "ledger/ledger.hpp"

namespace moegate::api {

// What every chunk of an answer repeats.
struct AnswerHead {
  Api api = Api::chat;
  std::string id;  // "chatcmpl-<ulid>" or "cmpl-<ulid>"
  std::int64_t created = 0;
  std::string model, fingerprint;
};

// What usage.x_moegate tells when it was asked for.
struct UsageExtra {
  std::int64_t record = 0;
  std::uint64_t queue_us = 0, ttft_us = 0;
};

// Adds an item to a list without brackets; an empty one is left out.
void append(std::string& list, std::string_view item);
// {"id":..,"object":..,"created":..,"model":..,"system_fingerprint":..,"choices": -- open, as far as all chunks agree.
std::string open_object(const AnswerHead& head, bool is_chunk);
// The usage object; prompt tokens include cached ones, completion tokens reasoning.
std::string usage_object(const ledger::Counts& counts, const UsageExtra* extra);
// finish_reason as clients know it; "" for none.
std::string_view finish_name(backend::Finish finish);
// [{"token":..,"logprob":..,"bytes":[..],"top_logprobs":[..]},..] without the brackets; "" without logprobs.
std::string chat_logprobs(const backend::Event& event);

// {"tokens":[..],"token_logprobs":[..],"top_logprobs":[..],"text_offset":[..]} of /v1/completions, piece by piece.
struct LegacyLogprobs {
  std::string tokens, values, top, offsets;
  std::uint64_t offset = 0;  // in code points
  void add(const backend::Event& event);
  std::string object() const;
  void clear();  // keeps the offset
};

// Valid UTF-8 for whatever bytes a token has.
std::string printable(std::string_view bytes);
std::uint64_t code_points(std::string_view text);

}  // namespace moegate::api
