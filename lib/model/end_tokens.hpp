// Which tokens end an answer: the union over every file that names one, with its sources. One file alone is often
// wrong.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace moe::model {

struct EndToken {
  std::int32_t id = 0;
  std::vector<std::string>
      sources;  // "generation_config.json", "config.json", "tokenizer_config.json", "chat template"
};

// `tokenizer` and `chat` may be null. Errors name file and key.
Result<std::vector<EndToken>> find_end_tokens(const std::filesystem::path& folder, const json::Value& config,
                                              std::size_t vocab_size, const text::Tokenizer* tokenizer,
                                              const text::ChatTemplate* chat);

}  // namespace moe::model
