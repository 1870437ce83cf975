#include "telemetry/moe_load.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace moegate::telemetry {
namespace {

TEST(MoeLoad, t2_even_load_is_balanced) {
  const auto load = layer_load({5, 5, 5, 5});
  EXPECT_DOUBLE_EQ(load.max_load_ratio, 1);
  EXPECT_DOUBLE_EQ(load.balancedness, 1);
  EXPECT_NEAR(load.entropy_ratio, 1, 1e-12);
  EXPECT_DOUBLE_EQ(load.jain, 1);
  EXPECT_NEAR(load.gini, 0, 1e-12);
  EXPECT_EQ(load.active_experts, 4U);
  EXPECT_EQ(load.hot_expert, 0U) << "ties go to the lower id";
}

TEST(MoeLoad, t2_known_skew_gives_the_analytic_numbers) {
  const auto load = layer_load({0, 6, 2, 0});
  EXPECT_EQ(load.total, 8U);
  EXPECT_DOUBLE_EQ(load.max_load_ratio, 3);  // 6 over a mean of 2
  EXPECT_DOUBLE_EQ(load.hot_share, 0.75);
  EXPECT_EQ(load.hot_expert, 1U);
  EXPECT_EQ(load.active_experts, 2U);
  EXPECT_NEAR(load.entropy_ratio, -(0.75 * std::log(0.75) + 0.25 * std::log(0.25)) / std::log(4), 1e-12);
  EXPECT_DOUBLE_EQ(load.jain, 64.0 / (4 * 40));
}

TEST(MoeLoad, all_tokens_to_one_expert_and_none_at_all) {
  EXPECT_DOUBLE_EQ(layer_load({0, 0, 9}).max_load_ratio, 3);
  EXPECT_DOUBLE_EQ(layer_load({0, 0, 9}).entropy_ratio, 0);
  EXPECT_EQ(layer_load({0, 0, 0}).total, 0U);
  EXPECT_EQ(layer_load({}).total, 0U);
  EXPECT_DOUBLE_EQ(layer_load({7}).entropy_ratio, 1);
}

LoadSnapshot snapshot(std::uint64_t epoch, std::vector<std::uint64_t> counts, int second = 0) {
  return {epoch, std::chrono::steady_clock::time_point(std::chrono::seconds(1000 + second)), 1, 2, std::move(counts)};
}

TEST(MoeLoad, the_difference_adds_both_phases) {
  const auto early = snapshot(1, {1, 2, 3, 4});
  const auto late = snapshot(2, {2, 4, 6, 8});
  EXPECT_EQ(load_between(&early, late), (std::vector<std::vector<std::uint64_t>>{{4, 6}}));
  EXPECT_EQ(load_between(nullptr, late), (std::vector<std::vector<std::uint64_t>>{{8, 12}}));
}

TEST(MoeLoad, t6_a_count_that_fell_is_no_difference) {
  const auto early = snapshot(5, {9, 9, 9, 9});
  EXPECT_TRUE(load_between(&early, snapshot(6, {1, 1, 1, 1})).empty());
  EXPECT_TRUE(load_between(nullptr, snapshot(6, {1})).empty());
}

TEST(MoeLoad, history_finds_epochs_and_windows) {
  LoadHistory history;
  EXPECT_EQ(history.latest(), nullptr);
  for (int i = 1; i <= 10; ++i) history.add(snapshot(static_cast<std::uint64_t>(i) * 10, {1, 1, 1, 1}, i * 5));
  EXPECT_EQ(history.at_epoch(30)->epoch, 30U);
  EXPECT_EQ(history.at_epoch(31), nullptr);
  const auto now = std::chrono::steady_clock::time_point(std::chrono::seconds(1050));
  EXPECT_EQ(history.before(now, std::chrono::seconds(20))->epoch, 60U);
  EXPECT_EQ(history.before(now, std::chrono::seconds(900))->epoch, 10U);
}

TEST(MoeLoad, history_is_bounded_and_starts_anew_after_a_reload) {
  LoadHistory history;
  for (int i = 1; i <= 1000; ++i) history.add(snapshot(static_cast<std::uint64_t>(i), {1, 1, 1, 1}));
  EXPECT_EQ(history.at_epoch(1), nullptr);
  EXPECT_NE(history.at_epoch(1000), nullptr);
  history.add(snapshot(1, {0, 0, 0, 0}));
  EXPECT_EQ(history.at_epoch(1000), nullptr);
  EXPECT_EQ(history.latest()->epoch, 1U);
}

}  // namespace
}  // namespace moegate::telemetry
