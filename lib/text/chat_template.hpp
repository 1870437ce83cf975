// Chat template of a model: messages (JSON) to the prompt, through a bounded Jinja engine (lib/text/jinja/).
// Immutable after load, safe from many threads. Rendering is bounded: 50 ms, 10,000 loop iterations, depth 64, output
// of 4 x the context (bytes given by the caller).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"
#include "text/tokenizer.hpp"

namespace moe::text {

struct ChatRequest {
  json::Value messages;         // array
  json::Value tools;            // null or array
  json::Value documents;        // null or array
  json::Value template_kwargs;  // null or object: variables of the template
  bool add_generation_prompt = true;
  std::int64_t now_seconds = 0;  // what strftime_now sees, UTC
};

class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  // Errors: INVALID_ARGUMENT with the template's own sentence (raise_exception) or its error, param "messages";
  // OUT_OF_RANGE if the text grows beyond the output bound, RESOURCE_EXHAUSTED for any other bound.
  virtual Result<std::vector<PromptPart>> render(const ChatRequest& request) const = 0;
};

// `special` gives bos_token, eos_token and friends (name, text) as variables. Errors: INVALID_ARGUMENT with line of the
// template source.
Result<std::shared_ptr<const ChatTemplate>> compile_chat_template(
    std::string_view source, std::vector<std::pair<std::string, std::string>> special, std::size_t max_output_bytes);

// chat_template.jinja, else chat_template of tokenizer_config.json. NOT_FOUND if the folder has neither.
Result<std::shared_ptr<const ChatTemplate>> load_chat_template(const std::filesystem::path& folder,
                                                               std::size_t max_output_bytes);

std::string join(const std::vector<PromptPart>& parts);
// Ids of a rendered prompt; the same text as plain encode of join(parts) wherever no request text spells a special
// token.
Result<std::vector<std::int32_t>> encode_prompt(const Tokenizer& tokenizer, const std::vector<PromptPart>& parts);

}  // namespace moe::text
