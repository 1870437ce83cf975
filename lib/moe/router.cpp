#include "moe/router.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/elementwise.hpp"

namespace moe {
namespace {

bool all_finite(const float* x, std::size_t count) {
  return std::all_of(x, x + count, [](float value) { return std::isfinite(value); });
}

// experts[0..k): indices of the k largest `choice`, descending, ties to the lower index: a candidate moves up only past
// strictly smaller ones. O(num_experts x k), no memory.
void select(const float* choice, std::size_t num_experts, std::size_t k, std::int32_t* experts) {
  std::size_t filled = 0;
  for (std::size_t expert = 0; expert < num_experts; ++expert) {
    if (filled == k && !(choice[expert] > choice[experts[k - 1]])) {
      continue;
    }
    std::size_t place = filled < k ? filled++ : k - 1;
    for (; place > 0 && choice[expert] > choice[experts[place - 1]]; --place) {
      experts[place] = experts[place - 1];
    }
    experts[place] = static_cast<std::int32_t>(expert);
  }
}

void weigh(const RouterSpec& spec, const float* scores, const std::int32_t* experts, float* weights) {
  const std::size_t k = spec.experts_per_token;
  float sum = 0;
  for (std::size_t i = 0; i < k; ++i) {
    weights[i] = scores[experts[i]];
    sum += weights[i];
  }
  // A bias can choose experts whose scores are all 0: they stay 0 rather than become NaN.
  const float divisor = spec.renorm == Renorm::sum && sum > 0 ? sum : 1.0F;
  for (std::size_t i = 0; i < k; ++i) {
    weights[i] = weights[i] / divisor * spec.routed_scale;
  }
}

}  // namespace

void prepare_routing(const RouterSpec& spec, std::size_t tokens, Routing& routing) {
  routing.logits.resize(tokens * spec.num_experts);
  routing.scores.resize(tokens * spec.num_experts);
  routing.choice.resize(tokens * spec.num_experts);
  routing.experts.resize(tokens * spec.experts_per_token);
  routing.weights.resize(tokens * spec.experts_per_token);
  routing.is_bad.resize(tokens);
}

void choose_experts_of_token(const RouterSpec& spec, std::span<const float> selection_bias, std::size_t token,
                             Routing& routing) {
  const std::size_t num_experts = spec.num_experts;
  const float* logits = routing.logits.data() + token * num_experts;
  float* scores = routing.scores.data() + token * num_experts;
  std::int32_t* experts = routing.experts.data() + token * spec.experts_per_token;
  float* weights = routing.weights.data() + token * spec.experts_per_token;

  routing.is_bad[token] = all_finite(logits, num_experts) ? 0 : 1;
  if (routing.is_bad[token] != 0) {
    std::iota(experts, experts + spec.experts_per_token, 0);
    std::fill_n(weights, spec.experts_per_token, 0.0F);
    return;
  }
  std::copy_n(logits, num_experts, scores);
  switch (spec.score) {
    case ScoreFn::softmax:
      ops::softmax(scores, num_experts);
      break;
    case ScoreFn::sigmoid:
      ops::sigmoid(scores, num_experts);
      break;
  }
  const float* choice = scores;
  if (!selection_bias.empty()) {
    float* biased = routing.choice.data() + token * num_experts;  // a copy: the weights use the unbiased scores
    for (std::size_t expert = 0; expert < num_experts; ++expert) {
      biased[expert] = scores[expert] + selection_bias[expert];
    }
    choice = biased;
  }
  select(choice, num_experts, spec.experts_per_token, experts);
  weigh(spec, scores, experts, weights);
}

void choose_experts(const RouterSpec& spec, std::span<const float> selection_bias, std::size_t tokens,
                    Routing& routing) {
  prepare_routing(spec, tokens, routing);
  for (std::size_t token = 0; token < tokens; ++token) {
    choose_experts_of_token(spec, selection_bias, token, routing);
  }
}

Status check_router(const RouterSpec& spec, std::size_t selection_bias_size) {
  if (spec.num_experts == 0 || spec.num_experts > kMaxExperts) {
    return invalid("num_experts: " + std::to_string(spec.num_experts) + " is outside 1.." +
                   std::to_string(kMaxExperts));
  }
  if (spec.experts_per_token == 0 || spec.experts_per_token > spec.num_experts) {
    return invalid("experts_per_token: " + std::to_string(spec.experts_per_token) + " is outside 1.." +
                   std::to_string(spec.num_experts));
  }
  if (selection_bias_size != 0 && selection_bias_size != spec.num_experts) {
    return invalid("selection bias: " + std::to_string(selection_bias_size) + " values for " +
                   std::to_string(spec.num_experts) + " experts");
  }
  if (!std::isfinite(spec.routed_scale)) {
    return invalid("routed_scale: not finite");
  }
  return {};
}

}  // namespace moe
