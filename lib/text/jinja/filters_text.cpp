// Filters that make text.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/text_ops.hpp"
#include "text/unicode.hpp"

namespace moe::text::jinja {

Str escape_html(const Str& text) {
  Str out;
  std::size_t done = 0;
  const std::string& all = text.text();
  for (std::size_t pos = 0; pos < all.size(); ++pos) {
    std::string_view entity;
    switch (all[pos]) {
      case '&':
        entity = "&amp;";
        break;
      case '<':
        entity = "&lt;";
        break;
      case '>':
        entity = "&gt;";
        break;
      case '\'':
        entity = "&#39;";
        break;
      case '"':
        entity = "&#34;";
        break;
      default:
        continue;
    }
    if (pos > done) out.append(text, done, pos);
    out.append(entity);
    done = pos + 1;
  }
  if (done < all.size()) out.append(text, done, all.size());
  out.set_safe(true);
  return out;
}

namespace {

// The value as text, charged for what the filter will do with it.
Str input(Interpreter& interpreter, const Value& value) {
  Str text = to_str(value);
  interpreter.check_size(text.size());
  return text;
}

template <Str (*F)(const Str&)>
Value mapped(Interpreter& interpreter, const Value& value, const Args&) {
  return Value::string(F(input(interpreter, value)));
}

// A method of the value's text, with the filter's arguments.
Value through(Interpreter& interpreter, std::string_view method, const Value& value, const Args& args) {
  return find_text_method(method)(interpreter, Value::string(input(interpreter, value)), args);
}

Value trim(Interpreter& interpreter, const Value& value, const Args& args) {
  return through(interpreter, "strip", value, args);
}

Value replace_filter(Interpreter& interpreter, const Value& value, const Args& args) {
  Args plain;
  for (std::size_t i = 0; i < 3; ++i) {
    static constexpr std::string_view kNames[] = {"old", "new", "count"};
    if (const Value* given = args.get(i, kNames[i]))
      plain.positional.push_back(i < 2 ? Value::string(to_str(*given)) : *given);
  }
  return through(interpreter, "replace", value, plain);
}

Value center(Interpreter& interpreter, const Value& value, const Args& args) {
  Args width;
  width.positional.push_back(Value::integer(int_arg(args, 0, "width", 80)));
  return through(interpreter, "center", value, width);
}

Value string(Interpreter& interpreter, const Value& value, const Args&) {
  return Value::string(input(interpreter, value));
}

Value safe(Interpreter& interpreter, const Value& value, const Args&) {
  Str text = input(interpreter, value);
  text.set_safe(true);
  return Value::string(std::move(text));
}

Value escape(Interpreter& interpreter, const Value& value, const Args&) {
  Str text = input(interpreter, value);
  return Value::string(text.safe() ? std::move(text) : escape_html(text));
}

Value force_escape(Interpreter& interpreter, const Value& value, const Args&) {
  return Value::string(escape_html(input(interpreter, value)));
}

Value urlencode(Interpreter& interpreter, const Value& value, const Args&) {
  const Str text = input(interpreter, value);
  std::string out;
  for (char c : text.text()) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (byte < 0x80 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      static constexpr char kDigits[] = "0123456789ABCDEF";
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return Value::string(text.rewritten(std::move(out)));
}

Value wordcount(Interpreter& interpreter, const Value& value, const Args&) {
  const std::string text = input(interpreter, value).text();
  std::int64_t count = 0;
  bool inside = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_utf8(text, pos);
    const bool word = is_word(point.value);
    if (word && !inside) ++count;
    inside = word;
    pos += point.size;
  }
  return Value::integer(count);
}

Value truncate(Interpreter& interpreter, const Value& value, const Args& args) {
  const Str text = input(interpreter, value);
  const std::int64_t length = int_arg(args, 0, "length", 255);
  const bool kill_words = bool_arg(args, 1, "killwords", false);
  const Str end = str_arg(args, 2, "end", "...");
  const std::int64_t leeway = int_arg(args, 3, "leeway", 5);
  const auto size = static_cast<std::int64_t>(count_points(text.text()));
  const auto room = length - static_cast<std::int64_t>(count_points(end.text()));
  if (room < 0 || leeway < 0) fail("AssertionError", "expected length >= " + std::to_string(count_points(end.text())));
  if (size <= length + leeway) return Value::string(text);
  Str out = text.substr(0, point_offset(text.text(), static_cast<std::size_t>(room)));
  if (!kill_words) {
    const std::size_t space = out.text().rfind(' ');
    if (space != std::string::npos) out = out.substr(0, space);
  }
  out.append(end);
  return Value::string(std::move(out));
}

Value indent(Interpreter& interpreter, const Value& value, const Args& args) {
  Str text = input(interpreter, value);
  const Value* width = args.get(0, "width");
  if (width == nullptr || width->is_int()) {
    interpreter.check_size(
        static_cast<std::size_t>(std::clamp<std::int64_t>(int_arg(args, 0, "width", 4), 0, INT32_MAX)));
  }
  const Str fill =
      width != nullptr && width->is_string()
          ? width->str()
          : Str(std::string(static_cast<std::size_t>(std::max<std::int64_t>(int_arg(args, 0, "width", 4), 0)), ' '));
  const bool first = bool_arg(args, 1, "first", false), blank = bool_arg(args, 2, "blank", false);
  const std::vector<Str> lines = split_lines(text, false);
  interpreter.check_size(text.size() + lines.size() * (fill.size() + 1));
  Str out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(fill);
    out.append(lines[i]);
  }
  return Value::string(std::move(out));
}

Value striptags(Interpreter& interpreter, const Value& value, const Args&) {
  const Str text = input(interpreter, value);
  Str plain;
  const std::string& all = text.text();
  for (std::size_t pos = 0; pos < all.size();) {
    const std::size_t open = std::min(all.find('<', pos), all.size());
    if (open > pos) plain.append(text, pos, open);
    const std::size_t close = open < all.size() ? all.find('>', open) : open;
    if (close == std::string::npos) {
      plain.append(text, open, all.size());
      break;
    }
    pos = close + 1;
  }
  Str out;
  for (const Str& word : split(plain, std::nullopt, -1, false)) {
    if (!out.empty()) out.append(" ");
    out.append(word);
  }
  return Value::string(std::move(out));
}

Value format(Interpreter& interpreter, const Value& value, const Args& args) {
  if (args.named.empty()) {
    return Value::string(percent_format(interpreter, input(interpreter, value), Value::tuple(args.positional)));
  }
  Dict named;
  for (const auto& [name, item] : args.named) named.set(Value::string(name), item);
  return Value::string(percent_format(interpreter, input(interpreter, value), Value::dict(std::move(named))));
}

Value filesizeformat(Interpreter& interpreter, const Value& value, const Args& args) {
  if (!value.is_numeric()) type_error("float() argument must be a string or a real number");
  const double bytes = value.as_double();
  const bool binary = bool_arg(args, 0, "binary", false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return Value::string("1 Byte");
  if (bytes < base) return Value::string(std::to_string(static_cast<std::int64_t>(bytes)) + " Bytes");
  static constexpr std::string_view kUnits = "kMGTPEZY";
  double unit = base;
  std::size_t at = 0;
  while (at + 1 < kUnits.size() && bytes >= unit * base) {
    unit *= base;
    ++at;
  }
  Args number;
  number.positional.push_back(Value::number(bytes / unit));
  const std::string prefix = binary ? (at == 0 ? "K" : std::string(1, kUnits[at])) + "i" : std::string(1, kUnits[at]);
  return Value::string(brace_format(interpreter, Str("{:.1f} " + prefix + "B"), number));
}

Value pprint(Interpreter& interpreter, const Value& value, const Args&) {
  Str text = to_repr(value);
  interpreter.check_size(text.size());
  return Value::string(std::move(text));
}

Value tojson(Interpreter& interpreter, const Value& value, const Args& args) {
  JsonStyle style;
  style.ensure_ascii = bool_arg(args, 0, "ensure_ascii", false);
  style.indent = static_cast<int>(std::clamp<std::int64_t>(int_arg(args, 1, "indent", -1), -1, 64));
  style.sort_keys = bool_arg(args, 3, "sort_keys", false);
  style.item_separator = Str(style.indent < 0 ? ", " : ",");
  style.key_separator = Str(": ");
  if (const Value* separators = args.get(2, "separators"); separators != nullptr && !separators->is_none()) {
    const std::vector<Value> pair = interpreter.iterate(*separators);
    if (pair.size() != 2) fail("ValueError", "not enough values to unpack (expected 2)");
    style.item_separator = to_str(pair[0]);
    style.key_separator = to_str(pair[1]);
  }
  Str text = to_json(value, style);
  interpreter.check_size(text.size());
  return Value::string(std::move(text));
}

// Number at the start of a text, as Python's int() and float() read it; false if it is none.
bool parse_float(std::string_view text, double& out) {
  const Str stripped = strip(Str(std::string(text)), std::nullopt, true, true);
  std::string digits = stripped.text();
  std::erase(digits, '_');
  if (digits.starts_with('+')) digits.erase(0, 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
}

Value to_int(Interpreter&, const Value& value, const Args& args) {
  const Value* fallback = args.get(0, "default");
  const Value standard = fallback != nullptr ? *fallback : Value::integer(0);
  if (value.is_int()) return Value::integer(value.as_int());
  if (value.is(Kind::big)) return value;
  double number = 0;
  if (value.is_string()) {
    std::string digits = strip(value.str(), std::nullopt, true, true).text();
    std::erase(digits, '_');
    if (digits.starts_with('+')) digits.erase(0, 1);
    std::int64_t base = int_arg(args, 1, "base", 10);
    if (base < 2 || base > 36) return standard;
    std::string_view body = digits;
    if (base == 16 && (body.starts_with("0x") || body.starts_with("0X"))) body.remove_prefix(2);
    std::int64_t whole = 0;
    const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), whole, static_cast<int>(base));
    if (error == std::errc() && end == body.data() + body.size()) return Value::integer(whole);
    if (error == std::errc::result_out_of_range && base == 10 && end == body.data() + body.size())
      return Value::integer_text(digits);
    if (!parse_float(value.text(), number)) return standard;
  } else if (value.is(Kind::number)) {
    number = value.as_double();
  } else {
    return standard;
  }
  if (!(std::abs(number) < 9e18)) return standard;
  return Value::integer(static_cast<std::int64_t>(number));
}

Value to_float(Interpreter&, const Value& value, const Args& args) {
  const Value* fallback = args.get(0, "default");
  if (value.is_numeric()) return Value::number(value.as_double());
  double number = 0;
  if (value.is_string() && parse_float(value.text(), number)) return Value::number(number);
  return fallback != nullptr ? *fallback : Value::number(0);
}

Value round_filter(Interpreter&, const Value& value, const Args& args) {
  if (!value.is_numeric()) type_error("type " + value.type_name() + " doesn't define __round__ method");
  const std::int64_t precision = std::clamp<std::int64_t>(int_arg(args, 0, "precision", 0), -20, 20);
  const std::string method = str_arg(args, 1, "method", "common").text();
  const double number = value.as_double(), scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return Value::number(std::ceil(number * scale) / scale);
  if (method == "floor") return Value::number(std::floor(number * scale) / scale);
  if (method != "common") fail("FilterArgumentError", "method must be common, ceil or floor");
  if (precision < 0 || !(std::abs(number) < 1e15)) return Value::number(std::nearbyint(number * scale) / scale);
  // Correctly rounded decimal digits, as Python: half to even of the exact value.
  char buffer[400];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed, static_cast<int>(precision)).ptr;
  double rounded = 0;
  std::from_chars(buffer, end, rounded);
  return Value::number(rounded);
}

Value abs_filter(Interpreter&, const Value& value, const Args&) {
  if (value.is_undefined()) fail("UndefinedError", value.why());
  if (!value.is_numeric()) type_error("bad operand type for abs(): '" + value.type_name() + "'");
  if (value.is(Kind::number)) return Value::number(std::abs(value.as_double()));
  const bool negative = value.is_int() ? value.as_int() < 0 : value.digits()[0] == '-';
  return negative ? negate(value) : value.is(Kind::boolean) ? Value::integer(value.as_int()) : value;
}

constexpr Named<Filter> kFilters[] = {
    {"upper", mapped<upper>},
    {"lower", mapped<lower>},
    {"title", mapped<title_words>},
    {"capitalize", mapped<capitalize>},
    {"trim", trim},
    {"replace", replace_filter},
    {"center", center},
    {"string", string},
    {"safe", safe},
    {"e", escape},
    {"escape", escape},
    {"forceescape", force_escape},
    {"urlencode", urlencode},
    {"wordcount", wordcount},
    {"truncate", truncate},
    {"indent", indent},
    {"striptags", striptags},
    {"format", format},
    {"filesizeformat", filesizeformat},
    {"pprint", pprint},
    {"tojson", tojson},
    {"int", to_int},
    {"float", to_float},
    {"round", round_filter},
    {"abs", abs_filter},
};

}  // namespace

Filter find_text_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](const auto& entry) { return entry.name == name; });
  return found == std::end(kFilters) ? nullptr : found->function;
}

Filter find_filter(std::string_view name) {
  const Filter found = find_text_filter(name);
  return found != nullptr ? found : find_data_filter(name);
}

}  // namespace moe::text::jinja
