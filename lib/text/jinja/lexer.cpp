#include "text/jinja/lexer.hpp"

#include <algorithm>

#include "text/jinja/value.hpp"
#include "text/unicode.hpp"

namespace moe::text::jinja {
namespace {

constexpr std::size_t kMaxTokens = 1000000;

// CRLF and CR become LF; the last newline of a template goes.
std::string normalize_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::size_t skip_space(std::string_view text, std::size_t pos) {
  while (pos < text.size()) {
    const CodePoint point = decode_utf8(text, pos);
    if (!is_space(point.value)) break;
    pos += point.size;
  }
  return pos;
}

std::string_view strip_end(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_utf8_before(text, text.size());
    if (!is_space(point.value)) break;
    text.remove_suffix(point.size);
  }
  return text;
}

bool is_name_start(char32_t point) { return point == '_' || (is_word(point) && !is_numeric(point)); }

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Lexeme> run() {
    while (pos_ < source_.size()) outside();
    emit(Token::end, "");
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string message) const {
    throw Error{"TemplateSyntaxError", std::move(message), line()};
  }

  int line() const { return line_; }

  void advance(std::size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    pos_ = to;
  }

  void emit(Token token, std::string text) {
    if (out_.size() >= kMaxTokens) refuse("template is too long");
    out_.push_back({token, std::move(text), line()});
  }

  bool at(std::string_view text) const { return std::string_view(source_).substr(pos_, text.size()) == text; }

  // Text up to the next tag, then the tag.
  void outside() {
    std::size_t open = pos_;
    for (;; ++open) {
      open = source_.find('{', open);
      if (open == std::string::npos || open + 1 >= source_.size()) {
        emit(Token::text, source_.substr(pos_));
        return advance(source_.size());
      }
      if (std::string_view("{%#").find(source_[open + 1]) != std::string_view::npos) break;
    }
    const char kind = source_[open + 1];
    const char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
    const std::string_view text = before_tag(std::string_view(source_).substr(pos_, open - pos_), kind, sign);
    if (!text.empty()) emit(Token::text, std::string(text));
    advance(open + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#') return comment();
    if (kind == '%' && raw_tag()) return;
    emit(kind == '%' ? Token::block_begin : Token::print_begin, "");
    inside(kind == '%' ? "%}" : "}}");
  }

  // White space in front of a tag that its sign or lstrip_blocks removes.
  std::string_view before_tag(std::string_view text, char kind, char sign) const {
    if (sign == '-') return strip_end(text);
    if (sign == '+' || kind == '{') return text;
    const std::size_t start = text.rfind('\n') + 1;
    if ((start > 0 || line_starting_) && skip_space(text, start) == text.size()) return text.substr(0, start);
    return text;
  }

  void after_tag(std::size_t end, char sign, bool trim_newline) {
    std::size_t next = end;
    if (sign == '-') {
      next = skip_space(source_, end);
    } else if (sign != '+' && trim_newline && end < source_.size() && source_[end] == '\n') {
      ++next;
    }
    line_starting_ = source_[next - 1] == '\n';
    advance(next);
  }

  void comment() {
    const std::size_t close = source_.find("#}", pos_);
    if (close == std::string::npos) refuse("Missing end of comment tag");
    const char sign = close > pos_ ? source_[close - 1] : '\0';
    after_tag(close + 2, sign, true);
  }

  // At "raw %}": emits everything up to endraw as text.
  bool raw_tag() {
    std::size_t pos = skip_space(source_, pos_);
    if (source_.compare(pos, 3, "raw") != 0) return false;
    pos = skip_space(source_, pos + 3);
    const bool strip = pos < source_.size() && source_[pos] == '-';
    if (strip) ++pos;
    if (source_.compare(pos, 2, "%}") != 0) return false;
    std::size_t begin = pos + 2;
    if (strip) begin = skip_space(source_, begin);
    for (std::size_t open = begin;; ++open) {
      open = source_.find("{%", open);
      if (open == std::string::npos) refuse("Missing end of raw directive");
      std::size_t name = open + 2;
      const char sign = name < source_.size() ? source_[name] : '\0';
      if (sign == '-' || sign == '+') ++name;
      name = skip_space(source_, name);
      if (source_.compare(name, 6, "endraw") != 0) continue;
      std::size_t close = skip_space(source_, name + 6);
      const char end_sign = close < source_.size() ? source_[close] : '\0';
      if (end_sign == '-' || end_sign == '+') ++close;
      if (source_.compare(close, 2, "%}") != 0) continue;
      line_starting_ = false;
      const auto text = before_tag(std::string_view(source_).substr(begin, open - begin), '%', sign);
      emit(Token::text, std::string(text));
      after_tag(close + 2, end_sign, true);
      return true;
    }
  }

  // Tokens of a tag up to its end.
  void inside(std::string_view close) {
    std::string brackets;
    for (;;) {
      advance(skip_space(source_, pos_));
      if (pos_ >= source_.size()) refuse("unexpected 'end of template'");
      if (brackets.empty() && tag_end(close)) return;
      one(brackets);
    }
  }

  bool tag_end(std::string_view close) {
    const char sign = source_[pos_];
    const bool signed_end =
        (sign == '-' || (sign == '+' && close == "%}")) && std::string_view(source_).substr(pos_ + 1, 2) == close;
    if (!signed_end && !at(close)) return false;
    emit(close == "%}" ? Token::block_end : Token::print_end, "");
    after_tag(pos_ + (signed_end ? 3 : 2), signed_end ? sign : '\0', close == "%}");
    return true;
  }

  void one(std::string& brackets) {
    const CodePoint point = decode_utf8(source_, pos_);
    if (is_name_start(point.value)) return name();
    if (point.value >= '0' && point.value <= '9') return number();
    if (point.value == '\'' || point.value == '"') return string();
    static constexpr std::string_view kSymbols[] = {"//", "**", "==", "!=", "<=", ">=", "+", "-", "*",
                                                    "/",  "%",  "~",  "<",  ">",  "=",  ".", ":", "|",
                                                    ",",  ";",  "(",  ")",  "[",  "]",  "{", "}"};
    for (std::string_view symbol : kSymbols) {
      if (!at(symbol)) continue;
      bracket(symbol, brackets);
      emit(Token::symbol, std::string(symbol));
      return advance(pos_ + symbol.size());
    }
    refuse("unexpected char " + to_repr(Value::string(source_.substr(pos_, point.size))).text() + " at " +
           std::to_string(pos_));
  }

  void bracket(std::string_view symbol, std::string& brackets) const {
    const std::size_t open = std::string_view("([{").find(symbol);
    const std::size_t close = std::string_view(")]}").find(symbol);
    if (symbol.size() != 1) return;
    if (open != std::string_view::npos) brackets += ")]}"[open];
    if (close == std::string_view::npos) return;
    if (brackets.empty()) refuse("unexpected '" + std::string(symbol) + "'");
    if (brackets.back() != symbol[0]) {
      refuse("unexpected '" + std::string(symbol) + "', expected '" + brackets.back() + "'");
    }
    brackets.pop_back();
  }

  void name() {
    std::size_t end = pos_;
    while (end < source_.size()) {
      const CodePoint point = decode_utf8(source_, end);
      if (!is_word(point.value)) break;
      end += point.size;
    }
    emit(Token::name, source_.substr(pos_, end - pos_));
    advance(end);
  }

  std::size_t digits(std::size_t pos) const {
    while (pos < source_.size() &&
           ((source_[pos] >= '0' && source_[pos] <= '9') ||
            (source_[pos] == '_' && pos + 1 < source_.size() && source_[pos + 1] >= '0' && source_[pos + 1] <= '9'))) {
      ++pos;
    }
    return pos;
  }

  bool digit_at(std::size_t pos) const { return pos < source_.size() && source_[pos] >= '0' && source_[pos] <= '9'; }

  void number() {
    std::size_t end = digits(pos_);
    Token token = Token::integer;
    if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      end = digits(end + 1);
      token = Token::number;
    }
    if (end < source_.size() && (source_[end] | 0x20) == 'e') {
      std::size_t power = end + 1;
      if (power < source_.size() && (source_[power] == '+' || source_[power] == '-')) ++power;
      if (digit_at(power)) {
        end = digits(power);
        token = Token::number;
      }
    }
    std::string text = source_.substr(pos_, end - pos_);
    std::erase(text, '_');
    emit(token, std::move(text));
    advance(end);
  }

  void string() {
    const char quote = source_[pos_];
    std::size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size())
      refuse("unexpected char " + to_repr(Value::string(std::string(1, quote))).text() + " at " + std::to_string(pos_));
    emit(Token::string, unescape(std::string_view(source_).substr(pos_ + 1, end - pos_ - 1)));
    advance(end + 1);
  }

  std::string unescape(std::string_view text) const {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 >= text.size()) {
        out += text[i];
        continue;
      }
      const char kind = text[++i];
      static constexpr std::string_view kFrom = "ntr\\'\"abfv0", kTo("\n\t\r\\'\"\a\b\f\v\0", 11);
      if (const std::size_t known = kFrom.find(kind); known != std::string_view::npos) {
        out += kTo[known];
      } else if (kind == 'x' || kind == 'u' || kind == 'U') {
        const std::size_t width = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
        append_utf8(out, hex(text.substr(i + 1, width), width));
        i += width;
      } else if (kind != '\n') {  // a backslash at the end of a line joins it with the next
        out += '\\';
        out += kind;
      }
    }
    return out;
  }

  char32_t hex(std::string_view digits, std::size_t width) const {
    char32_t value = 0;
    for (char c : digits) {
      const int digit = c >= '0' && c <= '9'                     ? c - '0'
                        : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                 : -1;
      if (digit < 0) refuse("invalid escape in a string");
      value = value * 16 + static_cast<char32_t>(digit);
    }
    if (digits.size() != width || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      refuse("invalid escape in a string");
    }
    return value;
  }

  std::string source_;
  std::size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Lexeme> out_;
};

}  // namespace

std::vector<Lexeme> tokenize(std::string_view source) { return Lexer(normalize_lines(source)).run(); }

}  // namespace moe::text::jinja
