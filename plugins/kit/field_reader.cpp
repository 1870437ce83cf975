#include "kit/field_reader.hpp"

namespace moegate::plugins {

using moe::json::Value;

FieldReader::FieldReader(const Value& object, std::string path) : object_(&object), path_(std::move(path)) {
  if (!object.is_object()) {
    status_ = moe::invalid((path_.empty() ? std::string("value") : path_) + " must be an object").with_param(path_);
  }
}

void FieldReader::fail(std::string_view name, std::string_view what) {
  if (status_.ok()) status_ = moe::invalid(path_of(name) + " " + std::string(what)).with_param(path_of(name));
}

const Value* FieldReader::get(std::string_view name) {
  asked_.emplace(name);
  const Value* value = object_->find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string FieldReader::text(std::string_view name, std::string_view otherwise) {
  const Value* value = get(name);
  if (value != nullptr && value->is_string()) return value->as_string();
  if (value != nullptr) fail(name, "must be a string");
  return std::string(otherwise);
}

std::int64_t FieldReader::integer(std::string_view name, std::int64_t otherwise, std::int64_t low, std::int64_t high) {
  const Value* value = get(name);
  if (value == nullptr) return otherwise;
  const auto number = value->is_integer() ? value->as_int64() : std::nullopt;
  if (!number || *number < low || *number > high) {
    fail(name, "must be an integer from " + std::to_string(low) + " to " + std::to_string(high));
    return otherwise;
  }
  return *number;
}

bool FieldReader::boolean(std::string_view name, bool otherwise) {
  const Value* value = get(name);
  if (value != nullptr && value->is_bool()) return value->as_bool();
  if (value != nullptr) fail(name, "must be true or false");
  return otherwise;
}

const Value* FieldReader::array(std::string_view name) {
  const Value* value = get(name);
  if (value == nullptr || value->is_array()) return value;
  fail(name, "must be an array");
  return nullptr;
}

const Value* FieldReader::object(std::string_view name) {
  const Value* value = get(name);
  if (value == nullptr || value->is_object()) return value;
  fail(name, "must be an object");
  return nullptr;
}

moe::Status FieldReader::finish(bool refuse_unknown) {
  if (!status_.ok() || !refuse_unknown) return status_;
  for (const auto& [name, value] : object_->members()) {
    if (!asked_.contains(name)) {
      fail(name, "is unknown");
      break;
    }
  }
  return status_;
}

}  // namespace moegate::plugins
