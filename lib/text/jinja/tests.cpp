// Tests (`x is defined`).
#include <algorithm>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/text_ops.hpp"

namespace moe::text::jinja {
namespace {

const Value& other(const Args& args) {
  const Value* value = args.get(0, "other");
  if (value == nullptr) type_error("test is missing an argument");
  return *value;
}

template <Kind... Kinds>
bool is_kind(Interpreter&, const Value& value, const Args&) {
  return ((value.kind() == Kinds) || ...);
}

template <bool Wanted>
bool is_truth(Interpreter&, const Value& value, const Args&) {
  return value.is(Kind::boolean) && value.as_bool() == Wanted;
}

std::int64_t whole(const Value& value) {
  if (value.is_undefined()) fail("UndefinedError", value.why());
  if (!value.is_int()) type_error("not all arguments converted during string formatting");
  return value.as_int();
}

template <int Rest>
bool has_rest(Interpreter&, const Value& value, const Args&) {
  return (whole(value) % 2 != 0 ? 1 : 0) == Rest;
}

bool divisible_by(Interpreter&, const Value& value, const Args& args) {
  const std::int64_t by = whole(other(args));
  if (by == 0) fail("ZeroDivisionError", "integer modulo by zero");
  return by == -1 || whole(value) % by == 0;
}

// Sign of the order: 'l'ess, 'g'reater; `OrEqual` accepts equality.
template <char Side, bool OrEqual>
bool compares(Interpreter&, const Value& value, const Args& args) {
  const int sign = order(value, other(args), Side == 'l' ? (OrEqual ? "<=" : "<") : (OrEqual ? ">=" : ">"));
  return (OrEqual && sign == 0) || (Side == 'l' ? sign < 0 : sign > 0);
}

constexpr Named<Test> kTests[] = {
    {"defined", [](Interpreter&, const Value& value, const Args&) { return !value.is_undefined(); }},
    {"undefined", is_kind<Kind::undefined>},
    {"none", is_kind<Kind::none>},
    {"boolean", is_kind<Kind::boolean>},
    {"true", is_truth<true>},
    {"false", is_truth<false>},
    {"string", is_kind<Kind::string>},
    {"number", [](Interpreter&, const Value& value, const Args&) { return value.is_numeric(); }},
    {"integer", is_kind<Kind::integer, Kind::big>},
    {"float", is_kind<Kind::number>},
    {"mapping", is_kind<Kind::dict>},
    {"sequence",
     [](Interpreter&, const Value& value, const Args&) {
       const bool view = value.is(Kind::list) && !value.sequence().view.empty();
       return !view && (value.is_string() || value.is_sequence() || value.is_dict() || value.is(Kind::range) ||
                        value.is_undefined());
     }},
    {"iterable", is_kind<Kind::string, Kind::list, Kind::tuple, Kind::dict, Kind::range, Kind::undefined>},
    {"callable", [](Interpreter&, const Value& value,
                    const Args&) { return value.is(Kind::object) && value.as_object()->callable(); }},
    {"odd", has_rest<1>},
    {"even", has_rest<0>},
    {"divisibleby", divisible_by},
    {"lower", [](Interpreter&, const Value& value, const Args&) { return is_lower(to_str(value).text()); }},
    {"upper", [](Interpreter&, const Value& value, const Args&) { return is_upper(to_str(value).text()); }},
    {"eq", [](Interpreter&, const Value& value, const Args& args) { return equal(value, other(args)); }},
    {"ne", [](Interpreter&, const Value& value, const Args& args) { return !equal(value, other(args)); }},
    {"lt", compares<'l', false>},
    {"le", compares<'l', true>},
    {"gt", compares<'g', false>},
    {"ge", compares<'g', true>},
    {"in", [](Interpreter& interpreter, const Value& value,
              const Args& args) { return interpreter.contains(other(args), value); }},
    {"sameas",
     [](Interpreter&, const Value& value, const Args& args) {
       const Value& second = other(args);
       return value.kind() == second.kind() &&
              (value.identity() != nullptr ? value.identity() == second.identity() : equal(value, second));
     }},
    {"filter",
     [](Interpreter&, const Value& value, const Args&) { return find_filter(to_str(value).text()) != nullptr; }},
    {"test", [](Interpreter&, const Value& value, const Args&) { return find_test(to_str(value).text()) != nullptr; }},
    {"escaped", [](Interpreter&, const Value& value, const Args&) { return value.is_string() && value.str().safe(); }},
};

constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"==", "eq"}, {"equalto", "eq"}, {"!=", "ne"}, {"<", "lt"},          {"lessthan", "lt"},
    {"<=", "le"}, {">", "gt"},       {">=", "ge"}, {"greaterthan", "gt"}};

}  // namespace

Test find_test(std::string_view name) {
  for (const auto& [alias, real] : kAliases) {
    if (name == alias) name = real;
  }
  const auto* found =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const auto& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found->function;
}

}  // namespace moe::text::jinja
