#include "api/params.hpp"

#include <gtest/gtest.h>

namespace moegate::api {
namespace {

using moe::json::Value;

Value json(std::string_view text) {
  auto value = moe::json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return std::move(*value);
}
Params chat(const std::string& fields) {
  auto read = read_chat(json(R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + fields + "}"));
  EXPECT_TRUE(std::holds_alternative<Params>(read)) << fields;
  return std::holds_alternative<Params>(read) ? std::get<Params>(read) : Params{};
}
ApiError chat_error(const std::string& fields) {
  auto read = read_chat(json(R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + fields + "}"));
  EXPECT_TRUE(std::holds_alternative<ApiError>(read)) << fields;
  return std::holds_alternative<ApiError>(read) ? std::get<ApiError>(read) : ApiError{};
}

TEST(Params, an_empty_request_gets_the_defaults) {
  const auto params = chat("");
  EXPECT_EQ(params.n, 1U);
  EXPECT_FALSE(params.is_stream || params.include_usage || params.seed || params.max_tokens);
  EXPECT_EQ(params.temperature, 1);
  EXPECT_EQ(params.logprobs, 0U);
  ASSERT_EQ(params.prompts.size(), 1U);
  EXPECT_EQ(moe::json::write(params.prompts[0]), R"({"messages":[{"role":"user","content":"hi"}]})");
}

TEST(Params, the_newer_name_of_max_tokens_wins) {
  EXPECT_EQ(chat(R"(,"max_tokens":5)").max_tokens, 5U);
  EXPECT_EQ(chat(R"(,"max_completion_tokens":7,"max_tokens":5)").max_tokens, 7U);
}

TEST(Params, what_the_backend_must_see_is_in_the_prompt) {
  const auto params =
      chat(R"(,"stop":"x","stop_token_ids":[7],"logit_bias":{"5":-100},"max_tokens":3,"chat_template_kwargs":{"a":1})");
  EXPECT_EQ(
      moe::json::write(params.prompts[0]),
      R"({"messages":[{"role":"user","content":"hi"}],"chat_template_kwargs":{"a":1},"stop":["x"],"stop_token_ids":[7],"logit_bias":{"5":-100},"max_tokens":3})");
}

TEST(Params, seeds_keep_all_64_bits) {
  EXPECT_EQ(chat(R"(,"seed":-1)").seed, UINT64_MAX);
  EXPECT_EQ(chat(R"(,"seed":9223372036854775807)").seed, static_cast<std::uint64_t>(INT64_MAX));
  EXPECT_EQ(chat_error(R"(,"seed":9223372036854775808)").param, "seed");
}

TEST(Params, switched_off_top_k_is_zero) {
  EXPECT_EQ(chat(R"(,"top_k":-1)").sampling_top_k, 0U);
  EXPECT_EQ(chat(R"(,"top_k":40)").sampling_top_k, 40U);
}

TEST(Params, an_error_names_type_and_path) {
  const auto error = chat_error(R"(,"temperature":"hot")");
  EXPECT_EQ(error.problem, http::Problem::invalid_type);
  EXPECT_EQ(error.param, "temperature");
  EXPECT_EQ(chat_error(R"(,"stream_options":{"include_usage":5})").param, "stream_options.include_usage");
  EXPECT_EQ(chat_error(R"(,"stop":["a",5])").param, "stop[1]");
}

TEST(Params, m4_absurd_bodies_are_refused_before_anything_grows) {
  std::string messages;
  for (std::size_t i = 0; i <= kMaxMessages; ++i) messages += R"({"role":"user","content":""},)";
  messages.pop_back();
  auto read = read_chat(json(R"({"model":"m","messages":[)" + messages + "]}"));
  ASSERT_TRUE(std::holds_alternative<ApiError>(read));
  EXPECT_EQ(std::get<ApiError>(read).param, "messages");
  EXPECT_EQ(chat_error(R"(,"max_tokens":123456789012345678901234567890)").param, "max_tokens");
  EXPECT_EQ(chat_error(R"(,"n":4294967297)").param, "n");
}

TEST(Params, f023_both_spellings_of_reasoning_reach_the_template_as_one) {
  const auto read = read_chat(json(R"({"model":"m","messages":[{"role":"assistant","content":"a","reasoning":"r"}]})"));
  const auto& message = std::get<Params>(read).prompts[0].find("messages")->items()[0];
  EXPECT_EQ(message.find("reasoning_content")->as_string(), "r");
}

TEST(Params, f019_arguments_become_an_object_where_they_are_one) {
  const auto arguments = [](const std::string& text) {
    const auto read = read_chat(json(
        R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f")" + text + "}}]}]}"));
    const auto& message = std::get<Params>(read).prompts[0].find("messages")->items()[0];
    return moe::json::write(*message.find("tool_calls")->items()[0].find("function")->find("arguments"));
  };
  EXPECT_EQ(arguments(""), "{}");
  EXPECT_EQ(arguments(R"(,"arguments":null)"), "{}");
  EXPECT_EQ(arguments(R"(,"arguments":"")"), "{}");
  EXPECT_EQ(arguments(R"(,"arguments":"{\"a\":1.0}")"), R"({"a":1.0})");
  EXPECT_EQ(arguments(R"(,"arguments":{"a":1})"), R"({"a":1})");
  EXPECT_EQ(arguments(R"(,"arguments":"{\"a\": ")"), R"("{\"a\": ")");
  EXPECT_EQ(arguments(R"(,"arguments":"[1]")"), R"("[1]")");
}

TEST(Params, completions_default_to_sixteen_tokens) {
  const auto read = read_completion(json(R"({"model":"m","prompt":[[1,2],"x"],"n":2})"));
  const auto& params = std::get<Params>(read);
  EXPECT_EQ(params.max_tokens, 16U);
  ASSERT_EQ(params.prompts.size(), 2U);
  EXPECT_EQ(moe::json::write(params.prompts[0]), R"({"max_tokens":16,"prompt":[1,2]})");
}

TEST(Params, a_batch_has_at_most_128_choices) {
  const auto read = read_completion(json(R"({"model":"m","prompt":["a","b"],"n":65})"));
  EXPECT_EQ(std::get<ApiError>(read).param, "n");
}

}  // namespace
}  // namespace moegate::api
