#include "http/error_map.hpp"

#include <gtest/gtest.h>

#include "core/json.hpp"

namespace moegate::http {
namespace {

std::string header_of(const Response& response, std::string_view name) {
  for (const auto& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

TEST(ErrorMap, the_object_has_all_four_keys_and_nulls_where_nothing_is_known) {
  EXPECT_EQ(error_body("a \"b\"\n", "t", "", ""),
            R"({"error":{"message":"a \"b\"\n","type":"t","param":null,"code":null}})");
  EXPECT_EQ(error_body("m", "t", "messages[0].role", "invalid_value"),
            R"({"error":{"message":"m","type":"t","param":"messages[0].role","code":"invalid_value"}})");
}

TEST(ErrorMap, every_problem_has_a_status_a_type_and_a_code_in_both_dialects) {
  for (int i = 0; i <= static_cast<int>(Problem::deadline); ++i) {
    for (const auto dialect : {Dialect::openai, Dialect::messages}) {
      const auto response = error_response(static_cast<Problem>(i), "m", {.dialect = dialect});
      EXPECT_GE(response.status, 400);
      const auto body = moe::json::parse(response.body);
      ASSERT_TRUE(body.ok());
      const auto* error = body->find("error");
      ASSERT_NE(error, nullptr);
      EXPECT_FALSE(error->find("type")->as_string().empty());
      EXPECT_EQ(error->find("message")->as_string(), "m");
    }
  }
}

TEST(ErrorMap, engine_codes_map_as_the_contract_says) {
  using moe::Code;
  const auto of = [](Code code) { return error_info(problem_of(code).value()); };
  EXPECT_EQ(of(Code::invalid_argument).code, "invalid_value");
  EXPECT_EQ(of(Code::out_of_range).code, "context_length_exceeded");
  EXPECT_EQ(of(Code::unsupported).code, "unsupported_parameter");
  EXPECT_EQ(of(Code::not_found).status, 404);
  EXPECT_EQ(of(Code::resource_exhausted).status, 503);
  EXPECT_EQ(error_info(Problem::engine_overloaded, Dialect::messages).status, 529);
  EXPECT_EQ(of(Code::unavailable).code, "model_loading");
  EXPECT_EQ(of(Code::deadline_exceeded).status, 504);
  for (const auto code : {Code::internal, Code::abi_mismatch, Code::forked}) EXPECT_EQ(of(code).status, 500);
  EXPECT_FALSE(problem_of(Code::cancelled));
  EXPECT_FALSE(problem_of(Code::ok));
}

TEST(ErrorMap, text_and_param_of_a_backend_reach_the_client_only_when_the_client_can_act) {
  const auto own = error_response(moe::invalid("role: unknown").with_param("messages[0].role"));
  EXPECT_NE(own.body.find("messages[0].role"), std::string::npos);
  EXPECT_NE(own.body.find("role: unknown"), std::string::npos);
  for (const auto code : {moe::Code::internal, moe::Code::unavailable, moe::Code::resource_exhausted}) {
    const auto response = error_response(moe::Status(code, "/var/lib/moegate/ledger.db is gone").with_param("secret"));
    EXPECT_EQ(response.body.find("ledger.db"), std::string::npos);
    EXPECT_EQ(response.body.find("secret"), std::string::npos);
  }
}

TEST(ErrorMap, retry_headers_are_true_and_never_zero) {
  const auto overloaded =
      error_response(Problem::engine_overloaded, "m", {.retry_after = std::chrono::milliseconds(0)});
  EXPECT_EQ(header_of(overloaded, "retry-after-ms"), "1");
  EXPECT_EQ(header_of(overloaded, "retry-after"), "1");
  const auto limited =
      error_response(Problem::rate_limit_exceeded, "m", {.retry_after = std::chrono::milliseconds(1500)});
  EXPECT_EQ(header_of(limited, "retry-after-ms"), "1500");
  EXPECT_EQ(header_of(limited, "retry-after"), "2");
  const auto quota = error_response(Problem::insufficient_quota, "m");
  EXPECT_EQ(header_of(quota, "x-should-retry"), "false");
  EXPECT_EQ(header_of(quota, "retry-after"), "");
  EXPECT_EQ(header_of(error_response(Problem::deadline, "m", {.tokens_were_billed = true}), "x-should-retry"), "false");
  EXPECT_EQ(header_of(error_response(Problem::deadline, "m"), "x-should-retry"), "");
  EXPECT_EQ(header_of(error_response(Problem::internal_error, "m"), "retry-after"), "");
  EXPECT_EQ(header_of(error_response(Problem::invalid_api_key, "m"), "www-authenticate"), "Bearer");
}

TEST(ErrorMap, a_status_of_a_refusal_finds_its_problem) {
  for (const int status : {400, 404, 405, 408, 413, 414, 415, 417, 421, 431, 500, 501, 503, 505}) {
    EXPECT_EQ(error_info(problem_of_status(status)).status, status);
  }
}

}  // namespace
}  // namespace moegate::http
