// What a request for tokens asks for, read and checked from the client's JSON: the fields that chat and completions
// share, and what goes to the backend. Values; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/fields.hpp"
#include "core/json.hpp"

namespace moegate::api {

enum class Api { chat, completions };

struct Params {
  Api api = Api::chat;
  std::string model;  // as asked
  bool is_stream = false;
  bool include_usage = false, continuous_usage = false, x_moegate = false;
  bool return_token_ids = false;
  bool echo = false;
  std::uint32_t n = 1;
  std::optional<std::uint64_t> max_tokens;
  float temperature = 1, top_p = 1, min_p = 0;
  float frequency_penalty = 0, presence_penalty = 0, repetition_penalty = 1;
  std::uint32_t sampling_top_k = 0, min_tokens = 0;
  bool ignore_eos = false;
  std::optional<std::uint64_t> seed;
  std::uint32_t logprobs = 0;  // 0 = none, else 1 + alternatives
  std::string user;
  // One prepare request of moe.backend/1 a prompt, without "now". A chat has one.
  std::vector<moe::json::Value> prompts;
  std::uint64_t prompt_bytes = 0;  // of all texts, what the queue counts
};

using ParamsOrError = std::variant<Params, ApiError>;

// Absurd numbers end here, before anything grows with them.
inline constexpr std::uint32_t kMaxChoices = 128;
inline constexpr std::int64_t kMaxTokens = (std::int64_t{1} << 31) - 1;
inline constexpr std::size_t kMaxMessages = 4096;
inline constexpr std::size_t kMaxStops = 16;
inline constexpr std::size_t kMaxBias = 4096;

// Body of POST /v1/chat/completions.
ParamsOrError read_chat(const moe::json::Value& body);
// Body of POST /v1/completions.
ParamsOrError read_completion(const moe::json::Value& body);
// {"messages", "tools", ...} of a chat as the backend reads it; for counting endpoints too. Errors go to `fields`.
moe::json::Value read_chat_prompt(Fields& fields);

// Internal to the room.
// Sampling, limits and stream options; adds stop, stop_token_ids, logit_bias and max_tokens to `prompt`.
void read_common(Fields& fields, Params& params, moe::json::Value& prompt);
moe::json::Value parse_body(std::string_view body, std::optional<ApiError>& error);

}  // namespace moegate::api
