#include "base/turns.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace moe::base {
namespace {

// All members always want a turn; who got how many of `rounds`.
std::map<std::uint32_t, int> serve(Turns& turns, const std::vector<std::uint32_t>& members, int rounds) {
  std::map<std::uint32_t, int> served;
  for (const std::uint32_t member : members) {
    turns.request(member);
  }
  for (int round = 0; round < rounds; ++round) {
    int candidates = 0;
    std::uint32_t next = 0;
    for (const std::uint32_t member : members) {
      if (turns.is_next(member)) {
        ++candidates;
        next = member;
      }
    }
    EXPECT_EQ(candidates, 1);
    turns.grant(next);
    EXPECT_FALSE(turns.is_next(members.front()));
    turns.finish(next);
    turns.request(next);
    ++served[next];
  }
  return served;
}

TEST(Turns, members_are_served_in_proportion_to_their_weight) {
  Turns turns;
  const std::uint32_t light = turns.join(1);
  const std::uint32_t heavy = turns.join(3);
  const std::uint32_t zero = turns.join(0);  // counts as 1
  auto served = serve(turns, {light, heavy, zero}, 5000);
  EXPECT_NEAR(served[light], 1000, 1);
  EXPECT_NEAR(served[heavy], 3000, 1);
  EXPECT_NEAR(served[zero], 1000, 1);
}

TEST(Turns, a_member_that_was_idle_cannot_save_up_turns) {
  Turns turns;
  const std::uint32_t busy = turns.join(1);
  const std::uint32_t idle = turns.join(1);
  serve(turns, {busy}, 1000);
  auto served = serve(turns, {busy, idle}, 100);
  EXPECT_NEAR(served[busy], 50, 1);
}

TEST(Turns, the_lightest_is_not_starved_by_many_heavy_ones) {
  Turns turns;
  std::vector<std::uint32_t> members{turns.join(1)};
  for (int i = 0; i < 8; ++i) {
    members.push_back(turns.join(1000));
  }
  EXPECT_GE(serve(turns, members, 8100)[members.front()], 1);
}

TEST(Turns, a_holder_that_leaves_frees_the_resource) {
  Turns turns;
  const std::uint32_t a = turns.join(1);
  const std::uint32_t b = turns.join(1);
  turns.request(a);
  turns.grant(a);
  turns.request(b);
  EXPECT_FALSE(turns.is_next(b));
  turns.leave(a);
  EXPECT_TRUE(turns.is_next(b));
}

}  // namespace
}  // namespace moe::base
