// moe_layer_*: one MoE block on its own.
#include <cmath>

#include "capi/guarded.hpp"
#include "capi/handles.hpp"

using namespace moe;
using namespace moe::capi;

namespace {

constexpr std::uint64_t kRowsAtOnce = 1024;  // bounds the scratch; a row's bits do not depend on it
constexpr std::uint64_t kMaxValues = std::uint64_t{1} << 40;

Status check_options(const moe_layer_options& in) {
  const auto between = [](const char* field, std::uint32_t value, std::uint32_t max) {
    return value < 1 || value > max ? invalid("options." + std::string(field) + ": " + std::to_string(value) +
                                              " is not from 1 to " + std::to_string(max))
                                    : Status();
  };
  for (Status status : {between("num_experts", in.num_experts, 4096),
                        between("experts_per_token", in.experts_per_token, in.num_experts),
                        between("hidden_size", in.hidden_size, 1U << 20),
                        between("intermediate_size", in.intermediate_size, 1U << 20)}) {
    if (!status.ok()) {
      return status;
    }
  }
  if (in.score != MOE_SCORE_SOFTMAX && in.score != MOE_SCORE_SIGMOID) {
    return invalid("options.score: " + std::to_string(in.score) + " is no MOE_SCORE_ value");
  }
  if (in.renormalize > 1 || !std::isfinite(in.routed_scale)) {
    return invalid(in.renormalize > 1 ? "options.renormalize: not 0 or 1" : "options.routed_scale: not finite");
  }
  if (std::uint64_t{in.num_experts} * in.hidden_size * in.intermediate_size > kMaxValues) {
    return invalid("options: num_experts x hidden_size x intermediate_size is too large");
  }
  return {};
}

Status check_values(const char* field, const float* values, std::uint64_t count) {
  if (values == nullptr) {
    return null_argument(field);
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) {
      return invalid(std::string(field) + ": value " + std::to_string(i) + " is not finite");
    }
  }
  return {};
}

Status pack(const float* values, std::uint64_t num_out, std::uint64_t num_in,
            std::unique_ptr<const ops::PackedMatrix>& out) {
  auto packed = ops::pack_f32(values, num_out, num_in);
  if (!packed.ok()) {
    return packed.status();
  }
  out = std::move(*packed);
  return {};
}

Status pack_weights(const moe_layer_options& in, MoeWeights& weights) {
  const std::uint64_t hidden = in.hidden_size;
  const std::uint64_t width = in.intermediate_size;
  weights.hidden_size = hidden;
  weights.intermediate_size = width;
  weights.spec.num_experts = in.num_experts;
  weights.spec.experts_per_token = in.experts_per_token;
  weights.spec.score = in.score == MOE_SCORE_SIGMOID ? ScoreFn::sigmoid : ScoreFn::softmax;
  weights.spec.renorm = in.renormalize != 0 ? Renorm::sum : Renorm::none;
  weights.spec.routed_scale = in.routed_scale == 0 ? 1.0F : in.routed_scale;
  if (in.selection_bias != nullptr) {
    weights.selection_bias.assign(in.selection_bias, in.selection_bias + in.num_experts);
  }
  Status status = pack(in.router, in.num_experts, hidden, weights.router);
  weights.experts.resize(in.num_experts);
  for (std::uint64_t e = 0; e < in.num_experts && status.ok(); ++e) {
    ExpertWeights& expert = weights.experts[e];
    status = pack(in.gate + e * width * hidden, width, hidden, expert.gate);
    if (status.ok()) {
      status = pack(in.up + e * width * hidden, width, hidden, expert.up);
    }
    if (status.ok()) {
      status = pack(in.down + e * hidden * width, hidden, width, expert.down);
    }
  }
  return status;
}

// Rows [first, first + rows) of a call.
Status forward_rows(moe_layer& layer, const float* x, std::uint64_t first, std::uint64_t rows, float* y,
                    std::int32_t* experts, float* routing_weights) {
  const std::size_t hidden = layer.weights.hidden_size;
  const std::size_t k = layer.weights.spec.experts_per_token;
  {
    const base::Turn turn(*layer.member);
    run_moe_block(layer.member->pool(), layer.weights, x + first * hidden, rows, y + first * hidden, layer.routing,
                  layer.scratch);
  }
  for (std::uint64_t row = 0; row < rows; ++row) {
    if (layer.routing.is_bad[row] != 0) {
      return invalid("x: router logits of row " + std::to_string(first + row) + " are not finite");
    }
  }
  for (std::uint64_t i = 0; i < rows * k; ++i) {
    layer.counts[static_cast<std::size_t>(layer.routing.experts[i])].fetch_add(1, std::memory_order_relaxed);
  }
  if (experts != nullptr) {
    std::copy_n(layer.routing.experts.begin(), rows * k, experts + first * k);
  }
  if (routing_weights != nullptr) {
    std::copy_n(layer.routing.weights.begin(), rows * k, routing_weights + first * k);
  }
  return {};
}

}  // namespace

extern "C" {

moe_status moe_layer_create(const moe_layer_options* options, moe_workers* workers, moe_layer** out_layer) {
  return guarded([&]() -> Status {
    if (out_layer == nullptr) {
      return null_argument("out_layer");
    }
    *out_layer = nullptr;
    if (options == nullptr) {
      return null_argument("options");
    }
    moe_layer_options in = MOE_LAYER_OPTIONS_INIT;
    if (Status status = copy_in(options, sizeof in, "options", in); !status.ok()) {
      return status;
    }
    if (Status status = check_options(in); !status.ok()) {
      return status;
    }
    const std::uint64_t expert_values = std::uint64_t{in.num_experts} * in.hidden_size * in.intermediate_size;
    for (Status status :
         {check_values("options.router", in.router, std::uint64_t{in.num_experts} * in.hidden_size),
          in.selection_bias == nullptr ? Status()
                                       : check_values("options.selection_bias", in.selection_bias, in.num_experts),
          check_values("options.gate", in.gate, expert_values), check_values("options.up", in.up, expert_values),
          check_values("options.down", in.down, expert_values)}) {
      if (!status.ok()) {
        return status;
      }
    }
    std::shared_ptr<base::WorkerPool> pool = workers == nullptr ? nullptr : workers->pool;
    if (pool == nullptr) {
      auto created = base::WorkerPool::create({});
      if (!created.ok()) {
        return created.status();
      }
      pool = std::move(*created);
    }
    claim_process();
    auto layer = std::make_unique<moe_layer>();
    if (Status status = pack_weights(in, layer->weights); !status.ok()) {
      return status;
    }
    layer->member = std::make_unique<base::WorkerPool::Member>(std::move(pool), 1);
    layer->counts = std::vector<std::atomic<std::uint64_t>>(in.num_experts);
    *out_layer = layer.release();
    return {};
  });
}

void moe_layer_destroy(moe_layer* layer) {
  if (layer != nullptr && in_forked_child()) {
    (void)layer->member.release();  // its workers and locks are not in this process
  }
  delete layer;
}

moe_status moe_layer_forward(moe_layer* layer, const float* x, uint64_t tokens, float* y, int32_t* experts,
                             float* routing_weights) {
  return guarded([&]() -> Status {
    if (layer == nullptr || (tokens != 0 && (x == nullptr || y == nullptr))) {
      return null_argument(layer == nullptr ? "layer" : (x == nullptr ? "x" : "y"));
    }
    const std::lock_guard lock(layer->mutex);
    for (std::uint64_t first = 0; first < tokens; first += kRowsAtOnce) {
      const std::uint64_t rows = std::min(kRowsAtOnce, tokens - first);
      if (Status status = forward_rows(*layer, x, first, rows, y, experts, routing_weights); !status.ok()) {
        return status;
      }
    }
    return {};
  });
}

moe_status moe_layer_expert_counts(const moe_layer* layer, uint64_t* counts, uint64_t capacity, uint64_t* out_count) {
  return guarded([&]() -> Status {
    if (out_count == nullptr) {
      return null_argument("out_count");
    }
    *out_count = 0;
    if (layer == nullptr) {
      return null_argument("layer");
    }
    std::vector<std::uint64_t> copy(layer->counts.size());
    std::transform(layer->counts.begin(), layer->counts.end(), copy.begin(),
                   [](const auto& count) { return count.load(std::memory_order_relaxed); });
    return copy_buffer<std::uint64_t>(copy, counts, capacity, out_count);
  });
}

}  // extern "C"
