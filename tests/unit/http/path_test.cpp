#include "http/path.hpp"

#include <gtest/gtest.h>

namespace moegate::http {
namespace {

TEST(Path, a_target_is_decoded_once_and_its_query_stays_raw) {
  const auto target = parse_target("/v1/models/Qwen%203%C3%A9?beta=true&x=%2F");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->path, "/v1/models/Qwen 3\xc3\xa9");
  EXPECT_EQ(target->query, "beta=true&x=%2F");
  EXPECT_EQ(parse_target("/v1/models/org%2Fmodel")->path, "/v1/models/org/model");
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("/v1/x?")->query, "");
}

// H8: each of these could be another path to another reader.
TEST(Path, every_second_spelling_of_a_path_is_refused) {
  for (const char* target : {"",
                             "v1",
                             "*",
                             "//",
                             "//v1/models",
                             "/v1//models",
                             "/v1/models//",
                             "/./v1",
                             "/v1/.",
                             "/v1/..",
                             "/../v1",
                             "/v1/../admin",
                             "/%2e/v1",
                             "/%2E%2e/admin",
                             "/v1/.%2e/admin",
                             "/v1%2fmodels",
                             "/v1%2Fmodels",
                             "/v1%2Fmodels/org%2Fmodel",
                             "/v1/models%2Fmodel",
                             "/v1/models/..%2f..%2fadmin",
                             "/v1/models/%2Fmodel",
                             "/v1%5cmodels",
                             "/v1\\models",
                             "/v1;x/models",
                             "/v1%3bx/models",
                             "/v1/%00",
                             "/v1/a%00b",
                             "/v1/%0d%0a",
                             "/v1/%7f",
                             "/%252e%252e/admin",
                             "/v1/%25",
                             "/v1/%",
                             "/v1/%4",
                             "/v1/%zz",
                             "/v1/%c0%ae",
                             "/v1/%e0%80%af",
                             "/v1/%ed%a0%80",
                             "/v1/%f5%80%80%80",
                             "/v1/%ff",
                             "/v1/%c3",
                             "/v1/a b",
                             "/v1/#x"}) {
    EXPECT_FALSE(parse_target(target).ok()) << target;
  }
}

TEST(Path, dots_inside_names_are_ordinary) {
  for (const char* target : {"/v1/models/qwen3.5-a3b", "/.well-known/x", "/a../b", "/..a", "/v1/models/"}) {
    EXPECT_TRUE(parse_target(target).ok()) << target;
  }
}

TEST(Path, utf8_is_checked_by_the_table_of_the_standard) {
  for (const char* good :
       {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_valid_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                          "\xe2\x82", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

TEST(Path, a_query_value_is_decoded_and_the_first_one_counts) {
  EXPECT_EQ(query_value("a=1&org=ac%6De+x&org=b", "org"), "acme x");
  EXPECT_EQ(query_value("a&b=", "a"), "");
  EXPECT_EQ(query_value("a=1", "b"), "");
  EXPECT_EQ(query_value("a=%zz", "a"), "%zz");
}

}  // namespace
}  // namespace moegate::http
