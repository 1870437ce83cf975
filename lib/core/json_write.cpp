#include <algorithm>
#include <charconv>

#include "core/json.hpp"

namespace moe::json {
namespace {

void append_escape(std::string& out, std::uint32_t unit) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(unit >> shift) & 15];
}

// Escapes one code point beyond ASCII and returns its length in bytes. The text is valid UTF-8.
std::size_t append_ascii(std::string& out, std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0x80u; };
  const std::uint32_t lead = byte(0);
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  std::uint32_t point = lead & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) point = (point << 6) | (byte(i) & 0x3F);
  if (point < 0x10000) {
    append_escape(out, point);
  } else {
    append_escape(out, 0xD800 + ((point - 0x10000) >> 10));
    append_escape(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
  }
  return std::min(size, text.size());
}

void append_quoted(std::string& out, std::string_view text, bool ascii_only) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80 && ascii_only) {
      i += append_ascii(out, text.substr(i));
      continue;
    }
    ++i;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (c < 0x20 || (c == 0x7F && ascii_only)) {
          append_escape(out, c);
        } else {
          out += static_cast<char>(c);
        }
    }
  }
  out += '"';
}

class Writer {
 public:
  Writer(std::string& out, const WriteOptions& options) : out_(out), options_(options) {}

  void value(const Value& value) {
    switch (value.kind()) {
      case Kind::null:
        out_ += "null";
        break;
      case Kind::boolean:
        out_ += value.as_bool() ? "true" : "false";
        break;
      case Kind::integer:
        out_ += value.integer_digits();
        break;
      case Kind::number:
        out_ += format_double(value.as_double());
        break;
      case Kind::string:
        append_quoted(out_, value.as_string(), options_.ascii_only);
        break;
      case Kind::array:
        array(value);
        break;
      case Kind::object:
        object(value);
        break;
    }
  }

 private:
  void array(const Value& value) {
    out_ += '[';
    bool first = true;
    ++level_;
    for (const Value& item : value.items()) {
      separate(first);
      this->value(item);
    }
    close(!first, ']');
  }

  void object(const Value& value) {
    out_ += '{';
    bool first = true;
    ++level_;
    const auto member = [&](const Value::Member& entry) {
      separate(first);
      append_quoted(out_, entry.first, options_.ascii_only);
      out_ += options_.key_separator;
      this->value(entry.second);
    };
    if (options_.sort_keys) {
      std::vector<const Value::Member*> sorted;
      for (const auto& entry : value.members()) sorted.push_back(&entry);
      std::stable_sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->first < b->first; });
      for (const auto* entry : sorted) member(*entry);
    } else {
      for (const auto& entry : value.members()) member(entry);
    }
    close(!first, '}');
  }

  void separate(bool& first) {
    if (!first) out_ += options_.item_separator;
    first = false;
    new_line();
  }

  void close(bool filled, char bracket) {
    --level_;
    if (filled) new_line();
    out_ += bracket;
  }

  void new_line() {
    if (options_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(options_.indent) * level_, ' ');
  }

  std::string& out_;
  const WriteOptions& options_;
  std::size_t level_ = 0;
};

}  // namespace

std::string write(const Value& value, const WriteOptions& options) {
  std::string out;
  Writer(out, options).value(value);
  return out;
}

std::string quote(std::string_view text) {
  std::string out;
  append_quoted(out, text, false);
  return out;
}

std::string format_double(double value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t mark = text.find('e');
  if (mark == std::string_view::npos) return std::string(text);  // inf, nan
  std::string sign;
  std::string digits;
  for (char c : text.substr(0, mark)) {
    if (c == '-') {
      sign = "-";
    } else if (c != '.') {
      digits += c;
    }
  }
  int exponent = 0;
  const std::size_t power = mark + (text[mark + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + power, text.data() + text.size(), exponent);
  // Python's repr: plain notation for exponents from -4 to 15, else at least two exponent digits.
  if (exponent >= -4 && exponent < 16) {
    if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
  }
  std::string result = sign + digits.substr(0, 1);
  if (digits.size() > 1) result += "." + digits.substr(1);
  const int magnitude = exponent < 0 ? -exponent : exponent;
  return result + (exponent < 0 ? "e-" : "e+") + (magnitude < 10 ? "0" : "") + std::to_string(magnitude);
}

}  // namespace moe::json
