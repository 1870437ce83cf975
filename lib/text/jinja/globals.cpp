// Functions that every template sees.
#include "text/jinja/interpreter.hpp"

namespace moe::text::jinja {
namespace {

using Function = Value (*)(Interpreter&, const Args&);

class Native final : public Object {
 public:
  Native(std::string name, Function function) : name_(std::move(name)), function_(function) {}
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Args& args) override { return function_(interpreter, args); }
  std::string repr() const override { return "<function " + name_ + ">"; }

 private:
  std::string name_;
  Function function_;
};

Value raise_exception(Interpreter&, const Args& args) {
  const Value* message = args.get(0, "message");
  if (message == nullptr) type_error("raise_exception() missing 1 required positional argument: 'message'");
  fail("raise_exception", to_str(*message).text());
}

Value strftime_now(Interpreter& interpreter, const Args& args) {
  const Value* format = args.get(0, "format");
  if (format == nullptr || !format->is_string()) type_error("strftime_now() takes a format");
  interpreter.check_size(16 * format->str().size());
  return Value::string(format->str().rewritten(format_time(interpreter.now_seconds(), format->text())));
}

Value range(Interpreter&, const Args& args) {
  for (const Value& value : args.positional) {
    if (value.is_undefined()) fail("UndefinedError", value.why());
    if (!value.is_int()) type_error("'" + value.type_name() + "' object cannot be interpreted as an integer");
  }
  const auto& given = args.positional;
  if (given.empty() || given.size() > 3)
    type_error("range expected 1 to 3 arguments, got " + std::to_string(given.size()));
  Range out;
  out.stop = given[given.size() == 1 ? 0 : 1].as_int();
  if (given.size() > 1) out.start = given[0].as_int();
  if (given.size() > 2) out.step = given[2].as_int();
  if (out.step == 0) fail("ValueError", "range() arg 3 must not be zero");
  // Bounded ends keep every later calculation within 64 bits.
  constexpr std::int64_t kEnd = std::int64_t{1} << 40;
  for (const std::int64_t value : {out.start, out.stop, out.step}) {
    if (value > kEnd || value < -kEnd) limit_error("range is too big");
  }
  if (out.size() > 100000) limit_error("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  return Value::range(out);
}

// The members that dict() and namespace() start with.
Dict initial(Interpreter& interpreter, const Args& args) {
  Dict out;
  for (const Value& value : args.positional) {
    if (value.is_dict()) {
      if (out.items.empty()) {
        out.items = value.as_dict().items;
        interpreter.charge(out.items.size());
        continue;
      }
      for (const auto& [key, member] : value.as_dict().items) {
        interpreter.charge(1 + out.items.size());
        out.set(key, member);
      }
      continue;
    }
    for (const Value& pair : interpreter.iterate(value)) {
      const std::vector<Value> parts = interpreter.iterate(pair);
      if (parts.size() != 2)
        fail("ValueError",
             "dictionary update sequence element has length " + std::to_string(parts.size()) + "; 2 is required");
      interpreter.charge(1 + out.items.size());
      out.set(parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : args.named) out.set(Value::string(name), value);
  return out;
}

Value make_dict(Interpreter& interpreter, const Args& args) { return Value::dict(initial(interpreter, args)); }

Value make_namespace(Interpreter& interpreter, const Args& args) {
  auto space = interpreter.make_namespace();
  for (const auto& [key, value] : initial(interpreter, args).items) space->set(to_str(key).text(), value);
  return Value::object(std::move(space));
}

class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  bool callable() const override { return true; }
  Value call(Interpreter&, const Args&) override {
    if (used_) return separator_;
    used_ = true;
    return Value::string(Str());
  }
  std::string repr() const override { return "<Joiner>"; }

 private:
  Value separator_;
  bool used_ = false;
};

class Cycler final : public Object, public std::enable_shared_from_this<Cycler> {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  bool attribute(const std::string& name, Value& out) override {
    if (name == "current") return out = items_[at_], true;
    if (name != "next" && name != "reset") return false;
    out = Value::object(std::make_shared<Step>(shared_from_this(), name == "next"));
    return true;
  }
  std::string repr() const override { return "<Cycler>"; }

 private:
  class Step final : public Object {
   public:
    Step(std::shared_ptr<Cycler> cycler, bool forward) : cycler_(std::move(cycler)), forward_(forward) {}
    bool callable() const override { return true; }
    Value call(Interpreter&, const Args&) override {
      if (!forward_) {
        cycler_->at_ = 0;
        return Value::none();
      }
      Value now = cycler_->items_[cycler_->at_];
      cycler_->at_ = (cycler_->at_ + 1) % cycler_->items_.size();
      return now;
    }
    std::string repr() const override { return "<bound method>"; }

   private:
    std::shared_ptr<Cycler> cycler_;
    bool forward_;
  };

  std::vector<Value> items_;
  std::size_t at_ = 0;
};

Value make_joiner(Interpreter&, const Args& args) {
  const Value* separator = args.get(0, "sep");
  return Value::object(std::make_shared<Joiner>(separator != nullptr ? *separator : Value::string(", ")));
}

Value make_cycler(Interpreter&, const Args& args) {
  if (args.positional.empty()) fail("RuntimeError", "at least one item has to be provided");
  return Value::object(std::make_shared<Cycler>(args.positional));
}

}  // namespace

void define_globals(Interpreter& interpreter) {
  const Named<Function> functions[] = {
      {"raise_exception", raise_exception}, {"strftime_now", strftime_now}, {"range", range},       {"dict", make_dict},
      {"namespace", make_namespace},        {"joiner", make_joiner},        {"cycler", make_cycler}};
  for (const auto& [name, function] : functions) {
    interpreter.define(std::string(name), Value::object(std::make_shared<Native>(std::string(name), function)));
  }
}

}  // namespace moe::text::jinja
