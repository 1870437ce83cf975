// What the tests of this room share: the levels of this machine, random values, comparison of bits.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "ops/kernels.hpp"

namespace moe::ops {

// Every level that this machine can run, so that one run tests them all.
inline std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> out{&kScalarKernels};
  for (const base::IsaLevel level : {base::IsaLevel::avx2, base::IsaLevel::avx512}) {
    if (level <= base::best_isa(base::detect_features(base::read_cpuid()))) {
      out.push_back(&kernels_of(level));
    }
  }
  return out;
}

inline std::string name_of(const Kernels& kernels) { return std::string(base::isa_name(kernels.level)); }

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

// |got - want| <= relative * max(|want|, floor), element by element.
inline void expect_close(const std::vector<float>& got, const std::vector<double>& want, double relative, double floor,
                         const std::string& where) {
  ASSERT_EQ(got.size(), want.size()) << where;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], relative * std::max(std::fabs(want[i]), floor)) << where << " at " << i;
  }
}

}  // namespace moe::ops
