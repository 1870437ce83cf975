#include "middleware/pipeline.hpp"

#include <chrono>

#include "http/error_map.hpp"
#include "http/origin.hpp"

namespace moegate::middleware {
namespace {

std::string_view result_name(tenancy::AuthFailure why) {
  switch (why) {
    case tenancy::AuthFailure::missing:
      return "missing";
    case tenancy::AuthFailure::unknown:
      return "unknown";
    case tenancy::AuthFailure::revoked:
      return "revoked";
    case tenancy::AuthFailure::expired:
      return "expired";
    case tenancy::AuthFailure::conflict:
      return "conflict";
  }
  return "unknown";
}

}  // namespace

void Pipeline::run(std::shared_ptr<http::Exchange> inner) const {
  // 1. An id and one clock reading: everything later, refusals too, carries them.
  const auto exchange = std::make_shared<ObservedExchange>(std::move(inner), *options_.metrics, options_.listener);
  auto& context = exchange->context;
  context.now_us = options_.wall_us();
  context.request_id = options_.ids->next(context.now_us);
  exchange->add_header("x-request-id", context.request_id);
  exchange->add_header("request-id", context.request_id);
  // 2. The one match that both auth and dispatch use.
  const auto match = options_.router->match(exchange->request().method, exchange->request().path);
  if (match.route == nullptr) return exchange->respond(http::Router::refusal(match));
  context.route = match.route->name;
  exchange->begin();
  // 3. Who is asking, then whether there is still work taken: probes of strangers learn nothing but health.
  if (!admit(*exchange, *match.route)) return;
  match.route->handler(exchange, match);
}

bool Pipeline::admit(ObservedExchange& exchange, const http::Route& route) const {
  if (route.role.empty()) return true;
  if (route.role != "key") return options_.admit_admin && options_.admit_admin(exchange, route);
  if (!authenticate(exchange)) return false;
  const bool is_work = route.method == "POST";
  if (is_work && options_.lifecycle->is_draining) {
    http::ErrorDetails details;
    details.retry_after = std::chrono::seconds(5);
    exchange.respond(http::error_response(http::Problem::draining, "The server is shutting down.", details));
    return false;
  }
  // A browser sends text/plain across sites without asking; JSON it does not.
  if (is_work && !http::is_json_content_type(exchange.request().header("content-type"))) {
    exchange.respond(
        http::error_response(http::Problem::unsupported_media_type, "Content-Type must be application/json."));
    return false;
  }
  return true;
}

bool Pipeline::authenticate(ObservedExchange& exchange) const {
  auto& context = exchange.context;
  auto why = tenancy::AuthFailure::missing;
  const auto& request = exchange.request();
  context.principal = options_.directory->authenticate(request.header("authorization"), request.header("x-api-key"),
                                                       context.now_us, &why);
  options_.metrics->auth.add(1, "key", context.principal ? "ok" : result_name(why));
  if (context.principal) return true;
  // Unknown and revoked keys get the same words; only the holder of a real key learns that it expired.
  const bool is_expired = why == tenancy::AuthFailure::expired;
  auto response = http::error_response(is_expired ? http::Problem::expired_api_key : http::Problem::invalid_api_key,
                                       is_expired                             ? "The API key has expired."
                                       : why == tenancy::AuthFailure::missing ? "No API key was given."
                                                                              : "The API key is not valid.");
  exchange.respond(std::move(response));
  return false;
}

}  // namespace moegate::middleware
