#include "runtime/sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "runtime/philox.hpp"

namespace moe::runtime {
namespace {

const std::vector<float> kLogits = {1.0F, 3.0F, 2.0F, 3.0F, -1.0F, 0.5F};

class Sampler : public testing::Test {
 protected:
  std::int32_t draw(std::uint64_t position = 0, std::uint32_t choice = 0) {
    SampleInput input;
    input.logits = logits;
    input.is_token = mask;
    input.options = &options;
    input.history = &history;
    input.banned = banned;
    input.position = position;
    input.choice = choice;
    return sample(input, scratch);
  }
  std::map<std::int32_t, int> histogram(int draws) {
    std::map<std::int32_t, int> result;
    for (int i = 0; i < draws; ++i) {
      ++result[draw(static_cast<std::uint64_t>(i))];
    }
    return result;
  }

  std::vector<float> logits = kLogits;
  std::vector<std::uint8_t> mask = std::vector<std::uint8_t>(kLogits.size(), 1);
  SamplingOptions options;
  TokenHistory history;
  std::vector<std::int32_t> banned;
  SampleScratch scratch;
};

TEST(Philox, gives_the_published_answers) {  // Random123 known-answer tests
  EXPECT_EQ(philox({0, 0, 0, 0}, 0), (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, ~std::uint64_t{0}),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Philox, uniform_lies_in_the_unit_interval_and_depends_on_each_part) {
  EXPECT_NE(uniform(1, 0, 5), uniform(2, 0, 5));
  EXPECT_NE(uniform(1, 0, 5), uniform(1, 1, 5));
  EXPECT_NE(uniform(1, 0, 5), uniform(1, 0, 6));
  double sum = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    const double value = uniform(7, 0, i);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST_F(Sampler, greedy_takes_the_lower_id_of_equal_logits) { EXPECT_EQ(draw(), 1); }

TEST_F(Sampler, f017_padding_rows_are_never_chosen) {
  logits[4] = 1000;
  mask[4] = 0;
  EXPECT_EQ(draw(), 1);
  options.logit_bias = {{2, 50.0F}};
  options.temperature = 2;
  EXPECT_EQ(histogram(500).count(4), 0U);
}

TEST_F(Sampler, draws_follow_the_distribution) {
  options.temperature = 1;
  double total = 0;
  for (const float logit : logits) {
    total += std::exp(logit);
  }
  auto seen = histogram(20000);
  for (std::size_t id = 0; id < logits.size(); ++id) {
    EXPECT_NEAR(seen[static_cast<std::int32_t>(id)] / 20000.0, std::exp(logits[id]) / total, 0.015) << id;
  }
}

TEST_F(Sampler, top_k_keeps_the_best_k_ties_to_the_lower_id) {
  options.temperature = 5;
  options.top_k = 1;
  EXPECT_EQ(histogram(200).size(), 1U);
  EXPECT_EQ(draw(3), 1);
  options.top_k = 2;
  const auto seen = histogram(200);
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen.count(3), 1U);
}

TEST_F(Sampler, top_p_keeps_the_smallest_set_that_reaches_it) {
  options.temperature = 1;
  options.top_p = 0.5F;  // ids 1 and 3 have 0.36 each
  const auto seen = histogram(500);
  EXPECT_EQ(seen.size(), 2U);
  options.top_p = 1e-6F;
  EXPECT_EQ(histogram(100).size(), 1U);
}

TEST_F(Sampler, min_p_drops_what_is_far_below_the_best) {
  options.temperature = 1;
  options.min_p = 0.3F;  // exp(2 - 3) = 0.37 stays, exp(1 - 3) = 0.14 goes
  auto seen = histogram(1000);
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen.count(0), 0U);
}

TEST_F(Sampler, penalties_count_completion_and_prompt_as_documented) {
  history.add(1, true);
  history.add(1, true);
  options.frequency_penalty = 0.6F;  // 3 - 1.2 < 3
  EXPECT_EQ(draw(), 3);
  options.frequency_penalty = 0;
  options.presence_penalty = 0.5F;
  EXPECT_EQ(draw(), 3);
  options.presence_penalty = 0;
  options.repetition_penalty = 2;  // of the prompt too
  history.add(3, false);
  EXPECT_EQ(draw(), 2);
}

TEST_F(Sampler, banned_tokens_and_bias_steer) {
  banned = {1, 3};
  EXPECT_EQ(draw(), 2);
  options.logit_bias = {{4, 100.0F}};
  EXPECT_EQ(draw(), 4);
  banned = {0, 1, 2, 3, 4, 5};
  EXPECT_EQ(draw(), -1);
  options.temperature = 1;
  EXPECT_EQ(draw(), -1);
}

TEST_F(Sampler, logprobs_are_those_of_the_raw_logits) {
  Alternatives best;
  const float logprob = score(logits, mask, 2, 3, best);
  double total = 0;
  for (const float logit : logits) {
    total += std::exp(static_cast<double>(logit));
  }
  EXPECT_NEAR(logprob, 2.0 - std::log(total), 1e-6);
  ASSERT_EQ(best.count, 3U);
  EXPECT_EQ(best.tokens[0], 1);
  EXPECT_EQ(best.tokens[1], 3);
  EXPECT_EQ(best.tokens[2], 2);
  EXPECT_EQ(best.logprobs[2], logprob);
}

TEST_F(Sampler, alternatives_never_exceed_the_vocabulary) {
  Alternatives best;
  mask[1] = 0;
  score(logits, mask, 0, 20, best);
  EXPECT_EQ(best.count, 5U);
}

TEST_F(Sampler, logits_that_are_not_finite_are_seen_unless_padding) {
  EXPECT_TRUE(logits_are_finite(logits, mask));
  logits[2] = NAN;
  EXPECT_FALSE(logits_are_finite(logits, mask));
  mask[2] = 0;
  EXPECT_TRUE(logits_are_finite(logits, mask));
}

}  // namespace
}  // namespace moe::runtime
