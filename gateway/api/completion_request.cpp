#include "api/params.hpp"

namespace moegate::api {
namespace {

using http::Problem;
using moe::json::Value;

constexpr std::size_t kMaxIds = std::size_t{1} << 22;

bool are_ids(const Value& value) {
  if (!value.is_array() || value.items().empty() || value.items().size() > kMaxIds) return false;
  for (const auto& item : value.items()) {
    const auto id = item.is_integer() ? item.as_int64() : std::nullopt;
    if (!id || *id < 0 || *id > INT32_MAX) return false;
  }
  return true;
}

// string | string[] | ids | ids[]: a list with one entry a prompt.
std::vector<Value> read_prompts(Fields& fields) {
  const auto* prompt = fields.get("prompt");
  if (prompt == nullptr) {
    fields.fail(Problem::missing_required_parameter, "prompt", "is missing.");
    return {};
  }
  if (prompt->is_string() || are_ids(*prompt)) return {*prompt};
  if (!prompt->is_array() || prompt->items().empty()) {
    fields.wrong_type("prompt", "a string, an array of strings, token ids, or an array of those");
    return {};
  }
  if (prompt->items().size() > kMaxChoices) {
    fields.fail(Problem::invalid_value, "prompt", "must have at most 128 entries.");
    return {};
  }
  for (std::size_t i = 0; i < prompt->items().size(); ++i) {
    const auto& entry = prompt->items()[i];
    if (!entry.is_string() && !are_ids(entry)) {
      fields.wrong_type("prompt[" + std::to_string(i) + "]", "a string or token ids");
      return {};
    }
  }
  return prompt->items();
}

void read_scoring(Fields& fields, Params& params, const std::vector<Value>& prompts) {
  // An integer here, where chat has a flag.
  if (const auto count = fields.integer("logprobs", 0, 5)) params.logprobs = 1 + static_cast<std::uint32_t>(*count);
  params.echo = fields.boolean("echo").value_or(false);
  if (!params.echo) return;
  if (params.logprobs != 0) return fields.unsupported("echo", "together with 'logprobs' is not offered by this server");
  for (const auto& prompt : prompts) {
    if (!prompt.is_string()) return fields.unsupported("echo", "of token ids is not offered by this server");
  }
}

}  // namespace

ParamsOrError read_completion(const Value& body) {
  Fields fields(body);
  Params params;
  params.api = Api::completions;
  Value common = Value::object();
  const auto prompts = read_prompts(fields);
  read_common(fields, params, common);
  if (!params.max_tokens) {
    params.max_tokens = 16;  // what this old endpoint has always meant
    common.set("max_tokens", Value::integer(16));
  }
  read_scoring(fields, params, prompts);
  if (const auto suffix = fields.text("suffix", 1 << 20); suffix && !suffix->empty()) fields.unsupported("suffix");
  if (const auto best = fields.integer("best_of", 0, 20); best && *best > params.n) fields.unsupported("best_of");
  if (prompts.size() * params.n > kMaxChoices) {
    fields.fail(Problem::invalid_value, "n", "times the number of prompts must be at most 128.");
  }
  const auto add_special = fields.boolean("add_special_tokens");
  if (fields.error()) return *fields.error();
  for (const auto& entry : prompts) {
    Value prompt = common;
    prompt.set("prompt", entry);
    if (add_special) prompt.set("add_special", Value::boolean(*add_special));
    params.prompts.push_back(std::move(prompt));
  }
  return params;
}

}  // namespace moegate::api
