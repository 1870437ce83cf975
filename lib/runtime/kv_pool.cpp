#include "runtime/kv_pool.hpp"

#include <cstring>
#include <string>

namespace moe::runtime {

Result<KvPool> KvPool::create(const model::KvLayout& layout, std::size_t num_blocks) {
  KvPool pool;
  pool.floats_per_block_ = layout.floats_per_block();
  auto memory = base::AlignedMemory::allocate(num_blocks * pool.floats_per_block_ * sizeof(float));
  if (!memory.ok()) {
    return memory.status().with_context("KV cache of " + std::to_string(num_blocks) + " blocks, " +
                                        std::to_string(num_blocks * pool.floats_per_block_ * sizeof(float)) + " bytes");
  }
  pool.memory_ = std::move(*memory);
  pool.references_.assign(num_blocks, 0);
  pool.free_.reserve(num_blocks);
  for (std::size_t block = num_blocks; block > 0; --block) {
    pool.free_.push_back(static_cast<std::uint32_t>(block - 1));
  }
  return pool;
}

bool KvPool::acquire(std::size_t count, std::vector<std::uint32_t>& out) {
  if (count > free_.size()) {
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    references_[free_.back()] = 1;
    out.push_back(free_.back());
    free_.pop_back();
  }
  return true;
}

Status KvPool::retain(std::uint32_t block) {
  if (block >= references_.size() || references_[block] == 0) {
    ++misuses_;
    return {Code::internal, "KV block " + std::to_string(block) + " is shared although it is free"};
  }
  ++references_[block];
  return {};
}

Status KvPool::release(std::uint32_t block) {
  if (block >= references_.size() || references_[block] == 0) {
    ++misuses_;
    return {Code::internal, "KV block " + std::to_string(block) + " is released although it is free"};
  }
  if (--references_[block] == 0) {
    free_.push_back(block);
  }
  return {};
}

void KvPool::copy(std::uint32_t from, std::uint32_t to) {
  std::memcpy(data(to), data(from), floats_per_block_ * sizeof(float));
}

}  // namespace moe::runtime
