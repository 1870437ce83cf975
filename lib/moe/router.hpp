// The router: from router logits to chosen experts and their weights, as one pipeline of orthogonal options
// (score -> choice -> select -> weight -> renormalise -> scale). Always float32. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/status.hpp"

namespace moe {

enum class ScoreFn : std::uint8_t { softmax, sigmoid };
enum class Renorm : std::uint8_t { none, sum };

struct RouterSpec {
  std::size_t num_experts = 0;
  std::size_t experts_per_token = 0;
  ScoreFn score = ScoreFn::softmax;
  Renorm renorm = Renorm::none;
  float routed_scale = 1.0F;
};

// Expert ids fit 16 bits in the route digest.
inline constexpr std::size_t kMaxExperts = 65536;

// Refuses what the functions below take as given. INVALID_ARGUMENT naming the option.
Status check_router(const RouterSpec& spec, std::size_t selection_bias_size);

// What the router decided in one call; grows to the largest call and stays.
struct Routing {
  std::vector<float> logits;          // [tokens, num_experts]
  std::vector<float> scores;          // [tokens, num_experts] softmax or sigmoid of the logits, without bias
  std::vector<float> choice;          // [tokens, num_experts] scores + bias, only filled with a bias
  std::vector<std::int32_t> experts;  // [tokens, experts_per_token] descending selection score, ties to the lower index
  std::vector<float> weights;         // [tokens, experts_per_token] the factor finally applied
  std::vector<std::uint8_t>
      is_bad;  // [tokens] 1 = logits not finite: experts are 0..k-1, weights 0, the caller fails the sequence
};

// Fills scores, experts, weights and is_bad from routing.logits ([tokens, num_experts]).
//   selection_bias  [num_experts] or empty; steers the choice only (DeepSeek-V3 report, 2.1.2)
// Precondition: check_router() was ok.
void choose_experts(const RouterSpec& spec, std::span<const float> selection_bias, std::size_t tokens,
                    Routing& routing);

// The two halves of choose_experts(), for callers that spread tokens over workers: sizes the buffers; decides one
// token.
void prepare_routing(const RouterSpec& spec, std::size_t tokens, Routing& routing);
void choose_experts_of_token(const RouterSpec& spec, std::span<const float> selection_bias, std::size_t token,
                             Routing& routing);

}  // namespace moe
