// How values become text: str(), repr() and json.dumps as Python has them.
#include <utf8proc.h>

#include <algorithm>

#include "text/jinja/value.hpp"
#include "text/unicode.hpp"

namespace moe::text::jinja {
namespace {

void append_hex(std::string& out, char32_t point) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const int width = point < 0x100 ? 2 : point < 0x10000 ? 4 : 8;
  out += width == 2 ? "\\x" : width == 4 ? "\\u" : "\\U";
  for (int shift = 4 * (width - 1); shift >= 0; shift -= 4) out += kDigits[(point >> shift) & 15];
}

// Python's str.isprintable for one code point.
bool printable(char32_t point) {
  if (point == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(point))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

Str string_repr(const Str& value) {
  const std::string& text = value.text();
  const bool double_quoted = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = double_quoted ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_utf8(text, pos);
    if (point.value == '\\' || point.value == static_cast<unsigned char>(quote)) {
      out += '\\';
      out += text[pos];
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\r') {
      out += "\\r";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (!printable(point.value)) {
      append_hex(out, point.value);
    } else {
      out.append(text, pos, point.size);
    }
    pos += point.size;
  }
  out += quote;
  return value.rewritten(std::move(out));
}

void append_items(Str& out, const std::vector<Value>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(", ");
    out.append(to_repr(items[i]));
  }
}

Str sequence_repr(const Value& value) {
  Str out;
  const std::string_view view = value.sequence().view;
  if (view == "generator") return Str("<generator object>");
  if (!view.empty()) out.append(std::string(view) + "(");
  const bool tuple = value.is(Kind::tuple);
  out.append(tuple ? "(" : "[");
  append_items(out, value.items());
  if (tuple && value.items().size() == 1) out.append(",");
  out.append(tuple ? ")" : "]");
  if (!view.empty()) out.append(")");
  return out;
}

Str dict_repr(const Dict& dict) {
  Str out("{");
  for (std::size_t i = 0; i < dict.items.size(); ++i) {
    if (i > 0) out.append(", ");
    out.append(to_repr(dict.items[i].first));
    out.append(": ");
    out.append(to_repr(dict.items[i].second));
  }
  out.append("}");
  return out;
}

std::string range_repr(const Range& range) {
  std::string out = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
  if (range.step != 1) out += ", " + std::to_string(range.step);
  return out + ")";
}

class JsonWriter {
 public:
  JsonWriter(Str& out, const JsonStyle& style) : out_(out), style_(style) {}

  void value(const Value& value) {
    switch (value.kind()) {
      case Kind::none:
        out_.append("null");
        break;
      case Kind::boolean:
        out_.append(value.as_bool() ? "true" : "false");
        break;
      case Kind::integer:
      case Kind::big:
        out_.append(to_repr(value));
        break;
      case Kind::number:
        out_.append(number(value.as_double()));
        break;
      case Kind::string:
        string(value.str());
        break;
      case Kind::list:
      case Kind::tuple:
        if (value.is(Kind::list) && !value.sequence().view.empty()) refuse(value);
        array(value.items());
        break;
      case Kind::dict:
        object(value.as_dict());
        break;
      default:
        refuse(value);
    }
  }

 private:
  [[noreturn]] static void refuse(const Value& value) {
    type_error("Object of type " + value.type_name() + " is not JSON serializable");
  }

  static std::string number(double value) {
    if (value != value) return "NaN";
    if (value == value + value && value != 0) return value > 0 ? "Infinity" : "-Infinity";
    return json::format_double(value);
  }

  void string(const Str& text) {
    json::WriteOptions options;
    options.ascii_only = style_.ensure_ascii;
    out_.append(json::write(json::Value::string(text.text()), options), text.any_from_request());
  }

  void array(const std::vector<Value>& items) {
    out_.append("[");
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      separate(i == 0);
      value(items[i]);
    }
    close(!items.empty(), "]");
  }

  void object(const Dict& dict) {
    out_.append("{");
    ++level_;
    std::vector<const std::pair<Value, Value>*> members;
    for (const auto& member : dict.items) members.push_back(&member);
    if (style_.sort_keys) {
      std::stable_sort(members.begin(), members.end(),
                       [](const auto* a, const auto* b) { return order(a->first, b->first, "<") < 0; });
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
      separate(i == 0);
      key(members[i]->first);
      out_.append(style_.key_separator);
      value(members[i]->second);
    }
    close(!members.empty(), "}");
  }

  void key(const Value& value) {
    if (value.is_string()) return string(value.str());
    if (!value.is_numeric() && !value.is_none()) {
      type_error("keys must be str, int, float, bool or None, not " + value.type_name());
    }
    out_.append("\"");
    this->value(value);
    out_.append("\"");
  }

  void separate(bool first) {
    if (!first) out_.append(style_.item_separator);
    new_line();
  }
  void close(bool filled, const char* bracket) {
    --level_;
    if (filled) new_line();
    out_.append(bracket);
  }
  void new_line() {
    if (style_.indent < 0) return;
    out_.append("\n" + std::string(static_cast<std::size_t>(style_.indent * level_), ' '));
  }

  Str& out_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

Str to_repr(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return Str("Undefined");
    case Kind::none:
      return Str("None");
    case Kind::boolean:
      return Str(value.as_bool() ? "True" : "False");
    case Kind::integer:
      return Str(std::to_string(value.as_int()));
    case Kind::big:
      return Str(value.digits());
    case Kind::number:
      return Str(json::format_double(value.as_double()));
    case Kind::string:
      return string_repr(value.str());
    case Kind::list:
    case Kind::tuple:
      return sequence_repr(value);
    case Kind::dict:
      return dict_repr(value.as_dict());
    case Kind::range:
      return Str(range_repr(value.as_range()));
    case Kind::object:
      return Str(value.as_object()->repr());
  }
  return {};
}

Str to_str(const Value& value) {
  if (value.is_string()) return value.str();
  return value.is_undefined() ? Str() : to_repr(value);
}

Str to_json(const Value& value, const JsonStyle& style) {
  Str out;
  JsonWriter(out, style).value(value);
  return out;
}

}  // namespace moe::text::jinja
