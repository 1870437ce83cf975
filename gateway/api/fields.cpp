#include "api/fields.hpp"

#include <sstream>

namespace moegate::api {

using moe::json::Value;

http::Response to_response(const ApiError& error) {
  http::ErrorDetails details;
  details.param = error.param;
  auto response = http::error_response(error.problem, error.message, details);
  if (!error.code.empty()) {
    const auto info = http::error_info(error.problem);
    response.body = http::error_body(error.message, info.type, error.param, error.code);
  }
  return response;
}

const Value* Fields::get(std::string_view name) const {
  const auto* member = object_->find(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

std::string Fields::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void Fields::fail(http::Problem problem, std::string_view name, std::string message, std::string code) {
  if (!error_) error_ = ApiError{problem, "'" + path(name) + "' " + message, path(name), std::move(code)};
}

void Fields::wrong_type(std::string_view name, std::string_view wanted) {
  fail(http::Problem::invalid_type, name, "must be " + std::string(wanted) + ".");
}

void Fields::unsupported(std::string_view name, std::string_view why) {
  fail(http::Problem::unsupported_parameter, name, std::string(why) + ".");
}

void Fields::adopt(const Fields& nested) {
  if (!error_ && nested.error_) error_ = nested.error_;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const auto* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  wrong_type(name, "true or false");
  return std::nullopt;
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t lowest, std::int64_t highest) {
  const auto* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_integer()) {
    wrong_type(name, "an integer");
    return std::nullopt;
  }
  const auto number = value->as_int64();
  if (number && *number >= lowest && *number <= highest) return number;
  fail(http::Problem::invalid_value, name,
       "must lie between " + std::to_string(lowest) + " and " + std::to_string(highest) + ".");
  return std::nullopt;
}

std::optional<double> Fields::number(std::string_view name, double lowest, double highest) {
  const auto* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    wrong_type(name, "a number");
    return std::nullopt;
  }
  const double number = value->as_double();
  if (number >= lowest && number <= highest) return number;
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << "must lie between " << lowest << " and " << highest << ".";
  fail(http::Problem::invalid_value, name, text.str());
  return std::nullopt;
}

std::optional<std::string> Fields::text(std::string_view name, std::size_t max_bytes) {
  const auto* value = get(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    wrong_type(name, "a string");
    return std::nullopt;
  }
  if (value->as_string().size() <= max_bytes) return value->as_string();
  fail(http::Problem::invalid_value, name, "must be at most " + std::to_string(max_bytes) + " bytes long.");
  return std::nullopt;
}

const Value* Fields::array(std::string_view name, std::size_t max_items) {
  const auto* value = get(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    wrong_type(name, "an array");
    return nullptr;
  }
  if (value->items().size() <= max_items) return value;
  fail(http::Problem::invalid_value, name, "must have at most " + std::to_string(max_items) + " items.");
  return nullptr;
}

const Value* Fields::object(std::string_view name) {
  const auto* value = get(name);
  if (value == nullptr || value->is_object()) return value;
  wrong_type(name, "an object");
  return nullptr;
}

}  // namespace moegate::api
