#include "admin/http_api.hpp"
#include "core/json.hpp"

namespace moegate::admin {
namespace {

using moe::json::Value;

Value number(std::uint64_t value) { return Value::integer(static_cast<std::int64_t>(value)); }

Value model_object(const api::Services& services, const backend::Model& model) {
  Value object = Value::object();
  object.set("id", Value::string(model.id));
  object.set("ready", Value::boolean(true));
  object.set("facts", model.facts);
  if (const auto counters = services.backend->counters(model)) {
    object.set("running", number(counters->running));
    object.set("waiting", number(counters->waiting));
    object.set("kv_blocks_used", number(counters->kv_blocks_used));
    object.set("kv_blocks_total", number(counters->kv_blocks_total));
    object.set("prompt_tokens_total", number(counters->prompt_tokens));
    object.set("cached_tokens_total", number(counters->cached_tokens));
    object.set("completion_tokens_total", number(counters->completion_tokens));
  }
  return object;
}

Value requests_object(const api::Services& services) {
  const auto ended = services.backend->receiver().ended();
  Value by_outcome = Value::object();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < ended.size(); ++i) {
    by_outcome.set(std::string(ledger::outcome_name(static_cast<ledger::Outcome>(i))), number(ended[i]));
    total += ended[i];
  }
  const std::uint64_t refused = services.lifecycle->refused;
  const auto in_flight = services.backend->receiver().active();
  by_outcome.set("refused", number(refused));
  return Value::object()
      .set("total", number(total + refused + in_flight))
      .set("in_flight", number(in_flight))
      .set("by_outcome", std::move(by_outcome));
}

std::string_view state_name(ledger::State state) {
  switch (state) {
    case ledger::State::serving:
      return "serving";
    case ledger::State::disk_full:
      return "holding";
    case ledger::State::failed:
      break;
  }
  return "failed";
}

}  // namespace

Value overview(const api::Services& services, std::chrono::steady_clock::time_point started) {
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started);
  Value models = Value::array();
  Value requests;
  if (services.lifecycle->is_ready) {
    for (const auto& model : services.backend->models()) models.push(model_object(services, model));
    requests = requests_object(services);
  } else {
    for (const auto& model : services.config->models) {
      models.push(Value::object().set("id", Value::string(model.id)).set("ready", Value::boolean(false)));
    }
  }
  const auto stats = services.ledger->stats();
  return Value::object()
      .set("version", Value::string(MOEGATE_VERSION))
      .set("uptime_seconds", Value::integer(uptime.count()))
      .set("draining", Value::boolean(services.lifecycle->is_draining))
      .set("models", std::move(models))
      .set("requests", std::move(requests))
      .set("ledger", Value::object()
                         .set("records", number(stats.records))
                         .set("state", Value::string(std::string(state_name(stats.state)))));
}

}  // namespace moegate::admin
