// One configured model: its weights, its engine and what is known of it. Immutable after load, thread-safe as moe.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/json.hpp"
#include "engine_config.hpp"
#include "libmoe.hpp"

namespace moegate::plugins {

struct ServedModel {
  std::string id;
  Model model;
  Engine engine;  // declared after the model, so destroyed before it
  moe::json::Value facts;
  std::uint64_t context = 0;  // effective: of the model or of the KV pool
  std::uint64_t vocab_size = 0;
  std::uint32_t moe_layers = 0, num_experts = 0;
  std::int64_t created = 0;  // seconds
};

// `on_step` is called with `user` from the engine's thread.
moe::Result<std::unique_ptr<ServedModel>> load_served_model(const EngineModelConfig& config, moe_workers* workers,
                                                            moe_on_step_fn on_step, void* user);

// A member of facts["shape"], 0 if absent.
std::uint64_t shape_number(const moe::json::Value& facts, std::string_view name);

}  // namespace moegate::plugins
