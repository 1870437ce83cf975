#include "kit/prepare_request.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include "kit/field_reader.hpp"

namespace moegate::plugins {
namespace {

using moe::Status;
using moe::json::Value;

constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxStopTokens = 256;
constexpr std::size_t kMaxLogitBias = 1024;
constexpr double kMaxBias = 100;

std::string item(std::string_view name, std::size_t index) {
  return std::string(name) + "[" + std::to_string(index) + "]";
}

void read_ids(FieldReader& fields, std::string_view name, const Value& list, std::vector<std::int32_t>& out) {
  for (std::size_t i = 0; i < list.items().size(); ++i) {
    const Value& value = list.items()[i];
    const auto id = value.is_integer() ? value.as_int64() : std::nullopt;
    if (!id || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) {
      fields.fail(item(name, i), "must be a token id");
      return;
    }
    out.push_back(static_cast<std::int32_t>(*id));
  }
}

void read_prompt(FieldReader& fields, const Value& prompt, PrepareRequest& request) {
  if (prompt.is_string()) {
    request.prompt_text = prompt.as_string();
  } else if (prompt.is_array()) {
    request.has_ids = true;
    read_ids(fields, "prompt", prompt, request.prompt_ids);
  } else {
    fields.fail("prompt", "must be a string or an array of token ids");
  }
}

void read_messages(FieldReader& fields, const Value& messages) {
  if (!messages.is_array() || messages.items().empty()) {
    fields.fail("messages", "must be an array with at least one message");
    return;
  }
  for (std::size_t i = 0; i < messages.items().size(); ++i) {
    const Value& message = messages.items()[i];
    if (!message.is_object()) return fields.fail(item("messages", i), "must be an object");
    const Value* role = message.find("role");
    if (role == nullptr || !role->is_string()) return fields.fail(item("messages", i) + ".role", "must be a string");
  }
}

void read_stop(FieldReader& fields, PrepareRequest& request) {
  const Value* stop = fields.array("stop");
  if (stop == nullptr) return;
  if (stop->items().size() > kMaxStops) return fields.fail("stop", "may hold at most 16 strings");
  for (std::size_t i = 0; i < stop->items().size(); ++i) {
    const Value& text = stop->items()[i];
    if (!text.is_string() || text.as_string().empty() || text.as_string().size() > kMaxStopBytes) {
      return fields.fail(item("stop", i), "must be a string of 1 to 256 bytes");
    }
    request.stop.push_back(text.as_string());
  }
}

void read_logit_bias(FieldReader& fields, PrepareRequest& request) {
  const Value* bias = fields.object("logit_bias");
  if (bias == nullptr) return;
  if (bias->members().size() > kMaxLogitBias) return fields.fail("logit_bias", "may hold at most 1024 tokens");
  for (const auto& [name, value] : bias->members()) {
    std::int32_t id = -1;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (problem != std::errc() || end != name.data() + name.size() || id < 0) {
      return fields.fail("logit_bias." + name, "must be named by a token id");
    }
    const double number = value.is_number() ? value.as_double() : kMaxBias + 1;
    if (!(std::fabs(number) <= kMaxBias)) return fields.fail("logit_bias." + name, "must be a number from -100 to 100");
    request.logit_bias.emplace_back(id, static_cast<float>(number));
  }
}

}  // namespace

moe::Result<PrepareRequest> read_prepare_request(std::string_view text) {
  auto body = moe::json::parse(text);
  if (!body.ok()) return body.status().with_context("request");
  PrepareRequest request;
  request.body = std::move(body).value();
  FieldReader fields(request.body, "");
  const Value* messages = fields.get("messages");
  const Value* prompt = fields.get("prompt");
  if ((messages == nullptr) == (prompt == nullptr)) {
    fields.fail(messages == nullptr ? "messages" : "prompt", "give messages or prompt, one of the two");
  } else if (messages != nullptr) {
    request.is_chat = true;
    read_messages(fields, *messages);
  } else {
    read_prompt(fields, *prompt, request);
  }
  request.add_special = fields.boolean("add_special", true);
  if (fields.get("max_tokens") != nullptr) {
    request.max_tokens = static_cast<std::uint64_t>(fields.integer("max_tokens", 1, 1, std::int64_t{1} << 40));
  }
  read_stop(fields, request);
  if (const Value* ids = fields.array("stop_token_ids")) {
    if (ids->items().size() > kMaxStopTokens) fields.fail("stop_token_ids", "may hold at most 256 ids");
    read_ids(fields, "stop_token_ids", *ids, request.stop_tokens);
  }
  read_logit_bias(fields, request);
  if (Status status = fields.finish(false); !status.ok()) return status;
  return request;
}

std::string content_text(const Value& message) {
  const Value* content = message.find("content");
  if (content == nullptr) return {};
  if (content->is_string()) return content->as_string();
  std::string text;
  if (!content->is_array()) return text;
  for (const Value& part : content->items()) {
    const Value* piece = part.find("text");
    if (piece != nullptr && piece->is_string()) text += piece->as_string();
  }
  return text;
}

std::string PrepareRequest::last_user_text() const {
  if (!is_chat) return prompt_text;
  const auto& messages = body.find("messages")->items();
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    const Value* role = message->find("role");
    if (role->as_string() == "user") return content_text(*message);
  }
  return {};
}

}  // namespace moegate::plugins
