#include "api/endpoints.hpp"
#include "core/json.hpp"

namespace moegate::api {

// The stream that is cancelled ends as if the model had stopped; its record says cancelled. Requests of other projects
// do not exist here.
void cancel_request(const Services& services, Shared exchange, const std::string& id) {
  using moe::json::Value;
  const auto running = services.lifecycle->is_ready ? services.backend->receiver().find(id) : nullptr;
  const auto& principal = *exchange->context.principal;
  if (running == nullptr || running->admission->row().org != principal.org ||
      running->admission->row().project != principal.project) {
    return exchange->respond(to_response({http::Problem::not_found, "No such request is running.", {}, {}}));
  }
  if (running->admission->want_end(usage::EndReason::cancelled)) services.backend->cancel(*running);
  answer_json(*exchange, moe::json::write(Value::object()
                                              .set("id", Value::string(id))
                                              .set("object", Value::string("request"))
                                              .set("cancelled", Value::boolean(true))));
}

}  // namespace moegate::api
