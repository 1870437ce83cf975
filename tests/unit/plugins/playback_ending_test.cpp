// Every started request ends with exactly one FINAL, whatever happens to it.
#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

class Ending : public ::testing::Test {
 protected:
  Ending() : host("playback") { EXPECT_EQ(host.init(basic_config()), MOE_OK) << host.error().message; }
  ~Ending() override { EXPECT_EQ(host.broken_rules(), std::vector<std::string>{}); }

  // Holds the plugin with `text` under way as request 1000, so that nothing else moves.
  void hold(const std::string& text = "hang") {
    host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
    host.chat("m", 1000, text);
    host.wait_until(1000, [](const Answer& answer) { return !answer.events.empty(); });
    host.on_step(nullptr);
  }

  static void has_tokens(Host& host, std::uint64_t tag, std::size_t count) {
    host.wait_until(tag, [&](const Answer& answer) { return answer.tokens().size() >= count; });
  }

  Host host;
};

TEST_F(Ending, cancel_before_the_first_step_counts_nothing) {
  hold();
  host.chat("m", 1, "hello");
  host.backend().cancel(1);
  host.backend().release();
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.events.size(), 1U);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(answer.last().prompt_computed, 0U);
  EXPECT_EQ(answer.last().completion_tokens, 0U);
}

TEST_F(Ending, cancel_in_the_middle_keeps_the_counts_and_is_idempotent) {
  host.chat("m", 1, "slow");
  has_tokens(host, 1, 2);
  for (int i = 0; i < 3; ++i) host.backend().cancel(1);
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(answer.last().completion_tokens, answer.tokens().size());
  EXPECT_GT(answer.last().prompt_computed, 0U);
  host.backend().cancel(1);
  host.backend().cancel(424242);
  host.chat("m", 2, "hello");
  host.wait(2);
  EXPECT_EQ(host.peek(1).finals, 1);
}

TEST_F(Ending, cancel_from_inside_on_step_is_taken) {
  host.on_step([&](const moe_plugin_step& step) {
    for (std::uint32_t i = 0; i < step.num_events; ++i) host.backend().cancel(step.events[i]->tag);
    return MOE_PLUGIN_STEP_CONTINUE;
  });
  host.chat("m", 1, "count");
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(answer.last().completion_tokens, 1U);
}

TEST_F(Ending, an_error_after_the_pieces_keeps_their_counts) {
  host.chat("m", 1, "break");
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.text(), "one two ");
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_ERROR);
  EXPECT_EQ(answer.last().status, MOE_E_INTERNAL);
  EXPECT_EQ(answer.events.back().message, "planned engine fault");
  EXPECT_EQ(answer.last().completion_tokens, 2U);
}

TEST_F(Ending, fail_after_tokens_counts_over_all_choices) {
  moe_plugin_prepared* prepared = host.prepare("m", Host::chat_json("fail after"));
  ASSERT_NE(prepared, nullptr);
  auto options = Host::options(1);
  options.num_choices = 2;
  ASSERT_EQ(host.start(prepared, options), MOE_OK);
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_ERROR);
  EXPECT_EQ(answer.last().completion_tokens, 3U);
}

TEST_F(Ending, a_deadline_ends_a_request_that_hangs) {
  moe_plugin_prepared* prepared = host.prepare("m", Host::chat_json("hang"));
  ASSERT_NE(prepared, nullptr);
  auto options = Host::options(1);
  options.deadline_ms = 30;
  ASSERT_EQ(host.start(prepared, options), MOE_OK);
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_DEADLINE);
  EXPECT_EQ(answer.last().status, MOE_E_DEADLINE_EXCEEDED);
}

TEST_F(Ending, deinit_ends_what_runs_and_what_is_held) {
  hold();
  for (std::uint64_t tag = 1; tag <= 4; ++tag) host.chat("m", tag, tag % 2 == 0 ? "late" : "hang");
  host.deinit();
  for (const std::uint64_t tag : {1, 2, 3, 4, 1000}) {
    const Answer answer = host.peek(tag);
    EXPECT_EQ(answer.finals, 1) << tag;
    EXPECT_EQ(answer.last().status, MOE_E_UNAVAILABLE);
  }
}

TEST_F(Ending, no_step_begins_under_hold) {
  hold();
  const std::uint64_t steps = host.steps();
  for (std::uint64_t tag = 1; tag <= 8; ++tag) host.chat("m", tag, "hello");
  for (std::uint64_t tag = 1; tag <= 4; ++tag) host.backend().cancel(tag);
  host.backend().resume(5);
  EXPECT_EQ(host.counters("m").running, 9U);
  EXPECT_EQ(host.steps(), steps);  // only release() lets the step thread go on
  host.backend().release();
  for (std::uint64_t tag = 1; tag <= 8; ++tag) {
    const std::int32_t finish = host.wait(tag).last().finish_reason;
    EXPECT_EQ(finish, tag <= 4 ? MOE_PLUGIN_FINISH_CANCELLED : MOE_PLUGIN_FINISH_STOP);
  }
}

TEST_F(Ending, a_release_during_the_step_that_holds_is_not_lost) {
  int holds = 0;
  host.on_step([&](const moe_plugin_step&) {
    ++holds;
    host.backend().release();  // as another thread could, before the answer is seen
    return MOE_PLUGIN_STEP_HOLD;
  });
  host.chat("m", 1, "hello");
  EXPECT_EQ(host.wait(1).text(), "Hello, world €!");
  host.deinit();
  EXPECT_EQ(holds, 4);
}

TEST_F(Ending, a_paused_request_stands_still_while_others_go_on) {
  hold();
  host.chat("m", 1, "hello");
  host.backend().pause(1);
  host.chat("m", 2, "hello");
  host.backend().release();
  host.wait(2);
  EXPECT_TRUE(host.peek(1).events.empty());
  host.backend().resume(1);
  EXPECT_EQ(host.wait(1).text(), "Hello, world €!");
}

TEST_F(Ending, a_paused_request_can_be_cancelled) {
  host.chat("m", 1, "slow");
  has_tokens(host, 1, 1);
  host.backend().pause(1);
  host.backend().cancel(1);
  EXPECT_EQ(host.wait(1).last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
}

TEST(Queue, a_finished_request_leaves_its_place_to_the_next_and_a_full_queue_refuses) {
  Host host("playback");
  ASSERT_EQ(host.init(script_config(R"({"max_running":1,"max_queue":1,"entries":[
    {"match":"hang","finish":"hang","pieces":[{"text":"a"}]},{"pieces":[{"text":"b"}]}]})")),
            MOE_OK);
  host.chat("m", 1, "hang");
  host.chat("m", 2, "other");
  EXPECT_EQ(host.counters("m").waiting, 1U);
  EXPECT_EQ(host.start(host.prepare("m", Host::chat_json("other")), Host::options(3)), MOE_E_RESOURCE_EXHAUSTED);
  host.backend().cancel(1);
  EXPECT_EQ(host.wait(2).text(), "b");
  EXPECT_EQ(host.peek(3).finals, 0);
}

}  // namespace
}  // namespace moegate::plugins::testing
