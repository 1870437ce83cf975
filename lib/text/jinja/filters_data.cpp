// Filters over lists and dicts.
#include <algorithm>
#include <charconv>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/text_ops.hpp"

namespace moe::text::jinja {
namespace {

constexpr std::string_view kGenerator = "generator";

Value generator(std::vector<Value> items) { return Value::list(std::move(items), kGenerator); }

// "a.b.0": attributes and indices from the value inwards, as Jinja's make_attrgetter.
Value follow(Interpreter& interpreter, Value value, const Value& path) {
  if (!path.is_string()) return interpreter.item(value, path);
  std::string_view rest = path.text();
  for (;;) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    value = interpreter.item(value, digits ? Value::integer_text(std::string(part)) : Value::string(std::string(part)));
    if (dot == rest.size()) return value;
    rest.remove_prefix(dot + 1);
  }
}

Value fold_case(const Value& value, bool sensitive) {
  return value.is_string() && !sensitive ? Value::string(lower(value.str())) : value;
}

// Key of a sort, a minimum or a group: the attribute if one is named.
Value sort_key(Interpreter& interpreter, const Value& value, const Value* attribute, bool sensitive) {
  const bool named = attribute != nullptr && !attribute->is_none();
  return fold_case(named ? follow(interpreter, value, *attribute) : value, sensitive);
}

Value length(Interpreter& interpreter, const Value& value, const Args&) {
  const bool lazy = value.is(Kind::list) && value.sequence().view == kGenerator;
  if (value.is_string()) {
    interpreter.charge(value.str().size() / 64);
    return Value::integer(static_cast<std::int64_t>(count_points(value.text())));
  }
  if (value.is_sequence() && !lazy) return Value::integer(static_cast<std::int64_t>(value.items().size()));
  if (value.is_dict()) return Value::integer(static_cast<std::int64_t>(value.as_dict().items.size()));
  if (value.is(Kind::range)) return Value::integer(value.as_range().size());
  if (value.is_undefined()) return Value::integer(0);
  type_error("object of type '" + value.type_name() + "' has no len()");
}

Value first(Interpreter& interpreter, const Value& value, const Args&) {
  const std::vector<Value> items = interpreter.iterate(value);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(Interpreter& interpreter, const Value& value, const Args&) {
  const std::vector<Value> items = interpreter.iterate(value);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value list(Interpreter& interpreter, const Value& value, const Args&) {
  return Value::list(interpreter.iterate(value));
}

Value join(Interpreter& interpreter, const Value& value, const Args& args) {
  const Str separator = str_arg(args, 0, "d", "");
  const Value* attribute = args.get(1, "attribute");
  Str out;
  bool first = true;
  for (const Value& item : interpreter.iterate(value)) {
    const Str text = to_str(attribute != nullptr ? follow(interpreter, item, *attribute) : item);
    interpreter.check_size(out.size() + separator.size() + text.size());
    if (!first) out.append(separator);
    out.append(text);
    first = false;
  }
  return Value::string(std::move(out));
}

Value reverse(Interpreter& interpreter, const Value& value, const Args&) {
  std::vector<Value> items = interpreter.iterate(value);
  std::reverse(items.begin(), items.end());
  if (!value.is_string()) return generator(std::move(items));
  Str out;
  for (const Value& item : items) out.append(item.str());
  return Value::string(std::move(out));
}

Value sort(Interpreter& interpreter, const Value& value, const Args& args) {
  const bool descending = bool_arg(args, 0, "reverse", false), sensitive = bool_arg(args, 1, "case_sensitive", false);
  const Value* attribute = args.get(2, "attribute");
  std::vector<std::pair<std::vector<Value>, Value>> keyed;
  for (Value& item : interpreter.iterate(value)) {
    std::vector<Value> keys;
    if (attribute != nullptr && attribute->is_string()) {
      for (const Str& part : split(attribute->str(), ",", -1, false)) {
        const Value name = Value::string(part);
        keys.push_back(sort_key(interpreter, item, &name, sensitive));
      }
    } else {
      keys.push_back(sort_key(interpreter, item, attribute, sensitive));
    }
    keyed.emplace_back(std::move(keys), std::move(item));
  }
  const auto before = [&](const auto& a, const auto& b) {
    interpreter.charge(1);
    for (std::size_t i = 0; i < a.first.size(); ++i) {
      const int sign = order(a.first[i], b.first[i], "<");
      if (sign != 0) return descending ? sign > 0 : sign < 0;
    }
    return false;
  };
  std::stable_sort(keyed.begin(), keyed.end(), before);
  std::vector<Value> out;
  for (auto& entry : keyed) out.push_back(std::move(entry.second));
  return Value::list(std::move(out));
}

template <bool Most>
Value extreme(Interpreter& interpreter, const Value& value, const Args& args) {
  const bool sensitive = bool_arg(args, 0, "case_sensitive", false);
  const Value* attribute = args.get(1, "attribute");
  const std::vector<Value> items = interpreter.iterate(value);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  const Value* best = &items[0];
  Value best_key = sort_key(interpreter, *best, attribute, sensitive);
  for (const Value& item : items) {
    Value key = sort_key(interpreter, item, attribute, sensitive);
    const int sign = order(key, best_key, Most ? ">" : "<");
    if (Most ? sign > 0 : sign < 0) {
      best = &item;
      best_key = std::move(key);
    }
  }
  return *best;
}

Value sum(Interpreter& interpreter, const Value& value, const Args& args) {
  const Value* attribute = args.get(0, "attribute");
  const Value* start = args.get(1, "start");
  Value total = start != nullptr ? *start : Value::integer(0);
  for (const Value& item : interpreter.iterate(value)) {
    const bool named = attribute != nullptr && !attribute->is_none();
    total = arithmetic(interpreter, Op::add, total, named ? follow(interpreter, item, *attribute) : item);
  }
  return total;
}

Value default_filter(Interpreter&, const Value& value, const Args& args) {
  const Value* standard = args.get(0, "default_value");
  const bool boolean = bool_arg(args, 1, "boolean", false);
  if (!value.is_undefined() && !(boolean && !value.truth())) return value;
  return standard != nullptr ? *standard : Value::string(Str());
}

Value items(Interpreter& interpreter, const Value& value, const Args&) {
  if (value.is_undefined()) return generator({});
  if (!value.is_dict()) type_error("Can only get item pairs from a mapping.");
  std::vector<Value> out;
  interpreter.charge(value.as_dict().items.size());
  for (const auto& [key, item] : value.as_dict().items) out.push_back(Value::tuple({key, item}));
  return generator(std::move(out));
}

Value dictsort(Interpreter& interpreter, const Value& value, const Args& args) {
  if (!value.is_dict()) type_error("dictsort needs a mapping, not " + value.type_name());
  const bool sensitive = bool_arg(args, 0, "case_sensitive", false), descending = bool_arg(args, 2, "reverse", false);
  const std::string by = str_arg(args, 1, "by", "key").text();
  std::vector<std::pair<Value, Value>> members = value.as_dict().items;
  interpreter.charge(members.size());
  std::stable_sort(members.begin(), members.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const auto& member) {
      return fold_case(by == "value" ? member.second : member.first, sensitive);
    };
    interpreter.charge(1);
    const int sign = order(key(a), key(b), "<");
    return descending ? sign > 0 : sign < 0;
  });
  std::vector<Value> out;
  for (auto& [key, item] : members) out.push_back(Value::tuple({key, item}));
  return Value::list(std::move(out));
}

Value map(Interpreter& interpreter, const Value& value, const Args& args) {
  std::vector<Value> out;
  const Value* attribute = args.get(SIZE_MAX, "attribute");
  const Value* standard = args.get(SIZE_MAX, "default");
  if (attribute == nullptr && args.positional.empty()) fail("FilterArgumentError", "map requires a filter argument");
  Args rest;
  if (attribute == nullptr) {
    rest.positional.assign(args.positional.begin() + 1, args.positional.end());
    rest.named = args.named;
  }
  for (const Value& item : interpreter.iterate(value)) {
    if (attribute == nullptr) {
      out.push_back(interpreter.filter(to_str(args.positional[0]).text(), item, rest));
      continue;
    }
    Value found = follow(interpreter, item, *attribute);
    out.push_back(found.is_undefined() && standard != nullptr ? *standard : std::move(found));
  }
  return generator(std::move(out));
}

// select, reject and their attribute forms.
template <bool Wanted, bool ByAttribute>
Value choose(Interpreter& interpreter, const Value& value, const Args& args) {
  std::size_t next = 0;
  const Value* attribute = nullptr;
  if (ByAttribute) {
    attribute = args.get(next++, "attr");
    if (attribute == nullptr) fail("FilterArgumentError", "Missing parameter 'attribute name'");
  }
  const bool tested = next < args.positional.size();
  const std::string test = tested ? to_str(args.positional[next++]).text() : std::string();
  Args rest;
  if (next < args.positional.size()) {
    rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(next), args.positional.end());
  }
  std::vector<Value> out;
  for (Value& item : interpreter.iterate(value)) {
    const Value subject = ByAttribute ? follow(interpreter, item, *attribute) : item;
    const bool holds = tested ? interpreter.test(test, subject, rest) : subject.truth();
    if (holds == Wanted) out.push_back(std::move(item));
  }
  return generator(std::move(out));
}

Value unique(Interpreter& interpreter, const Value& value, const Args& args) {
  const bool sensitive = bool_arg(args, 0, "case_sensitive", false);
  const Value* attribute = args.get(1, "attribute");
  std::vector<Value> seen, out;
  for (Value& item : interpreter.iterate(value)) {
    Value key = sort_key(interpreter, item, attribute, sensitive);
    interpreter.charge(seen.size());
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& old) { return equal(old, key); })) continue;
    seen.push_back(std::move(key));
    out.push_back(std::move(item));
  }
  return generator(std::move(out));
}

Value groupby(Interpreter& interpreter, const Value& value, const Args& args) {
  const Value* attribute = args.get(0, "attribute");
  if (attribute == nullptr) type_error("groupby() missing 1 required positional argument: 'attribute'");
  Args order_args;
  order_args.named.emplace_back("attribute", *attribute);
  const Value sorted = sort(interpreter, value, order_args);
  std::vector<Value> out, group;
  Value key;
  const auto close = [&] {
    if (!group.empty()) out.push_back(Value::tuple({key, Value::list(std::exchange(group, {}))}));
  };
  for (const Value& item : sorted.items()) {
    Value now = follow(interpreter, item, *attribute);
    if (!group.empty() && !equal(now, key)) close();
    key = std::move(now);
    group.push_back(item);
  }
  close();
  return Value::list(std::move(out));
}

Value batch(Interpreter& interpreter, const Value& value, const Args& args) {
  const auto size = static_cast<std::size_t>(std::clamp<std::int64_t>(int_arg(args, 0, "linecount", 1), 1, 100000));
  const Value* fill = args.get(1, "fill_with");
  std::vector<Value> out, row;
  for (Value& item : interpreter.iterate(value)) {
    if (row.size() == size) out.push_back(Value::list(std::exchange(row, {})));
    row.push_back(std::move(item));
  }
  if (!row.empty()) {
    interpreter.charge(fill != nullptr ? size : 0);
    while (fill != nullptr && row.size() < size) row.push_back(*fill);
    out.push_back(Value::list(std::move(row)));
  }
  return generator(std::move(out));
}

Value slice(Interpreter& interpreter, const Value& value, const Args& args) {
  const auto slices = static_cast<std::size_t>(std::clamp<std::int64_t>(int_arg(args, 0, "slices", 1), 1, 10000));
  const Value* fill = args.get(1, "fill_with");
  const std::vector<Value> items = interpreter.iterate(value);
  interpreter.charge(slices);
  const std::size_t each = items.size() / slices, extra = items.size() % slices;
  std::vector<Value> out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < slices; ++i) {
    const std::size_t size = each + (i < extra ? 1 : 0);
    std::vector<Value> part(items.begin() + static_cast<std::ptrdiff_t>(at),
                            items.begin() + static_cast<std::ptrdiff_t>(at + size));
    if (fill != nullptr && i >= extra && extra > 0) part.push_back(*fill);
    at += size;
    out.push_back(Value::list(std::move(part)));
  }
  return generator(std::move(out));
}

Value attr(Interpreter& interpreter, const Value& value, const Args& args) {
  return interpreter.attribute(value, str_arg(args, 0, "name", "").text());
}

// Any element is as random as another; the same one each time keeps a prompt reproducible.
Value random(Interpreter& interpreter, const Value& value, const Args&) {
  const std::vector<Value> items = interpreter.iterate(value);
  return items.empty() ? Value::undefined("No random item, sequence was empty.") : items[items.size() / 2];
}

constexpr Named<Filter> kFilters[] = {
    {"length", length},
    {"count", length},
    {"first", first},
    {"last", last},
    {"list", list},
    {"join", join},
    {"reverse", reverse},
    {"sort", sort},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"default", default_filter},
    {"d", default_filter},
    {"items", items},
    {"dictsort", dictsort},
    {"map", map},
    {"select", choose<true, false>},
    {"reject", choose<false, false>},
    {"selectattr", choose<true, true>},
    {"rejectattr", choose<false, true>},
    {"unique", unique},
    {"groupby", groupby},
    {"batch", batch},
    {"slice", slice},
    {"attr", attr},
    {"random", random},
};

}  // namespace

Filter find_data_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](const auto& entry) { return entry.name == name; });
  return found == std::end(kFilters) ? nullptr : found->function;
}

}  // namespace moe::text::jinja
