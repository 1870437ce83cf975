#include "tenancy/fields.hpp"

#include <algorithm>

namespace moegate::tenancy {
namespace {

constexpr std::size_t kMaxTexts = 256;
constexpr std::size_t kMaxTextBytes = 256;

}  // namespace

bool is_name(std::string_view text) {
  const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && is_alphanumeric(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

Fields::Fields(const moe::json::Value& body, std::initializer_list<std::string_view> known) : body_(body) {
  if (!body.is_object()) {
    status_ = moe::invalid("the body must be a JSON object");
    return;
  }
  for (const auto& [field, value] : body.members()) {
    if (std::find(known.begin(), known.end(), field) == known.end()) refuse(field, "is not a field of this request");
  }
}

void Fields::refuse(std::string_view field, std::string what) {
  if (status_.ok()) {
    status_ = moe::invalid(std::string(field) + " " + std::move(what)).with_param(std::string(field));
  }
}

const moe::json::Value* Fields::find(std::string_view field) const {
  const moe::json::Value* value = body_.find(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string Fields::name(std::string_view field, bool is_required) {
  const moe::json::Value* value = find(field);
  if (value == nullptr) {
    if (is_required) refuse(field, "is missing");
    return {};
  }
  if (!value->is_string() || !is_name(value->as_string())) {
    refuse(field, "must be a name: a to z, 0 to 9, then also . _ -, at most 63 characters");
    return {};
  }
  return value->as_string();
}

std::optional<std::int64_t> Fields::integer(std::string_view field, std::int64_t least, std::int64_t most) {
  const moe::json::Value* value = find(field);
  if (value == nullptr) return std::nullopt;
  const auto number = value->is_integer() ? value->as_int64() : std::nullopt;
  if (!number || *number < least || *number > most) {
    refuse(field, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  return number;
}

bool Fields::flag(std::string_view field) {
  const moe::json::Value* value = find(field);
  if (value == nullptr) return false;
  if (!value->is_bool()) {
    refuse(field, "must be true or false");
    return false;
  }
  return value->as_bool();
}

std::vector<std::string> Fields::texts(std::string_view field) {
  std::vector<std::string> texts;
  const moe::json::Value* value = find(field);
  if (value == nullptr) return texts;
  const auto is_text = [](const moe::json::Value& item) {
    return item.is_string() && !item.as_string().empty() && item.as_string().size() <= kMaxTextBytes;
  };
  if (!value->is_array() || value->items().size() > kMaxTexts ||
      !std::all_of(value->items().begin(), value->items().end(), is_text)) {
    refuse(field, "must be an array of at most 256 texts of 1 to 256 bytes");
    return texts;
  }
  for (const auto& item : value->items()) texts.push_back(item.as_string());
  return texts;
}

}  // namespace moegate::tenancy
