#include "api/wire.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "api/answer.hpp"
#include "api/chunk_writer.hpp"
#include "core/json.hpp"

namespace moegate::api {
namespace {

using backend::Event;
using backend::Finish;

Params params(std::uint32_t n = 1) {
  Params made;
  made.n = n;
  made.prompts.emplace_back();
  return made;
}
AnswerHead head() { return {Api::chat, "chatcmpl-1", 5, "m", "fp"}; }
Event text(std::string words, std::uint32_t choice = 0, Finish finish = Finish::none) {
  Event event;
  event.choice = choice;
  event.text = std::move(words);
  event.tokens = {1};
  event.finish = finish;
  return event;
}
std::size_t count(const std::string& in, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = in.find(part); at != std::string::npos; at = in.find(part, at + 1)) ++found;
  return found;
}

TEST(ChunkWriter, a_choice_begins_once_and_ends_once) {
  const auto p = params();
  ChunkWriter writer(p, head());
  std::string all;
  all += writer.on_event(text("a"));
  all += writer.on_event(text("b", 0, Finish::stop));
  all += writer.on_event(text("c"));
  all += writer.end({}, {});
  EXPECT_EQ(count(all, "\"role\":\"assistant\""), 1U);
  EXPECT_EQ(count(all, "\"finish_reason\":\"stop\""), 1U);
  EXPECT_EQ(count(all, "\"usage\""), 0U);
  EXPECT_EQ(count(all, "\"content\":\"c\""), 0U);
  EXPECT_TRUE(all.ends_with("data: [DONE]\n\n"));
}

TEST(ChunkWriter, a_cancelled_choice_without_tokens_still_has_role_and_finish) {
  const auto p = params(2);
  ChunkWriter writer(p, head());
  std::string all = writer.on_event(text("a"));
  all += writer.end({}, {});
  EXPECT_EQ(count(all, "\"role\":\"assistant\""), 2U);
  EXPECT_EQ(count(all, "\"finish_reason\":\"stop\""), 2U);
}

TEST(ChunkWriter, text_that_is_held_back_sends_nothing_but_keeps_its_logprobs) {
  auto p = params();
  p.logprobs = 1;
  ChunkWriter writer(p, head());
  auto held = text("");
  held.logprobs = {{1, -1.0F, "\xE2\x82"}};
  held.top = {{}};
  auto rest = text("€");
  rest.logprobs = {{2, -2.0F, "\xAC"}};
  rest.top = {{}};
  EXPECT_EQ(count(writer.on_event(held), "content\":\"\""), 1U) << "only the role";
  const auto out = writer.on_event(rest);
  EXPECT_EQ(count(out, "\"logprob\":"), 2U);
  EXPECT_NE(out.find("\"bytes\":[226,130]"), std::string::npos);
}

TEST(ChunkWriter, progress_of_the_prompt_shows_nothing) {
  const auto p = params();
  ChunkWriter writer(p, head());
  EXPECT_EQ(writer.on_event(Event{}), "");
  Event wrong = text("x");
  wrong.choice = 9;
  EXPECT_EQ(writer.on_event(wrong), "");
}

TEST(ChunkWriter, every_event_is_one_line_of_valid_json) {
  const auto p = params();
  ChunkWriter writer(p, head());
  const auto out = writer.on_event(text("line\nbreak \"quoted\" \x01 \xE2\x80\xA8", 0, Finish::length));
  std::size_t at = 0;
  int events = 0;
  while (at < out.size()) {
    const auto end = out.find("\n\n", at);
    ASSERT_NE(end, std::string::npos);
    const auto event = out.substr(at, end - at);
    EXPECT_EQ(event.find('\n'), std::string::npos);
    EXPECT_TRUE(moe::json::parse(event.substr(6)).ok()) << event;
    at = end + 2;
    ++events;
  }
  EXPECT_EQ(events, 3);
}

TEST(Answer, keys_that_must_be_null_are_null_and_others_absent) {
  const auto p = params();
  Answer answer(p, head());
  answer.on_event(text("hi", 0, Finish::length));
  const auto body = moe::json::parse(answer.body({}, {}));
  ASSERT_TRUE(body.ok());
  const auto& choice = body->find("choices")->items()[0];
  EXPECT_TRUE(choice.find("logprobs")->is_null());
  EXPECT_EQ(choice.find("finish_reason")->as_string(), "length");
  const auto* message = choice.find("message");
  EXPECT_TRUE(message->find("refusal")->is_null());
  EXPECT_EQ(message->find("tool_calls"), nullptr);
  EXPECT_EQ(message->find("reasoning_content"), nullptr);
}

TEST(Wire, finish_reasons_are_the_words_that_clients_know) {
  for (const auto finish : {Finish::stop, Finish::cancelled, Finish::deadline, Finish::error})
    EXPECT_EQ(finish_name(finish), "stop");
  EXPECT_EQ(finish_name(Finish::length), "length");
  EXPECT_EQ(finish_name(Finish::tool_calls), "tool_calls");
}

TEST(Wire, usage_counts_cached_tokens_inside_the_prompt) {
  ledger::Counts counts;
  counts.input = 10;
  counts.cache_read = 48;
  counts.cache_write = 6;
  counts.output = 4;
  counts.reasoning = 3;
  const auto usage = moe::json::parse(usage_object(counts, nullptr));
  EXPECT_EQ(usage->find("prompt_tokens")->as_int64(), 64);
  EXPECT_EQ(usage->find("total_tokens")->as_int64(), 68);
  EXPECT_EQ(usage->find("prompt_tokens_details")->find("cached_tokens")->as_int64(), 48);
  EXPECT_EQ(usage->find("completion_tokens_details")->find("reasoning_tokens")->as_int64(), 3);
  EXPECT_EQ(usage->find("x_moegate"), nullptr);
}

TEST(Wire, bytes_that_are_no_text_print_as_replacement_characters) {
  EXPECT_EQ(printable("ok €"), "ok €");
  EXPECT_EQ(printable("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(printable("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(code_points("a€😀"), 3U);
}

TEST(Wire, minus_infinity_is_a_number_that_json_has) {
  Event event = text("a");
  event.logprobs = {{1, -std::numeric_limits<float>::infinity(), "a"}};
  event.top = {{}};
  EXPECT_NE(chat_logprobs(event).find("\"logprob\":-9999.0"), std::string::npos);
}

TEST(Wire, offsets_of_old_logprobs_count_code_points) {
  LegacyLogprobs logprobs;
  for (const char* piece : {"a€", "b", "c"}) {
    Event event = text(piece);
    event.logprobs = {{1, -0.5F, piece}};
    event.top = {{{1, -0.5F, piece}, {2, -1.5F, piece}}};
    logprobs.add(event);
  }
  EXPECT_EQ(logprobs.object(),
            "{\"tokens\":[\"a€\",\"b\",\"c\"],\"token_logprobs\":[-0.5,-0.5,-0.5],\"top_logprobs\":[{\"a€\":-0.5},"
            "{\"b\":-0.5},{\"c\":-0.5}],\"text_offset\":[0,2,3]}");
}

}  // namespace
}  // namespace moegate::api
