#include "ops/attention.hpp"

#include "ops/kernels.hpp"

namespace moe::ops {

void attend_kv_head(const AttentionShape& shape, std::size_t kv_head, const float* q, const float* const* key_blocks,
                    const float* const* value_blocks, std::size_t length, float* out, float* scores_scratch) {
  current_kernels().attend_kv_head(shape, kv_head, q, key_blocks, value_blocks, length, out, scores_scratch);
}

}  // namespace moe::ops
