#include "text/jinja/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace moe::text::jinja {
namespace {

// Of lists and dicts; printing and comparing them recurses.
constexpr int kMaxDepth = 100;
constexpr std::size_t kMaxWeight = std::size_t{64} << 20;
constexpr std::size_t kMaxCompared = 4096;  // members of dicts whose keys stand in different order

void add(Extent& extent, const Value& value) {
  const Extent* inner = value.is_sequence() ? &value.sequence().extent
                        : value.is_dict()   ? &value.as_dict().extent
                                            : nullptr;
  extent.depth = std::max(extent.depth, inner != nullptr ? inner->depth : 0);
  extent.weight += 2 + (inner != nullptr ? inner->weight : value.is_string() ? value.str().size() : 0);
  if (extent.weight > kMaxWeight) limit_error("value is too large");
}

void close(Extent& extent) {
  if (++extent.depth > kMaxDepth) limit_error("values nest deeper than 100");
}

bool same_order(const Dict& a, const Dict& b) {
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const auto& x, const auto& y) { return equal(x.first, y.first); });
}

bool equal_dicts(const Dict& a, const Dict& b) {
  if (a.items.size() != b.items.size()) return false;
  if (same_order(a, b)) {
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(),
                      [](const auto& x, const auto& y) { return equal(x.second, y.second); });
  }
  if (a.items.size() > kMaxCompared) limit_error("dicts are too large to compare");
  return std::all_of(a.items.begin(), a.items.end(), [&](const auto& item) {
    const Value* other = b.find(item.first);
    return other != nullptr && equal(item.second, *other);
  });
}

}  // namespace

void fail(std::string kind, std::string message) { throw Error{std::move(kind), std::move(message)}; }
void type_error(std::string message) { fail("TypeError", std::move(message)); }
void limit_error(std::string message) { fail("limit", std::move(message)); }

bool Object::attribute(const std::string&, Value&) { return false; }
Value Object::call(Interpreter&, const Args&) { type_error(repr() + " is not callable"); }

const Value* Dict::find(const Value& key) const {
  for (const auto& [name, value] : items) {
    if (equal(name, key)) return &value;
  }
  return nullptr;
}

void Dict::set(Value key, Value value) {
  for (auto& [name, old] : items) {
    if (equal(name, key)) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(std::move(key), std::move(value));
}

std::int64_t Range::size() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

Value Value::undefined(std::string why) {
  Value value;
  value.data_ = std::make_shared<const Str>(std::move(why));
  return value;
}

Value Value::none() {
  Value value;
  value.kind_ = Kind::none;
  return value;
}

Value Value::boolean(bool truth) {
  Value value;
  value.kind_ = Kind::boolean;
  value.integer_ = truth ? 1 : 0;
  return value;
}

Value Value::integer(std::int64_t number) {
  Value value;
  value.kind_ = Kind::integer;
  value.integer_ = number;
  return value;
}

Value Value::integer_text(std::string digits) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc() && end == digits.data() + digits.size()) return integer(number);
  Value value;
  value.kind_ = Kind::big;
  value.data_ = std::make_shared<const Str>(std::move(digits));
  return value;
}

Value Value::wide(__int128 number) {
  if (number >= INT64_MIN && number <= INT64_MAX) return integer(static_cast<std::int64_t>(number));
  const bool negative = number < 0;
  std::string digits;
  auto rest = negative ? -static_cast<unsigned __int128>(number) : static_cast<unsigned __int128>(number);
  for (; rest > 0; rest /= 10) digits += static_cast<char>('0' + static_cast<int>(rest % 10));
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return integer_text(std::move(digits));
}

Value Value::number(double number) {
  Value value;
  value.kind_ = Kind::number;
  value.number_ = number;
  return value;
}

Value Value::string(Str text) {
  Value value;
  value.kind_ = Kind::string;
  value.data_ = std::make_shared<const Str>(std::move(text));
  return value;
}

Value Value::list(std::vector<Value> items, std::string_view view) {
  auto sequence = std::make_shared<Sequence>();
  for (const Value& item : items) add(sequence->extent, item);
  close(sequence->extent);
  sequence->items = std::move(items);
  sequence->view = view;
  Value value;
  value.kind_ = Kind::list;
  value.data_ = std::move(sequence);
  return value;
}

Value Value::tuple(std::vector<Value> items) {
  Value value = list(std::move(items));
  value.kind_ = Kind::tuple;
  return value;
}

Value Value::dict(Dict dict) {
  dict.extent = {};
  for (const auto& [key, item] : dict.items) {
    add(dict.extent, key);
    add(dict.extent, item);
  }
  close(dict.extent);
  Value value;
  value.kind_ = Kind::dict;
  value.data_ = std::make_shared<const Dict>(std::move(dict));
  return value;
}

Value Value::range(Range range) {
  Value value;
  value.kind_ = Kind::range;
  value.data_ = std::make_shared<const Range>(range);
  return value;
}

Value Value::object(std::shared_ptr<Object> object) {
  Value value;
  value.kind_ = Kind::object;
  value.object_ = std::move(object);
  return value;
}

Value Value::from_json(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::null:
      return none();
    case json::Kind::boolean:
      return boolean(value.as_bool());
    case json::Kind::integer:
      return integer_text(value.integer_digits());
    case json::Kind::number:
      return number(value.as_double());
    case json::Kind::string:
      return string(Str(value.as_string(), true));
    case json::Kind::array: {
      std::vector<Value> items;
      for (const json::Value& item : value.items()) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case json::Kind::object: {
      Dict dict;  // the parser has refused duplicate keys
      for (const auto& [name, member] : value.members()) {
        dict.items.emplace_back(string(Str(name, true)), from_json(member));
      }
      return Value::dict(std::move(dict));
    }
  }
  return none();
}

double Value::as_double() const {
  if (kind_ == Kind::number) return number_;
  if (kind_ != Kind::big) return static_cast<double>(integer_);
  double value = 0;
  const std::string& text = digits();
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
    fail("OverflowError", "int too large to convert to float");
  }
  return value;
}

bool Value::truth() const {
  switch (kind_) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return integer_ != 0;
    case Kind::number:
      return number_ != 0;
    case Kind::string:
      return !str().empty();
    case Kind::list:
    case Kind::tuple:
      return !items().empty() || sequence().view == "generator";
    case Kind::dict:
      return !as_dict().items.empty();
    case Kind::range:
      return as_range().size() > 0;
    case Kind::big:
    case Kind::object:
      return true;
  }
  return true;
}

std::string Value::type_name() const {
  switch (kind_) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
    case Kind::big:
      return "int";
    case Kind::number:
      return "float";
    case Kind::string:
      return "str";
    case Kind::list:
      return sequence().view.empty() ? "list" : std::string(sequence().view);
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::range:
      return "range";
    case Kind::object:
      return "object";
  }
  return "object";
}

const Value* Args::get(std::size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_numeric() && b.is_numeric()) {
    if (a.is_int() && b.is_int()) return a.as_int() == b.as_int();
    if (a.is(Kind::big) && b.is(Kind::big)) return a.digits() == b.digits();
    if (a.is(Kind::big) != b.is(Kind::big) && (a.is_int() || b.is_int())) return false;
    return a.as_double() == b.as_double();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      return a.text() == b.text();
    case Kind::list:
    case Kind::tuple:
      return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), equal);
    case Kind::dict:
      return equal_dicts(a.as_dict(), b.as_dict());
    case Kind::range:
      return a.as_range().start == b.as_range().start && a.as_range().size() == b.as_range().size() &&
             a.as_range().step == b.as_range().step;
    default:
      return a.identity() == b.identity();
  }
}

int order(const Value& a, const Value& b, const char* op) {
  if (a.is_numeric() && b.is_numeric()) {
    if (a.is_int() && b.is_int()) return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int();
    const double x = a.as_double(), y = b.as_double();
    return x < y ? -1 : x > y;
  }
  if (a.is_string() && b.is_string()) return a.text().compare(b.text());
  if (a.is_sequence() && a.kind() == b.kind()) {
    for (std::size_t i = 0; i < a.items().size() && i < b.items().size(); ++i) {
      if (!equal(a.items()[i], b.items()[i])) return order(a.items()[i], b.items()[i], op);
    }
    return a.items().size() < b.items().size() ? -1 : a.items().size() > b.items().size();
  }
  if (a.is_undefined()) fail("UndefinedError", a.why());
  if (b.is_undefined()) fail("UndefinedError", b.why());
  type_error("'" + std::string(op) + "' not supported between instances of '" + a.type_name() + "' and '" +
             b.type_name() + "'");
}

}  // namespace moe::text::jinja
