#include "ops/matmul.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "ops/onednn_gemm.hpp"
#include "ops/onednn_matrix.hpp"
#include "ops/own_matrix.hpp"
#include "reference/reference.hpp"
#include "test_support.hpp"

namespace moe::ops {
namespace {

using Matrix = std::unique_ptr<const PackedMatrix>;

struct Packer {
  std::string name;
  std::function<Result<Matrix>(const float*, std::size_t, std::size_t)> pack;
};

// Own kernels of every level, and oneDNN where it is there.
std::vector<Packer> all_packers() {
  std::vector<Packer> out;
  for (const Kernels* kernels : all_kernels()) {
    out.push_back({"own " + name_of(*kernels), [kernels](const float* w, std::size_t num_out, std::size_t num_in) {
                     return pack_own_f32(*kernels, w, num_out, num_in);
                   }});
  }
  if (OneDnnGemm::create(64, 64).ok()) {
    out.push_back({"onednn", &pack_onednn_f32});
  }
  return out;
}

Matrix must_pack(const Packer& packer, const std::vector<float>& w, std::size_t num_out, std::size_t num_in) {
  auto packed = packer.pack(w.data(), num_out, num_in);
  EXPECT_TRUE(packed.ok()) << packer.name << ": " << packed.status().message();
  return packed.ok() ? std::move(*packed) : nullptr;
}

std::vector<float> multiply(const PackedMatrix& matrix, const float* x, std::size_t rows) {
  std::vector<float> y(rows * matrix.num_out(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t tile = 0; tile < matrix.num_tiles(); ++tile) {
    matrix.multiply_tile(tile, x, matrix.num_in(), rows, y.data(), matrix.num_out());
  }
  return y;
}

// Computes each of `total` rows alone, then in batches of all sizes up to 64 at shifting positions, and counts the rows
// whose bits differ.
std::size_t unstable_rows(const PackedMatrix& matrix, std::size_t total, unsigned seed) {
  const auto x = random_values(total * matrix.num_in(), seed);
  std::vector<float> alone;
  for (std::size_t row = 0; row < total; ++row) {
    const auto y = multiply(matrix, x.data() + row * matrix.num_in(), 1);
    alone.insert(alone.end(), y.begin(), y.end());
  }
  std::size_t unstable = 0;
  for (std::size_t rows = 2; rows <= std::min<std::size_t>(total, 64); ++rows) {
    for (const std::size_t first : {std::size_t{0}, (total - rows) / 2, total - rows}) {
      const auto y = multiply(matrix, x.data() + first * matrix.num_in(), rows);
      for (std::size_t row = 0; row < rows; ++row) {
        unstable += same_bits(y.data() + row * matrix.num_out(), alone.data() + (first + row) * matrix.num_out(),
                              matrix.num_out())
                        ? 0
                        : 1;
      }
    }
  }
  return unstable;
}

struct Shape {
  std::size_t num_out, num_in;
};
const std::vector<Shape> kShapes{{1, 1},   {3, 5},     {8, 192},  {16, 64},   {17, 33},
                                 {64, 96}, {100, 130}, {257, 40}, {300, 192}, {520, 65}};

TEST(Matmul, matches_the_oracle_over_odd_shapes_on_every_kernel) {
  for (const Packer& packer : all_packers()) {
    for (const Shape shape : kShapes) {
      const auto w = random_values(shape.num_out * shape.num_in, 1);
      const Matrix matrix = must_pack(packer, w, shape.num_out, shape.num_in);
      ASSERT_NE(matrix, nullptr);
      for (const std::size_t rows : {1UL, 2UL, 5UL, 7UL, 13UL}) {
        const auto x = random_values(rows * shape.num_in, 2);
        const auto want = reference::matmul(x, w, rows, shape.num_out, shape.num_in);
        const double magnitude = reference::matmul_magnitude(x, w, rows, shape.num_out, shape.num_in);
        const double bound = 6e-8 * static_cast<double>(shape.num_in + 2);  // a chain of num_in roundings
        expect_close(multiply(*matrix, x.data(), rows), want, bound, magnitude, packer.name);
      }
    }
  }
}

TEST(Matmul, a_row_has_the_same_bits_in_every_batch_and_at_every_position) {
  for (const Packer& packer : all_packers()) {
    for (const Shape shape : {Shape{8, 192}, Shape{100, 130}, Shape{300, 257}}) {
      const auto w = random_values(shape.num_out * shape.num_in, 3);
      const Matrix matrix = must_pack(packer, w, shape.num_out, shape.num_in);
      ASSERT_NE(matrix, nullptr);
      EXPECT_EQ(unstable_rows(*matrix, 70, 4), 0U) << packer.name << " " << shape.num_out << "x" << shape.num_in;
    }
  }
}

TEST(Matmul, a_row_has_the_same_bits_in_batches_of_hundreds) {
  constexpr std::size_t kOut = 48;
  constexpr std::size_t kIn = 100;
  const auto w = random_values(kOut * kIn, 5);
  const auto x = random_values(600 * kIn, 6);
  for (const Packer& packer : all_packers()) {
    const Matrix matrix = must_pack(packer, w, kOut, kIn);
    ASSERT_NE(matrix, nullptr);
    const auto all = multiply(*matrix, x.data(), 600);
    for (const std::size_t rows : {1UL, 65UL, 129UL, 255UL, 256UL, 257UL, 511UL, 599UL}) {
      const auto y = multiply(*matrix, x.data() + (600 - rows) * kIn, rows);
      EXPECT_TRUE(same_bits(y.data(), all.data() + (600 - rows) * kOut, y.size())) << packer.name << " " << rows;
    }
  }
}

// Splits K in halves from two rows on, as fast libraries do: what the tests above must catch.
class KSplitMatrix final : public PackedMatrix {
 public:
  KSplitMatrix(const std::vector<float>& w, std::size_t num_out, std::size_t num_in)
      : w_(w), num_out_(num_out), num_in_(num_in) {}
  std::size_t num_out() const override { return num_out_; }
  std::size_t num_in() const override { return num_in_; }
  std::size_t num_tiles() const override { return 1; }
  std::size_t tile_first(std::size_t) const override { return 0; }
  std::size_t tile_count(std::size_t) const override { return num_out_; }
  std::size_t bytes() const override { return 0; }
  void multiply_tile(std::size_t, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                     std::size_t y_stride) const override {
    const std::size_t middle = rows > 1 ? num_in_ / 2 : num_in_;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t o = 0; o < num_out_; ++o) {
        y[r * y_stride + o] = dot(x + r * x_stride, o, 0, middle) + dot(x + r * x_stride, o, middle, num_in_);
      }
    }
  }

 private:
  float dot(const float* x, std::size_t o, std::size_t begin, std::size_t end) const {
    float sum = 0;
    for (std::size_t k = begin; k < end; ++k) {
      sum += x[k] * w_[o * num_in_ + k];
    }
    return sum;
  }
  std::vector<float> w_;
  std::size_t num_out_, num_in_;
};

TEST(Matmul, the_stability_check_catches_a_kernel_that_splits_k) {
  const KSplitMatrix planted(random_values(100 * 130, 3), 100, 130);
  EXPECT_GT(unstable_rows(planted, 70, 4), 0U);
}

TEST(Matmul, reads_and_writes_through_strides_and_nothing_else) {
  constexpr std::size_t kOut = 37;
  constexpr std::size_t kIn = 21;
  constexpr std::size_t kRows = 5;
  const auto w = random_values(kOut * kIn, 7);
  for (const Packer& packer : all_packers()) {
    const Matrix matrix = must_pack(packer, w, kOut, kIn);
    ASSERT_NE(matrix, nullptr);
    std::vector<float> wide(kRows * 30, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> dense(kRows * kIn);
    const auto x = random_values(kRows * kIn, 8);
    for (std::size_t r = 0; r < kRows; ++r) {
      std::copy_n(x.data() + r * kIn, kIn, wide.data() + r * 30);
    }
    std::vector<float> y(kRows * 50, 42.0F);
    for (std::size_t tile = 0; tile < matrix->num_tiles(); ++tile) {
      matrix->multiply_tile(tile, wide.data(), 30, kRows, y.data(), 50);
    }
    const auto want = multiply(*matrix, x.data(), kRows);
    for (std::size_t r = 0; r < kRows; ++r) {
      EXPECT_TRUE(same_bits(y.data() + r * 50, want.data() + r * kOut, kOut)) << packer.name;
      for (std::size_t c = kOut; c < 50; ++c) {
        ASSERT_EQ(y[r * 50 + c], 42.0F) << packer.name;
      }
    }
  }
}

TEST(Matmul, a_nan_stays_in_its_row) {
  const auto w = random_values(40 * 32, 9);
  for (const Packer& packer : all_packers()) {
    const Matrix matrix = must_pack(packer, w, 40, 32);
    ASSERT_NE(matrix, nullptr);
    auto x = random_values(9 * 32, 10);
    const auto clean = multiply(*matrix, x.data(), 9);
    x[4 * 32 + 3] = std::numeric_limits<float>::quiet_NaN();
    const auto y = multiply(*matrix, x.data(), 9);
    for (std::size_t row = 0; row < 9; ++row) {
      if (row == 4) {
        EXPECT_TRUE(std::isnan(y[row * 40])) << packer.name;
      } else {
        EXPECT_TRUE(same_bits(y.data() + row * 40, clean.data() + row * 40, 40)) << packer.name << " row " << row;
      }
    }
  }
}

// F-062: shapes of every length must not make primitives of their own.
TEST(Matmul, F062_row_counts_make_no_new_primitives) {
  const auto w = random_values(300 * 64, 11);
  const auto packed = pack_f32(w.data(), 300, 64);
  ASSERT_TRUE(packed.ok());
  const std::size_t after_packing = matmul_primitives();
  const auto x = random_values(1000 * 64, 12);
  for (std::size_t rows = 1; rows <= 1000; rows += 7) {
    multiply(**packed, x.data(), rows);
  }
  EXPECT_EQ(matmul_primitives(), after_packing);
  EXPECT_LE(after_packing, 2U * 16U + 16U);  // two tile widths and the probe of the name at most
}

TEST(Matmul, impossible_shapes_are_refused) {
  const float one = 1;
  EXPECT_FALSE(pack_f32(&one, 0, 1).ok());
  EXPECT_FALSE(pack_f32(&one, 1, 0).ok());
  EXPECT_FALSE(pack_f32(nullptr, 1, 1).ok());
  EXPECT_FALSE(pack_f32(&one, std::size_t{1} << 40, 1).ok());
}

}  // namespace
}  // namespace moe::ops
