#include "moe/load_counters.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <numeric>
#include <thread>

namespace moe {
namespace {

TEST(LoadCounters, counts_are_visible_once_the_step_is_published) {
  LoadCounters counters(2, 3);
  ASSERT_EQ(counters.size(), 12U);
  counters.add(Phase::prefill, 0, std::array<std::int32_t, 3>{0, 2, 2});
  counters.add(Phase::decode, 1, std::array<std::int32_t, 1>{1});
  std::vector<std::uint64_t> out(12);
  EXPECT_EQ(counters.snapshot(out), 0U);
  EXPECT_EQ(std::accumulate(out.begin(), out.end(), 0U), 0U);
  counters.publish();
  EXPECT_EQ(counters.snapshot(out), 1U);
  EXPECT_EQ(out, (std::vector<std::uint64_t>{1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0}));
  counters.add(Phase::decode, 1, std::array<std::int32_t, 1>{1});
  counters.discard();
  counters.publish();
  EXPECT_EQ(counters.snapshot(out), 2U);
  EXPECT_EQ(out[10], 1U);
}

// Each step adds one assignment to every counter, so a torn or half snapshot would show unequal numbers.
TEST(LoadCounters, a_reader_sees_whole_steps_only) {
  LoadCounters counters(3, 4);
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::vector<std::uint64_t> out(counters.size());
    while (!done.load()) {
      const std::uint64_t epoch = counters.snapshot(out);
      for (const std::uint64_t count : out) {
        ASSERT_EQ(count, epoch);
      }
    }
  });
  constexpr std::array<std::int32_t, 4> kAll{0, 1, 2, 3};
  for (int step = 0; step < 2000; ++step) {
    for (std::size_t layer = 0; layer < 3; ++layer) {
      counters.add(Phase::prefill, layer, kAll);
      counters.add(Phase::decode, layer, kAll);
    }
    counters.publish();
  }
  done = true;
  reader.join();
  std::vector<std::uint64_t> out(counters.size());
  EXPECT_EQ(counters.snapshot(out), 2000U);
}

}  // namespace
}  // namespace moe
