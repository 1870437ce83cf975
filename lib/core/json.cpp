#include "core/json.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <cstring>
#include <random>

namespace moe::json {
namespace {

// Seed of the duplicate-key table: random for each process, so that no body can be written to collide.
std::uint64_t process_seed() {
  static const std::uint64_t seed = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32) ^ device();
  }();
  return seed;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t hash_key(std::string_view key) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;
  const std::uint64_t seed = process_seed();
  std::uint64_t hash = seed ^ key.size();
  while (!key.empty()) {
    std::uint64_t chunk = 0;
    const std::size_t size = std::min(key.size(), sizeof chunk);
    std::memcpy(&chunk, key.data(), size);
    hash = mix(hash ^ chunk, kOdd ^ (seed | 1));
    key.remove_prefix(size);
  }
  return mix(hash, kOdd);
}

// Keys of one object: compared one by one while few, in an open-addressed table of positions beyond that.
class KeySet {
 public:
  // False if `key` is among members[0, size) already. The caller appends it afterwards.
  bool insert(const Value::Object& members, std::string_view key) {
    if (members.size() < kLinear) {
      return std::none_of(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
    }
    if (slots_.size() < 2 * (members.size() + 1)) grow(members);
    return place(members, key, static_cast<std::uint32_t>(members.size()));
  }

 private:
  static constexpr std::size_t kLinear = 16;
  static constexpr std::uint32_t kFree = UINT32_MAX;

  bool place(const Value::Object& members, std::string_view key, std::uint32_t index) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash_key(key) & mask;; at = (at + 1) & mask) {
      if (slots_[at] == kFree) {
        slots_[at] = index;
        return true;
      }
      if (members[slots_[at]].first == key) return false;
    }
  }

  void grow(const Value::Object& members) {
    slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), kFree);
    for (std::size_t i = 0; i < members.size(); ++i) place(members, members[i].first, static_cast<std::uint32_t>(i));
  }

  std::vector<std::uint32_t> slots_;
};

struct Frame {
  Value container;
  std::string key;  // of the member being read, if the container is an object
  KeySet keys;
};

namespace bj = boost::json;

// Receives the parser's events and builds the tree. `problem` holds what this handler refused.
struct Builder {
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  Value root;
  std::vector<Frame> stack;
  std::string text;
  std::string problem;

  bool refuse(std::string what, bj::error_code& ec) {
    problem = std::move(what);
    ec = bj::error::syntax;
    return false;
  }

  std::string take(bj::string_view last) {
    text.append(last.data(), last.size());
    return std::exchange(text, {});
  }

  bool add(Value value) {
    if (stack.empty()) {
      root = std::move(value);
    } else if (Frame& frame = stack.back(); frame.container.is_object()) {
      frame.container.members().emplace_back(std::move(frame.key), std::move(value));
    } else {
      frame.container.items().push_back(std::move(value));
    }
    return true;
  }

  bool open(Value container) {
    stack.push_back({std::move(container), {}, {}});
    return true;
  }
  bool close() {
    Value value = std::move(stack.back().container);
    stack.pop_back();
    return add(std::move(value));
  }

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_array_begin(bj::error_code&) { return open(Value::array()); }
  bool on_array_end(std::size_t, bj::error_code&) { return close(); }
  bool on_object_begin(bj::error_code&) { return open(Value::object()); }
  bool on_object_end(std::size_t, bj::error_code&) { return close(); }
  bool on_string_part(bj::string_view part, std::size_t, bj::error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool on_string(bj::string_view last, std::size_t, bj::error_code&) { return add(Value::string(take(last))); }
  bool on_key_part(bj::string_view part, std::size_t size, bj::error_code& ec) {
    return on_string_part(part, size, ec);
  }
  bool on_key(bj::string_view last, std::size_t, bj::error_code& ec) {
    Frame& frame = stack.back();
    frame.key = take(last);
    if (frame.keys.insert(frame.container.members(), frame.key)) return true;
    return refuse("duplicate key " + quote(frame.key.substr(0, 80)), ec);
  }
  bool on_number_part(bj::string_view part, bj::error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t, bj::string_view last, bj::error_code& ec) { return number(take(last), ec); }
  bool on_uint64(std::uint64_t, bj::string_view last, bj::error_code& ec) { return number(take(last), ec); }
  bool on_double(double, bj::string_view last, bj::error_code& ec) { return number(take(last), ec); }
  bool on_bool(bool value, bj::error_code&) { return add(Value::boolean(value)); }
  bool on_null(bj::error_code&) { return add({}); }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

  // Read from the number's own text: the parser's value has lost the digits of long integers.
  bool number(const std::string& digits, bj::error_code& ec) {
    if (digits.find_first_of(".eE") == std::string::npos) return add(Value::integer_text(digits));
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range) {
      if (!underflows(digits)) return refuse("number " + digits.substr(0, 40) + " is too large", ec);
      value = digits.front() == '-' ? -0.0 : 0.0;
    } else if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value)) {
      return refuse("malformed number " + digits.substr(0, 40), ec);
    }
    return add(Value::number(value));
  }

  // Of a number outside the range of double: is it too small rather than too large? Decimal exponent of its first
  // digit that is not zero.
  static bool underflows(std::string_view digits) {
    if (digits.front() == '-') digits.remove_prefix(1);
    const std::size_t exponent_at = std::min(digits.find_first_of("eE"), digits.size());
    const std::string_view mantissa = digits.substr(0, exponent_at);
    const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
    const std::size_t first = mantissa.find_first_of("123456789");
    if (first == std::string_view::npos) return true;
    std::string_view power = exponent_at < digits.size() ? digits.substr(exponent_at + 1) : std::string_view("0");
    if (power.starts_with('+')) power.remove_prefix(1);
    std::int64_t exponent = 0;
    if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec != std::errc()) {
      return power.starts_with('-');
    }
    return static_cast<double>(exponent) + (static_cast<double>(point) - static_cast<double>(first)) < 0;
  }
};

// Line and column (in characters, both from 1) of a byte offset.
std::string place(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto column = 1 + std::count_if(before.begin() + static_cast<std::ptrdiff_t>(start), before.end(),
                                        [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": ";
}

// Is `offset` just behind the escape of a leading surrogate ("\\ud8xx" to "\\udbxx")?
bool after_leading_surrogate(std::string_view text, std::size_t offset) {
  for (std::size_t back = 6; back <= 7; ++back) {  // the parser may have eaten one character of what follows
    if (offset < back || offset > text.size()) continue;
    const std::string_view escape = text.substr(offset - back, 4);
    if (escape.substr(0, 2) == "\\u" && (escape[2] | 0x20) == 'd' &&
        std::string_view("89abAB").find(escape[3]) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

std::string describe(const bj::error_code& ec, std::string_view text, std::size_t offset, const Limits& limits) {
  if (ec == bj::error::incomplete) return "unexpected end of JSON";
  if (ec == bj::error::too_deep) return "nesting is deeper than " + std::to_string(limits.max_depth);
  if (ec == bj::error::extra_data) return "unexpected text after the JSON value";
  if (ec == bj::error::illegal_leading_surrogate || ec == bj::error::illegal_trailing_surrogate ||
      ec == bj::error::expected_utf16_escape || after_leading_surrogate(text, offset)) {
    return "lone surrogate in a string";
  }
  return ec.message();
}

}  // namespace

Value Value::boolean(bool value) {
  Value result;
  result.kind_ = Kind::boolean;
  result.boolean_ = value;
  return result;
}

Value Value::integer(std::int64_t value) { return integer_text(std::to_string(value)); }

Value Value::integer_text(std::string digits) {
  Value result;
  result.kind_ = Kind::integer;
  result.text_ = digits == "-0" ? "0" : std::move(digits);
  return result;
}

Value Value::number(double value) {
  Value result;
  result.kind_ = Kind::number;
  result.number_ = value;
  return result;
}

Value Value::string(std::string value) {
  Value result;
  result.kind_ = Kind::string;
  result.text_ = std::move(value);
  return result;
}

Value Value::array(Array items) {
  Value result;
  result.kind_ = Kind::array;
  result.items_ = std::move(items);
  return result;
}

Value Value::object(Object members) {
  Value result;
  result.kind_ = Kind::object;
  result.members_ = std::move(members);
  return result;
}

std::optional<std::int64_t> Value::as_int64() const {
  if (kind_ != Kind::integer) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (error != std::errc() || end != text_.data() + text_.size()) return std::nullopt;
  return value;
}

double Value::as_double() const {
  if (kind_ != Kind::integer) return number_;
  double value = 0;
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (error == std::errc::result_out_of_range) return text_.starts_with('-') ? -HUGE_VAL : HUGE_VAL;
  return value;
}

const Value* Value::find(std::string_view name) const {
  for (const Member& member : members_) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Value* Value::find(std::string_view name) { return const_cast<Value*>(std::as_const(*this).find(name)); }

Value& Value::set(std::string name, Value value) {
  if (Value* existing = find(name)) {
    *existing = std::move(value);
  } else {
    members_.emplace_back(std::move(name), std::move(value));
  }
  return *this;
}

Value& Value::push(Value value) {
  items_.push_back(std::move(value));
  return *this;
}

Result<Value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes) {
    return Status(Code::out_of_range, "JSON of " + std::to_string(text.size()) + " bytes is longer than the limit of " +
                                          std::to_string(limits.max_bytes));
  }
  bj::parse_options options;
  options.max_depth = limits.max_depth;
  bj::basic_parser<Builder> parser(options);
  bj::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  Builder& builder = parser.handler();
  if (ec) {
    return invalid(place(text, used) + (builder.problem.empty() ? describe(ec, text, used, limits) : builder.problem));
  }
  if (used < text.size()) return invalid(place(text, used) + "unexpected text after the JSON value");
  return std::move(builder.root);
}

}  // namespace moe::json
