#include "text_calls.hpp"

#include <limits>

#include "kit/field_reader.hpp"
#include "prepared.hpp"

namespace moegate::plugins {
namespace {

using moe::Status;
using moe::json::Value;

moe::Result<std::vector<std::int32_t>> tokens_of(const ServedModel& model, std::string_view request) {
  auto body = moe::json::parse(request);
  if (!body.ok()) return body.status().with_context("request");
  if (body->find("text") == nullptr) {
    auto chat = read_prepare_request(request);
    if (!chat.ok()) return chat.status();
    return prompt_tokens(model, *chat);
  }
  FieldReader fields(*body, "");
  const std::string text = fields.text("text");
  std::uint32_t flags = fields.boolean("add_special", false) ? MOE_TOKENIZE_ADD_SPECIAL : 0;
  if (fields.boolean("parse_special", false)) flags |= MOE_TOKENIZE_PARSE_SPECIAL;
  if (Status status = fields.finish(false); !status.ok()) return status;
  auto tokens = tokenize(model.model.get(), text, flags);
  if (!tokens.ok()) return tokens.status().with_param("text");
  return tokens;
}

// The JSON parser knows what UTF-8 is; quote() passes bytes beyond ASCII through.
bool is_utf8(std::string_view bytes) { return moe::json::parse(moe::json::quote(bytes)).ok(); }

}  // namespace

Value piece_json(std::string_view bytes) {
  if (is_utf8(bytes)) return Value::string(std::string(bytes));
  Value list = Value::array();
  for (const char byte : bytes) list.push(Value::integer(static_cast<unsigned char>(byte)));
  return list;
}

moe::Result<std::string> tokenize_json(const ServedModel& model, std::string_view request) {
  auto tokens = tokens_of(model, request);
  if (!tokens.ok()) return tokens.status();
  Value ids = Value::array(), pieces = Value::array();
  for (const std::int32_t token : *tokens) {
    ids.push(Value::integer(token));
    auto bytes = token_bytes(model.model.get(), token);
    if (!bytes.ok()) return bytes.status();
    pieces.push(piece_json(*bytes));
  }
  Value answer = Value::object();
  answer.set("tokens", std::move(ids)).set("pieces", std::move(pieces));
  return moe::json::write(answer);
}

moe::Result<std::string> detokenize_json(const ServedModel& model, std::string_view request) {
  auto body = moe::json::parse(request);
  if (!body.ok()) return body.status().with_context("request");
  FieldReader fields(*body, "");
  const Value* list = fields.array("tokens");
  if (list == nullptr) fields.fail("tokens", "must be an array of token ids");
  const bool skip_special = fields.boolean("skip_special", false);
  if (Status status = fields.finish(false); !status.ok()) return status;
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    const auto id = list->items()[i].is_integer() ? list->items()[i].as_int64() : std::nullopt;
    const bool fits = id && *id >= 0 && *id <= std::numeric_limits<std::int32_t>::max();
    if (!fits || !is_token(model.model.get(), static_cast<std::int32_t>(*id))) {
      const std::string path = "tokens[" + std::to_string(i) + "]";
      return moe::invalid(path + " is no token of this model").with_param(path);
    }
    tokens.push_back(static_cast<std::int32_t>(*id));
  }
  auto text = detokenize(model.model.get(), tokens, skip_special ? MOE_DETOKENIZE_SKIP_SPECIAL : 0);
  if (!text.ok()) return text.status().with_param("tokens");
  return moe::json::write(Value::object().set("text", Value::string(std::move(text).value())));
}

}  // namespace moegate::plugins
