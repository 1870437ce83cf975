#include "api/params.hpp"

#include <algorithm>
#include <charconv>

namespace moegate::api {
namespace {

using http::Problem;
using moe::json::Value;

void read_stream(Fields& fields, Params& params) {
  params.is_stream = fields.boolean("stream").value_or(false);
  // Sent with stream = false by careless clients: harmless, so accepted.
  if (const auto* options = fields.object("stream_options")) {
    Fields nested(*options, "stream_options");
    params.include_usage = nested.boolean("include_usage").value_or(false);
    params.continuous_usage = nested.boolean("continuous_usage_stats").value_or(false);
    params.x_moegate = nested.boolean("x_moegate").value_or(false);
    fields.adopt(nested);
  }
  params.x_moegate = fields.boolean("x_moegate").value_or(params.x_moegate);
}

// "max_completion_tokens" wins over its old name.
void read_max_tokens(Fields& fields, Params& params) {
  for (const auto* name : {"max_tokens", "max_completion_tokens"}) {
    if (const auto value = fields.integer(name, 1, kMaxTokens)) params.max_tokens = static_cast<std::uint64_t>(*value);
  }
}

void read_sampling(Fields& fields, Params& params) {
  const auto real = [&](const char* name, float& out, double lowest, double highest) {
    if (const auto value = fields.number(name, lowest, highest)) out = static_cast<float>(*value);
  };
  real("temperature", params.temperature, 0, 2);
  real("top_p", params.top_p, 0, 1);
  real("min_p", params.min_p, 0, 1);
  real("frequency_penalty", params.frequency_penalty, -2, 2);
  real("presence_penalty", params.presence_penalty, -2, 2);
  real("repeat_penalty", params.repetition_penalty, 0.01, 10);
  real("repetition_penalty", params.repetition_penalty, 0.01, 10);
  // -1 and 0 both switch it off, as other servers take it.
  if (const auto k = fields.integer("top_k", -1, kMaxTokens)) {
    params.sampling_top_k = static_cast<std::uint32_t>(std::max<std::int64_t>(*k, 0));
  }
  if (const auto seed = fields.integer("seed", INT64_MIN, INT64_MAX)) params.seed = static_cast<std::uint64_t>(*seed);
  if (const auto n = fields.integer("n", 1, kMaxChoices)) params.n = static_cast<std::uint32_t>(*n);
  if (const auto least = fields.integer("min_tokens", 0, kMaxTokens)) {
    params.min_tokens = static_cast<std::uint32_t>(*least);
  }
  params.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  params.return_token_ids =
      fields.boolean("return_token_ids").value_or(fields.boolean("return_tokens").value_or(false));
}

void read_stop(Fields& fields, Value& prompt) {
  const auto* stop = fields.get("stop");
  if (stop == nullptr) return;
  Value list = stop->is_string() ? Value::array({*stop}) : *stop;
  if (!list.is_array()) return fields.wrong_type("stop", "a string or an array of strings");
  if (list.items().size() > kMaxStops)
    return fields.fail(Problem::invalid_value, "stop", "must have at most 16 items.");
  for (std::size_t i = 0; i < list.items().size(); ++i) {
    const auto& item = list.items()[i];
    const std::string name = stop->is_string() ? "stop" : "stop[" + std::to_string(i) + "]";
    if (!item.is_string()) return fields.wrong_type(name, "a string");
    if (item.as_string().empty() || item.as_string().size() > 1024) {
      return fields.fail(Problem::invalid_value, name, "must be 1 to 1024 bytes long.");
    }
  }
  if (!list.items().empty()) prompt.set("stop", std::move(list));
}

void read_stop_tokens(Fields& fields, Value& prompt) {
  const auto* ids = fields.array("stop_token_ids", 256);
  if (ids == nullptr) return;
  for (std::size_t i = 0; i < ids->items().size(); ++i) {
    const auto id = ids->items()[i].is_integer() ? ids->items()[i].as_int64() : std::nullopt;
    if (!id || *id < 0 || *id > INT32_MAX)
      return fields.wrong_type("stop_token_ids[" + std::to_string(i) + "]", "a token id");
  }
  prompt.set("stop_token_ids", *ids);
}

void read_logit_bias(Fields& fields, Value& prompt) {
  const auto* bias = fields.object("logit_bias");
  if (bias == nullptr || bias->members().empty()) return;
  if (bias->members().size() > kMaxBias) {
    return fields.fail(Problem::invalid_value, "logit_bias", "must have at most 4096 entries.");
  }
  for (const auto& [key, value] : bias->members()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < 0 || key.empty()) {
      return fields.fail(Problem::invalid_value, "logit_bias", "must map token ids to numbers.");
    }
    if (!value.is_number()) return fields.wrong_type("logit_bias." + key, "a number");
    if (!(value.as_double() >= -100 && value.as_double() <= 100)) {
      return fields.fail(Problem::invalid_value, "logit_bias." + key, "must lie between -100 and 100.");
    }
  }
  prompt.set("logit_bias", *bias);
}

// What would change the answer if it were left out in silence is refused.
void refuse_unsupported(Fields& fields) {
  for (const auto* name : {"functions", "function_call", "audio", "web_search_options", "guided_json", "guided_regex",
                           "guided_choice", "guided_grammar", "grammar", "structured_outputs", "prediction"}) {
    const auto* value = fields.get(name);
    if (value == nullptr) continue;
    const bool is_empty =
        (value->is_array() && value->items().empty()) || (value->is_string() && value->as_string() == "none");
    if (!is_empty) fields.unsupported(name);
  }
  if (const auto typical = fields.number("typical_p", 0, 1); typical && *typical != 1) fields.unsupported("typical_p");
  if (const auto mirostat = fields.integer("mirostat", 0, 2); mirostat && *mirostat != 0)
    fields.unsupported("mirostat");
}

}  // namespace

void read_common(Fields& fields, Params& params, Value& prompt) {
  const auto model = fields.text("model", 256);
  if (model) {
    params.model = *model;
  } else if (!fields.error()) {
    fields.fail(Problem::missing_required_parameter, "model", "is missing.");
  }
  read_stream(fields, params);
  read_max_tokens(fields, params);
  read_sampling(fields, params);
  read_stop(fields, prompt);
  read_stop_tokens(fields, prompt);
  read_logit_bias(fields, prompt);
  params.user = fields.text("user", 512).value_or(fields.text("safety_identifier", 512).value_or(""));
  refuse_unsupported(fields);
  if (params.max_tokens) prompt.set("max_tokens", Value::integer(static_cast<std::int64_t>(*params.max_tokens)));
}

Value parse_body(std::string_view body, std::optional<ApiError>& error) {
  auto value = moe::json::parse(body, {.max_bytes = std::size_t{1} << 30});
  if (!value) {
    error = ApiError{Problem::invalid_json, "The body is not valid JSON: " + value.status().message(), {}, {}};
    return {};
  }
  if (!value->is_object()) error = ApiError{Problem::invalid_type, "The body must be a JSON object.", {}, {}};
  return std::move(*value);
}

}  // namespace moegate::api
