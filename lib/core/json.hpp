// Strict JSON for everything that comes from outside: request bodies, config.json, tokenizer.json, tensor headers.
// Order of members is kept; duplicate keys, lone surrogates, invalid UTF-8, non-finite numbers and depth beyond the
// limit are refused; integers keep their digits at any size; other numbers are doubles and print as Python's repr.
// A handler over Boost.JSON's basic_parser (its own DOM merges duplicates and loses digits). No shared state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/status.hpp"

namespace moe::json {

enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

class Value {
 public:
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;

  Value() = default;  // null
  static Value boolean(bool value);
  static Value integer(std::int64_t value);
  static Value integer_text(std::string digits);  // "-?[0-9]+", any length
  static Value number(double value);              // finite
  static Value string(std::string value);
  static Value array(Array items = {});
  static Value object(Object members = {});

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_bool() const { return kind_ == Kind::boolean; }
  bool is_integer() const { return kind_ == Kind::integer; }
  bool is_number() const { return kind_ == Kind::number || kind_ == Kind::integer; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  // Preconditions: the matching kind. as_int64 is empty if the integer does not fit; a number that is integral
  // (3.0) is not an integer. as_double takes integers too.
  bool as_bool() const { return boolean_; }
  std::optional<std::int64_t> as_int64() const;
  double as_double() const;
  const std::string& as_string() const { return text_; }
  const std::string& integer_digits() const { return text_; }
  const Array& items() const { return items_; }
  Array& items() { return items_; }
  const Object& members() const { return members_; }
  Object& members() { return members_; }

  // Member by name, nullptr if absent or if this is not an object.
  const Value* find(std::string_view name) const;
  Value* find(std::string_view name);
  // Appends or replaces a member; returns *this so that objects can be built in one expression.
  Value& set(std::string name, Value value);
  Value& push(Value value);

 private:
  Kind kind_ = Kind::null;
  bool boolean_ = false;
  double number_ = 0;
  std::string text_;  // string value, or the digits of an integer
  Array items_;
  Object members_;
};

struct Limits {
  std::size_t max_depth = 64;
  std::size_t max_bytes = std::size_t{64} << 20;
};

// Errors: INVALID_ARGUMENT with "line L, column C: what", OUT_OF_RANGE for the byte limit.
Result<Value> parse(std::string_view text, const Limits& limits = {});

struct WriteOptions {
  bool ascii_only = false;  // \u escapes for everything beyond ASCII (Python's ensure_ascii)
  std::string_view item_separator = ",";
  std::string_view key_separator = ":";
  int indent = -1;  // -1: one line
  bool sort_keys = false;
};
std::string write(const Value& value, const WriteOptions& options = {});
// A quoted, escaped JSON string of valid UTF-8 text.
std::string quote(std::string_view text);
// Python's repr of a finite double: 1.0, 100.0, 0.1, 1e-07, 1e+16.
std::string format_double(double value);

}  // namespace moe::json
