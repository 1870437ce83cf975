// moegate facts MODEL [--json]: what a model folder holds, as a table or as JSON.
#include <cstdio>

#include "core/json.hpp"
#include "tools.hpp"

namespace moegate::plugins {
namespace {

using moe::json::Value;

constexpr std::string_view kHelp = "usage: moegate facts MODEL [--json]";
constexpr std::size_t kNameWidth = 28;

std::string grouped(std::string digits) {  // 1234567 -> 1,234,567
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string scalar(const Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "yes" : "no";
  if (value.is_integer()) return grouped(value.integer_digits());
  return value.is_null() ? "-" : moe::json::write(value);
}

void row(std::string& out, const std::string& name, const std::string& text) {
  out += "  " + name + std::string(name.size() < kNameWidth ? kNameWidth - name.size() : 1, ' ') + text + "\n";
}

std::string joined(const Value& list) {
  std::string text;
  for (const Value& item : list.items()) text += (text.empty() ? "" : ", ") + scalar(item);
  return text;
}

// An end token as one line: id, text and the files that name it.
std::string token_line(const Value& token) {
  const Value* text = token.find("text");
  const Value* sources = token.find("sources");
  return scalar(*token.find("id")) + (text == nullptr ? "" : "  " + scalar(*text)) +
         (sources == nullptr ? "" : "  (" + joined(*sources) + ")");
}

// An option with its source as one line; other objects one line a member, with its dotted name.
void rows(std::string& out, const std::string& name, const Value& value) {
  const Value* source = value.find("source");
  const Value* inner = value.find("value");
  if (source != nullptr && inner != nullptr) return row(out, name, scalar(*inner) + "  (" + scalar(*source) + ")");
  for (const auto& [key, member] : value.members()) rows(out, name.empty() ? key : name + "." + key, member);
  if (value.is_object()) return;
  if (!value.is_array()) return row(out, name, scalar(value));
  if (value.items().empty()) return row(out, name, "none");
  for (const Value& item : value.items()) row(out, name, item.find("id") != nullptr ? token_line(item) : scalar(item));
}

}  // namespace

std::int32_t run_facts(const Arguments& arguments, const Terminal& terminal) {
  if (arguments.positional.size() != 1) return terminal.usage("give one model folder", kHelp);
  auto model = load_with_progress(terminal, arguments.positional[0], nullptr, true);
  if (!model.ok()) return terminal.fail(model.status());
  auto text = model_facts(model->get());
  if (!text.ok()) return terminal.fail(text.status());
  if (arguments.has("json")) {
    terminal.out(*text + "\n");
    return kDone;
  }
  auto facts = moe::json::parse(*text);
  if (!facts.ok()) return terminal.fail(facts.status());
  std::string out = arguments.positional[0] + "\n";
  for (const auto& [name, value] : facts->members()) {
    if (!value.is_object()) rows(out, name, value);
  }
  for (const auto& [name, value] : facts->members()) {
    if (!value.is_object() || value.members().empty()) continue;
    out += "\n" + name + "\n";
    rows(out, "", value);
  }
  terminal.out(out);
  return kDone;
}

}  // namespace moegate::plugins
