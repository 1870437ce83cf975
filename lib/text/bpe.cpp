#include "text/bpe.hpp"

#include <algorithm>
#include <queue>
#include <tuple>

namespace moe::text {
namespace {

constexpr std::size_t kShort = 32;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
}

}  // namespace

void Bpe::reserve(std::size_t merges) { merges_.reserve(merges); }

void Bpe::add_merge(std::int32_t left, std::int32_t right, std::int32_t merged) {
  const auto rank = static_cast<std::uint32_t>(merges_.size());
  merges_.try_emplace(pair_key(left, right), Merge{rank, merged});
}

const Bpe::Merge* Bpe::find(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::encode(std::string_view piece, std::vector<std::int32_t>& out) const {
  if (!whole_.empty()) {
    if (const auto found = whole_.find(std::string(piece)); found != whole_.end()) {
      out.push_back(found->second);
      return;
    }
  }
  std::vector<std::int32_t> symbols;
  symbols.reserve(piece.size());
  for (char c : piece) {
    const std::int32_t id = bytes_[static_cast<unsigned char>(c)];
    if (id != kNone) {
      symbols.push_back(id);
    } else if (unknown_ != kNone) {
      symbols.push_back(unknown_);
    }
  }
  if (symbols.size() <= kShort) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
  out.insert(out.end(), symbols.begin(), symbols.end());
}

void Bpe::merge_short(std::vector<std::int32_t>& symbols) const {
  while (symbols.size() > 1) {
    const Merge* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge* merge = find(symbols[i], symbols[i + 1]);
      if (merge != nullptr && (best == nullptr || merge->rank < best->rank)) {
        best = merge;
        at = i;
      }
    }
    if (best == nullptr) return;
    symbols[at] = best->merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// A linked list of symbols and a heap of candidate pairs; stale candidates are recognised by the ids they were made
// from.
void Bpe::merge_long(std::vector<std::int32_t>& symbols) const {
  const auto count = static_cast<std::uint32_t>(symbols.size());
  constexpr std::uint32_t kEnd = UINT32_MAX;
  std::vector<std::uint32_t> next(count), previous(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1 < count ? i + 1 : kEnd;
    previous[i] = i > 0 ? i - 1 : kEnd;
  }
  struct Candidate {
    std::uint32_t rank, at;
    std::int32_t left, right, merged;
    bool operator<(const Candidate& other) const { return std::tie(rank, at) > std::tie(other.rank, other.at); }
  };
  std::vector<Candidate> heap;
  const auto candidate = [&](std::uint32_t at, Candidate& out) {
    if (at == kEnd || next[at] == kEnd) return false;
    const Merge* merge = find(symbols[at], symbols[next[at]]);
    if (merge == nullptr) return false;
    out = {merge->rank, at, symbols[at], symbols[next[at]], merge->merged};
    return true;
  };
  heap.reserve(count);
  Candidate made{};
  for (std::uint32_t i = 0; i < count; ++i) {
    if (candidate(i, made)) heap.push_back(made);
  }
  std::make_heap(heap.begin(), heap.end());
  const auto push = [&](std::uint32_t at) {
    if (!candidate(at, made)) return;
    heap.push_back(made);
    std::push_heap(heap.begin(), heap.end());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate best = heap.back();
    heap.pop_back();
    if (symbols[best.at] != best.left || next[best.at] == kEnd || symbols[next[best.at]] != best.right) continue;
    const std::uint32_t gone = next[best.at];
    symbols[best.at] = best.merged;
    symbols[gone] = kNone;
    next[best.at] = next[gone];
    if (next[gone] != kEnd) previous[next[gone]] = best.at;
    next[gone] = kEnd;
    push(best.at);
    push(previous[best.at]);
  }
  std::erase(symbols, kNone);
}

}  // namespace moe::text
