// A prompt that is rendered, tokenised and checked against its model. Owned by the host until start or discard.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kit/prepare_request.hpp"
#include "served_model.hpp"

namespace moegate::plugins {

struct PreparedPrompt {
  ServedModel* model = nullptr;
  std::vector<std::int32_t> prompt;
  std::uint64_t max_tokens = 0;  // 0 = to the end of the context
  std::vector<std::string> stop;
  std::vector<std::int32_t> stop_tokens;
  std::vector<moe_logit_bias> logit_bias;
};

// `code` is set when the client's error has one of its own.
moe::Result<PreparedPrompt> prepare_prompt(ServedModel& model, std::string_view request, std::string& code);
// Ids of the request's prompt or chat.
moe::Result<std::vector<std::int32_t>> prompt_tokens(const ServedModel& model, const PrepareRequest& request);

}  // namespace moegate::plugins
