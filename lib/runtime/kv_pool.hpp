// KV blocks of one engine: fixed number, reference counted, handed out and taken back by number. Used by the loop
// thread only. A release of a block that nobody holds is refused and counted: it would give one tenant another's keys.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "core/status.hpp"
#include "model/decoder.hpp"

namespace moe::runtime {

class KvPool {
 public:
  // RESOURCE_EXHAUSTED names the sum.
  static Result<KvPool> create(const model::KvLayout& layout, std::size_t num_blocks);

  std::size_t total() const { return references_.size(); }
  std::size_t used() const { return references_.size() - free_.size(); }
  std::size_t available() const { return free_.size(); }
  // Appends `count` blocks with one reference each, or nothing and false.
  bool acquire(std::size_t count, std::vector<std::uint32_t>& out);
  Status retain(std::uint32_t block);
  // INTERNAL if the block is free already.
  Status release(std::uint32_t block);
  std::uint64_t misuses() const { return misuses_; }

  float* data(std::uint32_t block) { return static_cast<float*>(memory_.data()) + block * floats_per_block_; }
  // Copies a whole block.
  void copy(std::uint32_t from, std::uint32_t to);
  std::uint64_t bytes() const { return memory_.size(); }
  void drop_memory() { memory_ = {}; }  // in a forked child

 private:
  KvPool() = default;

  base::AlignedMemory memory_;
  std::size_t floats_per_block_ = 0;
  std::vector<std::uint32_t> references_;
  std::vector<std::uint32_t> free_;  // taken from the back
  std::uint64_t misuses_ = 0;
};

}  // namespace moe::runtime
