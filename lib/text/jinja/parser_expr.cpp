#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/parser.hpp"

namespace moe::text::jinja {
namespace {

constexpr int kMaxNesting = 64;  // brackets and blocks
constexpr int kMaxDepth = 128;   // of one expression's tree: chains of operators, filters and attributes

}  // namespace

Parser::Nest::Nest(Parser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) {
    --parser_.nesting_;
    parser_.refuse("nesting is deeper than " + std::to_string(kMaxNesting));
  }
}

Lexeme Parser::take() {
  Lexeme token = now();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::accept(std::string_view symbol) {
  if (!is_symbol(symbol)) return false;
  take();
  return true;
}

bool Parser::accept_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}

void Parser::expect(std::string_view symbol) {
  if (!accept(symbol)) refuse("expected token '" + std::string(symbol) + "', got '" + describe(now()) + "'");
}

std::string Parser::expect_name() {
  if (now().token != Token::name) refuse("expected token 'name', got '" + describe(now()) + "'");
  return take().text;
}

void Parser::refuse(std::string message) const { throw Error{"TemplateSyntaxError", std::move(message), now().line}; }

std::string Parser::describe(const Lexeme& token) const {
  switch (token.token) {
    case Token::text:
      return "template data / text";
    case Token::block_begin:
      return "begin of statement block";
    case Token::block_end:
      return "end of statement block";
    case Token::print_begin:
      return "begin of print statement";
    case Token::print_end:
      return "end of print statement";
    case Token::end:
      return "end of template";
    default:
      return token.text;
  }
}

void Parser::measure(Expr& node) const {
  int deepest = 0;
  for (const ExprPtr& item : node.items) deepest = std::max(deepest, item ? item->depth : 0);
  for (const Argument& argument : node.args) deepest = std::max(deepest, argument.value->depth);
  node.depth = deepest + 1;
  if (node.depth > kMaxDepth) refuse("expression is deeper than " + std::to_string(kMaxDepth));
}

ExprPtr Parser::make(Op op, std::vector<ExprPtr> items) {
  auto node = std::make_unique<Expr>();
  node->op = op;
  node->line = now().line;
  node->items = std::move(items);
  measure(*node);
  return node;
}

namespace {

// Initialiser lists cannot hold move-only values.
template <typename... Items>
std::vector<ExprPtr> nodes(Items... items) {
  std::vector<ExprPtr> out;
  (out.push_back(std::move(items)), ...);
  return out;
}

}  // namespace

ExprPtr Parser::expression(bool with_condition) {
  const Nest nest(*this);
  ExprPtr node = logical_or();
  if (!with_condition || !accept_name("if")) return node;
  ExprPtr condition = logical_or();
  ExprPtr otherwise = accept_name("else") ? expression() : nullptr;
  node = make(Op::choose, nodes(std::move(node), std::move(condition), std::move(otherwise)));
  while (accept_name("if")) {
    ExprPtr next = logical_or();
    ExprPtr rest = accept_name("else") ? expression() : nullptr;
    node = make(Op::choose, nodes(std::move(node), std::move(next), std::move(rest)));
  }
  return node;
}

ExprPtr Parser::logical_or() {
  ExprPtr node = logical_and();
  while (accept_name("or")) {
    ExprPtr right = logical_and();
    node = make(Op::logical_or, nodes(std::move(node), std::move(right)));
  }
  return node;
}

ExprPtr Parser::logical_and() {
  ExprPtr node = logical_not();
  while (accept_name("and")) {
    ExprPtr right = logical_not();
    node = make(Op::logical_and, nodes(std::move(node), std::move(right)));
  }
  return node;
}

ExprPtr Parser::logical_not() {
  int count = 0;
  while (accept_name("not")) ++count;
  ExprPtr node = comparison();
  for (; count > 0; --count) node = make(Op::logical_not, nodes(std::move(node)));
  return node;
}

ExprPtr Parser::comparison() {
  static constexpr std::pair<std::string_view, Compare> kSymbols[] = {{"==", Compare::eq}, {"!=", Compare::ne},
                                                                      {"<", Compare::lt},  {"<=", Compare::le},
                                                                      {">", Compare::gt},  {">=", Compare::ge}};
  ExprPtr first = arithmetic(0);
  std::vector<Compare> ops;
  std::vector<ExprPtr> items;
  for (;;) {
    const auto* known = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                     [&](const auto& symbol) { return is_symbol(symbol.first); });
    if (known != std::end(kSymbols)) {
      take();
      ops.push_back(known->second);
    } else if (accept_name("in")) {
      ops.push_back(Compare::in);
    } else if (is_name("not") && ahead(1).token == Token::name && ahead(1).text == "in") {
      take();
      take();
      ops.push_back(Compare::not_in);
    } else {
      break;
    }
    items.push_back(arithmetic(0));
  }
  if (ops.empty()) return first;
  items.insert(items.begin(), std::move(first));
  ExprPtr node = make(Op::compare, std::move(items));
  node->ops = std::move(ops);
  return node;
}

// Levels: + -, then ~, then * / // %, then **; all from left to right, as Jinja has them.
ExprPtr Parser::arithmetic(int level) {
  static constexpr std::pair<std::string_view, Op> kLevels[4][4] = {
      {{"+", Op::add}, {"-", Op::subtract}, {}, {}},
      {{"~", Op::concat}, {}, {}, {}},
      {{"*", Op::multiply}, {"/", Op::divide}, {"//", Op::floor_divide}, {"%", Op::modulo}},
      {{"**", Op::power}, {}, {}, {}}};
  if (level == 4) return unary(true);
  ExprPtr node = arithmetic(level + 1);
  for (;;) {
    const auto* known = std::find_if(std::begin(kLevels[level]), std::end(kLevels[level]), [&](const auto& symbol) {
      return !symbol.first.empty() && is_symbol(symbol.first);
    });
    if (known == std::end(kLevels[level])) return node;
    take();
    ExprPtr right = arithmetic(level + 1);
    if (known->second == Op::concat && node->op == Op::concat) {
      node->items.push_back(std::move(right));
      measure(*node);
    } else {
      node = make(known->second, nodes(std::move(node), std::move(right)));
    }
  }
}

ExprPtr Parser::unary(bool with_filters) {
  ExprPtr node;
  if (is_symbol("-") || is_symbol("+")) {
    const Nest nest(*this);
    const Op op = take().text == "-" ? Op::negate : Op::plus;
    node = unary(false);
    node = make(op, nodes(std::move(node)));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters(std::move(node)) : std::move(node);
}

ExprPtr Parser::primary() {
  const Lexeme token = now();
  if (token.token == Token::name) {
    take();
    ExprPtr node = make(Op::constant);
    if (token.text == "true" || token.text == "True") {
      node->value = Value::boolean(true);
    } else if (token.text == "false" || token.text == "False") {
      node->value = Value::boolean(false);
    } else if (token.text == "none" || token.text == "None") {
      node->value = Value::none();
    } else {
      node->op = Op::name;
      node->name = token.text;
    }
    node->line = token.line;
    return node;
  }
  if (token.token == Token::string) {
    std::string text;
    while (now().token == Token::string) text += take().text;
    ExprPtr node = make(Op::constant);
    node->value = Value::string(std::move(text));
    return node;
  }
  if (token.token == Token::integer || token.token == Token::number) {
    take();
    ExprPtr node = make(Op::constant);
    if (token.token == Token::integer) {
      node->value = Value::integer_text(token.text);
    } else {
      double value = 0;
      const auto parsed = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
      const bool small = token.text.find("e-") != std::string::npos || token.text.find("E-") != std::string::npos;
      if (parsed.ec == std::errc::result_out_of_range) value = small ? 0.0 : HUGE_VAL;
      node->value = Value::number(value);
    }
    return node;
  }
  if (accept("(")) {
    ExprPtr node = tuple(true, true);
    expect(")");
    return node;
  }
  if (is_symbol("[")) return list_literal();
  if (is_symbol("{")) return dict_literal();
  refuse(token.token == Token::block_end || token.token == Token::print_end
             ? "Expected an expression, got '" + describe(token) + "'"
             : "unexpected '" + describe(token) + "'");
}

ExprPtr Parser::list_literal() {
  expect("[");
  std::vector<ExprPtr> items;
  while (!is_symbol("]")) {
    items.push_back(expression());
    if (!is_symbol("]")) expect(",");
  }
  expect("]");
  return make(Op::list, std::move(items));
}

ExprPtr Parser::dict_literal() {
  expect("{");
  std::vector<ExprPtr> items;
  while (!is_symbol("}")) {
    items.push_back(expression());
    expect(":");
    items.push_back(expression());
    if (!is_symbol("}")) expect(",");
  }
  expect("}");
  return make(Op::dict, std::move(items));
}

bool Parser::ends_tuple(std::initializer_list<std::string_view> stop_names) const {
  if (now().token == Token::block_end || now().token == Token::print_end || is_symbol(")")) return true;
  return std::any_of(stop_names.begin(), stop_names.end(), [&](std::string_view name) { return is_name(name); });
}

ExprPtr Parser::tuple(bool with_condition, bool empty_allowed, std::initializer_list<std::string_view> stop_names) {
  std::vector<ExprPtr> items;
  bool comma = false;
  while (!ends_tuple(stop_names)) {
    if (!items.empty() && !comma) break;
    items.push_back(expression(with_condition));
    comma = accept(",");
    if (!comma) break;
  }
  if (items.size() == 1 && !comma) return std::move(items[0]);
  if (items.empty() && !empty_allowed) refuse("Expected an expression, got '" + describe(now()) + "'");
  return make(Op::tuple, std::move(items));
}

ExprPtr Parser::postfix(ExprPtr node) {
  for (;;) {
    if (is_symbol(".") || is_symbol("[")) {
      node = subscript(std::move(node));
    } else if (is_symbol("(")) {
      node = make(Op::call, nodes(std::move(node)));
      arguments(node->args);
      measure(*node);
    } else {
      return node;
    }
  }
}

ExprPtr Parser::filters(ExprPtr node) {
  for (;;) {
    if (is_symbol("|")) {
      node = filter(std::move(node));
    } else if (is_name("is")) {
      node = test(std::move(node));
    } else if (is_symbol("(")) {
      node = make(Op::call, nodes(std::move(node)));
      arguments(node->args);
      measure(*node);
    } else {
      return node;
    }
  }
}

ExprPtr Parser::subscript(ExprPtr node) {
  if (accept(".")) {
    if (now().token == Token::integer) {
      ExprPtr index = make(Op::constant);
      index->value = Value::integer_text(take().text);
      return make(Op::item, nodes(std::move(node), std::move(index)));
    }
    std::string name = expect_name();
    node = make(Op::attribute, nodes(std::move(node)));
    node->name = std::move(name);
    return node;
  }
  expect("[");
  node = slice_part(std::move(node));
  expect("]");
  return node;
}

ExprPtr Parser::slice_part(ExprPtr node) {
  if (is_symbol("]")) refuse("Expected subscript expression");
  ExprPtr parts[3];
  std::size_t part = 0;
  bool slice = false;
  while (!is_symbol("]")) {
    if (accept(":")) {
      slice = true;
      if (++part > 2) refuse("unexpected ':'");
    } else {
      if (parts[part]) refuse("expected token ']', got '" + describe(now()) + "'");
      parts[part] = expression();
    }
  }
  if (!slice) return make(Op::item, nodes(std::move(node), std::move(parts[0])));
  return make(Op::slice, nodes(std::move(node), std::move(parts[0]), std::move(parts[1]), std::move(parts[2])));
}

ExprPtr Parser::filter(ExprPtr node) {
  expect("|");
  std::string name = expect_name();
  node = make(Op::filter, nodes(std::move(node)));
  node->name = std::move(name);
  if (is_symbol("(")) arguments(node->args);
  measure(*node);
  return node;
}

ExprPtr Parser::test(ExprPtr node) {
  take();  // is
  const bool negated = accept_name("not");
  std::string name = expect_name();
  node = make(Op::test, nodes(std::move(node)));
  node->name = std::move(name);
  const Token next = now().token;
  const bool literal =
      next == Token::string || next == Token::integer || next == Token::number || is_symbol("[") || is_symbol("{");
  if (is_symbol("(")) {
    arguments(node->args);
  } else if (literal || (next == Token::name && !is_name("else") && !is_name("or") && !is_name("and") &&
                         !is_name("if") && !is_name("recursive") && !is_name("in") && !is_name("not"))) {
    if (is_name("is")) refuse("You cannot chain multiple tests with is");
    Argument argument;
    argument.value = postfix(primary());
    node->args.push_back(std::move(argument));
  }
  measure(*node);
  if (negated) node = make(Op::logical_not, nodes(std::move(node)));
  return node;
}

void Parser::arguments(std::vector<Argument>& out) {
  expect("(");
  while (!is_symbol(")")) {
    Argument argument;
    if (accept("**")) {
      argument.form = Argument::Form::spread_named;
    } else if (accept("*")) {
      argument.form = Argument::Form::spread;
    } else if (now().token == Token::name && ahead(1).token == Token::symbol && ahead(1).text == "=") {
      argument.form = Argument::Form::named;
      argument.name = take().text;
      take();
    }
    argument.value = expression();
    out.push_back(std::move(argument));
    if (!is_symbol(")")) expect(",");
  }
  expect(")");
}

}  // namespace moe::text::jinja
