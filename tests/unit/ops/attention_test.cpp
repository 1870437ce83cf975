#include "ops/attention.hpp"

#include <algorithm>
#include <limits>

#include "reference/reference.hpp"
#include "test_support.hpp"

namespace moe::ops {
namespace {

struct Cache {
  AttentionShape shape;
  std::size_t length;
  std::vector<float> q, keys, values;  // keys, values [length, num_kv_heads, head_dim]
  std::vector<std::vector<float>> blocks;
  std::vector<const float*> key_blocks, value_blocks;
};

// Copies dense keys and values into blocks; slots past the length hold NaN, so that a read of them shows.
Cache make_cache(const AttentionShape& shape, std::size_t length, unsigned seed) {
  Cache cache{shape, length, {}, {}, {}, {}, {}, {}};
  const std::size_t token = shape.num_kv_heads * shape.head_dim;
  cache.q = random_values(shape.num_heads * shape.head_dim, seed);
  cache.keys = random_values(length * token, seed + 1);
  cache.values = random_values(length * token, seed + 2);
  for (std::size_t first = 0; first < length; first += shape.block_tokens) {
    for (const auto* from : {&cache.keys, &cache.values}) {
      std::vector<float> block(token * shape.block_tokens, std::numeric_limits<float>::quiet_NaN());
      for (std::size_t t = first; t < std::min(length, first + shape.block_tokens); ++t) {
        for (std::size_t head = 0; head < shape.num_kv_heads; ++head) {
          std::copy_n(from->data() + t * token + head * shape.head_dim, shape.head_dim,
                      block.data() + (head * shape.block_tokens + t - first) * shape.head_dim);
        }
      }
      cache.blocks.push_back(std::move(block));
    }
  }
  for (std::size_t i = 0; i < cache.blocks.size(); i += 2) {
    cache.key_blocks.push_back(cache.blocks[i].data());
    cache.value_blocks.push_back(cache.blocks[i + 1].data());
  }
  return cache;
}

std::vector<float> attend(const Kernels& kernels, const Cache& cache) {
  const AttentionShape& shape = cache.shape;
  std::vector<float> out(shape.num_heads * shape.head_dim);
  std::vector<float> scratch(shape.num_heads / shape.num_kv_heads * cache.length);
  for (std::size_t kv_head = 0; kv_head < shape.num_kv_heads; ++kv_head) {
    kernels.attend_kv_head(shape, kv_head, cache.q.data(), cache.key_blocks.data(), cache.value_blocks.data(),
                           cache.length, out.data(), scratch.data());
  }
  return out;
}

TEST(Attention, matches_the_oracle_on_every_level) {
  for (const Kernels* kernels : all_kernels()) {
    for (const AttentionShape shape :
         {AttentionShape{4, 2, 64, 16, 0.125F}, AttentionShape{6, 1, 24, 16, 0.2F}, AttentionShape{2, 2, 7, 4, 0.4F},
          AttentionShape{8, 2, 128, 16, 0.09F}, AttentionShape{1, 1, 100, 16, 0.1F}}) {
      for (const std::size_t length : {1UL, 2UL, 15UL, 16UL, 17UL, 33UL, 200UL}) {
        const Cache cache = make_cache(shape, length, static_cast<unsigned>(length));
        const auto want = reference::attention(cache.q, cache.keys, cache.values, shape.num_heads, shape.num_kv_heads,
                                               shape.head_dim, length, shape.scale);
        expect_close(attend(*kernels, cache), want, 2e-5, 1.0, name_of(*kernels) + " " + std::to_string(length));
      }
    }
  }
}

// The same positions in blocks of another place in memory, or of another size, are the same sum.
TEST(Attention, bits_do_not_depend_on_blocks) {
  for (const Kernels* kernels : all_kernels()) {
    const Cache small = make_cache({4, 2, 40, 4, 0.15F}, 50, 11);
    const Cache large = make_cache({4, 2, 40, 64, 0.15F}, 50, 11);
    const auto a = attend(*kernels, small);
    const auto b = attend(*kernels, large);
    EXPECT_TRUE(same_bits(a.data(), b.data(), a.size())) << name_of(*kernels);
  }
}

}  // namespace
}  // namespace moe::ops
