// The C template keeps the same rules as the larger plugins.
#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

class Template : public ::testing::Test {
 protected:
  Template() : host("template") { EXPECT_EQ(host.init("{}"), MOE_OK) << host.error().message; }
  ~Template() override { EXPECT_EQ(host.broken_rules(), std::vector<std::string>{}); }
  Host host;
};

TEST_F(Template, answers_and_ends_once) {
  for (std::uint64_t tag = 1; tag <= 8; ++tag) host.chat("template", tag, "x");
  for (std::uint64_t tag = 1; tag <= 8; ++tag) {
    const Answer answer = host.wait(tag);
    EXPECT_EQ(answer.text(), "Hello.");
    EXPECT_EQ(answer.finals, 1);
    EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_STOP);
    EXPECT_EQ(answer.last().completion_tokens, 2U);
  }
}

TEST_F(Template, hold_pause_cancel_and_release_are_honoured) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
  host.chat("template", 1, "x");
  host.wait_until(1, [](const Answer& answer) { return !answer.events.empty(); });
  host.on_step(nullptr);
  host.chat("template", 2, "x");
  host.chat("template", 3, "x");
  host.backend().cancel(2);
  host.backend().pause(3);
  host.backend().release();
  EXPECT_EQ(host.wait(1).text(), "Hello.");
  EXPECT_EQ(host.wait(2).last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_TRUE(host.peek(3).events.empty());
  host.backend().resume(3);
  EXPECT_EQ(host.wait(3).text(), "Hello.");
}

TEST_F(Template, deinit_ends_what_is_held) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
  for (std::uint64_t tag = 1; tag <= 3; ++tag) host.chat("template", tag, "x");
  host.deinit();
  for (std::uint64_t tag = 1; tag <= 3; ++tag) EXPECT_EQ(host.peek(tag).finals, 1);
}

}  // namespace
}  // namespace moegate::plugins::testing
