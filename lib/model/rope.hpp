// Rotary frequencies of a model and the cos/sin rows of a step (Su et al. 2021; YaRN: Peng et al. 2023; llama3 scaling
// as in Meta's reference code). Angles in float32 as the official classes do. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/model_spec.hpp"

namespace moe::model {

class Rope {
 public:
  Rope(const RopeSpec& spec, std::size_t head_dim);
  std::size_t half_dim() const { return frequencies_.size(); }
  // cos, sin [positions, half_dim]
  void fill(std::span<const std::int32_t> positions, float* cos, float* sin) const;

 private:
  std::vector<float> frequencies_;
  float magnitude_;
};

}  // namespace moe::model
