#include <cmath>
#include <memory>
#include <random>

#include "harness.hpp"

namespace moe::capi::test {
namespace {

struct LayerDeleter {
  void operator()(moe_layer* layer) const { moe_layer_destroy(layer); }
};

struct Block {
  std::uint32_t experts = 8, k = 3, hidden = 16, width = 24;
  std::vector<float> router, bias, gate, up, down;

  explicit Block(std::uint32_t per_token = 3) : k(per_token) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& values, std::size_t count) {
      values.resize(count);
      for (float& value : values) {
        value = normal(random);
      }
    };
    fill(router, experts * hidden);
    fill(bias, experts);
    fill(gate, experts * width * hidden);
    fill(up, experts * width * hidden);
    fill(down, experts * width * hidden);
  }
  moe_layer_options options() const {
    moe_layer_options result = MOE_LAYER_OPTIONS_INIT;
    result.num_experts = experts;
    result.experts_per_token = k;
    result.hidden_size = hidden;
    result.intermediate_size = width;
    result.router = router.data();
    result.gate = gate.data();
    result.up = up.data();
    result.down = down.data();
    return result;
  }
  std::vector<float> rows(std::size_t tokens) const {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> x(tokens * hidden);
    for (float& value : x) {
      value = normal(random);
    }
    return x;
  }
  std::vector<double> scores(const float* x) const {  // softmax over all experts
    std::vector<double> result(experts);
    double sum = 0;
    for (std::size_t e = 0; e < experts; ++e) {
      double logit = 0;
      for (std::size_t i = 0; i < hidden; ++i) {
        logit += static_cast<double>(router[e * hidden + i]) * static_cast<double>(x[i]);
      }
      sum += result[e] = std::exp(logit);
    }
    for (double& score : result) {
      score /= sum;
    }
    return result;
  }
  std::vector<double> expert(std::size_t e, const float* x) const {
    std::vector<double> result(hidden);
    for (std::size_t j = 0; j < width; ++j) {
      double g = 0;
      double u = 0;
      for (std::size_t i = 0; i < hidden; ++i) {
        g += static_cast<double>(gate[(e * width + j) * hidden + i]) * static_cast<double>(x[i]);
        u += static_cast<double>(up[(e * width + j) * hidden + i]) * static_cast<double>(x[i]);
      }
      const double h = g / (1 + std::exp(-g)) * u;
      for (std::size_t i = 0; i < hidden; ++i) {
        result[i] += static_cast<double>(down[(e * hidden + i) * width + j]) * h;
      }
    }
    return result;
  }
};

std::unique_ptr<moe_layer, LayerDeleter> make(const moe_layer_options& options) {
  moe_layer* layer = nullptr;
  EXPECT_EQ(moe_layer_create(&options, nullptr, &layer), MOE_OK) << moe_last_error();
  return std::unique_ptr<moe_layer, LayerDeleter>(layer);
}

TEST(Layer, f008_weights_are_softmax_scores_and_the_output_is_their_sum) {
  const Block block;
  const auto layer = make(block.options());
  constexpr std::size_t kTokens = 1000;
  const auto x = block.rows(kTokens);
  std::vector<float> y(x.size());
  std::vector<float> weights(kTokens * block.k);
  std::vector<std::int32_t> experts(kTokens * block.k);
  ASSERT_EQ(moe_layer_forward(layer.get(), x.data(), kTokens, y.data(), experts.data(), weights.data()), MOE_OK);
  for (std::size_t t = 0; t < kTokens; ++t) {
    const auto scores = block.scores(&x[t * block.hidden]);
    std::vector<double> sum(block.hidden);
    float total = 0;
    for (std::size_t j = 0; j < block.k; ++j) {
      const auto e = static_cast<std::size_t>(experts[t * block.k + j]);
      const float weight = weights[t * block.k + j];
      EXPECT_NEAR(weight, scores[e], 1e-5);
      EXPECT_TRUE(j == 0 || weight <= weights[t * block.k + j - 1]);
      total += weight;
      const auto out = block.expert(e, &x[t * block.hidden]);
      for (std::size_t i = 0; i < block.hidden; ++i) {
        sum[i] += static_cast<double>(weight) * out[i];
      }
    }
    EXPECT_LT(total, 1.0F);
    for (std::size_t i = 0; i < block.hidden; ++i) {
      EXPECT_NEAR(y[t * block.hidden + i], sum[i], 1e-3 * (1 + std::abs(sum[i])));
    }
  }
  std::vector<std::uint64_t> counts(block.experts);
  std::uint64_t count = 0;
  ASSERT_EQ(moe_layer_expert_counts(layer.get(), counts.data(), counts.size(), &count), MOE_OK);
  std::uint64_t total = 0;
  for (const std::uint64_t value : counts) {
    total += value;
  }
  EXPECT_EQ(total, kTokens * block.k);
}

TEST(Layer, f011_one_expert_per_token_normalised_weighs_exactly_one) {
  const Block block(1);
  moe_layer_options options = block.options();
  for (const std::uint32_t renormalize : {0U, 1U}) {
    options.renormalize = renormalize;
    const auto layer = make(options);
    for (const std::size_t tokens : {1U, 2U, 7U, 64U}) {
      const auto x = block.rows(tokens);
      std::vector<float> y(x.size());
      std::vector<float> weights(tokens);
      ASSERT_EQ(moe_layer_forward(layer.get(), x.data(), tokens, y.data(), nullptr, weights.data()), MOE_OK);
      for (std::size_t t = 0; t < tokens; ++t) {
        const auto scores = block.scores(&x[t * block.hidden]);
        const double best = *std::max_element(scores.begin(), scores.end());
        EXPECT_NEAR(weights[t], renormalize == 1 ? 1.0 : best, renormalize == 1 ? 0.0 : 1e-5);
      }
    }
  }
}

TEST(Layer, a_rows_bits_do_not_depend_on_the_other_rows) {
  const Block block;
  const auto layer = make(block.options());
  const auto x = block.rows(1500);  // more than one slice of work
  std::vector<float> together(x.size());
  ASSERT_EQ(moe_layer_forward(layer.get(), x.data(), 1500, together.data(), nullptr, nullptr), MOE_OK);
  std::vector<float> alone(block.hidden);
  for (const std::size_t t : {0U, 1U, 700U, 1023U, 1024U, 1499U}) {
    ASSERT_EQ(moe_layer_forward(layer.get(), &x[t * block.hidden], 1, alone.data(), nullptr, nullptr), MOE_OK);
    EXPECT_EQ(std::memcmp(alone.data(), &together[t * block.hidden], alone.size() * sizeof(float)), 0) << t;
  }
}

TEST(Layer, f009_a_common_offset_of_the_selection_bias_changes_no_choice) {
  const Block block;
  moe_layer_options options = block.options();
  options.score = MOE_SCORE_SIGMOID;
  std::vector<float> bias(block.experts);
  options.selection_bias = bias.data();
  std::vector<std::vector<std::int32_t>> chosen;
  constexpr std::size_t kTokens = 4096;
  const auto x = block.rows(kTokens);
  std::vector<float> y(x.size());
  for (const float offset : {0.0F, 4.0F, 32.0F}) {  // powers of two keep the sums exact to the last bits that matter
    for (std::size_t e = 0; e < block.experts; ++e) {
      bias[e] = offset + static_cast<float>(e) * 0.0078125F;
    }
    const auto layer = make(options);
    chosen.emplace_back(kTokens * block.k);
    ASSERT_EQ(moe_layer_forward(layer.get(), x.data(), kTokens, y.data(), chosen.back().data(), nullptr), MOE_OK);
  }
  std::size_t differing = 0;
  for (std::size_t i = 0; i < chosen[0].size(); ++i) {
    differing += chosen[0][i] != chosen[1][i] || chosen[0][i] != chosen[2][i] ? 1 : 0;
  }
  EXPECT_LE(differing, 6U);  // scores closer than float32 resolves beside the offset
}

TEST(Layer, bad_descriptions_and_rows_are_refused_by_name) {
  const Block block;
  const auto refused = [&](const char* field, auto change) {
    moe_layer_options options = block.options();
    change(options);
    auto* layer = reinterpret_cast<moe_layer*>(8);
    EXPECT_EQ(moe_layer_create(&options, nullptr, &layer), MOE_E_INVALID_ARGUMENT) << field;
    EXPECT_EQ(layer, nullptr);
    EXPECT_NE(std::string(moe_last_error()).find(field), std::string::npos) << moe_last_error();
  };
  std::vector<float> bad = block.up;
  bad[17] = NAN;
  refused("num_experts", [](moe_layer_options& o) { o.num_experts = 0; });
  refused("experts_per_token", [](moe_layer_options& o) { o.experts_per_token = 9; });
  refused("hidden_size", [](moe_layer_options& o) { o.hidden_size = 0; });
  refused("score", [](moe_layer_options& o) { o.score = 7; });
  refused("routed_scale", [](moe_layer_options& o) { o.routed_scale = INFINITY; });
  refused("options.router", [](moe_layer_options& o) { o.router = nullptr; });
  refused("options.up: value 17", [&](moe_layer_options& o) { o.up = bad.data(); });
  const auto layer = make(block.options());
  auto x = block.rows(5);
  x[3 * block.hidden] = NAN;
  std::vector<float> y(x.size());
  EXPECT_EQ(moe_layer_forward(layer.get(), x.data(), 5, y.data(), nullptr, nullptr), MOE_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(moe_last_error()).find("row 3"), std::string::npos) << moe_last_error();
}

}  // namespace
}  // namespace moe::capi::test
