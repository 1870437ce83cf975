// The request of moe.backend/1 prepare, read and checked: what does not depend on a model. Value type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"

namespace moegate::plugins {

struct PrepareRequest {
  bool is_chat = false;
  moe::json::Value body;                 // the whole request
  std::string prompt_text;               // completion with a text
  std::vector<std::int32_t> prompt_ids;  // completion with ids
  bool has_ids = false;
  bool add_special = true;
  std::optional<std::uint64_t> max_tokens;
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_tokens;
  std::vector<std::pair<std::int32_t, float>> logit_bias;

  // "messages" or "prompt": the field to blame for a prompt that is too long.
  const char* prompt_field() const { return is_chat ? "messages" : "prompt"; }
  // Text of the last user message, or the prompt text.
  std::string last_user_text() const;
};

// INVALID_ARGUMENT with the client's path of the bad field.
moe::Result<PrepareRequest> read_prepare_request(std::string_view text);

// Text of a message's content: a string, or the joined text parts of an array; "" otherwise.
std::string content_text(const moe::json::Value& message);

}  // namespace moegate::plugins
