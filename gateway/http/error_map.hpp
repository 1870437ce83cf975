// The one table from what went wrong to what a client sees: HTTP status, `type`, `code`, retry headers, and the error
// object with its four keys. Pure, thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/status.hpp"
#include "http/message.hpp"

namespace moegate::http {

// Whose error object and status: the OpenAI routes, or the Anthropic one (/v1/messages).
enum class Dialect { openai, messages };

enum class Problem {
  // 400
  invalid_json,
  invalid_type,
  invalid_value,
  missing_required_parameter,
  unsupported_parameter,
  context_length_exceeded,
  invalid_json_schema,
  bad_request,  // framing, path
  // 401, 403, 404, 405
  invalid_api_key,
  expired_api_key,
  insufficient_scope,
  model_not_allowed,
  model_not_found,
  not_found,  // route, or an object of the admin API
  method_not_allowed,
  // 408 to 431
  request_timeout,
  conflict,
  request_too_large,
  uri_too_long,
  unsupported_media_type,
  expectation_failed,
  misdirected_request,
  idempotency_mismatch,  // 422
  headers_too_large,
  // 429
  rate_limit_exceeded,
  insufficient_quota,
  // 5xx
  internal_error,
  not_implemented,
  engine_overloaded,
  model_loading,
  draining,
  http_version_not_supported,
  deadline,
};

struct ErrorInfo {
  int status = 500;
  std::string_view type;
  std::string_view code;
};
ErrorInfo error_info(Problem problem, Dialect dialect = Dialect::openai);

// Problem of an engine's or a room's status; empty for ok and cancelled, which have no answer.
std::optional<Problem> problem_of(moe::Code code);
// For refusals that know only the HTTP status (400, 413, ...): the problem that has it, bad_request if none.
Problem problem_of_status(int status);

// {"error":{"message":...,"type":...,"param":...,"code":...}}: all four keys, param and code string or null.
std::string error_body(std::string_view message, std::string_view type, std::string_view param, std::string_view code);
std::string error_body(std::string_view message, const ErrorInfo& info, std::string_view param = {});
// {"type":"error","error":{"type":...,"message":...}} as /v1/messages answers.
std::string messages_error_body(std::string_view message, std::string_view type);

struct ErrorDetails {
  std::string param = {};
  std::optional<std::chrono::milliseconds> retry_after = {};  // never sent as 0: rounded up to at least one unit
  bool tokens_were_billed = false;                            // on a deadline: tells the client not to retry
  Dialect dialect = Dialect::openai;
};
// A whole answer with its retry headers.
Response error_response(Problem problem, std::string_view message, const ErrorDetails& details = {});
// The same from a status: its message and param reach the client only in the 400 group and for NOT_FOUND, other texts
// are ours. Precondition: a code that has an answer.
Response error_response(const moe::Status& status, ErrorDetails details = {});

}  // namespace moegate::http
