#include "model/end_tokens.hpp"

#include <algorithm>

#include "model/checkpoint.hpp"
#include "model/config.hpp"

namespace moe::model {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

void add(std::vector<EndToken>& tokens, std::int32_t id, const std::string& source) {
  auto found = std::find_if(tokens.begin(), tokens.end(), [&](const EndToken& token) { return token.id == id; });
  if (found == tokens.end()) {
    tokens.push_back({id, {}});
    found = tokens.end() - 1;
  }
  if (std::find(found->sources.begin(), found->sources.end(), source) == found->sources.end()) {
    found->sources.push_back(source);
  }
}

Status add_from_config(std::vector<EndToken>& tokens, const json::Value& config, const std::string& file,
                       std::size_t vocab_size) {
  const json::Value* value = config.find("eos_token_id");
  if (value == nullptr || value->is_null()) {
    return {};
  }
  const json::Value::Array single = value->is_array() ? json::Value::Array{} : json::Value::Array{*value};
  for (const json::Value& item : value->is_array() ? value->items() : single) {
    const auto id = item.is_integer() ? item.as_int64() : std::nullopt;
    if (!id || *id < 0 || static_cast<std::uint64_t>(*id) >= vocab_size) {
      return invalid(file + ": eos_token_id: " + json::write(item) + " is no token of the vocabulary of " +
                     std::to_string(vocab_size));
    }
    add(tokens, static_cast<std::int32_t>(*id), file);
  }
  return {};
}

// The special token that the template puts behind an assistant's answer, -1 if it has none.
std::int32_t turn_end(const text::Tokenizer& tokenizer, const text::ChatTemplate& chat) {
  const auto message = [](const char* role, const char* content) {
    return json::Value::object().set("role", json::Value::string(role)).set("content", json::Value::string(content));
  };
  text::ChatRequest request;
  request.messages = json::Value::array();
  request.messages.push(message("user", "question"));
  request.messages.push(message("assistant", "the-answer-mark"));
  request.add_generation_prompt = false;
  const auto parts = chat.render(request);
  if (!parts.ok()) {
    return -1;
  }
  const std::string text = text::join(*parts);
  const std::size_t at = text.rfind("the-answer-mark");
  if (at == std::string::npos) {
    return -1;
  }
  const std::size_t begin = text.find_first_not_of(" \n", at + std::string_view("the-answer-mark").size());
  if (begin == std::string::npos) {
    return -1;
  }
  text::EncodeOptions options;
  options.parse_special = true;
  const auto ids = tokenizer.encode(std::string_view(text).substr(begin), options);
  return ids.ok() && !ids->empty() && tokenizer.is_special(ids->front()) ? ids->front() : -1;
}

}  // namespace

Result<std::vector<EndToken>> find_end_tokens(const std::filesystem::path& folder, const json::Value& config,
                                              std::size_t vocab_size, const text::Tokenizer* tokenizer,
                                              const text::ChatTemplate* chat) {
  std::vector<EndToken> tokens;
  const std::string name = "generation_config.json";
  if (auto path = resolve_inside(folder, name); path.ok()) {
    auto generation = read_json_file(*path, kMaxBytes);
    if (!generation.ok()) {
      return generation.status();
    }
    if (Status status = add_from_config(tokens, *generation, name, vocab_size); !status.ok()) {
      return status;
    }
  } else if (path.status().code() != Code::not_found) {
    return path.status();
  }
  if (Status status = add_from_config(tokens, config, "config.json", vocab_size); !status.ok()) {
    return status;
  }
  if (tokenizer != nullptr && tokenizer->eos_id() >= 0 && static_cast<std::size_t>(tokenizer->eos_id()) < vocab_size) {
    add(tokens, tokenizer->eos_id(), "tokenizer_config.json");
  }
  if (tokenizer != nullptr && chat != nullptr) {
    const std::int32_t id = turn_end(*tokenizer, *chat);
    if (id >= 0 && static_cast<std::size_t>(id) < vocab_size) {
      add(tokens, id, "chat template");
    }
  }
  return tokens;
}

}  // namespace moe::model
