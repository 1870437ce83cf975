#include "api/endpoints.hpp"
#include "core/json.hpp"
#include "moe/plugin.h"

namespace moegate::api {

// The process is alive, also while it drains: an orchestrator must not kill it for that.
void liveness(Shared exchange) { answer_json(*exchange, R"({"status":"ok"})"); }

void readiness(const Services& services, Shared exchange) {
  const auto& state = *services.lifecycle;
  if (state.is_draining) return answer_json(*exchange, R"({"status":"draining"})", 503);
  if (!state.is_ready) return answer_json(*exchange, R"({"status":"loading"})", 503);
  if (!state.is_ledger_ok) return answer_json(*exchange, R"({"status":"ledger"})", 503);
  answer_json(*exchange, R"({"status":"ok"})");
}

// As llama-server's clients expect it; a draining server is still healthy.
void health(const Services& services, Shared exchange) {
  if (services.lifecycle->is_ready) return answer_json(*exchange, R"({"status":"ok"})");
  exchange->respond(to_response({http::Problem::model_loading, "Loading model", {}, {}}));
}

void version(const Services&, Shared exchange) {
  using moe::json::Value;
  const auto number = std::to_string(MOE_VERSION_MAJOR) + "." + std::to_string(MOE_VERSION_MINOR) + "." +
                      std::to_string(MOE_VERSION_PATCH);
  const auto abi = std::to_string(MOE_PLUGIN_ABI_MAJOR) + "." + std::to_string(MOE_PLUGIN_ABI_MINOR);
  answer_json(
      *exchange,
      moe::json::write(Value::object().set("version", Value::string(number)).set("plugin_abi", Value::string(abi))));
}

}  // namespace moegate::api
