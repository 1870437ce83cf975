// The configuration that the gateway hands to init, checked. Value types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"
#include "moe/moe.h"

namespace moegate::plugins {

struct EngineModelConfig {
  std::string id, path;
  std::int32_t weights = MOE_WEIGHTS_NATIVE;
  std::uint32_t max_sequences = 0, prefill_chunk = 0, weight = 0;
  std::uint64_t kv_cache_bytes = 0;
};

struct EngineConfig {
  std::uint32_t threads = 0;
  bool pin_threads = true;
  std::vector<EngineModelConfig> models;
};

// Errors carry the path of the key ("models[1].weights").
moe::Result<EngineConfig> read_engine_config(std::string_view text);

}  // namespace moegate::plugins
