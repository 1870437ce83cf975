#include "core/json.hpp"

#include <gtest/gtest.h>

namespace moe::json {
namespace {

std::string round_trip(std::string_view text) {
  auto value = parse(text);
  return value.ok() ? write(*value) : "error: " + value.status().message();
}

std::string refusal(std::string_view text, const Limits& limits = {}) {
  auto value = parse(text, limits);
  return value.ok() ? "accepted" : value.status().message();
}

TEST(Json, order_and_kinds_survive_a_round_trip) {
  EXPECT_EQ(round_trip(R"( {"z":1,"a":[null,true,false,"x",{}],"m":{"b":[]}} )"),
            R"({"z":1,"a":[null,true,false,"x",{}],"m":{"b":[]}})");
}

TEST(Json, integers_keep_their_digits_at_any_size) {
  EXPECT_EQ(round_trip("12345678901234567890123456789"), "12345678901234567890123456789");
  EXPECT_EQ(round_trip("-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(round_trip("-0"), "0");
  EXPECT_EQ(parse("9223372036854775807")->as_int64(), INT64_MAX);
  EXPECT_EQ(parse("9223372036854775808")->as_int64(), std::nullopt);
  EXPECT_EQ(parse("3.0")->as_int64(), std::nullopt);
}

TEST(Json, f018_other_numbers_print_as_python_repr) {
  EXPECT_EQ(round_trip("[1.0,1e2,0.10,1e-7,1e16,123456789012345678.0,-0.0,1e-400,0.0001,1E5]"),
            "[1.0,100.0,0.1,1e-07,1e+16,1.2345678901234568e+17,-0.0,0.0,0.0001,100000.0]");
}

TEST(Json, numbers_beyond_double_are_refused_with_their_place) {
  EXPECT_EQ(refusal("[1,\n 1e400]").substr(0, 15), "line 2, column ");
  EXPECT_NE(refusal("[-1e400]").find("too large"), std::string::npos);
  EXPECT_NE(refusal("[1e999999999999999999999]"), "accepted");
  EXPECT_NE(refusal("NaN"), "accepted");
  EXPECT_NE(refusal("01"), "accepted");
  EXPECT_NE(refusal("1."), "accepted");
}

TEST(Json, f7_duplicate_keys_are_refused_in_small_and_large_objects) {
  EXPECT_NE(refusal("{\"a\":1,\n\"a\":2}").find("line 2"), std::string::npos);
  EXPECT_NE(refusal("{\"a\":1,\"\\u0061\":2}").find("duplicate key \"a\""), std::string::npos);
  std::string large = "{";
  for (int i = 0; i < 5000; ++i) large += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(refusal(large + "\"x\":1}"), "accepted");
  EXPECT_NE(refusal(large + "\"k17\":1}").find("duplicate key \"k17\""), std::string::npos);
  EXPECT_NE(refusal(large + "\"k4999\":1}").find("duplicate key"), std::string::npos);
}

TEST(Json, f7_malformed_text_is_refused_with_line_and_column) {
  const std::string_view cases[] = {"",
                                    " ",
                                    "{",
                                    "[1,]",
                                    "{\"a\"}",
                                    "{\"a\":1,}",
                                    "[1] 2",
                                    "'a'",
                                    "\"\x01\"",
                                    "\"\\x\"",
                                    "\"\\ud800\"",
                                    "\"\\ud800x\"",
                                    "\"\\udc00\"",
                                    "\"\\ud800\\ud800\"",
                                    "\"\xc0\x80\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"\xf5\x80\x80\x80\"",
                                    "\"\xe2\x82\"",
                                    "\"\x80\"",
                                    "\"\xf0\x80\x80\x80\"",
                                    "\xef\xbb\xbf{}",
                                    "// c\n1",
                                    "tru",
                                    "nul",
                                    "[1",
                                    "\"a"};
  for (std::string_view text : cases) {
    EXPECT_EQ(refusal(text).substr(0, 5), "line ") << text << " -> " << refusal(text);
  }
}

TEST(Json, lone_surrogates_are_named) {
  EXPECT_NE(refusal("{\"a\": \"\\ud800\"}").find("surrogate"), std::string::npos);
  EXPECT_EQ(parse("\"\\ud83d\\ude00\"")->as_string(), "\xF0\x9F\x98\x80");
}

TEST(Json, m6_depth_and_size_have_limits) {
  EXPECT_EQ(refusal(std::string(64, '[') + std::string(64, ']')), "accepted");
  EXPECT_NE(refusal(std::string(65, '[') + std::string(65, ']')).find("deeper than 64"), std::string::npos);
  EXPECT_NE(refusal(std::string(1000000, '[')).find("deeper"), std::string::npos);
  Limits small;
  small.max_bytes = 4;
  EXPECT_EQ(parse("[1,2]", small).status().code(), Code::out_of_range);
}

TEST(Json, writer_follows_json_dumps) {
  const Value value = *parse(R"({"b":[1,{"x":null}],"a":"<é\u0007\u007f😀>\"","e":[],"o":{}})");
  WriteOptions python;
  python.item_separator = ", ";
  python.key_separator = ": ";
  EXPECT_EQ(write(value, python), "{\"b\": [1, {\"x\": null}], \"a\": \"<é\\u0007\x7f😀>\\\"\", \"e\": [], \"o\": {}}");
  python.ascii_only = true;
  python.sort_keys = true;
  EXPECT_EQ(write(value, python),
            "{\"a\": \"<\\u00e9\\u0007\\u007f\\ud83d\\ude00>\\\"\", \"b\": [1, {\"x\": null}], \"e\": [], \"o\": {}}");
  WriteOptions lines;
  lines.indent = 2;
  lines.key_separator = ": ";
  EXPECT_EQ(write(*parse("[1,[],{\"a\":2}]"), lines), "[\n  1,\n  [],\n  {\n    \"a\": 2\n  }\n]");
}

TEST(Json, members_are_found_replaced_and_added) {
  Value value = Value::object();
  value.set("a", Value::integer(1)).set("b", Value::array().push(Value::string("x")));
  value.set("a", Value::number(2));
  EXPECT_EQ(write(value), R"({"a":2.0,"b":["x"]})");
  EXPECT_EQ(value.find("c"), nullptr);
  EXPECT_EQ(Value().find("a"), nullptr);
}

TEST(Json, every_cut_of_a_document_is_refused_and_never_crashes) {
  const std::string text = R"({"a":[1,-2.5e3,"\u00e9\n"],"b":{"c":null,"d":true}})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace moe::json
