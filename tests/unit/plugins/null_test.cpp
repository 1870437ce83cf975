#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

TEST(Null, every_prompt_gets_the_configured_number_of_tokens) {
  Host host("null");
  ASSERT_EQ(host.init(R"({"tokens":5,"models":[{"id":"a"},{"id":"b","tokens":9}]})"), MOE_OK) << host.error().message;
  host.chat("a", 1, "anything");
  host.chat("b", 2, "at all");
  host.chat("b", 3, "cut", R"(,"max_tokens":2)");
  EXPECT_EQ(host.wait(1).last().completion_tokens, 5U);
  EXPECT_EQ(host.wait(2).last().completion_tokens, 9U);
  EXPECT_EQ(host.wait(3).last().completion_tokens, 2U);
  EXPECT_EQ(host.wait(1).text(), " token token token token token");
  EXPECT_TRUE(host.broken_rules().empty());
}

TEST(Null, a_hundred_requests_at_once_end_once_each) {
  Host host("null");
  ASSERT_EQ(host.init(R"({"tokens":32,"models":[{"id":"a"}]})"), MOE_OK);
  for (std::uint64_t tag = 1; tag <= 100; ++tag) host.chat("a", tag, "x");
  for (std::uint64_t tag = 1; tag <= 100; ++tag) {
    const Answer answer = host.wait(tag);
    EXPECT_EQ(answer.finals, 1);
    EXPECT_EQ(answer.last().completion_tokens, 32U);
  }
  EXPECT_EQ(host.counters("a").completion_tokens, 3200U);
  EXPECT_TRUE(host.broken_rules().empty());
}

TEST(Null, a_bad_number_of_tokens_is_named) {
  Host host("null");
  EXPECT_EQ(host.init(R"({"models":[{"id":"a","tokens":0}]})"), MOE_E_INVALID_ARGUMENT);
  EXPECT_STREQ(host.error().param, "models[0].tokens");
}

}  // namespace
}  // namespace moegate::plugins::testing
