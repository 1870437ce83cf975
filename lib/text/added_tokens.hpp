// Added tokens: entries that are cut out of the text before the pre-tokeniser sees it. Immutable after build.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moe::text {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;
  bool lstrip = false, rstrip = false;  // eats the white space beside it
  bool single_word = false;             // only where no word character touches it
};

// A piece of text, or one token (id >= 0).
struct Segment {
  std::size_t begin, end;
  std::int32_t id;
};

// Which special tokens of a text may become tokens.
class SpecialRule {
 public:
  static SpecialRule all() { return SpecialRule(true, nullptr); }
  static SpecialRule none() { return SpecialRule(false, nullptr); }
  // Only where no byte comes from the request; one flag a byte, which must outlive the rule.
  static SpecialRule outside(const std::vector<bool>& from_request) { return SpecialRule(true, &from_request); }

  bool by_place() const { return from_request_ != nullptr; }
  bool allows(std::size_t begin, std::size_t end) const;
  // The same rule for a text that begins at `offset` of the present one.
  SpecialRule at(std::size_t offset) const {
    SpecialRule rule = *this;
    rule.offset_ += offset;
    return rule;
  }

 private:
  SpecialRule(bool allow, const std::vector<bool>* from_request) : allow_(allow), from_request_(from_request) {}
  bool allow_;
  const std::vector<bool>* from_request_;
  std::size_t offset_ = 0;
};

// One set of patterns; the leftmost match wins, of those the longest.
class AddedTokens {
 public:
  // `token` must stay where it is. The first of two equal patterns stands.
  void add(std::string pattern, const AddedToken* token);
  void build();  // after the last add
  bool empty() const { return entries_.empty(); }
  void split(std::string_view text, const SpecialRule& rule, std::vector<Segment>& out) const;

 private:
  struct Entry {
    std::string pattern;
    const AddedToken* token;
  };
  const Entry* longest_at(std::string_view text, std::size_t pos, const SpecialRule& rule) const;

  std::vector<Entry> entries_;              // sorted by pattern
  std::array<std::uint32_t, 257> first_{};  // range of entries by first byte
};

}  // namespace moe::text
