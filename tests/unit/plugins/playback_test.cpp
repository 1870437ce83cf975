// What a playback script says is what comes out, to the token.
#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

class Playback : public ::testing::Test {
 protected:
  Playback() : host("playback") { EXPECT_EQ(host.init(basic_config()), MOE_OK) << host.error().message; }
  ~Playback() override { EXPECT_EQ(host.broken_rules(), std::vector<std::string>{}); }

  Answer ask(const std::string& text, const std::string& more = "") {
    host.chat("m", ++tag, text, more);
    return host.wait(tag);
  }

  Host host;
  std::uint64_t tag = 0;
};

TEST_F(Playback, pieces_come_with_their_tokens_and_exact_counts) {
  const Answer answer = ask("say hello");
  EXPECT_EQ(answer.text(), "Hello, world €!");
  EXPECT_EQ(answer.tokens(), (std::vector<std::int32_t>{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(answer.finish(), MOE_PLUGIN_FINISH_STOP);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_STOP);
  EXPECT_EQ(answer.last().status, MOE_OK);
  EXPECT_EQ(answer.last().prompt_computed, 7U);
  EXPECT_EQ(answer.last().completion_tokens, 7U);
  EXPECT_EQ(answer.events.size(), 5U);  // four pieces and FINAL
}

TEST_F(Playback, the_same_request_gives_the_same_digest_and_another_answer_another) {
  const auto digest = [](const Answer& answer) { return answer.events[answer.events.size() - 2].digest; };
  const auto first = digest(ask("hello")), again = digest(ask("hello")), other = digest(ask("choices"));
  ASSERT_EQ(first.size(), 32U);
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
}

TEST_F(Playback, max_tokens_cuts_a_piece_at_a_token_and_its_text_at_a_code_point) {
  const Answer answer = ask("hello", R"(,"max_tokens":5)");
  EXPECT_EQ(answer.tokens(), (std::vector<std::int32_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(answer.text(), "Hello, world ");  // token 5 holds two of the three bytes of the euro sign
  EXPECT_EQ(answer.finish(), MOE_PLUGIN_FINISH_LENGTH);
}

TEST_F(Playback, F048_max_tokens_gives_exactly_that_many_tokens) {
  for (const int n : {1, 5, 20}) {
    const Answer answer = ask("count", ",\"max_tokens\":" + std::to_string(n));
    EXPECT_EQ(answer.last().completion_tokens, static_cast<std::uint64_t>(n));
    EXPECT_EQ(answer.text(), std::string(static_cast<std::size_t>(n), 'x'));
    EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_LENGTH);
  }
}

TEST_F(Playback, a_stop_string_over_two_pieces_is_removed_and_ends_the_choice) {
  const Answer answer = ask("hello", R"(,"stop":["lo, w"])");
  EXPECT_EQ(answer.text(), "Hel");
  EXPECT_EQ(answer.finish(), MOE_PLUGIN_FINISH_STOP);
  EXPECT_EQ(answer.last().completion_tokens, 6U);
}

TEST_F(Playback, text_that_only_began_as_a_stop_string_is_given_out_at_the_end) {
  EXPECT_EQ(ask("hello", R"(,"stop":["!?"])").text(), "Hello, world €!");
}

TEST_F(Playback, a_stop_token_counts_and_its_text_does_not_come) {
  const Answer answer = ask("hello", R"(,"stop_token_ids":[3])");
  EXPECT_EQ(answer.tokens(), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(answer.text(), "Hello"[0] + std::string("el") + "lo");
  EXPECT_EQ(answer.finish(), MOE_PLUGIN_FINISH_STOP);
}

TEST_F(Playback, choices_play_their_own_rows_and_count_together) {
  moe_plugin_prepared* prepared = host.prepare("m", Host::chat_json("choices"));
  ASSERT_NE(prepared, nullptr);
  auto options = Host::options(77);
  options.num_choices = 3;
  ASSERT_EQ(host.start(prepared, options), MOE_OK);
  const Answer answer = host.wait(77);
  EXPECT_EQ(answer.text(0), "first");
  EXPECT_EQ(answer.text(1), "second");
  EXPECT_EQ(answer.text(2), "first");
  EXPECT_EQ(answer.last().completion_tokens, 4U);
  EXPECT_EQ(answer.finals, 1);
}

TEST_F(Playback, reasoning_is_a_channel_of_its_own_and_inside_the_count) {
  const Answer answer = ask("think");
  EXPECT_EQ(answer.text(0, MOE_PLUGIN_CHANNEL_REASONING), "let me see");
  EXPECT_EQ(answer.text(), "Answer.");
  EXPECT_EQ(answer.last().reasoning_tokens, 4U);
  EXPECT_EQ(answer.last().completion_tokens, 5U);
}

TEST_F(Playback, tool_calls_send_the_name_once_and_the_arguments_in_pieces) {
  const Answer answer = ask("weather");
  std::vector<std::string> names, arguments(2);
  for (const Seen& seen : answer.events) {
    if (seen.event.channel != MOE_PLUGIN_CHANNEL_TOOL_CALL) continue;
    if (!seen.tool_name.empty()) names.push_back(std::to_string(seen.event.tool_index) + seen.tool_name);
    arguments[seen.event.tool_index] += seen.text;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"0weather", "1weather"}));
  EXPECT_EQ(arguments, (std::vector<std::string>{R"({"city":"Kiel"})", R"({"city":"Oslo"})"}));
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_TOOL_CALLS);
}

TEST_F(Playback, logprobs_have_the_bytes_of_each_token_also_of_half_a_code_point) {
  moe_plugin_prepared* prepared = host.prepare("m", Host::chat_json("hello"));
  ASSERT_NE(prepared, nullptr);
  auto options = Host::options(5);
  options.logprobs = 3;
  ASSERT_EQ(host.start(prepared, options), MOE_OK);
  const Answer answer = host.wait(5);
  EXPECT_EQ(answer.events[2].token_bytes, (std::vector<std::string>{"world ", "\xE2\x82", "\xAC!"}));
  EXPECT_EQ(answer.events[2].logprobs.size(), 3U);
  EXPECT_EQ(answer.events[2].event.num_top, 2U);
}

TEST_F(Playback, cached_and_written_tokens_are_told_apart_from_computed_ones) {
  const Answer answer = ask("cached");
  EXPECT_EQ(answer.last().prompt_cached, 48U);
  EXPECT_EQ(answer.last().prompt_computed, 16U);
  EXPECT_EQ(answer.last().cache_written, 16U);
}

TEST_F(Playback, requests_started_together_share_steps) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
  host.chat("m", 1, "hello");
  host.wait_until(1, [](const Answer& answer) { return !answer.events.empty(); });
  for (std::uint64_t i = 2; i <= 9; ++i) host.chat("m", i, "hello");
  std::uint32_t largest = 0;  // written on the step thread, read after the last FINAL
  host.on_step([&](const moe_plugin_step& step) {
    largest = std::max(largest, step.num_events);
    return MOE_PLUGIN_STEP_CONTINUE;
  });
  host.backend().release();
  for (std::uint64_t i = 1; i <= 9; ++i) EXPECT_EQ(host.wait(i).text(), "Hello, world €!");
  host.deinit();
  EXPECT_GE(largest, 9U);
}

TEST_F(Playback, counters_equal_the_sum_of_the_answers) {
  std::uint64_t prompt = 0, cached = 0, completion = 0;
  for (const char* text : {"hello", "cached", "think", "weather"}) {
    const Answer answer = ask(text);
    prompt += answer.last().prompt_computed;
    cached += answer.last().prompt_cached;
    completion += answer.last().completion_tokens;
  }
  const moe_plugin_counters counters = host.counters("m");
  EXPECT_EQ(counters.prompt_tokens, prompt);
  EXPECT_EQ(counters.cached_tokens, cached);
  EXPECT_EQ(counters.completion_tokens, completion);
  EXPECT_EQ(counters.running + counters.waiting, 0U);
  std::vector<std::uint64_t> experts(32);
  std::uint64_t count = 0, epoch = 0, sum = 0;
  std::uint32_t layers = 0, per_layer = 0;
  ASSERT_EQ(host.backend().expert_counts(to_str("m"), experts.data(), 32, &count, &epoch, &layers, &per_layer), MOE_OK);
  for (const std::uint64_t value : experts) sum += value;
  EXPECT_EQ(sum, (prompt + completion) * layers * 2);
}

TEST_F(Playback, tokenize_of_a_chat_counts_what_prepare_counts) {
  for (const char* text : {"hello", "something with ümlauts"}) {
    const std::string request = Host::chat_json(text);
    const auto answer = host.json([&](const moe_plugin_sink* out) {
      return host.backend().tokenize(to_str("m"), to_str(request), out, nullptr);
    });
    moe_plugin_prepared* prepared = host.prepare("m", request);
    ASSERT_NE(prepared, nullptr);
    EXPECT_EQ(answer.find("tokens")->items().size(), host.info().prompt_tokens);
    host.backend().discard(prepared);
  }
}

}  // namespace
}  // namespace moegate::plugins::testing
