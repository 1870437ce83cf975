#include "model/facts.hpp"

#include <algorithm>
#include <map>

#include "base/cpu_features.hpp"
#include "ops/matmul.hpp"

namespace moe::model {

namespace {

json::Value integer(std::uint64_t value) { return json::Value::integer(static_cast<std::int64_t>(value)); }

json::Value strings(const std::vector<std::string>& items) {
  json::Value list = json::Value::array();
  for (const std::string& item : items) {
    list.push(json::Value::string(item));
  }
  return list;
}

json::Value shape(const ModelSpec& spec) {
  return json::Value::object()
      .set("num_layers", integer(spec.num_layers()))
      .set("num_moe_layers", integer(spec.num_moe_layers()))
      .set("hidden_size", integer(spec.hidden_size))
      .set("num_attention_heads", integer(spec.num_heads))
      .set("num_kv_heads", integer(spec.num_kv_heads))
      .set("head_dim", integer(spec.head_dim))
      .set("num_experts", integer(spec.num_moe_layers() == 0 ? 0 : spec.router.num_experts))
      .set("experts_per_token", integer(spec.num_moe_layers() == 0 ? 0 : spec.router.experts_per_token))
      .set("moe_intermediate_size", integer(spec.moe_intermediate_size))
      .set("dense_intermediate_size", integer(spec.dense_intermediate_size))
      .set("vocab_size", integer(spec.vocab_size))
      .set("context", integer(spec.context))
      .set("tied_head", json::Value::boolean(spec.tied_head));
}

// Active: everything but the experts that a token does not use.
json::Value parameters(const ModelSpec& spec, const TensorUse& use) {
  const std::uint64_t experts = std::max<std::uint64_t>(1, spec.router.num_experts);
  const std::uint64_t idle =
      use.expert_parameters == 0 ? 0 : use.expert_parameters / experts * (experts - spec.router.experts_per_token);
  return json::Value::object()
      .set("total", integer(use.total_parameters))
      .set("active", integer(use.total_parameters - idle))
      .set("experts", integer(use.expert_parameters));
}

json::Value routing(const ModelSpec& spec) {
  json::Value object = json::Value::object();
  if (spec.num_moe_layers() > 0) {
    object.set("score", json::Value::string(spec.router.score == ScoreFn::softmax ? "softmax" : "sigmoid"))
        .set("renormalise", json::Value::boolean(spec.router.renorm == Renorm::sum))
        .set("routed_scale", json::Value::number(static_cast<double>(spec.router.routed_scale)))
        .set("ties", json::Value::string("lower expert index"))
        .set("capacity", json::Value::string("none: no token is dropped"));
  }
  return object;
}

json::Value options(const ModelSpec& spec) {
  json::Value object = json::Value::object();
  for (const OptionFact& option : spec.options) {
    auto value = json::parse(option.value);
    object.set(option.name, json::Value::object()
                                .set("value", value.ok() ? std::move(*value) : json::Value::string(option.value))
                                .set("source", json::Value::string(option.from_config ? "config" : "default")));
  }
  return object;
}

json::Value kernels() {
  json::Value object = json::Value::object();
  for (const char* operation : {"attention_projections", "router", "experts", "dense", "output"}) {
    object.set(operation, json::Value::string(ops::matmul_kernel_name()));
  }
  for (const char* operation : {"attention", "norm", "rope", "activation"}) {
    object.set(operation, json::Value::string("own " + std::string(base::isa_name(base::current_isa())) + " f32"));
  }
  return object;
}

json::Value end_tokens(const Model& model) {
  json::Value list = json::Value::array();
  for (const EndToken& token : model.end_tokens()) {
    json::Value item = json::Value::object().set("id", integer(static_cast<std::uint64_t>(token.id)));
    if (model.tokenizer() != nullptr) {
      const std::int32_t id = token.id;
      item.set("text", json::Value::string(model.tokenizer()->decode(std::span(&id, 1), false)));
    }
    list.push(std::move(item.set("sources", strings(token.sources))));
  }
  return list;
}

json::Value tensors(const Checkpoint& checkpoint, const TensorUse& use) {
  std::map<std::string, std::uint64_t> bytes_by_type;
  for (const auto& [name, place] : checkpoint.tensors()) {
    bytes_by_type[place.info->type_name] += place.info->bytes;
  }
  json::Value types = json::Value::object();
  for (const auto& [type, bytes] : bytes_by_type) {
    types.set(type, integer(bytes));
  }
  return json::Value::object()
      .set("used", integer(use.used.size()))
      .set("unused", strings(use.unused))
      .set("stored_bytes", std::move(types))
      .set("notes", strings(checkpoint.notes()));
}

}  // namespace

std::string describe(const Model& model, const Checkpoint& checkpoint, const TensorUse& use) {
  const ModelSpec& spec = model.spec();
  const auto& mask = model.token_mask();
  const auto padding = static_cast<std::uint64_t>(std::count(mask.begin(), mask.end(), 0));
  json::Value facts = json::Value::object()
                          .set("family", json::Value::string(spec.family))
                          .set("architecture", json::Value::string(spec.architecture))
                          .set("shape", shape(spec))
                          .set("parameters", parameters(spec, use))
                          .set("routing", routing(spec))
                          .set("options", options(spec))
                          .set("weights", json::Value::object()
                                              .set("format", json::Value::string("f32"))
                                              .set("bytes", integer(model.weights().bytes)))
                          .set("kernels", kernels())
                          .set("tensors", tensors(checkpoint, use))
                          .set("stray_files", strings(checkpoint.stray_files()))
                          .set("end_tokens", end_tokens(model))
                          .set("tokenizer", json::Value::boolean(model.tokenizer() != nullptr))
                          .set("chat_template", json::Value::boolean(model.chat_template() != nullptr))
                          .set("padding_rows", integer(padding));
  return json::write(facts);
}

}  // namespace moe::model
