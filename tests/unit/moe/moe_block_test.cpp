#include "moe/moe_block.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "reference/reference.hpp"
#include "test_support.hpp"

namespace moe {
namespace {

// A block with its plain weights beside, for the oracle.
struct Block {
  MoeWeights weights;
  std::vector<float> router;
  std::vector<reference::Expert> experts;
};

std::unique_ptr<const ops::PackedMatrix> pack(const std::vector<float>& w, std::size_t num_out, std::size_t num_in) {
  auto packed = ops::pack_f32(w.data(), num_out, num_in);
  EXPECT_TRUE(packed.ok());
  return std::move(*packed);
}

Block make_block(const RouterSpec& spec, std::size_t hidden, std::size_t width, unsigned seed = 1) {
  Block block;
  block.weights.spec = spec;
  block.weights.hidden_size = hidden;
  block.weights.intermediate_size = width;
  block.router = random_values(spec.num_experts * hidden, seed, 0.2F);
  block.weights.router = pack(block.router, spec.num_experts, hidden);
  for (std::size_t e = 0; e < spec.num_experts; ++e) {
    const auto s = seed + 10 * static_cast<unsigned>(e);
    reference::Expert expert{random_values(width * hidden, s + 1, 0.1F), random_values(width * hidden, s + 2, 0.1F),
                             random_values(hidden * width, s + 3, 0.1F)};
    block.weights.experts.push_back(
        {pack(expert.gate, width, hidden), pack(expert.up, width, hidden), pack(expert.down, hidden, width)});
    block.experts.push_back(std::move(expert));
  }
  EXPECT_TRUE(check_moe_weights(block.weights).ok());
  return block;
}

std::shared_ptr<base::WorkerPool> make_pool(std::uint32_t threads) {
  return *base::WorkerPool::create({.num_threads = threads, .pin = false});
}

struct Output {
  std::vector<float> y;
  Routing routing;
};

Output run(base::WorkerPool& pool, const Block& block, const float* x, std::size_t tokens) {
  Output out;
  out.y.assign(tokens * block.weights.hidden_size, std::numeric_limits<float>::quiet_NaN());
  MoeScratch scratch;
  run_moe_block(pool, block.weights, x, tokens, out.y.data(), out.routing, scratch);
  return out;
}

void expect_matches_oracle(const Block& block, const std::vector<float>& x, const Output& out) {
  const std::size_t hidden = block.weights.hidden_size;
  const std::size_t k = block.weights.spec.experts_per_token;
  for (std::size_t token = 0; token < x.size() / hidden; ++token) {
    const std::vector<float> row(x.begin() + static_cast<std::ptrdiff_t>(token * hidden),
                                 x.begin() + static_cast<std::ptrdiff_t>((token + 1) * hidden));
    // The library's own choice: which expert wins a near tie is the router's test, not this one's.
    reference::Choice choice;
    for (std::size_t i = 0; i < k; ++i) {
      choice.experts.push_back(static_cast<std::size_t>(out.routing.experts[token * k + i]));
      choice.weights.push_back(out.routing.weights[token * k + i]);
    }
    const auto want = reference::moe_token(row, block.experts, choice, block.weights.intermediate_size);
    for (std::size_t d = 0; d < hidden; ++d) {
      ASSERT_NEAR(out.y[token * hidden + d], want[d], 2e-5 * std::max(1.0, std::fabs(want[d]))) << token << "," << d;
    }
  }
}

TEST(MoeBlock, matches_the_oracle_over_odd_shapes) {
  const auto pool = make_pool(2);
  struct Shape {
    RouterSpec spec;
    std::size_t hidden, width;
  };
  for (const Shape& shape :
       {Shape{{.num_experts = 8, .experts_per_token = 2, .renorm = Renorm::sum}, 192, 256},
        Shape{{.num_experts = 5, .experts_per_token = 5}, 33, 17},
        Shape{{.num_experts = 16, .experts_per_token = 4, .score = ScoreFn::sigmoid, .routed_scale = 2.5F}, 48, 300},
        Shape{{.num_experts = 1, .experts_per_token = 1}, 7, 1}}) {
    const Block block = make_block(shape.spec, shape.hidden, shape.width);
    for (const std::size_t tokens : {1UL, 3UL, 40UL}) {
      const auto x = random_values(tokens * shape.hidden, 77);
      expect_matches_oracle(block, x, run(*pool, block, x.data(), tokens));
    }
  }
}

// Counts tokens whose output, choice or weights change with company, position or number of threads.
std::size_t unstable_tokens(const Block& block, std::size_t total) {
  const std::size_t hidden = block.weights.hidden_size;
  const std::size_t k = block.weights.spec.experts_per_token;
  const auto one = make_pool(1);
  const auto two = make_pool(2);
  const auto x = random_values(total * hidden, 99);
  std::vector<Output> alone;
  for (std::size_t token = 0; token < total; ++token) {
    alone.push_back(run(*one, block, x.data() + token * hidden, 1));
  }
  std::size_t unstable = 0;
  for (const auto& pool : {one, two}) {
    for (std::size_t tokens = 1; tokens <= total; tokens += tokens < 9 ? 1 : 11) {
      for (const std::size_t first : {std::size_t{0}, total - tokens}) {
        const Output out = run(*pool, block, x.data() + first * hidden, tokens);
        for (std::size_t token = 0; token < tokens; ++token) {
          const Output& want = alone[first + token];
          const bool same = same_bits(out.y.data() + token * hidden, want.y.data(), hidden) &&
                            same_bits(out.routing.weights.data() + token * k, want.routing.weights.data(), k) &&
                            std::equal(want.routing.experts.begin(), want.routing.experts.end(),
                                       out.routing.experts.begin() + static_cast<std::ptrdiff_t>(token * k));
          unstable += same ? 0 : 1;
        }
      }
    }
  }
  return unstable;
}

TEST(MoeBlock, a_token_has_the_same_bits_in_every_batch_with_one_and_two_threads) {
  const RouterSpec spec{.num_experts = 8, .experts_per_token = 2, .renorm = Renorm::sum};
  EXPECT_EQ(unstable_tokens(make_block(spec, 192, 256), 64), 0U);
  EXPECT_EQ(unstable_tokens(make_block(spec, 260, 40), 64), 0U);
}

// Splits K in halves from two rows on: what the test above must catch.
class KSplitMatrix final : public ops::PackedMatrix {
 public:
  KSplitMatrix(std::vector<float> w, std::size_t num_out, std::size_t num_in)
      : w_(std::move(w)), num_out_(num_out), num_in_(num_in) {}
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
    for (std::size_t i = begin; i < end; ++i) {
      sum += x[i] * w_[o * num_in_ + i];
    }
    return sum;
  }
  std::vector<float> w_;
  std::size_t num_out_, num_in_;
};

TEST(MoeBlock, the_stability_check_catches_a_planted_k_split) {
  Block block = make_block({.num_experts = 8, .experts_per_token = 2, .renorm = Renorm::sum}, 192, 64);
  block.weights.experts[3].down = std::make_unique<KSplitMatrix>(block.experts[3].down, 192, 64);
  EXPECT_GT(unstable_tokens(block, 64), 0U);
}

TEST(MoeBlock, all_tokens_to_one_expert_leave_the_others_empty) {
  Block block = make_block({.num_experts = 4, .experts_per_token = 1, .renorm = Renorm::sum}, 24, 20);
  block.weights.selection_bias = {0, 0, 100, 0};
  const auto pool = make_pool(2);
  const auto x = random_values(50 * 24, 5);
  const Output out = run(*pool, block, x.data(), 50);
  EXPECT_TRUE(std::all_of(out.routing.experts.begin(), out.routing.experts.end(), [](auto e) { return e == 2; }));
  expect_matches_oracle(block, x, out);
}

TEST(MoeBlock, a_bad_token_is_flagged_and_its_neighbours_keep_their_bits) {
  const Block block = make_block({.num_experts = 8, .experts_per_token = 2, .renorm = Renorm::sum}, 64, 48);
  const auto pool = make_pool(2);
  auto x = random_values(9 * 64, 6);
  const Output clean = run(*pool, block, x.data(), 9);
  x[4 * 64 + 10] = std::numeric_limits<float>::quiet_NaN();
  const Output out = run(*pool, block, x.data(), 9);
  for (std::size_t token = 0; token < 9; ++token) {
    EXPECT_EQ(out.routing.is_bad[token], token == 4 ? 1 : 0);
    if (token == 4) {
      EXPECT_TRUE(std::all_of(out.y.begin() + 4 * 64, out.y.begin() + 5 * 64, [](float v) { return v == 0.0F; }));
    } else {
      EXPECT_TRUE(same_bits(out.y.data() + token * 64, clean.y.data() + token * 64, 64)) << token;
    }
  }
}

TEST(MoeBlock, no_tokens_are_no_work) {
  const Block block = make_block({.num_experts = 3, .experts_per_token = 1}, 8, 8);
  const auto pool = make_pool(1);
  EXPECT_TRUE(run(*pool, block, nullptr, 0).y.empty());
}

TEST(MoeBlock, matrices_that_do_not_fit_are_refused_by_name) {
  const auto message_after = [](auto change) {
    Block block = make_block({.num_experts = 3, .experts_per_token = 1}, 8, 6);
    change(block.weights);
    return check_moe_weights(block.weights).message();
  };
  EXPECT_NE(message_after([](MoeWeights& w) { w.router = nullptr; }).find("router"), std::string::npos);
  EXPECT_NE(message_after([](MoeWeights& w) { w.experts.pop_back(); }).find("experts: 2 of 3"), std::string::npos);
  EXPECT_NE(
      message_after([](MoeWeights& w) { std::swap(w.experts[1].gate, w.experts[1].down); }).find("experts.1.gate"),
      std::string::npos);
  EXPECT_NE(message_after([](MoeWeights& w) { w.experts[2].down = nullptr; }).find("experts.2.down"),
            std::string::npos);
}

}  // namespace
}  // namespace moe
