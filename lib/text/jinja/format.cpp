// Text formatting: %-format, str.format, strftime. Independent of any locale.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/interpreter.hpp"

namespace moe::text::jinja {
namespace {

// Flags, width and precision of one field.
struct Spec {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  char align = '\0', fill = ' ';
  std::size_t width = 0;
  int precision = -1;
  char type = '\0';
};

std::size_t read_number(std::string_view text, std::size_t& pos) {
  std::size_t value = 0;
  while (pos < text.size() && text[pos] >= '0' && text[pos] <= '9') {
    value = std::min<std::size_t>(value * 10 + static_cast<std::size_t>(text[pos++] - '0'), 100000000);
  }
  return value;
}

std::string fixed(double value, int precision, std::chars_format format) {
  std::string out(400, '\0');
  const auto end = std::to_chars(out.data(), out.data() + out.size(), value, format, std::clamp(precision, 0, 60)).ptr;
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

std::string number_text(const Value& value, const Spec& spec) {
  std::string digits;
  bool negative = false;
  if (spec.type == 'd' || spec.type == 'i' || spec.type == 'u' || spec.type == 'x' || spec.type == 'X' ||
      spec.type == 'o') {
    if (!value.is_numeric())
      type_error("%" + std::string(1, spec.type) + " format: a real number is required, not " + value.type_name());
    if (value.is(Kind::big)) {
      digits = value.digits();
    } else {
      const double whole = std::trunc(value.as_double());
      if (value.is(Kind::number) && !(std::abs(whole) < 9e18)) limit_error("number is too large to format");
      const std::int64_t number = value.is(Kind::number) ? static_cast<std::int64_t>(whole) : value.as_int();
      char buffer[72];
      const int base = spec.type == 'x' || spec.type == 'X' ? 16 : spec.type == 'o' ? 8 : 10;
      digits.assign(buffer, std::to_chars(buffer, buffer + sizeof buffer, number, base).ptr);
      if (spec.type == 'X')
        std::transform(digits.begin(), digits.end(), digits.begin(),
                       [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    }
  } else {
    if (!value.is_numeric()) type_error("must be real number, not " + value.type_name());
    const int precision = spec.precision < 0 ? 6 : spec.precision;
    const char type = static_cast<char>(spec.type | 0x20);
    digits = fixed(value.as_double(), precision,
                   type == 'f'   ? std::chars_format::fixed
                   : type == 'e' ? std::chars_format::scientific
                                 : std::chars_format::general);
  }
  if (digits.starts_with('-')) {
    negative = true;
    digits.erase(0, 1);
  }
  std::string sign = negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
  if (spec.zero && !spec.left && sign.size() + digits.size() < spec.width) {
    digits.insert(0, spec.width - sign.size() - digits.size(), '0');
  }
  return sign + digits;
}

Str padded(Str text, const Spec& spec, char standard) {
  const std::size_t size = count_points(text.text());
  if (size >= spec.width) return text;
  const std::size_t missing = spec.width - size;
  const char align = spec.align != '\0' ? spec.align : spec.left ? '<' : standard;
  const std::size_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  Str out(std::string(before, spec.fill));
  out.append(text);
  out.append(std::string(missing - before, spec.fill));
  return out;
}

Str cut(const Str& text, int precision) {
  return precision < 0 ? text : text.substr(0, point_offset(text.text(), static_cast<std::size_t>(precision)));
}

}  // namespace

Str percent_format(Interpreter& interpreter, const Str& format, const Value& values) {
  const std::string& text = format.text();
  const bool many = values.is(Kind::tuple);
  std::size_t next = 0;
  const auto argument = [&]() -> Value {
    if (many ? next >= values.items().size() : next > 0) type_error("not enough arguments for format string");
    return many ? values.items()[next++] : (++next, values);
  };
  Str out;
  for (std::size_t pos = 0; pos < text.size();) {
    if (text[pos] != '%') {
      const std::size_t end = std::min(text.find('%', pos), text.size());
      out.append(format, pos, end);
      pos = end;
      continue;
    }
    ++pos;
    Value value;
    bool named = false;
    if (pos < text.size() && text[pos] == '(') {
      const std::size_t close = text.find(')', pos);
      if (close == std::string::npos) fail("ValueError", "incomplete format key");
      if (!values.is_dict()) type_error("format requires a mapping");
      const Value* found = values.as_dict().find(Value::string(text.substr(pos + 1, close - pos - 1)));
      if (found == nullptr) fail("KeyError", text.substr(pos + 1, close - pos - 1));
      value = *found;
      named = true;
      pos = close + 1;
    }
    Spec spec;
    for (; pos < text.size(); ++pos) {
      if (text[pos] == '-')
        spec.left = true;
      else if (text[pos] == '0')
        spec.zero = true;
      else if (text[pos] == '+')
        spec.plus = true;
      else if (text[pos] == ' ')
        spec.space = true;
      else if (text[pos] == '#')
        spec.alternate = true;
      else
        break;
    }
    spec.width = read_number(text, pos);
    if (pos < text.size() && text[pos] == '.') {
      ++pos;
      spec.precision = static_cast<int>(read_number(text, pos));
    }
    if (pos >= text.size()) fail("ValueError", "incomplete format");
    spec.type = text[pos++];
    if (spec.type == '%') {
      out.append("%");
      continue;
    }
    if (!named) value = argument();
    interpreter.check_size(out.size() + spec.width);
    if (spec.type == 's' || spec.type == 'r') {
      const Str shown = spec.type == 's' ? to_str(value) : to_repr(value);
      interpreter.check_size(out.size() + shown.size());
      out.append(padded(cut(shown, spec.precision), spec, '>'));
    } else if (std::string_view("diuxXofFeEgG").find(spec.type) != std::string_view::npos) {
      out.append(padded(Str(number_text(value, spec)), spec, '>'));
    } else {
      fail("ValueError", "unsupported format character '" + std::string(1, spec.type) + "'");
    }
  }
  if (many && next < values.items().size()) type_error("not all arguments converted during string formatting");
  if (!many && next == 0 && !values.is_dict() && !values.is_sequence()) {
    type_error("not all arguments converted during string formatting");
  }
  return out;
}

namespace {

Spec read_spec(std::string_view text) {
  Spec spec;
  std::size_t pos = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^'; };
  if (text.size() > 1 && is_align(text[1])) {
    spec.fill = text[0];
    spec.align = text[1];
    pos = 2;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    pos = 1;
  }
  if (pos < text.size() && (text[pos] == '+' || text[pos] == '-')) spec.plus = text[pos++] == '+';
  if (pos < text.size() && text[pos] == '0') spec.zero = true;
  spec.width = read_number(text, pos);
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    spec.precision = static_cast<int>(read_number(text, pos));
  }
  if (pos < text.size()) spec.type = text[pos++];
  if (pos < text.size()) fail("ValueError", "Invalid format specifier");
  return spec;
}

Str format_field(const Value& value, std::string_view text) {
  const Spec spec = read_spec(text);
  if (spec.type != '\0' && spec.type != 's') {
    if (std::string_view("dxXofFeEgG").find(spec.type) == std::string_view::npos) {
      fail("ValueError", "Unknown format code '" + std::string(1, spec.type) + "'");
    }
    return padded(Str(number_text(value, spec)), spec, '>');
  }
  return padded(cut(to_str(value), spec.precision), spec, value.is_numeric() ? '>' : '<');
}

// "0.name[key]" of a replacement field.
Value format_value(Interpreter& interpreter, std::string_view path, const Args& args, std::size_t& next) {
  const std::size_t end = std::min(path.find_first_of(".["), path.size());
  const std::string_view head = path.substr(0, end);
  const bool digits = head.find_first_not_of("0123456789") == std::string_view::npos;
  std::size_t pos = 0;
  const std::size_t index = !digits ? 0 : head.empty() ? next++ : read_number(head, pos);
  const Value* found =
      digits ? (index < args.positional.size() ? &args.positional[index] : nullptr) : args.get(SIZE_MAX, head);
  if (found == nullptr && digits)
    fail("IndexError", "Replacement index " + std::to_string(index) + " out of range for positional args tuple");
  if (found == nullptr) fail("KeyError", "'" + std::string(head) + "'");
  Value value = *found;
  path.remove_prefix(end);
  while (!path.empty()) {
    const bool attribute = path[0] == '.';
    const std::size_t stop =
        attribute ? std::min(path.find_first_of(".[", 1), path.size()) : std::min(path.find(']'), path.size());
    std::string name(path.substr(1, stop - 1));
    value = attribute ? interpreter.attribute(value, name) : interpreter.item(value, Value::string(name));
    path.remove_prefix(std::min(stop + (attribute ? 0 : 1), path.size()));
  }
  return value;
}

}  // namespace

Str brace_format(Interpreter& interpreter, const Str& format, const Args& args) {
  const std::string& text = format.text();
  Str out;
  std::size_t next = 0;
  for (std::size_t pos = 0; pos < text.size();) {
    const char c = text[pos];
    if (c != '{' && c != '}') {
      const std::size_t end = std::min(text.find_first_of("{}", pos), text.size());
      out.append(format, pos, end);
      pos = end;
      continue;
    }
    if (pos + 1 < text.size() && text[pos + 1] == c) {
      out.append(std::string(1, c));
      pos += 2;
      continue;
    }
    const std::size_t close = c == '{' ? text.find('}', pos) : std::string::npos;
    if (close == std::string::npos)
      fail("ValueError", "Single '" + std::string(1, c) + "' encountered in format string");
    std::string_view field = std::string_view(text).substr(pos + 1, close - pos - 1);
    const std::size_t colon = field.find(':');
    const std::string_view spec = colon == std::string_view::npos ? std::string_view() : field.substr(colon + 1);
    field = field.substr(0, colon);
    char conversion = '\0';
    if (field.size() >= 2 && field[field.size() - 2] == '!') {
      conversion = field.back();
      field.remove_suffix(2);
    }
    Value value = format_value(interpreter, field, args, next);
    if (conversion == 'r') value = Value::string(to_repr(value));
    interpreter.check_size(out.size() + read_spec(spec).width);
    const Str shown = format_field(value, spec);
    interpreter.check_size(out.size() + shown.size());
    out.append(shown);
    pos = close + 1;
  }
  return out;
}

namespace {

struct Civil {
  std::int64_t year;
  int month, day, hour, minute, second, weekday, year_day;  // weekday 0 = Sunday, year_day from 0
};

// Days since 1970 to the Gregorian calendar, by eras of 400 years.
Civil to_civil(std::int64_t seconds) {
  seconds = std::clamp<std::int64_t>(seconds, -62135596800, 253402300799);  // years 1 to 9999
  std::int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t part = (5 * day_of_year + 2) / 153;  // months from March
  Civil out{};
  out.day = static_cast<int>(day_of_year - (153 * part + 2) / 5 + 1);
  out.month = static_cast<int>(part < 10 ? part + 3 : part - 9);
  out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
  out.hour = static_cast<int>(rest / 3600);
  out.minute = static_cast<int>(rest / 60 % 60);
  out.second = static_cast<int>(rest % 60);
  out.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  static constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const bool leap = (out.year % 4 == 0 && out.year % 100 != 0) || out.year % 400 == 0;
  out.year_day = kBefore[out.month - 1] + out.day - 1 + (leap && out.month > 2 ? 1 : 0);
  return out;
}

std::string digits(std::int64_t value, std::size_t width, char fill = '0') {
  std::string out = std::to_string(value);
  if (out.size() < width) out.insert(0, width - out.size(), fill);
  return out;
}

}  // namespace

std::string format_time(std::int64_t seconds, std::string_view format) {
  static constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                               "Thursday", "Friday", "Saturday"};
  static constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                                 "July",    "August",   "September", "October", "November", "December"};
  const Civil time = to_civil(seconds);
  const int twelve = time.hour % 12 == 0 ? 12 : time.hour % 12;
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i];
      continue;
    }
    char kind = format[++i];
    const bool bare = kind == '-' && i + 1 < format.size();  // %-d: no padding
    if (bare) kind = format[++i];
    const std::size_t two = bare ? 1 : 2;
    switch (kind) {
      case 'a':
        out += kDays[time.weekday].substr(0, 3);
        break;
      case 'A':
        out += kDays[time.weekday];
        break;
      case 'b':
      case 'h':
        out += kMonths[time.month - 1].substr(0, 3);
        break;
      case 'B':
        out += kMonths[time.month - 1];
        break;
      case 'd':
        out += digits(time.day, two);
        break;
      case 'e':
        out += digits(time.day, two, ' ');
        break;
      case 'm':
        out += digits(time.month, two);
        break;
      case 'y':
        out += digits(time.year % 100, two);
        break;
      case 'Y':
        out += std::to_string(time.year);
        break;
      case 'H':
        out += digits(time.hour, two);
        break;
      case 'I':
        out += digits(twelve, two);
        break;
      case 'M':
        out += digits(time.minute, two);
        break;
      case 'S':
        out += digits(time.second, two);
        break;
      case 'j':
        out += digits(time.year_day + 1, bare ? 1 : 3);
        break;
      case 'p':
        out += time.hour < 12 ? "AM" : "PM";
        break;
      case 'w':
        out += std::to_string(time.weekday);
        break;
      case 'u':
        out += std::to_string(time.weekday == 0 ? 7 : time.weekday);
        break;
      case 'f':
        out += "000000";
        break;
      case 's':
        out += std::to_string(seconds);
        break;
      case 'F':
        out += format_time(seconds, "%Y-%m-%d");
        break;
      case 'T':
      case 'X':
        out += format_time(seconds, "%H:%M:%S");
        break;
      case 'R':
        out += format_time(seconds, "%H:%M");
        break;
      case 'D':
      case 'x':
        out += format_time(seconds, "%m/%d/%y");
        break;
      case 'c':
        out += format_time(seconds, "%a %b %e %H:%M:%S %Y");
        break;
      case 'Z':
      case 'z':
        break;  // the clock of a request carries no zone
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '%':
        out += '%';
        break;
      default:
        out += '%';
        out += kind;
    }
  }
  return out;
}

}  // namespace moe::text::jinja
