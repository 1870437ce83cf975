// moegate tokenize MODEL TEXT [--json] [--no-special] [--parse-special] [--chat]: token ids of a text, or of a chat of
// one user message as the model's template writes it.
#include <cstdio>

#include "core/json.hpp"
#include "text_calls.hpp"
#include "tools.hpp"

namespace moegate::plugins {
namespace {

using moe::json::Value;

constexpr std::string_view kHelp =
    "usage: moegate tokenize MODEL TEXT [--json] [--no-special] [--parse-special] [--chat]";

moe::Result<std::vector<std::int32_t>> tokens_of(const Arguments& arguments, const moe_model* model) {
  const std::string& text = arguments.positional[1];
  if (arguments.has("chat")) {
    return tokenize_chat(model, R"({"messages":[{"role":"user","content":)" + moe::json::quote(text) + "}]}");
  }
  std::uint32_t flags = arguments.has("no-special") ? 0 : MOE_TOKENIZE_ADD_SPECIAL;
  if (arguments.has("parse-special")) flags |= MOE_TOKENIZE_PARSE_SPECIAL;
  return tokenize(model, text, flags);
}

}  // namespace

std::int32_t run_tokenize(const Arguments& arguments, const Terminal& terminal) {
  if (arguments.positional.size() != 2) return terminal.usage("give a model folder and a text", kHelp);
  if (!moe::json::parse(moe::json::quote(arguments.positional[1])).ok()) {
    return terminal.usage("the text is not UTF-8", kHelp);
  }
  auto model = load_with_progress(terminal, arguments.positional[0], nullptr, true);
  if (!model.ok()) return terminal.fail(model.status());
  auto tokens = tokens_of(arguments, model->get());
  if (!tokens.ok()) return terminal.fail(tokens.status());
  Value ids = Value::array(), pieces = Value::array();
  std::string table;
  for (const std::int32_t token : *tokens) {
    auto bytes = token_bytes(model->get(), token);
    if (!bytes.ok()) return terminal.fail(bytes.status());
    const Value piece = piece_json(*bytes);
    char id[16];
    std::snprintf(id, sizeof(id), "%8d  ", token);
    table += id + moe::json::write(piece) + "\n";
    ids.push(Value::integer(token));
    pieces.push(piece);
  }
  if (arguments.has("json")) {
    Value answer = Value::object();
    answer.set("count", Value::integer(static_cast<std::int64_t>(tokens->size())));
    answer.set("tokens", std::move(ids)).set("pieces", std::move(pieces));
    terminal.out(moe::json::write(answer) + "\n");
  } else {
    terminal.out(table + std::to_string(tokens->size()) + " tokens\n");
  }
  return kDone;
}

}  // namespace moegate::plugins
