#include <algorithm>

#include "text/jinja/parser.hpp"

namespace moe::text::jinja {

Body parse_template(std::string_view source) { return Parser(tokenize(source)).parse(); }

Body Parser::parse() {
  Body out = body({});
  if (now().token != Token::end) refuse("unexpected '" + describe(now()) + "'");
  return out;
}

std::unique_ptr<Stmt> Parser::make_stmt(Do kind) {
  auto out = std::make_unique<Stmt>();
  out->kind = kind;
  out->line = now().line;
  return out;
}

// Statements until one of the end tags, whose name is then the present token. No ends: until the end of the template.
Body Parser::body(std::initializer_list<std::string_view> ends) {
  const Nest nest(*this);
  Body out;
  for (;;) {
    if (now().token == Token::end) {
      if (ends.size() == 0) break;
      std::string list;
      for (std::string_view end : ends) list += (list.empty() ? "'" : " or '") + std::string(end) + "'";
      refuse("Unexpected end of template. Jinja was looking for the following tags: " + list +
             ". The innermost block that needs to be closed is '" + (open_.empty() ? "" : open_.back()) + "'.");
    }
    if (now().token == Token::text) {
      auto text = make_stmt(Do::text);
      text->text = Str(take().text);
      out.push_back(std::move(text));
    } else if (now().token == Token::print_begin) {
      take();
      auto print = make_stmt(Do::print);
      print->expr = tuple(true, false);
      if (now().token != Token::print_end) {
        refuse("expected token 'end of print statement', got '" + describe(now()) + "'");
      }
      take();
      out.push_back(std::move(print));
    } else {
      take();  // block_begin
      if (now().token != Token::name) refuse("tag name expected");
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return is_name(end); })) break;
      out.push_back(statement());
    }
  }
  return out;
}

void Parser::block_end() {
  if (now().token != Token::block_end) {
    refuse("expected token 'end of statement block', got '" + describe(now()) + "'");
  }
  take();
}

// At the name of an end tag.
void Parser::end_tag(std::string_view name) {
  if (!accept_name(name)) refuse("expected tag '" + std::string(name) + "'");
  open_.pop_back();
}

std::unique_ptr<Stmt> Parser::statement() {
  static constexpr std::pair<std::string_view, Do> kTags[] = {
      {"if", Do::branch},   {"for", Do::loop},          {"set", Do::assign},
      {"macro", Do::macro}, {"call", Do::call},         {"filter", Do::filter},
      {"with", Do::with},   {"autoescape", Do::escape}, {"generation", Do::generation},
      {"break", Do::leave}, {"continue", Do::skip}};
  const auto* known =
      std::find_if(std::begin(kTags), std::end(kTags), [&](const auto& tag) { return is_name(tag.first); });
  if (known == std::end(kTags)) refuse("Encountered unknown tag '" + now().text + "'.");
  auto out = make_stmt(known->second);
  open_.push_back(take().text);
  switch (out->kind) {
    case Do::branch:
      branch(*out);
      break;
    case Do::loop:
      loop(*out);
      break;
    case Do::assign:
      assign(*out);
      break;
    case Do::macro:
      macro(*out);
      break;
    case Do::call:
      call(*out);
      break;
    case Do::with:
      with(*out);
      break;
    case Do::filter:
      --at_;  // the name of the filter stands where a filter's bar would
      tokens_[at_] = {Token::symbol, "|", now().line};
      out->expr = filters(filter(nullptr));
      block_end();
      out->body = body({"endfilter"});
      end_tag("endfilter");
      break;
    case Do::escape:
      out->expr = expression();
      block_end();
      out->body = body({"endautoescape"});
      end_tag("endautoescape");
      break;
    case Do::generation:
      block_end();
      out->body = body({"endgeneration"});
      end_tag("endgeneration");
      break;
    default:
      open_.pop_back();
  }
  block_end();
  return out;
}

void Parser::branch(Stmt& out) {
  for (;;) {
    Branch next;
    next.condition = tuple(false, false);
    block_end();
    next.body = body({"elif", "else", "endif"});
    out.branches.push_back(std::move(next));
    if (!accept_name("elif")) break;
  }
  if (accept_name("else")) {
    block_end();
    out.otherwise = body({"endif"});
  }
  end_tag("endif");
}

void Parser::loop(Stmt& out) {
  if (now().token == Token::block_end) refuse("Expected an expression, got 'end of statement block'");
  out.target = target(false);
  if (!accept_name("in")) refuse("expected token 'in', got '" + describe(now()) + "'");
  out.expr = tuple(false, false, {"recursive"});
  if (accept_name("if")) out.condition = expression();
  out.recursive = accept_name("recursive");
  block_end();
  out.body = body({"endfor", "else"});
  if (accept_name("else")) {
    block_end();
    out.otherwise = body({"endfor"});
  }
  end_tag("endfor");
}

void Parser::assign(Stmt& out) {
  out.target = target(true);
  if (accept("=")) {
    out.expr = tuple(true, false);
    open_.pop_back();
    return;
  }
  out.kind = Do::capture;
  if (is_symbol("|")) out.expr = filters(filter(nullptr));
  block_end();
  out.body = body({"endset"});
  end_tag("endset");
}

void Parser::macro(Stmt& out) {
  out.name = expect_name();
  signature(out.params);
  block_end();
  const std::size_t begin = at_;
  out.body = body({"endmacro"});
  const auto names = [&](std::string_view name) {
    return std::any_of(tokens_.begin() + static_cast<std::ptrdiff_t>(begin),
                       tokens_.begin() + static_cast<std::ptrdiff_t>(at_),
                       [&](const Lexeme& token) { return token.token == Token::name && token.text == name; });
  };
  out.takes_varargs = names("varargs");
  out.takes_kwargs = names("kwargs");
  end_tag("endmacro");
}

void Parser::call(Stmt& out) {
  if (is_symbol("(")) signature(out.params);
  out.expr = expression();
  if (out.expr->op != Op::call) refuse("expected call");
  block_end();
  out.body = body({"endcall"});
  end_tag("endcall");
}

void Parser::with(Stmt& out) {
  while (now().token != Token::block_end) {
    if (!out.bindings.empty()) expect(",");
    Target name = one_target(false);
    expect("=");
    out.bindings.emplace_back(std::move(name), expression());
  }
  block_end();
  out.body = body({"endwith"});
  end_tag("endwith");
}

void Parser::signature(std::vector<Param>& out) {
  expect("(");
  while (!is_symbol(")")) {
    if (!out.empty()) expect(",");
    Param param;
    param.name = expect_name();
    if (accept("=")) {
      param.fallback = expression();
    } else if (!out.empty() && out.back().fallback) {
      refuse("non-default argument follows default argument");
    }
    out.push_back(std::move(param));
  }
  expect(")");
}

Target Parser::target(bool with_attribute) {
  Target first = one_target(with_attribute);
  if (!is_symbol(",")) return first;
  Target out;
  out.items.push_back(std::move(first));
  while (accept(",")) {
    if (is_name("in") || is_symbol("=")) break;
    out.items.push_back(one_target(with_attribute));
  }
  return out;
}

Target Parser::one_target(bool with_attribute) {
  const Nest nest(*this);
  Target out;
  if (accept("(")) {
    out = target(false);
    expect(")");
    return out;
  }
  out.name = expect_name();
  for (std::string_view reserved : {"true", "false", "none", "True", "False", "None"}) {
    if (out.name == reserved) refuse("can't assign to '" + out.name + "'");
  }
  if (with_attribute && accept(".")) out.attribute = expect_name();
  return out;
}

}  // namespace moe::text::jinja
