// What the tests of this room share: random values, comparison of bits.
#pragma once

#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

namespace moe {

inline std::vector<float> random_values(std::size_t count, unsigned seed, float spread = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(generator);
  }
  return values;
}

inline bool same_bits(const float* a, const float* b, std::size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

}  // namespace moe
