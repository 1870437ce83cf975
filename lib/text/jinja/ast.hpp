// Syntax tree of a template. Built once by the parser, then only read; every tree is bounded in depth.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.hpp"

namespace moe::text::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class Op : unsigned char {
  constant,   // value
  name,       // name
  list,       // items
  tuple,      // items
  dict,       // items: key, value, key, value ...
  attribute,  // items[0].name
  item,       // items[0][items[1]]
  slice,      // items[0][items[1]:items[2]:items[3]], empty pointers for what is left out
  call,       // items[0](args)
  filter,     // items[0] | name(args); items[0] is empty for the body of a filter block
  test,       // items[0] is name(args)
  negate,
  plus,
  logical_not,
  logical_and,
  logical_or,
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  concat,   // all items
  compare,  // items[0] ops[0] items[1] ops[1] items[2] ...
  choose,   // items[0] if items[1] else items[2]; items[2] may be empty
};

enum class Compare : unsigned char { eq, ne, lt, le, gt, ge, in, not_in };

struct Argument {
  enum class Form : unsigned char { plain, named, spread, spread_named };
  Form form = Form::plain;
  std::string name;
  ExprPtr value;
};

struct Expr {
  Op op;
  int line = 0;
  int depth = 1;
  std::string name;
  Value value;
  std::vector<ExprPtr> items;
  std::vector<Argument> args;
  std::vector<Compare> ops;
};

// What is assigned to: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> items;  // tuple if not empty
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

enum class Do : unsigned char {
  text,        // text
  print,       // expr
  branch,      // branches, otherwise
  loop,        // target in expr, condition, body, otherwise, recursive
  assign,      // target = expr
  capture,     // target = body, through expr (a filter) if there is one
  macro,       // name, params, body
  call,        // expr (a call), params, body
  filter,      // expr (a filter), body
  with,        // bindings, body
  escape,      // expr, body
  generation,  // body
  leave,       // break
  skip,        // continue
};

struct Param {
  std::string name;
  ExprPtr fallback;
};

struct Branch {
  ExprPtr condition;
  Body body;
};

struct Stmt {
  Do kind;
  int line = 0;
  Str text;
  std::string name;
  Target target;
  ExprPtr expr;
  ExprPtr condition;
  bool recursive = false;
  bool takes_varargs = false, takes_kwargs = false;  // of a macro: its body names them
  std::vector<Branch> branches;
  std::vector<Param> params;
  std::vector<std::pair<Target, ExprPtr>> bindings;
  Body body;
  Body otherwise;
};

// Throws Error.
Body parse_template(std::string_view source);

}  // namespace moe::text::jinja
