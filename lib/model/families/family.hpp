// The list of model families. A family maps config keys and tensor names onto ModelSpec; adding one is its own file and
// a line in registry.cpp. Pure functions.
#pragma once

#include <span>
#include <string_view>

#include "model/config.hpp"
#include "model/model_spec.hpp"

namespace moe::model {

struct Family {
  std::string_view model_type;    // config.json: model_type
  std::string_view architecture;  // config.json: architectures[0]
  void (*read)(Config& config, ModelSpec& spec);
};

std::span<const Family> families();
// By model_type; UNSUPPORTED names the known ones.
Result<const Family*> find_family(std::string_view model_type);
// The whole config.json to a checked spec.
Result<ModelSpec> read_spec(Config& config);

// What every decoder-only family has: sizes, norm, heads, rotary settings, tied head.
void read_decoder(Config& config, ModelSpec& spec, double default_theta);

void read_llama(Config& config, ModelSpec& spec);
void read_qwen3_moe(Config& config, ModelSpec& spec);

}  // namespace moe::model
