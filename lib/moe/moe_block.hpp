// One Mixture-of-Experts feed-forward block, as the papers draw it: route, dispatch (sort by expert), experts, combine.
// Each expert's weights are read once a call however many tokens chose it. Weights are immutable and shareable; scratch
// belongs to the caller.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/worker_pool.hpp"
#include "core/status.hpp"
#include "moe/dispatch.hpp"
#include "moe/router.hpp"
#include "ops/matmul.hpp"

namespace moe {

struct ExpertWeights {
  std::unique_ptr<const ops::PackedMatrix> gate;  // [intermediate, hidden]
  std::unique_ptr<const ops::PackedMatrix> up;    // [intermediate, hidden]
  std::unique_ptr<const ops::PackedMatrix> down;  // [hidden, intermediate]
};

struct MoeWeights {
  RouterSpec spec;
  std::size_t hidden_size = 0;
  std::size_t intermediate_size = 0;
  std::unique_ptr<const ops::PackedMatrix> router;  // [num_experts, hidden]
  std::vector<float> selection_bias;                // [num_experts] or empty
  std::vector<ExpertWeights> experts;
};

// Buffers of a call; grow to the largest call and stay.
struct MoeScratch {
  Dispatch dispatch;
  // One unit of parallel work: a tile of output columns of one expert, for all rows of that expert.
  struct Tile {
    std::uint32_t expert = 0;
    std::uint32_t tile = 0;
  };
  std::vector<Tile> up_tiles, down_tiles;
  std::vector<float> gathered;    // [rows, hidden] tokens in dispatch order
  std::vector<float> gate, up;    // [rows, intermediate]; gate holds the activation after the first phase
  std::vector<float> expert_out;  // [rows, hidden]
};

// Refuses weights whose matrices do not fit each other: INVALID_ARGUMENT naming expert and matrix.
Status check_moe_weights(const MoeWeights& weights);

// y[tokens, hidden] = sum over the chosen experts of weight * expert(x), summed in the order of the choice (fixed).
// `routing` receives logits, experts, weights. A token whose logits are not finite has routing.is_bad set and y = 0.
// Runs on `pool` (the caller holds the turn).
void run_moe_block(base::WorkerPool& pool, const MoeWeights& weights, const float* x, std::size_t tokens, float* y,
                   Routing& routing, MoeScratch& scratch);

}  // namespace moe
