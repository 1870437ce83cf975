// Attention of one query row over a vector type V; rules of impl_elementwise.hpp. Scores run block after block and
// position after position, the softmax over the whole row, then the values in the same order: nothing is split, so the
// bits depend on the query, its visible positions and nothing else.
#pragma once

template <typename V>
float dot_of(const float* a, const float* b, std::size_t count) {
  V sum = V::all(0.0F);
  for_vectors<V>(count, [&](std::size_t i, std::size_t lanes) {
    sum = V::fma(load_some<V>(a + i, lanes), load_some<V>(b + i, lanes), sum);
  });
  return sum.sum();
}

// Calls body(first position, count, rows of the block) for the blocks that hold [0, length).
template <typename F>
void for_blocks(const float* const* blocks, std::size_t block_tokens, std::size_t length, F body) {
  for (std::size_t first = 0, block = 0; first < length; first += block_tokens, ++block) {
    const std::size_t left = length - first;
    body(first, left < block_tokens ? left : block_tokens, blocks[block]);
  }
}

// out[0, lanes of kVectors vectors) = sum over positions of p * value.
template <typename V, std::size_t kVectors>
void weigh_values(const float* const* blocks, std::size_t block_tokens, std::size_t length, std::size_t offset,
                  std::size_t head_dim, const float* p, float* out) {
  V acc[kVectors];
  for (std::size_t i = 0; i < kVectors; ++i) {
    acc[i] = V::all(0.0F);
  }
  for_blocks(blocks, block_tokens, length, [&](std::size_t first, std::size_t count, const float* block) {
    const float* value = block + offset;
    for (std::size_t t = 0; t < count; ++t, value += head_dim) {
      const V weight = V::all(p[first + t]);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kVectors; ++i) {
        acc[i] = V::fma(weight, V::load(value + i * V::kWidth), acc[i]);
      }
    }
  });
  for (std::size_t i = 0; i < kVectors; ++i) {
    acc[i].store(out + i * V::kWidth);
  }
}

template <typename V>
void weigh_tail(const float* const* blocks, std::size_t block_tokens, std::size_t length, std::size_t offset,
                std::size_t head_dim, const float* p, float* out, std::size_t lanes) {
  V acc = V::all(0.0F);
  for_blocks(blocks, block_tokens, length, [&](std::size_t first, std::size_t count, const float* block) {
    for (std::size_t t = 0; t < count; ++t) {
      acc = V::fma(V::all(p[first + t]), V::load_part(block + offset + t * head_dim, lanes), acc);
    }
  });
  acc.store_part(out, lanes);
}

template <typename V>
void attend_kv_head_of(const AttentionShape& shape, std::size_t kv_head, const float* q, const float* const* key_blocks,
                       const float* const* value_blocks, std::size_t length, float* out, float* scores_scratch) {
  const std::size_t dim = shape.head_dim;
  const std::size_t group = shape.num_heads / shape.num_kv_heads;
  const std::size_t head_rows = kv_head * shape.block_tokens * dim;  // of this KV head in a block
  const float* q_group = q + kv_head * group * dim;
  float* out_group = out + kv_head * group * dim;
  for_blocks(key_blocks, shape.block_tokens, length, [&](std::size_t first, std::size_t count, const float* block) {
    for (std::size_t t = 0; t < count; ++t) {
      const float* key = block + head_rows + t * dim;
      for (std::size_t head = 0; head < group; ++head) {
        scores_scratch[head * length + first + t] = dot_of<V>(q_group + head * dim, key, dim) * shape.scale;
      }
    }
  });
  constexpr std::size_t kMany = 4;
  for (std::size_t head = 0; head < group; ++head) {
    float* p = scores_scratch + head * length;
    softmax_of<V>(p, length);
    float* to = out_group + head * dim;
    std::size_t d = 0;
    for (; d + kMany * V::kWidth <= dim; d += kMany * V::kWidth) {
      weigh_values<V, kMany>(value_blocks, shape.block_tokens, length, head_rows + d, dim, p, to + d);
    }
    for (; d + V::kWidth <= dim; d += V::kWidth) {
      weigh_values<V, 1>(value_blocks, shape.block_tokens, length, head_rows + d, dim, p, to + d);
    }
    if (d < dim) {
      weigh_tail<V>(value_blocks, shape.block_tokens, length, head_rows + d, dim, p, to + d, dim - d);
    }
  }
}
