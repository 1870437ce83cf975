// Running requests: every ending, HOLD, pause, counts.
#include "subject.hpp"

namespace moegate::plugins::testing {
namespace {

TEST_F(Conformance, a_request_ends_once_with_true_counts) {
  moe_plugin_prepared* prepared = host.prepare(model, Host::chat_json("Who are you?"));
  const std::uint64_t prompt = host.info().prompt_tokens;
  ASSERT_EQ(host.start(prepared, Host::options(1)), MOE_OK);
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.finals, 1);
  EXPECT_EQ(answer.last().status, MOE_OK);
  EXPECT_EQ(answer.last().prompt_computed + answer.last().prompt_cached, prompt);
  EXPECT_EQ(answer.last().completion_tokens, answer.tokens().size());
  EXPECT_NE(answer.finish(), MOE_PLUGIN_FINISH_NONE);
}

TEST_F(Conformance, max_tokens_1_gives_one_token) {
  auto options = Host::options(1);
  options.max_tokens = 1;
  ASSERT_EQ(host.start(host.prepare(model, Host::chat_json("Who are you?")), options), MOE_OK);
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.last().completion_tokens, 1U);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_LENGTH);
}

TEST_F(Conformance, many_at_once_end_once_each_and_alike) {
  for (std::uint64_t tag = 1; tag <= 24; ++tag) ask(tag);
  for (std::uint64_t tag = 1; tag <= 24; ++tag) {
    const Answer answer = host.wait(tag);
    EXPECT_EQ(answer.finals, 1) << tag;
    EXPECT_EQ(answer.tokens(), host.wait(1).tokens()) << tag;
  }
}

TEST_F(Conformance, counters_equal_the_answers_and_nothing_stays_behind) {
  std::uint64_t completion = 0;
  for (std::uint64_t tag = 1; tag <= 5; ++tag) ask(tag);
  for (std::uint64_t tag = 1; tag <= 5; ++tag) completion += host.wait(tag).last().completion_tokens;
  ask(6);  // the counters of the first five are settled when a later request ended
  completion += host.wait(6).last().completion_tokens;
  const moe_plugin_counters counters = host.counters(model);
  EXPECT_EQ(counters.completion_tokens, completion);
  EXPECT_EQ(counters.running + counters.waiting, 0U);
}

TEST_F(Conformance, cancel_before_the_first_step_counts_no_token) {
  hold();
  ask(1);
  host.backend().cancel(1);
  host.backend().release();
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.finals, 1);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(answer.last().completion_tokens, 0U);
  EXPECT_EQ(answer.last().prompt_computed, 0U);
}

TEST_F(Conformance, cancel_in_the_middle_keeps_what_was_counted) {
  host.on_step([&](const moe_plugin_step& step) {
    for (std::uint32_t i = 0; i < step.num_events; ++i) host.backend().cancel(step.events[i]->tag);
    return MOE_PLUGIN_STEP_CONTINUE;
  });
  ask(1);
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.finals, 1);
  EXPECT_EQ(answer.last().completion_tokens, answer.tokens().size());
}

TEST_F(Conformance, cancel_pause_and_resume_of_unknown_and_ended_tags_are_ignored) {
  ask(1);
  host.wait(1);
  for (const std::uint64_t tag : {std::uint64_t{1}, std::uint64_t{99}, UINT64_MAX}) {
    host.backend().cancel(tag);
    host.backend().pause(tag);
    host.backend().resume(tag);
  }
  host.backend().release();
  ask(2);
  EXPECT_EQ(host.wait(2).finals, 1);
  EXPECT_EQ(host.peek(1).finals, 1);
}

TEST_F(Conformance, no_step_begins_between_hold_and_release) {
  hold();
  const std::uint64_t steps = host.steps();
  for (std::uint64_t tag = 1; tag <= 6; ++tag) ask(tag);
  host.backend().pause(4);
  host.backend().resume(4);
  EXPECT_EQ(host.steps(), steps);
  host.backend().release();
  for (std::uint64_t tag = 1; tag <= 6; ++tag) EXPECT_EQ(host.wait(tag).finals, 1) << tag;
}

// Whether the FINAL of a cancelled request comes before or after release is the backend's choice; nothing else comes
// before.
TEST_F(Conformance, a_cancel_under_hold_is_taken) {
  hold();
  ask(1);
  ask(2);
  host.backend().cancel(1);
  EXPECT_TRUE(host.peek(1).tokens().empty());
  EXPECT_TRUE(host.peek(2).events.empty());
  host.backend().release();
  EXPECT_EQ(host.wait(1).last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(host.wait(2).last().status, MOE_OK);
}

TEST_F(Conformance, a_release_while_on_step_still_runs_is_not_lost) {
  host.on_step([&](const moe_plugin_step&) {
    host.backend().release();
    return MOE_PLUGIN_STEP_HOLD;
  });
  ask(1);
  EXPECT_EQ(host.wait(1).finals, 1);
}

TEST_F(Conformance, a_paused_request_stands_still_until_it_is_resumed) {
  hold();
  ask(1);
  host.backend().pause(1);
  ask(2);
  host.backend().release();
  host.wait(2);
  EXPECT_TRUE(host.peek(1).tokens().empty());
  host.backend().resume(1);
  EXPECT_EQ(host.wait(1).tokens(), host.wait(2).tokens());
}

TEST_F(Conformance, deinit_ends_what_is_held) {
  hold();
  for (std::uint64_t tag = 1; tag <= 4; ++tag) ask(tag);
  host.deinit();
  for (std::uint64_t tag = 1; tag <= 4; ++tag) EXPECT_EQ(host.peek(tag).finals, 1) << tag;
}

}  // namespace
}  // namespace moegate::plugins::testing
