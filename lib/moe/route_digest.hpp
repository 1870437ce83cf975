// A 32-byte proof of what the router did with one sequence: equal digests mean that every position chose the same
// experts in every layer. Owned by the sequence's step thread; copyable, so that choices of one prompt fork it.
//
// Byte format. The experts of the positions 16 i .. 16 i + 15 form block i: position after position, in it layer after
// layer (only layers that have a router), in it the chosen expert ids in ascending order, each as u16 little-endian.
//   D[i]   = SHA-256 of block i (the last one may hold fewer positions)
//   digest = HMAC-SHA-256(route key, D[0] || D[1] || ...)
// Covered is every position whose forward pass ran. D[i] depends on the block alone, so that it can be kept beside the
// KV block of the same 16 positions: a prefix restored from there gives the digest of a cold run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/digest.hpp"

namespace moe {

class RouteDigest {
 public:
  static constexpr std::size_t kBlockTokens = 16;

  // The experts of one position in one layer, in any order. Positions ascend from 0 without a gap, and inside a
  // position the calls come layer by layer: the order of the calls is part of the digest.
  void add(std::uint64_t position, std::span<const std::int32_t> experts);

  // Digest of a whole block, once it is complete (all its positions and layers were added): what to keep beside a KV
  // block. The block is complete when a later position was added or close_block() was called.
  std::span<const Digest> blocks() const { return blocks_; }
  // Ends the block whose last position was just added; without it the next add() or finish() does.
  void close_block();
  // Appends the kept digest of a restored block; precondition: no open block.
  void restore_block(const Digest& block);

  // Digest so far under `route_key`; more may be added afterwards. The plain C ABI uses the zero key.
  Digest finish(const std::array<std::uint8_t, 32>& route_key = {}) const;

 private:
  std::vector<Digest> blocks_;
  Sha256 open_;
  std::uint64_t open_block_ = 0;  // index of the block that open_ holds
  bool is_open_ = false;
  std::vector<std::uint16_t> ids_;  // scratch of add()
};

}  // namespace moe
