// Runs one render of a template, within bounds on time, steps, nesting and output. One object a render, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.hpp"
#include "text/jinja/value.hpp"

namespace moe::text::jinja {

struct Bounds {
  std::size_t max_output = 1 << 20;
  std::int64_t max_iterations = 10000;  // of all loops together
  std::int64_t max_steps = 4000000;     // operations, and 64 bytes of new text each
  std::int64_t max_cpu_ns = 50000000;   // of the rendering thread
  int max_calls = 64;                   // macros inside of macros
  std::size_t max_stack = 96 * 1024;    // bytes of machine stack
};

// Variables of one block; looked up outwards.
struct Scope {
  std::vector<std::pair<std::string, Value>> names;
  Scope* outer = nullptr;
  bool kept = false;  // a macro refers to it
  Value* find(std::string_view name);
  void set(std::string_view name, Value value);
};

class Namespace final : public Object {
 public:
  bool attribute(const std::string& name, Value& out) override;
  void set(const std::string& name, Value value);
  void clear() { scope_.names.clear(); }
  std::string repr() const override { return "<Namespace>"; }

 private:
  Scope scope_;
};

class Interpreter {
 public:
  Interpreter(const Bounds& bounds, std::int64_t now_seconds);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void define(std::string name, Value value) { root_->set(name, std::move(value)); }
  // Throws Error.
  Str render(const Body& body);
  // Byte ranges of the output that {% generation %} blocks wrote.
  const std::vector<Str::Span>& generation_spans() const { return spans_; }

  // For filters, tests, methods and functions.
  void charge(std::size_t steps);
  void check_size(std::size_t bytes);  // of a text about to be made
  std::vector<Value> iterate(const Value& value);
  Value call(const Value& callee, const Args& args);
  Value filter(const std::string& name, const Value& value, const Args& args);
  bool test(const std::string& name, const Value& value, const Args& args);
  Value attribute(const Value& object, const std::string& name);
  Value item(const Value& object, const Value& key);
  bool contains(const Value& container, const Value& value);
  std::shared_ptr<Namespace> make_namespace();
  std::int64_t now_seconds() const { return now_seconds_; }
  bool escaping() const { return escaping_; }

  // For macros and loops.
  Value call_macro(const Stmt& macro, Scope* closure, const Args& args);
  Value loop_again(const Stmt& loop, Scope* outer, const Value& items, int depth);

 private:
  enum class Flow : unsigned char { on, leave, skip };
  class Inner;  // a scope or an output buffer for the length of a block

  Flow run(const Body& body);
  Flow run(const Stmt& stmt);
  Flow run_branch(const Stmt& stmt);
  Flow run_loop(const Stmt& stmt, const Value& items, int depth);
  void run_block(const Stmt& stmt);
  void assign(const Target& target, Value value);
  void write(const Str& text);
  void print(const Value& value);
  Value capture(const Body& body);
  std::vector<Value> matching(const Stmt& stmt, std::vector<Value> items);
  Scope* open_scope(Scope* outer);
  void close_scope(Scope* scope);
  void keep_scopes();  // the present scope and those around it live as long as the render
  void enter();        // every recursion: charges a step and checks the machine stack

  Value eval(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_slice(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_concat(const Expr& expr);
  std::vector<Value> eval_all(const std::vector<ExprPtr>& items);
  Args eval_args(const std::vector<Argument>& args);
  bool compare(Compare op, const Value& left, const Value& right);

  Bounds bounds_;
  std::int64_t now_seconds_;
  std::int64_t started_ns_;
  const char* stack_base_ = nullptr;
  std::int64_t steps_ = 0, next_check_ = 0, iterations_ = 0;
  int calls_ = 0;
  bool escaping_ = false;
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::vector<Scope*> free_scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  Scope* root_;
  Scope* scope_;
  std::vector<Str*> outputs_;
  std::vector<Str::Span> spans_;
};

// Arithmetic of two values (ops.cpp).
Value arithmetic(Interpreter& interpreter, Op op, const Value& left, const Value& right);
Value negate(const Value& value);

using Filter = Value (*)(Interpreter&, const Value&, const Args&);
using Test = bool (*)(Interpreter&, const Value&, const Args&);
using Method = Value (*)(Interpreter&, const Value&, const Args&);
template <typename F>
struct Named {
  std::string_view name;
  F function;
};

// nullptr if there is none of this name.
Filter find_filter(std::string_view name);
Filter find_text_filter(std::string_view name);
Filter find_data_filter(std::string_view name);
Test find_test(std::string_view name);
Method find_text_method(std::string_view name);
Method find_data_method(Kind kind, std::string_view name);
void define_globals(Interpreter& interpreter);

// Printf-style and {}-style formatting, as Python's % and str.format.
Str percent_format(Interpreter& interpreter, const Str& format, const Value& values);
Str brace_format(Interpreter& interpreter, const Str& format, const Args& args);
std::string format_time(std::int64_t seconds, std::string_view format);

// Arguments of filters and methods; a TypeError names what is wrong.
std::int64_t int_arg(const Args& args, std::size_t index, std::string_view name, std::int64_t standard);
bool bool_arg(const Args& args, std::size_t index, std::string_view name, bool standard);
Str str_arg(const Args& args, std::size_t index, std::string_view name, std::string_view standard);
Str escape_html(const Str& text);

}  // namespace moe::text::jinja
