#include "model/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace moe::model {
namespace {

std::vector<float> angles(const RopeSpec& spec, std::size_t head_dim, std::int32_t position) {
  const Rope rope(spec, head_dim);
  std::vector<float> cos(head_dim / 2);
  std::vector<float> sin(head_dim / 2);
  rope.fill(std::span(&position, 1), cos.data(), sin.data());
  std::vector<float> result;
  for (std::size_t j = 0; j < cos.size(); ++j) {
    result.push_back(std::atan2(sin[j], cos[j]));
  }
  return result;
}

TEST(Rope, default_frequencies_fall_geometrically) {
  RopeSpec spec;
  spec.theta = 10000;
  const auto got = angles(spec, 8, 1);
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_NEAR(got[j], std::pow(10000.0, -2.0 * static_cast<double>(j) / 8), 1e-6);
  }
}

TEST(Rope, llama3_divides_slow_channels_only) {
  RopeSpec plain;
  plain.theta = 500000;
  RopeSpec scaled = plain;
  scaled.scale = RopeScale::llama3;
  scaled.factor = 8;
  scaled.original_context = 8192;
  const auto before = angles(plain, 64, 1);
  const auto after = angles(scaled, 64, 1);
  EXPECT_EQ(before[0], after[0]);
  EXPECT_NEAR(after[31], before[31] / 8, before[31] * 1e-5);
}

TEST(Rope, llama3_with_equal_factors_divides_by_nothing) {
  RopeSpec spec;
  spec.scale = RopeScale::llama3;
  spec.factor = 16;
  spec.original_context = 64;
  spec.low_freq_factor = spec.high_freq_factor = 1;
  for (const float angle : angles(spec, 64, 3)) {
    EXPECT_TRUE(std::isfinite(angle));
  }
}

TEST(Rope, yarn_magnitude_scales_cos_and_sin) {
  RopeSpec spec;
  spec.scale = RopeScale::yarn;
  spec.factor = 4;
  spec.original_context = 16;
  spec.magnitude = 1.25;
  const Rope rope(spec, 8);
  std::vector<float> cos(4), sin(4);
  const std::int32_t position = 5;
  rope.fill(std::span(&position, 1), cos.data(), sin.data());
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_NEAR(std::hypot(cos[j], sin[j]), 1.25, 1e-6);
  }
}

}  // namespace
}  // namespace moe::model
