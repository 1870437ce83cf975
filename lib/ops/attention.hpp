// Causal attention of one query row over paged keys and values. One KV order for every row (block after block, position
// after position), so that chunking and batching cannot change a bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::ops {

struct AttentionShape {
  std::size_t num_heads = 0;
  std::size_t num_kv_heads = 0;
  std::size_t head_dim = 0;
  std::size_t block_tokens = 16;
  float scale = 0;  // softmax scale
};

// One KV head group of one query row.
//   q     [num_heads, head_dim] of this row, only the heads of `kv_head` are read
//   keys, values  blocks[b] points at [num_kv_heads, block_tokens, head_dim] of block b of this sequence and layer
//   length        number of visible positions (0 .. position of the row, inclusive)
//   out   [num_heads, head_dim], the heads of `kv_head` are written
//   scores_scratch [length] floats per head of the group
void attend_kv_head(const AttentionShape& shape, std::size_t kv_head, const float* q, const float* const* key_blocks,
                    const float* const* value_blocks, std::size_t length, float* out, float* scores_scratch);

}  // namespace moe::ops
