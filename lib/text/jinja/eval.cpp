// Expressions.
#include <algorithm>

#include "text/jinja/interpreter.hpp"
#include "text/unicode.hpp"

namespace moe::text::jinja {
namespace {

class BoundMethod final : public Object {
 public:
  BoundMethod(Value self, Method method, std::string name)
      : self_(std::move(self)), method_(method), name_(std::move(name)) {}
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Args& args) override { return method_(interpreter, self_, args); }
  std::string repr() const override { return "<built-in method " + name_ + " of " + self_.type_name() + " object>"; }

 private:
  Value self_;
  Method method_;
  std::string name_;
};

// Python's slice.indices: which positions of `size` a slice takes.
struct Indices {
  std::int64_t start, stop, step;
};

Indices slice_indices(const Value& start, const Value& stop, const Value& step, std::int64_t size) {
  const auto number = [](const Value& value, std::int64_t standard) {
    if (value.is_undefined() || value.is_none()) return standard;
    if (!value.is_int()) type_error("slice indices must be integers or None or have an __index__ method");
    return value.as_int();
  };
  const std::int64_t by = number(step, 1);
  if (by == 0) fail("ValueError", "slice step cannot be zero");
  const std::int64_t low = by > 0 ? 0 : -1, high = by > 0 ? size : size - 1;
  const auto clamp = [&](std::int64_t index) {
    if (index < 0) index = index < -size ? low : index + size;
    return std::clamp(index, low, high);
  };
  const auto place = [&](const Value& value, std::int64_t standard) {
    return value.is_undefined() || value.is_none() ? standard : clamp(number(value, 0));
  };
  return {place(start, by > 0 ? 0 : size - 1), place(stop, by > 0 ? size : -1), by};
}

template <typename F>
void each_index(const Indices& indices, F&& take) {
  for (std::int64_t i = indices.start; indices.step > 0 ? i < indices.stop : i > indices.stop; i += indices.step) {
    take(i);
    if (indices.step > 0 ? i > INT64_MAX - indices.step : i < INT64_MIN - indices.step) return;
  }
}

Value slice_string(const Str& text, const Value& start, const Value& stop, const Value& step) {
  std::vector<std::size_t> offsets;
  for (std::size_t pos = 0; pos < text.size(); pos += decode_utf8(text.text(), pos).size) offsets.push_back(pos);
  const auto size = static_cast<std::int64_t>(offsets.size());
  offsets.push_back(text.size());
  const Indices indices = slice_indices(start, stop, step, size);
  if (indices.step == 1) {
    const auto from = static_cast<std::size_t>(indices.start), to = static_cast<std::size_t>(indices.stop);
    return Value::string(text.substr(offsets[from], offsets[std::max(from, to)]));
  }
  Str out;
  each_index(indices, [&](std::int64_t i) {
    out.append(text, offsets[static_cast<std::size_t>(i)], offsets[static_cast<std::size_t>(i) + 1]);
  });
  return Value::string(std::move(out));
}

std::string type_words(const Value& value) {
  if (value.is_none()) return "None";
  return "'" + value.type_name() + " object'";
}

}  // namespace

Value Interpreter::eval(const Expr& expr) {
  enter();
  const auto operand = [&](std::size_t i) { return eval(*expr.items[i]); };
  switch (expr.op) {
    case Op::constant:
      return expr.value;
    case Op::name: {
      for (Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
        if (const Value* found = scope->find(expr.name)) return *found;
      }
      return Value::undefined("'" + expr.name + "' is undefined");
    }
    case Op::list:
      return Value::list(eval_all(expr.items));
    case Op::tuple:
      return Value::tuple(eval_all(expr.items));
    case Op::dict:
      return eval_dict(expr);
    case Op::attribute:
      return attribute(operand(0), expr.name);
    case Op::item: {
      const Value object = operand(0);
      return item(object, operand(1));
    }
    case Op::slice:
      return eval_slice(expr);
    case Op::call: {
      const Value callee = operand(0);
      return call(callee, eval_args(expr.args));
    }
    case Op::filter: {
      const Value* body = expr.items[0] ? nullptr : scope_->find(" body");
      const Value value = expr.items[0] ? operand(0) : body != nullptr ? *body : Value();
      return filter(expr.name, value, eval_args(expr.args));
    }
    case Op::test: {
      const Value value = operand(0);
      return Value::boolean(test(expr.name, value, eval_args(expr.args)));
    }
    case Op::negate:
      return negate(operand(0));
    case Op::plus: {
      const Value value = operand(0);
      if (value.is_undefined()) fail("UndefinedError", value.why());
      if (!value.is_numeric()) type_error("bad operand type for unary +: '" + value.type_name() + "'");
      return value.is(Kind::boolean) ? Value::integer(value.as_int()) : value;
    }
    case Op::logical_not:
      return Value::boolean(!operand(0).truth());
    case Op::logical_and: {
      Value left = operand(0);
      return left.truth() ? operand(1) : left;
    }
    case Op::logical_or: {
      Value left = operand(0);
      return left.truth() ? left : operand(1);
    }
    case Op::concat:
      return eval_concat(expr);
    case Op::compare:
      return eval_compare(expr);
    case Op::choose:
      if (operand(1).truth()) return operand(0);
      return expr.items[2]
                 ? operand(2)
                 : Value::undefined("the inline if-expression evaluated to false and no else section was defined.");
    default: {
      const Value left = operand(0);
      return arithmetic(*this, expr.op, left, operand(1));
    }
  }
}

std::vector<Value> Interpreter::eval_all(const std::vector<ExprPtr>& items) {
  std::vector<Value> out;
  out.reserve(items.size());
  for (const ExprPtr& item : items) out.push_back(eval(*item));
  return out;
}

Value Interpreter::eval_dict(const Expr& expr) {
  Dict dict;
  for (std::size_t i = 0; i + 1 < expr.items.size(); i += 2) {
    Value key = eval(*expr.items[i]);
    if (key.is(Kind::list) || key.is_dict()) type_error("unhashable type: '" + key.type_name() + "'");
    charge(1 + dict.items.size() / 8);
    dict.set(std::move(key), eval(*expr.items[i + 1]));
  }
  return Value::dict(std::move(dict));
}

Value Interpreter::eval_concat(const Expr& expr) {
  Str out;
  for (const ExprPtr& item : expr.items) {
    const Str part = to_str(eval(*item));
    check_size(out.size() + part.size());
    out.append(part);
  }
  return Value::string(std::move(out));
}

bool Interpreter::compare(Compare op, const Value& left, const Value& right) {
  charge(1 + (left.is_string() && right.is_string() ? std::min(left.str().size(), right.str().size()) / 64 : 0));
  switch (op) {
    case Compare::eq:
      return equal(left, right);
    case Compare::ne:
      return !equal(left, right);
    case Compare::lt:
      return order(left, right, "<") < 0;
    case Compare::le:
      return order(left, right, "<=") <= 0;
    case Compare::gt:
      return order(left, right, ">") > 0;
    case Compare::ge:
      return order(left, right, ">=") >= 0;
    case Compare::in:
      return contains(right, left);
    case Compare::not_in:
      return !contains(right, left);
  }
  return false;
}

Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.items[0]);
  for (std::size_t i = 0; i < expr.ops.size(); ++i) {
    Value right = eval(*expr.items[i + 1]);
    if (!compare(expr.ops[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

bool Interpreter::contains(const Value& container, const Value& value) {
  if (container.is_string()) {
    if (!value.is_string()) {
      type_error("'in <string>' requires string as left operand, not " + value.type_name());
    }
    charge(1 + container.str().size() / 64);
    return container.text().find(value.text()) != std::string::npos;
  }
  if (container.is_dict()) {
    charge(1 + container.as_dict().items.size() / 8);
    return container.as_dict().find(value) != nullptr;
  }
  if (container.is(Kind::range) && value.is_int()) {
    const Range& range = container.as_range();
    const std::int64_t at = value.as_int();
    const bool inside = range.step > 0 ? at >= range.start && at < range.stop : at <= range.start && at > range.stop;
    return inside && (at - range.start) % range.step == 0;
  }
  if (container.is_sequence() || container.is(Kind::range) || container.is_undefined()) {
    const std::vector<Value> items = iterate(container);
    return std::any_of(items.begin(), items.end(), [&](const Value& item) { return equal(item, value); });
  }
  type_error("argument of type '" + container.type_name() + "' is not a container or iterable");
}

Value Interpreter::eval_slice(const Expr& expr) {
  const Value object = eval(*expr.items[0]);
  Value parts[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (expr.items[i + 1]) parts[i] = eval(*expr.items[i + 1]);
  }
  if (object.is_undefined()) fail("UndefinedError", object.why());
  if (object.is_string()) {
    check_size(object.str().size());
    return slice_string(object.str(), parts[0], parts[1], parts[2]);
  }
  if (!object.is_sequence() && !object.is(Kind::range)) {
    return Value::undefined(type_words(object) + " has no such element");
  }
  const std::vector<Value> items = iterate(object);
  std::vector<Value> out;
  each_index(slice_indices(parts[0], parts[1], parts[2], static_cast<std::int64_t>(items.size())),
             [&](std::int64_t i) { out.push_back(items[static_cast<std::size_t>(i)]); });
  return object.is(Kind::tuple) ? Value::tuple(std::move(out)) : Value::list(std::move(out));
}

Args Interpreter::eval_args(const std::vector<Argument>& args) {
  Args out;
  for (const Argument& argument : args) {
    Value value = eval(*argument.value);
    switch (argument.form) {
      case Argument::Form::plain:
        out.positional.push_back(std::move(value));
        break;
      case Argument::Form::named:
        out.named.emplace_back(argument.name, std::move(value));
        break;
      case Argument::Form::spread:
        for (Value& item : iterate(value)) out.positional.push_back(std::move(item));
        break;
      case Argument::Form::spread_named:
        if (!value.is_dict()) type_error("argument after ** must be a mapping, not " + value.type_name());
        for (const auto& [key, item] : value.as_dict().items) {
          if (!key.is_string()) type_error("keywords must be strings");
          out.named.emplace_back(key.text(), item);
        }
    }
  }
  return out;
}

Value Interpreter::call(const Value& callee, const Args& args) {
  if (callee.is_undefined()) fail("UndefinedError", callee.why());
  if (!callee.is(Kind::object) || !callee.as_object()->callable()) {
    type_error("'" + callee.type_name() + "' object is not callable");
  }
  enter();
  return callee.as_object()->call(*this, args);
}

Value Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) fail("UndefinedError", object.why());
  if (name.starts_with("__")) return Value::undefined("access to attribute '" + name + "' is unsafe.");
  if (object.is(Kind::object)) {
    Value out;
    if (object.as_object()->attribute(name, out)) return out;
    return Value::undefined("'" + object.as_object()->repr() + "' has no attribute '" + name + "'");
  }
  const Method method = object.is_string() ? find_text_method(name) : find_data_method(object.kind(), name);
  if (method != nullptr) return Value::object(std::make_shared<BoundMethod>(object, method, name));
  if (object.is_dict()) {
    charge(1 + object.as_dict().items.size() / 8);
    if (const Value* found = object.as_dict().find(Value::string(name))) return *found;
  }
  return Value::undefined(type_words(object) + " has no attribute '" + name + "'");
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) fail("UndefinedError", object.why());
  charge(1 + (object.is_dict() ? object.as_dict().items.size() / 8 : 0));
  if (object.is_dict()) {
    if (const Value* found = object.as_dict().find(key)) return *found;
  }
  if (key.is_int() && (object.is_sequence() || object.is_string() || object.is(Kind::range))) {
    const std::string& text = object.is_string() ? object.text() : std::string();
    const std::int64_t size = object.is_string()     ? static_cast<std::int64_t>(count_points(text))
                              : object.is_sequence() ? static_cast<std::int64_t>(object.items().size())
                                                     : object.as_range().size();
    const std::int64_t index = key.as_int() < 0 ? key.as_int() + size : key.as_int();
    if (index < 0 || index >= size) {
      return Value::undefined(object.type_name() + " object has no element " + std::to_string(key.as_int()));
    }
    if (object.is(Kind::range)) return Value::integer(object.as_range().start + index * object.as_range().step);
    if (object.is_sequence()) return object.items()[static_cast<std::size_t>(index)];
    charge(text.size() / 64);
    const std::size_t begin = point_offset(text, static_cast<std::size_t>(index));
    return Value::string(object.str().substr(begin, begin + decode_utf8(text, begin).size));
  }
  if (key.is_string()) {
    Value found = attribute(object, key.text());
    if (!found.is_undefined()) return found;
  }
  return Value::undefined(type_words(object) + " has no attribute " + to_repr(key).text());
}

std::vector<Value> Interpreter::iterate(const Value& value) {
  std::vector<Value> out;
  switch (value.kind()) {
    case Kind::undefined:
      break;
    case Kind::list:
    case Kind::tuple:
      charge(1 + value.items().size());
      return value.items();
    case Kind::dict:
      charge(1 + value.as_dict().items.size());
      for (const auto& [key, item] : value.as_dict().items) out.push_back(key);
      break;
    case Kind::string: {
      const Str& text = value.str();
      charge(1 + 2 * text.size());
      for (std::size_t pos = 0; pos < text.size();) {
        const std::size_t size = decode_utf8(text.text(), pos).size;
        out.push_back(Value::string(text.substr(pos, pos + size)));
        pos += size;
      }
      break;
    }
    case Kind::range: {
      const Range& range = value.as_range();
      const std::int64_t size = range.size();
      charge(static_cast<std::size_t>(size));
      for (std::int64_t i = 0; i < size; ++i) out.push_back(Value::integer(range.start + i * range.step));
      break;
    }
    default:
      type_error("'" + value.type_name() + "' object is not iterable");
  }
  return out;
}

Value Interpreter::filter(const std::string& name, const Value& value, const Args& args) {
  const Filter found = find_filter(name);
  if (found == nullptr) fail("TemplateAssertionError", "No filter named '" + name + "'.");
  charge(1);
  return found(*this, value, args);
}

bool Interpreter::test(const std::string& name, const Value& value, const Args& args) {
  const Test found = find_test(name);
  if (found == nullptr) fail("TemplateAssertionError", "No test named '" + name + "'.");
  charge(1);
  return found(*this, value, args);
}

}  // namespace moe::text::jinja
