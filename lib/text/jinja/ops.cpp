// Python's arithmetic.
#include <cmath>

#include "text/jinja/interpreter.hpp"

namespace moe::text::jinja {
namespace {

std::string_view spelling(Op op) {
  switch (op) {
    case Op::add:
      return "+";
    case Op::subtract:
      return "-";
    case Op::multiply:
      return "*";
    case Op::divide:
      return "/";
    case Op::floor_divide:
      return "//";
    case Op::modulo:
      return "%";
    default:
      return "** or pow()";
  }
}

[[noreturn]] void unsupported(Op op, const Value& left, const Value& right) {
  type_error("unsupported operand type(s) for " + std::string(spelling(op)) + ": '" + left.type_name() + "' and '" +
             right.type_name() + "'");
}

[[noreturn]] void zero_division(const char* what) { fail("ZeroDivisionError", what); }

__int128 floor_division(std::int64_t a, std::int64_t b) {
  const auto wide_a = static_cast<__int128>(a);
  __int128 quotient = wide_a / b;
  if (wide_a % b != 0 && (a < 0) != (b < 0)) --quotient;
  return quotient;
}

Value power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) zero_division("0.0 cannot be raised to a negative power");
    return Value::number(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  if (base == 0 || base == 1) return Value::integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  __int128 result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, static_cast<__int128>(base), &result)) limit_error("integer is too large");
  }
  return Value::wide(result);
}

Value integers(Op op, std::int64_t a, std::int64_t b) {
  const auto wide = static_cast<__int128>(a);
  switch (op) {
    case Op::add:
      return Value::wide(wide + b);
    case Op::subtract:
      return Value::wide(wide - b);
    case Op::multiply:
      return Value::wide(wide * b);
    case Op::divide:
      if (b == 0) zero_division("division by zero");
      return Value::number(static_cast<double>(a) / static_cast<double>(b));
    case Op::floor_divide:
      if (b == 0) zero_division("integer division or modulo by zero");
      return Value::wide(floor_division(a, b));
    case Op::modulo:
      if (b == 0) zero_division("integer modulo by zero");
      return Value::wide(wide - floor_division(a, b) * b);
    default:
      return power(a, b);
  }
}

Value numbers(Op op, double a, double b) {
  switch (op) {
    case Op::add:
      return Value::number(a + b);
    case Op::subtract:
      return Value::number(a - b);
    case Op::multiply:
      return Value::number(a * b);
    case Op::divide:
      if (b == 0) zero_division("float division by zero");
      return Value::number(a / b);
    case Op::floor_divide:
      if (b == 0) zero_division("float floor division by zero");
      return Value::number(std::floor(a / b));
    case Op::modulo: {
      if (b == 0) zero_division("float modulo");
      const double rest = std::fmod(a, b);
      return Value::number(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
    default:
      return Value::number(std::pow(a, b));
  }
}

Value repeat(Interpreter& interpreter, const Value& sequence, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (sequence.is_string()) {
    const Str& text = sequence.str();
    if (times == 0 || text.empty()) return Value::string(Str());
    interpreter.check_size(times > SIZE_MAX / text.size() ? SIZE_MAX : times * text.size());
    Str out;
    for (std::size_t i = 0; i < times; ++i) out.append(text);
    return Value::string(std::move(out));
  }
  const auto& items = sequence.items();
  if (items.empty() || times == 0) return sequence.is(Kind::tuple) ? Value::tuple({}) : Value::list({});
  interpreter.charge(times > INT32_MAX / items.size() ? SIZE_MAX : times * items.size());
  std::vector<Value> out;
  for (std::size_t i = 0; i < times; ++i) out.insert(out.end(), items.begin(), items.end());
  return sequence.is(Kind::tuple) ? Value::tuple(std::move(out)) : Value::list(std::move(out));
}

bool plain_sequence(const Value& value) { return value.is_sequence() && value.sequence().view.empty(); }

Value add(Interpreter& interpreter, const Value& left, const Value& right) {
  if (left.is_string()) {
    if (!right.is_string()) type_error("can only concatenate str (not \"" + right.type_name() + "\") to str");
    interpreter.check_size(left.str().size() + right.str().size());
    Str out = left.str();
    out.append(right.str());
    return Value::string(std::move(out));
  }
  if (plain_sequence(left)) {
    const std::string name = left.type_name();
    if (left.kind() != right.kind() || !plain_sequence(right)) {
      type_error("can only concatenate " + name + " (not \"" + right.type_name() + "\") to " + name);
    }
    interpreter.charge(left.items().size() + right.items().size());
    std::vector<Value> out = left.items();
    out.insert(out.end(), right.items().begin(), right.items().end());
    return left.is(Kind::tuple) ? Value::tuple(std::move(out)) : Value::list(std::move(out));
  }
  unsupported(Op::add, left, right);
}

}  // namespace

Value arithmetic(Interpreter& interpreter, Op op, const Value& left, const Value& right) {
  if (left.is_undefined()) fail("UndefinedError", left.why());
  if (op == Op::modulo && left.is_string()) {
    return Value::string(percent_format(interpreter, left.str(), right));
  }
  if (right.is_undefined()) fail("UndefinedError", right.why());
  if (left.is_numeric() && right.is_numeric()) {
    if (left.is_int() && right.is_int()) return integers(op, left.as_int(), right.as_int());
    if (!left.is(Kind::number) && !right.is(Kind::number)) limit_error("integer is too large");
    return numbers(op, left.as_double(), right.as_double());
  }
  if (op == Op::multiply) {
    if ((left.is_string() || plain_sequence(left)) && right.is_int()) return repeat(interpreter, left, right.as_int());
    if ((right.is_string() || plain_sequence(right)) && left.is_int()) return repeat(interpreter, right, left.as_int());
  }
  if (op == Op::add) return add(interpreter, left, right);
  unsupported(op, left, right);
}

Value negate(const Value& value) {
  if (value.is_undefined()) fail("UndefinedError", value.why());
  if (value.is_int()) return Value::wide(-static_cast<__int128>(value.as_int()));
  if (value.is(Kind::number)) return Value::number(-value.as_double());
  if (value.is(Kind::big)) {
    const std::string& digits = value.digits();
    return Value::integer_text(digits[0] == '-' ? digits.substr(1) : "-" + digits);
  }
  type_error("bad operand type for unary -: '" + value.type_name() + "'");
}

}  // namespace moe::text::jinja
