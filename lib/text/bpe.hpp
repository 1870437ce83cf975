// Byte-pair encoding of one pre-token: the pair with the lowest rank merges first, the leftmost of equals. Immutable
// after build, safe from many threads. n log n in the length of the pre-token.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace moe::text {

class Bpe {
 public:
  static constexpr std::int32_t kNone = -1;

  void reserve(std::size_t merges);
  void set_byte(unsigned char byte, std::int32_t id) { bytes_[byte] = id; }
  // A pair that merges; the first of two equal pairs stands.
  void add_merge(std::int32_t left, std::int32_t right, std::int32_t merged);
  // Entries that win as a whole before any merge (ignore_merges).
  void add_whole(std::string bytes, std::int32_t id) { whole_.emplace(std::move(bytes), id); }
  // Stands for a byte without an entry; kNone drops it.
  void set_unknown(std::int32_t id) { unknown_ = id; }

  void encode(std::string_view piece, std::vector<std::int32_t>& out) const;

  Bpe() { bytes_.fill(kNone); }

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t merged;
  };
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const {
      pair *= 0x9e3779b97f4a7c15u;
      return pair ^ (pair >> 32);
    }
  };
  const Merge* find(std::int32_t left, std::int32_t right) const;
  void merge_short(std::vector<std::int32_t>& symbols) const;
  void merge_long(std::vector<std::int32_t>& symbols) const;

  std::array<std::int32_t, 256> bytes_;
  std::int32_t unknown_ = kNone;
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;
  std::unordered_map<std::string, std::int32_t> whole_;
};

}  // namespace moe::text
