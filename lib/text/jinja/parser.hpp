// Recursive-descent parser over the tokens of a template. Expressions in parser_expr.cpp, statements in
// parser_stmt.cpp.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "text/jinja/ast.hpp"
#include "text/jinja/lexer.hpp"

namespace moe::text::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Lexeme> tokens) : tokens_(std::move(tokens)) {}
  Body parse();

 private:
  // Tokens.
  const Lexeme& now() const { return tokens_[at_]; }
  const Lexeme& ahead(std::size_t by) const { return tokens_[std::min(at_ + by, tokens_.size() - 1)]; }
  Lexeme take();
  bool is_symbol(std::string_view symbol) const { return now().token == Token::symbol && now().text == symbol; }
  bool is_name(std::string_view name) const { return now().token == Token::name && now().text == name; }
  bool accept(std::string_view symbol);
  bool accept_name(std::string_view name);
  void expect(std::string_view symbol);
  std::string expect_name();
  [[noreturn]] void refuse(std::string message) const;
  std::string describe(const Lexeme& token) const;

  // Expressions, loosest first.
  ExprPtr expression(bool with_condition = true);
  ExprPtr logical_or();
  ExprPtr logical_and();
  ExprPtr logical_not();
  ExprPtr comparison();
  ExprPtr arithmetic(int level);
  ExprPtr unary(bool with_filters);
  ExprPtr primary();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr slice_part(ExprPtr node);
  ExprPtr filter(ExprPtr node);
  ExprPtr test(ExprPtr node);
  ExprPtr list_literal();
  ExprPtr dict_literal();
  // One expression, or a tuple if a comma follows. `empty_allowed`: "()" is the empty tuple.
  ExprPtr tuple(bool with_condition, bool empty_allowed, std::initializer_list<std::string_view> stop_names = {});
  bool ends_tuple(std::initializer_list<std::string_view> stop_names) const;
  void arguments(std::vector<Argument>& out);
  ExprPtr make(Op op, std::vector<ExprPtr> items = {});
  void measure(Expr& node) const;

  // Statements.
  Body body(std::initializer_list<std::string_view> ends);
  std::unique_ptr<Stmt> statement();
  std::unique_ptr<Stmt> make_stmt(Do kind);
  void block_end();
  void end_tag(std::string_view name);
  void branch(Stmt& out);
  void loop(Stmt& out);
  void assign(Stmt& out);
  void macro(Stmt& out);
  void call(Stmt& out);
  void with(Stmt& out);
  void signature(std::vector<Param>& out);
  Target target(bool with_attribute);
  Target one_target(bool with_attribute);

  // Counts nesting while it lives; refuses what is too deep for the stack.
  class Nest {
   public:
    explicit Nest(Parser& parser);
    ~Nest() { --parser_.nesting_; }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    Parser& parser_;
  };

  std::vector<Lexeme> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  std::vector<std::string> open_;  // tags that wait for an end, innermost last
};

}  // namespace moe::text::jinja
