// Template source to tokens: text between tags, and the tokens inside of tags, with Jinja's white-space rules
// (trim_blocks, lstrip_blocks, the signs - and +).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moe::text::jinja {

enum class Token : unsigned char {
  text,         // outside of tags
  block_begin,  // {%
  block_end,
  print_begin,  // {{
  print_end,
  name,
  integer,
  number,
  string,
  symbol,  // an operator or bracket, spelled in `text`
  end,
};

struct Lexeme {
  Token token;
  std::string text;
  int line;
};

// Throws Error (TemplateSyntaxError).
std::vector<Lexeme> tokenize(std::string_view source);

}  // namespace moe::text::jinja
