#include "api/routes.hpp"

#include "api/endpoints.hpp"

namespace moegate::api {
namespace {

using Endpoint = std::function<void(Shared, const http::Match&)>;

void add(http::Router& router, const char* method, const char* path, const char* name, const char* role, Endpoint run) {
  router.add({method, path, name, role,
              [run = std::move(run)](const std::shared_ptr<http::Exchange>& exchange, const http::Match& match) {
                run(std::static_pointer_cast<middleware::ObservedExchange>(exchange), match);
              }});
}

}  // namespace

void add_health_routes(http::Router& router, const Services& services) {
  const auto* s = &services;
  add(router, "GET", "/health", "health", "", [s](Shared e, const http::Match&) { health(*s, std::move(e)); });
  add(router, "GET", "/livez", "livez", "", [](Shared e, const http::Match&) { liveness(std::move(e)); });
  add(router, "GET", "/healthz", "livez", "", [](Shared e, const http::Match&) { liveness(std::move(e)); });
  add(router, "GET", "/readyz", "readyz", "", [s](Shared e, const http::Match&) { readiness(*s, std::move(e)); });
  add(router, "GET", "/version", "version", "", [s](Shared e, const http::Match&) { version(*s, std::move(e)); });
}

void add_data_routes(http::Router& router, const Services& services) {
  const auto* s = &services;
  add_health_routes(router, services);
  add(router, "POST", "/v1/chat/completions", "chat_completions", "key",
      [s](Shared e, const http::Match&) { chat_completions(*s, std::move(e)); });
  add(router, "POST", "/v1/completions", "completions", "key",
      [s](Shared e, const http::Match&) { completions(*s, std::move(e)); });
  add(router, "POST", "/v1/chat/completions/input_tokens", "input_tokens", "key",
      [s](Shared e, const http::Match&) { count_chat_tokens(*s, std::move(e)); });
  add(router, "GET", "/v1/models", "models", "key",
      [s](Shared e, const http::Match&) { list_models(*s, std::move(e)); });
  add(router, "GET", "/v1/models/{id...}", "models", "key",
      [s](Shared e, const http::Match& m) { get_model(*s, std::move(e), m.parameters.at(0)); });
  add(router, "POST", "/tokenize", "tokenize", "key",
      [s](Shared e, const http::Match&) { tokenize(*s, std::move(e)); });
  add(router, "POST", "/detokenize", "detokenize", "key",
      [s](Shared e, const http::Match&) { detokenize(*s, std::move(e)); });
  add(router, "DELETE", "/v1/requests/{id}", "cancel", "key",
      [s](Shared e, const http::Match& m) { cancel_request(*s, std::move(e), m.parameters.at(0)); });
}

}  // namespace moegate::api
