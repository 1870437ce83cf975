#include "text/added_tokens.hpp"

#include <algorithm>

#include "text/unicode.hpp"

namespace moe::text {
namespace {

bool word_before(std::string_view text, std::size_t end) {
  const CodePoint point = decode_utf8_before(text, end);
  return point.size > 0 && is_word(point.value);
}

bool word_after(std::string_view text, std::size_t pos) {
  return pos < text.size() && is_word(decode_utf8(text, pos).value);
}

std::size_t skip_space_before(std::string_view text, std::size_t end) {
  while (end > 0) {
    const CodePoint point = decode_utf8_before(text, end);
    if (!is_white_space(point.value)) break;
    end -= point.size;
  }
  return end;
}

std::size_t skip_space_after(std::string_view text, std::size_t pos) {
  while (pos < text.size()) {
    const CodePoint point = decode_utf8(text, pos);
    if (!is_white_space(point.value)) break;
    pos += point.size;
  }
  return pos;
}

}  // namespace

bool SpecialRule::allows(std::size_t begin, std::size_t end) const {
  if (from_request_ == nullptr) return allow_;
  for (std::size_t i = offset_ + begin; i < offset_ + end; ++i) {
    if (i < from_request_->size() && (*from_request_)[i]) return false;
  }
  return true;
}

void AddedTokens::add(std::string pattern, const AddedToken* token) {
  if (!pattern.empty()) entries_.push_back({std::move(pattern), token});
}

void AddedTokens::build() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.pattern < b.pattern; });
  const auto last = std::unique(entries_.begin(), entries_.end(),
                                [](const Entry& a, const Entry& b) { return a.pattern == b.pattern; });
  entries_.erase(last, entries_.end());
  std::size_t at = 0;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    first_[byte] = static_cast<std::uint32_t>(at);
    while (at < entries_.size() && static_cast<unsigned char>(entries_[at].pattern[0]) == byte) ++at;
  }
  first_[256] = static_cast<std::uint32_t>(at);
}

// Narrows the sorted range byte by byte. An entry that ends here is the first of its range.
const AddedTokens::Entry* AddedTokens::longest_at(std::string_view text, std::size_t pos,
                                                  const SpecialRule& rule) const {
  const auto byte = static_cast<unsigned char>(text[pos]);
  std::size_t low = first_[byte], high = first_[byte + 1];
  const Entry* best = nullptr;
  for (std::size_t depth = 1; low < high; ++depth) {
    const Entry& first = entries_[low];
    if (first.pattern.size() == depth) {
      const bool blocked = rule.by_place() && first.token->special && !rule.allows(pos, pos + depth);
      if (!blocked) best = &first;
      if (++low == high) break;
    }
    if (pos + depth >= text.size()) break;
    const auto next = static_cast<unsigned char>(text[pos + depth]);
    const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(low);
    const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(high);
    const auto lower = std::partition_point(
        begin, end, [&](const Entry& e) { return static_cast<unsigned char>(e.pattern[depth]) < next; });
    const auto upper = std::partition_point(
        lower, end, [&](const Entry& e) { return static_cast<unsigned char>(e.pattern[depth]) == next; });
    low = static_cast<std::size_t>(lower - entries_.begin());
    high = static_cast<std::size_t>(upper - entries_.begin());
  }
  return best;
}

void AddedTokens::split(std::string_view text, const SpecialRule& rule, std::vector<Segment>& out) const {
  std::size_t done = 0;  // everything before is in `out`
  for (std::size_t pos = 0; pos < text.size() && !entries_.empty();) {
    const Entry* entry = longest_at(text, pos, rule);
    if (entry == nullptr) {
      ++pos;
      continue;
    }
    std::size_t begin = pos, end = pos + entry->pattern.size();
    pos = end;  // also a refused match has taken its text
    const AddedToken& token = *entry->token;
    if (token.special && !rule.by_place() && !rule.allows(begin, end)) continue;
    if (token.single_word && (word_before(text, begin) || word_after(text, end))) continue;
    if (token.lstrip) begin = std::max(skip_space_before(text, begin), done);
    if (token.rstrip) end = skip_space_after(text, end);
    if (done < begin) out.push_back({done, begin, -1});
    // A token whose text was eaten as white space of the one before is still one, unless nothing at all is left of it.
    if (begin < end) out.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({done, text.size(), -1});
}

}  // namespace moe::text
