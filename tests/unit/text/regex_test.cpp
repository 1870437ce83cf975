#include "text/regex.hpp"

#include <gtest/gtest.h>

namespace moe::text {
namespace {

std::string matches(std::string_view pattern, std::string_view subject) {
  const auto regex = Regex::compile(pattern);
  if (!regex.ok()) return regex.status().message();
  const auto search = (*regex)->search();
  std::string out;
  Regex::Match match{};
  for (std::size_t from = 0; from < subject.size(); from = match.end) {
    const auto found = search->next(subject, from, match);
    if (!found.ok()) return found.status().message();
    if (!*found || match.end == match.begin) break;
    out += "[" + std::string(subject.substr(match.begin, match.end - match.begin)) + "]";
  }
  return out;
}

TEST(Regex, white_space_is_that_of_the_source_syntax) {
  EXPECT_EQ(matches(R"(\s+)", "a \xC2\xA0\xE3\x80\x80z"), "[ \xC2\xA0\xE3\x80\x80]");
  EXPECT_EQ(matches(R"(\s+)", "\xE1\xA0\x8E\x1C\xE2\x80\x8B"), "");  // U+180E, U+001C, U+200B are none
  EXPECT_EQ(matches(R"([^\s]+)", "a\xE1\xA0\x8E z"), "[a\xE1\xA0\x8E][z]");
  EXPECT_EQ(matches(R"(\S+)", "a\tb"), "[a][b]");
}

TEST(Regex, class_intersections_are_expanded) {
  EXPECT_EQ(matches(R"([\p{L}&&[^\p{Han}]]+)", "ab\xE4\xB8\xADz"), "[ab][z]");
  EXPECT_EQ(matches(R"([a-z&&[aeiou]]+)", "xaeb"), "[ae]");
}

TEST(Regex, scripts_are_not_widened_to_their_extensions) {
  EXPECT_EQ(matches(R"(\p{Han}+)", "\xE3\x80\x82"), "");  // U+3002 is used with Han but is Common
  EXPECT_EQ(matches(R"(\p{Han}+)", "\xE3\x80\x85\xE3\x80\x87"), "[\xE3\x80\x85\xE3\x80\x87]");
}

TEST(Regex, case_folding_is_unicode) { EXPECT_EQ(matches("(?i:'s)", "'\xC5\xBF'S"), "['\xC5\xBF]['S]"); }

TEST(Regex, syntax_that_cannot_be_carried_over_is_refused) {
  for (const char* pattern : {"[a[b]]", R"([\S])", R"(\h)", R"(\X)", "[]", "[a", R"(\)", R"(\p{L)", "[a&&]",
                              "[^a&&[b]]", "(((", "a**", "(?<=a+)b", R"(\p{Nonsense})"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex.ok()) << pattern;
    EXPECT_TRUE(regex.status().message().starts_with("pattern: ")) << regex.status().message();
  }
  EXPECT_FALSE(Regex::compile(std::string(100000, 'a')).ok());
  EXPECT_FALSE(Regex::compile(std::string(1000, '(') + "a" + std::string(1000, ')')).ok());
}

TEST(Regex, runaway_backtracking_ends_with_an_error) {
  const auto regex = Regex::compile("(?:a+)+$b");
  ASSERT_TRUE(regex.ok());
  Regex::Match match{};
  const auto found = (*regex)->search()->next(std::string(5000, 'a'), 0, match);
  EXPECT_TRUE(!found.ok() || !*found);
}

}  // namespace
}  // namespace moe::text
