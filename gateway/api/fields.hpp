// Reads the fields of a client's JSON object. null counts as absent, unknown fields are ignored, a wrong one is an
// error with its path. The first error sticks. One object, one thread; the object must outlive the reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/json.hpp"
#include "http/error_map.hpp"

namespace moegate::api {

struct ApiError {
  http::Problem problem = http::Problem::invalid_value;
  std::string message, param;
  std::string code;  // "" = the problem's own
};
http::Response to_response(const ApiError& error);

class Fields {
 public:
  explicit Fields(const moe::json::Value& object, std::string path = {}) : object_(&object), path_(std::move(path)) {}

  const moe::json::Value* get(std::string_view name) const;  // nullptr if absent or null
  std::string path(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t lowest, std::int64_t highest);
  std::optional<double> number(std::string_view name, double lowest, double highest);
  std::optional<std::string> text(std::string_view name, std::size_t max_bytes);
  const moe::json::Value* array(std::string_view name, std::size_t max_items);
  const moe::json::Value* object(std::string_view name);

  void fail(http::Problem problem, std::string_view name, std::string message, std::string code = {});
  void wrong_type(std::string_view name, std::string_view wanted);
  void unsupported(std::string_view name, std::string_view why = "is not offered by this server");
  // Takes over an error of a nested reader.
  void adopt(const Fields& nested);
  const std::optional<ApiError>& error() const { return error_; }

 private:
  const moe::json::Value* object_;
  std::string path_;
  std::optional<ApiError> error_;
};

}  // namespace moegate::api
