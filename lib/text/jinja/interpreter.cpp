#include "text/jinja/interpreter.hpp"

#include <algorithm>
#include <ctime>

namespace moe::text::jinja {
namespace {

std::int64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

class Macro final : public Object {
 public:
  Macro(const Stmt& stmt, Scope* closure) : stmt_(stmt), closure_(closure) {}
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Args& args) override {
    return interpreter.call_macro(stmt_, closure_, args);
  }
  bool attribute(const std::string& name, Value& out) override {
    if (name != "name") return false;
    out = Value::string(stmt_.name);
    return true;
  }
  std::string repr() const override { return "<Macro '" + stmt_.name + "'>"; }

 private:
  const Stmt& stmt_;
  Scope* closure_;
};

// The variable `loop`.
class Loop final : public Object, public std::enable_shared_from_this<Loop> {
 public:
  Loop(const Stmt& stmt, Scope* outer, std::vector<Value> items, int depth)
      : stmt_(stmt), outer_(outer), items_(std::move(items)), depth_(depth) {}

  const std::vector<Value>& items() const { return items_; }
  void move_to(std::size_t index) { index_ = index; }

  bool attribute(const std::string& name, Value& out) override {
    const auto index = static_cast<std::int64_t>(index_), size = static_cast<std::int64_t>(items_.size());
    const std::pair<std::string_view, std::int64_t> numbers[] = {
        {"index", index + 1}, {"index0", index}, {"revindex", size - index}, {"revindex0", size - index - 1},
        {"length", size},     {"depth", depth_}, {"depth0", depth_ - 1}};
    for (const auto& [key, value] : numbers) {
      if (name == key) return out = Value::integer(value), true;
    }
    if (name == "first") return out = Value::boolean(index == 0), true;
    if (name == "last") return out = Value::boolean(index + 1 == size), true;
    if (name == "previtem") {
      out = index > 0 ? items_[index_ - 1] : Value::undefined("there is no previous item");
      return true;
    }
    if (name == "nextitem") {
      out = index + 1 < size ? items_[index_ + 1] : Value::undefined("there is no next item");
      return true;
    }
    return method(name, out);
  }

  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Args& args) override {
    const Value* items = args.get(0, "iterable");
    if (!stmt_.recursive) type_error("The loop must have the 'recursive' marker to be called recursively.");
    if (items == nullptr) type_error("loop() missing 1 required positional argument: 'iterable'");
    return interpreter.loop_again(stmt_, outer_, *items, depth_ + 1);
  }
  std::string repr() const override { return "<LoopContext>"; }

 private:
  // loop.cycle and loop.changed.
  class Call final : public Object {
   public:
    Call(std::shared_ptr<Loop> loop, bool cycle) : loop_(std::move(loop)), cycle_(cycle) {}
    bool callable() const override { return true; }
    Value call(Interpreter&, const Args& args) override {
      if (cycle_) {
        if (args.positional.empty()) type_error("no items for cycling given");
        return args.positional[loop_->index_ % args.positional.size()];
      }
      Value now = Value::tuple(args.positional);
      const bool changed = loop_->last_.is_undefined() || !equal(loop_->last_, now);
      loop_->last_ = std::move(now);
      return Value::boolean(changed);
    }
    std::string repr() const override { return "<bound method>"; }

   private:
    std::shared_ptr<Loop> loop_;
    bool cycle_;
  };

  bool method(const std::string& name, Value& out) {
    if (name != "cycle" && name != "changed") return false;
    out = Value::object(std::make_shared<Call>(shared_from_this(), name == "cycle"));
    return true;
  }

  const Stmt& stmt_;
  Scope* outer_;
  std::vector<Value> items_;
  int depth_;
  std::size_t index_ = 0;
  Value last_;
};

}  // namespace

Value* Scope::find(std::string_view name) {
  for (auto& [key, value] : names) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  if (Value* old = find(name)) {
    *old = std::move(value);
  } else {
    names.emplace_back(std::string(name), std::move(value));
  }
}

bool Namespace::attribute(const std::string& name, Value& out) {
  const Value* found = scope_.find(name);
  if (found == nullptr) return false;
  out = *found;
  return true;
}

void Namespace::set(const std::string& name, Value value) { scope_.set(name, std::move(value)); }

// A scope and an output of their own, put back at the end of the block, also by an error.
class Interpreter::Inner {
 public:
  Inner(Interpreter& interpreter, Scope* outer, Str* output)
      : interpreter_(interpreter), before_(interpreter.scope_), output_(output != nullptr) {
    interpreter_.scope_ = scope_ = interpreter_.open_scope(outer);
    if (output_) interpreter_.outputs_.push_back(output);
  }
  ~Inner() {
    if (output_) interpreter_.outputs_.pop_back();
    interpreter_.close_scope(scope_);
    interpreter_.scope_ = before_;
  }
  Inner(const Inner&) = delete;
  Inner& operator=(const Inner&) = delete;

 private:
  Interpreter& interpreter_;
  Scope* before_;
  Scope* scope_;
  bool output_;
};

Interpreter::Interpreter(const Bounds& bounds, std::int64_t now_seconds)
    : bounds_(bounds), now_seconds_(now_seconds), started_ns_(thread_cpu_ns()) {
  root_ = open_scope(nullptr);
  root_->kept = true;
  scope_ = open_scope(root_);
  scope_->kept = true;
  define_globals(*this);
}

// Namespaces may refer to each other in a ring; taking their contents away one by one frees all of it, without
// recursion.
Interpreter::~Interpreter() {
  for (const auto& space : namespaces_) space->clear();
}

Str Interpreter::render(const Body& body) {
  stack_base_ = static_cast<const char*>(__builtin_frame_address(0));
  Str out;
  outputs_.push_back(&out);
  run(body);
  outputs_.pop_back();
  return out;
}

void Interpreter::charge(std::size_t steps) {
  steps_ += static_cast<std::int64_t>(std::min<std::size_t>(steps, INT32_MAX));
  if (steps_ > bounds_.max_steps) limit_error("template takes too many steps");
  if (steps_ < next_check_) return;
  next_check_ = steps_ + 512;
  if (thread_cpu_ns() - started_ns_ > bounds_.max_cpu_ns) limit_error("template takes too long");
}

void Interpreter::check_size(std::size_t bytes) {
  if (bytes > bounds_.max_output) {
    fail("size", "the text grows beyond " + std::to_string(bounds_.max_output) + " bytes");
  }
  charge(1 + bytes / 64);
}

void Interpreter::enter() {
  charge(1);
  const char* frame = static_cast<const char*>(__builtin_frame_address(0));
  const std::size_t used = static_cast<std::size_t>(stack_base_ > frame ? stack_base_ - frame : frame - stack_base_);
  if (used > bounds_.max_stack) limit_error("template nests too deep");
}

Scope* Interpreter::open_scope(Scope* outer) {
  if (free_scopes_.empty()) {
    scopes_.push_back(std::make_unique<Scope>());
    free_scopes_.push_back(scopes_.back().get());
  }
  Scope* scope = free_scopes_.back();
  free_scopes_.pop_back();
  scope->outer = outer;
  return scope;
}

void Interpreter::close_scope(Scope* scope) {
  if (scope->kept) return;
  scope->names.clear();
  free_scopes_.push_back(scope);
}

void Interpreter::keep_scopes() {
  for (Scope* scope = scope_; scope != nullptr && !scope->kept; scope = scope->outer) scope->kept = true;
}

std::shared_ptr<Namespace> Interpreter::make_namespace() {
  return namespaces_.emplace_back(std::make_shared<Namespace>());
}

void Interpreter::write(const Str& text) {
  if (outputs_.back()->size() + text.size() > bounds_.max_output) check_size(bounds_.max_output + 1);
  charge(text.size() / 64);
  outputs_.back()->append(text);
}

void Interpreter::print(const Value& value) {
  const Str text = to_str(value);
  write(escaping_ && !text.safe() ? escape_html(text) : text);
}

Interpreter::Flow Interpreter::run(const Body& body) {
  for (const auto& stmt : body) {
    const Flow flow = run(*stmt);
    if (flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run(const Stmt& stmt) try {
  enter();
  switch (stmt.kind) {
    case Do::text:
      write(stmt.text);
      break;
    case Do::print:
      print(eval(*stmt.expr));
      break;
    case Do::branch:
      return run_branch(stmt);
    case Do::loop:
      return run_loop(stmt, eval(*stmt.expr), 1);
    case Do::assign:
      assign(stmt.target, eval(*stmt.expr));
      break;
    case Do::leave:
      return Flow::leave;
    case Do::skip:
      return Flow::skip;
    default:
      run_block(stmt);
  }
  return Flow::on;
} catch (Error& error) {
  if (error.line == 0) error.line = stmt.line;
  throw;
}

Interpreter::Flow Interpreter::run_branch(const Stmt& stmt) {
  for (const Branch& branch : stmt.branches) {
    if (eval(*branch.condition).truth()) return run(branch.body);
  }
  return run(stmt.otherwise);
}

void Interpreter::run_block(const Stmt& stmt) {
  switch (stmt.kind) {
    case Do::capture: {
      Value text = capture(stmt.body);
      if (stmt.expr) {
        const Inner inner(*this, scope_, nullptr);
        scope_->set(" body", std::move(text));
        text = eval(*stmt.expr);
      }
      assign(stmt.target, std::move(text));
      break;
    }
    case Do::filter: {
      Value text = capture(stmt.body);
      const Inner inner(*this, scope_, nullptr);
      scope_->set(" body", std::move(text));
      print(eval(*stmt.expr));
      break;
    }
    case Do::macro:
      keep_scopes();
      scope_->set(stmt.name, Value::object(std::make_shared<Macro>(stmt, scope_)));
      break;
    case Do::call: {
      keep_scopes();
      Args args = eval_args(stmt.expr->args);
      args.named.emplace_back("caller", Value::object(std::make_shared<Macro>(stmt, scope_)));
      print(call(eval(*stmt.expr->items[0]), args));
      break;
    }
    case Do::with: {
      std::vector<Value> values;
      for (const auto& binding : stmt.bindings) values.push_back(eval(*binding.second));
      const Inner inner(*this, scope_, nullptr);
      for (std::size_t i = 0; i < values.size(); ++i) assign(stmt.bindings[i].first, std::move(values[i]));
      run(stmt.body);
      break;
    }
    case Do::escape: {
      const bool before = escaping_;
      escaping_ = eval(*stmt.expr).truth();
      const Inner inner(*this, scope_, nullptr);
      run(stmt.body);
      escaping_ = before;
      break;
    }
    case Do::generation: {
      const std::size_t begin = outputs_.back()->size();
      const Inner inner(*this, scope_, nullptr);
      run(stmt.body);
      if (outputs_.size() == 1) spans_.push_back({begin, outputs_.back()->size()});
      break;
    }
    default:
      break;
  }
}

Value Interpreter::capture(const Body& body) {
  Str out;
  {
    const Inner inner(*this, scope_, &out);
    run(body);
  }
  out.set_safe(escaping_);
  return Value::string(std::move(out));
}

std::vector<Value> Interpreter::matching(const Stmt& stmt, std::vector<Value> items) {
  if (!stmt.condition) return items;
  std::vector<Value> out;
  for (Value& item : items) {
    const Inner inner(*this, scope_, nullptr);
    assign(stmt.target, item);
    if (eval(*stmt.condition).truth()) out.push_back(std::move(item));
  }
  return out;
}

Interpreter::Flow Interpreter::run_loop(const Stmt& stmt, const Value& items, int depth) {
  if (stmt.recursive) keep_scopes();  // `loop` may be called when this block is over
  auto loop = std::make_shared<Loop>(stmt, scope_, matching(stmt, iterate(items)), depth);
  bool completed = false;  // Jinja's else also runs if no pass reached the end of the body
  for (std::size_t i = 0; i < loop->items().size(); ++i) {
    if (++iterations_ > bounds_.max_iterations) {
      limit_error("template loops more than " + std::to_string(bounds_.max_iterations) + " times");
    }
    loop->move_to(i);
    const Inner inner(*this, scope_, nullptr);
    scope_->set("loop", Value::object(loop));
    assign(stmt.target, loop->items()[i]);
    const Flow flow = run(stmt.body);
    completed |= flow == Flow::on;
    if (flow == Flow::leave) break;
  }
  if (completed) return Flow::on;
  const Inner inner(*this, scope_, nullptr);
  return run(stmt.otherwise);
}

Value Interpreter::loop_again(const Stmt& loop, Scope* outer, const Value& items, int depth) {
  if (depth > bounds_.max_calls) limit_error("template nests too deep");
  enter();
  Str out;
  {
    const Inner inner(*this, outer, &out);
    run_loop(loop, items, depth);
  }
  return Value::string(std::move(out));
}

void Interpreter::assign(const Target& target, Value value) {
  if (!target.items.empty()) {
    std::vector<Value> parts = iterate(value);
    if (parts.size() != target.items.size()) {
      fail("ValueError", parts.size() < target.items.size()
                             ? "not enough values to unpack (expected " + std::to_string(target.items.size()) +
                                   ", got " + std::to_string(parts.size()) + ")"
                             : "too many values to unpack (expected " + std::to_string(target.items.size()) + ")");
    }
    for (std::size_t i = 0; i < parts.size(); ++i) assign(target.items[i], std::move(parts[i]));
    return;
  }
  if (target.attribute.empty()) return scope_->set(target.name, std::move(value));
  Value* object = nullptr;
  for (Scope* scope = scope_; scope != nullptr && object == nullptr; scope = scope->outer) {
    object = scope->find(target.name);
  }
  auto* space =
      object != nullptr && object->is(Kind::object) ? dynamic_cast<Namespace*>(object->as_object().get()) : nullptr;
  if (space == nullptr) fail("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
  space->set(target.attribute, std::move(value));
}

Value Interpreter::call_macro(const Stmt& macro, Scope* closure, const Args& args) {
  if (++calls_ > bounds_.max_calls) limit_error("macros call each other too deep");
  enter();
  Str out;
  {
    const Inner inner(*this, closure, &out);
    Args rest;
    for (std::size_t i = macro.params.size(); i < args.positional.size(); ++i) {
      rest.positional.push_back(args.positional[i]);
    }
    for (std::size_t i = 0; i < macro.params.size(); ++i) {
      const Param& param = macro.params[i];
      if (const Value* given = args.get(i, param.name)) {
        scope_->set(param.name, *given);
      } else {
        scope_->set(param.name, param.fallback ? eval(*param.fallback)
                                               : Value::undefined("parameter '" + param.name + "' was not provided"));
      }
    }
    Dict named;
    for (const auto& [name, value] : args.named) {
      const bool known =
          std::any_of(macro.params.begin(), macro.params.end(),
                      [&, key = std::string_view(name)](const Param& param) { return param.name == key; });
      if (known) continue;
      if (name == "caller") {
        scope_->set(name, value);
      } else if (macro.takes_kwargs) {
        named.set(Value::string(name), value);
      } else {
        type_error("macro '" + macro.name + "' takes no keyword argument '" + name + "'");
      }
    }
    if (!rest.positional.empty() && !macro.takes_varargs) {
      type_error("macro '" + macro.name + "' takes not more than " + std::to_string(macro.params.size()) +
                 " argument(s)");
    }
    if (macro.takes_varargs) scope_->set("varargs", Value::tuple(std::move(rest.positional)));
    if (macro.takes_kwargs) scope_->set("kwargs", Value::dict(std::move(named)));
    run(macro.body);
  }
  --calls_;
  out.set_safe(escaping_);
  return Value::string(std::move(out));
}

}  // namespace moe::text::jinja
