#include "http/error_map.hpp"

#include <algorithm>

#include "core/json.hpp"

namespace moegate::http {
namespace {

constexpr std::string_view kInvalidRequest = "invalid_request_error";

// spec of the OpenAI error object; a switch without default, so that a new problem fails to compile.
ErrorInfo openai_info(Problem problem) {
  switch (problem) {
    case Problem::invalid_json:
      return {400, kInvalidRequest, "invalid_json"};
    case Problem::invalid_type:
      return {400, kInvalidRequest, "invalid_type"};
    case Problem::invalid_value:
      return {400, kInvalidRequest, "invalid_value"};
    case Problem::missing_required_parameter:
      return {400, kInvalidRequest, "missing_required_parameter"};
    case Problem::unsupported_parameter:
      return {400, kInvalidRequest, "unsupported_parameter"};
    case Problem::context_length_exceeded:
      return {400, kInvalidRequest, "context_length_exceeded"};
    case Problem::invalid_json_schema:
      return {400, kInvalidRequest, "invalid_json_schema"};
    case Problem::bad_request:
      return {400, kInvalidRequest, "bad_request"};
    case Problem::invalid_api_key:
      return {401, "authentication_error", "invalid_api_key"};
    case Problem::expired_api_key:
      return {401, "authentication_error", "expired_api_key"};
    case Problem::insufficient_scope:
      return {403, "permission_error", "insufficient_scope"};
    case Problem::model_not_allowed:
      return {403, "permission_error", "model_not_allowed"};
    case Problem::model_not_found:
      return {404, kInvalidRequest, "model_not_found"};
    case Problem::not_found:
      return {404, kInvalidRequest, "not_found"};
    case Problem::method_not_allowed:
      return {405, kInvalidRequest, "method_not_allowed"};
    case Problem::request_timeout:
      return {408, kInvalidRequest, "request_timeout"};
    case Problem::conflict:
      return {409, kInvalidRequest, "conflict"};
    case Problem::request_too_large:
      return {413, kInvalidRequest, "request_too_large"};
    case Problem::uri_too_long:
      return {414, kInvalidRequest, "uri_too_long"};
    case Problem::unsupported_media_type:
      return {415, kInvalidRequest, "unsupported_media_type"};
    case Problem::expectation_failed:
      return {417, kInvalidRequest, "expectation_failed"};
    case Problem::misdirected_request:
      return {421, kInvalidRequest, "misdirected_request"};
    case Problem::idempotency_mismatch:
      return {422, kInvalidRequest, "idempotency_mismatch"};
    case Problem::headers_too_large:
      return {431, kInvalidRequest, "headers_too_large"};
    case Problem::rate_limit_exceeded:
      return {429, "rate_limit_error", "rate_limit_exceeded"};
    case Problem::insufficient_quota:
      return {429, "insufficient_quota", "insufficient_quota"};
    case Problem::internal_error:
      return {500, "server_error", "internal_error"};
    case Problem::not_implemented:
      return {501, "server_error", "not_implemented"};
    case Problem::engine_overloaded:
      return {503, "server_error", "engine_overloaded"};
    case Problem::model_loading:
      return {503, "unavailable_error", "model_loading"};
    case Problem::draining:
      return {503, "unavailable_error", "draining"};
    case Problem::http_version_not_supported:
      return {505, kInvalidRequest, "http_version_not_supported"};
    case Problem::deadline:
      return {504, "server_error", "timeout"};
  }
  return {500, "server_error", "internal_error"};
}

std::string_view messages_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : kInvalidRequest;
  }
}

// Text of ours in place of one that a client must not see.
std::string_view public_text(Problem problem) {
  switch (problem) {
    case Problem::engine_overloaded:
      return "The server is overloaded; please retry.";
    case Problem::model_loading:
      return "The model is not ready; please retry.";
    case Problem::draining:
      return "The server is shutting down; please retry.";
    case Problem::deadline:
      return "The request did not finish before its deadline.";
    default:
      return "The server had an error while processing the request.";
  }
}

moe::json::Value text_or_null(std::string_view text) {
  return text.empty() ? moe::json::Value() : moe::json::Value::string(std::string(text));
}

// The header both SDKs read first is in milliseconds; the standard one in whole seconds. Never 0: that means "now".
void add_retry_after(Response& response, std::chrono::milliseconds after) {
  const auto ms = std::max<std::int64_t>(after.count(), 1);
  response.headers.push_back({"retry-after-ms", std::to_string(ms)});
  response.headers.push_back({"retry-after", std::to_string((ms + 999) / 1000)});
}

void add_retry_headers(Response& response, Problem problem, const ErrorDetails& details) {
  const bool can_retry = response.status == 429 || response.status == 503 || response.status == 529;
  const bool never = problem == Problem::insufficient_quota || problem == Problem::conflict ||
                     (problem == Problem::deadline && details.tokens_were_billed);
  if (never) {
    response.headers.push_back({"x-should-retry", "false"});
  } else if (can_retry) {
    add_retry_after(response, details.retry_after.value_or(std::chrono::seconds(1)));
  }
}

}  // namespace

ErrorInfo error_info(Problem problem, Dialect dialect) {
  ErrorInfo info = openai_info(problem);
  if (dialect == Dialect::openai) return info;
  if (problem == Problem::engine_overloaded) info.status = 529;
  info.type = messages_type(info.status);
  return info;
}

std::optional<Problem> problem_of(moe::Code code) {
  switch (code) {
    case moe::Code::ok:
    case moe::Code::cancelled:
      return {};
    case moe::Code::invalid_argument:
      return Problem::invalid_value;
    case moe::Code::not_found:
      return Problem::model_not_found;
    case moe::Code::out_of_range:
      return Problem::context_length_exceeded;
    case moe::Code::resource_exhausted:
      return Problem::engine_overloaded;
    case moe::Code::deadline_exceeded:
      return Problem::deadline;
    case moe::Code::unavailable:
      return Problem::model_loading;
    case moe::Code::unsupported:
      return Problem::unsupported_parameter;
    case moe::Code::abi_mismatch:
    case moe::Code::internal:
    case moe::Code::forked:
      return Problem::internal_error;
  }
  return Problem::internal_error;
}

Problem problem_of_status(int status) {
  switch (status) {
    case 404:
      return Problem::not_found;
    case 405:
      return Problem::method_not_allowed;
    case 408:
      return Problem::request_timeout;
    case 413:
      return Problem::request_too_large;
    case 414:
      return Problem::uri_too_long;
    case 415:
      return Problem::unsupported_media_type;
    case 417:
      return Problem::expectation_failed;
    case 421:
      return Problem::misdirected_request;
    case 431:
      return Problem::headers_too_large;
    case 500:
      return Problem::internal_error;
    case 501:
      return Problem::not_implemented;
    case 503:
      return Problem::engine_overloaded;
    case 505:
      return Problem::http_version_not_supported;
    default:
      return Problem::bad_request;
  }
}

std::string error_body(std::string_view message, std::string_view type, std::string_view param, std::string_view code) {
  using moe::json::Value;
  Value error = Value::object();
  error.set("message", Value::string(std::string(message)))
      .set("type", Value::string(std::string(type)))
      .set("param", text_or_null(param))
      .set("code", text_or_null(code));
  return moe::json::write(Value::object().set("error", std::move(error)));
}

std::string error_body(std::string_view message, const ErrorInfo& info, std::string_view param) {
  return error_body(message, info.type, param, info.code);
}

std::string messages_error_body(std::string_view message, std::string_view type) {
  using moe::json::Value;
  Value error = Value::object();
  error.set("type", Value::string(std::string(type))).set("message", Value::string(std::string(message)));
  Value body = Value::object();
  body.set("type", Value::string("error")).set("error", std::move(error));
  return moe::json::write(body);
}

Response error_response(Problem problem, std::string_view message, const ErrorDetails& details) {
  const ErrorInfo info = error_info(problem, details.dialect);
  Response response;
  response.status = info.status;
  response.body = details.dialect == Dialect::messages ? messages_error_body(message, info.type)
                                                       : error_body(message, info, details.param);
  if (info.status == 401) response.headers.push_back({"www-authenticate", "Bearer"});
  add_retry_headers(response, problem, details);
  return response;
}

Response error_response(const moe::Status& status, ErrorDetails details) {
  const Problem problem = problem_of(status.code()).value_or(Problem::internal_error);
  const int http_status = error_info(problem).status;
  if (http_status != 400 && http_status != 404) return error_response(problem, public_text(problem), details);
  if (details.param.empty()) details.param = status.param();
  if (details.param.empty() && problem == Problem::context_length_exceeded) details.param = "messages";
  if (details.param.empty() && problem == Problem::model_not_found) details.param = "model";
  return error_response(problem, status.message(), details);
}

}  // namespace moegate::http
