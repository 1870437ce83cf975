#include "api/endpoints.hpp"
#include "core/json.hpp"

namespace moegate::api {
namespace {

using moe::json::Value;

Value model_object(const backend::Model& model, const std::string& id) {
  Value object = Value::object();
  object.set("id", Value::string(id));
  object.set("object", Value::string("model"));
  object.set("created", Value::integer(model.created));
  object.set("owned_by", Value::string("moegate"));
  object.set("root", Value::string(model.id));
  object.set("parent", id == model.id ? Value() : Value::string(model.id));
  object.set("max_model_len", Value::integer(static_cast<std::int64_t>(model.max_context_tokens)));
  Value meta = Value::object();
  meta.set("n_ctx_train", Value::integer(static_cast<std::int64_t>(model.max_context_tokens)));
  meta.set("n_vocab", Value::integer(static_cast<std::int64_t>(model.vocab_size)));
  object.set("meta", std::move(meta));
  return object;
}

bool refuse_while_loading(const Services& services, middleware::ObservedExchange& exchange) {
  if (services.lifecycle->is_ready) return false;
  exchange.respond(to_response({http::Problem::model_loading, "The models are being loaded.", {}, {}}));
  return true;
}

}  // namespace

void list_models(const Services& services, Shared exchange) {
  if (refuse_while_loading(services, *exchange)) return;
  Value list = Value::array();
  for (const auto& model : services.backend->models()) {
    if (!exchange->context.principal->may_use(model.id)) continue;
    list.push(model_object(model, model.id));
    for (const auto& alias : model.aliases) list.push(model_object(model, alias));
  }
  Value object = Value::object();
  object.set("object", Value::string("list"));
  object.set("data", std::move(list));
  answer_json(*exchange, moe::json::write(object));
}

// A model that the key may not use does not exist for it.
void get_model(const Services& services, Shared exchange, const std::string& id) {
  if (refuse_while_loading(services, *exchange)) return;
  const auto* model = services.backend->find(id);
  if (model == nullptr || !exchange->context.principal->may_use(model->id)) {
    return exchange->respond(to_response({http::Problem::model_not_found, "The model does not exist.", "model", {}}));
  }
  answer_json(*exchange, moe::json::write(model_object(*model, id)));
}

}  // namespace moegate::api
