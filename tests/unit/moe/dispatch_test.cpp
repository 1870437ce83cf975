#include "moe/dispatch.hpp"

#include <gtest/gtest.h>

#include <random>

namespace moe {
namespace {

TEST(Dispatch, rows_are_grouped_by_expert_in_token_order) {
  const RouterSpec spec{.num_experts = 4, .experts_per_token = 2};
  Routing routing;
  routing.experts = {2, 0, 0, 2, 2, 3};
  routing.is_bad = {0, 0, 0};
  Dispatch out;
  dispatch_tokens(spec, routing, 3, out);
  EXPECT_EQ(out.expert_first, (std::vector<std::uint32_t>{0, 2, 2, 5, 6}));
  EXPECT_EQ(out.row_token, (std::vector<std::uint32_t>{0, 1, 0, 1, 2, 2}));
  EXPECT_EQ(out.slot_row, (std::vector<std::uint32_t>{2, 0, 1, 3, 4, 5}));
}

TEST(Dispatch, bad_tokens_have_no_rows) {
  const RouterSpec spec{.num_experts = 2, .experts_per_token = 1};
  Routing routing;
  routing.experts = {1, 0, 1};
  routing.is_bad = {0, 1, 0};
  Dispatch out;
  dispatch_tokens(spec, routing, 3, out);
  EXPECT_EQ(out.rows_of(0), 0U);
  EXPECT_EQ(out.rows_of(1), 2U);
  EXPECT_EQ(out.slot_row[1], Dispatch::kNoRow);
}

TEST(Dispatch, every_choice_has_exactly_one_row_of_its_expert_and_token) {
  std::mt19937 generator(1);
  for (const std::size_t tokens : {0UL, 1UL, 5UL, 300UL}) {
    const RouterSpec spec{.num_experts = 17, .experts_per_token = 4};
    Routing routing;
    routing.is_bad.assign(tokens, 0);
    for (std::size_t slot = 0; slot < tokens * 4; ++slot) {
      routing.experts.push_back(static_cast<std::int32_t>(generator() % 17));
    }
    Dispatch out;
    dispatch_tokens(spec, routing, tokens, out);
    ASSERT_EQ(out.num_rows(), tokens * 4);
    std::vector<int> used(out.num_rows(), 0);
    for (std::size_t slot = 0; slot < tokens * 4; ++slot) {
      const std::uint32_t row = out.slot_row[slot];
      const auto expert = static_cast<std::size_t>(routing.experts[slot]);
      ASSERT_GE(row, out.expert_first[expert]);
      ASSERT_LT(row, out.expert_first[expert + 1]);
      ASSERT_EQ(out.row_token[row], slot / 4);
      ASSERT_EQ(++used[row], 1);
    }
  }
}

}  // namespace
}  // namespace moe
