#include "config/scan.hpp"

#include <cstddef>
#include <string>

#include "config/config.hpp"

namespace moegate::config {
namespace {

constexpr int kMaxDepth = 32;
constexpr int kMaxDots = 32;

class Scanner {
 public:
  Scanner(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  moe::Status run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
        dots_ = 0;
        ++at_;
      } else if (c == '#') {
        skip_comment();
      } else if (c == '"' || c == '\'') {
        skip_string(c);
      } else {
        if (auto status = look(c); !status.ok()) return status;
        ++at_;
      }
    }
    return {};
  }

 private:
  moe::Status look(char c) {
    if (c == '[' || c == '{') {
      if (++depth_ > kMaxDepth) return fail("nested deeper than 32 levels");
    } else if (c == ']' || c == '}') {
      if (depth_ > 0) --depth_;
    } else if (c == '.') {
      if (++dots_ > kMaxDots) return fail("a key of more than 32 dots");
    } else if (c == ',' || c == '=') {
      dots_ = 0;
    } else if (c == '\0') {
      return fail("a NUL byte");
    }
    return {};
  }

  moe::Status fail(std::string_view what) const {
    return moe::invalid(std::string(file_) + ":" + std::to_string(line_) + ": " + std::string(what));
  }

  void skip_comment() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }

  bool triple(char quote, std::size_t at) const {
    return at + 2 < text_.size() && text_[at] == quote && text_[at + 1] == quote && text_[at + 2] == quote;
  }

  // A plain string ends at its line's end at the latest: an unclosed one is the parser's finding, not a way to hide.
  void skip_string(char quote) {
    const bool is_long = triple(quote, at_);
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') {
        at_ += 2;
        continue;
      }
      if (c == '\n') {
        if (!is_long) return;
        ++line_;
      }
      if (c == quote && (!is_long || triple(quote, at_))) {
        at_ += is_long ? 3 : 1;
        return;
      }
      ++at_;
    }
  }

  std::string_view text_, file_;
  std::size_t at_ = 0;
  int line_ = 1, depth_ = 0, dots_ = 0;
};

}  // namespace

moe::Status scan_toml(std::string_view text, std::string_view file) {
  if (text.size() > kMaxConfigBytes) return moe::invalid(std::string(file) + ":1: larger than 256 KiB");
  return Scanner(text, file).run();
}

}  // namespace moegate::config
