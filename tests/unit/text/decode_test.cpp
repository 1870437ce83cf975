#include <gtest/gtest.h>

#include "small_tokenizer.hpp"
#include "text/stop_matcher.hpp"

namespace moe::text {
namespace {

constexpr const char* kBad = "\xEF\xBF\xBD";

TEST(StreamDecoder, a_code_point_is_never_cut) {
  const auto tokenizer = small_tokenizer();
  StreamDecoder decoder(*tokenizer, false);
  EXPECT_EQ(decoder.push('a'), "a");
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.push(0x9F), "");
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.push(0x80), "\xF0\x9F\x98\x80");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, each_maximal_invalid_part_becomes_one_replacement) {
  const auto tokenizer = small_tokenizer();
  StreamDecoder decoder(*tokenizer, false);
  EXPECT_EQ(decoder.push(0xE2), "");
  EXPECT_EQ(decoder.push(0x82), "");
  EXPECT_EQ(decoder.push('x'), std::string(kBad) + "x");
  EXPECT_EQ(decoder.push(0x80), kBad);
  EXPECT_EQ(decoder.push(0xF0), "");
  EXPECT_EQ(decoder.flush(), kBad);
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, special_tokens_are_shown_or_skipped) {
  const auto tokenizer = small_tokenizer();
  const std::vector<std::int32_t> ids{260, 'a', 262, 261};
  EXPECT_EQ(tokenizer->decode(ids, false), "<s>a<think><|end|>");
  EXPECT_EQ(tokenizer->decode(ids, true), "a<think>");
}

std::string feed(std::vector<std::string> stops, const std::vector<std::string>& pieces, bool* stopped = nullptr) {
  StopMatcher matcher(std::move(stops));
  std::string shown;
  for (const std::string& piece : pieces) shown += matcher.push(piece) + "|";
  if (!matcher.stopped()) shown += matcher.flush();
  if (stopped != nullptr) *stopped = matcher.stopped();
  return shown;
}

TEST(StopMatcher, text_that_may_become_a_stop_string_is_held_back) {
  bool stopped = false;
  EXPECT_EQ(feed({"STOP"}, {"aS", "T", "x", "STO", "P!"}, &stopped), "a||STx|||");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(feed({"STOP"}, {"aSTO"}, &stopped), "a|STO");
  EXPECT_FALSE(stopped);
}

TEST(StopMatcher, the_first_stop_string_to_complete_decides) {
  EXPECT_EQ(feed({"bc", "abcd"}, {"xabcd"}), "xa|");
  EXPECT_EQ(feed({"c", "abc"}, {"xabc"}), "x|");
  EXPECT_EQ(feed({"aab"}, {"aaab!"}), "a|");
  EXPECT_EQ(feed({"abab!"}, {"ababab!"}), "ab|");
}

TEST(StopMatcher, every_cut_of_a_text_shows_the_same) {
  const std::string text = "xaabaabaaacaab";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    StopMatcher matcher({"aabaaac"});
    std::string shown = matcher.push(text.substr(0, cut));
    shown += matcher.push(text.substr(cut));
    EXPECT_EQ(shown, "xaab") << cut;
    EXPECT_TRUE(matcher.stopped());
    EXPECT_EQ(matcher.push("more"), "");
  }
}

TEST(StopMatcher, without_stop_strings_nothing_is_held) {
  EXPECT_EQ(feed({}, {"a", "b"}), "a|b|");
  EXPECT_EQ(feed({""}, {"a"}), "a|");
}

}  // namespace
}  // namespace moe::text
