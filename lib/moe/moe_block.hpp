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
  std::vector<std::uint32_t> expert_first;   // [num_experts + 1] rows of each expert after the counting sort
  std::vector<std::uint32_t> row_token;      // [tokens * k] token of each sorted row
  std::vector<std::uint32_t> slot_row;       // [tokens * k] sorted row of each (token, choice)
  std::vector<float> gathered, gate, up, expert_out;
};

// y[tokens, hidden] = sum over the chosen experts of weight * expert(x), summed in the order of the choice (fixed).
// `routing` receives logits, experts, weights. Runs on `pool` (the caller holds the turn).
void run_moe_block(base::WorkerPool& pool, const MoeWeights& weights, const float* x, std::size_t tokens, float* y,
                   Routing& routing, MoeScratch& scratch);

}  // namespace moe
