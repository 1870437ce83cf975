// Methods of strings, lists, tuples and dicts that the sandbox allows. What changes a value is not among them.
#include <algorithm>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/text_ops.hpp"
#include "text/unicode.hpp"

namespace moe::text::jinja {

std::int64_t int_arg(const Args& args, std::size_t index, std::string_view name, std::int64_t standard) {
  const Value* value = args.get(index, name);
  if (value == nullptr || value->is_none()) return standard;
  if (value->is_undefined()) fail("UndefinedError", value->why());
  if (!value->is_int()) type_error("'" + value->type_name() + "' object cannot be interpreted as an integer");
  return value->as_int();
}

bool bool_arg(const Args& args, std::size_t index, std::string_view name, bool standard) {
  const Value* value = args.get(index, name);
  return value == nullptr ? standard : value->truth();
}

Str str_arg(const Args& args, std::size_t index, std::string_view name, std::string_view standard) {
  const Value* value = args.get(index, name);
  return value == nullptr ? Str(std::string(standard)) : to_str(*value);
}

namespace {

// A required argument that must be a string.
const Str& string_arg(const Args& args, std::size_t index, std::string_view name) {
  const Value* value = args.get(index, name);
  if (value == nullptr) type_error("missing argument '" + std::string(name) + "'");
  if (value->is_undefined()) fail("UndefinedError", value->why());
  if (!value->is_string()) type_error("must be str, not " + value->type_name());
  return value->str();
}

std::optional<std::string_view> optional_text(const Args& args, std::size_t index, std::string_view name) {
  const Value* value = args.get(index, name);
  if (value == nullptr || value->is_none()) return std::nullopt;
  return string_arg(args, index, name).text();
}

Value texts(Interpreter& interpreter, std::vector<Str> parts) {
  interpreter.charge(parts.size());
  std::vector<Value> items;
  for (Str& part : parts) items.push_back(Value::string(std::move(part)));
  return Value::list(std::move(items));
}

template <Str (*F)(const Str&)>
Value mapped(Interpreter& interpreter, const Value& self, const Args&) {
  interpreter.check_size(self.str().size());
  return Value::string(F(self.str()));
}

template <bool Left, bool Right>
Value stripped(Interpreter& interpreter, const Value& self, const Args& args) {
  const auto chars = optional_text(args, 0, "chars");
  interpreter.charge(self.str().size() / 16 * (chars ? 1 + chars->size() / 4 : 1));
  return Value::string(strip(self.str(), chars, Left, Right));
}

template <bool FromRight>
Value split_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const auto separator = optional_text(args, 0, "sep");
  if (separator && separator->empty()) fail("ValueError", "empty separator");
  interpreter.charge(self.str().size() / 16);
  return texts(interpreter, split(self.str(), separator, int_arg(args, 1, "maxsplit", -1), FromRight));
}

Value splitlines_method(Interpreter& interpreter, const Value& self, const Args& args) {
  interpreter.charge(self.str().size() / 16);
  return texts(interpreter, split_lines(self.str(), bool_arg(args, 0, "keepends", false)));
}

Value replace_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const Str& from = string_arg(args, 0, "old");
  const Str& to = string_arg(args, 1, "new");
  const std::size_t most = self.str().size() / std::max<std::size_t>(from.size(), 1) + 1;
  if (to.size() > from.size()) {
    std::size_t hits = most;
    if (!from.empty()) {
      hits = 0;
      for (std::size_t at = 0; (at = self.text().find(from.text(), at)) != std::string::npos; at += from.size()) ++hits;
    }
    interpreter.check_size(hits > SIZE_MAX / 2 / to.size() ? SIZE_MAX : self.str().size() + hits * to.size());
  }
  interpreter.charge(self.str().size() / 16);
  return Value::string(replace(self.str(), from, to, int_arg(args, 2, "count", -1)));
}

template <bool AtStart>
Value affix(Interpreter&, const Value& self, const Args& args) {
  const auto has = [&](const Value& value) {
    if (!value.is_string())
      type_error(std::string(AtStart ? "startswith" : "endswith") + " first arg must be str or a tuple of str, not " +
                 value.type_name());
    return AtStart ? self.text().starts_with(value.text()) : self.text().ends_with(value.text());
  };
  const Value* wanted = args.get(0, "prefix");
  if (wanted == nullptr) type_error("expected at least 1 argument, got 0");
  if (!wanted->is(Kind::tuple)) return Value::boolean(has(*wanted));
  return Value::boolean(std::any_of(wanted->items().begin(), wanted->items().end(), has));
}

// Bytes of [start, end) as given in code points.
Str::Span window(const Value& self, const Args& args) {
  const auto size = static_cast<std::int64_t>(count_points(self.text()));
  const auto place = [&](std::size_t index, std::string_view name, std::int64_t standard) {
    std::int64_t at = int_arg(args, index, name, standard);
    if (at < 0) at = std::max<std::int64_t>(at + size, 0);
    return point_offset(self.text(), static_cast<std::size_t>(std::min(at, size)));
  };
  return {place(1, "start", 0), place(2, "end", size)};
}

template <bool FromRight, bool MustFind>
Value find_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const Str& wanted = string_arg(args, 0, "sub");
  interpreter.charge(self.str().size() / 16);
  const Str::Span span = window(self, args);
  std::size_t at = std::string::npos;
  if (span.begin <= span.end) {
    const std::string_view part = std::string_view(self.text()).substr(span.begin, span.end - span.begin);
    at = FromRight ? part.rfind(wanted.text()) : part.find(wanted.text());
  }
  if (at == std::string::npos) {
    if (MustFind) fail("ValueError", "substring not found");
    return Value::integer(-1);
  }
  const std::string_view before = std::string_view(self.text()).substr(0, span.begin + at);
  return Value::integer(static_cast<std::int64_t>(count_points(before)));
}

Value count_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const Str& wanted = string_arg(args, 0, "sub");
  interpreter.charge(self.str().size() / 16);
  if (wanted.empty()) return Value::integer(static_cast<std::int64_t>(count_points(self.text())) + 1);
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = self.text().find(wanted.text(), at)) != std::string::npos; at += wanted.size())
    ++count;
  return Value::integer(count);
}

Value join_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const Value* items = args.get(0, "iterable");
  if (items == nullptr) type_error("str.join() takes exactly one argument (0 given)");
  if (items->is_none() || items->is_numeric()) type_error("can only join an iterable");
  Str out;
  bool first = true;
  std::size_t index = 0;
  for (const Value& item : interpreter.iterate(*items)) {
    if (!item.is_string()) {
      type_error("sequence item " + std::to_string(index) + ": expected str instance, " + item.type_name() + " found");
    }
    interpreter.check_size(out.size() + self.str().size() + item.str().size());
    if (!first) out.append(self.str());
    out.append(item.str());
    first = false;
    ++index;
  }
  return Value::string(std::move(out));
}

template <bool FromRight>
Value partition_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const Str& separator = string_arg(args, 0, "sep");
  if (separator.empty()) fail("ValueError", "empty separator");
  interpreter.charge(self.str().size() / 16);
  const Str& text = self.str();
  const std::size_t at = FromRight ? text.text().rfind(separator.text()) : text.text().find(separator.text());
  std::vector<Value> out(3, Value::string(Str()));
  if (at == std::string::npos) {
    out[FromRight ? 2 : 0] = self;
  } else {
    out[0] = Value::string(text.substr(0, at));
    out[1] = Value::string(separator);
    out[2] = Value::string(text.substr(at + separator.size(), text.size()));
  }
  return Value::tuple(std::move(out));
}

template <bool Prefix>
Value remove_affix(Interpreter&, const Value& self, const Args& args) {
  const Str& affix = string_arg(args, 0, Prefix ? "prefix" : "suffix");
  const Str& text = self.str();
  if (affix.empty()) return self;
  if (Prefix && text.text().starts_with(affix.text())) return Value::string(text.substr(affix.size(), text.size()));
  if (!Prefix && text.text().ends_with(affix.text())) return Value::string(text.substr(0, text.size() - affix.size()));
  return self;
}

// Padding to a width: 'l'eft, 'r'ight, 'c'entre alignment of the text.
template <char Align>
Value justify(Interpreter& interpreter, const Value& self, const Args& args) {
  const std::int64_t width = int_arg(args, 0, "width", 0);
  const Str fill = str_arg(args, 1, "fillchar", " ");
  if (count_points(fill.text()) != 1) type_error("The fill character must be exactly one character long");
  const auto size = static_cast<std::int64_t>(count_points(self.text()));
  if (width <= size) return self;
  const std::int64_t missing = width - size;
  interpreter.check_size(static_cast<std::size_t>(std::min<std::int64_t>(missing, INT32_MAX)) * fill.size() +
                         self.str().size());
  // Python's centre puts the odd place on the left if the width is odd.
  const std::int64_t before = Align == 'l' ? 0 : Align == 'r' ? missing : missing / 2 + (missing & width & 1);
  Str out;
  for (std::int64_t i = 0; i < missing; ++i) {
    if (i == before) out.append(self.str());
    out.append(fill);
  }
  if (before == missing) out.append(self.str());
  return Value::string(std::move(out));
}

Value zfill_method(Interpreter& interpreter, const Value& self, const Args& args) {
  const auto width = static_cast<std::size_t>(std::clamp<std::int64_t>(int_arg(args, 0, "width", 0), 0, INT32_MAX));
  const std::size_t size = count_points(self.text());
  if (width <= size) return self;
  interpreter.check_size(width);
  const bool sign = self.text().starts_with('-') || self.text().starts_with('+');
  Str out = self.str().substr(0, sign ? 1 : 0);
  out.append(std::string(width - size, '0'));
  out.append(self.str().substr(sign ? 1 : 0, self.str().size()));
  return Value::string(std::move(out));
}

Value format_method(Interpreter& interpreter, const Value& self, const Args& args) {
  return Value::string(brace_format(interpreter, self.str(), args));
}

template <bool (*F)(char32_t)>
Value all_points(Interpreter& interpreter, const Value& self, const Args&) {
  const std::string& text = self.text();
  interpreter.charge(text.size() / 16);
  for (std::size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_utf8(text, pos);
    if (!F(point.value)) return Value::boolean(false);
    pos += point.size;
  }
  return Value::boolean(!text.empty());
}

bool alphanumeric(char32_t point) { return is_alphabetic(point) || is_numeric(point); }

template <bool (*F)(std::string_view)>
Value all_text(Interpreter&, const Value& self, const Args&) {
  return Value::boolean(F(self.text()));
}

bool is_title(std::string_view text) { return !text.empty() && title(Str(std::string(text))).text() == text; }

constexpr Named<Method> kTextMethods[] = {
    {"upper", mapped<upper>},
    {"lower", mapped<lower>},
    {"casefold", mapped<lower>},
    {"title", mapped<title>},
    {"capitalize", mapped<capitalize>},
    {"strip", stripped<true, true>},
    {"lstrip", stripped<true, false>},
    {"rstrip", stripped<false, true>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", splitlines_method},
    {"replace", replace_method},
    {"startswith", affix<true>},
    {"endswith", affix<false>},
    {"find", find_method<false, false>},
    {"rfind", find_method<true, false>},
    {"index", find_method<false, true>},
    {"rindex", find_method<true, true>},
    {"count", count_method},
    {"join", join_method},
    {"partition", partition_method<false>},
    {"rpartition", partition_method<true>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"ljust", justify<'l'>},
    {"rjust", justify<'r'>},
    {"center", justify<'c'>},
    {"zfill", zfill_method},
    {"format", format_method},
    {"isdigit", all_points<is_digit>},
    {"isdecimal", all_points<is_digit>},
    {"isnumeric", all_points<is_numeric>},
    {"isalpha", all_points<is_alphabetic>},
    {"isalnum", all_points<alphanumeric>},
    {"isspace", all_points<is_space>},
    {"islower", all_text<is_lower>},
    {"isupper", all_text<is_upper>},
    {"istitle", all_text<is_title>},
};

Value index_of(Interpreter& interpreter, const Value& self, const Args& args) {
  const Value* wanted = args.get(0, "value");
  if (wanted == nullptr) type_error("index expected at least 1 argument, got 0");
  interpreter.charge(self.items().size());
  const auto found =
      std::find_if(self.items().begin(), self.items().end(), [&](const Value& item) { return equal(item, *wanted); });
  if (found == self.items().end()) fail("ValueError", to_repr(*wanted).text() + " is not in " + self.type_name());
  return Value::integer(found - self.items().begin());
}

Value count_of(Interpreter& interpreter, const Value& self, const Args& args) {
  const Value* wanted = args.get(0, "value");
  if (wanted == nullptr) type_error("count() takes exactly one argument (0 given)");
  interpreter.charge(self.items().size());
  return Value::integer(
      std::count_if(self.items().begin(), self.items().end(), [&](const Value& item) { return equal(item, *wanted); }));
}

Value copy(Interpreter&, const Value& self, const Args&) { return self; }

Value dict_get(Interpreter& interpreter, const Value& self, const Args& args) {
  const Value* key = args.get(0, "key");
  if (key == nullptr) type_error("get expected at least 1 argument, got 0");
  interpreter.charge(1 + self.as_dict().items.size() / 8);
  if (const Value* found = self.as_dict().find(*key)) return *found;
  const Value* standard = args.get(1, "default");
  return standard != nullptr ? *standard : Value::none();
}

// What of a member a view shows: 'k'ey, 'v'alue, 'b'oth.
template <char Part>
Value dict_view(Interpreter& interpreter, const Value& self, const Args&) {
  interpreter.charge(1 + self.as_dict().items.size());
  std::vector<Value> out;
  for (const auto& [key, value] : self.as_dict().items) {
    out.push_back(Part == 'k' ? key : Part == 'v' ? value : Value::tuple({key, value}));
  }
  return Value::list(std::move(out), Part == 'k' ? "dict_keys" : Part == 'v' ? "dict_values" : "dict_items");
}

constexpr Named<Method> kSequenceMethods[] = {{"index", index_of}, {"count", count_of}};
constexpr Named<Method> kDictMethods[] = {
    {"get", dict_get}, {"keys", dict_view<'k'>}, {"values", dict_view<'v'>}, {"items", dict_view<'b'>}, {"copy", copy}};

template <std::size_t N>
Method look_up(const Named<Method> (&table)[N], std::string_view name) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](const auto& entry) { return entry.name == name; });
  return found == std::end(table) ? nullptr : found->function;
}

}  // namespace

Method find_text_method(std::string_view name) { return look_up(kTextMethods, name); }

Method find_data_method(Kind kind, std::string_view name) {
  if (kind == Kind::dict) return look_up(kDictMethods, name);
  if (kind == Kind::list && name == "copy") return copy;
  return kind == Kind::list || kind == Kind::tuple ? look_up(kSequenceMethods, name) : nullptr;
}

}  // namespace moe::text::jinja
