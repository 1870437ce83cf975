#include "served_model.hpp"

#include <algorithm>
#include <chrono>

namespace moegate::plugins {

std::uint64_t shape_number(const moe::json::Value& facts, std::string_view name) {
  const auto* shape = facts.find("shape");
  const auto* value = shape == nullptr ? nullptr : shape->find(name);
  const auto number = value != nullptr && value->is_integer() ? value->as_int64() : std::nullopt;
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

moe::Result<std::unique_ptr<ServedModel>> load_served_model(const EngineModelConfig& config, moe_workers* workers,
                                                            moe_on_step_fn on_step, void* user) {
  auto served = std::make_unique<ServedModel>();
  served->id = config.id;
  const auto failed = [&](moe_status status) { return library_error(status).with_context("model " + config.id); };
  moe_model_options model_options = MOE_MODEL_OPTIONS_INIT;
  model_options.weights = config.weights;
  model_options.workers = workers;
  moe_model* model = nullptr;
  if (const moe_status status = moe_model_load(str(config.path), &model_options, &model); status != MOE_OK) {
    return failed(status);
  }
  served->model.reset(model);
  moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
  options.max_sequences = config.max_sequences;
  options.kv_cache_bytes = config.kv_cache_bytes;
  options.prefill_chunk = config.prefill_chunk;
  options.weight = config.weight;
  options.workers = workers;
  options.on_step = on_step;
  options.on_step_user = user;
  moe_engine* engine = nullptr;
  if (const moe_status status = moe_engine_create(model, &options, &engine); status != MOE_OK) return failed(status);
  served->engine.reset(engine);
  auto facts = model_facts(model);
  if (!facts.ok()) return facts.status();
  auto parsed = moe::json::parse(*facts);
  if (!parsed.ok()) return parsed.status().with_context("facts of " + config.id);
  served->facts = std::move(parsed).value();
  moe_engine_stats stats = MOE_ENGINE_STATS_INIT;
  if (const moe_status status = moe_engine_stats_get(engine, &stats); status != MOE_OK) return failed(status);
  served->context = stats.max_sequence_tokens;
  served->vocab_size = shape_number(served->facts, "vocab_size");
  served->moe_layers = static_cast<std::uint32_t>(shape_number(served->facts, "num_moe_layers"));
  served->num_experts = static_cast<std::uint32_t>(shape_number(served->facts, "num_experts"));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  served->created = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return served;
}

}  // namespace moegate::plugins
