#include "prepared.hpp"

namespace moegate::plugins {
namespace {

using moe::Code;
using moe::Status;
using moe::json::Value;

// What the template may see of the request; the rest of it is not the template's.
std::string chat_request(const Value& body) {
  Value chat = Value::object();
  for (const char* name : {"messages", "tools", "documents", "add_generation_prompt", "chat_template_kwargs", "now"}) {
    const Value* value = body.find(name);
    if (value != nullptr && !value->is_null()) chat.set(name, *value);
  }
  return moe::json::write(chat);
}

Status check_tokens(const ServedModel& model, const std::vector<std::int32_t>& tokens, const std::string& field) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool is_inside = tokens[i] >= 0 && static_cast<std::uint64_t>(tokens[i]) < model.vocab_size;
    if (is_inside && is_token(model.model.get(), tokens[i])) continue;
    const std::string path = field + "[" + std::to_string(i) + "]";
    return moe::invalid(path + ": " + std::to_string(tokens[i]) + " is no token of this model").with_param(path);
  }
  return {};
}

Status copy_logit_bias(const ServedModel& model, const PrepareRequest& request, PreparedPrompt& out) {
  for (const auto& [token, bias] : request.logit_bias) {
    if (static_cast<std::uint64_t>(token) >= model.vocab_size || !is_token(model.model.get(), token)) {
      const std::string path = "logit_bias." + std::to_string(token);
      return moe::invalid(path + ": no token of this model").with_param(path);
    }
    out.logit_bias.push_back({token, bias});
  }
  return {};
}

}  // namespace

moe::Result<std::vector<std::int32_t>> prompt_tokens(const ServedModel& model, const PrepareRequest& request) {
  if (request.has_ids) {
    if (Status status = check_tokens(model, request.prompt_ids, "prompt"); !status.ok()) return status;
    return request.prompt_ids;
  }
  auto tokens = request.is_chat ? tokenize_chat(model.model.get(), chat_request(request.body))
                                : tokenize(model.model.get(), request.prompt_text,
                                           request.add_special ? MOE_TOKENIZE_ADD_SPECIAL : 0);
  if (!tokens.ok()) return tokens.status().with_param(request.prompt_field());
  return tokens;
}

moe::Result<PreparedPrompt> prepare_prompt(ServedModel& model, std::string_view text, std::string& code) {
  auto request = read_prepare_request(text);
  if (!request.ok()) return request.status();
  auto tokens = prompt_tokens(model, *request);
  if (!tokens.ok()) return tokens.status();
  if (tokens->empty()) return moe::invalid("the prompt has no tokens").with_param(request->prompt_field());
  PreparedPrompt prepared;
  prepared.model = &model;
  prepared.prompt = std::move(tokens).value();
  prepared.max_tokens = request->max_tokens.value_or(0);
  const std::uint64_t wanted = request->max_tokens.value_or(1);
  if (prepared.prompt.size() >= model.context || wanted > model.context - prepared.prompt.size()) {
    code = "context_length_exceeded";
    return Status(Code::out_of_range, "This model's context is " + std::to_string(model.context) +
                                          " tokens; the prompt has " + std::to_string(prepared.prompt.size()) +
                                          " and at least " + std::to_string(wanted) + " are asked for.")
        .with_param(request->prompt_field());
  }
  if (Status status = check_tokens(model, request->stop_tokens, "stop_token_ids"); !status.ok()) return status;
  if (Status status = copy_logit_bias(model, *request, prepared); !status.ok()) return status;
  prepared.stop = std::move(request->stop);
  prepared.stop_tokens = std::move(request->stop_tokens);
  return prepared;
}

}  // namespace moegate::plugins
