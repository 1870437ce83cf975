#include <algorithm>
#include <vector>

#include "text/regex.hpp"

namespace moe::text {
namespace {

// White space as the source syntax has it: unlike PCRE2's \s without U+180E.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::size_t kMaxPattern = 64 * 1024;

Status refuse(std::string what) { return {Code::unsupported, "pattern: " + std::move(what)}; }

class Translator {
 public:
  explicit Translator(std::string_view in) : in_(in) {}

  Result<std::string> run() {
    if (in_.size() > kMaxPattern) return refuse("longer than 64 KiB");
    std::string out;
    while (pos_ < in_.size()) {
      Status status = in_[pos_] == '[' ? character_class(out) : outside(out);
      if (!status.ok()) return status;
    }
    return out;
  }

 private:
  Status outside(std::string& out) {
    if (in_[pos_] != '\\') {
      out += in_[pos_++];
      return {};
    }
    if (pos_ + 1 >= in_.size()) return refuse("ends in a backslash");
    const char kind = in_[pos_ + 1];
    if (kind == 's' || kind == 'S') {
      out += (kind == 's' ? "[" : "[^") + std::string(kSpaces) + "]";
      pos_ += 2;
      return {};
    }
    return escape(out);
  }

  // An escape that means the same inside and outside of a class.
  Status escape(std::string& out) {
    const char kind = in_[pos_ + 1];
    if (std::string_view("hHRXKGQEC").find(kind) != std::string_view::npos) {
      return refuse(std::string("escape \\") + kind + " is not supported");
    }
    if (kind == 'p' || kind == 'P') return property(out);
    out.append(in_.substr(pos_, 2));
    pos_ += 2;
    return {};
  }

  // General categories (one or two letters) mean the same; longer names are scripts, which PCRE2 would widen to script
  // extensions.
  Status property(std::string& out) {
    const std::size_t open = pos_ + 2;
    if (open >= in_.size() || in_[open] != '{') {
      if (open >= in_.size()) return refuse("\\p without a name");
      out.append(in_.substr(pos_, 3));
      pos_ += 3;
      return {};
    }
    const std::size_t close = in_.find('}', open);
    if (close == std::string_view::npos) return refuse("\\p{ without an end");
    std::string_view name = in_.substr(open + 1, close - open - 1);
    out.append(in_.substr(pos_, 3));
    if (name.starts_with('^')) {
      out += '^';
      name.remove_prefix(1);
    }
    if (name.size() > 2 && name != "Any") out += "sc:";
    out.append(name);
    out += '}';
    pos_ = close + 1;
    return {};
  }

  // [...] with && inside becomes (?:(?=[first])[second]).
  Status character_class(std::string& out) {
    std::vector<std::string> parts(1);
    ++pos_;
    bool negated = false;
    if (pos_ < in_.size() && in_[pos_] == '^') {
      negated = true;
      ++pos_;
    }
    bool nested = false;
    while (pos_ < in_.size() && in_[pos_] != ']') {
      if (in_.substr(pos_, 2) == "&&") {
        parts.emplace_back();
        nested = false;
        pos_ += 2;
        continue;
      }
      if (in_[pos_] == '[') {
        if (!parts.back().empty() || parts.size() == 1) return refuse("nested character class");
        if (Status status = flat_class(parts.back()); !status.ok()) return status;
        nested = true;
        continue;
      }
      if (nested) return refuse("text after a nested character class");
      if (Status status = member(parts.back()); !status.ok()) return status;
    }
    if (pos_ >= in_.size()) return refuse("character class without an end");
    ++pos_;
    return emit(out, parts, negated);
  }

  static Status emit(std::string& out, const std::vector<std::string>& parts, bool negated) {
    const auto bracket = [](const std::string& part) { return part.starts_with('[') ? part : "[" + part + "]"; };
    if (parts.size() == 1) {
      if (parts[0].empty()) return refuse("empty character class");
      out += (negated ? "[^" : "[") + parts[0] + "]";
      return {};
    }
    if (negated) return refuse("negated class with an intersection");
    out += "(?:";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty()) return refuse("empty part of a class intersection");
      out += i + 1 < parts.size() ? "(?=" + bracket(parts[i]) + ")" : bracket(parts[i]);
    }
    out += ")";
    return {};
  }

  // A class inside of an intersection, brackets included.
  Status flat_class(std::string& out) {
    out += in_[pos_++];
    if (pos_ < in_.size() && in_[pos_] == '^') out += in_[pos_++];
    while (pos_ < in_.size() && in_[pos_] != ']') {
      if (in_[pos_] == '[' || in_.substr(pos_, 2) == "&&") return refuse("character class nested twice");
      if (Status status = member(out); !status.ok()) return status;
    }
    if (pos_ >= in_.size()) return refuse("character class without an end");
    out += in_[pos_++];
    return {};
  }

  Status member(std::string& out) {
    if (in_[pos_] != '\\') {
      out += in_[pos_++];
      return {};
    }
    if (pos_ + 1 >= in_.size()) return refuse("ends in a backslash");
    if (in_[pos_ + 1] == 's') {
      out.append(kSpaces);
      pos_ += 2;
      return {};
    }
    if (in_[pos_ + 1] == 'S') return refuse("\\S inside a character class");
    return escape(out);
  }

  std::string_view in_;
  std::size_t pos_ = 0;
};

}  // namespace

Result<std::string> translate_pattern(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace moe::text
