// Values of a template: Python's, immutable except for namespaces. Used by one render at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"
#include "text/jinja/str.hpp"

namespace moe::text::jinja {

class Interpreter;
class Value;
struct Args;

// What a render ends with other than a text. `kind` is Python's class name, "raise_exception" for the template's own
// sentence, "size" for a text beyond its bound, "limit" for any other bound.
struct Error {
  std::string kind;
  std::string message;
  int line = 0;
};

// How deep a value nests and about how long it prints. Shared parts count each time: both bound what recursion costs.
struct Extent {
  int depth = 0;
  std::size_t weight = 0;
};

// A list, a tuple, or something that iterates like one but prints by another name.
struct Sequence {
  std::vector<Value> items;
  std::string_view view;  // "dict_keys", "generator" and the like; empty for a plain list or tuple
  Extent extent;
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;
  Extent extent;
  const Value* find(const Value& key) const;
  void set(Value key, Value value);  // keeps the place of a key that is there
};

struct Range {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t size() const;
};

// Anything with attributes or a call of its own: namespaces, macros, loop, functions, bound methods.
class Object {
 public:
  virtual ~Object() = default;
  virtual bool attribute(const std::string& name, Value& out);
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter& interpreter, const Args& args);
  virtual std::string repr() const = 0;
};

enum class Kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  big,  // an integer beyond 64 bits, kept as its digits
  number,
  string,
  list,
  tuple,
  dict,
  range,
  object,
};

class Value {
 public:
  Value() = default;  // undefined without a name
  static Value undefined(std::string why);
  static Value none();
  static Value boolean(bool value);
  static Value integer(std::int64_t value);
  static Value integer_text(std::string digits);
  static Value wide(__int128 value);
  static Value number(double value);
  static Value string(Str value);
  static Value string(std::string text) { return string(Str(std::move(text))); }
  // `view`: static storage.
  static Value list(std::vector<Value> items, std::string_view view = {});
  static Value tuple(std::vector<Value> items);
  static Value dict(Dict dict);
  static Value range(Range range);
  static Value object(std::shared_ptr<Object> object);
  // All strings of the result come from the request.
  static Value from_json(const json::Value& value);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }
  bool is_dict() const { return kind_ == Kind::dict; }
  bool is_int() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }  // as Python's isinstance
  bool is_numeric() const { return is_int() || kind_ == Kind::number || kind_ == Kind::big; }

  // Preconditions: the matching kind.
  bool as_bool() const { return integer_ != 0; }
  std::int64_t as_int() const { return integer_; }
  double as_double() const;  // of any numeric kind
  const Str& str() const { return *static_cast<const Str*>(data_.get()); }
  const std::string& text() const { return str().text(); }
  const std::string& digits() const { return text(); }
  const Sequence& sequence() const { return *static_cast<const Sequence*>(data_.get()); }
  const std::vector<Value>& items() const { return sequence().items; }
  const Dict& as_dict() const { return *static_cast<const Dict*>(data_.get()); }
  const Range& as_range() const { return *static_cast<const Range*>(data_.get()); }
  const std::shared_ptr<Object>& as_object() const { return object_; }
  // Why it is undefined, as Jinja says it.
  std::string why() const { return data_ ? text() : "value is undefined"; }

  bool truth() const;
  std::string type_name() const;  // Python's
  const void* identity() const { return kind_ == Kind::object ? object_.get() : data_.get(); }

 private:
  Kind kind_ = Kind::undefined;
  union {
    std::int64_t integer_ = 0;
    double number_;
  };
  std::shared_ptr<const void> data_;
  std::shared_ptr<Object> object_;
};

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  // Argument by place or name; nullptr if it was not given.
  const Value* get(std::size_t index, std::string_view name) const;
};

[[noreturn]] void fail(std::string kind, std::string message);
[[noreturn]] void type_error(std::string message);
[[noreturn]] void limit_error(std::string message);

bool equal(const Value& a, const Value& b);
// Order as Python's <: negative, 0, positive; TypeError if the two cannot be compared. `op` is for the message.
int order(const Value& a, const Value& b, const char* op);

// str(), repr() and json.dumps.
Str to_str(const Value& value);
Str to_repr(const Value& value);
struct JsonStyle {
  bool ensure_ascii = false;
  int indent = -1;
  Str item_separator, key_separator;
  bool sort_keys = false;
};
Str to_json(const Value& value, const JsonStyle& style);

}  // namespace moe::text::jinja
