#include <chrono>

#include "api/endpoints.hpp"
#include "api/generation.hpp"
#include "core/json.hpp"

namespace moegate::api {
namespace {

using http::Problem;

std::string_view api_name(Api api) { return api == Api::chat ? "chat" : "completions"; }

// A refusal before the model is known counts under a model that is none.
void refuse(const Services& services, middleware::ObservedExchange& exchange, const ApiError& error, Api api,
            bool stream, std::string_view model, std::string_view outcome) {
  services.metrics->requests.add(1, model, api_name(api), stream ? "stream" : "oneshot", outcome);
  ++services.lifecycle->refused;
  exchange.context.outcome = outcome;
  exchange.respond(to_response(error));
}

std::string seconds_text(std::uint64_t milliseconds) {
  if (milliseconds < 1000) return std::to_string(milliseconds) + "ms";
  const auto minutes = milliseconds / 60'000;
  const auto rest = moe::json::format_double(static_cast<double>(milliseconds % 60'000) / 1000);
  const auto tail = (rest.ends_with(".0") ? rest.substr(0, rest.size() - 2) : rest) + "s";
  return minutes == 0 ? tail : std::to_string(minutes) + "m" + tail;
}

void add_window(middleware::ObservedExchange& exchange, const std::optional<limits::RequestWindow>& window) {
  if (!window) return;
  exchange.add_header("x-ratelimit-limit-requests", std::to_string(window->limit));
  exchange.add_header("x-ratelimit-remaining-requests", std::to_string(window->remaining));
  exchange.add_header("x-ratelimit-reset-requests", seconds_text(window->reset_ms));
}

void refuse_limit(const Services& services, middleware::ObservedExchange& exchange, const limits::Rejection& rejection,
                  const Params& params, const std::string& model) {
  services.metrics->limit_rejections.add(1, rejection.scope, rejection.kind);
  services.metrics->requests.add(1, model, api_name(params.api), params.is_stream ? "stream" : "oneshot",
                                 "rejected_rate");
  exchange.context.outcome = "rejected_rate";
  ++services.lifecycle->refused;
  const std::string what = rejection.kind == "rpm" ? "requests a minute" : "concurrent requests";
  http::ErrorDetails details;
  details.retry_after = std::chrono::milliseconds(rejection.retry_after_ms);
  auto response = http::error_response(
      Problem::rate_limit_exceeded,
      "The limit of " + std::to_string(rejection.limit) + " " + what + " of this " + rejection.scope + " is reached.",
      details);
  response.headers.push_back({"x-moegate-limit-scope", rejection.scope});
  response.headers.push_back({"x-moegate-limit-kind", rejection.kind});
  response.headers.push_back({"x-moegate-limit", std::to_string(rejection.limit)});
  exchange.respond(std::move(response));
}

ParamsOrError read_request(const http::Request& request, Api api) {
  std::optional<ApiError> error;
  const auto body = parse_body(request.body, error);
  if (error) return *error;
  return api == Api::chat ? read_chat(body) : read_completion(body);
}

void generate(const Services& services, Shared exchange, Api api) {
  const auto begin = std::chrono::steady_clock::now();
  auto read = read_request(exchange->request(), api);
  services.metrics->overhead.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
                                     exchange->context.route, "parse");
  if (const auto* error = std::get_if<ApiError>(&read)) {
    return refuse(services, *exchange, *error, api, false, telemetry::kUnknownModel, "rejected_invalid");
  }
  auto& params = std::get<Params>(read);
  std::optional<ApiError> error;
  const auto* model = resolve_model(services, *exchange, params.model, error);
  if (model == nullptr) {
    const bool is_auth = error->problem == Problem::model_not_allowed;
    if (is_auth) services.metrics->auth.add(1, "key", "model");
    return refuse(services, *exchange, *error, api, params.is_stream, telemetry::kUnknownModel,
                  is_auth                                    ? "rejected_auth"
                  : error->problem == Problem::model_loading ? "rejected_overload"
                                                             : "rejected_invalid");
  }
  if (!services.lifecycle->is_ledger_ok) {
    services.metrics->requests.add(1, model->id, api_name(api), params.is_stream ? "stream" : "oneshot",
                                   "rejected_overload");
    http::ErrorDetails details;
    details.retry_after = std::chrono::seconds(1);
    return exchange->respond(
        http::error_response(Problem::engine_overloaded, "Usage cannot be recorded at the moment.", details));
  }
  // Every check looks at the model that will serve, whatever name was asked for.
  std::optional<limits::Rejection> rejection;
  std::optional<limits::RequestWindow> window;
  auto slot = services.limiter->acquire(*exchange->context.principal, &rejection, &window);
  add_window(*exchange, window);
  if (rejection || slot == nullptr)
    return refuse_limit(services, *exchange, rejection.value_or(limits::Rejection{}), params, model->id);
  std::make_shared<Generation>(services, exchange, std::move(params), *model, std::move(slot))->run();
}

}  // namespace

const backend::Model* resolve_model(const Services& services, middleware::ObservedExchange& exchange,
                                    const std::string& asked, std::optional<ApiError>& error) {
  if (!services.lifecycle->is_ready) {
    error = ApiError{Problem::model_loading, "The models are being loaded.", {}, {}};
    return nullptr;
  }
  const auto* model = services.backend->find(asked);
  if (model == nullptr) {
    error = ApiError{Problem::model_not_found, "The model does not exist.", "model", {}};
    return nullptr;
  }
  if (!exchange.context.principal->may_use(model->id)) {
    error = ApiError{Problem::model_not_allowed, "The API key may not use this model.", "model", {}};
    return nullptr;
  }
  exchange.context.model = model->id;
  return model;
}

void answer_json(middleware::ObservedExchange& exchange, std::string body, int status) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  exchange.respond(std::move(response));
}

void chat_completions(const Services& services, Shared exchange) { generate(services, std::move(exchange), Api::chat); }
void completions(const Services& services, Shared exchange) {
  generate(services, std::move(exchange), Api::completions);
}

}  // namespace moegate::api
