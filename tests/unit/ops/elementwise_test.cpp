#include "ops/elementwise.hpp"

#include <limits>

#include "reference/reference.hpp"
#include "test_support.hpp"

namespace moe::ops {
namespace {

constexpr double kUlp = 1.2e-7;  // 2^-23
const std::vector<std::size_t> kOddSizes{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 127, 192, 1000, 2048};

TEST(Elementwise, rms_norm_matches_the_oracle_on_every_level) {
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t dim : kOddSizes) {
      const auto x = random_values(3 * dim, 1, 4.0F);
      const auto weight = random_values(dim, 2);
      std::vector<float> y(x.size());
      kernels->rms_norm(x.data(), weight.data(), 1e-6F, y.data(), 3, dim);
      // A sum of dim squares, all positive: its relative error grows with the longest chain at most.
      const double bound = kUlp * (4 + static_cast<double>(dim));
      expect_close(y, reference::rms_norm(x, weight, 1e-6F, 3, dim), bound, 1e-6, name_of(*kernels));
    }
  }
}

TEST(Elementwise, rms_norm_works_in_place_and_per_row) {
  for (const Kernels* kernels : all_kernels()) {
    const std::size_t dim = 77;
    const auto x = random_values(5 * dim, 3);
    const auto weight = random_values(dim, 4);
    std::vector<float> together = x;
    kernels->rms_norm(together.data(), weight.data(), 1e-5F, together.data(), 5, dim);
    for (std::size_t row = 0; row < 5; ++row) {
      std::vector<float> alone(dim);
      kernels->rms_norm(x.data() + row * dim, weight.data(), 1e-5F, alone.data(), 1, dim);
      EXPECT_TRUE(same_bits(alone.data(), together.data() + row * dim, dim)) << name_of(*kernels) << " row " << row;
    }
  }
}

TEST(Elementwise, swiglu_sigmoid_and_softmax_match_the_oracle_on_every_level) {
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t count : kOddSizes) {
      const auto gate = random_values(count, 5, 8.0F);
      const auto up = random_values(count, 6);
      std::vector<float> y(count);
      kernels->swiglu(gate.data(), up.data(), y.data(), count);
      expect_close(y, reference::swiglu(gate, up), 8 * kUlp, 1e-6, name_of(*kernels) + " swiglu");

      std::vector<float> s = gate;
      kernels->sigmoid(s.data(), count);
      expect_close(s, reference::sigmoid(gate), 8 * kUlp, 1e-30, name_of(*kernels) + " sigmoid");

      std::vector<float> p = gate;
      kernels->softmax(p.data(), count);
      const double bound = kUlp * (16 + static_cast<double>(count));
      expect_close(p, reference::softmax(gate), bound, 1e-30, name_of(*kernels) + " softmax");
    }
  }
}

TEST(Elementwise, softmax_of_extreme_scores_stays_finite) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Kernels* kernels : all_kernels()) {
    std::vector<float> x{-infinity, 1000.0F, -1e30F, 1000.0F, 900.0F};
    kernels->softmax(x.data(), x.size());
    EXPECT_EQ(x, (std::vector<float>{0.0F, 0.5F, 0.0F, 0.5F, 0.0F})) << name_of(*kernels);
    std::vector<float> one{-3.0F};
    kernels->softmax(one.data(), 1);
    EXPECT_EQ(one[0], 1.0F);
  }
}

TEST(Elementwise, nan_spreads_over_its_row_and_is_never_hidden) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t at : {0UL, 1UL, 15UL, 20UL}) {
      std::vector<float> x = random_values(21, 7);
      x[at] = nan;
      std::vector<float> p = x;
      kernels->softmax(p.data(), p.size());
      EXPECT_TRUE(std::isnan(p[at])) << name_of(*kernels) << " softmax " << at;
      std::vector<float> y(21);
      kernels->swiglu(x.data(), x.data(), y.data(), 21);
      EXPECT_TRUE(std::isnan(y[at])) << name_of(*kernels) << " swiglu " << at;
    }
  }
}

TEST(Elementwise, nothing_is_written_past_the_end) {
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t count : kOddSizes) {
      std::vector<float> y(count + 16, 42.0F);
      const auto x = random_values(count, 8);
      kernels->swiglu(x.data(), x.data(), y.data(), count);
      kernels->add(x.data(), y.data(), count);
      kernels->add_scaled(x.data(), 2.0F, y.data(), count);
      kernels->softmax(y.data(), count);
      for (std::size_t i = count; i < y.size(); ++i) {
        ASSERT_EQ(y[i], 42.0F) << name_of(*kernels) << " count " << count;
      }
    }
  }
}

TEST(Elementwise, add_and_add_scaled_are_exact_where_they_can_be) {
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t count : kOddSizes) {
      std::vector<float> x(count);
      std::vector<float> y(count, 0.5F);
      for (std::size_t i = 0; i < count; ++i) {
        x[i] = static_cast<float>(i);
      }
      kernels->add(x.data(), y.data(), count);
      kernels->add_scaled(x.data(), 0.25F, y.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(y[i], 0.5F + 1.25F * static_cast<float>(i)) << name_of(*kernels);
      }
    }
  }
}

TEST(Elementwise, rope_half_matches_the_oracle_also_for_partial_rotation) {
  constexpr double kTheta = 10000;
  const std::vector<std::int32_t> positions{0, 1, 511, 17};
  struct Shape {
    std::size_t heads, head_dim, dims;
  };
  for (const Kernels* kernels : all_kernels()) {
    for (const Shape shape :
         {Shape{4, 64, 64}, Shape{1, 128, 64}, Shape{3, 6, 6}, Shape{2, 34, 34}, Shape{2, 80, 20}}) {
      const std::size_t half = shape.dims / 2;
      std::vector<float> cos(512 * half);
      std::vector<float> sin(512 * half);
      for (std::size_t p = 0; p < 512; ++p) {
        for (std::size_t j = 0; j < half; ++j) {
          const double angle = static_cast<double>(p) *
                               std::pow(kTheta, -2.0 * static_cast<double>(j) / static_cast<double>(shape.dims));
          cos[p * half + j] = static_cast<float>(std::cos(angle));
          sin[p * half + j] = static_cast<float>(std::sin(angle));
        }
      }
      const std::size_t row = shape.heads * shape.head_dim;
      const auto x = random_values(positions.size() * row, 9);
      std::vector<float> y = x;
      kernels->rope_half(y.data(), row, positions.size(), shape.heads, shape.head_dim, shape.dims, positions.data(),
                         cos.data(), sin.data());
      expect_close(
          y, reference::rope_half(x, positions.size(), shape.heads, shape.head_dim, shape.dims, positions, kTheta),
          8 * kUlp, 4.0, name_of(*kernels));
    }
  }
}

}  // namespace
}  // namespace moe::ops
