#include "moe/router.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <string>

#include "ops/elementwise.hpp"
#include "reference/reference.hpp"
#include "test_support.hpp"

namespace moe {
namespace {

Routing route(const RouterSpec& spec, const std::vector<float>& logits, const std::vector<float>& bias = {}) {
  Routing routing;
  routing.logits = logits;
  choose_experts(spec, bias, logits.size() / spec.num_experts, routing);
  return routing;
}

std::vector<std::int32_t> experts_of(const Routing& routing, const RouterSpec& spec, std::size_t token) {
  const auto first = routing.experts.begin() + static_cast<std::ptrdiff_t>(token * spec.experts_per_token);
  return {first, first + static_cast<std::ptrdiff_t>(spec.experts_per_token)};
}

TEST(Router, ties_go_to_the_lower_index) {
  const RouterSpec spec{.num_experts = 6, .experts_per_token = 3};
  EXPECT_EQ(experts_of(route(spec, {1, 1, 1, 1, 1, 1}), spec, 0), (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(experts_of(route(spec, {0, 2, 1, 2, 1, 1}), spec, 0), (std::vector<std::int32_t>{1, 3, 2}));
  EXPECT_EQ(experts_of(route(spec, {5, 5, 9, 5, 9, 0}), spec, 0), (std::vector<std::int32_t>{2, 4, 0}));
}

TEST(Router, all_experts_chosen_come_in_descending_order) {
  const RouterSpec spec{.num_experts = 5, .experts_per_token = 5, .renorm = Renorm::sum};
  const Routing routing = route(spec, {0.1F, 3, -1, 3, 2});
  EXPECT_EQ(experts_of(routing, spec, 0), (std::vector<std::int32_t>{1, 3, 4, 0, 2}));
  EXPECT_NEAR(std::accumulate(routing.weights.begin(), routing.weights.end(), 0.0), 1.0, 1e-6);
}

TEST(Router, choices_and_weights_match_the_oracle) {
  for (const ScoreFn score : {ScoreFn::softmax, ScoreFn::sigmoid}) {
    for (const Renorm renorm : {Renorm::none, Renorm::sum}) {
      const RouterSpec spec{
          .num_experts = 37, .experts_per_token = 6, .score = score, .renorm = renorm, .routed_scale = 2.5F};
      const std::size_t tokens = 200;
      const auto logits = random_values(tokens * 37, 3, 2.0F);
      const auto bias = random_values(37, 4, 0.1F);
      const Routing routing = route(spec, logits, bias);
      const reference::Router oracle{37, 6, score == ScoreFn::sigmoid, renorm == Renorm::sum, 2.5};
      for (std::size_t token = 0; token < tokens; ++token) {
        const auto first = logits.begin() + static_cast<std::ptrdiff_t>(token * 37);
        const auto want = reference::route(oracle, {first, first + 37}, bias);
        for (std::size_t i = 0; i < 6; ++i) {
          ASSERT_EQ(static_cast<std::size_t>(routing.experts[token * 6 + i]), want.experts[i]) << token;
          ASSERT_NEAR(routing.weights[token * 6 + i], want.weights[i], 2e-6) << token;
        }
      }
    }
  }
}

TEST(Router, F008_without_renormalisation_weights_are_scores_over_all_experts) {
  for (const ScoreFn score : {ScoreFn::softmax, ScoreFn::sigmoid}) {
    const RouterSpec spec{.num_experts = 8, .experts_per_token = 3, .score = score};
    const auto logits = random_values(1000 * 8, 5, 3.0F);  // negative ones among them
    const Routing routing = route(spec, logits);
    for (std::size_t token = 0; token < 1000; ++token) {
      std::vector<float> scores(logits.begin() + static_cast<std::ptrdiff_t>(token * 8),
                                logits.begin() + static_cast<std::ptrdiff_t>(token * 8 + 8));
      score == ScoreFn::softmax ? ops::softmax(scores.data(), 8) : ops::sigmoid(scores.data(), 8);
      float sum = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        const float weight = routing.weights[token * 3 + i];
        ASSERT_EQ(weight, scores[static_cast<std::size_t>(routing.experts[token * 3 + i])]);
        ASSERT_GE(weight, 0.0F);
        ASSERT_LE(weight, 1.0F);
        sum += weight;
      }
      ASSERT_TRUE(score == ScoreFn::sigmoid || sum < 1.0F);
    }
  }
}

TEST(Router, F009_a_common_offset_of_the_bias_changes_no_choice) {
  const RouterSpec spec{.num_experts = 64, .experts_per_token = 8, .score = ScoreFn::sigmoid, .renorm = Renorm::sum};
  const auto logits = random_values(4096 * 64, 6);
  // Multiples of 2^-16, so that offsets 7 and 35 keep them exact in float32 (bf16 would not).
  std::vector<float> bias = random_values(64, 7, 0.2F);
  for (float& value : bias) {
    value = static_cast<float>(static_cast<int>(value * 65536)) / 65536;
  }
  const Routing plain = route(spec, logits, bias);
  for (const float offset : {7.0F, 35.0F}) {
    std::vector<float> shifted = bias;
    for (float& value : shifted) {
      value += offset;
    }
    const Routing moved = route(spec, logits, shifted);
    std::size_t other_sets = 0;
    for (std::size_t token = 0; token < 4096; ++token) {
      const auto a = experts_of(plain, spec, token);
      const auto b = experts_of(moved, spec, token);
      if (std::set(a.begin(), a.end()) == std::set(b.begin(), b.end())) {
        continue;
      }
      // float32 itself rounds scores + 35 to 2^-18: only choices closer than that may swap.
      const auto scores = moved.scores.begin() + static_cast<std::ptrdiff_t>(token * 64);
      std::vector<float> selection(64);
      for (std::size_t e = 0; e < 64; ++e) {
        selection[e] = scores[static_cast<std::ptrdiff_t>(e)] + bias[e];
      }
      std::sort(selection.begin(), selection.end(), std::greater<>());
      other_sets += selection[7] - selection[8] > 8e-6F ? 1 : 0;
    }
    EXPECT_EQ(other_sets, 0U) << "offset " << offset;
  }
}

TEST(Router, selection_bias_steers_the_choice_only) {
  const RouterSpec spec{.num_experts = 4, .experts_per_token = 2, .score = ScoreFn::sigmoid};
  const std::vector<float> logits{2, 1, 0, -1};
  const Routing plain = route(spec, logits);
  const Routing steered = route(spec, logits, {0, 0, 0, 10});
  EXPECT_EQ(experts_of(plain, spec, 0), (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(experts_of(steered, spec, 0), (std::vector<std::int32_t>{3, 0}));
  EXPECT_NEAR(steered.weights[0], 1 / (1 + std::exp(1.0)), 1e-6);
  EXPECT_EQ(steered.weights[1], plain.weights[0]);
}

TEST(Router, F011_one_expert_per_token_renormalises_to_exactly_one) {
  const RouterSpec on{.num_experts = 8, .experts_per_token = 1, .renorm = Renorm::sum};
  const RouterSpec off{.num_experts = 8, .experts_per_token = 1};
  for (const std::size_t tokens : {1UL, 2UL, 7UL, 64UL}) {
    const auto logits = random_values(tokens * 8, static_cast<unsigned>(tokens), 20.0F);
    const Routing with = route(on, logits);
    const Routing without = route(off, logits);
    for (std::size_t token = 0; token < tokens; ++token) {
      EXPECT_EQ(with.weights[token], 1.0F);
      std::vector<float> row(logits.begin() + static_cast<std::ptrdiff_t>(token * 8),
                             logits.begin() + static_cast<std::ptrdiff_t>(token * 8 + 8));
      const Routing alone = route(off, row);  // a row never depends on another
      EXPECT_EQ(without.weights[token], alone.weights[0]);
      EXPECT_EQ(without.experts[token], alone.experts[0]);
      ops::softmax(row.data(), 8);
      EXPECT_EQ(without.weights[token], *std::max_element(row.begin(), row.end()));
    }
  }
}

TEST(Router, rows_that_are_not_finite_are_flagged_and_harm_no_other) {
  const RouterSpec spec{.num_experts = 4, .experts_per_token = 2, .renorm = Renorm::sum};
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
    const Routing routing = route(spec, {1, 2, 3, 4, 0, bad, 9, 1, 4, 3, 2, 1});
    EXPECT_EQ(routing.is_bad, (std::vector<std::uint8_t>{0, 1, 0}));
    EXPECT_EQ(experts_of(routing, spec, 0), (std::vector<std::int32_t>{3, 2}));
    EXPECT_EQ(experts_of(routing, spec, 1), (std::vector<std::int32_t>{0, 1}));
    EXPECT_EQ(experts_of(routing, spec, 2), (std::vector<std::int32_t>{0, 1}));
    EXPECT_EQ(routing.weights[2], 0.0F);
    EXPECT_EQ(routing.weights[3], 0.0F);
  }
}

TEST(Router, scores_that_vanish_never_become_nan) {
  const RouterSpec sigmoid{.num_experts = 3, .experts_per_token = 2, .score = ScoreFn::sigmoid, .renorm = Renorm::sum};
  EXPECT_EQ(route(sigmoid, {-1e30F, -1e30F, -1e30F}).weights, (std::vector<float>{0.5F, 0.5F}));
  // The bias picks an expert whose softmax score is exactly 0.
  const RouterSpec softmax{.num_experts = 3, .experts_per_token = 1, .renorm = Renorm::sum};
  EXPECT_EQ(route(softmax, {0, -200, -200}, {0, 0, 9}).weights, (std::vector<float>{0.0F}));
}

TEST(Router, impossible_options_are_refused_by_name) {
  const auto message = [](const RouterSpec& spec, std::size_t bias) { return check_router(spec, bias).message(); };
  EXPECT_TRUE(check_router({.num_experts = 8, .experts_per_token = 8}, 8).ok());
  EXPECT_NE(message({.num_experts = 0, .experts_per_token = 1}, 0).find("num_experts"), std::string::npos);
  EXPECT_NE(message({.num_experts = 70000, .experts_per_token = 1}, 0).find("num_experts"), std::string::npos);
  EXPECT_NE(message({.num_experts = 4, .experts_per_token = 5}, 0).find("experts_per_token"), std::string::npos);
  EXPECT_NE(message({.num_experts = 4, .experts_per_token = 0}, 0).find("experts_per_token"), std::string::npos);
  EXPECT_NE(message({.num_experts = 4, .experts_per_token = 1}, 3).find("bias"), std::string::npos);
}

}  // namespace
}  // namespace moe
